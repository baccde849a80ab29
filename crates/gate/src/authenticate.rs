//! From a signature to a caller.

use sagegate_store::{Snapshot, StoreError};
use sagegate_wire::sigv4::{
    self, AuthFailure, Expected, Head, PayloadHash, RegionRule, SecretKey, SigningKeyCache, Style,
};

use crate::caller::{Caller, Principal, SessionFacts};
use crate::env::Env;
use crate::ids::Region;
use crate::principals::Principals;
use crate::session;
use crate::vault::Vault;

/// Why nobody was recognised.
#[derive(Debug)]
pub(crate) enum Unrecognised {
    /// The signature, key or token is not good.
    Auth(AuthFailure),
    /// It could not be looked up.
    Store(StoreError),
}

impl From<AuthFailure> for Unrecognised {
    fn from(failure: AuthFailure) -> Self {
        Self::Auth(failure)
    }
}

impl From<StoreError> for Unrecognised {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What authentication needs beside the request.
#[derive(Debug)]
pub(crate) struct Authenticator<'a> {
    pub(crate) principals: &'a Principals,
    pub(crate) keys: &'a SigningKeyCache,
    pub(crate) vault: &'a Vault,
    pub(crate) env: &'a Env,
    pub(crate) region: &'a Region,
}

impl Authenticator<'_> {
    /// The caller whose signature `claim` is, after verifying it over the raw head and body.
    ///
    /// The signature is verified before anything is said of the session behind it, so that nobody
    /// learns of a session without its secret.
    pub(crate) fn caller(
        &self,
        state: &Snapshot,
        claim: &sigv4::Claim<'_>,
        head: &Head<'_>,
        body: &[u8],
        service: &str,
    ) -> Result<Caller, Unrecognised> {
        let global = matches!(service, "iam" | "route53" | "sts");
        let expected = Expected {
            service,
            region: if global {
                RegionRule::Any
            } else {
                RegionRule::Exactly(self.region.as_str())
            },
            style: Style::Standard,
            unsigned_payload: false,
        };
        let now = self.env.signature_clock.now().millis();
        let checked = claim.check(head, now, &expected)?;
        let verify = |secret: &SecretKey| checked.verify(self.keys, secret, PayloadHash::of(body));
        let partition = self.region.partition().to_owned();
        let id = claim.access_key_id();
        let Some(token) = claim.session_token() else {
            let known = self.principals.access_key(state, id)?.ok_or(AuthFailure::InvalidKey)?;
            let key = &known.key;
            if !key.active {
                return Err(AuthFailure::InvalidKey.into());
            }
            verify(&known.secret)?;
            let caller = Caller {
                account: key.account.clone(),
                principal: key.principal.clone(),
                access_key_id: id.to_owned(),
                session: None,
                partition,
                called_via: Vec::new(),
            };
            return self.as_of_now(state, caller);
        };
        let sealed = session::open(self.vault, token)
            .filter(|sealed| sealed.access_key_id == id)
            .ok_or(AuthFailure::InvalidKey)?;
        verify(&SecretKey::new(sealed.secret.reveal().to_owned()))?;
        if sealed.facts.expires <= self.env.now() {
            return Err(AuthFailure::ExpiredToken.into());
        }
        let caller = Caller {
            account: sealed.account,
            principal: sealed.principal,
            access_key_id: sealed.access_key_id,
            session: Some(sealed.facts),
            partition,
            called_via: Vec::new(),
        };
        self.as_of_now(state, caller)
    }

    /// The caller under its present name, if its user or role still exists. What was made again
    /// under an old name has another unique id and is somebody else. Nothing is asked of the
    /// credentials ([`Gate::caller_as_of_now`](crate::Gate::caller_as_of_now) says why).
    pub(crate) fn as_of_now(
        &self,
        state: &Snapshot,
        mut caller: Caller,
    ) -> Result<Caller, Unrecognised> {
        let id = match &caller.principal {
            Principal::Root | Principal::Service { .. } => return Ok(caller),
            Principal::Federated { user_id, .. } if user_id.is_empty() => return Ok(caller),
            Principal::User { id, .. } | Principal::Role { id, .. } => id,
            Principal::Federated { user_id, .. } => user_id,
        };
        let standing =
            self.principals.standing(state, &caller.account, id)?.ok_or(AuthFailure::InvalidKey)?;
        match (&mut caller.principal, &standing.identity.principal) {
            (Principal::User { name, path, .. }, Principal::User { name: now, path: at, .. })
            | (Principal::Role { name, path, .. }, Principal::Role { name: now, path: at, .. }) => {
                name.clone_from(now);
                path.clone_from(at);
            }
            _ => {}
        }
        Ok(caller)
    }
}

/// Condition keys that tell of the credentials (IAM User Guide, "AWS global condition context
/// keys", "Properties of a role session"). Long-term credentials have none of them.
pub(crate) fn session_keys(session: &SessionFacts) -> Vec<(&'static str, String)> {
    let mut keys = vec![
        ("aws:tokenissuetime", session.issued.iso8601()),
        ("aws:multifactorauthpresent", session.mfa.to_string()),
    ];
    if let Some(identity) = &session.source_identity {
        keys.push(("aws:sourceidentity", identity.clone()));
    }
    keys
}
