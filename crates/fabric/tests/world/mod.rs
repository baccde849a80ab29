//! A topology in the kernel, with somebody listening everywhere.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sagegate_fabric::{At, Fabric, FabricError, Protocol};
use sagegate_network::security_group::{Packet, TCP};
use sagegate_network::topology::{EndpointKind, Role, Topology};
use sagegate_network::walk::{Question, Source};

/// How long a packet may take that must arrive: as long as a loaded machine needs.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long one is waited for that must not arrive. Whatever came of it would be there at once.
const MOMENT: Duration = Duration::from_millis(60);

pub(crate) struct World {
    pub(crate) topology: Topology,
    fabric: Fabric,
}

/// A socket of somebody, in both families where there is one.
enum Ear {
    Tcp(TcpListener),
    Udp(UdpSocket),
}

impl World {
    /// None where this machine has no namespaces or no nftables for whoever runs the test.
    pub(crate) fn make(topology: Topology) -> Option<Self> {
        let keeper = Path::new(env!("CARGO_BIN_EXE_sagegate-test-keeper"));
        let fabric = match Fabric::start(keeper, &[]) {
            Ok(fabric) => fabric,
            Err(FabricError::Refused(reason)) => {
                assert!(
                    std::env::var_os("SAGEGATE_TEST_FABRIC").is_none(),
                    "this machine is to have a fabric: {reason}"
                );
                eprintln!("skipped: {reason}");
                return None;
            }
            Err(error) => panic!("{error}"),
        };
        let world = Self { topology, fabric };
        world.apply();
        // What an appliance does itself that passes others' packets on.
        for (id, interface) in &world.topology.interfaces {
            if !interface.source_dest_check && is_host(&interface.role) {
                let settings = "echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding";
                world.inside(id, &["sh", "-c", settings]);
            }
        }
        Some(world)
    }

    /// Brings the kernel to what the topology is now.
    pub(crate) fn apply(&self) {
        let hosts = self.topology.interfaces.iter().filter(|(_, it)| is_host(&it.role));
        let plugged: BTreeSet<String> = hosts.map(|(id, _)| id.clone()).collect();
        self.fabric.apply(&Arc::new(self.topology.clone()), &plugged).unwrap();
    }

    /// Sends the packet, and tells who got it and could answer. `hoped` says whether to wait for long.
    pub(crate) fn try_out(&self, question: &Question, hoped: bool) -> Option<String> {
        let Packet::Port { protocol, port } = question.packet else { panic!("{question:?}") };
        let tcp = protocol == TCP;
        let ears = self.ears(tcp, port, question.destination, &question.source);
        let (at, from) = match &question.source {
            Source::Internet { address } => {
                self.fabric.own(IpNet::from(*address)).unwrap();
                (At::Internet, *address)
            }
            Source::Interface { id, address } => {
                let own = self.topology.interfaces.get(id).unwrap();
                if own.addresses.iter().all(|it| it.private != *address) {
                    let address = IpNet::from(*address).to_string();
                    self.inside(id, &["ip", "address", "add", &address, "dev", "eth0"]);
                }
                (At::Port(id.clone()), *address)
            }
        };
        // A port of its own, so that no connection before it is taken for this one; the question's
        // own lies in the range of all answers, as this one does.
        let from = SocketAddr::new(from, 0);
        let to = SocketAddr::new(question.destination, port);
        let patience = if hoped { PATIENCE } else { MOMENT };
        if tcp {
            self.dial(&ears, at, from, to, patience)
        } else {
            self.send(&ears, at, from, to, patience)
        }
    }

    fn dial(
        &self,
        ears: &[(String, Ear)],
        at: At,
        from: SocketAddr,
        to: SocketAddr,
        patience: Duration,
    ) -> Option<String> {
        let socket = self.fabric.dial(at, Some(from), to).ok()?;
        if !ready(socket.as_fd(), PollFlags::OUT, patience) {
            return None;
        }
        let stream = TcpStream::from(socket);
        if stream.take_error().unwrap().is_some() {
            return None;
        }
        let here = stream.local_addr().unwrap().port();
        who(ears, |ear| match ear {
            Ear::Tcp(listener) => match listener.accept() {
                // NAT may have taken another port.
                Ok((_, peer)) => peer.port() == here || !peer.ip().is_unspecified(),
                Err(_) => false,
            },
            Ear::Udp(_) => false,
        })
    }

    /// The datagram has to arrive, and an answer to it.
    fn send(
        &self,
        ears: &[(String, Ear)],
        at: At,
        from: SocketAddr,
        to: SocketAddr,
        patience: Duration,
    ) -> Option<String> {
        let socket = UdpSocket::from(self.fabric.listen(at, Protocol::Udp, from).unwrap());
        socket.connect(to).ok()?;
        socket.send(b"question").ok()?;
        let sockets = ears.iter().filter_map(|(_, ear)| match ear {
            Ear::Udp(ear) => Some(ear.as_fd()),
            Ear::Tcp(_) => None,
        });
        if !any_ready(sockets, PollFlags::IN, patience) {
            return None;
        }
        let receiver = who(ears, |ear| match ear {
            Ear::Udp(ear) => {
                let mut text = [0; 16];
                ear.recv_from(&mut text).is_ok_and(|(_, peer)| ear.send_to(b"answer", peer).is_ok())
            }
            Ear::Tcp(_) => false,
        });
        let answered = ready(socket.as_fd(), PollFlags::IN, patience);
        receiver.filter(|_| answered && socket.recv(&mut [0; 16]).is_ok())
    }

    /// Everybody who could be reached listens.
    fn ears(
        &self,
        tcp: bool,
        port: u16,
        destination: IpAddr,
        source: &Source,
    ) -> Vec<(String, Ear)> {
        let any: IpAddr = if destination.is_ipv4() {
            Ipv4Addr::UNSPECIFIED.into()
        } else {
            Ipv6Addr::UNSPECIFIED.into()
        };
        let mut ears = Vec::new();
        let mut listen = |name: &str, at: At, address: IpAddr| {
            let protocol = if tcp { Protocol::Tcp } else { Protocol::Udp };
            let Ok(socket) = self.fabric.listen(at, protocol, SocketAddr::new(address, port))
            else {
                return;
            };
            let ear = if tcp { Ear::Tcp(socket.into()) } else { Ear::Udp(socket.into()) };
            match &ear {
                Ear::Tcp(socket) => socket.set_nonblocking(true).unwrap(),
                Ear::Udp(socket) => socket.set_nonblocking(true).unwrap(),
            }
            ears.push((name.to_owned(), ear));
        };
        for (id, interface) in &self.topology.interfaces {
            let name = match &interface.role {
                Role::Endpoint(endpoint) => endpoint,
                _ => id,
            };
            listen(name, At::Port(id.clone()), any);
        }
        for (id, endpoint) in &self.topology.endpoints {
            if matches!(endpoint.kind, EndpointKind::Gateway { .. }) {
                listen(id, At::Gateway(id.clone()), any);
            }
        }
        for vpc in self.topology.vpcs.keys() {
            // An answer comes from the address that was asked.
            listen("resolver", At::Router(vpc.clone()), destination);
        }
        let mut known = self.topology.vpcs.values().flat_map(|vpc| &vpc.blocks);
        let public = self.topology.interfaces.values().flat_map(|it| &it.addresses);
        let mut public = public.filter_map(|it| it.public).map(IpAddr::from);
        let outside =
            !public.any(|it| it == destination) && !known.any(|it| it.contains(&destination));
        if outside && !matches!(source, Source::Internet { .. }) {
            self.fabric.own(IpNet::from(destination)).unwrap();
            listen("internet", At::Internet, destination);
        }
        ears
    }

    /// Runs a program of this machine in an interface's namespace.
    fn inside(&self, interface: &str, command: &[&str]) {
        let namespace = self.fabric.namespace(At::Port(interface.to_owned())).unwrap();
        let path = |it: &OwnedFd| format!("/proc/{}/fd/{}", std::process::id(), it.as_raw_fd());
        let mut enter = Command::new("nsenter");
        if let Some(user) = &namespace.user {
            enter.arg(format!("--user={}", path(user))).arg("--preserve-credentials");
        }
        enter.arg(format!("--net={}", path(&namespace.net)));
        assert!(enter.args(command).status().unwrap().success(), "{command:?}");
    }
}

fn is_host(role: &Role) -> bool {
    matches!(role, Role::Host | Role::Service)
}

/// The one ear that has heard something; all are asked, so that nothing is left for the next question.
fn who(ears: &[(String, Ear)], heard: impl Fn(&Ear) -> bool) -> Option<String> {
    let mut found: Vec<&String> =
        ears.iter().filter(|(_, ear)| heard(ear)).map(|(name, _)| name).collect();
    assert!(found.len() < 2, "one packet, and {found:?} have got it");
    found.pop().cloned()
}

fn ready(socket: BorrowedFd<'_>, what: PollFlags, patience: Duration) -> bool {
    any_ready([socket].into_iter(), what, patience)
}

fn any_ready<'a>(
    sockets: impl Iterator<Item = BorrowedFd<'a>>,
    what: PollFlags,
    patience: Duration,
) -> bool {
    let mut polled: Vec<_> = sockets.map(|it| PollFd::from_borrowed_fd(it, what)).collect();
    let patience = Timespec::try_from(patience).unwrap();
    match poll(&mut polled, Some(&patience)) {
        Ok(count) => count > 0,
        Err(error) => panic!("{}", io::Error::from(error)),
    }
}
