//! Seals what leaves the process (session tokens, encoded authorization messages) and what rests on
//! disk (secret access keys): XChaCha20-Poly1305 with one key for a data directory.

use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{Key, KeyInit, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::env::Env;

/// Why something could not be opened: it was not sealed with this key for this purpose, or it was
/// changed since. No more is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not sealed here for this purpose, or changed since")]
pub struct NotSealedHere;

/// Why the key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// Reading or writing failed.
    #[error("the key file {path}: {cause}")]
    Io {
        /// The file.
        path: String,
        /// The cause.
        cause: std::io::Error,
    },
    /// There is state that was sealed with a key, and the key is gone.
    #[error(
        "the key file {0} is missing, and the state beside it was sealed with its key; restore it, \
         or remove the data directory"
    )]
    Missing(String),
    /// The file is not 32 bytes in base64.
    #[error("the key file {0} does not hold a key; restore it, or remove the data directory")]
    Malformed(String),
}

const NONCE: usize = 24;

/// The key of one data directory and what can be done with it.
#[derive(Clone)]
pub struct Vault {
    cipher: XChaCha20Poly1305,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(…)")
    }
}

impl Vault {
    /// A vault with a key that lives as long as the process (`--memory`, tests).
    #[must_use]
    pub fn ephemeral(env: &Env) -> Self {
        let key = Zeroizing::new(env.bytes::<32>());
        Self { cipher: XChaCha20Poly1305::new(&Key::from(*key)) }
    }

    /// Opens the key file. For a directory that is `fresh`, makes one with mode 0600 and makes it
    /// durable.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn open(path: &Path, fresh: bool, env: &Env) -> Result<Self, KeyFileError> {
        let io = |cause| KeyFileError::Io { path: path.display().to_string(), cause };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => {
                check_mode(path).map_err(io)?;
                Zeroizing::new(text)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !fresh => {
                return Err(KeyFileError::Missing(path.display().to_string()));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let text = Zeroizing::new(STANDARD.encode(*Zeroizing::new(env.bytes::<32>())));
                write_private(path, text.as_bytes()).map_err(io)?;
                text
            }
            Err(error) => return Err(io(error)),
        };
        let bytes = Zeroizing::new(
            STANDARD
                .decode(text.trim())
                .map_err(|_| KeyFileError::Malformed(path.display().to_string()))?,
        );
        let key: [u8; 32] = bytes
            .as_slice()
            .try_into()
            .map_err(|_| KeyFileError::Malformed(path.display().to_string()))?;
        let key = Zeroizing::new(key);
        Ok(Self { cipher: XChaCha20Poly1305::new(&Key::from(*key)) })
    }

    /// Seals `plain`. `purpose` must be given again to open it, so that a token of one kind is
    /// never taken for another.
    #[must_use]
    pub fn seal(&self, env: &Env, purpose: &'static str, plain: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE] = env.bytes();
        let payload = Payload { msg: plain, aad: purpose.as_bytes() };
        // Encryption of a buffer in memory fails only past 256 GiB.
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), payload).unwrap_or_default();
        let mut out = Vec::with_capacity(NONCE + sealed.len());
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        out
    }

    /// Opens what [`Vault::seal`] made for the same purpose.
    ///
    /// # Errors
    /// [`NotSealedHere`].
    pub fn unseal(
        &self,
        purpose: &'static str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, NotSealedHere> {
        let (nonce, body) = sealed.split_at_checked(NONCE).ok_or(NotSealedHere)?;
        let nonce: [u8; NONCE] = nonce.try_into().map_err(|_| NotSealedHere)?;
        let payload = Payload { msg: body, aad: purpose.as_bytes() };
        self.cipher
            .decrypt(&XNonce::from(nonce), payload)
            .map(Zeroizing::new)
            .map_err(|_| NotSealedHere)
    }

    /// [`Vault::seal`] as base64url text.
    #[must_use]
    pub fn seal_text(&self, env: &Env, purpose: &'static str, plain: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(self.seal(env, purpose, plain))
    }

    /// [`Vault::unseal`] of base64url text.
    ///
    /// # Errors
    /// [`NotSealedHere`].
    pub fn unseal_text(
        &self,
        purpose: &'static str,
        text: &str,
    ) -> Result<Zeroizing<Vec<u8>>, NotSealedHere> {
        self.unseal(purpose, &URL_SAFE_NO_PAD.decode(text).map_err(|_| NotSealedHere)?)
    }
}

#[cfg(unix)]
fn check_mode(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    if std::fs::metadata(path)?.mode() & 0o077 == 0 {
        return Ok(());
    }
    Err(std::io::Error::new(
        std::io::ErrorKind::PermissionDenied,
        "it can be read by others than its owner; make it mode 0600",
    ))
}

/// Writes a file that only its owner can read, whole or not at all.
#[cfg(unix)]
fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let fresh = path.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&fresh, path)?;
    // The name of the file must survive a crash as well as its bytes.
    if let Some(parent) = path.parent() {
        std::fs::File::open(parent)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_only_what_it_sealed_for_the_purpose() {
        let env = Env::system();
        let vault = Vault::ephemeral(&env);
        let sealed = vault.seal_text(&env, "session", b"alice");
        assert_eq!(vault.unseal_text("session", &sealed).unwrap().as_slice(), b"alice");
        assert_eq!(vault.unseal_text("message", &sealed), Err(NotSealedHere));
        assert_eq!(Vault::ephemeral(&env).unseal_text("session", &sealed), Err(NotSealedHere));
        let mut bytes = URL_SAFE_NO_PAD.decode(&sealed).unwrap();
        for index in 0..bytes.len() {
            bytes[index] ^= 1;
            assert_eq!(vault.unseal("session", &bytes), Err(NotSealedHere), "byte {index}");
            bytes[index] ^= 1;
        }
        assert_eq!(vault.unseal("session", &[]), Err(NotSealedHere));
    }
}
