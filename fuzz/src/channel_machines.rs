//! Both machines of the data channel, fed by a script: nothing panics, what is held is bounded, and
//! what comes out is what was sent, in order.
//!
//! An input is a line for each step: a letter, and a number or hexadecimal digits.
#![no_main]

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use libfuzzer_sys::{Corpus, fuzz_target};
use sagegate_channel::{
    Body, Client, Gateway, Gone, Head, Ids, Kind, Manner, MessageId, Offer, Payload, Phase,
    Transmit, limits,
};
use sagegate_fuzz::unhex;

struct Way {
    gateway: Gateway,
    client: Client,
    now: Duration,
    up: VecDeque<Transmit>,
    down: VecDeque<Transmit>,
    sent: [Vec<u8>; 2],
    got: [Vec<u8>; 2],
    /// Frames that the client did not send have arrived: what comes out is anybody's guess.
    forged: bool,
}

impl Way {
    fn new(own: bool) -> Self {
        let now = Duration::ZERO;
        let manner =
            if own { Manner::OWN } else { Manner { line_feed_defect: false, ..Manner::PLUGIN } };
        let (mut client, open) = Client::new(manner, "s", "t", Ids::new([2; 8]), 1, now);
        let resumes = Gateway::read_open(open.as_bytes()).expect("an open").sagegate_resume;
        let mut gateway = Gateway::new("s", Ids::new([1; 8]), 1, now);
        gateway.opened(
            now,
            resumes.map(|resume| Offer {
                ticket: "x".to_owned(),
                seconds: 60,
                window: limits::RESUME_WINDOW,
                light: resume.light,
            }),
        );
        client.ready();
        let (up, down) = (VecDeque::new(), VecDeque::new());
        let (sent, got, forged) = Default::default();
        Self { gateway, client, now, up, down, sent, got, forged }
    }

    fn gather(&mut self) {
        self.up.extend(std::iter::from_fn(|| self.client.transmit()));
        self.down.extend(std::iter::from_fn(|| self.gateway.transmit()));
        while let Some(data) = self.gateway.data() {
            self.got[0].extend_from_slice(&data);
        }
        while let Some(data) = self.client.data() {
            self.got[1].extend_from_slice(&data);
        }
    }

    fn up_one(&mut self, message: &Transmit) {
        match message {
            Transmit::Binary(bytes) => self.gateway.binary(self.now, bytes),
            Transmit::Text(_) => self.gateway.text(),
            Transmit::Ping => self.gateway.alive(self.now),
            Transmit::Close { .. } => drop(self.gateway.detached(self.now, Gone::Closed)),
        }
        self.gather();
    }

    fn down_one(&mut self, message: &Transmit) {
        match message {
            Transmit::Binary(bytes) => self.client.binary(self.now, bytes),
            Transmit::Text(text) => self.client.text(self.now, text.as_bytes()),
            Transmit::Ping => self.client.alive(self.now),
            Transmit::Close { .. } => drop(self.client.detached(Gone::Closed)),
        }
        self.gather();
    }

    fn step(&mut self, letter: u8, rest: &[u8]) -> Option<()> {
        let number =
            || std::str::from_utf8(rest).ok().and_then(|text| text.trim().parse::<u16>().ok());
        match letter {
            b'u' => {
                let data = unhex(rest)?;
                let taken = &data[..data.len().min(self.client.room())];
                self.sent[0].extend_from_slice(taken);
                self.client.send(self.now, Body::from(taken));
            }
            b'd' => {
                let data = unhex(rest)?;
                let taken = &data[..data.len().min(self.gateway.room(self.now))];
                self.sent[1].extend_from_slice(taken);
                self.gateway.send(self.now, Body::from(taken));
            }
            b'm' => {
                for _ in 0..number()?.min(64) {
                    if let Some(message) = self.up.pop_front() {
                        self.up_one(&message);
                    }
                    if let Some(message) = self.down.pop_front() {
                        self.down_one(&message);
                    }
                }
            }
            b'o' => {
                let message = self.up.pop_back()?;
                self.up_one(&message);
            }
            b'2' => {
                let message = self.up.front()?.clone();
                self.up_one(&message);
            }
            b't' => {
                self.now += Duration::from_millis(number()?.into());
                self.gateway.tick(self.now);
                self.client.tick(self.now);
            }
            b'b' => {
                self.up.clear();
                self.down.clear();
                let (one, two) = (
                    self.client.detached(Gone::Broken),
                    self.gateway.detached(self.now, Gone::Broken),
                );
                if one && two {
                    let open = self.client.resume(self.now).expect("a ticket");
                    let resume =
                        Gateway::read_open(open.as_bytes()).expect("an open").sagegate_resume;
                    let received = resume.expect("a ticket").received;
                    let resumed = self.gateway.resumed(self.now, received);
                    // Forged frames may have told the gateway that more had arrived.
                    assert!(resumed.is_ok() || self.forged, "what was said is true: {resumed:?}");
                }
            }
            b'e' => self.gateway.space_ended(self.now),
            b'r' => {
                self.forged = true;
                let _ = self.gateway.resumed(self.now, number()?.into());
            }
            // A frame of the fuzzer's own: kind, sequence number, payload type, payload.
            b'f' | b'a' => {
                self.forged = true;
                let bytes = unhex(rest)?;
                let (sequence, rest) = bytes.split_first_chunk::<8>()?;
                let (number, payload) = rest.split_first()?;
                let kind = if letter == b'f' { Kind::Input } else { Kind::Acknowledge };
                let numbers = [Payload::Data, Payload::Flag, Payload::HandshakeResponse];
                let payload_type = numbers.get(usize::from(*number)).copied();
                let payload_type = payload_type.unwrap_or(Payload::Other((*number).into()));
                let sequence = i64::from_be_bytes(*sequence);
                let (created, flags, id) = (1, 0, MessageId([9; 16]));
                let head = Head { kind, created, sequence, flags, id, payload_type };
                self.gateway.binary(self.now, &Body::from(payload).seal(&head));
            }
            b'x' => {
                self.forged = true;
                let bytes: Bytes = unhex(rest)?.into();
                self.gateway.binary(self.now, &bytes);
                self.client.binary(self.now, &bytes);
            }
            _ => return None,
        }
        self.gather();
        Some(())
    }
}

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some((first, script)) = input.split_first() else { return Corpus::Reject };
    let mut way = Way::new(*first == b'o');
    for line in script.split(|byte| *byte == b'\n') {
        let Some((letter, rest)) = line.split_first() else { continue };
        if way.step(*letter, rest).is_none() {
            continue;
        }
        assert!(way.gateway.held() <= limits::RESUME_WINDOW + limits::AHEAD_BYTES);
        if !way.forged {
            for (sent, got) in way.sent.iter().zip(&way.got) {
                assert!(sent.starts_with(got), "what comes out is what was sent");
            }
        }
    }
    // Nothing is lost once all has arrived, unless a side has given up.
    if !way.forged && way.gateway.phase() == Phase::Running && way.client.end().is_none() {
        way.gather();
        while !way.up.is_empty() || !way.down.is_empty() {
            way.step(b'm', b"64");
        }
        if way.gateway.phase() == Phase::Running && way.client.end().is_none() {
            assert_eq!(way.sent, way.got);
        }
    }
    Corpus::Keep
});
