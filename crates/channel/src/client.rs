//! The client's side of a session: as the Session Manager plugin does it, and as `connect` does.

use std::time::Duration;

use bytes::Bytes;

use crate::frame::{Body, Frame, Ids, Kind, Payload};
use crate::limits;
use crate::message::{
    self, CLIENT_VERSION, ChannelClosed, HandshakeRequest, HandshakeResponse, Offer, Open, Resume,
    Resumed,
};
use crate::side::{End, Gone, Place, Side, Transmit, Violation};

/// How a client does what the protocol leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manner {
    /// The most bytes of a frame's payload.
    pub frame: usize,
    /// The most bytes that are sent and not acknowledged; the plugin has no such bound.
    pub window: usize,
    /// Sends again what is not acknowledged after a while.
    pub resends: bool,
    /// Acknowledges again what has arrived before.
    pub acknowledges_again: bool,
    /// A payload of a single line feed is sent as a carriage return: a defect of the plugin.
    pub line_feed_defect: bool,
    /// Can resume.
    pub resumes: bool,
    /// Of a client that can resume: can do with light frames, see [`Offer::light`].
    pub light: bool,
}

impl Manner {
    /// The plugin's.
    pub const PLUGIN: Self = Self {
        frame: 1024,
        window: usize::MAX,
        resends: true,
        acknowledges_again: false,
        line_feed_defect: true,
        resumes: false,
        light: false,
    };
    /// That of `connect`.
    pub const OWN: Self = Self {
        frame: 64 * 1024,
        window: limits::RESUME_WINDOW,
        resends: false,
        acknowledges_again: true,
        line_feed_defect: false,
        resumes: true,
        light: true,
    };
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Handshake,
    Confirming,
    Running,
}

/// The state of a client. See [`Gateway`](crate::Gateway) for what the times are.
#[derive(Debug)]
pub struct Client {
    side: Side,
    manner: Manner,
    phase: Phase,
    /// Data is taken. Until then the plugin drops it without a word.
    ready: bool,
    offer: Option<Offer>,
    /// The socket is there, and (of a session that is resumed) the server has said so.
    attached: bool,
    looked: Duration,
    alive: Duration,
    pings: u32,
}

impl Client {
    /// A client, and the text that it opens the session with. `epoch`: see
    /// [`Gateway::new`](crate::Gateway::new).
    #[must_use]
    pub fn new(
        manner: Manner,
        session_id: &str,
        token: &str,
        mut ids: Ids,
        epoch: u64,
        now: Duration,
    ) -> (Self, String) {
        let open = Open {
            message_schema_version: "1.0".to_owned(),
            request_id: ids.make().to_string(),
            token_value: token.to_owned(),
            client_id: ids.make().to_string(),
            client_version: CLIENT_VERSION.to_owned(),
            sagegate_resume: manner
                .resumes
                .then(|| Resume { light: manner.light, ..Resume::default() }),
        };
        let text = String::from_utf8(message::write(&open)).unwrap_or_default();
        let client = Self {
            side: Side::new(Kind::Input, session_id, ids, epoch),
            manner,
            phase: Phase::Handshake,
            ready: false,
            offer: None,
            attached: true,
            looked: now,
            alive: now,
            pings: 0,
        };
        (client, text)
    }

    /// Why the session is over; `None` while it is not.
    #[must_use]
    pub fn end(&self) -> Option<&End> {
        self.side.end.as_ref()
    }

    /// Whether the handshake is over, so that [`Client::ready`] can be called.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.phase == Phase::Running
    }

    /// Whether a broken connection can be mended.
    #[must_use]
    pub fn is_resumable(&self) -> bool {
        self.offer.is_some() && self.side.end.is_none()
    }

    /// The smoothed time from a frame to its acknowledgement.
    #[must_use]
    pub fn round_trip(&self) -> Duration {
        self.side.outbox.round_trip()
    }

    /// Bytes of data to the server, and from it.
    #[must_use]
    pub fn traffic(&self) -> (u64, u64) {
        (self.side.sent, self.side.received)
    }

    /// Whether everything that was sent has arrived.
    #[must_use]
    pub fn is_flushed(&self) -> bool {
        self.side.outbox.frames() == 0
    }

    /// What is to be written to the socket next.
    pub fn transmit(&mut self) -> Option<Transmit> {
        self.side.transmit()
    }

    /// As [`Client::transmit`], but leaves an acknowledgement that can speak for what arrives next.
    pub fn transmit_urgent(&mut self) -> Option<Transmit> {
        self.side.out.pop_front()
    }

    /// What is to be written to standard output next.
    pub fn data(&mut self) -> Option<Bytes> {
        self.side.data.pop_front()
    }

    /// Data is taken from now on.
    pub fn ready(&mut self) {
        self.ready = true;
    }

    /// A binary message has arrived.
    pub fn binary(&mut self, now: Duration, bytes: &Bytes) {
        if self.side.end.is_some() {
            return;
        }
        self.alive(now);
        if let Err(violation) = self.read(now, bytes) {
            let reason = violation.to_string();
            self.side.finish(End::Violated(violation), 1002, &reason);
        }
    }

    fn read(&mut self, now: Duration, bytes: &Bytes) -> Result<(), Violation> {
        if bytes.len() > limits::FRAME {
            return Err(Violation::TooLong(bytes.len()));
        }
        let frame = Frame::read_as(bytes, self.side.digests())?;
        match frame.kind {
            Kind::Acknowledge => self.side.acknowledged(now, &frame).map(drop),
            Kind::Closed => {
                let closed: ChannelClosed = serde_json::from_slice(&frame.payload)
                    .map_err(|_| Violation::Message("the message of the session's end"))?;
                self.side.finish(End::Closed(closed.output), 1000, "");
                Ok(())
            }
            Kind::Output => {
                if frame.payload_type == Payload::Data && !self.ready {
                    // No acknowledgement: it will be sent again.
                    return Ok(());
                }
                let place = self.side.place(&frame)?;
                if !matches!(place, Place::Before) || self.manner.acknowledges_again {
                    self.side.acknowledge(now, &frame);
                }
                if !matches!(place, Place::Next) {
                    return Ok(());
                }
                self.side.inbox.advance();
                let mut next = Some((frame.payload_type, frame.payload));
                while let Some((payload_type, payload)) = next {
                    self.output(now, payload_type, payload)?;
                    next = self.side.inbox.next();
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn output(
        &mut self,
        now: Duration,
        payload_type: Payload,
        payload: Bytes,
    ) -> Result<(), Violation> {
        match (self.phase, payload_type) {
            (Phase::Handshake, Payload::HandshakeRequest) => {
                let request: HandshakeRequest = serde_json::from_slice(&payload)
                    .map_err(|_| Violation::Message("the handshake"))?;
                self.offer = request.sagegate_resume.filter(|_| self.manner.resumes);
                let light = |offer: &Offer| offer.light && self.manner.light;
                self.side.light = self.offer.as_ref().is_some_and(light);
                self.side.say(now, Payload::HandshakeResponse, &HandshakeResponse::done());
                self.phase = Phase::Confirming;
            }
            (Phase::Confirming, Payload::HandshakeComplete) => self.phase = Phase::Running,
            (Phase::Running, Payload::Data) => self.side.deliver(payload),
            (Phase::Running, _) => {}
            _ => return Err(Violation::Unexpected("data before the handshake")),
        }
        Ok(())
    }

    /// A text message has arrived: the server's answer to a ticket.
    pub fn text(&mut self, now: Duration, text: &[u8]) {
        self.alive(now);
        let read = serde_json::from_slice::<Resumed>(text);
        match read {
            Ok(resumed)
                if !self.attached && self.side.outbox.has_reached(resumed.sagegate_received) =>
            {
                self.attached = true;
                self.side.outbox.arrived(resumed.sagegate_received);
                self.side.resend_all(true);
            }
            _ => {
                let violation = Violation::Unexpected("a text message");
                self.side.finish(End::Violated(violation), 1002, "a text message");
            }
        }
    }

    /// How many bytes can be sent now, in one frame.
    #[must_use]
    pub fn room(&self) -> usize {
        if self.phase != Phase::Running || !self.attached || self.side.end.is_some() {
            return 0;
        }
        let window = self
            .offer
            .as_ref()
            .map_or(self.manner.window, |offer| self.manner.window.min(offer.window));
        let most = if self.side.light { limits::LIGHT } else { self.manner.frame };
        window.saturating_sub(self.side.outbox.bytes()).min(most)
    }

    /// Sends data, at most [`Client::room`] bytes of it.
    pub fn send(&mut self, now: Duration, mut body: Body) {
        if self.phase != Phase::Running || self.side.end.is_some() || body.is_empty() {
            return;
        }
        if self.manner.line_feed_defect && body.len() == 1 && body.buffer().ends_with(b"\n") {
            body = Body::from(&b"\r"[..]);
        }
        if self.manner.resends && self.side.outbox.frames() >= limits::PLUGIN_FRAMES {
            self.side.outbox.forget_oldest();
        }
        let keep = self.manner.resends || self.offer.is_some();
        self.side.send(now, Payload::Data, body, keep, !self.manner.resends);
    }

    /// The socket is gone. True when another may be opened, with [`Client::resume`].
    pub fn detached(&mut self, gone: Gone) -> bool {
        self.side.unsent();
        if self.side.end.is_some() {
            return false;
        }
        if !self.is_resumable() {
            let end = if gone == Gone::Broken { End::Lost } else { End::Left };
            self.side.finish(end, 1000, "");
            return false;
        }
        self.attached = false;
        true
    }

    /// The text that another socket is opened with after the first broke; `None` if that cannot be.
    pub fn resume(&mut self, now: Duration) -> Option<String> {
        let offer = self.offer.as_ref().filter(|_| self.side.end.is_none())?;
        let open = Open {
            message_schema_version: "1.0".to_owned(),
            request_id: String::new(),
            token_value: String::new(),
            client_id: String::new(),
            client_version: CLIENT_VERSION.to_owned(),
            sagegate_resume: Some(Resume {
                ticket: offer.ticket.clone(),
                received: self.side.inbox.expected(),
                light: false,
            }),
        };
        self.attached = false;
        self.alive(now);
        String::from_utf8(message::write(&open)).ok()
    }

    /// Something has arrived that is no data.
    pub fn alive(&mut self, now: Duration) {
        self.alive = now;
        self.pings = 0;
    }

    /// When [`Client::tick`] wants to be called next.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        if self.side.end.is_some() {
            return None;
        }
        let resend = (self.manner.resends && self.side.outbox.frames() > 0)
            .then_some(self.looked + limits::TICK);
        let ping =
            self.manner.resumes.then_some(self.alive + limits::CLIENT_PING_TIME * (self.pings + 1));
        [resend, ping].into_iter().flatten().min()
    }

    /// Time has passed. False when the server has been silent for so long that the socket should be
    /// given up.
    pub fn tick(&mut self, now: Duration) -> bool {
        if self.side.end.is_some() {
            return true;
        }
        if self.manner.resends && now >= self.looked + limits::TICK {
            self.side.resend(now);
        }
        self.looked = now;
        if self.manner.resumes && now >= self.alive + limits::CLIENT_PING_TIME * (self.pings + 1) {
            self.pings += 1;
            self.side.out.push_back(Transmit::Ping);
        }
        self.pings <= limits::PINGS
    }

    /// The user's side is over: the socket is closed.
    pub fn leave(&mut self) {
        self.side.finish(End::Left, 1000, "");
    }
}
