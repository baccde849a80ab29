//! Starting the processes of a session.

use std::ffi::{OsStr, OsString};
use std::io;
use std::process::Stdio;

use rustix::process::{Pid, Signal};
use tokio::process::{Child, Command};

use crate::SpaceHost;
use crate::pipe::{Pipe, pipe};
use crate::terminal::Terminal;

/// What a session runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Program {
    /// The login shell.
    Shell,
    /// A command, by the login shell.
    Command(OsString),
    /// The file transfer server.
    Sftp,
}

/// A process and the server's ends of its pipes or terminal.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) leader: Leader,
    pub(crate) stdin: Pipe,
    pub(crate) stdout: Pipe,
    /// None for a terminal.
    pub(crate) stderr: Option<Pipe>,
}

/// The process that leads a session. When it is dropped while the process runs, the process and its
/// group learn that the line is cut: SIGHUP, as from a terminal. What has made a session of its own
/// (`setsid`, `nohup` for what ignores the signal) lives on.
#[derive(Debug)]
pub(crate) struct Leader(Option<Pid>);

impl Leader {
    /// A signal to the process's group.
    pub(crate) fn signal(pid: Pid, signal: Signal) {
        // The helper may not have made its session yet; then there is only the process itself.
        if rustix::process::kill_process_group(pid, signal).is_err() {
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    pub(crate) fn pid(&self) -> Option<Pid> {
        self.0
    }

    /// The process is over and its number may be another's.
    pub(crate) fn over(&mut self) {
        self.0 = None;
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            Self::signal(pid, Signal::HUP);
            // What is stopped hears nothing until it goes on.
            Self::signal(pid, Signal::CONT);
        }
    }
}

/// Starts a program with the user's rights, in its home, in a session of its own.
///
/// The child is this executable's helper ([`crate::helper`]), because only a process itself can
/// become the leader of a session.
pub(crate) fn start(
    host: &SpaceHost,
    program: &Program,
    terminal: Option<Terminal>,
    variables: &[(String, String)],
) -> io::Result<Running> {
    let (name, prefix) =
        host.helper.split_first().ok_or_else(|| io::Error::other("no helper program is set"))?;
    let mut command = Command::new(name);
    command.args(prefix).env_clear();
    command.envs(host.environment()).envs(variables.iter().map(|(name, value)| (name, value)));
    if *program == Program::Sftp {
        command.arg("sftp");
    } else {
        command.arg(if terminal.is_some() { "terminal" } else { "session" });
        command.arg(&host.user.shell);
    }
    if let Program::Command(text) = program {
        command.arg(text);
    }
    let (ends, stdin, stdout, stderr) = match terminal {
        Some(terminal) => {
            command.env("SSH_TTY", &terminal.path).env("TERM", &terminal.kind);
            let pipe = Pipe::new(terminal.master)?;
            let slave = terminal.slave;
            ([slave.try_clone()?, slave.try_clone()?, slave], pipe.clone(), pipe, None)
        }
        None => {
            let (their_in, our_in) = pipe()?;
            let (our_out, their_out) = pipe()?;
            let (our_err, their_err) = pipe()?;
            let ours = (Pipe::new(our_in)?, Pipe::new(our_out)?, Pipe::new(our_err)?);
            ([their_in, their_out, their_err], ours.0, ours.1, Some(ours.2))
        }
    };
    let [their_in, their_out, their_err] = ends;
    command.stdin(Stdio::from(their_in));
    command.stdout(Stdio::from(their_out));
    command.stderr(Stdio::from(their_err));
    let runtime = tokio::runtime::Handle::current();
    let child = host.user.run(move || {
        let _inside = runtime.enter();
        command.spawn()
    })?;
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    Ok(Running { child, leader: Leader(pid), stdin, stdout, stderr })
}

impl SpaceHost {
    /// What every session finds in its environment. What the host sets wins, but for what says who
    /// and where the user is.
    fn environment(&self) -> Vec<(OsString, OsString)> {
        // OpenSSH's server says this of a client whose address it cannot know. Programs look whether
        // the variables are there to learn that they run in a remote session.
        let mut all = vec![
            ("PATH", OsStr::new("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")),
            ("SSH_CLIENT", OsStr::new("UNKNOWN 65535 65535")),
            ("SSH_CONNECTION", OsStr::new("UNKNOWN 65535 UNKNOWN 65535")),
        ];
        all.extend(self.env.iter().map(|(name, value)| (name.as_str(), OsStr::new(value))));
        all.extend([
            ("USER", OsStr::new(&self.user.name)),
            ("LOGNAME", OsStr::new(&self.user.name)),
            ("HOME", self.user.home.as_os_str()),
            ("SHELL", self.user.shell.as_os_str()),
        ]);
        all.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
    }
}

/// The signals that a client can send (RFC 4254, section 6.9), with their names.
const SIGNALS: [(&str, Signal); 13] = [
    ("ABRT", Signal::ABORT),
    ("ALRM", Signal::ALARM),
    ("FPE", Signal::FPE),
    ("HUP", Signal::HUP),
    ("ILL", Signal::ILL),
    ("INT", Signal::INT),
    ("KILL", Signal::KILL),
    ("PIPE", Signal::PIPE),
    ("QUIT", Signal::QUIT),
    ("SEGV", Signal::SEGV),
    ("TERM", Signal::TERM),
    ("USR1", Signal::USR1),
    ("USR2", Signal::USR2),
];

/// The signal of this name.
pub(crate) fn signal_named(name: &str) -> Option<Signal> {
    SIGNALS.iter().find(|(known, _)| *known == name).map(|(_, signal)| *signal)
}

/// The name of a signal that ended a process; those that the protocol does not know get a name as
/// it wants for them, with an at sign.
pub(crate) fn signal_name(number: i32) -> String {
    SIGNALS
        .iter()
        .find(|(_, signal)| signal.as_raw() == number)
        .map_or_else(|| format!("SIG{number}@sagegate"), |(name, _)| (*name).to_owned())
}
