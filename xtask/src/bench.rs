//! `cargo xtask bench`: figures, for a person to read. Nothing fails because a machine is slow.

use std::path::Path;
use std::process::Command;

use crate::remote;
use crate::tidy;
use crate::tools::{self, NFT, NGINX, program, run};

/// moto, the release whose policies are kept here as well.
const MOTO: &str = "moto[server]==5.2.5\n";

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only the parts whose name contains this: decisions, walks, writes, channel, fabric,
    /// remote, http.
    #[arg(long)]
    only: Option<String>,
    /// What follows is handed to the load generator, as in `-- --rounds 9 --seconds 5`.
    #[arg(last = true)]
    load: Vec<String>,
}

type Part = (&'static str, fn(&Path, &Arguments) -> anyhow::Result<()>);

const PARTS: &[Part] = &[
    ("decisions", |root, _| run(cargo(root).args(["bench", "-p", "sagegate-policy"]))),
    ("walks", |root, _| run(cargo(root).args(["bench", "-p", "sagegate-network"]))),
    ("writes", |root, _| run(cargo(root).args(["bench", "-p", "sagegate-store"]))),
    ("channel", |root, _| {
        run(cargo(root).args(["bench", "-p", "sagegate-workloads", "--bench", "channel"]))
    }),
    ("remote", |root, _| remote::measure(root, &[])),
    ("fabric", |root, _| {
        if cfg!(target_os = "linux") {
            program(NFT)?;
        }
        run(cargo(root).args(["bench", "-p", "sagegate-fabric", "--bench", "fabric"]))
    }),
    ("http", http),
];

/// Runs the parts in order.
pub(crate) fn run_all(arguments: &Arguments) -> anyhow::Result<()> {
    let root = tidy::root()?;
    for (name, part) in PARTS {
        if arguments.only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
            continue;
        }
        println!("== {name}");
        part(&root, arguments)?;
    }
    Ok(())
}

fn cargo(root: &Path) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(root);
    command
}

fn http(root: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    let nginx = program(NGINX)?;
    let python = tools::environment(&root.join(".venv-bench"), MOTO)?;
    run(cargo(root).args(["build", "--release", "-p", "sagegate", "-p", "sagegate-load"]))?;
    let built = tidy::target(root).join("release");
    run(Command::new(built.join("sagegate-load"))
        .arg("--sagegate")
        .arg(built.join("sagegate"))
        .arg("--nginx")
        .arg(nginx)
        .arg("--moto")
        .arg(python.with_file_name("moto_server"))
        .args(&arguments.load))
}
