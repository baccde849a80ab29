//! The operations through a whole gate.

use sagegate_api::Unit;
use sagegate_api::iam as iam_api;
use sagegate_api::sts as api;
use sagegate_gate::session::account_of_access_key;
use sagegate_gate::{Caller, Principal, SessionFacts};

use super::assume_role::AssumeRole;
use super::decode::DecodeAuthorizationMessage;
use super::identity::{GetAccessKeyInfo, GetCallerIdentity};
use super::session_token::{GetFederationToken, GetSessionToken};
use crate::iam::policies::{CreatePolicy, DeletePolicy};
use crate::iam::policy_versions::{CreatePolicyVersion, DeletePolicyVersion};
use crate::iam::role_policies::AttachRolePolicy;
use crate::iam::roles::CreateRole;
use crate::iam::users::ListUsers;
use crate::testing::{ACCOUNT, House};

const ALLOW_ALL: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
const TRUST_ACCOUNT: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow",
    "Principal":{"AWS":"123456789012"},
    "Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]}}"#;

fn role(house: &House, name: &str, trust: &str, longest: Option<i32>) -> String {
    let input = iam_api::CreateRoleRequest {
        role_name: name.into(),
        assume_role_policy_document: trust.into(),
        max_session_duration: longest,
        ..Default::default()
    };
    house.ok::<CreateRole>(input).role.unwrap().arn.unwrap()
}

fn assume(role_arn: &str) -> api::AssumeRoleRequest {
    api::AssumeRoleRequest {
        role_arn: role_arn.into(),
        role_session_name: "s1".into(),
        ..Default::default()
    }
}

fn tag(key: &str, value: &str) -> api::Tag {
    api::Tag { key: key.into(), value: value.into() }
}

/// A session of the role as a caller.
fn session(house: &House, name: &str, facts: SessionFacts) -> Caller {
    let role: crate::iam::records::RoleRecord =
        crate::iam::entities::find(&house.state(), &house.scope().account, name).unwrap().unwrap();
    Caller {
        principal: Principal::Role {
            id: role.id,
            name: role.name,
            path: role.path,
            session: "s0".into(),
        },
        session: Some(facts),
        ..house.root()
    }
}

#[test]
fn a_caller_is_told_who_it_is_without_any_permission() {
    let house = House::new();
    let deny =
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#;
    let ann = house.user_with_policy("ann", deny);
    let who = house.call::<GetCallerIdentity>(&ann, Unit).unwrap();
    assert_eq!(who.arn.as_deref(), Some("arn:aws:iam::123456789012:user/ann"));
    assert_eq!(who.account.as_deref(), Some(ACCOUNT));
    assert!(who.user_id.unwrap().starts_with("AIDA"));
    let root = house.ok::<GetCallerIdentity>(Unit);
    assert_eq!(root.user_id.as_deref(), Some(ACCOUNT));
    assert_eq!(root.arn.as_deref(), Some("arn:aws:iam::123456789012:root"));
}

#[test]
fn an_access_key_id_tells_its_account() {
    let house = House::new();
    let key = |id: &str| api::GetAccessKeyInfoRequest { access_key_id: id.into() };
    let id =
        sagegate_gate::session::access_key_id(house.gate.env(), &house.scope().account, "AKIA");
    assert_eq!(house.ok::<GetAccessKeyInfo>(key(&id)).account.as_deref(), Some(ACCOUNT));
    assert_eq!(
        house.fails::<GetAccessKeyInfo>(key("AKIA000000000000")),
        "ValidationError (400): The access key ID AKIA000000000000 is not valid."
    );
    let ann = house.user_with_policy(
        "ann",
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#,
    );
    let text = house.fails_for::<GetAccessKeyInfo>(&ann, key(&id));
    assert_eq!(
        text,
        "AccessDenied (403): User: arn:aws:iam::123456789012:user/ann is not authorized to perform: \
         sts:GetAccessKeyInfo because no identity-based policy allows the sts:GetAccessKeyInfo action"
    );
}

#[test]
fn a_trusted_caller_gets_a_session_of_the_role() {
    let house = House::new();
    let arn = role(&house, "r", TRUST_ACCOUNT, None);
    let ann = house.user_with_policy("ann", ALLOW_ALL);
    let made = house.call::<AssumeRole>(&ann, assume(&arn)).unwrap();
    let user = made.assumed_role_user.unwrap();
    assert_eq!(user.arn.as_deref(), Some("arn:aws:sts::123456789012:assumed-role/r/s1"));
    let id = user.assumed_role_id.unwrap();
    assert!(id.starts_with("AROA") && id.ends_with(":s1"), "{id}");
    let credentials = made.credentials.unwrap();
    let key = credentials.access_key_id.unwrap();
    assert!(key.starts_with("ASIA"));
    assert_eq!(account_of_access_key(&key), Some(house.scope().account));
    let ends = credentials.expiration.unwrap().as_seconds();
    assert_eq!(ends, house.gate.env().now().seconds() + 3_600);
    assert_eq!(made.packed_policy_size, None);
    let size = usize::try_from(made.session_token_size.unwrap()).unwrap();
    assert_eq!(size, credentials.session_token.unwrap().len());
}

#[test]
fn a_role_that_is_missing_reads_like_one_that_does_not_trust() {
    let house = House::new();
    let other = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow",
        "Principal":{"Service":"sagemaker.amazonaws.com"},"Action":"sts:AssumeRole"}}"#;
    let there = role(&house, "there", other, None);
    let missing = there.replace("there", "gone0");
    let ann = house.user_with_policy("ann", ALLOW_ALL);
    let text = |arn: &str| house.fails_for::<AssumeRole>(&ann, assume(arn)).replace(arn, "ARN");
    assert_eq!(text(&there), text(&missing));
    assert!(text(&there).starts_with(
        "AccessDenied (403): User: arn:aws:iam::123456789012:user/ann is not authorized to perform: \
         sts:AssumeRole on resource: ARN"
    ));
    // The path is part of the ARN, and case counts.
    let trusted = role(&house, "trusted", TRUST_ACCOUNT, None);
    assert!(house.call::<AssumeRole>(&ann, assume(&trusted)).is_ok());
    for wrong in [trusted.replace("role/", "role/p/"), trusted.replace("trusted", "TRUSTED")] {
        assert!(house.fails_for::<AssumeRole>(&ann, assume(&wrong)).contains("not authorized"));
    }
    let fault = house.fails_for::<AssumeRole>(&ann, assume("arn:aws:iam::123456789012:user/ann"));
    assert_eq!(fault, "ValidationError (400): arn:aws:iam::123456789012:user/ann is invalid");
}

#[test]
fn root_and_federated_users_cannot_assume_roles() {
    let house = House::new();
    let arn = role(&house, "r", TRUST_ACCOUNT, None);
    assert_eq!(
        house.fails::<AssumeRole>(assume(&arn)),
        "AccessDenied (403): Roles may not be assumed by root accounts."
    );
    let federated = Caller {
        principal: Principal::Federated { name: "bob".into(), user_id: String::new() },
        session: Some(SessionFacts::default()),
        ..house.root()
    };
    let text = house.fails_for::<AssumeRole>(&federated, assume(&arn));
    assert!(text.contains("federated user credentials"), "{text}");
}

#[test]
fn the_external_id_is_what_the_trust_policy_asks_for() {
    let house = House::new();
    let trust = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow",
        "Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole",
        "Condition":{"StringEquals":{"sts:ExternalId":"right","sts:RoleSessionName":"s1"}}}}"#;
    let arn = role(&house, "r", trust, None);
    let ann = house.user_with_policy("ann", ALLOW_ALL);
    let with = |id: Option<&str>| api::AssumeRoleRequest {
        external_id: id.map(Into::into),
        ..assume(&arn)
    };
    assert!(house.call::<AssumeRole>(&ann, with(Some("right"))).is_ok());
    assert!(house.call::<AssumeRole>(&ann, with(Some("wrong"))).is_err());
    assert!(house.call::<AssumeRole>(&ann, with(None)).is_err());
}

#[test]
fn tags_and_source_identity_need_their_own_permissions() {
    let house = House::new();
    let trust = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow",
        "Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"}}"#;
    let plain = role(&house, "plain", trust, None);
    let open = role(&house, "open", TRUST_ACCOUNT, None);
    let ann = house.user_with_policy("ann", ALLOW_ALL);
    let tagged =
        |arn: &str| api::AssumeRoleRequest { tags: Some(vec![tag("Team", "red")]), ..assume(arn) };
    let named =
        |arn: &str| api::AssumeRoleRequest { source_identity: Some("ann".into()), ..assume(arn) };
    assert!(house.call::<AssumeRole>(&ann, assume(&plain)).is_ok());
    let text = house.fails_for::<AssumeRole>(&ann, tagged(&plain));
    assert!(text.contains("sts:TagSession on resource"), "{text}");
    let text = house.fails_for::<AssumeRole>(&ann, named(&plain));
    assert!(text.contains("sts:SetSourceIdentity on resource"), "{text}");
    let made = house.call::<AssumeRole>(&ann, tagged(&open)).unwrap();
    assert_eq!(made.packed_policy_size, Some(1));
    let made = house.call::<AssumeRole>(&ann, named(&open)).unwrap();
    assert_eq!(made.source_identity.as_deref(), Some("ann"));
}

#[test]
fn a_chain_of_roles_is_bound_by_its_rules() {
    let house = House::new();
    let first = role(&house, "first", TRUST_ACCOUNT, Some(43_200));
    let second = role(&house, "second", TRUST_ACCOUNT, Some(43_200));
    let policy = iam_api::PutRolePolicyRequest {
        role_name: "first".into(),
        policy_name: "all".into(),
        policy_document: ALLOW_ALL.into(),
    };
    house.ok::<crate::iam::role_policies::PutRolePolicy>(policy);
    let facts = SessionFacts {
        tags: [("Team".to_owned(), "red".to_owned())].into(),
        transitive: vec!["Team".into()],
        source_identity: Some("ann".into()),
        ..SessionFacts::default()
    };
    let caller = session(&house, "first", facts);
    let long = api::AssumeRoleRequest { duration_seconds: Some(3_601), ..assume(&second) };
    assert_eq!(
        house.fails_for::<AssumeRole>(&caller, long.clone()),
        "ValidationError (400): The requested DurationSeconds exceeds the 1 hour session limit for \
         roles assumed by role chaining"
    );
    let ann = house.user_with_policy("ann", ALLOW_ALL);
    let longer = api::AssumeRoleRequest { duration_seconds: Some(43_200), ..assume(&first) };
    assert!(house.call::<AssumeRole>(&ann, longer).is_ok());
    let made = house.call::<AssumeRole>(&caller, assume(&second)).unwrap();
    assert_eq!(made.source_identity.as_deref(), Some("ann"));
    let other = api::AssumeRoleRequest { source_identity: Some("bob".into()), ..assume(&second) };
    let text = house.fails_for::<AssumeRole>(&caller, other);
    assert!(text.starts_with("AccessDenied (403): The source identity"), "{text}");
    let over = api::AssumeRoleRequest { tags: Some(vec![tag("team", "blue")]), ..assume(&second) };
    assert!(house.fails_for::<AssumeRole>(&caller, over).contains("cannot be overridden"));
    // Tags that come down the chain must be let in by the next role, too.
    let trust = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow",
        "Principal":{"AWS":"123456789012"},
        "Action":["sts:AssumeRole","sts:SetSourceIdentity"]}}"#;
    let strict = role(&house, "strict", trust, None);
    let text = house.fails_for::<AssumeRole>(&caller, assume(&strict));
    assert!(text.contains("sts:TagSession"), "{text}");
    let short = role(&house, "short", TRUST_ACCOUNT, None);
    let long = api::AssumeRoleRequest { duration_seconds: Some(3_601), ..assume(&short) };
    assert_eq!(
        house.fails_for::<AssumeRole>(&ann, long),
        "ValidationError (400): The requested DurationSeconds exceeds the MaxSessionDuration set for \
         this role."
    );
}

#[test]
fn session_policies_are_checked_and_measured() {
    let house = House::new();
    let arn = role(&house, "r", TRUST_ACCOUNT, None);
    let ann = house.user_with_policy("ann", ALLOW_ALL);
    let with = |policy: &str, arns: &[&str]| api::AssumeRoleRequest {
        policy: Some(policy.into()),
        policy_arns: Some(
            arns.iter().map(|arn| api::PolicyDescriptorType { arn: Some((*arn).into()) }).collect(),
        ),
        ..assume(&arn)
    };
    let made = house.call::<AssumeRole>(&ann, with(ALLOW_ALL, &[])).unwrap();
    assert!(made.packed_policy_size.unwrap() > 0);
    let text = house.fails_for::<AssumeRole>(&ann, with("{}", &[]));
    assert!(text.starts_with("MalformedPolicyDocument (400): "), "{text}");
    let text = house
        .fails_for::<AssumeRole>(&ann, with(ALLOW_ALL, &["arn:aws:iam::123456789012:policy/none"]));
    assert_eq!(
        text,
        "ValidationError (400): Policy arn:aws:iam::123456789012:policy/none does not exist or is \
         not attachable."
    );
    let eleven = ["arn:aws:iam::123456789012:policy/none"; 11];
    let text = house.fails_for::<AssumeRole>(&ann, with(ALLOW_ALL, &eleven));
    assert!(text.contains("length less than or equal to 10"), "{text}");
    let many: Vec<api::Tag> = (0..50).map(|it| tag(&format!("k{it}"), &"v".repeat(100))).collect();
    let input = api::AssumeRoleRequest { tags: Some(many), ..assume(&arn) };
    let text = house.fails_for::<AssumeRole>(&ann, input);
    assert!(text.starts_with("PackedPolicyTooLarge (400): Packed size of session tags"), "{text}");
}

#[test]
fn managed_session_policies_say_what_they_say_now() {
    let house = House::new();
    role(&house, "r", TRUST_ACCOUNT, None);
    house.ok::<AttachRolePolicy>(iam_api::AttachRolePolicyRequest {
        role_name: "r".into(),
        policy_arn: "arn:aws:iam::aws:policy/AdministratorAccess".into(),
    });
    let made = house.ok::<CreatePolicy>(iam_api::CreatePolicyRequest {
        policy_name: "P".into(),
        policy_document: ALLOW_ALL.into(),
        ..Default::default()
    });
    let arn = made.policy.unwrap().arn.unwrap();
    let facts = |inline: &[&str]| SessionFacts {
        policies: inline.iter().map(|it| ("session policy".into(), (*it).into())).collect(),
        managed_policies: vec![arn.clone()],
        ..SessionFacts::default()
    };
    let (alone, beside) =
        (session(&house, "r", facts(&[])), session(&house, "r", facts(&[ALLOW_ALL])));
    let lists = |caller: &Caller| house.call::<ListUsers>(caller, Default::default()).is_ok();
    assert!(lists(&alone) && lists(&beside));
    house.ok::<CreatePolicyVersion>(iam_api::CreatePolicyVersionRequest {
        policy_arn: arn.clone(),
        policy_document: ALLOW_ALL.replace("Allow", "Deny"),
        set_as_default: Some(true),
    });
    assert!(!lists(&alone) && !lists(&beside));
    house.ok::<CreatePolicyVersion>(iam_api::CreatePolicyVersionRequest {
        policy_arn: arn.clone(),
        policy_document: ALLOW_ALL.into(),
        set_as_default: Some(true),
    });
    assert!(lists(&alone) && lists(&beside));
    // What is gone could have held a Deny.
    for version in ["v1", "v2"] {
        house.ok::<DeletePolicyVersion>(iam_api::DeletePolicyVersionRequest {
            policy_arn: arn.clone(),
            version_id: version.into(),
        });
    }
    house.ok::<DeletePolicy>(iam_api::DeletePolicyRequest { policy_arn: arn.clone() });
    assert!(!lists(&alone) && !lists(&beside));
}

#[test]
fn large_managed_policies_are_session_policies_as_well() {
    let house = House::new();
    let arn = role(&house, "r", TRUST_ACCOUNT, None);
    let ann = house.user_with_policy("ann", ALLOW_ALL);
    let large = ["AmazonSageMakerFullAccess", "ReadOnlyAccess"].map(|name| {
        api::PolicyDescriptorType { arn: Some(format!("arn:aws:iam::aws:policy/{name}")) }
    });
    let input = api::AssumeRoleRequest { policy_arns: Some(large.into()), ..assume(&arn) };
    let made = house.call::<AssumeRole>(&ann, input).unwrap();
    assert!(made.packed_policy_size.unwrap() < 10);
}

#[test]
fn a_token_has_the_size_that_was_asked_for() {
    let house = House::new();
    let arn = role(&house, "r", TRUST_ACCOUNT, None);
    let ann = house.user_with_policy("ann", ALLOW_ALL);
    let input = api::AssumeRoleRequest { minimum_session_token_size: Some(4_096), ..assume(&arn) };
    let made = house.call::<AssumeRole>(&ann, input).unwrap();
    assert!(made.session_token_size.unwrap() >= 4_096);
}

#[test]
fn multi_factor_devices_and_foreign_contexts_are_refused() {
    let house = House::new();
    let arn = role(&house, "r", TRUST_ACCOUNT, None);
    let ann = house.user_with_policy("ann", ALLOW_ALL);
    let mfa = api::AssumeRoleRequest {
        serial_number: Some("arn:aws:iam::123456789012:mfa/ann".into()),
        token_code: Some("123456".into()),
        ..assume(&arn)
    };
    let text = house.fails_for::<AssumeRole>(&ann, mfa);
    assert!(text.starts_with("AccessDenied (403): MultiFactorAuthentication failed"), "{text}");
    let context = api::AssumeRoleRequest {
        provided_contexts: Some(vec![api::ProvidedContext::default()]),
        ..assume(&arn)
    };
    assert!(house.fails_for::<AssumeRole>(&ann, context).contains("ProvidedContexts"));
}

#[test]
fn only_long_term_credentials_get_a_session_token() {
    let house = House::new();
    role(&house, "r", TRUST_ACCOUNT, None);
    let ann = house.user_with_policy(
        "ann",
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#,
    );
    let input = || api::GetSessionTokenRequest::default();
    let now = house.gate.env().now().seconds();
    let life = |made: api::GetSessionTokenResponse| {
        made.credentials.unwrap().expiration.unwrap().as_seconds() - now
    };
    // Nobody needs permission for it, and nobody's policy can deny it.
    assert_eq!(life(house.call::<GetSessionToken>(&ann, input()).unwrap()), 43_200);
    let long = api::GetSessionTokenRequest { duration_seconds: Some(129_600), ..input() };
    assert_eq!(life(house.ok::<GetSessionToken>(long)), 3_600);
    let caller = session(&house, "r", SessionFacts::default());
    assert_eq!(
        house.fails_for::<GetSessionToken>(&caller, input()),
        "AccessDenied (403): Cannot call GetSessionToken with session credentials"
    );
    let half = api::GetSessionTokenRequest { serial_number: Some("x".into()), ..input() };
    let text = house.fails_for::<GetSessionToken>(&ann, half);
    assert!(text.contains("must provide both MFA serial number"), "{text}");
}

#[test]
fn a_federated_user_is_made_by_a_user_who_may() {
    let house = House::new();
    let ann = house.user_with_policy(
        "ann",
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:GetFederationToken",
            "Resource":"arn:aws:sts::123456789012:federated-user/bob"}}"#,
    );
    let input = |name: &str| api::GetFederationTokenRequest {
        name: name.into(),
        policy: Some(ALLOW_ALL.into()),
        ..Default::default()
    };
    let made = house.call::<GetFederationToken>(&ann, input("bob")).unwrap();
    let user = made.federated_user.unwrap();
    assert_eq!(user.federated_user_id.as_deref(), Some("123456789012:bob"));
    assert_eq!(user.arn.as_deref(), Some("arn:aws:sts::123456789012:federated-user/bob"));
    assert!(made.packed_policy_size.unwrap() > 0);
    let text = house.fails_for::<GetFederationToken>(&ann, input("eve"));
    assert!(
        text.contains(
            "sts:GetFederationToken on resource: arn:aws:sts::123456789012:federated-user/eve"
        ),
        "{text}"
    );
    let tagged = api::GetFederationTokenRequest { tags: Some(vec![tag("a", "b")]), ..input("bob") };
    assert!(house.fails_for::<GetFederationToken>(&ann, tagged).contains("sts:TagSession"));
    role(&house, "r", TRUST_ACCOUNT, None);
    let caller = session(&house, "r", SessionFacts::default());
    assert_eq!(
        house.fails_for::<GetFederationToken>(&caller, input("bob")),
        "AccessDenied (403): Cannot call GetFederationToken with session credentials"
    );
}

#[test]
fn an_authorization_message_opens_for_its_own_account_only() {
    let house = House::new();
    let seal = |account: &str| {
        let text = format!(
            r#"{{"allowed":false,"context":{{"principal":{{"arn":"arn:aws:iam::{account}:user/ann"}}}}}}"#
        );
        let purpose = sagegate_gate::denial::PURPOSE;
        house.gate.vault().seal_text(house.gate.env(), purpose, text.as_bytes())
    };
    let input =
        |message: String| api::DecodeAuthorizationMessageRequest { encoded_message: message };
    let opened = house.ok::<DecodeAuthorizationMessage>(input(seal(ACCOUNT)));
    assert!(opened.decoded_message.unwrap().contains("\"allowed\":false"));
    for wrong in [seal("999999999999"), "x".into()] {
        let text = house.fails::<DecodeAuthorizationMessage>(input(wrong));
        assert!(text.starts_with("InvalidAuthorizationMessageException (400): "), "{text}");
    }
}

#[test]
fn sessions_of_users_reach_little_of_sts() {
    let house = House::new();
    house.user_with_policy("ann", ALLOW_ALL);
    let arn = role(&house, "r", TRUST_ACCOUNT, None);
    for (issuer, assumes) in [("GetSessionToken", true), ("GetFederationToken", false)] {
        let facts = SessionFacts {
            issuer: issuer.into(),
            policies: vec![("session policy".into(), ALLOW_ALL.into())],
            ..SessionFacts::default()
        };
        let user = house.user("ann");
        let user_id = user.unique_id().unwrap().to_owned();
        let principal = match issuer {
            "GetFederationToken" => Principal::Federated { name: "bob".into(), user_id },
            _ => user.principal.clone(),
        };
        let caller = Caller { principal, session: Some(facts), ..user };
        assert!(house.call::<GetCallerIdentity>(&caller, Unit).is_ok(), "{issuer}");
        assert_eq!(house.call::<AssumeRole>(&caller, assume(&arn)).is_ok(), assumes, "{issuer}");
        let key = api::GetAccessKeyInfoRequest { access_key_id: "AKIA000000000000".into() };
        let text = house.fails_for::<GetAccessKeyInfo>(&caller, key);
        assert_eq!(
            text,
            "AccessDenied (403): Cannot call GetAccessKeyInfo with session credentials"
        );
        let message = api::DecodeAuthorizationMessageRequest { encoded_message: "x".into() };
        let text = house.fails_for::<DecodeAuthorizationMessage>(&caller, message);
        assert!(text.contains("with session credentials"), "{text}");
        let token = api::GetSessionTokenRequest::default();
        let text = house.fails_for::<GetSessionToken>(&caller, token);
        assert!(text.contains("with session credentials"), "{text}");
    }
}
