//! Gateway endpoints: their routes, policies and permissions.

use expect_test::expect;
use sagegate_api::ec2 as api;
use sagegate_network::topology::{EndpointKind, Target};

use super::matrix::{case, prove};
use super::permissions::ARN;
use super::routes::{found, interface, table};
use super::{describe_endpoint, house, make_endpoint, subnet, vpc};
use crate::ec2::endpoint::create::CreateVpcEndpoint;
use crate::ec2::endpoint::delete::DeleteVpcEndpoints;
use crate::ec2::endpoint::modify::ModifyVpcEndpoint;
use crate::ec2::route_table::routes::{CreateRoute, DeleteRoute, ReplaceRoute};
use crate::ec2::route_table::tables::DeleteRouteTable;
use crate::ec2::topology;
use crate::testing::House;

const S3: &str = "com.amazonaws.us-west-2.s3";
const LIST: &str = "pl-68a54001";

fn input(vpc: &str, tables: &[&str]) -> api::CreateVpcEndpointRequest {
    api::CreateVpcEndpointRequest {
        vpc_id: vpc.into(),
        service_name: Some(S3.into()),
        route_table_ids: Some(tables.iter().map(ToString::to_string).collect()),
        ..Default::default()
    }
}

/// By what a table leads to the prefix list.
fn route(house: &House, table: &str) -> Option<(String, String)> {
    let routes = found(house, "route-table-id", table).routes.unwrap();
    let own = routes.into_iter().find(|it| it.destination_prefix_list_id.as_deref() == Some(LIST));
    own.map(|own| (own.gateway_id.unwrap(), own.state.unwrap().to_string()))
}

#[test]
fn routes_come_and_go_with_the_endpoints_tables() {
    let house = house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let (one, two) = (table(&house, &vpc_id), table(&house, &vpc_id));
    let made = make_endpoint(&house, input(&vpc_id, &[&one]));
    assert_eq!(made.vpc_endpoint_type, Some(api::VpcEndpointType::Gateway));
    assert_eq!(made.state, Some(api::State::Available));
    assert_eq!(made.route_table_ids, Some(vec![one.clone()]));
    expect![[r#"{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#]]
        .assert_eq(made.policy_document.as_deref().unwrap());
    let id = made.vpc_endpoint_id.unwrap();
    let active = Some((id.clone(), "active".to_owned()));
    assert_eq!((route(&house, &one), route(&house, &two)), (active.clone(), None));

    // Nobody edits them, and a table has one for each service.
    let delete = api::DeleteRouteRequest {
        route_table_id: one.clone(),
        destination_prefix_list_id: Some(LIST.into()),
        ..Default::default()
    };
    assert_eq!(
        house.fails::<DeleteRoute>(delete),
        format!(
            "InvalidParameterValue (400): cannot remove VPC endpoint route {LIST} in route table {one}"
        )
    );
    let subnet_id = subnet(&house, &vpc_id, "10.0.0.0/24", "a");
    let interface_id = interface(&house, &subnet_id);
    let replace = api::ReplaceRouteRequest {
        route_table_id: one.clone(),
        destination_prefix_list_id: Some(LIST.into()),
        network_interface_id: Some(interface_id.clone()),
        ..Default::default()
    };
    assert_eq!(
        house.fails::<ReplaceRoute>(replace),
        format!(
            "InvalidParameterValue (400): cannot replace VPC endpoint route {LIST} in route table {one}"
        )
    );
    let create = |table: &str| api::CreateRouteRequest {
        route_table_id: table.into(),
        destination_prefix_list_id: Some(LIST.into()),
        network_interface_id: Some(interface_id.clone()),
        ..Default::default()
    };
    let fault = house.fails::<CreateRoute>(create(&one));
    assert!(fault.starts_with("RouteAlreadyExists"), "{fault}");
    let fault = house.fails::<CreateVpcEndpoint>(input(&vpc_id, &[&one]));
    assert_eq!(
        fault,
        format!(
            "RouteAlreadyExists (400): route table {one} already has a route with destination-prefix-list-id {LIST}"
        )
    );
    let by_endpoint = api::CreateRouteRequest {
        route_table_id: two.clone(),
        destination_cidr_block: Some("9.0.0.0/8".into()),
        gateway_id: Some(id.clone()),
        ..Default::default()
    };
    let fault = house.fails::<CreateRoute>(by_endpoint);
    assert!(fault.starts_with("RouteNotSupported"), "{fault}");

    let modify = |add: &[&str], remove: &[&str]| api::ModifyVpcEndpointRequest {
        vpc_endpoint_id: id.clone(),
        add_route_table_ids: Some(add.iter().map(ToString::to_string).collect()),
        remove_route_table_ids: Some(remove.iter().map(ToString::to_string).collect()),
        ..Default::default()
    };
    house.ok::<ModifyVpcEndpoint>(modify(&[&two], &[&one]));
    assert_eq!((route(&house, &one), route(&house, &two)), (None, active));
    let seen = topology(&house.state(), &house.scope()).unwrap();
    assert_eq!(seen.endpoints[&id].kind, EndpointKind::Gateway { prefix_list: LIST.to_owned() });
    let routes = &seen.route_tables[&two].routes;
    assert!(routes.iter().any(|it| it.target == Target::GatewayEndpoint(id.clone())));
    assert_eq!(
        house.fails::<ModifyVpcEndpoint>(modify(&[], &[&one])),
        format!("InvalidParameter (400): The route table {one} is not associated with {id}.")
    );
    // Another way that is there keeps the endpoint's out.
    house.ok::<CreateRoute>(create(&one));
    let fault = house.fails::<ModifyVpcEndpoint>(modify(&[&one], &[]));
    assert!(fault.starts_with("RouteAlreadyExists"), "{fault}");
    let elsewhere = vpc(&house, "10.1.0.0/16");
    let foreign = table(&house, &elsewhere);
    assert_eq!(
        house.fails::<ModifyVpcEndpoint>(modify(&[&foreign], &[])),
        format!(
            "InvalidParameter (400): The route table {foreign} does not belong to the VPC {vpc_id}."
        )
    );
    // A table that goes leaves the endpoint.
    let delete = api::DeleteRouteTableRequest { route_table_id: two, dry_run: None };
    house.ok::<DeleteRouteTable>(delete);
    assert_eq!(describe_endpoint(&house, &id).route_table_ids, Some(Vec::new()));
    house.ok::<DeleteVpcEndpoints>(api::DeleteVpcEndpointsRequest {
        vpc_endpoint_ids: vec![id],
        dry_run: None,
    });
}

#[test]
fn what_gateways_do_not_have_is_refused() {
    let house = house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let table_id = table(&house, &vpc_id);
    let policy = |principal: &str| api::CreateVpcEndpointRequest {
        policy_document: Some(format!(
            r#"{{"Statement":[{{"Effect":"Allow","Principal":{principal},"Action":"s3:GetObject","Resource":"*"}}]}}"#
        )),
        ..input(&vpc_id, &[])
    };
    for principal in [r#"{"AWS":"123456789012"}"#, r#"{"Service":"ec2.amazonaws.com"}"#] {
        let fault = house.fails::<CreateVpcEndpoint>(policy(principal));
        assert!(fault.starts_with("InvalidPolicyDocument"), "{fault}");
    }
    house.ok::<CreateVpcEndpoint>(policy(r#"{"AWS":"*"}"#));
    expect!["InvalidParameter (400): Endpoint type (Interface) does not match available service types ([Gateway])."]
        .assert_eq(&house.fails::<CreateVpcEndpoint>(api::CreateVpcEndpointRequest {
            vpc_endpoint_type: Some(api::VpcEndpointType::Interface),
            route_table_ids: None,
            ..input(&vpc_id, &[])
        }));
    expect!["InvalidParameter (400): Security group IDs are only supported for Interface type VPC Endpoints."]
        .assert_eq(&house.fails::<CreateVpcEndpoint>(api::CreateVpcEndpointRequest {
            security_group_ids: Some(vec!["sg-1".into()]),
            ..input(&vpc_id, &[&table_id])
        }));
    expect!["InvalidParameter (400): Private DNS cannot be enabled for Gateway endpoints."]
        .assert_eq(&house.fails::<CreateVpcEndpoint>(api::CreateVpcEndpointRequest {
            private_dns_enabled: Some(true),
            ..input(&vpc_id, &[&table_id])
        }));
}

#[test]
fn a_gateway_endpoint_asks_for_its_tables() {
    let house = house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let (one, two) = (table(&house, &vpc_id), table(&house, &vpc_id));
    let made = make_endpoint(&house, input(&vpc_id, &[])).vpc_endpoint_id.unwrap();
    let on = |kind: &str, id: &str| format!("{ARN}:{kind}/{id}");
    let owner = r#"{"StringEquals":{"ec2:VpceServiceOwner":"amazon"}}"#;
    // The reference lists the table's id here, and not its VPC.
    let no_vpc = r#"{"Null":{"ec2:Vpc":"true","ec2:RouteTableID":"false"}}"#;
    prove(
        &house,
        &case::<ModifyVpcEndpoint>(
            &house,
            vec![
                ("ec2:ModifyVpcEndpoint", on("vpc-endpoint", &made), ""),
                ("ec2:ModifyVpcEndpoint", on("route-table", &two), no_vpc),
            ],
            api::ModifyVpcEndpointRequest {
                vpc_endpoint_id: made.clone(),
                add_route_table_ids: Some(vec![two]),
                ..Default::default()
            },
        ),
    );
    prove(
        &house,
        &case::<CreateVpcEndpoint>(
            &house,
            vec![
                ("ec2:CreateVpcEndpoint", on("vpc", &vpc_id), ""),
                ("ec2:CreateVpcEndpoint", on("vpc-endpoint", "*"), owner),
                ("ec2:CreateVpcEndpoint", on("route-table", &one), no_vpc),
            ],
            input(&vpc_id, &[&one]),
        ),
    );
}
