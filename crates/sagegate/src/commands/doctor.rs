//! `sagegate doctor`: what is wrong with the set-up, and what mends it.

use std::process::ExitCode;

use serde::Deserialize;
use serde_json::Value;

use super::{Installation, ask};
use crate::doctor::Asked;

/// The question could not be asked.
const USAGE: u8 = 2;

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
    let answered = ask(&arguments.installation, "/doctor", &serde_json::to_value(&asked)?).await;
    let answer: Answer = match answered {
        Ok(answer) => serde_json::from_value(answer)?,
        // Not to be taken for a clean bill of health, nor for a finding.
        Err(error) => {
            eprintln!("sagegate: {error:#}");
            return Ok(ExitCode::from(USAGE));
        }
    };
    if arguments.json {
        say!("{}", serde_json::to_string_pretty(&answer.report)?);
    } else {
        say_part!("{}", answer.text);
    }
    Ok(if answer.healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
