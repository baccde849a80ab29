//! GetSessionToken and GetFederationToken: temporary credentials of a user, without a role.

use sagegate_api::sts::{
    FederatedUser, GetFederationTokenRequest, GetFederationTokenResponse, GetSessionTokenRequest,
    GetSessionTokenResponse,
};
use sagegate_gate::{
    Access, Authorized, Call, Caller, Fault, Need, Needs, Operation, Principal, SessionFacts,
};
use sagegate_store::{Read, Tx};

use super::credentials::{self, Issue};
use super::faults::{access_denied, check_mfa};
use super::{session_policy, session_tags};

/// The default of `DurationSeconds`.
const HALF_A_DAY: i32 = 43_200;
/// The longest session of a root user, which a longer wish falls back to.
const HOUR: i32 = 3_600;

/// How long a session lasts, in seconds. "Sessions for AWS account owners are restricted to a
/// maximum of 3,600 seconds. If the duration is longer than one hour, the session for AWS account
/// owners defaults to one hour." (STS API Reference, GetSessionToken)
fn duration(caller: &Caller, given: Option<i32>) -> i32 {
    let seconds = given.unwrap_or(HALF_A_DAY);
    if caller.principal == Principal::Root { seconds.min(HOUR) } else { seconds }
}

/// Only a user, or the root user, with long-term credentials.
fn check_caller(caller: &Caller, operation: &str) -> Result<(), Fault> {
    match &caller.principal {
        Principal::Root | Principal::User { .. } if caller.session.is_none() => Ok(()),
        _ => Err(access_denied(format!("Cannot call {operation} with session credentials"))),
    }
}

/// Makes a session of the calling user.
#[derive(Debug)]
pub struct GetSessionToken;

impl Operation for GetSessionToken {
    type Input = GetSessionTokenRequest;
    type Output = GetSessionTokenResponse;
    const SERVICE: &'static str = "sts";
    const NAME: &'static str = "GetSessionToken";
    const ACCESS: Access = Access::Read;

    /// "No permissions are required for users to perform this operation"; policies cannot control
    /// it (STS API Reference, GetSessionToken).
    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        check_caller(call.caller, Self::NAME)?;
        Ok(Need::no_permission("sts:GetSessionToken").into())
    }

    fn run(call: &Authorized<'_, Self>, _: &mut Tx) -> Result<Self::Output, Fault> {
        let input = call.input;
        check_mfa(input.serial_number.as_deref(), input.token_code.as_deref())?;
        let seconds = duration(call.caller, input.duration_seconds);
        let issued = credentials::issue(&Issue {
            vault: call.vault,
            env: call.env,
            account: &call.caller.account,
            principal: call.caller.principal.clone(),
            facts: SessionFacts {
                issued: call.now,
                expires: call.now.plus_seconds(seconds.into()),
                issuer: Self::NAME.to_owned(),
                ..SessionFacts::default()
            },
            minimum: input.minimum_session_token_size,
        })?;
        Ok(GetSessionTokenResponse {
            session_token_utilization: Some(issued.utilization),
            session_token_size: Some(issued.size),
            credentials: Some(issued.credentials),
        })
    }
}

/// Makes a session of a federated user, with what both the calling user's and the session's
/// policies allow.
#[derive(Debug)]
pub struct GetFederationToken;

impl Operation for GetFederationToken {
    type Input = GetFederationTokenRequest;
    type Output = GetFederationTokenResponse;
    const SERVICE: &'static str = "sts";
    const NAME: &'static str = "GetFederationToken";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        check_caller(call.caller, Self::NAME)?;
        let arn = arn(call.caller, &call.input.name);
        let tags = call.input.tags.as_deref();
        let need = |action| Need::on(action, arn.as_str()).request_tags(session_tags::pairs(tags));
        let needs = Needs::from(need("sts:GetFederationToken"));
        Ok(match tags {
            Some([_, ..]) => needs.and(need("sts:TagSession")),
            _ => needs,
        })
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, caller) = (call.input, call.caller);
        let tags = session_tags::of_session(None, input.tags.as_deref(), None)?;
        let policies = session_policy::collect(
            tx,
            call.scope,
            input.policy.as_deref(),
            input.policy_arns.as_deref(),
        )?;
        let handed_over = session_tags::pairs(input.tags.as_deref());
        let packed = session_policy::packed_size(&policies, handed_over)?;
        let principal = Principal::Federated {
            name: input.name.clone(),
            user_id: caller.unique_id().unwrap_or_default().to_owned(),
        };
        let seconds = duration(caller, input.duration_seconds);
        let issued = credentials::issue(&Issue {
            vault: call.vault,
            env: call.env,
            account: &caller.account,
            principal,
            facts: SessionFacts {
                issued: call.now,
                expires: call.now.plus_seconds(seconds.into()),
                tags: tags.tags,
                policies: policies.inline.into_iter().collect(),
                managed_policies: policies.managed,
                issuer: Self::NAME.to_owned(),
                ..SessionFacts::default()
            },
            minimum: input.minimum_session_token_size,
        })?;
        Ok(GetFederationTokenResponse {
            federated_user: Some(FederatedUser {
                federated_user_id: Some(format!("{}:{}", caller.account, input.name)),
                arn: Some(arn(caller, &input.name)),
            }),
            packed_policy_size: credentials::shown(packed),
            session_token_utilization: Some(issued.utilization),
            session_token_size: Some(issued.size),
            credentials: Some(issued.credentials),
        })
    }
}

fn arn(caller: &Caller, name: &str) -> String {
    format!("arn:{}:sts::{}:federated-user/{name}", caller.partition, caller.account)
}
