use expect_test::expect;
use sagegate_api::Unit;
use sagegate_api::iam as api;

use super::create_user;
use crate::iam::access_keys::CreateAccessKey;
use crate::iam::account::{
    CreateAccountAlias, DeleteAccountAlias, GetAccountSummary, ListAccountAliases,
};
use crate::iam::credentials;
use crate::iam::records::ROOT;
use crate::testing::House;

fn aliases(house: &House) -> Vec<String> {
    house.ok::<ListAccountAliases>(Default::default()).account_aliases.unwrap()
}

#[test]
fn an_account_has_one_alias() {
    let house = House::new();
    let create = |alias: &str| api::CreateAccountAliasRequest { account_alias: alias.into() };
    let delete = |alias: &str| api::DeleteAccountAliasRequest { account_alias: alias.into() };
    assert!(aliases(&house).is_empty());
    house.ok::<CreateAccountAlias>(create("one"));
    house.ok::<CreateAccountAlias>(create("two"));
    assert_eq!(aliases(&house), ["two"]);
    expect!["NoSuchEntity (404): The account alias one cannot be found."]
        .assert_eq(&house.fails::<DeleteAccountAlias>(delete("one")));
    expect!["InvalidInput (400): The account alias must not be a 12 digit number."]
        .assert_eq(&house.fails::<CreateAccountAlias>(create("123456789012")));
    house.ok::<DeleteAccountAlias>(delete("two"));
    assert!(aliases(&house).is_empty());
}

#[test]
fn the_summary_counts() {
    let house = House::new();
    create_user(&house, "a");
    create_user(&house, "b");
    let map = house.ok::<GetAccountSummary>(Unit).summary_map.unwrap();
    assert_eq!(map.get("Users"), Some(&2));
    assert_eq!(map.get("UsersQuota"), Some(&5_000));
    assert_eq!(map.get("AccountAccessKeysPresent"), Some(&1));
    assert_eq!(map.get("UserPolicySizeQuota"), Some(&2_048));
}

#[test]
fn the_account_starts_once() {
    let house = House::new();
    let account = house.scope().account;
    let start =
        || house.transact(|tx| credentials::bootstrap(tx, house.maker(), &account, None)).unwrap();
    let first = start();
    assert_eq!(start().access_key_id, first.access_key_id);
    assert_eq!(credentials::keys_of(&house.state(), &account, ROOT).unwrap().len(), 1);
}

#[test]
fn a_reset_leaves_all_of_roots_keys_and_nothing_else() {
    let house = House::new();
    let scope = house.scope();
    let account = &scope.account;
    create_user(&house, "u");
    house.clock.advance_millis(1_000);
    house.ok::<CreateAccessKey>(Default::default());
    let before = credentials::keys_of(&house.state(), account, ROOT).unwrap();
    assert_eq!(before.len(), 2);
    let kept = credentials::root_keys(&house.state(), account).unwrap();
    house.reset();
    assert!(credentials::keys_of(&house.state(), account, ROOT).unwrap().is_empty());
    let first = house
        .transact(|tx| credentials::bootstrap(tx, house.maker(), account, Some(&kept)))
        .unwrap();
    assert_eq!(first.access_key_id, before[0].0);
    assert_eq!(credentials::keys_of(&house.state(), account, ROOT).unwrap(), before);
    let users = house.ok::<crate::iam::users::ListUsers>(Default::default()).users.unwrap();
    assert!(users.is_empty());
}
