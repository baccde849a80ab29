//! The records of visits. Every request to the door leaves one, like the calls of the API; none
//! holds a token or a cookie.

use http::Method;
use sagegate_gate::audit::{Circumstances, Record};
use sagegate_gate::denial::Denial;
use sagegate_gate::{Caller, Gate, HttpRequest};
use sagegate_services::sagemaker::ids::DomainId;
use sagegate_services::sagemaker::studio::Visit;
use sagegate_workloads::proxy::{End, Relayed};
use serde_json::{Value, json};

use crate::actions::Action;

/// The service that the door belongs to.
const SERVICE: &str = "sagemaker";

/// What is recorded of requests at notebook instances, as their operation.
const OPEN_NOTEBOOK: &str = "OpenNotebookInstance";

/// For whom an answer was.
pub(crate) enum Audience {
    /// For anybody: nothing in it depends on who asks.
    Anybody,
    /// A visitor who ends the own session, for which no permission is needed.
    Leaving(Option<Box<Caller>>),
    /// A visitor whose permission was decided.
    Admitted(Box<Admitted>),
    /// Whoever it was, the record is part of what the request wrote.
    Recorded,
}

/// A visitor who was let in, and by what.
pub(crate) struct Admitted {
    pub(crate) caller: Caller,
    pub(crate) subject: Subject,
    /// The grants, as records have them.
    pub(crate) by: Value,
}

impl Admitted {
    pub(crate) fn new(caller: Caller, visit: &Visit, by: Value) -> Self {
        Self { caller, subject: Subject::Profile(visit.profile_arn()), by }
    }
}

/// Writes the record of a request that was answered and wrote nothing.
pub(crate) fn answered(gate: &Gate, request: &HttpRequest, audience: &Audience) {
    if let Some(record) = of(gate, request, audience) {
        gate.journal().note(move || record);
    }
}

/// The record of a request that was answered, unless it is written already: for the transaction of
/// what a request writes, which must not be kept without its record.
pub(crate) fn of(gate: &Gate, request: &HttpRequest, audience: &Audience) -> Option<Record> {
    let (caller, subject, decision) = match audience {
        Audience::Recorded => return None,
        Audience::Anybody => (None, None, json!({ "decision": "not asked: open to everybody" })),
        Audience::Leaving(caller) => {
            let decision = json!({ "decision": "not asked: whoever has a session may end it" });
            (caller.as_deref(), None, decision)
        }
        Audience::Admitted(admitted) => (
            Some(&admitted.caller),
            Some(&admitted.subject),
            json!({ "decision": "allowed", "by": admitted.by }),
        ),
    };
    let mut record = record(gate, request, caller, subject);
    record.sagegate = decision;
    Some(record)
}

/// Writes the record of a request that nobody was recognised in, or that failed. Anybody can make
/// many of them, so they may be dropped and never push a refusal out.
pub(crate) fn unanswered(
    gate: &Gate,
    request: &HttpRequest,
    code: &str,
    message: &str,
    decision: &str,
) {
    let mut record = record(gate, request, None, None);
    record.error_code = Some(code.to_owned());
    record.error_message = Some(message.to_owned());
    record.sagegate = json!({ "decision": decision });
    gate.journal().note(move || record);
}

/// Writes the record of a request at a notebook instance that nobody was recognised in; as
/// [`unanswered`].
pub(crate) fn unknown_at_notebook(
    gate: &Gate,
    request: &HttpRequest,
    message: &str,
    decision: &str,
) {
    let mut record = record(gate, request, None, None);
    OPEN_NOTEBOOK.clone_into(&mut record.event_name);
    record.error_code = Some("NotAdmitted".to_owned());
    record.error_message = Some(message.to_owned());
    record.sagegate = json!({ "decision": decision });
    gate.journal().note(move || record);
}

/// Writes the record of a refused visit, which can be explained like a refused call.
pub(crate) fn refused(
    gate: &Gate,
    request: &HttpRequest,
    caller: &Caller,
    subject: &Subject,
    denial: &Denial,
) {
    let mut record = record(gate, request, Some(caller), Some(subject));
    record.error_code = Some(Denial::code(SERVICE).0.to_owned());
    record.error_message = Some(denial.text());
    record.sagegate = json!({ "decision": "denied", "trace": denial.trace });
    gate.journal().note_refusal(record);
}

/// What a request was about: ARNs.
#[derive(Clone)]
pub(crate) enum Subject {
    /// The Studio of a user profile.
    Profile(String),
    /// An app, opened from there.
    App { profile: String, app: String },
    /// A notebook instance.
    Notebook(String),
}

/// A use of an app or a notebook instance.
#[derive(Clone)]
pub(crate) struct AppUse {
    pub(crate) caller: Caller,
    pub(crate) subject: Subject,
    /// The grants, as records have them.
    pub(crate) by: Value,
}

/// The record of the beginning of a session at a notebook instance.
pub(crate) fn of_entry(gate: &Gate, request: &HttpRequest, used: &AppUse) -> Record {
    let mut record = of_app(gate, request, used);
    record.read_only = false;
    record
}

/// The record of a use of an app or a notebook instance.
pub(crate) fn of_app(gate: &Gate, request: &HttpRequest, used: &AppUse) -> Record {
    let mut record = record(gate, request, Some(&used.caller), Some(&used.subject));
    record.sagegate = json!({ "decision": "allowed", "by": used.by });
    record
}

/// Writes the record of a request that an app was given.
pub(crate) fn used_app(gate: &Gate, request: &HttpRequest, used: &AppUse) {
    let record = of_app(gate, request, used);
    gate.journal().note(move || record);
}

/// Writes the record of a request that was allowed and that the app did not answer.
pub(crate) fn failed_app(gate: &Gate, request: &HttpRequest, used: &AppUse, why: &str) {
    let mut record = of_app(gate, request, used);
    record.error_code = Some("AppUnavailable".to_owned());
    record.error_message = Some(why.to_owned());
    gate.journal().note(move || record);
}

/// Writes the record of the end of a WebSocket to an app.
pub(crate) fn left_app(gate: &Gate, request: &HttpRequest, used: &AppUse, done: &Relayed) {
    let mut record = of_app(gate, request, used);
    let end = match &done.end {
        End::Closed => "closed".to_owned(),
        End::Leaving => "the way in was closed".to_owned(),
        End::Refused(why) => format!("refused: {why}"),
    };
    record.response_elements =
        json!({ "socket": end, "bytesFromClient": done.up, "bytesToClient": done.down });
    gate.journal().note(move || record);
}

fn record(
    gate: &Gate,
    request: &HttpRequest,
    caller: Option<&Caller>,
    subject: Option<&Subject>,
) -> Record {
    let page = page(&request.path);
    let operation = match subject {
        Some(Subject::Notebook(_)) => OPEN_NOTEBOOK,
        _ if page.ends_with("/logout") => "LeaveStudio",
        _ => "OpenStudio",
    };
    let about = Circumstances {
        service: SERVICE,
        operation,
        region: gate.region().as_str(),
        account: caller.map_or("", |caller| caller.account.as_str()),
        arrival: &request.arrival,
        user_agent: request.header("user-agent").unwrap_or_default(),
        request_id: &request.request_id,
        now: gate.env().now(),
        read_only: request.method == Method::GET
            && !["auth", "enter", "open"].iter().any(|it| page.rsplit('/').next() == Some(it)),
    };
    let mut record = Record::of(about, gate.env().uuid(), caller);
    let mut parameters = json!({ "method": request.method.as_str(), "page": page });
    let arns = match subject {
        None => Vec::new(),
        Some(Subject::Profile(profile)) => vec![("userProfileArn", profile)],
        Some(Subject::App { profile, app }) => vec![("userProfileArn", profile), ("appArn", app)],
        Some(Subject::Notebook(arn)) => vec![("notebookInstanceArn", arn)],
    };
    if let Some(members) = parameters.as_object_mut() {
        members.extend(arns.into_iter().map(|(name, arn)| (name.to_owned(), Value::from(&**arn))));
    }
    record.request_parameters = parameters;
    record
}

/// The page that was asked for, of those that exist. What else a path says is not written down: it
/// may be a secret that was put into the wrong place.
fn page(path: &str) -> String {
    if let "/" | "/auth" | "/signin" | "/style.css" | "/studio.js" | "/_sagegate/enter" = path {
        return path.to_owned();
    }
    let inside = path.strip_prefix('/').and_then(|path| path.split_once('/'));
    match inside.map(|(domain, rest)| (DomainId::parse(domain), rest)) {
        Some((Some(domain), rest @ ("" | "logout"))) => format!("/{domain}/{rest}"),
        Some((Some(domain), rest)) if Action::of_path(rest).is_some() => {
            // The space is named by the call that follows.
            let action = rest.rsplit('/').next().unwrap_or_default();
            format!("/{domain}/{action}")
        }
        _ => "(another)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::page;

    #[test]
    fn only_known_pages_are_written_down() {
        for known in ["/", "/auth", "/signin", "/style.css", "/d-abc/", "/d-abc/logout"] {
            assert_eq!(page(known), known);
        }
        for unknown in ["", "/auth/c2VjcmV0", "/d-abc", "/d-abc/c2VjcmV0", "/D-abc/", "/d-/"] {
            assert_eq!(page(unknown), "(another)", "{unknown}");
        }
    }
}
