//! Client tokens: a request that comes again with its token makes nothing anew.
//!
//! Rules: Amazon EC2 API Reference, "Ensuring idempotency".

use sagegate_gate::{Fault, Scope};
use sagegate_store::{Read, StoreError, Tx};
use sha2::{Digest, Sha256};

use super::fault::{bad, invalid_value};
use super::records::{TOKENS, Token};

const MAX_TOKEN: usize = 64;

/// A digest of a request, which must not hold its token.
pub(crate) fn fingerprint(request: &impl std::fmt::Debug) -> String {
    hex::encode(Sha256::digest(format!("{request:?}").as_bytes()))
}

/// The key of a token's row.
pub(crate) fn row(operation: &str, token: &str) -> String {
    format!("{operation}/{token}")
}

/// What the token (with the request's fingerprint) has made before.
///
/// # Errors
/// `IdempotentParameterMismatch` where it came with another request, `InvalidParameterValue` where
/// it is none.
pub(crate) fn made(
    state: &dyn Read,
    scope: &Scope,
    operation: &str,
    (token, fingerprint): (&str, &str),
) -> Result<Option<String>, Fault> {
    if token.len() > MAX_TOKEN || !token.is_ascii() {
        let text = format!("The client token must be up to {MAX_TOKEN} ASCII characters");
        return Err(invalid_value(text));
    }
    let row = row(operation, token);
    let place = (scope.account.as_str(), scope.region.as_str(), row.as_str());
    match TOKENS.get(state, &place)? {
        None => Ok(None),
        Some(known) if known.request == fingerprint => Ok(Some(known.id)),
        Some(_) => Err(bad(
            "IdempotentParameterMismatch",
            "The client token was used before with other parameters.",
        )),
    }
}

/// Keeps what a token has made.
pub(crate) fn keep(
    tx: &mut Tx,
    scope: &Scope,
    operation: &str,
    (token, fingerprint): (&str, &str),
    id: &str,
) -> Result<(), StoreError> {
    let row = row(operation, token);
    let place = (scope.account.as_str(), scope.region.as_str(), row.as_str());
    TOKENS.put(tx, &place, &Token { request: fingerprint.to_owned(), id: id.to_owned() })
}

/// Forgets a token with what it has made.
pub(crate) fn forget(tx: &mut Tx, scope: &Scope, row: &str) {
    TOKENS.delete(tx, &(scope.account.as_str(), scope.region.as_str(), row));
}
