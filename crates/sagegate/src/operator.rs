//! What the commands ask of an installation, running or not.

use std::collections::BTreeSet;
use std::sync::Arc;

use sagegate_gate::audit::{Record, tables};
use sagegate_gate::{Env, Fault, Gate};
use sagegate_server::{BoxFuture, Operator, OperatorFailure};
use sagegate_services::ec2;
use sagegate_services::iam::credentials::{self, Maker};
use sagegate_services::sagemaker::site::Site;
use sagegate_store::{Read, StoreError};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::node::{Node, public_url};

/// The operator's socket of a running server.
pub(crate) struct Commands(pub(crate) Arc<Node>);

impl Operator for Commands {
    fn call<'a>(
        &'a self,
        path: &'a str,
        arguments: Value,
    ) -> BoxFuture<'a, Result<Value, OperatorFailure>> {
        Box::pin(async move { answer(&self.0, path, &arguments).await })
    }
}

/// Answers a command.
pub(crate) async fn answer(
    node: &Node,
    path: &str,
    arguments: &Value,
) -> Result<Value, OperatorFailure> {
    match path {
        "/env" => env(node, &read(arguments)?).await,
        "/endpoints" => endpoints(node),
        "/sessions" => crate::channel::list(node),
        "/sessions/end" => crate::channel::end(node, &read(arguments)?).await,
        "/reach" => crate::reach::answer(node, &read(arguments)?),
        "/doctor" => crate::doctor::answer(node, &read(arguments)?),
        "/map" => crate::map::answer(node, &read(arguments)?),
        "/explain" => explain(node, read(arguments)?).await,
        _ => Err(OperatorFailure::NotFound(format!("there is no command {path}"))),
    }
}

fn read<'a, T: Deserialize<'a>>(arguments: &'a Value) -> Result<T, OperatorFailure> {
    T::deserialize(arguments).map_err(|error| OperatorFailure::Invalid(error.to_string()))
}

/// A client's mistake is told as such, a failure of ours with what the operator may know of it.
pub(crate) fn failure(fault: Fault) -> OperatorFailure {
    match (&*fault.code, fault.detail) {
        (_, Some(detail)) => OperatorFailure::Failed(detail),
        ("NoSuchEntity", None) => OperatorFailure::NotFound(fault.message),
        (_, None) if fault.sender => OperatorFailure::Invalid(fault.message),
        (_, None) => OperatorFailure::Failed(fault.message),
    }
}

#[derive(Deserialize)]
struct EnvArguments {
    #[serde(rename = "as")]
    principal: Option<String>,
}

async fn env(node: &Node, arguments: &EnvArguments) -> Result<Value, OperatorFailure> {
    let gate = &node.gate;
    let principal = arguments.principal.as_deref().unwrap_or("root");
    let made = gate
        .transact(|tx| {
            let env: &Env = gate.env();
            let maker = Maker { env, vault: gate.vault(), now: env.now() };
            let credential = credentials::operator_credential(tx, maker, &node.scope, principal)?;
            Ok((credential, public_url(tx)?))
        })
        .await
        .map_err(failure)?;
    let (credential, url) = made;
    Ok(json!({
        "AWS_ACCESS_KEY_ID": credential.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credential.secret.reveal(),
        "AWS_DEFAULT_REGION": node.scope.region.as_str(),
        "AWS_ENDPOINT_URL": url,
    }))
}

fn endpoints(node: &Node) -> Result<Value, OperatorFailure> {
    let state = snapshot(&node.gate)?;
    let site = Site::read(&state).map_err(failure)?;
    let listeners =
        ec2::listeners(&state).map_err(|error| OperatorFailure::Failed(error.to_string()))?;
    let rows = listeners.into_iter().map(|it| {
        let mut row = json!({
            "id": it.vpc_endpoint_id,
            "service": it.service_name,
            "vpc": it.vpc_id,
            "subnet": it.subnet_id,
            "vpcSourceIp": it.vpc_source_ip,
            "url": site.origin(it.addr),
        });
        let refused = it.admitted.err().map(|reason| reason.to_string());
        let closed = it.binding.closed().map(str::to_owned).or(refused);
        if let (Some(reason), Some(row)) = (closed, row.as_object_mut()) {
            row.insert("closed".to_owned(), reason.into());
        }
        row
    });
    Ok(Value::Array(rows.collect()))
}

#[derive(Deserialize)]
struct ExplainArguments {
    /// The request's id; the newest record, if it is not given.
    id: Option<String>,
}

/// Looking through the files of the journal takes a while, so it is not for a thread that serves.
async fn explain(node: &Node, arguments: ExplainArguments) -> Result<Value, OperatorFailure> {
    let gate = Arc::clone(&node.gate);
    let found = tokio::task::spawn_blocking(move || find_record(&gate, &arguments)).await;
    found.map_err(|error| OperatorFailure::Failed(error.to_string()))?
}

fn find_record(gate: &Gate, arguments: &ExplainArguments) -> Result<Value, OperatorFailure> {
    let state = snapshot(gate)?;
    let failed = |error: &dyn std::fmt::Display| OperatorFailure::Failed(error.to_string());
    let found: Option<Record> = match &arguments.id {
        Some(id) => match tables::find(&state, id).map_err(|error| failed(&error))? {
            Some(record) => Some(record),
            None => gate
                .journal()
                .find(1, &mut |record| record.request_id == *id)
                .map_err(|error| failed(&error))?
                .pop(),
        },
        None => {
            // What services did for a request is told with that request.
            let write = newest_request(&state).map_err(|error| failed(&error))?;
            let other = gate
                .journal()
                .find(1, &mut |record| record.within.is_none())
                .map_err(|error| failed(&error))?
                .pop();
            // Of the same millisecond the refusal is the more telling.
            match (write, other) {
                (Some(write), Some(other)) if write.millis > other.millis => Some(write),
                (Some(write), None) => Some(write),
                (_, other) => other,
            }
        }
    };
    let record = found.ok_or_else(|| {
        OperatorFailure::NotFound(match &arguments.id {
            Some(id) => format!(
                "there is no record of the request {id}; records of reads are kept for a while only"
            ),
            None => "there is no record of any request yet".to_owned(),
        })
    })?;
    with_calls(gate, &state, record).map_err(|error| failed(&error))
}

/// Records of writes that are looked at for one that is no service's own.
const NEWEST: usize = 1_000;

fn newest_request(state: &dyn Read) -> Result<Option<Record>, StoreError> {
    let found = tables::newest(state, NEWEST)?;
    Ok(found.into_iter().find(|record| record.within.is_none()))
}

/// A record with those of the calls that services made for it, each with its own.
fn with_calls(gate: &Gate, state: &dyn Read, record: Record) -> anyhow::Result<Value> {
    let mut ids = BTreeSet::from([record.request_id.clone()]);
    let mut calls: Vec<Record> = Vec::new();
    let mut left = vec![record.request_id.clone()];
    while let Some(id) = left.pop() {
        for call in tables::within(state, &id)? {
            if ids.insert(call.request_id.clone()) {
                left.push(call.request_id.clone());
                calls.push(call);
            }
        }
    }
    // A call that was made within one that was refused is older than it, so it is looked at later.
    let noted = gate.journal().find(NEWEST, &mut |other| {
        let wanted = other.within.as_ref().is_some_and(|within| ids.contains(within));
        if wanted {
            ids.insert(other.request_id.clone());
        }
        wanted
    })?;
    calls.extend(noted.into_iter().rev());
    calls.sort_by_key(|call| call.millis);
    tree(&record, &calls)
}

fn tree(record: &Record, calls: &[Record]) -> anyhow::Result<Value> {
    let mut value = serde_json::to_value(record)?;
    let own = calls.iter().filter(|it| it.within.as_ref() == Some(&record.request_id));
    let own: Vec<Value> = own.map(|call| tree(call, calls)).collect::<Result<_, _>>()?;
    if let (Some(members), false) = (value.as_object_mut(), own.is_empty()) {
        members.insert("sagegateCalls".to_owned(), own.into());
    }
    Ok(value)
}

pub(crate) fn snapshot(gate: &Gate) -> Result<impl Read + use<>, OperatorFailure> {
    gate.store().snapshot().map_err(|error| OperatorFailure::Failed(error.to_string()))
}
