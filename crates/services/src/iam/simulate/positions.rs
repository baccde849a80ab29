//! Where the statements of a policy stand in its text.

use sagegate_api::iam as api;

/// Where a statement begins and ends.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Span {
    pub(super) start: api::Position,
    pub(super) end: api::Position,
}

/// The spans of the statements in order. The text must be JSON.
///
/// AWS counts lines and columns from 1. A statement in a list begins behind the `[` or `,` before
/// it, white space included, a lone one behind its own `{`; both end behind their `}` (seen in
/// answers of the real service for documents of one and of several lines).
pub(super) fn statements(text: &str) -> Vec<Span> {
    let mut reader = Reader { text: text.as_bytes(), at: 0 };
    let spans = reader.document().unwrap_or_default();
    let place = |offset: usize| position(text, offset);
    spans.into_iter().map(|(start, end)| Span { start: place(start), end: place(end) }).collect()
}

fn position(text: &str, offset: usize) -> api::Position {
    let before = text.get(..offset).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let number = |count: usize| Some(i32::try_from(count).unwrap_or(i32::MAX));
    api::Position { line: number(line), column: number(column) }
}

/// Finds its way through JSON that is known to be well formed.
struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn space(&mut self) -> Option<u8> {
        while let Some(byte) = self.text.get(self.at) {
            if !byte.is_ascii_whitespace() {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    fn step(&mut self) {
        self.at += 1;
    }

    /// Passes a string; gives its raw inside.
    fn string(&mut self) -> Option<&[u8]> {
        self.step();
        let start = self.at;
        loop {
            match self.text.get(self.at)? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        let inside = self.text.get(start..self.at);
        self.at += 1;
        inside
    }

    /// Passes any value.
    fn value(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match self.space()? {
                b'"' => drop(self.string()?),
                b'{' | b'[' => {
                    depth += 1;
                    self.step();
                    continue;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.step();
                }
                b',' | b':' => {
                    self.step();
                    continue;
                }
                _ => {
                    while self.text.get(self.at).is_some_and(|it| !b",]}: \t\r\n".contains(it)) {
                        self.step();
                    }
                }
            }
            if depth == 0 {
                return Some(());
            }
        }
    }

    fn document(&mut self) -> Option<Vec<(usize, usize)>> {
        if self.space()? != b'{' {
            return None;
        }
        self.step();
        while self.space()? == b'"' {
            let found = self.string()? == b"Statement";
            if self.space()? == b':' {
                self.step();
            }
            if found {
                return self.statement();
            }
            self.value()?;
            if self.space()? == b',' {
                self.step();
            }
        }
        None
    }

    fn statement(&mut self) -> Option<Vec<(usize, usize)>> {
        if self.space()? == b'{' {
            let start = self.at + 1;
            self.value()?;
            return Some(vec![(start, self.at)]);
        }
        self.step();
        let mut spans = Vec::new();
        loop {
            let start = self.at;
            if self.space()? == b']' {
                return Some(spans);
            }
            self.value()?;
            spans.push((start, self.at));
            if self.space()? == b',' {
                self.step();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spans(text: &str) -> Vec<[i32; 4]> {
        let number = |it: Option<i32>| it.unwrap();
        statements(text)
            .into_iter()
            .map(|Span { start, end }| {
                [number(start.line), number(start.column), number(end.line), number(end.column)]
            })
            .collect()
    }

    /// Texts and positions as the real service answered them.
    #[test]
    fn positions_are_those_of_the_service() {
        let lone = "{\"Version\": \"2012-10-17\", \"Statement\": {\"Sid\": \"\", \"Effect\": \
                    \"Allow\", \"Action\": \"s3:PutObject\", \"Resource\": \"*\"}}";
        assert_eq!(spans(lone), [[1, 41, 1, 113]]);
        let lines = "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n    {\n      \"Effect\": \
                     \"Allow\",\n      \"Action\": \"*\",\n      \"Resource\": \"*\"\n    }\n  ]\n}";
        assert_eq!(spans(lines), [[3, 17, 8, 6]]);
    }

    proptest! {
        /// Any text at all is read to its end or given up.
        #[test]
        fn no_text_is_too_strange(text in "[\\[\\]{}\",:\\\\ aé]{0,40}", tail in ".{0,20}") {
            statements(&text);
            statements(&format!("{{\"Statement\":{text}{tail}"));
        }
    }

    #[test]
    fn every_statement_has_a_span_whatever_is_in_it() {
        let text =
            r#"{"Id":"a\"}]","Statement":[{"Sid":"}],{"},{"Condition":{"Bool":{"k":[true,1]}}}]}"#;
        assert_eq!(spans(text), [[1, 28, 1, 42], [1, 43, 1, 80]]);
        assert_eq!(spans("{\"Statement\":[]}"), Vec::<[i32; 4]>::new());
        for wrong in ["", "[]", "{", "{\"Statement\":", "{\"Statement\":[{", "\"x"] {
            assert_eq!(spans(wrong), Vec::<[i32; 4]>::new(), "{wrong}");
        }
    }
}
