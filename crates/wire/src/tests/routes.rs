use expect_test::{Expect, expect};
use http::Method;

use crate::route::Head;

#[test]
fn routes() {
    let head = |scope, target| Head { scope, target, method: Method::POST, ..Head::default() };
    let fails = |head: &Head<'_>, body: &str, expect: Expect| {
        let service = head.service().unwrap();
        let error = head.call(service, body.as_bytes()).unwrap_err();
        expect.assert_eq(&format!("{} {}: {}", error.status, error.code, error.message));
    };
    fails(
        &head(Some("sagemaker"), Some("SageMaker.MakeTea")),
        "{}",
        expect![
            "400 UnknownOperationException: The operation SageMaker.MakeTea is not known to this service."
        ],
    );
    fails(
        &head(Some("sagemaker"), Some("Other.CreateDomain")),
        "{}",
        expect![
            "400 UnknownOperationException: The operation Other.CreateDomain is not known to this service."
        ],
    );
    fails(
        &head(Some("sagemaker"), None),
        "{}",
        expect!["400 UnknownOperationException: The request has no X-Amz-Target header."],
    );
    fails(
        &Head { method: Method::GET, ..head(Some("sagemaker"), None) },
        "",
        expect![
            "404 UnknownOperationException: The operation is named by a POST request with X-Amz-Target."
        ],
    );
    fails(
        &head(Some("iam"), None),
        "Action=MakeTea&Version=2010-05-08",
        expect!["400 InvalidAction: Could not find operation MakeTea for version 2010-05-08"],
    );
    fails(
        &head(Some("iam"), None),
        "Action=GetUser",
        expect![
            "400 InvalidAction: Could not find operation GetUser for version NO_VERSION_SPECIFIED"
        ],
    );
    fails(
        &head(Some("iam"), None),
        "Version=2010-05-08",
        expect!["400 MissingAction: The request must contain the parameter Action"],
    );
    fails(
        &head(Some("ec2"), None),
        "Action=MakeTea&Version=2016-11-15",
        expect!["400 InvalidAction: The action MakeTea is not valid for this web service."],
    );
    fails(
        &head(Some("ec2"), None),
        "Action=DescribeVpcs&Version=2006-06-26",
        expect!["400 NoSuchVersion: The API version 2006-06-26 does not exist."],
    );
    fails(
        &head(Some("ec2"), None),
        "Action=DescribeVpcs",
        expect!["400 MissingParameter: The request must contain the parameter Version"],
    );

    let error = head(Some("dynamodb"), None).service().unwrap_err();
    expect!["NotImplementedException: The service dynamodb is not served by Sagegate."]
        .assert_eq(&error.to_string());

    // without a signature: by target, then by host
    let by_host = |host| Head { host: Some(host), ..Head::default() }.service().map(|it| it.name);
    assert_eq!(by_host("api.sagemaker.eu-west-1.amazonaws.com:443"), Ok("sagemaker"));
    assert_eq!(by_host("vpce-1-2.sts.eu-west-1.vpce.amazonaws.com"), Ok("sts"));
    assert_eq!(by_host("iam.amazonaws.com"), Ok("iam"));
    assert!(by_host("127.0.0.1:8080").is_err());
    let target = head(None, Some("SageMaker.CreateDomain"));
    assert_eq!(target.service().map(|it| it.name), Ok("sagemaker"));

    // a signed GET carries the form in its query string
    let get = Head {
        scope: Some("sts"),
        query: Some("Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Expires=60"),
        ..Head::default()
    };
    let call = get.call(get.service().unwrap(), b"").unwrap();
    assert_eq!(call.operation.name, "GetCallerIdentity");

    // known to AWS, not served here: found, and refused by name
    for (scope, target, body) in [
        ("sagemaker", Some("SageMaker.CreateTrainingJob"), "{}"),
        ("iam", None, "Action=CreateVirtualMFADevice&Version=2010-05-08"),
        ("ec2", None, "Action=RunInstances&Version=2016-11-15"),
    ] {
        let head = head(Some(scope), target);
        let call = head.call(head.service().unwrap(), body.as_bytes()).unwrap();
        assert!(!call.operation.implemented);
        let error = call.decode(&mut sagegate_model::Unit).unwrap_err();
        assert_eq!(error.status, 501);
        assert!(error.message.contains(call.operation.name), "{error}");
    }
}
