//! What a refused caller is told, and the sealed message in which EC2 tells the rest.

use sagegate_policy::{Attached, Decision, Element, PolicyKind, Reason};
use serde_json::{Value, json};

use crate::caller::Caller;
use crate::env::Env;
use crate::fault::Fault;
use crate::needs::{Need, Resource};
use crate::vault::Vault;

/// The purpose under which encoded authorization messages are sealed; sts:DecodeAuthorizationMessage
/// opens them.
pub const PURPOSE: &str = "authorization-message/1";

/// A need that was not granted, and why.
#[derive(Clone, Debug)]
pub struct Denial {
    /// The need.
    pub need: Need,
    /// The decision.
    pub decision: Decision,
    /// Who was refused, as texts name it.
    pub caller_arn: String,
    /// Every policy and condition that was looked at, for `sagegate explain`.
    pub trace: Value,
    /// What sts:DecodeAuthorizationMessage answers.
    pub message: Value,
}

impl Denial {
    /// Whether all that is wrong is that the policy of the endpoint does not allow it: that policy is
    /// asked last, so everything else does, and it does not deny explicitly.
    #[must_use]
    pub fn is_of_the_way_alone(&self) -> bool {
        self.decision.by == Reason::ImplicitDeny(PolicyKind::Endpoint)
    }

    /// AWS's text: `User: … is not authorized to perform: … on resource: … because …` (IAM User
    /// Guide, "Troubleshoot access denied error messages"; SPEC 2.6).
    #[must_use]
    pub fn text(&self) -> String {
        let action = self.need.action;
        let on = match (&self.need.shown, &self.need.resource) {
            (Some(shown), _) => format!(" on resource: {shown}"),
            (None, Resource::Any) => String::new(),
            (None, Resource::Arn(arn)) => format!(" on resource: {arn}"),
        };
        let why = self.decision.reason_text(action);
        format!("User: {} is not authorized to perform: {action}{on} {why}", self.caller_arn)
    }

    /// The error's code and HTTP status in the spelling of the service that was called.
    #[must_use]
    pub fn code(service: &str) -> (&'static str, u16) {
        match service {
            "ec2" => ("UnauthorizedOperation", 403),
            "iam" | "route53" | "sts" => ("AccessDenied", 403),
            _ => ("AccessDeniedException", 400),
        }
    }

    /// The error in the spelling of the service that was called, or of one whose operation made the
    /// call that was denied.
    #[must_use]
    pub fn fault(&self, service: &str, vault: &Vault, env: &Env) -> Fault {
        let (code, status) = Self::code(service);
        let fault = |message| Fault { denied: true, ..Fault::client(code, status, message) };
        if service != "ec2" {
            return fault(self.text());
        }
        let sealed = vault.seal_text(env, PURPOSE, self.message.to_string().as_bytes());
        let text = self.text();
        fault(format!(
            "You are not authorized to perform this operation. {text}. Encoded authorization \
             failure message: {sealed}"
        ))
    }
}

fn items<'a>(values: impl IntoIterator<Item = &'a str>) -> Value {
    let items: Vec<Value> = values.into_iter().map(|value| json!({ "value": value })).collect();
    json!({ "items": items })
}

/// A statement as a decoded authorization message shows one that denied, with the policy that it is
/// in.
#[must_use]
pub(crate) fn matched_statement(attached: &Attached, index: usize) -> Option<Value> {
    let statement = attached.policy.document().statements.get(index)?;
    let texts = |element: &Option<Element>| {
        items(element.iter().flat_map(|it| it.values.iter().map(|text| &*text.value)))
    };
    let name = |element: &Option<Element>, plain: &'static str, negated: &'static str| {
        if element.as_ref().is_some_and(|it| it.negated) { negated } else { plain }
    };
    let principals = statement.principal.iter().flat_map(|it| &it.entries);
    let conditions: Vec<Value> = statement
        .conditions
        .iter()
        .map(|condition| {
            json!({
                "key": condition.key,
                "operator": condition.operator.to_string(),
                "values": items(condition.values.iter().map(|text| &*text.value)),
            })
        })
        .collect();
    Some(json!({
        "statementId": statement.sid.as_ref().map_or("", |sid| &*sid.value),
        "effect": "DENY",
        "policy": attached.name.as_ref(),
        "principals": items(principals.map(|(_, text)| &*text.value)),
        "principalGroups": { "items": [] },
        name(&statement.action, "actions", "notActions"): texts(&statement.action),
        name(&statement.resource, "resources", "notResources"): texts(&statement.resource),
        "conditions": { "items": conditions },
    }))
}

/// The form of a decoded authorization message (STS API, `DecodeAuthorizationMessage`; AWS shows
/// one in the EC2 User Guide, "Example policies … Decode an authorization failure message").
#[must_use]
pub(crate) fn message(
    caller: &Caller,
    need: &Need,
    explicit: bool,
    matched: &[Value],
    conditions: &[(String, Vec<String>)],
) -> Value {
    json!({
        "allowed": false,
        "explicitDeny": explicit,
        "matchedStatements": { "items": matched },
        "failures": { "items": [] },
        "context": {
            "principal": {
                "id": caller.user_id(),
                "arn": caller.arn(),
            },
            "action": need.action,
            "resource": match &need.resource { Resource::Any => "*", Resource::Arn(arn) => arn },
            "conditions": {
                "items": conditions
                    .iter()
                    .map(|(key, values)| json!({ "key": key, "values": items(values.iter().map(String::as_str)) }))
                    .collect::<Vec<_>>(),
            },
        },
    })
}
