//! Reachability Analyzer: what analyses find.

use expect_test::expect;
use sagegate_api::ec2 as api;

use super::acls::{acl, association_of, entry};
use super::insights::{Site, analysis, described, path, path_input, route, start_input, tell};
use super::routes::interface;
use super::{API, endpoint_input, let_in, make_endpoint, range, subnet};
use crate::binding::Binding;
use crate::ec2::endpoint::settle;
use crate::ec2::internet_gateway::{CreateInternetGateway, DetachInternetGateway};
use crate::ec2::network_acl::associations::ReplaceNetworkAclAssociation;
use crate::ec2::network_acl::entries::CreateNetworkAclEntry;
use crate::ec2::network_interface::{DeleteNetworkInterface, ModifyNetworkInterfaceAttribute};
use crate::ec2::route_table::routes::{CreateRoute, DeleteRoute};
use crate::ec2::tags::CreateTags;

#[test]
fn a_way_in_from_the_internet() {
    let site = Site::new();
    site.house.ok::<CreateTags>(api::CreateTagsRequest {
        resources: vec![site.web.clone()],
        tags: vec![super::tag("Name", "the web server")],
        ..Default::default()
    });
    let asked = || path_input(&site.gateway, &site.web, Some(443));
    // No rule lets anything in.
    site.check(
        asked(),
        expect![[r#"
            succeeded, found: false
            forward
              IGW in VPC
                  < 6 1.0.0.0/8…208.0.0.0/4:0-65535>PUBLIC-ADDRESS/32:443-443
                  > 6 1.0.0.0/8…208.0.0.0/4:0-65535>10.0.0.5/32:443-443
              ACL [ingress 100 allow all 0.0.0.0/0]
                  < 6 1.0.0.0/8…208.0.0.0/4:0-65535>10.0.0.5/32:443-443
            SG_HAS_NO_RULES ingress tcp port 443
              interface WEB (the web server)
              VPC VPC
              group WEB-GROUP"#]],
    );
    let_in(&site.house, &site.web_group, range("tcp", 22, 22, "0.0.0.0/0"));
    site.check(
        asked(),
        expect![[r#"
            succeeded, found: false
            forward
              IGW in VPC
                  < 6 1.0.0.0/8…208.0.0.0/4:0-65535>PUBLIC-ADDRESS/32:443-443
                  > 6 1.0.0.0/8…208.0.0.0/4:0-65535>10.0.0.5/32:443-443
              ACL [ingress 100 allow all 0.0.0.0/0]
                  < 6 1.0.0.0/8…208.0.0.0/4:0-65535>10.0.0.5/32:443-443
            ENI_SG_RULES_MISMATCH ingress tcp port 443
              interface WEB (the web server)
              VPC VPC
              group WEB-GROUP"#]],
    );
    let_in(&site.house, &site.web_group, range("tcp", 443, 443, "9.9.9.0/24"));
    site.check(
        asked(),
        expect![[r#"
            succeeded, found: true
            forward
              IGW in VPC
                  < 6 9.9.9.0/24:0-65535>PUBLIC-ADDRESS/32:443-443
                  > 6 9.9.9.0/24:0-65535>10.0.0.5/32:443-443
              ACL [ingress 100 allow all 0.0.0.0/0]
              WEB-GROUP [ingress tcp 443-443 9.9.9.0/24]
              WEB (the web server) in PUBLIC in VPC
                  < 6 9.9.9.0/24:0-65535>10.0.0.5/32:443-443
            return
              WEB (the web server) in PUBLIC in VPC
                  > 6 10.0.0.5/32:443-443>9.9.9.0/24:0-65535
              WEB-GROUP
              ACL [egress 100 allow all 0.0.0.0/0]
              PUBLIC-TABLE [0.0.0.0/0 > IGW createroute active]
              IGW in VPC
                  < 6 10.0.0.5/32:443-443>9.9.9.0/24:0-65535
                  > 6 PUBLIC-ADDRESS/32:443-443>9.9.9.0/24:0-65535"#]],
    );
}

#[test]
fn ways_out() {
    let site = Site::new();
    site.check(
        path_input(&site.app, &site.gateway, Some(443)),
        expect![[r#"
            succeeded, found: true
            forward
              APP in PRIVATE in VPC
                  > 6 10.0.1.4/32:0-65535>1.0.0.0/8…208.0.0.0/4:443-443
              SG [egress all  0.0.0.0/0]
              ACL [egress 100 allow all 0.0.0.0/0]
              PRIVATE-TABLE [0.0.0.0/0 > NAT createroute active]
              ACL [ingress 100 allow all 0.0.0.0/0]
              NAT in PUBLIC in VPC
                  < 6 10.0.1.4/32:0-65535>1.0.0.0/8…208.0.0.0/4:443-443
                  > 6 10.0.0.4/32:1024-65535>1.0.0.0/8…208.0.0.0/4:443-443
              ACL [egress 100 allow all 0.0.0.0/0]
              PUBLIC-TABLE [0.0.0.0/0 > IGW createroute active]
              IGW in VPC
                  < 6 10.0.0.4/32:1024-65535>1.0.0.0/8…208.0.0.0/4:443-443
                  > 6 PUBLIC-ADDRESS/32:1024-65535>1.0.0.0/8…208.0.0.0/4:443-443
            return
              IGW in VPC
                  < 6 1.0.0.0/8…208.0.0.0/4:443-443>PUBLIC-ADDRESS/32:1024-65535
                  > 6 1.0.0.0/8…208.0.0.0/4:443-443>10.0.0.4/32:1024-65535
              ACL [ingress 100 allow all 0.0.0.0/0]
              NAT in PUBLIC in VPC
                  < 6 1.0.0.0/8…208.0.0.0/4:443-443>10.0.0.4/32:1024-65535
                  > 6 1.0.0.0/8…208.0.0.0/4:443-443>10.0.1.4/32:0-65535
              ACL [egress 100 allow all 0.0.0.0/0]
              PUBLIC-TABLE [10.0.0.0/16 > local createroutetable active]
              ACL [ingress 100 allow all 0.0.0.0/0]
              SG
              APP in PRIVATE in VPC
                  < 6 1.0.0.0/8…208.0.0.0/4:443-443>10.0.1.4/32:0-65535"#]],
    );
    site.check(
        path_input(&site.web, &site.gateway, None),
        expect![[r#"
            succeeded, found: true
            forward
              WEB in PUBLIC in VPC
                  > 6 10.0.0.5/32:0-65535>1.0.0.0/8…208.0.0.0/4:0-65535
              WEB-GROUP [egress all  0.0.0.0/0]
              ACL [egress 100 allow all 0.0.0.0/0]
              PUBLIC-TABLE [0.0.0.0/0 > IGW createroute active]
              IGW in VPC
                  < 6 10.0.0.5/32:0-65535>1.0.0.0/8…208.0.0.0/4:0-65535
                  > 6 PUBLIC-ADDRESS/32:0-65535>1.0.0.0/8…208.0.0.0/4:0-65535
            return
              IGW in VPC
                  < 6 1.0.0.0/8…208.0.0.0/4:0-65535>PUBLIC-ADDRESS/32:0-65535
                  > 6 1.0.0.0/8…208.0.0.0/4:0-65535>10.0.0.5/32:0-65535
              ACL [ingress 100 allow all 0.0.0.0/0]
              WEB-GROUP
              WEB in PUBLIC in VPC
                  < 6 1.0.0.0/8…208.0.0.0/4:0-65535>10.0.0.5/32:0-65535"#]],
    );
}

#[test]
fn ways_inside() {
    let site = Site::new();
    let_in(&site.house, &site.web_group, range("tcp", 443, 443, "10.0.1.0/24"));
    site.check(
        path_input(&site.app, &site.web, Some(443)),
        expect![[r#"
        succeeded, found: true
        forward
          APP in PRIVATE in VPC
              > 6 10.0.1.4/32:0-65535>10.0.0.5/32:443-443
          SG [egress all  0.0.0.0/0]
          ACL [egress 100 allow all 0.0.0.0/0]
          PRIVATE-TABLE [10.0.0.0/16 > local createroutetable active]
          ACL [ingress 100 allow all 0.0.0.0/0]
          WEB-GROUP [ingress tcp 443-443 10.0.1.0/24]
          WEB in PUBLIC in VPC
              < 6 10.0.1.4/32:0-65535>10.0.0.5/32:443-443
        return
          WEB in PUBLIC in VPC
              > 6 10.0.0.5/32:443-443>10.0.1.4/32:0-65535
          WEB-GROUP
          ACL [egress 100 allow all 0.0.0.0/0]
          PUBLIC-TABLE [10.0.0.0/16 > local createroutetable active]
          ACL [ingress 100 allow all 0.0.0.0/0]
          SG
          APP in PRIVATE in VPC
              < 6 10.0.0.5/32:443-443>10.0.1.4/32:0-65535"#]],
    );
    let input = endpoint_input(&site.vpc, API, &[&site.private]);
    let endpoint = make_endpoint(&site.house, input).vpc_endpoint_id.unwrap();
    site.check(
        path_input(&site.app, &endpoint, Some(443)),
        expect![[r#"
        succeeded, found: false
        forward
          APP in PRIVATE in VPC
              > 6 10.0.1.4/32:0-65535>10.0.1.5/32:443-443
          SG [egress all  0.0.0.0/0]
          SG [ingress all  SG]
          ENI of VPCE in PRIVATE in VPC
              < 6 10.0.1.4/32:0-65535>10.0.1.5/32:443-443
        BAD_STATE address 10.0.1.5
          component VPCE
          endpoint VPCE
          VPC VPC"#]],
    );
    site.house.transact(|tx| settle(tx, &site.house.scope(), &endpoint, &|_| Binding::Bound));
    site.check(
        path_input(&site.app, &endpoint, None),
        expect![[r#"
            succeeded, found: true
            forward
              APP in PRIVATE in VPC
                  > 6 10.0.1.4/32:0-65535>10.0.1.5/32:443-443
              SG [egress all  0.0.0.0/0]
              SG [ingress all  SG]
              ENI of VPCE in PRIVATE in VPC
              VPCE in PRIVATE in VPC
                  < 6 10.0.1.4/32:0-65535>10.0.1.5/32:443-443
            return
              ENI of VPCE in PRIVATE in VPC
                  > 6 10.0.1.5/32:443-443>10.0.1.4/32:0-65535
              SG
              SG
              APP in PRIVATE in VPC
                  < 6 10.0.1.5/32:443-443>10.0.1.4/32:0-65535"#]],
    );
    site.check(
        path_input(&endpoint, &site.app, None),
        expect![[r#"
        succeeded, found: false
        VPCE_INTRA_VPC_TRAFFIC
          component VPCE
          endpoint VPCE
          VPC VPC"#]],
    );
    let s3 = make_endpoint(
        &site.house,
        api::CreateVpcEndpointRequest {
            vpc_endpoint_type: Some(api::VpcEndpointType::Gateway),
            vpc_id: site.vpc.clone(),
            service_name: Some("com.amazonaws.us-west-2.s3".into()),
            route_table_ids: Some(vec![site.private_table.clone()]),
            ..Default::default()
        },
    );
    site.check(
        path_input(&site.app, &s3.vpc_endpoint_id.unwrap(), Some(443)),
        expect![[r#"
        succeeded, found: true
        forward
          APP in PRIVATE in VPC
              > 6 10.0.1.4/32:0-65535>52.92.32.0/22…54.231.160.0/19:443-443
          SG [egress all  0.0.0.0/0]
          ACL [egress 100 allow all 0.0.0.0/0]
          PRIVATE-TABLE [pl-68a54001 > VPCE createroute active]
          VPCE in VPC
              < 6 10.0.1.4/32:0-65535>52.92.32.0/22…54.231.160.0/19:443-443
        return
          VPCE in VPC
              > 6 52.92.32.0/22…54.231.160.0/19:443-443>10.0.1.4/32:0-65535
          ACL [ingress 100 allow all 0.0.0.0/0]
          SG
          APP in PRIVATE in VPC
              < 6 52.92.32.0/22…54.231.160.0/19:443-443>10.0.1.4/32:0-65535"#]],
    );
}

#[test]
fn network_acls_on_the_way_there_and_back() {
    let site = Site::new();
    let_in(&site.house, &site.web_group, range("tcp", 443, 443, "0.0.0.0/0"));
    let own = acl(&site.house, &site.vpc);
    site.house.ok::<ReplaceNetworkAclAssociation>(api::ReplaceNetworkAclAssociationRequest {
        association_id: association_of(&site.house, &site.public).1,
        network_acl_id: own.clone(),
        dry_run: None,
    });
    let asked = || path_input(&site.gateway, &site.web, Some(443));
    site.check(
        asked(),
        expect![[r#"
            succeeded, found: false
            forward
              IGW in VPC
                  < 6 1.0.0.0/8…208.0.0.0/4:0-65535>PUBLIC-ADDRESS/32:443-443
                  > 6 1.0.0.0/8…208.0.0.0/4:0-65535>10.0.0.5/32:443-443
            SUBNET_ACL_RESTRICTION ingress tcp port 443 [ingress 32767 deny all 0.0.0.0/0]
              acl ACL
              subnet PUBLIC
              VPC VPC"#]],
    );
    site.house.ok::<CreateNetworkAclEntry>(entry(&own, 100, "-1", "0.0.0.0/0"));
    site.check(
        asked(),
        expect![[r#"
            succeeded, found: false
            forward
              IGW in VPC
                  < 6 1.0.0.0/8…208.0.0.0/4:0-65535>PUBLIC-ADDRESS/32:443-443
                  > 6 1.0.0.0/8…208.0.0.0/4:0-65535>10.0.0.5/32:443-443
              ACL [ingress 100 allow all 0.0.0.0/0]
              WEB-GROUP [ingress tcp 443-443 0.0.0.0/0]
              WEB in PUBLIC in VPC
                  < 6 1.0.0.0/8…208.0.0.0/4:0-65535>10.0.0.5/32:443-443
            return
              WEB in PUBLIC in VPC
                  > 6 10.0.0.5/32:443-443>1.0.0.0/8…208.0.0.0/4:0-65535
              WEB-GROUP
                  < 6 10.0.0.5/32:443-443>1.0.0.0/8…208.0.0.0/4:0-65535
            SUBNET_ACL_RESTRICTION egress tcp [egress 32767 deny all 0.0.0.0/0]
              acl ACL
              subnet PUBLIC
              VPC VPC"#]],
    );
}

#[test]
fn routes_that_are_missing_or_lead_nowhere() {
    let site = Site::new();
    let out = || path_input(&site.app, &site.gateway, Some(443));
    site.house.ok::<crate::ec2::nat_gateway::DeleteNatGateway>(api::DeleteNatGatewayRequest {
        nat_gateway_id: site.nat.clone(),
        dry_run: None,
    });
    site.check(
        out(),
        expect![[r#"
            succeeded, found: false
            forward
              APP in PRIVATE in VPC
                  > 6 10.0.1.4/32:0-65535>1.0.0.0/8…208.0.0.0/4:443-443
              SG [egress all  0.0.0.0/0]
              ACL [egress 100 allow all 0.0.0.0/0]
              PRIVATE-TABLE [0.0.0.0/0 > NAT createroute blackhole]
                  < 6 10.0.1.4/32:0-65535>1.0.0.0/8…208.0.0.0/4:443-443
            BAD_STATE_ROUTE [0.0.0.0/0 > NAT createroute blackhole]
              component PRIVATE-TABLE
              route table PRIVATE-TABLE
              VPC VPC"#]],
    );
    let remove = api::DeleteRouteRequest {
        route_table_id: site.private_table.clone(),
        destination_cidr_block: Some("0.0.0.0/0".into()),
        ..Default::default()
    };
    site.house.ok::<DeleteRoute>(remove);
    site.check(
        out(),
        expect![[r#"
            succeeded, found: false
            forward
              APP in PRIVATE in VPC
                  > 6 10.0.1.4/32:0-65535>1.0.0.0/8…208.0.0.0/4:443-443
              SG [egress all  0.0.0.0/0]
              ACL [egress 100 allow all 0.0.0.0/0]
                  < 6 10.0.1.4/32:0-65535>1.0.0.0/8…208.0.0.0/4:443-443
            NO_ROUTE_TO_DESTINATION
              destination IGW
              route table PRIVATE-TABLE
              subnet PRIVATE
              VPC VPC"#]],
    );
    site.house.ok::<CreateRoute>(route(&site.private_table, Some(&site.gateway), None));
    site.check(
        out(),
        expect![[r#"
            succeeded, found: false
            forward
              APP in PRIVATE in VPC
                  > 6 10.0.1.4/32:0-65535>1.0.0.0/8…208.0.0.0/4:443-443
              SG [egress all  0.0.0.0/0]
              ACL [egress 100 allow all 0.0.0.0/0]
              PRIVATE-TABLE [0.0.0.0/0 > IGW createroute active]
                  < 6 10.0.1.4/32:0-65535>1.0.0.0/8…208.0.0.0/4:443-443
            IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS address 10.0.1.4 [0.0.0.0/0 > IGW createroute active]
              component IGW
              internet gateway IGW
              VPC VPC"#]],
    );
    // A way in needs a public address.
    site.check(
        path_input(&site.gateway, &site.app, Some(443)),
        expect![[r#"
        succeeded, found: false
        IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS address 10.0.1.4
          component IGW
          internet gateway IGW
          VPC VPC"#]],
    );
}

#[test]
fn ends_that_are_not_where_they_were() {
    let site = Site::new();
    let other = super::vpc(&site.house, "10.9.0.0/16");
    let far = interface(&site.house, &subnet(&site.house, &other, "10.9.0.0/24", "a"));
    let text = |input| {
        let path = path(&site.house, input);
        let text = site.told(&analysis(&site.house, start_input(&site.house, &path)));
        text.replace(&other, "OTHER")
    };
    expect![[r#"
        succeeded, found: false
        DISCONNECTED_VPCS
          source VPC VPC
          destination VPC OTHER"#]]
    .assert_eq(&text(path_input(&site.app, &far, None)));
    let loose = site.house.ok::<CreateInternetGateway>(Default::default()).internet_gateway;
    let loose = loose.unwrap().internet_gateway_id.unwrap();
    expect![[r#"
        succeeded, found: false
        UNASSOCIATED_COMPONENT
          component LOOSE
          internet gateway LOOSE"#]]
    .assert_eq(&text(path_input(&site.app, &loose, None)).replace(&loose, "LOOSE"));
    // The path stays when an end goes, and its analyses say so.
    let path = path(&site.house, path_input(&far, &site.app, None));
    site.house.ok::<DeleteNetworkInterface>(api::DeleteNetworkInterfaceRequest {
        network_interface_id: far.clone(),
        dry_run: None,
    });
    let found = tell(&analysis(&site.house, start_input(&site.house, &path)));
    expect![[r#"
        succeeded, found: false
        NO_SOURCE_OR_DESTINATION missing FAR
          component FAR"#]]
    .assert_eq(&found.replace(&far, "FAR"));
    // A finding stays as it was.
    let kept = super::insights::path(&site.house, path_input(&site.gateway, &site.web, None));
    let before = analysis(&site.house, start_input(&site.house, &kept));
    let group = super::default_group(&site.house, &site.vpc);
    site.house.ok::<ModifyNetworkInterfaceAttribute>(api::ModifyNetworkInterfaceAttributeRequest {
        network_interface_id: site.web.clone(),
        groups: Some(vec![group]),
        ..Default::default()
    });
    let id = before.network_insights_analysis_id.clone().unwrap();
    assert_eq!(described(&site.house, &id), before);
    let detached = site.house.fails::<DetachInternetGateway>(api::DetachInternetGatewayRequest {
        internet_gateway_id: site.gateway.clone(),
        vpc_id: site.vpc.clone(),
        dry_run: None,
    });
    assert!(detached.starts_with("DependencyViolation"), "{detached}");
}
