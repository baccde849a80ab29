//! What holds after any course of events.

use std::collections::BTreeSet;

use proptest::prelude::*;
use sagegate_gate::Operation;

use super::*;
use crate::sagemaker::delete_app::DeleteApp;
use crate::sagemaker::delete_domain::DeleteDomain;
use crate::sagemaker::records::{
    DOMAIN_NAMES, DOMAINS, DOORS, EFS_UIDS, HOME_FILE_SYSTEMS, PROFILES, TAGS, WORK,
};
use crate::sagemaker::space_records::{APP_PLACES, APPS, SPACES};
use crate::sagemaker::update_domain::UpdateDomain;
use crate::sagemaker::workload::{self, Observed, Wanted};
use crate::sagemaker::write_profile::DeleteUserProfile;
use crate::sagemaker::write_space::{DeleteSpace, UpdateSpace};

#[derive(Clone, Debug)]
enum Step {
    CreateDomain(u8),
    UpdateDomain(u8),
    DeleteDomain(u8, bool),
    CreateProfile(u8, u8),
    DeleteProfile(u8, u8),
    /// In a domain, under this name, of this profile if it is private.
    CreateSpace(u8, u8, Option<u8>),
    UpdateSpace(u8, u8, bool),
    DeleteSpace(u8, u8),
    /// Of a profile or a space.
    CreateApp(u8, u8, bool),
    DeleteApp(u8, u8, bool),
    /// What is wanted serves, fails or has stopped.
    RunApps(bool),
    Advance,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..3_u8).prop_map(Step::CreateDomain),
        1 => (0..3_u8).prop_map(Step::UpdateDomain),
        2 => (0..3_u8, any::<bool>()).prop_map(|(it, keep)| Step::DeleteDomain(it, keep)),
        4 => (0..3_u8, 0..3_u8).prop_map(|(domain, it)| Step::CreateProfile(domain, it)),
        2 => (0..3_u8, 0..3_u8).prop_map(|(domain, it)| Step::DeleteProfile(domain, it)),
        4 => (0..2_u8, 0..3_u8, proptest::option::of(0..3_u8))
            .prop_map(|(domain, it, owner)| Step::CreateSpace(domain, it, owner)),
        1 => (0..2_u8, 0..3_u8, any::<bool>())
            .prop_map(|(domain, it, on)| Step::UpdateSpace(domain, it, on)),
        2 => (0..2_u8, 0..3_u8).prop_map(|(domain, it)| Step::DeleteSpace(domain, it)),
        4 => (0..2_u8, 0..3_u8, any::<bool>())
            .prop_map(|(domain, it, space)| Step::CreateApp(domain, it, space)),
        3 => (0..2_u8, 0..3_u8, any::<bool>())
            .prop_map(|(domain, it, space)| Step::DeleteApp(domain, it, space)),
        3 => any::<bool>().prop_map(Step::RunApps),
        4 => Just(Step::Advance),
    ]
}

/// A call that may be refused, but only for a reason of the client's.
fn attempt<O: Operation>(estate: &Estate, input: O::Input) {
    if let Err(fault) = estate.house.call::<O>(&estate.house.root(), input) {
        assert!(fault.sender, "{}: {fault:?}", O::NAME);
    }
}

fn id_of(estate: &Estate, number: u8) -> String {
    let name = format!("domain-{number}");
    let found = DOMAIN_NAMES.scan(&estate.house.state(), &(), None, 99).unwrap();
    let found = found.into_iter().find(|((.., key), _)| *key == name);
    found.map_or_else(|| format!("d-missing{number}"), |(_, id)| id)
}

fn take(estate: &Estate, step: &Step, uids: &mut BTreeSet<(String, String)>) {
    match step {
        Step::CreateDomain(number) => {
            let mut request = estate.domain_request(&format!("domain-{number}"));
            request.tags = Some(vec![tag("a", "b")]);
            attempt::<CreateDomain>(estate, request);
        }
        Step::UpdateDomain(number) => attempt::<UpdateDomain>(
            estate,
            api::UpdateDomainRequest { domain_id: id_of(estate, *number), ..Default::default() },
        ),
        Step::DeleteDomain(number, keep) => {
            let kept = if *keep { api::RetentionType::Retain } else { api::RetentionType::Delete };
            let policy = api::RetentionPolicy { home_efs_file_system: Some(kept) };
            attempt::<DeleteDomain>(
                estate,
                api::DeleteDomainRequest {
                    domain_id: id_of(estate, *number),
                    retention_policy: Some(policy),
                },
            );
        }
        Step::CreateProfile(number, name) => {
            let domain = id_of(estate, *number);
            let mut request = profile_request(&domain, &format!("p{name}"));
            request.tags = Some(vec![tag("a", "b")]);
            attempt::<CreateUserProfile>(estate, request);
        }
        Step::DeleteProfile(number, name) => attempt::<DeleteUserProfile>(
            estate,
            api::DeleteUserProfileRequest {
                domain_id: id_of(estate, *number),
                user_profile_name: format!("p{name}"),
            },
        ),
        Step::CreateSpace(number, name, owner) => {
            let domain = id_of(estate, *number);
            let name = format!("s{name}");
            let request = match owner {
                Some(owner) => private_space(&domain, &name, &format!("p{owner}")),
                None => space_request(&domain, &name),
            };
            attempt::<CreateSpace>(estate, request);
        }
        Step::UpdateSpace(number, name, on) => {
            let to = if *on { api::FeatureStatus::Enabled } else { api::FeatureStatus::Disabled };
            let (domain, name) = (id_of(estate, *number), format!("s{name}"));
            attempt::<UpdateSpace>(estate, update_space(&domain, &name, remote(to)));
        }
        Step::DeleteSpace(number, name) => attempt::<DeleteSpace>(
            estate,
            api::DeleteSpaceRequest {
                domain_id: id_of(estate, *number),
                space_name: format!("s{name}"),
            },
        ),
        Step::CreateApp(number, name, space) => {
            attempt::<CreateApp>(estate, an_app(estate, *number, *name, *space));
        }
        Step::DeleteApp(number, name, space) => {
            attempt::<DeleteApp>(estate, delete_app(&an_app(estate, *number, *name, *space)));
        }
        Step::RunApps(well) => {
            for it in workload::desired(&estate.house.state()).unwrap() {
                let seen = match it.state {
                    Wanted::Stop => Observed::Stopped,
                    Wanted::Run if *well => Observed::Serving,
                    Wanted::Run => Observed::Failed("it fell over".into()),
                };
                estate.report(&it.id, &seen);
            }
        }
        Step::Advance => {
            estate.advance();
        }
    }
    // No home is ever used by two of a kind at one time.
    let mut running = BTreeSet::new();
    for it in workload::desired(&estate.house.state()).unwrap() {
        assert!(running.insert((it.home, it.app_type)), "{}", it.app_arn);
    }
    for (_, profile) in PROFILES.scan(&estate.house.state(), &(), None, 99).unwrap() {
        if let Some(uid) = profile.efs_uid {
            uids.insert((format!("{}/{uid}", profile.domain), profile.incarnation));
        }
    }
}

fn an_app(estate: &Estate, number: u8, name: u8, space: bool) -> api::CreateAppRequest {
    let mut request = app_request(&id_of(estate, number), &format!("s{name}"));
    request.tags = Some(vec![tag("a", "b")]);
    if !space {
        (request.space_name, request.user_profile_name) = (None, Some(format!("p{name}")));
    }
    request
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_left_over_and_nothing_is_given_twice(
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let estate = Estate::standing_still();
        let mut uids = BTreeSet::new();
        for step in &steps {
            take(&estate, step, &mut uids);
        }
        take(&estate, &Step::Advance, &mut uids);
        let state = estate.house.state();
        prop_assert_eq!(WORK.count(&state, &()).unwrap(), 0);
        let domains = DOMAINS.scan(&state, &(), None, 99).unwrap();
        for (_, domain) in &domains {
            prop_assert_eq!(domain.status.0, api::DomainStatus::InService);
        }
        let profiles = PROFILES.scan(&state, &(), None, 99).unwrap();
        for ((_, _, domain, _), profile) in &profiles {
            prop_assert_eq!(profile.status.0, api::UserProfileStatus::InService);
            prop_assert!(domains.iter().any(|((.., id), _)| id == domain));
        }
        // Every door, name, counter and tag belongs to something that is there.
        prop_assert_eq!(DOORS.count(&state, &()).unwrap(), domains.len());
        prop_assert_eq!(DOMAIN_NAMES.count(&state, &()).unwrap(), domains.len());
        prop_assert!(EFS_UIDS.count(&state, &()).unwrap() <= domains.len());
        let spaces = SPACES.scan(&state, &(), None, 99).unwrap();
        for ((_, _, domain, _), space) in &spaces {
            prop_assert_eq!(space.status.0, api::SpaceStatus::InService);
            let there = space.owner.as_ref().is_none_or(|owner| {
                profiles.iter().any(|((_, _, of, _), it)| of == domain && it.name == *owner)
            });
            prop_assert!(there, "the owner of a space is gone");
        }
        let apps = APPS.scan(&state, &(), None, 999).unwrap();
        prop_assert_eq!(APP_PLACES.count(&state, &()).unwrap(), apps.len());
        let homes = workload::homes(&state).unwrap();
        for (_, app) in &apps {
            prop_assert!(homes.contains(&app.owner.home()), "{:?}", app.owner);
        }
        let arns: BTreeSet<_> = apps
            .iter()
            .filter(|(_, it)| it.deleted.is_none())
            .map(|(_, it)| it.arn(&estate.house.scope()))
            .collect();
        let owned = spaces.iter().filter(|(_, it)| it.owner.is_some()).count();
        let tagged = domains.len() + profiles.len() + owned + arns.len();
        prop_assert_eq!(TAGS.count(&state, &()).unwrap(), tagged);
        let doors: BTreeSet<_> = domains.iter().map(|(_, it)| it.door).collect();
        prop_assert_eq!(doors.len(), domains.len());
        let in_use: BTreeSet<_> =
            domains.iter().filter_map(|(_, it)| it.home_efs_id.clone()).collect();
        for ((.., id), file_system) in HOME_FILE_SYSTEMS.scan(&state, &(), None, 99).unwrap() {
            prop_assert_eq!(file_system.retained, !in_use.contains(&id));
        }
        // No user id of a domain was ever two profiles'.
        let distinct: BTreeSet<_> = uids.iter().map(|(uid, _)| uid).collect();
        prop_assert_eq!(distinct.len(), uids.len());
    }
}
