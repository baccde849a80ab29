//! Patterns: literals, `*`, `?` and policy variables, matched against the text of a request without allocating.
//!
//! Sources: "IAM JSON policy elements: Resource" (wildcards, incomplete ARNs) and "IAM policy elements: Variables and
//! tags" in the IAM User Guide.

use crate::document::Version;
use crate::request::{Context, folded_key};

/// What a match says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Match {
    /// It matches.
    Yes,
    /// It does not.
    No,
    /// It has a variable without a value in this request, or is no pattern at all: it matches nothing, and nothing may
    /// be granted on the ground that it does not match.
    Unknown,
}

impl Match {
    pub(crate) fn of(hit: bool) -> Self {
        if hit { Self::Yes } else { Self::No }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    Literal(Box<str>),
    /// `*`
    Star,
    /// `?`
    One,
    Variable {
        /// In lower case.
        key: Box<str>,
        default: Option<Box<str>>,
    },
}

/// What the characters of a pattern mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `*` and `?` are themselves.
    Plain,
    /// `*` and `?` are wildcards.
    Wild,
    /// Wildcards that stay within the first five segments of an ARN.
    Arn,
    /// The same in `Resource`, where an incomplete ARN is completed with `*`.
    Resource,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Shape {
    /// Matches everything.
    Any,
    /// One literal.
    Literal(Box<str>),
    /// A literal, then anything.
    Prefix(Box<str>),
    General,
    /// Not a pattern.
    Broken,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    tokens: Box<[Token]>,
    shape: Shape,
    arn: bool,
    variables: bool,
}

/// Where the sixth segment of an ARN begins, or the whole length of a text that has fewer.
pub(crate) fn resource_part(text: &str) -> usize {
    text.bytes()
        .enumerate()
        .filter(|(_, byte)| *byte == b':')
        .nth(4)
        .map_or(text.len(), |(at, _)| at + 1)
}

impl Pattern {
    pub(crate) fn new(text: &str, version: Version, dialect: Dialect) -> Self {
        let arn = matches!(dialect, Dialect::Arn | Dialect::Resource);
        let tokens = tokens(text, version == Version::V2012, dialect != Dialect::Plain);
        let Some(mut tokens) = tokens else {
            return Self { tokens: Box::new([]), shape: Shape::Broken, arn, variables: false };
        };
        let variables = tokens.iter().any(|token| matches!(token, Token::Variable { .. }));
        if dialect == Dialect::Resource && !variables {
            complete(&mut tokens);
        }
        let shape = match tokens.as_slice() {
            [] => Shape::Literal("".into()),
            [Token::Literal(text)] => Shape::Literal(text.clone()),
            [Token::Star] => Shape::Any,
            [Token::Literal(text), Token::Star] if !arn || text.matches(':').count() >= 5 => {
                Shape::Prefix(text.clone())
            }
            _ => Shape::General,
        };
        Self { tokens: tokens.into(), shape, arn, variables }
    }

    /// The literal, where it is nothing else.
    pub(crate) fn literal(&self) -> Option<&str> {
        match &self.shape {
            Shape::Literal(text) => Some(text),
            _ => None,
        }
    }

    /// Matches a text whose sixth ARN segment begins at `part`.
    pub(crate) fn matches(&self, text: &str, part: usize, context: &Context) -> Match {
        match &self.shape {
            Shape::Any => Match::Yes,
            Shape::Literal(literal) => Match::of(**literal == *text),
            Shape::Prefix(prefix) => Match::of(text.starts_with(&**prefix)),
            Shape::Broken => Match::Unknown,
            Shape::General => {
                if self.variables && self.tokens.iter().any(|token| fixed(token, context).is_none())
                {
                    return Match::Unknown;
                }
                Match::of(glob(&self.tokens, text, if self.arn { part } else { 0 }, context))
            }
        }
    }

    /// Compares a text without regard to letter case. Only for patterns without wildcards.
    pub(crate) fn equals_ignoring_case(&self, text: &str, context: &Context) -> Match {
        if self.shape == Shape::Broken {
            return Match::Unknown;
        }
        let mut rest = text.chars();
        let mut equal = true;
        for token in &self.tokens {
            let Some(piece) = fixed(token, context) else { return Match::Unknown };
            equal = equal
                && piece.chars().all(|c| rest.next().is_some_and(|other| same_letter(c, other)));
        }
        Match::of(equal && rest.next().is_none())
    }

    /// The literal with which the sixth segment of every ARN that it can match begins.
    pub(crate) fn resource_prefix(&self) -> &str {
        let mut colons = 0;
        for (index, token) in self.tokens.iter().enumerate() {
            match token {
                Token::Literal(text) => {
                    for (at, _) in text.match_indices(':') {
                        colons += 1;
                        if colons == 5 {
                            let rest = text.get(at + 1..).unwrap_or_default();
                            if !rest.is_empty() {
                                return rest;
                            }
                            // Literals are merged, so what follows is a wildcard, a variable or the end.
                            debug_assert!(!matches!(
                                self.tokens.get(index + 1),
                                Some(Token::Literal(_))
                            ));
                            return "";
                        }
                    }
                }
                Token::Variable { .. } => return "",
                Token::Star | Token::One => {}
            }
        }
        ""
    }

    /// The keys of all variables, in lower case.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &str> {
        self.tokens.iter().filter_map(|token| match token {
            Token::Variable { key, .. } => Some(&**key),
            _ => None,
        })
    }

    /// The keys of variables that have no value in this request.
    pub(crate) fn missing<'a>(&'a self, context: &'a Context) -> impl Iterator<Item = &'a str> {
        self.tokens.iter().filter_map(move |token| match token {
            Token::Variable { key, .. } if fixed(token, context).is_none() => Some(&**key),
            _ => None,
        })
    }
}

fn same_letter(a: char, b: char) -> bool {
    a == b || a.to_lowercase().eq(b.to_lowercase()) || a.to_uppercase().eq(b.to_uppercase())
}

/// The text that a token stands for; wildcards stand for none of their own. `None`: a variable without a value.
///
/// A variable takes the value of a single-valued key, or its default where the key is absent. A multivalued key is
/// never a variable's value.
fn fixed<'a>(token: &'a Token, context: &'a Context) -> Option<&'a str> {
    match token {
        Token::Literal(text) => Some(text),
        Token::Star | Token::One => Some(""),
        Token::Variable { key, default } => match context.get_lower(key) {
            Some(value) => value.single(),
            None => default.as_deref(),
        },
    }
}

/// Matches with backtracking to the last `*` only, which is enough: whatever an earlier one could take, the last one
/// can. `fence` is where the sixth segment begins; no wildcard takes a colon before it, so that each of the first five
/// segments of the pattern meets its own segment of the text.
fn glob(tokens: &[Token], text: &str, fence: usize, context: &Context) -> bool {
    let bytes = text.as_bytes();
    // The length of the character at `at` that a wildcard may take.
    let step = |at: usize| -> Option<usize> {
        match bytes.get(at)? {
            b':' if at < fence => None,
            0..=0x7f => Some(1),
            0x80..=0xdf => Some(2),
            0xe0..=0xef => Some(3),
            _ => Some(4),
        }
    };
    let (mut token, mut at) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        let taken = match tokens.get(token) {
            None if at == bytes.len() => return true,
            None => None,
            Some(Token::Star) => {
                if token + 1 == tokens.len() && at >= fence {
                    return true;
                }
                retry = Some((token + 1, at));
                Some(0)
            }
            Some(Token::One) => step(at),
            Some(other) => {
                let Some(piece) = fixed(other, context) else { return false };
                let hit = bytes.get(at..).is_some_and(|rest| rest.starts_with(piece.as_bytes()));
                hit.then_some(piece.len())
            }
        };
        if let Some(taken) = taken {
            token += 1;
            at += taken;
            continue;
        }
        let Some((after_star, from)) = retry else { return false };
        let Some(length) = step(from) else { return false };
        retry = Some((after_star, from + length));
        token = after_star;
        at = from + length;
    }
}

/// Adds `*` for every segment that an ARN lacks: `arn:aws:sqs` means `arn:aws:sqs:*:*:*`.
fn complete(tokens: &mut Vec<Token>) {
    let starts = matches!(tokens.first(), Some(Token::Literal(text)) if text.starts_with("arn:"));
    if !starts {
        return;
    }
    let colons: usize = tokens
        .iter()
        .map(|token| if let Token::Literal(text) = token { text.matches(':').count() } else { 0 })
        .sum();
    for _ in colons..5 {
        match tokens.last_mut() {
            Some(Token::Literal(text)) => *text = format!("{text}:").into(),
            _ => tokens.push(Token::Literal(":".into())),
        }
        tokens.push(Token::Star);
    }
}

fn tokens(text: &str, variables: bool, wild: bool) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    let flush = |literal: &mut String, tokens: &mut Vec<Token>| {
        if !literal.is_empty() {
            tokens.push(Token::Literal(std::mem::take(literal).into()));
        }
    };
    loop {
        let mut chars = rest.chars();
        let Some(first) = chars.next() else { break };
        let after = chars.as_str();
        match first {
            '*' if wild => {
                flush(&mut literal, &mut tokens);
                if tokens.last() != Some(&Token::Star) {
                    tokens.push(Token::Star);
                }
                rest = after;
            }
            '?' if wild => {
                flush(&mut literal, &mut tokens);
                tokens.push(Token::One);
                rest = after;
            }
            '$' if variables && after.starts_with('{') => {
                let (token, tail) = variable(after.strip_prefix('{')?)?;
                match token {
                    Token::Literal(text) => literal.push_str(&text),
                    other => {
                        flush(&mut literal, &mut tokens);
                        tokens.push(other);
                    }
                }
                rest = tail;
            }
            other => {
                literal.push(other);
                rest = after;
            }
        }
    }
    flush(&mut literal, &mut tokens);
    Some(tokens)
}

/// Reads what follows `${`. `None` for what is neither a variable nor an escaped character.
fn variable(text: &str) -> Option<(Token, &str)> {
    let end = text.find('}')?;
    let comma = text.find(',').filter(|comma| *comma < end);
    if let Some(comma) = comma {
        let (key, tail) = text.split_at_checked(comma)?;
        let quoted = tail.strip_prefix(',')?.trim_start().strip_prefix('\'')?;
        let (default, tail) = quoted.split_once('\'')?;
        let tail = tail.trim_start().strip_prefix('}')?;
        return Some((variable_token(key, Some(default))?, tail));
    }
    let (key, tail) = text.split_at_checked(end)?;
    let tail = tail.strip_prefix('}')?;
    match key {
        "*" | "?" | "$" => Some((Token::Literal(key.into()), tail)),
        _ => Some((variable_token(key, None)?, tail)),
    }
}

fn variable_token(key: &str, default: Option<&str>) -> Option<Token> {
    let key = key.trim();
    let valid = !key.is_empty() && !key.contains(['$', '{', '\'']);
    valid.then(|| Token::Variable { key: folded_key(key).into(), default: default.map(Into::into) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn test(pattern: &str, text: &str, dialect: Dialect, context: &[(&str, &str)]) -> Match {
        let context = context.iter().copied().collect();
        Pattern::new(pattern, Version::V2012, dialect).matches(text, resource_part(text), &context)
    }

    #[test]
    fn wildcards() {
        let hit = |pattern, text| test(pattern, text, Dialect::Wild, &[]) == Match::Yes;
        assert!(
            hit("*", "")
                && hit("a*", "a")
                && hit("*a*b*", "xaxbx")
                && hit("a?c", "aéc")
                && hit("**?", "x")
        );
        assert!(
            !hit("?", "")
                && !hit("a*b", "a")
                && !hit("*ab", "aba")
                && !hit("", "a")
                && !hit("??", "é")
        );
        assert!(hit("a*b*c", "a:b:c") && hit("", ""));
    }

    #[test]
    fn arns_match_by_segment() {
        let hit = |pattern, text| test(pattern, text, Dialect::Resource, &[]) == Match::Yes;
        let queue = "arn:aws:sqs:eu-west-1:111122223333:q:x";
        for pattern in [
            "*",
            "arn:aws:sqs",
            "arn:aws:sqs:*",
            "arn:*:s?s:*:*:*",
            "arn:aws:sqs:*:*:q*",
            "arn:aws:sqs:*-1:1*3:*x",
        ] {
            assert!(hit(pattern, queue), "{pattern}");
        }
        for pattern in [
            "arn:aws:sqs:*:q:x",
            "arn:aws:*:q:x",
            "arn:*q:x",
            "arn:aws:sqs:*:*",
            "arn:aws:sqs:eu?west-1?111122223333:q:x",
            "a*:x",
            "arn:aws:sns",
        ] {
            assert_eq!(hit(pattern, queue), pattern == "arn:aws:sqs:*:*", "{pattern}");
        }
        assert!(!hit("arn:aws:s3:::b", "*"));
    }

    #[test]
    fn variables_are_literal_and_typed() {
        let user = [("aws:username", "a*"), ("x:arn", "arn:aws:s3:::b/k")];
        let try_it = |pattern, text| test(pattern, text, Dialect::Resource, &user);
        assert_eq!(try_it("arn:aws:s3:::b/${aws:username}/*", "arn:aws:s3:::b/a*/k"), Match::Yes);
        assert_eq!(try_it("arn:aws:s3:::b/${aws:username}/*", "arn:aws:s3:::b/ab/k"), Match::No);
        assert_eq!(try_it("${x:arn}", "arn:aws:s3:::b/k"), Match::Yes);
        assert_eq!(try_it("${X:ARN}*", "arn:aws:s3:::b/kk"), Match::Yes);
        assert_eq!(try_it("arn:aws:s3:::${gone}", "arn:aws:s3:::"), Match::Unknown);
        assert_eq!(try_it("arn:aws:s3:::${gone, 'd}e'}", "arn:aws:s3:::d}e"), Match::Yes);
        for broken in ["${", "${}", "${a", "${a,b}", "${a, 'b}", "${${a}}", "${ }"] {
            assert_eq!(try_it(broken, broken), Match::Unknown, "{broken}");
        }
        let old = Pattern::new("${aws:username}", Version::V2008, Dialect::Plain);
        assert_eq!(old.matches("${aws:username}", 0, &Context::new()), Match::Yes);
    }

    #[test]
    fn resource_prefixes() {
        let prefix = |text| {
            Pattern::new(text, Version::V2012, Dialect::Resource).resource_prefix().to_owned()
        };
        assert_eq!(prefix("*"), "");
        assert_eq!(prefix("arn:aws:s3"), "");
        assert_eq!(prefix("arn:aws:s3:::b/*"), "b/");
        assert_eq!(prefix("arn:*:s3:*:*:b/${x}"), "b/");
        assert_eq!(prefix("arn:aws:s3:::${*}x?"), "*x");
        assert_eq!(prefix("${x}:aws:s3:::b"), "");
        assert_eq!(prefix("arn:aws:logs:*:*:a:b:*"), "a:b:");
    }

    proptest! {
        #[test]
        fn an_index_by_prefix_loses_no_match(pattern in "(arn|\\*):[a*]{0,2}:[a*?]{0,2}:\\*?:[a*]{0,1}:?[ab*?:]{0,4}", text in "arn:a?:a?:b?:a?:[ab:]{0,4}") {
            let compiled = Pattern::new(&pattern, Version::V2012, Dialect::Resource);
            let part = resource_part(&text);
            if compiled.matches(&text, part, &Context::new()) == Match::Yes {
                prop_assert!(text.get(part..).unwrap().starts_with(compiled.resource_prefix()));
            }
        }
    }
}
