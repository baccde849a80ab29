//! The codec of REST requests with XML (Route 53): whatever is sent is read or refused, and both answers
//! are well-formed XML.
//!
//! An input is the name of an operation, a line end, the path with its query string, a line end, and the
//! body.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use sagegate_fuzz::{assert_xml, blank, operation};
use sagegate_model::Protocol;
use sagegate_wire::encode;

fuzz_target!(|input: &[u8]| -> Corpus {
    let of = |protocol| protocol == Protocol::RestXml;
    let Some((service, operation, sent)) = operation(input, of) else { return Corpus::Reject };
    let mut read = blank(service, operation);
    let Some(done) = sagegate_fuzz::read(service, operation, sent, &mut *read) else {
        return Corpus::Reject;
    };
    let answer = match done {
        Err(error) => {
            assert!(
                (400..500).contains(&error.status),
                "a bad request is not our fault: {error:?}"
            );
            error.encode(service.protocol, Some(service), "id")
        }
        // A request is no answer, but its members have the same shapes.
        Ok(()) => encode(service.protocol, service, operation, &*read, "id"),
    };
    assert_xml(answer.body());
    Corpus::Keep
});
