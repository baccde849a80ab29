//! What AWS does: one module for each service, one file for each operation or small family.
//!
//! Invariant: nothing here sees bytes, sockets, the machine's clock or its randomness; an operation
//! is run by the gate with all of them passed in.

pub mod binding;
pub mod ec2;
pub mod iam;
pub mod paging;
pub mod route53;
pub mod sagemaker;
pub mod sts;
#[cfg(test)]
mod testing;

use sagegate_gate::registry::Registry;

/// Whether a tag's key, or another name, begins with `aws:` in whatever case, which AWS keeps for
/// itself.
pub(crate) fn is_reserved(name: &str) -> bool {
    name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:"))
}

/// Every operation that is implemented.
#[must_use]
pub fn registry() -> Registry {
    let mut registry = Registry::default();
    iam::register(&mut registry);
    sts::register(&mut registry);
    ec2::register(&mut registry);
    sagemaker::register(&mut registry);
    route53::register(&mut registry);
    registry
}
