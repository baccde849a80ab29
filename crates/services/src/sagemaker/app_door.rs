//! Doors of apps: the address at which the pages of one running app are reached, by one way.
//!
//! What an app serves is its user's own code, so an app is an origin of its own: nothing that runs in
//! its pages can read the Studio pages, or those of another app. Cookies ignore ports, so an origin is
//! a loopback address, one for each app and each way by which it is opened: the public one, or a place
//! of a Studio endpoint, so that the network of every request is known here as well (SPEC T7).
//!
//! The way in: [`door`] gives the app an address, [`ticket`] a single-use ticket to a visitor of the
//! Studio pages, [`enter`] makes a session at the app's address of it, and [`session`] recognises the
//! visitor on every request after it. A session here ends with the Studio session that it came from.

use std::net::{Ipv4Addr, SocketAddr};

use sagegate_api::sagemaker::AppStatus;
use sagegate_gate::env::{Env, Time};
use sagegate_gate::{AccountId, Fault, Region, Scope, Secret, Vault};
use sagegate_network::{Arrival, allot};
use sagegate_store::{Read, Record, Table, Tx};
use serde::{Deserialize, Serialize};

use super::bearer::{digest, new_secret};
use super::faults;
use super::ids::DomainId;
use super::site::{self, Site};
use super::space_records::{self, AppRecord, Owner};
use super::studio::{self, NotAdmitted, Refused, Visit};
use crate::binding::Binding;

/// Doors of apps by their loopback addresses.
pub const APP_DOORS: Table<String, AppDoorRecord> = Table::new("studio.app-door");
/// The address of an app's door: `(app id, way)`.
const DOOR_OF: Table<(String, String), String> = Table::new("studio.app-door-of");
/// The address that was given last, under `""`.
const LAST: Table<String, String> = Table::new("studio.app-door-last");
/// Tickets by digest.
const TICKETS: Table<String, PassRecord> = Table::new("studio.app-ticket");
/// Sessions at doors of apps, by the digest of the cookie.
const SESSIONS: Table<String, PassRecord> = Table::new("studio.app-session");

/// The name of the session cookie at an app's address, which is in it: where one host has to stand for
/// all addresses, each with a port, the cookies of several apps are side by side. Whoever hands a
/// request on to the app takes them out: they are none of the app's business.
#[must_use]
pub fn cookie(address: Ipv4Addr) -> String {
    let [one, two, three, four] = address.octets();
    format!("sagegate-app-{one}-{two}-{three}-{four}")
}

/// For how many seconds a ticket can be used: a redirect takes no longer.
const TICKET_LIFE: i64 = 60;
/// Doors of ended apps that one write clears away.
const SWEEP: usize = 32;

/// By which way a door is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// The public one.
    Public,
    /// A subnet of a Studio endpoint.
    Endpoint {
        /// `vpce-…`.
        endpoint: String,
        /// `subnet-…`.
        subnet: String,
    },
}

impl Way {
    /// The way by which a request came.
    #[must_use]
    pub fn of(arrival: &Arrival) -> Self {
        arrival.endpoint().map_or(Self::Public, |it| Self::Endpoint {
            endpoint: it.vpc_endpoint_id.clone(),
            subnet: it.subnet_id.clone(),
        })
    }

    fn key(&self) -> String {
        match self {
            Self::Public => "public".to_owned(),
            Self::Endpoint { endpoint, subnet } => format!("{endpoint}/{subnet}"),
        }
    }
}

/// The door of an app.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AppDoorRecord {
    /// The app's account.
    pub account: AccountId,
    /// Its region.
    pub region: Region,
    /// Its domain.
    pub domain: DomainId,
    /// The app's incarnation: `workload::Desired::id`.
    pub app: String,
    /// By which way the door is reached.
    pub way: Way,
    /// What became of the address.
    #[serde(default)]
    pub binding: Binding,
}

impl Record for AppDoorRecord {}

/// A ticket to an app's door, or a session there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PassRecord {
    /// The app's incarnation.
    app: String,
    /// The door's address.
    address: String,
    /// The digest of the Studio session that it belongs to.
    studio: String,
    /// Its domain.
    domain: DomainId,
    /// When it ends.
    ends: Time,
}

impl Record for PassRecord {}

/// Whether a user profile may open an app: that of the profile itself, of its own private space, or
/// of a space that its domain shares.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn may_open(state: &dyn Read, visit: &Visit, app: &AppRecord) -> Result<bool, Fault> {
    if app.domain != visit.domain.id {
        return Ok(false);
    }
    match &app.owner {
        Owner::Profile { incarnation, .. } => Ok(*incarnation == visit.profile.incarnation),
        Owner::Space { name, incarnation } => {
            let space = space_records::space(state, &visit.scope, &app.domain, name)?;
            let Some(space) = space.filter(|it| it.incarnation == *incarnation) else {
                return Ok(false);
            };
            Ok(space
                .private_to()
                .is_none_or(|owner| owner.eq_ignore_ascii_case(&visit.profile.name)))
        }
    }
}

/// The app of a visit, if it is in service and the visitor's to open.
fn open_app(state: &dyn Read, visit: &Visit, id: &str) -> Result<AppRecord, Refused> {
    let found = space_records::app_with_id(state, id)?;
    let app = found.filter(|(scope, _)| *scope == visit.scope).map(|(_, app)| app);
    let app = app.filter(|app| app.status.0 == AppStatus::InService).ok_or(NotAdmitted::Gone)?;
    if !may_open(state, visit, &app)? {
        return Err(NotAdmitted::Gone.into());
    }
    Ok(app)
}

/// The address of the door by which an app is opened by this way; one is given to it if it has none.
/// Nothing may be sent there before it is [`Binding::Bound`]: see [`origin`].
///
/// # Errors
/// `ResourceLimitExceeded` if no address is free, or a [`Fault`] of the store; [`NotAdmitted`] if the
/// app is not in service or not the visitor's.
pub fn door(tx: &mut Tx, visit: &Visit, app: &str, way: &Way) -> Result<Ipv4Addr, Refused> {
    let app = open_app(tx, visit, app)?;
    let key = way.key();
    if let Some(address) = DOOR_OF.get(tx, &(app.id.as_str(), key.as_str()))?
        && let Ok(address) = address.parse()
    {
        return Ok(address);
    }
    sweep(tx)?;
    let free = site::next_free(tx, allot::APPS, LAST, APP_DOORS)?;
    let Some(address) = free else {
        let all = allot::LOOPBACK_ADDRESSES;
        return Err(faults::over_limit("App doors of this installation", "Apps", all, all).into());
    };
    let text = address.to_string();
    let record = AppDoorRecord {
        account: visit.scope.account.clone(),
        region: visit.scope.region.clone(),
        domain: app.domain.clone(),
        app: app.id.clone(),
        way: way.clone(),
        binding: Binding::Waiting,
    };
    APP_DOORS.put(tx, text.as_str(), &record)?;
    DOOR_OF.put(tx, &(app.id.as_str(), key.as_str()), &text)?;
    Ok(address)
}

/// Clears away a few doors of apps that run no more, so that their number stays bounded by use.
fn sweep(tx: &mut Tx) -> Result<(), Fault> {
    let mut gone = Vec::new();
    for (address, door) in APP_DOORS.scan(tx, &(), None, usize::MAX)? {
        if gone.len() < SWEEP && !is_alive(tx, &door)? {
            gone.push((address, door));
        }
    }
    for (address, door) in gone {
        APP_DOORS.delete(tx, address.as_str());
        DOOR_OF.delete(tx, &(door.app.as_str(), door.way.key().as_str()));
    }
    Ok(())
}

fn is_alive(state: &dyn Read, door: &AppDoorRecord) -> Result<bool, Fault> {
    let app = space_records::app_with_id(state, &door.app)?;
    Ok(app.is_some_and(|(_, app)| app.status.0 == AppStatus::InService))
}

/// All doors of apps that are in service, for the server to listen on.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn doors(state: &dyn Read) -> Result<Vec<(Ipv4Addr, AppDoorRecord)>, Fault> {
    let mut out = Vec::new();
    for (address, door) in APP_DOORS.scan(state, &(), None, usize::MAX)? {
        if let Ok(address) = address.parse()
            && is_alive(state, &door)?
        {
            out.push((address, door));
        }
    }
    Ok(out)
}

/// Writes what became of a door's address. Where nothing has changed, or the door is gone, nothing is
/// written.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn settle(tx: &mut Tx, address: Ipv4Addr, binding: &Binding) -> Result<(), Fault> {
    let address = address.to_string();
    let Some(mut door) = APP_DOORS.get(tx, address.as_str())? else { return Ok(()) };
    if door.binding != *binding {
        door.binding = binding.clone();
        APP_DOORS.put(tx, address.as_str(), &door)?;
    }
    Ok(())
}

/// The door of an app that a client dialled, by the address at which it was accepted.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn door_at(
    state: &dyn Read,
    local: SocketAddr,
) -> Result<Option<(Ipv4Addr, AppDoorRecord)>, Fault> {
    let site = Site::read(state)?;
    let found = match local.ip() {
        std::net::IpAddr::V4(address) if site.loopback_range => {
            let door = APP_DOORS.get(state, address.to_string().as_str())?;
            door.map(|door| (address, door)).filter(|_| local.port() == site.public_port)
        }
        // Without the range a port stands for the address.
        _ => doors(state)?.into_iter().find(|(address, _)| site.socket(*address) == local),
    };
    Ok(found.filter(|(_, door)| door.binding == Binding::Bound))
}

/// The origin of a door, such as `http://127.67.0.1:4566`.
///
/// # Errors
/// `ValidationException` with the reason while the address is not listened on by us: a ticket must not
/// be sent to an address that somebody else may hold. Or a [`Fault`] of the store.
pub fn origin(state: &dyn Read, address: Ipv4Addr) -> Result<String, Fault> {
    let door = APP_DOORS.get(state, address.to_string().as_str())?;
    let binding = door.map_or(Binding::Waiting, |door| door.binding);
    match binding.closed() {
        None => Ok(Site::read(state)?.origin(address)),
        Some(reason) => {
            Err(faults::validation(format!("The app cannot be opened: {reason}. Try again.")))
        }
    }
}

/// Issues a ticket to the door at `address` for the visitor of a Studio session.
///
/// # Errors
/// [`NotAdmitted`] if the app is not in service or not the visitor's, or a [`Fault`].
pub fn ticket(
    tx: &mut Tx,
    env: &Env,
    now: Time,
    visit: &Visit,
    app: &str,
    address: Ipv4Addr,
) -> Result<Secret, Refused> {
    studio::sweep(tx, now)?;
    let app = open_app(tx, visit, app)?;
    let door = APP_DOORS.get(tx, address.to_string().as_str())?;
    let studio = visit.session.clone();
    let (Some(_), Some(studio)) = (door.filter(|door| door.app == app.id), studio) else {
        return Err(NotAdmitted::Gone.into());
    };
    let ticket = new_secret(env);
    let record = PassRecord {
        app: app.id,
        address: address.to_string(),
        studio,
        domain: visit.domain.id.clone(),
        ends: now.plus_seconds(TICKET_LIFE),
    };
    put(tx, TICKETS, "app-ticket", &digest(ticket.reveal()), &record)?;
    Ok(ticket)
}

fn put(
    tx: &mut Tx,
    table: Table<String, PassRecord>,
    kind: &str,
    digest: &str,
    record: &PassRecord,
) -> Result<(), Fault> {
    table.put(tx, digest, record)?;
    studio::note_end(tx, kind, digest, record.ends)
}

/// Forgets what has ended: for [`studio`]'s sweep.
pub(super) fn forget(tx: &mut Tx, kind: &str, digest: &str) {
    match kind {
        "app-ticket" => TICKETS.delete(tx, digest),
        "app-session" => SESSIONS.delete(tx, digest),
        _ => {}
    }
}

/// A session just opened at an app's door.
#[derive(Debug)]
pub struct Entered {
    /// The value of the cookie ([`cookie`]).
    pub cookie: Secret,
    /// For how many seconds the browser may keep it.
    pub max_age: i64,
}

/// Uses a ticket up and opens the session that it is good for.
///
/// # Errors
/// [`NotAdmitted`], also for a ticket to another door; nothing is used up then.
pub fn enter(
    tx: &mut Tx,
    env: &Env,
    vault: &Vault,
    now: Time,
    address: Ipv4Addr,
    ticket: &str,
) -> Result<Entered, Refused> {
    let used = digest(ticket);
    let record = pass(tx, TICKETS, now, address, &used)?;
    let (visit, _) = recognise(tx, vault, now, &record)?;
    studio::sweep(tx, now)?;
    TICKETS.delete(tx, used.as_str());
    studio::forget_end(tx, "app-ticket", &used, record.ends);
    let session = PassRecord { ends: visit.ends, ..record };
    let cookie = new_secret(env);
    put(tx, SESSIONS, "app-session", &digest(cookie.reveal()), &session)?;
    let max_age = (visit.ends.millis() - now.millis()).max(0) / 1_000;
    Ok(Entered { cookie, max_age })
}

/// Whom a ticket would let in to the door at `address`, without using it up, and the app.
///
/// # Errors
/// As [`enter`].
pub fn ticket_holder(
    state: &dyn Read,
    vault: &Vault,
    now: Time,
    address: Ipv4Addr,
    ticket: &str,
) -> Result<(Visit, AppRecord), Refused> {
    let record = pass(state, TICKETS, now, address, &digest(ticket))?;
    recognise(state, vault, now, &record)
}

/// Whom a cookie lets in to the door at `address`, and the app.
///
/// # Errors
/// [`NotAdmitted`], also for a session at another door, and for one whose Studio session was ended.
pub fn session(
    state: &dyn Read,
    vault: &Vault,
    now: Time,
    address: Ipv4Addr,
    cookie: &str,
) -> Result<(Visit, AppRecord), Refused> {
    let record = pass(state, SESSIONS, now, address, &digest(cookie))?;
    recognise(state, vault, now, &record)
}

fn pass(
    state: &dyn Read,
    table: Table<String, PassRecord>,
    now: Time,
    address: Ipv4Addr,
    digest: &str,
) -> Result<PassRecord, Refused> {
    let found = table.get(state, digest)?;
    let here = found.filter(|record| record.address == address.to_string() && record.ends > now);
    let record = here.ok_or(NotAdmitted::Unknown)?;
    match APP_DOORS.get(state, record.address.as_str())? {
        Some(door) if door.app == record.app => Ok(record),
        // The address is another app's by now.
        _ => Err(NotAdmitted::Unknown.into()),
    }
}

fn recognise(
    state: &dyn Read,
    vault: &Vault,
    now: Time,
    record: &PassRecord,
) -> Result<(Visit, AppRecord), Refused> {
    let visit = studio::session_by_digest(state, vault, now, &record.domain, &record.studio)?;
    let app = open_app(state, &visit, &record.app)?;
    Ok((visit, app))
}

/// The account and region of a door.
#[must_use]
pub fn scope(door: &AppDoorRecord) -> Scope {
    Scope { account: door.account.clone(), region: door.region.clone() }
}
