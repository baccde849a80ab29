//! `sagegate reach`: whether a packet or a call gets from here to there.

use std::process::ExitCode;

use serde::Deserialize;
use serde_json::Value;

use super::{Installation, ask_for};
use crate::reach::{Asked, Protocol};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Who sends: eni-…, subnet-… (the client that stands for it), an address, or internet
    /// (internet@ADDRESS for a certain one).
    from: String,
    /// Where to: eni-…, subnet-…, vpce-…, an address, a service such as sagemaker.api, a host name,
    /// or internet; with :PORT for another than 443.
    #[arg(value_name = "TO[:PORT]")]
    to: String,
    /// What is sent; of ICMP an echo request.
    #[arg(long, value_enum, ignore_case = true, default_value_t = Protocol::Tcp)]
    protocol: Protocol,
    /// The security groups of the client that stands for a subnet, instead of the VPC's default one.
    #[arg(long = "security-group", value_name = "SG")]
    security_groups: Vec<String>,
    /// Ask policies, too, as this caller: root, user/NAME, role/NAME or an ARN.
    #[arg(long = "as", value_name = "PRINCIPAL", requires = "action")]
    principal: Option<String>,
    /// The action that is called, such as sagemaker:DescribeDomain.
    #[arg(long, requires = "principal")]
    action: Option<String>,
    /// On which resource; without it on none (*).
    #[arg(long, value_name = "ARN", requires = "action")]
    resource: Option<String>,
    /// A condition key that the call itself has; those of the caller and of the network are found.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair, requires = "action")]
    context: Vec<(String, String)>,
    /// Print the finding as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    installation: Installation,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("KEY=VALUE is expected")?;
    Ok((key.to_owned(), value.to_owned()))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    reached: bool,
    text: String,
    finding: Value,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let asked = Asked {
        from: arguments.from,
        to: arguments.to,
        protocol: arguments.protocol,
        security_groups: arguments.security_groups,
        principal: arguments.principal,
        action: arguments.action,
        resource: arguments.resource,
        context: arguments.context,
    };
    let answer: Answer = match ask_for(&arguments.installation, "/reach", &asked).await? {
        Ok(answer) => answer,
        Err(status) => return Ok(status),
    };
    if arguments.json {
        say!("{}", serde_json::to_string_pretty(&answer.finding)?);
    } else {
        say_part!("{}", answer.text);
    }
    Ok(if answer.reached { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
