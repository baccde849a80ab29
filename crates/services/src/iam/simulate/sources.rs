//! The policies of a simulation, each with where it comes from.

use std::sync::Arc;

use sagegate_policy::{Attached, Document, Policy, PolicyType};

use super::super::entities::{by_id, require};
use super::super::faults::{invalid_input, no_such_policy};
use super::super::prelude::*;
use super::super::records::{MEMBERSHIPS, RoleRecord};
use super::super::{attachments, aws_managed, documents, inline, managed};
use super::exclusions::Exclusions;
use super::positions::{self, Span};

/// A policy under simulation.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// `SourcePolicyId`.
    pub(super) id: String,
    /// `SourcePolicyType`.
    pub(super) kind: api::PolicySourceType,
    /// The policy.
    pub(super) policy: Arc<Policy>,
    /// Where its statements stand.
    pub(super) spans: Vec<Span>,
}

impl Source {
    fn new(id: String, kind: api::PolicySourceType, text: &str) -> Result<Self, Fault> {
        // What is stored has been checked; a document that cannot be read is our own fault.
        let document = Document::parse(text)
            .map_err(|error| Fault::internal(format!("the policy {id}: {error}")))?;
        let policy = Arc::new(Policy::compile(&document));
        Ok(Self { id, kind, policy, spans: positions::statements(text) })
    }

    pub(super) fn attached(&self) -> Attached {
        Attached::new(self.id.as_str(), Arc::clone(&self.policy))
    }
}

/// Policies given as text.
///
/// # Errors
/// `InvalidInput` naming the one that AWS would not take.
pub(super) fn given(
    texts: Option<&[String]>,
    list: &str,
    kind: PolicyType,
) -> Result<Vec<Source>, Fault> {
    let sources = texts.unwrap_or_default().iter().enumerate().map(|(index, text)| {
        let id = format!("{list}.{}", index + 1);
        one(id, text, kind)
    });
    sources.collect()
}

/// A policy given as text.
///
/// # Errors
/// `InvalidInput`.
pub(super) fn one(id: String, text: &str, kind: PolicyType) -> Result<Source, Fault> {
    documents::check(text, kind).map_err(|fault| Fault {
        detail: fault.detail.clone(),
        ..invalid_input(format!("The policy in {id} is malformed: {}", fault.message))
    })?;
    let source = match kind {
        PolicyType::Resource => api::PolicySourceType::Resource,
        _ => api::PolicySourceType::None,
    };
    Source::new(id, source, text)
}

/// Whose policies are simulated.
#[derive(Clone, Debug)]
pub(super) struct Entity {
    pub(super) kind: EntityKind,
    pub(super) arn: String,
    pub(super) id: String,
    name: String,
    boundary: Option<String>,
}

/// The user, group or role of an ARN of this account.
///
/// # Errors
/// `InvalidInput` for another ARN, `NoSuchEntity`.
pub(super) fn entity(state: &dyn Read, scope: &Scope, arn: &str) -> Result<Entity, Fault> {
    let unclear = || {
        invalid_input(format!(
            "Invalid Entity Arn: {arn} does not clearly define entity type and name."
        ))
    };
    let resource = arn.strip_prefix(&scope.global_arn("iam", "")).ok_or_else(unclear)?;
    let (kind, path) = resource.split_once('/').ok_or_else(unclear)?;
    let name = path.rsplit('/').next().filter(|name| !name.is_empty()).ok_or_else(unclear)?;
    let account = &scope.account;
    let entity = match kind {
        "user" => {
            let user = require::<UserRecord>(state, account, name)?;
            let arn = entities::arn(scope, &user);
            let boundary = user.boundary;
            Entity { kind: EntityKind::User, arn, id: user.id, name: user.name, boundary }
        }
        "group" => {
            let group = require::<GroupRecord>(state, account, name)?;
            let arn = entities::arn(scope, &group);
            let boundary = None;
            Entity { kind: EntityKind::Group, arn, id: group.id, name: group.name, boundary }
        }
        "role" => {
            let role = require::<RoleRecord>(state, account, name)?;
            let arn = entities::arn(scope, &role);
            let boundary = role.boundary;
            Entity { kind: EntityKind::Role, arn, id: role.id, name: role.name, boundary }
        }
        _ => return Err(unclear()),
    };
    // Another path is another ARN, which names nobody.
    if entity.arn != arn {
        return Err(super::super::faults::no_such_entity(entity.kind, name));
    }
    Ok(entity)
}

impl Entity {
    /// The policies of the entity, its groups' included, but for those that are excluded.
    ///
    /// # Errors
    /// `NoSuchEntity` for an attached policy that is missing; never in a sound store.
    pub(super) fn policies(
        &self,
        state: &dyn Read,
        scope: &Scope,
        exclusions: &Exclusions,
    ) -> Result<Vec<Source>, Fault> {
        let mut sources = Vec::new();
        self.own(state, scope, exclusions, &mut sources)?;
        if self.kind == EntityKind::User {
            let of = (scope.account.as_str(), self.id.as_str());
            for ((_, _, group), _) in MEMBERSHIPS.scan(state, &of, None, usize::MAX)? {
                let Some(group) = by_id::<GroupRecord>(state, &scope.account, &group)? else {
                    continue;
                };
                let arn = entities::arn(scope, &group);
                let group = Self {
                    kind: EntityKind::Group,
                    arn,
                    id: group.id,
                    name: group.name,
                    boundary: None,
                };
                group.own(state, scope, exclusions, &mut sources)?;
            }
        }
        Ok(sources)
    }

    fn own(
        &self,
        state: &dyn Read,
        scope: &Scope,
        exclusions: &Exclusions,
        into: &mut Vec<Source>,
    ) -> Result<(), Fault> {
        let (word, kind) = match self.kind {
            EntityKind::User => ("user", api::PolicySourceType::User),
            EntityKind::Group => ("group", api::PolicySourceType::Group),
            _ => ("role", api::PolicySourceType::Role),
        };
        for (name, record) in inline::all(state, &scope.account, &self.id)? {
            if !exclusions.inline(self.kind, &self.name, &name) {
                let id = format!("{word}_{}_{name}", self.name);
                into.push(Source::new(id, kind, &record.document)?);
            }
        }
        for (arn, name) in attachments::all(state, &scope.account, &self.id)? {
            if !exclusions.managed(&arn) {
                into.push(managed_source(state, scope, &arn, name)?);
            }
        }
        Ok(())
    }

    /// The entity's permissions boundary.
    ///
    /// # Errors
    /// `NoSuchEntity` for a boundary that is missing; never in a sound store.
    pub(super) fn boundary(
        &self,
        state: &dyn Read,
        scope: &Scope,
        exclusions: &Exclusions,
    ) -> Result<Option<Source>, Fault> {
        let Some(arn) = &self.boundary else { return Ok(None) };
        if exclusions.boundary(arn) {
            return Ok(None);
        }
        let name = arn.rsplit('/').next().unwrap_or(arn).to_owned();
        managed_source(state, scope, arn, name).map(Some)
    }
}

fn managed_source(
    state: &dyn Read,
    scope: &Scope,
    arn: &str,
    name: String,
) -> Result<Source, Fault> {
    let policy = managed::find(state, scope, arn)?.ok_or_else(|| no_such_policy(arn))?;
    let kind = if aws_managed::is_aws_arn(arn) {
        api::PolicySourceType::AwsManaged
    } else {
        api::PolicySourceType::UserManaged
    };
    Source::new(name, kind, &policy.document)
}
