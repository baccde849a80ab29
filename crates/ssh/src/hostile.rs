//! Clients that break rules, and one that knows the method that no old client offers.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::task::JoinHandle;

use crate::cipher::{Opener, Sealer};
use crate::codec::{Put as _, Reader};
use crate::kex::{self, Method, Transcript, client};
use crate::{Error, Limits, SpaceHost, Summary, User, message};

fn host() -> Arc<SpaceHost> {
    Arc::new(SpaceHost {
        host_key: [7; 32].into(),
        user: User {
            name: "sagemaker-user".into(),
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            groups: Vec::new(),
            home: "/".into(),
            shell: "/bin/sh".into(),
        },
        env: Vec::new(),
        // Nothing that these tests do starts a process.
        helper: Vec::new(),
        limits: Limits { channels: 10, ..Limits::default() },
    })
}

type Served = JoinHandle<Result<Summary, Error>>;

fn connect() -> (DuplexStream, Served) {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    (ours, tokio::spawn(crate::serve(theirs, host())))
}

/// Sends bytes and leaves; how the server ends.
async fn sends(bytes: &[u8]) -> String {
    let (mut stream, served) = connect();
    // The server may have had enough before all is sent.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let _ = stream.read_to_end(&mut Vec::new()).await;
    served.await.unwrap().unwrap_err().to_string()
}

#[tokio::test]
async fn bytes_that_are_no_protocol() {
    let not = "the client's first line is not an SSH 2.0 identification";
    for garbage in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], b"SSH-1.5-old\r\n", b"SSH-2.0-\xff\n", &[0; 70_000]]
    {
        assert_eq!(sends(garbage).await, not);
    }
    assert_eq!(sends(&[&b"SSH-2.0-"[..], &[b'a'; 300]].concat()).await, not);
    assert_eq!(sends(b"SSH-").await, "the client left before it said who it is");
    assert_eq!(sends(b"SSH-2.0-a\r\n").await, "the client left before it logged in");
    let packet = |packet: &[u8]| [b"SSH-2.0-a\r\n", packet].concat();
    assert_eq!(
        sends(&packet(&[0xff; 64])).await,
        "a packet of 4294967295 bytes is not possible here"
    );
    let login = [0, 0, 0, 12, 10, message::USERAUTH_REQUEST, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(sends(&packet(&login)).await, "message 50 before the first keys");
}

/// A client that has agreed on keys and logged in.
struct Client {
    stream: DuplexStream,
    sealer: Sealer,
    opener: Opener,
    served: Served,
}

impl Client {
    async fn new(method: Method, name: &str) -> Self {
        let (mut stream, served) = connect();
        stream.write_all(b"SSH-2.0-test\r\n").await.unwrap();
        let mut received = BytesMut::new();
        while !received.contains(&b'\n') {
            stream.read_buf(&mut received).await.unwrap();
        }
        let end = received.iter().position(|byte| *byte == b'\n').unwrap();
        let version = received.split_to(end + 1);
        let (sealer, opener) = (Sealer::new(), Opener::new(received));
        let mut client = Self { stream, sealer, opener, served };
        let theirs = client.receive().await.unwrap();
        let ours = client::offer(name, "aes128-gcm@openssh.com");
        client.send(|out| out.put(&ours)).await;
        let half = client::Half::new(method);
        client
            .send(|out| {
                out.put_byte(message::KEX_ECDH_INIT);
                out.put_string(&half.public);
            })
            .await;
        let transcript = Transcript {
            client_version: b"SSH-2.0-test",
            server_version: version.trim_ascii_end(),
            client_offer: &ours,
            server_offer: &theirs,
        };
        let reply = client.receive().await.unwrap();
        let secret = half.finish(&reply[1..], &transcript);
        assert_eq!(client.receive().await.unwrap()[..], [message::NEWKEYS]);
        let agreed = kex::agree(&ours[1..]).unwrap();
        let (out, back) = secret.ciphers(&secret.hash, &agreed).unwrap();
        client.send(|out| out.put_byte(message::NEWKEYS)).await;
        client.sealer.rekey(out, false);
        client.opener.rekey(back, false);
        client
            .send(|out| {
                out.put_byte(message::SERVICE_REQUEST);
                out.put_string(b"ssh-userauth");
            })
            .await;
        assert_eq!(client.receive().await.unwrap()[0], message::SERVICE_ACCEPT);
        client
            .send(|out| {
                out.put_byte(message::USERAUTH_REQUEST);
                for text in ["anybody", "ssh-connection", "none"] {
                    out.put_string(text.as_bytes());
                }
            })
            .await;
        assert_eq!(client.receive().await.unwrap()[..], [message::USERAUTH_SUCCESS]);
        client
    }

    async fn send(&mut self, fill: impl FnOnce(&mut BytesMut)) {
        self.sealer.packet(fill);
        let out = self.sealer.out.split();
        let _ = self.stream.write_all(&out).await;
    }

    async fn receive(&mut self) -> Option<Bytes> {
        loop {
            if let Some(packet) = self.opener.packet().unwrap() {
                return Some(packet);
            }
            if self.stream.read_buf(&mut self.opener.received).await.unwrap() == 0 {
                return None;
            }
        }
    }

    async fn open(&mut self, number: u32) -> Bytes {
        self.send(|out| {
            out.put_byte(message::CHANNEL_OPEN);
            out.put_string(b"session");
            out.put_u32(number);
            out.put_u32(1000);
            out.put_u32(1000);
        })
        .await;
        self.receive().await.unwrap()
    }

    /// The reason that the server gives for leaving.
    async fn refused(mut self) -> String {
        while let Some(packet) = self.receive().await {
            if packet[0] == message::DISCONNECT {
                let mut reader = Reader::new(&packet[5..]);
                let said = reader.text().unwrap().to_owned();
                let error = self.served.await.unwrap().unwrap_err().to_string();
                assert_eq!(said, error);
                return said;
            }
        }
        panic!("the server left without a word")
    }
}

#[tokio::test]
async fn the_method_against_quantum_computers() {
    let mut client = Client::new(Method::MlKem, "mlkem768x25519-sha256").await;
    assert_eq!(client.open(0).await[0], message::CHANNEL_OPEN_CONFIRMATION);
    drop(client.stream);
    let summary = client.served.await.unwrap().unwrap();
    assert_eq!((summary.user.as_str(), summary.channels), ("anybody", 1));
}

#[tokio::test]
async fn floods_are_bounded() {
    let mut client = Client::new(Method::X25519, "curve25519-sha256").await;
    for number in 0..10 {
        assert_eq!(client.open(number).await[0], message::CHANNEL_OPEN_CONFIRMATION);
    }
    let eleventh = client.open(10).await;
    assert_eq!(eleventh[0], message::CHANNEL_OPEN_FAILURE);
    assert!(String::from_utf8_lossy(&eleventh).contains("10 channels are open already"));
    let mut answers = Vec::new();
    for number in 0..65 {
        client
            .send(|out| {
                out.put_byte(message::CHANNEL_REQUEST);
                out.put_u32(0);
                out.put_string(b"env");
                out.put_boolean(true);
                out.put_string(format!("LC_{number}").as_bytes());
                out.put_string(b"x");
            })
            .await;
        answers.push(client.receive().await.unwrap()[0]);
    }
    assert!(answers[..64].iter().all(|answer| *answer == message::CHANNEL_SUCCESS));
    assert_eq!(answers[64], message::CHANNEL_FAILURE);
    // Requests whose answers are never read: the server does not keep them for ever.
    loop {
        client.sealer.packet(|out| {
            out.put_byte(message::GLOBAL_REQUEST);
            out.put_string(b"keepalive@openssh.com");
            out.put_boolean(true);
        });
        if client.sealer.out.len() > 65_536 {
            let out = client.sealer.out.split();
            if client.stream.write_all(&out).await.is_err() || client.served.is_finished() {
                break;
            }
        }
    }
    let error = client.served.await.unwrap().unwrap_err().to_string();
    assert_eq!(error, "many requests whose answers nobody reads");
}

#[tokio::test]
async fn rules_that_are_broken() {
    let data = |out: &mut BytesMut, channel: u32, bytes: &[u8]| {
        out.put_byte(message::CHANNEL_DATA);
        out.put_u32(channel);
        out.put_string(bytes);
    };
    let mut client = Client::new(Method::X25519, "curve25519-sha256").await;
    client.send(|out| data(out, 5, b"x")).await;
    assert_eq!(client.refused().await, "there is no channel 5");

    let mut client = Client::new(Method::X25519, "curve25519-sha256").await;
    client.open(0).await;
    // Nothing reads a session in which nothing was started.
    for _ in 0..=64 {
        client.send(|out| data(out, 0, &[0; 65_536])).await;
    }
    assert!(client.refused().await.starts_with("more bytes than the window allows"));

    let mut client = Client::new(Method::X25519, "curve25519-sha256").await;
    client.send(|out| out.put(&[message::CHANNEL_OPEN, 0, 0, 0, 9, b's'])).await;
    assert_eq!(client.refused().await, "a string was expected where the packet has none");

    let mut client = Client::new(Method::X25519, "curve25519-sha256").await;
    client.send(|out| out.put_byte(message::NEWKEYS)).await;
    assert_eq!(client.refused().await, "new keys without a key exchange");
}
