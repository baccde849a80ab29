//! A gateway, a client, and the way between them.

use std::collections::VecDeque;
use std::time::Duration;

use crate::{Body, Client, Frame, Gateway, Gone, Ids, Manner, Offer, Transmit, limits};

/// A time of a test.
pub(crate) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The frames among messages.
pub(crate) fn frames(messages: Vec<Transmit>) -> Vec<Frame> {
    let frame = |message| match message {
        Transmit::Binary(bytes) => Some(Frame::read(&bytes).expect("a frame")),
        _ => None,
    };
    messages.into_iter().filter_map(frame).collect()
}

/// Both ends, with what is between them.
pub(crate) struct Way {
    pub(crate) gateway: Gateway,
    pub(crate) client: Client,
    pub(crate) now: Duration,
    up: VecDeque<Transmit>,
    down: VecDeque<Transmit>,
    /// What has come out at the space.
    pub(crate) at_space: Vec<u8>,
    /// What has come out at the client.
    pub(crate) at_client: Vec<u8>,
}

impl Way {
    pub(crate) fn new(manner: Manner) -> Self {
        let now = millis(10);
        let (client, open) = Client::new(manner, "s", "token", Ids::new([2; 8]), 5, now);
        let read = Gateway::read_open(open.as_bytes()).expect("an open");
        assert_eq!(read.token_value, "token");
        let mut gateway = Gateway::new("s", Ids::new([1; 8]), 5, now);
        let offer = read.sagegate_resume.map(|resume| Offer {
            ticket: "ticket".to_owned(),
            seconds: 60,
            window: limits::RESUME_WINDOW,
            light: resume.light,
        });
        gateway.opened(now, offer);
        let (up, down) = (VecDeque::new(), VecDeque::new());
        Self { gateway, client, now, up, down, at_space: Vec::new(), at_client: Vec::new() }
    }

    pub(crate) fn handshake(&mut self) {
        self.settle();
        assert!(self.client.is_running());
    }

    /// Until the client has sent its first data.
    pub(crate) fn start(&mut self) {
        self.handshake();
        self.client.ready();
        self.toward_space(b"SSH-2.0-test\r\n");
        self.settle();
        assert!(self.at_space.ends_with(b"SSH-2.0-test\r\n"));
    }

    /// Sends what there is room for, and gives it back.
    pub(crate) fn toward_space<'a>(&mut self, data: &'a [u8]) -> &'a [u8] {
        let taken = &data[..data.len().min(self.client.room())];
        self.client.send(self.now, Body::from(taken));
        self.gather();
        taken
    }

    pub(crate) fn toward_client<'a>(&mut self, data: &'a [u8]) -> &'a [u8] {
        let taken = &data[..data.len().min(self.gateway.room(self.now))];
        self.gateway.send(self.now, Body::from(taken));
        self.gather();
        taken
    }

    fn gather(&mut self) {
        self.up.extend(std::iter::from_fn(|| self.client.transmit()));
        self.down.extend(std::iter::from_fn(|| self.gateway.transmit()));
        while let Some(data) = self.gateway.data() {
            self.at_space.extend_from_slice(&data);
        }
        while let Some(data) = self.client.data() {
            self.at_client.extend_from_slice(&data);
        }
    }

    fn up_one(&mut self, message: &Transmit) {
        match message {
            Transmit::Binary(bytes) => self.gateway.binary(self.now, bytes),
            Transmit::Text(_) => self.gateway.text(),
            Transmit::Ping => self.gateway.alive(self.now),
            Transmit::Close { .. } => {
                self.gateway.detached(self.now, Gone::Closed);
            }
        }
        self.gather();
    }

    fn down_one(&mut self, message: &Transmit) {
        match message {
            Transmit::Binary(bytes) => self.client.binary(self.now, bytes),
            Transmit::Text(text) => self.client.text(self.now, text.as_bytes()),
            Transmit::Ping => self.client.alive(self.now),
            Transmit::Close { .. } => {
                self.client.detached(Gone::Closed);
            }
        }
        self.gather();
    }

    pub(crate) fn deliver(&mut self, up: usize, down: usize) {
        self.gather();
        for _ in 0..up {
            let Some(message) = self.up.pop_front() else { break };
            self.up_one(&message);
        }
        for _ in 0..down {
            let Some(message) = self.down.pop_front() else { break };
            self.down_one(&message);
        }
    }

    pub(crate) fn overtake(&mut self) {
        self.gather();
        if let Some(message) = self.up.pop_back() {
            self.up_one(&message);
        }
    }

    pub(crate) fn double(&mut self) {
        self.gather();
        if let Some(message) = self.up.front().cloned() {
            self.up_one(&message);
        }
    }

    pub(crate) fn wait(&mut self, time: Duration) {
        self.now += time;
        self.gateway.tick(self.now);
        self.client.tick(self.now);
        self.gather();
    }

    /// All that is on the way is lost.
    pub(crate) fn break_and_resume(&mut self) {
        self.gather();
        self.up.clear();
        self.down.clear();
        assert!(self.client.detached(Gone::Broken));
        assert!(self.gateway.detached(self.now, Gone::Broken));
        self.now += millis(20);
        let open = self.client.resume(self.now).expect("a ticket");
        let resume = Gateway::read_open(open.as_bytes()).expect("an open").sagegate_resume;
        let resume = resume.expect("a ticket");
        assert_eq!(resume.ticket, "ticket");
        self.gateway.resumed(self.now, resume.received).expect("resumed");
        self.gather();
    }

    /// Until nothing is on the way.
    pub(crate) fn settle(&mut self) {
        self.gather();
        while !self.up.is_empty() || !self.down.is_empty() {
            self.deliver(100, 100);
        }
    }
}
