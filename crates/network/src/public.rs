//! AWS's services on the internet: their names and addresses, as public DNS has them here.
//!
//! Addresses are of 203.0.113.0/24, which RFC 5737 keeps for documentation: none of them is
//! somebody's. Each service has one, so that rules and routes can tell them apart.

use std::net::{IpAddr, Ipv4Addr};

use crate::endpoint_name::matches;

/// A service with its public address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicService {
    /// Where it is.
    pub address: Ipv4Addr,
    /// Its names, lower case; `*.` stands for one label.
    pub names: Vec<String>,
}

/// The services of a region that are served here (AWS General Reference, "Service endpoints and
/// quotas"): SageMaker, EC2, STS, IAM, data channels, the doors of Studio and notebooks, and Route 53.
#[must_use]
pub fn services(region: &str) -> Vec<PublicService> {
    let china = region.starts_with("cn-");
    let government = region.starts_with("us-gov-");
    let suffix = if china { "amazonaws.com.cn" } else { "amazonaws.com" };
    let iam = match region {
        _ if china => "iam.cn-north-1.amazonaws.com.cn",
        _ if government => "iam.us-gov.amazonaws.com",
        _ => "iam.amazonaws.com",
    };
    let route53 = match region {
        _ if china => "route53.amazonaws.com.cn",
        _ if government => "route53.us-gov.amazonaws.com",
        _ => "route53.amazonaws.com",
    };
    let mut sts = vec![format!("sts.{region}.{suffix}")];
    if !china && !government {
        sts.push("sts.amazonaws.com".to_owned());
    }
    let all = [
        vec![format!("api.sagemaker.{region}.{suffix}")],
        vec![format!("ec2.{region}.{suffix}")],
        sts,
        vec![iam.to_owned()],
        vec![format!("ssmmessages.{region}.{suffix}")],
        vec![
            format!("*.studio.{region}.sagemaker.aws"),
            format!("*.notebook.{region}.sagemaker.aws"),
        ],
        vec![route53.to_owned()],
    ];
    let one =
        |(number, names)| PublicService { address: Ipv4Addr::new(203, 0, 113, number), names };
    (10..).zip(all).map(one).collect()
}

/// The addresses of a public name; `None` if there is no such name.
#[must_use]
pub fn resolve(services: &[PublicService], name: &str) -> Option<Vec<IpAddr>> {
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
            "example.com",
            "a.b.studio.us-west-2.sagemaker.aws",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn partitions_have_their_own_names() {
        let has = |region: &str, name: &str| {
            services(region).iter().any(|it| it.names.iter().any(|own| own == name))
        };
        assert!(has("cn-north-1", "sts.cn-north-1.amazonaws.com.cn"));
        assert!(!has("cn-north-1", "sts.amazonaws.com"));
        assert!(has("us-gov-west-1", "iam.us-gov.amazonaws.com"));
    }
}
