//! What tests of runtimes share: a place to start workloads in, and ways to ask them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::image;
use sagegate_agent::protocol::{App, CONTROL_LINE, FromAgent, Open, Status};
use sagegate_workloads::docker::{self, Docker};
use sagegate_workloads::process::{self, Process};
use sagegate_workloads::runtime::{Failure, Limits, Network, Program, Runtime, Spec, Stream, open};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A directory with a runtime over it. What runs in it ends by itself if a test fails.
pub(crate) struct Place {
    pub(crate) directory: tempfile::TempDir,
    runtime: Arc<dyn Runtime>,
    /// The engine and the image, where there are containers.
    docker: Option<(String, String)>,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Place {
    pub(crate) fn process() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let runtime = process(&directory);
        Self { directory, runtime, docker: None }
    }

    /// Nothing where there is no engine, which is said.
    pub(crate) async fn docker() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        match docker(&directory, "").await {
            Ok(runtime) => {
                let image = image::ready(runtime.engine()).await;
                let docker_of = Some((runtime.engine().to_owned(), image.clone()));
                let runtime = Arc::new(docker(&directory, &image).await.unwrap());
                Some(Self { directory, runtime, docker: docker_of })
            }
            Err(failure) if std::env::var_os(ENGINE).is_none_or(|it| it == "none") => {
                eprintln!("skipped: {failure}");
                None
            }
            Err(failure) => panic!("{ENGINE}: {failure}"),
        }
    }

    pub(crate) fn runtime(&self) -> &dyn Runtime {
        &*self.runtime
    }

    pub(crate) fn is_docker(&self) -> bool {
        self.docker.is_some()
    }

    pub(crate) fn engine(&self) -> &str {
        &self.docker.as_ref().unwrap().0
    }

    pub(crate) fn image(&self) -> Option<&str> {
        self.docker.as_ref().map(|(_, image)| image.as_str())
    }

    /// A second runtime over the same directory, as after a restart.
    pub(crate) async fn again(&self) -> Arc<dyn Runtime> {
        match self.image() {
            Some(image) => Arc::new(docker(&self.directory, image).await.unwrap()),
            None => process(&self.directory),
        }
    }

    pub(crate) async fn end(self) {
        for spec in self.runtime.list().await.unwrap() {
            self.runtime.stop(&spec.id, Duration::ZERO).await.unwrap();
        }
    }
}

/// The variable that names the engine's socket for tests, `unix:///PATH`; `none` for none. Without it
/// the usual places are tried.
const ENGINE: &str = "SAGEGATE_TEST_ENGINE";

/// No two instances of one test run have the same name.
fn name() -> String {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed) + std::process::id().wrapping_mul(64);
    format!("{number:08x}")
}

fn process(directory: &tempfile::TempDir) -> Arc<dyn Runtime> {
    let settings = process::Settings {
        directory: directory.path().join("workloads"),
        executable: env!("CARGO_BIN_EXE_sagegate-test-space").into(),
        instance: name(),
        alone: Some(120),
    };
    Arc::new(Process::open(settings).unwrap())
}

async fn docker(directory: &tempfile::TempDir, image: &str) -> Result<Docker, Failure> {
    let engine = std::env::var(ENGINE).ok();
    if engine.as_deref() == Some("none") {
        return Err(Failure::new(format!("{ENGINE} is none")));
    }
    let settings = docker::Settings {
        directory: directory.path().join("workloads"),
        executable: env!("CARGO_BIN_EXE_sagegate-test-space").into(),
        instance: name(),
        alone: Some(120),
        engine,
        image: image.to_owned(),
    };
    Docker::open(settings).await
}

/// Has every runtime pass every test.
macro_rules! every_runtime {
    ($($name:ident,)*) => {
        mod process {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $name() {
                    super::$name(crate::common::Place::process()).await;
                }
            )*
        }
        mod docker {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $name() {
                    if let Some(place) = crate::common::Place::docker().await {
                        super::$name(place).await;
                    }
                }
            )*
        }
    };
}
pub(crate) use every_runtime;

/// A workload whose app does as it is told. `{executable}` in a command is the test's executable.
pub(crate) fn spec(id: &str, home: &str) -> Spec {
    Spec {
        id: id.to_owned(),
        home: home.to_owned(),
        home_too: None,
        hostname: "space".to_owned(),
        app: Program {
            command: vec![executable(), "serve".to_owned(), "{port}".to_owned()],
            env: BTreeMap::from([("GREETING".to_owned(), "hello {api}".to_owned())]),
            probe: "/api".to_owned(),
            activity: None,
            needs: vec![env!("CARGO_BIN_EXE_sagegate-test-space").into()],
            image: None,
        },
        lifecycle_scripts: Vec::new(),
        limits: Limits { cpu_milli: 1000, memory: 256 << 20, pids: 100 },
        metadata: r#"{"SpaceName":"my-space"}"#.to_owned(),
        network: Network::Isolated,
        files: BTreeMap::new(),
    }
}

pub(crate) fn executable() -> String {
    env!("CARGO_BIN_EXE_sagegate-test-space").to_owned()
}

/// Starts a workload and waits until its app serves.
pub(crate) async fn serving(runtime: &dyn Runtime, spec: &Spec) {
    runtime.start(spec).await.unwrap();
    let status = until(runtime, &spec.id, |it| it.app != App::Starting).await;
    assert_eq!(status.app, App::Serving);
}

/// The first status of a workload that is as wanted.
pub(crate) async fn until(
    runtime: &dyn Runtime,
    id: &str,
    wanted: impl Fn(&Status) -> bool,
) -> Status {
    let mut control = Control::open(runtime, id).await;
    loop {
        if let FromAgent::Status(status) = control.next().await
            && wanted(&status)
        {
            return status;
        }
    }
}

/// A control connection.
pub(crate) struct Control(BufReader<Stream>);

impl Control {
    pub(crate) async fn open(runtime: &dyn Runtime, id: &str) -> Self {
        Self(BufReader::new(open(runtime, id, &Open::Control).await.unwrap()))
    }

    pub(crate) async fn next(&mut self) -> FromAgent {
        let mut line = String::new();
        tokio::time::timeout(PATIENCE, self.0.read_line(&mut line)).await.unwrap().unwrap();
        assert!(line.len() < CONTROL_LINE && !line.is_empty(), "{line:?}");
        serde_json::from_str(&line).unwrap()
    }

    pub(crate) async fn say(&mut self, order: &sagegate_agent::protocol::ToAgent) {
        let line = serde_json::to_string(order).unwrap() + "\n";
        self.0.write_all(line.as_bytes()).await.unwrap();
    }
}

/// What the app answers.
pub(crate) async fn ask(runtime: &dyn Runtime, id: &str, request: &str) -> Result<String, Failure> {
    let mut stream = open(runtime, id, &Open::App).await?;
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
    let answer = String::from_utf8(answer).unwrap();
    Ok(answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

/// What a script in the space writes, errors included.
pub(crate) async fn run(runtime: &dyn Runtime, id: &str, script: &str) -> String {
    let request = format!("POST /run HTTP/1.1\r\nContent-Length: {}\r\n\r\n{script}", script.len());
    ask(runtime, id, &request).await.unwrap()
}
