//! The networks of the state in the kernel, for the workloads that belong to them.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use sagegate_gate::Gate;
use sagegate_server::{Authority, Inside, InsideError, Place};
use sagegate_workloads::networks::{Networks, Plugged, Unplugged};
use sagegate_workloads::runtime::{Doing, Failure, Seat};
use sagegate_workloads::work::{Link, Work};

use crate::node::Node;
use crate::surroundings;

/// Where the certificate to trust is inside.
const AUTHORITY: &str = "/opt/sagegate/authority.pem";

/// The networks of VPCs.
pub(crate) struct VpcNetworks {
    gate: Arc<Gate>,
    /// The certificate to trust.
    authority: std::path::PathBuf,
    /// Given as soon as the server is there that listens inside.
    inside: OnceLock<Arc<Inside>>,
    /// Whether it was said that the machine cannot do it any more.
    said: AtomicBool,
    /// What was found out at the start: why it cannot.
    missing: OnceLock<String>,
}

impl VpcNetworks {
    pub(crate) fn new(node: &Node) -> Self {
        Self {
            gate: Arc::clone(&node.gate),
            authority: Authority::place(&node.directory),
            inside: OnceLock::new(),
            said: AtomicBool::new(false),
            missing: OnceLock::new(),
        }
    }

    /// Gives it what brings networks into the kernel, and finds out whether the machine does that.
    pub(crate) async fn open(&self, inside: Arc<Inside>) {
        if let Err(error) = inside.try_out().await {
            let _ = self.missing.set(error.to_string());
        }
        let _ = self.inside.set(inside);
    }

    /// Why the machine does not do it.
    pub(crate) fn missing(&self) -> Option<&str> {
        self.missing.get().map(String::as_str)
    }

    async fn plug_in(
        &self,
        work: &Work,
        own: Option<OwnedFd>,
    ) -> Result<Option<Plugged>, Unplugged> {
        let (Some(inside), Some(link)) = (self.inside.get(), work.link()) else {
            return Ok(None);
        };
        if let Err(error) = inside.stand(&self.gate).await {
            // The banner has said so, if it was so from the start.
            if self.missing().is_none() && !self.said.swap(true, Ordering::Relaxed) {
                tracing::warn!("spaces are without their VPC: {error}");
            }
            return Ok(None);
        }
        let placed = match &link {
            Link::Interface(interface) => inside.plug(&self.gate, interface, own).await,
            Link::Internet(name) => inside.plug_managed(&self.gate, name, own).await,
        };
        let Place { namespace, name_servers, search } = placed.map_err(why)?;
        let authority = std::fs::read_to_string(&self.authority).map_err(|error| {
            Unplugged::Failed(Failure::of(&self.authority.display().to_string(), &error))
        })?;
        let resolver = surroundings::resolver(&name_servers, &search);
        let files = [("/etc/resolv.conf", resolver), (AUTHORITY, authority)];
        let trust = surroundings::TRUST.map(|name| (name.to_owned(), AUTHORITY.to_owned()));
        Ok(Some(Plugged {
            interface: link.name().to_owned(),
            seat: Seat { net: namespace.net, user: namespace.user },
            files: files.map(|(path, text)| (path.to_owned(), text)).into(),
            env: BTreeMap::from(trust),
        }))
    }
}

fn why(error: InsideError) -> Unplugged {
    let failure = Failure::new(format!("The network interface cannot be used: {error}"));
    match error {
        InsideError::Foreign(_) => Unplugged::Foreign(failure),
        _ => Unplugged::Failed(failure),
    }
}

impl Networks for VpcNetworks {
    fn plug<'a>(
        &'a self,
        work: &'a Work,
        own: Option<OwnedFd>,
    ) -> Doing<'a, Result<Option<Plugged>, Unplugged>> {
        Box::pin(self.plug_in(work, own))
    }

    fn unplug<'a>(&'a self, interface: &'a str) -> Doing<'a, ()> {
        Box::pin(async move {
            if let Some(inside) = self.inside.get() {
                inside.unplug(&self.gate, interface).await;
            }
        })
    }

    fn lost<'a>(&'a self, interface: &'a str) -> Doing<'a, ()> {
        Box::pin(async move {
            match self.inside.get() {
                Some(inside) => inside.lost(interface).await,
                None => std::future::pending().await,
            }
        })
    }
}
