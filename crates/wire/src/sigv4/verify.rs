//! The judgement of a claim.

use std::borrow::Cow;

use http::HeaderName;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::canonical::{Spelling, push_headers, push_query, push_s3_path, push_standard_path};
use super::hex32;
use super::key::{derive, hmac};
use super::{AuthFailure, Claim, Form, Head, PayloadHash, SecretKey, SigningKeyCache, Timestamp};

/// How far a time stamp may be from now, in seconds.
const SKEW: i64 = 15 * 60;
/// How long a presigned request is good that does not say it, in seconds.
const DEFAULT_EXPIRES: u32 = 15 * 60;
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
const X_AMZ_CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");

/// The last line of a canonical request.
#[derive(Debug, Clone, Copy)]
enum Payload {
    Unsigned,
    /// In hexadecimal.
    Hash([u8; 64]),
}

impl Payload {
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Unsigned => UNSIGNED.as_bytes(),
            Self::Hash(hash) => hash,
        }
    }
}

/// What the scope of a signature must name, and how the service canonicalises.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The signing name of the service, for example `sagemaker`.
    pub service: &'a str,
    /// The region.
    pub region: RegionRule<'a>,
    /// The style of the canonical request.
    pub style: Style,
    /// Whether `x-amz-content-sha256: UNSIGNED-PAYLOAD` may stand for the body's hash.
    pub unsigned_payload: bool,
}

/// Which region a signature must be scoped to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegionRule<'a> {
    /// This one.
    Exactly(&'a str),
    /// Any name of a region: for the global services (IAM, STS), which clients sign for whichever
    /// region they are configured with.
    Any,
}

/// How a service canonicalises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Normalised path, encoded twice; the body is always hashed.
    Standard,
    /// S3: the path as it is; the hash is the one that `x-amz-content-sha256` declares, which is
    /// required in the header form; a presigned request does not sign its body.
    S3,
}

/// A claim of which only the signature itself is still open.
#[derive(Debug)]
pub struct Checked<'c, 'a> {
    claim: &'c Claim<'a>,
    head: Head<'c>,
    style: Style,
    unsigned_payload: bool,
}

impl<'a> Claim<'a> {
    /// Judges everything that needs no secret, in AWS's order: time, which headers are signed,
    /// scope. `now` is in milliseconds since 1970.
    ///
    /// # Errors
    /// [`AuthFailure::OutsideTime`] or [`AuthFailure::Invalid`].
    pub fn check<'c>(
        &'c self,
        head: &Head<'c>,
        now: i64,
        expected: &Expected<'_>,
    ) -> Result<Checked<'c, 'a>, AuthFailure> {
        self.check_time(now)?;
        self.check_signed_headers(head)?;
        self.check_scope(expected)?;
        Ok(Checked {
            claim: self,
            head: *head,
            style: expected.style,
            unsigned_payload: expected.unsigned_payload,
        })
    }

    /// [`check`](Self::check) and [`Checked::verify`] at once.
    ///
    /// # Errors
    /// As those two.
    pub fn verify(
        &self,
        cache: &SigningKeyCache,
        secret: &SecretKey,
        head: &Head<'_>,
        payload: PayloadHash,
        now: i64,
        expected: &Expected<'_>,
    ) -> Result<(), AuthFailure> {
        self.check(head, now, expected)?.verify(cache, secret, payload)
    }

    fn check_time(&self, now: i64) -> Result<(), AuthFailure> {
        let now = now.div_euclid(1000);
        let signed = self.timestamp.unix_seconds();
        let life = match self.form {
            Form::Header => SKEW,
            Form::Presigned { expires } => expires.unwrap_or(DEFAULT_EXPIRES).into(),
        };
        let at = |seconds: i64| {
            Timestamp::from_unix_seconds(seconds).map_or_else(String::new, |at| at.to_string())
        };
        let text = if signed > now.saturating_add(SKEW) {
            format!(
                "Signature not yet current: {} is still later than {} ({} + 15 min.)",
                self.timestamp,
                at(now + SKEW),
                at(now)
            )
        } else if signed < now.saturating_sub(life) {
            let (count, unit) = if life % 60 == 0 { (life / 60, "min") } else { (life, "sec") };
            format!(
                "Signature expired: {} is now earlier than {} ({} - {count} {unit}.)",
                self.timestamp,
                at(now - life),
                at(now)
            )
        } else {
            return Ok(());
        };
        Err(AuthFailure::OutsideTime(text.into()))
    }

    fn check_signed_headers(&self, head: &Head<'_>) -> Result<(), AuthFailure> {
        if !self.signs("host") {
            return invalid(
                "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
            );
        }
        if head.headers.get_all(http::header::HOST).iter().count() != 1 {
            return invalid("The request must have exactly one 'Host' header.");
        }
        for name in head.headers.keys() {
            let name = name.as_str();
            if name.starts_with("x-amz-") && !self.signs(name) {
                return invalid(format!(
                    "'{name}' must be a 'SignedHeader' in the AWS Authorization."
                ));
            }
        }
        Ok(())
    }

    fn check_scope(&self, expected: &Expected<'_>) -> Result<(), AuthFailure> {
        let mut text = String::new();
        let region_fits = match expected.region {
            RegionRule::Exactly(region) => self.region() == region,
            RegionRule::Any => is_region_name(self.region()),
        };
        if !region_fits {
            text += "Credential should be scoped to a valid region. ";
        }
        if self.service() != expected.service {
            text += &format!(
                "Credential should be scoped to correct service: '{}'. ",
                expected.service
            );
        }
        if self.terminator() != "aws4_request" {
            text += &format!(
                "Credential should be scoped with a valid terminator: 'aws4_request', not '{}'. ",
                self.terminator()
            );
        }
        if self.scope_date() != self.timestamp.date() {
            text += &format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date \
                 from HTTP: '{}' != '{}', from '{}'.",
                self.scope_date(),
                self.timestamp.date(),
                self.timestamp
            );
        }
        if text.is_empty() { Ok(()) } else { invalid(text) }
    }
}

impl Checked<'_, '_> {
    /// Recomputes the signature and compares it, in constant time.
    ///
    /// A request that is not spelled in the canonical way is tried in the two spellings that
    /// clients sign: as it was sent, and encoded anew. They mean the same (see the
    /// [module](super)).
    ///
    /// # Errors
    /// [`AuthFailure::Mismatch`].
    pub fn verify(
        &self,
        cache: &SigningKeyCache,
        secret: &SecretKey,
        payload: PayloadHash,
    ) -> Result<(), AuthFailure> {
        let claim = self.claim;
        let (Some(signature), Some(payload)) = (claim.signature, self.payload(payload)?) else {
            return Err(AuthFailure::Mismatch);
        };
        let kept = cache.get(&claim.credential, secret);
        let is_kept = kept.is_some();
        let key = kept
            .unwrap_or_else(|| derive(secret, claim.scope_date(), claim.region(), claim.service()));
        let mut out = Vec::with_capacity(1024);
        let mut matches = |path: Spelling, query: Spelling| {
            out.clear();
            if !self.push_canonical(&mut out, path, query, &payload) {
                return false;
            }
            let expected = hmac(key.as_slice(), &self.string_to_sign(&out));
            bool::from(expected.as_slice().ct_eq(&signature))
        };
        let mut valid = matches(Spelling::Sent, Spelling::Sent);
        if !valid && !self.head.query.is_empty() {
            valid = matches(Spelling::Sent, Spelling::Reencoded);
        }
        if !valid && self.style == Style::S3 {
            valid = matches(Spelling::Reencoded, Spelling::Sent)
                || matches(Spelling::Reencoded, Spelling::Reencoded);
        }
        if !valid {
            return Err(AuthFailure::Mismatch);
        }
        if !is_kept {
            cache.put(&claim.credential, secret, &key);
        }
        Ok(())
    }

    /// The last line of the canonical request; `None` when the body is not the declared one.
    fn payload(&self, body: PayloadHash) -> Result<Option<Payload>, AuthFailure> {
        let declared = self.head.headers.get(X_AMZ_CONTENT_SHA256).map(|value| value.as_bytes());
        let computed = || Payload::Hash(body.to_hex());
        let presigned = matches!(self.claim.form, Form::Presigned { .. });
        if declared == Some(UNSIGNED.as_bytes()) {
            // Where it is not allowed, the body's hash stands, and the signature cannot match.
            let allowed = self.unsigned_payload;
            return Ok(Some(if allowed { Payload::Unsigned } else { computed() }));
        }
        if self.style == Style::Standard {
            return Ok(Some(computed()));
        }
        match declared {
            None if presigned => Ok(Some(Payload::Unsigned)),
            None => invalid("Missing required header for this request: x-amz-content-sha256"),
            Some(declared) => Ok(Some(computed()).filter(|hash| declared == hash.as_bytes())),
        }
    }

    fn push_canonical(
        &self,
        out: &mut Vec<u8>,
        path: Spelling,
        query: Spelling,
        payload: &Payload,
    ) -> bool {
        let presigned = matches!(self.claim.form, Form::Presigned { .. });
        out.extend_from_slice(self.head.method.as_bytes());
        out.push(b'\n');
        match self.style {
            Style::Standard => push_standard_path(out, self.head.path),
            Style::S3 => push_s3_path(out, self.head.path, path),
        }
        out.push(b'\n');
        push_query(out, self.head.query, presigned, query);
        out.push(b'\n');
        if !push_headers(out, &self.claim.signed_headers, self.head.headers) {
            return false;
        }
        out.push(b'\n');
        out.extend_from_slice(self.claim.signed_headers.as_bytes());
        out.push(b'\n');
        out.extend_from_slice(payload.as_bytes());
        true
    }

    fn string_to_sign(&self, canonical: &[u8]) -> Vec<u8> {
        string_to_sign(&self.claim.timestamp, self.claim.scope(), canonical)
    }
}

/// The string that is signed, of a canonical request.
pub(super) fn string_to_sign(at: &Timestamp, scope: &str, canonical: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(160);
    out.extend_from_slice(b"AWS4-HMAC-SHA256\n");
    out.extend_from_slice(at.basic().as_bytes());
    out.push(b'\n');
    out.extend_from_slice(scope.as_bytes());
    out.push(b'\n');
    out.extend_from_slice(&hex32(&Sha256::digest(canonical).into()));
    out
}

fn is_region_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(allowed)
}

fn invalid<T>(text: impl Into<Cow<'static, str>>) -> Result<T, AuthFailure> {
    Err(AuthFailure::Invalid(text.into()))
}
