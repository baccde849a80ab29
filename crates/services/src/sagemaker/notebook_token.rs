//! The door of a notebook instance: single-use tokens of presigned URLs, and the sessions that they
//! open.
//!
//! As behind the Studio door ([`super::studio`]), what is stored of a token or cookie
//! ([`super::bearer`]) holds the calling principal, sealed, and the incarnation of the notebook instance. Nothing here asks for permission: the policies for CreatePresignedNotebookInstanceUrl hold
//! for every HTTP request and every WebSocket frame (SageMaker API, that operation), so whoever serves
//! one decides [`NotebookVisit::needs`] anew with the caller and the network of that request.

use sagegate_api::sagemaker::NotebookInstanceStatus;
use sagegate_gate::env::{Env, Time};
use sagegate_gate::{AccountId, Caller, Fault, Needs, Region, Scope, Secret, Vault};
use sagegate_store::{Read, Record, StoreError, Table, Tx};
use serde::{Deserialize, Serialize};

use super::bearer::{self, SealedCaller, digest, new_secret};
use super::named;
use super::notebook_records::NotebookRecord;
use super::presigned_notebook;

/// Tokens of presigned URLs that were not used yet, by digest.
pub const TOKENS: Table<String, NotebookAdmissionRecord> = Table::new("notebook.token");
/// Sessions, by digest of the cookie.
pub const SESSIONS: Table<String, NotebookAdmissionRecord> = Table::new("notebook.session");
/// What ends when: `(milliseconds, "token" or "session", digest)`.
const ENDS: Table<(u64, String, String), ()> = Table::new("notebook.end");

/// The name of the session cookie.
pub const COOKIE: &str = "sagegate-notebook";

const PURPOSE: &str = "notebook-caller/1";
/// Seconds for which a URL can be used (SageMaker API, CreatePresignedNotebookInstanceUrl).
const URL_LIFE: i64 = 300;

/// Who may come in to which notebook instance, for how long.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NotebookAdmissionRecord {
    account: AccountId,
    region: Region,
    /// The notebook instance's name as spelled at its making.
    notebook: String,
    incarnation: String,
    /// The calling principal, sealed.
    caller: SealedCaller,
    /// When the token or session ends.
    ends: Time,
    /// How long the session lasts, in seconds, from its opening.
    session_seconds: i64,
}

impl Record for NotebookAdmissionRecord {}

/// The door by which a request came in: it is one notebook instance's alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotebookDoor {
    /// The notebook instance's account and region.
    pub scope: Scope,
    /// Its name, in any case.
    pub name: String,
}

impl NotebookDoor {
    fn serves(&self, record: &NotebookAdmissionRecord) -> bool {
        self.scope.account == record.account
            && self.scope.region == record.region
            && self.name.eq_ignore_ascii_case(&record.notebook)
    }
}

/// Why nobody is let in. The texts are for the visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotebookNotAdmitted {
    /// The token was never issued, was used, or has ended; or the cookie is of no session.
    #[error(
        "This link or session is not known here: it was used before, has expired, or never was."
    )]
    Unknown,
    /// The session's time is over.
    #[error("The session has expired. Ask for a new presigned URL.")]
    Expired,
    /// The notebook instance is gone, or was made anew since.
    #[error("The notebook instance that this session was opened for no longer exists.")]
    Gone,
    /// The notebook instance does not run.
    #[error("The notebook instance is not InService. Start it and try again.")]
    NotInService,
}

/// Either nobody is let in, or the store failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NotebookRefused {
    /// Nobody is let in.
    #[error(transparent)]
    NotAdmitted(#[from] NotebookNotAdmitted),
    /// A failure of ours.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<StoreError> for NotebookRefused {
    fn from(error: StoreError) -> Self {
        Self::Fault(error.into())
    }
}

/// A visitor whose token or cookie is good. Whether the visit is allowed is still to be decided.
#[derive(Clone, Debug)]
pub struct NotebookVisit {
    /// The principal that asked for the URL, as it was then. Bring it up to date with
    /// `Gate::caller_as_of_now` before deciding.
    pub caller: Caller,
    /// The notebook instance's account and region.
    pub scope: Scope,
    /// The notebook instance. What serves is its present run's.
    pub notebook: NotebookRecord,
    /// When the token or the session ends.
    pub ends: Time,
}

impl NotebookVisit {
    /// What must be allowed for this request, with the tags that the notebook instance has now.
    ///
    /// # Errors
    /// A [`Fault`] of the store.
    pub fn needs(&self, state: &dyn Read) -> Result<Needs, Fault> {
        Ok(presigned_notebook::need(state, &self.scope, &self.notebook.name)?.into())
    }
}

/// A session just opened.
#[derive(Debug)]
pub struct NotebookOpened {
    /// The value of the cookie [`COOKIE`].
    pub cookie: Secret,
    /// For how many seconds the browser may keep it.
    pub max_age: i64,
    /// The visit that it admits.
    pub visit: NotebookVisit,
}

fn put(
    tx: &mut Tx,
    table: Table<String, NotebookAdmissionRecord>,
    kind: &str,
    digest: &str,
    record: &NotebookAdmissionRecord,
) -> Result<(), Fault> {
    table.put(tx, digest, record)?;
    Ok(ENDS.put(tx, &(bearer::moment(record.ends), kind, digest), &())?)
}

fn remove(
    tx: &mut Tx,
    table: Table<String, NotebookAdmissionRecord>,
    kind: &str,
    digest: &str,
    record: &NotebookAdmissionRecord,
) {
    table.delete(tx, digest);
    ENDS.delete(tx, &(bearer::moment(record.ends), kind, digest));
}

/// Clears away a few of those that have ended, so that their number stays bounded by use.
fn sweep(tx: &mut Tx, now: Time) -> Result<(), Fault> {
    for (_, kind, digest) in bearer::take_ended(tx, ENDS, now)? {
        let table = if kind == "token" { TOKENS } else { SESSIONS };
        table.delete(tx, digest.as_str());
    }
    Ok(())
}

/// Issues the token of a presigned URL: good once, for five minutes, for a session of so many seconds.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn issue(
    tx: &mut Tx,
    (env, vault): (&Env, &Vault),
    caller: &Caller,
    scope: &Scope,
    notebook: &NotebookRecord,
    now: Time,
    session_seconds: i64,
) -> Result<Secret, Fault> {
    sweep(tx, now)?;
    let token = new_secret(env);
    let record = NotebookAdmissionRecord {
        account: scope.account.clone(),
        region: scope.region.clone(),
        notebook: notebook.name.clone(),
        incarnation: notebook.incarnation.clone(),
        caller: SealedCaller::new((env, vault), PURPOSE, caller)?,
        ends: now.plus_seconds(URL_LIFE),
        session_seconds,
    };
    put(tx, TOKENS, "token", &digest(token.reveal()), &record)?;
    Ok(token)
}

/// Whom an admission lets in, if everything that it speaks of is still there.
fn visit(
    state: &dyn Read,
    vault: &Vault,
    record: &NotebookAdmissionRecord,
) -> Result<NotebookVisit, NotebookRefused> {
    let scope = Scope { account: record.account.clone(), region: record.region.clone() };
    let notebook = named::find::<NotebookRecord>(state, &scope, &record.notebook)?
        .filter(|it| it.incarnation == record.incarnation)
        .ok_or(NotebookNotAdmitted::Gone)?;
    if notebook.status.0 != NotebookInstanceStatus::InService {
        return Err(NotebookNotAdmitted::NotInService.into());
    }
    let caller = record.caller.open(vault, PURPOSE).ok_or(NotebookNotAdmitted::Unknown)?;
    Ok(NotebookVisit { caller, scope, notebook, ends: record.ends })
}

fn unused(
    state: &dyn Read,
    now: Time,
    door: &NotebookDoor,
    digest: &str,
) -> Result<NotebookAdmissionRecord, NotebookRefused> {
    let record = TOKENS.get(state, digest)?;
    let good = record.filter(|record| door.serves(record) && record.ends > now);
    good.ok_or_else(|| NotebookNotAdmitted::Unknown.into())
}

/// Whom a token would let in, without using it up: to decide the visit before [`redeem`], in the
/// same transaction or before it.
///
/// # Errors
/// [`NotebookNotAdmitted`], also for a token that is not for this door.
pub fn token(
    state: &dyn Read,
    vault: &Vault,
    now: Time,
    door: &NotebookDoor,
    token: &str,
) -> Result<NotebookVisit, NotebookRefused> {
    visit(state, vault, &unused(state, now, door, &digest(token))?)
}

/// Uses a token up and opens the session that it is good for.
///
/// # Errors
/// As [`token`]; nothing is used up then.
pub fn redeem(
    tx: &mut Tx,
    (env, vault): (&Env, &Vault),
    now: Time,
    door: &NotebookDoor,
    token: &str,
) -> Result<NotebookOpened, NotebookRefused> {
    let token = digest(token);
    let record = unused(tx, now, door, &token)?;
    let mut visit = visit(tx, vault, &record)?;
    sweep(tx, now)?;
    remove(tx, TOKENS, "token", &token, &record);
    let ends = now.plus_seconds(record.session_seconds);
    let session = NotebookAdmissionRecord { ends, ..record };
    let cookie = new_secret(env);
    put(tx, SESSIONS, "session", &digest(cookie.reveal()), &session)?;
    visit.ends = ends;
    Ok(NotebookOpened { cookie, max_age: session.session_seconds, visit })
}

/// Whom a cookie lets in at this door.
///
/// # Errors
/// [`NotebookNotAdmitted`], also for a session that is not for this door.
pub fn session(
    state: &dyn Read,
    vault: &Vault,
    now: Time,
    door: &NotebookDoor,
    cookie: &str,
) -> Result<NotebookVisit, NotebookRefused> {
    let record = SESSIONS
        .get(state, digest(cookie).as_str())?
        .filter(|record| door.serves(record))
        .ok_or(NotebookNotAdmitted::Unknown)?;
    if record.ends <= now {
        return Err(NotebookNotAdmitted::Expired.into());
    }
    visit(state, vault, &record)
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
