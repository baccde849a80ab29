//! What the door answers.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use http::Response;
use http_body_util::combinators::UnsyncBoxBody;
use sagegate_workloads::runtime::Stream;

/// A body that is still under way.
pub type AppBody = UnsyncBoxBody<Bytes, std::io::Error>;

/// What the door answers.
pub enum Reply {
    /// A page of ours.
    Page(Response<Bytes>),
    /// An app's answer.
    App(Response<AppBody>),
    /// `101 Switching Protocols`, and what then has the connection.
    Socket(Response<()>, Socket),
}

impl From<Response<Bytes>> for Reply {
    fn from(page: Response<Bytes>) -> Self {
        Self::Page(page)
    }
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (kind, status) = match self {
            Self::Page(response) => ("Page", response.status()),
            Self::App(response) => ("App", response.status()),
            Self::Socket(response, _) => ("Socket", response.status()),
        };
        f.debug_tuple(kind).field(&status).finish()
    }
}

/// Comes back when a connection should end.
pub type Leaving = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Has a connection after its upgrade: is given the client's end, what the client has sent already,
/// and what says when to leave.
pub type Socket = Box<dyn FnOnce(Stream, Bytes, Leaving) -> Leaving + Send>;
