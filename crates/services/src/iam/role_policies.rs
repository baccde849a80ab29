//! A role's policies: inline ones, and managed ones attached.

use super::entities::require;
use super::prelude::*;
use super::records::RoleRecord;
use super::roles::{need, need_bounded, require_modifiable};
use super::{attachments, documents, inline};

/// iam:PutRolePolicy.
#[derive(Debug)]
pub struct PutRolePolicy;

impl Operation for PutRolePolicy {
    type Input = api::PutRolePolicyRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "PutRolePolicy";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let name = &call.input.role_name;
        Ok(need_bounded("iam:PutRolePolicy", call.scope, state, name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let input = call.input;
        let role = require_modifiable(tx, call.scope, &input.role_name)?;
        let (name, text) = (&input.policy_name, &input.policy_document);
        inline::put(tx, &call.scope.account, &role, name, text, call.now)?;
        Ok(Unit)
    }
}

/// iam:GetRolePolicy.
#[derive(Debug)]
pub struct GetRolePolicy;

impl Operation for GetRolePolicy {
    type Input = api::GetRolePolicyRequest;
    type Output = api::GetRolePolicyResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "GetRolePolicy";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        Ok(need("iam:GetRolePolicy", call.scope, state, &call.input.role_name)?.0.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, account) = (call.input, &call.scope.account);
        let role = require::<RoleRecord>(tx, account, &input.role_name)?;
        let policy = inline::require(tx, account, &role, &input.policy_name)?;
        Ok(api::GetRolePolicyResponse {
            role_name: Some(role.name),
            policy_name: Some(input.policy_name.clone()),
            policy_document: Some(documents::encode(&policy.document)),
        })
    }
}

/// iam:DeleteRolePolicy.
#[derive(Debug)]
pub struct DeleteRolePolicy;

impl Operation for DeleteRolePolicy {
    type Input = api::DeleteRolePolicyRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "DeleteRolePolicy";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let name = &call.input.role_name;
        Ok(need_bounded("iam:DeleteRolePolicy", call.scope, state, name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let role = require_modifiable(tx, call.scope, &call.input.role_name)?;
        inline::delete(tx, &call.scope.account, &role, &call.input.policy_name)?;
        Ok(Unit)
    }
}

/// iam:ListRolePolicies.
#[derive(Debug)]
pub struct ListRolePolicies;

impl Operation for ListRolePolicies {
    type Input = api::ListRolePoliciesRequest;
    type Output = api::ListRolePoliciesResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "ListRolePolicies";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        Ok(need("iam:ListRolePolicies", call.scope, state, &call.input.role_name)?.0.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, account) = (call.input, &call.scope.account);
        let page = Page::of(input.marker.as_deref(), input.max_items)?;
        let role = require::<RoleRecord>(tx, account, &input.role_name)?;
        let found = inline::names(tx, account, &role.id, &page)?;
        Ok(api::ListRolePoliciesResponse {
            is_truncated: found.truncated(),
            policy_names: Some(found.items),
            marker: found.marker,
        })
    }
}

/// iam:AttachRolePolicy.
#[derive(Debug)]
pub struct AttachRolePolicy;

impl Operation for AttachRolePolicy {
    type Input = api::AttachRolePolicyRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "AttachRolePolicy";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (name, arn) = (&call.input.role_name, &call.input.policy_arn);
        let need = need_bounded("iam:AttachRolePolicy", call.scope, state, name)?;
        Ok(need.key("iam:PolicyARN", arn.as_str()).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let arn = call.input.policy_arn.as_str();
        let role = require_modifiable(tx, call.scope, &call.input.role_name)?;
        attachments::attach(tx, call.scope, EntityKind::Role, &role.id, arn, call.now)?;
        Ok(Unit)
    }
}

/// iam:DetachRolePolicy.
#[derive(Debug)]
pub struct DetachRolePolicy;

impl Operation for DetachRolePolicy {
    type Input = api::DetachRolePolicyRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "DetachRolePolicy";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (name, arn) = (&call.input.role_name, &call.input.policy_arn);
        let need = need_bounded("iam:DetachRolePolicy", call.scope, state, name)?;
        Ok(need.key("iam:PolicyARN", arn.as_str()).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let arn = call.input.policy_arn.as_str();
        let role = require_modifiable(tx, call.scope, &call.input.role_name)?;
        attachments::detach(tx, &call.scope.account, &role.id, arn)?;
        Ok(Unit)
    }
}

/// iam:ListAttachedRolePolicies.
#[derive(Debug)]
pub struct ListAttachedRolePolicies;

impl Operation for ListAttachedRolePolicies {
    type Input = api::ListAttachedRolePoliciesRequest;
    type Output = api::ListAttachedRolePoliciesResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "ListAttachedRolePolicies";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let name = &call.input.role_name;
        Ok(need("iam:ListAttachedRolePolicies", call.scope, state, name)?.0.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, account) = (call.input, &call.scope.account);
        let page = Page::of(input.marker.as_deref(), input.max_items)?;
        let role = require::<RoleRecord>(tx, account, &input.role_name)?;
        let prefix = input.path_prefix.as_deref();
        let found = attachments::list(tx, account, &role.id, prefix, &page)?;
        Ok(api::ListAttachedRolePoliciesResponse {
            is_truncated: found.truncated(),
            attached_policies: Some(found.items),
            marker: found.marker,
        })
    }
}
