//! The gateway over real sockets, with a ledger and spaces of the test's own.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream as _;
use futures_sink::Sink as _;
use sagegate_channel::limits;
use sagegate_dial::{DialError, Gauge, Options, Target, run};
use sagegate_gate::Env;
use sagegate_network::Arrival;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_websockets::{ClientBuilder, Message, WebSocketStream};

use super::*;

/// Takes each token once, and remembers how sessions ended.
#[derive(Default)]
struct Book {
    tokens: Mutex<HashMap<String, String>>,
    ended: Mutex<Vec<(String, String, u64, u64)>>,
}

impl Ledger for Book {
    fn accept<'a>(
        &'a self,
        session_id: &'a str,
        token: &'a str,
        _: &'a Origin,
    ) -> Doing<'a, Result<Accepted, String>> {
        let mut tokens = self.tokens.lock().unwrap();
        let good = tokens.get(session_id).is_some_and(|known| known == token);
        if good {
            tokens.remove(session_id);
        }
        let accepted = Accepted { workload: "w".to_owned(), longest: Duration::from_secs(3600) };
        Box::pin(async move { good.then_some(accepted).ok_or("the token is not known".to_owned()) })
    }

    fn ending(&self, _: &str) -> Option<String> {
        None
    }

    fn ended<'a>(
        &'a self,
        session_id: &'a str,
        reason: &'a str,
        up: u64,
        down: u64,
        _: &'a Origin,
    ) -> Doing<'a, ()> {
        let ended = (session_id.to_owned(), reason.to_owned(), up, down);
        self.ended.lock().unwrap().push(ended);
        Box::pin(async {})
    }
}

/// Hands the space's ends of connections to the test.
struct Space(Option<mpsc::UnboundedSender<DuplexStream>>);

impl Spaces for Space {
    fn ssh<'a>(&'a self, workload: &'a str) -> Doing<'a, Result<Stream, Failure>> {
        assert_eq!(workload, "w");
        Box::pin(async move {
            let Some(spaces) = &self.0 else { return Err(Failure::new("it is being repaired")) };
            let (ours, theirs) = duplex(64 * 1024);
            spaces.send(theirs).unwrap();
            Ok(Box::new(ours) as Stream)
        })
    }
}

struct Setup {
    gateway: Arc<Gateway>,
    book: Arc<Book>,
    spaces: mpsc::UnboundedReceiver<DuplexStream>,
    url: String,
    stop: tokio::sync::watch::Sender<bool>,
}

async fn setup(reachable: bool) -> Setup {
    let (send, spaces) = mpsc::unbounded_channel();
    let book = Arc::<Book>::default();
    let space = Arc::new(Space(reachable.then_some(send)));
    let gateway = Arc::new(Gateway::new(Env::system(), Arc::clone(&book) as _, space));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}{PATH}s-1?role=publish_subscribe", listener.local_addr().unwrap());
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let serving = Arc::clone(&gateway);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(Arc::clone(&serving), stream, stopped.clone()));
        }
    });
    Setup { gateway, book, spaces, url, stop }
}

/// What the HTTP server does: reads a head, answers, and hands the connection over.
async fn serve(
    gateway: Arc<Gateway>,
    mut stream: TcpStream,
    mut stop: tokio::sync::watch::Receiver<bool>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let id = head.split([' ', '?']).nth(1).and_then(|path| path.strip_prefix(PATH)).unwrap();
    let key = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("sec-websocket-key").then(|| value.trim())
    });
    let accept = upgrade::accept_key(key.unwrap());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
         sec-websocket-accept: {accept}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
    let origin = Origin {
        arrival: Arrival::Public { source_ip: [127, 0, 0, 1].into() },
        user_agent: String::new(),
        request_id: String::new(),
        secure: false,
    };
    let closing = async {
        let _ = stop.wait_for(|stop| *stop).await;
        STOPPING
    };
    gateway.serve(Box::new(stream), Bytes::new(), id, origin, closing).await;
}

impl Setup {
    fn target(&self, id: &str) -> Target {
        self.book.tokens.lock().unwrap().insert(id.to_owned(), "token".to_owned());
        let (url, token) = (self.url.replace("s-1", id), "token".to_owned());
        Target { url, session_id: id.to_owned(), token }
    }

    async fn space(&mut self) -> DuplexStream {
        soon(self.spaces.recv()).await.unwrap()
    }

    async fn ended(&self) -> Vec<(String, String, u64, u64)> {
        soon(self.gateway.idle()).await;
        self.book.ended.lock().unwrap().clone()
    }
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(60), future).await.expect("done within a minute")
}

/// A client that runs on its own, and its user's ends.
fn client(
    target: Target,
    options: Options,
) -> (DuplexStream, tokio::task::JoinHandle<Result<String, DialError>>, Arc<Gauge>) {
    let (user, ours) = duplex(64 * 1024);
    let gauge = Arc::<Gauge>::default();
    let shared = Arc::clone(&gauge);
    let task = tokio::spawn(async move {
        let (input, output) = tokio::io::split(ours);
        run(&target, options, ([3; 8], 1), input, output, &shared).await
    });
    (user, task, gauge)
}

/// Bytes that are not the same anywhere near.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

/// Sends `up` one way and `down` the other at the same time, and compares what comes out.
async fn exchange(user: DuplexStream, space: DuplexStream, up: &[u8], down: &[u8]) {
    async fn one(stream: DuplexStream, send: &[u8], expect: &[u8]) -> DuplexStream {
        let (mut read, mut write) = tokio::io::split(stream);
        let mut got = vec![0; expect.len()];
        let (written, all) = tokio::join!(write.write_all(send), read.read_exact(&mut got));
        written.unwrap();
        all.unwrap();
        assert!(got == expect, "other bytes came out");
        read.unsplit(write)
    }
    let mut user = user;
    user.write_all(b"SSH-2.0-client\r\n").await.unwrap();
    let mut space = space;
    let mut banner = [0; 16];
    space.read_exact(&mut banner).await.unwrap();
    assert_eq!(&banner, b"SSH-2.0-client\r\n");
    let (_user, _space) = tokio::join!(one(user, up, down), one(space, down, up));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_plugin_gets_through_with_every_byte() {
    let mut setup = setup(true).await;
    let options = Options { pause: Duration::ZERO, ..Options::PLUGIN };
    let (user, task, _) = client(setup.target("s-1"), options);
    let space = setup.space().await;
    soon(exchange(user, space, &noise(300_000), &noise(3_000_000))).await;
    soon(task).await.unwrap().unwrap();
    let ended = setup.ended().await;
    assert_eq!(ended.len(), 1);
    assert_eq!((ended[0].2, ended[0].3), (300_016, 3_000_000));
}

/// A way that breaks connections after so many bytes, a few times.
async fn breaking(to: String, after: usize, times: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let broken = Arc::<AtomicUsize>::default();
    tokio::spawn(async move {
        loop {
            let (mut one, _) = listener.accept().await.unwrap();
            let mut other = TcpStream::connect(&to).await.unwrap();
            let broken = Arc::clone(&broken);
            tokio::spawn(async move {
                if broken.fetch_add(1, Ordering::SeqCst) >= times {
                    let _ = tokio::io::copy_bidirectional(&mut one, &mut other).await;
                    return;
                }
                let (mut from, mut to) = other.split();
                let (mut read, mut write) = one.split();
                let up = tokio::io::copy(&mut read, &mut to);
                let mut down = (&mut from).take(u64::try_from(after).unwrap());
                let down = tokio::io::copy(&mut down, &mut write);
                tokio::select! { _ = up => {}, _ = down => {} }
            });
        }
    });
    address.to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_client_loses_nothing_when_connections_break() {
    let mut setup = setup(true).await;
    let mut target = setup.target("s-1");
    let host = target.url.split('/').nth(2).unwrap().to_owned();
    let way = breaking(host.clone(), 700_001, 5).await;
    target.url = target.url.replace(&host, &way);
    let (user, task, gauge) = client(target, Options::OWN);
    let space = setup.space().await;
    soon(exchange(user, space, &noise(6_000_000), &noise(6_000_000))).await;
    soon(task).await.unwrap().unwrap();
    assert_eq!(gauge.read().resumed, 5);
    let ended = setup.ended().await;
    assert_eq!((ended[0].2, ended[0].3), (6_000_016, 6_000_000));
}

#[tokio::test]
async fn the_last_words_of_a_space_arrive() {
    for options in [Options::PLUGIN, Options::OWN] {
        let mut setup = setup(true).await;
        let (mut user, task, _) = client(setup.target("s-1"), options);
        let mut space = setup.space().await;
        user.write_all(b"hello").await.unwrap();
        space.read_exact(&mut [0; 5]).await.unwrap();
        space.write_all(&noise(50_000)).await.unwrap();
        drop(space);
        let mut got = Vec::new();
        soon(user.read_to_end(&mut got)).await.unwrap();
        assert!(got == noise(50_000));
        assert_eq!(soon(task).await.unwrap().unwrap(), "");
        assert_eq!(setup.ended().await[0].1, "the space closed the connection");
    }
}

#[tokio::test]
async fn who_is_not_let_in_is_told_why() {
    let setup = setup(true).await;
    let wrong = Target { token: "other".to_owned(), ..setup.target("s-1") };
    let (_user, task, _) = client(wrong, Options::OWN);
    let error = soon(task).await.unwrap().unwrap_err().to_string();
    assert_eq!(error, "the gateway has closed the session: the token is not known");
    // Sockets that never said who they are have not used the token up.
    for _ in 0..3 {
        drop(raw(&setup.url).await);
    }
    let mut setup = setup;
    let (_user, task, _) = client(setup.target("s-1"), Options::OWN);
    let space = setup.space().await;
    // But its first acceptance has.
    let again = Target { url: setup.url.clone(), ..target_of("s-1") };
    let (_other, replayed, _) = client(again, Options::PLUGIN);
    assert!(matches!(soon(replayed).await.unwrap(), Err(DialError::Closed(_))));
    drop(space);
    soon(task).await.unwrap().unwrap();
}

fn target_of(id: &str) -> Target {
    Target { url: String::new(), session_id: id.to_owned(), token: "token".to_owned() }
}

#[tokio::test]
async fn a_space_that_cannot_be_reached_is_what_the_user_reads() {
    let setup = setup(false).await;
    let (_user, task, _) = client(setup.target("s-1"), Options::PLUGIN);
    let output = soon(task).await.unwrap().unwrap();
    assert_eq!(output, "The space cannot be reached: it is being repaired.");
}

#[tokio::test]
async fn sessions_are_cut_and_the_server_drains() {
    let mut setup = setup(true).await;
    let (_user, one, _) = client(setup.target("s-1"), Options::PLUGIN);
    let _space = setup.space().await;
    let (_user, other, _) = client(setup.target("s-2"), Options::OWN);
    let _space = setup.space().await;
    setup.gateway.end("s-1", "The operator has ended the session.");
    assert_eq!(soon(one).await.unwrap().unwrap(), "The operator has ended the session.");
    // The end is kept before the session is forgotten.
    soon(async {
        while setup.gateway.live().len() > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    setup.stop.send(true).unwrap();
    assert_eq!(soon(other).await.unwrap().unwrap(), STOPPING);
    assert_eq!(setup.ended().await.len(), 2);
}

type Raw = WebSocketStream<TcpStream>;

async fn raw(url: &str) -> Raw {
    let uri: http::Uri = url.parse().unwrap();
    let stream = TcpStream::connect(uri.authority().unwrap().as_str()).await.unwrap();
    ClientBuilder::from_uri(uri).connect_on(stream).await.unwrap().0
}

async fn send(socket: &mut Raw, message: Message) {
    std::future::poll_fn(|cx| Pin::new(&mut *socket).poll_ready(cx)).await.unwrap();
    Pin::new(&mut *socket).start_send(message).unwrap();
    std::future::poll_fn(|cx| Pin::new(&mut *socket).poll_flush(cx)).await.unwrap();
}

/// The reason of the close.
async fn reason(socket: &mut Raw) -> (u16, String) {
    loop {
        let next = std::future::poll_fn(|cx| Pin::new(&mut *socket).poll_next(cx));
        let message = soon(next).await.expect("a close").expect("a message");
        if let Some((code, reason)) = message.as_close() {
            return (code.into(), reason.to_owned());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_ends_a_session_with_a_reason_and_no_other() {
    let mut setup = setup(true).await;
    let (user, task, _) = client(setup.target("good"), Options::OWN);
    let space = setup.space().await;
    let open = |token: &str| Message::text(format!("{{\"TokenValue\":\"{token}\"}}"));
    let said = [
        (vec![Message::binary(&b"early"[..])], 1008, "a frame before the message with the token"),
        (vec![Message::text("no json")], 1008, "the message with the token cannot be read"),
        (vec![Message::text("x".repeat(9000))], 1008, "the message with the token cannot be read"),
        (vec![open("wrong")], 1008, "the token is not known"),
        (vec![open("token"), open("token")], 1002, "a text message is not expected now"),
        (
            vec![open("token"), Message::binary(&b"short"[..])],
            1002,
            "a frame of 5 bytes is shorter than its head",
        ),
        (
            vec![open("token"), Message::binary(vec![0; limits::FRAME + 1])],
            1009,
            "max length: 262264",
        ),
    ];
    for (messages, code, text) in said {
        setup.target("s-1");
        let mut socket = raw(&setup.url).await;
        for message in messages {
            send(&mut socket, message).await;
        }
        assert_eq!(reason(&mut socket).await, (code, text.to_owned()));
    }
    soon(exchange(user, space, &noise(10_000), &noise(10_000))).await;
    soon(task).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_open_sockets_push_each_other_out_and_nobody_else() {
    let mut setup = setup(true).await;
    let (user, task, _) = client(setup.target("good"), Options::OWN);
    let space = setup.space().await;
    let mut oldest = raw(&setup.url).await;
    let mut others = Vec::new();
    for _ in 0..256 {
        others.push(raw(&setup.url).await);
    }
    let (code, text) = reason(&mut oldest).await;
    assert_eq!((code, &*text), (1008, "too many connections have not said what they are for"));
    // Somebody new comes in between them.
    let (_user, new, _) = client(setup.target("s-1"), Options::OWN);
    drop(setup.space().await);
    soon(new).await.unwrap().unwrap();
    soon(exchange(user, space, &noise(10_000), &noise(10_000))).await;
    soon(task).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_never_reads_holds_the_space_back() {
    let mut setup = setup(true).await;
    let target = setup.target("s-1");
    let host = target.url.split('/').nth(2).unwrap().to_owned();
    // A user who reads nothing: the client's own buffers fill up, then the way, then the window.
    let (mut user, task, _) = client(target, Options { ..Options::PLUGIN });
    let mut space = setup.space().await;
    user.write_all(b"hello").await.unwrap();
    let mut sent = 0_usize;
    let block = noise(64 * 1024);
    while timeout(Duration::from_millis(500), space.write_all(&block)).await.is_ok() {
        sent += block.len();
        assert!(sent < 64 * 1024 * 1024, "nothing holds the space back");
    }
    assert!(sent > 64 * 1024);
    // Another is not affected.
    let (other, second, _) = client(setup.target("s-2"), Options::OWN);
    let other_space = setup.space().await;
    soon(exchange(other, other_space, &noise(10_000), &noise(10_000))).await;
    soon(second).await.unwrap().unwrap();
    drop((user, host));
    let _ = soon(task).await;
}
