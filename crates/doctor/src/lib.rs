//! What SageMaker needs of the networks and roles around it, checked: which prerequisite that AWS documents
//! is not met, for what, and the command that mends it.
//!
//! Invariant: a check is a pure function of a [`Snapshot`]. Where a question is about packets or names, the
//! network's model is asked ([`sagegate_network::walk`], [`sagegate_network::reach`]); where it is about
//! policies, whoever made the snapshot has asked the gate ([`questions`]). No rule of either is told again here.

mod ask;
mod checks;
mod command;
mod finding;
mod snapshot;
#[cfg(test)]
mod testing;

pub use checks::{CHECKS, questions};
pub use finding::{Finding, Level};
pub use snapshot::{
    Client, Domain, Notebook, Question, Role, Service, Snapshot, Trust, Verdict, Whose,
};

/// Everything that is found, the worst first.
#[must_use]
pub fn examine(snapshot: &Snapshot) -> Vec<Finding> {
    let mut found: Vec<Finding> = CHECKS.iter().flat_map(|check| (check.run)(snapshot)).collect();
    found.sort_by_key(|it| it.level);
    found
}
