//! AssumeRole.

use std::sync::Arc;

use sagegate_api::sts::{AssumeRoleRequest, AssumeRoleResponse, AssumedRoleUser};
use sagegate_gate::needs::{ResourcePolicy, ResourcePolicyRole};
use sagegate_gate::{
    Access, Authorized, Call, Fault, Need, Needs, Operation, Principal, SessionFacts,
};
use sagegate_policy::Policy;
use sagegate_store::{Read, Tx};

use super::credentials::{self, Issue};
use super::faults::{access_denied, check_mfa, validation};
use super::role::RoleArn;
use super::{session_policy, session_tags};
use crate::iam::trust;

/// The default of `DurationSeconds`, and the longest session of a role that a role assumes.
const HOUR: i32 = 3_600;

/// Makes a session of a role.
#[derive(Debug)]
pub struct AssumeRole;

fn role_arn<'a>(call: &Call<'a, AssumeRoleRequest>) -> Result<RoleArn<'a>, Fault> {
    let text = call.input.role_arn.as_str();
    RoleArn::parse(text, &call.scope.region).ok_or_else(|| validation(format!("{text} is invalid")))
}

/// What no policy can allow (STS API Reference, AssumeRole; IAM User Guide, "Request temporary
/// security credentials").
fn check_caller(principal: &Principal) -> Result<(), Fault> {
    match principal {
        Principal::Root => Err(access_denied("Roles may not be assumed by root accounts.")),
        Principal::Federated { .. } => {
            Err(access_denied("Cannot call AssumeRole with federated user credentials"))
        }
        Principal::User { .. } | Principal::Role { .. } | Principal::Service { .. } => Ok(()),
    }
}

impl Operation for AssumeRole {
    type Input = AssumeRoleRequest;
    type Output = AssumeRoleResponse;
    const SERVICE: &'static str = "sts";
    const NAME: &'static str = "AssumeRole";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let input = call.input;
        check_caller(&call.caller.principal)?;
        let target = role_arn(call)?;
        let role = target.find(state)?;
        // A role that is not there trusts nobody, and neither does one whose policy cannot be read:
        // a caller cannot tell the one from the other.
        let trust = role.as_ref().map(|role| trust::policy(state, &role.trust)).transpose()?;
        let trust = trust.flatten().unwrap_or_else(|| Arc::new(Policy::empty()));
        let tags = role.map(|role| role.tags.to_map()).unwrap_or_default();
        let session = call.caller.session.as_ref();
        let source_identity = source_identity(call)?;
        let transitive = input.transitive_tag_keys.clone().filter(|it| !it.is_empty());
        let tagged = !input.tags.as_deref().unwrap_or_default().is_empty()
            || transitive.is_some()
            // A role that is assumed with transitive tags must be ready for them, whether or not
            // the request adds any.
            || !session_tags::inherited(session).is_empty();
        let need = |action| {
            Need::on(action, input.role_arn.as_str())
                .in_account(target.scope.account.clone())
                .with_policy(ResourcePolicy {
                    policy: Arc::clone(&trust),
                    role: ResourcePolicyRole::Trust,
                })
                .key("sts:RoleSessionName", input.role_session_name.as_str())
                .key_if("sts:ExternalId", input.external_id.as_deref())
                .key_if("sts:DurationSeconds", input.duration_seconds.map(|it| it.to_string()))
                .key_if("sts:SourceIdentity", source_identity.as_deref())
                .key_if("sts:TransitiveTagKeys", transitive.clone())
                .request_tags(session_tags::pairs(input.tags.as_deref()))
                .resource_tags(
                    "iam",
                    tags.iter().map(|(key, value)| (key.as_str(), value.as_str())),
                )
        };
        let mut needs = Needs::from(need("sts:AssumeRole"));
        if tagged {
            needs = needs.and(need("sts:TagSession"));
        }
        if source_identity.is_some() {
            needs = needs.and(need("sts:SetSourceIdentity"));
        }
        Ok(needs)
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let input = call.input;
        let target = role_arn(call)?;
        let role = target.find(tx)?;
        // No trust policy has allowed a role that is not there.
        let role = role.ok_or_else(|| Fault::internal("a missing role was allowed"))?;
        check_mfa(input.serial_number.as_deref(), input.token_code.as_deref())?;
        if input.provided_contexts.as_ref().is_some_and(|it| !it.is_empty()) {
            return Err(validation(
                "ProvidedContexts cannot be validated: there is no trusted context provider here.",
            ));
        }
        let chained = matches!(call.caller.principal, Principal::Role { .. });
        let seconds = duration(input.duration_seconds, chained, role.max_session_duration)?;
        let parent = call.caller.session.as_ref();
        let tags = session_tags::of_session(
            parent,
            input.tags.as_deref(),
            input.transitive_tag_keys.as_deref(),
        )?;
        let policies = session_policy::collect(
            tx,
            &target.scope,
            input.policy.as_deref(),
            input.policy_arns.as_deref(),
        )?;
        let handed_over = session_tags::pairs(input.tags.as_deref());
        let packed = session_policy::packed_size(&policies, handed_over)?;
        let source_identity = source_identity(call)?;
        let principal = Principal::Role {
            id: role.id.clone(),
            name: role.name.clone(),
            path: role.path.clone(),
            session: input.role_session_name.clone(),
        };
        let issued = credentials::issue(&Issue {
            vault: call.vault,
            env: call.env,
            account: &target.scope.account,
            principal,
            facts: SessionFacts {
                issued: call.now,
                expires: call.now.plus_seconds(seconds.into()),
                tags: tags.tags,
                transitive: tags.transitive,
                source_identity: source_identity.clone(),
                policies: policies.inline.into_iter().collect(),
                managed_policies: policies.managed,
                chained,
                issuer: Self::NAME.to_owned(),
                ..SessionFacts::default()
            },
            minimum: input.minimum_session_token_size,
        })?;
        let session = &input.role_session_name;
        Ok(AssumeRoleResponse {
            assumed_role_user: Some(AssumedRoleUser {
                assumed_role_id: Some(format!("{}:{session}", role.id)),
                arn: Some(format!(
                    "arn:{}:sts::{}:assumed-role/{}/{session}",
                    call.caller.partition, target.scope.account, role.name
                )),
            }),
            packed_policy_size: credentials::shown(packed),
            source_identity,
            session_token_utilization: Some(issued.utilization),
            session_token_size: Some(issued.size),
            credentials: Some(issued.credentials),
        })
    }
}

/// How long the session lasts, in seconds.
fn duration(given: Option<i32>, chained: bool, longest: u32) -> Result<i32, Fault> {
    let seconds = given.unwrap_or(HOUR);
    if chained && seconds > HOUR {
        return Err(validation(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by \
             role chaining",
        ));
    }
    if i64::from(seconds) > i64::from(longest) {
        return Err(validation(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ));
    }
    Ok(seconds)
}

/// The source identity of the new session: once set, it stays the same down the chain (IAM User
/// Guide, "Monitor and control actions taken with assumed roles").
fn source_identity(call: &Call<'_, AssumeRoleRequest>) -> Result<Option<String>, Fault> {
    let given = call.input.source_identity.as_ref();
    let inherited = call.caller.session.as_ref().and_then(|it| it.source_identity.as_ref());
    if given.is_some_and(|it| crate::is_reserved(it)) {
        return Err(validation("SourceIdentity cannot begin with aws:, which is reserved."));
    }
    match (given, inherited) {
        (Some(given), Some(inherited)) if given != inherited => Err(access_denied(
            "The source identity of a session cannot be changed by assuming a role.",
        )),
        (given, inherited) => Ok(inherited.or(given).cloned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_bounded_by_the_role_and_by_the_chain() {
        assert_eq!(duration(None, false, 3_600).unwrap(), 3_600);
        assert_eq!(duration(Some(43_200), false, 43_200).unwrap(), 43_200);
        let fault = duration(Some(3_601), false, 3_600).unwrap_err();
        assert_eq!(
            fault.message,
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        );
        let fault = duration(Some(3_601), true, 43_200).unwrap_err();
        assert_eq!(
            fault.message,
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by \
             role chaining"
        );
    }
}
