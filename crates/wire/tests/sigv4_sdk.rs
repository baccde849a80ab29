//! The verifier against the Rust SDK's signer, on random requests: what it signs verifies, and a
//! changed byte is refused unless the request still means the same.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use sagegate_wire::sigv4::{
    AuthFailure, Expected, Form, Head, PayloadHash, RegionRule, SecretKey, SigningKeyCache, Style,
    normalize_path, parse,
};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const NOW: u64 = 1_790_000_000;

#[derive(Debug, Clone)]
struct Plan {
    method: &'static str,
    path: String,
    query: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    token: Option<String>,
    s3: bool,
    presigned: bool,
}

#[derive(Debug, Clone)]
struct Signed {
    method: String,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Vec<u8>,
    s3: bool,
}

fn plan() -> impl Strategy<Value = Plan> {
    let name = select(vec![
        "content-type",
        "x-amz-target",
        "x-amz-meta-a",
        "x-b",
        "accept",
        "user-agent",
        "x-a-b",
    ]);
    (
        select(vec!["GET", "POST", "PUT", "DELETE"]),
        "(/|(/(\\.|\\.\\.|[a-zA-Z0-9._~!$&'()*,;=:@+-]|%20|%2F|%C3%A9){0,5}){1,4})",
        "([a-zA-Z0-9._~:@/!-]|%20|%2B|%C3%A9|=|&|\\+){0,24}",
        vec((name, "[a-zA-Z0-9=,;/]{0,6}( {0,3}[a-z\"]{1,4}){0,2}"), 0..5),
        vec(any::<u8>(), 0..40),
        proptest::option::of("[A-Za-z0-9/+=]{20,200}"),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(method, path, query, headers, body, token, s3, presigned)| Plan {
            method,
            path,
            query,
            headers,
            body,
            token,
            s3,
            presigned,
        })
        // The SDK leaves a slash behind for a last dot segment, botocore does not. AWS's rule is
        // not written down; botocore's is taken.
        .prop_filter("a last dot segment", |plan| {
            plan.s3 || !(plan.path.ends_with("/.") || plan.path.ends_with("/.."))
        })
}

impl Plan {
    fn sign(&self) -> Signed {
        let mut settings = SigningSettings::default();
        if self.presigned {
            settings.signature_location = SignatureLocation::QueryParams;
            settings.expires_in = Some(Duration::from_secs(600));
        }
        if self.s3 {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        let identity =
            Credentials::new("AKIDEXAMPLE", SECRET, self.token.clone(), None, "test").into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name(if self.s3 { "s3" } else { "sagemaker" })
            .time(SystemTime::UNIX_EPOCH + Duration::from_secs(NOW))
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let mark = if self.query.is_empty() { "" } else { "?" };
        let url = format!("http://gate.example:4566{}{mark}{}", self.path, self.query);
        let mut request = http::Request::builder().method(self.method).uri(&url);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let mut request = request.body(()).unwrap();
        let headers = self.headers.iter().map(|(name, value)| (*name, value.as_str()));
        let body = if self.presigned && self.s3 {
            SignableBody::UnsignedPayload
        } else {
            SignableBody::Bytes(&self.body)
        };
        let signable = SignableRequest::new(self.method, &url, headers, body).unwrap();
        let (instructions, _) = sign(signable, &params).unwrap().into_parts();
        instructions.apply_to_request_http1x(&mut request);
        let mut headers = request.headers().clone();
        headers.insert("host", HeaderValue::from_static("gate.example:4566"));
        Signed {
            method: self.method.into(),
            path: request.uri().path().into(),
            query: request.uri().query().unwrap_or_default().into(),
            headers,
            body: self.body.clone(),
            s3: self.s3,
        }
    }
}

impl Signed {
    fn head(&self) -> Head<'_> {
        Head { method: &self.method, path: &self.path, query: &self.query, headers: &self.headers }
    }

    fn verify(&self) -> Result<Option<String>, AuthFailure> {
        let head = self.head();
        let claim = parse(&head)?;
        let expected = Expected {
            service: if self.s3 { "s3" } else { "sagemaker" },
            region: RegionRule::Exactly("us-east-1"),
            style: if self.s3 { Style::S3 } else { Style::Standard },
            unsigned_payload: false,
        };
        claim.verify(
            &SigningKeyCache::default(),
            &SecretKey::new(SECRET.into()),
            &head,
            PayloadHash::of(&self.body),
            i64::try_from(NOW * 1000).unwrap(),
            &expected,
        )?;
        Ok(claim.session_token().map(str::to_owned))
    }

    /// What a service sees of this request: everything that the signature must bind.
    fn meaning(&self) -> impl PartialEq + std::fmt::Debug + use<> {
        let decode = |text: &str| percent_encoding::percent_decode_str(text).collect::<Vec<u8>>();
        let mut pairs: Vec<_> = self
            .query
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (name.replace('+', " "), value.replace('+', " ")))
            .map(|(name, value)| (decode(&name), decode(&value)))
            .filter(|(name, value)| !(name.is_empty() && value.is_empty()))
            .collect();
        pairs.sort();
        let path = if self.s3 {
            decode(if self.path.is_empty() { "/" } else { &self.path })
        } else {
            normalize_path(&self.path).into_owned().into_bytes()
        };
        let head = self.head();
        let claim = parse(&head).ok();
        let presigned = claim.as_ref().is_some_and(|claim| claim.form() != Form::Header);
        let signed = claim.iter().flat_map(|claim| claim.signed_headers());
        let words = |value: &HeaderValue| {
            let words = value.as_bytes().split(|byte| matches!(byte, b' ' | b'\t'));
            words.filter(|word| !word.is_empty()).map(<[u8]>::to_vec).collect::<Vec<_>>()
        };
        let headers: Vec<_> = signed
            .map(|name| {
                let values: Vec<_> = self.headers.get_all(name).iter().map(words).collect();
                (name.to_owned(), values)
            })
            .collect();
        let body = if presigned && self.s3 { Vec::new() } else { self.body.clone() };
        (self.method.clone(), path, pairs, headers, body)
    }
}

#[derive(Debug, Clone)]
struct Change {
    part: Index,
    place: Index,
    byte: u8,
    remove: bool,
}

fn change() -> impl Strategy<Value = Change> {
    (any::<Index>(), any::<Index>(), 0x21_u8..0x7f, any::<bool>())
        .prop_map(|(part, place, byte, remove)| Change { part, place, byte, remove })
}

fn spoil_text(text: &mut String, change: &Change) {
    let mut bytes = std::mem::take(text).into_bytes();
    spoil_bytes(&mut bytes, change);
    *text = String::from_utf8(bytes).unwrap();
}

fn spoil_bytes(bytes: &mut Vec<u8>, change: &Change) {
    if bytes.is_empty() {
        bytes.push(change.byte);
    } else if change.remove {
        bytes.remove(change.place.index(bytes.len()));
    } else {
        let place = change.place.index(bytes.len());
        bytes[place] = change.byte;
    }
}

impl Signed {
    fn spoiled(&self, change: &Change) -> Self {
        let mut other = self.clone();
        let names: Vec<HeaderName> = self.headers.keys().cloned().collect();
        match change.part.index(4 + names.len()) {
            0 => spoil_text(&mut other.method, change),
            1 => spoil_text(&mut other.path, change),
            2 => spoil_text(&mut other.query, change),
            3 => spoil_bytes(&mut other.body, change),
            header => {
                let value = other.headers.get_mut(&names[header - 4]).unwrap();
                let mut bytes = value.as_bytes().to_vec();
                spoil_bytes(&mut bytes, change);
                *value = HeaderValue::from_bytes(&bytes).unwrap();
            }
        }
        other
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sdk_signatures_verify(plan in plan()) {
        let signed = plan.sign();
        prop_assert_eq!(signed.verify(), Ok(plan.token.clone()), "{:?}", signed);
    }

    #[test]
    fn a_changed_byte_is_refused(plan in plan(), changes in vec(change(), 20)) {
        let signed = plan.sign();
        let meaning = signed.meaning();
        for change in changes {
            let other = signed.spoiled(&change);
            if other.meaning() != meaning {
                prop_assert!(other.verify().is_err(), "{:?}\n{:?}\n{:?}", change, signed, other);
            }
        }
    }

    #[test]
    fn any_head_is_judged_without_a_panic(
        path in "\\PC{0,30}",
        query in "\\PC{0,60}",
        headers in vec((select(vec!["authorization", "x-amz-date", "date", "host", "x-amz-security-token", "x-amz-content-sha256"]), vec(0x20_u8..=0xff, 0..60)), 0..6),
        authorization in "AWS4-HMAC-SHA256 (Credential=[a/0]{0,9}[, ]|Signature=[0-9a-f]{0,70},|SignedHeaders=[a-z;]{0,9}[, ]){0,4}",
        s3 in any::<bool>(),
    ) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                map.append(name, value);
            }
        }
        map.insert("authorization", HeaderValue::from_str(&authorization).unwrap());
        let signed = Signed { method: "GET".into(), path, query, headers: map, body: vec![], s3 };
        prop_assert!(signed.verify().is_err());
    }
}
