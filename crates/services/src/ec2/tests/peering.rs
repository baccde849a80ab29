//! VPC peering connections and the routes to them.

use expect_test::expect;
use sagegate_api::ec2 as api;
use sagegate_network::topology::Target;

use super::routes::{found, table};
use super::{filter, house, named, tag, vpc};
use crate::ec2::peering::PeeringState;
use crate::ec2::peering::answers::{
    AcceptVpcPeeringConnection, DeleteVpcPeeringConnection, RejectVpcPeeringConnection,
};
use crate::ec2::peering::describe::DescribeVpcPeeringConnections;
use crate::ec2::peering::options::ModifyVpcPeeringConnectionOptions;
use crate::ec2::peering::request::CreateVpcPeeringConnection;
use crate::ec2::records;
use crate::ec2::route_table::routes::{CreateRoute, ReplaceRoute};
use crate::ec2::topology;
use crate::ec2::vpc::DeleteVpc;
use crate::ec2::vpc_attribute::ModifyVpcAttribute;
use crate::ec2::vpc_cidr::AssociateVpcCidrBlock;
use crate::testing::House;

pub(super) fn request(vpc: &str, peer: &str) -> api::CreateVpcPeeringConnectionRequest {
    api::CreateVpcPeeringConnectionRequest {
        vpc_id: vpc.into(),
        peer_vpc_id: Some(peer.into()),
        ..Default::default()
    }
}

pub(super) fn requested(house: &House, vpc: &str, peer: &str) -> String {
    let made = house.ok::<CreateVpcPeeringConnection>(request(vpc, peer));
    made.vpc_peering_connection.unwrap().vpc_peering_connection_id.unwrap()
}

pub(super) fn acceptance(id: &str) -> api::AcceptVpcPeeringConnectionRequest {
    api::AcceptVpcPeeringConnectionRequest {
        vpc_peering_connection_id: id.into(),
        ..Default::default()
    }
}

/// An active connection.
pub(super) fn peered(house: &House, vpc: &str, peer: &str) -> String {
    let id = requested(house, vpc, peer);
    house.ok::<AcceptVpcPeeringConnection>(acceptance(&id));
    id
}

pub(super) fn rejection(id: &str) -> api::RejectVpcPeeringConnectionRequest {
    api::RejectVpcPeeringConnectionRequest {
        vpc_peering_connection_id: id.into(),
        ..Default::default()
    }
}

pub(super) fn deletion(id: &str) -> api::DeleteVpcPeeringConnectionRequest {
    api::DeleteVpcPeeringConnectionRequest {
        vpc_peering_connection_id: id.into(),
        ..Default::default()
    }
}

fn described(house: &House, id: &str) -> api::VpcPeeringConnection {
    let input = api::DescribeVpcPeeringConnectionsRequest {
        vpc_peering_connection_ids: Some(vec![id.into()]),
        ..Default::default()
    };
    let found = house.ok::<DescribeVpcPeeringConnections>(input).vpc_peering_connections;
    found.unwrap().remove(0)
}

/// Code, message, and what is shown of the two sides.
fn shown(it: &api::VpcPeeringConnection) -> String {
    let status = it.status.clone().unwrap();
    let side = |side: &Option<api::VpcPeeringConnectionVpcInfo>| {
        let side = side.clone().unwrap();
        side.cidr_block.unwrap_or_else(|| "-".into())
    };
    format!(
        "{}: {}; {} to {}{}",
        status.code.unwrap(),
        status.message.unwrap(),
        side(&it.requester_vpc_info),
        side(&it.accepter_vpc_info),
        if it.expiration_time.is_some() { ", expires" } else { "" }
    )
}

fn is_shown(house: &House, id: &str) -> bool {
    let all = house.ok::<DescribeVpcPeeringConnections>(Default::default());
    let all = all.vpc_peering_connections.unwrap();
    all.iter().any(|it| it.vpc_peering_connection_id.as_deref() == Some(id))
}

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

fn pass(house: &House, seconds: i64) {
    house.clock.advance_millis(seconds * 1000);
}

#[test]
fn a_request_is_accepted_and_the_connection_deleted() {
    let house = house();
    let (one, two) = (vpc(&house, "10.0.0.0/16"), vpc(&house, "10.1.0.0/16"));
    let made = house.ok::<CreateVpcPeeringConnection>(api::CreateVpcPeeringConnectionRequest {
        tag_specifications: named("vpc-peering-connection", "k", "v"),
        ..request(&one, &two)
    });
    let made = made.vpc_peering_connection.unwrap();
    assert_eq!(made.tags, Some(vec![tag("k", "v")]));
    expect!["initiating-request: Initiating Request to 123456789012; 10.0.0.0/16 to -, expires"]
        .assert_eq(&shown(&made));
    let id = made.vpc_peering_connection_id.unwrap();
    expect!["pending-acceptance: Pending Acceptance by 123456789012; 10.0.0.0/16 to -, expires"]
        .assert_eq(&shown(&described(&house, &id)));
    let accepted = house.ok::<AcceptVpcPeeringConnection>(acceptance(&id));
    expect!["active: Active; 10.0.0.0/16 to 10.1.0.0/16"]
        .assert_eq(&shown(&accepted.vpc_peering_connection.unwrap()));
    let seen = described(&house, &id);
    let accepter = seen.accepter_vpc_info.unwrap();
    assert_eq!(accepter.vpc_id.as_ref(), Some(&two));
    assert_eq!(accepter.region.as_deref(), Some("us-west-2"));
    let options = accepter.peering_options.unwrap();
    assert_eq!(options.allow_dns_resolution_from_remote_vpc, Some(false));

    assert_eq!(
        house.fails::<AcceptVpcPeeringConnection>(acceptance(&id)),
        format!(
            "InvalidStateTransition (400): Invalid state transition for {id}, attempted to transition from active to provisioning"
        )
    );
    assert_eq!(
        house.fails::<RejectVpcPeeringConnection>(rejection(&id)),
        format!(
            "InvalidStateTransition (400): Invalid state transition for {id}, attempted to transition from active to rejected"
        )
    );
    house.ok::<DeleteVpcPeeringConnection>(deletion(&id));
    expect!["deleted: Deleted by 123456789012; - to -"].assert_eq(&shown(&described(&house, &id)));
    assert_eq!(
        house.fails::<DeleteVpcPeeringConnection>(deletion(&id)),
        format!(
            "InvalidStateTransition (400): Invalid state transition for {id}, attempted to transition from deleted to deleting"
        )
    );
    pass(&house, 2 * HOUR - 1);
    assert!(is_shown(&house, &id));
    pass(&house, 1);
    assert!(!is_shown(&house, &id));
    let unknown = format!(
        "InvalidVpcPeeringConnectionID.NotFound (400): The vpcPeeringConnection ID '{id}' does not exist"
    );
    assert_eq!(house.fails::<DeleteVpcPeeringConnection>(deletion(&id)), unknown);
    // The next request drops the record.
    requested(&house, &one, &two);
    let state = house.state();
    let left = records::all::<crate::ec2::peering::Peering>(&state, &house.scope()).unwrap();
    assert_eq!(left.len(), 1);
}

#[test]
fn a_request_expires_by_the_clock() {
    let house = house();
    let (one, two) = (vpc(&house, "10.0.0.0/16"), vpc(&house, "10.1.0.0/16"));
    let id = requested(&house, &one, &two);
    pass(&house, 7 * DAY - 1);
    assert!(shown(&described(&house, &id)).starts_with("pending-acceptance"));
    pass(&house, 1);
    expect!["expired: Expired; - to -, expires"].assert_eq(&shown(&described(&house, &id)));
    for fault in [
        house.fails::<AcceptVpcPeeringConnection>(acceptance(&id)),
        house.fails::<RejectVpcPeeringConnection>(rejection(&id)),
        house.fails::<DeleteVpcPeeringConnection>(deletion(&id)),
    ] {
        assert!(fault.contains("attempted to transition from expired to"), "{fault}");
    }
    // What has expired is in nobody's way.
    requested(&house, &one, &two);
    pass(&house, 2 * DAY);
    assert!(!is_shown(&house, &id));
}

#[test]
fn what_cannot_be_joined_fails() {
    let house = house();
    let one = vpc(&house, "10.0.0.0/16");
    let within = vpc(&house, "10.0.128.0/20");
    let apart = vpc(&house, "10.1.0.0/16");
    let unknown = "vpc-0123456789abcdef0";
    for input in [
        request(&one, &within),
        request(&within, &one),
        request(&one, &one),
        request(&one, unknown),
        api::CreateVpcPeeringConnectionRequest {
            peer_owner_id: Some("999999999999".into()),
            ..request(&one, &apart)
        },
        api::CreateVpcPeeringConnectionRequest {
            peer_region: Some("eu-west-1".into()),
            ..request(&one, &apart)
        },
    ] {
        let made = house.ok::<CreateVpcPeeringConnection>(input).vpc_peering_connection.unwrap();
        let id = made.vpc_peering_connection_id.unwrap();
        expect![
            "failed: Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range; - to -"
        ]
        .assert_eq(&shown(&described(&house, &id)));
        let fault = house.fails::<DeleteVpcPeeringConnection>(deletion(&id));
        assert!(fault.ends_with("attempted to transition from failed to deleting"), "{fault}");
    }
    let fault = house.fails::<CreateVpcPeeringConnection>(request(unknown, &one));
    assert!(fault.starts_with("InvalidVpcID.NotFound"), "{fault}");
    let none = api::CreateVpcPeeringConnectionRequest { peer_vpc_id: None, ..request(&one, "") };
    let fault = house.fails::<CreateVpcPeeringConnection>(none);
    assert_eq!(fault, "MissingParameter (400): The request must contain the parameter peerVpcId");
}

#[test]
fn blocks_that_come_later_stay_apart_as_well() {
    let house = house();
    let (one, two) = (vpc(&house, "10.0.0.0/16"), vpc(&house, "10.1.0.0/16"));
    let add = |vpc: &str, block: &str| api::AssociateVpcCidrBlockRequest {
        vpc_id: vpc.into(),
        cidr_block: Some(block.into()),
        ..Default::default()
    };
    house.ok::<AssociateVpcCidrBlock>(add(&one, "10.2.0.0/16"));
    let id = requested(&house, &one, &two);
    // The one that asked waits; the other one may add what it likes, but then the request fails.
    let fault = house.fails::<AssociateVpcCidrBlock>(add(&one, "10.5.0.0/16"));
    assert!(fault.starts_with("OperationNotPermitted (400)"), "{fault}");
    house.ok::<AssociateVpcCidrBlock>(add(&two, "10.2.128.0/20"));
    house.ok::<AcceptVpcPeeringConnection>(acceptance(&id));
    assert!(shown(&described(&house, &id)).starts_with("failed"));

    let third = vpc(&house, "10.3.0.0/16");
    let id = peered(&house, &one, &third);
    let fault = house.fails::<AssociateVpcCidrBlock>(add(&third, "10.2.0.0/20"));
    assert_eq!(
        fault,
        format!(
            "CidrConflict (400): The CIDR '10.2.0.0/20' conflicts with a CIDR block of {one}, with which {third} is peered by {id}"
        )
    );
    house.ok::<AssociateVpcCidrBlock>(add(&third, "10.4.0.0/20"));
    let blocks = described(&house, &id).accepter_vpc_info.unwrap().cidr_block_set.unwrap();
    assert_eq!(blocks.len(), 2);
}

#[test]
fn two_vpcs_have_one_connection() {
    let house = house();
    let (one, two) = (vpc(&house, "10.0.0.0/16"), vpc(&house, "10.1.0.0/16"));
    let there = requested(&house, &one, &two);
    let exists = format!(
        "VpcPeeringConnectionAlreadyExists (400): A VPC peering connection between the VPCs {one} and {two} already exists: {there}"
    );
    assert_eq!(house.fails::<CreateVpcPeeringConnection>(request(&one, &two)), exists);
    // The other one may ask too, but only one request can be accepted.
    let back = requested(&house, &two, &one);
    house.ok::<AcceptVpcPeeringConnection>(acceptance(&there));
    assert_eq!(house.fails::<AcceptVpcPeeringConnection>(acceptance(&back)), exists);
    house.ok::<RejectVpcPeeringConnection>(rejection(&back));
    assert_eq!(house.fails::<CreateVpcPeeringConnection>(request(&two, &one)), exists);
    expect!["rejected: Rejected by 123456789012; - to -"]
        .assert_eq(&shown(&described(&house, &back)));
    pass(&house, 2 * HOUR);
    assert!(!is_shown(&house, &back));
    assert!(is_shown(&house, &there));
}

#[test]
fn a_vpc_with_an_active_connection_stays_and_requests_go_with_theirs() {
    let house = house();
    let (one, two) = (vpc(&house, "10.0.0.0/16"), vpc(&house, "10.1.0.0/16"));
    let id = peered(&house, &one, &two);
    let delete = |vpc: &str| api::DeleteVpcRequest { vpc_id: vpc.into(), dry_run: None };
    for vpc in [&one, &two] {
        let fault = house.fails::<DeleteVpc>(delete(vpc));
        assert!(fault.starts_with("DependencyViolation"), "{fault}");
    }
    house.ok::<DeleteVpcPeeringConnection>(deletion(&id));
    let id = requested(&house, &one, &two);
    house.ok::<DeleteVpc>(delete(&two));
    assert!(shown(&described(&house, &id)).starts_with("deleted"));
    house.ok::<DeleteVpc>(delete(&one));
}

#[test]
fn routes_to_a_connection_lead_somewhere_while_it_is_active() {
    let house = house();
    let (one, two) = (vpc(&house, "10.0.0.0/16"), vpc(&house, "10.1.0.0/16"));
    let third = vpc(&house, "10.2.0.0/16");
    let table_id = table(&house, &one);
    let id = requested(&house, &one, &two);
    let route = |table: &str, block: &str, id: &str| api::CreateRouteRequest {
        route_table_id: table.into(),
        destination_cidr_block: Some(block.into()),
        vpc_peering_connection_id: Some(id.into()),
        ..Default::default()
    };
    house.ok::<CreateRoute>(route(&table_id, "10.1.0.0/16", &id));
    let state = || {
        let table = found(&house, "route.vpc-peering-connection-id", &id);
        let route = table.routes.unwrap().remove(1);
        assert_eq!(route.vpc_peering_connection_id.as_ref(), Some(&id));
        route.state.unwrap().to_string()
    };
    assert_eq!(state(), "blackhole");
    house.ok::<AcceptVpcPeeringConnection>(acceptance(&id));
    assert_eq!(state(), "active");
    let seen = topology(&house.state(), &house.scope()).unwrap();
    assert_eq!(seen.route_tables[&table_id].routes[1].target, Target::Peering(id.clone()));
    assert!(seen.peerings[&id].active);

    let elsewhere = table(&house, &third);
    let fault = house.fails::<CreateRoute>(route(&elsewhere, "10.1.0.0/16", &id));
    assert_eq!(
        fault,
        format!(
            "InvalidParameterValue (400): route table {elsewhere} and vpcPeeringConnection {id} belong to different networks"
        )
    );
    house.ok::<DeleteVpcPeeringConnection>(deletion(&id));
    assert_eq!(state(), "blackhole");
    assert!(topology(&house.state(), &house.scope()).unwrap().peerings.is_empty());
    let fault = house.fails::<ReplaceRoute>(api::ReplaceRouteRequest {
        route_table_id: table_id.clone(),
        destination_cidr_block: Some("10.1.0.0/16".into()),
        vpc_peering_connection_id: Some(id.clone()),
        ..Default::default()
    });
    assert!(fault.starts_with("InvalidVpcPeeringConnectionID.NotFound"), "{fault}");
}

#[test]
fn names_across_a_connection_need_names_in_both_vpcs() {
    let house = house();
    let (one, two) = (vpc(&house, "10.0.0.0/16"), vpc(&house, "10.1.0.0/16"));
    let id = requested(&house, &one, &two);
    let side = |on| {
        Some(api::PeeringConnectionOptionsRequest {
            allow_dns_resolution_from_remote_vpc: Some(on),
            ..Default::default()
        })
    };
    let input = |accepter| api::ModifyVpcPeeringConnectionOptionsRequest {
        vpc_peering_connection_id: id.clone(),
        accepter_peering_connection_options: accepter,
        ..Default::default()
    };
    let change = |on| house.fails::<ModifyVpcPeeringConnectionOptions>(input(side(on)));
    assert_eq!(
        change(true),
        format!(
            "OperationNotPermitted (400): Peering {id} is not active. Peering options can be added only to active peerings."
        )
    );
    house.ok::<AcceptVpcPeeringConnection>(acceptance(&id));
    assert!(change(true).starts_with("InvalidVpcPeeringConnectionState.DnsHostnamesDisabled"));
    for vpc in [&one, &two] {
        house.ok::<ModifyVpcAttribute>(api::ModifyVpcAttributeRequest {
            vpc_id: vpc.clone(),
            enable_dns_hostnames: Some(api::AttributeBooleanValue { value: Some(true) }),
            ..Default::default()
        });
    }
    let done = house.ok::<ModifyVpcPeeringConnectionOptions>(input(side(true)));
    let accepter = done.accepter_peering_connection_options.unwrap();
    assert_eq!(accepter.allow_dns_resolution_from_remote_vpc, Some(true));
    assert_eq!(done.requester_peering_connection_options, None);
    let seen = topology(&house.state(), &house.scope()).unwrap();
    assert!(seen.peerings[&id].names_reach(&one, &two));
    assert!(!seen.peerings[&id].names_reach(&two, &one));
    let options = described(&house, &id).accepter_vpc_info.unwrap().peering_options.unwrap();
    assert_eq!(options.allow_dns_resolution_from_remote_vpc, Some(true));
    house.ok::<ModifyVpcPeeringConnectionOptions>(input(side(false)));
    let fault = house.fails::<ModifyVpcPeeringConnectionOptions>(input(None));
    assert!(fault.starts_with("MissingParameter"), "{fault}");
}

#[test]
fn connections_are_found_by_what_they_are() {
    let house = house();
    let (one, two) = (vpc(&house, "10.0.0.0/16"), vpc(&house, "10.1.0.0/16"));
    let third = vpc(&house, "10.2.0.0/16");
    let (waiting, active) = (requested(&house, &one, &two), peered(&house, &one, &third));
    let find = |name: &str, value: &str| {
        let input = api::DescribeVpcPeeringConnectionsRequest {
            filters: filter(name, &[value]),
            ..Default::default()
        };
        let found = house.ok::<DescribeVpcPeeringConnections>(input).vpc_peering_connections;
        let found = found.unwrap().into_iter().filter_map(|it| it.vpc_peering_connection_id);
        found.collect::<Vec<_>>()
    };
    assert_eq!(find("status-code", "pending-acceptance"), [waiting.as_str()]);
    assert_eq!(find("status-message", "Active"), [active.as_str()]);
    assert_eq!(find("accepter-vpc-info.vpc-id", &third), [active.as_str()]);
    assert_eq!(find("accepter-vpc-info.cidr-block", "10.2.0.0/16"), [active.as_str()]);
    assert_eq!(find("expiration-time", "2026-11-29T*"), [waiting.as_str()]);
    assert_eq!(find("vpc-peering-connection-id", &waiting), [waiting.as_str()]);
    assert_eq!(find("requester-vpc-info.vpc-id", &one).len(), 2);
    assert_eq!(find("requester-vpc-info.owner-id", "123456789012").len(), 2);
    assert_eq!(find("requester-vpc-info.cidr-block", "10.1.0.0/16"), [""; 0]);
}

#[test]
fn a_vpc_has_so_many_connections() {
    let house = house();
    let (one, two) = (vpc(&house, "10.0.0.0/16"), vpc(&house, "10.1.0.0/16"));
    let id = requested(&house, &one, &two);
    let scope = house.scope();
    let model = records::get::<crate::ec2::peering::Peering>(&house.state(), &scope, &id);
    let model = model.unwrap().unwrap();
    // More than there can be VPCs for.
    let fill = |state: PeeringState, count: usize| {
        house.transact(|tx| {
            for number in 0..count {
                let mut more = model.clone();
                more.id = format!("pcx-{number:017x}");
                more.accepter.vpc = format!("vpc-{number:017x}");
                more.state = state;
                records::put(tx, &scope, &more)?;
            }
            Ok(())
        });
    };
    fill(PeeringState::Pending, 24);
    let third = vpc(&house, "10.2.0.0/16");
    let fault = house.fails::<CreateVpcPeeringConnection>(request(&one, &third));
    assert!(fault.starts_with("OutstandingVpcPeeringConnectionLimitExceeded"), "{fault}");
    fill(PeeringState::Active, 50);
    let fault = house.fails::<AcceptVpcPeeringConnection>(acceptance(&id));
    assert!(fault.starts_with("ActiveVpcPeeringConnectionPerVpcLimitExceeded"), "{fault}");
}
