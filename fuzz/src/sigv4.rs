//! Signatures: any claim is read and judged; what our signer signed is valid; what was changed after
//! that is not.
//!
//! An input is a request, see [`sagegate_fuzz::request`].
#![no_main]

use http::{HeaderMap, HeaderValue, Request};
use libfuzzer_sys::{Corpus, fuzz_target};
use sagegate_wire::sigv4::{
    AuthFailure, Dialect, Expected, Head, PayloadHash, RegionRule, SecretKey, SignScope,
    SigningKeyCache, Style, Timestamp, parse, sign,
};

/// 2026-11-22T12:00:00Z
const NOW: i64 = 1_795_348_800;

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some(request) = sagegate_fuzz::request(input) else { return Corpus::Reject };
    judge(&request);
    signed(&request);
    Corpus::Keep
});

fn head<'a>(request: &'a Request<&[u8]>, headers: &'a HeaderMap) -> Head<'a> {
    Head {
        method: request.method().as_str(),
        path: request.uri().path(),
        query: request.uri().query().unwrap_or_default(),
        headers,
    }
}

fn expected(style: Style) -> Expected<'static> {
    Expected {
        service: "sagemaker",
        region: RegionRule::Exactly("us-west-2"),
        style,
        unsigned_payload: style == Style::S3,
    }
}

fn secret() -> SecretKey {
    SecretKey::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned())
}

/// The request as it is. Its signature is not valid unless the fuzzer finds the key.
fn judge(request: &Request<&[u8]>) {
    let head = head(request, request.headers());
    let hash = PayloadHash::of(request.body());
    let failure = match parse(&head) {
        Err(failure) => failure,
        Ok(claim) => {
            let cache = SigningKeyCache::new(4);
            for style in [Style::Standard, Style::S3] {
                let at = claim.timestamp().unix_seconds() * 1000;
                let _ = claim.verify(&cache, &secret(), &head, hash, at, &expected(style));
            }
            let outcome = claim.verify(
                &cache,
                &secret(),
                &head,
                hash,
                NOW * 1000,
                &expected(Style::Standard),
            );
            match outcome {
                Ok(()) => return,
                Err(failure) => failure,
            }
        }
    };
    for dialect in [Dialect::Json, Dialect::Query, Dialect::Ec2] {
        assert!(!failure.spelled(dialect).code.is_empty());
    }
}

/// The request, signed by our own signer.
fn signed(request: &Request<&[u8]>) {
    let at = Timestamp::from_unix_seconds(NOW).expect("a time");
    let mut headers = request.headers().clone();
    headers.remove("authorization");
    headers.insert("host", HeaderValue::from_static("api.sagemaker.us-west-2.amazonaws.com"));
    headers.insert("x-amz-date", HeaderValue::from_str(at.basic()).expect("digits"));
    let hash = PayloadHash::of(request.body());
    let scope = SignScope {
        access_key_id: "AKIAIOSFODNN7EXAMPLE",
        region: "us-west-2",
        service: "sagemaker",
        at,
    };
    let authorization = sign(&head(request, &headers), hash, &secret(), &scope);
    let Ok(authorization) = HeaderValue::from_str(&authorization) else { return };
    headers.insert("authorization", authorization);

    let cache = SigningKeyCache::new(4);
    let verify = |head: &Head<'_>, hash| -> Result<(), AuthFailure> {
        parse(head)?.verify(&cache, &secret(), head, hash, NOW * 1000, &expected(Style::Standard))
    };
    let head = head(request, &headers);
    match verify(&head, hash) {
        Ok(()) => {}
        // A head that no client would sign: too long, or with a second claim in its query.
        Err(AuthFailure::Mismatch) => panic!("what was signed is not valid"),
        Err(_) => return,
    }
    let other = PayloadHash::of(&[request.body(), b"x".as_slice()].concat());
    assert!(matches!(verify(&head, other), Err(AuthFailure::Mismatch)), "another body");
    let other = Head { method: "FUZZ", ..head };
    if head.method != "FUZZ" {
        assert!(matches!(verify(&other, hash), Err(AuthFailure::Mismatch)), "another method");
    }
    let mut changed = headers.clone();
    changed.insert("host", HeaderValue::from_static("api.sagemaker.us-west-1.amazonaws.com"));
    let other = Head { headers: &changed, ..head };
    assert!(matches!(verify(&other, hash), Err(AuthFailure::Mismatch)), "another host");
}
