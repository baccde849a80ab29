//! From a request's head to its operation and members, as the gate asks for them.
//!
//! An input is a request, see [`sagegate_fuzz::request`].
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use sagegate_fuzz::{assert_xml, blank};
use sagegate_model::Protocol;
use sagegate_wire::ApiError;
use sagegate_wire::route::Head;
use sagegate_wire::sigv4;

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some(request) = sagegate_fuzz::request(input) else { return Corpus::Reject };
    let (parts, body) = request.into_parts();
    let signed = sigv4::Head {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers: &parts.headers,
    };
    let claim = sigv4::parse(&signed).ok();
    let head = Head::of(&parts, claim.as_ref().map(|claim| claim.service()));
    if let Err(error) = answer(&head, body) {
        let service = head.service().ok();
        assert!((400..600).contains(&error.status) && error.status != 500, "{error:?}");
        let response = error.encode(head.protocol(), service, "id");
        match head.protocol() {
            Protocol::Json10 | Protocol::Json11 => {
                serde_json::from_slice::<serde_json::Value>(response.body()).expect("JSON");
            }
            Protocol::Query | Protocol::Ec2 | Protocol::RestXml => assert_xml(response.body()),
        }
    }
    Corpus::Keep
});

fn answer(head: &Head<'_>, body: &[u8]) -> Result<(), ApiError> {
    let service = head.service()?;
    let call = head.call(service, body)?;
    if !call.operation.implemented {
        return Err(ApiError::not_implemented(service, call.operation.name));
    }
    call.decode(&mut *blank(service, call.operation))
}
