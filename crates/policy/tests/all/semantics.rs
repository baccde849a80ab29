//! Rules that the decided cases do not reach: principals by unique id, endpoint alternates, providers, context values.

use sagegate_policy::{
    Attached, Bundle, Context, Document, Policy, PolicyKind, PolicySet, Principal, Reason, Request,
    ResourceRule, Value, decide,
};
use serde_json::{Value as Json, json};

fn attached(statement: &Json) -> Attached {
    let text = json!({"Version": "2012-10-17", "Statement": statement}).to_string();
    Attached::new("p", Policy::compile(&Document::parse(&text).unwrap()))
}

fn role() -> Principal {
    Principal::Role {
        arn: "arn:aws:iam::111122223333:role/path/r".into(),
        session: Some("arn:aws:sts::111122223333:assumed-role/r/jo".into()),
        account: "111122223333".into(),
        unique_id: Some("AROAEXAMPLE".into()),
    }
}

fn trusts(principal: Principal, trust: &Json, identity: bool) -> bool {
    let allow = json!({"Effect": "Allow", "Action": "sts:*", "Resource": "*"});
    let bundle = Bundle::new(identity.then(|| attached(&allow)));
    let resource = attached(&json!({"Effect": "Allow", "Action": "sts:*", "Principal": trust}));
    let mut set = PolicySet::new(&bundle);
    set.resource = Some(&resource);
    set.resource_rule = ResourceRule::Required;
    let request = Request::new(
        principal,
        "sts:AssumeRole",
        "arn:aws:iam::111122223333:role/t",
        Context::new(),
    );
    decide(&request, &set).allowed
}

#[test]
fn principals_are_named_by_arn_or_unique_id() {
    for named in [
        "arn:aws:iam::111122223333:role/path/r",
        "AROAEXAMPLE",
        "AROAEXAMPLE:jo",
        "arn:aws:sts::111122223333:assumed-role/r/jo",
        "*",
    ] {
        assert!(trusts(role(), &json!({"AWS": named}), false), "{named}");
    }
    for other in [
        "arn:aws:iam::111122223333:role/r",
        "AROAOTHER",
        "AROAEXAMPLE:",
        "AROAEXAMPLE:joe",
        "arn:aws:iam::111122223333:role/path/*",
        "arn:aws:iam::999988887777:root",
    ] {
        assert!(!trusts(role(), &json!({"AWS": other}), true), "{other}");
    }
    for account in ["111122223333", "arn:aws:iam::111122223333:root"] {
        assert!(!trusts(role(), &json!({"AWS": account}), false));
        assert!(trusts(role(), &json!({"AWS": account}), true));
    }
    assert!(!trusts(
        role(),
        &json!({"Service": "sagemaker.amazonaws.com", "Federated": "*"}),
        true
    ));
}

#[test]
fn services_and_providers_need_only_the_trust() {
    let service = Principal::parse("sagemaker.amazonaws.com").unwrap();
    assert!(trusts(
        service.clone(),
        &json!({"Service": ["ec2.amazonaws.com", "sagemaker.amazonaws.com"]}),
        false
    ));
    assert!(!trusts(service, &json!({"AWS": "111122223333"}), true));
    let provider =
        Principal::Provider { provider: "arn:aws:iam::111122223333:saml-provider/idp".into() };
    assert!(trusts(
        provider.clone(),
        &json!({"Federated": "arn:aws:iam::111122223333:saml-provider/idp"}),
        false
    ));
    assert!(!trusts(
        provider,
        &json!({"AWS": "arn:aws:iam::111122223333:saml-provider/idp"}),
        true
    ));
}

/// An endpoint policy may name the user profile where the action is authorized on the app (T2).
#[test]
fn endpoint_policies_see_both_names_and_others_only_one() {
    let app = "arn:aws:sagemaker:us-west-2:111122223333:app/d-1/jo/jupyterlab/default";
    let profile = "arn:aws:sagemaker:us-west-2:111122223333:user-profile/d-1/jo";
    let on = |effect: &str, resource: &str| {
        attached(
            &json!({"Effect": effect, "Principal": "*", "Action": "sagemaker:CreateApp", "Resource": resource}),
        )
    };
    let ask = |identity: Attached, endpoint: Vec<Attached>| {
        let bundle = Bundle::new([identity]);
        let mut set = PolicySet::new(&bundle);
        set.endpoint = &endpoint;
        let request = Request::new(role(), "sagemaker:CreateApp", app, Context::new())
            .with_endpoint_alternate(profile);
        decide(&request, &set).allowed
    };
    assert!(ask(on("Allow", app), vec![on("Allow", profile)]));
    assert!(ask(on("Allow", app), vec![on("Allow", app)]));
    assert!(!ask(on("Allow", profile), vec![on("Allow", profile)]));
    assert!(!ask(on("Allow", app), vec![on("Allow", "*"), on("Deny", profile)]));
    assert!(!ask(on("Allow", app), vec![on("Allow", "*"), on("Deny", app)]));
    assert!(!ask(on("Allow", app), vec![on("Allow", "arn:aws:sagemaker:*:*:user-profile/d-2/*")]));
}

#[test]
fn several_values_without_a_set_operator_are_judged_with_care() {
    let ask = |effect: &str, operator: &str, values: Vec<&str>| {
        let guarded = attached(
            &json!({"Effect": effect, "Action": "*", "Resource": "*", "Condition": {operator: {"x:k": "a"}}}),
        );
        let open = attached(&json!({"Effect": "Allow", "Action": "x:*", "Resource": "*"}));
        let bundle =
            Bundle::new([Some(guarded), (effect == "Deny").then_some(open)].into_iter().flatten());
        let mut context = Context::new();
        context.insert("X:K", Value::from(values));
        decide(&Request::new(role(), "x:Y", "*", context), &PolicySet::new(&bundle)).allowed
    };
    assert!(ask("Allow", "StringEquals", vec!["a"]));
    assert!(!ask("Allow", "StringEquals", vec!["a", "b"]));
    assert!(!ask("Allow", "StringNotEquals", vec!["a", "b"]));
    assert!(!ask("Deny", "StringEquals", vec!["a", "b"]));
    assert!(!ask("Deny", "StringNotEquals", vec!["a", "b"]));
    assert!(ask("Deny", "StringEquals", vec!["b"]));
}

#[test]
fn a_federated_user_has_what_user_and_session_policies_share() {
    let bundle =
        Bundle::new([attached(&json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"}))]);
    let session = [attached(&json!({"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}))];
    let ask = |action: &str, session: Option<&[Attached]>| {
        let mut set = PolicySet::new(&bundle);
        set.session = session;
        let principal = Principal::parse("arn:aws:sts::111122223333:federated-user/f").unwrap();
        decide(&Request::new(principal, action, "arn:aws:s3:::b/k", Context::new()), &set)
    };
    assert!(ask("s3:GetObject", Some(&session)).allowed);
    assert!(!ask("s3:PutObject", Some(&session)).allowed);
    let root = Principal::FederatedUser {
        arn: "arn:aws:sts::111122223333:federated-user/f".into(),
        user: Some("arn:aws:iam::111122223333:root".into()),
        user_id: None,
        account: "111122223333".into(),
    };
    let none = Bundle::default();
    let mut set = PolicySet::new(&none);
    let request = Request::new(root, "s3:GetObject", "arn:aws:s3:::b/k", Context::new());
    assert!(!decide(&request, &set).allowed);
    set.session = Some(&session);
    assert!(decide(&request, &set).allowed);
    assert_eq!(ask("s3:GetObject", None).by, Reason::ImplicitDeny(PolicyKind::Session));
}

#[test]
fn a_federated_user_is_named_by_its_users_unique_id_too() {
    let session = [attached(&json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"}))];
    let bundle = Bundle::new(session.clone());
    let ask = |statement: Json| {
        let principal = Principal::FederatedUser {
            arn: "arn:aws:sts::111122223333:federated-user/f".into(),
            user: Some("arn:aws:iam::111122223333:user/u".into()),
            user_id: Some("AIDAU".into()),
            account: "111122223333".into(),
        };
        let everybody =
            json!({"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"});
        let policy = json!({"Version": "2012-10-17", "Statement": [everybody, statement]});
        let document = Document::parse(&policy.to_string()).unwrap();
        let endpoint = [Attached::new("endpoint", Policy::compile(&document))];
        let set =
            PolicySet { session: Some(&session), endpoint: &endpoint, ..PolicySet::new(&bundle) };
        decide(&Request::new(principal, "s3:GetObject", "arn:aws:s3:::b/k", Context::new()), &set)
            .allowed
    };
    let deny = |element: &str, principals: Json| json!({"Effect": "Deny", element: {"AWS": principals}, "Action": "*", "Resource": "*"});
    assert!(!ask(deny("Principal", json!("AIDAU"))));
    assert!(ask(deny("Principal", json!("AIDAV"))));
    let all = ["111122223333", "arn:aws:sts::111122223333:federated-user/f", "AIDAU"];
    assert!(ask(deny("NotPrincipal", json!(all))));
    assert!(!ask(deny("NotPrincipal", json!(all[..2]))));
}

#[test]
fn a_broken_element_grants_nothing() {
    let ask = |statement: Json| {
        let bundle = Bundle::new([attached(&statement)]);
        decide(
            &Request::new(role(), "s3:GetObject", "arn:aws:s3:::b/k", Context::new()),
            &PolicySet::new(&bundle),
        )
        .allowed
    };
    assert!(ask(json!({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"})));
    for statement in [
        json!({"Effect": "Allow", "Resource": "*"}),
        json!({"Effect": "Allow", "Action": "s3:*"}),
        json!({"Effect": "Allow", "Action": "s3*", "Resource": "*"}),
        json!({"Effect": "Allow", "NotAction": ["iam*", "ec2:*"], "Resource": "*"}),
        json!({"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::${gone}"}),
        json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}, "StringNotEquals": {"a:b": "c"}, "Bool": {"x:y": "true"}}}),
    ] {
        assert!(!ask(statement.clone()), "{statement}");
    }
}

#[test]
fn context_keys_of_a_policy() {
    let policy = attached(&json!([
        {"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::${aws:PrincipalTag/Team, 'x'}/*"},
        {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"StringLike": {"S3:prefix": ["${aws:username}/*", "${*}"]}, "Null": {"aws:username": true}}}
    ]));
    let keys: Vec<&str> = policy.policy.context_keys().into_iter().collect();
    assert_eq!(keys, ["aws:principaltag/team", "aws:username", "s3:prefix"]);
}

#[test]
fn positions_point_into_the_document() {
    let text = "{\n \"Statement\": [\n  {\"Sid\": \"é\", \"Effect\": \"Deny\",\n   \"Action\": [\"a:b\",\"c:d\"], \"Resource\": \"*\"}\n ]\n}";
    let document = Document::parse(text).unwrap();
    let statement = &document.statements[0];
    assert_eq!(statement.at.to_string(), "line 3, column 3");
    assert_eq!(statement.end.to_string(), "line 4, column 45");
    let second = &statement.action.as_ref().unwrap().values[1];
    assert_eq!(text.get(second.at.offset..second.at.offset + 5), Some("\"c:d\""));
    assert_eq!(second.at.to_string(), "line 4, column 21");
}

/// Whether a statement decides a request with this context: an Allow allows, a Deny denies.
fn applies(effect: &str, condition: &Json, context: &Context) -> bool {
    let everything = attached(&json!({"Effect": "Allow", "Action": "*", "Resource": "*"}));
    let statement = attached(
        &json!({"Effect": effect, "Action": "*", "Resource": "*", "Condition": condition}),
    );
    let deny = effect == "Deny";
    let bundle = Bundle::new(deny.then_some(everything).into_iter().chain([statement]));
    let request = Request::new(role(), "s3:GetObject", "arn:aws:s3:::b/k", context.clone());
    decide(&request, &PolicySet::new(&bundle)).allowed != deny
}

#[test]
fn tags_that_differ_in_case_only_cannot_hide_each_other() {
    let key = "aws:RequestTag/team";
    for pair in [["blue", "red"], ["red", "blue"]] {
        let mut context = Context::new();
        context.insert_tag("aws:RequestTag/team", pair[0]);
        context.insert_tag("aws:RequestTag/TEAM", pair[1]);
        for set in ["", "ForAnyValue:", "ForAllValues:"] {
            for suffix in ["", "IfExists"] {
                let is = json!({format!("{set}StringEquals{suffix}"): {key: "red"}});
                let is_not = json!({format!("{set}StringNotEquals{suffix}"): {key: "red"}});
                assert!(!applies("Allow", &is, &context), "{is} {pair:?}");
                assert!(!applies("Allow", &is_not, &context), "{is_not} {pair:?}");
                assert!(applies("Deny", &is, &context), "{is} {pair:?}");
                assert!(applies("Deny", &is_not, &context), "{is_not} {pair:?}");
            }
        }
        let exists = json!({"Null": {key: "false"}});
        assert!(applies("Allow", &exists, &context));
    }
    let mut same = Context::new();
    same.insert_tag("aws:RequestTag/team", "red");
    same.insert_tag("aws:RequestTag/TEAM", "red");
    assert!(applies("Allow", &json!({"StringEquals": {key: "red"}}), &same));
}

#[test]
fn any_value_of_an_absent_key_if_it_exists() {
    let condition = json!({"ForAnyValue:StringEqualsIfExists": {"aws:TagKeys": "Team"}});
    assert!(!applies("Allow", &condition, &Context::new()));
    assert!(applies("Deny", &condition, &Context::new()));
}
