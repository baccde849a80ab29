//! Tests of the operations through a whole gate, a file for each family.

mod access_keys;
mod account;
mod directory;
mod groups;
mod instance_profiles;
mod managed_policies;
mod names;
mod nested_calls;
mod overview;
mod permissions;
mod policies;
mod role_permissions;
mod roles;
mod service_linked;
mod service_roles;
mod simulate;
mod users;

use sagegate_api::iam as api;

use super::records::{EntityKind, POLICY_VERSIONS, PolicyRecord, PolicyVersionRecord};
use super::{entities, groups as group_operations, users as user_operations};
use crate::testing::{House, START};

fn create_user(house: &House, name: &str) -> api::User {
    let input = api::CreateUserRequest { user_name: name.into(), ..Default::default() };
    house.ok::<user_operations::CreateUser>(input).user.unwrap()
}

fn create_group(house: &House, name: &str) -> api::Group {
    let input = api::CreateGroupRequest { group_name: name.into(), path: None };
    house.ok::<group_operations::CreateGroup>(input).group.unwrap()
}

fn tag(key: &str, value: &str) -> api::Tag {
    api::Tag { key: key.into(), value: value.into() }
}

const ALLOW_LIST: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:ListUsers","Resource":"*"}}"#;

/// A customer managed policy, kept as CreatePolicy keeps it.
fn managed_policy(house: &House, name: &str, document: &str) -> String {
    let scope = house.scope();
    let policy = PolicyRecord {
        id: entities::new_id(house.gate.env(), EntityKind::Policy),
        name: name.into(),
        path: "/".into(),
        created: START,
        updated: START,
        description: None,
        default_version: 1,
        last_version: 1,
        tags: Default::default(),
    };
    house.transact(|tx| {
        entities::insert(tx, &scope.account, &policy)?;
        let version = PolicyVersionRecord { document: document.to_owned(), created: START };
        Ok(POLICY_VERSIONS.put(tx, &(scope.account.as_str(), policy.id.as_str(), 1), &version)?)
    });
    entities::arn(&scope, &policy)
}
