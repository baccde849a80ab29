use std::collections::BTreeMap;

use crate::{StructSchema, Timestamp};

/// A request, an answer or a part of one, reached by member index.
///
/// The index is that of [`StructSchema::members`].
pub trait Struct {
    /// The table that describes this struct.
    fn schema(&self) -> &'static StructSchema;

    /// The member at `index`; `None` past the end.
    fn member(&self, index: usize) -> Option<&dyn Member>;

    /// The member at `index` for writing; `None` past the end.
    fn member_mut(&mut self, index: usize) -> Option<&mut dyn Member>;
}

/// A [`Struct`] whose table is known from its type.
pub trait Shape: Struct + Default + Send + 'static {
    /// The table that describes this type.
    const SCHEMA: &'static StructSchema;
}

/// A field of a struct, an item of a list or a value of a map.
pub trait Member {
    /// What it holds; `None` where an optional member is absent.
    fn view(&self) -> Option<View<'_>>;

    /// Where to write it. An absent optional member becomes present with its default.
    fn slot(&mut self) -> Slot<'_>;
}

/// A member's value, for reading.
#[derive(Clone, Copy)]
pub enum View<'a> {
    /// A boolean.
    Bool(bool),
    /// A 32-bit integer.
    Int(i32),
    /// A 64-bit integer.
    Long(i64),
    /// A 32-bit floating-point number.
    Float(f32),
    /// A 64-bit floating-point number.
    Double(f64),
    /// A string or a value of an enumeration.
    Text(&'a str),
    /// Bytes, base64 on the wire.
    Bytes(&'a [u8]),
    /// A point in time.
    Time(Timestamp),
    /// A structure.
    Struct(&'a dyn Struct),
    /// A list.
    List(&'a dyn List),
    /// A map with string keys.
    Map(&'a dyn Map),
}

/// A member's place, for writing.
pub enum Slot<'a> {
    /// A boolean.
    Bool(&'a mut bool),
    /// A 32-bit integer.
    Int(&'a mut i32),
    /// A 64-bit integer.
    Long(&'a mut i64),
    /// A 32-bit floating-point number.
    Float(&'a mut f32),
    /// A 64-bit floating-point number.
    Double(&'a mut f64),
    /// A string.
    Text(&'a mut String),
    /// An enumeration.
    Enum(&'a mut dyn EnumSlot),
    /// Bytes.
    Bytes(&'a mut Vec<u8>),
    /// A point in time.
    Time(&'a mut Timestamp),
    /// A structure.
    Struct(&'a mut dyn Struct),
    /// A list.
    List(&'a mut dyn ListSlot),
    /// A map with string keys.
    Map(&'a mut dyn MapSlot),
}

/// Reads a list.
pub trait List {
    /// How many items there are.
    fn len(&self) -> usize;
    /// Whether there is no item.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The item at `index`.
    fn item(&self, index: usize) -> Option<&dyn Member>;
}

/// Writes a list.
pub trait ListSlot {
    /// Adds a default item at the end and gives it for writing.
    fn push(&mut self) -> &mut dyn Member;
}

/// Reads a map.
pub trait Map {
    /// Calls `visit` for each entry, in the order of the keys.
    fn each(&self, visit: &mut dyn FnMut(&str, &dyn Member));
}

/// Writes a map.
pub trait MapSlot {
    /// The value under `key`, made with its default where it is absent.
    fn entry(&mut self, key: String) -> &mut dyn Member;
}

/// Writes an enumeration.
pub trait EnumSlot {
    /// Sets the value that `text` names; `false`, and nothing changed, where there is none.
    fn set(&mut self, text: &str) -> bool;
}

macro_rules! scalar {
    ($($type:ty => $variant:ident),* $(,)?) => {$(
        impl Member for $type {
            fn view(&self) -> Option<View<'_>> {
                Some(View::$variant(*self))
            }
            fn slot(&mut self) -> Slot<'_> {
                Slot::$variant(self)
            }
        }
    )*};
}

scalar!(bool => Bool, i32 => Int, i64 => Long, f32 => Float, f64 => Double, Timestamp => Time);

impl Member for String {
    fn view(&self) -> Option<View<'_>> {
        Some(View::Text(self))
    }
    fn slot(&mut self) -> Slot<'_> {
        Slot::Text(self)
    }
}

/// Bytes on the wire. A type of its own because `Vec<T>` is a list for every `T`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blob(pub Vec<u8>);

impl Member for Blob {
    fn view(&self) -> Option<View<'_>> {
        Some(View::Bytes(&self.0))
    }
    fn slot(&mut self) -> Slot<'_> {
        Slot::Bytes(&mut self.0)
    }
}

impl<T: Member + Default> Member for Option<T> {
    fn view(&self) -> Option<View<'_>> {
        self.as_ref().and_then(Member::view)
    }
    fn slot(&mut self) -> Slot<'_> {
        self.get_or_insert_default().slot()
    }
}

impl<T: Member> Member for Box<T> {
    fn view(&self) -> Option<View<'_>> {
        (**self).view()
    }
    fn slot(&mut self) -> Slot<'_> {
        (**self).slot()
    }
}

impl<T: Member + Default> Member for Vec<T> {
    fn view(&self) -> Option<View<'_>> {
        Some(View::List(self))
    }
    fn slot(&mut self) -> Slot<'_> {
        Slot::List(self)
    }
}

impl<T: Member> List for Vec<T> {
    fn len(&self) -> usize {
        Vec::len(self)
    }
    fn item(&self, index: usize) -> Option<&dyn Member> {
        self.get(index).map(|item| item as &dyn Member)
    }
}

impl<T: Member + Default> ListSlot for Vec<T> {
    fn push(&mut self) -> &mut dyn Member {
        self.push_mut(T::default())
    }
}

impl<T: Member + Default> Member for BTreeMap<String, T> {
    fn view(&self) -> Option<View<'_>> {
        Some(View::Map(self))
    }
    fn slot(&mut self) -> Slot<'_> {
        Slot::Map(self)
    }
}

impl<T: Member> Map for BTreeMap<String, T> {
    fn each(&self, visit: &mut dyn FnMut(&str, &dyn Member)) {
        for (key, value) in self {
            visit(key, value);
        }
    }
}

impl<T: Member + Default> MapSlot for BTreeMap<String, T> {
    fn entry(&mut self, key: String) -> &mut dyn Member {
        BTreeMap::entry(self, key).or_default()
    }
}

/// The input or output of an operation that has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unit;

impl Struct for Unit {
    fn schema(&self) -> &'static StructSchema {
        Self::SCHEMA
    }
    fn member(&self, _: usize) -> Option<&dyn Member> {
        None
    }
    fn member_mut(&mut self, _: usize) -> Option<&mut dyn Member> {
        None
    }
}

impl Shape for Unit {
    const SCHEMA: &'static StructSchema =
        &StructSchema { name: "Unit", sensitive: false, union: false, members: &[] };
}

/// Stands in for a sensitive member in `Debug` output: whether it is there, never what it is.
pub struct Redacted(pub bool);

impl Redacted {
    /// For a member.
    #[must_use]
    pub fn of(member: &dyn Member) -> Self {
        Self(member.view().is_some())
    }
}

impl std::fmt::Debug for Redacted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0 { "***" } else { "None" })
    }
}
