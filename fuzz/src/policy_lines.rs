//! `sagegate policy decide`: one line of answer for each line of input, whatever it says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sagegate_policy::cases::{Mode, decide_lines};

fuzz_target!(|input: &[u8]| {
    let lines = input.split_inclusive(|byte| *byte == b'\n').count();
    let outcomes = [Mode::Plain, Mode::Json, Mode::Explain].map(|mode| {
        let mut output = Vec::new();
        let clean = decide_lines(input, &mut output, mode).expect("memory is read and written");
        let output = String::from_utf8(output).expect("output is text");
        assert_eq!(output.lines().count(), lines, "one line for each");
        let outcomes: Vec<String> =
            output.lines().map(|line| outcome(line, matches!(mode, Mode::Plain))).collect();
        assert_eq!(clean, outcomes.iter().all(|it| it != "error"));
        outcomes
    });
    assert_eq!(outcomes[0], outcomes[1]);
    assert_eq!(outcomes[0], outcomes[2]);
});

fn outcome(line: &str, plain: bool) -> String {
    if plain {
        return line.split(':').next().unwrap_or_default().to_owned();
    }
    let line: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
    line["outcome"].as_str().expect("an outcome").to_owned()
}
