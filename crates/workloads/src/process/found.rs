//! A workload that runs, found by its directory.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::process::{Pid, Signal};
use sagegate_agent::process::Process;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A hold on the first process of a workload.
pub(super) struct Found {
    process: Process,
    hold: OwnedFd,
    /// Whether its processes end with the first one.
    walled: bool,
}

impl Found {
    /// The workload of a directory, if it runs.
    pub(super) fn in_directory(directory: &Path) -> Option<Self> {
        let process: Process = std::fs::read_to_string(directory.join("pid")).ok()?.parse().ok()?;
        let hold = process.hold()?;
        Some(Self { process, hold, walled: !directory.join("plan.json").exists() })
    }

    /// Whether the first process of a directory's workload runs, whether or not it can be held.
    pub(super) fn runs_in(directory: &Path) -> bool {
        let text = std::fs::read_to_string(directory.join("pid")).unwrap_or_default();
        text.parse::<Process>().is_ok_and(|process| process.runs())
    }

    /// The network namespace of its first process.
    pub(super) fn network(&self) -> std::io::Result<OwnedFd> {
        let network = File::open(format!("/proc/{}/ns/net", self.process.pid))?;
        // What was opened is another's if the process has ended in between.
        if !self.process.runs() {
            return Err(std::io::ErrorKind::NotFound.into());
        }
        Ok(network.into())
    }

    /// Ends it.
    pub(super) fn kill(&self) {
        if self.walled {
            let _ = rustix::process::pidfd_send_signal(&self.hold, Signal::KILL);
            return;
        }
        // Without a namespace of its own it ends the others itself when its agent is gone.
        let pid = self.process.pid;
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        for child in children.unwrap_or_default().split_whitespace() {
            if let Some(child) = child.parse().ok().and_then(Pid::from_raw) {
                let _ = rustix::process::kill_process(child, Signal::KILL);
            }
        }
    }

    /// Comes back when it has ended.
    pub(super) async fn ended(&self) {
        let Ok(hold) = self.hold.try_clone() else { return };
        #[expect(
            deprecated,
            reason = "what may be unsound is a type whose descriptor changes; an OwnedFd's does not"
        )]
        let hold = AsyncFd::with_interest(hold, Interest::READABLE);
        let Ok(hold) = hold else { return };
        let _ = hold.readable().await;
    }
}

/// The last of what the stages had to say.
pub(super) fn last_words(directory: &Path) -> String {
    use std::io::Read;
    let mut text = Vec::new();
    if let Ok(file) = File::open(directory.join("agent.log")) {
        let _ = file.take(4096).read_to_end(&mut text);
    }
    String::from_utf8_lossy(&text).trim().replace('\n', "; ")
}
