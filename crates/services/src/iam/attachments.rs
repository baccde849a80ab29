//! Managed policies on users, groups and roles: attached, or as a permissions boundary.

use sagegate_api::iam as api;
use sagegate_gate::env::Time;
use sagegate_gate::{AccountId, Fault, Scope};
use sagegate_store::{Read, StoreError, Tx};

use super::faults::{no_such, no_such_policy, over_quota};
use super::managed;
use super::page::{Page, Slice};
use super::policies::check_arn;
use super::records::{ATTACHED_TO, ATTACHMENTS, AttachmentRecord, BOUNDARY_OF, EntityKind};

/// How many managed policies one user, group or role may have.
pub const LIMIT: usize = 10;

/// Attaches a policy to a user, group or role; one that is attached already stays.
///
/// # Errors
/// `NoSuchEntity` for an unknown policy, `PolicyNotAttachable` for one that only service-linked
/// roles may have, `LimitExceeded` past [`LIMIT`].
pub fn attach(
    tx: &mut Tx,
    scope: &Scope,
    kind: EntityKind,
    owner_id: &str,
    policy_arn: &str,
    now: Time,
) -> Result<(), Fault> {
    check_arn(policy_arn)?;
    let policy = managed::require_attachable(tx, scope, policy_arn)?;
    if policy.for_service_roles_only() {
        return Err(Fault::client(
            "PolicyNotAttachable",
            400,
            "Cannot attach a Service Role Policy to a Customer Role.",
        ));
    }
    let account = scope.account.as_str();
    let key = (account, owner_id, policy.arn.as_str());
    if ATTACHMENTS.contains(tx, &key)? {
        return Ok(());
    }
    if ATTACHMENTS.count(tx, &(account, owner_id))? >= LIMIT {
        let quota = match kind {
            EntityKind::User => "PoliciesPerUser",
            EntityKind::Group => "PoliciesPerGroup",
            _ => "PoliciesPerRole",
        };
        return Err(over_quota(quota, 10));
    }
    put(tx, &scope.account, kind, owner_id, &policy, now)?;
    Ok(())
}

/// Writes an attachment without looking at quotas; for service-linked roles, whose policies are
/// AWS's choice.
///
/// # Errors
/// [`StoreError`].
pub fn put(
    tx: &mut Tx,
    account: &AccountId,
    kind: EntityKind,
    owner_id: &str,
    policy: &managed::Managed,
    now: Time,
) -> Result<(), StoreError> {
    let (account, arn) = (account.as_str(), policy.arn.as_str());
    let record = AttachmentRecord { policy_name: policy.name.clone(), since: now };
    ATTACHMENTS.put(tx, &(account, owner_id, arn), &record)?;
    ATTACHED_TO.put(tx, &(account, arn, owner_id), &kind)
}

/// Detaches a policy.
///
/// # Errors
/// `NoSuchEntity` if it is not attached.
pub fn detach(
    tx: &mut Tx,
    account: &AccountId,
    owner_id: &str,
    policy_arn: &str,
) -> Result<(), Fault> {
    check_arn(policy_arn)?;
    let account = account.as_str();
    if !ATTACHMENTS.contains(tx, &(account, owner_id, policy_arn))? {
        return Err(no_such_policy(policy_arn));
    }
    ATTACHMENTS.delete(tx, &(account, owner_id, policy_arn));
    ATTACHED_TO.delete(tx, &(account, policy_arn, owner_id));
    Ok(())
}

/// Whether any policy is attached.
///
/// # Errors
/// [`StoreError`].
pub fn any(state: &dyn Read, account: &AccountId, owner_id: &str) -> Result<bool, StoreError> {
    let found = ATTACHMENTS.scan(state, &(account.as_str(), owner_id), None, 1)?;
    Ok(!found.is_empty())
}

/// ARNs and names of the policies attached, in the order of their ARNs.
///
/// # Errors
/// [`StoreError`].
pub fn all(
    state: &dyn Read,
    account: &AccountId,
    owner_id: &str,
) -> Result<Vec<(String, String)>, StoreError> {
    let found = ATTACHMENTS.scan(state, &(account.as_str(), owner_id), None, usize::MAX)?;
    Ok(found.into_iter().map(|((_, _, arn), record)| (arn, record.policy_name)).collect())
}

/// One page of the policies attached whose path begins so.
///
/// # Errors
/// [`StoreError`].
pub fn list(
    state: &dyn Read,
    account: &AccountId,
    owner_id: &str,
    path_prefix: Option<&str>,
    page: &Page<String>,
) -> Result<Slice<api::AttachedPolicy>, StoreError> {
    let prefix = path_prefix.unwrap_or("/");
    let found = all(state, account, owner_id)?
        .into_iter()
        .filter(|(arn, _)| {
            arn.split_once(":policy").is_some_and(|(_, path)| path.starts_with(prefix))
        })
        .map(|(arn, name)| {
            let policy =
                api::AttachedPolicy { policy_name: Some(name), policy_arn: Some(arn.clone()) };
            (arn, policy)
        })
        .collect();
    Ok(page.take(found))
}

/// Notes that a policy bounds a user or role instead of another or none; the user's or role's own
/// record is the caller's to write.
///
/// # Errors
/// `NoSuchEntity` for an unknown policy.
pub fn change_boundary(
    tx: &mut Tx,
    scope: &Scope,
    kind: EntityKind,
    owner_id: &str,
    before: Option<&str>,
    after: Option<&str>,
) -> Result<(), Fault> {
    let account = scope.account.as_str();
    if let Some(arn) = after {
        check_arn(arn)?;
    }
    if let Some(arn) = after
        && managed::find(tx, scope, arn)?.is_none()
    {
        return Err(no_such(format!("Scope ARN: {arn} does not exist or is not attachable.")));
    }
    if let Some(arn) = before {
        BOUNDARY_OF.delete(tx, &(account, arn, owner_id));
    }
    if let Some(arn) = after {
        BOUNDARY_OF.put(tx, &(account, arn, owner_id), &kind)?;
    }
    Ok(())
}

/// A boundary as answers have it.
#[must_use]
pub fn boundary_answer(arn: Option<&String>) -> Option<api::AttachedPermissionsBoundary> {
    arn.map(|arn| api::AttachedPermissionsBoundary {
        permissions_boundary_type: Some(
            api::PermissionsBoundaryAttachmentType::PermissionsBoundaryPolicy,
        ),
        permissions_boundary_arn: Some(arn.clone()),
    })
}
