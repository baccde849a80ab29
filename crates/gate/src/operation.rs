//! What an operation of a service is: one type, registered once, run by the gate alone.

use std::ops::Deref;

use crate::env::Time;
use sagegate_model::Shape;
use sagegate_network::Arrival;
use sagegate_store::{Read, Tx};

use crate::caller::Caller;
use crate::env::Env;
use crate::fault::Fault;
use crate::ids::Scope;
use crate::last_use::LastUse;
use crate::needs::Needs;
use crate::vault::Vault;
use crate::within::Within;

/// Whether an operation changes state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It only reads: its transaction may not write, and its audit record is asynchronous.
    Read,
    /// It writes: its audit record is part of its transaction.
    Write,
}

/// A request as an operation sees it: typed, validated, its caller known.
#[derive(Debug)]
pub struct Call<'a, I> {
    /// The typed request.
    pub input: &'a I,
    /// Who asks.
    pub caller: &'a Caller,
    /// From where.
    pub arrival: &'a Arrival,
    /// The client's `User-Agent`.
    pub user_agent: &'a str,
    /// Whether the connection was encrypted.
    pub secure: bool,
    /// The caller's account and the region that the request was signed for.
    pub scope: &'a Scope,
    /// The instant of the decision; the same for the whole request.
    pub now: Time,
    /// The request's id.
    pub request_id: &'a str,
    /// Time and randomness.
    pub env: &'a Env,
    /// Seals what leaves the process or rests on disk.
    pub vault: &'a Vault,
    /// Uses of access keys that are not in the store yet.
    pub last_use: &'a LastUse,
    /// By which the operation calls others, in its own transaction.
    pub within: Within<'a>,
}

/// The proof that the gate has decided this very call and allowed it. Only the gate can make one.
#[derive(Debug)]
pub struct Authorized<'a, O: Operation> {
    call: &'a Call<'a, O::Input>,
}

impl<'a, O: Operation> Authorized<'a, O> {
    pub(crate) fn new(call: &'a Call<'a, O::Input>) -> Self {
        Self { call }
    }
}

impl<'a, O: Operation> Deref for Authorized<'a, O> {
    type Target = Call<'a, O::Input>;

    fn deref(&self) -> &Self::Target {
        self.call
    }
}

/// One operation of one service.
///
/// `needs` and `run` are called in one serializable transaction and anew on every retry, so both
/// must depend on nothing but their arguments.
pub trait Operation: Sized + Send + Sync + 'static {
    /// The request.
    type Input: Shape + Send + Sync;
    /// The answer.
    type Output: Shape + Send;
    /// The service's botocore name, such as `iam`.
    const SERVICE: &'static str;
    /// The operation's name, such as `CreateUser`.
    const NAME: &'static str;
    /// Whether it changes state.
    const ACCESS: Access;

    /// What the caller must be allowed. Formed without requiring that the resource exists, so that
    /// a caller without permission does not learn whether it does.
    ///
    /// # Errors
    /// Only for what must be answered before any permission is asked, such as an ARN that cannot
    /// be formed from the request.
    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault>;

    /// Does it.
    ///
    /// # Errors
    /// The service's own errors; nothing is written then.
    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault>;
}
