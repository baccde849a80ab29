//! Calls that services make inside of a transaction: what one request, or the work that it left
//! behind, has one service ask of another.
//!
//! Such a call goes the way of every call (needs, decision, run, record) in the transaction that is
//! there already, so that all of it commits or nothing does. It is made as somebody ([`Actor`]): in
//! the caller's name, with the caller's permissions (a forward access session), or as a role that
//! the service has assumed, with the role's.

use std::sync::{Mutex, MutexGuard, PoisonError};

use sagegate_model::Struct;
use sagegate_network::Arrival;
use sagegate_store::{StoreError, Tx};
use serde_json::{Value, json};

use crate::audit::{Record, members, tables};
use crate::caller::{Caller, Principal};
use crate::decide::Granted;
use crate::env::{Env, Time};
use crate::fault::Fault;
use crate::gate::{Context, Gate, Refusal};
use crate::operation::{Access, Call, Operation};
use crate::record::{self, allowed};
use crate::vault::Vault;

/// As whom a service makes a call, and which service it is.
#[derive(Clone, Debug)]
pub struct Actor {
    caller: Caller,
    service: String,
}

impl Actor {
    /// In the name of the one whose request it is, who must be allowed the call (IAM User Guide,
    /// "Forward access sessions"): `aws:ViaAWSService` is true and `aws:CalledVia` ends with the
    /// service. The network of the request does not go along: the call comes from the service.
    #[must_use]
    pub fn forward(caller: &Caller, service: &str) -> Self {
        let mut caller = caller.clone();
        caller.called_via.push(service.to_owned());
        Self { caller, service: service.to_owned() }
    }

    /// As a role that the service has assumed, an execution role or its service-linked role: the
    /// role's policies decide, and nobody else is asked. `aws:CalledVia` is absent then (IAM User
    /// Guide, "AWS global condition context keys", `aws:CalledVia`).
    #[must_use]
    pub fn role(session: Caller, service: &str) -> Self {
        Self { caller: session, service: service.to_owned() }
    }

    /// Who makes the call.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }
}

/// What the calls of one attempt at a transaction have left: an attempt that is made again begins
/// with an empty one.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    /// Records of what was written: part of the transaction.
    stored: Vec<Record>,
    /// Records of reads and refusals: they outlive a transaction that comes to nothing.
    noted: Vec<Record>,
}

impl Ledger {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets an earlier attempt.
    pub(crate) fn begin(&self) {
        *self.entries() = Entries::default();
    }

    /// What was written is undone: of that no record stays. What wrote nothing was done all the same.
    pub(crate) fn undo(&self) {
        let entries = &mut *self.entries();
        entries.noted.extend(entries.stored.drain(..).filter(|record| record.read_only));
    }

    /// Puts the records of writes into the transaction; how many.
    pub(crate) fn store(&self, tx: &mut Tx) -> Result<usize, StoreError> {
        let entries = self.entries();
        for record in &entries.stored {
            tables::put(tx, record)?;
        }
        Ok(entries.stored.len())
    }

    /// Tells in the record of the request for which the calls were made which they were, and what was
    /// decided of each. Calls that were undone are not among them.
    pub(crate) fn sum_up(&self, record: &mut Record) {
        let entries = self.entries();
        let lines: Vec<Value> = entries.stored.iter().chain(&entries.noted).map(in_short).collect();
        if let (Some(decision), false) = (record.sagegate.as_object_mut(), lines.is_empty()) {
            decision.insert("calls".to_owned(), lines.into());
        }
    }

    /// Hands the records of reads and refusals to the journal.
    pub(crate) fn settle(&self, gate: &Gate) {
        for record in std::mem::take(&mut self.entries().noted) {
            if record.error_code.is_some() {
                gate.journal.note_refusal(record);
            } else {
                gate.journal.note(move || record);
            }
        }
    }
}

/// The inside of a transaction, from which services call each other.
#[derive(Clone, Copy, Debug)]
pub struct Within<'a> {
    pub(crate) gate: &'a Gate,
    pub(crate) ledger: &'a Ledger,
    /// The id of the request that all is done for, where there is one.
    pub(crate) request: Option<&'a str>,
    /// The instant of the transaction's decisions.
    pub(crate) now: Time,
    /// Whether what is written here lasts.
    pub(crate) writes: bool,
}

impl Within<'_> {
    /// The same, for the request of this id: work that a request has left behind is its doing.
    #[must_use]
    pub fn for_request<'b>(&'b self, request_id: &'b str) -> Within<'b> {
        Within { request: Some(request_id), ..*self }
    }

    /// Time and randomness.
    #[must_use]
    pub fn env(&self) -> &Env {
        &self.gate.env
    }

    /// Seals what leaves the process or rests on disk.
    #[must_use]
    pub fn vault(&self) -> &Vault {
        &self.gate.vault
    }

    /// The instant of the transaction's decisions.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now
    }

    /// Makes a call inside of the transaction. The policies that decide are those that the
    /// transaction sees, what it has written of them included. A call that fails leaves nothing
    /// behind but its record, and whoever made it may go on.
    ///
    /// # Errors
    /// [`Refusal`], as for a call that arrives; what it means for the request is for the operation
    /// that made the call to say ([`Refusal::into_fault`] says it as it is).
    pub fn call<O: Operation>(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        input: &O::Input,
    ) -> Result<O::Output, Refusal> {
        if O::ACCESS == Access::Write && !self.writes {
            return Err(Fault::internal(format!("a read has {} write", O::NAME)).into());
        }
        let context = Context {
            caller: actor.caller.clone(),
            arrival: Arrival::Service { service: actor.service.clone() },
            request_id: self.gate.env.uuid(),
            user_agent: actor.service.clone(),
            now: self.now,
            secure: true,
        };
        let scope = self.gate.scope(&context.caller.account);
        let call = Call {
            input,
            caller: &context.caller,
            arrival: &context.arrival,
            user_agent: &context.user_agent,
            secure: context.secure,
            scope: &scope,
            now: context.now,
            request_id: &context.request_id,
            env: &self.gate.env,
            vault: &self.gate.vault,
            last_use: &self.gate.last_use,
            within: Within {
                request: Some(&context.request_id),
                writes: O::ACCESS == Access::Write,
                ..*self
            },
        };
        self.gate.depend_on_policies(tx);
        let outcome = self.or_undo(tx, |tx| self.gate.attempt::<O>(&context, &call, tx));
        if let Principal::Role { id, .. } = &context.caller.principal {
            // Services use roles too (IAM API Reference, `RoleLastUsed`).
            self.gate.last_use.note(id, self.now, O::SERVICE, scope.region.as_str());
        }
        let mut record = record::of::<O>(&context, &call);
        record.within = self.request.map(str::to_owned);
        match &outcome {
            Ok((output, granted)) => self.keep_done::<O>(record, output, granted),
            Err(refusal) => {
                record.refused(O::SERVICE, refusal);
                self.ledger.entries().noted.push(record);
            }
        }
        outcome.map(|(output, _)| *output)
    }

    /// Does several things of which all are done or none: where `part` fails, what it has written is
    /// undone, with the records of it, and the transaction may go on.
    ///
    /// # Errors
    /// Those of `part`.
    pub fn or_undo<T, E>(
        &self,
        tx: &mut Tx,
        part: impl FnOnce(&mut Tx) -> Result<T, E>,
    ) -> Result<T, E> {
        let before = self.ledger.entries().stored.len();
        let outcome = tx.or_undo(part);
        if outcome.is_err() {
            let stored = &mut self.ledger.entries().stored;
            // What wrote nothing is not undone: a role that was entered, was.
            let stay = stored.split_off(before.min(stored.len()));
            stored.extend(stay.into_iter().filter(|record| record.read_only));
        }
        outcome
    }

    /// Keeps a record that somebody has made of what was done here by no operation, such as a
    /// service's assuming of a role: with the transaction, or, if it tells of an error, whatever
    /// becomes of the transaction.
    pub fn keep(&self, mut record: Record) {
        record.within = self.request.map(str::to_owned);
        let mut entries = self.ledger.entries();
        if record.error_code.is_some() {
            entries.noted.push(record);
        } else {
            entries.stored.push(record);
        }
    }

    fn keep_done<O: Operation>(&self, mut record: Record, output: &O::Output, granted: &Granted) {
        record.sagegate = allowed(granted);
        let mut entries = self.ledger.entries();
        if O::ACCESS == Access::Write {
            record.response_elements = members(output as &dyn Struct);
            entries.stored.push(record);
        } else {
            entries.noted.push(record);
        }
    }
}

/// A record in short.
fn in_short(record: &Record) -> Value {
    let mut line = json!({
        "requestID": record.request_id,
        "eventSource": record.event_source,
        "eventName": record.event_name,
    });
    if let Some(line) = line.as_object_mut() {
        if let Some(decision) = record.sagegate.get("decision") {
            line.insert("decision".to_owned(), decision.clone());
        }
        if let Some(code) = &record.error_code {
            line.insert("errorCode".to_owned(), code.as_str().into());
        }
    }
    line
}
