//! The listeners, and what each of them tells of the requests that it accepts.

use std::collections::{HashMap, HashSet};
use std::io;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use sagegate_network::EndpointArrival;
use sagegate_network::endpoint_name::is_misdirected;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Mutex, Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::authority::Authority;
use crate::connection::{self, BODY_UNIT, Ends};
use crate::exchange::Handler;
use crate::limits::Limits;
use crate::route::Control;
use crate::waiting::{Seat, Waiting};

/// Connections that the system holds for a listener before they are accepted.
const BACKLOG: u32 = 1024;
/// How long a connection that was told to make room may take for it.
const ROOM: Duration = Duration::from_secs(5);
/// How long a listener waits for a connection to end when the process has no descriptor left.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// By which way connections of a listener come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Via {
    /// The public listener: the API, and Studio by host name.
    Public,
    /// The public address of Studio domains: the Studio door alone.
    Door,
    /// An address of this machine that stands for an interface endpoint, dialled by the one client
    /// that the arrival names.
    Endpoint(EndpointArrival),
    /// The network interface of an interface endpoint in the kernel's VPC: the client is the
    /// connection's peer, whatever the arrival here says.
    Interface(EndpointArrival),
}

/// An address that should be listened on, beside the public one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenAddress {
    /// The address and port.
    pub address: SocketAddr,
    /// What an arrival there means.
    pub via: Via,
    /// Why connections are closed as soon as they are accepted, for example because no rule of the
    /// endpoint's security groups lets the client in; `None` when they are let in.
    pub denied: Option<String>,
    /// The names of AWS's by which the endpoint is called, as
    /// [`is_misdirected`](sagegate_network::endpoint_name::is_misdirected) takes them; for endpoints
    /// only.
    pub names: Vec<String>,
}

/// What [`Server::converge`] has done.
#[derive(Debug, Default)]
pub struct Convergence {
    /// The addresses that are listened on now.
    pub listening: HashSet<SocketAddr>,
    /// What became of each address that was asked for, in that order: why it could not be bound, or
    /// nothing where it is. One address may be there several times: it is listened on for the first
    /// who wants it, and fails for everybody else. Failures are tried again at the next call.
    pub outcomes: Vec<(SocketAddr, Option<io::Error>)>,
}

impl Convergence {
    /// The addresses that could not be bound, and why.
    pub fn failures(&self) -> impl Iterator<Item = (SocketAddr, &io::Error)> {
        self.outcomes.iter().filter_map(|(address, error)| Some((*address, error.as_ref()?)))
    }
}

/// What a server is made of.
pub struct ServerParts {
    /// The bounds.
    pub limits: Limits,
    /// The AWS API.
    pub api: Arc<dyn Handler>,
    /// The Studio door.
    pub door: Arc<dyn Handler>,
    /// The message gateway: the data channels of sessions.
    pub channel: Arc<dyn Handler>,
    /// What the server's own paths can ask for.
    pub control: Arc<dyn Control>,
    /// Makes a request's id: a UUID, by the gate's randomness.
    pub request_ids: Arc<dyn Fn() -> String + Send + Sync>,
}

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) limits: Limits,
    pub(crate) api: Arc<dyn Handler>,
    pub(crate) door: Arc<dyn Handler>,
    pub(crate) channel: Arc<dyn Handler>,
    pub(crate) control: Arc<dyn Control>,
    pub(crate) request_ids: Arc<dyn Fn() -> String + Send + Sync>,
    /// In units of [`BODY_UNIT`].
    pub(crate) bodies: Arc<Semaphore>,
    connections: Arc<Semaphore>,
    /// The connections that wait for their clients.
    waiting: Arc<Waiting>,
    /// Told when a connection has ended.
    ended: tokio::sync::Notify,
    pub(crate) stop: watch::Sender<bool>,
    /// Told when the time to stop is over as well.
    abort: watch::Sender<bool>,
}

/// The present state of a listener's address.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) via: Via,
    denied: Option<String>,
    names: Vec<String>,
    gone: bool,
}

impl Way {
    /// Whether requests are let in.
    pub(crate) fn is_open(&self) -> bool {
        !self.gone && self.denied.is_none()
    }

    /// Whether a request for this host was meant for something else.
    pub(crate) fn is_misdirected(&self, host: &str) -> bool {
        let named = match self.via {
            Via::Endpoint(_) | Via::Interface(_) => true,
            Via::Public | Via::Door => !self.names.is_empty(),
        };
        named && is_misdirected(host, &self.names)
    }
}

struct Listener {
    way: watch::Sender<Arc<Way>>,
    task: JoinHandle<()>,
}

/// The server: one public listener or several, and one for each address of [`Server::converge`].
pub struct Server {
    shared: Arc<Shared>,
    public: Mutex<Vec<Listener>>,
    listed: Mutex<HashMap<SocketAddr, Listener>>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Server")
    }
}

impl Server {
    /// A server that does not listen yet.
    #[must_use]
    pub fn new(parts: ServerParts) -> Self {
        let ServerParts { limits, api, door, channel, control, request_ids } = parts;
        let shared = Shared {
            bodies: Arc::new(Semaphore::new(limits.bodies_bytes / BODY_UNIT)),
            connections: Arc::new(Semaphore::new(limits.connections)),
            waiting: Arc::default(),
            ended: tokio::sync::Notify::new(),
            stop: watch::Sender::new(false),
            abort: watch::Sender::new(false),
            limits,
            api,
            door,
            channel,
            control,
            request_ids,
        };
        Self { shared: Arc::new(shared), public: Mutex::default(), listed: Mutex::default() }
    }

    /// Binds the public address. Connections wait until [`Server::serve`].
    ///
    /// # Errors
    /// Those of binding: the address is in use, or not this machine's.
    pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
        if address.ip().is_unspecified() && address.port() != 0 {
            // Addresses of endpoints will be bound beside the wildcard, which takes SO_REUSEPORT;
            // but that would also let a second server in. This finds out.
            drop(listen(address, false)?);
        }
        listen(address, address.ip().is_unspecified())
    }

    /// Serves the public listener.
    pub async fn serve(&self, listener: TcpListener) {
        let way = Arc::new(Way { via: Via::Public, denied: None, names: Vec::new(), gone: false });
        self.public.lock().await.push(self.open(listener, way));
    }

    /// Listens on exactly these addresses beside the public one. New ones are bound, those that are
    /// not named any more are closed, and what has changed of the others binds the next connection
    /// and the next request. Requests in flight are answered.
    ///
    /// When this returns, what could be bound is bound.
    pub async fn converge(&self, desired: Vec<ListenAddress>) -> Convergence {
        self.converge_with(|| desired).await
    }

    /// As [`Server::converge`], with what `desired` finds when its turn has come: of two calls at
    /// the same time, the later one sees the later state.
    pub async fn converge_with(&self, desired: impl FnOnce() -> Vec<ListenAddress>) -> Convergence {
        let mut listed = self.listed.lock().await;
        let desired = desired();
        let mut result = Convergence::default();
        let mut before = std::mem::take(&mut *listed);
        // Close first: an address may be wanted again on another way.
        let named: HashSet<_> = desired.iter().map(|at| at.address).collect();
        let (kept, gone): (HashMap<_, _>, HashMap<_, _>) =
            before.drain().partition(|(address, _)| named.contains(address));
        for (_, listener) in gone {
            close(listener).await;
        }
        *listed = kept;
        let mut served = HashSet::new();
        for ListenAddress { address, via, denied, names } in desired {
            if !served.insert(address) {
                // Of two, the first has it: requests for the other must not become its arrivals, nor
                // its own the other's.
                let text = "another endpoint or domain is listened for there";
                let error = io::Error::new(io::ErrorKind::AddrInUse, text);
                result.outcomes.push((address, Some(error)));
                continue;
            }
            let way = Way { via, denied, names, gone: false };
            if let Some(listener) = listed.get(&address) {
                listener.way.send_if_modified(|now| {
                    let changed = **now != way;
                    if changed {
                        *now = Arc::new(way);
                    }
                    changed
                });
                result.outcomes.push((address, None));
                continue;
            }
            match listen_beside(address) {
                Ok(listener) => {
                    listed.insert(address, self.open(listener, Arc::new(way)));
                    result.outcomes.push((address, None));
                }
                Err(error) => result.outcomes.push((address, Some(error))),
            }
        }
        result.listening = listed.keys().copied().collect();
        result
    }

    /// Stops: no connection is accepted any more, requests in flight are answered, for as long as
    /// [`Limits::stop_time`] allows. True when all ended by themselves.
    pub async fn stop(&self) -> bool {
        // Before the ways are closed: who asks why a connection ends should learn that all of them do.
        self.shared.stop.send_replace(true);
        for listener in self.public.lock().await.drain(..) {
            close(listener).await;
        }
        for (_, listener) in self.listed.lock().await.drain() {
            close(listener).await;
        }
        let all = u32::try_from(self.shared.limits.connections).unwrap_or(u32::MAX);
        let ended =
            timeout(self.shared.limits.stop_time, self.shared.connections.acquire_many(all));
        let ended = ended.await.is_ok();
        self.shared.abort.send_replace(true);
        ended
    }

    /// Serves TLS on a socket that listens already, in whichever network it is.
    ///
    /// # Errors
    /// Of the socket, or of the TLS library.
    pub fn adopt(
        &self,
        socket: OwnedFd,
        authority: &Arc<Authority>,
        via: Via,
        names: Vec<String>,
    ) -> io::Result<Adopted> {
        let socket = std::net::TcpListener::from(socket);
        socket.set_nonblocking(true)?;
        let listener = TcpListener::from_std(socket)?;
        let way = watch::Sender::new(Arc::new(Way { via, denied: None, names, gone: false }));
        let seen = way.subscribe();
        let config = authority.config(move || seen.borrow().names.clone());
        let tls = TlsAcceptor::from(config.map_err(io::Error::other)?);
        let accept = accept(listener, Arc::clone(&self.shared), way.subscribe(), Some(tls));
        Ok(Adopted(Some(Listener { way, task: tokio::spawn(accept) })))
    }

    fn open(&self, listener: TcpListener, way: Arc<Way>) -> Listener {
        let way = watch::Sender::new(way);
        let accept = accept(listener, Arc::clone(&self.shared), way.subscribe(), None);
        Listener { way, task: tokio::spawn(accept) }
    }
}

/// A socket that [`Server::adopt`] serves, until this is closed or dropped, or the server stops.
pub struct Adopted(Option<Listener>);

impl std::fmt::Debug for Adopted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let via = self.0.as_ref().map(|listener| listener.way.borrow().via.clone());
        f.debug_tuple("Adopted").field(&via).finish()
    }
}

impl Adopted {
    /// What arrivals mean from the next connection and the next request on.
    pub fn tell(&self, via: Via, names: Vec<String>) {
        let way = Way { via, denied: None, names, gone: false };
        let Some(listener) = &self.0 else { return };
        listener.way.send_if_modified(|now| {
            let changed = **now != way;
            if changed {
                *now = Arc::new(way);
            }
            changed
        });
    }

    /// Closes it. Requests in flight are answered.
    pub async fn close(mut self) {
        if let Some(listener) = self.0.take() {
            close(listener).await;
        }
    }
}

impl Drop for Adopted {
    fn drop(&mut self) {
        if let Some(listener) = &self.0 {
            shut(listener);
        }
    }
}

/// Tells the connections that their way is closed, and accepts no more.
fn shut(listener: &Listener) {
    listener.way.send_modify(|way| {
        let (via, denied, names) = (way.via.clone(), way.denied.clone(), way.names.clone());
        *way = Arc::new(Way { via, denied, names, gone: true });
    });
    listener.task.abort();
}

/// As [`shut`], and gives the address back.
async fn close(listener: Listener) {
    shut(&listener);
    // The socket is closed when the task is gone.
    let _ = listener.task.await;
}

fn listen(address: SocketAddr, reuse_port: bool) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    #[cfg(unix)]
    {
        // A port whose last connections are still in TIME_WAIT can be bound again.
        socket.set_reuseaddr(true)?;
        if reuse_port {
            socket.set_reuseport(true)?;
        }
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Listens on an address at whose port the public listener may have all addresses: that one allows
/// it, and nothing else does.
fn listen_beside(address: SocketAddr) -> io::Result<TcpListener> {
    match listen(address, false) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => listen(address, true),
        listener => listener,
    }
}

/// Whether this machine has the whole of 127.0.0.0/8, as Linux does, so that each endpoint can
/// have an address of its own.
#[must_use]
pub fn has_loopback_range() -> bool {
    let address = SocketAddr::from((Ipv4Addr::new(127, 91, 17, 3), 0));
    std::net::TcpListener::bind(address).is_ok()
}

async fn accept(
    listener: TcpListener,
    shared: Arc<Shared>,
    way: watch::Receiver<Arc<Way>>,
    tls: Option<TlsAcceptor>,
) {
    let mut stop = shared.stop.subscribe();
    // One of all addresses also gets what was meant for addresses of endpoints and doors.
    let wildcard = listener.local_addr().map_or(true, |local| local.ip().is_unspecified());
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) if wildcard && is_unlisted_endpoint(&stream, &way.borrow().via) => {
                // Dropped, and so closed, before a byte of it is read.
                drop(stream);
            }
            Ok((stream, peer)) => admit(stream, peer, &shared, &way, tls.as_ref()),
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections");
                // Out of descriptors or memory: go on when a connection has ended.
                let _ = timeout(EXHAUSTED, shared.ended.notified()).await;
            }
        }
    }
}

fn admit(
    stream: TcpStream,
    peer: SocketAddr,
    shared: &Arc<Shared>,
    way: &watch::Receiver<Arc<Way>>,
    tls: Option<&TlsAcceptor>,
) {
    if !way.borrow().is_open() {
        // Dropped, and so closed, before a byte of it is read.
        return;
    }
    let permit = match Arc::clone(&shared.connections).try_acquire_owned() {
        Ok(permit) => Some(permit),
        // There will be room for it.
        Err(_) if shared.waiting.evict() => None,
        // Who expects TLS could not read why.
        Err(_) if tls.is_some() => return,
        Err(_) => return refuse(stream, peer, shared, way),
    };
    let Ok(local) = stream.local_addr() else { return };
    let ends = Ends {
        peer: peer.ip().to_canonical(),
        local: SocketAddr::new(local.ip().to_canonical(), local.port()),
        secure: tls.is_some(),
    };
    // Without it answers would wait for acknowledgements; if it cannot be set, they do.
    let _ = stream.set_nodelay(true);
    let shared = Arc::clone(shared);
    let way = way.clone();
    // Before the next connection can ask for room.
    let seat = permit.is_some().then(|| Seat::new(&shared.waiting));
    let tls = tls.cloned();
    tokio::spawn(async move {
        let permit = match permit {
            Some(permit) => permit,
            None => {
                let room = Arc::clone(&shared.connections).acquire_owned();
                match timeout(ROOM, room).await {
                    Ok(Ok(permit)) => permit,
                    _ if tls.is_some() => return,
                    _ => return refuse(stream, peer, &shared, &way),
                }
            }
        };
        let mut abort = shared.abort.subscribe();
        let seat = seat.unwrap_or_else(|| Seat::new(&shared.waiting));
        let serve = async {
            let Some(tls) = tls else {
                return connection::serve(stream, ends, Arc::clone(&shared), way, seat).await;
            };
            // A handshake has the time that a request's head has, and waits as a connection does.
            // Why one failed, its client knows.
            let shaken = tokio::select! {
                biased;
                _ = seat.evicted() => return,
                shaken = timeout(shared.limits.head_time, tls.accept(stream)) => shaken,
            };
            if let Ok(Ok(stream)) = shaken {
                connection::serve(stream, ends, Arc::clone(&shared), way, seat).await;
            }
        };
        tokio::select! {
            () = serve => {}
            _ = abort.wait_for(|abort| *abort) => {}
        }
        drop(permit);
        shared.ended.notify_one();
    });
}

/// Tells a client that there are too many.
fn refuse(
    stream: TcpStream,
    peer: SocketAddr,
    shared: &Arc<Shared>,
    way: &watch::Receiver<Arc<Way>>,
) {
    if let Ok(mut stream) = stream.into_std() {
        // The socket does not block and its buffer is empty; if it cannot be written to, the
        // client is gone already.
        let peer = peer.ip().to_canonical();
        let _ = stream.write(connection::too_many(shared, &way.borrow(), peer).as_bytes());
    }
}

/// Whether a connection to a wildcard listener was meant for an endpoint's address that nobody
/// listens on (any more): it must not become a public arrival.
fn is_unlisted_endpoint(stream: &TcpStream, via: &Via) -> bool {
    let local = stream.local_addr().map(|local| local.ip().to_canonical());
    let IpAddr::V4(local) = local.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)) else {
        return false;
    };
    *via == Via::Public && local.is_loopback() && local != Ipv4Addr::LOCALHOST
}

/// Errors that a client caused by leaving before it was accepted.
fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
