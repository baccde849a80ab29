//! Brings what runs into line with what the state wants to run.
//!
//! One task for each workload ([`mind`]) starts it or finds it running, watches it, and ends it; this
//! module says which tasks there are. Nothing is remembered that is not in the store or at the
//! runtime, so a start of the program goes the same way as any change.

mod mind;
mod watch;

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use sagegate_gate::{Fault, Gate, Reaction};
use sagegate_services::sagemaker::workload::{self, Wanted};
use tokio::sync::{Notify, watch as channel};
use tokio::task::JoinHandle;

use crate::apps::Catalog;
use crate::host_keys;
use crate::networks::Networks;
use crate::runtime::{Doing, Failure, Runtime, Spec, Stream};
use crate::work::Work;

/// How long an app may take to end by itself.
const GRACE: Duration = Duration::from_secs(10);

/// Where code in a space reaches the API of this installation.
pub trait ApiDoor: Send + Sync {
    /// A connection for the code in this workload. What comes through it is treated as a request from
    /// this machine that arrived at the public listener.
    ///
    /// # Errors
    ///
    /// Where the listener does not accept it.
    fn connect<'a>(&'a self, workload: &'a Work) -> Doing<'a, std::io::Result<Stream>>;
}

/// What a keeper is made of.
pub struct Parts {
    /// The state.
    pub gate: Arc<Gate>,
    /// Where workloads run.
    pub runtime: Arc<dyn Runtime>,
    /// The programs of apps.
    pub catalog: Catalog,
    /// Where the API calls of those that are in no network go.
    pub door: Arc<dyn ApiDoor>,
    /// The networks that they are put into.
    pub networks: Arc<dyn Networks>,
    /// How often it looks.
    pub pace: Pace,
}

/// How often a keeper looks without a cause.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// At everything.
    pub look: Duration,
    /// At each app that runs: whether it is idle, and whether its agent answers.
    pub judge: Duration,
    /// So many questions an agent may leave open before it counts as stuck.
    pub silent: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self { look: Duration::from_secs(30), judge: Duration::from_secs(15), silent: 3 }
    }
}

/// Keeps what runs in line with the state.
pub struct Keeper {
    parts: Parts,
    wake: Notify,
    minded: Mutex<HashMap<String, Minded>>,
    /// Held while all is looked at.
    turn: tokio::sync::Mutex<()>,
}

/// A workload with a task.
struct Minded {
    wanted: channel::Sender<Order>,
    task: JoinHandle<()>,
    /// How often it was taken up again without having come to an end.
    tries: u32,
}

/// What is to become of a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// It is to run.
    Run,
    /// It is to end, and its end is to be reported.
    Stop,
    /// It is to end, and nobody is to be told.
    Drop,
}

impl Keeper {
    /// A keeper that does nothing yet.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self {
            parts,
            wake: Notify::new(),
            minded: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        })
    }

    /// The runtime.
    #[must_use]
    pub fn runtime(&self) -> &Arc<dyn Runtime> {
        &self.parts.runtime
    }

    /// What to register with the gate.
    #[must_use]
    pub fn reaction(self: &Arc<Self>) -> Arc<dyn Reaction> {
        Arc::new(Wake(Arc::downgrade(self)))
    }

    /// Keeps, until the task that is given back is ended. Workloads run on then.
    pub fn run(self: &Arc<Self>) -> JoinHandle<()> {
        let keeper = Arc::clone(self);
        tokio::spawn(async move {
            loop {
                keeper.look().await;
                let _ = tokio::time::timeout(keeper.parts.pace.look, keeper.wake.notified()).await;
            }
        })
    }

    /// Ends all that runs, whatever the state wants: for an installation that is emptied or gone.
    ///
    /// # Errors
    ///
    /// What could not be ended.
    pub async fn end_all(&self) -> Result<(), Failure> {
        let _turn = self.turn.lock().await;
        self.let_go().await;
        let runtime = &self.parts.runtime;
        for spec in runtime.list().await? {
            runtime.stop(&spec.id, Duration::ZERO).await?;
        }
        self.wake.notify_one();
        Ok(())
    }

    /// Stops watching. What runs goes on, for the next keeper to find. The task that [`Keeper::run`]
    /// gave has to be ended before.
    pub async fn leave(&self) {
        let _turn = self.turn.lock().await;
        self.let_go().await;
    }

    async fn let_go(&self) {
        let minded: Vec<Minded> = self.lock().drain().map(|(_, minded)| minded).collect();
        for minded in &minded {
            minded.task.abort();
        }
        for minded in minded {
            let _ = minded.task.await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Minded>> {
        self.minded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at everything once.
    async fn look(self: &Arc<Self>) {
        let _turn = self.turn.lock().await;
        if let Err(fault) = self.converge().await {
            self.parts.gate.report("the workloads", &fault);
        }
    }

    async fn converge(self: &Arc<Self>) -> Result<(), Fault> {
        let failed = |it: Failure| Fault::internal(format!("the runtime: {it}"));
        // What runs is asked for first: what is started after that is in the state already.
        let running = self.parts.runtime.list().await.map_err(failed)?;
        let (desired, homes) = {
            let state = self.parts.gate.store().snapshot()?;
            let apps = workload::desired(&state)?.into_iter().map(|it| Work::App(Box::new(it)));
            let notebooks = workload::notebooks(&state)?.into_iter();
            let notebooks = notebooks.map(|it| Work::Notebook(Box::new(it)));
            (apps.chain(notebooks).collect::<Vec<_>>(), workload::homes(&state)?)
        };
        let known: HashSet<&str> = desired.iter().map(Work::id).collect();
        for (id, minded) in self.lock().iter() {
            if !known.contains(id.as_str()) {
                minded.order(Order::Drop);
            }
        }
        for spec in &running {
            if !known.contains(spec.id.as_str()) {
                self.end_unwanted(&spec.id);
            }
        }
        for wanted in desired {
            let found = running.iter().find(|it| it.id == wanted.id()).cloned();
            self.take_up(wanted, found);
        }
        self.lock().retain(|id, minded| known_or_busy(id, minded, &running));
        self.forget_homes(&homes).await
    }

    /// Gives a workload a task, or its task the present order.
    fn take_up(self: &Arc<Self>, wanted: Work, found: Option<Spec>) {
        let order = match wanted.state() {
            Wanted::Run => Order::Run,
            Wanted::Stop => Order::Stop,
        };
        let id = wanted.id().to_owned();
        self.occupy(&id, order, |keeper, orders, tries| {
            mind::mind(keeper, wanted, found, orders, tries)
        });
    }

    /// Gives a workload that nobody wants a task that ends it: one that takes its time, or does not
    /// end at all, keeps no other from being taken up.
    fn end_unwanted(self: &Arc<Self>, id: &str) {
        let unwanted = id.to_owned();
        self.occupy(id, Order::Drop, |keeper, _, tries| mind::end(keeper, unwanted, tries));
    }

    /// Gives a workload a task, or the task that it has an order.
    fn occupy<F: Future<Output = ()> + Send + 'static>(
        self: &Arc<Self>,
        id: &str,
        order: Order,
        task: impl FnOnce(Arc<Self>, channel::Receiver<Order>, u32) -> F,
    ) {
        let mut minded = self.lock();
        let mut tries = 0;
        if let Some(minded) = minded.get(id) {
            if !minded.task.is_finished() {
                minded.order(order);
                return;
            }
            // It ended and all is as before: what was to be done or reported could not be.
            tries = minded.tries + 1;
        }
        let (sender, orders) = channel::channel(order);
        let task = tokio::spawn(task(Arc::clone(self), orders, tries));
        minded.insert(id.to_owned(), Minded { wanted: sender, task, tries });
    }

    /// Removes the homes that belong to nobody.
    async fn forget_homes(&self, homes: &[String]) -> Result<(), Fault> {
        let failed = |it: Failure| Fault::internal(format!("the runtime: {it}"));
        let runtime = &self.parts.runtime;
        let gone: Vec<String> = runtime.homes().await.map_err(failed)?;
        for home in gone.iter().filter(|it| !homes.contains(it)) {
            // One that is in use is that of a workload that is ending.
            match runtime.forget_home(home).await {
                Ok(()) => host_keys::forget(&self.parts.gate, home).await?,
                Err(failure) => tracing::info!(home, %failure, "a home stays for now"),
            }
        }
        Ok(())
    }
}

/// Whether a workload's entry is still of use: its task is at work, or it is the last to know that it
/// ran.
fn known_or_busy(id: &str, minded: &Minded, running: &[Spec]) -> bool {
    !minded.task.is_finished()
        || *minded.wanted.borrow() != Order::Drop
        || running.iter().any(|it| it.id == id)
}

impl Minded {
    fn order(&self, order: Order) {
        self.wanted.send_if_modified(|now| {
            let news = *now != order;
            *now = order;
            news
        });
    }
}

/// Wakes the keeper when what it follows was written. Answers do not wait for it: an app is Pending
/// until it serves.
struct Wake(Weak<Keeper>);

impl Reaction for Wake {
    fn tables(&self) -> &'static [&'static str] {
        workload::TABLES
    }

    fn react<'a>(&'a self, _: &'a Gate) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async {
            if let Some(keeper) = self.0.upgrade() {
                keeper.wake.notify_one();
            }
        })
    }
}
