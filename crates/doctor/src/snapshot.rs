//! The set-up at one moment, as plain data.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use sagegate_network::dns::{self, HostedZone, Names};
use sagegate_network::public::{self, PublicService};
use sagegate_network::topology::{Endpoint, EndpointKind, Interface, Subnet, Topology};

/// Everything that checks look at.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The account, twelve digits.
    pub account: String,
    /// The region's name.
    pub region: String,
    /// The partition: `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: String,
    /// The networks.
    pub topology: Arc<Topology>,
    /// The services that interface endpoints can be made for here.
    pub services: Vec<Service>,
    /// The names of AWS's services on the internet.
    pub public: Vec<PublicService>,
    /// Private hosted zones.
    pub zones: Vec<HostedZone>,
    /// Who stands for the clients in a subnet; a subnet that is full may have nobody.
    pub clients: BTreeMap<String, Client>,
    /// How many addresses each subnet has left.
    pub free: BTreeMap<String, usize>,
    /// The Studio domains that are asked about.
    pub domains: Vec<Domain>,
    /// The notebook instances that are asked about.
    pub notebooks: Vec<Notebook>,
    /// The VPCs that are asked about.
    pub vpcs: Vec<String>,
    /// The roles of those, by ARN.
    pub roles: BTreeMap<String, Role>,
    /// The policies of VPC endpoints, by id.
    pub endpoint_policies: BTreeMap<String, String>,
    /// The answers to [`crate::questions`].
    pub verdicts: BTreeMap<Question, Verdict>,
}

/// A service that interface endpoints can be made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// `com.amazonaws.<region>.…` or `aws.sagemaker.<region>.…`.
    pub name: String,
    /// The name that private DNS answers for; `*.` stands for one label.
    pub private_name: String,
}

/// A client that stands for those in a subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its address, which nothing else in the subnet has.
    pub address: IpAddr,
    /// The VPC's default security group.
    pub group: String,
}

/// A Studio domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Domain {
    /// `d-…`.
    pub id: String,
    /// Its VPC, if it has one.
    pub vpc: Option<String>,
    /// Its subnets.
    pub subnets: Vec<String>,
    /// Whether apps reach nothing but by the VPC.
    pub vpc_only: bool,
    /// Whether users come by IAM Identity Center.
    pub identity_center: bool,
    /// The security groups of its apps: the domain's, and those of each profile that has others.
    pub groups: Vec<Vec<String>>,
    /// The security groups of NFS: that of the file system, that of the apps.
    pub nfs: Option<(String, String)>,
    /// The interfaces of the file system's mount targets.
    pub mount_targets: Vec<String>,
    /// The execution roles of its apps.
    pub roles: Vec<String>,
    /// The names of its user profiles.
    pub profiles: Vec<String>,
    /// Whether a space of it is open to remote access.
    pub remote_access: bool,
}

/// A notebook instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notebook {
    /// Its name.
    pub name: String,
    /// Its role's ARN.
    pub role: String,
    /// Its network interface in a subnet, if it has one.
    pub interface: Option<String>,
    /// Whether it reaches the internet by itself.
    pub direct_internet: bool,
    /// Its Elastic Inference accelerators.
    pub accelerators: Vec<String>,
}

/// A role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Whether SageMaker may assume it.
    pub trust: Trust,
    /// Its trust policy.
    pub document: String,
}

/// Whether a role trusts SageMaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It does.
    Given,
    /// Its trust policy does not let SageMaker in.
    Refused,
    /// There is no such role.
    Missing,
}

/// Whose policy is asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    /// A role's permission, by its ARN.
    Role(String),
    /// The policy of a VPC endpoint, `vpce-…`, of nobody in particular.
    Endpoint(String),
}

/// A question for policies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Question {
    /// Whose.
    pub whose: Whose,
    /// The action.
    pub action: &'static str,
    /// On which resource; none is `*`.
    pub resource: Option<String>,
    /// Other resources by which an endpoint's policy may name the same.
    pub alternates: Vec<String>,
    /// Condition keys of the call.
    pub keys: Vec<(&'static str, String)>,
}

/// What a policy says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it allows.
    pub allowed: bool,
    /// Whether a statement denies it, which no other can undo.
    pub denied: bool,
    /// Why not.
    pub text: String,
}

impl Snapshot {
    /// What policies say. What was not asked is not allowed.
    pub(crate) fn verdict(&self, question: &Question) -> Verdict {
        let unasked = || Verdict {
            allowed: false,
            denied: false,
            text: "the policies were not asked".to_owned(),
        };
        self.verdicts.get(question).cloned().unwrap_or_else(unasked)
    }

    pub(crate) fn subnet(&self, id: &str) -> Option<&Subnet> {
        self.topology.subnets.get(id)
    }

    pub(crate) fn interface(&self, id: &str) -> Option<&Interface> {
        self.topology.interfaces.get(id)
    }

    /// The service of a short name: `sagemaker.api`, `studio`.
    pub(crate) fn service(&self, short: &str) -> Option<&Service> {
        let end = format!(".{}.{short}", self.region);
        self.services.iter().find(|it| it.name.ends_with(&end))
    }

    /// The name of a service that may not be offered here.
    pub(crate) fn service_name(&self, short: &str) -> String {
        match self.service(short) {
            Some(service) => service.name.clone(),
            None if self.region.starts_with("cn-") => {
                format!("cn.com.amazonaws.{}.{short}", self.region)
            }
            None => format!("com.amazonaws.{}.{short}", self.region),
        }
    }

    /// The interface endpoints of a service in a VPC.
    pub(crate) fn endpoints<'a>(
        &'a self,
        vpc: &'a str,
        short: &str,
    ) -> Vec<(&'a String, &'a Endpoint)> {
        let end = format!(".{}.{short}", self.region);
        let own = self.topology.endpoints.iter().filter(|(_, it)| {
            it.vpc == vpc
                && it.service.ends_with(&end)
                && matches!(it.kind, EndpointKind::Interface { .. })
        });
        own.collect()
    }

    /// The zones and subnets in which an endpoint has interfaces.
    pub(crate) fn places(&self, endpoint: &Endpoint) -> Vec<(String, String)> {
        let EndpointKind::Interface { interfaces, .. } = &endpoint.kind else { return Vec::new() };
        let found = interfaces.iter().filter_map(|id| {
            let subnet = &self.interface(id)?.subnet;
            Some((self.subnet(subnet)?.zone.clone(), subnet.clone()))
        });
        found.collect()
    }

    /// The first of these subnets in each zone that has an address left.
    pub(crate) fn one_a_zone(&self, subnets: &[String]) -> Vec<String> {
        let mut zones = Vec::new();
        let mut first = Vec::new();
        for id in subnets {
            let Some(subnet) = self.subnet(id) else { continue };
            if self.free.get(id) != Some(&0) && !zones.contains(&subnet.zone) {
                zones.push(subnet.zone.clone());
                first.push(id.clone());
            }
        }
        first
    }

    /// The service's name as a client calls it, with an id in the place of any label.
    pub(crate) fn host(service: &Service, label: &str) -> String {
        match service.private_name.strip_prefix("*.") {
            Some(rest) => format!("{label}.{rest}"),
            None => service.private_name.clone(),
        }
    }

    /// Names, as a resolver of one of the VPCs of `topology` has them.
    pub(crate) fn with_names<T>(
        &self,
        topology: &Topology,
        then: impl FnOnce(&Names<'_>) -> T,
    ) -> T {
        let public = |name: &str| public::resolve(&self.public, name);
        let names = Names {
            topology,
            region: &self.region,
            zones: &self.zones,
            public: &public,
            draw: &dns::first,
        };
        then(&names)
    }
}
