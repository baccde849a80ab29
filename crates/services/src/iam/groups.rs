//! Groups: CreateGroup, GetGroup, ListGroups, UpdateGroup, DeleteGroup.

use super::attachments;
use super::faults::delete_conflict;
use super::inline;
use super::membership;
use super::prelude::*;
use super::users;

/// A need of an action on the group of this name. Groups have no tags.
pub(crate) fn need(
    action: &'static str,
    scope: &Scope,
    state: &dyn Read,
    name: &str,
) -> Result<Need, Fault> {
    let (arn, _) = entities::subject::<GroupRecord>(state, scope, name)?;
    Ok(Need::on(action, arn).shown_as(format!("group {name}")))
}

/// A group as answers have it.
pub(crate) fn answer(scope: &Scope, group: &GroupRecord) -> api::Group {
    api::Group {
        path: Some(group.path.clone()),
        group_name: Some(group.name.clone()),
        group_id: Some(group.id.clone()),
        arn: Some(entities::arn(scope, group)),
        create_date: Some(group.created.whole_seconds().into()),
    }
}

/// IAM CreateGroup.
#[derive(Debug)]
pub struct CreateGroup;

impl Operation for CreateGroup {
    type Input = api::CreateGroupRequest;
    type Output = api::CreateGroupResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "CreateGroup";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        let path = call.input.path.as_deref().unwrap_or("/");
        let arn = entities::arn_of(call.scope, EntityKind::Group, path, &call.input.group_name);
        Ok(Need::on("iam:CreateGroup", arn).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let group = GroupRecord {
            id: entities::new_id(call.env, EntityKind::Group),
            name: call.input.group_name.clone(),
            path: call.input.path.clone().unwrap_or_else(|| "/".to_owned()),
            created: call.now,
        };
        entities::insert(tx, &call.scope.account, &group)?;
        Ok(api::CreateGroupResponse { group: Some(answer(call.scope, &group)) })
    }
}

/// IAM GetGroup: the group and a page of its users.
#[derive(Debug)]
pub struct GetGroup;

impl Operation for GetGroup {
    type Input = api::GetGroupRequest;
    type Output = api::GetGroupResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "GetGroup";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        Ok(need("iam:GetGroup", call.scope, state, &call.input.group_name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, account) = (call.input, &call.scope.account);
        let page = Page::of(input.marker.as_deref(), input.max_items)?;
        let group: GroupRecord = entities::require(tx, account, &input.group_name)?;
        let users = membership::users_of(tx, account, &group.id)?;
        let keyed = users.into_iter().map(|user| (entities::key(&user.name), user)).collect();
        let users = page.take(keyed);
        Ok(api::GetGroupResponse {
            group: Some(answer(call.scope, &group)),
            users: Some(users.items.iter().map(|user| users::listed(call.scope, user)).collect()),
            is_truncated: users.truncated(),
            marker: users.marker,
        })
    }
}

/// IAM ListGroups.
#[derive(Debug)]
pub struct ListGroups;

impl Operation for ListGroups {
    type Input = api::ListGroupsRequest;
    type Output = api::ListGroupsResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "ListGroups";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        let path = call.input.path_prefix.as_deref().unwrap_or("/");
        let arn = call.scope.global_arn("iam", &format!("group{path}"));
        Ok(Need::on("iam:ListGroups", arn).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let input = call.input;
        let page = Page::of(input.marker.as_deref(), input.max_items)?;
        let prefix = input.path_prefix.as_deref();
        let groups = entities::list::<GroupRecord>(tx, &call.scope.account, prefix, &page)?;
        Ok(api::ListGroupsResponse {
            groups: Some(groups.items.iter().map(|group| answer(call.scope, group)).collect()),
            is_truncated: groups.truncated(),
            marker: groups.marker,
        })
    }
}

/// IAM UpdateGroup: another name or path. The unique id stays, and with it all that the group has.
#[derive(Debug)]
pub struct UpdateGroup;

impl Operation for UpdateGroup {
    type Input = api::UpdateGroupRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "UpdateGroup";
    const ACCESS: Access = Access::Write;

    /// Both the group as it is and as it will be (IAM API Reference, UpdateGroup).
    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let input = call.input;
        let (arn, group) = entities::subject::<GroupRecord>(state, call.scope, &input.group_name)?;
        let path = input.new_path.as_deref();
        let path = path.or(group.as_ref().map(|group| group.path.as_str())).unwrap_or("/");
        let name = input.new_group_name.as_deref();
        let name = name
            .or(group.as_ref().map(|group| group.name.as_str()))
            .unwrap_or(input.group_name.as_str());
        let after = entities::arn_of(call.scope, EntityKind::Group, path, name);
        let before = Need::on("iam:UpdateGroup", arn.clone());
        let needs = Needs::from(before.shown_as(format!("group {}", input.group_name)));
        Ok(if after == arn { needs } else { needs.and(Need::on("iam:UpdateGroup", after)) })
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let (input, account) = (call.input, &call.scope.account);
        let mut group: GroupRecord = entities::require(tx, account, &input.group_name)?;
        let old_name = group.name.clone();
        if let Some(path) = &input.new_path {
            group.path.clone_from(path);
        }
        if let Some(name) = &input.new_group_name {
            group.name.clone_from(name);
        }
        entities::rename(tx, account, &old_name, &group)?;
        Ok(Unit)
    }
}

/// IAM DeleteGroup. It must have neither users nor policies.
#[derive(Debug)]
pub struct DeleteGroup;

impl Operation for DeleteGroup {
    type Input = api::DeleteGroupRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "DeleteGroup";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        Ok(need("iam:DeleteGroup", call.scope, state, &call.input.group_name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let account = &call.scope.account;
        let group: GroupRecord = entities::require(tx, account, &call.input.group_name)?;
        if membership::any_user(tx, account, &group.id)? {
            return Err(delete_conflict("remove users from group"));
        }
        if attachments::any(tx, account, &group.id)? {
            return Err(delete_conflict("detach all policies"));
        }
        if inline::any(tx, account, &group.id)? {
            return Err(delete_conflict("delete policies"));
        }
        entities::remove(tx, account, &group)?;
        Ok(Unit)
    }
}
