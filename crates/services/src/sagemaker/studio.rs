//! The state of the Studio door: single-use tokens of presigned URLs, and the sessions that they
//! open (SPEC R1.21, T7).
//!
//! What is stored of a token or cookie ([`super::bearer`]) holds the calling principal, sealed, and the
//! incarnations of domain and profile, so that a session is worth nothing once any of the three is gone. Nothing here asks for permission: whoever serves a request decides
//! [`Visit::needs`] anew with the caller and the network of that request.

use sagegate_api::sagemaker::{DomainStatus, StudioWebPortal, UserProfileStatus, UserSettings};
use sagegate_gate::env::{Env, Time};
use sagegate_gate::{AccountId, Caller, Fault, Need, Needs, Region, Scope, Secret, Vault};
use sagegate_store::{Read, Record, Table, Tx};
use serde::{Deserialize, Serialize};

use super::app_door;
use super::bearer::{self, SealedCaller, digest, new_secret};
use super::ids::{DomainId, profile_arn};
use super::presigned;
use super::records::{self, DomainRecord, ProfileRecord};
use super::settings;

/// Tokens of presigned URLs that were not used yet, by digest.
pub const TOKENS: Table<String, AdmissionRecord> = Table::new("studio.token");
/// Sessions, by digest of the cookie.
pub const SESSIONS: Table<String, AdmissionRecord> = Table::new("studio.session");
/// What ends when: `(milliseconds, "token" or "session", digest)`.
const ENDS: Table<(u64, String, String), ()> = Table::new("studio.end");

/// The name of the session cookie.
pub const COOKIE: &str = "sagegate-studio";

const PURPOSE: &str = "studio-caller/1";

/// Who may come in as whom, for how long.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AdmissionRecord {
    account: AccountId,
    region: Region,
    domain: DomainId,
    domain_incarnation: String,
    /// The profile's name as spelled at its making.
    profile: String,
    profile_incarnation: String,
    /// The calling principal, sealed.
    caller: SealedCaller,
    /// When the token or session ends.
    ends: Time,
    /// How long the session lasts, in seconds, from its opening.
    session_seconds: i64,
    landing: Option<String>,
    /// The space that was asked for, as spelled at its making.
    #[serde(default)]
    space: Option<String>,
}

impl Record for AdmissionRecord {}

/// What a token is made of.
pub(super) struct NewToken<'a> {
    pub(super) caller: &'a Caller,
    pub(super) scope: &'a Scope,
    pub(super) domain: &'a DomainRecord,
    pub(super) profile: &'a ProfileRecord,
    pub(super) now: Time,
    pub(super) url_seconds: i64,
    pub(super) session_seconds: i64,
    pub(super) landing: Option<String>,
    pub(super) space: Option<String>,
}

/// By which door a request came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Door {
    /// A domain's public door: it is that domain's alone.
    Public {
        /// The domain's account and region.
        scope: Scope,
        /// The domain.
        domain: DomainId,
    },
    /// A VPC's Studio endpoint: it serves every domain of its region.
    Endpoint {
        /// The endpoint's region.
        region: Region,
    },
}

impl Door {
    fn serves(&self, record: &AdmissionRecord) -> bool {
        match self {
            Self::Public { scope, domain } => {
                scope.account == record.account
                    && scope.region == record.region
                    && *domain == record.domain
            }
            Self::Endpoint { region } => *region == record.region,
        }
    }
}

/// Why nobody is let in. The texts are for the visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// The token was never issued, was used, or has ended; or the cookie is of no session.
    #[error(
        "This link or session is not known here: it was used before, has expired, or never was."
    )]
    Unknown,
    /// The session's time is over.
    #[error("The session has expired. Ask for a new presigned URL.")]
    Expired,
    /// The domain or the user profile is gone, or was made anew since.
    #[error("The domain or user profile that this session was opened for no longer exists.")]
    Gone,
    /// The domain or the user profile is not in service.
    #[error("The domain or user profile is not in service at the moment.")]
    NotInService,
    /// `StudioWebPortal` of the user profile, or of its domain's defaults, is DISABLED.
    #[error("Access to Studio is disabled for this user profile.")]
    StudioDisabled,
}

/// Either nobody is let in, or the store failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refused {
    /// Nobody is let in.
    #[error(transparent)]
    NotAdmitted(#[from] NotAdmitted),
    /// A failure of ours.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<sagegate_store::StoreError> for Refused {
    fn from(error: sagegate_store::StoreError) -> Self {
        Self::Fault(error.into())
    }
}

/// Sorts an outcome for a transaction: that nobody is let in is an answer, and a failure is none.
///
/// # Errors
/// The failure.
pub fn let_in<T>(found: Result<T, Refused>) -> Result<Result<T, NotAdmitted>, Fault> {
    match found {
        Ok(found) => Ok(Ok(found)),
        Err(Refused::NotAdmitted(reason)) => Ok(Err(reason)),
        Err(Refused::Fault(fault)) => Err(fault),
    }
}

/// A visitor whose token or cookie is good. Whether the visit is allowed is still to be decided.
#[derive(Clone, Debug)]
pub struct Visit {
    /// The principal that asked for the URL, as it was then. Bring it up to date with
    /// `Gate::caller_as_of_now` before deciding.
    pub caller: Caller,
    /// The domain's account and region.
    pub scope: Scope,
    /// The domain.
    pub domain: DomainRecord,
    /// The user profile.
    pub profile: ProfileRecord,
    /// When the token or the session ends.
    pub ends: Time,
    /// Where the visitor wants to go, as CreatePresignedDomainUrl's `LandingUri` has it.
    pub landing: Option<String>,
    /// The digest of the session's cookie; nothing before the session is opened.
    pub session: Option<String>,
    /// The name of the space that the visitor wants to enter (CreatePresignedDomainUrl, `SpaceName`).
    /// It may be gone since.
    pub space: Option<String>,
}

impl Visit {
    /// What must be allowed for this request, with the tags that the profile has now.
    ///
    /// # Errors
    /// A [`Fault`] of the store.
    pub fn needs(&self, state: &dyn Read) -> Result<Needs, Fault> {
        let domain = &self.domain.id;
        Ok(presigned::need(state, &self.scope, domain, &self.profile.name)?.into())
    }

    /// What the policy of a Studio endpoint may allow instead: to start apps as this profile (SPEC
    /// R1.9). Of no other policy is anything asked.
    ///
    /// # Errors
    /// A [`Fault`] of the store.
    pub fn needs_of_app(&self, state: &dyn Read) -> Result<Needs, Fault> {
        let domain = &self.domain.id;
        let need = presigned::need(state, &self.scope, domain, &self.profile.name)?;
        Ok(Need { action: "sagemaker:CreateApp", of_the_way_only: true, ..need }.into())
    }

    /// The user profile's settings over the defaults of its domain.
    ///
    /// # Errors
    /// An internal [`Fault`] if stored settings do not fit their shape.
    pub fn settings(&self) -> Result<UserSettings, Fault> {
        settings::effective(&self.domain, &self.profile)
    }

    /// The ARN of the user profile.
    #[must_use]
    pub fn profile_arn(&self) -> String {
        profile_arn(&self.scope, &self.domain.id, &self.profile.name)
    }
}

/// A session just opened.
#[derive(Debug)]
pub struct Opened {
    /// The value of the cookie [`COOKIE`].
    pub cookie: Secret,
    /// For how many seconds the browser may keep it.
    pub max_age: i64,
    /// The visit that it admits.
    pub visit: Visit,
}

fn put(
    tx: &mut Tx,
    table: Table<String, AdmissionRecord>,
    kind: &str,
    digest: &str,
    record: &AdmissionRecord,
) -> Result<(), Fault> {
    table.put(tx, digest, record)?;
    note_end(tx, kind, digest, record.ends)
}

/// Notes when something ends, so that a later write clears it away.
pub(super) fn note_end(tx: &mut Tx, kind: &str, digest: &str, ends: Time) -> Result<(), Fault> {
    Ok(ENDS.put(tx, &(bearer::moment(ends), kind, digest), &())?)
}

/// Takes a note of [`note_end`] away.
pub(super) fn forget_end(tx: &mut Tx, kind: &str, digest: &str, ends: Time) {
    ENDS.delete(tx, &(bearer::moment(ends), kind, digest));
}

fn remove(
    tx: &mut Tx,
    table: Table<String, AdmissionRecord>,
    kind: &str,
    digest: &str,
    record: &AdmissionRecord,
) {
    table.delete(tx, digest);
    forget_end(tx, kind, digest, record.ends);
}

/// Clears away a few of those that have ended, so that their number stays bounded by use.
pub(super) fn sweep(tx: &mut Tx, now: Time) -> Result<(), Fault> {
    for (_, kind, digest) in bearer::take_ended(tx, ENDS, now)? {
        match kind.as_str() {
            "token" => TOKENS.delete(tx, digest.as_str()),
            "session" => SESSIONS.delete(tx, digest.as_str()),
            kind => app_door::forget(tx, kind, &digest),
        }
    }
    Ok(())
}

/// Issues the token of a presigned URL.
pub(super) fn issue(
    tx: &mut Tx,
    env: &Env,
    vault: &Vault,
    new: &NewToken<'_>,
) -> Result<Secret, Fault> {
    sweep(tx, new.now)?;
    let token = new_secret(env);
    let record = AdmissionRecord {
        account: new.scope.account.clone(),
        region: new.scope.region.clone(),
        domain: new.domain.id.clone(),
        domain_incarnation: new.domain.incarnation.clone(),
        profile: new.profile.name.clone(),
        profile_incarnation: new.profile.incarnation.clone(),
        caller: SealedCaller::new((env, vault), PURPOSE, new.caller)?,
        ends: new.now.plus_seconds(new.url_seconds),
        session_seconds: new.session_seconds,
        landing: new.landing.clone(),
        space: new.space.clone(),
    };
    put(tx, TOKENS, "token", &digest(token.reveal()), &record)?;
    Ok(token)
}

/// Whom an admission lets in, if everything that it speaks of is still there.
fn visit(state: &dyn Read, vault: &Vault, record: &AdmissionRecord) -> Result<Visit, Refused> {
    let scope = Scope { account: record.account.clone(), region: record.region.clone() };
    let domain = records::domain(state, &scope, &record.domain)?
        .filter(|it| it.incarnation == record.domain_incarnation)
        .ok_or(NotAdmitted::Gone)?;
    let profile = records::profile(state, &scope, &record.domain, &record.profile)?
        .filter(|it| it.incarnation == record.profile_incarnation)
        .ok_or(NotAdmitted::Gone)?;
    let domain_open = matches!(
        domain.status.0,
        DomainStatus::InService | DomainStatus::Updating | DomainStatus::UpdateFailed
    );
    let profile_open = matches!(
        profile.status.0,
        UserProfileStatus::InService
            | UserProfileStatus::Updating
            | UserProfileStatus::UpdateFailed
    );
    if !domain_open || !profile_open {
        return Err(NotAdmitted::NotInService.into());
    }
    let portal = settings::effective(&domain, &profile)?.studio_web_portal;
    if portal == Some(StudioWebPortal::Disabled) {
        return Err(NotAdmitted::StudioDisabled.into());
    }
    let caller = record.caller.open(vault, PURPOSE).ok_or(NotAdmitted::Unknown)?;
    let landing = record.landing.clone();
    let space = record.space.clone();
    Ok(Visit { caller, scope, domain, profile, ends: record.ends, landing, session: None, space })
}

/// Whom a token would let in, without using it up: to decide the visit before [`redeem`], in the
/// same transaction or before it.
///
/// # Errors
/// [`NotAdmitted`], also for a token that is not for this door.
pub fn token(
    state: &dyn Read,
    vault: &Vault,
    now: Time,
    door: &Door,
    token: &str,
) -> Result<Visit, Refused> {
    let record = TOKENS
        .get(state, digest(token).as_str())?
        .filter(|record| door.serves(record) && record.ends > now)
        .ok_or(NotAdmitted::Unknown)?;
    visit(state, vault, &record)
}

/// Uses a token up and opens the session that it is good for.
///
/// # Errors
/// As [`token`]; nothing is used up then.
pub fn redeem(
    tx: &mut Tx,
    env: &Env,
    vault: &Vault,
    now: Time,
    door: &Door,
    token: &str,
) -> Result<Opened, Refused> {
    let token = digest(token);
    let record = TOKENS
        .get(tx, token.as_str())?
        .filter(|record| door.serves(record) && record.ends > now)
        .ok_or(NotAdmitted::Unknown)?;
    let mut visit = visit(tx, vault, &record)?;
    sweep(tx, now)?;
    remove(tx, TOKENS, "token", &token, &record);
    let ends = now.plus_seconds(record.session_seconds);
    let session = AdmissionRecord { ends, ..record };
    let cookie = new_secret(env);
    let digest = digest(cookie.reveal());
    put(tx, SESSIONS, "session", &digest, &session)?;
    visit.ends = ends;
    visit.session = Some(digest);
    Ok(Opened { cookie, max_age: session.session_seconds, visit })
}

/// Whom a cookie lets in to this domain.
///
/// # Errors
/// [`NotAdmitted`], also for a session that is not for this door or not for this domain.
pub fn session(
    state: &dyn Read,
    vault: &Vault,
    now: Time,
    door: &Door,
    domain: &DomainId,
    cookie: &str,
) -> Result<Visit, Refused> {
    let digest = digest(cookie);
    let record = SESSIONS
        .get(state, digest.as_str())?
        .filter(|record| door.serves(record) && record.domain == *domain)
        .ok_or(NotAdmitted::Unknown)?;
    admitted(state, vault, now, &record, digest)
}

/// Whom the session with this digest lets in: for what has begun in it.
pub(super) fn session_by_digest(
    state: &dyn Read,
    vault: &Vault,
    now: Time,
    domain: &DomainId,
    digest: &str,
) -> Result<Visit, Refused> {
    let record = SESSIONS
        .get(state, digest)?
        .filter(|record| record.domain == *domain)
        .ok_or(NotAdmitted::Unknown)?;
    admitted(state, vault, now, &record, digest.to_owned())
}

fn admitted(
    state: &dyn Read,
    vault: &Vault,
    now: Time,
    record: &AdmissionRecord,
    digest: String,
) -> Result<Visit, Refused> {
    if record.ends <= now {
        return Err(NotAdmitted::Expired.into());
    }
    let mut visit = visit(state, vault, record)?;
    visit.session = Some(digest);
    Ok(visit)
}

/// Ends a session. Says nothing of whether there was one.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn log_out(tx: &mut Tx, cookie: &str) -> Result<(), Fault> {
    let digest = digest(cookie);
    if let Some(record) = SESSIONS.get(tx, digest.as_str())? {
        remove(tx, SESSIONS, "session", &digest, &record);
    }
    Ok(())
}
