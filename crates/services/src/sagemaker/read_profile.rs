//! DescribeUserProfile and ListUserProfiles.

use sagegate_api::sagemaker::{
    DescribeUserProfileRequest, DescribeUserProfileResponse, ListUserProfilesRequest,
    ListUserProfilesResponse, SortOrder, UserProfileDetails, UserProfileSortKey,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Need, Needs, Operation, Scope};
use sagegate_store::{Read, Tx};

use super::faults::not_found;
use super::ids::{DomainId, profile_arn};
use super::listing::{Page, contains};
use super::records::{self, PROFILES, ProfileRecord};

/// The ARN of a profile: under the spelling of its making if it exists, so that a policy that names
/// it cannot be passed by in another case, and as given if not.
pub(super) fn canonical_arn(
    state: &dyn Read,
    scope: &Scope,
    domain: &DomainId,
    name: &str,
) -> Result<String, Fault> {
    let record = records::profile(state, scope, domain, name)?;
    Ok(profile_arn(scope, domain, record.as_ref().map_or(name, |it| &it.name)))
}

/// A need of an action on a profile, with the profile's tags if it exists.
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

/// The profile of this name.
///
/// # Errors
/// `ResourceNotFound`, for the domain where that is missing.
pub(super) fn require(
    state: &dyn Read,
    scope: &Scope,
    domain: &DomainId,
    name: &str,
) -> Result<ProfileRecord, Fault> {
    super::read_domain::require(state, scope, domain)?;
    records::profile(state, scope, domain, name)?
        .ok_or_else(|| not_found("UserProfile", &profile_arn(scope, domain, name)))
}

/// Tells about a user profile.
#[derive(Debug)]
pub struct DescribeUserProfile;

impl Operation for DescribeUserProfile {
    type Input = DescribeUserProfileRequest;
    type Output = DescribeUserProfileResponse;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "DescribeUserProfile";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let domain = DomainId::of_request(&call.input.domain_id)?;
        let name = &call.input.user_profile_name;
        Ok(need("sagemaker:DescribeUserProfile", call.scope, &domain, name, state)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let id = DomainId::of_request(&call.input.domain_id)?;
        let record = require(tx, call.scope, &id, &call.input.user_profile_name)?;
        Ok(DescribeUserProfileResponse {
            domain_id: Some(id.to_string()),
            user_profile_arn: Some(profile_arn(call.scope, &id, &record.name)),
            user_profile_name: Some(record.name),
            home_efs_file_system_uid: record.efs_uid.map(|it| it.to_string()),
            status: Some(record.status.0),
            last_modified_time: Some(record.modified.into()),
            creation_time: Some(record.created.into()),
            failure_reason: record.failure_reason,
            single_sign_on_user_identifier: record.sso_user.as_ref().map(|_| "UserName".to_owned()),
            single_sign_on_user_value: record.sso_user,
            user_settings: record.settings.map(|it| it.0),
        })
    }
}

/// Lists user profiles.
#[derive(Debug)]
pub struct ListUserProfiles;

impl Operation for ListUserProfiles {
    type Input = ListUserProfilesRequest;
    type Output = ListUserProfilesResponse;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "ListUserProfiles";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        // By analogy with ListDomains (SPEC T4). The filter is no part of it: a policy for one
        // domain's profiles grants no list.
        let every = call.scope.arn("sagemaker", "user-profile/*");
        Ok(Need::on("sagemaker:ListUserProfiles", every).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        let (account, region) = (scope.account.as_str(), scope.region.as_str());
        let found = match input.domain_id_equals.as_deref() {
            Some(domain) => PROFILES.scan(tx, &(account, region, domain), None, usize::MAX)?,
            None => PROFILES.scan(tx, &(account, region), None, usize::MAX)?,
        };
        let part = input.user_profile_name_contains.as_deref();
        let found = found.into_iter().map(|(_, it)| it).filter(|it| contains(&it.name, part));
        let by = input.sort_by.unwrap_or(UserProfileSortKey::CreationTime);
        let page = Page {
            descending: input.sort_order == Some(SortOrder::Descending),
            token: input.next_token.as_deref(),
            limit: input.max_results,
        };
        let (found, next_token) = page.of(found, |it| place(it, by))?;
        let user_profiles = found
            .into_iter()
            .map(|it| UserProfileDetails {
                domain_id: Some(it.domain.to_string()),
                user_profile_name: Some(it.name),
                status: Some(it.status.0),
                creation_time: Some(it.created.into()),
                last_modified_time: Some(it.modified.into()),
            })
            .collect();
        Ok(ListUserProfilesResponse { user_profiles: Some(user_profiles), next_token })
    }
}

/// Where a profile stands in a list: by time, then by domain and name.
fn place(record: &ProfileRecord, by: UserProfileSortKey) -> (i64, String, String) {
    let time = match by {
        UserProfileSortKey::CreationTime => record.created,
        UserProfileSortKey::LastModifiedTime => record.modified,
    };
    (time.millis(), record.domain.to_string(), record.name.clone())
}
