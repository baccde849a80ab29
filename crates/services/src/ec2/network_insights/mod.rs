//! VPC Reachability Analyzer: paths between two components, and analyses of whether a packet gets
//! along them. What an analysis finds is what [`sagegate_network::search`] finds in the networks as
//! they are when it starts.
//!
//! Rules: Reachability Analyzer guide; error codes as AWS's own CloudFormation handlers for
//! `AWS::EC2::NetworkInsightsPath` and `AWS::EC2::NetworkInsightsAnalysis` tell them apart. Texts are
//! ours where a comment does not name their source.

pub(crate) mod analyses;
mod ends;
mod explain;
mod finding;
pub(crate) mod paths;
mod permission;
pub(crate) mod records;
mod shapes;

use std::net::Ipv4Addr;

use sagegate_gate::Fault;

use super::fault::invalid_value;

/// An IPv4 address of a request. The model's pattern lets more through, such as 300.1.2.3.
fn address(parameter: &str, text: Option<&String>) -> Result<Option<Ipv4Addr>, Fault> {
    let Some(text) = text else { return Ok(None) };
    let read = text.parse().map_err(|_| {
        invalid_value(format!("Value ({text}) for parameter {parameter} is invalid."))
    })?;
    Ok(Some(read))
}

/// A port of a request, which the model has between 0 and 65535.
fn port(parameter: &str, number: i32) -> Result<u16, Fault> {
    u16::try_from(number).map_err(|_| {
        invalid_value(format!("Value ({number}) for parameter {parameter} is invalid."))
    })
}
