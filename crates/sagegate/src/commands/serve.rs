//! `sagegate serve`: the server.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use sagegate_console::{Reply as DoorReply, StudioDoor};
use sagegate_gate::audit::{Circumstances, Record};
use sagegate_gate::{AccountId, Env, Gate, HttpRequest, Region, Unsigned};
use sagegate_server::{
    Answer, BoxFuture, Control, Follower, Handler, Limits, OperatorSocket, Reply, Server,
    ServerParts, Taken, places_here,
};
use sagegate_services::ec2::NatGateways;
use sagegate_services::iam::credentials;
use sagegate_services::sagemaker::lifecycle::Lifecycle;
use sagegate_workloads::gateway::STOPPING;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Mutex;

use super::DEFAULT_DATA;
use crate::channel::{self, Channels};
use crate::node::{Node, Options, fault, public_url, write_private};
use crate::operator::Commands;
use crate::spaces::{RuntimeName, Spaces, Wanted};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where to listen. Other machines can reach what does not begin with 127.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:4566")]
    pub(crate) listen: SocketAddr,
    /// The data directory, made if it is missing.
    #[arg(
        long,
        value_name = "DIR",
        env = "SAGEGATE_DATA",
        default_value = DEFAULT_DATA,
        conflicts_with = "memory"
    )]
    pub(crate) data: PathBuf,
    /// Keep nothing: the state is gone when the server stops.
    #[arg(long)]
    pub(crate) memory: bool,
    /// The account, twelve digits. Fixed when the data directory is made [default: 123456789012].
    #[arg(long)]
    pub(crate) account: Option<AccountId>,
    /// The region. Fixed when the data directory is made [default: us-west-2].
    #[arg(long)]
    pub(crate) region: Option<Region>,
    /// Give out presigned URLs by Studio's own host names, d-….studio.REGION.sagemaker.aws, instead of
    /// loopback addresses; for where DNS points these names to this listener.
    #[arg(long)]
    pub(crate) studio_names: bool,
    /// Let anybody who reaches the public listener empty all state, for test suites:
    /// POST /_sagegate/reset.
    #[arg(long)]
    pub(crate) test_reset: bool,
    /// Where the apps of spaces run: as sandboxed processes of this machine, as containers of an engine,
    /// or not at all.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) runtime: RuntimeName,
    /// Where the programs of apps are installed: jupyterlab (a Python environment), code-server
    /// [default: apps in the data directory].
    #[arg(long, value_name = "DIR")]
    pub(crate) apps: Option<PathBuf>,
    /// With --runtime docker, the engine's socket, Docker's or podman's [default:
    /// unix:///var/run/docker.sock, or unix:///run/podman/podman.sock].
    #[arg(long, value_name = "unix:///PATH", env = "DOCKER_HOST")]
    pub(crate) engine: Option<String>,
    /// With --runtime docker, a file that says which image an app is in [default: sagegate-space].
    #[arg(long, value_name = "FILE")]
    pub(crate) images: Option<PathBuf>,
    /// Whether the directory is removed when the server stops.
    #[arg(skip)]
    pub(crate) fleeting: bool,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    log()?;
    let running = Running::start(arguments).await?;
    running.banner()?;
    running.until_stopped().await
}

/// The variable that says which messages the operator wants, such as `info` or
/// `sagegate_server=debug`.
const LOG: &str = "SAGEGATE_LOG";

/// Messages for the operator go to standard error.
pub(crate) fn log() -> anyhow::Result<()> {
    use tracing_subscriber::EnvFilter;
    let filter = match std::env::var(LOG) {
        Ok(text) => EnvFilter::try_new(text).with_context(|| format!("{LOG} is not understood"))?,
        Err(std::env::VarError::NotPresent) => EnvFilter::new("warn"),
        Err(error) => return Err(error).context(LOG),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    Ok(())
}

/// A running server.
pub(crate) struct Running {
    pub(crate) node: Arc<Node>,
    pub(crate) address: SocketAddr,
    server: Arc<Server>,
    socket: OperatorSocket,
    memory: bool,
    fleeting: bool,
    test_reset: bool,
    credentials: Option<PathBuf>,
    spaces: Arc<Spaces>,
    #[cfg(target_os = "linux")]
    exec: OperatorSocket,
}

/// A connection is a descriptor, and shells start programs with few of them. Raised as far as it goes
/// without asking; connections past what is left wait for others to end.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        tracing::debug!(%error, "the limit of open files stays at {current:?}");
    }
}

/// How often the audit is trimmed, the last uses of keys are put into the store, and addresses that
/// could not be bound are tried again.
const TENDING: Duration = Duration::from_secs(60);

impl Running {
    pub(crate) async fn start(arguments: Arguments) -> anyhow::Result<Self> {
        // Taken first: a port that is in use must not cost the start anything.
        let listener = Server::bind(arguments.listen)
            .with_context(|| format!("cannot listen on {}", arguments.listen))?;
        let address = listener.local_addr()?;
        raise_descriptor_limit();
        let data = (!arguments.memory).then(|| arguments.data.clone());
        let options =
            Options { data, account: arguments.account, region: arguments.region, make: true };
        let node = Arc::new(Node::open(options, Env::system()).await?);
        node.note_address(address, arguments.studio_names).await?;
        let limits = Limits::default();
        let gate = Arc::clone(&node.gate);
        let fleeting = arguments.memory || arguments.fleeting;
        let wanted = Wanted {
            runtime: arguments.runtime,
            apps: arguments.apps,
            engine: arguments.engine,
            images: arguments.images,
            fleeting,
        };
        let spaces = Arc::new(Spaces::open(&node, address, wanted).await?);
        let control = Reset {
            node: Arc::clone(&node),
            spaces: Arc::clone(&spaces),
            address,
            studio_names: arguments.studio_names,
            allowed: arguments.test_reset,
            turn: Mutex::new(()),
        };
        let channels = channel::open(&node, Arc::new(spaces.runtime())).await?;
        let ids = node.gate.env().clone();
        let server = Arc::new(Server::new(ServerParts {
            limits: limits.clone(),
            api: Arc::clone(&gate) as Arc<dyn Handler>,
            door: Arc::new(Door(StudioDoor::new(Arc::clone(&gate), Some(spaces.runtime())))),
            channel: Arc::new(Channels(Arc::clone(&channels))),
            control: Arc::new(control),
            request_ids: Arc::new(move || ids.uuid()),
        }));
        let places = places_here(address.port());
        let mut reactions = Follower::reactions(Arc::clone(&server), places);
        // Behind the listeners: a domain is in service once its door is open.
        reactions.push(Arc::new(Lifecycle));
        reactions.push(Arc::new(NatGateways));
        reactions.push(channel::reaction(&channels));
        reactions.push(spaces.reaction());
        #[cfg(target_os = "linux")]
        let inside = {
            let keeper = std::env::current_exe().context("this executable's own path")?;
            let inside = sagegate_server::Inside::new(
                Arc::clone(&server),
                node.scope.clone(),
                node.directory.clone(),
                (keeper, crate::node::KEEPER),
            );
            let inside = Arc::new(inside);
            reactions.extend(inside.reactions());
            inside
        };
        gate.follow(reactions);
        gate.catch_up().await;
        let socket =
            OperatorSocket::open(&node.directory, Arc::new(Commands(Arc::clone(&node))), &limits)
                .await?;
        #[cfg(target_os = "linux")]
        let exec = {
            spaces.enter(Arc::clone(&inside)).await;
            crate::exec::open(&node, inside).await?
        };
        let credentials = node.write_root_credentials()?;
        server.serve(listener).await;
        spaces.keep();
        tokio::spawn(tend(Arc::downgrade(&gate)));
        let Arguments { memory, test_reset, .. } = arguments;
        Ok(Self {
            node,
            address,
            server,
            socket,
            memory,
            fleeting,
            test_reset,
            credentials,
            spaces,
            #[cfg(target_os = "linux")]
            exec,
        })
    }

    /// Says what runs, what is enforced, and where the root credentials are.
    pub(crate) fn banner(&self) -> anyhow::Result<()> {
        let node = &self.node;
        let (account, region) = (&node.scope.account, &node.scope.region);
        say!("sagegate {} serves {}", env!("CARGO_PKG_VERSION"), self.url());
        say!("  account   {account}, region {region}");
        if self.memory {
            say!("  state     in memory: gone when this server stops");
        } else {
            say!("  state     {}", node.directory.display());
        }
        let operations = node.gate.registry().operations().len();
        say!(
            "  enforced  signatures, identity policies, boundaries, session and trust policies and \
             VPC endpoint policies, on all {operations} operations"
        );
        match &self.credentials {
            Some(file) => say!("  root      credentials in {}", file.display()),
            None => say!("  root      has no active access key"),
        }
        for line in self.spaces.banner() {
            say!("  {line}");
        }
        say!("  commands  {}", self.socket.path().display());
        if !self.address.ip().is_loopback() {
            say!("  WARNING   {} can be reached by other machines, unencrypted", self.address);
        }
        if self.test_reset {
            say!("  WARNING   --test-reset: whoever reaches {} can empty all state", self.url());
        }
        Ok(())
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) async fn until_stopped(self) -> anyhow::Result<ExitCode> {
        let mut terminate = signal(SignalKind::terminate())?;
        // The terminal was closed.
        let mut hangup = signal(SignalKind::hangup())?;
        tokio::select! {
            done = tokio::signal::ctrl_c() => done?,
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
        self.stop().await;
        Ok(ExitCode::SUCCESS)
    }

    /// Finishes what is under way and puts away what is only in memory.
    async fn stop(self) {
        self.server.stop().await;
        if let Some(channels) = self.node.channels.get() {
            // Those whose sockets are gone and who could still come back.
            channels.end_all(STOPPING);
            // Each within bounds; what they have carried is kept.
            channels.idle().await;
        }
        drop(self.socket);
        #[cfg(target_os = "linux")]
        drop(self.exec);
        self.spaces.leave(self.fleeting).await;
        tend_once(&self.node.gate).await;
        if self.memory
            && let Err(error) = std::fs::remove_dir_all(&self.node.directory)
        {
            tracing::warn!(%error, "the private directory could not be removed");
        }
    }
}

impl Node {
    fn write_root_credentials(&self) -> anyhow::Result<Option<PathBuf>> {
        let Some(root) = &self.root else { return Ok(None) };
        let url = public_url(&self.gate.store().snapshot()?).map_err(fault)?;
        let file = self.directory.join("root-credentials.env");
        let text = format!(
            "export AWS_ACCESS_KEY_ID={}\nexport AWS_SECRET_ACCESS_KEY={}\n\
             export AWS_DEFAULT_REGION={}\nexport AWS_ENDPOINT_URL={url}\n",
            root.access_key_id,
            root.secret.reveal(),
            self.scope.region,
        );
        write_private(&file, &text)?;
        Ok(Some(file))
    }
}

/// The Studio door behind the HTTP server.
struct Door(StudioDoor);

impl Handler for Door {
    fn serve(&self, request: HttpRequest) -> Answer<'_> {
        Box::pin(async move {
            match self.0.serve(&request).await {
                DoorReply::Page(response) => Reply::Whole(response),
                DoorReply::App(response) => Reply::Stream(response),
                DoorReply::Socket(response, socket) => Reply::Upgrade(
                    response,
                    Box::new(move |taken: Taken| {
                        let mut closing = taken.closing;
                        let leaving = Box::pin(async move {
                            let _ = closing.wait().await;
                        });
                        socket(Box::new(taken.stream), taken.early, leaving)
                    }),
                ),
            }
        })
    }
}

/// POST /_sagegate/reset.
struct Reset {
    node: Arc<Node>,
    spaces: Arc<Spaces>,
    address: SocketAddr,
    studio_names: bool,
    allowed: bool,
    turn: Mutex<()>,
}

impl Control for Reset {
    fn reset<'a>(&'a self, request: &'a HttpRequest) -> Option<BoxFuture<'a, Result<(), String>>> {
        self.allowed.then(|| -> BoxFuture<'_, Result<(), String>> {
            Box::pin(
                async move { self.reset_all(request).await.map_err(|error| format!("{error:#}")) },
            )
        })
    }

    fn note(&self, answered: Unsigned) {
        self.node.gate.note_unsigned(answered);
    }
}

impl Reset {
    async fn reset_all(&self, request: &HttpRequest) -> anyhow::Result<()> {
        // One at a time: what the first has kept must not be cleared by the second.
        let _turn = self.turn.lock().await;
        self.node.reset(self.record(request)).await?;
        // Behind the state: nothing that wants to run is left that could be started again.
        self.spaces.end_all().await?;
        self.node.note_address(self.address, self.studio_names).await?;
        self.node.gate.catch_up().await;
        Ok(())
    }
}

impl Reset {
    /// The record of a reset, which is all that it leaves.
    fn record(&self, request: &HttpRequest) -> Record {
        let Node { gate, scope, .. } = &*self.node;
        let about = Circumstances {
            service: "sagegate",
            operation: "ResetState",
            region: scope.region.as_str(),
            account: scope.account.as_str(),
            arrival: &request.arrival,
            user_agent: request.header("user-agent").unwrap_or_default(),
            request_id: &request.request_id,
            now: gate.env().now(),
            read_only: false,
        };
        let mut record = Record::of(about, gate.env().uuid(), None);
        let decision = "not asked: --test-reset opens this to programs of this machine";
        record.sagegate = json!({ "decision": decision });
        record
    }
}

async fn tend(gate: std::sync::Weak<Gate>) {
    let mut ticks = tokio::time::interval(TENDING);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let Some(gate) = gate.upgrade() else { return };
        tend_once(&gate).await;
        // An address that somebody else held may be free by now.
        gate.catch_up().await;
    }
}

/// Puts the last uses of keys into the store and trims the audit.
async fn tend_once(gate: &Gate) {
    let uses = gate.last_use().take();
    if let Err(error) = gate.commit(|tx| Ok(credentials::store_uses(tx, &uses)?)).await {
        gate.last_use().put_back(uses);
        tracing::warn!(%error, "the last uses of access keys could not be kept");
    }
    if let Err(error) = gate.trim_audit().await {
        tracing::warn!(%error, "the audit of writes could not be trimmed");
    }
}
