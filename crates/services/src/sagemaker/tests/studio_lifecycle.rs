//! Lifecycle configurations of Studio, and what may name them.

use expect_test::expect;

use super::*;
use crate::sagemaker::studio_lifecycle::{
    CreateStudioLifecycleConfig, DeleteStudioLifecycleConfig, DescribeStudioLifecycleConfig,
    ListStudioLifecycleConfigs, lifecycle_script,
};
use crate::sagemaker::tags::ListTags;
use crate::sagemaker::update_domain::UpdateDomain;
use crate::sagemaker::write_profile::UpdateUserProfile;

/// `echo hello` and a line's end, in base64.
const HELLO: &str = "ZWNobyBoZWxsbwo=";

fn request(
    name: &str,
    app_type: api::StudioLifecycleConfigAppType,
) -> api::CreateStudioLifecycleConfigRequest {
    api::CreateStudioLifecycleConfigRequest {
        studio_lifecycle_config_name: name.into(),
        studio_lifecycle_config_content: HELLO.into(),
        studio_lifecycle_config_app_type: app_type,
        tags: None,
    }
}

fn made(estate: &Estate, name: &str, app_type: api::StudioLifecycleConfigAppType) -> String {
    let answer = estate.house.ok::<CreateStudioLifecycleConfig>(request(name, app_type));
    answer.studio_lifecycle_config_arn.unwrap()
}

fn lab(arn: &str) -> api::UserSettings {
    api::UserSettings {
        jupyter_lab_app_settings: Some(api::JupyterLabAppSettings {
            lifecycle_config_arns: Some(vec![arn.into()]),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn delete(name: &str) -> api::DeleteStudioLifecycleConfigRequest {
    api::DeleteStudioLifecycleConfigRequest { studio_lifecycle_config_name: name.into() }
}

#[test]
fn a_configuration_is_kept_as_given_and_its_script_is_what_was_encoded() {
    let estate = Estate::new();
    let mut given = request("Hello", api::StudioLifecycleConfigAppType::JupyterLab);
    given.tags = Some(vec![tag("team", "red")]);
    let arn = estate.house.ok::<CreateStudioLifecycleConfig>(given).studio_lifecycle_config_arn;
    let arn = arn.unwrap();
    assert_eq!(arn, "arn:aws:sagemaker:us-west-2:123456789012:studio-lifecycle-config/Hello");
    let described = estate.house.ok::<DescribeStudioLifecycleConfig>(
        api::DescribeStudioLifecycleConfigRequest { studio_lifecycle_config_name: "hello".into() },
    );
    assert_eq!(described.studio_lifecycle_config_arn.as_deref(), Some(&*arn));
    assert_eq!(described.studio_lifecycle_config_name.as_deref(), Some("Hello"));
    assert_eq!(described.studio_lifecycle_config_content.as_deref(), Some(HELLO));
    assert_eq!(described.creation_time, described.last_modified_time);
    let list = |arn: &str| api::ListTagsInput { resource_arn: arn.into(), ..Default::default() };
    let tags = estate.house.ok::<ListTags>(list(&arn.replace("Hello", "hello"))).tags.unwrap();
    assert_eq!(tags, [tag("team", "red")]);

    let (state, scope) = (estate.house.state(), estate.house.scope());
    let script = |arn: &str| lifecycle_script(&state, &scope, arn).unwrap();
    assert_eq!(script(&arn).as_deref(), Some(&b"echo hello\n"[..]));
    assert_eq!(script("None"), None);
    assert_eq!(script(&arn.replace("Hello", "hello")), None);
    assert_eq!(script(&arn.replace("123456789012", "999999999999")), None);

    estate.house.ok::<DeleteStudioLifecycleConfig>(delete("hello"));
    let text = estate.house.fails::<ListTags>(list(&arn));
    assert!(text.starts_with("ResourceNotFound"), "{text}");
}

#[test]
fn what_cannot_be_is_refused() {
    let estate = Estate::new();
    let lab_type = api::StudioLifecycleConfigAppType::JupyterLab;
    made(&estate, "one", lab_type);
    let mut text = String::new();
    let mut note = |it: String| text.push_str(&(it + "\n"));
    note(estate.house.fails::<CreateStudioLifecycleConfig>(request("ONE", lab_type)));
    for content in ["not base64", "====", "ZWNobyBoZWxsbwo", "\n"] {
        let mut given = request("two", lab_type);
        given.studio_lifecycle_config_content = content.into();
        note(estate.house.fails::<CreateStudioLifecycleConfig>(given));
    }
    note(estate.house.fails::<DeleteStudioLifecycleConfig>(delete("two")));
    expect![[r#"
        ResourceInUse (400): The StudioLifecycleConfig with StudioLifecycleConfigName ONE already exists. Please use a different StudioLifecycleConfigName.
        ValidationException (400): StudioLifecycleConfigContent must be the script encoded in base64: Invalid symbol 32, offset 3..
        ValidationException (400): StudioLifecycleConfigContent must be the script encoded in base64: Invalid symbol 61, offset 0..
        ValidationException (400): StudioLifecycleConfigContent must be the script encoded in base64: Invalid padding.
        ValidationException (400): StudioLifecycleConfigContent must not be empty.
        ResourceNotFound (400): StudioLifecycleConfig with StudioLifecycleConfigName two does not exist. Please provide a valid StudioLifecycleConfigName.
    "#]]
    .assert_eq(&text);
}

#[test]
fn settings_name_what_is_there_and_of_their_kind_of_app() {
    let estate = Estate::new();
    let id = estate.domain("team");
    estate.profile(&id, "ann");
    let right = made(&estate, "lab", api::StudioLifecycleConfigAppType::JupyterLab);
    let editor = made(&estate, "editor", api::StudioLifecycleConfigAppType::CodeEditor);
    let update = |settings| api::UpdateDomainRequest {
        domain_id: id.clone(),
        default_user_settings: Some(settings),
        ..Default::default()
    };
    let of_profile = |settings| api::UpdateUserProfileRequest {
        domain_id: id.clone(),
        user_profile_name: "ann".into(),
        user_settings: Some(settings),
    };
    let spec = |arn: &str| api::UserSettings {
        tensor_board_app_settings: Some(api::TensorBoardAppSettings {
            default_resource_spec: Some(api::ResourceSpec {
                lifecycle_config_arn: Some(arn.into()),
                ..Default::default()
            }),
        }),
        ..Default::default()
    };
    let foreign = right.replace("123456789012", "999999999999");
    for wrong in [lab(&right.replace("lab", "nothing")), lab(&editor), lab(&foreign), spec("x")] {
        let text = estate.house.fails::<UpdateDomain>(update(wrong.clone()));
        assert!(
            text.starts_with("ValidationException (400): The StudioLifecycleConfig ["),
            "{text}"
        );
        assert_eq!(text, estate.house.fails::<UpdateUserProfile>(of_profile(wrong)));
    }
    let none = api::UserSettings {
        jupyter_lab_app_settings: Some(api::JupyterLabAppSettings {
            default_resource_spec: Some(api::ResourceSpec {
                lifecycle_config_arn: Some("None".into()),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    };
    estate.house.ok::<UpdateDomain>(update(none));
    estate.house.ok::<UpdateDomain>(update(lab(&right)));
    estate.house.ok::<UpdateUserProfile>(of_profile(spec(&editor)));

    let text = |name| estate.house.fails::<DeleteStudioLifecycleConfig>(delete(name));
    assert_eq!(
        text("lab"),
        format!(
            "ResourceInUse (400): Unable to delete StudioLifecycleConfig [{right}] because \
             Domain(s) are associated with it."
        )
    );
    assert!(text("editor").contains("because UserProfile(s) are associated with it."));
    let empty = api::UserSettings {
        jupyter_lab_app_settings: Some(api::JupyterLabAppSettings {
            lifecycle_config_arns: Some(Vec::new()),
            ..Default::default()
        }),
        ..Default::default()
    };
    estate.house.ok::<UpdateDomain>(update(empty));
    estate.house.ok::<DeleteStudioLifecycleConfig>(delete("lab"));
}

#[test]
fn lists_are_filtered_sorted_and_paged() {
    let estate = Estate::new();
    use api::StudioLifecycleConfigAppType::{CodeEditor, JupyterLab};
    for (name, app_type) in [("b-lab", JupyterLab), ("a-lab", JupyterLab), ("C-editor", CodeEditor)]
    {
        made(&estate, name, app_type);
        estate.house.clock.advance_millis(1_000);
    }
    let names = |input: api::ListStudioLifecycleConfigsRequest| {
        let answer = estate.house.ok::<ListStudioLifecycleConfigs>(input);
        let configs = answer.studio_lifecycle_configs.unwrap().into_iter();
        let names = configs.map(|it| it.studio_lifecycle_config_name.unwrap());
        (names.collect::<Vec<_>>().join(" "), answer.next_token)
    };
    let all = api::ListStudioLifecycleConfigsRequest::default();
    assert_eq!(names(all.clone()), ("C-editor a-lab b-lab".into(), None));
    let by_name = api::ListStudioLifecycleConfigsRequest {
        sort_by: Some(api::StudioLifecycleConfigSortKey::Name),
        sort_order: Some(api::SortOrder::Ascending),
        max_results: Some(2),
        ..all.clone()
    };
    let (first, token) = names(by_name.clone());
    assert_eq!(first, "a-lab b-lab");
    let second = api::ListStudioLifecycleConfigsRequest { next_token: token, ..by_name };
    assert_eq!(names(second), ("C-editor".into(), None));
    let some = |input| names(input).0;
    assert_eq!(
        some(api::ListStudioLifecycleConfigsRequest {
            app_type_equals: Some(JupyterLab),
            name_contains: Some("A-".into()),
            ..all.clone()
        }),
        "a-lab"
    );
    let start = sagegate_model::Timestamp::from(crate::testing::START);
    assert_eq!(
        some(api::ListStudioLifecycleConfigsRequest {
            creation_time_before: Some(start),
            ..all.clone()
        }),
        "b-lab"
    );
    let after = api::ListStudioLifecycleConfigsRequest { modified_time_after: Some(start), ..all };
    assert_eq!(some(after), "C-editor a-lab");
}

#[test]
fn spaces_and_running_apps_hold_what_they_name() {
    let estate = Estate::new();
    let id = estate.domain("team");
    estate.profile(&id, "ann");
    let arn = made(&estate, "lab", api::StudioLifecycleConfigAppType::JupyterLab);
    let scope = estate.house.scope();
    let spec =
        || api::ResourceSpec { lifecycle_config_arn: Some(arn.clone()), ..Default::default() };
    let mut space = stored_space(&estate, &id, "space", "ann");
    let mut app = stored_app(&estate, &space, api::AppStatus::InService);
    app.spec = Stored(spec());
    space.settings.0.jupyter_lab_app_settings = Some(api::SpaceJupyterLabAppSettings {
        default_resource_spec: Some(spec()),
        ..Default::default()
    });
    let fails = || estate.house.fails::<DeleteStudioLifecycleConfig>(delete("lab"));

    estate.house.transact(|tx| Ok(space_records::put_space(tx, &scope, &space)?));
    assert!(fails().ends_with("because Space(s) are associated with it."));
    space.settings = Stored::default();
    estate.house.transact(|tx| Ok(space_records::put_space(tx, &scope, &space)?));
    estate.house.transact(|tx| Ok(space_records::put_app(tx, &scope, &app)?));
    assert!(fails().ends_with("because App(s) are associated with it."));
    // Also one that only its built-in configuration names, until it runs no more.
    app.spec = Stored::default();
    app.built_in_lifecycle_config = Some(arn.clone());
    estate.house.transact(|tx| Ok(space_records::put_app(tx, &scope, &app)?));
    assert!(fails().ends_with("because App(s) are associated with it."));
    app.status = Word(api::AppStatus::Failed);
    estate.house.transact(|tx| Ok(space_records::put_app(tx, &scope, &app)?));
    estate.house.ok::<DeleteStudioLifecycleConfig>(delete("lab"));
}
