//! IAM's errors in IAM's words.

use sagegate_gate::Fault;

use super::records::EntityKind;

/// `NoSuchEntity` with its own text.
#[must_use]
pub fn no_such(message: impl Into<String>) -> Fault {
    Fault::client("NoSuchEntity", 404, message)
}

/// "The user with name X cannot be found."
#[must_use]
pub fn no_such_entity(kind: EntityKind, name: &str) -> Fault {
    no_such(match kind {
        EntityKind::User | EntityKind::Group | EntityKind::Role => {
            format!("The {} with name {name} cannot be found.", kind.arn_type())
        }
        EntityKind::InstanceProfile => format!("Instance Profile {name} cannot be found."),
        EntityKind::Policy => format!("Policy {name} was not found."),
    })
}

/// "User with name X already exists."
#[must_use]
pub fn already_exists(kind: EntityKind, name: &str) -> Fault {
    let message = match kind {
        EntityKind::InstanceProfile => format!("Instance Profile {name} already exists."),
        EntityKind::Policy => {
            format!("A policy called {name} already exists. Duplicate names are not allowed.")
        }
        _ => format!("{} with name {name} already exists.", kind.title()),
    };
    Fault::client("EntityAlreadyExists", 409, message)
}

/// "Cannot exceed quota for AccessKeysPerUser: 2"
#[must_use]
pub fn over_quota(quota: &str, limit: u64) -> Fault {
    limit_exceeded(format!("Cannot exceed quota for {quota}: {limit}"))
}

/// `LimitExceeded` with its own text.
#[must_use]
pub fn limit_exceeded(message: impl Into<String>) -> Fault {
    Fault::client("LimitExceeded", 409, message)
}

/// "Cannot delete entity, must detach all policies first." `must` is what follows `must`.
#[must_use]
pub fn delete_conflict(must: &str) -> Fault {
    Fault::client("DeleteConflict", 409, format!("Cannot delete entity, must {must} first."))
}

/// `InvalidInput`.
#[must_use]
pub fn invalid_input(message: impl Into<String>) -> Fault {
    Fault::client("InvalidInput", 400, message)
}

/// `ValidationError`.
#[must_use]
pub fn validation(message: impl Into<String>) -> Fault {
    Fault::client("ValidationError", 400, message)
}

/// `MalformedPolicyDocument`.
#[must_use]
pub fn malformed_policy(message: impl Into<String>) -> Fault {
    Fault::client("MalformedPolicyDocument", 400, message)
}

/// "Policy ARN does not exist or is not attachable."
#[must_use]
pub fn not_attachable(arn: &str) -> Fault {
    no_such(format!("Policy {arn} does not exist or is not attachable."))
}

/// "Policy ARN was not found."
#[must_use]
pub fn no_such_policy(arn: &str) -> Fault {
    no_such(format!("Policy {arn} was not found."))
}
