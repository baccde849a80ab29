use expect_test::expect;

use super::{refused, request};

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
        &IAM,
        "AddUserToGroup",
        "UserName=a/b&GroupName=c/d",
        expect![
            "400 ValidationError: The specified value for groupName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-"
        ],
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
