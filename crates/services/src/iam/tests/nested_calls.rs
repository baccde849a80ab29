//! Calls that are made inside of a transaction: what decides them, what is left of them, and of those
//! that come to nothing.

use sagegate_gate::audit::{Record, tables};
use sagegate_gate::{
    Access, Actor, Authorized, Call, Fault, Need, Needs, Operation, Refusal, Within,
};
use sagegate_store::{Read, Tx};
use serde_json::json;

use super::*;
use crate::iam::user_policies::PutUserPolicy;
use crate::iam::users::{CreateUser, GetUser};

const FIRST: &str = "cloudformation.amazonaws.com";
const SECOND: &str = "athena.amazonaws.com";
const NOTHING: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject",
    "Resource":"*"}}"#;
const MAY_READ: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:GetUser",
    "Resource":"*"}}"#;

fn get(name: &str) -> api::GetUserRequest {
    api::GetUserRequest { user_name: Some(name.into()) }
}

fn create(name: &str) -> api::CreateUserRequest {
    api::CreateUserRequest { user_name: name.into(), ..Default::default() }
}

/// An operation that has a service call another in the caller's name, under test as `$name`.
macro_rules! calls {
    ($name:ident, $access:ident, $service:expr => $other:ty) => {
        struct $name;

        impl Operation for $name {
            type Input = api::CreateUserRequest;
            type Output = api::CreateUserResponse;
            const SERVICE: &'static str = "iam";
            const NAME: &'static str = stringify!($name);
            const ACCESS: Access = Access::$access;

            fn needs(_: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
                Ok(Need::any("iam:GetUser").into())
            }

            fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
                let actor = Actor::forward(call.caller, $service);
                let done = call.within.call::<$other>(tx, &actor, call.input);
                done.map_err(|refusal| refusal.into_fault("sagemaker", call.vault, call.env))
            }
        }
    };
}

calls!(Outer, Write, FIRST => Inner);
calls!(Inner, Write, SECOND => CreateUser);
calls!(Reader, Read, FIRST => CreateUser);

/// An operation that has a user made and read, and then fails.
struct Half;

impl Operation for Half {
    type Input = api::CreateUserRequest;
    type Output = api::CreateUserResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "Half";
    const ACCESS: Access = Access::Write;

    fn needs(_: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        Ok(Need::any("iam:GetUser").into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let actor = Actor::forward(call.caller, FIRST);
        let failed = |refusal: Refusal| refusal.into_fault("iam", call.vault, call.env);
        call.within.call::<CreateUser>(tx, &actor, call.input).map_err(failed)?;
        call.within.call::<GetUser>(tx, &actor, &get(&call.input.user_name)).map_err(failed)?;
        Err(Fault::client("Changed", 400, "my mind"))
    }
}

fn stored(house: &House, event: &str) -> Vec<Record> {
    let mut found = tables::newest(&house.state(), 1_000).unwrap();
    found.retain(|record| record.event_name == event);
    found
}

fn refusals(house: &House, event: &str) -> Vec<Record> {
    house
        .gate
        .journal()
        .find(100, &mut |it| it.event_name == event && it.error_code.is_some())
        .unwrap()
}

fn denied<T>(outcome: Result<T, Refusal>) -> bool {
    match outcome {
        Ok(_) => false,
        Err(Refusal::Denied(_)) => true,
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn what_a_transaction_has_written_decides_in_it_and_dies_with_it() {
    let house = House::new();
    let eve = house.user_with_policy("eve", NOTHING);
    let policy = api::PutUserPolicyRequest {
        user_name: "eve".into(),
        policy_name: "inline".into(),
        policy_document: MAY_READ.into(),
    };
    let root = Actor::forward(&house.root(), FIRST);
    let as_eve = Actor::forward(&eve, FIRST);
    let before = stored(&house, "PutUserPolicy").len();
    let outcome = house.wait(house.gate.transact_within(|tx, within: Within<'_>| {
        assert!(denied(within.call::<GetUser>(tx, &as_eve, &get("eve"))));
        within.call::<PutUserPolicy>(tx, &root, &policy).unwrap();
        assert!(!denied(within.call::<GetUser>(tx, &as_eve, &get("eve"))));
        Err::<(), _>(Fault::client("Changed", 400, "my mind"))
    }));
    assert_eq!(outcome.unwrap_err().code, "Changed");
    assert!(house.fails_for::<GetUser>(&eve, get("eve")).starts_with("AccessDenied"));
    assert_eq!(stored(&house, "PutUserPolicy").len(), before);
    // The first question was refused, whatever became of the rest.
    assert_eq!(refusals(&house, "GetUser").len(), 2);
}

#[test]
fn a_user_made_inside_of_a_transaction_is_somebody_in_it() {
    let house = House::new();
    let root = Actor::forward(&house.root(), FIRST);
    house
        .wait(house.gate.transact_within(|tx, within| {
            let made = within.call::<CreateUser>(tx, &root, &create("new")).unwrap().user.unwrap();
            let caller = sagegate_gate::Caller {
                principal: sagegate_gate::Principal::User {
                    id: made.user_id.unwrap(),
                    name: "new".into(),
                    path: "/".into(),
                },
                ..house.root()
            };
            let actor = Actor::forward(&caller, FIRST);
            assert!(denied(within.call::<GetUser>(tx, &actor, &get("new"))));
            Ok(())
        }))
        .unwrap();
    assert!(house.call::<GetUser>(&house.root(), get("new")).is_ok());
}

#[test]
fn a_part_that_fails_leaves_nothing_and_the_rest_stays() {
    let house = House::new();
    let root = Actor::forward(&house.root(), FIRST);
    house
        .wait(house.gate.transact_within(|tx, within| {
            within.call::<CreateUser>(tx, &root, &create("kept")).unwrap();
            let failed: Result<(), Fault> = within.or_undo(tx, |tx| {
                within.call::<CreateUser>(tx, &root, &create("undone")).unwrap();
                let again = within.call::<CreateUser>(tx, &root, &create("kept")).unwrap_err();
                Err(again.into_fault("iam", within.vault(), within.env()))
            });
            assert_eq!(failed.unwrap_err().code, "EntityAlreadyExists");
            Ok(())
        }))
        .unwrap();
    assert!(house.call::<GetUser>(&house.root(), get("kept")).is_ok());
    assert!(house.fails::<GetUser>(get("undone")).starts_with("NoSuchEntity"));
    let made = stored(&house, "CreateUser");
    assert_eq!(made.len(), 1);
    assert_eq!(made[0].user_identity["invokedBy"], FIRST);
    assert_eq!(
        refusals(&house, "CreateUser")[0].error_code.as_deref(),
        Some("EntityAlreadyExists")
    );
}

#[test]
fn the_record_of_a_refusal_does_not_name_what_was_undone() {
    let house = House::new();
    assert!(house.fails::<Half>(create("x")).starts_with("Changed"));
    assert!(house.fails::<GetUser>(get("x")).starts_with("NoSuchEntity"));
    let failed = refusals(&house, "Half").remove(0);
    assert_eq!(failed.sagegate["decision"], "not denied: the operation itself failed");
    let calls: Vec<_> = failed.sagegate["calls"].as_array().unwrap().iter().collect();
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert_eq!(calls[0]["eventName"], "GetUser");
    assert_eq!(calls[0]["decision"], "allowed");
    assert!(stored(&house, "CreateUser").is_empty());
}

#[test]
fn a_chain_of_services_is_known_by_all_its_links() {
    let house = House::new();
    let may = |condition: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[
            {{"Effect":"Allow","Action":"iam:GetUser","Resource":"*"}},
            {{"Effect":"Allow","Action":"iam:CreateUser","Resource":"*","Condition":{condition}}}]}}"#
        )
    };
    let chain = format!(
        r#"{{"StringEquals":{{"aws:CalledViaFirst":"{FIRST}","aws:CalledViaLast":"{SECOND}"}},
            "ForAnyValue:StringEquals":{{"aws:CalledVia":"{FIRST}"}},
            "Bool":{{"aws:ViaAWSService":"true"}}}}"#
    );
    let right = house.user_with_policy("right", &may(&chain));
    let wrong = house.user_with_policy("wrong", &may(&chain.replace(SECOND, FIRST)));
    let text = house.fails_for::<Outer>(&wrong, create("x"));
    assert_eq!(
        text,
        "AccessDeniedException (400): User: arn:aws:iam::123456789012:user/wrong is not authorized \
         to perform: iam:CreateUser on resource: arn:aws:iam::123456789012:user/x because no \
         identity-based policy allows the iam:CreateUser action"
    );
    assert!(house.fails::<GetUser>(get("x")).starts_with("NoSuchEntity"));
    assert!(stored(&house, "Outer").is_empty() && stored(&house, "Inner").is_empty());
    let refused = refusals(&house, "Outer").remove(0);
    let within = "denied: in a call that the operation made";
    assert_eq!(refused.sagegate["decision"], within);
    let calls = refused.sagegate["calls"].as_array().unwrap();
    let told: Vec<_> = calls.iter().map(|it| (&it["eventName"], &it["decision"])).collect();
    let (inner, made) = (&refusals(&house, "Inner")[0], &refusals(&house, "CreateUser")[0]);
    assert_eq!(
        told,
        [(&json!("CreateUser"), &json!("denied")), (&json!("Inner"), &json!(within)),]
    );
    assert_eq!((&inner.sagegate["decision"], &made.sagegate["decision"]), (told[1].1, told[0].1));
    let asked = house.fails_for::<CreateUser>(&right, create("x"));
    assert!(asked.starts_with("AccessDenied (403)"), "{asked}");
    house.call::<Outer>(&right, create("x")).unwrap();
    assert!(house.call::<GetUser>(&house.root(), get("x")).is_ok());

    let outer = stored(&house, "Outer").remove(0);
    let inner = stored(&house, "Inner").remove(0);
    let made = stored(&house, "CreateUser").into_iter().find(|it| it.within.is_some()).unwrap();
    assert_eq!(outer.within, None);
    assert_eq!(inner.within.as_ref(), Some(&outer.request_id));
    assert_eq!(made.within.as_ref(), Some(&inner.request_id));
    assert_eq!(
        tables::within(&house.state(), &outer.request_id).unwrap(),
        std::slice::from_ref(&inner)
    );
    assert_eq!(
        tables::within(&house.state(), &inner.request_id).unwrap(),
        std::slice::from_ref(&made)
    );
    assert_eq!(
        (inner.source_ip_address.as_str(), made.source_ip_address.as_str()),
        (FIRST, SECOND)
    );
    assert_eq!(made.user_identity["arn"], right.arn());
    assert_eq!(made.user_identity["invokedBy"], SECOND);
    assert_eq!(outer.user_identity.get("invokedBy"), None);
}

#[test]
fn a_read_cannot_have_another_write() {
    let house = House::new();
    let fault = house.call::<Reader>(&house.root(), create("x")).unwrap_err();
    assert_eq!(fault.code, "InternalFailure");
    assert!(house.fails::<GetUser>(get("x")).starts_with("NoSuchEntity"));
}
