//! IAM: identities and their policies.
//!
//! [`records`] holds every record type and table; the operations of one kind of entity share a
//! file, and what they have in common lies beside them ([`entities`], [`attachments`], [`inline`],
//! [`documents`], [`tags`], [`page`], [`faults`], [`quota`]).

pub mod attachments;
pub mod aws_managed;
pub mod documents;
pub mod entities;
pub mod faults;
pub mod inline;
pub mod managed;
pub mod page;
pub mod quota;
pub mod records;
pub mod tags;

use sagegate_gate::registry::Registry;

/// Registers the operations.
pub(crate) fn register(_registry: &mut Registry) {}
