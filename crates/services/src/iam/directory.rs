//! Who is who, for the gate.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use sagegate_gate::directory::{
    AccessKey, AttachedPolicy, Directory, Identity, OrganizationPolicies,
};
use sagegate_gate::{AccountId, Principal, Region, Scope, Vault};
use sagegate_policy::{Document, Policy};
use sagegate_store::{Read, StoreError};

use super::records::{
    ACCESS_KEYS, ATTACHMENTS, EntityKind, GROUPS, IDS, INLINE_POLICIES, KeyOwner, MEMBERSHIPS,
    POLICIES, POLICY_VERSIONS, ROLES, ROOT, RoleRecord, USERS, UserRecord,
};
use super::{attachments, aws_managed, credentials, entities, inline, managed, membership};

/// The name of the sessions in which an operator acts as a role.
const OPERATOR_SESSION: &str = "sagegate-operator";

/// Compiled documents that are kept, at most; past it the cache starts anew.
const COMPILED: usize = 4_096;

/// The gate's view of IAM's records.
pub struct IamDirectory {
    vault: Vault,
    region: Region,
    /// By content: the gate asks anew whenever anything in IAM changes, and most documents do not.
    compiled: Mutex<HashMap<String, Arc<Policy>>>,
}

impl fmt::Debug for IamDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IamDirectory").field("region", &self.region).finish_non_exhaustive()
    }
}

impl IamDirectory {
    /// A directory that opens secrets with this vault, in the partition of this region.
    #[must_use]
    pub fn new(vault: Vault, region: Region) -> Self {
        Self { vault, region, compiled: Mutex::default() }
    }

    fn scope(&self, account: &AccountId) -> Scope {
        Scope { account: account.clone(), region: self.region.clone() }
    }

    /// The policies of a user, group or role; `of` is put before the names of inline policies.
    fn policies(
        &self,
        state: &dyn Read,
        scope: &Scope,
        owner_id: &str,
        of: &str,
        into: &mut Vec<AttachedPolicy>,
    ) -> Result<(), StoreError> {
        for (name, record) in inline::all(state, &scope.account, owner_id)? {
            let name = format!("{of}{name}");
            let policy = self.compile(&name, record.document)?;
            into.push(AttachedPolicy { name, arn: None, policy });
        }
        for (arn, name) in attachments::all(state, &scope.account, owner_id)? {
            // A policy cannot be deleted while it is attached; one that is missing could have held
            // a Deny, so that going on without it would be wrong.
            let policy = self
                .managed(state, scope, &arn)?
                .ok_or_else(|| unusable(&arn, "the attached policy is missing"))?;
            into.push(AttachedPolicy { name, ..policy });
        }
        Ok(())
    }

    fn boundary(
        &self,
        state: &dyn Read,
        scope: &Scope,
        arn: Option<&String>,
    ) -> Result<Option<AttachedPolicy>, StoreError> {
        let Some(arn) = arn else { return Ok(None) };
        self.managed(state, scope, arn)?
            .map(Some)
            .ok_or_else(|| unusable(arn, "the permissions boundary is missing"))
    }

    fn managed(
        &self,
        state: &dyn Read,
        scope: &Scope,
        arn: &str,
    ) -> Result<Option<AttachedPolicy>, StoreError> {
        let (name, policy) = if let Some(aws) = aws_managed::by_arn(arn) {
            let policy = aws.policy().ok_or_else(|| unusable(arn, "the policy cannot be read"))?;
            (aws.name.to_owned(), policy)
        } else if let Some(own) = managed::find(state, scope, arn)? {
            (own.name, self.compile(arn, own.document)?)
        } else {
            return Ok(None);
        };
        Ok(Some(AttachedPolicy { name, arn: Some(arn.to_owned()), policy }))
    }

    fn compile(&self, name: &str, document: String) -> Result<Arc<Policy>, StoreError> {
        let kept = || self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(policy) = kept().get(&document) {
            return Ok(Arc::clone(policy));
        }
        let parsed = Document::parse(&document)
            .map_err(|error| unusable(name, &format!("the policy cannot be read: {error}")))?;
        let policy = Arc::new(Policy::compile(&parsed));
        let mut kept = kept();
        if kept.len() >= COMPILED {
            kept.clear();
        }
        kept.insert(document, Arc::clone(&policy));
        Ok(policy)
    }

    fn user(
        &self,
        state: &dyn Read,
        scope: &Scope,
        user: &UserRecord,
    ) -> Result<Identity, StoreError> {
        let mut policies = Vec::new();
        self.policies(state, scope, &user.id, "", &mut policies)?;
        for group in membership::groups_of(state, &scope.account, &user.id)? {
            let of = format!("{}/", group.name);
            self.policies(state, scope, &group.id, &of, &mut policies)?;
        }
        // A policy that comes by several ways counts once.
        let mut seen = std::collections::HashSet::new();
        policies.retain(|policy| policy.arn.as_ref().is_none_or(|arn| seen.insert(arn.clone())));
        Ok(Identity {
            principal: user_principal(user),
            tags: user.tags.to_map(),
            policies,
            boundary: self.boundary(state, scope, user.boundary.as_ref())?,
        })
    }

    fn role(
        &self,
        state: &dyn Read,
        scope: &Scope,
        role: &RoleRecord,
    ) -> Result<Identity, StoreError> {
        let mut policies = Vec::new();
        self.policies(state, scope, &role.id, "", &mut policies)?;
        Ok(Identity {
            principal: role_principal(role),
            tags: role.tags.to_map(),
            policies,
            boundary: self.boundary(state, scope, role.boundary.as_ref())?,
        })
    }
}

impl Directory for IamDirectory {
    fn tables(&self) -> &'static [&'static str] {
        const {
            &[
                USERS.name(),
                GROUPS.name(),
                ROLES.name(),
                POLICIES.name(),
                POLICY_VERSIONS.name(),
                INLINE_POLICIES.name(),
                ATTACHMENTS.name(),
                MEMBERSHIPS.name(),
                IDS.name(),
                ACCESS_KEYS.name(),
            ]
        }
    }

    fn access_key(&self, state: &dyn Read, id: &str) -> Result<Option<AccessKey>, StoreError> {
        let Some(record) = ACCESS_KEYS.get(state, id)? else { return Ok(None) };
        let account = &record.account;
        let principal = match &record.owner {
            KeyOwner::Root => Some(Principal::Root),
            KeyOwner::User { id } => principal(state, account, id)?,
            KeyOwner::Operator { id } if id == ROOT => Some(Principal::Root),
            KeyOwner::Operator { id } => principal(state, account, id)?,
        };
        let Some(principal) = principal else { return Ok(None) };
        let secret = credentials::secret(&self.vault, id, &record)
            .ok_or_else(|| unusable(id, "the secret was not sealed with this key file"))?;
        Ok(Some(AccessKey { account: record.account, principal, secret, active: record.active }))
    }

    fn identity(
        &self,
        state: &dyn Read,
        account: &AccountId,
        unique_id: &str,
    ) -> Result<Option<Identity>, StoreError> {
        let scope = self.scope(account);
        let Some(entity) = IDS.get(state, &(account.as_str(), unique_id))? else {
            return Ok(None);
        };
        let key = (account.as_str(), entity.key.as_str());
        match entity.kind {
            EntityKind::User => {
                USERS.get(state, &key)?.map(|user| self.user(state, &scope, &user)).transpose()
            }
            EntityKind::Role => {
                ROLES.get(state, &key)?.map(|role| self.role(state, &scope, &role)).transpose()
            }
            EntityKind::Group | EntityKind::Policy | EntityKind::InstanceProfile => Ok(None),
        }
    }

    fn managed_policy(
        &self,
        state: &dyn Read,
        account: &AccountId,
        arn: &str,
    ) -> Result<Option<AttachedPolicy>, StoreError> {
        self.managed(state, &self.scope(account), arn)
    }

    /// Organizations are not served, so no account is in one.
    fn organization_policies(
        &self,
        _: &dyn Read,
        _: &AccountId,
    ) -> Result<OrganizationPolicies, StoreError> {
        Ok(OrganizationPolicies::default())
    }
}

fn user_principal(user: &UserRecord) -> Principal {
    Principal::User { id: user.id.clone(), name: user.name.clone(), path: user.path.clone() }
}

fn role_principal(role: &RoleRecord) -> Principal {
    Principal::Role {
        id: role.id.clone(),
        name: role.name.clone(),
        path: role.path.clone(),
        session: OPERATOR_SESSION.to_owned(),
    }
}

/// The user or role of a unique id.
pub(super) fn principal(
    state: &dyn Read,
    account: &AccountId,
    id: &str,
) -> Result<Option<Principal>, StoreError> {
    if let Some(user) = entities::by_id::<UserRecord>(state, account, id)? {
        return Ok(Some(user_principal(&user)));
    }
    Ok(entities::by_id::<RoleRecord>(state, account, id)?.map(|role| role_principal(&role)))
}

/// What is stored but cannot be used refuses everything that rests on it.
fn unusable(what: &str, cause: &str) -> StoreError {
    StoreError::Corrupt { table: "iam", key: what.to_owned(), cause: cause.to_owned() }
}
