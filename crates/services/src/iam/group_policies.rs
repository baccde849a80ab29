//! Policies of a group: AttachGroupPolicy, DetachGroupPolicy, ListAttachedGroupPolicies, PutGroupPolicy,
//! GetGroupPolicy, ListGroupPolicies, DeleteGroupPolicy.

use super::groups::need;
use super::prelude::*;
use super::{attachments, documents, inline};

/// IAM AttachGroupPolicy. A policy that is attached already stays.
#[derive(Debug)]
pub struct AttachGroupPolicy;

impl Operation for AttachGroupPolicy {
    type Input = api::AttachGroupPolicyRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "AttachGroupPolicy";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let input = call.input;
        let need = need("iam:AttachGroupPolicy", call.scope, state, &input.group_name)?;
        Ok(need.key("iam:PolicyARN", input.policy_arn.clone()).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let (input, scope) = (call.input, call.scope);
        let group: GroupRecord = entities::require(tx, &scope.account, &input.group_name)?;
        let (kind, arn) = (EntityKind::Group, &input.policy_arn);
        attachments::attach(tx, scope, kind, &group.id, arn, call.now)?;
        Ok(Unit)
    }
}

/// IAM DetachGroupPolicy.
#[derive(Debug)]
pub struct DetachGroupPolicy;

impl Operation for DetachGroupPolicy {
    type Input = api::DetachGroupPolicyRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "DetachGroupPolicy";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let input = call.input;
        let need = need("iam:DetachGroupPolicy", call.scope, state, &input.group_name)?;
        Ok(need.key("iam:PolicyARN", input.policy_arn.clone()).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let (input, account) = (call.input, &call.scope.account);
        let group: GroupRecord = entities::require(tx, account, &input.group_name)?;
        attachments::detach(tx, account, &group.id, &input.policy_arn)?;
        Ok(Unit)
    }
}

/// IAM ListAttachedGroupPolicies.
#[derive(Debug)]
pub struct ListAttachedGroupPolicies;

impl Operation for ListAttachedGroupPolicies {
    type Input = api::ListAttachedGroupPoliciesRequest;
    type Output = api::ListAttachedGroupPoliciesResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "ListAttachedGroupPolicies";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let name = &call.input.group_name;
        Ok(need("iam:ListAttachedGroupPolicies", call.scope, state, name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, account) = (call.input, &call.scope.account);
        let page = Page::of(input.marker.as_deref(), input.max_items)?;
        let group: GroupRecord = entities::require(tx, account, &input.group_name)?;
        let prefix = input.path_prefix.as_deref();
        let policies = attachments::list(tx, account, &group.id, prefix, &page)?;
        Ok(api::ListAttachedGroupPoliciesResponse {
            is_truncated: policies.truncated(),
            marker: policies.marker,
            attached_policies: Some(policies.items),
        })
    }
}

/// IAM PutGroupPolicy.
#[derive(Debug)]
pub struct PutGroupPolicy;

impl Operation for PutGroupPolicy {
    type Input = api::PutGroupPolicyRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "PutGroupPolicy";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        Ok(need("iam:PutGroupPolicy", call.scope, state, &call.input.group_name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let (input, account) = (call.input, &call.scope.account);
        let group: GroupRecord = entities::require(tx, account, &input.group_name)?;
        let (name, document) = (&input.policy_name, &input.policy_document);
        inline::put(tx, account, &group, name, document, call.now)?;
        Ok(Unit)
    }
}

/// IAM GetGroupPolicy.
#[derive(Debug)]
pub struct GetGroupPolicy;

impl Operation for GetGroupPolicy {
    type Input = api::GetGroupPolicyRequest;
    type Output = api::GetGroupPolicyResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "GetGroupPolicy";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        Ok(need("iam:GetGroupPolicy", call.scope, state, &call.input.group_name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, account) = (call.input, &call.scope.account);
        let group: GroupRecord = entities::require(tx, account, &input.group_name)?;
        let policy = inline::require(tx, account, &group, &input.policy_name)?;
        Ok(api::GetGroupPolicyResponse {
            group_name: Some(group.name),
            policy_name: Some(input.policy_name.clone()),
            policy_document: Some(documents::encode(&policy.document)),
        })
    }
}

/// IAM ListGroupPolicies: the names of the inline policies.
#[derive(Debug)]
pub struct ListGroupPolicies;

impl Operation for ListGroupPolicies {
    type Input = api::ListGroupPoliciesRequest;
    type Output = api::ListGroupPoliciesResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "ListGroupPolicies";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        Ok(need("iam:ListGroupPolicies", call.scope, state, &call.input.group_name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, account) = (call.input, &call.scope.account);
        let page = Page::of(input.marker.as_deref(), input.max_items)?;
        let group: GroupRecord = entities::require(tx, account, &input.group_name)?;
        let names = inline::names(tx, account, &group.id, &page)?;
        Ok(api::ListGroupPoliciesResponse {
            is_truncated: names.truncated(),
            marker: names.marker,
            policy_names: Some(names.items),
        })
    }
}

/// IAM DeleteGroupPolicy.
#[derive(Debug)]
pub struct DeleteGroupPolicy;

impl Operation for DeleteGroupPolicy {
    type Input = api::DeleteGroupPolicyRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "DeleteGroupPolicy";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        Ok(need("iam:DeleteGroupPolicy", call.scope, state, &call.input.group_name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let (input, account) = (call.input, &call.scope.account);
        let group: GroupRecord = entities::require(tx, account, &input.group_name)?;
        inline::delete(tx, account, &group, &input.policy_name)?;
        Ok(Unit)
    }
}
