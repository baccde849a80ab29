//! The server's side: starts the keeper and tells it what is to be.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use sagegate_network::topology::Topology;

use crate::delta::Delta;
use crate::follow::Follower;
use crate::frame;
use crate::order::{Answer, At, Order, Protocol};

/// Why the kernel does not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum FabricError {
    /// The keeper cannot be started or spoken to.
    #[error("the fabric's keeper: {0}")]
    Keeper(#[from] io::Error),
    /// The machine does not allow it, or the kernel refused.
    #[error("{0}")]
    Refused(String),
}

/// A namespace of the fabric, to join.
#[derive(Debug)]
pub struct Namespace {
    /// The network namespace.
    pub net: OwnedFd,
    /// The user namespace that it belongs to, to be joined first; none where it is the machine's.
    pub user: Option<OwnedFd>,
}

/// Networks in the kernel. Clones are the same fabric; with the last of them it goes.
#[derive(Clone, Debug)]
pub struct Fabric {
    keeper: Arc<Mutex<Keeper>>,
}

#[derive(Debug)]
struct Keeper {
    stream: UnixStream,
    child: Child,
    /// What the kernel has.
    follower: Follower,
    /// The change that was refused halfway, or an empty one while a change is being made: what the kernel
    /// has is not known.
    torn: Option<Box<Delta>>,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
        let _ = self.child.wait();
    }
}

impl Fabric {
    /// Starts a keeper: `executable` with `arguments` has to call [`run`](crate::keeper::run). Blocks
    /// until it stands.
    ///
    /// # Errors
    /// If it cannot be started, or the machine does not allow what it does, with the reason.
    pub fn start(executable: &Path, arguments: &[&str]) -> Result<Self, FabricError> {
        let (ours, theirs) = UnixStream::pair()?;
        let child = Command::new(executable)
            .args(arguments)
            .env_clear()
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()?;
        let mut keeper = Keeper { stream: ours, child, follower: Follower::default(), torn: None };
        keeper.answer()?;
        Ok(Self { keeper: Arc::new(Mutex::new(keeper)) })
    }

    /// Brings the kernel to what the networks are now, with somebody behind each of the `plugged`
    /// network interfaces. Blocks until all of it is in force. Gives the namespaces that are gone or
    /// were made anew: sockets that were opened in them hear nothing any more.
    ///
    /// # Errors
    /// If the kernel refuses. What it has then is not what it should have: every interface is
    /// unplugged and plugged in again by the next call.
    pub fn apply(
        &self,
        topology: &Arc<Topology>,
        plugged: &BTreeSet<String>,
    ) -> Result<BTreeSet<At>, FabricError> {
        let mut keeper = self.keeper();
        let mut gone = BTreeSet::new();
        if let Some(torn) = keeper.torn.take() {
            let delta = torn.undone(keeper.follower.state());
            keeper.torn = Some(torn);
            gone.extend(delta.gone());
            keeper.order(&Order::Change(Box::new(delta)))?;
            keeper.follower.forget();
            keeper.torn = None;
        }
        keeper.torn = Some(Box::default());
        let delta = Box::new(keeper.follower.step(topology, plugged));
        gone.extend(delta.gone());
        if !delta.is_empty() {
            let order = Order::Change(delta);
            let done = keeper.order(&order);
            if let (Err(error), Order::Change(delta)) = (done, order) {
                keeper.torn = Some(delta);
                return Err(error);
            }
        }
        keeper.torn = None;
        Ok(gone)
    }

    /// Opens a socket in a namespace: TCP sockets listen.
    ///
    /// # Errors
    /// If there is no such namespace, or the address cannot be bound there.
    pub fn listen(
        &self,
        at: At,
        protocol: Protocol,
        address: SocketAddr,
    ) -> Result<OwnedFd, FabricError> {
        self.descriptor(&Order::Listen { at, protocol, address })
    }

    /// Begins a TCP connection from a namespace. The socket does not block; it may not be connected
    /// yet, and tells when it can be written to.
    ///
    /// # Errors
    /// If there is no such namespace, or the kernel knows no way.
    pub fn dial(
        &self,
        at: At,
        from: Option<SocketAddr>,
        to: SocketAddr,
    ) -> Result<OwnedFd, FabricError> {
        self.descriptor(&Order::Dial { at, from, to })
    }

    /// A namespace, to join it.
    ///
    /// # Errors
    /// If there is none.
    pub fn namespace(&self, at: At) -> Result<Namespace, FabricError> {
        let mut descriptors = self.keeper().order(&Order::Namespace { at })?.into_iter();
        let net = descriptors.next().ok_or_else(missing)?;
        Ok(Namespace { net, user: descriptors.next() })
    }

    /// Has an interface that is plugged in next have a namespace in which somebody is already: what
    /// another keeper has made, and those in it have kept. Its user namespace has to be this keeper's.
    ///
    /// # Errors
    /// If the kernel does not let the keeper into it.
    pub fn adopt(&self, interface: &str, namespace: OwnedFd) -> Result<(), FabricError> {
        let order = Order::Adopt { port: interface.to_owned() };
        self.keeper().order_with(&order, &[namespace.as_fd()]).map(drop)
    }

    /// The keeper's process: readable once it has ended, and the networks with it (pidfd_open(2)).
    ///
    /// # Errors
    /// If it cannot be had.
    pub fn process(&self) -> Result<OwnedFd, FabricError> {
        let number = i32::try_from(self.keeper().child.id()).ok().and_then(Pid::from_raw);
        let process = pidfd_open(number.ok_or_else(missing)?, PidfdFlags::empty());
        Ok(process.map_err(io::Error::from)?)
    }

    /// Makes all addresses of a block those of servers on the internet.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn own(&self, block: IpNet) -> Result<(), FabricError> {
        self.keeper().order(&Order::Own { block }).map(drop)
    }

    fn descriptor(&self, order: &Order) -> Result<OwnedFd, FabricError> {
        self.keeper().order(order)?.into_iter().next().ok_or_else(missing)
    }

    /// A panic while it was locked has torn nothing that `torn` does not tell of.
    fn keeper(&self) -> std::sync::MutexGuard<'_, Keeper> {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn missing() -> FabricError {
    io::Error::from(io::ErrorKind::UnexpectedEof).into()
}

impl Keeper {
    fn order(&mut self, order: &Order) -> Result<Vec<OwnedFd>, FabricError> {
        self.order_with(order, &[])
    }

    fn order_with(
        &mut self,
        order: &Order,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<Vec<OwnedFd>, FabricError> {
        frame::write(&self.stream, order, descriptors)?;
        self.answer()
    }

    fn answer(&mut self) -> Result<Vec<OwnedFd>, FabricError> {
        match frame::read(&self.stream)? {
            Some((Answer::Done, descriptors)) => Ok(descriptors),
            Some((Answer::Refused(reason), _)) => Err(FabricError::Refused(reason)),
            None => Err(missing()),
        }
    }
}
