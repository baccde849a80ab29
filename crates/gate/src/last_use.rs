//! When access keys were last used. Noted in memory on every request, and put into the store now
//! and then, so that no request waits for it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::env::Time;

/// The last use of one access key (IAM API, `AccessKeyLastUsed`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// When.
    pub at: Time,
    /// The service's signing name, such as `sagemaker`.
    pub service: String,
    /// The region that was signed for.
    pub region: String,
}

/// Uses that are not in the store yet.
#[derive(Debug, Default)]
pub struct LastUse(Mutex<HashMap<String, Use>>);

impl LastUse {
    /// Notes a use.
    pub fn note(&self, access_key_id: &str, at: Time, service: &str, region: &str) {
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match uses.get_mut(access_key_id) {
            // The common case allocates nothing.
            Some(last) if last.service == service && last.region == region => last.at = at,
            _ => {
                let entry = Use { at, service: service.to_owned(), region: region.to_owned() };
                uses.insert(access_key_id.to_owned(), entry);
            }
        }
    }

    /// The use of a key that was noted since the last [`LastUse::take`].
    #[must_use]
    pub fn get(&self, access_key_id: &str) -> Option<Use> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(access_key_id).cloned()
    }

    /// Takes all that was noted, to be put into the store.
    #[must_use]
    pub fn take(&self) -> HashMap<String, Use> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
