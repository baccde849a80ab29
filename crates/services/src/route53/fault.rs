//! Errors that several operations give. Codes and statuses are the model's; texts are those that users
//! of the service have reported, or the model's own where none is known.

use sagegate_gate::Fault;
use sagegate_model::ErrorSchema;
use sagegate_model::route53 as tables;

/// An error that the model has.
pub(super) fn modelled(error: &'static ErrorSchema, text: impl Into<String>) -> Fault {
    Fault::client(error.code, error.status, text)
}

pub(super) fn invalid(text: impl Into<String>) -> Fault {
    modelled(&tables::ERROR_INVALID_INPUT, text)
}

pub(super) fn no_zone(id: &str) -> Fault {
    modelled(&tables::ERROR_NO_SUCH_HOSTED_ZONE, format!("No hosted zone found with ID: {id}"))
}

/// What is wrong with a batch of changes, all of it: Route 53 shows the texts as a list.
pub(super) fn invalid_batch(texts: &[String]) -> Fault {
    modelled(&tables::ERROR_INVALID_CHANGE_BATCH, format!("[{}]", texts.join(", ")))
}

/// Health checks are not served, so there is none (text is ours).
pub(super) fn no_health_check(id: &str) -> Fault {
    modelled(&tables::ERROR_NO_SUCH_HEALTH_CHECK, format!("No health check found with ID: {id}"))
}

/// Delegation sets are not served, so there is none (text is ours).
pub(super) fn no_delegation_set(id: &str) -> Fault {
    let text = format!("No delegation set found with ID: {id}");
    modelled(&tables::ERROR_NO_SUCH_DELEGATION_SET, text)
}
