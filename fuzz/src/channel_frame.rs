//! Frames of the data channel: whatever arrives is read or refused, and what was read is written and
//! read back the same.
//!
//! An input is a frame in hexadecimal digits; whitespace is left out. Where only its digest or its
//! lengths are wrong they are put right as well, so that damage leads further than to them.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use sagegate_channel::{Body, Frame, Gateway, HEAD, Head};
use sagegate_fuzz::unhex;

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some(bytes) = unhex(input) else { return Corpus::Reject };
    let _ = Gateway::read_open(&bytes);
    check(&bytes.clone().into());
    if bytes.len() < HEAD {
        return Corpus::Keep;
    }
    let mut repaired = bytes;
    repaired[..4].copy_from_slice(&116_u32.to_be_bytes());
    let length = u32::try_from(repaired.len() - HEAD).expect("inputs are short");
    repaired[116..120].copy_from_slice(&length.to_be_bytes());
    if let Ok(frame) = Frame::read(&repaired.into()) {
        assert!(frame.payload.is_empty() || frame.created == 0 || frame.payload.len() > 0);
    }
    Corpus::Keep
});

fn check(bytes: &bytes::Bytes) {
    let Ok(frame) = Frame::read(bytes) else { return };
    let Frame { kind, created, sequence, flags, id, payload_type, ref payload } = frame;
    let head = Head { kind, created, sequence, flags, id, payload_type };
    let written = Body::from(&payload[..]).seal(&head);
    let again = Frame::read(&written);
    // A kind that is not known has no name to be written by, and two kinds need no date.
    if created != 0 {
        assert_eq!(again, Ok(frame));
    }
}
