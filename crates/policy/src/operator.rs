//! Condition operators.
//!
//! Source: "IAM JSON policy elements: Condition operators" in the IAM User Guide.

use std::fmt;

/// How two ordered values compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `…Equals`, and with [`Operator::negated`] `…NotEquals`.
    Equal,
    /// `…LessThan`.
    Less,
    /// `…LessThanEquals`.
    LessOrEqual,
    /// `…GreaterThan`.
    Greater,
    /// `…GreaterThanEquals`.
    GreaterOrEqual,
}

impl Comparison {
    /// Whether the order of request value and policy value satisfies it.
    pub fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Equal => "Equals",
            Self::Less => "LessThan",
            Self::LessOrEqual => "LessThanEquals",
            Self::Greater => "GreaterThan",
            Self::GreaterOrEqual => "GreaterThanEquals",
        }
    }
}

/// What an operator compares, negation apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// `StringEquals`: exact.
    StringEquals,
    /// `StringEqualsIgnoreCase`.
    StringEqualsIgnoreCase,
    /// `StringLike`: `*` and `?` are wildcards.
    StringLike,
    /// `Numeric…`.
    Numeric(Comparison),
    /// `Date…`.
    Date(Comparison),
    /// `Bool`.
    Bool,
    /// `BinaryEquals`.
    BinaryEquals,
    /// `IpAddress`.
    IpAddress,
    /// `ArnEquals`, which AWS documents to be the same as `ArnLike`.
    ArnEquals,
    /// `ArnLike`: segment by segment, with wildcards.
    ArnLike,
    /// `Null`: whether the key is absent.
    Null,
}

/// A set operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantifier {
    /// `ForAllValues:`.
    All,
    /// `ForAnyValue:`.
    Any,
}

/// A condition operator with its modifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operator {
    /// The set operator, if one is written.
    pub quantifier: Option<Quantifier>,
    /// What is compared.
    pub base: Base,
    /// `…Not…`.
    pub negated: bool,
    /// `…IfExists`.
    pub if_exists: bool,
}

const NAMES: [(&str, Base, bool); 27] = [
    ("StringEquals", Base::StringEquals, false),
    ("StringNotEquals", Base::StringEquals, true),
    ("StringEqualsIgnoreCase", Base::StringEqualsIgnoreCase, false),
    ("StringNotEqualsIgnoreCase", Base::StringEqualsIgnoreCase, true),
    ("StringLike", Base::StringLike, false),
    ("StringNotLike", Base::StringLike, true),
    ("NumericEquals", Base::Numeric(Comparison::Equal), false),
    ("NumericNotEquals", Base::Numeric(Comparison::Equal), true),
    ("NumericLessThan", Base::Numeric(Comparison::Less), false),
    ("NumericLessThanEquals", Base::Numeric(Comparison::LessOrEqual), false),
    ("NumericGreaterThan", Base::Numeric(Comparison::Greater), false),
    ("NumericGreaterThanEquals", Base::Numeric(Comparison::GreaterOrEqual), false),
    ("DateEquals", Base::Date(Comparison::Equal), false),
    ("DateNotEquals", Base::Date(Comparison::Equal), true),
    ("DateLessThan", Base::Date(Comparison::Less), false),
    ("DateLessThanEquals", Base::Date(Comparison::LessOrEqual), false),
    ("DateGreaterThan", Base::Date(Comparison::Greater), false),
    ("DateGreaterThanEquals", Base::Date(Comparison::GreaterOrEqual), false),
    ("Bool", Base::Bool, false),
    ("BinaryEquals", Base::BinaryEquals, false),
    ("IpAddress", Base::IpAddress, false),
    ("NotIpAddress", Base::IpAddress, true),
    ("ArnEquals", Base::ArnEquals, false),
    ("ArnNotEquals", Base::ArnEquals, true),
    ("ArnLike", Base::ArnLike, false),
    ("ArnNotLike", Base::ArnLike, true),
    ("Null", Base::Null, false),
];

fn strip_suffix<'a>(text: &'a str, suffix: &str) -> Option<&'a str> {
    let (head, tail) = text.split_at_checked(text.len().checked_sub(suffix.len())?)?;
    tail.eq_ignore_ascii_case(suffix).then_some(head)
}

fn strip_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, tail) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(tail)
}

impl Operator {
    /// Reads an operator's name, letter case aside. `Null` takes neither a set operator nor `IfExists`.
    pub fn parse(name: &str) -> Option<Self> {
        let (quantifier, rest) = if let Some(rest) = strip_prefix(name, "ForAllValues:") {
            (Some(Quantifier::All), rest)
        } else if let Some(rest) = strip_prefix(name, "ForAnyValue:") {
            (Some(Quantifier::Any), rest)
        } else {
            (None, name)
        };
        let (if_exists, rest) =
            strip_suffix(rest, "IfExists").map_or((false, rest), |rest| (true, rest));
        let (_, base, negated) =
            NAMES.into_iter().find(|(name, _, _)| name.eq_ignore_ascii_case(rest))?;
        if base == Base::Null && (quantifier.is_some() || if_exists) {
            return None;
        }
        Some(Self { quantifier, base, negated, if_exists })
    }
}

impl fmt::Display for Operator {
    /// Writes the name as the documentation spells it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.quantifier {
            Some(Quantifier::All) => "ForAllValues:",
            Some(Quantifier::Any) => "ForAnyValue:",
            None => "",
        })?;
        let not = if self.negated { "Not" } else { "" };
        match self.base {
            Base::StringEquals => write!(f, "String{not}Equals"),
            Base::StringEqualsIgnoreCase => write!(f, "String{not}EqualsIgnoreCase"),
            Base::StringLike => write!(f, "String{not}Like"),
            Base::Numeric(comparison) => write!(f, "Numeric{not}{}", comparison.name()),
            Base::Date(comparison) => write!(f, "Date{not}{}", comparison.name()),
            Base::Bool => f.write_str("Bool"),
            Base::BinaryEquals => f.write_str("BinaryEquals"),
            Base::IpAddress => write!(f, "{not}IpAddress"),
            Base::ArnEquals => write!(f, "Arn{not}Equals"),
            Base::ArnLike => write!(f, "Arn{not}Like"),
            Base::Null => f.write_str("Null"),
        }?;
        f.write_str(if self.if_exists { "IfExists" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_and_prints() {
        for (name, base, _) in NAMES {
            for prefix in ["", "ForAllValues:", "ForAnyValue:"] {
                for suffix in ["", "IfExists"] {
                    let full = format!("{prefix}{name}{suffix}");
                    let read = Operator::parse(&full);
                    if base == Base::Null && full != "Null" {
                        assert_eq!(read, None);
                    } else {
                        assert_eq!(read.unwrap().to_string(), full);
                        assert_eq!(Operator::parse(&full.to_lowercase()), read);
                    }
                }
            }
        }
    }

    #[test]
    fn others_are_refused() {
        for name in
            ["", "IfExists", "StringEqualsIfExistsIfExists", "ForAllValues:", "BoolNot", "é"]
        {
            assert_eq!(Operator::parse(name), None, "{name}");
        }
    }
}
