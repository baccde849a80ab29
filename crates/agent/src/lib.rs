//! The program that runs inside a space's sandbox and speaks for it.
//!
//! It starts the app, watches over it, and answers on the control socket, which only the host's side
//! can reach. Everything that it says is said by the tenant's side: the host believes none of it
//! beyond what the tenant may do anyway.

pub mod protocol;
