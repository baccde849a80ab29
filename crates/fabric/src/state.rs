//! What the kernel is to have: plain data, compared with what it had to find what is to be done.
//!
//! Names of links are short (the kernel takes 15 bytes), so that every object that has one gets a
//! number when it is first seen ([`Numbers`](crate::compile::Numbers)).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Everything in one fabric.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// A router for each VPC that has somebody in it, by the VPC's id.
    pub routers: BTreeMap<String, Router>,
    /// Network interfaces that are plugged in, by their ids.
    pub ports: BTreeMap<String, Port>,
    /// The public addresses, and the number of the VPC's router behind each.
    pub public: BTreeMap<IpNet, u32>,
    /// Links between two routers, by the peering's id.
    pub peerings: BTreeMap<String, PeeringLink>,
    /// Gateway endpoints, by their ids.
    pub gateways: BTreeMap<String, Gateway>,
}

/// A VPC's router: a network namespace that all its interfaces are linked to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Router {
    /// Its number.
    pub number: u32,
    /// Its own addresses: each subnet's first, and the resolver's.
    pub addresses: BTreeSet<IpAddr>,
    /// The route tables of its subnets, by their numbers.
    pub tables: BTreeMap<u32, BTreeMap<IpNet, Hop>>,
    /// Which packets pass.
    pub filter: Filter,
}

/// Where a route leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hop {
    /// To the VPC's own interfaces.
    Local,
    /// To the internet gateway, or the egress-only one for IPv6.
    Internet,
    /// To the neighbour behind a link.
    Link(String),
    /// To an address of the VPC, behind the link of its interface.
    Through {
        /// The interface's address.
        address: IpAddr,
        /// Its link.
        link: String,
    },
    /// Nowhere.
    Blackhole,
}

/// A network interface that is plugged in: a network namespace, linked to its router.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Its VPC.
    pub vpc: String,
    /// The name of the router's end of its link.
    pub link: String,
    /// Its addresses with their subnets' blocks, the primary one first.
    pub addresses: Vec<(IpAddr, IpNet)>,
    /// The hardware address inside, six bytes.
    pub mac: [u8; 6],
    /// What is in its namespace.
    pub kind: PortKind,
}

/// What is in the namespace of a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PortKind {
    /// Whoever was put into it.
    Host,
    /// An endpoint: sockets of the server.
    Endpoint,
    /// A NAT gateway for the blocks of its VPC.
    Nat(Vec<IpNet>),
}

/// A link between the routers of two VPCs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeeringLink {
    /// The name of the link on both sides.
    pub link: String,
    /// The two VPCs.
    pub vpcs: (String, String),
}

/// A gateway endpoint: a network namespace that has all addresses of a prefix list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gateway {
    /// Its VPC.
    pub vpc: String,
    /// The name of the router's end of its link.
    pub link: String,
    /// The blocks.
    pub blocks: BTreeSet<IpNet>,
}

/// An nftables table: named sets and maps with their elements, and chains with their rules, in
/// nft's own language.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// By name.
    pub sets: BTreeMap<String, Set>,
    /// By name.
    pub chains: BTreeMap<String, Chain>,
}

/// A set, or a map if its elements have values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Set {
    /// `set` or `map` with its type, as `type ifname : verdict;`.
    pub definition: String,
    /// Whether it is a map.
    pub map: bool,
    /// Keys, with their values in a map.
    pub elements: BTreeMap<String, String>,
}

/// A chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// What a base chain is hooked to, as `type filter hook forward priority filter; policy drop;`;
    /// empty for others.
    pub hook: String,
    /// One rule each.
    pub rules: Vec<String>,
}
