//! What runs in spaces, as a part of the program.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use sagegate_gate::Reaction;
use sagegate_network::SPACES;
#[cfg(target_os = "linux")]
use sagegate_server::Inside;
use sagegate_workloads::apps::Catalog;
use sagegate_workloads::keeper::{ApiDoor, Keeper, Pace, Parts};
use sagegate_workloads::networks::Networks;
#[cfg(not(target_os = "linux"))]
use sagegate_workloads::networks::NoNetworks;
use sagegate_workloads::nothing::Nothing;
use sagegate_workloads::process::{Process, Settings};
use sagegate_workloads::runtime::{Doing, Isolation, Runtime, Stream};
use sagegate_workloads::work::Work;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;

use crate::engines;
#[cfg(target_os = "linux")]
use crate::networks::VpcNetworks;
use crate::node::{Node, reachable};

/// Where apps run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum RuntimeName {
    /// As sandboxed processes of this machine.
    #[default]
    Process,
    /// As containers of a Docker-compatible engine on this machine.
    Docker,
    /// Not at all: apps are recorded, and fail when they are started.
    None,
}

/// Seconds without a host process after which the apps of an installation that is not kept end.
pub(crate) const ALONE: u64 = 60;

/// What is wanted of the spaces of an installation.
pub(crate) struct Wanted {
    pub(crate) runtime: RuntimeName,
    /// Where the programs of apps are, if not in the directory.
    pub(crate) apps: Option<PathBuf>,
    /// The socket of the container engine, if not at a usual place.
    pub(crate) engine: Option<String>,
    /// The file that says which image an app is in.
    pub(crate) images: Option<PathBuf>,
    /// Whether apps are to end when nobody is there any more.
    pub(crate) fleeting: bool,
}

/// The keeper at work.
pub(crate) struct Spaces {
    keeper: Arc<Keeper>,
    task: Mutex<Option<JoinHandle<()>>>,
    #[cfg(target_os = "linux")]
    networks: Arc<VpcNetworks>,
}

impl Spaces {
    /// Opens what apps run in. Their calls of the API go to the listener `public`.
    pub(crate) async fn open(
        node: &Node,
        public: SocketAddr,
        wanted: Wanted,
    ) -> anyhow::Result<Self> {
        let Wanted { runtime, apps, engine, images, fleeting } = wanted;
        let directory = node.directory.join("workloads");
        let path = std::env::var("PATH").unwrap_or_default();
        let installed = || Catalog::new(apps.unwrap_or_else(|| node.directory.join("apps")), &path);
        let (runtime, catalog): (Arc<dyn Runtime>, Catalog) = match runtime {
            RuntimeName::Process => {
                engines::leave(node, &directory, None).await?;
                (Arc::new(process(node, &directory, fleeting)?), installed())
            }
            RuntimeName::Docker => {
                let images = engines::images(images.as_deref())?;
                let wanted = engines::Wanted { engine, image: images.default_image(), fleeting };
                let docker = engines::open(node, &directory, wanted).await?;
                end_those_of_before(&process(node, &directory, fleeting)?).await?;
                engines::leave(node, &directory, Some(docker.engine())).await?;
                engines::note(&directory, docker.engine())?;
                (Arc::new(docker), Catalog::of_images(images))
            }
            RuntimeName::None => {
                if directory.is_dir() {
                    engines::leave(node, &directory, None).await?;
                    end_those_of_before(&process(node, &directory, fleeting)?).await?;
                }
                (Arc::new(Nothing), installed())
            }
        };
        let door = Arc::new(PublicDoor(reachable(public)));
        let gate = Arc::clone(&node.gate);
        #[cfg(target_os = "linux")]
        let vpcs = Arc::new(VpcNetworks::new(node));
        #[cfg(target_os = "linux")]
        let networks: Arc<dyn Networks> = Arc::<VpcNetworks>::clone(&vpcs);
        #[cfg(not(target_os = "linux"))]
        let networks: Arc<dyn Networks> = Arc::new(NoNetworks);
        let pace = Pace::default();
        let keeper = Keeper::new(Parts { gate, runtime, catalog, door, networks, pace });
        Ok(Self {
            keeper,
            task: Mutex::default(),
            #[cfg(target_os = "linux")]
            networks: vpcs,
        })
    }

    /// Gives apps the networks in the kernel.
    #[cfg(target_os = "linux")]
    pub(crate) async fn enter(&self, inside: Arc<Inside>) {
        self.networks.open(inside).await;
    }

    /// Why apps are in no network.
    fn outside(&self, networks: bool) -> Option<String> {
        if !networks {
            return Some("not those of this runtime".to_owned());
        }
        #[cfg(target_os = "linux")]
        return self.networks.missing().map(str::to_owned);
        #[cfg(not(target_os = "linux"))]
        return Some("that takes Linux".to_owned());
    }

    /// What apps run in.
    pub(crate) fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::clone(self.keeper.runtime())
    }

    pub(crate) fn reaction(&self) -> Arc<dyn Reaction> {
        self.keeper.reaction()
    }

    fn task(&self) -> std::sync::MutexGuard<'_, Option<JoinHandle<()>>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to keep.
    pub(crate) fn keep(&self) {
        *self.task() = Some(self.keeper.run());
    }

    /// Ends all apps at once.
    pub(crate) async fn end_all(&self) -> anyhow::Result<()> {
        self.keeper.end_all().await.context("not all apps could be ended")
    }

    /// Stops keeping. Apps run on for the next start, unless there is none for a `fleeting`
    /// installation.
    pub(crate) async fn leave(&self, fleeting: bool) {
        if let Some(task) = self.task().take() {
            task.abort();
        }
        self.keeper.leave().await;
        if fleeting && let Err(error) = self.end_all().await {
            tracing::warn!(%error, "apps are left that end by themselves in a minute");
        }
    }

    /// What the banner says: what keeps spaces apart.
    pub(crate) fn banner(&self) -> Vec<String> {
        let capability = self.keeper.runtime().capability();
        let mut lines = vec![match capability.isolation {
            Some(Isolation::Full | Isolation::OneUser) => {
                format!("spaces    run as {} (--runtime {})", capability.form, capability.runtime)
            }
            Some(Isolation::None) => {
                "WARNING   spaces are NOT SANDBOXED: whoever may start an app \
                                      may do on this machine what this user may"
                    .to_owned()
            }
            None => "spaces    do not run here".to_owned(),
        }];
        if !capability.limits.is_empty() {
            lines.push(format!(
                "          limited by their instance type: {}",
                capability.limits.join(", ")
            ));
        }
        lines.extend(capability.missing.iter().map(|it| format!("          {it}")));
        if capability.isolation.is_some()
            && let Some(reason) = self.outside(capability.networks)
        {
            lines.push(format!("          in no VPC, and with a way to the API alone: {reason}"));
        }
        lines
    }
}

fn process(node: &Node, directory: &Path, fleeting: bool) -> anyhow::Result<Process> {
    let settings = Settings {
        directory: directory.to_owned(),
        executable: std::env::current_exe().context("this executable's own path")?,
        instance: node.gate.env().hex(16),
        alone: fleeting.then_some(ALONE),
    };
    Process::open(settings).context("the runtime of spaces cannot be opened")
}

pub(crate) async fn end_those_of_before(runtime: &dyn Runtime) -> anyhow::Result<()> {
    for spec in runtime.list().await? {
        runtime.stop(&spec.id, Duration::from_secs(5)).await?;
    }
    Ok(())
}

/// The public listener, as code in a space reaches it.
struct PublicDoor(SocketAddr);

impl ApiDoor for PublicDoor {
    fn connect<'a>(&'a self, _: &'a Work) -> Doing<'a, std::io::Result<Stream>> {
        Box::pin(async {
            let stream = match self.0 {
                SocketAddr::V4(listener) if listener.ip().is_loopback() => {
                    let socket = TcpSocket::new_v4()?;
                    // Where 127.0.0.1 is alone there is no other address to come from.
                    let _ = socket.bind(SocketAddr::from((SPACES, 0)));
                    socket.connect(self.0).await?
                }
                other => TcpStream::connect(other).await?,
            };
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Stream)
        })
    }
}
