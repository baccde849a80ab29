//! What people read: traces and messages.

use std::path::PathBuf;

use expect_test::expect;
use sagegate_policy::cases::{Case, Mode, decide_lines};
use sagegate_policy::{decide, explain};
use serde_json::{Value, json};

fn line(changes: &Value) -> String {
    let mut case = json!({
        "action": "sagemaker:CreatePresignedDomainUrl",
        "resource": "arn:aws:sagemaker:us-west-2:111122223333:user-profile/d-1/jo",
        "principal": "arn:aws:iam::111122223333:user/jo",
        "context": {},
        "identityPolicies": [],
    });
    if let (Some(case), Some(changes)) = (case.as_object_mut(), changes.as_object()) {
        case.extend(changes.clone());
    }
    case.to_string()
}

fn allow(action: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": action, "Resource": "*", "Principal": "*"}})
}

fn deny() -> Value {
    json!({"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*", "Principal": "*"}})
}

#[test]
fn a_trace_by_source_vpce() {
    let root = std::env::var_os("SAGEGATE_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    let text =
        std::fs::read_to_string(root.join("seed-policies/001-studio-by-source-vpce.json")).unwrap();
    let policy: Value = serde_json::from_str(&text).unwrap();
    let case = line(
        &json!({"context": {"aws:SourceVpce": "vpce-other"}, "identityPolicies": [policy, allow("s3:*")]}),
    );
    let case = Case::parse(&case).unwrap();
    let trace = explain(&case.request, &case.set());
    expect![[r#"
        {
          "request": {
            "principal": "arn:aws:iam::111122223333:user/jo",
            "action": "sagemaker:CreatePresignedDomainUrl",
            "resource": "arn:aws:sagemaker:us-west-2:111122223333:user-profile/d-1/jo",
            "resourceAccount": "111122223333",
            "context": {
              "aws:sourcevpce": "vpce-other"
            }
          },
          "outcome": "denied",
          "reason": {
            "decision": "implicit-deny",
            "policyKind": "identity",
            "text": "because no identity-based policy allows the sagemaker:CreatePresignedDomainUrl action"
          },
          "changes": [
            "for statement \"Enable SageMaker Studio Access\" of identityPolicies[0] to allow: aws:sourceVpce must satisfy ForAnyValue:StringEquals [\"vpce-111bbccc\", \"vpce-111bbddd\"]; it is \"vpce-other\""
          ],
          "policies": [
            {
              "kind": "identity",
              "policy": "identityPolicies[0]",
              "statements": [
                {
                  "statement": 0,
                  "sid": "Enable SageMaker Studio Access",
                  "at": {
                    "offset": 157,
                    "line": 1,
                    "column": 158
                  },
                  "end": {
                    "offset": 403,
                    "line": 1,
                    "column": 404
                  },
                  "effect": "Allow",
                  "applies": false,
                  "action": true,
                  "resource": true,
                  "principal": true,
                  "conditions": [
                    {
                      "operator": "ForAnyValue:StringEquals",
                      "key": "aws:sourceVpce",
                      "policyValues": [
                        "vpce-111bbccc",
                        "vpce-111bbddd"
                      ],
                      "request": "vpce-other",
                      "holds": false
                    }
                  ]
                }
              ],
              "others": 0
            },
            {
              "kind": "identity",
              "policy": "identityPolicies[1]",
              "statements": [],
              "others": 1
            }
          ]
        }"#]].assert_eq(&serde_json::to_string_pretty(&trace).unwrap());
}

#[test]
fn messages_name_one_kind_of_policy() {
    let all = || json!([allow("*")]);
    let mut text = String::new();
    for changes in [
        json!({}),
        json!({"identityPolicies": [deny()]}),
        json!({"identityPolicies": all(), "permissionBoundaries": [allow("s3:*")]}),
        json!({"permissionBoundaries": [allow("s3:*")]}),
        json!({"identityPolicies": all(), "permissionBoundaries": [deny()]}),
        json!({"identityPolicies": all(), "sessionPolicy": allow("s3:*")}),
        json!({"identityPolicies": all(), "sessionPolicy": deny()}),
        json!({"identityPolicies": all(), "scps": [[allow("s3:*")]]}),
        json!({"identityPolicies": [deny()], "scps": [[deny()]], "endpointPolicies": [deny()]}),
        json!({"identityPolicies": all(), "rcps": [[deny()]]}),
        json!({"identityPolicies": all(), "endpointPolicies": [allow("s3:*")]}),
        json!({"identityPolicies": all(), "endpointPolicies": [allow("*"), deny()]}),
        json!({"identityPolicies": all(), "resourceAccount": "999988887777"}),
        json!({"identityPolicies": all(), "resourcePolicy": deny()}),
        json!({"principal": "arn:aws:sts::111122223333:assumed-role/Studio/jo", "resourcePolicy": allow("s3:*")}),
        json!({"action": "sts:AssumeRole", "identityPolicies": all(), "resourcePolicy": allow("s3:*"),
            "resource": "arn:aws:iam::111122223333:role/r"}),
        json!({"action": "sts:AssumeRole", "identityPolicies": all(), "resourcePolicy": deny(),
            "resource": "arn:aws:iam::111122223333:role/r"}),
    ] {
        let case = Case::parse(&line(&changes)).unwrap();
        let decision = decide(&case.request, &case.set());
        text += &decision.denied_message(&case.request, Some("R"));
        text.push('\n');
    }
    expect![[r#"
        User: arn:aws:iam::111122223333:user/jo is not authorized to perform: sagemaker:CreatePresignedDomainUrl on resource: R because no identity-based policy allows the sagemaker:CreatePresignedDomainUrl action
        User: arn:aws:iam::111122223333:user/jo is not authorized to perform: sagemaker:CreatePresignedDomainUrl on resource: R with an explicit deny in an identity-based policy
        User: arn:aws:iam::111122223333:user/jo is not authorized to perform: sagemaker:CreatePresignedDomainUrl on resource: R because no permissions boundary allows the sagemaker:CreatePresignedDomainUrl action
        User: arn:aws:iam::111122223333:user/jo is not authorized to perform: sagemaker:CreatePresignedDomainUrl on resource: R because no identity-based policy allows the sagemaker:CreatePresignedDomainUrl action
        User: arn:aws:iam::111122223333:user/jo is not authorized to perform: sagemaker:CreatePresignedDomainUrl on resource: R with an explicit deny in a permissions boundary
        User: arn:aws:iam::111122223333:user/jo is not authorized to perform: sagemaker:CreatePresignedDomainUrl on resource: R because no session policy allows the sagemaker:CreatePresignedDomainUrl action
        User: arn:aws:iam::111122223333:user/jo is not authorized to perform: sagemaker:CreatePresignedDomainUrl on resource: R with an explicit deny in a session policy
        User: arn:aws:iam::111122223333:user/jo is not authorized to perform: sagemaker:CreatePresignedDomainUrl on resource: R because no service control policy allows the sagemaker:CreatePresignedDomainUrl action
        User: arn:aws:iam::111122223333:user/jo is not authorized to perform: sagemaker:CreatePresignedDomainUrl on resource: R with an explicit deny in a service control policy
        User: arn:aws:iam::111122223333:user/jo is not authorized to perform: sagemaker:CreatePresignedDomainUrl on resource: R with an explicit deny in a resource control policy
        User: arn:aws:iam::111122223333:user/jo is not authorized to perform: sagemaker:CreatePresignedDomainUrl on resource: R because no VPC endpoint policy allows the sagemaker:CreatePresignedDomainUrl action
        User: arn:aws:iam::111122223333:user/jo is not authorized to perform: sagemaker:CreatePresignedDomainUrl on resource: R with an explicit deny in a VPC endpoint policy
        User: arn:aws:iam::111122223333:user/jo is not authorized to perform: sagemaker:CreatePresignedDomainUrl on resource: R because no resource-based policy allows the sagemaker:CreatePresignedDomainUrl action
        User: arn:aws:iam::111122223333:user/jo is not authorized to perform: sagemaker:CreatePresignedDomainUrl on resource: R with an explicit deny in a resource-based policy
        User: arn:aws:sts::111122223333:assumed-role/Studio/jo is not authorized to perform: sagemaker:CreatePresignedDomainUrl on resource: R because no identity-based policy allows the sagemaker:CreatePresignedDomainUrl action
        User: arn:aws:iam::111122223333:user/jo is not authorized to perform: sts:AssumeRole because no role trust policy allows the sts:AssumeRole action
        User: arn:aws:iam::111122223333:user/jo is not authorized to perform: sts:AssumeRole with an explicit deny in the role trust policy
    "#]].assert_eq(&text);
}

#[test]
fn changes_tell_what_would_help() {
    let guarded = |effect: &str, condition: Value| json!({"Version": "2012-10-17", "Statement": [{"Sid": "Guard", "Effect": effect, "Action": "sagemaker:*", "Resource": "*", "Condition": condition}]});
    let elsewhere = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sagemaker:*", "Resource": "arn:aws:sagemaker:*:*:space/*"}]});
    let mut text = String::new();
    for changes in [
        json!({}),
        json!({"identityPolicies": [elsewhere, guarded("Allow", json!({"StringEquals": {"sagemaker:ResourceTag/owner": "${aws:username}"}, "Bool": {"aws:SecureTransport": true}}))]}),
        json!({"context": {"aws:SourceIp": "192.0.2.1"}, "identityPolicies": [allow("*"), guarded("Deny", json!({"NotIpAddress": {"aws:SourceIp": ["10.0.0.0/8"]}}))]}),
        json!({"identityPolicies": [allow("*")], "endpointPolicies": [deny()]}),
        json!({"context": {"aws:TagKeys": ["a", "b"]}, "identityPolicies": [guarded("Allow", json!({"ForAllValues:StringLike": {"aws:TagKeys": ["a*", "c"]}}))]}),
    ] {
        let case = Case::parse(&line(&changes)).unwrap();
        for change in explain(&case.request, &case.set()).changes {
            text += &change;
            text.push('\n');
        }
        text += "--\n";
    }
    expect![[r#"
        a statement of an identity-based policy must allow sagemaker:CreatePresignedDomainUrl on arn:aws:sagemaker:us-west-2:111122223333:user-profile/d-1/jo
        --
        for statement 0 of identityPolicies[0] to allow: its Resource must cover arn:aws:sagemaker:us-west-2:111122223333:user-profile/d-1/jo
        for statement "Guard" of identityPolicies[1] to allow: aws:SecureTransport must satisfy Bool ["true"]; it is absent; and sagemaker:ResourceTag/owner must satisfy StringEquals ["${aws:username}"] (without a value: aws:username); it is absent
        --
        statement "Guard" of identityPolicies[1] must not apply; one of: aws:SourceIp must not satisfy NotIpAddress ["10.0.0.0/8"]; it is "192.0.2.1"
        --
        statement 0 of endpointPolicies[0] denies without a condition: it must no longer cover this request
        --
        for statement "Guard" of identityPolicies[0] to allow: aws:TagKeys must satisfy ForAllValues:StringLike ["a*", "c"]; it is ["a", "b"]
        --
    "#]].assert_eq(&text);
}

#[test]
fn lines_in_json() {
    let input = [
        line(&json!({})),
        line(&json!({"identityPolicies": [allow("*")]})),
        line(&json!({"principal": "111122223333"})),
        "[]".to_owned(),
    ]
    .join("\n");
    let mut output = Vec::new();
    assert!(!decide_lines(input.as_bytes(), &mut output, Mode::Json).unwrap());
    expect![[r#"
        {"outcome":"denied","reason":{"decision":"implicit-deny","policyKind":"identity","text":"because no identity-based policy allows the sagemaker:CreatePresignedDomainUrl action"}}
        {"outcome":"allowed","reason":{"decision":"allow","policyKind":"identity","policy":"identityPolicies[0]","statement":0}}
        {"outcome":"allowed","reason":{"decision":"root-user","policyKind":null}}
        {"error":"line 4: a request must be an object, not a list","outcome":"error"}
    "#]].assert_eq(&String::from_utf8(output).unwrap());
}

#[test]
fn lines_that_are_wrong() {
    let policy = |text: &str| {
        format!(
            r#"{{"action":"s3:Get","resource":"*","principal":"*","identityPolicies":[{text}]}}"#
        )
    };
    let input = [
        "{".to_owned(),
        r#"{"action":"GetObject","resource":"*","principal":"*"}"#.to_owned(),
        r#"{"action":"s3:GetObject","principal":"*"}"#.to_owned(),
        r#"{"action":"s3:GetObject","resource":"*","principal":"bob"}"#.to_owned(),
        r#"{"action":"s3:GetObject","resource":"*","principal":"*","context":{"a:b":"x","A:B":"y"}}"#.to_owned(),
        r#"{"action":"s3:GetObject","resource":"*","principal":"*","context":{"a:b":{}}}"#.to_owned(),
        r#"{"action":"s3:GetObject","resource":"*","principal":"*","context":{"a\n:b":{}}}"#.to_owned(),
        r#"{"action":"s3:GetObject","action":"s3:PutObject","resource":"*","principal":"*"}"#.to_owned(),
        r#"{"action":"s3:GetObject","resource":"*","principal":"*","resourceAccount":"1"}"#.to_owned(),
        policy(r#"{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringSame":{"a":"b"}}}]}"#),
        policy(r#"{"Statement":[{"Effect":"Allow","Effect":"Deny","Action":"*","Resource":"*"}]}"#),
        policy(r#"{"Version":"2025-01-01","Statement":[]}"#),
        policy(r#"{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Conditions":{}}]}"#),
        policy("[]"),
        policy(r#""{\"Statement\":[]}""#),
    ]
    .join("\n");
    let mut output = Vec::new();
    assert!(!decide_lines(input.as_bytes(), &mut output, Mode::Plain).unwrap());
    expect![[r#"
        error: line 1: column 2: unexpected end of the JSON text
        error: line 2: action "GetObject" is not of the form service:Name
        error: line 3: resource is missing
        error: line 4: "bob" is not a principal
        error: line 5: context key A:B is given twice (names are compared without regard to case)
        error: line 6: context key a:b must not be an object
        error: line 7: context key a\n:b must not be an object
        error: line 8: action is given twice
        error: line 9: resourceAccount "1" is not 12 digits
        error: line 10: identityPolicies[0]: column 144: "StringSame" is not a condition operator
        error: line 11: identityPolicies[0]: column 103: "Effect" is given twice in a statement
        error: line 12: identityPolicies[0]: column 82: "2025-01-01" is not a version of the policy language
        error: line 13: identityPolicies[0]: column 131: "Conditions" is not an element of a statement
        error: line 14: identityPolicies[0]: column 71: the policy document must be an object, not a list
        denied
    "#]].assert_eq(&String::from_utf8(output).unwrap());
}
