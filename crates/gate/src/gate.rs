//! The gate itself: what it holds, and the way of a typed call through it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use sagegate_model::Struct;
use sagegate_network::Arrival;
use sagegate_store::{Committed, Snapshot, Store, StoreError, TransactError, Tx};
use sagegate_wire::sigv4::SigningKeyCache;

use crate::audit::{Journal, Record, Tally, line, members, tables};
use crate::authenticate::{Authenticator, Unrecognised};
use crate::caller::Caller;
use crate::decide::{Granted, Sight};
use crate::denial::Denial;
use crate::directory::{Directory, EndpointPolicies};
use crate::env::{Env, Time};
use crate::fault::Fault;
use crate::ids::{AccountId, Region, Scope};
use crate::last_use::LastUse;
use crate::needs::Needs;
use crate::operation::{Access, Authorized, Call, Operation};
use crate::principals::Principals;
use crate::record::{self, allowed};
use crate::registry::Registry;
use crate::vault::Vault;
use crate::within::{Ledger, Within};

/// Something that follows the state: it is told when tables that it watches were written.
pub trait Reaction: Send + Sync {
    /// The tables that it watches.
    fn tables(&self) -> &'static [&'static str];

    /// Brings what it is responsible for into line with the state. The answer to the request that
    /// wrote is held back until this is done.
    fn react<'a>(&'a self, gate: &'a Gate) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
}

/// What a gate is made of.
pub struct Parts {
    /// The state.
    pub store: Store,
    /// The operations that are served.
    pub registry: Registry,
    /// Who is who.
    pub directory: Arc<dyn Directory>,
    /// The policies of interface endpoints.
    pub endpoints: Arc<dyn EndpointPolicies>,
    /// Time and randomness.
    pub env: Env,
    /// The key of the data directory.
    pub vault: Vault,
    /// The audit of reads and refusals.
    pub journal: Journal,
    /// The region that is served.
    pub region: Region,
}

/// The one way in.
pub struct Gate {
    pub(crate) store: Store,
    pub(crate) registry: Registry,
    pub(crate) principals: Principals,
    pub(crate) endpoints: Arc<dyn EndpointPolicies>,
    pub(crate) env: Env,
    pub(crate) vault: Vault,
    pub(crate) journal: Journal,
    pub(crate) region: Region,
    pub(crate) keys: SigningKeyCache,
    pub(crate) last_use: LastUse,
    reactions: OnceLock<Vec<Arc<dyn Reaction>>>,
    /// Records of writes in the store.
    written: Tally,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("region", &self.region).finish_non_exhaustive()
    }
}

/// Derived signing keys that are kept.
const SIGNING_KEYS: usize = 1_024;

/// The circumstances of one request, apart from its members.
#[derive(Debug, Clone)]
pub struct Context {
    /// Who asks.
    pub caller: Caller,
    /// From where.
    pub arrival: Arrival,
    /// The request's id.
    pub request_id: String,
    /// The client's `User-Agent`.
    pub user_agent: String,
    /// When it arrived.
    pub now: Time,
    /// Whether the connection was encrypted: `aws:SecureTransport`.
    pub secure: bool,
}

/// Why a call was not done.
#[derive(Debug)]
pub enum Refusal {
    /// A need was not granted.
    Denied(Box<Denial>),
    /// The operation's own error, or ours.
    Fault(Fault),
    /// The request's members could not be read or break a constraint.
    Unread(sagegate_wire::ApiError),
}

impl Refusal {
    /// As an operation of `service` answers it whose caller is refused what it does in the caller's
    /// name: a denial keeps its text, in the service's own spelling.
    #[must_use]
    pub fn into_fault(self, service: &str, vault: &Vault, env: &Env) -> Fault {
        match self {
            Self::Denied(denial) => denial.fault(service, vault, env),
            Self::Fault(fault) => fault,
            Self::Unread(error) => Fault::internal(error.message),
        }
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Fault(error.into())
    }
}

impl Gate {
    /// Makes a gate of its parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self {
            store: parts.store,
            registry: parts.registry,
            principals: Principals::new(parts.directory),
            endpoints: parts.endpoints,
            env: parts.env,
            vault: parts.vault,
            journal: parts.journal,
            region: parts.region,
            keys: SigningKeyCache::new(SIGNING_KEYS),
            last_use: LastUse::default(),
            reactions: OnceLock::new(),
            written: Tally::default(),
        }
    }

    /// Names those who follow the state; once, before the first request.
    pub fn follow(&self, reactions: Vec<Arc<dyn Reaction>>) {
        // A second call would be a mistake of the program's start; the first list stays in force.
        let _ = self.reactions.set(reactions);
    }

    /// The state.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Time and randomness.
    #[must_use]
    pub fn env(&self) -> &Env {
        &self.env
    }

    /// The key of the data directory.
    #[must_use]
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// The region that is served.
    #[must_use]
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// The audit of reads and refusals.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Uses of access keys that are not in the store yet.
    #[must_use]
    pub fn last_use(&self) -> &LastUse {
        &self.last_use
    }

    /// The operations that are served.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Where an account's requests act.
    #[must_use]
    pub fn scope(&self, account: &AccountId) -> Scope {
        Scope { account: account.clone(), region: self.region.clone() }
    }

    pub(crate) fn authenticator(&self) -> Authenticator<'_> {
        Authenticator {
            principals: &self.principals,
            keys: &self.keys,
            vault: &self.vault,
            env: &self.env,
            region: &self.region,
        }
    }

    /// The caller under its present name, or nothing if its user or role is gone. For callers that
    /// were authenticated earlier and have been given something to come back with: a Studio or
    /// notebook session, a token of remote access.
    ///
    /// That the credentials of then have ended since, or their access key was deleted, does not
    /// matter: what was given has its own term and outlives them, as at AWS, where a Studio session
    /// opened by a presigned URL lasts for `SessionExpirationDurationInSeconds`, up to twelve hours,
    /// while those of the role session that asked for the URL may end after fifteen minutes (SageMaker
    /// API Reference, CreatePresignedDomainUrl; IAM User Guide, "Temporary security credentials").
    /// What ends it early is a policy, which is asked on every request with the keys of those
    /// credentials: a Deny by `aws:TokenIssueTime`, as revoking a role's sessions sets it, does.
    ///
    /// # Errors
    /// A [`StoreError`] if it cannot be looked up.
    pub fn caller_as_of_now(&self, caller: Caller) -> Result<Option<Caller>, StoreError> {
        let state = self.store.snapshot()?;
        match self.authenticator().as_of_now(&state, caller) {
            Ok(caller) => Ok(Some(caller)),
            Err(Unrecognised::Auth(_)) => Ok(None),
            Err(Unrecognised::Store(error)) => Err(error),
        }
    }

    /// Does a typed call: decides, runs, writes the audit. Arriving requests and the calls of
    /// services go through here alike.
    ///
    /// # Errors
    /// [`Refusal`]; nothing has been written then but the record of the refusal.
    pub async fn call<O: Operation>(
        &self,
        context: &Context,
        input: &O::Input,
    ) -> Result<O::Output, Refusal> {
        let (output, granted) = self.attempt_call::<O>(context, input).await?;
        if let Some(granted) = granted {
            let mut parameters = Vec::new();
            line::members(&mut parameters, input as &dyn Struct);
            self.note_read::<O>(Arc::new(context.clone()), granted, move |line| {
                line.extend_from_slice(&parameters);
            });
        }
        Ok(*output)
    }

    /// As [`Gate::call`], for a request that is not needed after it: of a read, the audit takes it
    /// over as it is, and what the record shows of it is written on the audit's thread.
    pub(crate) async fn call_arrived<O: Operation>(
        &self,
        context: &Arc<Context>,
        input: O::Input,
    ) -> Result<Box<O::Output>, Refusal> {
        let (output, granted) = self.attempt_call::<O>(context, &input).await?;
        if let Some(granted) = granted {
            let context = Arc::clone(context);
            self.note_read::<O>(context, granted, move |line| {
                line::members(line, &input as &dyn Struct);
            });
        }
        Ok(output)
    }

    /// Does a call but for the record of an allowed read: what that was granted by is handed back.
    /// Answers have kilobytes of members, and are handed on many times: in a box.
    async fn attempt_call<O: Operation>(
        &self,
        context: &Context,
        input: &O::Input,
    ) -> Result<(Box<O::Output>, Option<Granted>), Refusal> {
        let scope = self.scope(&context.caller.account);
        let ledger = Ledger::default();
        let call = Call {
            input,
            caller: &context.caller,
            arrival: &context.arrival,
            user_agent: &context.user_agent,
            secure: context.secure,
            scope: &scope,
            now: context.now,
            request_id: &context.request_id,
            env: &self.env,
            vault: &self.vault,
            last_use: &self.last_use,
            within: Within {
                gate: self,
                ledger: &ledger,
                request: Some(&context.request_id),
                now: context.now,
                writes: O::ACCESS == Access::Write,
            },
        };
        let outcome = match O::ACCESS {
            Access::Read => self.read::<O>(context, &call).map(|(out, by)| (out, Some(by))),
            // Apart from the rest, so that reads do not carry its tens of kilobytes around.
            Access::Write => Box::pin(self.write::<O>(context, &call)).await.map(|out| (out, None)),
        };
        if let Err(refusal) = &outcome {
            ledger.undo();
            let mut record = record::of::<O>(context, &call);
            record.refused(O::SERVICE, refusal);
            call.within.ledger.sum_up(&mut record);
            self.journal.note_refusal(record);
        }
        ledger.settle(self);
        outcome
    }

    fn read<O: Operation>(
        &self,
        context: &Context,
        call: &Call<'_, O::Input>,
    ) -> Result<(Box<O::Output>, Granted), Refusal> {
        let mut tx = Tx::read_only(self.store.snapshot()?);
        self.attempt::<O>(context, call, &mut tx)
    }

    /// Leaves the record of an allowed read to the audit's thread.
    fn note_read<O: Operation>(
        &self,
        context: Arc<Context>,
        granted: Granted,
        parameters: impl FnOnce(&mut Vec<u8>) + Send + 'static,
    ) {
        let event_id = self.env.uuid();
        let region = self.region.clone();
        self.journal.note_line(move |line| {
            let about = record::about::<O>(&context, &region);
            line::allowed_read(line, &about, &event_id, &context.caller, &granted, parameters);
        });
    }

    async fn write<O: Operation>(
        &self,
        context: &Context,
        call: &Call<'_, O::Input>,
    ) -> Result<Box<O::Output>, Refusal> {
        let done = self
            .store
            .transact(|tx| {
                call.within.ledger.begin();
                self.depend_on_policies(tx);
                let (output, granted) = self.attempt::<O>(context, call, tx)?;
                let mut record = record::of::<O>(context, call);
                record.response_elements = members(&*output as &dyn Struct);
                record.sagegate = allowed(&granted);
                call.within.ledger.sum_up(&mut record);
                tables::put(tx, &record)?;
                let records = call.within.ledger.store(tx)? + 1;
                Ok::<_, Refusal>((output, records))
            })
            .await;
        match done {
            Ok(Committed { value: (output, records), tables, revision }) => {
                self.count_written(revision, records);
                self.tell(&tables).await;
                Ok(output)
            }
            Err(TransactError::Aborted(refusal)) => Err(refusal),
            Err(TransactError::Contention) => Err(Refusal::Fault(Fault::contention())),
            Err(TransactError::Store(error)) => Err(error.into()),
        }
    }

    /// Runs a transaction of the system's own (start, life-cycles, an operator's command): nobody's
    /// permission is asked, and those who follow the state are told.
    ///
    /// # Errors
    /// What `work` answers, or a [`Fault`] of the store.
    pub async fn transact<T>(
        &self,
        work: impl FnMut(&mut Tx) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let done = self.commit(work).await?;
        self.tell(&done.tables).await;
        Ok(done.value)
    }

    /// As [`Gate::transact`], for what must not happen without a record: those that `work` leaves are
    /// part of the transaction.
    ///
    /// # Errors
    /// What `work` answers, or a [`Fault`] of the store.
    pub async fn transact_recorded<T>(
        &self,
        mut work: impl FnMut(&mut Tx, &mut Vec<Record>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.transact_within(|tx, within| {
            let mut records = Vec::new();
            let value = work(tx, &mut records)?;
            records.into_iter().for_each(|record| within.keep(record));
            Ok(value)
        })
        .await
    }

    /// As [`Gate::transact`], for what a service does in its own name: it calls others by the
    /// [`Within`], and leaves records.
    ///
    /// # Errors
    /// What `work` answers, or a [`Fault`] of the store.
    pub async fn transact_within<T>(
        &self,
        work: impl FnMut(&mut Tx, Within<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let done = self.commit_within(work).await?;
        self.tell(&done.tables).await;
        Ok(done.value)
    }

    /// As [`Gate::transact_within`], without telling those who follow the state.
    ///
    /// # Errors
    /// What `work` answers, or a [`Fault`] of the store.
    pub async fn commit_within<T>(
        &self,
        mut work: impl FnMut(&mut Tx, Within<'_>) -> Result<T, Fault>,
    ) -> Result<Committed<T>, Fault> {
        let ledger = Ledger::default();
        let now = self.env.now();
        let done = self
            .commit(|tx| {
                ledger.begin();
                let within =
                    Within { gate: self, ledger: &ledger, request: None, now, writes: true };
                let value = work(tx, within)?;
                Ok((value, ledger.store(tx)?))
            })
            .await;
        ledger.settle(self);
        let Committed { value: (value, records), tables, revision } = done?;
        self.count_written(revision, records);
        Ok(Committed { value, tables, revision })
    }

    /// As [`Gate::transact`], without telling those who follow the state: for themselves, who tell
    /// the others once all is done ([`Gate::tell`]).
    ///
    /// # Errors
    /// What `work` answers, or a [`Fault`] of the store.
    pub async fn commit<T>(
        &self,
        work: impl FnMut(&mut Tx) -> Result<T, Fault>,
    ) -> Result<Committed<T>, Fault> {
        self.store.transact(work).await.map_err(|error| match error {
            TransactError::Aborted(fault) => fault,
            TransactError::Contention => Fault::contention(),
            TransactError::Store(error) => error.into(),
        })
    }

    /// Tells those who follow the state that these tables were written.
    pub async fn tell(&self, written: &[&'static str]) {
        for reaction in self.reactions.get().into_iter().flatten() {
            if reaction.tables().iter().any(|table| written.contains(table)) {
                reaction.react(self).await;
            }
        }
    }

    /// Writes a fault that no request is told of to the program's log.
    pub fn report(&self, what: &str, fault: &Fault) {
        tracing::error!(?fault, "{what}");
    }

    /// Empties the state but for these tables, and the audit with it: for a reset. The files of the
    /// journal are emptied on the calling thread.
    ///
    /// # Errors
    /// A [`Fault`] of the store or of the journal's files.
    pub async fn clear(&self, keep: &[&str]) -> Result<(), Fault> {
        let saying = self.written.say();
        saying.at(self.store.clear(keep).await?, 0);
        self.journal.clear().map_err(|error| Fault::internal(format!("the journal: {error}")))
    }

    /// Removes the oldest records of writes past those that are kept; now and then.
    ///
    /// # Errors
    /// A [`Fault`] of the store.
    pub async fn trim_audit(&self) -> Result<(), Fault> {
        if self.written.is_unknown() {
            let saying = self.written.say();
            let state = self.store.snapshot()?;
            saying.at(state.revision(), tables::count(&state)?);
        }
        loop {
            let trimmed = self
                .commit(|tx| match self.written.total() {
                    Some(total) => Ok(tables::trim(tx, total)?),
                    // All is about to be emptied.
                    None => Ok(0),
                })
                .await?;
            if trimmed.value == 0 {
                return Ok(());
            }
            let removed = isize::try_from(trimmed.value).unwrap_or(isize::MAX);
            self.written.changed(trimmed.revision, -removed);
        }
    }

    fn count_written(&self, revision: u64, records: usize) {
        self.written.changed(revision, isize::try_from(records).unwrap_or(isize::MAX));
    }

    /// Lets all who follow the state catch up with it; at start.
    pub async fn catch_up(&self) {
        for reaction in self.reactions.get().into_iter().flatten() {
            reaction.react(self).await;
        }
    }

    pub(crate) fn attempt<O: Operation>(
        &self,
        context: &Context,
        call: &Call<'_, O::Input>,
        tx: &mut Tx,
    ) -> Result<(Box<O::Output>, Granted), Refusal> {
        if context.caller.session.as_ref().is_some_and(|session| !session.good_for(O::SERVICE)) {
            return Err(Fault::unknown_key().into());
        }
        let needs = O::needs(call, tx)?;
        let granted = self.decide(context, &self.sight(tx), needs)?;
        let output = Box::new(O::run(&Authorized::new(call), tx)?);
        Ok((output, granted))
    }

    /// Policies are those of the state that a transaction commits on: a policy taken away in between
    /// has it run, and decide, again.
    pub(crate) fn depend_on_policies(&self, tx: &Tx) {
        for table in self.policy_tables() {
            tx.depend_on(table);
        }
    }

    fn policy_tables(&self) -> impl Iterator<Item = &'static str> {
        let tables = [self.principals.directory().tables(), self.endpoints.tables()];
        tables.into_iter().flatten().copied()
    }

    /// Where a decision in this transaction looks for policies: what it has written of them itself
    /// counts, and then nothing that was worked out earlier does.
    fn sight<'a>(&self, tx: &'a Tx) -> Sight<'a> {
        if tx.has_writes() && self.policy_tables().any(|table| tx.has_written(table)) {
            Sight::Own(tx)
        } else {
            Sight::Committed(tx.snapshot())
        }
    }

    /// Decides needs without running anything, at the present state: for doors that ask anew on
    /// every request (SPEC T7).
    ///
    /// # Errors
    /// The first denial, or a store that cannot be read.
    pub fn check(&self, context: &Context, needs: Needs) -> Result<Granted, Refusal> {
        self.check_at(self.store.snapshot()?, context, needs)
    }

    /// As [`Gate::check`], at a state that the asker has seen already: what follows from several
    /// answers must come from one state.
    ///
    /// # Errors
    /// The first denial, or a store that cannot be read.
    pub fn check_at(
        &self,
        state: Snapshot,
        context: &Context,
        needs: Needs,
    ) -> Result<Granted, Refusal> {
        self.decide(context, &Sight::Committed(state), needs)
    }
}
