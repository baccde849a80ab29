//! Vectors, one test per rule, and the texts.

use expect_test::expect;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::*;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// 2015-08-30T12:36:00Z, the time of AWS's test suite.
const NOW: i64 = 1_440_938_160_000;
const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=";
const EXPECTED: Expected<'static> = Expected {
    service: "service",
    region: RegionRule::Exactly("us-east-1"),
    style: Style::Standard,
    unsigned_payload: false,
};

struct Request {
    method: &'static str,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Request {
    fn new(headers: &[(&str, &str)]) -> Self {
        let mut request = Self {
            method: "GET",
            path: "/".into(),
            query: String::new(),
            headers: HeaderMap::new(),
            body: Vec::new(),
        };
        for (name, value) in headers {
            request.add(name, value);
        }
        request
    }

    fn add(&mut self, name: &str, value: &str) {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        self.headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }

    fn head(&self) -> Head<'_> {
        Head { method: self.method, path: &self.path, query: &self.query, headers: &self.headers }
    }

    fn verify_at(&self, now: i64, expected: &Expected<'_>) -> Result<(), AuthFailure> {
        let head = self.head();
        let cache = SigningKeyCache::default();
        let secret = SecretKey::new(SECRET.into());
        let payload = PayloadHash::of(&self.body);
        let claim = parse(&head)?;
        claim.verify(&cache, &secret, &head, payload, now, expected)?;
        // The second time with the kept key.
        assert_eq!(cache.len(), 1);
        claim.verify(&cache, &secret, &head, payload, now, expected)
    }

    fn verify(&self) -> Result<(), AuthFailure> {
        self.verify_at(NOW, &EXPECTED)
    }

    fn text(&self) -> String {
        self.verify().unwrap_err().to_string()
    }
}

/// `get-vanilla` of AWS's published test suite.
fn vanilla() -> Request {
    let signature = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    Request::new(&[
        ("host", "example.amazonaws.com"),
        ("x-amz-date", "20150830T123600Z"),
        ("authorization", &format!("{AUTHORIZATION}{signature}")),
    ])
}

fn with_authorization(value: &str) -> Request {
    let mut request = vanilla();
    request.headers.insert("authorization", HeaderValue::from_str(value).unwrap());
    request
}

/// Signs with our own signer what the test then spoils.
fn signed(mut request: Request) -> Request {
    let at = Timestamp::from_unix_millis(NOW).unwrap();
    let scope =
        SignScope { access_key_id: "AKIDEXAMPLE", region: "us-east-1", service: "service", at };
    let secret = SecretKey::new(SECRET.into());
    let value = sign(&request.head(), PayloadHash::of(&request.body), &secret, &scope);
    request.add("authorization", &value);
    request
}

#[test]
fn aws_test_suite_vanilla() {
    assert_eq!(vanilla().verify(), Ok(()));
}

#[test]
fn aws_test_suite_vanilla_query_order() {
    let mut request = with_authorization(&format!(
        "{AUTHORIZATION}b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"
    ));
    request.query = "Param2=value2&Param1=value1".into();
    assert_eq!(request.verify(), Ok(()));
}

#[test]
fn iam_documentation_example() {
    let mut request = Request::new(&[
        ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
        ("host", "iam.amazonaws.com"),
        ("x-amz-date", "20150830T123600Z"),
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, \
             Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
        ),
    ]);
    request.query = "Action=ListUsers&Version=2010-05-08".into();
    let expected = Expected { service: "iam", region: RegionRule::Any, ..EXPECTED };
    assert_eq!(request.verify_at(NOW, &expected), Ok(()));
}

#[test]
fn s3_documentation_presigned_example() {
    let mut request = Request::new(&[("host", "examplebucket.s3.amazonaws.com")]);
    request.path = "/test.txt".into();
    request.query = "X-Amz-Algorithm=AWS4-HMAC-SHA256\
        &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
        &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
        &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
        .into();
    let head = request.head();
    let claim = parse(&head).unwrap();
    assert_eq!(claim.form(), Form::Presigned { expires: Some(86400) });
    assert_eq!(claim.access_key_id(), "AKIAIOSFODNN7EXAMPLE");
    let secret = SecretKey::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into());
    let expected = Expected { service: "s3", style: Style::S3, ..EXPECTED };
    let cache = SigningKeyCache::default();
    let payload = PayloadHash::of(b"");
    let start = 1_369_353_600_000;
    let at = |now| claim.verify(&cache, &secret, &head, payload, now, &expected);
    assert_eq!(at(start), Ok(()));
    assert_eq!(at(start + 86_400_000), Ok(()));
    assert!(matches!(at(start + 86_401_000), Err(AuthFailure::OutsideTime(_))));
}

#[test]
fn claim_shows_its_parts() {
    let request = vanilla();
    let head = request.head();
    let claim = parse(&head).unwrap();
    let at = claim.timestamp();
    let parts = [
        claim.access_key_id(),
        claim.scope_date(),
        claim.region(),
        claim.service(),
        claim.terminator(),
        at.basic(),
    ];
    assert_eq!(
        parts,
        ["AKIDEXAMPLE", "20150830", "us-east-1", "service", "aws4_request", "20150830T123600Z"]
    );
    assert_eq!(claim.signed_headers().collect::<Vec<_>>(), ["host", "x-amz-date"]);
}

#[test]
fn time_has_fifteen_minutes_each_way() {
    let at = |seconds: i64| vanilla().verify_at(NOW + seconds * 1000, &EXPECTED);
    assert_eq!(at(900), Ok(()));
    assert_eq!(at(-900), Ok(()));
    expect![
        "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z \
         (20150830T125101Z - 15 min.)"
    ]
    .assert_eq(&at(901).unwrap_err().to_string());
    expect![
        "Signature not yet current: 20150830T123600Z is still later than 20150830T123559Z \
         (20150830T122059Z + 15 min.)"
    ]
    .assert_eq(&at(-901).unwrap_err().to_string());
    assert!(at(i64::MAX / 1000 - 2_000_000_000).is_err());
    assert!(vanilla().verify_at(i64::MIN, &EXPECTED).is_err());
    assert!(vanilla().verify_at(i64::MAX, &EXPECTED).is_err());
}

#[test]
fn unsigned_requests_have_no_token() {
    let mut request = vanilla();
    request.headers.remove("authorization");
    assert_eq!(request.verify(), Err(AuthFailure::MissingToken));
    assert_eq!(with_authorization("Basic Zm9vOmJhcg==").verify(), Err(AuthFailure::MissingToken));
    assert_eq!(with_authorization("").verify(), Err(AuthFailure::MissingToken));
}

#[test]
fn both_forms_at_once() {
    let mut request = vanilla();
    request.query = "X-Amz-Algorithm=AWS4-HMAC-SHA256".into();
    expect![
        "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header."
    ]
    .assert_eq(&request.text());
    request.query = "X-Amz%2dAlgorithm=AWS4-HMAC-SHA256".into();
    assert!(request.text().starts_with("Found both"));
}

#[test]
fn missing_parts_are_all_named() {
    let mut request = with_authorization("AWS4-HMAC-SHA256 Foo=bar");
    request.headers.remove("x-amz-date");
    expect!["Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. (Hashed with SHA-256 and encoded with Base64) Authorization=Nrhl1zyNYUXfp3PiyhUV46OoC0fOazbUb9I1hQvXjPI="].assert_eq(&request.text());

    let mut request = Request::new(&[("host", "example.amazonaws.com")]);
    request.query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=".into();
    expect!["AWS query-string parameters must include 'X-Amz-Credential'. AWS query-string parameters must include 'X-Amz-Signature'. AWS query-string parameters must include 'X-Amz-SignedHeaders'. AWS query-string parameters must include 'X-Amz-Date'. Re-examine the query-string parameters."].assert_eq(&request.text());
}

#[test]
fn malformed_parts_are_named() {
    let text = |value: &str| with_authorization(value).text();
    expect!["Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded with Base64): '+zD+ziK3ZCvECFILHZxhdOj/bLUhott9/oR+S/8JHQQ='."]
        .assert_eq(&text("AWS4-HMAC-SHA256 Credential= a/b/c/d/e"));
    expect!["Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got (hashed with SHA-256 and encoded with Base64) 'abPbD8NRpUsfWbY1aNEU49sNuU4l0ezSMw34HaYxzvw='"]
        .assert_eq(&text("AWS4-HMAC-SHA256 Credential=a/b/c/d,SignedHeaders=host,Signature=0"));
    expect!["Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA1' (only AWS4-HMAC-SHA256 for now). "]
        .assert_eq(&text("AWS4-HMAC-SHA1 Credential=a/b/c/d/e,SignedHeaders=host,Signature=0"));
    expect!["Authorization header has 'Signature' parameter twice."].assert_eq(&text(
        "AWS4-HMAC-SHA256 Credential=a/b/c/d/e,SignedHeaders=host,Signature=0,Signature=1",
    ));
    let long = format!("{AUTHORIZATION}{}", "0".repeat(10_000));
    expect!["Authorization header must have at most 8192 bytes."].assert_eq(&text(&long));

    let mut request = vanilla();
    request.headers.insert("x-amz-date", HeaderValue::from_static("yesterday"));
    expect!["Date must be in ISO-8601 'basic format'. Got 'yesterday'. See http://en.wikipedia.org/wiki/ISO_8601"].assert_eq(&request.text());
    request.add("x-amz-date", "20150830T123600Z");
    expect!["Header 'x-amz-date' must be given once."].assert_eq(&request.text());
}

#[test]
fn scope_is_checked_as_a_whole() {
    let request = with_authorization(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150829/mars/other/aws5_request, \
         SignedHeaders=host;x-amz-date, Signature=0",
    );
    expect!["Credential should be scoped to a valid region. Credential should be scoped to correct service: 'service'. Credential should be scoped with a valid terminator: 'aws4_request', not 'aws5_request'. Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20150829' != '20150830', from '20150830T123600Z'."].assert_eq(&request.text());
    let any = Expected { region: RegionRule::Any, ..EXPECTED };
    let text = request.verify_at(NOW, &any).unwrap_err().to_string();
    assert!(!text.contains("region"), "{text}");
}

#[test]
fn host_and_amz_headers_must_be_signed() {
    let value = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=x-amz-date, Signature=0";
    expect!["'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."]
        .assert_eq(&with_authorization(value).text());

    let mut request = vanilla();
    request.add("x-amz-target", "SageMaker.ListDomains");
    expect!["'x-amz-target' must be a 'SignedHeader' in the AWS Authorization."]
        .assert_eq(&request.text());

    let mut request = vanilla();
    request.add("x-amz-security-token", "appended");
    expect!["'x-amz-security-token' must be a 'SignedHeader' in the AWS Authorization."]
        .assert_eq(&request.text());

    // Others may be there.
    let mut request = vanilla();
    request.add("x-amzn-trace-id", "Root=1");
    request.add("user-agent", "curl");
    assert_eq!(request.verify(), Ok(()));

    let mut request = vanilla();
    request.add("host", "other.amazonaws.com");
    assert!(matches!(request.verify(), Err(AuthFailure::Invalid(_))));
    request.headers.remove("host");
    assert!(matches!(request.verify(), Err(AuthFailure::Invalid(_))));
}

#[test]
fn a_signed_header_that_is_gone_is_a_mismatch() {
    let mut request =
        signed(Request::new(&[("host", "h"), ("x-amz-date", "20150830T123600Z"), ("x-extra", "")]));
    assert_eq!(request.verify(), Ok(()));
    request.headers.remove("x-extra");
    assert_eq!(request.verify(), Err(AuthFailure::Mismatch));
}

#[test]
fn date_header_stands_in_for_amz_date() {
    let http_date = "Sun, 30 Aug 2015 12:36:00 GMT";
    let mut request = signed(Request::new(&[("host", "h"), ("date", http_date)]));
    assert_eq!(request.verify(), Ok(()));
    request.headers.insert("date", HeaderValue::from_static("Sun, 30 Aug 2015 12:36:01 GMT"));
    assert_eq!(request.verify(), Err(AuthFailure::Mismatch));
}

#[test]
fn unsigned_payload_only_where_allowed() {
    let secret = SecretKey::new(SECRET.into());
    let allowed = Expected { unsigned_payload: true, ..EXPECTED };
    let mut request = Request::new(&[
        ("host", "h"),
        ("x-amz-date", "20150830T123600Z"),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
    ]);
    request.body = b"anything".to_vec();
    // The canonical request, written out by hand.
    let canonical = "GET\n/\n\nhost:h\nx-amz-content-sha256:UNSIGNED-PAYLOAD\n\
        x-amz-date:20150830T123600Z\n\nhost;x-amz-content-sha256;x-amz-date\nUNSIGNED-PAYLOAD";
    let at = Timestamp::from_unix_millis(NOW).unwrap();
    let scope = "20150830/us-east-1/service/aws4_request";
    let text = verify::string_to_sign(&at, scope, canonical.as_bytes());
    let signing_key = key::derive(&secret, "20150830", "us-east-1", "service");
    let signature = hex::encode(key::hmac(signing_key.as_slice(), &text).as_slice());
    request.add("authorization", &format!("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{scope},SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature={signature}"));
    assert_eq!(request.verify_at(NOW, &allowed), Ok(()));
    assert_eq!(request.verify(), Err(AuthFailure::Mismatch));
}

#[test]
fn expires_is_bounded() {
    let text = |expires: &str| {
        let mut request = Request::new(&[("host", "h")]);
        request.query = format!(
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a%2F20150830%2Fus-east-1%2Fservice%2Faws4_request&X-Amz-Date=20150830T123600Z&X-Amz-Expires={expires}&X-Amz-SignedHeaders=host&X-Amz-Signature=0"
        );
        request.verify().unwrap_err()
    };
    assert_eq!(text("1"), AuthFailure::Mismatch);
    assert_eq!(text("604800"), AuthFailure::Mismatch);
    for bad in ["0", "-1", "604801", "99999999999999999999", "", "1.5", "+1"] {
        assert!(matches!(text(bad), AuthFailure::Incomplete(_)), "{bad}");
    }
}

#[test]
fn presigned_parameters_are_given_once() {
    let mut request = Request::new(&[("host", "h"), ("x-amz-security-token", "t")]);
    let query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a%2F20150830%2Fus-east-1%2Fservice%2Faws4_request&X-Amz-Date=20150830T123600Z&X-Amz-SignedHeaders=host&X-Amz-Signature=0";
    request.query = format!("{query}&X-Amz-Security-Token=u");
    assert!(request.text().starts_with("Found 'X-Amz-Security-Token' both"));
    request.headers.remove("x-amz-security-token");
    assert_eq!(request.verify(), Err(AuthFailure::Mismatch));
    request.query = format!("{query}&X-Amz-Signature=1");
    expect!["AWS query-string parameter 'X-Amz-Signature' must be given once."]
        .assert_eq(&request.text());
}

#[test]
fn signature_is_lower_case_hexadecimal() {
    let good = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    for bad in [good.to_uppercase(), good.replacen("5f", "5", 1), format!("{good}00"), "é".into()]
    {
        assert!(with_authorization(&format!("{AUTHORIZATION}{bad}")).verify().is_err(), "{bad}");
    }
}

#[test]
fn paths_are_normalised() {
    for (raw, normal) in [
        ("", "/"),
        ("/", "/"),
        ("//", "/"),
        ("/.", "/"),
        ("/./", "/"),
        ("/..", "/"),
        ("/../a", "/a"),
        ("/a/..", "/"),
        ("/a/b/..", "/a"),
        ("/a/b/../", "/a/"),
        ("/a//b/", "/a/b/"),
        ("/a/./b", "/a/b"),
        ("/a/.b", "/a/.b"),
        ("/a/..b", "/a/..b"),
        ("/%2e%2e/a", "/%2e%2e/a"),
        ("*", "/*"),
    ] {
        assert_eq!(normalize_path(raw), normal, "{raw}");
    }
}

#[test]
fn kept_keys_are_bounded_and_bound_to_their_secret() {
    let cache = SigningKeyCache::new(10);
    let secret = SecretKey::new(SECRET.into());
    let key = key::derive(&secret, "20150830", "us-east-1", "service");
    for number in 0..100 {
        cache.put(&format!("AK{number}"), &secret, &key);
        assert!(cache.len() <= 10);
    }
    assert!(cache.get("AK99", &secret).is_some());
    assert!(cache.get("AK0", &secret).is_none());
    assert!(cache.get("AK99", &SecretKey::new("other".into())).is_none());
}

#[test]
fn a_wrong_signature_keeps_no_key() {
    let cache = SigningKeyCache::default();
    let request = vanilla();
    let head = request.head();
    let claim = parse(&head).unwrap();
    let secret = SecretKey::new("wrong".into());
    let payload = PayloadHash::of(b"");
    let result = claim.verify(&cache, &secret, &head, payload, NOW, &EXPECTED);
    assert_eq!(result, Err(AuthFailure::Mismatch));
    assert!(cache.is_empty());
}

#[test]
fn debug_shows_no_secret() {
    let mut request = vanilla();
    request.add("x-amz-security-token", "TOKEN-OF-A-SESSION");
    let head = request.head();
    let shown = format!(
        "{:?} {:?} {:?}",
        parse(&head).unwrap(),
        SecretKey::new(SECRET.into()),
        SigningKeyCache::default()
    );
    assert!(!shown.contains(SECRET) && !shown.contains("TOKEN") && !shown.contains("5fa00f"));
}

#[test]
fn spelled_for_each_protocol() {
    let failures = [
        AuthFailure::MissingToken,
        AuthFailure::Incomplete("unreadable".into()),
        AuthFailure::Invalid("invalid".into()),
        AuthFailure::Mismatch,
        AuthFailure::OutsideTime("too late".into()),
        AuthFailure::InvalidKey,
        AuthFailure::ExpiredToken,
    ];
    let mut table = String::new();
    for dialect in [Dialect::Json, Dialect::RestJson, Dialect::Query, Dialect::Ec2] {
        for failure in &failures {
            let Spelled { code, message, status } = failure.spelled(dialect);
            let start: String = message.chars().take(40).collect();
            table += &format!("{dialect:?} {status} {code}: {start}\n");
        }
    }
    expect![[r#"
        Json 400 MissingAuthenticationTokenException: Request is missing Authentication Token
        Json 400 IncompleteSignatureException: unreadable
        Json 400 InvalidSignatureException: invalid
        Json 400 InvalidSignatureException: The request signature we calculated does
        Json 400 InvalidSignatureException: too late
        Json 400 UnrecognizedClientException: The security token included in the reque
        Json 400 ExpiredTokenException: The security token included in the reque
        RestJson 403 MissingAuthenticationTokenException: Request is missing Authentication Token
        RestJson 400 IncompleteSignatureException: unreadable
        RestJson 403 InvalidSignatureException: invalid
        RestJson 403 InvalidSignatureException: The request signature we calculated does
        RestJson 403 InvalidSignatureException: too late
        RestJson 403 UnrecognizedClientException: The security token included in the reque
        RestJson 403 ExpiredTokenException: The security token included in the reque
        Query 403 MissingAuthenticationToken: Request is missing Authentication Token
        Query 400 IncompleteSignature: unreadable
        Query 403 SignatureDoesNotMatch: invalid
        Query 403 SignatureDoesNotMatch: The request signature we calculated does
        Query 403 SignatureDoesNotMatch: too late
        Query 403 InvalidClientTokenId: The security token included in the reque
        Query 403 ExpiredToken: The security token included in the reque
        Ec2 400 MissingParameter: The request must contain the parameter A
        Ec2 401 AuthFailure: unreadable
        Ec2 401 AuthFailure: invalid
        Ec2 401 AuthFailure: AWS was not able to validate the provide
        Ec2 400 RequestExpired: Request has expired.
        Ec2 401 AuthFailure: AWS was not able to validate the provide
        Ec2 400 RequestExpired: Request has expired.
    "#]]
    .assert_eq(&table);
}

#[test]
fn times_are_read() {
    let basic = |text| Timestamp::parse_basic(text).map(|at| at.unix_seconds());
    assert_eq!(basic("20150830T123600Z"), Some(1_440_938_160));
    assert_eq!(basic("19700101T000000Z"), Some(0));
    for bad in ["", "20150830T123600", "20150830t123600Z", "20151330T123600Z", "20150230T123600Z"] {
        assert_eq!(basic(bad), None, "{bad}");
    }
    let http = |text| Timestamp::parse_http(text).map(|at| at.to_string());
    assert_eq!(http("Sun, 30 Aug 2015 12:36:00 -0000").as_deref(), Some("20150830T123600Z"));
    for bad in
        ["", "Sun, 30 Aug 2015", "Sun, 30 Aug 2015 12:36 GMT", "Sun, 30 Foo 2015 12:36:00 GMT"]
    {
        assert_eq!(http(bad), None, "{bad}");
    }
}
