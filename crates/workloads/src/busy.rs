//! One at a time for each workload.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

/// Who is at work on which workload.
#[derive(Debug, Default)]
pub(crate) struct Busy(Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>);

impl Busy {
    /// Waits until nobody is at work on a workload, and keeps others out while what it gives is held.
    pub(crate) async fn lock(&self, id: &str) -> OwnedMutexGuard<()> {
        let one = {
            let mut busy = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            busy.retain(|_, lock| Arc::strong_count(lock) > 1);
            Arc::clone(busy.entry(id.to_owned()).or_default())
        };
        one.lock_owned().await
    }
}
