//! Roles that services assume, and the condition keys that their sessions carry.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use sagegate_api::iam as api;
use sagegate_gate::audit::Record;
use sagegate_gate::session::TemporaryCredentials;
use sagegate_gate::{Caller, Context, Fault, Need, Principal, Refusal};
use sagegate_network::Arrival;
use serde_json::json;

use crate::iam::role_policies::PutRolePolicy;
use crate::iam::role_tags::TagRole;
use crate::iam::role_update::UpdateAssumeRolePolicy;
use crate::iam::roles::{CreateRole, DeleteRole, GetRole};
use crate::iam::service_role::{Entered, Entry, assume, enter};
use crate::testing::House;

const SERVICE: &str = "sagemaker.amazonaws.com";
const ROLE: &str = "arn:aws:iam::123456789012:role/studio";
const DOMAIN: &str = "arn:aws:sagemaker:us-west-2:123456789012:domain/d-one";
const REFUSED: &str = "ValidationException (400): Could not assume role \
    arn:aws:iam::123456789012:role/studio. Please ensure that the role exists and allows principal \
    'sagemaker.amazonaws.com' to assume the role.";

fn trust(extra: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"Service":"{SERVICE}"}},
        "Action":["sts:AssumeRole"]{extra}}}}}"#
    )
}

fn make(house: &House, name: &str, trust: &str) {
    house.ok::<CreateRole>(api::CreateRoleRequest {
        role_name: name.into(),
        assume_role_policy_document: trust.into(),
        ..Default::default()
    });
}

fn put_policy(house: &House, role: &str, policy: &str) {
    house.ok::<PutRolePolicy>(api::PutRolePolicyRequest {
        role_name: role.into(),
        policy_name: "inline".into(),
        policy_document: policy.into(),
    });
}

/// The policy of SPEC R0.2: `$SAGEGATE_SHARED`, else `shared` beside the repository.
fn deep_link_policy() -> String {
    let root = std::env::var_os("SAGEGATE_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    std::fs::read_to_string(root.join("seed-policies/000-remote-access-deep-link.json")).unwrap()
}

fn keys(domain: &str, profile: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("sagemaker:DomainId".to_owned(), domain.to_owned()),
        ("sagemaker:UserProfileName".to_owned(), profile.to_owned()),
    ])
}

fn try_assume(
    house: &House,
    keys: BTreeMap<String, String>,
    identity: Option<&str>,
) -> Result<Caller, Fault> {
    let now = house.gate.env().now();
    let identity = identity.map(str::to_owned);
    let (state, scope) = (house.state(), house.scope());
    let life = Duration::from_secs(43_200);
    assume(&state, &scope, ROLE, SERVICE, DOMAIN, "SageMaker", keys, identity, now, life)
}

fn assumed(house: &House, keys: BTreeMap<String, String>) -> Caller {
    try_assume(house, keys, None).unwrap()
}

fn refused(result: Result<Caller, Fault>) -> String {
    let fault = result.unwrap_err();
    format!("{} ({}): {}", fault.code, fault.status, fault.message)
}

fn entry(keys: BTreeMap<String, String>) -> Entry<'static> {
    Entry {
        role_arn: ROLE,
        service: SERVICE,
        source_arn: DOMAIN,
        session_name: "SageMaker",
        keys,
        source_identity: None,
        life: Duration::from_secs(3_600),
    }
}

fn entered(house: &House, entry: &Entry<'_>) -> Result<Entered, Fault> {
    house.wait(enter(&house.gate, &house.scope(), entry))
}

/// What StartSession will ask for a space of this profile.
fn may_start(house: &House, caller: &Caller, domain: &str, owner: &str) -> bool {
    let arn = format!("arn:aws:sagemaker:us-west-2:123456789012:space/{domain}/s1");
    let owner = format!("arn:aws:sagemaker:us-west-2:123456789012:user-profile/{domain}/{owner}");
    let need = Need::on("sagemaker:StartSession", arn)
        .resource_tags("sagemaker", [("sagemaker:user-profile-arn", owner.as_str())]);
    let context = Context {
        caller: caller.clone(),
        arrival: Arrival::Public { source_ip: IpAddr::from([203, 0, 113, 7]) },
        request_id: house.gate.env().uuid(),
        user_agent: "sagemaker:DomainId=d-one".into(),
        now: house.gate.env().now(),
        secure: false,
    };
    match house.gate.check(&context, need.into()) {
        Ok(_) => true,
        Err(Refusal::Denied(_)) => false,
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn the_injected_keys_open_the_own_space_and_no_other() {
    let house = House::new();
    make(&house, "studio", &trust(""));
    put_policy(&house, "studio", &deep_link_policy());
    let ann = assumed(&house, keys("d-one", "ann"));
    assert!(may_start(&house, &ann, "d-one", "ann"));
    assert!(!may_start(&house, &ann, "d-one", "bob"));
    // A name is a whole name, and the same name in another domain is somebody else.
    assert!(!may_start(&house, &ann, "d-one", "anna"));
    assert!(!may_start(&house, &ann, "d-two", "ann"));
    // Without the keys the variables have no value, and the statement matches nothing.
    let plain = assumed(&house, BTreeMap::new());
    let half = assumed(&house, keys("d-one", "ann").into_iter().take(1).collect());
    for caller in [plain, half] {
        assert!(!may_start(&house, &caller, "d-one", "ann"));
        assert!(!may_start(
            &house,
            &caller,
            "${sagemaker:DomainId}",
            "${sagemaker:UserProfileName}"
        ));
    }
}

#[test]
fn the_keys_are_condition_keys_too() {
    let house = House::new();
    make(&house, "studio", &trust(""));
    put_policy(
        &house,
        "studio",
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:GetRole","Resource":"*",
        "Condition":{"StringEquals":{"sagemaker:DomainId":"d-one","sagemaker:UserProfileName":"ann"}}}}"#,
    );
    let get = || api::GetRoleRequest { role_name: "studio".into() };
    assert!(house.call::<GetRole>(&assumed(&house, keys("d-one", "ann")), get()).is_ok());
    for keys in [keys("d-one", "bob"), keys("d-two", "ann"), BTreeMap::new()] {
        let text = house.fails_for::<GetRole>(&assumed(&house, keys), get());
        assert!(text.starts_with("AccessDenied (403): "), "{text}");
    }
}

/// Lets the role see only the role that is named as its session's user profile, and assume roles.
const AS_NAMED: &str = r#"{"Version":"2012-10-17","Statement":[
    {"Effect":"Allow","Action":"iam:GetRole","Resource":"arn:aws:iam::*:role/${sagemaker:UserProfileName}",
     "Condition":{"StringEquals":{"sagemaker:DomainId":"d-one"}}},
    {"Effect":"Allow","Action":"sts:*","Resource":"*"}]}"#;

/// The HTTP status of a signed GetRole of `name`; the keys are named in the request too, where they
/// mean nothing.
fn get_signed(house: &House, credentials: (&str, &str, &str), name: &str) -> u16 {
    let body = format!(
        "Action=GetRole&Version=2010-05-08&RoleName={name}&sagemaker%3ADomainId=d-one&\
         sagemaker%3AUserProfileName={name}"
    );
    let (status, text) = house.signed(credentials, "iam", &body);
    assert!(status == 200 || text.contains("<Code>AccessDenied</Code>"), "{text}");
    status
}

#[test]
fn credentials_carry_the_keys_and_nobody_else_can_bring_them() {
    let house = House::new();
    make(&house, "studio", &trust(""));
    put_policy(&house, "studio", AS_NAMED);
    let Entered { credentials, .. } = entered(&house, &entry(keys("d-one", "studio"))).unwrap();
    let signer = |it: &'_ TemporaryCredentials| {
        [it.access_key_id.clone(), it.secret.reveal().into(), it.token.reveal().into()]
    };
    let [key, secret, token] = signer(&credentials);
    let studio = (key.as_str(), secret.as_str(), token.as_str());
    assert!(key.starts_with("ASIA"));
    assert_eq!(get_signed(&house, studio, "studio"), 200);
    assert_eq!(get_signed(&house, studio, "other"), 403);
    let Entered { credentials, .. } = entered(&house, &entry(BTreeMap::new())).unwrap();
    let [key, secret, token] = signer(&credentials);
    assert_eq!(get_signed(&house, (&key, &secret, &token), "studio"), 403);

    // The same names as tags of the role and of a session are tags and nothing else, and a session
    // that has the keys does not hand them on to the role that it assumes.
    let open = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"123456789012"},
        "Action":["sts:AssumeRole","sts:TagSession"]}}"#;
    make(&house, "open", open);
    put_policy(&house, "open", AS_NAMED);
    house.ok::<TagRole>(api::TagRoleRequest {
        role_name: "open".into(),
        tags: keys("d-one", "open")
            .into_iter()
            .map(|(key, value)| api::Tag { key, value })
            .collect(),
    });
    let body = "Action=AssumeRole&Version=2011-06-15&RoleSessionName=eve&\
        RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fopen&\
        Tags.member.1.Key=sagemaker%3ADomainId&Tags.member.1.Value=d-one&\
        Tags.member.2.Key=sagemaker%3AUserProfileName&Tags.member.2.Value=open";
    let (status, text) = house.signed(studio, "sts", body);
    assert_eq!(status, 200, "{text}");
    let part = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>")).unwrap();
        rest.split_once('<').unwrap().0.to_owned()
    };
    let (key, secret, token) = (part("AccessKeyId"), part("SecretAccessKey"), part("SessionToken"));
    for name in ["open", "studio"] {
        assert_eq!(get_signed(&house, (&key, &secret, &token), name), 403, "{name}");
    }
}

#[test]
fn a_service_brings_keys_of_its_own_only() {
    let house = House::new();
    make(&house, "studio", &trust(""));
    for key in ["aws:SourceVpc", "AWS:SourceVpc", "iam:PassedToService", "DomainId", "Sagemaker:x"]
    {
        let keys = BTreeMap::from([(key.to_owned(), "x".to_owned())]);
        assert_eq!(try_assume(&house, keys, None).unwrap_err().code, "InternalFailure", "{key}");
    }
}

#[test]
fn the_trust_policy_decides() {
    let house = House::new();
    assert_eq!(refused(try_assume(&house, BTreeMap::new(), None)), REFUSED);
    make(&house, "studio", &trust(""));
    assert!(try_assume(&house, BTreeMap::new(), None).is_ok());
    let write = |text: String| {
        house.ok::<UpdateAssumeRolePolicy>(api::UpdateAssumeRolePolicyRequest {
            role_name: "studio".into(),
            policy_document: text,
        });
    };
    let condition = |operator: &str, key: &str, value: &str| {
        trust(&format!(r#","Condition":{{"{operator}":{{"{key}":"{value}"}}}}"#))
    };
    for (operator, key, right, wrong) in [
        ("StringEquals", "aws:SourceAccount", "123456789012", "999999999999"),
        ("ArnLike", "aws:SourceArn", "arn:aws:sagemaker:*:*:domain/d-one", "arn:aws:s3:::x"),
        ("StringEquals", "sts:RoleSessionName", "SageMaker", "other"),
        ("DateLessThan", "aws:CurrentTime", "2027-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("Bool", "aws:PrincipalIsAWSService", "true", "false"),
    ] {
        write(condition(operator, key, right));
        assert!(try_assume(&house, BTreeMap::new(), None).is_ok(), "{key}");
        write(condition(operator, key, wrong));
        assert_eq!(refused(try_assume(&house, BTreeMap::new(), None)), REFUSED, "{key}");
    }
    // A source identity needs a permission of its own.
    write(trust(""));
    assert_eq!(refused(try_assume(&house, BTreeMap::new(), Some("ann"))), REFUSED);
    write(trust("").replace(r#""sts:AssumeRole""#, r#""sts:AssumeRole","sts:SetSourceIdentity""#));
    let caller = try_assume(&house, BTreeMap::new(), Some("ann")).unwrap();
    assert_eq!(caller.session.unwrap().source_identity.as_deref(), Some("ann"));
    for wrong in ["a", "a:b", ""] {
        assert_eq!(refused(try_assume(&house, BTreeMap::new(), Some(wrong))), REFUSED);
    }
    // Another service's role, somebody's name for a role, and a path that is not the role's.
    write(trust("").replace("sagemaker", "ec2"));
    assert_eq!(refused(try_assume(&house, BTreeMap::new(), None)), REFUSED);
    write(trust(""));
    for wrong in [
        "studio",
        "arn:aws:iam::999999999999:role/studio",
        "arn:aws:iam::123456789012:role/p/studio",
    ] {
        let mut entry = entry(BTreeMap::new());
        entry.role_arn = wrong;
        let fault = entered(&house, &entry).unwrap_err();
        assert_eq!(fault.message, REFUSED.split_once(": ").unwrap().1.replace(ROLE, wrong));
    }
}

#[test]
fn a_session_ends_with_its_role() {
    let house = House::new();
    make(&house, "studio", &trust(""));
    let policy = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:GetRole","Resource":"*"}}"#;
    put_policy(&house, "studio", policy);
    let caller = assumed(&house, BTreeMap::new());
    let facts = caller.session.clone().unwrap();
    assert_eq!(facts.expires, facts.issued.plus_seconds(43_200));
    let get = || api::GetRoleRequest { role_name: "studio".into() };
    assert!(house.call::<GetRole>(&caller, get()).is_ok());
    assert!(house.gate.caller_as_of_now(caller.clone()).unwrap().is_some());
    house.ok::<crate::iam::role_policies::DeleteRolePolicy>(api::DeleteRolePolicyRequest {
        role_name: "studio".into(),
        policy_name: "inline".into(),
    });
    house.ok::<DeleteRole>(api::DeleteRoleRequest { role_name: "studio".into() });
    let gone = "InvalidClientTokenId (403): The security token included in the request is invalid";
    assert_eq!(house.fails_for::<GetRole>(&caller, get()), gone);
    // Made again under its name, it is another role.
    make(&house, "studio", &trust(""));
    put_policy(&house, "studio", policy);
    assert_eq!(house.fails_for::<GetRole>(&caller, get()), gone);
    assert!(house.gate.caller_as_of_now(caller).unwrap().is_none());
}

/// The records of roles that services entered.
fn entries(house: &House) -> Vec<Record> {
    let mut found = sagegate_gate::audit::tables::newest(&house.state(), 100).unwrap();
    found.retain(|record| record.event_name == "AssumeRole");
    found
}

#[test]
fn entering_a_role_leaves_the_record_of_a_service() {
    let house = House::new();
    make(&house, "studio", &trust(""));
    put_policy(&house, "studio", &deep_link_policy());
    let Entered { caller, credentials } = entered(&house, &entry(keys("d-one", "ann"))).unwrap();
    assert_eq!(caller.access_key_id, credentials.access_key_id);
    let record = entries(&house).remove(0);
    assert_eq!(record.user_identity, json!({ "type": "AWSService", "invokedBy": SERVICE }));
    assert_eq!((record.source_ip_address.as_str(), record.user_agent.as_str()), (SERVICE, SERVICE));
    assert_eq!(
        (record.event_source.as_str(), record.event_name.as_str()),
        ("sts.amazonaws.com", "AssumeRole")
    );
    assert_eq!(
        record.request_parameters,
        json!({ "roleArn": ROLE, "roleSessionName": "SageMaker", "durationSeconds": 3_600 })
    );
    let answer = &record.response_elements;
    assert_eq!(answer["credentials"]["accessKeyId"], credentials.access_key_id.as_str());
    assert_eq!(
        answer["assumedRoleUser"]["arn"],
        "arn:aws:sts::123456789012:assumed-role/studio/SageMaker"
    );
    let text = serde_json::to_string(&record).unwrap();
    assert!(
        !text.contains(credentials.token.reveal()) && !text.contains(credentials.secret.reveal())
    );
    // What is then done as the role names the role as issuer, and the service where it was that.
    let arrival = Arrival::Service { service: SERVICE.into() };
    let get = api::GetRoleRequest { role_name: "studio".into() };
    house.call_from::<GetRole>(&caller, arrival, get).unwrap_err();
    let denied =
        house.gate.journal().find(1, &mut |it| it.event_name == "GetRole").unwrap().remove(0);
    let identity = &denied.user_identity;
    assert_eq!(identity["type"], "AssumedRole");
    assert_eq!(identity["sessionContext"]["sessionIssuer"]["arn"], ROLE);
    assert_eq!(identity["accessKeyId"], credentials.access_key_id.as_str());
    assert_eq!(identity["invokedBy"], SERVICE);
    assert!(matches!(caller.principal, Principal::Role { .. }));

    house.ok::<UpdateAssumeRolePolicy>(api::UpdateAssumeRolePolicyRequest {
        role_name: "studio".into(),
        policy_document: trust("").replace("sagemaker", "ec2"),
    });
    entered(&house, &entry(BTreeMap::new())).unwrap_err();
    let denied = house.gate.journal().find(1, &mut |it| it.event_name == "AssumeRole").unwrap();
    assert_eq!(denied[0].error_code.as_deref(), Some("ValidationException"));
    assert_eq!(denied[0].user_identity["type"], "AWSService");
    assert_eq!(entries(&house).len(), 1);
}
