//! What a visitor does on the Studio home: calls of the API, made as Studio makes them, with a session
//! of the execution role and by the network of the visitor.
//!
//! Nothing is allowed here that would not be allowed to any client with that role: the calls go the
//! gate's way, with their own records, and what is refused is shown with the id to explain it by.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use form_urlencoded::Serializer;
use http::header::LOCATION;
use http::{Response, StatusCode};
use sagegate_api::sagemaker::AppType;
use sagegate_gate::{Caller, Context, Fault, HttpRequest, Refusal};
use sagegate_services::iam::service_role::{self, Entry};
use sagegate_services::sagemaker::app_door::{self, Way};
use sagegate_services::sagemaker::space_defaults;
use sagegate_services::sagemaker::studio::{Visit, let_in};
use serde_json::{Value, json};

use crate::door::{StudioDoor, Turned, Visitor, home_of};
use crate::record::{self, AppUse};
use crate::spaces::{self, SpaceView};
use crate::web::{redirect, set};

/// The service in whose name Studio assumes roles.
const SERVICE: &str = "sagemaker.amazonaws.com";
/// The name of the sessions (SPEC 2.6 quotes ARNs of them).
const SESSION: &str = "SageMaker";
/// The name of a space's app, as Studio gives it.
const APP: &str = "default";
/// For how long a session lasts in which one action is done.
const LIFE: Duration = Duration::from_secs(900);

/// What the visitor wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// A new private space.
    Create,
    /// To run a space's app.
    Run,
    /// To stop it.
    Stop,
    /// To let sessions from outside in, or no longer.
    RemoteAccess(bool),
    /// To open the app.
    Open,
    /// To connect from outside.
    Connect,
    /// To have the space be gone.
    Delete,
}

impl Action {
    /// The action of a path below the domain's, and the name of its space: `spaces`,
    /// `spaces/NAME/run` and so on.
    pub(crate) fn of_path(path: &str) -> Option<(Self, Option<&str>)> {
        let Some((name, action)) = path
            .strip_prefix("spaces")?
            .strip_prefix('/')
            .map_or_else(|| None, |rest| rest.split_once('/'))
        else {
            return (path == "spaces").then_some((Self::Create, None));
        };
        let action = match action {
            "run" => Self::Run,
            "stop" => Self::Stop,
            "remote-access-on" => Self::RemoteAccess(true),
            "remote-access-off" => Self::RemoteAccess(false),
            "open" => Self::Open,
            "connect" => Self::Connect,
            "delete" => Self::Delete,
            _ => return None,
        };
        Some((action, Some(name)))
    }
}

/// What became of an action.
pub(crate) enum Done {
    /// Go there.
    Go(Response<Bytes>),
    /// Go there; the record of this request is part of what it wrote.
    Recorded(Response<Bytes>),
    /// A session from outside is ready to be taken.
    Connect(Box<DeepLink>),
    /// It was not done: what to show.
    Not(Box<NotDone>),
}

/// A session from outside, as VS Code is told of it.
pub(crate) struct DeepLink {
    /// The whole link.
    pub(crate) link: String,
    /// The space's name.
    pub(crate) space: String,
}

/// Why an action was not done.
pub(crate) struct NotDone {
    /// In whose words: the API's.
    pub(crate) text: String,
    /// The call's id, by which it is explained.
    pub(crate) request_id: String,
    /// The HTTP status.
    pub(crate) status: u16,
}

/// A form's fields.
pub(crate) struct Form(BTreeMap<String, String>);

impl Form {
    /// Those of a body. Of several fields of one name the last counts.
    pub(crate) fn of(request: &HttpRequest) -> Self {
        Self(form_urlencoded::parse(&request.body).into_owned().collect())
    }

    /// A field that was filled in.
    fn field(&self, name: &str) -> Option<String> {
        self.0.get(name).map(|it| it.trim().to_owned()).filter(|it| !it.is_empty())
    }
}

impl StudioDoor {
    /// Does what the visitor wants.
    pub(crate) async fn act(
        &self,
        request: &HttpRequest,
        visitor: &Visitor,
        action: &Action,
        space: Option<&str>,
    ) -> Result<Done, Turned> {
        let form = Form::of(request);
        let view = match space {
            None => None,
            Some(name) => {
                let state = self.gate().store().snapshot()?;
                match spaces::named(&state, &visitor.visit, name)? {
                    Some(view) => Some(view),
                    None => {
                        let id = request.request_id.clone();
                        let text = format!("There is no space {name} that you can see.");
                        return Ok(not(text, id, 404));
                    }
                }
            }
        };
        match (action, view) {
            (Action::Create, _) => self.create(visitor, &form).await,
            (Action::Run, Some(view)) => self.run(visitor, &view, &form).await,
            (Action::Stop, Some(view)) => self.stop(visitor, &view).await,
            (Action::RemoteAccess(on), Some(view)) => self.remote(visitor, &view, *on).await,
            (Action::Open, Some(view)) => self.open(request, visitor, &view).await,
            (Action::Connect, Some(view)) => self.connect(visitor, &view).await,
            (Action::Delete, Some(view)) => {
                let members = json!({ "SpaceName": view.name });
                self.as_profile(visitor, "DeleteSpace", members, home(visitor)).await
            }
            (_, None) => Err(Turned::Failed(Fault::internal("an action without its space"))),
        }
    }

    async fn create(&self, visitor: &Visitor, form: &Form) -> Result<Done, Turned> {
        let name = form.field("name").unwrap_or_default();
        let mut settings = json!({
            "AppType": form.field("app").unwrap_or_else(|| AppType::JupyterLab.to_string()),
        });
        if form.field("remote-access").is_some()
            && let Some(settings) = settings.as_object_mut()
        {
            settings.insert("RemoteAccess".to_owned(), "ENABLED".into());
        }
        let members = json!({
            "SpaceName": name,
            "SpaceSettings": settings,
            "OwnershipSettings": { "OwnerUserProfileName": visitor.visit.profile.name },
            "SpaceSharingSettings": { "SharingType": "Private" },
        });
        self.as_profile(visitor, "CreateSpace", members, place(visitor, &name)).await
    }

    async fn run(&self, visitor: &Visitor, view: &SpaceView, form: &Form) -> Result<Done, Turned> {
        let mut members = json!({
            "SpaceName": view.name,
            "AppType": view.app_type.as_str(),
            "AppName": APP,
        });
        if let (Some(instance), Some(members)) = (form.field("instance"), members.as_object_mut()) {
            members.insert("ResourceSpec".to_owned(), json!({ "InstanceType": instance }));
        }
        self.as_profile(visitor, "CreateApp", members, place(visitor, &view.name)).await
    }

    async fn stop(&self, visitor: &Visitor, view: &SpaceView) -> Result<Done, Turned> {
        let members = json!({
            "SpaceName": view.name,
            "AppType": view.app_type.as_str(),
            "AppName": view.app.as_ref().map_or(APP, |app| &app.name),
        });
        self.as_profile(visitor, "DeleteApp", members, place(visitor, &view.name)).await
    }

    async fn remote(&self, visitor: &Visitor, view: &SpaceView, on: bool) -> Result<Done, Turned> {
        let members = json!({
            "SpaceName": view.name,
            "SpaceSettings": { "RemoteAccess": if on { "ENABLED" } else { "DISABLED" } },
        });
        self.as_profile(visitor, "UpdateSpace", members, place(visitor, &view.name)).await
    }

    /// Leads to the app's own origin, by the way by which the visitor has come.
    async fn open(
        &self,
        request: &HttpRequest,
        visitor: &Visitor,
        view: &SpaceView,
    ) -> Result<Done, Turned> {
        let id = request.request_id.clone();
        let Some(app) = view.in_service() else {
            let text = format!("Space {} has no running app to open.", view.name);
            return Ok(not(text, id, 409));
        };
        let gate = self.gate();
        let way = Way::of(&request.arrival);
        let visit = &visitor.visit;
        let address = gate
            .transact(|tx| let_in(app_door::door(tx, visit, &app.id, &way)))
            .await?
            .map_err(Turned::Away)?;
        // The listeners have followed by now.
        let origin = match app_door::origin(&gate.store().snapshot()?, address) {
            Ok(origin) => origin,
            Err(fault) => return Ok(not(fault.message, id, 503)),
        };
        let now = gate.env().now();
        let used = AppUse::at(visitor, &app.arn);
        let ticket = gate
            .transact_recorded(|tx, records| {
                let found = app_door::ticket(tx, gate.env(), now, visit, &app.id, address);
                let ticket = let_in(found)?;
                if ticket.is_ok() {
                    records.push(record::of_app(gate, request, &used));
                }
                Ok(ticket)
            })
            .await?
            .map_err(Turned::Away)?;
        let to = format!("{origin}/_sagegate/enter?ticket={}", ticket.reveal());
        Ok(Done::Recorded(see_other(&to)))
    }

    /// Asks for a session as the space's execution role, as the deep link of Studio does (SPEC R0.2).
    async fn connect(&self, visitor: &Visitor, view: &SpaceView) -> Result<Done, Turned> {
        let role = match view.in_service() {
            Some(app) => app.execution_role.clone(),
            // StartSession says what is missing.
            None => match self.role_of_space(visitor, view)? {
                Ok(role) => role,
                Err(not) => return Ok(Done::Not(not)),
            },
        };
        let members = json!({ "ResourceIdentifier": view.arn });
        let answer = match self.call(visitor, &role, "StartSession", &members).await? {
            Ok(answer) => answer,
            Err(not) => return Ok(Done::Not(not)),
        };
        let answered =
            |member: &str| answer.get(member).and_then(Value::as_str).unwrap_or_default();
        let app_type =
            if view.app_type == AppType::CodeEditor { "codeeditor" } else { "jupyterlab" };
        let visit = &visitor.visit;
        let query = Serializer::new(String::new())
            .append_pair("connection_identifier", &view.arn)
            .append_pair("domain", visit.domain.id.as_str())
            .append_pair("user_profile", &visit.profile.name)
            .append_pair("session", answered("SessionId"))
            .append_pair("ws_url", answered("StreamUrl"))
            .append_pair("cell-number", "1")
            .append_pair("token", answered("TokenValue"))
            .append_pair("app_type", app_type)
            .finish()
            // The Toolkit's reader of the link takes a plus for a plus.
            .replace('+', "%20");
        let link =
            format!("vscode://amazonwebservices.aws-toolkit-vscode/connect/sagemaker?{query}");
        Ok(Done::Connect(Box::new(DeepLink { link, space: view.name.clone() })))
    }

    /// A call about the visitor's domain as the profile's execution role, after which the visitor goes
    /// to `then`.
    async fn as_profile(
        &self,
        visitor: &Visitor,
        operation: &str,
        mut members: Value,
        then: String,
    ) -> Result<Done, Turned> {
        let role = match self.role_of(visitor)? {
            Ok(role) => role,
            Err(not) => return Ok(Done::Not(not)),
        };
        if let Some(members) = members.as_object_mut() {
            members.insert("DomainId".to_owned(), visitor.visit.domain.id.as_str().into());
        }
        Ok(match self.call(visitor, &role, operation, &members).await? {
            Ok(_) => Done::Go(see_other(&then)),
            Err(not) => Done::Not(not),
        })
    }

    fn role_of(&self, visitor: &Visitor) -> Result<Result<String, Box<NotDone>>, Turned> {
        let role = visitor.visit.settings()?.execution_role;
        let text = "Your user profile has no execution role, and neither has its domain.";
        Ok(role.ok_or_else(|| no_role(visitor, text.to_owned())))
    }

    /// The role that an app of this space would have if it were started now.
    fn role_of_space(
        &self,
        visitor: &Visitor,
        view: &SpaceView,
    ) -> Result<Result<String, Box<NotDone>>, Turned> {
        let state = self.gate().store().snapshot()?;
        let visit = &visitor.visit;
        let role =
            space_defaults::role_of_space(&state, &visit.scope, &visit.domain.id, &view.name)?;
        let text =
            format!("Space {} has no execution role, and neither has its domain.", view.name);
        Ok(role.ok_or_else(|| no_role(visitor, text)))
    }

    /// A call of the API with a session of `role`, which carries the keys of this domain and profile.
    async fn call(
        &self,
        visitor: &Visitor,
        role: &str,
        operation: &str,
        members: &Value,
    ) -> Result<Result<Value, Box<NotDone>>, Turned> {
        let gate = self.gate();
        let request_id = gate.env().uuid();
        let refuse = |text: String, status: u16| {
            Ok(Err(Box::new(NotDone { text, request_id: request_id.clone(), status })))
        };
        let caller = match self.studio_role(&visitor.visit, role).await {
            Ok(caller) => caller,
            Err(fault) if fault.sender => return refuse(fault.message, fault.status),
            Err(fault) => return Err(fault.into()),
        };
        let context = Arc::new(Context {
            caller,
            request_id: request_id.clone(),
            user_agent: "studio.sagemaker.aws".to_owned(),
            now: gate.env().now(),
            ..visitor.context.clone()
        });
        match gate.call_json(&context, &format!("SageMaker.{operation}"), members).await {
            Ok(output) => Ok(Ok(output)),
            Err(Refusal::Denied(denial)) => refuse(denial.text(), 403),
            Err(Refusal::Fault(fault)) if fault.sender => refuse(fault.message, fault.status),
            Err(Refusal::Fault(fault)) => Err(fault.into()),
            Err(Refusal::Unread(error)) => refuse(error.message, error.status),
        }
    }

    /// Studio's session of a role.
    async fn studio_role(&self, visit: &Visit, role: &str) -> Result<Caller, Fault> {
        let keys = BTreeMap::from([
            ("sagemaker:DomainId".to_owned(), visit.domain.id.to_string()),
            ("sagemaker:UserProfileName".to_owned(), visit.profile.name.clone()),
        ]);
        let entry = Entry {
            role_arn: role,
            service: SERVICE,
            source_arn: &visit.domain.id.arn(&visit.scope),
            session_name: SESSION,
            keys,
            source_identity: None,
            life: LIFE,
        };
        Ok(service_role::enter(self.gate(), &visit.scope, &entry).await?.caller)
    }
}

fn not(text: String, request_id: String, status: u16) -> Done {
    Done::Not(Box::new(NotDone { text, request_id, status }))
}

fn no_role(visitor: &Visitor, text: String) -> Box<NotDone> {
    Box::new(NotDone { text, request_id: visitor.context.request_id.clone(), status: 400 })
}

fn home(visitor: &Visitor) -> String {
    home_of(&visitor.visit.domain.id)
}

/// The place of a space on the home page.
fn place(visitor: &Visitor, space: &str) -> String {
    let letter = |it: &char| it.is_ascii_alphanumeric() || *it == '-';
    let name: String = space.chars().filter(letter).collect();
    format!("{}#space-{name}", home(visitor))
}

/// To a page, by GET, after something was done (RFC 9110, section 15.4.4).
fn see_other(to: &str) -> Response<Bytes> {
    let mut response = redirect(to);
    *response.status_mut() = StatusCode::SEE_OTHER;
    set(&mut response, LOCATION, to);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_told_by_its_path() {
        assert_eq!(Action::of_path("spaces"), Some((Action::Create, None)));
        assert_eq!(Action::of_path("spaces/mine/run"), Some((Action::Run, Some("mine"))));
        assert_eq!(
            Action::of_path("spaces/mine/remote-access-off"),
            Some((Action::RemoteAccess(false), Some("mine")))
        );
        for other in ["", "spacesx", "spaces/", "spaces/mine", "spaces/mine/fly", "x/mine/run"] {
            assert_eq!(Action::of_path(other), None, "{other}");
        }
    }
}
