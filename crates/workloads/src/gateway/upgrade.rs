//! The opening handshake of a WebSocket (RFC 6455, section 4.2).

use base64::Engine as _;
use http::header::{
    CONNECTION, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use sha1::{Digest, Sha1};

/// What the answer's key is made with.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The answer that a client expects to its key.
#[must_use]
pub fn accept_key(key: &str) -> String {
    let mut digest = Sha1::new();
    digest.update(key.as_bytes());
    digest.update(GUID);
    base64::engine::general_purpose::STANDARD.encode(digest.finalize())
}

/// The answer to a request for a WebSocket; no extension and no subprotocol is taken.
///
/// # Errors
/// Status and text, for a request that is none.
pub fn answer(
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response<()>, (StatusCode, &'static str)> {
    let bad = |text| (StatusCode::BAD_REQUEST, text);
    let has = |name: HeaderName, token: &str| {
        let values = headers.get_all(name);
        values
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(token)))
    };
    if *method != Method::GET {
        return Err((StatusCode::METHOD_NOT_ALLOWED, "A WebSocket is asked for with GET."));
    }
    if !has(UPGRADE, "websocket") || !has(CONNECTION, "upgrade") {
        return Err((StatusCode::UPGRADE_REQUIRED, "This path is for WebSockets."));
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err((StatusCode::UPGRADE_REQUIRED, "The WebSocket version is not 13."));
    }
    let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
    let key = keys.next().and_then(|key| key.to_str().ok());
    let key = key.filter(|_| keys.next().is_none()).map(str::trim);
    let key = key.filter(|key| {
        let decoded = base64::engine::general_purpose::STANDARD.decode(key);
        decoded.is_ok_and(|decoded| decoded.len() == 16)
    });
    let key = key.ok_or(bad("Sec-WebSocket-Key is not one key of 16 bytes in base64."))?;
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let to = response.headers_mut();
    to.insert(UPGRADE, HeaderValue::from_static("websocket"));
    to.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Ok(accept) = HeaderValue::try_from(accept_key(key)) {
        to.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn the_answer_is_that_of_the_rfc() {
        let asked = headers(&[
            ("upgrade", "WebSocket"),
            ("connection", "keep-alive, Upgrade"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-extensions", "permessage-deflate"),
        ]);
        let answer = answer(&Method::GET, &asked).unwrap();
        assert_eq!(answer.status(), 101);
        assert_eq!(answer.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(answer.headers().len(), 3);
    }

    #[test]
    fn what_does_not_ask_for_a_websocket_is_told_so() {
        let good = [
            ("upgrade", "websocket"),
            ("connection", "upgrade"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        for left_out in 0..good.len() {
            let mut asked = good.to_vec();
            asked.remove(left_out);
            assert!(answer(&Method::GET, &headers(&asked)).is_err(), "{left_out}");
        }
        assert_eq!(answer(&Method::POST, &headers(&good)).unwrap_err().0, 405);
        let mut short = good;
        short[3].1 = "c2hvcnQ=";
        assert_eq!(answer(&Method::GET, &headers(&short)).unwrap_err().0, 400);
    }
}
