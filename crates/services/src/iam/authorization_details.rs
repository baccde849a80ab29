//! GetAccountAuthorizationDetails: every user, group, role and managed policy with all that is
//! attached to it, page by page.

use sagegate_gate::last_use::LastUse;
use sagegate_store::StoreError;

use super::entities::Named;
use super::managed::Managed;
use super::prelude::*;
use super::records::{GROUPS, ROLES, RoleRecord, USERS};
use super::roles::{self, RoleView};
use super::{
    attachments, aws_managed, documents, inline, instance_profiles, membership, policies,
    policy_versions,
};

/// What one item of the answer is made of. Pages go through these in order, and by name within
/// each.
enum Item {
    User(UserRecord),
    Group(GroupRecord),
    Role(RoleRecord),
    Policy(Managed),
}

/// iam:GetAccountAuthorizationDetails.
#[derive(Debug)]
pub struct GetAccountAuthorizationDetails;

impl Operation for GetAccountAuthorizationDetails {
    type Input = api::GetAccountAuthorizationDetailsRequest;
    type Output = api::GetAccountAuthorizationDetailsResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "GetAccountAuthorizationDetails";
    const ACCESS: Access = Access::Read;

    fn needs(_: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        Ok(Need::any("iam:GetAccountAuthorizationDetails").shown_as("*").into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        use api::EntityType::{AwsManagedPolicy, Group, LocalManagedPolicy, Role, User};
        let (input, scope) = (call.input, call.scope);
        let page = Page::<(u8, String)>::of(input.marker.as_deref(), input.max_items)?;
        let filter = input.filter.as_deref().unwrap_or_default();
        let wanted = |kind| filter.is_empty() || filter.contains(&kind);
        let of = (scope.account.as_str(),);
        let mut found = Vec::new();
        if wanted(User) {
            let users = USERS.scan(tx, &of, None, usize::MAX)?;
            found.extend(users.into_iter().map(|((_, key), it)| ((0, key), Item::User(it))));
        }
        if wanted(Group) {
            let groups = GROUPS.scan(tx, &of, None, usize::MAX)?;
            found.extend(groups.into_iter().map(|((_, key), it)| ((1, key), Item::Group(it))));
        }
        if wanted(Role) {
            let roles = ROLES.scan(tx, &of, None, usize::MAX)?;
            found.extend(roles.into_iter().map(|((_, key), it)| ((2, key), Item::Role(it))));
        }
        let mut managed = Vec::new();
        if wanted(LocalManagedPolicy) {
            managed.extend(policies::all_own(tx, scope)?);
        }
        if wanted(AwsManagedPolicy) {
            // Of AWS's own only those that the account uses.
            for policy in aws_managed::all() {
                let arn = policy.arn(scope.region.partition());
                if policies::usage(tx, scope, &arn)? != (0, 0) {
                    managed.push(policy.as_managed(arn));
                }
            }
        }
        found.extend(managed.into_iter().map(|it| ((3, it.arn.clone()), Item::Policy(it))));
        let slice = page.take(found);
        let mut answer = api::GetAccountAuthorizationDetailsResponse {
            user_detail_list: Some(Vec::new()),
            group_detail_list: Some(Vec::new()),
            role_detail_list: Some(Vec::new()),
            policies: Some(Vec::new()),
            is_truncated: slice.truncated(),
            marker: slice.marker,
        };
        for item in slice.items {
            match item {
                Item::User(it) => push(&mut answer.user_detail_list, user(tx, scope, &it)?),
                Item::Group(it) => push(&mut answer.group_detail_list, group(tx, scope, &it)?),
                Item::Role(it) => {
                    push(&mut answer.role_detail_list, role(tx, scope, &it, call.last_use)?);
                }
                Item::Policy(it) => push(&mut answer.policies, policy(tx, scope, &it)?),
            }
        }
        Ok(answer)
    }
}

fn push<T>(list: &mut Option<Vec<T>>, item: T) {
    list.get_or_insert_default().push(item);
}

fn inline_policies(
    state: &dyn Read,
    scope: &Scope,
    owner_id: &str,
) -> Result<Vec<api::PolicyDetail>, StoreError> {
    let found = inline::all(state, &scope.account, owner_id)?;
    let detail = |(name, record): (String, super::records::InlinePolicyRecord)| api::PolicyDetail {
        policy_name: Some(name),
        policy_document: Some(documents::encode(&record.document)),
    };
    Ok(found.into_iter().map(detail).collect())
}

fn attached(
    state: &dyn Read,
    scope: &Scope,
    owner_id: &str,
) -> Result<Vec<api::AttachedPolicy>, StoreError> {
    let found = attachments::all(state, &scope.account, owner_id)?;
    let attached =
        |(arn, name)| api::AttachedPolicy { policy_name: Some(name), policy_arn: Some(arn) };
    Ok(found.into_iter().map(attached).collect())
}

fn user(state: &dyn Read, scope: &Scope, user: &UserRecord) -> Result<api::UserDetail, Fault> {
    let groups = membership::groups_of(state, &scope.account, &user.id)?;
    Ok(api::UserDetail {
        path: Some(user.path.clone()),
        user_name: Some(user.name.clone()),
        user_id: Some(user.id.clone()),
        arn: Some(entities::arn(scope, user)),
        create_date: Some(user.created.into()),
        user_policy_list: Some(inline_policies(state, scope, user.id())?),
        group_list: Some(groups.into_iter().map(|group| group.name).collect()),
        attached_managed_policies: Some(attached(state, scope, user.id())?),
        permissions_boundary: attachments::boundary_answer(user.boundary.as_ref()),
        tags: Some(user.tags.to_list()),
    })
}

fn group(state: &dyn Read, scope: &Scope, group: &GroupRecord) -> Result<api::GroupDetail, Fault> {
    Ok(api::GroupDetail {
        path: Some(group.path.clone()),
        group_name: Some(group.name.clone()),
        group_id: Some(group.id.clone()),
        arn: Some(entities::arn(scope, group)),
        create_date: Some(group.created.into()),
        group_policy_list: Some(inline_policies(state, scope, group.id())?),
        attached_managed_policies: Some(attached(state, scope, group.id())?),
    })
}

fn role(
    state: &dyn Read,
    scope: &Scope,
    role: &RoleRecord,
    recent: &LastUse,
) -> Result<api::RoleDetail, Fault> {
    let profiles = instance_profiles::of_role(state, scope, role)?;
    let profiles = profiles.iter().map(|it| instance_profiles::listed(state, scope, it));
    let profiles = profiles.collect::<Result<_, _>>()?;
    let nested = roles::answer(state, scope, role, RoleView::Nested)?;
    Ok(api::RoleDetail {
        path: nested.path,
        role_name: nested.role_name,
        role_id: nested.role_id,
        arn: nested.arn,
        create_date: nested.create_date,
        assume_role_policy_document: nested.assume_role_policy_document,
        instance_profile_list: Some(profiles),
        role_policy_list: Some(inline_policies(state, scope, role.id())?),
        attached_managed_policies: Some(attached(state, scope, role.id())?),
        permissions_boundary: attachments::boundary_answer(role.boundary.as_ref()),
        tags: Some(role.tags.to_list()),
        role_last_used: Some(roles::last_used(state, scope, role, recent)?),
    })
}

fn policy(
    state: &dyn Read,
    scope: &Scope,
    policy: &Managed,
) -> Result<api::ManagedPolicyDetail, Fault> {
    let listed = policies::listed(policy, policies::usage(state, scope, &policy.arn)?);
    let (versions, default) = policy_versions::all(state, scope, &policy.arn)?;
    let versions = versions.iter().map(|(number, version)| api::PolicyVersion {
        document: Some(documents::encode(&version.document)),
        ..policy_versions::answer(*number, version, default)
    });
    Ok(api::ManagedPolicyDetail {
        policy_name: listed.policy_name,
        policy_id: listed.policy_id,
        arn: listed.arn,
        path: listed.path,
        default_version_id: listed.default_version_id,
        attachment_count: listed.attachment_count,
        permissions_boundary_usage_count: listed.permissions_boundary_usage_count,
        is_attachable: listed.is_attachable,
        description: policy.description.clone(),
        create_date: listed.create_date,
        update_date: listed.update_date,
        policy_version_list: Some(versions.collect()),
    })
}
