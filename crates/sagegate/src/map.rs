//! `sagegate map`: a VPC as a picture, of the state as it is.

use sagegate_map::{Chart, Trip};
use sagegate_network::topology::Topology;
use sagegate_server::OperatorFailure;
use sagegate_services::ec2;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::node::Node;
use crate::operator::{failure, snapshot};
use crate::reach::{self, Asked, Found};

/// What is to be drawn.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Wanted {
    /// `vpc-…`.
    #[serde(default)]
    pub(crate) vpc: Option<String>,
    /// The walk on it.
    #[serde(default)]
    pub(crate) walk: Option<Asked>,
}

/// Answers the command.
pub(crate) fn answer(node: &Node, wanted: &Wanted) -> Result<Value, OperatorFailure> {
    let scope = &node.scope;
    let state = snapshot(&node.gate)?;
    let names = ec2::names(&state, scope).map_err(|error| failure(error.into()))?;
    let found = wanted.walk.as_ref().map(|asked| reach::find(node, asked)).transpose()?;
    let own;
    let topology: &Topology = match &found {
        Some(found) => &found.topology,
        None => {
            own = ec2::topology(&state, scope).map_err(|error| failure(error.into()))?;
            &own
        }
    };
    let vpc = chosen(topology, wanted.vpc.as_deref(), found.as_ref(), &|id| {
        names.get(id).map(|name| format!("{id} ({name})")).unwrap_or_else(|| id.to_owned())
    })?;
    let trip = match (&found, &wanted.walk) {
        (Some(found), Some(asked)) => {
            Some(Trip { from: &asked.from, to: &asked.to, reach: &found.reach })
        }
        _ => None,
    };
    let region = scope.region.as_str();
    let svg = sagegate_map::svg(&Chart { topology, names: &names, vpc: &vpc, region, trip });
    Ok(json!({ "Svg": svg }))
}

/// The VPC that is meant: the one that is named, that of the walk's beginning, or the only one.
fn chosen(
    topology: &Topology,
    named: Option<&str>,
    found: Option<&Found>,
    called: &dyn Fn(&str) -> String,
) -> Result<String, OperatorFailure> {
    if let Some(id) = named {
        if topology.vpcs.contains_key(id) {
            return Ok(id.to_owned());
        }
        return Err(OperatorFailure::NotFound(format!("there is no VPC {id}")));
    }
    let begins = found.and_then(|found| reach::interface(&found.ask.source));
    if let Some(interface) = begins.and_then(|id| topology.interfaces.get(id)) {
        return Ok(interface.vpc.clone());
    }
    let mut all = topology.vpcs.keys();
    match (all.next(), all.next()) {
        (None, _) => Err(OperatorFailure::NotFound("there is no VPC".to_owned())),
        (Some(only), None) => Ok(only.clone()),
        _ => {
            let all: Vec<String> = topology.vpcs.keys().map(|id| called(id)).collect();
            Err(OperatorFailure::Invalid(format!(
                "there are several VPCs; name one with --vpc: {}",
                all.join(", ")
            )))
        }
    }
}
