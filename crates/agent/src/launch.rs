//! The stages outside: from the host's process to the first one of a space.

use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::fs::{FlockOperation, Mode};
use rustix::thread::UnshareFlags;

use crate::COMMAND;
use crate::network;
use crate::plan::{EXECUTABLE, Launch, PLAN, Walls};
use crate::process::Process;
use crate::sandbox::{self, rights};
use crate::trouble::{Done, Trouble, While};

/// The namespaces of a space, beside that of its network. All of them, or it is not started.
const NAMESPACES: UnshareFlags = UnshareFlags::NEWNS
    .union(UnshareFlags::NEWIPC)
    .union(UnshareFlags::NEWUTS)
    .union(UnshareFlags::NEWPID)
    .union(UnshareFlags::NEWCGROUP);

/// Reads a plan written by the host.
pub(crate) fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Done<T> {
    let text = std::fs::read(path).doing(path.display())?;
    serde_json::from_slice(&text).doing(path.display())
}

/// The first stage, on the host: makes what the space is in, starts its first process there and
/// leaves it alone.
pub(crate) fn launch(path: &Path) -> Done {
    // What the host's process had open without saying that it is for itself, or inherited so, is
    // nothing that a space may have: a directory among it would be a way out of the root.
    close_fds::set_fds_cloexec(3, &[]);
    let file = File::open(path).doing(path.display())?;
    // The host waits for this lock before it judges a start that left no process behind, and takes
    // the file away under it: a launcher that comes after that starts nothing.
    rustix::fs::flock(&file, FlockOperation::LockExclusive).doing("waiting for the lock")?;
    if file.metadata().doing(path.display())?.nlink_is_none() {
        return Err(Trouble::new("the start was taken back"));
    }
    let launch: Launch = serde_json::from_reader(&file).doing(path.display())?;
    rustix::process::setsid().doing("a session of its own")?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    for group in &launch.groups {
        std::fs::write(group, "0").doing(group.display())?;
    }
    let namespaces = match launch.joins {
        true => NAMESPACES,
        false => NAMESPACES.union(UnshareFlags::NEWNET),
    };
    match launch.walls {
        Walls::None if launch.joins => {
            return Err(Trouble::new("without walls a space has no network of its own"));
        }
        Walls::None => {}
        Walls::OneUser { .. } => {
            if launch.joins {
                network::join()?;
            }
            // As they are in the user namespace of the network, if one was joined.
            let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
            unshare(namespaces.union(UnshareFlags::NEWUSER))?;
            rights::map_user(0, uid.as_raw(), 0, gid.as_raw())?;
        }
        Walls::Full { .. } => {
            if launch.joins {
                network::join()?;
            }
            unshare(namespaces)?;
        }
    }
    // Nobody waits for it: it belongs to the host's first process as soon as this one is gone.
    let mut child = Command::new("/proc/self/exe")
        .args([COMMAND, "enter"])
        .arg(path)
        .env_clear()
        .spawn()
        .doing("starting the first process")?;
    if launch.probe {
        let status = child.wait().doing("the first process")?;
        return if status.success() { Ok(()) } else { Err(Trouble::new("no space can be made")) };
    }
    let pid = i32::try_from(child.id()).doing("its process id")?;
    let process = Process::of(pid).doing("the first process")?;
    let fresh = launch.pid_file.with_extension("new");
    std::fs::write(&fresh, process.to_string()).doing(fresh.display())?;
    std::fs::rename(&fresh, &launch.pid_file).doing(launch.pid_file.display())?;
    Ok(())
}

/// Whether a file has been removed while it was open.
trait Linked {
    fn nlink_is_none(&self) -> bool;
}

impl Linked for std::fs::Metadata {
    fn nlink_is_none(&self) -> bool {
        std::os::unix::fs::MetadataExt::nlink(self) == 0
    }
}

/// Leaves the namespaces of the host.
pub(crate) fn unshare(flags: UnshareFlags) -> Done {
    #[expect(
        deprecated,
        reason = "the successor is unsafe for CLONE_FILES alone, which is never asked for here"
    )]
    rustix::thread::unshare(flags).doing("namespaces of its own")
}

/// Waits until the launcher has written this process down. They are in one mount namespace: once the
/// walls stand, the launcher sees the space's directories and not the host's.
fn wait_until_noted(path: &Path, launch: &Launch) -> Done {
    let file = File::open(path).doing(path.display())?;
    rustix::fs::flock(&file, FlockOperation::LockShared).doing("waiting for the launcher")?;
    match launch.pid_file.exists() {
        true => Ok(()),
        // What nobody can find again must not run.
        false => Err(Trouble::new("the launcher did not write down its first process")),
    }
}

/// The second stage, the first process inside: builds the walls, gives up everything, and becomes
/// init.
pub(crate) fn enter(path: &Path) -> Done {
    let launch: Launch = read(path)?;
    if !launch.probe {
        wait_until_noted(path, &launch)?;
    }
    let (executable, plan) = match &launch.walls {
        Walls::None => {
            rights::limit(None)?;
            rights::give_up()?;
            let plan = path.with_file_name("plan.json");
            write_plan(&plan, &launch)?;
            (launch.executable.clone(), plan)
        }
        Walls::OneUser { root } => {
            sandbox::build(&launch, root, None)?;
            rights::leave(&launch, None)?;
            (EXECUTABLE.into(), PLAN.into())
        }
        Walls::Full { root, uid, gid } => {
            sandbox::build(&launch, root, Some((*uid, *gid)))?;
            rights::leave(&launch, Some((*uid, *gid)))?;
            (EXECUTABLE.into(), PLAN.into())
        }
    };
    if launch.probe {
        return Ok(());
    }
    // Comes back only with an error.
    let error = Command::new(&executable).args([COMMAND, "init"]).arg(plan).env_clear().exec();
    Err(Trouble::new(format!(
        "{}: {error}; other users must be allowed to read and execute it",
        launch.executable.display()
    )))
}

/// Writes what the agent is to do.
pub(crate) fn write_plan(path: &Path, launch: &Launch) -> Done {
    let text = serde_json::to_vec(&launch.plan).doing("the plan")?;
    let mut file = File::create(path).doing(path.display())?;
    file.write_all(&text).doing(path.display())
}
