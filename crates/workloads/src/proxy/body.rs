//! The body of an app's answer, for as long as its client may have it.

use std::pin::pin;

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::channel::Channel;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Body;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::relay::{AGAIN, BREATH, Guard};

/// Pieces of a body that wait for a client to take them.
const WAITING: usize = 2;

/// A body that breaks off once it is not permitted any more: asked when the state has changed and from
/// time to time, since it may have no end. `changes` tells when the state has changed.
pub fn guarded<B>(
    body: B,
    mut guard: impl Guard + 'static,
    mut changes: watch::Receiver<u64>,
) -> UnsyncBoxBody<Bytes, std::io::Error>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let (mut to_client, channel) = Channel::<Bytes, std::io::Error>::new(WAITING);
    tokio::spawn(async move {
        let mut body = body;
        let mut next = Instant::now() + AGAIN;
        // What the visitor may have now was decided before the first byte.
        changes.mark_unchanged();
        let why = loop {
            let frame = tokio::select! {
                biased;
                changed = changes.changed() => {
                    if changed.is_err() {
                        break std::io::Error::other("the server stops");
                    }
                    // Many changes at once are one question.
                    next = next.min(Instant::now() + BREATH);
                    continue;
                }
                () = sleep_until(next) => {
                    if let Err(why) = guard.permit() {
                        break std::io::Error::other(why);
                    }
                    next = Instant::now() + AGAIN;
                    continue;
                }
                frame = body.frame() => frame,
            };
            match frame {
                None => return,
                Some(Err(error)) => break std::io::Error::other(error),
                Some(Ok(frame)) => {
                    let mut sending = pin!(to_client.send(frame));
                    let sent = loop {
                        tokio::select! {
                            sent = &mut sending => break Ok(sent),
                            // A client that takes its time keeps nothing that it may not have.
                            () = sleep_until(next) => {
                                if let Err(why) = guard.permit() {
                                    break Err(why);
                                }
                                next = Instant::now() + AGAIN;
                            }
                        }
                    };
                    match sent {
                        Ok(Ok(())) => {}
                        // The client is gone.
                        Ok(Err(_)) => return,
                        Err(why) => break std::io::Error::other(why),
                    }
                }
            }
        };
        to_client.abort(why);
    });
    channel.boxed_unsync()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use http_body_util::Full;
    use hyper::body::Frame;

    use super::*;

    #[tokio::test]
    async fn a_body_passes_as_it_is() {
        let changes = watch::Sender::new(0);
        let body = guarded(Full::new(Bytes::from_static(b"all")), || Ok(()), changes.subscribe());
        assert_eq!(body.collect().await.unwrap().to_bytes(), "all");
    }

    #[tokio::test]
    async fn a_body_without_an_end_breaks_off_when_it_is_not_permitted_any_more() {
        let changes = watch::Sender::new(0);
        let allowed = Arc::new(AtomicBool::new(true));
        let may = Arc::clone(&allowed);
        let guard = move || {
            if may.load(Ordering::SeqCst) { Ok(()) } else { Err("no longer".to_owned()) }
        };
        let (mut app, endless) = Channel::<Bytes, std::io::Error>::new(1);
        let mut body = guarded(endless, guard, changes.subscribe());
        app.send(Frame::data(Bytes::from_static(b"first"))).await.unwrap();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "first");
        allowed.store(false, Ordering::SeqCst);
        changes.send_replace(1);
        let error = body.frame().await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), "no longer");
    }
}
