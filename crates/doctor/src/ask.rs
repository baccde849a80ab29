//! Questions to the network's model, from clients that stand for those who will come.

use std::net::IpAddr;
use std::sync::Arc;

use sagegate_network::reach::{Ask, Reach, To, reach};
use sagegate_network::security_group::{Packet, TCP};
use sagegate_network::topology::{Address, Interface, Role, Topology};
use sagegate_network::walk::{Ports, Question, Source, Walk, Walker};

use crate::snapshot::{Domain, Snapshot};

/// Clients with certain security groups, one in each subnet.
pub(crate) struct Visit {
    walker: Walker,
    /// The security groups, those that people chose first.
    pub(crate) groups: Vec<String>,
    pub(crate) clients: Vec<Visitor>,
}

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    pub(crate) subnet: String,
    pub(crate) address: IpAddr,
    id: String,
}

/// TCP to a port.
pub(crate) const fn tcp(port: u16) -> Packet {
    Packet::Port { protocol: TCP, port }
}

impl Visit {
    /// Clients in these subnets. Where no groups are given they have their VPC's default one.
    pub(crate) fn new(snapshot: &Snapshot, subnets: &[String], groups: &[String]) -> Self {
        let mut topology: Topology = (*snapshot.topology).clone();
        let mut clients = Vec::new();
        let mut own = groups.to_vec();
        for subnet in subnets {
            let (Some(client), Some(place)) =
                (snapshot.clients.get(subnet), snapshot.subnet(subnet))
            else {
                continue;
            };
            if own.is_empty() {
                own.push(client.group.clone());
            }
            let id = format!("a client in {subnet}");
            let interface = Interface {
                vpc: place.vpc.clone(),
                subnet: subnet.clone(),
                addresses: vec![Address { private: client.address, public: None }],
                groups: own.clone(),
                source_dest_check: true,
                role: Role::Host,
            };
            topology.interfaces.insert(id.clone(), interface);
            clients.push(Visitor { subnet: subnet.clone(), address: client.address, id });
        }
        Self { walker: Walker::new(topology), groups: own, clients }
    }

    /// The apps of a domain: for each set of security groups that they have, and the one for NFS
    /// that SageMaker adds (Amazon SageMaker AI Developer Guide, "Connect Studio in a VPC to external
    /// resources").
    pub(crate) fn of_domain(snapshot: &Snapshot, domain: &Domain) -> Vec<Self> {
        let outbound = domain.nfs.iter().map(|(_, outbound)| outbound.clone());
        let sets = domain.groups.iter().map(|chosen| {
            let default = domain.subnets.iter().find_map(|it| snapshot.clients.get(it));
            let default = default.filter(|_| chosen.is_empty()).map(|it| it.group.clone());
            let groups: Vec<String> =
                chosen.iter().cloned().chain(default).chain(outbound.clone()).collect();
            Self::new(snapshot, &domain.subnets, &groups)
        });
        sets.collect()
    }

    /// A notebook instance, as it stands.
    pub(crate) fn of_interface(snapshot: &Snapshot, id: &str) -> Option<Self> {
        let interface = snapshot.interface(id)?;
        let address = interface.addresses.first()?.private;
        let client = Visitor { subnet: interface.subnet.clone(), address, id: id.to_owned() };
        Some(Self {
            walker: Walker::new(Arc::clone(&snapshot.topology)),
            groups: interface.groups.clone(),
            clients: vec![client],
        })
    }

    pub(crate) fn question(client: &Visitor, to: IpAddr, packet: Packet) -> Question {
        let source = Source::Interface { id: client.id.clone(), address: client.address };
        Question { source, destination: to, packet, source_port: Ports::OF_CLIENTS.first }
    }

    /// Whether a packet gets there, whichever port the client takes.
    pub(crate) fn walk(&self, client: &Visitor, to: IpAddr, packet: Packet) -> Walk {
        self.walker.walk_of_client(&Self::question(client, to, packet), Ports::OF_CLIENTS).0
    }

    /// Whether a name's service is reached, by HTTPS.
    pub(crate) fn call(&self, snapshot: &Snapshot, client: &Visitor, host: &str) -> Reach {
        let ask = Ask {
            source: Source::Interface { id: client.id.clone(), address: client.address },
            to: To::Name(host.to_owned()),
            packet: Packet::HTTPS,
            source_ports: Ports::OF_CLIENTS,
        };
        snapshot.with_names(self.walker.topology(), |names| {
            reach(&self.walker, names, &ask, &|_| Default::default())
        })
    }

    pub(crate) fn topology(&self) -> &Topology {
        self.walker.topology()
    }

    /// Whether it is a client of this visit that an explanation names.
    pub(crate) fn is_client(&self, id: &str) -> bool {
        self.clients.iter().any(|it| it.id == id)
    }
}
