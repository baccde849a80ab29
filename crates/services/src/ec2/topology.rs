//! The networks of a region as the packet walk and the kernel's back end read them.

use std::collections::{BTreeMap, HashMap};

use sagegate_gate::Scope;
use sagegate_network::topology::{
    AclEntry, Address, Destination, Endpoint, EndpointKind, GroupRule, Interface, NatGateway,
    NetworkAcl, Peering, PrefixList, Role, Route, RouteTable, SecurityGroup, Subnet, Target,
    Topology, Vpc,
};
use sagegate_store::{Read, StoreError};

use super::managed_prefix_list::Any;
use super::peering::references::References;
use super::peering::{self, PeeringState};
use super::records::{
    self, EgressOnlyGateway, EndpointState, EndpointType, Holder, InternetGateway, NatState,
    RouteDestination, RouteTarget,
};
use super::route_table::{self, Way};
use super::{elastic_ip, endpoint};

/// Everything of an account's networks in a region that decides whether a packet arrives, as it is
/// now. NAT gateways that failed or were deleted are left out; what leads to them leads nowhere.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub fn topology(state: &dyn Read, scope: &Scope) -> Result<Topology, StoreError> {
    let vpcs = records::all::<records::Vpc>(state, scope)?;
    let tables = records::all::<records::RouteTable>(state, scope)?;
    let endpoints = records::all::<records::Endpoint>(state, scope)?;
    let acls = records::all::<records::NetworkAcl>(state, scope)?;
    Ok(Topology {
        vpcs: vpc_map(state, scope, &vpcs)?,
        subnets: subnets(state, scope, &tables, &acls)?,
        interfaces: interfaces(state, scope)?,
        security_groups: security_groups(state, scope)?,
        network_acls: acls.iter().map(|acl| (acl.id.clone(), network_acl(acl))).collect(),
        route_tables: vpcs
            .iter()
            .flat_map(|vpc| {
                let own = tables.iter().filter(|table| table.vpc == vpc.id);
                own.map(|table| (table.id.clone(), route_table(vpc, table, &endpoints)))
            })
            .collect(),
        nat_gateways: nat_gateways(state, scope)?,
        peerings: peerings(state, scope)?,
        endpoints: endpoints
            .iter()
            .map(|endpoint| (endpoint.id.clone(), endpoint_of(scope, endpoint)))
            .collect(),
        prefix_lists: prefix_lists(state, scope)?,
    })
}

fn vpc_map(
    state: &dyn Read,
    scope: &Scope,
    vpcs: &[records::Vpc],
) -> Result<BTreeMap<String, Vpc>, StoreError> {
    let gateways = records::all::<InternetGateway>(state, scope)?;
    let egress_only = records::all::<EgressOnlyGateway>(state, scope)?;
    let one = |vpc: &records::Vpc| {
        let attached = gateways.iter().find(|gateway| gateway.vpc.as_ref() == Some(&vpc.id));
        let egress_only = egress_only.iter().filter(|gateway| gateway.vpc == vpc.id);
        let shape = Vpc {
            account: scope.account.to_string(),
            blocks: route_table::vpc_blocks(vpc),
            dns_support: vpc.dns_support,
            dns_hostnames: vpc.dns_hostnames,
            internet_gateway: attached.map(|gateway| gateway.id.clone()),
            egress_only_gateways: egress_only.map(|gateway| gateway.id.clone()).collect(),
        };
        (vpc.id.clone(), shape)
    };
    Ok(vpcs.iter().map(one).collect())
}

fn network_acl(acl: &records::NetworkAcl) -> NetworkAcl {
    let side = |egress: bool| {
        let own = acl.entries.iter().filter(move |entry| entry.egress == egress);
        let entries = own.map(|entry| AclEntry {
            number: entry.number,
            protocol: entry.protocol,
            from: entry.from,
            to: entry.to,
            block: entry.block,
            allow: entry.allow,
        });
        entries.collect()
    };
    NetworkAcl { vpc: acl.vpc.clone(), ingress: side(false), egress: side(true) }
}

fn subnets(
    state: &dyn Read,
    scope: &Scope,
    tables: &[records::RouteTable],
    acls: &[records::NetworkAcl],
) -> Result<BTreeMap<String, Subnet>, StoreError> {
    let own: HashMap<&str, &str> = tables
        .iter()
        .flat_map(|table| table.associations.iter().map(move |it| (it.subnet.as_deref(), table)))
        .filter_map(|(subnet, table)| Some((subnet?, table.id.as_str())))
        .collect();
    let main: HashMap<&str, &str> = tables
        .iter()
        .filter(|table| route_table::is_main(table))
        .map(|table| (table.vpc.as_str(), table.id.as_str()))
        .collect();
    let filters: HashMap<&str, &str> = acls
        .iter()
        .flat_map(|acl| acl.associations.iter().map(|it| (it.subnet.as_str(), acl.id.as_str())))
        .collect();
    let one = |subnet: records::Subnet| {
        let table = own.get(&*subnet.id).or_else(|| main.get(&*subnet.vpc));
        // A name that is nothing's leads nowhere and lets nothing through.
        let named = |id: Option<&&str>| id.map(|id| (*id).to_owned()).unwrap_or_default();
        let shape = Subnet {
            route_table: named(table),
            network_acl: named(filters.get(&*subnet.id)),
            blocks: subnet.blocks(),
            vpc: subnet.vpc,
            zone: subnet.zone,
        };
        (subnet.id, shape)
    };
    Ok(records::all::<records::Subnet>(state, scope)?.into_iter().map(one).collect())
}

fn interfaces(state: &dyn Read, scope: &Scope) -> Result<BTreeMap<String, Interface>, StoreError> {
    let public = elastic_ip::associated(state, scope)?;
    let one = |interface: records::Interface| {
        let v4 = interface.private().map(|private| {
            let own = public.get(&(interface.id.clone(), private));
            Address { private: private.into(), public: own.map(|own| own.address) }
        });
        let v6 = interface.ipv6.iter();
        let v6 = v6.map(|address| Address { private: (*address).into(), public: None });
        let addresses = v4.chain(v6).collect();
        let role = match interface.attachment {
            None => Role::Host,
            Some(attachment) => match attachment.kind {
                Holder::VpcEndpoint => Role::Endpoint(attachment.holder),
                Holder::NatGateway => Role::NatGateway(attachment.holder),
                Holder::NotebookInstance | Holder::App | Holder::Command => Role::Host,
                Holder::MountTarget => Role::Service,
            },
        };
        let shape = Interface {
            vpc: interface.vpc,
            subnet: interface.subnet,
            addresses,
            groups: interface.groups,
            source_dest_check: interface.source_dest_check,
            role,
        };
        (interface.id, shape)
    };
    Ok(records::all::<records::Interface>(state, scope)?.into_iter().map(one).collect())
}

fn security_groups(
    state: &dyn Read,
    scope: &Scope,
) -> Result<BTreeMap<String, SecurityGroup>, StoreError> {
    let references = References::of(state, scope)?;
    let one = |group: records::SecurityGroup| {
        let rules = |egress: bool| {
            let rules = group.rules.iter().filter(|rule| rule.egress == egress);
            let rules = rules.filter(|rule| !references.is_stale(rule));
            rules.map(|rule| GroupRule { id: rule.id.clone(), rule: rule.rule.clone() }).collect()
        };
        let (ingress, egress) = (rules(false), rules(true));
        (group.id, SecurityGroup { vpc: group.vpc, ingress, egress })
    };
    Ok(records::all::<records::SecurityGroup>(state, scope)?.into_iter().map(one).collect())
}

fn route_table(
    vpc: &records::Vpc,
    table: &records::RouteTable,
    endpoints: &[records::Endpoint],
) -> RouteTable {
    let routes =
        route_table::in_force(vpc, table, endpoints).into_iter().map(|(destination, way)| Route {
            destination: match destination {
                RouteDestination::Block(block) => Destination::Block(block),
                RouteDestination::PrefixList(id) => Destination::PrefixList(id),
            },
            target: match way {
                Way::Local => Target::Local,
                Way::Endpoint(id) => Target::GatewayEndpoint(id),
                Way::Made(RouteTarget::InternetGateway(id)) => Target::InternetGateway(id),
                Way::Made(RouteTarget::EgressOnlyGateway(id)) => {
                    Target::EgressOnlyInternetGateway(id)
                }
                Way::Made(RouteTarget::NatGateway(id)) => Target::NatGateway(id),
                Way::Made(RouteTarget::Interface(id)) => Target::Interface(id),
                Way::Made(RouteTarget::Peering(id)) => Target::Peering(id),
            },
        });
    RouteTable { vpc: table.vpc.clone(), routes: routes.collect() }
}

/// Requests that wait are there and carry nothing; what has ended is not.
fn peerings(state: &dyn Read, scope: &Scope) -> Result<BTreeMap<String, Peering>, StoreError> {
    let mut all = records::all::<peering::Peering>(state, scope)?;
    all.retain(|it| matches!(it.state, PeeringState::Pending | PeeringState::Active));
    let one = |it: peering::Peering| {
        let shape = Peering {
            requester: it.requester,
            accepter: it.accepter.vpc,
            active: it.state == PeeringState::Active,
            requester_names: it.requester_names,
            accepter_names: it.accepter_names,
        };
        (it.id, shape)
    };
    Ok(all.into_iter().map(one).collect())
}

fn nat_gateways(
    state: &dyn Read,
    scope: &Scope,
) -> Result<BTreeMap<String, NatGateway>, StoreError> {
    let one = |gateway: records::NatGateway| {
        let place = gateway.place?;
        let shape = NatGateway {
            vpc: gateway.vpc,
            subnet: gateway.subnet,
            interface: place.interface,
            available: gateway.state == NatState::Available,
            public: gateway.allocation.is_some(),
        };
        (gateway.state != NatState::Deleted).then_some((gateway.id, shape))
    };
    Ok(records::all::<records::NatGateway>(state, scope)?.into_iter().filter_map(one).collect())
}

fn endpoint_of(scope: &Scope, endpoint: &records::Endpoint) -> Endpoint {
    Endpoint {
        vpc: endpoint.vpc.clone(),
        service: endpoint.service.clone(),
        available: endpoint.state == EndpointState::Available,
        kind: match &endpoint.kind {
            EndpointType::Gateway { prefix_list, .. } => {
                EndpointKind::Gateway { prefix_list: prefix_list.clone() }
            }
            EndpointType::Interface => EndpointKind::Interface {
                interfaces: endpoint.places.iter().map(|place| place.interface.clone()).collect(),
                private_dns: endpoint.private_dns,
                names: endpoint::names(scope, endpoint),
            },
        },
    }
}

fn prefix_lists(
    state: &dyn Read,
    scope: &Scope,
) -> Result<BTreeMap<String, PrefixList>, StoreError> {
    let one = |list: Any| {
        let shape = PrefixList {
            name: list.name(scope),
            blocks: list.blocks(),
            max_entries: list.weight(),
        };
        (list.id().to_owned(), shape)
    };
    Ok(Any::all(state, scope)?.into_iter().map(one).collect())
}
