//! SageMaker's errors in SageMaker's words. All are HTTP 400 (SPEC 2.5, 2.6).

use std::net::Ipv4Addr;

use sagegate_gate::Fault;

use super::records::DomainRecord;

/// `ValidationException`.
#[must_use]
pub(super) fn validation(message: impl Into<String>) -> Fault {
    Fault::client("ValidationException", 400, message)
}

/// `ResourceInUse`.
#[must_use]
pub(super) fn in_use(message: impl Into<String>) -> Fault {
    Fault::client("ResourceInUse", 400, message)
}

/// `ResourceNotFound`. The text begins with `RecordNotFound`, by which some clients tell "gone"
/// (SPEC T10).
#[must_use]
pub(super) fn not_found(what: &str, name: &str) -> Fault {
    Fault::client(
        "ResourceNotFound",
        400,
        format!("RecordNotFound: {what} [{name}] does not exist."),
    )
}

/// `ResourceNotFound` as SageMaker words it of images and their kin, which have a name of their own
/// (SPEC 2.6).
#[must_use]
pub(super) fn not_existing(what: &str, kind: &str, name: &str) -> Fault {
    Fault::client(
        "ResourceNotFound",
        400,
        format!("{what} with {kind}Name {name} does not exist. Please provide a valid {kind}Name."),
    )
}

/// `ResourceLimitExceeded`, as AWS counts it (SPEC 2.6).
#[must_use]
pub(super) fn over_limit(name: &str, unit: &str, limit: usize, used: usize) -> Fault {
    Fault::client(
        "ResourceLimitExceeded",
        400,
        format!(
            "The account-level service limit '{name}' is {limit} {unit}, with current utilization \
             of {used} {unit} and a request delta of 1 {unit}. Please contact AWS support to \
             request an increase for this limit."
        ),
    )
}

/// "Unable to delete Domain [arn] because UserProfile(s) are associated with it."
#[must_use]
pub(super) fn associated(kind: &str, arn: &str, dependents: &str) -> Fault {
    in_use(format!(
        "Unable to delete {kind} [{arn}] because {dependents}(s) are associated with it."
    ))
}

/// The resource is in a state in which the call cannot be done.
#[must_use]
pub(super) fn busy(verb: &str, kind: &str, arn: &str, status: &str) -> Fault {
    in_use(format!("Unable to {verb} {kind} [{arn}] while its status is {status}."))
}

/// Studio cannot be opened by the domain's address, which this machine could not give it. The
/// caller did nothing wrong, and later it may go well.
#[must_use]
pub(super) fn not_open(domain: &DomainRecord, reason: &str) -> Fault {
    door_closed(&format!("Domain [{}]", domain.id), domain.door, reason)
}

/// As [`not_open`], of whatever has a door.
#[must_use]
pub(super) fn door_closed(what: &str, door: Ipv4Addr, reason: &str) -> Fault {
    Fault {
        code: "ServiceUnavailable".into(),
        message: format!(
            "{what} cannot be opened: the address of its URL, {door}, is not ours: {reason}."
        ),
        status: 503,
        sender: false,
        detail: None,
        denied: false,
    }
}

/// The token of a page was not made by the operation that it was given to.
#[must_use]
pub(super) fn bad_token() -> Fault {
    validation("Invalid NextToken: it was not returned by this operation.")
}
