//! `cargo xtask campaign`: what takes longer than CI has, by the hour, with a report at the end.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, ensure};

use crate::tools::{NFT, SSH, apps, program, python, run};
use crate::{fuzz, remote, tidy};

/// Cases of each property test in a round. Those that bring a number of their own keep it, which is why
/// there are rounds: each takes other cases.
const CASES: &str = "2000";

/// What to run, and for how long.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How long each part goes on that has no end of its own; what has begun by then is finished.
    #[arg(long, default_value_t = 60)]
    minutes: u64,
    /// Only the parts whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// What goes through a session of remote access each way, in units of 1,000,000,000 bytes.
    #[arg(long, default_value_t = 10.0)]
    gigabytes: f64,
}

impl Arguments {
    fn long(&self) -> Duration {
        Duration::from_secs(self.minutes.saturating_mul(60))
    }
}

/// A part, which answers what the report says of it.
type Part = (&'static str, fn(&Path, &Arguments) -> anyhow::Result<String>);

const PARTS: &[Part] = &[
    ("properties", properties),
    ("networks", networks),
    ("fuzz targets", fuzz_targets),
    ("remote access", carried),
];

/// Runs the parts, each to its end whatever another finds.
pub(crate) fn run_all(arguments: &Arguments) -> anyhow::Result<()> {
    let root = tidy::root()?;
    let chosen = |name: &str| arguments.only.as_ref().is_none_or(|only| name.contains(only));
    let mut outcomes = Vec::new();
    for (name, part) in PARTS.iter().filter(|(name, _)| chosen(name)) {
        println!("== {name}");
        outcomes.push((name, part(&root, arguments)));
    }
    println!("\n== report");
    for (name, outcome) in &outcomes {
        match outcome {
            Ok(text) => println!("{name}: {text}"),
            Err(error) => println!("{name}: {error:#}"),
        }
    }
    let names: Vec<_> = PARTS.iter().map(|(name, _)| name).collect();
    ensure!(!outcomes.is_empty(), "no part is called so; there are {names:?}");
    ensure!(outcomes.iter().all(|(_, it)| it.is_ok()), "the campaign found something");
    Ok(())
}

/// All tests with many cases for each property, round after round.
fn properties(root: &Path, arguments: &Arguments) -> anyhow::Result<String> {
    let python = python(root)?;
    let apps = apps(root)?;
    program(SSH)?;
    let tests = |more: &[&str]| {
        let mut command = Command::new("cargo");
        command
            .current_dir(root)
            .args(["test", "--workspace", "--release", "--no-fail-fast", "--quiet"])
            .args(more)
            .env("PROPTEST_CASES", CASES)
            .env("SAGEGATE_PYTHON", &python)
            .env("SAGEGATE_TEST_APPS", &apps);
        run(&mut command)
    };
    // Compiling does not count.
    tests(&["--no-run"])?;
    #[expect(
        clippy::disallowed_methods,
        reason = "a developer's command, whose rounds go by the clock"
    )]
    let start = Instant::now();
    let mut rounds = 0_u32;
    while rounds == 0 || start.elapsed() < arguments.long() {
        rounds += 1;
        tests(&[]).with_context(|| format!("in round {rounds}"))?;
    }
    let minutes = start.elapsed().as_secs() / 60;
    Ok(format!("all hold in {rounds} rounds with {CASES} cases each, {minutes} minutes"))
}

/// A thousand generated networks in the model and in the kernel: other ones than CI's, and other ones
/// each day.
#[expect(clippy::disallowed_methods, reason = "a developer's command: the day is the seed")]
fn networks(root: &Path, _: &Arguments) -> anyhow::Result<String> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let seed = (now.as_secs() / 86_400 % 255) + 1;
    if cfg!(target_os = "linux") {
        program(NFT)?;
    }
    run(Command::new("cargo")
        .current_dir(root)
        .args(["test", "--release", "-p", "sagegate-fabric", "--test", "agreement"])
        .args(["--", "--nocapture"])
        .env("SAGEGATE_AGREEMENTS", "500")
        .env("SAGEGATE_AGREEMENT_SEED", seed.to_string()))?;
    Ok(format!("walk and kernel agree on 1,000 networks, seed {seed}"))
}

/// All fuzz targets, from other random numbers each time.
fn fuzz_targets(root: &Path, arguments: &Arguments) -> anyhow::Result<String> {
    let side_by_side = thread::available_parallelism().map_or(1, usize::from);
    let turns = u64::try_from(fuzz::count().div_ceil(side_by_side))?;
    let seconds = (arguments.long().as_secs() / turns.max(1)).max(1);
    let mut text = format!("nothing found in {seconds} s each");
    for outcome in fuzz::run_all(root, seconds, None)? {
        write!(text, "\n  {outcome}")?;
    }
    Ok(text)
}

/// Through a session of `sagegate connect`, each way: what arrives must be what was sent.
fn carried(root: &Path, arguments: &Arguments) -> anyhow::Result<String> {
    let gigabytes = arguments.gigabytes.to_string();
    remote::measure(root, &["--campaign".into(), gigabytes.into()])?;
    Ok("what was sent has arrived; the figures are above".into())
}
