//! The doors of apps: what runs in a space, behind the same permission as the Studio pages.
//!
//! An app's address is an origin of its own. A visitor comes from the Studio pages with a ticket, gets
//! a cookie of that origin, and is judged anew on every request and on every frame of a WebSocket,
//! with the policies of that moment and the network by which the request came (SPEC T7).

use std::net::Ipv4Addr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{HOST, ORIGIN, SEC_WEBSOCKET_ACCEPT, SET_COOKIE, UPGRADE};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use sagegate_gate::HttpRequest;
use sagegate_services::sagemaker::app_door::{self, AppDoorRecord, Way};
use sagegate_services::sagemaker::notebook_token::NotebookDoor;
use sagegate_services::sagemaker::space_records::AppRecord;
use sagegate_services::sagemaker::studio::{NotAdmitted, let_in};
use sagegate_workloads::apps::Catalog;
use sagegate_workloads::proxy::{self, Answered};
use sagegate_workloads::runtime::{Failure, Stream};

use crate::door::{StudioDoor, Turned, Visitor};
use crate::pages;
use crate::record::{self, AppUse, Subject};
use crate::reply::{AppBody, Reply, Socket};
use crate::web::{
    cookies_named, not_allowed, page, parameter, recognised, redirect, session_cookie, set,
};

/// By which door an app was come to.
#[derive(Clone)]
pub(crate) enum Entrance {
    /// That of a Studio app, at this address.
    App(Ipv4Addr),
    /// That of a notebook instance.
    Notebook(NotebookDoor),
}

impl Turned {
    /// Why a frame may not pass, for the client.
    pub(crate) fn in_short(&self) -> String {
        match self {
            Self::Away(reason) => reason.to_string(),
            Self::Refused(_) => "Your permission to be here has ended.".to_owned(),
            Self::NoDoor => "The app's door is closed.".to_owned(),
            Self::Failed(_) => "Your permission cannot be judged at the moment.".to_owned(),
        }
    }
}

/// The paths of the door itself; all others are the app's.
const ENTER: &str = "/_sagegate/enter";

impl StudioDoor {
    /// Answers one request at the door of an app.
    pub(crate) async fn serve_app(
        &self,
        request: &HttpRequest,
        address: Ipv4Addr,
        door: &AppDoorRecord,
    ) -> Reply {
        match self.route_app(request, address, door).await {
            Ok(reply) => reply,
            Err(turned) => self.turned_from_app(request, turned).into(),
        }
    }

    async fn route_app(
        &self,
        request: &HttpRequest,
        address: Ipv4Addr,
        door: &AppDoorRecord,
    ) -> Result<Reply, Turned> {
        // The socket says by which way the door is reached, and so do the door and its address.
        if Way::of(&request.arrival) != door.way {
            return Err(Turned::NoDoor);
        }
        if request.path == ENTER {
            return match request.method {
                Method::GET => self.enter_app(request, address).await.map(Reply::from),
                _ => Ok(not_allowed("GET").into()),
            };
        }
        let (visitor, app) = self.app_visitor(request, address)?;
        let front = front(&app);
        if request.path == "/"
            && front != "/"
            && matches!(request.method, Method::GET | Method::HEAD)
        {
            record::used_app(self.gate(), request, &AppUse::of(&visitor, &app));
            return Ok(redirect(&front).into());
        }
        // Another page of the browser may call the app, but not speak to it as its visitor.
        if (is_websocket(request) || !request.method.is_safe()) && is_of_another_origin(request) {
            record::used_app(self.gate(), request, &AppUse::of(&visitor, &app));
            return Ok(page(StatusCode::FORBIDDEN, pages::other_origin()).into());
        }
        let used = AppUse::of(&visitor, &app);
        Ok(self.hand_on(request, Entrance::App(address), used, &app.id).await)
    }

    /// `/_sagegate/enter?ticket=…`: decides the visit, uses the ticket up, and begins the session.
    async fn enter_app(
        &self,
        request: &HttpRequest,
        address: Ipv4Addr,
    ) -> Result<Response<Bytes>, Turned> {
        let ticket = parameter(&request.query, "ticket");
        let ticket = ticket.ok_or(Turned::Away(NotAdmitted::Unknown))?;
        let gate = self.gate();
        let state = gate.store().snapshot()?;
        let now = gate.env().now();
        let (visit, app) = app_door::ticket_holder(&state, gate.vault(), now, address, &ticket)?;
        let visitor = self.decide(request, &state, visit)?;
        let entered = gate
            .transact_recorded(|tx, records| {
                let entered = app_door::enter(tx, gate.env(), gate.vault(), now, address, &ticket);
                let entered = let_in(entered)?;
                // Where nobody is let in, nothing is written.
                if entered.is_ok() {
                    records.push(record::of_app(gate, request, &AppUse::of(&visitor, &app)));
                }
                Ok(entered)
            })
            .await?
            .map_err(Turned::Away)?;
        let mut response = redirect(&front(&app));
        let (name, value) = (app_door::cookie(address), entered.cookie.reveal());
        let cookie = session_cookie(request, &name, value, "/", entered.max_age);
        set(&mut response, SET_COOKIE, &cookie);
        Ok(response)
    }

    /// The visitor of an app: recognised by a cookie, and allowed to be here now.
    fn app_visitor(
        &self,
        request: &HttpRequest,
        address: Ipv4Addr,
    ) -> Result<(Visitor, AppRecord), Turned> {
        let gate = self.gate();
        let state = gate.store().snapshot()?;
        recognised(cookies_named(request, &app_door::cookie(address)), |cookie| {
            let now = gate.env().now();
            let (visit, app) = app_door::session(&state, gate.vault(), now, address, cookie)?;
            Ok((self.decide(request, &state, visit)?, app))
        })
    }

    /// Hands a request on to the app that runs as `workload`.
    pub(crate) async fn hand_on(
        &self,
        request: &HttpRequest,
        entrance: Entrance,
        used: AppUse,
        workload: &str,
    ) -> Reply {
        let websocket = is_websocket(request);
        let Some(runtime) = self.runtime() else {
            let why = Failure::new("This Sagegate runs no apps (--runtime none).");
            return self.silent(request, &used, &why);
        };
        let answered = match outgoing(request, websocket) {
            Ok(outgoing) => match proxy::connect(&**runtime, workload).await {
                Ok(stream) => proxy::exchange(stream, outgoing).await,
                Err(failure) => Err(failure),
            },
            Err(failure) => Err(failure),
        };
        match answered {
            Err(failure) => self.silent(request, &used, &failure),
            Ok(Answered::Response(answer)) => {
                // An app may have taken its time, and what was so when it was asked decides nothing.
                if let Some((_, page)) = self.turned_at(request, &entrance) {
                    return page.into();
                }
                record::used_app(self.gate(), request, &used);
                let (head, body) = answer.into_parts();
                let mut response = Response::new(self.guarded(request.clone(), entrance, body));
                *response.status_mut() = head.status;
                *response.headers_mut() = proxy::for_client(&head.headers, false);
                Reply::App(response)
            }
            Ok(Answered::Switched(..)) if !websocket => {
                let why = Failure::new("The app has switched to a protocol that nobody asked for.");
                self.silent(request, &used, &why)
            }
            Ok(Answered::Switched(head, app_end)) => {
                let mut response = Response::new(());
                *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                *response.headers_mut() = proxy::for_client(head.headers(), true);
                if !response.headers().contains_key(SEC_WEBSOCKET_ACCEPT) {
                    let why = Failure::new("The app does not speak the WebSocket protocol.");
                    return self.silent(request, &used, &why);
                }
                record::used_app(self.gate(), request, &used);
                let socket = self.socket(request.clone(), entrance, used, app_end.0);
                Reply::Socket(response, socket)
            }
        }
    }

    /// An app's body, which may have no end: it breaks off as soon as its visitor may not be here.
    fn guarded(&self, request: HttpRequest, entrance: Entrance, body: Incoming) -> AppBody {
        if body.is_end_stream() {
            return Full::new(Bytes::new()).map_err(|never| match never {}).boxed_unsync();
        }
        let door = self.clone();
        let changes = self.gate().store().subscribe();
        let judge = move || door.permit(&request, &entrance);
        proxy::guarded(body, judge, changes)
    }

    /// What has a WebSocket to an app: every frame of it is judged as a request of its own would be.
    fn socket(
        &self,
        request: HttpRequest,
        entrance: Entrance,
        used: AppUse,
        app_end: Stream,
    ) -> Socket {
        let door = self.clone();
        Box::new(move |client, early, leaving| {
            Box::pin(async move {
                let gate = Arc::clone(door.gate());
                let changes = gate.store().subscribe();
                let judge = || door.permit(&request, &entrance);
                let done = proxy::relay(client, early, app_end, judge, changes, leaving).await;
                record::left_app(&gate, &request, &used, &done);
            })
        })
    }

    /// Whether a frame may pass that came by the connection of this request. Records why not, and says
    /// it in a few words.
    fn permit(&self, request: &HttpRequest, entrance: &Entrance) -> Result<(), String> {
        self.turned_at(request, entrance).map_or(Ok(()), |(why, _)| Err(why))
    }

    /// Why the visitor behind a request may not be here (any more), in a few words and as a page.
    fn turned_at(
        &self,
        request: &HttpRequest,
        entrance: &Entrance,
    ) -> Option<(String, Response<Bytes>)> {
        match entrance {
            Entrance::App(address) => {
                let turned = self.app_visitor(request, *address).err()?;
                Some((turned.in_short(), self.turned_from_app(request, turned)))
            }
            Entrance::Notebook(door) => {
                let turned = self.notebook_visitor(request, door).err()?;
                Some((turned.in_short(), self.turned_from_notebook(request, turned)))
            }
        }
    }

    /// The page for an app that does not answer.
    fn silent(&self, request: &HttpRequest, used: &AppUse, why: &Failure) -> Reply {
        tracing::debug!(request = request.request_id, %why, "an app is silent");
        record::failed_app(self.gate(), request, used, &why.message);
        page(
            StatusCode::BAD_GATEWAY,
            pages::app_silent(&used.subject, &why.message, &request.request_id),
        )
        .into()
    }

    /// The page for whom an app's door is closed.
    fn turned_from_app(&self, request: &HttpRequest, turned: Turned) -> Response<Bytes> {
        match turned {
            // There is no sign-in page here: a visitor comes from Studio.
            Turned::Away(reason) => {
                let nobody = "not asked: nobody was recognised";
                record::unanswered(
                    self.gate(),
                    request,
                    "NotAdmitted",
                    &reason.to_string(),
                    nobody,
                );
                page(StatusCode::UNAUTHORIZED, pages::app_away(&reason.to_string()))
            }
            turned => self.turned(request, turned),
        }
    }
}

impl AppUse {
    /// This visitor's use of this app.
    fn of(visitor: &Visitor, app: &AppRecord) -> Self {
        Self::at(visitor, &app.arn(&visitor.visit.scope))
    }

    /// This visitor's use of the app of this ARN.
    pub(crate) fn at(visitor: &Visitor, app: &str) -> Self {
        Self {
            caller: visitor.context.caller.clone(),
            subject: Subject::App { profile: visitor.visit.profile_arn(), app: app.to_owned() },
            by: visitor.by.clone(),
        }
    }
}

/// The first page of an app.
fn front(app: &AppRecord) -> String {
    format!("{}/", Catalog::base(app.app_type.0))
}

/// The request as its app gets it.
fn outgoing(request: &HttpRequest, websocket: bool) -> Result<Request<Bytes>, Failure> {
    let target = match request.query.as_str() {
        "" => request.path.clone(),
        query => format!("{}?{query}", request.path),
    };
    let uri = target.parse::<Uri>();
    let uri = uri.map_err(|_| Failure::new("The address of the page cannot be understood."))?;
    let mut outgoing = Request::new(request.body.clone());
    *outgoing.method_mut() = request.method.clone();
    *outgoing.uri_mut() = uri;
    *outgoing.headers_mut() = proxy::for_app(&request.headers, websocket);
    Ok(outgoing)
}

pub(crate) fn is_websocket(request: &HttpRequest) -> bool {
    let upgrade = request.header(UPGRADE.as_str());
    request.method == Method::GET
        && upgrade.is_some_and(|value| value.trim().eq_ignore_ascii_case("websocket"))
}

/// Whether a browser says that the page that asks is not of this origin (RFC 6454). Programs other
/// than browsers say nothing.
pub(crate) fn is_of_another_origin(request: &HttpRequest) -> bool {
    let Some(origin) = request.headers.get(ORIGIN) else { return false };
    let scheme = if request.secure { "https" } else { "http" };
    let host = request.header(HOST.as_str()).unwrap_or_default();
    !origin.as_bytes().eq_ignore_ascii_case(format!("{scheme}://{host}").as_bytes())
}
