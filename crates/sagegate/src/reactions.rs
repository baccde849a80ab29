//! What follows the state while the server runs: the listeners of endpoints and doors.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use sagegate_gate::{Gate, Reaction};
use sagegate_server::{ListenAddress, Server, Via};
use sagegate_services::ec2;
use sagegate_services::sagemaker::site;
use tokio::sync::Mutex;

/// Keeps a listener for each address that the state names, and tells the endpoints when theirs
/// listen.
pub(crate) struct Listeners {
    pub(crate) server: Arc<Server>,
    pub(crate) port: u16,
    /// Held from reading the state to having followed it, so that an older state never undoes what
    /// a newer one has brought about.
    pub(crate) turn: Mutex<()>,
}

impl Reaction for Listeners {
    fn tables(&self) -> &'static [&'static str] {
        ec2::LISTENER_TABLES
    }

    fn react<'a>(&'a self, gate: &'a Gate) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            if let Err(error) = self.converge(gate).await {
                tracing::error!(%error, "the listeners do not follow the state");
            }
        })
    }
}

impl Listeners {
    async fn converge(&self, gate: &Gate) -> anyhow::Result<()> {
        let _turn = self.turn.lock().await;
        let state = gate.store().snapshot()?;
        let endpoints = ec2::listeners(&state).map_err(crate::node::fault)?;
        let doors = site::doors(&state).map_err(crate::node::fault)?;
        let at = |address: IpAddr| SocketAddr::new(address, self.port);
        let mut desired = Vec::with_capacity(endpoints.len() + doors.len());
        for endpoint in &endpoints {
            desired.push(ListenAddress {
                address: at(endpoint.address.into()),
                via: Via::Endpoint(endpoint.arrival.clone()),
                denied: endpoint.admitted.clone().err(),
            });
        }
        for (address, _) in doors {
            desired.push(ListenAddress { address: at(address.into()), via: Via::Door, denied: None });
        }
        let result = self.server.converge(desired).await;
        for (address, error) in &result.failures {
            tracing::error!(%address, %error, "cannot listen");
        }
        let failed = |address: IpAddr| {
            result.failures.iter().find(|(at, _)| at.ip() == address).map(|(_, error)| {
                format!("the address {address} cannot be listened on: {error}")
            })
        };
        let outcomes: Vec<_> = endpoints
            .iter()
            .map(|it| (it.arrival.clone(), failed(it.address.into())))
            .collect();
        gate.commit(|tx| ec2::settle(tx, &outcomes)).await.map_err(crate::node::fault)?;
        Ok(())
    }
}
