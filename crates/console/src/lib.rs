//! Web pages: the Studio door, and the way to the apps behind it. Rendered on the server and readable
//! without scripts; no build step.
//!
//! Invariant: no page is shown to a visitor whose permission has not been decided for this very
//! request, with the network by which this request came (SPEC T7).

mod actions;
mod app;
mod door;
mod notebook;
mod pages;
mod record;
mod reply;
mod spaces;
mod web;

pub use door::StudioDoor;
pub use reply::{AppBody, Leaving, Reply, Socket};
