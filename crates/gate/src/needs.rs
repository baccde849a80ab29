//! What an operation must be allowed before it may run.

use std::sync::Arc;

use sagegate_policy::Policy;

use crate::ids::AccountId;

/// One value, or many, of a condition key of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyValue {
    /// A single-valued key.
    One(String),
    /// A multivalued key, possibly empty.
    Many(Vec<String>),
}

impl From<String> for KeyValue {
    fn from(value: String) -> Self {
        Self::One(value)
    }
}

impl From<&str> for KeyValue {
    fn from(value: &str) -> Self {
        Self::One(value.to_owned())
    }
}

impl From<Vec<String>> for KeyValue {
    fn from(values: Vec<String>) -> Self {
        Self::Many(values)
    }
}

/// How a policy attached to a resource takes part in the decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourcePolicyRole {
    /// It may grant by itself within the account (S3 buckets and most others).
    Grants,
    /// It must allow, as a role's trust policy must for `sts:AssumeRole`.
    Trust,
}

/// The policy of the resource that a request is about.
#[derive(Clone, Debug)]
pub struct ResourcePolicy {
    /// The policy.
    pub policy: Arc<Policy>,
    /// How it takes part.
    pub role: ResourcePolicyRole,
}

/// The resource that an action is decided on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// The action has no resource: policies must say `*`, and error texts name none.
    Any,
    /// One ARN, or a collection such as `…:domain/*` (SPEC T4), as error texts show it.
    Arn(String),
}

/// One action on one resource that must be allowed.
#[derive(Clone, Debug)]
pub struct Need {
    /// `service:Action`, spelled as the Service Authorization Reference does.
    pub action: &'static str,
    /// The resource.
    pub resource: Resource,
    /// The resource's account, where it is not the caller's.
    pub resource_account: Option<AccountId>,
    /// Condition keys from the request and from stored state.
    pub keys: Vec<(String, KeyValue)>,
    /// Further ARNs by which an endpoint policy may match the resource (SPEC T2).
    pub endpoint_alternates: Vec<String>,
    /// The resource's own policy.
    pub resource_policy: Option<ResourcePolicy>,
    /// Whether only an endpoint policy is asked ([`Need::no_permission`]).
    pub of_the_way_only: bool,
    /// How error texts name the resource where it is not by its ARN: IAM writes `user jo`, which
    /// also keeps a stored path from those who may not see it.
    pub shown: Option<String>,
}

impl Need {
    /// A need of `action` on one resource.
    #[must_use]
    pub fn on(action: &'static str, arn: impl Into<String>) -> Self {
        Self {
            action,
            resource: Resource::Arn(arn.into()),
            resource_account: None,
            keys: Vec::new(),
            endpoint_alternates: Vec::new(),
            resource_policy: None,
            of_the_way_only: false,
            shown: None,
        }
    }

    /// A need of an action that has no resource.
    #[must_use]
    pub fn any(action: &'static str) -> Self {
        Self { resource: Resource::Any, ..Self::on(action, "") }
    }

    /// Adds a condition key.
    #[must_use]
    pub fn key(mut self, name: impl Into<String>, value: impl Into<KeyValue>) -> Self {
        self.keys.push((name.into(), value.into()));
        self
    }

    /// Adds a condition key where there is a value.
    #[must_use]
    pub fn key_if(self, name: impl Into<String>, value: Option<impl Into<KeyValue>>) -> Self {
        match value {
            Some(value) => self.key(name, value),
            None => self,
        }
    }

    /// Adds `aws:RequestTag/…` for each tag and `aws:TagKeys`. Nothing where there are none.
    #[must_use]
    pub fn request_tags<'a>(mut self, tags: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut names = Vec::new();
        for (key, value) in tags {
            self.keys.push((format!("aws:RequestTag/{key}"), value.into()));
            names.push(key.to_owned());
        }
        if !names.is_empty() {
            self.keys.push(("aws:TagKeys".into(), KeyValue::Many(names)));
        }
        self
    }

    /// Adds `aws:ResourceTag/…`, and `<service>:ResourceTag/…` as services have it, for each tag
    /// of the resource.
    #[must_use]
    pub fn resource_tags<'a>(
        mut self,
        service: &str,
        tags: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        for (key, value) in tags {
            self.keys.push((format!("aws:ResourceTag/{key}"), value.into()));
            self.keys.push((format!("{service}:ResourceTag/{key}"), value.into()));
        }
        self
    }

    /// Names the resource's account.
    #[must_use]
    pub fn in_account(mut self, account: AccountId) -> Self {
        self.resource_account = Some(account);
        self
    }

    /// A call for which AWS asks no permission of the caller, and from whom no policy of theirs can
    /// take it (sts:GetCallerIdentity, sts:GetSessionToken). The policy of the endpoint that it comes
    /// through still has its say: it is about the way, not about the caller.
    #[must_use]
    pub fn no_permission(action: &'static str) -> Self {
        Self { of_the_way_only: true, ..Self::any(action) }
    }

    /// Names the resource for error texts otherwise than by its ARN.
    #[must_use]
    pub fn shown_as(mut self, text: impl Into<String>) -> Self {
        self.shown = Some(text.into());
        self
    }

    /// Adds the resource's own policy.
    #[must_use]
    pub fn with_policy(mut self, policy: ResourcePolicy) -> Self {
        self.resource_policy = Some(policy);
        self
    }
}

/// All that an operation must be allowed; every one of the list. An empty list is a mistake of the
/// operation, and nothing runs on it: what asks no permission says [`Need::no_permission`].
#[derive(Clone, Debug, Default)]
pub struct Needs(pub Vec<Need>);

impl Needs {
    /// None yet.
    #[must_use]
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Adds a need.
    #[must_use]
    pub fn and(mut self, need: Need) -> Self {
        self.0.push(need);
        self
    }
}

impl From<Need> for Needs {
    fn from(need: Need) -> Self {
        Self(vec![need])
    }
}
