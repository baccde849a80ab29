//! `sagegate-load`: what `cargo xtask bench` asks of a running server, side by side with nginx and
//! with moto's server.
//!
//! The figures are ratios: machines are noisy, so the servers take turns, round by round, and the
//! medians are compared. Clients and servers share the machine's processors; what signing costs is
//! paid before a turn begins, so that it is nobody's.

#![expect(clippy::disallowed_methods, reason = "a benchmark looks at the clock")]

mod answer;
mod measure;
mod report;
mod servers;
mod sign;
mod start;

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

/// What to measure, and with what.
#[derive(Parser)]
struct Arguments {
    /// The built `sagegate`.
    #[arg(long)]
    sagegate: PathBuf,
    /// nginx, to be compared with.
    #[arg(long)]
    nginx: Option<PathBuf>,
    /// moto's server, to be compared with.
    #[arg(long)]
    moto: Option<PathBuf>,
    /// How often each server has its turn.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long a turn is, in seconds.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Connections that are kept alive.
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// How many starts are measured; none skips starts and idle memory.
    #[arg(long, default_value_t = 20)]
    starts: usize,
    /// Only operations whose name contains this.
    #[arg(long)]
    only: Option<String>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if arguments.starts > 0 {
        start::report(&arguments.sagegate, arguments.starts)?;
    }
    if arguments.rounds > 0 {
        let turn = measure::Turn {
            connections: arguments.connections,
            time: Duration::from_secs_f64(arguments.seconds),
        };
        let servers = servers::Servers::start(
            &arguments.sagegate,
            arguments.nginx.as_deref(),
            arguments.moto.as_deref(),
            arguments.only.as_deref(),
        )?;
        report::compare(&servers, arguments.rounds, turn)?;
    }
    Ok(())
}
