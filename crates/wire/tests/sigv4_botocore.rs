//! The verifier against botocore's signers, on random requests.
//!
//! Runs when `SAGEGATE_PYTHON` names a Python that has botocore, and fails when that Python does
//! not work. `SAGEGATE_SEED` repeats a run; `SAGEGATE_SIGV4_REQUESTS` sets how many (2,000).
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::process::Command;

use http::{HeaderMap, HeaderName, HeaderValue};
use sagegate_wire::sigv4::{
    AuthFailure, Expected, Head, PayloadHash, RegionRule, SecretKey, SigningKeyCache, Style, parse,
};
use serde_json::Value;

#[derive(Clone)]
struct Signed {
    method: String,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

struct Setting<'a> {
    now: i64,
    key: &'a str,
    secret: SecretKey,
    token: Option<&'a str>,
    expected: Expected<'a>,
    cache: &'a SigningKeyCache,
}

impl Signed {
    fn verify(&self, setting: &Setting<'_>) -> Result<(), AuthFailure> {
        let Self { method, path, query, headers, body } = self;
        let head = Head { method, path, query, headers };
        let claim = parse(&head)?;
        if claim.access_key_id() != setting.key || claim.session_token() != setting.token {
            return Err(AuthFailure::InvalidKey);
        }
        let payload = PayloadHash::of(body);
        claim.verify(setting.cache, &setting.secret, &head, payload, setting.now, &setting.expected)
    }
}

fn text<'a>(line: &'a Value, member: &str) -> &'a str {
    line[member].as_str().unwrap()
}

fn read(line: &Value) -> Signed {
    let mut headers = HeaderMap::new();
    for pair in line["headers"].as_array().unwrap() {
        let name = HeaderName::from_bytes(pair[0].as_str().unwrap().as_bytes()).unwrap();
        let value = hex::decode(pair[1].as_str().unwrap()).unwrap();
        headers.append(name, HeaderValue::from_bytes(&value).unwrap());
    }
    Signed {
        method: text(line, "method").into(),
        path: text(line, "path").into(),
        query: text(line, "query").into(),
        headers,
        body: hex::decode(text(line, "body")).unwrap(),
    }
}

/// Requests that are not the signed one.
fn spoiled(signed: &Signed, covers_body: bool) -> Vec<(String, Signed)> {
    let mut out = Vec::new();
    let mut add = |what: String, change: &dyn Fn(&mut Signed)| {
        let mut other = signed.clone();
        change(&mut other);
        out.push((what, other));
    };
    add("method".into(), &|other| other.method = "PATCH".into());
    add("path".into(), &|other| other.path.push('x'));
    add("query pair".into(), &|other| other.query.push_str("&new=1"));
    if covers_body {
        add("body".into(), &|other| other.body.push(b'x'));
        add("body byte".into(), &|other| match other.body.last_mut() {
            Some(byte) => *byte ^= 1,
            None => other.body.push(0),
        });
    }
    let claimed = {
        let Signed { method, path, query, headers, .. } = signed;
        let claim = parse(&Head { method, path, query, headers }).unwrap();
        claim.signed_headers().map(str::to_owned).collect::<Vec<_>>()
    };
    for name in claimed {
        add(format!("no {name}"), &|other| {
            other.headers.remove(name.as_str());
        });
        add(format!("other {name}"), &|other| {
            let mut value = other.headers[name.as_str()].as_bytes().to_vec();
            value.push(b'x');
            let value = HeaderValue::from_bytes(&value).unwrap();
            *other.headers.get_mut(name.as_str()).unwrap() = value;
        });
        add(format!("second {name}"), &|other| {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            other.headers.append(name, HeaderValue::from_static("x"));
        });
    }
    add("new x-amz header".into(), &|other| {
        other.headers.append("x-amz-new", HeaderValue::from_static("1"));
    });
    // Each parameter of the query, one after the other: another value, or gone.
    let pairs = signed.query.split('&').filter(|pair| !pair.is_empty()).count();
    for index in 0..pairs {
        let change = |keep: bool| {
            let pairs = signed.query.split('&').filter(|pair| !pair.is_empty()).enumerate();
            let pairs = pairs.filter(|(at, _)| keep || *at != index);
            let spoil = |(at, pair): (usize, &str)| {
                if at != index {
                    return pair.to_owned();
                }
                let joint = if pair.contains('=') { "" } else { "=" };
                format!("{pair}{joint}1")
            };
            pairs.map(spoil).collect::<Vec<_>>().join("&")
        };
        let (other_value, gone) = (change(true), change(false));
        add(format!("query value {index}"), &|other| other.query = other_value.clone());
        add(format!("query without {index}"), &|other| other.query = gone.clone());
    }
    out
}

#[test]
fn botocore_signatures_verify_and_bind_every_part() {
    let Some(python) = std::env::var_os("SAGEGATE_PYTHON") else {
        println!("not run: SAGEGATE_PYTHON is not set");
        return;
    };
    let count = std::env::var("SAGEGATE_SIGV4_REQUESTS").unwrap_or_else(|_| "2000".into());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sigv4_botocore.py");
    let mut command = Command::new(&python);
    command.arg(script).arg(&count).args(std::env::var("SAGEGATE_SEED"));
    let output = command.output().expect("SAGEGATE_PYTHON starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "SAGEGATE_PYTHON cannot sign: {errors}");
    let stdout = String::from_utf8(output.stdout).unwrap();
    let mut lines = stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let first = lines.next().expect("a first line with the seed");
    println!("{first}");

    let cache = SigningKeyCache::default();
    let (mut verified, mut refused) = (0, 0);
    for line in lines {
        let s3 = text(&line, "style") == "s3";
        let presigned = text(&line, "form") == "query";
        let signed = read(&line);
        let declared = signed.headers.get("x-amz-content-sha256").map(HeaderValue::as_bytes);
        let unsigned = declared == Some(b"UNSIGNED-PAYLOAD");
        let setting = Setting {
            now: line["now"].as_i64().unwrap(),
            key: text(&line, "key"),
            secret: SecretKey::new(text(&line, "secret").into()),
            token: line["token"].as_str(),
            expected: Expected {
                service: text(&line, "service"),
                region: RegionRule::Exactly(text(&line, "region")),
                style: if s3 { Style::S3 } else { Style::Standard },
                unsigned_payload: unsigned,
            },
            cache: &cache,
        };
        let result = signed.verify(&setting);
        assert_eq!(result, Ok(()), "\nseed {first}\n{line:#}");
        verified += 1;

        let strict = Expected { unsigned_payload: false, ..setting.expected };
        if unsigned {
            let strict = Setting { expected: strict, secret: setting.secret.clone(), ..setting };
            assert!(signed.verify(&strict).is_err(), "unsigned payload\nseed {first}\n{line:#}");
        }
        for (what, other) in spoiled(&signed, !(unsigned || s3 && presigned)) {
            let result = other.verify(&setting);
            assert!(result.is_err(), "{what} is not bound\nseed {first}\n{line:#}");
            refused += 1;
        }
    }
    println!("{verified} verified, {refused} spoiled ones refused");
    assert_eq!(verified.to_string(), count);
}
