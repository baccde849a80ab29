//! DescribeSpace and ListSpaces.

use sagegate_api::sagemaker::{
    DescribeSpaceRequest, DescribeSpaceResponse, DomainStatus, ListSpacesRequest,
    ListSpacesResponse, OwnershipSettings, OwnershipSettingsSummary, SortOrder, SpaceDetails,
    SpaceSettingsSummary, SpaceSharingSettings, SpaceSharingSettingsSummary, SpaceSortKey,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Need, Needs, Operation, Scope};
use sagegate_store::{Read, Tx};

use super::faults::{busy, not_found};
use super::ids::{DomainId, profile_arn, space_arn};
use super::listing::{Page, contains};
use super::read_domain;
use super::records::{self, DomainRecord};
use super::site::{self, Site};
use super::space_records::{self, SPACES, SpaceRecord};

/// The ARN of a space: under the spelling of its making if it exists, and as given if not.
pub(super) fn canonical_arn(
    state: &dyn Read,
    scope: &Scope,
    domain: &DomainId,
    name: &str,
) -> Result<String, Fault> {
    let record = space_records::space(state, scope, domain, name)?;
    Ok(space_arn(scope, domain, record.as_ref().map_or(name, |it| &it.name)))
}

/// A need of an action on a space, with the space's tags if it exists.
pub(super) fn need(
    action: &'static str,
    scope: &Scope,
    domain: &DomainId,
    name: &str,
    state: &dyn Read,
) -> Result<Need, Fault> {
    let arn = canonical_arn(state, scope, domain, name)?;
    let tags = records::tags(state, scope, &arn)?;
    let pairs = tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    Ok(Need::on(action, arn).resource_tags("sagemaker", pairs))
}

/// Adds what conditions see of a space's ownership (SPEC 3.1): who owns it, if anybody does, and
/// whether it is shared, if that was said.
pub(super) fn ownership(need: Need, scope: &Scope, space: Option<&SpaceRecord>) -> Need {
    let owner = space.and_then(|it| Some(profile_arn(scope, &it.domain, it.owner.as_ref()?)));
    let sharing = space.and_then(|it| Some(it.sharing?.0.as_str()));
    need.key_if("sagemaker:OwnerUserProfileArn", owner)
        .key_if("sagemaker:SpaceSharingType", sharing)
}

/// The space of this name.
///
/// # Errors
/// `ResourceNotFound`, for the domain where that is missing.
pub(super) fn require(
    state: &dyn Read,
    scope: &Scope,
    domain: &DomainId,
    name: &str,
) -> Result<SpaceRecord, Fault> {
    read_domain::require(state, scope, domain)?;
    space_records::space(state, scope, domain, name)?
        .ok_or_else(|| not_found("Space", &space_arn(scope, domain, name)))
}

/// The domain, if something can be made in it at the moment.
///
/// # Errors
/// `ResourceNotFound`, or `ResourceInUse` for one that is not in service.
pub(super) fn require_open_domain(
    state: &dyn Read,
    scope: &Scope,
    id: &DomainId,
    verb: &str,
) -> Result<DomainRecord, Fault> {
    let domain = read_domain::require(state, scope, id)?;
    let status = domain.status.0;
    if matches!(
        status,
        DomainStatus::InService | DomainStatus::Updating | DomainStatus::UpdateFailed
    ) {
        return Ok(domain);
    }
    Err(busy(verb, "Domain", &id.arn(scope), status.as_str()))
}

/// Tells about a space.
#[derive(Debug)]
pub struct DescribeSpace;

impl Operation for DescribeSpace {
    type Input = DescribeSpaceRequest;
    type Output = DescribeSpaceResponse;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "DescribeSpace";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let domain = DomainId::of_request(&call.input.domain_id)?;
        let name = &call.input.space_name;
        Ok(need("sagemaker:DescribeSpace", call.scope, &domain, name, state)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let scope = call.scope;
        let id = DomainId::of_request(&call.input.domain_id)?;
        let record = require(tx, scope, &id, &call.input.space_name)?;
        let domain = read_domain::require(tx, scope, &id)?;
        let origin = site::url(tx, &Site::read(tx)?, scope, &domain)?;
        Ok(DescribeSpaceResponse {
            domain_id: Some(id.to_string()),
            space_arn: Some(record.arn(scope)),
            // Studio, where the space is found under its name.
            url: origin,
            space_name: Some(record.name),
            home_efs_file_system_uid: record.efs_uid.map(|it| it.to_string()),
            status: Some(record.status.0),
            last_modified_time: Some(record.modified.into()),
            creation_time: Some(record.created.into()),
            failure_reason: record.failure_reason,
            space_settings: Some(record.settings.0),
            ownership_settings: record
                .owner
                .map(|owner_user_profile_name| OwnershipSettings { owner_user_profile_name }),
            space_sharing_settings: record
                .sharing
                .map(|it| SpaceSharingSettings { sharing_type: it.0 }),
            space_display_name: record.display_name,
        })
    }
}

/// Lists spaces.
#[derive(Debug)]
pub struct ListSpaces;

impl Operation for ListSpaces {
    type Input = ListSpacesRequest;
    type Output = ListSpacesResponse;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "ListSpaces";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        // By analogy with ListDomains (SPEC T4). The filter is no part of it.
        let every = call.scope.arn("sagemaker", "space/*");
        Ok(Need::on("sagemaker:ListSpaces", every).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        let (account, region) = (scope.account.as_str(), scope.region.as_str());
        let found = match input.domain_id_equals.as_deref() {
            Some(domain) => SPACES.scan(tx, &(account, region, domain), None, usize::MAX)?,
            None => SPACES.scan(tx, &(account, region), None, usize::MAX)?,
        };
        let part = input.space_name_contains.as_deref();
        let found = found.into_iter().map(|(_, it)| it).filter(|it| contains(&it.name, part));
        let by = input.sort_by.unwrap_or(SpaceSortKey::CreationTime);
        let page = Page {
            descending: input.sort_order == Some(SortOrder::Descending),
            token: input.next_token.as_deref(),
            limit: input.max_results,
        };
        let (found, next_token) = page.of(found, |it| place(it, by))?;
        let spaces = found.into_iter().map(details).collect();
        Ok(ListSpacesResponse { spaces: Some(spaces), next_token })
    }
}

/// What a list tells of a space. Clients decide by `RemoteAccess` and `OwnerUserProfileName`
/// (REMOTE-ACCESS 1).
fn details(it: SpaceRecord) -> SpaceDetails {
    let settings = it.settings.0;
    SpaceDetails {
        domain_id: Some(it.domain.to_string()),
        space_name: Some(it.name),
        status: Some(it.status.0),
        creation_time: Some(it.created.into()),
        last_modified_time: Some(it.modified.into()),
        space_settings_summary: Some(SpaceSettingsSummary {
            app_type: settings.app_type,
            remote_access: settings.remote_access,
            space_storage_settings: settings.space_storage_settings,
        }),
        space_sharing_settings_summary: it
            .sharing
            .map(|it| SpaceSharingSettingsSummary { sharing_type: Some(it.0) }),
        ownership_settings_summary: it
            .owner
            .map(|it| OwnershipSettingsSummary { owner_user_profile_name: Some(it) }),
        space_display_name: it.display_name,
    }
}

/// Where a space stands in a list: by time, then by domain and name.
fn place(record: &SpaceRecord, by: SpaceSortKey) -> (i64, String, String) {
    let time = match by {
        SpaceSortKey::CreationTime => record.created,
        SpaceSortKey::LastModifiedTime => record.modified,
    };
    (time.millis(), record.domain.to_string(), record.name.clone())
}
