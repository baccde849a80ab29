//! A server with a handler that tells what it got, and a client that sends bytes.
#![allow(dead_code, clippy::allow_attributes, reason = "each test file uses its part")]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use sagegate_gate::{HttpRequest, Unsigned};
use sagegate_network::{Arrival, EndpointArrival};
use sagegate_server::{
    Answer, BoxFuture, Control, Handler, Limits, ListenAddress, Reply, Server, ServerParts, Taken,
    Via,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

pub(crate) struct Tell {
    name: &'static str,
    /// Requests to `/wait` take one permit of this.
    pub(crate) gate: Semaphore,
    pub(crate) waiting: AtomicUsize,
}

impl Tell {
    fn new(name: &'static str) -> Self {
        Self { name, gate: Semaphore::new(0), waiting: AtomicUsize::new(0) }
    }
}

impl Handler for Tell {
    fn serve(&self, request: HttpRequest) -> Answer<'_> {
        Box::pin(async move {
            if request.path == "/wait" {
                self.waiting.fetch_add(1, Ordering::SeqCst);
                self.gate.acquire().await.unwrap().forget();
            }
            let text = format!(
                "{} {} {}?{} {} {:?}",
                self.name,
                request.method,
                request.path,
                request.query,
                request.body.len(),
                request.arrival
            );
            let mut response = http::Response::new(Bytes::from(text));
            if request.path == "/own-id" {
                response.headers_mut().insert("x-amzn-requestid", "own".parse().unwrap());
            }
            if request.path == "/big" {
                *response.body_mut() = Bytes::from(vec![b'x'; 64 * 1024 * 1024]);
            }
            if request.path == "/bad" {
                *response.status_mut() = http::StatusCode::BAD_REQUEST;
            }
            response.into()
        })
    }
}

/// Takes connections over: a greeting, then whatever is sent comes back, and a farewell that says why
/// it is over.
struct Echo;

impl Handler for Echo {
    fn serve(&self, _: HttpRequest) -> Answer<'_> {
        let response = http::Response::builder().status(101).header("upgrade", "echo");
        let response = response.header("connection", "upgrade").body(()).unwrap();
        let takeover = |mut taken: Taken| -> BoxFuture<'static, ()> {
            Box::pin(async move {
                taken.stream.write_all(b"greetings ").await.unwrap();
                taken.stream.write_all(&taken.early).await.unwrap();
                loop {
                    let mut buffer = Vec::with_capacity(100);
                    tokio::select! {
                        read = taken.stream.read_buf(&mut buffer) => match read {
                            Ok(1..) => taken.stream.write_all(&buffer).await.unwrap(),
                            _ => return,
                        },
                        cause = taken.closing.wait() => {
                            let _ = taken.stream.write_all(format!("{cause:?}").as_bytes()).await;
                            return;
                        }
                    }
                }
            })
        };
        Box::pin(async move { Reply::Upgrade(response, Box::new(takeover)) })
    }
}

pub(crate) struct Reset {
    pub(crate) enabled: bool,
    pub(crate) done: AtomicUsize,
    /// What was handed over as records.
    pub(crate) notes: Mutex<Vec<Unsigned>>,
}

impl Control for Reset {
    fn note(&self, answered: Unsigned) {
        self.notes.lock().unwrap().push(answered);
    }

    fn reset<'a>(&'a self, _: &'a HttpRequest) -> Option<BoxFuture<'a, Result<(), String>>> {
        self.enabled.then(|| -> BoxFuture<'_, _> {
            Box::pin(async {
                self.done.fetch_add(1, Ordering::SeqCst);
                Ok(())
            })
        })
    }
}

pub(crate) struct Running {
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
    pub(crate) api: Arc<Tell>,
    pub(crate) reset: Arc<Reset>,
}

pub(crate) async fn start(limits: Limits) -> Running {
    start_at("127.0.0.1:0", limits, true).await
}

pub(crate) async fn start_at(address: &str, limits: Limits, reset: bool) -> Running {
    let (running, listener) = bound_at(address, limits, reset);
    running.server.serve(listener).await;
    running
}

/// A server whose public address is bound and not served yet.
pub(crate) fn bound_at(address: &str, limits: Limits, reset: bool) -> (Running, TcpListener) {
    let api = Arc::new(Tell::new("api"));
    let reset =
        Arc::new(Reset { enabled: reset, done: AtomicUsize::new(0), notes: Mutex::default() });
    let server = Server::new(ServerParts {
        limits,
        api: Arc::clone(&api) as _,
        door: Arc::new(Tell::new("door")),
        channel: Arc::new(Echo),
        control: Arc::clone(&reset) as _,
        request_ids: Arc::new(|| "0d4b8e5c-id".to_owned()),
    });
    let listener = Server::bind(address.parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    (Running { server, address, api, reset }, listener)
}

pub(crate) fn endpoint(service: &str) -> Via {
    Via::Endpoint(EndpointArrival {
        vpc_endpoint_id: "vpce-1".into(),
        vpc_id: "vpc-1".into(),
        subnet_id: "subnet-1".into(),
        account: "123456789012".into(),
        region: "us-west-2".into(),
        vpc_source_ip: [10, 0, 0, 4].into(),
        service_name: service.into(),
    })
}

pub(crate) fn at(address: SocketAddr, via: Via, denied: Option<&str>) -> ListenAddress {
    ListenAddress { address, via, denied: denied.map(str::to_owned), names: Vec::new() }
}

pub(crate) fn is_public(text: &str) -> bool {
    text.contains(&format!("{:?}", Arrival::Public { source_ip: [127, 0, 0, 1].into() }))
}

/// Fails a test that would hang.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), future).await.expect("done within 20 seconds")
}

pub(crate) async fn connect(address: SocketAddr) -> TcpStream {
    soon(TcpStream::connect(address)).await.unwrap()
}

/// Sends bytes and reads until the server closes.
pub(crate) async fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = connect(address).await;
    let _ = stream.write_all(bytes).await;
    rest(&mut stream).await
}

/// All that the server sends until it closes.
pub(crate) async fn rest(stream: &mut TcpStream) -> String {
    let mut out = Vec::new();
    let _ = soon(stream.read_to_end(&mut out)).await;
    String::from_utf8(out).unwrap()
}

/// One answer of a connection that stays open.
pub(crate) async fn one(stream: &mut TcpStream) -> String {
    let mut out = Vec::new();
    loop {
        let mut byte = [0; 1];
        if soon(stream.read(&mut byte)).await.unwrap_or(0) == 0 {
            return String::from_utf8(out).unwrap();
        }
        out.push(byte[0]);
        let text = String::from_utf8_lossy(&out).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() == length.map_or(0, |length| length.parse().unwrap()) {
            return text;
        }
    }
}

pub(crate) fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("closed")
}
