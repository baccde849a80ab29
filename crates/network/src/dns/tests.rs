use super::*;
use crate::sketch;
use expect_test::expect;
use proptest::prelude::*;

const SET_UP: &str = "
    vpc vpc-a 10.0.0.0/16
    vpc vpc-b 10.1.0.0/16
    vpc vpc-public 44.0.0.0/16
    subnet subnet-1 vpc-a 10.0.1.0/24 az=us-west-2a
    subnet subnet-2 vpc-a 10.0.2.0/24 az=us-west-2b
    subnet subnet-b vpc-b 10.1.1.0/24
    subnet subnet-p vpc-public 44.0.1.0/24
    eni eni-a subnet-1 10.0.1.4 public=203.0.113.4
    eni eni-b subnet-b 10.1.1.4
    eni eni-p subnet-p 44.0.1.4
    endpoint vpce-0a vpc-a com.amazonaws.us-west-2.sagemaker.api subnet-1=10.0.1.50 subnet-2=10.0.2.50 private=api.sagemaker.us-west-2.amazonaws.com
    endpoint vpce-0b vpc-a aws.sagemaker.us-west-2.studio subnet-1=10.0.1.60 private=*.studio.us-west-2.sagemaker.aws
    endpoint vpce-0c vpc-a com.amazonaws.us-west-2.sts subnet-1=10.0.1.70
";

fn zones() -> Vec<HostedZone> {
    let record = |name: &str, data: Data| Record { name: name.into(), ttl: 300, data };
    let zone = |id: &str, name: &str, vpcs: &[&str], records: Vec<Record>| {
        let vpcs = vpcs.iter().map(|it| (*it).to_owned()).collect();
        HostedZone::of_records(id, name, vpcs, records)
    };
    let text = |text: &str| Data::Other { kind: 16, text: text.into(), wire: Vec::new() };
    let a = |last: u8| Data::A(Ipv4Addr::new(10, 0, 9, last));
    vec![
        zone(
            "Z1",
            "example.com",
            &["vpc-a"],
            vec![
                record("www.example.com", a(1)),
                record("www.example.com", a(2)),
                record("*.example.com", a(3)),
                record("deep.below.example.com", a(4)),
                record("alias.example.com", Data::Cname("www.example.com.".into())),
                record("out.example.com", Data::Cname("public.test".into())),
                record("loop.example.com", Data::Cname("loop2.example.com".into())),
                record("loop2.example.com", Data::Cname("loop.example.com".into())),
                record("text.example.com", text("\"hello\"")),
            ],
        ),
        zone("Z2", "dev.example.com", &["vpc-a", "vpc-b"], vec![record("x.dev.example.com", a(5))]),
        zone("Z3", "amazonaws.com", &["vpc-b"], vec![]),
    ]
}

fn public(name: &str) -> Option<Vec<IpAddr>> {
    match name {
        "public.test" | "www.example.com" | "absent.dev.example.com" => {
            Some(vec!["192.0.2.1".parse().unwrap(), "2600:9000::1".parse().unwrap()])
        }
        "api.sagemaker.us-west-2.amazonaws.com" | "sts.us-west-2.amazonaws.com" => {
            Some(vec!["192.0.2.2".parse().unwrap()])
        }
        _ => None,
    }
}

fn ask_in(topology: &Topology, vpc: Option<&str>, name: &str, kind: u16) -> Answer {
    let zones = zones();
    let names =
        Names { topology, region: "us-west-2", zones: &zones, public: &public, draw: &first };
    names.resolve(vpc, name, kind)
}

fn line(answer: &Answer) -> String {
    let values: Vec<String> = answer
        .records
        .iter()
        .map(|record| match &record.data {
            Data::Cname(name) => format!("-> {name}"),
            Data::Other { text, .. } => text.clone(),
            other => other.address().map(|it| it.to_string()).unwrap_or_default(),
        })
        .collect();
    format!("{:?} [{}] {:?}", answer.status, values.join(" "), answer.reason)
}

#[test]
fn a_peering_connection_may_lead_public_names_to_private_addresses() {
    let name = "ec2-203-0-113-4.us-west-2.compute.amazonaws.com";
    for (peering, from_peer) in [
        ("pcx pcx-ap vpc-a vpc-public names=vpc-a", "10.0.1.4"),
        ("pcx pcx-pa vpc-public vpc-a names=vpc-a", "10.0.1.4"),
        ("pcx pcx-ap vpc-a vpc-public names=vpc-public", "203.0.113.4"),
        ("pcx pcx-ap vpc-a vpc-public", "203.0.113.4"),
        ("pcx pcx-ap vpc-a vpc-public names=vpc-a pending", "203.0.113.4"),
    ] {
        let topology = sketch::topology(&format!("{SET_UP}{peering}")).unwrap();
        for (vpc, expected) in
            [(Some("vpc-public"), from_peer), (Some("vpc-a"), "10.0.1.4"), (None, "203.0.113.4")]
        {
            let answer = ask_in(&topology, vpc, name, A);
            let expected: Vec<IpAddr> = vec![expected.parse().unwrap()];
            assert_eq!(answer.addresses(), expected, "{peering}: {vpc:?}");
        }
    }
}

#[test]
fn names_as_a_vpc_sees_them() {
    let topology = sketch::topology(SET_UP).unwrap();
    let mut shown = String::new();
    for (vpc, name) in [
        // Private DNS of endpoints: in their VPC alone, in all zones; a wildcard has no name itself.
        (Some("vpc-a"), "api.sagemaker.us-west-2.amazonaws.com"),
        (Some("vpc-a"), "API.SageMaker.us-west-2.amazonaws.com."),
        (Some("vpc-b"), "api.sagemaker.us-west-2.amazonaws.com"),
        (None, "api.sagemaker.us-west-2.amazonaws.com"),
        (Some("vpc-a"), "d-1.studio.us-west-2.sagemaker.aws"),
        (Some("vpc-a"), "studio.us-west-2.sagemaker.aws"),
        (Some("vpc-a"), "sts.us-west-2.amazonaws.com"),
        // An endpoint's own names: the same from everywhere.
        (Some("vpc-public"), "vpce-0a-a1b2c3d4.api.sagemaker.us-west-2.vpce.amazonaws.com"),
        (None, "vpce-0a-a1b2c3d4-us-west-2b.api.sagemaker.us-west-2.vpce.amazonaws.com"),
        (Some("vpc-a"), "vpce-0a-zzzzzzzz.api.sagemaker.us-west-2.vpce.amazonaws.com"),
        // Names of interfaces.
        (Some("vpc-a"), "ip-10-0-1-4.us-west-2.compute.internal"),
        (Some("vpc-a"), "ip-10-1-1-4.us-west-2.compute.internal"),
        (Some("vpc-a"), "ip-44-0-1-4.us-west-2.compute.internal"),
        (Some("vpc-public"), "ip-44-0-1-4.us-west-2.compute.internal"),
        (Some("vpc-a"), "ip-10-0-1-99.us-west-2.compute.internal"),
        (None, "ip-10-0-1-4.us-west-2.compute.internal"),
        (Some("vpc-a"), "ec2-203-0-113-4.us-west-2.compute.amazonaws.com"),
        (Some("vpc-public"), "ec2-203-0-113-4.us-west-2.compute.amazonaws.com"),
        (None, "ec2-203-0-113-4.us-west-2.compute.amazonaws.com"),
        // Private hosted zones: the most specific one alone.
        (Some("vpc-a"), "www.example.com"),
        (Some("vpc-b"), "www.example.com"),
        (Some("vpc-a"), "any.example.com"),
        (Some("vpc-a"), "a.b.example.com"),
        (Some("vpc-a"), "other.below.example.com"),
        (Some("vpc-a"), "below.example.com"),
        (Some("vpc-a"), "alias.example.com"),
        (Some("vpc-a"), "out.example.com"),
        (Some("vpc-a"), "loop.example.com"),
        (Some("vpc-a"), "text.example.com"),
        (Some("vpc-a"), "absent.dev.example.com"),
        (None, "absent.dev.example.com"),
        (Some("vpc-a"), "public.test"),
        (Some("vpc-a"), "nowhere.test"),
        (Some("vpc-gone"), "public.test"),
        (Some("vpc-a"), "a..b"),
        (Some("vpc-a"), ""),
    ] {
        let answer = line(&ask_in(&topology, vpc, name, A));
        shown.push_str(&format!("{} {name}\n    {answer}\n", vpc.unwrap_or("internet")));
    }
    expect![[r#"
        vpc-a api.sagemaker.us-west-2.amazonaws.com
            Found [10.0.1.50 10.0.2.50] PrivateName { endpoint: "vpce-0a" }
        vpc-a API.SageMaker.us-west-2.amazonaws.com.
            Found [10.0.1.50 10.0.2.50] PrivateName { endpoint: "vpce-0a" }
        vpc-b api.sagemaker.us-west-2.amazonaws.com
            NameError [] HostedZone { id: "Z3" }
        internet api.sagemaker.us-west-2.amazonaws.com
            Found [192.0.2.2] Public { passed_over: [] }
        vpc-a d-1.studio.us-west-2.sagemaker.aws
            Found [10.0.1.60] PrivateName { endpoint: "vpce-0b" }
        vpc-a studio.us-west-2.sagemaker.aws
            NoData [] PrivateName { endpoint: "vpce-0b" }
        vpc-a sts.us-west-2.amazonaws.com
            Found [192.0.2.2] Public { passed_over: [("vpce-0c", PrivateDnsOff)] }
        vpc-public vpce-0a-a1b2c3d4.api.sagemaker.us-west-2.vpce.amazonaws.com
            Found [10.0.1.50 10.0.2.50] EndpointName { endpoint: "vpce-0a" }
        internet vpce-0a-a1b2c3d4-us-west-2b.api.sagemaker.us-west-2.vpce.amazonaws.com
            Found [10.0.2.50] EndpointName { endpoint: "vpce-0a" }
        vpc-a vpce-0a-zzzzzzzz.api.sagemaker.us-west-2.vpce.amazonaws.com
            NameError [] Public { passed_over: [] }
        vpc-a ip-10-0-1-4.us-west-2.compute.internal
            Found [10.0.1.4] InterfaceName
        vpc-a ip-10-1-1-4.us-west-2.compute.internal
            Found [10.1.1.4] InterfaceName
        vpc-a ip-44-0-1-4.us-west-2.compute.internal
            NameError [] InterfaceName
        vpc-public ip-44-0-1-4.us-west-2.compute.internal
            Found [44.0.1.4] InterfaceName
        vpc-a ip-10-0-1-99.us-west-2.compute.internal
            NameError [] InterfaceName
        internet ip-10-0-1-4.us-west-2.compute.internal
            NameError [] Public { passed_over: [] }
        vpc-a ec2-203-0-113-4.us-west-2.compute.amazonaws.com
            Found [10.0.1.4] InterfaceName
        vpc-public ec2-203-0-113-4.us-west-2.compute.amazonaws.com
            Found [203.0.113.4] InterfaceName
        internet ec2-203-0-113-4.us-west-2.compute.amazonaws.com
            Found [203.0.113.4] InterfaceName
        vpc-a www.example.com
            Found [10.0.9.1 10.0.9.2] HostedZone { id: "Z1" }
        vpc-b www.example.com
            Found [192.0.2.1] Public { passed_over: [] }
        vpc-a any.example.com
            Found [10.0.9.3] HostedZone { id: "Z1" }
        vpc-a a.b.example.com
            Found [10.0.9.3] HostedZone { id: "Z1" }
        vpc-a other.below.example.com
            NameError [] HostedZone { id: "Z1" }
        vpc-a below.example.com
            NoData [] HostedZone { id: "Z1" }
        vpc-a alias.example.com
            Found [-> www.example.com. 10.0.9.1 10.0.9.2] HostedZone { id: "Z1" }
        vpc-a out.example.com
            Found [-> public.test 192.0.2.1] Public { passed_over: [] }
        vpc-a loop.example.com
            Failure [] HostedZone { id: "Z1" }
        vpc-a text.example.com
            NoData [] HostedZone { id: "Z1" }
        vpc-a absent.dev.example.com
            NameError [] HostedZone { id: "Z2" }
        internet absent.dev.example.com
            Found [192.0.2.1] Public { passed_over: [] }
        vpc-a public.test
            Found [192.0.2.1] Public { passed_over: [] }
        vpc-a nowhere.test
            NameError [] Public { passed_over: [] }
        vpc-gone public.test
            NoResolver [] ResolverOff
        vpc-a a..b
            NameError [] Malformed
        vpc-a 
            NameError [] Malformed
    "#]]
    .assert_eq(&shown);
}

#[test]
fn the_attributes_of_the_vpc_turn_names_off() {
    let off = SET_UP.replace("vpc vpc-a 10.0.0.0/16", "vpc vpc-a 10.0.0.0/16 hostnames=off");
    let topology = sketch::topology(&off).unwrap();
    let asked = |name| ask_in(&topology, Some("vpc-a"), name, A);
    let api = asked("api.sagemaker.us-west-2.amazonaws.com");
    let passed_over = vec![("vpce-0a".to_owned(), PassedOver::DnsHostnamesOff)];
    assert_eq!(api.reason, Reason::Public { passed_over });
    assert_eq!(api.addresses(), ["192.0.2.2".parse::<IpAddr>().unwrap()]);
    let internal = asked("ip-10-0-1-4.us-west-2.compute.internal");
    assert_eq!((internal.status, internal.reason), (Status::NameError, Reason::InterfaceNamesOff));
    // The zone does not count, so that the public name does.
    assert_eq!(asked("www.example.com").reason, Reason::Public { passed_over: vec![] });

    let off = SET_UP.replace("vpc vpc-a 10.0.0.0/16", "vpc vpc-a 10.0.0.0/16 dns=off");
    let topology = sketch::topology(&off).unwrap();
    let answer = ask_in(&topology, Some("vpc-a"), "public.test", A);
    assert_eq!((answer.status, answer.reason), (Status::NoResolver, Reason::ResolverOff));
}

#[test]
fn an_endpoint_that_is_not_available_answers_for_nothing() {
    let pending = SET_UP.replace("private=api", "pending private=api");
    let topology = sketch::topology(&pending).unwrap();
    let answer = ask_in(&topology, Some("vpc-a"), "api.sagemaker.us-west-2.amazonaws.com", A);
    let passed_over = vec![("vpce-0a".to_owned(), PassedOver::NotAvailable)];
    assert_eq!(answer.reason, Reason::Public { passed_over });
    let own = "vpce-0a-a1b2c3d4.api.sagemaker.us-west-2.vpce.amazonaws.com";
    assert_eq!(ask_in(&topology, None, own, A).status, Status::NameError);
}

#[test]
fn other_types_are_asked_for_too() {
    let topology = sketch::topology(SET_UP).unwrap();
    let asked = |name, kind| line(&ask_in(&topology, Some("vpc-a"), name, kind));
    expect![[r#"Found [2600:9000::1] Public { passed_over: [] }"#]]
        .assert_eq(&asked("public.test", AAAA));
    expect![[r#"NoData [] PrivateName { endpoint: "vpce-0a" }"#]]
        .assert_eq(&asked("api.sagemaker.us-west-2.amazonaws.com", AAAA));
    expect![[r#"Found ["hello"] HostedZone { id: "Z1" }"#]]
        .assert_eq(&asked("text.example.com", 16));
    expect![[r#"Found [-> www.example.com.] HostedZone { id: "Z1" }"#]]
        .assert_eq(&asked("alias.example.com", CNAME));
}

proptest! {
    #[test]
    fn no_name_panics_or_finds_a_zone_of_another_vpc(
        name in "(\\PC{0,80}|([a-z*]{1,3}\\.){0,5}(example\\.com|amazonaws\\.com))", kind in 0_u16..40,
    ) {
        let topology = sketch::topology(SET_UP).unwrap();
        let answer = ask_in(&topology, Some("vpc-public"), &name, kind);
        let private = matches!(answer.reason, Reason::HostedZone { .. } | Reason::PrivateName { .. });
        prop_assert!(!private, "{answer:?}");
    }
}
