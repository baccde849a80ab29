//! Laws of the packet walk, on generated networks: it agrees with a second evaluator that is
//! written from the documentation's conditions instead of step by step, and more permission never
//! closes what was open.

mod oracle;

use proptest::prelude::*;
use sagegate_network::sketch;
use sagegate_network::walk::{Component, Walk, Walker};

/// Turns bytes into choices, so that a failing network shrinks.
struct Dice<'a>(std::slice::Iter<'a, u8>);

impl Dice<'_> {
    fn roll(&mut self, sides: u8) -> u8 {
        self.0.next().copied().unwrap_or(0) % sides
    }

    fn pick<'t>(&mut self, of: &[&'t str]) -> &'t str {
        let index = usize::from(self.roll(u8::try_from(of.len()).unwrap_or(u8::MAX)));
        of.get(index).copied().unwrap_or_default()
    }

    /// True in `of` - 1 cases of `of`.
    fn likely(&mut self, of: u8) -> bool {
        self.roll(of) != 0
    }
}

const PROTOCOLS: [&str; 9] = [
    "all",
    "tcp:443",
    "tcp:22",
    "tcp:1024-65535",
    "tcp",
    "udp:53",
    "icmp",
    "udp",
    "tcp:32768-60999",
];
const PEERS: [&str; 10] = [
    "0.0.0.0/0",
    "10.0.0.0/16",
    "10.1.0.0/16",
    "10.0.0.0/8",
    "203.0.113.0/24",
    "198.51.100.0/24",
    "pl-s3",
    "sg-a1",
    "sg-a2",
    "sg-b1",
];

/// Two VPCs with two subnets each, and whatever the dice say.
fn network(dice: &mut Dice<'_>) -> String {
    let mut lines = vec!["pl pl-s3 198.51.100.0/24".to_owned()];
    for (vpc, second) in [("a", 0), ("b", 1)] {
        let igw = if dice.likely(4) { format!("igw=igw-{vpc}") } else { String::new() };
        lines.push(format!("vpc vpc-{vpc} 10.{second}.0.0/16 {igw}"));
        for third in 1..=2 {
            let id = format!("{vpc}{third}");
            let acl = if dice.likely(3) { String::new() } else { format!("acl=acl-{id}") };
            lines.push(format!(
                "subnet subnet-{id} vpc-{vpc} 10.{second}.{third}.0/24 rtb=rtb-{id} {acl}"
            ));
            lines.push(format!("acl acl-{id} vpc-{vpc}"));
            for way in ["in", "out"] {
                for _ in 0..=dice.roll(3) {
                    let number = 1 + dice.roll(90);
                    let action = dice.pick(&["allow", "allow", "allow", "deny"]);
                    let protocol = dice.pick(&PROTOCOLS);
                    let block = dice.pick(&PEERS[..6]);
                    lines.push(format!("{way} acl-{id} {number} {action} {protocol} {block}"));
                }
            }
            let mut routes = String::new();
            // The first subnet is for the most part a public one, the second a private one.
            let usual = if third == 1 { "igw" } else { "nat" };
            for (destination, rare, targets) in [
                ("0.0.0.0/0", 9, [usual, usual, "igw", "nat", "igw-gone", "pcx-ab", ""]),
                (
                    "10.0.0.0/8",
                    4,
                    ["pcx-ab", "pcx-ab", "pcx-ab", "pcx-gone", "igw", "eni-gone", ""],
                ),
                ("pl-s3", 3, ["vpce-s3", "vpce-s3", "vpce-s3", "igw", "nat", "vpce-gone", ""]),
                ("198.51.100.0/24", 2, ["igw", "nat", "vpce-s3", "pcx-ab", "nat-gone", "", ""]),
                ("203.0.113.0/24", 2, ["igw", "igw", "nat", "pcx-ab", "vpce-s3", "", ""]),
            ] {
                let target = dice.pick(&targets);
                if !dice.likely(rare) || target.is_empty() {
                    continue;
                }
                let own = matches!(target, "igw" | "nat" | "vpce-s3");
                let target = if own { format!("{target}-{vpc}") } else { target.to_owned() };
                routes.push_str(&format!(" {destination}>{target}"));
            }
            lines.push(format!("rtb rtb-{id} vpc-{vpc}{routes}"));
            for host in 0..=dice.roll(2) {
                let group =
                    dice.pick(&["1", "2", "1,sg-@2", "open-vpc-@", "open-vpc-@", "open-vpc-@"]);
                let group = if group.starts_with("open") {
                    format!("sg-open-vpc-{vpc}")
                } else {
                    format!("sg-{vpc}{}", group.replace('@', vpc))
                };
                let last = 10 + host;
                let public = if dice.likely(3) {
                    format!("public=203.0.113.{}", second * 100 + third * 10 + host)
                } else {
                    String::new()
                };
                lines.push(format!(
                    "eni eni-{id}{host} subnet-{id} 10.{second}.{third}.{last} {public} sg={group}"
                ));
            }
        }
        for group in 1..=2 {
            lines.push(format!("sg sg-{vpc}{group} vpc-{vpc}"));
            for way in ["in", "out"] {
                for _ in 0..dice.roll(4) {
                    let (protocol, peer) = (dice.pick(&PROTOCOLS), dice.pick(&PEERS));
                    lines.push(format!("{way} sg-{vpc}{group} {protocol} {peer}"));
                }
            }
        }
        let state = dice.pick(&["", "", "", "pending"]);
        let public = if dice.likely(4) {
            format!("public=203.0.113.{}", 200 + second)
        } else {
            String::new()
        };
        lines.push(format!("nat nat-{vpc} subnet-{vpc}1 10.{second}.1.5 {public} {state}"));
        let state = dice.pick(&["", "", "", "pending"]);
        let group = dice.pick(&["1", "2", "open-vpc-@"]);
        let group = if group.starts_with("open") {
            format!("open-vpc-{vpc}")
        } else {
            format!("{vpc}{group}")
        };
        lines.push(format!(
            "endpoint vpce-sts-{vpc} vpc-{vpc} com.amazonaws.us-west-2.sts subnet-{vpc}2=10.{second}.2.50 sg=sg-{group} {state}"
        ));
        lines.push(format!(
            "gateway vpce-s3-{vpc} vpc-{vpc} com.amazonaws.us-west-2.s3 pl-s3 {state}"
        ));
    }
    lines.push(format!("pcx pcx-ab vpc-a vpc-b {}", dice.pick(&["", "", "", "pending"])));
    lines.join("\n")
}

/// Every fifth of all questions, beginning with one that the dice choose.
fn questions(dice: &mut Dice<'_>) -> Vec<String> {
    let first = usize::from(dice.roll(5));
    let mut all = Vec::new();
    for from in ["eni-a10", "eni-a20", "eni-b10", "eni-b21", "internet@192.0.2.9"] {
        for to in [
            "10.0.1.10",
            "10.0.1.11",
            "10.0.2.10",
            "10.1.1.10",
            "10.1.2.10",
            "10.0.2.50",
            "10.1.2.50",
            "10.0.1.5",
            "10.0.1.99",
            "10.0.0.2",
            "203.0.113.10",
            "203.0.113.110",
            "203.0.113.121",
            "203.0.113.200",
            "198.51.100.7",
            "192.0.2.9",
            "172.16.0.1",
        ] {
            for packet in ["tcp:443", "tcp:22", "udp:53", "icmp"] {
                all.push(format!("{from} > {to} {packet}"));
            }
        }
    }
    all.into_iter().skip(first).step_by(5).collect()
}

/// What was asked of a network, with whether it was reached. Questions from interfaces that it does
/// not have are left out.
fn verdicts(lines: &str, questions: &[String]) -> Result<Vec<(String, bool)>, TestCaseError> {
    let topology =
        sketch::topology(lines).map_err(|error| TestCaseError::fail(error.to_string()))?;
    let walker = Walker::new(topology);
    let asked = questions.iter().filter_map(|text| {
        let question = sketch::question(walker.topology(), text).ok()?;
        Some((text.clone(), walker.walk(&question).reached()))
    });
    Ok(asked.collect())
}

/// Hops follow each other: the header that leaves one comes to the next.
fn is_continuous(walk: &Walk) -> bool {
    [&walk.forward, &walk.back].into_iter().all(|hops| {
        hops.windows(2).all(|pair| match pair {
            [one, next] => one.outbound.unwrap_or(one.inbound) == next.inbound,
            _ => false,
        })
    })
}

/// The laws say something only if the networks have every way and most obstacles.
#[test]
fn the_generated_networks_are_of_every_kind() {
    let mut found = std::collections::BTreeMap::<String, u32>::new();
    let mut state = 1_u32;
    for _ in 0..300 {
        let mut byte = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        let bytes: Vec<u8> = (0..221).map(|_| byte()).collect();
        let mut dice = Dice(bytes.iter());
        let (questions, lines) = (questions(&mut dice), network(&mut dice));
        let walker = Walker::new(sketch::topology(&lines).unwrap());
        for text in questions {
            let Ok(question) = sketch::question(walker.topology(), &text) else { continue };
            let walk = walker.walk(&question);
            let by = |wanted: fn(&Component) -> bool| {
                walk.forward.iter().any(|hop| wanted(&hop.component))
            };
            let way = match (&walk.explanation, &walk.receiver) {
                (Some(explanation), _) => {
                    format!("{} {:?}", explanation.code, explanation.direction)
                }
                _ if by(|it| matches!(it, Component::NatGateway(_))) => "by NAT".into(),
                _ if by(|it| matches!(it, Component::VpcPeeringConnection(_))) => {
                    "by peering".into()
                }
                (_, Some(receiver)) => {
                    let name = format!("{receiver:?}");
                    name.split(' ').next().unwrap_or_default().to_owned()
                }
                (None, None) => "neither reached nor blocked".into(),
            };
            *found.entry(way).or_default() += 1;
        }
    }
    for way in [
        "by NAT",
        "by peering",
        "GatewayEndpoint",
        "InterfaceEndpoint",
        "Internet",
        "NetworkInterface",
        "Resolver",
        "BAD_STATE Forward",
        "BAD_STATE_ROUTE Forward",
        "BAD_STATE_ROUTE Return",
        "BAD_STATE_ATTACHMENT Forward",
        "ENI_SG_RULES_MISMATCH Forward",
        "SG_REFERENCES_NOT_PRESERVED Forward",
        "NO_ROUTE_TO_DESTINATION Forward",
        "PCX_REQUIRES_ADDRESS_IN_VPC_CIDR Forward",
        "SUBNET_ACL_RESTRICTION Forward",
        "SUBNET_ACL_RESTRICTION Return",
    ] {
        assert!(found.get(way).is_some_and(|count| *count >= 10), "{way}: {found:#?}");
    }
}

proptest! {
    #[test]
    fn it_agrees_with_the_second_evaluator(bytes in proptest::collection::vec(any::<u8>(), 221)) {
        let mut dice = Dice(bytes.iter());
        let (questions, lines) = (questions(&mut dice), network(&mut dice));
        let walker = Walker::new(sketch::topology(&lines).unwrap());
        for text in questions {
            let Ok(question) = sketch::question(walker.topology(), &text) else { continue };
            let walk = walker.walk(&question);
            let second = oracle::reaches(walker.topology(), &question);
            prop_assert_eq!(
                walk.reached(), second, "{}\n{:?}\n{}", text, walk.explanation, lines
            );
            prop_assert!(is_continuous(&walk), "{}\n{:?}", text, walk);
            prop_assert!(walk.reached() != walk.explanation.is_some());
            if let Some(explanation) = &walk.explanation {
                prop_assert!(!explanation.text.is_empty());
                let related: Vec<&Component> =
                    explanation.related.iter().filter(|it| **it == explanation.component).collect();
                prop_assert!(related.is_empty(), "{:?}", explanation);
            }
        }
    }

    #[test]
    fn more_permission_never_closes(
        bytes in proptest::collection::vec(any::<u8>(), 221), more in proptest::collection::vec(any::<u8>(), 8),
    ) {
        let mut dice = Dice(bytes.iter());
        let (questions, lines) = (questions(&mut dice), network(&mut dice));
        let before = verdicts(&lines, &questions)?;
        let mut dice = Dice(more.iter());
        let way = dice.pick(&["in", "out"]);
        let (protocol, peer) = (dice.pick(&PROTOCOLS), dice.pick(&PEERS));
        let group = dice.pick(&["sg-a1", "sg-a2", "sg-b1", "sg-b2"]);
        let rule = format!("{lines}\n{way} {group} {protocol} {peer}");
        let (acl, block) = (dice.pick(&["acl-a1", "acl-b2"]), dice.pick(&PEERS[..6]));
        let entry = format!("{lines}\n{way} {acl} 95 allow {protocol} {block}");
        for after in [verdicts(&rule, &questions)?, verdicts(&entry, &questions)?] {
            for ((question, was), (_, is)) in before.iter().zip(after) {
                prop_assert!(is || !was, "{}", question);
            }
        }
    }

    #[test]
    fn less_permission_never_opens(
        bytes in proptest::collection::vec(any::<u8>(), 221), more in proptest::collection::vec(any::<u8>(), 8),
    ) {
        let mut dice = Dice(bytes.iter());
        let (questions, lines) = (questions(&mut dice), network(&mut dice));
        let before = verdicts(&lines, &questions)?;
        let mut dice = Dice(more.iter());
        let (way, number) = (dice.pick(&["in", "out"]), dice.roll(100));
        let (protocol, block) = (dice.pick(&PROTOCOLS), dice.pick(&PEERS[..6]));
        let acl = dice.pick(&["acl-a1", "acl-a2", "acl-b1", "acl-b2"]);
        let entry = format!("{lines}\n{way} {acl} {number} deny {protocol} {block}");
        let gateway = dice.pick(&["igw-a", "nat-a", "pcx-ab", "vpce-s3-a", "igw-b", "sg-a1", "acl-a1"]);
        let gone = format!("{lines}\ndrop {gateway}");
        for after in [verdicts(&entry, &questions)?, verdicts(&gone, &questions)?] {
            for ((question, was), (_, is)) in before.iter().zip(after) {
                prop_assert!(*was || !is, "{}", question);
            }
        }
    }
}
