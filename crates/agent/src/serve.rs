//! The agent: puts its parts together.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::process::DumpableBehavior;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{SetOnce, mpsc, watch};

use crate::control::{self, Shared};
use crate::launch::read;
use crate::plan::{Plan, READY};
use crate::protocol::{App, Relay, Status};
use crate::relay::Dials;
use crate::supervise;
use crate::trouble::{Done, While};

/// Threads of an agent: one for a busy session, one for everything else.
const THREADS: usize = 2;
/// How often to look whether the home is still there.
const LOOK: Duration = Duration::from_secs(5);

/// Runs the agent until it is told to stop.
pub(crate) fn agent(path: &Path) -> Done {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).doing("closing up")?;
    let plan: Plan = read(path)?;
    let socket = rustix::stdio::stdin().try_clone_to_owned().doing("the control socket")?;
    let listener = UnixListener::from(socket);
    listener.set_nonblocking(true).doing("the control socket")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .doing("the agent")?;
    let done = runtime.block_on(run(plan, listener));
    // Whatever is still under way ends with the process.
    runtime.shutdown_background();
    done
}

async fn run(mut plan: Plan, listener: UnixListener) -> Done {
    heed_signals();
    let listener = tokio::net::UnixListener::from_std(listener).doing("the control socket")?;
    let mut relays = Vec::new();
    let mut ports = BTreeMap::new();
    for (relay, port) in &plan.relays {
        let listener = TcpListener::bind(("127.0.0.1", *port)).await.doing("a relay's port")?;
        ports.insert(*relay, listener.local_addr().doing("a relay's port")?.port());
        relays.push((*relay, listener));
    }
    if plan.port == 0 {
        // Free at this moment. Where ports are shared with others, somebody may be faster; the app
        // says so then.
        let free = TcpListener::bind(("127.0.0.1", 0)).await.doing("a port for the app")?;
        plan.port = free.local_addr().doing("a port for the app")?.port();
    }
    fill_in(&mut plan, &ports);
    println!("{READY}");
    std::io::stdout().flush().doing("saying that it is ready")?;
    close_standard_streams()?;

    let dials: &'static Dials = Box::leak(Box::new(Dials::new()));
    for (relay, listener) in relays {
        tokio::spawn(dials.serve(relay, listener));
    }
    let status = Status { app: App::Starting, last_active: None, ssh: 0 };
    let (stop, mut stops) = mpsc::channel(1);
    let shared = Arc::new(Shared {
        plan: plan.clone(),
        status: watch::channel(status).0,
        dials,
        stop,
        ssh: SetOnce::new(),
        controls: watch::channel(0).0,
    });
    tokio::spawn(control::serve(listener, Arc::clone(&shared)));
    let logs = plan.home.join(".local/state/sagegate");
    tokio::select! {
        () = supervise::run(&plan, &logs, &shared.status, &mut stops) => {}
        () = control::forgotten(&shared) => {}
        () = homeless(&plan.home) => {}
    }
    Ok(())
}

/// What started Sagegate may have had signals ignored, as nohup(1) has, and an ignored signal stays
/// ignored in all programs below: ssh sessions would outlive their terminals. One that is caught is not:
/// programs start with its default (signal(7)).
fn heed_signals() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    for number in (1..=31).filter(|number| ignored >> (number - 1) & 1 == 1) {
        // What cannot be caught cannot be ignored either.
        let _ = signal(SignalKind::from_raw(number));
    }
}

/// Comes back when the home directory has been removed on the host, as when somebody deletes the whole
/// data directory: nobody would find the space again.
async fn homeless(home: &Path) {
    while has_name(home) {
        tokio::time::sleep(LOOK).await;
    }
}

/// Whether a directory has a name: also one that is removed can be looked at where it is mounted, and
/// counts no links then (inode(7)).
fn has_name(directory: &Path) -> bool {
    match std::fs::metadata(directory) {
        Ok(found) => found.nlink() > 0,
        // What cannot be looked at at the moment may be there.
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    }
}

/// Puts the ports where the plan leaves them open.
fn fill_in(plan: &mut Plan, ports: &BTreeMap<Relay, u16>) {
    let mut names = vec![("{port}", plan.port)];
    for (relay, port) in ports {
        names.push((
            match relay {
                Relay::Credentials => "{credentials}",
                Relay::Api => "{api}",
            },
            *port,
        ));
    }
    let fill = |text: &mut String| {
        for (name, port) in &names {
            if text.contains(name) {
                *text = text.replace(name, &port.to_string());
            }
        }
    };
    plan.command.iter_mut().for_each(fill);
    plan.env.values_mut().for_each(fill);
    for path in [Some(&mut plan.probe), plan.activity.as_mut()].into_iter().flatten() {
        fill(path);
    }
}

/// Lets go of what the launcher gave: nothing that is started from here on has it.
pub(crate) fn close_standard_streams() -> Done {
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .doing("/dev/null")?;
    rustix::stdio::dup2_stdin(&null).doing("standard input")?;
    rustix::stdio::dup2_stdout(&null).doing("standard output")
}

#[cfg(test)]
mod tests {
    use super::has_name;

    #[test]
    fn a_directory_that_is_removed_has_no_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_owned();
        let open = std::fs::File::open(&path).unwrap();
        let held = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&open));
        let held = std::path::PathBuf::from(held);
        assert!(has_name(&path) && has_name(&held));
        directory.close().unwrap();
        assert!(!has_name(&path));
        assert!(!has_name(&held));
    }
}
