//! One audit record: CloudTrail's form ("CloudTrail record contents", version 1.11), with the
//! decision beside it under `sagegate`.

use crate::env::Time;
use sagegate_model::{Member, Struct, View};
use sagegate_network::Arrival;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::caller::{Caller, Principal};

/// A record, ready to be written down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The version of CloudTrail's form.
    pub event_version: String,
    /// Who asked; `null` where the request could not be authenticated.
    pub user_identity: Value,
    /// When, ISO 8601 in UTC.
    pub event_time: String,
    /// The service: `iam.amazonaws.com`.
    pub event_source: String,
    /// The operation: `CreateUser`.
    pub event_name: String,
    /// The region that the request was signed for.
    pub aws_region: String,
    /// From which address; the private one for a request through an endpoint.
    #[serde(rename = "sourceIPAddress")]
    pub source_ip_address: String,
    /// The client's `User-Agent`, cut at 256 characters.
    pub user_agent: String,
    /// The error's code, where the answer was one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error_code: Option<String>,
    /// The error's text.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error_message: Option<String>,
    /// The request's members, secrets left out.
    pub request_parameters: Value,
    /// The answer's members, for operations that write.
    pub response_elements: Value,
    /// The id that the client has as `x-amzn-RequestId`.
    #[serde(rename = "requestID")]
    pub request_id: String,
    /// The record's own id.
    #[serde(rename = "eventID")]
    pub event_id: String,
    /// Whether the operation only reads.
    pub read_only: bool,
    /// Always `AwsApiCall`.
    pub event_type: String,
    /// Always true: data events come with the services that have them.
    pub management_event: bool,
    /// The account that the request acted in.
    pub recipient_account_id: String,
    /// The endpoint that it came through.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub vpc_endpoint_id: Option<String>,
    /// Always `Management`.
    pub event_category: String,
    /// What the gate decided and why.
    pub sagegate: Value,
    /// `eventTime` to the millisecond, since 1970, for the order of records.
    #[serde(rename = "sagegateMillis", default)]
    pub millis: i64,
}

/// CloudTrail's `userIdentity` element.
#[must_use]
pub fn user_identity(caller: &Caller) -> Value {
    let mut out = Map::new();
    let kind = match caller.principal {
        Principal::Root => "Root",
        Principal::User { .. } => "IAMUser",
        Principal::Role { .. } => "AssumedRole",
        Principal::Federated { .. } => "FederatedUser",
        Principal::Service { .. } => "AWSService",
    };
    out.insert("type".into(), kind.into());
    if let Principal::Service { name } = &caller.principal {
        out.insert("invokedBy".into(), name.as_str().into());
        return Value::Object(out);
    }
    out.insert("principalId".into(), caller.user_id().into());
    out.insert("arn".into(), caller.arn().into());
    out.insert("accountId".into(), caller.account.as_str().into());
    out.insert("accessKeyId".into(), caller.access_key_id.as_str().into());
    if let Principal::User { name, .. } = &caller.principal {
        out.insert("userName".into(), name.as_str().into());
    }
    if let Some(session) = &caller.session {
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
        out.insert("sessionContext".into(), Value::Object(context));
    }
    if let Some(service) = caller.called_via.last() {
        out.insert("invokedBy".into(), service.as_str().into());
    }
    Value::Object(out)
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
        let mut identity = caller.map_or(Value::Null, user_identity);
        // A service that calls with the credentials of a role says so itself.
        if let (Arrival::Service { service }, Some(identity)) =
            (about.arrival, identity.as_object_mut())
        {
            identity.insert("invokedBy".into(), service.as_str().into());
        }
        Self {
            event_version: "1.11".into(),
            user_identity: identity,
            event_time: about.now.iso8601(),
            event_source: format!("{}.amazonaws.com", about.service),
            event_name: about.operation.into(),
            aws_region: about.region.into(),
            source_ip_address: about.arrival.source_address(),
            user_agent: about.user_agent.chars().take(256).collect(),
            error_code: None,
            error_message: None,
            request_parameters: Value::Null,
            response_elements: Value::Null,
            request_id: about.request_id.into(),
            event_id,
            read_only: about.read_only,
            event_type: "AwsApiCall".into(),
            management_event: true,
            recipient_account_id: about.account.into(),
            vpc_endpoint_id: about.arrival.endpoint().map(|it| it.vpc_endpoint_id.clone()),
            event_category: "Management".into(),
            sagegate: Value::Null,
            millis: about.now.millis(),
        }
    }
}
