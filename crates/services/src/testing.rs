//! A whole gate over a store in memory, for the tests of operations: calls go through `needs`, the
//! decision and `run` as arriving ones do, without the wire.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use sagegate_gate::audit::Journal;
use sagegate_gate::directory::EndpointPolicies;
use sagegate_gate::env::{ManualClock, Time};
use sagegate_gate::{
    AccountId, Caller, Context, Env, Fault, Gate, HttpRequest, Operation, Parts, Principal,
    Refusal, Region, Scope, Vault, Within,
};
use sagegate_network::Arrival;
use sagegate_policy::Policy;
use sagegate_store::{Read, Snapshot, Store, StoreError, Tx};

use crate::iam::IamDirectory;
use crate::iam::credentials::{self, Maker};
use crate::iam::entities;
use crate::iam::records::UserRecord;

/// The account of the tests.
pub(crate) const ACCOUNT: &str = "123456789012";
/// 2026-11-22T12:00:00Z.
pub(crate) const START: Time = Time::from_millis(1_795_348_800_000);

/// No endpoint exists.
struct NoEndpoints;

impl EndpointPolicies for NoEndpoints {
    fn tables(&self) -> &'static [&'static str] {
        &[]
    }

    fn policy(
        &self,
        _: &dyn Read,
        _: &AccountId,
        _: &str,
        _: &str,
    ) -> Result<Option<Arc<Policy>>, StoreError> {
        Ok(None)
    }
}

/// A running gate with an account in it.
pub(crate) struct House {
    pub(crate) gate: Gate,
    pub(crate) clock: Arc<ManualClock>,
    runtime: tokio::runtime::Runtime,
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with_endpoints(Arc::new(NoEndpoints))
    }

    pub(crate) fn with_endpoints(endpoints: Arc<dyn EndpointPolicies>) -> Self {
        let clock = Arc::new(ManualClock::new(START));
        let env = Env { clock: clock.clone(), ..Env::system() };
        let vault = Vault::ephemeral(&env);
        let region = Region::parse("us-west-2").unwrap();
        let gate = Gate::new(Parts {
            store: Store::memory(),
            registry: crate::registry(),
            directory: Arc::new(IamDirectory::new(vault.clone(), region.clone())),
            endpoints,
            env,
            vault,
            journal: Journal::memory().unwrap(),
            region,
        });
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let house = Self { gate, clock, runtime };
        house
            .transact(|tx| credentials::bootstrap(tx, house.maker(), &house.scope().account, None));
        house
    }

    pub(crate) fn scope(&self) -> Scope {
        self.gate.scope(&AccountId::parse(ACCOUNT).unwrap())
    }

    pub(crate) fn maker(&self) -> Maker<'_> {
        Maker { env: self.gate.env(), vault: self.gate.vault(), now: self.gate.env().now() }
    }

    pub(crate) fn state(&self) -> Snapshot {
        self.gate.store().snapshot().unwrap()
    }

    /// Empties all state.
    pub(crate) fn reset(&self) {
        self.runtime.block_on(self.gate.store().clear(&[])).unwrap();
    }

    /// A transaction of the test's own.
    pub(crate) fn transact<T>(&self, work: impl FnMut(&mut Tx) -> Result<T, Fault>) -> T {
        self.runtime.block_on(self.gate.transact(work)).unwrap()
    }

    /// A transaction of a service's, which calls others.
    pub(crate) fn within<T>(&self, work: impl FnMut(&mut Tx, Within<'_>) -> Result<T, Fault>) -> T {
        self.runtime.block_on(self.gate.transact_within(work)).unwrap()
    }

    /// What an asynchronous function answers.
    pub(crate) fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Status and body of a request of the query protocol, signed with these credentials (access key
    /// id, secret access key, session token).
    pub(crate) fn signed(
        &self,
        (key, secret, token): (&str, &str, &str),
        service: &str,
        body: &str,
    ) -> (u16, String) {
        use sagegate_wire::sigv4::{Head, PayloadHash, SecretKey, SignScope, Timestamp, sign};
        let now = self.gate.env().signature_clock.now().millis();
        let at = Timestamp::from_unix_millis(now).unwrap();
        let mut headers = http::HeaderMap::new();
        for (name, value) in [
            ("host", "localhost"),
            ("x-amz-date", at.basic()),
            ("x-amz-security-token", token),
            ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        let head = Head { method: "POST", path: "/", query: "", headers: &headers };
        let scope = SignScope { access_key_id: key, region: "us-west-2", service, at };
        let secret = SecretKey::new(secret.to_owned());
        let value = sign(&head, PayloadHash::of(body.as_bytes()), &secret, &scope);
        headers.insert("authorization", value.parse().unwrap());
        let request = HttpRequest {
            method: http::Method::POST,
            path: "/".into(),
            query: String::new(),
            headers,
            body: bytes::Bytes::from(body.to_owned()),
            arrival: Arrival::Public { source_ip: IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7)) },
            local: "127.0.0.1:4566".parse().unwrap(),
            secure: false,
            request_id: self.gate.env().uuid(),
        };
        let answer = self.runtime.block_on(self.gate.serve(&request));
        (answer.status().as_u16(), String::from_utf8(answer.body().to_vec()).unwrap())
    }

    fn caller(&self, principal: Principal) -> Caller {
        Caller {
            account: self.scope().account,
            principal,
            access_key_id: "AKIATESTTESTTESTTEST".into(),
            session: None,
            partition: "aws".into(),
            called_via: Vec::new(),
        }
    }

    pub(crate) fn root(&self) -> Caller {
        self.caller(Principal::Root)
    }

    /// A user who exists, as a caller.
    pub(crate) fn user(&self, name: &str) -> Caller {
        let user: UserRecord =
            entities::find(&self.state(), &self.scope().account, name).unwrap().unwrap();
        self.caller(Principal::User { id: user.id, name: user.name, path: user.path })
    }

    /// Makes a user with one inline policy, as a caller.
    pub(crate) fn user_with_policy(&self, name: &str, policy: &str) -> Caller {
        use sagegate_api::iam::{CreateUserRequest, PutUserPolicyRequest};
        self.ok::<crate::iam::users::CreateUser>(CreateUserRequest {
            user_name: name.into(),
            ..CreateUserRequest::default()
        });
        self.ok::<crate::iam::user_policies::PutUserPolicy>(PutUserPolicyRequest {
            user_name: name.into(),
            policy_name: "inline".into(),
            policy_document: policy.into(),
        });
        self.user(name)
    }

    /// A caller's call from the public network.
    pub(crate) fn call<O: Operation>(
        &self,
        caller: &Caller,
        input: O::Input,
    ) -> Result<O::Output, Fault> {
        let arrival = Arrival::Public { source_ip: IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7)) };
        self.call_from::<O>(caller, arrival, input)
    }

    /// A caller's call from somewhere.
    pub(crate) fn call_from<O: Operation>(
        &self,
        caller: &Caller,
        arrival: Arrival,
        input: O::Input,
    ) -> Result<O::Output, Fault> {
        let context = Context {
            caller: caller.clone(),
            arrival,
            request_id: self.gate.env().uuid(),
            user_agent: "test".into(),
            now: self.gate.env().now(),
            secure: false,
        };
        self.runtime.block_on(self.gate.call::<O>(&context, &input)).map_err(
            |refusal| match refusal {
                Refusal::Denied(denial) => {
                    denial.fault(O::SERVICE, self.gate.vault(), self.gate.env())
                }
                Refusal::Fault(fault) => fault,
                other => panic!("{other:?}"),
            },
        )
    }

    /// Root's call, which must succeed.
    #[track_caller]
    pub(crate) fn ok<O: Operation>(&self, input: O::Input) -> O::Output {
        match self.call::<O>(&self.root(), input) {
            Ok(output) => output,
            Err(fault) => panic!("{}: {fault}", O::NAME),
        }
    }

    /// The error of root's call, as `Code (status): text`.
    #[track_caller]
    pub(crate) fn fails<O: Operation>(&self, input: O::Input) -> String {
        self.fails_for::<O>(&self.root(), input)
    }

    /// The error of a caller's call, as `Code (status): text`.
    #[track_caller]
    pub(crate) fn fails_for<O: Operation>(&self, caller: &Caller, input: O::Input) -> String {
        match self.call::<O>(caller, input) {
            Ok(_) => panic!("{} was done", O::NAME),
            Err(fault) => format!("{} ({}): {}", fault.code, fault.status, fault.message),
        }
    }
}
