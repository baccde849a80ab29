//! The gateway's side of a session: server of the data channel, client of the space.

use std::time::Duration;

use bytes::Bytes;

use crate::frame::{Body, Frame, Ids, Kind, Payload, flag};
use crate::limits;
use crate::message::{
    self, HandshakeComplete, HandshakeRequest, HandshakeResponse, Offer, Open, Resumed,
};
use crate::side::{End, Gone, Place, Side, Transmit, Violation};

/// How far a session has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The message with the token has not come, or not been judged.
    Opening,
    /// The token is accepted; the client has not answered the handshake.
    Handshake,
    /// Data goes both ways.
    Running,
    /// The space has ended its side; what it had sent is on its way.
    Flushing,
    /// Nothing goes any more.
    Ended,
}

/// The state of one session, from the opening of its socket.
///
/// Times are since any moment that stays the same for the session. After each call, what
/// [`Gateway::transmit`] and [`Gateway::data`] give is to be taken before the next message is read.
#[derive(Debug)]
pub struct Gateway {
    side: Side,
    phase: Phase,
    /// When the phase began, or (flushing) something was acknowledged last.
    since: Duration,
    /// The client can resume, and this is what it has been given for that.
    offer: Option<Offer>,
    /// Since when there has been no socket.
    detached: Option<Duration>,
    /// The client has sent data, so it is ready for ours.
    heard: bool,
    /// When something has arrived last, and the pings since.
    alive: Duration,
    pings: u32,
    /// When frames that are not acknowledged were looked at last.
    looked: Duration,
}

impl Gateway {
    /// A session whose socket was opened at `now`. `epoch` is the wall clock at the time zero of
    /// `now`, in milliseconds since 1970.
    #[must_use]
    pub fn new(session_id: &str, ids: Ids, epoch: u64, now: Duration) -> Self {
        Self {
            side: Side::new(Kind::Output, session_id, ids, epoch),
            phase: Phase::Opening,
            since: now,
            offer: None,
            detached: None,
            heard: false,
            alive: now,
            pings: 0,
            looked: now,
        }
    }

    /// How far it has come.
    #[must_use]
    pub fn phase(&self) -> Phase {
        if self.side.end.is_some() { Phase::Ended } else { self.phase }
    }

    /// Why it is over; `None` while it is not.
    #[must_use]
    pub fn end(&self) -> Option<&End> {
        self.side.end.as_ref()
    }

    /// Bytes of data from the client, and to it.
    #[must_use]
    pub fn traffic(&self) -> (u64, u64) {
        (self.side.received, self.side.sent)
    }

    /// Whether the client can resume after its socket broke.
    #[must_use]
    pub fn is_resumable(&self) -> bool {
        self.offer.is_some()
    }

    /// What is to be written to the socket next.
    pub fn transmit(&mut self) -> Option<Transmit> {
        self.side.transmit()
    }

    /// As [`Gateway::transmit`], but leaves an acknowledgement that can speak for what arrives next.
    pub fn transmit_urgent(&mut self) -> Option<Transmit> {
        self.side.out.pop_front()
    }

    /// What is to be written to the space next.
    pub fn data(&mut self) -> Option<Bytes> {
        self.side.data.pop_front()
    }

    /// Reads the first message of a socket.
    ///
    /// # Errors
    /// If it is too long or cannot be read.
    pub fn read_open(text: &[u8]) -> Result<Open, Violation> {
        if text.len() > limits::OPEN {
            return Err(Violation::TooLong(text.len()));
        }
        serde_json::from_slice(text).map_err(|_| Violation::Message("the message with the token"))
    }

    /// The token was accepted. `offer` goes to a client that has said that it can resume.
    pub fn opened(&mut self, now: Duration, offer: Option<Offer>) {
        if self.phase() != Phase::Opening {
            return;
        }
        self.enter(now, Phase::Handshake);
        self.alive(now);
        self.side.light = offer.as_ref().is_some_and(|offer| offer.light);
        self.offer = offer;
        let request = HandshakeRequest::stream(self.offer.clone());
        self.side.say(now, Payload::HandshakeRequest, &request);
    }

    /// The token was not accepted: the socket is closed with the reason (RFC 6455: 1008).
    pub fn refused(&mut self, reason: &str) {
        self.side.finish(End::Refused(reason.to_owned()), 1008, reason);
    }

    /// A text message after the first has arrived: there are none.
    pub fn text(&mut self) {
        self.violated(Violation::Unexpected("a text message"));
    }

    /// A binary message has arrived.
    pub fn binary(&mut self, now: Duration, bytes: &Bytes) {
        if self.side.end.is_some() {
            return;
        }
        self.alive(now);
        if let Err(violation) = self.read(now, bytes) {
            self.violated(violation);
        }
    }

    fn read(&mut self, now: Duration, bytes: &Bytes) -> Result<(), Violation> {
        if self.phase == Phase::Opening {
            return Err(Violation::Unexpected("a frame before the token"));
        }
        if bytes.len() > limits::FRAME {
            return Err(Violation::TooLong(bytes.len()));
        }
        let frame = Frame::read_as(bytes, self.side.digests())?;
        match frame.kind {
            Kind::Acknowledge => {
                if self.side.acknowledged(now, &frame)? && self.phase == Phase::Flushing {
                    self.since = now;
                    self.flush(now);
                }
                Ok(())
            }
            Kind::Input => {
                let place = self.side.place(&frame)?;
                // Also of what has arrived before: the client has not seen that it did.
                self.side.acknowledge(now, &frame);
                if !matches!(place, Place::Next) {
                    return Ok(());
                }
                self.side.inbox.advance();
                let mut next = Some((frame.payload_type, frame.payload));
                while let Some((payload_type, payload)) = next {
                    self.input(now, payload_type, payload)?;
                    next = self.side.inbox.next();
                }
                Ok(())
            }
            // What later versions may say.
            _ => Ok(()),
        }
    }

    /// Takes a frame in its order.
    fn input(
        &mut self,
        now: Duration,
        payload_type: Payload,
        payload: Bytes,
    ) -> Result<(), Violation> {
        match (self.phase, payload_type) {
            (Phase::Handshake, Payload::HandshakeResponse) => {
                let response: HandshakeResponse = serde_json::from_slice(&payload)
                    .map_err(|_| Violation::Message("the answer to the handshake"))?;
                if !response.is_done() {
                    return Err(Violation::SessionType);
                }
                let took = now.saturating_sub(self.since);
                self.enter(now, Phase::Running);
                let complete = HandshakeComplete {
                    handshake_time_to_complete: u64::try_from(took.as_nanos()).unwrap_or(u64::MAX),
                    customer_message: String::new(),
                };
                self.side.say(now, Payload::HandshakeComplete, &complete);
                Ok(())
            }
            (Phase::Handshake, _) => Err(Violation::Unexpected("data before the handshake")),
            (_, Payload::Data) => {
                if !self.heard {
                    self.heard = true;
                    // What it may have dropped before it was ready.
                    self.side.resend_all(self.offer.is_some());
                }
                self.side.deliver(payload);
                Ok(())
            }
            (_, Payload::Flag) => {
                let flag = payload.first_chunk().map(|flag| u32::from_be_bytes(*flag));
                if flag == Some(flag::TERMINATE_SESSION) {
                    self.side.finish(End::Left, 1000, "");
                }
                Ok(())
            }
            // Sizes of a terminal that there is not, and what else is of no use here.
            _ => Ok(()),
        }
    }

    /// How many bytes of the space can be sent now, in one frame. What is not read from the space
    /// holds it back.
    #[must_use]
    pub fn room(&self, now: Duration) -> usize {
        if self.phase() != Phase::Running || self.detached.is_some() || self.is_held(now) {
            return 0;
        }
        let window = match (&self.offer, self.heard) {
            (_, false) => limits::EARLY_WINDOW,
            (None, true) => limits::WINDOW,
            (Some(offer), true) => offer.window,
        };
        let most = if self.side.light { limits::LIGHT } else { limits::OUTPUT };
        window.saturating_sub(self.side.outbox.bytes()).min(most)
    }

    fn is_held(&self, now: Duration) -> bool {
        !self.heard && now < self.since + limits::HOLD_TIME
    }

    /// Sends what was read from the space, at most [`Gateway::room`].
    pub fn send(&mut self, now: Duration, body: Body) {
        if self.phase() == Phase::Running && !body.is_empty() {
            let keep = !self.heard || self.offer.is_some();
            self.side.send(now, Payload::Data, body, keep, self.heard);
        }
    }

    /// The space has ended its side: what it had sent goes out, then the client is told.
    pub fn space_ended(&mut self, now: Duration) {
        match self.phase() {
            Phase::Ended | Phase::Flushing => {}
            Phase::Opening | Phase::Handshake => self.over(now, End::Finished, ""),
            Phase::Running => {
                self.enter(now, Phase::Flushing);
                self.flush(now);
            }
        }
    }

    fn flush(&mut self, now: Duration) {
        if self.side.outbox.frames() == 0 {
            self.over(now, End::Finished, "");
        }
    }

    /// Ends the session from our side; `output` is what the client tells its user.
    pub fn close(&mut self, now: Duration, output: &str) {
        self.over(now, End::Closed(output.to_owned()), output);
    }

    fn over(&mut self, now: Duration, end: End, output: &str) {
        if self.side.end.is_some() {
            return;
        }
        if self.phase == Phase::Opening {
            self.side.finish(end, 1001, output);
            return;
        }
        self.side.say_closed(now, output);
        self.side.finish(end, 1000, output);
    }

    fn violated(&mut self, violation: Violation) {
        let code = if matches!(violation, Violation::TooLong(_)) { 1009 } else { 1002 };
        let reason = violation.to_string();
        self.side.finish(End::Violated(violation), code, &reason);
    }

    /// Something has arrived that is no data: a ping, or the answer to one.
    pub fn alive(&mut self, now: Duration) {
        self.alive = now;
        self.pings = 0;
    }

    /// The socket is gone. True when the session waits for its client to come back.
    pub fn detached(&mut self, now: Duration, gone: Gone) -> bool {
        let waits = self.offer.is_some()
            && matches!(gone, Gone::Eof | Gone::Broken)
            && matches!(self.phase(), Phase::Handshake | Phase::Running | Phase::Flushing);
        if waits {
            self.detached.get_or_insert(now);
        } else {
            let end = match gone {
                Gone::Closed | Gone::Eof => End::Left,
                Gone::Broken => End::Lost,
                Gone::Garbage => End::Violated(Violation::Socket),
            };
            self.side.finish(end, 1000, "");
        }
        self.side.unsent();
        waits
    }

    /// The client has come back on another socket, with its ticket, and has got `received` frames in
    /// order. The rest is sent again.
    ///
    /// # Errors
    /// With the reason for the client, if that cannot be.
    pub fn resumed(&mut self, now: Duration, received: i64) -> Result<(), &'static str> {
        if self.offer.is_none() || self.side.end.is_some() {
            return Err("the session has ended");
        }
        if !self.side.outbox.has_reached(received) {
            return Err("the session has not sent what the client says that it has received");
        }
        self.detached = None;
        self.side.unsent();
        self.alive(now);
        let known = Resumed { sagegate_received: self.side.inbox.expected() };
        let text = String::from_utf8(message::write(&known)).unwrap_or_default();
        self.side.out.push_back(Transmit::Text(text));
        self.side.outbox.arrived(received);
        self.side.resend_all(true);
        if self.phase == Phase::Flushing {
            self.since = now;
            self.flush(now);
        }
        Ok(())
    }

    /// When [`Gateway::tick`] wants to be called next.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        if self.side.end.is_some() {
            return None;
        }
        if let Some(detached) = self.detached {
            return Some(detached + limits::RESUME_TIME);
        }
        let phase = match self.phase {
            Phase::Opening => Some(self.since + limits::OPEN_TIME),
            Phase::Handshake => Some(self.since + limits::HANDSHAKE_TIME),
            Phase::Running if !self.heard => Some(self.since + limits::HOLD_TIME),
            Phase::Flushing => Some(self.since + limits::FLUSH_TIME),
            Phase::Running | Phase::Ended => None,
        };
        // The hold's end is of interest until it is over.
        let phase = phase.filter(|at| self.phase != Phase::Running || *at > self.looked);
        let resend =
            (!self.heard && self.side.outbox.frames() > 0).then_some(self.looked + limits::TICK);
        let ping = Some(self.alive + limits::PING_TIME * (self.pings + 1));
        [phase, resend, ping].into_iter().flatten().min()
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Duration) {
        if self.side.end.is_some() {
            return;
        }
        if let Some(detached) = self.detached {
            if now >= detached + limits::RESUME_TIME {
                self.side.finish(End::Lost, 1000, "");
                self.side.unsent();
            }
            return;
        }
        let late = |time| now >= self.since + time;
        match self.phase {
            Phase::Opening if late(limits::OPEN_TIME) => {
                let reason = "the message with the token did not come in time";
                self.side.finish(End::TooSlow("the token"), 1008, reason);
                return;
            }
            Phase::Handshake if late(limits::HANDSHAKE_TIME) => {
                let output = "The client did not answer the handshake in time.";
                self.over(now, End::TooSlow("the answer to the handshake"), output);
                return;
            }
            Phase::Flushing if late(limits::FLUSH_TIME) => {
                self.over(now, End::Finished, "");
                return;
            }
            _ => {}
        }
        if !self.heard && now >= self.looked + limits::TICK {
            self.side.resend(now);
        }
        self.looked = now;
        if now >= self.alive + limits::PING_TIME * (self.pings + 1) {
            self.pings += 1;
            if self.pings > limits::PINGS {
                self.side.finish(End::Silent, 1001, "no answer to pings");
            } else {
                self.side.out.push_back(Transmit::Ping);
            }
        }
    }

    fn enter(&mut self, now: Duration, phase: Phase) {
        self.phase = phase;
        self.since = now;
    }

    /// What is held in memory, in bytes: for tests, and for the figures of a gateway.
    #[must_use]
    pub fn held(&self) -> usize {
        let out: usize = self.side.out.iter().map(transmit_bytes).sum();
        let data: usize = self.side.data.iter().map(Bytes::len).sum();
        out + data + self.side.kept()
    }
}

fn transmit_bytes(transmit: &Transmit) -> usize {
    match transmit {
        Transmit::Binary(bytes) => bytes.len(),
        Transmit::Text(text) => text.len(),
        Transmit::Ping | Transmit::Close { .. } => 0,
    }
}
