//! SageMaker's own VPC: where apps are that have the internet and no subnet of the account's.
//!
//! AWS runs such apps and notebook instances in a VPC of the service's, which no account sees ("Amazon
//! SageMaker AI Developer Guide", "Connect Studio notebooks in a VPC to external resources"). Here it
//! is a VPC of the kernel's alone: it has no records and no endpoints. Everybody in it goes out by one
//! NAT gateway, and nobody comes in, from the internet or from each other.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use sagegate_network::security_group::{Peer, Protocol, Rule};
use sagegate_network::topology::{
    AclEntry, Address, Destination, GroupRule, Interface, NatGateway, NetworkAcl, Role, Route,
    RouteTable, SecurityGroup, Subnet, Target, Topology, Vpc,
};

/// The ids of what is in it. Those of EC2 have digits behind the hyphen.
const VPC: &str = "vpc-sagemaker";
const GATEWAY: &str = "igw-sagemaker";
const NAT: &str = "nat-sagemaker";
const NAT_INTERFACE: &str = "eni-sagemaker-nat";
const GROUP: &str = "sg-sagemaker";
const ACL: &str = "acl-sagemaker";
/// The ids of its subnets, each with a route table of the same name: that of apps, and that of the NAT
/// gateway.
const APPS: &str = "subnet-sagemaker-apps";
const OUTER: &str = "subnet-sagemaker-outer";

/// The address as which the internet sees everybody in it: one of 192.0.2.0/24, which RFC 5737 keeps
/// for documentation, as 203.0.113.0/24, where AWS's services are.
pub(super) const SEEN_AS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// The first address of an app; those before it are AWS's in every subnet.
const FIRST: u32 = Ipv4Addr::new(10, 0, 0, 4).to_bits();
/// How many there may be.
const MOST: u32 = 16_000;

fn net(a: u8, b: u8, c: u8, d: u8, length: u8) -> IpNet {
    Ipv4Net::new(Ipv4Addr::new(a, b, c, d), length).map_or(IpNet::V4(Ipv4Net::default()), IpNet::V4)
}

/// Who is in it: names, and a number for each.
#[derive(Debug, Default)]
pub(super) struct Managed(BTreeMap<String, u32>);

impl Managed {
    /// Takes somebody in; false if there is no address left.
    pub(super) fn enter(&mut self, name: &str) -> bool {
        if self.0.contains_key(name) {
            return true;
        }
        let free = (0..MOST).find(|number| self.0.values().all(|taken| taken != number));
        free.is_some_and(|number| self.0.insert(name.to_owned(), number).is_none())
    }

    /// Lets somebody go.
    pub(super) fn leave(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// Adds the VPC to the networks of a region, if anybody is in it.
    pub(super) fn join(&self, topology: &mut Topology, account: &str) {
        if self.0.is_empty() {
            return;
        }
        let everywhere = net(0, 0, 0, 0, 0);
        let vpc = Vpc {
            account: account.to_owned(),
            blocks: vec![net(10, 0, 0, 0, 16)],
            dns_support: true,
            dns_hostnames: true,
            internet_gateway: Some(GATEWAY.to_owned()),
            egress_only_gateways: Vec::new(),
        };
        topology.vpcs.insert(VPC.to_owned(), vpc);
        let ways = [
            (APPS, net(10, 0, 0, 0, 17), Target::NatGateway(NAT.to_owned())),
            (OUTER, net(10, 0, 128, 0, 24), Target::InternetGateway(GATEWAY.to_owned())),
        ];
        for (name, block, target) in ways {
            let subnet = Subnet {
                vpc: VPC.to_owned(),
                blocks: vec![block],
                zone: String::new(),
                route_table: name.to_owned(),
                network_acl: ACL.to_owned(),
            };
            topology.subnets.insert(name.to_owned(), subnet);
            let to = |block, target| Route { destination: Destination::Block(block), target };
            let routes = vec![to(net(10, 0, 0, 0, 16), Target::Local), to(everywhere, target)];
            let table = RouteTable { vpc: VPC.to_owned(), routes };
            topology.route_tables.insert(name.to_owned(), table);
        }
        let all = AclEntry {
            number: 100,
            protocol: Protocol::All,
            from: -1,
            to: -1,
            block: everywhere,
            allow: true,
        };
        let (ingress, egress) = (vec![all.clone()], vec![all]);
        let acl = NetworkAcl { vpc: VPC.to_owned(), ingress, egress };
        topology.network_acls.insert(ACL.to_owned(), acl);
        let out =
            Rule { protocol: Protocol::All, from: -1, to: -1, peer: Peer::V4(Ipv4Net::default()) };
        let egress = vec![GroupRule { id: String::new(), rule: out }];
        let group = SecurityGroup { vpc: VPC.to_owned(), ingress: Vec::new(), egress };
        topology.security_groups.insert(GROUP.to_owned(), group);
        let nat = NatGateway {
            vpc: VPC.to_owned(),
            subnet: OUTER.to_owned(),
            interface: NAT_INTERFACE.to_owned(),
            available: true,
            public: true,
        };
        topology.nat_gateways.insert(NAT.to_owned(), nat);
        let one = |subnet: &str, address: Ipv4Addr, public, role| Interface {
            vpc: VPC.to_owned(),
            subnet: subnet.to_owned(),
            addresses: vec![Address { private: IpAddr::V4(address), public }],
            groups: vec![GROUP.to_owned()],
            source_dest_check: true,
            role,
        };
        let nat_role = Role::NatGateway(NAT.to_owned());
        let nat = one(OUTER, Ipv4Addr::new(10, 0, 128, 4), Some(SEEN_AS), nat_role);
        topology.interfaces.insert(NAT_INTERFACE.to_owned(), nat);
        for (name, number) in &self.0 {
            let app = one(APPS, Ipv4Addr::from_bits(FIRST + number), None, Role::Host);
            topology.interfaces.insert(name.clone(), app);
        }
    }
}

#[cfg(test)]
mod tests {
    use sagegate_network::security_group::{Packet, TCP};
    use sagegate_network::walk::{Question, Source, Walker};

    use super::*;

    #[test]
    fn numbers_are_given_again_and_there_are_only_so_many() {
        let mut managed = Managed::default();
        assert!(managed.enter("a") && managed.enter("b") && managed.enter("a"));
        managed.leave("a");
        assert!(managed.enter("c"));
        assert_eq!(managed.0, BTreeMap::from([("b".to_owned(), 1), ("c".to_owned(), 0)]));
        for number in 2..MOST {
            managed.0.insert(format!("n{number}"), number);
        }
        assert!(!managed.enter("d"));
    }

    #[test]
    fn nobody_in_it_changes_nothing() {
        let mut topology = Topology::default();
        Managed::default().join(&mut topology, "123456789012");
        assert_eq!(topology, Topology::default());
    }

    #[test]
    fn everybody_gets_out_and_nobody_in() {
        let mut managed = Managed::default();
        assert!(managed.enter("a") && managed.enter("b"));
        let mut topology = Topology::default();
        managed.join(&mut topology, "123456789012");
        let address = |name: &str| topology.interfaces[name].addresses[0].private;
        let (a, b) = (address("a"), address("b"));
        let service = IpAddr::from([203, 0, 113, 10]);
        let walker = Walker::new(topology.clone());
        let gets = |source, destination| {
            let packet = Packet::Port { protocol: TCP, port: 443 };
            let question = Question { source, destination, packet, source_port: 40_000 };
            walker.walk(&question).reached()
        };
        let from = |name: &str| Source::Interface { id: name.to_owned(), address: address(name) };
        assert!(gets(from("a"), service));
        assert!(!gets(from("a"), b));
        assert!(!gets(Source::Internet { address: service }, a));
        assert!(!gets(Source::Internet { address: service }, SEEN_AS.into()));
    }
}
