use crate::binding::Binding;
use expect_test::expect;
use sagegate_api::ec2 as api;
use sagegate_gate::directory::EndpointPolicies;
use sagegate_network::Arrival;
use sagegate_network::endpoint_name::is_misdirected;

use super::{
    API, STUDIO, default_group, describe_endpoint, endpoint_input, filter, group, house,
    https_from, let_in, make_endpoint, range, subnet, vpc,
};
use crate::ec2::endpoint::create::CreateVpcEndpoint;
use crate::ec2::endpoint::delete::DeleteVpcEndpoints;
use crate::ec2::endpoint::modify::ModifyVpcEndpoint;
use crate::ec2::endpoint::{self, Endpoints, settle};
use crate::ec2::endpoint_services::DescribeVpcEndpointServices;
use crate::ec2::interface_shape::DescribeNetworkInterfaces;
use crate::ec2::network_interface::{DeleteNetworkInterface, ModifyNetworkInterfaceAttribute};
use crate::ec2::security_group::DeleteSecurityGroup;
use crate::ec2::security_group_rules::RevokeSecurityGroupEgress;
use crate::ec2::subnet::DeleteSubnet;
use crate::ec2::vpc::DescribeVpcs;
use crate::ec2::vpc_attribute::ModifyVpcAttribute;
use sagegate_network::Behind;

use crate::ec2::{EndpointListener, listeners};
use crate::testing::House;

fn listening(house: &House) -> Vec<EndpointListener> {
    listeners(&house.state()).unwrap()
}

fn delete(house: &House, ids: &[&str]) -> Vec<api::UnsuccessfulItem> {
    let input = api::DeleteVpcEndpointsRequest {
        vpc_endpoint_ids: ids.iter().map(ToString::to_string).collect(),
        dry_run: None,
    };
    house.ok::<DeleteVpcEndpoints>(input).unsuccessful.unwrap()
}

fn enable_dns_hostnames(house: &House, vpc: &str) {
    house.ok::<ModifyVpcAttribute>(api::ModifyVpcAttributeRequest {
        vpc_id: vpc.into(),
        enable_dns_hostnames: Some(api::AttributeBooleanValue { value: Some(true) }),
        ..Default::default()
    });
}

fn bound(_: std::net::Ipv4Addr) -> Binding {
    Binding::Bound
}

#[test]
fn an_endpoint_stands_in_its_subnets() {
    let house = house();
    let vpc = vpc(&house, "10.0.0.0/16");
    enable_dns_hostnames(&house, &vpc);
    let a = subnet(&house, &vpc, "10.0.1.0/24", "a");
    let b = subnet(&house, &vpc, "10.0.2.0/24", "b");
    let group = group(&house, &vpc, "endpoints");
    let input = api::CreateVpcEndpointRequest {
        security_group_ids: Some(vec![group.clone()]),
        private_dns_enabled: None,
        ..endpoint_input(&vpc, API, &[&a, &b])
    };
    let made = make_endpoint(&house, input);
    assert_eq!(made.state, Some(api::State::Pending));
    assert_eq!(made.state.unwrap().as_str(), "pending");
    let id = made.vpc_endpoint_id.clone().unwrap();
    let names: Vec<String> = made
        .dns_entries
        .unwrap()
        .into_iter()
        .map(|entry| entry.dns_name.unwrap().replace(&id, "ENDPOINT"))
        .map(|name| {
            let hash = name.strip_prefix("ENDPOINT-").and_then(|rest| rest.get(..8));
            hash.map_or(name.clone(), |hash| name.replace(hash, "HASH"))
        })
        .collect();
    expect![[r#"
        ENDPOINT-HASH.api.sagemaker.us-west-2.vpce.amazonaws.com
        ENDPOINT-HASH-us-west-2a.api.sagemaker.us-west-2.vpce.amazonaws.com
        ENDPOINT-HASH-us-west-2b.api.sagemaker.us-west-2.vpce.amazonaws.com
        api.sagemaker.us-west-2.amazonaws.com"#]]
    .assert_eq(&names.join("\n"));

    let found = listening(&house);
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].addr.to_string(), "127.65.0.1");
    assert_eq!(found[1].addr.to_string(), "127.65.0.2");
    assert_eq!(found[0].vpc_source_ip.to_string(), "10.0.1.254");
    assert_eq!(found[0].interface_address.to_string(), "10.0.1.4");
    assert_eq!(found[0].behind, Behind::Api("sagemaker"));
    assert!(!is_misdirected("API.sagemaker.us-west-2.amazonaws.com", &found[0].names()));
    assert!(!is_misdirected(
        &format!("{id}.api.sagemaker.us-west-2.vpce.amazonaws.com"),
        &found[0].names()
    ));
    assert!(!is_misdirected(&found[0].dns_names[1], &found[0].names()));
    assert!(!is_misdirected(&found[0].dns_names[1], &found[1].names()));
    assert!(is_misdirected("vpce-1.api.sagemaker.us-west-2.vpce.amazonaws.com", &found[0].names()));
    let keys = Arrival::Endpoint(found[0].arrival()).keys();
    assert_eq!(keys[2], ("aws:VpcSourceIp", "10.0.1.254".to_owned()));

    let addresses: Vec<_> = found.iter().map(|listener| listener.addr).collect();
    let in_use = Binding::Failed("in use".into());
    let second_fails = |at| if at == addresses[1] { in_use.clone() } else { Binding::Bound };
    house.transact(|tx| settle(tx, &house.scope(), &id, &second_fails));
    assert!(endpoint::unsettled(&house.state(), &second_fails).unwrap().is_empty());
    // It is told of the address that it is about.
    let found = listening(&house);
    assert_eq!((&found[0].binding, &found[1].binding), (&Binding::Bound, &in_use));
    let failed = describe_endpoint(&house, &id);
    assert_eq!(failed.state, Some(api::State::Failed));
    assert_eq!(failed.last_error.unwrap().message.as_deref(), Some("in use"));
    assert_eq!(endpoint::unsettled(&house.state(), &bound).unwrap().len(), 1);
    let second_waits = |at| if at == addresses[1] { Binding::Waiting } else { Binding::Bound };
    house.transact(|tx| settle(tx, &house.scope(), &id, &second_waits));
    assert_eq!(describe_endpoint(&house, &id).state, Some(api::State::Pending));
    house.transact(|tx| settle(tx, &house.scope(), &id, &bound));
    let settled = describe_endpoint(&house, &id);
    assert_eq!((settled.state, settled.last_error), (Some(api::State::Available), None));
    assert!(endpoint::unsettled(&house.state(), &bound).unwrap().is_empty());
    // A start that cannot bind it takes it back.
    house.transact(|tx| settle(tx, &house.scope(), &id, &second_fails));
    assert_eq!(describe_endpoint(&house, &id).state, Some(api::State::Failed));
    house.transact(|tx| settle(tx, &house.scope(), &id, &bound));
    assert_eq!(describe_endpoint(&house, &id).state, Some(api::State::Available));

    // What it holds stays as long as it lives.
    let input = api::DescribeNetworkInterfacesRequest {
        filters: filter("interface-type", &["vpc_endpoint"]),
        ..Default::default()
    };
    let interfaces = house.ok::<DescribeNetworkInterfaces>(input).network_interfaces.unwrap();
    assert_eq!(interfaces.len(), 2);
    assert_eq!(interfaces[0].requester_managed, Some(true));
    assert_eq!(interfaces[0].description, Some(format!("VPC Endpoint Interface {id}")));
    let eni = interfaces[0].network_interface_id.clone().unwrap();
    expect!["AuthFailure (400): You do not have permission to access the specified resource."]
        .assert_eq(&house.fails::<ModifyNetworkInterfaceAttribute>(
            api::ModifyNetworkInterfaceAttributeRequest {
                network_interface_id: eni.clone(),
                groups: Some(vec![group.clone()]),
                ..Default::default()
            },
        ));
    let text = house.fails::<DeleteNetworkInterface>(api::DeleteNetworkInterfaceRequest {
        network_interface_id: eni,
        dry_run: None,
    });
    assert!(text.ends_with("is currently in use."), "{text}");
    let delete_group =
        api::DeleteSecurityGroupRequest { group_id: Some(group), ..Default::default() };
    let text = house.fails::<DeleteSecurityGroup>(delete_group);
    assert!(text.starts_with("DependencyViolation"), "{text}");
    let delete_subnet = || api::DeleteSubnetRequest { subnet_id: a.clone(), dry_run: None };
    assert!(house.fails::<DeleteSubnet>(delete_subnet()).starts_with("DependencyViolation"));

    let answer = delete(&house, &["vpce-1", &id, "x"]);
    let told: Vec<_> =
        answer.into_iter().map(|item| item.error.unwrap().message.unwrap()).collect();
    expect![[r#"
        The Vpc Endpoint Id 'vpce-1' does not exist
        Invalid id: "x" (expecting "vpce-...")"#]]
    .assert_eq(&told.join("\n"));
    assert!(listening(&house).is_empty());
    house.ok::<DeleteSubnet>(delete_subnet());
}

#[test]
fn the_groups_of_both_sides_decide_who_gets_in() {
    let house = house();
    let vpc = vpc(&house, "10.0.0.0/16");
    let a = subnet(&house, &vpc, "10.0.1.0/24", "a");
    let own = group(&house, &vpc, "endpoints");
    let clients = default_group(&house, &vpc);
    let input = api::CreateVpcEndpointRequest {
        security_group_ids: Some(vec![own.clone()]),
        ..endpoint_input(&vpc, API, &[&a])
    };
    let id = make_endpoint(&house, input).vpc_endpoint_id.unwrap();
    let why = || {
        let listener = listening(&house).remove(0);
        listener.admitted.map_err(|refusal| refusal.to_string())
    };
    assert_eq!(
        why(),
        Err(format!(
            "no inbound rule of the endpoint's security groups ({own}) allows tcp port 443 from 10.0.1.254"
        ))
    );
    let_in(&house, &own, range("tcp", 80, 442, "10.0.0.0/16"));
    assert!(why().is_err());
    let_in(&house, &own, https_from(&clients));
    assert_eq!(why(), Ok(()));
    house.ok::<RevokeSecurityGroupEgress>(api::RevokeSecurityGroupEgressRequest {
        group_id: clients.clone(),
        ip_permissions: Some(vec![range("-1", -1, -1, "0.0.0.0/0")]),
        ..Default::default()
    });
    assert_eq!(
        why(),
        Err(format!(
            "no outbound rule of the client's security groups ({clients}) allows tcp port 443 to 10.0.1.4"
        ))
    );
    delete(&house, &[&id]);
    assert!(listening(&house).is_empty());
    // By default an endpoint has the VPC's default group, which lets itself in.
    let id = make_endpoint(&house, endpoint_input(&vpc, STUDIO, &[&a])).vpc_endpoint_id.unwrap();
    let listeners = || endpoint::studio_listeners(&house.state(), &house.scope(), &vpc).unwrap();
    assert!(listeners().is_empty(), "it is not available yet");
    house.transact(|tx| settle(tx, &house.scope(), &id, &|_| Binding::Failed("in use".into())));
    assert!(listeners().is_empty(), "somebody else may hold its address");
    house.transact(|tx| settle(tx, &house.scope(), &id, &bound));
    let studio = endpoint::studio_listeners(&house.state(), &house.scope(), &vpc).unwrap();
    assert_eq!(studio[0].behind, Behind::Studio);
    // The next address, not the one that was given back; the client stays who it was.
    assert_eq!(studio[0].addr.to_string(), "127.65.0.2");
    assert_eq!(studio[0].vpc_source_ip.to_string(), "10.0.1.254");
}

#[test]
fn what_cannot_be_an_endpoint_is_refused() {
    let house = house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let a = subnet(&house, &vpc_id, "10.0.1.0/24", "a");
    let also_a = subnet(&house, &vpc_id, "10.0.2.0/24", "a");
    let elsewhere = subnet(&house, &vpc(&house, "10.1.0.0/16"), "10.1.0.0/24", "b");
    let fails = |input| house.fails::<CreateVpcEndpoint>(input);
    assert_eq!(
        fails(endpoint_input(&vpc_id, API, &[&a, &also_a])),
        format!(
            "DuplicateSubnetsInSameZone (400): Found another VPC endpoint subnet in the availability zone of {a}. VPC endpoint subnets should be in different availability zones supported by the VPC endpoint service."
        )
    );
    let text = fails(endpoint_input(&vpc_id, API, &[&elsewhere]));
    assert!(text.starts_with("InvalidParameter (400): The subnet "), "{text}");
    expect!["InvalidServiceName (400): The Vpc Endpoint Service 'com.amazonaws.us-west-2.rds' does not exist"]
        .assert_eq(&fails(endpoint_input(&vpc_id, "com.amazonaws.us-west-2.rds", &[&a])));
    expect!["InvalidSubnetID.NotFound (400): The subnet ID 'subnet-1' does not exist"]
        .assert_eq(&fails(endpoint_input(&vpc_id, API, &["subnet-1"])));
    expect!["InvalidSubnetId.Malformed (400): Invalid Subnet Id: 'subnet-X' (expecting 'subnet-...; the Id may only contain lowercase alphanumeric characters and a single dash')"]
        .assert_eq(&fails(endpoint_input(&vpc_id, API, &["subnet-X"])));
    let unknown_group = api::CreateVpcEndpointRequest {
        security_group_ids: Some(vec!["sg-1".into()]),
        ..endpoint_input(&vpc_id, API, &[&a])
    };
    expect!["InvalidSecurityGroupID.NotFound (400): The securityGroup ID 'sg-1' does not exist"]
        .assert_eq(&fails(unknown_group));
    let private = api::CreateVpcEndpointRequest {
        private_dns_enabled: Some(true),
        ..endpoint_input(&vpc_id, API, &[&a])
    };
    assert_eq!(
        fails(private.clone()),
        format!(
            "InvalidParameter (400): Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for {vpc_id}"
        )
    );
    enable_dns_hostnames(&house, &vpc_id);
    make_endpoint(&house, private.clone());
    assert_eq!(
        fails(private),
        format!(
            "InvalidParameter (400): private-dns-enabled cannot be set because there is already a conflicting DNS domain for api.sagemaker.us-west-2.amazonaws.com in the VPC {vpc_id}"
        )
    );
    let untyped = api::CreateVpcEndpointRequest {
        vpc_endpoint_type: None,
        ..endpoint_input(&vpc_id, API, &[&a])
    };
    expect!["InvalidParameter (400): Subnet IDs are only supported for Interface and GatewayLoadBalancer type VPC Endpoints."]
        .assert_eq(&fails(untyped));
    let gateway = api::CreateVpcEndpointRequest {
        vpc_endpoint_type: Some(api::VpcEndpointType::Gateway),
        ..endpoint_input(&vpc_id, "com.amazonaws.us-west-2.s4", &[])
    };
    expect!["InvalidServiceName (400): The Vpc Endpoint Service 'com.amazonaws.us-west-2.s4' does not exist"]
        .assert_eq(&fails(gateway));
    let policy = |text: String| api::CreateVpcEndpointRequest {
        policy_document: Some(text),
        ..endpoint_input(&vpc_id, API, &[&a])
    };
    let text = fails(policy("{}".into()));
    assert!(text.starts_with("InvalidPolicyDocument (400): "), "{text}");
    let text = fails(policy(" ".repeat(20_481)));
    assert!(text.contains("20480"), "{text}");
    // Nothing of all this has left a trace.
    assert_eq!(listening(&house).len(), 1);
}

#[test]
fn a_token_makes_one_endpoint() {
    let house = house();
    let vpc = vpc(&house, "10.0.0.0/16");
    let a = subnet(&house, &vpc, "10.0.1.0/24", "a");
    let input = |service: &str| api::CreateVpcEndpointRequest {
        client_token: Some("token".into()),
        ..endpoint_input(&vpc, service, &[&a])
    };
    let first = make_endpoint(&house, input(API)).vpc_endpoint_id.unwrap();
    assert_eq!(make_endpoint(&house, input(API)).vpc_endpoint_id.as_ref(), Some(&first));
    expect![
        "IdempotentParameterMismatch (400): The client token was used before with other parameters."
    ]
    .assert_eq(&house.fails::<CreateVpcEndpoint>(input(STUDIO)));
    assert!(delete(&house, &[&first]).is_empty());
    assert_ne!(make_endpoint(&house, input(API)).vpc_endpoint_id, Some(first));
}

#[test]
fn endpoints_change() {
    let house = house();
    let vpc = vpc(&house, "10.0.0.0/16");
    let a = subnet(&house, &vpc, "10.0.1.0/24", "a");
    let b = subnet(&house, &vpc, "10.0.2.0/24", "b");
    let (one, two) = (default_group(&house, &vpc), group(&house, &vpc, "two"));
    let id = make_endpoint(&house, endpoint_input(&vpc, API, &[&a])).vpc_endpoint_id.unwrap();
    house.transact(|tx| settle(tx, &house.scope(), &id, &bound));
    let modify =
        || api::ModifyVpcEndpointRequest { vpc_endpoint_id: id.clone(), ..Default::default() };
    let list = |id: &String| Some(vec![id.clone()]);

    let policy = r#"{"Statement":[{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}]}"#;
    let shown = || describe_endpoint(&house, &id).policy_document.unwrap();
    let before = shown();
    let policies = Endpoints::default();
    let compiled = || {
        let account = house.scope().account;
        policies.policy(&house.state(), &account, "us-west-2", &id).unwrap().unwrap()
    };
    let first = compiled();
    house.ok::<ModifyVpcEndpoint>(api::ModifyVpcEndpointRequest {
        policy_document: Some(policy.into()),
        ..modify()
    });
    assert_eq!(shown(), policy);
    assert_ne!(*compiled().document(), *first.document());
    let malformed = api::ModifyVpcEndpointRequest { policy_document: Some("{".into()), ..modify() };
    assert!(house.fails::<ModifyVpcEndpoint>(malformed).starts_with("InvalidPolicyDocument"));
    house.ok::<ModifyVpcEndpoint>(api::ModifyVpcEndpointRequest {
        reset_policy: Some(true),
        ..modify()
    });
    assert_eq!(shown(), before);

    house.ok::<ModifyVpcEndpoint>(api::ModifyVpcEndpointRequest {
        add_security_group_ids: list(&two),
        remove_security_group_ids: list(&one),
        ..modify()
    });
    let groups = |house: &House| {
        let input = api::DescribeNetworkInterfacesRequest {
            filters: filter("vpc-id", &[&vpc]),
            ..Default::default()
        };
        let found = house.ok::<DescribeNetworkInterfaces>(input).network_interfaces.unwrap();
        found.into_iter().flat_map(|eni| eni.groups.unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(groups(&house)[0].group_id, Some(two.clone()));
    let empty = api::ModifyVpcEndpointRequest { remove_security_group_ids: list(&two), ..modify() };
    assert!(house.fails::<ModifyVpcEndpoint>(empty).contains("must keep a security group"));
    assert_eq!(describe_endpoint(&house, &id).state, Some(api::State::Available));

    house.ok::<ModifyVpcEndpoint>(api::ModifyVpcEndpointRequest {
        add_subnet_ids: list(&b),
        ..modify()
    });
    assert_eq!(describe_endpoint(&house, &id).state, Some(api::State::Pending));
    assert_eq!(groups(&house)[1].group_id, Some(two));
    assert_eq!(listening(&house).len(), 2);
    let again = api::ModifyVpcEndpointRequest { add_subnet_ids: list(&b), ..modify() };
    let text = house.fails::<ModifyVpcEndpoint>(again);
    assert!(text.starts_with("DuplicateSubnetsInSameZone"), "{text}");
    house.ok::<ModifyVpcEndpoint>(api::ModifyVpcEndpointRequest {
        remove_subnet_ids: list(&a),
        ..modify()
    });
    assert_eq!(listening(&house).len(), 1);
    let private = api::ModifyVpcEndpointRequest { private_dns_enabled: Some(true), ..modify() };
    assert!(house.fails::<ModifyVpcEndpoint>(private.clone()).contains("enableDnsHostnames"));
    enable_dns_hostnames(&house, &vpc);
    house.ok::<ModifyVpcEndpoint>(private);
    let names = listening(&house)[0].dns_names.clone();
    assert!(names.contains(&"api.sagemaker.us-west-2.amazonaws.com".to_owned()), "{names:?}");
    let unknown = api::ModifyVpcEndpointRequest { vpc_endpoint_id: "vpce-1".into(), ..modify() };
    expect!["InvalidVpcEndpointId.NotFound (400): The Vpc Endpoint Id 'vpce-1' does not exist"]
        .assert_eq(&house.fails::<ModifyVpcEndpoint>(unknown));
}

#[test]
fn an_endpoint_policy_binds_the_calls_that_come_through_it() {
    let house = house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let a = subnet(&house, &vpc_id, "10.0.1.0/24", "a");
    let policy = r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"ec2:DescribeSubnets","Resource":"*"}]}"#;
    let input = api::CreateVpcEndpointRequest {
        policy_document: Some(policy.into()),
        ..endpoint_input(&vpc_id, "com.amazonaws.us-west-2.ec2", &[&a])
    };
    make_endpoint(&house, input);
    let arrival = Arrival::Endpoint(listening(&house).remove(0).arrival());
    let call = |arrival: &Arrival| {
        house.call_from::<DescribeVpcs>(&house.root(), arrival.clone(), Default::default())
    };
    let text = call(&arrival).unwrap_err().message;
    assert!(
        text.contains("because no VPC endpoint policy allows the ec2:DescribeVpcs action"),
        "{text}"
    );
    let found = house.call_from::<crate::ec2::subnet::DescribeSubnets>(
        &house.root(),
        arrival.clone(),
        Default::default(),
    );
    assert!(found.is_ok());
    // An endpoint that is gone lets nobody through.
    let mut gone = listening(&house).remove(0).arrival();
    gone.vpc_endpoint_id = "vpce-1".into();
    assert!(call(&Arrival::Endpoint(gone)).is_err());
}

#[test]
fn services_are_listed_as_they_are_served() {
    let house = house();
    let all = house.ok::<DescribeVpcEndpointServices>(Default::default());
    expect![[r#"
        aws.sagemaker.us-west-2.studio
        com.amazonaws.us-west-2.dynamodb
        com.amazonaws.us-west-2.ec2
        com.amazonaws.us-west-2.s3
        com.amazonaws.us-west-2.sagemaker.api
        com.amazonaws.us-west-2.ssmmessages
        com.amazonaws.us-west-2.sts"#]]
    .assert_eq(&all.service_names.unwrap().join("\n"));
    let unknown = api::DescribeVpcEndpointServicesRequest {
        service_names: Some(vec!["x".into()]),
        ..Default::default()
    };
    expect!["InvalidServiceName (400): The Vpc Endpoint Service 'x' does not exist"]
        .assert_eq(&house.fails::<DescribeVpcEndpointServices>(unknown));
}

#[test]
fn an_endpoint_policy_binds_what_asks_no_permission() {
    use crate::sts::identity::GetCallerIdentity;
    use crate::sts::session_token::GetSessionToken;
    let house = house();
    let vpc_id = vpc(&house, "10.0.0.0/16");
    let a = subnet(&house, &vpc_id, "10.0.1.0/24", "a");
    let policy = |action: &str| {
        format!(
            r#"{{"Statement":[{{"Effect":"Allow","Principal":"*","Action":"{action}","Resource":"*"}}]}}"#
        )
    };
    let input = api::CreateVpcEndpointRequest {
        policy_document: Some(policy("sts:GetCallerIdentity")),
        ..endpoint_input(&vpc_id, "com.amazonaws.us-west-2.sts", &[&a])
    };
    make_endpoint(&house, input);
    let arrival = || Arrival::Endpoint(listening(&house).remove(0).arrival());
    let s3 =
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#;
    let nobody = house.user_with_policy("nobody", s3);
    for caller in [&nobody, &house.root()] {
        assert!(
            house.call_from::<GetCallerIdentity>(caller, arrival(), Default::default()).is_ok()
        );
        let refused = house
            .call_from::<GetSessionToken>(caller, arrival(), Default::default())
            .unwrap_err()
            .message;
        assert!(
            refused
                .ends_with("because no VPC endpoint policy allows the sts:GetSessionToken action"),
            "{refused}"
        );
        // By the public way nobody asks.
        assert!(house.call::<GetSessionToken>(caller, Default::default()).is_ok());
    }
}
