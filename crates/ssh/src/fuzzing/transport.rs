//! The transport against a client that knows its keys.

use bytes::BytesMut;

use super::{payload, steps, unhex};
use crate::cipher::{Opener, Sealer};
use crate::codec::Put as _;
use crate::kex::{self, Method, Transcript, client};
use crate::message;
use crate::transport::{Transport, VERSION, identified};

const KEY: [u8; 32] = [7; 32];
const STRICT: &str = "kex-strict-c-v00@openssh.com";

/// The scripted client.
struct Client {
    version: Vec<u8>,
    sealer: Sealer,
    opener: Opener,
    ours: Vec<u8>,
    theirs: Vec<u8>,
    half: Option<client::Half>,
    /// The session's hash, and the keys that wait for our NEWKEYS.
    session: Option<[u8; 32]>,
    next: Option<kex::Secret>,
    strict: bool,
    /// Something was sent that no client seals: what comes of it is anybody's guess.
    forged: bool,
}

impl Client {
    /// Reads what the server has sent.
    fn read(&mut self, out: &mut BytesMut) {
        let out = out.split();
        if self.forged {
            return;
        }
        self.opener.received.extend_from_slice(&out);
        while let Some(packet) = self.opener.packet().unwrap() {
            match packet.first() {
                Some(&message::KEXINIT) => self.theirs = packet.to_vec(),
                Some(&message::KEX_ECDH_REPLY) => {
                    let Some(half) = &self.half else { continue };
                    let transcript = Transcript {
                        client_version: &self.version,
                        server_version: VERSION.as_bytes(),
                        client_offer: &self.ours,
                        server_offer: &self.theirs,
                    };
                    let secret = half.finish(packet.get(1..).unwrap_or_default(), &transcript);
                    self.session.get_or_insert(secret.hash);
                    self.next = Some(secret);
                }
                Some(&message::NEWKEYS) => {
                    let (_, back) = self.keys().unwrap();
                    self.opener.rekey(back, self.strict);
                }
                _ => {}
            }
        }
    }

    fn keys(&self) -> Option<(crate::cipher::Cipher, crate::cipher::Cipher)> {
        let (secret, session) = (self.next.as_ref()?, self.session?);
        secret.ciphers(&session, &kex::agree(self.ours.get(1..)?).ok()?)
    }
}

/// Runs a script, whose first line is the client's identification. Returns how many payloads the server
/// has let through.
///
/// # Panics
/// Where a law is broken: that is the finding.
pub fn transport(script: &[u8]) -> usize {
    let mut received = BytesMut::from(script);
    let Ok(Some(version)) = identified(&mut received) else { return 0 };
    let rest = received.split().freeze();
    let Ok(script) = std::str::from_utf8(&rest) else { return 0 };
    let mut server = Transport::new(&KEY, version.clone(), BytesMut::new());
    server.offer().unwrap();
    let (ours, theirs, half, session, next) = Default::default();
    let (sealer, opener) = (Sealer::new(), Opener::new(BytesMut::new()));
    let (strict, forged) = (false, false);
    let mut client =
        Client { version, sealer, opener, ours, theirs, half, session, next, strict, forged };
    let mut sent: Vec<BytesMut> = Vec::new();
    let mut got = 0;
    for (step, mut words) in steps(script) {
        match step {
            // An offer: the methods and the ciphers.
            "o" => {
                let (Some(methods), Some(ciphers)) = (words.next(), words.next()) else { continue };
                client.ours = client::offer(methods, ciphers);
                if client.session.is_none() {
                    client.strict = methods.split(',').any(|name| name == STRICT);
                }
                let offer = client.ours.clone();
                client.sealer.packet(|out| out.put(&offer));
            }
            // A public key.
            "p" => {
                let method = match words.next() {
                    Some("mlkem") => Method::MlKem,
                    _ => Method::X25519,
                };
                let half = client::Half::new(method);
                client.sealer.packet(|out| {
                    out.put_byte(message::KEX_ECDH_INIT);
                    out.put_string(&half.public);
                });
                client.half = Some(half);
            }
            "n" => {
                client.sealer.packet(|out| out.put_byte(message::NEWKEYS));
                if let Some((out, _)) = client.keys() {
                    client.sealer.rekey(out, client.strict);
                    client.next = None;
                }
            }
            "m" => {
                let Some(payload) = payload(words) else { continue };
                client.sealer.packet(|out| out.put(&payload));
                // An exchange of the script's own is not one that the client can follow.
                client.forged |=
                    matches!(payload.first(), Some(&(message::KEXINIT..=message::KEX_ECDH_REPLY)));
                if payload.first().is_some_and(|it| *it >= message::FIRST_OF_SERVICES) {
                    sent.push(payload);
                }
            }
            // Bytes that nobody sealed, and a bit that was changed on the way.
            "x" => {
                let Some(bytes) = words.next().and_then(unhex) else { continue };
                client.sealer.out.extend_from_slice(&bytes);
                client.forged = true;
            }
            "w" => {
                let Some(at) = words.next().and_then(|it| it.parse::<usize>().ok()) else {
                    continue;
                };
                server.opener.received.extend_from_slice(&client.sealer.out.split());
                if let Some(byte) = server.opener.received.get_mut(at / 8) {
                    *byte ^= 1 << (at % 8);
                    client.forged = true;
                }
            }
            // A service of the server sends something, or it wants new keys. What exchanges keys is the
            // transport's own, and nobody else sends it.
            "s" => {
                let ours = |it: &BytesMut| {
                    it.len() < 200_000 && it.first() >= Some(&message::FIRST_OF_SERVICES)
                };
                let Some(payload) = payload(words).filter(ours) else { continue };
                if server.send(|out| out.put(&payload)).is_err() {
                    return got;
                }
            }
            "r" if !server.exchanging() => server.offer().unwrap(),
            _ => continue,
        }
        server.opener.received.extend_from_slice(&client.sealer.out.split());
        loop {
            match server.receive() {
                Ok(Some(packet)) => {
                    if packet.first().is_some_and(|it| *it >= message::FIRST_OF_SERVICES) {
                        if !client.forged {
                            assert_eq!(sent.get(got).unwrap(), &packet, "in order, and whole");
                        }
                        got += 1;
                    }
                }
                Ok(None) => break,
                Err(_) => return got,
            }
            client.read(server.out());
        }
        client.read(server.out());
    }
    if !client.forged && !server.exchanging() {
        assert_eq!(got, sent.len(), "nothing is lost");
    }
    got
}
