//! The AWS protocols on the wire: which operation a request names, its members with all
//! constraints, answers and errors as bytes, and the verification of signatures.
//!
//! Knows no service: everything about shapes comes from [`sagegate_model`].
//!
//! ```
//! # use sagegate_model::{Protocol, Unit};
//! # use sagegate_wire::route::Head;
//! let body = b"Action=GetCallerIdentity&Version=2011-06-15";
//! let head = Head { scope: Some("sts"), ..Head::default() };
//! let service = head.service()?;
//! let call = head.call(service, body)?;
//! assert_eq!(call.operation.name, "GetCallerIdentity");
//! call.decode(&mut Unit)?;
//! # Ok::<(), sagegate_wire::ApiError>(())
//! ```

mod decode;
mod error;
mod form;
mod json;
mod pattern;
mod query;
mod rest;
#[cfg(test)]
mod roundtrip;
pub mod route;
pub mod sigv4;
#[cfg(test)]
mod tests;
pub mod time;
mod validate;
mod value;
mod xml;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use sagegate_model::{OperationSchema, Protocol, ServiceSchema, Struct};

use decode::DecodeFailure;

pub use error::ApiError;
pub use json::string as json_string;
pub use validate::{Constraint, Violation, lower_first};

/// An operation's answer as an HTTP response, with status 200 or what the operation has.
#[must_use]
pub fn encode(
    protocol: Protocol,
    service: &ServiceSchema,
    operation: &OperationSchema,
    answer: &dyn Struct,
    request_id: &str,
) -> Response<Bytes> {
    let status = match service.binding(operation.name) {
        Some(binding) => StatusCode::from_u16(binding.status).unwrap_or(StatusCode::OK),
        None => StatusCode::OK,
    };
    let body = match protocol {
        // an operation without an answer has an empty body
        Protocol::Json10 | Protocol::Json11 | Protocol::RestXml if operation.output.is_none() => {
            Bytes::new()
        }
        Protocol::Json10 | Protocol::Json11 => json::encode(answer).into(),
        Protocol::Query | Protocol::Ec2 | Protocol::RestXml => {
            xml::encode(protocol, service, operation, answer, request_id).into()
        }
    };
    let mut response = response(protocol, status, request_id, body);
    rest::headers(answer, response.headers_mut());
    response
}

/// A response with what every response of a protocol carries.
fn response(
    protocol: Protocol,
    status: StatusCode,
    request_id: &str,
    body: Bytes,
) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let content_type = match protocol {
        Protocol::Json10 => "application/x-amz-json-1.0",
        Protocol::Json11 => "application/x-amz-json-1.1",
        Protocol::Query | Protocol::RestXml => "text/xml",
        Protocol::Ec2 => "text/xml;charset=UTF-8",
    };
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(HeaderName::from_static("x-amzn-requestid"), id);
    }
    response
}
