//! `cargo xtask managed-policies`: the AWS managed policies, from the copy in a pinned moto.
//!
//! Which of them are kept is a checked-in list; docs/decisions/0006 says why and under what licence.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The moto release on PyPI that the policies are read from.
const VERSION: &str = "5.2.5";
/// The hash of its wheel.
const SHA256: &str = "eef62cdcf3bfe73e0863743511ba042dfaba04ba3d5ecdcb896a196c693ad528";

const LIST: &str = "crates/services/src/iam/data/managed_policies.txt";
const OUTPUT: &str = "crates/services/src/iam/data/managed_policies.json";

/// Prints the one text constant of moto's module, which is JSON, without running the module.
const EXTRACT: &str = "import ast, sys, zipfile\n\
    text = zipfile.ZipFile(sys.argv[1]).read('moto/iam/aws_managed_policies.py').decode()\n\
    values = [n.value for n in ast.parse(text).body if isinstance(n, ast.Assign)]\n\
    sys.stdout.buffer.write(ast.literal_eval(values[0]).encode())";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Change nothing; fail where the checked-in file differs from what would be written.
    #[arg(long)]
    check: bool,
    /// A copy of the pinned wheel, instead of a download.
    #[arg(long, value_name = "FILE")]
    wheel: Option<PathBuf>,
}

impl Arguments {
    /// Compares and changes nothing.
    pub(crate) fn check() -> Self {
        Self { check: true, wheel: None }
    }
}

/// One policy; the names are those of the API, in moto's copy as in ours.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ManagedPolicy {
    path: String,
    default_version_id: String,
    create_date: String,
    update_date: String,
    document: Value,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask has no parent")?;
    let wheel = arguments.wheel.clone().map_or_else(download, Ok)?;
    let mut all = read(&wheel)?;

    // One policy a line, so that a new release shows which policies changed.
    let mut text = String::new();
    for name in names(&root.join(LIST))? {
        let policy = all.remove(&name).with_context(|| format!("moto has no policy {name}"))?;
        let before = if text.is_empty() { "{\n" } else { ",\n" };
        let (name, policy) = (serde_json::to_string(&name)?, serde_json::to_string(&policy)?);
        write!(text, "{before}{name}:{policy}")?;
    }
    text.push_str("\n}\n");

    let file = root.join(OUTPUT);
    if std::fs::read_to_string(&file).is_ok_and(|old| old == text) {
        return Ok(());
    }
    ensure!(!arguments.check, "not up to date, run `cargo xtask managed-policies`: {OUTPUT}");
    std::fs::write(&file, text).with_context(|| file.display().to_string())?;
    println!("wrote {OUTPUT}");
    Ok(())
}

/// The names in the checked-in list, sorted.
fn names(list: &Path) -> Result<BTreeSet<String>> {
    let text = std::fs::read_to_string(list).with_context(|| list.display().to_string())?;
    let lines = text.lines().map(str::trim);
    Ok(lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect())
}

fn read(wheel: &Path) -> Result<BTreeMap<String, ManagedPolicy>> {
    let bytes = std::fs::read(wheel).with_context(|| wheel.display().to_string())?;
    let found = hex::encode(Sha256::digest(&bytes));
    ensure!(found == SHA256, "{} has sha256 {found}, not the pinned {SHA256}", wheel.display());
    let output = Command::new("python3")
        .args(["-c", EXTRACT])
        .arg(wheel)
        .output()
        .context("starting python3")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "reading the managed policies from the wheel: {complaint}");
    serde_json::from_slice(&output.stdout).context("moto's managed policies")
}

fn download() -> Result<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from);
    let directory = target.join("moto");
    let file = directory.join(format!("moto-{VERSION}-py3-none-any.whl"));
    if !file.exists() {
        let status = Command::new("python3")
            .args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"])
            .arg("--dest")
            .arg(&directory)
            .arg(format!("moto=={VERSION}"))
            .status()
            .context("starting pip")?;
        ensure!(status.success(), "pip could not download moto {VERSION}");
    }
    Ok(file)
}
