//! `cargo xtask tidy`: rules of the house that a compiler does not check.
//!
//! - hand-written Rust and Python files stay under 600 lines;
//! - crates depend on each other only along the arrows of ARCHITECTURE.md;
//! - no file names a host of a package registry, or a path of the machine it was written on.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use serde::Deserialize;

/// Lines that a hand-written file may have.
const LINES: usize = 600;

/// Which crate of the workspace may depend on which. A crate that is missing here fails the check,
/// so that a new room is put on the map before it is used.
const ARROWS: &[(&str, &[&str])] = &[
    ("sagegate-model", &[]),
    ("sagegate-policy", &[]),
    ("sagegate-network", &[]),
    ("sagegate-store", &[]),
    ("sagegate-channel", &[]),
    ("sagegate-dial", &["sagegate-channel"]),
    ("sagegate-ssh", &[]),
    ("sagegate-api", &["sagegate-model"]),
    ("sagegate-wire", &["sagegate-model"]),
    (
        "sagegate-gate",
        &[
            "sagegate-api",
            "sagegate-model",
            "sagegate-network",
            "sagegate-policy",
            "sagegate-store",
            "sagegate-wire",
        ],
    ),
    (
        "sagegate-services",
        &[
            "sagegate-api",
            "sagegate-gate",
            "sagegate-model",
            "sagegate-network",
            "sagegate-policy",
            "sagegate-store",
        ],
    ),
    ("sagegate-load", &["sagegate-wire"]),
    ("sagegate-agent", &["sagegate-ssh"]),
    ("sagegate-fabric", &["sagegate-network"]),
    ("sagegate-doctor", &["sagegate-network"]),
    ("sagegate-map", &["sagegate-network"]),
    (
        "sagegate-workloads",
        &[
            "sagegate-agent",
            "sagegate-api",
            "sagegate-channel",
            "sagegate-dial",
            "sagegate-gate",
            "sagegate-model",
            "sagegate-network",
            "sagegate-services",
            "sagegate-store",
        ],
    ),
    (
        "sagegate-console",
        &[
            "sagegate-api",
            "sagegate-gate",
            "sagegate-network",
            "sagegate-services",
            "sagegate-store",
            "sagegate-workloads",
        ],
    ),
    (
        "sagegate-server",
        &[
            "sagegate-console",
            "sagegate-fabric",
            "sagegate-gate",
            "sagegate-network",
            "sagegate-services",
            "sagegate-wire",
            "sagegate-workloads",
        ],
    ),
];

/// Hosts of package registries, in pieces so that this file does not name them either.
const REGISTRIES: &[&[&str]] = &[
    &["crates", ".io"],
    &["pypi", ".org"],
    &["pythonhosted", ".org"],
    &["registry.npmjs", ".org"],
    &["deb.debian", ".org"],
];

/// Runs the checks and lists everything that is wrong.
pub(crate) fn run() -> anyhow::Result<()> {
    let root = root()?;
    let mut wrong = Vec::new();
    for file in tracked_files(&root)? {
        check_file(&root, &file, &mut wrong)?;
    }
    check_arrows(&root, &mut wrong)?;
    if wrong.is_empty() {
        println!("tidy");
        return Ok(());
    }
    for line in &wrong {
        eprintln!("tidy: {line}");
    }
    bail!("{} finding(s)", wrong.len())
}

/// The top of the checkout.
pub(crate) fn root() -> anyhow::Result<PathBuf> {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().map(Path::to_owned).context("xtask stands in the workspace")
}

/// Where cargo builds.
pub(crate) fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

fn tracked_files(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context("git ls-files")?;
    anyhow::ensure!(output.status.success(), "git ls-files failed");
    let list = String::from_utf8(output.stdout)?;
    Ok(list.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).collect())
}

fn check_file(root: &Path, file: &Path, wrong: &mut Vec<String>) -> anyhow::Result<()> {
    let path = root.join(file);
    if file == Path::new("Cargo.lock") || !path.is_file() {
        return Ok(());
    }
    let Ok(text) = std::fs::read_to_string(&path) else { return Ok(()) };
    let shown = file.display();
    let code = file.extension().is_some_and(|end| end == "rs" || end == "py");
    let lines = text.lines().count();
    if code && lines > LINES && !text.contains("@generated") {
        wrong.push(format!("{shown} has {lines} lines; {LINES} is the limit: split it"));
    }
    for pieces in REGISTRIES {
        let host = pieces.concat();
        if text.contains(&host) {
            wrong.push(format!("{shown} names {host}; packages are named, not their hosts"));
        }
    }
    // A path such as /home/somebody is an example; one below the checkout's own place is a leak.
    if let Some(place) = root.to_str()
        && place.len() > 1
        && text.contains(&format!("{place}/"))
    {
        wrong.push(format!("{shown} names the directory of this checkout"));
    }
    Ok(())
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
}

fn check_arrows(root: &Path, wrong: &mut Vec<String>) -> anyhow::Result<()> {
    let output = Command::new("cargo")
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root)
        .output()
        .context("cargo metadata")?;
    anyhow::ensure!(output.status.success(), "cargo metadata failed");
    let metadata: Metadata = serde_json::from_slice(&output.stdout)?;
    for package in metadata.packages {
        // The binary and the developer commands stand above everything.
        if matches!(package.name.as_str(), "sagegate" | "xtask") {
            continue;
        }
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == package.name) else {
            wrong
                .push(format!("the crate {} is not on the map in xtask/src/tidy.rs", package.name));
            continue;
        };
        let arrows: BTreeSet<&str> = package
            .dependencies
            .iter()
            .filter(|it| it.name.starts_with("sagegate") && it.kind.as_deref() != Some("dev"))
            .map(|it| it.name.as_str())
            .collect();
        for arrow in arrows.iter().filter(|arrow| !allowed.contains(arrow)) {
            wrong.push(format!("{} must not depend on {arrow}", package.name));
        }
    }
    Ok(())
}
