//! What policies say of a call that arrives: the gate's own decision, at the state of the walk.

use sagegate_gate::gate::Refusal;
use sagegate_gate::{Caller, Context, Gate, Need, Scope};
use sagegate_network::reach::{Judgement, To, Verdict};
use sagegate_network::{Arrival, Behind};
use sagegate_policy::Reason;
use sagegate_server::OperatorFailure;
use sagegate_services::iam::credentials;
use sagegate_store::Snapshot;

use super::{Asked, target_text};
use crate::operator::failure;

/// Actions that policies of the caller do not decide (IAM User Guide, "Actions, resources, and
/// condition keys for AWS Security Token Service").
const NO_PERMISSION: [&str; 2] = ["sts:GetCallerIdentity", "sts:GetSessionToken"];

/// A call that is asked about.
pub(super) struct Judge<'a> {
    gate: &'a Gate,
    state: &'a Snapshot,
    caller: Caller,
    action: &'static str,
    need: Need,
    /// What was called.
    to: &'a To,
    secure: bool,
}

impl<'a> Judge<'a> {
    /// Nothing where no caller is named.
    pub(super) fn new(
        gate: &'a Gate,
        state: &'a Snapshot,
        scope: &Scope,
        asked: &Asked,
        to: &'a To,
        secure: bool,
    ) -> Result<Option<Self>, OperatorFailure> {
        let invalid = |text: &str| Err(OperatorFailure::Invalid(text.to_owned()));
        let (principal, action) = match (&asked.principal, &asked.action, &asked.resource) {
            (None, None, None) if asked.context.is_empty() => return Ok(None),
            (Some(principal), Some(action), _) => (principal, action),
            _ => return invalid("a call is asked about with both --as and --action"),
        };
        let action = known(gate, action)?;
        let mut need = match asked.resource.as_deref() {
            _ if NO_PERMISSION.contains(&action) => Need::no_permission(action),
            None | Some("*") => Need::any(action),
            Some(arn) if arn.starts_with("arn:") => Need::on(action, arn),
            Some(_) => return invalid("--resource is an ARN, or * for an action without one"),
        };
        for (key, value) in &asked.context {
            // Those of the caller and of the network are found, not given.
            let global = key.get(..4).is_some_and(|it| it.eq_ignore_ascii_case("aws:"));
            let of_tags = ["aws:requesttag/", "aws:resourcetag/"];
            let lower = key.to_ascii_lowercase();
            if !key.contains(':') || (global && !of_tags.iter().any(|it| lower.starts_with(it))) {
                return Err(OperatorFailure::Invalid(format!(
                    "--context {key}: a key of the service or of tags is expected, such as \
                     aws:ResourceTag/team; keys of the caller and of the network are found by themselves"
                )));
            }
            need = need.key(key.clone(), value.as_str());
        }
        Ok(Some(Self {
            gate,
            state,
            caller: caller(state, scope, principal)?,
            action,
            need,
            to,
            secure,
        }))
    }

    pub(super) fn of(&self, arrival: &Arrival) -> Judgement {
        let mut judgement = Judgement::default();
        let service = self.action.split_once(':').map_or("", |(service, _)| service);
        if let Some(endpoint) = arrival.endpoint() {
            let id = &endpoint.vpc_endpoint_id;
            if let Some(Behind::Api(own)) = endpoint.behind()
                && own != service
            {
                judgement.endpoint_policy = Some(Verdict {
                    allowed: false,
                    code: "WRONG_SERVICE".to_owned(),
                    text: format!(
                        "{id} leads to {own}, which has no {}: call {service} by its own name",
                        self.action
                    ),
                });
                return judgement;
            }
            if endpoint.behind().is_none_or(|it| it.action_prefix() == service) {
                let way = Need { of_the_way_only: true, ..self.need.clone() };
                judgement.endpoint_policy = Some(self.verdict(arrival, way, |_| {
                    format!("the policy of {id} allows {}", self.action)
                }));
            }
        }
        if arrival.endpoint().is_none() && !serves(self.to, service) {
            judgement.permission = Some(Verdict {
                allowed: false,
                code: "WRONG_SERVICE".to_owned(),
                text: format!("{} does not serve {}", target_text(self.to), self.action),
            });
            return judgement;
        }
        judgement.permission = Some(self.verdict(arrival, self.need.clone(), |by| {
            format!("{} may {}{by}", self.caller.arn(), self.action)
        }));
        judgement
    }

    fn verdict(&self, arrival: &Arrival, need: Need, allowed: impl Fn(&str) -> String) -> Verdict {
        let env = self.gate.env();
        let context = Context {
            caller: self.caller.clone(),
            arrival: arrival.clone(),
            request_id: env.uuid(),
            user_agent: "sagegate reach".to_owned(),
            now: env.now(),
            secure: self.secure,
        };
        match self.gate.check_at(self.state.clone(), &context, need.into()) {
            Ok(granted) => {
                let by = granted.to_json();
                let by = by.pointer("/0/policy").and_then(serde_json::Value::as_str);
                let by = by.map(|policy| format!(", by {policy}")).unwrap_or_default();
                Verdict { allowed: true, code: String::new(), text: allowed(&by) }
            }
            Err(Refusal::Denied(denial)) => Verdict {
                allowed: false,
                code: match denial.decision.by {
                    Reason::ExplicitDeny(_) => "EXPLICIT_DENY".to_owned(),
                    _ => "IMPLICIT_DENY".to_owned(),
                },
                text: denial.text(),
            },
            // What cannot be decided is not allowed.
            Err(Refusal::Fault(fault)) => Verdict {
                allowed: false,
                code: fault.code.to_string(),
                text: fault.detail.unwrap_or(fault.message),
            },
            Err(Refusal::Unread(error)) => {
                Verdict { allowed: false, code: "UNREAD".to_owned(), text: error.message }
            }
        }
    }
}

/// The caller that an operator names, with the policies of now.
///
/// # Errors
/// There is no such principal.
pub(crate) fn caller(
    state: &Snapshot,
    scope: &Scope,
    principal: &str,
) -> Result<Caller, OperatorFailure> {
    Ok(Caller {
        account: scope.account.clone(),
        principal: credentials::operator_principal(state, scope, principal).map_err(failure)?,
        access_key_id: String::new(),
        session: None,
        partition: scope.region.partition().to_owned(),
        called_via: Vec::new(),
    })
}

/// Whether a public name is one of the service's (AWS General Reference, "Service endpoints and
/// quotas"; SageMaker's doors have names of their own).
fn serves(to: &To, service: &str) -> bool {
    let To::Name(name) = to else { return false };
    let name = name.to_ascii_lowercase();
    match service {
        "sagemaker" => {
            name.starts_with("api.sagemaker.")
                || name.contains(".studio.")
                || name.contains(".notebook.")
        }
        _ => name.split('.').next() == Some(service),
    }
}

/// The action as it is spelled, of an operation that is served or of a door.
fn known(gate: &Gate, action: &str) -> Result<&'static str, OperatorFailure> {
    use std::sync::OnceLock;
    static ACTIONS: OnceLock<Vec<String>> = OnceLock::new();
    let actions = ACTIONS.get_or_init(|| {
        let served = gate.registry().operations();
        let mut all: Vec<String> =
            served.into_iter().map(|(service, name)| format!("{service}:{name}")).collect();
        all.push("ssmmessages:OpenDataChannel".to_owned());
        all
    });
    let found = actions.iter().find(|known| known.eq_ignore_ascii_case(action));
    let Some(found) = found else {
        return Err(OperatorFailure::Invalid(format!(
            "--action {action} is no action that is served; `sagegate operations` lists them"
        )));
    };
    if found.starts_with("sts:Assume") {
        return Err(OperatorFailure::Invalid(format!(
            "--action {found} is decided by the role's trust policy as well, which reach does not ask"
        )));
    }
    Ok(found)
}
