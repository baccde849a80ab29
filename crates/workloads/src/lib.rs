//! Runs what the state wants to run, and leads to it.
//!
//! Invariant: the store says what is to run; a runtime makes it so and reports what it sees. Nothing
//! that a workload says is believed beyond what its owner may do anyway.

pub mod apps;
mod busy;
mod credentials;
pub mod docker;
pub mod gateway;
mod held;
mod homes;
mod host_keys;
pub mod images;
pub mod keeper;
pub mod networks;
pub mod nothing;
mod order;
mod plan;
pub mod process;
pub mod proxy;
pub mod runtime;
pub mod work;
