//! Key exchange: what both sides offer, the shared secret, and the keys that come of it.
//!
//! RFC 4253, sections 7 and 8; `curve25519-sha256` is RFC 8731, `mlkem768x25519-sha256` is
//! draft-ietf-sshm-mlkem-hybrid-kex, and strict key exchange is OpenSSH's PROTOCOL, section 1.10.
//! One host key algorithm, `ssh-ed25519` (RFC 8709).

use ed25519_dalek::{Signer, SigningKey};
use ml_kem::ml_kem_768::EncapsulationKey;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::cipher::{Algorithm, Cipher};
use crate::codec::{Malformed, Put, Reader};
use crate::message;

/// Why no key could be agreed on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Disagreed {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("no {what} in common: the client offers {offered}, this server {ours}")]
    Nothing { what: &'static str, offered: String, ours: String },
    #[error("the client's public key is not one")]
    PublicKey,
    #[error("the system gives no randomness")]
    Randomness,
}

/// How the secret is agreed on, in the order of our preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    MlKem,
    X25519,
}

const METHODS: [(&str, Method); 3] = [
    ("mlkem768x25519-sha256", Method::MlKem),
    ("curve25519-sha256", Method::X25519),
    ("curve25519-sha256@libssh.org", Method::X25519),
];
const STRICT_CLIENT: &str = "kex-strict-c-v00@openssh.com";
const STRICT_SERVER: &str = "kex-strict-s-v00@openssh.com";
const HOST_KEY: &str = "ssh-ed25519";
const ML_KEM_KEY: usize = 1184;

/// Bytes from the operating system.
pub(crate) fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, Disagreed> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|_| Disagreed::Randomness)?;
    Ok(bytes)
}

fn methods() -> String {
    let names: Vec<&str> = METHODS.iter().map(|(name, _)| *name).collect();
    names.join(",")
}

fn ciphers() -> String {
    Algorithm::ALL.map(Algorithm::name).join(",")
}

/// Our offer: the payload of SSH_MSG_KEXINIT.
pub(crate) fn offer() -> Result<Vec<u8>, Disagreed> {
    let mut out = vec![message::KEXINIT];
    out.put(random::<16>()?.as_slice());
    out.put_string(format!("{},{STRICT_SERVER}", methods()).as_bytes());
    out.put_string(HOST_KEY.as_bytes());
    for list in [ciphers(), ciphers()] {
        out.put_string(list.as_bytes());
    }
    // The ciphers bring their own authentication, so that no code is ever chosen from this list.
    // It may not be empty: clients look for a match before they know that it will not be used.
    for list in ["hmac-sha2-256-etm@openssh.com"; 2] {
        out.put_string(list.as_bytes());
    }
    for list in ["none", "none", "", ""] {
        out.put_string(list.as_bytes());
    }
    out.put_boolean(false);
    out.put_u32(0);
    Ok(out)
}

/// What both sides use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Agreed {
    pub(crate) method: Method,
    pub(crate) inbound: Algorithm,
    pub(crate) outbound: Algorithm,
    /// The client can do strict key exchange; counts in the first exchange only.
    pub(crate) strict: bool,
    /// The client sent a first packet for a method that was not chosen.
    pub(crate) skip: bool,
}

/// Reads the client's offer (after its message number) and chooses.
pub(crate) fn agree(offer: &[u8]) -> Result<Agreed, Disagreed> {
    let mut reader = Reader::new(offer);
    reader.take(16)?;
    let kex = reader.text()?;
    let host_key = reader.text()?;
    let inbound = reader.text()?;
    let outbound = reader.text()?;
    for _codes_and_languages in 0..2 {
        reader.text()?;
    }
    for direction in ["compression to the server", "compression to the client"] {
        let offered = reader.text()?;
        choose(direction, offered, &[("none", ())])?;
    }
    for _language in 0..2 {
        reader.text()?;
    }
    let guessed = reader.boolean()?;
    choose("host key algorithm", host_key, &[(HOST_KEY, ())])?;
    let known = Algorithm::ALL.map(|cipher| (cipher.name(), cipher));
    let method = choose("key exchange", kex, &METHODS)?;
    let first = |list: &str| list.split(',').next().map(str::to_owned);
    let right =
        METHODS.iter().any(|(name, it)| Some(*name) == first(kex).as_deref() && *it == method)
            && first(host_key).as_deref() == Some(HOST_KEY);
    Ok(Agreed {
        method,
        inbound: choose("cipher to the server", inbound, &known)?,
        outbound: choose("cipher to the client", outbound, &known)?,
        strict: kex.split(',').any(|name| name == STRICT_CLIENT),
        skip: guessed && !right,
    })
}

/// The first of the client's names that we have.
fn choose<T: Copy>(what: &'static str, offered: &str, ours: &[(&str, T)]) -> Result<T, Disagreed> {
    offered
        .split(',')
        .find_map(|name| ours.iter().find(|(known, _)| *known == name).map(|(_, it)| *it))
        .ok_or_else(|| Disagreed::Nothing {
            what,
            // A list may be as long as a packet; its beginning says enough.
            offered: offered.chars().take(400).collect(),
            ours: ours.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(","),
        })
}

/// The public part of the host key, as it stands in known_hosts.
pub(crate) fn host_key_blob(key: &SigningKey) -> Vec<u8> {
    let mut blob = Vec::new();
    blob.put_string(HOST_KEY.as_bytes());
    blob.put_string(key.verifying_key().as_bytes());
    blob
}

/// What goes into the exchange hash beside the secret.
#[derive(Debug)]
pub(crate) struct Transcript<'a> {
    pub(crate) client_version: &'a [u8],
    pub(crate) server_version: &'a [u8],
    pub(crate) client_offer: &'a [u8],
    pub(crate) server_offer: &'a [u8],
}

/// The shared secret as it is hashed, and the hash of the exchange.
pub(crate) struct Secret {
    encoded: Zeroizing<Vec<u8>>,
    pub(crate) hash: [u8; 32],
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// Answers the client's public key: the payload of SSH_MSG_KEX_ECDH_REPLY, and the secret.
pub(crate) fn answer(
    method: Method,
    client_public: &[u8],
    transcript: &Transcript<'_>,
    key: &SigningKey,
) -> Result<(Vec<u8>, Secret), Disagreed> {
    let (server_public, encoded) = match method {
        Method::X25519 => {
            let theirs = client_public.try_into().map_err(|_| Disagreed::PublicKey)?;
            let (public, shared) = x25519(theirs)?;
            let mut encoded = Zeroizing::new(Vec::with_capacity(64));
            encoded.put_mpint(shared.as_slice());
            (public.to_vec(), encoded)
        }
        Method::MlKem => {
            let (kem, curve) =
                client_public.split_at_checked(ML_KEM_KEY).ok_or(Disagreed::PublicKey)?;
            let theirs = curve.try_into().map_err(|_| Disagreed::PublicKey)?;
            let kem = kem.try_into().map_err(|_| Disagreed::PublicKey)?;
            let kem = EncapsulationKey::new(kem).map_err(|_| Disagreed::PublicKey)?;
            let (ciphertext, first) = kem.encapsulate_deterministic(&(*random::<32>()?).into());
            let first = Zeroizing::new(first);
            let (public, second) = x25519(theirs)?;
            let mut server_public = ciphertext.to_vec();
            server_public.extend_from_slice(&public);
            (server_public, hybrid(&first, second.as_slice()))
        }
    };
    let blob = host_key_blob(key);
    let hash = exchange_hash(transcript, &blob, client_public, &server_public, &encoded);
    let mut signature = Vec::new();
    signature.put_string(HOST_KEY.as_bytes());
    signature.put_string(&key.sign(&hash).to_bytes());
    let mut reply = vec![message::KEX_ECDH_REPLY];
    reply.put_string(&blob);
    reply.put_string(&server_public);
    reply.put_string(&signature);
    Ok((reply, Secret { encoded, hash }))
}

/// The hybrid's secret is a hash of both, and is hashed as a string.
fn hybrid(first: &[u8], second: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut hash = Sha256::new();
    hash.update(first);
    hash.update(second);
    let mut encoded = Zeroizing::new(Vec::with_capacity(64));
    encoded.put_string(&Zeroizing::new(<[u8; 32]>::from(hash.finalize()))[..]);
    encoded
}

/// Our public key and the secret. A secret of zeros means that the client chose a point of small
/// order (RFC 7748, section 6.1).
fn x25519(theirs: [u8; 32]) -> Result<([u8; 32], Zeroizing<[u8; 32]>), Disagreed> {
    let ours = x25519_dalek::StaticSecret::from(*random::<32>()?);
    let shared = ours.diffie_hellman(&theirs.into());
    if !shared.was_contributory() {
        return Err(Disagreed::PublicKey);
    }
    Ok((x25519_dalek::PublicKey::from(&ours).to_bytes(), Zeroizing::new(shared.to_bytes())))
}

fn exchange_hash(
    transcript: &Transcript<'_>,
    blob: &[u8],
    client_public: &[u8],
    server_public: &[u8],
    secret: &[u8],
) -> [u8; 32] {
    let mut text = Zeroizing::new(Vec::new());
    for part in [
        transcript.client_version,
        transcript.server_version,
        transcript.client_offer,
        transcript.server_offer,
        blob,
        client_public,
        server_public,
    ] {
        text.put_string(part);
    }
    text.put(secret);
    Sha256::digest(&text[..]).into()
}

impl Secret {
    /// Keys from the client to the server and back (RFC 4253, section 7.2).
    pub(crate) fn ciphers(&self, session: &[u8; 32], agreed: &Agreed) -> Option<(Cipher, Cipher)> {
        let make = |algorithm: Algorithm, vector: u8, key: u8| {
            let (key_size, vector_size) = algorithm.sizes();
            Cipher::new(
                algorithm,
                &self.derive(session, key, key_size),
                &self.derive(session, vector, vector_size),
            )
        };
        Some((make(agreed.inbound, b'A', b'C')?, make(agreed.outbound, b'B', b'D')?))
    }

    fn derive(&self, session: &[u8; 32], letter: u8, size: usize) -> Zeroizing<Vec<u8>> {
        let mut key = Zeroizing::new(Vec::with_capacity(96));
        while key.len() < size {
            let mut hash = Sha256::new();
            hash.update(&self.encoded[..]);
            hash.update(self.hash);
            if key.is_empty() {
                hash.update([letter]);
                hash.update(session);
            } else {
                hash.update(&key[..]);
            }
            key.extend_from_slice(&hash.finalize());
        }
        key.truncate(size);
        key
    }
}

/// The client's half, for tests: a real client's offer may lack what it takes to test a method.
#[cfg(any(test, feature = "fuzzing"))]
#[expect(clippy::unwrap_used, reason = "what fails here fails a test")]
pub(crate) mod client {
    use super::*;
    use ml_kem::kem::{Decapsulate as _, KeyExport as _};
    use ml_kem::ml_kem_768::DecapsulationKey;

    pub(crate) struct Half {
        curve: x25519_dalek::StaticSecret,
        kem: Option<DecapsulationKey>,
        pub(crate) public: Vec<u8>,
    }

    impl Half {
        pub(crate) fn new(method: Method) -> Self {
            let curve = x25519_dalek::StaticSecret::from(*random::<32>().unwrap());
            let mut public = Vec::new();
            let kem = (method == Method::MlKem)
                .then(|| DecapsulationKey::from_seed((*random::<64>().unwrap()).into()));
            if let Some(kem) = &kem {
                public.extend_from_slice(&kem.encapsulation_key().to_bytes());
            }
            public.extend_from_slice(x25519_dalek::PublicKey::from(&curve).as_bytes());
            Self { curve, kem, public }
        }

        /// Reads the reply (after its message number), checks the signature, gives the secret.
        pub(crate) fn finish(&self, reply: &[u8], transcript: &Transcript<'_>) -> Secret {
            let mut reader = Reader::new(reply);
            let blob = reader.string().unwrap();
            let server_public = reader.string().unwrap();
            let mut signature = Reader::new(reader.string().unwrap());
            let (kem, curve) = server_public.split_at(server_public.len() - 32);
            let theirs: [u8; 32] = curve.try_into().unwrap();
            let second = self.curve.diffie_hellman(&theirs.into());
            let encoded = match &self.kem {
                None => {
                    let mut encoded = Zeroizing::new(Vec::new());
                    encoded.put_mpint(second.as_bytes());
                    encoded
                }
                Some(key) => hybrid(&key.decapsulate(kem.try_into().unwrap()), second.as_bytes()),
            };
            let hash = exchange_hash(transcript, blob, &self.public, server_public, &encoded);
            let mut key = Reader::new(blob);
            assert_eq!(key.text().unwrap(), HOST_KEY);
            let key: [u8; 32] = key.string().unwrap().try_into().unwrap();
            assert_eq!(signature.text().unwrap(), HOST_KEY);
            let signature = signature.string().unwrap().try_into().unwrap();
            ed25519_dalek::VerifyingKey::from_bytes(&key)
                .unwrap()
                .verify_strict(&hash, &ed25519_dalek::Signature::from_bytes(&signature))
                .unwrap();
            Secret { encoded, hash }
        }
    }

    /// A client's offer.
    pub(crate) fn offer(kex: &str, cipher: &str) -> Vec<u8> {
        let mut out = vec![message::KEXINIT];
        out.put(&[9; 16]);
        for list in [kex, HOST_KEY, cipher, cipher, "", "", "none", "none", "", ""] {
            out.put_string(list.as_bytes());
        }
        out.put_boolean(false);
        out.put_u32(0);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_come_to_the_same_keys() {
        for method in [Method::MlKem, Method::X25519] {
            let key = SigningKey::from_bytes(&[3; 32]);
            let transcript = Transcript {
                client_version: b"SSH-2.0-a",
                server_version: b"SSH-2.0-b",
                client_offer: b"c",
                server_offer: b"d",
            };
            let half = client::Half::new(method);
            let (reply, secret) = answer(method, &half.public, &transcript, &key).unwrap();
            let theirs = half.finish(&reply[1..], &transcript);
            assert_eq!(secret.hash, theirs.hash);
            for letter in b'A'..=b'F' {
                assert_eq!(
                    secret.derive(&[1; 32], letter, 64),
                    theirs.derive(&[1; 32], letter, 64)
                );
            }
        }
    }

    #[test]
    fn bad_public_keys() {
        let key = SigningKey::from_bytes(&[3; 32]);
        let transcript = Transcript {
            client_version: b"",
            server_version: b"",
            client_offer: b"",
            server_offer: b"",
        };
        for (method, public) in [
            (Method::X25519, vec![]),
            (Method::X25519, vec![0; 32]),
            (Method::X25519, vec![1; 33]),
            (Method::MlKem, vec![0; 32]),
            (Method::MlKem, vec![255; 1216]),
            (Method::MlKem, vec![0; 1216]),
        ] {
            let refused = answer(method, &public, &transcript, &key).unwrap_err();
            assert_eq!(refused, Disagreed::PublicKey, "{method:?} {}", public.len());
        }
    }

    #[test]
    fn a_client_without_anything_in_common_learns_what_there_is() {
        let offer = client::offer("diffie-hellman-group1-sha1", "aes128-gcm@openssh.com");
        assert_eq!(
            agree(&offer[1..]).unwrap_err().to_string(),
            "no key exchange in common: the client offers diffie-hellman-group1-sha1, this server \
             mlkem768x25519-sha256,curve25519-sha256,curve25519-sha256@libssh.org"
        );
        let offer = client::offer("curve25519-sha256", "aes128-cbc");
        assert!(agree(&offer[1..]).unwrap_err().to_string().starts_with("no cipher to the server"));
    }
}
