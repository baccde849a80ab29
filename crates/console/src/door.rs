//! The Studio door: a presigned URL becomes a session, a session becomes pages.
//!
//! A URL or a cookie only says who asked for it. Whether that principal may be here is decided on
//! every request: with its policies as they are now, and with the network by which this request
//! came.
//!
//! A domain's pages are below `/DOMAIN-ID/`, and so are its cookies: an endpoint is one origin for
//! all domains, whose sessions live side by side there.

use std::net::Ipv4Addr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, REFERRER_POLICY, SET_COOKIE,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use sagegate_gate::denial::Denial;
use sagegate_gate::{Caller, Context, Fault, Gate, HttpRequest, Refusal, Region, Scope};
use sagegate_services::sagemaker::app_door::{self, AppDoorRecord};
use sagegate_services::sagemaker::ids::DomainId;
use sagegate_services::sagemaker::notebook_token::NotebookDoor;
use sagegate_services::sagemaker::records::DoorOf;
use sagegate_services::sagemaker::site;
use sagegate_services::sagemaker::studio::{
    self, COOKIE, Door, NotAdmitted, Refused, Visit, let_in,
};
use sagegate_store::{Snapshot, StoreError};
use sagegate_workloads::runtime::Runtime;
use serde_json::Value;

use crate::actions::{Action, Done, NotDone};
use crate::app::is_of_another_origin;
use crate::record::{self, Admitted, Audience, Subject};
use crate::reply::Reply;
use crate::web::{
    Unrecognised, cookies, not_allowed, page, parameter, recognised, redirect, script,
    session_cookie, set, style,
};
use crate::{notebook, pages, spaces};

/// Answers the requests that reach a domain's public door or a Studio endpoint.
#[derive(Clone)]
pub struct StudioDoor {
    gate: Arc<Gate>,
    /// Where apps run, if they do.
    runtime: Option<Arc<dyn Runtime>>,
}

impl std::fmt::Debug for StudioDoor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StudioDoor").finish_non_exhaustive()
    }
}

/// What the way of a request leads to.
enum Led {
    App(Ipv4Addr, AppDoorRecord),
    Notebook(NotebookDoor),
    /// A domain's pages, or nothing.
    Studio,
}

/// An answer, and for whom it was.
type Answered = (Response<Bytes>, Audience);

/// Why the answer is not the page that was asked for.
pub(crate) enum Turned {
    /// Nobody is recognised: to the sign-in page, with the reason.
    Away(NotAdmitted),
    /// Recognised and refused.
    Refused(Box<Refusing>),
    /// The address that was dialled is no domain's door.
    NoDoor,
    /// A failure of ours.
    Failed(Fault),
}

/// A visitor who may not be here.
pub(crate) struct Refusing {
    pub(crate) denial: Box<Denial>,
    pub(crate) caller: Caller,
    pub(crate) subject: Subject,
}

impl Unrecognised for Turned {
    const NOBODY: Self = Self::Away(NotAdmitted::Unknown);

    fn weight(&self) -> u8 {
        match self {
            Self::Away(NotAdmitted::Unknown) | Self::NoDoor => 0,
            Self::Away(_) => 1,
            Self::Refused(_) => 2,
            Self::Failed(_) => 3,
        }
    }

    fn is_failure(&self) -> bool {
        matches!(self, Self::Failed(_))
    }
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

/// A visitor who may be here.
pub(crate) struct Visitor {
    pub(crate) visit: Visit,
    pub(crate) context: Context,
    /// By what, as records have it.
    pub(crate) by: Value,
}

impl Visitor {
    fn audience(self) -> Audience {
        let admitted = Admitted::new(self.context.caller, &self.visit, self.by);
        Audience::Admitted(Box::new(admitted))
    }
}

impl StudioDoor {
    /// The door of this gate, behind which apps run in `runtime`.
    #[must_use]
    pub fn new(gate: Arc<Gate>, runtime: Option<Arc<dyn Runtime>>) -> Self {
        Self { gate, runtime }
    }

    pub(crate) fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    pub(crate) fn runtime(&self) -> Option<&Arc<dyn Runtime>> {
        self.runtime.as_ref()
    }

    /// Answers one request.
    pub async fn serve(&self, request: &HttpRequest) -> Reply {
        let mut reply = match self.led_to(request) {
            Ok(Led::App(address, door)) => self.serve_app(request, address, &door).await,
            Ok(Led::Notebook(door)) => self.serve_notebook(request, &door).await,
            Ok(Led::Studio) => self.serve_studio(request).await.into(),
            Err(fault) => self.turned(request, fault.into()).into(),
        };
        let headers = match &mut reply {
            Reply::Page(response) => response.headers_mut(),
            Reply::App(response) => response.headers_mut(),
            Reply::Socket(response, _) => response.headers_mut(),
        };
        if let Ok(id) = HeaderValue::from_str(&request.request_id) {
            headers.insert(HeaderName::from_static("x-amzn-requestid"), id);
        }
        if let Reply::Page(response) = &mut reply {
            guard(response.headers_mut());
        }
        reply
    }

    /// What the way of a request leads to.
    fn led_to(&self, request: &HttpRequest) -> Result<Led, Fault> {
        let state = self.gate.store().snapshot()?;
        if let Some((address, door)) = app_door::door_at(&state, request.local)? {
            return Ok(Led::App(address, door));
        }
        Ok(notebook::door_of(&state, request)?.map_or(Led::Studio, Led::Notebook))
    }

    async fn serve_studio(&self, request: &HttpRequest) -> Response<Bytes> {
        match self.route(request).await {
            Ok((response, audience)) => {
                record::answered(&self.gate, request, &audience);
                response
            }
            Err(turned) => self.turned(request, turned),
        }
    }

    async fn route(&self, request: &HttpRequest) -> Result<Answered, Turned> {
        let open = |response| Ok((response, Audience::Anybody));
        let reads = matches!(request.method, Method::GET | Method::HEAD);
        match request.path.as_str() {
            "/style.css" if reads => open(style()),
            "/studio.js" if reads => open(script()),
            "/signin" if reads => {
                let reason = parameter(&request.query, "reason");
                open(page(StatusCode::OK, pages::sign_in(reason.as_deref())))
            }
            // A HEAD request, as link checkers send it, must not use the URL up.
            "/auth" if request.method == Method::GET => self.enter(request).await,
            "/auth" => open(not_allowed("GET")),
            "/" if reads => open(redirect(&self.front(request)?)),
            "/" | "/style.css" | "/studio.js" | "/signin" => open(not_allowed("GET, HEAD")),
            path => {
                let path = path.strip_prefix('/').unwrap_or(path);
                let (domain, rest) = path
                    .split_once('/')
                    .map_or((path, None), |(domain, rest)| (domain, Some(rest)));
                match DomainId::parse(domain) {
                    Some(domain) => self.inside(request, &domain, rest).await,
                    None => open(page(
                        StatusCode::NOT_FOUND,
                        pages::not_found(&request.request_id, "/"),
                    )),
                }
            }
        }
    }

    /// The pages of one domain.
    async fn inside(
        &self,
        request: &HttpRequest,
        domain: &DomainId,
        rest: Option<&str>,
    ) -> Result<Answered, Turned> {
        let open = |response| Ok((response, Audience::Anybody));
        let reads = matches!(request.method, Method::GET | Method::HEAD);
        match rest {
            Some("logout") if request.method == Method::POST => self.leave(request, domain).await,
            Some("logout") => open(not_allowed("POST")),
            None if reads => open(redirect(&home_of(domain))),
            Some("") if reads => {
                let visitor = self.visitor(request, domain)?;
                let shown = self.home(&visitor, None)?;
                Ok((page(StatusCode::OK, shown), visitor.audience()))
            }
            None | Some("") => open(not_allowed("GET, HEAD")),
            Some(rest) => {
                let visitor = self.visitor(request, domain)?;
                if let Some((action, space)) = Action::of_path(rest) {
                    return self.action(request, visitor, &action, space).await;
                }
                let shown = pages::not_found(&request.request_id, &home_of(domain));
                Ok((page(StatusCode::NOT_FOUND, shown), visitor.audience()))
            }
        }
    }

    /// Something that the visitor wants done, by a form or, to open an app, by a link.
    async fn action(
        &self,
        request: &HttpRequest,
        visitor: Visitor,
        action: &Action,
        space: Option<&str>,
    ) -> Result<Answered, Turned> {
        let method = if *action == Action::Open { Method::GET } else { Method::POST };
        if request.method != method {
            let allowed = if method == Method::GET { "GET" } else { "POST" };
            return Ok((not_allowed(allowed), visitor.audience()));
        }
        // A page elsewhere can have a browser send a form, but not in the visitor's name.
        if method == Method::POST && is_of_another_origin(request) {
            let shown = page(StatusCode::FORBIDDEN, pages::other_origin());
            return Ok((shown, visitor.audience()));
        }
        let response = match self.act(request, &visitor, action, space).await? {
            Done::Go(response) => response,
            Done::Recorded(response) => return Ok((response, Audience::Recorded)),
            Done::Connect(link) => {
                let shown = pages::connect(&link, &visitor.visit, &visitor.context);
                page(StatusCode::OK, shown)
            }
            Done::Not(not) => {
                let status = StatusCode::from_u16(not.status).unwrap_or(StatusCode::BAD_REQUEST);
                page(status, self.home(&visitor, Some(&not))?)
            }
        };
        Ok((response, visitor.audience()))
    }

    /// The Studio home, with what was not done if something was not.
    fn home(&self, visitor: &Visitor, not: Option<&NotDone>) -> Result<maud::Markup, Turned> {
        let (visit, context) = (&visitor.visit, &visitor.context);
        let state = self.gate.store().snapshot()?;
        let spaces = spaces::of_visit(&state, self.gate.vault(), context.now, visit)?;
        Ok(pages::home(visit, context, &spaces, not))
    }

    /// Where `/` leads: to the domain, if the way by which the request came tells of one.
    fn front(&self, request: &HttpRequest) -> Result<String, Turned> {
        let state = self.gate.store().snapshot()?;
        let domain = match self.door(request, &state)? {
            Door::Public { domain, .. } => Some(domain),
            Door::Endpoint { .. } => site::studio_name(host(request)).map(|(domain, _)| domain),
        };
        Ok(domain.map_or_else(|| "/signin".to_owned(), |domain| home_of(&domain)))
    }

    /// `/auth?token=…`: decides the visit, uses the token up, and begins the session.
    async fn enter(&self, request: &HttpRequest) -> Result<Answered, Turned> {
        let token = parameter(&request.query, "token").ok_or(Turned::Away(NotAdmitted::Unknown))?;
        let state = self.gate.store().snapshot()?;
        let door = self.door(request, &state)?;
        let now = self.gate.env().now();
        // A refused visit does not use the URL up: its owner may come again by the right network.
        let visit = studio::token(&state, self.gate.vault(), now, &door, &token)?;
        let visitor = self.decide(request, &state, visit)?;
        let (env, vault) = (self.gate.env(), self.gate.vault());
        let audience = visitor.audience();
        let opened = self
            .gate
            .transact_recorded(|tx, records| {
                let opened = let_in(studio::redeem(tx, env, vault, now, &door, &token))?;
                // Where nobody is let in, nothing is written.
                if opened.is_ok() {
                    records.extend(record::of(&self.gate, request, &audience));
                }
                Ok(opened)
            })
            .await?
            .map_err(Turned::Away)?;
        let domain = &opened.visit.domain.id;
        let mut response = redirect(&home_of(domain));
        let (value, path) = (opened.cookie.reveal(), home_of(domain));
        let cookie = session_cookie(request, COOKIE, value, &path, opened.max_age);
        set(&mut response, SET_COOKIE, &cookie);
        Ok((response, Audience::Recorded))
    }

    /// Ends the domain's sessions of this browser.
    async fn leave(&self, request: &HttpRequest, domain: &DomainId) -> Result<Answered, Turned> {
        let state = self.gate.store().snapshot()?;
        let door = self.door(request, &state)?;
        let now = self.gate.env().now();
        let mut caller = None;
        let mut ended = Vec::new();
        for cookie in cookies(request) {
            match studio::session(&state, self.gate.vault(), now, &door, domain, cookie) {
                Ok(visit) => {
                    caller.get_or_insert_with(|| Box::new(visit.caller));
                }
                Err(Refused::NotAdmitted(NotAdmitted::Unknown)) => continue,
                // What is of no use any more can be ended too.
                Err(Refused::NotAdmitted(_)) => {}
                Err(Refused::Fault(fault)) => return Err(fault.into()),
            }
            ended.push(cookie);
        }
        let mut audience = Audience::Leaving(caller);
        if !ended.is_empty() {
            let done = self.gate.transact_recorded(|tx, records| {
                ended.iter().try_for_each(|cookie| studio::log_out(tx, cookie))?;
                records.extend(record::of(&self.gate, request, &audience));
                Ok(())
            });
            done.await?;
            audience = Audience::Recorded;
        }
        let mut response = redirect("/signin?reason=left");
        let gone = session_cookie(request, COOKIE, "", &home_of(domain), 0);
        set(&mut response, SET_COOKIE, &gone);
        Ok((response, audience))
    }

    /// The visitor of a domain's page: recognised by a cookie, and allowed to be here now.
    fn visitor(&self, request: &HttpRequest, domain: &DomainId) -> Result<Visitor, Turned> {
        let state = self.gate.store().snapshot()?;
        let door = self.door(request, &state)?;
        recognised(cookies(request), |cookie| {
            let now = self.gate.env().now();
            let visit = studio::session(&state, self.gate.vault(), now, &door, domain, cookie)?;
            self.decide(request, &state, visit)
        })
    }

    /// Whether the principal behind a visit may be here by this request's network, decided anew. A
    /// Studio endpoint lets in whom its policy allows either to open Studio as this profile or to
    /// start apps in it (SPEC R1.9, R1.10); all other policies must allow to open it.
    pub(crate) fn decide(
        &self,
        request: &HttpRequest,
        state: &Snapshot,
        visit: Visit,
    ) -> Result<Visitor, Turned> {
        let context = self.context_of(request, visit.caller.clone())?;
        let context = context.ok_or(Turned::Away(NotAdmitted::Gone))?;
        let check = |needs| self.gate.check_at(state.clone(), &context, needs);
        let mut judged = check(visit.needs(state)?);
        if let Err(Refusal::Denied(denial)) = &judged
            && denial.is_of_the_way_alone()
        {
            // The endpoint's policy is asked last: everything else has allowed it.
            let by_app = check(visit.needs_of_app(state)?);
            judged = by_app.or(judged);
        }
        match judged {
            Ok(granted) => Ok(Visitor { visit, context, by: granted.to_json() }),
            Err(Refusal::Denied(denial)) => Err(Turned::Refused(Box::new(Refusing {
                denial,
                caller: context.caller,
                subject: Subject::Profile(visit.profile_arn()),
            }))),
            Err(Refusal::Fault(fault)) => Err(Turned::Failed(fault)),
            Err(Refusal::Unread(error)) => Err(Turned::Failed(Fault::internal(error.to_string()))),
        }
    }

    /// This request as one of a principal as it is now; nothing if it is gone.
    pub(crate) fn context_of(
        &self,
        request: &HttpRequest,
        caller: Caller,
    ) -> Result<Option<Context>, Fault> {
        let caller = self.gate.caller_as_of_now(caller)?;
        Ok(caller.map(|caller| Context {
            caller,
            arrival: request.arrival.clone(),
            request_id: request.request_id.clone(),
            user_agent: request.header("user-agent").unwrap_or_default().to_owned(),
            now: self.gate.env().now(),
            secure: request.secure,
        }))
    }

    /// Which door this is. At an endpoint and at a domain's public address the socket says it. Only
    /// what came by another address, to which DNS leads the documented host names, is told apart by
    /// the name; tokens and sessions are bound to their domain whatever the client says.
    fn door(&self, request: &HttpRequest, state: &Snapshot) -> Result<Door, Turned> {
        if let Some(endpoint) = request.arrival.endpoint() {
            let region = Region::parse(&endpoint.region).map_err(|_| Turned::NoDoor)?;
            return Ok(Door::Endpoint { region });
        }
        let door = match site::door_at(state, request.local)? {
            Some(door) => door,
            None => site::door_named(state, host(request))?.ok_or(Turned::NoDoor)?,
        };
        let scope = Scope { account: door.account, region: door.region };
        match door.of {
            DoorOf::Domain(domain) => Ok(Door::Public { scope, domain }),
            DoorOf::Notebook(_) => Err(Turned::NoDoor),
        }
    }

    pub(crate) fn turned(&self, request: &HttpRequest, turned: Turned) -> Response<Bytes> {
        let gate = &self.gate;
        match turned {
            Turned::Away(reason) => {
                let nobody = "not asked: nobody was recognised";
                record::unanswered(gate, request, "NotAdmitted", &reason.to_string(), nobody);
                redirect(match reason {
                    NotAdmitted::Unknown => "/signin?reason=unknown",
                    NotAdmitted::Expired => "/signin?reason=expired",
                    NotAdmitted::Gone => "/signin?reason=gone",
                    NotAdmitted::NotInService => "/signin?reason=not-in-service",
                    NotAdmitted::StudioDisabled => "/signin?reason=studio-disabled",
                })
            }
            Turned::NoDoor => {
                let text = "What was dialled is not the door of a Studio domain.";
                let decision = "not asked: there is no such door";
                record::unanswered(gate, request, "NoSuchDoor", text, decision);
                page(StatusCode::NOT_FOUND, pages::not_found(&request.request_id, "/"))
            }
            Turned::Refused(refusing) => {
                let Refusing { denial, caller, subject } = *refusing;
                record::refused(gate, request, &caller, &subject, &denial);
                page(StatusCode::FORBIDDEN, pages::refused(&subject, &denial.text(), request))
            }
            Turned::Failed(fault) => {
                let detail = fault.detail.as_deref().unwrap_or(&fault.message);
                tracing::error!(request = request.request_id, detail, "the Studio door failed");
                let decision = "not reached or allowed";
                record::unanswered(gate, request, &fault.code, &fault.message, decision);
                let status =
                    StatusCode::from_u16(fault.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                page(status, pages::failed(&request.request_id))
            }
        }
    }
}

/// What every page of ours says to browsers. Its URL may hold a token, so no page says to others where
/// it was called from (to us it must: without that, browsers send forms in the name of no origin); what
/// is shown was decided for this request only, so nothing is kept.
fn guard(headers: &mut http::HeaderMap) {
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
             form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
    );
}

/// The home page of a domain, to which its cookies belong.
pub(crate) fn home_of(domain: &DomainId) -> String {
    format!("/{domain}/")
}

pub(crate) fn host(request: &HttpRequest) -> &str {
    request.header(HOST.as_str()).unwrap_or_default()
}
