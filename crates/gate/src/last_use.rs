//! When access keys and roles were last used. Noted in memory on every request, and put into the store now
//! and then, so that no request waits for it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::env::Time;

/// The last use of an access key or a role (IAM API, `AccessKeyLastUsed`, `RoleLastUsed`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// When.
    pub at: Time,
    /// The service's signing name, such as `sagemaker`.
    pub service: String,
    /// The region that was signed for.
    pub region: String,
}

/// Uses that are not in the store yet, by access key id or, for sessions, the role's unique id.
#[derive(Debug, Default)]
pub struct LastUse(Mutex<HashMap<String, Use>>);

impl LastUse {
    /// Notes a use of an access key id or a role's unique id.
    pub fn note(&self, id: &str, at: Time, service: &str, region: &str) {
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match uses.get_mut(id) {
            // The common case allocates nothing.
            Some(last) if last.service == service && last.region == region => last.at = at,
            _ => {
                let entry = Use { at, service: service.to_owned(), region: region.to_owned() };
                uses.insert(id.to_owned(), entry);
            }
        }
    }

    /// The use that was noted since the last [`LastUse::take`].
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Use> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Takes all that was noted, to be put into the store.
    #[must_use]
    pub fn take(&self) -> HashMap<String, Use> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
