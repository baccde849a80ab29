//! Who a caller is in IAM right now, kept for as long as nothing in IAM changes.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock};

use sagegate_policy::{Attached, Bundle, Document, Policy, folded_key};
use sagegate_store::{Mark, Read, Snapshot, StoreError};
use sagegate_wire::sigv4::SecretKey;
use sha2::{Digest, Sha256};

use crate::caller::{Caller, Principal, SessionFacts};
use crate::directory::{AccessKey, AttachedPolicy, Directory, Identity};
use crate::ids::AccountId;

/// Entries of each cache, at most; past it the cache starts anew.
const ENTRIES: usize = 4_096;

/// An identity with its policies ready to decide.
#[derive(Debug)]
pub(crate) struct Standing {
    /// What IAM says.
    pub(crate) identity: Identity,
    /// Its identity policies, merged into one index.
    pub(crate) bundle: Bundle,
    /// Its permissions boundary, if it has one.
    pub(crate) boundaries: Vec<Attached>,
}

/// A long-term key, its secret ready to verify.
#[derive(Debug)]
pub(crate) struct Known {
    /// What IAM says.
    pub(crate) key: AccessKey,
    /// Its secret with the fingerprint by which derived keys are found.
    pub(crate) secret: SecretKey,
}

/// Session policies, compiled.
pub(crate) type SessionPolicies = Arc<Vec<Attached>>;

/// Answers from the directory, kept while its tables stand still.
pub(crate) struct Principals {
    directory: Arc<dyn Directory>,
    /// The last state that was asked about, and its epoch.
    latest: RwLock<(Mark, u64)>,
    kept: RwLock<Kept>,
    /// By the digest of their texts: the texts of many sessions would take more room than what is
    /// compiled of them.
    sessions: RwLock<HashMap<[u8; 32], SessionPolicies>>,
}

#[derive(Default)]
struct Kept {
    epoch: u64,
    keys: HashMap<String, Option<Arc<Known>>>,
    standings: HashMap<(AccountId, String), Option<Arc<Standing>>>,
    managed: HashMap<(AccountId, String), Option<Attached>>,
}

impl std::fmt::Debug for Principals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Principals").finish_non_exhaustive()
    }
}

impl Principals {
    pub(crate) fn new(directory: Arc<dyn Directory>) -> Self {
        Self {
            directory,
            latest: RwLock::default(),
            kept: RwLock::default(),
            sessions: RwLock::default(),
        }
    }

    pub(crate) fn directory(&self) -> &dyn Directory {
        &*self.directory
    }

    /// The long-term key of this id.
    pub(crate) fn access_key(
        &self,
        state: &Snapshot,
        id: &str,
    ) -> Result<Option<Arc<Known>>, StoreError> {
        let epoch = self.epoch(state);
        {
            let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
            if kept.epoch == epoch
                && let Some(found) = kept.keys.get(id)
            {
                return Ok(found.clone());
            }
        }
        let found = self.directory.access_key(state, id)?.map(|key| {
            let secret = SecretKey::new(key.secret.reveal().to_owned());
            Arc::new(Known { key, secret })
        });
        self.keep(epoch, |kept| insert(&mut kept.keys, id.to_owned(), found.clone()));
        Ok(found)
    }

    /// The user or role of this unique id, with its policies compiled.
    pub(crate) fn standing(
        &self,
        state: &Snapshot,
        account: &AccountId,
        unique_id: &str,
    ) -> Result<Option<Arc<Standing>>, StoreError> {
        let epoch = self.epoch(state);
        let key = (account.clone(), unique_id.to_owned());
        {
            let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
            if kept.epoch == epoch
                && let Some(found) = kept.standings.get(&key)
            {
                return Ok(found.clone());
            }
        }
        let found = self.standing_in(state, account, unique_id)?;
        self.keep(epoch, |kept| insert(&mut kept.standings, key, found.clone()));
        Ok(found)
    }

    /// As [`Principals::standing`], worked out anew: for a state that nobody else sees.
    pub(crate) fn standing_in(
        &self,
        state: &dyn Read,
        account: &AccountId,
        unique_id: &str,
    ) -> Result<Option<Arc<Standing>>, StoreError> {
        let found = self.directory.identity(state, account, unique_id)?;
        Ok(found.map(|identity| Arc::new(Standing::of(identity))))
    }

    /// A managed policy by its ARN, compiled.
    pub(crate) fn managed(
        &self,
        state: &Snapshot,
        account: &AccountId,
        arn: &str,
    ) -> Result<Option<Attached>, StoreError> {
        let epoch = self.epoch(state);
        let key = (account.clone(), arn.to_owned());
        {
            let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
            if kept.epoch == epoch
                && let Some(found) = kept.managed.get(&key)
            {
                return Ok(found.clone());
            }
        }
        let found = self.managed_in(state, account, arn)?;
        self.keep(epoch, |kept| insert(&mut kept.managed, key, found.clone()));
        Ok(found)
    }

    /// As [`Principals::managed`], worked out anew: for a state that nobody else sees.
    pub(crate) fn managed_in(
        &self,
        state: &dyn Read,
        account: &AccountId,
        arn: &str,
    ) -> Result<Option<Attached>, StoreError> {
        let found = self.directory.managed_policy(state, account, arn)?;
        Ok(found.map(|it| it.attached()))
    }

    /// A session's inline policies, compiled; `None` if one of them does not parse, which must deny.
    pub(crate) fn inline_policies(&self, facts: &SessionFacts) -> Option<SessionPolicies> {
        let key = digest(&facts.policies);
        if let Some(found) = self.sessions.read().unwrap_or_else(PoisonError::into_inner).get(&key)
        {
            return Some(Arc::clone(found));
        }
        let mut compiled = Vec::with_capacity(facts.policies.len());
        for (name, text) in &facts.policies {
            let policy = Policy::compile(&Document::parse(text).ok()?);
            compiled.push(Attached::new(name.as_str(), policy));
        }
        let compiled = Arc::new(compiled);
        let mut sessions = self.sessions.write().unwrap_or_else(PoisonError::into_inner);
        insert(&mut sessions, key, Arc::clone(&compiled));
        Some(compiled)
    }

    fn epoch(&self, state: &Snapshot) -> u64 {
        {
            let latest = self.latest.read().unwrap_or_else(PoisonError::into_inner);
            if latest.0.is_of(state) {
                return latest.1;
            }
        }
        let tables = self.directory.tables().iter();
        let epoch = tables.map(|table| state.table_revision(table)).max().unwrap_or(0);
        *self.latest.write().unwrap_or_else(PoisonError::into_inner) = (state.mark(), epoch);
        epoch
    }

    /// Keeps an answer, unless the cache is already for a later state.
    fn keep(&self, epoch: u64, put: impl FnOnce(&mut Kept)) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.epoch < epoch {
            *kept = Kept { epoch, ..Kept::default() };
        }
        if kept.epoch == epoch {
            put(&mut kept);
        }
    }
}

/// Puts into a cache, which starts anew where it is full.
fn insert<K: Eq + Hash, V>(cache: &mut HashMap<K, V>, key: K, value: V) {
    if cache.len() >= ENTRIES {
        cache.clear();
    }
    cache.insert(key, value);
}

impl Standing {
    fn of(identity: Identity) -> Self {
        let bundle = Bundle::new(identity.policies.iter().map(AttachedPolicy::attached));
        let boundaries = identity.boundary.iter().map(AttachedPolicy::attached).collect();
        Self { identity, bundle, boundaries }
    }
}

/// What tells one list of policies (name and text) from another.
fn digest(policies: &[(String, String)]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in policies.iter().flat_map(|(name, text)| [name, text]) {
        // Lengths keep two lists from running into one.
        digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(part.as_bytes());
    }
    digest.finalize().into()
}

/// The tags of a caller: those of its user or role, and over them its session's.
pub(crate) fn principal_tags(
    caller: &Caller,
    standing: Option<&Standing>,
) -> BTreeMap<String, String> {
    let mut tags = standing.map(|it| it.identity.tags.clone()).unwrap_or_default();
    if matches!(caller.principal, Principal::Federated { .. }) {
        // A federated user's tags are those of the call, not those of the user who made it.
        tags.clear();
    }
    if let Some(session) = &caller.session {
        lay_over(&mut tags, &session.tags);
    }
    tags
}

/// Lays tags over others: keys are the same whatever their case (IAM User Guide, "Tags for IAM
/// resources").
fn lay_over(tags: &mut BTreeMap<String, String>, over: &BTreeMap<String, String>) {
    let hidden: Vec<_> = over.keys().map(|key| folded_key(key)).collect();
    tags.retain(|key, _| !hidden.contains(&folded_key(key)));
    tags.extend(over.iter().map(|(key, value)| (key.clone(), value.clone())));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_tag_hides_the_roles_in_whatever_case_of_whatever_letters() {
        let tags = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
        };
        let mut found = tags(&[("TEAM", "role"), ("été", "role"), ("kept", "role")]);
        lay_over(&mut found, &tags(&[("team", "session"), ("ÉTÉ", "session")]));
        assert_eq!(found, tags(&[("team", "session"), ("ÉTÉ", "session"), ("kept", "role")]));
    }

    #[test]
    fn a_digest_tells_where_each_part_ends() {
        let list = |parts: &[(&str, &str)]| {
            digest(&parts.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect::<Vec<_>>())
        };
        let all = [
            list(&[]),
            list(&[("", "")]),
            list(&[("a", "bc")]),
            list(&[("ab", "c")]),
            list(&[("a", "b"), ("c", "")]),
            list(&[("c", ""), ("a", "b")]),
        ];
        assert_eq!(all.iter().collect::<std::collections::HashSet<_>>().len(), all.len());
        assert_eq!(list(&[("a", "b")]), list(&[("a", "b")]));
    }
}
