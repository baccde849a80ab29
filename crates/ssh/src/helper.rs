//! The part of a session that only its own process can do.
//!
//! The server starts its own executable again, which calls [`run`] with the arguments that follow
//! [`SpaceHost::helper`](crate::SpaceHost::helper). It has the user's rights from its first
//! instruction on.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// Becomes what the arguments say:
///
/// - `session SHELL [COMMAND]`: the shell in a session of its own, without a terminal;
/// - `terminal SHELL [COMMAND]`: the same with standard input as its terminal;
/// - `sftp`: the file transfer server on standard input and output.
///
/// A shell without a command is a login shell. The working directory becomes `HOME`.
///
/// # Errors
/// Arguments that are none of these, and whatever kept the shell from starting. On success this
/// does not return: the shell replaces this process, and the file transfer server ends it.
pub fn run(arguments: &[OsString]) -> io::Result<Infallible> {
    let arguments: Vec<&OsStr> = arguments.iter().map(OsString::as_os_str).collect();
    let (kind, rest) = arguments.split_first().ok_or_else(usage)?;
    // Who leads a session already (nobody, unless run by hand) may go on.
    let _ = rustix::process::setsid();
    let home = std::env::var_os("HOME").unwrap_or_else(|| "/".into());
    if let Err(error) = std::env::set_current_dir(&home) {
        let home = Path::new(&home).display();
        let _ = writeln!(io::stderr(), "Could not change to the home directory {home}: {error}");
        std::env::set_current_dir("/")?;
    }
    match (kind.as_bytes(), rest) {
        (b"sftp", []) => {
            crate::sftp::serve(io::stdin().lock(), io::stdout().lock())?;
            std::process::exit(0)
        }
        (b"session", [shell, command @ ..]) => become_shell(shell, command),
        (b"terminal", [shell, command @ ..]) => {
            rustix::process::ioctl_tiocsctty(io::stdin())?;
            become_shell(shell, command)
        }
        _ => Err(usage()),
    }
}

fn usage() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "wanted: session|terminal SHELL [COMMAND] | sftp")
}

fn become_shell(shell: &OsStr, command: &[&OsStr]) -> io::Result<Infallible> {
    let name = Path::new(shell).file_name().unwrap_or(shell);
    let mut process = Command::new(shell);
    match command {
        [] => {
            let mut login = OsString::from("-");
            login.push(name);
            process.arg0(login);
        }
        [text] => {
            process.arg0(name).arg("-c").arg(text);
        }
        _ => return Err(usage()),
    }
    let error = process.exec();
    Err(io::Error::new(error.kind(), format!("{}: {error}", Path::new(shell).display())))
}
