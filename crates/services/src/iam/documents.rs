//! Policy documents as IAM takes, measures and answers them.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sagegate_gate::Fault;
use sagegate_policy::{Document, PolicyType, validate};

use super::faults::{limit_exceeded, malformed_policy, over_quota};
use super::records::EntityKind;

/// What RFC 3986 leaves unreserved beside letters and digits.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The most characters a managed policy may have, white space apart.
pub const MANAGED_POLICY_SIZE: usize = 6_144;
/// The most characters a role's trust policy may have, white space apart.
pub const TRUST_POLICY_SIZE: usize = 2_048;

/// The most characters that all inline policies of one user, group or role may have together,
/// white space apart (IAM User Guide, "IAM and AWS STS quotas").
#[must_use]
pub fn inline_quota(kind: EntityKind) -> usize {
    match kind {
        EntityKind::User => 2_048,
        EntityKind::Group => 5_120,
        EntityKind::Role | EntityKind::Policy | EntityKind::InstanceProfile => 10_240,
    }
}

/// A document as answers have it: percent-encoded (RFC 3986), as the IAM API Reference tells of
/// every operation that returns one.
#[must_use]
pub fn encode(document: &str) -> String {
    utf8_percent_encode(document, ENCODED).collect()
}

/// Characters that count against a quota: all but white space.
#[must_use]
pub fn size(document: &str) -> usize {
    sagegate_policy::size_without_whitespace(document)
}

/// Checks that inline policies of this size together fit.
///
/// # Errors
/// `LimitExceeded`.
pub fn check_inline_size(kind: EntityKind, name: &str, total: usize) -> Result<(), Fault> {
    let limit = inline_quota(kind);
    if total > limit {
        return Err(limit_exceeded(format!(
            "Maximum policy size of {limit} bytes exceeded for {} {name}",
            kind.arn_type()
        )));
    }
    Ok(())
}

/// Checks that a managed policy fits.
///
/// # Errors
/// `LimitExceeded`.
pub fn check_managed_size(document: &str) -> Result<(), Fault> {
    if size(document) > MANAGED_POLICY_SIZE {
        return Err(over_quota("PolicySize", 6_144));
    }
    Ok(())
}

/// Checks that IAM would keep this document.
///
/// # Errors
/// `MalformedPolicyDocument` with AWS's text for the first thing that is wrong; what exactly it is
/// and where goes to the audit, since AWS's texts do not tell.
pub fn check(document: &str, kind: PolicyType) -> Result<(), Fault> {
    if let Err(violations) = validate(document, kind)
        && let Some(first) = violations.into_iter().next()
    {
        let place = first
            .position
            .map(|position| format!("line {}, column {}: ", position.line, position.column));
        let detail = first.detail.map(|detail| format!("{}{detail}", place.unwrap_or_default()));
        return Err(Fault { detail, ..malformed_policy(first.message) });
    }
    // What is kept must also be readable for deciding.
    match Document::parse(document) {
        Ok(_) => Ok(()),
        Err(error) => Err(Fault {
            detail: Some(error.to_string()),
            ..malformed_policy("Syntax errors in policy.")
        }),
    }
}

/// Checks that IAM would keep this document inline in a user, group or role.
///
/// # Errors
/// As [`check`].
pub fn check_inline_policy(document: &str) -> Result<(), Fault> {
    check(document, PolicyType::Inline)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_answered_percent_encoded() {
        assert_eq!(encode("{\"A\": \"a-b._~*é\"}"), "%7B%22A%22%3A%20%22a-b._~%2A%C3%A9%22%7D");
    }

    #[test]
    fn white_space_is_free() {
        assert_eq!(size(" {\n\t\"a\" : 1 } "), 7);
        assert!(check_inline_size(EntityKind::User, "u", 2_048).is_ok());
        let fault = check_inline_size(EntityKind::User, "u", 2_049).unwrap_err();
        assert_eq!(fault.message, "Maximum policy size of 2048 bytes exceeded for user u");
        assert_eq!(
            check_managed_size(&"x".repeat(6_145)).unwrap_err().message,
            "Cannot exceed quota for PolicySize: 6144"
        );
    }
}
