//! Listeners follow the state: endpoints and domains that come, change and go.

use std::collections::{HashMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use sagegate_gate::{Fault, Gate, Reaction};
use sagegate_network::Places;
use sagegate_services::ec2::endpoint;

use crate::exchange::BoxFuture;
use crate::listeners::{ListenAddress, Server, Via, has_loopback_range};

/// The places of this machine.
#[must_use]
pub fn places_here(port: u16) -> Places {
    Places { port, range: has_loopback_range() }
}

/// Finds the loopback addresses of Studio domains.
pub type FindDoors = Box<dyn Fn(&Gate) -> Result<Vec<Ipv4Addr>, Fault> + Send + Sync>;

/// Keeps a server's listeners to what the state says.
pub struct Follower {
    server: Arc<Server>,
    places: Places,
    doors: FindDoors,
}

impl std::fmt::Debug for Follower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follower").field("places", &self.places).finish_non_exhaustive()
    }
}

impl Follower {
    /// The reactions to register with the gate: on writes to the tables of endpoints, and to
    /// `door_tables`, all listeners are brought into line before the write is answered.
    #[must_use]
    pub fn reactions(
        server: Arc<Server>,
        places: Places,
        door_tables: &'static [&'static str],
        doors: FindDoors,
    ) -> Vec<Arc<dyn Reaction>> {
        let follower = Arc::new(Self { server, places, doors });
        [endpoint::LISTENER_TABLES, door_tables]
            .into_iter()
            .map(|tables| -> Arc<dyn Reaction> {
                Arc::new(Watch { tables, follower: Arc::clone(&follower) })
            })
            .collect()
    }

    fn desired(&self, gate: &Gate) -> Result<Vec<ListenAddress>, Fault> {
        let state = gate.store().snapshot()?;
        let endpoints = endpoint::listeners(&state)?.into_iter().map(|listener| ListenAddress {
            address: self.places.socket(listener.addr),
            via: Via::Endpoint(listener.arrival()),
            denied: listener.admitted.as_ref().err().map(ToString::to_string),
        });
        let doors = (self.doors)(gate)?.into_iter().map(|address| ListenAddress {
            address: self.places.socket(address),
            via: Via::Door,
            denied: None,
        });
        Ok(endpoints.chain(doors).collect())
    }

    async fn follow(&self, gate: &Gate) {
        let done = match self.server.converge_with(|| self.desired(gate)).await {
            Ok(done) => done,
            Err(fault) => {
                // The listeners stay as they were; the next write tries again.
                tracing::error!(?fault, "cannot read which addresses to listen on");
                return;
            }
        };
        let failures: HashMap<SocketAddr, String> = done
            .failures
            .into_iter()
            .map(|(address, error)| (address, format!("cannot listen on {address}: {error}")))
            .collect();
        for text in failures.values() {
            tracing::warn!("{text}");
        }
        if let Err(fault) = self.settle(gate, &done.listening, &failures).await {
            tracing::error!(?fault, "cannot write that endpoints are bound");
        }
    }

    /// Writes of the endpoints that wait for it whether their addresses are bound.
    async fn settle(
        &self,
        gate: &Gate,
        listening: &HashSet<SocketAddr>,
        failures: &HashMap<SocketAddr, String>,
    ) -> Result<(), Fault> {
        let state = gate.store().snapshot()?;
        for (scope, id) in endpoint::unsettled(&state)? {
            let wanted: Vec<Ipv4Addr> = endpoint::listeners_of(&state, &scope, &id)?
                .into_iter()
                .map(|listener| listener.addr)
                .collect();
            let socket = |address: &Ipv4Addr| self.places.socket(*address);
            let failure = wanted.iter().find_map(|address| failures.get(&socket(address)));
            // What came into the state since the listeners were brought into line is not bound yet.
            let bound: Vec<Ipv4Addr> =
                wanted.iter().filter(|at| listening.contains(&socket(at))).copied().collect();
            let outcome = || failure.map_or(Ok(&*bound), |text| Err(text.clone()));
            gate.commit(|tx| endpoint::settle(tx, &scope, &id, outcome())).await?;
        }
        Ok(())
    }
}

/// One reaction of a [`Follower`].
struct Watch {
    tables: &'static [&'static str],
    follower: Arc<Follower>,
}

impl Reaction for Watch {
    fn tables(&self) -> &'static [&'static str] {
        self.tables
    }

    fn react<'a>(&'a self, gate: &'a Gate) -> BoxFuture<'a, ()> {
        Box::pin(self.follower.follow(gate))
    }
}
