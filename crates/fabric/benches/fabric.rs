//! The fabric's figures: interfaces that are plugged in, rules that change, bytes through it.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "figures for people to read"
)]

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sagegate_fabric::{At, Fabric, FabricError, Namespace};
use sagegate_network::sketch;
use sagegate_network::topology::Topology;

/// How many interfaces the last of them is added to.
const MANY: usize = 10_000;
/// How long bytes are sent for a figure.
const SENDING: Duration = Duration::from_secs(2);
const ROUNDS: usize = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [_, "sink", address] => return sink(address),
        [_, "source", address] => return source(address),
        _ => {}
    }
    match Fabric::start(Path::new(env!("CARGO_BIN_EXE_sagegate-test-keeper")), &[]) {
        Ok(fabric) => figures(&fabric),
        Err(FabricError::Refused(reason)) => println!("no figures: {reason}"),
        Err(error) => panic!("{error}"),
    }
    bytes();
}

/// A VPC with so many interfaces in forty subnets, each with one of ten groups of twenty rules.
fn networks(count: usize) -> Topology {
    let mut text = "vpc vpc-a 10.0.0.0/16\n".to_owned();
    for subnet in 0..40 {
        text += &format!("subnet subnet-{subnet} vpc-a 10.0.{}.0/22\n", subnet * 4);
    }
    for group in 0..10 {
        for rule in 0..20 {
            text += &format!("in sg-{group} tcp:{} sg-{}\n", 1000 + rule, (group + rule) % 10);
        }
        text += &format!("out sg-{group} all 0.0.0.0/0\n");
    }
    for eni in 0..count {
        let (subnet, host) = (eni % 40, 10 + eni / 40);
        let (third, fourth) = (subnet * 4 + host / 256, host % 256);
        text +=
            &format!("eni eni-{eni:05} subnet-{subnet} 10.0.{third}.{fourth} sg=sg-{}\n", eni % 10);
    }
    sketch::topology(&text).unwrap()
}

fn figures(fabric: &Fabric) {
    let whole = networks(MANY);
    let ids: Vec<String> = whole.interfaces.keys().cloned().collect();
    let with = |count: usize| {
        let mut topology = whole.clone();
        let some: BTreeSet<String> = ids.iter().take(count).cloned().collect();
        topology.interfaces.retain(|id, _| some.contains(id));
        (Arc::new(topology), some)
    };
    let apply = |count: usize| {
        let (topology, some) = with(count);
        let start = Instant::now();
        fabric.apply(&topology, &some).unwrap();
        start.elapsed()
    };
    // The k-th interface, each of five times.
    let one_more = |count: usize| {
        let times = (0..5).map(|extra| apply(count + extra)).collect::<Vec<_>>();
        median(times)
    };
    apply(94);
    let hundredth = one_more(95);
    let thousand = apply(1000 + 94).saturating_sub(Duration::ZERO);
    println!("1,000 interfaces plugged in:       {:7.2} s", thousand.as_secs_f64());

    let (mut topology, some) = with(1000);
    fabric.apply(&topology, &some).unwrap();
    let mut changes = Vec::new();
    for port in 0..50 {
        // What was there before stays as it is: as the server does, it is read anew.
        let mut other = Topology::clone(&topology);
        let group = other.security_groups.get_mut("sg-3").unwrap();
        let rule = group.ingress.first_mut().unwrap();
        (rule.rule.from, rule.rule.to) = (5000 + port, 5000 + port);
        topology = Arc::new(other);
        let start = Instant::now();
        fabric.apply(&topology, &some).unwrap();
        changes.push(start.elapsed());
    }
    changes.sort();
    println!(
        "a rule changed, of 1,000 interfaces: p50 {:.1} ms, p99 {:.1} ms",
        millis(changes.get(25)),
        millis(changes.get(49))
    );
    let rest = apply(MANY - 5);
    let last = one_more(MANY - 4);
    println!(
        "the 100th interface {:.1} ms, the 10,000th {:.1} ms ({:.1} times); the rest in {:.1} s",
        millis(Some(&hundredth)),
        millis(Some(&last)),
        last.as_secs_f64() / hundredth.as_secs_f64(),
        rest.as_secs_f64(),
    );
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn millis(time: Option<&Duration>) -> f64 {
    time.copied().unwrap_or_default().as_secs_f64() * 1000.0
}

/// TCP between two interfaces of different subnets, and over a bare pair of links, in turns.
fn bytes() {
    let Ok(fabric) = Fabric::start(Path::new(env!("CARGO_BIN_EXE_sagegate-test-keeper")), &[])
    else {
        return;
    };
    let (topology, some) = {
        let topology = Arc::new(networks(300));
        let some: BTreeSet<String> = topology.interfaces.keys().cloned().collect();
        (topology, some)
    };
    fabric.apply(&topology, &some).unwrap();
    let port = |id: &str| fabric.namespace(At::Port(id.to_owned())).unwrap();
    // Of the twenty rules, those for the ports 1009 and 1019 take the sender's group.
    let (from, to) = (port("eni-00000"), port("eni-00011"));
    let Some(bare) = Bare::make() else {
        println!("TCP: only root can make the bare pair that it is compared with");
        return;
    };
    let mut through = Vec::new();
    let mut beside = Vec::new();
    for _ in 0..ROUNDS {
        through.push(rate(&enter(&from), &enter(&to), "10.0.44.10:1009"));
        beside.push(rate(&bare.enter(0), &bare.enter(1), "192.0.2.2:1001"));
    }
    through.sort_by(f64::total_cmp);
    beside.sort_by(f64::total_cmp);
    let (through, beside) = (through.get(ROUNDS / 2).unwrap(), beside.get(ROUNDS / 2).unwrap());
    println!(
        "TCP through the fabric {through:.1} Gbit/s, over a bare pair of links {beside:.1} ({:.0} %)",
        100.0 * through / beside
    );
}

fn enter(namespace: &Namespace) -> Vec<String> {
    let path = |fd: i32| format!("/proc/{}/fd/{fd}", std::process::id());
    let mut words = vec!["nsenter".to_owned()];
    if let Some(user) = &namespace.user {
        words.push(format!("--user={}", path(user.as_raw_fd())));
        words.push("--preserve-credentials".to_owned());
    }
    words.push(format!("--net={}", path(namespace.net.as_raw_fd())));
    words
}

/// Two namespaces with a pair of links, and nothing between them.
struct Bare {
    holders: [Child; 2],
}

impl Bare {
    fn make() -> Option<Self> {
        let hold = || {
            Command::new("unshare")
                .args(["--net", "sh", "-c", "echo; cat"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .ok()
        };
        let mut bare = Self { holders: [hold()?, hold()?] };
        for holder in &mut bare.holders {
            // It is in its namespace when it speaks.
            holder.stdout.as_mut()?.read_exact(&mut [0]).ok()?;
        }
        let [one, two] = bare.holders.each_ref().map(Child::id);
        let steps = [
            (0, format!("ip link add eth0 mtu 9001 type veth peer name eth0 mtu 9001 netns {two}")),
            (0, "ip address add 192.0.2.1/24 dev eth0 && ip link set eth0 up".to_owned()),
            (1, "ip address add 192.0.2.2/24 dev eth0 && ip link set eth0 up".to_owned()),
        ];
        let _ = one;
        for (place, step) in steps {
            let words = bare.enter(place);
            let status = command(&words).args(["sh", "-c", &step]).status().ok()?;
            status.success().then_some(())?;
        }
        Some(bare)
    }

    fn enter(&self, place: usize) -> Vec<String> {
        let id = self.holders.get(place).map(Child::id).unwrap_or_default();
        vec!["nsenter".to_owned(), format!("--net=/proc/{id}/ns/net")]
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        for holder in &mut self.holders {
            let _ = holder.kill();
            let _ = holder.wait();
        }
    }
}

fn command(words: &[String]) -> Command {
    let (program, rest) = words.split_first().unwrap();
    let mut command = Command::new(program);
    command.args(rest);
    command
}

/// Gbit/s from one namespace to the other.
fn rate(from: &[String], to: &[String], address: &str) -> f64 {
    let own = std::env::current_exe().unwrap();
    let mut sink =
        command(to).arg(&own).args(["sink", address]).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = sink.stdout.take().unwrap();
    said.read_exact(&mut [0]).unwrap();
    let status = command(from).arg(&own).args(["source", address]).status().unwrap();
    if !status.success() {
        let _ = sink.kill();
        panic!("the source: {status}");
    }
    let mut text = String::new();
    said.read_to_string(&mut text).unwrap();
    sink.wait().unwrap();
    text.trim().parse().unwrap()
}

fn sink(address: &str) {
    let listener = TcpListener::bind(address).unwrap();
    println!();
    let (mut stream, _) = listener.accept().unwrap();
    let start = Instant::now();
    let mut buffer = vec![0; 1 << 18];
    let mut total: u64 = 0;
    loop {
        match stream.read(&mut buffer).unwrap() {
            0 => break,
            count => total += count as u64,
        }
    }
    println!("{}", total as f64 * 8.0 / start.elapsed().as_secs_f64() / 1e9);
}

fn source(address: &str) {
    let mut stream = TcpStream::connect(address).unwrap();
    let buffer = vec![0; 1 << 18];
    let start = Instant::now();
    while start.elapsed() < SENDING {
        stream.write_all(&buffer).unwrap();
    }
}
