//! The layout of frames: an observed one of the plugin, and what hostile ones lead to.

use crate::{Body, Digests, Frame, FrameError, Head, Ids, Kind, MessageId, Payload};
use bytes::Bytes;
use proptest::prelude::*;

/// The head of a handshake response of plugin 1.2.677.0, but for digest and lengths.
const OBSERVED: &str = "00000074\
    696e7075745f73747265616d5f64617461202020202020202020202020202020\
    00000001000001a2038020c60000000000000000000000000000000\
    08cdb4a9bad83800ab41997cfdb0f4208";

fn sealed(payload: &[u8]) -> Bytes {
    let head = Head {
        kind: Kind::Input,
        created: 0x01a2_0380_20c6,
        sequence: 0,
        flags: 0,
        id: MessageId(hex::decode("b41997cfdb0f42088cdb4a9bad83800a").unwrap().try_into().unwrap()),
        payload_type: Payload::HandshakeResponse,
    };
    Body::from(payload).seal(&head)
}

#[test]
fn a_frame_is_written_as_the_plugin_writes_it() {
    let written = sealed(&[b'x'; 0x91]);
    assert_eq!(hex::encode(&written[..80]), OBSERVED);
    assert_eq!(hex::encode(&written[112..120]), "0000000600000091");
    let read = Frame::read(&written).unwrap();
    assert_eq!(read.id.to_string(), "b41997cf-db0f-4208-8cdb-4a9bad83800a");
    assert_eq!(read.kind, Kind::Input);
    assert_eq!(read.payload_type, Payload::HandshakeResponse);
    assert_eq!(read.payload.len(), 0x91);
}

fn with(frame: &Bytes, at: usize, bytes: &[u8]) -> Bytes {
    let mut changed = frame.to_vec();
    changed[at..at + bytes.len()].copy_from_slice(bytes);
    changed.into()
}

#[test]
fn what_is_wrong_with_a_frame_is_told() {
    let good = sealed(b"hello");
    let read = |frame: &Bytes| Frame::read(frame).unwrap_err();
    for length in 0..120 {
        assert_eq!(read(&good.slice(..length)), FrameError::Short(length));
    }
    for length in [0, 1, 115, 122, 126, 0x7fff_ffff, u32::MAX] {
        let changed = with(&good, 0, &length.to_be_bytes());
        assert_eq!(read(&changed), FrameError::HeaderLength(length), "{length}");
    }
    // Between the two, what is taken for the length is not that of the rest.
    let changed = with(&good, 0, &117_u32.to_be_bytes());
    assert!(matches!(read(&changed), FrameError::Length { .. }));
    assert_eq!(read(&with(&good, 4, &[b' '; 32])), FrameError::NoKind);
    assert_eq!(read(&with(&good, 4, &[0; 32])), FrameError::NoKind);
    assert_eq!(read(&with(&good, 40, &[0; 8])), FrameError::NoDate);
    assert_eq!(read(&with(&good, 80, &[0; 32])), FrameError::Digest);
    assert_eq!(read(&with(&good, 124, b"!")), FrameError::Digest);
    assert_eq!(read(&good.slice(..124)), FrameError::Length { said: 5, found: 4 });
    let padded = with(&good, 4, b"input_stream_data\0\0\0 \0           ");
    assert_eq!(Frame::read(&padded).unwrap().kind, Kind::Input);
    let unknown = with(&good, 4, b"agent_session_state             ");
    assert_eq!(Frame::read(&unknown).unwrap().kind, Kind::Other);
}

#[test]
fn ids_differ_and_are_of_version_4() {
    let mut ids = Ids::new([0xff; 8]);
    let (first, second) = (ids.make().to_string(), ids.make().to_string());
    assert_eq!(first, "ffffffff-ffff-4fff-8000-000000000000");
    assert_eq!(second, "ffffffff-ffff-4fff-8000-000000000001");
}

proptest! {
    #[test]
    fn no_bytes_are_too_bad(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Frame::read(&bytes.into());
    }

    #[test]
    fn no_change_of_a_frame_is_too_bad(at in 0_usize..140, to in any::<[u8; 4]>()) {
        let frame = sealed(b"twenty-four bytes payload");
        let _ = Frame::read(&with(&frame, at, &to));
    }

    #[test]
    fn what_was_written_is_read(
        payload in proptest::collection::vec(any::<u8>(), 0..300),
        created in 1_u64..,
        sequence: i64,
        flags: u64,
        id: [u8; 16],
    ) {
        let (kind, payload_type) = (Kind::Output, Payload::Data);
        let id = MessageId(id);
        let head = Head { kind, created, sequence, flags, id, payload_type };
        let read = Frame::read(&Body::from(&*payload).seal(&head)).unwrap();
        let payload = Bytes::from(payload);
        prop_assert_eq!(
            read,
            Frame { kind, created, sequence, flags, id, payload_type, payload }
        );
    }
}

#[test]
fn only_data_goes_without_a_digest_and_only_where_that_was_agreed_on() {
    let head = |payload_type| Head {
        kind: Kind::Input,
        created: 1,
        sequence: 3,
        flags: 0,
        id: MessageId([7; 16]),
        payload_type,
    };
    let light = Body::from(&b"hello"[..]).seal_as(&head(Payload::Data), Digests::NotOfData);
    assert_eq!(light[80..112], [0; 32]);
    assert_eq!(Frame::read(&light), Err(FrameError::Digest));
    assert_eq!(Frame::read_as(&light, Digests::NotOfData).unwrap().payload, "hello");
    // A digest that is there is looked at.
    let wrong = with(&light, 111, &[1]);
    assert_eq!(Frame::read_as(&wrong, Digests::NotOfData), Err(FrameError::Digest));
    let full = Body::from(&b"hello"[..]).seal(&head(Payload::Data));
    assert_eq!(Frame::read_as(&full, Digests::NotOfData).unwrap().payload, "hello");
    // What says how the session goes on has one always.
    let flag = Body::from(&[0, 0, 0, 2][..]).seal_as(&head(Payload::Flag), Digests::NotOfData);
    assert!(Frame::read(&flag).is_ok());
    let bare = with(&flag, 80, &[0; 32]);
    assert_eq!(Frame::read_as(&bare, Digests::NotOfData), Err(FrameError::Digest));
}
