//! Web pages: the Studio door. Rendered on the server, without scripts and without a build step.
//!
//! Invariant: no page is shown to a visitor whose permission has not been decided for this very
//! request, with the network by which this request came (SPEC T7).

mod door;
mod pages;
mod record;
mod web;

pub use door::StudioDoor;
