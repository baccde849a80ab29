//! The way to an app's pages: one HTTP exchange over a connection to it, and the WebSocket that may
//! come of it.
//!
//! An app is its user's own code. It is told nothing that is not its business (our cookies, what a
//! client claims about the way by which it came), and what it answers goes back as it is, but for what
//! would speak for the door.

mod body;
mod frames;
mod headers;
mod relay;

pub use body::guarded;
pub use headers::{for_app, for_client};
pub use relay::{End, Guard, Relayed, relay};

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use sagegate_agent::protocol::Open;
use tokio::time::timeout;

use crate::runtime::{self, Failure, Runtime, Stream};

/// How long an app may take to begin its answer. A notebook server answers when a kernel has come up,
/// which takes its time on a busy machine.
const HEAD_TIME: Duration = Duration::from_secs(300);

/// What an app answers.
#[derive(Debug)]
pub enum Answered {
    /// A response, its body still under way.
    Response(http::Response<Incoming>),
    /// Another protocol: the head of the answer, and the app's end of the connection.
    Switched(http::Response<()>, Switched),
}

/// The app's end of a connection that has switched its protocol.
pub struct Switched(pub Stream);

impl std::fmt::Debug for Switched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Switched")
    }
}

/// A connection to the app of a workload.
///
/// # Errors
/// Where the workload does not run or its app does not listen.
pub async fn connect(runtime: &dyn Runtime, workload: &str) -> Result<Stream, Failure> {
    runtime::open(runtime, workload, &Open::App).await
}

/// One exchange with an app over a connection of its own.
///
/// # Errors
/// What the visitor should read, where the app does not answer in HTTP or not in time.
pub async fn exchange(stream: Stream, request: http::Request<Bytes>) -> Result<Answered, Failure> {
    let silent = |error: hyper::Error| Failure::new(format!("The app does not answer: {error}."));
    let (mut sender, connection) = http1::Builder::new()
        .handshake::<_, Full<Bytes>>(TokioIo::new(stream))
        .await
        .map_err(silent)?;
    // It ends with the exchange: nobody else gets the sender.
    tokio::spawn(connection.with_upgrades());
    let answer = timeout(HEAD_TIME, sender.send_request(request.map(Full::new))).await;
    let answer =
        answer.map_err(|_| Failure::new("The app has not answered in time."))?.map_err(silent)?;
    if answer.status() != http::StatusCode::SWITCHING_PROTOCOLS {
        return Ok(Answered::Response(answer));
    }
    let mut told = http::Response::new(());
    *told.status_mut() = answer.status();
    *told.headers_mut() = answer.headers().clone();
    let upgraded = hyper::upgrade::on(answer).await.map_err(silent)?;
    Ok(Answered::Switched(told, Switched(Box::new(TokioIo::new(upgraded)))))
}
