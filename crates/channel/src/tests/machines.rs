//! Laws of the two machines: whatever the way between them does that a client could make it do, what
//! was sent arrives, in order and once; and whatever is held is bounded.

use std::time::Duration;

use super::way::{Way, frames, millis};
use crate::{
    Body, End, Frame, Gateway, Gone, HEAD, Head, Ids, Kind, Manner, MessageId, Payload, Phase,
    Transmit, Violation, flag, limits,
};
use bytes::Bytes;
use proptest::prelude::*;

fn input(sequence: i64, payload_type: Payload, payload: &[u8]) -> Bytes {
    let (kind, flags, id) = (Kind::Input, 0, MessageId([7; 16]));
    Body::from(payload).seal(&Head { kind, created: 1, sequence, flags, id, payload_type })
}

fn acknowledge(sequence: i64) -> Bytes {
    let text = format!("{{\"AcknowledgedMessageSequenceNumber\":{sequence}}}");
    let (kind, flags, id) = (Kind::Acknowledge, 3, MessageId([8; 16]));
    let payload_type = Payload::Other(0);
    Body::from(text.as_bytes()).seal(&Head {
        kind,
        created: 1,
        sequence: 0,
        flags,
        id,
        payload_type,
    })
}

fn transmitted(gateway: &mut Gateway) -> Vec<Transmit> {
    std::iter::from_fn(|| gateway.transmit()).collect()
}

/// A gateway whose client has answered the handshake with frame 0.
fn running() -> Gateway {
    let mut gateway = Gateway::new("s", Ids::new([1; 8]), 1, millis(0));
    gateway.opened(millis(0), None);
    let response = br#"{"ProcessedClientActions":[{"ActionType":"SessionType","ActionStatus":1,
        "ActionResult":null,"Error":""}],"Errors":null}"#;
    gateway.binary(millis(1), &input(0, Payload::HandshakeResponse, response));
    assert_eq!(gateway.phase(), Phase::Running);
    for sequence in [0, 1] {
        gateway.binary(millis(1), &acknowledge(sequence));
    }
    transmitted(&mut gateway);
    gateway
}

#[test]
fn the_handshake_is_what_the_plugin_expects() {
    let mut gateway = Gateway::new("s", Ids::new([1; 8]), 1_700_000_000_000, millis(0));
    gateway.opened(millis(0), None);
    let request = frames(transmitted(&mut gateway)).remove(0);
    assert_eq!((request.kind, request.sequence, request.flags), (Kind::Output, 0, 1));
    assert_eq!(request.payload_type, Payload::HandshakeRequest);
    assert_eq!(
        request.payload,
        br#"{"AgentVersion":"3.3.1142.0","RequestedClientActions":[{"ActionType":"SessionType","ActionParameters":{"Properties":{"portNumber":"22"},"SessionType":"Port"}}]}"#[..],
    );
    let response = br#"{"ClientVersion":"1.2.677.0","ProcessedClientActions":[
        {"ActionType":"SessionType","ActionStatus":1,"ActionResult":null,"Error":""}],"Errors":null}"#;
    gateway.binary(millis(3), &input(0, Payload::HandshakeResponse, response));
    let mut told = frames(transmitted(&mut gateway));
    let complete = told.remove(1);
    let acknowledgement = told.remove(0);
    assert_eq!((acknowledgement.kind, acknowledgement.flags), (Kind::Acknowledge, 3));
    assert_eq!(
        acknowledgement.payload,
        br#"{"AcknowledgedMessageType":"input_stream_data","AcknowledgedMessageId":"07070707-0707-0707-0707-070707070707","AcknowledgedMessageSequenceNumber":0,"IsSequentialMessage":true}"#[..],
    );
    assert_eq!((complete.sequence, complete.payload_type), (1, Payload::HandshakeComplete));
    assert_eq!(
        complete.payload,
        br#"{"HandshakeTimeToComplete":3000000,"CustomerMessage":""}"#[..],
    );
}

#[test]
fn data_is_held_until_the_client_is_ready() {
    let mut gateway = running();
    assert_eq!(gateway.room(millis(2)), 0);
    gateway.binary(millis(3), &input(1, Payload::Data, b"SSH-2.0"));
    assert_eq!(gateway.room(millis(3)), limits::OUTPUT);
    assert_eq!(gateway.data().unwrap(), "SSH-2.0");
    // Or for a while.
    let gateway = running();
    assert_eq!(gateway.room(millis(250)), 0);
    assert_eq!(gateway.deadline(), Some(millis(251)));
    assert_eq!(gateway.room(millis(251)), limits::OUTPUT);
}

#[test]
fn every_frame_is_acknowledged_also_a_second_time_and_nothing_is_handed_on_twice() {
    let mut gateway = running();
    for sequence in [1, 3, 3, 1, 0, 2, 2] {
        gateway.binary(millis(2), &input(sequence, Payload::Data, &[b'a'; 2]));
        let told = frames(transmitted(&mut gateway));
        assert_eq!(told.len(), 1, "{sequence}");
        assert_eq!(told[0].kind, Kind::Acknowledge);
    }
    assert_eq!(std::iter::from_fn(|| gateway.data()).count(), 3);
    assert_eq!(gateway.traffic(), (6, 0));
}

fn ended_by(gateway: &Gateway) -> Violation {
    match gateway.end() {
        Some(End::Violated(violation)) => violation.clone(),
        end => panic!("{end:?}"),
    }
}

#[test]
fn what_is_not_allowed_closes_with_a_reason() {
    let first = 1 + limits::AHEAD;
    for found in [-1, i64::MIN, i64::MAX, first + 1] {
        let mut gateway = running();
        gateway.binary(millis(2), &input(found, Payload::Data, b"x"));
        assert_eq!(ended_by(&gateway), Violation::Sequence { found, expected: 1 });
        let Some(Transmit::Close { code: 1002, reason }) = transmitted(&mut gateway).pop() else {
            panic!("no close")
        };
        assert!(reason.contains(&found.to_string()), "{reason}");
    }
    let mut gateway = running();
    for sequence in 2..20 {
        gateway.binary(millis(2), &input(sequence, Payload::Data, &vec![0; 100_000]));
        assert!(gateway.held() < limits::AHEAD_BYTES + 100_000);
        transmitted(&mut gateway);
    }
    assert_eq!(ended_by(&gateway), Violation::OutOfOrder);

    let mut gateway = running();
    gateway.binary(millis(2), &input(1, Payload::Data, &vec![0; limits::FRAME]));
    assert_eq!(ended_by(&gateway), Violation::TooLong(limits::FRAME + HEAD));
    let mut gateway = running();
    gateway.text();
    assert_eq!(ended_by(&gateway), Violation::Unexpected("a text message"));
    let mut gateway = Gateway::new("s", Ids::new([1; 8]), 1, millis(0));
    gateway.binary(millis(1), &input(0, Payload::Data, b"x"));
    assert_eq!(ended_by(&gateway), Violation::Unexpected("a frame before the token"));
    let mut gateway = Gateway::new("s", Ids::new([1; 8]), 1, millis(0));
    gateway.opened(millis(1), None);
    gateway.binary(millis(1), &input(0, Payload::Data, b"x"));
    assert_eq!(ended_by(&gateway), Violation::Unexpected("data before the handshake"));
    let mut gateway = Gateway::new("s", Ids::new([1; 8]), 1, millis(0));
    gateway.opened(millis(1), None);
    let refusal = br#"{"ProcessedClientActions":[{"ActionType":"SessionType","ActionStatus":2}]}"#;
    gateway.binary(millis(1), &input(0, Payload::HandshakeResponse, refusal));
    assert_eq!(ended_by(&gateway), Violation::SessionType);
    assert!(Gateway::read_open(b"{}").is_ok());
    assert!(Gateway::read_open(b"[").is_err());
    assert!(Gateway::read_open(&[b' '; limits::OPEN + 1]).is_err());
}

#[test]
fn who_is_late_or_silent_is_let_go() {
    let mut gateway = Gateway::new("s", Ids::new([1; 8]), 1, millis(0));
    assert_eq!(gateway.deadline(), Some(limits::OPEN_TIME));
    gateway.tick(limits::OPEN_TIME);
    assert_eq!(gateway.end(), Some(&End::TooSlow("the token")));

    let mut gateway = Gateway::new("s", Ids::new([1; 8]), 1, millis(0));
    gateway.opened(millis(0), None);
    let mut now = millis(0);
    while let Some(next) = gateway.deadline() {
        assert!(next > now && next <= limits::HANDSHAKE_TIME);
        now = next;
        gateway.tick(now);
    }
    assert_eq!(gateway.end(), Some(&End::TooSlow("the answer to the handshake")));

    let mut gateway = running();
    gateway.binary(millis(2), &input(1, Payload::Data, b"x"));
    transmitted(&mut gateway);
    let mut pings = 0;
    while let Some(next) = gateway.deadline() {
        now = next;
        gateway.tick(now);
        pings += transmitted(&mut gateway).iter().filter(|it| **it == Transmit::Ping).count();
    }
    assert_eq!(gateway.end(), Some(&End::Silent));
    assert_eq!((pings, now), (3, millis(2) + limits::PING_TIME * 4));
}

#[test]
fn terminals_are_ignored_and_a_wish_to_end_is_heard() {
    let mut gateway = running();
    gateway.binary(millis(2), &input(1, Payload::Size, br#"{"cols":80,"rows":24}"#));
    let disconnect = flag::DISCONNECT_TO_PORT.to_be_bytes();
    gateway.binary(millis(2), &input(2, Payload::Flag, &disconnect));
    gateway.binary(millis(2), &input(3, Payload::Flag, b""));
    assert_eq!(gateway.end(), None);
    let terminate = flag::TERMINATE_SESSION.to_be_bytes();
    gateway.binary(millis(2), &input(4, Payload::Flag, &terminate));
    assert_eq!(gateway.end(), Some(&End::Left));
}

#[test]
fn a_client_that_never_reads_stops_the_space() {
    let mut gateway = running();
    gateway.binary(millis(2), &input(1, Payload::Data, b"x"));
    let mut sent = 0;
    loop {
        let room = gateway.room(millis(3));
        if room == 0 {
            break;
        }
        // Single bytes, which have the largest heads.
        let size = if sent < 1_000_000 { room } else { 1 };
        gateway.send(millis(3), Body::from(&*vec![0; size]));
        transmitted(&mut gateway);
        sent += size;
        // A frame whose successor is acknowledged has arrived.
        if sent == limits::OUTPUT * 3 {
            gateway.binary(millis(3), &acknowledge(4));
            assert_eq!(gateway.room(millis(3)), limits::OUTPUT);
        }
    }
    assert!(sent <= limits::WINDOW + limits::OUTPUT * 3, "{sent}");
    assert!(gateway.held() < 1024, "nothing has to be sent again: {}", gateway.held());
}

#[test]
fn the_end_waits_for_acknowledgements_for_a_while() {
    let mut way = Way::new(Manner::PLUGIN);
    way.start();
    way.toward_client(b"the last words");
    way.gateway.space_ended(way.now);
    assert_eq!(way.gateway.phase(), Phase::Flushing);
    way.settle();
    assert_eq!(way.client.end(), Some(&End::Closed(String::new())));
    assert_eq!(way.at_client, b"the last words");

    let mut gateway = running();
    gateway.binary(millis(2), &input(1, Payload::Data, b"x"));
    gateway.send(millis(3), Body::from(&b"not acknowledged"[..]));
    gateway.space_ended(millis(3));
    gateway.tick(millis(2002));
    assert_eq!(gateway.phase(), Phase::Flushing);
    gateway.tick(millis(2003));
    assert_eq!(gateway.end(), Some(&End::Finished));
    let told = transmitted(&mut gateway);
    let [.., Transmit::Binary(closed), Transmit::Close { code: 1000, .. }] = &*told else {
        panic!("{told:?}")
    };
    assert_eq!(Frame::read(closed).unwrap().kind, Kind::Closed);
}

#[test]
fn what_a_client_dropped_before_it_was_ready_is_sent_again() {
    let mut way = Way::new(Manner::PLUGIN);
    way.handshake();
    // The client is not ready, and says nothing.
    way.now += limits::HOLD_TIME;
    way.toward_client(b"server first");
    way.settle();
    assert_eq!(way.at_client, b"");
    way.client.ready();
    for _ in 0..5 {
        way.now += Duration::from_millis(100);
        way.gateway.tick(way.now);
        way.settle();
    }
    assert_eq!(way.at_client, b"server first");
}

#[test]
fn a_single_line_feed_is_what_the_plugin_sends_wrong() {
    for (manner, arrives) in [(Manner::PLUGIN, b"\r"), (Manner::OWN, b"\n")] {
        let mut way = Way::new(manner);
        way.start();
        way.at_space.clear();
        way.toward_space(b"\n");
        way.settle();
        assert_eq!(way.at_space, arrives);
    }
}

#[test]
fn a_ticket_is_for_the_session_while_it_lasts() {
    let mut way = Way::new(Manner::OWN);
    way.start();
    assert!(way.gateway.resumed(way.now, 99).is_err());
    assert!(way.gateway.detached(way.now, Gone::Broken));
    assert_eq!(way.gateway.room(way.now), 0);
    way.gateway.tick(way.now + limits::RESUME_TIME);
    assert_eq!(way.gateway.end(), Some(&End::Lost));
    assert!(way.gateway.resumed(way.now, 2).is_err());
    // Who says goodbye is not waited for, and the plugin never is.
    let mut way = Way::new(Manner::OWN);
    way.start();
    assert!(!way.gateway.detached(way.now, Gone::Closed));
    assert_eq!(way.gateway.end(), Some(&End::Left));
    let mut gateway = running();
    assert!(!gateway.detached(millis(5), Gone::Eof));
    assert_eq!(gateway.end(), Some(&End::Left));
}

/// What happens on the way.
#[derive(Debug, Clone)]
enum Step {
    ToSpace(Vec<u8>),
    ToClient(Vec<u8>),
    /// Delivers up to so many messages each way.
    Deliver(usize, usize),
    /// The newest message to the gateway overtakes the others.
    Overtake,
    /// The oldest message to the gateway arrives twice.
    Double,
    Wait(u64),
    /// The socket breaks with what is on it, and the client comes back.
    Break,
}

fn steps(breaks: bool) -> impl Strategy<Value = Vec<Step>> {
    let data = || proptest::collection::vec(any::<u8>(), 1..3000);
    let step = prop_oneof![
        4 => data().prop_map(Step::ToSpace),
        4 => data().prop_map(Step::ToClient),
        4 => (0_usize..6, 0_usize..6).prop_map(|(up, down)| Step::Deliver(up, down)),
        1 => Just(Step::Overtake),
        1 => Just(Step::Double),
        1 => (1_u64..400).prop_map(Step::Wait),
        u32::from(breaks) => Just(Step::Break),
    ];
    proptest::collection::vec(step, 0..60)
}

fn walk(manner: Manner, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut way = Way::new(manner);
    way.start();
    let (mut up, mut down) = (way.at_space.clone(), Vec::new());
    for step in steps {
        match step {
            Step::ToSpace(data) => up.extend_from_slice(way.toward_space(data)),
            Step::ToClient(data) => down.extend_from_slice(way.toward_client(data)),
            Step::Deliver(up, down) => way.deliver(*up, *down),
            Step::Overtake => way.overtake(),
            Step::Double => way.double(),
            Step::Wait(time) => way.wait(millis(*time)),
            Step::Break => way.break_and_resume(),
        }
        prop_assert!(way.gateway.held() <= limits::RESUME_WINDOW + limits::AHEAD_BYTES);
        prop_assert_eq!(way.gateway.end(), None);
    }
    way.settle();
    prop_assert!(way.at_space == up, "to the space");
    prop_assert!(way.at_client == down, "to the client");
    prop_assert!(way.client.is_flushed());
    prop_assert!(way.gateway.held() == 0);
    Ok(())
}

proptest! {
    #[test]
    fn the_plugin_loses_nothing(steps in steps(false)) {
        walk(Manner::PLUGIN, &steps)?;
    }

    #[test]
    fn our_client_loses_nothing_when_the_socket_breaks(steps in steps(true)) {
        walk(Manner::OWN, &steps)?;
    }

    #[test]
    fn nothing_that_a_client_sends_is_too_bad(
        messages in proptest::collection::vec(
            (-3_i64..8, 0_u32..14, proptest::collection::vec(any::<u8>(), 0..40)), 0..40),
    ) {
        let mut gateway = running();
        for (sequence, number, payload) in messages {
            let payload_type = if number == 1 { Payload::Data } else { Payload::Other(number) };
            gateway.binary(millis(5), &input(sequence, payload_type, &payload));
            prop_assert!(transmitted(&mut gateway).len() <= 3);
            gateway.tick(millis(5));
        }
    }
}
