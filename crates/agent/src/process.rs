//! Which process is meant: an id alone is given again to another one.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::str::FromStr;

use rustix::process::{Pid, PidfdFlags};

/// A process, named for ever: its id, its start in ticks since the machine's start, and that start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// The process id.
    pub pid: i32,
    started: String,
    boot: String,
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.pid, self.started, self.boot)
    }
}

impl FromStr for Process {
    type Err = io::Error;

    fn from_str(text: &str) -> io::Result<Self> {
        let mut words = text.split_whitespace();
        let mut word = || words.next().ok_or_else(|| io::Error::other("no process is named there"));
        let pid = word()?.parse().map_err(io::Error::other)?;
        Ok(Self { pid, started: word()?.to_owned(), boot: word()?.to_owned() })
    }
}

impl Process {
    /// The process that has this id now.
    ///
    /// # Errors
    ///
    /// Where there is none, or only one that has ended and not been waited for.
    pub fn of(pid: i32) -> io::Result<Self> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The second word is in brackets and may have spaces; the state is the third and the start
        // the twenty-second: proc(5).
        let behind = text.rsplit_once(')').map_or("", |(_, rest)| rest);
        let mut words = behind.split_whitespace();
        if matches!(words.next(), None | Some("Z" | "X")) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let started = words.nth(18).ok_or_else(|| io::Error::other("not as proc(5) says"))?;
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        Ok(Self { pid, started: started.to_owned(), boot: boot.trim().to_owned() })
    }

    /// Whether it runs still. Where that cannot be found out, it is taken to run.
    #[must_use]
    pub fn runs(&self) -> bool {
        match Self::of(self.pid) {
            Ok(now) => now == *self,
            Err(error) => {
                let gone = rustix::io::Errno::SRCH.raw_os_error();
                error.kind() != io::ErrorKind::NotFound && error.raw_os_error() != Some(gone)
            }
        }
    }

    /// A hold on the process if it runs still: readable once it has ended, and never about another.
    #[must_use]
    pub fn hold(&self) -> Option<OwnedFd> {
        let pid = Pid::from_raw(self.pid)?;
        let hold = rustix::process::pidfd_open(pid, PidfdFlags::NONBLOCK).ok()?;
        // Looked at after it was taken hold of: if it is the one now, it is what is held.
        (Self::of(self.pid).ok().as_ref() == Some(self)).then_some(hold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_again_and_no_other_is_taken_for_it() {
        let me = Process::of(i32::try_from(std::process::id()).unwrap()).unwrap();
        let read: Process = me.to_string().parse().unwrap();
        assert_eq!(read, me);
        assert!(read.hold().is_some() && read.runs());
        let other = Process { started: "1".to_owned(), ..me.clone() };
        assert!(other.hold().is_none() && !other.runs());
        let before = Process { boot: "earlier".to_owned(), ..me };
        assert!(before.hold().is_none());
        assert!("12".parse::<Process>().is_err());
    }

    #[test]
    fn one_that_has_ended_is_not_there() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let process = Process::of(pid);
        child.wait().unwrap();
        if let Ok(process) = process {
            assert!(process.hold().is_none());
        }
    }
}
