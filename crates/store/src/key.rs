//! Keys: an encoding of strings, numbers and tuples into bytes that keeps their order.
//!
//! No encoded key is a prefix of another one of the same type, and the encoding of a tuple's first members is a
//! prefix of exactly the tuples that begin with them.

/// A value that stands for a key part of type `K`: `K` itself or its borrowed form (`str` for `String`).
pub trait KeyOf<K: ?Sized> {
    /// Appends the encoding.
    fn encode(&self, out: &mut Vec<u8>);
}

/// A type that can be a key or a part of one.
pub trait Key: KeyOf<Self> + Sized {
    /// Reads one from the front of `input` and moves it on.
    ///
    /// # Errors
    /// [`KeyError`] where the bytes are no encoding of this type.
    fn decode(input: &mut &[u8]) -> Result<Self, KeyError>;
}

/// The first members of a key of type `K`: `()`, `(a,)`, `(a, b)` … up to the whole tuple.
pub trait KeyPrefix<K> {
    /// Appends the encoding.
    fn encode_prefix(&self, out: &mut Vec<u8>);
}

/// Bytes that are no encoding of the key's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key is not an encoded {expected}")]
pub struct KeyError {
    /// The type that was to be read.
    pub expected: &'static str,
}

/// Strings end with 00 00; a 00 inside is written 00 01.
impl KeyOf<String> for str {
    fn encode(&self, out: &mut Vec<u8>) {
        if self.as_bytes().contains(&0) {
            for byte in self.bytes() {
                out.push(byte);
                if byte == 0 {
                    out.push(1);
                }
            }
        } else {
            out.extend_from_slice(self.as_bytes());
        }
        out.extend_from_slice(&[0, 0]);
    }
}

impl KeyOf<String> for String {
    fn encode(&self, out: &mut Vec<u8>) {
        self.as_str().encode(out);
    }
}

impl Key for String {
    fn decode(input: &mut &[u8]) -> Result<String, KeyError> {
        const ERROR: KeyError = KeyError { expected: "string" };
        let mut bytes = Vec::new();
        loop {
            match **input {
                [0, 0, ref rest @ ..] => {
                    *input = rest;
                    return String::from_utf8(bytes).map_err(|_| ERROR);
                }
                [0, 1, ref rest @ ..] => {
                    bytes.push(0);
                    *input = rest;
                }
                [0, ..] | [] => return Err(ERROR),
                [byte, ref rest @ ..] => {
                    bytes.push(byte);
                    *input = rest;
                }
            }
        }
    }
}

impl KeyOf<u64> for u64 {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_be_bytes());
    }
}

impl Key for u64 {
    fn decode(input: &mut &[u8]) -> Result<u64, KeyError> {
        <[u8; 8]>::decode(input)
            .map(u64::from_be_bytes)
            .map_err(|_| KeyError { expected: "64-bit number" })
    }
}

impl<const N: usize> KeyOf<[u8; N]> for [u8; N] {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
}

impl<const N: usize> Key for [u8; N] {
    fn decode(input: &mut &[u8]) -> Result<[u8; N], KeyError> {
        let (bytes, rest) =
            input.split_first_chunk().ok_or(KeyError { expected: "array of bytes" })?;
        *input = rest;
        Ok(*bytes)
    }
}

impl<K: ?Sized, T: KeyOf<K> + ?Sized> KeyOf<K> for &T {
    fn encode(&self, out: &mut Vec<u8>) {
        (**self).encode(out);
    }
}

impl<K> KeyPrefix<K> for () {
    fn encode_prefix(&self, _: &mut Vec<u8>) {}
}

/// `tuple!((A a, B b) …)`: a tuple is the sequence of its members.
macro_rules! tuple {
    ($(($($k:ident $t:ident $v:ident),+))+) => {$(
        impl<$($k, $t: KeyOf<$k>),+> KeyOf<($($k,)+)> for ($($t,)+) {
            fn encode(&self, out: &mut Vec<u8>) {
                let ($($v,)+) = self;
                $($v.encode(out);)+
            }
        }

        impl<$($k: Key),+> Key for ($($k,)+) {
            fn decode(input: &mut &[u8]) -> Result<Self, KeyError> {
                Ok(($($k::decode(input)?,)+))
            }
        }
    )+};
}

tuple! {
    (A X a)
    (A X a, B Y b)
    (A X a, B Y b, C Z c)
    (A X a, B Y b, C Z c, D W d)
}

/// `prefix!((members of the prefix) of (members of the key) …)`
macro_rules! prefix {
    ($(($($k:ident $t:ident $v:ident),+) of ($($all:ident),+))+) => {$(
        impl<$($all,)+ $($t: KeyOf<$k>),+> KeyPrefix<($($all,)+)> for ($($t,)+) {
            fn encode_prefix(&self, out: &mut Vec<u8>) {
                let ($($v,)+) = self;
                $($v.encode(out);)+
            }
        }
    )+};
}

prefix! {
    (A X a) of (A)
    (A X a) of (A, B)
    (A X a) of (A, B, C)
    (A X a) of (A, B, C, D)
    (A X a, B Y b) of (A, B)
    (A X a, B Y b) of (A, B, C)
    (A X a, B Y b) of (A, B, C, D)
    (A X a, B Y b, C Z c) of (A, B, C)
    (A X a, B Y b, C Z c) of (A, B, C, D)
    (A X a, B Y b, C Z c, D W d) of (A, B, C, D)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Whole = (String, u64, [u8; 3], String);

    fn encoded<K>(key: &(impl KeyOf<K> + ?Sized)) -> Vec<u8> {
        let mut out = Vec::new();
        key.encode(&mut out);
        out
    }

    /// Strings in which the encoding's own bytes are common, and prefixes of one another.
    fn text() -> impl Strategy<Value = String> {
        proptest::collection::vec(prop_oneof!["\0", "\u{1}", "a", "b", "ÿ", "\u{10ffff}"], 0..5)
            .prop_map(|parts| parts.concat())
    }

    fn number() -> impl Strategy<Value = u64> {
        prop_oneof![Just(0), Just(1), Just(255), Just(256), Just(u64::MAX), any::<u64>()]
    }

    fn whole() -> impl Strategy<Value = Whole> {
        (text(), number(), any::<[u8; 3]>(), text())
    }

    proptest! {
        #[test]
        fn a_key_reads_back(key in whole()) {
            let bytes = encoded::<Whole>(&key);
            let mut rest = bytes.as_slice();
            prop_assert_eq!(Whole::decode(&mut rest).unwrap(), key);
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn the_order_is_kept(one in whole(), other in whole()) {
            prop_assert_eq!(encoded::<Whole>(&one).cmp(&encoded::<Whole>(&other)), one.cmp(&other));
        }

        #[test]
        fn no_key_is_the_beginning_of_another(one in whole(), other in whole()) {
            let (one_bytes, other_bytes) = (encoded::<Whole>(&one), encoded::<Whole>(&other));
            prop_assert_eq!(one_bytes.starts_with(&other_bytes), one == other);
        }

        #[test]
        fn a_prefix_finds_exactly_its_own(key in whole(), other in whole()) {
            let bytes = encoded::<Whole>(&key);
            let found = |prefix: &dyn Fn(&mut Vec<u8>)| {
                let mut begin = Vec::new();
                prefix(&mut begin);
                bytes.starts_with(&begin)
            };
            let (a, b, c, _) = &other;
            let none = |out: &mut Vec<u8>| KeyPrefix::<Whole>::encode_prefix(&(), out);
            let one = |out: &mut Vec<u8>| KeyPrefix::<Whole>::encode_prefix(&(a,), out);
            let two = |out: &mut Vec<u8>| KeyPrefix::<Whole>::encode_prefix(&(a.as_str(), b), out);
            let three = |out: &mut Vec<u8>| KeyPrefix::<Whole>::encode_prefix(&(a, b, c), out);
            prop_assert!(found(&none));
            prop_assert_eq!(found(&one), key.0 == *a);
            prop_assert_eq!(found(&two), (&key.0, &key.1) == (a, b));
            prop_assert_eq!(found(&three), (&key.0, &key.1, &key.2) == (a, b, c));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(0_u8..4, 0..24)) {
            let mut rest = bytes.as_slice();
            if let Ok(key) = Whole::decode(&mut rest) {
                prop_assert_eq!(encoded::<Whole>(&key), &bytes[..bytes.len() - rest.len()]);
            }
        }
    }
}
