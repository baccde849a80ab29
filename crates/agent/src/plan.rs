//! What the host writes down for a space's stages.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::protocol::Relay;

/// The user of a space, as everybody in it sees it.
pub const USER: &str = "sagemaker-user";
/// Its user id inside.
pub const UID: u32 = 1000;
/// Its group id inside: `users`, as in SageMaker Distribution images.
pub const GID: u32 = 100;
/// Its home inside.
pub const HOME: &str = "/home/sagemaker-user";
/// Where the executable of these stages is inside.
pub const EXECUTABLE: &str = "/opt/sagegate/space-agent";
/// Where the [`Plan`] is inside.
pub const PLAN: &str = "/run/sagegate/plan.json";
/// The directory of [`PLAN`].
pub const RUN: &str = "/run/sagegate";
/// Where the first process of a container finds the host, which hands it the listening control socket
/// (one byte, with `SCM_RIGHTS`) and hears [`READY`] on the same connection.
pub const DOOR: &str = "/run/sagegate/start.sock";
/// The name of the stage that is a container's first process.
pub const CONTAIN: &str = "contain";
/// Where IDE extensions and scripts read which space they are in.
pub const METADATA: &str = "/opt/ml/metadata/resource-metadata.json";

/// What the agent says on standard output once it can be dialled and its relays stand.
pub const READY: &str = "ready";

/// How a space is started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// How it is kept apart.
    pub walls: Walls,
    /// Files to which the launcher writes its process, before it starts anything: `cgroup.procs`.
    pub groups: Vec<PathBuf>,
    /// Where the launcher writes the process id and start time of the space's first process.
    pub pid_file: PathBuf,
    /// The home directory on the host.
    pub home: PathBuf,
    /// A second path inside at which the home is shown, behind walls.
    pub home_too: Option<String>,
    /// The executable of these stages on the host.
    pub executable: PathBuf,
    /// The host name inside.
    pub hostname: String,
    /// Directories of the host to be seen inside, unwritable, at the same paths.
    pub needs: Vec<PathBuf>,
    /// The text of [`METADATA`].
    pub metadata: String,
    /// Bytes for temporary files.
    pub scratch: u64,
    /// Processes and threads of the user.
    pub processes: u64,
    /// Whether only to find out if such a space can be made, and to end then.
    pub probe: bool,
    /// Whether it is behind walls in a network namespace that somebody else has made: it comes over the
    /// socket that is standard output, and with it the user namespace that it belongs to if that is not
    /// the host's. Otherwise it has an empty one of its own.
    #[serde(default)]
    pub joins: bool,
    /// Files inside and what they say, those of `/etc` among them that are otherwise written anew.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// What the agent is to do.
    pub plan: Plan,
}

/// How a space is kept apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Walls {
    /// Not at all: processes of the user who runs Sagegate.
    None,
    /// Namespaces that the user who runs Sagegate made, without another right.
    OneUser {
        /// An empty directory over which the root is mounted.
        root: PathBuf,
    },
    /// Namespaces made by root, with this user of the host behind everything inside.
    Full {
        /// An empty directory over which the root is mounted.
        root: PathBuf,
        /// The user id on the host.
        uid: u32,
        /// The group id on the host.
        gid: u32,
    },
}

/// What an agent does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The home directory as the app sees it.
    pub home: PathBuf,
    /// The directory for temporary files as the app sees it.
    pub tmp: PathBuf,
    /// The command and its arguments, with `{port}` and the relays' names to be filled in.
    pub command: Vec<String>,
    /// The whole environment, likewise.
    pub env: BTreeMap<String, String>,
    /// The port for the app; 0 for any that is free.
    pub port: u16,
    /// The path that answers with a status below 500 once the app serves.
    pub probe: String,
    /// The path that tells the app's last activity.
    pub activity: Option<String>,
    /// The scripts that run first, one after the other.
    pub lifecycle_scripts: Vec<Vec<u8>>,
    /// The relays and their ports; 0 for any that is free.
    pub relays: BTreeMap<Relay, u16>,
    /// Seconds without a control connection after which the space ends by itself, where nobody would
    /// find it again.
    pub alone: Option<u64>,
    /// Whether init must end the processes itself, since no namespace ends with it.
    pub sweep: bool,
}
