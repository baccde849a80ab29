//! Images, their versions, and how apps run them.

use expect_test::expect;

use super::*;
use crate::sagemaker::app_image_config::{
    CreateAppImageConfig, DeleteAppImageConfig, DescribeAppImageConfig, ListAppImageConfigs,
    UpdateAppImageConfig,
};
use crate::sagemaker::image::{CreateImage, DeleteImage, DescribeImage, ListImages, UpdateImage};
use crate::sagemaker::image_version::{
    CreateImageVersion, DeleteImageVersion, UpdateImageVersion, VERSIONS,
};
use crate::sagemaker::image_versions::{DescribeImageVersion, ListAliases, ListImageVersions};
use crate::sagemaker::tags::{AddTags, ListTags};
use crate::sagemaker::update_domain::UpdateDomain;

const BASE: &str = "123456789012.dkr.ecr.us-west-2.amazonaws.com/team:1";

fn request(estate: &Estate, name: &str) -> api::CreateImageRequest {
    api::CreateImageRequest {
        image_name: name.into(),
        role_arn: estate.role.clone(),
        ..Default::default()
    }
}

fn version(name: &str, token: &str, aliases: &[&str]) -> api::CreateImageVersionRequest {
    api::CreateImageVersionRequest {
        base_image: BASE.into(),
        client_token: token.into(),
        image_name: name.into(),
        aliases: Some(aliases.iter().map(|it| (*it).to_owned()).collect()),
        ..Default::default()
    }
}

fn describe_image(estate: &Estate, name: &str) -> api::DescribeImageResponse {
    estate.house.ok::<DescribeImage>(api::DescribeImageRequest { image_name: name.into() })
}

fn numbered(name: &str, number: i32) -> api::DescribeImageVersionRequest {
    api::DescribeImageVersionRequest { image_name: name.into(), version: Some(number), alias: None }
}

fn aliased(name: &str, alias: &str) -> api::DescribeImageVersionRequest {
    api::DescribeImageVersionRequest {
        image_name: name.into(),
        version: None,
        alias: Some(alias.into()),
    }
}

fn aliases(estate: &Estate, name: &str, version: Option<i32>) -> Vec<String> {
    let input = api::ListAliasesRequest { image_name: name.into(), version, ..Default::default() };
    estate.house.ok::<ListAliases>(input).sage_maker_image_version_aliases.unwrap()
}

#[test]
fn an_image_is_made_changed_and_deleted_with_its_versions() {
    let estate = Estate::new();
    let mut given = request(&estate, "Team.Image");
    given.tags = Some(vec![tag("team", "red")]);
    given.description = Some("d".into());
    let arn = estate.house.ok::<CreateImage>(given).image_arn.unwrap();
    assert_eq!(arn, "arn:aws:sagemaker:us-west-2:123456789012:image/team.image");
    let made = describe_image(&estate, "team.IMAGE");
    assert_eq!(made.image_status, Some(api::ImageStatus::Created));
    assert_eq!(made.image_name.as_deref(), Some("Team.Image"));
    assert_eq!(made.display_name.as_deref(), Some("Team.Image"));
    assert_eq!(made.role_arn, Some(estate.role.clone()));
    let list = api::ListTagsInput { resource_arn: arn.clone(), ..Default::default() };
    assert_eq!(estate.house.ok::<ListTags>(list).tags.unwrap(), [tag("team", "red")]);

    estate.house.ok::<UpdateImage>(api::UpdateImageRequest {
        image_name: "team.image".into(),
        display_name: Some("Team".into()),
        delete_properties: Some(vec!["Description".into()]),
        ..Default::default()
    });
    let changed = describe_image(&estate, "team.image");
    assert_eq!(changed.display_name.as_deref(), Some("Team"));
    assert_eq!(changed.description, None);
    assert_eq!(changed.image_status, Some(api::ImageStatus::Created));

    estate.house.ok::<CreateImageVersion>(version("team.image", "t1", &["a"]));
    let delete = || api::DeleteImageRequest { image_name: "team.image".into() };
    estate.house.ok::<DeleteImage>(delete());
    assert_eq!(VERSIONS.count(&estate.house.state(), &()).unwrap(), 0);
    expect![[r#"ResourceNotFound (400): Image with ImageName team.image does not exist. Please provide a valid ImageName."#]]
        .assert_eq(&estate.house.fails::<DeleteImage>(delete()));
    // One made again under the name begins anew.
    estate.house.ok::<CreateImage>(request(&estate, "team.image"));
    let made = estate.house.ok::<CreateImageVersion>(version("team.image", "t1", &["a"]));
    assert!(made.image_version_arn.unwrap().ends_with(":image-version/team.image/1"));
}

#[test]
fn versions_are_numbered_once_and_found_by_number_alias_or_as_the_latest() {
    let estate = Estate::new();
    estate.house.ok::<CreateImage>(request(&estate, "Image"));
    let make = |token: &str, aliases: &[&str]| {
        let made = estate.house.ok::<CreateImageVersion>(version("image", token, aliases));
        made.image_version_arn.unwrap().rsplit_once('/').unwrap().1.to_owned()
    };
    assert_eq!(make("t1", &["stable", "1.0"]), "1");
    assert_eq!(make("t1", &["stable", "1.0"]), "1");
    assert_eq!(make("t2", &[]), "2");
    let found = estate.house.ok::<DescribeImageVersion>(aliased("image", "stable"));
    assert_eq!((found.version, found.base_image.as_deref()), (Some(1), Some(BASE)));
    assert_eq!(found.image_version_status, Some(api::ImageVersionStatus::Created));
    let latest =
        api::DescribeImageVersionRequest { image_name: "IMAGE".into(), ..Default::default() };
    assert_eq!(estate.house.ok::<DescribeImageVersion>(latest.clone()).version, Some(2));

    estate.house.ok::<UpdateImageVersion>(api::UpdateImageVersionRequest {
        image_name: "image".into(),
        version: Some(2),
        aliases_to_add: Some(vec!["b".into(), "a".into()]),
        horovod: Some(true),
        ..Default::default()
    });
    estate.house.ok::<UpdateImageVersion>(api::UpdateImageVersionRequest {
        image_name: "image".into(),
        alias: Some("a".into()),
        aliases_to_delete: Some(vec!["b".into()]),
        processor: Some(api::Processor::Gpu),
        ..Default::default()
    });
    let two = estate.house.ok::<DescribeImageVersion>(numbered("image", 2));
    assert_eq!((two.horovod, two.processor), (Some(true), Some(api::Processor::Gpu)));
    assert_eq!(aliases(&estate, "image", None), ["1.0", "a", "stable"]);
    assert_eq!(aliases(&estate, "image", Some(2)), ["a"]);

    estate.house.ok::<DeleteImageVersion>(api::DeleteImageVersionRequest {
        image_name: "image".into(),
        version: None,
        alias: Some("a".into()),
    });
    assert_eq!(estate.house.ok::<DescribeImageVersion>(latest).version, Some(1));
    assert_eq!(make("t3", &["a"]), "3");
    let list = estate.house.ok::<ListImageVersions>(api::ListImageVersionsRequest {
        image_name: "image".into(),
        sort_by: Some(api::ImageVersionSortBy::Version),
        ..Default::default()
    });
    let numbers: Vec<_> =
        list.image_versions.unwrap().into_iter().map(|it| it.version.unwrap()).collect();
    assert_eq!(numbers, [3, 1]);
}

#[test]
fn what_cannot_be_is_refused() {
    let estate = Estate::new();
    let house = &estate.house;
    house.ok::<CreateImage>(request(&estate, "image"));
    house.ok::<CreateImageVersion>(version("image", "t1", &["a"]));
    let no_trust = role(house, "no-trust", &TRUST.replace("sagemaker.", "ec2."));
    let mut text = String::new();
    let mut note = |it: String| text.push_str(&(it + "\n"));
    note(house.fails::<CreateImage>(request(&estate, "IMAGE")));
    let mut foreign = request(&estate, "other");
    foreign.role_arn = no_trust;
    note(house.fails::<CreateImage>(foreign));
    note(house.fails::<UpdateImage>(api::UpdateImageRequest {
        image_name: "image".into(),
        description: Some("d".into()),
        delete_properties: Some(vec!["Description".into()]),
        ..Default::default()
    }));
    note(house.fails::<CreateImageVersion>(version("image", "t2", &["a"])));
    note(house.fails::<CreateImageVersion>(version("image", "t2", &["b", "b"])));
    let mut again = version("image", "t1", &["a"]);
    again.base_image = "another".into();
    note(house.fails::<CreateImageVersion>(again));
    let mut both = numbered("image", 1);
    both.alias = Some("a".into());
    note(house.fails::<DescribeImageVersion>(both));
    note(house.fails::<DescribeImageVersion>(numbered("image", 7)));
    note(house.fails::<DescribeImageVersion>(aliased("image", "c")));
    note(house.fails::<DeleteImageVersion>(api::DeleteImageVersionRequest {
        image_name: "image".into(),
        version: None,
        alias: None,
    }));
    house.ok::<CreateImage>(request(&estate, "empty"));
    note(house.fails::<DescribeImageVersion>(api::DescribeImageVersionRequest {
        image_name: "empty".into(),
        ..Default::default()
    }));
    expect![[r#"
        ResourceInUse (400): The Image with ImageName IMAGE already exists. Please use a different ImageName.
        ValidationException (400): Could not assume role arn:aws:iam::123456789012:role/no-trust. Please ensure that the role exists and allows principal 'sagemaker.amazonaws.com' to assume the role.
        ValidationException (400): Description cannot be given together with its name in DeleteProperties.
        ResourceInUse (400): Alias 'a' is already in use by version 1 of the image.
        ValidationException (400): Alias 'b' is given more than once.
        ResourceInUse (400): The ClientToken was used for a version with another BaseImage.
        ValidationException (400): Version and Alias cannot be given together; name one of them.
        ResourceNotFound (400): ImageVersion 7 with ImageName image does not exist. Please provide a valid ImageName.
        ResourceNotFound (400): ImageVersion of Alias c with ImageName image does not exist. Please provide a valid ImageName.
        ValidationException (400): One of Version and Alias must be given.
        ResourceNotFound (400): Latest ImageVersion with ImageName empty does not exist. Please provide a valid ImageName.
    "#]]
    .assert_eq(&text);
}

/// In a house where nothing happens by itself the states in between are seen.
#[test]
fn states_follow_the_work() {
    let estate = Estate::standing_still();
    let env = estate.house.gate.env().clone();
    let advance = || {
        for work in crate::sagemaker::resource_work::noted(&estate.house.state()).unwrap() {
            let done = |tx: &mut Tx| crate::sagemaker::resource_work::advance(tx, &env, &work);
            estate.house.transact(done);
        }
    };
    let status = |name: &str| describe_image(&estate, name).image_status.unwrap();
    estate.house.ok::<CreateImage>(request(&estate, "image"));
    assert_eq!(status("image"), api::ImageStatus::Creating);
    let text = estate.house.fails::<CreateImageVersion>(version("image", "t", &[]));
    assert_eq!(text, "ValidationException (400): Image image is in an invalid state.");
    let delete = || api::DeleteImageRequest { image_name: "image".into() };
    let text = estate.house.fails::<DeleteImage>(delete());
    assert!(text.contains("while its status is CREATING"), "{text}");
    advance();
    assert_eq!(status("image"), api::ImageStatus::Created);
    estate.house.ok::<CreateImageVersion>(version("image", "t", &["a"]));
    let state_of = || {
        let found = estate.house.ok::<DescribeImageVersion>(numbered("image", 1));
        found.image_version_status.unwrap()
    };
    assert_eq!(state_of(), api::ImageVersionStatus::Creating);
    advance();
    assert_eq!(state_of(), api::ImageVersionStatus::Created);
    let one = || api::DeleteImageVersionRequest {
        image_name: "image".into(),
        version: Some(1),
        alias: None,
    };
    estate.house.ok::<DeleteImageVersion>(one());
    assert_eq!(state_of(), api::ImageVersionStatus::Deleting);
    let text = estate.house.fails::<DeleteImageVersion>(one());
    assert!(text.starts_with("ResourceInUse"), "{text}");
    estate.house.ok::<DeleteImage>(delete());
    advance();
    assert!(estate.house.fails::<DeleteImage>(delete()).starts_with("ResourceNotFound"));
    assert_eq!(VERSIONS.count(&estate.house.state(), &()).unwrap(), 0);
}

#[test]
fn an_image_whose_role_is_gone_by_then_fails() {
    let estate = Estate::standing_still();
    let env = estate.house.gate.env().clone();
    estate.house.ok::<CreateImage>(request(&estate, "image"));
    estate.house.ok::<crate::iam::roles::DeleteRole>(iam_api::DeleteRoleRequest {
        role_name: "exec".into(),
    });
    for work in crate::sagemaker::resource_work::noted(&estate.house.state()).unwrap() {
        let done = |tx: &mut Tx| crate::sagemaker::resource_work::advance(tx, &env, &work);
        estate.house.transact(done);
    }
    let image = describe_image(&estate, "image");
    assert_eq!(image.image_status, Some(api::ImageStatus::CreateFailed));
    assert!(image.failure_reason.unwrap().starts_with("Could not assume role"));
}

#[test]
fn an_app_image_config_is_kept_changed_listed_and_deleted() {
    let estate = Estate::new();
    let arn = estate
        .house
        .ok::<CreateAppImageConfig>(api::CreateAppImageConfigRequest {
            app_image_config_name: "Config".into(),
            jupyter_lab_app_image_config: Some(api::JupyterLabAppImageConfig {
                container_config: Some(api::ContainerConfig {
                    container_environment_variables: Some(
                        [("A".to_owned(), "b".to_owned())].into_iter().collect(),
                    ),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            ..Default::default()
        })
        .app_image_config_arn
        .unwrap();
    estate
        .house
        .ok::<AddTags>(api::AddTagsInput { resource_arn: arn.clone(), tags: vec![tag("a", "b")] });
    let kernel = api::KernelGatewayImageConfig {
        kernel_specs: vec![api::KernelSpec { name: "python3".into(), display_name: None }],
        file_system_config: None,
    };
    estate.house.ok::<UpdateAppImageConfig>(api::UpdateAppImageConfigRequest {
        app_image_config_name: "config".into(),
        kernel_gateway_image_config: Some(kernel.clone()),
        ..Default::default()
    });
    let describe = || api::DescribeAppImageConfigRequest { app_image_config_name: "CONFIG".into() };
    let config = estate.house.ok::<DescribeAppImageConfig>(describe());
    assert_eq!(config.app_image_config_arn, Some(arn));
    assert_eq!(config.kernel_gateway_image_config, Some(kernel));
    let lab = config.jupyter_lab_app_image_config.unwrap().container_config.unwrap();
    assert_eq!(lab.container_environment_variables.unwrap().len(), 1);
    let list = estate.house.ok::<ListAppImageConfigs>(api::ListAppImageConfigsRequest {
        name_contains: Some("conf".into()),
        ..Default::default()
    });
    assert_eq!(list.app_image_configs.unwrap().len(), 1);
    let same = api::CreateAppImageConfigRequest {
        app_image_config_name: "config".into(),
        ..Default::default()
    };
    assert_eq!(
        estate.house.fails::<CreateAppImageConfig>(same),
        "ResourceInUse (400): The ID or Name specified is already in use."
    );
    estate.house.ok::<DeleteAppImageConfig>(api::DeleteAppImageConfigRequest {
        app_image_config_name: "config".into(),
    });
    let text = estate.house.fails::<DescribeAppImageConfig>(describe());
    assert!(text.starts_with("ResourceNotFound"), "{text}");
}

#[test]
fn settings_name_images_that_are_there() {
    let estate = Estate::new();
    let id = estate.domain("team");
    estate.house.ok::<CreateImage>(request(&estate, "Image"));
    estate.house.ok::<CreateImageVersion>(version("image", "t1", &["1.0"]));
    estate.house.ok::<CreateAppImageConfig>(api::CreateAppImageConfigRequest {
        app_image_config_name: "config".into(),
        ..Default::default()
    });
    let update = |lab| api::UpdateDomainRequest {
        domain_id: id.clone(),
        default_user_settings: Some(api::UserSettings {
            jupyter_lab_app_settings: Some(lab),
            ..Default::default()
        }),
        ..Default::default()
    };
    let custom = |image: &str, number, config: &str| {
        update(api::JupyterLabAppSettings {
            custom_images: Some(vec![api::CustomImage {
                image_name: image.into(),
                image_version_number: number,
                app_image_config_name: config.into(),
            }]),
            ..Default::default()
        })
    };
    let spec = |image: &str, version: Option<&str>, alias: Option<&str>| {
        update(api::JupyterLabAppSettings {
            default_resource_spec: Some(api::ResourceSpec {
                sage_maker_image_arn: Some(image.into()),
                sage_maker_image_version_arn: version.map(Into::into),
                sage_maker_image_version_alias: alias.map(Into::into),
                ..Default::default()
            }),
            ..Default::default()
        })
    };
    let own = "arn:aws:sagemaker:us-west-2:123456789012:image";
    let image = format!("{own}/image");
    let mut text = String::new();
    for wrong in [
        custom("other", None, "config"),
        custom("image", Some(2), "config"),
        custom("image", Some(1), "other"),
        spec(&format!("{own}/Image"), None, None),
        spec(&image, Some(&format!("{own}-version/image/2")), None),
        spec(&image, Some(&format!("{own}-version/image/01")), None),
        spec(&image, None, Some("2.0")),
    ] {
        text.push_str(&estate.house.fails::<UpdateDomain>(wrong));
        text.push('\n');
    }
    expect![[r#"
        ValidationException (400): The Image [arn:aws:sagemaker:us-west-2:123456789012:image/other] does not exist.
        ValidationException (400): The ImageVersion [arn:aws:sagemaker:us-west-2:123456789012:image-version/image/2] does not exist.
        ValidationException (400): The AppImageConfig [other] does not exist.
        ValidationException (400): The Image [arn:aws:sagemaker:us-west-2:123456789012:image/Image] does not exist.
        ValidationException (400): The ImageVersion [arn:aws:sagemaker:us-west-2:123456789012:image-version/image/2] does not exist.
        ValidationException (400): The ImageVersion [arn:aws:sagemaker:us-west-2:123456789012:image-version/image/01] does not exist.
        ValidationException (400): The Image [arn:aws:sagemaker:us-west-2:123456789012:image/image] has no ImageVersion with the Alias 2.0.
    "#]]
    .assert_eq(&text);
    estate.house.ok::<UpdateDomain>(custom("IMAGE", Some(1), "config"));
    estate.house.ok::<UpdateDomain>(spec(&image, Some(&format!("{own}-version/image/1")), None));
    estate.house.ok::<UpdateDomain>(spec(&image, None, Some("1.0")));
    let of_aws = image.replace("123456789012", "429704687514");
    estate.house.ok::<UpdateDomain>(spec(&of_aws, None, Some("3.2.0")));
}

#[test]
fn lists_of_images_are_sorted_and_filtered() {
    let estate = Estate::new();
    for name in ["b", "a", "c"] {
        estate.house.ok::<CreateImage>(request(&estate, name));
        estate.house.clock.advance_millis(1_000);
    }
    let names = |input: api::ListImagesRequest| {
        let images = estate.house.ok::<ListImages>(input).images.unwrap();
        images.into_iter().map(|it| it.image_name.unwrap()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(api::ListImagesRequest::default()), "c a b");
    let by_name = api::ListImagesRequest {
        sort_by: Some(api::ImageSortBy::ImageName),
        sort_order: Some(api::ImageSortOrder::Ascending),
        ..Default::default()
    };
    assert_eq!(names(by_name), "a b c");
    let early = api::ListImagesRequest {
        creation_time_before: Some(crate::testing::START.into()),
        ..Default::default()
    };
    assert_eq!(names(early), "b");
}
