//! Tags on domains and user profiles.

use super::*;
use crate::sagemaker::tags::{AddTags, DeleteTags, ListTags};

fn list(arn: &str) -> api::ListTagsInput {
    api::ListTagsInput { resource_arn: arn.into(), ..Default::default() }
}

fn tags(estate: &Estate, arn: &str) -> Vec<(String, String)> {
    let tags = estate.house.ok::<ListTags>(list(arn)).tags.unwrap();
    tags.into_iter().map(|it| (it.key, it.value)).collect()
}

fn pair(key: &str, value: &str) -> (String, String) {
    (key.into(), value.into())
}

#[test]
fn tags_come_with_the_creation_and_are_added_and_deleted_later() {
    let estate = Estate::new();
    let mut request = estate.domain_request("team");
    request.tags = Some(vec![tag("Team", "red")]);
    let made = estate.house.ok::<CreateDomain>(request);
    let (arn, id) = (made.domain_arn.unwrap(), made.domain_id.unwrap());
    assert_eq!(tags(&estate, &arn), [pair("Team", "red")]);
    let added = estate.house.ok::<AddTags>(api::AddTagsInput {
        resource_arn: arn.clone(),
        tags: vec![tag("Team", "blue"), tag("Cost", "1")],
    });
    assert_eq!(added.tags.unwrap(), [tag("Cost", "1"), tag("Team", "blue")]);
    estate.house.ok::<DeleteTags>(api::DeleteTagsInput {
        resource_arn: arn.clone(),
        tag_keys: vec!["Team".into(), "Unknown".into()],
    });
    assert_eq!(tags(&estate, &arn), [pair("Cost", "1")]);
    let profile = estate.profile(&id, "Ann");
    estate.house.ok::<AddTags>(api::AddTagsInput {
        resource_arn: profile.replace("Ann", "ann"),
        tags: vec![tag("Team", "red")],
    });
    assert_eq!(tags(&estate, &profile), [pair("Team", "red")]);
    assert_eq!(tags(&estate, &arn), [pair("Cost", "1")]);
}

#[test]
fn system_tags_belong_to_the_system() {
    let estate = Estate::new();
    let id = estate.domain("team");
    let arn = estate.profile(&id, "ann");
    let text = estate.house.fails::<AddTags>(api::AddTagsInput {
        resource_arn: arn.clone(),
        tags: vec![tag("sagemaker:user-profile-arn", &arn)],
    });
    assert!(text.starts_with("ValidationException (400): Tag key"), "{text}");
    let text = estate.house.fails::<DeleteTags>(api::DeleteTagsInput {
        resource_arn: arn,
        tag_keys: vec!["sagemaker:user-profile-arn".into()],
    });
    assert!(text.starts_with("ValidationException (400): Tag key"), "{text}");
    let mut request = profile_request(&id, "bob");
    request.tags = Some(vec![tag("aws:x", "y")]);
    let text = estate.house.fails::<CreateUserProfile>(request);
    assert!(text.contains("aws: prefixed tag key names are not allowed"), "{text}");
}

#[test]
fn only_resources_that_exist_here_have_tags() {
    let estate = Estate::new();
    let wrong = [
        ("arn:aws:sagemaker:us-west-2:123456789012:domain/d-missing", "ResourceNotFound"),
        ("arn:aws:sagemaker:us-west-2:123456789012:model/m", "ResourceNotFound"),
        ("arn:aws:sagemaker:us-west-2:123456789012:user-profile/d-x/a", "ResourceNotFound"),
        ("arn:aws:sagemaker:eu-west-1:123456789012:domain/d-x", "ValidationException"),
        ("arn:aws:s3:::bucket", "ValidationException"),
    ];
    for (arn, code) in wrong {
        let text = estate.house.fails::<ListTags>(list(arn));
        assert!(text.starts_with(code), "{arn}: {text}");
    }
    let text =
        estate.house.fails::<ListTags>(list("arn:aws:sagemaker:us-west-2:999999999999:domain/d-x"));
    assert!(text.starts_with("AccessDeniedException (400): "), "{text}");
}

#[test]
fn a_resource_has_at_most_fifty_tags() {
    let estate = Estate::new();
    let id = estate.domain("team");
    let arn = estate.profile(&id, "ann");
    let many: Vec<api::Tag> = (0..50).map(|it| tag(&format!("k{it:02}"), "v")).collect();
    estate.house.ok::<AddTags>(api::AddTagsInput { resource_arn: arn.clone(), tags: many });
    let text = estate.house.fails::<AddTags>(api::AddTagsInput {
        resource_arn: arn.clone(),
        tags: vec![tag("one-more", "v")],
    });
    assert!(text.contains("at most 50 tags"), "{text}");
    assert_eq!(tags(&estate, &arn).len(), 50);
}
