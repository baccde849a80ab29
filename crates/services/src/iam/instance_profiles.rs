//! Instance profiles: containers for the one role that an EC2 instance gets.

use sagegate_store::StoreError;

use super::case_tags::CaseTags;
use super::entities::{arn_of, new_id, require, subject};
use super::faults::{delete_conflict, no_such, over_quota};
use super::policy_tags::{resource_tags, with_tagging};
use super::prelude::*;
use super::records::{InstanceProfileRecord, PROFILES_OF_ROLE, RoleRecord};
use super::roles::{self, RoleView};

/// An instance profile as lists have it: without tags.
///
/// # Errors
/// [`StoreError`].
pub fn listed(
    state: &dyn Read,
    scope: &Scope,
    profile: &InstanceProfileRecord,
) -> Result<api::InstanceProfile, StoreError> {
    let role = match &profile.role_id {
        Some(id) => entities::by_id::<RoleRecord>(state, &scope.account, id)?,
        None => None,
    };
    let role = role.map(|role| roles::answer(state, scope, &role, RoleView::Nested)).transpose()?;
    Ok(api::InstanceProfile {
        path: Some(profile.path.clone()),
        instance_profile_name: Some(profile.name.clone()),
        instance_profile_id: Some(profile.id.clone()),
        arn: Some(entities::arn(scope, profile)),
        create_date: Some(profile.created.whole_seconds().into()),
        roles: Some(role.into_iter().collect()),
        tags: None,
    })
}

/// A permission asked on an instance profile, which need not exist, with its tags.
///
/// # Errors
/// [`StoreError`].
pub fn need(
    action: &'static str,
    scope: &Scope,
    state: &dyn Read,
    name: &str,
) -> Result<Need, StoreError> {
    let (arn, profile) = subject::<InstanceProfileRecord>(state, scope, name)?;
    let need = Need::on(action, arn).shown_as(format!("instance profile {name}"));
    Ok(match profile {
        Some(profile) => resource_tags(need, &profile.tags),
        None => need,
    })
}

/// The instance profiles that hold a role.
///
/// # Errors
/// [`StoreError`].
pub fn of_role(
    state: &dyn Read,
    scope: &Scope,
    role: &RoleRecord,
) -> Result<Vec<InstanceProfileRecord>, StoreError> {
    let of = (scope.account.as_str(), role.id.as_str());
    let keys = PROFILES_OF_ROLE.scan(state, &of, None, usize::MAX)?;
    let found = keys
        .iter()
        .map(|((_, _, name), ())| entities::find(state, &scope.account, name))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(found.into_iter().flatten().collect())
}

/// iam:CreateInstanceProfile.
#[derive(Debug)]
pub struct CreateInstanceProfile;

impl Operation for CreateInstanceProfile {
    type Input = api::CreateInstanceProfileRequest;
    type Output = api::CreateInstanceProfileResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "CreateInstanceProfile";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        let input = call.input;
        let path = input.path.as_deref().unwrap_or("/");
        let kind = EntityKind::InstanceProfile;
        let arn = arn_of(call.scope, kind, path, &input.instance_profile_name);
        Ok(with_tagging(
            Need::on("iam:CreateInstanceProfile", arn.clone()),
            Need::on("iam:TagInstanceProfile", arn),
            input.tags.as_deref(),
        ))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let input = call.input;
        let profile = InstanceProfileRecord {
            id: new_id(call.env, EntityKind::InstanceProfile),
            name: input.instance_profile_name.clone(),
            path: input.path.clone().unwrap_or_else(|| "/".to_owned()),
            created: call.now,
            role_id: None,
            tags: CaseTags::of_request(input.tags.as_deref())?,
        };
        entities::insert(tx, &call.scope.account, &profile)?;
        let tags = (!profile.tags.is_empty()).then(|| profile.tags.to_list());
        let answer = api::InstanceProfile { tags, ..listed(tx, call.scope, &profile)? };
        Ok(api::CreateInstanceProfileResponse { instance_profile: Some(answer) })
    }
}

/// iam:GetInstanceProfile.
#[derive(Debug)]
pub struct GetInstanceProfile;

impl Operation for GetInstanceProfile {
    type Input = api::GetInstanceProfileRequest;
    type Output = api::GetInstanceProfileResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "GetInstanceProfile";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let name = &call.input.instance_profile_name;
        Ok(need("iam:GetInstanceProfile", call.scope, state, name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let name = &call.input.instance_profile_name;
        let profile = require::<InstanceProfileRecord>(tx, &call.scope.account, name)?;
        let tags = Some(profile.tags.to_list());
        let answer = api::InstanceProfile { tags, ..listed(tx, call.scope, &profile)? };
        Ok(api::GetInstanceProfileResponse { instance_profile: Some(answer) })
    }
}

/// iam:ListInstanceProfiles.
#[derive(Debug)]
pub struct ListInstanceProfiles;

impl Operation for ListInstanceProfiles {
    type Input = api::ListInstanceProfilesRequest;
    type Output = api::ListInstanceProfilesResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "ListInstanceProfiles";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        let prefix = call.input.path_prefix.as_deref().unwrap_or("/");
        let arn = arn_of(call.scope, EntityKind::InstanceProfile, prefix, "");
        Ok(Need::on("iam:ListInstanceProfiles", arn).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let input = call.input;
        let page = Page::of(input.marker.as_deref(), input.max_items)?;
        let prefix = input.path_prefix.as_deref();
        let account = &call.scope.account;
        let found = entities::list::<InstanceProfileRecord>(tx, account, prefix, &page)?;
        let profiles = found.items.iter().map(|profile| listed(tx, call.scope, profile));
        Ok(api::ListInstanceProfilesResponse {
            is_truncated: found.truncated(),
            instance_profiles: Some(profiles.collect::<Result<_, _>>()?),
            marker: found.marker,
        })
    }
}

/// iam:ListInstanceProfilesForRole.
#[derive(Debug)]
pub struct ListInstanceProfilesForRole;

impl Operation for ListInstanceProfilesForRole {
    type Input = api::ListInstanceProfilesForRoleRequest;
    type Output = api::ListInstanceProfilesForRoleResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "ListInstanceProfilesForRole";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let action = "iam:ListInstanceProfilesForRole";
        Ok(roles::need(action, call.scope, state, &call.input.role_name)?.0.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let input = call.input;
        let page = Page::of(input.marker.as_deref(), input.max_items)?;
        let role = require::<RoleRecord>(tx, &call.scope.account, &input.role_name)?;
        let found = of_role(tx, call.scope, &role)?;
        let found = page.take(found.into_iter().map(|it| (it.name.to_lowercase(), it)).collect());
        let profiles = found.items.iter().map(|profile| listed(tx, call.scope, profile));
        Ok(api::ListInstanceProfilesForRoleResponse {
            is_truncated: found.truncated(),
            instance_profiles: Some(profiles.collect::<Result<_, _>>()?),
            marker: found.marker,
        })
    }
}

/// iam:AddRoleToInstanceProfile. The instance gets the role, so it must be allowed to be passed to
/// EC2.
#[derive(Debug)]
pub struct AddRoleToInstanceProfile;

impl Operation for AddRoleToInstanceProfile {
    type Input = api::AddRoleToInstanceProfileRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "AddRoleToInstanceProfile";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (scope, input) = (call.scope, call.input);
        let name = &input.instance_profile_name;
        let add = need("iam:AddRoleToInstanceProfile", scope, state, name)?;
        let (pass, _) = roles::need("iam:PassRole", scope, state, &input.role_name)?;
        // IAM's texts name a role that is passed by its ARN.
        let pass = Need { shown: None, ..pass }.key("iam:PassedToService", "ec2.amazonaws.com");
        Ok(Needs::from(add).and(pass))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, account) = (call.input, &call.scope.account);
        let name = &input.instance_profile_name;
        let mut profile = require::<InstanceProfileRecord>(tx, account, name)?;
        let role = roles::require_modifiable(tx, call.scope, &input.role_name)?;
        if profile.role_id.is_some() {
            return Err(over_quota("InstanceSessionsPerInstanceProfile", 1));
        }
        let key = (account.as_str(), role.id.as_str(), entities::key(&profile.name));
        PROFILES_OF_ROLE.put(tx, &key, &())?;
        profile.role_id = Some(role.id);
        entities::update(tx, account, &profile)?;
        Ok(Unit)
    }
}

/// iam:RemoveRoleFromInstanceProfile.
#[derive(Debug)]
pub struct RemoveRoleFromInstanceProfile;

impl Operation for RemoveRoleFromInstanceProfile {
    type Input = api::RemoveRoleFromInstanceProfileRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "RemoveRoleFromInstanceProfile";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let name = &call.input.instance_profile_name;
        Ok(need("iam:RemoveRoleFromInstanceProfile", call.scope, state, name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, account) = (call.input, &call.scope.account);
        let name = &input.instance_profile_name;
        let mut profile = require::<InstanceProfileRecord>(tx, account, name)?;
        let role = roles::require_modifiable(tx, call.scope, &input.role_name)?;
        if profile.role_id.as_deref() != Some(role.id.as_str()) {
            return Err(no_such(format!(
                "Role {} in Instance Profile {} cannot be found.",
                role.name, profile.name
            )));
        }
        let key = (account.as_str(), role.id.as_str(), entities::key(&profile.name));
        PROFILES_OF_ROLE.delete(tx, &key);
        profile.role_id = None;
        entities::update(tx, account, &profile)?;
        Ok(Unit)
    }
}

/// iam:DeleteInstanceProfile.
#[derive(Debug)]
pub struct DeleteInstanceProfile;

impl Operation for DeleteInstanceProfile {
    type Input = api::DeleteInstanceProfileRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "DeleteInstanceProfile";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let name = &call.input.instance_profile_name;
        Ok(need("iam:DeleteInstanceProfile", call.scope, state, name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (name, account) = (&call.input.instance_profile_name, &call.scope.account);
        let profile = require::<InstanceProfileRecord>(tx, account, name)?;
        if profile.role_id.is_some() {
            return Err(delete_conflict("remove roles from instance profile"));
        }
        entities::remove(tx, account, &profile)?;
        Ok(Unit)
    }
}
