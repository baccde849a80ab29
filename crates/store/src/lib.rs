//! The state of Sagegate: an ordered, transactional key-value store with typed collections.
//!
//! [`Store`] runs serializable transactions and hands out consistent snapshots; [`Table`] gives keys and records
//! their types. The engines behind it, memory and one embedded file, differ only in whether a commit waits for a
//! disk; `docs/decisions/0003-store.md` tells why it is built like this.

mod committer;
mod error;
mod file;
mod head;
mod key;
mod memo;
mod store;
mod table;
mod tx;
mod view;

pub use error::{OpenError, StoreError, TransactError};
pub use key::{Key, KeyError, KeyOf, KeyPrefix};
pub use memo::Memo;
pub use store::{Committed, Store};
pub use table::{Record, Table};
pub use tx::Tx;
pub use view::{Mark, Pair, Read, Snapshot};
