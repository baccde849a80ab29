//! The Studio door: a presigned URL becomes a session, a session becomes pages.
//!
//! A URL or a cookie only says who asked for it. Whether that principal may be here is decided on
//! every request: with its policies as they are now, and with the network by which this request
//! came.

use std::net::Ipv4Addr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY,
    SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use maud::Markup;
use sagegate_gate::audit::{Circumstances, Record};
use sagegate_gate::denial::Denial;
use sagegate_gate::{Caller, Context, Fault, Gate, HttpRequest, Refusal, Region, Scope};
use sagegate_services::sagemaker::ids::DomainId;
use sagegate_services::sagemaker::site;
use sagegate_services::sagemaker::studio::{self, COOKIE, Door, NotAdmitted, Refused, Visit};
use sagegate_store::{Snapshot, StoreError, TransactError};
use serde_json::json;

use crate::pages;

/// Answers the requests that reach a domain's public door or a Studio endpoint.
#[derive(Debug, Clone)]
pub struct StudioDoor {
    gate: Arc<Gate>,
}

/// Why the answer is not the page that was asked for.
enum Turned {
    /// Nobody is recognised: to the sign-in page, with the reason.
    Away(NotAdmitted),
    /// Recognised and refused.
    Refused(Box<Denial>, Box<Caller>),
    /// The address that was dialled is no domain's door.
    NoDoor,
    /// A failure of ours.
    Failed(Fault),
}

impl From<Refused> for Turned {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NotAdmitted(reason) => Self::Away(reason),
            Refused::Fault(fault) => Self::Failed(fault),
        }
    }
}

impl From<StoreError> for Turned {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<Fault> for Turned {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault)
    }
}

impl StudioDoor {
    /// The door of this gate.
    #[must_use]
    pub fn new(gate: Arc<Gate>) -> Self {
        Self { gate }
    }

    /// Answers one request.
    pub async fn serve(&self, request: &HttpRequest) -> Response<Bytes> {
        let mut response = match self.route(request).await {
            Ok(response) => response,
            Err(turned) => self.turned(request, turned),
        };
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::from_str(&request.request_id) {
            headers.insert(HeaderName::from_static("x-amzn-requestid"), id);
        }
        // The URL of a page may hold a token, so no page says where it was called from; and what is
        // shown was decided for this request only, so nothing is kept.
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(
                "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; \
                 frame-ancestors 'none'",
            ),
        );
        response
    }

    async fn route(&self, request: &HttpRequest) -> Result<Response<Bytes>, Turned> {
        let reads = matches!(request.method, Method::GET | Method::HEAD);
        match request.path.as_str() {
            "/style.css" if reads => Ok(style()),
            "/signin" if reads => {
                let reason = parameter(&request.query, "reason");
                Ok(page(StatusCode::OK, pages::sign_in(reason.as_deref())))
            }
            // A HEAD request, as link checkers send it, must not use the URL up.
            "/auth" if request.method == Method::GET => self.enter(request).await,
            "/auth" => Ok(not_allowed("GET")),
            "/logout" if request.method == Method::POST => self.leave(request).await,
            "/logout" => Ok(not_allowed("POST")),
            "/" if reads => {
                let (visit, context) = self.visitor(request)?;
                Ok(page(StatusCode::OK, pages::home(&visit, &context)))
            }
            "/" | "/style.css" | "/signin" => Ok(not_allowed("GET, HEAD")),
            _ => {
                self.visitor(request)?;
                Ok(page(StatusCode::NOT_FOUND, pages::not_found(&request.request_id)))
            }
        }
    }

    /// `/auth?token=…`: decides the visit, uses the token up, and begins the session.
    async fn enter(&self, request: &HttpRequest) -> Result<Response<Bytes>, Turned> {
        let token = parameter(&request.query, "token").ok_or(Turned::Away(NotAdmitted::Unknown))?;
        let state = self.gate.store().snapshot()?;
        let door = self.door(request, &state)?;
        let now = self.gate.env().now();
        // A refused visit does not use the URL up: its owner may come again by the right network.
        let visit = studio::token(&state, self.gate.vault(), now, &door, &token)?;
        self.decide(request, &state, &visit)?;
        let (env, vault) = (self.gate.env(), self.gate.vault());
        let opened = self
            .gate
            .store()
            .transact(|tx| studio::redeem(tx, env, vault, now, &door, &token))
            .await
            .map_err(|error| match error {
                TransactError::Aborted(refused) => refused.into(),
                TransactError::Contention => Turned::Failed(Fault::contention()),
                TransactError::Store(error) => error.into(),
            })?
            .value;
        let secure = if request.secure { "; Secure" } else { "" };
        let cookie = format!(
            "{COOKIE}={}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax{secure}",
            opened.cookie.reveal(),
            opened.max_age
        );
        let mut response = redirect("/");
        set(&mut response, SET_COOKIE, &cookie);
        Ok(response)
    }

    async fn leave(&self, request: &HttpRequest) -> Result<Response<Bytes>, Turned> {
        if let Some(cookie) = cookie(request) {
            self.gate.commit(|tx| studio::log_out(tx, &cookie)).await?;
        }
        let mut response = redirect("/signin?reason=left");
        let gone = format!("{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
        set(&mut response, SET_COOKIE, &gone);
        Ok(response)
    }

    /// The visitor of a page: recognised by the cookie, and allowed to be here now.
    fn visitor(&self, request: &HttpRequest) -> Result<(Visit, Context), Turned> {
        let cookie = cookie(request).ok_or(Turned::Away(NotAdmitted::Unknown))?;
        let state = self.gate.store().snapshot()?;
        let door = self.door(request, &state)?;
        let now = self.gate.env().now();
        let visit = studio::session(&state, self.gate.vault(), now, &door, &cookie)?;
        let context = self.decide(request, &state, &visit)?;
        Ok((visit, context))
    }

    /// Whether the principal behind a visit may be here by this request's network, decided anew.
    fn decide(
        &self,
        request: &HttpRequest,
        state: &Snapshot,
        visit: &Visit,
    ) -> Result<Context, Turned> {
        let caller = self
            .gate
            .caller_as_of_now(visit.caller.clone())?
            .ok_or(Turned::Away(NotAdmitted::Gone))?;
        let context = Context {
            caller,
            arrival: request.arrival.clone(),
            request_id: request.request_id.clone(),
            user_agent: request.header("user-agent").unwrap_or_default().to_owned(),
            now: self.gate.env().now(),
            secure: request.secure,
        };
        match self.gate.check(&context, visit.needs(state)?) {
            Ok(_) => Ok(context),
            Err(Refusal::Denied(denial)) => Err(Turned::Refused(denial, Box::new(context.caller))),
            Err(Refusal::Fault(fault)) => Err(Turned::Failed(fault)),
            Err(Refusal::Unread(error)) => Err(Turned::Failed(Fault::internal(error.to_string()))),
        }
    }

    /// Which door this is. At an endpoint the socket says it. A domain's public door is told by the
    /// name that the client dialled, which is its own; tokens and sessions are bound to their
    /// domain whatever the client says.
    fn door(&self, request: &HttpRequest, state: &Snapshot) -> Result<Door, Turned> {
        if let Some(endpoint) = request.arrival.endpoint() {
            let region = Region::parse(&endpoint.region).map_err(|_| Turned::NoDoor)?;
            return Ok(Door::Endpoint { region });
        }
        let host = request.header("host").unwrap_or_default();
        let host = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let doors = site::doors(state)?;
        let found = if let Ok(address) = host.parse::<Ipv4Addr>() {
            doors.into_iter().find(|(at, _)| *at == address)
        } else {
            let name = host.split('.').next().unwrap_or_default();
            let id = DomainId::parse(name).ok_or(Turned::NoDoor)?;
            doors.into_iter().find(|(_, door)| door.domain == id)
        };
        let (_, door) = found.ok_or(Turned::NoDoor)?;
        let scope = Scope { account: door.account, region: door.region };
        Ok(Door::Public { scope, domain: door.domain })
    }

    fn turned(&self, request: &HttpRequest, turned: Turned) -> Response<Bytes> {
        match turned {
            Turned::Away(reason) => redirect(match reason {
                NotAdmitted::Unknown => "/signin?reason=unknown",
                NotAdmitted::Expired => "/signin?reason=expired",
                NotAdmitted::Gone => "/signin?reason=gone",
                NotAdmitted::NotInService => "/signin?reason=not-in-service",
                NotAdmitted::StudioDisabled => "/signin?reason=studio-disabled",
            }),
            Turned::NoDoor => page(StatusCode::NOT_FOUND, pages::not_found(&request.request_id)),
            Turned::Refused(denial, caller) => {
                self.note(request, &caller, &denial);
                page(StatusCode::FORBIDDEN, pages::refused(&denial.text(), request))
            }
            Turned::Failed(fault) => {
                let detail = fault.detail.as_deref().unwrap_or(&fault.message);
                tracing::error!(request = request.request_id, detail, "the Studio door failed");
                let status =
                    StatusCode::from_u16(fault.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                page(status, pages::failed(&request.request_id))
            }
        }
    }

    /// A refused visit can be explained like a refused call.
    fn note(&self, request: &HttpRequest, caller: &Caller, denial: &Denial) {
        let about = Circumstances {
            service: "sagemaker",
            operation: "OpenStudio",
            region: self.gate.region().as_str(),
            account: caller.account.as_str(),
            arrival: &request.arrival,
            user_agent: request.header("user-agent").unwrap_or_default(),
            request_id: &request.request_id,
            now: self.gate.env().now(),
            read_only: true,
        };
        let mut record = Record::of(about, self.gate.env().uuid(), Some(caller));
        record.error_code = Some("AccessDeniedException".to_owned());
        record.error_message = Some(denial.text());
        record.sagegate = json!({ "decision": "denied", "trace": denial.trace });
        self.gate.journal().note_refusal(record);
    }
}

/// The value of a query parameter, decoded.
fn parameter(query: &str, name: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// The session cookie's value. Browsers send all cookies of a host in one field, and HTTP allows
/// several fields.
fn cookie(request: &HttpRequest) -> Option<String> {
    request
        .headers
        .get_all(http::header::COOKIE)
        .iter()
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, value)| value.to_owned())
}

fn answer(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn set(response: &mut Response<Bytes>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn page(status: StatusCode, markup: Markup) -> Response<Bytes> {
    answer(status, "text/html; charset=utf-8", markup.into_string().into())
}

fn style() -> Response<Bytes> {
    let body = Bytes::from_static(pages::STYLE.as_bytes());
    let mut response = answer(StatusCode::OK, "text/css; charset=utf-8", body);
    set(&mut response, CACHE_CONTROL, "public, max-age=3600");
    response
}

fn redirect(to: &'static str) -> Response<Bytes> {
    let mut response = answer(StatusCode::FOUND, "text/plain; charset=utf-8", Bytes::new());
    response.headers_mut().insert(LOCATION, HeaderValue::from_static(to));
    response
}

fn not_allowed(methods: &'static str) -> Response<Bytes> {
    let mut response = page(StatusCode::METHOD_NOT_ALLOWED, pages::not_allowed(methods));
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    response
}
