//! StartSession, and the three ways in that the documentation names, each by its own policy alone.

use std::collections::BTreeMap;
use std::time::Duration;

use sagegate_gate::{Caller, Refusal};

use super::*;
use crate::iam::role_policies::PutRolePolicy;
use crate::iam::user_policies::{DeleteUserPolicy, PutUserPolicy};
use crate::iam::users::DeleteUser;
use crate::sagemaker::delete_app::DeleteApp;
use crate::sagemaker::read_app::{DescribeApp, ListApps};
use crate::sagemaker::read_space::{DescribeSpace, ListSpaces};
use crate::sagemaker::sessions::{self, State};
use crate::sagemaker::start_session::{StartSession, judge};
use crate::sagemaker::tags::AddTags;
use crate::sagemaker::write_space::UpdateSpace;
use api::FeatureStatus;

/// A policy of the seed: `$SAGEGATE_SHARED`, else `shared` beside the repository.
pub(super) fn seed(name: &str) -> String {
    let root = std::env::var_os("SAGEGATE_SHARED").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        std::path::PathBuf::from,
    );
    std::fs::read_to_string(root.join("seed-policies").join(name)).unwrap()
}

fn start(arn: &str) -> api::StartSessionRequest {
    api::StartSessionRequest { resource_identifier: arn.into() }
}

fn estate() -> (Estate, String) {
    let estate = Estate::new();
    let id = estate.domain("team");
    estate.profile(&id, "Ann");
    estate.profile(&id, "Bob");
    (estate, id)
}

impl Estate {
    /// Code in an app of this user profile, as the execution role.
    pub(super) fn in_studio(&self, role: &str, domain: &str, profile: Option<&str>) -> Caller {
        let mut keys = BTreeMap::from([("sagemaker:DomainId".to_owned(), domain.to_owned())]);
        if let Some(profile) = profile {
            keys.insert("sagemaker:UserProfileName".into(), profile.into());
        }
        let scope = self.house.scope();
        crate::iam::service_role::assume(
            &self.house.state(),
            &scope,
            role,
            "sagemaker.amazonaws.com",
            &scope.arn("sagemaker", &format!("domain/{domain}")),
            "SageMaker",
            keys,
            None,
            START,
            Duration::from_secs(3_600),
        )
        .unwrap()
    }

    pub(super) fn put_role_policy(&self, role: &str, policy: &str) {
        self.house.ok::<PutRolePolicy>(iam_api::PutRolePolicyRequest {
            role_name: role.rsplit('/').next().unwrap().into(),
            policy_name: "inline".into(),
            policy_document: policy.into(),
        });
    }

    #[track_caller]
    fn denied(&self, caller: &Caller, arn: &str) {
        let text = self.house.fails_for::<StartSession>(caller, start(arn));
        assert!(text.starts_with("AccessDeniedException (400): ") && text.contains(arn), "{text}");
    }
}

#[test]
fn a_session_is_named_and_opened_by_what_start_session_answers() {
    let (estate, id) = estate();
    let arn = estate.running_space(&id, "Lab", "Ann");
    for given in [arn.clone(), arn.to_lowercase()] {
        let made = estate.house.ok::<StartSession>(start(&given));
        let (session, token) = (made.session_id.unwrap(), made.token_value.unwrap());
        assert_eq!(
            made.stream_url.unwrap(),
            format!("ws://127.0.0.1:4566/v1/data-channel/{session}?role=publish_subscribe")
        );
        let vault = estate.house.gate.vault().clone();
        let opened = estate
            .house
            .transact(|tx| Ok(sessions::accept(tx, &vault, START, &session, &token).unwrap()));
        assert_eq!(opened.space, arn);
        assert_eq!(opened.state, State::Open { since: START });
        let wanted = crate::sagemaker::workload::desired(&estate.house.state()).unwrap();
        assert_eq!(opened.workload, wanted[0].id);
    }
}

/// Whoever has a token that was not used has nothing once the permission behind it is gone.
#[test]
fn a_token_is_judged_by_the_request_for_it_and_by_what_is_allowed_now() {
    let (estate, id) = estate();
    let arn = estate.running_space(&id, "Lab", "Ann");
    let house = &estate.house;
    let policy = |address: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"sagemaker:StartSession",
            "Resource":"*","Condition":{{"IpAddress":{{"aws:SourceIp":"{address}"}},
            "StringEquals":{{"aws:UserAgent":"test"}},"Bool":{{"aws:SecureTransport":"false"}}}}}}}}"#
        )
    };
    let own = |document: String| iam_api::PutUserPolicyRequest {
        user_name: "ann".into(),
        policy_name: "inline".into(),
        policy_document: document,
    };
    let ann = house.user_with_policy("ann", &policy("203.0.113.7"));
    let made = house.call::<StartSession>(&ann, start(&arn)).unwrap();
    let judged = || {
        let (state, vault) = (house.state(), house.gate.vault());
        let session = made.session_id.as_deref().unwrap();
        let session = sessions::find(&state, vault, session).unwrap().unwrap();
        judge(&house.gate, &state, &session, "the-socket")
    };
    judged().unwrap();
    house.ok::<PutUserPolicy>(own(policy("198.51.100.7")));
    let Err(Refusal::Denied(denial)) = judged() else { panic!("not denied") };
    assert!(
        denial
            .text()
            .ends_with("because no identity-based policy allows the sagemaker:StartSession action")
    );
    house.ok::<PutUserPolicy>(own(policy("203.0.113.0/24")));
    judged().unwrap();
    // Somebody else of her name is not her.
    house.ok::<DeleteUserPolicy>(iam_api::DeleteUserPolicyRequest {
        user_name: "ann".into(),
        policy_name: "inline".into(),
    });
    house.ok::<DeleteUser>(iam_api::DeleteUserRequest { user_name: "ann".into() });
    house.user_with_policy("ann", &policy("203.0.113.7"));
    let Err(Refusal::Fault(fault)) = judged() else { panic!("not refused") };
    assert_eq!(fault.code, "InvalidClientTokenId");
}

#[test]
fn what_cannot_be_connected_to_says_what_to_do() {
    let (estate, id) = estate();
    let arn = format!("arn:aws:sagemaker:us-west-2:123456789012:space/{id}/lab");
    let refused = |arn: &str, says: &str| {
        let text = estate.house.fails::<StartSession>(start(arn));
        assert!(text.contains(says), "{text}");
    };
    refused(&arn, "ResourceNotFound (400): RecordNotFound: Space [");
    for wrong in
        [arn.replace("space/", "user-profile/"), format!("{arn}/x"), arn.replace(&id, "nothing")]
    {
        refused(&wrong, "is not the ARN of a space");
    }
    refused(&arn.replace("us-west-2", "eu-west-1"), "is not in account");
    let mut request = private_space(&id, "lab", "Ann");
    request.space_settings.as_mut().unwrap().remote_access = None;
    estate.house.ok::<CreateSpace>(request);
    let app = app_request(&id, "lab");
    let no = "ValidationException (400): Remote access is not enabled for Space [lab]. Set \
              RemoteAccess to ENABLED in its SpaceSettings with UpdateSpace, then start its app anew";
    refused(&arn, no);
    estate.house.ok::<CreateApp>(app.clone());
    estate.run_apps();
    refused(&arn, no);
    let set = |to| estate.house.ok::<UpdateSpace>(update_space(&id, "lab", remote(to)));
    set(FeatureStatus::Enabled);
    refused(&arn, "started before remote access was enabled. Start it anew");
    estate.house.ok::<DeleteApp>(delete_app(&app));
    refused(&arn, "Its app is stopping (Deleting)");
    estate.house.ok::<CreateApp>(app.clone());
    refused(&arn, "Its app is starting (Pending)");
    estate.run_apps();
    refused(&arn, "Its app is starting (Pending)");
    estate.run_apps();
    let made = estate.house.ok::<StartSession>(start(&arn));
    // Switching it off ends what was begun.
    set(FeatureStatus::Disabled);
    let vault = estate.house.gate.vault();
    assert!(sessions::live(&estate.house.state(), vault, START).unwrap().is_empty());
    let ended =
        sessions::find(&estate.house.state(), vault, &made.session_id.unwrap()).unwrap().unwrap();
    assert!(matches!(ended.state, State::Ended { .. }));
    refused(&arn, no);
    set(FeatureStatus::Enabled);
    estate.house.ok::<StartSession>(start(&arn));
    estate.house.ok::<DeleteApp>(delete_app(&app));
    assert!(sessions::live(&estate.house.state(), vault, START).unwrap().is_empty());
    estate.run_apps();
    refused(&arn, "Start its JupyterLab or CodeEditor app with CreateApp.");
}

#[test]
fn the_eleventh_connection_of_a_space_is_refused() {
    let (estate, id) = estate();
    let arn = estate.running_space(&id, "lab", "Ann");
    let vault = estate.house.gate.vault().clone();
    for _ in 0..10 {
        let made = estate.house.ok::<StartSession>(start(&arn));
        let (session, token) = (made.session_id.unwrap(), made.token_value.unwrap());
        estate.house.transact(|tx| {
            sessions::accept(tx, &vault, START, &session, &token).unwrap();
            Ok(())
        });
    }
    let text = estate.house.fails::<StartSession>(start(&arn));
    assert_eq!(
        text,
        "ResourceLimitExceeded (400): Space [lab] has 10 remote connections, which is as many as a \
         space can have. Close one of them and try again."
    );
}

/// SPEC R0.2, R0.3: the deep link, as the execution role of the space's owner.
#[test]
fn the_deep_link_policy_opens_ones_own_spaces_only() {
    let (estate, id) = estate();
    let exec = role(&estate.house, "link", TRUST);
    estate.put_role_policy(&exec, &seed("000-remote-access-deep-link.json"));
    let own = estate.running_space(&id, "anns", "Ann");
    let bobs = estate.running_space(&id, "bobs", "Bob");
    let other = estate.domain("other");
    estate.profile(&other, "Ann");
    let elsewhere = estate.running_space(&other, "anns", "Ann");
    let ann = estate.in_studio(&exec, &id, Some("Ann"));
    assert!(estate.house.call::<StartSession>(&ann, start(&own)).is_ok());
    // A name in another case is the same space.
    assert!(estate.house.call::<StartSession>(&ann, start(&own.replace("anns", "ANNS"))).is_ok());
    for not_own in [&bobs, &elsewhere] {
        estate.denied(&ann, not_own);
    }
    // Without the keys that Studio puts into credentials nothing matches.
    let shared = estate.in_studio(&exec, &id, None);
    estate.denied(&shared, &own);
    let user = estate.house.user_with_policy("user", &seed("000-remote-access-deep-link.json"));
    estate.denied(&user, &own);
    // The other ways do not come with it.
    let toolkit = api::ListSpacesRequest::default();
    assert!(estate.house.call::<ListSpaces>(&ann, toolkit).is_err());
}

/// SPEC R0.5, 4.6, REMOTE-ACCESS 2.4: the Toolkit's order of calls.
#[test]
fn the_toolkit_policy_suffices_for_the_toolkits_calls_and_each_action_is_missed() {
    let (estate, id) = estate();
    let text = seed("000-remote-access-toolkit.json");
    let actions: Vec<String> = {
        let policy: serde_json::Value = serde_json::from_str(&text).unwrap();
        let listed = policy["Statement"][0]["Action"].as_array().unwrap().iter();
        listed.map(|it| it.as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(actions.len(), 10);
    let run = |caller: &Caller, name: &str| -> Result<(), Fault> {
        let house = &estate.house;
        let mut request = private_space(&id, name, "Ann");
        request.space_settings.as_mut().unwrap().remote_access = None;
        let arn = house.ok::<CreateSpace>(request).space_arn.unwrap();
        let mut app = app_request(&id, name);
        app.tags = Some(vec![tag("by", "toolkit")]);
        house.ok::<CreateApp>(app.clone());
        estate.run_apps();
        house.call::<ListApps>(caller, api::ListAppsRequest::default())?;
        house.call::<ListSpaces>(caller, api::ListSpacesRequest::default())?;
        house.call::<DescribeDomain>(caller, describe(&id))?;
        house.call::<DescribeApp>(caller, describe_app(&app))?;
        house.call::<DeleteApp>(caller, delete_app(&app))?;
        house.call::<DescribeSpace>(caller, describe_space(&id, name))?;
        let enabled = update_space(&id, name, remote(FeatureStatus::Enabled));
        house.call::<UpdateSpace>(caller, enabled)?;
        house.call::<CreateApp>(caller, app.clone())?;
        estate.run_apps();
        estate.run_apps();
        house.call::<AddTags>(
            caller,
            api::AddTagsInput { resource_arn: arn.clone(), tags: vec![tag("a", "b")] },
        )?;
        house.call::<StartSession>(caller, start(&arn))?;
        Ok(())
    };
    let all = estate.house.user_with_policy("all", &text);
    run(&all, "all").unwrap();
    for (number, action) in actions.iter().enumerate() {
        let others: Vec<_> = actions.iter().filter(|it| *it != action).collect();
        let policy = serde_json::json!({
            "Version": "2012-10-17",
            "Statement": [{ "Effect": "Allow", "Action": others, "Resource": "*" }],
        });
        let caller = estate.house.user_with_policy(&format!("u{number}"), &policy.to_string());
        let fault = run(&caller, &format!("s{number}")).unwrap_err();
        assert_eq!(fault.code, "AccessDeniedException");
        assert!(fault.message.contains(action.as_str()), "{action}: {}", fault.message);
    }
    // It is no permission to make spaces.
    assert!(estate.house.call::<CreateSpace>(&all, space_request(&id, "new")).is_err());
}

/// SPEC R0.6, R0.7: the terminal, as the local identity.
#[test]
fn the_terminals_policy_opens_sessions_and_nothing_else() {
    let (estate, id) = estate();
    let arn = estate.running_space(&id, "lab", "Ann");
    let other = estate.running_space(&id, "bobs", "Bob");
    let text = seed("000-remote-access-ssh.json");
    let user = estate.house.user_with_policy("local", &text);
    assert!(estate.house.call::<StartSession>(&user, start(&arn)).is_ok());
    assert!(estate.house.call::<ListSpaces>(&user, Default::default()).is_err());
    assert!(estate.house.call::<DescribeSpace>(&user, describe_space(&id, "lab")).is_err());
    // On the execution role it is of no use to the local identity.
    estate.put_role_policy(&estate.role, &text);
    let nobody = estate.house.user_with_policy("nobody", &text.replace("StartSession", "ListTags"));
    estate.denied(&nobody, &arn);
    let one = estate.house.user_with_policy("one", &text.replace("\"*\"", &format!("\"{arn}\"")));
    assert!(estate.house.call::<StartSession>(&one, start(&arn)).is_ok());
    assert!(estate.house.call::<StartSession>(&one, start(&arn.to_lowercase())).is_ok());
    estate.denied(&one, &other);
}

/// SPEC R0.10.
#[test]
fn conditions_see_remote_access_as_requested_and_the_tags_of_spaces() {
    let (estate, id) = estate();
    let deny = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Deny","Action":["sagemaker:CreateSpace","sagemaker:UpdateSpace"],
         "Resource":"arn:aws:sagemaker:*:*:space/*",
         "Condition":{"StringEquals":{"sagemaker:RemoteAccess":["ENABLED"]}}},
        {"Effect":"Allow","Action":["sagemaker:CreateSpace","sagemaker:UpdateSpace"],
         "Resource":"arn:aws:sagemaker:*:*:space/*"}]}"#;
    let caller = estate.house.user_with_policy("ann", deny);
    let with = |name: &str, access| {
        let mut request = private_space(&id, name, "Ann");
        request.space_settings.as_mut().unwrap().remote_access = access;
        estate.house.call::<CreateSpace>(&caller, request)
    };
    assert!(with("a", Some(FeatureStatus::Enabled)).is_err());
    assert!(with("b", Some(FeatureStatus::Disabled)).is_ok());
    assert!(with("c", None).is_ok());
    let update = |to| estate.house.call::<UpdateSpace>(&caller, update_space(&id, "c", remote(to)));
    assert!(update(FeatureStatus::Enabled).is_err());
    assert!(update(FeatureStatus::Disabled).is_ok());

    let arn = estate.running_space(&id, "lab", "Ann");
    let tags = vec![tag("Team", "red")];
    estate.house.ok::<AddTags>(api::AddTagsInput { resource_arn: arn.clone(), tags });
    for (name, team, right) in [("red", "red", true), ("blue", "blue", false)] {
        let policy = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"sagemaker:StartSession",
            "Resource":"arn:aws:sagemaker:*:*:space/{id}/*",
            "Condition":{{"StringEquals":{{"aws:ResourceTag/Team":"{team}"}}}}}}}}"#
        );
        let caller = estate.house.user_with_policy(name, &policy);
        assert_eq!(
            estate.house.call::<StartSession>(&caller, start(&arn)).is_ok(),
            right,
            "{name}"
        );
    }
}

/// The data channel stays in the VPC where the VPC has an endpoint for it.
#[test]
fn the_stream_is_at_the_vpcs_messages_endpoint_if_there_is_one() {
    let (estate, id) = estate();
    let arn = estate.running_space(&id, "lab", "Ann");
    let api_endpoint = estate.endpoint("com.amazonaws.us-west-2.sagemaker.api");
    let host = || {
        let root = estate.house.root();
        let made =
            estate.house.call_from::<StartSession>(&root, through(&api_endpoint), start(&arn));
        let url = made.unwrap().stream_url.unwrap();
        url.split('/').nth(2).unwrap().to_owned()
    };
    assert_eq!(host(), "127.0.0.1:4566");
    let messages = estate.endpoint("com.amazonaws.us-west-2.ssmmessages");
    assert_eq!(host(), format!("{}:4566", messages.addr));
    let public = estate.house.ok::<StartSession>(start(&arn)).stream_url.unwrap();
    assert!(public.starts_with("ws://127.0.0.1:4566/"), "{public}");
}
