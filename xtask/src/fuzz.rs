//! `cargo xtask fuzz`: the fuzz targets of `fuzz/`, on stable Rust.
//!
//! libFuzzer is linked in and led by the coverage that LLVM's own pass counts. cargo-fuzz is not
//! needed for that, and no sanitizer: there is no unsafe code, so what is looked for are panics,
//! broken laws, hangs and memory without bound.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, bail, ensure};

use crate::tidy;
use crate::tools::{CXX, program, run};

/// All targets, each a file of `fuzz/src`.
const TARGETS: &[&str] = &[
    "policy",
    "policy_lines",
    "sigv4",
    "json",
    "query",
    "ec2",
    "rest_xml",
    "http",
    "channel_frame",
    "channel_machines",
    "ssh_transport",
    "ssh_channels",
    "ssh_files",
];

/// Counts edges and shows comparisons to libFuzzer.
const FLAGS: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
    "--cfg=fuzzing",
];

/// Which targets to run, and for how long.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The targets; all when none is named.
    targets: Vec<String>,
    /// How long each runs.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Where the random numbers start; chosen by libFuzzer when it is not given.
    #[arg(long)]
    seed: Option<u32>,
    /// Run one target on this input only.
    #[arg(long)]
    replay: Option<PathBuf>,
}

/// The seed of a test run: from the same corpus, the same inputs in the same order, so that a
/// change is not refused for what chance has found in older code. `cargo xtask fuzz` and the
/// campaign look further.
pub(crate) const TEST_SEED: u32 = 1;

/// What a run of a target came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    target: &'static str,
    inputs: String,
    per_second: String,
    edges: String,
    corpus: String,
}

/// Runs the command.
pub(crate) fn run_command(arguments: &Arguments) -> anyhow::Result<()> {
    let root = tidy::root()?;
    let targets = chosen(&arguments.targets)?;
    if let Some(input) = &arguments.replay {
        let [target] = targets.as_slice() else { bail!("name the target that the input is for") };
        let input = fs::canonicalize(input).with_context(|| input.display().to_string())?;
        let place = Place::build(&root)?;
        return run(Command::new(place.binary(target)).arg(input));
    }
    for outcome in run_targets(&root, &targets, arguments.seconds, arguments.seed)? {
        println!("{outcome}");
    }
    Ok(())
}

/// Runs all targets.
pub(crate) fn run_all(
    root: &Path,
    seconds: u64,
    seed: Option<u32>,
) -> anyhow::Result<Vec<Outcome>> {
    run_targets(root, TARGETS, seconds, seed)
}

/// How many targets there are.
pub(crate) fn count() -> usize {
    TARGETS.len()
}

/// `cargo fmt` does not look into another workspace.
pub(crate) fn check_format(root: &Path) -> anyhow::Result<()> {
    let mut sources = Vec::new();
    for entry in fs::read_dir(root.join("fuzz/src"))? {
        sources.push(entry?.path());
    }
    run(Command::new("rustfmt").args(["--edition", "2024", "--check"]).args(sources))
}

fn chosen(names: &[String]) -> anyhow::Result<Vec<&'static str>> {
    if names.is_empty() {
        return Ok(TARGETS.to_vec());
    }
    let find = |name: &String| {
        let found = TARGETS.iter().copied().find(|target| target == name);
        found.with_context(|| format!("there is no target {name:?}; there are {TARGETS:?}"))
    };
    names.iter().map(find).collect()
}

/// Runs targets side by side, one on each processor.
fn run_targets(
    root: &Path,
    targets: &[&'static str],
    seconds: u64,
    seed: Option<u32>,
) -> anyhow::Result<Vec<Outcome>> {
    let place = Place::build(root)?;
    let waiting = Mutex::new(targets.iter().copied().collect::<VecDeque<_>>());
    let outcomes = Mutex::new(Vec::new());
    let work = || {
        loop {
            // The lock is let go before the target runs.
            let next = waiting.lock().ok().and_then(|mut waiting| waiting.pop_front());
            let Some(target) = next else { return };
            let outcome = place.fuzz(target, seconds, seed);
            if let Ok(mut outcomes) = outcomes.lock() {
                outcomes.push(outcome);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from).min(targets.len()) {
            scope.spawn(work);
        }
    });
    let outcomes = outcomes.into_inner().unwrap_or_default();
    ensure!(outcomes.len() == targets.len(), "a fuzz target was not run");
    let mut good = Vec::new();
    let mut findings = 0;
    for outcome in outcomes {
        match outcome {
            Ok(outcome) => good.push(outcome),
            Err(error) => {
                findings += 1;
                eprintln!("{error:#}");
            }
        }
    }
    ensure!(findings == 0, "{findings} fuzz target(s) found something");
    Ok(good)
}

/// Where the targets are built and run.
struct Place {
    fuzz: PathBuf,
    work: PathBuf,
    binaries: PathBuf,
}

impl Place {
    fn build(root: &Path) -> anyhow::Result<Self> {
        program(CXX)?;
        let fuzz = root.join("fuzz");
        let work = tidy::target(root).join("fuzz");
        fs::create_dir_all(&work)?;
        copy_lock(root, &fuzz, &work)?;
        let host = host()?;
        // With a named target, the flags are kept from build scripts and macros.
        run(Command::new("cargo")
            .current_dir(&fuzz)
            .args(["build", "--release", "--target", &host])
            .env("CARGO_TARGET_DIR", &work)
            .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}")))?;
        let binaries = work.join(host).join("release");
        Ok(Self { fuzz, work, binaries })
    }

    fn binary(&self, target: &str) -> PathBuf {
        self.binaries.join(target)
    }

    fn fuzz(
        &self,
        target: &'static str,
        seconds: u64,
        seed: Option<u32>,
    ) -> anyhow::Result<Outcome> {
        let corpus = self.work.join("corpus").join(target);
        let findings = self.work.join("findings");
        let log = self.work.join(format!("{target}.log"));
        fs::create_dir_all(&corpus)?;
        fs::create_dir_all(&findings)?;
        let written = File::create(&log)?;
        let mut command = Command::new(self.binary(target));
        command
            .arg(&corpus)
            .arg(self.fuzz.join("seeds").join(target))
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-artifact_prefix={}/{target}-", findings.display()))
            // An input that takes a second is a way to stop the server.
            .args(["-timeout=5", "-rss_limit_mb=1024", "-max_len=16384", "-print_final_stats=1"])
            .stderr(written.try_clone()?)
            .stdout(written);
        if let Some(seed) = seed {
            command.arg(format!("-seed={seed}"));
        }
        let dictionary = self.fuzz.join("dictionaries").join(target);
        if dictionary.is_file() {
            command.arg(format!("-dict={}", dictionary.display()));
        }
        let status = command.status().with_context(|| format!("the fuzz target {target}"))?;
        let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
        if !status.success() {
            let tail: Vec<&str> = text.lines().rev().take(40).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            let input = text.lines().find_map(|line| line.split_once("Test unit written to "));
            let input = input.map_or("", |(_, path)| path);
            // The file may be on a machine that is gone once this is read.
            let bytes = fs::read(input).unwrap_or_default();
            bail!(
                "{}\nthe fuzz target {target} found something: {status}\ninput:  {input}\n\
                 bytes:  \"{}\"\nreplay: cargo xtask fuzz {target} --replay {input}",
                tail.join("\n"),
                bytes.escape_ascii()
            );
        }
        Ok(Outcome {
            target,
            inputs: statistic(&text, "stat::number_of_executed_units:"),
            per_second: statistic(&text, "stat::average_exec_per_sec:"),
            edges: statistic(&text, " cov:"),
            corpus: statistic(&text, " corp:"),
        })
    }
}

/// The word after the last occurrence of a label.
fn statistic(log: &str, label: &str) -> String {
    let after = log.rsplit_once(label).map_or("?", |(_, after)| after);
    after.split_whitespace().next().unwrap_or("?").to_owned()
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { target, inputs, per_second, edges, corpus } = self;
        write!(
            f,
            "{target:<14} {inputs:>10} inputs {per_second:>8}/s {edges:>7} edges, corpus {corpus}"
        )
    }
}

/// What is fuzzed is built of the dependencies that are shipped: the lock file starts as the root's,
/// whenever that has changed.
fn copy_lock(root: &Path, fuzz: &Path, work: &Path) -> anyhow::Result<()> {
    let wanted = fs::read(root.join("Cargo.lock")).context("Cargo.lock")?;
    let stamp = work.join("Cargo.lock.root");
    let lock = fuzz.join("Cargo.lock");
    if lock.is_file() && fs::read(&stamp).is_ok_and(|have| have == wanted) {
        return Ok(());
    }
    fs::write(&lock, &wanted)?;
    fs::write(stamp, wanted)?;
    Ok(())
}

fn host() -> anyhow::Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("rustc -vV")?;
    let text = String::from_utf8(output.stdout)?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc -vV names no host")?.to_owned())
}
