//! Compiled policies and the one place where a statement is held against a request.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::condition::CompiledCondition;
use crate::document::{
    Document, Effect, Element, PrincipalElement, PrincipalType, Statement, Version,
};
use crate::pattern::{Dialect, Match, Pattern};
use crate::request::{Principal, Request, ResourceName};

/// A policy, ready to decide. It knows no name: the same content can be attached under many.
#[derive(Debug, Clone)]
pub struct Policy {
    pub(crate) document: Document,
    pub(crate) statements: Vec<Compiled>,
}

/// A policy under the name by which reports call it: an ARN, or the name of an inline policy.
#[derive(Debug, Clone)]
pub struct Attached {
    /// The name.
    pub name: Arc<str>,
    /// The policy.
    pub policy: Arc<Policy>,
}

impl Attached {
    /// Names a policy.
    pub fn new(name: impl Into<Arc<str>>, policy: impl Into<Arc<Policy>>) -> Self {
        Self { name: name.into(), policy: policy.into() }
    }
}

impl Policy {
    /// A policy without statements, which allows and denies nothing.
    pub fn empty() -> Self {
        Self {
            document: Document { version: Version::V2012, id: None, statements: Vec::new() },
            statements: Vec::new(),
        }
    }

    /// Compiles a document. It cannot fail: what is no valid pattern or value matches nothing, and grants nothing by
    /// not matching.
    pub fn compile(document: &Document) -> Self {
        let statements = document
            .statements
            .iter()
            .map(|statement| Compiled::new(statement, document.version))
            .collect();
        Self { document: document.clone(), statements }
    }

    /// The document it was compiled from.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// The condition keys that the policy reads, in conditions and as variables: each once, in lower case and order.
    pub fn context_keys(&self) -> BTreeSet<&str> {
        let conditions = self.statements.iter().flat_map(|compiled| &compiled.conditions);
        let resources = self.statements.iter().filter_map(|compiled| compiled.resource.as_ref());
        let variables =
            resources.flat_map(|resources| &resources.patterns).flat_map(Pattern::variables);
        conditions.flat_map(CompiledCondition::keys).chain(variables).collect()
    }

    /// The `Sid` of a statement.
    pub fn sid(&self, statement: usize) -> Option<&str> {
        self.document.statements.get(statement)?.sid.as_ref().map(|sid| &*sid.value)
    }
}

/// How closely a statement of a resource-based policy names the caller.
///
/// In the resource's account the grade says which other policies can still take the grant away without denying it.
/// Source: "Policy evaluation for requests within a single account" and "Permissions boundaries for IAM entities".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Grade {
    /// The caller's account: it only hands the decision to the account's own policies.
    Account,
    /// The role of a session, or the user of a federated session: boundary and session policies limit it.
    Role,
    /// The caller itself or everyone: nothing but a Deny (or an SCP) limits it.
    Direct,
}

/// What is told while a statement is held against a request. The silent one compiles to nothing.
pub(crate) trait Observer {
    /// Whether all elements are looked at, even after one that does not match.
    const ALL: bool;
    fn action(&mut self, matched: bool);
    fn resource(&mut self, matched: bool);
    fn principal(&mut self, matched: bool);
    fn condition(&mut self, index: usize, holds: bool);
}

/// Hears nothing.
pub(crate) struct Silent;

impl Observer for Silent {
    const ALL: bool = false;
    fn action(&mut self, _: bool) {}
    fn resource(&mut self, _: bool) {}
    fn principal(&mut self, _: bool) {}
    fn condition(&mut self, _: usize, _: bool) {}
}

/// Which policy a statement stands in, as far as that changes what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Attached to an identity, a boundary, a session policy or an SCP: no `Principal`.
    Identity,
    /// Attached to a resource. Without a `Resource` element it speaks of that resource (trust policies).
    Resource,
    /// An endpoint policy or an RCP: has `Principal` and `Resource`.
    Perimeter,
}

/// What a statement is held against.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) request: &'a Request,
    /// The resource by each of its names; one is enough.
    pub(crate) names: &'a [ResourceName],
    pub(crate) place: Place,
    /// Whether the caller has a permissions boundary.
    pub(crate) bounded: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Compiled {
    pub(crate) effect: Effect,
    pub(crate) action: Actions,
    pub(crate) resource: Option<Resources>,
    principal: Option<Principals>,
    pub(crate) conditions: Vec<CompiledCondition>,
}

impl Compiled {
    fn new(statement: &Statement, version: Version) -> Self {
        let effect = statement.effect;
        Self {
            effect,
            action: Actions::new(statement.action.as_ref(), effect),
            resource: statement.resource.as_ref().map(|element| Resources::new(element, version)),
            principal: statement.principal.as_ref().map(Principals::new),
            conditions: statement
                .conditions
                .iter()
                .map(|condition| CompiledCondition::new(condition, version))
                .collect(),
        }
    }

    /// Whether the statement applies, and how closely it names the caller.
    pub(crate) fn applies<O: Observer>(&self, asked: Asked<'_>, observer: &mut O) -> Option<Grade> {
        let action = self.action.matches(&asked.request.action_lower);
        observer.action(action);
        if !action && !O::ALL {
            return None;
        }
        self.applies_beyond_action(asked, observer).filter(|_| action)
    }

    /// The same for a statement whose action is known to match.
    pub(crate) fn applies_beyond_action<O: Observer>(
        &self,
        asked: Asked<'_>,
        observer: &mut O,
    ) -> Option<Grade> {
        let resource = self.resource_matches(asked);
        observer.resource(resource);
        if !resource && !O::ALL {
            return None;
        }
        let grade = self.grade(asked);
        observer.principal(grade.is_some());
        if grade.is_none() && !O::ALL {
            return None;
        }
        let mut holds = true;
        for (index, condition) in self.conditions.iter().enumerate() {
            let this = condition.holds(&asked.request.context, self.effect);
            observer.condition(index, this);
            holds &= this;
            if !holds && !O::ALL {
                return None;
            }
        }
        grade.filter(|_| resource && holds)
    }

    fn resource_matches(&self, asked: Asked<'_>) -> bool {
        let Some(resources) = &self.resource else {
            return asked.place == Place::Resource || self.effect == Effect::Deny;
        };
        asked.names.iter().any(|name| resources.matches(name, asked.request, self.effect))
    }

    fn grade(&self, asked: Asked<'_>) -> Option<Grade> {
        match &self.principal {
            Some(principals) => principals.grade(asked.request, self.effect, asked.bounded),
            // A policy on an identity speaks of that identity. Elsewhere the element is required: without it an Allow
            // grants nothing and a Deny spares nobody.
            None => (asked.place == Place::Identity || self.effect == Effect::Deny)
                .then_some(Grade::Direct),
        }
    }
}

/// `Action` or `NotAction`: names sorted for search, patterns apart.
#[derive(Debug, Clone)]
pub(crate) struct Actions {
    pub(crate) negated: bool,
    /// A `NotAction` with an entry that is no action, in an Allow: what it means to leave out is not known.
    broken: bool,
    /// In lower case, sorted.
    pub(crate) exact: Vec<Box<str>>,
    /// Sorted by service, those that are bound to none first.
    pub(crate) patterns: Vec<ActionPattern>,
}

/// An action with wildcards; service and name match apart, so that no `*` takes the colon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ActionPattern {
    /// In lower case, as written.
    pub(crate) text: Box<str>,
    /// `None` where it stands for every action.
    parts: Option<(Pattern, Pattern)>,
}

impl ActionPattern {
    fn new(text: &str) -> Self {
        let pattern = |text| Pattern::new(text, Version::V2008, Dialect::Wild);
        let parts = text.split_once(':').map(|(service, name)| (pattern(service), pattern(name)));
        Self { text: text.into(), parts }
    }

    /// The service, if the pattern is bound to one.
    pub(crate) fn service(&self) -> Option<&str> {
        self.parts.as_ref()?.0.literal()
    }

    pub(crate) fn matches(&self, action: &str) -> bool {
        let Some((service, name)) = &self.parts else { return true };
        let Some((asked_service, asked_name)) = action.split_once(':') else { return false };
        let empty = crate::Context::new();
        service.matches(asked_service, 0, &empty) == Match::Yes
            && name.matches(asked_name, 0, &empty) == Match::Yes
    }
}

impl Actions {
    fn new(element: Option<&Element>, effect: Effect) -> Self {
        // A statement without any action: not one that grants, and a Deny that spares nothing.
        let Some(element) = element else {
            return Self {
                negated: effect == Effect::Deny,
                broken: false,
                exact: Vec::new(),
                patterns: Vec::new(),
            };
        };
        let mut actions = Self {
            negated: element.negated,
            broken: false,
            exact: Vec::new(),
            patterns: Vec::new(),
        };
        for text in &element.values {
            let text = text.value.to_ascii_lowercase();
            let wild = text.contains(['*', '?']);
            // Without a colon there is no service. Only `*` has a meaning; the rest matches nothing.
            if !(text.contains(':') || wild && text.bytes().all(|byte| byte == b'*')) {
                actions.broken = element.negated && effect == Effect::Allow;
                continue;
            }
            if wild {
                actions.patterns.push(ActionPattern::new(&text));
            } else {
                actions.exact.push(text.into());
            }
        }
        actions.exact.sort_unstable();
        actions.patterns.sort_by(|a, b| a.service().cmp(&b.service()));
        actions
    }

    /// The patterns that can match: those of the action's service and those of no single one.
    fn patterns_for(&self, action: &str) -> impl Iterator<Item = &ActionPattern> {
        let service = action.split_once(':').map(|(service, _)| service);
        let own = self.patterns.partition_point(|pattern| pattern.service() < service);
        let loose = self.patterns.iter().take_while(|pattern| pattern.service().is_none());
        let own =
            self.patterns.iter().skip(own).take_while(move |pattern| pattern.service() == service);
        loose.chain(own.filter(|pattern| pattern.service().is_some()))
    }

    /// Whether the element covers an action given in lower case.
    pub(crate) fn matches(&self, action: &str) -> bool {
        let listed = self.exact.binary_search_by(|exact| (**exact).cmp(action)).is_ok()
            || self.patterns_for(action).any(|pattern| pattern.matches(action));
        listed != self.negated && !self.broken
    }
}

/// `Resource` or `NotResource`.
#[derive(Debug, Clone)]
pub(crate) struct Resources {
    pub(crate) negated: bool,
    pub(crate) patterns: Vec<Pattern>,
}

impl Resources {
    fn new(element: &Element, version: Version) -> Self {
        let pattern = |text: &str| Pattern::new(text, version, Dialect::Resource);
        Self {
            negated: element.negated,
            patterns: element.values.iter().map(|text| pattern(&text.value)).collect(),
        }
    }

    fn matches(&self, name: &ResourceName, request: &Request, effect: Effect) -> bool {
        let mut unknown = false;
        for pattern in &self.patterns {
            match pattern.matches(name.as_str(), name.part(), &request.context) {
                Match::Yes => return !self.negated,
                Match::Unknown => unknown = true,
                Match::No => {}
            }
        }
        self.negated && !(unknown && effect == Effect::Allow)
    }
}

#[derive(Debug, Clone)]
struct Principals {
    negated: bool,
    entries: Vec<(PrincipalType, Box<str>)>,
}

impl Principals {
    fn new(element: &PrincipalElement) -> Self {
        let entries =
            element.entries.iter().map(|(kind, text)| (*kind, text.value.clone())).collect();
        Self { negated: element.negated, entries }
    }

    fn has(&self, test: impl Fn(PrincipalType, &str) -> bool) -> bool {
        self.entries.iter().any(|(kind, value)| test(*kind, value))
    }

    fn names_account(&self, arn: &str, account: &str) -> bool {
        // The root ARN in the caller's partition. An account is one account, whatever partition is written.
        let partition = arn.split(':').nth(1).unwrap_or("aws");
        self.has(|kind, value| {
            kind == PrincipalType::Aws
                && (value == account
                    || value.strip_prefix("arn:").is_some_and(|rest| {
                        rest.strip_prefix(partition)
                            .and_then(|rest| rest.strip_prefix(":iam::"))
                            .and_then(|rest| rest.strip_suffix(":root"))
                            .is_some_and(|named| named == account)
                    }))
        })
    }

    fn names(&self, kind: PrincipalType, name: &str) -> bool {
        self.has(|entry, value| entry == kind && value == name)
    }

    fn names_everyone(&self) -> bool {
        self.names(PrincipalType::Aws, "*")
    }

    fn names_session_id(&self, unique_id: &str, session: &str) -> bool {
        let name = session.rsplit_once('/').map_or("", |(_, name)| name);
        self.has(|kind, value| {
            kind == PrincipalType::Aws
                && value.strip_prefix(unique_id).and_then(|rest| rest.strip_prefix(':'))
                    == Some(name)
        })
    }

    fn grade(&self, request: &Request, effect: Effect, bounded: bool) -> Option<Grade> {
        if !self.negated {
            return self.closest(request);
        }
        let spared = match effect {
            // Documented: a Deny with NotPrincipal denies every principal that has a permissions boundary.
            Effect::Deny => !bounded && self.lists_wholly(request),
            // Not supported by AWS; it grants nothing to anybody whom it names in any way.
            Effect::Allow => self.closest(request).is_some(),
        };
        (!spared).then_some(Grade::Direct)
    }

    /// The closest way in which an entry names the caller. An ARN names by equality: AWS takes no wildcard in it.
    fn closest(&self, request: &Request) -> Option<Grade> {
        if self.names_everyone() {
            return Some(Grade::Direct);
        }
        let aws = |name: &str| self.names(PrincipalType::Aws, name);
        let id = |id: &Option<Box<str>>| id.as_deref().is_some_and(aws);
        let account_only =
            |arn: &str, account: &str| self.names_account(arn, account).then_some(Grade::Account);
        match &request.principal {
            Principal::Root { arn, account } => account_only(arn, account).map(|_| Grade::Direct),
            Principal::User { arn, account, unique_id } => {
                if aws(arn) || id(unique_id) {
                    Some(Grade::Direct)
                } else {
                    account_only(arn, account)
                }
            }
            Principal::Role { arn, session, account, unique_id } => {
                let session = session.as_deref();
                let by_id = || match (unique_id, session) {
                    (Some(unique_id), Some(session)) => self.names_session_id(unique_id, session),
                    _ => false,
                };
                if session.is_some_and(aws) || by_id() {
                    Some(Grade::Direct)
                } else if aws(arn) || id(unique_id) {
                    Some(Grade::Role)
                } else {
                    account_only(arn, account)
                }
            }
            Principal::FederatedUser { arn, user, user_id, account } => {
                if aws(arn) {
                    Some(Grade::Direct)
                } else if user.as_deref().is_some_and(aws) || id(user_id) {
                    Some(Grade::Role)
                } else {
                    account_only(arn, account)
                }
            }
            Principal::Provider { provider } => {
                self.names(PrincipalType::Federated, provider).then_some(Grade::Direct)
            }
            Principal::Service { name } => {
                self.names(PrincipalType::Service, name).then_some(Grade::Direct)
            }
            Principal::Anonymous => None,
        }
    }

    /// Whether a NotPrincipal spares the caller. It must list the caller's account, its role and the session: AWS
    /// may check each of them.
    ///
    /// Source: "AWS JSON policy elements: NotPrincipal".
    fn lists_wholly(&self, request: &Request) -> bool {
        if self.names_everyone() {
            return true;
        }
        let aws = |name: &str| self.names(PrincipalType::Aws, name);
        let id = |id: &Option<Box<str>>| id.as_deref().is_some_and(aws);
        match &request.principal {
            Principal::Root { arn, account } => self.names_account(arn, account),
            Principal::User { arn, account, unique_id } => {
                self.names_account(arn, account) && (aws(arn) || id(unique_id))
            }
            Principal::Role { arn, session, account, unique_id } => {
                let session = session.as_deref().is_none_or(|session| {
                    aws(session)
                        || unique_id.as_deref().is_some_and(|id| self.names_session_id(id, session))
                });
                self.names_account(arn, account) && (aws(arn) || id(unique_id)) && session
            }
            Principal::FederatedUser { arn, user, user_id, account } => {
                let user = user.as_deref().is_none_or(aws) || id(user_id);
                self.names_account(arn, account) && aws(arn) && user
            }
            Principal::Provider { .. } | Principal::Service { .. } | Principal::Anonymous => {
                self.closest(request).is_some()
            }
        }
    }
}
