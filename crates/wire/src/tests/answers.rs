use expect_test::expect;
use sagegate_api::{ec2, iam, route53, sagemaker, sts};
use sagegate_model::Timestamp;

use super::{answer, shown};
use crate::ApiError;

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
fn rest_answers() {
    answer(
        &sagegate_model::route53::SERVICE,
        "CreateHostedZone",
        &route53::CreateHostedZoneResponse {
            hosted_zone: Some(route53::HostedZone {
                id: Some("/hostedzone/Z1".into()),
                name: Some("a.test.".into()),
                caller_reference: Some("a&b".into()),
                config: Some(route53::HostedZoneConfig { comment: None, private_zone: Some(true) }),
                resource_record_set_count: Some(2),
                ..Default::default()
            }),
            change_info: Some(route53::ChangeInfo {
                submitted_at: Some(Timestamp::from_millis(1_700_000_000_123)),
                ..Default::default()
            }),
            delegation_set: Some(route53::DelegationSet {
                name_servers: Some(vec![
                    "ns-0.awsdns-00.com".into(),
                    "ns-512.awsdns-00.net".into(),
                ]),
                ..Default::default()
            }),
            location: Some("https://route53.amazonaws.com/2013-04-01/hostedzone/Z1".into()),
            ..Default::default()
        },
        expect![[r#"
            201 Created
            content-type: text/xml
            x-amzn-requestid: id-1
            location: https://route53.amazonaws.com/2013-04-01/hostedzone/Z1

            <?xml version="1.0"?>
            <CreateHostedZoneResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><HostedZone><Id>/hostedzone/Z1</Id><Name>a.test.</Name><CallerReference>a&amp;b</CallerReference><Config><PrivateZone>true</PrivateZone></Config><ResourceRecordSetCount>2</ResourceRecordSetCount></HostedZone><ChangeInfo><SubmittedAt>2023-11-14T22:13:20.123Z</SubmittedAt></ChangeInfo><DelegationSet><NameServers><NameServer>ns-0.awsdns-00.com</NameServer><NameServer>ns-512.awsdns-00.net</NameServer></NameServers></DelegationSet></CreateHostedZoneResponse>"#]],
    );
    answer(
        &sagegate_model::route53::SERVICE,
        "ChangeTagsForResource",
        &route53::ChangeTagsForResourceResponse {},
        expect![[r#"
            200 OK
            content-type: text/xml
            x-amzn-requestid: id-1

            <?xml version="1.0"?>
            <ChangeTagsForResourceResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"></ChangeTagsForResourceResponse>"#]],
    );
    let service = &sagegate_model::route53::SERVICE;
    let error = ApiError::sender("InvalidChangeBatch", 400, "[<a>, b]");
    expect![[r#"
        400 Bad Request
        content-type: text/xml
        x-amzn-requestid: id-1

        <?xml version="1.0"?>
        <ErrorResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Error><Type>Sender</Type><Code>InvalidChangeBatch</Code><Message>[&lt;a&gt;, b]</Message></Error><RequestId>id-1</RequestId></ErrorResponse>"#]].assert_eq(&shown(&error.encode(service.protocol, Some(service), "id-1")));
}
