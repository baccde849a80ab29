//! Changes to a role itself: UpdateRole, UpdateRoleDescription, UpdateAssumeRolePolicy and its
//! permissions boundary.

use super::attachments::change_boundary;
use super::entities::require;
use super::faults::no_such;
use super::prelude::*;
use super::records::RoleRecord;
use super::roles::{
    RoleView, answer, need, need_bounded, require_modifiable, session_duration, unmodifiable,
};
use super::trust;

/// iam:UpdateRole. A member that is absent stays as it is.
#[derive(Debug)]
pub struct UpdateRole;

impl Operation for UpdateRole {
    type Input = api::UpdateRoleRequest;
    type Output = api::UpdateRoleResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "UpdateRole";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        Ok(need_bounded("iam:UpdateRole", call.scope, state, &call.input.role_name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, account) = (call.input, &call.scope.account);
        let mut role = require::<RoleRecord>(tx, account, &input.role_name)?;
        if let Some(description) = &input.description {
            role.description = Some(description.clone());
        }
        if let Some(seconds) = input.max_session_duration {
            // Of a service-linked role only the description can be changed (IAM User Guide, "Edit
            // a service-linked role description").
            if role.service_linked.is_some() {
                return Err(unmodifiable(&role));
            }
            role.max_session_duration = session_duration(seconds)?;
        }
        entities::update(tx, account, &role)?;
        Ok(api::UpdateRoleResponse::default())
    }
}

/// iam:UpdateRoleDescription.
#[derive(Debug)]
pub struct UpdateRoleDescription;

impl Operation for UpdateRoleDescription {
    type Input = api::UpdateRoleDescriptionRequest;
    type Output = api::UpdateRoleDescriptionResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "UpdateRoleDescription";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        Ok(need_bounded("iam:UpdateRoleDescription", call.scope, state, &call.input.role_name)?
            .into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, account) = (call.input, &call.scope.account);
        let mut role = require::<RoleRecord>(tx, account, &input.role_name)?;
        role.description = Some(input.description.clone());
        entities::update(tx, account, &role)?;
        let role = answer(tx, call.scope, &role, RoleView::Described)?;
        Ok(api::UpdateRoleDescriptionResponse { role: Some(role) })
    }
}

/// iam:UpdateAssumeRolePolicy.
#[derive(Debug)]
pub struct UpdateAssumeRolePolicy;

impl Operation for UpdateAssumeRolePolicy {
    type Input = api::UpdateAssumeRolePolicyRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "UpdateAssumeRolePolicy";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        Ok(need_bounded("iam:UpdateAssumeRolePolicy", call.scope, state, &call.input.role_name)?
            .into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let mut role = require_modifiable(tx, call.scope, &call.input.role_name)?;
        role.trust = trust::write(tx, call.scope, &call.input.policy_document)?;
        entities::update(tx, &call.scope.account, &role)?;
        Ok(Unit)
    }
}

/// iam:PutRolePermissionsBoundary.
#[derive(Debug)]
pub struct PutRolePermissionsBoundary;

impl Operation for PutRolePermissionsBoundary {
    type Input = api::PutRolePermissionsBoundaryRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "PutRolePermissionsBoundary";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let action = "iam:PutRolePermissionsBoundary";
        let (need, _) = need(action, call.scope, state, &call.input.role_name)?;
        let boundary = call.input.permissions_boundary.as_str();
        Ok(need.key("iam:PermissionsBoundary", boundary).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let mut role = require_modifiable(tx, call.scope, &call.input.role_name)?;
        let (before, after) = (role.boundary.take(), call.input.permissions_boundary.clone());
        let (old, new) = (before.as_deref(), Some(after.as_str()));
        change_boundary(tx, call.scope, EntityKind::Role, &role.id, old, new)?;
        role.boundary = Some(after);
        entities::update(tx, &call.scope.account, &role)?;
        Ok(Unit)
    }
}

/// iam:DeleteRolePermissionsBoundary.
#[derive(Debug)]
pub struct DeleteRolePermissionsBoundary;

impl Operation for DeleteRolePermissionsBoundary {
    type Input = api::DeleteRolePermissionsBoundaryRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "DeleteRolePermissionsBoundary";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let action = "iam:DeleteRolePermissionsBoundary";
        Ok(need_bounded(action, call.scope, state, &call.input.role_name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let mut role = require_modifiable(tx, call.scope, &call.input.role_name)?;
        let Some(before) = role.boundary.take() else {
            return Err(no_such(format!(
                "The role with name {} does not have a permissions boundary.",
                role.name
            )));
        };
        let old = Some(before.as_str());
        change_boundary(tx, call.scope, EntityKind::Role, &role.id, old, None)?;
        entities::update(tx, &call.scope.account, &role)?;
        Ok(Unit)
    }
}
