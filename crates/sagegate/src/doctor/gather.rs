//! What the checks look at, from the state.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use sagegate_doctor::{Client, Domain, Notebook, Role, Service, Snapshot, Trust, questions};
use sagegate_gate::{Fault, Scope};
use sagegate_network::public;
use sagegate_network::topology::Topology;
use sagegate_server::OperatorFailure;
use sagegate_services::ec2;
use sagegate_services::ec2::endpoint_services;
use sagegate_services::route53;
use sagegate_services::sagemaker::survey::{self, DomainFacts, NotebookFacts};
use sagegate_store::{Read, StoreError};

use super::{Asked, judge};
use crate::node::Node;
use crate::operator::failure;

/// The set-up, as far as it is asked about.
pub(super) fn snapshot(node: &Node, asked: &Asked) -> Result<Snapshot, OperatorFailure> {
    let scope = &node.scope;
    let state = node.gate.store().snapshot().map_err(unread)?;
    let topology = Arc::new(ec2::topology(&state, scope).map_err(unread)?);
    let mut domains = survey::domains(&state, scope).map_err(failure)?;
    let mut notebooks = survey::notebooks(&state, scope).map_err(failure)?;
    let vpcs = chosen(asked, &topology, &mut domains, &mut notebooks)?;
    let roles = roles(node, &state, &domains, &notebooks).map_err(failure)?;
    let mut snapshot = Snapshot {
        account: scope.account.to_string(),
        region: scope.region.to_string(),
        partition: scope.region.partition().to_owned(),
        services: services(scope),
        public: public::services(scope.region.as_str()),
        zones: route53::zones_of(&state, scope).map_err(unread)?,
        clients: clients(&state, scope, &topology)?,
        free: ec2::free_addresses(&state, scope).map_err(unread)?,
        domains: domains.into_iter().map(domain).collect(),
        notebooks: notebooks.into_iter().map(notebook).collect(),
        vpcs,
        roles,
        endpoint_policies: ec2::policies_of_endpoints(&state, scope).map_err(unread)?,
        verdicts: BTreeMap::new(),
        topology,
    };
    for question in questions(&snapshot) {
        let verdict = judge::decide(node, &state, &snapshot, &question)?;
        snapshot.verdicts.insert(question, verdict);
    }
    Ok(snapshot)
}

fn unread(error: StoreError) -> OperatorFailure {
    failure(Fault::from(error))
}

/// Keeps what is asked about; the VPCs of it.
fn chosen(
    asked: &Asked,
    topology: &Topology,
    domains: &mut Vec<DomainFacts>,
    notebooks: &mut Vec<NotebookFacts>,
) -> Result<Vec<String>, OperatorFailure> {
    let missing =
        |kind: &str, id: &str| Err(OperatorFailure::NotFound(format!("there is no {kind} {id}")));
    if let Some(id) = &asked.vpc {
        if !topology.vpcs.contains_key(id) {
            return missing("VPC", id);
        }
        domains.retain(|it| it.vpc.as_ref() == Some(id));
        notebooks.retain(|it| {
            let own = it.interface.as_ref().and_then(|it| topology.interfaces.get(it));
            own.is_some_and(|own| own.vpc == *id)
        });
    }
    if let Some(id) = &asked.domain {
        domains.retain(|it| it.id == *id);
        notebooks.clear();
        if domains.is_empty() {
            return match &asked.vpc {
                Some(vpc) => missing(&format!("domain in {vpc} of the id"), id),
                None => missing("domain", id),
            };
        }
    }
    let vpcs: BTreeSet<&String> = match (&asked.vpc, &asked.domain) {
        (Some(id), _) => BTreeSet::from([id]),
        (None, Some(_)) => domains.iter().filter_map(|it| it.vpc.as_ref()).collect(),
        (None, None) => topology.vpcs.keys().collect(),
    };
    Ok(vpcs.into_iter().cloned().collect())
}

fn services(scope: &Scope) -> Vec<Service> {
    let all = endpoint_services::services(&scope.region).into_iter();
    all.map(|it| Service { name: it.name, private_name: it.private_name }).collect()
}

/// Those that stand for the clients of each subnet. One that is full has none to give.
fn clients(
    state: &dyn Read,
    scope: &Scope,
    topology: &Topology,
) -> Result<BTreeMap<String, Client>, OperatorFailure> {
    let mut clients = BTreeMap::new();
    for id in topology.subnets.keys() {
        match ec2::subnet_client(state, scope, id) {
            Ok(Some(it)) => {
                let client = Client { address: IpAddr::V4(it.address), group: it.group };
                clients.insert(id.clone(), client);
            }
            Ok(None) => {}
            Err(fault) if fault.code == "InsufficientFreeAddressesInSubnet" => {}
            Err(fault) => return Err(failure(fault)),
        }
    }
    Ok(clients)
}

fn domain(facts: DomainFacts) -> Domain {
    Domain {
        id: facts.id,
        vpc: facts.vpc,
        subnets: facts.subnets,
        vpc_only: facts.vpc_only,
        identity_center: facts.identity_center,
        groups: facts.groups,
        nfs: facts.nfs,
        mount_targets: facts.mount_targets,
        roles: facts.roles,
        profiles: facts.profiles,
        remote_access: facts.remote_access,
    }
}

fn notebook(facts: NotebookFacts) -> Notebook {
    Notebook {
        name: facts.name,
        role: facts.role,
        interface: facts.interface,
        direct_internet: facts.direct_internet,
        accelerators: facts.accelerators,
    }
}

fn roles(
    node: &Node,
    state: &dyn Read,
    domains: &[DomainFacts],
    notebooks: &[NotebookFacts],
) -> Result<BTreeMap<String, Role>, Fault> {
    let now = node.gate.env().now();
    let of_domains = domains.iter().flat_map(|it| it.roles.iter().map(move |role| (role, &it.arn)));
    let of_notebooks = notebooks.iter().map(|it| (&it.role, &it.arn));
    let mut roles = BTreeMap::new();
    for (arn, source) in of_domains.chain(of_notebooks) {
        let Some(facts) = survey::role(state, &node.scope, arn, source, now)? else { continue };
        let trust = if facts.trusts { Trust::Given } else { Trust::Refused };
        let role = Role { name: facts.name, trust, document: facts.trust_policy };
        // Of several that use it, one that is not let in counts.
        let known: &mut Role = roles.entry(arn.clone()).or_insert_with(|| role.clone());
        if trust == Trust::Refused {
            *known = role;
        }
    }
    Ok(roles)
}
