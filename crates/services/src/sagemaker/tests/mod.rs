//! Tests of the operations through a whole gate, a file for each family.

mod app_doors;
mod app_interfaces;
mod apps;
mod domains;
mod images;
mod laws;
mod network;
mod notebooks;
mod own_calls;
mod ownership;
mod permissions;
mod profiles;
mod remote;
mod sessions;
mod spaces;
mod studio;
mod studio_lifecycle;
mod tags;
mod updates;
mod workload;

use std::pin::Pin;
use std::sync::Arc;

use sagegate_api::{ec2 as ec2_api, iam as iam_api, sagemaker as api};
use sagegate_gate::directory::EndpointPolicies;
use sagegate_gate::{Fault, Gate, Reaction};
use sagegate_network::Arrival;
use sagegate_store::Tx;

use super::create_app::CreateApp;
use super::create_domain::CreateDomain;
use super::ids::DomainId;
use super::lifecycle::{self, Lifecycle};
use super::read_domain::DescribeDomain;
use super::read_profile::DescribeUserProfile;
use super::records::DOORS;
use super::shapes::{Stored, Word};
use super::site::{self, Site};
use super::space_records::{self, AppRecord, SpaceRecord};
use super::write_profile::CreateUserProfile;
use super::write_space::CreateSpace;
use crate::binding::Binding;
use crate::ec2::endpoint::EndpointListener;
use crate::iam::roles::CreateRole;
use crate::iam::service_linked::CreateServiceLinkedRole;
use crate::testing::{House, START};

/// A house with a network and a role that SageMaker may assume.
struct Estate {
    house: House,
    vpc: String,
    subnet: String,
    group: String,
    role: String,
}

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow",
    "Principal":{"Service":"sagemaker.amazonaws.com"},"Action":"sts:AssumeRole"}}"#;

/// Binds doors as a server does, each as soon as it is there.
struct Bind;

impl Reaction for Bind {
    fn tables(&self) -> &'static [&'static str] {
        const TABLES: &[&str] = &[DOORS.name()];
        TABLES
    }

    fn react<'a>(&'a self, gate: &'a Gate) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async { drop(gate.commit(|tx| bind_all(tx, &Binding::Bound)).await.unwrap()) })
    }
}

/// Has all doors come to this.
fn bind_all(tx: &mut Tx, binding: &Binding) -> Result<(), Fault> {
    for (address, _) in site::doors(tx)? {
        site::settle(tx, address, binding)?;
    }
    Ok(())
}

impl Estate {
    /// One whose resources are brought forward as soon as work is noted.
    fn new() -> Self {
        let estate = Self::standing_still();
        // The account is no new one: what its first domain brings is there.
        estate.house.ok::<CreateServiceLinkedRole>(iam_api::CreateServiceLinkedRoleRequest {
            aws_service_name: "sagemaker.amazonaws.com".into(),
            ..Default::default()
        });
        estate.house.gate.follow(vec![Arc::new(Bind), Arc::new(Lifecycle)]);
        estate
    }

    /// One in which nothing happens by itself.
    fn standing_still() -> Self {
        let endpoints: Arc<dyn EndpointPolicies> = Arc::new(crate::ec2::Endpoints::default());
        let house = House::with_endpoints(endpoints);
        house.transact(|tx| {
            Site {
                scheme: "http".into(),
                public_host: "127.0.0.1:4566".into(),
                public_port: 4566,
                loopback_range: true,
                studio_names: false,
            }
            .write(tx)
        });
        let vpc = vpc(&house, "10.0.0.0/16");
        let subnet = subnet(&house, &vpc, "10.0.1.0/24");
        let group = house
            .ok::<crate::ec2::security_group::CreateSecurityGroup>(
                ec2_api::CreateSecurityGroupRequest {
                    description: "d".into(),
                    group_name: "studio".into(),
                    vpc_id: Some(vpc.clone()),
                    ..Default::default()
                },
            )
            .group_id
            .unwrap();
        let role = role(&house, "exec", TRUST);
        Self { house, vpc, subnet, group, role }
    }

    fn domain_request(&self, name: &str) -> api::CreateDomainRequest {
        api::CreateDomainRequest {
            domain_name: name.into(),
            auth_mode: api::AuthMode::Iam,
            default_user_settings: api::UserSettings {
                execution_role: Some(self.role.clone()),
                security_groups: Some(vec![self.group.clone()]),
                ..Default::default()
            },
            vpc_id: Some(self.vpc.clone()),
            subnet_ids: Some(vec![self.subnet.clone()]),
            ..Default::default()
        }
    }

    /// Makes a domain; its id.
    #[track_caller]
    fn domain(&self, name: &str) -> String {
        self.house.ok::<CreateDomain>(self.domain_request(name)).domain_id.unwrap()
    }

    /// Makes a user profile.
    #[track_caller]
    fn profile(&self, domain: &str, name: &str) -> String {
        let made = self.house.ok::<CreateUserProfile>(profile_request(domain, name));
        made.user_profile_arn.unwrap()
    }

    #[track_caller]
    fn describe(&self, domain: &str) -> api::DescribeDomainResponse {
        self.house.ok::<DescribeDomain>(describe(domain))
    }

    #[track_caller]
    fn describe_profile(&self, domain: &str, name: &str) -> api::DescribeUserProfileResponse {
        self.house.ok::<DescribeUserProfile>(describe_profile(domain, name))
    }

    /// What a runtime does: everything that is wanted serves, everything that is not has stopped.
    fn run_apps(&self) {
        use super::workload::{self, Observed, Wanted};
        for it in workload::desired(&self.house.state()).unwrap() {
            let seen = match it.state {
                Wanted::Run => Observed::Serving,
                Wanted::Stop => Observed::Stopped,
            };
            self.house.within(|tx, within| workload::report(tx, within, &it.id, &seen));
        }
    }

    /// Makes a space of this owner and its app, which serves.
    #[track_caller]
    fn running_space(&self, domain: &str, name: &str, owner: &str) -> String {
        let made = self.house.ok::<CreateSpace>(private_space(domain, name, owner));
        self.house.ok::<CreateApp>(app_request(domain, name));
        self.run_apps();
        made.space_arn.unwrap()
    }

    /// Binds the doors and does what is noted.
    fn advance(&self) -> usize {
        self.house.transact(|tx| bind_all(tx, &Binding::Bound));
        self.advance_only()
    }

    /// Does what is noted.
    fn advance_only(&self) -> usize {
        let noted = lifecycle::noted(&self.house.state()).unwrap();
        for work in &noted {
            let gate = &self.house.gate;
            let done = gate.transact_within(|tx, within| lifecycle::advance(tx, within, work));
            self.house.wait(done).unwrap();
        }
        noted.len()
    }

    /// Makes an endpoint in the estate's subnet whose address is bound; its listener there.
    fn endpoint(&self, service: &str) -> EndpointListener {
        let made = self.house.ok::<crate::ec2::endpoint::create::CreateVpcEndpoint>(
            ec2_api::CreateVpcEndpointRequest {
                vpc_endpoint_type: Some(ec2_api::VpcEndpointType::Interface),
                vpc_id: self.vpc.clone(),
                service_name: Some(service.into()),
                subnet_ids: Some(vec![self.subnet.clone()]),
                private_dns_enabled: Some(false),
                ..Default::default()
            },
        );
        let id = made.vpc_endpoint.unwrap().vpc_endpoint_id.unwrap();
        let scope = self.house.scope();
        self.house
            .transact(|tx| crate::ec2::endpoint::settle(tx, &scope, &id, &|_| Binding::Bound));
        let state = self.house.state();
        let found = crate::ec2::endpoint::listeners_of(&state, &scope, &id).unwrap();
        found.into_iter().next().unwrap()
    }
}

/// A space of a user profile, as it is stored, with remote access.
fn stored_space(estate: &Estate, domain: &str, name: &str, owner: &str) -> SpaceRecord {
    let record = SpaceRecord {
        domain: DomainId::parse(domain).unwrap(),
        name: name.into(),
        incarnation: estate.house.gate.env().uuid(),
        created: START,
        modified: START,
        status: Word(api::SpaceStatus::InService),
        failure_reason: None,
        efs_uid: None,
        display_name: None,
        owner: Some(owner.into()),
        sharing: Some(Word(api::SharingType::Private)),
        settings: Stored(api::SpaceSettings {
            remote_access: Some(api::FeatureStatus::Enabled),
            ..Default::default()
        }),
    };
    let scope = estate.house.scope();
    estate.house.transact(|tx| Ok(space_records::put_space(tx, &scope, &record)?));
    record
}

fn space_request(domain: &str, name: &str) -> api::CreateSpaceRequest {
    api::CreateSpaceRequest {
        domain_id: domain.into(),
        space_name: name.into(),
        ..Default::default()
    }
}

/// A request for a private space with remote access, of an app type that has it.
fn private_space(domain: &str, name: &str, owner: &str) -> api::CreateSpaceRequest {
    api::CreateSpaceRequest {
        ownership_settings: Some(api::OwnershipSettings { owner_user_profile_name: owner.into() }),
        space_sharing_settings: Some(api::SpaceSharingSettings {
            sharing_type: api::SharingType::Private,
        }),
        space_settings: Some(api::SpaceSettings {
            app_type: Some(api::AppType::JupyterLab),
            remote_access: Some(api::FeatureStatus::Enabled),
            ..Default::default()
        }),
        ..space_request(domain, name)
    }
}

fn update_space(domain: &str, name: &str, settings: api::SpaceSettings) -> api::UpdateSpaceRequest {
    api::UpdateSpaceRequest {
        domain_id: domain.into(),
        space_name: name.into(),
        space_settings: Some(settings),
        space_display_name: None,
    }
}

fn remote(status: api::FeatureStatus) -> api::SpaceSettings {
    api::SpaceSettings { remote_access: Some(status), ..Default::default() }
}

fn describe_space(domain: &str, name: &str) -> api::DescribeSpaceRequest {
    api::DescribeSpaceRequest { domain_id: domain.into(), space_name: name.into() }
}

/// A request for the JupyterLab app of a space, on an instance with memory enough.
fn app_request(domain: &str, space: &str) -> api::CreateAppRequest {
    api::CreateAppRequest {
        domain_id: domain.into(),
        space_name: Some(space.into()),
        app_type: api::AppType::JupyterLab,
        app_name: "default".into(),
        resource_spec: Some(on("ml.t3.large")),
        ..Default::default()
    }
}

fn on(instance_type: &str) -> api::ResourceSpec {
    api::ResourceSpec { instance_type: Some(instance_type.into()), ..Default::default() }
}

fn describe_app(of: &api::CreateAppRequest) -> api::DescribeAppRequest {
    api::DescribeAppRequest {
        domain_id: of.domain_id.clone(),
        user_profile_name: of.user_profile_name.clone(),
        space_name: of.space_name.clone(),
        app_type: of.app_type,
        app_name: of.app_name.clone(),
    }
}

fn delete_app(of: &api::CreateAppRequest) -> api::DeleteAppRequest {
    api::DeleteAppRequest {
        domain_id: of.domain_id.clone(),
        user_profile_name: of.user_profile_name.clone(),
        space_name: of.space_name.clone(),
        app_type: of.app_type,
        app_name: of.app_name.clone(),
    }
}

/// An app of this space, as it is stored.
fn stored_app(estate: &Estate, space: &SpaceRecord, status: api::AppStatus) -> AppRecord {
    let record = AppRecord {
        id: format!("app-{}", estate.house.gate.env().uuid()),
        domain: space.domain.clone(),
        owner: space.as_owner(),
        app_type: Word(api::AppType::JupyterLab),
        name: "default".into(),
        created: estate.house.gate.env().now(),
        status: Word(status),
        failure_reason: None,
        deleted: None,
        healthy: None,
        active: None,
        spec: Stored::default(),
        instance_type: "ml.t3.large".into(),
        recovery_mode: false,
        execution_role: estate.role.clone(),
        profile: space.owner.clone(),
        built_in_lifecycle_config: None,
        built_in_script: None,
        script: Some("ZWNobyBoaQ==".into()),
        volume_gb: Some(5),
        idle_minutes: Some(60),
        remote_access: true,
        interface: None,
    };
    let scope = estate.house.scope();
    estate.house.transact(|tx| Ok(space_records::put_app(tx, &scope, &record)?));
    record
}

fn vpc(house: &House, block: &str) -> String {
    let input = ec2_api::CreateVpcRequest { cidr_block: Some(block.into()), ..Default::default() };
    house.ok::<crate::ec2::vpc::CreateVpc>(input).vpc.unwrap().vpc_id.unwrap()
}

fn subnet(house: &House, vpc: &str, block: &str) -> String {
    let input = ec2_api::CreateSubnetRequest {
        vpc_id: vpc.into(),
        cidr_block: Some(block.into()),
        ..Default::default()
    };
    house.ok::<crate::ec2::subnet::CreateSubnet>(input).subnet.unwrap().subnet_id.unwrap()
}

fn role(house: &House, name: &str, trust: &str) -> String {
    let input = iam_api::CreateRoleRequest {
        role_name: name.into(),
        assume_role_policy_document: trust.into(),
        ..Default::default()
    };
    house.ok::<CreateRole>(input).role.unwrap().arn.unwrap()
}

fn describe(domain: &str) -> api::DescribeDomainRequest {
    api::DescribeDomainRequest { domain_id: domain.into() }
}

fn describe_profile(domain: &str, name: &str) -> api::DescribeUserProfileRequest {
    api::DescribeUserProfileRequest { domain_id: domain.into(), user_profile_name: name.into() }
}

fn profile_request(domain: &str, name: &str) -> api::CreateUserProfileRequest {
    api::CreateUserProfileRequest {
        domain_id: domain.into(),
        user_profile_name: name.into(),
        ..Default::default()
    }
}

fn tag(key: &str, value: &str) -> api::Tag {
    api::Tag { key: key.into(), value: value.into() }
}

fn text(fault: &Fault) -> String {
    format!("{} ({}): {}", fault.code, fault.status, fault.message)
}

/// A request through a listener.
fn through(listener: &EndpointListener) -> Arrival {
    Arrival::Endpoint(listener.arrival())
}
