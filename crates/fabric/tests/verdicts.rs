//! The set-ups whose verdicts AWS's documentation gives, in the kernel: real packets get as far as
//! the packet walk says.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "../../network/tests/verdicts/cases.rs"]
mod cases;
mod world;

use std::fmt::Write as _;

use sagegate_network::security_group::Packet;
use sagegate_network::sketch;
use world::World;

/// Where the kernel does more than the documentation promises: AWS's NAT gateways take any port from
/// 1024 for what they send on, so that all of these must be let back in; ours keeps the sender's.
const LUCKIER: &[&str] = &["the answer needs the ports 1024-65535 into its subnet"];

#[test]
fn the_kernel_does_what_the_documentation_says() {
    let mut wrong = String::new();
    let (mut asked, mut left_out) = (0, 0);
    for (file, cases) in cases::files() {
        for case in cases {
            let place = format!("{file}: {}", case.name);
            assert!(!case.source.is_empty(), "{place}: no source");
            let topology = sketch::topology(&case.lines).unwrap_or_else(|e| panic!("{place}: {e}"));
            let Some(world) = World::make(topology) else { return };
            for (text, verdict) in &case.asked {
                let question = sketch::question(&world.topology, text).unwrap();
                // Other protocols have no sockets that everybody may open.
                if !matches!(question.packet, Packet::Port { .. }) {
                    left_out += 1;
                    continue;
                }
                asked += 1;
                let expected = verdict.strip_prefix("reached ");
                let got = world.try_out(&question, expected.is_some());
                let luckier = expected.is_none() && LUCKIER.contains(&case.name.as_str());
                if got.as_deref() != expected && !luckier {
                    let got = got.map_or("nobody".to_owned(), |it| format!("reached {it}"));
                    let _ = writeln!(
                        wrong,
                        "{place}\n  {text}\n  documented: {verdict}\n  kernel:     {got}"
                    );
                }
            }
        }
    }
    println!("{asked} questions, {left_out} of other protocols left out");
    assert!(asked >= 100, "{asked} questions");
    assert!(wrong.is_empty(), "\n{wrong}");
}
