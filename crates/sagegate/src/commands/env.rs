//! `sagegate env`: credentials and endpoint of a principal, as export lines.

use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;

use super::{Installation, ask, quoted};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Of whom: `user/NAME`, `role/NAME` or an ARN. The root user, if it is not given.
    #[arg(long = "as", value_name = "PRINCIPAL")]
    principal: Option<String>,
    #[command(flatten)]
    installation: Installation,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let answer =
        ask(&arguments.installation, "/env", &json!({ "as": arguments.principal })).await?;
    let variables = answer.as_object().context("the answer is no object")?;
    for (name, value) in variables {
        let value = value.as_str().context("a variable is no text")?;
        say!("export {name}={}", quoted(value));
    }
    // What is left from another session would be sent along and spoil the signature.
    say!("unset AWS_SESSION_TOKEN AWS_PROFILE");
    Ok(ExitCode::SUCCESS)
}
