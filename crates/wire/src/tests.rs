//! The wire as it looks: answers, errors, refusals.

use expect_test::{Expect, expect};
use http::{Method, Response};
use sagegate_api::{ec2, iam, sagemaker, sts};
use sagegate_model::{ServiceSchema, Struct, Timestamp};

use crate::route::Head;
use crate::{ApiError, encode};

fn shown(response: &Response<bytes::Bytes>) -> String {
    let mut out = format!("{}\n", response.status());
    for (name, value) in response.headers() {
        out.push_str(&format!("{name}: {}\n", value.to_str().unwrap()));
    }
    out + "\n" + std::str::from_utf8(response.body()).unwrap()
}

fn answer(service: &'static ServiceSchema, operation: &str, answer: &dyn Struct, expect: Expect) {
    let operation = service.operation(operation).unwrap();
    expect.assert_eq(&shown(&encode(service.protocol, service, operation, answer, "id-1")));
}

fn request(
    service: &'static ServiceSchema,
    operation: &str,
    body: &str,
) -> Result<Box<dyn Struct>, ApiError> {
    let target = format!("{}.{operation}", service.target_prefix);
    let head = Head {
        scope: Some(service.signing_name),
        target: Some(&target),
        method: Method::POST,
        ..Head::default()
    };
    let body = if service.target_prefix.is_empty() {
        format!("Action={operation}&Version={}&{body}", service.api_version)
    } else {
        body.to_owned()
    };
    let call = head.call(service, body.as_bytes())?;
    let mut request = sagegate_api::input(service, call.operation.name)
        .unwrap_or_else(|| Box::new(sagegate_model::Unit));
    call.decode(&mut *request)?;
    Ok(request)
}

fn refused(service: &'static ServiceSchema, operation: &str, body: &str, expect: Expect) {
    let error = request(service, operation, body).err().expect("it was accepted");
    expect.assert_eq(&format!("{} {}: {}", error.status, error.code, error.message));
}

#[test]
fn answers() {
    answer(
        &sagegate_model::sagemaker::SERVICE,
        "DescribeDomain",
        &sagemaker::DescribeDomainResponse {
            domain_id: Some("d-1".into()),
            creation_time: Some(Timestamp::from_millis(1_700_000_000_123)),
            last_modified_time: Some(Timestamp::from_seconds(1_700_000_000)),
            status: Some(sagemaker::DomainStatus::InService),
            subnet_ids: Some(vec!["subnet-1".into(), "subnet-2".into()]),
            ..Default::default()
        },
        expect![[r#"
            200 OK
            content-type: application/x-amz-json-1.1
            x-amzn-requestid: id-1

            {"DomainId":"d-1","Status":"InService","CreationTime":1700000000.123,"LastModifiedTime":1700000000,"SubnetIds":["subnet-1","subnet-2"]}"#]],
    );
    answer(
        &sagegate_model::sagemaker::SERVICE,
        "DeleteDomain",
        &sagegate_model::Unit,
        expect![[r#"
        200 OK
        content-type: application/x-amz-json-1.1
        x-amzn-requestid: id-1

    "#]],
    );
    answer(
        &sagegate_model::iam::SERVICE,
        "CreateUser",
        &iam::CreateUserResponse {
            user: Some(iam::User {
                path: Some("/".into()),
                user_name: Some("a&b".into()),
                user_id: Some("AIDA1".into()),
                arn: Some("arn:aws:iam::123456789012:user/a&b".into()),
                create_date: Some(Timestamp::from_seconds(1_700_000_000)),
                tags: Some(vec![iam::Tag { key: "k".into(), value: "<v>".into() }]),
                ..Default::default()
            }),
        },
        expect![[r#"
            200 OK
            content-type: text/xml
            x-amzn-requestid: id-1

            <CreateUserResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><CreateUserResult><User><Path>/</Path><UserName>a&amp;b</UserName><UserId>AIDA1</UserId><Arn>arn:aws:iam::123456789012:user/a&amp;b</Arn><CreateDate>2023-11-14T22:13:20Z</CreateDate><Tags><member><Key>k</Key><Value>&lt;v&gt;</Value></member></Tags></User></CreateUserResult><ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata></CreateUserResponse>"#]],
    );
    answer(
        &sagegate_model::iam::SERVICE,
        "DeleteUser",
        &sagegate_model::Unit,
        expect![[r#"
        200 OK
        content-type: text/xml
        x-amzn-requestid: id-1

        <DeleteUserResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata></DeleteUserResponse>"#]],
    );
    answer(
        &sagegate_model::sts::SERVICE,
        "GetCallerIdentity",
        &sts::GetCallerIdentityResponse {
            user_id: Some("AIDA1".into()),
            account: Some("123456789012".into()),
            arn: Some("arn:aws:iam::123456789012:user/a".into()),
        },
        expect![[r#"
            200 OK
            content-type: text/xml
            x-amzn-requestid: id-1

            <GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><UserId>AIDA1</UserId><Account>123456789012</Account><Arn>arn:aws:iam::123456789012:user/a</Arn></GetCallerIdentityResult><ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata></GetCallerIdentityResponse>"#]],
    );
    answer(
        &sagegate_model::ec2::SERVICE,
        "DescribeVpcs",
        &ec2::DescribeVpcsResult {
            vpcs: Some(vec![ec2::Vpc {
                vpc_id: Some("vpc-1".into()),
                is_default: Some(false),
                tags: Some(vec![]),
                ..Default::default()
            }]),
            ..Default::default()
        },
        expect![[r#"
            200 OK
            content-type: text/xml;charset=UTF-8
            x-amzn-requestid: id-1

            <?xml version="1.0" encoding="UTF-8"?>
            <DescribeVpcsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>id-1</requestId><vpcSet><item><isDefault>false</isDefault><tagSet></tagSet><vpcId>vpc-1</vpcId></item></vpcSet></DescribeVpcsResponse>"#]],
    );
    answer(
        &sagegate_model::ec2::SERVICE,
        "DeleteVpc",
        &sagegate_model::Unit,
        expect![[r#"
        200 OK
        content-type: text/xml;charset=UTF-8
        x-amzn-requestid: id-1

        <?xml version="1.0" encoding="UTF-8"?>
        <DeleteVpcResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>id-1</requestId><return>true</return></DeleteVpcResponse>"#]],
    );
}

#[test]
fn errors() {
    let mut error = ApiError::sender("NoSuchThing", 404, "There is no <thing>.");
    error.extra.push(("ResourceName".into(), "thing".into()));
    let mut out = String::new();
    for service in [
        &sagegate_model::sagemaker::SERVICE,
        &sagegate_model::iam::SERVICE,
        &sagegate_model::ec2::SERVICE,
    ] {
        out += &shown(&error.encode(service.protocol, Some(service), "id-1"));
        out += "\n\n";
    }
    expect![[r#"
        404 Not Found
        content-type: application/x-amz-json-1.1
        x-amzn-requestid: id-1
        x-amzn-errortype: NoSuchThing

        {"__type":"NoSuchThing","Message":"There is no <thing>.","ResourceName":"thing"}

        404 Not Found
        content-type: text/xml
        x-amzn-requestid: id-1

        <ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type><Code>NoSuchThing</Code><Message>There is no &lt;thing&gt;.</Message><ResourceName>thing</ResourceName></Error><RequestId>id-1</RequestId></ErrorResponse>

        404 Not Found
        content-type: text/xml;charset=UTF-8
        x-amzn-requestid: id-1

        <?xml version="1.0" encoding="UTF-8"?>
        <Response><Errors><Error><Code>NoSuchThing</Code><Message>There is no &lt;thing&gt;.</Message><ResourceName>thing</ResourceName></Error></Errors><RequestID>id-1</RequestID></Response>

    "#]].assert_eq(&out);
}

#[test]
fn modelled_errors() {
    let error =
        ApiError::modelled(&sagegate_model::iam::ERROR_NO_SUCH_ENTITY_EXCEPTION, "No such user.");
    assert_eq!((error.code.as_str(), error.status, error.sender), ("NoSuchEntity", 404, true));
    let error =
        ApiError::modelled(&sagegate_model::sagemaker::ERROR_RESOURCE_IN_USE, "It is in use.");
    assert_eq!((error.code.as_str(), error.status, error.sender), ("ResourceInUse", 400, true));
}

#[test]
fn violations() {
    use sagegate_model::{ec2::SERVICE as EC2, iam::SERVICE as IAM, sagemaker::SERVICE as SM};
    refused(
        &SM,
        "DescribeDomain",
        "{}",
        expect![
            "400 ValidationException: 1 validation error detected: Value null at 'domainId' failed to satisfy constraint: Member must not be null"
        ],
    );
    refused(
        &SM,
        "DescribeDomain",
        r#"{"DomainId":null}"#,
        expect![
            "400 ValidationException: 1 validation error detected: Value null at 'domainId' failed to satisfy constraint: Member must not be null"
        ],
    );
    refused(
        &SM,
        "DescribeDomain",
        r#"{"DomainId":"x y"}"#,
        expect![
            "400 ValidationException: 1 validation error detected: Value 'x y' at 'domainId' failed to satisfy constraint: Member must satisfy regular expression pattern: d-(-*[a-z0-9]){1,61}"
        ],
    );
    refused(
        &SM,
        "CreateDomain",
        r#"{"DomainName":"-","AuthMode":"LDAP","SubnetIds":["ok","no!"],
            "DefaultUserSettings":{"ExecutionRole":"r","SecurityGroups":["a","b","c","d","e","f"]},
            "Tags":[{"Key":"ok","Value":"v"},{"Key":"","Value":"!"},{}]}"#,
        expect![[
            r#"400 ValidationException: 10 validation errors detected: Value '-' at 'domainName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}; Value 'LDAP' at 'authMode' failed to satisfy constraint: Member must satisfy enum value set: [SSO, IAM]; Value 'r' at 'defaultUserSettings.executionRole' failed to satisfy constraint: Member must have length greater than or equal to 20; Value 'r' at 'defaultUserSettings.executionRole' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:aws[a-z\-]*:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+; Value '[a, b, c, d, e, f]' at 'defaultUserSettings.securityGroups' failed to satisfy constraint: Member must have length less than or equal to 5; Value '[ok, no!]' at 'subnetIds' failed to satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal to 32, Member must have length greater than or equal to 0, Member must satisfy regular expression pattern: [-0-9a-zA-Z]+]; Value '' at 'tags.2.member.key' failed to satisfy constraint: Member must have length greater than or equal to 1; Value '!' at 'tags.2.member.value' failed to satisfy constraint: Member must satisfy regular expression pattern: ([\p{L}\p{Z}\p{N}_.:/=+\-@]*); Value null at 'tags.3.member.key' failed to satisfy constraint: Member must not be null; Value null at 'tags.3.member.value' failed to satisfy constraint: Member must not be null"#
        ]],
    );
    refused(
        &SM,
        "ListDomains",
        r#"{"MaxResults":0}"#,
        expect![
            "400 ValidationException: 1 validation error detected: Value '0' at 'maxResults' failed to satisfy constraint: Member must have value greater than or equal to 1"
        ],
    );
    refused(
        &SM,
        "ListDomains",
        r#"{"MaxResults":101}"#,
        expect![
            "400 ValidationException: 1 validation error detected: Value '101' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 100"
        ],
    );
    refused(
        &SM,
        "DeleteTags",
        r#"{"ResourceArn":"arn:aws:sagemaker:a:1:x","TagKeys":[]}"#,
        expect![
            "400 ValidationException: 2 validation errors detected: Value 'arn:aws:sagemaker:a:1:x' at 'resourceArn' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:aws[a-z-]*:sagemaker:[a-z0-9-]*:[0-9]{12}:.+; Value '[]' at 'tagKeys' failed to satisfy constraint: Member must have length greater than or equal to 1"
        ],
    );
    refused(
        &IAM,
        "CreateRole",
        "Path=x",
        expect![[
            r#"400 ValidationError: 3 validation errors detected: Value 'x' at 'path' failed to satisfy constraint: Member must satisfy regular expression pattern: (\u002F)|(\u002F[\u0021-\u007E]+\u002F); Value null at 'roleName' failed to satisfy constraint: Member must not be null; Value null at 'assumeRolePolicyDocument' failed to satisfy constraint: Member must not be null"#
        ]],
    );
    refused(
        &IAM,
        "TagUser",
        "UserName=a&Tags.member.1.Key=k&Tags.member.3.Value=v",
        expect![
            "400 ValidationError: 2 validation errors detected: Value null at 'tags.1.member.value' failed to satisfy constraint: Member must not be null; Value null at 'tags.2.member.key' failed to satisfy constraint: Member must not be null"
        ],
    );
    refused(
        &IAM,
        "CreateAccessKey",
        &format!("UserName={}", "é".repeat(129)),
        expect![[
            r#"400 ValidationError: 2 validation errors detected: Value 'ééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé' at 'userName' failed to satisfy constraint: Member must have length less than or equal to 128; Value 'ééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé' at 'userName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]+"#
        ]],
    );
    refused(
        &EC2,
        "CreateVpcEndpoint",
        "ServiceName=x",
        expect!["400 MissingParameter: The request must contain the parameter VpcId"],
    );
    refused(
        &EC2,
        "CreateVpcEndpoint",
        "VpcId=v&VpcEndpointType=Magic",
        expect![
            "400 InvalidParameterValue: Value ( Magic ) for parameter vpcEndpointType is invalid."
        ],
    );
    refused(
        &EC2,
        "DescribeVpcs",
        "MaxResults=1",
        expect![
            "400 InvalidParameterValue: Value ( 1 ) for parameter maxResults is invalid. Expecting a value greater than 5."
        ],
    );
    refused(
        &EC2,
        "DescribeVpcs",
        "MaxResults=1001",
        expect![
            "400 InvalidParameterValue: Value ( 1001 ) for parameter maxResults is invalid. Expecting a value less than or equal to 1000."
        ],
    );
}

#[test]
fn malformed() {
    use sagegate_model::{ec2::SERVICE as EC2, iam::SERVICE as IAM, sagemaker::SERVICE as SM};
    for (body, expect) in [
        (
            "{",
            expect![
                "400 SerializationException: The request body is not valid JSON: EOF while parsing an object at line 1 column 1"
            ],
        ),
        ("[]", expect!["400 SerializationException: Start of list found where not expected"]),
        (
            "7",
            expect!["400 SerializationException: Unexpected value where a structure was expected"],
        ),
        (
            r#"{"DomainId":"d-a"} x"#,
            expect![
                "400 SerializationException: The request body is not valid JSON: trailing characters at line 1 column 20"
            ],
        ),
        (
            r#"{"DomainId":"d-a","DomainId":"d-b"}"#,
            expect!["400 SerializationException: Duplicate key (at 'DomainId')"],
        ),
        (
            r#"{"DomainId":7}"#,
            expect![
                "400 SerializationException: NUMBER_VALUE can not be converted to a String (at 'DomainId')"
            ],
        ),
        (
            r#"{"DomainId":{"a":1}}"#,
            expect![
                "400 SerializationException: Start of structure or map found where not expected (at 'DomainId')"
            ],
        ),
        (
            r#"{"DomainId":["a"]}"#,
            expect![
                "400 SerializationException: Start of list found where not expected (at 'DomainId')"
            ],
        ),
        (
            "{\"DomainId\":\"\u{1}\"}",
            expect![[
                r#"400 SerializationException: The request body is not valid JSON: control character (\u0000-\u001F) found while parsing a string at line 1 column 14"#
            ]],
        ),
    ] {
        refused(&SM, "DescribeDomain", body, expect);
    }
    refused(
        &SM,
        "ListDomains",
        r#"{"MaxResults":"7"}"#,
        expect![
            "400 SerializationException: STRING_VALUE can not be converted to an Integer (at 'MaxResults')"
        ],
    );
    refused(
        &SM,
        "ListDomains",
        r#"{"MaxResults":1.5}"#,
        expect![
            "400 SerializationException: NUMBER_VALUE can not be converted to an Integer (at 'MaxResults')"
        ],
    );
    refused(
        &SM,
        "ListDomains",
        r#"{"MaxResults":99999999999999999999}"#,
        expect![
            "400 SerializationException: NUMBER_VALUE can not be converted to an Integer (at 'MaxResults')"
        ],
    );
    refused(
        &SM,
        "AddTags",
        r#"{"Tags":[{"Key":"a"},{"Key":true}]}"#,
        expect![
            "400 SerializationException: TRUE_VALUE can not be converted to a String (at 'Tags[1].Key')"
        ],
    );
    refused(
        &SM,
        "AddTags",
        r#"{"Tags":[7]}"#,
        expect![
            "400 SerializationException: Unexpected value where a structure was expected (at 'Tags[0]')"
        ],
    );
    refused(
        &IAM,
        "ListUsers",
        "MaxItems=x",
        expect![
            "400 MalformedInput: STRING_VALUE can not be converted to an Integer (at 'MaxItems')"
        ],
    );
    refused(
        &IAM,
        "ListUsers",
        "MaxItems.member.1=x",
        expect!["400 MalformedInput: Start of list found where not expected (at 'MaxItems')"],
    );
    refused(
        &IAM,
        "TagUser",
        "UserName=a&Tags=x",
        expect!["400 MalformedInput: Unexpected list element termination (at 'Tags')"],
    );
    refused(
        &IAM,
        "TagUser",
        "UserName=a&Tags.member.x.Key=x",
        expect!["400 MalformedInput: 'x' is not an item's number (at 'Tags.member.x')"],
    );
    refused(
        &IAM,
        "TagUser",
        "UserName=a&Tags.member.4294967296.Key=x",
        expect![
            "400 MalformedInput: '4294967296' is not an item's number (at 'Tags.member.4294967296')"
        ],
    );
    refused(
        &IAM,
        "GetUser",
        "UserName=%zz",
        expect![
            "404 MalformedQueryString: The value of the parameter UserName has a percent sign without two hex digits."
        ],
    );
    refused(
        &IAM,
        "GetUser",
        "UserName=a&UserName=b",
        expect!["404 MalformedQueryString: The parameter UserName is given more than once."],
    );
    refused(
        &IAM,
        "GetUser",
        "UserName=%00",
        expect![
            "404 MalformedQueryString: The value of the parameter UserName has the character U+0000, which XML does not allow."
        ],
    );
    refused(
        &EC2,
        "DescribeVpcs",
        "MaxResults=x",
        expect![
            "400 InvalidParameterValue: The value of parameter MaxResults is invalid. Value (x) is not an Integer"
        ],
    );
    refused(
        &EC2,
        "DescribeVpcs",
        "Colour=red",
        expect!["400 UnknownParameter: The parameter Colour is not recognized"],
    );
    refused(
        &EC2,
        "DescribeVpcs",
        "Filter.1.Colour=red",
        expect!["400 UnknownParameter: The parameter Filter.1.Colour is not recognized"],
    );
    refused(
        &EC2,
        "DescribeVpcs",
        "DryRun=maybe",
        expect![
            "400 InvalidParameterValue: The value of parameter DryRun is invalid. Value (maybe) is not a Boolean"
        ],
    );
}

#[test]
fn unknown_members_and_far_items() {
    use sagegate_model::{ec2::SERVICE as EC2, iam::SERVICE as IAM, sagemaker::SERVICE as SM};
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let body = format!(r#"{{"DomainId":"d-a1","Unknown":{deep},"Other":{{"a":1,"a":2}}}}"#);
    request(&SM, "DescribeDomain", &body).unwrap();
    request(&IAM, "GetUser", "UserName=a&Colour=red").unwrap();
    request(&EC2, "DescribeVpcs", "Filter.999999999.Name=state&Filter.999999999.Value.1=x")
        .unwrap();
    // a member that would take far more memory than its bytes
    let many = format!(r#"{{"Tags":[{}{{}}]}}"#, "{},".repeat(300_000));
    let error = request(&SM, "AddTags", &many).err().unwrap();
    assert_eq!(error.code, "SerializationException");
    request(&IAM, "UntagUser", "UserName=a&TagKeys=").unwrap();
    // what SDKs put beside the operation's parameters when they sign the query string
    request(&EC2, "DescribeVpcs", "X-Amz-Algorithm=a&X-Amz-Signature=b&Timestamp=c").unwrap();
}

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
