//! The services that interface endpoints can be made for, and DescribeVpcEndpointServices.
//!
//! Names: AWS PrivateLink Guide, "AWS services that integrate with AWS PrivateLink". Only what
//! Sagegate serves is listed: an endpoint in front of nothing would be a door that does not open.

use sagegate_api::ec2::{
    DescribeVpcEndpointServicesRequest, DescribeVpcEndpointServicesResult, PrivateDnsDetails,
    ServiceConnectivityType, ServiceDetail, ServiceType, ServiceTypeDetail,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Needs, Operation, Region};
use sagegate_network::Behind;
use sagegate_store::{Read, Tx};
use sha2::{Digest, Sha256};

use super::aws_prefix_lists::{self, AwsList};
use super::fault::{bad, dry_run};
use super::select::{self, Filters, flag};
use super::tags::Tags;
use super::{needs, zones};

/// An endpoint service in one region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointService {
    /// `com.amazonaws.<region>.…` or `aws.sagemaker.<region>.…`.
    pub name: String,
    /// What it serves.
    pub behind: Behind,
    /// What the names of its endpoints end in.
    pub base_name: String,
    /// The name that private DNS answers with the endpoint's addresses; `*.` stands for one label.
    pub private_name: String,
}

/// The endpoint services of a region.
#[must_use]
pub fn services(region: &Region) -> Vec<EndpointService> {
    let suffix = zones::dns_suffix(region);
    let reverse = suffix.split('.').rev().collect::<Vec<_>>().join(".");
    let api = |name: &str, host: &str, service: &'static str| EndpointService {
        name: format!("{reverse}.{region}.{name}"),
        behind: Behind::Api(service),
        base_name: format!("{host}.{region}.vpce.{suffix}"),
        private_name: format!("{host}.{region}.{suffix}"),
    };
    vec![
        EndpointService {
            name: format!("aws.sagemaker.{region}.studio"),
            behind: Behind::Studio,
            base_name: format!("studio.{region}.vpce.sagemaker.aws"),
            private_name: format!("*.studio.{region}.sagemaker.aws"),
        },
        api("ec2", "ec2", "ec2"),
        api("sagemaker.api", "api.sagemaker", "sagemaker"),
        EndpointService {
            behind: Behind::DataChannel,
            ..api("ssmmessages", "ssmmessages", "ssmmessages")
        },
        api("sts", "sts", "sts"),
    ]
}

/// The endpoint service of this name.
#[must_use]
pub fn find(region: &Region, name: &str) -> Option<EndpointService> {
    services(region).into_iter().find(|service| service.name == name)
}

/// The error for a name that no service has.
pub(crate) fn unknown(name: &str) -> Fault {
    bad("InvalidServiceName", format!("The Vpc Endpoint Service '{name}' does not exist"))
}

/// An id that follows from a service's name.
fn service_id(name: &str) -> String {
    let digits = hex::encode(Sha256::digest(name.as_bytes()));
    format!("vpce-svc-0{}", digits.get(..16).unwrap_or_default())
}

/// A service with gateway endpoints.
fn gateway_shape(region: &Region, list: &AwsList) -> ServiceDetail {
    let zones = zones::zones(region);
    let name = list.name(region);
    ServiceDetail {
        service_id: Some(service_id(&name)),
        service_name: Some(name),
        service_type: Some(vec![ServiceTypeDetail { service_type: Some(ServiceType::Gateway) }]),
        service_region: Some(region.to_string()),
        availability_zone_ids: Some(
            zones.iter().map(|zone| zones::zone_id(region, zone)).collect(),
        ),
        availability_zones: Some(zones.to_vec()),
        owner: Some("amazon".to_owned()),
        base_endpoint_dns_names: Some(vec![format!(
            "{}.{region}.{}",
            list.service,
            zones::dns_suffix(region)
        )]),
        vpc_endpoint_policy_supported: Some(true),
        acceptance_required: Some(false),
        manages_vpc_endpoints: Some(false),
        tags: Some(Vec::new()),
        supported_ip_address_types: Some(vec![ServiceConnectivityType::Ipv4]),
        ..ServiceDetail::default()
    }
}

impl EndpointService {
    fn shape(&self, region: &Region) -> ServiceDetail {
        let zones = zones::zones(region);
        ServiceDetail {
            service_name: Some(self.name.clone()),
            service_id: Some(service_id(&self.name)),
            service_type: Some(vec![ServiceTypeDetail {
                service_type: Some(ServiceType::Interface),
            }]),
            service_region: Some(region.to_string()),
            availability_zone_ids: Some(
                zones.iter().map(|zone| zones::zone_id(region, zone)).collect(),
            ),
            availability_zones: Some(zones.to_vec()),
            owner: Some("amazon".to_owned()),
            base_endpoint_dns_names: Some(vec![self.base_name.clone()]),
            private_dns_name: Some(self.private_name.clone()),
            private_dns_names: Some(vec![PrivateDnsDetails {
                private_dns_name: Some(self.private_name.clone()),
            }]),
            vpc_endpoint_policy_supported: Some(true),
            acceptance_required: Some(false),
            manages_vpc_endpoints: Some(false),
            tags: Some(Vec::new()),
            private_dns_name_verification_state: Some(sagegate_api::ec2::DnsNameState::Verified),
            supported_ip_address_types: Some(vec![ServiceConnectivityType::Ipv4]),
            ..ServiceDetail::default()
        }
    }
}

/// DescribeVpcEndpointServices.
pub(crate) struct DescribeVpcEndpointServices;

impl Operation for DescribeVpcEndpointServices {
    type Input = DescribeVpcEndpointServicesRequest;
    type Output = DescribeVpcEndpointServicesResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DescribeVpcEndpointServices";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        Ok(needs::listing(call.scope, "ec2:DescribeVpcEndpointServices"))
    }

    fn run(call: &Authorized<'_, Self>, _: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, region) = (call.input, &call.scope.region);
        dry_run(input.dry_run)?;
        let names = [
            "owner",
            "service-name",
            "service-region",
            "service-type",
            "supported-ip-address-types",
        ];
        let filters = Filters::of(input.filters.as_ref(), &names, true)?;
        let mut services: Vec<ServiceDetail> =
            services(region).iter().map(|service| service.shape(region)).collect();
        services
            .extend(aws_prefix_lists::of(region).iter().map(|list| gateway_shape(region, list)));
        let name_of = |service: &ServiceDetail| service.service_name.clone().unwrap_or_default();
        let kind_of = |service: &ServiceDetail| {
            let kinds = service.service_type.iter().flatten();
            kinds.filter_map(|it| it.service_type).map(|it| it.to_string()).collect::<Vec<_>>()
        };
        if let Some(wanted) = input.service_names.as_ref().filter(|names| !names.is_empty()) {
            if let Some(name) = wanted
                .iter()
                .find(|name| !services.iter().any(|service| name_of(service) == **name))
            {
                return Err(unknown(name));
            }
            services.retain(|service| wanted.contains(&name_of(service)));
        }
        let here = input.service_regions.as_ref().is_none_or(|regions| {
            regions.is_empty() || regions.iter().any(|r| r == region.as_str())
        });
        services.retain(|service| {
            here && filters.pass(&Tags::new(), |name| match name {
                "owner" => vec!["amazon".to_owned()],
                "service-name" => vec![name_of(service)],
                "service-region" => vec![region.to_string()],
                "service-type" => kind_of(service),
                "supported-ip-address-types" => vec!["ipv4".to_owned()],
                _ => flag(false),
            })
        });
        services.sort_by_key(name_of);
        let (services, next_token) =
            select::page(services, name_of, false, input.max_results, input.next_token.as_deref())?;
        Ok(Self::Output {
            service_names: Some(services.iter().map(name_of).collect()),
            service_details: Some(services),
            next_token,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_region() {
        let region = Region::parse("us-west-2").unwrap();
        let api = find(&region, "com.amazonaws.us-west-2.sagemaker.api").unwrap();
        assert_eq!(api.behind, Behind::Api("sagemaker"));
        assert_eq!(api.base_name, "api.sagemaker.us-west-2.vpce.amazonaws.com");
        assert_eq!(api.private_name, "api.sagemaker.us-west-2.amazonaws.com");
        // What the gate makes of an arrival and what an endpoint can be made for are one table.
        for region in ["us-west-2", "us-gov-west-1", "cn-north-1"] {
            let region = Region::parse(region).unwrap();
            for service in services(&region) {
                let behind = sagegate_network::behind(&service.name, region.as_str());
                assert_eq!(behind, Some(service.behind), "{}", service.name);
            }
        }
        assert_eq!(find(&region, "com.amazonaws.us-east-1.sts"), None);
        let china = Region::parse("cn-north-1").unwrap();
        assert!(find(&china, "cn.com.amazonaws.cn-north-1.sts").is_some());
    }
}
