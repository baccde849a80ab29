//! Zones and VPCs of two accounts, and policies that limit VPCs.

use sagegate_gate::{AccountId, Caller};

use super::*;

fn associate(zone: &str, vpc: &api::VPC) -> api::AssociateVPCWithHostedZoneRequest {
    api::AssociateVPCWithHostedZoneRequest {
        hosted_zone_id: zone.into(),
        vpc: vpc.clone(),
        comment: None,
    }
}

#[test]
fn a_vpc_of_another_account_takes_an_authorization() {
    let house = house();
    let own = vpc(&house, "10.1.0.0/16");
    let zone = zone(&house, "a.test", Some(&own));
    let other = Caller { account: AccountId::parse("210987654321").unwrap(), ..house.root() };
    let input =
        ec2_api::CreateVpcRequest { cidr_block: Some("10.2.0.0/16".into()), ..Default::default() };
    let made = house.call::<ec2::vpc::CreateVpc>(&other, input).unwrap();
    let theirs =
        api::VPC { vpc_id: made.vpc.unwrap().vpc_id, vpc_region: Some("us-west-2".into()) };
    let attempt = |caller: &Caller| {
        let done = house.call::<AssociateVPCWithHostedZone>(caller, associate(&zone, &theirs));
        done.map(drop).map_err(|fault| (fault.code.into_owned(), fault.status))
    };
    assert_eq!(attempt(&other), Err(("NotAuthorizedException".into(), 401)));
    // The zone's owner cannot do it either: the VPC is not theirs.
    assert_eq!(attempt(&house.root()), Err(("InvalidVPCId".into(), 400)));
    house.ok::<CreateVPCAssociationAuthorization>(api::CreateVPCAssociationAuthorizationRequest {
        hosted_zone_id: zone.clone(),
        vpc: theirs.clone(),
    });
    assert_eq!(attempt(&other), Ok(()));
    // The zone stays its owner's.
    let get = api::GetHostedZoneRequest { id: zone.clone() };
    let fault = house.call::<GetHostedZone>(&other, get).unwrap_err();
    assert_eq!(fault.code, "NoSuchHostedZone");
    let listed = house
        .call::<ListHostedZonesByVPC>(
            &other,
            api::ListHostedZonesByVPCRequest {
                vpc_id: theirs.vpc_id.clone().unwrap(),
                vpc_region: "us-west-2".into(),
                ..Default::default()
            },
        )
        .unwrap();
    let owner = listed.hosted_zone_summaries.unwrap().remove(0).owner.unwrap();
    assert_eq!(owner.owning_account.as_deref(), Some(crate::testing::ACCOUNT));
    let back = api::DisassociateVPCFromHostedZoneRequest {
        hosted_zone_id: zone.clone(),
        vpc: theirs.clone(),
        comment: None,
    };
    house.call::<DisassociateVPCFromHostedZone>(&other, back).unwrap();
}

#[test]
fn policies_can_limit_vpcs() {
    let house = house();
    let (own, other) = (vpc(&house, "10.1.0.0/16"), vpc(&house, "10.2.0.0/16"));
    let zone = zone(&house, "a.test", Some(&vpc(&house, "10.3.0.0/16")));
    let policy = r#"{"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "ec2:DescribeVpcs", "Resource": "*"},
        {"Effect": "Allow", "Action": "route53:*", "Resource": "*", "Condition": {
            "ForAllValues:StringEquals": {"route53:VPCs": ["VPCId=VPC,VPCRegion=us-west-2"]}
        }}
    ]}"#;
    let policy = policy.replace("VPCId=VPC", &format!("VPCId={}", own.vpc_id.clone().unwrap()));
    let caller = house.user_with_policy("jo", &policy);
    let attempt = |vpc: &api::VPC| {
        let done = house.call::<AssociateVPCWithHostedZone>(&caller, associate(&zone, vpc));
        done.map(drop).map_err(|fault| fault.code.into_owned())
    };
    assert_eq!(attempt(&own), Ok(()));
    assert_eq!(attempt(&other), Err("AccessDenied".into()));
    let create = |vpc: &api::VPC| {
        let input = api::CreateHostedZoneRequest {
            name: "b.test".into(),
            caller_reference: "r".into(),
            vpc: Some(vpc.clone()),
            ..Default::default()
        };
        house.call::<CreateHostedZone>(&caller, input).map(drop).map_err(|it| it.code.into_owned())
    };
    assert_eq!(create(&other), Err("AccessDenied".into()));
    assert_eq!(create(&own), Ok(()));
}
