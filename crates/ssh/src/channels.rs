//! Channels and global requests (RFC 4254).

use std::collections::HashMap;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::split;
use tokio::task::AbortHandle;

use crate::Limits;
use crate::codec::{Put as _, Reader};
use crate::connection::Connection;
use crate::flow::{Flow, Overrun};
use crate::forward::{self, Accepted, Listening, Origin, Stream};
use crate::message::{self, Unopened};
use crate::pump::{Event, Line};
use crate::session::Session;
use crate::transport::Violation;

/// Bytes of one packet that we take.
const PACKET: u32 = 64 * 1024;
/// Channels that get the large window.
const LARGE: usize = 8;

/// The channels and listeners of a connection.
#[derive(Debug)]
pub(crate) struct Channels {
    pub(crate) limits: Limits,
    all: HashMap<u32, Channel>,
    next: u32,
    listeners: HashMap<Origin, Listening>,
    /// The client promised to open no more sessions (OpenSSH's PROTOCOL, section 2.2).
    no_more_sessions: bool,
}

/// A channel.
#[derive(Debug)]
pub(crate) struct Channel {
    /// The client's number of it.
    pub(crate) peer: u32,
    /// Bytes of one packet that the client takes.
    packet: usize,
    pub(crate) flow: Arc<Flow>,
    pub(crate) kind: Kind,
    /// Ends the channel's task.
    pub(crate) task: Option<AbortHandle>,
    eof_sent: bool,
    close_sent: bool,
    close_received: bool,
}

/// What is behind a channel.
#[derive(Debug)]
pub(crate) enum Kind {
    Session(Box<Session>),
    /// A connection, there or on its way.
    Link,
    /// Offered to the client, which has not answered yet.
    Offered(Stream),
}

impl Channels {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            all: HashMap::new(),
            next: 0,
            listeners: HashMap::new(),
            no_more_sessions: false,
        }
    }

    /// Ends all of them.
    pub(crate) fn clear(&mut self) {
        self.listeners.clear();
        self.all.clear();
    }

    pub(crate) fn get(&mut self, id: u32) -> Option<&mut Channel> {
        self.all.get_mut(&id)
    }

    /// All that are open, by number.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn all(&self) -> &HashMap<u32, Channel> {
        &self.all
    }

    /// Has a listener whose connections an input makes.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn pretend(&mut self, origin: Origin, listening: Listening) {
        self.listeners.insert(origin, listening);
    }

    fn known(&mut self, id: u32) -> Result<&mut Channel, Violation> {
        self.all.get_mut(&id).ok_or_else(|| Violation::new(format!("there is no channel {id}")))
    }

    /// The window of the next channel.
    fn window(&self) -> u32 {
        if self.all.len() < LARGE { self.limits.window } else { self.limits.window / 16 }
    }

    /// Takes a channel in and gives its number; `None` when there are enough.
    fn add(&mut self, peer: u32, theirs: u32, packet: u32, kind: Kind) -> Option<u32> {
        if self.all.len() >= self.limits.channels {
            return None;
        }
        while self.all.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        let channel = Channel {
            peer,
            packet: packet as usize,
            flow: Arc::new(Flow::new(self.window(), theirs)),
            kind,
            task: None,
            eof_sent: false,
            close_sent: false,
            close_received: false,
        };
        self.all.insert(id, channel);
        Some(id)
    }
}

impl From<Overrun> for Violation {
    fn from(_: Overrun) -> Self {
        Self::new("more bytes than the window allows, or data after the end of data")
    }
}

impl Connection {
    /// A message of the connection protocol.
    pub(crate) fn connected(&mut self, kind: u8, reader: &mut Reader<'_>) -> Result<(), Violation> {
        match kind {
            message::GLOBAL_REQUEST => return self.global(reader),
            message::CHANNEL_OPEN => return self.open(reader),
            // Answers to nothing that we ask for an answer to.
            message::REQUEST_SUCCESS
            | message::REQUEST_FAILURE
            | message::CHANNEL_SUCCESS
            | message::CHANNEL_FAILURE => return Ok(()),
            83..=89 => {
                let number = self.transport.opener.number.wrapping_sub(1);
                return self.transport.unimplemented(number);
            }
            _ => {}
        }
        let id = reader.u32()?;
        let channel = self.channels.known(id)?;
        let offered = matches!(channel.kind, Kind::Offered(_));
        let answer =
            matches!(kind, message::CHANNEL_OPEN_CONFIRMATION | message::CHANNEL_OPEN_FAILURE);
        if offered != answer || (channel.close_received && kind != message::CHANNEL_CLOSE) {
            return Err(Violation::new(format!("message {kind} does not fit channel {id}")));
        }
        match kind {
            message::CHANNEL_OPEN_CONFIRMATION => {
                channel.peer = reader.u32()?;
                let theirs = reader.u32()?;
                channel.packet = packet_size(reader.u32()?)? as usize;
                channel.flow.widen(theirs)?;
                if let Kind::Offered(stream) = std::mem::replace(&mut channel.kind, Kind::Link) {
                    self.link(id, stream);
                }
            }
            message::CHANNEL_OPEN_FAILURE => {
                self.channels.all.remove(&id);
            }
            message::CHANNEL_WINDOW_ADJUST => channel.flow.widen(reader.u32()?)?,
            message::CHANNEL_DATA => channel.flow.receive(reader.string()?)?,
            message::CHANNEL_EXTENDED_DATA => {
                // No kind of extended data goes this way; it uses up the window all the same.
                reader.u32()?;
                let length = reader.string()?.len();
                let flow = Arc::clone(&channel.flow);
                flow.skip(length)?;
                if flow.took(length) {
                    self.grant(id)?;
                }
            }
            message::CHANNEL_EOF => channel.flow.end(),
            message::CHANNEL_CLOSE => self.closed(id)?,
            message::CHANNEL_REQUEST => self.request(id, reader)?,
            _ => {}
        }
        Ok(())
    }

    /// Something that a task told.
    pub(crate) fn happened(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Data { channel: id, extended, data } => {
                let Some(channel) = self.channels.get(id) else { return Ok(()) };
                if channel.close_sent || channel.eof_sent {
                    return Ok(());
                }
                let peer = channel.peer;
                for piece in data.chunks(channel.packet) {
                    self.transport.send(|out| {
                        if extended {
                            out.put_byte(message::CHANNEL_EXTENDED_DATA);
                            out.put_u32(peer);
                            out.put_u32(1);
                        } else {
                            out.put_byte(message::CHANNEL_DATA);
                            out.put_u32(peer);
                        }
                        out.put_string(piece);
                    })?;
                }
                Ok(())
            }
            Event::Taken(id) => self.grant(id),
            Event::Eof(id) => self.eof(id),
            Event::Deaf(id) => self.deaf(id),
            Event::Exit(id, status) => self.exited(id, status),
            Event::Close(id) => {
                self.close(id)?;
                if self.channels.get(id).is_some_and(|channel| channel.close_received) {
                    self.channels.all.remove(&id);
                }
                Ok(())
            }
            Event::Opened(id) => self.confirm(id),
            Event::Unopened(id, reason, text) => {
                let Some(channel) = self.channels.all.remove(&id) else { return Ok(()) };
                // A client that has closed it without waiting for the answer has got one.
                if channel.close_sent {
                    return Ok(());
                }
                self.refuse(channel.peer, reason, &text)
            }
            Event::Accepted(accepted) => self.offer_channel(accepted),
        }
    }

    /// A message to the client about one of its channels.
    fn about(
        &mut self,
        id: u32,
        kind: u8,
        fill: impl FnOnce(&mut BytesMut),
    ) -> Result<(), Violation> {
        let Some(channel) = self.channels.get(id) else { return Ok(()) };
        if channel.close_sent {
            return Ok(());
        }
        let peer = channel.peer;
        self.transport.send(|out| {
            out.put_byte(kind);
            out.put_u32(peer);
            fill(out);
        })
    }

    fn grant(&mut self, id: u32) -> Result<(), Violation> {
        let by = self.channels.get(id).map_or(0, |channel| channel.flow.grant());
        if by == 0 {
            return Ok(());
        }
        self.about(id, message::CHANNEL_WINDOW_ADJUST, |out| out.put_u32(by))
    }

    fn eof(&mut self, id: u32) -> Result<(), Violation> {
        match self.channels.get(id) {
            Some(channel) if !channel.eof_sent => channel.eof_sent = true,
            _ => return Ok(()),
        }
        self.about(id, message::CHANNEL_EOF, |_| {})
    }

    /// The client closes a channel. A session ends with that. A connection ends when it has got what
    /// the client had sent; until then it counts as a channel, because it holds as much.
    fn closed(&mut self, id: u32) -> Result<(), Violation> {
        let channel = self.channels.known(id)?;
        if channel.close_received {
            return Err(Violation::new(format!("channel {id} is closed already")));
        }
        channel.close_received = true;
        let over = channel.close_sent;
        channel.flow.close();
        if let (false, Kind::Link) = (over, &channel.kind) {
            self.about(id, message::CHANNEL_CLOSE, |_| {})?;
            if let Some(channel) = self.channels.get(id) {
                channel.close_sent = true;
            }
            return Ok(());
        }
        if let Some(task) = &channel.task {
            task.abort();
        }
        self.close(id)?;
        self.channels.all.remove(&id);
        Ok(())
    }

    /// Closes our side; the number is free when the client has closed its own.
    fn close(&mut self, id: u32) -> Result<(), Violation> {
        self.about(id, message::CHANNEL_CLOSE, |_| {})?;
        if let Some(channel) = self.channels.get(id) {
            channel.close_sent = true;
            channel.flow.deafen();
        }
        Ok(())
    }

    /// A request about a channel that wants no answer (RFC 4254, section 5.4).
    pub(crate) fn tell(
        &mut self,
        id: u32,
        name: &str,
        fill: impl FnOnce(&mut BytesMut),
    ) -> Result<(), Violation> {
        self.about(id, message::CHANNEL_REQUEST, |out| {
            out.put_string(name.as_bytes());
            out.put_boolean(false);
            fill(out);
        })
    }

    /// The answer to a request about a channel.
    pub(crate) fn answer(&mut self, id: u32, wanted: bool, done: bool) -> Result<(), Violation> {
        if !wanted {
            return Ok(());
        }
        let kind = if done { message::CHANNEL_SUCCESS } else { message::CHANNEL_FAILURE };
        self.about(id, kind, |_| {})
    }

    fn confirm(&mut self, id: u32) -> Result<(), Violation> {
        self.summary.channels += 1;
        let window = self.channels.get(id).map_or(0, |channel| channel.flow.window());
        self.about(id, message::CHANNEL_OPEN_CONFIRMATION, |out| {
            out.put_u32(id);
            out.put_u32(window);
            out.put_u32(PACKET);
        })
    }

    fn refuse(&mut self, peer: u32, reason: Unopened, text: &str) -> Result<(), Violation> {
        self.transport.send(|out| {
            out.put_byte(message::CHANNEL_OPEN_FAILURE);
            out.put_u32(peer);
            out.put_u32(reason as u32);
            out.put_string(text.as_bytes());
            out.put_string(b"");
        })
    }

    /// The client wants a channel.
    fn open(&mut self, reader: &mut Reader<'_>) -> Result<(), Violation> {
        let kind = reader.text()?;
        let (peer, theirs, packet) = (reader.u32()?, reader.u32()?, packet_size(reader.u32()?)?);
        let session = match kind {
            "session" => true,
            "direct-tcpip" | "direct-streamlocal@openssh.com" => false,
            _ => return self.refuse(peer, Unopened::UnknownType, "there is no such channel here"),
        };
        if session && self.channels.no_more_sessions {
            return Err(Violation::new("a session after no-more-sessions@openssh.com"));
        }
        let what = if session { Kind::Session(Box::default()) } else { Kind::Link };
        let Some(id) = self.channels.add(peer, theirs, packet, what) else {
            let text = format!("{} channels are open already", self.channels.limits.channels);
            return self.refuse(peer, Unopened::Shortage, &text);
        };
        if session {
            return self.confirm(id);
        }
        let Some(line) = self.line(id) else { return Ok(()) };
        let name = reader.text()?.to_owned();
        let task = if kind == "direct-tcpip" {
            let port = u16::try_from(reader.u32()?).map_err(|_| Violation::new("no such port"))?;
            self.tasks.spawn(async move {
                match forward::connect_tcp(&name, port).await {
                    Ok(stream) => {
                        line.tell(Event::Opened(id)).await;
                        let (source, sink) = stream.into_split();
                        line.join(source, sink).await;
                    }
                    Err(error) => unopened(&line, &format!("{name}:{port}: {error}")).await,
                }
            })
        } else {
            let host = Arc::clone(&self.host);
            self.tasks.spawn(async move {
                match forward::connect_unix(&host.user, &name) {
                    Ok(stream) => {
                        line.tell(Event::Opened(id)).await;
                        let (source, sink) = stream.into_split();
                        line.join(source, sink).await;
                    }
                    Err(error) => unopened(&line, &format!("{name}: {error}")).await,
                }
            })
        };
        if let Some(channel) = self.channels.get(id) {
            channel.task = Some(task);
        }
        Ok(())
    }

    /// What a channel's task needs.
    pub(crate) fn line(&mut self, id: u32) -> Option<Line> {
        let flow = Arc::clone(&self.channels.get(id)?.flow);
        Some(Line { channel: id, flow, events: self.events.clone() })
    }

    /// Offers a connection that came to a forwarded port or socket to the client.
    fn offer_channel(&mut self, accepted: Accepted) -> Result<(), Violation> {
        // A connection that was on its way when its listener went is dropped.
        if !self.channels.listeners.contains_key(&accepted.origin) {
            return Ok(());
        }
        let Accepted { origin, stream, peer } = accepted;
        let Some(id) = self.channels.add(0, 0, 0, Kind::Offered(stream)) else { return Ok(()) };
        self.summary.channels += 1;
        let window = self.channels.get(id).map_or(0, |channel| channel.flow.window());
        self.transport.send(|out| {
            let kind = match origin {
                Origin::Tcp(..) => "forwarded-tcpip",
                Origin::Unix(_) => "forwarded-streamlocal@openssh.com",
                Origin::Agent => "auth-agent@openssh.com",
            };
            out.put_byte(message::CHANNEL_OPEN);
            out.put_string(kind.as_bytes());
            out.put_u32(id);
            out.put_u32(window);
            out.put_u32(PACKET);
            match origin {
                Origin::Tcp(name, port) => {
                    out.put_string(name.as_bytes());
                    out.put_u32(port.into());
                    let (address, port) =
                        peer.map_or_else(Default::default, |it| (it.ip().to_string(), it.port()));
                    out.put_string(address.as_bytes());
                    out.put_u32(port.into());
                }
                Origin::Unix(path) => {
                    out.put_string(path.as_bytes());
                    out.put_string(b"");
                }
                Origin::Agent => {}
            }
        })
    }

    /// Carries bytes between a channel and a connection from now on.
    fn link(&mut self, id: u32, stream: Stream) {
        let Some(line) = self.line(id) else { return };
        let task = match stream {
            Stream::Tcp(stream) => self.tasks.spawn(async move {
                let (source, sink) = stream.into_split();
                line.join(source, sink).await;
            }),
            Stream::Unix(stream) => self.tasks.spawn(async move {
                let (source, sink) = split(stream);
                line.join(source, sink).await;
            }),
        };
        if let Some(channel) = self.channels.get(id) {
            channel.task = Some(task);
        }
    }

    /// A request that is about no channel.
    fn global(&mut self, reader: &mut Reader<'_>) -> Result<(), Violation> {
        let (name, wanted) = (reader.text()?, reader.boolean()?);
        let mut port = None;
        let done = match name {
            "tcpip-forward" => {
                let address = reader.text()?;
                let asked = u16::try_from(reader.u32()?);
                match asked {
                    Ok(asked) => match self.listen_tcp(address, asked) {
                        Some(bound) => {
                            // The number is part of the answer only where the client left it open.
                            port = (asked == 0).then_some(bound);
                            true
                        }
                        None => false,
                    },
                    Err(_) => false,
                }
            }
            "cancel-tcpip-forward" => {
                let address = reader.text()?.to_owned();
                u16::try_from(reader.u32()?)
                    .is_ok_and(|port| self.cancel(&Origin::Tcp(address, port)))
            }
            "streamlocal-forward@openssh.com" => self.listen_unix(reader.text()?),
            "cancel-streamlocal-forward@openssh.com" => {
                let path = reader.text()?.to_owned();
                self.cancel(&Origin::Unix(path))
            }
            "no-more-sessions@openssh.com" => {
                self.channels.no_more_sessions = true;
                true
            }
            // A failure is the answer that keepalive@openssh.com and its siblings wait for.
            _ => false,
        };
        if !wanted {
            return Ok(());
        }
        self.transport.send(|out| {
            if !done {
                out.put_byte(message::REQUEST_FAILURE);
                return;
            }
            out.put_byte(message::REQUEST_SUCCESS);
            if let Some(port) = port {
                out.put_u32(port.into());
            }
        })
    }

    fn listen_tcp(&mut self, address: &str, port: u16) -> Option<u16> {
        if self.channels.listeners.len() >= self.channels.limits.listeners {
            return None;
        }
        match forward::listen_tcp(&self.host.user, address, port, &self.events) {
            Ok((listening, bound)) => {
                let origin = Origin::Tcp(address.to_owned(), bound);
                self.channels.listeners.insert(origin, listening);
                Some(bound)
            }
            Err(error) => {
                tracing::debug!(%error, port, "a port cannot be forwarded");
                None
            }
        }
    }

    fn listen_unix(&mut self, path: &str) -> bool {
        if self.channels.listeners.len() >= self.channels.limits.listeners {
            return false;
        }
        match forward::listen_unix(&self.host.user, path, &self.events) {
            Ok(listening) => {
                self.channels.listeners.insert(Origin::Unix(path.to_owned()), listening);
                true
            }
            Err(error) => {
                tracing::debug!(%error, "a socket cannot be forwarded");
                false
            }
        }
    }

    fn cancel(&mut self, origin: &Origin) -> bool {
        self.channels.listeners.remove(origin).is_some()
    }

    /// The socket of the client's agent, made at the first request.
    pub(crate) fn forward_agent(&mut self) -> bool {
        if self.agent.is_some() {
            return true;
        }
        if self.channels.listeners.len() >= self.channels.limits.listeners {
            return false;
        }
        match forward::listen_agent(&self.host.user, &self.events) {
            Ok((listening, path)) => {
                self.channels.listeners.insert(Origin::Agent, listening);
                self.agent = Some(path);
                true
            }
            Err(error) => {
                tracing::debug!(%error, "the agent cannot be forwarded");
                false
            }
        }
    }
}

async fn unopened(line: &Line, text: &str) {
    let text = text.to_owned();
    line.tell(Event::Unopened(line.channel, Unopened::ConnectFailed, text)).await;
}

/// A packet has to hold something.
fn packet_size(size: u32) -> Result<u32, Violation> {
    if size == 0 {
        return Err(Violation::new("packets of no bytes"));
    }
    // What we read at once is not more than this.
    Ok(size.min(128 * 1024))
}
