//! `sagegate map`: a VPC as a picture.

use std::path::PathBuf;
use std::process::ExitCode;

use serde::Deserialize;

use super::{Installation, UNANSWERED, ask_for};
use crate::map::Wanted;
use crate::reach::{Asked, Protocol};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The VPC; where it is not given, that of FROM, or the only one.
    #[arg(long, value_name = "VPC")]
    vpc: Option<String>,
    /// Where to write the picture, instead of the standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Draw a walk from here: eni-…, subnet-…, an address, or internet, as `sagegate reach` has it.
    #[arg(long, requires = "to")]
    from: Option<String>,
    /// Where the walk goes, likewise; with :PORT for another than 443.
    #[arg(long, value_name = "TO[:PORT]", requires = "from")]
    to: Option<String>,
    /// What is sent; of ICMP an echo request.
    #[arg(
        long,
        value_enum,
        ignore_case = true,
        default_value_t = Protocol::Tcp,
        requires = "from"
    )]
    protocol: Protocol,
    /// The security groups of the client that stands for a subnet, instead of the VPC's default one.
    #[arg(long = "security-group", value_name = "SG", requires = "from")]
    security_groups: Vec<String>,
    #[command(flatten)]
    installation: Installation,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    svg: String,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let walk = arguments.from.zip(arguments.to).map(|(from, to)| Asked {
        from,
        to,
        protocol: arguments.protocol,
        security_groups: arguments.security_groups,
        ..Asked::default()
    });
    let wanted = Wanted { vpc: arguments.vpc, walk };
    let answer: Answer = match ask_for(&arguments.installation, "/map", &wanted).await? {
        Ok(answer) => answer,
        Err(status) => return Ok(status),
    };
    match &arguments.output {
        Some(file) => {
            if let Err(error) = std::fs::write(file, &answer.svg) {
                eprintln!("sagegate: {} cannot be written: {error}", file.display());
                return Ok(ExitCode::from(UNANSWERED));
            }
        }
        None => say_part!("{}", answer.svg),
    }
    Ok(ExitCode::SUCCESS)
}
