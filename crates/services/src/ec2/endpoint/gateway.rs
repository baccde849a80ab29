//! Gateway endpoints: the way to a service by routes to its prefix list.
//!
//! Rules: AWS PrivateLink Guide, "Gateway endpoints". The routes are in no table's record: they follow
//! from the endpoint's tables, and so come and go with them.

use sagegate_gate::{Authorized, Fault, Scope};
use sagegate_store::{Read, StoreError, Tx};

use super::super::aws_prefix_lists::AwsList;
use super::super::fault::{bad, invalid_parameter};
use super::super::kind::Kind;
use super::super::records::{
    self, Endpoint, EndpointState, EndpointType, RouteDestination, RouteTable, Vpc,
};
use super::create::CreateVpcEndpoint;
use super::policy;
use crate::iam::bound::Bound;

/// Gateway endpoints in a region (Amazon VPC User Guide, "Amazon VPC quotas").
const MAX_ENDPOINTS: usize = 20;

/// Makes a gateway endpoint.
pub(super) fn make(
    call: &Authorized<'_, CreateVpcEndpoint>,
    tx: &mut Tx,
    token: Option<String>,
    vpc: &Vpc,
    list: AwsList,
) -> Result<Endpoint, Fault> {
    let (input, scope, env, now) = (call.input, call.scope, call.env, call.now);
    let policy_principals = match &input.policy_document {
        Some(text) => policy::check_gateway(tx, scope, text)?,
        None => Bound::new(),
    };
    let others = records::all::<Endpoint>(tx, scope)?;
    let gateways = others.iter().filter(|other| other.kind != EndpointType::Interface);
    if gateways.count() >= MAX_ENDPOINTS {
        let text = "The maximum number of VPC endpoints has been reached.";
        return Err(bad("VpcEndpointLimitExceeded", text));
    }
    if input.private_dns_enabled == Some(true) {
        return Err(invalid_parameter("Private DNS cannot be enabled for Gateway endpoints."));
    }
    let mut tables = Vec::new();
    let wanted = input.route_table_ids.as_deref().unwrap_or_default();
    let id = Kind::VpcEndpoint.new_id(env);
    add_tables(tx, scope, &vpc.id, (&id, list.id), &mut tables, wanted)?;
    let endpoint = Endpoint {
        id,
        vpc: vpc.id.clone(),
        service: list.name(&scope.region),
        policy: input.policy_document.clone(),
        policy_principals,
        groups: Vec::new(),
        places: Vec::new(),
        private_dns: false,
        // There is nothing to bind.
        state: EndpointState::Available,
        last_error: None,
        created: now,
        hash: env.base32_lower(8),
        token,
        kind: EndpointType::Gateway { prefix_list: list.id.to_owned(), tables },
    };
    records::put(tx, scope, &endpoint)?;
    Ok(endpoint)
}

/// Adds tables to those of an endpoint. A table has one route to a service's prefix list.
///
/// # Errors
/// `InvalidRouteTableID.…`, `InvalidParameter` for another VPC's table, `RouteAlreadyExists`.
pub(super) fn add_tables(
    state: &dyn Read,
    scope: &Scope,
    vpc: &str,
    (own_id, list): (&str, &str),
    tables: &mut Vec<String>,
    wanted: &[String],
) -> Result<(), Fault> {
    let endpoints = records::all::<Endpoint>(state, scope)?;
    for id in wanted {
        if tables.contains(id) {
            continue;
        }
        let table = records::find::<RouteTable>(state, scope, id)?;
        if table.vpc != vpc {
            let text = format!("The route table {id} does not belong to the VPC {vpc}.");
            return Err(invalid_parameter(text));
        }
        let own = RouteDestination::PrefixList(list.to_owned());
        let taken = table.routes.iter().any(|route| route.destination == own)
            || endpoints
                .iter()
                .any(|other| other.id != own_id && leads(other, id).is_some_and(|it| it == list));
        if taken {
            let text = format!(
                "route table {id} already has a route with destination-prefix-list-id {list}"
            );
            return Err(bad("RouteAlreadyExists", text));
        }
        tables.push(id.clone());
    }
    Ok(())
}

/// The prefix list that an endpoint has a route to in this table.
pub(crate) fn leads<'a>(endpoint: &'a Endpoint, table: &str) -> Option<&'a str> {
    match &endpoint.kind {
        EndpointType::Gateway { prefix_list, tables } if tables.iter().any(|it| it == table) => {
            Some(prefix_list)
        }
        EndpointType::Gateway { .. } | EndpointType::Interface => None,
    }
}

/// Takes a table that goes away from all endpoints.
pub(crate) fn forget_table(tx: &mut Tx, scope: &Scope, table: &str) -> Result<(), StoreError> {
    for mut endpoint in records::all::<Endpoint>(tx, scope)? {
        if leads(&endpoint, table).is_none() {
            continue;
        }
        if let EndpointType::Gateway { tables, .. } = &mut endpoint.kind {
            tables.retain(|known| known != table);
        }
        records::put(tx, scope, &endpoint)?;
    }
    Ok(())
}
