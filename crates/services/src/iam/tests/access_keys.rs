use expect_test::expect;
use sagegate_api::iam as api;
use sagegate_gate::directory::Directory;
use sagegate_gate::{Principal, SessionFacts};

use super::create_user;
use crate::iam::IamDirectory;
use crate::iam::access_keys::{
    CreateAccessKey, DeleteAccessKey, GetAccessKeyLastUsed, ListAccessKeys, UpdateAccessKey,
};
use crate::iam::credentials::{self, store_uses};
use crate::iam::records::ACCESS_KEYS;
use crate::testing::{House, START};

fn create(house: &House, user: &str) -> api::AccessKey {
    let input = api::CreateAccessKeyRequest { user_name: Some(user.into()) };
    house.ok::<CreateAccessKey>(input).access_key.unwrap()
}

fn directory(house: &House) -> IamDirectory {
    IamDirectory::new(house.gate.vault().clone(), house.gate.region().clone())
}

#[test]
fn a_key_opens_the_door_until_it_is_off_or_gone() {
    let house = House::new();
    create_user(&house, "u");
    let key = create(&house, "u");
    let id = key.access_key_id.clone().unwrap();
    assert!(id.starts_with("AKIA") && id.len() == 20);
    let found = directory(&house).access_key(&house.state(), &id).unwrap().unwrap();
    assert!(found.active && found.secret.is(key.secret_access_key.as_deref().unwrap()));
    assert!(matches!(found.principal, Principal::User { name, .. } if name == "u"));
    let update = |status| api::UpdateAccessKeyRequest {
        user_name: Some("u".into()),
        access_key_id: id.clone(),
        status,
    };
    house.ok::<UpdateAccessKey>(update(api::StatusType::Inactive));
    assert!(!directory(&house).access_key(&house.state(), &id).unwrap().unwrap().active);
    expect!["InvalidInput (400): Status of an access key must be Active or Inactive."]
        .assert_eq(&house.fails::<UpdateAccessKey>(update(api::StatusType::Expired)));
    let delete =
        || api::DeleteAccessKeyRequest { user_name: Some("u".into()), access_key_id: id.clone() };
    house.ok::<DeleteAccessKey>(delete());
    assert!(directory(&house).access_key(&house.state(), &id).unwrap().is_none());
    let text = house.fails::<DeleteAccessKey>(delete());
    let expected = format!("NoSuchEntity (404): The Access Key with id {id} cannot be found.");
    assert_eq!(text, expected);
}

#[test]
fn a_user_has_two_keys_at_most_and_only_her_own() {
    let house = House::new();
    create_user(&house, "u");
    create_user(&house, "v");
    let first = create(&house, "u").access_key_id.unwrap();
    house.clock.advance_millis(1_000);
    let second = create(&house, "u").access_key_id.unwrap();
    let third = api::CreateAccessKeyRequest { user_name: Some("U".into()) };
    expect!["LimitExceeded (409): Cannot exceed quota for AccessKeysPerUser: 2"]
        .assert_eq(&house.fails::<CreateAccessKey>(third));
    let list = house.ok::<ListAccessKeys>(api::ListAccessKeysRequest {
        user_name: Some("u".into()),
        ..Default::default()
    });
    let ids: Vec<_> =
        list.access_key_metadata.unwrap().into_iter().filter_map(|it| it.access_key_id).collect();
    assert_eq!(ids, [first.clone(), second]);
    let others = api::DeleteAccessKeyRequest { user_name: Some("v".into()), access_key_id: first };
    assert!(house.fails::<DeleteAccessKey>(others).starts_with("NoSuchEntity (404)"));
}

#[test]
fn without_a_name_the_caller_is_meant() {
    let house = House::new();
    let policy = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow",
        "Action":"iam:*AccessKey*","Resource":"arn:aws:iam::123456789012:user/${aws:username}"}}"#;
    let user = house.user_with_policy("self", policy);
    let made = house.call::<CreateAccessKey>(&user, api::CreateAccessKeyRequest::default());
    assert_eq!(made.unwrap().access_key.unwrap().user_name.as_deref(), Some("self"));
    let listed = house.call::<ListAccessKeys>(&user, api::ListAccessKeysRequest::default());
    assert_eq!(listed.unwrap().access_key_metadata.unwrap().len(), 1);
    // Root has the key of the start.
    let listed = house.ok::<ListAccessKeys>(api::ListAccessKeysRequest::default());
    assert_eq!(listed.access_key_metadata.unwrap().len(), 1);
    let mut session = user;
    session.principal = Principal::Role {
        id: "AROAEXAMPLE".into(),
        name: "r".into(),
        path: "/".into(),
        session: "s".into(),
    };
    session.session = Some(SessionFacts::default());
    expect!["ValidationError (400): Must specify userName when calling with non-User credentials"]
        .assert_eq(&house.fails_for::<ListAccessKeys>(&session, Default::default()));
}

#[test]
fn the_last_use_is_told_and_only_of_access_keys() {
    let house = House::new();
    create_user(&house, "u");
    let id = create(&house, "u").access_key_id.unwrap();
    let get = |id: &str| {
        let input = api::GetAccessKeyLastUsedRequest { access_key_id: id.to_owned() };
        house.ok::<GetAccessKeyLastUsed>(input)
    };
    let never = get(&id);
    assert_eq!(never.user_name.as_deref(), Some("u"));
    let never = never.access_key_last_used.unwrap();
    assert_eq!(never.last_used_date, None);
    assert_eq!(never.service_name.as_deref(), Some("N/A"));
    let scope = house.scope();
    let operator =
        house.transact(|tx| credentials::operator_credential(tx, house.maker(), &scope, "user/u"));
    let last = |seconds| sagegate_gate::last_use::Use {
        at: START.plus_seconds(seconds),
        service: "sagemaker".into(),
        region: "us-west-2".into(),
    };
    let uses = [
        (id.clone(), last(60)),
        (operator.access_key_id.clone(), last(60)),
        ("ASIAUNKNOWN".to_owned(), last(60)),
    ];
    house.transact(|tx| Ok(store_uses(tx, &uses.clone().into_iter().collect())?));
    house.transact(|tx| Ok(store_uses(tx, &[(id.clone(), last(30))].into_iter().collect())?));
    let used = get(&id).access_key_last_used.unwrap();
    assert_eq!(used.last_used_date.unwrap().as_millis(), START.plus_seconds(60).millis());
    assert_eq!(used.service_name.as_deref(), Some("sagemaker"));
    let hidden = api::GetAccessKeyLastUsedRequest { access_key_id: operator.access_key_id };
    assert!(house.fails::<GetAccessKeyLastUsed>(hidden).starts_with("NoSuchEntity (404)"));
}

#[test]
fn an_operators_credential_is_the_same_each_time_and_ends_with_its_principal() {
    let house = House::new();
    let scope = house.scope();
    let input = api::CreateUserRequest {
        user_name: "U".into(),
        path: Some("/p/".into()),
        ..Default::default()
    };
    house.ok::<crate::iam::users::CreateUser>(input);
    create(&house, "U");
    create(&house, "U");
    let credential = |principal: &str| {
        let principal = principal.to_owned();
        house.transact(|tx| credentials::operator_credential(tx, house.maker(), &scope, &principal))
    };
    let first = credential("user/U");
    for same in ["user/u", "user/p/U", "arn:aws:iam::123456789012:user/p/U"] {
        let again = credential(same);
        assert_eq!(again.access_key_id, first.access_key_id, "{same}");
        assert!(again.secret.is(first.secret.reveal()));
    }
    let refused = |principal: &str| {
        let mut tx = sagegate_store::Tx::read_only(house.state());
        credentials::operator_credential(&mut tx, house.maker(), &scope, principal)
            .unwrap_err()
            .to_string()
    };
    expect!["NoSuchEntity: The user with name q/U cannot be found."]
        .assert_eq(&refused("user/q/U"));
    expect!["NoSuchEntity: The role with name r cannot be found."].assert_eq(&refused("role/r"));
    expect!["InvalidInput: U names no principal: root, user/NAME, role/NAME or an ARN is expected"]
        .assert_eq(&refused("U"));
    expect!["InvalidInput: arn:aws:iam::999999999999:user/U is not the ARN of a user or role of account 123456789012 (arn:aws:iam::123456789012:user/NAME, arn:aws:iam::123456789012:role/NAME)"]
        .assert_eq(&refused("arn:aws:iam::999999999999:user/U"));
    for key in house
        .ok::<ListAccessKeys>(api::ListAccessKeysRequest {
            user_name: Some("U".into()),
            ..Default::default()
        })
        .access_key_metadata
        .unwrap()
    {
        house.ok::<DeleteAccessKey>(api::DeleteAccessKeyRequest {
            user_name: Some("U".into()),
            access_key_id: key.access_key_id.unwrap(),
        });
    }
    house.ok::<crate::iam::users::DeleteUser>(api::DeleteUserRequest { user_name: "U".into() });
    let gone = directory(&house).access_key(&house.state(), &first.access_key_id).unwrap();
    assert!(gone.is_none());
    create_user(&house, "U");
    assert_ne!(credential("user/U").access_key_id, first.access_key_id);
}

#[test]
fn a_secret_rests_sealed_and_is_in_no_record() {
    let house = House::new();
    create_user(&house, "u");
    let key = create(&house, "u");
    let (id, secret) = (key.access_key_id.unwrap(), key.secret_access_key.unwrap());
    let stored = ACCESS_KEYS.get(&house.state(), id.as_str()).unwrap().unwrap();
    assert!(!serde_json::to_string(&stored).unwrap().contains(&secret));
    let records = sagegate_gate::audit::tables::newest(&house.state(), 10).unwrap();
    let text = serde_json::to_string(&records).unwrap();
    assert!(text.contains(&id) && !text.contains(&secret), "{text}");
    // What one key's secret was sealed as does not serve for another.
    let other = create(&house, "u").access_key_id.unwrap();
    let mut exchanged = ACCESS_KEYS.get(&house.state(), other.as_str()).unwrap().unwrap();
    exchanged.sealed_secret = stored.sealed_secret;
    assert!(credentials::secret(house.gate.vault(), &other, &exchanged).is_none());
}

#[test]
fn the_operators_root_is_the_root_users_key_while_there_is_one() {
    let house = House::new();
    let scope = house.scope();
    let root =
        || house.transact(|tx| credentials::operator_credential(tx, house.maker(), &scope, "root"));
    let listed = house.ok::<ListAccessKeys>(Default::default()).access_key_metadata.unwrap();
    let first = root();
    assert_eq!(listed[0].access_key_id.as_deref(), Some(first.access_key_id.as_str()));
    house.ok::<DeleteAccessKey>(api::DeleteAccessKeyRequest {
        user_name: None,
        access_key_id: first.access_key_id.clone(),
    });
    let second = root();
    assert_ne!(second.access_key_id, first.access_key_id);
    assert_eq!(root().access_key_id, second.access_key_id);
    let found = directory(&house).access_key(&house.state(), &second.access_key_id).unwrap();
    assert_eq!(found.unwrap().principal, Principal::Root);
    let listed = house.ok::<ListAccessKeys>(Default::default()).access_key_metadata.unwrap();
    assert!(listed.is_empty());
}
