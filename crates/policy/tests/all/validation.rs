//! What AWS stores, and what it answers to the rest.

use std::path::PathBuf;

use sagegate_policy::{PolicyType, size_without_whitespace, validate};
use serde_json::{Value, json};

fn first(text: &str, kind: PolicyType) -> Option<String> {
    validate(text, kind).err().map(|violations| violations[0].message.clone())
}

/// A statement with the usual elements, some of them replaced or (by null) removed.
fn statement(changes: Value) -> Value {
    let mut statement =
        json!({"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b"});
    for (key, value) in changes.as_object().unwrap() {
        if value.is_null() {
            statement.as_object_mut().unwrap().remove(key);
        } else {
            statement[key] = value.clone();
        }
    }
    statement
}

fn policy(statement: Value) -> String {
    json!({"Version": "2012-10-17", "Statement": statement}).to_string()
}

#[track_caller]
fn identity(changes: Value, expected: Option<&str>) {
    assert_eq!(
        first(&policy(statement(changes.clone())), PolicyType::Identity).as_deref(),
        expected,
        "{changes}"
    );
}

const SYNTAX: Option<&str> = Some("Syntax errors in policy.");
const LEGACY: Option<&str> = Some("The policy failed legacy parsing");
const VENDOR: Option<&str> =
    Some("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.");

#[test]
fn documents() {
    let version = Some("Policy document must be version 2012-10-17 or greater.");
    let usual = statement(json!({}));
    for (document, expected) in [
        (json!({"Statement": usual}), version),
        (json!({"Version": "2008-10-17", "Statement": usual}), version),
        (json!({"Statement": statement(json!({"Effect": "denY"}))}), version),
        (json!({"Version": "2013-10-17", "Statement": usual}), SYNTAX),
        (json!({"Version": "2012-10-17"}), SYNTAX),
        (json!({"Version": "2012-10-17", "Statement": []}), SYNTAX),
        (json!({"Version": "2012-10-17", "Statement": ["x"]}), SYNTAX),
        (json!({"Version": "2012-10-17", "Statement": usual, "Extra": "x"}), SYNTAX),
        (json!({"Version": "2012-10-17", "Statement": usual, "Id": ["x"]}), SYNTAX),
        (json!({"Version": "2012-10-17", "Statement": usual, "Id": "x"}), None),
        (json!({"Version": "2012-10-17", "Statement": [usual, usual]}), None),
    ] {
        assert_eq!(
            first(&document.to_string(), PolicyType::Identity).as_deref(),
            expected,
            "{document}"
        );
    }
    for inline in [
        json!({"Statement": usual}),
        json!({"Version": "2008-10-17", "Statement": usual}),
        json!({"Version": "2012-10-17", "Statement": usual}),
    ] {
        assert_eq!(first(&inline.to_string(), PolicyType::Inline), None, "{inline}");
    }
    assert_eq!(first("not JSON", PolicyType::Identity).as_deref(), SYNTAX);
    let twice = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Effect":"Allow","Action":"*","Resource":"*"}}"#;
    let violation = &validate(twice, PolicyType::Identity).unwrap_err()[0];
    assert_eq!(violation.detail.as_deref(), Some("\"Effect\" is given twice in a statement"));
    assert_eq!(violation.position.unwrap().offset, twice.rfind("\"Effect\"").unwrap());
}

#[test]
fn statements() {
    identity(json!({}), None);
    identity(json!({"Effect": "invalid"}), SYNTAX);
    identity(json!({"Effect": null}), SYNTAX);
    identity(json!({"Effect": "denY"}), LEGACY);
    identity(json!({"Extra": "x"}), SYNTAX);
    identity(json!({"Sid": []}), SYNTAX);
    identity(json!({"Sid": "Enable SageMaker Studio Access"}), None);
    identity(json!({"Principal": "*"}), Some("Policy document should not specify a principal."));
    let same = json!([statement(json!({"Sid": "s"})), {"Sid": "s", "Effect": "Allow"}]);
    let expected = "Statement IDs (SID) in a single policy must be unique.";
    assert_eq!(first(&policy(same), PolicyType::Identity).as_deref(), Some(expected));
}

#[test]
fn actions() {
    identity(json!({"Action": "invalid"}), VENDOR);
    identity(
        json!({"Action": "invalid", "Resource": null}),
        Some("Policy statement must contain resources."),
    );
    identity(json!({"NotAction": "", "Action": null}), VENDOR);
    identity(json!({"Action": "a a:ListBucket"}), Some("Vendor a a is not valid"));
    identity(
        json!({"Action": "s3:List:Bucket"}),
        Some("Actions/Condition can contain only one colon."),
    );
    identity(json!({"Action": null}), Some("Policy statement must contain actions."));
    identity(
        json!({"Action": [], "Resource": null}),
        Some("Policy statement must contain actions."),
    );
    identity(json!({"Action": [[]]}), SYNTAX);
    identity(json!({"Action": {}}), SYNTAX);
    identity(json!({"NotAction": "iam:x"}), SYNTAX);
    identity(json!({"Action": "iam: any thing "}), None);
    identity(json!({"Action": ["*", "s3-s.x:List*"]}), None);
}

#[test]
fn resources() {
    let partition = |partition: &str, arn: &str| {
        format!("Partition \"{partition}\" is not valid for resource \"{arn}\".")
    };
    for (resource, expected) in [
        ("nonsense", "Resource nonsense must be in ARN format or \"*\".".to_owned()),
        ("", "Resource  must be in ARN format or \"*\".".to_owned()),
        ("a:bb", partition("bb", "arn:bb:*:*:*:*")),
        ("a:b:cc", partition("b", "arn:b:cc:*:*:*")),
        ("a:b:c:d:e:f:g:h", partition("b", "arn:b:c:d:e:f:g:h")),
        ("aws:s3:::b", partition("s3", "arn:s3:::b:*")),
        ("arn:error:s3:::b", partition("error", "arn:error:s3:::b")),
        ("arn:aws", "Resource vendor must be fully qualified and cannot contain regexes.".to_owned()),
        ("arn:aws:s3::b", "The policy failed legacy parsing".to_owned()),
        ("arn:aws::b", "The policy failed legacy parsing".to_owned()),
        ("arn:aws::::b", "The policy failed legacy parsing".to_owned()),
        ("arn:aws:iam:us-east-1::b", "IAM resource arn:aws:iam:us-east-1::b cannot contain region information.".to_owned()),
        ("arn:aws:s3:us-east-1::b", "Resource arn:aws:s3:us-east-1::b can not contain region information.".to_owned()),
        (
            "arn:aws:iam:::b",
            "IAM resource path must either be \"*\" or start with user/, federated-user/, role/, group/, \
             instance-profile/, mfa/, server-certificate/, policy/, sms-mfa/, saml-provider/, oidc-provider/, report/, \
             access-report/."
                .to_owned(),
        ),
    ] {
        identity(json!({"Resource": resource}), Some(&expected));
    }
    identity(json!({"Resource": null}), Some("Policy statement must contain resources."));
    identity(json!({"Resource": []}), Some("Policy statement must contain resources."));
    identity(json!({"Resource": {"a": "b"}}), SYNTAX);
    identity(json!({"NotResource": "*"}), SYNTAX);
    for resource in [
        "*",
        "arn:aws:x",
        "arn:aws:s33:::b",
        "arn:aws:ec2:us-east-1::b",
        "arn:*:sagemaker:*:*:space/${sagemaker:DomainId}/*",
        "arn:aws:iam::*:user/${aws:username}",
    ] {
        identity(json!({"Resource": resource}), None);
    }
}

#[test]
fn conditions() {
    identity(json!({"Condition": []}), SYNTAX);
    identity(json!({"Condition": {"a": "b"}}), SYNTAX);
    identity(json!({"Condition": {"DateGreaterThan": {"a": {}}}}), SYNTAX);
    identity(json!({"Condition": {"x": {"a": "1"}}}), SYNTAX);
    identity(json!({"Condition": {"ForAnyValue::StringEquals": {"a": "1"}}}), SYNTAX);
    identity(json!({"Condition": {"x": {}, "DateGreaterThan": {"a": []}}}), None);
    identity(
        json!({"Condition": {"Bool": {"aws:SecureTransport": true}, "NumericLessThan": {"a": 4}}}),
        None,
    );
    identity(json!({"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/33"}}}), LEGACY);
    for bad in [
        "sdfdsf",
        "234-13",
        "2016-12-13t2:00:00.593194+1",
        "2016-12-13t2:00:00.1999999999+10:59",
        "9223372036854775808",
    ] {
        identity(json!({"Condition": {"DateLessThanEquals": {"a": bad}}}), LEGACY);
    }
    for good in [
        "2017-07-01T00:00:00Z",
        "01T",
        "2016-12-13T21:20:37.593194+00:00",
        "2016-12-13t2:00:00.593194+23",
        "-292275054",
    ] {
        identity(json!({"Condition": {"DateLessThanEquals": {"a": good}}}), None);
    }
}

#[test]
fn trust_policies() {
    let trust = |changes: Value| {
        let mut base = json!({"Resource": null, "Action": "sts:AssumeRole", "Principal": {"AWS": "111122223333"}});
        for (key, value) in changes.as_object().unwrap() {
            base[key] = value.clone();
        }
        first(&json!({"Statement": statement(base)}).to_string(), PolicyType::Trust)
    };
    assert_eq!(trust(json!({})), None);
    assert_eq!(trust(json!({"Principal": {"Service": ["sagemaker.amazonaws.com"]}})), None);
    for (changes, expected) in [
        (json!({"Resource": "*"}), "Has prohibited field Resource"),
        (json!({"Principal": null}), "Missing required field Principal"),
        (json!({"Action": null}), "Missing required field Action"),
        (json!({"Action": "*"}), "AssumeRole policy may only specify STS AssumeRole actions."),
        (json!({"Principal": {"AWS": "joe"}}), "Invalid principal in policy: \"AWS\":\"joe\""),
        (
            json!({"Principal": {"AWS": "arn:aws:iam::111122223333:role/*"}}),
            "Invalid principal in policy: \"AWS\":\"arn:aws:iam::111122223333:role/*\"",
        ),
        (
            json!({"Principal": {"Service": "x.example.com"}}),
            "Invalid principal in policy: \"SERVICE\":\"x.example.com\"",
        ),
        (
            json!({"Principal": {"Service": "x.amazonaws.com.example.com"}}),
            "Invalid principal in policy: \"SERVICE\":\"x.amazonaws.com.example.com\"",
        ),
    ] {
        assert_eq!(trust(changes).as_deref(), Some(expected));
    }
}

#[test]
fn organizations_and_endpoints() {
    let organizations =
        "The provided policy document does not meet the requirements of the specified policy type.";
    let everyone = json!({"Principal": "*"});
    assert_eq!(
        first(&policy(statement(everyone.clone())), PolicyType::Scp).as_deref(),
        Some(organizations)
    );
    assert_eq!(
        first(&policy(statement(everyone.clone())), PolicyType::Rcp).as_deref(),
        Some(organizations)
    );
    let deny = json!({"Principal": "*", "Effect": "Deny"});
    assert_eq!(first(&policy(statement(deny)), PolicyType::Rcp), None);
    assert_eq!(
        first(&json!({"Statement": statement(everyone)}).to_string(), PolicyType::Endpoint),
        None
    );
    assert_eq!(
        first(&policy(statement(json!({}))), PolicyType::Endpoint).as_deref(),
        Some("Missing required field Principal")
    );
}

/// The seeds' policies are stored as they are, each as what it is.
#[test]
fn seed_policies_are_stored() {
    let root = std::env::var_os("SAGEGATE_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    let mut count = 0;
    for entry in std::fs::read_dir(root.join("seed-policies")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        if !text.contains("\"Statement\"") {
            continue;
        }
        let name = path.file_name().unwrap().to_str().unwrap();
        let kind = if name.contains("trust") {
            PolicyType::Trust
        } else if name.contains("endpoint") {
            PolicyType::Endpoint
        } else {
            PolicyType::Identity
        };
        assert_eq!(validate(&text, kind), Ok(()), "{name}");
        assert!(size_without_whitespace(&text) < text.len());
        count += 1;
    }
    assert!(count >= 20);
}
