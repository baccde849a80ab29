//! Links, addresses, routes and rules of one network namespace, over a netlink socket that was
//! opened in it and stays there.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use ipnet::IpNet;
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::route::{
    RouteAttribute, RouteFlags, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

/// The loopback device of every namespace.
pub(crate) const LO: u32 = 1;
/// The table of routes to a namespace's own links.
pub(crate) const MAIN: u32 = 254;
/// The largest packet, as EC2's networks carry it (EC2 User Guide, "Network MTU").
const MTU: u32 = 9001;
/// How many requests are on their way before their answers are read.
const BATCH: usize = 64;

/// One end of a link that is to be made.
pub(crate) struct End<'a> {
    pub(crate) name: &'a str,
    pub(crate) index: u32,
    pub(crate) mac: Option<[u8; 6]>,
}

/// Where a route leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// To the neighbour at this address behind the link of this index, or to the link itself.
    Link { index: u32, via: Option<IpAddr> },
    /// On to the next rule.
    Throw,
    /// Nowhere.
    Blackhole,
    /// To this namespace: all addresses of the block are its own.
    Local,
}

/// A netlink socket.
pub(crate) struct Netlink {
    socket: Socket,
    sequence: u32,
    /// Sent, and not answered.
    waiting: Vec<u32>,
    failed: Option<io::Error>,
}

impl Netlink {
    /// One in the namespace of this thread.
    pub(crate) fn here() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self { socket, sequence: 0, waiting: Vec::new(), failed: None })
    }

    fn send(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut message = NetlinkMessage::from(message);
        message.header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
        message.header.sequence_number = self.sequence;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.socket.send(&bytes, 0)?;
        self.waiting.push(self.sequence);
        if self.waiting.len() >= BATCH { self.settle() } else { Ok(()) }
    }

    /// Reads the answers to all that was sent.
    ///
    /// # Errors
    /// The first refusal.
    pub(crate) fn settle(&mut self) -> io::Result<()> {
        while !self.waiting.is_empty() {
            let (bytes, _) = self.socket.recv_from_full()?;
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                    .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
                let length = usize::try_from(message.header.length).unwrap_or(usize::MAX);
                self.waiting.retain(|it| *it != message.header.sequence_number);
                if let NetlinkPayload::Error(error) = message.payload
                    && error.code.is_some()
                {
                    self.failed.get_or_insert_with(|| error.to_io());
                }
                // Messages are aligned to four bytes.
                rest = rest.get(length.max(16).next_multiple_of(4)..).unwrap_or_default();
            }
        }
        self.failed.take().map_or(Ok(()), Err)
    }

    /// Makes a link between this namespace and another. The other end is made where it is to be:
    /// moving it there takes the kernel many times as long.
    pub(crate) fn pair(
        &mut self,
        here: &End<'_>,
        there: &End<'_>,
        namespace: BorrowedFd<'_>,
    ) -> io::Result<()> {
        let mut peer = link(there.index);
        describe(&mut peer, there);
        peer.attributes.push(LinkAttribute::NetNsFd(namespace.as_raw_fd()));
        let mut message = link(here.index);
        describe(&mut message, here);
        // The other end is not linked yet when it is made, and cannot be taken into use before.
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
        message.attributes.push(LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
        ]));
        self.send(
            RouteNetlinkMessage::NewLink(message),
            NLM_F_CREATE | netlink_packet_core::NLM_F_EXCL,
        )?;
        self.settle()
    }

    /// Takes a link into use.
    pub(crate) fn up(&mut self, index: u32) -> io::Result<()> {
        let mut message = link(index);
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
        self.send(RouteNetlinkMessage::SetLink(message), 0)
    }

    /// Removes a link, and with it its other end.
    pub(crate) fn remove(&mut self, index: u32) -> io::Result<()> {
        self.send(RouteNetlinkMessage::DelLink(link(index)), 0)?;
        self.settle()
    }

    /// Gives a link an address.
    pub(crate) fn address(&mut self, index: u32, address: IpAddr, prefix: u8) -> io::Result<()> {
        let message = address_message(index, address, prefix);
        self.send(RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_REPLACE)
    }

    /// Takes an address from a link.
    pub(crate) fn no_address(&mut self, index: u32, address: IpAddr, prefix: u8) -> io::Result<()> {
        self.send(RouteNetlinkMessage::DelAddress(address_message(index, address, prefix)), 0)
    }

    /// Makes or changes a route.
    pub(crate) fn route(&mut self, table: u32, block: IpNet, way: Way) -> io::Result<()> {
        let message = route_message(table, block, Some(way));
        self.send(RouteNetlinkMessage::NewRoute(message), NLM_F_CREATE | NLM_F_REPLACE)
    }

    /// Removes a route.
    pub(crate) fn no_route(&mut self, table: u32, block: IpNet) -> io::Result<()> {
        self.send(RouteNetlinkMessage::DelRoute(route_message(table, block, None)), 0)
    }

    /// Has packets with a mark look into the table of the same number, before all others.
    pub(crate) fn rule(&mut self, table: u32) -> io::Result<()> {
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let message = RouteNetlinkMessage::NewRule(rule_message(family, table));
            self.send(message, NLM_F_CREATE | netlink_packet_core::NLM_F_EXCL)?;
        }
        Ok(())
    }

    /// Undoes [`Netlink::rule`].
    pub(crate) fn no_rule(&mut self, table: u32) -> io::Result<()> {
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            self.send(RouteNetlinkMessage::DelRule(rule_message(family, table)), 0)?;
        }
        Ok(())
    }
}

fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

fn link(index: u32) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message
}

fn describe(message: &mut LinkMessage, end: &End<'_>) {
    message.attributes.push(LinkAttribute::IfName(end.name.to_owned()));
    message.attributes.push(LinkAttribute::Mtu(MTU));
    if let Some(mac) = end.mac {
        message.attributes.push(LinkAttribute::Address(mac.to_vec()));
    }
}

fn address_message(index: u32, address: IpAddr, prefix: u8) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = family(address);
    message.header.prefix_len = prefix;
    message.header.index = index;
    if address.is_ipv6() {
        // There is no neighbour who could have it: it is of use at once.
        message.header.flags = AddressHeaderFlags::Nodad;
    }
    message.attributes.push(AddressAttribute::Address(address));
    message.attributes.push(AddressAttribute::Local(address));
    message
}

fn route_message(table: u32, block: IpNet, way: Option<Way>) -> RouteMessage {
    let mut message = RouteMessage::default();
    let header = &mut message.header;
    header.address_family = family(block.addr());
    header.destination_prefix_length = block.prefix_len();
    header.protocol = RouteProtocol::Static;
    header.kind = RouteType::Unicast;
    if let Ok(small) = u8::try_from(table) {
        header.table = small;
    }
    let mut attributes = vec![RouteAttribute::Table(table)];
    if block.prefix_len() > 0 {
        attributes.push(RouteAttribute::Destination(block.network().into()));
    }
    match way {
        // Whatever it is.
        None => {
            header.kind = RouteType::Unspec;
            header.scope = RouteScope::NoWhere;
        }
        Some(Way::Throw) => header.kind = RouteType::Throw,
        Some(Way::Blackhole) => header.kind = RouteType::BlackHole,
        Some(Way::Local) => {
            header.kind = RouteType::Local;
            header.scope = RouteScope::Host;
            attributes.push(RouteAttribute::Oif(LO));
        }
        Some(Way::Link { index, via }) => {
            attributes.push(RouteAttribute::Oif(index));
            match via {
                Some(via) => {
                    // The neighbour's address lies in no block of ours.
                    header.flags = RouteFlags::Onlink;
                    attributes.push(RouteAttribute::Gateway(via.into()));
                }
                None if block.addr().is_ipv4() => header.scope = RouteScope::Link,
                None => {}
            }
        }
    }
    message.attributes = attributes;
    message
}

fn rule_message(family: AddressFamily, table: u32) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = family;
    message.header.action = RuleAction::ToTable;
    message.attributes = vec![
        RuleAttribute::Priority(1000),
        RuleAttribute::FwMark(table),
        RuleAttribute::Table(table),
    ];
    message
}
