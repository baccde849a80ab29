//! From a caller, an arrival and needs to a decision: gathers the condition keys and the policies,
//! and asks the IAM language.

use std::sync::{Arc, LazyLock};

use sagegate_policy::{
    Attached, Bundle, Context as Keys, Decision, Document, Policy, PolicySet, Principal as Asker,
    Reason, Request, ResourceRule, Value, decide, explain,
};
use sagegate_store::{Read, Snapshot, StoreError, Tx};
use serde_json::Value as Json;

use crate::audit::line::text;
use crate::authenticate::session_keys;
use crate::caller::{Caller, Principal, SessionFacts};
use crate::denial::{Denial, matched_statement, message};
use crate::directory::AttachedPolicy;
use crate::fault::Fault;
use crate::gate::{Context, Gate, Refusal};
use crate::ids::AccountId;
use crate::needs::{KeyValue, Need, Needs, Resource, ResourcePolicyRole};
use crate::principals::{SessionPolicies, Standing, principal_tags};

/// That all needs of a call were granted, and by what.
#[derive(Clone, Debug, Default)]
pub struct Granted(Vec<Grant>);

#[derive(Clone, Debug)]
struct Grant {
    action: &'static str,
    by: By,
}

/// The policy and the statement that granted; none for the root user.
type By = Option<(Arc<str>, u32)>;

impl Granted {
    /// For the audit: each action with the policy and the statement (counted from zero) that
    /// granted it.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let mut text = Vec::new();
        self.write(&mut text);
        serde_json::from_slice(&text).unwrap_or(Json::Null)
    }

    #[cfg(test)]
    pub(crate) fn by<const N: usize>(grants: [(&'static str, By); N]) -> Self {
        Self(grants.map(|(action, by)| Grant { action, by }).into())
    }

    /// Writes [`Granted::to_json`].
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let mut before = r#"[{"action":"#;
        for Grant { action, by } in &self.0 {
            text(out, before, action);
            before = r#",{"action":"#;
            match by {
                Some((policy, statement)) => {
                    text(out, r#","policy":"#, policy);
                    out.extend_from_slice(br#","statement":"#);
                    out.extend_from_slice(statement.to_string().as_bytes());
                }
                None => text(out, r#","policy":"#, "(root user)"),
            }
            out.push(b'}');
        }
        if self.0.is_empty() {
            out.push(b'[');
        }
        out.push(b']');
    }
}

/// Everything about a caller that does not depend on what is asked.
struct Side {
    standing: Option<Arc<Standing>>,
    session: Option<SessionPolicies>,
    scps: Vec<Vec<Attached>>,
    rcps: Vec<Vec<Attached>>,
    asker: Asker,
    keys: Keys,
}

/// Where a decision looks for policies.
pub(crate) enum Sight<'a> {
    /// In a committed state: what was worked out of it earlier holds.
    Committed(Snapshot),
    /// In a transaction that has written some of them itself.
    Own(&'a Tx),
}

impl Sight<'_> {
    fn state(&self) -> &dyn Read {
        match self {
            Self::Committed(state) => state,
            Self::Own(tx) => *tx,
        }
    }
}

impl Gate {
    /// Decides every need; the first that is not granted is the denial.
    pub(crate) fn decide(
        &self,
        context: &Context,
        sight: &Sight<'_>,
        needs: Needs,
    ) -> Result<Granted, Refusal> {
        if needs.0.is_empty() {
            return Err(Fault::internal("an operation did not say what it needs").into());
        }
        let mut side = self.side(context, sight)?;
        let mut granted = Vec::with_capacity(needs.0.len());
        let mut left = needs.0.len();
        for need in needs.0 {
            left -= 1;
            // Most calls have one need, and many keys: the last need takes them.
            let keys = if left == 0 { std::mem::take(&mut side.keys) } else { side.keys.clone() };
            granted.push(self.decide_one(context, sight, &side, keys, need)?);
        }
        Ok(Granted(granted))
    }

    fn decide_one(
        &self,
        context: &Context,
        sight: &Sight<'_>,
        side: &Side,
        keys: Keys,
        need: Need,
    ) -> Result<Grant, Refusal> {
        let none = Bundle::default();
        let endpoint = self.endpoint_policy(context, sight.state(), need.action)?;
        let resource = need
            .resource_policy
            .as_ref()
            .map(|it| Attached::new("resource policy", Arc::clone(&it.policy)));
        let set = PolicySet {
            identity: side.standing.as_ref().map_or(&none, |it| &it.bundle),
            boundaries: side.standing.as_ref().map_or(&[][..], |it| &it.boundaries),
            session: side.session.as_deref().map(Vec::as_slice),
            scps: &side.scps,
            rcps: &side.rcps,
            resource: resource.as_ref(),
            resource_rule: match need.resource_policy.as_ref().map(|it| it.role) {
                Some(ResourcePolicyRole::Trust) => ResourceRule::Required,
                Some(ResourcePolicyRole::Grants) | None => ResourceRule::Either,
            },
            endpoint: endpoint.as_slice(),
        };
        let set = if need.of_the_way_only {
            let endpoint = set.endpoint;
            PolicySet {
                endpoint,
                session: Some(EVERYTHING.policies()),
                ..PolicySet::new(&EVERYTHING)
            }
        } else {
            set
        };
        let request = self.request(context, side, keys, &need);
        let decision = decide(&request, &set);
        if decision.allowed {
            let by = decision
                .source()
                .and_then(|source| Some((Arc::clone(&set.policy(source)?.name), source.statement)));
            return Ok(Grant { action: need.action, by });
        }
        Err(Refusal::Denied(Box::new(denial(context, need, decision, &request, &set))))
    }

    /// The policy of the endpoint that the request came through, where it has a say: it judges
    /// actions of its own service only. An endpoint that is gone allows nothing.
    fn endpoint_policy(
        &self,
        context: &Context,
        state: &dyn Read,
        action: &str,
    ) -> Result<Option<Attached>, StoreError> {
        let Some(arrival) = context.arrival.endpoint() else { return Ok(None) };
        let service = action.split_once(':').map_or(action, |(service, _)| service);
        let judged = arrival.behind().map(sagegate_network::Behind::action_prefix);
        if judged.is_some_and(|judged| judged != service) {
            return Ok(None);
        }
        let Ok(account) = AccountId::parse(&arrival.account) else { return Ok(Some(nothing())) };
        let policy =
            self.endpoints.policy(state, &account, &arrival.region, &arrival.vpc_endpoint_id)?;
        Ok(Some(match policy {
            Some(policy) => Attached::new(arrival.vpc_endpoint_id.as_str(), policy),
            None => nothing(),
        }))
    }

    fn side(&self, context: &Context, sight: &Sight<'_>) -> Result<Side, Refusal> {
        let caller = &context.caller;
        let identity_of = match &caller.principal {
            Principal::User { id, .. } | Principal::Role { id, .. } => Some(id.as_str()),
            Principal::Federated { user_id, .. } if !user_id.is_empty() => Some(user_id.as_str()),
            _ => None,
        };
        let standing = match identity_of {
            Some(id) => {
                let standing = match sight {
                    Sight::Committed(state) => {
                        self.principals.standing(state, &caller.account, id)?
                    }
                    Sight::Own(tx) => self.principals.standing_in(*tx, &caller.account, id)?,
                };
                if standing.is_none() {
                    // Deleted since the signature was checked.
                    return Err(Fault::unknown_key().into());
                }
                standing
            }
            None => None,
        };
        let session = match &caller.session {
            Some(facts) => self.session_policies(facts, &caller.account, sight)?,
            None => None,
        };
        let organization =
            self.principals.directory().organization_policies(sight.state(), &caller.account)?;
        let levels = |levels: Vec<Vec<AttachedPolicy>>| {
            levels
                .iter()
                .map(|level| level.iter().map(AttachedPolicy::attached).collect())
                .collect()
        };
        let keys = self.keys_of_caller(context, standing.as_deref());
        Ok(Side {
            asker: asker(caller, standing.as_deref()),
            standing,
            session,
            scps: levels(organization.scps),
            rcps: levels(organization.rcps),
            keys,
        })
    }

    /// The policies of a session, if it has some. Where one of them cannot be had, as a managed policy
    /// that has been deleted, the session has an empty list, which allows nothing: what is missing
    /// could have held a Deny.
    fn session_policies(
        &self,
        facts: &SessionFacts,
        account: &AccountId,
        sight: &Sight<'_>,
    ) -> Result<Option<SessionPolicies>, Refusal> {
        if facts.policies.is_empty() && facts.managed_policies.is_empty() {
            return Ok(None);
        }
        let Some(inline) = self.principals.inline_policies(facts) else {
            return Ok(Some(SessionPolicies::default()));
        };
        if facts.managed_policies.is_empty() {
            return Ok(Some(inline));
        }
        let mut policies = inline.to_vec();
        for arn in &facts.managed_policies {
            let found = match sight {
                Sight::Committed(state) => self.principals.managed(state, account, arn)?,
                Sight::Own(tx) => self.principals.managed_in(*tx, account, arn)?,
            };
            let Some(found) = found else { return Ok(Some(SessionPolicies::default())) };
            policies.push(found);
        }
        Ok(Some(Arc::new(policies)))
    }

    /// The condition keys that every request of this caller by this arrival has (IAM User Guide,
    /// "AWS global condition context keys").
    fn keys_of_caller(&self, context: &Context, standing: Option<&Standing>) -> Keys {
        let caller = &context.caller;
        let mut keys = Keys::with_capacity(24);
        // A service's injected keys come first, so that none of them can take the place of a key
        // that is derived here.
        if let Some(session) = &caller.session {
            for (key, value) in &session.keys {
                // Global keys are nobody's to inject: one that this request lacks must stay absent.
                if !key.get(..4).is_some_and(|it| it.eq_ignore_ascii_case("aws:")) {
                    keys.insert(key, value.as_str());
                }
            }
            for (key, value) in session_keys(session) {
                keys.insert_known(key, value);
            }
            if session.mfa {
                let age = (context.now.millis() - session.issued.millis()).max(0) / 1_000;
                keys.insert_known("aws:multifactorauthage", age.to_string());
            }
        }
        for (key, value) in principal_tags(caller, standing) {
            keys.insert_tag(&format!("aws:PrincipalTag/{key}"), &value);
        }
        if let (Some(first), Some(last)) = (caller.called_via.first(), caller.called_via.last()) {
            keys.insert_known("aws:calledvia", caller.called_via.clone());
            keys.insert_known("aws:calledviafirst", first.as_str());
            keys.insert_known("aws:calledvialast", last.as_str());
        }
        // In the order in which they are kept, which is quickest.
        keys.insert_known("aws:currenttime", context.now.iso8601());
        keys.insert_known("aws:epochtime", context.now.seconds().to_string());
        keys.insert_known("aws:principalaccount", caller.account.as_str());
        keys.insert_known("aws:principalarn", caller.principal_arn());
        let service = matches!(caller.principal, Principal::Service { .. });
        keys.insert_known("aws:principalisawsservice", service);
        keys.insert_known("aws:principaltype", Value::fixed(caller.principal_type()));
        keys.insert_known("aws:securetransport", context.secure);
        keys.insert_known("aws:useragent", context.user_agent.as_str());
        keys.insert_known("aws:userid", caller.user_id());
        if let Principal::User { name, .. } = &caller.principal {
            keys.insert_known("aws:username", name.as_str());
        }
        keys.insert_known("aws:viaawsservice", !caller.called_via.is_empty());
        for (key, value) in context.arrival.keys() {
            keys.insert_known(key, value);
        }
        keys
    }

    fn request(&self, context: &Context, side: &Side, mut keys: Keys, need: &Need) -> Request {
        for (name, value) in &need.keys {
            match value {
                // Tags whose keys differ in case only are one key to a policy.
                KeyValue::One(value) if name.contains('/') => keys.insert_tag(name, value),
                KeyValue::One(value) => keys.insert(name, value.as_str()),
                KeyValue::Many(values) => keys.insert(name, values.clone()),
            }
        }
        let account = need.resource_account.as_ref().unwrap_or(&context.caller.account);
        keys.insert_known("aws:resourceaccount", account.as_str());
        // Global services answer from us-east-1 (IAM User Guide, aws:RequestedRegion).
        let global = need.action.starts_with("iam:");
        let region = if global { "us-east-1" } else { self.region.as_str() };
        keys.insert_known("aws:requestedregion", region);
        let resource = match &need.resource {
            Resource::Any => "*",
            Resource::Arn(arn) => arn,
        };
        let mut request = Request::new(side.asker.clone(), need.action, resource, keys)
            .with_resource_account(account.as_str());
        for alternate in &need.endpoint_alternates {
            request = request.with_endpoint_alternate(alternate);
        }
        request
    }
}

/// What stands for the caller's own policies where AWS does not ask them.
static EVERYTHING: LazyLock<Bundle> = LazyLock::new(|| {
    let text = r#"{"Version":"2012-10-17",
        "Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    let policy = Document::parse(text).map_or_else(|_| Policy::empty(), |it| Policy::compile(&it));
    Bundle::new([Attached::new("(no permission is needed)", policy)])
});

/// A policy without statements: what an endpoint that is gone has to say.
fn nothing() -> Attached {
    Attached::new("(the endpoint is gone)", Policy::empty())
}

fn asker(caller: &Caller, standing: Option<&Standing>) -> Asker {
    let account: Box<str> = caller.account.as_str().into();
    let unique_id = caller.unique_id().map(Into::into);
    match &caller.principal {
        Principal::Root => Asker::Root { arn: caller.arn().into(), account },
        Principal::User { .. } => Asker::User { arn: caller.arn().into(), account, unique_id },
        Principal::Role { .. } => Asker::Role {
            arn: caller.principal_arn().into(),
            session: Some(caller.arn().into()),
            account,
            unique_id,
        },
        Principal::Federated { user_id, .. } => {
            // Its permissions are bounded by those of the user (or root user) who asked for it. A
            // user who is gone meanwhile bounds them to nothing.
            let who = match (standing, user_id.is_empty()) {
                (Some(standing), _) => Some(standing.identity.principal.clone()),
                (None, true) => Some(Principal::Root),
                (None, false) => None,
            };
            let user_id = Some(user_id.as_str().into()).filter(|_| !user_id.is_empty());
            let user = who.map(|principal| Caller { principal, ..caller.clone() }.arn().into());
            Asker::FederatedUser { arn: caller.arn().into(), user, user_id, account }
        }
        Principal::Service { name } => Asker::Service { name: name.as_str().into() },
    }
}

fn denial(
    context: &Context,
    need: Need,
    decision: Decision,
    request: &Request,
    set: &PolicySet<'_>,
) -> Denial {
    let trace = serde_json::to_value(explain(request, set)).unwrap_or(Json::Null);
    let explicit = matches!(decision.by, Reason::ExplicitDeny(_));
    let matched: Vec<Json> = match decision.source().filter(|_| explicit) {
        Some(source) => set
            .policy(source)
            .and_then(|it| matched_statement(it, usize::try_from(source.statement).ok()?))
            .into_iter()
            .collect(),
        None => Vec::new(),
    };
    let conditions: Vec<(String, Vec<String>)> = request
        .context
        .iter()
        .map(|(key, value)| (key.to_owned(), value.values().map(str::to_owned).collect()))
        .collect();
    let message = message(&context.caller, &need, explicit, &matched, &conditions);
    Denial { caller_arn: context.caller.arn(), need, decision, trace, message }
}
