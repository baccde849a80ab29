//! One action on one resource, decided by the same evaluator as every request.

use std::collections::{BTreeMap, BTreeSet};

use sagegate_api::iam as api;
use sagegate_policy::{
    Attached, Bundle, Context, Decision, Effect, PolicyKind, PolicySet, PolicyTrace, Principal,
    Reason, Request, ResourceRule, Trace, decide, explain,
};

use super::context;
use super::sources::Source;

/// Everything that a simulation is asked under.
pub(super) struct Simulation {
    principal: Principal,
    identity: Vec<Source>,
    resource: Option<Source>,
    boundary: Option<Source>,
    resource_owner: Option<String>,
    context: Context,
    bundle: Bundle,
    boundaries: Vec<Attached>,
    scps: Vec<Vec<Attached>>,
    resource_policy: Option<Attached>,
}

/// The policies of a simulation.
#[derive(Default)]
pub(super) struct Policies {
    pub(super) identity: Vec<Source>,
    pub(super) boundary: Option<Source>,
    /// SCPs, level by level from the root.
    pub(super) scps: Vec<Vec<Source>>,
    pub(super) resource: Option<Source>,
}

/// What came of one action on one resource.
pub(super) struct Outcome {
    pub(super) decision: api::PolicyEvaluationDecisionType,
    pub(super) matched: Vec<api::Statement>,
    pub(super) missing: BTreeSet<String>,
    /// Whether the boundary allows it; absent without one.
    pub(super) boundary: Option<bool>,
    /// Whether the SCPs allow it; absent without any.
    pub(super) organizations: Option<bool>,
    /// What each side decides, where the resource is in another account.
    pub(super) sides: BTreeMap<String, api::PolicyEvaluationDecisionType>,
}

impl Simulation {
    pub(super) fn new(
        principal: Principal,
        policies: Policies,
        resource_owner: Option<String>,
        context: Context,
    ) -> Self {
        let attached = |sources: &[Source]| sources.iter().map(Source::attached).collect();
        let identity: Vec<Attached> = attached(&policies.identity);
        Self {
            principal,
            bundle: Bundle::new(identity),
            boundaries: policies.boundary.iter().map(Source::attached).collect(),
            scps: policies.scps.iter().map(|level| attached(level)).collect(),
            resource_policy: policies.resource.as_ref().map(Source::attached),
            identity: policies.identity,
            resource: policies.resource,
            boundary: policies.boundary,
            resource_owner,
            context,
        }
    }

    pub(super) fn evaluate(&self, action: &str, resource: &str) -> Outcome {
        let mut request =
            Request::new(self.principal.clone(), action, resource, self.context.clone());
        let has_account = resource.split(':').nth(4).is_some_and(|account| !account.is_empty());
        if let Some(owner) = self.resource_owner.as_deref().filter(|_| !has_account) {
            request = request.with_resource_account(owner);
        }
        let set = PolicySet {
            boundaries: &self.boundaries,
            scps: &self.scps,
            resource: self.resource_policy.as_ref(),
            resource_rule: ResourceRule::Either,
            ..PolicySet::new(&self.bundle)
        };
        let decision = answer(decide(&request, &set));
        let trace = explain(&request, &set);
        Outcome {
            decision,
            matched: self.matched(&trace, decision),
            missing: self.missing(&trace),
            boundary: (!self.boundaries.is_empty())
                .then(|| of_kind(&trace, PolicyKind::Boundary).all(allows)),
            organizations: (!self.scps.is_empty()).then(|| self.organizations(&trace)),
            sides: self.sides(request, &set, &trace),
        }
    }

    /// The identity-based and resource-based policies with what the trace says of them.
    fn traced<'a>(
        &'a self,
        trace: &'a Trace,
    ) -> impl Iterator<Item = (&'a Source, &'a PolicyTrace)> {
        let identity = self.identity.iter().zip(of_kind(trace, PolicyKind::Identity));
        identity.chain(self.resource.iter().zip(of_kind(trace, PolicyKind::Resource)))
    }

    /// The statements that made the decision.
    fn matched(
        &self,
        trace: &Trace,
        decision: api::PolicyEvaluationDecisionType,
    ) -> Vec<api::Statement> {
        let effect = match decision {
            api::PolicyEvaluationDecisionType::Allowed => Effect::Allow,
            api::PolicyEvaluationDecisionType::ExplicitDeny => Effect::Deny,
            api::PolicyEvaluationDecisionType::ImplicitDeny => return Vec::new(),
        };
        let mut matched = Vec::new();
        for (source, policy) in self.traced(trace) {
            let statements =
                policy.statements.iter().filter(|it| it.applies && it.effect == effect);
            for statement in statements {
                let index = usize::try_from(statement.statement).unwrap_or(usize::MAX);
                let span = source.spans.get(index);
                matched.push(api::Statement {
                    source_policy_id: Some(source.id.clone()),
                    source_policy_type: Some(source.kind),
                    start_position: span.map(|span| span.start.clone()),
                    end_position: span.map(|span| span.end.clone()),
                });
            }
        }
        matched
    }

    /// The condition keys that statements on this action and resource ask for in vain, those of the
    /// boundary among them: it is one of the input policies (IAM API, `MissingContextValues`).
    fn missing(&self, trace: &Trace) -> BTreeSet<String> {
        let mut missing = BTreeSet::new();
        let boundary = self.boundary.iter().zip(of_kind(trace, PolicyKind::Boundary));
        for (source, policy) in self.traced(trace).chain(boundary) {
            let document = source.policy.document();
            for traced in policy.statements.iter().filter(|it| it.action) {
                let index = usize::try_from(traced.statement).unwrap_or(usize::MAX);
                let Some(statement) = document.statements.get(index) else { continue };
                let (version, given) = (document.version, &self.context);
                if traced.resource || context::resource_is_open(statement, version, given) {
                    context::missing(statement, version, given, &mut missing);
                }
            }
        }
        missing
    }

    /// Whether on each level an SCP allows and none denies.
    fn organizations(&self, trace: &Trace) -> bool {
        let mut traced = of_kind(trace, PolicyKind::ServiceControl);
        self.scps.iter().all(|level| {
            let level: Vec<&PolicyTrace> = traced.by_ref().take(level.len()).collect();
            level.iter().any(|policy| allows(policy)) && !level.iter().any(|policy| denies(policy))
        })
    }

    /// What each account decides by itself, where there are two.
    fn sides(
        &self,
        request: Request,
        set: &PolicySet<'_>,
        trace: &Trace,
    ) -> BTreeMap<String, api::PolicyEvaluationDecisionType> {
        use api::PolicyEvaluationDecisionType::{Allowed, ExplicitDeny, ImplicitDeny};
        let Some(account) = self.principal.account() else { return BTreeMap::new() };
        if request.resource_account() == Some(account) {
            return BTreeMap::new();
        }
        let own = PolicySet { resource: None, ..*set };
        let own = answer(decide(&request.with_resource_account(account), &own));
        let theirs: Vec<&PolicyTrace> = of_kind(trace, PolicyKind::Resource).collect();
        let theirs = if theirs.iter().any(|policy| denies(policy)) {
            ExplicitDeny
        } else if theirs.iter().any(|policy| allows(policy)) {
            Allowed
        } else {
            ImplicitDeny
        };
        [("IAM Policy".to_owned(), own), ("Resource Policy".to_owned(), theirs)].into()
    }
}

fn answer(decision: Decision) -> api::PolicyEvaluationDecisionType {
    match decision.by {
        _ if decision.allowed => api::PolicyEvaluationDecisionType::Allowed,
        Reason::ExplicitDeny(_) => api::PolicyEvaluationDecisionType::ExplicitDeny,
        _ => api::PolicyEvaluationDecisionType::ImplicitDeny,
    }
}

fn of_kind(trace: &Trace, kind: PolicyKind) -> impl Iterator<Item = &PolicyTrace> {
    trace.policies.iter().filter(move |policy| policy.kind == kind)
}

fn denies(policy: &PolicyTrace) -> bool {
    policy.statements.iter().any(|it| it.applies && it.effect == Effect::Deny)
}

fn allows(policy: &PolicyTrace) -> bool {
    !denies(policy) && policy.statements.iter().any(|it| it.applies && it.effect == Effect::Allow)
}
