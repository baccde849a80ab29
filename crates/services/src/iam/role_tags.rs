//! A role's tags. They may be changed on service-linked roles too (IAM API Reference: TagRole has
//! no UnmodifiableEntity).

use super::entities::require;
use super::prelude::*;
use super::records::RoleRecord;
use super::roles::need;
use super::tags;

/// iam:TagRole.
#[derive(Debug)]
pub struct TagRole;

impl Operation for TagRole {
    type Input = api::TagRoleRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "TagRole";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (need, _) = need("iam:TagRole", call.scope, state, &call.input.role_name)?;
        Ok(need.request_tags(tags::pairs(Some(&call.input.tags))).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let account = &call.scope.account;
        let mut role = require::<RoleRecord>(tx, account, &call.input.role_name)?;
        role.tags.merge(&call.input.tags)?;
        entities::update(tx, account, &role)?;
        Ok(Unit)
    }
}

/// iam:UntagRole.
#[derive(Debug)]
pub struct UntagRole;

impl Operation for UntagRole {
    type Input = api::UntagRoleRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "UntagRole";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (need, _) = need("iam:UntagRole", call.scope, state, &call.input.role_name)?;
        Ok(need.key("aws:TagKeys", call.input.tag_keys.clone()).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let account = &call.scope.account;
        tags::check_keys(&call.input.tag_keys)?;
        let mut role = require::<RoleRecord>(tx, account, &call.input.role_name)?;
        role.tags.remove(&call.input.tag_keys);
        entities::update(tx, account, &role)?;
        Ok(Unit)
    }
}

/// iam:ListRoleTags.
#[derive(Debug)]
pub struct ListRoleTags;

impl Operation for ListRoleTags {
    type Input = api::ListRoleTagsRequest;
    type Output = api::ListRoleTagsResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "ListRoleTags";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        Ok(need("iam:ListRoleTags", call.scope, state, &call.input.role_name)?.0.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let input = call.input;
        let page = Page::of(input.marker.as_deref(), input.max_items)?;
        let role = require::<RoleRecord>(tx, &call.scope.account, &input.role_name)?;
        let tags = role.tags.to_list().into_iter().map(|tag| (tag.key.clone(), tag)).collect();
        let found = page.take(tags);
        Ok(api::ListRoleTagsResponse {
            is_truncated: found.truncated(),
            tags: Some(found.items),
            marker: found.marker,
        })
    }
}
