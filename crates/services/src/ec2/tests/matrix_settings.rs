//! The part of the matrix that is about DHCP options and flow logs.

use sagegate_api::ec2 as api;

use super::matrix::{Case, case, listing};
use super::permissions::ARN;
use super::{dhcp, flow_logs, named};
use crate::ec2::dhcp_options::{
    AssociateDhcpOptions, CreateDhcpOptions, DeleteDhcpOptions, DescribeDhcpOptions,
};
use crate::ec2::flow_logs::{CreateFlowLogs, DeleteFlowLogs, DescribeFlowLogs};
use crate::testing::House;

/// Cases in the order in which they must be made.
pub(super) fn cases<'a>(house: &'a House, vpc_id: &str) -> Vec<Case<'a>> {
    let on = |kind: &str, id: &str| format!("{ARN}:{kind}/{id}");
    let own = dhcp::make(house, &[("domain-name", &["example.com"])]);
    let doomed = dhcp::make(house, &[("domain-name", &["example.org"])]);
    let role = flow_logs::role(house, "flows", flow_logs::SERVICE);
    let of_bucket = flow_logs::make(house, flow_logs::to_bucket(vpc_id, "doomed"));
    let pass = r#"{"StringEquals":{"iam:PassedToService":"vpc-flow-logs.amazonaws.com"}}"#;
    let with_id = r#"{"StringLike":{"ec2:DhcpOptionsID":"dopt-*"}}"#;
    vec![
        listing::<DescribeDhcpOptions>(house, "ec2:DescribeDhcpOptions"),
        listing::<DescribeFlowLogs>(house, "ec2:DescribeFlowLogs"),
        case::<CreateDhcpOptions>(
            house,
            vec![
                ("ec2:CreateDhcpOptions", on("dhcp-options", "*"), ""),
                (
                    "ec2:CreateTags",
                    on("dhcp-options", "*"),
                    r#"{"StringEquals":{"ec2:CreateAction":"CreateDhcpOptions"}}"#,
                ),
            ],
            api::CreateDhcpOptionsRequest {
                tag_specifications: named("dhcp-options", "k", "v"),
                ..dhcp::input(&[("domain-name", &["example.net"])])
            },
        ),
        case::<AssociateDhcpOptions>(
            house,
            vec![
                ("ec2:AssociateDhcpOptions", on("dhcp-options", &own), with_id),
                ("ec2:AssociateDhcpOptions", on("vpc", vpc_id), ""),
            ],
            dhcp::choose(&own, vpc_id),
        ),
        case::<DeleteDhcpOptions>(
            house,
            vec![("ec2:DeleteDhcpOptions", on("dhcp-options", &doomed), with_id)],
            dhcp::delete(&doomed),
        ),
        case::<DeleteFlowLogs>(
            house,
            vec![
                ("ec2:DeleteFlowLogs", on("vpc-flow-log", &of_bucket[0]), ""),
                ("logs:DeleteLogDelivery", "*".into(), ""),
            ],
            flow_logs::delete(&of_bucket),
        ),
        case::<CreateFlowLogs>(
            house,
            vec![
                ("ec2:CreateFlowLogs", on("vpc-flow-log", "*"), ""),
                ("ec2:CreateFlowLogs", on("vpc", vpc_id), ""),
                ("iam:PassRole", role.clone(), pass),
                (
                    "ec2:CreateTags",
                    on("vpc-flow-log", "*"),
                    r#"{"StringEquals":{"ec2:CreateAction":"CreateFlowLogs"}}"#,
                ),
            ],
            api::CreateFlowLogsRequest {
                tag_specifications: named("vpc-flow-log", "k", "v"),
                ..flow_logs::to_group(vpc_id, &role)
            },
        ),
    ]
}
