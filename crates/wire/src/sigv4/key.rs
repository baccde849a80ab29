//! Secrets and the keys derived from them.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The secret half of an access key. Wiped when dropped; never shown by `Debug`.
#[derive(Clone)]
pub struct SecretKey {
    secret: Zeroizing<String>,
    /// Tells two secrets apart in the cache of derived keys without keeping them there.
    fingerprint: Zeroizing<[u8; 32]>,
}

impl SecretKey {
    /// Takes the secret over.
    #[must_use]
    pub fn new(secret: String) -> Self {
        let secret = Zeroizing::new(secret);
        let fingerprint = Zeroizing::new(Sha256::digest(secret.as_bytes()).into());
        Self { secret, fingerprint }
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretKey(redacted)")
    }
}

/// A key for one day, region and service.
pub(super) type SigningKey = Zeroizing<[u8; 32]>;

/// HMAC-SHA256.
#[expect(clippy::expect_used, reason = "RFC 2104: HMAC takes a key of every length")]
pub(super) fn hmac(key: &[u8], message: &[u8]) -> SigningKey {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("a key of any length");
    mac.update(message);
    Zeroizing::new(mac.finalize().into_bytes().into())
}

/// The signing key of this secret for `date` (`20150830`), region and service.
pub(super) fn derive(secret: &SecretKey, date: &str, region: &str, service: &str) -> SigningKey {
    let mut first = Zeroizing::new(Vec::with_capacity(4 + secret.secret.len()));
    first.extend_from_slice(b"AWS4");
    first.extend_from_slice(secret.secret.as_bytes());
    let of_date = hmac(&first, date.as_bytes());
    let of_region = hmac(of_date.as_slice(), region.as_bytes());
    let of_service = hmac(of_region.as_slice(), service.as_bytes());
    hmac(of_service.as_slice(), b"aws4_request")
}

/// Derived keys of the clients that signed lately, so that a further request of theirs costs one
/// HMAC instead of five.
///
/// Only keys that verified a signature are kept: a client without a secret cannot push others out.
/// Two generations bound it: when the young one is full, it becomes the old one and what was old is
/// forgotten.
pub struct SigningKeyCache {
    half: usize,
    generations: RwLock<Generations>,
}

#[derive(Default)]
struct Generations {
    young: HashMap<Box<str>, Entry>,
    old: HashMap<Box<str>, Entry>,
}

#[derive(Clone)]
struct Entry {
    fingerprint: Zeroizing<[u8; 32]>,
    key: SigningKey,
}

impl SigningKeyCache {
    /// A cache of at most `capacity` keys (at least two).
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { half: (capacity / 2).max(1), generations: RwLock::default() }
    }

    /// The kept key for this credential (`AKID/date/region/service/aws4_request`) and secret.
    pub(super) fn get(&self, credential: &str, secret: &SecretKey) -> Option<SigningKey> {
        let read = self.generations.read().unwrap_or_else(PoisonError::into_inner);
        let (entry, is_old) = match read.young.get(credential) {
            Some(entry) => (entry, false),
            None => (read.old.get(credential)?, true),
        };
        if !bool::from(entry.fingerprint.as_slice().ct_eq(secret.fingerprint.as_slice())) {
            return None;
        }
        let key = entry.key.clone();
        drop(read);
        if is_old {
            self.put(credential, secret, &key);
        }
        Some(key)
    }

    /// Keeps a key that has verified a signature.
    pub(super) fn put(&self, credential: &str, secret: &SecretKey, key: &SigningKey) {
        let mut write = self.generations.write().unwrap_or_else(PoisonError::into_inner);
        if write.young.len() >= self.half && !write.young.contains_key(credential) {
            write.old = std::mem::take(&mut write.young);
        }
        let entry = Entry { fingerprint: secret.fingerprint.clone(), key: key.clone() };
        write.young.insert(credential.into(), entry);
    }

    /// How many keys it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        let read = self.generations.read().unwrap_or_else(PoisonError::into_inner);
        read.young.len() + read.old.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Default for SigningKeyCache {
    fn default() -> Self {
        Self::new(4096)
    }
}

impl std::fmt::Debug for SigningKeyCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKeyCache").field("len", &self.len()).finish_non_exhaustive()
    }
}
