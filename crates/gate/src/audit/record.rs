//! One audit record: CloudTrail's form ("CloudTrail record contents", version 1.11), with the
//! decision beside it under `sagegate`.

use std::borrow::Cow;

use crate::env::Time;
use sagegate_model::{Member, Struct, View};
use sagegate_network::Arrival;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::caller::{Caller, Principal, SessionFacts};
use crate::decide::Granted;

/// A record, ready to be written down. As it is kept, its texts, `I`dentity and `D`ecision are owned
/// values; what is written at once borrows them ([`Passing`]).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record<S = String, I = Value, D = Value> {
    /// The version of CloudTrail's form.
    pub event_version: Cow<'static, str>,
    /// Who asked; `null` where the request could not be authenticated.
    pub user_identity: I,
    /// When, ISO 8601 in UTC.
    pub event_time: S,
    /// The service: `iam.amazonaws.com`.
    pub event_source: S,
    /// The operation: `CreateUser`.
    pub event_name: S,
    /// The region that the request was signed for.
    pub aws_region: S,
    /// From which address; the private one for a request through an endpoint.
    #[serde(rename = "sourceIPAddress")]
    pub source_ip_address: S,
    /// The client's `User-Agent`, cut at 256 characters.
    pub user_agent: S,
    /// The error's code, where the answer was one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error_code: Option<S>,
    /// The error's text.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error_message: Option<S>,
    /// The request's members, secrets left out.
    pub request_parameters: Value,
    /// The answer's members, for operations that write.
    pub response_elements: Value,
    /// The id that the client has as `x-amzn-RequestId`.
    #[serde(rename = "requestID")]
    pub request_id: S,
    /// The record's own id.
    #[serde(rename = "eventID")]
    pub event_id: S,
    /// Whether the operation only reads.
    pub read_only: bool,
    /// Always `AwsApiCall`.
    pub event_type: Cow<'static, str>,
    /// Always true: data events come with the services that have them.
    pub management_event: bool,
    /// The account that the request acted in.
    pub recipient_account_id: S,
    /// The endpoint that it came through.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub vpc_endpoint_id: Option<S>,
    /// Always `Management`.
    pub event_category: Cow<'static, str>,
    /// What the gate decided and why.
    pub sagegate: D,
    /// The request for which a service made this call in another.
    #[serde(rename = "sagegateWithin", skip_serializing_if = "Option::is_none", default)]
    pub within: Option<S>,
    /// `eventTime` to the millisecond, since 1970, for the order of records.
    #[serde(rename = "sagegateMillis", default)]
    pub millis: i64,
}

/// A record that is written down at once, of what it borrows.
pub(crate) type Passing<'a> = Record<Cow<'a, str>, Identity<'a>, Allowed<'a>>;

/// CloudTrail's `userIdentity` element: a caller.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity<'a> {
    caller: &'a Caller,
    /// The service whose call it is, where the arrival says so.
    service: Option<&'a str>,
}

impl<'a> Identity<'a> {
    /// Who made the call that came this way. A service that calls with the credentials of a role says
    /// so itself.
    pub(crate) fn of(caller: &'a Caller, arrival: &'a Arrival) -> Self {
        let service = match arrival {
            Arrival::Service { service } => Some(service.as_str()),
            Arrival::Public { .. } | Arrival::Endpoint(_) => None,
        };
        Self { caller, service }
    }
}

impl Serialize for Identity<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let caller = self.caller;
        let mut out = serializer.serialize_map(None)?;
        let kind = match caller.principal {
            Principal::Root => "Root",
            Principal::User { .. } => "IAMUser",
            Principal::Role { .. } => "AssumedRole",
            Principal::Federated { .. } => "FederatedUser",
            Principal::Service { .. } => "AWSService",
        };
        out.serialize_entry("type", kind)?;
        if let Principal::Service { name } = &caller.principal {
            out.serialize_entry("invokedBy", self.service.unwrap_or(name))?;
            return out.end();
        }
        out.serialize_entry("principalId", &caller.user_id())?;
        out.serialize_entry("arn", &caller.arn())?;
        out.serialize_entry("accountId", caller.account.as_str())?;
        out.serialize_entry("accessKeyId", &caller.access_key_id)?;
        if let Principal::User { name, .. } = &caller.principal {
            out.serialize_entry("userName", name)?;
        }
        if let Some(session) = &caller.session {
            out.serialize_entry("sessionContext", &session_context(caller, session))?;
        }
        let via = caller.called_via.last().map(String::as_str);
        if let Some(service) = self.service.or(via) {
            out.serialize_entry("invokedBy", service)?;
        }
        out.end()
    }
}

fn session_context(caller: &Caller, session: &SessionFacts) -> Value {
    let mut context = Map::new();
    if let Principal::Role { id, name, .. } = &caller.principal {
        context.insert(
            "sessionIssuer".into(),
            json!({
                "type": "Role",
                "principalId": id,
                "arn": caller.principal_arn(),
                "accountId": caller.account.as_str(),
                "userName": name,
            }),
        );
    }
    if let Some(identity) = &session.source_identity {
        context.insert("sourceIdentity".into(), identity.as_str().into());
    }
    context.insert(
        "attributes".into(),
        json!({
            "creationDate": session.issued.iso8601(),
            "mfaAuthenticated": if session.mfa { "true" } else { "false" },
        }),
    );
    Value::Object(context)
}

/// The decision over a call that was allowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowed<'a>(pub(crate) &'a Granted);

impl Serialize for Allowed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_map(Some(2))?;
        out.serialize_entry("decision", "allowed")?;
        out.serialize_entry("by", self.0)?;
        out.end()
    }
}

/// Members that are never written down, whatever the model says of them.
const SECRET_MEMBERS: [&str; 8] = [
    "SecretAccessKey",
    "SessionToken",
    "Password",
    "OldPassword",
    "NewPassword",
    "AuthorizedUrl",
    "TokenValue",
    "StreamUrl",
];

const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";

/// A struct's members as CloudTrail shows them: lower camel case, secrets hidden.
#[must_use]
pub fn members(value: &dyn Struct) -> Value {
    let mut out = Map::new();
    for (index, schema) in value.schema().members.iter().enumerate() {
        let Some(view) = value.member(index).and_then(Member::view) else { continue };
        let shown = if schema.shape.sensitive || SECRET_MEMBERS.contains(&schema.name) {
            HIDDEN.into()
        } else {
            plain(view)
        };
        out.insert(sagegate_wire::lower_first(schema.name), shown);
    }
    Value::Object(out)
}

fn plain(view: View<'_>) -> Value {
    match view {
        View::Bool(value) => value.into(),
        View::Int(value) => value.into(),
        View::Long(value) => value.into(),
        View::Float(value) => value.into(),
        View::Double(value) => value.into(),
        View::Text(value) => value.into(),
        View::Bytes(value) => format!("({} bytes)", value.len()).into(),
        View::Time(value) => Time::from_millis(value.as_millis()).iso8601().into(),
        View::Struct(value) => members(value),
        View::List(list) => Value::Array(
            (0..list.len()).filter_map(|index| list.item(index)?.view()).map(plain).collect(),
        ),
        View::Map(map) => {
            let mut out = Map::new();
            map.each(&mut |key, value| {
                if let Some(view) = value.view() {
                    out.insert(key.to_owned(), plain(view));
                }
            });
            Value::Object(out)
        }
    }
}

/// The first 256 characters.
fn shortened(text: &str) -> &str {
    if text.len() <= 256 {
        return text;
    }
    let end = text.char_indices().nth(256).map_or(text.len(), |(at, _)| at);
    text.get(..end).unwrap_or(text)
}

/// What a record needs to know of the request beside its members.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// The operation's service as events name it: `iam`.
    pub service: &'a str,
    /// The operation.
    pub operation: &'a str,
    /// The region.
    pub region: &'a str,
    /// The account.
    pub account: &'a str,
    /// From where.
    pub arrival: &'a Arrival,
    /// The client's `User-Agent`.
    pub user_agent: &'a str,
    /// The request's id.
    pub request_id: &'a str,
    /// When.
    pub now: Time,
    /// Whether the operation only reads.
    pub read_only: bool,
}

impl Record {
    /// A record of a request before anything is known of its outcome.
    #[must_use]
    pub fn of(about: Circumstances<'_>, event_id: String, caller: Option<&Caller>) -> Self {
        let identity = caller.map(|caller| Identity::of(caller, about.arrival));
        // Made of texts under texts, it always has a JSON form.
        let identity = serde_json::to_value(identity).unwrap_or(Value::Null);
        Self::made(about, event_id, identity, Value::Null)
    }
}

impl<S, I, D> Record<S, I, D> {
    /// A record of a request, with who made it and what was decided.
    pub(crate) fn made<'a>(about: Circumstances<'a>, event_id: String, who: I, decision: D) -> Self
    where
        S: From<&'a str> + From<String>,
    {
        Self {
            event_version: "1.11".into(),
            user_identity: who,
            event_time: about.now.iso8601().into(),
            event_source: [about.service, ".amazonaws.com"].concat().into(),
            event_name: about.operation.into(),
            aws_region: about.region.into(),
            source_ip_address: about.arrival.source_address().into(),
            user_agent: shortened(about.user_agent).into(),
            error_code: None,
            error_message: None,
            request_parameters: Value::Null,
            response_elements: Value::Null,
            request_id: about.request_id.into(),
            event_id: event_id.into(),
            read_only: about.read_only,
            event_type: "AwsApiCall".into(),
            management_event: true,
            recipient_account_id: about.account.into(),
            vpc_endpoint_id: about.arrival.endpoint().map(|it| it.vpc_endpoint_id.as_str().into()),
            event_category: "Management".into(),
            sagegate: decision,
            within: None,
            millis: about.now.millis(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
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
                user_agent: &"é".repeat(300),
                request_id: "id",
                now: Time::from_millis(1),
                read_only: true,
            };
            let granted = Granted::default();
            let passing = Passing::made(
                about,
                "event".into(),
                Identity::of(caller, arrival),
                Allowed(&granted),
            );
            let mut kept = Record::of(about, "event".into(), Some(caller));
            kept.sagegate = json!({ "decision": "allowed", "by": granted.to_json() });
            let read: Record =
                serde_json::from_str(&serde_json::to_string(&passing).unwrap()).unwrap();
            assert_eq!(read, kept);
            assert_eq!(read.user_identity["invokedBy"], invoked_by);
            assert_eq!(read.user_agent.chars().count(), 256);
        }
    }
}
