//! The server's own answers, to requests that never reach a handler.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use sagegate_gate::Unsigned;
use sagegate_network::Arrival;

use crate::exchange::HttpResponse;

/// The header that names a request.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// Why the server itself refuses a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    NoHost,
    SeveralHosts,
    OtherAuthority,
    Target,
    Expectation,
    BodyTooLong { limit: u64 },
    BodyTooSlow,
    BodyBroken,
    Busy,
    NotHere,
    OtherHost,
    NoUpgrade,
    ForeignOrigin,
}

impl Refusal {
    fn parts(self) -> (StatusCode, &'static str, String) {
        let bad = |text: &str| (StatusCode::BAD_REQUEST, "MalformedHttpRequest", text.to_owned());
        match self {
            Self::NoHost => bad("The request must contain a 'Host' header."),
            Self::SeveralHosts => bad("The request must contain one 'Host' header only."),
            Self::OtherAuthority => bad("The 'Host' header must name the host of the request URI."),
            Self::Target => bad("The request URI must be an absolute path."),
            Self::Expectation => (
                StatusCode::EXPECTATION_FAILED,
                "MalformedHttpRequest",
                "The only expectation that is served is '100-continue'.".to_owned(),
            ),
            Self::BodyTooLong { limit } => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "RequestEntityTooLarge",
                format!("The request payload exceeds the limit of {limit} bytes."),
            ),
            Self::BodyTooSlow => (
                StatusCode::REQUEST_TIMEOUT,
                "RequestTimeout",
                "The request body was not received in time.".to_owned(),
            ),
            Self::BodyBroken => bad("The request body is incomplete or wrongly framed."),
            Self::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "ServiceUnavailable",
                "Too many request bodies are being received. Try again.".to_owned(),
            ),
            Self::NotHere => (
                StatusCode::NOT_FOUND,
                "UnknownOperation",
                "There is nothing at this path.".to_owned(),
            ),
            Self::NoUpgrade => (
                StatusCode::UPGRADE_REQUIRED,
                "MalformedHttpRequest",
                "This path is for requests that ask for an upgrade, and have no body.".to_owned(),
            ),
            // RFC 9110, section 15.5.20.
            Self::OtherHost => (
                StatusCode::MISDIRECTED_REQUEST,
                "MisdirectedRequest",
                "This VPC endpoint is not called by the name in the 'Host' header, which is another's. Use one of the endpoint's own DNS names, or its address.".to_owned(),
            ),
            Self::ForeignOrigin => (
                StatusCode::FORBIDDEN,
                "AccessDenied",
                "This path is for programs of this machine: a loopback address, a local 'Host' and no 'Origin'.".to_owned(),
            ),
        }
    }

    /// The answer, in the protocol that the request's headers let expect. The connection is closed
    /// after it: what of the request is still under way must not be taken for the next one.
    ///
    /// With it come the code and the text that the client is told.
    pub(crate) fn answer(self, headers: &HeaderMap, id: &str) -> (HttpResponse, (String, String)) {
        let (status, code, text) = self.parts();
        let json = headers.contains_key("x-amz-target")
            || headers.get(CONTENT_TYPE).is_some_and(|kind| {
                kind.as_bytes().starts_with(b"application/x-amz-json")
                    || kind.as_bytes().starts_with(b"application/json")
            });
        let code = if json { format!("{code}Exception") } else { code.to_owned() };
        let (kind, body) = if json {
            let body = serde_json::json!({ "__type": code, "Message": text });
            ("application/x-amz-json-1.1", body.to_string())
        } else {
            let body = format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ErrorResponse><Error>\
                 <Type>Sender</Type><Code>{code}</Code><Message>{text}</Message></Error>\
                 <RequestId>{id}</RequestId></ErrorResponse>"
            );
            ("text/xml", body)
        };
        let mut response = plain(status, kind, Bytes::from(body));
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        (response, (code, text))
    }
}

/// The record of a request that the server has refused, by the code and the text of the answer.
pub(crate) fn unserved(
    arrival: Arrival,
    request_id: String,
    headers: Option<&HeaderMap>,
    error: (String, String),
) -> Unsigned {
    let user_agent = headers.and_then(|headers| headers.get(USER_AGENT)?.to_str().ok());
    Unsigned {
        service: "unknown",
        operation: "Refused",
        arrival,
        request_id,
        user_agent: user_agent.unwrap_or_default().to_owned(),
        error: Some(error),
        decision: "not asked: the server refused the request before anybody looked at what it asks",
    }
}

/// A response with a body of this type.
pub(crate) fn plain(status: StatusCode, kind: &'static str, body: Bytes) -> HttpResponse {
    let mut response = http::Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
