//! Sessions of remote access and their tokens.

use sagegate_gate::{Caller, Secret};

use super::*;
use crate::sagemaker::sessions::{self, Asked, New, PER_SPACE, Refused, SESSIONS, Session, State};
use crate::sagemaker::workload::Observed;
use sagegate_api::sagemaker::AppStatus;

struct Desk {
    estate: Estate,
    space: SpaceRecord,
    app: AppRecord,
    ann: Caller,
}

impl Desk {
    fn new() -> Self {
        let estate = Estate::new();
        let id = estate.domain("team");
        estate.profile(&id, "Ann");
        let space = stored_space(&estate, &id, "lab", "Ann");
        let app = stored_app(&estate, &space, AppStatus::InService);
        let ann = estate.house.user_with_policy("ann", NOTHING);
        Self { estate, space, app, ann }
    }

    fn issue(&self, caller: &Caller) -> Option<(String, Secret)> {
        let gate = &self.estate.house.gate;
        let (env, vault) = (gate.env().clone(), gate.vault().clone());
        let asked = Asked {
            arrival: Arrival::Public { source_ip: std::net::IpAddr::from([203, 0, 113, 7]) },
            user_agent: "test".into(),
            secure: false,
        };
        let (scope, now) = (self.estate.house.scope(), env.now());
        let Self { space, app, .. } = self;
        self.estate.house.transact(|tx| {
            let new = New { caller, asked: &asked, scope: &scope, space, app, now };
            sessions::issue(tx, &env, &vault, &new)
        })
    }

    fn accept(&self, id: &str, token: &str) -> Result<Session, Refused> {
        let gate = &self.estate.house.gate;
        let (vault, now) = (gate.vault().clone(), gate.env().now());
        self.estate.house.transact(|tx| match sessions::accept(tx, &vault, now, id, token) {
            Err(Refused::Fault(fault)) => Err(fault),
            other => Ok(other),
        })
    }

    fn live(&self) -> Vec<String> {
        let gate = &self.estate.house.gate;
        let now = gate.env().now();
        let live = sessions::live(&self.estate.house.state(), gate.vault(), now).unwrap();
        live.into_iter().map(|it| it.id).collect()
    }

    fn of(&self, space: &SpaceRecord) -> Vec<String> {
        let house = &self.estate.house;
        let (vault, now) = (house.gate.vault(), house.gate.env().now());
        let found = sessions::of_space(&house.state(), vault, &house.scope(), space, now);
        found.unwrap().into_iter().map(|it| it.id).collect()
    }

    fn end(&self, id: &str, reason: &str, up: u64, down: u64) {
        let now = self.estate.house.gate.env().now();
        self.estate.house.transact(|tx| sessions::end(tx, id, reason, up, down, now));
    }

    fn state(&self, id: &str) -> Option<State> {
        let state = self.estate.house.state();
        sessions::find(&state, self.estate.house.gate.vault(), id).unwrap().map(|it| it.state)
    }

    fn wait(&self, seconds: i64) {
        self.estate.house.clock.advance_millis(seconds * 1_000);
    }
}

const NOTHING: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow",
    "Action":"s3:GetObject","Resource":"*"}}"#;

fn ended(reason: &str, up: u64, down: u64) -> Option<State> {
    Some(State::Ended { at: START, opened: Some(START), reason: reason.into(), up, down })
}

#[test]
fn a_token_opens_its_session_once() {
    let desk = Desk::new();
    let (id, token) = desk.issue(&desk.ann).unwrap();
    let token = token.reveal();
    assert!(token.len() <= 1_024, "SPEC 4.6");
    assert!(token.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_".contains(&it)));
    assert!(id.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-'));
    assert!(matches!(desk.accept(&id, "x").unwrap_err(), Refused::Unknown));
    assert!(matches!(desk.accept(&id, "").unwrap_err(), Refused::Unknown));
    assert!(matches!(desk.accept("sagegate-1", token).unwrap_err(), Refused::Unknown));
    let open = desk.accept(&id, token).unwrap();
    assert_eq!(open.state, State::Open { since: START });
    assert_eq!((&open.caller, &open.workload), (&desk.ann, &desk.app.id));
    assert_eq!(open.source.address, "203.0.113.7");
    assert_eq!(open.space, desk.space.arn(&desk.estate.house.scope()));
    assert!(matches!(desk.accept(&id, token).unwrap_err(), Refused::Used));
    assert_eq!(desk.live(), std::slice::from_ref(&id));
    desk.end(&id, "The client left.", 7, 9);
    assert_eq!(desk.state(&id), ended("The client left.", 7, 9));
    assert!(matches!(desk.accept(&id, token).unwrap_err(), Refused::Ended(_)));
    assert!(desk.live().is_empty());
}

#[test]
fn a_token_ends_and_is_cleared_away() {
    let desk = Desk::new();
    let (id, token) = desk.issue(&desk.ann).unwrap();
    desk.wait(sessions::TOKEN_LIFE);
    assert!(desk.live().is_empty());
    let text = desk.accept(&id, token.reveal()).unwrap_err().to_string();
    assert!(text.contains("not used in time"), "{text}");
    desk.issue(&desk.ann).unwrap();
    assert!(matches!(desk.state(&id), Some(State::Ended { .. })));
    desk.wait(86_400);
    desk.issue(&desk.ann).unwrap();
    assert_eq!(desk.state(&id), None);
}

#[test]
fn only_digests_are_stored_and_callers_are_sealed() {
    let desk = Desk::new();
    let (_, token) = desk.issue(&desk.ann).unwrap();
    let rows = SESSIONS.scan(&desk.estate.house.state(), &(), None, 9).unwrap();
    let stored: Vec<String> =
        rows.iter().map(|(_, it)| serde_json::to_string(it).unwrap()).collect();
    assert!(!stored[0].contains(token.reveal()) && !stored[0].contains("AKIATEST"), "{stored:?}");
    assert!(!format!("{rows:?}").contains(token.reveal()));
}

#[test]
fn a_space_has_ten_sessions_and_an_unused_token_makes_room_for_its_owners_next() {
    let desk = Desk::new();
    let open: Vec<String> = (0..PER_SPACE - 1)
        .map(|_| {
            let (id, token) = desk.issue(&desk.ann).unwrap();
            desk.accept(&id, token.reveal()).unwrap();
            id
        })
        .collect();
    let (waiting, _) = desk.issue(&desk.ann).unwrap();
    assert_eq!(desk.live().len(), PER_SPACE);
    let bob = desk.estate.house.user_with_policy("bob", NOTHING);
    assert!(desk.issue(&bob).is_none());
    let (next, token) = desk.issue(&desk.ann).unwrap();
    assert!(matches!(desk.state(&waiting), Some(State::Ended { .. })));
    desk.accept(&next, token.reveal()).unwrap();
    assert!(desk.issue(&desk.ann).is_none());
    desk.end(&open[0], "The client left.", 0, 0);
    assert!(desk.issue(&bob).is_some());
}

#[test]
fn sessions_end_with_their_app_and_what_they_carried_is_noted_after() {
    let desk = Desk::new();
    let (open, token) = desk.issue(&desk.ann).unwrap();
    desk.accept(&open, token.reveal()).unwrap();
    let (waiting, unused) = desk.issue(&desk.ann).unwrap();
    desk.estate.report(&desk.app.id, &Observed::Failed("it fell over".into()));
    assert!(desk.live().is_empty());
    assert!(matches!(desk.accept(&waiting, unused.reveal()).unwrap_err(), Refused::Ended(_)));
    desk.end(&open, "The connection was cut.", 5, 6);
    assert_eq!(desk.state(&open), ended("The app has failed.", 5, 6));
}

#[test]
fn a_token_is_worth_nothing_once_remote_access_is_off() {
    let desk = Desk::new();
    let (id, token) = desk.issue(&desk.ann).unwrap();
    let mut off = desk.space.clone();
    off.settings.0.remote_access = Some(api::FeatureStatus::Disabled);
    let scope = desk.estate.house.scope();
    desk.estate.house.transact(|tx| Ok(space_records::put_space(tx, &scope, &off)?));
    assert!(matches!(desk.accept(&id, token.reveal()).unwrap_err(), Refused::Gone));
}

#[test]
fn no_session_survives_a_start() {
    let desk = Desk::new();
    let (open, token) = desk.issue(&desk.ann).unwrap();
    desk.accept(&open, token.reveal()).unwrap();
    desk.issue(&desk.ann).unwrap();
    desk.estate.house.transact(|tx| sessions::end_all(tx, START, "Sagegate was started anew."));
    assert!(desk.live().is_empty());
    assert_eq!(desk.state(&open), ended("Sagegate was started anew.", 0, 0));
}

#[test]
fn a_space_is_told_its_own_sessions_only() {
    let desk = Desk::new();
    let domain = desk.space.domain.to_string();
    let other = stored_space(&desk.estate, &domain, "lab2", "Ann");
    let app = stored_app(&desk.estate, &other, AppStatus::InService);
    let mut own = Vec::new();
    for _ in 0..3 {
        own.push(desk.issue(&desk.ann).unwrap().0);
        desk.wait(1);
    }
    desk.end(&own.remove(1), "The client left.", 0, 0);
    assert_eq!(desk.of(&desk.space), own);
    let desk = Desk { space: other, app, ..desk };
    let (elsewhere, _) = desk.issue(&desk.ann).unwrap();
    assert_eq!(desk.of(&desk.space), [elsewhere]);
}
