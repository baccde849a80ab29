//! Fills any struct with random values, and shows any struct as JSON, through `model::Struct` alone.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use sagegate_model::{Kind, Member, ShapeSchema, Slot, Struct, Timestamp, View};
use serde_json::{Map, Value, json};

/// A small generator: good enough for tests, and the same everywhere for the same seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed ^ 0x9E37_79B9_7F4A_7C15)
    }

    fn next(&mut self) -> u64 {
        // SplitMix64
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        let index = self.below(from.len() as u64);
        from.get(usize::try_from(index).ok()?).copied()
    }

    fn text(&mut self) -> String {
        const LETTERS: &[char] = &[
            'a', 'Z', '0', ' ', '<', '>', '&', '"', '\'', '%', '+', '=', '.', '\t', '\n', '\r',
            'é', '\u{2028}', '😀', '/', '\\',
        ];
        let length = self.below(12);
        (0..length).filter_map(|_| self.pick(LETTERS)).collect()
    }
}

/// Fills `out`; members are left out now and then, required ones never. `empty` allows lists and
/// maps without items.
pub(crate) fn fill(random: &mut Random, out: &mut dyn Struct, empty: bool, depth: u32) {
    let table = out.schema();
    let only = table.union.then(|| random.below(table.members.len() as u64));
    for (index, schema) in table.members.iter().enumerate() {
        let Some(member) = out.member_mut(index) else { continue };
        let wanted = match only {
            Some(only) => only == index as u64,
            None => member.view().is_some() || (depth <= 5 && random.below(3) > 0),
        };
        if !wanted {
            continue;
        }
        put(random, schema.shape, member, empty, depth);
    }
}

fn put(random: &mut Random, shape: &ShapeSchema, member: &mut dyn Member, empty: bool, depth: u32) {
    let count = |random: &mut Random| random.below(3) + u64::from(!empty);
    match member.slot() {
        Slot::Bool(place) => *place = random.below(2) == 1,
        Slot::Int(place) => *place = random.next() as i32,
        Slot::Long(place) => *place = random.next() as i64,
        Slot::Float(place) => *place = random.below(1 << 20) as f32 / 64.0,
        Slot::Double(place) => *place = random.below(1 << 40) as f64 / 1024.0,
        Slot::Text(place) => {
            *place = match &shape.kind {
                Kind::Text(rules) if !rules.values.is_empty() => {
                    random.pick(rules.values).unwrap_or_default().to_owned()
                }
                _ => random.text(),
            };
        }
        Slot::Enum(place) => {
            if let Kind::Text(rules) = &shape.kind {
                place.set(random.pick(rules.values).unwrap_or_default());
            }
        }
        Slot::Bytes(place) => *place = random.text().into_bytes(),
        Slot::Time(place) => {
            *place = Timestamp::from_millis(random.below(4_000_000_000_000) as i64);
        }
        Slot::Struct(place) => fill(random, place, empty, depth + 1),
        Slot::List(place) => {
            if let Kind::List(list) = &shape.kind {
                for _ in 0..count(random) {
                    put(random, list.item, place.push(), empty, depth + 1);
                }
            }
        }
        Slot::Map(place) => {
            if let Kind::Map(map) = &shape.kind {
                for _ in 0..count(random) {
                    let key = match &map.key.kind {
                        Kind::Text(rules) if !rules.values.is_empty() => {
                            random.pick(rules.values).unwrap_or_default().to_owned()
                        }
                        _ => random.text(),
                    };
                    put(random, map.value, place.entry(key), empty, depth + 1);
                }
            }
        }
    }
}

/// What a struct holds, by the names of the model; points in time as milliseconds.
pub(crate) fn dump(value: &dyn Struct) -> Value {
    let mut out = Map::new();
    for (index, schema) in value.schema().members.iter().enumerate() {
        if let Some(view) = value.member(index).and_then(Member::view) {
            out.insert(schema.name.to_owned(), any(view));
        }
    }
    Value::Object(out)
}

fn any(view: View<'_>) -> Value {
    match view {
        View::Bool(value) => json!(value),
        View::Int(value) => json!(value),
        View::Long(value) => json!(value),
        View::Float(value) => json!(value),
        View::Double(value) => json!(value),
        View::Text(value) => json!(value),
        View::Bytes(value) => json!(BASE64.encode(value)),
        View::Time(value) => json!(value.as_millis()),
        View::Struct(value) => dump(value),
        View::List(list) => {
            let items = (0..list.len()).filter_map(|index| list.item(index)?.view());
            Value::Array(items.map(any).collect())
        }
        View::Map(map) => {
            let mut out = Map::new();
            map.each(&mut |key, value| {
                if let Some(view) = value.view() {
                    out.insert(key.to_owned(), any(view));
                }
            });
            Value::Object(out)
        }
    }
}
