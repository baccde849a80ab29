//! The data types of RFC 4251, section 5: reading them from a packet and writing them to one.

use bytes::BytesMut;

/// A packet that does not say what its type promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a {0} was expected where the packet has none")]
pub(crate) struct Malformed(pub(crate) &'static str);

/// Reads a packet from its beginning to its end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next `count` bytes.
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed("longer field"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(Malformed(what))?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Malformed> {
        self.array::<1>("byte").map(|[byte]| byte)
    }

    pub(crate) fn boolean(&mut self) -> Result<bool, Malformed> {
        self.array::<1>("boolean").map(|[byte]| byte != 0)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array("uint32").map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array("uint64").map(u64::from_be_bytes)
    }

    /// A length and as many bytes.
    pub(crate) fn string(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.u32().map_err(|_| Malformed("string"))?;
        self.take(length as usize).map_err(|_| Malformed("string"))
    }

    /// A string that is text.
    pub(crate) fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.string()?).map_err(|_| Malformed("text in UTF-8"))
    }
}

/// Writes the same types.
pub(crate) trait Put {
    /// Bytes as they are.
    fn put(&mut self, bytes: &[u8]);

    fn put_byte(&mut self, value: u8) {
        self.put(&[value]);
    }

    fn put_boolean(&mut self, value: bool) {
        self.put(&[u8::from(value)]);
    }

    fn put_u32(&mut self, value: u32) {
        self.put(&value.to_be_bytes());
    }

    fn put_u64(&mut self, value: u64) {
        self.put(&value.to_be_bytes());
    }

    /// A length and the bytes. What this crate writes is far below 4 GiB.
    fn put_string(&mut self, bytes: &[u8]) {
        self.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.put(bytes);
    }

    /// An unsigned number, most significant byte first, as `mpint`.
    fn put_mpint(&mut self, number: &[u8]) {
        let start = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
        let digits = number.get(start..).unwrap_or_default();
        let sign = digits.first().is_some_and(|byte| byte & 0x80 != 0);
        let length = digits.len() + usize::from(sign);
        self.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
        if sign {
            self.put_byte(0);
        }
        self.put(digits);
    }
}

impl Put for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

impl Put for BytesMut {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 4251, section 5.
    #[test]
    fn mpints_of_the_rfc() {
        for (number, wire) in [
            (&b""[..], &b"\0\0\0\0"[..]),
            (&[0, 0], b"\0\0\0\0"),
            (
                &[0x09, 0xa3, 0x78, 0xf9, 0xb2, 0xe3, 0x32, 0xa7],
                b"\0\0\0\x08\x09\xa3\x78\xf9\xb2\xe3\x32\xa7",
            ),
            (&[0x80], b"\0\0\0\x02\0\x80"),
            (&[0, 0x80], b"\0\0\0\x02\0\x80"),
        ] {
            let mut written = Vec::new();
            written.put_mpint(number);
            assert_eq!(written, wire);
        }
    }

    #[test]
    fn a_string_may_not_be_longer_than_its_packet() {
        assert_eq!(Reader::new(b"\0\0\0\x05abcd").string(), Err(Malformed("string")));
        assert_eq!(Reader::new(b"\xff\xff\xff\xffabcd").string(), Err(Malformed("string")));
        let mut whole = Reader::new(b"\0\0\0\x04abcd\x01");
        assert_eq!(whole.string(), Ok(&b"abcd"[..]));
        assert_eq!(whole.boolean(), Ok(true));
        assert_eq!(whole.byte(), Err(Malformed("byte")));
    }
}
