//! The runtime `docker`: a workload is a container of an engine on this machine that speaks Docker's
//! API, which podman does as well.
//!
//! ```text
//! DIR/instance.json               the instance's name
//! DIR/homes/HOME/                 a home, mounted into its container
//! DIR/containers/ID/spec.json     what was asked for
//! DIR/containers/ID/agent.sock    the control socket; no container sees it
//! DIR/containers/ID/ready         the agent has said that it can be dialled
//! DIR/containers/ID/inside/       files that the container sees, unwritable
//! ```
//!
//! Containers are found again by their labels, which name the instance and its directory: what does
//! not have both is somebody else's and is not touched.

mod container;
mod engine;
mod start;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::busy::Busy;
use crate::held;
use crate::homes::{self, Homes, Whose};
use crate::runtime::{
    self, Capability, Doing, Failure, Isolation, Runtime, Spec, Stream, is_name, read_spec,
};
use engine::Engine;
use sagegate_agent::plan::{GID, UID};

/// How long an engine may take to end a container that was killed.
const KILLED: Duration = Duration::from_secs(30);

/// How a docker runtime is made.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The directory of homes and of what runs; made if it is not there.
    pub directory: PathBuf,
    /// The executable that offers the stages of [`sagegate_agent::main`]; it runs in every container.
    pub executable: PathBuf,
    /// A random name for a new instance: 8 or more of `[0-9a-f]`.
    pub instance: String,
    /// As [`crate::process::Settings::alone`].
    pub alone: Option<u64>,
    /// The engine's socket, `unix:///PATH`; without it the usual places are tried.
    pub engine: Option<String>,
    /// The image of a program that names none.
    pub image: String,
}

/// The runtime.
pub struct Docker {
    directory: PathBuf,
    executable: PathBuf,
    alone: Option<u64>,
    image: String,
    engine: Engine,
    homes: Homes,
    /// The user in every container, and on the host behind it.
    user: (u32, u32),
    /// One at a time for each workload.
    busy: Busy,
}

impl Docker {
    /// Opens the runtime over a directory, with the engine that answers.
    ///
    /// # Errors
    ///
    /// Where no engine answers, or one that maps users to others; with what to do about it. Where the
    /// directory cannot be used.
    pub async fn open(settings: Settings) -> Result<Self, Failure> {
        let engine = Engine::find(settings.engine.as_deref()).await?;
        homes::private(&settings.directory)?;
        let directory = settings
            .directory
            .canonicalize()
            .map_err(|error| Failure::of(&settings.directory.display().to_string(), &error))?;
        homes::private(&directory.join("containers"))?;
        let homes = Homes::open(&directory, &settings.instance)?;
        let engine = engine.of(&homes.instance().name, &directory);
        let user = match (rustix::process::geteuid(), rustix::process::getegid()) {
            (uid, _) if uid.is_root() => (UID, GID),
            (uid, gid) => (uid.as_raw(), gid.as_raw()),
        };
        let Settings { executable, alone, image, .. } = settings;
        let busy = Busy::default();
        Ok(Self { directory, executable, alone, image, engine, homes, user, busy })
    }

    /// The engine's socket, in the form of [`Settings::engine`].
    #[must_use]
    pub fn engine(&self) -> &str {
        self.engine.address()
    }

    fn place(&self, id: &str) -> PathBuf {
        self.directory.join("containers").join(id)
    }

    /// Whose homes are.
    fn whose(&self) -> Whose {
        Whose::Of(self.user.0, self.user.1)
    }

    async fn list_all(&self) -> Result<Vec<Spec>, Failure> {
        let mut ids = self.engine.workloads().await?;
        ids.extend(self.places()?);
        let mut specs = Vec::new();
        for id in ids {
            let _one = self.busy.lock(&id).await;
            match self.taken_up(&id).await? {
                Some(spec) => specs.push(spec),
                None => self.end(&id, Duration::ZERO).await?,
            }
        }
        Ok(specs)
    }

    /// The workloads that have a directory.
    fn places(&self) -> Result<Vec<String>, Failure> {
        let directory = self.directory.join("containers");
        let wrong = |error: std::io::Error| Failure::of(&directory.display().to_string(), &error);
        let mut ids = Vec::new();
        for entry in std::fs::read_dir(&directory).map_err(wrong)? {
            let name = entry.map_err(wrong)?.file_name();
            ids.extend(name.to_str().filter(|it| is_name(it)).map(str::to_owned));
        }
        Ok(ids)
    }

    /// What was asked for where a workload runs and its start came to an end. The workload's lock is
    /// held by the caller.
    async fn taken_up(&self, id: &str) -> Result<Option<Spec>, Failure> {
        let place = self.place(id);
        if !self.engine.runs(id).await? || !place.join(READY).exists() {
            return Ok(None);
        }
        match read_spec(&place) {
            Ok(spec) => Ok(Some(spec)),
            // It runs, and nobody can say what it is: it is not wanted.
            Err(error) => {
                tracing::warn!(id, %error, "a container that is not known is ended");
                Ok(None)
            }
        }
    }

    async fn start_one(&self, spec: &Spec) -> Result<(), Failure> {
        spec.check()?;
        if spec.network.interface().is_some() {
            return Err(Failure::new("Containers are not put into networks of this machine."));
        }
        let _one = self.busy.lock(&spec.id).await;
        if self.taken_up(&spec.id).await?.is_some() {
            return Ok(());
        }
        self.end(&spec.id, Duration::ZERO).await?;
        let started = self.launch(spec).await;
        if started.is_err()
            && let Err(error) = self.end(&spec.id, Duration::ZERO).await
        {
            tracing::warn!(id = spec.id, %error, "what is left of a start cannot be removed");
        }
        started
    }

    /// Ends a workload and removes all of it but its home. Its lock is held by the caller.
    async fn end(&self, id: &str, grace: Duration) -> Result<(), Failure> {
        if self.engine.runs(id).await? {
            if !grace.is_zero() && runtime::ask_to_stop(self, id, grace).await.is_ok() {
                // The agent ends by itself when the grace is over.
                let limit = grace + Duration::from_secs(1);
                let _ = tokio::time::timeout(limit, self.engine.ended(id)).await;
            }
            self.engine.kill(id).await?;
            if tokio::time::timeout(KILLED, self.engine.ended(id)).await.is_err() {
                return Err(Failure::new(format!("the workload {id} does not end")));
            }
        }
        self.engine.remove(id).await?;
        remove(&self.place(id))
    }
}

/// The note that a start came to its end.
const READY: &str = "ready";

fn remove(directory: &Path) -> Result<(), Failure> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::of(&directory.display().to_string(), &error))
        }
        _ => Ok(()),
    }
}

impl Runtime for Docker {
    fn capability(&self) -> Capability {
        let (uid, gid) = self.user;
        Capability {
            runtime: "docker",
            form: format!("containers of {}, all as user {uid}:{gid}", self.engine.name()),
            isolation: Some(Isolation::OneUser),
            networks: false,
            limits: self.engine.limits(),
            missing: self.engine.missing(),
        }
    }

    fn start<'a>(&'a self, spec: &'a Spec) -> Doing<'a, Result<(), Failure>> {
        Box::pin(self.start_one(spec))
    }

    fn list(&self) -> Doing<'_, Result<Vec<Spec>, Failure>> {
        Box::pin(self.list_all())
    }

    fn connect<'a>(&'a self, id: &'a str) -> Doing<'a, Result<Stream, Failure>> {
        Box::pin(async move {
            if !is_name(id) {
                return Err(Failure::new(format!("there is no workload {id:?}")));
            }
            let stream = held::connect(&self.place(id)).await.map_err(|error| {
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
            if is_name(id) {
                self.engine.ended(id).await;
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
