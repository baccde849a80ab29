//! Laws of the language, on random requests.

use proptest::prelude::*;
use sagegate_policy::cases::Case;
use sagegate_policy::{Reason, decide, explain};
use serde_json::{Value, json};

use crate::{generate, naive};

/// So many times proptest's own number of cases, which `PROPTEST_CASES` raises for a long run.
fn times(factor: u32) -> ProptestConfig {
    let config = ProptestConfig::default();
    ProptestConfig { cases: config.cases.saturating_mul(factor), max_shrink_iters: 3000, ..config }
}

fn allowed(case: &Value) -> bool {
    let case = Case::parse(&case.to_string()).unwrap();
    decide(&case.request, &case.set()).allowed
}

fn deny_all() -> Value {
    json!({"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}})
}

proptest! {
    #![proptest_config(times(16))]

    #[test]
    fn agrees_with_the_naive_evaluator(case in generate::case()) {
        prop_assert_eq!(allowed(&case), naive::decide(&case), "{}", case);
    }
}

proptest! {
    #![proptest_config(times(2))]

    #[test]
    fn an_explanation_explains_the_decision(case in generate::case()) {
        let case = Case::parse(&case.to_string()).unwrap();
        let decision = decide(&case.request, &case.set());
        let trace = explain(&case.request, &case.set());
        prop_assert_eq!(trace.outcome == "allowed", decision.allowed);
        let kind = match decision.by {
            Reason::Allow(_) => "allow",
            Reason::RootUser => "root-user",
            Reason::ExplicitDeny(_) => "explicit-deny",
            Reason::ImplicitDeny(_) => "implicit-deny",
        };
        prop_assert_eq!(trace.reason.decision, kind);
        prop_assert_eq!(trace.reason.policy_kind, decision.kind());
        prop_assert_eq!(trace.changes.is_empty(), decision.allowed);
        serde_json::to_string(&trace).unwrap();
    }

    #[test]
    fn a_deny_overrides(case in generate::case(), place in 0..5_usize) {
        let mut case = case;
        let name = ["identityPolicies", "permissionBoundaries", "endpointPolicies", "resourcePolicy", "sessionPolicy"][place];
        let has_account = case["principal"].as_str().unwrap().starts_with("arn:");
        if !(has_account || matches!(name, "endpointPolicies" | "resourcePolicy")) {
            return Ok(());
        }
        match &mut case[name] {
            Value::Array(policies) => policies.push(deny_all()),
            other if name.ends_with("ies") => *other = json!([deny_all()]),
            other => *other = deny_all(),
        }
        prop_assert!(!allowed(&case));
    }

    #[test]
    fn an_allow_never_takes_away(case in generate::case(), statement in generate::statement(false)) {
        let mut statement = statement;
        statement["Effect"] = json!("Allow");
        let before = allowed(&case);
        let mut case = case;
        case["identityPolicies"].as_array_mut().unwrap().push(json!({"Version": "2012-10-17", "Statement": statement}));
        prop_assert!(allowed(&case) >= before);
    }

    #[test]
    fn order_and_grouping_do_not_matter(case in generate::case()) {
        let mut turned = case.clone();
        let policies = turned["identityPolicies"].as_array_mut().unwrap();
        policies.reverse();
        let single: Vec<Value> = policies
            .iter()
            .flat_map(|policy| {
                let mut statements = policy["Statement"].as_array().unwrap().clone();
                statements.reverse();
                statements.into_iter().map(|statement| {
                    let mut alone = policy.clone();
                    alone["Statement"] = statement;
                    alone
                }).collect::<Vec<_>>()
            })
            .collect();
        let before = allowed(&case);
        prop_assert_eq!(allowed(&turned), before);
        turned["identityPolicies"] = json!(single);
        prop_assert_eq!(allowed(&turned), before);
    }

    #[test]
    fn layout_and_letter_case_of_names_do_not_matter(case in generate::case()) {
        let before = allowed(&case);
        let spaced = serde_json::to_string_pretty(&case).unwrap();
        let parsed = Case::parse(&spaced).unwrap();
        prop_assert_eq!(decide(&parsed.request, &parsed.set()).allowed, before);
        let mut upper = case.clone();
        upper["action"] = json!(case["action"].as_str().unwrap().to_uppercase());
        let context = case["context"].as_object().unwrap();
        upper["context"] = context.iter().map(|(key, value)| (key.to_uppercase(), value.clone())).collect();
        prop_assert_eq!(allowed(&upper), before);
    }
}
