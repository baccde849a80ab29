//! Are the dependencies those that `deny.toml` allows? Asks cargo-deny, which is installed under the
//! target directory where it is missing: some minutes, once.

use std::path::Path;
use std::process::Command;

use crate::tidy;
use crate::tools::run;

/// The release of cargo-deny.
const VERSION: &str = "0.20.2";

/// Checks the whole tree of the lock file. Advisories are left out: their database has to be fetched.
pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    let tools = tidy::target(root).join("tools");
    let deny = tools.join("bin/cargo-deny");
    let installed = Command::new(&deny).arg("--version").output();
    let current = installed.is_ok_and(|it| String::from_utf8_lossy(&it.stdout).contains(VERSION));
    if !current {
        run(Command::new("cargo")
            // It runs for a second: optimizing it would take longer than all of its runs.
            .args(["install", "cargo-deny", "--locked", "--force", "--debug"])
            .args(["--version", VERSION, "--root"])
            .arg(&tools)
            .env("CARGO_TARGET_DIR", tools.join("build")))?;
        // What it was built from is large and of no further use.
        std::fs::remove_dir_all(tools.join("build"))?;
    }
    let what = ["check", "--hide-inclusion-graph", "licenses", "bans", "sources"];
    run(Command::new(deny).current_dir(root).args(["--log-level", "error"]).args(what))
}
