//! CreateRoute, ReplaceRoute, DeleteRoute.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use sagegate_api::Unit;
use sagegate_api::ec2::{
    CreateRouteRequest, CreateRouteResult, DeleteRouteRequest, ReplaceRouteRequest,
    VpcPeeringConnectionStateReasonCode as Code,
};
use sagegate_gate::env::Time;
use sagegate_gate::{Access, Authorized, Call, Fault, Needs, Operation, Scope};
use sagegate_store::{Read, Tx};

use super::super::endpoint::gateway;
use super::super::fault::{bad, dry_run, invalid_value, refuse};
use super::super::kind::Kind;
use super::super::managed_prefix_list::{Any, Family, References};
use super::super::records::{
    self, EgressOnlyGateway, Interface, InternetGateway, NatGateway, NatState, Route,
    RouteDestination, RouteTable, RouteTarget, Subnet, Vpc,
};
use super::super::{needs, peering};
use super::vpc_blocks;

/// Routes of a table, without those to the VPC itself (Amazon VPC User Guide, "Amazon VPC quotas").
pub(crate) const MAX_ROUTES: usize = 500;

/// The destination by which a request names a route.
#[derive(Clone, Copy)]
struct Named<'a> {
    v4: Option<&'a String>,
    v6: Option<&'a String>,
    list: Option<&'a String>,
}

macro_rules! named {
    ($input:expr) => {
        Named {
            v4: $input.destination_cidr_block.as_ref(),
            v6: $input.destination_ipv6_cidr_block.as_ref(),
            list: $input.destination_prefix_list_id.as_ref(),
        }
    };
}

impl Named<'_> {
    /// The destination in its canonical form: bits behind the mask are dropped (Amazon EC2 API
    /// Reference, `CreateRoute`).
    fn destination(self) -> Result<RouteDestination, Fault> {
        const ONE: &str = "The request must contain exactly one of destinationCidrBlock, destinationIpv6CidrBlock, destinationPrefixListId";
        match (self.v4, self.v6, self.list) {
            (Some(text), None, None) => {
                let block: Ipv4Net = text.parse().map_err(|_| {
                    invalid_value(format!(
                        "Value ({text}) for parameter destinationCidrBlock is invalid. This is not a valid CIDR block."
                    ))
                })?;
                Ok(RouteDestination::Block(IpNet::V4(block.trunc())))
            }
            (None, Some(text), None) => {
                let block: Ipv6Net = text.parse().map_err(|_| {
                    invalid_value(format!(
                        "Value ({text}) for parameter destinationIpv6CidrBlock is invalid. This is not a valid CIDR block."
                    ))
                })?;
                Ok(RouteDestination::Block(IpNet::V6(block.trunc())))
            }
            (None, None, Some(id)) => Ok(RouteDestination::PrefixList(id.clone())),
            (None, None, None) => Err(bad("MissingParameter", ONE)),
            _ => Err(bad("InvalidParameterCombination", ONE)),
        }
    }
}

/// A destination as errors name it.
fn shown(destination: &RouteDestination) -> String {
    match destination {
        RouteDestination::Block(block) => block.to_string(),
        RouteDestination::PrefixList(id) => id.clone(),
    }
}

fn no_route(table: &RouteTable, destination: &RouteDestination) -> Fault {
    let member = match destination {
        RouteDestination::Block(IpNet::V4(_)) => "destination-cidr-block",
        RouteDestination::Block(IpNet::V6(_)) => "destination-ipv6-cidr-block",
        RouteDestination::PrefixList(_) => "destination-prefix-list-id",
    };
    let text = format!("no route with {member} {} in route table {}", shown(destination), table.id);
    bad("InvalidRoute.NotFound", text)
}

/// The targets that a request may name, each by its member.
struct Target<'a> {
    named: [(&'static str, Option<&'a String>); 11],
    local: bool,
}

macro_rules! target {
    ($input:expr, $local:expr) => {
        Target {
            named: [
                ("gatewayId", $input.gateway_id.as_ref()),
                ("networkInterfaceId", $input.network_interface_id.as_ref()),
                ("natGatewayId", $input.nat_gateway_id.as_ref()),
                ("egressOnlyInternetGatewayId", $input.egress_only_internet_gateway_id.as_ref()),
                ("vpcPeeringConnectionId", $input.vpc_peering_connection_id.as_ref()),
                ("instanceId", $input.instance_id.as_ref()),
                ("vpcEndpointId", $input.vpc_endpoint_id.as_ref()),
                ("transitGatewayId", $input.transit_gateway_id.as_ref()),
                ("localGatewayId", $input.local_gateway_id.as_ref()),
                ("carrierGatewayId", $input.carrier_gateway_id.as_ref()),
                ("coreNetworkArn", $input.core_network_arn.as_ref()),
            ],
            local: $local,
        }
    };
}

impl<'a> Target<'a> {
    /// The one target that is named: its member and its id; `localTarget` without one.
    fn one(&self) -> Result<(&'static str, &'a str), Fault> {
        let members = self.named.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let text = format!("The request must contain exactly one of {members}");
        let mut given = self
            .named
            .iter()
            .filter_map(|(name, id)| Some((*name, id.as_ref()?.as_str())))
            .chain(self.local.then_some(("localTarget", "")));
        match (given.next(), given.next()) {
            (Some(one), None) => Ok(one),
            (None, _) => Err(bad("MissingParameter", text)),
            (Some(_), Some(_)) => Err(bad("InvalidParameterCombination", text)),
        }
    }
}

/// The target of a route in a table, checked. None is the VPC itself.
fn checked_target(
    state: &dyn Read,
    scope: &Scope,
    table: &RouteTable,
    (member, id): (&'static str, &str),
    now: Time,
) -> Result<Option<RouteTarget>, Fault> {
    let elsewhere = |what: &str| {
        let text = format!("route table {} and {what} {id} belong to different networks", table.id);
        invalid_value(text)
    };
    let unknown =
        |code: &'static str, what: &str| bad(code, format!("The {what} ID '{id}' does not exist"));
    match member {
        "localTarget" => Ok(None),
        "gatewayId" if id == "local" => Ok(None),
        "gatewayId" | "vpcEndpointId" if id.starts_with(Kind::VpcEndpoint.prefix()) => {
            records::find::<records::Endpoint>(state, scope, id)?;
            // Routes to gateway endpoints come and go with their associations.
            let text = format!(
                "Route table contains unsupported route target: {id}. VPC Endpoints of this type cannot be used as route targets."
            );
            Err(bad("RouteNotSupported", text))
        }
        "vpcEndpointId" => Err(Kind::VpcEndpoint.malformed(id)),
        "gatewayId" => {
            let gateway = records::get::<InternetGateway>(state, scope, id)?
                .ok_or_else(|| unknown("InvalidGatewayID.NotFound", "gateway"))?;
            if gateway.vpc.as_ref() != Some(&table.vpc) {
                return Err(elsewhere("network gateway"));
            }
            Ok(Some(RouteTarget::InternetGateway(gateway.id)))
        }
        "networkInterfaceId" => {
            let interface = records::find::<Interface>(state, scope, id)?;
            if interface.vpc != table.vpc {
                return Err(elsewhere("interface"));
            }
            Ok(Some(RouteTarget::Interface(interface.id)))
        }
        "natGatewayId" => {
            let gateway = records::get::<NatGateway>(state, scope, id)?
                .filter(|gateway| gateway.state != NatState::Deleted)
                .ok_or_else(|| unknown("InvalidNatGatewayID.NotFound", "natGateway"))?;
            if gateway.vpc != table.vpc {
                return Err(elsewhere("network gateway"));
            }
            Ok(Some(RouteTarget::NatGateway(gateway.id)))
        }
        "egressOnlyInternetGatewayId" => {
            let gateway = records::get::<EgressOnlyGateway>(state, scope, id)?
                .ok_or_else(|| unknown("InvalidGatewayID.NotFound", "egressOnlyInternetGateway"))?;
            if gateway.vpc != table.vpc {
                return Err(elsewhere("network gateway"));
            }
            Ok(Some(RouteTarget::EgressOnlyGateway(gateway.id)))
        }
        "vpcPeeringConnectionId" => {
            // A route to a request leads nowhere until that is accepted (VPC Peering Guide, "Update your
            // route tables for a VPC peering connection").
            let peering = peering::find(state, scope, id, now)?;
            if !matches!(peering.code(now), Code::PendingAcceptance | Code::Active) {
                return Err(Kind::VpcPeeringConnection.not_found(id));
            }
            if !peering.has(&table.vpc) {
                return Err(elsewhere("vpcPeeringConnection"));
            }
            Ok(Some(RouteTarget::Peering(peering.id)))
        }
        "instanceId" => Err(unknown("InvalidInstanceID.NotFound", "instance")),
        "transitGatewayId" => Err(unknown("InvalidTransitGatewayID.NotFound", "transitGateway")),
        "localGatewayId" => Err(unknown("InvalidLocalGatewayID.NotFound", "localGateway")),
        "carrierGatewayId" => Err(unknown("InvalidCarrierGatewayID.NotFound", "carrierGateway")),
        other => refuse(&[(other, true)]).map(|()| None),
    }
}

/// Checks that a destination and a target go together (Amazon VPC User Guide, "Subnet route
/// tables": within the VPC, traffic may be led past the local route only for a whole subnet, and only
/// to a middlebox).
fn check_pair(
    state: &dyn Read,
    scope: &Scope,
    vpc: &Vpc,
    destination: &RouteDestination,
    target: &RouteTarget,
) -> Result<(), Fault> {
    let v6 = family_of(state, scope, destination)? == Family::V6;
    match target {
        RouteTarget::EgressOnlyGateway(id) if !v6 => {
            let text = format!(
                "The route {} cannot lead to {id}: an egress-only internet gateway is for IPv6 only.",
                shown(destination)
            );
            return Err(invalid_value(text));
        }
        // NAT64 alone would lead IPv6 there, and no subnet has it.
        RouteTarget::NatGateway(id) if v6 => {
            let text = format!(
                "The route {} cannot lead to {id}: a NAT gateway is for IPv4 only.",
                shown(destination)
            );
            return Err(invalid_value(text));
        }
        _ => {}
    }
    let RouteDestination::Block(block) = destination else { return Ok(()) };
    let blocks = vpc_blocks(vpc);
    let Some(own) = blocks.iter().find(|own| own.contains(block)) else { return Ok(()) };
    if !matches!(target, RouteTarget::Interface(_) | RouteTarget::NatGateway(_)) {
        let text = format!(
            "The destination CIDR block {block} is equal to or more specific than one of this VPC's CIDR blocks. This route can target only an interface or an instance."
        );
        return Err(invalid_value(text));
    }
    let of_subnet = own == block
        || records::all::<Subnet>(state, scope)?
            .iter()
            .any(|subnet| subnet.vpc == vpc.id && subnet.blocks().contains(block));
    if of_subnet {
        return Ok(());
    }
    let text = format!("The destination CIDR block {block} does not match any subnet CIDR blocks.");
    Err(invalid_value(text))
}

fn vpc_of(state: &dyn Read, scope: &Scope, table: &RouteTable) -> Result<Vpc, Fault> {
    records::get(state, scope, &table.vpc)?
        .ok_or_else(|| Fault::internal(format!("{} belongs to no VPC", table.id)))
}

/// Whether this is the VPC's own block, to which every table has a route.
fn is_local(vpc: &Vpc, destination: &RouteDestination) -> bool {
    vpc_blocks(vpc).into_iter().any(|block| *destination == RouteDestination::Block(block))
}

/// Whether a gateway endpoint has a route of this destination in a table.
fn of_endpoint(
    state: &dyn Read,
    scope: &Scope,
    table: &RouteTable,
    destination: &RouteDestination,
) -> Result<bool, Fault> {
    let RouteDestination::PrefixList(id) = destination else { return Ok(false) };
    let endpoints = records::all::<records::Endpoint>(state, scope)?;
    Ok(endpoints.iter().any(|it| gateway::leads(it, &table.id).is_some_and(|list| list == id)))
}

/// Routes of gateway endpoints come and go with their tables.
fn kept(table: &RouteTable, destination: &RouteDestination, verb: &str) -> Fault {
    let text = format!(
        "cannot {verb} VPC endpoint route {} in route table {}",
        shown(destination),
        table.id
    );
    invalid_value(text)
}

/// Whose addresses a destination has. A prefix list that is named must be there.
fn family_of(
    state: &dyn Read,
    scope: &Scope,
    destination: &RouteDestination,
) -> Result<Family, Fault> {
    match destination {
        RouteDestination::PrefixList(id) => Ok(Any::find(state, scope, id)?.family()),
        RouteDestination::Block(IpNet::V4(_)) => Ok(Family::V4),
        RouteDestination::Block(IpNet::V6(_)) => Ok(Family::V6),
    }
}

fn on_table(
    action: &'static str,
    call_scope: &Scope,
    state: &dyn Read,
    table: &str,
) -> Result<Needs, Fault> {
    Ok(needs::on(action, state, call_scope, Kind::RouteTable, table)?.into())
}

/// CreateRoute.
pub(crate) struct CreateRoute;

impl Operation for CreateRoute {
    type Input = CreateRouteRequest;
    type Output = CreateRouteResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "CreateRoute";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        on_table("ec2:CreateRoute", call.scope, state, &call.input.route_table_id)
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        refuse(&[("OdbNetworkArn", input.odb_network_arn.is_some())])?;
        let mut table = records::find::<RouteTable>(tx, scope, &input.route_table_id)?;
        let vpc = vpc_of(tx, scope, &table)?;
        let destination = named!(input).destination()?;
        family_of(tx, scope, &destination)?;
        let target = target!(input, false).one()?;
        let exists = || {
            let text = format!("The route identified by {} already exists.", shown(&destination));
            bad("RouteAlreadyExists", text)
        };
        // A route to the VPC itself is there already, or is made by taking its replacement away.
        let Some(target) = checked_target(tx, scope, &table, target, call.now)? else {
            return Err(if is_local(&vpc, &destination) {
                exists()
            } else {
                invalid_value(
                    "Value (local) for parameter gatewayId is invalid. Only the VPC's own CIDR blocks are local.",
                )
            });
        };
        if is_local(&vpc, &destination)
            || of_endpoint(tx, scope, &table, &destination)?
            || table.routes.iter().any(|route| route.destination == destination)
        {
            return Err(exists());
        }
        check_pair(tx, scope, &vpc, &destination, &target)?;
        table.routes.push(Route { destination, target });
        // A prefix list counts for as many routes as it may have entries.
        if References::of(tx, scope)?.routes(&table) > MAX_ROUTES {
            let text = "The maximum number of routes has been reached.";
            return Err(bad("RouteLimitExceeded", text));
        }
        records::put(tx, scope, &table)?;
        Ok(Self::Output { r#return: Some(true) })
    }
}

/// ReplaceRoute. The route to the VPC itself can be led elsewhere and back.
pub(crate) struct ReplaceRoute;

impl Operation for ReplaceRoute {
    type Input = ReplaceRouteRequest;
    type Output = Unit;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "ReplaceRoute";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        on_table("ec2:ReplaceRoute", call.scope, state, &call.input.route_table_id)
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        refuse(&[("OdbNetworkArn", input.odb_network_arn.is_some())])?;
        let mut table = records::find::<RouteTable>(tx, scope, &input.route_table_id)?;
        let vpc = vpc_of(tx, scope, &table)?;
        let destination = named!(input).destination()?;
        family_of(tx, scope, &destination)?;
        let target = target!(input, input.local_target == Some(true)).one()?;
        if of_endpoint(tx, scope, &table, &destination)? {
            return Err(kept(&table, &destination, "replace"));
        }
        let local = is_local(&vpc, &destination);
        let known = table.routes.iter().position(|route| route.destination == destination);
        if known.is_none() && !local {
            let text = format!(
                "There is no route defined for '{}' in the route table. Use CreateRoute instead.",
                shown(&destination)
            );
            return Err(invalid_value(text));
        }
        let target = checked_target(tx, scope, &table, target, call.now)?;
        match (target, local) {
            (None, true) => table.routes.retain(|route| route.destination != destination),
            (None, false) => {
                let text = "Value (local) for parameter localTarget is invalid. Only the VPC's own CIDR blocks are local.";
                return Err(invalid_value(text));
            }
            (Some(target), _) => {
                check_pair(tx, scope, &vpc, &destination, &target)?;
                match known.and_then(|at| table.routes.get_mut(at)) {
                    Some(route) => route.target = target,
                    None => table.routes.push(Route { destination, target }),
                }
            }
        }
        records::put(tx, scope, &table)?;
        Ok(Unit)
    }
}

/// DeleteRoute.
pub(crate) struct DeleteRoute;

impl Operation for DeleteRoute {
    type Input = DeleteRouteRequest;
    type Output = Unit;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DeleteRoute";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        on_table("ec2:DeleteRoute", call.scope, state, &call.input.route_table_id)
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let mut table = records::find::<RouteTable>(tx, scope, &input.route_table_id)?;
        let vpc = vpc_of(tx, scope, &table)?;
        let destination = named!(input).destination()?;
        if is_local(&vpc, &destination) {
            let text = format!(
                "cannot remove local route {} in route table {}",
                shown(&destination),
                table.id
            );
            return Err(invalid_value(text));
        }
        if of_endpoint(tx, scope, &table, &destination)? {
            return Err(kept(&table, &destination, "remove"));
        }
        let before = table.routes.len();
        table.routes.retain(|route| route.destination != destination);
        if table.routes.len() == before {
            return Err(no_route(&table, &destination));
        }
        records::put(tx, scope, &table)?;
        Ok(Unit)
    }
}
