//! EC2: the VPC with its subnets, route tables, gateways, network ACLs, security groups, network interfaces,
//! endpoints and peering connections.
//!
//! What is stored lies in `records`; the rules of addresses and security groups are those of
//! `sagegate_network`. Invariants: every VPC has its default security group and one main route
//! table and one default network ACL; a subnet is associated with one route table at most and with
//! exactly one network ACL; an address of a subnet has one holder; an endpoint has one interface, one
//! address and one loopback address for each of its subnets, and no two of them in one Availability
//! Zone.

mod account;
mod addresses;
mod aws_prefix_lists;
mod command;
mod dhcp_options;
mod egress_only_gateway;
mod elastic_ip;
pub mod endpoint;
pub mod endpoint_services;
mod fault;
mod flow_logs;
mod interface_addresses;
pub(crate) mod interface_shape;
mod internet_gateway;
pub(crate) mod kind;
mod managed_prefix_list;
mod names;
mod nat_gateway;
mod needs;
pub(crate) mod network_acl;
pub(crate) mod network_insights;
pub(crate) mod network_interface;
mod network_interface_attribute;
pub(crate) mod peering;
mod permission;
mod prefix_lists;
pub(crate) mod records;
mod route_table;
pub(crate) mod security_group;
mod security_group_rule_changes;
pub(crate) mod security_group_rules;
mod select;
pub(crate) mod subnet;
mod subnet_cidr;
mod tags;
#[cfg(test)]
mod tests;
mod token;
mod topology;
pub(crate) mod vpc;
pub(crate) mod vpc_attribute;
mod vpc_cidr;
mod zones;

use sagegate_gate::registry::Registry;
use sagegate_gate::{Fault, Scope};
use sagegate_store::{Read, StoreError};

pub use account::bootstrap;
pub use addresses::{SubnetClient, free_addresses, subnet_client};
pub use command::{
    CommandInterface, NETWORK_TABLES, make_for_command, of_commands, remove_of_command,
};
pub use dhcp_options::{NameService, name_service, name_service_of_vpc};
pub use endpoint::{EndpointListener, Endpoints, listeners, policies_of_endpoints};
pub use names::names;
pub use nat_gateway::NatGateways;
pub use topology::topology;

use records::Resource;

/// Registers the operations.
pub(crate) fn register(registry: &mut Registry) {
    registry
        .add::<account::DescribeAccountAttributes>()
        .add::<dhcp_options::AssociateDhcpOptions>()
        .add::<dhcp_options::CreateDhcpOptions>()
        .add::<dhcp_options::DeleteDhcpOptions>()
        .add::<dhcp_options::DescribeDhcpOptions>()
        .add::<egress_only_gateway::CreateEgressOnlyInternetGateway>()
        .add::<egress_only_gateway::DeleteEgressOnlyInternetGateway>()
        .add::<egress_only_gateway::DescribeEgressOnlyInternetGateways>()
        .add::<elastic_ip::AllocateAddress>()
        .add::<elastic_ip::DescribeAddresses>()
        .add::<elastic_ip::DescribeAddressesAttribute>()
        .add::<elastic_ip::ReleaseAddress>()
        .add::<elastic_ip::association::AssociateAddress>()
        .add::<elastic_ip::association::DisassociateAddress>()
        .add::<endpoint::create::CreateVpcEndpoint>()
        .add::<endpoint::delete::DeleteVpcEndpoints>()
        .add::<endpoint::describe::DescribeVpcEndpoints>()
        .add::<endpoint::modify::ModifyVpcEndpoint>()
        .add::<endpoint_services::DescribeVpcEndpointServices>()
        .add::<flow_logs::CreateFlowLogs>()
        .add::<flow_logs::DeleteFlowLogs>()
        .add::<flow_logs::DescribeFlowLogs>()
        .add::<interface_addresses::AssignIpv6Addresses>()
        .add::<interface_addresses::AssignPrivateIpAddresses>()
        .add::<interface_addresses::UnassignIpv6Addresses>()
        .add::<interface_addresses::UnassignPrivateIpAddresses>()
        .add::<internet_gateway::AttachInternetGateway>()
        .add::<internet_gateway::CreateInternetGateway>()
        .add::<internet_gateway::DeleteInternetGateway>()
        .add::<internet_gateway::DescribeInternetGateways>()
        .add::<internet_gateway::DetachInternetGateway>()
        .add::<managed_prefix_list::create::CreateManagedPrefixList>()
        .add::<managed_prefix_list::describe::DescribeManagedPrefixLists>()
        .add::<managed_prefix_list::describe::GetManagedPrefixListAssociations>()
        .add::<managed_prefix_list::describe::GetManagedPrefixListEntries>()
        .add::<managed_prefix_list::modify::ModifyManagedPrefixList>()
        .add::<managed_prefix_list::modify::RestoreManagedPrefixListVersion>()
        .add::<managed_prefix_list::remove::DeleteManagedPrefixList>()
        .add::<nat_gateway::CreateNatGateway>()
        .add::<nat_gateway::DeleteNatGateway>()
        .add::<nat_gateway::DescribeNatGateways>()
        .add::<network_acl::acls::CreateNetworkAcl>()
        .add::<network_acl::acls::DeleteNetworkAcl>()
        .add::<network_acl::acls::DescribeNetworkAcls>()
        .add::<network_acl::associations::ReplaceNetworkAclAssociation>()
        .add::<network_acl::entries::CreateNetworkAclEntry>()
        .add::<network_acl::entries::DeleteNetworkAclEntry>()
        .add::<network_acl::entries::ReplaceNetworkAclEntry>()
        .add::<network_insights::analyses::DeleteNetworkInsightsAnalysis>()
        .add::<network_insights::analyses::DescribeNetworkInsightsAnalyses>()
        .add::<network_insights::analyses::StartNetworkInsightsAnalysis>()
        .add::<network_insights::paths::CreateNetworkInsightsPath>()
        .add::<network_insights::paths::DeleteNetworkInsightsPath>()
        .add::<network_insights::paths::DescribeNetworkInsightsPaths>()
        .add::<network_interface::CreateNetworkInterface>()
        .add::<network_interface::DeleteNetworkInterface>()
        .add::<interface_shape::DescribeNetworkInterfaces>()
        .add::<network_interface::ModifyNetworkInterfaceAttribute>()
        .add::<network_interface_attribute::DescribeNetworkInterfaceAttribute>()
        .add::<network_interface_attribute::ResetNetworkInterfaceAttribute>()
        .add::<peering::answers::AcceptVpcPeeringConnection>()
        .add::<peering::answers::DeleteVpcPeeringConnection>()
        .add::<peering::answers::RejectVpcPeeringConnection>()
        .add::<peering::describe::DescribeVpcPeeringConnections>()
        .add::<peering::options::ModifyVpcPeeringConnectionOptions>()
        .add::<peering::references::DescribeSecurityGroupReferences>()
        .add::<peering::references::DescribeStaleSecurityGroups>()
        .add::<peering::request::CreateVpcPeeringConnection>()
        .add::<prefix_lists::DescribePrefixLists>()
        .add::<route_table::associations::AssociateRouteTable>()
        .add::<route_table::associations::DisassociateRouteTable>()
        .add::<route_table::associations::ReplaceRouteTableAssociation>()
        .add::<route_table::routes::CreateRoute>()
        .add::<route_table::routes::DeleteRoute>()
        .add::<route_table::routes::ReplaceRoute>()
        .add::<route_table::tables::CreateRouteTable>()
        .add::<route_table::tables::DeleteRouteTable>()
        .add::<route_table::tables::DescribeRouteTables>()
        .add::<security_group::CreateSecurityGroup>()
        .add::<security_group::DeleteSecurityGroup>()
        .add::<security_group::DescribeSecurityGroups>()
        .add::<security_group_rule_changes::ModifySecurityGroupRules>()
        .add::<security_group_rule_changes::UpdateSecurityGroupRuleDescriptionsEgress>()
        .add::<security_group_rule_changes::UpdateSecurityGroupRuleDescriptionsIngress>()
        .add::<security_group_rules::AuthorizeSecurityGroupEgress>()
        .add::<security_group_rules::AuthorizeSecurityGroupIngress>()
        .add::<security_group_rules::DescribeSecurityGroupRules>()
        .add::<security_group_rules::RevokeSecurityGroupEgress>()
        .add::<security_group_rules::RevokeSecurityGroupIngress>()
        .add::<subnet::CreateSubnet>()
        .add::<subnet::DeleteSubnet>()
        .add::<subnet::DescribeSubnets>()
        .add::<subnet::ModifySubnetAttribute>()
        .add::<subnet_cidr::AssociateSubnetCidrBlock>()
        .add::<subnet_cidr::DisassociateSubnetCidrBlock>()
        .add::<tags::CreateTags>()
        .add::<tags::DeleteTags>()
        .add::<tags::DescribeTags>()
        .add::<vpc::CreateVpc>()
        .add::<vpc::DeleteVpc>()
        .add::<vpc::DescribeVpcs>()
        .add::<vpc_attribute::DescribeVpcAttribute>()
        .add::<vpc_attribute::ModifyVpcAttribute>()
        .add::<vpc_cidr::AssociateVpcCidrBlock>()
        .add::<vpc_cidr::DisassociateVpcCidrBlock>()
        .add::<zones::DescribeAvailabilityZones>()
        .add::<zones::DescribeRegions>();
}

/// The resources that a Describe call is about: those named, each of which must exist, or all.
fn named_or_all<R: Resource>(
    state: &dyn Read,
    scope: &Scope,
    ids: Option<&Vec<String>>,
) -> Result<Vec<R>, Fault> {
    let Some(ids) = ids.filter(|ids| !ids.is_empty()) else {
        return Ok(records::all(state, scope)?);
    };
    let mut ids: Vec<&String> = ids.iter().collect();
    ids.sort();
    ids.dedup();
    ids.into_iter().map(|id| records::find(state, scope, id)).collect()
}

/// Whether a VPC exists, for services that place something in it.
///
/// # Errors
/// [`StoreError`].
pub fn vpc_exists(state: &dyn Read, scope: &Scope, vpc_id: &str) -> Result<bool, StoreError> {
    Ok(records::get::<records::Vpc>(state, scope, vpc_id)?.is_some())
}

/// The VPC that a subnet lies in; `None` where there is no such subnet.
///
/// # Errors
/// [`StoreError`].
pub fn vpc_of_subnet(
    state: &dyn Read,
    scope: &Scope,
    subnet_id: &str,
) -> Result<Option<String>, StoreError> {
    Ok(records::get::<records::Subnet>(state, scope, subnet_id)?.map(|subnet| subnet.vpc))
}

/// The VPC that a security group belongs to; `None` where there is no such group.
///
/// # Errors
/// [`StoreError`].
pub fn vpc_of_security_group(
    state: &dyn Read,
    scope: &Scope,
    group_id: &str,
) -> Result<Option<String>, StoreError> {
    Ok(records::get::<records::SecurityGroup>(state, scope, group_id)?.map(|group| group.vpc))
}
