//! Endpoint policies: checking them when they are written, and compiling them for the gate.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sagegate_gate::directory::EndpointPolicies;
use sagegate_gate::{AccountId, Fault};
use sagegate_policy::{Document, Policy, PolicyType, validate};
use sagegate_store::{Read, StoreError};

use super::super::fault::bad;
use super::super::records::ENDPOINTS;

/// The policy of an endpoint that was given none: full access (AWS PrivateLink Guide, "Control
/// access to VPC endpoints using endpoint policies").
pub(crate) const DEFAULT: &str = "{\n  \"Statement\": [\n    {\n      \"Action\": \"*\", \n      \"Effect\": \"Allow\", \n      \"Principal\": \"*\", \n      \"Resource\": \"*\"\n    }\n  ]\n}";

/// The most characters of a policy, white space included.
const MAX_CHARACTERS: usize = 20_480;

/// Checks a policy that is to be stored.
///
/// # Errors
/// `InvalidPolicyDocument`, with what is wrong.
pub(crate) fn check(text: &str) -> Result<(), Fault> {
    let count = text.chars().count();
    if count > MAX_CHARACTERS {
        let text = format!(
            "Policy document has {count} characters; the maximum length is {MAX_CHARACTERS} characters, white space included."
        );
        return Err(bad("InvalidPolicyDocument", text));
    }
    validate(text, PolicyType::Endpoint).map_err(|violations| {
        let Some(first) = violations.first() else {
            return bad("InvalidPolicyDocument", "Policy document is malformed");
        };
        let text = match &first.detail {
            Some(detail) => format!("{} ({detail})", first.message),
            None => first.message.clone(),
        };
        bad("InvalidPolicyDocument", text)
    })
}

/// The policies of interface endpoints, compiled and kept by their content.
#[derive(Debug, Default)]
pub struct Endpoints {
    compiled: Mutex<HashMap<Box<str>, Arc<Policy>>>,
}

/// Compiled policies that are kept; there are seldom more than a few.
const KEPT: usize = 256;

impl EndpointPolicies for Endpoints {
    fn tables(&self) -> &'static [&'static str] {
        const TABLES: &[&str] = &[ENDPOINTS.name()];
        TABLES
    }

    fn policy(
        &self,
        state: &dyn Read,
        account: &AccountId,
        region: &str,
        vpc_endpoint_id: &str,
    ) -> Result<Option<Arc<Policy>>, StoreError> {
        let key = (account.as_str(), region, vpc_endpoint_id);
        let Some(endpoint) = ENDPOINTS.get(state, &key)? else { return Ok(None) };
        let text = endpoint.policy.as_deref().unwrap_or(DEFAULT);
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(policy) = compiled.get(text) {
            return Ok(Some(Arc::clone(policy)));
        }
        let document = Document::parse(text).map_err(|error| StoreError::Corrupt {
            table: ENDPOINTS.name(),
            key: vpc_endpoint_id.to_owned(),
            cause: format!("its policy does not parse: {error}"),
        })?;
        let policy = Arc::new(Policy::compile(&document));
        if compiled.len() >= KEPT {
            compiled.clear();
        }
        compiled.insert(text.into(), Arc::clone(&policy));
        Ok(Some(policy))
    }
}
