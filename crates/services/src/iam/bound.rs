//! Documents whose principals are users and roles of IAM, bound to those whom they meant.
//!
//! AWS binds the users and roles that a document names under `Principal` to their unique ids when it
//! is written (IAM User Guide, "AWS JSON policy elements: Principal"). Whoever is made again under an
//! old name inherits nothing of it; where the one that was meant is gone, the id is shown. Trust
//! policies and the policies of VPC endpoints are such documents.

use std::collections::BTreeMap;

use sagegate_gate::{AccountId, Fault, Scope};
use sagegate_policy::{Document, PrincipalType};
use sagegate_store::{Read, StoreError};

use super::entities::{self, Named};
use super::records::{ACCOUNTS, EntityKind, IDS, RoleRecord, UserRecord};

/// The principals of a document, as they are written there, with the unique ids of those whom they
/// meant; of the role, for a session.
pub type Bound = BTreeMap<String, String>;

/// What the principals of accounts that are not served here are bound to. It is nobody's id:
/// should such an account be served one day, nobody in it inherits anything.
const NOBODY: &str = "AROA00000000000000000";

/// Binds the principals that a document names.
///
/// # Errors
/// What `invalid` makes of the text for a principal that there is not, or an internal [`Fault`] if
/// the store cannot be read.
pub fn bind(
    state: &dyn Read,
    scope: &Scope,
    document: &Document,
    invalid: fn(String) -> Fault,
) -> Result<Bound, Fault> {
    let mut bound = Bound::new();
    for value in named(document) {
        match one(state, scope, value)? {
            Meant::Open => {}
            Meant::Id(id) => drop(bound.insert(value.to_owned(), id)),
            Meant::Invalid => {
                let text = format!("Invalid principal in policy: \"AWS\":\"{value}\"");
                return Err(invalid(text));
            }
        }
    }
    Ok(bound)
}

/// A document of an account as answers show it: the present ARN of each principal that it names, or
/// the unique id where there is none any more.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub fn shown(
    state: &dyn Read,
    scope: &Scope,
    document: &str,
    bound: &Bound,
) -> Result<String, StoreError> {
    let mut names = BTreeMap::new();
    for (arn, id) in bound {
        if id == NOBODY {
            continue;
        }
        // A principal may have been written as an id of the document's own account.
        let account = split(arn).map_or_else(|| scope.account.clone(), |(account, ..)| account);
        let present = present_arn(state, scope, &account, id)?;
        let name = match (session(arn), present) {
            (None, present) => present.unwrap_or_else(|| id.clone()),
            (Some(_), Some(_)) => continue,
            (Some((_, session)), None) => format!("{id}:{session}"),
        };
        names.insert(arn.as_str(), name);
    }
    if names.is_empty() {
        return Ok(document.to_owned());
    }
    Ok(rewrite(document, |value| names.get(value).map(String::as_str)))
}

/// What stands for each bound principal in the document that decides: the unique id of a user or
/// role. A session stays as it is written while its role is the one that was meant, and is nobody's
/// after that.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub fn meant<'a>(
    state: &dyn Read,
    bound: &'a Bound,
) -> Result<BTreeMap<&'a str, &'a str>, StoreError> {
    let mut names = BTreeMap::new();
    for (arn, id) in bound {
        let account = session(arn).and_then(|_| split(arn)).map(|(account, ..)| account);
        let meant = match account {
            None => id.as_str(),
            Some(account) if entities::by_id::<RoleRecord>(state, &account, id)?.is_some() => {
                continue;
            }
            Some(_) => NOBODY,
        };
        names.insert(arn.as_str(), meant);
    }
    Ok(names)
}

/// The document that decides, of what [`meant`] says.
#[must_use]
pub fn in_force(document: &str, meant: &BTreeMap<&str, &str>) -> String {
    if meant.is_empty() {
        return document.to_owned();
    }
    rewrite(document, |value| meant.get(value).copied())
}

/// Whom a principal means.
enum Meant {
    /// Everyone, an account, a federated user: nothing to be bound to.
    Open,
    /// A user or role, or nobody, by unique id; of the role for a session.
    Id(String),
    /// Nobody, and it cannot be written.
    Invalid,
}

/// Role and session name, if a principal is a session of a role.
fn session(arn: &str) -> Option<(&str, &str)> {
    let (_, service, resource) = split(arn)?;
    let (role, session) = resource.strip_prefix("assumed-role/")?.split_once('/')?;
    (service == "sts" && !role.is_empty() && !session.is_empty()).then_some((role, session))
}

/// The values under `AWS` in `Principal` and `NotPrincipal`.
fn named(document: &Document) -> impl Iterator<Item = &str> {
    let principals = document.statements.iter().filter_map(|it| it.principal.as_ref());
    principals
        .flat_map(|principal| &principal.entries)
        .filter(|(kind, _)| *kind == PrincipalType::Aws)
        .map(|(_, text)| &*text.value)
}

/// Whom a principal means.
fn one(state: &dyn Read, scope: &Scope, value: &str) -> Result<Meant, StoreError> {
    let account_number = value.len() == 12 && value.bytes().all(|byte| byte.is_ascii_digit());
    if value == "*" || account_number {
        return Ok(Meant::Open);
    }
    if !value.contains(':') {
        // A unique id stands for one who is here now; IAM refuses those of the dead.
        let entity = IDS.get(state, &(scope.account.as_str(), value))?;
        let principal = |kind| matches!(kind, EntityKind::User | EntityKind::Role);
        return Ok(match entity {
            Some(entity) if principal(entity.kind) => Meant::Id(value.to_owned()),
            _ => Meant::Invalid,
        });
    }
    let Some((account, service, resource)) = split(value) else { return Ok(Meant::Invalid) };
    let (kind, path) = resource.split_once('/').unwrap_or((resource, ""));
    let name = path.rsplit('/').next().unwrap_or_default();
    match (service, kind) {
        ("iam", "root") if path.is_empty() => return Ok(Meant::Open),
        ("sts", "federated-user") if !name.is_empty() => return Ok(Meant::Open),
        ("sts", "assumed-role") if session(value).is_some() => {}
        ("iam", "user" | "role") if !name.is_empty() => {}
        _ => return Ok(Meant::Invalid),
    }
    if name.contains(['*', '?']) {
        return Ok(Meant::Invalid);
    }
    if account != scope.account && !ACCOUNTS.contains(state, account.as_str())? {
        return Ok(Meant::Id(NOBODY.to_owned()));
    }
    let there = Scope { account, region: scope.region.clone() };
    let found = match (kind, session(value)) {
        (_, Some((role, _))) => entities::find::<RoleRecord>(state, &there.account, role)?
            .filter(|record| record.name == role)
            .map(|record| record.id),
        ("user", _) => id_of::<UserRecord>(state, &there, name, value)?,
        _ => id_of::<RoleRecord>(state, &there, name, value)?,
    };
    Ok(found.map_or(Meant::Invalid, Meant::Id))
}

/// The id of the entity of this name, if this is its ARN.
fn id_of<E: Named>(
    state: &dyn Read,
    scope: &Scope,
    name: &str,
    arn: &str,
) -> Result<Option<String>, StoreError> {
    let found = entities::find::<E>(state, &scope.account, name)?;
    let exact = found.filter(|record| entities::arn(scope, record) == arn);
    Ok(exact.map(|record| record.id().to_owned()))
}

fn present_arn(
    state: &dyn Read,
    scope: &Scope,
    account: &AccountId,
    id: &str,
) -> Result<Option<String>, StoreError> {
    let there = Scope { account: account.clone(), region: scope.region.clone() };
    if let Some(user) = entities::by_id::<UserRecord>(state, account, id)? {
        return Ok(Some(entities::arn(&there, &user)));
    }
    let role = entities::by_id::<RoleRecord>(state, account, id)?;
    Ok(role.map(|role| entities::arn(&there, &role)))
}

/// Account, service and resource of the ARN of a principal.
fn split(arn: &str) -> Option<(AccountId, &str, &str)> {
    let mut parts = arn.splitn(6, ':');
    let (start, _partition, service) = (parts.next()?, parts.next()?, parts.next()?);
    let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
    (start == "arn" && region.is_empty()).then_some(())?;
    Some((AccountId::parse(account).ok()?, service, resource))
}

/// Replaces principals where they stand; everything else stays as it was written.
fn rewrite<'a>(text: &str, replacement: impl Fn(&str) -> Option<&'a str>) -> String {
    let Ok(document) = Document::parse(text) else { return text.to_owned() };
    let mut places: Vec<(usize, &str)> = document
        .statements
        .iter()
        .filter_map(|statement| statement.principal.as_ref())
        .flat_map(|principal| &principal.entries)
        .filter(|(kind, _)| *kind == PrincipalType::Aws)
        .filter_map(|(_, it)| replacement(&it.value).map(|new| (it.at.offset, new)))
        .collect();
    places.sort_unstable();
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for (at, new) in places {
        let Some(length) = text.get(at..).and_then(string_length) else { continue };
        out.push_str(text.get(done..at).unwrap_or_default());
        out.push('"');
        out.push_str(new);
        out.push('"');
        done = at + length;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    out
}

/// The length of the JSON string that a text begins with, quotes included.
fn string_length(text: &str) -> Option<usize> {
    let mut bytes = text.bytes().enumerate();
    if bytes.next()?.1 != b'"' {
        return None;
    }
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' => drop(bytes.next()),
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_with_escapes_ends_where_its_string_ends() {
        assert_eq!(string_length(r#""a\"b" , "c""#), Some(6));
        assert_eq!(string_length(r#""a\\" "#), Some(5));
        assert_eq!(string_length("\"open"), None);
        assert_eq!(string_length("1"), None);
    }
}
