//! Relays: ports of 127.0.0.1 in the space that lead to the host's side, which fetches each
//! connection.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;

use crate::protocol::Relay;

/// How long a connection waits to be fetched: a restart of the host's side must fit in.
const WAIT: Duration = Duration::from_secs(20);
/// Connections that may wait.
const WAITING: usize = 64;

/// A connection that waits: its number and its relay.
pub(crate) type Dial = (u64, Relay);

/// Connections that wait to be fetched.
pub(crate) struct Dials {
    waiting: Mutex<Waiting>,
    news: broadcast::Sender<Dial>,
}

#[derive(Default)]
struct Waiting {
    next: u64,
    streams: BTreeMap<u64, (Relay, TcpStream)>,
}

impl Dials {
    pub(crate) fn new() -> Self {
        Self { waiting: Mutex::default(), news: broadcast::channel(2 * WAITING).0 }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those that wait, and those that come.
    pub(crate) fn watch(&self) -> (Vec<Dial>, broadcast::Receiver<Dial>) {
        // Under the lock, so that none comes between.
        let waiting = self.lock();
        let now = waiting.streams.iter().map(|(id, (relay, _))| (*id, *relay)).collect();
        (now, self.news.subscribe())
    }

    /// The connection with this number; each can be had once.
    pub(crate) fn take(&self, id: u64) -> Option<TcpStream> {
        self.lock().streams.remove(&id).map(|(_, stream)| stream)
    }

    fn add(&self, relay: Relay, stream: TcpStream) -> Option<u64> {
        let mut waiting = self.lock();
        if waiting.streams.len() >= WAITING {
            return None;
        }
        let id = waiting.next;
        waiting.next += 1;
        waiting.streams.insert(id, (relay, stream));
        // Nobody may be listening yet; whoever comes asks for those that wait.
        let _ = self.news.send((id, relay));
        Some(id)
    }

    /// Takes in the connections of a relay, for ever.
    pub(crate) async fn serve(&'static self, relay: Relay, listener: TcpListener) {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                // Out of file descriptors, for instance: others have to end first.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let _ = stream.set_nodelay(true);
            if let Some(id) = self.add(relay, stream) {
                tokio::spawn(async move {
                    tokio::time::sleep(WAIT).await;
                    self.take(id);
                });
            }
        }
    }
}
