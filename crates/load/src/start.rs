//! How long a start takes, and what a server needs that has nothing to do.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::answer::Connection;
use crate::report::millis;
use crate::servers::{Sagegate, ask};
use crate::sign::Call;

/// How long the server has nothing to do before its memory is looked at again.
const IDLE: Duration = Duration::from_secs(10);

/// Prints the time from the start of the process to its first answer, and its memory.
pub(crate) fn report(program: &Path, starts: usize) -> anyhow::Result<()> {
    let size = std::fs::metadata(program).with_context(|| program.display().to_string())?.len();
    println!("\nbinary: {:.1} MiB", mebibytes(size));
    let mut fresh = Vec::new();
    let mut again = Vec::new();
    for _ in 0..starts {
        let directory = tempfile::tempdir()?;
        fresh.push(first_answer(program, directory.path())?);
        again.push(first_answer(program, directory.path())?);
    }
    for (what, mut times) in [("over a new directory", fresh), ("over an old directory", again)] {
        times.sort_unstable();
        let at = |part: usize| {
            let time = times.get((times.len() * part / 100).min(times.len().saturating_sub(1)));
            time.copied().map_or(0.0, millis)
        };
        println!(
            "start to first answer, {what}: median {:.1} ms, {:.1} to {:.1} ms, {starts} starts",
            at(50),
            at(0),
            at(100)
        );
    }
    let server = Sagegate::start(program, &[])?;
    let started = memory(server.process.id());
    std::thread::sleep(IDLE);
    let idle = memory(server.process.id());
    match started.zip(idle) {
        Some((started, idle)) => println!(
            "resident memory: {:.1} MiB after the start, {:.1} MiB after {IDLE:?} of nothing",
            mebibytes(started),
            mebibytes(idle)
        ),
        None => println!("resident memory: this system does not tell it in /proc"),
    }
    Ok(())
}

fn first_answer(program: &Path, directory: &Path) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let server = Sagegate::start_in(program, directory, &[])?;
    let root = server.root()?;
    let call = Call::form("sts:GetCallerIdentity", "sts", "2011-06-15", &[]);
    ask(&mut Connection::new(server.address), server.address, &root, &call)?;
    Ok(begun.elapsed())
}

/// Resident bytes of a process.
fn memory(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[expect(clippy::cast_precision_loss, reason = "for a person to read")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1024 * 1024)
}
