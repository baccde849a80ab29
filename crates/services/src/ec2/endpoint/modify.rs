//! ModifyVpcEndpoint.

use sagegate_api::ec2::{IpAddressType, ModifyVpcEndpointRequest, ModifyVpcEndpointResult};
use sagegate_gate::{Access, Authorized, Call, Fault, Needs, Operation, Scope};
use sagegate_store::{Read, StoreError, Tx};

use super::super::endpoint_services;
use super::super::fault::{bad, dry_run, invalid_parameter, refuse};
use super::super::kind::Kind;
use super::super::records::{self, Endpoint, EndpointState, EndpointType, Interface, Vpc};
use super::super::{needs, security_group};
use super::create::{check_dns_options, check_private_dns, wanted_subnets};
use super::place::{self, Placing};
use super::{gateway, policy};

/// ModifyVpcEndpoint. New subnets make the endpoint `pending` until their addresses are bound.
pub(crate) struct ModifyVpcEndpoint;

impl Operation for ModifyVpcEndpoint {
    type Input = ModifyVpcEndpointRequest;
    type Output = ModifyVpcEndpointResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "ModifyVpcEndpoint";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        const ACTION: &str = "ec2:ModifyVpcEndpoint";
        let (input, scope) = (call.input, call.scope);
        let id = &input.vpc_endpoint_id;
        let mut endpoint = needs::on(ACTION, state, scope, Kind::VpcEndpoint, id)?;
        if let Some(on) = input.private_dns_enabled {
            endpoint = needs::attribute(endpoint, "PrivateDnsEnabled", on.to_string());
        }
        let mut needs = Needs::from(endpoint);
        for id in input.add_route_table_ids.iter().chain(&input.remove_route_table_ids).flatten() {
            needs = needs.and(needs::on(ACTION, state, scope, Kind::RouteTable, id)?);
        }
        for id in input.add_subnet_ids.iter().chain(&input.remove_subnet_ids).flatten() {
            let subnet = needs::on(ACTION, state, scope, Kind::Subnet, id);
            needs = needs.and(subnet.map_err(|fault| place::subnet_fault(fault, id))?);
        }
        let groups = input.add_security_group_ids.iter().chain(&input.remove_security_group_ids);
        for id in groups.flatten() {
            needs = needs.and(needs::on(ACTION, state, scope, Kind::SecurityGroup, id)?);
        }
        Ok(needs)
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let other_family = input.ip_address_type.is_some_and(|kind| kind != IpAddressType::Ipv4);
        refuse(&[("IpAddressType", other_family)])?;
        check_dns_options(input.dns_options.as_ref())?;
        let mut endpoint = records::find::<Endpoint>(tx, scope, &input.vpc_endpoint_id)?;
        let lists = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
        if matches!(endpoint.kind, EndpointType::Gateway { .. }) {
            let of_interfaces = lists(&input.add_subnet_ids)
                || lists(&input.remove_subnet_ids)
                || lists(&input.add_security_group_ids)
                || lists(&input.remove_security_group_ids)
                || input.subnet_configurations.as_ref().is_some_and(|list| !list.is_empty())
                || input.private_dns_enabled == Some(true);
            if of_interfaces {
                let text = "Subnets, security groups and private DNS are only supported for Interface type VPC Endpoints.";
                return Err(invalid_parameter(text));
            }
            change_policy(tx, scope, &mut endpoint, input)?;
            change_tables(tx, scope, &mut endpoint, input)?;
            records::put(tx, scope, &endpoint)?;
            return Ok(Self::Output { r#return: Some(true) });
        }
        if lists(&input.add_route_table_ids) || lists(&input.remove_route_table_ids) {
            let text = "Route table IDs are only supported for Gateway type VPC Endpoint.";
            return Err(invalid_parameter(text));
        }
        change_policy(tx, scope, &mut endpoint, input)?;
        change_groups(tx, scope, &mut endpoint, input)?;
        change_subnets(call, tx, &mut endpoint)?;
        if let Some(on) = input.private_dns_enabled {
            if on && !endpoint.private_dns {
                let vpc = records::find::<Vpc>(tx, scope, &endpoint.vpc)?;
                let service = endpoint_services::find(&scope.region, &endpoint.service)
                    .ok_or_else(|| endpoint_services::unknown(&endpoint.service))?;
                check_private_dns(tx, scope, &vpc, &service, &endpoint.id)?;
            }
            endpoint.private_dns = on;
        }
        records::put(tx, scope, &endpoint)?;
        Ok(Self::Output { r#return: Some(true) })
    }
}

/// Takes route tables from a gateway endpoint and gives it others.
fn change_tables(
    state: &dyn Read,
    scope: &Scope,
    endpoint: &mut Endpoint,
    input: &ModifyVpcEndpointRequest,
) -> Result<(), Fault> {
    let EndpointType::Gateway { prefix_list, tables } = &mut endpoint.kind else { return Ok(()) };
    for id in input.remove_route_table_ids.iter().flatten() {
        let Some(at) = tables.iter().position(|known| known == id) else {
            let text = format!("The route table {id} is not associated with {}.", endpoint.id);
            return Err(invalid_parameter(text));
        };
        tables.remove(at);
    }
    let added = input.add_route_table_ids.as_deref().unwrap_or_default();
    // What was taken away above is still stored as its own, and may be given back.
    let added: Vec<String> = added.iter().filter(|id| !tables.contains(id)).cloned().collect();
    gateway::add_tables(state, scope, &endpoint.vpc, (&endpoint.id, prefix_list), tables, &added)
}

fn change_policy(
    state: &dyn Read,
    scope: &Scope,
    endpoint: &mut Endpoint,
    input: &ModifyVpcEndpointRequest,
) -> Result<(), Fault> {
    match (&input.policy_document, input.reset_policy == Some(true)) {
        (Some(_), true) => Err(bad(
            "InvalidParameterCombination",
            "PolicyDocument and ResetPolicy may not be given together.",
        )),
        (Some(text), false) => {
            endpoint.policy_principals = match endpoint.kind {
                EndpointType::Interface => policy::check(state, scope, text)?,
                EndpointType::Gateway { .. } => policy::check_gateway(state, scope, text)?,
            };
            endpoint.policy = Some(text.clone());
            Ok(())
        }
        (None, true) => {
            endpoint.policy = None;
            endpoint.policy_principals.clear();
            Ok(())
        }
        (None, false) => Ok(()),
    }
}

fn change_groups(
    tx: &mut Tx,
    scope: &Scope,
    endpoint: &mut Endpoint,
    input: &ModifyVpcEndpointRequest,
) -> Result<(), Fault> {
    let added = input.add_security_group_ids.as_deref().unwrap_or_default();
    let removed = input.remove_security_group_ids.as_deref().unwrap_or_default();
    if added.is_empty() && removed.is_empty() {
        return Ok(());
    }
    for id in removed {
        if !endpoint.groups.contains(id) {
            let text = format!("The security group {id} is not associated with {}.", endpoint.id);
            return Err(invalid_parameter(text));
        }
    }
    security_group::check_for_interface(tx, scope, &endpoint.vpc, added)?;
    endpoint.groups.retain(|id| !removed.contains(id));
    for id in added {
        if !endpoint.groups.contains(id) {
            endpoint.groups.push(id.clone());
        }
    }
    if endpoint.groups.is_empty() {
        let text = format!("The VPC endpoint {} must keep a security group.", endpoint.id);
        return Err(invalid_parameter(text));
    }
    security_group::check_for_interface(tx, scope, &endpoint.vpc, &endpoint.groups)?;
    Ok(take_groups(tx, scope, endpoint)?)
}

/// Gives the endpoint's interfaces its groups.
fn take_groups(tx: &mut Tx, scope: &Scope, endpoint: &Endpoint) -> Result<(), StoreError> {
    for place in &endpoint.places {
        if let Some(mut interface) = records::get::<Interface>(tx, scope, &place.interface)? {
            interface.groups.clone_from(&endpoint.groups);
            records::put(tx, scope, &interface)?;
        }
    }
    Ok(())
}

fn change_subnets(
    call: &Authorized<'_, ModifyVpcEndpoint>,
    tx: &mut Tx,
    endpoint: &mut Endpoint,
) -> Result<(), Fault> {
    let (input, scope) = (call.input, call.scope);
    for id in input.remove_subnet_ids.iter().flatten() {
        let Some(at) = endpoint.places.iter().position(|place| place.subnet == *id) else {
            let text = format!("The subnet {id} is not associated with {}.", endpoint.id);
            return Err(invalid_parameter(text));
        };
        place::leave(tx, scope, &endpoint.places.remove(at))?;
    }
    let wanted =
        wanted_subnets(input.add_subnet_ids.as_ref(), input.subnet_configurations.as_ref())?;
    let added = place::check(tx, scope, &endpoint.vpc, &wanted, &endpoint.places)?;
    if endpoint.places.is_empty() && added.is_empty() {
        endpoint.state = EndpointState::Available;
    }
    if added.is_empty() {
        return Ok(());
    }
    let groups = endpoint.groups.clone();
    let placing =
        Placing { scope, env: call.env, now: call.now, endpoint: &endpoint.id, groups: &groups };
    let mut places = Vec::new();
    for (subnet, address) in added {
        places.push(place::place(tx, placing, subnet, address.as_deref())?);
    }
    endpoint.places.extend(places);
    endpoint.state = EndpointState::Pending;
    endpoint.last_error = None;
    Ok(())
}
