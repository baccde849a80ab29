//! Resources of which an account has one under a name in a region: configurations, images and
//! notebook instances.
//!
//! They are kept under their names in lower case, so that no two differ in nothing but case: their
//! ARNs are matched without regard to it by AWS's own clients, and those of images and of notebook
//! instances are in lower case altogether (SPEC 3.1).

use sagegate_gate::{Fault, Need, Scope};
use sagegate_store::{Read, Record, StoreError, Table, Tx};

use super::faults::{in_use, not_existing};
use super::records;

/// The table of a kind of resource: `(account, region, name in lower case)`.
pub(super) type Names<R> = Table<(String, String, String), R>;

/// A kind of resource with a name of its own.
pub(super) trait Named: Record + Sized {
    /// Where records are.
    const TABLE: Names<Self>;
    /// What it is called, such as `Image`; the member with its name is called so too: `ImageName`.
    const KIND: &'static str;
    /// The part of its ARN before the name, such as `image`.
    const PATH: &'static str;
    /// Whether the name in its ARN is in lower case.
    const LOWER: bool;

    /// The name as spelled at its making.
    fn name(&self) -> &str;

    /// The ARN.
    fn arn(&self, scope: &Scope) -> String {
        arn::<Self>(scope, self.name())
    }
}

/// The ARN of a resource that has, or would get, this name.
pub(super) fn arn<R: Named>(scope: &Scope, name: &str) -> String {
    let path = R::PATH;
    if R::LOWER {
        scope.arn("sagemaker", &format!("{path}/{}", name.to_ascii_lowercase()))
    } else {
        scope.arn("sagemaker", &format!("{path}/{name}"))
    }
}

/// The resource of this name, whatever its case.
pub(super) fn find<R: Named>(
    state: &dyn Read,
    scope: &Scope,
    name: &str,
) -> Result<Option<R>, StoreError> {
    let name = name.to_ascii_lowercase();
    R::TABLE.get(state, &(scope.account.as_str(), scope.region.as_str(), name.as_str()))
}

/// The resource of this name.
///
/// # Errors
/// `ResourceNotFound`.
pub(super) fn require<R: Named>(state: &dyn Read, scope: &Scope, name: &str) -> Result<R, Fault> {
    find(state, scope, name)?.ok_or_else(|| not_existing(R::KIND, R::KIND, name))
}

/// The resource of this ARN: exactly as its ARN is spelled, since condition keys and policies have
/// seen that spelling. `None` for whatever is not in this account and region.
pub(super) fn of_arn<R: Named>(
    state: &dyn Read,
    scope: &Scope,
    text: &str,
) -> Result<Option<R>, StoreError> {
    let Some(name) = text.strip_prefix(&scope.arn("sagemaker", &format!("{}/", R::PATH))) else {
        return Ok(None);
    };
    Ok(find::<R>(state, scope, name)?.filter(|it| it.arn(scope) == text))
}

/// All of them.
pub(super) fn all<R: Named>(state: &dyn Read, scope: &Scope) -> Result<Vec<R>, StoreError> {
    let prefix = (scope.account.as_str(), scope.region.as_str());
    Ok(R::TABLE.scan(state, &prefix, None, usize::MAX)?.into_iter().map(|(_, it)| it).collect())
}

/// Writes one.
pub(super) fn put<R: Named>(tx: &mut Tx, scope: &Scope, record: &R) -> Result<(), StoreError> {
    let name = record.name().to_ascii_lowercase();
    R::TABLE.put(tx, &(scope.account.as_str(), scope.region.as_str(), name.as_str()), record)
}

/// Removes one with its tags.
pub(super) fn delete<R: Named>(tx: &mut Tx, scope: &Scope, record: &R) -> Result<(), StoreError> {
    records::put_tags(tx, scope, &record.arn(scope), std::collections::BTreeMap::new())?;
    let name = record.name().to_ascii_lowercase();
    R::TABLE.delete(tx, &(scope.account.as_str(), scope.region.as_str(), name.as_str()));
    Ok(())
}

/// The ARN under the spelling of its making if it exists, and as given if not.
pub(super) fn canonical<R: Named>(
    state: &dyn Read,
    scope: &Scope,
    name: &str,
) -> Result<String, StoreError> {
    let found = find::<R>(state, scope, name)?;
    Ok(found.map_or_else(|| arn::<R>(scope, name), |it| it.arn(scope)))
}

/// A need of an action on the resource of this name, with its tags if it exists.
pub(super) fn need<R: Named>(
    action: &'static str,
    state: &dyn Read,
    scope: &Scope,
    name: &str,
) -> Result<Need, Fault> {
    need_on(action, state, scope, canonical::<R>(state, scope, name)?)
}

/// A need of an action on an ARN, with the resource's tags.
pub(super) fn need_on(
    action: &'static str,
    state: &dyn Read,
    scope: &Scope,
    arn: String,
) -> Result<Need, Fault> {
    let tags = records::tags(state, scope, &arn)?;
    let pairs = tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    Ok(Need::on(action, arn).resource_tags("sagemaker", pairs))
}

/// A need of a list, which is decided on the collection, by analogy with ListDomains (SPEC T4).
pub(super) fn need_list<R: Named>(action: &'static str, scope: &Scope) -> Need {
    Need::on(action, scope.arn("sagemaker", &format!("{}/*", R::PATH)))
}

/// Refuses a name that is taken.
///
/// # Errors
/// `ResourceInUse`.
pub(super) fn check_free<R: Named>(
    state: &dyn Read,
    scope: &Scope,
    name: &str,
) -> Result<(), Fault> {
    if find::<R>(state, scope, name)?.is_none() {
        return Ok(());
    }
    let kind = R::KIND;
    Err(in_use(format!(
        "The {kind} with {kind}Name {name} already exists. Please use a different {kind}Name."
    )))
}
