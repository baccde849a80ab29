//! The part of the matrix that is about peering connections.

use sagegate_api::ec2 as api;

use super::matrix::{Case, case, listing};
use super::peering::{acceptance, deletion, peered, rejection, request, requested};
use super::permissions::ARN;
use super::{default_group, named, vpc};
use crate::ec2::peering::answers::{
    AcceptVpcPeeringConnection, DeleteVpcPeeringConnection, RejectVpcPeeringConnection,
};
use crate::ec2::peering::describe::DescribeVpcPeeringConnections;
use crate::ec2::peering::options::ModifyVpcPeeringConnectionOptions;
use crate::ec2::peering::references::{
    DescribeSecurityGroupReferences, DescribeStaleSecurityGroups,
};
use crate::ec2::peering::request::CreateVpcPeeringConnection;
use crate::testing::House;

/// Cases in the order in which they must be made, in a house of their own.
pub(super) fn cases(house: &House) -> Vec<Case<'_>> {
    let on = |kind: &str, id: &str| format!("{ARN}:{kind}/{id}");
    let (one, two) = (vpc(house, "10.0.0.0/16"), vpc(house, "10.1.0.0/16"));
    let (third, fourth) = (vpc(house, "10.2.0.0/16"), vpc(house, "10.3.0.0/16"));
    let waiting = requested(house, &one, &two);
    let unwanted = requested(house, &two, &third);
    let doomed = peered(house, &one, &third);
    let group = default_group(house, &one);
    let stale =
        api::DescribeStaleSecurityGroupsRequest { vpc_id: one.clone(), ..Default::default() };
    // Keys of a connection's two sides, and its id once it has one.
    const SIDES: &str = r#"{"ArnLike":{"ec2:RequesterVpc":"arn:aws:ec2:us-west-2:123456789012:vpc/*","ec2:AccepterVpc":"arn:aws:ec2:us-west-2:123456789012:vpc/*"}}"#;
    const KEYS: &str = r#"{"ArnLike":{"ec2:RequesterVpc":"arn:aws:ec2:us-west-2:123456789012:vpc/*","ec2:AccepterVpc":"arn:aws:ec2:us-west-2:123456789012:vpc/*"},"StringLike":{"ec2:VpcPeeringConnectionID":"pcx-*"}}"#;
    const OPTIONS: &str = r#"{"ForAllValues:StringEquals":{"ec2:Attribute":"RequesterPeeringConnectionOptions"},"StringLike":{"ec2:VpcPeeringConnectionID":"pcx-*"}}"#;
    let pcx = "vpc-peering-connection";
    vec![
        listing::<DescribeVpcPeeringConnections>(house, "ec2:DescribeVpcPeeringConnections"),
        case::<DescribeStaleSecurityGroups>(
            house,
            vec![("ec2:DescribeStaleSecurityGroups", "*".into(), "")],
            stale,
        ),
        case::<DescribeSecurityGroupReferences>(
            house,
            vec![(
                "ec2:DescribeSecurityGroupReferences",
                on("security-group", &group),
                r#"{"ArnLike":{"ec2:Vpc":"arn:aws:ec2:*:*:vpc/*"}}"#,
            )],
            api::DescribeSecurityGroupReferencesRequest {
                group_id: vec![group.clone()],
                dry_run: None,
            },
        ),
        case::<CreateVpcPeeringConnection>(
            house,
            vec![
                ("ec2:CreateVpcPeeringConnection", on(pcx, "*"), SIDES),
                ("ec2:CreateVpcPeeringConnection", on("vpc", &third), ""),
                (
                    "ec2:CreateTags",
                    on(pcx, "*"),
                    r#"{"StringEquals":{"ec2:CreateAction":"CreateVpcPeeringConnection"},"ArnLike":{"ec2:AccepterVpc":"arn:aws:ec2:*:*:vpc/*"}}"#,
                ),
            ],
            api::CreateVpcPeeringConnectionRequest {
                tag_specifications: named(pcx, "k", "v"),
                ..request(&third, &fourth)
            },
        ),
        case::<AcceptVpcPeeringConnection>(
            house,
            vec![
                ("ec2:AcceptVpcPeeringConnection", on(pcx, &waiting), KEYS),
                ("ec2:AcceptVpcPeeringConnection", on("vpc", &two), ""),
            ],
            acceptance(&waiting),
        ),
        case::<RejectVpcPeeringConnection>(
            house,
            vec![("ec2:RejectVpcPeeringConnection", on(pcx, &unwanted), KEYS)],
            rejection(&unwanted),
        ),
        case::<ModifyVpcPeeringConnectionOptions>(
            house,
            vec![("ec2:ModifyVpcPeeringConnectionOptions", on(pcx, &doomed), OPTIONS)],
            api::ModifyVpcPeeringConnectionOptionsRequest {
                vpc_peering_connection_id: doomed.clone(),
                requester_peering_connection_options: Some(api::PeeringConnectionOptionsRequest {
                    allow_dns_resolution_from_remote_vpc: Some(false),
                    ..Default::default()
                }),
                ..Default::default()
            },
        ),
        case::<DeleteVpcPeeringConnection>(
            house,
            vec![("ec2:DeleteVpcPeeringConnection", on(pcx, &doomed), KEYS)],
            deletion(&doomed),
        ),
    ]
}
