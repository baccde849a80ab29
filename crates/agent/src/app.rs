//! Programs of a space: the lifecycle script and the app.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use crate::output::Output;
use crate::plan::Plan;
use crate::protocol::App;
use crate::trouble::{Done, Trouble, While};

/// How long a lifecycle script may run ("Amazon SageMaker AI Developer Guide", lifecycle
/// configurations: five minutes).
const SCRIPT_LIMIT: Duration = Duration::from_secs(300);

/// How long to wait for the end of the output of a program that has ended.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A program that runs.
pub(crate) struct Running {
    child: Child,
    pid: Option<Pid>,
    pub(crate) output: Output,
    readers: JoinSet<()>,
}

impl Running {
    /// Starts a program in a process group of its own, with the plan's environment and no input.
    fn start(mut command: Command, plan: &Plan, output: Output) -> std::io::Result<Self> {
        let mut child = command
            .env_clear()
            .envs(&plan.env)
            .current_dir(&plan.home)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let mut readers = JoinSet::new();
        if let Some(pipe) = child.stdout.take() {
            readers.spawn(output.clone().follow(pipe));
        }
        if let Some(pipe) = child.stderr.take() {
            readers.spawn(output.clone().follow(pipe));
        }
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Ok(Self { child, pid, output, readers })
    }

    /// Starts the app.
    pub(crate) fn app(plan: &Plan, logs: &Path) -> Done<Self> {
        let Some((program, arguments)) = plan.command.split_first() else {
            return Err(Trouble::new("the app has no command"));
        };
        let mut command = Command::new(program);
        command.args(arguments);
        Self::start(command, plan, Output::begin(logs, "app")).doing(program)
    }

    /// Comes back when the program has ended and its output has been read. Can be given up and asked
    /// again.
    pub(crate) async fn ended(&mut self) -> std::io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        // What it has started may have its output still, and need not end.
        let read = async { while self.readers.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(LAST_WORDS, read).await;
        self.readers.detach_all();
        Ok(status)
    }

    /// Asks all of its process group to end.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Ends all of its process group.
    pub(crate) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        // The id is this program's until it has been waited for, and tokio tells none afterwards.
        if let (Some(pid), Some(_)) = (self.pid, self.child.id()) {
            let _ = rustix::process::kill_process_group(pid, signal);
        }
    }
}

/// Runs a lifecycle script to its end; its output is called `name`.
///
/// # Errors
///
/// How the space is if it failed.
pub(crate) async fn lifecycle(
    plan: &Plan,
    script: &[u8],
    logs: &Path,
    name: &str,
) -> Result<(), App> {
    let failed = |reason: String, lines| App::Ended { reason, code: None, signal: None, lines };
    let path = plan.tmp.join(format!(".{name}-{}", std::process::id()));
    let write = || -> std::io::Result<()> {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(script)
    };
    if let Err(error) = write() {
        return Err(failed(format!("The lifecycle script could not be kept: {error}"), Vec::new()));
    }
    let mut command = Command::new("/bin/bash");
    command.arg(&path);
    let output = Output::begin(logs, name);
    let ended = match Running::start(command, plan, output.clone()) {
        Ok(mut running) => {
            let ended = tokio::time::timeout(SCRIPT_LIMIT, running.ended()).await;
            if ended.is_err() {
                running.kill();
            }
            ended
        }
        Err(error) => Ok(Err(error)),
    };
    let _ = std::fs::remove_file(&path);
    match ended {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => {
            Err(told(&format!("The lifecycle script {}", how(status)), status, &output))
        }
        Ok(Err(error)) => {
            Err(failed(format!("The lifecycle script could not be run: {error}"), output.lines()))
        }
        Err(_) => Err(failed(
            "The lifecycle script had not ended after 5 minutes".to_owned(),
            output.lines(),
        )),
    }
}

/// How the space is after a program of it has ended.
pub(crate) fn told(reason: &str, status: ExitStatus, output: &Output) -> App {
    App::Ended {
        reason: reason.to_owned(),
        code: status.code(),
        signal: status.signal(),
        lines: output.lines(),
    }
}

/// How a program ended, in words.
pub(crate) fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(9)) => {
            "was killed (signal 9), as happens when the space's memory is used up".to_owned()
        }
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}
