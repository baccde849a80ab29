//! Flow logs.

use expect_test::expect;
use sagegate_api::ec2 as api;

use super::permissions::{ARN, policy};
use super::routes::interface;
use super::{filter, house, named, subnet, vpc};
use crate::ec2::flow_logs::{CreateFlowLogs, DeleteFlowLogs, DescribeFlowLogs};
use crate::ec2::vpc::DeleteVpc;
use crate::iam::roles::CreateRole;
use crate::testing::{ACCOUNT, House};

/// A role that the service named may assume.
pub(super) fn role(house: &House, name: &str, service: &str) -> String {
    let trust = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"Service":"{service}"}},"Action":"sts:AssumeRole"}}]}}"#
    );
    house.ok::<CreateRole>(sagegate_api::iam::CreateRoleRequest {
        role_name: name.into(),
        assume_role_policy_document: trust,
        ..Default::default()
    });
    format!("arn:aws:iam::{ACCOUNT}:role/{name}")
}

pub(super) const SERVICE: &str = "vpc-flow-logs.amazonaws.com";

pub(super) fn to_group(vpc: &str, role: &str) -> api::CreateFlowLogsRequest {
    api::CreateFlowLogsRequest {
        resource_ids: vec![vpc.into()],
        resource_type: api::FlowLogsResourceType::Vpc,
        traffic_type: Some(api::TrafficType::All),
        log_group_name: Some("flows".into()),
        deliver_logs_permission_arn: Some(role.into()),
        ..Default::default()
    }
}

pub(super) fn to_bucket(vpc: &str, bucket: &str) -> api::CreateFlowLogsRequest {
    api::CreateFlowLogsRequest {
        log_group_name: None,
        deliver_logs_permission_arn: None,
        log_destination_type: Some(api::LogDestinationType::S3),
        log_destination: Some(format!("arn:aws:s3:::{bucket}")),
        ..to_group(vpc, "")
    }
}

pub(super) fn make(house: &House, input: api::CreateFlowLogsRequest) -> Vec<String> {
    let answer = house.ok::<CreateFlowLogs>(input);
    assert!(answer.unsuccessful.unwrap().is_empty());
    answer.flow_log_ids.unwrap()
}

fn described(house: &House, name: &str, value: &str) -> Vec<api::FlowLog> {
    let input =
        api::DescribeFlowLogsRequest { filter: filter(name, &[value]), ..Default::default() };
    house.ok::<DescribeFlowLogs>(input).flow_logs.unwrap()
}

pub(super) fn delete(ids: &[String]) -> api::DeleteFlowLogsRequest {
    api::DeleteFlowLogsRequest { flow_log_ids: ids.to_vec(), dry_run: None }
}

#[test]
fn a_flow_log_says_that_nothing_is_delivered() {
    let house = house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let role = role(&house, "flows", SERVICE);
    let input = api::CreateFlowLogsRequest {
        tag_specifications: named("vpc-flow-log", "Name", "own"),
        client_token: Some("once".into()),
        ..to_group(&vpc_id, &role)
    };
    let made = make(&house, input.clone());
    assert_eq!(make(&house, input), made, "the token makes it once");
    let shown = described(&house, "flow-log-id", &made[0]).remove(0);
    assert_eq!(shown.flow_log_status.as_deref(), Some("ACTIVE"));
    assert_eq!(shown.deliver_logs_status.as_deref(), Some("FAILED"));
    assert_eq!(shown.deliver_logs_error_message.as_deref(), Some("Access error"));
    assert_eq!(shown.log_group_name.as_deref(), Some("flows"));
    assert_eq!(shown.resource_id.as_ref(), Some(&vpc_id));
    assert_eq!(shown.deliver_logs_permission_arn, Some(role.clone()));
    assert_eq!(shown.max_aggregation_interval, Some(600));
    assert!(shown.log_format.unwrap().starts_with("${version} ${account-id} "));
    for (name, value) in [
        ("deliver-log-status", "FAILED"),
        ("log-destination-type", "cloud-watch-logs"),
        ("log-group-name", "flows"),
        ("resource-id", &vpc_id),
        ("traffic-type", "ALL"),
        ("tag:Name", "own"),
    ] {
        assert_eq!(described(&house, name, value).len(), 1, "{name}");
    }
    expect!["FlowLogAlreadyExists (400): Error. There is an existing Flow Log with the same configuration and log destination."]
        .assert_eq(&house.fails::<CreateFlowLogs>(to_group(&vpc_id, &role)));
    make(&house, to_bucket(&vpc_id, "one"));
    let text = house.fails::<CreateFlowLogs>(to_bucket(&vpc_id, "two"));
    assert!(text.starts_with("FlowLogsLimitExceeded (400)"), "{text}");
    house.ok::<DeleteFlowLogs>(delete(&made));
    let told = format!(
        "InvalidFlowLogId.NotFound (400): These flow log ids in the input list are not found: [TotalCount: 1] {}",
        made[0]
    );
    assert_eq!(house.fails::<DeleteFlowLogs>(delete(&made)), told);
    house.ok::<DeleteVpc>(api::DeleteVpcRequest { vpc_id, dry_run: None });
    let all = house.ok::<DescribeFlowLogs>(Default::default()).flow_logs.unwrap();
    assert!(all.is_empty(), "they go with what they are about");
}

#[test]
fn flow_logs_are_of_subnets_and_interfaces_too() {
    let house = house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let subnet_id = subnet(&house, &vpc_id, "10.0.0.0/24", "a");
    let own = interface(&house, &subnet_id);
    for (kind, id) in [
        (api::FlowLogsResourceType::Subnet, &subnet_id),
        (api::FlowLogsResourceType::NetworkInterface, &own),
    ] {
        let input = api::CreateFlowLogsRequest {
            resource_type: kind,
            log_format: Some("${vpc-id} ${flow-direction}".into()),
            max_aggregation_interval: Some(60),
            destination_options: Some(api::DestinationOptionsRequest {
                file_format: Some(api::DestinationFileFormat::Parquet),
                ..Default::default()
            }),
            ..to_bucket(id, "flows/prefix/")
        };
        make(&house, input);
        let shown = described(&house, "resource-id", id).remove(0);
        assert_eq!(shown.log_format.as_deref(), Some("${vpc-id} ${flow-direction}"));
        assert_eq!(shown.log_destination.as_deref(), Some("arn:aws:s3:::flows/prefix/"));
        let options = shown.destination_options.unwrap();
        assert_eq!(options.file_format, Some(api::DestinationFileFormat::Parquet));
        assert_eq!(options.per_hour_partition, Some(false));
    }
}

#[test]
fn flow_logs_are_checked() {
    let house = house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let own = role(&house, "flows", SERVICE);
    let other = role(&house, "other", "sagemaker.amazonaws.com");
    let usual = || to_group(&vpc_id, &own);
    let none = || api::CreateFlowLogsRequest { log_group_name: None, ..usual() };
    let arn = |text: &str| Some(text.to_owned());
    for (input, told) in [
        (
            none(),
            "InvalidParameter (400): LogDestination can't be empty if LogGroupName is not provided.",
        ),
        (
            api::CreateFlowLogsRequest { deliver_logs_permission_arn: None, ..usual() },
            "InvalidParameter (400): DeliverLogsPermissionArn can't be empty if LogDestinationType is cloud-watch-logs.",
        ),
        (
            api::CreateFlowLogsRequest { log_group_name: arn("x"), ..to_bucket(&vpc_id, "b") },
            "InvalidParameter (400): LogDestination type must be cloud-watch-logs if LogGroupName is provided.",
        ),
        (
            api::CreateFlowLogsRequest { max_aggregation_interval: Some(61), ..usual() },
            "InvalidParameter (400): Invalid Flow Log Max Aggregation Interval",
        ),
        (
            api::CreateFlowLogsRequest { log_format: arn("${colour}"), ..usual() },
            "InvalidParameter (400): Unknown fields provided",
        ),
        (
            api::CreateFlowLogsRequest {
                log_destination: arn("arn:aws:sqs:::x"),
                ..to_bucket(&vpc_id, "b")
            },
            "InvalidParameter (400): LogDestination: arn:aws:sqs:::x is invalid.",
        ),
        (
            api::CreateFlowLogsRequest {
                log_destination: arn("arn:aws:logs:us-west-2:123456789012:log-group:x"),
                ..usual()
            },
            "InvalidParameter (400): Only one of LogGroupName and LogDestination can be provided.",
        ),
        (
            api::CreateFlowLogsRequest { traffic_type: None, ..usual() },
            "MissingParameter (400): The request must contain the parameter trafficType",
        ),
        (to_group(&vpc_id, &other), "InvalidParameterValue (400): Unable to assume given IAM role"),
        (to_group("vpc-1", &own), "InvalidVpcID.NotFound (400): The vpc ID 'vpc-1' does not exist"),
        (
            api::CreateFlowLogsRequest {
                resource_type: api::FlowLogsResourceType::TransitGateway,
                ..usual()
            },
            "UnsupportedOperation (400): The parameter ResourceType is not supported by Sagegate with this value.",
        ),
    ] {
        assert_eq!(house.fails::<CreateFlowLogs>(input), told);
    }
    let by_arn = api::CreateFlowLogsRequest {
        log_destination: arn("arn:aws:logs:us-west-2:123456789012:log-group:x:*"),
        ..none()
    };
    make(&house, by_arn);
    let to_stream = api::CreateFlowLogsRequest {
        log_destination_type: Some(api::LogDestinationType::KinesisDataFirehose),
        log_destination: arn("arn:aws:firehose:us-west-2:123456789012:deliverystream/x"),
        ..to_bucket(&vpc_id, "b")
    };
    make(&house, to_stream);
}

#[test]
fn delivery_to_a_bucket_needs_its_own_permission() {
    let house = house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let mut statements = vec![
        ("ec2:CreateFlowLogs", format!("{ARN}:vpc-flow-log/*"), ""),
        ("ec2:CreateFlowLogs", format!("{ARN}:vpc/{vpc_id}"), ""),
    ];
    let user = house.user_with_policy("without", &policy(&statements));
    let text = house.fails_for::<CreateFlowLogs>(&user, to_bucket(&vpc_id, "flows"));
    assert!(text.contains("logs:CreateLogDelivery"), "{text}");
    statements.push(("logs:CreateLogDelivery", "*".into(), ""));
    let user = house.user_with_policy("with", &policy(&statements));
    assert!(house.call::<CreateFlowLogs>(&user, to_bucket(&vpc_id, "flows")).is_ok());
}
