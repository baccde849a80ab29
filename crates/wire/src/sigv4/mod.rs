//! Verification of AWS Signature Version 4, over the raw head of a request.
//!
//! The way of a request: [`parse`] reads who claims to have signed what; [`Claim::check`] judges
//! everything that needs no secret (time, scope, which headers are signed); the caller then looks
//! the access key up; [`Checked::verify`] recomputes the signature. [`Claim::verify`] does the last
//! two at once. Nothing here reads a clock, a store or a body: the time, the secret and the body's
//! hash come in.
//!
//! Source of the rules: "AWS Signature Version 4 for API requests" in the IAM User Guide
//! (`reference_sigv.html`, `reference_sigv-create-signed-request.html`), and the signers of botocore
//! and of the Rust SDK, against which the tests compare this code.
//!
//! # What a signature covers, and what it does not
//!
//! The method, the path, the whole query, the body and the headers that are named in
//! `SignedHeaders`. `host` and every `x-amz-*` header that is present must be among them; other
//! headers may be unsigned and must not carry meaning for a decision.
//!
//! Two spellings of one query are one query: pairs may be reordered, `%2f` may become `%2F`, and
//! `+` may become `%20`. A reader of the query must therefore decode `+` as a space. In the same
//! way the path of all services but S3 is signed after its dot segments and repeated slashes are
//! gone: a router must use [`normalize_path`] and not the raw path.
//!
//! # Session tokens
//!
//! A token in the `x-amz-security-token` header must be signed, as any `x-amz-*` header. A token in
//! a presigned query is part of the query and so always signed. (Some AWS services let a token be
//! appended to a finished presigned URL; that is refused here: it would let whoever holds the URL
//! choose the session.)

mod canonical;
mod claim;
mod failure;
mod key;
mod sign;
#[cfg(test)]
mod tests;
mod time;
mod verify;

pub use canonical::normalize_path;
pub use claim::{Claim, Form, MAX_TOKEN, parse};
pub use failure::{AuthFailure, Dialect, Spelled};
pub use key::{SecretKey, SigningKeyCache};
pub use sign::{SignScope, sign};
pub use time::Timestamp;
pub use verify::{Checked, Expected, RegionRule, Style};

use sha2::{Digest, Sha256};

/// The head of a request as it came over the wire.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// The method, for example `POST`.
    pub method: &'a str,
    /// The raw path: not decoded, not normalised, without the query.
    pub path: &'a str,
    /// The raw query without its `?`; empty when there is none.
    pub query: &'a str,
    /// All header fields, repeated ones in their order.
    pub headers: &'a http::HeaderMap,
}

/// The SHA-256 of a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadHash([u8; 32]);

impl PayloadHash {
    /// The hash of this body.
    #[must_use]
    pub fn of(body: &[u8]) -> Self {
        Self(Sha256::digest(body).into())
    }

    /// A hash that was computed elsewhere, for example while the body streamed in.
    #[must_use]
    pub fn from_bytes(hash: [u8; 32]) -> Self {
        Self(hash)
    }

    pub(crate) fn to_hex(self) -> [u8; 64] {
        hex32(&self.0)
    }
}

/// Lower-case hexadecimal of a digest.
fn hex32(bytes: &[u8; 32]) -> [u8; 64] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = [0_u8; 64];
    for (pair, byte) in out.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0');
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
    out
}
