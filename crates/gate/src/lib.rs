//! The one way in: who asks, may they, then run it and write it down.
//!
//! A request becomes a typed call, the call's [`needs::Needs`] are decided, and only then does the
//! operation run, in the same serializable transaction. Arriving requests and calls that services
//! make on somebody's behalf go the same way.
//!
//! Invariant: [`operation::Authorized`] is made here and nowhere else; an operation cannot run
//! unchecked.

pub mod audit;
mod authenticate;
pub mod caller;
mod decide;
pub mod denial;
pub mod directory;
pub mod env;
pub mod fault;
pub mod gate;
pub mod ids;
pub mod last_use;
pub mod needs;
pub mod operation;
mod principals;
mod record;
pub mod registry;
pub mod secret;
mod serve;
pub mod session;
pub mod vault;
pub mod within;

pub use caller::{Caller, Principal, SessionFacts};
pub use env::Env;
pub use fault::Fault;
pub use gate::{Context, Gate, Parts, Reaction, Refusal};
pub use ids::{AccountId, Region, Scope};
pub use needs::{Need, Needs};
pub use operation::{Access, Authorized, Call, Operation};
pub use secret::Secret;
pub use serve::{HttpRequest, Unsigned};
pub use vault::Vault;
pub use within::{Actor, Within};
