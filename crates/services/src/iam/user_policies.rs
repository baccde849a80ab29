//! Policies of a user: AttachUserPolicy, DetachUserPolicy, ListAttachedUserPolicies, PutUserPolicy,
//! GetUserPolicy, ListUserPolicies, DeleteUserPolicy.

use super::prelude::*;
use super::users::{need, need_bounded};
use super::{attachments, documents, inline};

/// IAM AttachUserPolicy. A policy that is attached already stays.
#[derive(Debug)]
pub struct AttachUserPolicy;

impl Operation for AttachUserPolicy {
    type Input = api::AttachUserPolicyRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "AttachUserPolicy";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let input = call.input;
        let need = need_bounded("iam:AttachUserPolicy", call.scope, state, &input.user_name)?;
        Ok(need.key("iam:PolicyARN", input.policy_arn.clone()).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let (input, scope) = (call.input, call.scope);
        let user: UserRecord = entities::require(tx, &scope.account, &input.user_name)?;
        let (kind, arn) = (EntityKind::User, &input.policy_arn);
        attachments::attach(tx, scope, kind, &user.id, arn, call.now)?;
        Ok(Unit)
    }
}

/// IAM DetachUserPolicy.
#[derive(Debug)]
pub struct DetachUserPolicy;

impl Operation for DetachUserPolicy {
    type Input = api::DetachUserPolicyRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "DetachUserPolicy";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let input = call.input;
        let need = need_bounded("iam:DetachUserPolicy", call.scope, state, &input.user_name)?;
        Ok(need.key("iam:PolicyARN", input.policy_arn.clone()).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let (input, account) = (call.input, &call.scope.account);
        let user: UserRecord = entities::require(tx, account, &input.user_name)?;
        attachments::detach(tx, account, &user.id, &input.policy_arn)?;
        Ok(Unit)
    }
}

/// IAM ListAttachedUserPolicies.
#[derive(Debug)]
pub struct ListAttachedUserPolicies;

impl Operation for ListAttachedUserPolicies {
    type Input = api::ListAttachedUserPoliciesRequest;
    type Output = api::ListAttachedUserPoliciesResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "ListAttachedUserPolicies";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let name = &call.input.user_name;
        Ok(need("iam:ListAttachedUserPolicies", call.scope, state, name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, account) = (call.input, &call.scope.account);
        let page = Page::of(input.marker.as_deref(), input.max_items)?;
        let user: UserRecord = entities::require(tx, account, &input.user_name)?;
        let prefix = input.path_prefix.as_deref();
        let policies = attachments::list(tx, account, &user.id, prefix, &page)?;
        Ok(api::ListAttachedUserPoliciesResponse {
            is_truncated: policies.truncated(),
            marker: policies.marker,
            attached_policies: Some(policies.items),
        })
    }
}

/// IAM PutUserPolicy.
#[derive(Debug)]
pub struct PutUserPolicy;

impl Operation for PutUserPolicy {
    type Input = api::PutUserPolicyRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "PutUserPolicy";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        Ok(need_bounded("iam:PutUserPolicy", call.scope, state, &call.input.user_name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let (input, account) = (call.input, &call.scope.account);
        let user: UserRecord = entities::require(tx, account, &input.user_name)?;
        let (name, document) = (&input.policy_name, &input.policy_document);
        inline::put(tx, account, &user, name, document, call.now)?;
        Ok(Unit)
    }
}

/// IAM GetUserPolicy.
#[derive(Debug)]
pub struct GetUserPolicy;

impl Operation for GetUserPolicy {
    type Input = api::GetUserPolicyRequest;
    type Output = api::GetUserPolicyResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "GetUserPolicy";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        Ok(need("iam:GetUserPolicy", call.scope, state, &call.input.user_name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, account) = (call.input, &call.scope.account);
        let user: UserRecord = entities::require(tx, account, &input.user_name)?;
        let policy = inline::require(tx, account, &user, &input.policy_name)?;
        Ok(api::GetUserPolicyResponse {
            user_name: Some(user.name),
            policy_name: Some(input.policy_name.clone()),
            policy_document: Some(documents::encode(&policy.document)),
        })
    }
}

/// IAM ListUserPolicies: the names of the inline policies.
#[derive(Debug)]
pub struct ListUserPolicies;

impl Operation for ListUserPolicies {
    type Input = api::ListUserPoliciesRequest;
    type Output = api::ListUserPoliciesResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "ListUserPolicies";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        Ok(need("iam:ListUserPolicies", call.scope, state, &call.input.user_name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, account) = (call.input, &call.scope.account);
        let page = Page::of(input.marker.as_deref(), input.max_items)?;
        let user: UserRecord = entities::require(tx, account, &input.user_name)?;
        let names = inline::names(tx, account, &user.id, &page)?;
        Ok(api::ListUserPoliciesResponse {
            is_truncated: names.truncated(),
            marker: names.marker,
            policy_names: Some(names.items),
        })
    }
}

/// IAM DeleteUserPolicy.
#[derive(Debug)]
pub struct DeleteUserPolicy;

impl Operation for DeleteUserPolicy {
    type Input = api::DeleteUserPolicyRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "DeleteUserPolicy";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        Ok(need_bounded("iam:DeleteUserPolicy", call.scope, state, &call.input.user_name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let (input, account) = (call.input, &call.scope.account);
        let user: UserRecord = entities::require(tx, account, &input.user_name)?;
        inline::delete(tx, account, &user, &input.policy_name)?;
        Ok(Unit)
    }
}
