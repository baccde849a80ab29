//! What SageMaker does in other services for a domain, as itself: as its service-linked role, whose
//! policy (`AmazonSageMakerNotebooksServiceRolePolicy`) decides, and not the one who made the domain
//! (SageMaker Developer Guide, "AWS managed policies for SageMaker Notebooks").

use std::collections::BTreeMap;
use std::time::Duration;

use sagegate_gate::{Actor, Caller, Fault, Operation, Scope, Within};
use sagegate_store::Tx;

use super::ids::DomainId;
use super::neighbours::{SERVICE, SESSION};
use crate::iam::service_linked;
use crate::iam::service_role::{self, Entry};

/// The service principal of Amazon EFS, which holds the home directories.
const EFS: &str = "elasticfilesystem.amazonaws.com";

/// How long a session of the service-linked role lasts: no longer than the work in hand.
const LIFE: Duration = Duration::from_secs(900);

/// SageMaker at work on a domain.
#[derive(Debug)]
pub(super) struct OwnCalls<'a> {
    within: Within<'a>,
    scope: &'a Scope,
    domain_arn: String,
    session: Option<Caller>,
}

impl<'a> OwnCalls<'a> {
    pub(super) fn new(within: Within<'a>, scope: &'a Scope, domain: &DomainId) -> Self {
        Self { within, scope, domain_arn: domain.arn(scope), session: None }
    }

    /// The domain that it is all for.
    pub(super) fn domain_arn(&self) -> &str {
        &self.domain_arn
    }

    /// Does several things of which all are done or none.
    ///
    /// # Errors
    /// Those of `part`.
    pub(super) fn or_undo<T>(
        &mut self,
        tx: &mut Tx,
        part: impl FnOnce(&mut Self, &mut Tx) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let within = self.within;
        within.or_undo(tx, |tx| part(self, tx))
    }

    /// A call as the service-linked role.
    ///
    /// # Errors
    /// That of the operation; `AccessDeniedException` if the role's policy does not allow it;
    /// `ValidationException` if the role is gone.
    pub(super) fn call<O: Operation>(
        &mut self,
        tx: &mut Tx,
        input: &O::Input,
    ) -> Result<O::Output, Fault> {
        let actor = Actor::role(self.session(tx)?, SERVICE);
        self.made::<O>(tx, &actor, input)
    }

    /// A call that Amazon EFS makes because of one that the service-linked role makes of it: in the
    /// role's name, and with its permissions (Amazon EFS API Reference, CreateMountTarget and
    /// DeleteMountTarget, which need those of the network interface beside their own).
    ///
    /// # Errors
    /// As [`OwnCalls::call`].
    pub(super) fn call_by_efs<O: Operation>(
        &mut self,
        tx: &mut Tx,
        input: &O::Input,
    ) -> Result<O::Output, Fault> {
        let actor = Actor::forward(&self.session(tx)?, EFS);
        self.made::<O>(tx, &actor, input)
    }

    fn made<O: Operation>(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        input: &O::Input,
    ) -> Result<O::Output, Fault> {
        let (vault, env) = (self.within.vault(), self.within.env());
        let made = self.within.call::<O>(tx, actor, input);
        made.map_err(|refusal| refusal.into_fault("sagemaker", vault, env))
    }

    /// The session of the service-linked role: entered when it is needed first.
    fn session(&mut self, tx: &mut Tx) -> Result<Caller, Fault> {
        if let Some(session) = &self.session {
            return Ok(session.clone());
        }
        let role_arn = service_linked::arn(self.scope, SERVICE)?;
        let entry = Entry {
            role_arn: &role_arn,
            service: SERVICE,
            source_arn: &self.domain_arn,
            session_name: SESSION,
            keys: BTreeMap::new(),
            source_identity: None,
            life: LIFE,
        };
        let entered = service_role::enter_within(&self.within, tx, self.scope, &entry)?;
        self.session = Some(entered.caller.clone());
        Ok(entered.caller)
    }
}
