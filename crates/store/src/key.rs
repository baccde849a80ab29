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
        for byte in self.bytes() {
            out.push(byte);
            if byte == 0 {
                out.push(1);
            }
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
