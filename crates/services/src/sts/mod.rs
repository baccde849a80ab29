//! STS: temporary credentials, and who a caller is.
//!
//! A session token is the session, sealed ([`sagegate_gate::session`]): nothing is stored, so these
//! operations only read, and a session ends with its principal.

pub mod assume_role;
mod credentials;
pub mod decode;
mod faults;
pub mod identity;
pub(crate) mod role;
mod session_policy;
mod session_tags;
pub mod session_token;
#[cfg(test)]
mod tests;

use sagegate_gate::registry::Registry;

/// Registers the operations.
pub(crate) fn register(registry: &mut Registry) {
    registry
        .add::<identity::GetCallerIdentity>()
        .add::<identity::GetAccessKeyInfo>()
        .add::<assume_role::AssumeRole>()
        .add::<session_token::GetSessionToken>()
        .add::<session_token::GetFederationToken>()
        .add::<decode::DecodeAuthorizationMessage>();
}
