//! A request is handed on to a handler, which answers it.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use sagegate_gate::{Gate, HttpRequest};

/// The answer. Length, date and connection headers are added by the server, and the request's id
/// where there is none.
pub type HttpResponse = http::Response<Bytes>;

/// A boxed future, so that handlers can be held as objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What [`Handler::serve`] gives.
pub type Answer<'a> = BoxFuture<'a, HttpResponse>;

/// Something that answers requests: the gate, or the Studio door. Closures are handlers too.
pub trait Handler: Send + Sync {
    /// Answers one request, whose body has arrived whole and within bounds, and whose `host` is
    /// there exactly once. It runs to its end even if the client goes away.
    fn serve(&self, request: HttpRequest) -> Answer<'_>;
}

impl Handler for Gate {
    fn serve(&self, request: HttpRequest) -> Answer<'_> {
        Box::pin(async move { Self::serve(self, &request).await })
    }
}

impl<F> Handler for F
where
    F: Fn(HttpRequest) -> Answer<'static> + Send + Sync,
{
    fn serve(&self, request: HttpRequest) -> Answer<'_> {
        self(request)
    }
}
