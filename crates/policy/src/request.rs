//! What is asked: who, what, on which resource, under which circumstances.

use std::borrow::Cow;

use crate::pattern::resource_part;

/// The value of a condition key in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A key with one value.
    Single(Cow<'static, str>),
    /// A multivalued key; it can be there and empty.
    Multi(Vec<Box<str>>),
    /// A single-valued key that has several values all the same: tags whose keys differ in letter case only. Which of
    /// them a condition means cannot be told, so an Allow applies only if all of them satisfy it and a Deny if one
    /// does, with a set operator and without.
    Conflicting(Vec<Box<str>>),
}

impl Value {
    /// The value of a single-valued key.
    pub fn single(&self) -> Option<&str> {
        match self {
            Self::Single(value) => Some(value),
            Self::Multi(_) | Self::Conflicting(_) => None,
        }
    }

    /// All values in order.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        let (one, many) = match self {
            Self::Single(value) => (Some(&**value), [].as_slice()),
            Self::Multi(values) | Self::Conflicting(values) => (None, values.as_slice()),
        };
        one.into_iter().chain(many.iter().map(|value| &**value))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Single(Cow::Owned(value.into()))
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Single(value.into())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Single(if value { "true" } else { "false" }.into())
    }
}

impl<T: Into<Box<str>>> From<Vec<T>> for Value {
    fn from(values: Vec<T>) -> Self {
        Self::Multi(values.into_iter().map(Into::into).collect())
    }
}

impl Value {
    /// A value that is part of the program.
    pub const fn fixed(value: &'static str) -> Self {
        Self::Single(Cow::Borrowed(value))
    }
}

/// The condition keys of a request. Names are compared without regard to letter case, those of tags included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// In lower case, in order and without duplicates. Every request makes some twenty of them, most with a name that
    /// is part of the program: one piece of memory for all is made and dropped sooner than a tree.
    keys: Vec<(Name, Value)>,
}

type Name = Cow<'static, str>;

impl Context {
    /// No keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// No keys yet, with room for so many.
    pub fn with_capacity(keys: usize) -> Self {
        Self { keys: Vec::with_capacity(keys) }
    }

    /// Sets a key; the last value given stays.
    pub fn insert(&mut self, key: &str, value: impl Into<Value>) {
        self.set(folded_key(key).into_owned().into(), value.into());
    }

    /// As [`Context::insert`], for a key that is part of the program: in lower case it is not copied.
    pub fn insert_known(&mut self, key: &'static str, value: impl Into<Value>) {
        self.set(folded_key(key), value.into());
    }

    fn set(&mut self, key: Name, value: Value) {
        match self.place(&key) {
            Ok(at) => {
                if let Some((_, known)) = self.keys.get_mut(at) {
                    *known = value;
                }
            }
            Err(at) => self.keys.insert(at, (key, value)),
        }
    }

    /// Where a key given in lower case is, or belongs.
    fn place(&self, key: &str) -> Result<usize, usize> {
        // Most keys come in order.
        if self.keys.last().is_none_or(|(last, _)| **last < *key) {
            return Err(self.keys.len());
        }
        self.keys.binary_search_by(|(name, _)| (**name).cmp(key))
    }

    /// Adds a tag's value under a key such as `aws:RequestTag/team`. A second, other value under a key that differs in
    /// letter case only does not take the place of the first: see [`Value::Conflicting`].
    ///
    /// Source: "aws:RequestTag/tag-key" in the IAM User Guide: keys of tags are compared without regard to case.
    pub fn insert_tag(&mut self, key: &str, value: &str) {
        let key = folded_key(key);
        match self.place(&key) {
            Err(at) => self.keys.insert(at, (key.into_owned().into(), value.into())),
            Ok(at) => {
                let Some((_, known)) = self.keys.get_mut(at) else { return };
                let others: Vec<Box<str>> = known.values().map(Into::into).collect();
                if others.iter().all(|other| **other == *value) {
                    return;
                }
                *known = Value::Conflicting(others.into_iter().chain([value.into()]).collect());
            }
        }
    }

    /// Sets a key that must not be there yet; whether it was not.
    pub(crate) fn insert_new(&mut self, key: &str, value: Value) -> bool {
        let key = folded_key(key);
        match self.place(&key) {
            Err(at) => {
                self.keys.insert(at, (key.into_owned().into(), value));
                true
            }
            Ok(_) => false,
        }
    }

    /// Removes a key.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let at = self.place(&folded_key(key)).ok()?;
        Some(self.keys.remove(at).1)
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.get_lower(&folded_key(key))
    }

    /// The value of a key given in lower case.
    pub(crate) fn get_lower(&self, key: &str) -> Option<&Value> {
        let at = self.place(key).ok()?;
        self.keys.get(at).map(|(_, value)| value)
    }

    /// All keys, in lower case and order, with their values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.keys.iter().map(|(key, value)| (&**key, value))
    }
}

/// A condition key, or the key of a tag, as it is compared: in Unicode's lower case. Whatever takes one
/// tag for another, or lets one take another's place, has to compare them so: else a tag could hide
/// behind one that only looks different to whoever set it.
pub fn folded_key(key: &str) -> Cow<'_, str> {
    // All but some tags' keys are ASCII, which is quick. Eight by eight without a branch for each byte, which the compiler looks at all at a time. The last eight may have
    // been looked at already.
    let other = |byte: &u8| !byte.is_ascii() | byte.is_ascii_uppercase();
    let any = |bytes: &[u8; 8]| bytes.iter().fold(false, |any, byte| any | other(byte));
    let (chunks, rest) = key.as_bytes().as_chunks::<8>();
    let changes = match key.as_bytes().last_chunk() {
        Some(last) => chunks.iter().any(any) || any(last),
        None => rest.iter().any(other),
    };
    if !changes {
        Cow::Borrowed(key)
    } else if key.is_ascii() {
        Cow::Owned(key.to_ascii_lowercase())
    } else {
        Cow::Owned(key.to_lowercase())
    }
}

impl<K: AsRef<str>, V: Into<Value>> FromIterator<(K, V)> for Context {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(items: I) -> Self {
        let mut context = Self::new();
        for (key, value) in items {
            context.insert(key.as_ref(), value);
        }
        context
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// The root user of an account: allowed everything in it that no policy takes away.
    Root {
        /// `arn:aws:iam::…:root`.
        arn: Box<str>,
        /// 12 digits.
        account: Box<str>,
    },
    /// An IAM user.
    User {
        /// With its path.
        arn: Box<str>,
        /// 12 digits.
        account: Box<str>,
        /// `AIDA…`, by which a stored policy can name the user.
        unique_id: Option<Box<str>>,
    },
    /// A role, and normally a session of it.
    Role {
        /// The role's ARN with its path.
        arn: Box<str>,
        /// `arn:aws:sts::…:assumed-role/ROLE/SESSION`.
        session: Option<Box<str>>,
        /// 12 digits.
        account: Box<str>,
        /// `AROA…`, by which a stored policy can name the role.
        unique_id: Option<Box<str>>,
    },
    /// A session of `GetFederationToken`. It has the permissions of its user that its session policies also allow;
    /// without session policies it has none.
    FederatedUser {
        /// `arn:aws:sts::…:federated-user/NAME`.
        arn: Box<str>,
        /// The IAM user (or root user) that asked for it.
        user: Option<Box<str>>,
        /// The IAM user's `AIDA…`, by which a stored policy can name it.
        user_id: Option<Box<str>>,
        /// 12 digits.
        account: Box<str>,
    },
    /// An identity provider's user before a role is assumed (`AssumeRoleWithSAML`, `AssumeRoleWithWebIdentity`).
    Provider {
        /// The provider's ARN or host name.
        provider: Box<str>,
    },
    /// An AWS service on its own behalf, such as `sagemaker.amazonaws.com`.
    Service {
        /// The service principal.
        name: Box<str>,
    },
    /// A request without a signature.
    Anonymous,
}

fn twelve_digits(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The account in an ARN.
pub(crate) fn account_of(arn: &str) -> Option<&str> {
    if !arn.starts_with("arn:") {
        return None;
    }
    let account = arn.as_bytes().split(|byte| *byte == b':').nth(4)?;
    std::str::from_utf8(account).ok().filter(|account| twelve_digits(account))
}

impl Principal {
    /// Reads a principal as people write one: the ARN of a user, role, session (its role is taken to have no path),
    /// federated user, identity provider or root user; a 12-digit account for its root user; a service principal; `*` or `anonymous`.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "*" || text == "anonymous" {
            return Some(Self::Anonymous);
        }
        if twelve_digits(text) {
            return Some(Self::Root {
                arn: format!("arn:aws:iam::{text}:root").into(),
                account: text.into(),
            });
        }
        if !text.starts_with("arn:") {
            let service = text.rsplit_once(".amazonaws.com").is_some_and(|(head, tail)| {
                let clean = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
                !head.is_empty() && head.chars().all(clean) && (tail.is_empty() || tail == ".cn")
            });
            return service.then(|| Self::Service { name: text.into() });
        }
        let account: Box<str> = account_of(text)?.into();
        let mut parts = text.splitn(6, ':').skip(1);
        let (partition, service, _region, _account, resource) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let arn: Box<str> = text.into();
        let named =
            |name: &str| !name.is_empty() && !name.ends_with('/') && !name.contains(['*', '?']);
        match (service, resource.split_once('/')) {
            ("iam", None) if resource == "root" => Some(Self::Root { arn, account }),
            ("iam", Some(("saml-provider" | "oidc-provider", name))) if named(name) => {
                Some(Self::Provider { provider: arn })
            }
            ("iam", Some(("user", name))) if named(name) => {
                Some(Self::User { arn, account, unique_id: None })
            }
            ("iam", Some(("role", name))) if named(name) => {
                Some(Self::Role { arn, session: None, account, unique_id: None })
            }
            ("sts", Some(("assumed-role", name))) if named(name) => {
                let (role, _session) =
                    name.rsplit_once('/').filter(|(role, _)| !role.is_empty())?;
                let role = format!("arn:{partition}:iam::{account}:role/{role}");
                Some(Self::Role { arn: role.into(), session: Some(arn), account, unique_id: None })
            }
            ("sts", Some(("federated-user", name))) if named(name) => {
                Some(Self::FederatedUser { arn, user: None, user_id: None, account })
            }
            _ => None,
        }
    }

    /// The account it belongs to.
    pub fn account(&self) -> Option<&str> {
        match self {
            Self::Root { account, .. }
            | Self::User { account, .. }
            | Self::Role { account, .. }
            | Self::FederatedUser { account, .. } => Some(account),
            Self::Provider { .. } | Self::Service { .. } | Self::Anonymous => None,
        }
    }

    /// How AWS writes it in messages: a role session by its session's ARN.
    pub fn display(&self) -> &str {
        match self {
            Self::Root { arn, .. } | Self::User { arn, .. } | Self::FederatedUser { arn, .. } => {
                arn
            }
            Self::Role { arn, session, .. } => session.as_ref().unwrap_or(arn),
            Self::Provider { provider } => provider,
            Self::Service { name } => name,
            Self::Anonymous => "anonymous",
        }
    }

    /// Whether it is a root user, or a federated session of one: what it may do, it may do without a grant.
    pub(crate) fn is_root(&self) -> bool {
        match self {
            Self::Root { .. } => true,
            Self::FederatedUser { user: Some(user), .. } => {
                user.splitn(6, ':').nth(5) == Some("root")
            }
            _ => false,
        }
    }

    /// Whether it is a service-linked role, which SCPs and RCPs leave alone.
    ///
    /// Source: "Service control policies" and "Resource control policies" in the Organizations User Guide.
    pub fn is_service_linked(&self) -> bool {
        match self {
            Self::Role { arn, .. } => arn
                .splitn(6, ':')
                .nth(5)
                .is_some_and(|resource| resource.starts_with("role/aws-service-role/")),
            _ => false,
        }
    }
}

/// A name of a resource: an ARN, or `*` for an action without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceName {
    text: Box<str>,
    part: usize,
}

impl ResourceName {
    /// Takes a resource's name.
    pub fn new(text: &str) -> Self {
        Self { part: resource_part(text), text: text.into() }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Where the sixth segment begins.
    pub(crate) fn part(&self) -> usize {
        self.part
    }

    /// The sixth segment.
    pub(crate) fn tail(&self) -> &str {
        self.text.get(self.part..).unwrap_or_default()
    }
}

/// A question to the policies.
#[derive(Debug, Clone)]
pub struct Request {
    pub(crate) principal: Principal,
    pub(crate) action: Box<str>,
    pub(crate) action_lower: Box<str>,
    /// The resource's name, then its alternates for endpoint policies.
    names: Vec<ResourceName>,
    pub(crate) resource_account: Option<Box<str>>,
    /// The condition keys.
    pub context: Context,
}

impl Request {
    /// A request for an action (`service:Name`) on a resource (an ARN, or `*`). The resource's account is that of its
    /// ARN, else the principal's.
    pub fn new(principal: Principal, action: &str, resource: &str, context: Context) -> Self {
        let resource_account = account_of(resource).or(principal.account()).map(Into::into);
        Self {
            action: action.into(),
            action_lower: action.to_ascii_lowercase().into(),
            names: vec![ResourceName::new(resource)],
            resource_account,
            principal,
            context,
        }
    }

    /// Sets the account that owns the resource.
    #[must_use]
    pub fn with_resource_account(mut self, account: &str) -> Self {
        self.resource_account = Some(account.into());
        self
    }

    /// Adds a further name of the resource that endpoint policies may use: a statement that matches under either name
    /// matches, be it Allow or Deny.
    #[must_use]
    pub fn with_endpoint_alternate(mut self, resource: &str) -> Self {
        self.names.push(ResourceName::new(resource));
        self
    }

    /// Who asks.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The action as asked for.
    pub fn action(&self) -> &str {
        &self.action
    }

    /// The resource's name.
    pub fn resource(&self) -> &str {
        self.names.first().map_or("", ResourceName::as_str)
    }

    /// The resource's name and its alternates.
    pub(crate) fn all_names(&self) -> &[ResourceName] {
        &self.names
    }

    /// The resource's name alone.
    pub(crate) fn own_name(&self) -> &[ResourceName] {
        self.names.get(..1).unwrap_or_default()
    }

    /// The account that owns the resource.
    pub fn resource_account(&self) -> Option<&str> {
        self.resource_account.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_lowered_wherever_the_capital_stands() {
        for length in 0..40 {
            for at in 0..=length {
                for letter in ["A", "Z", "É", "é", "@", "["] {
                    let key = "a".repeat(at) + letter + &"z".repeat(length - at);
                    assert_eq!(folded_key(&key), key.to_lowercase());
                }
            }
            assert!(matches!(folded_key(&"a".repeat(length)), Cow::Borrowed(_)));
        }
    }
}
