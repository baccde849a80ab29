//! Tags of instance profiles. Their keys differ by case.

use super::entities::require;
use super::instance_profiles::need;
use super::prelude::*;
use super::records::InstanceProfileRecord;
use super::tags::{self, pairs};

/// iam:TagInstanceProfile.
#[derive(Debug)]
pub struct TagInstanceProfile;

impl Operation for TagInstanceProfile {
    type Input = api::TagInstanceProfileRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "TagInstanceProfile";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let name = &call.input.instance_profile_name;
        let need = need("iam:TagInstanceProfile", call.scope, state, name)?;
        Ok(need.request_tags(pairs(Some(&call.input.tags))).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, account) = (call.input, &call.scope.account);
        let name = &input.instance_profile_name;
        let mut profile = require::<InstanceProfileRecord>(tx, account, name)?;
        profile.tags.merge(&input.tags)?;
        entities::update(tx, account, &profile)?;
        Ok(Unit)
    }
}

/// iam:UntagInstanceProfile.
#[derive(Debug)]
pub struct UntagInstanceProfile;

impl Operation for UntagInstanceProfile {
    type Input = api::UntagInstanceProfileRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "UntagInstanceProfile";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let name = &call.input.instance_profile_name;
        let need = need("iam:UntagInstanceProfile", call.scope, state, name)?;
        Ok(need.key("aws:TagKeys", call.input.tag_keys.clone()).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, account) = (call.input, &call.scope.account);
        tags::check_keys(&input.tag_keys)?;
        let name = &input.instance_profile_name;
        let mut profile = require::<InstanceProfileRecord>(tx, account, name)?;
        profile.tags.remove(&input.tag_keys);
        entities::update(tx, account, &profile)?;
        Ok(Unit)
    }
}

/// iam:ListInstanceProfileTags.
#[derive(Debug)]
pub struct ListInstanceProfileTags;

impl Operation for ListInstanceProfileTags {
    type Input = api::ListInstanceProfileTagsRequest;
    type Output = api::ListInstanceProfileTagsResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "ListInstanceProfileTags";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let name = &call.input.instance_profile_name;
        Ok(need("iam:ListInstanceProfileTags", call.scope, state, name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let input = call.input;
        let page = Page::of(input.marker.as_deref(), input.max_items)?;
        let name = &input.instance_profile_name;
        let profile = require::<InstanceProfileRecord>(tx, &call.scope.account, name)?;
        let tags = profile.tags.to_list().into_iter().map(|tag| (tag.key.clone(), tag)).collect();
        let found = page.take(tags);
        Ok(api::ListInstanceProfileTagsResponse {
            is_truncated: found.truncated(),
            tags: Some(found.items),
            marker: found.marker,
        })
    }
}
