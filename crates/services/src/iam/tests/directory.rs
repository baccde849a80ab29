use sagegate_api::iam as api;
use sagegate_gate::directory::Directory;
use sagegate_gate::env::Env;
use sagegate_gate::{AccountId, Principal, Vault};

use super::{ALLOW_LIST, create_group, create_user, managed_policy, tag};
use crate::iam::IamDirectory;
use crate::iam::group_policies::{AttachGroupPolicy, PutGroupPolicy};
use crate::iam::membership::AddUserToGroup;
use crate::iam::records::{POLICIES, ROOT, USERS};
use crate::iam::user_policies::{AttachUserPolicy, PutUserPolicy};
use crate::iam::user_tags::TagUser;
use crate::testing::House;

fn directory(house: &House) -> IamDirectory {
    IamDirectory::new(house.gate.vault().clone(), house.gate.region().clone())
}

#[test]
fn an_identity_is_the_users_and_its_groups() {
    let house = House::new();
    let id = create_user(&house, "u").user_id.unwrap();
    create_group(&house, "g");
    house.ok::<AddUserToGroup>(api::AddUserToGroupRequest {
        group_name: "g".into(),
        user_name: "u".into(),
    });
    let arn = managed_policy(&house, "M", ALLOW_LIST);
    house.ok::<PutUserPolicy>(api::PutUserPolicyRequest {
        user_name: "u".into(),
        policy_name: "own".into(),
        policy_document: ALLOW_LIST.into(),
    });
    house.ok::<PutGroupPolicy>(api::PutGroupPolicyRequest {
        group_name: "g".into(),
        policy_name: "shared".into(),
        policy_document: ALLOW_LIST.into(),
    });
    let policy_arn = arn.clone();
    house
        .ok::<AttachUserPolicy>(api::AttachUserPolicyRequest { user_name: "u".into(), policy_arn });
    let policy_arn = arn.clone();
    house.ok::<AttachGroupPolicy>(api::AttachGroupPolicyRequest {
        group_name: "g".into(),
        policy_arn,
    });
    house
        .ok::<TagUser>(api::TagUserRequest { user_name: "u".into(), tags: vec![tag("Team", "a")] });
    let account = house.scope().account;
    let identity = directory(&house).identity(&house.state(), &account, &id).unwrap().unwrap();
    assert!(matches!(&identity.principal, Principal::User { name, .. } if name == "u"));
    assert_eq!(identity.tags.get("Team").map(String::as_str), Some("a"));
    let named: Vec<_> =
        identity.policies.iter().map(|it| (it.name.as_str(), it.arn.as_deref())).collect();
    assert_eq!(named, [("own", None), ("M", Some(arn.as_str())), ("g/shared", None)]);
    let other = AccountId::parse("999999999999").unwrap();
    assert!(directory(&house).identity(&house.state(), &other, &id).unwrap().is_none());
    assert!(directory(&house).identity(&house.state(), &account, "AIDAX").unwrap().is_none());
}

#[test]
fn what_cannot_be_read_refuses() {
    let house = House::new();
    let account = house.scope().account;
    let id = create_user(&house, "u").user_id.unwrap();
    let arn = managed_policy(&house, "M", ALLOW_LIST);
    house.ok::<AttachUserPolicy>(api::AttachUserPolicyRequest {
        user_name: "u".into(),
        policy_arn: arn,
    });
    assert!(directory(&house).identity(&house.state(), &account, &id).unwrap().is_some());
    house.transact(|tx| {
        POLICIES.delete(tx, &(account.as_str(), "m"));
        Ok(())
    });
    assert!(directory(&house).identity(&house.state(), &account, &id).is_err());
    // Another key file: the secrets do not open, and nobody comes in.
    let key = crate::iam::credentials::keys_of(&house.state(), &account, ROOT).unwrap().remove(0);
    let stranger = IamDirectory::new(Vault::ephemeral(&Env::system()), house.gate.region().clone());
    assert!(stranger.access_key(&house.state(), &key.0).is_err());
    assert!(directory(&house).tables().contains(&USERS.name()));
}
