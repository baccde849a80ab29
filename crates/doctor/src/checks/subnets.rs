//! Places: zones, and room in subnets.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};

use crate::command::aws;
use crate::finding::{Finding, Level};
use crate::snapshot::{Domain, Snapshot};

/// R2.3: subnets in at least two Availability Zones, also for a single instance.
pub(super) fn two_zones(snapshot: &Snapshot) -> Vec<Finding> {
    let mut found = Vec::new();
    for domain in &snapshot.domains {
        let own = domain.subnets.iter().filter_map(|it| snapshot.subnet(it));
        let zones: BTreeSet<&str> = own.map(|it| it.zone.as_str()).collect();
        let (Some(vpc), Some(zone), 1) = (&domain.vpc, zones.first(), zones.len()) else {
            continue;
        };
        let other =
            snapshot.topology.subnets.iter().find(|(_, it)| it.vpc == *vpc && it.zone != **zone);
        let mend = match other {
            Some((id, _)) => Some(with_subnets(domain, &domain.subnets, id)),
            None => snapshot
                .topology
                .vpcs
                .get(vpc)
                .and_then(|_| new_subnet(snapshot, vpc, &another(zone), 24))
                .map(|made| {
                    format!("{made} && {}", with_subnets(domain, &domain.subnets, "$subnet"))
                }),
        };
        let text = format!(
            "all subnets of {} are in {zone}: hosted models and their endpoints need two zones, and if that one \
             fails all apps stop",
            domain.id
        );
        let mut objects = vec![domain.id.as_str()];
        objects.extend(domain.subnets.iter().map(String::as_str));
        let about = ("two-zones", "R2.3");
        found.push(Finding::new(Level::Warning, about, &objects, text, mend));
    }
    found
}

/// A zone beside this one.
fn another(zone: &str) -> String {
    let region = zone.trim_end_matches(|it: char| it.is_ascii_lowercase());
    format!("{region}{}", if zone.ends_with('a') { 'b' } else { 'a' })
}

/// `UpdateDomain` with these subnets and one more. A variable of the shell stays one.
fn with_subnets(domain: &Domain, subnets: &[String], more: &str) -> String {
    let mut words = vec!["sagemaker", "update-domain", "--domain-id", &domain.id, "--subnet-ids"];
    words.extend(subnets.iter().map(String::as_str));
    let more = if more == "$subnet" { "\"$subnet\"" } else { more };
    format!("{} {more}", aws(&words))
}

/// Makes a subnet in a free block of the VPC; its id is then in the shell's variable `subnet`.
fn new_subnet(snapshot: &Snapshot, vpc: &str, zone: &str, prefix: u8) -> Option<String> {
    let block = free_block(snapshot, vpc, prefix)?.to_string();
    let made = aws(&[
        "ec2",
        "create-subnet",
        "--vpc-id",
        vpc,
        "--availability-zone",
        zone,
        "--cidr-block",
        &block,
        "--query",
        "Subnet.SubnetId",
        "--output",
        "text",
    ]);
    Some(format!("subnet=$({made})"))
}

/// The first block of this size in the VPC that no subnet has; a smaller one where the VPC itself is small.
fn free_block(snapshot: &Snapshot, vpc: &str, prefix: u8) -> Option<Ipv4Net> {
    let blocks = &snapshot.topology.vpcs.get(vpc)?.blocks;
    let taken: Vec<Ipv4Net> = snapshot
        .topology
        .subnets
        .values()
        .filter(|it| it.vpc == vpc)
        .flat_map(|it| &it.blocks)
        .filter_map(v4)
        .collect();
    (prefix..=28).find_map(|prefix| {
        blocks.iter().filter_map(v4).find_map(|block| first_free(block, prefix, &taken))
    })
}

fn v4(block: &IpNet) -> Option<Ipv4Net> {
    match block {
        IpNet::V4(block) => Some(*block),
        IpNet::V6(_) => None,
    }
}

/// Steps over what is taken, block by block, so that a large VPC costs no more than its subnets.
fn first_free(block: Ipv4Net, prefix: u8, taken: &[Ipv4Net]) -> Option<Ipv4Net> {
    if prefix < block.prefix_len() {
        return None;
    }
    let size = 1_u32.checked_shl(u32::from(32 - prefix))?;
    let mut at = u32::from(block.network());
    for _ in 0..=taken.len() {
        let candidate = Ipv4Net::new(Ipv4Addr::from(at), prefix).ok()?;
        if !block.contains(&candidate) {
            return None;
        }
        let overlaps = |it: &&Ipv4Net| it.contains(&candidate) || candidate.contains(*it);
        let Some(hit) = taken.iter().find(overlaps) else { return Some(candidate) };
        let end = u32::from(hit.broadcast()).checked_add(1)?;
        // The next multiple of the size behind it.
        at = end.checked_add(size - 1)? / size * size;
    }
    None
}

/// R2.4: two free addresses for each instance, five with EFA.
pub(super) fn free_addresses(snapshot: &Snapshot) -> Vec<Finding> {
    const NEEDED: usize = 2;
    const WITH_EFA: usize = 5;
    let mut found = Vec::new();
    for domain in &snapshot.domains {
        for id in &domain.subnets {
            let (Some(free), Some(subnet)) = (snapshot.free.get(id), snapshot.subnet(id)) else {
                continue;
            };
            let about = ("free-addresses", "R2.4");
            let objects = [id.as_str(), domain.id.as_str()];
            if *free >= WITH_EFA {
                continue;
            }
            if *free >= NEEDED {
                let text = format!(
                    "{id} has {free} free addresses: enough for an instance, too few for one with EFA, which \
                     takes {WITH_EFA}"
                );
                found.push(Finding::new(Level::Info, about, &objects, text, None));
                continue;
            }
            let others: Vec<String> =
                domain.subnets.iter().filter(|it| *it != id).cloned().collect();
            let mend = new_subnet(snapshot, &subnet.vpc, &subnet.zone, 24)
                .map(|made| format!("{made} && {}", with_subnets(domain, &others, "$subnet")));
            let left = match free {
                0 => "no free address",
                _ => "one free address",
            };
            let text =
                format!("{id}, a subnet of {}, has {left}; an instance takes {NEEDED}", domain.id);
            found.push(Finding::new(Level::Error, about, &objects, text, mend));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{STUDIO, mended, snapshot, texts};

    #[test]
    fn a_domain_is_in_two_zones() {
        assert_eq!(two_zones(&snapshot(STUDIO)), []);
        let mut one = snapshot(STUDIO);
        one.domains[0].subnets.truncate(1);
        let found = two_zones(&one);
        assert_eq!(found[0].level, Level::Warning);
        // Another subnet of the VPC does.
        assert_eq!(
            mended(&found),
            ["aws sagemaker update-domain --domain-id d-1 --subnet-ids subnet-a subnet-b"]
        );
        let moved = STUDIO.replace("az=us-west-2b", "az=us-west-2a");
        assert_eq!(
            mended(&two_zones(&snapshot(&moved))),
            [
                "subnet=$(aws ec2 create-subnet --vpc-id vpc-a --availability-zone us-west-2b --cidr-block 10.0.0.0/24 --query Subnet.SubnetId --output text) && aws sagemaker update-domain --domain-id d-1 --subnet-ids subnet-a subnet-b \"$subnet\""
            ]
        );
    }

    #[test]
    fn subnets_have_room() {
        let mut it = snapshot(STUDIO);
        assert_eq!(free_addresses(&it), []);
        it.free.insert("subnet-a".into(), 4);
        assert_eq!(free_addresses(&it)[0].level, Level::Info);
        it.free.insert("subnet-a".into(), 1);
        let found = free_addresses(&it);
        assert_eq!(
            texts(&found),
            [
                "error R2.4 subnet-a d-1: subnet-a, a subnet of d-1, has one free address; an instance takes 2"
            ]
        );
        assert!(mended(&found)[0].ends_with("--subnet-ids subnet-b \"$subnet\""), "{found:?}");
    }

    #[test]
    fn free_blocks_are_between_those_taken() {
        let block = |text: &str| text.parse::<Ipv4Net>().unwrap();
        let free = |vpc: &str, prefix, taken: &[&str]| {
            let taken: Vec<Ipv4Net> = taken.iter().map(|it| block(it)).collect();
            first_free(block(vpc), prefix, &taken).map(|it| it.to_string())
        };
        assert_eq!(free("10.0.0.0/16", 24, &[]).as_deref(), Some("10.0.0.0/24"));
        let taken = ["10.0.0.0/24", "10.0.1.128/25", "10.0.2.0/23"];
        assert_eq!(free("10.0.0.0/16", 24, &taken).as_deref(), Some("10.0.4.0/24"));
        assert_eq!(free("10.0.0.0/16", 25, &taken).as_deref(), Some("10.0.1.0/25"));
        assert_eq!(free("10.0.0.0/24", 24, &["10.0.0.16/28"]), None);
        assert_eq!(free("10.0.0.0/24", 16, &[]), None);
        assert_eq!(free("255.255.255.0/24", 25, &["255.255.255.0/24"]), None);
    }
}
