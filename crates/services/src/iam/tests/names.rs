//! The law of names: whatever is created, renamed and deleted, names are unique whatever their
//! case, ids stay, and the indexes agree with the records.

use std::collections::BTreeMap;

use proptest::prelude::*;
use sagegate_api::iam as api;

use crate::iam::quota;
use crate::iam::records::{EntityKind, IDS, USERS};
use crate::iam::users::{CreateUser, DeleteUser, UpdateUser};
use crate::testing::{ACCOUNT, House};

#[derive(Clone, Debug)]
enum Step {
    Create(String),
    Rename(String, String),
    Delete(String),
}

fn step() -> impl Strategy<Value = Step> {
    let name = || "[abAB]{1,2}";
    prop_oneof![
        name().prop_map(Step::Create),
        (name(), name()).prop_map(|(from, to)| Step::Rename(from, to)),
        name().prop_map(Step::Delete),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn names_are_unique_and_ids_stay(steps in prop::collection::vec(step(), 1..40)) {
        let house = House::new();
        let root = house.root();
        // By name in lower case: the spelling and the unique id.
        let mut model: BTreeMap<String, (String, String)> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Create(name) => {
                    let input =
                        api::CreateUserRequest { user_name: name.clone(), ..Default::default() };
                    let made = house.call::<CreateUser>(&root, input);
                    let taken = model.contains_key(&name.to_lowercase());
                    prop_assert_eq!(made.is_err(), taken);
                    if let Ok(made) = made {
                        let id = made.user.unwrap().user_id.unwrap();
                        model.insert(name.to_lowercase(), (name, id));
                    }
                }
                Step::Rename(from, to) => {
                    let input = api::UpdateUserRequest {
                        user_name: from.clone(),
                        new_user_name: Some(to.clone()),
                        new_path: None,
                    };
                    let done = house.call::<UpdateUser>(&root, input).is_ok();
                    let (from, key) = (from.to_lowercase(), to.to_lowercase());
                    let free = from == key || !model.contains_key(&key);
                    prop_assert_eq!(done, model.contains_key(&from) && free);
                    if done && let Some((_, id)) = model.remove(&from) {
                        model.insert(key, (to, id));
                    }
                }
                Step::Delete(name) => {
                    let input = api::DeleteUserRequest { user_name: name.clone() };
                    let done = house.call::<DeleteUser>(&root, input).is_ok();
                    prop_assert_eq!(done, model.remove(&name.to_lowercase()).is_some());
                }
            }
        }
        let state = house.state();
        let users = USERS.scan(&state, &(ACCOUNT,), None, usize::MAX).unwrap();
        let found: BTreeMap<_, _> =
            users.into_iter().map(|((_, key), user)| (key, (user.name, user.id))).collect();
        prop_assert_eq!(&found, &model);
        let ids = IDS.scan(&state, &(ACCOUNT,), None, usize::MAX).unwrap();
        let by_id: BTreeMap<_, _> =
            ids.into_iter().map(|((_, id), entity)| (entity.key, id)).collect();
        let expected: BTreeMap<_, _> =
            model.iter().map(|(key, (_, id))| (key.clone(), id.clone())).collect();
        prop_assert_eq!(by_id, expected);
        let count = quota::count(&state, &house.scope().account, EntityKind::User).unwrap();
        prop_assert_eq!(count, model.len() as u64);
    }
}
