//! What holds after any sequence of calls.

use std::collections::BTreeSet;

use proptest::prelude::*;
use sagegate_api::ec2 as api;

use super::{endpoint_input, house, subnet, vpc};
use crate::ec2::endpoint::create::CreateVpcEndpoint;
use crate::ec2::endpoint::delete::DeleteVpcEndpoints;
use crate::ec2::endpoint::modify::ModifyVpcEndpoint;
use crate::ec2::listeners;
use crate::ec2::network_interface::{CreateNetworkInterface, DeleteNetworkInterface};
use crate::ec2::records::{ADDRESSES, ENDPOINTS, INTERFACES, LOOPBACKS, SUBNETS};
use crate::testing::House;
use sagegate_network::cidr;

#[derive(Clone, Debug)]
enum Step {
    Endpoint(BTreeSet<usize>),
    DeleteEndpoint(usize),
    Move(usize, usize, usize),
    Interface(usize),
    DeleteInterface(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        proptest::collection::btree_set(0_usize..4, 0..4).prop_map(Step::Endpoint),
        (0_usize..8).prop_map(Step::DeleteEndpoint),
        (0_usize..8, 0_usize..4, 0_usize..4).prop_map(|(at, to, from)| Step::Move(at, to, from)),
        (0_usize..4).prop_map(Step::Interface),
        (0_usize..8).prop_map(Step::DeleteInterface),
    ]
}

/// Does a step; whether it succeeds does not matter here.
fn take(house: &House, vpc: &str, subnets: &[String], step: &Step) {
    let root = house.root();
    let endpoints = ENDPOINTS.scan(&house.state(), &(), None, usize::MAX).unwrap();
    let interfaces = INTERFACES.scan(&house.state(), &(), None, usize::MAX).unwrap();
    let nth = |found: Vec<String>, at: usize| found.get(at).cloned().unwrap_or("vpce-1".into());
    let endpoint = |at| nth(endpoints.iter().map(|((.., id), _)| id.clone()).collect(), at);
    let interface = |at| nth(interfaces.iter().map(|((.., id), _)| id.clone()).collect(), at);
    match step {
        Step::Endpoint(at) => {
            let named: Vec<&str> = at.iter().map(|at| subnets[*at].as_str()).collect();
            let service = "com.amazonaws.us-west-2.sts";
            drop(house.call::<CreateVpcEndpoint>(&root, endpoint_input(vpc, service, &named)));
        }
        Step::DeleteEndpoint(at) => {
            let input = api::DeleteVpcEndpointsRequest {
                vpc_endpoint_ids: vec![endpoint(*at)],
                dry_run: None,
            };
            drop(house.call::<DeleteVpcEndpoints>(&root, input));
        }
        Step::Move(at, to, from) => {
            let input = api::ModifyVpcEndpointRequest {
                vpc_endpoint_id: endpoint(*at),
                add_subnet_ids: Some(vec![subnets[*to].clone()]),
                remove_subnet_ids: Some(vec![subnets[*from].clone()]),
                ..Default::default()
            };
            drop(house.call::<ModifyVpcEndpoint>(&root, input));
        }
        Step::Interface(at) => {
            let input = api::CreateNetworkInterfaceRequest {
                subnet_id: subnets[*at].clone(),
                ..Default::default()
            };
            drop(house.call::<CreateNetworkInterface>(&root, input));
        }
        Step::DeleteInterface(at) => {
            let input = api::DeleteNetworkInterfaceRequest {
                network_interface_id: interface(*at),
                dry_run: None,
            };
            drop(house.call::<DeleteNetworkInterface>(&root, input));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn addresses_have_one_holder(steps in proptest::collection::vec(step(), 1..40)) {
        let house = house();
        let vpc = vpc(&house, "10.0.0.0/16");
        let subnets = [
            subnet(&house, &vpc, "10.0.0.0/28", "a"),
            subnet(&house, &vpc, "10.0.0.16/28", "b"),
            subnet(&house, &vpc, "10.0.0.32/28", "c"),
            subnet(&house, &vpc, "10.0.0.48/28", "a"),
        ];
        for step in &steps {
            take(&house, &vpc, &subnets, step);
        }
        let state = house.state();
        let interfaces = INTERFACES.scan(&state, &(), None, usize::MAX).unwrap();
        let held = ADDRESSES.scan(&state, &(), None, usize::MAX).unwrap();
        let all = SUBNETS.scan(&state, &(), None, usize::MAX).unwrap();
        // Every address is held by its interface or its subnet's client, and the other way round.
        let clients = all.iter().filter(|(_, subnet)| subnet.client_address.is_some()).count();
        prop_assert_eq!(held.len(), interfaces.len() + clients);
        for ((_, _, subnet, address), holder) in &held {
            let (_, subnet) = all.iter().find(|((.., id), _)| id == subnet).unwrap();
            prop_assert!(cidr::is_usable(&subnet.cidr, (*address).into()));
            match interfaces.iter().find(|((.., id), _)| id == holder) {
                Some((_, interface)) => prop_assert_eq!(interface.address.octets(), *address),
                None => prop_assert_eq!(subnet.client_address.map(|a| a.octets()), Some(*address)),
            }
        }
        // Listeners, loopback addresses and places are the same set, one for each zone.
        let endpoints = ENDPOINTS.scan(&state, &(), None, usize::MAX).unwrap();
        let places: usize = endpoints.iter().map(|(_, endpoint)| endpoint.places.len()).sum();
        let listeners = listeners(&state).unwrap();
        let addresses: BTreeSet<_> = listeners.iter().map(|listener| listener.addr).collect();
        prop_assert_eq!(listeners.len(), places);
        prop_assert_eq!(addresses.len(), places);
        prop_assert_eq!(LOOPBACKS.count(&state, &()).unwrap(), places);
        for (_, endpoint) in &endpoints {
            let zones: BTreeSet<_> = endpoint.places.iter().map(|place| &place.zone).collect();
            prop_assert_eq!(zones.len(), endpoint.places.len());
        }
        let attached = interfaces.iter().filter(|(_, other)| other.attachment.is_some()).count();
        prop_assert_eq!(attached, places);
    }
}
