//! A request between its bytes and its struct: typed by the schema, absence still visible.

use std::cell::Cell;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use sagegate_model::{Kind, Member, Slot, Struct, Timestamp};

use crate::time;

/// A decoded value. `None` inside stands for an absent member or a JSON `null`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Bool(bool),
    Int(i64),
    Real(f64),
    Text(String),
    Bytes(Vec<u8>),
    Time(Timestamp),
    /// One place for each member of the schema, in its order.
    Struct(Vec<Option<Value>>),
    List(Vec<Option<Value>>),
    Map(Vec<(String, Option<Value>)>),
}

/// How many values a request may still have.
///
/// A structure takes one place for each of its members, present or not, so a few bytes can ask
/// for a thousand: this bounds what a request can cost beyond its own size.
pub(crate) struct Budget(Cell<usize>);

impl Budget {
    /// For a whole request: some megabytes at most, many times what the largest real one needs.
    pub(crate) const fn whole() -> Self {
        Self(Cell::new(200_000))
    }

    /// Takes `count` places; `false` where there are not so many left.
    pub(crate) fn take(&self, count: usize) -> bool {
        match self.0.get().checked_sub(count) {
            Some(rest) => {
                self.0.set(rest);
                true
            }
            None => false,
        }
    }
}

/// A scalar from its text, as forms, paths and XML have it; `None` where it is none of that kind.
pub(crate) fn of_text(kind: &Kind, text: &str) -> Option<Value> {
    match kind {
        Kind::Boolean if text.eq_ignore_ascii_case("true") => Some(Value::Bool(true)),
        Kind::Boolean if text.eq_ignore_ascii_case("false") => Some(Value::Bool(false)),
        Kind::Integer(_) => text.parse::<i32>().ok().map(|it| Value::Int(i64::from(it))),
        Kind::Long(_) => text.parse().ok().map(Value::Int),
        Kind::Float(_) => {
            text.parse::<f64>().ok().filter(|it| (*it as f32).is_finite()).map(Value::Real)
        }
        Kind::Double(_) => text.parse().ok().filter(|it: &f64| it.is_finite()).map(Value::Real),
        Kind::Text(_) => Some(Value::Text(text.to_owned())),
        Kind::Blob(_) => BASE64.decode(text).ok().map(Value::Bytes),
        Kind::Timestamp(_) => time::parse(text).map(Value::Time),
        Kind::Boolean | Kind::Struct(_) | Kind::List(_) | Kind::Map(_) => None,
    }
}

/// Writes what was decoded into a struct. `Err` where a value does not fit its place, which
/// validation has excluded before.
pub(crate) fn fill(members: Vec<Option<Value>>, out: &mut dyn Struct) -> Result<(), Misfit> {
    for (index, value) in members.into_iter().enumerate() {
        if let Some(value) = value {
            put(value, out.member_mut(index).ok_or(Misfit)?)?;
        }
    }
    Ok(())
}

/// A value that its place cannot hold.
#[derive(Debug)]
pub(crate) struct Misfit;

fn put(value: Value, member: &mut dyn Member) -> Result<(), Misfit> {
    match (member.slot(), value) {
        (Slot::Bool(place), Value::Bool(value)) => *place = value,
        (Slot::Int(place), Value::Int(value)) => *place = value.try_into().map_err(|_| Misfit)?,
        (Slot::Long(place), Value::Int(value)) => *place = value,
        (Slot::Float(place), Value::Real(value)) => *place = value as f32,
        (Slot::Double(place), Value::Real(value)) => *place = value,
        (Slot::Text(place), Value::Text(value)) => *place = value,
        (Slot::Enum(place), Value::Text(value)) => {
            if !place.set(&value) {
                return Err(Misfit);
            }
        }
        (Slot::Bytes(place), Value::Bytes(value)) => *place = value,
        (Slot::Time(place), Value::Time(value)) => *place = value,
        (Slot::Struct(place), Value::Struct(members)) => fill(members, place)?,
        (Slot::List(place), Value::List(items)) => {
            for item in items {
                put(item.ok_or(Misfit)?, place.push())?;
            }
        }
        (Slot::Map(place), Value::Map(entries)) => {
            for (key, value) in entries {
                put(value.ok_or(Misfit)?, place.entry(key))?;
            }
        }
        _ => return Err(Misfit),
    }
    Ok(())
}
