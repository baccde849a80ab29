//! The packet walk and the kernel agree, on generated networks: real packets against the model. Each
//! world begins as one network and becomes another, so that differences are tried as well.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "../../network/tests/laws/networks.rs"]
mod networks;
mod world;

use std::fmt::Write as _;

use networks::{Dice, network, questions};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use sagegate_network::security_group::Packet;
use sagegate_network::sketch;
use sagegate_network::walk::{Direction, Receiver, Source, Walk, Walker};
use world::World;

/// Pairs of networks, unless `SAGEGATE_AGREEMENTS` says how many.
const PAIRS: usize = 15;

fn receiver(walk: &Walk) -> Option<String> {
    if !walk.reached() {
        return None;
    }
    Some(match walk.receiver.as_ref()? {
        Receiver::NetworkInterface { id }
        | Receiver::InterfaceEndpoint { id, .. }
        | Receiver::GatewayEndpoint { id } => id.clone(),
        Receiver::Resolver { .. } => "resolver".to_owned(),
        Receiver::Internet { .. } => "internet".to_owned(),
    })
}

/// The kernel may let more through in one case: AWS's NAT gateways take any port from 1024 for what
/// they send on, and ours keeps the sender's, which an ACL may let back in where it stops others.
fn may_be_luckier(walk: &Walk) -> bool {
    let by_nat = walk.forward.iter().any(|hop| hop.component.to_string().starts_with("nat-"));
    by_nat && walk.explanation.as_ref().is_some_and(|it| it.direction == Direction::Return)
}

#[test]
fn the_walk_and_the_kernel_agree() {
    let pairs = std::env::var("SAGEGATE_AGREEMENTS").map_or(PAIRS, |text| text.parse().unwrap());
    // The same networks in every run; a number of one's own gives others.
    let seed =
        std::env::var("SAGEGATE_AGREEMENT_SEED").map_or(1, |text| text.parse::<u8>().unwrap());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let bytes = proptest::collection::vec(proptest::num::u8::ANY, 400);
    let (mut asked, mut reached, mut wrong) = (0, 0, String::new());
    for _ in 0..pairs {
        let mut world: Option<World> = None;
        for _ in 0..2 {
            let rolled = bytes.new_tree(&mut runner).unwrap().current();
            let mut dice = Dice(rolled.iter());
            let lines = network(&mut dice);
            let topology = sketch::topology(&lines).unwrap();
            let walker = Walker::new(topology.clone());
            match &mut world {
                None => {
                    let Some(made) = World::make(topology) else { return };
                    world = Some(made);
                }
                Some(world) => {
                    world.topology = topology;
                    world.apply();
                }
            }
            let world = world.as_ref().unwrap();
            for text in questions(&mut dice).into_iter().step_by(3) {
                let Ok(question) = sketch::question(&world.topology, &text) else { continue };
                let pool = question.destination.to_string().starts_with("203.0.113.");
                let nobody = walker.public_holder(question.destination).is_none();
                // What the internet has there changes from network to network.
                if !matches!(question.packet, Packet::Port { .. }) || (pool && nobody) {
                    continue;
                }
                if matches!(question.source, Source::Internet { address } if address == question.destination)
                {
                    continue;
                }
                let walk = walker.walk(&question);
                let expected = receiver(&walk);
                let got = world.try_out(&question, expected.is_some());
                asked += 1;
                reached += usize::from(expected.is_some());
                if got != expected && !(expected.is_none() && may_be_luckier(&walk)) {
                    let why = walk.explanation.map(|it| it.text).unwrap_or_default();
                    let _ = writeln!(
                        wrong,
                        "{lines}\nask: {text}\nmodel:  {expected:?} {why}\nkernel: {got:?}\n"
                    );
                }
            }
        }
    }
    println!("{} networks, {asked} questions, {reached} of them reached", 2 * pairs);
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(reached * 10 > asked, "{reached} of {asked}: hardly anything is open");
}
