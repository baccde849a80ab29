//! `sagegate operations`: what is served.

use std::process::ExitCode;

use sagegate_gate::Access;
use serde_json::json;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Print a JSON list with one object for each operation.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let registry = sagegate_services::registry();
    let operations = registry.operations();
    if arguments.json {
        let rows: Vec<_> = operations
            .iter()
            .map(|&(service, operation)| {
                let writes = registry.access(service, operation) == Some(Access::Write);
                json!({ "service": service, "operation": operation, "writes": writes })
            })
            .collect();
        say!("{}", serde_json::to_string_pretty(&rows)?);
        return Ok(ExitCode::SUCCESS);
    }
    for (service, operation) in operations {
        say!("{service}:{operation}");
    }
    Ok(ExitCode::SUCCESS)
}
