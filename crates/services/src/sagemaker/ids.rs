//! SageMaker's ids and ARNs.

use std::fmt;

use sagegate_api::sagemaker::AppType;
use sagegate_gate::{AccountId, Fault, Region, Scope};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::faults;

/// A domain's id: `d-` and letters, digits and inner hyphens (SPEC 2.4).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DomainId(Box<str>);

impl DomainId {
    /// Parses an id; `None` if the text has another form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("d-")?;
        let fits = text.len() <= 63
            && !rest.is_empty()
            && !rest.ends_with('-')
            && rest.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-');
        fits.then(|| Self(text.into()))
    }

    /// The id in a request, which the wire has already checked against the pattern.
    ///
    /// # Errors
    /// `ValidationException` for another form.
    pub fn of_request(text: &str) -> Result<Self, Fault> {
        Self::parse(text).ok_or_else(|| {
            faults::validation(format!(
                "1 validation error detected: Value '{text}' at 'domainId' failed to satisfy \
                 constraint: Member must satisfy regular expression pattern: d-(-*[a-z0-9]){{1,61}}"
            ))
        })
    }

    /// The id of the domain that the request with this id makes. CreateDomain is authorized on the
    /// new domain's ARN, so the id must be known before anything is decided, and must be the same
    /// on every retry of the transaction.
    #[must_use]
    pub fn of_creation(request_id: &str) -> Self {
        const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz012345";
        let digest = Sha256::digest(format!("sagemaker-domain {request_id}").as_bytes());
        let mut id = String::from("d-");
        for byte in digest.iter().take(12) {
            let letter = LETTERS.get(usize::from(byte % 32)).copied().unwrap_or(b'a');
            id.push(char::from(letter));
        }
        Self(id.into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The domain's ARN.
    #[must_use]
    pub fn arn(&self, scope: &Scope) -> String {
        scope.arn("sagemaker", &["domain/", self.as_str()].concat())
    }
}

impl fmt::Display for DomainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for DomainId {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| "not a domain id".to_owned())
    }
}

impl From<DomainId> for String {
    fn from(id: DomainId) -> Self {
        id.0.into()
    }
}

/// The ARN of a user profile.
#[must_use]
pub fn profile_arn(scope: &Scope, domain: &DomainId, name: &str) -> String {
    scope.arn("sagemaker", &["user-profile/", domain.as_str(), "/", name].concat())
}

/// The ARN of a space.
#[must_use]
pub fn space_arn(scope: &Scope, domain: &DomainId, name: &str) -> String {
    scope.arn("sagemaker", &["space/", domain.as_str(), "/", name].concat())
}

/// The ARN of an app of a space or user profile. The kind is in lower case (SPEC 3.1).
#[must_use]
pub fn app_arn(
    scope: &Scope,
    domain: &DomainId,
    owner: &str,
    app_type: AppType,
    name: &str,
) -> String {
    let app_type = app_type.as_str().to_ascii_lowercase();
    scope.arn("sagemaker", &format!("app/{domain}/{owner}/{app_type}/{name}"))
}

/// A taggable resource of this account and region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taggable {
    /// A domain.
    Domain(DomainId),
    /// A user profile, under the name that the ARN gives.
    UserProfile(DomainId, String),
    /// What has a name of its own: the part of the ARN before the name, and the name.
    Named(NamedKind, String),
    /// A space, under the name that the ARN gives.
    Space(DomainId, String),
    /// An app of a user profile or space, under the names that the ARN gives: the owner's, the kind in
    /// lower case, its own.
    App(DomainId, String, String, String),
    /// A kind of resource that does not exist here.
    Other,
}

/// A kind of taggable resource that has a name of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedKind {
    /// A lifecycle configuration of Studio.
    StudioLifecycleConfig,
    /// An AppImageConfig.
    AppImageConfig,
    /// An image.
    Image,
    /// A notebook instance.
    NotebookInstance,
    /// A lifecycle configuration of notebook instances.
    NotebookInstanceLifecycleConfig,
}

impl NamedKind {
    /// The kind whose ARNs have this before the name.
    fn of_path(path: &str) -> Option<Self> {
        match path {
            "studio-lifecycle-config" => Some(Self::StudioLifecycleConfig),
            "app-image-config" => Some(Self::AppImageConfig),
            "image" => Some(Self::Image),
            "notebook-instance" => Some(Self::NotebookInstance),
            "notebook-instance-lifecycle-config" => Some(Self::NotebookInstanceLifecycleConfig),
            _ => None,
        }
    }
}

/// An ARN of SageMaker, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceArn {
    /// Whose it is and where.
    pub scope: Scope,
    /// What it is.
    pub resource: Taggable,
}

impl ResourceArn {
    /// Parses an ARN; `None` if it is none of SageMaker's.
    #[must_use]
    pub fn parse(arn: &str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':');
        let mut next = || parts.next();
        if next()? != "arn" {
            return None;
        }
        let partition = next()?;
        if next()? != "sagemaker" {
            return None;
        }
        let region = Region::parse(next()?).ok()?;
        let account = AccountId::parse(next()?).ok()?;
        if partition != region.partition() {
            return None;
        }
        let resource = next()?;
        let resource = match resource.split_once('/') {
            Some(("domain", id)) => Taggable::Domain(DomainId::parse(id)?),
            Some(("user-profile", rest)) => {
                let (domain, name) = rest.split_once('/')?;
                if name.is_empty() || name.contains('/') {
                    return None;
                }
                Taggable::UserProfile(DomainId::parse(domain)?, name.to_owned())
            }
            Some(("space", rest)) => {
                let (domain, name) = rest.split_once('/')?;
                if name.is_empty() || name.contains('/') {
                    return None;
                }
                Taggable::Space(DomainId::parse(domain)?, name.to_owned())
            }
            Some(("app", rest)) => {
                let parts: Vec<&str> = rest.split('/').collect();
                let [domain, owner, kind, name] = parts.as_slice() else { return None };
                if owner.is_empty() || kind.is_empty() || name.is_empty() {
                    return None;
                }
                let domain = DomainId::parse(domain)?;
                Taggable::App(domain, (*owner).into(), (*kind).into(), (*name).into())
            }
            Some((path, name)) => match NamedKind::of_path(path) {
                Some(_) if name.is_empty() || name.contains('/') => return None,
                Some(kind) => Taggable::Named(kind, name.to_owned()),
                None => Taggable::Other,
            },
            None => return None,
        };
        Some(Self { scope: Scope { account, region }, resource })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domain_ids_have_the_models_pattern() {
        for right in ["d-a", "d-abc123", "d--a", "d-a-b"] {
            assert!(DomainId::parse(right).is_some(), "{right}");
        }
        let long = format!("d-{}", "a".repeat(62));
        for wrong in ["", "d", "d-", "d-A", "x-a", "d-a/", "d-a-", "d-ü", long.as_str()] {
            assert!(DomainId::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_request_makes_one_domain_however_often_it_is_tried() {
        let id = DomainId::of_creation("r1");
        assert_eq!(id, DomainId::of_creation("r1"));
        assert_ne!(id, DomainId::of_creation("r2"));
        assert_eq!(DomainId::parse(id.as_str()), Some(id.clone()));
        assert_eq!(id.as_str().len(), 14);
    }

    #[test]
    fn arns_are_taken_apart_or_refused() {
        let parse = |arn: &str| ResourceArn::parse(arn).map(|it| it.resource);
        let domain = DomainId::parse("d-1").unwrap();
        assert_eq!(
            parse("arn:aws:sagemaker:us-west-2:123456789012:domain/d-1"),
            Some(Taggable::Domain(domain.clone()))
        );
        assert_eq!(
            parse("arn:aws:sagemaker:us-west-2:123456789012:user-profile/d-1/Ann"),
            Some(Taggable::UserProfile(domain, "Ann".into()))
        );
        assert_eq!(
            parse("arn:aws:sagemaker:us-west-2:123456789012:model/m"),
            Some(Taggable::Other)
        );
        for wrong in [
            "",
            "arn:aws:s3:::b",
            "arn:aws:sagemaker:us-west-2:123456789012:domain",
            "arn:aws:sagemaker:us-west-2:123456789012:domain/x",
            "arn:aws:sagemaker:us-west-2:12:domain/d-1",
            "arn:aws-cn:sagemaker:us-west-2:123456789012:domain/d-1",
            "arn:aws:sagemaker:us-west-2:123456789012:user-profile/d-1",
            "arn:aws:sagemaker:us-west-2:123456789012:user-profile/d-1/a/b",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
