//! CreateRouteTable, DeleteRouteTable, DescribeRouteTables.

use sagegate_api::Unit;
use sagegate_api::ec2::{
    CreateRouteTableRequest, CreateRouteTableResult, DeleteRouteTableRequest,
    DescribeRouteTablesRequest, DescribeRouteTablesResult, Route as RouteShape, RouteOrigin,
    RouteState, RouteTable as RouteTableShape, RouteTableAssociation, RouteTableAssociationState,
    RouteTableAssociationStateCode,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Needs, Operation, Scope};
use sagegate_store::{Read, StoreError, Tx};

use super::super::endpoint::gateway;
use super::super::fault::{bad, dry_run, in_use};
use super::super::kind::Kind;
use super::super::records::{self, Endpoint, RouteDestination, RouteTable, RouteTarget, Vpc};
use super::super::select::{self, Filters, flag};
use super::super::tags::{self, Tags};
use super::super::token::Once;
use super::super::{named_or_all, needs, token};
use super::{Targets, Way, in_force, of_vpc};

/// Route tables of a VPC (Amazon VPC User Guide, "Amazon VPC quotas").
const MAX_TABLES: usize = 200;

/// That an association is in force.
pub(super) fn association_state() -> RouteTableAssociationState {
    RouteTableAssociationState {
        state: Some(RouteTableAssociationStateCode::Associated),
        status_message: None,
    }
}

fn route_shape(destination: &RouteDestination, way: &Way, reached: bool) -> RouteShape {
    let mut shape = RouteShape {
        origin: Some(match way {
            Way::Local => RouteOrigin::CreateRouteTable,
            Way::Endpoint(_) | Way::Made(_) => RouteOrigin::CreateRoute,
        }),
        state: Some(if reached { RouteState::Active } else { RouteState::Blackhole }),
        ..RouteShape::default()
    };
    match destination {
        RouteDestination::Block(ipnet::IpNet::V4(block)) => {
            shape.destination_cidr_block = Some(block.to_string());
        }
        RouteDestination::Block(ipnet::IpNet::V6(block)) => {
            shape.destination_ipv6_cidr_block = Some(block.to_string());
        }
        RouteDestination::PrefixList(id) => shape.destination_prefix_list_id = Some(id.clone()),
    }
    match way {
        Way::Local => shape.gateway_id = Some("local".to_owned()),
        Way::Endpoint(id) => shape.gateway_id = Some(id.clone()),
        Way::Made(RouteTarget::InternetGateway(id)) => shape.gateway_id = Some(id.clone()),
        Way::Made(RouteTarget::EgressOnlyGateway(id)) => {
            shape.egress_only_internet_gateway_id = Some(id.clone());
        }
        Way::Made(RouteTarget::NatGateway(id)) => shape.nat_gateway_id = Some(id.clone()),
        Way::Made(RouteTarget::Interface(id)) => shape.network_interface_id = Some(id.clone()),
        Way::Made(RouteTarget::Peering(id)) => {
            shape.vpc_peering_connection_id = Some(id.clone());
        }
    }
    shape
}

/// What answers show besides the table itself.
struct Around {
    vpcs: Vec<Vpc>,
    endpoints: Vec<Endpoint>,
    targets: Targets,
}

impl Around {
    fn of(state: &dyn Read, scope: &Scope) -> Result<Self, StoreError> {
        Ok(Self {
            vpcs: records::all(state, scope)?,
            endpoints: records::all(state, scope)?,
            targets: Targets::of(state, scope)?,
        })
    }

    fn shape(&self, scope: &Scope, table: &RouteTable, tags: &Tags) -> RouteTableShape {
        let vpc = self.vpcs.iter().find(|vpc| vpc.id == table.vpc);
        let routes = vpc.map(|vpc| in_force(vpc, table, &self.endpoints)).unwrap_or_default();
        let associations = table.associations.iter().map(|association| RouteTableAssociation {
            main: Some(association.subnet.is_none()),
            route_table_association_id: Some(association.id.clone()),
            route_table_id: Some(table.id.clone()),
            subnet_id: association.subnet.clone(),
            association_state: Some(association_state()),
            ..RouteTableAssociation::default()
        });
        RouteTableShape {
            associations: Some(associations.collect()),
            propagating_vgws: Some(Vec::new()),
            route_table_id: Some(table.id.clone()),
            routes: Some(
                routes
                    .iter()
                    .map(|(destination, way)| {
                        route_shape(destination, way, self.targets.reached(&table.vpc, way))
                    })
                    .collect(),
            ),
            tags: Some(tags::shape(tags)),
            vpc_id: Some(table.vpc.clone()),
            owner_id: Some(scope.account.to_string()),
        }
    }
}

/// CreateRouteTable.
pub(crate) struct CreateRouteTable;

impl Operation for CreateRouteTable {
    type Input = CreateRouteTableRequest;
    type Output = CreateRouteTableResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "CreateRouteTable";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (input, kind) = (call.input, Kind::RouteTable);
        let tags = tags::requested(input.tag_specifications.as_ref(), kind)?;
        let action = "ec2:CreateRouteTable";
        needs::new_in_vpc(action, state, call.scope, kind, &tags, &input.vpc_id)
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let once = Once::of(Self::NAME, input.client_token.as_ref(), || CreateRouteTableRequest {
            client_token: None,
            ..input.clone()
        });
        if let Some(table) = once.made::<RouteTable>(tx, scope)? {
            return answer(tx, scope, &table, input.client_token.clone());
        }
        let tags = tags::requested(input.tag_specifications.as_ref(), Kind::RouteTable)?;
        let vpc = records::find::<Vpc>(tx, scope, &input.vpc_id)?;
        if of_vpc(tx, scope, &vpc.id)?.len() >= MAX_TABLES {
            let text = "The maximum number of route tables has been reached.";
            return Err(bad("RouteTableLimitExceeded", text));
        }
        let table = RouteTable {
            id: Kind::RouteTable.new_id(call.env),
            vpc: vpc.id,
            routes: Vec::new(),
            associations: Vec::new(),
            token: once.row(),
        };
        records::put(tx, scope, &table)?;
        tags::put(tx, scope, &table.id, &tags)?;
        once.keep(tx, scope, &table.id)?;
        answer(tx, scope, &table, input.client_token.clone())
    }
}

fn answer(
    state: &dyn Read,
    scope: &Scope,
    table: &RouteTable,
    client_token: Option<String>,
) -> Result<CreateRouteTableResult, Fault> {
    let tags = tags::of(state, scope, &table.id)?;
    let shape = Around::of(state, scope)?.shape(scope, table, &tags);
    Ok(CreateRouteTableResult { route_table: Some(shape), client_token })
}

/// DeleteRouteTable. A table that counts for something stays.
pub(crate) struct DeleteRouteTable;

impl Operation for DeleteRouteTable {
    type Input = DeleteRouteTableRequest;
    type Output = Unit;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DeleteRouteTable";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let id = &call.input.route_table_id;
        Ok(needs::on("ec2:DeleteRouteTable", state, call.scope, Kind::RouteTable, id)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        dry_run(call.input.dry_run)?;
        let scope = call.scope;
        let table = records::find::<RouteTable>(tx, scope, &call.input.route_table_id)?;
        if !table.associations.is_empty() {
            return Err(in_use("routeTable", &table.id));
        }
        token::forget(tx, scope, table.token.as_deref());
        gateway::forget_table(tx, scope, &table.id)?;
        records::delete::<RouteTable>(tx, scope, &table.id)?;
        Ok(Unit)
    }
}

/// The values of filters about routes: each is of all routes that a table shows.
fn route_values(shape: &RouteTableShape, member: &str) -> Vec<String> {
    let routes = shape.routes.iter().flatten();
    let value = |route: &RouteShape| match member {
        "destination-cidr-block" => route.destination_cidr_block.clone(),
        "destination-ipv6-cidr-block" => route.destination_ipv6_cidr_block.clone(),
        "destination-prefix-list-id" => route.destination_prefix_list_id.clone(),
        "egress-only-internet-gateway-id" => route.egress_only_internet_gateway_id.clone(),
        "gateway-id" => route.gateway_id.clone(),
        "nat-gateway-id" => route.nat_gateway_id.clone(),
        "network-interface-id" => route.network_interface_id.clone(),
        "vpc-peering-connection-id" => route.vpc_peering_connection_id.clone(),
        "origin" => route.origin.as_ref().map(ToString::to_string),
        "state" => route.state.as_ref().map(ToString::to_string),
        // Instances and transit gateways: no route leads to any.
        _ => None,
    };
    routes.filter_map(value).collect()
}

/// DescribeRouteTables.
pub(crate) struct DescribeRouteTables;

impl Operation for DescribeRouteTables {
    type Input = DescribeRouteTablesRequest;
    type Output = DescribeRouteTablesResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DescribeRouteTables";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        Ok(needs::listing(call.scope, "ec2:DescribeRouteTables"))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let names = [
            "association.gateway-id",
            "association.main",
            "association.route-table-association-id",
            "association.route-table-id",
            "association.subnet-id",
            "owner-id",
            "route-table-id",
            "route.destination-cidr-block",
            "route.destination-ipv6-cidr-block",
            "route.destination-prefix-list-id",
            "route.egress-only-internet-gateway-id",
            "route.gateway-id",
            "route.instance-id",
            "route.nat-gateway-id",
            "route.network-interface-id",
            "route.origin",
            "route.state",
            "route.transit-gateway-id",
            "route.vpc-peering-connection-id",
            "vpc-id",
        ];
        let filters = Filters::of(input.filters.as_ref(), &names, true)?;
        let around = Around::of(tx, scope)?;
        let ids = input.route_table_ids.as_ref();
        let mut found = Vec::new();
        for table in named_or_all::<RouteTable>(tx, scope, ids)? {
            let tags = tags::of(tx, scope, &table.id)?;
            let shape = around.shape(scope, &table, &tags);
            let associations = || table.associations.iter();
            let pass = filters.pass(&tags, |name| match name {
                "association.main" => {
                    associations().flat_map(|it| flag(it.subnet.is_none())).collect()
                }
                "association.route-table-association-id" => {
                    associations().map(|it| it.id.clone()).collect()
                }
                "association.route-table-id" => associations().map(|_| table.id.clone()).collect(),
                "association.subnet-id" => {
                    associations().filter_map(|it| it.subnet.clone()).collect()
                }
                "owner-id" => vec![scope.account.to_string()],
                "route-table-id" => vec![table.id.clone()],
                "vpc-id" => vec![table.vpc.clone()],
                other => match other.strip_prefix("route.") {
                    Some(member) => route_values(&shape, member),
                    // No table counts for what enters by a gateway.
                    None => Vec::new(),
                },
            });
            if pass {
                found.push(shape);
            }
        }
        let (route_tables, next_token) = select::page(
            found,
            |table| table.route_table_id.clone().unwrap_or_default(),
            ids.is_some_and(|ids| !ids.is_empty()),
            input.max_results,
            input.next_token.as_deref(),
        )?;
        Ok(Self::Output { route_tables: Some(route_tables), next_token })
    }
}
