//! The wire as it looks: answers, errors, refusals.

mod answers;
mod refusals;
mod routes;

use expect_test::Expect;
use http::{Method, Response};
use sagegate_model::{ServiceSchema, Struct};

use crate::route::Head;
use crate::{ApiError, encode};

fn shown(response: &Response<bytes::Bytes>) -> String {
    let mut out = format!("{}\n", response.status());
    for (name, value) in response.headers() {
        out.push_str(&format!("{name}: {}\n", value.to_str().unwrap()));
    }
    out + "\n" + std::str::from_utf8(response.body()).unwrap()
}

fn answer(service: &'static ServiceSchema, operation: &str, answer: &dyn Struct, expect: Expect) {
    let operation = service.operation(operation).unwrap();
    expect.assert_eq(&shown(&encode(service.protocol, service, operation, answer, "id-1")));
}

fn request(
    service: &'static ServiceSchema,
    operation: &str,
    body: &str,
) -> Result<Box<dyn Struct>, ApiError> {
    let target = format!("{}.{operation}", service.target_prefix);
    let head = Head {
        scope: Some(service.signing_name),
        target: Some(&target),
        method: Method::POST,
        ..Head::default()
    };
    let body = if service.target_prefix.is_empty() {
        format!("Action={operation}&Version={}&{body}", service.api_version)
    } else {
        body.to_owned()
    };
    let call = head.call(service, body.as_bytes())?;
    let mut request = sagegate_api::input(service, call.operation.name)
        .unwrap_or_else(|| Box::new(sagegate_model::Unit));
    call.decode(&mut *request)?;
    Ok(request)
}

fn refused(service: &'static ServiceSchema, operation: &str, body: &str, expect: Expect) {
    let error = request(service, operation, body).err().expect("it was accepted");
    expect.assert_eq(&format!("{} {}: {}", error.status, error.code, error.message));
}
