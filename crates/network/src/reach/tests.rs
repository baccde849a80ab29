use super::*;
use crate::sketch;
use expect_test::expect;

const SET_UP: &str = "
    vpc vpc-a 10.0.0.0/16 igw=igw-a
    subnet subnet-1 vpc-a 10.0.1.0/24 az=us-west-2a
    subnet subnet-2 vpc-a 10.0.2.0/24 az=us-west-2b
    eni eni-app subnet-1 10.0.1.4
    endpoint vpce-0a vpc-a com.amazonaws.us-west-2.sts subnet-1=10.0.1.50 subnet-2=10.0.2.50 sg=sg-e private=sts.us-west-2.amazonaws.com
    in sg-e tcp:443 10.0.0.0/16
";

fn public(name: &str) -> Option<Vec<IpAddr>> {
    (name == "sts.us-west-2.amazonaws.com").then(|| vec!["198.51.100.9".parse().unwrap()])
}

fn find(lines: &str, to: &str, judge: &dyn Fn(&Arrival) -> Judgement) -> Reach {
    let walker = Walker::new(sketch::topology(lines).unwrap());
    let names = Names {
        topology: walker.topology(),
        region: "us-west-2",
        zones: &[],
        public: &public,
        draw: &dns::first,
    };
    let to = to.parse().map_or_else(|_| To::Name(to.into()), To::Address);
    let source = Source::Interface { id: "eni-app".into(), address: "10.0.1.4".parse().unwrap() };
    let ask = Ask { source, to, packet: Packet::HTTPS, source_ports: Ports::OF_CLIENTS };
    reach(&walker, &names, &ask, judge)
}

fn nothing(_: &Arrival) -> Judgement {
    Judgement::default()
}

fn failing(found: &Reach) -> (Outcome, Layer, &str) {
    let step = found.failure().unwrap();
    (found.outcome, step.layer, step.code.as_str())
}

#[test]
fn a_call_goes_through_the_endpoint_that_private_dns_names() {
    let judge = |arrival: &Arrival| {
        let verdict =
            |code: &str| Verdict { allowed: true, code: code.into(), text: String::new() };
        assert_eq!(arrival.endpoint().unwrap().account, "123456789012");
        Judgement {
            endpoint_policy: Some(verdict("EndpointPolicy")),
            permission: Some(verdict("IdentityPolicy")),
        }
    };
    let found = find(SET_UP, "sts.us-west-2.amazonaws.com", &judge);
    assert_eq!(found.outcome, Outcome::Reached);
    assert_eq!(found.failure(), None);
    assert_eq!(found.tries.len(), 2);
    let layers: Vec<Layer> = found.tries[0].steps.iter().map(|step| step.layer).collect();
    assert_eq!(layers, [Layer::Path, Layer::EndpointPolicy, Layer::Iam]);
    expect![[r#"
        [
            (
                "aws:SourceVpce",
                "vpce-0a",
            ),
            (
                "aws:SourceVpc",
                "vpc-a",
            ),
            (
                "aws:VpcSourceIp",
                "10.0.1.4",
            ),
        ]
    "#]]
    .assert_debug_eq(&found.tries[0].condition_keys);
}

#[test]
fn the_first_step_that_fails_is_named() {
    let name = "sts.us-west-2.amazonaws.com";
    let found = find(&SET_UP.replace("10.0.0.0/16 igw", "10.0.0.0/16 dns=off igw"), name, &nothing);
    assert_eq!(failing(&found), (Outcome::NotReached, Layer::Dns, "DNS_NO_RESOLVER"));

    let found = find(SET_UP, "sts.eu-west-1.amazonaws.com", &nothing);
    assert_eq!(failing(&found), (Outcome::NotReached, Layer::Dns, "DNS_NAME_ERROR"));

    // Without private DNS the public address is tried, to which there is no route; the finding says
    // why the endpoint was not led to.
    let found = find(&SET_UP.replace("private=", "other="), name, &nothing);
    assert_eq!(failing(&found), (Outcome::NotReached, Layer::Path, "NO_ROUTE_TO_DESTINATION"));
    let text = &found.failure().unwrap().text;
    assert!(
        text.ends_with("vpce-0a does not answer for this name: turn its private DNS on"),
        "{text}"
    );

    let found = find(&SET_UP.replace("tcp:443 10.0.0.0/16", "tcp:80 0.0.0.0/0"), name, &nothing);
    assert_eq!(failing(&found), (Outcome::NotReached, Layer::Path, "ENI_SG_RULES_MISMATCH"));

    let refuse = |_: &Arrival| Judgement {
        endpoint_policy: Some(Verdict {
            allowed: false,
            code: "EndpointPolicy".into(),
            text: "no statement allows it".into(),
        }),
        permission: Some(Verdict { allowed: true, code: String::new(), text: String::new() }),
    };
    let found = find(SET_UP, name, &refuse);
    assert_eq!(failing(&found), (Outcome::NotReached, Layer::EndpointPolicy, "EndpointPolicy"));
    assert_eq!(found.tries[0].steps.len(), 2, "nothing is asked after a failure");
}

#[test]
fn from_the_internet_a_public_service_is_reached_without_a_vpc() {
    let walker = Walker::new(sketch::topology(SET_UP).unwrap());
    let names = Names {
        topology: walker.topology(),
        region: "us-west-2",
        zones: &[],
        public: &public,
        draw: &dns::first,
    };
    let source = Source::Internet { address: "192.0.2.9".parse().unwrap() };
    let ask = |to| Ask {
        source: source.clone(),
        to,
        packet: Packet::HTTPS,
        source_ports: Ports::OF_CLIENTS,
    };
    let judge = |arrival: &Arrival| {
        assert_eq!(arrival.keys(), [("aws:SourceIp", "192.0.2.9".to_owned())]);
        Judgement::default()
    };
    let name = To::Name("sts.us-west-2.amazonaws.com".into());
    let found = reach(&walker, &names, &ask(name), &judge);
    assert_eq!(found.outcome, Outcome::Reached);
    assert_eq!(found.tries[0].condition_keys.len(), 1);
    // An address alone is not known to be anybody's, and private ones are not on the internet.
    for address in ["198.51.100.9", "10.0.1.50"] {
        let to = To::Address(address.parse().unwrap());
        let found = reach(&walker, &names, &ask(to), &nothing);
        assert_eq!(found.outcome, Outcome::NotReached, "{address}");
    }
    let by_name = To::Name("vpce-0a-abcdefgh.sts.us-west-2.vpce.amazonaws.com".into());
    let found = reach(&walker, &names, &ask(by_name), &nothing);
    assert_eq!(found.outcome, Outcome::NotReached, "private addresses of an endpoint's own name");
}

#[test]
fn some_addresses_are_not_all() {
    let closed = format!(
        "{SET_UP}
        subnet subnet-2 vpc-a 10.0.2.0/24 az=us-west-2b acl=acl-closed
        acl acl-closed vpc-a"
    );
    let found = find(&closed, "sts.us-west-2.amazonaws.com", &nothing);
    assert_eq!(failing(&found), (Outcome::Partly, Layer::Path, "SUBNET_ACL_RESTRICTION"));
    assert_eq!(find(SET_UP, "10.0.1.50", &nothing).outcome, Outcome::Reached);
}

#[test]
fn an_endpoint_has_certificates_of_its_names_alone() {
    let own = "vpce-0a-a1b2c3d4.sts.us-west-2.vpce.amazonaws.com";
    assert_eq!(find(SET_UP, own, &nothing).outcome, Outcome::Reached);

    let walker = Walker::new(sketch::topology(SET_UP).unwrap());
    let record = dns::Record {
        name: "ec2.us-west-2.amazonaws.com".into(),
        ttl: 60,
        data: dns::Data::A([10, 0, 1, 50].into()),
    };
    let vpcs = vec!["vpc-a".into()];
    let zones = [dns::HostedZone::of_records("Z1", "us-west-2.amazonaws.com", vpcs, vec![record])];
    let names = Names {
        topology: walker.topology(),
        region: "us-west-2",
        zones: &zones,
        public: &public,
        draw: &dns::first,
    };
    let ask = Ask {
        source: Source::Interface { id: "eni-app".into(), address: [10, 0, 1, 4].into() },
        to: To::Name("ec2.us-west-2.amazonaws.com".into()),
        packet: Packet::HTTPS,
        source_ports: Ports::OF_CLIENTS,
    };
    let found = reach(&walker, &names, &ask, &nothing);
    assert_eq!(failing(&found), (Outcome::NotReached, Layer::Tls, "TLS_NAME_MISMATCH"));
}

#[test]
fn a_finding_is_json() {
    let found = find(SET_UP, "10.0.2.50", &nothing);
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(json["Outcome"], "Reached");
    assert_eq!(json["Tries"][0]["Walk"]["Receiver"]["Kind"], "InterfaceEndpoint");
    let found = find(SET_UP, "198.51.100.9", &nothing);
    let json = serde_json::to_string_pretty(&found).unwrap();
    expect![[r#"
        {
          "Outcome": "NotReached",
          "Tries": [
            {
              "Address": "198.51.100.9",
              "Walk": {
                "Forward": [
                  {
                    "Component": {
                      "Kind": "NetworkInterface",
                      "Id": "eni-app"
                    },
                    "Subnet": "subnet-1",
                    "Inbound": {
                      "Source": "10.0.1.4",
                      "Destination": "198.51.100.9",
                      "Payload": {
                        "Ports": {
                          "Protocol": 6,
                          "Source": {
                            "First": 32768,
                            "Last": 60999
                          },
                          "Destination": {
                            "First": 443,
                            "Last": 443
                          }
                        }
                      }
                    }
                  },
                  {
                    "Component": {
                      "Kind": "SecurityGroup",
                      "Id": "sg-open-vpc-a"
                    },
                    "Subnet": "subnet-1",
                    "Matched": {
                      "GroupRule": {
                        "Id": "sgr-open-out1",
                        "Egress": true
                      }
                    },
                    "Inbound": {
                      "Source": "10.0.1.4",
                      "Destination": "198.51.100.9",
                      "Payload": {
                        "Ports": {
                          "Protocol": 6,
                          "Source": {
                            "First": 32768,
                            "Last": 60999
                          },
                          "Destination": {
                            "First": 443,
                            "Last": 443
                          }
                        }
                      }
                    }
                  },
                  {
                    "Component": {
                      "Kind": "NetworkAcl",
                      "Id": "acl-open-vpc-a"
                    },
                    "Subnet": "subnet-1",
                    "Matched": {
                      "AclEntry": {
                        "Number": 100,
                        "Egress": true
                      }
                    },
                    "Inbound": {
                      "Source": "10.0.1.4",
                      "Destination": "198.51.100.9",
                      "Payload": {
                        "Ports": {
                          "Protocol": 6,
                          "Source": {
                            "First": 32768,
                            "Last": 60999
                          },
                          "Destination": {
                            "First": 443,
                            "Last": 443
                          }
                        }
                      }
                    }
                  }
                ],
                "Return": [],
                "Header": {
                  "Source": "10.0.1.4",
                  "Destination": "198.51.100.9",
                  "Payload": {
                    "Ports": {
                      "Protocol": 6,
                      "Source": {
                        "First": 32768,
                        "Last": 60999
                      },
                      "Destination": {
                        "First": 443,
                        "Last": 443
                      }
                    }
                  }
                },
                "Explanation": {
                  "ExplanationCode": "NO_ROUTE_TO_DESTINATION",
                  "Direction": "Forward",
                  "Component": {
                    "Kind": "RouteTable",
                    "Id": "rtb-main-vpc-a"
                  },
                  "Related": [
                    {
                      "Kind": "Subnet",
                      "Id": "subnet-1"
                    }
                  ],
                  "Text": "rtb-main-vpc-a, the route table of subnet-1, has no route for 198.51.100.9: add one, or an endpoint for the service"
                }
              },
              "Steps": [
                {
                  "Layer": "Path",
                  "Passed": false,
                  "Code": "NO_ROUTE_TO_DESTINATION",
                  "Text": "rtb-main-vpc-a, the route table of subnet-1, has no route for 198.51.100.9: add one, or an endpoint for the service"
                }
              ],
              "ConditionKeys": []
            }
          ]
        }"#]].assert_eq(&json);
}

/// A network ACL sees the client's port in the answer, and which one a client takes is not known.
#[test]
fn a_client_gets_its_answers_from_every_port_that_it_may_take() {
    let with = |entries: &str| {
        let lines = SET_UP.replace("10.0.1.0/24 az", "10.0.1.0/24 acl=acl-a az");
        let all = "out acl-a 100 allow all 0.0.0.0/0";
        find(&format!("{lines}\n{all}\n{entries}"), "10.0.2.50", &nothing)
    };
    for whole in [
        "in acl-a 100 allow tcp:1024-65535 0.0.0.0/0",
        "in acl-a 100 allow tcp:32768-60999 0.0.0.0/0",
        "in acl-a 100 allow tcp:32768-40000 0.0.0.0/0\nin acl-a 110 allow tcp:40001-60999 0.0.0.0/0",
        "in acl-a 90 deny tcp:61000-65535 0.0.0.0/0\nin acl-a 100 allow all 0.0.0.0/0",
    ] {
        let found = with(whole);
        assert_eq!(found.outcome, Outcome::Reached, "{whole}: {:?}", found.failure());
        assert!(found.tries[0].client_ports.is_empty());
    }
    let ports = |first, last| Ports { first, last };
    for (some, expected, said) in [
        ("in acl-a 100 allow tcp:40000 0.0.0.0/0", vec![ports(40_000, 40_000)], "port 40000: "),
        (
            "in acl-a 100 allow tcp:32768-60998 0.0.0.0/0",
            vec![ports(32_768, 60_998)],
            "ports 32768-60998: ",
        ),
        (
            "in acl-a 90 deny tcp:50000 0.0.0.0/0\nin acl-a 100 allow all 0.0.0.0/0",
            vec![ports(32_768, 49_999), ports(50_001, 60_999)],
            "ports 32768-49999, 50001-60999: ",
        ),
    ] {
        let found = with(some);
        let failing = failing(&found);
        assert_eq!(failing, (Outcome::FromSomePorts, Layer::Path, "SUBNET_ACL_RESTRICTION"));
        assert_eq!(found.tries[0].client_ports, expected, "{some}");
        let text = &found.failure().unwrap().text;
        assert!(text.starts_with(&format!("reached only from client {said}")), "{text}");
        assert!(text.contains("acl-a"), "{text}");
        let json = serde_json::to_value(&found).unwrap();
        assert!(json.pointer("/Tries/0/ClientPorts/0/First").is_some(), "{json}");
    }
    let none = with("in acl-a 100 allow tcp:1024-32767 0.0.0.0/0");
    assert_eq!(failing(&none), (Outcome::NotReached, Layer::Path, "SUBNET_ACL_RESTRICTION"));
    assert!(none.tries[0].client_ports.is_empty());
}
