//! Issuing temporary credentials.

use sagegate_api::sts::Credentials;
use sagegate_gate::{AccountId, Env, Fault, Principal, SessionFacts, Vault, session};

use super::faults::too_large;

/// What credentials are made of.
pub(super) struct Issue<'a> {
    pub(super) vault: &'a Vault,
    pub(super) env: &'a Env,
    pub(super) account: &'a AccountId,
    pub(super) principal: Principal,
    pub(super) facts: SessionFacts,
    /// The least size of the token in bytes, where the request asks for one.
    pub(super) minimum: Option<i32>,
}

/// Credentials as STS answers them.
pub(super) struct Issued {
    pub(super) credentials: Credentials,
    /// The token's size in bytes.
    pub(super) size: i32,
    /// The same in per cent of what a token may have.
    pub(super) utilization: i32,
}

/// Issues credentials.
///
/// # Errors
/// `PackedPolicyTooLarge` if the token would not fit into a request.
pub(super) fn issue(issue: &Issue<'_>) -> Result<Issued, Fault> {
    let minimum = usize::try_from(issue.minimum.unwrap_or(0)).unwrap_or(0);
    let made = session::issue_padded(
        issue.vault,
        issue.env,
        issue.account,
        issue.principal.clone(),
        issue.facts.clone(),
        minimum,
    );
    let size = made.token.reveal().len();
    // A token travels in a header of every request.
    let percent = (size * 100).div_ceil(session::MAX_TOKEN);
    if percent > 100 {
        return Err(too_large(percent));
    }
    Ok(Issued {
        size: i32::try_from(size).unwrap_or(i32::MAX),
        utilization: i32::try_from(percent).unwrap_or(100),
        credentials: Credentials {
            access_key_id: Some(made.access_key_id),
            secret_access_key: Some(made.secret.reveal().to_owned()),
            session_token: Some(made.token.reveal().to_owned()),
            expiration: Some(made.expires.whole_seconds().into()),
        },
    })
}

/// `PackedPolicySize` as STS answers it: only where policies or tags were handed over.
pub(super) fn shown(packed: usize) -> Option<i32> {
    i32::try_from(packed).ok().filter(|it| *it > 0)
}
