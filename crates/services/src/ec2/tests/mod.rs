//! Calls through a whole gate.

mod acls;
mod blocks;
mod dhcp;
mod endpoint_policies;
mod endpoints;
mod flow_logs;
mod gateway_endpoints;
mod groups;
mod insight_calls;
mod insight_findings;
mod insights;
mod interfaces;
mod laws;
mod managed_lists;
mod matrix;
mod matrix_acls;
mod matrix_blocks;
mod matrix_groups;
mod matrix_insights;
mod matrix_lists;
mod matrix_peering;
mod matrix_routes;
mod matrix_settings;
mod nat;
mod peering;
mod peering_groups;
mod permissions;
mod prefix_lists;
mod routes;
mod topology;
mod vpcs;

use std::sync::Arc;

use sagegate_api::ec2 as api;

use super::endpoint::{self, Endpoints};
use crate::testing::House;

/// A house whose account has its default VPC.
fn house() -> House {
    let house = House::with_endpoints(Arc::new(Endpoints::default()));
    house.transact(|tx| super::bootstrap(tx, &house.scope()));
    house
}

fn vpc(house: &House, block: &str) -> String {
    let input = api::CreateVpcRequest { cidr_block: Some(block.into()), ..Default::default() };
    house.ok::<super::vpc::CreateVpc>(input).vpc.unwrap().vpc_id.unwrap()
}

fn subnet_input(vpc: &str, block: &str, zone: &str) -> api::CreateSubnetRequest {
    api::CreateSubnetRequest {
        vpc_id: vpc.into(),
        cidr_block: Some(block.into()),
        availability_zone: Some(format!("us-west-2{zone}")),
        ..Default::default()
    }
}

fn subnet(house: &House, vpc: &str, block: &str, zone: &str) -> String {
    let input = subnet_input(vpc, block, zone);
    house.ok::<super::subnet::CreateSubnet>(input).subnet.unwrap().subnet_id.unwrap()
}

fn group(house: &House, vpc: &str, name: &str) -> String {
    let input = api::CreateSecurityGroupRequest {
        vpc_id: Some(vpc.into()),
        group_name: name.into(),
        description: "test".into(),
        ..Default::default()
    };
    house.ok::<super::security_group::CreateSecurityGroup>(input).group_id.unwrap()
}

fn default_group(house: &House, vpc: &str) -> String {
    super::records::default_group(&house.state(), &house.scope(), vpc).unwrap().id
}

fn https_from(group: &str) -> api::IpPermission {
    api::IpPermission {
        ip_protocol: Some("tcp".into()),
        from_port: Some(443),
        to_port: Some(443),
        user_id_group_pairs: Some(vec![api::UserIdGroupPair {
            group_id: Some(group.into()),
            ..Default::default()
        }]),
        ..Default::default()
    }
}

fn range(protocol: &str, from: i32, to: i32, cidr: &str) -> api::IpPermission {
    api::IpPermission {
        ip_protocol: Some(protocol.into()),
        from_port: Some(from),
        to_port: Some(to),
        ip_ranges: Some(vec![api::IpRange { cidr_ip: Some(cidr.into()), description: None }]),
        ..Default::default()
    }
}

fn let_in(house: &House, group: &str, permission: api::IpPermission) {
    house.ok::<super::security_group_rules::AuthorizeSecurityGroupIngress>(
        api::AuthorizeSecurityGroupIngressRequest {
            group_id: Some(group.into()),
            ip_permissions: Some(vec![permission]),
            ..Default::default()
        },
    );
}

const API: &str = "com.amazonaws.us-west-2.sagemaker.api";
const STUDIO: &str = "aws.sagemaker.us-west-2.studio";

fn endpoint_input(vpc: &str, service: &str, subnets: &[&str]) -> api::CreateVpcEndpointRequest {
    api::CreateVpcEndpointRequest {
        vpc_endpoint_type: Some(api::VpcEndpointType::Interface),
        vpc_id: vpc.into(),
        service_name: Some(service.into()),
        subnet_ids: Some(subnets.iter().map(ToString::to_string).collect()),
        private_dns_enabled: Some(false),
        ..Default::default()
    }
}

fn make_endpoint(house: &House, input: api::CreateVpcEndpointRequest) -> api::VpcEndpoint {
    house.ok::<endpoint::create::CreateVpcEndpoint>(input).vpc_endpoint.unwrap()
}

fn describe_endpoint(house: &House, id: &str) -> api::VpcEndpoint {
    let input = api::DescribeVpcEndpointsRequest {
        vpc_endpoint_ids: Some(vec![id.into()]),
        ..Default::default()
    };
    let found = house.ok::<endpoint::describe::DescribeVpcEndpoints>(input).vpc_endpoints.unwrap();
    found.into_iter().next().unwrap()
}

fn filter(name: &str, values: &[&str]) -> Option<Vec<api::Filter>> {
    Some(vec![api::Filter {
        name: Some(name.into()),
        values: Some(values.iter().map(ToString::to_string).collect()),
    }])
}

fn named(kind: &str, key: &str, value: &str) -> Option<Vec<api::TagSpecification>> {
    Some(vec![api::TagSpecification {
        resource_type: Some(kind.into()),
        tags: Some(vec![tag(key, value)]),
    }])
}

fn tag(key: &str, value: &str) -> api::Tag {
    api::Tag { key: Some(key.into()), value: Some(value.into()) }
}
