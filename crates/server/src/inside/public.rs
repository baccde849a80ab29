//! The public addresses of AWS's services on the fabric's internet, and their names.
//!
//! Addresses are of 203.0.113.0/24, which RFC 5737 keeps for documentation: none of them is
//! somebody's. Each service has one, so that rules and routes can tell them apart.

use std::net::{IpAddr, Ipv4Addr};

use sagegate_network::endpoint_name::matches;

use crate::listeners::Via;

/// A service with its public address.
#[derive(Debug, Clone)]
pub(crate) struct PublicService {
    pub(crate) address: Ipv4Addr,
    pub(crate) via: Via,
    /// `*.` stands for one label.
    pub(crate) names: Vec<String>,
}

/// The services that are served in a region (AWS General Reference, "Service endpoints and quotas").
pub(crate) fn services(region: &str) -> Vec<PublicService> {
    let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    let iam = match region {
        _ if region.starts_with("cn-") => "iam.cn-north-1.amazonaws.com.cn",
        _ if region.starts_with("us-gov-") => "iam.us-gov.amazonaws.com",
        _ => "iam.amazonaws.com",
    };
    let mut sts = vec![format!("sts.{region}.{suffix}")];
    if !region.starts_with("cn-") && !region.starts_with("us-gov-") {
        sts.push("sts.amazonaws.com".to_owned());
    }
    let all = [
        (Via::Public, vec![format!("api.sagemaker.{region}.{suffix}")]),
        (Via::Public, vec![format!("ec2.{region}.{suffix}")]),
        (Via::Public, sts),
        (Via::Public, vec![iam.to_owned()]),
        (Via::Public, vec![format!("ssmmessages.{region}.{suffix}")]),
        (
            Via::Door,
            vec![
                format!("*.studio.{region}.sagemaker.aws"),
                format!("*.notebook.{region}.sagemaker.aws"),
            ],
        ),
    ];
    let numbered = (10..).zip(all);
    let one = |(number, (via, names))| PublicService {
        address: Ipv4Addr::new(203, 0, 113, number),
        via,
        names,
    };
    numbered.map(one).collect()
}

/// The addresses of a public name; `None` if there is no such name.
pub(crate) fn resolve(services: &[PublicService], name: &str) -> Option<Vec<IpAddr>> {
    let found = services.iter().find(|it| it.names.iter().any(|own| matches(own, name)))?;
    Some(vec![found.address.into()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_has_its_own_address_and_names() {
        let services = services("us-west-2");
        let of = |name: &str| resolve(&services, name);
        let api = of("api.sagemaker.us-west-2.amazonaws.com");
        assert_eq!(api, Some(vec![IpAddr::from([203, 0, 113, 10])]));
        assert_ne!(of("sts.amazonaws.com"), api);
        assert_eq!(of("sts.amazonaws.com"), of("sts.us-west-2.amazonaws.com"));
        assert!(of("d-abc.studio.us-west-2.sagemaker.aws").is_some());
        for other in [
            "api.sagemaker.eu-west-1.amazonaws.com",
            "s3.us-west-2.amazonaws.com",
            "example.com",
            "a.b.studio.us-west-2.sagemaker.aws",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn partitions_have_their_own_names() {
        let names =
            |region: &str| services(region).into_iter().flat_map(|it| it.names).collect::<Vec<_>>();
        assert!(names("cn-north-1").contains(&"sts.cn-north-1.amazonaws.com.cn".to_owned()));
        assert!(!names("cn-north-1").contains(&"sts.amazonaws.com".to_owned()));
        assert!(names("us-gov-west-1").contains(&"iam.us-gov.amazonaws.com".to_owned()));
    }
}
