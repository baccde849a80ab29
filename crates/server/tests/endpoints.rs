//! Listeners of endpoints: what they tell, and how they follow the state.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering;

use common::{
    at, bound_at, connect, endpoint, exchange, is_public, one, rest, start, start_at, status,
};
use sagegate_network::{Arrival, Places};
use sagegate_server::{Limits, ListenAddress, Via, has_loopback_range};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const GET_ONCE: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
const API: &str = "com.amazonaws.us-west-2.sagemaker.api";

/// An address of the loopback range at the public port.
fn beside(public: SocketAddr, last: u8) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(127, 77, 1, last), public.port()))
}

async fn is_refused(address: SocketAddr) -> bool {
    TcpStream::connect(address).await.is_err()
}

#[tokio::test]
async fn each_address_tells_its_own_arrival() {
    if !has_loopback_range() {
        return;
    }
    let running = start(Limits::default()).await;
    let (a, b, c) =
        (beside(running.address, 1), beside(running.address, 2), beside(running.address, 3));
    let done = running.server.converge(vec![
        at(a, endpoint(API), None),
        at(b, endpoint("aws.sagemaker.us-west-2.studio"), None),
        at(c, Via::Door, None),
    ]);
    let done = done.await;
    assert_eq!((done.listening.len(), done.failures().count()), (3, 0));

    let answer = exchange(a, GET_ONCE).await;
    assert!(answer.contains("api GET") && answer.contains("vpc_source_ip: 10.0.0.4"), "{answer}");
    let answer = exchange(b, GET_ONCE).await;
    assert!(answer.contains("door GET") && answer.contains("vpce-1"), "{answer}");
    let answer = exchange(c, GET_ONCE).await;
    assert!(answer.contains("door GET") && is_public(&answer), "{answer}");
    // What a request says of itself changes nothing.
    let forged = b"GET / HTTP/1.1\r\nhost: vpce-9.sagemaker\r\nx-forwarded-for: 10.0.0.4\r\n\
                   forwarded: for=10.0.0.4\r\nconnection: close\r\n\r\n";
    assert!(is_public(&exchange(running.address, forged).await));
    // The server's own paths are on the public listener only.
    let health = b"GET /_sagegate/health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    assert!(exchange(a, health).await.contains("api GET"));
}

#[tokio::test]
async fn what_is_gone_is_closed_and_its_requests_are_answered() {
    if !has_loopback_range() {
        return;
    }
    let running = start(Limits::default()).await;
    let address = beside(running.address, 4);
    running.server.converge(vec![at(address, endpoint(API), None)]).await;
    let mut idle = connect(address).await;
    idle.write_all(GET).await.unwrap();
    one(&mut idle).await;
    let mut busy = connect(address).await;
    busy.write_all(b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    while running.api.waiting.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }

    assert_eq!(running.server.converge(vec![]).await.listening.len(), 0);
    assert!(is_refused(address).await);
    assert_eq!(rest(&mut idle).await, "");
    running.api.gate.add_permits(1);
    assert_eq!(status(&rest(&mut busy).await), "200");

    // And it can come back.
    running.server.converge(vec![at(address, endpoint(API), None)]).await;
    assert_eq!(status(&exchange(address, GET_ONCE).await), "200");
}

#[tokio::test]
async fn a_denial_closes_at_accept_and_what_was_open() {
    if !has_loopback_range() {
        return;
    }
    let running = start(Limits::default()).await;
    let address = beside(running.address, 5);
    running.server.converge(vec![at(address, endpoint(API), None)]).await;
    let mut open = connect(address).await;
    open.write_all(GET).await.unwrap();
    assert_eq!(status(&one(&mut open).await), "200");

    running.server.converge(vec![at(address, endpoint(API), Some("no rule"))]).await;
    let _ = open.write_all(GET).await;
    assert_eq!(rest(&mut open).await, "");
    assert_eq!(exchange(address, GET).await, "");

    running.server.converge(vec![at(address, endpoint(API), None)]).await;
    assert_eq!(status(&exchange(address, GET_ONCE).await), "200");
}

#[tokio::test]
async fn the_arrival_follows_the_state_on_open_connections() {
    if !has_loopback_range() {
        return;
    }
    let running = start(Limits::default()).await;
    let address = beside(running.address, 6);
    running.server.converge(vec![at(address, Via::Door, None)]).await;
    let mut open = connect(address).await;
    open.write_all(GET).await.unwrap();
    assert!(one(&mut open).await.contains("door GET"));
    running.server.converge(vec![at(address, endpoint(API), None)]).await;
    open.write_all(GET).await.unwrap();
    assert!(one(&mut open).await.contains("api GET"));
}

#[tokio::test]
async fn failures_are_told_by_address_and_tried_again() {
    if !has_loopback_range() {
        return;
    }
    let running = start(Limits::default()).await;
    let (a, b) = (beside(running.address, 7), beside(running.address, 8));
    let other = std::net::TcpListener::bind(a).unwrap();
    let wanted = vec![at(a, endpoint(API), None), at(b, endpoint(API), None)];
    let done = running.server.converge(wanted.clone()).await;
    assert_eq!(done.listening.len(), 1);
    assert_eq!(done.failures().map(|(address, _)| address).collect::<Vec<_>>(), [a]);
    drop(other);
    assert_eq!(running.server.converge(wanted).await.listening.len(), 2);
}

#[tokio::test]
async fn beside_a_wildcard_an_endpoint_keeps_its_arrival() {
    if !has_loopback_range() {
        return;
    }
    // As at a start: the public address is taken first and served last.
    let (running, listener) = bound_at("0.0.0.0:0", Limits::default(), true);
    let (a, b) = (beside(running.address, 9), beside(running.address, 10));
    let c = beside(running.address, 11);
    let done = running.server.converge(vec![at(a, endpoint(API), None)]).await;
    running.server.serve(listener).await;
    assert_eq!((done.listening.len(), done.failures().count()), (1, 0));
    assert!(exchange(a, GET_ONCE).await.contains("vpce-1"));
    let done = running.server.converge(vec![at(a, endpoint(API), None), at(c, Via::Door, None)]);
    assert_eq!(done.await.listening.len(), 2);
    assert!(exchange(c, GET_ONCE).await.contains("door GET"));
    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, running.address.port()));
    assert!(is_public(&exchange(local, GET_ONCE).await));
    // An address that is no endpoint's (any more) is not the public one either.
    assert_eq!(exchange(b, GET).await, "");
    running.server.converge(vec![]).await;
    assert_eq!(exchange(a, GET).await, "");
}

#[tokio::test]
async fn an_address_of_the_loopback_range_can_be_the_public_one() {
    if !has_loopback_range() {
        return;
    }
    let running = start_at("127.0.0.2:0", Limits::default(), true).await;
    assert_eq!(status(&exchange(running.address, GET_ONCE).await), "200");
}

#[tokio::test]
async fn a_rule_taken_away_while_a_body_is_on_its_way_closes() {
    if !has_loopback_range() {
        return;
    }
    let running = start(Limits::default()).await;
    let address = beside(running.address, 12);
    running.server.converge(vec![at(address, endpoint(API), None)]).await;
    let mut open = connect(address).await;
    open.write_all(HALF).await.unwrap();
    assert!(one(&mut open).await.starts_with("HTTP/1.1 100 "));
    running.server.converge(vec![at(address, endpoint(API), Some("no rule"))]).await;
    let _ = open.write_all(b"ab").await;
    assert_eq!(rest(&mut open).await, "");
}

#[tokio::test]
async fn the_arrival_is_that_of_the_moment_when_the_body_is_there() {
    if !has_loopback_range() {
        return;
    }
    let running = start(Limits::default()).await;
    let address = beside(running.address, 13);
    running.server.converge(vec![at(address, Via::Door, None)]).await;
    let mut open = connect(address).await;
    open.write_all(HALF).await.unwrap();
    assert!(one(&mut open).await.starts_with("HTTP/1.1 100 "));
    running.server.converge(vec![at(address, endpoint(API), None)]).await;
    open.write_all(b"ab").await.unwrap();
    let answer = one(&mut open).await;
    assert!(answer.contains("api POST") && answer.contains("vpce-1"), "{answer}");
}

/// The server asks for the body when it has read the head: the test waits for that.
const HALF: &[u8] =
    b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n";

#[tokio::test]
async fn of_two_that_want_one_socket_the_first_has_it() {
    let running = start(Limits::default()).await;
    // Without the loopback range addresses share the ports of 127.0.0.1, and 16,384 of them a port.
    let places = Places { port: running.address.port(), range: false };
    let free = (1..255).map(|last| Ipv4Addr::new(127, 65, 1, last)).find(|address| {
        // Bound and let go again: whether it is free is the machine's affair, not this test's.
        std::net::TcpListener::bind(places.socket(*address)).is_ok()
    });
    let [.., last] = free.unwrap().octets();
    let (a, b) = (Ipv4Addr::new(127, 65, 1, last), Ipv4Addr::new(127, 65, 65, last));
    let socket = places.socket(a);
    assert_eq!(socket, places.socket(b));
    let wanted =
        vec![at(socket, endpoint(API), None), at(places.socket(b), Via::Door, Some("no rule"))];
    for _ in 0..2 {
        let done = running.server.converge(wanted.clone()).await;
        assert_eq!(done.listening.len(), 1);
        assert_eq!(done.failures().map(|(address, _)| address).collect::<Vec<_>>(), [socket]);
        assert!(exchange(socket, GET_ONCE).await.contains("vpce-1"));
    }
}

#[tokio::test]
async fn an_endpoint_refuses_what_is_meant_for_another() {
    if !has_loopback_range() {
        return;
    }
    let running = start(Limits::default()).await;
    let address = beside(running.address, 14);
    let names = vec!["api.sagemaker.us-west-2.amazonaws.com".to_owned()];
    let at = ListenAddress { names, ..at(address, endpoint(API), None) };
    running.server.converge(vec![at]).await;
    let ask = async |host: &str| {
        let request = format!("GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        exchange(address, request.as_bytes()).await
    };
    let own =
        ["api.sagemaker.us-west-2.amazonaws.com", "API.sagemaker.us-west-2.amazonaws.com:443"];
    for host in [&address.to_string(), "localhost:1", "inside.example", "", own[0], own[1]] {
        assert_eq!(status(&ask(host).await), "200", "{host}");
    }
    for host in ["sts.us-west-2.amazonaws.com", "vpce-2.api.sagemaker.us-west-2.vpce.amazonaws.com"]
    {
        let answer = ask(host).await;
        assert_eq!(status(&answer), "421", "{host}");
        assert!(answer.contains("<Code>MisdirectedRequest</Code>"), "{answer}");
        let note = running.reset.notes.lock().unwrap().pop().unwrap();
        assert_eq!(note.error.unwrap().0, "MisdirectedRequest");
        assert!(matches!(note.arrival, Arrival::Endpoint(_)));
    }
    // The public listener has no name of its own to be missed.
    let sts = b"GET / HTTP/1.1\r\nhost: sts.eu-west-1.amazonaws.com\r\nconnection: close\r\n\r\n";
    assert_eq!(status(&exchange(running.address, sts).await), "200");
}
