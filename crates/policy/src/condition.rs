//! Compiled conditions and how they hold.
//!
//! Sources: "IAM JSON policy elements: Condition operators", "Conditions with multiple context keys or values" and
//! "Single-valued vs. multivalued context keys" in the IAM User Guide.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ipnet::IpNet;

use crate::document::{Condition, Effect, Version};
use crate::operator::{Base, Comparison, Operator, Quantifier};
use crate::pattern::{Dialect, Match, Pattern, resource_part};
use crate::request::{Context, Value, folded_key};
use crate::value::{Decimal, parse_address, parse_bool, parse_instant, parse_range};

#[derive(Debug, Clone)]
enum Test {
    Strings(Vec<Pattern>),
    IgnoringCase(Vec<Pattern>),
    Arns(Vec<Pattern>),
    Numeric(Comparison, Vec<Option<Decimal<'static>>>),
    Date(Comparison, Vec<Option<i128>>),
    Bool(Vec<Option<bool>>),
    Binary(Vec<Option<Box<str>>>),
    Address(Vec<Option<IpNet>>),
    Null(Vec<Option<bool>>),
}

/// One key under one operator, compiled.
#[derive(Debug, Clone)]
pub(crate) struct CompiledCondition {
    operator: Operator,
    /// In lower case.
    key: Box<str>,
    test: Test,
}

/// Whether a request value is an ARN: six segments, the first `arn`.
fn is_arn(text: &str) -> bool {
    text.starts_with("arn:") && text.bytes().filter(|byte| *byte == b':').count() >= 5
}

fn is_base64(text: &str) -> bool {
    STANDARD.decode(text).is_ok()
}

impl CompiledCondition {
    pub(crate) fn new(condition: &Condition, version: Version) -> Self {
        let texts = || condition.values.iter().map(|text| &*text.value);
        let patterns = |dialect| texts().map(|text| Pattern::new(text, version, dialect)).collect();
        let test = match condition.operator.base {
            Base::StringEquals => Test::Strings(patterns(Dialect::Plain)),
            Base::StringEqualsIgnoreCase => Test::IgnoringCase(patterns(Dialect::Plain)),
            Base::StringLike => Test::Strings(patterns(Dialect::Wild)),
            Base::ArnEquals | Base::ArnLike => Test::Arns(patterns(Dialect::Arn)),
            Base::Numeric(comparison) => Test::Numeric(
                comparison,
                texts().map(|text| Decimal::parse(text).map(Decimal::into_owned)).collect(),
            ),
            Base::Date(comparison) => Test::Date(comparison, texts().map(parse_instant).collect()),
            Base::Bool => Test::Bool(texts().map(parse_bool).collect()),
            Base::BinaryEquals => {
                Test::Binary(texts().map(|text| is_base64(text).then(|| text.into())).collect())
            }
            Base::IpAddress => Test::Address(texts().map(parse_range).collect()),
            Base::Null => Test::Null(texts().map(parse_bool).collect()),
        };
        Self { operator: condition.operator, key: folded_key(&condition.key).into(), test }
    }

    /// The request's value for this condition's key.
    pub(crate) fn value<'c>(&self, context: &'c Context) -> Option<&'c Value> {
        context.get_lower(&self.key)
    }

    /// The key and the variables in the values, in lower case.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&*self.key).chain(self.patterns().iter().flat_map(Pattern::variables))
    }

    fn patterns(&self) -> &[Pattern] {
        match &self.test {
            Test::Strings(patterns) | Test::IgnoringCase(patterns) | Test::Arns(patterns) => {
                patterns
            }
            _ => &[],
        }
    }

    /// The variables in the values that have no value in this request.
    pub(crate) fn missing_variables<'a>(
        &'a self,
        context: &'a Context,
    ) -> impl Iterator<Item = &'a str> {
        self.patterns().iter().flat_map(|pattern| pattern.missing(context))
    }

    /// Whether the condition holds, in a statement of this effect.
    ///
    /// The effect matters where the documentation leaves a case open; there an Allow does not apply and a Deny does:
    /// a value that cannot be compared (a variable without value) never satisfies a negated operator in an Allow, and
    /// several request values without a set operator must all satisfy an Allow while one is enough for a Deny.
    pub(crate) fn holds(&self, context: &Context, effect: Effect) -> bool {
        let value = self.value(context);
        if let Test::Null(wanted) = &self.test {
            let absent = value.is_none_or(is_empty_set);
            return wanted.contains(&Some(absent));
        }
        let quantifier = match value {
            Some(Value::Conflicting(_)) => None,
            _ => self.operator.quantifier,
        };
        let absent = match (value, quantifier) {
            (None, _) => true,
            (Some(Value::Multi(values)), _) if values.is_empty() => true,
            _ => false,
        };
        if absent && self.operator.if_exists {
            // A set operator that asks for one value among none, and a suffix that is content with none: the
            // documentation does not say which of the two prevails.
            return quantifier != Some(Quantifier::Any) || effect == Effect::Deny;
        }
        let value = match value {
            Some(value) if !(absent || quantifier.is_some() && is_null_set(value)) => value,
            _ => {
                return match quantifier {
                    Some(Quantifier::All) => true,
                    Some(Quantifier::Any) => false,
                    None => self.operator.negated,
                };
            }
        };
        let mut each = value.values().map(|text| self.satisfied(text, context, effect));
        let all = match quantifier {
            Some(Quantifier::All) => true,
            Some(Quantifier::Any) => false,
            None => effect == Effect::Allow,
        };
        if all { each.all(|hit| hit) } else { each.any(|hit| hit) }
    }

    /// Whether one request value satisfies the operator, negation included.
    fn satisfied(&self, text: &str, context: &Context, effect: Effect) -> bool {
        match (self.compare(text, context), self.operator.negated) {
            (Match::Yes, negated) => !negated,
            (Match::No, negated) => negated,
            (Match::Unknown, negated) => negated && effect == Effect::Deny,
        }
    }

    /// Whether one of the policy's values matches. `Unknown` if none does, but one could not be compared.
    fn compare(&self, text: &str, context: &Context) -> Match {
        match &self.test {
            Test::Strings(patterns) => {
                // No fence: a `*` takes colons too.
                any(patterns, |pattern| pattern.matches(text, 0, context))
            }
            Test::IgnoringCase(patterns) => {
                any(patterns, |pattern| pattern.equals_ignoring_case(text, context))
            }
            Test::Arns(patterns) => {
                let (arn, part) = (is_arn(text), resource_part(text));
                any(patterns, |pattern| match pattern.matches(text, part, context) {
                    Match::Yes => Match::of(arn),
                    other => other,
                })
            }
            Test::Numeric(comparison, values) => {
                let given = Decimal::parse(text);
                any_known(values, given.as_ref(), |value, given| {
                    comparison.holds(given.compare(value))
                })
            }
            Test::Date(comparison, values) => {
                let given = parse_instant(text);
                any_known(values, given.as_ref(), |value, given| comparison.holds(given.cmp(value)))
            }
            Test::Bool(values) => {
                any_known(values, parse_bool(text).as_ref(), |value, given| value == given)
            }
            Test::Binary(values) => any_known(values, Some(text), |value, given| **value == *given),
            Test::Address(values) => {
                any_known(values, parse_address(text).as_ref(), |range, given| {
                    range.contains(given)
                })
            }
            // Decided before any value is looked at.
            Test::Null(_) => Match::No,
        }
    }
}

/// What `Null` takes for absent: no value, or one empty value in a list.
fn is_empty_set(value: &Value) -> bool {
    match value {
        Value::Single(_) | Value::Conflicting(_) => false,
        Value::Multi(values) => values.iter().all(|value| value.is_empty()) && values.len() <= 1,
    }
}

/// What a set operator takes for no values: "a null data set, such as an empty string".
fn is_null_set(value: &Value) -> bool {
    match value {
        Value::Single(text) => text.is_empty(),
        Value::Multi(_) | Value::Conflicting(_) => is_empty_set(value),
    }
}

fn any<T>(items: &[T], test: impl Fn(&T) -> Match) -> Match {
    let mut result = Match::No;
    for item in items {
        match test(item) {
            Match::Yes => return Match::Yes,
            Match::Unknown => result = Match::Unknown,
            Match::No => {}
        }
    }
    result
}

/// A request value that is none for the operator equals nothing; a policy value that is none cannot be compared.
fn any_known<T, G: ?Sized>(
    items: &[Option<T>],
    given: Option<&G>,
    test: impl Fn(&T, &G) -> bool,
) -> Match {
    any(items, |item| match (item, given) {
        (None, _) => Match::Unknown,
        (Some(value), Some(given)) => Match::of(test(value, given)),
        (Some(_), None) => Match::No,
    })
}
