//! The VPC in the kernel: network namespaces, linked and filtered as the networks of a region are.
//!
//! A router for each VPC, a namespace for each network interface with somebody behind it, a link
//! between the two; route tables are routing tables, security groups and network ACLs are nftables
//! rules. What arrives at a socket of an endpoint has the sender's private address as its peer, by
//! the kernel's word. Works as root, and without root in a user namespace.
//!
//! Invariant: nothing here has a name outside of the keeper's process, so that nothing is left of it
//! when that process and those in its namespaces have ended.

pub mod compile;
pub mod delta;
pub mod follow;
#[cfg(target_os = "linux")]
pub mod frame;
#[cfg(target_os = "linux")]
mod host;
#[cfg(target_os = "linux")]
pub mod join;
#[cfg(target_os = "linux")]
pub mod keeper;
pub mod nft;
pub mod order;
mod rules;
pub mod state;

#[cfg(target_os = "linux")]
pub use host::{Fabric, FabricError, Namespace};
pub use order::{At, Protocol};
