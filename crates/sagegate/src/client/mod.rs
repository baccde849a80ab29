//! A small AWS client: what the commands use to call a running server as any user would, signed and
//! over HTTP.

mod encode;
mod read;

use std::net::SocketAddr;

use anyhow::{Context, bail};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use sagegate_gate::Env;
use sagegate_model::{OperationSchema, Protocol, ServiceSchema};
use sagegate_wire::sigv4::{Head, PayloadHash, SecretKey, SignScope, Timestamp, sign};
use serde_json::Value;

/// Credentials, long-term or not.
#[derive(Clone)]
pub(crate) struct Credentials {
    pub(crate) access_key_id: String,
    pub(crate) secret: SecretKey,
    /// The session token of temporary credentials.
    pub(crate) token: Option<String>,
}

/// A server's error answer.
#[derive(Debug, thiserror::Error)]
#[error("{operation}: {code}: {message}")]
pub(crate) struct Refused {
    pub(crate) operation: String,
    pub(crate) code: String,
    pub(crate) message: String,
}

/// A client of one server for one principal.
pub(crate) struct Client {
    pub(crate) server: SocketAddr,
    pub(crate) region: String,
    pub(crate) credentials: Credentials,
    pub(crate) env: Env,
}

impl Client {
    /// Calls `service.Operation` with members as the API reference names them; the answer likewise.
    pub(crate) async fn call(&self, name: &str, input: &Value) -> anyhow::Result<Value> {
        let (service, operation) = find(name)?;
        let (content_type, target, body) = match service.protocol {
            Protocol::Json10 | Protocol::Json11 => (
                if service.protocol == Protocol::Json10 {
                    "application/x-amz-json-1.0"
                } else {
                    "application/x-amz-json-1.1"
                },
                Some(format!("{}.{}", service.target_prefix, operation.name)),
                serde_json::to_vec(input)?,
            ),
            Protocol::Query | Protocol::Ec2 => (
                "application/x-www-form-urlencoded; charset=utf-8",
                None,
                encode::form(service, operation, input)
                    .with_context(|| format!("the input of {name}"))?
                    .into_bytes(),
            ),
            // Steps make no such calls yet.
            Protocol::RestXml => anyhow::bail!("{name}: a step cannot call this service"),
        };
        let answer = self.send(service, content_type, target, body).await?;
        if !answer.status.is_success() {
            let (code, message) = read::error(service.protocol, &answer.body);
            bail!(Refused { operation: name.to_owned(), code, message });
        }
        read::answer(service, operation, &answer.body)
            .with_context(|| format!("the answer of {name}"))
    }

    async fn send(
        &self,
        service: &ServiceSchema,
        content_type: &str,
        target: Option<String>,
        body: Vec<u8>,
    ) -> anyhow::Result<Answer> {
        let now = self.env.signature_clock.now();
        let at = Timestamp::from_unix_millis(now.millis()).context("the clock is off")?;
        let mut request = hyper::Request::post("/")
            .header("host", self.server.to_string())
            .header("content-type", content_type)
            .header("user-agent", concat!("sagegate/", env!("CARGO_PKG_VERSION")))
            .header("x-amz-date", at.basic());
        if let Some(target) = target {
            request = request.header("x-amz-target", target);
        }
        if let Some(token) = &self.credentials.token {
            request = request.header("x-amz-security-token", token);
        }
        let mut request = request.body(Full::new(Bytes::from(body.clone())))?;
        let authorization = sign(
            &Head { method: "POST", path: "/", query: "", headers: request.headers() },
            PayloadHash::of(&body),
            &self.credentials.secret,
            &SignScope {
                access_key_id: &self.credentials.access_key_id,
                region: &self.region,
                service: service.signing_name,
                at,
            },
        );
        request.headers_mut().insert("authorization", authorization.parse()?);
        let stream = tokio::net::TcpStream::connect(self.server)
            .await
            .with_context(|| format!("no server answers at {}", self.server))?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(connection);
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        drop(sender);
        driver.await??;
        Ok(Answer { status, body })
    }
}

struct Answer {
    status: hyper::StatusCode,
    body: Bytes,
}

fn find(name: &str) -> anyhow::Result<(&'static ServiceSchema, &'static OperationSchema)> {
    let (service, operation) =
        name.split_once('.').with_context(|| format!("{name:?} is not service.Operation"))?;
    let service = sagegate_model::service(service)
        .with_context(|| format!("{name}: there is no service {service:?}"))?;
    let operation = service
        .operation(operation)
        .filter(|it| it.implemented)
        .with_context(|| format!("{name}: {} has no such operation here", service.name))?;
    Ok((service, operation))
}
