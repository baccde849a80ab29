//! The JSON codec: whatever is sent is read or refused, and what was read is written and read back
//! the same.
//!
//! An input is the name of an operation, a line end, and the body.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use sagegate_fuzz::{blank, operation};
use sagegate_model::Protocol;
use sagegate_wire::encode;

fuzz_target!(|input: &[u8]| -> Corpus {
    let json = |protocol| matches!(protocol, Protocol::Json10 | Protocol::Json11);
    let Some((service, operation, body)) = operation(input, json) else { return Corpus::Reject };
    let mut read = blank(service, operation);
    let Some(done) = sagegate_fuzz::read(service, operation, body, &mut *read) else {
        return Corpus::Reject;
    };
    if let Err(error) = done {
        assert!((400..500).contains(&error.status), "a bad request is not our fault: {error:?}");
        let answer = error.encode(service.protocol, Some(service), "id");
        serde_json::from_slice::<serde_json::Value>(answer.body()).expect("an error is JSON");
        return Corpus::Keep;
    }
    let written = encode(service.protocol, service, operation, &*read, "id");
    if operation.output.is_none() {
        return Corpus::Keep;
    }
    let mut again = blank(service, operation);
    let done = sagegate_fuzz::read(service, operation, written.body(), &mut *again);
    assert!(matches!(done, Some(Ok(()))), "what is written is read: {done:?}");
    let twice = encode(service.protocol, service, operation, &*again, "id");
    assert_eq!(written.body(), twice.body());
    Corpus::Keep
});
