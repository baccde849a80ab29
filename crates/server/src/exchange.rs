//! A request as it is handed on, and the answer to it.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method};
use sagegate_network::Arrival;

/// A request whose body has arrived whole and within bounds.
#[derive(Debug)]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// The raw path and query, as the signature covers them.
    pub path_and_query: PathAndQuery,
    /// All header fields; `host` is there exactly once.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// From where it came.
    pub arrival: Arrival,
}

/// The answer. Length, date and connection headers are added by the server, and a request id
/// where there is none.
pub type HttpResponse = http::Response<Bytes>;

/// A boxed future, so that handlers can be held as objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What [`Handler::serve`] gives.
pub type Answer<'a> = BoxFuture<'a, HttpResponse>;

/// Something that answers requests: the gate, or the Studio door.
pub trait Handler: Send + Sync {
    /// Answers one request. It is dropped half-way when the client goes away.
    fn serve(&self, request: HttpRequest) -> Answer<'_>;
}
