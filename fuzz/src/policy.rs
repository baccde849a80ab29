//! Policies are read, judged, compiled, decided and explained.
//!
//! An input is four lines (principal, action, resource, context as `key=value` between tabs), then
//! documents between lines of `---`: identity, boundary, session, resource, endpoint, SCP, RCP.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use sagegate_fuzz::line;
use sagegate_policy::{
    Attached, Bundle, Context, Document, Policy, PolicySet, PolicyType, Principal, Request,
    ResourceRule, decide, explain, validate,
};

const TYPES: [PolicyType; 9] = [
    PolicyType::Identity,
    PolicyType::Inline,
    PolicyType::Boundary,
    PolicyType::Session,
    PolicyType::Resource,
    PolicyType::Endpoint,
    PolicyType::Scp,
    PolicyType::Rcp,
    PolicyType::Trust,
];

fuzz_target!(|input: &[u8]| -> Corpus { run(input).map_or(Corpus::Reject, |()| Corpus::Keep) });

fn run(input: &[u8]) -> Option<()> {
    let (principal, rest) = line(input);
    let (action, rest) = line(rest);
    let (resource, rest) = line(rest);
    let (pairs, documents) = line(rest);
    let text = |bytes| std::str::from_utf8(bytes).ok();
    let mut context = Context::new();
    for pair in text(pairs)?.split('\t') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        match value.split_once('|') {
            Some((first, rest)) => context.insert(key, vec![first.to_owned(), rest.to_owned()]),
            None => context.insert(key, value),
        }
    }
    let documents: Vec<&str> = text(documents)?.split("\n---\n").collect();
    let compiled: Vec<Option<Attached>> =
        documents.iter().enumerate().map(|(place, document)| compile(place, document)).collect();
    let at = |place: usize| compiled.get(place).cloned().flatten();

    let principal = Principal::parse(text(principal)?).unwrap_or(Principal::Anonymous);
    let request = Request::new(principal, text(action)?, text(resource)?, context);
    let identity = Bundle::new(at(0));
    let boundaries: Vec<Attached> = at(1).into_iter().collect();
    let session: Option<Vec<Attached>> = at(2).map(|policy| vec![policy]);
    let resource = at(3);
    let endpoint: Vec<Attached> = at(4).into_iter().collect();
    let scps: Vec<Vec<Attached>> = at(5).map(|policy| vec![policy]).into_iter().collect();
    let rcps: Vec<Vec<Attached>> = at(6).map(|policy| vec![policy]).into_iter().collect();
    for resource_rule in [ResourceRule::Either, ResourceRule::Required] {
        let set = PolicySet {
            identity: &identity,
            boundaries: &boundaries,
            session: session.as_deref(),
            scps: &scps,
            rcps: &rcps,
            resource: resource.as_ref(),
            resource_rule,
            endpoint: &endpoint,
        };
        let decision = decide(&request, &set);
        let trace = explain(&request, &set);
        assert_eq!(decision.allowed, trace.outcome == "allowed", "decide and explain differ");
        assert_eq!(decision.source().map(|it| it.statement), trace.reason.statement);
        assert_eq!(decision.kind(), trace.reason.policy_kind);
        serde_json::to_string(&trace).expect("a trace is JSON");
        let _ = decision.denied_message(&request, None);
    }
    Some(())
}

fn compile(place: usize, text: &str) -> Option<Attached> {
    let parsed = Document::parse(text);
    for kind in TYPES {
        match validate(text, kind) {
            Ok(()) => assert!(parsed.is_ok(), "what AWS would store can be evaluated"),
            Err(violations) => assert!(!violations.is_empty(), "a refusal has a reason"),
        }
    }
    Some(Attached::new(format!("policy-{place}"), Policy::compile(&parsed.ok()?)))
}
