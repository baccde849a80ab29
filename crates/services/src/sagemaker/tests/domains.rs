//! Making, reading and deleting domains.

use expect_test::expect;

use super::*;
use crate::sagemaker::delete_domain::DeleteDomain;
use crate::sagemaker::read_domain::ListDomains;
use crate::sagemaker::records::{DOORS, HOME_FILE_SYSTEMS};
use crate::sagemaker::write_profile::DeleteUserProfile;
use crate::sagemaker::write_space::DeleteSpace;

fn delete(domain: &str) -> api::DeleteDomainRequest {
    api::DeleteDomainRequest { domain_id: domain.into(), retention_policy: None }
}

#[test]
fn a_domain_is_in_service_when_its_work_is_done() {
    let estate = Estate::standing_still();
    let made = estate.house.ok::<CreateDomain>(estate.domain_request("team"));
    let id = made.domain_id.unwrap();
    let arn = format!("arn:aws:sagemaker:us-west-2:123456789012:domain/{id}");
    assert_eq!(made.domain_arn.as_ref(), Some(&arn));
    assert_eq!(made.url.as_deref(), Some("http://127.66.0.1:4566"));
    let pending = estate.describe(&id);
    assert_eq!(pending.status, Some(api::DomainStatus::Pending));
    assert_eq!(pending.home_efs_file_system_id, None);
    assert_eq!(estate.advance(), 1);
    assert_eq!(estate.advance(), 0);
    let domain = estate.describe(&id);
    assert_eq!(domain.status, Some(api::DomainStatus::InService));
    assert!(domain.home_efs_file_system_id.unwrap().starts_with("fs-"));
    assert_eq!(domain.url, made.url);
    assert_eq!(domain.app_network_access_type, Some(api::AppNetworkAccessType::PublicInternetOnly));
    assert_eq!(domain.auth_mode, Some(api::AuthMode::Iam));
    assert_eq!(domain.vpc_id.as_ref(), Some(&estate.vpc));
    assert_eq!(domain.subnet_ids, Some(vec![estate.subnet.clone()]));
    assert_eq!(domain.security_group_id_for_domain_boundary, None);
    let settings = estate.domain_request("team").default_user_settings;
    assert_eq!(domain.default_user_settings, Some(settings));
    let groups = estate.house.ok::<crate::ec2::security_group::DescribeSecurityGroups>(
        ec2_api::DescribeSecurityGroupsRequest::default(),
    );
    let names: Vec<String> =
        groups.security_groups.unwrap().into_iter().filter_map(|it| it.group_name).collect();
    for name in ["inbound", "outbound"] {
        assert!(names.contains(&format!("security-group-for-{name}-nfs-{id}")), "{names:?}");
    }
}

#[test]
fn a_domain_fails_when_its_network_is_gone_before_its_work_is_done() {
    let estate = Estate::standing_still();
    let other = subnet(&estate.house, &estate.vpc, "10.0.2.0/24");
    let mut request = estate.domain_request("team");
    request.subnet_ids = Some(vec![other.clone()]);
    let id = estate.house.ok::<CreateDomain>(request).domain_id.unwrap();
    estate.house.ok::<crate::ec2::subnet::DeleteSubnet>(ec2_api::DeleteSubnetRequest {
        subnet_id: other.clone(),
        ..Default::default()
    });
    estate.advance();
    let domain = estate.describe(&id);
    assert_eq!(domain.status, Some(api::DomainStatus::Failed));
    assert_eq!(domain.failure_reason, Some(format!("The subnet ID '{other}' does not exist.")));
    // What has failed can only be deleted.
    let text = estate.house.fails::<CreateUserProfile>(profile_request(&id, "ann"));
    assert!(text.starts_with("ResourceInUse (400): Unable to create a UserProfile in"), "{text}");
    estate.house.ok::<DeleteDomain>(delete(&id));
    estate.advance();
    assert!(estate.house.fails::<DescribeDomain>(describe(&id)).starts_with("ResourceNotFound"));
}

#[test]
fn a_repeated_creation_is_in_use_and_not_a_second_domain() {
    let estate = Estate::new();
    estate.domain("team");
    let text = estate.house.fails::<CreateDomain>(estate.domain_request("Team"));
    assert_eq!(
        text,
        "ResourceInUse (400): The Domain with DomainName Team already exists. Please use a \
         different DomainName."
    );
    let listed = estate.house.ok::<ListDomains>(api::ListDomainsRequest::default());
    assert_eq!(listed.domains.unwrap().len(), 1);
}

#[test]
fn there_are_only_so_many_domains() {
    let estate = Estate::new();
    for name in ["a", "b", "c", "d", "e"] {
        estate.domain(name);
    }
    expect![[r#"
        ResourceLimitExceeded (400): The account-level service limit 'Total domains' is 5 Domains, with current utilization of 5 Domains and a request delta of 1 Domains. Please contact AWS support to request an increase for this limit."#]]
    .assert_eq(&estate.house.fails::<CreateDomain>(estate.domain_request("f")));
}

#[test]
fn domains_are_listed_page_by_page_oldest_first() {
    let estate = Estate::new();
    let mut made = Vec::new();
    for name in ["a", "b", "c"] {
        made.push(estate.domain(name));
        estate.house.clock.advance_millis(1_000);
    }
    let mut seen = Vec::new();
    let mut next_token = None;
    loop {
        let page = estate
            .house
            .ok::<ListDomains>(api::ListDomainsRequest { next_token, max_results: Some(2) });
        seen.extend(page.domains.unwrap().into_iter().filter_map(|it| it.domain_id));
        next_token = page.next_token;
        if next_token.is_none() {
            break;
        }
    }
    assert_eq!(seen, made);
    let wrong = api::ListDomainsRequest { next_token: Some("nonsense".into()), max_results: None };
    let text = estate.house.fails::<ListDomains>(wrong);
    assert!(text.starts_with("ValidationException (400): Invalid NextToken"), "{text}");
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    let estate = Estate::new();
    let elsewhere = vpc(&estate.house, "10.9.0.0/16");
    let foreign = subnet(&estate.house, &elsewhere, "10.9.1.0/24");
    let refused = |change: &dyn Fn(&mut api::CreateDomainRequest)| {
        let mut request = estate.domain_request("team");
        change(&mut request);
        estate.house.fails::<CreateDomain>(request)
    };
    let text = refused(&|it| it.vpc_id = Some("vpc-0123456789abcdef0".into()));
    assert_eq!(
        text,
        "ValidationException (400): The vpc ID 'vpc-0123456789abcdef0' does not exist."
    );
    let text = refused(&|it| it.subnet_ids = Some(vec!["subnet-0123456789abcdef0".into()]));
    assert!(text.contains("The subnet ID 'subnet-0123456789abcdef0' does not exist."), "{text}");
    let text = refused(&|it| it.subnet_ids = Some(vec![foreign.clone()]));
    assert!(text.contains("is not in the vpc"), "{text}");
    let text = refused(&|it| {
        it.default_user_settings.security_groups = Some(vec!["sg-0123456789abcdef0".into()]);
    });
    assert!(text.contains("The security group 'sg-0123456789abcdef0' does not exist."), "{text}");
    let text = refused(&|it| {
        it.vpc_id = None;
        it.subnet_ids = None;
    });
    assert!(text.contains("VpcId and SubnetIds are required"), "{text}");
    let text = refused(&|it| it.subnet_ids = None);
    assert!(text.contains("must be given together"), "{text}");
    let text = refused(&|it| {
        it.kms_key_id = Some("a".into());
        it.home_efs_file_system_kms_key_id = Some("b".into());
    });
    assert!(text.contains("name different keys"), "{text}");
    let text = refused(&|it| it.tags = Some(vec![tag("sagemaker:domain-arn", "x")]));
    assert!(text.contains("set by Amazon SageMaker"), "{text}");
    let listed = estate.house.ok::<ListDomains>(api::ListDomainsRequest::default());
    assert_eq!(listed.domains.unwrap().len(), 0);
    assert_eq!(DOORS.count(&estate.house.state(), &()).unwrap(), 0);
}

#[test]
fn a_role_must_exist_and_trust_sagemaker() {
    let estate = Estate::new();
    let nobody = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow",
        "Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}"#;
    let elsewhere = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow",
        "Principal":{"Service":"sagemaker.amazonaws.com"},"Action":"sts:AssumeRole",
        "Condition":{"StringEquals":{"aws:SourceAccount":"999999999999"}}}}"#;
    let here = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow",
        "Principal":{"Service":"sagemaker.amazonaws.com"},"Action":"sts:AssumeRole",
        "Condition":{"StringEquals":{"aws:SourceAccount":"123456789012"},
        "ArnLike":{"aws:SourceArn":"arn:aws:sagemaker:us-west-2:123456789012:*"}}}}"#;
    for arn in [
        role(&estate.house, "nobody", nobody),
        role(&estate.house, "elsewhere", elsewhere),
        "arn:aws:iam::123456789012:role/missing".into(),
    ] {
        let mut request = estate.domain_request("team");
        request.default_user_settings.execution_role = Some(arn.clone());
        assert_eq!(
            estate.house.fails::<CreateDomain>(request),
            format!(
                "ValidationException (400): Could not assume role {arn}. Please ensure that the \
                 role exists and allows principal 'sagemaker.amazonaws.com' to assume the role."
            )
        );
    }
    let mut request = estate.domain_request("team");
    request.default_user_settings.execution_role = Some(role(&estate.house, "here", here));
    estate.house.ok::<CreateDomain>(request);
}

/// Roles for other services are handed over as well, but it is not SageMaker that assumes them.
#[test]
fn a_role_for_another_service_must_exist_and_need_not_trust_sagemaker() {
    let estate = Estate::new();
    let trust = |service: &str| TRUST.replace("sagemaker.amazonaws.com", service);
    let forecast = role(&estate.house, "forecast", &trust("forecast.amazonaws.com"));
    let bedrock = role(&estate.house, "bedrock", &trust("bedrock.amazonaws.com"));
    let emr = role(&estate.house, "emr", &trust("ec2.amazonaws.com"));
    let with_emr = |arn: &str| {
        let mut request = estate.domain_request("team");
        request.default_user_settings.jupyter_lab_app_settings = Some(api::JupyterLabAppSettings {
            emr_settings: Some(api::EmrSettings {
                execution_role_arns: Some(vec![arn.into()]),
                ..Default::default()
            }),
            ..Default::default()
        });
        request.default_user_settings.canvas_app_settings = Some(api::CanvasAppSettings {
            time_series_forecasting_settings: Some(api::TimeSeriesForecastingSettings {
                amazon_forecast_role_arn: Some(forecast.clone()),
                ..Default::default()
            }),
            generative_ai_settings: Some(api::GenerativeAiSettings {
                amazon_bedrock_role_arn: Some(bedrock.clone()),
            }),
            ..Default::default()
        });
        request
    };
    let missing = "arn:aws:iam::123456789012:role/missing";
    assert_eq!(
        estate.house.fails::<CreateDomain>(with_emr(missing)),
        format!("ValidationException (400): The role {missing} does not exist.")
    );
    // A role that is to serve both must trust SageMaker.
    let mut both = with_emr(&emr);
    both.default_user_settings.execution_role = Some(emr.clone());
    let text = estate.house.fails::<CreateDomain>(both);
    assert!(text.contains("Could not assume role"), "{text}");
    estate.house.ok::<CreateDomain>(with_emr(&emr));
}

#[test]
fn studio_server_asks_for_managed_security_groups() {
    let estate = Estate::new();
    let settings = api::DomainSettings {
        r_studio_server_pro_domain_settings: Some(api::RStudioServerProDomainSettings {
            domain_execution_role_arn: estate.role.clone(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let mut request = estate.domain_request("team");
    request.app_network_access_type = Some(api::AppNetworkAccessType::VpcOnly);
    request.domain_settings = Some(settings);
    let text = estate.house.fails::<CreateDomain>(request.clone());
    assert!(text.contains("AppSecurityGroupManagement must be Service"), "{text}");
    request.app_security_group_management = Some(api::AppSecurityGroupManagement::Service);
    let id = estate.house.ok::<CreateDomain>(request).domain_id.unwrap();
    let boundary = estate.describe(&id).security_group_id_for_domain_boundary.unwrap();
    assert!(boundary.starts_with("sg-"));
}

#[test]
fn a_domain_is_deleted_once_nobody_lives_in_it() {
    let estate = Estate::new();
    let id = estate.domain("team");
    estate.profile(&id, "ann");
    expect![[
        r#"ResourceInUse (400): Unable to delete Domain [arn:aws:sagemaker:us-west-2:123456789012:domain/ID] because UserProfile(s) are associated with it."#
    ]]
    .assert_eq(&estate.house.fails::<DeleteDomain>(delete(&id)).replace(&id, "ID"));
    estate.house.ok::<DeleteUserProfile>(api::DeleteUserProfileRequest {
        domain_id: id.clone(),
        user_profile_name: "ann".into(),
    });
    estate.house.ok::<DeleteDomain>(delete(&id));
    assert_eq!(
        estate.house.fails::<DescribeDomain>(describe(&id)),
        format!("ResourceNotFound (400): RecordNotFound: Domain [{id}] does not exist.")
    );
    let text = estate.house.fails::<DeleteDomain>(delete(&id));
    assert!(text.starts_with("ResourceNotFound (400): "), "{text}");
    let state = estate.house.state();
    assert_eq!(DOORS.count(&state, &()).unwrap(), 0);
    // Retaining is the default.
    let kept = HOME_FILE_SYSTEMS.scan(&state, &(), None, 9).unwrap();
    assert!(kept.len() == 1 && kept[0].1.retained);
    // The name and a door are free again, under another address.
    let again = estate.house.ok::<CreateDomain>(estate.domain_request("team"));
    assert_ne!(again.domain_id.unwrap(), id);
    assert_eq!(again.url.as_deref(), Some("http://127.66.0.2:4566"));
}

#[test]
fn a_file_system_that_is_not_retained_goes_with_its_groups() {
    let estate = Estate::new();
    let id = estate.domain("team");
    let policy = api::RetentionPolicy { home_efs_file_system: Some(api::RetentionType::Delete) };
    let request = api::DeleteDomainRequest { retention_policy: Some(policy), ..delete(&id) };
    estate.house.ok::<DeleteDomain>(request);
    let state = estate.house.state();
    assert_eq!(HOME_FILE_SYSTEMS.count(&state, &()).unwrap(), 0);
    let groups: Vec<crate::ec2::records::SecurityGroup> =
        crate::ec2::records::all(&state, &estate.house.scope()).unwrap();
    assert!(groups.iter().all(|it| !it.name.contains("nfs")), "{groups:?}");
}

/// Which homes are left of a profile, a space of the file system and one with a volume, after all of
/// them and their domain were deleted.
fn left_homes(retention: Option<api::RetentionType>) -> (Vec<String>, [String; 3]) {
    use crate::sagemaker::workload::homes;
    let estate = Estate::new();
    let id = estate.domain("team");
    let home = || homes(&estate.house.state()).unwrap().pop().unwrap();
    let made = |before: &[String]| {
        let now = homes(&estate.house.state()).unwrap();
        now.into_iter().find(|it| !before.contains(it)).unwrap()
    };
    estate.profile(&id, "ann");
    let profile = home();
    estate.house.ok::<CreateSpace>(space_request(&id, "classic"));
    let classic = made(std::slice::from_ref(&profile));
    estate.house.ok::<CreateSpace>(private_space(&id, "volume", "ann"));
    let volume = made(&[profile.clone(), classic.clone()]);
    for name in ["classic", "volume"] {
        let gone = api::DeleteSpaceRequest { domain_id: id.clone(), space_name: name.to_owned() };
        estate.house.ok::<DeleteSpace>(gone);
    }
    estate.house.ok::<DeleteUserProfile>(api::DeleteUserProfileRequest {
        domain_id: id.clone(),
        user_profile_name: "ann".into(),
    });
    let there = homes(&estate.house.state()).unwrap();
    assert!(there.contains(&profile) && there.contains(&classic), "{there:?}");
    let policy = api::RetentionPolicy { home_efs_file_system: retention };
    let request = api::DeleteDomainRequest { retention_policy: Some(policy), ..delete(&id) };
    estate.house.ok::<DeleteDomain>(request);
    (homes(&estate.house.state()).unwrap(), [profile, classic, volume])
}

#[test]
fn homes_on_a_file_system_stay_for_as_long_as_it_does() {
    for retention in [None, Some(api::RetentionType::Retain)] {
        let (left, [profile, classic, volume]) = left_homes(retention);
        assert!(left.contains(&profile) && left.contains(&classic), "{left:?}");
        // A volume of its own goes with its space.
        assert!(!left.contains(&volume), "{left:?}");
    }
    assert_eq!(left_homes(Some(api::RetentionType::Delete)).0, Vec::<String>::new());
}

#[test]
fn a_domain_that_is_still_made_or_changed_cannot_be_deleted() {
    let estate = Estate::standing_still();
    let id = estate.domain("team");
    let text = estate.house.fails::<DeleteDomain>(delete(&id));
    assert!(text.ends_with("while its status is Pending."), "{text}");
    estate.advance();
    estate.house.ok::<DeleteDomain>(delete(&id));
    assert_eq!(estate.describe(&id).status, Some(api::DomainStatus::Deleting));
    let text = estate.house.fails::<DeleteDomain>(delete(&id));
    assert!(text.ends_with("while its status is Deleting."), "{text}");
}

#[test]
fn work_that_cannot_be_done_stays_noted_and_hinders_no_other() {
    use crate::sagemaker::records::{DOMAINS, WORK};
    use sagegate_store::Table;
    // A number where a domain should be, of an account whose work comes first.
    const BROKEN: Table<(String, String, String), u64> = Table::new(DOMAINS.name());
    let estate = Estate::new();
    let (account, region, broken) = ("000000000001", "us-west-2", "d-000000000001");
    estate.house.transact(|tx| {
        BROKEN.put(tx, &(account, region, broken), &1)?;
        Ok(WORK.put(tx, &(account, region, broken, ""), &())?)
    });
    let id = estate.domain("team");
    assert_eq!(estate.describe(&id).status, Some(api::DomainStatus::InService));
    let left = lifecycle::noted(&estate.house.state()).unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].2, broken);
}
