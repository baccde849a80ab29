//! What it costs to verify a signature, as boto3 signs a SageMaker call.
//!
//! `cargo bench -p sagegate-wire --bench sigv4`

use std::hint::black_box;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue};
use sagegate_wire::sigv4::{
    Expected, Head, PayloadHash, RegionRule, SecretKey, SignScope, SigningKeyCache, Style,
    Timestamp, parse, sign,
};

const BODY: &[u8] = br#"{"DomainId": "d-abcdefghijkl"}"#;
const SIGNED: [(&str, &str); 4] = [
    ("host", "127.0.0.1:4566"),
    ("x-amz-date", "20150830T123600Z"),
    ("content-type", "application/x-amz-json-1.1"),
    ("x-amz-target", "SageMaker.DescribeDomain"),
];
const UNSIGNED: [(&str, &str); 5] = [
    ("user-agent", "Boto3/1.40 md/Botocore#1.40 ua/2.1 os/linux#6.1 md/arch#x86_64"),
    ("accept-encoding", "identity"),
    ("content-length", "30"),
    ("amz-sdk-invocation-id", "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"),
    ("amz-sdk-request", "attempt=1"),
];

fn head(headers: &HeaderMap) -> Head<'_> {
    Head { method: "POST", path: "/", query: "", headers }
}

#[expect(clippy::disallowed_methods, reason = "this measures time")]
fn measure(what: &str, mut work: impl FnMut() -> bool) {
    const TIMES: u32 = 200_000;
    let mut rounds: Vec<Duration> = (0..5)
        .map(|_| {
            let start = Instant::now();
            let good = (0..TIMES).filter(|_| work()).count();
            let time = start.elapsed() / TIMES;
            if good == 0 { Duration::MAX } else { time }
        })
        .collect();
    rounds.sort();
    let median = rounds.get(2).copied().unwrap_or_default();
    println!("{what:<32} {:>8} ns", median.as_nanos());
}

fn main() {
    let secret = SecretKey::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into());
    let mut headers: HeaderMap = SIGNED
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect();
    let Some(at) = Timestamp::parse_basic("20150830T123600Z") else { return };
    let scope =
        SignScope { access_key_id: "AKIDEXAMPLE", region: "us-west-2", service: "sagemaker", at };
    let authorization = sign(&head(&headers), PayloadHash::of(BODY), &secret, &scope);
    for (name, value) in UNSIGNED {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let Ok(authorization) = HeaderValue::try_from(authorization) else { return };
    headers.insert(http::header::AUTHORIZATION, authorization);

    let now = at.unix_seconds() * 1000;
    let expected = Expected {
        service: "sagemaker",
        region: RegionRule::Exactly("us-west-2"),
        style: Style::Standard,
        unsigned_payload: false,
    };
    let verify = |cache: &SigningKeyCache, secret: &SecretKey| {
        let head = head(&headers);
        parse(&head).is_ok_and(|claim| {
            let payload = PayloadHash::of(BODY);
            claim.verify(cache, secret, &head, payload, now, &expected).is_ok()
        })
    };
    let cache = SigningKeyCache::default();
    measure("verify, key kept", || verify(&cache, &secret));
    measure("verify, key derived", || verify(&SigningKeyCache::new(2), &secret));
    let wrong = SecretKey::new("wrong".into());
    measure("refuse a wrong signature", || !verify(&cache, &wrong));
    measure("read the claim only", || black_box(parse(&head(&headers))).is_ok());
}
