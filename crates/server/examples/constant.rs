//! A server that answers everything with a constant, to be measured beside another one that does.
//!
//! `cargo run --profile bench -p sagegate-server --example constant -- 127.0.0.1:4580`

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use sagegate_gate::{Env, HttpRequest, Unsigned};
use sagegate_server::{Answer, BoxFuture, Control, HttpResponse, Limits, Server, ServerParts};

struct NoControl;

impl Control for NoControl {
    fn reset<'a>(&'a self, _: &'a HttpRequest) -> Option<BoxFuture<'a, Result<(), String>>> {
        None
    }

    fn note(&self, _: Unsigned) {}
}

fn constant(_: HttpRequest) -> Answer<'static> {
    Box::pin(async { HttpResponse::new(Bytes::from_static(b"{}")).into() })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address: SocketAddr = std::env::args().nth(1).ok_or("usage: constant ADDRESS")?.parse()?;
    let env = Env::system();
    let server = Server::new(ServerParts {
        limits: Limits::default(),
        api: Arc::new(constant),
        door: Arc::new(constant),
        channel: Arc::new(constant),
        control: Arc::new(NoControl),
        request_ids: Arc::new(move || env.uuid()),
    });
    server.serve(Server::bind(address)?).await;
    tokio::signal::ctrl_c().await?;
    server.stop().await;
    Ok(())
}
