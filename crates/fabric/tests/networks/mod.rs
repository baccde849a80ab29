//! Networks by hand, in few words.

use std::collections::BTreeSet;

use ipnet::IpNet;
use sagegate_network::security_group::{Peer, Protocol, Rule};
use sagegate_network::topology::{
    AclEntry, Address, Destination, Endpoint, EndpointKind, GroupRule, Interface, NatGateway,
    NetworkAcl, Peering, PrefixList, Role, Route, RouteTable, SecurityGroup, Subnet, Target,
    Topology, Vpc,
};

#[derive(Default)]
pub(crate) struct Networks {
    pub(crate) topology: Topology,
    pub(crate) hosts: BTreeSet<String>,
}

impl Networks {
    pub(crate) fn vpc(&mut self, id: &str, block: &str) {
        let vpc = Vpc {
            account: "123456789012".to_owned(),
            blocks: vec![block.parse().unwrap()],
            dns_support: true,
            dns_hostnames: true,
            internet_gateway: None,
            egress_only_gateways: Vec::new(),
        };
        self.topology.vpcs.insert(id.to_owned(), vpc);
        self.table(&format!("rtb-main-{id}"), id, &[]);
        self.acl(
            &format!("acl-default-{id}"),
            id,
            &["100 allow -1 0.0.0.0/0"],
            &["100 allow -1 0.0.0.0/0"],
        );
    }

    pub(crate) fn subnet(&mut self, id: &str, vpc: &str, block: &str) {
        let subnet = Subnet {
            vpc: vpc.to_owned(),
            blocks: vec![block.parse().unwrap()],
            zone: "us-west-2a".to_owned(),
            route_table: format!("rtb-main-{vpc}"),
            network_acl: format!("acl-default-{vpc}"),
        };
        self.topology.subnets.insert(id.to_owned(), subnet);
    }

    pub(crate) fn uses(&mut self, subnet: &str, table: &str) {
        self.topology.subnets.get_mut(subnet).unwrap().route_table = table.to_owned();
    }

    /// Routes as `block target`; the local ones are added.
    pub(crate) fn table(&mut self, id: &str, vpc: &str, routes: &[&str]) {
        let local = self.topology.vpcs[vpc]
            .blocks
            .iter()
            .map(|block| Route { destination: Destination::Block(*block), target: Target::Local });
        let routes = local.chain(routes.iter().map(|route| {
            let (to, by) = route.split_once(' ').unwrap();
            let destination = match to.parse::<IpNet>() {
                Ok(block) => Destination::Block(block),
                Err(_) => Destination::PrefixList(to.to_owned()),
            };
            let id = by.to_owned();
            let target = match by.split('-').next().unwrap() {
                "igw" => Target::InternetGateway(id),
                "nat" => Target::NatGateway(id),
                "pcx" => Target::Peering(id),
                "vpce" => Target::GatewayEndpoint(id),
                "eni" => Target::Interface(id),
                other => panic!("{other}"),
            };
            Route { destination, target }
        }));
        let table = RouteTable { vpc: vpc.to_owned(), routes: routes.collect() };
        self.topology.route_tables.insert(id.to_owned(), table);
    }

    /// Rules as `protocol ports peer`.
    pub(crate) fn group(&mut self, id: &str, vpc: &str, ingress: &[&str], egress: &[&str]) {
        let rules = |rules: &[&str]| rules.iter().map(|text| rule(text)).collect();
        let group =
            SecurityGroup { vpc: vpc.to_owned(), ingress: rules(ingress), egress: rules(egress) };
        self.topology.security_groups.insert(id.to_owned(), group);
    }

    pub(crate) fn open_group(&mut self, id: &str, vpc: &str) {
        self.group(id, vpc, &["-1 - 0.0.0.0/0"], &["-1 - 0.0.0.0/0"]);
    }

    /// Entries as `number allow|deny protocol ports block`.
    pub(crate) fn acl(&mut self, id: &str, vpc: &str, ingress: &[&str], egress: &[&str]) {
        let entries = |entries: &[&str]| entries.iter().map(|text| entry(text)).collect();
        let acl =
            NetworkAcl { vpc: vpc.to_owned(), ingress: entries(ingress), egress: entries(egress) };
        self.topology.network_acls.insert(id.to_owned(), acl);
    }

    pub(crate) fn host(&mut self, id: &str, subnet: &str, address: &str, groups: &[&str]) {
        self.add(id, subnet, address, groups, Role::Host);
        self.hosts.insert(id.to_owned());
    }

    pub(crate) fn public(&mut self, interface: &str, address: &str) {
        self.interface(interface).addresses[0].public = Some(address.parse().unwrap());
    }

    pub(crate) fn nat(&mut self, id: &str, subnet: &str, address: &str, public: Option<&str>) {
        let interface = format!("eni-{id}");
        self.add(&interface, subnet, address, &[], Role::NatGateway(id.to_owned()));
        self.interface(&interface).source_dest_check = false;
        if let Some(public) = public {
            self.public(&interface, public);
        }
        let nat = NatGateway {
            vpc: self.topology.subnets[subnet].vpc.clone(),
            subnet: subnet.to_owned(),
            interface,
            available: true,
            public: public.is_some(),
        };
        self.topology.nat_gateways.insert(id.to_owned(), nat);
    }

    pub(crate) fn peering(&mut self, id: &str, requester: &str, accepter: &str) {
        let (requester, accepter) = (requester.to_owned(), accepter.to_owned());
        let peering = Peering {
            requester,
            accepter,
            active: true,
            requester_names: false,
            accepter_names: false,
        };
        self.topology.peerings.insert(id.to_owned(), peering);
    }

    pub(crate) fn endpoint(
        &mut self,
        id: &str,
        subnet: &str,
        eni: &str,
        address: &str,
        groups: &[&str],
    ) {
        self.add(eni, subnet, address, groups, Role::Endpoint(id.to_owned()));
        let kind = EndpointKind::Interface {
            interfaces: vec![eni.to_owned()],
            private_dns: true,
            names: Vec::new(),
        };
        self.endpoint_of(id, &self.topology.subnets[subnet].vpc.clone(), kind);
    }

    pub(crate) fn gateway(&mut self, id: &str, vpc: &str, list: &str, blocks: &[&str]) {
        let blocks = blocks.iter().map(|block| block.parse().unwrap()).collect();
        let name = "com.amazonaws.us-west-2.s3".to_owned();
        let prefix_list = PrefixList { name, blocks, max_entries: 10 };
        self.topology.prefix_lists.insert(list.to_owned(), prefix_list);
        self.endpoint_of(id, vpc, EndpointKind::Gateway { prefix_list: list.to_owned() });
    }

    fn endpoint_of(&mut self, id: &str, vpc: &str, kind: EndpointKind) {
        let service = "com.amazonaws.us-west-2.sagemaker.api".to_owned();
        let endpoint = Endpoint { vpc: vpc.to_owned(), service, available: true, kind };
        self.topology.endpoints.insert(id.to_owned(), endpoint);
    }

    fn add(&mut self, id: &str, subnet: &str, address: &str, groups: &[&str], role: Role) {
        let interface = Interface {
            vpc: self.topology.subnets[subnet].vpc.clone(),
            subnet: subnet.to_owned(),
            addresses: vec![Address { private: address.parse().unwrap(), public: None }],
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            source_dest_check: true,
            role,
        };
        self.topology.interfaces.insert(id.to_owned(), interface);
    }

    pub(crate) fn interface(&mut self, id: &str) -> &mut Interface {
        self.topology.interfaces.get_mut(id).unwrap()
    }
}

fn ports(text: &str) -> (i32, i32) {
    match text.split_once('-') {
        Some(("", "")) => (-1, -1),
        Some((from, to)) => (from.parse().unwrap(), to.parse().unwrap()),
        None => (text.parse().unwrap(), text.parse().unwrap()),
    }
}

fn rule(text: &str) -> GroupRule {
    let [protocol, range, peer] = text.split(' ').collect::<Vec<_>>().try_into().unwrap();
    let (from, to) = ports(range);
    let peer = match peer.parse::<IpNet>() {
        Ok(IpNet::V4(net)) => Peer::V4(net),
        Ok(IpNet::V6(net)) => Peer::V6(net),
        Err(_) if peer.starts_with("pl-") => Peer::PrefixList(peer.to_owned()),
        Err(_) => Peer::Group(peer.to_owned()),
    };
    let rule = Rule { protocol: Protocol::parse(protocol).unwrap(), from, to, peer };
    GroupRule { id: format!("sgr-{text}"), rule }
}

fn entry(text: &str) -> AclEntry {
    let words: Vec<&str> = text.split(' ').collect();
    let (protocol, range, block) = match words.as_slice() {
        [_, _, protocol, block] => (*protocol, "-", *block),
        [_, _, protocol, range, block] => (*protocol, *range, *block),
        _ => panic!("{text}"),
    };
    let (from, to) = ports(range);
    AclEntry {
        number: words[0].parse().unwrap(),
        protocol: Protocol::parse(protocol).unwrap(),
        from,
        to,
        block: block.parse().unwrap(),
        allow: words[1] == "allow",
    }
}
