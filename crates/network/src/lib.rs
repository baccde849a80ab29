//! The VPC as a model: pure data and rules, no sockets and no clock.
//!
//! Invariant: nothing here knows HTTP, a store or a service's API. What a request's network means
//! for policies ([`Arrival`]) is decided here and nowhere else.

pub mod allot;
pub mod arrival;
pub mod cidr;
pub mod cidr_v6;
pub mod dns;
pub mod endpoint_name;
pub mod loopback;
pub mod public;
pub mod reach;
pub mod search;
pub mod security_group;
pub mod sketch;
pub mod topology;
pub mod walk;

pub use arrival::{Arrival, Behind, EndpointArrival, behind};
pub use loopback::{Places, SPACES};
