//! Follows the networks: what changes in the kernel costs what changed in the networks, not what is
//! there.
//!
//! Interfaces that come, go and change and rules of security groups are followed one by one; anything
//! else, which is rarer, has everything compiled anew. The law, which the tests hold it to: after every
//! step the state is the one that [`compile`] makes from scratch, and the step given is the difference
//! between two such states.

mod index;
mod step;

use std::collections::BTreeSet;
use std::sync::Arc;

use sagegate_network::topology::Topology;

use crate::compile::{Numbers, compile};
use crate::delta::Delta;
use crate::state::State;

use index::Index;

/// The state of a fabric, and of which networks it is.
#[derive(Debug, Default)]
pub struct Follower {
    numbers: Numbers,
    topology: Arc<Topology>,
    plugged: BTreeSet<String>,
    state: State,
    index: Index,
    /// How many steps were taken by what changed alone.
    short: u64,
}

impl Follower {
    /// What the kernel is to have now.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The numbers that were given so far.
    #[must_use]
    pub fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    /// How many steps were taken without compiling everything anew.
    #[must_use]
    pub fn short_steps(&self) -> u64 {
        self.short
    }

    /// Goes on to other networks, with somebody behind each of the `plugged` interfaces, and tells
    /// what is to be done for it.
    pub fn step(&mut self, topology: &Arc<Topology>, plugged: &BTreeSet<String>) -> Delta {
        let delta = if let Some(step) = self.short_step(topology, plugged) {
            self.short += 1;
            self.take(step)
        } else {
            let state = compile(topology, plugged, &mut self.numbers);
            let delta = Delta::between(&self.state, &state);
            self.index = Index::of(topology, plugged, &state, &mut self.numbers);
            self.state = state;
            delta
        };
        self.topology = Arc::clone(topology);
        let gone: Vec<String> = self.plugged.difference(plugged).cloned().collect();
        let new: Vec<String> = plugged.difference(&self.plugged).cloned().collect();
        for id in gone {
            self.plugged.remove(&id);
        }
        self.plugged.extend(new);
        delta
    }

    /// Forgets everything but the numbers: nothing is in the kernel.
    pub fn forget(&mut self) {
        let numbers = std::mem::take(&mut self.numbers);
        *self = Self { numbers, short: self.short, ..Self::default() };
    }
}
