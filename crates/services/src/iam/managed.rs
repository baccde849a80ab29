//! Managed policies as their users see them: AWS's own and the account's.

use sagegate_gate::env::Time;
use sagegate_gate::{Fault, Scope};
use sagegate_store::{Read, StoreError};

use super::records::{POLICY_VERSIONS, PolicyRecord};
use super::{aws_managed, entities};

/// A managed policy and its version in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Managed {
    /// `ANPA…`.
    pub id: String,
    /// The ARN.
    pub arn: String,
    /// The name.
    pub name: String,
    /// The path.
    pub path: String,
    /// The description.
    pub description: Option<String>,
    /// When it was made.
    pub created: Time,
    /// When its newest version was made.
    pub updated: Time,
    /// The number of the version in force.
    pub version: u64,
    /// The document of the version in force.
    pub document: String,
}

impl Managed {
    /// Whether it is one of AWS's for service-linked roles, which nothing else may have.
    #[must_use]
    pub fn for_service_roles_only(&self) -> bool {
        self.path.starts_with("/aws-service-role/") && self.arn.contains(":iam::aws:")
    }
}

/// The policy of this ARN, if it is AWS's or the account's own.
///
/// # Errors
/// [`StoreError`].
pub fn find(state: &dyn Read, scope: &Scope, arn: &str) -> Result<Option<Managed>, StoreError> {
    let aws = format!("arn:{}:iam::aws:policy/", scope.region.partition());
    if arn.starts_with(&aws) {
        return Ok(aws_managed::find(arn));
    }
    let own = scope.global_arn("iam", "policy/");
    let Some(name) = arn.strip_prefix(&own).and_then(|rest| rest.rsplit('/').next()) else {
        return Ok(None);
    };
    let Some(record) = entities::find::<PolicyRecord>(state, &scope.account, name)? else {
        return Ok(None);
    };
    // The path and the spelling belong to the ARN.
    if entities::arn(scope, &record) != arn {
        return Ok(None);
    }
    let key = (scope.account.as_str(), record.id.as_str(), record.default_version);
    Ok(POLICY_VERSIONS.get(state, &key)?.map(|version| Managed {
        arn: arn.to_owned(),
        id: record.id,
        name: record.name,
        path: record.path,
        description: record.description,
        created: record.created,
        updated: record.updated,
        version: record.default_version,
        document: version.document,
    }))
}

/// As [`find`].
///
/// # Errors
/// `NoSuchEntity` in the words of the attach operations.
pub fn require_attachable(state: &dyn Read, scope: &Scope, arn: &str) -> Result<Managed, Fault> {
    find(state, scope, arn)?.ok_or_else(|| super::faults::not_attachable(arn))
}
