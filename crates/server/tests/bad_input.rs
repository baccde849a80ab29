//! Each kind of bad input gets a bounded and correct answer, and the server goes on.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;

use std::sync::atomic::Ordering;
use std::time::Duration;

use common::{Running, connect, exchange, is_public, one, rest, soon, start, start_at, status};
use sagegate_network::Arrival;
use sagegate_server::{Limits, Server};
use tokio::io::AsyncWriteExt;

fn small() -> Limits {
    Limits {
        head_bytes: 8192,
        headers: 20,
        body_bytes: 100_000,
        large_body_bytes: 200_000,
        bodies_bytes: 150_000,
        drain_bytes: 1_000_000,
        head_time: Duration::from_millis(200),
        body_idle_time: Duration::from_millis(200),
        body_time: Duration::from_millis(600),
        write_time: Duration::from_millis(200),
        connections: 50,
        stop_time: Duration::from_secs(5),
    }
}

#[tokio::test]
async fn every_bad_request_has_its_answer() {
    let running = start(small()).await;
    let long = "a".repeat(10_000);
    let many = "x: y\r\n".repeat(30);
    let body = "b".repeat(100_001);
    let cases = [
        ("400", "\0\0\0\0\r\n\r\n".to_owned()),
        ("400", "GET\r\n\r\n".into()),
        ("400", "GET / HTTP/9.9\r\nhost: h\r\n\r\n".into()),
        ("400", "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0".to_owned() + "\r\n\r\n"),
        ("400", "GET / HTTP/1.1\r\n\r\n".into()),
        ("400", "GET / HTTP/1.0\r\n\r\n".into()),
        ("400", "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n".into()),
        ("400", "GET / HTTP/1.1\r\nhost: a\r\nbad header: b\r\n\r\n".into()),
        ("400", "GET / HTTP/1.1\r\nhost: a\r\nx: a\r\n folded\r\n\r\n".into()),
        ("400", "GET http://other/ HTTP/1.1\r\nhost: a\r\n\r\n".into()),
        ("400", "CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n".into()),
        ("400", "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n".into()),
        ("431", format!("GET / HTTP/1.1\r\nhost: a\r\nx: {long}\r\n\r\n")),
        ("431", format!("GET / HTTP/1.1\r\nhost: a\r\n{many}\r\n")),
        ("431", format!("GET /{long} HTTP/1.1\r\nhost: a\r\n\r\n")),
        ("400", "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n".into()),
        ("400", "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n".into()),
        (
            "400",
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab".into(),
        ),
        ("400", "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n".into()),
        ("400", "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n".into()),
        ("400", "POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".into()),
        ("417", "POST / HTTP/1.1\r\nhost: a\r\nexpect: cake\r\ncontent-length: 1\r\n\r\n".into()),
        ("413", format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100001\r\n\r\n{body}")),
        (
            "413",
            "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 100001\r\n\r\n"
                .into(),
        ),
        (
            "413",
            format!(
                "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n186a1\r\n{body}\r\n0\r\n\r\n"
            ),
        ),
        ("408", "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc".into()),
        ("404", "GET /_sagegate/unknown HTTP/1.1\r\nhost: a\r\n\r\n".into()),
    ];
    for (wanted, request) in cases {
        let answer = exchange(running.address, request.as_bytes()).await;
        let start: String = request.chars().take(120).collect();
        assert_eq!(status(&answer), wanted, "{start:?}\n{answer}");
        let lower = answer.to_lowercase();
        assert!(lower.contains("x-amzn-requestid: 0d4b8e5c-id"), "{start:?}\n{answer}");
        assert!(lower.contains("\r\ndate: "), "{start:?}\n{answer}");
        assert!(lower.contains("connection: close"), "{start:?}\n{answer}");
        assert!(answer.contains("<Code>"), "{start:?}\n{answer}");
        // Each leaves its record, by what the client was told.
        let notes = std::mem::take(&mut *running.reset.notes.lock().unwrap());
        let [note] = &notes[..] else { panic!("{start:?}\n{notes:?}") };
        let (code, text) = note.error.as_ref().unwrap();
        assert!(answer.contains(&format!("<Code>{code}</Code><Message>{text}<")), "{note:?}");
        assert_eq!((&*note.request_id, note.operation), ("0d4b8e5c-id", "Refused"));
        assert!(matches!(note.arrival, Arrival::Public { .. }), "{note:?}");
    }
    let answer =
        exchange(running.address, b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    assert_eq!(status(&answer.await), "200");
    assert!(running.reset.notes.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_json_client_is_refused_in_json() {
    let running = start(small()).await;
    let request = "POST / HTTP/1.1\r\nhost: a\r\nx-amz-target: SageMaker.ListDomains\r\n\
                   user-agent: tester\r\nexpect: 100-continue\r\ncontent-length: 100001\r\n\r\n";
    let answer = exchange(running.address, request.as_bytes()).await;
    assert!(!answer.contains("100 Continue"), "{answer}");
    assert!(answer.contains(r#""__type":"RequestEntityTooLargeException""#), "{answer}");
    let notes = running.reset.notes.lock().unwrap();
    let error = notes[0].error.as_ref().unwrap();
    assert_eq!(error.0, "RequestEntityTooLargeException");
    assert_eq!(notes[0].user_agent, "tester");
}

#[tokio::test]
async fn truncated_and_silent_connections_are_closed() {
    let running = start(small()).await;
    // The last one is the preface of HTTP/2, whose clients take a close for "not served".
    for request in [
        "",
        "GET / HT",
        "GET / HTTP/1.1\r\nhost: a\r\nx-slow: ",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut stream = connect(running.address).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(rest(&mut stream).await, "", "{request:?}");
    }
    // The client's end of a body that is not whole.
    let mut stream = connect(running.address).await;
    stream.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nab").await.unwrap();
    stream.shutdown().await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.is_empty() || status(&answer) == "400", "{answer}");
}

#[tokio::test]
async fn a_body_that_drips_is_bounded_in_all() {
    let running = start(small()).await;
    let mut stream = connect(running.address).await;
    let head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let drip = tokio::spawn(async move {
        let mut tick = tokio::time::interval(Duration::from_millis(50));
        loop {
            tick.tick().await;
            if write.write_all(b"x").await.is_err() {
                break;
            }
        }
    });
    let mut out = Vec::new();
    let _ = soon(tokio::io::AsyncReadExt::read_to_end(&mut read, &mut out)).await;
    drip.abort();
    assert_eq!(status(&String::from_utf8(out).unwrap()), "408");
}

#[tokio::test]
async fn bodies_share_bounded_memory() {
    let running = start(small()).await;
    // 185,000 bytes over the 64 KiB that are free would be 119,464 of 150,000.
    let body = vec![b'b'; 185_000];
    let head =
        "POST /wait HTTP/1.1\r\nhost: a\r\ncontent-length: 185000\r\nconnection: close\r\n\r\n";
    let mut first = connect(running.address).await;
    first.write_all(head.as_bytes()).await.unwrap();
    first.write_all(&body).await.unwrap();
    while running.api.waiting.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let mut second = connect(running.address).await;
    second.write_all(head.as_bytes()).await.unwrap();
    let _ = second.write_all(&body).await;
    assert_eq!(status(&rest(&mut second).await), "503");
    running.api.gate.add_permits(2);
    assert_eq!(status(&rest(&mut first).await), "200");
    let third = [head.as_bytes(), &body].concat();
    assert_eq!(status(&exchange(running.address, &third).await), "200");
}

/// Bounds on time that no test waits for.
fn patient() -> Limits {
    let long = Duration::from_secs(3600);
    Limits { head_time: long, body_idle_time: long, body_time: long, write_time: long, ..small() }
}

#[tokio::test]
async fn connections_that_send_nothing_make_room() {
    let running = start(Limits { connections: 3, ..patient() }).await;
    let mut idle = connect(running.address).await;
    idle.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert_eq!(status(&one(&mut idle).await), "200");
    let mut silent = connect(running.address).await;
    let mut slow = connect(running.address).await;
    slow.write_all(b"GET / HTTP/1.1\r\nhost: ").await.unwrap();
    let mut held = Vec::new();
    // In the order in which they go.
    for gone in [&mut silent, &mut slow, &mut idle] {
        let request = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        let mut stream = connect(running.address).await;
        stream.write_all(request).await.unwrap();
        assert_eq!(status(&one(&mut stream).await), "200");
        assert_eq!(rest(gone).await, "", "it is closed without a word");
        // It goes on, as long as nobody needs its place.
        stream.write_all(request).await.unwrap();
        assert_eq!(status(&one(&mut stream).await), "200");
        held.push(stream);
    }
}

#[tokio::test]
async fn connections_are_bounded() {
    let running = start(Limits { connections: 2, ..patient() }).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = connect(running.address).await;
        stream.write_all(b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        held.push(stream);
    }
    soon(async {
        while running.api.waiting.load(Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let mut stream = connect(running.address).await;
    let answer = rest(&mut stream).await;
    assert_eq!(status(&answer), "503");
    assert!(answer.contains("x-amzn-requestid"), "{answer}");
    let note = running.reset.notes.lock().unwrap().pop().unwrap();
    assert_eq!(note.error.unwrap().0, "ServiceUnavailable");
    running.api.gate.add_permits(2);
    drop(held);
    loop {
        let request = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        if status(&exchange(running.address, request).await) == "200" {
            break;
        }
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_given_up() {
    let running = start(Limits { connections: 1, ..small() }).await;
    let mut stuck = connect(running.address).await;
    stuck.write_all(b"GET /big HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    // There is room for another one when the first is gone; it has read nothing until then.
    let request = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    soon(async { while status(&exchange(running.address, request).await) != "200" {} }).await;
    drop(stuck);
}

#[tokio::test]
async fn good_requests_of_unusual_form() {
    let running = start(small()).await;
    let mut stream = connect(running.address).await;

    stream.write_all(b"GET http://A/x?y=%2f HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let answer = one(&mut stream).await;
    assert!(answer.contains("api GET /x?y=%2f 0 ") && is_public(&answer), "{answer}");

    stream.write_all(b"OPTIONS /bad HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert!(one(&mut stream).await.contains("api OPTIONS /bad? 0 "));

    stream.write_all(b"GET /own-id HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let answer = one(&mut stream).await;
    assert!(answer.contains("x-amzn-requestid: own") && !answer.contains("0d4b"), "{answer}");

    let head =
        b"POST /bad HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n";
    stream.write_all(head).await.unwrap();
    assert_eq!(one(&mut stream).await, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"abc").await.unwrap();
    let answer = one(&mut stream).await;
    assert!(status(&answer) == "400" && answer.contains("api POST /bad? 3 "), "{answer}");

    // Two in one packet.
    let get = "GET /1 HTTP/1.1\r\nhost: a\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\n\r\n";
    stream.write_all(get.as_bytes()).await.unwrap();
    assert!(one(&mut stream).await.contains("GET /1? "));
    assert!(one(&mut stream).await.contains("GET /2? "));

    stream.write_all(b"HEAD / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.ends_with("\r\n\r\n") && answer.contains("content-length: "), "{answer}");

    // A length beside chunks: the chunks count, and the connection ends.
    let both = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n\
                5\r\nabcde\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
    let answer = exchange(running.address, both.as_bytes()).await;
    assert!(answer.contains("api POST /? 5 ") && !answer.contains("smuggled"), "{answer}");

    // A client that has closed its sending half is answered.
    let mut stream = connect(running.address).await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(status(&rest(&mut stream).await), "200");
}

#[tokio::test]
async fn own_paths() {
    let running = start(small()).await;
    let ask = async |method: &str, path: &str, headers: &str| {
        let request = format!("{method} {path} HTTP/1.1\r\n{headers}connection: close\r\n\r\n");
        exchange(running.address, request.as_bytes()).await
    };
    let answer = ask("GET", "/_sagegate/health", "host: localhost\r\n").await;
    assert!(answer.contains(r#"{"status":"ok"}"#), "{answer}");
    let last = |running: &Running| running.reset.notes.lock().unwrap().pop().unwrap();
    let note = last(&running);
    assert_eq!((note.operation, note.error), ("GetHealth", None));
    let reset = "/_sagegate/reset";
    let foreign = ask("POST", reset, "host: evil.example\r\n").await;
    assert_eq!(status(&foreign), "403");
    assert_eq!(last(&running).error.unwrap().0, "AccessDenied");
    let page = ask("POST", reset, "host: localhost\r\norigin: http://localhost\r\n").await;
    assert_eq!(status(&page), "403");
    assert_eq!(running.reset.done.load(Ordering::SeqCst), 0);
    assert_eq!(status(&ask("POST", reset, "host: localhost\r\n").await), "200");
    assert_eq!(running.reset.done.load(Ordering::SeqCst), 1);

    let running = start_at("127.0.0.1:0", small(), false).await;
    let request = b"POST /_sagegate/reset HTTP/1.1\r\nhost: localhost\r\n\r\n";
    assert_eq!(status(&exchange(running.address, request).await), "404");
    assert_eq!(last(&running).error.unwrap().0, "UnknownOperation");
}

#[tokio::test]
async fn stopping_answers_what_is_in_flight() {
    let running = start(small()).await;
    let mut idle = connect(running.address).await;
    idle.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    one(&mut idle).await;
    let mut busy = connect(running.address).await;
    busy.write_all(b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    while running.api.waiting.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let (ended, answer) = tokio::join!(running.server.stop(), async {
        assert_eq!(rest(&mut idle).await, "");
        running.api.gate.add_permits(1);
        rest(&mut busy).await
    });
    assert!(ended);
    assert_eq!(status(&answer), "200");
    // The address is free again.
    assert!(Server::bind(running.address).is_ok());
}

#[tokio::test]
async fn an_address_in_use_is_an_error() {
    let running = start(small()).await;
    let error = Server::bind(running.address).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);

    let all = start_at("0.0.0.0:0", small(), true).await;
    assert!(Server::bind(all.address).is_err());
}
