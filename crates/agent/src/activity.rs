//! Whether an app answers, and when somebody last was at work.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use tokio::net::TcpStream;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes that an answer may have.
const ANSWER: usize = 64 * 1024;
/// Bytes that a timestamp's file may have.
const STAMP: u64 = 128;

/// What a GET of this path on 127.0.0.1 gives: the status and the body.
pub(crate) async fn get(port: u16, path: &str) -> Option<(u16, Bytes)> {
    tokio::time::timeout(PATIENCE, ask(port, path)).await.ok().flatten()
}

async fn ask(port: u16, path: &str) -> Option<(u16, Bytes)> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    let request = http::Request::get(path)
        .header(http::header::HOST, format!("127.0.0.1:{port}"))
        .body(Empty::<Bytes>::new())
        .ok()?;
    let asking = async {
        let response = sender.send_request(request).await.ok()?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), ANSWER).collect().await.ok()?;
        Some((status, body.to_bytes()))
    };
    tokio::pin!(asking);
    tokio::pin!(connection);
    tokio::select! {
        answer = &mut asking => answer,
        // The connection may be over when the answer has been read but not looked at.
        _ = &mut connection => asking.await,
    }
}

/// Whether the app answers.
pub(crate) async fn serves(port: u16, path: &str) -> bool {
    matches!(get(port, path).await, Some((status, _)) if status < 500)
}

/// The last activity that the app tells, in seconds since the epoch: Jupyter's `last_activity`
/// (ISO 8601), or the `lastHeartbeat` of code-server (milliseconds).
pub(crate) async fn of_app(port: u16, path: &str) -> Option<u64> {
    let (200, body) = get(port, path).await? else { return None };
    in_answer(&body)
}

fn in_answer(body: &[u8]) -> Option<u64> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    if let Some(text) = value.get("last_activity").and_then(|it| it.as_str()) {
        return seconds(text);
    }
    value.get("lastHeartbeat").and_then(serde_json::Value::as_u64).map(|it| it / 1000)
}

/// The time in the file that IDE extensions and SageMaker's own scripts write.
pub(crate) fn of_file(tmp: &Path) -> Option<u64> {
    let path = tmp.join(".sagemaker-last-active-timestamp");
    // Neither a link to somewhere else nor a pipe that never ends.
    let found = std::fs::symlink_metadata(&path).ok()?;
    if !found.is_file() || found.len() > STAMP {
        return None;
    }
    seconds(std::fs::read_to_string(&path).ok()?.trim())
}

fn seconds(text: &str) -> Option<u64> {
    let time: Timestamp = text.parse().ok()?;
    u64::try_from(time.as_second()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_apps_tell_their_activity() {
        let jupyter = br#"{"connections":0,"last_activity":"2026-11-22T10:00:00.5Z","kernels":0}"#;
        assert_eq!(in_answer(jupyter), Some(1_795_341_600));
        assert_eq!(
            in_answer(br#"{"status":"alive","lastHeartbeat":1795341600500}"#),
            Some(1_795_341_600)
        );
        for other in
            [&b"{}"[..], b"[]", b"no", br#"{"last_activity":7}"#, br#"{"last_activity":"x"}"#]
        {
            assert_eq!(in_answer(other), None);
        }
    }

    #[test]
    fn the_file_counts_only_if_it_is_one() {
        let tmp = tempfile::tempdir().unwrap();
        assert_eq!(of_file(tmp.path()), None);
        let path = tmp.path().join(".sagemaker-last-active-timestamp");
        std::fs::write(&path, "2026-11-22T10:00:00.000Z\n").unwrap();
        assert_eq!(of_file(tmp.path()), Some(1_795_341_600));
        std::fs::write(&path, "x".repeat(1000)).unwrap();
        assert_eq!(of_file(tmp.path()), None);
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", &path).unwrap();
        assert_eq!(of_file(tmp.path()), None);
    }
}
