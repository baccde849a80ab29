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
    /// Puts back what was taken and could not be put into the store. What was noted since is later
    /// and stays.
    pub fn put_back(&self, taken: HashMap<String, Use>) {
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, last) in taken {
            uses.entry(id).or_insert(last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_back_gives_way_to_what_came_since() {
        let uses = LastUse::default();
        uses.note("a", Time::from_millis(1), "iam", "us-west-2");
        uses.note("b", Time::from_millis(2), "iam", "us-west-2");
        let taken = uses.take();
        uses.note("a", Time::from_millis(3), "sts", "us-west-2");
        uses.put_back(taken);
        assert_eq!(uses.get("a").map(|it| it.at), Some(Time::from_millis(3)));
        assert_eq!(uses.get("b").map(|it| it.at), Some(Time::from_millis(2)));
    }
}
