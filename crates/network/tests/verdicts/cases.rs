//! Reads the tables of set-ups.

use std::path::Path;

/// A set-up with its questions.
pub(crate) struct Case {
    pub(crate) name: String,
    /// The page of AWS's that gives the verdict.
    pub(crate) source: String,
    /// As `sketch::topology` reads them.
    pub(crate) lines: String,
    /// Questions and verdicts.
    pub(crate) asked: Vec<(String, String)>,
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

/// All tables, by the names of their files.
#[expect(clippy::unwrap_used, reason = "a test fails by it")]
pub(crate) fn files() -> Vec<(String, Vec<Case>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../network/tests/verdicts");
    let paths = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|it| it == "txt")).collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let name = path.file_stem().unwrap().display().to_string();
            (name, cases(&std::fs::read_to_string(&path).unwrap()))
        })
        .collect()
}
