//! Runtimes, tried from outside: what each must do, and what code in a space must not be able to do.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by it; only in functions marked as tests it would be allowed anyway"
)]

mod attacks;
mod common;
mod conformance;
mod docker;
mod image;
mod jupyter;
mod keeper;
mod launcher;
mod networks;
mod notebooks;
mod scripted;
