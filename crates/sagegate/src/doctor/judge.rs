//! What policies say, by the gate.

use sagegate_doctor::{Question, Snapshot as SetUp, Verdict, Whose};
use sagegate_gate::gate::Refusal;
use sagegate_gate::{Context, Need};
use sagegate_network::topology::EndpointKind;
use sagegate_network::{Arrival, EndpointArrival};
use sagegate_policy::Reason;
use sagegate_server::OperatorFailure;
use sagegate_services::iam::records::{ROLES, USERS};
use sagegate_store::{Snapshot, StoreError};

use crate::node::Node;
use crate::reach::caller;

/// The service whose calls within AWS a role's permissions are asked about.
const SERVICE: &str = "sagemaker.amazonaws.com";

/// Decides a question of the checks.
pub(super) fn decide(
    node: &Node,
    state: &Snapshot,
    set_up: &SetUp,
    question: &Question,
) -> Result<Verdict, OperatorFailure> {
    let mut need = match &question.resource {
        Some(arn) => Need::on(question.action, arn.clone()),
        None => Need::any(question.action),
    };
    need.endpoint_alternates.clone_from(&question.alternates);
    for (key, value) in &question.keys {
        need = need.key(*key, value.as_str());
    }
    let id = match &question.whose {
        Whose::Role(arn) => {
            let arrival = Arrival::Service { service: SERVICE.to_owned() };
            return ask(node, state, arn, &arrival, &need);
        }
        Whose::Endpoint(id) => id,
    };
    let Some(arrival) = through(set_up, id) else {
        return Ok(nobody(&format!("{id} has no interface to come by")));
    };
    need.of_the_way_only = true;
    // An endpoint's policy judges whoever comes, the root user too; it may name those that it lets through,
    // one of whom is enough.
    let verdict = ask(node, state, "root", &arrival, &need)?;
    if !verdict.allowed {
        for principal in principals(node, state)? {
            let other = ask(node, state, &principal, &arrival, &need)?;
            if other.allowed {
                return Ok(other);
            }
        }
    }
    Ok(verdict)
}

fn nobody(text: &str) -> Verdict {
    Verdict { allowed: false, denied: false, text: text.to_owned() }
}

/// The users and roles of the account.
fn principals(node: &Node, state: &Snapshot) -> Result<Vec<String>, OperatorFailure> {
    let unread = |error: StoreError| OperatorFailure::Failed(error.to_string());
    let own = (node.scope.account.as_str(),);
    let roles = ROLES.scan(state, &own, None, usize::MAX).map_err(unread)?;
    let users = USERS.scan(state, &own, None, usize::MAX).map_err(unread)?;
    let roles = roles.into_iter().map(|(_, it)| format!("role/{}", it.name));
    Ok(roles.chain(users.into_iter().map(|(_, it)| format!("user/{}", it.name))).collect())
}

/// The gate's decision for one principal.
fn ask(
    node: &Node,
    state: &Snapshot,
    principal: &str,
    arrival: &Arrival,
    need: &Need,
) -> Result<Verdict, OperatorFailure> {
    let env = node.gate.env();
    let context = Context {
        caller: caller(state, &node.scope, principal)?,
        arrival: arrival.clone(),
        request_id: env.uuid(),
        user_agent: "sagegate doctor".to_owned(),
        now: env.now(),
        secure: true,
    };
    Ok(match node.gate.check_at(state.clone(), &context, need.clone().into()) {
        Ok(_) => Verdict { allowed: true, denied: false, text: String::new() },
        Err(Refusal::Denied(denial)) => Verdict {
            allowed: false,
            denied: matches!(denial.decision.by, Reason::ExplicitDeny(_)),
            text: reason(&denial.text()),
        },
        Err(Refusal::Fault(fault)) => nobody(&fault.detail.unwrap_or(fault.message)),
        // What cannot be read cannot be mended by a statement more.
        Err(Refusal::Unread(error)) => {
            Verdict { allowed: false, denied: true, text: error.message }
        }
    })
}

/// Why, without who and what: that is in the question.
fn reason(text: &str) -> String {
    text.split_once(" because ").map_or(text, |(_, reason)| reason).to_owned()
}

/// An arrival through the first of an endpoint's interfaces, from that one's own subnet.
fn through(set_up: &SetUp, id: &str) -> Option<Arrival> {
    let endpoint = set_up.topology.endpoints.get(id)?;
    let EndpointKind::Interface { interfaces, .. } = &endpoint.kind else { return None };
    let interface = interfaces.iter().find_map(|id| set_up.topology.interfaces.get(id))?;
    let client = set_up.clients.get(&interface.subnet).map(|it| it.address);
    let own = interface.addresses.first().map(|it| it.private);
    Some(Arrival::Endpoint(EndpointArrival {
        vpc_endpoint_id: id.to_owned(),
        vpc_id: endpoint.vpc.clone(),
        subnet_id: interface.subnet.clone(),
        account: set_up.account.clone(),
        region: set_up.region.clone(),
        vpc_source_ip: client.or(own)?,
        service_name: endpoint.service.clone(),
    }))
}
