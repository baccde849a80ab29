//! IAM: identities and their policies.
//!
//! [`records`] holds every record type and table. The operations of one kind of entity share a file
//! and are registered here; what they have in common lies beside them ([`entities`],
//! [`attachments`], [`inline`], [`managed`], [`documents`], [`tags`], [`page`], [`faults`],
//! [`quota`]). [`directory`] is how the gate learns who is who, [`credentials`] keeps the secrets.

pub mod access_keys;
pub mod account;
pub mod attachments;
pub mod authorization_details;
pub mod aws_managed;
pub mod bound;
pub mod case_tags;
pub mod credentials;
pub mod directory;
pub mod documents;
pub mod entities;
pub mod faults;
pub mod group_policies;
pub mod groups;
pub mod inline;
pub mod instance_profile_tags;
pub mod instance_profiles;
pub mod managed;
pub mod membership;
pub mod page;
pub mod policies;
pub mod policy_entities;
pub mod policy_tags;
pub mod policy_versions;
mod prelude;
pub mod quota;
pub mod records;
pub mod role_policies;
pub mod role_tags;
pub mod role_update;
pub mod roles;
pub mod service_linked;
pub mod service_linked_table;
pub mod service_role;
pub mod simulate;
mod subject;
pub mod tags;
#[cfg(test)]
mod tests;
pub mod trust;
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
    register_roles(registry);
    register_policies(registry);
}

fn register_roles(registry: &mut Registry) {
    registry
        .add::<roles::CreateRole>()
        .add::<roles::GetRole>()
        .add::<roles::ListRoles>()
        .add::<roles::DeleteRole>()
        .add::<role_update::UpdateRole>()
        .add::<role_update::UpdateRoleDescription>()
        .add::<role_update::UpdateAssumeRolePolicy>()
        .add::<role_update::PutRolePermissionsBoundary>()
        .add::<role_update::DeleteRolePermissionsBoundary>()
        .add::<role_policies::PutRolePolicy>()
        .add::<role_policies::GetRolePolicy>()
        .add::<role_policies::DeleteRolePolicy>()
        .add::<role_policies::ListRolePolicies>()
        .add::<role_policies::AttachRolePolicy>()
        .add::<role_policies::DetachRolePolicy>()
        .add::<role_policies::ListAttachedRolePolicies>()
        .add::<role_tags::TagRole>()
        .add::<role_tags::UntagRole>()
        .add::<role_tags::ListRoleTags>()
        .add::<service_linked::CreateServiceLinkedRole>()
        .add::<service_linked::DeleteServiceLinkedRole>()
        .add::<service_linked::GetServiceLinkedRoleDeletionStatus>()
        .add::<instance_profiles::CreateInstanceProfile>()
        .add::<instance_profiles::GetInstanceProfile>()
        .add::<instance_profiles::ListInstanceProfiles>()
        .add::<instance_profiles::ListInstanceProfilesForRole>()
        .add::<instance_profiles::AddRoleToInstanceProfile>()
        .add::<instance_profiles::RemoveRoleFromInstanceProfile>()
        .add::<instance_profiles::DeleteInstanceProfile>()
        .add::<instance_profile_tags::TagInstanceProfile>()
        .add::<instance_profile_tags::UntagInstanceProfile>()
        .add::<instance_profile_tags::ListInstanceProfileTags>();
}

fn register_policies(registry: &mut Registry) {
    registry
        .add::<policies::CreatePolicy>()
        .add::<policies::GetPolicy>()
        .add::<policies::ListPolicies>()
        .add::<policies::DeletePolicy>()
        .add::<policy_versions::CreatePolicyVersion>()
        .add::<policy_versions::GetPolicyVersion>()
        .add::<policy_versions::ListPolicyVersions>()
        .add::<policy_versions::SetDefaultPolicyVersion>()
        .add::<policy_versions::DeletePolicyVersion>()
        .add::<policy_tags::TagPolicy>()
        .add::<policy_tags::UntagPolicy>()
        .add::<policy_tags::ListPolicyTags>()
        .add::<policy_entities::ListEntitiesForPolicy>()
        .add::<authorization_details::GetAccountAuthorizationDetails>()
        .add::<simulate::SimulatePrincipalPolicy>()
        .add::<simulate::SimulateCustomPolicy>();
}
