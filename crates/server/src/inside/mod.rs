//! The networks of the state in the kernel, for commands that run inside of them: who is plugged in,
//! and the sockets of endpoints, resolvers and AWS's public addresses.
//!
//! Invariant: what an arrival means follows from the namespace that its socket was opened in, and
//! from the peer that the kernel names. If the kernel cannot be brought to what the state says, all
//! of it is taken down: nobody stays plugged in by rules that are not in force.

mod managed;
mod resolver;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use sagegate_fabric::{At, Fabric, FabricError, Namespace, Protocol, compile};
use sagegate_gate::{Fault, Gate, Reaction, Scope};
use sagegate_network::public::{self, PublicService};
use sagegate_network::topology::{EndpointKind, Topology};
use sagegate_services::ec2::NameService;
use sagegate_services::{ec2, route53};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{Mutex, MutexGuard, watch};
use tokio::task::spawn_blocking;

use crate::authority::{Authority, AuthorityError};
use crate::exchange::BoxFuture;
use crate::listeners::{Adopted, Server, Via};

use managed::Managed;
use resolver::{Resolver, View};

/// Endpoints and public services speak HTTPS.
const HTTPS: u16 = 443;
const DNS: u16 = 53;

/// Why nobody can be put into a subnet.
#[derive(Debug, thiserror::Error)]
pub enum InsideError {
    /// The kernel does not do it.
    #[error("this machine cannot carry the VPC: {0}")]
    Fabric(#[from] FabricError),
    /// There are no certificates.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The state cannot be read.
    #[error(transparent)]
    State(#[from] Fault),
    /// The work was cut short.
    #[error("{0}")]
    Ended(#[from] tokio::task::JoinError),
    /// The namespace in which somebody is already cannot be taken over.
    #[error("the namespace cannot be plugged in again: {0}")]
    Foreign(FabricError),
    /// There is no room in SageMaker's own VPC.
    #[error("SageMaker's own VPC has no address left")]
    Full,
    /// The interface was removed meanwhile.
    #[error("the network interface {0} is gone")]
    Gone(String),
}

/// Where somebody was put.
#[derive(Debug)]
pub struct Place {
    /// To be joined.
    pub namespace: Namespace,
    /// The name servers that the VPC's DHCP options name. Its own resolver is none of them where
    /// `enableDnsSupport` is off.
    pub name_servers: Vec<IpAddr>,
    /// The domains in which they have short names looked for.
    pub search: Vec<String>,
}

/// The networks in the kernel, from the first who is put into them.
pub struct Inside {
    server: Arc<Server>,
    scope: Scope,
    /// Where the certificate authority is.
    directory: PathBuf,
    /// The program that is a keeper when it is called with this argument.
    keeper: (PathBuf, &'static str),
    standing: Mutex<Option<Standing>>,
    /// Who is plugged in, for those who are to know that they are not any more.
    there: watch::Sender<BTreeSet<String>>,
}

impl std::fmt::Debug for Inside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inside").field("keeper", &self.keeper).finish_non_exhaustive()
    }
}

/// What is in the kernel.
struct Standing {
    fabric: Fabric,
    /// Readable when the fabric has ended by itself.
    ended: Option<Arc<AsyncFd<OwnedFd>>>,
    authority: Arc<Authority>,
    public: Vec<PublicService>,
    plugged: BTreeSet<String>,
    managed: Managed,
    doors: BTreeMap<Socket, Adopted>,
    resolvers: BTreeMap<Socket, Resolver>,
    view: watch::Sender<Arc<View>>,
}

/// By which way one comes to a public service: the doors of Studio and of notebooks have a name for each
/// domain and instance, the API has fixed ones.
fn by_which(service: &PublicService) -> Via {
    let doors = service.names.iter().any(|name| name.starts_with("*."));
    if doors { Via::Door } else { Via::Public }
}

/// A socket that listens in a namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Socket {
    at: At,
    tcp: bool,
    address: SocketAddr,
}

impl Inside {
    /// With nothing in the kernel yet. `keeper` is the program, and the argument with which it calls
    /// [`sagegate_fabric::keeper::run`].
    #[must_use]
    pub fn new(
        server: Arc<Server>,
        scope: Scope,
        directory: PathBuf,
        keeper: (PathBuf, &'static str),
    ) -> Self {
        let (standing, there) = (Mutex::default(), watch::Sender::default());
        Self { server, scope, directory, keeper, standing, there }
    }

    /// The reactions to register with the gate: a change of the networks is in force in the kernel,
    /// and one of hosted zones in the resolvers, before it is answered.
    #[must_use]
    pub fn reactions(self: &Arc<Self>) -> Vec<Arc<dyn Reaction>> {
        [ec2::NETWORK_TABLES, route53::ZONE_TABLES]
            .into_iter()
            .map(|tables| -> Arc<dyn Reaction> {
                Arc::new(Watch { tables, inside: Arc::clone(self) })
            })
            .collect()
    }

    /// Finds out whether the machine can do it, and leaves nothing of that.
    ///
    /// # Errors
    /// [`InsideError`], with what is missing.
    pub async fn try_out(&self) -> Result<(), InsideError> {
        let (executable, argument) = self.keeper.clone();
        let tried = spawn_blocking(move || Fabric::start(&executable, &[argument]).map(drop));
        Ok(tried.await??)
    }

    /// Makes sure that the machine can do it.
    ///
    /// # Errors
    /// [`InsideError`], with what is missing.
    pub async fn stand(&self, gate: &Gate) -> Result<(), InsideError> {
        let mut standing = self.standing.lock().await;
        self.standing(&mut standing, gate).await.map(drop)
    }

    /// Puts somebody into a VPC of SageMaker's own, which the account does not see, under this name:
    /// the internet can be reached from there, and nobody there can be reached.
    ///
    /// # Errors
    /// [`InsideError`]; then nobody is there.
    pub async fn plug_managed(
        &self,
        gate: &Gate,
        name: &str,
        own: Option<OwnedFd>,
    ) -> Result<Place, InsideError> {
        let mut guard = self.standing.lock().await;
        if !self.standing(&mut guard, gate).await?.managed.enter(name) {
            return Err(InsideError::Full);
        }
        self.plug_in(guard, gate, name, own, NameService::usual(&self.scope)).await
    }

    /// Puts somebody behind a network interface of the state. What was learned of the networks when
    /// this returns is in force. Who is in a namespace already, that an earlier fabric has made, brings
    /// it along as `own`.
    ///
    /// # Errors
    /// [`InsideError`]; then nobody is there.
    pub async fn plug(
        &self,
        gate: &Gate,
        interface: &str,
        own: Option<OwnedFd>,
    ) -> Result<Place, InsideError> {
        let state = gate.store().snapshot().map_err(Fault::from)?;
        let names = ec2::name_service(&state, &self.scope, interface).map_err(Fault::from)?;
        drop(state);
        let guard = self.standing.lock().await;
        self.plug_in(guard, gate, interface, own, names).await
    }

    async fn plug_in(
        &self,
        mut guard: MutexGuard<'_, Option<Standing>>,
        gate: &Gate,
        interface: &str,
        own: Option<OwnedFd>,
        names: NameService,
    ) -> Result<Place, InsideError> {
        let standing = self.standing(&mut guard, gate).await?;
        if let Some(own) = own {
            let (fabric, interface) = (standing.fabric.clone(), interface.to_owned());
            let adopted = spawn_blocking(move || fabric.adopt(&interface, own)).await?;
            adopted.map_err(InsideError::Foreign)?;
        }
        standing.plugged.insert(interface.to_owned());
        if let Err(error) = standing.bring(&self.server, &self.scope, gate).await {
            self.take_down(&mut guard);
            return Err(error);
        }
        let Some(standing) = guard.as_mut() else {
            return Err(InsideError::Gone(interface.to_owned()));
        };
        self.there.send_replace(standing.plugged.clone());
        let topology = Arc::clone(&standing.view.borrow().topology);
        let gone = || InsideError::Gone(interface.to_owned());
        let vpc = &topology.interfaces.get(interface).ok_or_else(gone)?.vpc;
        let (fabric, at) = (standing.fabric.clone(), At::Port(interface.to_owned()));
        let namespace = spawn_blocking(move || fabric.namespace(at)).await??;
        let resolver = resolvers_of(&topology, vpc).first().copied();
        let name_servers = names.servers.into_iter().filter_map(|server| server.or(resolver));
        Ok(Place { namespace, name_servers: name_servers.collect(), search: names.search })
    }

    /// Takes away who is behind an interface.
    pub async fn unplug(&self, gate: &Gate, interface: &str) {
        let mut guard = self.standing.lock().await;
        if let Some(standing) = guard.as_mut()
            && standing.plugged.remove(interface)
        {
            standing.managed.leave(interface);
            self.follow(&mut guard, gate).await;
        }
    }

    /// Comes back when nobody is behind an interface any more.
    pub async fn lost(&self, interface: &str) {
        let mut there = self.there.subscribe();
        let ended = self.standing.lock().await.as_ref().and_then(|it| it.ended.clone());
        // What it gives is not to be held while anything else is waited for.
        let gone = async { drop(there.wait_for(|there| !there.contains(interface)).await) };
        let over = async {
            match &ended {
                Some(ended) => drop(ended.readable().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = gone => {}
            () = over => {
                let mut standing = self.standing.lock().await;
                // Another may stand already.
                let now = standing.as_ref().and_then(|it| it.ended.clone());
                if now.zip(ended).is_some_and(|(now, ended)| Arc::ptr_eq(&now, &ended)) {
                    tracing::error!("the keeper of the networks in the kernel has ended");
                    self.take_down(&mut standing);
                }
            }
        }
    }

    /// Takes all networks out of the kernel.
    fn take_down(&self, guard: &mut Option<Standing>) {
        *guard = None;
        self.there.send_replace(BTreeSet::new());
    }

    async fn standing<'a>(
        &self,
        standing: &'a mut Option<Standing>,
        gate: &Gate,
    ) -> Result<&'a mut Standing, InsideError> {
        if standing.is_none() {
            let (executable, argument) = self.keeper.clone();
            let region = self.scope.region.to_string();
            let (directory, env) = (self.directory.clone(), gate.env().clone());
            let made = spawn_blocking(move || -> Result<Standing, InsideError> {
                let authority = Arc::new(Authority::open(&directory, &env)?);
                let fabric = Fabric::start(&executable, &[argument])?;
                let public = public::services(&region);
                for service in &public {
                    fabric.own(IpAddr::V4(service.address).into())?;
                }
                let view = View {
                    topology: Arc::default(),
                    zones: Vec::new(),
                    region,
                    public: public.clone(),
                };
                Ok(Standing {
                    fabric,
                    ended: None,
                    authority,
                    public,
                    plugged: BTreeSet::new(),
                    managed: Managed::default(),
                    doors: BTreeMap::new(),
                    resolvers: BTreeMap::new(),
                    view: watch::Sender::new(Arc::new(view)),
                })
            });
            let mut made = made.await??;
            made.ended = Some(Arc::new(watch_process(made.fabric.process()?)?));
            *standing = Some(made);
        }
        standing.as_mut().ok_or_else(|| FabricError::Refused("it does not stand".to_owned()).into())
    }

    /// Brings the kernel to what the state says, or takes everything down.
    async fn follow(&self, guard: &mut Option<Standing>, gate: &Gate) {
        let Some(standing) = guard else { return };
        if let Err(error) = standing.bring(&self.server, &self.scope, gate).await {
            tracing::error!(%error, "the networks in the kernel are taken down: they are not as they should be");
            self.take_down(guard);
            return;
        }
        self.there.send_replace(standing.plugged.clone());
    }
}

impl Standing {
    async fn bring(
        &mut self,
        server: &Server,
        scope: &Scope,
        gate: &Gate,
    ) -> Result<(), InsideError> {
        let state = gate.store().snapshot().map_err(Fault::from)?;
        let mut topology = ec2::topology(&state, scope).map_err(Fault::from)?;
        self.managed.join(&mut topology, scope.account.as_str());
        let topology = Arc::new(topology);
        let zones = route53::zones_of(&state, scope).map_err(Fault::from)?;
        let endpoints = ec2::listeners(&state).map_err(Fault::from)?;
        drop(state);
        self.plugged.retain(|id| topology.interfaces.contains_key(id));
        let doors = self.wanted_doors(&topology, &endpoints);
        let resolvers = self.wanted_resolvers(&topology);
        // What is to be gone is closed before anything comes in by new rules.
        self.keep(&doors, &resolvers).await;
        let (fabric, now, plugged) =
            (self.fabric.clone(), Arc::clone(&topology), self.plugged.clone());
        let gone = spawn_blocking(move || fabric.apply(&now, &plugged)).await??;
        let lost = |socket: &Socket| gone.contains(&socket.at);
        self.resolvers.retain(|socket, _| !lost(socket));
        for (_, door) in self.doors.extract_if(.., |socket, _| lost(socket)).collect::<Vec<_>>() {
            door.close().await;
        }
        self.view.send_modify(|view| {
            let View { region, public, .. } = &**view;
            let (region, public) = (region.clone(), public.clone());
            *view = Arc::new(View { topology, zones, region, public });
        });
        self.open(server, doors, resolvers).await
    }

    /// The sockets of endpoints, as far as somebody could come there, and of public services.
    fn wanted_doors(
        &self,
        topology: &Topology,
        endpoints: &[ec2::EndpointListener],
    ) -> BTreeMap<Socket, (Via, Vec<String>)> {
        let live = compile::live(topology, &self.plugged);
        let mut wanted = BTreeMap::new();
        for listener in endpoints {
            let Some(endpoint) = topology.endpoints.get(&listener.vpc_endpoint_id) else {
                continue;
            };
            let EndpointKind::Interface { interfaces, .. } = &endpoint.kind else { continue };
            let here = |id: &&String| {
                topology.interfaces.get(*id).is_some_and(|it| it.subnet == listener.subnet_id)
            };
            let Some(interface) = interfaces.iter().find(here) else { continue };
            if endpoint.available && live.contains(listener.vpc_id.as_str()) {
                let at = At::Port(interface.clone());
                let address = SocketAddr::new(listener.interface_address.into(), HTTPS);
                let way = (Via::Interface(listener.arrival()), listener.names());
                wanted.insert(Socket { at, tcp: true, address }, way);
            }
        }
        for service in &self.public {
            let address = SocketAddr::new(service.address.into(), HTTPS);
            let socket = Socket { at: At::Internet, tcp: true, address };
            wanted.insert(socket, (by_which(service), service.names.clone()));
        }
        wanted
    }

    /// The sockets of resolvers, and the VPC of each.
    fn wanted_resolvers(&self, topology: &Topology) -> BTreeMap<Socket, String> {
        let mut wanted = BTreeMap::new();
        for vpc in compile::live(topology, &self.plugged) {
            for address in resolvers_of(topology, vpc) {
                for tcp in [false, true] {
                    let at = At::Router(vpc.to_owned());
                    let address = SocketAddr::new(address, DNS);
                    wanted.insert(Socket { at, tcp, address }, vpc.to_owned());
                }
            }
        }
        wanted
    }

    /// Closes what is not wanted any more, and tells the others what arrivals mean now.
    async fn keep(
        &mut self,
        doors: &BTreeMap<Socket, (Via, Vec<String>)>,
        resolvers: &BTreeMap<Socket, String>,
    ) {
        self.resolvers.retain(|socket, _| resolvers.contains_key(socket));
        let gone = self.doors.extract_if(.., |socket, _| !doors.contains_key(socket));
        for (_, door) in gone.collect::<Vec<_>>() {
            door.close().await;
        }
        for (socket, door) in &self.doors {
            if let Some((via, names)) = doors.get(socket) {
                door.tell(via.clone(), names.clone());
            }
        }
    }

    /// Opens what is wanted and not open.
    async fn open(
        &mut self,
        server: &Server,
        doors: BTreeMap<Socket, (Via, Vec<String>)>,
        resolvers: BTreeMap<Socket, String>,
    ) -> Result<(), InsideError> {
        let is_new = |socket: &&Socket| {
            !self.doors.contains_key(*socket) && !self.resolvers.contains_key(*socket)
        };
        let new: Vec<Socket> =
            doors.keys().chain(resolvers.keys()).filter(is_new).cloned().collect();
        let fabric = self.fabric.clone();
        let opened = spawn_blocking(move || {
            let listen = |socket: Socket| {
                let protocol = if socket.tcp { Protocol::Tcp } else { Protocol::Udp };
                let done = fabric.listen(socket.at.clone(), protocol, socket.address);
                (socket, done)
            };
            new.into_iter().map(listen).collect::<Vec<_>>()
        });
        for (socket, done) in opened.await? {
            let descriptor: OwnedFd = match done {
                Ok(descriptor) => descriptor,
                // A machine may be without IPv6; then nobody in there has it either.
                Err(error) if socket.address.is_ipv6() => {
                    tracing::debug!(%error, ?socket, "cannot listen");
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let served = if let Some((via, names)) = doors.get(&socket) {
                let adopted = server.adopt(descriptor, &self.authority, via.clone(), names.clone());
                adopted.map(|door| drop(self.doors.insert(socket, door)))
            } else if let Some(vpc) = resolvers.get(&socket) {
                let serve = if socket.tcp { Resolver::tcp } else { Resolver::udp };
                let resolver = serve(descriptor, vpc, self.view.subscribe());
                resolver.map(|resolver| drop(self.resolvers.insert(socket, resolver)))
            } else {
                Ok(())
            };
            served.map_err(FabricError::Keeper)?;
        }
        Ok(())
    }
}

fn watch_process(process: OwnedFd) -> Result<AsyncFd<OwnedFd>, FabricError> {
    #[expect(
        deprecated,
        reason = "its successor is unsafe for types that may close their descriptor; this one does not"
    )]
    Ok(AsyncFd::with_interest(process, Interest::READABLE)?)
}

/// The addresses of a VPC's resolver (Amazon VPC User Guide, "Amazon DNS server").
fn resolvers_of(topology: &Topology, vpc: &str) -> Vec<IpAddr> {
    match topology.vpcs.get(vpc) {
        Some(vpc) if vpc.dns_support => {
            let primary = vpc.blocks.iter().find_map(|block| compile::resolver_of(*block));
            resolver::addresses(primary)
        }
        _ => Vec::new(),
    }
}

struct Watch {
    tables: &'static [&'static str],
    inside: Arc<Inside>,
}

impl Reaction for Watch {
    fn tables(&self) -> &'static [&'static str] {
        self.tables
    }

    fn react<'a>(&'a self, gate: &'a Gate) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let mut standing = self.inside.standing.lock().await;
            self.inside.follow(&mut standing, gate).await;
        })
    }
}
