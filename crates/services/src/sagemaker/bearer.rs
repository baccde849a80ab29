//! What lets in whoever bears it: the tokens of presigned URLs and of remote access, the tickets to
//! apps, the cookies of sessions (SPEC T7).
//!
//! Each is 256 random bits that are given out once. What is stored is a digest, so that nothing in the
//! store lets anybody in, and beside it the calling principal, sealed. What has ended is noted by its
//! moment and cleared away by later writes, so that what is stored stays bounded by use.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sagegate_gate::env::{Env, Time};
use sagegate_gate::{Caller, Fault, Secret, Vault};
use sagegate_store::{Key, Table, Tx};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How many of what has ended one write clears away.
const SWEEP: usize = 32;

/// 256 random bits as 43 characters that may stand in a URL and in a cookie.
pub(super) fn new_secret(env: &Env) -> Secret {
    let bytes: [u8; 32] = env.bytes();
    Secret::new(URL_SAFE_NO_PAD.encode(bytes))
}

/// What is stored of a secret: its SHA-256 in hexadecimal. It needs no salt, since what is random
/// cannot be guessed from a table.
pub(super) fn digest(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

/// The principal that asked for a secret, sealed for one purpose.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct SealedCaller(String);

impl SealedCaller {
    /// Seals a caller.
    ///
    /// # Errors
    /// An internal [`Fault`] if the caller cannot be written.
    pub(super) fn new(
        (env, vault): (&Env, &Vault),
        purpose: &'static str,
        caller: &Caller,
    ) -> Result<Self, Fault> {
        let plain = serde_json::to_vec(caller)
            .map_err(|error| Fault::internal(format!("a caller has no JSON form: {error}")))?;
        Ok(Self(vault.seal_text(env, purpose, &plain)))
    }

    /// The caller. Nothing where it was sealed with another key or for another purpose.
    pub(super) fn open(&self, vault: &Vault, purpose: &'static str) -> Option<Caller> {
        let plain = vault.unseal_text(purpose, &self.0).ok()?;
        serde_json::from_slice(&plain).ok()
    }
}

/// A moment as the first part of a key: milliseconds.
pub(super) fn moment(at: Time) -> u64 {
    u64::try_from(at.millis()).unwrap_or(0)
}

/// A key of a table of ends, which begins with the [`moment`] of the end.
pub(super) trait EndKey: Key {
    /// The moment.
    fn ends(&self) -> u64;
}

impl EndKey for (u64, String) {
    fn ends(&self) -> u64 {
        self.0
    }
}

impl EndKey for (u64, String, String) {
    fn ends(&self) -> u64 {
        self.0
    }
}

/// Takes a few of what has ended by now out of a table of ends, the longest ended first, for whoever
/// sweeps to clear away.
///
/// # Errors
/// A [`Fault`] of the store.
pub(super) fn take_ended<K: EndKey>(
    tx: &mut Tx,
    table: Table<K, ()>,
    now: Time,
) -> Result<Vec<K>, Fault> {
    let now = moment(now);
    let found = table.scan(tx, &(), None, SWEEP)?.into_iter().map(|(key, ())| key);
    let ended: Vec<K> = found.take_while(|key| key.ends() <= now).collect();
    for key in &ended {
        table.delete(tx, key);
    }
    Ok(ended)
}

#[cfg(test)]
mod tests {
    use sagegate_store::Store;

    use super::*;

    const ENDS: Table<(u64, String), ()> = Table::new("test.end");

    #[tokio::test]
    async fn what_has_ended_is_taken_once_a_few_at_a_time_and_the_rest_stays() {
        let store = Store::memory();
        let taken = |tx: &mut Tx, now| take_ended(tx, ENDS, Time::from_millis(now)).unwrap().len();
        store
            .transact(|tx| {
                for at in 0..50 {
                    ENDS.put(tx, &(at, "a token"), &())?;
                }
                assert_eq!(taken(tx, -1), 1, "a time before all times counts as the first");
                assert_eq!(taken(tx, 40), SWEEP);
                assert_eq!(taken(tx, 40), 41 - 1 - SWEEP, "the one that ends now included");
                assert_eq!(taken(tx, 40), 0);
                assert_eq!(ENDS.count(tx, &())?, 9);
                Ok::<_, sagegate_store::StoreError>(())
            })
            .await
            .unwrap();
    }

    #[test]
    fn a_secret_is_no_other_and_is_not_its_digest() {
        let env = Env::system();
        let (one, other) = (new_secret(&env), new_secret(&env));
        assert_eq!(one.reveal().len(), 43);
        assert_ne!(one.reveal(), other.reveal());
        assert_eq!(digest(one.reveal()).len(), 64);
        assert_ne!(digest(one.reveal()), digest(other.reveal()));
    }
}
