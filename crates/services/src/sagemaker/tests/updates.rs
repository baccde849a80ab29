//! Changing domains and user profiles.

use super::*;
use crate::sagemaker::update_domain::UpdateDomain;
use crate::sagemaker::write_profile::UpdateUserProfile;

fn change(domain: &str) -> api::UpdateDomainRequest {
    api::UpdateDomainRequest { domain_id: domain.into(), ..Default::default() }
}

fn instance(instance_type: &str) -> api::JupyterLabAppSettings {
    api::JupyterLabAppSettings {
        default_resource_spec: Some(api::ResourceSpec {
            instance_type: Some(instance_type.into()),
            ..Default::default()
        }),
        ..Default::default()
    }
}

#[test]
fn what_an_update_does_not_name_stays() {
    let estate = Estate::new();
    let id = estate.domain("team");
    let before = estate.describe(&id);
    estate.house.clock.advance_millis(5_000);
    estate.house.ok::<UpdateDomain>(api::UpdateDomainRequest {
        default_user_settings: Some(api::UserSettings {
            jupyter_lab_app_settings: Some(instance("ml.t3.large")),
            ..Default::default()
        }),
        tag_propagation: Some(api::TagPropagation::Enabled),
        ..change(&id)
    });
    let after = estate.describe(&id);
    assert_eq!(after.status, Some(api::DomainStatus::InService));
    assert!(after.last_modified_time > before.last_modified_time);
    assert_eq!(after.tag_propagation, Some(api::TagPropagation::Enabled));
    let settings = after.default_user_settings.unwrap();
    assert_eq!(settings.execution_role.as_ref(), Some(&estate.role));
    assert_eq!(settings.security_groups, Some(vec![estate.group.clone()]));
    assert_eq!(settings.jupyter_lab_app_settings, Some(instance("ml.t3.large")));
    assert_eq!(after.home_efs_file_system_id, before.home_efs_file_system_id);
    assert_eq!(after.app_network_access_type, before.app_network_access_type);
}

#[test]
fn an_update_that_cannot_be_changes_nothing() {
    let estate = Estate::new();
    let id = estate.domain("team");
    let before = estate.describe(&id);
    let wrong = [
        api::UpdateDomainRequest { vpc_id: Some("vpc-0123456789abcdef0".into()), ..change(&id) },
        api::UpdateDomainRequest {
            subnet_ids: Some(vec!["subnet-0123456789abcdef0".into()]),
            ..change(&id)
        },
        api::UpdateDomainRequest {
            home_efs_file_system_creation: Some(api::HomeEfsFileSystemCreation::Disabled),
            ..change(&id)
        },
        api::UpdateDomainRequest {
            default_user_settings: Some(api::UserSettings {
                execution_role: Some("arn:aws:iam::123456789012:role/missing".into()),
                ..Default::default()
            }),
            ..change(&id)
        },
    ];
    for request in wrong {
        let text = estate.house.fails::<UpdateDomain>(request);
        assert!(text.starts_with("ValidationException (400): "), "{text}");
    }
    assert_eq!(estate.describe(&id), before);
    let text = estate.house.fails::<UpdateDomain>(change("d-missing"));
    assert!(text.starts_with("ResourceNotFound (400): "), "{text}");
}

#[test]
fn an_update_waits_for_the_one_before() {
    let estate = Estate::standing_still();
    let id = estate.domain("team");
    let text = estate.house.fails::<UpdateDomain>(change(&id));
    assert!(text.starts_with("ResourceInUse (400): Unable to update Domain ["), "{text}");
    estate.advance();
    estate.house.ok::<UpdateDomain>(change(&id));
    assert_eq!(estate.describe(&id).status, Some(api::DomainStatus::Updating));
    estate.advance();
    assert_eq!(estate.describe(&id).status, Some(api::DomainStatus::InService));
}

#[test]
fn the_access_type_stays_with_studio_server() {
    let estate = Estate::new();
    let id = estate.domain("team");
    estate.house.ok::<UpdateDomain>(api::UpdateDomainRequest {
        app_network_access_type: Some(api::AppNetworkAccessType::VpcOnly),
        ..change(&id)
    });
    let server = api::DomainSettingsForUpdate {
        r_studio_server_pro_domain_settings_for_update: Some(
            api::RStudioServerProDomainSettingsForUpdate {
                domain_execution_role_arn: estate.role.clone(),
                ..Default::default()
            },
        ),
        ..Default::default()
    };
    let text = estate.house.fails::<UpdateDomain>(api::UpdateDomainRequest {
        app_network_access_type: Some(api::AppNetworkAccessType::PublicInternetOnly),
        domain_settings_for_update: Some(server.clone()),
        ..change(&id)
    });
    assert!(text.contains("AppNetworkAccessType cannot be changed"), "{text}");
    estate.house.ok::<UpdateDomain>(api::UpdateDomainRequest {
        domain_settings_for_update: Some(server),
        app_security_group_management: Some(api::AppSecurityGroupManagement::Service),
        ..change(&id)
    });
    let domain = estate.describe(&id);
    assert!(domain.security_group_id_for_domain_boundary.is_some());
    let settings = domain.domain_settings.unwrap().r_studio_server_pro_domain_settings.unwrap();
    assert_eq!(settings.domain_execution_role_arn, estate.role);
}

#[test]
fn a_file_system_that_comes_later_gives_profiles_their_users() {
    let estate = Estate::new();
    let mut request = estate.domain_request("team");
    request.home_efs_file_system_creation = Some(api::HomeEfsFileSystemCreation::Disabled);
    let id = estate.house.ok::<CreateDomain>(request).domain_id.unwrap();
    estate.profile(&id, "ann");
    assert_eq!(estate.describe(&id).home_efs_file_system_id, None);
    assert_eq!(estate.describe_profile(&id, "ann").home_efs_file_system_uid, None);
    estate.house.ok::<UpdateDomain>(api::UpdateDomainRequest {
        home_efs_file_system_creation: Some(api::HomeEfsFileSystemCreation::Enabled),
        ..change(&id)
    });
    assert!(estate.describe(&id).home_efs_file_system_id.is_some());
    let uid = estate.describe_profile(&id, "ann").home_efs_file_system_uid;
    assert_eq!(uid.as_deref(), Some("200001"));
}

#[test]
fn a_profile_keeps_what_its_update_does_not_name() {
    let estate = Estate::new();
    let id = estate.domain("team");
    let mut request = profile_request(&id, "ann");
    request.user_settings = Some(api::UserSettings {
        security_groups: Some(vec![estate.group.clone()]),
        ..Default::default()
    });
    estate.house.ok::<CreateUserProfile>(request);
    let update = |settings: Option<api::UserSettings>| api::UpdateUserProfileRequest {
        domain_id: id.clone(),
        user_profile_name: "ann".into(),
        user_settings: settings,
    };
    estate.house.ok::<UpdateUserProfile>(update(Some(api::UserSettings {
        jupyter_lab_app_settings: Some(instance("ml.t3.large")),
        ..Default::default()
    })));
    let profile = estate.describe_profile(&id, "ann");
    assert_eq!(profile.status, Some(api::UserProfileStatus::InService));
    let settings = profile.user_settings.unwrap();
    assert_eq!(settings.security_groups, Some(vec![estate.group.clone()]));
    assert_eq!(settings.jupyter_lab_app_settings, Some(instance("ml.t3.large")));
    // The domain's defaults are laid under when they are used, not written in.
    assert_eq!(settings.execution_role, None);
    let text = estate.house.fails::<UpdateUserProfile>(update(Some(api::UserSettings {
        security_groups: Some(vec!["sg-0123456789abcdef0".into()]),
        ..Default::default()
    })));
    assert!(text.starts_with("ValidationException (400): The security group"), "{text}");
    let mut missing = update(None);
    missing.user_profile_name = "bob".into();
    let text = estate.house.fails::<UpdateUserProfile>(missing);
    assert!(text.starts_with("ResourceNotFound (400): RecordNotFound: UserProfile ["), "{text}");
}
