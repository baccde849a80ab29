//! What should run, for those who make it run, and what they see of it.
//!
//! A runtime knows nothing of spaces: it is given [`desired`] and brings into being what is there and
//! not yet running, stops what is to stop, and stops what runs and is not there at all. What it sees it
//! tells by [`report`], which is the only way by which an app's status follows.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sagegate_api::sagemaker::{AppNetworkAccessType, AppStatus, AppType};
use sagegate_gate::env::Time;
use sagegate_gate::{AccountId, Fault, Region, Scope, Within};
use sagegate_store::{Read, Tx};

use super::ids::DomainId;
use super::notebook_records::NOTEBOOKS;
use super::notebook_workload;
use super::records::{DOMAINS, KEPT_HOMES, PROFILES};
use super::sessions;
use super::shapes::Word;
use super::space_records::{self, APPS, AppRecord, SPACES};
use super::{app_interfaces, image_version, records, space_records as spaces};

pub use super::image_version::ChosenImage;
pub use super::notebook_workload::{DesiredNotebook, notebooks};
pub use super::space_records::Owner;

/// The tables that [`desired`], [`notebooks`] and [`homes`] are made of: what a reaction has to watch.
pub const TABLES: &[&str] = &[
    APPS.name(),
    SPACES.name(),
    PROFILES.name(),
    DOMAINS.name(),
    KEPT_HOMES.name(),
    NOTEBOOKS.name(),
];

/// The longest `FailureReason` (SPEC 2.4), in characters.
const REASON: usize = 1_024;

/// Whether something is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// It is to run.
    Run,
    /// It is to be stopped, and [`Observed::Stopped`] to be reported once it is, also where it never
    /// ran.
    Stop,
}

/// An app that is to run or to stop.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// The incarnation's id, of `a-z`, `0-9` and `-`, at most 64 characters. Never given twice.
    pub id: String,
    /// The account and region.
    pub scope: Scope,
    /// The domain.
    pub domain: DomainId,
    /// The space or user profile that the app belongs to.
    pub owner: Owner,
    /// The id of the home directory, of `a-z`, `0-9` and `-`: that of the owner's incarnation.
    pub home: String,
    /// The kind of app.
    pub app_type: AppType,
    /// The app's name.
    pub app_name: String,
    /// The app's ARN.
    pub app_arn: String,
    /// The ARN of the space or user profile.
    pub owner_arn: String,
    /// The user profile whose `sagemaker:UserProfileName` the credentials inside carry; nothing for a
    /// shared space, whose credentials have `sagemaker:DomainId` alone (SPEC 3.1).
    pub profile: Option<String>,
    /// The ARN of the execution role.
    pub execution_role: String,
    /// The instance type, such as `ml.t3.large`.
    pub instance_type: String,
    /// The version of an image of the account that it is to run in, where it names one.
    pub image: Option<ChosenImage>,
    /// A script to run before `lifecycle_script`: that of the built-in lifecycle configuration.
    pub built_in_lifecycle_script: Option<Vec<u8>>,
    /// A script to run before the app starts.
    pub lifecycle_script: Option<Vec<u8>>,
    /// The size of the space's volume, in GiB.
    pub volume_gb: Option<i32>,
    /// After how many minutes without activity to ask [`shut_down`].
    pub idle_minutes: Option<u32>,
    /// Whether sessions may be opened into it at the moment.
    pub remote_access: bool,
    /// By which network it reaches the internet.
    pub network: AppNetworkAccessType,
    /// Its network interface in a subnet, `eni-…`, where the domain is VpcOnly.
    pub interface: Option<String>,
    /// Whether it is to run.
    pub state: Wanted,
}

/// What a runtime sees of an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observed {
    /// The app itself answers.
    Serving,
    /// It could not be started, or has ended by itself: what its user is to read as `FailureReason`.
    /// Nothing of it runs any more.
    Failed(String),
    /// Nothing of it runs any more, as was wanted.
    Stopped,
    /// Its user did something at this time.
    Active(Time),
}

/// Everything that is to run, or to be stopped, of all accounts. What runs and is not among it is
/// nobody's and is to be stopped without a report.
///
/// An app whose name was given to a new one while it is still stopping keeps the new one out until
/// [`Observed::Stopped`] has been reported of it: the two would share a home.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn desired(state: &dyn Read) -> Result<Vec<Desired>, Fault> {
    let mut out: Vec<Desired> = Vec::new();
    let found = APPS.scan(state, &(), None, usize::MAX)?;
    let stopping: Vec<&AppRecord> =
        found.iter().map(|(_, it)| it).filter(|it| it.status.0 == AppStatus::Deleting).collect();
    for ((account, region, _, _), app) in &found {
        let wanted = match app.status.0 {
            AppStatus::Pending if stopping.iter().any(|old| keeps_out(old, app)) => continue,
            AppStatus::Pending | AppStatus::InService => Wanted::Run,
            AppStatus::Deleting => Wanted::Stop,
            AppStatus::Failed | AppStatus::Deleted => continue,
        };
        let internal = |it: sagegate_gate::ids::InvalidId| Fault::internal(it.to_string());
        let scope = Scope {
            account: AccountId::parse(account).map_err(internal)?,
            region: Region::parse(region).map_err(internal)?,
        };
        let Some(domain) = records::domain(state, &scope, &app.domain)? else { continue };
        out.push(Desired {
            id: app.id.clone(),
            domain: app.domain.clone(),
            owner: app.owner.clone(),
            home: app.owner.home(),
            app_type: app.app_type.0,
            app_name: app.name.clone(),
            app_arn: app.arn(&scope),
            owner_arn: app.owner.arn(&scope, &app.domain),
            profile: app.profile.clone(),
            execution_role: app.execution_role.clone(),
            instance_type: app.instance_type.clone(),
            image: image_version::chosen(state, &scope, &app.spec.0)?,
            built_in_lifecycle_script: script(app.built_in_script.as_deref())?,
            lifecycle_script: script(app.script.as_deref())?,
            volume_gb: app.volume_gb,
            idle_minutes: app.idle_minutes,
            remote_access: lets_in(state, &scope, app)?,
            network: domain.app_network_access_type.0,
            interface: app.interface.clone(),
            state: wanted,
            scope,
        });
    }
    Ok(out)
}

/// Whether an app that is stopping has what a new one would take.
pub(super) fn keeps_out(old: &AppRecord, new: &AppRecord) -> bool {
    if old.id == new.id || old.owner != new.owner || old.app_type != new.app_type {
        return false;
    }
    // Of KernelGateway an owner may have several at once.
    new.app_type.0 != AppType::KernelGateway || new.is_named(old.app_type.0, &old.name)
}

fn script(stored: Option<&str>) -> Result<Option<Vec<u8>>, Fault> {
    let decoded = stored.map(|it| STANDARD.decode(it)).transpose();
    decoded.map_err(|_| Fault::internal("the lifecycle script of an app is not base64"))
}

/// Whether sessions may be opened into this app: its space's `RemoteAccess` is ENABLED, and was when
/// the app was started (REMOTE-ACCESS 2.1: switching it on takes a restart).
pub(super) fn lets_in(state: &dyn Read, scope: &Scope, app: &AppRecord) -> Result<bool, Fault> {
    if !app.remote_access || !app.owner.is_space() {
        return Ok(false);
    }
    let space = spaces::space(state, scope, &app.domain, app.owner.name())?;
    Ok(space.is_some_and(|it| it.incarnation == app.owner.incarnation() && it.remote_access()))
}

/// The ids of all home directories that are to stay: those of spaces, user profiles and notebook
/// instances, and those that a domain's file system still holds, also after the domain was deleted with
/// a `RetentionPolicy` that retains it. A home that is not among them can go.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn homes(state: &dyn Read) -> Result<Vec<String>, Fault> {
    let spaces = SPACES.scan(state, &(), None, usize::MAX)?;
    let mut homes: Vec<String> = spaces.iter().map(|(_, it)| it.as_owner().home()).collect();
    for (_, it) in PROFILES.scan(state, &(), None, usize::MAX)? {
        homes.push(Owner::Profile { name: it.name, incarnation: it.incarnation }.home());
    }
    let kept = KEPT_HOMES.scan(state, &(), None, usize::MAX)?;
    homes.extend(kept.into_iter().map(|((.., home), ())| home));
    homes.extend(notebook_workload::notebook_homes(state)?);
    Ok(homes)
}

/// Takes down what was seen of an app, or of a run of a notebook instance. What is seen of one that is
/// not known (any more), and what comes too late to matter, changes nothing. The network interface of
/// an app goes with what runs.
///
/// # Errors
/// A [`Fault`] of the store; that of EC2 where the interface cannot be removed.
pub fn report(tx: &mut Tx, within: Within<'_>, id: &str, what: &Observed) -> Result<(), Fault> {
    let now = within.now();
    let Some((scope, mut app)) = space_records::app_with_id(tx, id)? else {
        return notebook_workload::report(tx, id, what, now);
    };
    match (what, app.status.0) {
        (Observed::Serving, AppStatus::InService)
            if app.healthy.is_some_and(|it| fresh(it, now)) =>
        {
            return Ok(());
        }
        (Observed::Serving, AppStatus::Pending | AppStatus::InService) => {
            app.status = Word(AppStatus::InService);
            app.healthy = Some(now);
        }
        (Observed::Failed(reason), AppStatus::Pending | AppStatus::InService) => {
            app_interfaces::remove(tx, within, &scope, &mut app)?;
            sessions::end_of_workload(tx, &scope, &app, now, "The app has failed.")?;
            app.status = Word(AppStatus::Failed);
            app.failure_reason = Some(reason.chars().take(REASON).collect());
        }
        (Observed::Stopped | Observed::Failed(_), AppStatus::Deleting) => {
            app_interfaces::remove(tx, within, &scope, &mut app)?;
            return spaces::bury_app(tx, &scope, app, now);
        }
        (Observed::Stopped, AppStatus::Pending | AppStatus::InService) => {
            app_interfaces::remove(tx, within, &scope, &mut app)?;
            sessions::end_of_workload(tx, &scope, &app, now, "The app has stopped.")?;
            app.status = Word(AppStatus::Failed);
            app.failure_reason = Some("The app has stopped. Delete it and create it anew.".into());
        }
        (Observed::Active(at), AppStatus::InService) if app.active.is_none_or(|it| it < *at) => {
            app.active = Some(*at);
        }
        _ => return Ok(()),
    }
    Ok(spaces::put_app(tx, &scope, &app)?)
}

/// Whether a sign of health is too young to be worth a write of the next.
fn fresh(last: Time, now: Time) -> bool {
    now < last.plus_seconds(60)
}

/// Has an app stop that has been idle for as long as it may be. Nothing happens to one that is not
/// InService.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn shut_down(tx: &mut Tx, id: &str, now: Time) -> Result<(), Fault> {
    let Some((scope, app)) = space_records::app_with_id(tx, id)? else { return Ok(()) };
    if app.status.0 != AppStatus::InService {
        return Ok(());
    }
    stop(tx, &scope, app, now, "The app was idle and has been shut down.")
}

/// Has an app stop, and all sessions into it end.
pub(super) fn stop(
    tx: &mut Tx,
    scope: &Scope,
    mut app: AppRecord,
    now: Time,
    reason: &str,
) -> Result<(), Fault> {
    sessions::end_of_workload(tx, scope, &app, now, reason)?;
    app.status = Word(AppStatus::Deleting);
    Ok(spaces::put_app(tx, scope, &app)?)
}
