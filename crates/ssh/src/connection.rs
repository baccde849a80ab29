//! One connection: the loop that reads, decides and writes, and the login.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::channels::Channels;
use crate::codec::{Put as _, Reader};
use crate::message::{self, Reason};
use crate::pump::Event;
use crate::transport::{Buffers, Transport, Violation};
use crate::{Error, SpaceHost, Summary};

/// Sealed bytes that wait for the stream, above which no more data of channels is added.
const FULL: usize = 512 * 1024;
/// Sealed bytes that wait for the stream, above which the client is taken for one that asks and never
/// reads the answers. Reading goes on until then: OpenSSH's client writes to a ProxyCommand without
/// looking whether there is room, and until it is through it reads nothing, so that a server that
/// waits for it to read waits forever.
const TOO_MUCH: usize = 4 * 1024 * 1024;
/// Bytes that are read from the stream at once.
const READ: usize = 256 * 1024;
/// Time from the first byte to the login.
const LOGIN: Duration = Duration::from_secs(120);
/// Login attempts by other methods than the one that is accepted.
const ATTEMPTS: u32 = 20;

/// How far the login is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The service `ssh-userauth` was not asked for yet.
    New,
    /// So many attempts have failed.
    Login(u32),
    Connected,
}

/// The state of a connection.
pub(crate) struct Connection {
    pub(crate) host: Arc<SpaceHost>,
    pub(crate) transport: Transport,
    pub(crate) channels: Channels,
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) tasks: JoinSet<()>,
    /// The agent's socket, once a session asked for it.
    pub(crate) agent: Option<PathBuf>,
    pub(crate) summary: Summary,
    stage: Stage,
}

/// Why the loop ended.
enum End {
    Left,
    Broken(Violation),
}

impl From<Violation> for End {
    fn from(violation: Violation) -> Self {
        Self::Broken(violation)
    }
}

pub(crate) async fn serve<S>(mut stream: S, host: Arc<SpaceHost>) -> Result<Summary, Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let login = tokio::time::Instant::now() + LOGIN;
    let beginning = Transport::begin(&mut stream, &host.host_key);
    let transport =
        tokio::time::timeout_at(login, beginning).await.map_err(|_| Error::TimedOut)??;
    let (events, inbox) = mpsc::channel(64);
    let mut connection = Connection::new(host, transport, events);
    let result = connection.run(stream, inbox, login).await;
    // Processes hear SIGHUP and listeners go away before this function returns.
    connection.channels.clear();
    connection.tasks.shutdown().await;
    result.map(|()| connection.summary)
}

impl Connection {
    /// A connection whose client has not logged in yet.
    pub(crate) fn new(
        host: Arc<SpaceHost>,
        transport: Transport,
        events: mpsc::Sender<Event>,
    ) -> Self {
        let summary = Summary { client: transport.client(), ..Summary::default() };
        Self {
            channels: Channels::new(host.limits),
            host,
            transport,
            events,
            tasks: JoinSet::new(),
            agent: None,
            summary,
            stage: Stage::New,
        }
    }

    async fn run<S>(
        &mut self,
        stream: S,
        mut inbox: mpsc::Receiver<Event>,
        login: tokio::time::Instant,
    ) -> Result<(), Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (mut reader, mut writer) = tokio::io::split(stream);
        loop {
            let end = match self.advance(&mut inbox) {
                Ok(()) => None,
                Err(End::Left) => return Ok(()),
                Err(End::Broken(violation)) => Some(violation),
            };
            if let Some(Violation(reason, text)) = end {
                tracing::debug!(client = %self.summary.client, %text, "connection refused");
                self.transport.disconnect(reason, &text);
                let out = self.transport.out().split();
                // A client that does not read does not keep us from leaving.
                let telling = async { writer.write_all(&out).await.and(writer.shutdown().await) };
                let _ = tokio::time::timeout(Duration::from_secs(5), telling).await;
                return Err(Error::Protocol(text));
            }
            let logging_in = self.stage != Stage::Connected;
            let deadline = if logging_in { login } else { self.transport.deadline() };
            let waiting = self.transport.out().len();
            let exchanging = self.transport.exchanging();
            self.transport.opener.received.reserve(READ);
            let Buffers { out, received } = self.transport.buffers();
            tokio::select! {
                read = reader.read_buf(received) => match read {
                    Ok(0) if logging_in => {
                        return Err(Error::Protocol("the client left before it logged in".into()));
                    }
                    Ok(0) => return Ok(()),
                    Ok(count) => self.summary.received += count as u64,
                    Err(error) => return Err(error.into()),
                },
                written = writer.write_buf(out), if waiting > 0 => match written {
                    Ok(0) => return Err(std::io::Error::from(std::io::ErrorKind::WriteZero).into()),
                    Ok(count) => {
                        self.summary.sent += count as u64;
                        if count == waiting {
                            writer.flush().await?;
                        }
                    }
                    Err(error) => return Err(error.into()),
                },
                Some(event) = inbox.recv(), if waiting < FULL && !exchanging => {
                    if let Err(violation) = self.happened(event) {
                        return Err(Error::Protocol(violation.1));
                    }
                }
                Some(_) = self.tasks.join_next(), if !self.tasks.is_empty() => {}
                () = tokio::time::sleep_until(deadline) => {
                    if logging_in {
                        return Err(Error::TimedOut);
                    }
                }
            }
        }
    }

    /// Everything that can be done without waiting.
    fn advance(&mut self, inbox: &mut mpsc::Receiver<Event>) -> Result<(), End> {
        while let Some(packet) = self.transport.receive()? {
            if packet.first() == Some(&message::DISCONNECT) {
                return Err(End::Left);
            }
            self.handle(&packet)?;
            if self.transport.out().len() > TOO_MUCH {
                return Err(Violation::new("many requests whose answers nobody reads").into());
            }
        }
        if self.stage == Stage::Connected {
            while self.transport.out().len() < FULL && !self.transport.exchanging() {
                let Ok(event) = inbox.try_recv() else { break };
                self.happened(event)?;
            }
            self.transport.renew()?;
        }
        Ok(())
    }

    /// A message from the client.
    pub(crate) fn handle(&mut self, packet: &Bytes) -> Result<(), Violation> {
        let (&kind, rest) = packet.split_first().ok_or_else(|| Violation::new("empty packet"))?;
        let mut reader = Reader::new(rest);
        match (self.stage, kind) {
            (_, message::SERVICE_REQUEST) => self.service(reader.text()?),
            (Stage::Login(failed), message::USERAUTH_REQUEST) => self.login(&mut reader, failed),
            // After the login further attempts are ignored (RFC 4252, section 5.1).
            (Stage::Connected, message::USERAUTH_REQUEST) => Ok(()),
            (Stage::Connected, message::GLOBAL_REQUEST..=message::CHANNEL_FAILURE) => {
                self.connected(kind, &mut reader)
            }
            (Stage::Connected, _) => {
                let number = self.transport.opener.number.wrapping_sub(1);
                self.transport.unimplemented(number)
            }
            _ => Err(Violation::new(format!("message {kind} before the login"))),
        }
    }

    fn service(&mut self, name: &str) -> Result<(), Violation> {
        let known = name == "ssh-userauth" || name == "ssh-connection";
        if !known || (name == "ssh-connection" && self.stage != Stage::Connected) {
            let name: String = name.chars().take(64).collect();
            let text = format!("there is no service {name:?} here");
            return Err(Violation(Reason::ServiceNotAvailable, text));
        }
        if self.stage == Stage::New {
            self.stage = Stage::Login(0);
        }
        self.transport.send(|out| {
            out.put_byte(message::SERVICE_ACCEPT);
            out.put_string(name.as_bytes());
        })
    }

    /// `none` is enough, whatever the user name: see the crate's documentation for when it is.
    fn login(&mut self, reader: &mut Reader<'_>, failed: u32) -> Result<(), Violation> {
        let name = String::from_utf8_lossy(reader.string()?).into_owned();
        let service = reader.text()?;
        let method = reader.text()?;
        if service != "ssh-connection" {
            let text = "the only service after the login is ssh-connection";
            return Err(Violation(Reason::ServiceNotAvailable, text.into()));
        }
        if method == "none" {
            self.summary.user = name.chars().take(256).collect();
            self.stage = Stage::Connected;
            return self.transport.send(|out| out.put_byte(message::USERAUTH_SUCCESS));
        }
        if failed >= ATTEMPTS {
            let text = "the only login method here is none".into();
            return Err(Violation(Reason::NoMoreAuthMethods, text));
        }
        self.stage = Stage::Login(failed + 1);
        self.transport.send(|out| {
            out.put_byte(message::USERAUTH_FAILURE);
            // The one method that would do may not be listed (RFC 4252, section 5.2).
            out.put_string(b"");
            out.put_boolean(false);
        })
    }
}
