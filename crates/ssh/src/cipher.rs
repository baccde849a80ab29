//! One direction of the encrypted packet stream.
//!
//! Three ciphers, all of them authenticated: `aes256-gcm@openssh.com` and `aes128-gcm@openssh.com`
//! (RFC 5647, negotiated as OpenSSH's PROTOCOL, section 1.6, says) and
//! `chacha20-poly1305@openssh.com` (PROTOCOL.chacha20poly1305).

use aes_gcm::aead::{AeadInOut, inout::InOutBuf};
use aes_gcm::{Aes128Gcm, Aes256Gcm, KeyInit};
use bytes::{Buf, Bytes, BytesMut};
use chacha20::ChaCha20Legacy;
use chacha20::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};
use poly1305::Poly1305;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Bytes that a packet may have, its length field not counted. RFC 4253, section 6.1 asks for
/// 35,000; OpenSSH sends at most 256 KiB.
pub(crate) const LONGEST: usize = 256 * 1024;
/// All three ciphers have tags of this length.
const TAG: usize = 16;

/// A packet that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("a packet of {0} bytes is not possible here")]
    Length(usize),
    #[error("a packet was not what its sender sealed")]
    Tag,
    #[error("a packet's padding is longer than the packet, or shorter than four bytes")]
    Padding,
}

/// The ciphers, in the order of our preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Aes256,
    Aes128,
    ChaCha,
}

impl Algorithm {
    pub(crate) const ALL: [Self; 3] = [Self::Aes256, Self::Aes128, Self::ChaCha];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Aes256 => "aes256-gcm@openssh.com",
            Self::Aes128 => "aes128-gcm@openssh.com",
            Self::ChaCha => "chacha20-poly1305@openssh.com",
        }
    }

    /// Bytes of key and of initialisation vector.
    pub(crate) fn sizes(self) -> (usize, usize) {
        match self {
            Self::Aes256 => (32, 12),
            Self::Aes128 => (16, 12),
            Self::ChaCha => (64, 0),
        }
    }
}

/// The key of one direction.
pub(crate) enum Cipher {
    /// Before the first key exchange is over.
    Clear,
    Aes256(Box<Aes256Gcm>, [u8; 12]),
    Aes128(Box<Aes128Gcm>, [u8; 12]),
    /// The key of the packets and the key of their lengths.
    ChaCha(Zeroizing<[u8; 32]>, Zeroizing<[u8; 32]>),
}

impl std::fmt::Debug for Cipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cipher")
    }
}

impl Cipher {
    /// `None` where key or vector do not have the lengths of [`Algorithm::sizes`].
    pub(crate) fn new(algorithm: Algorithm, key: &[u8], vector: &[u8]) -> Option<Self> {
        Some(match algorithm {
            Algorithm::Aes256 => Self::Aes256(
                Box::new(Aes256Gcm::new_from_slice(key).ok()?),
                vector.try_into().ok()?,
            ),
            Algorithm::Aes128 => Self::Aes128(
                Box::new(Aes128Gcm::new_from_slice(key).ok()?),
                vector.try_into().ok()?,
            ),
            Algorithm::ChaCha => {
                let (packets, lengths) = key.split_first_chunk::<32>()?;
                Self::ChaCha(Zeroizing::new(*packets), Zeroizing::new(lengths.try_into().ok()?))
            }
        })
    }

    /// What the encrypted part is a multiple of, and whether the length field counts as part of it.
    fn block(&self) -> (usize, bool) {
        match self {
            Self::Clear => (8, true),
            Self::Aes256(..) | Self::Aes128(..) => (16, false),
            Self::ChaCha(..) => (8, false),
        }
    }

    fn tag(&self) -> usize {
        if matches!(self, Self::Clear) { 0 } else { TAG }
    }

    /// Encrypts a packet: its length field, and all that follows.
    fn seal(&mut self, number: u32, length: &mut [u8; 4], body: &mut [u8]) -> Option<[u8; TAG]> {
        match self {
            Self::Clear => None,
            Self::Aes256(key, vector) => gcm_seal(&**key, vector, length, body),
            Self::Aes128(key, vector) => gcm_seal(&**key, vector, length, body),
            Self::ChaCha(packets, lengths) => {
                let nonce = u64::from(number).to_be_bytes();
                ChaCha20Legacy::new((&**lengths).into(), (&nonce).into()).apply_keystream(length);
                let (one_time, mut stream) = chacha(packets, nonce);
                stream.apply_keystream(body);
                Some(poly(&one_time, length, body))
            }
        }
    }

    /// The length that a packet's first four bytes say.
    fn length(&self, number: u32, mut length: [u8; 4]) -> usize {
        if let Self::ChaCha(_, lengths) = self {
            let nonce = u64::from(number).to_be_bytes();
            ChaCha20Legacy::new((&**lengths).into(), (&nonce).into()).apply_keystream(&mut length);
        }
        u32::from_be_bytes(length) as usize
    }

    /// Checks the tag, then decrypts.
    fn open(
        &mut self,
        number: u32,
        length: [u8; 4],
        body: &mut [u8],
        tag: &[u8],
    ) -> Result<(), Unreadable> {
        match self {
            Self::Clear => Ok(()),
            Self::Aes256(key, vector) => gcm_open(&**key, vector, length, body, tag),
            Self::Aes128(key, vector) => gcm_open(&**key, vector, length, body, tag),
            Self::ChaCha(packets, _) => {
                let (one_time, mut stream) = chacha(packets, u64::from(number).to_be_bytes());
                if !bool::from(poly(&one_time, &length, body).ct_eq(tag)) {
                    return Err(Unreadable::Tag);
                }
                stream.apply_keystream(body);
                Ok(())
            }
        }
    }
}

type GcmNonce = [u8; 12];

/// The last eight bytes of the vector count packets (RFC 5647, section 7.1).
fn count(vector: &mut GcmNonce) -> GcmNonce {
    let used = *vector;
    if let Some(counter) = vector.last_chunk_mut::<8>() {
        *counter = u64::from_be_bytes(*counter).wrapping_add(1).to_be_bytes();
    }
    used
}

fn gcm_seal<C>(
    key: &C,
    vector: &mut GcmNonce,
    length: &[u8; 4],
    body: &mut [u8],
) -> Option<[u8; TAG]>
where
    C: AeadInOut<NonceSize = aes_gcm::aead::consts::U12, TagSize = aes_gcm::aead::consts::U16>,
{
    let nonce = count(vector);
    key.encrypt_inout_detached((&nonce).into(), length, InOutBuf::from(body)).ok().map(Into::into)
}

fn gcm_open<C>(
    key: &C,
    vector: &mut GcmNonce,
    length: [u8; 4],
    body: &mut [u8],
    tag: &[u8],
) -> Result<(), Unreadable>
where
    C: AeadInOut<NonceSize = aes_gcm::aead::consts::U12, TagSize = aes_gcm::aead::consts::U16>,
{
    let nonce = count(vector);
    let tag: &[u8; TAG] = tag.try_into().map_err(|_| Unreadable::Tag)?;
    key.decrypt_inout_detached((&nonce).into(), &length, InOutBuf::from(body), tag.into())
        .map_err(|_| Unreadable::Tag)
}

/// The key of the tag, which is the stream's first block, and the stream from its second block on.
fn chacha(key: &[u8; 32], nonce: [u8; 8]) -> (Zeroizing<[u8; 32]>, ChaCha20Legacy) {
    let mut stream = ChaCha20Legacy::new(key.into(), (&nonce).into());
    let mut one_time = Zeroizing::new([0; 32]);
    stream.apply_keystream(one_time.as_mut_slice());
    stream.seek(64_u32);
    (one_time, stream)
}

fn poly(key: &[u8; 32], length: &[u8; 4], body: &[u8]) -> [u8; TAG] {
    use poly1305::universal_hash::UniversalHash;
    // The tag is over length and body as one text; the first block has the length and twelve bytes.
    let mut mac = Poly1305::new(key.into());
    let mut first = [0; 16];
    let (head, tail) = body.split_at(body.len().min(12));
    if let Some((start, rest)) = first.split_first_chunk_mut::<4>() {
        *start = *length;
        if let Some(place) = rest.get_mut(..head.len()) {
            place.copy_from_slice(head);
        }
    }
    if head.len() < 12 {
        return mac.compute_unpadded(first.get(..4 + head.len()).unwrap_or_default()).into();
    }
    mac.update(&[first.into()]);
    mac.compute_unpadded(tail).into()
}

/// Seals packets into a buffer.
#[derive(Debug)]
pub(crate) struct Sealer {
    cipher: Cipher,
    number: u32,
    /// Sealed and not yet sent.
    pub(crate) out: BytesMut,
    /// Bytes and packets under this key.
    pub(crate) used: (u64, u64),
}

impl Sealer {
    pub(crate) fn new() -> Self {
        Self { cipher: Cipher::Clear, number: 0, out: BytesMut::new(), used: (0, 0) }
    }

    /// Writes a packet whose payload is what `fill` appends.
    pub(crate) fn packet(&mut self, fill: impl FnOnce(&mut BytesMut)) {
        let start = self.out.len();
        self.out.extend_from_slice(&[0; 5]);
        fill(&mut self.out);
        let (block, whole) = self.cipher.block();
        let payload = self.out.len() - start - 5;
        let unpadded = payload + if whole { 5 } else { 1 };
        let mut padding = block - unpadded % block;
        if padding < 4 {
            padding += block;
        }
        // Padding is hidden by the cipher; before there is one, it hides nothing.
        self.out.resize(self.out.len() + padding, 0);
        let length = u32::try_from(1 + payload + padding).unwrap_or(u32::MAX).to_be_bytes();
        let mut tag = None;
        if let Some((head, body)) =
            self.out.get_mut(start..).and_then(<[u8]>::split_first_chunk_mut::<4>)
        {
            *head = length;
            if let Some(first) = body.first_mut() {
                *first = u8::try_from(padding).unwrap_or(u8::MAX);
            }
            tag = self.cipher.seal(self.number, head, body);
        }
        if let Some(tag) = tag {
            self.out.extend_from_slice(&tag);
        }
        self.number = self.number.wrapping_add(1);
        self.used.0 = self.used.0.saturating_add((self.out.len() - start) as u64);
        self.used.1 = self.used.1.saturating_add(1);
    }

    /// From the next packet on.
    pub(crate) fn rekey(&mut self, cipher: Cipher, reset: bool) {
        self.cipher = cipher;
        self.used = (0, 0);
        if reset {
            self.number = 0;
        }
    }
}

/// Opens packets from a buffer.
#[derive(Debug)]
pub(crate) struct Opener {
    cipher: Cipher,
    /// Of the next packet.
    pub(crate) number: u32,
    /// Received and not yet opened.
    pub(crate) received: BytesMut,
    /// The length of the packet that is not complete yet.
    length: Option<usize>,
    /// Bytes and packets under this key.
    pub(crate) used: (u64, u64),
}

impl Opener {
    pub(crate) fn new(received: BytesMut) -> Self {
        Self { cipher: Cipher::Clear, number: 0, received, length: None, used: (0, 0) }
    }

    /// The next packet's payload, if all of it has arrived.
    pub(crate) fn packet(&mut self) -> Result<Option<Bytes>, Unreadable> {
        let Some(head) = self.received.first_chunk::<4>().copied() else { return Ok(None) };
        let length = match self.length {
            Some(length) => length,
            None => {
                let length = self.cipher.length(self.number, head);
                let (block, whole) = self.cipher.block();
                let counted = if whole { length + 4 } else { length };
                // The smallest packet: padding length, a type, padding.
                if !(5..=LONGEST).contains(&length) || counted % block != 0 {
                    return Err(Unreadable::Length(length));
                }
                self.length = Some(length);
                length
            }
        };
        let tag = self.cipher.tag();
        if self.received.len() < 4 + length + tag {
            self.received.reserve(4 + length + tag - self.received.len());
            return Ok(None);
        }
        self.length = None;
        let mut packet = self.received.split_to(4 + length + tag);
        packet.advance(4);
        let (body, seal) = packet.split_at_mut(length);
        self.cipher.open(self.number, head, body, seal)?;
        self.number = self.number.wrapping_add(1);
        self.used.0 = self.used.0.saturating_add((4 + length + tag) as u64);
        self.used.1 = self.used.1.saturating_add(1);
        let padding = usize::from(packet.first().copied().unwrap_or(u8::MAX));
        if padding < 4 || padding + 1 >= length {
            return Err(Unreadable::Padding);
        }
        packet.truncate(length - padding);
        packet.advance(1);
        Ok(Some(packet.freeze()))
    }

    /// From the next packet on.
    pub(crate) fn rekey(&mut self, cipher: Cipher, reset: bool) {
        self.cipher = cipher;
        self.used = (0, 0);
        if reset {
            self.number = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pair(algorithm: Option<Algorithm>) -> (Sealer, Opener) {
        let (mut sealer, mut opener) = (Sealer::new(), Opener::new(BytesMut::new()));
        if let Some(algorithm) = algorithm {
            let (key, vector) = algorithm.sizes();
            let (key, vector) = (vec![7; key], vec![255; vector]);
            sealer.rekey(Cipher::new(algorithm, &key, &vector).unwrap(), true);
            opener.rekey(Cipher::new(algorithm, &key, &vector).unwrap(), true);
        }
        (sealer, opener)
    }

    fn algorithm() -> impl Strategy<Value = Option<Algorithm>> {
        prop_oneof![Just(None), prop::sample::select(&Algorithm::ALL[..]).prop_map(Some)]
    }

    proptest! {
        #[test]
        fn what_is_sealed_is_opened(
            algorithm in algorithm(),
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 1..6),
            piece in 1_usize..50,
        ) {
            let (mut sealer, mut opener) = pair(algorithm);
            for payload in &payloads {
                sealer.packet(|out| out.extend_from_slice(payload));
            }
            let mut opened = Vec::new();
            for part in sealer.out.chunks(piece) {
                opener.received.extend_from_slice(part);
                while let Some(packet) = opener.packet().unwrap() {
                    opened.push(packet.to_vec());
                }
            }
            prop_assert_eq!(opened, payloads);
        }

        #[test]
        fn a_changed_bit_is_noticed(
            algorithm in prop::sample::select(&Algorithm::ALL[..]),
            payload in prop::collection::vec(any::<u8>(), 1..100),
            at in any::<prop::sample::Index>(),
            bit in 0..8_u8,
        ) {
            let (mut sealer, mut opener) = pair(Some(algorithm));
            sealer.packet(|out| out.extend_from_slice(&payload));
            let at = at.index(sealer.out.len());
            sealer.out[at] ^= 1 << bit;
            opener.received.extend_from_slice(&sealer.out);
            // A longer length waits for what does not come; it yields no packet either.
            prop_assert!(!matches!(opener.packet(), Ok(Some(_))));
        }

        #[test]
        fn any_bytes_are_a_packet_or_refused(
            algorithm in algorithm(),
            bytes in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let (_, mut opener) = pair(algorithm);
            opener.received.extend_from_slice(&bytes);
            while let Ok(Some(_)) = opener.packet() {}
        }
    }

    #[test]
    fn lengths_that_are_refused() {
        let (_, mut opener) = pair(None);
        opener.received.extend_from_slice(&(LONGEST as u32 + 4).to_be_bytes());
        assert_eq!(opener.packet(), Err(Unreadable::Length(LONGEST + 4)));
        let (_, mut opener) = pair(None);
        opener.received.extend_from_slice(&[0, 0, 0, 12, 200, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(opener.packet(), Err(Unreadable::Padding));
    }
}
