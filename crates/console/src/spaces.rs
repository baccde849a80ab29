//! What the Studio home shows of spaces: those that the visitor's profile owns, and those that its
//! domain shares.
//!
//! Whoever may be here may see them: they are part of the page, decided as the page is. What changes
//! something goes through the API ([`crate::actions`]).

use sagegate_api::sagemaker::{AppStatus, AppType, SharingType, SpaceStatus};
use sagegate_gate::env::Time;
use sagegate_gate::{Fault, Vault};
use sagegate_services::sagemaker::app_door;
use sagegate_services::sagemaker::sessions::{self, State};
use sagegate_services::sagemaker::space_records::{self, AppRecord, SPACES, SpaceRecord};
use sagegate_services::sagemaker::studio::Visit;
use sagegate_store::Read;

/// A space as the page shows it.
#[derive(Debug, Clone)]
pub(crate) struct SpaceView {
    pub(crate) name: String,
    pub(crate) shown_name: Option<String>,
    pub(crate) arn: String,
    pub(crate) owner: Option<String>,
    pub(crate) shared: bool,
    pub(crate) status: SpaceStatus,
    pub(crate) failure: Option<String>,
    /// The kind of app that it runs.
    pub(crate) app_type: AppType,
    pub(crate) remote_access: bool,
    pub(crate) app: Option<AppView>,
    pub(crate) connected: Vec<Connection>,
}

/// The app of a space as the page shows it.
#[derive(Debug, Clone)]
pub(crate) struct AppView {
    pub(crate) arn: String,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) status: AppStatus,
    pub(crate) failure: Option<String>,
    pub(crate) instance: String,
    pub(crate) active: Option<Time>,
    /// Whether sessions from outside lead to it.
    pub(crate) remote_access: bool,
    /// The role whose session a session from outside is asked for with (SPEC R0.2).
    pub(crate) execution_role: String,
}

/// A session from outside.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    pub(crate) who: String,
    pub(crate) from: String,
    pub(crate) since: Time,
}

impl SpaceView {
    /// Whether its app runs, is to run, or is stopping.
    pub(crate) fn is_moving(&self) -> bool {
        let app = self.app.as_ref().map(|app| app.status);
        matches!(app, Some(AppStatus::Pending | AppStatus::Deleting))
            || !matches!(self.status, SpaceStatus::InService | SpaceStatus::Failed)
    }

    pub(crate) fn in_service(&self) -> Option<&AppView> {
        self.app.as_ref().filter(|app| app.status == AppStatus::InService)
    }
}

/// The spaces of a visit, by name.
///
/// # Errors
/// A [`Fault`] of the store.
pub(crate) fn of_visit(
    state: &dyn Read,
    vault: &Vault,
    now: Time,
    visit: &Visit,
) -> Result<Vec<SpaceView>, Fault> {
    let (scope, domain) = (&visit.scope, &visit.domain.id);
    let prefix = (scope.account.as_str(), scope.region.as_str(), domain.as_str());
    let mut out = Vec::new();
    for (_, space) in SPACES.scan(state, &prefix, None, usize::MAX)? {
        if !is_shown(visit, &space) {
            continue;
        }
        let connected = sessions::of_space(state, vault, scope, &space, now)?
            .into_iter()
            .filter_map(|it| match it.state {
                State::Open { since } => {
                    Some(Connection { who: it.caller.arn(), from: it.source.address, since })
                }
                State::Waiting { .. } | State::Ended { .. } => None,
            })
            .collect();
        out.push(view(state, visit, &space, connected)?);
    }
    Ok(out)
}

/// The space of this name, if the visitor sees it.
///
/// # Errors
/// A [`Fault`] of the store.
pub(crate) fn named(
    state: &dyn Read,
    visit: &Visit,
    name: &str,
) -> Result<Option<SpaceView>, Fault> {
    let space = space_records::space(state, &visit.scope, &visit.domain.id, name)?;
    let space = space.filter(|space| is_shown(visit, space));
    space.map(|space| view(state, visit, &space, Vec::new())).transpose()
}

fn is_shown(visit: &Visit, space: &SpaceRecord) -> bool {
    let owned = |owner: &str| owner.eq_ignore_ascii_case(&visit.profile.name);
    space.private_to().is_none_or(owned)
}

fn view(
    state: &dyn Read,
    visit: &Visit,
    space: &SpaceRecord,
    connected: Vec<Connection>,
) -> Result<SpaceView, Fault> {
    let settings = &space.settings.0;
    let app_type = settings.app_type.unwrap_or(AppType::JupyterLab);
    let apps = space_records::apps_of(state, &visit.scope, &space.domain, &space.as_owner())?;
    let youngest = apps.into_iter().rev().find(|app| app.app_type.0 == app_type);
    let app = youngest.filter(|app| app.status.0 != AppStatus::Deleted);
    let app = match app {
        Some(app) if app_door::may_open(state, visit, &app)? => Some(app_view(visit, app)),
        _ => None,
    };
    Ok(SpaceView {
        arn: space.arn(&visit.scope),
        shown_name: space.display_name.clone(),
        owner: space.owner.clone(),
        shared: space.sharing.map(|it| it.0) != Some(SharingType::Private),
        status: space.status.0,
        failure: space.failure_reason.clone(),
        app_type,
        remote_access: space.remote_access(),
        app,
        connected,
        name: space.name.clone(),
    })
}

fn app_view(visit: &Visit, app: AppRecord) -> AppView {
    AppView {
        arn: app.arn(&visit.scope),
        id: app.id,
        name: app.name,
        status: app.status.0,
        failure: app.failure_reason,
        instance: app.instance_type,
        active: app.active,
        remote_access: app.remote_access,
        execution_role: app.execution_role,
    }
}
