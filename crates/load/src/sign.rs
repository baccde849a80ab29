//! Signed requests, each with a signature of its own.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use http::{HeaderMap, HeaderName, HeaderValue};
use sagegate_wire::sigv4::{Head, PayloadHash, SecretKey, SignScope, Timestamp, sign};

/// A call as a client would make it.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// What it is called in the report: `service:Operation`.
    pub(crate) name: &'static str,
    /// The signing name.
    pub(crate) service: &'static str,
    /// `X-Amz-Target`, of the JSON protocol.
    pub(crate) target: Option<&'static str>,
    /// The body.
    pub(crate) body: String,
}

impl Call {
    /// A call of the query protocol.
    pub(crate) fn form(
        name: &'static str,
        service: &'static str,
        version: &str,
        pairs: &[(&str, &str)],
    ) -> Self {
        let operation = name.split_once(':').map_or(name, |(_, operation)| operation);
        let mut body = format!("Action={operation}&Version={version}");
        for (name, value) in pairs {
            let value =
                percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
            body.push_str(&format!("&{name}={value}"));
        }
        Self { name, service, target: None, body }
    }

    /// A call of the JSON protocol.
    pub(crate) fn json(
        name: &'static str,
        service: &'static str,
        target: &'static str,
        body: &serde_json::Value,
    ) -> Self {
        Self { name, service, target: Some(target), body: body.to_string() }
    }
}

/// Who signs.
pub(crate) struct Signer {
    pub(crate) access_key_id: String,
    pub(crate) secret: SecretKey,
    pub(crate) region: String,
}

impl Signer {
    pub(crate) fn new(access_key_id: &str, secret: &str) -> Self {
        Self {
            access_key_id: access_key_id.to_owned(),
            secret: SecretKey::new(secret.to_owned()),
            region: "us-west-2".to_owned(),
        }
    }

    /// The bytes of a request. `number` makes its signature differ from every other's: it stands in
    /// the header in which the SDKs number their calls.
    pub(crate) fn request(
        &self,
        to: SocketAddr,
        call: &Call,
        number: u64,
    ) -> anyhow::Result<Vec<u8>> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let at = Timestamp::from_unix_seconds(i64::try_from(now)?).context("a time")?;
        let mut headers = HeaderMap::with_capacity(8);
        let mut put = |name: &'static str, value: &str| -> anyhow::Result<()> {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value)?);
            Ok(())
        };
        put("host", &to.to_string())?;
        put("x-amz-date", at.basic())?;
        put("amz-sdk-invocation-id", &format!("00000000-0000-4000-8000-{number:012x}"))?;
        match call.target {
            Some(target) => {
                put("content-type", "application/x-amz-json-1.1")?;
                put("x-amz-target", target)?;
            }
            None => put("content-type", "application/x-www-form-urlencoded; charset=utf-8")?,
        }
        let head = Head { method: "POST", path: "/", query: "", headers: &headers };
        let scope = SignScope {
            access_key_id: &self.access_key_id,
            region: &self.region,
            service: call.service,
            at,
        };
        let hash = PayloadHash::of(call.body.as_bytes());
        let authorization = sign(&head, hash, &self.secret, &scope);
        let mut out = b"POST / HTTP/1.1\r\n".to_vec();
        for (name, value) in &headers {
            out.extend_from_slice(name.as_str().as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        let length = call.body.len();
        out.extend_from_slice(
            format!(
                "authorization: {authorization}\r\nuser-agent: sagegate-load\r\n\
                 content-length: {length}\r\n\r\n"
            )
            .as_bytes(),
        );
        out.extend_from_slice(call.body.as_bytes());
        Ok(out)
    }
}
