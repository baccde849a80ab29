//! One audit record: CloudTrail's form ("CloudTrail record contents", version 1.11), with the
//! decision beside it under `sagegate`.

use std::borrow::Cow;

use sagegate_model::{MemberSchema, Struct, View};
use sagegate_network::Arrival;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::line;
use crate::caller::Caller;
use crate::env::Time;

/// A record, as it is kept. That of an allowed read is written without being made first
/// ([`allowed_read`](super::line::allowed_read)): a member that is added here is added there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The version of CloudTrail's form.
    pub event_version: Cow<'static, str>,
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
    pub event_type: Cow<'static, str>,
    /// Always true: data events come with the services that have them.
    pub management_event: bool,
    /// The account that the request acted in.
    pub recipient_account_id: String,
    /// The endpoint that it came through.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub vpc_endpoint_id: Option<String>,
    /// Always `Management`.
    pub event_category: Cow<'static, str>,
    /// What the gate decided and why.
    pub sagegate: Value,
    /// The request for which a service made this call in another.
    #[serde(rename = "sagegateWithin", skip_serializing_if = "Option::is_none", default)]
    pub within: Option<String>,
    /// `eventTime` to the millisecond, since 1970, for the order of records.
    #[serde(rename = "sagegateMillis", default)]
    pub millis: i64,
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

pub(super) const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";

/// A struct's members as CloudTrail shows them: lower camel case, secrets hidden.
#[must_use]
pub fn members(value: &dyn Struct) -> Value {
    let mut text = Vec::new();
    line::members(&mut text, value);
    serde_json::from_slice(&text).unwrap_or(Value::Null)
}

/// Whether only that a member was there is written down.
pub(super) fn is_hidden(member: &MemberSchema) -> bool {
    member.shape.sensitive || SECRET_MEMBERS.contains(&member.name)
}

pub(super) fn plain(view: View<'_>) -> Value {
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
pub(super) fn shortened(text: &str) -> &str {
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
        let mut who = Vec::new();
        if let Some(caller) = caller {
            line::identity(&mut who, caller, about.arrival);
        }
        Self {
            event_version: "1.11".into(),
            user_identity: serde_json::from_slice(&who).unwrap_or(Value::Null),
            event_time: about.now.iso8601(),
            event_source: [about.service, ".amazonaws.com"].concat(),
            event_name: about.operation.into(),
            aws_region: about.region.into(),
            source_ip_address: about.arrival.source_address(),
            user_agent: shortened(about.user_agent).into(),
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
            vpc_endpoint_id: about.arrival.endpoint().map(|it| it.vpc_endpoint_id.as_str().into()),
            event_category: "Management".into(),
            sagegate: Value::Null,
            within: None,
            millis: about.now.millis(),
        }
    }
}
