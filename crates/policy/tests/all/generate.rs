//! Random requests and policies from a small vocabulary, so that they meet often.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

pub(crate) const USER: &str = "arn:aws:iam::111122223333:user/u";

fn pick(words: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    select(words)
}

const ACTIONS: &[&str] =
    &["s3:GetObject", "s3:PutObject", "sts:AssumeRole", "kms:Decrypt", "S3:getobject", "s3-x:Get"];
const ACTION_PATTERNS: &[&str] = &[
    "*",
    "s3:*",
    "s3:GetObject",
    "S3:Get*",
    "s3:?etObject",
    "*:GetObject",
    "sts:AssumeRole",
    "kms:*",
    "s3:*Object",
    "s*:*",
    "ec2:*",
    "s3-x:Get",
    "s3*",
];
const RESOURCES: &[&str] = &[
    "*",
    "arn:aws:s3:::b",
    "arn:aws:s3:::b/k",
    "arn:aws:s3:::b/u/k",
    "arn:aws:s3:::b/*",
    "arn:aws:iam::111122223333:role/t",
    "arn:aws:kms:eu-west-1:111122223333:key/1",
    "arn:aws:kms:eu-west-1:999988887777:key/1",
];
const RESOURCE_PATTERNS: &[&str] = &[
    "*",
    "arn:aws:s3:::b",
    "arn:aws:s3:::b/k",
    "arn:aws:s3:::b*",
    "arn:aws:s3:::b/*",
    "arn:aws:s3:::b/?",
    "arn:aws:s3:::*/k",
    "arn:*:s3:*:*:b/*k*",
    "arn:aws:s3",
    "arn:aws:s3:*",
    "arn:aws:*:*:b/k",
    "arn:aws:s3:::b/${aws:username}/*",
    "arn:aws:s3:::b/${aws:PrincipalTag/t, 'u'}/k",
    "arn:aws:s3:::b/${x:many}/k",
    "arn:aws:s3:::b/${*}",
    "${x:arn}",
    "arn:aws:kms:*:111122223333:key/*",
    "arn:aws:iam::111122223333:role/${aws:PrincipalTag/t}",
];
const PRINCIPALS: &[&str] = &[
    USER,
    "arn:aws:iam::111122223333:role/r",
    "arn:aws:sts::111122223333:assumed-role/r/s",
    "arn:aws:iam::111122223333:root",
    "arn:aws:sts::111122223333:federated-user/f",
    "arn:aws:iam::999988887777:user/u",
    "arn:aws:iam::111122223333:role/aws-service-role/x.amazonaws.com/S",
    "x.amazonaws.com",
    "anonymous",
];
const NAMED: &[&str] = &[
    "*",
    USER,
    "arn:aws:iam::111122223333:role/r",
    "arn:aws:sts::111122223333:assumed-role/r/s",
    "arn:aws:iam::111122223333:root",
    "111122223333",
    "999988887777",
    "arn:aws:sts::111122223333:federated-user/f",
    "arn:aws:iam::111122223333:role/*",
];
const KEYS: &[&str] = &[
    "aws:username",
    "aws:PrincipalTag/t",
    "AWS:PRINCIPALTAG/T",
    "x:many",
    "x:arn",
    "x:ip",
    "x:number",
    "x:date",
    "x:flag",
    "x:none",
];
const STRINGS: &[&str] = &[
    "u",
    "U",
    "t",
    "*",
    "u*",
    "?",
    "${aws:username}",
    "${aws:PrincipalTag/t, 'u'}",
    "${x:none}",
    "${x:many}",
    "${$}",
    "",
    "é",
];
const ARNS: &[&str] = &[
    "*",
    "arn:aws:s3:::b",
    "arn:aws:s3:::*",
    "arn:aws:*:b",
    "arn:*:*:*:*:b",
    "u",
    "arn:aws:s3:::${aws:username}",
    "${x:arn}",
];
const NUMBERS: &[&str] = &["1", "2", "-3", "10", "u"];
const DATES: &[&str] =
    &["2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", "2027-01-01T00:00:00Z", "u"];
const ADDRESSES: &[&str] = &["10.0.0.0/8", "10.0.0.1", "0.0.0.0/0", "::/0", "2001:db8::/32", "u"];

fn operand() -> impl Strategy<Value = (&'static str, &'static [&'static str])> {
    let table: &'static [(&str, &[&str])] = &[
        ("StringEquals", STRINGS),
        ("StringNotEquals", STRINGS),
        ("StringEqualsIgnoreCase", STRINGS),
        ("StringNotEqualsIgnoreCase", STRINGS),
        ("StringLike", STRINGS),
        ("StringNotLike", STRINGS),
        ("ArnEquals", ARNS),
        ("ArnLike", ARNS),
        ("ArnNotLike", ARNS),
        ("NumericEquals", NUMBERS),
        ("NumericNotEquals", NUMBERS),
        ("NumericLessThan", NUMBERS),
        ("NumericGreaterThanEquals", NUMBERS),
        ("DateEquals", DATES),
        ("DateNotEquals", DATES),
        ("DateLessThanEquals", DATES),
        ("DateGreaterThan", DATES),
        ("Bool", &["true", "false", "u"]),
        ("IpAddress", ADDRESSES),
        ("NotIpAddress", ADDRESSES),
    ];
    select(table)
}

fn condition() -> impl Strategy<Value = (String, Value)> {
    let null =
        (pick(KEYS), any::<bool>()).prop_map(|(key, flag)| ("Null".to_owned(), json!({key: flag})));
    let other = (
        pick(&["", "ForAllValues:", "ForAnyValue:"]),
        operand(),
        pick(&["", "IfExists"]),
        pick(KEYS),
    )
        .prop_flat_map(|(set, (operator, words), if_exists, key)| {
            proptest::collection::vec(pick(words), 1..3).prop_map(move |values| {
                (format!("{set}{operator}{if_exists}"), json!({key: values}))
            })
        });
    prop_oneof![1 => null, 9 => other]
}

fn principal_element() -> impl Strategy<Value = Value> {
    prop_oneof![
        1 => Just(json!("*")),
        1 => Just(json!({"Service": "x.amazonaws.com"})),
        6 => proptest::collection::vec(pick(NAMED), 1..4).prop_map(|names| json!({"AWS": names})),
    ]
}

fn element(words: &'static [&'static str]) -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => pick(words).prop_map(|word| json!(word)),
        1 => proptest::collection::vec(pick(words), 0..4).prop_map(|words| json!(words)),
    ]
}

pub(crate) fn statement(principal: bool) -> impl Strategy<Value = Value> {
    let action =
        (prop_oneof![8 => Just("Action"), 1 => Just("NotAction")], element(ACTION_PATTERNS))
            .prop_filter("NotAction takes actions only", |(name, value)| {
                *name == "Action" || !value.to_string().contains("\"s3*\"")
            });
    (
        prop_oneof![4 => Just("Allow"), 1 => Just("Deny")],
        action,
        (
            prop_oneof![8 => Just("Resource"), 1 => Just("NotResource"), 1 => Just("")],
            element(RESOURCE_PATTERNS),
        ),
        (
            prop_oneof![9 => Just("Principal"), 2 => Just("NotPrincipal"), 1 => Just("")],
            principal_element(),
        ),
        proptest::collection::vec(condition(), 0..2),
    )
        .prop_map(move |(effect, action, resource, who, conditions)| {
            let mut statement = Map::new();
            statement.insert("Effect".to_owned(), json!(effect));
            statement.insert(action.0.to_owned(), action.1);
            if !resource.0.is_empty() {
                statement.insert(resource.0.to_owned(), resource.1);
            }
            if principal && !who.0.is_empty() {
                statement.insert(who.0.to_owned(), who.1);
            }
            if !conditions.is_empty() {
                statement.insert(
                    "Condition".to_owned(),
                    Value::Object(conditions.into_iter().collect()),
                );
            }
            Value::Object(statement)
        })
}

pub(crate) fn policy(principal: bool) -> impl Strategy<Value = Value> {
    let version =
        prop_oneof![6 => Just(Some("2012-10-17")), 1 => Just(Some("2008-10-17")), 1 => Just(None)];
    (version, proptest::collection::vec(statement(principal), 0..4)).prop_map(
        |(version, statements)| match version {
            Some(version) => json!({"Version": version, "Statement": statements}),
            None => json!({"Statement": statements}),
        },
    )
}

/// Mostly a policy that allows everything, so that others matter.
fn limit(principal: bool) -> impl Strategy<Value = Value> {
    let everything =
        json!({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*"}});
    prop_oneof![1 => Just(everything), 1 => policy(principal)]
}

fn context() -> impl Strategy<Value = Value> {
    let value = |words: &'static [&'static str]| proptest::option::weighted(0.6, pick(words));
    let many = proptest::option::of(proptest::collection::vec(pick(&["u", "t", "", "*"]), 0..3));
    (
        value(&["u", "U", "", "*"]),
        value(&["u", "t", "*", "${aws:username}"]),
        many,
        value(&["arn:aws:s3:::b", "arn:aws:s3:::b/k", "u"]),
        value(&["10.0.0.1", "2001:db8::1", "u"]),
        value(&["1", "2", "-3", "u"]),
        value(&["2026-01-01T00:00:00Z", "2026-06-01T00:00:00Z", "u"]),
        value(&["true", "false", "u"]),
    )
        .prop_map(|(username, tag, many, arn, ip, number, date, flag)| {
            let singles = [
                ("aws:username", username),
                ("aws:PrincipalTag/t", tag),
                ("x:arn", arn),
                ("x:ip", ip),
                ("x:number", number),
                ("x:date", date),
                ("X:Flag", flag),
            ];
            let mut context: Map<String, Value> = singles
                .into_iter()
                .filter_map(|(key, value)| Some((key.to_owned(), json!(value?))))
                .collect();
            if let Some(many) = many {
                context.insert("x:many".to_owned(), json!(many));
            }
            Value::Object(context)
        })
}

/// A line for `sagegate_policy::cases`.
pub(crate) fn case() -> impl Strategy<Value = Value> {
    let some = |strategy: BoxedStrategy<Value>| proptest::option::weighted(0.25, strategy);
    let levels = |principal| {
        proptest::collection::vec(proptest::collection::vec(limit(principal), 1..3), 1..3)
            .prop_map(|v| json!(v))
    };
    (
        (pick(ACTIONS), pick(RESOURCES), pick(PRINCIPALS), context(), proptest::option::weighted(0.1, pick(&["111122223333", "999988887777"]))),
        proptest::collection::vec(policy(false), 0..4),
        proptest::option::weighted(0.5, policy(true)),
        some(proptest::collection::vec(limit(false), 1..2).prop_map(|v| json!(v)).boxed()),
        some(limit(false).boxed()),
        some(levels(false).boxed()),
        some(levels(true).boxed()),
        some(proptest::collection::vec(limit(true), 1..3).prop_map(|v| json!(v)).boxed()),
    )
        .prop_map(|((action, resource, principal, context, owner), identity, attached, boundary, session, scps, rcps, endpoint)| {
            let mut case = json!({"action": action, "resource": resource, "principal": principal, "context": context, "identityPolicies": identity});
            let optional = [
                ("resourceAccount", owner.map(|owner| json!(owner))),
                ("resourcePolicy", attached),
                ("permissionBoundaries", boundary),
                ("sessionPolicy", session),
                ("scps", scps),
                ("rcps", rcps),
                ("endpointPolicies", endpoint),
            ];
            for (name, value) in optional {
                if let Some(value) = value {
                    case[name] = value;
                }
            }
            case
        })
}
