//! `sagegate ca`: the certificate that clients of the installation's names have to trust.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use sagegate_gate::Env;
use sagegate_server::Authority;

use super::Installation;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Print where the file with the certificate is instead.
    #[arg(long)]
    path: bool,
    #[command(flatten)]
    installation: Installation,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let directory = &arguments.installation.data;
    ensure!(
        directory.join("secret.key").is_file(),
        "{} is no data directory; `sagegate serve` makes one, and --data names another",
        directory.display()
    );
    let authority = Authority::open(directory, &Env::system())?;
    if arguments.path {
        let path: PathBuf = authority.path().canonicalize().context("its path")?;
        say!("{}", path.display());
    } else {
        say_part!("{}", authority.pem());
    }
    Ok(ExitCode::SUCCESS)
}
