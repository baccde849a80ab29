//! What measures remote access with real clients: a program of `tests/`, run against release builds.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use crate::tidy;
use crate::tools::{SSH, apps, program, python, run};

/// Stands in for the Session Manager plugin, which no package brings.
pub(crate) const PLUGIN: &str = "test-session-manager-plugin";
/// The SSH server of spaces alone.
const PEER: &str = "sagegate-ssh-peer";

/// Builds what is measured, and measures.
pub(crate) fn measure(root: &Path, arguments: &[OsString]) -> anyhow::Result<()> {
    program(SSH)?;
    let python = python(root)?;
    let mut build = Command::new("cargo");
    build.current_dir(root).args(["build", "--release"]);
    for (package, binary) in
        [("sagegate", "sagegate"), ("sagegate-dial", PLUGIN), ("sagegate-ssh", PEER)]
    {
        build.args(["--package", package, "--bin", binary]);
    }
    run(&mut build)?;
    let built = tidy::target(root).join("release");
    run(Command::new(python)
        .current_dir(root.join("tests"))
        .arg("measure_remote.py")
        .args(arguments)
        .env("SAGEGATE", built.join("sagegate"))
        .env("SAGEGATE_TEST_PLUGIN", built.join(PLUGIN))
        .env("SAGEGATE_SSH_PEER", built.join(PEER))
        .env("SAGEGATE_TEST_APPS", apps(root)?))
}
