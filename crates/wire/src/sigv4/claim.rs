//! Who claims to have signed a request: the `Authorization` header and the presigned query.

use std::borrow::Cow;

use http::header::{AUTHORIZATION, DATE};
use http::{HeaderMap, HeaderName};

use super::canonical::decode;
use super::failure::hashed;
use super::{AuthFailure, Head, Timestamp};

/// The one algorithm. SigV4A and version 2 are not served.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// More bytes of `Authorization` than this are refused unread.
const MAX_AUTHORIZATION: usize = 8 * 1024;
/// Longest session token, in bytes: who issues tokens must issue no longer ones. AWS names no bound
/// and has sent up to about 4 kB; a token that holds its session's policies needs more.
pub const MAX_TOKEN: usize = 16 * 1024;
/// IAM's bound for an access key id.
const MAX_KEY_ID: usize = 128;
/// Longest part of a credential scope.
const MAX_SCOPE_PART: usize = 64;
/// Most headers that may be signed.
const MAX_SIGNED_HEADERS: usize = 128;

const X_AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
const X_AMZ_SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// Where the signature was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// In the `Authorization` header.
    Header,
    /// In the query of a presigned URL; with the seconds for which it is good, if it says so.
    Presigned {
        /// `X-Amz-Expires`.
        expires: Option<u32>,
    },
}

/// What a request says about its signature. Nothing of it is proven before
/// [`verify`](Claim::verify) has returned `Ok`.
#[derive(Clone, PartialEq, Eq)]
pub struct Claim<'a> {
    pub(super) form: Form,
    /// The whole credential: `AKID/date/region/service/terminator`.
    pub(super) credential: Cow<'a, str>,
    pub(super) slashes: [usize; 4],
    /// Lower case, sorted, joined by `;`.
    pub(super) signed_headers: Cow<'a, str>,
    /// `None` when it is not 64 lower-case hexadecimal digits, which no signature equals.
    pub(super) signature: Option<[u8; 32]>,
    pub(super) timestamp: Timestamp,
    pub(super) token: Option<Cow<'a, str>>,
}

impl Claim<'_> {
    /// Where the signature was found.
    #[must_use]
    pub fn form(&self) -> Form {
        self.form
    }

    /// The access key id.
    #[must_use]
    pub fn access_key_id(&self) -> &str {
        let [end, ..] = self.slashes;
        self.credential.get(..end).unwrap_or_default()
    }

    /// The date of the credential scope, for example `20150830`.
    #[must_use]
    pub fn scope_date(&self) -> &str {
        let [start, end, ..] = self.slashes;
        self.credential.get(start + 1..end).unwrap_or_default()
    }

    /// The region of the credential scope.
    #[must_use]
    pub fn region(&self) -> &str {
        let [_, start, end, _] = self.slashes;
        self.credential.get(start + 1..end).unwrap_or_default()
    }

    /// The service of the credential scope: its signing name, for example `sagemaker`.
    #[must_use]
    pub fn service(&self) -> &str {
        let [.., start, end] = self.slashes;
        self.credential.get(start + 1..end).unwrap_or_default()
    }

    /// The last part of the credential scope; `aws4_request` in a valid one.
    #[must_use]
    pub fn terminator(&self) -> &str {
        let [.., start] = self.slashes;
        self.credential.get(start + 1..).unwrap_or_default()
    }

    /// `date/region/service/terminator`.
    pub(super) fn scope(&self) -> &str {
        let [start, ..] = self.slashes;
        self.credential.get(start + 1..).unwrap_or_default()
    }

    /// The names of the signed headers, in lower case.
    pub fn signed_headers(&self) -> impl Iterator<Item = &str> {
        self.signed_headers.split(';').filter(|name| !name.is_empty())
    }

    /// Whether the header of this name, in lower case, is signed.
    pub(super) fn signs(&self, name: &str) -> bool {
        let mut names = self.signed_headers.as_bytes().split(|byte| *byte == b';');
        !name.is_empty() && names.any(|signed| signed == name.as_bytes())
    }

    /// When the request says that it was signed.
    #[must_use]
    pub fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    /// The session token, of temporary credentials.
    #[must_use]
    pub fn session_token(&self) -> Option<&str> {
        self.token.as_deref()
    }
}

impl std::fmt::Debug for Claim<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Claim")
            .field("form", &self.form)
            .field("scope", &self.scope())
            .field("signed_headers", &self.signed_headers)
            .field("timestamp", &self.timestamp.basic())
            .field("token", &self.token.is_some())
            .finish_non_exhaustive()
    }
}

/// Reads the claim out of a request's head.
///
/// # Errors
/// [`AuthFailure::MissingToken`] when the request is not signed (anonymous), [`AuthFailure::Invalid`]
/// when it is signed in both ways, [`AuthFailure::Incomplete`] when the claim cannot be read.
pub fn parse<'a>(head: &Head<'a>) -> Result<Claim<'a>, AuthFailure> {
    let authorization = single(head.headers, &AUTHORIZATION)?;
    let query = QueryAuth::collect(head.query)?;
    match (authorization, &query.algorithm) {
        (Some(_), Some(_)) => Err(AuthFailure::Invalid(Cow::Borrowed(
            "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP \
             header.",
        ))),
        (Some(value), None) => from_header(value, head.headers),
        (None, Some(_)) => from_query(query, head.headers),
        (None, None) => Err(AuthFailure::MissingToken),
    }
}

fn from_header<'a>(value: &'a [u8], headers: &'a HeaderMap) -> Result<Claim<'a>, AuthFailure> {
    if value.len() > MAX_AUTHORIZATION {
        return incomplete(format!(
            "Authorization header must have at most {MAX_AUTHORIZATION} bytes."
        ));
    }
    let Some(text) = std::str::from_utf8(value).ok().filter(|text| text.is_ascii()) else {
        return incomplete("Authorization header must be ASCII.");
    };
    let text = text.trim_ascii();
    if !text.starts_with("AWS4-") {
        return Err(AuthFailure::MissingToken);
    }
    // Bytes, since all of it is ASCII: this is read before anybody is known.
    let between = |byte: &u8| matches!(byte, b' ' | b'\t' | b',');
    let mut pieces = text.as_bytes().split(between);
    // What was cut at ASCII stays text.
    let text_of = |piece| std::str::from_utf8(piece).unwrap_or_default();
    let algorithm = text_of(pieces.next().unwrap_or_default());

    let (mut credential, mut signature, mut signed) = (None, None, None);
    for pair in pieces.filter(|pair| !pair.is_empty()) {
        let cut = pair.iter().position(|byte| *byte == b'=');
        let Some((name, [_, value @ ..])) = cut.and_then(|at| pair.split_at_checked(at)) else {
            return incomplete(format!(
                "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with \
                 SHA-256 and encoded with Base64): '{}'.",
                hashed(text.as_bytes())
            ));
        };
        let slot = match name {
            b"Credential" => &mut credential,
            b"Signature" => &mut signature,
            b"SignedHeaders" => &mut signed,
            _ => continue,
        };
        if slot.replace(text_of(value)).is_some() {
            let name = text_of(name);
            return incomplete(format!("Authorization header has '{name}' parameter twice."));
        }
    }
    let amz_date = single_text(headers, &X_AMZ_DATE)?;
    let date = match amz_date {
        Some(_) => amz_date,
        None => single(headers, &DATE)?.and_then(|value| std::str::from_utf8(value).ok()),
    };

    let credential = credential.filter(|value| !value.is_empty());
    let signature = signature.filter(|value| !value.is_empty());
    let date = date.map(str::trim).filter(|value| !value.is_empty());
    let (Some(credential), Some(signature), Some(signed), Some(date)) =
        (credential, signature, signed, date)
    else {
        let mut text_out = String::new();
        for (name, missing) in [
            ("Credential", credential.is_none()),
            ("Signature", signature.is_none()),
            ("SignedHeaders", signed.is_none()),
        ] {
            if missing {
                text_out += &format!("Authorization header requires '{name}' parameter. ");
            }
        }
        if date.is_none() {
            text_out += "Authorization header requires existence of either a 'X-Amz-Date' or a \
                         'Date' header. ";
        }
        text_out += "(Hashed with SHA-256 and encoded with Base64) Authorization=";
        text_out += &hashed(text.as_bytes());
        return incomplete(text_out);
    };

    let timestamp = read_date(date, true)?;
    if algorithm != ALGORITHM {
        return unsupported(algorithm);
    }
    Ok(Claim {
        form: Form::Header,
        slashes: slashes(credential)?,
        credential: Cow::Borrowed(credential),
        signed_headers: normal_names(Cow::Borrowed(signed))?,
        signature: read_signature(signature),
        timestamp,
        token: header_token(headers)?.map(Cow::Borrowed),
    })
}

/// The `X-Amz-*` parameters of a presigned query.
#[derive(Default)]
struct QueryAuth<'a> {
    algorithm: Option<Cow<'a, str>>,
    credential: Option<Cow<'a, str>>,
    date: Option<Cow<'a, str>>,
    expires: Option<Cow<'a, str>>,
    signed_headers: Option<Cow<'a, str>>,
    signature: Option<Cow<'a, str>>,
    token: Option<Cow<'a, str>>,
}

impl<'a> QueryAuth<'a> {
    fn collect(query: &'a str) -> Result<Self, AuthFailure> {
        let mut found = Self::default();
        if query.is_empty() {
            return Ok(found);
        }
        let mut twice = None;
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name, true);
            let (label, slot) = match &*name {
                b"X-Amz-Algorithm" => ("X-Amz-Algorithm", &mut found.algorithm),
                b"X-Amz-Credential" => ("X-Amz-Credential", &mut found.credential),
                b"X-Amz-Date" => ("X-Amz-Date", &mut found.date),
                b"X-Amz-Expires" => ("X-Amz-Expires", &mut found.expires),
                b"X-Amz-SignedHeaders" => ("X-Amz-SignedHeaders", &mut found.signed_headers),
                b"X-Amz-Signature" => ("X-Amz-Signature", &mut found.signature),
                b"X-Amz-Security-Token" => ("X-Amz-Security-Token", &mut found.token),
                _ => continue,
            };
            let value = match decode(value, true) {
                Cow::Borrowed(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
                Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
            };
            let Some(value) = value else {
                return incomplete(format!("AWS query-string parameter '{label}' must be UTF-8."));
            };
            if slot.replace(value).is_some() {
                twice = Some(label);
            }
        }
        match twice {
            // Without the algorithm these are parameters of the operation like any other.
            Some(label) if found.algorithm.is_some() => {
                incomplete(format!("AWS query-string parameter '{label}' must be given once."))
            }
            _ => Ok(found),
        }
    }
}

fn from_query<'a>(query: QueryAuth<'a>, headers: &'a HeaderMap) -> Result<Claim<'a>, AuthFailure> {
    let given = |value: Option<Cow<'a, str>>| value.filter(|value| !value.is_empty());
    let algorithm = given(query.algorithm);
    let credential = given(query.credential);
    let signature = given(query.signature);
    let signed = given(query.signed_headers);
    let date = given(query.date);
    let (Some(algorithm), Some(credential), Some(signature), Some(signed), Some(date)) =
        (&algorithm, credential.clone(), &signature, signed.clone(), &date)
    else {
        let mut text = String::new();
        for (name, missing) in [
            ("X-Amz-Algorithm", algorithm.is_none()),
            ("X-Amz-Credential", credential.is_none()),
            ("X-Amz-Signature", signature.is_none()),
            ("X-Amz-SignedHeaders", signed.is_none()),
            ("X-Amz-Date", date.is_none()),
        ] {
            if missing {
                text += &format!("AWS query-string parameters must include '{name}'. ");
            }
        }
        return incomplete(text + "Re-examine the query-string parameters.");
    };
    let timestamp = read_date(date, false)?;
    if algorithm != ALGORITHM {
        return unsupported(algorithm);
    }
    let expires = match query.expires {
        Some(text) => Some(read_expires(&text)?),
        None => None,
    };
    let token = match (given(query.token), header_token(headers)?) {
        (Some(_), Some(_)) => {
            return incomplete(
                "Found 'X-Amz-Security-Token' both as a query-string param and as HTTP header.",
            );
        }
        (Some(token), None) if token.len() > MAX_TOKEN => return long_token(),
        (token, header) => token.or(header.map(Cow::Borrowed)),
    };
    Ok(Claim {
        form: Form::Presigned { expires },
        slashes: slashes(&credential)?,
        credential,
        signed_headers: normal_names(signed)?,
        signature: read_signature(signature),
        timestamp,
        token,
    })
}

/// The positions of the four slashes of a credential.
fn slashes(credential: &str) -> Result<[usize; 4], AuthFailure> {
    let mut at = credential.bytes().enumerate().filter(|(_, byte)| *byte == b'/');
    let mut next = || at.next().map(|(index, _)| index);
    let (Some(a), Some(b), Some(c), Some(d), None) = (next(), next(), next(), next(), next())
    else {
        // AWS repeats the credential here. It is left out: a client that has taken its secret for
        // its key id gets this very error, because secrets contain slashes.
        return incomplete(format!(
            "Credential must have exactly 5 slash-delimited elements, e.g. \
             keyid/date/region/service/term, got (hashed with SHA-256 and encoded with Base64) \
             '{}'",
            hashed(credential.as_bytes())
        ));
    };
    let parts = [b - a, c - b, d - c, credential.len() - d];
    if a > MAX_KEY_ID || parts.iter().any(|part| *part > MAX_SCOPE_PART + 1) {
        return incomplete(format!(
            "Credential must have a key id of at most {MAX_KEY_ID} and scope elements of at most \
             {MAX_SCOPE_PART} characters"
        ));
    }
    Ok([a, b, c, d])
}

/// Lower-case and sorted names, as they enter the canonical request.
fn normal_names(names: Cow<'_, str>) -> Result<Cow<'_, str>, AuthFailure> {
    if names.bytes().filter(|byte| *byte == b';').count() >= MAX_SIGNED_HEADERS {
        return incomplete(format!("At most {MAX_SIGNED_HEADERS} headers may be signed"));
    }
    let is_lower = !names.bytes().fold(false, |any, byte| any | byte.is_ascii_uppercase());
    let is_sorted = names.as_bytes().split(|byte| *byte == b';').is_sorted_by(|a, b| a < b);
    if is_lower && is_sorted {
        return Ok(names);
    }
    let lower = names.to_ascii_lowercase();
    let mut sorted: Vec<&str> = lower.split(';').filter(|name| !name.is_empty()).collect();
    sorted.sort_unstable();
    sorted.dedup();
    Ok(Cow::Owned(sorted.join(";")))
}

fn read_signature(text: &str) -> Option<[u8; 32]> {
    let lower = !text.bytes().fold(false, |any, byte| any | byte.is_ascii_uppercase());
    let mut signature = [0; 32];
    if !lower || hex::decode_to_slice(text, &mut signature).is_err() {
        return None;
    }
    Some(signature)
}

fn read_date(text: &str, http_too: bool) -> Result<Timestamp, AuthFailure> {
    let http = || if http_too { Timestamp::parse_http(text) } else { None };
    Timestamp::parse_basic(text).or_else(http).map_or_else(
        || {
            let shown: String = text.chars().take(64).filter(|c| !c.is_control()).collect();
            incomplete(format!(
                "Date must be in ISO-8601 'basic format'. Got '{shown}'. See \
                 http://en.wikipedia.org/wiki/ISO_8601"
            ))
        },
        Ok,
    )
}

/// `X-Amz-Expires`: 1 second to 7 days.
fn read_expires(text: &str) -> Result<u32, AuthFailure> {
    if text.starts_with('-') {
        return incomplete("X-Amz-Expires must be non-negative");
    }
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return incomplete("X-Amz-Expires should be a number");
    }
    match text.parse::<u32>() {
        Ok(0) => incomplete("X-Amz-Expires must be at least 1 second"),
        Ok(seconds) if seconds <= 604_800 => Ok(seconds),
        _ => incomplete(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given \
             X-Amz-Expires must be less than 604800 seconds",
        ),
    }
}

fn unsupported<T>(algorithm: &str) -> Result<T, AuthFailure> {
    let shown: String = algorithm.chars().take(64).filter(|c| !c.is_control()).collect();
    incomplete(format!("Unsupported AWS 'algorithm': '{shown}' (only {ALGORITHM} for now). "))
}

fn header_token(headers: &HeaderMap) -> Result<Option<&str>, AuthFailure> {
    let token = single_text(headers, &X_AMZ_SECURITY_TOKEN)?.map(str::trim);
    match token {
        Some(token) if token.len() > MAX_TOKEN => long_token(),
        token => Ok(token.filter(|token| !token.is_empty())),
    }
}

fn long_token<T>() -> Result<T, AuthFailure> {
    incomplete(format!("X-Amz-Security-Token must have at most {MAX_TOKEN} characters"))
}

/// The one value of a header of which a second one would be ambiguous.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a [u8]>, AuthFailure> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(_), Some(_)) => incomplete(format!("Header '{name}' must be given once.")),
        (value, _) => Ok(value.map(http::HeaderValue::as_bytes)),
    }
}

fn single_text<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a str>, AuthFailure> {
    let value = single(headers, name)?;
    match value.map(std::str::from_utf8) {
        Some(Err(_)) => incomplete(format!("Header '{name}' must be UTF-8.")),
        Some(Ok(text)) => Ok(Some(text)),
        None => Ok(None),
    }
}

fn incomplete<T>(text: impl Into<Cow<'static, str>>) -> Result<T, AuthFailure> {
    Err(AuthFailure::Incomplete(text.into()))
}
