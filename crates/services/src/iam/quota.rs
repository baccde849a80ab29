//! How many entities of a kind an account may have (IAM User Guide, "IAM and AWS STS quotas").
//!
//! One counter for each kind would make every two creations conflict, so it is split by the last
//! letter of the unique id, of which there are 32. Ids are random, so that at the limit every shard
//! is close to its share: as long as an entity's own shard is more than five standard deviations
//! below it, the whole is not near the limit and the other shards are not looked at. From there on
//! the sum counts.

use sagegate_gate::{AccountId, Fault};
use sagegate_store::{Read, StoreError, Tx};

use super::faults::over_quota;
use super::records::{COUNTS, EntityKind};

const SHARDS: u64 = 32;

/// The name of the quota in error texts, and the default limit.
#[must_use]
pub fn limit(kind: EntityKind) -> (&'static str, u64) {
    match kind {
        EntityKind::User => ("UsersPerAccount", 5_000),
        EntityKind::Group => ("GroupsPerAccount", 300),
        EntityKind::Role => ("RolesPerAccount", 1_000),
        EntityKind::Policy => ("PoliciesPerAccount", 1_500),
        EntityKind::InstanceProfile => ("InstanceProfilesPerAccount", 1_000),
    }
}

/// Counts an entity in.
///
/// # Errors
/// `LimitExceeded` if the account has as many as it may.
pub(crate) fn count_in(
    tx: &mut Tx,
    account: &AccountId,
    kind: EntityKind,
    id: &str,
) -> Result<(), Fault> {
    let key = (account.as_str(), shard_prefix(kind), shard(id));
    let own = COUNTS.get(tx, &key)?.unwrap_or_default();
    let (name, limit) = limit(kind);
    let share = limit / SHARDS;
    if own >= share.saturating_sub(5 * share.isqrt()) && count(tx, account, kind)? >= limit {
        return Err(over_quota(name, limit));
    }
    COUNTS.put(tx, &key, &own.saturating_add(1))?;
    Ok(())
}

/// Counts an entity out.
///
/// # Errors
/// [`StoreError`].
pub(crate) fn count_out(
    tx: &mut Tx,
    account: &AccountId,
    kind: EntityKind,
    id: &str,
) -> Result<(), StoreError> {
    let key = (account.as_str(), shard_prefix(kind), shard(id));
    let own = COUNTS.get(tx, &key)?.unwrap_or_default();
    COUNTS.put(tx, &key, &own.saturating_sub(1))
}

/// How many there are.
///
/// # Errors
/// [`StoreError`].
pub fn count(state: &dyn Read, account: &AccountId, kind: EntityKind) -> Result<u64, StoreError> {
    let shards = COUNTS.scan(state, &(account.as_str(), shard_prefix(kind)), None, usize::MAX)?;
    Ok(shards.into_iter().map(|(_, count)| count).sum())
}

fn shard_prefix(kind: EntityKind) -> &'static str {
    kind.id_prefix()
}

fn shard(id: &str) -> String {
    id.chars().next_back().map(String::from).unwrap_or_default()
}
