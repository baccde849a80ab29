//! `cargo xtask test`: everything that must hold before a change lands. CI runs this and nothing
//! else.

use std::path::Path;
use std::process::Command;

use anyhow::Context;

use crate::remote::PLUGIN;
use crate::tools::{CHROMEDRIVER, CHROMIUM, CURL, DIG, NFT, PING, SSH, apps, program, python, run};
use crate::{dependencies, fuzz, generate, managed_policies, tidy};

/// What to run, and for how long.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only the parts whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// How long each fuzz target runs.
    #[arg(long, default_value_t = 10)]
    fuzz_seconds: u64,
}

type Part = (&'static str, fn(&Path, &Arguments) -> anyhow::Result<()>);

const PARTS: &[Part] = &[
    ("format", |root, _| {
        run(cargo(root).args(["fmt", "--all", "--check"]))?;
        fuzz::check_format(root)
    }),
    ("tidy", |_, _| tidy::run()),
    ("dependencies", |root, _| dependencies::check(root)),
    ("generate", |_, _| {
        generate::run(&generate::Arguments::check())?;
        managed_policies::run(&managed_policies::Arguments::check())
    }),
    ("clippy", |root, _| {
        run(cargo(root).args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
    }),
    ("unit", unit),
    ("fuzz", fuzz),
    ("end-to-end", end_to_end),
];

/// Runs the parts in order; the first that fails ends it.
pub(crate) fn run_all(arguments: &Arguments) -> anyhow::Result<()> {
    let root = tidy::root()?;
    for (name, part) in PARTS {
        if arguments.only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
            continue;
        }
        println!("== {name}");
        part(&root, arguments).with_context(|| format!("the part {name:?} failed"))?;
    }
    println!("== all parts passed");
    Ok(())
}

fn cargo(root: &Path) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(root);
    command
}

fn unit(root: &Path, _: &Arguments) -> anyhow::Result<()> {
    let python = python(root)?;
    program(SSH)?;
    if cfg!(target_os = "linux") {
        program(NFT)?;
    }
    run(cargo(root)
        .args(["test", "--workspace", "--quiet"])
        .env("SAGEGATE_PYTHON", python)
        .env("SAGEGATE_TEST_APPS", apps(root)?))
}

fn fuzz(root: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    for outcome in fuzz::run_all(root, arguments.fuzz_seconds, Some(fuzz::TEST_SEED))? {
        println!("{outcome}");
    }
    Ok(())
}

fn end_to_end(root: &Path, _: &Arguments) -> anyhow::Result<()> {
    let python = python(root)?;
    let browser = program(CHROMIUM)?;
    let driver = program(CHROMEDRIVER)?;
    program(SSH)?;
    if cfg!(target_os = "linux") {
        for needed in [NFT, DIG, CURL, PING] {
            program(needed)?;
        }
    }
    // The second stands in for the Session Manager plugin, which no package brings. In one call, since
    // apart each would have its dependencies built with other features.
    run(cargo(root)
        .args(["build", "--release", "-p", "sagegate", "-p", "sagegate-dial"])
        .args(["--bin", "sagegate", "--bin", PLUGIN]))?;
    let target = tidy::target(root);
    run(Command::new(python)
        .current_dir(root.join("tests"))
        .args(["-m", "pytest", "-q", "--durations=5"])
        .env("SAGEGATE", target.join("release/sagegate"))
        .env("SAGEGATE_TEST_PLUGIN", target.join("release").join(PLUGIN))
        .env("SAGEGATE_TEST_APPS", apps(root)?)
        .env("SAGEGATE_CHROMIUM", browser)
        .env("SAGEGATE_CHROMEDRIVER", driver))
}
