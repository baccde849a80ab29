//! What a runtime does: start a workload, find it again, lead to it, end it.

use std::collections::BTreeMap;
use std::future::Future;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use sagegate_agent::protocol::{Answer, LINE, Open, ToAgent};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What a method of a runtime gives back.
pub type Doing<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A connection to an agent.
pub type Stream = Box<dyn Duplex>;

/// A stream of bytes in both directions.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A place where workloads run.
///
/// What runs does not end with the process that started it: [`Runtime::list`] of another process
/// over the same directory finds it.
pub trait Runtime: Send + Sync {
    /// What this runtime can promise on this machine.
    fn capability(&self) -> Capability;

    /// Starts a workload. One with this id that runs already is left as it is. Comes back when the
    /// agent's socket can be dialled; the app need not answer yet.
    ///
    /// # Errors
    ///
    /// Why it could not be started, for the person who wants it to run.
    fn start<'a>(&'a self, spec: &'a Spec) -> Doing<'a, Result<(), Failure>>;

    /// As [`Runtime::start`], in a network namespace that was made for it. Where [`Capability::networks`]
    /// is false none is.
    ///
    /// # Errors
    ///
    /// As [`Runtime::start`], and where workloads of this runtime cannot be put into one.
    fn start_in<'a>(&'a self, spec: &'a Spec, seat: Seat) -> Doing<'a, Result<(), Failure>> {
        let _ = (spec, seat);
        Box::pin(async { Err(Failure::new("This runtime puts no workload into a network.")) })
    }

    /// The network namespace of a workload that runs, for who has to plug it in again.
    ///
    /// # Errors
    ///
    /// Where it does not run, or has none that could be told.
    fn seat<'a>(&'a self, id: &'a str) -> Doing<'a, Result<OwnedFd, Failure>> {
        let _ = id;
        Box::pin(async { Err(Failure::new("This runtime puts no workload into a network.")) })
    }

    /// The workloads that run, whoever started them. What is left of ended ones is cleaned up.
    ///
    /// # Errors
    ///
    /// Where the runtime cannot be asked.
    fn list(&self) -> Doing<'_, Result<Vec<Spec>, Failure>>;

    /// A new connection to a workload's agent, before its first line.
    ///
    /// # Errors
    ///
    /// Where the workload does not run.
    fn connect<'a>(&'a self, id: &'a str) -> Doing<'a, Result<Stream, Failure>>;

    /// Ends a workload and everything in it: asks, waits for the grace, and kills. Comes back when
    /// nothing of it is left but its home. One that does not run is no error.
    ///
    /// # Errors
    ///
    /// Where it could not be ended.
    fn stop<'a>(&'a self, id: &'a str, grace: Duration) -> Doing<'a, Result<(), Failure>>;

    /// Comes back when a workload does not run any more.
    fn ended<'a>(&'a self, id: &'a str) -> Doing<'a, ()>;

    /// The homes that there are.
    ///
    /// # Errors
    ///
    /// Where the runtime cannot be asked.
    fn homes(&self) -> Doing<'_, Result<Vec<String>, Failure>>;

    /// Removes a home and all that is in it. One that is not there is no error.
    ///
    /// # Errors
    ///
    /// Where something of it is left.
    fn forget_home<'a>(&'a self, home: &'a str) -> Doing<'a, Result<(), Failure>>;
}

/// A network namespace that a workload is to be in.
#[derive(Debug)]
pub struct Seat {
    /// The namespace.
    pub net: OwnedFd,
    /// The user namespace that it belongs to; nothing where that is the machine's.
    pub user: Option<OwnedFd>,
}

/// How long an agent may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// Asks an agent for something on a fresh connection.
///
/// # Errors
///
/// The agent's refusal, or that it does not answer.
pub async fn open(runtime: &dyn Runtime, id: &str, what: &Open) -> Result<Stream, Failure> {
    // What runs inside may have stopped its own agent.
    let asked = tokio::time::timeout(ANSWER, ask(runtime, id, what)).await;
    asked.unwrap_or_else(|_| Err(Failure::new("The space does not answer.")))
}

async fn ask(runtime: &dyn Runtime, id: &str, what: &Open) -> Result<Stream, Failure> {
    let mut stream = runtime.connect(id).await?;
    let mut line = serde_json::to_vec(what).map_err(|error| Failure::new(error.to_string()))?;
    line.push(b'\n');
    stream.write_all(&line).await.map_err(|error| Failure::of("the space's agent", &error))?;
    match serde_json::from_slice(&read_line(&mut stream, LINE).await?) {
        Ok(Answer::Opened) => Ok(stream),
        Ok(Answer::Refused { message }) => Err(Failure::new(message)),
        Err(_) => Err(Failure::new("the space's agent answers something else than it should")),
    }
}

/// Asks an agent to end its app, and then the space, when the grace is over at the latest.
pub(crate) async fn ask_to_stop(
    runtime: &dyn Runtime,
    id: &str,
    grace: Duration,
) -> Result<(), Failure> {
    let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
    let asked = async {
        let mut stream = open(runtime, id, &Open::Control).await?;
        let mut line = serde_json::to_vec(&ToAgent::Stop { grace_ms })
            .map_err(|error| Failure::new(error.to_string()))?;
        line.push(b'\n');
        stream.write_all(&line).await.map_err(|error| Failure::of("the agent", &error))
    };
    tokio::time::timeout(Duration::from_secs(2), asked)
        .await
        .map_err(|_| Failure::new("the agent does not answer"))?
}

/// Reads one line, byte by byte, so that nothing behind it is taken.
async fn read_line(stream: &mut Stream, limit: usize) -> Result<Vec<u8>, Failure> {
    let mut line = Vec::new();
    loop {
        match stream.read_u8().await {
            Ok(b'\n') => return Ok(line),
            Ok(_) if line.len() >= limit => {
                return Err(Failure::new("the space's agent answers with too long a line"));
            }
            Ok(byte) => line.push(byte),
            Err(error) => return Err(Failure::of("the space's agent", &error)),
        }
    }
}

/// A workload: what is to run, and in what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// Its name among all workloads, for one life of an app: 1 to 64 of `[a-z0-9-]`.
    pub id: String,
    /// Its home directory's name, which outlives it: 1 to 64 of `[a-z0-9-]`.
    pub home: String,
    /// A second path inside at which the home is, where nothing else is: for scripts that name it.
    #[serde(default)]
    pub home_too: Option<String>,
    /// The host name inside.
    pub hostname: String,
    /// What runs in it.
    pub app: Program,
    /// The scripts that run before the app, one after the other, in the home directory, by bash. Each
    /// may take five minutes and has to end with 0.
    pub lifecycle_scripts: Vec<Vec<u8>>,
    /// How much it may use.
    pub limits: Limits,
    /// The text of `/opt/ml/metadata/resource-metadata.json`.
    pub metadata: String,
    /// What it may reach.
    pub network: Network,
    /// Files inside and what they say, beside those that every workload has.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
}

/// Whether a name is fit for a directory: 1 to 64 of `[a-z0-9-]`.
pub(crate) fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|it| matches!(it, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

impl Spec {
    /// Refuses names that are none.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let names = [("id", &self.id), ("home", &self.home), ("host name", &self.hostname)];
        for (what, name) in names {
            if !is_name(name) {
                return Err(Failure::new(format!(
                    "the {what} {name:?} is not made of 1 to 64 small letters, digits and hyphens"
                )));
            }
        }
        Ok(())
    }
}

/// What was asked for, as it was noted in a workload's directory.
pub(crate) fn read_spec(directory: &Path) -> Result<Spec, Failure> {
    let path = directory.join("spec.json");
    let text = std::fs::read(&path).map_err(|it| Failure::of(&path.display().to_string(), &it))?;
    serde_json::from_slice(&text)
        .map_err(|error| Failure::new(format!("{}: {error}", path.display())))
}

/// The program of a workload.
///
/// In the words of `command` and the values of `env`, `{port}` stands for the port that the app is to
/// listen on, `{credentials}` and `{api}` for those of the relays; all are on 127.0.0.1.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// The command and its arguments; the first is an absolute path, or a word that its PATH finds.
    pub command: Vec<String>,
    /// Its environment, beside HOME, USER, LOGNAME, SHELL, PATH, TMPDIR and LANG.
    pub env: BTreeMap<String, String>,
    /// The path that answers with a status below 500 once the app serves, such as `/api`.
    pub probe: String,
    /// The path that tells the time of the last activity in Jupyter's form (`/api/status`).
    pub activity: Option<String>,
    /// Directories and files of the host that the app needs: seen inside at the same path, not writable.
    pub needs: Vec<PathBuf>,
    /// The container image that the app is in; nothing for what the runtime has by itself. Only a
    /// runtime of containers runs one.
    #[serde(default)]
    pub image: Option<String>,
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Values of the environment may be secrets.
        f.debug_struct("Program")
            .field("command", &self.command)
            .field("env", &self.env.keys())
            .finish_non_exhaustive()
    }
}

/// How much a workload may use. The runtime's [`Capability`] says which limits hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Thousandths of a processor.
    pub cpu_milli: u32,
    /// Bytes of memory, temporary files included.
    pub memory: u64,
    /// Processes and threads.
    pub pids: u32,
}

/// What a workload may reach beside its relays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// Nothing.
    Isolated,
    /// What is reached from a network interface. Then the API is reached by no relay.
    Plugged {
        /// The interface's name.
        interface: String,
    },
}

impl Network {
    /// The interface that it is plugged into.
    #[must_use]
    pub fn interface(&self) -> Option<&str> {
        match self {
            Self::Isolated => None,
            Self::Plugged { interface } => Some(interface),
        }
    }
}

/// What a runtime can promise on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capability {
    /// The runtime's name.
    pub runtime: &'static str,
    /// What workloads are here, for a sentence that begins with "Spaces run as".
    pub form: String,
    /// What keeps workloads apart from each other and from the host; nothing where none are started.
    pub isolation: Option<Isolation>,
    /// Whether workloads can be started in a network namespace that was made for them.
    pub networks: bool,
    /// Which limits hold, as words: `memory`, `cpu`, `pids`.
    pub limits: Vec<&'static str>,
    /// What is missing and why, one sentence each.
    pub missing: Vec<String>,
}

/// What keeps workloads apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isolation {
    /// Nothing: a workload is a process of the user who runs Sagegate.
    None,
    /// Namespaces of a single user: no workload sees another or the host, but all belong to one user
    /// of the host.
    OneUser,
    /// Namespaces, and a user of its own for each home.
    Full,
}

/// Why something could not be done, for the person who asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The cause, as a sentence.
    pub message: String,
}

impl Failure {
    /// A failure with this text.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }

    /// A failure of this thing.
    #[must_use]
    pub fn of(thing: &str, error: &std::io::Error) -> Self {
        Self { message: format!("{thing}: {error}") }
    }
}
