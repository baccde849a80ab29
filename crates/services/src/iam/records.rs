//! Everything that IAM keeps: record types and tables.
//!
//! Users, groups, roles, managed policies and instance profiles are kept under their names in lower
//! case, since IAM names are "not distinguished by case"; the record has the spelling. Whatever
//! belongs to one of them (memberships, attachments, inline policies, keys) is kept under its
//! unique id, so that a rename moves nothing and an entity made again under an old name inherits
//! nothing.
//!
//! Every key begins with the account, except where AWS has one name space for all accounts (access
//! key ids, account aliases).

use sagegate_gate::AccountId;
use sagegate_gate::env::Time;
use sagegate_store::{Record, Table};
use serde::{Deserialize, Serialize};

use super::bound::Bound;
use super::case_tags::CaseTags;
use super::tags::Tags;

/// Users by `(account, name in lower case)`.
pub const USERS: Table<(String, String), UserRecord> = Table::new("iam.user");
/// Groups by `(account, name in lower case)`.
pub const GROUPS: Table<(String, String), GroupRecord> = Table::new("iam.group");
/// Roles by `(account, name in lower case)`.
pub const ROLES: Table<(String, String), RoleRecord> = Table::new("iam.role");
/// Customer managed policies by `(account, name in lower case)`.
pub const POLICIES: Table<(String, String), PolicyRecord> = Table::new("iam.policy");
/// Instance profiles by `(account, name in lower case)`.
pub const INSTANCE_PROFILES: Table<(String, String), InstanceProfileRecord> =
    Table::new("iam.instance-profile");

/// What has a unique id: `(account, unique id)` to the key in its own table.
pub const IDS: Table<(String, String), Entity> = Table::new("iam.id");
/// How many entities of a kind there are: `(account, kind, shard)`. See [`super::quota`].
pub const COUNTS: Table<(String, String, String), u64> = Table::new("iam.count");

/// Versions of a managed policy: `(account, policy id, number)`.
pub const POLICY_VERSIONS: Table<(String, String, u64), PolicyVersionRecord> =
    Table::new("iam.policy-version");
/// Inline policies: `(account, id of the user, group or role, policy name)`.
pub const INLINE_POLICIES: Table<(String, String, String), InlinePolicyRecord> =
    Table::new("iam.inline-policy");
/// Managed policies attached: `(account, id of the user, group or role, policy ARN)`.
pub const ATTACHMENTS: Table<(String, String, String), AttachmentRecord> =
    Table::new("iam.attachment");
/// The same from the policy's side: `(account, policy ARN, id of the user, group or role)`.
pub const ATTACHED_TO: Table<(String, String, String), EntityKind> = Table::new("iam.attached-to");
/// Whom a managed policy bounds: `(account, policy ARN, id of the user or role)`.
pub const BOUNDARY_OF: Table<(String, String, String), EntityKind> = Table::new("iam.boundary-of");

/// Members of a group: `(account, group id, user id)`.
pub const MEMBERS: Table<(String, String, String), MembershipRecord> = Table::new("iam.member");
/// Groups of a user: `(account, user id, group id)`.
pub const MEMBERSHIPS: Table<(String, String, String), MembershipRecord> =
    Table::new("iam.membership");

/// Instance profiles that hold a role: `(account, role id, instance profile name in lower case)`.
pub const PROFILES_OF_ROLE: Table<(String, String, String), ()> = Table::new("iam.profile-of-role");
/// When a role was last used: `(account, role id)`.
pub const ROLE_LAST_USED: Table<(String, String), LastUsedRecord> =
    Table::new("iam.role-last-used");
/// Deletions of service-linked roles: `(account, task id)`.
pub const DELETION_TASKS: Table<(String, String), DeletionTaskRecord> =
    Table::new("iam.deletion-task");

/// Access keys, and operators' credentials, by access key id.
pub const ACCESS_KEYS: Table<String, AccessKeyRecord> = Table::new("iam.access-key");
/// Keys of a user: `(account, user id or "root", access key id)`. Operators' credentials are not
/// among them.
pub const KEYS_OF: Table<(String, String, String), ()> = Table::new("iam.key-of");
/// The operator's credential of a principal: `(account, unique id or "root")` to the access key id.
pub const OPERATOR_CREDENTIALS: Table<(String, String), String> =
    Table::new("iam.operator-credential");
/// When a key was last used, by access key id.
pub const KEY_LAST_USED: Table<String, LastUsedRecord> = Table::new("iam.key-last-used");

/// Accounts.
pub const ACCOUNTS: Table<String, AccountRecord> = Table::new("iam.account");
/// Account aliases: alias to account; an alias belongs to one account in all of AWS.
pub const ACCOUNT_ALIASES: Table<String, String> = Table::new("iam.account-alias");

/// The owner id under which the root user's keys are kept.
pub const ROOT: &str = "root";

/// A kind of entity with a unique id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntityKind {
    /// A user: `AIDA…`.
    User,
    /// A group: `AGPA…`.
    Group,
    /// A role: `AROA…`.
    Role,
    /// A customer managed policy: `ANPA…`.
    Policy,
    /// An instance profile: `AIPA…`.
    InstanceProfile,
}

impl EntityKind {
    /// The first four characters of the unique id (IAM User Guide, "IAM identifiers").
    #[must_use]
    pub fn id_prefix(self) -> &'static str {
        match self {
            Self::User => "AIDA",
            Self::Group => "AGPA",
            Self::Role => "AROA",
            Self::Policy => "ANPA",
            Self::InstanceProfile => "AIPA",
        }
    }

    /// The resource type as ARNs have it.
    #[must_use]
    pub fn arn_type(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
            Self::Role => "role",
            Self::Policy => "policy",
            Self::InstanceProfile => "instance-profile",
        }
    }

    /// As error texts begin with it: "User with name X already exists."
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
            Self::Role => "Role",
            Self::Policy => "Policy",
            Self::InstanceProfile => "Instance Profile",
        }
    }
}

/// What a unique id stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entity {
    /// What it is.
    pub kind: EntityKind,
    /// Its name in lower case: the key in its own table.
    pub key: String,
}

impl Record for Entity {}
impl Record for EntityKind {}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRecord {
    /// `AIDA…`.
    pub id: String,
    /// The name as spelled at its making.
    pub name: String,
    /// The path: `/` or `/…/`.
    pub path: String,
    /// When it was made.
    pub created: Time,
    /// The ARN of the managed policy that bounds it.
    #[serde(default)]
    pub boundary: Option<String>,
    /// Its tags.
    #[serde(default)]
    pub tags: Tags,
}

impl Record for UserRecord {}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRecord {
    /// `AGPA…`.
    pub id: String,
    /// The name as spelled at its making.
    pub name: String,
    /// The path: `/` or `/…/`.
    pub path: String,
    /// When it was made.
    pub created: Time,
}

impl Record for GroupRecord {}

/// That a user is in a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembershipRecord {
    /// Since when.
    pub since: Time,
}

impl Record for MembershipRecord {}

/// A role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleRecord {
    /// `AROA…`.
    pub id: String,
    /// The name as spelled at its making.
    pub name: String,
    /// The path: `/` or `/…/`.
    pub path: String,
    /// When it was made.
    pub created: Time,
    /// Who may assume it.
    pub trust: TrustPolicy,
    /// The description.
    #[serde(default)]
    pub description: Option<String>,
    /// The longest session, in seconds: 3,600 to 43,200.
    pub max_session_duration: u32,
    /// The ARN of the managed policy that bounds it.
    #[serde(default)]
    pub boundary: Option<String>,
    /// Its tags.
    #[serde(default)]
    pub tags: Tags,
    /// What makes it a service-linked role.
    #[serde(default)]
    pub service_linked: Option<ServiceLinked>,
}

impl Record for RoleRecord {}

/// A role's trust policy, with the principals that it names bound to the entities that they were
/// when it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustPolicy {
    /// The document as written.
    pub document: String,
    /// The users and roles in it, and whom they meant.
    #[serde(default)]
    pub principals: Bound,
}

/// What makes a role a service-linked one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceLinked {
    /// The service principal, such as `sagemaker.amazonaws.com`.
    pub service: String,
    /// The custom suffix of its name.
    #[serde(default)]
    pub suffix: Option<String>,
}

/// A request to delete a service-linked role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletionTaskRecord {
    /// The role's name.
    pub role_name: String,
    /// The role's unique id.
    pub role_id: String,
    /// When it was asked for.
    pub created: Time,
    /// `SUCCEEDED`, `IN_PROGRESS`, `FAILED` or `NOT_STARTED`.
    pub status: String,
    /// Why it failed.
    #[serde(default)]
    pub reason: Option<String>,
    /// The ARNs of the resources for which it failed.
    #[serde(default)]
    pub usage: Vec<String>,
}

impl Record for DeletionTaskRecord {}

/// A customer managed policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRecord {
    /// `ANPA…`.
    pub id: String,
    /// The name as spelled at its making.
    pub name: String,
    /// The path: `/` or `/…/`.
    pub path: String,
    /// When it was made.
    pub created: Time,
    /// When its newest version was made.
    pub updated: Time,
    /// The description; cannot be changed.
    #[serde(default)]
    pub description: Option<String>,
    /// The number of the version in force.
    pub default_version: u64,
    /// The number of the newest version ever made; numbers are never used again.
    pub last_version: u64,
    /// Its tags.
    #[serde(default)]
    pub tags: CaseTags,
}

impl Record for PolicyRecord {}

/// A version of a managed policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyVersionRecord {
    /// The document as written.
    pub document: String,
    /// When it was made.
    pub created: Time,
}

impl Record for PolicyVersionRecord {}

/// An inline policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InlinePolicyRecord {
    /// The document as written.
    pub document: String,
    /// When it was first put.
    pub created: Time,
    /// When it was last put.
    pub updated: Time,
}

impl Record for InlinePolicyRecord {}

/// That a managed policy is attached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachmentRecord {
    /// The policy's name.
    pub policy_name: String,
    /// Since when.
    pub since: Time,
}

impl Record for AttachmentRecord {}

/// An instance profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceProfileRecord {
    /// `AIPA…`.
    pub id: String,
    /// The name as spelled at its making.
    pub name: String,
    /// The path: `/` or `/…/`.
    pub path: String,
    /// When it was made.
    pub created: Time,
    /// The unique id of the role in it.
    #[serde(default)]
    pub role_id: Option<String>,
    /// Its tags.
    #[serde(default)]
    pub tags: CaseTags,
}

impl Record for InstanceProfileRecord {}

/// An access key, or an operator's credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKeyRecord {
    /// The account.
    pub account: AccountId,
    /// Whose it is.
    pub owner: KeyOwner,
    /// Whether its status is `Active`.
    pub active: bool,
    /// When it was made.
    pub created: Time,
    /// The secret access key, sealed by the vault.
    pub sealed_secret: String,
}

impl Record for AccessKeyRecord {}

/// Whose an access key is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum KeyOwner {
    /// The root user's.
    Root,
    /// A user's, by unique id.
    User {
        /// `AIDA…`.
        id: String,
    },
    /// An operator's, who acts as this principal: a user's or role's unique id, or [`ROOT`].
    Operator {
        /// The unique id.
        id: String,
    },
}

/// When something was last used, where and for what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastUsedRecord {
    /// When.
    pub at: Time,
    /// The service, as its signing name.
    pub service: String,
    /// The region of the request.
    pub region: String,
}

impl Record for LastUsedRecord {}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRecord {
    /// Since when Sagegate serves it.
    pub created: Time,
    /// Its alias.
    #[serde(default)]
    pub alias: Option<String>,
}

impl Record for AccountRecord {}
