//! Hand-written set-ups with the verdict that AWS's documentation gives, its page named for each.
//!
//! The tables in `verdicts/` are text: a base that all set-ups of a file begin with, then each
//! set-up's own lines (`sagegate_network::sketch`), its source, and questions with their verdicts:
//! `reached WHO`, or `blocked CODE COMPONENT`, with `return` if the answer is what is stopped.

use std::fmt::Write as _;
use std::path::Path;

use sagegate_network::sketch;
use sagegate_network::walk::{Component, Direction, Receiver, Walk, Walker};

struct Case {
    name: String,
    source: String,
    lines: String,
    asked: Vec<(String, String)>,
}

fn cases(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("== ") {
            let lines = cases.first().map(|base| base.lines.clone()).unwrap_or_default();
            cases.push(Case { name: name.into(), source: String::new(), lines, asked: vec![] });
            continue;
        }
        let Some(case) = cases.last_mut() else { continue };
        if let Some(source) = line.strip_prefix("doc: ") {
            case.source = source.into();
        } else if let Some(question) = line.strip_prefix("ask: ") {
            case.asked.push((question.into(), String::new()));
        } else if let Some(verdict) = line.strip_prefix("verdict: ") {
            // A verdict without a question leaves its case with none, which is a failure below.
            if let Some(asked) = case.asked.last_mut() {
                asked.1 = verdict.into();
            }
        } else {
            case.lines.push_str(line);
            case.lines.push('\n');
        }
    }
    cases.remove(0);
    cases
}

fn verdict(walk: &Walk) -> String {
    let Some(explanation) = &walk.explanation else {
        return match &walk.receiver {
            None => "neither reached nor blocked".into(),
            Some(
                Receiver::NetworkInterface { id }
                | Receiver::InterfaceEndpoint { id, .. }
                | Receiver::GatewayEndpoint { id },
            ) => format!("reached {id}"),
            Some(Receiver::Resolver { .. }) => "reached resolver".into(),
            Some(Receiver::Internet { .. }) => "reached internet".into(),
        };
    };
    let component = match &explanation.component {
        Component::Resolver(_) => "resolver".into(),
        Component::Internet(_) => "internet".into(),
        other => other.to_string(),
    };
    let back = if explanation.direction == Direction::Return { " return" } else { "" };
    format!("blocked {} {component}{back}", explanation.code)
}

#[test]
fn the_model_says_what_the_documentation_says() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verdicts");
    let mut wrong = String::new();
    let (mut setups, mut files) = (0, 0);
    let mut entries: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        files += 1;
        for case in cases(&std::fs::read_to_string(&path).unwrap()) {
            setups += 1;
            let place = format!("{}: {}", path.file_stem().unwrap().display(), case.name);
            assert!(!case.source.is_empty(), "{place}: no source");
            assert!(!case.asked.is_empty(), "{place}: no question");
            let topology = sketch::topology(&case.lines).unwrap_or_else(|e| panic!("{place}: {e}"));
            let walker = Walker::new(topology);
            for (question, expected) in &case.asked {
                let asked = sketch::question(walker.topology(), question)
                    .unwrap_or_else(|e| panic!("{place}: {e}"));
                let walk = walker.walk(&asked);
                let found = verdict(&walk);
                if found != *expected {
                    let text = walk.explanation.map(|it| it.text).unwrap_or_default();
                    let _ = writeln!(
                        wrong,
                        "{place}\n  {question}\n  documented: {expected}\n  model:      {found}\n  {text}"
                    );
                }
            }
        }
    }
    assert!(files >= 8 && setups >= 60, "{setups} set-ups in {files} files");
    assert!(wrong.is_empty(), "\n{wrong}");
}
