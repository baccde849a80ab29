//! The decision: how policies of all kinds combine.
//!
//! Sources: "Policy evaluation logic", "Policy evaluation for requests within a single account", "Cross-account policy
//! evaluation logic", "Permissions boundaries for IAM entities" and "Session policies" in the IAM User Guide; "SCP
//! evaluation" and "Resource control policies" in the Organizations User Guide; "Control access to VPC endpoints using
//! endpoint policies" in the PrivateLink Guide; "Key policies" in the KMS Developer Guide.

use serde::Serialize;

use crate::bundle::{Bundle, StatementId};
use crate::document::Effect;
use crate::policy::{Asked, Attached, Grade, Place, Silent};
use crate::request::{Principal, Request, ResourceName};

/// The kinds of policy that take part in a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PolicyKind {
    /// Service control policy.
    ServiceControl,
    /// Resource control policy.
    ResourceControl,
    /// VPC endpoint policy.
    Endpoint,
    /// Resource-based policy, a role's trust policy among them.
    Resource,
    /// Permissions boundary.
    Boundary,
    /// Session policy.
    Session,
    /// Identity-based policy.
    Identity,
}

impl PolicyKind {
    /// What AWS calls one in a message.
    pub fn noun(self) -> &'static str {
        match self {
            Self::ServiceControl => "service control policy",
            Self::ResourceControl => "resource control policy",
            Self::Endpoint => "VPC endpoint policy",
            Self::Resource => "resource-based policy",
            Self::Boundary => "permissions boundary",
            Self::Session => "session policy",
            Self::Identity => "identity-based policy",
        }
    }
}

/// Whether an identity-based policy can grant without the resource's policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResourceRule {
    /// In the same account either policy is enough (S3 buckets and most others).
    Either,
    /// The resource's policy must allow in any case, be it that it names the account and so hands the decision to
    /// identity-based policies: roles' trust policies and KMS key policies.
    Required,
}

/// All policies that apply to a request.
#[derive(Debug, Clone, Copy)]
pub struct PolicySet<'a> {
    /// The principal's own and its groups' policies.
    pub identity: &'a Bundle,
    /// Permissions boundaries; each must allow.
    pub boundaries: &'a [Attached],
    /// Session policies, if the session was made with any; one of them must allow.
    pub session: Option<&'a [Attached]>,
    /// SCPs of the principal's account by level from the root down; on each level one must allow.
    pub scps: &'a [Vec<Attached>],
    /// RCPs of the resource's account by level. `RCPFullAWSAccess` is always among them and need not be given.
    pub rcps: &'a [Vec<Attached>],
    /// The resource's policy.
    pub resource: Option<&'a Attached>,
    /// What the resource's policy is needed for. With [`ResourceRule::Required`] its absence denies.
    pub resource_rule: ResourceRule,
    /// Policies of the VPC endpoints on the way; each must allow. One judges only its own service's actions: leave it
    /// out for others.
    pub endpoint: &'a [Attached],
}

impl<'a> PolicySet<'a> {
    /// Identity policies only.
    pub fn new(identity: &'a Bundle) -> Self {
        Self {
            identity,
            boundaries: &[],
            session: None,
            scps: &[],
            rcps: &[],
            resource: None,
            resource_rule: ResourceRule::Either,
            endpoint: &[],
        }
    }

    /// The policy that a source names.
    pub fn policy(&self, source: Source) -> Option<&'a Attached> {
        let at = usize::try_from(source.policy).ok()?;
        match source.kind {
            PolicyKind::Identity => self.identity.policies().get(at),
            PolicyKind::Boundary => self.boundaries.get(at),
            PolicyKind::Session => self.session?.get(at),
            PolicyKind::ServiceControl => self.scps.iter().flatten().nth(at),
            PolicyKind::ResourceControl => self.rcps.iter().flatten().nth(at),
            PolicyKind::Resource => self.resource.filter(|_| at == 0),
            PolicyKind::Endpoint => self.endpoint.get(at),
        }
    }
}

/// A statement that decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// The kind of its policy.
    pub kind: PolicyKind,
    /// The policy's place among those of its kind, levels flattened.
    pub policy: u32,
    /// The statement's place in its policy.
    pub statement: u32,
}

/// Why a request is allowed or denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A statement grants it and nothing limits it.
    Allow(Source),
    /// The root user needs no grant in its account.
    RootUser,
    /// A statement denies it.
    ExplicitDeny(Source),
    /// No policy of this kind allows it.
    ImplicitDeny(PolicyKind),
}

/// The outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may proceed.
    pub allowed: bool,
    /// What decided.
    pub by: Reason,
}

impl Decision {
    fn allow(by: Reason) -> Self {
        Self { allowed: true, by }
    }

    fn deny(by: Reason) -> Self {
        Self { allowed: false, by }
    }

    /// The statement that decided, if one did.
    pub fn source(&self) -> Option<Source> {
        match self.by {
            Reason::Allow(source) | Reason::ExplicitDeny(source) => Some(source),
            Reason::RootUser | Reason::ImplicitDeny(_) => None,
        }
    }

    /// The kind of policy that decided; none where the root user needed no grant.
    pub fn kind(&self) -> Option<PolicyKind> {
        match self.by {
            Reason::Allow(source) | Reason::ExplicitDeny(source) => Some(source.kind),
            Reason::ImplicitDeny(kind) => Some(kind),
            Reason::RootUser => None,
        }
    }

    /// The end of AWS's message for a denial, with the action as the request named it; nothing for an allowed request.
    ///
    /// Source: "Troubleshoot access denied error messages" in the IAM User Guide.
    pub fn reason_text(&self, action: &str) -> String {
        match self.by {
            Reason::Allow(_) | Reason::RootUser => String::new(),
            Reason::ExplicitDeny(source) if is_trust(source.kind, action) => {
                "with an explicit deny in the role trust policy".to_owned()
            }
            Reason::ExplicitDeny(source) => {
                let noun = source.kind.noun();
                let article = if source.kind == PolicyKind::Identity { "an" } else { "a" };
                format!("with an explicit deny in {article} {noun}")
            }
            Reason::ImplicitDeny(kind) => {
                let noun = if is_trust(kind, action) { "role trust policy" } else { kind.noun() };
                format!("because no {noun} allows the {action} action")
            }
        }
    }

    /// AWS's message for a denial. `resource` is left out for actions whose messages name none, as for a
    /// role's trust policy, and written as given: S3 puts it in double quotes.
    pub fn denied_message(&self, request: &Request, resource: Option<&str>) -> String {
        let who = request.principal().display();
        let action = request.action();
        let resource = resource.filter(|_| !self.kind().is_some_and(|it| is_trust(it, action)));
        let on = resource.map(|resource| format!(" on resource: {resource}")).unwrap_or_default();
        format!(
            "User: {who} is not authorized to perform: {action}{on} {}",
            self.reason_text(action)
        )
        .trim_end()
        .to_owned()
    }
}

/// Whether a resource's policy is a role's trust policy: STS asks for no other.
fn is_trust(kind: PolicyKind, action: &str) -> bool {
    let sts = action.get(..4).is_some_and(|service| service.eq_ignore_ascii_case("sts:"));
    kind == PolicyKind::Resource && sts
}

/// What one policy says.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Verdict {
    pub(crate) deny: Option<u32>,
    pub(crate) allow: Option<(u32, Grade)>,
}

/// Goes through policies: silently for a decision, taking notes for an explanation.
pub(crate) trait Walk {
    /// Whether everything is looked at, even where the outcome is known.
    const ALL: bool;

    /// What a policy says: a Deny that applies, and the Allow that names the caller most closely.
    fn policy(
        &mut self,
        kind: PolicyKind,
        index: u32,
        attached: &Attached,
        asked: Asked<'_>,
    ) -> Verdict;

    /// The same for all identity policies: a Deny that applies, else an Allow.
    fn identity(
        &mut self,
        bundle: &Bundle,
        asked: Asked<'_>,
    ) -> (Option<StatementId>, Option<StatementId>);
}

/// The walk that only decides.
struct Quick;

impl Walk for Quick {
    const ALL: bool = false;

    fn policy(&mut self, _: PolicyKind, _: u32, attached: &Attached, asked: Asked<'_>) -> Verdict {
        let mut verdict = Verdict::default();
        for (index, statement) in (0..).zip(&attached.policy.statements) {
            let known = verdict.allow.map(|(_, grade)| grade);
            if statement.effect == Effect::Allow && known == Some(Grade::Direct) {
                continue;
            }
            let Some(grade) = statement.applies(asked, &mut Silent) else { continue };
            match statement.effect {
                Effect::Deny => return Verdict { deny: Some(index), allow: None },
                Effect::Allow => verdict.better(index, grade),
            }
        }
        verdict
    }

    fn identity(
        &mut self,
        bundle: &Bundle,
        asked: Asked<'_>,
    ) -> (Option<StatementId>, Option<StatementId>) {
        bundle.find(asked)
    }
}

impl Verdict {
    /// Takes note of an Allow, if it names the caller more closely than the one known.
    pub(crate) fn better(&mut self, index: u32, grade: Grade) {
        if self.allow.is_none_or(|(_, known)| known < grade) {
            self.allow = Some((index, grade));
        }
    }
}

/// Decides a request.
pub fn decide(request: &Request, set: &PolicySet<'_>) -> Decision {
    run(request, set, &mut Quick)
}

struct Run<'r, 's, W> {
    request: &'r Request,
    set: &'r PolicySet<'s>,
    walk: &'r mut W,
    bounded: bool,
    denied: Option<Source>,
}

impl<W: Walk> Run<'_, '_, W> {
    fn one(
        &mut self,
        kind: PolicyKind,
        index: u32,
        attached: &Attached,
        names: &[ResourceName],
    ) -> Option<(Source, Grade)> {
        let place = match kind {
            PolicyKind::Resource => Place::Resource,
            PolicyKind::Endpoint | PolicyKind::ResourceControl => Place::Perimeter,
            PolicyKind::ServiceControl
            | PolicyKind::Boundary
            | PolicyKind::Session
            | PolicyKind::Identity => Place::Identity,
        };
        let asked = Asked { request: self.request, names, place, bounded: self.bounded };
        let verdict = self.walk.policy(kind, index, attached, asked);
        let source = |statement| Source { kind, policy: index, statement };
        if let Some(statement) = verdict.deny {
            self.denied = self.denied.or(Some(source(statement)));
        }
        verdict.allow.map(|(statement, grade)| (source(statement), grade))
    }

    /// Whether the decision is made and nobody wants to know more.
    fn done(&self) -> bool {
        self.denied.is_some() && !W::ALL
    }

    /// Whether on each level a policy allows.
    fn levels(
        &mut self,
        kind: PolicyKind,
        levels: &[Vec<Attached>],
        names: &[ResourceName],
    ) -> bool {
        let mut index = 0;
        let mut all = true;
        for level in levels {
            let mut any = false;
            for attached in level {
                any |= self.one(kind, index, attached, names).is_some();
                index += 1;
            }
            all &= any;
        }
        all
    }

    /// Whether each policy allows.
    fn each(&mut self, kind: PolicyKind, policies: &[Attached], names: &[ResourceName]) -> bool {
        let mut all = true;
        for (index, attached) in (0..).zip(policies) {
            all &= self.one(kind, index, attached, names).is_some();
        }
        all
    }
}

/// The evaluation, in the order in which AWS names the kind of policy that denies explicitly.
pub(crate) fn run<W: Walk>(request: &Request, set: &PolicySet<'_>, walk: &mut W) -> Decision {
    let principal = &request.principal;
    let has_identity = principal.account().is_some();
    let linked = principal.is_service_linked();
    let names = request.own_name();
    let mut run = Run {
        request,
        set,
        walk,
        bounded: has_identity && !set.boundaries.is_empty(),
        denied: None,
    };

    // SCPs bind the principals of an account: no services, nobody anonymous, no service-linked role.
    let scp = !has_identity || linked || run.levels(PolicyKind::ServiceControl, set.scps, names);
    if let Some(decision) = run.outcome() {
        return decision;
    }
    // An RCP only ever takes away: the one that allows everything cannot be detached.
    if !linked {
        run.levels(PolicyKind::ResourceControl, set.rcps, names);
    }
    if let Some(decision) = run.outcome() {
        return decision;
    }
    let endpoint = run.each(PolicyKind::Endpoint, set.endpoint, request.all_names());
    if let Some(decision) = run.outcome() {
        return decision;
    }
    let resource = match set.resource {
        Some(attached) => run.one(PolicyKind::Resource, 0, attached, names),
        None => None,
    };
    if let Some(decision) = run.outcome() {
        return decision;
    }
    let mut own = Own { boundary: true, session: true, identity: None };
    if has_identity {
        own = run.own(names);
        if let Some(decision) = run.outcome() {
            return decision;
        }
    }
    if let Some(source) = run.denied {
        return Decision::deny(Reason::ExplicitDeny(source));
    }
    let reason = run.permission(&own, resource);
    match reason {
        Reason::ImplicitDeny(_) => Decision::deny(reason),
        _ if !scp => Decision::deny(Reason::ImplicitDeny(PolicyKind::ServiceControl)),
        _ if !endpoint => Decision::deny(Reason::ImplicitDeny(PolicyKind::Endpoint)),
        _ => Decision::allow(reason),
    }
}

/// What the policies on the principal's side say.
struct Own {
    boundary: bool,
    session: bool,
    /// The grant, if there is one.
    identity: Option<Reason>,
}

impl<W: Walk> Run<'_, '_, W> {
    fn outcome(&self) -> Option<Decision> {
        if self.done() {
            self.denied.map(|source| Decision::deny(Reason::ExplicitDeny(source)))
        } else {
            None
        }
    }

    fn own(&mut self, names: &[ResourceName]) -> Own {
        let set = self.set;
        let boundary = self.each(PolicyKind::Boundary, set.boundaries, names);
        let session = match set.session {
            Some(policies) => {
                let mut any = false;
                for (index, attached) in (0..).zip(policies) {
                    any |= self.one(PolicyKind::Session, index, attached, names).is_some();
                }
                any
            }
            None => !matches!(self.request.principal, Principal::FederatedUser { .. }),
        };
        if self.done() {
            return Own { boundary, session, identity: None };
        }
        let asked =
            Asked { request: self.request, names, place: Place::Identity, bounded: self.bounded };
        let (deny, allow) = self.walk.identity(set.identity, asked);
        let source = |id: StatementId| Source {
            kind: PolicyKind::Identity,
            policy: id.policy,
            statement: id.statement,
        };
        self.denied = self.denied.or(deny.map(source));
        let identity = match allow {
            Some(id) => Some(Reason::Allow(source(id))),
            None if self.request.principal.is_root() => Some(Reason::RootUser),
            None => None,
        };
        Own { boundary, session, identity }
    }

    /// The grant, or the kind of policy that it lacks, in the order in which AWS names them.
    fn permission(&self, own: &Own, resource: Option<(Source, Grade)>) -> Reason {
        let lacks = Reason::ImplicitDeny;
        let Some(account) = self.request.principal.account() else {
            // No account, no policies of its own: the resource's policy alone.
            return resource
                .map_or(lacks(PolicyKind::Resource), |(source, _)| Reason::Allow(source));
        };
        let same_account = self.request.resource_account.as_deref() == Some(account);
        if same_account {
            // A grant by the resource's policy that needs no other.
            match resource {
                Some((source, Grade::Direct)) => {
                    return match own.identity {
                        Some(reason) if own.boundary && own.session => reason,
                        _ => Reason::Allow(source),
                    };
                }
                Some((source, Grade::Role)) if own.identity.is_none() => {
                    return if !own.boundary {
                        lacks(PolicyKind::Boundary)
                    } else if !own.session {
                        lacks(PolicyKind::Session)
                    } else {
                        Reason::Allow(source)
                    };
                }
                _ => {}
            }
        }
        let Some(reason) = own.identity else { return lacks(PolicyKind::Identity) };
        if !own.boundary {
            return lacks(PolicyKind::Boundary);
        }
        if !own.session {
            return lacks(PolicyKind::Session);
        }
        let needed = !same_account || self.set.resource_rule == ResourceRule::Required;
        if needed && resource.is_none() { lacks(PolicyKind::Resource) } else { reason }
    }
}
