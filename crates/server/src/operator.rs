//! The operator's way in: HTTP with JSON over a Unix socket in the data directory.
//!
//! Whoever can open the socket is the operator: its mode is 0600 from the moment it has its name,
//! and a connection of another user than its owner's (or root's) is closed.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1 as client;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

use crate::connection::{Infallibly, builder};
use crate::exchange::BoxFuture;
use crate::limits::Limits;

/// The socket's name in the data directory.
pub const SOCKET_NAME: &str = "sagegate.sock";
/// Most bytes of a call or an answer.
const MAX_BODY: usize = 64 * 1024 * 1024;
/// A longer path does not fit into the address of a Unix socket everywhere (104 bytes on macOS).
const MAX_PATH: usize = 100;

/// What answers the operator's commands.
pub trait Operator: Send + Sync {
    /// Does what `path` names, for example `/explain`, with these arguments.
    fn call<'a>(
        &'a self,
        path: &'a str,
        arguments: Value,
    ) -> BoxFuture<'a, Result<Value, OperatorFailure>>;
}

/// Why a command was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OperatorFailure {
    /// There is no such command, or not what it asks about.
    #[error("{0}")]
    NotFound(String),
    /// The arguments are wrong; the text says which.
    #[error("{0}")]
    Invalid(String),
    /// It failed.
    #[error("{0}")]
    Failed(String),
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// A running server answers at the socket.
    #[error("a running sagegate already serves {0}")]
    InUse(PathBuf),
    /// It cannot be made.
    #[error("cannot make the operator's socket {path}: {error}")]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// The socket of a running server. Dropping it takes it away.
#[derive(Debug)]
pub struct OperatorSocket {
    path: PathBuf,
    inode: u64,
    task: JoinHandle<()>,
}

impl OperatorSocket {
    /// Makes the socket in `directory` and serves it. A socket that a killed server has left is
    /// replaced.
    ///
    /// # Errors
    /// [`SocketError`]: another server answers there, or the directory cannot be written to.
    pub async fn open(
        directory: &Path,
        operator: Arc<dyn Operator>,
        limits: &Limits,
    ) -> Result<Self, SocketError> {
        let limits = limits.clone();
        let serve = move |stream| {
            let (operator, builder) = (Arc::clone(&operator), builder(&limits));
            tokio::spawn(async move {
                let service = service_fn(|request| answer(&*operator, request));
                // A command that went away needs no answer.
                let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            });
        };
        Self::accept(directory, SOCKET_NAME, serve).await
    }

    /// Makes a socket of another name, as private as the operator's, and hands over its connections.
    ///
    /// # Errors
    /// As [`OperatorSocket::open`].
    pub async fn accept(
        directory: &Path,
        name: &str,
        serve: impl Fn(UnixStream) + Send + 'static,
    ) -> Result<Self, SocketError> {
        let path = directory.join(name);
        let failed = |error| SocketError::Io { path: path.clone(), error };
        let reach = Reach::of(directory).map_err(failed)?;
        match UnixStream::connect(reach.path(name)).await {
            Ok(_) => return Err(SocketError::InUse(path)),
            Err(error) if is_nobody_there(&error) => {}
            Err(error) => return Err(failed(error)),
        }
        // Made under another name, so that it never has its own with a wider mode; the rename takes
        // the place of a stale one.
        let fresh = reach.path(&format!("{name}.new"));
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let listener = UnixListener::bind(&fresh).map_err(failed)?;
        fs::set_permissions(&fresh, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        let metadata = fs::symlink_metadata(&fresh).map_err(failed)?;
        fs::rename(&fresh, reach.path(name)).map_err(failed)?;
        let serve = accept(listener, metadata.uid(), serve);
        Ok(Self { path, inode: metadata.ino(), task: tokio::spawn(serve) })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for OperatorSocket {
    fn drop(&mut self) {
        self.task.abort();
        // Only ours: a later server may have put its own in its place.
        if fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            // What cannot be removed is found stale by the next server.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// How a socket in a directory is named to the system: an address has room for about a hundred
/// bytes, so a long path is gone by way of the open directory where the system has `/proc`.
struct Reach {
    directory: PathBuf,
    _open: Option<fs::File>,
}

impl Reach {
    fn of(directory: &Path) -> io::Result<Self> {
        let short = directory.as_os_str().len() + SOCKET_NAME.len() + 5 < MAX_PATH;
        if short || !cfg!(target_os = "linux") {
            return Ok(Self { directory: directory.to_owned(), _open: None });
        }
        let open = fs::File::open(directory)?;
        let number = std::os::fd::AsRawFd::as_raw_fd(&open);
        Ok(Self { directory: format!("/proc/self/fd/{number}").into(), _open: Some(open) })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

fn is_nobody_there(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

async fn accept(listener: UnixListener, owner: u32, serve: impl Fn(UnixStream)) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection of the operator");
                // Out of descriptors: give others the chance to return theirs.
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            }
        };
        let is_ours = |uid: u32| uid == owner || uid == 0;
        if !stream.peer_cred().is_ok_and(|peer| is_ours(peer.uid())) {
            continue;
        }
        serve(stream);
    }
}

/// Connects to a private socket of the server that holds `directory`, without a runtime.
///
/// # Errors
/// [`CallError::NotRunning`] and [`CallError::Broken`].
pub fn connect(directory: &Path, name: &str) -> Result<std::os::unix::net::UnixStream, CallError> {
    let path = directory.join(name);
    let reach = Reach::of(directory);
    let stream = reach.and_then(|reach| std::os::unix::net::UnixStream::connect(reach.path(name)));
    stream.map_err(|error| match is_nobody_there(&error) {
        true => CallError::NotRunning(directory.to_owned()),
        false => CallError::Broken { path, error: error.to_string() },
    })
}

async fn answer(operator: &dyn Operator, request: Request<Incoming>) -> Infallibly {
    let (status, value) = match carry_out(operator, request).await {
        Ok(value) => (StatusCode::OK, value),
        Err(failure) => {
            let status = match failure {
                OperatorFailure::NotFound(_) => StatusCode::NOT_FOUND,
                OperatorFailure::Invalid(_) => StatusCode::BAD_REQUEST,
                OperatorFailure::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
            };
            (status, json!({ "message": failure.to_string() }))
        }
    };
    let mut response = Response::new(Full::new(Bytes::from(value.to_string())));
    *response.status_mut() = status;
    Ok(response)
}

async fn carry_out(
    operator: &dyn Operator,
    request: Request<Incoming>,
) -> Result<Value, OperatorFailure> {
    if request.method() != Method::POST {
        return Err(OperatorFailure::Invalid("commands are sent with POST".into()));
    }
    let path = request.uri().path().to_owned();
    let body = Limited::new(request.into_body(), MAX_BODY).collect().await;
    let body = body.map_err(|error| OperatorFailure::Invalid(format!("arguments: {error}")))?;
    let arguments = serde_json::from_slice(&body.to_bytes())
        .map_err(|error| OperatorFailure::Invalid(format!("arguments: {error}")))?;
    operator.call(&path, arguments).await
}

/// Why a running server gave no answer to a command.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No server holds the data directory.
    #[error("no running sagegate serves {0}")]
    NotRunning(PathBuf),
    /// The server refused or failed.
    #[error(transparent)]
    Failure(#[from] OperatorFailure),
    /// The conversation broke off.
    #[error("the running sagegate at {path} does not answer: {error}")]
    Broken {
        /// The socket.
        path: PathBuf,
        /// What went wrong.
        error: String,
    },
}

/// Asks the server that holds `directory` to carry out a command.
///
/// # Errors
/// [`CallError`].
pub async fn call(directory: &Path, path: &str, arguments: &Value) -> Result<Value, CallError> {
    let socket = directory.join(SOCKET_NAME);
    let broken = |error: String| CallError::Broken { path: socket.clone(), error };
    let reach = Reach::of(directory).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => CallError::NotRunning(directory.to_owned()),
        _ => broken(error.to_string()),
    })?;
    let stream = match UnixStream::connect(reach.path(SOCKET_NAME)).await {
        Ok(stream) => stream,
        Err(error) if is_nobody_there(&error) => {
            return Err(CallError::NotRunning(directory.to_owned()));
        }
        Err(error) => return Err(broken(error.to_string())),
    };
    let request = Request::post(path)
        .header(HOST, "sagegate")
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(arguments.to_string())))
        .map_err(|error| broken(error.to_string()))?;
    let exchange = async {
        let (mut sender, connection) = client::handshake(TokioIo::new(stream)).await?;
        let answer = async {
            let response = sender.send_request(request).await?;
            let status = response.status();
            Ok::<_, hyper::Error>((status, response.into_body().collect().await?.to_bytes()))
        };
        tokio::pin!(connection);
        tokio::pin!(answer);
        tokio::select! {
            biased;
            answer = &mut answer => answer,
            ended = &mut connection => match ended {
                // What was still to be read of the answer is with its receiver.
                Ok(()) => answer.await,
                Err(error) => Err(error),
            },
        }
    };
    let (status, body) = exchange.await.map_err(|error| broken(error.to_string()))?;
    let value: Value = serde_json::from_slice(&body).map_err(|error| broken(error.to_string()))?;
    if status.is_success() {
        return Ok(value);
    }
    let message = value.get("message").and_then(Value::as_str).unwrap_or_default().to_owned();
    Err(CallError::Failure(match status {
        StatusCode::NOT_FOUND => OperatorFailure::NotFound(message),
        StatusCode::BAD_REQUEST => OperatorFailure::Invalid(message),
        _ => OperatorFailure::Failed(message),
    }))
}
