//! Route tables: what is in them, and which one counts for a subnet.
//!
//! Rules: Amazon VPC User Guide, "Configure route tables". Routes to the VPC's own blocks and those
//! of gateway endpoints are in no record: they follow from the VPC and its endpoints, so that they
//! cannot differ from them.

pub(crate) mod associations;
pub(crate) mod routes;
pub(crate) mod tables;

use std::collections::BTreeMap;

use ipnet::{IpNet, Ipv4Net};
use sagegate_gate::{Fault, Scope};
use sagegate_store::{Read, StoreError, Tx};

use super::endpoint::gateway;
use super::kind::Kind;
use super::peering::{self, Peering};
use super::records::{
    self, EgressOnlyGateway, Endpoint, Interface, InternetGateway, NatGateway, NatState, Route,
    RouteAssociation, RouteDestination, RouteTable, RouteTarget, Vpc,
};

/// What the ids of associations begin with.
pub(crate) const ASSOCIATION: &str = "rtbassoc-";

/// The table that a VPC has from the beginning. `id` gives an id with the prefix that it is given.
pub(crate) fn main_table(vpc: &str, id: impl Fn(&str) -> String) -> RouteTable {
    RouteTable {
        id: id(Kind::RouteTable.prefix()),
        vpc: vpc.to_owned(),
        routes: Vec::new(),
        associations: vec![RouteAssociation { id: id(ASSOCIATION), subnet: None }],
        token: None,
    }
}

/// A route of everything to an internet gateway.
pub(crate) fn default_route(gateway: &str) -> Route {
    Route {
        destination: RouteDestination::Block(IpNet::V4(Ipv4Net::default())),
        target: RouteTarget::InternetGateway(gateway.to_owned()),
    }
}

/// Whether this is its VPC's main table.
pub(crate) fn is_main(table: &RouteTable) -> bool {
    table.associations.iter().any(|association| association.subnet.is_none())
}

/// The tables of a VPC.
pub(crate) fn of_vpc(
    state: &dyn Read,
    scope: &Scope,
    vpc: &str,
) -> Result<Vec<RouteTable>, StoreError> {
    let mut tables = records::all::<RouteTable>(state, scope)?;
    tables.retain(|table| table.vpc == vpc);
    Ok(tables)
}

/// The main table of a VPC.
pub(crate) fn main_of(
    state: &dyn Read,
    scope: &Scope,
    vpc: &str,
) -> Result<Option<RouteTable>, StoreError> {
    Ok(of_vpc(state, scope, vpc)?.into_iter().find(is_main))
}

/// Ends the association of a subnet that goes away.
pub(crate) fn forget_subnet(tx: &mut Tx, scope: &Scope, subnet: &str) -> Result<(), StoreError> {
    for mut table in records::all::<RouteTable>(tx, scope)? {
        let before = table.associations.len();
        table.associations.retain(|association| association.subnet.as_deref() != Some(subnet));
        if table.associations.len() != before {
            records::put(tx, scope, &table)?;
        }
    }
    Ok(())
}

/// The table that has an association, and the association.
///
/// # Errors
/// `InvalidAssociationID.NotFound`.
fn associated(
    state: &dyn Read,
    scope: &Scope,
    id: &str,
) -> Result<(RouteTable, RouteAssociation), Fault> {
    find_association(state, scope, id)?.ok_or_else(|| {
        let text = format!("The association ID '{id}' does not exist");
        super::fault::bad("InvalidAssociationID.NotFound", text)
    })
}

fn find_association(
    state: &dyn Read,
    scope: &Scope,
    id: &str,
) -> Result<Option<(RouteTable, RouteAssociation)>, StoreError> {
    let found = records::all::<RouteTable>(state, scope)?.into_iter().find_map(|table| {
        let association = table.associations.iter().find(|known| known.id == id)?.clone();
        Some((table, association))
    });
    Ok(found)
}

/// By which way a route in force leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// The VPC itself.
    Local,
    /// The gateway endpoint of this id.
    Endpoint(String),
    /// As the route was made.
    Made(RouteTarget),
}

/// The routes of a table: those to the VPC's blocks, which one that was made may have replaced, the
/// others in the order in which they were made, and those of gateway endpoints.
pub(crate) fn in_force(
    vpc: &Vpc,
    table: &RouteTable,
    endpoints: &[Endpoint],
) -> Vec<(RouteDestination, Way)> {
    let mut routes = Vec::new();
    for block in vpc_blocks(vpc) {
        let own = RouteDestination::Block(block);
        let replaced = table.routes.iter().any(|route| route.destination == own);
        if !replaced {
            routes.push((own, Way::Local));
        }
    }
    let made = table.routes.iter();
    routes.extend(made.map(|it| (it.destination.clone(), Way::Made(it.target.clone()))));
    routes.extend(endpoints.iter().filter_map(|endpoint| {
        let list = gateway::leads(endpoint, &table.id)?;
        Some((RouteDestination::PrefixList(list.to_owned()), Way::Endpoint(endpoint.id.clone())))
    }));
    routes
}

/// The blocks of a VPC, for each of which its tables have a route.
pub(crate) fn vpc_blocks(vpc: &Vpc) -> Vec<IpNet> {
    let v4 = vpc.v4_blocks().map(|(_, block)| IpNet::V4(block));
    v4.chain(vpc.v6_blocks().map(|(_, block)| IpNet::V6(block))).collect()
}

/// What routes can lead to, as it is now.
pub(crate) struct Targets {
    /// Internet gateways, with their VPCs.
    gateways: BTreeMap<String, Option<String>>,
    /// What else there is, with its VPC: network interfaces, egress-only internet gateways, and NAT
    /// gateways that are not deleted.
    others: BTreeMap<String, String>,
    /// Peering connections that are active.
    peerings: Vec<Peering>,
}

impl Targets {
    pub(crate) fn of(state: &dyn Read, scope: &Scope) -> Result<Self, StoreError> {
        let gateways = records::all::<InternetGateway>(state, scope)?;
        let interfaces = records::all::<Interface>(state, scope)?;
        let egress_only = records::all::<EgressOnlyGateway>(state, scope)?;
        let mut nat = records::all::<NatGateway>(state, scope)?;
        nat.retain(|it| matches!(it.state, NatState::Pending | NatState::Available));
        let others = interfaces.into_iter().map(|it| (it.id, it.vpc));
        let others = others.chain(egress_only.into_iter().map(|it| (it.id, it.vpc)));
        let others = others.chain(nat.into_iter().map(|it| (it.id, it.vpc)));
        Ok(Self {
            gateways: gateways.into_iter().map(|it| (it.id, it.vpc)).collect(),
            others: others.collect(),
            peerings: peering::active(state, scope)?,
        })
    }

    /// Whether a route of this VPC leads somewhere; one that does not is a `blackhole`. A network
    /// interface leads to whoever uses it, so that it needs no instance to be there.
    pub(crate) fn reached(&self, vpc: &str, way: &Way) -> bool {
        let same = |own: Option<&String>| own.is_some_and(|own| own == vpc);
        match way {
            Way::Local | Way::Endpoint(_) => true,
            Way::Made(RouteTarget::InternetGateway(id)) => {
                same(self.gateways.get(id).and_then(Option::as_ref))
            }
            Way::Made(
                RouteTarget::Interface(id)
                | RouteTarget::EgressOnlyGateway(id)
                | RouteTarget::NatGateway(id),
            ) => same(self.others.get(id)),
            Way::Made(RouteTarget::Peering(id)) => {
                self.peerings.iter().any(|it| it.id == *id && it.has(vpc))
            }
        }
    }
}
