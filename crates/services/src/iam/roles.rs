//! Roles: CreateRole, GetRole, ListRoles, DeleteRole, and what the operations on roles share.

use sagegate_gate::last_use::LastUse;
use sagegate_store::StoreError;

use super::entities::{arn_of, new_id, require, subject};
use super::faults::{delete_conflict, invalid_input};
use super::prelude::*;
use super::records::{LastUsedRecord, PROFILES_OF_ROLE, ROLE_LAST_USED, RoleRecord};
use super::tags::{self, Tags};
use super::{attachments, documents, inline, trust};

/// The longest session of a role that does not say otherwise, in seconds.
const DEFAULT_SESSION: i32 = 3_600;

/// Which members of a role an answer has; AWS leaves some out of some answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleView {
    /// Inside another answer: only what identifies it and who may assume it.
    Nested,
    /// As CreateRole answers it.
    Created,
    /// As UpdateRoleDescription answers it.
    Described,
    /// As in ListRoles.
    Listed,
    /// As GetRole answers it, but for its last use.
    Whole,
}

/// A role as an answer has it.
///
/// # Errors
/// [`StoreError`].
pub fn answer(
    state: &dyn Read,
    scope: &Scope,
    role: &RoleRecord,
    view: RoleView,
) -> Result<api::Role, StoreError> {
    use RoleView::{Created, Described, Listed, Whole};
    let when = |shown: bool| shown.then_some(());
    Ok(api::Role {
        path: Some(role.path.clone()),
        role_name: Some(role.name.clone()),
        role_id: Some(role.id.clone()),
        arn: Some(entities::arn(scope, role)),
        create_date: Some(role.created.whole_seconds().into()),
        assume_role_policy_document: Some(documents::encode(&trust::shown(
            state,
            scope,
            &role.trust,
        )?)),
        description: when(matches!(view, Described | Listed | Whole))
            .and_then(|()| role.description.clone()),
        max_session_duration: when(matches!(view, Listed | Whole))
            .and_then(|()| i32::try_from(role.max_session_duration).ok()),
        permissions_boundary: when(matches!(view, Created | Described | Whole))
            .and_then(|()| attachments::boundary_answer(role.boundary.as_ref())),
        tags: when(matches!(view, Created | Described | Whole)).and_then(|()| role.tags.answer()),
        ..api::Role::default()
    })
}

/// When the role was last used; empty if it never was. `recent` has what is not in the store yet.
///
/// # Errors
/// [`StoreError`].
pub fn last_used(
    state: &dyn Read,
    scope: &Scope,
    role: &RoleRecord,
    recent: &LastUse,
) -> Result<api::RoleLastUsed, StoreError> {
    let stored = ROLE_LAST_USED.get(state, &(scope.account.as_str(), role.id.as_str()))?;
    let recent = recent.get(&role.id).map(|last| LastUsedRecord::from(&last));
    let last = stored.into_iter().chain(recent).max_by_key(|last| last.at);
    Ok(last.map_or_else(api::RoleLastUsed::default, |last| api::RoleLastUsed {
        last_used_date: Some(last.at.whole_seconds().into()),
        region: Some(last.region),
    }))
}

/// A permission asked on a role, which need not exist, with its tags.
///
/// # Errors
/// [`StoreError`].
pub fn need(
    action: &'static str,
    scope: &Scope,
    state: &dyn Read,
    name: &str,
) -> Result<(Need, Option<RoleRecord>), StoreError> {
    let (arn, role) = subject::<RoleRecord>(state, scope, name)?;
    let need = Need::on(action, arn).shown_as(format!("role {name}"));
    Ok(match role {
        Some(role) => (need.resource_tags("iam", role.tags.iter()), Some(role)),
        None => (need, None),
    })
}

/// As [`need`], with `iam:PermissionsBoundary`: the boundary that the role has now.
///
/// # Errors
/// [`StoreError`].
pub fn need_bounded(
    action: &'static str,
    scope: &Scope,
    state: &dyn Read,
    name: &str,
) -> Result<Need, StoreError> {
    let (need, role) = need(action, scope, state, name)?;
    Ok(need.key_if("iam:PermissionsBoundary", role.and_then(|role| role.boundary)))
}

/// The role of this name, if requests may change it.
///
/// # Errors
/// `NoSuchEntity`, `UnmodifiableEntity` for a service-linked role.
pub fn require_modifiable(
    state: &dyn Read,
    scope: &Scope,
    name: &str,
) -> Result<RoleRecord, Fault> {
    let role = require::<RoleRecord>(state, &scope.account, name)?;
    if role.service_linked.is_some() {
        return Err(unmodifiable(&role));
    }
    Ok(role)
}

/// "Cannot perform the operation on the protected role 'X' - this role is only modifiable by AWS"
#[must_use]
pub fn unmodifiable(role: &RoleRecord) -> Fault {
    Fault::client(
        "UnmodifiableEntity",
        400,
        format!(
            "Cannot perform the operation on the protected role '{}' - this role is only \
             modifiable by AWS",
            role.name
        ),
    )
}

/// Removes a role and whatever hangs on its unique id alone.
///
/// # Errors
/// `NoSuchEntity` if its boundary's bookkeeping is broken; never in a sound store.
pub fn erase(tx: &mut Tx, scope: &Scope, role: &RoleRecord) -> Result<(), Fault> {
    let account = scope.account.as_str();
    let before = role.boundary.as_deref();
    attachments::change_boundary(tx, scope, EntityKind::Role, &role.id, before, None)?;
    ROLE_LAST_USED.delete(tx, &(account, role.id.as_str()));
    entities::remove(tx, &scope.account, role)?;
    Ok(())
}

/// iam:CreateRole.
#[derive(Debug)]
pub struct CreateRole;

impl Operation for CreateRole {
    type Input = api::CreateRoleRequest;
    type Output = api::CreateRoleResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "CreateRole";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, _state: &dyn Read) -> Result<Needs, Fault> {
        let input = call.input;
        let path = input.path.as_deref().unwrap_or("/");
        let arn = arn_of(call.scope, EntityKind::Role, path, &input.role_name);
        let create = Need::on("iam:CreateRole", arn.clone())
            .key_if("iam:PermissionsBoundary", input.permissions_boundary.clone())
            .request_tags(tags::pairs(input.tags.as_deref()));
        let needs = Needs::from(create);
        // AWS asks for the tagging too (terraform-provider-aws and openshift/installer #1073 quote
        // the refusal); the reference data does not tell.
        Ok(match input.tags.as_deref() {
            None | Some([]) => needs,
            Some(list) => {
                needs.and(Need::on("iam:TagRole", arn).request_tags(tags::pairs(Some(list))))
            }
        })
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let input = call.input;
        let path = input.path.clone().unwrap_or_else(|| "/".to_owned());
        if path.to_lowercase().starts_with("/aws-service-role/") {
            return Err(invalid_input(
                "Path prefix '/aws-service-role/' can only be used for AWS Service linked Roles",
            ));
        }
        let seconds = input.max_session_duration.unwrap_or(DEFAULT_SESSION);
        let role = RoleRecord {
            id: new_id(call.env, EntityKind::Role),
            name: input.role_name.clone(),
            path,
            created: call.now,
            trust: trust::write(tx, call.scope, &input.assume_role_policy_document)?,
            description: input.description.clone(),
            max_session_duration: session_duration(seconds)?,
            boundary: input.permissions_boundary.clone(),
            tags: Tags::of_request(input.tags.as_deref())?,
            service_linked: None,
        };
        entities::insert(tx, &call.scope.account, &role)?;
        let boundary = role.boundary.as_deref();
        attachments::change_boundary(tx, call.scope, EntityKind::Role, &role.id, None, boundary)?;
        let role = answer(tx, call.scope, &role, RoleView::Created)?;
        Ok(api::CreateRoleResponse { role: Some(role) })
    }
}

/// Checks a longest session (IAM API Reference, `MaxSessionDuration`).
///
/// # Errors
/// `ValidationError`.
pub fn session_duration(seconds: i32) -> Result<u32, Fault> {
    let bound = match seconds {
        3_600..=43_200 => return Ok(seconds.unsigned_abs()),
        ..3_600 => "greater than or equal to 3600",
        _ => "less than or equal to 43200",
    };
    Err(super::faults::validation(format!(
        "1 validation error detected: Value '{seconds}' at 'maxSessionDuration' failed to satisfy \
         constraint: Member must have value {bound}"
    )))
}

/// iam:GetRole.
#[derive(Debug)]
pub struct GetRole;

impl Operation for GetRole {
    type Input = api::GetRoleRequest;
    type Output = api::GetRoleResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "GetRole";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        Ok(need_bounded("iam:GetRole", call.scope, state, &call.input.role_name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let role = require::<RoleRecord>(tx, &call.scope.account, &call.input.role_name)?;
        let used = last_used(tx, call.scope, &role, call.last_use)?;
        let whole = answer(tx, call.scope, &role, RoleView::Whole)?;
        let role = api::Role { role_last_used: Some(used), ..whole };
        Ok(api::GetRoleResponse { role: Some(role) })
    }
}

/// iam:ListRoles.
#[derive(Debug)]
pub struct ListRoles;

impl Operation for ListRoles {
    type Input = api::ListRolesRequest;
    type Output = api::ListRolesResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "ListRoles";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _state: &dyn Read) -> Result<Needs, Fault> {
        let prefix = call.input.path_prefix.as_deref().unwrap_or("/");
        Ok(Need::on("iam:ListRoles", arn_of(call.scope, EntityKind::Role, prefix, "")).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let input = call.input;
        let page = Page::of(input.marker.as_deref(), input.max_items)?;
        let prefix = input.path_prefix.as_deref();
        let found = entities::list::<RoleRecord>(tx, &call.scope.account, prefix, &page)?;
        let is_truncated = found.truncated();
        let roles = found
            .items
            .iter()
            .map(|role| answer(tx, call.scope, role, RoleView::Listed))
            .collect::<Result<_, _>>()?;
        Ok(api::ListRolesResponse { roles: Some(roles), is_truncated, marker: found.marker })
    }
}

/// iam:DeleteRole.
#[derive(Debug)]
pub struct DeleteRole;

impl Operation for DeleteRole {
    type Input = api::DeleteRoleRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "DeleteRole";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        Ok(need_bounded("iam:DeleteRole", call.scope, state, &call.input.role_name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let account = &call.scope.account;
        let role = require_modifiable(tx, call.scope, &call.input.role_name)?;
        if attachments::any(tx, account, &role.id)? {
            return Err(delete_conflict("detach all policies"));
        }
        if inline::any(tx, account, &role.id)? {
            return Err(delete_conflict("delete policies"));
        }
        let profiles = (account.as_str(), role.id.as_str());
        if !PROFILES_OF_ROLE.scan(tx, &profiles, None, 1)?.is_empty() {
            return Err(delete_conflict("remove roles from instance profile"));
        }
        erase(tx, call.scope, &role)?;
        Ok(Unit)
    }
}
