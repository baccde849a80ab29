//! What SageMaker keeps of spaces and apps: record types and tables.
//!
//! Names of spaces are kept in lower case, as those of user profiles are. An app's name may be given
//! again while the app that had it is still stopping, so every making of an app, an incarnation, has a
//! record of its own under an id that no other ever gets.

use sagegate_api::sagemaker::{AppStatus, AppType, ResourceSpec, SharingType, SpaceSettings};
use sagegate_api::sagemaker::{FeatureStatus, SpaceStatus};
use sagegate_gate::env::Time;
use sagegate_gate::{AccountId, Fault, Region, Scope};
use sagegate_store::{Read, Record, StoreError, Table, Tx};
use serde::{Deserialize, Serialize};

use super::ids::{DomainId, app_arn, profile_arn, space_arn};
use super::records;
use super::shapes::{Stored, Word};

/// Spaces by `(account, region, domain id, name in lower case)`.
pub const SPACES: Table<(String, String, String, String), SpaceRecord> =
    Table::new("sagemaker.space");
/// Apps by `(account, region, place of the owner, id)`; see [`Owner::place`].
pub const APPS: Table<(String, String, String, String), AppRecord> = Table::new("sagemaker.app");
/// Where the app with an id is kept.
pub const APP_PLACES: Table<String, AppPlace> = Table::new("sagemaker.app-place");

/// For how long a deleted app is still listed, in seconds (SPEC 2.5: "for a while").
pub const DELETED_SHOWN: i64 = 86_400;

/// What stands before a space's name where its work is noted; see [`records::WORK`].
pub(super) const SPACE_WORK: &str = "space/";

/// A space.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SpaceRecord {
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
    pub status: Word<SpaceStatus>,
    /// Why it failed.
    #[serde(default)]
    pub failure_reason: Option<String>,
    /// The POSIX user of its home directory, once it has one.
    #[serde(default)]
    pub efs_uid: Option<u64>,
    /// How Studio shows its name.
    #[serde(default)]
    pub display_name: Option<String>,
    /// The user profile that owns it, as spelled at the profile's making.
    #[serde(default)]
    pub owner: Option<String>,
    /// Whether others may use it. A space of Studio Classic has nothing here and is shared.
    #[serde(default)]
    pub sharing: Option<Word<SharingType>>,
    /// Its settings; the defaults of its owner or domain are laid under them when they are used.
    #[serde(default)]
    pub settings: Stored<SpaceSettings>,
}

impl Record for SpaceRecord {}

impl SpaceRecord {
    /// The ARN.
    #[must_use]
    pub fn arn(&self, scope: &Scope) -> String {
        space_arn(scope, &self.domain, &self.name)
    }

    /// The owner of its apps.
    #[must_use]
    pub fn as_owner(&self) -> Owner {
        Owner::Space { name: self.name.clone(), incarnation: self.incarnation.clone() }
    }

    /// The user profile whose settings and execution role its apps have: that of a private space's
    /// owner. A shared space has those of its domain.
    #[must_use]
    pub fn private_to(&self) -> Option<&str> {
        let private = self.sharing.map(|it| it.0) == Some(SharingType::Private);
        self.owner.as_deref().filter(|_| private)
    }

    /// Whether its files are on the domain's file system. Spaces for JupyterLab and Code Editor have a
    /// volume of their own, which goes with them ("Amazon SageMaker AI Developer Guide", "Amazon
    /// SageMaker Studio spaces").
    #[must_use]
    pub fn is_on_file_system(&self) -> bool {
        !matches!(self.settings.0.app_type, Some(AppType::JupyterLab | AppType::CodeEditor))
    }

    /// Whether `RemoteAccess` is ENABLED.
    #[must_use]
    pub fn remote_access(&self) -> bool {
        self.settings.0.remote_access == Some(FeatureStatus::Enabled)
    }
}

/// What an app belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Owner {
    /// A space.
    Space {
        /// Its name as spelled at its making.
        name: String,
        /// Which making of it.
        incarnation: String,
    },
    /// A user profile.
    Profile {
        /// Its name as spelled at its making.
        name: String,
        /// Which making of it.
        incarnation: String,
    },
}

impl Owner {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Space { name, .. } | Self::Profile { name, .. } => name,
        }
    }

    /// Which making of it.
    #[must_use]
    pub fn incarnation(&self) -> &str {
        match self {
            Self::Space { incarnation, .. } | Self::Profile { incarnation, .. } => incarnation,
        }
    }

    /// Whether it is a space.
    #[must_use]
    pub fn is_space(&self) -> bool {
        matches!(self, Self::Space { .. })
    }

    /// The ARN.
    #[must_use]
    pub fn arn(&self, scope: &Scope, domain: &DomainId) -> String {
        match self {
            Self::Space { name, .. } => space_arn(scope, domain, name),
            Self::Profile { name, .. } => profile_arn(scope, domain, name),
        }
    }

    /// The id of the home directory, of `a-z`, `0-9` and `-`: the same for as long as the space or
    /// profile exists, and never that of another one under the same name.
    #[must_use]
    pub fn home(&self) -> String {
        match self {
            Self::Space { incarnation, .. } => format!("space-{incarnation}"),
            Self::Profile { incarnation, .. } => format!("profile-{incarnation}"),
        }
    }

    /// The part of keys that stands for the owner: `d-…/space/name` or `d-…/profile/name`, the name in
    /// lower case. No name has a slash.
    #[must_use]
    pub fn place(&self, domain: &DomainId) -> String {
        let kind = if self.is_space() { "space" } else { "profile" };
        format!("{domain}/{kind}/{}", self.name().to_ascii_lowercase())
    }
}

/// An incarnation of an app.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AppRecord {
    /// The id of this incarnation: `app-` and a UUID.
    pub id: String,
    /// Its domain.
    pub domain: DomainId,
    /// What it belongs to.
    pub owner: Owner,
    /// The kind.
    pub app_type: Word<AppType>,
    /// The name as spelled at its making.
    pub name: String,
    /// When it was made.
    pub created: Time,
    /// The life-cycle's state.
    pub status: Word<AppStatus>,
    /// Why it failed.
    #[serde(default)]
    pub failure_reason: Option<String>,
    /// When it was gone, for one that is Deleted.
    #[serde(default)]
    pub deleted: Option<Time>,
    /// When it was last seen to serve.
    #[serde(default)]
    pub healthy: Option<Time>,
    /// When its user last did something.
    #[serde(default)]
    pub active: Option<Time>,
    /// What it runs on and with: that of the request over the defaults of that time.
    pub spec: Stored<ResourceSpec>,
    /// The instance type, that of `spec` or the service's default.
    pub instance_type: String,
    /// Whether it was started without its lifecycle configurations, to be repaired.
    #[serde(default)]
    pub recovery_mode: bool,
    /// The execution role.
    pub execution_role: String,
    /// The user profile whose name its credentials carry; nothing for a shared space.
    #[serde(default)]
    pub profile: Option<String>,
    /// The ARN of the lifecycle configuration that runs before that of `spec`.
    #[serde(default)]
    pub built_in_lifecycle_config: Option<String>,
    /// The script of that configuration, in base64.
    #[serde(default)]
    pub built_in_script: Option<String>,
    /// The script of the lifecycle configuration of `spec`, in base64.
    #[serde(default)]
    pub script: Option<String>,
    /// The size of its space's volume, in GiB.
    #[serde(default)]
    pub volume_gb: Option<i32>,
    /// After how many minutes without activity it is shut down.
    #[serde(default)]
    pub idle_minutes: Option<u32>,
    /// Whether its space's `RemoteAccess` was ENABLED when it was started.
    #[serde(default)]
    pub remote_access: bool,
    /// Its network interface in a subnet of its domain, where the domain is VpcOnly.
    #[serde(default)]
    pub interface: Option<String>,
}

impl Record for AppRecord {}

impl AppRecord {
    /// The ARN.
    #[must_use]
    pub fn arn(&self, scope: &Scope) -> String {
        app_arn(scope, &self.domain, self.owner.name(), self.app_type.0, &self.name)
    }

    /// Whether a name that a request gives is this app's.
    #[must_use]
    pub fn is_named(&self, app_type: AppType, name: &str) -> bool {
        self.app_type.0 == app_type && self.name.eq_ignore_ascii_case(name)
    }

    /// Whether it runs, is to run, or is still being stopped.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        matches!(self.status.0, AppStatus::Pending | AppStatus::InService | AppStatus::Deleting)
    }

    /// Whether it is still told about: for some time after it was deleted.
    #[must_use]
    pub fn is_shown(&self, now: Time) -> bool {
        self.deleted.is_none_or(|at| now < at.plus_seconds(DELETED_SHOWN))
    }
}

/// Where an app is kept: the first three members of its key in [`APPS`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppPlace {
    /// The account.
    pub account: AccountId,
    /// The region.
    pub region: Region,
    /// The owner's place.
    pub place: String,
}

impl Record for AppPlace {}

/// The space of this name, whatever its case.
///
/// # Errors
/// [`StoreError`] if it cannot be read.
pub fn space(
    state: &dyn Read,
    scope: &Scope,
    domain: &DomainId,
    name: &str,
) -> Result<Option<SpaceRecord>, StoreError> {
    let name = name.to_ascii_lowercase();
    let (account, region) = (scope.account.as_str(), scope.region.as_str());
    SPACES.get(state, &(account, region, domain.as_str(), name.as_str()))
}

/// Writes a space back.
///
/// # Errors
/// [`StoreError`] if it cannot be encoded.
pub fn put_space(tx: &mut Tx, scope: &Scope, record: &SpaceRecord) -> Result<(), StoreError> {
    let name = record.name.to_ascii_lowercase();
    let (account, region) = (scope.account.as_str(), scope.region.as_str());
    SPACES.put(tx, &(account, region, record.domain.as_str(), name.as_str()), record)
}

/// Notes that the life-cycle of a space has work to do.
///
/// # Errors
/// [`StoreError`] if it cannot be encoded.
pub fn put_work(tx: &mut Tx, scope: &Scope, record: &SpaceRecord) -> Result<(), StoreError> {
    // No name of a user profile has a slash.
    records::put_work(tx, scope, &record.domain, &format!("{SPACE_WORK}{}", record.name))
}

/// Whether a user profile owns spaces.
///
/// # Errors
/// [`StoreError`] if they cannot be read.
pub fn owns_spaces(
    state: &dyn Read,
    scope: &Scope,
    domain: &DomainId,
    profile: &str,
) -> Result<bool, StoreError> {
    let inside = (scope.account.as_str(), scope.region.as_str(), domain.as_str());
    let found = SPACES.scan(state, &inside, None, usize::MAX)?;
    Ok(found.iter().any(|(_, it)| it.owner.as_deref() == Some(profile)))
}

/// Whether an owner has apps that were not deleted, failed ones among them.
///
/// # Errors
/// [`StoreError`] if they cannot be read.
pub fn has_apps(
    state: &dyn Read,
    scope: &Scope,
    domain: &DomainId,
    owner: &Owner,
) -> Result<bool, StoreError> {
    Ok(apps_of(state, scope, domain, owner)?.iter().any(|it| it.deleted.is_none()))
}

/// All incarnations of all apps of an owner, the oldest first.
///
/// # Errors
/// [`StoreError`] if they cannot be read.
pub fn apps_of(
    state: &dyn Read,
    scope: &Scope,
    domain: &DomainId,
    owner: &Owner,
) -> Result<Vec<AppRecord>, StoreError> {
    let place = owner.place(domain);
    let prefix = (scope.account.as_str(), scope.region.as_str(), place.as_str());
    let found = APPS.scan(state, &prefix, None, usize::MAX)?;
    let mut found: Vec<AppRecord> = found.into_iter().map(|(_, it)| it).collect();
    found.sort_by(|one, other| age(one).cmp(&age(other)));
    Ok(found)
}

/// Those of the same name that came later are younger; of two of one instant, one has ended.
pub(super) fn age(record: &AppRecord) -> (Time, bool, &str) {
    let ended = matches!(record.status.0, AppStatus::Deleting | AppStatus::Deleted);
    (record.created, !ended, &record.id)
}

/// The app of this kind and name, in its youngest incarnation, as long as it is told about.
///
/// # Errors
/// [`StoreError`] if it cannot be read.
pub fn app(
    state: &dyn Read,
    scope: &Scope,
    domain: &DomainId,
    owner: &Owner,
    (app_type, name): (AppType, &str),
    now: Time,
) -> Result<Option<AppRecord>, StoreError> {
    let found = apps_of(state, scope, domain, owner)?;
    let youngest = found.into_iter().rev().find(|it| it.is_named(app_type, name));
    Ok(youngest.filter(|it| it.is_shown(now)))
}

/// The app with this id and where it is.
///
/// # Errors
/// [`StoreError`] if it cannot be read.
pub fn app_with_id(state: &dyn Read, id: &str) -> Result<Option<(Scope, AppRecord)>, StoreError> {
    let Some(AppPlace { account, region, place }) = APP_PLACES.get(state, id)? else {
        return Ok(None);
    };
    let found = APPS.get(state, &(account.as_str(), region.as_str(), place.as_str(), id))?;
    Ok(found.map(|it| (Scope { account, region }, it)))
}

/// Writes an app.
///
/// # Errors
/// [`StoreError`] if it cannot be encoded.
pub fn put_app(tx: &mut Tx, scope: &Scope, record: &AppRecord) -> Result<(), StoreError> {
    let place = record.owner.place(&record.domain);
    let (account, region) = (scope.account.clone(), scope.region.clone());
    let key = (account.as_str(), region.as_str(), place.as_str(), record.id.as_str());
    APPS.put(tx, &key, record)?;
    if !APP_PLACES.contains(tx, record.id.as_str())? {
        APP_PLACES.put(tx, record.id.as_str(), &AppPlace { account, region, place })?;
    }
    Ok(())
}

/// Forgets an incarnation of an app.
fn forget_app(tx: &mut Tx, scope: &Scope, record: &AppRecord) {
    let place = record.owner.place(&record.domain);
    let (account, region) = (scope.account.as_str(), scope.region.as_str());
    APPS.delete(tx, &(account, region, place.as_str(), record.id.as_str()));
    APP_PLACES.delete(tx, record.id.as_str());
}

/// Forgets those apps of an owner that nobody is told about any more: deleted long ago, or under a
/// name that a younger one has. With `all`, every deleted one.
///
/// # Errors
/// [`StoreError`] if they cannot be read.
pub fn forget_deleted(
    tx: &mut Tx,
    scope: &Scope,
    domain: &DomainId,
    owner: &Owner,
    now: Time,
    all: bool,
) -> Result<(), StoreError> {
    let found = apps_of(tx, scope, domain, owner)?;
    for (index, old) in found.iter().enumerate() {
        let superseded =
            found.iter().skip(index + 1).any(|it| it.is_named(old.app_type.0, &old.name));
        if old.deleted.is_some() && (all || superseded || !old.is_shown(now)) {
            forget_app(tx, scope, old);
        }
    }
    Ok(())
}

/// Has an app be gone: it is told about for a while, and its tags are nobody's.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn bury_app(tx: &mut Tx, scope: &Scope, mut record: AppRecord, now: Time) -> Result<(), Fault> {
    record.status = Word(AppStatus::Deleted);
    record.deleted = Some(now);
    put_app(tx, scope, &record)?;
    let named = |it: &AppRecord| {
        it.id != record.id && it.deleted.is_none() && it.is_named(record.app_type.0, &record.name)
    };
    // A younger one of the same ARN has taken the tags over.
    if !apps_of(tx, scope, &record.domain, &record.owner)?.iter().any(named) {
        records::put_tags(tx, scope, &record.arn(scope), std::collections::BTreeMap::new())?;
    }
    Ok(forget_deleted(tx, scope, &record.domain, &record.owner, now, false)?)
}
