//! How the gate asks who someone is and which policies bind them. The identity service answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use sagegate_policy::Policy;
use sagegate_store::{Read, StoreError};

use crate::caller::Principal;
use crate::ids::AccountId;
use crate::secret::Secret;

/// A long-term access key, or an operator's own credential for a principal.
#[derive(Clone, Debug)]
pub struct AccessKey {
    /// The account of the principal.
    pub account: AccountId,
    /// Whose key it is.
    pub principal: Principal,
    /// The secret access key.
    pub secret: Secret,
    /// Whether the key's status is `Active`.
    pub active: bool,
}

/// A policy that binds a principal.
#[derive(Clone, Debug)]
pub struct AttachedPolicy {
    /// Its name, for reports: the policy's name, and the group's for a group's policy.
    pub name: String,
    /// Its ARN, for a managed policy.
    pub arn: Option<String>,
    /// The policy.
    pub policy: Arc<Policy>,
}

impl AttachedPolicy {
    /// As the decision names it: by its ARN, or by its name where it is an inline policy.
    #[must_use]
    pub fn attached(&self) -> sagegate_policy::Attached {
        let name = self.arn.as_deref().unwrap_or(&self.name);
        sagegate_policy::Attached::new(name, Arc::clone(&self.policy))
    }
}

/// What IAM knows of a user or a role.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Its present name and path and its unique id.
    pub principal: Principal,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Inline and managed policies, those of its groups included.
    pub policies: Vec<AttachedPolicy>,
    /// The permissions boundary.
    pub boundary: Option<AttachedPolicy>,
}

/// Answers who is who. Implemented by the identity service over its records.
pub trait Directory: Send + Sync {
    /// The tables that the answers depend on: while none of them changes, an answer holds.
    fn tables(&self) -> &'static [&'static str];

    /// The long-term key of this id.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    fn access_key(&self, state: &dyn Read, id: &str) -> Result<Option<AccessKey>, StoreError>;

    /// The user (`AIDA…`) or role (`AROA…`) of this unique id in this account, as it is now.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    fn identity(
        &self,
        state: &dyn Read,
        account: &AccountId,
        unique_id: &str,
    ) -> Result<Option<Identity>, StoreError>;

    /// The managed policy of this ARN as an account has it, its own or one of AWS's, in its default
    /// version.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    fn managed_policy(
        &self,
        state: &dyn Read,
        account: &AccountId,
        arn: &str,
    ) -> Result<Option<AttachedPolicy>, StoreError>;

    /// The SCPs (`Scp`) or RCPs that bind an account, level by level from the root, or nothing
    /// where the account is in no organization.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    fn organization_policies(
        &self,
        state: &dyn Read,
        account: &AccountId,
    ) -> Result<OrganizationPolicies, StoreError>;
}

/// The policies that an organization lays on an account.
#[derive(Clone, Debug, Default)]
pub struct OrganizationPolicies {
    /// Service control policies, a list for each level.
    pub scps: Vec<Vec<AttachedPolicy>>,
    /// Resource control policies, a list for each level.
    pub rcps: Vec<Vec<AttachedPolicy>>,
}

/// Answers which policy an interface endpoint has. Implemented by the EC2 service.
pub trait EndpointPolicies: Send + Sync {
    /// The tables that the answers depend on.
    fn tables(&self) -> &'static [&'static str];

    /// The endpoint's policy; `None` where the endpoint does not exist (any more), which denies.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    fn policy(
        &self,
        state: &dyn Read,
        account: &AccountId,
        region: &str,
        vpc_endpoint_id: &str,
    ) -> Result<Option<Arc<Policy>>, StoreError>;
}
