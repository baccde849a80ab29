//! `sagegate policy`: the policy language without a server.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use sagegate_policy::cases::{Mode, decide_lines};

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Decide requests given one to a line, and print one line for each.
    Decide(Decide),
}

#[derive(Args)]
struct Decide {
    /// Requests with their policies as JSON lines; `-` is standard input.
    file: PathBuf,
    /// Print for each line how it was decided, as JSON.
    #[arg(long, conflicts_with = "json")]
    explain: bool,
    /// Print for each line the outcome and its reason, as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let Command::Decide(decide) = &arguments.command;
    let mode = match (decide.explain, decide.json) {
        (true, _) => Mode::Explain,
        (false, true) => Mode::Json,
        (false, false) => Mode::Plain,
    };
    let mut output = BufWriter::new(io::stdout().lock());
    let clean = if decide.file.as_os_str() == "-" {
        decide_lines(io::stdin().lock(), &mut output, mode)?
    } else {
        let file = File::open(&decide.file).with_context(|| decide.file.display().to_string())?;
        decide_lines(BufReader::new(file), &mut output, mode)?
    };
    output.flush()?;
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
