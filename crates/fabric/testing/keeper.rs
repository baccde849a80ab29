//! The keeper that the tests start.

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    match sagegate_fabric::keeper::run() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            std::process::ExitCode::FAILURE
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {}
