//! The message gateway, as a part of the program: behind the HTTP server, and for the operator.

use std::sync::{Arc, Weak};

use hyper::body::Bytes;
use sagegate_gate::{Gate, HttpRequest, Reaction};
use sagegate_server::{Answer, Cause, Handler, HttpResponse, OperatorFailure, Reply, Taken};
use sagegate_services::sagemaker::sessions::{self, State};
use sagegate_workloads::gateway::{
    Cutter, Gateway, Origin, PATH, STOPPING, Spaces, StoreLedger, WAY_CLOSED, upgrade,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::node::Node;
use crate::operator::{failure, snapshot};

/// Opens the gateway. What was open before this start is over: no socket has survived it.
pub(crate) async fn open(node: &Node, spaces: Arc<dyn Spaces>) -> anyhow::Result<Arc<Gateway>> {
    let gate = &node.gate;
    let over = "Sagegate was started anew.";
    gate.transact(|tx| sessions::end_all(tx, gate.env().now(), over))
        .await
        .map_err(crate::node::fault)?;
    let ledger = Arc::new(StoreLedger(Arc::clone(gate)));
    let gateway = Gateway::new(gate.env().clone(), ledger, spaces);
    Ok(Arc::clone(node.channels.get_or_init(|| Arc::new(gateway))))
}

/// What cuts the sessions that the state has ended.
pub(crate) fn reaction(gateway: &Arc<Gateway>) -> Arc<dyn Reaction> {
    let gateway: Weak<Gateway> = Arc::downgrade(gateway);
    Arc::new(Cutter(gateway))
}

/// The gateway behind the HTTP server.
pub(crate) struct Channels(pub(crate) Arc<Gateway>);

impl Handler for Channels {
    fn serve(&self, request: HttpRequest) -> Answer<'_> {
        let reply = match upgrade::answer(&request.method, &request.headers) {
            Ok(response) => Reply::Upgrade(response, takeover(Arc::clone(&self.0), &request)),
            Err((status, text)) => {
                let mut response = HttpResponse::new(Bytes::from_static(text.as_bytes()));
                *response.status_mut() = status;
                response.into()
            }
        };
        Box::pin(async { reply })
    }
}

fn takeover(gateway: Arc<Gateway>, request: &HttpRequest) -> sagegate_server::Takeover {
    let id = request.path.strip_prefix(PATH).unwrap_or_default().to_owned();
    let origin = Origin {
        arrival: request.arrival.clone(),
        user_agent: request.header("user-agent").unwrap_or_default().to_owned(),
        request_id: request.request_id.clone(),
        secure: request.secure,
    };
    Box::new(move |taken: Taken| {
        let Taken { stream, early, mut closing } = taken;
        Box::pin(async move {
            let closing = async move {
                match closing.wait().await {
                    Cause::Stop => STOPPING,
                    Cause::Way => WAY_CLOSED,
                }
            };
            gateway.serve(Box::new(stream), early, &id, origin, closing).await;
        })
    })
}

/// The live sessions, for `sagegate sessions`.
pub(crate) fn list(node: &Node) -> Result<Value, OperatorFailure> {
    let gate: &Gate = &node.gate;
    let state = snapshot(gate)?;
    let live = sessions::live(&state, gate.vault(), gate.env().now()).map_err(failure)?;
    let counted = node.channels.get().map(|gateway| gateway.live()).unwrap_or_default();
    let rows = live.into_iter().map(|session| {
        let carried = counted.iter().find(|it| it.id == session.id);
        let (kind, since) = match session.state {
            State::Open { since } => ("open", since),
            State::Waiting { .. } | State::Ended { .. } => ("not connected yet", session.created),
        };
        json!({
            "id": session.id,
            "space": session.space,
            "principal": session.caller.arn(),
            "source": session.source.address,
            "vpcEndpoint": session.source.vpc_endpoint,
            "state": kind,
            "since": since.iso8601(),
            "bytesFromClient": carried.map_or(0, |it| it.up),
            "bytesToClient": carried.map_or(0, |it| it.down),
        })
    });
    Ok(Value::Array(rows.collect()))
}

/// Which session to end.
#[derive(Deserialize)]
pub(crate) struct EndArguments {
    id: String,
}

/// Ends a session, for `sagegate sessions end`.
pub(crate) async fn end(node: &Node, arguments: &EndArguments) -> Result<Value, OperatorFailure> {
    let gate = &node.gate;
    let done = gate
        .transact(|tx| {
            if sessions::ending(tx, &arguments.id)?.is_some() {
                return Ok(false);
            }
            let reason = "The operator has ended the session.";
            sessions::end(tx, &arguments.id, reason, 0, 0, gate.env().now())?;
            Ok(true)
        })
        .await
        .map_err(failure)?;
    if done {
        return Ok(json!({}));
    }
    let text = format!("there is no live session {}; `sagegate sessions` lists them", arguments.id);
    Err(OperatorFailure::NotFound(text))
}
