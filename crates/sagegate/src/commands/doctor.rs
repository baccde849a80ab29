//! `sagegate doctor`: what is wrong with the set-up, and what mends it.

use std::process::ExitCode;

use serde::Deserialize;
use serde_json::Value;

use super::{Installation, ask_for};
use crate::doctor::Asked;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Look at this VPC alone, with the domains and notebook instances in it.
    #[arg(long, value_name = "VPC")]
    vpc: Option<String>,
    /// Look at this domain alone, with its VPC.
    #[arg(long, value_name = "DOMAIN")]
    domain: Option<String>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    installation: Installation,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    healthy: bool,
    text: String,
    report: Value,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let asked = Asked { vpc: arguments.vpc, domain: arguments.domain };
    let answer: Answer = match ask_for(&arguments.installation, "/doctor", &asked).await? {
        Ok(answer) => answer,
        Err(status) => return Ok(status),
    };
    if arguments.json {
        say!("{}", serde_json::to_string_pretty(&answer.report)?);
    } else {
        say_part!("{}", answer.text);
    }
    Ok(if answer.healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
