//! Findings for people: the worst first, each with its command.

use std::fmt::Write as _;

use sagegate_doctor::{Finding, Level, Snapshot};

/// How wide lines are, where no word is longer.
const WIDTH: usize = 100;

/// The whole report.
pub(super) fn text(snapshot: &Snapshot, found: &[Finding]) -> String {
    let mut out = String::new();
    for finding in found {
        let level = finding.level.as_str();
        // Writing to a string does not fail.
        let _ = writeln!(out, "{level:<8} {}  [{}]", finding.requirement, finding.check);
        for line in wrapped(&finding.text, WIDTH - 9) {
            let _ = writeln!(out, "         {line}");
        }
        if let Some(mend) = &finding.mend {
            // On a line of its own, to be pasted as it is.
            let _ = writeln!(out, "         mend it with:\n{mend}");
        }
        out.push('\n');
    }
    let of = |level| found.iter().filter(|it| it.level == level).count();
    let (errors, warnings, notes) = (of(Level::Error), of(Level::Warning), of(Level::Info));
    let looked = format!(
        "looked at {} and {}",
        count(snapshot.vpcs.len(), "VPC"),
        count(snapshot.domains.len(), "domain")
    );
    let _ = match (errors, warnings) {
        (0, 0) => writeln!(out, "Nothing is wrong; {looked}; {}.", count(notes, "note")),
        _ => writeln!(
            out,
            "{}, {}, {}; {looked}.",
            count(errors, "error"),
            count(warnings, "warning"),
            count(notes, "note")
        ),
    };
    out
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_told_with_their_commands() {
        let finding = Finding {
            level: Level::Error,
            check: "nfs",
            requirement: "R1.3",
            objects: vec!["vpce-1".into()],
            text: "one two three".into(),
            mend: Some("aws ec2 mend".into()),
        };
        let told = text(&Snapshot::default(), &[finding]);
        assert_eq!(
            told,
            "error    R1.3  [nfs]\n         one two three\n         mend it with:\naws ec2 mend\n\n\
             1 error, 0 warnings, 0 notes; looked at 0 VPCs and 0 domains.\n"
        );
        assert_eq!(
            text(&Snapshot::default(), &[]),
            "Nothing is wrong; looked at 0 VPCs and 0 domains; 0 notes.\n"
        );
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
    }
}
