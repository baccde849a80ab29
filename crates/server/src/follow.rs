//! Listeners follow the state: endpoints and domains that come, change and go.

use std::collections::{HashMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use sagegate_gate::{Fault, Gate, Reaction};
use sagegate_network::Places;
use sagegate_services::binding::Binding;
use sagegate_services::ec2::endpoint;
use sagegate_services::sagemaker::lifecycle::Lifecycle;
use sagegate_services::sagemaker::records::DOORS;
use sagegate_services::sagemaker::site;
use tokio::sync::Mutex;

use crate::exchange::BoxFuture;
use crate::listeners::{Convergence, ListenAddress, Server, Via, has_loopback_range};

/// The places of this machine.
#[must_use]
pub fn places_here(port: u16) -> Places {
    Places { port, range: has_loopback_range() }
}

/// The tables that doors of Studio domains depend on.
const DOOR_TABLES: &[&str] = &[DOORS.name()];

/// Keeps a server's listeners to what the state says, and the state to what became of them.
pub struct Follower {
    server: Arc<Server>,
    places: Places,
    /// Held from binding addresses to writing what became of them, so that what was found later is
    /// also written later.
    turn: Mutex<Turn>,
}

/// What one turn leaves to the next.
#[derive(Default)]
struct Turn {
    /// The addresses that could not be bound. The log tells of each once.
    failed: HashSet<SocketAddr>,
}

impl std::fmt::Debug for Follower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follower").field("places", &self.places).finish_non_exhaustive()
    }
}

impl Follower {
    /// The reactions to register with the gate: on writes to the tables of endpoints and doors, all
    /// listeners are brought into line before the write is answered.
    #[must_use]
    pub fn reactions(server: Arc<Server>, places: Places) -> Vec<Arc<dyn Reaction>> {
        let follower = Arc::new(Self { server, places, turn: Mutex::default() });
        [endpoint::LISTENER_TABLES, DOOR_TABLES]
            .into_iter()
            .map(|tables| -> Arc<dyn Reaction> {
                Arc::new(Watch { tables, follower: Arc::clone(&follower) })
            })
            .collect()
    }

    /// What should be listened on. What cannot be read is left out, and so closed: whom its rules
    /// let in cannot be judged.
    fn desired(&self, gate: &Gate) -> Vec<ListenAddress> {
        let state = match gate.store().snapshot() {
            Ok(state) => state,
            Err(error) => {
                tracing::error!(%error, "the state cannot be read: endpoints and doors are closed");
                return Vec::new();
            }
        };
        let endpoints = endpoint::listeners(&state).unwrap_or_else(|error| {
            tracing::error!(%error, "the endpoints cannot be read: all of them are closed");
            Vec::new()
        });
        let endpoints = endpoints.into_iter().map(|listener| ListenAddress {
            address: self.places.socket(listener.addr),
            via: Via::Endpoint(listener.arrival()),
            denied: listener.admitted.as_ref().err().map(ToString::to_string),
        });
        let doors = site::doors(&state).unwrap_or_else(|fault| {
            tracing::error!(?fault, "the Studio doors cannot be read: all of them are closed");
            Vec::new()
        });
        let doors = doors.into_iter().map(|(address, _)| ListenAddress {
            address: self.places.socket(address),
            via: Via::Door,
            denied: None,
        });
        endpoints.chain(doors).collect()
    }

    async fn follow(&self, gate: &Gate) {
        let mut turn = self.turn.lock().await;
        let done = self.server.converge_with(|| self.desired(gate)).await;
        for (address, error) in &done.failures {
            if !turn.failed.contains(address) {
                tracing::warn!("cannot listen on {address}: {error}");
            }
        }
        turn.failed = done.failures.iter().map(|(address, _)| *address).collect();
        let settled = self.settle(gate, &Outcome::of(&done, self.places)).await;
        drop(turn);
        match settled {
            // A domain waits for its door.
            Ok(true) => Lifecycle.react(gate).await,
            Ok(false) => {}
            Err(fault) => tracing::error!(?fault, "cannot write which addresses are bound"),
        }
    }

    /// Writes of all endpoints and doors of which it has changed whether they are bound. True when a
    /// door was among them.
    async fn settle(&self, gate: &Gate, outcome: &Outcome) -> Result<bool, Fault> {
        let state = gate.store().snapshot()?;
        let binding = |address| outcome.binding(address);
        for (scope, id) in endpoint::unsettled(&state, &binding)? {
            gate.commit(|tx| endpoint::settle(tx, &scope, &id, &binding)).await?;
        }
        let mut doors = site::doors(&state)?;
        doors.retain(|(address, door)| door.binding != binding(*address));
        for (address, _) in &doors {
            let binding = binding(*address);
            gate.commit(|tx| site::settle(tx, *address, &binding)).await?;
        }
        Ok(!doors.is_empty())
    }
}

/// What became of addresses.
struct Outcome {
    places: Places,
    found: HashMap<SocketAddr, Binding>,
}

impl Outcome {
    fn of(done: &Convergence, places: Places) -> Self {
        let listening = done.listening.iter().map(|address| (*address, Binding::Bound));
        let failures = done.failures.iter().map(|(address, error)| {
            (*address, Binding::Failed(format!("cannot listen on {address}: {error}")))
        });
        Self { places, found: listening.chain(failures).collect() }
    }

    /// What came into the state since is not bound yet.
    fn binding(&self, address: Ipv4Addr) -> Binding {
        self.found.get(&self.places.socket(address)).cloned().unwrap_or_default()
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
