//! Stands in for `session-manager-plugin` in tests: called with the same three arguments, it behaves
//! as plugin 1.2.677.0 does with a session of type Port on standard input and output.
//!
//! What it shares with the plugin: frames of 1,024 bytes and a millisecond after each, frames sent
//! again that are not acknowledged, data dropped before it is ready, duplicates ignored without a
//! word, its lines on standard output before the stream and after it, an end without a close message,
//! and no bound on how long it waits for a gateway that has refused it: here that is an error.

use std::process::ExitCode;

use sagegate_dial::{Gauge, Options, Target, run};

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    stream_url: String,
    token_value: String,
    session_id: String,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CliResponse {
    stream_url: String,
    token_value: String,
    session_id: String,
}

fn target(text: &str) -> Option<Target> {
    if let Ok(it) = serde_json::from_str::<Response>(text) {
        let (url, token) = (it.stream_url, it.token_value);
        return Some(Target { url, session_id: it.session_id, token });
    }
    // As the CLI's own start-session hands it over.
    let it: CliResponse = serde_json::from_str(text).ok()?;
    Some(Target { url: it.stream_url, session_id: it.session_id, token: it.token_value })
}

/// Prints a line; that nobody reads it any more is no failure of the session.
macro_rules! say {
    ($($part:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stdout(), $($part)*);
    }};
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [response, _region, operation, ..] = arguments.as_slice() else {
        say!("The Session Manager plugin was installed successfully.");
        return ExitCode::SUCCESS;
    };
    let Some(target) = target(response).filter(|_| operation == "StartSession") else {
        eprintln!("Invalid arguments");
        return ExitCode::FAILURE;
    };
    say!("\nStarting session with SessionId: {}", target.session_id);
    let gauge = Gauge::default();
    let (input, output) = (tokio::io::stdin(), tokio::io::stdout());
    let random = fastrand::u64(..).to_be_bytes();
    let ended = run(&target, Options::PLUGIN, (random, 1), input, output, &gauge).await;
    let code = match ended {
        Ok(output) if output.is_empty() => {
            say!("\n\nExiting session with sessionId: {}.\n", target.session_id);
            0
        }
        Ok(output) => {
            say!("\n\nSessionId: {} : {output}\n", target.session_id);
            0
        }
        Err(error) => {
            eprintln!("{error}");
            1
        }
    };
    // A read of standard input may be under way on a thread of its own, and is not waited for.
    std::process::exit(code)
}
