//! From where a request came, as the socket that accepted it knows.
//!
//! The condition keys of an arrival follow the table of AWS's global condition keys (IAM User
//! Guide, "AWS global condition context keys", section "Properties of the network"): a request
//! through a VPC endpoint has `aws:SourceVpce`, `aws:SourceVpc` and `aws:VpcSourceIp` and no
//! `aws:SourceIp`; any other request has `aws:SourceIp` and none of the three.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// The way by which one request reached Sagegate. Made from the accepting socket only, never from
/// a header. It is stored with what has to be decided again as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arrival {
    /// By a public listener.
    Public {
        /// The peer's address: `aws:SourceIp`.
        source_ip: IpAddr,
    },
    /// Through an interface endpoint of a VPC.
    Endpoint(EndpointArrival),
    /// Made by an AWS service on behalf of the caller; there is no network of the caller's.
    Service {
        /// The service principal that makes the call, such as `sagemaker.amazonaws.com`.
        service: String,
    },
}

/// The facts of an arrival through one interface endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointArrival {
    /// `vpce-…`: `aws:SourceVpce`.
    pub vpc_endpoint_id: String,
    /// The VPC that the endpoint is attached to: `aws:SourceVpc`.
    pub vpc_id: String,
    /// The subnet whose endpoint network interface was dialled.
    pub subnet_id: String,
    /// The account that owns the endpoint, twelve digits.
    pub account: String,
    /// The region that the endpoint is in.
    pub region: String,
    /// The client's private address: `aws:VpcSourceIp`.
    pub vpc_source_ip: IpAddr,
    /// The endpoint's service name, such as `com.amazonaws.us-west-2.sagemaker.api`.
    pub service_name: String,
}

impl Arrival {
    /// The condition keys that this arrival gives a request, as (key, value) pairs.
    #[must_use]
    pub fn keys(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Public { source_ip } => vec![("aws:SourceIp", text_of(*source_ip))],
            Self::Endpoint(endpoint) => vec![
                ("aws:SourceVpce", endpoint.vpc_endpoint_id.clone()),
                ("aws:SourceVpc", endpoint.vpc_id.clone()),
                ("aws:VpcSourceIp", text_of(endpoint.vpc_source_ip)),
            ],
            Self::Service { .. } => Vec::new(),
        }
    }

    /// The endpoint that the request came through, if it came through one.
    #[must_use]
    pub fn endpoint(&self) -> Option<&EndpointArrival> {
        match self {
            Self::Endpoint(endpoint) => Some(endpoint),
            Self::Public { .. } | Self::Service { .. } => None,
        }
    }

    /// The address that the audit shows as `sourceIPAddress` (CloudTrail record contents: the
    /// private address for a request through an endpoint, the service's name for its own calls).
    #[must_use]
    pub fn source_address(&self) -> String {
        match self {
            Self::Public { source_ip } => text_of(*source_ip),
            Self::Endpoint(endpoint) => text_of(endpoint.vpc_source_ip),
            Self::Service { service } => service.clone(),
        }
    }
}

/// An address as text, as `to_string` has it. Every request writes several, and the four numbers of
/// most are written in a tenth of the time that formatting them takes.
#[must_use]
pub fn text_of(address: IpAddr) -> String {
    let IpAddr::V4(address) = address else { return address.to_string() };
    let mut text = String::with_capacity(15);
    for (place, number) in address.octets().into_iter().enumerate() {
        if place > 0 {
            text.push('.');
        }
        for (unit, least) in [(100, 100), (10, 10), (1, 0)] {
            if number >= least {
                text.push(char::from(b'0' + number / unit % 10));
            }
        }
    }
    text
}

/// What an endpoint of one service name leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// The API of the service that signs under this name, which is also its IAM prefix.
    Api(&'static str),
    /// The Studio door.
    Studio,
    /// The data channels of sessions.
    DataChannel,
}

impl Behind {
    /// The prefix of the actions that a policy of such an endpoint judges; actions of other
    /// services are none of its business.
    #[must_use]
    pub fn action_prefix(self) -> &'static str {
        match self {
            Self::Api(service) => service,
            Self::Studio => "sagemaker",
            Self::DataChannel => "ssmmessages",
        }
    }
}

impl EndpointArrival {
    /// What stands behind the endpoint; `None` for a service that is not served here.
    #[must_use]
    pub fn behind(&self) -> Option<Behind> {
        behind(&self.service_name, &self.region)
    }
}

/// What an endpoint service of this name leads to in this region (AWS PrivateLink Guide, "AWS
/// services that integrate with AWS PrivateLink"); `None` for a service that is not served here.
#[must_use]
pub fn behind(service_name: &str, region: &str) -> Option<Behind> {
    // Names are host names read backwards, and China's hosts end in amazonaws.com.cn.
    let own = if region.starts_with("cn-") { "cn.com.amazonaws." } else { "com.amazonaws." };
    let short = if let Some(rest) = service_name.strip_prefix(own) {
        rest.strip_prefix(region)?.strip_prefix('.')?
    } else {
        let rest = service_name.strip_prefix("aws.sagemaker.")?.strip_prefix(region)?;
        return (rest == ".studio").then_some(Behind::Studio);
    };
    match short {
        "sagemaker.api" => Some(Behind::Api("sagemaker")),
        "ec2" => Some(Behind::Api("ec2")),
        "sts" => Some(Behind::Api("sts")),
        "ssmmessages" => Some(Behind::DataChannel),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_an_address_is_the_usual_one() {
        for number in 0..=255 {
            let address = IpAddr::from([number, 255 - number, number / 7, number % 11]);
            assert_eq!(text_of(address), address.to_string());
        }
        let address = IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(text_of(address), "fe80::1");
    }

    fn endpoint() -> Arrival {
        Arrival::Endpoint(EndpointArrival {
            vpc_endpoint_id: "vpce-1".into(),
            vpc_id: "vpc-1".into(),
            subnet_id: "subnet-1".into(),
            account: "123456789012".into(),
            region: "us-west-2".into(),
            vpc_source_ip: IpAddr::from([10, 0, 0, 4]),
            service_name: "com.amazonaws.us-west-2.sagemaker.api".into(),
        })
    }

    #[test]
    fn a_service_name_leads_to_one_service_of_its_own_region() {
        let region = "us-west-2";
        let api = Some(Behind::Api("sagemaker"));
        assert_eq!(behind("com.amazonaws.us-west-2.sagemaker.api", region), api);
        assert_eq!(behind("aws.sagemaker.us-west-2.studio", region), Some(Behind::Studio));
        assert_eq!(behind("com.amazonaws.us-west-2.sts", region), Some(Behind::Api("sts")));
        for other in [
            "com.amazonaws.us-east-1.sagemaker.api",
            "com.amazonaws.us-west-2.sagemaker.apix",
            "com.amazonaws.us-west-2sagemaker.api",
            "aws.sagemaker.us-west-2.studiox",
            "aws.sagemaker.us-west-2",
            "",
        ] {
            assert_eq!(behind(other, region), None, "{other}");
        }
    }

    #[test]
    fn source_ip_and_the_vpc_keys_exclude_each_other() {
        let public = Arrival::Public { source_ip: IpAddr::from([127, 0, 0, 1]) };
        let names = |arrival: &Arrival| {
            arrival.keys().into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(names(&public), ["aws:SourceIp"]);
        assert_eq!(names(&endpoint()), ["aws:SourceVpce", "aws:SourceVpc", "aws:VpcSourceIp"]);
    }
}
