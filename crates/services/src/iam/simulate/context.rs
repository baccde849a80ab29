//! `ContextEntries`: typed values of condition keys; and which keys a statement needs.

use std::collections::BTreeSet;

use base64::Engine as _;
use sagegate_api::iam as api;
use sagegate_gate::Fault;
use sagegate_policy::{Context, Statement, Value, Version};

use super::super::faults::invalid_input;

/// The condition keys of a simulation: those that are given and no others.
///
/// # Errors
/// `InvalidInput` naming the entry whose value is not of its type.
pub(super) fn of(entries: Option<&[api::ContextEntry]>) -> Result<Context, Fault> {
    let mut context = Context::new();
    for entry in entries.unwrap_or_default() {
        let key = entry.context_key_name.as_deref().unwrap_or_default();
        if !key.contains(':') {
            return Err(invalid_input(format!(
                "Context key {key:?} does not begin with a service prefix such as \"aws:\"."
            )));
        }
        let values = entry.context_key_values.as_deref().unwrap_or_default();
        let kind = entry.context_key_type.unwrap_or_default();
        let (is_list, check) = check(kind);
        if let Some(wrong) = values.iter().find(|value| !check(value)) {
            return Err(invalid_input(format!(
                "Value {wrong:?} of context key {key} is not of type {kind}."
            )));
        }
        let value = match values {
            values if is_list => Value::Multi(values.iter().map(|it| it.as_str().into()).collect()),
            [value] => value.as_str().into(),
            _ => {
                return Err(invalid_input(format!(
                    "Context key {key} of type {kind} must have exactly one value."
                )));
            }
        };
        context.insert(key, value);
    }
    Ok(context)
}

type Check = fn(&str) -> bool;

/// Whether a type is a list, and what its values look like.
fn check(kind: api::ContextKeyTypeEnum) -> (bool, Check) {
    use api::ContextKeyTypeEnum as Kind;
    let any: Check = |_| true;
    let number: Check = |text| text.parse::<f64>().is_ok_and(f64::is_finite);
    let flag: Check =
        |text| text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false");
    let address: Check =
        |text| text.parse::<std::net::IpAddr>().is_ok() || text.parse::<ipnet::IpNet>().is_ok();
    let binary: Check = |text| base64::engine::general_purpose::STANDARD.decode(text).is_ok();
    let date: Check = |text| {
        text.parse::<i64>().is_ok()
            || text.parse::<jiff::Timestamp>().is_ok()
            || text.parse::<jiff::civil::Date>().is_ok()
            || text.parse::<jiff::civil::DateTime>().is_ok()
    };
    match kind {
        Kind::String => (false, any),
        Kind::StringList => (true, any),
        Kind::Numeric => (false, number),
        Kind::NumericList => (true, number),
        Kind::Boolean => (false, flag),
        Kind::BooleanList => (true, flag),
        Kind::Ip => (false, address),
        Kind::IpList => (true, address),
        Kind::Binary => (false, binary),
        Kind::BinaryList => (true, binary),
        Kind::Date => (false, date),
        Kind::DateList => (true, date),
    }
}

/// Adds the keys that a statement's conditions and variables ask for and that are not given.
pub(super) fn missing(
    statement: &Statement,
    version: Version,
    context: &Context,
    into: &mut BTreeSet<String>,
) {
    for condition in &statement.conditions {
        note(&condition.key, context, into);
        for value in &condition.values {
            variables(&value.value, version, context, into);
        }
    }
    for value in statement.resource.iter().flat_map(|resource| &resource.values) {
        variables(&value.value, version, context, into);
    }
}

/// Whether the statement's resources have a variable without a value.
pub(super) fn resource_is_open(statement: &Statement, version: Version, context: &Context) -> bool {
    let mut open = BTreeSet::new();
    for value in statement.resource.iter().flat_map(|resource| &resource.values) {
        variables(&value.value, version, context, &mut open);
    }
    !open.is_empty()
}

/// The keys of `${key}` in a text; `${key, 'default'}` misses nothing.
fn variables(text: &str, version: Version, context: &Context, into: &mut BTreeSet<String>) {
    if version != Version::V2012 {
        return;
    }
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("${") {
        let Some((inside, next)) = after.split_once('}') else { return };
        if inside.contains(':') && !inside.contains(',') {
            note(inside.trim(), context, into);
        }
        rest = next;
    }
}

fn note(key: &str, context: &Context, into: &mut BTreeSet<String>) {
    if context.get(key).is_none() {
        into.insert(key.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: api::ContextKeyTypeEnum, values: &[&str]) -> api::ContextEntry {
        api::ContextEntry {
            context_key_name: Some("aws:Key".into()),
            context_key_values: Some(values.iter().map(ToString::to_string).collect()),
            context_key_type: Some(kind),
        }
    }

    #[test]
    fn values_are_held_to_their_types() {
        use api::ContextKeyTypeEnum as Kind;
        for (kind, good, bad) in [
            (Kind::Numeric, "1.5", "x"),
            (Kind::Boolean, "True", "yes"),
            (Kind::Ip, "2001:db8::1", "10.0.0"),
            (Kind::Binary, "YQ==", "?"),
            (Kind::Date, "2026-11-22T10:00:00Z", "today"),
            (Kind::Date, "1795341600", "1.x"),
        ] {
            assert!(of(Some(&[entry(kind, &[good])])).is_ok(), "{kind} {good}");
            let fault = of(Some(&[entry(kind, &[bad])])).unwrap_err();
            assert_eq!(fault.code, "InvalidInput");
        }
        assert!(of(Some(&[entry(Kind::String, &["a", "b"])])).is_err());
        let many = of(Some(&[entry(Kind::StringList, &["a", "b"])])).unwrap();
        assert!(matches!(many.get("AWS:key"), Some(Value::Multi(values)) if values.len() == 2));
    }
}
