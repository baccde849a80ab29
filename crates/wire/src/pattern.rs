//! The models' regular expressions, which are Java's, run by a Rust engine.

use std::collections::HashMap;
use std::iter::Peekable;
use std::str::Chars;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use fancy_regex::{Regex, RegexBuilder};

/// How much back-tracking a pattern with look-around may do before it counts as not matching.
const BACKTRACKING: usize = 200_000;

type Cache = RwLock<HashMap<&'static str, Option<Arc<Regex>>>>;

/// Whether the whole of `text` matches `pattern`.
///
/// A pattern that cannot be compiled or takes too long matches nothing: closed, not open. A test
/// compiles every pattern of the tables.
pub(crate) fn matches(pattern: &'static str, text: &str) -> bool {
    static CACHE: OnceLock<Cache> = OnceLock::new();
    let cache = CACHE.get_or_init(Cache::default);
    let known = cache.read().unwrap_or_else(PoisonError::into_inner).get(pattern).cloned();
    let compiled = known.unwrap_or_else(|| {
        let compiled = compile(pattern).ok().map(Arc::new);
        let mut cache = cache.write().unwrap_or_else(PoisonError::into_inner);
        cache.entry(pattern).or_insert(compiled).clone()
    });
    compiled.is_some_and(|regex| regex.is_match(text).unwrap_or(false))
}

/// Compiles a pattern, anchored at both ends.
pub(crate) fn compile(pattern: &str) -> Result<Regex, fancy_regex::Error> {
    RegexBuilder::new(&format!(r"\A(?:{})\z", translate(pattern)))
        .backtrack_limit(BACKTRACKING)
        .build()
}

/// Java's meaning in Rust's spelling: `\w`, `\d`, `\s` are ASCII, `.` stops at every line
/// terminator, and a second `-` in a class is a character and no set operator.
/// <https://docs.oracle.com/en/java/javase/21/docs/api/java.base/java/util/regex/Pattern.html>
fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut letters = pattern.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => escape(&mut out, &mut letters, false),
            '[' => class(&mut out, &mut letters),
            '.' => out.push_str(r"[^\n\r\x{85}\x{2028}\x{2029}]"),
            other => out.push(other),
        }
    }
    out
}

fn class(out: &mut String, letters: &mut Peekable<Chars<'_>>) {
    out.push('[');
    let mut depth = 1_u32;
    out.extend(letters.next_if_eq(&'^'));
    if letters.next_if_eq(&'-').is_some() {
        out.push_str(r"\-");
    }
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => escape(out, letters, true),
            '[' => {
                depth += 1;
                out.push('[');
            }
            ']' => {
                depth -= 1;
                out.push(']');
                if depth == 0 {
                    return;
                }
            }
            // `--` and `~~` are set operators for Rust; for Java the second `-` ends a range
            '-' if letters.next_if_eq(&'-').is_some() => out.push_str(r"-\-"),
            '~' => out.push_str(r"\~"),
            other => out.push(other),
        }
    }
}

fn escape(out: &mut String, letters: &mut Peekable<Chars<'_>>, in_class: bool) {
    let Some(letter) = letters.next() else {
        out.push('\\');
        return;
    };
    let wrapped = match letter {
        'w' => Some(("", "0-9A-Za-z_")),
        'W' => Some(("^", "0-9A-Za-z_")),
        'd' => Some(("", "0-9")),
        'D' => Some(("^", "0-9")),
        's' => Some(("", r"\t\n\x0B\f\r ")),
        'S' => Some(("^", r"\t\n\x0B\f\r ")),
        _ => None,
    };
    match wrapped {
        Some(("", set)) if in_class => out.push_str(set),
        Some((not, set)) => {
            out.push('[');
            out.push_str(not);
            out.push_str(set);
            out.push(']');
        }
        None if letter == 'u' => {
            let digits: String =
                std::iter::from_fn(|| letters.next_if(char::is_ascii_hexdigit)).take(4).collect();
            match u32::from_str_radix(&digits, 16) {
                // halves of surrogate pairs: no Rust string has them; what they stand for in
                // ranges is everything beyond the basic plane
                Ok(0xD800) => out.push_str(r"\x{10000}"),
                Ok(0xDFFF) => out.push_str(r"\x{10FFFF}"),
                Ok(0xDC00 | 0xDBFF) => {}
                _ => {
                    out.push_str(r"\x{");
                    out.push_str(&digits);
                    out.push('}');
                }
            }
        }
        None if letter.is_ascii_alphanumeric() => {
            out.push('\\');
            out.push(letter);
        }
        // an escaped punctuation character is itself; not all may be escaped in Rust
        None => match letter {
            '/' | '\'' | '"' | ':' | ',' | '=' | '@' | '%' | '_' | ' ' | '!' | '<' | '>' | ';'
            | '`' => out.push(letter),
            _ => {
                out.push('\\');
                out.push(letter);
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use sagegate_model::{Kind, SERVICES, ShapeSchema};

    use super::*;

    #[test]
    fn the_whole_text_and_ascii_classes() {
        assert!(matches(r"[\w+=,.@-]+", "some.user+x@y"));
        assert!(!matches(r"[\w+=,.@-]+", "é"));
        assert!(!matches(r"[\w+=,.@-]+", "a b"));
        assert!(!matches(r"[\w+=,.@-]+", "a\n"));
        assert!(matches(r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*", "Größe 1"));
        assert!(!matches(r"\d+", "٣"));
        assert!(matches(r"(?!\s*$).+", " a"));
        assert!(!matches(r"(?!\s*$).+", "  "));
        assert!(!matches(".*", "a\rb"));
        assert!(matches("a|b", "b"));
        assert!(!matches("a|b", "ab"));
        assert!(matches("[!--]+", "!,-"));
        assert!(matches("[-a]+", "-a"));
        assert!(matches(r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\t]*", "a\u{1F600}"));
        assert!(!matches("(", "("));
    }

    /// A pattern that does not compile refuses every request.
    #[test]
    fn every_pattern_of_the_tables_compiles() {
        fn visit(shape: &'static ShapeSchema, seen: &mut HashSet<*const ShapeSchema>) {
            if !seen.insert(shape) {
                return;
            }
            match &shape.kind {
                Kind::Text(text) => {
                    if let Some(pattern) = text.pattern {
                        compile(pattern)
                            .unwrap_or_else(|error| panic!("{}: {pattern}: {error}", shape.name));
                    }
                }
                Kind::Struct(schema) => {
                    schema.members.iter().for_each(|member| visit(member.shape, seen));
                }
                Kind::List(list) => visit(list.item, seen),
                Kind::Map(map) => {
                    visit(map.key, seen);
                    visit(map.value, seen);
                }
                _ => {}
            }
        }
        let mut seen = HashSet::new();
        for operation in SERVICES.iter().flat_map(|service| service.operations) {
            for schema in operation.input.iter().chain(&operation.output) {
                schema.members.iter().for_each(|member| visit(member.shape, &mut seen));
            }
        }
        assert!(seen.len() > 300);
    }
}
