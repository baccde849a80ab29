//! Endpoint policies: checking them when they are written, and compiling them for the gate. Their
//! principals are [`bound`] as those of trust policies are.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use sagegate_gate::directory::EndpointPolicies;
use sagegate_gate::{AccountId, Fault, Scope};
use sagegate_policy::{Document, Policy, PolicyType, validate};
use sagegate_store::{Read, StoreError};

use super::super::fault::bad;
use super::super::records::{ENDPOINTS, Endpoint, EndpointType};
use crate::iam::bound::{self, Bound};
use crate::iam::records::ROLES;

/// The policy of an endpoint that was given none: full access (AWS PrivateLink Guide, "Control
/// access to VPC endpoints using endpoint policies").
pub(crate) const DEFAULT: &str = "{\n  \"Statement\": [\n    {\n      \"Action\": \"*\", \n      \"Effect\": \"Allow\", \n      \"Principal\": \"*\", \n      \"Resource\": \"*\"\n    }\n  ]\n}";

/// The most characters of a policy, white space included.
const MAX_CHARACTERS: usize = 20_480;

/// Checks a policy that is to be stored, and binds the principals that it names.
///
/// # Errors
/// `InvalidPolicyDocument`, with what is wrong.
pub(crate) fn check(state: &dyn Read, scope: &Scope, text: &str) -> Result<Bound, Fault> {
    let count = text.chars().count();
    if count > MAX_CHARACTERS {
        return Err(invalid(format!(
            "Policy document has {count} characters; the maximum length is {MAX_CHARACTERS} characters, white space included."
        )));
    }
    validate(text, PolicyType::Endpoint).map_err(|violations| {
        let Some(first) = violations.first() else {
            return invalid("Policy document is malformed".to_owned());
        };
        invalid(match &first.detail {
            Some(detail) => format!("{} ({detail})", first.message),
            None => first.message.clone(),
        })
    })?;
    let document = Document::parse(text).map_err(|error| invalid(error.to_string()))?;
    bound::bind(state, scope, &document, invalid)
}

/// The policy of a gateway endpoint that was given none, as the service answers it.
const GATEWAY_DEFAULT: &str = r#"{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#;

/// As [`check`], of a gateway endpoint: its principals must be everybody, and `aws:PrincipalArn` tells
/// them apart (AWS PrivateLink Guide, "Control access to VPC endpoints using endpoint policies").
///
/// # Errors
/// As there.
pub(crate) fn check_gateway(state: &dyn Read, scope: &Scope, text: &str) -> Result<Bound, Fault> {
    let bound = check(state, scope, text)?;
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|error| invalid(error.to_string()))?;
    let statements = match value.get("Statement") {
        Some(serde_json::Value::Array(all)) => all.iter().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    };
    let everybody = [
        serde_json::json!("*"),
        serde_json::json!({ "AWS": "*" }),
        serde_json::json!({ "AWS": ["*"] }),
    ];
    for statement in statements {
        if !statement.get("Principal").is_some_and(|own| everybody.contains(own)) {
            return Err(invalid(
                "The Principal element of a gateway endpoint's policy must be \"*\"; use the condition key aws:PrincipalArn."
                    .to_owned(),
            ));
        }
    }
    Ok(bound)
}

fn invalid(text: String) -> Fault {
    bad("InvalidPolicyDocument", text)
}

/// An endpoint's policy as answers show it: with the unique id of a principal that is gone.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub(crate) fn shown(
    state: &dyn Read,
    scope: &Scope,
    endpoint: &Endpoint,
) -> Result<String, StoreError> {
    match &endpoint.policy {
        Some(text) => bound::shown(state, scope, text, &endpoint.policy_principals),
        None if endpoint.kind == EndpointType::Interface => Ok(DEFAULT.to_owned()),
        None => Ok(GATEWAY_DEFAULT.to_owned()),
    }
}

/// What stands for the principals of a document.
type Meant = Vec<(Box<str>, Box<str>)>;
/// What was compiled of documents.
type Compiled = HashMap<Box<str>, Vec<(Meant, Arc<Policy>)>>;

/// The policies of all endpoints, by id, as answers show them.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub fn policies_of_endpoints(
    state: &dyn Read,
    scope: &Scope,
) -> Result<BTreeMap<String, String>, StoreError> {
    let mut all = BTreeMap::new();
    for endpoint in super::super::records::all::<Endpoint>(state, scope)? {
        let text = shown(state, scope, &endpoint)?;
        all.insert(endpoint.id, text);
    }
    Ok(all)
}

/// The policies of interface endpoints, compiled and kept by their document and what stands for its
/// principals.
#[derive(Debug, Default)]
pub struct Endpoints {
    compiled: Mutex<Compiled>,
}

/// Documents whose compiled policies are kept; there are seldom more than a few.
const KEPT: usize = 256;
/// Compiled policies that are kept of one document.
const KEPT_OF_ONE: usize = 8;

impl EndpointPolicies for Endpoints {
    fn tables(&self) -> &'static [&'static str] {
        const TABLES: &[&str] = &[ENDPOINTS.name(), ROLES.name()];
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
        let meant = bound::meant(state, &endpoint.policy_principals)?;
        let same = |known: &Meant| {
            known
                .iter()
                .map(|(arn, id)| (&**arn, &**id))
                .eq(meant.iter().map(|(arn, id)| (*arn, *id)))
        };
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let known = compiled.get(text).and_then(|all| all.iter().find(|(known, _)| same(known)));
        if let Some((_, policy)) = known {
            return Ok(Some(Arc::clone(policy)));
        }
        let in_force = bound::in_force(text, &meant);
        let document = Document::parse(&in_force).map_err(|error| StoreError::Corrupt {
            table: ENDPOINTS.name(),
            key: vpc_endpoint_id.to_owned(),
            cause: format!("its policy does not parse: {error}"),
        })?;
        let policy = Arc::new(Policy::compile(&document));
        if compiled.len() >= KEPT {
            compiled.clear();
        }
        let of_one = compiled.entry(text.into()).or_default();
        if of_one.len() >= KEPT_OF_ONE {
            of_one.clear();
        }
        let meant = meant.into_iter().map(|(arn, id)| (arn.into(), id.into())).collect();
        of_one.push((meant, Arc::clone(&policy)));
        Ok(Some(policy))
    }
}
