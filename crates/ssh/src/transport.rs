//! The transport layer: identification, packets, key exchange (RFC 4253).

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ed25519_dalek::SigningKey;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use crate::Error;
use crate::cipher::{Cipher, Opener, Sealer};
use crate::codec::Put as _;
use crate::kex::{self, Agreed, Transcript};
use crate::message::{self, Reason};

/// Our identification. The name of OpenSSH is what clients look for before they use what OpenSSH's
/// server does and the RFCs do not say; which that is, and that it is done here, is in decision 18.
/// The comment says which software it really is (RFC 4253, section 4.2).
pub(crate) const VERSION: &str =
    concat!("SSH-2.0-OpenSSH_9.9 Sagegate_", env!("CARGO_PKG_VERSION"));
/// New keys after as many bytes in one direction, or as much time (RFC 4253, section 9) ...
const KEY_BYTES: u64 = 1 << 30;
const KEY_TIME: Duration = Duration::from_secs(3600);
/// ... or as many packets, long before their 32-bit numbers repeat.
const KEY_PACKETS: u64 = 1 << 28;
/// What may wait for the end of a key exchange.
const DEFERRED: usize = 1 << 20;

/// A client that breaks the rules, and the reason that it is given.
#[derive(Debug)]
pub(crate) struct Violation(pub(crate) Reason, pub(crate) String);

impl Violation {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(Reason::ProtocolError, text.into())
    }
}

impl From<crate::codec::Malformed> for Violation {
    fn from(error: crate::codec::Malformed) -> Self {
        Self::new(error.to_string())
    }
}

impl From<kex::Disagreed> for Violation {
    fn from(error: kex::Disagreed) -> Self {
        Self(Reason::KeyExchangeFailed, error.to_string())
    }
}

impl From<crate::cipher::Unreadable> for Violation {
    fn from(error: crate::cipher::Unreadable) -> Self {
        Self(Reason::MacError, error.to_string())
    }
}

/// The buffers of both directions, to be read into and written from at the same time.
pub(crate) struct Buffers<'a> {
    pub(crate) out: &'a mut BytesMut,
    pub(crate) received: &'a mut BytesMut,
}

/// Where a key exchange is.
#[derive(Debug)]
enum Exchange {
    /// None is going on.
    Idle,
    /// Our offer is sent; the client's is awaited.
    Offered(Vec<u8>),
    /// Both offers are known; the client's public key is awaited.
    Agreed { ours: Vec<u8>, theirs: Bytes, agreed: Agreed },
    /// Our side has the new keys; the client's NEWKEYS is awaited.
    Switching { inbound: Cipher, since: Instant },
}

/// Both directions of the stream of packets.
pub(crate) struct Transport {
    key: SigningKey,
    client_version: Vec<u8>,
    sealer: Sealer,
    pub(crate) opener: Opener,
    exchange: Exchange,
    /// Of the first exchange; names the session in all later ones.
    session: Option<[u8; 32]>,
    strict: bool,
    /// Payloads that may not be sent during an exchange, each with its length.
    deferred: Vec<Vec<u8>>,
    deferred_bytes: usize,
    /// When the keys came into use.
    since: Instant,
}

impl Transport {
    /// Sends our identification, reads the client's, sends our offer.
    pub(crate) async fn begin<S: AsyncRead + AsyncWrite + Unpin>(
        stream: &mut S,
        host_key: &[u8; 32],
    ) -> Result<Self, Error> {
        stream.write_all(VERSION.as_bytes()).await?;
        stream.write_all(b"\r\n").await?;
        stream.flush().await?;
        let mut received = BytesMut::with_capacity(4096);
        let client_version = identification(stream, &mut received).await?;
        let mut transport = Self::new(host_key, client_version, received);
        transport.offer().map_err(|Violation(_, text)| Error::Protocol(text))?;
        Ok(transport)
    }

    /// A transport for a client of this identification, of which the first bytes after it have been
    /// received. Nothing is sent yet.
    pub(crate) fn new(host_key: &[u8; 32], client_version: Vec<u8>, received: BytesMut) -> Self {
        Self {
            key: SigningKey::from_bytes(host_key),
            client_version,
            sealer: Sealer::new(),
            opener: Opener::new(received),
            exchange: Exchange::Idle,
            session: None,
            strict: false,
            deferred: Vec::new(),
            deferred_bytes: 0,
            since: Instant::now(),
        }
    }

    /// The client's identification.
    pub(crate) fn client(&self) -> String {
        let version = self.client_version.strip_prefix(b"SSH-2.0-");
        String::from_utf8_lossy(version.unwrap_or(&self.client_version)).into_owned()
    }

    /// What is sealed and waits to be sent.
    pub(crate) fn out(&mut self) -> &mut BytesMut {
        &mut self.sealer.out
    }

    /// The buffers of both directions.
    pub(crate) fn buffers(&mut self) -> Buffers<'_> {
        Buffers { out: &mut self.sealer.out, received: &mut self.opener.received }
    }

    /// Whether only the exchange's own packets may be sent.
    pub(crate) fn exchanging(&self) -> bool {
        !matches!(self.exchange, Exchange::Idle)
    }

    /// Starts a key exchange.
    pub(crate) fn offer(&mut self) -> Result<(), Violation> {
        let offer = kex::offer()?;
        self.sealer.packet(|out| out.put(&offer));
        self.exchange = Exchange::Offered(offer);
        Ok(())
    }

    /// When the keys are to be changed at the latest.
    pub(crate) fn deadline(&self) -> Instant {
        self.since + KEY_TIME
    }

    /// Starts a key exchange where one is due.
    pub(crate) fn renew(&mut self) -> Result<(), Violation> {
        let used = |(bytes, packets): (u64, u64)| bytes >= KEY_BYTES || packets >= KEY_PACKETS;
        let due =
            used(self.sealer.used) || used(self.opener.used) || Instant::now() >= self.deadline();
        if due && !self.exchanging() { self.offer() } else { Ok(()) }
    }

    /// Sends a packet; during an exchange, as soon as it is over.
    pub(crate) fn send(&mut self, fill: impl FnOnce(&mut BytesMut)) -> Result<(), Violation> {
        if !self.exchanging() {
            self.sealer.packet(fill);
            return Ok(());
        }
        let mut payload = BytesMut::new();
        fill(&mut payload);
        self.deferred_bytes += payload.len();
        if self.deferred_bytes > DEFERRED {
            return Err(Violation::new("too many requests during a key exchange"));
        }
        self.deferred.push(payload.to_vec());
        Ok(())
    }

    /// The last packet.
    pub(crate) fn disconnect(&mut self, reason: Reason, text: &str) {
        self.sealer.packet(|out| {
            out.put_byte(message::DISCONNECT);
            out.put_u32(reason as u32);
            out.put_string(text.as_bytes());
            out.put_string(b"");
        });
    }

    /// The next packet that is not the transport's own business. `None` when more must arrive.
    pub(crate) fn receive(&mut self) -> Result<Option<Bytes>, Violation> {
        loop {
            let Some(packet) = self.opener.packet()? else { return Ok(None) };
            let number = self.opener.number.wrapping_sub(1);
            let Some(&kind) = packet.first() else { continue };
            let first = self.session.is_none();
            match kind {
                message::KEXINIT => self.offered(packet, number)?,
                message::KEX_ECDH_INIT => self.public_key(&packet)?,
                message::NEWKEYS => self.new_keys()?,
                message::DISCONNECT => return Ok(Some(packet)),
                _ if first && self.strict => {
                    return Err(Violation::new(format!(
                        "message {kind} does not belong to a strict key exchange"
                    )));
                }
                message::IGNORE | message::UNIMPLEMENTED | message::DEBUG | message::EXT_INFO => {}
                message::SERVICE_REQUEST if !first => return Ok(Some(packet)),
                message::FIRST_OF_SERVICES.. if !first => {
                    // Once the client has sent its offer, it may send nothing else (RFC 4253, 7.1).
                    if matches!(self.exchange, Exchange::Agreed { .. } | Exchange::Switching { .. })
                    {
                        return Err(Violation::new("a message in the middle of a key exchange"));
                    }
                    return Ok(Some(packet));
                }
                _ if first => {
                    return Err(Violation::new(format!("message {kind} before the first keys")));
                }
                _ => self.unimplemented(number)?,
            }
        }
    }

    /// A message that we do not know (RFC 4253, section 11.4).
    pub(crate) fn unimplemented(&mut self, number: u32) -> Result<(), Violation> {
        self.send(|out| {
            out.put_byte(message::UNIMPLEMENTED);
            out.put_u32(number);
        })
    }

    fn offered(&mut self, packet: Bytes, number: u32) -> Result<(), Violation> {
        let ours = match std::mem::replace(&mut self.exchange, Exchange::Idle) {
            Exchange::Offered(ours) => ours,
            Exchange::Idle => {
                self.offer()?;
                match std::mem::replace(&mut self.exchange, Exchange::Idle) {
                    Exchange::Offered(ours) => ours,
                    _ => return Err(Violation::new("no offer was made")),
                }
            }
            _ => return Err(Violation::new("a second offer in one key exchange")),
        };
        let agreed = kex::agree(packet.get(1..).unwrap_or_default())?;
        if self.session.is_none() {
            self.strict = agreed.strict;
            if self.strict && number != 0 {
                return Err(Violation::new("the first message is not the key exchange's"));
            }
        }
        self.exchange = Exchange::Agreed { ours, theirs: packet, agreed };
        Ok(())
    }

    fn public_key(&mut self, packet: &[u8]) -> Result<(), Violation> {
        let (ours, theirs, mut agreed) = match std::mem::replace(&mut self.exchange, Exchange::Idle)
        {
            Exchange::Agreed { ours, theirs, agreed } => (ours, theirs, agreed),
            _ => return Err(Violation::new("a public key without a key exchange")),
        };
        if agreed.skip {
            agreed.skip = false;
            self.exchange = Exchange::Agreed { ours, theirs, agreed };
            return Ok(());
        }
        let mut reader = crate::codec::Reader::new(packet.get(1..).unwrap_or_default());
        let transcript = Transcript {
            client_version: &self.client_version,
            server_version: VERSION.as_bytes(),
            client_offer: &theirs,
            server_offer: &ours,
        };
        let (reply, secret) = kex::answer(agreed.method, reader.string()?, &transcript, &self.key)?;
        self.sealer.packet(|out| out.put(&reply));
        self.sealer.packet(|out| out.put_byte(message::NEWKEYS));
        let session = *self.session.get_or_insert(secret.hash);
        let (inbound, outbound) = secret
            .ciphers(&session, &agreed)
            .ok_or_else(|| Violation::new("keys of the wrong length"))?;
        self.sealer.rekey(outbound, self.strict);
        self.exchange = Exchange::Switching { inbound, since: Instant::now() };
        Ok(())
    }

    fn new_keys(&mut self) -> Result<(), Violation> {
        let Exchange::Switching { inbound, since } =
            std::mem::replace(&mut self.exchange, Exchange::Idle)
        else {
            return Err(Violation::new("new keys without a key exchange"));
        };
        self.opener.rekey(inbound, self.strict);
        self.since = since;
        self.deferred_bytes = 0;
        for payload in std::mem::take(&mut self.deferred) {
            self.sealer.packet(|out| out.put(&payload));
        }
        Ok(())
    }
}

/// The first line is not an identification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Garbage;

/// The client's identification line (RFC 4253, section 4.2), once it is there. What follows stays in
/// `received`.
pub(crate) fn identified(received: &mut BytesMut) -> Result<Option<Vec<u8>>, Garbage> {
    if let Some(end) = received.iter().take(255).position(|byte| *byte == b'\n') {
        let mut line = received.split_to(end + 1);
        line.truncate(end);
        if line.last() == Some(&b'\r') {
            line.truncate(end - 1);
        }
        let known = line.starts_with(b"SSH-2.0-");
        let plain = line.iter().all(|byte| (b' '..=b'~').contains(byte));
        return if known && plain { Ok(Some(line.to_vec())) } else { Err(Garbage) };
    }
    let start = received.get(..received.len().min(4)).unwrap_or_default();
    if received.len() >= 255 || !b"SSH-".starts_with(start) { Err(Garbage) } else { Ok(None) }
}

async fn identification<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    received: &mut BytesMut,
) -> Result<Vec<u8>, Error> {
    loop {
        match identified(received) {
            Ok(Some(line)) => return Ok(line),
            Ok(None) => {}
            Err(Garbage) => return garbage(stream).await,
        }
        if stream.read_buf(received).await? == 0 {
            return Err(Error::Protocol("the client left before it said who it is".into()));
        }
    }
}

async fn garbage<S: AsyncWrite + Unpin>(stream: &mut S) -> Result<Vec<u8>, Error> {
    // Nothing better can be said to somebody who does not speak the protocol.
    stream.write_all(b"This is an SSH 2.0 server: invalid identification string.\r\n").await?;
    stream.shutdown().await?;
    Err(Error::Protocol("the client's first line is not an SSH 2.0 identification".into()))
}
