//! Reading a browser's request, and writing its answers.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, COOKIE, LOCATION};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use maud::Markup;
use sagegate_gate::HttpRequest;
use sagegate_services::sagemaker::studio;

use crate::pages;

/// The value of a query parameter, decoded.
pub(crate) fn parameter(query: &str, name: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// The values of the session cookie, in the order in which they came. Browsers send all cookies of
/// a host in one field, and HTTP allows several fields; what else set a cookie of that name, for
/// this host or for all of its parent's, the request does not tell (RFC 6265, section 8.6).
pub(crate) fn cookies(request: &HttpRequest) -> impl Iterator<Item = &str> {
    cookies_named(request, studio::COOKIE)
}

/// The values of the cookies with a name.
pub(crate) fn cookies_named<'a>(
    request: &'a HttpRequest,
    wanted: &'a str,
) -> impl Iterator<Item = &'a str> {
    request
        .headers
        .get_all(COOKIE)
        .iter()
        // Field by field in bytes: one cookie that is not ASCII must not hide the others.
        .flat_map(|field| field.as_bytes().split(|byte| *byte == b';'))
        .filter_map(|pair| std::str::from_utf8(pair).ok())
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(move |(name, _)| *name == wanted)
        .map(|(_, value)| value)
}

/// The field that sets a session's cookie for a path; gone at once with a `max_age` of 0, in seconds.
pub(crate) fn session_cookie(
    request: &HttpRequest,
    name: &str,
    value: &str,
    path: &str,
    max_age: i64,
) -> String {
    let secure = if request.secure { "; Secure" } else { "" };
    format!("{name}={value}; Path={path}; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}")
}

/// Why a visitor is turned away, where several of the request's cookies may be a session's.
pub(crate) trait Unrecognised {
    /// That no session is known.
    const NOBODY: Self;

    /// How much it tells.
    fn weight(&self) -> u8;

    /// Whether it is a failure of ours: no other cookie is tried then.
    fn is_failure(&self) -> bool;
}

/// The first of these cookies that `judge` lets in. Each is tried: one that somebody else has set must
/// not lock the visitor out. Where none is good, the reason is what tells most, and of equals that of
/// the cookie that came first, which would have been the session.
///
/// # Errors
/// Why nobody is let in.
pub(crate) fn recognised<'a, T, E: Unrecognised>(
    cookies: impl Iterator<Item = &'a str>,
    mut judge: impl FnMut(&'a str) -> Result<T, E>,
) -> Result<T, E> {
    let mut turned = E::NOBODY;
    for cookie in cookies {
        match judge(cookie) {
            Err(failure) if failure.is_failure() => return Err(failure),
            Err(other) if other.weight() > turned.weight() => turned = other,
            Err(_) => {}
            found => return found,
        }
    }
    Err(turned)
}

pub(crate) fn answer(
    status: StatusCode,
    content_type: &'static str,
    body: Bytes,
) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

pub(crate) fn set(response: &mut Response<Bytes>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

pub(crate) fn page(status: StatusCode, markup: Markup) -> Response<Bytes> {
    answer(status, "text/html; charset=utf-8", markup.into_string().into())
}

pub(crate) fn style() -> Response<Bytes> {
    let body = Bytes::from_static(pages::STYLE.as_bytes());
    let mut response = answer(StatusCode::OK, "text/css; charset=utf-8", body);
    set(&mut response, CACHE_CONTROL, "public, max-age=3600");
    response
}

pub(crate) fn script() -> Response<Bytes> {
    let body = Bytes::from_static(pages::SCRIPT.as_bytes());
    let mut response = answer(StatusCode::OK, "text/javascript; charset=utf-8", body);
    set(&mut response, CACHE_CONTROL, "public, max-age=3600");
    response
}

pub(crate) fn redirect(to: &str) -> Response<Bytes> {
    let mut response = answer(StatusCode::FOUND, "text/plain; charset=utf-8", Bytes::new());
    set(&mut response, LOCATION, to);
    response
}

pub(crate) fn not_allowed(methods: &'static str) -> Response<Bytes> {
    let mut response = page(StatusCode::METHOD_NOT_ALLOWED, pages::not_allowed(methods));
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq)]
    struct Why(u8, &'static str);

    impl Unrecognised for Why {
        const NOBODY: Self = Self(0, "nobody");

        fn weight(&self) -> u8 {
            self.0
        }

        fn is_failure(&self) -> bool {
            self.0 == 9
        }
    }

    fn judged(cookies: &[&'static str]) -> Result<&'static str, Why> {
        recognised(cookies.iter().copied(), |cookie| match cookie {
            "unknown" => Err(Why(0, cookie)),
            "old" | "older" => Err(Why(1, cookie)),
            "refused" => Err(Why(2, cookie)),
            "failed" => Err(Why(9, cookie)),
            good => Ok(good),
        })
    }

    #[test]
    fn of_several_cookies_the_first_good_one_counts_and_else_what_tells_most() {
        assert_eq!(judged(&["unknown", "refused", "good", "failed"]), Ok("good"));
        assert_eq!(judged(&["unknown", "failed", "good"]), Err(Why(9, "failed")));
        assert_eq!(judged(&["old", "refused", "older"]), Err(Why(2, "refused")));
        // Of equals the first, as of good ones.
        assert_eq!(judged(&["unknown", "old", "older"]), Err(Why(1, "old")));
        assert_eq!(judged(&["unknown"]), Err(Why(0, "nobody")));
        assert_eq!(judged(&[]), Err(Why(0, "nobody")));
    }
}
