//! Why: the trace of a decision, made by the evaluator itself while it looks at every statement.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::bundle::{Bundle, StatementId};
use crate::decide::{Decision, PolicyKind, PolicySet, Reason, Verdict, Walk, run};
use crate::document::{Effect, Position, Statement};
use crate::policy::{Asked, Attached, Compiled, Grade, Observer};
use crate::request::{Request, ResourceName, Value};

/// A decision with everything that led to it. Serializes to stable JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    /// What was asked.
    pub request: RequestTrace,
    /// `allowed` or `denied`.
    pub outcome: &'static str,
    /// What decided.
    pub reason: ReasonTrace,
    /// What would have to change for a denied request to be allowed: one entry for each way that was found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
    /// Every policy that took part, in the order in which they were looked at.
    pub policies: Vec<PolicyTrace>,
}

/// The request of a trace.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestTrace {
    /// Who asked.
    pub principal: String,
    /// For what.
    pub action: String,
    /// On what.
    pub resource: String,
    /// Other names of the resource that endpoint policies may use.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoint_alternates: Vec<String>,
    /// Whose the resource is.
    pub resource_account: Option<String>,
    /// The condition keys, names in lower case: a string, or a list for a multivalued key.
    pub context: BTreeMap<String, Values>,
}

/// Values of a condition key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Values {
    /// Of a single-valued key.
    One(String),
    /// Of a multivalued key.
    Many(Vec<String>),
}

impl From<&Value> for Values {
    fn from(value: &Value) -> Self {
        match value {
            Value::Single(value) => Self::One(value.to_string()),
            Value::Multi(values) | Value::Conflicting(values) => {
                Self::Many(values.iter().map(ToString::to_string).collect())
            }
        }
    }
}

/// The deciding statement or the missing kind of policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReasonTrace {
    /// `allow`, `root-user`, `explicit-deny` or `implicit-deny`.
    pub decision: &'static str,
    /// The kind of policy that decided, or that would have had to allow.
    pub policy_kind: Option<PolicyKind>,
    /// The name of the policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// The place of the statement in it, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<u32>,
    /// The statement's `Sid`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// The end of AWS's message; nothing for an allowed request.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// One policy in a trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyTrace {
    /// Its kind.
    pub kind: PolicyKind,
    /// Its name.
    pub policy: String,
    /// Its statements that apply, or nearly.
    pub statements: Vec<StatementTrace>,
    /// How many other statements it has.
    pub others: usize,
}

/// One statement in a trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StatementTrace {
    /// Its place in the policy, from 0.
    pub statement: u32,
    /// Its `Sid`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// Where it opens in the document.
    pub at: Position,
    /// Behind its end.
    pub end: Position,
    /// Its effect.
    pub effect: Effect,
    /// Whether all of it matches.
    pub applies: bool,
    /// Whether `Action` or `NotAction` does.
    pub action: bool,
    /// Whether `Resource` or `NotResource` does.
    pub resource: bool,
    /// Whether `Principal` or `NotPrincipal` does.
    pub principal: bool,
    /// How closely a resource-based policy names the caller: `account`, `role` or `direct`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub names: Option<&'static str>,
    /// Its conditions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<ConditionTrace>,
}

/// One key under one operator in a trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConditionTrace {
    /// The operator.
    pub operator: String,
    /// The key as the policy writes it.
    pub key: String,
    /// What the policy compares with.
    pub policy_values: Vec<String>,
    /// What the request has; nothing where the key is absent.
    pub request: Option<Values>,
    /// Variables in the policy's values that this request has no value for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unresolved: Vec<String>,
    /// Whether it holds.
    pub holds: bool,
}

impl ConditionTrace {
    fn must(&self, hold: bool) -> String {
        let values = self
            .policy_values
            .iter()
            .map(|value| format!("{value:?}"))
            .collect::<Vec<_>>()
            .join(", ");
        let has = match &self.request {
            None => "is absent".to_owned(),
            Some(Values::One(value)) => format!("is {value:?}"),
            Some(Values::Many(values)) => format!("is {values:?}"),
        };
        let unresolved = if self.unresolved.is_empty() {
            String::new()
        } else {
            format!(" (without a value: {})", self.unresolved.join(", "))
        };
        let not = if hold { "" } else { "not " };
        format!("{} must {not}satisfy {} [{values}]{unresolved}; it {has}", self.key, self.operator)
    }
}

/// Decides a request and tells why. The decision is that of [`crate::decide`].
pub fn explain(request: &Request, set: &PolicySet<'_>) -> Trace {
    let mut notes = Notes { policies: Vec::new() };
    let decision = run(request, set, &mut notes);
    let reason = ReasonTrace::new(decision, request, set);
    let changes = changes(decision, request, set, &notes.policies);
    Trace {
        request: RequestTrace::new(request),
        outcome: if decision.allowed { "allowed" } else { "denied" },
        reason,
        changes,
        policies: notes.policies,
    }
}

impl RequestTrace {
    fn new(request: &Request) -> Self {
        let alternates = request.all_names().iter().skip(1).map(ResourceName::as_str);
        Self {
            principal: request.principal().display().to_owned(),
            action: request.action().to_owned(),
            resource: request.resource().to_owned(),
            endpoint_alternates: alternates.map(ToOwned::to_owned).collect(),
            resource_account: request.resource_account().map(ToOwned::to_owned),
            context: request
                .context
                .iter()
                .map(|(key, value)| (key.to_owned(), value.into()))
                .collect(),
        }
    }
}

impl ReasonTrace {
    /// Names what decided.
    pub fn new(decision: Decision, request: &Request, set: &PolicySet<'_>) -> Self {
        let source = decision.source();
        let attached = source.and_then(|source| set.policy(source));
        let sid = source.zip(attached).and_then(|(source, attached)| {
            attached.policy.sid(usize::try_from(source.statement).ok()?)
        });
        Self {
            decision: match decision.by {
                Reason::Allow(_) => "allow",
                Reason::RootUser => "root-user",
                Reason::ExplicitDeny(_) => "explicit-deny",
                Reason::ImplicitDeny(_) => "implicit-deny",
            },
            policy_kind: decision.kind(),
            policy: attached.map(|attached| attached.name.to_string()),
            statement: source.map(|source| source.statement),
            sid: sid.map(ToOwned::to_owned),
            text: decision.reason_text(request.action()),
        }
    }
}

struct Notes {
    policies: Vec<PolicyTrace>,
}

impl Walk for Notes {
    const ALL: bool = true;

    fn policy(
        &mut self,
        kind: PolicyKind,
        _: u32,
        attached: &Attached,
        asked: Asked<'_>,
    ) -> Verdict {
        let mut verdict = Verdict::default();
        let mut trace = PolicyTrace {
            kind,
            policy: attached.name.to_string(),
            statements: Vec::new(),
            others: 0,
        };
        let statements =
            attached.policy.statements.iter().zip(&attached.policy.document.statements);
        for (index, (compiled, statement)) in (0..).zip(statements) {
            let mut note = Note::default();
            let grade = compiled.applies(asked, &mut note);
            match (grade, compiled.effect) {
                (Some(_), Effect::Deny) => verdict.deny = verdict.deny.or(Some(index)),
                (Some(grade), Effect::Allow) => verdict.better(index, grade),
                (None, _) => {}
            }
            if note.action
                || (note.resource && note.principal && same_service(compiled, asked.request))
            {
                trace.statements.push(note.finish(kind, index, compiled, statement, asked, grade));
            } else {
                trace.others += 1;
            }
        }
        self.policies.push(trace);
        verdict
    }

    fn identity(
        &mut self,
        bundle: &Bundle,
        asked: Asked<'_>,
    ) -> (Option<StatementId>, Option<StatementId>) {
        let (mut deny, mut allow) = (None, None);
        for (policy, attached) in (0..).zip(bundle.policies()) {
            let verdict = self.policy(PolicyKind::Identity, policy, attached, asked);
            let id = |statement| StatementId { policy, statement };
            deny = deny.or(verdict.deny.map(id));
            allow = allow.or(verdict.allow.map(|(statement, _)| id(statement)));
        }
        (deny, allow)
    }
}

/// Whether an action of the request's service is written in the statement.
fn same_service(compiled: &Compiled, request: &Request) -> bool {
    let service = |action: &str| action.split_once(':').map(|(service, _)| service.to_owned());
    let asked = service(&request.action_lower);
    compiled.action.exact.iter().any(|action| service(action) == asked)
        || compiled.action.patterns.iter().any(|pattern| service(&pattern.text) == asked)
}

#[derive(Default)]
struct Note {
    action: bool,
    resource: bool,
    principal: bool,
    conditions: Vec<bool>,
}

impl Observer for Note {
    const ALL: bool = true;

    fn action(&mut self, matched: bool) {
        self.action = matched;
    }

    fn resource(&mut self, matched: bool) {
        self.resource = matched;
    }

    fn principal(&mut self, matched: bool) {
        self.principal = matched;
    }

    fn condition(&mut self, _: usize, holds: bool) {
        self.conditions.push(holds);
    }
}

impl Note {
    fn finish(
        self,
        kind: PolicyKind,
        index: u32,
        compiled: &Compiled,
        statement: &Statement,
        asked: Asked<'_>,
        grade: Option<Grade>,
    ) -> StatementTrace {
        let context = &asked.request.context;
        let conditions = statement.conditions.iter().zip(&compiled.conditions).zip(self.conditions);
        let names = grade.filter(|_| kind == PolicyKind::Resource).map(|grade| match grade {
            Grade::Account => "account",
            Grade::Role => "role",
            Grade::Direct => "direct",
        });
        StatementTrace {
            statement: index,
            sid: statement.sid.as_ref().map(|sid| sid.value.to_string()),
            at: statement.at,
            end: statement.end,
            effect: statement.effect,
            applies: grade.is_some(),
            action: self.action,
            resource: self.resource,
            principal: self.principal,
            names,
            conditions: conditions
                .map(|((written, compiled), holds)| ConditionTrace {
                    operator: written.operator.to_string(),
                    key: written.key.to_string(),
                    policy_values: written
                        .values
                        .iter()
                        .map(|text| text.value.to_string())
                        .collect(),
                    request: compiled.value(context).map(Values::from),
                    unresolved: compiled
                        .missing_variables(context)
                        .map(ToOwned::to_owned)
                        .collect(),
                    holds,
                })
                .collect(),
        }
    }
}

/// The ways to an Allow: for an explicit Deny the conditions that make it apply, else each Allow that nearly applies.
fn changes(
    decision: Decision,
    request: &Request,
    set: &PolicySet<'_>,
    policies: &[PolicyTrace],
) -> Vec<String> {
    match decision.by {
        Reason::Allow(_) | Reason::RootUser => Vec::new(),
        Reason::ExplicitDeny(source) => {
            let name = set.policy(source).map_or("", |attached| &*attached.name);
            let denying = policies
                .iter()
                .filter(|policy| policy.kind == source.kind && policy.policy == name);
            let mut statements = denying.flat_map(|policy| &policy.statements);
            let statement = statements.find(|statement| statement.statement == source.statement);
            let conditions = statement.map_or([].as_slice(), |statement| &statement.conditions);
            let label = label(
                name,
                source.statement,
                statement.and_then(|statement| statement.sid.as_deref()),
            );
            if conditions.is_empty() {
                return vec![format!(
                    "{label} denies without a condition: it must no longer cover this request"
                )];
            }
            let each = conditions.iter().map(|condition| condition.must(false));
            vec![format!(
                "{label} must not apply; one of: {}",
                each.collect::<Vec<_>>().join("; or ")
            )]
        }
        Reason::ImplicitDeny(kind) => {
            let of_kind = policies.iter().filter(|policy| policy.kind == kind);
            let mut found: Vec<String> = of_kind
                .flat_map(|policy| {
                    policy.statements.iter().map(move |statement| (policy, statement))
                })
                .filter(|(_, statement)| {
                    statement.effect == Effect::Allow && !statement.applies && statement.action
                })
                .map(|(policy, statement)| near_miss(policy, statement, request))
                .collect();
            if found.is_empty() {
                let (noun, action, resource) = (kind.noun(), request.action(), request.resource());
                found.push(
                    format!("a statement of a {noun} must allow {action} on {resource}")
                        .replace("a identity", "an identity"),
                );
            }
            found
        }
    }
}

fn label(policy: &str, statement: u32, sid: Option<&str>) -> String {
    match sid {
        Some(sid) => format!("statement {sid:?} of {policy}"),
        None => format!("statement {statement} of {policy}"),
    }
}

fn near_miss(policy: &PolicyTrace, statement: &StatementTrace, request: &Request) -> String {
    let mut needs = Vec::new();
    if !statement.resource {
        needs.push(format!("its Resource must cover {}", request.resource()));
    }
    if !statement.principal {
        needs.push(format!("its Principal must name {}", request.principal().display()));
    }
    needs.extend(
        statement
            .conditions
            .iter()
            .filter(|condition| !condition.holds)
            .map(|condition| condition.must(true)),
    );
    let label = label(&policy.policy, statement.statement, statement.sid.as_deref());
    format!("for {label} to allow: {}", needs.join("; and "))
}
