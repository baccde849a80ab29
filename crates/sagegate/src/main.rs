//! `sagegate`: the server and the commands beside it.

/// Prints a line of a command's answer.
macro_rules! say {
    () => { $crate::commands::say(format_args!("\n"))? };
    ($($part:tt)*) => { $crate::commands::say(format_args!("{}\n", format_args!($($part)*)))? };
}

/// Prints a part of a line.
macro_rules! say_part {
    ($($part:tt)*) => { $crate::commands::say(format_args!($($part)*))? };
}

mod channel;
mod client;
mod commands;
mod doctor;
mod engines;
#[cfg(target_os = "linux")]
mod exec;
mod map;
#[cfg(target_os = "linux")]
mod networks;
mod node;
mod operator;
mod profile;
mod reach;
mod spaces;
mod steps;
#[cfg(target_os = "linux")]
mod surroundings;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A request makes hundreds of small allocations, on whichever thread: this one takes half the time
/// of the system's over them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A self-hosted, AWS-wire-compatible access plane for SageMaker.
#[derive(Parser)]
#[command(name = "sagegate", version, about, propagate_version = true, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server.
    Serve(commands::serve::Arguments),
    /// Run the server with the example examples/studio-vpc in a fresh directory, and show who may do
    /// what from where.
    Demo(commands::demo::Arguments),
    /// Print export lines for the credentials and the endpoint of a principal.
    Env(commands::env::Arguments),
    /// List the VPC endpoints with the URLs to give to a client.
    Endpoints(commands::endpoints::Arguments),
    /// Tell why a request was allowed or refused.
    Explain(commands::explain::Arguments),
    /// Tell whether a packet or a call gets from here to there, by which way, and if not, what stops
    /// it. Exits with 0 if it does, 1 if it does not, 2 if the question cannot be answered.
    Reach(commands::reach::Arguments),
    /// Draw a VPC as SVG: zones, subnets, interfaces, gateways, endpoints, rules, and what is open to the
    /// internet; with --from and --to also the walk of `sagegate reach`. Exits with 0 if the picture is
    /// drawn, 2 if not.
    Map(commands::map::Arguments),
    /// Check the set-up against what SageMaker needs of networks and roles, and print the command that mends
    /// each finding. Exits with 0 if nothing is wrong, 1 with a finding of level error, 2 if it could
    /// not be asked.
    Doctor(commands::doctor::Arguments),
    /// Run a command inside a subnet of the VPC: its names, routes and rules, and its addresses.
    Exec(commands::exec::Arguments),
    /// Print the certificate by which clients inside of subnets trust the server.
    Ca(commands::ca::Arguments),
    /// Connect to a space, for ssh: ProxyCommand sagegate connect SPACE-ARN.
    Connect(commands::connect::Arguments),
    /// Print entries of ~/.ssh/config for the spaces with remote access.
    SshConfig(commands::ssh_config::Arguments),
    /// List the sessions of remote access, or end one.
    Sessions(commands::sessions::Arguments),
    /// List the operations that are served.
    Operations(commands::operations::Arguments),
    /// Work with policies, without a server.
    Policy(commands::policy::Arguments),
}

fn main() -> ExitCode {
    // Not commands for people: stages of a space, and the keeper of the networks in the kernel, each a
    // start of this executable of its own, before anything else has been set up.
    let mut words = std::env::args().skip(1);
    if words.next().as_deref() == Some(sagegate_agent::COMMAND) {
        return sagegate_agent::main(&words.collect::<Vec<_>>());
    }
    #[cfg(target_os = "linux")]
    if std::env::args().nth(1).as_deref() == Some(node::KEEPER) {
        return match sagegate_fabric::keeper::run() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("sagegate {}: {error}", node::KEEPER);
                ExitCode::FAILURE
            }
        };
    }
    let arguments = Arguments::parse();
    if matches!(arguments.command, Command::Serve(_) | Command::Demo(_)) {
        // What a shell or a supervisor left open is for no program that is started from here.
        close_fds::set_fds_cloexec(3, &[]);
    }
    let done = match arguments.command {
        Command::Policy(arguments) => commands::policy::run(&arguments),
        Command::Operations(arguments) => commands::operations::run(&arguments),
        // Before there is a second thread: namespaces are joined by one.
        Command::Exec(arguments) => commands::exec::run(arguments),
        Command::Ca(arguments) => commands::ca::run(&arguments),
        Command::Serve(arguments) => commands::block_on(commands::serve::run(arguments)),
        Command::Demo(arguments) => commands::block_on(commands::demo::run(arguments)),
        Command::Env(arguments) => commands::block_on(commands::env::run(arguments)),
        Command::Endpoints(arguments) => commands::block_on(commands::endpoints::run(arguments)),
        Command::Connect(arguments) => commands::block_on_one(commands::connect::run(arguments)),
        Command::SshConfig(arguments) => commands::block_on(commands::ssh_config::run(arguments)),
        Command::Sessions(arguments) => commands::block_on(commands::sessions::run(arguments)),
        Command::Reach(arguments) => commands::block_on(commands::reach::run(arguments)),
        Command::Map(arguments) => commands::block_on(commands::map::run(arguments)),
        Command::Doctor(arguments) => commands::block_on(commands::doctor::run(arguments)),
        Command::Explain(arguments) => commands::block_on(commands::explain::run(arguments)),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("sagegate: {error:#}");
            ExitCode::FAILURE
        }
    }
}
