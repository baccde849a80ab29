//! `sagegate sessions`: who is connected to which space; `sagegate sessions end`: and no longer.

use std::process::ExitCode;

use serde::Deserialize;
use serde_json::json;

use super::{Installation, ask};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    /// Print a JSON list with one object for each session.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    installation: Installation,
}

#[derive(clap::Subcommand)]
enum What {
    /// End a session at once.
    End {
        /// The session's id.
        id: String,
        #[command(flatten)]
        installation: Installation,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    id: String,
    space: String,
    principal: String,
    source: String,
    state: String,
    since: String,
    bytes_from_client: u64,
    bytes_to_client: u64,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    if let Some(What::End { id, installation }) = arguments.what {
        ask(&installation, "/sessions/end", &json!({ "id": id })).await?;
        say!("{id} has ended.");
        return Ok(ExitCode::SUCCESS);
    }
    let answer = ask(&arguments.installation, "/sessions", &json!({})).await?;
    if arguments.json {
        say!("{}", serde_json::to_string_pretty(&answer)?);
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Row> = serde_json::from_value(answer)?;
    if rows.is_empty() {
        say!("Nobody is connected to a space.");
    }
    for row in rows {
        say!("{}  {} since {}", row.id, row.state, row.since);
        say!("    {}", row.space);
        say!("    {} from {}", row.principal, row.source);
        say!("    {} bytes from the client, {} to it", row.bytes_from_client, row.bytes_to_client);
    }
    Ok(ExitCode::SUCCESS)
}
