//! Roles that an AWS service assumes: an execution role, or the service's own service-linked role.
//!
//! Nobody's permission is asked for it but the role's own: its trust policy must let the service
//! principal in (IAM User Guide, "Create a role to delegate permissions to an AWS service"). The
//! session carries the condition keys that the service puts into it, which is the only way by which
//! such keys come into being (SPEC R0.3).

use std::collections::BTreeMap;
use std::time::Duration;

use sagegate_api::sts::{AssumeRoleRequest, AssumeRoleResponse, AssumedRoleUser, Credentials};
use sagegate_gate::audit::{Circumstances, Record, members};
use sagegate_gate::env::Time;
use sagegate_gate::session::{self, TemporaryCredentials};
use sagegate_gate::{Caller, Fault, Gate, Principal, Scope, SessionFacts, Within};
use sagegate_network::Arrival;
use sagegate_policy::{
    Attached, Bundle, Context, PolicySet, Principal as Asker, Request, ResourceRule,
};
use sagegate_store::{Read, StoreError, Tx};
use serde_json::json;

use super::records::RoleRecord;
use super::trust;
use crate::sts::role::RoleArn;

/// Who assumes a role, and what its trust policy is told of it.
#[derive(Clone, Copy, Debug)]
pub struct Visit<'a> {
    /// The service principal, such as `sagemaker.amazonaws.com`.
    pub service: &'a str,
    /// The resource that it is done for: `aws:SourceArn`.
    pub source_arn: &'a str,
    /// The session's name: `sts:RoleSessionName`.
    pub session_name: &'a str,
    /// `sts:SourceIdentity`; to set one, the trust policy must allow `sts:SetSourceIdentity` too.
    pub source_identity: Option<&'a str>,
    /// When.
    pub now: Time,
}

/// The role of this ARN, if it is there and its trust policy lets the service in. Only roles of
/// `scope`'s own account are found: a role cannot be passed to a service across accounts (IAM User
/// Guide, "Grant a user permissions to pass a role to an AWS service").
///
/// The policy is told `aws:SourceAccount` and `aws:SourceArn`, so that it can hold off a service
/// that acts for somebody else (IAM User Guide, "The confused deputy problem").
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub fn trusting(
    state: &dyn Read,
    scope: &Scope,
    role_arn: &str,
    visit: &Visit<'_>,
) -> Result<Option<RoleRecord>, StoreError> {
    let Some(arn) = RoleArn::parse(role_arn, &scope.region) else { return Ok(None) };
    if arn.scope.account != scope.account {
        return Ok(None);
    }
    let Some(role) = arn.find(state)? else { return Ok(None) };
    let Some(trust) = trust::policy(state, &role.trust)? else { return Ok(None) };
    let trust = Attached::new("trust policy", trust);
    let allows = |action| {
        let asker = Asker::Service { name: visit.service.into() };
        let request = Request::new(asker, action, role_arn, keys(scope, &role, visit));
        let none = Bundle::default();
        let set = PolicySet {
            resource: Some(&trust),
            resource_rule: ResourceRule::Required,
            ..PolicySet::new(&none)
        };
        sagegate_policy::decide(&request, &set).allowed
    };
    let all = allows("sts:AssumeRole")
        && (visit.source_identity.is_none() || allows("sts:SetSourceIdentity"));
    Ok(all.then_some(role))
}

/// The condition keys of a service's call of `sts:AssumeRole`.
fn keys(scope: &Scope, role: &RoleRecord, visit: &Visit<'_>) -> Context {
    let mut keys = Context::from_iter([
        ("aws:SourceAccount", scope.account.as_str()),
        ("aws:SourceArn", visit.source_arn),
        ("aws:PrincipalServiceName", visit.service),
        ("aws:RequestedRegion", scope.region.as_str()),
        ("aws:ResourceAccount", scope.account.as_str()),
        ("sts:RoleSessionName", visit.session_name),
    ]);
    if let Some(identity) = visit.source_identity {
        keys.insert("sts:SourceIdentity", identity);
    }
    keys.insert("aws:PrincipalServiceNamesList", vec![visit.service.to_owned()]);
    keys.insert("aws:PrincipalIsAWSService", true);
    keys.insert("aws:ViaAWSService", false);
    keys.insert("aws:SecureTransport", true);
    keys.insert("aws:CurrentTime", visit.now.iso8601());
    keys.insert("aws:EpochTime", visit.now.seconds().to_string());
    for (key, value) in role.tags.to_map() {
        keys.insert_tag(&format!("aws:ResourceTag/{key}"), &value);
        keys.insert_tag(&format!("iam:ResourceTag/{key}"), &value);
    }
    keys
}

/// What a service answers whose role does not let it in, or is not there (SPEC 2.6).
#[must_use]
pub fn not_assumable(role_arn: &str, service: &str) -> Fault {
    Fault::client(
        "ValidationException",
        400,
        format!(
            "Could not assume role {role_arn}. Please ensure that the role exists and allows \
             principal '{service}' to assume the role."
        ),
    )
}

/// The session that a service gets of a role of `scope`'s account.
///
/// `keys` are the condition keys that the service puts into the session, each with the service's own
/// prefix (`sagemaker:DomainId`); with credentials that are issued for the session they travel on,
/// and to sessions of other roles that are assumed with them they do not. The session lasts `life`,
/// whatever the role's `MaxSessionDuration`, which "does not limit sessions assumed by AWS services"
/// (IAM User Guide, "Update settings for a role").
///
/// The caller has no access key yet: [`sagegate_gate::session::issue`] makes credentials of its
/// principal and session facts, [`Gate::call`] takes it as it is.
///
/// # Errors
/// `ValidationException` ([`not_assumable`]) if the role is not there or its trust policy does not
/// let the service in, or STS would not take the source identity. An internal [`Fault`] for a session
/// name or keys that cannot be, which would be the service's own mistake.
#[expect(clippy::too_many_arguments, reason = "each of them ends up in the session")]
pub fn assume(
    state: &dyn Read,
    scope: &Scope,
    role_arn: &str,
    service: &str,
    source_arn: &str,
    session_name: &str,
    keys: BTreeMap<String, String>,
    source_identity: Option<String>,
    now: Time,
    life: Duration,
) -> Result<Caller, Fault> {
    if !is_name(session_name) {
        return Err(Fault::internal(format!("{service} named a session {session_name:?}")));
    }
    if let Some(identity) = source_identity.as_deref().filter(|it| !is_name(it)) {
        // A name that somebody chose, such as a user profile's of one letter: STS refuses it.
        let mut fault = not_assumable(role_arn, service);
        fault.detail = Some(format!("{identity:?} cannot be a source identity"));
        return Err(fault);
    }
    let prefix = service.split('.').next().unwrap_or_default();
    let own = |key: &String| key.split_once(':').is_some_and(|(start, _)| start == prefix);
    if !keys.keys().all(own) {
        return Err(Fault::internal(format!("{service} puts keys of others into a session")));
    }
    let identity = source_identity.as_deref();
    let visit = Visit { service, source_arn, session_name, source_identity: identity, now };
    let role = trusting(state, scope, role_arn, &visit)?
        .ok_or_else(|| not_assumable(role_arn, service))?;
    let seconds = i64::try_from(life.as_secs()).unwrap_or(i64::MAX);
    Ok(Caller {
        account: scope.account.clone(),
        principal: Principal::Role {
            id: role.id,
            name: role.name,
            path: role.path,
            session: session_name.to_owned(),
        },
        access_key_id: String::new(),
        session: Some(SessionFacts {
            issued: now,
            expires: now.plus_seconds(seconds),
            source_identity,
            keys,
            issuer: "AssumeRole".to_owned(),
            ..SessionFacts::default()
        }),
        partition: scope.region.partition().to_owned(),
        called_via: Vec::new(),
    })
}

/// Whether STS takes this as `RoleSessionName` or `SourceIdentity` (STS API Reference, AssumeRole).
fn is_name(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    (2..=64).contains(&text.len()) && text.bytes().all(letter)
}

/// What a service enters a role with ([`enter`]); the members are those of [`assume`].
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// The role.
    pub role_arn: &'a str,
    /// The service principal.
    pub service: &'a str,
    /// The resource that it is done for.
    pub source_arn: &'a str,
    /// The session's name.
    pub session_name: &'a str,
    /// The condition keys that the session carries.
    pub keys: BTreeMap<String, String>,
    /// The session's source identity.
    pub source_identity: Option<String>,
    /// How long it lasts.
    pub life: Duration,
}

/// A role that was entered.
#[derive(Clone, Debug)]
pub struct Entered {
    /// The session, for calls through the gate; its access key id is that of the credentials.
    pub caller: Caller,
    /// Its credentials, for a workload.
    pub credentials: TemporaryCredentials,
}

/// Has a service assume a role, as [`assume`], and writes it down as CloudTrail does: an `AssumeRole`
/// of `sts.amazonaws.com` by an `AWSService` (CloudTrail User Guide, "CloudTrail userIdentity
/// element"). The record of a role that was entered is durable before the session leaves this
/// function; that of a refusal goes where refusals go.
///
/// # Errors
/// As [`assume`], and a [`Fault`] of the store.
pub async fn enter(gate: &Gate, scope: &Scope, entry: &Entry<'_>) -> Result<Entered, Fault> {
    gate.transact_within(|tx, within| enter_within(&within, tx, scope, entry)).await
}

/// As [`enter`], in a transaction that is there already: the record is part of it.
///
/// # Errors
/// As [`assume`].
pub fn enter_within(
    within: &Within<'_>,
    tx: &Tx,
    scope: &Scope,
    entry: &Entry<'_>,
) -> Result<Entered, Fault> {
    let outcome = assume(
        tx,
        scope,
        entry.role_arn,
        entry.service,
        entry.source_arn,
        entry.session_name,
        entry.keys.clone(),
        entry.source_identity.clone(),
        within.now(),
        entry.life,
    );
    let outcome = outcome
        .map(|caller| with_credentials(within, caller))
        .map_err(|fault| Fault { denied: fault.sender, ..fault });
    let mut record = record(within, scope, entry);
    match &outcome {
        Ok(entered) => {
            record.response_elements = members(&answer(entered));
            record.sagegate = json!({
                "decision": "allowed",
                "by": [{ "action": "sts:AssumeRole", "policy": "trust policy" }],
                "sourceArn": entry.source_arn,
                "keys": entry.keys,
            });
        }
        Err(fault) => {
            record.error_code = Some(fault.code.clone().into_owned());
            record.error_message = Some(fault.message.clone());
            let decision = if fault.denied {
                "denied: the role is not there, or its trust policy does not let the service in"
            } else {
                "not denied: it failed"
            };
            record.sagegate = json!({ "decision": decision, "sourceArn": entry.source_arn });
        }
    }
    within.keep(record);
    outcome
}

/// The record of an entry before its outcome is known.
fn record(within: &Within<'_>, scope: &Scope, entry: &Entry<'_>) -> Record {
    let arrival = Arrival::Service { service: entry.service.to_owned() };
    let about = Circumstances {
        service: "sts",
        operation: "AssumeRole",
        region: scope.region.as_str(),
        account: scope.account.as_str(),
        arrival: &arrival,
        user_agent: entry.service,
        request_id: &within.env().uuid(),
        now: within.now(),
        read_only: true,
    };
    let service = Caller::service(entry.service, scope);
    let mut record = Record::of(about, within.env().uuid(), Some(&service));
    record.request_parameters = members(&AssumeRoleRequest {
        role_arn: entry.role_arn.to_owned(),
        role_session_name: entry.session_name.to_owned(),
        source_identity: entry.source_identity.clone(),
        duration_seconds: i32::try_from(entry.life.as_secs()).ok(),
        ..AssumeRoleRequest::default()
    });
    record
}

fn with_credentials(within: &Within<'_>, mut caller: Caller) -> Entered {
    let facts = caller.session.clone().unwrap_or_default();
    let principal = caller.principal.clone();
    let credentials =
        session::issue(within.vault(), within.env(), &caller.account, principal, facts);
    caller.access_key_id.clone_from(&credentials.access_key_id);
    Entered { caller, credentials }
}

/// As STS answers; the audit leaves the secrets out.
fn answer(entered: &Entered) -> AssumeRoleResponse {
    let Entered { caller, credentials } = entered;
    AssumeRoleResponse {
        credentials: Some(Credentials {
            access_key_id: Some(credentials.access_key_id.clone()),
            expiration: Some(credentials.expires.whole_seconds().into()),
            ..Credentials::default()
        }),
        assumed_role_user: Some(AssumedRoleUser {
            assumed_role_id: Some(caller.user_id()),
            arn: Some(caller.arn()),
        }),
        source_identity: caller.session.as_ref().and_then(|it| it.source_identity.clone()),
        ..AssumeRoleResponse::default()
    }
}
