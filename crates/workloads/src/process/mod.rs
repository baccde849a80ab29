//! The runtime `process`: a workload is a sandboxed tree of processes of this machine.
//!
//! ```text
//! DIR/instance.json          the instance's name, the next user id
//! DIR/homes/HOME/            a home, of a user id that nothing else on the machine has
//! DIR/run/ID/spec.json       what was asked for
//! DIR/run/ID/launch.json     what the launcher was told; its lock is the launcher's
//! DIR/run/ID/pid             the first process, written by the launcher
//! DIR/run/ID/agent.sock      the control socket
//! DIR/run/ID/agent.log       what the stages had to say
//! DIR/run/ID/root/           an empty directory, the root's mount point
//! ```
//!
//! A workload is not a child of this process: it lives on when this process ends, and its directory
//! below `run` is how the next one finds it.

mod cgroups;
mod found;
mod start;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use crate::busy::Busy;
use crate::held;
use crate::homes::{self, Homes};
use crate::runtime::{
    self, Capability, Doing, Failure, Isolation, Runtime, Seat, Spec, Stream, is_name, read_spec,
};
use cgroups::Groups;
use found::Found;

/// How long the kernel may take to end processes that were killed.
const KILLED: Duration = Duration::from_secs(10);

/// How soon a process that could not be held is tried again.
const AGAIN: Duration = Duration::from_millis(100);

/// How a process runtime is made.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The directory of homes and of what runs; made if it is not there.
    pub directory: PathBuf,
    /// The executable that offers the stages of [`sagegate_agent::main`].
    pub executable: PathBuf,
    /// A random name for a new instance: 8 or more of `[0-9a-f]`.
    pub instance: String,
    /// Seconds after which a workload ends by itself where no host process has a control connection
    /// to it, for an installation that nobody finds again.
    pub alone: Option<u64>,
}

/// The runtime.
pub struct Process {
    directory: PathBuf,
    executable: PathBuf,
    alone: Option<u64>,
    /// Found out when it is asked for first: a server answers before it knows.
    standing: OnceLock<Standing>,
    groups: Groups,
    homes: Homes,
    /// One at a time for each workload.
    busy: Busy,
}

/// What walls can be built here.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Standing {
    /// These, and why not better ones.
    Walls(Isolation, Vec<String>),
    /// None may be built: why.
    Refused(String),
}

impl Process {
    /// Opens the runtime over a directory. What it can do is found out when that is asked for first,
    /// which takes some milliseconds: a sandbox is built to see whether it stands.
    ///
    /// # Errors
    ///
    /// Where the directory cannot be used.
    pub fn open(settings: Settings) -> Result<Self, Failure> {
        homes::private(&settings.directory)?;
        let directory = settings
            .directory
            .canonicalize()
            .map_err(|error| Failure::of(&settings.directory.display().to_string(), &error))?;
        homes::private(&directory.join("run"))?;
        let homes = Homes::open(&directory, &settings.instance)?;
        let groups = Groups::find(&homes.instance().name);
        let executable = settings.executable;
        let standing = OnceLock::new();
        let busy = Busy::default();
        let alone = settings.alone;
        Ok(Self { directory, executable, alone, standing, groups, homes, busy })
    }

    fn standing(&self) -> &Standing {
        self.standing.get_or_init(|| start::try_walls(&self.directory, &self.executable))
    }

    fn run(&self, id: &str) -> PathBuf {
        self.directory.join("run").join(id)
    }

    async fn list_all(&self) -> Result<Vec<Spec>, Failure> {
        let run = self.directory.join("run");
        let wrong = |error: std::io::Error| Failure::of(&run.display().to_string(), &error);
        let mut specs = Vec::new();
        for entry in std::fs::read_dir(&run).map_err(wrong)? {
            let name = entry.map_err(wrong)?.file_name();
            let Some(id) = name.to_str().filter(|it| is_name(it)) else { continue };
            let _one = self.busy.lock(id).await;
            let directory = run.join(id);
            match self.found(&directory).await {
                Some(_) => match read_spec(&directory) {
                    Ok(spec) => specs.push(spec),
                    // It runs, and nobody can say what it is: it is not wanted.
                    Err(error) => {
                        tracing::warn!(id, %error, "a workload that is not known is ended");
                        if let Err(failure) = self.end(id, Duration::ZERO).await {
                            tracing::error!(id, %failure, "a workload could not be ended");
                        }
                    }
                },
                // It could not be held, as without a descriptor to spare.
                None if Found::runs_in(&directory) => {
                    return Err(Failure::new(format!("the workload {id} cannot be looked at")));
                }
                None => self.clean(id),
            }
        }
        Ok(specs)
    }

    /// The workload in a directory, if it runs. Waits for a launcher that is at work.
    async fn found(&self, directory: &Path) -> Option<Found> {
        if let Some(found) = Found::in_directory(directory) {
            return Some(found);
        }
        let launch = directory.join("launch.json");
        let file = std::fs::File::open(&launch).ok()?;
        let taken = tokio::task::spawn_blocking(move || {
            rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).ok().map(|()| file)
        });
        let _file = taken.await.ok().flatten()?;
        let found = Found::in_directory(directory);
        if found.is_none() {
            // A launcher that has not come to the lock yet sees that the start was taken back.
            let _ = std::fs::remove_file(&launch);
        }
        found
    }

    /// Removes what is left of a workload that does not run.
    fn clean(&self, id: &str) {
        if !self.groups.remove(id) {
            tracing::warn!(id, "control groups of a workload are left");
        }
        let directory = self.run(id);
        if let Err(error) = std::fs::remove_dir_all(&directory)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(id, %error, "what is left of a workload cannot be removed");
        }
    }

    async fn start_one(&self, spec: &Spec, seat: Option<Seat>) -> Result<(), Failure> {
        spec.check()?;
        if seat.is_some() != spec.network.interface().is_some() {
            return Err(Failure::new("a workload and its network do not belong together"));
        }
        if let Some(image) = &spec.app.image {
            return Err(Failure::new(format!(
                "The image {image} cannot be run: apps are processes of this machine here. Start \
                 Sagegate with --runtime docker."
            )));
        }
        let isolation = match self.standing() {
            Standing::Walls(isolation, _) => *isolation,
            Standing::Refused(cause) => return Err(Failure::new(cause.clone())),
        };
        let _one = self.busy.lock(&spec.id).await;
        let directory = self.run(&spec.id);
        if self.found(&directory).await.is_some() {
            return Ok(());
        }
        self.clean(&spec.id);
        let started = self.launch(spec, isolation, &directory, seat).await;
        if started.is_err() {
            self.end(&spec.id, Duration::ZERO).await?;
        }
        started
    }

    /// Ends a workload; its lock is held by the caller.
    async fn end(&self, id: &str, grace: Duration) -> Result<(), Failure> {
        if let Some(found) = self.found(&self.run(id)).await {
            if !grace.is_zero() && runtime::ask_to_stop(self, id, grace).await.is_ok() {
                // The agent ends by itself when the grace is over.
                let _ = tokio::time::timeout(grace + Duration::from_secs(1), found.ended()).await;
            }
            found.kill();
            if tokio::time::timeout(KILLED, found.ended()).await.is_err() {
                return Err(Failure::new(format!("the workload {id} does not end")));
            }
        }
        self.clean(id);
        Ok(())
    }
}

impl Runtime for Process {
    fn capability(&self) -> Capability {
        let (isolation, mut missing) = match self.standing() {
            Standing::Walls(isolation, missing) => (Some(*isolation), missing.clone()),
            Standing::Refused(cause) => (None, vec![cause.clone()]),
        };
        missing.extend(self.groups.missing().iter().cloned());
        let form = match isolation {
            Some(Isolation::Full) => {
                "processes in namespaces of their own, each home with a user of its own"
            }
            Some(Isolation::OneUser) => "processes in namespaces of their own, all as this user",
            Some(Isolation::None) | None => "processes of this user",
        };
        let (form, limits) = (form.to_owned(), self.groups.held());
        let networks = isolation.is_some_and(|it| it > Isolation::None);
        Capability { runtime: "process", form, isolation, networks, limits, missing }
    }

    fn start<'a>(&'a self, spec: &'a Spec) -> Doing<'a, Result<(), Failure>> {
        Box::pin(self.start_one(spec, None))
    }

    fn start_in<'a>(&'a self, spec: &'a Spec, seat: Seat) -> Doing<'a, Result<(), Failure>> {
        Box::pin(self.start_one(spec, Some(seat)))
    }

    fn seat<'a>(&'a self, id: &'a str) -> Doing<'a, Result<OwnedFd, Failure>> {
        Box::pin(async move {
            let _one = self.busy.lock(id).await;
            let Some(found) = self.found(&self.run(id)).await else {
                return Err(Failure::new(format!("the workload {id} does not run")));
            };
            found.network().map_err(|error| Failure::of("its network namespace", &error))
        })
    }

    fn list(&self) -> Doing<'_, Result<Vec<Spec>, Failure>> {
        Box::pin(self.list_all())
    }

    fn connect<'a>(&'a self, id: &'a str) -> Doing<'a, Result<Stream, Failure>> {
        Box::pin(async move {
            let stream = held::connect(&self.run(id)).await.map_err(|error| {
                Failure::new(format!("the workload {id} does not run: {error}"))
            })?;
            Ok(Box::new(stream) as Stream)
        })
    }

    fn stop<'a>(&'a self, id: &'a str, grace: Duration) -> Doing<'a, Result<(), Failure>> {
        Box::pin(async move {
            if !is_name(id) {
                return Ok(());
            }
            let _one = self.busy.lock(id).await;
            self.end(id, grace).await
        })
    }

    fn ended<'a>(&'a self, id: &'a str) -> Doing<'a, ()> {
        Box::pin(async move {
            let directory = self.run(id);
            while Found::runs_in(&directory) {
                if let Some(found) = Found::in_directory(&directory) {
                    found.ended().await;
                }
                // Only where it could not be held, as without a descriptor to spare.
                if Found::runs_in(&directory) {
                    tokio::time::sleep(AGAIN).await;
                }
            }
        })
    }

    fn homes(&self) -> Doing<'_, Result<Vec<String>, Failure>> {
        Box::pin(async { self.homes.names() })
    }

    fn forget_home<'a>(&'a self, home: &'a str) -> Doing<'a, Result<(), Failure>> {
        Box::pin(async move { self.homes.forget(home, &self.list_all().await?) })
    }
}
