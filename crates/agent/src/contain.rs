//! The stage inside a container that an engine has made: takes over what the host hands it, gives up
//! what is left to give up, and becomes init.

use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::fs::{Access, Mode};

use crate::COMMAND;
use crate::network;
use crate::plan::{DOOR, EXECUTABLE, HOME};
use crate::sandbox::{rights, syscalls};
use crate::trouble::{Done, Trouble, While};

/// The first process of a container. Nothing of the tenant's has run before it.
pub(crate) fn contain(path: &Path) -> Done {
    if rustix::process::geteuid().is_root() {
        return Err(Trouble::new("the container's user is root, and no space runs as root"));
    }
    rustix::process::umask(Mode::from_raw_mode(0o022));
    let door = UnixStream::connect(DOOR).doing("the host's door")?;
    let what = "the control socket";
    let listener = network::receive(&door, what)?.into_iter().next();
    let listener =
        listener.ok_or_else(|| Trouble::new(format!("{what}: the host has not handed it over")))?;
    rustix::fs::access(HOME, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK).map_err(
        |error| {
            let (uid, gid) = (rustix::process::getuid(), rustix::process::getgid());
            Trouble::new(format!(
                "{HOME}: {error}: the home cannot be used by {}:{}, the container's user",
                uid.as_raw(),
                gid.as_raw()
            ))
        },
    )?;
    rustix::stdio::dup2_stdin(&listener).doing("standard input")?;
    rustix::stdio::dup2_stdout(&door).doing("standard output")?;
    drop((listener, door));
    // Processes are counted by the container's own group: its user may be that of others as well.
    rights::limit(None)?;
    rights::give_up()?;
    syscalls::refuse_user_namespaces()?;
    // Comes back only with an error.
    let error = Command::new(EXECUTABLE).args([COMMAND, "init"]).arg(path).env_clear().exec();
    Err(Trouble::new(format!("{EXECUTABLE}: {error}")))
}
