//! CreateVpcEndpoint.

use sagegate_api::ec2::{
    CreateVpcEndpointRequest, CreateVpcEndpointResult, DnsOptionsSpecification, DnsRecordIpType,
    IpAddressType, SubnetConfiguration, VpcEndpointType,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Needs, Operation, Scope};
use sagegate_store::{Read, Tx};

use super::super::aws_prefix_lists::{self, AwsList};
use super::super::endpoint_services::{self, EndpointService};
use super::super::fault::{bad, dry_run, invalid_parameter, missing, refuse};
use super::super::kind::Kind;
use super::super::records::{self, Endpoint, EndpointType, Vpc};
use super::super::token::Once;
use super::super::{needs, security_group, tags};
use super::place::{self, Placing, WantedSubnet};
use super::{describe, gateway, policy, state_of};
use crate::iam::bound::Bound;
use crate::route53;

/// Interface endpoints of a VPC (AWS PrivateLink Guide, "Quotas").
const MAX_ENDPOINTS: usize = 50;

/// Refuses DNS options that ask for more than the IPv4 records that there are.
pub(crate) fn check_dns_options(options: Option<&DnsOptionsSpecification>) -> Result<(), Fault> {
    let Some(options) = options else { return Ok(()) };
    let other_records = options.dns_record_ip_type.is_some_and(|kind| {
        !matches!(kind, DnsRecordIpType::Ipv4 | DnsRecordIpType::ServiceDefined)
    });
    refuse(&[
        ("DnsOptions.DnsRecordIpType", other_records),
        (
            "DnsOptions.PrivateDnsOnlyForInboundResolverEndpoint",
            options.private_dns_only_for_inbound_resolver_endpoint == Some(true),
        ),
        ("DnsOptions.PrivateDnsPreference", options.private_dns_preference.is_some()),
        ("DnsOptions.PrivateDnsSpecifiedDomains", options.private_dns_specified_domains.is_some()),
    ])
}

/// The subnets that a request names, with the addresses that it wishes for.
///
/// # Errors
/// `InvalidParameter` for an address in a subnet that is not among them.
pub(crate) fn wanted_subnets(
    ids: Option<&Vec<String>>,
    configurations: Option<&Vec<SubnetConfiguration>>,
) -> Result<Vec<WantedSubnet>, Fault> {
    let mut wanted: Vec<WantedSubnet> = Vec::new();
    for id in ids.into_iter().flatten() {
        if !wanted.iter().any(|known| known.id == *id) {
            wanted.push(WantedSubnet { id: id.clone(), address: None });
        }
    }
    for configuration in configurations.into_iter().flatten() {
        refuse(&[("SubnetConfigurations.Ipv6", configuration.ipv6.is_some())])?;
        let id = configuration.subnet_id.as_deref().ok_or_else(|| missing("SubnetId"))?;
        let Some(subnet) = wanted.iter_mut().find(|known| known.id == id) else {
            let text = format!("The subnet {id} has a configuration, but is not among SubnetIds.");
            return Err(invalid_parameter(text));
        };
        subnet.address.clone_from(&configuration.ipv4);
    }
    Ok(wanted)
}

/// Checks that private DNS may be on for an endpoint in this VPC.
///
/// # Errors
/// `InvalidParameter` where the VPC's DNS attributes are off, or another endpoint or a hosted zone
/// has the name.
pub(crate) fn check_private_dns(
    state: &dyn Read,
    scope: &Scope,
    vpc: &Vpc,
    service: &EndpointService,
    endpoint: &str,
) -> Result<(), Fault> {
    if !(vpc.dns_support && vpc.dns_hostnames) {
        let text = format!(
            "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for {}",
            vpc.id
        );
        return Err(invalid_parameter(text));
    }
    let conflict = records::all::<Endpoint>(state, scope)?.into_iter().any(|other| {
        other.id != endpoint
            && other.vpc == vpc.id
            && other.private_dns
            && endpoint_services::find(&scope.region, &other.service)
                .is_some_and(|other| other.private_name == service.private_name)
    });
    let name = service.private_name.trim_start_matches("*.");
    if conflict || route53::is_associated(state, scope, &vpc.id, name)? {
        let text = format!(
            "private-dns-enabled cannot be set because there is already a conflicting DNS domain for {} in the VPC {}",
            service.private_name, vpc.id
        );
        return Err(invalid_parameter(text));
    }
    Ok(())
}

/// CreateVpcEndpoint. The answer shows `pending`; the endpoint is `available` once its addresses
/// are bound, which is told by [`super::settle`].
pub(crate) struct CreateVpcEndpoint;

impl Operation for CreateVpcEndpoint {
    type Input = CreateVpcEndpointRequest;
    type Output = CreateVpcEndpointResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "CreateVpcEndpoint";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        const ACTION: &str = "ec2:CreateVpcEndpoint";
        let (input, scope) = (call.input, call.scope);
        let tags = tags::requested(input.tag_specifications.as_ref(), Kind::VpcEndpoint)?;
        let service = input.service_name.as_deref().ok_or_else(|| missing("ServiceName"))?;
        let region = input.service_region.as_deref().unwrap_or(scope.region.as_str());
        let known = endpoint_services::find(&scope.region, service).is_some()
            || aws_prefix_lists::of_service(&scope.region, service).is_some();
        let owner = known.then_some("amazon");
        let endpoint = needs::new(ACTION, scope, Kind::VpcEndpoint, &tags)
            .key("ec2:VpceServiceName", service)
            .key("ec2:VpceServiceRegion", region)
            .key_if("ec2:VpceServiceOwner", owner);
        let mut needs =
            Needs::from(needs::on(ACTION, state, scope, Kind::Vpc, &input.vpc_id)?).and(endpoint);
        for id in input.subnet_ids.iter().flatten() {
            let subnet = needs::on(ACTION, state, scope, Kind::Subnet, id);
            needs = needs.and(subnet.map_err(|fault| place::subnet_fault(fault, id))?);
        }
        for id in input.security_group_ids.iter().flatten() {
            needs = needs.and(needs::on(ACTION, state, scope, Kind::SecurityGroup, id)?);
        }
        for id in input.route_table_ids.iter().flatten() {
            needs = needs.and(needs::on(ACTION, state, scope, Kind::RouteTable, id)?);
        }
        // A gateway endpoint has no interfaces, and so no groups.
        let gateway =
            input.vpc_endpoint_type.unwrap_or(VpcEndpointType::Gateway) == VpcEndpointType::Gateway;
        if !gateway && input.security_group_ids.as_ref().is_none_or(Vec::is_empty) {
            let vpc = Some(input.vpc_id.as_str());
            needs = needs.and(needs::on_default_group(ACTION, state, scope, vpc)?);
        }
        Ok(needs::with_tags(needs, scope, Kind::VpcEndpoint, &tags, Self::NAME))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let once = Once::of(Self::NAME, input.client_token.as_ref(), || CreateVpcEndpointRequest {
            client_token: None,
            ..input.clone()
        });
        if let Some(endpoint) = once.made::<Endpoint>(tx, scope)? {
            return answer(tx, scope, &endpoint, input.client_token.clone());
        }
        let tags = tags::requested(input.tag_specifications.as_ref(), Kind::VpcEndpoint)?;
        let service = wanted_service(scope, input)?;
        let vpc = records::find::<Vpc>(tx, scope, &input.vpc_id)?;
        let endpoint = match service {
            Service::Interface(service) => make(call, tx, once.row(), &vpc, &service)?,
            Service::Gateway(list) => gateway::make(call, tx, once.row(), &vpc, list)?,
        };
        tags::put(tx, scope, &endpoint.id, &tags)?;
        once.keep(tx, scope, &endpoint.id)?;
        answer(tx, scope, &endpoint, input.client_token.clone())
    }
}

/// What an endpoint leads to.
enum Service {
    Interface(EndpointService),
    /// By routes to this list.
    Gateway(AwsList),
}

/// The service that an endpoint is asked for; refuses kinds of endpoints that are not served.
fn wanted_service(scope: &Scope, input: &CreateVpcEndpointRequest) -> Result<Service, Fault> {
    let lists = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
    let foreign = input.service_region.as_ref().is_some_and(|r| r != scope.region.as_str());
    refuse(&[
        ("ServiceNetworkArn", input.service_network_arn.is_some()),
        ("ResourceConfigurationArn", input.resource_configuration_arn.is_some()),
        ("ServiceRegion", foreign),
        ("IpAddressType", input.ip_address_type.is_some_and(|kind| kind != IpAddressType::Ipv4)),
    ])?;
    check_dns_options(input.dns_options.as_ref())?;
    let name = input.service_name.as_deref().ok_or_else(|| missing("ServiceName"))?;
    // Without a type, AWS takes a gateway endpoint to be meant.
    match input.vpc_endpoint_type.unwrap_or(VpcEndpointType::Gateway) {
        VpcEndpointType::Interface => {
            if lists(&input.route_table_ids) {
                let text = "Route table IDs are only supported for Gateway type VPC Endpoint.";
                return Err(invalid_parameter(text));
            }
            if aws_prefix_lists::of_service(&scope.region, name).is_some() {
                let text =
                    "Endpoint type (Interface) does not match available service types ([Gateway]).";
                return Err(invalid_parameter(text));
            }
            endpoint_services::find(&scope.region, name)
                .map(Service::Interface)
                .ok_or_else(|| endpoint_services::unknown(name))
        }
        VpcEndpointType::Gateway => {
            if lists(&input.subnet_ids) {
                return Err(invalid_parameter(
                    "Subnet IDs are only supported for Interface and GatewayLoadBalancer type VPC Endpoints.",
                ));
            }
            if endpoint_services::find(&scope.region, name).is_some() {
                return Err(invalid_parameter(
                    "Endpoint type (Gateway) does not match available service types ([Interface]).",
                ));
            }
            if lists(&input.security_group_ids) {
                return Err(invalid_parameter(
                    "Security group IDs are only supported for Interface type VPC Endpoints.",
                ));
            }
            aws_prefix_lists::of_service(&scope.region, name)
                .map(Service::Gateway)
                .ok_or_else(|| endpoint_services::unknown(name))
        }
        other => {
            let text =
                format!("VPC endpoints of type {other} are not supported; use type Interface.");
            Err(bad("UnsupportedOperation", text))
        }
    }
}

/// Checks what is left to check and makes the endpoint with its interfaces.
fn make(
    call: &Authorized<'_, CreateVpcEndpoint>,
    tx: &mut Tx,
    token: Option<String>,
    vpc: &Vpc,
    service: &EndpointService,
) -> Result<Endpoint, Fault> {
    let (input, scope, env, now) = (call.input, call.scope, call.env, call.now);
    let policy_principals = match &input.policy_document {
        Some(text) => policy::check(tx, scope, text)?,
        None => Bound::new(),
    };
    let wanted = wanted_subnets(input.subnet_ids.as_ref(), input.subnet_configurations.as_ref())?;
    let subnets = place::check(tx, scope, &vpc.id, &wanted, &[])?;
    let mut groups: Vec<String> = Vec::new();
    for id in input.security_group_ids.iter().flatten() {
        if !groups.contains(id) {
            groups.push(id.clone());
        }
    }
    if groups.is_empty() {
        groups.push(records::default_group(tx, scope, &vpc.id)?.id);
    }
    security_group::check_for_interface(tx, scope, &vpc.id, &groups)?;
    let others = records::all::<Endpoint>(tx, scope)?;
    let of_vpc = others.iter().filter(|it| it.vpc == vpc.id && it.kind == EndpointType::Interface);
    if of_vpc.count() >= MAX_ENDPOINTS {
        let text = "The maximum number of VPC endpoints has been reached.";
        return Err(bad("VpcEndpointLimitExceeded", text));
    }
    let id = Kind::VpcEndpoint.new_id(env);
    // AWS's default is on (EC2 API Reference, CreateVpcEndpoint).
    let private_dns = input.private_dns_enabled.unwrap_or(true);
    if private_dns {
        check_private_dns(tx, scope, vpc, service, &id)?;
    }
    let placing = Placing { scope, env, now, endpoint: &id, groups: &groups };
    let mut places = Vec::new();
    for (subnet, address) in subnets {
        places.push(place::place(tx, placing, subnet, address.as_deref())?);
    }
    let endpoint = Endpoint {
        vpc: vpc.id.clone(),
        service: service.name.clone(),
        policy: input.policy_document.clone(),
        policy_principals,
        groups: groups.clone(),
        state: state_of(&places),
        places,
        private_dns,
        last_error: None,
        created: now,
        hash: env.base32_lower(8),
        kind: EndpointType::Interface,
        token,
        id: id.clone(),
    };
    records::put(tx, scope, &endpoint)?;
    Ok(endpoint)
}

fn answer(
    state: &dyn Read,
    scope: &Scope,
    endpoint: &Endpoint,
    client_token: Option<String>,
) -> Result<CreateVpcEndpointResult, Fault> {
    let shape = describe::shape(state, scope, endpoint)?;
    Ok(CreateVpcEndpointResult { vpc_endpoint: Some(shape), client_token })
}
