//! The operator's socket.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use sagegate_server::{
    BoxFuture, CallError, Limits, Operator, OperatorFailure, OperatorSocket, SOCKET_NAME,
    SocketError, call,
};
use serde_json::{Value, json};

struct Echo;

impl Operator for Echo {
    fn call<'a>(
        &'a self,
        path: &'a str,
        arguments: Value,
    ) -> BoxFuture<'a, Result<Value, OperatorFailure>> {
        Box::pin(async move {
            match path {
                "/echo" => Ok(json!({ "got": arguments })),
                "/invalid" => Err(OperatorFailure::Invalid("no such principal".into())),
                _ => Err(OperatorFailure::NotFound(format!("no command {path}"))),
            }
        })
    }
}

async fn open(directory: &Path) -> Result<OperatorSocket, SocketError> {
    OperatorSocket::open(directory, Arc::new(Echo), &Limits::default()).await
}

async fn works(directory: &Path) {
    let big = "x".repeat(3_000_000);
    let answer = call(directory, "/echo", &json!([1, big])).await.unwrap();
    assert_eq!(answer, json!({ "got": [1, big] }));
}

#[tokio::test]
async fn commands_are_answered() {
    let directory = tempfile::tempdir().unwrap();
    let socket = open(directory.path()).await.unwrap();
    let mode = std::fs::metadata(socket.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    works(directory.path()).await;
    let error = call(directory.path(), "/invalid", &Value::Null).await.unwrap_err();
    let text = "no such principal".to_owned();
    assert!(matches!(error, CallError::Failure(OperatorFailure::Invalid(told)) if told == text));
    let error = call(directory.path(), "/nothing", &Value::Null).await.unwrap_err();
    assert!(matches!(error, CallError::Failure(OperatorFailure::NotFound(_))));
}

#[tokio::test]
async fn without_a_server_there_is_nobody_to_ask() {
    let directory = tempfile::tempdir().unwrap();
    let error = call(directory.path(), "/echo", &Value::Null).await.unwrap_err();
    assert!(matches!(error, CallError::NotRunning(_)), "{error}");
    drop(open(directory.path()).await.unwrap());
    assert!(!directory.path().join(SOCKET_NAME).exists());
    let error = call(&directory.path().join("none"), "/echo", &Value::Null).await.unwrap_err();
    assert!(matches!(error, CallError::NotRunning(_)), "{error}");
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
    let directory = tempfile::tempdir().unwrap();
    // As a killed server leaves it: the file is there and nobody listens.
    drop(std::os::unix::net::UnixListener::bind(directory.path().join(SOCKET_NAME)).unwrap());
    let stale = call(directory.path(), "/echo", &Value::Null).await.unwrap_err();
    assert!(matches!(stale, CallError::NotRunning(_)), "{stale}");

    let first = open(directory.path()).await.unwrap();
    works(directory.path()).await;
    assert!(matches!(open(directory.path()).await, Err(SocketError::InUse(_))));
    works(directory.path()).await;
    drop(first);
    let second = open(directory.path()).await.unwrap();
    works(directory.path()).await;
    drop(second);
}

#[tokio::test]
async fn a_long_path_is_reached() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let long = directory.path().join("d".repeat(150));
    std::fs::create_dir(&long).unwrap();
    let socket = open(&long).await.unwrap();
    works(&long).await;
    drop(socket);
}
