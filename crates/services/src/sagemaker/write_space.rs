//! CreateSpace, UpdateSpace and DeleteSpace.

use sagegate_api::Unit;
use sagegate_api::sagemaker::{
    AppType, CreateSpaceRequest, CreateSpaceResponse, DeleteSpaceRequest, FeatureStatus,
    SharingType, SpaceStatus, UpdateSpaceRequest, UpdateSpaceResponse, UserProfileStatus,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Need, Needs, Operation};
use sagegate_store::{Read, Tx};

use super::faults::{associated, busy, in_use, validation};
use super::ids::{DomainId, profile_arn, space_arn};
use super::read_space::{need, ownership, require, require_open_domain};
use super::records;
use super::sessions;
use super::settings::{Given, over};
use super::shapes::{Stored, Word};
use super::space_defaults::Defaults;
use super::space_records::{self, SpaceRecord};
use super::{read_domain, read_profile, space_rules, tagging};

/// Makes a space in a domain.
#[derive(Debug)]
pub struct CreateSpace;

fn owner_of(input: &CreateSpaceRequest) -> Option<&str> {
    input.ownership_settings.as_ref().map(|it| it.owner_user_profile_name.as_str())
}

fn remote_access(
    settings: Option<&sagegate_api::sagemaker::SpaceSettings>,
) -> Option<&'static str> {
    settings.and_then(|it| it.remote_access).map(FeatureStatus::as_str)
}

impl Operation for CreateSpace {
    type Input = CreateSpaceRequest;
    type Output = CreateSpaceResponse;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "CreateSpace";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (input, scope) = (call.input, call.scope);
        let domain = DomainId::of_request(&input.domain_id)?;
        let arn = space_arn(scope, &domain, &input.space_name);
        // A policy that names the owner cannot be passed by in another case of the name.
        let owner = owner_of(input)
            .map(|name| read_profile::canonical_arn(state, scope, &domain, name))
            .transpose()?;
        let sharing = input.space_sharing_settings.as_ref().map(|it| it.sharing_type.as_str());
        let need = Given::default()
            .and(input.space_settings.as_ref())
            .keys(scope, Need::on("sagemaker:CreateSpace", arn.clone()))
            .key_if("sagemaker:OwnerUserProfileArn", owner)
            .key_if("sagemaker:SpaceSharingType", sharing)
            .key_if("sagemaker:RemoteAccess", remote_access(input.space_settings.as_ref()))
            .request_tags(tagging::pairs(input.tags.as_deref()));
        Ok(tagging::and_add_tags(need.into(), Self::NAME, &arn, input.tags.as_deref()))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        let id = DomainId::of_request(&input.domain_id)?;
        let name = &input.space_name;
        let arn = space_arn(scope, &id, name);
        let mut tags = tagging::checked(input.tags.as_deref())?;
        let domain = require_open_domain(tx, scope, &id, "create a Space in")?;
        let sharing = input.space_sharing_settings.as_ref().map(|it| it.sharing_type);
        if sharing.is_some() != owner_of(input).is_some() {
            return Err(validation(
                "OwnershipSettings and SpaceSharingSettings must be given together.",
            ));
        }
        let owner = match owner_of(input) {
            None => None,
            Some(name) => {
                let profile = read_profile::require(tx, scope, &id, name)?;
                let status = profile.status.0;
                if matches!(status, UserProfileStatus::Deleting | UserProfileStatus::Failed) {
                    let arn = profile_arn(scope, &id, &profile.name);
                    return Err(busy("create a Space of", "UserProfile", &arn, status.as_str()));
                }
                Some(profile)
            }
        };
        let defaults = match &owner {
            Some(profile) if sharing == Some(SharingType::Private) => {
                Defaults::of_profile(&domain, profile)?
            }
            _ => Defaults::of_shared(&domain),
        };
        let settings = input.space_settings.clone().unwrap_or_default();
        space_rules::check(tx, scope, &defaults, &settings, &settings, None)?;
        if space_records::space(tx, scope, &id, name)?.is_some() {
            return Err(in_use(format!(
                "The Space with SpaceName {name} already exists in Domain [{id}]. Please use a \
                 different SpaceName."
            )));
        }
        if let Some(owner) = &owner {
            // Policies build on it (SPEC R0.4); nobody else can write it (SPEC T5).
            let value = profile_arn(scope, &id, &owner.name);
            tags.insert(tagging::OWNER_TAG.to_owned(), value);
        }
        let record = SpaceRecord {
            domain: id.clone(),
            name: name.clone(),
            incarnation: call.env.uuid(),
            created: call.now,
            modified: call.now,
            status: Word(SpaceStatus::Pending),
            failure_reason: None,
            efs_uid: None,
            display_name: input.space_display_name.clone(),
            owner: owner.map(|it| it.name),
            sharing: sharing.map(Word),
            settings: Stored(settings),
        };
        space_records::put_space(tx, scope, &record)?;
        records::put_tags(tx, scope, &arn, tags)?;
        space_records::put_work(tx, scope, &record)?;
        Ok(CreateSpaceResponse { space_arn: Some(arn) })
    }
}

/// Changes a space. What the request does not name stays as it is, at every depth: in particular
/// clients that do not know of `RemoteAccess` leave it alone (SPEC 4.5).
#[derive(Debug)]
pub struct UpdateSpace;

impl Operation for UpdateSpace {
    type Input = UpdateSpaceRequest;
    type Output = UpdateSpaceResponse;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "UpdateSpace";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (input, scope) = (call.input, call.scope);
        let domain = DomainId::of_request(&input.domain_id)?;
        let space = space_records::space(state, scope, &domain, &input.space_name)?;
        let need = need("sagemaker:UpdateSpace", scope, &domain, &input.space_name, state)?;
        let given = Given::default().and(input.space_settings.as_ref());
        Ok(ownership(given.keys(scope, need), scope, space.as_ref())
            .key_if("sagemaker:RemoteAccess", remote_access(input.space_settings.as_ref()))
            .into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        let id = DomainId::of_request(&input.domain_id)?;
        let mut record = require(tx, scope, &id, &input.space_name)?;
        let arn = record.arn(scope);
        let status = record.status.0;
        if !matches!(status, SpaceStatus::InService | SpaceStatus::UpdateFailed) {
            return Err(busy("update", "Space", &arn, status.as_str()));
        }
        if let Some(given) = &input.space_settings {
            let domain = read_domain::require(tx, scope, &id)?;
            let defaults = Defaults::of_space(tx, scope, &domain, &record)?;
            let had = std::mem::take(&mut record.settings).0;
            let now = over(&had, given)?;
            space_rules::check(tx, scope, &defaults, &now, given, Some(&had))?;
            record.settings = Stored(now);
            if !record.remote_access() {
                let reason = "Remote access to the space was switched off.";
                sessions::end_of_space(tx, scope, &record, call.now, reason)?;
            }
        }
        if let Some(display_name) = &input.space_display_name {
            record.display_name = Some(display_name.clone());
        }
        record.status = Word(SpaceStatus::Updating);
        record.failure_reason = None;
        record.modified = call.now;
        space_records::put_space(tx, scope, &record)?;
        space_records::put_work(tx, scope, &record)?;
        Ok(UpdateSpaceResponse { space_arn: Some(arn) })
    }
}

/// Deletes a space that has no apps.
#[derive(Debug)]
pub struct DeleteSpace;

impl Operation for DeleteSpace {
    type Input = DeleteSpaceRequest;
    type Output = Unit;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "DeleteSpace";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let scope = call.scope;
        let domain = DomainId::of_request(&call.input.domain_id)?;
        let name = &call.input.space_name;
        let space = space_records::space(state, scope, &domain, name)?;
        let need = need("sagemaker:DeleteSpace", scope, &domain, name, state)?;
        Ok(ownership(need, scope, space.as_ref()).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let scope = call.scope;
        let id = DomainId::of_request(&call.input.domain_id)?;
        let mut record = require(tx, scope, &id, &call.input.space_name)?;
        let arn = record.arn(scope);
        let status = record.status.0;
        if matches!(status, SpaceStatus::Pending | SpaceStatus::Updating | SpaceStatus::Deleting) {
            return Err(busy("delete", "Space", &arn, status.as_str()));
        }
        if space_records::has_apps(tx, scope, &id, &record.as_owner())? {
            return Err(associated("Space", &arn, "App"));
        }
        record.status = Word(SpaceStatus::Deleting);
        record.modified = call.now;
        space_records::put_space(tx, scope, &record)?;
        space_records::put_work(tx, scope, &record)?;
        Ok(Unit)
    }
}

/// What an app of this kind may do in a space.
///
/// # Errors
/// `ValidationException` for a kind that the space is not for.
pub(super) fn check_kind(space: &SpaceRecord, app_type: AppType) -> Result<(), Fault> {
    match space.settings.0.app_type {
        Some(of_space) if of_space != app_type => Err(validation(format!(
            "The AppType of Space [{}] is {of_space}: it cannot have an app of type {app_type}.",
            space.name
        ))),
        _ => Ok(()),
    }
}
