//! Making, listing and deleting user profiles.

use super::*;
use crate::sagemaker::read_profile::ListUserProfiles;
use crate::sagemaker::write_profile::DeleteUserProfile;

fn delete(domain: &str, name: &str) -> api::DeleteUserProfileRequest {
    api::DeleteUserProfileRequest { domain_id: domain.into(), user_profile_name: name.into() }
}

#[test]
fn a_profile_gets_a_user_of_its_own_that_is_never_given_again() {
    let estate = Estate::new();
    let id = estate.domain("team");
    let arn = estate.profile(&id, "Ann");
    assert_eq!(arn, format!("arn:aws:sagemaker:us-west-2:123456789012:user-profile/{id}/Ann"));
    let ann = estate.describe_profile(&id, "Ann");
    assert_eq!(ann.status, Some(api::UserProfileStatus::InService));
    assert_eq!(ann.home_efs_file_system_uid.as_deref(), Some("200001"));
    assert_eq!(ann.user_profile_arn, Some(arn));
    assert_eq!(ann.user_settings, None);
    assert_eq!(ann.single_sign_on_user_identifier, None);
    estate.house.ok::<DeleteUserProfile>(delete(&id, "Ann"));
    let text = estate.house.fails::<DescribeUserProfile>(describe_profile(&id, "Ann"));
    assert!(text.starts_with("ResourceNotFound (400): RecordNotFound: UserProfile ["), "{text}");
    estate.profile(&id, "Ann");
    let ann = estate.describe_profile(&id, "Ann");
    assert_eq!(ann.home_efs_file_system_uid.as_deref(), Some("200002"));
}

#[test]
fn names_of_profiles_know_no_case() {
    let estate = Estate::new();
    let id = estate.domain("team");
    estate.profile(&id, "Ann");
    assert_eq!(estate.describe_profile(&id, "ANN").user_profile_name.as_deref(), Some("Ann"));
    let text = estate.house.fails::<CreateUserProfile>(profile_request(&id, "ann"));
    assert!(text.starts_with("ResourceInUse (400): The UserProfile with"), "{text}");
}

#[test]
fn a_profile_needs_its_domain() {
    let estate = Estate::standing_still();
    let text = estate.house.fails::<CreateUserProfile>(profile_request("d-missing", "ann"));
    assert_eq!(text, "ResourceNotFound (400): RecordNotFound: Domain [d-missing] does not exist.");
    let id = estate.domain("team");
    let text = estate.house.fails::<CreateUserProfile>(profile_request(&id, "ann"));
    assert!(text.ends_with("while its status is Pending."), "{text}");
    estate.advance();
    estate.house.ok::<CreateUserProfile>(profile_request(&id, "ann"));
    let text = estate.house.fails::<DeleteUserProfile>(delete(&id, "ann"));
    assert!(text.ends_with("while its status is Pending."), "{text}");
}

#[test]
fn single_sign_on_is_all_or_nothing() {
    let estate = Estate::new();
    let iam = estate.domain("iam");
    let mut request = estate.domain_request("sso");
    request.auth_mode = api::AuthMode::Sso;
    let sso = estate.house.ok::<CreateDomain>(request).domain_id.unwrap();
    let with = |domain: &str, user: Option<&str>| api::CreateUserProfileRequest {
        single_sign_on_user_identifier: user.map(|_| "UserName".into()),
        single_sign_on_user_value: user.map(Into::into),
        ..profile_request(domain, "ann")
    };
    let text = estate.house.fails::<CreateUserProfile>(with(&iam, Some("ann@example.com")));
    assert!(text.contains("cannot be specified in a domain whose AuthMode is IAM"), "{text}");
    let text = estate.house.fails::<CreateUserProfile>(with(&sso, None));
    assert!(text.contains("are required in a domain whose AuthMode is SSO"), "{text}");
    estate.house.ok::<CreateUserProfile>(with(&sso, Some("ann@example.com")));
    let ann = estate.describe_profile(&sso, "ann");
    assert_eq!(ann.single_sign_on_user_identifier.as_deref(), Some("UserName"));
    assert_eq!(ann.single_sign_on_user_value.as_deref(), Some("ann@example.com"));
}

#[test]
fn a_vpc_only_domain_wants_security_groups_from_somewhere() {
    let estate = Estate::new();
    let mut request = estate.domain_request("team");
    request.app_network_access_type = Some(api::AppNetworkAccessType::VpcOnly);
    request.default_user_settings.security_groups = None;
    let id = estate.house.ok::<CreateDomain>(request).domain_id.unwrap();
    let text = estate.house.fails::<CreateUserProfile>(profile_request(&id, "ann"));
    assert!(text.starts_with("ValidationException (400): SecurityGroups are required"), "{text}");
    let mut request = profile_request(&id, "ann");
    request.user_settings = Some(api::UserSettings {
        security_groups: Some(vec![estate.group.clone()]),
        ..Default::default()
    });
    estate.house.ok::<CreateUserProfile>(request);
}

#[test]
fn profiles_are_filtered_sorted_and_paged() {
    let estate = Estate::new();
    let one = estate.domain("one");
    let two = estate.domain("two");
    for (domain, name) in [(&one, "zoe"), (&one, "Ann"), (&two, "joanna"), (&one, "bob")] {
        estate.profile(domain, name);
        estate.house.clock.advance_millis(1_000);
    }
    let names = |input: api::ListUserProfilesRequest| {
        let mut seen: Vec<String> = Vec::new();
        let mut next_token = None;
        loop {
            let input =
                api::ListUserProfilesRequest { next_token, max_results: Some(2), ..input.clone() };
            let page = estate.house.ok::<ListUserProfiles>(input);
            let profiles = page.user_profiles.unwrap();
            assert!(profiles.len() <= 2);
            seen.extend(profiles.into_iter().filter_map(|it| it.user_profile_name));
            next_token = page.next_token;
            if next_token.is_none() {
                break seen;
            }
        }
    };
    let all = api::ListUserProfilesRequest::default;
    assert_eq!(names(all()), ["zoe", "Ann", "joanna", "bob"]);
    let down =
        api::ListUserProfilesRequest { sort_order: Some(api::SortOrder::Descending), ..all() };
    assert_eq!(names(down), ["bob", "joanna", "Ann", "zoe"]);
    let ann =
        api::ListUserProfilesRequest { user_profile_name_contains: Some("ann".into()), ..all() };
    assert_eq!(names(ann.clone()), ["Ann", "joanna"]);
    let here = api::ListUserProfilesRequest { domain_id_equals: Some(two), ..ann };
    assert_eq!(names(here), ["joanna"]);
    let modified = api::ListUserProfilesRequest {
        sort_by: Some(api::UserProfileSortKey::LastModifiedTime),
        ..all()
    };
    assert_eq!(names(modified), ["zoe", "Ann", "joanna", "bob"]);
}
