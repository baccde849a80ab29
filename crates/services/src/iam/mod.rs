//! IAM: identities and their policies.
//!
//! [`records`] holds every record type and table. The operations of one kind of entity share a file
//! and are registered here; what they have in common lies beside them ([`entities`],
//! [`attachments`], [`inline`], [`managed`], [`documents`], [`tags`], [`page`], [`faults`],
//! [`quota`]). [`directory`] is how the gate learns who is who, [`credentials`] keeps the secrets.

pub mod access_keys;
pub mod account;
pub mod attachments;
pub mod aws_managed;
pub mod credentials;
pub mod directory;
pub mod documents;
pub mod entities;
pub mod faults;
pub mod group_policies;
pub mod groups;
pub mod inline;
pub mod managed;
pub mod membership;
pub mod page;
mod prelude;
pub mod quota;
pub mod records;
mod subject;
pub mod tags;
pub mod user_policies;
pub mod user_tags;
pub mod users;

use sagegate_gate::registry::Registry;

pub use directory::IamDirectory;

/// Registers the operations.
pub(crate) fn register(registry: &mut Registry) {
    registry
        .add::<users::CreateUser>()
        .add::<users::GetUser>()
        .add::<users::ListUsers>()
        .add::<users::UpdateUser>()
        .add::<users::DeleteUser>()
        .add::<user_tags::TagUser>()
        .add::<user_tags::UntagUser>()
        .add::<user_tags::ListUserTags>()
        .add::<user_tags::PutUserPermissionsBoundary>()
        .add::<user_tags::DeleteUserPermissionsBoundary>()
        .add::<user_policies::AttachUserPolicy>()
        .add::<user_policies::DetachUserPolicy>()
        .add::<user_policies::ListAttachedUserPolicies>()
        .add::<user_policies::PutUserPolicy>()
        .add::<user_policies::GetUserPolicy>()
        .add::<user_policies::ListUserPolicies>()
        .add::<user_policies::DeleteUserPolicy>()
        .add::<groups::CreateGroup>()
        .add::<groups::GetGroup>()
        .add::<groups::ListGroups>()
        .add::<groups::UpdateGroup>()
        .add::<groups::DeleteGroup>()
        .add::<membership::AddUserToGroup>()
        .add::<membership::RemoveUserFromGroup>()
        .add::<membership::ListGroupsForUser>()
        .add::<group_policies::AttachGroupPolicy>()
        .add::<group_policies::DetachGroupPolicy>()
        .add::<group_policies::ListAttachedGroupPolicies>()
        .add::<group_policies::PutGroupPolicy>()
        .add::<group_policies::GetGroupPolicy>()
        .add::<group_policies::ListGroupPolicies>()
        .add::<group_policies::DeleteGroupPolicy>()
        .add::<access_keys::CreateAccessKey>()
        .add::<access_keys::UpdateAccessKey>()
        .add::<access_keys::DeleteAccessKey>()
        .add::<access_keys::ListAccessKeys>()
        .add::<access_keys::GetAccessKeyLastUsed>()
        .add::<account::CreateAccountAlias>()
        .add::<account::DeleteAccountAlias>()
        .add::<account::ListAccountAliases>()
        .add::<account::GetAccountSummary>();
}
