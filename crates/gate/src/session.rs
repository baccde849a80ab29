//! Temporary credentials. A session token is the session: sealed, stateless, and worthless once
//! its principal is gone, since the principal is looked up by unique id on every use.

use crate::env::Time;
use serde::{Deserialize, Serialize};

use crate::caller::{Principal, SessionFacts};
use crate::env::Env;
use crate::ids::AccountId;
use crate::secret::Secret;
use crate::vault::Vault;

const PURPOSE: &str = "session-token/1";

/// Longest session token, in bytes, that comes through authentication. [`issue_padded`] does not
/// hold to it: whoever hands a token out must not hand out a longer one.
pub const MAX_TOKEN: usize = sagegate_wire::sigv4::MAX_TOKEN;

/// Temporary credentials, as STS answers them.
#[derive(Clone, Debug)]
pub struct TemporaryCredentials {
    /// `ASIA…`.
    pub access_key_id: String,
    /// The secret access key.
    pub secret: Secret,
    /// The session token.
    pub token: Secret,
    /// When they end.
    pub expires: Time,
}

/// What a session token holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Sealed {
    pub(crate) access_key_id: String,
    pub(crate) secret: Secret,
    pub(crate) account: AccountId,
    pub(crate) principal: Principal,
    pub(crate) facts: SessionFacts,
    /// What makes a token as long as its caller wants it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) padding: String,
}

/// Issues credentials for a session of `principal`, which end at `facts.expires`.
#[must_use]
pub fn issue(
    vault: &Vault,
    env: &Env,
    account: &AccountId,
    principal: Principal,
    facts: SessionFacts,
) -> TemporaryCredentials {
    issue_padded(vault, env, account, principal, facts, 0)
}

/// As [`issue`], with a token of at least `minimum` bytes (STS's `MinimumSessionTokenSize`).
#[must_use]
pub fn issue_padded(
    vault: &Vault,
    env: &Env,
    account: &AccountId,
    principal: Principal,
    facts: SessionFacts,
    minimum: usize,
) -> TemporaryCredentials {
    let access_key_id = access_key_id(env, account, "ASIA");
    let secret = secret_access_key(env);
    let expires = facts.expires;
    let mut sealed = Sealed {
        access_key_id: access_key_id.clone(),
        secret: secret.clone(),
        account: account.clone(),
        principal,
        facts,
        padding: String::new(),
    };
    // The types above always have a JSON form.
    let seal = |sealed: &Sealed| {
        let plain = zeroize::Zeroizing::new(serde_json::to_vec(sealed).unwrap_or_default());
        Secret::new(vault.seal_text(env, PURPOSE, &plain))
    };
    let mut token = seal(&sealed);
    if let Some(short @ 1..) = minimum.checked_sub(token.reveal().len()) {
        // Four bytes of text stand for three sealed ones.
        sealed.padding = " ".repeat((short * 3).div_ceil(4));
        token = seal(&sealed);
    }
    TemporaryCredentials { access_key_id, secret, token, expires }
}

/// Opens a session token; `None` if it was not issued here.
pub(crate) fn open(vault: &Vault, token: &str) -> Option<Sealed> {
    let plain = vault.unseal_text(PURPOSE, token).ok()?;
    serde_json::from_slice(&plain).ok()
}

/// A new access key id: the prefix (`AKIA`, `ASIA`) and sixteen characters, the first eight of which
/// hold the account as AWS's do, so that GetAccessKeyInfo can tell it from the id alone.
#[must_use]
pub fn access_key_id(env: &Env, account: &AccountId, prefix: &str) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    // Forty bits of account number, most significant first; twelve digits need forty.
    let number: u64 = account.as_str().parse().unwrap_or_default();
    let mut id = String::with_capacity(prefix.len() + 16);
    id.push_str(prefix);
    for index in (0..8).rev() {
        let digit = usize::try_from((number >> (index * 5)) & 31).unwrap_or_default();
        id.push(char::from(ALPHABET.get(digit).copied().unwrap_or(b'A')));
    }
    id.push_str(&env.base32_upper(8));
    id
}

/// The account that [`access_key_id`] put into an id; `None` if the id has another form.
#[must_use]
pub fn account_of_access_key(id: &str) -> Option<AccountId> {
    let digits = id.get(4..12)?;
    if id.len() != 20 {
        return None;
    }
    let mut number = 0_u64;
    for byte in digits.bytes() {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'2'..=b'7' => byte - b'2' + 26,
            _ => return None,
        };
        number = number << 5 | u64::from(digit);
    }
    AccountId::parse(&format!("{number:012}")).ok()
}

/// A new secret access key: forty characters of base64, 240 random bits.
#[must_use]
pub fn secret_access_key(env: &Env) -> Secret {
    use base64::Engine as _;
    let bytes = zeroize::Zeroizing::new(env.bytes::<30>());
    Secret::new(base64::engine::general_purpose::STANDARD.encode(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_key_id_tells_its_account() {
        let env = Env::system();
        for account in ["000000000000", "123456789012", "999999999999"] {
            let account = AccountId::parse(account).unwrap();
            let id = access_key_id(&env, &account, "AKIA");
            assert_eq!(id.len(), 20);
            assert_eq!(account_of_access_key(&id), Some(account));
        }
        assert_eq!(account_of_access_key("AKIA"), None);
        assert_eq!(account_of_access_key("AKIAéééééééééééé"), None);
    }

    #[test]
    fn a_token_is_as_long_as_it_must_be() {
        let env = Env::system();
        let vault = Vault::ephemeral(&env);
        let account = AccountId::parse("123456789012").unwrap();
        for minimum in [0, 1, 500, 501, 4_096] {
            let facts = SessionFacts::default();
            let issued = issue_padded(&vault, &env, &account, Principal::Root, facts, minimum);
            assert!(issued.token.reveal().len() >= minimum, "{minimum}");
            assert!(open(&vault, issued.token.reveal()).is_some());
        }
    }

    #[test]
    fn a_token_opens_to_the_session_it_was_issued_for() {
        let env = Env::system();
        let vault = Vault::ephemeral(&env);
        let account = AccountId::parse("123456789012").unwrap();
        let facts = SessionFacts { chained: true, ..SessionFacts::default() };
        let issued = issue(&vault, &env, &account, Principal::Root, facts.clone());
        let opened = open(&vault, issued.token.reveal()).unwrap();
        assert_eq!(opened.access_key_id, issued.access_key_id);
        assert!(opened.secret.is(issued.secret.reveal()));
        assert_eq!((opened.account, opened.facts), (account, facts));
        assert!(open(&vault, "x").is_none());
        assert!(!format!("{issued:?}").contains(issued.secret.reveal()));
    }
}
