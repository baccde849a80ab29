//! A user's tags and permissions boundary: TagUser, UntagUser, ListUserTags,
//! PutUserPermissionsBoundary, DeleteUserPermissionsBoundary.

use super::attachments;
use super::faults::no_such;
use super::prelude::*;
use super::tags::{self, pairs};
use super::users::{need, need_bounded};

/// IAM TagUser.
#[derive(Debug)]
pub struct TagUser;

impl Operation for TagUser {
    type Input = api::TagUserRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "TagUser";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let need = need("iam:TagUser", call.scope, state, &call.input.user_name)?;
        Ok(need.request_tags(pairs(Some(&call.input.tags))).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let account = &call.scope.account;
        let mut user: UserRecord = entities::require(tx, account, &call.input.user_name)?;
        user.tags.merge(&call.input.tags)?;
        entities::update(tx, account, &user)?;
        Ok(Unit)
    }
}

/// IAM UntagUser.
#[derive(Debug)]
pub struct UntagUser;

impl Operation for UntagUser {
    type Input = api::UntagUserRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "UntagUser";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let need = need("iam:UntagUser", call.scope, state, &call.input.user_name)?;
        Ok(need.key("aws:TagKeys", call.input.tag_keys.clone()).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let account = &call.scope.account;
        let mut user: UserRecord = entities::require(tx, account, &call.input.user_name)?;
        tags::check_keys(&call.input.tag_keys)?;
        user.tags.remove(&call.input.tag_keys);
        entities::update(tx, account, &user)?;
        Ok(Unit)
    }
}

/// IAM ListUserTags.
#[derive(Debug)]
pub struct ListUserTags;

impl Operation for ListUserTags {
    type Input = api::ListUserTagsRequest;
    type Output = api::ListUserTagsResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "ListUserTags";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        Ok(need("iam:ListUserTags", call.scope, state, &call.input.user_name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let input = call.input;
        let user: UserRecord = entities::require(tx, &call.scope.account, &input.user_name)?;
        let slice = user.tags.page(&Page::of(input.marker.as_deref(), input.max_items)?);
        Ok(api::ListUserTagsResponse {
            is_truncated: slice.truncated(),
            marker: slice.marker,
            tags: Some(slice.items),
        })
    }
}

/// IAM PutUserPermissionsBoundary.
#[derive(Debug)]
pub struct PutUserPermissionsBoundary;

impl Operation for PutUserPermissionsBoundary {
    type Input = api::PutUserPermissionsBoundaryRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "PutUserPermissionsBoundary";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let input = call.input;
        let need = need("iam:PutUserPermissionsBoundary", call.scope, state, &input.user_name)?;
        Ok(need.key("iam:PermissionsBoundary", input.permissions_boundary.clone()).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let (input, account) = (call.input, &call.scope.account);
        let mut user: UserRecord = entities::require(tx, account, &input.user_name)?;
        let after = Some(input.permissions_boundary.clone());
        let before = std::mem::replace(&mut user.boundary, after);
        attachments::change_boundary(
            tx,
            call.scope,
            EntityKind::User,
            &user.id,
            before.as_deref(),
            user.boundary.as_deref(),
        )?;
        entities::update(tx, account, &user)?;
        Ok(Unit)
    }
}

/// IAM DeleteUserPermissionsBoundary.
#[derive(Debug)]
pub struct DeleteUserPermissionsBoundary;

impl Operation for DeleteUserPermissionsBoundary {
    type Input = api::DeleteUserPermissionsBoundaryRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "DeleteUserPermissionsBoundary";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let name = &call.input.user_name;
        Ok(need_bounded("iam:DeleteUserPermissionsBoundary", call.scope, state, name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let account = &call.scope.account;
        let mut user: UserRecord = entities::require(tx, account, &call.input.user_name)?;
        let Some(before) = user.boundary.take() else {
            return Err(no_such(format!(
                "The user with name {} has no permissions boundary.",
                user.name
            )));
        };
        let (kind, before) = (EntityKind::User, Some(before.as_str()));
        attachments::change_boundary(tx, call.scope, kind, &user.id, before, None)?;
        entities::update(tx, account, &user)?;
        Ok(Unit)
    }
}
