//! The program that runs inside a space's sandbox and speaks for it.
//!
//! One executable, four stages, each a program start of its own, so that nothing has to be done
//! between a fork and an exec:
//!
//! ```text
//! launch  host    joins the control groups, unshares the namespaces, starts enter, is gone
//! enter   pid 1   builds the root, leaves the host behind, gives up every right, becomes init
//! init    pid 1   starts the agent, collects what dies; ends with the agent, and all with it
//! agent   pid 2   runs the app, answers on the control socket
//! ```
//!
//! In a container the engine has done what launch and enter do, and `contain` is the first stage.
//!
//! Invariant: from init on nothing in a sandbox has a right that the tenant does not have. Everything
//! that the agent says is said by the tenant's side: the host believes none of it beyond what the
//! tenant may do anyway.

mod activity;
mod app;
mod contain;
mod control;
pub mod identity;
mod init;
mod launch;
mod network;
mod output;
pub mod plan;
pub mod process;
pub mod protocol;
mod relay;
mod sandbox;
mod serve;
mod supervise;
mod trouble;

use std::path::Path;
use std::process::ExitCode;

/// The name of the hidden command under which an executable offers [`main`].
pub const COMMAND: &str = "space-agent";

/// Runs one stage: `launch PLAN`, `enter PLAN`, `contain PLAN`, `init PLAN` or `agent PLAN`, where PLAN
/// is the file of a [`plan::Launch`] for the first two and of a [`plan::Plan`] for the others; or `ssh …`, a process
/// of an SSH session.
///
/// Standard input is the listening control socket; on standard output the launcher says which process
/// it started and the agent that it is ready; standard error is for what went wrong. Must be called
/// before the process has a second thread.
#[must_use]
pub fn main(arguments: &[String]) -> ExitCode {
    let done = match arguments {
        // A process of an SSH session: what follows is for the library that asked for it.
        [stage, rest @ ..] if stage == control::SSH_STAGE => {
            let rest: Vec<_> = rest.iter().map(std::ffi::OsString::from).collect();
            match sagegate_ssh::helper::run(&rest) {
                Ok(never) => match never {},
                Err(error) => Err(trouble::Trouble::new(error.to_string())),
            }
        }
        [stage, plan] => {
            let plan = Path::new(plan);
            match stage.as_str() {
                "launch" => launch::launch(plan),
                "enter" => launch::enter(plan),
                crate::plan::CONTAIN => contain::contain(plan),
                "init" => init::init(plan),
                "agent" => serve::agent(plan),
                other => Err(trouble::Trouble::new(format!("{other} is no stage of a space"))),
            }
        }
        _ => Err(trouble::Trouble::new("this command is for Sagegate itself")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            eprintln!("{trouble}");
            ExitCode::FAILURE
        }
    }
}
