//! Sessions: terminals, commands, subsystems (RFC 4254, section 6).

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::process::ExitStatusExt as _;

use rustix::process::Pid;

use crate::channels::Kind;
use crate::codec::{Put as _, Reader};
use crate::connection::Connection;
use crate::pipe::Pipe;
use crate::process::{self, Leader, Program, Running};
use crate::pump::{Event, Line};
use crate::terminal::{self, Terminal};
use crate::transport::Violation;

/// A session channel.
#[derive(Debug, Default)]
pub(crate) struct Session {
    variables: Vec<(String, String)>,
    /// Bytes of `variables`.
    size: usize,
    terminal: Option<Terminal>,
    /// Something was started; it cannot be done twice.
    started: bool,
    /// The process, while it runs.
    process: Option<Pid>,
    /// The server's side of the terminal of what runs.
    screen: Option<Pipe>,
}

/// Variables that a client may set, beside `LC_*`: what describes its terminal and language, and what
/// editors pass on for their terminals. None of them changes which code a program runs.
const ACCEPTED: [&str; 9] = [
    "LANG",
    "LANGUAGE",
    "TZ",
    "COLORTERM",
    "NO_COLOR",
    "FORCE_COLOR",
    "TERM_PROGRAM",
    "TERM_PROGRAM_VERSION",
    "VSCODE_INJECTION",
];

fn accepted(name: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    ACCEPTED.contains(&name) || (name.starts_with("LC_") && name.bytes().all(word))
}

impl Connection {
    fn session(&mut self, id: u32) -> Option<&mut Session> {
        match &mut self.channels.get(id)?.kind {
            Kind::Session(session) => Some(session),
            _ => None,
        }
    }

    /// A request about a channel.
    pub(crate) fn request(&mut self, id: u32, reader: &mut Reader<'_>) -> Result<(), Violation> {
        let (name, wanted) = (reader.text()?.to_owned(), reader.boolean()?);
        if name == "eow@openssh.com" {
            if let Some(channel) = self.channels.get(id) {
                channel.flow.refuse();
            }
            return self.answer(id, wanted, true);
        }
        let limits = self.channels.limits.variables;
        let host = std::sync::Arc::clone(&self.host);
        let Some(session) = self.session(id) else { return self.answer(id, wanted, false) };
        let done = match name.as_str() {
            "env" => {
                let (name, value) = (reader.string()?, reader.string()?);
                session.variable(name, value, limits)
            }
            "pty-req" if session.started || session.terminal.is_some() => false,
            "pty-req" => match Terminal::open(&host.user, reader) {
                Ok(terminal) => {
                    session.terminal = Some(terminal);
                    true
                }
                Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                    return Err(Violation::new(error.to_string()));
                }
                Err(error) => {
                    tracing::warn!(%error, "no terminal");
                    false
                }
            },
            "window-change" => {
                let size = terminal::window(reader)?;
                match (&session.screen, &session.terminal) {
                    (Some(screen), _) => terminal::resize(screen.fd(), size).is_ok(),
                    (None, Some(terminal)) => terminal::resize(&terminal.master, size).is_ok(),
                    (None, None) => false,
                }
            }
            "signal" => {
                let signal = process::signal_named(reader.text()?);
                match (session.process, signal) {
                    (Some(pid), Some(signal)) => {
                        Leader::signal(pid, signal);
                        true
                    }
                    _ => false,
                }
            }
            "break" => session
                .screen
                .as_ref()
                .is_some_and(|screen| rustix::termios::tcsendbreak(screen.fd()).is_ok()),
            "auth-agent-req@openssh.com" => self.forward_agent(),
            "shell" => self.start(id, &Program::Shell),
            "exec" => {
                let command = OsString::from_vec(reader.string()?.to_vec());
                self.start(id, &Program::Command(command))
            }
            "subsystem" => reader.string()? == b"sftp" && self.start(id, &Program::Sftp),
            _ => false,
        };
        self.answer(id, wanted, done)
    }

    /// Starts what the session is for.
    fn start(&mut self, id: u32, program: &Program) -> bool {
        let host = std::sync::Arc::clone(&self.host);
        let agent = self.agent.clone();
        let Some(line) = self.line(id) else { return false };
        let Some(session) = self.session(id) else { return false };
        if session.started {
            return false;
        }
        session.started = true;
        let mut variables = std::mem::take(&mut session.variables);
        // The host's variables stand above the client's.
        variables.retain(|(name, _)| !host.env.iter().any(|(ours, _)| ours == name));
        if let Some(path) = agent {
            variables.push(("SSH_AUTH_SOCK".into(), path.to_string_lossy().into_owned()));
        }
        let terminal = session.terminal.take();
        let on_terminal = terminal.is_some();
        match process::start(&host, program, terminal, &variables) {
            Ok(running) => {
                session.process = running.leader.pid();
                session.screen = on_terminal.then(|| running.stdin.clone());
                let task = self.tasks.spawn(attend(line, running));
                if let Some(channel) = self.channels.get(id) {
                    channel.task = Some(task);
                }
                true
            }
            Err(error) => {
                tracing::warn!(%error, "a session cannot be started");
                false
            }
        }
    }

    /// The process is over: its status, or the signal that ended it.
    pub(crate) fn exited(
        &mut self,
        id: u32,
        status: std::process::ExitStatus,
    ) -> Result<(), Violation> {
        if let Some(session) = self.session(id) {
            session.process = None;
        }
        if let Some(signal) = status.signal() {
            return self.tell(id, "exit-signal", |out| {
                out.put_string(process::signal_name(signal).as_bytes());
                out.put_boolean(status.core_dumped());
                out.put_string(b"");
                out.put_string(b"");
            });
        }
        let code = status.code().and_then(|code| u32::try_from(code).ok()).unwrap_or(255);
        self.tell(id, "exit-status", |out| out.put_u32(code))
    }

    /// The process does not read any more: OpenSSH's client then stops reading its own input.
    pub(crate) fn deaf(&mut self, id: u32) -> Result<(), Violation> {
        if self.session(id).is_some() && self.summary.client.starts_with("OpenSSH") {
            self.tell(id, "eow@openssh.com", |_| {})?;
        }
        Ok(())
    }
}

impl Session {
    fn variable(&mut self, name: &[u8], value: &[u8], limits: (usize, usize)) -> bool {
        let text = |bytes| std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
        let (Some(name), Some(value)) = (text(name), text(value)) else { return false };
        let size = self.size + name.len() + value.len();
        if !accepted(name) || self.variables.len() >= limits.0 || size > limits.1 {
            return false;
        }
        self.size = size;
        self.variables.push((name.to_owned(), value.to_owned()));
        true
    }
}

/// Stays with a process until it is over and all that it wrote is sent. What it left running may hold
/// its output open; then the channel stays open too, as users know it of OpenSSH.
async fn attend(line: Line, running: Running) {
    let Running { mut child, mut leader, stdin, stdout, stderr } = running;
    let feeding = line.clone();
    let ended = async {
        let status = child.wait().await;
        leader.over();
        if let Ok(status) = status {
            line.tell(Event::Exit(line.channel, status)).await;
        }
    };
    let outputs = async {
        let errors = async {
            if let Some(stderr) = stderr {
                line.outward(stderr, true).await;
            }
        };
        tokio::join!(line.outward(stdout, false), errors);
        line.tell(Event::Eof(line.channel)).await;
    };
    let all = async { tokio::join!(ended, outputs) };
    tokio::pin!(all);
    tokio::select! {
        _ = &mut all => {}
        // After the end of the input only the outputs are left; dropping the pipe has ended it.
        () = feeding.inward(stdin) => { all.await; }
    }
    line.tell(Event::Close(line.channel)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_variables_are_accepted() {
        for name in ["LANG", "LC_ALL", "LC_TIME", "COLORTERM", "TERM_PROGRAM"] {
            assert!(accepted(name), "{name}");
        }
        for name in
            ["", "PATH", "LD_PRELOAD", "HOME", "BASH_ENV", "LC_=", "LC_A B", "TERM", "AWS_PROFILE"]
        {
            assert!(!accepted(name), "{name}");
        }
    }

    #[test]
    fn variables_are_bounded() {
        let mut session = Session::default();
        assert!(session.variable(b"LANG", &[b'x'; 4], (2, 16)));
        assert!(!session.variable(b"LC_ALL", b"123", (2, 16)), "17 bytes");
        assert!(session.variable(b"LC_ALL", b"12", (2, 16)));
        assert!(!session.variable(b"TZ", b"", (2, 16)), "a third");
        assert!(!Session::default().variable(b"LANG", b"a\0b", (2, 16)));
        assert!(!Session::default().variable(b"LANG", &[255], (2, 16)));
    }
}
