use expect_test::{Expect, expect};

use super::*;
use crate::sketch;

const NETWORK: &str = "
    vpc vpc-a 10.0.0.0/16 igw=igw-a
    vpc vpc-b 10.1.0.0/16
    subnet subnet-pub vpc-a 10.0.0.0/24 rtb=rtb-pub acl=acl-pub
    subnet subnet-priv vpc-a 10.0.1.0/24 rtb=rtb-priv
    subnet subnet-b vpc-b 10.1.0.0/24
    rtb rtb-pub vpc-a 0.0.0.0/0>igw-a
    rtb rtb-priv vpc-a 0.0.0.0/1>nat-a 128.0.0.0/1>nat-b pl-s3>vpce-s3
    pl pl-s3 198.51.100.0/24
    nat nat-a subnet-pub 10.0.0.5 public=203.0.113.5
    nat nat-b subnet-pub 10.0.0.6 public=203.0.113.6
    gateway vpce-s3 vpc-a com.amazonaws.us-west-2.s3 pl-s3
    endpoint vpce-sts vpc-a com.amazonaws.us-west-2.sts subnet-priv=10.0.1.50
    sg sg-web vpc-a
    in sg-web tcp:443 198.51.100.0/24
    in sg-web tcp:22 10.0.1.0/24
    out sg-web tcp:443 10.0.1.0/24
    eni eni-web subnet-pub 10.0.0.10 public=203.0.113.10 sg=sg-web
    eni eni-app subnet-priv 10.0.1.10
    eni eni-b subnet-b 10.1.0.10
    in acl-pub 100 allow all 0.0.0.0/0
    out acl-pub 100 allow tcp:1024-65535 0.0.0.0/0
    out acl-pub 110 allow tcp:443 0.0.0.0/0
";

fn end(id: &str) -> End {
    match id.split('-').next() {
        Some("igw") => End::InternetGateway(id.into()),
        Some("vpce") => End::Endpoint(id.into()),
        _ => End::Interface(id.into()),
    }
}

fn wanted(source: &str, destination: &str) -> Wanted {
    Wanted {
        source: end(source),
        destination: Some(end(destination)),
        protocol: crate::security_group::TCP,
        at_source: Filter::default(),
        at_destination: Filter::default(),
        through: Vec::new(),
        around: Vec::new(),
    }
}

fn told(wanted: &Wanted) -> String {
    told_in(NETWORK, wanted)
}

fn told_in(network: &str, wanted: &Wanted) -> String {
    let walker = Walker::new(sketch::topology(network).unwrap());
    let found = search(&walker, wanted);
    assert!(!found.exhausted);
    assert_eq!(found.found(), found.explanation.is_none());
    if let Some(explanation) = found.explanation {
        return format!("{} {}", explanation.code, explanation.component);
    }
    let Attempt { walk, sources, destinations, source_ports, destination_ports, .. } =
        found.attempt.unwrap();
    let way: Vec<String> = walk.forward.iter().map(|hop| hop.component.to_string()).collect();
    let ports = |list: Vec<Ports>| {
        let list: Vec<String> = list.iter().map(|it| format!("{}-{}", it.first, it.last)).collect();
        list.join(",")
    };
    let some = |blocks: Vec<Ipv4Net>| match blocks.as_slice() {
        [one, two, _, .., last] => format!("{one} {two} … {last} ({} blocks)", blocks.len()),
        few => few.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
    };
    let hints: Vec<String> = found.hints.iter().map(ToString::to_string).collect();
    format!(
        "{}\n{} {} > {} {}\nalso by {hints:?}",
        way.join(" "),
        some(sources),
        ports(source_ports),
        some(destinations),
        ports(destination_ports)
    )
}

fn check(wanted: &Wanted, expected: Expect) {
    expected.assert_eq(&told(wanted));
}

#[test]
fn what_is_not_given_may_be_anything() {
    // The network ACL lets answers to ports from 1024 on and to 443 out, whoever asks.
    check(
        &wanted("igw-a", "eni-web"),
        expect![[r#"
            198.51.100.0 on the internet igw-a acl-pub sg-web eni-web
            198.51.100.0/24 443-443 > 203.0.113.10/32 443-443
            also by []"#]],
    );
    check(
        &wanted("eni-app", "eni-web"),
        expect![[r#"
            eni-app sg-open-vpc-a acl-open-vpc-a rtb-priv acl-pub sg-web eni-web
            10.0.1.10/32 443-443 > 10.0.0.10/32 22-22
            also by []"#]],
    );
    check(
        &wanted("eni-web", "eni-app"),
        expect![[r#"
            eni-web sg-web acl-pub rtb-pub acl-open-vpc-a sg-open-vpc-a eni-app
            10.0.0.10/32 0-65535 > 10.0.1.10/32 443-443
            also by []"#]],
    );
    check(
        &wanted("eni-app", "vpce-sts"),
        expect![[r#"
            eni-app sg-open-vpc-a sg-open-vpc-a eni-vpce-sts-subnet-priv vpce-sts
            10.0.1.10/32 0-65535 > 10.0.1.50/32 443-443
            also by []"#]],
    );
    check(
        &wanted("eni-app", "vpce-s3"),
        expect![[r#"
            eni-app sg-open-vpc-a acl-open-vpc-a rtb-priv vpce-s3
            10.0.1.10/32 0-65535 > 198.51.100.0/24 0-65535
            also by []"#]],
    );
}

#[test]
fn other_ways_are_hinted_at() {
    check(
        &wanted("eni-app", "igw-a"),
        expect![[r#"
            eni-app sg-open-vpc-a acl-open-vpc-a rtb-priv acl-pub nat-a acl-pub rtb-pub igw-a 1.0.0.0 on the internet
            10.0.1.10/32 443-443 > 1.0.0.0/8 2.0.0.0/7 … 126.0.0.0/8 (19 blocks) 443-443
            also by ["nat-b"]"#]],
    );
}

#[test]
fn what_is_at_the_ends_is_judged() {
    check(&wanted("vpce-sts", "eni-app"), expect!["VPCE_INTRA_VPC_TRAFFIC vpce-sts"]);
    check(&wanted("eni-app", "eni-b"), expect!["DISCONNECTED_VPCS vpc-a"]);
    check(&wanted("igw-a", "eni-app"), expect!["IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS igw-a"]);
    check(&wanted("igw-gone", "eni-app"), expect!["UNASSOCIATED_COMPONENT igw-gone"]);
    check(&wanted("eni-gone", "eni-app"), expect!["NO_SOURCE_OR_DESTINATION eni-gone"]);
    check(&wanted("eni-app", "vpce-gone"), expect!["NO_SOURCE_OR_DESTINATION vpce-gone"]);
    let private = Some(Ipv4Addr::new(10, 0, 0, 10));
    let at_source = Filter { source: private, ..Filter::default() };
    check(
        &Wanted { at_source, ..wanted("igw-a", "eni-web") },
        expect!["IGW_EXPECTS_PUBLIC_ADDRESS igw-a"],
    );
    let at_destination = Filter { destination: private, ..Filter::default() };
    check(
        &Wanted { at_destination, ..wanted("eni-app", "igw-a") },
        expect!["IGW_EXPECTS_PUBLIC_ADDRESS igw-a"],
    );
}

#[test]
fn filters_hold_at_their_end() {
    let from = |ports: (u16, u16)| Filter {
        source_ports: Some(Ports { first: ports.0, last: ports.1 }),
        ..Filter::default()
    };
    let to = |port| Filter { destination_ports: Some(Ports::one(port)), ..Filter::default() };
    let asked = wanted("igw-a", "eni-web");
    check(&Wanted { at_source: to(22), ..asked.clone() }, expect!["ENI_SG_RULES_MISMATCH eni-web"]);
    check(
        &Wanted { at_source: from((80, 80)), ..asked.clone() },
        expect!["SUBNET_ACL_RESTRICTION acl-pub"],
    );
    let app = wanted("eni-app", "igw-a");
    // The NAT gateway has another source port for it.
    check(
        &Wanted { at_destination: from((80, 80)), ..app.clone() },
        expect!["FILTER_AT_DESTINATION_SOURCE_PORT_RANGE igw-a"],
    );
    check(
        &Wanted { at_source: from((80, 80)), ..app.clone() },
        expect!["SUBNET_ACL_RESTRICTION acl-pub"],
    );
    let other = Some(Ipv4Addr::new(10, 0, 1, 10));
    let at_destination = Filter { source: other, ..Filter::default() };
    check(
        &Wanted { at_destination, ..app.clone() },
        expect!["FILTER_AT_DESTINATION_SOURCE_ADDRESS igw-a"],
    );
    let at_destination = Filter { destination: other, ..Filter::default() };
    check(
        &Wanted { at_destination, ..asked.clone() },
        expect!["FILTER_AT_DESTINATION_DESTINATION_ADDRESS eni-web"],
    );
    let at_source = to(443);
    check(
        &Wanted { at_source, at_destination: to(80), ..asked },
        expect!["FILTER_AT_DESTINATION_DESTINATION_PORT_RANGE eni-web"],
    );
    let at_source = Filter { destination: Some(Ipv4Addr::new(10, 0, 1, 50)), ..to(443) };
    check(
        &Wanted { at_source, ..wanted("eni-web", "eni-app") },
        expect!["FILTER_AT_SOURCE_DESTINATION_ADDRESS vpce-sts"],
    );
    check(
        &Wanted { destination: None, at_source, ..wanted("eni-web", "eni-app") },
        expect![[r#"
            eni-web sg-web acl-pub rtb-pub acl-open-vpc-a sg-open-vpc-a eni-vpce-sts-subnet-priv vpce-sts
            10.0.0.10/32 0-65535 > 10.0.1.50/32 443-443
            also by []"#]],
    );
    let public = Filter { destination: Some(Ipv4Addr::new(203, 0, 113, 10)), ..to(22) };
    check(
        &Wanted { at_source: public, ..wanted("eni-app", "eni-web") },
        expect!["SUBNET_ACL_RESTRICTION acl-pub"],
    );
}

#[test]
fn components_are_asked_for_and_left_out() {
    let nat = |id: &str| vec![Component::NatGateway(id.into())];
    let asked = wanted("eni-app", "igw-a");
    check(
        &Wanted { through: nat("nat-b"), ..asked.clone() },
        expect![[r#"
            eni-app sg-open-vpc-a acl-open-vpc-a rtb-priv acl-pub nat-b acl-pub rtb-pub igw-a 128.0.0.0 on the internet
            10.0.1.10/32 443-443 > 128.0.0.0/3 160.0.0.0/5 … 208.0.0.0/4 (77 blocks) 443-443
            also by []"#]],
    );
    check(
        &Wanted { around: nat("nat-a"), ..asked.clone() },
        expect![[r#"
            eni-app sg-open-vpc-a acl-open-vpc-a rtb-priv acl-pub nat-b acl-pub rtb-pub igw-a 128.0.0.0 on the internet
            10.0.1.10/32 443-443 > 128.0.0.0/3 160.0.0.0/5 … 208.0.0.0/4 (77 blocks) 443-443
            also by []"#]],
    );
    check(
        &Wanted { around: [nat("nat-a"), nat("nat-b")].concat(), ..asked },
        expect!["COMPONENT_FILTER_RESTRICTION_REMOVED_COMPONENT nat-a"],
    );
    check(
        &Wanted { through: nat("nat-a"), ..wanted("eni-app", "eni-web") },
        expect!["COMPONENT_FILTER_RESTRICTION nat-a"],
    );
}

#[test]
fn the_way_back_counts() {
    let closed = format!("{NETWORK}\nacl acl-pub vpc-a\nin acl-pub 100 allow all 0.0.0.0/0");
    let told = told_in(&closed, &wanted("igw-a", "eni-web"));
    expect!["SUBNET_ACL_RESTRICTION acl-pub"].assert_eq(&told);
}

#[test]
fn too_many_classes_are_not_decided() {
    let mut network = NETWORK.replace("in sg-web tcp:443 198.51.100.0/24", "");
    for net in 0..250 {
        network += &format!("in sg-web udp:{} 9.{net}.0.0/24\n", 5000 + 2 * net);
    }
    let walker = Walker::new(sketch::topology(&network).unwrap());
    let found = search(&walker, &wanted("igw-a", "eni-web"));
    assert!(found.exhausted && !found.found());
}
