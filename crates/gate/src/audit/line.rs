//! The record of an allowed read, written as JSON straight from the request: most records are of
//! these, and making a [`Record`](super::Record) first takes longer than writing it.

use sagegate_model::{Member, Struct, View};
use sagegate_network::Arrival;
use sagegate_wire::{json_string, lower_first};

use super::Circumstances;
use super::record::{HIDDEN, is_hidden, plain, shortened};
use crate::caller::{Caller, Principal, SessionFacts};
use crate::decide::Granted;

/// Writes the record. `parameters` writes the request's members: with [`members`].
pub(crate) fn allowed_read(
    out: &mut Vec<u8>,
    about: &Circumstances<'_>,
    event_id: &str,
    caller: &Caller,
    granted: &Granted,
    parameters: impl FnOnce(&mut Vec<u8>),
) {
    out.reserve(1024);
    out.extend_from_slice(br#"{"eventVersion":"1.11","userIdentity":"#);
    identity(out, caller, about.arrival);
    text(out, r#","eventTime":"#, &about.now.iso8601());
    text(out, r#","eventSource":"#, &[about.service, ".amazonaws.com"].concat());
    text(out, r#","eventName":"#, about.operation);
    text(out, r#","awsRegion":"#, about.region);
    text(out, r#","sourceIPAddress":"#, &about.arrival.source_address());
    text(out, r#","userAgent":"#, shortened(about.user_agent));
    out.extend_from_slice(br#","requestParameters":"#);
    parameters(out);
    text(out, r#","responseElements":null,"requestID":"#, about.request_id);
    text(out, r#","eventID":"#, event_id);
    let read_only = if about.read_only { "true" } else { "false" };
    out.extend_from_slice(br#","readOnly":"#);
    out.extend_from_slice(read_only.as_bytes());
    out.extend_from_slice(br#","eventType":"AwsApiCall","managementEvent":true"#);
    text(out, r#","recipientAccountId":"#, about.account);
    if let Some(endpoint) = about.arrival.endpoint() {
        text(out, r#","vpcEndpointId":"#, &endpoint.vpc_endpoint_id);
    }
    out.extend_from_slice(br#","eventCategory":"Management","sagegate":"#);
    out.extend_from_slice(br#"{"decision":"allowed","by":"#);
    granted.write(out);
    out.extend_from_slice(br#"},"sagegateMillis":"#);
    out.extend_from_slice(about.now.millis().to_string().as_bytes());
    out.push(b'}');
}

/// CloudTrail's `userIdentity` element: a caller whose call came this way. A service that calls with
/// the credentials of a role says so itself.
pub(super) fn identity(out: &mut Vec<u8>, caller: &Caller, arrival: &Arrival) {
    let service = match arrival {
        Arrival::Service { service } => Some(service.as_str()),
        Arrival::Public { .. } | Arrival::Endpoint(_) => None,
    };
    let kind = match caller.principal {
        Principal::Root => "Root",
        Principal::User { .. } => "IAMUser",
        Principal::Role { .. } => "AssumedRole",
        Principal::Federated { .. } => "FederatedUser",
        Principal::Service { .. } => "AWSService",
    };
    text(out, r#"{"type":"#, kind);
    if let Principal::Service { name } = &caller.principal {
        text(out, r#","invokedBy":"#, service.unwrap_or(name));
        out.push(b'}');
        return;
    }
    text(out, r#","principalId":"#, &caller.user_id());
    text(out, r#","arn":"#, &caller.arn());
    text(out, r#","accountId":"#, caller.account.as_str());
    text(out, r#","accessKeyId":"#, &caller.access_key_id);
    if let Principal::User { name, .. } = &caller.principal {
        text(out, r#","userName":"#, name);
    }
    if let Some(session) = &caller.session {
        out.extend_from_slice(br#","sessionContext":{"#);
        session_context(out, caller, session);
        out.push(b'}');
    }
    let via = caller.called_via.last().map(String::as_str);
    if let Some(service) = service.or(via) {
        text(out, r#","invokedBy":"#, service);
    }
    out.push(b'}');
}

fn session_context(out: &mut Vec<u8>, caller: &Caller, session: &SessionFacts) {
    if let Principal::Role { id, name, .. } = &caller.principal {
        text(out, r#""sessionIssuer":{"type":"Role","principalId":"#, id);
        text(out, r#","arn":"#, &caller.principal_arn());
        text(out, r#","accountId":"#, caller.account.as_str());
        text(out, r#","userName":"#, name);
        out.extend_from_slice(b"},");
    }
    if let Some(identity) = &session.source_identity {
        text(out, r#""sourceIdentity":"#, identity);
        out.push(b',');
    }
    text(out, r#""attributes":{"creationDate":"#, &session.issued.iso8601());
    let mfa = if session.mfa { "true" } else { "false" };
    text(out, r#","mfaAuthenticated":"#, mfa);
    out.push(b'}');
}

/// Writes [`members`](super::members).
pub(crate) fn members(out: &mut Vec<u8>, value: &dyn Struct) {
    let mut before = b'{';
    for (index, schema) in value.schema().members.iter().enumerate() {
        let Some(view) = value.member(index).and_then(Member::view) else { continue };
        out.push(before);
        before = b',';
        json_string(out, &lower_first(schema.name));
        out.push(b':');
        match view {
            _ if is_hidden(schema) => json_string(out, HIDDEN),
            View::Text(value) => json_string(out, value),
            View::Struct(value) => members(out, value),
            view => {
                // A tree of JSON, written to memory, always has a form.
                let _ = serde_json::to_writer(&mut *out, &plain(view));
            }
        }
    }
    if before == b'{' {
        out.push(before);
    }
    out.push(b'}');
}

/// What stands before a text, and the text.
pub(crate) fn text(out: &mut Vec<u8>, before: &str, value: &str) {
    out.extend_from_slice(before.as_bytes());
    json_string(out, value);
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use serde_json::json;

    use super::super::Record;
    use super::*;
    use crate::caller::SessionFacts;
    use crate::env::Time;
    use crate::ids::AccountId;

    /// What is written at once is what would have been kept.
    #[test]
    fn a_passing_record_reads_as_the_kept_one() {
        let caller = |principal: Principal, session: Option<SessionFacts>| Caller {
            account: AccountId::parse("123456789012").unwrap(),
            principal,
            access_key_id: "AKIAEXAMPLE".into(),
            session,
            partition: "aws".into(),
            called_via: vec!["sagemaker.amazonaws.com".into()],
        };
        let text = || "x".to_owned();
        let session = || {
            let source_identity = Some("jo".to_owned());
            Some(SessionFacts { source_identity, mfa: true, ..SessionFacts::default() })
        };
        let callers = [
            caller(Principal::Root, None),
            caller(Principal::User { id: text(), name: text(), path: "/".into() }, None),
            caller(
                Principal::Role { id: text(), name: text(), path: "/".into(), session: text() },
                session(),
            ),
            caller(Principal::Service { name: "sagemaker.amazonaws.com".into() }, None),
        ];
        let public = Arrival::Public { source_ip: IpAddr::from([127, 0, 0, 1]) };
        let service = Arrival::Service { service: "ec2.amazonaws.com".into() };
        let ways = [(&public, "sagemaker.amazonaws.com"), (&service, "ec2.amazonaws.com")];
        let calls = callers.iter().flat_map(|caller| ways.map(|way| (caller, way)));
        for (caller, (arrival, invoked_by)) in calls {
            let about = Circumstances {
                service: "iam",
                operation: "GetUser",
                region: "us-west-2",
                account: "123456789012",
                arrival,
                user_agent: &"é\"\n".repeat(300),
                request_id: "id",
                now: Time::from_millis(1),
                read_only: true,
            };
            let granted = Granted::default();
            let mut line = Vec::new();
            allowed_read(&mut line, &about, "event", caller, &granted, |out| {
                out.extend_from_slice(b"null")
            });
            let mut kept = Record::of(about, "event".into(), Some(caller));
            kept.sagegate = json!({ "decision": "allowed", "by": granted.to_json() });
            let read: Record = serde_json::from_slice(&line).unwrap();
            assert_eq!(read, kept);
            assert_eq!(read.user_identity["invokedBy"], invoked_by);
            assert_eq!(read.user_agent.chars().count(), 256);
        }
    }

    #[test]
    fn a_session_is_told_with_its_role() {
        let session = SessionFacts {
            source_identity: Some("jo \"x\"".into()),
            issued: Time::from_millis(0),
            ..SessionFacts::default()
        };
        let text = |text: &str| text.to_owned();
        let caller = Caller {
            account: AccountId::parse("123456789012").unwrap(),
            principal: Principal::Role {
                id: text("AROAEXAMPLE"),
                name: text("studio"),
                path: text("/team/"),
                session: text("jo"),
            },
            access_key_id: text("ASIAEXAMPLE"),
            session: Some(session),
            partition: text("aws"),
            called_via: Vec::new(),
        };
        let mut out = Vec::new();
        identity(&mut out, &caller, &Arrival::Public { source_ip: IpAddr::from([127, 0, 0, 1]) });
        let told: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let expected = json!({
            "type": "AssumedRole",
            "principalId": "AROAEXAMPLE:jo",
            "arn": "arn:aws:sts::123456789012:assumed-role/studio/jo",
            "accountId": "123456789012",
            "accessKeyId": "ASIAEXAMPLE",
            "sessionContext": {
                "sessionIssuer": {
                    "type": "Role",
                    "principalId": "AROAEXAMPLE",
                    "arn": "arn:aws:iam::123456789012:role/team/studio",
                    "accountId": "123456789012",
                    "userName": "studio",
                },
                "sourceIdentity": "jo \"x\"",
                "attributes": {
                    "creationDate": "1970-01-01T00:00:00Z",
                    "mfaAuthenticated": "false",
                },
            },
        });
        assert_eq!(told, expected);
    }

    #[test]
    fn what_granted_is_told_in_order() {
        let written = |granted: &Granted| {
            let mut out = Vec::new();
            granted.write(&mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written(&Granted::default()), "[]");
        let (by, none) = (Some(("a \"b\"".into(), 2)), None);
        let granted = Granted::by([("iam:GetRole", by), ("iam:PassRole", none)]);
        assert_eq!(
            written(&granted),
            r#"[{"action":"iam:GetRole","policy":"a \"b\"","statement":2},{"action":"iam:PassRole","policy":"(root user)"}]"#
        );
    }
}
