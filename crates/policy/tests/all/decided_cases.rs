//! The decided cases and the seed policies that the project keeps beside its checkout.

use std::path::PathBuf;

use sagegate_policy::cases::{Case, Mode, decide_lines};
use sagegate_policy::{Document, decide};

/// `$SAGEGATE_SHARED`, else `shared` beside the repository.
fn shared(path: &str) -> PathBuf {
    let root = std::env::var_os("SAGEGATE_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    root.join(path)
}

fn read(path: &str) -> Result<String, String> {
    let path = shared(path);
    std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
}

#[test]
fn all_cases_hold() {
    let lines = read("policy-cases/decisions.jsonl").unwrap();
    let mut wrong = Vec::new();
    for line in lines.lines() {
        let facts: serde_json::Value = serde_json::from_str(line).unwrap();
        let case = Case::parse(line).unwrap_or_else(|error| panic!("{}: {error}", facts["id"]));
        let decision = decide(&case.request, &case.set());
        if facts["expect"] != if decision.allowed { "allowed" } else { "denied" } {
            wrong.push(format!(
                "{}: {} expected {}: {:?}",
                facts["id"], facts["rule"], facts["expect"], decision.by
            ));
        }
    }
    assert!(lines.lines().count() >= 106);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn one_line_of_answer_for_each_line() {
    let lines = read("policy-cases/decisions.jsonl").unwrap();
    let mut output = Vec::new();
    assert!(decide_lines(lines.as_bytes(), &mut output, Mode::Plain).unwrap());
    let expected: Vec<String> = lines
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["expect"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(String::from_utf8(output).unwrap().lines().collect::<Vec<_>>(), expected);
}

#[test]
fn seed_policies_are_read() {
    let mut count = 0;
    for entry in std::fs::read_dir(shared("seed-policies")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        if text.contains("\"Statement\"") {
            Document::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            count += 1;
        }
    }
    assert!(count >= 20);
}
