//! The keeper over a runtime in which everything happens as a test says, with a clock that is held.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sagegate_agent::protocol::{Answer, App, FromAgent, Open, Relay, Status, ToAgent};
use sagegate_api::sagemaker::{AppStatus, AppType};
use sagegate_gate::env::{Clock, ManualClock, SystemClock};
use sagegate_gate::{Env, Gate};
use sagegate_services::sagemaker::space_records::AppRecord;
use sagegate_workloads::apps::Catalog;
use sagegate_workloads::keeper::{Keeper, Pace, Parts};
use sagegate_workloads::networks::{Networks, NoNetworks};
use sagegate_workloads::runtime::{Capability, Doing, Failure, Runtime, Seat, Spec, Stream};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::task::JoinHandle;

use super::common::PATIENCE;
use super::keeper::{Echo, app_of, apps, ground, put_app, until_status};

/// A runtime without processes. Its agents say that their app serves.
#[derive(Default)]
pub(super) struct Scripted {
    pub(super) running: Mutex<Vec<Spec>>,
    pub(super) agents: Arc<Agents>,
    /// What was to be stopped, as often as it was.
    pub(super) stops: Mutex<Vec<String>>,
    /// Workloads that cannot be ended: whether that takes for ever, or fails at once.
    pub(super) stubborn: Vec<(&'static str, bool)>,
    /// It puts nobody into a network, as the runtime of containers.
    pub(super) apart: bool,
}

/// What agents do.
#[derive(Default)]
pub(super) struct Agents {
    /// They say that the app serves, and never anything again.
    pub(super) stuck: bool,
    /// When somebody was last at work, in seconds since 1970; 0 for never.
    pub(super) active: AtomicU64,
    /// Pings that they were asked.
    pub(super) pings: AtomicU32,
    /// The relay that they say somebody has connected to.
    pub(super) dial: Option<Relay>,
    /// How often such a connection was fetched.
    pub(super) accepts: AtomicU32,
}

impl Scripted {
    pub(super) fn specs(&self) -> Vec<Spec> {
        self.running.lock().unwrap().clone()
    }

    fn ids(&self) -> Vec<String> {
        self.running.lock().unwrap().iter().map(|it| it.id.clone()).collect()
    }
}

impl Runtime for Scripted {
    fn capability(&self) -> Capability {
        Capability {
            runtime: "scripted",
            form: "a script".to_owned(),
            isolation: None,
            networks: !self.apart,
            limits: Vec::new(),
            missing: Vec::new(),
        }
    }

    fn start<'a>(&'a self, spec: &'a Spec) -> Doing<'a, Result<(), Failure>> {
        self.running.lock().unwrap().push(spec.clone());
        Box::pin(async { Ok(()) })
    }

    fn start_in<'a>(&'a self, spec: &'a Spec, _: Seat) -> Doing<'a, Result<(), Failure>> {
        self.start(spec)
    }

    fn seat<'a>(&'a self, _: &'a str) -> Doing<'a, Result<OwnedFd, Failure>> {
        Box::pin(async { Ok(std::fs::File::open("/dev/null").unwrap().into()) })
    }

    fn list(&self) -> Doing<'_, Result<Vec<Spec>, Failure>> {
        let running = self.running.lock().unwrap().clone();
        Box::pin(async { Ok(running) })
    }

    fn connect<'a>(&'a self, _: &'a str) -> Doing<'a, Result<Stream, Failure>> {
        let (mine, yours) = tokio::io::duplex(4096);
        tokio::spawn(agent(yours, Arc::clone(&self.agents)));
        Box::pin(async { Ok(Box::new(mine) as Stream) })
    }

    fn stop<'a>(&'a self, id: &'a str, _: Duration) -> Doing<'a, Result<(), Failure>> {
        self.stops.lock().unwrap().push(id.to_owned());
        Box::pin(async move {
            match self.stubborn.iter().find(|it| it.0 == id) {
                Some((_, true)) => std::future::pending().await,
                Some(_) => return Err(Failure::new("it does not end")),
                None => {}
            }
            self.running.lock().unwrap().retain(|it| it.id != id);
            Ok(())
        })
    }

    fn ended<'a>(&'a self, _: &'a str) -> Doing<'a, ()> {
        Box::pin(std::future::pending())
    }

    fn homes(&self) -> Doing<'_, Result<Vec<String>, Failure>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn forget_home<'a>(&'a self, _: &'a str) -> Doing<'a, Result<(), Failure>> {
        Box::pin(async { Ok(()) })
    }
}

/// The agent's end of a connection.
async fn agent(stream: tokio::io::DuplexStream, agents: Arc<Agents>) {
    let mut lines = BufReader::new(stream).lines();
    let open = lines.next_line().await.unwrap().unwrap();
    if let Open::Accept { id: 1 } = serde_json::from_str(&open).unwrap() {
        agents.accepts.fetch_add(1, Ordering::SeqCst);
        return;
    }
    assert_eq!(serde_json::from_str::<Open>(&open).unwrap(), Open::Control);
    let opened = serde_json::to_string(&Answer::Opened).unwrap();
    let mut said = format!("{opened}\n{}", status(&agents));
    if let Some(relay) = agents.dial {
        said += &line(&FromAgent::Dial { id: 1, relay });
    }
    loop {
        // The keeper may have hung up.
        if lines.get_mut().write_all(said.as_bytes()).await.is_err() {
            return;
        }
        said.clear();
        if agents.stuck {
            std::future::pending::<()>().await;
        }
        let Ok(Some(order)) = lines.next_line().await else { return };
        if serde_json::from_str::<ToAgent>(&order).unwrap() == ToAgent::Ping {
            agents.pings.fetch_add(1, Ordering::SeqCst);
            said = format!("{}{}", status(&agents), line(&FromAgent::Pong));
        }
    }
}

fn status(agents: &Agents) -> String {
    let active = Some(agents.active.load(Ordering::SeqCst)).filter(|it| *it > 0);
    line(&FromAgent::Status(Status { app: App::Serving, last_active: active, ssh: 0 }))
}

fn line(say: &FromAgent) -> String {
    serde_json::to_string(say).unwrap() + "\n"
}

/// A keeper over such a runtime, with an app that serves.
pub(super) struct Kept {
    gate: Arc<Gate>,
    clock: Arc<ManualClock>,
    pub(super) runtime: Arc<Scripted>,
    keeper: JoinHandle<()>,
    _apps: tempfile::TempDir,
}

impl Kept {
    /// Agents may take as long as a busy machine has them take.
    async fn new(runtime: Scripted, more: serde_json::Value) -> Self {
        let kept = Self::begin(runtime, u32::MAX, more).await;
        kept.until(AppStatus::InService).await;
        kept
    }

    async fn begin(runtime: Scripted, silent: u32, more: serde_json::Value) -> Self {
        Self::over(runtime, silent, Arc::new(NoNetworks), more).await
    }

    /// One whose workloads are put into networks.
    pub(super) async fn in_networks(
        runtime: Scripted,
        networks: Arc<dyn Networks>,
        more: serde_json::Value,
    ) -> Self {
        Self::over(runtime, u32::MAX, networks, more).await
    }

    async fn over(
        runtime: Scripted,
        silent: u32,
        networks: Arc<dyn Networks>,
        more: serde_json::Value,
    ) -> Self {
        let clock = Arc::new(ManualClock::new(SystemClock.now()));
        let (gate, scope) =
            ground(Env { clock: Arc::clone(&clock) as Arc<dyn Clock>, ..Env::system() }).await;
        let directory = tempfile::tempdir().unwrap();
        let runtime = Arc::new(runtime);
        put_app((&gate, &scope), ("app-1", AppType::JupyterLab, "exec"), more).await;
        let soon = Duration::from_millis(5);
        let keeper = Keeper::new(Parts {
            gate: Arc::clone(&gate),
            runtime: Arc::clone(&runtime) as Arc<dyn Runtime>,
            catalog: Catalog::new(apps(directory.path()), "/none"),
            door: Arc::new(Echo),
            networks,
            pace: Pace { look: soon, judge: soon, silent },
        });
        Self { gate, clock, runtime, keeper: keeper.run(), _apps: directory }
    }

    pub(super) async fn until(&self, status: AppStatus) -> AppRecord {
        until_status(&self.gate, "app-1", status).await
    }

    fn status(&self) -> AppStatus {
        app_of(&self.gate, "app-1").status.0
    }

    fn pass(&self, minutes: i64) {
        self.clock.advance_millis(minutes * 60_000);
    }

    /// Waits until the keeper has judged the app by the present time.
    async fn judged(&self) {
        // The ping follows the judgement. The first may belong to one that was under way.
        let wanted = self.runtime.agents.pings.load(Ordering::SeqCst) + 2;
        soon(|| self.runtime.agents.pings.load(Ordering::SeqCst) >= wanted).await;
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

pub(super) async fn soon(seen: impl Fn() -> bool) {
    let seeing = async {
        while !seen() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, seeing).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_app_is_shut_down_when_its_time_has_passed() {
    let kept = Kept::new(Scripted::default(), json!({ "idle_minutes": 60 })).await;
    kept.pass(50);
    let active = kept.gate.env().now();
    let seconds = u64::try_from(active.millis() / 1000).unwrap();
    kept.runtime.agents.active.store(seconds, Ordering::SeqCst);
    soon(|| {
        app_of(&kept.gate, "app-1")
            .active
            .is_some_and(|it| it.millis() / 1000 == active.millis() / 1000)
    })
    .await;
    // 109 minutes after the start, 59 after somebody was last at work.
    kept.pass(59);
    kept.judged().await;
    assert_eq!(kept.status(), AppStatus::InService);
    kept.pass(1);
    kept.until(AppStatus::Deleted).await;
    soon(|| kept.runtime.ids().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_without_a_time_is_not_shut_down() {
    let kept = Kept::new(Scripted::default(), json!({})).await;
    kept.pass(100_000);
    kept.judged().await;
    assert_eq!(kept.status(), AppStatus::InService);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_whose_agent_is_stuck_fails() {
    let agents = Arc::new(Agents { stuck: true, ..Agents::default() });
    let kept = Kept::begin(Scripted { agents, ..Scripted::default() }, 3, json!({})).await;
    let failed = kept.until(AppStatus::Failed).await;
    assert_eq!(failed.failure_reason.unwrap(), "The space does not answer.");
    assert!(failed.healthy.is_some(), "it has served before");
    assert!(kept.runtime.ids().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_end_keeps_no_app_from_running() {
    let place = [("hangs", true), ("fails", false)];
    let running = place.iter().map(|(id, _)| super::common::spec(id, id)).collect();
    let runtime =
        Scripted { running: Mutex::new(running), stubborn: place.to_vec(), ..Scripted::default() };
    let kept = Kept::new(runtime, json!({})).await;
    let stops = |id: &str| kept.runtime.stops.lock().unwrap().iter().filter(|it| *it == id).count();
    // What failed is tried again; what is under way is not.
    soon(|| stops("fails") > 1).await;
    assert_eq!(stops("hangs"), 1);
    assert_eq!(kept.status(), AppStatus::InService);
}
