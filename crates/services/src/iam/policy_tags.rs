//! Tags of managed policies. Unlike those of users and roles their keys differ by case.

use super::case_tags::CaseTags;
use super::entities;
use super::policies::{check_arn, need, own, require_own};
use super::prelude::*;
use super::tags::{self, pairs};
use super::{aws_managed, faults};

/// Adds the tags of a policy or an instance profile. `iam:ResourceTag` is about users and roles only
/// (Service Authorization Reference, AWS IAM, condition keys and resource types).
pub fn resource_tags(need: Need, tags: &CaseTags) -> Need {
    tags.iter().fold(need, |need, (key, value)| need.key(format!("aws:ResourceTag/{key}"), value))
}

/// The needs of a create call that may tag: the creation, and where there are tags their setting
/// as well.
#[must_use]
pub(crate) fn with_tagging(create: Need, tag: Need, tags: Option<&[api::Tag]>) -> Needs {
    let create = create.request_tags(pairs(tags));
    match tags {
        None | Some([]) => create.into(),
        Some(_) => Needs::from(create).and(tag.request_tags(pairs(tags))),
    }
}

/// iam:TagPolicy.
#[derive(Debug)]
pub struct TagPolicy;

impl Operation for TagPolicy {
    type Input = api::TagPolicyRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "TagPolicy";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let need = need("iam:TagPolicy", call.scope, state, &call.input.policy_arn)?;
        Ok(need.request_tags(pairs(Some(&call.input.tags))).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let mut policy = require_own(tx, call.scope, &call.input.policy_arn)?;
        policy.tags.merge(&call.input.tags)?;
        entities::update(tx, &call.scope.account, &policy)?;
        Ok(Unit)
    }
}

/// iam:UntagPolicy.
#[derive(Debug)]
pub struct UntagPolicy;

impl Operation for UntagPolicy {
    type Input = api::UntagPolicyRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "UntagPolicy";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let need = need("iam:UntagPolicy", call.scope, state, &call.input.policy_arn)?;
        Ok(need.key("aws:TagKeys", call.input.tag_keys.clone()).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        tags::check_keys(&call.input.tag_keys)?;
        let mut policy = require_own(tx, call.scope, &call.input.policy_arn)?;
        policy.tags.remove(&call.input.tag_keys);
        entities::update(tx, &call.scope.account, &policy)?;
        Ok(Unit)
    }
}

/// iam:ListPolicyTags. AWS's own policies have none.
#[derive(Debug)]
pub struct ListPolicyTags;

impl Operation for ListPolicyTags {
    type Input = api::ListPolicyTagsRequest;
    type Output = api::ListPolicyTagsResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "ListPolicyTags";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        Ok(need("iam:ListPolicyTags", call.scope, state, &call.input.policy_arn)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, arn) = (call.input, &call.input.policy_arn);
        check_arn(arn)?;
        let page = Page::of(input.marker.as_deref(), input.max_items)?;
        let tags = match own(tx, call.scope, arn)? {
            Some(policy) => policy.tags.to_list(),
            None if aws_managed::by_arn(arn).is_some() => Vec::new(),
            None => return Err(faults::no_such_policy(arn)),
        };
        let found = page.take(tags.into_iter().map(|tag| (tag.key.clone(), tag)).collect());
        Ok(api::ListPolicyTagsResponse {
            is_truncated: found.truncated(),
            tags: Some(found.items),
            marker: found.marker,
        })
    }
}
