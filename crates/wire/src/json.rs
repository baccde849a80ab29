//! `awsJson1_0` and `awsJson1_1` bodies.
//! <https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html>

use std::cell::RefCell;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use sagegate_model::{Kind, MemberSchema, ShapeSchema, Struct, StructSchema, Timestamp, View};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::DecodeFailure;
use crate::time;
use crate::value::{Budget, Value};
use crate::xml::clean_blocks;

/// How deep structures, lists and maps may stand in one another.
const DEEPEST: usize = 64;

/// Reads a request body. An empty body is a request without members.
pub(crate) fn decode(
    schema: &'static StructSchema,
    body: &[u8],
) -> Result<Vec<Option<Value>>, DecodeFailure> {
    if body.is_empty() {
        return Ok(schema.members.iter().map(|_| None).collect());
    }
    let place = Place { steps: RefCell::new(Vec::new()), budget: Budget::whole() };
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let seed = StructSeed { schema, place: &place, depth: 0 };
    match seed.deserialize(&mut deserializer).and_then(|value| {
        deserializer.end()?;
        Ok(value)
    }) {
        Ok(Some(members)) => Ok(members),
        Ok(None) => Ok(schema.members.iter().map(|_| None).collect()),
        Err(error) => {
            let text = error.to_string();
            let at = place.steps.into_inner().concat();
            Err(DecodeFailure::Json(if !error.is_data() {
                format!("The request body is not valid JSON: {text}")
            } else {
                // a data error is one of ours or serde's, with the position behind it
                let reason = text.rsplit_once(" at line ").map_or(text.as_str(), |(it, _)| it);
                match at.strip_prefix('.') {
                    Some(at) => format!("{reason} (at '{at}')"),
                    None => reason.to_owned(),
                }
            }))
        }
    }
}

/// Where the decoder is.
struct Place {
    /// As `.a`, `[0]` and so on; left as it is when an error is thrown.
    steps: RefCell<Vec<String>>,
    budget: Budget,
}

impl Place {
    fn take<E: Error>(&self, count: usize) -> Result<(), E> {
        if self.budget.take(count) {
            Ok(())
        } else {
            Err(E::custom("The request has too many members"))
        }
    }
}

fn within<T, E>(place: &Place, step: String, run: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    place.steps.borrow_mut().push(step);
    let value = run()?;
    place.steps.borrow_mut().pop();
    Ok(value)
}

#[derive(Clone, Copy)]
struct StructSeed<'p> {
    schema: &'static StructSchema,
    place: &'p Place,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for StructSeed<'_> {
    type Value = Option<Vec<Option<Value>>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for StructSeed<'_> {
    type Value = Option<Vec<Option<Value>>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a structure")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        Err(A::Error::custom("Start of list found where not expected"))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Err(E::custom(UNEXPECTED))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Err(E::custom(UNEXPECTED))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Err(E::custom(UNEXPECTED))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Err(E::custom(UNEXPECTED))
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        Err(E::custom(UNEXPECTED))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let depth = deeper::<A::Error>(self.depth)?;
        self.place.take::<A::Error>(self.schema.members.len() + 1)?;
        let mut members: Vec<Option<Value>> = self.schema.members.iter().map(|_| None).collect();
        let mut seen = vec![false; members.len()];
        while let Some(name) = map.next_key::<String>()? {
            let found = self.schema.members.iter().position(|member| member.request_name == name);
            let Some((index, member)) =
                found.and_then(|index| Some((index, self.schema.members.get(index)?)))
            else {
                // AWS ignores what it does not know
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let value = within(self.place, format!(".{name}"), || {
                if seen.get_mut(index).is_none_or(|seen| std::mem::replace(seen, true)) {
                    return Err(A::Error::custom("Duplicate key"));
                }
                map.next_value_seed(ShapeSeed { shape: member.shape, place: self.place, depth })
            })?;
            if let Some(place) = members.get_mut(index) {
                *place = value;
            }
        }
        Ok(Some(members))
    }
}

const UNEXPECTED: &str = "Unexpected value where a structure was expected";

fn deeper<E: Error>(depth: usize) -> Result<usize, E> {
    if depth < DEEPEST { Ok(depth + 1) } else { Err(E::custom("The request is nested too deeply")) }
}

#[derive(Clone, Copy)]
struct ShapeSeed<'p> {
    shape: &'static ShapeSchema,
    place: &'p Place,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for ShapeSeed<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        match &self.shape.kind {
            Kind::Struct(schema) => {
                let seed = StructSeed { schema, place: self.place, depth: self.depth };
                Ok(seed.deserialize(deserializer)?.map(Value::Struct))
            }
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl ShapeSeed<'_> {
    fn mismatch<E: Error>(&self, found: &str) -> E {
        let wanted = match &self.shape.kind {
            Kind::Boolean => "a Boolean",
            Kind::Integer(_) => "an Integer",
            Kind::Long(_) => "a Long",
            Kind::Float(_) => "a Float",
            Kind::Double(_) => "a Double",
            Kind::Text(_) => "a String",
            Kind::Blob(_) => "a Blob",
            Kind::Timestamp(_) => "a Timestamp",
            Kind::Struct(_) => "a Structure",
            Kind::List(_) => "a List",
            Kind::Map(_) => "a Map",
        };
        E::custom(format!("{found} can not be converted to {wanted}"))
    }
}

impl<'de> Visitor<'de> for ShapeSeed<'_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {}", self.shape.name)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        match self.shape.kind {
            Kind::Boolean => Ok(Some(Value::Bool(value))),
            _ => Err(self.mismatch(if value { "TRUE_VALUE" } else { "FALSE_VALUE" })),
        }
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        match self.shape.kind {
            Kind::Integer(_) if i32::try_from(value).is_ok() => Ok(Some(Value::Int(value))),
            Kind::Long(_) => Ok(Some(Value::Int(value))),
            Kind::Float(_) | Kind::Double(_) | Kind::Timestamp(_) => self.visit_f64(value as f64),
            _ => Err(self.mismatch("NUMBER_VALUE")),
        }
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        match i64::try_from(value) {
            Ok(value) => self.visit_i64(value),
            Err(_) => Err(self.mismatch("NUMBER_VALUE")),
        }
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        /// From here on, a double does not hold every whole number.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        match self.shape.kind {
            Kind::Float(_) if (value as f32).is_finite() => Ok(Some(Value::Real(value))),
            Kind::Double(_) => Ok(Some(Value::Real(value))),
            Kind::Timestamp(_) => match time::from_seconds(value) {
                Some(time) => Ok(Some(Value::Time(time))),
                None => Err(self.mismatch("NUMBER_VALUE")),
            },
            Kind::Integer(_) | Kind::Long(_) if value.fract() == 0.0 && value.abs() < EXACT => {
                self.visit_i64(value as i64)
            }
            _ => Err(self.mismatch("NUMBER_VALUE")),
        }
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        self.visit_string(value.to_owned())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Self::Value, E> {
        match self.shape.kind {
            Kind::Text(_) => Ok(Some(Value::Text(value))),
            Kind::Blob(_) => match BASE64.decode(value.as_bytes()) {
                Ok(bytes) => Ok(Some(Value::Bytes(bytes))),
                Err(_) => Err(E::custom("The value is not valid base64")),
            },
            Kind::Timestamp(_) => match time::parse(&value) {
                Some(time) => Ok(Some(Value::Time(time))),
                None => Err(self.mismatch("STRING_VALUE")),
            },
            _ => Err(self.mismatch("STRING_VALUE")),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let Kind::List(list) = &self.shape.kind else {
            return Err(A::Error::custom("Start of list found where not expected"));
        };
        let depth = deeper::<A::Error>(self.depth)?;
        let mut items = Vec::new();
        loop {
            let seed = ShapeSeed { shape: list.item, place: self.place, depth };
            let next =
                within(self.place, format!("[{}]", items.len()), || seq.next_element_seed(seed))?;
            match next {
                Some(item) => {
                    self.place.take::<A::Error>(1)?;
                    items.push(item);
                }
                None => return Ok(Some(Value::List(items))),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let Kind::Map(map) = &self.shape.kind else {
            return Err(A::Error::custom("Start of structure or map found where not expected"));
        };
        let depth = deeper::<A::Error>(self.depth)?;
        let mut entries: Vec<(String, Option<Value>)> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        while let Some(key) = access.next_key::<String>()? {
            let seed = ShapeSeed { shape: map.value, place: self.place, depth };
            let value = within(self.place, format!(".{key}"), || {
                if !seen.insert(key.clone()) {
                    return Err(A::Error::custom("Duplicate key"));
                }
                access.next_value_seed(seed)
            })?;
            self.place.take::<A::Error>(2)?;
            entries.push((key, value));
        }
        Ok(Some(Value::Map(entries)))
    }
}

/// Writes an answer.
pub(crate) fn encode(out: &dyn Struct) -> Vec<u8> {
    let mut body = Vec::with_capacity(1024);
    structure(&mut body, out);
    body
}

fn structure(out: &mut Vec<u8>, value: &dyn Struct) {
    out.push(b'{');
    let mut first = true;
    for (index, schema) in value.schema().members.iter().enumerate() {
        let Some(view) = value.member(index).and_then(sagegate_model::Member::view) else {
            continue;
        };
        separate(out, &mut first);
        member_name(out, schema);
        any(out, view);
    }
    out.push(b'}');
}

fn separate(out: &mut Vec<u8>, first: &mut bool) {
    if !std::mem::replace(first, false) {
        out.push(b',');
    }
}

fn member_name(out: &mut Vec<u8>, schema: &MemberSchema) {
    string(out, schema.response_name);
    out.push(b':');
}

/// Writes a JSON string, quoted and escaped.
pub fn string(out: &mut Vec<u8>, text: &str) {
    if stands_as_it_is(text.as_bytes()) {
        out.reserve(text.len() + 2);
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        // writing a string to memory cannot fail
        let _ = serde_json::to_writer(out, text);
    }
}

/// Whether nothing of a text has to be escaped (RFC 8259, section 7).
fn stands_as_it_is(text: &[u8]) -> bool {
    let stops = |byte: u8| (byte < b' ') | (byte == b'"') | (byte == b'\\');
    let any = |bytes: &[u8]| bytes.iter().fold(false, |any, byte| any | stops(*byte));
    match (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        // Most are shorter than a block: their first eight and their last eight are all of them.
        (Some(first), Some(last)) if text.len() <= 16 => !any(first) & !any(last),
        (Some(_), _) => clean_blocks(text, stops) == text.len(),
        (None, _) => !any(text),
    }
}

fn any(out: &mut Vec<u8>, view: View<'_>) {
    match view {
        View::Bool(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        View::Int(value) => out.extend_from_slice(value.to_string().as_bytes()),
        View::Long(value) => out.extend_from_slice(value.to_string().as_bytes()),
        View::Float(value) if value.is_finite() => {
            let _ = serde_json::to_writer(out, &value);
        }
        View::Double(value) if value.is_finite() => {
            let _ = serde_json::to_writer(out, &value);
        }
        View::Float(value) => not_finite(out, f64::from(value)),
        View::Double(value) => not_finite(out, value),
        View::Text(text) => string(out, text),
        View::Bytes(bytes) => string(out, &BASE64.encode(bytes)),
        View::Time(time) => moment(out, time),
        View::Struct(value) => structure(out, value),
        View::List(list) => {
            out.push(b'[');
            let mut first = true;
            for index in 0..list.len() {
                if let Some(view) = list.item(index).and_then(sagegate_model::Member::view) {
                    separate(out, &mut first);
                    any(out, view);
                }
            }
            out.push(b']');
        }
        View::Map(map) => {
            out.push(b'{');
            let mut first = true;
            map.each(&mut |key, value| {
                if let Some(view) = value.view() {
                    separate(out, &mut first);
                    string(out, key);
                    out.push(b':');
                    any(out, view);
                }
            });
            out.push(b'}');
        }
    }
}

fn moment(out: &mut Vec<u8>, time: Timestamp) {
    out.extend_from_slice(time::epoch_seconds(time).as_bytes());
}

fn not_finite(out: &mut Vec<u8>, value: f64) {
    let text = if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    };
    string(out, text);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text is written as serde does, whatever its length and wherever what is escaped stands.
    #[test]
    fn strings_are_written_as_json() {
        for length in 0..40 {
            for letter in ["a", "\"", "\\", "\u{1f}", "\u{7f}", "é", "\u{2028}"] {
                for at in 0..=length {
                    let text = "x".repeat(at) + letter + &"y".repeat(length - at);
                    let mut out = Vec::new();
                    string(&mut out, &text);
                    assert_eq!(out, serde_json::to_vec(&text).unwrap());
                }
            }
        }
    }
}
