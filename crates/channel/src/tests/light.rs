//! What a client and a gateway that both are ours leave out.

use super::way::{Way, frames, millis};
use crate::{Digests, Frame, Gateway, Kind, Manner, Payload, Transmit, limits};

/// A way whose client has sent its first data, and nothing is under way.
fn started(manner: Manner) -> Way {
    let mut way = Way::new(manner);
    way.start();
    way
}

fn data(transmits: impl IntoIterator<Item = Transmit>) -> Vec<Frame> {
    let binary = transmits.into_iter().filter_map(|transmit| match transmit {
        Transmit::Binary(bytes) => Some(bytes),
        _ => None,
    });
    binary.map(|bytes| Frame::read_as(&bytes, Digests::NotOfData).unwrap()).collect()
}

#[test]
fn the_plugin_gets_digests_and_an_acknowledgement_for_each_frame() {
    let mut way = started(Manner::PLUGIN);
    assert_eq!(way.gateway.room(way.now), limits::OUTPUT);
    way.gateway.send(way.now, crate::Body::from(&b"output"[..]));
    let sent = frames(std::iter::from_fn(|| way.gateway.transmit()).collect());
    assert_eq!(sent[0].payload, "output", "read with its digest");
    for _ in 0..3 {
        way.client.send(way.now, crate::Body::from(&b"input"[..]));
        let Some(Transmit::Binary(frame)) = way.client.transmit() else { panic!("a frame") };
        way.gateway.binary(way.now, &frame);
        let Some(Transmit::Binary(told)) = way.gateway.transmit_urgent() else { panic!("a frame") };
        assert_eq!(Frame::read(&told).unwrap().kind, Kind::Acknowledge);
    }
}

#[test]
fn an_older_client_or_gateway_of_ours_is_not_asked_for_it() {
    let mut way = started(Manner { light: false, ..Manner::OWN });
    assert_eq!(way.gateway.room(way.now), limits::OUTPUT);
    assert_eq!(way.client.room(), Manner::OWN.frame);
    way.gateway.send(way.now, crate::Body::from(&b"output"[..]));
    assert_eq!(
        frames(std::iter::from_fn(|| way.gateway.transmit()).collect())[0].payload,
        "output"
    );
    // What they say does not have the member.
    let older =
        Gateway::read_open(br#"{"TokenValue":"t","SagegateResume":{"Ticket":"","Received":0}}"#);
    assert!(!older.unwrap().sagegate_resume.unwrap().light);
    let offer: crate::Offer =
        serde_json::from_str(r#"{"Ticket":"t","Seconds":60,"Window":1}"#).unwrap();
    assert!(!offer.light);
}

#[test]
fn one_acknowledgement_speaks_for_all_that_has_arrived() {
    let mut way = started(Manner::OWN);
    assert_eq!(way.gateway.room(way.now), limits::LIGHT);
    assert_eq!(way.client.room(), limits::LIGHT);
    for _ in 0..5 {
        way.client.send(way.now, crate::Body::from(&b"input"[..]));
    }
    assert!(!way.client.is_flushed());
    for frame in std::iter::from_fn(|| way.client.transmit()) {
        let Transmit::Binary(frame) = frame else { panic!("a frame") };
        way.gateway.binary(way.now, &frame);
        assert!(way.gateway.transmit_urgent().is_none(), "it can wait for the next");
    }
    let told: Vec<Transmit> = std::iter::from_fn(|| way.gateway.transmit()).collect();
    assert_eq!(told.len(), 1);
    let Some(Transmit::Binary(told)) = told.first() else { panic!("a frame") };
    way.client.binary(way.now, told);
    assert!(way.client.is_flushed());
    // And the other way.
    for _ in 0..5 {
        way.gateway.send(way.now, crate::Body::from(&b"output"[..]));
    }
    let sent: Vec<Transmit> = std::iter::from_fn(|| way.gateway.transmit()).collect();
    for frame in &sent {
        let Transmit::Binary(frame) = frame else { panic!("a frame") };
        way.client.binary(way.now, frame);
    }
    let told = data(std::iter::from_fn(|| way.client.transmit()));
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].kind, Kind::Acknowledge);
    assert_eq!(data(sent).iter().filter(|it| it.payload_type == Payload::Data).count(), 5);
}

#[test]
fn what_was_not_acknowledged_when_the_socket_broke_is_told_on_the_next() {
    let mut way = started(Manner::OWN);
    way.client.send(way.now, crate::Body::from(&b"before"[..]));
    let Some(Transmit::Binary(frame)) = way.client.transmit() else { panic!("a frame") };
    way.gateway.binary(way.now, &frame);
    assert_eq!(way.gateway.data().unwrap(), "before");
    // The acknowledgement waits, and gets lost.
    way.break_and_resume();
    way.settle();
    assert!(way.client.is_flushed());
    way.wait(millis(1));
    way.toward_space(b"after");
    way.settle();
    assert!(way.at_space.ends_with(b"after"), "and nothing came twice");
}

#[test]
fn the_last_acknowledgement_goes_out_before_the_end() {
    let mut way = started(Manner::OWN);
    way.client.send(way.now, crate::Body::from(&b"exit"[..]));
    let Some(Transmit::Binary(frame)) = way.client.transmit() else { panic!("a frame") };
    way.gateway.binary(way.now, &frame);
    way.gateway.close(way.now, "enough");
    let told: Vec<Transmit> = std::iter::from_fn(|| way.gateway.transmit()).collect();
    assert!(matches!(told.last(), Some(Transmit::Close { .. })));
    let kinds: Vec<Kind> = data(told).iter().map(|frame| frame.kind).collect();
    assert!(kinds.contains(&Kind::Acknowledge) && kinds.contains(&Kind::Closed), "{kinds:?}");
}
