//! The checks, in the order in which one would mend what they find: attributes of VPCs and room in subnets
//! before endpoints, endpoints before the paths to them, roles last.

mod accelerators;
mod endpoints;
mod names;
mod paths;
mod policies;
mod roles;
mod subnets;

use crate::finding::Finding;
use crate::snapshot::{Question, Snapshot};

/// A check.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// Its name, in findings.
    pub name: &'static str,
    /// What it looks at.
    pub about: &'static str,
    /// It.
    pub run: fn(&Snapshot) -> Vec<Finding>,
}

macro_rules! checks {
    ($($name:literal, $about:literal, $run:path;)*) => {
        /// All of them.
        pub const CHECKS: &[Check] =
            &[$(Check { name: $name, about: $about, run: $run },)*];
    };
}

checks! {
    "dns-attributes", "private DNS needs the VPC's DNS support and host names", names::dns_attributes;
    "free-addresses", "subnets have free addresses", subnets::free_addresses;
    "two-zones", "a domain has subnets in two zones", subnets::two_zones;
    "private-dns", "the names of SageMaker lead to its endpoints", names::private_dns;
    "two-endpoints", "Studio and the API have an endpoint each", endpoints::two_endpoints;
    "vpc-only-services", "apps that have only the VPC reach what they call", endpoints::vpc_only_services;
    "endpoint-subnets", "endpoints are in all subnets from which users connect", endpoints::endpoint_subnets;
    "https-from-studio", "endpoints let HTTPS in from Studio's security groups", paths::https_from_studio;
    "s3-endpoint", "what has no internet reaches S3 by a gateway endpoint", paths::s3_endpoint;
    "nfs", "apps reach their home file system", paths::nfs;
    "apps-among-themselves", "apps with the same groups reach each other", paths::apps_among_themselves;
    "notebook-network", "a notebook instance without internet reaches the API", paths::notebook_network;
    "endpoint-policy", "endpoint policies allow what Studio calls", policies::endpoint_policy;
    "identity-center", "policies of callers count in IAM mode only", policies::identity_center;
    "execution-role", "execution roles are there and trust SageMaker", roles::execution_role;
    "pass-role", "execution roles may be passed on to SageMaker", roles::pass_role;
    "vpc-permissions", "execution roles may make interfaces in a VPC", roles::vpc_permissions;
    "elastic-inference", "accelerators have an endpoint in two zones, and its security groups", accelerators::elastic_inference;
}

/// What the checks want to know of policies. Whoever makes a snapshot asks, and puts the answers into it.
#[must_use]
pub fn questions(snapshot: &Snapshot) -> Vec<Question> {
    let mut all = policies::questions(snapshot);
    all.extend(roles::questions(snapshot));
    all.extend(accelerators::questions(snapshot));
    all
}
