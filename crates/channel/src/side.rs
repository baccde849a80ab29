//! What both sides do: number frames, remember what is not acknowledged, put in order what arrives.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use crate::frame::{Body, Digests, Frame, FrameError, Head, Ids, Kind, MessageId, Payload};
use crate::limits;
use crate::message::{self, Acknowledge, ChannelClosed};

/// What is to be written to the socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transmit {
    /// A binary message.
    Binary(Bytes),
    /// A text message.
    Text(String),
    /// A ping.
    Ping,
    /// The end of the socket: nothing follows it.
    Close {
        /// RFC 6455, section 7.4.1.
        code: u16,
        /// Up to 123 bytes.
        reason: String,
    },
}

/// What a peer has done that the protocol does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// What arrived is no frame.
    #[error("{0}")]
    Frame(#[from] FrameError),
    /// A frame is too long.
    #[error("a message of {0} bytes is longer than {most}", most = limits::FRAME)]
    TooLong(usize),
    /// A number is negative, or too far ahead.
    #[error("sequence number {found} where {expected} is next")]
    Sequence {
        /// What the frame says.
        found: i64,
        /// What would have been in order.
        expected: i64,
    },
    /// Too much has arrived out of order.
    #[error("more than {most} bytes out of order", most = limits::AHEAD_BYTES)]
    OutOfOrder,
    /// What came is no message of a WebSocket, or too long.
    #[error("a WebSocket message is malformed or too long")]
    Socket,
    /// A text in a frame cannot be read.
    #[error("{0} cannot be read")]
    Message(&'static str),
    /// The first message is not the one with the token, or something else came before its time.
    #[error("{0} is not expected now")]
    Unexpected(&'static str),
    /// The client does not support the session's type.
    #[error("the client refuses the session type")]
    SessionType,
}

/// Why a session is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The other side has closed the socket, or asked for the end.
    Left,
    /// The socket broke, and nobody came back in time.
    Lost,
    /// The other side was silent for too long.
    Silent,
    /// It did not open the session, or answer the handshake, in time.
    TooSlow(&'static str),
    /// The token was not accepted, or the ticket.
    Refused(String),
    /// What the other side sent.
    Violated(Violation),
    /// The space's side of the stream has ended.
    Finished,
    /// Closed on our side, or (for a client) by the server: with the text for the user.
    Closed(String),
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Left => f.write_str("the client left"),
            Self::Lost => f.write_str("the connection was lost"),
            Self::Silent => f.write_str("the client was silent for too long"),
            Self::TooSlow(what) => write!(f, "{what} did not come in time"),
            Self::Refused(why) => write!(f, "refused: {why}"),
            Self::Violated(violation) => write!(f, "protocol error: {violation}"),
            Self::Finished => f.write_str("the space closed the connection"),
            Self::Closed(output) if output.is_empty() => f.write_str("closed"),
            Self::Closed(output) => f.write_str(output),
        }
    }
}

/// How a socket has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// With a close message.
    Closed,
    /// With the end of the stream alone: how the plugin ends.
    Eof,
    /// With an error.
    Broken,
    /// With something that is no message of a WebSocket, or too long for one here.
    Garbage,
}

/// A frame that was sent and is not acknowledged.
#[derive(Debug)]
struct Sent {
    sequence: i64,
    /// Its bytes, the head's among them.
    counted: usize,
    /// Kept while it may have to be sent again.
    frame: Option<Bytes>,
    at: Duration,
    resent: bool,
    acknowledged: bool,
    /// Its last sending was when the other side was surely listening.
    settled: bool,
}

/// What was sent and is not acknowledged, and the time after which it is sent again: the agent's
/// smoothed round-trip times (RFC 6298 with other constants).
#[derive(Debug)]
pub(crate) struct Outbox {
    next: i64,
    sent: VecDeque<Sent>,
    bytes: usize,
    smoothed: Duration,
    variation: Duration,
    resend: Duration,
}

impl Outbox {
    fn new() -> Self {
        Self {
            next: 0,
            sent: VecDeque::new(),
            bytes: 0,
            smoothed: limits::TICK,
            variation: Duration::ZERO,
            resend: limits::RESEND_FIRST,
        }
    }

    /// The bytes that are not acknowledged.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The frames that are not acknowledged.
    pub(crate) fn frames(&self) -> usize {
        self.sent.len()
    }

    /// The smoothed time from a frame to its acknowledgement.
    pub(crate) fn round_trip(&self) -> Duration {
        self.smoothed
    }

    /// An acknowledgement has arrived. True when something was acknowledged by it.
    fn acknowledge(&mut self, sequence: i64, now: Duration) -> bool {
        let Some(first) = self.sent.front().map(|sent| sent.sequence) else { return false };
        let at = sequence.checked_sub(first).and_then(|at| usize::try_from(at).ok());
        let Some(at) = at else { return false };
        let Some(sent) = self.sent.get_mut(at).filter(|sent| !sent.acknowledged) else {
            return false;
        };
        sent.acknowledged = true;
        sent.frame = None;
        if !sent.resent {
            let took = now.saturating_sub(sent.at);
            self.variation = (self.variation * 3 + took.abs_diff(self.smoothed)) / 4;
            self.smoothed = (self.smoothed * 7 + took) / 8;
            let variation = (self.variation * 4).max(Duration::from_millis(10));
            self.resend = (self.smoothed + variation).min(limits::RESEND_MOST);
        }
        // What was sent before it to somebody who listened has arrived as well: the socket loses
        // nothing, and a duplicate is not acknowledged by the plugin. Of what is kept for another
        // socket each frame has to be acknowledged itself.
        for before in self.sent.iter_mut().take(at) {
            before.acknowledged |= before.settled && before.frame.is_none();
        }
        self.shorten();
        true
    }

    /// Everything before `sequence` has arrived.
    pub(crate) fn arrived(&mut self, sequence: i64) {
        for sent in self.sent.iter_mut().take_while(|sent| sent.sequence < sequence) {
            sent.acknowledged = true;
        }
        self.shorten();
    }

    fn shorten(&mut self) {
        while let Some(first) = self.sent.pop_front_if(|first| first.acknowledged) {
            self.bytes = self.bytes.saturating_sub(first.counted);
        }
    }

    /// Forgets the oldest frame, as the plugin does when there are too many.
    pub(crate) fn forget_oldest(&mut self) {
        if let Some(oldest) = self.sent.pop_front() {
            self.bytes = self.bytes.saturating_sub(oldest.counted);
        }
    }

    /// The oldest frame, if it was kept and it is time to send it again.
    fn due(&mut self, now: Duration) -> Option<Bytes> {
        let resend = self.resend;
        let oldest = self.sent.front_mut()?;
        let frame = oldest.frame.clone()?;
        if now < oldest.at + resend {
            return None;
        }
        // The time of the first sending stays, as in the plugin: from then on it is due at each look.
        oldest.resent = true;
        Some(frame)
    }

    /// All frames that were kept and not acknowledged; they are sent to somebody who listens now.
    fn again(&mut self, keep: bool) -> impl Iterator<Item = Bytes> + '_ {
        self.sent.iter_mut().filter(|sent| !sent.acknowledged).filter_map(move |sent| {
            sent.resent = true;
            sent.settled = true;
            if keep { sent.frame.clone() } else { sent.frame.take() }
        })
    }

    /// Whether the number has been given to a frame, or is the next.
    pub(crate) fn has_reached(&self, sequence: i64) -> bool {
        let first = self.sent.front().map_or(self.next, |sent| sent.sequence);
        (first..=self.next).contains(&sequence)
    }
}

/// What arrives, put in order.
#[derive(Debug)]
pub(crate) struct Inbox {
    expected: i64,
    ahead: BTreeMap<i64, (Payload, Bytes)>,
    bytes: usize,
}

/// Where a frame stands.
pub(crate) enum Place {
    Next,
    Before,
    Ahead,
}

impl Inbox {
    fn new() -> Self {
        Self { expected: 0, ahead: BTreeMap::new(), bytes: 0 }
    }

    /// How many frames have arrived in order.
    pub(crate) fn expected(&self) -> i64 {
        self.expected
    }

    fn place(&self, frame: &Frame) -> Result<Place, Violation> {
        let (found, expected) = (frame.sequence, self.expected);
        if found == expected {
            return Ok(Place::Next);
        }
        if found < 0 || found - expected > limits::AHEAD {
            return Err(Violation::Sequence { found, expected });
        }
        if found < expected {
            return Ok(Place::Before);
        }
        if self.bytes + frame.payload.len() > limits::AHEAD_BYTES {
            return Err(Violation::OutOfOrder);
        }
        Ok(Place::Ahead)
    }

    fn keep(&mut self, frame: &Frame) {
        self.ahead.entry(frame.sequence).or_insert_with(|| {
            self.bytes += frame.payload.len();
            // A copy: the payload may share a buffer that is far larger.
            (frame.payload_type, Bytes::copy_from_slice(&frame.payload))
        });
    }

    /// The next frame of those that were ahead.
    pub(crate) fn next(&mut self) -> Option<(Payload, Bytes)> {
        let (_, payload) =
            self.ahead.first_entry().filter(|it| *it.key() == self.expected)?.remove_entry();
        self.bytes = self.bytes.saturating_sub(payload.1.len());
        self.expected += 1;
        Some(payload)
    }

    /// The frame that was [`Place::Next`] is dealt with.
    pub(crate) fn advance(&mut self) {
        self.expected = self.expected.saturating_add(1);
    }
}

/// One side of a channel.
#[derive(Debug)]
pub(crate) struct Side {
    /// The kind of its data frames.
    kind: Kind,
    session_id: String,
    ids: Ids,
    /// Milliseconds since 1970 at the time zero of `now`.
    epoch: u64,
    pub(crate) outbox: Outbox,
    pub(crate) inbox: Inbox,
    pub(crate) out: VecDeque<Transmit>,
    /// Both sides have agreed on light frames: see [`Offer::light`](crate::message::Offer::light).
    pub(crate) light: bool,
    /// An acknowledgement of all that has arrived, which waits for what may arrive with it: when it
    /// became due, and the id of the last frame.
    owed: Option<(Duration, MessageId)>,
    /// Data for the other end of the stream.
    pub(crate) data: VecDeque<Bytes>,
    /// Bytes of data that were sent, each once.
    pub(crate) sent: u64,
    /// Bytes of data that have arrived in order.
    pub(crate) received: u64,
    pub(crate) end: Option<End>,
}

impl Side {
    pub(crate) fn new(kind: Kind, session_id: &str, ids: Ids, epoch: u64) -> Self {
        Self {
            kind,
            session_id: session_id.to_owned(),
            ids,
            epoch,
            outbox: Outbox::new(),
            inbox: Inbox::new(),
            out: VecDeque::new(),
            light: false,
            owed: None,
            data: VecDeque::new(),
            sent: 0,
            received: 0,
            end: None,
        }
    }

    fn created(&self, now: Duration) -> u64 {
        let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        self.epoch.saturating_add(millis).max(1)
    }

    /// Sends a frame that has a number. `keep`: it may have to be sent again.
    pub(crate) fn send(
        &mut self,
        now: Duration,
        payload_type: Payload,
        body: Body,
        keep: bool,
        settled: bool,
    ) {
        let sequence = self.outbox.next;
        let length = body.len();
        let head = Head {
            kind: self.kind,
            created: self.created(now),
            sequence,
            flags: u64::from(sequence == 0 && self.kind == Kind::Output),
            id: self.ids.make(),
            payload_type,
        };
        let frame = body.seal_as(&head, self.digests());
        self.out.push_back(Transmit::Binary(frame.clone()));
        self.outbox.next += 1;
        // The head counts too: many small frames are as much as a few large ones.
        let counted = frame.len();
        self.outbox.bytes += counted;
        let frame = keep.then_some(frame);
        let sent =
            Sent { sequence, counted, frame, at: now, resent: false, acknowledged: false, settled };
        self.outbox.sent.push_back(sent);
        if payload_type == Payload::Data {
            self.sent += u64::try_from(length).unwrap_or(0);
        }
    }

    /// Sends a text in a frame.
    pub(crate) fn say(
        &mut self,
        now: Duration,
        payload_type: Payload,
        text: &impl serde::Serialize,
    ) {
        self.send(now, payload_type, Body::from(&*message::write(text)), true, false);
    }

    /// Sends a frame that has no number.
    fn tell(&mut self, now: Duration, kind: Kind, flags: u64, text: &[u8]) {
        let payload_type = Payload::Other(0);
        let (created, id) = (self.created(now), self.ids.make());
        let head = Head { kind, created, sequence: 0, flags, id, payload_type };
        self.out.push_back(Transmit::Binary(Body::from(text).seal(&head)));
    }

    /// Which payloads have a digest.
    pub(crate) fn digests(&self) -> Digests {
        if self.light { Digests::NotOfData } else { Digests::All }
    }

    /// What is to be written to the socket next: what is due before an acknowledgement that can wait,
    /// and that one last.
    pub(crate) fn transmit(&mut self) -> Option<Transmit> {
        if self.out.is_empty() {
            self.pay();
        }
        self.out.pop_front()
    }

    /// Sends the acknowledgement that has waited.
    fn pay(&mut self) {
        let Some((at, id)) = self.owed.take() else { return };
        // Of what has arrived in order, whatever has come since.
        if let Some(last) = self.inbox.expected().checked_sub(1).filter(|last| *last >= 0) {
            self.tell_arrived(at, id, last);
        }
    }

    /// There is no socket for what was to be sent.
    pub(crate) fn unsent(&mut self) {
        self.out.clear();
        self.owed = None;
    }

    /// Tells the other side that a frame has arrived: at once, or (of light data) with those that arrive
    /// with it. To be called before the frame counts as arrived.
    pub(crate) fn acknowledge(&mut self, now: Duration, frame: &Frame) {
        if self.light && frame.payload_type == Payload::Data {
            self.owed = Some((now, frame.id));
        } else {
            self.tell_arrived(now, frame.id, frame.sequence);
        }
    }

    fn tell_arrived(&mut self, now: Duration, id: MessageId, sequence: i64) {
        let name = match self.kind {
            Kind::Output => "input_stream_data",
            _ => "output_stream_data",
        };
        // By hand: this is written for each frame.
        let text = format!(
            "{{\"AcknowledgedMessageType\":\"{name}\",\"AcknowledgedMessageId\":\"{id}\",\
             \"AcknowledgedMessageSequenceNumber\":{sequence},\"IsSequentialMessage\":true}}"
        );
        self.tell(now, Kind::Acknowledge, 3, text.as_bytes());
    }

    /// Takes an acknowledgement. True when something was acknowledged by it.
    pub(crate) fn acknowledged(&mut self, now: Duration, frame: &Frame) -> Result<bool, Violation> {
        let read: Acknowledge = serde_json::from_slice(&frame.payload)
            .map_err(|_| Violation::Message("an acknowledgement"))?;
        let sequence = read.acknowledged_message_sequence_number;
        let news = self.outbox.acknowledge(sequence, now);
        if news && self.light {
            // It speaks for all before it.
            self.outbox.arrived(sequence.saturating_add(1));
        }
        Ok(news)
    }

    /// Where a frame stands; one that is ahead is kept.
    pub(crate) fn place(&mut self, frame: &Frame) -> Result<Place, Violation> {
        let place = self.inbox.place(frame)?;
        if matches!(place, Place::Ahead) {
            self.inbox.keep(frame);
        }
        Ok(place)
    }

    /// Data has arrived in order.
    pub(crate) fn deliver(&mut self, data: Bytes) {
        self.received += u64::try_from(data.len()).unwrap_or(0);
        if !data.is_empty() {
            self.data.push_back(data);
        }
    }

    /// Sends the oldest frame again if it is time to.
    pub(crate) fn resend(&mut self, now: Duration) {
        if let Some(frame) = self.outbox.due(now) {
            self.out.push_back(Transmit::Binary(frame));
        }
    }

    /// Sends again what is not acknowledged; `keep` it for another time.
    pub(crate) fn resend_all(&mut self, keep: bool) {
        self.out.extend(self.outbox.again(keep).map(Transmit::Binary));
    }

    /// The bytes of what may have to be sent again, and of what arrived too early.
    pub(crate) fn kept(&self) -> usize {
        let sent = self.outbox.sent.iter().filter_map(|sent| sent.frame.as_ref());
        sent.map(Bytes::len).sum::<usize>() + self.inbox.bytes
    }

    /// The last message of a session.
    pub(crate) fn say_closed(&mut self, now: Duration, output: &str) {
        let text = ChannelClosed {
            message_type: "channel_closed".to_owned(),
            message_id: self.ids.make().to_string(),
            created_date: self.created(now).to_string(),
            destination_id: String::new(),
            session_id: self.session_id.clone(),
            schema_version: 1,
            output: output.to_owned(),
        };
        let text = message::write(&text);
        self.tell(now, Kind::Closed, 0, &text);
    }

    /// Ends the session and the socket. Nothing is handed on or sent after it.
    pub(crate) fn finish(&mut self, end: End, code: u16, reason: &str) {
        if self.end.is_none() {
            let mut reason = reason.to_owned();
            self.pay();
            // The payload of a close frame has 125 bytes, two of them the code.
            reason.truncate(reason.floor_char_boundary(123));
            self.out.push_back(Transmit::Close { code, reason });
            self.end = Some(end);
        }
    }
}
