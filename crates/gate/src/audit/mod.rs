//! The audit: a record for every request, and how they are kept.
//!
//! Records of writes are part of the write's transaction. Records of reads and of refused requests
//! go through a bounded queue to a thread that appends them to a few files of bounded size; a
//! record of an allowed read is dropped, and counted, when the queue is full, one of a refusal
//! waits for room.

mod journal;
pub(crate) mod line;
mod record;
pub mod tables;
mod tally;

pub use journal::{Journal, JournalError};
pub use record::{Circumstances, Record, members};
pub(crate) use tally::Tally;
