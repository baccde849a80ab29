//! The doors of notebook instances: a presigned URL becomes a session, and a session leads to the
//! JupyterLab that runs.
//!
//! As behind the doors of apps, a URL or a cookie only says who asked for it. The permission for
//! CreatePresignedNotebookInstanceUrl is decided anew on every request and on every frame of a
//! WebSocket, with the policies of that moment and the network by which the request came (SageMaker
//! API, that operation; SPEC T7).

use bytes::Bytes;
use http::header::SET_COOKIE;
use http::{Method, Response, StatusCode};
use sagegate_gate::{Fault, HttpRequest, Refusal, Scope};
use sagegate_services::sagemaker::notebook_token::{
    self, COOKIE, NotebookDoor, NotebookNotAdmitted, NotebookRefused, NotebookVisit,
};
use sagegate_services::sagemaker::records::DoorOf;
use sagegate_services::sagemaker::site;
use sagegate_store::{Read, Snapshot, StoreError};

use crate::app::{Entrance, is_of_another_origin, is_websocket};
use crate::door::{Refusing, StudioDoor, Turned, host};
use crate::pages;
use crate::record::{self, AppUse, Subject};
use crate::reply::Reply;
use crate::web::{
    Unrecognised, cookies_named, not_allowed, page, parameter, recognised, redirect,
    session_cookie, set,
};

/// The parameter of a presigned URL that has its token.
const TOKEN: &str = "authToken";
/// The first page of a notebook instance.
const FRONT: &str = "/lab";

/// The door of a notebook instance that a request came by, if it is one. The socket says it; only what
/// came by another public address, to which DNS leads the documented host names, is told apart by the
/// name. Tokens and sessions are bound to their notebook instance whatever the client says.
///
/// # Errors
/// A [`Fault`] of the store.
pub(crate) fn door_of(
    state: &dyn Read,
    request: &HttpRequest,
) -> Result<Option<NotebookDoor>, Fault> {
    if request.arrival.endpoint().is_some() {
        return Ok(None);
    }
    let door = match site::door_at(state, request.local)? {
        Some(door) => Some(door),
        None => site::notebook_door_named(state, host(request))?,
    };
    Ok(door.and_then(|door| match door.of {
        DoorOf::Notebook(name) => {
            Some(NotebookDoor { scope: Scope { account: door.account, region: door.region }, name })
        }
        DoorOf::Domain(_) => None,
    }))
}

/// Why a visitor is not let in.
pub(crate) enum NotebookTurned {
    /// Nobody is recognised, or there is nothing to come to.
    Away(NotebookNotAdmitted),
    /// As at the other doors.
    As(Turned),
}

impl From<NotebookRefused> for NotebookTurned {
    fn from(refused: NotebookRefused) -> Self {
        match refused {
            NotebookRefused::NotAdmitted(reason) => Self::Away(reason),
            NotebookRefused::Fault(fault) => Self::As(Turned::Failed(fault)),
        }
    }
}

impl From<Fault> for NotebookTurned {
    fn from(fault: Fault) -> Self {
        Self::As(Turned::Failed(fault))
    }
}

impl From<StoreError> for NotebookTurned {
    fn from(error: StoreError) -> Self {
        Self::from(Fault::from(error))
    }
}

impl NotebookTurned {
    /// Why a frame may not pass, for the client.
    pub(crate) fn in_short(&self) -> String {
        match self {
            Self::Away(reason) => reason.to_string(),
            Self::As(turned) => turned.in_short(),
        }
    }
}

impl Unrecognised for NotebookTurned {
    const NOBODY: Self = Self::Away(NotebookNotAdmitted::Unknown);

    fn weight(&self) -> u8 {
        match self {
            Self::Away(NotebookNotAdmitted::Unknown) => 0,
            Self::Away(_) => 1,
            Self::As(turned) => turned.weight(),
        }
    }

    fn is_failure(&self) -> bool {
        matches!(self, Self::As(turned) if turned.is_failure())
    }
}

impl StudioDoor {
    /// Answers one request at the door of a notebook instance.
    pub(crate) async fn serve_notebook(&self, request: &HttpRequest, door: &NotebookDoor) -> Reply {
        match self.route_notebook(request, door).await {
            Ok(reply) => reply,
            Err(turned) => self.turned_from_notebook(request, turned).into(),
        }
    }

    async fn route_notebook(
        &self,
        request: &HttpRequest,
        door: &NotebookDoor,
    ) -> Result<Reply, NotebookTurned> {
        if request.path == "/"
            && let Some(token) = parameter(&request.query, TOKEN)
        {
            // A HEAD request, as link checkers send it, must not use the URL up.
            return match request.method {
                Method::GET => Ok(self.enter_notebook(request, door, &token).await?.into()),
                _ => Ok(not_allowed("GET").into()),
            };
        }
        let (used, visit) = self.notebook_visitor(request, door)?;
        if request.path == "/" && matches!(request.method, Method::GET | Method::HEAD) {
            record::used_app(self.gate(), request, &used);
            return Ok(redirect(FRONT).into());
        }
        // Another page of the browser may call it, but not speak to it as its visitor.
        if (is_websocket(request) || !request.method.is_safe()) && is_of_another_origin(request) {
            record::used_app(self.gate(), request, &used);
            return Ok(page(StatusCode::FORBIDDEN, pages::other_origin()).into());
        }
        let entrance = Entrance::Notebook(door.clone());
        Ok(self.hand_on(request, entrance, used, &visit.notebook.run.id).await)
    }

    /// `/?authToken=…`: decides the visit, uses the token up, and begins the session.
    async fn enter_notebook(
        &self,
        request: &HttpRequest,
        door: &NotebookDoor,
        token: &str,
    ) -> Result<Response<Bytes>, NotebookTurned> {
        let gate = self.gate();
        let state = gate.store().snapshot()?;
        let now = gate.env().now();
        // A refused visit does not use the URL up: its owner may come again by the right network.
        let visit = notebook_token::token(&state, gate.vault(), now, door, token)?;
        let used = self.decide_notebook(request, &state, &visit)?;
        let opened = gate
            .transact_recorded(|tx, records| {
                match notebook_token::redeem(tx, (gate.env(), gate.vault()), now, door, token) {
                    Ok(opened) => {
                        records.push(record::of_entry(gate, request, &used));
                        Ok(Ok(opened))
                    }
                    // Nothing is written then.
                    Err(NotebookRefused::NotAdmitted(reason)) => Ok(Err(reason)),
                    Err(NotebookRefused::Fault(fault)) => Err(fault),
                }
            })
            .await?
            .map_err(NotebookTurned::Away)?;
        let mut response = redirect(FRONT);
        let cookie = session_cookie(request, COOKIE, opened.cookie.reveal(), "/", opened.max_age);
        set(&mut response, SET_COOKIE, &cookie);
        Ok(response)
    }

    /// The visitor of a notebook instance: recognised by a cookie, and allowed to be here now.
    pub(crate) fn notebook_visitor(
        &self,
        request: &HttpRequest,
        door: &NotebookDoor,
    ) -> Result<(AppUse, NotebookVisit), NotebookTurned> {
        let gate = self.gate();
        let state = gate.store().snapshot()?;
        recognised(cookies_named(request, COOKIE), |cookie| {
            let now = gate.env().now();
            let visit = notebook_token::session(&state, gate.vault(), now, door, cookie)?;
            Ok((self.decide_notebook(request, &state, &visit)?, visit))
        })
    }

    /// Whether the principal behind a visit may be here by this request's network, decided anew.
    fn decide_notebook(
        &self,
        request: &HttpRequest,
        state: &Snapshot,
        visit: &NotebookVisit,
    ) -> Result<AppUse, NotebookTurned> {
        let context = self
            .context_of(request, visit.caller.clone())?
            .ok_or(NotebookTurned::Away(NotebookNotAdmitted::Gone))?;
        let arn = visit.notebook.arn(&visit.scope);
        match self.gate().check(&context, visit.needs(state)?) {
            Ok(granted) => Ok(AppUse {
                caller: context.caller,
                subject: Subject::Notebook(arn),
                by: granted.to_json(),
            }),
            Err(Refusal::Denied(denial)) => {
                let subject = Subject::Notebook(arn);
                let refusing = Refusing { denial, caller: context.caller, subject };
                Err(NotebookTurned::As(Turned::Refused(Box::new(refusing))))
            }
            Err(Refusal::Fault(fault)) => Err(fault.into()),
            Err(Refusal::Unread(error)) => Err(Fault::internal(error.to_string()).into()),
        }
    }

    /// The page for whom a notebook instance's door is closed.
    pub(crate) fn turned_from_notebook(
        &self,
        request: &HttpRequest,
        turned: NotebookTurned,
    ) -> Response<Bytes> {
        match turned {
            // There is no sign-in page here: a visitor comes with a presigned URL.
            NotebookTurned::Away(reason) => {
                let (text, nobody) = (reason.to_string(), "not asked: nobody was recognised");
                record::unknown_at_notebook(self.gate(), request, &text, nobody);
                page(StatusCode::UNAUTHORIZED, pages::notebook_away(&text))
            }
            NotebookTurned::As(turned) => self.turned(request, turned),
        }
    }
}
