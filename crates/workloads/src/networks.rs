//! The networks that workloads are put into, as those who run workloads see them.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use crate::runtime::{Doing, Failure, Seat};
use crate::work::Work;

/// Networks of this machine.
pub trait Networks: Send + Sync {
    /// Plugs a workload into the network that it belongs to. What is in force of that network when this
    /// returns is all that the state says. One that runs already brings its namespace as `own`.
    ///
    /// Nothing, where the workload belongs to none, or this machine carries none: then it is to have no
    /// network at all.
    ///
    /// # Errors
    ///
    /// [`Unplugged`]; then it is not plugged in.
    fn plug<'a>(
        &'a self,
        work: &'a Work,
        own: Option<OwnedFd>,
    ) -> Doing<'a, Result<Option<Plugged>, Unplugged>>;

    /// Takes a workload out of its network.
    fn unplug<'a>(&'a self, interface: &'a str) -> Doing<'a, ()>;

    /// Comes back when nobody is behind an interface any more.
    fn lost<'a>(&'a self, interface: &'a str) -> Doing<'a, ()>;
}

/// Where a workload is plugged in.
#[derive(Debug)]
pub struct Plugged {
    /// The interface's name.
    pub interface: String,
    /// The namespace behind it.
    pub seat: Seat,
    /// Files inside and what they say: who is asked for names, whom to trust.
    pub files: BTreeMap<String, String>,
    /// Variables of what runs there.
    pub env: BTreeMap<String, String>,
}

/// Why a workload is not plugged in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unplugged {
    /// The namespace that it brought cannot be plugged in again: it has to be started anew.
    #[error("{0}")]
    Foreign(Failure),
    /// It could not be done.
    #[error("{0}")]
    Failed(Failure),
}

/// No networks at all.
#[derive(Debug, Default, Clone, Copy)]
pub struct NoNetworks;

impl Networks for NoNetworks {
    fn plug<'a>(
        &'a self,
        _: &'a Work,
        _: Option<OwnedFd>,
    ) -> Doing<'a, Result<Option<Plugged>, Unplugged>> {
        Box::pin(async { Ok(None) })
    }

    fn unplug<'a>(&'a self, _: &'a str) -> Doing<'a, ()> {
        Box::pin(async {})
    }

    fn lost<'a>(&'a self, _: &'a str) -> Doing<'a, ()> {
        Box::pin(std::future::pending())
    }
}
