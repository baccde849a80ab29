//! What SageMaker keeps: record types and tables.
//!
//! Keys begin with account and region. User profiles are kept under their names in lower case,
//! since the API calls the name "not case sensitive"; the record has the spelling. Every domain and
//! profile has an incarnation: whatever refers to one (tokens, sessions) holds it, so that one made
//! again under an old name inherits nothing.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use sagegate_api::sagemaker::{
    AppNetworkAccessType, AppSecurityGroupManagement, AuthMode, DefaultSpaceSettings,
    DomainSettings, DomainStatus, HomeEfsFileSystemCreation, RetentionType, TagPropagation,
    UserProfileStatus, UserSettings,
};
use sagegate_gate::env::Time;
use sagegate_gate::{AccountId, Region, Scope};
use sagegate_store::{Read, Record, StoreError, Table, Tx};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ids::DomainId;
use super::shapes::{Stored, Word};
use crate::binding::Binding;

/// Domains by `(account, region, domain id)`.
pub const DOMAINS: Table<(String, String, String), DomainRecord> = Table::new("sagemaker.domain");
/// Domain ids by `(account, region, name in lower case)`.
pub const DOMAIN_NAMES: Table<(String, String, String), String> =
    Table::new("sagemaker.domain-name");
/// User profiles by `(account, region, domain id, name in lower case)`.
pub const PROFILES: Table<(String, String, String, String), ProfileRecord> =
    Table::new("sagemaker.user-profile");
/// The last user id given in a domain's file system, by `(account, region, domain id)`.
pub const EFS_UIDS: Table<(String, String, String), u64> = Table::new("sagemaker.efs-uid");
/// Tags by `(account, region, ARN)`.
pub const TAGS: Table<(String, String, String), TagsRecord> = Table::new("sagemaker.tags");
/// What still has to be done: `(account, region, domain id, what)`, where `what` is a profile's name in
/// lower case, `space/` and that of a space, or nothing for the domain itself. See [`super::lifecycle`].
pub const WORK: Table<(String, String, String, String), ()> = Table::new("sagemaker.work");
/// Public doors by address.
pub const DOORS: Table<String, DoorRecord> = Table::new("sagemaker.door");
/// The address of a door that was given last, under `""`.
pub const LAST_DOOR: Table<String, String> = Table::new("sagemaker.door-last");
/// Home file systems, those of deleted domains included, by `(account, region, file system id)`.
pub const HOME_FILE_SYSTEMS: Table<(String, String, String), HomeFileSystemRecord> =
    Table::new("sagemaker.home-file-system");
/// The home directories of deleted user profiles and spaces that a home file system still holds, by
/// `(account, region, file system id, id of the home)`.
pub const KEPT_HOMES: Table<(String, String, String, String), ()> =
    Table::new("sagemaker.kept-home");

/// Tags of a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TagsRecord(pub BTreeMap<String, String>);

impl Record for TagsRecord {}

/// A domain.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DomainRecord {
    /// The id.
    pub id: DomainId,
    /// Which making of it this is.
    pub incarnation: String,
    /// The name.
    pub name: String,
    /// When it was made.
    pub created: Time,
    /// When it was last changed.
    pub modified: Time,
    /// The life-cycle's state.
    pub status: Word<DomainStatus>,
    /// Why it failed.
    #[serde(default)]
    pub failure_reason: Option<String>,
    /// How users sign in.
    pub auth_mode: Word<AuthMode>,
    /// What profiles inherit when their settings are used.
    pub default_user_settings: Stored<UserSettings>,
    /// Settings of the domain itself.
    #[serde(default)]
    pub domain_settings: Option<Stored<DomainSettings>>,
    /// What shared spaces inherit.
    #[serde(default)]
    pub default_space_settings: Option<Stored<DefaultSpaceSettings>>,
    /// By which network apps reach the internet.
    pub app_network_access_type: Word<AppNetworkAccessType>,
    /// The VPC.
    #[serde(default)]
    pub vpc_id: Option<String>,
    /// Its subnets.
    #[serde(default)]
    pub subnet_ids: Vec<String>,
    /// The key of the home file system.
    #[serde(default)]
    pub kms_key_id: Option<String>,
    /// Who makes the security groups of apps.
    #[serde(default)]
    pub app_security_group_management: Option<Word<AppSecurityGroupManagement>>,
    /// Whether there is a home file system.
    pub home_efs_creation: Word<HomeEfsFileSystemCreation>,
    /// Whether tags go on to apps and spaces.
    pub tag_propagation: Word<TagPropagation>,
    /// The home file system, once it is made.
    #[serde(default)]
    pub home_efs_id: Option<String>,
    /// The security groups of NFS traffic: that of the file system, that of the apps.
    #[serde(default)]
    pub nfs_groups: Option<(String, String)>,
    /// The security group between RStudio's server and its sessions.
    #[serde(default)]
    pub boundary_group: Option<String>,
    /// The loopback address of its public door.
    pub door: Ipv4Addr,
    /// What becomes of the file system; set by DeleteDomain.
    #[serde(default)]
    pub retention: Option<Word<RetentionType>>,
    /// The request whose work is under way, or was last: what is done for the domain is recorded as
    /// done for it.
    #[serde(default)]
    pub cause: Option<String>,
}

impl Record for DomainRecord {}

/// A user profile.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProfileRecord {
    /// Its domain.
    pub domain: DomainId,
    /// The name as spelled at its making.
    pub name: String,
    /// Which making of it this is.
    pub incarnation: String,
    /// When it was made.
    pub created: Time,
    /// When it was last changed.
    pub modified: Time,
    /// The life-cycle's state.
    pub status: Word<UserProfileStatus>,
    /// Why it failed.
    #[serde(default)]
    pub failure_reason: Option<String>,
    /// The POSIX user of its home directory, once it has one.
    #[serde(default)]
    pub efs_uid: Option<u64>,
    /// The name of the Identity Center user, in a domain of that mode.
    #[serde(default)]
    pub sso_user: Option<String>,
    /// Its own settings; the domain's defaults are laid under them when they are used.
    #[serde(default)]
    pub settings: Option<Stored<UserSettings>>,
}

impl Record for ProfileRecord {}

/// A public door.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoorRecord {
    /// The account of what it is the door of.
    pub account: AccountId,
    /// Its region.
    pub region: Region,
    /// What it is the door of.
    pub of: DoorOf,
    /// Whether the address is listened on.
    #[serde(default)]
    pub binding: Binding,
}

/// What a door is the door of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DoorOf {
    /// A domain.
    Domain(DomainId),
    /// A notebook instance, by its name in lower case.
    Notebook(String),
}

impl DoorOf {
    /// The domain, if it is one.
    #[must_use]
    pub fn domain(&self) -> Option<&DomainId> {
        match self {
            Self::Domain(id) => Some(id),
            Self::Notebook(_) => None,
        }
    }
}

impl Record for DoorRecord {
    const VERSION: u32 = 2;

    /// The first version knew doors of domains only, as a member `domain`.
    fn upgrade(from: u32, mut value: Value) -> Result<Value, String> {
        let door = value.as_object_mut().filter(|_| from == 1);
        let door = door.ok_or("a door of a version that never was")?;
        let domain = door.remove("domain").ok_or("a door without a domain")?;
        door.insert("of".to_owned(), json!({ "domain": domain }));
        Ok(value)
    }
}

/// A home file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HomeFileSystemRecord {
    /// The ARN of the domain that it was made for.
    pub domain_arn: String,
    /// When it was made.
    pub created: Time,
    /// Its key.
    #[serde(default)]
    pub kms_key_id: Option<String>,
    /// Whether its domain is gone and the data were to be kept.
    #[serde(default)]
    pub retained: bool,
    /// Where it is reached.
    #[serde(default)]
    pub mount_targets: Vec<MountTarget>,
}

/// Where a file system is reached in an Availability Zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountTarget {
    /// The id, `fsmt-…`.
    pub id: String,
    /// Its subnet.
    pub subnet: String,
    /// Its network interface.
    pub interface: String,
}

impl Record for HomeFileSystemRecord {}

/// The domain of this id.
///
/// # Errors
/// [`StoreError`] if it cannot be read.
pub fn domain(
    state: &dyn Read,
    scope: &Scope,
    id: &DomainId,
) -> Result<Option<DomainRecord>, StoreError> {
    Ok(shared_domain(state, scope, id)?.map(Arc::unwrap_or_clone))
}

/// As [`domain`], for who only looks at it: a domain has kilobytes of settings.
///
/// # Errors
/// [`StoreError`] if it cannot be read.
pub fn shared_domain(
    state: &dyn Read,
    scope: &Scope,
    id: &DomainId,
) -> Result<Option<Arc<DomainRecord>>, StoreError> {
    DOMAINS.get_shared(state, &(scope.account.as_str(), scope.region.as_str(), id.as_str()))
}

/// Writes a domain back.
///
/// # Errors
/// [`StoreError`] if it cannot be encoded.
pub fn put_domain(tx: &mut Tx, scope: &Scope, record: &DomainRecord) -> Result<(), StoreError> {
    let key = (scope.account.as_str(), scope.region.as_str(), record.id.as_str());
    DOMAINS.put(tx, &key, record)
}

/// The user profile of this name, whatever its case.
///
/// # Errors
/// [`StoreError`] if it cannot be read.
pub fn profile(
    state: &dyn Read,
    scope: &Scope,
    domain: &DomainId,
    name: &str,
) -> Result<Option<ProfileRecord>, StoreError> {
    let name = name.to_ascii_lowercase();
    let (account, region) = (scope.account.as_str(), scope.region.as_str());
    PROFILES.get_kept(state, &(account, region, domain.as_str(), name.as_str()))
}

/// Writes a profile back.
///
/// # Errors
/// [`StoreError`] if it cannot be encoded.
pub fn put_profile(tx: &mut Tx, scope: &Scope, record: &ProfileRecord) -> Result<(), StoreError> {
    let name = record.name.to_ascii_lowercase();
    let (account, region) = (scope.account.as_str(), scope.region.as_str());
    PROFILES.put(tx, &(account, region, record.domain.as_str(), name.as_str()), record)
}

/// The tags of a resource.
///
/// # Errors
/// [`StoreError`] if they cannot be read.
pub fn tags(
    state: &dyn Read,
    scope: &Scope,
    arn: &str,
) -> Result<BTreeMap<String, String>, StoreError> {
    let key = (scope.account.as_str(), scope.region.as_str(), arn);
    Ok(TAGS.get(state, &key)?.unwrap_or_default().0)
}

/// Sets the tags of a resource.
///
/// # Errors
/// [`StoreError`] if they cannot be encoded.
pub fn put_tags(
    tx: &mut Tx,
    scope: &Scope,
    arn: &str,
    tags: BTreeMap<String, String>,
) -> Result<(), StoreError> {
    let key = (scope.account.as_str(), scope.region.as_str(), arn);
    if tags.is_empty() {
        TAGS.delete(tx, &key);
        return Ok(());
    }
    TAGS.put(tx, &key, &TagsRecord(tags))
}

/// Notes that the life-cycle of a domain, or of a profile in it, has work to do.
///
/// # Errors
/// [`StoreError`] if it cannot be encoded.
pub fn put_work(
    tx: &mut Tx,
    scope: &Scope,
    domain: &DomainId,
    profile: &str,
) -> Result<(), StoreError> {
    let profile = profile.to_ascii_lowercase();
    let key = (scope.account.as_str(), scope.region.as_str(), domain.as_str(), profile.as_str());
    WORK.put(tx, &key, &())
}
