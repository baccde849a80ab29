//! The prefix lists that AWS manages: those of the services with gateway endpoints.
//!
//! Ids and blocks are what DescribePrefixLists has answered in these regions. AWS publishes them
//! nowhere else and adds blocks from time to time, so that a list may lack some of today's: what a list
//! lacks, a rule that names it does not allow. A region that is not here has none.

use ipnet::IpNet;
use sagegate_gate::Region;

use super::zones;

/// A prefix list of AWS's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AwsList {
    /// `pl-…`.
    pub(crate) id: &'static str,
    /// `s3` or `dynamodb`.
    pub(crate) service: &'static str,
    pub(crate) blocks: &'static [&'static str],
}

impl AwsList {
    /// The name of the list, which is that of its endpoint service too.
    pub(crate) fn name(&self, region: &Region) -> String {
        let suffix = zones::dns_suffix(region).split('.').rev().collect::<Vec<_>>().join(".");
        format!("{suffix}.{region}.{}", self.service)
    }

    /// The blocks, parsed.
    pub(crate) fn nets(self) -> Vec<IpNet> {
        // The test below reads all of them.
        self.blocks.iter().filter_map(|block| block.parse().ok()).collect()
    }
}

/// The lists of a region.
pub(crate) fn of(region: &Region) -> Vec<AwsList> {
    LISTS
        .iter()
        .filter(|(known, ..)| *known == region.as_str())
        .map(|(_, service, id, blocks)| AwsList { id, service, blocks })
        .collect()
}

/// The list that routes to a service's gateway endpoints.
pub(crate) fn of_service(region: &Region, name: &str) -> Option<AwsList> {
    of(region).into_iter().find(|list| list.name(region) == name)
}

type Row = (&'static str, &'static str, &'static str, &'static [&'static str]);

#[rustfmt::skip]
const LISTS: &[Row] = &[
    ("ap-northeast-1", "dynamodb", "pl-78a54011", &["52.94.8.0/24"]),
    ("ap-northeast-1", "s3", "pl-61a54008", &["52.219.0.0/20", "52.219.16.0/22", "52.219.68.0/22", "54.231.224.0/21"]),
    ("ap-northeast-2", "dynamodb", "pl-48a54021", &["52.94.6.0/24"]),
    ("ap-northeast-2", "s3", "pl-78a54011", &["52.92.0.0/20", "52.219.56.0/22", "52.219.60.0/23"]),
    ("ap-south-1", "dynamodb", "pl-66a7420f", &["52.94.20.0/24"]),
    ("ap-south-1", "s3", "pl-78a54011", &["52.92.248.0/22", "52.219.62.0/23", "52.219.64.0/22"]),
    ("ap-southeast-1", "dynamodb", "pl-67a5400e", &["52.94.11.0/24"]),
    ("ap-southeast-1", "s3", "pl-6fa54006", &["52.219.32.0/21", "52.219.40.0/22", "52.219.76.0/22", "54.231.240.0/22"]),
    ("ap-southeast-2", "dynamodb", "pl-62a5400b", &["52.94.13.0/24"]),
    ("ap-southeast-2", "s3", "pl-6ca54005", &["52.95.128.0/21", "54.231.248.0/22", "54.231.252.0/24"]),
    ("ca-central-1", "dynamodb", "pl-4ea54027", &["52.94.14.0/24"]),
    ("ca-central-1", "s3", "pl-7da54014", &["52.92.84.0/22", "52.95.145.0/24", "52.95.146.0/23"]),
    ("eu-central-1", "dynamodb", "pl-66a5400f", &["52.94.17.0/24"]),
    ("eu-central-1", "s3", "pl-6ea54007", &["52.219.44.0/22", "52.219.72.0/22", "54.231.192.0/20"]),
    ("eu-west-1", "dynamodb", "pl-6fa54006", &["52.94.5.0/24", "52.94.24.0/23", "52.119.240.0/21"]),
    ("eu-west-1", "s3", "pl-6da54004", &["52.218.0.0/17", "54.231.128.0/19"]),
    ("eu-west-2", "dynamodb", "pl-b3a742da", &["52.94.15.0/24"]),
    ("eu-west-2", "s3", "pl-7ca54015", &["52.92.88.0/22", "52.95.148.0/23", "52.95.150.0/24"]),
    ("eu-west-3", "dynamodb", "pl-abb451c2", &["52.94.16.0/24"]),
    ("eu-west-3", "s3", "pl-23ad484a", &["52.95.154.0/23", "52.95.156.0/24"]),
    ("sa-east-1", "dynamodb", "pl-60a54009", &["52.94.7.0/24"]),
    ("sa-east-1", "s3", "pl-6aa54003", &["52.92.64.0/22", "52.92.72.0/22", "52.95.136.0/23", "52.95.138.0/24", "52.95.163.0/24", "52.95.164.0/23"]),
    ("us-east-1", "dynamodb", "pl-02cd2c6b", &["52.94.0.0/22", "52.119.224.0/20"]),
    ("us-east-1", "s3", "pl-63a5400a", &["52.216.0.0/15", "54.231.0.0/17"]),
    ("us-east-2", "dynamodb", "pl-4ca54025", &["52.94.4.0/24"]),
    ("us-east-2", "s3", "pl-7ba54012", &["52.92.76.0/22", "52.219.80.0/20", "52.219.96.0/20"]),
    ("us-west-1", "dynamodb", "pl-6ea54007", &["52.94.12.0/24"]),
    ("us-west-1", "s3", "pl-6ba54002", &["52.92.48.0/22", "52.219.20.0/22", "52.219.24.0/21", "54.231.232.0/21"]),
    ("us-west-2", "dynamodb", "pl-00a54069", &["52.94.10.0/24", "52.94.28.0/23"]),
    ("us-west-2", "s3", "pl-68a54001", &["52.92.32.0/22", "52.218.128.0/17", "54.231.160.0/19"]),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ipnet::Ipv4Net;

    use super::*;

    #[test]
    fn every_list_has_blocks_that_are_blocks() {
        let mut seen = BTreeSet::new();
        for (region, service, id, blocks) in LISTS {
            assert!(seen.insert((region, service)), "{region} {service} twice");
            assert!(seen.insert((region, id)), "{region} {id} twice");
            assert!(!blocks.is_empty());
            for block in *blocks {
                let net: Ipv4Net = block.parse().unwrap();
                assert_eq!(net, net.trunc(), "{block}");
            }
            assert!(Region::parse(region).is_ok(), "{region}");
        }
    }

    #[test]
    fn names_are_those_of_services() {
        let region = Region::parse("us-west-2").unwrap();
        let names: Vec<String> = of(&region).iter().map(|list| list.name(&region)).collect();
        assert_eq!(names, ["com.amazonaws.us-west-2.dynamodb", "com.amazonaws.us-west-2.s3"]);
        assert!(of(&region).iter().all(|list| list.nets().len() == list.blocks.len()));
        assert_eq!(of(&Region::parse("us-gov-west-1").unwrap()), []);
    }
}
