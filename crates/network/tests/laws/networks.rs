//! Networks and questions by dice.

/// Turns bytes into choices, so that a failing network shrinks.
pub(crate) struct Dice<'a>(pub(crate) std::slice::Iter<'a, u8>);

impl Dice<'_> {
    pub(crate) fn roll(&mut self, sides: u8) -> u8 {
        self.0.next().copied().unwrap_or(0) % sides
    }

    pub(crate) fn pick<'t>(&mut self, of: &[&'t str]) -> &'t str {
        let index = usize::from(self.roll(u8::try_from(of.len()).unwrap_or(u8::MAX)));
        of.get(index).copied().unwrap_or_default()
    }

    /// True in `of` - 1 cases of `of`.
    pub(crate) fn likely(&mut self, of: u8) -> bool {
        self.roll(of) != 0
    }
}

pub(crate) const PROTOCOLS: [&str; 9] = [
    "all",
    "tcp:443",
    "tcp:22",
    "tcp:1024-65535",
    "tcp",
    "udp:53",
    "icmp",
    "udp",
    "tcp:32768-60999",
];
pub(crate) const PEERS: [&str; 10] = [
    "0.0.0.0/0",
    "10.0.0.0/16",
    "10.1.0.0/16",
    "10.0.0.0/8",
    "203.0.113.0/24",
    "198.51.100.0/24",
    "pl-s3",
    "sg-a1",
    "sg-a2",
    "sg-b1",
];

/// Two VPCs with two subnets each, and whatever the dice say.
pub(crate) fn network(dice: &mut Dice<'_>) -> String {
    let mut lines = vec!["pl pl-s3 198.51.100.0/24".to_owned()];
    for (vpc, second) in [("a", 0), ("b", 1)] {
        let igw = if dice.likely(4) { format!("igw=igw-{vpc}") } else { String::new() };
        lines.push(format!("vpc vpc-{vpc} 10.{second}.0.0/16 {igw}"));
        for third in 1..=2 {
            let id = format!("{vpc}{third}");
            let acl = if dice.likely(3) { String::new() } else { format!("acl=acl-{id}") };
            lines.push(format!(
                "subnet subnet-{id} vpc-{vpc} 10.{second}.{third}.0/24 rtb=rtb-{id} {acl}"
            ));
            lines.push(format!("acl acl-{id} vpc-{vpc}"));
            for way in ["in", "out"] {
                for _ in 0..=dice.roll(3) {
                    let number = 1 + dice.roll(90);
                    let action = dice.pick(&["allow", "allow", "allow", "deny"]);
                    let protocol = dice.pick(&PROTOCOLS);
                    let block = dice.pick(&PEERS[..6]);
                    lines.push(format!("{way} acl-{id} {number} {action} {protocol} {block}"));
                }
            }
            let mut routes = String::new();
            // The first subnet is for the most part a public one, the second a private one.
            let usual = if third == 1 { "igw" } else { "nat" };
            for (destination, rare, targets) in [
                ("0.0.0.0/0", 9, [usual, usual, "igw", "nat", "igw-gone", "pcx-ab", ""]),
                (
                    "10.0.0.0/8",
                    4,
                    ["pcx-ab", "pcx-ab", "pcx-ab", "pcx-gone", "igw", "eni-gone", ""],
                ),
                ("pl-s3", 3, ["vpce-s3", "vpce-s3", "vpce-s3", "igw", "nat", "vpce-gone", ""]),
                ("198.51.100.0/24", 2, ["igw", "nat", "vpce-s3", "pcx-ab", "nat-gone", "", ""]),
                ("203.0.113.0/24", 2, ["igw", "igw", "nat", "pcx-ab", "vpce-s3", "", ""]),
            ] {
                let target = dice.pick(&targets);
                if !dice.likely(rare) || target.is_empty() {
                    continue;
                }
                let own = matches!(target, "igw" | "nat" | "vpce-s3");
                let target = if own { format!("{target}-{vpc}") } else { target.to_owned() };
                // The second subnet leads to the other VPC by a prefix list.
                let destination = match (destination, third) {
                    ("10.0.0.0/8", 2) => format!("pl-own-{vpc}"),
                    _ => destination.to_owned(),
                };
                routes.push_str(&format!(" {destination}>{target}"));
            }
            lines.push(format!("rtb rtb-{id} vpc-{vpc}{routes}"));
            for host in 0..=dice.roll(2) {
                let group =
                    dice.pick(&["1", "2", "1,sg-@2", "open-vpc-@", "open-vpc-@", "open-vpc-@"]);
                let group = if group.starts_with("open") {
                    format!("sg-open-vpc-{vpc}")
                } else {
                    format!("sg-{vpc}{}", group.replace('@', vpc))
                };
                let last = 10 + host;
                let public = if dice.likely(3) {
                    format!("public=203.0.113.{}", second * 100 + third * 10 + host)
                } else {
                    String::new()
                };
                lines.push(format!(
                    "eni eni-{id}{host} subnet-{id} 10.{second}.{third}.{last} {public} sg={group}"
                ));
            }
        }
        for group in 1..=2 {
            lines.push(format!("sg sg-{vpc}{group} vpc-{vpc}"));
            for way in ["in", "out"] {
                for _ in 0..dice.roll(4) {
                    let (protocol, peer) = (dice.pick(&PROTOCOLS), dice.pick(&PEERS));
                    lines.push(format!("{way} sg-{vpc}{group} {protocol} {peer}"));
                }
            }
        }
        let state = dice.pick(&["", "", "", "pending"]);
        let public = if dice.likely(4) {
            format!("public=203.0.113.{}", 200 + second)
        } else {
            String::new()
        };
        lines.push(format!("nat nat-{vpc} subnet-{vpc}1 10.{second}.1.5 {public} {state}"));
        let state = dice.pick(&["", "", "", "pending"]);
        let group = dice.pick(&["1", "2", "open-vpc-@"]);
        let group = if group.starts_with("open") {
            format!("open-vpc-{vpc}")
        } else {
            format!("{vpc}{group}")
        };
        lines.push(format!(
            "endpoint vpce-sts-{vpc} vpc-{vpc} com.amazonaws.us-west-2.sts subnet-{vpc}2=10.{second}.2.50 sg=sg-{group} {state}"
        ));
        lines.push(format!(
            "gateway vpce-s3-{vpc} vpc-{vpc} com.amazonaws.us-west-2.s3 pl-s3 {state}"
        ));
    }
    for (vpc, other) in [("a", 1), ("b", 0)] {
        // Blocks within others, beside others, and what other routes have a part of.
        let blocks = dice.pick(&[
            "10.0.0.0/9,10.128.0.0/9",
            "10.0.0.0/8,10.@.0.0/17",
            "10.@.1.0/24,10.@.2.0/24,10.@.2.0/25",
            "10.@.0.0/16,203.0.113.0/25,198.51.100.0/25",
        ]);
        lines.push(format!("pl pl-own-{vpc} {}", blocks.replace('@', &other.to_string())));
    }
    lines.push(format!("pcx pcx-ab vpc-a vpc-b {}", dice.pick(&["", "", "", "pending"])));
    lines.join("\n")
}

/// Every fifth of all questions, beginning with one that the dice choose.
pub(crate) fn questions(dice: &mut Dice<'_>) -> Vec<String> {
    let first = usize::from(dice.roll(5));
    let mut all = Vec::new();
    for from in ["eni-a10", "eni-a20", "eni-b10", "eni-b21", "internet@192.0.2.9"] {
        for to in [
            "10.0.1.10",
            "10.0.1.11",
            "10.0.2.10",
            "10.1.1.10",
            "10.1.2.10",
            "10.0.2.50",
            "10.1.2.50",
            "10.0.1.5",
            "10.0.1.99",
            "10.0.0.2",
            "203.0.113.10",
            "203.0.113.110",
            "203.0.113.121",
            "203.0.113.200",
            "198.51.100.7",
            "192.0.2.9",
            "172.16.0.1",
        ] {
            for packet in ["tcp:443", "tcp:22", "udp:53", "icmp"] {
                all.push(format!("{from} > {to} {packet}"));
            }
        }
    }
    all.into_iter().skip(first).step_by(5).collect()
}
