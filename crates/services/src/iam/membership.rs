//! Who is in which group: AddUserToGroup, RemoveUserFromGroup, ListGroupsForUser.

use sagegate_gate::AccountId;
use sagegate_store::StoreError;

use super::faults::{no_such, over_quota};
use super::prelude::*;
use super::records::{MEMBERS, MEMBERSHIPS, MembershipRecord};
use super::{groups, users};

/// How many groups a user may be in.
const LIMIT: usize = 10;

/// The users of a group.
pub(crate) fn users_of(
    state: &dyn Read,
    account: &AccountId,
    group_id: &str,
) -> Result<Vec<UserRecord>, StoreError> {
    let ids = MEMBERS.scan(state, &(account.as_str(), group_id), None, usize::MAX)?;
    ids.into_iter()
        .filter_map(|((_, _, id), _)| entities::by_id(state, account, &id).transpose())
        .collect()
}

/// Whether a group has users.
pub(crate) fn any_user(
    state: &dyn Read,
    account: &AccountId,
    group_id: &str,
) -> Result<bool, StoreError> {
    Ok(!MEMBERS.scan(state, &(account.as_str(), group_id), None, 1)?.is_empty())
}

/// The groups that a user is in, by name.
///
/// # Errors
/// [`StoreError`].
pub fn groups_of(
    state: &dyn Read,
    account: &AccountId,
    user_id: &str,
) -> Result<Vec<GroupRecord>, StoreError> {
    let ids = MEMBERSHIPS.scan(state, &(account.as_str(), user_id), None, usize::MAX)?;
    let mut groups = ids
        .into_iter()
        .filter_map(|((_, _, id), _)| entities::by_id(state, account, &id).transpose())
        .collect::<Result<Vec<GroupRecord>, _>>()?;
    groups.sort_by_key(|group| entities::key(&group.name));
    Ok(groups)
}

/// IAM AddUserToGroup. Who is in it already stays.
#[derive(Debug)]
pub struct AddUserToGroup;

impl Operation for AddUserToGroup {
    type Input = api::AddUserToGroupRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "AddUserToGroup";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        Ok(groups::need("iam:AddUserToGroup", call.scope, state, &call.input.group_name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let (input, account) = (call.input, &call.scope.account);
        let group: GroupRecord = entities::require(tx, account, &input.group_name)?;
        let user: UserRecord = entities::require(tx, account, &input.user_name)?;
        let (account, user, group) = (account.as_str(), user.id.as_str(), group.id.as_str());
        if MEMBERSHIPS.contains(tx, &(account, user, group))? {
            return Ok(Unit);
        }
        if MEMBERSHIPS.count(tx, &(account, user))? >= LIMIT {
            return Err(over_quota("GroupsPerUser", 10));
        }
        let record = MembershipRecord { since: call.now };
        MEMBERSHIPS.put(tx, &(account, user, group), &record)?;
        MEMBERS.put(tx, &(account, group, user), &record)?;
        Ok(Unit)
    }
}

/// IAM RemoveUserFromGroup.
#[derive(Debug)]
pub struct RemoveUserFromGroup;

impl Operation for RemoveUserFromGroup {
    type Input = api::RemoveUserFromGroupRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "RemoveUserFromGroup";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let name = &call.input.group_name;
        Ok(groups::need("iam:RemoveUserFromGroup", call.scope, state, name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let (input, account) = (call.input, &call.scope.account);
        let group: GroupRecord = entities::require(tx, account, &input.group_name)?;
        let user: UserRecord = entities::require(tx, account, &input.user_name)?;
        let account = account.as_str();
        if !MEMBERSHIPS.contains(tx, &(account, user.id.as_str(), group.id.as_str()))? {
            return Err(no_such(format!("User {} not in group {}", user.name, group.name)));
        }
        MEMBERSHIPS.delete(tx, &(account, user.id.as_str(), group.id.as_str()));
        MEMBERS.delete(tx, &(account, group.id.as_str(), user.id.as_str()));
        Ok(Unit)
    }
}

/// IAM ListGroupsForUser.
#[derive(Debug)]
pub struct ListGroupsForUser;

impl Operation for ListGroupsForUser {
    type Input = api::ListGroupsForUserRequest;
    type Output = api::ListGroupsForUserResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "ListGroupsForUser";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        Ok(users::need("iam:ListGroupsForUser", call.scope, state, &call.input.user_name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, account) = (call.input, &call.scope.account);
        let page = Page::of(input.marker.as_deref(), input.max_items)?;
        let user: UserRecord = entities::require(tx, account, &input.user_name)?;
        let groups = groups_of(tx, account, &user.id)?;
        let keyed = groups.into_iter().map(|group| (entities::key(&group.name), group)).collect();
        let groups = page.take(keyed);
        let answers = groups.items.iter().map(|group| groups::answer(call.scope, group));
        Ok(api::ListGroupsForUserResponse {
            groups: Some(answers.collect()),
            is_truncated: groups.truncated(),
            marker: groups.marker,
        })
    }
}
