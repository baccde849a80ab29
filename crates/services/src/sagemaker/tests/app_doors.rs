//! Doors of apps: an origin of its own for each app and way, and who is let in there.

use std::net::{Ipv4Addr, SocketAddr};

use sagegate_api::sagemaker::{AppStatus, SharingType};
use sagegate_gate::Secret;

use super::*;
use crate::sagemaker::app_door::{self, Way};
use crate::sagemaker::presigned::CreatePresignedDomainUrl;
use crate::sagemaker::studio::{self, Door, NotAdmitted, Visit, let_in};

impl Estate {
    /// Opens Studio as a profile; the visit and its cookie.
    fn visitor(&self, domain: &str, profile: &str) -> (Visit, Secret) {
        let made =
            self.house.ok::<CreatePresignedDomainUrl>(api::CreatePresignedDomainUrlRequest {
                domain_id: domain.into(),
                user_profile_name: profile.into(),
                ..Default::default()
            });
        let url = made.authorized_url.unwrap();
        let token = url.split_once("token=").unwrap().1;
        let door =
            Door::Public { scope: self.house.scope(), domain: DomainId::parse(domain).unwrap() };
        let gate = &self.house.gate;
        let (env, vault, now) = (gate.env().clone(), gate.vault().clone(), gate.env().now());
        let opened = self.house.transact(|tx| {
            studio::redeem(tx, &env, &vault, now, &door, token)
                .map_err(|error| Fault::internal(error.to_string()))
        });
        (opened.visit, opened.cookie)
    }

    fn app_door(&self, visit: &Visit, app: &str, way: &Way) -> Result<Ipv4Addr, NotAdmitted> {
        let address = self.house.transact(|tx| let_in(app_door::door(tx, visit, app, way)))?;
        self.house.transact(|tx| app_door::settle(tx, address, &Binding::Bound));
        Ok(address)
    }

    fn ticket(&self, visit: &Visit, app: &str, at: Ipv4Addr) -> Result<Secret, NotAdmitted> {
        let (env, now) = (self.house.gate.env().clone(), self.house.gate.env().now());
        self.house.transact(|tx| let_in(app_door::ticket(tx, &env, now, visit, app, at)))
    }

    fn enter(&self, at: Ipv4Addr, ticket: &Secret) -> Result<Secret, NotAdmitted> {
        let gate = &self.house.gate;
        let (env, vault, now) = (gate.env().clone(), gate.vault().clone(), gate.env().now());
        let entered = self
            .house
            .transact(|tx| let_in(app_door::enter(tx, &env, &vault, now, at, ticket.reveal())))?;
        Ok(entered.cookie)
    }

    fn inside(&self, at: Ipv4Addr, cookie: &Secret) -> Result<(Visit, AppRecord), NotAdmitted> {
        let gate = &self.house.gate;
        let state = self.house.state();
        let found = app_door::session(&state, gate.vault(), gate.env().now(), at, cookie.reveal());
        let_in(found).unwrap()
    }
}

/// A domain with Ann's private space and its app.
fn estate() -> (Estate, String, SpaceRecord, AppRecord) {
    let estate = Estate::new();
    let id = estate.domain("team");
    estate.profile(&id, "Ann");
    estate.profile(&id, "Ben");
    let space = stored_space(&estate, &id, "mine", "Ann");
    let app = stored_app(&estate, &space, AppStatus::InService);
    (estate, id, space, app)
}

#[test]
fn an_app_has_an_origin_of_its_own_for_each_way() {
    let (estate, id, space, app) = estate();
    let (ann, _) = estate.visitor(&id, "ann");
    let public = estate.app_door(&ann, &app.id, &Way::Public).unwrap();
    assert_eq!(public, Ipv4Addr::new(127, 67, 0, 1));
    assert_eq!(estate.app_door(&ann, &app.id, &Way::Public).unwrap(), public);
    let way = Way::Endpoint { endpoint: "vpce-1".into(), subnet: "subnet-1".into() };
    let inside = estate.app_door(&ann, &app.id, &way).unwrap();
    assert_ne!(inside, public);
    let other = stored_app(&estate, &space, AppStatus::InService);
    assert!(![public, inside].contains(&estate.app_door(&ann, &other.id, &Way::Public).unwrap()));
    let state = estate.house.state();
    let at = |port| SocketAddr::from((public, port));
    assert_eq!(app_door::door_at(&state, at(4566)).unwrap().unwrap().1.app, app.id);
    assert!(app_door::door_at(&state, at(4567)).unwrap().is_none());
    assert_eq!(app_door::origin(&state, public).unwrap(), "http://127.67.0.1:4566");
    assert_eq!(app_door::doors(&state).unwrap().len(), 3);
}

#[test]
fn no_ticket_is_sent_to_an_address_that_may_be_somebody_elses() {
    let (estate, id, _, app) = estate();
    let (ann, _) = estate.visitor(&id, "ann");
    let address = estate.app_door(&ann, &app.id, &Way::Public).unwrap();
    let failed = Binding::Failed("cannot listen on it".into());
    estate.house.transact(|tx| app_door::settle(tx, address, &failed));
    let state = estate.house.state();
    let why = app_door::origin(&state, address).unwrap_err();
    assert!(why.message.contains("cannot listen on it"), "{why}");
    assert!(app_door::door_at(&state, SocketAddr::from((address, 4566))).unwrap().is_none());
}

#[test]
fn a_ticket_opens_one_session_at_its_own_door() {
    let (estate, id, space, app) = estate();
    let (ann, cookie) = estate.visitor(&id, "ann");
    let address = estate.app_door(&ann, &app.id, &Way::Public).unwrap();
    let other = stored_app(&estate, &space, AppStatus::InService);
    let elsewhere = estate.app_door(&ann, &other.id, &Way::Public).unwrap();
    let ticket = estate.ticket(&ann, &app.id, address).unwrap();
    // A ticket to one app does not open another.
    assert_eq!(estate.ticket(&ann, &app.id, elsewhere).unwrap_err(), NotAdmitted::Gone);
    assert_eq!(estate.enter(elsewhere, &ticket).unwrap_err(), NotAdmitted::Unknown);
    let session = estate.enter(address, &ticket).unwrap();
    assert_eq!(estate.enter(address, &ticket).unwrap_err(), NotAdmitted::Unknown);
    let (visit, found) = estate.inside(address, &session).unwrap();
    assert_eq!((visit.profile.name.as_str(), &found.id), ("Ann", &app.id));
    assert_eq!(estate.inside(elsewhere, &session).unwrap_err(), NotAdmitted::Unknown);
    // Neither the Studio cookie nor a ticket is a session here.
    for wrong in [&cookie, &ticket] {
        assert_eq!(estate.inside(address, wrong).unwrap_err(), NotAdmitted::Unknown);
    }
    // Who leaves Studio leaves its apps.
    estate.house.transact(|tx| studio::log_out(tx, cookie.reveal()));
    assert_eq!(estate.inside(address, &session).unwrap_err(), NotAdmitted::Unknown);
}

#[test]
fn a_ticket_is_good_for_a_minute_and_a_session_for_as_long_as_its_studio() {
    let (estate, id, _, app) = estate();
    let (ann, _) = estate.visitor(&id, "ann");
    let address = estate.app_door(&ann, &app.id, &Way::Public).unwrap();
    let late = estate.ticket(&ann, &app.id, address).unwrap();
    let used = estate.ticket(&ann, &app.id, address).unwrap();
    let session = estate.enter(address, &used).unwrap();
    estate.house.clock.advance_millis(60_000);
    assert_eq!(estate.enter(address, &late).unwrap_err(), NotAdmitted::Unknown);
    assert!(estate.inside(address, &session).is_ok());
    estate.house.clock.advance_millis(43_200_000 - 60_000);
    assert_eq!(estate.inside(address, &session).unwrap_err(), NotAdmitted::Unknown);
}

#[test]
fn only_those_get_in_whose_app_it_is() {
    let (estate, id, mut space, app) = estate();
    let (ben, _) = estate.visitor(&id, "ben");
    let refused = estate.app_door(&ben, &app.id, &Way::Public).unwrap_err();
    assert_eq!(refused, NotAdmitted::Gone);
    assert_eq!(estate.app_door(&ben, "app-unknown", &Way::Public).unwrap_err(), NotAdmitted::Gone);
    // A space that the domain shares is open to all of its profiles, and to no other domain's.
    space.sharing = Some(Word(SharingType::Shared));
    let scope = estate.house.scope();
    estate.house.transact(|tx| Ok(space_records::put_space(tx, &scope, &space)?));
    let address = estate.app_door(&ben, &app.id, &Way::Public).unwrap();
    let ticket = estate.ticket(&ben, &app.id, address).unwrap();
    let session = estate.enter(address, &ticket).unwrap();
    assert!(estate.inside(address, &session).is_ok());
    let other = estate.domain("other");
    estate.profile(&other, "ann");
    let (stranger, _) = estate.visitor(&other, "ann");
    assert_eq!(estate.app_door(&stranger, &app.id, &Way::Public).unwrap_err(), NotAdmitted::Gone);
    // What is no longer shared is closed at once.
    space.sharing = Some(Word(SharingType::Private));
    estate.house.transact(|tx| Ok(space_records::put_space(tx, &scope, &space)?));
    assert_eq!(estate.inside(address, &session).unwrap_err(), NotAdmitted::Gone);
}

#[test]
fn the_door_of_an_app_that_has_stopped_is_closed_and_cleared_away() {
    let (estate, id, space, app) = estate();
    let (ann, _) = estate.visitor(&id, "ann");
    let address = estate.app_door(&ann, &app.id, &Way::Public).unwrap();
    let ticket = estate.ticket(&ann, &app.id, address).unwrap();
    let session = estate.enter(address, &ticket).unwrap();
    let scope = estate.house.scope();
    let stopping = AppRecord { status: Word(AppStatus::Deleting), ..app.clone() };
    estate.house.transact(|tx| Ok(space_records::put_app(tx, &scope, &stopping)?));
    assert_eq!(estate.inside(address, &session).unwrap_err(), NotAdmitted::Gone);
    assert!(app_door::doors(&estate.house.state()).unwrap().is_empty());
    let next = stored_app(&estate, &space, AppStatus::InService);
    assert_ne!(estate.app_door(&ann, &next.id, &Way::Public).unwrap(), address);
    assert_eq!(app_door::APP_DOORS.count(&estate.house.state(), &()).unwrap(), 1);
}
