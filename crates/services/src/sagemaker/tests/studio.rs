//! Presigned URLs, and the sessions that they open.

use sagegate_gate::env::Time;
use sagegate_gate::{Caller, Refusal};

use super::*;
use crate::sagemaker::ids::DomainId;
use crate::sagemaker::presigned::CreatePresignedDomainUrl;
use crate::sagemaker::studio::{self, Door, NotAdmitted, Opened, SESSIONS, TOKENS, Visit};
use crate::sagemaker::write_profile::DeleteUserProfile;

const MAY_OPEN: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow",
    "Action":"sagemaker:CreatePresignedDomainUrl","Resource":"*"}}"#;

fn url(domain: &str, name: &str) -> api::CreatePresignedDomainUrlRequest {
    api::CreatePresignedDomainUrlRequest {
        domain_id: domain.into(),
        user_profile_name: name.into(),
        ..Default::default()
    }
}

fn token_in(url: &str) -> &str {
    url.split_once("/auth?token=").unwrap().1
}

impl Estate {
    fn door(&self, domain: &str) -> Door {
        Door::Public { scope: self.house.scope(), domain: DomainId::parse(domain).unwrap() }
    }

    fn now(&self) -> Time {
        self.house.gate.env().now()
    }

    #[track_caller]
    fn url(&self, caller: &Caller, domain: &str, name: &str) -> String {
        let made = self.house.call::<CreatePresignedDomainUrl>(caller, url(domain, name));
        made.unwrap().authorized_url.unwrap()
    }

    fn redeem(&self, door: &Door, token: &str) -> Result<Opened, NotAdmitted> {
        let (env, vault) = (self.house.gate.env().clone(), self.house.gate.vault().clone());
        let now = self.now();
        self.house.transact(|tx| studio::let_in(studio::redeem(tx, &env, &vault, now, door, token)))
    }

    fn session(&self, door: &Door, domain: &str, cookie: &str) -> Result<Visit, NotAdmitted> {
        let state = self.house.state();
        let domain = DomainId::parse(domain).unwrap();
        let vault = self.house.gate.vault();
        let found = studio::session(&state, vault, self.now(), door, &domain, cookie);
        studio::let_in(found).unwrap()
    }

    /// Whether the visit is allowed by this network.
    fn allowed(&self, visit: &Visit, arrival: Arrival) -> Result<(), String> {
        let gate = &self.house.gate;
        let caller = gate.caller_as_of_now(visit.caller.clone()).unwrap();
        let caller = caller.ok_or("the caller is gone")?;
        let context = sagegate_gate::Context {
            caller,
            arrival,
            request_id: "r".into(),
            user_agent: "browser".into(),
            now: self.now(),
            secure: false,
        };
        let needs = visit.needs(&self.house.state()).unwrap();
        match gate.check(&context, needs) {
            Ok(_) => Ok(()),
            Err(Refusal::Denied(denial)) => Err(denial.text()),
            Err(other) => panic!("{other:?}"),
        }
    }
}

fn public() -> Arrival {
    Arrival::Public { source_ip: std::net::IpAddr::from([203, 0, 113, 7]) }
}

#[test]
fn a_url_opens_once_and_its_session_lasts_as_long_as_was_asked() {
    let estate = Estate::new();
    let id = estate.domain("team");
    estate.profile(&id, "Ann");
    let caller = estate.house.user_with_policy("ann", MAY_OPEN);
    let mut request = url(&id, "ann");
    request.session_expiration_duration_in_seconds = Some(1_800);
    request.landing_uri = Some("app:JupyterLab:lab".into());
    let made = estate.house.call::<CreatePresignedDomainUrl>(&caller, request).unwrap();
    let made = made.authorized_url.unwrap();
    assert!(made.starts_with("http://127.66.0.1:4566/auth?token="), "{made}");
    let door = estate.door(&id);
    let opened = estate.redeem(&door, token_in(&made)).unwrap();
    assert_eq!(opened.max_age, 1_800);
    assert_eq!(opened.visit.profile.name, "Ann");
    assert_eq!(opened.visit.caller, caller);
    assert_eq!(opened.visit.landing.as_deref(), Some("app:JupyterLab:lab"));
    assert_eq!(estate.redeem(&door, token_in(&made)).unwrap_err(), NotAdmitted::Unknown);
    let cookie = opened.cookie.reveal();
    let visit = estate.session(&door, &id, cookie).unwrap();
    assert_eq!(visit.profile_arn(), opened.visit.profile_arn());
    assert!(estate.allowed(&visit, public()).is_ok());
    estate.house.clock.advance_millis(1_800_000 - 1);
    assert!(estate.session(&door, &id, cookie).is_ok());
    estate.house.clock.advance_millis(1);
    assert_eq!(estate.session(&door, &id, cookie).unwrap_err(), NotAdmitted::Expired);
}

#[test]
fn a_url_leads_to_a_space_that_the_profile_may_enter() {
    let estate = Estate::new();
    let id = estate.domain("team");
    for name in ["Ann", "Bob"] {
        estate.profile(&id, name);
    }
    estate.house.ok::<CreateSpace>(private_space(&id, "Lab", "Ann"));
    estate.house.ok::<CreateSpace>(space_request(&id, "shared"));
    let into = |name: &str, space: &str| {
        let mut request = url(&id, name);
        request.space_name = Some(space.into());
        estate.house.call::<CreatePresignedDomainUrl>(&estate.house.root(), request)
    };
    for (profile, given, space) in
        [("ann", "LAB", "Lab"), ("Ann", "shared", "shared"), ("Bob", "Shared", "shared")]
    {
        let made = into(profile, given).unwrap().authorized_url.unwrap();
        let opened = estate.redeem(&estate.door(&id), token_in(&made)).unwrap();
        assert_eq!(opened.visit.space.as_deref(), Some(space));
        let visit = estate.session(&estate.door(&id), &id, opened.cookie.reveal()).unwrap();
        assert_eq!(visit.space.as_deref(), Some(space));
    }
    let text = super::text(&into("Bob", "Lab").unwrap_err());
    assert!(text.contains("Space [Lab] is private to another user profile than [Bob]"), "{text}");
    let text = super::text(&into("Bob", "none").unwrap_err());
    assert!(text.starts_with("ResourceNotFound (400): RecordNotFound: Space"), "{text}");
}

#[test]
fn a_url_expires() {
    let estate = Estate::new();
    let id = estate.domain("team");
    estate.profile(&id, "ann");
    let door = estate.door(&id);
    let mut request = url(&id, "ann");
    request.expires_in_seconds = Some(5);
    let short = estate.house.ok::<CreatePresignedDomainUrl>(request).authorized_url.unwrap();
    let long = estate.url(&estate.house.root(), &id, "ann");
    estate.house.clock.advance_millis(5_000);
    assert_eq!(estate.redeem(&door, token_in(&short)).unwrap_err(), NotAdmitted::Unknown);
    estate.house.clock.advance_millis(294_999);
    assert!(estate.redeem(&door, token_in(&long)).is_ok());
    // What has ended is cleared away by those who come later.
    estate.house.clock.advance_millis(43_200_000);
    estate.url(&estate.house.root(), &id, "ann");
    let state = estate.house.state();
    assert_eq!(TOKENS.count(&state, &()).unwrap(), 1);
    assert_eq!(SESSIONS.count(&state, &()).unwrap(), 0);
}

#[test]
fn only_digests_are_stored() {
    let estate = Estate::new();
    let id = estate.domain("team");
    estate.profile(&id, "ann");
    let made = estate.url(&estate.house.root(), &id, "ann");
    let token = token_in(&made);
    let rows = TOKENS.scan(&estate.house.state(), &(), None, 9).unwrap();
    let stored = serde_json::to_string(&rows.iter().map(|(k, v)| (k, v)).collect::<Vec<_>>());
    let stored = stored.unwrap();
    assert!(!stored.contains(token));
    assert!(!stored.contains("AKIATESTTESTTESTTEST"), "the caller is sealed: {stored}");
    let opened = estate.redeem(&estate.door(&id), token).unwrap();
    assert!(!format!("{opened:?}").contains(opened.cookie.reveal()));
}

#[test]
fn every_click_is_decided_with_the_network_and_the_policies_of_now() {
    let estate = Estate::new();
    let id = estate.domain("team");
    estate.profile(&id, "ann");
    let api_endpoint = estate.endpoint("com.amazonaws.us-west-2.sagemaker.api");
    let inside = MAY_OPEN.replace(
        r#""Resource":"*""#,
        &format!(
            r#""Resource":"*","Condition":{{"StringEquals":{{"aws:SourceVpc":"{}"}}}}"#,
            estate.vpc
        ),
    );
    let caller = estate.house.user_with_policy("ann", &inside);
    let text = estate.house.fails_for::<CreatePresignedDomainUrl>(&caller, url(&id, "ann"));
    assert!(text.starts_with("AccessDeniedException (400): "), "{text}");
    let made = estate
        .house
        .call_from::<CreatePresignedDomainUrl>(&caller, through(&api_endpoint), url(&id, "ann"))
        .map_err(|fault| super::text(&fault))
        .unwrap();
    // The VPC has no endpoint for Studio, so the public door is named.
    let made = made.authorized_url.unwrap();
    assert!(made.starts_with("http://127.66.0.1:4566/"), "{made}");
    let door = estate.door(&id);
    let opened = estate.redeem(&door, token_in(&made)).unwrap();
    let cookie = opened.cookie.reveal();
    let visit = estate.session(&door, &id, cookie).unwrap();
    let why = estate.allowed(&visit, public()).unwrap_err();
    assert!(why.contains("sagemaker:CreatePresignedDomainUrl"), "{why}");

    let studio_endpoint = estate.endpoint("aws.sagemaker.us-west-2.studio");
    assert!(estate.allowed(&visit, through(&studio_endpoint)).is_ok());
    let made = estate
        .house
        .call_from::<CreatePresignedDomainUrl>(&caller, through(&api_endpoint), url(&id, "ann"))
        .unwrap();
    let expected = format!("http://{}:4566/auth?token=", studio_endpoint.addr);
    let made = made.authorized_url.unwrap();
    assert!(made.starts_with(&expected), "{made}");
    let by_endpoint = Door::Endpoint { region: estate.house.scope().region };
    assert!(estate.redeem(&by_endpoint, token_in(&made)).is_ok());

    use sagegate_api::iam::DeleteUserPolicyRequest;
    estate.house.ok::<crate::iam::user_policies::DeleteUserPolicy>(DeleteUserPolicyRequest {
        user_name: "ann".into(),
        policy_name: "inline".into(),
    });
    let visit = estate.session(&door, &id, cookie).unwrap();
    assert!(estate.allowed(&visit, through(&studio_endpoint)).is_err());
    estate.house.ok::<crate::iam::users::DeleteUser>(sagegate_api::iam::DeleteUserRequest {
        user_name: "ann".into(),
    });
    let visit = estate.session(&door, &id, cookie).unwrap();
    assert_eq!(estate.allowed(&visit, public()).unwrap_err(), "the caller is gone");
}

#[test]
fn a_door_serves_its_own_domain_only() {
    let estate = Estate::new();
    let one = estate.domain("one");
    let two = estate.domain("two");
    estate.profile(&one, "ann");
    let made = estate.url(&estate.house.root(), &one, "ann");
    let (right, wrong) = (estate.door(&one), estate.door(&two));
    assert_eq!(estate.redeem(&wrong, token_in(&made)).unwrap_err(), NotAdmitted::Unknown);
    let opened = estate.redeem(&right, token_in(&made)).unwrap();
    let cookie = opened.cookie.reveal();
    assert_eq!(estate.session(&wrong, &one, cookie).unwrap_err(), NotAdmitted::Unknown);
    assert!(estate.session(&right, &one, cookie).is_ok());
    // An endpoint serves all domains, each session for its own.
    let by_endpoint = Door::Endpoint { region: estate.house.scope().region };
    assert!(estate.session(&by_endpoint, &one, cookie).is_ok());
    assert_eq!(estate.session(&by_endpoint, &two, cookie).unwrap_err(), NotAdmitted::Unknown);
    let abroad = sagegate_gate::Region::parse("eu-west-1").unwrap();
    let abroad = Door::Endpoint { region: abroad };
    assert_eq!(estate.session(&abroad, &one, cookie).unwrap_err(), NotAdmitted::Unknown);
}

#[test]
fn a_session_does_not_outlive_its_profile_or_its_visitor() {
    let estate = Estate::new();
    let id = estate.domain("team");
    estate.profile(&id, "ann");
    let door = estate.door(&id);
    let made = estate.url(&estate.house.root(), &id, "ann");
    let unused = estate.url(&estate.house.root(), &id, "ann");
    let opened = estate.redeem(&door, token_in(&made)).unwrap();
    estate.house.ok::<DeleteUserProfile>(api::DeleteUserProfileRequest {
        domain_id: id.clone(),
        user_profile_name: "ann".into(),
    });
    // One made again under the same name inherits neither session nor token.
    estate.profile(&id, "ann");
    assert_eq!(estate.session(&door, &id, opened.cookie.reveal()).unwrap_err(), NotAdmitted::Gone);
    assert_eq!(estate.redeem(&door, token_in(&unused)).unwrap_err(), NotAdmitted::Gone);

    let made = estate.url(&estate.house.root(), &id, "ann");
    let opened = estate.redeem(&door, token_in(&made)).unwrap();
    let cookie = opened.cookie.reveal().to_owned();
    estate.house.transact(|tx| studio::log_out(tx, &cookie));
    estate.house.transact(|tx| studio::log_out(tx, &cookie));
    assert_eq!(estate.session(&door, &id, &cookie).unwrap_err(), NotAdmitted::Unknown);
}

#[test]
fn what_has_no_url_is_told_why() {
    let estate = Estate::new();
    let id = estate.domain("team");
    estate.profile(&id, "ann");
    let fails = |request| estate.house.fails::<CreatePresignedDomainUrl>(request);
    let text = fails(url("d-missing", "ann"));
    assert!(text.starts_with("ResourceNotFound (400): RecordNotFound: Domain ["), "{text}");
    let text = fails(url(&id, "bob"));
    assert!(text.starts_with("ResourceNotFound (400): RecordNotFound: UserProfile ["), "{text}");
    let mut request = url(&id, "ann");
    request.space_name = Some("s".into());
    let text = fails(request);
    assert!(text.starts_with("ResourceNotFound (400): RecordNotFound: Space ["), "{text}");
    let mut request = url(&id, "ann");
    request.landing_uri = Some("https://example.com".into());
    let text = fails(request);
    assert!(text.starts_with("ValidationException (400): Invalid LandingUri"), "{text}");

    let mut request = estate.domain_request("sso");
    request.auth_mode = api::AuthMode::Sso;
    let sso = estate.house.ok::<CreateDomain>(request).domain_id.unwrap();
    let text = fails(url(&sso, "ann"));
    assert!(
        text.starts_with("ValidationException (400): CreatePresignedDomainUrl can only"),
        "{text}"
    );

    let still = Estate::standing_still();
    let id = still.domain("team");
    still.advance();
    still.profile(&id, "ann");
    let text = still.house.fails::<CreatePresignedDomainUrl>(url(&id, "ann"));
    assert!(text.ends_with("is not InService; its status is Pending."), "{text}");
}

#[test]
fn who_may_not_use_studio_is_not_let_in() {
    use crate::sagemaker::update_domain::UpdateDomain;
    use crate::sagemaker::write_profile::UpdateUserProfile;
    let estate = Estate::new();
    let id = estate.domain("team");
    estate.profile(&id, "ann");
    let door = estate.door(&id);
    let made = estate.url(&estate.house.root(), &id, "ann");
    let opened = estate.redeem(&door, token_in(&made)).unwrap();
    let portal =
        |portal| Some(api::UserSettings { studio_web_portal: Some(portal), ..Default::default() });
    estate.house.ok::<UpdateDomain>(api::UpdateDomainRequest {
        domain_id: id.clone(),
        default_user_settings: portal(api::StudioWebPortal::Disabled),
        ..Default::default()
    });
    let cookie = opened.cookie.reveal();
    assert_eq!(estate.session(&door, &id, cookie).unwrap_err(), NotAdmitted::StudioDisabled);
    // The profile's own word counts before that of the domain.
    estate.house.ok::<UpdateUserProfile>(api::UpdateUserProfileRequest {
        domain_id: id.clone(),
        user_profile_name: "ann".into(),
        user_settings: portal(api::StudioWebPortal::Enabled),
    });
    let visit = estate.session(&door, &id, cookie).unwrap();
    assert_eq!(visit.settings().unwrap().execution_role.as_ref(), Some(&estate.role));
}

#[test]
fn an_address_that_is_not_ours_is_not_named() {
    let estate = Estate::standing_still();
    let id = estate.domain("team");
    estate.advance_only();
    let shown = estate.describe(&id);
    assert_eq!((shown.status, shown.url), (Some(api::DomainStatus::Pending), None));

    let taken = Binding::Failed("cannot listen on 127.66.0.1:4566: Address already in use".into());
    estate.house.transact(|tx| bind_all(tx, &taken));
    estate.advance_only();
    let shown = estate.describe(&id);
    assert_eq!((shown.status, shown.url), (Some(api::DomainStatus::Failed), None));
    assert_eq!(
        shown.failure_reason.as_deref(),
        Some(
            "The address of the domain's URL cannot be opened: cannot listen on \
             127.66.0.1:4566: Address already in use"
        )
    );

    estate.advance();
    let shown = estate.describe(&id);
    assert_eq!((shown.status, shown.failure_reason), (Some(api::DomainStatus::InService), None));
    assert_eq!(shown.url.as_deref(), Some("http://127.66.0.1:4566"));
    estate.profile(&id, "ann");
    estate.advance();

    // A start that cannot bind it: the domain and its sessions are there, its URL is not.
    estate.house.transact(|tx| bind_all(tx, &taken));
    estate.advance_only();
    let shown = estate.describe(&id);
    assert_eq!((shown.status, shown.url), (Some(api::DomainStatus::InService), None));
    let text = estate.house.fails::<CreatePresignedDomainUrl>(url(&id, "ann"));
    assert_eq!(
        text,
        format!(
            "ServiceUnavailable (503): Domain [{id}] cannot be opened: the address of its URL, \
             127.66.0.1, is not ours: cannot listen on 127.66.0.1:4566: Address already in use."
        )
    );
    assert_eq!(TOKENS.count(&estate.house.state(), &()).unwrap(), 0);
    // By the VPC's own endpoint it can be opened.
    let through_vpc = through(&estate.endpoint("com.amazonaws.us-west-2.sagemaker.api"));
    let studio = estate.endpoint("aws.sagemaker.us-west-2.studio");
    let root = estate.house.root();
    let made =
        estate.house.call_from::<CreatePresignedDomainUrl>(&root, through_vpc, url(&id, "ann"));
    let made = made.unwrap().authorized_url.unwrap();
    assert!(made.starts_with(&format!("http://{}:4566/", studio.addr)), "{made}");
}
