//! Developer commands. One module per command; this file only tells them apart.

mod bench;
mod campaign;
mod dependencies;
mod fuzz;
mod generate;
mod managed_policies;
mod remote;
mod test;
mod tidy;
mod tools;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "xtask", about = "Developer commands of Sagegate")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write the schema tables and the API structs from the pinned botocore.
    Generate(generate::Arguments),
    /// Run everything that must hold before a change lands.
    Test(test::Arguments),
    /// Print figures: decisions, writes, remote access, requests beside nginx and moto, starts, memory.
    Bench(bench::Arguments),
    /// Run property tests with many cases and the fuzz targets, an hour each, and carry much through a session.
    Campaign(campaign::Arguments),
    /// Run the fuzz targets, or one of them on one input.
    Fuzz(fuzz::Arguments),
    /// Check file sizes, crate arrows and words that do not belong here.
    Tidy,
    /// Write the AWS managed policies from the pinned moto.
    ManagedPolicies(managed_policies::Arguments),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Test(arguments) => test::run_all(&arguments),
        Command::Bench(arguments) => bench::run_all(&arguments),
        Command::Campaign(arguments) => campaign::run_all(&arguments),
        Command::Fuzz(arguments) => fuzz::run_command(&arguments),
        Command::Tidy => tidy::run(),
        Command::ManagedPolicies(arguments) => managed_policies::run(&arguments),
    }
}
