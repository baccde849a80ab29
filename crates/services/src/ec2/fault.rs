//! Errors that several operations give. Codes and texts: Amazon EC2 API Reference, "Error codes",
//! and answers of the service as its users have reported them.

use sagegate_gate::Fault;

/// A client's error with status 400.
pub(crate) fn bad(code: &'static str, message: impl Into<String>) -> Fault {
    Fault::client(code, 400, message)
}

pub(crate) fn invalid_value(message: impl Into<String>) -> Fault {
    bad("InvalidParameterValue", message)
}

/// PrivateLink's own code for what does not fit.
pub(crate) fn invalid_parameter(message: impl Into<String>) -> Fault {
    bad("InvalidParameter", message)
}

pub(crate) fn missing(parameter: &str) -> Fault {
    bad("MissingParameter", format!("The request must contain the parameter {parameter}"))
}

pub(crate) fn in_use(what: &str, id: &str) -> Fault {
    bad("DependencyViolation", format!("The {what} '{id}' has dependencies and cannot be deleted."))
}

/// Ends a request with `DryRun`: the caller may, and nothing is done.
///
/// # Errors
/// `DryRunOperation` where `DryRun` was asked.
pub(crate) fn dry_run(asked: Option<bool>) -> Result<(), Fault> {
    if asked != Some(true) {
        return Ok(());
    }
    let text = "Request would have succeeded, but DryRun flag is set.";
    Err(Fault::client("DryRunOperation", 412, text))
}

/// Refuses members that AWS knows and this service does not carry out yet, instead of dropping
/// them: (name, whether the request asks for something by it).
///
/// # Errors
/// `UnsupportedOperation`, which names the first of them.
pub(crate) fn refuse(members: &[(&str, bool)]) -> Result<(), Fault> {
    match members.iter().find(|(_, asked)| *asked) {
        None => Ok(()),
        Some((name, _)) => {
            let text =
                format!("The parameter {name} is not supported by Sagegate with this value.");
            Err(bad("UnsupportedOperation", text))
        }
    }
}
