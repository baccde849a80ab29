//! Users: CreateUser, GetUser, ListUsers, UpdateUser, DeleteUser.

use super::attachments::{self, boundary_answer};
use super::faults::delete_conflict;
use super::inline;
use super::prelude::*;
use super::records::{ACCOUNTS, KEYS_OF, MEMBERSHIPS, ROOT};
use super::subject::Subject;
use super::tags::{self, Tags};

/// A need of an action on the user of this name, with the keys that its tags give.
pub(crate) fn need(
    action: &'static str,
    scope: &Scope,
    state: &dyn Read,
    name: &str,
) -> Result<Need, Fault> {
    let (arn, user) = entities::subject::<UserRecord>(state, scope, name)?;
    let need = Need::on(action, arn).shown_as(format!("user {name}"));
    Ok(match &user {
        Some(user) => need.resource_tags("iam", user.tags.iter()),
        None => need,
    })
}

/// As [`need`], with `iam:PermissionsBoundary`: the boundary that the user has now. The actions
/// that change a user's policies have it, so that a delegate may touch only bounded users.
pub(crate) fn need_bounded(
    action: &'static str,
    scope: &Scope,
    state: &dyn Read,
    name: &str,
) -> Result<Need, Fault> {
    let boundary =
        entities::find::<UserRecord>(state, &scope.account, name)?.and_then(|user| user.boundary);
    Ok(need(action, scope, state, name)?.key_if("iam:PermissionsBoundary", boundary))
}

/// A user as lists have it: without tags and boundary.
pub(crate) fn listed(scope: &Scope, user: &UserRecord) -> api::User {
    api::User {
        path: Some(user.path.clone()),
        user_name: Some(user.name.clone()),
        user_id: Some(user.id.clone()),
        arn: Some(entities::arn(scope, user)),
        create_date: Some(user.created.whole_seconds().into()),
        ..api::User::default()
    }
}

/// A user with all that is known of it.
fn full(scope: &Scope, user: &UserRecord) -> api::User {
    api::User {
        permissions_boundary: boundary_answer(user.boundary.as_ref()),
        tags: user.tags.answer(),
        ..listed(scope, user)
    }
}

/// IAM CreateUser.
#[derive(Debug)]
pub struct CreateUser;

impl Operation for CreateUser {
    type Input = api::CreateUserRequest;
    type Output = api::CreateUserResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "CreateUser";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        let input = call.input;
        let path = input.path.as_deref().unwrap_or("/");
        let arn = entities::arn_of(call.scope, EntityKind::User, path, &input.user_name);
        let create = Need::on("iam:CreateUser", arn.clone())
            .key_if("iam:PermissionsBoundary", input.permissions_boundary.clone())
            .request_tags(tags::pairs(input.tags.as_deref()));
        let needs = Needs::from(create);
        // Tagging while creating is tagging (IAM User Guide, "Tags for IAM resources").
        Ok(if input.tags.as_ref().is_some_and(|tags| !tags.is_empty()) {
            let tag = Need::on("iam:TagUser", arn);
            needs.and(tag.request_tags(tags::pairs(input.tags.as_deref())))
        } else {
            needs
        })
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let input = call.input;
        let user = UserRecord {
            id: entities::new_id(call.env, EntityKind::User),
            name: input.user_name.clone(),
            path: input.path.clone().unwrap_or_else(|| "/".to_owned()),
            created: call.now,
            boundary: input.permissions_boundary.clone(),
            tags: Tags::of_request(input.tags.as_deref())?,
        };
        entities::insert(tx, &call.scope.account, &user)?;
        let boundary = user.boundary.as_deref();
        attachments::change_boundary(tx, call.scope, EntityKind::User, &user.id, None, boundary)?;
        Ok(api::CreateUserResponse { user: Some(full(call.scope, &user)) })
    }
}

/// IAM GetUser. Without a name it tells of the caller, be it a user or root.
#[derive(Debug)]
pub struct GetUser;

impl Operation for GetUser {
    type Input = api::GetUserRequest;
    type Output = api::GetUserResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "GetUser";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let subject = Subject::of(call.caller, call.input.user_name.as_deref())?;
        Ok(subject.need("iam:GetUser", call.scope, state)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let scope = call.scope;
        let user = match Subject::of(call.caller, call.input.user_name.as_deref())? {
            Subject::Root => {
                let account = ACCOUNTS.get(tx, scope.account.as_str())?;
                api::User {
                    user_id: Some(scope.account.to_string()),
                    arn: Some(scope.global_arn("iam", ROOT)),
                    create_date: account.map(|account| account.created.whole_seconds().into()),
                    ..api::User::default()
                }
            }
            Subject::User(name) => full(scope, &entities::require(tx, &scope.account, &name)?),
        };
        Ok(api::GetUserResponse { user: Some(user) })
    }
}

/// IAM ListUsers.
#[derive(Debug)]
pub struct ListUsers;

impl Operation for ListUsers {
    type Input = api::ListUsersRequest;
    type Output = api::ListUsersResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "ListUsers";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        let path = call.input.path_prefix.as_deref().unwrap_or("/");
        Ok(Need::on("iam:ListUsers", call.scope.global_arn("iam", &format!("user{path}"))).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let input = call.input;
        let page = Page::of(input.marker.as_deref(), input.max_items)?;
        let prefix = input.path_prefix.as_deref();
        let users = entities::list::<UserRecord>(tx, &call.scope.account, prefix, &page)?;
        Ok(api::ListUsersResponse {
            users: Some(users.items.iter().map(|user| listed(call.scope, user)).collect()),
            is_truncated: users.truncated(),
            marker: users.marker,
        })
    }
}

/// IAM UpdateUser: another name or path. The unique id stays, and with it all that the user has.
#[derive(Debug)]
pub struct UpdateUser;

impl Operation for UpdateUser {
    type Input = api::UpdateUserRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "UpdateUser";
    const ACCESS: Access = Access::Write;

    /// Both the user as it is and the user as it will be: "you must have appropriate permissions on
    /// both the source object and the target object" (IAM API Reference, UpdateUser).
    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let input = call.input;
        let (arn, user) = entities::subject::<UserRecord>(state, call.scope, &input.user_name)?;
        let path = input.new_path.as_deref();
        let path = path.or(user.as_ref().map(|user| user.path.as_str())).unwrap_or("/");
        let name = input.new_user_name.as_deref();
        let name = name
            .or(user.as_ref().map(|user| user.name.as_str()))
            .unwrap_or(input.user_name.as_str());
        let after = entities::arn_of(call.scope, EntityKind::User, path, name);
        let tags = || user.iter().flat_map(|user| user.tags.iter());
        let on = |arn: String| Need::on("iam:UpdateUser", arn).resource_tags("iam", tags());
        let needs = Needs::from(on(arn.clone()).shown_as(format!("user {}", input.user_name)));
        Ok(if after == arn { needs } else { needs.and(on(after)) })
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let (input, account) = (call.input, &call.scope.account);
        let mut user: UserRecord = entities::require(tx, account, &input.user_name)?;
        let old_name = user.name.clone();
        if let Some(path) = &input.new_path {
            user.path.clone_from(path);
        }
        if let Some(name) = &input.new_user_name {
            user.name.clone_from(name);
        }
        entities::rename(tx, account, &old_name, &user)?;
        Ok(Unit)
    }
}

/// IAM DeleteUser. Whatever the user has must be taken away first.
#[derive(Debug)]
pub struct DeleteUser;

impl Operation for DeleteUser {
    type Input = api::DeleteUserRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "DeleteUser";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        Ok(need("iam:DeleteUser", call.scope, state, &call.input.user_name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let account = &call.scope.account;
        let user: UserRecord = entities::require(tx, account, &call.input.user_name)?;
        let owned = (account.as_str(), user.id.as_str());
        if !KEYS_OF.scan(tx, &owned, None, 1)?.is_empty() {
            return Err(delete_conflict("delete access keys"));
        }
        if attachments::any(tx, account, &user.id)? {
            return Err(delete_conflict("detach all policies"));
        }
        if inline::any(tx, account, &user.id)? {
            return Err(delete_conflict("delete policies"));
        }
        if !MEMBERSHIPS.scan(tx, &owned, None, 1)?.is_empty() {
            return Err(delete_conflict("remove users from group"));
        }
        let boundary = user.boundary.as_deref();
        attachments::change_boundary(tx, call.scope, EntityKind::User, &user.id, boundary, None)?;
        entities::remove(tx, account, &user)?;
        Ok(Unit)
    }
}
