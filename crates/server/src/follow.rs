//! Listeners follow the state: endpoints and domains that come, change and go.

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use sagegate_gate::{Fault, Gate, Reaction};
use sagegate_network::{Behind, Places};
use sagegate_services::binding::Binding;
use sagegate_services::ec2::endpoint;
use sagegate_services::sagemaker::app_door::{self, Way};
use sagegate_services::sagemaker::lifecycle::Lifecycle;
use sagegate_services::sagemaker::records::DOORS;
use sagegate_services::sagemaker::{site, space_records};
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
/// Those that doors of apps depend on: an app's doors are open while it is in service.
const APP_TABLES: &[&str] = &[app_door::APP_DOORS.name(), space_records::APPS.name()];

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
    /// The addresses of the state that could not be bound. The log tells of each once.
    failed: HashSet<Ipv4Addr>,
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
        [endpoint::LISTENER_TABLES, DOOR_TABLES, APP_TABLES]
            .into_iter()
            .map(|tables| -> Arc<dyn Reaction> {
                Arc::new(Watch { tables, follower: Arc::clone(&follower) })
            })
            .collect()
    }

    /// What should be listened on. What cannot be read is left out, and so closed: whom its rules
    /// let in cannot be judged. With each goes its address in the state: where there is no loopback
    /// range, several of those have one socket. Who has it keeps it: what is bound comes first.
    fn desired(&self, gate: &Gate) -> Vec<(Ipv4Addr, ListenAddress)> {
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
        let apps = app_door::doors(&state).unwrap_or_else(|fault| {
            tracing::error!(?fault, "the doors of apps cannot be read: all of them are closed");
            Vec::new()
        });
        let apps = apps.into_iter().filter_map(|(address, door)| {
            let mut at = ListenAddress {
                address: self.places.socket(address),
                via: Via::Door,
                denied: None,
                names: Vec::new(),
            };
            if let Way::Endpoint { endpoint, subnet } = &door.way {
                // An app is reached by an endpoint as long, and by whom, the endpoint itself is.
                let arrivals = endpoints.iter().map(|it| (it, it.arrival()));
                let mut there = arrivals.filter(|(_, it)| {
                    it.vpc_endpoint_id == *endpoint
                        && it.subnet_id == *subnet
                        && it.behind() == Some(Behind::Studio)
                });
                let (listener, arrival) = there.next()?;
                at.denied = listener.admitted.as_ref().err().map(ToString::to_string);
                at.via = Via::Endpoint(arrival);
            }
            Some((door.binding, address, at))
        });
        let apps: Vec<_> = apps.collect();
        let endpoints = endpoints.into_iter().map(|listener| {
            let at = ListenAddress {
                address: self.places.socket(listener.addr),
                via: Via::Endpoint(listener.arrival()),
                denied: listener.admitted.as_ref().err().map(ToString::to_string),
                names: listener.names(),
            };
            (listener.binding, listener.addr, at)
        });
        let doors = site::doors(&state).unwrap_or_else(|fault| {
            tracing::error!(?fault, "the Studio doors cannot be read: all of them are closed");
            Vec::new()
        });
        let doors = doors.into_iter().map(|(address, door)| {
            let at = ListenAddress {
                address: self.places.socket(address),
                via: Via::Door,
                denied: None,
                names: Vec::new(),
            };
            (door.binding, address, at)
        });
        let mut all: Vec<_> = endpoints.chain(doors).chain(apps).collect();
        all.sort_by_key(|(binding, ..)| *binding != Binding::Bound);
        all.into_iter().map(|(_, address, at)| (address, at)).collect()
    }

    async fn follow(&self, gate: &Gate) {
        let mut turn = self.turn.lock().await;
        let mut addresses = Vec::new();
        let converge = self.server.converge_with(|| {
            let desired = self.desired(gate);
            addresses.extend(desired.iter().map(|(address, _)| *address));
            desired.into_iter().map(|(_, at)| at).collect()
        });
        let done = converge.await;
        let outcome = Outcome::of(&addresses, &done);
        for (address, binding) in &outcome.found {
            if let Binding::Failed(reason) = binding
                && !turn.failed.contains(address)
            {
                tracing::warn!("{reason}");
            }
        }
        turn.failed = outcome.failed().collect();
        let settled = self.settle(gate, &outcome).await;
        drop(turn);
        match settled {
            // Domains and notebook instances wait for their doors.
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
        let mut apps = app_door::doors(&state)?;
        apps.retain(|(address, door)| door.binding != binding(*address));
        for (address, _) in &apps {
            let binding = binding(*address);
            gate.commit(|tx| app_door::settle(tx, *address, &binding)).await?;
        }
        Ok(!doors.is_empty())
    }
}

/// What became of addresses of the state.
struct Outcome {
    found: HashMap<Ipv4Addr, Binding>,
}

impl Outcome {
    /// Of these addresses, whose sockets were asked for in this order.
    fn of(addresses: &[Ipv4Addr], done: &Convergence) -> Self {
        let bindings = done.outcomes.iter().map(|(socket, error)| match error {
            None => Binding::Bound,
            Some(error) => Binding::Failed(format!("cannot listen on {socket}: {error}")),
        });
        Self { found: addresses.iter().copied().zip(bindings).collect() }
    }

    fn failed(&self) -> impl Iterator<Item = Ipv4Addr> {
        let failed = self.found.iter().filter(|(_, it)| matches!(it, Binding::Failed(_)));
        failed.map(|(address, _)| *address)
    }

    /// What came into the state since is not bound yet.
    fn binding(&self, address: Ipv4Addr) -> Binding {
        self.found.get(&address).cloned().unwrap_or_default()
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
