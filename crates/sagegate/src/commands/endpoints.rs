//! `sagegate endpoints`: each VPC endpoint with the URLs to give to a client.

use std::process::ExitCode;

use serde::Deserialize;
use serde_json::json;

use super::{Installation, ask};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Print a JSON list with one object for each endpoint and subnet.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    installation: Installation,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    id: String,
    service: String,
    vpc: String,
    subnet: String,
    vpc_source_ip: String,
    url: String,
    #[serde(default)]
    closed: Option<String>,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let answer = ask(&arguments.installation, "/endpoints", &json!({})).await?;
    if arguments.json {
        say!("{}", serde_json::to_string_pretty(&answer)?);
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Row> = serde_json::from_value(answer)?;
    if rows.is_empty() {
        say!("There are no interface endpoints.");
        return Ok(ExitCode::SUCCESS);
    }
    let mut last = "";
    for row in &rows {
        if row.id != last {
            say!("{}  {}  in {}", row.id, row.service, row.vpc);
            last = &row.id;
        }
        say!("    {}  from {} ({})", row.url, row.subnet, row.vpc_source_ip);
        if let Some(reason) = &row.closed {
            say!("        closed: {reason}");
        }
    }
    Ok(ExitCode::SUCCESS)
}
