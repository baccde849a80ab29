//! Long-term credentials: how they are made, kept and opened.
//!
//! Beside the two access keys that a user or root may have, the operator of a Sagegate has one
//! credential for each principal that she wants to act as (`sagegate env --as …`). No AWS operation
//! shows or changes it; it is good for as long as its principal exists.

use std::collections::HashMap;

use sagegate_gate::env::Time;
use sagegate_gate::last_use::Use;
use sagegate_gate::{AccountId, Env, Fault, Principal, Scope, Secret, Vault, session};
use sagegate_store::{Read, Record, StoreError, Tx};
use serde::{Deserialize, Serialize};

use super::entities::{self, Named};
use super::faults::{invalid_input, no_such_entity};
use super::records::{
    ACCESS_KEYS, ACCOUNTS, AccessKeyRecord, AccountRecord, EntityKind, IDS, KEY_LAST_USED, KEYS_OF,
    KeyOwner, LastUsedRecord, OPERATOR_CREDENTIALS, ROLE_LAST_USED, ROOT, RoleRecord, UserRecord,
};

const PURPOSE: &str = "access-key/1";

/// An access key id and its secret.
#[derive(Clone, Debug)]
pub struct Credential {
    /// `AKIA…`.
    pub access_key_id: String,
    /// The secret access key.
    pub secret: Secret,
}

/// What making a credential takes from outside.
#[derive(Clone, Copy, Debug)]
pub struct Maker<'a> {
    /// Where the randomness comes from.
    pub env: &'a Env,
    /// What seals the secret.
    pub vault: &'a Vault,
    /// The present instant.
    pub now: Time,
}

/// Makes a new credential and keeps it.
///
/// # Errors
/// [`StoreError`].
pub(crate) fn create(
    tx: &mut Tx,
    maker: Maker<'_>,
    account: &AccountId,
    owner: KeyOwner,
) -> Result<Credential, StoreError> {
    let access_key_id = session::access_key_id(maker.env, account, "AKIA");
    let secret = session::secret_access_key(maker.env);
    // The id is sealed with the secret, so that neither can be exchanged in the file.
    let plain = Secret::new(format!("{access_key_id}\n{}", secret.reveal()));
    let record = AccessKeyRecord {
        account: account.clone(),
        owner,
        active: true,
        created: maker.now,
        sealed_secret: maker.vault.seal_text(maker.env, PURPOSE, plain.reveal().as_bytes()),
    };
    keep(tx, account, &access_key_id, &record)?;
    Ok(Credential { access_key_id, secret })
}

fn keep(
    tx: &mut Tx,
    account: &AccountId,
    id: &str,
    record: &AccessKeyRecord,
) -> Result<(), StoreError> {
    match &record.owner {
        KeyOwner::Root => KEYS_OF.put(tx, &(account.as_str(), ROOT, id), &())?,
        KeyOwner::User { id: user } => {
            KEYS_OF.put(tx, &(account.as_str(), user.as_str(), id), &())?;
        }
        KeyOwner::Operator { id: principal } => {
            let key = (account.as_str(), principal.as_str());
            OPERATOR_CREDENTIALS.put(tx, &key, &id.to_owned())?;
        }
    }
    ACCESS_KEYS.put(tx, id, record)
}

/// Opens a secret; `None` if it was not sealed for this key by this vault.
#[must_use]
pub fn secret(vault: &Vault, access_key_id: &str, record: &AccessKeyRecord) -> Option<Secret> {
    let plain = vault.unseal_text(PURPOSE, &record.sealed_secret).ok()?;
    let (id, secret) = std::str::from_utf8(&plain).ok()?.split_once('\n')?;
    (id == access_key_id).then(|| Secret::new(secret.to_owned()))
}

fn open(vault: &Vault, id: &str, record: &AccessKeyRecord) -> Result<Credential, Fault> {
    let secret = secret(vault, id, record).ok_or_else(|| {
        Fault::internal(format!("the secret of {id} was not sealed with this data directory's key"))
    })?;
    Ok(Credential { access_key_id: id.to_owned(), secret })
}

/// The access keys of a user (by unique id) or of root ([`ROOT`]), the oldest first.
///
/// # Errors
/// [`StoreError`].
pub fn keys_of(
    state: &dyn Read,
    account: &AccountId,
    owner_id: &str,
) -> Result<Vec<(String, AccessKeyRecord)>, StoreError> {
    let mut keys = Vec::new();
    for ((_, _, id), ()) in KEYS_OF.scan(state, &(account.as_str(), owner_id), None, usize::MAX)? {
        if let Some(record) = ACCESS_KEYS.get(state, id.as_str())? {
            keys.push((id, record));
        }
    }
    keys.sort_by(|(a, first), (b, second)| (first.created, a).cmp(&(second.created, b)));
    Ok(keys)
}

/// Removes an access key and what is known of its use.
pub(crate) fn delete(tx: &mut Tx, account: &AccountId, owner_id: &str, access_key_id: &str) {
    KEYS_OF.delete(tx, &(account.as_str(), owner_id, access_key_id));
    ACCESS_KEYS.delete(tx, access_key_id);
    KEY_LAST_USED.delete(tx, access_key_id);
}

/// The root user's access keys, sealed as they rest, with the operator's credential for root. What
/// a reset leaves in force.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RootKeys(Vec<(String, AccessKeyRecord)>);

impl Record for RootKeys {}

/// Takes the root user's keys before a reset.
///
/// # Errors
/// [`StoreError`].
pub fn root_keys(state: &dyn Read, account: &AccountId) -> Result<RootKeys, StoreError> {
    let mut keys = keys_of(state, account, ROOT)?;
    if let Some(id) = OPERATOR_CREDENTIALS.get(state, &(account.as_str(), ROOT))?
        && let Some(record) = ACCESS_KEYS.get(state, id.as_str())?
    {
        keys.push((id, record));
    }
    Ok(RootKeys(keys))
}

/// Makes an account at the first start: with a new key of its root user, or after a reset with the
/// `kept` ones. Answers the root user's oldest active key, if there is one.
///
/// # Errors
/// A [`Fault`] of the store, or of a key file that is not this data directory's.
pub fn bootstrap(
    tx: &mut Tx,
    maker: Maker<'_>,
    account: &AccountId,
    kept: Option<&RootKeys>,
) -> Result<Option<Credential>, Fault> {
    if !ACCOUNTS.contains(tx, account.as_str())? {
        let record = AccountRecord { created: maker.now, alias: None };
        ACCOUNTS.put(tx, account.as_str(), &record)?;
        match kept {
            None => drop(create(tx, maker, account, KeyOwner::Root)?),
            Some(RootKeys(keys)) => {
                keys.iter().try_for_each(|(id, record)| keep(tx, account, id, record))?;
            }
        }
    }
    root_key(tx, maker.vault, account)
}

/// The root user's oldest active key.
fn root_key(
    state: &dyn Read,
    vault: &Vault,
    account: &AccountId,
) -> Result<Option<Credential>, Fault> {
    let keys = keys_of(state, account, ROOT)?;
    let active = keys.iter().find(|(_, record)| record.active);
    active.map(|(id, record)| open(vault, id, record)).transpose()
}

/// The operator's credential for a principal, made on first use and the same from then on. For
/// root it is the root user's oldest active key, as long as there is one.
///
/// `principal` is `root`, `user/NAME`, `role/NAME` (a path may stand before the name) or the ARN of
/// one of these.
///
/// # Errors
/// `NoSuchEntity` if there is no such user or role, `InvalidInput` for another text.
pub fn operator_credential(
    tx: &mut Tx,
    maker: Maker<'_>,
    scope: &Scope,
    principal: &str,
) -> Result<Credential, Fault> {
    let id = principal_id(tx, scope, principal)?;
    let account = &scope.account;
    if id == ROOT
        && let Some(key) = root_key(tx, maker.vault, account)?
    {
        return Ok(key);
    }
    if let Some(key) = OPERATOR_CREDENTIALS.get(tx, &(account.as_str(), id.as_str()))?
        && let Some(record) = ACCESS_KEYS.get(tx, key.as_str())?
    {
        return open(maker.vault, &key, &record);
    }
    Ok(create(tx, maker, account, KeyOwner::Operator { id })?)
}

/// The principal that an operator names, in the words of [`operator_credential`]. Nothing is made.
///
/// # Errors
/// As [`operator_credential`].
pub fn operator_principal(
    state: &dyn Read,
    scope: &Scope,
    principal: &str,
) -> Result<Principal, Fault> {
    let id = principal_id(state, scope, principal)?;
    if id == ROOT {
        return Ok(Principal::Root);
    }
    let found = super::directory::principal(state, &scope.account, &id)?;
    found.ok_or_else(|| Fault::internal(format!("the principal {id} is gone")))
}

/// The unique id, or [`ROOT`], of the principal that an operator names.
fn principal_id(state: &dyn Read, scope: &Scope, principal: &str) -> Result<String, Fault> {
    let resource = if principal.starts_with("arn:") {
        let own = scope.global_arn("iam", "");
        principal.strip_prefix(&own).ok_or_else(|| {
            invalid_input(format!(
                "{principal} is not the ARN of a user or role of account {} ({own}user/NAME, \
                 {own}role/NAME)",
                scope.account
            ))
        })?
    } else {
        principal
    };
    if resource == ROOT {
        return Ok(ROOT.to_owned());
    }
    match resource.split_once('/') {
        Some(("user", name)) => named::<UserRecord>(state, scope, name),
        Some(("role", name)) => named::<RoleRecord>(state, scope, name),
        _ => Err(invalid_input(format!(
            "{principal} names no principal: root, user/NAME, role/NAME or an ARN is expected"
        ))),
    }
}

fn named<E: Named>(state: &dyn Read, scope: &Scope, path_and_name: &str) -> Result<String, Fault> {
    let name = path_and_name.rsplit('/').next().unwrap_or(path_and_name);
    let record: E = entities::require(state, &scope.account, name)?;
    let full = format!("{}{}", record.path(), record.name());
    // A bare name finds its entity; with a path, the path must be the entity's.
    if path_and_name != name && full.strip_prefix('/') != Some(path_and_name) {
        return Err(no_such_entity(E::KIND, path_and_name));
    }
    Ok(record.id().to_owned())
}

/// Puts uses of access keys and roles into the store. Of other credentials (those of federated
/// users, operators) nothing is kept. Meant for the gate's recorder, now and then.
///
/// # Errors
/// [`StoreError`].
pub fn store_uses(tx: &mut Tx, uses: &HashMap<String, Use>) -> Result<(), StoreError> {
    for (id, last) in uses {
        if id.starts_with(EntityKind::Role.id_prefix()) {
            store_role_use(tx, id, last)?;
            continue;
        }
        let Some(key) = ACCESS_KEYS.get(tx, id.as_str())? else { continue };
        if matches!(key.owner, KeyOwner::Operator { .. }) {
            continue;
        }
        if KEY_LAST_USED.get(tx, id.as_str())?.is_some_and(|known| known.at >= last.at) {
            continue;
        }
        KEY_LAST_USED.put(tx, id.as_str(), &LastUsedRecord::from(last))?;
    }
    Ok(())
}

/// Roles are kept by account; which one it is, its unique id does not tell.
fn store_role_use(tx: &mut Tx, id: &str, last: &Use) -> Result<(), StoreError> {
    for (account, _) in ACCOUNTS.scan(tx, &(), None, usize::MAX)? {
        let key = (account.as_str(), id);
        if IDS.contains(tx, &key)? {
            if ROLE_LAST_USED.get(tx, &key)?.is_none_or(|known| known.at < last.at) {
                ROLE_LAST_USED.put(tx, &key, &LastUsedRecord::from(last))?;
            }
            return Ok(());
        }
    }
    Ok(())
}

impl From<&Use> for LastUsedRecord {
    fn from(last: &Use) -> Self {
        Self { at: last.at, service: last.service.clone(), region: last.region.clone() }
    }
}
