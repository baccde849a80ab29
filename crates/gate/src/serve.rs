//! Arriving requests: from the raw head and body of an HTTP request to the answer's bytes.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, AsHeaderName};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use sagegate_model::{Protocol, ServiceSchema};
use sagegate_network::{Arrival, Behind};
use sagegate_wire::sigv4::{self, AuthFailure, Dialect};
use sagegate_wire::{ApiError, route};
use serde_json::{Value, json};

use crate::audit::{Circumstances, Record};
use crate::authenticate::Unrecognised;
use crate::caller::{Caller, Principal};
use crate::fault::Fault;
use crate::gate::{Context, Gate, Refusal};

const X_AMZ_TARGET: HeaderName = HeaderName::from_static("x-amz-target");

/// An HTTP request, its body read and bounded by the server.
#[derive(Clone, Debug)]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// The raw path, without the query.
    pub path: String,
    /// The raw query without its `?`; empty where there is none.
    pub query: String,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// By which way it came, as the accepting socket knows.
    pub arrival: Arrival,
    /// The address that the client dialled, as the accepting socket knows.
    pub local: SocketAddr,
    /// Whether the connection was encrypted.
    pub secure: bool,
    /// The request's id, which the answer carries as `x-amzn-RequestId`.
    pub request_id: String,
}

impl HttpRequest {
    /// A header field's text; `None` if it is missing or not visible ASCII.
    #[must_use]
    pub fn header(&self, name: impl AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// What is written down of an answered request that nobody signed for. Neither its path nor its query
/// is: either may hold a secret.
#[derive(Clone, Debug)]
pub struct Unsigned {
    /// The service as events name it: `sts`; `unknown` where it cannot be told.
    pub service: &'static str,
    /// The operation, or what happened where there was none.
    pub operation: &'static str,
    /// By which way it came, as the accepting socket knows.
    pub arrival: Arrival,
    /// The id that the answer carries.
    pub request_id: String,
    /// The client's `User-Agent`; empty where it is missing or could not be read.
    pub user_agent: String,
    /// Code and text of the answer, where that was an error.
    pub error: Option<(String, String)>,
    /// Why no permission was asked.
    pub decision: &'static str,
}

impl Gate {
    /// Answers a request of an AWS client.
    pub async fn serve(&self, request: &HttpRequest) -> Response<Bytes> {
        let head = sigv4::Head {
            method: request.method.as_str(),
            path: &request.path,
            query: &request.query,
            headers: &request.headers,
        };
        let claim = sigv4::parse(&head);
        let scope = claim.as_ref().ok().map(sigv4::Claim::service);
        let named = route::Head {
            scope,
            target: request.header(X_AMZ_TARGET),
            content_type: request.header(header::CONTENT_TYPE),
            host: request.header(header::HOST),
            method: request.method.clone(),
            path: &request.path,
            headers: Some(&request.headers),
            query: (!request.query.is_empty()).then_some(request.query.as_str()),
        };
        let protocol = named.protocol();
        let claim = match &claim {
            Ok(claim) => claim,
            Err(failure) => {
                if *failure == AuthFailure::MissingToken
                    && let Some(answer) = self.open_to_all(request, &named)
                {
                    return answer;
                }
                let service = named.service().ok();
                return self.unrecognised(request, service, protocol, failure);
            }
        };
        let service = match named.service() {
            Ok(service) => service,
            Err(error) => {
                self.note_unrecognised(request, "unknown", &error);
                return error.encode(protocol, None, &request.request_id);
            }
        };
        // What is behind an endpoint is the only service there: a signature for another is one for
        // the wrong service.
        let expected = match request.arrival.endpoint().map(|it| it.behind()) {
            None => service.signing_name,
            Some(Some(Behind::Api(behind))) => behind,
            Some(Some(Behind::Studio | Behind::DataChannel) | None) => {
                let error = ApiError::sender(
                    "UnknownOperationException",
                    404,
                    "This endpoint does not serve an AWS API.",
                );
                self.note_unrecognised(request, service.name, &error);
                return error.encode(protocol, Some(service), &request.request_id);
            }
        };
        let state = match self.store.snapshot() {
            Ok(state) => state,
            Err(error) => return self.failed(request, service, error.into()),
        };
        let caller =
            match self.authenticator().caller(&state, claim, &head, &request.body, expected) {
                Ok(caller) => caller,
                Err(Unrecognised::Auth(failure)) => {
                    return self.unrecognised(request, Some(service), protocol, &failure);
                }
                Err(Unrecognised::Store(error)) => {
                    return self.failed(request, service, error.into());
                }
            };
        let now = self.env.now();
        self.last_use.note(used(&caller), now, service.signing_name, claim.region());
        let context = Arc::new(Context {
            caller,
            arrival: request.arrival.clone(),
            request_id: request.request_id.clone(),
            user_agent: request.header(header::USER_AGENT).unwrap_or_default().to_owned(),
            now,
            secure: request.secure,
        });
        let call = match named.call(service, &request.body) {
            Ok(call) => call,
            Err(error) => return self.unread(&context, service, "Unknown", error),
        };
        let operation = call.operation.name;
        let Some(handler) = self.registry.handler(service.name, operation) else {
            let error = ApiError::not_implemented(service, operation);
            return self.unread(&context, service, operation, error);
        };
        match handler.handle(self, &context, call).await {
            Ok(answer) => answer,
            Err(Refusal::Unread(error)) => self.unread(&context, service, operation, error),
            Err(Refusal::Denied(denial)) => {
                let fault = denial.fault(service.name, &self.vault, &self.env);
                ApiError::from(fault).encode(protocol, Some(service), &request.request_id)
            }
            Err(Refusal::Fault(fault)) => self.failed(request, service, fault),
        }
    }

    /// The answer to a request for an operation that AWS serves without a signature. None of these is
    /// served yet, so there is nothing to be permitted.
    fn open_to_all(
        &self,
        request: &HttpRequest,
        named: &route::Head<'_>,
    ) -> Option<Response<Bytes>> {
        let (service, operation) = named.unsigned(&request.body)?;
        let behind = request.arrival.endpoint().map(|it| it.behind());
        if behind.is_some_and(|behind| behind != Some(Behind::Api(service.signing_name))) {
            return None;
        }
        let error = ApiError::not_implemented(service, operation.name);
        self.note_unsigned(Unsigned {
            service: service.name,
            operation: operation.name,
            arrival: request.arrival.clone(),
            request_id: request.request_id.clone(),
            user_agent: request.header(header::USER_AGENT).unwrap_or_default().to_owned(),
            error: Some((error.code.clone(), error.message.clone())),
            decision: "not asked: the operation is not served",
        });
        Some(error.encode(service.protocol, Some(service), &request.request_id))
    }

    /// A call that a page of ours makes for its visitor, in the members of the JSON protocol: all that
    /// an arriving call goes through but its signature, which stands behind `context` already.
    ///
    /// `target` names service and operation as `X-Amz-Target` does, such as `SageMaker.CreateApp`.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn call_json(
        &self,
        context: &Arc<Context>,
        target: &str,
        members: &Value,
    ) -> Result<Value, Refusal> {
        let named = route::Head {
            scope: None,
            target: Some(target),
            content_type: Some("application/x-amz-json-1.1"),
            host: None,
            method: Method::POST,
            path: "/",
            query: None,
            headers: None,
        };
        let service = named.service().map_err(Refusal::Unread)?;
        let body = Bytes::from(members.to_string());
        let call = match named.call(service, &body) {
            Ok(call) => call,
            Err(error) => {
                self.note_unserved(context, service.name, "Unknown", &error);
                return Err(Refusal::Unread(error));
            }
        };
        let operation = call.operation.name;
        let Some(handler) = self.registry.handler(service.name, operation) else {
            let error = ApiError::not_implemented(service, operation);
            self.note_unserved(context, service.name, operation, &error);
            return Err(Refusal::Unread(error));
        };
        match handler.handle(self, context, call).await {
            // What an operation answers always has a JSON form; without a body it is nothing.
            Ok(answer) => Ok(serde_json::from_slice(answer.body()).unwrap_or(Value::Null)),
            Err(refusal) => {
                if let Refusal::Unread(error) = &refusal {
                    self.note_unserved(context, service.name, operation, error);
                }
                Err(refusal)
            }
        }
    }

    fn failed(
        &self,
        request: &HttpRequest,
        service: &'static ServiceSchema,
        fault: Fault,
    ) -> Response<Bytes> {
        match &fault.detail {
            Some(detail) if fault.sender => {
                tracing::debug!(request = request.request_id, detail, "a request was wrong");
            }
            Some(detail) => {
                tracing::error!(request = request.request_id, detail, "a request failed here");
            }
            None => {}
        }
        ApiError::from(fault).encode(service.protocol, Some(service), &request.request_id)
    }

    /// A request of a known caller that could not be understood.
    fn unread(
        &self,
        context: &Context,
        service: &'static ServiceSchema,
        operation: &str,
        error: ApiError,
    ) -> Response<Bytes> {
        self.note_unserved(context, service.name, operation, &error);
        error.encode(service.protocol, Some(service), &context.request_id)
    }

    fn note_unserved(&self, context: &Context, service: &str, operation: &str, error: &ApiError) {
        let about = Circumstances {
            service,
            operation,
            region: self.region.as_str(),
            account: context.caller.account.as_str(),
            arrival: &context.arrival,
            user_agent: &context.user_agent,
            request_id: &context.request_id,
            now: context.now,
            read_only: true,
        };
        let mut record = Record::of(about, self.env.uuid(), Some(&context.caller));
        record.error_code = Some(error.code.clone());
        record.error_message = Some(error.message.clone());
        record.sagegate = json!({ "decision": "not asked: the request was not understood" });
        self.journal.note_refusal(record);
    }

    fn unrecognised(
        &self,
        request: &HttpRequest,
        service: Option<&'static ServiceSchema>,
        protocol: Protocol,
        failure: &AuthFailure,
    ) -> Response<Bytes> {
        let dialect = match protocol {
            Protocol::Json10 | Protocol::Json11 => Dialect::Json,
            Protocol::Query | Protocol::RestXml => Dialect::Query,
            Protocol::Ec2 => Dialect::Ec2,
        };
        let spelled = failure.spelled(dialect);
        let error = ApiError::sender(spelled.code, spelled.status, spelled.message);
        self.note_unrecognised(request, service.map_or("unknown", |it| it.name), &error);
        let mut response = error.encode(protocol, service, &request.request_id);
        if spelled.status == 401 {
            let scheme = HeaderValue::from_static("AWS4-HMAC-SHA256");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }

    fn note_unrecognised(&self, request: &HttpRequest, service: &'static str, error: &ApiError) {
        self.note_unsigned(Unsigned {
            service,
            operation: "Unauthenticated",
            arrival: request.arrival.clone(),
            request_id: request.request_id.clone(),
            user_agent: request.header(header::USER_AGENT).unwrap_or_default().to_owned(),
            error: Some((error.code.clone(), error.message.clone())),
            decision: "not asked: nobody was recognised",
        });
    }

    /// Hands over the record of a request that nobody signed for. Anybody can make many of them, so
    /// they may be dropped like the records of reads, and never push a refusal out.
    pub fn note_unsigned(&self, unsigned: Unsigned) {
        let (now, event_id) = (self.env.now(), self.env.uuid());
        let region = self.region.to_string();
        self.journal.note(move || {
            let about = Circumstances {
                service: unsigned.service,
                operation: unsigned.operation,
                region: &region,
                account: "",
                arrival: &unsigned.arrival,
                user_agent: &unsigned.user_agent,
                request_id: &unsigned.request_id,
                now,
                read_only: true,
            };
            let mut record = Record::of(about, event_id, None::<&Caller>);
            if let Some((code, message)) = unsigned.error {
                record.error_code = Some(code);
                record.error_message = Some(message);
            }
            record.sagegate = json!({ "decision": unsigned.decision });
            record
        });
    }
}

impl From<Fault> for ApiError {
    fn from(fault: Fault) -> Self {
        Self {
            code: fault.code.into_owned(),
            message: fault.message,
            status: fault.status,
            sender: fault.sender,
            extra: Vec::new(),
        }
    }
}

/// What a request uses: a session of a role uses the role (IAM API, `RoleLastUsed`), everything
/// else its access key.
fn used(caller: &Caller) -> &str {
    match (&caller.principal, &caller.session) {
        (Principal::Role { id, .. }, Some(_)) => id,
        _ => &caller.access_key_id,
    }
}
