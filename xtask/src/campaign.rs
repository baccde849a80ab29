//! `cargo xtask campaign`: what takes longer than CI has, by the hour, with a report at the end.

use std::process::Command;
use std::thread;

use anyhow::ensure;

use crate::tools::{python, run};
use crate::{fuzz, tidy};

/// Cases of each property test.
const CASES: &str = "20000";

/// For how long.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How long the fuzz targets run, all together.
    #[arg(long, default_value_t = 1.0)]
    hours: f64,
}

/// Property tests with many cases, then all fuzz targets; both are run, whatever the first finds.
pub(crate) fn run_all(arguments: &Arguments) -> anyhow::Result<()> {
    let root = tidy::root()?;
    let python = python(&root)?;
    let properties = run(Command::new("cargo")
        .current_dir(&root)
        .args(["test", "--workspace", "--release", "--no-fail-fast", "--quiet"])
        .env("PROPTEST_CASES", CASES)
        .env("SAGEGATE_PYTHON", python));

    let side_by_side = thread::available_parallelism().map_or(1, usize::from);
    let turns = fuzz::count().div_ceil(side_by_side);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a few hours in seconds"
    )]
    let seconds = (arguments.hours * 3600.0 / turns as f64) as u64;
    let fuzzed = fuzz::run_all(&root, seconds.max(1), None);

    println!("\n== report");
    match &properties {
        Ok(()) => println!("properties: all hold with {CASES} cases each"),
        Err(error) => println!("properties: {error:#}"),
    }
    match &fuzzed {
        Ok(outcomes) => {
            println!("fuzz targets, {seconds} s each: nothing found");
            for outcome in outcomes {
                println!("  {outcome}");
            }
        }
        Err(error) => println!("fuzz targets, {seconds} s each: {error:#}"),
    }
    ensure!(properties.is_ok() && fuzzed.is_ok(), "the campaign found something");
    Ok(())
}
