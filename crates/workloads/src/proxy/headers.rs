//! Which header fields go on to an app, and which come back from it.

use http::header::{
    CONNECTION, COOKIE, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, SET_COOKIE, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Our own cookies begin with this. An app neither sees nor sets them.
const OURS: &str = "sagegate-";

/// Fields that are about one connection (RFC 9110, section 7.6.1).
fn is_of_the_connection(name: &HeaderName, headers: &HeaderMap) -> bool {
    let named = |field: &HeaderValue| {
        let words = field.as_bytes().split(|byte| *byte == b',');
        words
            .into_iter()
            .any(|word| word.trim_ascii().eq_ignore_ascii_case(name.as_str().as_bytes()))
    };
    [
        CONNECTION,
        UPGRADE,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
        HeaderName::from_static("keep-alive"),
        HeaderName::from_static("proxy-connection"),
    ]
    .contains(name)
        || headers.get_all(CONNECTION).iter().any(named)
}

/// What a client says of the way by which it came is nothing that an app should believe.
fn is_of_the_way(name: &HeaderName) -> bool {
    let name = name.as_str();
    name == "forwarded" || name.starts_with("x-forwarded-") || name == "x-real-ip"
}

/// The fields of a client's request that its app gets: the host as the client wrote it, since apps
/// compare it with `Origin`, and no cookie of ours. Of a request for a WebSocket the wish to upgrade
/// goes on too.
#[must_use]
pub fn for_app(headers: &HeaderMap, websocket: bool) -> HeaderMap {
    let mut out = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        if is_of_the_connection(name, headers) || is_of_the_way(name) || *name == HOST {
            continue;
        }
        if *name == COOKIE {
            if let Some(left) = others(value) {
                out.append(COOKIE, left);
            }
            continue;
        }
        out.append(name.clone(), value.clone());
    }
    if let Some(host) = headers.get(HOST) {
        out.insert(HOST, host.clone());
    }
    if websocket {
        out.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        out.insert(UPGRADE, HeaderValue::from_static("websocket"));
    }
    out
}

/// A field of cookies without ours.
fn others(field: &HeaderValue) -> Option<HeaderValue> {
    let left: Vec<&[u8]> = field
        .as_bytes()
        .split(|byte| *byte == b';')
        .map(<[u8]>::trim_ascii)
        .filter(|pair| !pair.is_empty() && !is_ours(pair))
        .collect();
    HeaderValue::from_bytes(&left.join(&b"; "[..])).ok().filter(|_| !left.is_empty())
}

fn is_ours(pair: &[u8]) -> bool {
    pair.get(..OURS.len()).is_some_and(|start| start.eq_ignore_ascii_case(OURS.as_bytes()))
}

/// The fields of an app's answer that its client gets: not those about the connection, and no cookie
/// with a name of ours.
#[must_use]
pub fn for_client(headers: &HeaderMap, websocket: bool) -> HeaderMap {
    let mut out = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let drop = is_of_the_connection(name, headers)
            || (*name == SET_COOKIE && is_ours(value.as_bytes().trim_ascii()));
        if !drop {
            out.append(name.clone(), value.clone());
        }
    }
    if websocket {
        out.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        out.insert(UPGRADE, HeaderValue::from_static("websocket"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&str, &str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(name, value)| {
                (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap())
            })
            .collect()
    }

    #[test]
    fn an_app_does_not_see_what_is_not_its_business() {
        let request = map(&[
            ("host", "127.67.0.1:4566"),
            ("cookie", "sagegate-app=secret; _xsrf=1; Sagegate-Studio=secret"),
            ("cookie", "sagegate-app=another"),
            ("connection", "keep-alive, X-Hop"),
            ("x-hop", "1"),
            ("x-forwarded-for", "10.0.0.1"),
            ("forwarded", "for=10.0.0.1"),
            ("te", "trailers"),
            ("accept", "*/*"),
        ]);
        let expected =
            map(&[("cookie", "_xsrf=1"), ("accept", "*/*"), ("host", "127.67.0.1:4566")]);
        assert_eq!(for_app(&request, false), expected);
        let socket = for_app(&map(&[("upgrade", "websocket"), ("connection", "Upgrade")]), true);
        assert_eq!(socket, map(&[("connection", "upgrade"), ("upgrade", "websocket")]));
    }

    #[test]
    fn an_app_sets_no_cookie_of_ours() {
        let answer = map(&[
            ("set-cookie", "_xsrf=2; Path=/"),
            ("set-cookie", " SAGEGATE-app=stolen; Path=/"),
            ("transfer-encoding", "chunked"),
            ("content-type", "text/html"),
        ]);
        let expected = map(&[("set-cookie", "_xsrf=2; Path=/"), ("content-type", "text/html")]);
        assert_eq!(for_client(&answer, false), expected);
    }
}
