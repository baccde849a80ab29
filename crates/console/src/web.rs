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
