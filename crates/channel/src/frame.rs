//! Frames of the data channel: a head of fixed size, and a payload that the head has the digest of.
//!
//! All integers are big-endian. The layout is that of the Systems Manager agent's message contract,
//! which the Session Manager plugin shares: offsets in bytes, with `HeaderLength` first.
//!
//! | offset | length | field |
//! | --- | --- | --- |
//! | 0 | 4 | HeaderLength: 116, the offset of PayloadLength |
//! | 4 | 32 | MessageType, ASCII, padded with spaces |
//! | 36 | 4 | SchemaVersion: 1 |
//! | 40 | 8 | CreatedDate, milliseconds since 1970 |
//! | 48 | 8 | SequenceNumber, for each direction from 0 |
//! | 56 | 8 | Flags |
//! | 64 | 16 | MessageId, a UUID whose halves are swapped |
//! | 80 | 32 | PayloadDigest, SHA-256 of the payload |
//! | 112 | 4 | PayloadType |
//! | 116 | 4 | PayloadLength |
//! | 120 | | the payload |

use std::fmt;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use sha2::{Digest, Sha256};

/// Bytes before the payload of a frame as we write it.
pub const HEAD: usize = 120;
/// What `HeaderLength` is in a frame as we write it.
const HEADER_LENGTH: u32 = 116;
const SCHEMA_VERSION: u32 = 1;

/// The kinds of frame, by the names in their heads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// From the client: data, or its answer to the handshake.
    Input,
    /// From the server: data, or its part of the handshake.
    Output,
    /// A frame of the other direction has arrived.
    Acknowledge,
    /// From the server: the session is over.
    Closed,
    /// The server may be sent to (again).
    Start,
    /// The server should not be sent to for now.
    Pause,
    /// A kind that is not known here.
    Other,
}

impl Kind {
    fn name(self) -> &'static [u8] {
        match self {
            Self::Input => b"input_stream_data",
            Self::Output => b"output_stream_data",
            Self::Acknowledge => b"acknowledge",
            Self::Closed => b"channel_closed",
            Self::Start => b"start_publication",
            Self::Pause => b"pause_publication",
            Self::Other => b"other",
        }
    }

    fn of(name: &[u8]) -> Self {
        let known =
            [Self::Input, Self::Output, Self::Acknowledge, Self::Closed, Self::Start, Self::Pause];
        known.into_iter().find(|kind| kind.name() == name).unwrap_or(Self::Other)
    }

    /// Whether a reader holds the rest of the head against its rules. Clients do not for these two.
    fn is_checked(self) -> bool {
        !matches!(self, Self::Start | Self::Pause)
    }
}

/// What a payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// Bytes of the stream, in both directions; also what an acknowledgement has.
    Data,
    /// The size of a terminal.
    Size,
    /// The server asks for the session's type.
    HandshakeRequest,
    /// The client has it.
    HandshakeResponse,
    /// The client may send.
    HandshakeComplete,
    /// A wish of the client: see [`flag`].
    Flag,
    /// Another type, by its number.
    Other(u32),
}

impl Payload {
    /// The number in the head.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::Data => 1,
            Self::Size => 3,
            Self::HandshakeRequest => 5,
            Self::HandshakeResponse => 6,
            Self::HandshakeComplete => 7,
            Self::Flag => 10,
            Self::Other(number) => number,
        }
    }

    fn of(number: u32) -> Self {
        match number {
            1 => Self::Data,
            3 => Self::Size,
            5 => Self::HandshakeRequest,
            6 => Self::HandshakeResponse,
            7 => Self::HandshakeComplete,
            10 => Self::Flag,
            number => Self::Other(number),
        }
    }
}

/// The values of a payload of type [`Payload::Flag`].
pub mod flag {
    /// The local connection of a port session has ended.
    pub const DISCONNECT_TO_PORT: u32 = 1;
    /// The client wants the session to end.
    pub const TERMINATE_SESSION: u32 = 2;
}

/// A frame's id: a UUID.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MessageId(pub [u8; 16]);

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A frame that has been read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its kind.
    pub kind: Kind,
    /// When it was made, in milliseconds since 1970, by the sender's clock.
    pub created: u64,
    /// Its place in its direction, from 0; 0 in frames that have none.
    pub sequence: i64,
    /// 1 for the first frame of a stream, 3 for an acknowledgement.
    pub flags: u64,
    /// Its id.
    pub id: MessageId,
    /// What the payload is.
    pub payload_type: Payload,
    /// The payload.
    pub payload: Bytes,
}

/// Why bytes are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Shorter than its head.
    #[error("a frame of {0} bytes is shorter than its head")]
    Short(usize),
    /// The head's length leads out of the frame, or into the head.
    #[error("HeaderLength {0} does not lead to a payload")]
    HeaderLength(u32),
    /// There is no kind.
    #[error("a frame has no MessageType")]
    NoKind,
    /// There is no date.
    #[error("a frame has no CreatedDate")]
    NoDate,
    /// Payload and length differ.
    #[error("a frame says that its payload has {said} bytes, and has {found}")]
    Length {
        /// What the head says.
        said: u32,
        /// What is there.
        found: usize,
    },
    /// Payload and digest differ.
    #[error("a payload's SHA-256 is not that of its frame")]
    Digest,
}

/// Which payloads have a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digests {
    /// All of them, as the protocol has it.
    All,
    /// All but data, whose frames have zeros in its place: agreed on with our own client.
    NotOfData,
}

/// What is in the place of a digest that was left out.
const NO_DIGEST: [u8; 32] = [0; 32];

/// Takes `N` bytes off the front.
fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*first)
}

/// The two halves of an id, exchanged.
fn swapped(id: [u8; 16]) -> [u8; 16] {
    u128::from_be_bytes(id).rotate_left(64).to_be_bytes()
}

impl Frame {
    /// Reads a frame. Its payload shares the memory of `bytes`.
    ///
    /// # Errors
    /// If the bytes are no frame, or not the one that the sender made.
    pub fn read(bytes: &Bytes) -> Result<Self, FrameError> {
        Self::read_as(bytes, Digests::All)
    }

    /// Reads a frame of a session in which `digests` was agreed on.
    ///
    /// # Errors
    /// See [`Frame::read`].
    pub fn read_as(bytes: &Bytes, digests: Digests) -> Result<Self, FrameError> {
        let short = FrameError::Short(bytes.len());
        let mut rest = bytes.get(..HEAD).ok_or(short)?;
        let header_length = u32::from_be_bytes(take(&mut rest).ok_or(short)?);
        let name: [u8; 32] = take(&mut rest).ok_or(short)?;
        let _schema: [u8; 4] = take(&mut rest).ok_or(short)?;
        let created = u64::from_be_bytes(take(&mut rest).ok_or(short)?);
        let sequence = i64::from_be_bytes(take(&mut rest).ok_or(short)?);
        let flags = u64::from_be_bytes(take(&mut rest).ok_or(short)?);
        let id = MessageId(swapped(take(&mut rest).ok_or(short)?));
        let digest: [u8; 32] = take(&mut rest).ok_or(short)?;
        let payload_type = Payload::of(u32::from_be_bytes(take(&mut rest).ok_or(short)?));
        let padding = |byte: &u8| matches!(byte, 0 | b' ');
        let end = name.iter().rposition(|byte| !padding(byte)).ok_or(FrameError::NoKind)?;
        let kind = Kind::of(name.get(..=end).unwrap_or_default());
        // A longer head would be one with fields that are not known here, before PayloadLength.
        let beyond = FrameError::HeaderLength(header_length);
        let at = usize::try_from(header_length).map_err(|_| beyond)?;
        if header_length < HEADER_LENGTH || at > bytes.len() {
            return Err(beyond);
        }
        let mut payload = bytes.slice(at..);
        let said = payload.try_get_u32().map_err(|_| beyond)?;
        if kind.is_checked() {
            if created == 0 {
                return Err(FrameError::NoDate);
            }
            if u32::try_from(payload.len()) != Ok(said) {
                return Err(FrameError::Length { said, found: payload.len() });
            }
            let absent = digests == Digests::NotOfData
                && payload_type == Payload::Data
                && digest == NO_DIGEST;
            if said != 0 && !absent && Sha256::digest(&payload).as_slice() != digest {
                return Err(FrameError::Digest);
            }
        }
        Ok(Self { kind, created, sequence, flags, id, payload_type, payload })
    }
}

/// The head of a frame that is to be made.
#[derive(Debug, Clone, Copy)]
pub struct Head {
    /// Its kind.
    pub kind: Kind,
    /// When it is made, in milliseconds since 1970.
    pub created: u64,
    /// Its place in its direction.
    pub sequence: i64,
    /// See [`Frame::flags`].
    pub flags: u64,
    /// Its id.
    pub id: MessageId,
    /// What the payload is.
    pub payload_type: Payload,
}

/// A payload that is gathered, with room for the head before it: what a stream gives is read to
/// where it will be sent from.
#[derive(Debug)]
pub struct Body(BytesMut);

impl Body {
    /// An empty one with room for `payload` bytes.
    #[must_use]
    pub fn with_capacity(payload: usize) -> Self {
        Self::within(BytesMut::with_capacity(HEAD + payload))
    }

    /// An empty one at the end of a buffer that is empty.
    fn within(mut buffer: BytesMut) -> Self {
        buffer.put_bytes(0, HEAD);
        Self(buffer)
    }

    /// Where the payload is appended.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.0
    }

    /// The bytes of the payload so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len().saturating_sub(HEAD)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes the frame. A payload has less than 4 GiB.
    #[must_use]
    pub fn seal(self, head: &Head) -> Bytes {
        self.seal_as(head, Digests::All)
    }

    /// Makes the frame for a session in which `digests` was agreed on.
    #[must_use]
    pub fn seal_as(self, head: &Head, digests: Digests) -> Bytes {
        let Self(mut buffer) = self;
        if let Some((mut at, payload)) = buffer.split_at_mut_checked(HEAD) {
            at.put_u32(HEADER_LENGTH);
            let mut name = [b' '; 32];
            for (to, from) in name.iter_mut().zip(head.kind.name()) {
                *to = *from;
            }
            at.put_slice(&name);
            at.put_u32(SCHEMA_VERSION);
            at.put_u64(head.created);
            at.put_i64(head.sequence);
            at.put_u64(head.flags);
            at.put_slice(&swapped(head.id.0));
            match (digests, head.payload_type) {
                (Digests::NotOfData, Payload::Data) => at.put_slice(&NO_DIGEST),
                _ => at.put_slice(&Sha256::digest(&*payload)),
            }
            at.put_u32(head.payload_type.number());
            at.put_u32(u32::try_from(payload.len()).unwrap_or(u32::MAX));
        }
        buffer.freeze()
    }
}

impl From<&[u8]> for Body {
    fn from(payload: &[u8]) -> Self {
        let mut body = Self::with_capacity(payload.len());
        body.0.extend_from_slice(payload);
        body
    }
}

/// Makes the ids of one side's frames: a part that is random for the session, and a count.
#[derive(Debug, Clone)]
pub struct Ids {
    session: [u8; 8],
    next: u64,
}

impl Ids {
    /// From randomness that no other session has.
    #[must_use]
    pub fn new(random: [u8; 8]) -> Self {
        Self { session: random, next: 0 }
    }

    /// The next one, in the form of a UUID of version 4.
    pub fn make(&mut self) -> MessageId {
        let count = self.next;
        self.next = self.next.wrapping_add(1);
        let [a, b, c, d, e, f, g, h] = self.session;
        let [_, _, i, j, k, l, m, n] = count.to_be_bytes();
        MessageId([a, b, c, d, e, f, 0x40 | (g & 0x0f), h, 0x80, 0, i, j, k, l, m, n])
    }
}
