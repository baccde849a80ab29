//! What follows the state while the server runs: the listeners of endpoints and doors.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, LazyLock};

use sagegate_gate::{Gate, Reaction};
use sagegate_server::{ListenAddress, Server, Via};
use sagegate_services::ec2;
use sagegate_services::sagemaker::records::DOORS;
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
        static TABLES: LazyLock<Vec<&'static str>> =
            LazyLock::new(|| ec2::LISTENER_TABLES.iter().copied().chain([DOORS.name()]).collect());
        &TABLES
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
        let endpoints = ec2::listeners(&state)?;
        let doors = site::doors(&state).map_err(crate::node::fault)?;
        let at = |address: Ipv4Addr| SocketAddr::new(address.into(), self.port);
        let mut desired = Vec::with_capacity(endpoints.len() + doors.len());
        for endpoint in &endpoints {
            desired.push(ListenAddress {
                address: at(endpoint.addr),
                via: Via::Endpoint(endpoint.arrival()),
                denied: endpoint.admitted.as_ref().err().map(ToString::to_string),
            });
        }
        for (address, _) in doors {
            desired.push(ListenAddress { address: at(address), via: Via::Door, denied: None });
        }
        let result = self.server.converge(desired).await;
        for (address, error) in &result.failures {
            tracing::error!(%address, %error, "cannot listen");
        }
        for (scope, id) in ec2::unsettled(&state)? {
            let mut own = endpoints.iter().filter(|it| it.vpc_endpoint_id == id).map(|it| at(it.addr));
            let failure = own.find_map(|address| {
                result.failures.iter().find(|(at, _)| *at == address).map(|(address, error)| {
                    format!("the address {address} cannot be listened on: {error}")
                })
            });
            let bound = failure.map_or(Ok(()), Err);
            gate.commit(|tx| ec2::settle(tx, &scope, &id, bound.clone()))
                .await
                .map_err(crate::node::fault)?;
        }
        Ok(())
    }
}
