//! Who makes a request.

use std::collections::BTreeMap;

use crate::env::Time;
use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, Scope};

/// A principal: an identity that policies name and that keeps its unique id when its name is given
/// to another (IAM User Guide, "IAM identifiers").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Principal {
    /// The account's root user.
    Root,
    /// An IAM user.
    User {
        /// The unique id: `AIDA…`.
        id: String,
        /// The friendly name.
        name: String,
        /// The path, `/` or `/…/`.
        path: String,
    },
    /// A session of a role.
    Role {
        /// The role's unique id: `AROA…`.
        id: String,
        /// The role's friendly name.
        name: String,
        /// The role's path, `/` or `/…/`.
        path: String,
        /// The session's name.
        session: String,
    },
    /// A federated user (STS GetFederationToken).
    Federated {
        /// The name given to GetFederationToken.
        name: String,
        /// The unique id of the IAM user whose permissions bound the session; empty for root.
        user_id: String,
    },
    /// An AWS service, such as `sagemaker.amazonaws.com`.
    Service {
        /// The service principal.
        name: String,
    },
}

/// What made the credentials of a session, and what it carries. Absent for long-term credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct SessionFacts {
    /// When the credentials were issued: `aws:TokenIssueTime`.
    pub issued: Time,
    /// When they end.
    pub expires: Time,
    /// The session tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// The keys of the session tags that go on to further roles.
    #[serde(default)]
    pub transitive: Vec<String>,
    /// `aws:SourceIdentity`.
    #[serde(default)]
    pub source_identity: Option<String>,
    /// Inline session policies: name for reports, and text.
    #[serde(default)]
    pub policies: Vec<(String, String)>,
    /// The ARNs of managed session policies. What they say is looked up at each decision: a session
    /// packs "managed policy ARNs" (STS API Reference, AssumeRole, `PackedPolicySize`).
    #[serde(default)]
    pub managed_policies: Vec<String>,
    /// Condition keys that a service put into the credentials, such as `sagemaker:DomainId`.
    #[serde(default)]
    pub keys: BTreeMap<String, String>,
    /// Whether the session was made with credentials of a role (role chaining).
    #[serde(default)]
    pub chained: bool,
    /// Whether multi-factor authentication was used: `aws:MultiFactorAuthPresent`.
    #[serde(default)]
    pub mfa: bool,
    /// Which STS operation issued the credentials.
    #[serde(default)]
    pub issuer: String,
}

impl SessionFacts {
    /// Whether AWS takes these credentials for this service at all. Those of GetFederationToken,
    /// and those of GetSessionToken without multi-factor authentication, "cannot call any IAM API
    /// operations" (STS API Reference, GetFederationToken and GetSessionToken), whatever policies
    /// say.
    #[must_use]
    pub fn good_for(&self, service: &str) -> bool {
        service != "iam"
            || match self.issuer.as_str() {
                "GetFederationToken" => false,
                "GetSessionToken" => self.mfa,
                _ => true,
            }
    }
}

/// An authenticated caller, as one request's signature proves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// The account that the principal belongs to.
    pub account: AccountId,
    /// Who it is.
    pub principal: Principal,
    /// The access key id that signed; empty for a service's own calls.
    pub access_key_id: String,
    /// The session, if the credentials are temporary.
    pub session: Option<SessionFacts>,
    /// The partition that ARNs are written in.
    pub partition: String,
    /// The services that a call went through, first to last: `aws:CalledVia`.
    #[serde(default)]
    pub called_via: Vec<String>,
}

impl Caller {
    /// An AWS service that acts in its own name in an account: `sagemaker.amazonaws.com`. No policy
    /// of the account is its own; only a resource's policy can let it do something.
    #[must_use]
    pub fn service(name: &str, scope: &Scope) -> Self {
        Self {
            account: scope.account.clone(),
            principal: Principal::Service { name: name.to_owned() },
            access_key_id: String::new(),
            session: None,
            partition: scope.region.partition().to_owned(),
            called_via: Vec::new(),
        }
    }

    /// The ARN that errors, GetCallerIdentity and the audit show. A session of a role is
    /// `arn:aws:sts::…:assumed-role/…`.
    #[must_use]
    pub fn arn(&self) -> String {
        // Joined instead of formatted: every request writes several ARNs.
        let (partition, account) = (self.partition.as_str(), self.account.as_str());
        match &self.principal {
            Principal::Root => ["arn:", partition, ":iam::", account, ":root"].concat(),
            Principal::User { name, path, .. } => {
                ["arn:", partition, ":iam::", account, ":user", path, name].concat()
            }
            Principal::Role { name, session, .. } => {
                ["arn:", partition, ":sts::", account, ":assumed-role/", name, "/", session]
                    .concat()
            }
            Principal::Federated { name, .. } => {
                ["arn:", partition, ":sts::", account, ":federated-user/", name].concat()
            }
            Principal::Service { name } => name.clone(),
        }
    }

    /// `aws:PrincipalArn`: as [`Caller::arn`], but the role's ARN, with its path, for a session.
    #[must_use]
    pub fn principal_arn(&self) -> String {
        match &self.principal {
            Principal::Role { name, path, .. } => {
                let (partition, account) = (self.partition.as_str(), self.account.as_str());
                ["arn:", partition, ":iam::", account, ":role", path, name].concat()
            }
            _ => self.arn(),
        }
    }

    /// `aws:userid` (IAM User Guide, "Request information that you can use for policy variables").
    #[must_use]
    pub fn user_id(&self) -> String {
        match &self.principal {
            Principal::Root => self.account.to_string(),
            Principal::User { id, .. } => id.clone(),
            Principal::Role { id, session, .. } => format!("{id}:{session}"),
            Principal::Federated { name, .. } => format!("{}:{name}", self.account),
            Principal::Service { name } => name.clone(),
        }
    }

    /// `aws:PrincipalType`.
    #[must_use]
    pub fn principal_type(&self) -> &'static str {
        match &self.principal {
            Principal::Root => "Account",
            Principal::User { .. } => "User",
            Principal::Role { .. } => "AssumedRole",
            Principal::Federated { .. } => "FederatedUser",
            Principal::Service { .. } => "Service",
        }
    }

    /// The unique id that policies hold for the principal (`AIDA…`, `AROA…`), if it has one.
    #[must_use]
    pub fn unique_id(&self) -> Option<&str> {
        match &self.principal {
            Principal::User { id, .. } | Principal::Role { id, .. } => Some(id),
            Principal::Root | Principal::Federated { .. } | Principal::Service { .. } => None,
        }
    }
}
