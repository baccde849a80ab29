//! Trust policies: who may assume a role. Their principals are [`bound`].

use std::sync::Arc;

use sagegate_gate::{Fault, Scope};
use sagegate_policy::{Document, Policy, PolicyType};
use sagegate_store::{Read, StoreError};

use super::bound;
use super::documents;
use super::faults::{malformed_policy, over_quota};
use super::records::TrustPolicy;

/// Checks a trust policy and binds the principals that it names.
///
/// # Errors
/// `MalformedPolicyDocument`, `LimitExceeded`.
pub fn write(state: &dyn Read, scope: &Scope, text: &str) -> Result<TrustPolicy, Fault> {
    if documents::size(text) > documents::TRUST_POLICY_SIZE {
        return Err(over_quota("ACLSizePerRole", 2_048));
    }
    // Of trust policies alone IAM tells apart what is not JSON at all.
    if serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() {
        return Err(malformed_policy("This policy contains invalid Json"));
    }
    documents::check(text, PolicyType::Trust)?;
    let document = Document::parse(text).map_err(|error| malformed_policy(error.to_string()))?;
    let principals = bound::bind(state, scope, &document, malformed_policy)?;
    Ok(TrustPolicy { document: text.to_owned(), principals })
}

/// The document as answers show it: the present ARN of each principal that it names, or the unique
/// id where there is none any more.
///
/// # Errors
/// [`StoreError`].
pub fn shown(state: &dyn Read, scope: &Scope, trust: &TrustPolicy) -> Result<String, StoreError> {
    bound::shown(state, scope, &trust.document, &trust.principals)
}

/// The document that decides: every user and role named by its unique id, and sessions only of
/// roles that are still those that were meant.
///
/// # Errors
/// [`StoreError`].
pub fn in_force(state: &dyn Read, trust: &TrustPolicy) -> Result<String, StoreError> {
    Ok(bound::in_force(&trust.document, &bound::meant(state, &trust.principals)?))
}

/// The policy that decides; `None` if it cannot be read, which must deny.
///
/// # Errors
/// [`StoreError`].
pub fn policy(state: &dyn Read, trust: &TrustPolicy) -> Result<Option<Arc<Policy>>, StoreError> {
    let document = Document::parse(&in_force(state, trust)?).ok();
    Ok(document.map(|document| Arc::new(Policy::compile(&document))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sagegate_store::Store;

    use super::*;

    #[test]
    fn only_the_principals_are_rewritten() {
        let arn = "arn:aws:iam::123456789012:user/a";
        let trust = TrustPolicy {
            document: format!(
                "{{ \"Statement\" : {{\"Sid\":\"{arn}\",\n \"Effect\":\"Allow\",\"Principal\":\
                 {{\"AWS\":[\"{arn}\", \"123456789012\"],\"Service\":\"{arn}\"}},\
                 \"Action\":\"sts:AssumeRole\"}} }}"
            ),
            principals: [(arn.to_owned(), "AIDAX".to_owned())].into(),
        };
        let expected = trust
            .document
            .replace(&format!("[\"{arn}\", \"123456789012\"]"), "[\"AIDAX\", \"123456789012\"]");
        let state = Store::memory().snapshot().unwrap();
        assert_eq!(in_force(&state, &trust).unwrap(), expected);
        assert!(policy(&state, &trust).unwrap().is_some());
    }

    proptest! {
        /// Whatever the document looks like, only principals differ, and only the bound ones.
        #[test]
        fn binding_changes_nothing_but_principals(
            names in proptest::collection::vec("[a-c\\\\\"é]{1,3}", 1..4),
            sid in ".{0,8}",
            bound in proptest::collection::btree_map("[a-c\\\\\"é]{1,3}", "[A-Z]{4}", 0..3),
            pretty: bool,
        ) {
            let value = |names: &[String]| serde_json::json!({
                "Version": "2012-10-17",
                "Statement": [{
                    "Sid": sid,
                    "Effect": "Allow",
                    "Principal": { "Service": &names[0], "AWS": names },
                    "Action": "sts:AssumeRole",
                }],
            });
            let written = value(&names);
            let text = if pretty {
                serde_json::to_string_pretty(&written).unwrap()
            } else {
                written.to_string()
            };
            let trust = TrustPolicy { document: text, principals: bound.clone() };
            let state = Store::memory().snapshot().unwrap();
            let in_force = in_force(&state, &trust).unwrap();
            let read: serde_json::Value = serde_json::from_str(&in_force).unwrap();
            let map = |name: &String| bound.get(name).cloned().unwrap_or_else(|| name.clone());
            let mut expected = value(&names.iter().map(map).collect::<Vec<_>>());
            expected["Statement"][0]["Principal"]["Service"] = names[0].as_str().into();
            prop_assert_eq!(read, expected);
        }
    }
}
