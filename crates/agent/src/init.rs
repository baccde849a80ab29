//! The first process of a space: starts the agent and collects what dies.

use std::path::Path;
use std::process::Command;

use rustix::process::{DumpableBehavior, Pid, Signal, WaitOptions};

use crate::COMMAND;
use crate::launch::read;
use crate::plan::Plan;
use crate::trouble::{Done, Trouble, While};

/// Runs until the agent has ended. Where the space has a process namespace, all its processes end
/// with this one.
pub(crate) fn init(path: &Path) -> Done {
    // Nobody inside traces this process or looks at what it has open.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).doing("closing up")?;
    let plan: Plan = read(path)?;
    if plan.sweep {
        let me = rustix::process::getpid();
        rustix::process::set_child_subreaper(Some(me)).doing("collecting what dies")?;
    }
    let own = std::env::current_exe().doing("its executable")?;
    let agent = Command::new(own)
        .args([COMMAND, "agent"])
        .arg(path)
        .env_clear()
        .spawn()
        .doing("starting the agent")?;
    let agent = i32::try_from(agent.id()).ok().and_then(Pid::from_raw);
    let done = crate::serve::close_standard_streams().and_then(|()| until_ended(agent));
    // Whatever became of the agent: without a process namespace what runs would run on unseen.
    if plan.sweep {
        sweep();
    }
    done
}

/// Collects what dies until the agent has.
fn until_ended(agent: Option<Pid>) -> Done {
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, _))) if Some(pid) == agent => return Ok(()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return Err(Trouble::new("the agent was lost")),
        }
    }
}

/// Ends all that is left below this process. What dies hands its own children over, so it goes on
/// until there are none.
fn sweep() {
    let path = format!("/proc/self/task/{}/children", rustix::process::getpid().as_raw_nonzero());
    loop {
        let children = std::fs::read_to_string(&path).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|it| it.parse().ok()) {
            if let Some(pid) = Pid::from_raw(child) {
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
        }
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
    }
}
