//! The AWS managed policies: `arn:aws:iam::aws:policy/…`, the same for every account and changed by
//! nobody here. docs/decisions/0006 says where they come from and which are kept.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, OnceLock};

use sagegate_gate::env::Time;
use sagegate_policy::{Document, Policy};
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::managed::Managed;

/// The policies by name, one a line, as `cargo xtask managed-policies` wrote them.
const DATA: &str = include_str!("data/managed_policies.json");

/// Borrowed slices of [`DATA`]. Nothing is read before the first question.
static BY_NAME: LazyLock<BTreeMap<&'static str, AwsManagedPolicy>> = LazyLock::new(|| {
    let entries: BTreeMap<&'static str, Entry> = serde_json::from_str(DATA).unwrap_or_default();
    entries.into_iter().map(|(name, entry)| (name, AwsManagedPolicy::of(name, &entry))).collect()
});

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    #[serde(borrow)]
    path: &'static str,
    default_version_id: &'static str,
    create_date: &'static str,
    update_date: &'static str,
    document: &'static RawValue,
}

/// An AWS managed policy. Only its default version is known.
#[derive(Debug)]
pub struct AwsManagedPolicy {
    /// The name.
    pub name: &'static str,
    /// The path: `/`, `/service-role/`, `/job-function/` or `/aws-service-role/`.
    pub path: &'static str,
    /// The number of the default version.
    pub version: u64,
    /// When the policy was made.
    pub created: Time,
    /// When its default version was made.
    pub updated: Time,
    /// The document of the default version.
    pub document: &'static str,
    compiled: OnceLock<Option<Arc<Policy>>>,
}

impl AwsManagedPolicy {
    fn of(name: &'static str, entry: &Entry) -> Self {
        let time = |text: &str| {
            let parsed = text.parse::<jiff::Timestamp>();
            parsed.map(|time| Time::from_millis(time.as_millisecond())).unwrap_or_default()
        };
        Self {
            name,
            path: entry.path,
            version: entry.default_version_id.trim_start_matches('v').parse().unwrap_or(1),
            created: time(entry.create_date),
            updated: time(entry.update_date),
            document: entry.document.get(),
            compiled: OnceLock::new(),
        }
    }

    /// The ARN in a partition.
    #[must_use]
    pub fn arn(&self, partition: &str) -> String {
        format!("arn:{partition}:iam::aws:policy{}{}", self.path, self.name)
    }

    /// The unique id: `ANPA` and 17 characters, derived from the name.
    #[must_use]
    pub fn id(&self) -> String {
        const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let digest = Sha256::digest(self.name.as_bytes());
        let letters =
            digest.iter().take(17).filter_map(|byte| ALPHABET.get(usize::from(byte % 32)));
        std::iter::once("ANPA".to_owned()).chain(letters.map(|it| char::from(*it).into())).collect()
    }

    /// The policy, compiled once for all who have it. `None` would mean that its document cannot be
    /// read, which must deny; a test holds that none is so.
    #[must_use]
    pub fn policy(&self) -> Option<Arc<Policy>> {
        let compile =
            || Document::parse(self.document).ok().map(|it| Arc::new(Policy::compile(&it)));
        self.compiled.get_or_init(compile).clone()
    }

    /// As every managed policy is seen, under this ARN.
    #[must_use]
    pub fn as_managed(&self, arn: String) -> Managed {
        Managed {
            id: self.id(),
            arn,
            name: self.name.to_owned(),
            path: self.path.to_owned(),
            description: None,
            created: self.created,
            updated: self.updated,
            version: self.version,
            document: self.document.to_owned(),
        }
    }
}

/// Whether an ARN is in the name space of AWS managed policies, known or not.
#[must_use]
pub fn is_aws_arn(arn: &str) -> bool {
    split(arn).is_some()
}

/// The policy of this ARN, in whatever partition.
#[must_use]
pub fn by_arn(arn: &str) -> Option<&'static AwsManagedPolicy> {
    let resource = split(arn)?;
    let (_, name) = resource.rsplit_once('/')?;
    let policy = by_name(name)?;
    (resource.strip_suffix(name) == Some(policy.path)).then_some(policy)
}

/// The policy of this ARN, as every managed policy is seen.
#[must_use]
pub fn find(arn: &str) -> Option<Managed> {
    by_arn(arn).map(|policy| policy.as_managed(arn.to_owned()))
}

/// The policy of this name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static AwsManagedPolicy> {
    BY_NAME.get(name)
}

/// All of them, in order of their names.
pub fn all() -> impl Iterator<Item = &'static AwsManagedPolicy> {
    BY_NAME.values()
}

/// Path and name: `/service-role/AWSLambdaBasicExecutionRole`.
fn split(arn: &str) -> Option<&str> {
    let (partition, resource) = arn.strip_prefix("arn:")?.split_once(":iam::aws:policy")?;
    (!partition.contains(':') && resource.starts_with('/')).then_some(resource)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_can_be_read_and_is_found_by_its_arn() {
        assert!(all().count() > 80);
        for policy in all() {
            let arn = policy.arn("aws");
            assert!(std::ptr::eq(by_arn(&arn).unwrap(), policy), "{arn}");
            assert!(policy.policy().is_some(), "{arn}");
            assert!(policy.created > Time::default() && policy.updated >= policy.created, "{arn}");
            assert_eq!(policy.id().len(), 21);
        }
    }

    #[test]
    fn the_seeds_policies_are_there_in_the_versions_they_were_read_in() {
        for (arn, version) in [
            ("arn:aws:iam::aws:policy/AmazonSageMakerFullAccess", 29),
            ("arn:aws:iam::aws:policy/AmazonSageMakerPartnerAppsFullAccess", 3),
            ("arn:aws:iam::aws:policy/AWSMarketplaceManageSubscriptions", 9),
        ] {
            assert_eq!(by_arn(arn).unwrap().version, version, "{arn}");
        }
    }

    #[test]
    fn a_wrong_path_or_account_is_another_arn() {
        assert!(by_arn("arn:aws:iam::aws:policy/service-role/AdministratorAccess").is_none());
        assert!(by_arn("arn:aws:iam::123456789012:policy/AdministratorAccess").is_none());
        assert!(by_arn("arn:aws:iam::aws:policy/administratoraccess").is_none());
        assert!(by_arn("arn:aws:iam::aws:policyAdministratorAccess").is_none());
        assert!(by_arn("AdministratorAccess").is_none());
        assert!(is_aws_arn("arn:aws-cn:iam::aws:policy/Nonexistent"));
        assert!(!is_aws_arn("arn:aws:iam::123456789012:policy/aws"));
    }
}
