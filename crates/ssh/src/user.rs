//! Doing things with the rights of the space's user.

use std::io;
use std::path::PathBuf;

use rustix::process::{Gid, Uid};

/// Who the sessions of a space are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Login name, for `USER` and `LOGNAME`. Not compared with the name that a client sends.
    pub name: String,
    /// Numeric user, as the server's user namespace counts.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Supplementary groups; used only where the server has to change its user.
    pub groups: Vec<u32>,
    /// Home directory: `HOME`, and where sessions start.
    pub home: PathBuf,
    /// Login shell, an absolute path.
    pub shell: PathBuf,
}

impl User {
    /// Runs `work` with the user's rights: as it is where the server is that user already, otherwise
    /// on a thread of its own, which gives up the server's rights before it begins and ends with it.
    /// Rights are a thread's on Linux, so the kernel decides about files, sockets and children of
    /// `work` as it would for the user. `work` must not wait long: the caller waits for it.
    pub(crate) fn run<T: Send>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send,
    ) -> io::Result<T> {
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        if rustix::process::geteuid() == uid && rustix::process::getegid() == gid {
            return work();
        }
        let groups: Vec<Gid> = self.groups.iter().copied().map(Gid::from_raw).collect();
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("as-user".into()).spawn_scoped(
                scope,
                move || {
                    rustix::thread::set_thread_groups(&groups)?;
                    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
                    rustix::thread::set_thread_res_uid(uid, uid, uid)?;
                    work()
                },
            )?;
            thread.join().unwrap_or_else(|_| Err(io::Error::other("the user's thread panicked")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn me() -> User {
        User {
            name: "sagemaker-user".into(),
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            groups: Vec::new(),
            home: "/".into(),
            shell: "/bin/sh".into(),
        }
    }

    #[test]
    fn the_same_user_needs_no_thread() {
        let here = std::thread::current().id();
        assert_eq!(me().run(|| Ok(std::thread::current().id())).unwrap(), here);
    }

    /// As root: another user's rights hold inside, and only inside. As anybody else: refused.
    #[test]
    fn another_users_rights() {
        let root = me().uid == 0;
        let other = User { uid: 65_533, gid: 65_532, groups: vec![65_531], ..me() };
        let seen = other.run(|| {
            let status = std::process::Command::new("/usr/bin/id").output()?;
            Ok((rustix::process::geteuid().as_raw(), status.stdout))
        });
        if root {
            let (uid, id) = seen.unwrap();
            assert_eq!(uid, 65_533);
            assert_eq!(
                String::from_utf8_lossy(&id).trim(),
                "uid=65533 gid=65532 groups=65532,65531"
            );
        } else {
            assert_eq!(seen.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        }
        assert_eq!(rustix::process::geteuid().as_raw(), me().uid);
    }
}
