//! The constraints of the models, reported in AWS's words, all of them at once.

use std::fmt::Write;

use sagegate_model::{Kind, Protocol, ShapeSchema, Size, StructSchema, Text};

use crate::pattern;
use crate::value::Value;

/// How many violations are reported; a huge list of bad items must not make a huge answer.
const MOST: usize = 50;
/// How many bytes of a text that is too long are still matched with its pattern.
const LONGEST_MATCHED: usize = 16 * 1024;
/// How many characters of a value are shown.
const SHOWN: usize = 1024;
/// The pattern of IAM's names. IAM looks at it after all other constraints and has a text of its own
/// for it, which names one parameter (answers of the service as its users have reported them).
const NAME: &str = r"[\w+=,.@-]+";

/// One constraint that a request does not hold to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Where, as AWS's services write it: `tags.1.member.key`.
    pub path: String,
    /// The name of the parameter in a query request: `Tags.member.1.Key`.
    pub parameter: String,
    /// The value as it is shown; `None` where it must not be.
    pub value: Option<String>,
    /// Which constraint.
    pub constraint: Constraint,
}

/// A constraint, as it is held against one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Constraint {
    /// The member is required.
    NotNull,
    /// A text, list, map or blob is too short.
    LengthAtLeast(u64),
    /// A text, list, map or blob is too long.
    LengthAtMost(u64),
    /// A number is too small.
    ValueAtLeast(String),
    /// A number is too great.
    ValueAtMost(String),
    /// A text does not match its pattern.
    Pattern(&'static str),
    /// A text is none of the values of its enumeration.
    OneOf(&'static [&'static str]),
    /// A list's items or a map's values do not hold to theirs.
    Items(Vec<Constraint>),
    /// A map's keys do not hold to theirs.
    Keys(Vec<Constraint>),
    /// More or fewer than one member of a union is set.
    ExactlyOne,
}

impl Constraint {
    fn write(&self, out: &mut String) {
        // writing to a String cannot fail
        let _ = match self {
            Self::NotNull => write!(out, "Member must not be null"),
            Self::LengthAtLeast(min) => {
                write!(out, "Member must have length greater than or equal to {min}")
            }
            Self::LengthAtMost(max) => {
                write!(out, "Member must have length less than or equal to {max}")
            }
            Self::ValueAtLeast(min) => {
                write!(out, "Member must have value greater than or equal to {min}")
            }
            Self::ValueAtMost(max) => {
                write!(out, "Member must have value less than or equal to {max}")
            }
            Self::Pattern(pattern) => {
                write!(out, "Member must satisfy regular expression pattern: {pattern}")
            }
            Self::OneOf(values) => {
                write!(out, "Member must satisfy enum value set: [{}]", values.join(", "))
            }
            Self::Items(inner) => {
                out.push_str("Member must satisfy constraint: ");
                return all(out, inner);
            }
            Self::Keys(inner) => {
                out.push_str("Map keys must satisfy constraint: ");
                return all(out, inner);
            }
            Self::ExactlyOne => write!(out, "Member must have exactly one value set"),
        };
    }
}

fn all(out: &mut String, constraints: &[Constraint]) {
    out.push('[');
    for (index, constraint) in constraints.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        constraint.write(out);
    }
    out.push(']');
}

/// The text of a `ValidationException` (JSON) or `ValidationError` (IAM, STS).
pub(crate) fn message(violations: &[Violation]) -> String {
    if let [Violation { path, constraint: Constraint::Pattern(NAME), .. }, ..] = violations
        && violations.iter().all(|it| it.constraint == Constraint::Pattern(NAME))
    {
        return format!(
            "The specified value for {path} is invalid. It must contain only alphanumeric \
             characters and/or the following: +=,.@_-"
        );
    }
    let count = violations.len();
    let errors = if count == 1 { "error" } else { "errors" };
    let mut out = format!("{count} validation {errors} detected: ");
    for (index, violation) in violations.iter().enumerate() {
        if index > 0 {
            out.push_str("; ");
        }
        let _ = match (&violation.constraint, &violation.value) {
            (Constraint::NotNull, _) => write!(out, "Value null at"),
            (_, Some(value)) => write!(out, "Value '{value}' at"),
            (_, None) => write!(out, "Value at"),
        };
        let _ = write!(out, " '{}' failed to satisfy constraint: ", violation.path);
        violation.constraint.write(&mut out);
    }
    out
}

/// The violations of a decoded request in the order of the model, up to a bound.
pub(crate) fn violations(
    protocol: Protocol,
    schema: &'static StructSchema,
    members: &[Option<Value>],
) -> Vec<Violation> {
    let mut walk = Walk { protocol, found: Vec::new() };
    walk.structure(schema, members, "", "", false);
    walk.found
}

struct Walk {
    protocol: Protocol,
    found: Vec<Violation>,
}

impl Walk {
    fn structure(
        &mut self,
        schema: &'static StructSchema,
        members: &[Option<Value>],
        path: &str,
        parameter: &str,
        hidden: bool,
    ) {
        let hidden = hidden || schema.sensitive;
        if schema.union && members.iter().flatten().count() != 1 {
            self.add(path, parameter, None, Constraint::ExactlyOne);
        }
        for (member, value) in schema.members.iter().zip(members) {
            if self.found.len() >= MOST || (value.is_none() && !member.required) {
                continue;
            }
            let path = join(path, &lower_first(member.name));
            let parameter = join(parameter, member.request_name);
            match value {
                Some(value) => self.value(member.shape, value, &path, &parameter, hidden),
                None => self.add(&path, &parameter, None, Constraint::NotNull),
            }
        }
    }

    fn value(
        &mut self,
        shape: &'static ShapeSchema,
        value: &Value,
        path: &str,
        parameter: &str,
        hidden: bool,
    ) {
        let hidden = hidden || shape.sensitive;
        for constraint in broken(shape, value) {
            let shown = (!hidden).then(|| show(shape, value));
            self.add(path, parameter, shown, constraint);
        }
        match (&shape.kind, value) {
            (Kind::Struct(schema), Value::Struct(members)) => {
                self.structure(schema, members, path, parameter, hidden);
            }
            (Kind::List(list), Value::List(items)) => {
                let mut worst: Vec<Constraint> = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    if self.found.len() >= MOST {
                        break;
                    }
                    let number = index + 1;
                    let parameter = match self.protocol {
                        Protocol::Ec2 => format!("{parameter}.{number}"),
                        _ => format!("{parameter}.{}.{number}", list.item_name),
                    };
                    let path = format!("{path}.{number}.member");
                    match item {
                        None => self.add(&path, &parameter, None, Constraint::NotNull),
                        // EC2 names the one item; the others speak of the list
                        Some(item) if nested(list.item) || self.protocol == Protocol::Ec2 => {
                            self.value(list.item, item, &path, &parameter, hidden);
                        }
                        Some(item) => {
                            if worst.is_empty() && !broken(list.item, item).is_empty() {
                                worst = every(list.item);
                            }
                        }
                    }
                }
                if !worst.is_empty() {
                    let hidden = hidden || list.item.sensitive;
                    let shown = (!hidden).then(|| show(shape, value));
                    self.add(path, parameter, shown, Constraint::Items(worst));
                }
            }
            (Kind::Map(map), Value::Map(entries)) => {
                let (mut keys, mut values) = (Vec::new(), Vec::new());
                for (key, value) in entries {
                    let key_value = Value::Text(key.clone());
                    if keys.is_empty() && !broken(map.key, &key_value).is_empty() {
                        keys = every(map.key);
                    }
                    let path = format!("{path}.{}.member", truncate(key));
                    match value {
                        None => self.add(&path, parameter, None, Constraint::NotNull),
                        Some(value) if nested(map.value) => {
                            self.value(map.value, value, &path, parameter, hidden);
                        }
                        Some(value) => {
                            if values.is_empty() && !broken(map.value, value).is_empty() {
                                values = every(map.value);
                            }
                        }
                    }
                }
                let hidden = hidden || map.value.sensitive || map.key.sensitive;
                let shown = || (!hidden).then(|| show(shape, value));
                if !keys.is_empty() {
                    self.add(path, parameter, shown(), Constraint::Keys(keys));
                }
                if !values.is_empty() {
                    self.add(path, parameter, shown(), Constraint::Items(values));
                }
            }
            _ => {}
        }
    }

    fn add(&mut self, path: &str, parameter: &str, value: Option<String>, constraint: Constraint) {
        if self.found.len() < MOST {
            let (path, parameter) = (path.to_owned(), parameter.to_owned());
            self.found.push(Violation { path, parameter, value, constraint });
        }
    }
}

/// Whether violations inside are reported with a path of their own.
fn nested(shape: &ShapeSchema) -> bool {
    matches!(shape.kind, Kind::Struct(_) | Kind::List(_) | Kind::Map(_))
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// A member's name in lower camel case, as messages and audit records have it.
#[must_use]
pub fn lower_first(name: &str) -> String {
    let mut name = name.to_owned();
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    name
}

/// The constraints of a shape that a value does not hold to.
fn broken(shape: &ShapeSchema, value: &Value) -> Vec<Constraint> {
    let mut found = Vec::new();
    match (&shape.kind, value) {
        (Kind::Text(rules), Value::Text(text)) => {
            let length: usize = text.chars().map(char::len_utf16).sum();
            size(rules.size, length, &mut found);
            // a text far too long is refused for its length; matching it would only cost time
            if let Some(expression) = rules.pattern
                && (found.is_empty() || text.len() <= LONGEST_MATCHED)
                && !pattern::matches(expression, text)
            {
                found.push(Constraint::Pattern(expression));
            }
            if !rules.values.is_empty() && !rules.values.contains(&text.as_str()) {
                found.push(Constraint::OneOf(rules.values));
            }
        }
        (Kind::Integer(rules) | Kind::Long(rules), Value::Int(number)) => {
            if let Some(max) = rules.max.filter(|max| number > max) {
                found.push(Constraint::ValueAtMost(max.to_string()));
            }
            if let Some(min) = rules.min.filter(|min| number < min) {
                found.push(Constraint::ValueAtLeast(min.to_string()));
            }
        }
        (Kind::Float(rules) | Kind::Double(rules), Value::Real(number)) => {
            if let Some(max) = rules.max.filter(|max| number > max) {
                found.push(Constraint::ValueAtMost(max.to_string()));
            }
            if let Some(min) = rules.min.filter(|min| number < min) {
                found.push(Constraint::ValueAtLeast(min.to_string()));
            }
        }
        (Kind::Blob(rules), Value::Bytes(bytes)) => size(*rules, bytes.len(), &mut found),
        (Kind::List(rules), Value::List(items)) => size(rules.size, items.len(), &mut found),
        (Kind::Map(rules), Value::Map(entries)) => size(rules.size, entries.len(), &mut found),
        _ => {}
    }
    found
}

fn size(rules: Size, length: usize, found: &mut Vec<Constraint>) {
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    if let Some(max) = rules.max.filter(|max| length > *max) {
        found.push(Constraint::LengthAtMost(max));
    }
    if let Some(min) = rules.min.filter(|min| length < *min) {
        found.push(Constraint::LengthAtLeast(min));
    }
}

/// All constraints of an item, held or not: what AWS's services list for a bad item.
fn every(shape: &ShapeSchema) -> Vec<Constraint> {
    let mut all = Vec::new();
    match &shape.kind {
        Kind::Text(Text { size, pattern, values }) => {
            all.extend(size.max.map(Constraint::LengthAtMost));
            all.extend(size.min.map(Constraint::LengthAtLeast));
            all.extend(pattern.map(Constraint::Pattern));
            if !values.is_empty() {
                all.push(Constraint::OneOf(values));
            }
        }
        Kind::Integer(rules) | Kind::Long(rules) => {
            all.extend(rules.max.map(|max| Constraint::ValueAtMost(max.to_string())));
            all.extend(rules.min.map(|min| Constraint::ValueAtLeast(min.to_string())));
        }
        Kind::Float(rules) | Kind::Double(rules) => {
            all.extend(rules.max.map(|max| Constraint::ValueAtMost(max.to_string())));
            all.extend(rules.min.map(|min| Constraint::ValueAtLeast(min.to_string())));
        }
        Kind::Blob(rules) => {
            all.extend(rules.max.map(Constraint::LengthAtMost));
            all.extend(rules.min.map(Constraint::LengthAtLeast));
        }
        _ => {}
    }
    all
}

/// A value as Java prints it: `[a, b]`, `{k=v}`, `Tag(key=a, value=b)`; bounded.
fn show(shape: &ShapeSchema, value: &Value) -> String {
    let mut out = String::new();
    print(&mut out, shape, value);
    truncate(&out)
}

fn truncate(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn print(out: &mut String, shape: &ShapeSchema, value: &Value) {
    // four bytes a character at most: what is beyond is cut off anyway
    if out.len() > SHOWN * 4 {
        return;
    }
    if shape.sensitive {
        out.push_str("***");
        return;
    }
    match (value, &shape.kind) {
        (Value::Bool(value), _) => out.push_str(if *value { "true" } else { "false" }),
        (Value::Int(value), _) => out.push_str(&value.to_string()),
        (Value::Real(value), _) => out.push_str(&value.to_string()),
        (Value::Text(value), _) => out.push_str(value),
        (Value::Time(value), _) => out.push_str(&crate::time::iso8601(*value)),
        (Value::List(items), Kind::List(list)) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                optional(out, list.item, item.as_ref());
                if out.len() > SHOWN * 4 {
                    return;
                }
            }
            out.push(']');
        }
        (Value::Map(entries), Kind::Map(map)) => {
            out.push('{');
            for (index, (key, value)) in entries.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                out.push_str(if map.key.sensitive { "***" } else { key });
                out.push('=');
                optional(out, map.value, value.as_ref());
                if out.len() > SHOWN * 4 {
                    return;
                }
            }
            out.push('}');
        }
        (Value::Struct(_), Kind::Struct(schema)) if schema.sensitive => out.push_str("***"),
        (Value::Struct(members), Kind::Struct(schema)) => {
            out.push_str(schema.name);
            out.push('(');
            let mut first = true;
            for (member, value) in schema.members.iter().zip(members) {
                if let Some(value) = value {
                    if !std::mem::replace(&mut first, false) {
                        out.push_str(", ");
                    }
                    out.push_str(&lower_first(member.name));
                    out.push('=');
                    print(out, member.shape, value);
                }
            }
            out.push(')');
        }
        (Value::Bytes(bytes), _) => {
            let _ = write!(out, "{} bytes", bytes.len());
        }
        _ => {}
    }
}

fn optional(out: &mut String, shape: &ShapeSchema, value: Option<&Value>) {
    match value {
        Some(value) => print(out, shape, value),
        None => out.push_str("null"),
    }
}
