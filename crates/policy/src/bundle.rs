//! All identity policies of a principal in one index, so that the cost of a decision hardly depends on their number.
//!
//! The index finds the statements that can apply: by action (an exact name by hash, a pattern by its service), then by
//! the literal with which the resource part of their ARNs begins. What it finds is held against the request by
//! [`Compiled`], which alone decides.

use std::collections::HashMap;

use crate::document::Effect;
use crate::policy::{ActionPattern, Asked, Attached, Compiled, Silent};
use crate::request::ResourceName;

/// A statement: which policy, which statement in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StatementId {
    pub(crate) policy: u32,
    pub(crate) statement: u32,
}

/// Several policies of one kind, merged into one index.
#[derive(Debug, Clone, Default)]
pub struct Bundle {
    policies: Vec<Attached>,
    exact: HashMap<Box<str>, Slot>,
    by_service: HashMap<Box<str>, Vec<(ActionPattern, Slot)>>,
    everywhere: Vec<(ActionPattern, Slot)>,
    /// Statements with `NotAction`, whose action is still to be checked.
    unindexed: Slot,
}

impl Bundle {
    /// Indexes policies. Reports name a policy by its place in this order.
    pub fn new(policies: impl IntoIterator<Item = Attached>) -> Self {
        let policies: Vec<Attached> = policies.into_iter().collect();
        let mut builder = Self::default();
        let mut known = HashMap::new();
        for (policy, attached) in policies.iter().enumerate() {
            for (statement, compiled) in attached.policy.statements.iter().enumerate() {
                // More than 2^32 of either do not fit into memory.
                let (Ok(policy), Ok(statement)) = (policy.try_into(), statement.try_into()) else {
                    continue;
                };
                builder.add(StatementId { policy, statement }, compiled, &mut known);
            }
        }
        builder.policies = policies;
        builder.finish();
        builder
    }

    /// The policies in order.
    pub fn policies(&self) -> &[Attached] {
        &self.policies
    }

    fn add(&mut self, id: StatementId, compiled: &Compiled, known: &mut HashMap<Box<str>, usize>) {
        if compiled.action.negated {
            self.unindexed.add(id, compiled);
            return;
        }
        for action in &compiled.action.exact {
            self.exact.entry(action.clone()).or_default().add(id, compiled);
        }
        for pattern in &compiled.action.patterns {
            let patterns = match pattern.service() {
                Some(service) => self.by_service.entry(service.into()).or_default(),
                None => &mut self.everywhere,
            };
            // A pattern's text tells its service, so one map serves all lists.
            let at = *known.entry(pattern.text.clone()).or_insert_with(|| {
                patterns.push((pattern.clone(), Slot::default()));
                patterns.len() - 1
            });
            if let Some((_, slot)) = patterns.get_mut(at) {
                slot.add(id, compiled);
            }
        }
    }

    fn finish(&mut self) {
        let patterns = self
            .by_service
            .values_mut()
            .flatten()
            .chain(&mut self.everywhere)
            .map(|(_, slot)| slot);
        self.exact.values_mut().chain(patterns).for_each(Slot::finish);
        self.unindexed.finish();
    }

    fn compiled(&self, id: StatementId) -> Option<&Compiled> {
        self.policies
            .get(usize::try_from(id.policy).ok()?)?
            .policy
            .statements
            .get(usize::try_from(id.statement).ok()?)
    }

    /// A Deny that applies; if there is none, an Allow that does.
    pub(crate) fn find(&self, asked: Asked<'_>) -> (Option<StatementId>, Option<StatementId>) {
        let action = &*asked.request.action_lower;
        let service = action.split_once(':').map_or("", |(service, _)| service);
        let found = Candidates {
            bundle: self,
            asked,
            tail: asked.names.first().map_or("", ResourceName::tail),
            exact: self.exact.get(action),
            by_service: self.by_service.get(service).map_or(&[], Vec::as_slice),
        };
        match found.first(Effect::Deny) {
            Some(deny) => (Some(deny), None),
            None => (None, found.first(Effect::Allow)),
        }
    }
}

/// The slots whose actions can be the one asked for.
struct Candidates<'a> {
    bundle: &'a Bundle,
    asked: Asked<'a>,
    tail: &'a str,
    exact: Option<&'a Slot>,
    by_service: &'a [(ActionPattern, Slot)],
}

impl Candidates<'_> {
    /// A statement of this effect that applies, if there is one.
    fn first(&self, effect: Effect) -> Option<StatementId> {
        let Self { bundle, asked, tail, .. } = *self;
        let applies = |id: StatementId| {
            bundle.compiled(id).is_some_and(|compiled| {
                compiled.applies_beyond_action(asked, &mut Silent).is_some()
            })
        };
        let patterned = |patterns: &[(ActionPattern, Slot)]| {
            patterns.iter().filter(|(_, slot)| slot.holds(effect)).find_map(|(pattern, slot)| {
                if pattern.matches(&asked.request.action_lower) {
                    slot.find(tail, effect, applies)
                } else {
                    None
                }
            })
        };
        self.exact
            .and_then(|slot| slot.find(tail, effect, applies))
            .or_else(|| patterned(self.by_service))
            .or_else(|| patterned(&bundle.everywhere))
            .or_else(|| {
                bundle.unindexed.find(tail, effect, |id| {
                    bundle
                        .compiled(id)
                        .is_some_and(|compiled| compiled.applies(asked, &mut Silent).is_some())
                })
            })
    }
}

/// Statements by the literal beginning of their resources' sixth segment.
#[derive(Debug, Clone, Default)]
struct Slot {
    /// Sorted by `prefix` once finished.
    entries: Vec<Prefixed>,
    allows: bool,
    denies: bool,
}

#[derive(Debug, Clone)]
struct Prefixed {
    prefix: Box<str>,
    /// The longest other prefix in the slot that this one begins with.
    shorter: Option<usize>,
    allow: Vec<StatementId>,
    deny: Vec<StatementId>,
}

impl Slot {
    fn add(&mut self, id: StatementId, compiled: &Compiled) {
        match &compiled.resource {
            Some(resources) if !resources.negated => {
                for pattern in &resources.patterns {
                    self.add_under(pattern.resource_prefix(), id, compiled.effect);
                }
            }
            _ => self.add_under("", id, compiled.effect),
        }
    }

    fn add_under(&mut self, prefix: &str, id: StatementId, effect: Effect) {
        let (mut allow, mut deny) = (Vec::new(), Vec::new());
        match effect {
            Effect::Allow => allow.push(id),
            Effect::Deny => deny.push(id),
        }
        self.entries.push(Prefixed { prefix: prefix.into(), shorter: None, allow, deny });
    }

    fn finish(&mut self) {
        self.entries.sort_by(|a, b| a.prefix.cmp(&b.prefix));
        self.entries.dedup_by(|next, kept| {
            let same = next.prefix == kept.prefix;
            if same {
                kept.allow.append(&mut next.allow);
                kept.deny.append(&mut next.deny);
            }
            same
        });
        let mut open: Vec<(usize, Box<str>)> = Vec::new();
        for (index, entry) in self.entries.iter_mut().enumerate() {
            entry.allow.dedup();
            entry.deny.dedup();
            self.allows |= !entry.allow.is_empty();
            self.denies |= !entry.deny.is_empty();
            while open.last().is_some_and(|(_, prefix)| !entry.prefix.starts_with(&**prefix)) {
                open.pop();
            }
            entry.shorter = open.last().map(|(index, _)| *index);
            open.push((index, entry.prefix.clone()));
        }
    }

    fn holds(&self, effect: Effect) -> bool {
        match effect {
            Effect::Allow => self.allows,
            Effect::Deny => self.denies,
        }
    }

    /// Tries every statement whose prefix the resource part begins with. All of those prefixes are among the last one
    /// that sorts before the resource part and its chain of shorter ones.
    fn find(
        &self,
        tail: &str,
        effect: Effect,
        test: impl Fn(StatementId) -> bool,
    ) -> Option<StatementId> {
        if !self.holds(effect) {
            return None;
        }
        let mut next = self.entries.partition_point(|entry| *entry.prefix <= *tail).checked_sub(1);
        while let Some(entry) = next.and_then(|index| self.entries.get(index)) {
            if tail.starts_with(&*entry.prefix) {
                let ids = match effect {
                    Effect::Allow => &entry.allow,
                    Effect::Deny => &entry.deny,
                };
                if let Some(found) = ids.iter().find(|id| test(**id)) {
                    return Some(*found);
                }
            }
            next = entry.shorter;
        }
        None
    }
}
