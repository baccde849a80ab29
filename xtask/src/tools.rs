//! What the tests need beside Rust: a Python environment from PyPI and programs from the system's
//! package manager. Installed by name, where they are missing.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};

/// Runs a command, shows it, and fails if it fails.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let shown = show(command);
    println!("+ {shown}");
    let status = command.status().with_context(|| format!("{shown}: cannot be started"))?;
    ensure!(status.success(), "{shown}: {status}");
    Ok(())
}

fn show(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

/// A program that tests or benchmarks start, and the packages that hold it.
#[derive(Clone, Copy)]
pub(crate) struct Program {
    /// Names it may have, in order of preference.
    pub(crate) names: &'static [&'static str],
    /// Debian's packages.
    pub(crate) debian: &'static [&'static str],
    /// Homebrew's formulas or casks.
    pub(crate) homebrew: &'static [&'static str],
}

pub(crate) const CHROMIUM: Program = Program {
    names: &["chromium", "chromium-browser", "google-chrome", "Chromium"],
    debian: &["chromium"],
    homebrew: &["--cask", "chromium"],
};
pub(crate) const CHROMEDRIVER: Program = Program {
    names: &["chromedriver"],
    debian: &["chromium-driver"],
    homebrew: &["--cask", "chromedriver"],
};
/// libFuzzer is C++.
pub(crate) const CXX: Program =
    Program { names: &["g++", "clang++", "c++"], debian: &["g++"], homebrew: &["llvm"] };
/// `ssh`, `scp`, `sftp`, `ssh-agent` and what else the tests of the SSH server start.
pub(crate) const SSH: Program =
    Program { names: &["ssh"], debian: &["openssh-client"], homebrew: &["openssh"] };
/// `nft`, by which the fabric filters packets; there is none but Linux's.
pub(crate) const NFT: Program =
    Program { names: &["nft"], debian: &["nftables", "iproute2"], homebrew: &[] };
/// What asks a resolver.
pub(crate) const DIG: Program =
    Program { names: &["dig"], debian: &["dnsutils"], homebrew: &["bind"] };
/// What speaks HTTPS from a subnet.
pub(crate) const CURL: Program =
    Program { names: &["curl"], debian: &["curl"], homebrew: &["curl"] };
/// What sends ICMP from a subnet.
pub(crate) const PING: Program =
    Program { names: &["ping"], debian: &["iputils-ping"], homebrew: &[] };
/// What answers a constant as fast as this machine can.
pub(crate) const NGINX: Program =
    Program { names: &["nginx"], debian: &["nginx-light"], homebrew: &["nginx"] };

/// JupyterLab from PyPI, in the version that the README names.
const JUPYTERLAB: &str = "jupyterlab==4.6.6";

/// The program's path; installs its package where it is missing.
pub(crate) fn program(wanted: Program) -> anyhow::Result<PathBuf> {
    if let Some(found) = find(wanted) {
        return Ok(found);
    }
    if cfg!(target_os = "macos") {
        run(Command::new("brew").arg("install").args(wanted.homebrew))?;
    } else {
        install(wanted.debian)?;
    }
    find(wanted).with_context(|| format!("{:?} was installed and is not found", wanted.names))
}

fn find(wanted: Program) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian keeps servers out of a user's path.
    let places = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    places
        .flat_map(|place| wanted.names.iter().map(move |name| place.join(name)))
        .find(|candidate| candidate.is_file())
}

/// Installs Debian's packages, as root or through sudo.
fn install(packages: &[&str]) -> anyhow::Result<()> {
    let id = Command::new("id").arg("-u").output().context("id -u")?;
    let root = String::from_utf8_lossy(&id.stdout).trim() == "0";
    let apt = |arguments: &[&str]| {
        let mut command = if root {
            Command::new("apt-get")
        } else {
            let mut command = Command::new("sudo");
            command.arg("apt-get");
            command
        };
        command.env("DEBIAN_FRONTEND", "noninteractive").args(["-qq", "-y"]).args(arguments);
        command
    };
    run(&mut apt(&["update"]))?;
    run(apt(&["install", "--no-install-recommends"]).args(packages))
}

/// The Python of the tests' virtual environment, made and filled where it is missing or older than
/// the list of requirements.
pub(crate) fn python(root: &Path) -> anyhow::Result<PathBuf> {
    let requirements = root.join("tests/requirements.txt");
    let wanted = std::fs::read_to_string(&requirements)
        .with_context(|| requirements.display().to_string())?;
    environment(&root.join(".venv"), &wanted)
}

/// The directory with the programs of apps, as `--apps` takes it: JupyterLab, as the README has it
/// installed.
pub(crate) fn apps(root: &Path) -> anyhow::Result<PathBuf> {
    let apps = root.join(".venv-apps");
    environment(&apps.join("jupyterlab"), JUPYTERLAB)?;
    Ok(apps)
}

/// The Python of a virtual environment with these requirements.
pub(crate) fn environment(environment: &Path, wanted: &str) -> anyhow::Result<PathBuf> {
    let python = environment.join("bin/python");
    let stamp = environment.join("requirements.stamp");
    if python.is_file() && std::fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
        return Ok(python);
    }
    if !make_environment(environment) {
        if cfg!(target_os = "macos") {
            bail!("python3 -m venv failed; `brew install python` brings a Python that has it");
        }
        // Debian's Python comes without the module that makes environments.
        install(&["python3", "python3-venv"])?;
        ensure!(make_environment(environment), "python3 -m venv {}", environment.display());
    }
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(wanted.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))))?;
    std::fs::write(&stamp, wanted)?;
    Ok(python)
}

fn make_environment(at: &Path) -> bool {
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(at)).is_ok()
}
