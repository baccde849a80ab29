//! Hostile input: whatever comes in, an answer comes out.

use proptest::prelude::*;
use sagegate_policy::Attached;
use sagegate_policy::cases::{MAX_LINE, Mode, decide_lines};
use sagegate_policy::{
    Bundle, Context, Document, Policy, PolicySet, PolicyType, Principal, Request, decide, explain,
    validate,
};

use crate::generate;

const KINDS: [PolicyType; 8] = [
    PolicyType::Identity,
    PolicyType::Trust,
    PolicyType::Resource,
    PolicyType::Endpoint,
    PolicyType::Boundary,
    PolicyType::Session,
    PolicyType::Scp,
    PolicyType::Rcp,
];

/// Puts a text through everything.
fn use_all(text: &str) {
    for kind in KINDS {
        if let Err(violations) = validate(text, kind) {
            assert!(!violations.is_empty());
        }
    }
    let Ok(document) = Document::parse(text) else { return };
    let bundle = Bundle::new([Attached::new("p", Policy::compile(&document))]);
    let mut set = PolicySet::new(&bundle);
    set.resource = bundle.policies().first();
    set.endpoint = bundle.policies();
    let principal = Principal::parse(generate::USER).unwrap();
    let request = Request::new(
        principal,
        "s3:GetObject",
        "arn:aws:s3:::b/k",
        Context::from_iter([("aws:username", "u")]),
    );
    assert_eq!(explain(&request, &set).outcome == "allowed", decide(&request, &set).allowed);
}

proptest! {
    #[test]
    fn a_mutated_policy_never_panics(
        policy in generate::policy(true),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), "\\PC{0,3}|[\\[\\]{}\",:*?$\\\\0-9]{0,3}"), 0..6),
    ) {
        let mut text = policy.to_string();
        for (at, length, insert) in edits {
            let chars: Vec<char> = text.chars().collect();
            let start = at.index(chars.len() + 1);
            let end = (start + length.index(8)).min(chars.len());
            text = chars[..start].iter().chain(insert.chars().collect::<Vec<_>>().iter()).chain(&chars[end..]).collect();
        }
        use_all(&text);
    }

    #[test]
    fn a_random_text_never_panics(text in "\\PC{0,64}") {
        use_all(&text);
        prop_assert!(Principal::parse(&text).is_none_or(|principal| !principal.display().is_empty()));
    }

    #[test]
    fn each_line_gets_one_line(bytes in proptest::collection::vec(prop_oneof![3 => any::<u8>(), 1 => Just(b'\n')], 0..64), case in generate::case()) {
        let mut input = bytes;
        input.push(b'\n');
        input.extend(case.to_string().bytes());
        let lines = input.split(|byte| *byte == b'\n').count();
        for mode in [Mode::Plain, Mode::Explain, Mode::Json] {
            let mut output = Vec::new();
            prop_assert!(!decide_lines(input.as_slice(), &mut output, mode).unwrap());
            prop_assert_eq!(String::from_utf8(output).unwrap().lines().count(), lines);
        }
    }
}

#[test]
fn lines_are_bounded_and_the_rest_is_decided() {
    let good =
        r#"{"action":"s3:GetObject","resource":"*","principal":"111122223333","context":{}}"#;
    let long = format!("{{\"x\":\"{}\"}}", "x".repeat(MAX_LINE));
    let deep = "[".repeat(100_000);
    let input =
        [good.as_bytes(), b"\xff", b"", long.as_bytes(), deep.as_bytes(), b"{}", good.as_bytes()]
            .join(&b'\n');
    let mut output = Vec::new();
    assert!(!decide_lines(input.as_slice(), &mut output, Mode::Plain).unwrap());
    expect_test::expect![[r#"
        allowed
        error: line 2: column 1: the line is not UTF-8
        error: line 3: the line is empty
        error: line 4: the line is longer than 1048576 bytes
        error: line 5: column 65: the JSON text is nested too deeply
        error: line 6: action is missing
        allowed
    "#]]
    .assert_eq(&String::from_utf8(output).unwrap());
}

#[test]
fn patterns_do_not_blow_up() {
    let stars = "*a".repeat(2000);
    let text = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"s3:{stars}","Resource":"arn:aws:s3:::{stars}","Condition":{{"StringLike":{{"k":"{stars}"}}}}}}}}"#
    );
    let document = Document::parse(&text).unwrap();
    let bundle = Bundle::new([Attached::new("p", Policy::compile(&document))]);
    let principal = Principal::parse(generate::USER).unwrap();
    let long = "a".repeat(4000);
    let value = format!("{long}b");
    let context = Context::from_iter([("k", value.as_str())]);
    let request = Request::new(
        principal,
        &format!("s3:{}", long),
        &format!("arn:aws:s3:::{}", long),
        context,
    );
    assert!(!decide(&request, &PolicySet::new(&bundle)).allowed);
}
