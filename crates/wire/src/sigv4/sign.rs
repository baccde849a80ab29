//! Signing, for the commands that call a running server as a user would.

use super::canonical::{Spelling, push_headers, push_query, push_standard_path};
use super::hex32;
use super::key::{derive, hmac};
use super::verify::string_to_sign;
use super::{Head, PayloadHash, SecretKey, Timestamp};

/// For whom, where and when a request is signed.
#[derive(Debug, Clone, Copy)]
pub struct SignScope<'a> {
    /// The access key id.
    pub access_key_id: &'a str,
    /// The region.
    pub region: &'a str,
    /// The signing name of the service. S3 has a style of its own, which this does not write.
    pub service: &'a str,
    /// The time, which must be that of the request's `x-amz-date`.
    pub at: Timestamp,
}

/// The value of the `Authorization` header that signs all headers of this request (`host`,
/// `x-amz-date` and, with temporary credentials, `x-amz-security-token` must be there).
#[must_use]
pub fn sign(
    head: &Head<'_>,
    payload: PayloadHash,
    secret: &SecretKey,
    scope: &SignScope<'_>,
) -> String {
    let mut names: Vec<&str> = head.headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    let names = names.join(";");

    let mut canonical = Vec::with_capacity(1024);
    canonical.extend_from_slice(head.method.as_bytes());
    canonical.push(b'\n');
    push_standard_path(&mut canonical, head.path);
    canonical.push(b'\n');
    push_query(&mut canonical, head.query, false, Spelling::Sent);
    canonical.push(b'\n');
    push_headers(&mut canonical, &names, head.headers);
    canonical.push(b'\n');
    canonical.extend_from_slice(names.as_bytes());
    canonical.push(b'\n');
    canonical.extend_from_slice(&payload.to_hex());

    let SignScope { access_key_id, region, service, at } = scope;
    let day = at.date();
    let text = string_to_sign(at, &format!("{day}/{region}/{service}/aws4_request"), &canonical);
    let signature = hex32(&hmac(derive(secret, day, region, service).as_slice(), &text));
    format!(
        "AWS4-HMAC-SHA256 Credential={access_key_id}/{day}/{region}/{service}/aws4_request, \
         SignedHeaders={names}, Signature={}",
        String::from_utf8_lossy(&signature)
    )
}
