//! The laws of the picture, and what it looks like.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use expect_test::expect;
use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::Event;
use sagegate_network::dns::Names;
use sagegate_network::reach::{Ask, Reach, To, reach};
use sagegate_network::sketch;
use sagegate_network::topology::Topology;
use sagegate_network::walk::{Source, Walker};

use crate::scene::{Look, Rect, Scene};
use crate::{Chart, Trip, sheet, svg};

const STUDIO: &str = "
    vpc vpc-a 10.0.0.0/16 igw=igw-a
    rtb rtb-public vpc-a 0.0.0.0/0>igw-a
    rtb rtb-private vpc-a 0.0.0.0/0>nat-a pl-s3>vpce-s3
    subnet subnet-a vpc-a 10.0.1.0/24 rtb=rtb-private az=us-west-2a
    subnet subnet-b vpc-a 10.0.2.0/24 rtb=rtb-private az=us-west-2b
    subnet subnet-p vpc-a 10.0.9.0/24 rtb=rtb-public az=us-west-2a
    eni eni-work subnet-a 10.0.1.4 sg=sg-work
    eni eni-open subnet-p 10.0.9.4 public=203.0.113.4 sg=sg-web
    eni eni-shut subnet-p 10.0.9.6 public=203.0.113.6 sg=sg-work
    nat nat-a subnet-p 10.0.9.5 public=203.0.113.5
    pl pl-s3 198.51.100.0/24
    gateway vpce-s3 vpc-a com.amazonaws.us-west-2.s3 pl-s3
    endpoint vpce-api vpc-a com.amazonaws.us-west-2.sagemaker.api subnet-a=10.0.1.6 subnet-b=10.0.2.6 sg=sg-end private=api.sagemaker.us-west-2.amazonaws.com
    in sg-web tcp:22 0.0.0.0/0
    in sg-end tcp:443 sg-work
    out sg-work all 0.0.0.0/0
    out sg-end all 0.0.0.0/0
";

fn names(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(id, name)| ((*id).to_owned(), (*name).to_owned())).collect()
}

fn asked(topology: &Topology, from: &str, to: &str) -> Reach {
    let walker = Walker::new(topology.clone());
    let address = topology.interfaces[from].addresses[0].private;
    let ask = Ask {
        source: Source::Interface { id: from.into(), address },
        to: to.parse().map_or_else(|_| To::Name(to.into()), To::Address),
        packet: sagegate_network::security_group::Packet::HTTPS,
        source_ports: sagegate_network::walk::Ports::OF_CLIENTS,
    };
    let names = Names {
        topology,
        region: "us-west-2",
        zones: &[],
        public: &|_: &str| None,
        draw: &sagegate_network::dns::first,
    };
    reach(&walker, &names, &ask, &|_| Default::default())
}

fn chart<'a>(
    topology: &'a Topology,
    names: &'a BTreeMap<String, String>,
    trip: Option<Trip<'a>>,
) -> Chart<'a> {
    Chart { topology, names, vpc: "vpc-a", region: "us-west-2", trip }
}

/// The texts of each box, indented as boxes nest.
fn outline(scene: &Scene) -> String {
    fn write(out: &mut String, scene: &Scene, owner: Option<usize>, depth: usize) {
        let mut lines: BTreeMap<i32, Vec<(i32, String)>> = BTreeMap::new();
        for text in scene.texts.iter().filter(|text| text.owner == owner) {
            lines.entry(text.y).or_default().push((text.x, text.shown.clone()));
        }
        for (id, shape) in scene.shapes.iter().enumerate() {
            if shape.parent == owner && matches!(shape.look, Look::Badge | Look::BadBadge) {
                let text = scene.texts.iter().find(|text| text.owner == Some(id)).unwrap();
                let shown = format!("({})", text.shown);
                lines.entry(text.y).or_default().push((text.x, shown));
            }
        }
        for mut line in lines.into_values() {
            line.sort();
            let line: Vec<String> = line.into_iter().map(|(_, text)| text).collect();
            let _ = writeln!(out, "{}{}", "  ".repeat(depth), line.join("  |  "));
        }
        for (id, shape) in scene.shapes.iter().enumerate() {
            if shape.parent == owner && !matches!(shape.look, Look::Badge | Look::BadBadge) {
                let _ = writeln!(out, "{}[{:?}]", "  ".repeat(depth), shape.look);
                write(out, scene, Some(id), depth + 1);
            }
        }
    }
    let mut out = String::new();
    write(&mut out, scene, None, 0);
    out
}

fn apart(a: Rect, b: Rect) -> bool {
    a.right() <= b.x || b.right() <= a.x || a.bottom() <= b.y || b.bottom() <= a.y
}

fn inside(inner: Rect, outer: Rect) -> bool {
    inner.x >= outer.x
        && inner.y >= outer.y
        && inner.right() <= outer.right()
        && inner.bottom() <= outer.bottom()
}

/// Boxes are within their box and apart from others in it; texts likewise.
fn lawful(scene: &Scene) {
    let sheet = Rect { x: 0, y: 0, w: scene.width, h: scene.height };
    let mut children: BTreeMap<Option<usize>, Vec<(Rect, String)>> = BTreeMap::new();
    for shape in &scene.shapes {
        let outer = shape.parent.map_or(sheet, |id| scene.shapes[id].rect);
        assert!(inside(shape.rect, outer), "{shape:?} is not in {outer:?}");
        assert!(shape.rect.w > 0 && shape.rect.h > 0, "{shape:?}");
        children.entry(shape.parent).or_default().push((shape.rect, format!("{shape:?}")));
    }
    for text in &scene.texts {
        let outer = text.owner.map_or(sheet, |id| scene.shapes[id].rect);
        assert!(inside(text.rect(), outer), "{text:?} is not in {outer:?}");
        children.entry(text.owner).or_default().push((text.rect(), format!("{text:?}")));
    }
    for own in children.values_mut() {
        own.sort_by_key(|(rect, _)| rect.y);
        for (at, (rect, what)) in own.iter().enumerate() {
            let near = own[at + 1..].iter().take_while(|(other, _)| other.y < rect.bottom());
            for (other, other_what) in near {
                assert!(apart(*rect, *other), "{what}\noverlaps\n{other_what}");
            }
        }
    }
}

/// Reads it as XML does, and what a browser would refuse besides.
fn readable(svg: &str) {
    let mut reader = Reader::from_str(svg);
    let mut ids = BTreeSet::new();
    loop {
        match reader.read_event().unwrap() {
            Event::Eof => break,
            Event::Start(tag) | Event::Empty(tag) => {
                for attribute in tag.attributes() {
                    let attribute = attribute.unwrap();
                    if attribute.key.as_ref() == "id" {
                        assert!(ids.insert(attribute.value.to_string()));
                    }
                }
            }
            _ => {}
        }
    }
    let allowed = |letter: char| letter == '\n' || (letter >= ' ' && letter != '\u{7f}');
    assert!(svg.chars().all(allowed), "control characters");
    assert!(!svg.contains("<script") && !svg.contains("javascript:<"));
}

#[test]
fn a_vpc_is_drawn_by_zones_with_its_tables() {
    let topology = sketch::topology(STUDIO).unwrap();
    let names = names(&[("vpc-a", "studio"), ("subnet-a", "work"), ("sg-web", "web")]);
    let scene = sheet::draw(&chart(&topology, &names, None));
    lawful(&scene);
    expect![[r#"
        studio  |  vpc-a
        10.0.0.0/16  ·  us-west-2  ·  2 zones, 3 subnets, 6 interfaces; 1 interface is open to the internet
        Interface endpoints
        Route tables
        Security groups
        Network ACLs
        [Internet]
          The internet
        [OpenCard]
          Internet gateway
          igw-a
        [Card]
          s3 gateway endpoint
          vpce-s3
          pl-s3
        [Vpc]
          VPC  |  DNS support on, DNS host names on
          [Zone]
            us-west-2a
            [Card]
              subnet-p  |  public
              10.0.9.0/24
              Routes  |  rtb-public
              Network ACL  |  acl-open-vpc-a
              [OpenInner]
                10.0.9.4 → 203.0.113.4
                eni-open  |  web
                open to the internet: tcp 22
              [Inner]
                10.0.9.5 → 203.0.113.5  |  NAT nat-a
                eni-nat-a
              [Inner]
                10.0.9.6 → 203.0.113.6
                eni-shut  |  sg-work
            [Card]
              work  |  private
              subnet-a  |  10.0.1.0/24
              Routes  |  rtb-private
              Network ACL  |  acl-open-vpc-a
              [ServiceInner]
                10.0.1.6  |  sagemaker.api
                eni-vpce-api-subnet-a  |  sg-end
              [Inner]
                10.0.1.4
                eni-work  |  sg-work
          [Zone]
            us-west-2b
            [Card]
              subnet-b  |  private
              10.0.2.0/24
              Routes  |  rtb-private
              Network ACL  |  acl-open-vpc-a
              [ServiceInner]
                10.0.2.6  |  sagemaker.api
                eni-vpce-api-subnet-b  |  sg-end
        [Card]
          sagemaker.api
          vpce-api  |  available
          2 subnets  |  private DNS
        [Card]
          rtb-main-vpc-a
          of no subnet
          10.0.0.0/16  |  local
        [Card]
          rtb-private
          of 2 subnets
          10.0.0.0/16  |  local
          0.0.0.0/0  |  nat-a
          pl-s3  |  vpce-s3
        [Card]
          rtb-public
          of 1 subnet
          10.0.0.0/16  |  local
          0.0.0.0/0  |  igw-a
        [Card]
          sg-end
          2 interfaces
          in tcp 443  |  from sg-work
          out all  |  to 0.0.0.0/0
        [Card]
          sg-open-vpc-a
          no interface
          in all  |  from 0.0.0.0/0
          in all  |  from ::/0
          out all  |  to 0.0.0.0/0
          out all  |  to ::/0
        [Card]
          web
          sg-web  |  1 interface
          in tcp 22  |  from 0.0.0.0/0
          nothing goes out
        [Card]
          sg-work
          2 interfaces
          nothing comes in
          out all  |  to 0.0.0.0/0
        [Card]
          acl-open-vpc-a
          of 3 subnets
          100 allow all  |  from 0.0.0.0/0
          100 allow all  |  from ::/0
          100 allow all  |  to 0.0.0.0/0
          100 allow all  |  to ::/0
    "#]].assert_eq(&outline(&scene));
}

#[test]
fn a_walk_is_numbered_from_box_to_box() {
    let topology = sketch::topology(STUDIO).unwrap();
    let names = names(&[]);
    let reach = asked(&topology, "eni-work", "10.0.2.6");
    let trip = Trip { from: "eni-work", to: "10.0.2.6", reach: &reach };
    let scene = sheet::draw(&chart(&topology, &names, Some(trip)));
    lawful(&scene);
    expect![[r#"
        vpc-a
        10.0.0.0/16  ·  us-west-2  ·  2 zones, 3 subnets, 6 interfaces; 1 interface is open to the internet
        Interface endpoints
        Route tables
        Security groups
        Network ACLs
        [Reached]
          Reached  |  from eni-work to 10.0.2.6
          The packet  |  Its answer
           1  eni-work  |   1  eni-vpce-api-subnet-b
           2  sg-work  outbound rule sgr-work-out1  |   2  eni-vpce-api-subnet-b  answer of a connection let through
           3  acl-open-vpc-a  outbound entry 100  |   3  acl-open-vpc-a  outbound entry 100
           4  rtb-private  route 10.0.0.0/16  |   4  rtb-private  route 10.0.0.0/16
           5  acl-open-vpc-a  inbound entry 100  |   5  acl-open-vpc-a  inbound entry 100
           6  sg-end  inbound rule sgr-end-in1  |   6  eni-work  answer of a connection let through
           7  eni-vpce-api-subnet-b  |   7  eni-work
           8  vpce-api
        [Internet]
          The internet
        [OpenCard]
          Internet gateway
          igw-a
        [Card]
          s3 gateway endpoint
          vpce-s3
          pl-s3
        [Vpc]
          VPC  |  DNS support on, DNS host names on
          [Zone]
            us-west-2a
            [Card]
              subnet-a  |  private
              10.0.1.0/24
              Routes  |  rtb-private  |  (4)
              Network ACL  |  acl-open-vpc-a  |  (3)
              [Inner]
                10.0.1.4  |  (1 2)
                eni-work  |  sg-work
              [ServiceInner]
                10.0.1.6  |  sagemaker.api
                eni-vpce-api-subnet-a  |  sg-end
            [Card]
              subnet-p  |  public
              10.0.9.0/24
              Routes  |  rtb-public
              Network ACL  |  acl-open-vpc-a
              [OpenInner]
                10.0.9.4 → 203.0.113.4
                eni-open  |  sg-web
                open to the internet: tcp 22
              [Inner]
                10.0.9.5 → 203.0.113.5  |  NAT nat-a
                eni-nat-a
              [Inner]
                10.0.9.6 → 203.0.113.6
                eni-shut  |  sg-work
          [Zone]
            us-west-2b
            [Card]
              subnet-b  |  private
              10.0.2.0/24
              Routes  |  rtb-private
              Network ACL  |  acl-open-vpc-a  |  (5)
              [ServiceInner]
                10.0.2.6  |  sagemaker.api  |  (6 7 8)
                eni-vpce-api-subnet-b  |  sg-end
        [Card]
          sagemaker.api  |  (8)
          vpce-api  |  available
          2 subnets  |  private DNS
        [Card]
          rtb-private
          of 2 subnets
          10.0.0.0/16  |  local  |  (4)
          0.0.0.0/0  |  nat-a
          pl-s3  |  vpce-s3
        [Card]
          rtb-main-vpc-a
          of no subnet
          10.0.0.0/16  |  local
        [Card]
          rtb-public
          of 1 subnet
          10.0.0.0/16  |  local
          0.0.0.0/0  |  igw-a
        [Card]
          sg-end
          2 interfaces
          in tcp 443  |  from sg-work  |  (6)
          out all  |  to 0.0.0.0/0
        [Card]
          sg-work
          2 interfaces
          nothing comes in
          out all  |  to 0.0.0.0/0  |  (2)
        [Card]
          sg-open-vpc-a
          no interface
          in all  |  from 0.0.0.0/0
          in all  |  from ::/0
          out all  |  to 0.0.0.0/0
          out all  |  to ::/0
        [Card]
          sg-web
          1 interface
          in tcp 22  |  from 0.0.0.0/0
          nothing goes out
        [Card]
          acl-open-vpc-a
          of 3 subnets
          100 allow all  |  from 0.0.0.0/0  |  (5)
          100 allow all  |  from ::/0  |  (5)
          100 allow all  |  to 0.0.0.0/0  |  (3)
          100 allow all  |  to ::/0  |  (3)
    "#]].assert_eq(&outline(&scene));
}

#[test]
fn where_a_walk_ends_is_marked_with_the_reason() {
    let topology = sketch::topology(STUDIO).unwrap();
    let names = names(&[]);
    let marked = |from: &str, to: &str| {
        let reach = asked(&topology, from, to);
        let trip = Trip { from, to, reach: &reach };
        let scene = sheet::draw(&chart(&topology, &names, Some(trip)));
        lawful(&scene);
        let bad = scene.shapes.iter().filter(|shape| shape.look == Look::BadBadge);
        let bad: Vec<String> = bad
            .map(|shape| scene.shapes[shape.parent.unwrap()].label.clone().unwrap_or_default())
            .collect();
        let head = scene.texts.iter().find(|text| text.shown.starts_with("Not reached")).unwrap();
        format!("{}; at {}", head.shown, bad.join(", "))
    };
    expect!["Not reached: SG_HAS_NO_RULES; at network interface eni-open, open to the internet: tcp 22, security group sg-web"].assert_eq(&marked("eni-open", "10.0.1.4"));
    expect!["Not reached: NO_POSSIBLE_DESTINATION; at subnet subnet-a, private"]
        .assert_eq(&marked("eni-work", "10.0.2.77"));
    expect!["Not reached: DNS_NAME_ERROR; at VPC vpc-a"]
        .assert_eq(&marked("eni-work", "nowhere.example"));
}

#[test]
fn the_file_is_svg_for_people_and_machines() {
    let topology = sketch::topology(STUDIO).unwrap();
    let names = names(&[("vpc-a", "<studio> & \"co\"")]);
    let svg = svg(&chart(&topology, &names, None));
    readable(&svg);
    for part in [
        "xmlns=\"http://www.w3.org/2000/svg\"",
        "aria-labelledby=\"title\"",
        "<title id=\"title\">Map of &lt;studio&gt; &amp; &quot;co&quot; (vpc-a)</title>",
        "<desc id=\"desc\">2 zones, 3 subnets, 6 interfaces; 1 interface is open to the internet.</desc>",
        "prefers-color-scheme:dark",
        "aria-label=\"subnet subnet-p, public\"",
    ] {
        assert!(svg.contains(part), "{part}\n{svg}");
    }
}

/// What is open is what the walk lets in: not every interface with a public address.
#[test]
fn only_what_is_reached_from_the_internet_stands_out() {
    let topology = sketch::topology(STUDIO).unwrap();
    let names = names(&[]);
    let scene = sheet::draw(&chart(&topology, &names, None));
    let open = scene.shapes.iter().filter(|shape| shape.look == Look::OpenInner);
    let open: Vec<&str> = open.filter_map(|shape| shape.label.as_deref()).collect();
    assert_eq!(open, ["network interface eni-open, open to the internet: tcp 22"]);
    // The same without a way in.
    let shut = format!("{STUDIO}\nrtb rtb-public vpc-a\n");
    let topology = sketch::topology(&shut).unwrap();
    let scene = sheet::draw(&chart(&topology, &names, None));
    assert!(scene.shapes.iter().all(|shape| shape.look != Look::OpenInner));
}

/// A VPC of so many subnets and interfaces, in three zones.
fn large(subnets: usize, interfaces: usize) -> String {
    let mut text = "vpc vpc-a 10.0.0.0/8 igw=igw-a\nrtb rtb-out vpc-a 0.0.0.0/0>igw-a\n".to_owned();
    for at in 0..subnets {
        let zone = ["a", "b", "c"][at % 3];
        let table = if at % 5 == 0 { "rtb=rtb-out" } else { "" };
        let _ = writeln!(
            text,
            "subnet subnet-{at:04} vpc-a 10.{}.{}.0/24 {table} az=us-west-2{zone}",
            at / 250,
            at % 250
        );
    }
    for at in 0..interfaces {
        let subnet = at % subnets;
        let _ = writeln!(
            text,
            "eni eni-{at:05} subnet-{subnet:04} 10.{}.{}.{} sg=sg-{:02}",
            subnet / 250,
            subnet % 250,
            4 + at / subnets,
            at % 60
        );
        let _ = writeln!(text, "in sg-{:02} tcp:{} 10.0.0.0/8", at % 60, 1 + at);
    }
    text
}

#[test]
fn a_large_vpc_is_folded() {
    let topology = sketch::topology(&large(200, 1_000)).unwrap();
    let names = BTreeMap::new();
    let scene = sheet::draw(&chart(&topology, &names, None));
    lawful(&scene);
    let svg = svg(&chart(&topology, &names, None));
    readable(&svg);
    let size = (svg.len() / 1_000, scene.height);
    assert!(size.0 < 400 && size.1 < 9_000, "{size:?}");
    // Everything is drawn or counted.
    let said: Vec<&str> = scene
        .texts
        .iter()
        .map(|text| text.shown.as_str())
        .filter(|text| text.starts_with("and "))
        .collect();
    assert!(said.contains(&"and 58 more subnets"), "{said:?}");
    assert!(said.contains(&"and 49 more security groups"), "{said:?}");
    // A walk in it is drawn even so.
    let reach = asked(&topology, "eni-00999", "10.0.7.4");
    let trip = Trip { from: "eni-00999", to: "10.0.7.4", reach: &reach };
    let scene = sheet::draw(&chart(&topology, &names, Some(trip)));
    lawful(&scene);
    assert!(scene.texts.iter().any(|text| text.shown == "eni-00999"));
}

fn any_network() -> impl Strategy<Value = String> {
    let interface = (0_usize..9, 4_u8..250, 0_usize..4, any::<bool>());
    (1_usize..10, proptest::collection::vec(interface, 0..40), any::<[bool; 4]>(), 1_usize..8)
        .prop_map(|(subnets, interfaces, flags, zones)| {
            let [igw, eigw, gateway, open] = flags;
            let mut text = "vpc vpc-a 10.0.0.0/16".to_owned();
            text += if igw { " igw=igw-a" } else { "" };
            text += if eigw { " eigw=eigw-a\n" } else { "\n" };
            let _ =
                writeln!(text, "rtb rtb-out vpc-a {}", if igw { "0.0.0.0/0>igw-a" } else { "" });
            for at in 0..subnets {
                let table = if at % 2 == 0 { "rtb=rtb-out" } else { "" };
                let zone = (b'a' + (at % zones) as u8) as char;
                let _ = writeln!(
                    text,
                    "subnet subnet-{at} vpc-a 10.0.{at}.0/24 {table} az=us-west-2{zone}"
                );
            }
            for (at, (subnet, host, group, public)) in interfaces.iter().enumerate() {
                let subnet = subnet % subnets;
                let public = if *public { format!("public=203.0.113.{at}") } else { String::new() };
                let _ = writeln!(
                    text,
                    "eni eni-{at} subnet-{subnet} 10.0.{subnet}.{host} {public} sg=sg-{group}"
                );
            }
            if gateway {
                text += "pl pl-s3 198.51.100.0/24\n\
                         gateway vpce-s3 vpc-a com.amazonaws.us-west-2.s3 pl-s3\n\
                         endpoint vpce-api vpc-a com.amazonaws.us-west-2.sagemaker.api \
                         subnet-0=10.0.0.254 sg=sg-0\n";
            }
            if open {
                text += "in sg-1 tcp:22 0.0.0.0/0\nin sg-1 all sg-0\n";
            }
            text
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the network and whatever things are called.
    #[test]
    fn boxes_are_apart_and_texts_in_their_boxes(
        network in any_network(),
        called in proptest::collection::vec(any::<String>(), 14),
        walk in any::<bool>(),
    ) {
        let topology = sketch::topology(&network).unwrap();
        let ids = [
            "vpc-a", "subnet-0", "subnet-1", "sg-0", "sg-1", "igw-a", "eigw-a", "vpce-s3", "vpce-api",
            "rtb-out", "eni-0", "eni-1", "acl-open-vpc-a", "rtb-main-vpc-a",
        ];
        let names = ids.iter().map(|id| (*id).to_owned()).zip(called.clone()).collect();
        let interface = topology.interfaces.keys().next().filter(|_| walk).cloned();
        let reach = interface.as_ref().map(|id| asked(&topology, id, "10.0.0.254"));
        let trip = interface.as_ref().zip(reach.as_ref()).map(|(from, reach)| {
            Trip { from, to: &called[0], reach }
        });
        let chart = chart(&topology, &names, trip);
        lawful(&sheet::draw(&chart));
        readable(&svg(&chart));
    }
}
