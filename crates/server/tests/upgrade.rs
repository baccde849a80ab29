//! Connections that are taken over by another protocol.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;

use common::{at, connect, endpoint, exchange, one, rest, soon, start, status};
use sagegate_server::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const REQUEST: &[u8] = b"GET /v1/data-channel/s-1?role=x HTTP/1.1\r\nhost: localhost\r\n\
    connection: upgrade\r\nupgrade: echo\r\n\r\n";

async fn expect(stream: &mut TcpStream, text: &str) {
    let mut read = vec![0; text.len()];
    soon(stream.read_exact(&mut read)).await.unwrap();
    assert_eq!(String::from_utf8(read).unwrap(), text);
}

/// A connection that was taken over.
async fn taken(address: std::net::SocketAddr) -> TcpStream {
    let mut stream = connect(address).await;
    stream.write_all(&[REQUEST, b"early"].concat()).await.unwrap();
    let head = one(&mut stream).await;
    assert_eq!(status(&head), "101", "{head}");
    assert!(head.contains("x-amzn-requestid: 0d4b8e5c-id\r\n"), "{head}");
    expect(&mut stream, "greetings early").await;
    stream
}

#[tokio::test]
async fn what_follows_belongs_to_the_other_protocol() {
    let running = start(Limits::default()).await;
    let mut stream = taken(running.address).await;
    // Looks like one of hyper's own answers, and is none.
    for text in ["HTTP/1.1 400 Bad Request\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"] {
        stream.write_all(text.as_bytes()).await.unwrap();
        expect(&mut stream, text).await;
    }
    stream.shutdown().await.unwrap();
    assert_eq!(rest(&mut stream).await, "");
    assert!(soon(running.server.stop()).await);
}

#[tokio::test]
async fn a_stop_waits_for_it_and_tells_it() {
    let running = start(Limits::default()).await;
    let mut stream = taken(running.address).await;
    let (ended, last) =
        soon(async { tokio::join!(running.server.stop(), rest(&mut stream)) }).await;
    assert!(ended);
    assert_eq!(last, "Stop");
}

#[tokio::test]
async fn the_way_in_ends_it() {
    let running = start(Limits::default()).await;
    let address = "127.0.0.1:0".parse().unwrap();
    // A port that is free, most likely for a moment longer.
    let address =
        std::net::TcpListener::bind::<std::net::SocketAddr>(address).unwrap().local_addr();
    let address = address.unwrap();
    let via = endpoint("com.amazonaws.us-west-2.ssmmessages");
    running.server.converge(vec![at(address, via.clone(), None)]).await;
    let mut stream = taken(address).await;
    running.server.converge(vec![at(address, via, Some("no rule"))]).await;
    assert_eq!(rest(&mut stream).await, "Way");
}

#[tokio::test]
async fn it_counts_until_it_ends() {
    let running = start(Limits { connections: 1, ..Limits::default() }).await;
    let mut stream = taken(running.address).await;
    let request = b"GET /_sagegate/health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    assert_eq!(status(&exchange(running.address, request).await), "503");
    stream.shutdown().await.unwrap();
    rest(&mut stream).await;
    // The server has dropped its end of the count just after that of the connection.
    soon(async {
        while status(&exchange(running.address, request).await) != "200" {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn who_does_not_ask_for_it_or_sends_a_body_does_not_get_it() {
    let running = start(Limits::default()).await;
    for request in [
        "GET /v1/data-channel/s HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "POST /v1/data-channel/s HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\n\
         upgrade: echo\r\ncontent-length: 2\r\n\r\nhi",
        "POST /v1/data-channel/s HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\n\
         upgrade: echo\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        let answer = exchange(running.address, request.as_bytes()).await;
        assert_eq!(status(&answer), "426", "{answer}");
    }
}
