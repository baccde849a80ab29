//! Walks per second in a VPC of 200 subnets, whose interfaces have 300 rules each, and what it costs
//! to make such a topology ready and to derive the condition keys of an arrival.
//!
//! `cargo bench -p sagegate-network`. Goals: 10,000 walks/s, 5 µs for the keys.

use std::fmt::Write as _;
use std::hint::black_box;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sagegate_network::sketch::{self, SketchError};
use sagegate_network::walk::{Question, Walker};

const SUBNETS: usize = 200;
/// Five groups of an interface, with 60 rules each in each direction.
const GROUPS: usize = 5;
const RULES: usize = 60;

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> Instant {
    Instant::now()
}

/// Nanoseconds for one of `count`: the median of rounds of at least 20 ms.
fn measure(mut round: impl FnMut() -> u32) -> f64 {
    let mut rounds = Vec::new();
    for _ in 0..9 {
        let start = now();
        let mut count = 0_u32;
        while start.elapsed() < Duration::from_millis(20) {
            count += round();
        }
        rounds.push(start.elapsed().as_secs_f64() * 1e9 / f64::from(count.max(1)));
    }
    rounds.sort_by(f64::total_cmp);
    rounds.get(rounds.len() / 2).copied().unwrap_or_default()
}

/// Rules that do not match come first, so that the last one of the last group decides. A fifth of
/// them name groups, a fifth prefix lists.
fn network() -> String {
    let mut text = String::from(
        "vpc vpc-a 10.0.0.0/16 igw=igw-a\nvpc vpc-b 10.1.0.0/16\npcx pcx-ab vpc-a vpc-b\n",
    );
    let mut line = |line: String| {
        let _ = writeln!(text, "{line}");
    };
    let blocks: Vec<String> = (0..60).map(|it| format!("198.18.{it}.0/24")).collect();
    line(format!("pl pl-s3 {}", blocks.join(",")));
    line("gateway vpce-s3 vpc-a com.amazonaws.us-west-2.s3 pl-s3".to_owned());
    for group in 0..GROUPS {
        line(format!("sg sg-{group} vpc-a"));
        for way in ["in", "out"] {
            for rule in 0..RULES {
                let last = group + 1 == GROUPS && rule + 1 == RULES;
                let (port, peer) = match rule % 5 {
                    _ if last => ("443".to_owned(), "0.0.0.0/0".to_owned()),
                    0 => ("443".to_owned(), format!("sg-other{rule}")),
                    1 => ("443".to_owned(), format!("pl-none{rule}")),
                    2 => (format!("{}", 8000 + rule), "10.0.0.0/8".to_owned()),
                    _ => ("443".to_owned(), format!("172.16.{rule}.0/24")),
                };
                line(format!("{way} sg-{group} tcp:{port} {peer}"));
            }
        }
    }
    for way in ["in", "out"] {
        for number in 0..19 {
            line(format!("{way} acl-a {} deny tcp:22 192.0.2.{number}/32", number + 1));
        }
        line(format!("{way} acl-a 100 allow all 0.0.0.0/0"));
    }
    for subnet in 0..SUBNETS {
        let groups: Vec<String> = (0..GROUPS).map(|group| format!("sg-{group}")).collect();
        let nat = if subnet == 0 { "igw-a" } else { "nat-a" };
        line(format!("rtb rtb-{subnet} vpc-a 0.0.0.0/0>{nat} 10.1.0.0/16>pcx-ab pl-s3>vpce-s3"));
        line(format!("subnet subnet-{subnet} vpc-a 10.0.{subnet}.0/24 rtb=rtb-{subnet} acl=acl-a"));
        line(format!("eni eni-{subnet} subnet-{subnet} 10.0.{subnet}.10 sg={}", groups.join(",")));
    }
    line("nat nat-a subnet-0 10.0.0.5 public=203.0.113.5".to_owned());
    line(
        "endpoint vpce-sts vpc-a com.amazonaws.us-west-2.sts subnet-1=10.0.1.50 sg=sg-4".to_owned(),
    );
    text
}

fn main() -> Result<(), SketchError> {
    let topology = Arc::new(sketch::topology(&network())?);
    let build = measure(|| {
        black_box(Walker::new(Arc::clone(black_box(&topology))));
        1
    });
    let walker = Walker::new(Arc::clone(&topology));
    let to = |to: &dyn Fn(usize) -> String| -> Result<Vec<Question>, SketchError> {
        (1..SUBNETS)
            .map(|from| sketch::question(&topology, &format!("eni-{from} > {} tcp:443", to(from))))
            .collect()
    };
    println!("{SUBNETS} subnets, {} rules for an interface in each direction", GROUPS * RULES);
    println!("{:<28} {:>10} {:>12}", "walk", "µs", "walks/s");
    let kinds = [
        ("to another subnet", to(&|from| format!("10.0.{}.10", (from * 7 + 1) % SUBNETS))?),
        ("through NAT to the internet", to(&|_| "192.0.2.77".to_owned())?),
        ("to an interface endpoint", to(&|_| "10.0.1.50".to_owned())?),
        ("to a gateway endpoint", to(&|from| format!("198.18.{}.9", from % 60))?),
        ("to nobody", to(&|_| "10.0.3.99".to_owned())?),
    ];
    for (name, questions) in &kinds {
        let time = measure(|| {
            for question in questions {
                black_box(walker.walk(black_box(question)));
            }
            u32::try_from(questions.len()).unwrap_or(1)
        });
        println!("{name:<28} {:>10.1} {:>12.0}", time / 1e3, 1e9 / time);
    }
    println!("making the topology ready: {:.1} ms", build / 1e6);

    let endpoint: IpAddr = IpAddr::from([10, 0, 1, 50]);
    let question = sketch::question(&topology, &format!("eni-9 > {endpoint} tcp:443"))?;
    let walk = walker.walk(&question);
    let keys = measure(|| {
        for _ in 0..100 {
            let arrival = walker.arrival(black_box(&question), black_box(&walk), "us-west-2");
            black_box(arrival.map(|arrival| arrival.keys()));
        }
        100
    });
    println!("arrival and its keys after a walk: {:.2} µs", keys / 1e3);
    let arrival = walker.arrival(&question, &walk, "us-west-2");
    let alone = measure(|| {
        for _ in 0..100 {
            black_box(black_box(&arrival).as_ref().map(sagegate_network::Arrival::keys));
        }
        100
    });
    println!("keys of an arrival: {:.2} µs", alone / 1e3);
    Ok(())
}
