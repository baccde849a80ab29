//! Sessions of remote access: from the token that StartSession gives out, over the connection that it
//! opens, to the end.
//!
//! A token ([`super::bearer`]) opens one connection. Whoever keeps
//! the connections watches [`TABLES`] and cuts those that are no longer among [`live`]: a session also
//! ends by what is done to its space and app.

use sagegate_api::sagemaker::AppStatus;
use sagegate_gate::env::{Env, Time};
use sagegate_gate::{AccountId, Caller, Fault, Region, Scope, Secret, Vault};
use sagegate_network::Arrival;
use sagegate_store::{Read, Record, StoreError, Table, Tx};
use serde::{Deserialize, Serialize};

use super::bearer::{self, SealedCaller, digest, moment, new_secret};
use super::ids::{DomainId, space_arn};
use super::space_records::{self, AppRecord, SpaceRecord};
use super::workload;

/// Sessions by id, those that have ended a while ago excepted.
pub const SESSIONS: Table<String, SessionRecord> = Table::new("sagemaker.remote-session");
/// Sessions that have not ended: `(account, region, place of the space, id)`.
const OF_SPACE: Table<(String, String, String, String), ()> =
    Table::new("sagemaker.remote-session-of-space");
/// When a token ends that was not used, and when a session that has ended is forgotten:
/// `(milliseconds, id)`.
const DUE: Table<(u64, String), ()> = Table::new("sagemaker.remote-session-due");

/// The tables that [`live`] is made of: what a reaction has to watch.
pub const TABLES: &[&str] = &[SESSIONS.name()];

/// For how many seconds a token can be used.
pub const TOKEN_LIFE: i64 = 300;
/// For how many seconds a connection may last (SPEC R0.11).
pub const LONGEST: i64 = 43_200;
/// Sessions of a space at one time (REMOTE-ACCESS 2.4).
pub const PER_SPACE: usize = 10;

/// For how many seconds one that has ended is still known.
const REMEMBERED: i64 = 86_400;
const PURPOSE: &str = "remote-session-caller/1";

/// How far a session has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum State {
    /// Its token was not used yet.
    Waiting {
        /// When the token ends.
        until: Time,
    },
    /// It is connected.
    Open {
        /// Since when.
        since: Time,
    },
    /// It is over.
    Ended {
        /// Since when.
        at: Time,
        /// When it was connected, if it ever was.
        #[serde(default)]
        opened: Option<Time>,
        /// Why, in a sentence.
        reason: String,
        /// Bytes from the client.
        up: u64,
        /// Bytes to the client.
        down: u64,
    },
}

/// From where a session was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The client's address; a private one where it came through an endpoint.
    pub address: String,
    /// The endpoint, `vpce-…`.
    #[serde(default)]
    pub vpc_endpoint: Option<String>,
}

impl Source {
    /// What is kept of an arrival.
    #[must_use]
    pub fn of(arrival: &Arrival) -> Self {
        Self {
            address: arrival.source_address(),
            vpc_endpoint: arrival.endpoint().map(|it| it.vpc_endpoint_id.clone()),
        }
    }
}

/// The request for a session, as far as policies see it beside its caller: what has to be decided again
/// when the token is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// By which way it came.
    pub arrival: Arrival,
    /// The client's `User-Agent`.
    pub user_agent: String,
    /// Whether the connection was encrypted.
    pub secure: bool,
}

/// A session as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SessionRecord {
    id: String,
    /// The digest of the token.
    token: String,
    account: AccountId,
    region: Region,
    domain: DomainId,
    /// The space's name as spelled at its making.
    space: String,
    /// [`workload::Desired::id`].
    workload: String,
    /// The calling principal, sealed.
    caller: SealedCaller,
    source: Source,
    /// Nothing in records from before it was kept.
    #[serde(default)]
    asked: Option<Asked>,
    created: Time,
    state: State,
}

impl Record for SessionRecord {}

/// A session of remote access to a space.
#[derive(Clone, Debug)]
pub struct Session {
    /// The id: letters, digits and hyphens.
    pub id: String,
    /// The space's account and region.
    pub scope: Scope,
    /// The space's ARN.
    pub space: String,
    /// The space's domain.
    pub domain: DomainId,
    /// The space's name as spelled at its making.
    pub space_name: String,
    /// The app that it leads to: [`workload::Desired::id`].
    pub workload: String,
    /// Who asked for it.
    pub caller: Caller,
    /// From where.
    pub source: Source,
    /// The request for it.
    pub asked: Option<Asked>,
    /// When it was asked for.
    pub created: Time,
    /// How far it has come.
    pub state: State,
}

/// Why a token opens nothing. The texts are for whoever presents it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refused {
    /// There is no such session, or it has another token.
    #[error("The session or its token is not known here. Start a new session.")]
    Unknown,
    /// The token has opened a connection before.
    #[error("The token of this session was used before. Start a new session.")]
    Used,
    /// The token was not used in time, or the session has ended.
    #[error("The session is over: {}. Start a new session.", .0.trim_end_matches('.'))]
    Ended(String),
    /// The space or its app is not there (any more), or does not let in (any more).
    #[error("The app of the space is not running, or remote access to the space is switched off.")]
    Gone,
    /// A failure of ours.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Fault(error.into())
    }
}

const NOT_IN_TIME: &str = "Its token was not used in time.";

impl SessionRecord {
    fn scope(&self) -> Scope {
        Scope { account: self.account.clone(), region: self.region.clone() }
    }

    fn place(&self) -> String {
        place(&self.domain, &self.space)
    }

    fn is_live(&self, now: Time) -> bool {
        match &self.state {
            State::Waiting { until } => now < *until,
            State::Open { .. } => true,
            State::Ended { .. } => false,
        }
    }

    fn open(self, vault: &Vault) -> Result<Session, Fault> {
        let not_ours = || Fault::internal("the caller of a remote session cannot be unsealed");
        let caller = self.caller.open(vault, PURPOSE).ok_or_else(not_ours)?;
        let scope = self.scope();
        Ok(Session {
            space: space_arn(&scope, &self.domain, &self.space),
            id: self.id,
            scope,
            domain: self.domain,
            space_name: self.space,
            workload: self.workload,
            caller,
            source: self.source,
            asked: self.asked,
            created: self.created,
            state: self.state,
        })
    }
}

fn place(domain: &DomainId, space: &str) -> String {
    format!("{domain}/{}", space.to_ascii_lowercase())
}

/// What a session is made of. Nothing here asks whether it may be: StartSession does.
#[derive(Clone, Copy, Debug)]
pub struct New<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// The request.
    pub asked: &'a Asked,
    /// The space's account and region.
    pub scope: &'a Scope,
    /// The space.
    pub space: &'a SpaceRecord,
    /// The app that the session leads to.
    pub app: &'a AppRecord,
    /// The time.
    pub now: Time,
}

/// Makes a session; its id and its token. Nothing where the space has [`PER_SPACE`] already and none
/// of them is a token that this caller has left unused: the oldest of those makes room.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn issue(
    tx: &mut Tx,
    env: &Env,
    vault: &Vault,
    new: &New<'_>,
) -> Result<Option<(String, Secret)>, Fault> {
    sweep(tx, new.now)?;
    let mut live = live_of_space(tx, new.scope, &new.space.domain, &new.space.name, new.now)?;
    if live.len() >= PER_SPACE {
        live.sort_by_key(|it| it.created);
        let waiting = live.into_iter().filter(|it| matches!(it.state, State::Waiting { .. }));
        let mut own = None;
        for it in waiting {
            if it.clone().open(vault)?.caller.arn() == new.caller.arn() {
                own = Some(it);
                break;
            }
        }
        let Some(own) = own else { return Ok(None) };
        finish(tx, own, new.now, "A newer session has taken its place.", 0, 0)?;
    }
    let until = new.now.plus_seconds(TOKEN_LIFE);
    let token = new_secret(env);
    let record = SessionRecord {
        id: format!("sagegate-{}", env.uuid()),
        token: digest(token.reveal()),
        account: new.scope.account.clone(),
        region: new.scope.region.clone(),
        domain: new.space.domain.clone(),
        space: new.space.name.clone(),
        workload: new.app.id.clone(),
        caller: SealedCaller::new((env, vault), PURPOSE, new.caller)?,
        source: Source::of(&new.asked.arrival),
        asked: Some(new.asked.clone()),
        created: new.now,
        state: State::Waiting { until },
    };
    DUE.put(tx, &(moment(until), record.id.as_str()), &())?;
    SESSIONS.put(tx, record.id.as_str(), &record)?;
    let place = record.place();
    let (account, region) = (record.account.as_str(), record.region.as_str());
    OF_SPACE.put(tx, &(account, region, place.as_str(), record.id.as_str()), &())?;
    Ok(Some((record.id, token)))
}

/// The live sessions of a space, the oldest first.
///
/// # Errors
/// As [`live`].
pub fn of_space(
    state: &dyn Read,
    vault: &Vault,
    scope: &Scope,
    space: &SpaceRecord,
    now: Time,
) -> Result<Vec<Session>, Fault> {
    let found = live_of_space(state, scope, &space.domain, &space.name, now)?;
    opened(vault, found)
}

fn opened(vault: &Vault, mut found: Vec<SessionRecord>) -> Result<Vec<Session>, Fault> {
    found.sort_by(|one, other| (one.created, &one.id).cmp(&(other.created, &other.id)));
    found.into_iter().map(|it| it.open(vault)).collect()
}

fn live_of_space(
    state: &dyn Read,
    scope: &Scope,
    domain: &DomainId,
    space: &str,
    now: Time,
) -> Result<Vec<SessionRecord>, Fault> {
    let place = place(domain, space);
    let prefix = (scope.account.as_str(), scope.region.as_str(), place.as_str());
    let mut out = Vec::new();
    for ((.., id), ()) in OF_SPACE.scan(state, &prefix, None, usize::MAX)? {
        out.extend(SESSIONS.get(state, id.as_str())?.filter(|it| it.is_live(now)));
    }
    Ok(out)
}

/// Ends a few of those whose tokens were not used in time, and forgets a few of those that ended long
/// ago, so that their number stays bounded by use.
fn sweep(tx: &mut Tx, now: Time) -> Result<(), Fault> {
    for (_, id) in bearer::take_ended(tx, DUE, now)? {
        let Some(record) = SESSIONS.get(tx, id.as_str())? else { continue };
        match record.state {
            State::Waiting { .. } => finish(tx, record, now, NOT_IN_TIME, 0, 0)?,
            State::Open { .. } => {}
            State::Ended { .. } => SESSIONS.delete(tx, id.as_str()),
        }
    }
    Ok(())
}

/// Ends a session that has not ended.
fn finish(
    tx: &mut Tx,
    mut record: SessionRecord,
    at: Time,
    reason: &str,
    up: u64,
    down: u64,
) -> Result<(), Fault> {
    let place = record.place();
    let (account, region) = (record.account.as_str(), record.region.as_str());
    OF_SPACE.delete(tx, &(account, region, place.as_str(), record.id.as_str()));
    if let State::Waiting { until } = &record.state {
        DUE.delete(tx, &(moment(*until), record.id.as_str()));
    }
    let opened = match record.state {
        State::Open { since } => Some(since),
        _ => None,
    };
    record.state = State::Ended { at, opened, reason: reason.to_owned(), up, down };
    SESSIONS.put(tx, record.id.as_str(), &record)?;
    DUE.put(tx, &(moment(at.plus_seconds(REMEMBERED)), record.id.as_str()), &())?;
    Ok(())
}

/// Takes a token: the session of this id is open from now on, and its token is worth nothing more.
/// Compared in constant time. Whether its caller is still allowed to ask for it is for
/// [`judge`](super::start_session::judge) to say.
///
/// # Errors
/// [`Refused`]; nothing has changed then.
pub fn accept(
    tx: &mut Tx,
    vault: &Vault,
    now: Time,
    session_id: &str,
    token: &str,
) -> Result<Session, Refused> {
    let mut record = SESSIONS.get(tx, session_id)?.ok_or(Refused::Unknown)?;
    if !Secret::new(record.token.clone()).is(&digest(token)) {
        return Err(Refused::Unknown);
    }
    let until = match &record.state {
        State::Waiting { until } if now < *until => *until,
        State::Waiting { .. } => return Err(Refused::Ended(NOT_IN_TIME.to_owned())),
        State::Open { .. } => return Err(Refused::Used),
        State::Ended { reason, .. } => return Err(Refused::Ended(reason.clone())),
    };
    // What let it begin must still hold.
    let (scope, app) = space_records::app_with_id(tx, &record.workload)?.ok_or(Refused::Gone)?;
    if app.status.0 != AppStatus::InService || !workload::lets_in(tx, &scope, &app)? {
        return Err(Refused::Gone);
    }
    DUE.delete(tx, &(moment(until), session_id));
    record.state = State::Open { since: now };
    SESSIONS.put(tx, session_id, &record)?;
    Ok(record.open(vault)?)
}

/// Ends a session, or, of one that has ended by something else, notes how many bytes it has carried.
/// Nothing happens where there is none of this id.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn end(
    tx: &mut Tx,
    session_id: &str,
    reason: &str,
    up: u64,
    down: u64,
    now: Time,
) -> Result<(), Fault> {
    let Some(mut record) = SESSIONS.get(tx, session_id)? else { return Ok(()) };
    match &mut record.state {
        State::Waiting { .. } | State::Open { .. } => finish(tx, record, now, reason, up, down),
        State::Ended { up: noted_up, down: noted_down, .. } => {
            (*noted_up, *noted_down) = ((*noted_up).max(up), (*noted_down).max(down));
            Ok(SESSIONS.put(tx, session_id, &record)?)
        }
    }
}

/// The sessions whose tokens can be used, and those that are open, the oldest first.
///
/// # Errors
/// A [`Fault`] of the store, or internal where a caller was not sealed with this vault.
pub fn live(state: &dyn Read, vault: &Vault, now: Time) -> Result<Vec<Session>, Fault> {
    let mut found = Vec::new();
    for ((.., id), ()) in OF_SPACE.scan(state, &(), None, usize::MAX)? {
        found.extend(SESSIONS.get(state, id.as_str())?.filter(|it| it.is_live(now)));
    }
    opened(vault, found)
}

/// The session of this id, ended or not.
///
/// # Errors
/// As [`live`].
pub fn find(state: &dyn Read, vault: &Vault, session_id: &str) -> Result<Option<Session>, Fault> {
    let record = SESSIONS.get(state, session_id)?;
    record.map(|it| it.open(vault)).transpose()
}

/// Why the session of this id is over, if it is; also where there is none of it.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn ending(state: &dyn Read, session_id: &str) -> Result<Option<String>, Fault> {
    Ok(match SESSIONS.get(state, session_id)?.map(|record| record.state) {
        None => Some("The session is gone.".to_owned()),
        Some(State::Ended { reason, .. }) => Some(reason),
        Some(State::Waiting { .. } | State::Open { .. }) => None,
    })
}

/// Ends all that are open or waiting: at a start, which no connection has survived.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn end_all(tx: &mut Tx, now: Time, reason: &str) -> Result<(), Fault> {
    for ((.., id), ()) in OF_SPACE.scan(tx, &(), None, usize::MAX)? {
        if let Some(record) = SESSIONS.get(tx, id.as_str())? {
            finish(tx, record, now, reason, 0, 0)?;
        }
    }
    Ok(())
}

/// Ends all that lead to an app.
pub(super) fn end_of_workload(
    tx: &mut Tx,
    scope: &Scope,
    app: &AppRecord,
    now: Time,
    reason: &str,
) -> Result<(), Fault> {
    if !app.owner.is_space() {
        return Ok(());
    }
    for record in live_of_space(tx, scope, &app.domain, app.owner.name(), now)? {
        if record.workload == app.id {
            finish(tx, record, now, reason, 0, 0)?;
        }
    }
    Ok(())
}

/// Ends all of a space.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn end_of_space(
    tx: &mut Tx,
    scope: &Scope,
    space: &SpaceRecord,
    now: Time,
    reason: &str,
) -> Result<(), Fault> {
    for record in live_of_space(tx, scope, &space.domain, &space.name, now)? {
        finish(tx, record, now, reason, 0, 0)?;
    }
    Ok(())
}
