//! Whom an operation means that may leave the user name out.

use sagegate_gate::{Caller, Fault, Need, Principal, Scope};
use sagegate_store::Read;

use super::faults::validation;
use super::records::ROOT;
use super::users;

/// A user by name, or the account's root user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The root user, who has called without a name.
    Root,
    /// The user of this name.
    User(String),
}

impl Subject {
    /// The user who is named, or else the caller.
    ///
    /// # Errors
    /// `ValidationError` where neither is a user: a session of a role has no user name.
    pub(crate) fn of(caller: &Caller, name: Option<&str>) -> Result<Self, Fault> {
        match (name, &caller.principal) {
            (Some(name), _) => Ok(Self::User(name.to_owned())),
            (None, Principal::Root) => Ok(Self::Root),
            (None, Principal::User { name, .. }) => Ok(Self::User(name.clone())),
            (None, _) => {
                Err(validation("Must specify userName when calling with non-User credentials"))
            }
        }
    }

    /// A need of an action on them.
    pub(crate) fn need(
        &self,
        action: &'static str,
        scope: &Scope,
        state: &dyn Read,
    ) -> Result<Need, Fault> {
        match self {
            Self::Root => Ok(Need::on(action, scope.global_arn("iam", ROOT))),
            Self::User(name) => users::need(action, scope, state, name),
        }
    }
}
