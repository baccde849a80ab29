//! CreateUserProfile, UpdateUserProfile and DeleteUserProfile.

use sagegate_api::Unit;
use sagegate_api::sagemaker::{
    AppNetworkAccessType, AuthMode, CreateUserProfileRequest, CreateUserProfileResponse,
    DeleteUserProfileRequest, DomainStatus, UpdateUserProfileRequest, UpdateUserProfileResponse,
    UserProfileStatus, UserSettings,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Need, Needs, Operation};
use sagegate_store::{Read, Tx};

use super::faults::{associated, busy, in_use, validation};
use super::ids::{DomainId, profile_arn};
use super::neighbours;
use super::read_domain;
use super::read_profile::{need, require};
use super::records::{self, DomainRecord, ProfileRecord};
use super::settings::{Given, check_user_settings, over, sharing_key};
use super::shapes::{Stored, Word};
use super::space_records::{self, Owner};
use super::tagging;

/// Makes a user profile in a domain.
#[derive(Debug)]
pub struct CreateUserProfile;

impl Operation for CreateUserProfile {
    type Input = CreateUserProfileRequest;
    type Output = CreateUserProfileResponse;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "CreateUserProfile";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        let input = call.input;
        let domain = DomainId::of_request(&input.domain_id)?;
        let arn = profile_arn(call.scope, &domain, &input.user_profile_name);
        let given = Given::default().and(input.user_settings.as_ref());
        let need = given
            .keys(call.scope, Need::on("sagemaker:CreateUserProfile", arn.clone()))
            .key_if(
                "sagemaker:DomainSharingOutputKmsKeyArn",
                sharing_key(call.scope, input.user_settings.as_ref()),
            )
            .request_tags(tagging::pairs(input.tags.as_deref()));
        let needs = given.pass_roles(call.scope, need.into());
        Ok(tagging::and_add_tags(needs, Self::NAME, &arn, input.tags.as_deref()))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        let id = DomainId::of_request(&input.domain_id)?;
        let domain = read_domain::require(tx, scope, &id)?;
        let name = &input.user_profile_name;
        let arn = profile_arn(scope, &id, name);
        let tags = tagging::checked(input.tags.as_deref())?;
        check_sign_on(input, domain.auth_mode.0)?;
        let settings = input.user_settings.as_ref();
        check(tx, call, &domain, settings, settings)?;
        if records::profile(tx, scope, &id, name)?.is_some() {
            return Err(in_use(format!(
                "The UserProfile with UserProfileName {name} already exists in Domain [{id}]. \
                 Please use a different UserProfileName."
            )));
        }
        let status = domain.status.0;
        if !matches!(
            status,
            DomainStatus::InService | DomainStatus::Updating | DomainStatus::UpdateFailed
        ) {
            let domain_arn = id.arn(scope);
            return Err(busy("create a UserProfile in", "Domain", &domain_arn, status.as_str()));
        }
        let record = ProfileRecord {
            domain: id.clone(),
            name: name.clone(),
            incarnation: call.env.uuid(),
            created: call.now,
            modified: call.now,
            status: Word(UserProfileStatus::Pending),
            failure_reason: None,
            efs_uid: None,
            sso_user: input.single_sign_on_user_value.clone(),
            settings: settings.cloned().map(Stored),
        };
        records::put_profile(tx, scope, &record)?;
        records::put_tags(tx, scope, &arn, tags)?;
        records::put_work(tx, scope, &id, name)?;
        Ok(CreateUserProfileResponse { user_profile_arn: Some(arn) })
    }
}

/// "If the domain's AuthMode is SSO, this field is required … if not, it cannot be specified."
/// (SageMaker API, CreateUserProfile; SPEC 2.5)
fn check_sign_on(input: &CreateUserProfileRequest, mode: AuthMode) -> Result<(), Fault> {
    let identifier = input.single_sign_on_user_identifier.as_deref();
    let value = input.single_sign_on_user_value.as_deref();
    match (mode, identifier, value) {
        (AuthMode::Sso, Some("UserName"), Some(value)) if !value.is_empty() => Ok(()),
        (AuthMode::Sso, ..) => Err(validation(
            "SingleSignOnUserIdentifier (UserName) and SingleSignOnUserValue are required in a \
             domain whose AuthMode is SSO.",
        )),
        (AuthMode::Iam, None, None) => Ok(()),
        (AuthMode::Iam, ..) => Err(validation(
            "SingleSignOnUserIdentifier and SingleSignOnUserValue cannot be specified in a domain \
             whose AuthMode is IAM.",
        )),
    }
}

/// Whether a profile could work with these settings: `now` is what it would have, `new` what the
/// request hands over.
fn check<O: Operation>(
    state: &dyn Read,
    call: &Authorized<'_, O>,
    domain: &DomainRecord,
    now: Option<&UserSettings>,
    new: Option<&UserSettings>,
) -> Result<(), Fault> {
    if let Some(now) = now {
        check_user_settings(now, "UserSettings")?;
    }
    let groups = Given::default().and(now).security_groups();
    let defaults = domain.default_user_settings.0.security_groups.as_deref().unwrap_or_default();
    let vpc_only = domain.app_network_access_type.0 == AppNetworkAccessType::VpcOnly;
    if vpc_only && groups.is_empty() && defaults.is_empty() {
        return Err(validation(
            "SecurityGroups are required in UserSettings, or in the DefaultUserSettings of the \
             domain, when the domain's AppNetworkAccessType is VpcOnly.",
        ));
    }
    let named = Given::default().and(new).security_groups();
    neighbours::check_security_groups(state, call.scope, domain.vpc_id.as_deref(), &named)?;
    let new = Given::default().and(new);
    new.check_roles(state, call.scope, &domain.id.arn(call.scope), call.now)?;
    new.check_named(state, call.scope)
}

/// Changes a user profile. What the request does not name stays as it is.
#[derive(Debug)]
pub struct UpdateUserProfile;

impl Operation for UpdateUserProfile {
    type Input = UpdateUserProfileRequest;
    type Output = UpdateUserProfileResponse;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "UpdateUserProfile";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let input = call.input;
        let domain = DomainId::of_request(&input.domain_id)?;
        let given = Given::default().and(input.user_settings.as_ref());
        let name = &input.user_profile_name;
        let need = given
            .keys(
                call.scope,
                need("sagemaker:UpdateUserProfile", call.scope, &domain, name, state)?,
            )
            .key_if(
                "sagemaker:DomainSharingOutputKmsKeyArn",
                sharing_key(call.scope, input.user_settings.as_ref()),
            );
        Ok(given.pass_roles(call.scope, need.into()))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        let id = DomainId::of_request(&input.domain_id)?;
        let mut record = require(tx, scope, &id, &input.user_profile_name)?;
        let domain = read_domain::require(tx, scope, &id)?;
        let arn = profile_arn(scope, &id, &record.name);
        let status = record.status.0;
        if !matches!(status, UserProfileStatus::InService | UserProfileStatus::UpdateFailed) {
            return Err(busy("update", "UserProfile", &arn, status.as_str()));
        }
        if let Some(update) = &input.user_settings {
            let base = record.settings.take().unwrap_or_default();
            let now = over(&base.0, update)?;
            check(tx, call, &domain, Some(&now), Some(update))?;
            record.settings = Some(Stored(now));
        }
        record.status = Word(UserProfileStatus::Updating);
        record.failure_reason = None;
        record.modified = call.now;
        records::put_profile(tx, scope, &record)?;
        records::put_work(tx, scope, &id, &record.name)?;
        Ok(UpdateUserProfileResponse { user_profile_arn: Some(arn) })
    }
}

/// Deletes a user profile that has no apps and owns no spaces.
#[derive(Debug)]
pub struct DeleteUserProfile;

impl Operation for DeleteUserProfile {
    type Input = DeleteUserProfileRequest;
    type Output = Unit;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "DeleteUserProfile";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let domain = DomainId::of_request(&call.input.domain_id)?;
        let name = &call.input.user_profile_name;
        Ok(need("sagemaker:DeleteUserProfile", call.scope, &domain, name, state)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let scope = call.scope;
        let id = DomainId::of_request(&call.input.domain_id)?;
        let mut record = require(tx, scope, &id, &call.input.user_profile_name)?;
        let status = record.status.0;
        if matches!(
            status,
            UserProfileStatus::Pending | UserProfileStatus::Updating | UserProfileStatus::Deleting
        ) {
            let arn = profile_arn(scope, &id, &record.name);
            return Err(busy("delete", "UserProfile", &arn, status.as_str()));
        }
        let arn = profile_arn(scope, &id, &record.name);
        let owner =
            Owner::Profile { name: record.name.clone(), incarnation: record.incarnation.clone() };
        if space_records::has_apps(tx, scope, &id, &owner)? {
            return Err(associated("UserProfile", &arn, "App"));
        }
        if space_records::owns_spaces(tx, scope, &id, &record.name)? {
            return Err(associated("UserProfile", &arn, "Space"));
        }
        record.status = Word(UserProfileStatus::Deleting);
        record.modified = call.now;
        records::put_profile(tx, scope, &record)?;
        records::put_work(tx, scope, &id, &record.name)?;
        Ok(Unit)
    }
}
