//! DescribeVpcEndpoints.

use sagegate_api::ec2::{
    DescribeVpcEndpointsRequest, DescribeVpcEndpointsResult, DnsEntry, DnsOptions, DnsRecordIpType,
    IpAddressType, LastError, SecurityGroupIdentifier, State, VpcEndpoint, VpcEndpointType,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Needs, Operation, Scope};
use sagegate_store::{Read, StoreError, Tx};

use super::super::fault::dry_run;
use super::super::records::{self, Endpoint, EndpointState, EndpointType, SecurityGroup};
use super::super::select::{self, Filters};
use super::super::{named_or_all, needs, tags};
use super::{dns_entries, policy};

/// As answers show it.
pub(crate) fn shape(
    state: &dyn Read,
    scope: &Scope,
    endpoint: &Endpoint,
) -> Result<VpcEndpoint, StoreError> {
    let mut groups = Vec::new();
    for id in &endpoint.groups {
        let group = records::get::<SecurityGroup>(state, scope, id)?;
        groups.push(SecurityGroupIdentifier {
            group_id: Some(id.clone()),
            group_name: group.map(|group| group.name),
        });
    }
    let entries = dns_entries(scope, endpoint)
        .into_iter()
        .map(|(name, zone)| DnsEntry { dns_name: Some(name), hosted_zone_id: Some(zone) });
    let places = &endpoint.places;
    let (kind, tables) = match &endpoint.kind {
        EndpointType::Interface => (VpcEndpointType::Interface, Vec::new()),
        EndpointType::Gateway { tables, .. } => (VpcEndpointType::Gateway, tables.clone()),
    };
    Ok(VpcEndpoint {
        vpc_endpoint_id: Some(endpoint.id.clone()),
        vpc_endpoint_type: Some(kind),
        vpc_id: Some(endpoint.vpc.clone()),
        service_name: Some(endpoint.service.clone()),
        state: Some(match endpoint.state {
            EndpointState::Pending => State::Pending,
            EndpointState::Available => State::Available,
            EndpointState::Failed => State::Failed,
        }),
        policy_document: Some(policy::shown(state, scope, endpoint)?),
        route_table_ids: Some(tables),
        subnet_ids: Some(places.iter().map(|place| place.subnet.clone()).collect()),
        groups: Some(groups),
        ip_address_type: Some(IpAddressType::Ipv4),
        dns_options: (kind == VpcEndpointType::Interface).then(|| DnsOptions {
            dns_record_ip_type: Some(DnsRecordIpType::Ipv4),
            ..DnsOptions::default()
        }),
        private_dns_enabled: Some(endpoint.private_dns),
        requester_managed: Some(false),
        network_interface_ids: Some(places.iter().map(|place| place.interface.clone()).collect()),
        dns_entries: Some(entries.collect()),
        creation_timestamp: Some(endpoint.created.into()),
        tags: Some(tags::shape(&tags::of(state, scope, &endpoint.id)?)),
        owner_id: Some(scope.account.to_string()),
        last_error: endpoint
            .last_error
            .clone()
            .map(|(code, message)| LastError { message: Some(message), code: Some(code) }),
        service_region: Some(scope.region.to_string()),
        ..VpcEndpoint::default()
    })
}

/// DescribeVpcEndpoints.
pub(crate) struct DescribeVpcEndpoints;

impl Operation for DescribeVpcEndpoints {
    type Input = DescribeVpcEndpointsRequest;
    type Output = DescribeVpcEndpointsResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DescribeVpcEndpoints";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        Ok(needs::listing(call.scope, "ec2:DescribeVpcEndpoints"))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let names = [
            "ip-address-type",
            "service-name",
            "service-region",
            "vpc-endpoint-id",
            "vpc-endpoint-state",
            "vpc-endpoint-type",
            "vpc-id",
        ];
        let filters = Filters::of(input.filters.as_ref(), &names, true)?;
        let ids = input.vpc_endpoint_ids.as_ref();
        let mut found = Vec::new();
        for endpoint in named_or_all::<Endpoint>(tx, scope, ids)? {
            let tags = tags::of(tx, scope, &endpoint.id)?;
            let pass = filters.pass(&tags, |name| match name {
                "ip-address-type" => vec!["ipv4".to_owned()],
                "service-name" => vec![endpoint.service.clone()],
                "service-region" => vec![scope.region.to_string()],
                "vpc-endpoint-id" => vec![endpoint.id.clone()],
                "vpc-endpoint-state" => vec![
                    match endpoint.state {
                        EndpointState::Pending => "pending",
                        EndpointState::Available => "available",
                        EndpointState::Failed => "failed",
                    }
                    .to_owned(),
                ],
                "vpc-endpoint-type" => vec![
                    match endpoint.kind {
                        EndpointType::Interface => "Interface",
                        EndpointType::Gateway { .. } => "Gateway",
                    }
                    .to_owned(),
                ],
                "vpc-id" => vec![endpoint.vpc.clone()],
                _ => Vec::new(),
            });
            if pass {
                found.push(shape(tx, scope, &endpoint)?);
            }
        }
        let (vpc_endpoints, next_token) = select::page(
            found,
            |endpoint| endpoint.vpc_endpoint_id.clone().unwrap_or_default(),
            ids.is_some_and(|ids| !ids.is_empty()),
            input.max_results,
            input.next_token.as_deref(),
        )?;
        Ok(Self::Output { vpc_endpoints: Some(vpc_endpoints), next_token })
    }
}
