//! The networks of the state in the kernel, for the workloads that belong to them.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use sagegate_gate::Gate;
use sagegate_server::{Authority, Inside, InsideError, Place};
use sagegate_workloads::networks::{Networks, Plugged, Unplugged};
use sagegate_workloads::runtime::{Doing, Failure, Seat};
use sagegate_workloads::work::Work;

use crate::node::Node;
use crate::surroundings;

/// Where the certificate to trust is inside.
const AUTHORITY: &str = "/opt/sagegate/authority.pem";

/// The networks of VPCs.
pub(crate) struct VpcNetworks {
    gate: Arc<Gate>,
    region: String,
    /// The certificate to trust.
    authority: std::path::PathBuf,
    /// Given as soon as the server is there that listens inside.
    inside: OnceLock<Arc<Inside>>,
    /// Whether it was said that the machine cannot do it.
    said: AtomicBool,
}

impl VpcNetworks {
    pub(crate) fn new(node: &Node) -> Self {
        Self {
            gate: Arc::clone(&node.gate),
            region: node.scope.region.to_string(),
            authority: Authority::place(&node.directory),
            inside: OnceLock::new(),
            said: AtomicBool::new(false),
        }
    }

    /// Gives it what brings networks into the kernel; the first time counts.
    pub(crate) fn open(&self, inside: Arc<Inside>) {
        let _ = self.inside.set(inside);
    }

    async fn plug_in(
        &self,
        work: &Work,
        own: Option<OwnedFd>,
    ) -> Result<Option<Plugged>, Unplugged> {
        let (Some(inside), Some(interface)) = (self.inside.get(), work.interface()) else {
            return Ok(None);
        };
        if let Err(error) = inside.stand(&self.gate).await {
            if !self.said.swap(true, Ordering::Relaxed) {
                tracing::warn!("spaces are without their VPC: {error}");
            }
            return Ok(None);
        }
        let Place { namespace, resolvers } =
            inside.plug(&self.gate, interface, own).await.map_err(why)?;
        let authority = std::fs::read_to_string(&self.authority).map_err(|error| {
            Unplugged::Failed(Failure::of(&self.authority.display().to_string(), &error))
        })?;
        let resolver = surroundings::resolver(&self.region, resolvers.first().copied());
        let files = [("/etc/resolv.conf", resolver), (AUTHORITY, authority)];
        let trust = surroundings::TRUST.map(|name| (name.to_owned(), AUTHORITY.to_owned()));
        Ok(Some(Plugged {
            interface: interface.to_owned(),
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
