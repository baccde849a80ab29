//! What every file of operations names.

pub(crate) use sagegate_api::Unit;
pub(crate) use sagegate_api::iam as api;
pub(crate) use sagegate_gate::{Access, Authorized, Call, Fault, Need, Needs, Operation, Scope};
pub(crate) use sagegate_store::{Read, Tx};

pub(crate) use super::entities;
pub(crate) use super::page::Page;
pub(crate) use super::records::{EntityKind, GroupRecord, UserRecord};
