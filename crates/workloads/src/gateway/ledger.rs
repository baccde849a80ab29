//! What a gateway asks and tells of sessions: the store, and the audit.

use std::net::IpAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use sagegate_gate::audit::{Circumstances, Record};
use sagegate_gate::needs::Need;
use sagegate_gate::{Context, Fault, Gate, Needs, Reaction, Refusal};
use sagegate_network::Arrival;
use sagegate_services::sagemaker::sessions::{self, Refused, State};
use sagegate_services::sagemaker::start_session;
use serde_json::{Value, json};

use super::Gateway;
use crate::runtime::Doing;

/// From where a socket came.
#[derive(Debug, Clone)]
pub struct Origin {
    /// By which way.
    pub arrival: Arrival,
    /// The client's `User-Agent`.
    pub user_agent: String,
    /// The id of the request that it began as.
    pub request_id: String,
    /// Whether it is encrypted.
    pub secure: bool,
}

impl Origin {
    /// The client's address.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        match &self.arrival {
            Arrival::Public { source_ip } => *source_ip,
            Arrival::Endpoint(endpoint) => endpoint.vpc_source_ip,
            Arrival::Service { .. } => IpAddr::from([0, 0, 0, 0]),
        }
    }
}

/// What a gateway is told of a session whose token was taken.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// The workload that it leads to.
    pub workload: String,
    /// How long it may last.
    pub longest: Duration,
}

/// Knows the sessions.
pub trait Ledger: Send + Sync {
    /// Takes a token: it opens nothing more. An error is the reason for the client.
    fn accept<'a>(
        &'a self,
        session_id: &'a str,
        token: &'a str,
        origin: &'a Origin,
    ) -> Doing<'a, Result<Accepted, String>>;

    /// Why a session is over, if it is.
    fn ending(&self, session_id: &str) -> Option<String>;

    /// A session that was opened is over.
    fn ended<'a>(
        &'a self,
        session_id: &'a str,
        reason: &'a str,
        up: u64,
        down: u64,
        origin: &'a Origin,
    ) -> Doing<'a, ()>;
}

/// Begins with a small letter and has no full stop, as the reasons of the gateway.
const NOT_ALLOWED_ANY_MORE: &str =
    "whoever asked for this session is not allowed sagemaker:StartSession any more";
const UNREADABLE: &str = "The session cannot be looked up.";

/// The sessions in the store of a gate.
pub struct StoreLedger(pub Arc<Gate>);

impl std::fmt::Debug for StoreLedger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoreLedger")
    }
}

/// A record in the form of those that CloudTrail has of the message gateway
/// (`ssmmessages.amazonaws.com`, `OpenDataChannel`); the end is our own.
fn record(
    gate: &Gate,
    operation: &str,
    session: &sessions::Session,
    origin: &Origin,
    elements: Value,
) -> Record {
    let about = Circumstances {
        service: "ssmmessages",
        operation,
        region: session.scope.region.as_str(),
        account: session.scope.account.as_str(),
        arrival: &origin.arrival,
        user_agent: &origin.user_agent,
        request_id: &origin.request_id,
        now: gate.env().now(),
        read_only: false,
    };
    let mut record = Record::of(about, gate.env().uuid(), Some(&session.caller));
    record.event_type = "AwsServiceEvent".into();
    record.request_parameters =
        json!({ "sessionId": session.id, "resourceIdentifier": session.space });
    record.response_elements = elements;
    record
}

impl StoreLedger {
    /// Whether the policy of the endpoint that the socket came through lets the session's caller open
    /// a data channel. The token stands for the caller; nobody else's permission is asked, as with AWS.
    fn way(&self, session: &sessions::Session, origin: &Origin) -> Result<Value, String> {
        if origin.arrival.endpoint().is_none() {
            return Ok(json!({ "decision": "allowed", "by": "the session's token" }));
        }
        let gate = &self.0;
        let context = Context {
            caller: session.caller.clone(),
            arrival: origin.arrival.clone(),
            request_id: origin.request_id.clone(),
            user_agent: origin.user_agent.clone(),
            now: gate.env().now(),
            secure: origin.secure,
        };
        let need = Need::no_permission("ssmmessages:OpenDataChannel");
        match gate.check(&context, Needs(vec![need])) {
            Ok(granted) => Ok(json!({ "decision": "allowed", "by": granted.to_json() })),
            Err(refusal) => {
                let reason =
                    "the policy of the endpoint does not allow ssmmessages:OpenDataChannel";
                Err(self.refused(session, origin, refusal, reason))
            }
        }
    }

    /// Writes down that a session was not opened; the reason for the client.
    fn refused(
        &self,
        session: &sessions::Session,
        origin: &Origin,
        refusal: Refusal,
        reason: &str,
    ) -> String {
        let gate = &self.0;
        let mut record = record(gate, "OpenDataChannel", session, origin, Value::Null);
        match refusal {
            Refusal::Denied(denial) => {
                record.error_code = Some("AccessDeniedException".to_owned());
                record.error_message = Some(denial.text());
                record.sagegate = json!({ "decision": "denied", "trace": denial.trace });
            }
            Refusal::Fault(fault) if fault.sender => {
                record.error_code = Some(fault.code.into_owned());
                record.error_message = Some(fault.message);
                record.sagegate = json!({ "decision": "denied: whoever asked for it is gone" });
            }
            _ => return "the session could not be opened: a failure of the server".to_owned(),
        }
        gate.journal().note_refusal(record);
        reason.to_owned()
    }
}

impl Ledger for StoreLedger {
    fn accept<'a>(
        &'a self,
        session_id: &'a str,
        token: &'a str,
        origin: &'a Origin,
    ) -> Doing<'a, Result<Accepted, String>> {
        let gate = &self.0;
        Box::pin(async move {
            let done = gate
                .transact_recorded(|tx, records| {
                    let now = gate.env().now();
                    let session = match sessions::accept(tx, gate.vault(), now, session_id, token) {
                        Ok(session) => session,
                        Err(Refused::Fault(fault)) => return Err(fault),
                        Err(refused) => return Ok(Err(refused.to_string())),
                    };
                    let judged = start_session::judge(gate, tx, &session, &origin.request_id)
                        .map_err(|refusal| {
                            self.refused(&session, origin, refusal, NOT_ALLOWED_ANY_MORE)
                        });
                    let by = match judged.and_then(|()| self.way(&session, origin)) {
                        Ok(by) => by,
                        // The token was good and is used up: whoever has it is not allowed what it is
                        // for any more, or has come a way that is closed to it.
                        Err(reason) => {
                            sessions::end(tx, session_id, &reason, 0, 0, now)?;
                            return Ok(Err(reason));
                        }
                    };
                    let mut record = record(gate, "OpenDataChannel", &session, origin, Value::Null);
                    record.sagegate = by;
                    records.push(record);
                    let longest = u64::try_from(sessions::LONGEST).unwrap_or(0);
                    let longest = Duration::from_secs(longest);
                    Ok(Ok(Accepted { workload: session.workload, longest }))
                })
                .await;
            done.unwrap_or_else(|fault| {
                gate.report("a session could not be opened", &fault);
                Err("the session could not be opened: a failure of the server".to_owned())
            })
        })
    }

    fn ending(&self, session_id: &str) -> Option<String> {
        let gate = &self.0;
        let state = gate.store().snapshot().map_err(Fault::from);
        match state.and_then(|state| sessions::ending(&state, session_id)) {
            Ok(reason) => reason,
            // What cannot be judged is not let on.
            Err(fault) => {
                gate.report("a session cannot be read", &fault);
                Some(UNREADABLE.to_owned())
            }
        }
    }

    fn ended<'a>(
        &'a self,
        session_id: &'a str,
        reason: &'a str,
        up: u64,
        down: u64,
        origin: &'a Origin,
    ) -> Doing<'a, ()> {
        let gate = &self.0;
        Box::pin(async move {
            let done = gate
                .transact_recorded(|tx, records| {
                    let now = gate.env().now();
                    sessions::end(tx, session_id, reason, up, down, now)?;
                    let Some(session) = sessions::find(tx, gate.vault(), session_id)? else {
                        return Ok(());
                    };
                    let mut elements =
                        json!({ "reason": reason, "bytesFromClient": up, "bytesToClient": down });
                    if let (State::Ended { opened: Some(opened), .. }, Some(elements)) =
                        (&session.state, elements.as_object_mut())
                    {
                        elements.insert("openedAt".to_owned(), opened.iso8601().into());
                        let lasted = now.millis().saturating_sub(opened.millis());
                        elements.insert("milliseconds".to_owned(), lasted.into());
                    }
                    records.push(record(gate, "CloseDataChannel", &session, origin, elements));
                    Ok::<_, Fault>(())
                })
                .await;
            if let Err(fault) = done {
                gate.report("the end of a session could not be kept", &fault);
            }
        })
    }
}

/// Cuts the sessions that the state has ended: by the operator, or with their space or app.
#[derive(Debug)]
pub struct Cutter(pub Weak<Gateway>);

impl Reaction for Cutter {
    fn tables(&self) -> &'static [&'static str] {
        sessions::TABLES
    }

    fn react<'a>(&'a self, _: &'a Gate) -> Doing<'a, ()> {
        Box::pin(async move {
            let Some(gateway) = self.0.upgrade() else { return };
            for session in gateway.live() {
                if let Some(reason) = gateway.ledger.ending(&session.id) {
                    gateway.end(&session.id, &reason);
                }
            }
        })
    }
}
