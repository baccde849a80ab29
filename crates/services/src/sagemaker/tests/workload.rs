//! What should run, and what becomes of what is seen of it.

use sagegate_gate::env::Time;

use super::*;
use crate::sagemaker::workload::{self, Desired, Observed, Wanted};
use sagegate_api::sagemaker::AppStatus;

impl Estate {
    fn desired(&self) -> Vec<Desired> {
        workload::desired(&self.house.state()).unwrap()
    }

    fn wanted(&self) -> Vec<(String, Wanted)> {
        self.desired().into_iter().map(|it| (it.id, it.state)).collect()
    }

    pub(super) fn report(&self, id: &str, what: &Observed) {
        self.house.within(|tx, within| workload::report(tx, within, id, what));
    }

    pub(super) fn stored(&self, id: &str) -> Option<AppRecord> {
        space_records::app_with_id(&self.house.state(), id).unwrap().map(|(_, it)| it)
    }

    fn status(&self, id: &str) -> Option<AppStatus> {
        self.stored(id).map(|it| it.status.0)
    }

    fn set_status(&self, app: &AppRecord, status: AppStatus) {
        let changed = AppRecord { status: Word(status), ..app.clone() };
        let scope = self.house.scope();
        self.house.transact(|tx| Ok(space_records::put_app(tx, &scope, &changed)?));
    }
}

fn estate() -> (Estate, SpaceRecord) {
    let estate = Estate::new();
    let id = estate.domain("team");
    estate.profile(&id, "Ann");
    let space = stored_space(&estate, &id, "My-Space", "Ann");
    (estate, space)
}

#[test]
fn an_app_is_wanted_with_everything_that_it_runs_with() {
    let (estate, space) = estate();
    let app = stored_app(&estate, &space, AppStatus::Pending);
    let found = estate.desired();
    let [it] = found.as_slice() else { panic!("{found:?}") };
    let domain = &space.domain;
    let arn = |rest: &str| format!("arn:aws:sagemaker:us-west-2:123456789012:{rest}");
    assert_eq!(it.id, app.id);
    assert!(it.id.len() <= 64 && it.id.bytes().all(|it| it == b'-' || it.is_ascii_alphanumeric()));
    assert_eq!(it.app_arn, arn(&format!("app/{domain}/My-Space/jupyterlab/default")));
    assert_eq!(it.owner_arn, arn(&format!("space/{domain}/My-Space")));
    assert_eq!(it.home, format!("space-{}", space.incarnation));
    assert_eq!(it.profile.as_deref(), Some("Ann"));
    assert_eq!(it.lifecycle_script.as_deref(), Some(&b"echo hi"[..]));
    assert_eq!(it.built_in_lifecycle_script, None);
    assert_eq!(it.network, api::AppNetworkAccessType::PublicInternetOnly);
    assert_eq!((it.volume_gb, it.idle_minutes), (Some(5), Some(60)));
    assert_eq!((it.state, it.remote_access), (Wanted::Run, true));
    assert!(workload::homes(&estate.house.state()).unwrap().contains(&it.home));
}

#[test]
fn an_apps_status_follows_what_is_seen_of_it() {
    let (estate, space) = estate();
    let app = stored_app(&estate, &space, AppStatus::Pending);
    let id = app.id.as_str();
    estate.report("app-unknown", &Observed::Serving);
    // Nobody can have been active in what does not serve yet.
    estate.report(id, &Observed::Active(START));
    assert_eq!(estate.stored(id).unwrap().active, None);
    estate.report(id, &Observed::Serving);
    assert_eq!(estate.status(id), Some(AppStatus::InService));
    assert_eq!(estate.stored(id).unwrap().healthy, Some(START));
    estate.report(id, &Observed::Active(START.plus_seconds(9)));
    estate.report(id, &Observed::Active(START.plus_seconds(3)));
    assert_eq!(estate.stored(id).unwrap().active, Some(START.plus_seconds(9)));
    assert_eq!(estate.wanted(), [(app.id.clone(), Wanted::Run)]);
    estate.set_status(&app, AppStatus::Deleting);
    assert_eq!(estate.wanted(), [(app.id.clone(), Wanted::Stop)]);
    // A late sign of life changes nothing.
    estate.report(id, &Observed::Serving);
    assert_eq!(estate.status(id), Some(AppStatus::Deleting));
    estate.report(id, &Observed::Stopped);
    assert_eq!(estate.status(id), Some(AppStatus::Deleted));
    assert_eq!(estate.stored(id).unwrap().deleted, Some(START));
    assert!(estate.wanted().is_empty());
    estate.report(id, &Observed::Failed("late".into()));
    assert_eq!(estate.status(id), Some(AppStatus::Deleted));
}

#[test]
fn what_has_failed_is_not_wanted_and_says_why() {
    let (estate, space) = estate();
    let app = stored_app(&estate, &space, AppStatus::Pending);
    estate.report(&app.id, &Observed::Failed("x".repeat(5_000)));
    let failed = estate.stored(&app.id).unwrap();
    assert_eq!(failed.status.0, AppStatus::Failed);
    assert_eq!(failed.failure_reason.unwrap().len(), 1_024);
    assert!(estate.wanted().is_empty());
    let other = stored_app(&estate, &space, AppStatus::InService);
    estate.report(&other.id, &Observed::Stopped);
    assert_eq!(estate.status(&other.id), Some(AppStatus::Failed));
}

#[test]
fn a_new_app_waits_until_the_old_one_of_its_name_has_stopped() {
    let (estate, space) = estate();
    let old = stored_app(&estate, &space, AppStatus::Deleting);
    let new = stored_app(&estate, &space, AppStatus::Pending);
    assert_eq!(estate.wanted(), [(old.id.clone(), Wanted::Stop)]);
    estate.report(&old.id, &Observed::Stopped);
    assert_eq!(estate.wanted(), [(new.id.clone(), Wanted::Run)]);
    // The one under whose name there is another is not told about any more.
    assert!(estate.stored(&old.id).is_none());
}

#[test]
fn a_deleted_app_is_shown_for_a_day() {
    let (estate, space) = estate();
    let app = stored_app(&estate, &space, AppStatus::Deleting);
    estate.report(&app.id, &Observed::Stopped);
    let shown = |now: Time| {
        let (state, scope) = (estate.house.state(), estate.house.scope());
        let kind = (api::AppType::JupyterLab, "DEFAULT");
        let owner = space.as_owner();
        space_records::app(&state, &scope, &space.domain, &owner, kind, now).unwrap().is_some()
    };
    assert!(shown(START.plus_seconds(86_399)));
    assert!(!shown(START.plus_seconds(86_400)));
}

#[test]
fn remote_access_takes_the_spaces_setting_now_and_at_the_start() {
    let (estate, space) = estate();
    let app = stored_app(&estate, &space, AppStatus::InService);
    assert!(estate.desired()[0].remote_access);
    let scope = estate.house.scope();
    let mut off = space.clone();
    off.settings.0.remote_access = Some(api::FeatureStatus::Disabled);
    estate.house.transact(|tx| Ok(space_records::put_space(tx, &scope, &off)?));
    assert!(!estate.desired()[0].remote_access);
    estate.house.transact(|tx| Ok(space_records::put_space(tx, &scope, &space)?));
    let before = AppRecord { remote_access: false, ..app };
    estate.house.transact(|tx| Ok(space_records::put_app(tx, &scope, &before)?));
    assert!(!estate.desired()[0].remote_access);
}

#[test]
fn an_idle_app_is_shut_down_once() {
    let (estate, space) = estate();
    let app = stored_app(&estate, &space, AppStatus::Pending);
    let shut = || estate.house.transact(|tx| workload::shut_down(tx, &app.id, START));
    shut();
    assert_eq!(estate.status(&app.id), Some(AppStatus::Pending));
    estate.report(&app.id, &Observed::Serving);
    shut();
    assert_eq!(estate.wanted(), [(app.id.clone(), Wanted::Stop)]);
}
