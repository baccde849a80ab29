//! Laws of the packet walk, on generated networks: it agrees with a second evaluator that is
//! written from the documentation's conditions instead of step by step, and more permission never
//! closes what was open.

mod networks;
mod oracle;
mod search;

use networks::{Dice, PEERS, PROTOCOLS, network, questions};
use proptest::prelude::*;
use sagegate_network::sketch;
use sagegate_network::walk::{Component, Walk, Walker};

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
