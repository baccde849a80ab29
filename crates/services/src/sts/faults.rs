//! STS's errors in STS's words.

use sagegate_gate::{Caller, Fault};

/// `AccessDenied`, for what no policy can allow.
#[must_use]
pub(super) fn access_denied(message: impl Into<String>) -> Fault {
    Fault::client("AccessDenied", 403, message)
}

/// `ValidationError`.
#[must_use]
pub(super) fn validation(message: impl Into<String>) -> Fault {
    Fault::client("ValidationError", 400, message)
}

/// `MalformedPolicyDocument`.
#[must_use]
pub(super) fn malformed_policy(message: impl Into<String>) -> Fault {
    Fault::client("MalformedPolicyDocument", 400, message)
}

/// `PackedPolicyTooLarge`: session policies and tags together need more than there is room for.
#[must_use]
pub(super) fn too_large(percent: usize) -> Fault {
    Fault::client(
        "PackedPolicyTooLarge",
        400,
        format!(
            "Packed size of session tags and policies consumes {percent}% of the allotted space."
        ),
    )
}

/// Refuses multi-factor authentication, as AWS answers a device that it does not know: there are no
/// devices here.
///
/// # Errors
/// `AccessDenied` if the request names one.
pub(super) fn check_mfa(serial: Option<&str>, code: Option<&str>) -> Result<(), Fault> {
    match (serial, code) {
        (None, None) => Ok(()),
        (Some(_), Some(_)) => Err(access_denied(
            "MultiFactorAuthentication failed, unable to validate MFA code. Please verify your MFA \
             serial number is valid and associated with this user.",
        )),
        _ => Err(access_denied(
            "MultiFactorAuthentication failed, must provide both MFA serial number and one time \
             pass code.",
        )),
    }
}

/// Refuses what AWS does not let sessions of users call, whatever policies say: those of
/// GetSessionToken and GetFederationToken reach little of STS (STS API Reference, both, "You cannot
/// call any AWS STS operations except …").
///
/// # Errors
/// `AccessDenied`.
pub(super) fn check_session(caller: &Caller, operation: &str) -> Result<(), Fault> {
    match caller.session.as_ref().map(|session| session.issuer.as_str()) {
        Some("GetSessionToken" | "GetFederationToken") => {
            Err(access_denied(format!("Cannot call {operation} with session credentials")))
        }
        _ => Ok(()),
    }
}
