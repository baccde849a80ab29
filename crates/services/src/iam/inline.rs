//! Inline policies of users, groups and roles.

use sagegate_gate::env::Time;
use sagegate_gate::{AccountId, Fault};
use sagegate_store::{Read, StoreError, Tx};

use super::documents;
use super::entities::Named;
use super::faults::no_such;
use super::page::{Page, Slice};
use super::records::{INLINE_POLICIES, InlinePolicyRecord};

/// Puts a policy, over an older one of the same name.
///
/// # Errors
/// `MalformedPolicyDocument`, `LimitExceeded` if the entity's policies together get too long.
pub fn put<E: Named>(
    tx: &mut Tx,
    account: &AccountId,
    owner: &E,
    name: &str,
    document: &str,
    now: Time,
) -> Result<(), Fault> {
    documents::check_inline_policy(document)?;
    let mut total = documents::size(document);
    let mut created = now;
    for (other, policy) in all(tx, account, owner.id())? {
        if other == name {
            created = policy.created;
        } else {
            total = total.saturating_add(documents::size(&policy.document));
        }
    }
    documents::check_inline_size(E::KIND, owner.name(), total)?;
    let record = InlinePolicyRecord { document: document.to_owned(), created, updated: now };
    INLINE_POLICIES.put(tx, &(account.as_str(), owner.id(), name), &record)?;
    Ok(())
}

/// The policy of this name.
///
/// # Errors
/// `NoSuchEntity`.
pub fn require<E: Named>(
    state: &dyn Read,
    account: &AccountId,
    owner: &E,
    name: &str,
) -> Result<InlinePolicyRecord, Fault> {
    INLINE_POLICIES.get(state, &(account.as_str(), owner.id(), name))?.ok_or_else(|| {
        no_such(format!("The {} policy with name {name} cannot be found.", E::KIND.arn_type()))
    })
}

/// Removes the policy of this name.
///
/// # Errors
/// `NoSuchEntity`.
pub fn delete<E: Named>(
    tx: &mut Tx,
    account: &AccountId,
    owner: &E,
    name: &str,
) -> Result<(), Fault> {
    require(tx, account, owner, name)?;
    INLINE_POLICIES.delete(tx, &(account.as_str(), owner.id(), name));
    Ok(())
}

/// All of them, by name.
///
/// # Errors
/// [`StoreError`].
pub fn all(
    state: &dyn Read,
    account: &AccountId,
    owner_id: &str,
) -> Result<Vec<(String, InlinePolicyRecord)>, StoreError> {
    let found = INLINE_POLICIES.scan(state, &(account.as_str(), owner_id), None, usize::MAX)?;
    Ok(found.into_iter().map(|((_, _, name), record)| (name, record)).collect())
}

/// Whether there are any.
///
/// # Errors
/// [`StoreError`].
pub fn any(state: &dyn Read, account: &AccountId, owner_id: &str) -> Result<bool, StoreError> {
    let found = INLINE_POLICIES.scan(state, &(account.as_str(), owner_id), None, 1)?;
    Ok(!found.is_empty())
}

/// One page of their names.
///
/// # Errors
/// [`StoreError`].
pub fn names(
    state: &dyn Read,
    account: &AccountId,
    owner_id: &str,
    page: &Page<String>,
) -> Result<Slice<String>, StoreError> {
    let found = all(state, account, owner_id)?;
    Ok(page.take(found.into_iter().map(|(name, _)| (name.clone(), name)).collect()))
}
