//! Ports and sockets that are forwarded (RFC 4254, section 7; OpenSSH's PROTOCOL, section 2.4) and
//! the client's agent.
//!
//! Everything happens inside the space: with the user's rights, in the network that the server's
//! process has.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::pump::Event;
use crate::user::User;

/// Where a connection came in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Origin {
    /// The address as the client named it, and the port that is bound.
    Tcp(String, u16),
    Unix(String),
    Agent,
}

/// A connection that has to be carried to the client.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) origin: Origin,
    pub(crate) stream: Stream,
    /// Who connected.
    pub(crate) peer: Option<SocketAddr>,
}

#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A listener; dropping it closes it and removes its socket.
#[derive(Debug)]
pub(crate) struct Listening {
    task: AbortHandle,
    files: Vec<PathBuf>,
    user: User,
}

#[cfg(any(test, feature = "fuzzing"))]
impl Listening {
    /// Listens on nothing.
    pub(crate) fn on_nothing(user: User) -> Self {
        let task = tokio::spawn(std::future::pending::<()>()).abort_handle();
        Self { task, files: Vec::new(), user }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
        let files = &self.files;
        let _ = self.user.run(|| {
            for file in files {
                let removed = if file.is_dir() {
                    std::fs::remove_dir(file)
                } else {
                    std::fs::remove_file(file)
                };
                if let Err(error) = removed {
                    tracing::debug!(%error, "a forwarded socket was not removed");
                }
            }
            Ok(())
        });
    }
}

/// Which addresses a client means by the name it gives (RFC 4254, section 7.1).
fn bound_to(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let (v4, v6): (IpAddr, IpAddr) = match name {
        "" | "*" => (Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()),
        "localhost" => (Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()),
        _ => {
            let address: IpAddr = name.parse().map_err(|_| io::ErrorKind::InvalidInput)?;
            return Ok(vec![(address, port).into()]);
        }
    };
    Ok(vec![(v4, port).into(), (v6, port).into()])
}

/// Listens where the client wants; port 0 is any free one. Gives the port.
pub(crate) fn listen_tcp(
    user: &User,
    name: &str,
    port: u16,
    events: &mpsc::Sender<Event>,
) -> io::Result<(Listening, u16)> {
    let addresses = bound_to(name, port)?;
    let listeners = user.run(|| {
        let mut listeners: Vec<std::net::TcpListener> = Vec::new();
        let mut failed = None;
        for mut address in addresses {
            // Both families have the same port. Where one family is not there, the other is enough.
            if let Some(first) = listeners.first() {
                address.set_port(first.local_addr()?.port());
            }
            match listen_one(address) {
                Ok(listener) => listeners.push(listener),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        match failed {
            Some(error) if listeners.is_empty() => Err(error),
            _ => Ok(listeners),
        }
    })?;
    let bound = listeners.first().ok_or(io::ErrorKind::AddrNotAvailable)?.local_addr()?.port();
    let listeners: io::Result<Vec<TcpListener>> =
        listeners.into_iter().map(TcpListener::from_std).collect();
    let mut listeners = listeners?.into_iter();
    let (first, second) = (listeners.next(), listeners.next());
    let (name, events) = (name.to_owned(), events.clone());
    let task = tokio::spawn(async move {
        let accept = async |listener: Option<TcpListener>| {
            let Some(listener) = listener else { return };
            while let Ok((stream, peer)) = accept_again(|| listener.accept()).await {
                let _ = stream.set_nodelay(true);
                let origin = Origin::Tcp(name.clone(), bound);
                let stream = Stream::Tcp(stream);
                let accepted = Accepted { origin, stream, peer: Some(peer) };
                if events.send(Event::Accepted(accepted)).await.is_err() {
                    return;
                }
            }
        };
        tokio::join!(accept(first), accept(second));
    });
    let task = task.abort_handle();
    Ok((Listening { task, files: Vec::new(), user: user.clone() }, bound))
}

fn listen_one(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    rustix::net::sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        rustix::net::sockopt::set_ipv6_v6only(&socket, true)?;
    }
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, 128)?;
    Ok(socket.into())
}

/// Accepts; where the process has no descriptor left, tries again when one may have become free.
async fn accept_again<T, F: Future<Output = io::Result<T>>>(
    mut accept: impl FnMut() -> F,
) -> io::Result<T> {
    loop {
        match accept().await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) if matches!(error.raw_os_error(), Some(23 | 24)) => {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
            result => return result,
        }
    }
}

/// Listens on a socket that only the user can connect to.
pub(crate) fn listen_unix(
    user: &User,
    path: &str,
    events: &mpsc::Sender<Event>,
) -> io::Result<Listening> {
    listen_socket(user, path.into(), Vec::new(), Origin::Unix(path.to_owned()), events)
}

fn listen_socket(
    user: &User,
    path: PathBuf,
    mut files: Vec<PathBuf>,
    origin: Origin,
    events: &mpsc::Sender<Event>,
) -> io::Result<Listening> {
    if path.as_os_str().is_empty() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let listener = user.run(|| {
        let socket = unix_socket()?;
        rustix::net::bind(&socket, &SocketAddrUnix::new(&path)?)?;
        // Nobody can connect before it listens, so that the mode comes in time.
        rustix::fs::chmod(&path, rustix::fs::Mode::from_raw_mode(0o600))?;
        rustix::net::listen(&socket, 128)?;
        Ok(std::os::unix::net::UnixListener::from(socket))
    })?;
    let listener = UnixListener::from_std(listener)?;
    files.insert(0, path);
    let events = events.clone();
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = accept_again(|| listener.accept()).await {
            let stream = Stream::Unix(stream);
            let accepted = Accepted { origin: origin.clone(), stream, peer: None };
            if events.send(Event::Accepted(accepted)).await.is_err() {
                return;
            }
        }
    });
    Ok(Listening { task: task.abort_handle(), files, user: user.clone() })
}

/// A socket for the client's agent, in a directory that only the user can enter. Gives its path.
pub(crate) fn listen_agent(
    user: &User,
    events: &mpsc::Sender<Event>,
) -> io::Result<(Listening, PathBuf)> {
    let random = crate::kex::random::<8>().map_err(io::Error::other)?;
    let directory = Path::new("/tmp").join(format!("ssh-{:016x}", u64::from_be_bytes(*random)));
    user.run(|| std::fs::DirBuilder::new().mode(0o700).create(&directory))?;
    let path = directory.join("agent");
    let files = vec![directory];
    let listening = listen_socket(user, path.clone(), files, Origin::Agent, events)?;
    Ok((listening, path))
}

fn unix_socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?)
}

/// Connects to a socket of the space, if the user may.
pub(crate) fn connect_unix(user: &User, path: &str) -> io::Result<UnixStream> {
    let stream = user.run(|| {
        let socket = unix_socket()?;
        // A listener whose queue is full refuses at once, because the socket does not wait.
        rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
        Ok(std::os::unix::net::UnixStream::from(socket))
    })?;
    UnixStream::from_std(stream)
}

/// Connects to a port, as seen from inside the space.
pub(crate) async fn connect_tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    let _ = stream.set_nodelay(true);
    Ok(stream)
}
