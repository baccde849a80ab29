//! A container engine: which one answers, what it can do, and what it is asked.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, SystemInfo};
use bollard::query_parameters::{
    CreateContainerOptions, KillContainerOptions, ListContainersOptions, LogsOptions,
    RemoveContainerOptions, WaitContainerOptions,
};
use bollard::{API_DEFAULT_VERSION, Docker as Client};
use futures_core::Stream;

use crate::runtime::{Failure, is_name};

/// Where engines have their sockets.
const USUAL: [&str; 2] = ["unix:///var/run/docker.sock", "unix:///run/podman/podman.sock"];

/// Seconds that an engine may take to answer. Waits for the end of a container begin anew then.
const TIMEOUT: u64 = 120;

/// How soon an engine that did not answer is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// Bytes of what a container wrote that are told.
const WORDS: usize = 4096;

/// The label with the instance's name.
const INSTANCE: &str = "sagegate.instance";
/// The label with the instance's directory, which a copy of the instance does not have.
const DIRECTORY: &str = "sagegate.directory";
/// The label with the workload's id.
const WORKLOAD: &str = "sagegate.workload";

/// An engine, as one instance uses it.
pub(super) struct Engine {
    client: Client,
    address: String,
    name: String,
    info: SystemInfo,
    instance: String,
    directory: String,
}

impl Engine {
    /// The engine at this socket, or at the first of the usual places where one answers.
    pub(super) async fn find(address: Option<&str>) -> Result<Self, Failure> {
        let places = match address {
            Some(address) => vec![address],
            None => USUAL.to_vec(),
        };
        let mut causes = Vec::new();
        for place in places {
            match Self::at(place).await {
                Ok(engine) => return engine.checked(),
                Err(cause) => causes.push(format!("{place}: {cause}")),
            }
        }
        Err(Failure::new(format!(
            "The runtime docker needs a container engine, and none answers ({}). Start Docker, or podman \
             with: podman system service --time=0 unix:///run/podman/podman.sock; name another socket \
             with --engine unix:///PATH or the variable DOCKER_HOST; or use --runtime process",
            causes.join("; ")
        )))
    }

    async fn at(address: &str) -> Result<Self, String> {
        let Some(path) = address.strip_prefix("unix://") else {
            return Err("not the socket of an engine on this machine, unix:///PATH; homes are \
                        directories here"
                .to_owned());
        };
        let asked = async {
            let client = Client::connect_with_unix(path, TIMEOUT, API_DEFAULT_VERSION)?;
            let client = client.negotiate_version().await?;
            let (version, info) = (client.version().await?, client.info().await?);
            Ok::<_, Error>((client, version, info))
        };
        let (client, version, info) = asked.await.map_err(|error| words(&error))?;
        let engine = version.components.as_ref().and_then(|it| it.first());
        let kind = engine.map_or("an engine", |it| it.name.as_str());
        let number = version.version.as_deref().unwrap_or("of no version");
        let (instance, directory) = (String::new(), String::new());
        let name = format!("{kind} {number} at {address}");
        Ok(Self { client, address: address.to_owned(), name, info, instance, directory })
    }

    /// Refuses an engine in whose containers nobody is who he is on the host: homes would belong to
    /// users that this process knows nothing of.
    fn checked(self) -> Result<Self, Failure> {
        for (option, what) in [("rootless", "is rootless"), ("userns", "maps users")] {
            if self.has_option(option) {
                return Err(Failure::new(format!(
                    "The runtime docker cannot use {}: it {what}, so that homes would belong to users \
                     that are nobody's here. Use an engine of root's without that, or --runtime \
                     process, which needs no root",
                    self.name
                )));
            }
        }
        Ok(self)
    }

    /// For the containers of this instance.
    pub(super) fn of(self, instance: &str, directory: &Path) -> Self {
        let directory = directory.display().to_string();
        Self { instance: instance.to_owned(), directory, ..self }
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// The engine's name, version and place.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    fn has_option(&self, name: &str) -> bool {
        // Docker says "name=seccomp,profile=builtin", older ones "seccomp".
        let says = |it: &String| {
            it.split(',').any(|word| word == name || word.strip_prefix("name=") == Some(name))
        };
        self.info.security_options.iter().flatten().any(says)
    }

    fn limit_kinds(&self) -> [(&'static str, bool); 3] {
        let info = &self.info;
        [
            ("memory", info.memory_limit == Some(true)),
            ("cpu", info.cpu_cfs_quota == Some(true)),
            ("pids", info.pids_limit == Some(true)),
        ]
    }

    /// The limits that the engine can set.
    pub(super) fn limits(&self) -> Vec<&'static str> {
        let kinds = self.limit_kinds().into_iter();
        kinds.filter(|(_, held)| *held).map(|(name, _)| name).collect()
    }

    /// What is missing, and why.
    pub(super) fn missing(&self) -> Vec<String> {
        let kinds = self.limit_kinds().into_iter().filter(|(_, held)| !held);
        let mut missing: Vec<String> =
            kinds.map(|(name, _)| format!("{name} is not limited: the engine cannot")).collect();
        if !self.has_option("seccomp") {
            missing.push("system calls are not filtered: the engine has no seccomp".to_owned());
        }
        missing
    }

    /// The name of a workload's container.
    fn container(&self, id: &str) -> String {
        format!("sagegate-{}-{id}", self.instance)
    }

    fn labels(&self, id: &str) -> HashMap<String, String> {
        [(INSTANCE, self.instance.as_str()), (DIRECTORY, &self.directory), (WORKLOAD, id)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    fn has_ours(&self, labels: Option<&HashMap<String, String>>) -> bool {
        let label = |name| labels.and_then(|it| it.get(name)).map(String::as_str);
        label(INSTANCE) == Some(&self.instance) && label(DIRECTORY) == Some(&self.directory)
    }

    /// The ids of the workloads that have a container, running or not.
    pub(super) async fn workloads(&self) -> Result<BTreeSet<String>, Failure> {
        let label = vec![format!("{INSTANCE}={}", self.instance)];
        let options = ListContainersOptions {
            all: true,
            filters: Some(HashMap::from([("label".to_owned(), label)])),
            ..ListContainersOptions::default()
        };
        let found = self.client.list_containers(Some(options)).await;
        let found = found.map_err(|error| self.failure("its containers", &error))?;
        let ours = found.into_iter().filter(|it| self.has_ours(it.labels.as_ref()));
        let ids = ours.filter_map(|it| it.labels?.remove(WORKLOAD)).filter(|it| is_name(it));
        Ok(ids.collect())
    }

    /// Whether a workload's container runs.
    ///
    /// # Errors
    ///
    /// Where the engine does not say, or the container of that name is not this instance's.
    pub(super) async fn runs(&self, id: &str) -> Result<bool, Failure> {
        let name = self.container(id);
        let found = match self.client.inspect_container(&name, None).await {
            Ok(found) => found,
            Err(error) if status(&error) == Some(404) => return Ok(false),
            Err(error) => return Err(self.failure(&name, &error)),
        };
        if !self.has_ours(found.config.as_ref().and_then(|it| it.labels.as_ref())) {
            return Err(Failure::new(format!(
                "there is a container {name} that was not made for this directory; it is left alone"
            )));
        }
        Ok(found.state.and_then(|it| it.running) == Some(true))
    }

    /// Comes back when a workload's container does not run any more.
    pub(super) async fn ended(&self, id: &str) {
        let name = self.container(id);
        loop {
            match self.runs(id).await {
                Ok(false) => return,
                Ok(true) => {
                    let condition = "not-running".to_owned();
                    let options = WaitContainerOptions { condition };
                    let mut wait = Box::pin(self.client.wait_container(&name, Some(options)));
                    match next(&mut wait).await {
                        Some(Ok(_) | Err(Error::DockerContainerWaitError { .. })) => {}
                        // Nobody has answered for as long as is waited for an answer.
                        Some(Err(Error::RequestTimeoutError)) => {}
                        Some(Err(_)) | None => tokio::time::sleep(AGAIN).await,
                    }
                }
                Err(failure) => {
                    tracing::warn!(id, %failure, "a container cannot be looked at");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    /// The environment of an image.
    pub(super) async fn environment(
        &self,
        image: &str,
    ) -> Result<BTreeMap<String, String>, Failure> {
        let found = self.client.inspect_image(image).await.map_err(|error| match status(&error) {
            Some(404) => Failure::new(format!(
                "The container image {image} is not there, and images are not fetched by Sagegate. \
                 Have it made or pulled on this machine ({}).",
                self.name
            )),
            _ => self.failure(image, &error),
        })?;
        let env = found.config.and_then(|it| it.env).unwrap_or_default();
        let pairs = env.iter().filter_map(|it| it.split_once('='));
        Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// Makes and starts a workload's container.
    pub(super) async fn start(
        &self,
        id: &str,
        mut body: ContainerCreateBody,
    ) -> Result<(), Failure> {
        let name = self.container(id);
        body.labels = Some(self.labels(id));
        let options = CreateContainerOptions {
            name: Some(name.clone()),
            ..CreateContainerOptions::default()
        };
        let made = self.client.create_container(Some(options), body).await;
        made.map_err(|error| self.failure("a new container", &error))?;
        let started = self.client.start_container(&name, None).await;
        started.map_err(|error| self.failure("the container's start", &error))
    }

    /// The last of what a workload's container wrote.
    pub(super) async fn last_words(&self, id: &str) -> String {
        let options = LogsOptions {
            stdout: true,
            stderr: true,
            tail: "20".to_owned(),
            ..LogsOptions::default()
        };
        let mut text = Vec::new();
        let mut logs = Box::pin(self.client.logs(&self.container(id), Some(options)));
        while let Some(Ok(output)) = next(&mut logs).await {
            let (LogOutput::StdErr { message }
            | LogOutput::StdOut { message }
            | LogOutput::StdIn { message }
            | LogOutput::Console { message }) = output;
            text.extend_from_slice(&message);
            if text.len() > WORDS {
                text.truncate(WORDS);
                break;
            }
        }
        String::from_utf8_lossy(&text).trim().replace('\n', "; ")
    }

    /// Ends all processes of a workload's container at once.
    pub(super) async fn kill(&self, id: &str) -> Result<(), Failure> {
        let name = self.container(id);
        let options = KillContainerOptions { signal: "KILL".to_owned() };
        match self.client.kill_container(&name, Some(options)).await {
            Ok(()) => Ok(()),
            // It is gone, or does not run any more.
            Err(error) if matches!(status(&error), Some(404 | 409)) => Ok(()),
            // Podman's word for the latter is a server's error.
            Err(_) if !self.runs(id).await? => Ok(()),
            Err(error) => Err(self.failure(&name, &error)),
        }
    }

    /// Removes a workload's container, which does not run, and the volumes that its image has made.
    pub(super) async fn remove(&self, id: &str) -> Result<(), Failure> {
        // Only one that is ours.
        self.runs(id).await?;
        let name = self.container(id);
        let options = RemoveContainerOptions { v: true, force: true, link: false };
        match self.client.remove_container(&name, Some(options)).await {
            Err(error) if status(&error) != Some(404) => Err(self.failure(&name, &error)),
            _ => Ok(()),
        }
    }

    fn failure(&self, what: &str, error: &Error) -> Failure {
        Failure::new(format!("{}: {what}: {}", self.name, words(error)))
    }
}

/// What an engine has to say, or why it says nothing.
fn words(error: &Error) -> String {
    match error {
        Error::DockerResponseServerError { message, .. } => message.clone(),
        other => {
            // The cause is what tells: the libraries' own texts name only their layer.
            let mut cause: &dyn std::error::Error = other;
            while let Some(deeper) = cause.source() {
                cause = deeper;
            }
            cause.to_string()
        }
    }
}

fn status(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    std::future::poll_fn(|context| std::pin::Pin::new(&mut *stream).poll_next(context)).await
}
