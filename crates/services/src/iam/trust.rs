//! Trust policies: who may assume a role.
//!
//! IAM binds the users and roles that a trust policy names to their unique ids when the policy is
//! written (IAM User Guide, "AWS JSON policy elements: Principal"). A user or role made again under
//! an old name inherits no trust; where the one that was meant is gone, its id is shown.

use std::collections::BTreeMap;
use std::sync::Arc;

use sagegate_gate::{AccountId, Fault, Scope};
use sagegate_policy::{Document, Policy, PolicyType, PrincipalType};
use sagegate_store::{Read, StoreError};

use super::documents;
use super::entities::{self, Named};
use super::faults::{malformed_policy, over_quota};
use super::records::{ACCOUNTS, EntityKind, IDS, RoleRecord, TrustPolicy, UserRecord};

/// What the principals of accounts that are not served here are bound to. It is nobody's id:
/// should such an account be served one day, nobody in it inherits the trust.
const NOBODY: &str = "AROA00000000000000000";

/// Checks a trust policy and binds the principals that it names.
///
/// # Errors
/// `MalformedPolicyDocument`, `LimitExceeded`.
pub fn write(state: &dyn Read, scope: &Scope, text: &str) -> Result<TrustPolicy, Fault> {
    if documents::size(text) > documents::TRUST_POLICY_SIZE {
        return Err(over_quota("ACLSizePerRole", 2_048));
    }
    // Of trust policies alone IAM tells apart what is not JSON at all.
    if serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() {
        return Err(malformed_policy("This policy contains invalid Json"));
    }
    documents::check(text, PolicyType::Trust)?;
    let document = Document::parse(text).map_err(|error| malformed_policy(error.to_string()))?;
    let mut principals = BTreeMap::new();
    for value in named(&document) {
        if let Some(id) = bind(state, scope, value)? {
            principals.insert(value.to_owned(), id);
        }
    }
    Ok(TrustPolicy { document: text.to_owned(), principals })
}

/// The document as answers show it: the present ARN of each principal that it names, or the unique
/// id where there is none any more.
///
/// # Errors
/// [`StoreError`].
pub fn shown(state: &dyn Read, scope: &Scope, trust: &TrustPolicy) -> Result<String, StoreError> {
    let mut names = BTreeMap::new();
    for (arn, id) in &trust.principals {
        if id == NOBODY {
            continue;
        }
        // A principal may have been written as an id of the role's own account.
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
        return Ok(trust.document.clone());
    }
    Ok(rewrite(&trust.document, |value| names.get(value).map(String::as_str)))
}

/// The document that decides: every user and role named by its unique id, and sessions only of
/// roles that are still those that were meant.
///
/// # Errors
/// [`StoreError`].
pub fn in_force(state: &dyn Read, trust: &TrustPolicy) -> Result<String, StoreError> {
    let mut names = BTreeMap::new();
    for (arn, id) in &trust.principals {
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
    Ok(rewrite(&trust.document, |value| names.get(value).copied()))
}

/// The policy that decides; `None` if it cannot be read, which must deny.
///
/// # Errors
/// [`StoreError`].
pub fn policy(state: &dyn Read, trust: &TrustPolicy) -> Result<Option<Arc<Policy>>, StoreError> {
    let document = Document::parse(&in_force(state, trust)?).ok();
    Ok(document.map(|document| Arc::new(Policy::compile(&document))))
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

/// The unique id of the user or role that a principal means, of the role for a session; `None` for
/// principals that are not bound: everyone, accounts, federated users.
fn bind(state: &dyn Read, scope: &Scope, value: &str) -> Result<Option<String>, Fault> {
    let invalid = || malformed_policy(format!("Invalid principal in policy: \"AWS\":\"{value}\""));
    let account_number = value.len() == 12 && value.bytes().all(|byte| byte.is_ascii_digit());
    if value == "*" || account_number {
        return Ok(None);
    }
    if !value.contains(':') {
        // A unique id stands for one who is here now; IAM refuses those of the dead.
        let entity = IDS.get(state, &(scope.account.as_str(), value))?;
        let principal = |kind| matches!(kind, EntityKind::User | EntityKind::Role);
        return match entity {
            Some(entity) if principal(entity.kind) => Ok(Some(value.to_owned())),
            _ => Err(invalid()),
        };
    }
    let Some((account, service, resource)) = split(value) else { return Err(invalid()) };
    let (kind, path) = resource.split_once('/').unwrap_or((resource, ""));
    let name = path.rsplit('/').next().unwrap_or_default();
    match (service, kind) {
        ("iam", "root") if path.is_empty() => return Ok(None),
        ("sts", "federated-user") if !name.is_empty() => return Ok(None),
        ("sts", "assumed-role") if session(value).is_some() => {}
        ("iam", "user" | "role") if !name.is_empty() => {}
        _ => return Err(invalid()),
    }
    if name.contains(['*', '?']) {
        return Err(invalid());
    }
    if account != scope.account && !ACCOUNTS.contains(state, account.as_str())? {
        return Ok(Some(NOBODY.to_owned()));
    }
    let there = Scope { account, region: scope.region.clone() };
    let found = match (kind, session(value)) {
        (_, Some((role, _))) => entities::find::<RoleRecord>(state, &there.account, role)?
            .filter(|record| record.name == role)
            .map(|record| record.id),
        ("user", _) => id_of::<UserRecord>(state, &there, name, value)?,
        _ => id_of::<RoleRecord>(state, &there, name, value)?,
    };
    found.map(Some).ok_or_else(invalid)
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
    use proptest::prelude::*;
    use sagegate_store::Store;

    use super::*;

    #[test]
    fn only_the_principals_are_rewritten() {
        let arn = "arn:aws:iam::123456789012:user/a";
        let trust = TrustPolicy {
            document: format!(
                "{{ \"Statement\" : {{\"Sid\":\"{arn}\",\n \"Effect\":\"Allow\",\"Principal\":\
                 {{\"AWS\":[\"{arn}\", \"123456789012\"],\"Service\":\"{arn}\"}},\
                 \"Action\":\"sts:AssumeRole\"}} }}"
            ),
            principals: [(arn.to_owned(), "AIDAX".to_owned())].into(),
        };
        let expected = trust
            .document
            .replace(&format!("[\"{arn}\", \"123456789012\"]"), "[\"AIDAX\", \"123456789012\"]");
        let state = Store::memory().snapshot().unwrap();
        assert_eq!(in_force(&state, &trust).unwrap(), expected);
        assert!(policy(&state, &trust).unwrap().is_some());
    }

    proptest! {
        /// Whatever the document looks like, only principals differ, and only the bound ones.
        #[test]
        fn binding_changes_nothing_but_principals(
            names in proptest::collection::vec("[a-c\\\\\"é]{1,3}", 1..4),
            sid in ".{0,8}",
            bound in proptest::collection::btree_map("[a-c\\\\\"é]{1,3}", "[A-Z]{4}", 0..3),
            pretty: bool,
        ) {
            let value = |names: &[String]| serde_json::json!({
                "Version": "2012-10-17",
                "Statement": [{
                    "Sid": sid,
                    "Effect": "Allow",
                    "Principal": { "Service": &names[0], "AWS": names },
                    "Action": "sts:AssumeRole",
                }],
            });
            let written = value(&names);
            let text = if pretty {
                serde_json::to_string_pretty(&written).unwrap()
            } else {
                written.to_string()
            };
            let trust = TrustPolicy { document: text, principals: bound.clone() };
            let state = Store::memory().snapshot().unwrap();
            let in_force = in_force(&state, &trust).unwrap();
            let read: serde_json::Value = serde_json::from_str(&in_force).unwrap();
            let map = |name: &String| bound.get(name).cloned().unwrap_or_else(|| name.clone());
            let mut expected = value(&names.iter().map(map).collect::<Vec<_>>());
            expected["Statement"][0]["Principal"]["Service"] = names[0].as_str().into();
            prop_assert_eq!(read, expected);
        }
    }

    #[test]
    fn a_principal_with_escapes_ends_where_its_string_ends() {
        assert_eq!(string_length(r#""a\"b" , "c""#), Some(6));
        assert_eq!(string_length(r#""a\\" "#), Some(5));
        assert_eq!(string_length("\"open"), None);
        assert_eq!(string_length("1"), None);
    }
}
