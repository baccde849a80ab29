//! A request is handed on to a handler, which answers it, and may take the connection over.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use sagegate_gate::{Gate, HttpRequest};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use crate::listeners::Way;

/// The answer. Length, date and connection headers are added by the server, and the request's id
/// where there is none.
pub type HttpResponse = http::Response<Bytes>;

/// A boxed future, so that handlers can be held as objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A body that is still under way.
pub type StreamBody = http_body_util::combinators::UnsyncBoxBody<Bytes, std::io::Error>;

/// What a handler gives.
pub enum Reply {
    /// A whole answer.
    Whole(HttpResponse),
    /// An answer whose body comes as it is made elsewhere. Ends the connection where it breaks off.
    Stream(http::Response<StreamBody>),
    /// `101 Switching Protocols`, and what then has the connection. For a request that does not ask
    /// for an upgrade the client gets an error instead.
    Upgrade(http::Response<()>, Takeover),
}

impl From<HttpResponse> for Reply {
    fn from(response: HttpResponse) -> Self {
        Self::Whole(response)
    }
}

/// What has a connection after its upgrade. The connection counts against the server's bounds until
/// this is done, and the server's stop waits for it as for a request in flight.
pub type Takeover = Box<dyn FnOnce(Taken) -> BoxFuture<'static, ()> + Send>;

/// A stream of bytes in both directions.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A connection that was taken over.
pub struct Taken {
    /// The connection. Nothing watches any more whether its client takes what is written.
    pub stream: Box<dyn Duplex>,
    /// What the client has sent after its request already: it comes before what the stream gives.
    pub early: Bytes,
    /// Tells when the connection should come to its end.
    pub closing: Closing,
}

/// Why a connection should come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The listener that accepted it is gone or lets its client in no more.
    Way,
    /// The server stops: within [`Limits::stop_time`](crate::Limits::stop_time).
    Stop,
}

/// Tells when a connection that was taken over should come to its end.
#[derive(Debug, Clone)]
pub struct Closing {
    pub(crate) way: watch::Receiver<Arc<Way>>,
    pub(crate) stop: watch::Receiver<bool>,
}

impl Closing {
    /// Comes back when the connection should end. May be dropped and called again.
    pub async fn wait(&mut self) -> Cause {
        tokio::select! {
            biased;
            _ = self.stop.wait_for(|stop| *stop) => Cause::Stop,
            _ = self.way.wait_for(|way| !way.is_open()) => Cause::Way,
        }
    }
}

/// What [`Handler::serve`] gives.
pub type Answer<'a> = BoxFuture<'a, Reply>;

/// Something that answers requests: the gate, the Studio door, the message gateway. Closures are
/// handlers too.
pub trait Handler: Send + Sync {
    /// Answers one request, whose body has arrived whole and within bounds, and whose `host` is
    /// there exactly once. It runs to its end even if the client goes away.
    fn serve(&self, request: HttpRequest) -> Answer<'_>;
}

impl Handler for Gate {
    fn serve(&self, request: HttpRequest) -> Answer<'_> {
        Box::pin(async move { Self::serve(self, &request).await.into() })
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
