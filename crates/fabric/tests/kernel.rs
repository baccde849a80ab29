//! Packets in the kernel: who reaches whom.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod networks;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use networks::Networks;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sagegate_fabric::{At, Fabric, FabricError, Protocol};
use sagegate_network::topology::Topology;

/// How long a connection may take that must come about: as long as a loaded machine needs.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long one is waited for that must not. Whatever it were, it would be there at once.
const MOMENT: Duration = Duration::from_millis(150);

/// What became of a connection.
#[derive(Debug, PartialEq, Eq)]
enum Got {
    /// It stands, and the other side saw it come from this address.
    From(IpAddr),
    /// It was refused: the packets arrive, and nobody listens.
    Refused,
    /// The kernel says that there is no way.
    NoWay,
    /// Nothing came back.
    Silence,
}

struct Kernel {
    fabric: Fabric,
    networks: Networks,
}

impl Kernel {
    /// None where this machine has no namespaces or no nftables for whoever runs the test.
    fn start(networks: Networks) -> Option<Self> {
        let keeper = Path::new(env!("CARGO_BIN_EXE_sagegate-test-keeper"));
        match Fabric::start(keeper, &[]) {
            Ok(fabric) => {
                let kernel = Self { fabric, networks };
                kernel.apply();
                Some(kernel)
            }
            Err(FabricError::Refused(reason)) => {
                assert!(
                    std::env::var_os("SAGEGATE_TEST_FABRIC").is_none(),
                    "this machine is to have a fabric: {reason}"
                );
                eprintln!("skipped: {reason}");
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn apply(&self) {
        let topology: Arc<Topology> = Arc::new(self.networks.topology.clone());
        let plugged: BTreeSet<String> = self.networks.hosts.clone();
        self.fabric.apply(&topology, &plugged).unwrap();
    }

    fn listen(&self, at: At, address: &str) -> TcpListener {
        let address: SocketAddr = address.parse().unwrap();
        TcpListener::from(self.fabric.listen(at, Protocol::Tcp, address).unwrap())
    }

    fn dial(&self, from: &str, to: &str, listener: &TcpListener, patience: Duration) -> Got {
        let at = if from == "internet" { At::Internet } else { At::Port(from.to_owned()) };
        let to: SocketAddr = to.parse().unwrap();
        let socket = match self.fabric.dial(at, None, to) {
            Ok(socket) => socket,
            Err(_) => return Got::NoWay,
        };
        if !ready(&socket, PollFlags::OUT, patience) {
            return Got::Silence;
        }
        let stream = TcpStream::from(socket);
        match stream.take_error().unwrap() {
            None => {}
            Some(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                return Got::Refused;
            }
            Some(_) => return Got::NoWay,
        }
        let listening = listener.as_fd().try_clone_to_owned().unwrap();
        assert!(ready(&listening, PollFlags::IN, PATIENCE), "it stands, and nobody came");
        let (_, peer) = listener.accept().unwrap();
        Got::From(peer.ip())
    }

    /// It gets through, and comes from this address.
    #[track_caller]
    fn reaches(&self, from: &str, to: &str, listener: &TcpListener, seen: &str) {
        let got = self.dial(from, to, listener, PATIENCE);
        assert_eq!(got, Got::From(seen.parse().unwrap()), "{from} to {to}");
    }

    #[track_caller]
    fn does_not_reach(&self, from: &str, to: &str, listener: &TcpListener) {
        let got = self.dial(from, to, listener, MOMENT);
        assert!(matches!(got, Got::Silence | Got::NoWay), "{from} to {to}: {got:?}");
    }
}

fn ready(socket: &OwnedFd, what: PollFlags, patience: Duration) -> bool {
    let mut polled = [PollFd::new(socket, what)];
    let patience = Timespec::try_from(patience).unwrap();
    poll(&mut polled, Some(&patience)).unwrap() > 0
}

#[test]
fn security_groups_decide_who_reaches_whom() {
    let mut networks = Networks::default();
    networks.vpc("vpc-a", "10.0.0.0/16");
    networks.subnet("subnet-1", "vpc-a", "10.0.1.0/24");
    networks.subnet("subnet-2", "vpc-a", "10.0.2.0/24");
    networks.group("sg-client", "vpc-a", &[], &["tcp 443 sg-server", "tcp 80 0.0.0.0/0"]);
    networks.group("sg-server", "vpc-a", &["tcp 443 sg-client"], &[]);
    networks.host("eni-a", "subnet-1", "10.0.1.10", &["sg-client"]);
    networks.host("eni-b", "subnet-1", "10.0.1.20", &["sg-server"]);
    networks.host("eni-c", "subnet-2", "10.0.2.30", &["sg-server"]);
    networks.host("eni-d", "subnet-2", "10.0.2.40", &["sg-server"]);
    let Some(mut kernel) = Kernel::start(networks) else { return };
    let b = kernel.listen(At::Port("eni-b".to_owned()), "0.0.0.0:443");
    let c = kernel.listen(At::Port("eni-c".to_owned()), "0.0.0.0:443");
    kernel.reaches("eni-a", "10.0.1.20:443", &b, "10.0.1.10");
    kernel.reaches("eni-a", "10.0.2.30:443", &c, "10.0.1.10");
    // Allowed by the client's groups alone.
    let b80 = kernel.listen(At::Port("eni-b".to_owned()), "0.0.0.0:80");
    kernel.does_not_reach("eni-a", "10.0.1.20:80", &b80);
    // By the server's alone: eni-d is no sg-client.
    kernel.does_not_reach("eni-d", "10.0.2.30:443", &c);
    kernel.does_not_reach("eni-b", "10.0.2.30:443", &c);
    // Groups that change are in force when the call is back.
    kernel.networks.interface("eni-d").groups = vec!["sg-client".to_owned()];
    kernel.apply();
    kernel.reaches("eni-d", "10.0.2.30:443", &c, "10.0.2.40");
    kernel.networks.group("sg-server", "vpc-a", &["tcp 443 10.0.1.0/24"], &[]);
    kernel.apply();
    kernel.does_not_reach("eni-d", "10.0.2.30:443", &c);
    kernel.reaches("eni-a", "10.0.2.30:443", &c, "10.0.1.10");
}

#[test]
fn a_vpc_that_everybody_left_can_be_entered_again_at_once() {
    let mut networks = Networks::default();
    networks.vpc("vpc-a", "10.0.0.0/16");
    networks.subnet("subnet-1", "vpc-a", "10.0.1.0/24");
    networks.open_group("sg-open", "vpc-a");
    networks.host("eni-a", "subnet-1", "10.0.1.10", &["sg-open"]);
    networks.host("eni-b", "subnet-1", "10.0.1.20", &["sg-open"]);
    let Some(kernel) = Kernel::start(networks) else { return };
    let topology = Arc::new(kernel.networks.topology.clone());
    for _ in 0..20 {
        let gone = kernel.fabric.apply(&topology, &BTreeSet::new()).unwrap();
        let all = ["eni-a", "eni-b"].map(|id| At::Port(id.to_owned()));
        let all: BTreeSet<At> = all.into_iter().chain([At::Router("vpc-a".to_owned())]).collect();
        assert_eq!(gone, all);
        let gone = kernel.fabric.apply(&topology, &kernel.networks.hosts).unwrap();
        assert_eq!(gone, BTreeSet::new());
        let b = kernel.listen(At::Port("eni-b".to_owned()), "0.0.0.0:443");
        kernel.reaches("eni-a", "10.0.1.20:443", &b, "10.0.1.10");
    }
}

#[test]
fn network_acls_are_asked_between_subnets_and_for_answers() {
    let mut networks = Networks::default();
    networks.vpc("vpc-a", "10.0.0.0/16");
    networks.subnet("subnet-1", "vpc-a", "10.0.1.0/24");
    networks.subnet("subnet-2", "vpc-a", "10.0.2.0/24");
    networks.open_group("sg-open", "vpc-a");
    networks.host("eni-a", "subnet-1", "10.0.1.10", &["sg-open"]);
    networks.host("eni-b", "subnet-1", "10.0.1.20", &["sg-open"]);
    networks.host("eni-c", "subnet-2", "10.0.2.30", &["sg-open"]);
    networks.acl(
        "acl-2",
        "vpc-a",
        &["100 allow tcp 443 10.0.1.0/24"],
        &["100 allow tcp 1024-65535 0.0.0.0/0"],
    );
    networks.topology.subnets.get_mut("subnet-2").unwrap().network_acl = "acl-2".to_owned();
    let Some(mut kernel) = Kernel::start(networks) else { return };
    let b = kernel.listen(At::Port("eni-b".to_owned()), "0.0.0.0:443");
    let c = kernel.listen(At::Port("eni-c".to_owned()), "0.0.0.0:443");
    kernel.reaches("eni-a", "10.0.2.30:443", &c, "10.0.1.10");
    // The answers' ports are not let out.
    kernel.networks.acl(
        "acl-2",
        "vpc-a",
        &["100 allow tcp 443 10.0.1.0/24"],
        &["100 allow tcp 443 0.0.0.0/0"],
    );
    kernel.apply();
    kernel.does_not_reach("eni-a", "10.0.2.30:443", &c);
    // The first entry that matches decides.
    kernel.networks.acl(
        "acl-2",
        "vpc-a",
        &["90 deny tcp 443 10.0.1.10/32", "100 allow -1 0.0.0.0/0"],
        &["100 allow -1 0.0.0.0/0"],
    );
    kernel.apply();
    kernel.does_not_reach("eni-a", "10.0.2.30:443", &c);
    kernel.reaches("eni-b", "10.0.2.30:443", &c, "10.0.1.20");
    // Not asked within a subnet.
    kernel.networks.acl("acl-1", "vpc-a", &[], &[]);
    kernel.networks.topology.subnets.get_mut("subnet-1").unwrap().network_acl = "acl-1".to_owned();
    kernel.apply();
    kernel.reaches("eni-a", "10.0.1.20:443", &b, "10.0.1.10");
    kernel.does_not_reach("eni-b", "10.0.2.30:443", &c);
}

#[test]
fn the_internet_is_reached_with_a_public_address_or_by_nat() {
    let mut networks = Networks::default();
    networks.vpc("vpc-a", "10.0.0.0/16");
    networks.topology.vpcs.get_mut("vpc-a").unwrap().internet_gateway = Some("igw-a".to_owned());
    networks.subnet("subnet-public", "vpc-a", "10.0.1.0/24");
    networks.subnet("subnet-private", "vpc-a", "10.0.2.0/24");
    networks.table("rtb-public", "vpc-a", &["0.0.0.0/0 igw-a"]);
    networks.table("rtb-private", "vpc-a", &["0.0.0.0/0 nat-a"]);
    networks.uses("subnet-public", "rtb-public");
    networks.uses("subnet-private", "rtb-private");
    networks.open_group("sg-open", "vpc-a");
    networks.host("eni-public", "subnet-public", "10.0.1.10", &["sg-open"]);
    networks.public("eni-public", "203.0.113.10");
    networks.host("eni-hidden", "subnet-public", "10.0.1.11", &["sg-open"]);
    networks.host("eni-private", "subnet-private", "10.0.2.10", &["sg-open"]);
    networks.nat("nat-a", "subnet-public", "10.0.1.5", Some("203.0.113.5"));
    let Some(mut kernel) = Kernel::start(networks) else { return };
    kernel.fabric.own("198.51.100.0/24".parse().unwrap()).unwrap();
    let web = kernel.listen(At::Internet, "198.51.100.7:443");
    kernel.reaches("eni-public", "198.51.100.7:443", &web, "203.0.113.10");
    kernel.does_not_reach("eni-hidden", "198.51.100.7:443", &web);
    kernel.reaches("eni-private", "198.51.100.7:443", &web, "203.0.113.5");
    // From the internet, to a public address alone.
    let inside = kernel.listen(At::Port("eni-public".to_owned()), "0.0.0.0:22");
    let from = "198.51.100.9:0".parse().unwrap();
    let socket = kernel.fabric.dial(At::Internet, Some(from), "203.0.113.10:22".parse().unwrap());
    assert!(ready(&socket.unwrap(), PollFlags::OUT, PATIENCE));
    assert_eq!(inside.accept().unwrap().1.ip(), from.ip());
    let hidden = kernel.listen(At::Port("eni-hidden".to_owned()), "0.0.0.0:22");
    kernel.does_not_reach("internet", "10.0.1.11:22", &hidden);
    // Without the gateway there is no way.
    kernel.networks.topology.vpcs.get_mut("vpc-a").unwrap().internet_gateway = None;
    kernel.apply();
    kernel.does_not_reach("eni-public", "198.51.100.7:443", &web);
    kernel.does_not_reach("eni-private", "198.51.100.7:443", &web);
}

#[test]
fn peered_vpcs_reach_each_other_and_nobody_behind() {
    let mut networks = Networks::default();
    for (vpc, block, subnet, net) in [
        ("vpc-a", "10.0.0.0/16", "subnet-a", "10.0.1.0/24"),
        ("vpc-b", "10.1.0.0/16", "subnet-b", "10.1.1.0/24"),
        ("vpc-c", "10.2.0.0/16", "subnet-c", "10.2.1.0/24"),
    ] {
        networks.vpc(vpc, block);
        networks.subnet(subnet, vpc, net);
    }
    networks.peering("pcx-ab", "vpc-a", "vpc-b");
    networks.peering("pcx-bc", "vpc-b", "vpc-c");
    networks.table("rtb-a", "vpc-a", &["10.1.0.0/16 pcx-ab", "10.2.0.0/16 pcx-ab"]);
    networks.table("rtb-b", "vpc-b", &["10.0.0.0/16 pcx-ab", "10.2.0.0/16 pcx-bc"]);
    networks.table("rtb-c", "vpc-c", &["10.1.0.0/16 pcx-bc", "10.0.0.0/16 pcx-bc"]);
    for (subnet, table) in [("subnet-a", "rtb-a"), ("subnet-b", "rtb-b"), ("subnet-c", "rtb-c")] {
        networks.uses(subnet, table);
    }
    networks.group("sg-a", "vpc-a", &["-1 - 0.0.0.0/0"], &["-1 - 0.0.0.0/0"]);
    networks.group("sg-b", "vpc-b", &["tcp 443 sg-a"], &["-1 - 0.0.0.0/0"]);
    networks.open_group("sg-c", "vpc-c");
    networks.host("eni-a", "subnet-a", "10.0.1.10", &["sg-a"]);
    networks.host("eni-b", "subnet-b", "10.1.1.10", &["sg-b"]);
    networks.host("eni-c", "subnet-c", "10.2.1.10", &["sg-c"]);
    let Some(kernel) = Kernel::start(networks) else { return };
    let b = kernel.listen(At::Port("eni-b".to_owned()), "0.0.0.0:443");
    let c = kernel.listen(At::Port("eni-c".to_owned()), "0.0.0.0:443");
    kernel.reaches("eni-a", "10.1.1.10:443", &b, "10.0.1.10");
    kernel.reaches("eni-b", "10.2.1.10:443", &c, "10.1.1.10");
    // Two peerings are no way through the VPC between them.
    kernel.does_not_reach("eni-a", "10.2.1.10:443", &c);
    kernel.does_not_reach("eni-c", "10.1.1.10:443", &b);
}

#[test]
fn an_endpoint_answers_a_peered_vpc_though_nobody_is_in_its_own() {
    let mut networks = Networks::default();
    for (vpc, block, subnet, net) in [
        ("vpc-a", "10.0.0.0/16", "subnet-a", "10.0.1.0/24"),
        ("vpc-b", "10.1.0.0/16", "subnet-b", "10.1.1.0/24"),
    ] {
        networks.vpc(vpc, block);
        networks.subnet(subnet, vpc, net);
    }
    networks.table("rtb-a", "vpc-a", &["10.1.0.0/16 pcx-ab"]);
    networks.table("rtb-b", "vpc-b", &["10.0.0.0/16 pcx-ab"]);
    networks.uses("subnet-a", "rtb-a");
    networks.uses("subnet-b", "rtb-b");
    networks.open_group("sg-a", "vpc-a");
    networks.group("sg-b", "vpc-b", &["tcp 443 sg-a"], &[]);
    networks.host("eni-a", "subnet-a", "10.0.1.10", &["sg-a"]);
    networks.endpoint("vpce-b", "subnet-b", "eni-vpce", "10.1.1.99", &["sg-b"]);
    networks.peering("pcx-ab", "vpc-a", "vpc-b");
    let Some(mut kernel) = Kernel::start(networks) else { return };
    let api = kernel.listen(At::Port("eni-vpce".to_owned()), "10.1.1.99:443");
    kernel.reaches("eni-a", "10.1.1.99:443", &api, "10.0.1.10");
    // What ends in the state ends in the kernel.
    if let Some(peering) = kernel.networks.topology.peerings.get_mut("pcx-ab") {
        peering.active = false;
    }
    kernel.apply();
    kernel.does_not_reach("eni-a", "10.1.1.99:443", &api);
}

#[test]
fn endpoints_are_reached_inside_and_take_https_alone() {
    let mut networks = Networks::default();
    networks.vpc("vpc-a", "10.0.0.0/16");
    networks.subnet("subnet-1", "vpc-a", "10.0.1.0/24");
    networks.table("rtb-1", "vpc-a", &["pl-s3 vpce-s3"]);
    networks.uses("subnet-1", "rtb-1");
    networks.open_group("sg-open", "vpc-a");
    networks.host("eni-a", "subnet-1", "10.0.1.10", &["sg-open"]);
    networks.endpoint("vpce-1", "subnet-1", "eni-vpce", "10.0.1.99", &["sg-open"]);
    networks.gateway("vpce-s3", "vpc-a", "pl-s3", &["52.218.128.0/17"]);
    let Some(kernel) = Kernel::start(networks) else { return };
    let api = kernel.listen(At::Port("eni-vpce".to_owned()), "10.0.1.99:443");
    let other = kernel.listen(At::Port("eni-vpce".to_owned()), "10.0.1.99:80");
    kernel.reaches("eni-a", "10.0.1.99:443", &api, "10.0.1.10");
    kernel.does_not_reach("eni-a", "10.0.1.99:80", &other);
    let s3 = kernel.listen(At::Gateway("vpce-s3".to_owned()), "0.0.0.0:443");
    kernel.reaches("eni-a", "52.218.200.3:443", &s3, "10.0.1.10");
    kernel.does_not_reach("eni-a", "52.1.2.3:443", &s3);
    // The resolver, which no group and no ACL stands before.
    let at = At::Router("vpc-a".to_owned());
    let resolver = kernel.listen(at, "10.0.0.2:53");
    kernel.reaches("eni-a", "10.0.0.2:53", &resolver, "10.0.1.10");
}

#[test]
fn the_resolver_takes_so_many_questions_and_no_more() {
    let mut networks = Networks::default();
    networks.vpc("vpc-a", "10.0.0.0/16");
    networks.subnet("subnet-1", "vpc-a", "10.0.1.0/24");
    networks.open_group("sg-open", "vpc-a");
    networks.host("eni-a", "subnet-1", "10.0.1.10", &["sg-open"]);
    let Some(kernel) = Kernel::start(networks) else { return };
    let socket = |at, address: &str| {
        let address = address.parse().unwrap();
        UdpSocket::from(kernel.fabric.listen(at, Protocol::Udp, address).unwrap())
    };
    let resolver = socket(At::Router("vpc-a".to_owned()), "10.0.0.2:53");
    let host = socket(At::Port("eni-a".to_owned()), "10.0.1.10:0");
    host.connect("10.0.0.2:53").unwrap();
    let mut buffer = [0; 16];
    // What is asked by a socket that was answered before counts as well.
    host.send(b"first").unwrap();
    let (_, peer) = resolver.recv_from(&mut buffer).unwrap();
    resolver.send_to(b"answer", peer).unwrap();
    host.recv(&mut buffer).unwrap();
    resolver.set_nonblocking(true).unwrap();
    let (mut sent, mut taken) = (0, 0);
    while sent < 20_000 {
        for _ in 0..50 {
            sent += usize::from(host.send(b"more").is_ok());
        }
        while resolver.recv(&mut buffer).is_ok() {
            taken += 1;
        }
    }
    // What may pass in ten seconds; this takes a fraction of one.
    assert!(taken < 10_240, "{taken} of {sent} came through");
    assert!(taken > 0, "none came through");
}

#[test]
fn nobody_sends_under_another_address() {
    let mut networks = Networks::default();
    networks.vpc("vpc-a", "10.0.0.0/16");
    networks.subnet("subnet-1", "vpc-a", "10.0.1.0/24");
    networks.open_group("sg-open", "vpc-a");
    networks.host("eni-a", "subnet-1", "10.0.1.10", &["sg-open"]);
    networks.host("eni-b", "subnet-1", "10.0.1.20", &["sg-open"]);
    let Some(kernel) = Kernel::start(networks) else { return };
    let b = kernel.listen(At::Port("eni-b".to_owned()), "0.0.0.0:443");
    kernel.reaches("eni-a", "10.0.1.20:443", &b, "10.0.1.10");
    kernel.add_address("eni-a", "10.0.1.77");
    let from = "10.0.1.77:0".parse().unwrap();
    let at = At::Port("eni-a".to_owned());
    let socket = kernel.fabric.dial(at, Some(from), "10.0.1.20:443".parse().unwrap()).unwrap();
    assert!(!ready(&socket, PollFlags::OUT, MOMENT), "a forged source got through");
}

impl Kernel {
    /// What whoever is in a namespace can do to it, by the machine's own tool.
    fn add_address(&self, port: &str, address: &str) {
        let namespace = self.fabric.namespace(At::Port(port.to_owned())).unwrap();
        let address = format!("{address}/32");
        let fd = std::os::fd::AsRawFd::as_raw_fd(&namespace.net);
        let mut enter = std::process::Command::new("nsenter");
        let pid = std::process::id();
        if let Some(user) = &namespace.user {
            let user = std::os::fd::AsRawFd::as_raw_fd(user);
            enter.arg(format!("--user=/proc/{pid}/fd/{user}")).arg("--preserve-credentials");
        }
        let status = enter
            .arg(format!("--net=/proc/{pid}/fd/{fd}"))
            .args(["ip", "address", "add", &address, "dev", "eth0"])
            .status()
            .unwrap();
        assert!(status.success());
    }
}
