//! What users, groups, roles, managed policies and instance profiles have in common: names, paths,
//! unique ids, ARNs.

use sagegate_gate::{AccountId, Env, Fault, Scope};
use sagegate_store::{Read, Record, StoreError, Table, Tx};

use super::faults::{already_exists, no_such_entity};
use super::page::{Page, Slice};
use super::quota;
use super::records::{
    ACCESS_KEYS, Entity, EntityKind, GROUPS, GroupRecord, IDS, INSTANCE_PROFILES,
    InstanceProfileRecord, OPERATOR_CREDENTIALS, POLICIES, PolicyRecord, ROLES, RoleRecord, USERS,
    UserRecord,
};

/// A record that has a name, a path and a unique id.
pub trait Named: Record + Clone + Send + Sync + 'static {
    /// What it is.
    const KIND: EntityKind;
    /// Where it is kept, by `(account, name in lower case)`.
    const TABLE: Table<(String, String), Self>;
    /// The unique id.
    fn id(&self) -> &str;
    /// The name as spelled.
    fn name(&self) -> &str;
    /// The path.
    fn path(&self) -> &str;
}

macro_rules! named {
    ($($record:ty, $kind:ident, $table:ident;)*) => {$(
        impl Named for $record {
            const KIND: EntityKind = EntityKind::$kind;
            const TABLE: Table<(String, String), Self> = $table;
            fn id(&self) -> &str {
                &self.id
            }
            fn name(&self) -> &str {
                &self.name
            }
            fn path(&self) -> &str {
                &self.path
            }
        }
    )*};
}

named! {
    UserRecord, User, USERS;
    GroupRecord, Group, GROUPS;
    RoleRecord, Role, ROLES;
    PolicyRecord, Policy, POLICIES;
    InstanceProfileRecord, InstanceProfile, INSTANCE_PROFILES;
}

/// A name as keys have it.
#[must_use]
pub fn key(name: &str) -> String {
    name.to_lowercase()
}

/// A new unique id: the kind's four letters and seventeen random ones.
#[must_use]
pub fn new_id(env: &Env, kind: EntityKind) -> String {
    format!("{}{}", kind.id_prefix(), env.base32_upper(17))
}

/// The ARN of an entity.
#[must_use]
pub fn arn_of(scope: &Scope, kind: EntityKind, path: &str, name: &str) -> String {
    scope.global_arn("iam", &[kind.arn_type(), path, name].concat())
}

/// The ARN of a record.
#[must_use]
pub fn arn<E: Named>(scope: &Scope, record: &E) -> String {
    arn_of(scope, E::KIND, record.path(), record.name())
}

/// The entity of this name, in whatever case.
///
/// # Errors
/// [`StoreError`].
pub fn find<E: Named>(
    state: &dyn Read,
    account: &AccountId,
    name: &str,
) -> Result<Option<E>, StoreError> {
    E::TABLE.get_kept(state, &(account.as_str(), key(name)))
}

/// The entity of this name.
///
/// # Errors
/// `NoSuchEntity`.
pub fn require<E: Named>(state: &dyn Read, account: &AccountId, name: &str) -> Result<E, Fault> {
    find(state, account, name)?.ok_or_else(|| no_such_entity(E::KIND, name))
}

/// The entity of this unique id.
///
/// # Errors
/// [`StoreError`].
pub fn by_id<E: Named>(
    state: &dyn Read,
    account: &AccountId,
    id: &str,
) -> Result<Option<E>, StoreError> {
    match IDS.get(state, &(account.as_str(), id))? {
        Some(entity) if entity.kind == E::KIND => {
            E::TABLE.get(state, &(account.as_str(), entity.key))
        }
        _ => Ok(None),
    }
}

/// An entity as a permission is asked on it: the ARN has the path and spelling of the entity, so
/// that a policy that names it cannot be passed by in another case; without an entity the name is
/// taken as given, with the path `/`.
///
/// # Errors
/// [`StoreError`].
pub fn subject<E: Named>(
    state: &dyn Read,
    scope: &Scope,
    name: &str,
) -> Result<(String, Option<E>), StoreError> {
    let record = find::<E>(state, &scope.account, name)?;
    let arn = match &record {
        Some(record) => arn(scope, record),
        None => arn_of(scope, E::KIND, "/", name),
    };
    Ok((arn, record))
}

/// Adds a new entity.
///
/// # Errors
/// `EntityAlreadyExists`, `LimitExceeded`.
pub fn insert<E: Named>(tx: &mut Tx, account: &AccountId, record: &E) -> Result<(), Fault> {
    if E::TABLE.contains(tx, &(account.as_str(), key(record.name())))? {
        return Err(already_exists(E::KIND, record.name()));
    }
    quota::count_in(tx, account, E::KIND, record.id())?;
    put(tx, account, record)?;
    Ok(())
}

/// Writes an entity that has kept its name.
///
/// # Errors
/// [`StoreError`].
pub fn update<E: Named>(tx: &mut Tx, account: &AccountId, record: &E) -> Result<(), StoreError> {
    E::TABLE.put(tx, &(account.as_str(), key(record.name())), record)
}

/// Writes an entity that was called `old_name` until now.
///
/// # Errors
/// `EntityAlreadyExists` if another has the new name.
pub fn rename<E: Named>(
    tx: &mut Tx,
    account: &AccountId,
    old_name: &str,
    record: &E,
) -> Result<(), Fault> {
    let holder = find::<E>(tx, account, record.name())?;
    if holder.is_some_and(|holder| holder.id() != record.id()) {
        return Err(already_exists(E::KIND, record.name()));
    }
    E::TABLE.delete(tx, &(account.as_str(), key(old_name)));
    put(tx, account, record)?;
    Ok(())
}

/// Removes an entity, and an operator's credential for it. Whatever else is kept under its unique
/// id must be gone already.
///
/// # Errors
/// [`StoreError`].
pub fn remove<E: Named>(tx: &mut Tx, account: &AccountId, record: &E) -> Result<(), StoreError> {
    let operator = (account.as_str(), record.id());
    if let Some(access_key_id) = OPERATOR_CREDENTIALS.get(tx, &operator)? {
        ACCESS_KEYS.delete(tx, access_key_id.as_str());
        OPERATOR_CREDENTIALS.delete(tx, &operator);
    }
    quota::count_out(tx, account, E::KIND, record.id())?;
    E::TABLE.delete(tx, &(account.as_str(), key(record.name())));
    IDS.delete(tx, &(account.as_str(), record.id()));
    Ok(())
}

/// One page of the entities under a path prefix, in the order of their names.
///
/// # Errors
/// [`StoreError`].
pub fn list<E: Named>(
    state: &dyn Read,
    account: &AccountId,
    path_prefix: Option<&str>,
    page: &Page<String>,
) -> Result<Slice<E>, StoreError> {
    const CHUNK: usize = 256;
    let prefix = path_prefix.unwrap_or("/");
    let mut found = Vec::new();
    let mut after = page.after.clone().map(|name| (account.as_str().to_owned(), name));
    while found.len() <= page.limit {
        let chunk = E::TABLE.scan(state, &(account.as_str(),), after.as_ref(), CHUNK)?;
        let last = chunk.len() < CHUNK;
        after = chunk.last().map(|(key, _)| key.clone());
        found.extend(
            chunk
                .into_iter()
                .filter(|(_, record)| record.path().starts_with(prefix))
                .map(|((_, name), record)| (name, record)),
        );
        if last {
            break;
        }
    }
    Ok(page.cut(found))
}

fn put<E: Named>(tx: &mut Tx, account: &AccountId, record: &E) -> Result<(), StoreError> {
    let key = key(record.name());
    let entity = Entity { kind: E::KIND, key: key.clone() };
    IDS.put(tx, &(account.as_str(), record.id()), &entity)?;
    E::TABLE.put(tx, &(account.as_str(), key), record)
}
