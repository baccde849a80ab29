//! `sagegate doctor`: what of the present set-up does not meet what SageMaker needs.
//!
//! The checks are `sagegate_doctor`'s, over one state of the store; what they ask of policies is decided by
//! the gate, at the same state.

mod gather;
mod judge;
mod tell;

use sagegate_doctor::{CHECKS, Level, examine};
use sagegate_server::OperatorFailure;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::node::Node;

/// What is to be looked at.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// `vpc-…`, with what is in it.
    #[serde(default)]
    pub(crate) vpc: Option<String>,
    /// `d-…`, with its VPC.
    #[serde(default)]
    pub(crate) domain: Option<String>,
}

/// Answers the command.
///
/// # Errors
/// `NotFound` for a VPC or a domain that is not there.
pub(crate) fn answer(node: &Node, asked: &Asked) -> Result<Value, OperatorFailure> {
    let snapshot = gather::snapshot(node, asked)?;
    let found = examine(&snapshot);
    let checks: Vec<Value> =
        CHECKS.iter().map(|it| json!({ "Name": it.name, "About": it.about })).collect();
    let domains: Vec<&String> = snapshot.domains.iter().map(|it| &it.id).collect();
    Ok(json!({
        "Healthy": found.iter().all(|it| it.level != Level::Error),
        "Text": tell::text(&snapshot, &found),
        "Report": {
            "Findings": found,
            "Vpcs": snapshot.vpcs,
            "Domains": domains,
            "Checks": checks,
        },
    }))
}
