//! The picture of the guide, byte for byte: what a reader of the repository sees is what is drawn.

use std::collections::BTreeMap;

use expect_test::expect_file;
use sagegate_map::{Chart, Trip, svg};
use sagegate_network::dns::{self, Names};
use sagegate_network::reach::{Ask, To, reach};
use sagegate_network::security_group::Packet;
use sagegate_network::sketch;
use sagegate_network::walk::{Source, Walker};

const VPC: &str = "
    vpc vpc-0d1f9a6b3c2e58a47 10.0.0.0/16 igw=igw-0a1b2c3d4e5f60718
    rtb rtb-0b7e2a915c3d4f608 vpc-0d1f9a6b3c2e58a47 0.0.0.0/0>igw-0a1b2c3d4e5f60718
    rtb rtb-0c4d8e1f27a6b3950 vpc-0d1f9a6b3c2e58a47 0.0.0.0/0>nat-0e2f4a6b8c1d3579b pl-s3>vpce-0f9e8d7c6b5a43210
    acl acl-05a4b3c2d1e0f9876 vpc-0d1f9a6b3c2e58a47
    in acl-05a4b3c2d1e0f9876 100 allow all 0.0.0.0/0
    out acl-05a4b3c2d1e0f9876 100 allow all 0.0.0.0/0
    subnet subnet-0a11111111111111a vpc-0d1f9a6b3c2e58a47 10.0.9.0/24 rtb=rtb-0b7e2a915c3d4f608 acl=acl-05a4b3c2d1e0f9876 az=us-west-2a
    subnet subnet-0b22222222222222b vpc-0d1f9a6b3c2e58a47 10.0.1.0/24 rtb=rtb-0c4d8e1f27a6b3950 acl=acl-05a4b3c2d1e0f9876 az=us-west-2a
    subnet subnet-0c33333333333333c vpc-0d1f9a6b3c2e58a47 10.0.2.0/24 rtb=rtb-0c4d8e1f27a6b3950 acl=acl-05a4b3c2d1e0f9876 az=us-west-2b
    eni eni-0123456789abcdef0 subnet-0b22222222222222b 10.0.1.4 sg=sg-0aaaaaaaaaaaaaaaa
    eni eni-0123456789abcdef1 subnet-0a11111111111111a 10.0.9.4 public=203.0.113.4 sg=sg-0bbbbbbbbbbbbbbbb
    eni eni-0123456789abcdef2 subnet-0c33333333333333c 10.0.2.4 sg=sg-0aaaaaaaaaaaaaaaa
    nat nat-0e2f4a6b8c1d3579b subnet-0a11111111111111a 10.0.9.5 public=203.0.113.5
    pl pl-s3 198.51.100.0/24
    gateway vpce-0f9e8d7c6b5a43210 vpc-0d1f9a6b3c2e58a47 com.amazonaws.us-west-2.s3 pl-s3
    endpoint vpce-01 vpc-0d1f9a6b3c2e58a47 com.amazonaws.us-west-2.sagemaker.api subnet-0b22222222222222b=10.0.1.6 subnet-0c33333333333333c=10.0.2.6 sg=sg-0cccccccccccccccc private=api.sagemaker.us-west-2.amazonaws.com
    endpoint vpce-02 vpc-0d1f9a6b3c2e58a47 aws.sagemaker.us-west-2.studio subnet-0b22222222222222b=10.0.1.7 subnet-0c33333333333333c=10.0.2.7 sg=sg-0cccccccccccccccc private=*.studio.us-west-2.sagemaker.aws
    in sg-0bbbbbbbbbbbbbbbb tcp:22 0.0.0.0/0
    out sg-0bbbbbbbbbbbbbbbb all 0.0.0.0/0
    in sg-0cccccccccccccccc tcp:443 sg-0aaaaaaaaaaaaaaaa
    out sg-0aaaaaaaaaaaaaaaa all 0.0.0.0/0
";

#[test]
fn the_guide_shows_what_is_drawn() {
    let mut topology = sketch::topology(VPC).unwrap();
    // What a sketch adds for those that say nothing of it.
    topology.security_groups.retain(|id, _| !id.contains("-open-"));
    topology.network_acls.retain(|id, _| !id.contains("-open-"));
    topology.route_tables.retain(|id, _| !id.contains("-main-"));
    let names: BTreeMap<String, String> = [
        ("vpc-0d1f9a6b3c2e58a47", "studio"),
        ("subnet-0a11111111111111a", "edge"),
        ("subnet-0b22222222222222b", "work a"),
        ("subnet-0c33333333333333c", "work b"),
        ("rtb-0b7e2a915c3d4f608", "to the internet"),
        ("rtb-0c4d8e1f27a6b3950", "by NAT"),
        ("sg-0aaaaaaaaaaaaaaaa", "notebooks"),
        ("sg-0bbbbbbbbbbbbbbbb", "jump host"),
        ("sg-0cccccccccccccccc", "endpoints"),
        ("eni-0123456789abcdef0", "notebook of ana"),
        ("eni-0123456789abcdef1", "jump host"),
        ("eni-0123456789abcdef2", "notebook of bo"),
    ]
    .into_iter()
    .map(|(id, name)| (id.to_owned(), name.to_owned()))
    .collect();
    let walker = Walker::new(topology.clone());
    let from = "eni-0123456789abcdef0";
    let ask = Ask {
        source: Source::Interface { id: from.into(), address: [10, 0, 1, 4].into() },
        to: To::Address([192, 0, 2, 7].into()),
        packet: Packet::HTTPS,
        source_ports: sagegate_network::walk::Ports::OF_CLIENTS,
    };
    let public = |_: &str| None;
    let names_of = Names {
        topology: &topology,
        region: "us-west-2",
        zones: &[],
        public: &public,
        draw: &dns::first,
    };
    let reach = reach(&walker, &names_of, &ask, &|_| Default::default());
    let svg = svg(&Chart {
        topology: &topology,
        names: &names,
        vpc: "vpc-0d1f9a6b3c2e58a47",
        region: "us-west-2",
        trip: Some(Trip { from, to: "192.0.2.7", reach: &reach }),
    });
    expect_file!["../../../docs/guide/map.svg"].assert_eq(&svg);
}
