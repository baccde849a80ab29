//! What SageMaker has in the networks of an account: its domains, notebook instances and their roles, for
//! whoever looks a set-up over. Reads only.

use sagegate_api::sagemaker::{
    AppNetworkAccessType, AuthMode, DirectInternetAccess, DomainStatus, UserSettings,
};
use sagegate_gate::env::Time;
use sagegate_gate::{Fault, Scope};
use sagegate_store::Read;

use super::named;
use super::neighbours::SERVICE;
use super::notebook_records::{NOTEBOOKS, NotebookRecord};
use super::records::{DOMAINS, DomainRecord, HOME_FILE_SYSTEMS, PROFILES};
use super::space_defaults::Defaults;
use super::space_records::SPACES;
use crate::iam::service_role::{self, Visit};
use crate::iam::trust;
use crate::sts::role::RoleArn;

/// A domain in its network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DomainFacts {
    /// `d-…`.
    pub id: String,
    /// The ARN.
    pub arn: String,
    /// The VPC.
    pub vpc: Option<String>,
    /// Its subnets.
    pub subnets: Vec<String>,
    /// Whether apps have the VPC alone.
    pub vpc_only: bool,
    /// Whether users come by IAM Identity Center.
    pub identity_center: bool,
    /// The security groups of apps, once each: by default, of profiles that have others, of shared
    /// spaces.
    pub groups: Vec<Vec<String>>,
    /// The security groups of NFS traffic: that of the file system, that of the apps.
    pub nfs: Option<(String, String)>,
    /// The network interfaces of the home file system.
    pub mount_targets: Vec<String>,
    /// The execution roles of apps, once each.
    pub roles: Vec<String>,
    /// The user profiles.
    pub profiles: Vec<String>,
    /// Whether a space has remote access.
    pub remote_access: bool,
}

/// A notebook instance in its network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotebookFacts {
    /// The name.
    pub name: String,
    /// The ARN.
    pub arn: String,
    /// Its role's ARN.
    pub role: String,
    /// Its network interface in a subnet.
    pub interface: Option<String>,
    /// Whether it reaches the internet by itself.
    pub direct_internet: bool,
    /// Its Elastic Inference accelerators.
    pub accelerators: Vec<String>,
}

/// A role that SageMaker is to assume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleFacts {
    /// The name.
    pub name: String,
    /// Its trust policy, as answers show it.
    pub trust_policy: String,
    /// Whether that lets SageMaker in.
    pub trusts: bool,
}

/// All domains but those that are being deleted.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn domains(state: &dyn Read, scope: &Scope) -> Result<Vec<DomainFacts>, Fault> {
    let within = (scope.account.as_str(), scope.region.as_str());
    let found = DOMAINS.scan(state, &within, None, usize::MAX)?;
    let alive =
        found.into_iter().map(|(_, it)| it).filter(|it| it.status.0 != DomainStatus::Deleting);
    alive.map(|it| domain(state, scope, &it)).collect()
}

fn domain(state: &dyn Read, scope: &Scope, record: &DomainRecord) -> Result<DomainFacts, Fault> {
    let (account, region, id) = (scope.account.as_str(), scope.region.as_str(), record.id.as_str());
    let mut facts = DomainFacts {
        id: id.to_owned(),
        arn: record.id.arn(scope),
        vpc: record.vpc_id.clone(),
        subnets: record.subnet_ids.clone(),
        vpc_only: record.app_network_access_type.0 == AppNetworkAccessType::VpcOnly,
        identity_center: record.auth_mode.0 == AuthMode::Sso,
        nfs: record.nfs_groups.clone(),
        ..DomainFacts::default()
    };
    facts.add(&record.default_user_settings.0);
    for (_, profile) in PROFILES.scan(state, &(account, region, id), None, usize::MAX)? {
        facts.add(Defaults::of_profile(record, &profile)?.settings());
        facts.profiles.push(profile.name);
    }
    if record.default_space_settings.is_some() {
        facts.add(Defaults::of_shared(record).settings());
    }
    let spaces = SPACES.scan(state, &(account, region, id), None, usize::MAX)?;
    facts.remote_access = spaces.iter().any(|(_, space)| space.remote_access());
    if let Some(home) = &record.home_efs_id {
        let home = HOME_FILE_SYSTEMS.get(state, &(account, region, home.as_str()))?;
        let targets = home.into_iter().flat_map(|it| it.mount_targets);
        facts.mount_targets = targets.map(|it| it.interface).collect();
    }
    Ok(facts)
}

impl DomainFacts {
    fn add(&mut self, settings: &UserSettings) {
        let groups = settings.security_groups.clone().unwrap_or_default();
        if !self.groups.contains(&groups) {
            self.groups.push(groups);
        }
        let role = settings.execution_role.iter().filter(|role| !self.roles.contains(role));
        let role: Vec<String> = role.cloned().collect();
        self.roles.extend(role);
    }
}

/// All notebook instances.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn notebooks(state: &dyn Read, scope: &Scope) -> Result<Vec<NotebookFacts>, Fault> {
    let within = (scope.account.as_str(), scope.region.as_str());
    let found = NOTEBOOKS.scan(state, &within, None, usize::MAX)?;
    let one = |record: NotebookRecord| NotebookFacts {
        arn: named::arn::<NotebookRecord>(scope, &record.name),
        role: record.role,
        interface: record.interface,
        direct_internet: record.direct_internet.0 == DirectInternetAccess::Enabled,
        accelerators: record.accelerators.iter().map(|it| it.0.to_string()).collect(),
        name: record.name,
    };
    Ok(found.into_iter().map(|(_, record)| one(record)).collect())
}

/// The role of this ARN, as SageMaker meets it for a resource; `None` where there is none.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn role(
    state: &dyn Read,
    scope: &Scope,
    arn: &str,
    source_arn: &str,
    now: Time,
) -> Result<Option<RoleFacts>, Fault> {
    let own = RoleArn::parse(arn, &scope.region).filter(|it| it.scope.account == scope.account);
    let Some(own) = own else { return Ok(None) };
    let Some(role) = own.find(state)? else { return Ok(None) };
    let visit = Visit {
        service: SERVICE,
        source_arn,
        session_name: "SageMaker",
        source_identity: None,
        now,
    };
    let trusts = service_role::trusting(state, scope, arn, &visit)?.is_some();
    let trust_policy = trust::shown(state, scope, &role.trust)?;
    Ok(Some(RoleFacts { name: role.name, trust_policy, trusts }))
}
