//! The endpoint from which code in a space gets its execution role's credentials.
//!
//! It speaks the protocol of container credentials (AWS SDKs and Tools Reference Guide, "Container
//! credential provider"): a GET with the token of the environment as `Authorization` answers with
//! credentials as JSON. It has no address: each space reaches it through a relay of its own, so that
//! who asks is known before a byte is read, and the token only keeps out what is tricked into asking.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sagegate_api::sagemaker::ExecutionRoleIdentityConfig;
use sagegate_gate::session::TemporaryCredentials;
use sagegate_gate::{Fault, Gate, Secret};
use sagegate_services::iam::service_role::{self, Entry};
use sagegate_services::sagemaker::records;
use serde_json::json;
use tokio::sync::Mutex;

use crate::order::CREDENTIALS_PATH;
use crate::runtime::Stream;
use crate::work::Work;

/// Who assumes execution roles.
const SERVICE: &str = "sagemaker.amazonaws.com";
/// The name of the sessions, as Studio's are called.
const SESSION: &str = "SageMaker";
/// How long credentials last.
const LIFE: Duration = Duration::from_secs(3600);
/// Credentials that last less long than this are replaced when they are asked for: clients begin to
/// ask a quarter of an hour before the end.
const RENEW: i64 = 1800;
/// How long a connection may take.
const CONNECTION: Duration = Duration::from_secs(60);

/// The endpoint of one workload.
pub(crate) struct Endpoint {
    gate: Arc<Gate>,
    wanted: Work,
    token: Secret,
    given: Mutex<Option<TemporaryCredentials>>,
}

impl Endpoint {
    pub(crate) fn new(gate: Arc<Gate>, wanted: Work, token: Secret) -> Self {
        Self { gate, wanted, token, given: Mutex::new(None) }
    }

    /// Credentials of the execution role that last for a while yet.
    ///
    /// # Errors
    /// That SageMaker may not assume the role, in AWS's words, or a fault of the store.
    pub(crate) async fn credentials(&self) -> Result<TemporaryCredentials, Fault> {
        let mut given = self.given.lock().await;
        let until = self.gate.env().now().plus_seconds(RENEW);
        if let Some(credentials) = given.as_ref().filter(|it| it.expires > until) {
            return Ok(credentials.clone());
        }
        let credentials = self.enter().await?;
        *given = Some(credentials.clone());
        Ok(credentials)
    }

    async fn enter(&self) -> Result<TemporaryCredentials, Fault> {
        let wanted = &self.wanted;
        let entry = Entry {
            role_arn: wanted.role(),
            service: SERVICE,
            source_arn: &wanted.source_arn(),
            session_name: SESSION,
            keys: wanted.keys(),
            source_identity: self.source_identity()?,
            life: LIFE,
        };
        let entered = service_role::enter(&self.gate, wanted.scope(), &entry).await?;
        Ok(entered.credentials)
    }

    /// The profile's name, where the domain says so (SageMaker API, `ExecutionRoleIdentityConfig`).
    fn source_identity(&self) -> Result<Option<String>, Fault> {
        let Work::App(app) = &self.wanted else { return Ok(None) };
        let state = self.gate.store().snapshot()?;
        let domain = records::domain(&state, &app.scope, &app.domain)?;
        let named = domain.and_then(|it| it.domain_settings).is_some_and(|it| {
            it.0.execution_role_identity_config
                == Some(ExecutionRoleIdentityConfig::UserProfileName)
        });
        Ok(app.profile.clone().filter(|_| named))
    }

    /// Serves one connection.
    pub(crate) async fn serve(self: Arc<Self>, stream: Stream) {
        let service = service_fn(move |request| {
            let endpoint = Arc::clone(&self);
            async move { Ok::<_, Infallible>(endpoint.answer(&request).await) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .max_buf_size(16 * 1024)
            .serve_connection(TokioIo::new(stream), service);
        let _ = tokio::time::timeout(CONNECTION, connection).await;
    }

    async fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        if request.uri().path() != CREDENTIALS_PATH {
            return refusal(StatusCode::NOT_FOUND, "NotFound", "There is nothing at this path.");
        }
        if request.method() != Method::GET {
            let message = "Credentials are got with GET.";
            return refusal(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message);
        }
        let said = request.headers().get(header::AUTHORIZATION);
        let said = said.and_then(|it| it.to_str().ok()).unwrap_or_default();
        if !self.token.is(said) {
            let message = "The Authorization header is not the token of this space.";
            return refusal(StatusCode::UNAUTHORIZED, "AccessDenied", message);
        }
        match self.credentials().await {
            Ok(given) => reply(
                StatusCode::OK,
                &json!({
                    "RoleArn": self.wanted.role(),
                    "AccessKeyId": given.access_key_id,
                    "SecretAccessKey": given.secret.reveal(),
                    "Token": given.token.reveal(),
                    "Expiration": given.expires.iso8601(),
                }),
            ),
            Err(fault) => {
                self.gate.report("credentials of a space", &fault);
                let status =
                    StatusCode::from_u16(fault.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                refusal(status, &fault.code, &fault.message)
            }
        }
    }
}

fn refusal(status: StatusCode, code: &str, message: &str) -> Response<Full<Bytes>> {
    reply(status, &json!({ "code": code, "message": message }))
}

fn reply(status: StatusCode, body: &serde_json::Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
