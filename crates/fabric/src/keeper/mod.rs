//! The keeper: a process of its own that has all namespaces of a fabric. When it ends, and nobody
//! is left in them, they are gone: nothing of them has a name on this machine.
//!
//! It has one thread, because whose namespace a socket, a link or a child belongs to is a matter of
//! the thread that makes it. It does what the server tells it over its standard input, a Unix
//! socket, and ends when that does.

mod netlink;
mod space;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use ipnet::IpNet;
use rustix::thread::UnshareFlags;

use crate::delta::{Delta, Ways};
use crate::frame;
use crate::order::{Answer, At, Order, Protocol};
use crate::state::{Gateway, Hop, PeeringLink, Port, PortKind};

use netlink::{End, LO, MAIN, Way};
pub(crate) use space::unshare;
use space::{ONLY, Space, enter, nft, node_v4, node_v6, setting};

/// Indexes of a router's links to the internet, and of its first other link.
const INTERNET: u32 = 2;
const EGRESS_ONLY: u32 = 3;
const FIRST: u32 = 16;
/// The number of the internet among the neighbours of routers.
const INTERNET_NUMBER: u32 = 0;
const INTERNET_EGRESS_NUMBER: u32 = 0x0400_0000;
/// What is added to a router's number for the gateway endpoints behind it.
const GATEWAY: u32 = 0x0800_0000;

/// Runs the keeper until its standard input ends.
///
/// # Errors
/// If the machine does not allow it, or the socket fails.
pub fn run() -> io::Result<()> {
    let input = io::stdin().as_fd().try_clone_to_owned()?;
    let stream = UnixStream::from(input);
    let mut keeper = match Keeper::start() {
        Ok(keeper) => keeper,
        Err(error) => {
            frame::write(&stream, &Answer::Refused(error.to_string()), &[])?;
            return Ok(());
        }
    };
    frame::write(&stream, &Answer::Done, &[])?;
    while let Some((order, beside)) = frame::read::<Order>(&stream)? {
        let done = keeper.obey(order, beside);
        let (answer, descriptors) = match done {
            Ok(descriptors) => (Answer::Done, descriptors),
            Err(error) => (Answer::Refused(error.to_string()), Vec::new()),
        };
        let descriptors: Vec<BorrowedFd<'_>> = descriptors.iter().map(AsFd::as_fd).collect();
        frame::write(&stream, &answer, &descriptors)?;
    }
    Ok(())
}

/// A router with its links.
struct Router {
    space: Space,
    number: u32,
    links: BTreeMap<String, Link>,
}

/// A router's end of a link.
#[derive(Clone, Copy)]
struct Link {
    index: u32,
    /// The number of the neighbour that routes lead through.
    neighbour: u32,
}

impl Router {
    fn link(&self, name: &str) -> io::Result<Link> {
        let found = self.links.get(name).copied();
        found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no link {name}")))
    }

    /// Brings addresses and routes into line.
    fn lead(&mut self, ways: &Ways) -> io::Result<()> {
        for (table, block) in &ways.routes_gone {
            self.space.netlink.no_route(*table, *block)?;
            // A route goes with its link.
            let _ = self.space.netlink.settle();
        }
        for table in &ways.tables_gone {
            self.space.netlink.no_rule(*table)?;
        }
        for address in &ways.addresses_gone {
            self.space.netlink.no_address(LO, *address, whole(*address))?;
        }
        for address in &ways.addresses {
            self.space.netlink.address(LO, *address, whole(*address))?;
        }
        for table in &ways.tables {
            self.space.netlink.rule(*table)?;
        }
        for (table, block, hop) in &ways.routes {
            let way = self.way(block.addr().is_ipv4(), hop)?;
            // IPv6 takes a changed way for one more.
            if !block.addr().is_ipv4() {
                self.space.netlink.no_route(*table, *block)?;
                let _ = self.space.netlink.settle();
            }
            self.space.netlink.route(*table, *block, way)?;
        }
        self.space.netlink.settle()
    }

    fn way(&self, four: bool, hop: &Hop) -> io::Result<Way> {
        let name = match hop {
            Hop::Local => return Ok(Way::Throw),
            Hop::Blackhole => return Ok(Way::Blackhole),
            Hop::Through { address, link } => {
                let index = self.link(link)?.index;
                return Ok(Way::Link { index, via: Some(*address) });
            }
            Hop::Internet => "igw",
            Hop::Link(name) => name,
        };
        let Link { index, neighbour } = self.link(name)?;
        let via = if four { node_v4(neighbour) } else { node_v6(neighbour) };
        Ok(Way::Link { index, via: Some(via) })
    }
}

/// Has a router's link carry IPv6.
fn carry_v6(link: &str) -> io::Result<()> {
    setting(&format!("ipv6/conf/{link}/disable_ipv6"), "0")
}

fn whole(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// What a NAT gateway's namespace does: what comes from its VPC goes out under its own address
/// (Amazon VPC User Guide, "NAT gateway basics": TCP, UDP and ICMP).
fn nat(blocks: &[IpNet]) -> String {
    let sources = blocks.iter().filter(|block| block.addr().is_ipv4());
    let sources: Vec<String> = sources.map(ToString::to_string).collect();
    format!(
        "add table inet sagegate\n\
         flush table inet sagegate\n\
         add chain inet sagegate own {{ type filter hook input priority filter; policy drop; }}\n\
         add chain inet sagegate pass {{ type filter hook forward priority filter; policy drop; }}\n\
         add rule inet sagegate pass ct state established,related accept\n\
         add rule inet sagegate pass ip saddr {{ {sources} }} meta l4proto {{ tcp, udp, icmp }} accept\n\
         add chain inet sagegate out {{ type nat hook postrouting priority srcnat; policy accept; }}\n\
         add rule inet sagegate out masquerade\n",
        sources = sources.join(", ")
    )
}

/// Begins a connection; it may not be there yet.
fn dial(from: Option<SocketAddr>, to: SocketAddr) -> io::Result<OwnedFd> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};
    let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    if let Some(from) = from {
        bind(&socket, &from)?;
    }
    match connect(&socket, &to) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error.into()),
    }
}

/// A namespace behind a router.
struct Leaf {
    /// Its netlink socket is closed once it stands: there are many of them, and descriptors are limited.
    net: OwnedFd,
    vpc: String,
    link: String,
}

struct Keeper {
    /// The user namespace that all namespaces belong to, unless that is the machine's.
    user: Option<OwnedFd>,
    internet: Space,
    routers: BTreeMap<String, Router>,
    ports: BTreeMap<String, Leaf>,
    gateways: BTreeMap<String, Leaf>,
    peerings: BTreeMap<String, PeeringLink>,
    public: BTreeMap<IpNet, u32>,
    /// The namespaces of ports that are to be plugged in, where somebody is in one already.
    waiting: BTreeMap<String, OwnedFd>,
    /// The next index of a router's link: each has another, in all routers, so that it can be told
    /// beforehand.
    next: u32,
}

fn context<T>(what: &str, done: io::Result<T>) -> io::Result<T> {
    done.map_err(|error| io::Error::new(error.kind(), format!("{what}: {error}")))
}

impl Keeper {
    fn start() -> io::Result<Self> {
        let user = if rustix::process::geteuid().is_root() {
            None
        } else {
            let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
            context("a user namespace", unshare(UnshareFlags::NEWUSER))?;
            std::fs::write("/proc/self/setgroups", "deny")?;
            std::fs::write("/proc/self/uid_map", format!("0 {} 1", uid.as_raw()))?;
            std::fs::write("/proc/self/gid_map", format!("0 {} 1", gid.as_raw()))?;
            Some(std::fs::File::open("/proc/self/ns/user")?.into())
        };
        let settings = [
            ("ipv4/ip_forward", "1"),
            ("ipv6/conf/all/forwarding", "1"),
            ("ipv4/icmp_echo_ignore_broadcasts", "1"),
        ];
        let mut internet = context("a network namespace", Space::make(&settings))?;
        for number in [INTERNET_NUMBER, INTERNET_EGRESS_NUMBER] {
            internet.netlink.address(LO, node_v4(number), 32)?;
        }
        internet.netlink.settle()?;
        // Found out now rather than with the first interface.
        context("nftables", nft("add table inet sagegate\n"))?;
        Ok(Self {
            user,
            internet,
            routers: BTreeMap::new(),
            ports: BTreeMap::new(),
            gateways: BTreeMap::new(),
            peerings: BTreeMap::new(),
            public: BTreeMap::new(),
            waiting: BTreeMap::new(),
            next: FIRST,
        })
    }

    fn obey(&mut self, order: Order, beside: Vec<OwnedFd>) -> io::Result<Vec<OwnedFd>> {
        match order {
            Order::Change(delta) => self.change(*delta).map(|()| Vec::new()),
            Order::Listen { at, protocol, address } => {
                enter(self.place(&at)?.as_fd())?;
                let socket = match protocol {
                    Protocol::Tcp => OwnedFd::from(TcpListener::bind(address)?),
                    Protocol::Udp => OwnedFd::from(UdpSocket::bind(address)?),
                };
                Ok(vec![socket])
            }
            Order::Dial { at, from, to } => {
                enter(self.place(&at)?.as_fd())?;
                dial(from, to).map(|socket| vec![socket])
            }
            Order::Namespace { at } => {
                let net = self.place(&at)?.try_clone()?;
                let user = self.user.as_ref().map(OwnedFd::try_clone).transpose()?;
                Ok([Some(net), user].into_iter().flatten().collect())
            }
            Order::Adopt { port } => {
                let net = beside.into_iter().next();
                let net = net.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
                self.waiting.insert(port, Space::adopt(net)?.net);
                Ok(Vec::new())
            }
            Order::Own { block } => {
                let whole = block.prefix_len() == block.max_prefix_len();
                if whole {
                    // One that connections can be begun from as well.
                    self.internet.netlink.address(LO, block.addr(), block.prefix_len())?;
                } else {
                    self.internet.netlink.route(MAIN, block, Way::Local)?;
                }
                self.internet.netlink.settle()?;
                Ok(Vec::new())
            }
        }
    }

    fn place(&self, at: &At) -> io::Result<&OwnedFd> {
        let found = match at {
            At::Internet => Some(&self.internet.net),
            At::Router(vpc) => self.routers.get(vpc).map(|router| &router.space.net),
            At::Port(id) => self.ports.get(id).map(|leaf| &leaf.net),
            At::Gateway(id) => self.gateways.get(id).map(|leaf| &leaf.net),
        };
        found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("{at:?} is not there")))
    }

    fn change(&mut self, delta: Delta) -> io::Result<()> {
        for block in delta.public_gone {
            if self.public.remove(&block).is_some() {
                self.internet.netlink.no_route(MAIN, block)?;
                // It went with its link.
                let _ = self.internet.netlink.settle();
            }
        }
        for id in delta.ports_gone {
            if let Some(leaf) = self.ports.remove(&id) {
                context(&id, self.unplug(&leaf))?;
                // Whoever is in it stays in it.
                if delta.ports.contains_key(&id) {
                    self.waiting.insert(id, leaf.net);
                }
            }
        }
        for id in delta.gateways_gone {
            if let Some(leaf) = self.gateways.remove(&id) {
                context(&id, self.unplug(&leaf))?;
            }
        }
        for id in delta.peerings_gone {
            if let Some(peering) = self.peerings.remove(&id) {
                context(&id, self.part(&peering))?;
            }
        }
        for vpc in delta.routers_gone {
            // With its last descriptor the namespace goes, and all links to it, but in the kernel's own
            // time: those to the internet have names and indexes that the router's successor has too.
            if let Some(router) = self.routers.remove(&vpc) {
                for far in [2 * router.number + FIRST, 2 * router.number + FIRST + 1] {
                    context(&vpc, self.internet.netlink.remove(far))?;
                }
            }
        }
        for (vpc, number) in delta.routers {
            context(&vpc, self.add_router(&vpc, number))?;
        }
        for (id, peering) in delta.peerings {
            context(&id, self.peer(&peering))?;
            self.peerings.insert(id, peering);
        }
        for (id, gateway) in delta.gateways {
            let leaf = context(&id, self.add_gateway(&gateway))?;
            self.gateways.insert(id, leaf);
        }
        for (vpc, script) in delta.scripts {
            let router = self.router(&vpc)?;
            context(&vpc, router.space.inside(|| nft(&script)))?;
        }
        for (id, port) in delta.ports {
            let leaf = context(&id, self.plug(&id, &port))?;
            self.ports.insert(id, leaf);
        }
        for (vpc, ways) in delta.ways {
            let router = self.router(&vpc)?;
            context(&vpc, router.lead(&ways))?;
        }
        for (block, number) in delta.public {
            let index = 2 * number + FIRST;
            let via = block.addr().is_ipv4().then(|| node_v4(number));
            let via = via.unwrap_or_else(|| node_v6(number));
            self.internet.netlink.route(MAIN, block, Way::Link { index, via: Some(via) })?;
            self.public.insert(block, number);
        }
        self.internet.netlink.settle()
    }

    fn router(&mut self, vpc: &str) -> io::Result<&mut Router> {
        let found = self.routers.get_mut(vpc);
        found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no router of {vpc}")))
    }

    /// A router has two links to the internet: one for its internet gateway, one for its egress-only
    /// ones. Whether a packet may use them is a matter of its routes and its filter.
    fn add_router(&mut self, vpc: &str, number: u32) -> io::Result<()> {
        let settings = [
            ("ipv4/ip_forward", "1"),
            ("ipv6/conf/all/forwarding", "1"),
            // A router of Amazon's sends nobody elsewhere, and nobody learns from it who is there.
            ("ipv4/conf/all/send_redirects", "0"),
            ("ipv4/conf/default/send_redirects", "0"),
            ("ipv4/icmp_echo_ignore_all", "1"),
        ];
        let mut space = Space::make(&settings)?;
        space.netlink.address(LO, node_v4(number), 32)?;
        let links = [
            ("igw", INTERNET, INTERNET_NUMBER, 2 * number + FIRST),
            ("eigw", EGRESS_ONLY, INTERNET_EGRESS_NUMBER, 2 * number + FIRST + 1),
        ];
        for (name, index, neighbour, far) in links {
            let there = format!("{name}{number}");
            let here = End { name, index, mac: None };
            let there = End { name: &there, index: far, mac: None };
            space.netlink.pair(&here, &there, self.internet.net.as_fd())?;
            space.netlink.address(index, node_v6(number), 64)?;
            self.internet.netlink.up(far)?;
            self.internet.netlink.address(far, node_v6(neighbour), 64)?;
        }
        // What the kernel does about IPv6 for a link grows with their number. Those that carry it are
        // told so.
        setting("ipv6/conf/default/disable_ipv6", "1")?;
        space.netlink.settle()?;
        self.internet.netlink.settle()?;
        let links =
            links.map(|(name, index, neighbour, _)| (name.to_owned(), Link { index, neighbour }));
        let links = BTreeMap::from(links);
        self.routers.insert(vpc.to_owned(), Router { space, number, links });
        Ok(())
    }

    /// Links a namespace to its VPC's router, and tells that one's number.
    fn link(
        &mut self,
        vpc: &str,
        name: &str,
        mac: Option<[u8; 6]>,
        space: &Space,
        six: bool,
    ) -> io::Result<u32> {
        let index = self.next;
        self.next += 1;
        let router = self.router(vpc)?;
        let number = router.number;
        let (here, there) =
            (End { name, index, mac: None }, End { name: "eth0", index: ONLY, mac });
        router.space.netlink.pair(&here, &there, space.net.as_fd())?;
        if six {
            router.space.inside(|| carry_v6(name))?;
            router.space.netlink.address(index, node_v6(number), 64)?;
        }
        let neighbour = number | GATEWAY;
        router.links.insert(name.to_owned(), Link { index, neighbour });
        router.space.netlink.settle()?;
        Ok(number)
    }

    fn plug(&mut self, id: &str, port: &Port) -> io::Result<Leaf> {
        let settings: &[(&str, &str)] = match port.kind {
            // Without a right to raw sockets, anybody in it may ping (icmp(7)).
            PortKind::Host if self.user.is_none() => &[("ipv4/ping_group_range", "0 2147483647")],
            PortKind::Host => &[("ipv4/ping_group_range", "0 0")],
            PortKind::Endpoint => &[("ipv4/icmp_echo_ignore_all", "1")],
            PortKind::Nat(_) => &[
                ("ipv4/ip_forward", "1"),
                ("ipv4/icmp_echo_ignore_all", "1"),
                ("ipv4/conf/all/send_redirects", "0"),
                ("ipv4/conf/default/send_redirects", "0"),
            ],
        };
        let mut space = match self.waiting.remove(id) {
            Some(net) => Space::adopt(net)?,
            None => Space::make(settings)?,
        };
        let six = port.addresses.iter().any(|(address, _)| address.is_ipv6());
        let number = self.link(&port.vpc, &port.link, Some(port.mac), &space, six)?;
        space.netlink.up(ONLY)?;
        for (address, block) in &port.addresses {
            let whole = block.max_prefix_len();
            // Neighbours of IPv4 are asked for as in a real subnet, and the router answers for them;
            // for IPv6 everything goes to the router.
            let prefix = if address.is_ipv4() { block.prefix_len() } else { whole };
            space.netlink.address(ONLY, *address, prefix)?;
        }
        let everywhere = |address: &IpAddr| match address {
            IpAddr::V4(_) => IpNet::V4(ipnet::Ipv4Net::default()),
            IpAddr::V6(_) => IpNet::V6(ipnet::Ipv6Net::default()),
        };
        for (address, block) in &port.addresses {
            let via = match address {
                IpAddr::V4(_) => crate::compile::gateway_of(*block),
                IpAddr::V6(_) => Some(node_v6(number)),
            };
            space.netlink.route(MAIN, everywhere(address), Way::Link { index: ONLY, via })?;
        }
        space.netlink.settle()?;
        if let PortKind::Nat(blocks) = &port.kind {
            space.inside(|| nft(&nat(blocks)))?;
        }
        let router = self.router(&port.vpc)?;
        let index = router.link(&port.link)?.index;
        for (address, _) in &port.addresses {
            router.space.netlink.route(
                MAIN,
                IpNet::from(*address),
                Way::Link { index, via: None },
            )?;
        }
        router.space.netlink.settle()?;
        router.space.inside(|| {
            setting(&format!("ipv4/conf/{}/proxy_arp", port.link), "1")?;
            // Otherwise an answer is held back for up to half a second.
            setting(&format!("ipv4/neigh/{}/proxy_delay", port.link), "0")
        })?;
        Ok(Leaf { net: space.net, vpc: port.vpc.clone(), link: port.link.clone() })
    }

    fn add_gateway(&mut self, gateway: &Gateway) -> io::Result<Leaf> {
        let mut space = Space::make(&[])?;
        self.link(&gateway.vpc, &gateway.link, None, &space, true)?;
        let router = self.router(&gateway.vpc)?.number;
        space.netlink.up(ONLY)?;
        space.netlink.address(LO, node_v4(router | GATEWAY), 32)?;
        for block in &gateway.blocks {
            space.netlink.route(MAIN, *block, Way::Local)?;
        }
        let back = Way::Link { index: ONLY, via: Some(node_v4(router)) };
        space.netlink.route(MAIN, IpNet::V4(ipnet::Ipv4Net::default()), back)?;
        space.netlink.settle()?;
        Ok(Leaf { net: space.net, vpc: gateway.vpc.clone(), link: gateway.link.clone() })
    }

    fn unplug(&mut self, leaf: &Leaf) -> io::Result<()> {
        // The router may be gone, and the link with it.
        let Some(router) = self.routers.get_mut(&leaf.vpc) else { return Ok(()) };
        match router.links.remove(&leaf.link) {
            Some(link) => router.space.netlink.remove(link.index),
            None => Ok(()),
        }
    }

    fn peer(&mut self, peering: &PeeringLink) -> io::Result<()> {
        let (one, other) = &peering.vpcs;
        let (near, far) = (self.next, self.next + 1);
        self.next += 2;
        let there = self.router(other)?;
        let (net, their_number) = (there.space.net.try_clone()?, there.number);
        let here = self.router(one)?;
        let number = here.number;
        let ends = (
            End { name: &peering.link, index: near, mac: None },
            End { name: &peering.link, index: far, mac: None },
        );
        here.space.netlink.pair(&ends.0, &ends.1, net.as_fd())?;
        here.space.inside(|| carry_v6(&peering.link))?;
        here.space.netlink.address(near, node_v6(number), 64)?;
        here.space.netlink.settle()?;
        let link = Link { index: near, neighbour: their_number };
        here.links.insert(peering.link.clone(), link);
        let there = self.router(other)?;
        let link = Link { index: far, neighbour: number };
        there.links.insert(peering.link.clone(), link);
        there.space.inside(|| carry_v6(&peering.link))?;
        there.space.netlink.up(far)?;
        there.space.netlink.address(far, node_v6(their_number), 64)?;
        there.space.netlink.settle()
    }

    fn part(&mut self, peering: &PeeringLink) -> io::Result<()> {
        let (one, other) = &peering.vpcs;
        if let Some(router) = self.routers.get_mut(other) {
            router.links.remove(&peering.link);
        }
        let Some(router) = self.routers.get_mut(one) else { return Ok(()) };
        match router.links.remove(&peering.link) {
            Some(link) => router.space.netlink.remove(link.index),
            None => Ok(()),
        }
    }
}
