//! Laws of the search for a way: it finds one if and only if one of many packets has one, and what it
//! says of one packet is what the walk says of it.

use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;
use sagegate_network::search::{End, Filter, Wanted, search};
use sagegate_network::security_group::{Packet, TCP, UDP};
use sagegate_network::sketch;
use sagegate_network::walk::{Component, Ports, Question, Receiver, Source, Walk, Walker};

use crate::networks::{Dice, network, questions};

/// Ports at the ends of all ranges that generated rules have, and beside them.
const PORTS: [u16; 14] =
    [0, 21, 22, 23, 53, 54, 443, 444, 1023, 1024, 32_768, 60_999, 61_000, 65_535];
/// Hosts on the internet, in and out of all blocks that generated rules and prefix lists have; the
/// lists have the lower halves of two blocks.
const HOSTS: [Ipv4Addr; 6] = [
    Ipv4Addr::new(192, 0, 2, 9),
    Ipv4Addr::new(198, 51, 100, 7),
    Ipv4Addr::new(198, 51, 100, 177),
    Ipv4Addr::new(203, 0, 113, 77),
    Ipv4Addr::new(203, 0, 113, 177),
    Ipv4Addr::new(9, 9, 9, 9),
];

/// Whether a walk goes out by an internet gateway and in again.
fn is_reflected(walk: &Walk) -> bool {
    let out =
        |hop: &&sagegate_network::walk::Hop| matches!(hop.component, Component::InternetGateway(_));
    walk.forward.iter().filter(out).count() > 0
        && !matches!(walk.receiver, Some(Receiver::Internet { .. }))
}

fn arrives(walker: &Walker, wanted: &Wanted, question: &Question) -> bool {
    let walk = walker.walk(question);
    let gateway = |id: &String| {
        walk.forward.iter().any(|hop| hop.component == Component::InternetGateway(id.clone()))
    };
    let from = match &wanted.source {
        End::InternetGateway(id) => gateway(id),
        _ => !is_reflected(&walk),
    };
    let to = match (&wanted.destination, &walk.receiver) {
        (Some(End::Interface(id)), Some(Receiver::NetworkInterface { id: at })) => id == at,
        (Some(End::Endpoint(id)), Some(Receiver::InterfaceEndpoint { id: at, .. })) => id == at,
        (Some(End::InternetGateway(id)), Some(Receiver::Internet { .. })) => gateway(id),
        (None, _) => true,
        _ => false,
    };
    walk.reached() && from && to
}

/// Tries many packets between two ends.
fn any_arrives(walker: &Walker, wanted: &Wanted) -> bool {
    let topology = walker.topology();
    let own = |id: &String| {
        let interface = topology.interfaces.get(id);
        let addresses = interface.into_iter().flat_map(|it| &it.addresses);
        addresses.map(|it| (it.private, it.public)).collect::<Vec<_>>()
    };
    let sources: Vec<Source> = match &wanted.source {
        End::Interface(id) => own(id)
            .into_iter()
            .map(|(address, _)| Source::Interface { id: id.clone(), address })
            .collect(),
        _ => HOSTS.map(|it| Source::Internet { address: IpAddr::V4(it) }).to_vec(),
    };
    let destinations: Vec<IpAddr> = match &wanted.destination {
        Some(End::Interface(id)) if matches!(wanted.source, End::InternetGateway(_)) => {
            own(id).into_iter().filter_map(|(_, public)| public).map(IpAddr::V4).collect()
        }
        Some(End::Interface(id)) => own(id).into_iter().map(|(private, _)| private).collect(),
        Some(End::Endpoint(_)) => vec![IpAddr::from([10, 0, 2, 50])],
        _ => HOSTS.map(IpAddr::V4).to_vec(),
    };
    for source in &sources {
        for destination in &destinations {
            for port in PORTS {
                for source_port in PORTS {
                    let packet = Packet::Port { protocol: wanted.protocol, port };
                    let question = Question {
                        source: source.clone(),
                        destination: *destination,
                        packet,
                        source_port,
                    };
                    if arrives(walker, wanted, &question) {
                        return true;
                    }
                }
            }
        }
    }
    false
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn it_finds_a_way_where_a_packet_has_one(
        bytes in proptest::collection::vec(any::<u8>(), 221), more in proptest::collection::vec(any::<u8>(), 8),
    ) {
        let mut dice = Dice(bytes.iter());
        let lines = network(&mut dice);
        let walker = Walker::new(sketch::topology(&lines).unwrap());
        let mut dice = Dice(more.iter());
        let interface = |dice: &mut Dice<'_>| {
            End::Interface(dice.pick(&["eni-a10", "eni-a20", "eni-b10", "eni-b21"]).to_owned())
        };
        let gateway = |dice: &mut Dice<'_>| End::InternetGateway(dice.pick(&["igw-a", "igw-b"]).to_owned());
        for _ in 0..2 {
            let (source, destination) = match dice.roll(4) {
                0 => (interface(&mut dice), interface(&mut dice)),
                1 => (interface(&mut dice), gateway(&mut dice)),
                2 => (gateway(&mut dice), interface(&mut dice)),
                _ => (interface(&mut dice), End::Endpoint("vpce-sts-a".into())),
            };
            let wanted = Wanted {
                source,
                destination: Some(destination),
                protocol: if dice.likely(4) { TCP } else { UDP },
                at_source: Filter::default(),
                at_destination: Filter::default(),
                through: Vec::new(),
                around: Vec::new(),
            };
            let found = search(&walker, &wanted);
            prop_assert!(!found.exhausted);
            let expected = any_arrives(&walker, &wanted);
            // Some of the ends are not there: then nothing arrives either.
            prop_assert_eq!(found.found(), expected, "{:?}\n{:?}\n{}", wanted, found, lines);
            if found.found() {
                let attempt = found.attempt.unwrap();
                prop_assert!(arrives(&walker, &wanted, &attempt.question));
                prop_assert!(!attempt.source_ports.is_empty() && !attempt.destination_ports.is_empty());
                prop_assert!(!attempt.sources.is_empty() && !attempt.destinations.is_empty());
                // What it stands for goes the same way.
                let last = |ports: &[Ports]| ports.last().map_or(0, |it| it.last);
                let other = Question {
                    packet: Packet::Port {
                        protocol: wanted.protocol,
                        port: last(&attempt.destination_ports),
                    },
                    ..attempt.question.clone()
                };
                prop_assert!(arrives(&walker, &wanted, &other), "{:?}\n{}", other, lines);
                let other =
                    Question { source_port: last(&attempt.source_ports), ..attempt.question };
                prop_assert!(arrives(&walker, &wanted, &other), "{:?}\n{}", other, lines);
            }
        }
    }

    #[test]
    fn of_one_packet_it_says_what_the_walk_says(bytes in proptest::collection::vec(any::<u8>(), 221)) {
        let mut dice = Dice(bytes.iter());
        let (questions, lines) = (questions(&mut dice), network(&mut dice));
        let walker = Walker::new(sketch::topology(&lines).unwrap());
        for text in questions {
            let Ok(question) = sketch::question(walker.topology(), &text) else { continue };
            // By which gateway a packet from the internet comes in, the question does not tell.
            let Source::Interface { .. } = question.source else { continue };
            let Some(wanted) = Wanted::packet(&question, "") else { continue };
            let walk = walker.walk(&question);
            let found = search(&walker, &wanted);
            let expected = walk.reached() && !is_reflected(&walk);
            prop_assert_eq!(found.found(), expected, "{}\n{:?}\n{}", text, found, lines);
            if let (Some(said), Some(attempt), Some(by_walk)) =
                (&found.explanation, &found.attempt, &walk.explanation)
            {
                prop_assert_eq!(&attempt.walk, &walk);
                prop_assert_eq!(said.code, by_walk.code);
            }
        }
    }
}
