//! Watching a workload by its agent's control connection.
//!
//! What an agent says is the tenant's word. It is bounded, and moves nothing but that tenant's app.

use std::sync::Arc;

use sagegate_agent::protocol::{
    App, CONTROL_LINE, Configure, FromAgent, Open, Relay, Status, ToAgent,
};
use sagegate_gate::env::Time;
use tokio::io::{
    AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, copy_bidirectional,
};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::Keeper;
use super::mind::{End, tell, wait, with_last_words};
use crate::credentials::Endpoint;
use crate::host_keys;
use crate::runtime::{Failure, Network, Stream, open};
use crate::work::Work;

/// Connections from a space to the host's side at a time.
const DIALS: usize = 64;
/// How much later an activity must be to be worth a write, in seconds.
const WORTH: i64 = 30;
/// How often a lost control connection is opened again before the workload counts as lost.
const TRIES: u32 = 6;

/// What is seen of a workload that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    Serving,
    Active(Time),
    /// It has been idle for as long as it may be.
    Idle,
}

/// What has been seen so far.
struct State {
    serving: Option<Time>,
    reported: Option<Time>,
}

/// Watches, until the app does not run any more.
pub(super) async fn watch(
    keeper: &Keeper,
    wanted: &Work,
    endpoint: &Arc<Endpoint>,
    network: &Network,
) -> End {
    let runtime = &keeper.parts.runtime;
    let mut state = State { serving: None, reported: None };
    let watching = async {
        let mut tries = 0;
        loop {
            match once(keeper, wanted, (endpoint, network), &mut state).await {
                Ok(end) => return end,
                Err(Lost { failure, heard }) => {
                    tries = if heard { 1 } else { tries + 1 };
                    if tries > TRIES {
                        return End(format!("{} does not answer: {failure}.", wanted.place()));
                    }
                    tracing::info!(id = wanted.id(), %failure, "a control connection was lost");
                }
            }
            tokio::time::sleep(wait(tries)).await;
        }
    };
    tokio::select! {
        end = watching => end,
        () = runtime.ended(wanted.id()) => {
            let place = wanted.place();
            End(format!("{place} has ended: its processes were killed, or the machine was restarted."))
        }
    }
}

/// Why a control connection is over, and whether anything came by it.
struct Lost {
    failure: Failure,
    heard: bool,
}

/// One control connection.
async fn once(
    keeper: &Keeper,
    wanted: &Work,
    (endpoint, network): (&Arc<Endpoint>, &Network),
    state: &mut State,
) -> Result<End, Lost> {
    let silent = |failure| Lost { failure, heard: false };
    let (control, mut orders) = tokio::io::split(begin(keeper, wanted).await.map_err(silent)?);
    let mut lines = BufReader::new(control).take(CONTROL_LINE as u64);
    let mut line = Vec::new();
    let mut heard = false;
    let mut judge = tokio::time::interval(keeper.parts.pace.judge);
    // After a pause of this machine nothing is made up for: its agents have had the same pause.
    judge.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut unanswered = 0;
    let mut dials = JoinSet::new();
    let places = Arc::new(Semaphore::new(DIALS));
    loop {
        tokio::select! {
            // What the agent has said counts before it is judged.
            biased;
            read = lines.read_until(b'\n', &mut line) => {
                let lost = |text: String| Lost { failure: Failure::new(text), heard };
                read.map_err(|error| lost(error.to_string()))?;
                if line.last() != Some(&b'\n') {
                    return Err(lost("the control connection was closed".to_owned()));
                }
                let said = serde_json::from_slice(&line)
                    .map_err(|error| lost(format!("the agent says what it should not: {error}")))?;
                line.clear();
                lines.set_limit(CONTROL_LINE as u64);
                heard = true;
                unanswered = 0;
                match said {
                    FromAgent::Pong => {}
                    FromAgent::Status(status) => {
                        if let Some(end) = see(keeper, wanted, &status, state).await {
                            return Ok(end);
                        }
                    }
                    // By its network it comes to the API as what it is there, and by no other way.
                    FromAgent::Dial { relay: Relay::Api, .. } if *network != Network::Isolated => {}
                    // Too many at a time: the agent closes those that nobody fetches.
                    FromAgent::Dial { id, relay } => if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
                        let dial = fetch(keeper, wanted, endpoint, id, relay);
                        dials.spawn(async move {
                            dial.await;
                            drop(place);
                        });
                    }
                }
            }
            Some(_) = dials.join_next() => {}
            _ = judge.tick() => {
                if is_idle(keeper, wanted, state) {
                    tell(keeper, wanted, Seen::Idle).await;
                }
                // What runs inside may have stopped its own agent: nothing leads to the app then, and
                // the connection stays open all the same.
                if unanswered == keeper.parts.pace.silent {
                    return Ok(End(format!("{} does not answer.", wanted.place())));
                }
                unanswered += 1;
                let sent = say(&mut orders, &ToAgent::Ping).await;
                sent.map_err(|failure| Lost { failure, heard })?;
            }
        }
    }
}

/// Opens a control connection and tells the agent what it needs.
async fn begin(keeper: &Keeper, wanted: &Work) -> Result<Stream, Failure> {
    let parts = &keeper.parts;
    let mut control = open(&*parts.runtime, wanted.id(), &Open::Control).await?;
    // Without a key the agent serves no SSH.
    let mut ssh_host_key = None;
    if wanted.has_sessions() {
        let key = host_keys::host_key(&parts.gate, wanted.home()).await.map_err(|fault| {
            parts.gate.report("the host key of a space", &fault);
            Failure::new("the space's host key could not be read")
        })?;
        ssh_host_key = Some(key);
    }
    say(&mut control, &ToAgent::Configure(Configure { ssh_host_key })).await?;
    Ok(control)
}

/// Gives an agent an order on a control connection.
async fn say(control: &mut (impl AsyncWrite + Unpin), order: &ToAgent) -> Result<(), Failure> {
    let mut line = serde_json::to_vec(order).map_err(|it| Failure::new(it.to_string()))?;
    line.push(b'\n');
    control.write_all(&line).await.map_err(|error| Failure::of("the agent", &error))
}

/// Takes in a status.
async fn see(keeper: &Keeper, wanted: &Work, status: &Status, state: &mut State) -> Option<End> {
    let now = keeper.parts.gate.env().now();
    match &status.app {
        App::Starting => return None,
        App::Serving => {}
        App::Ended { reason, lines, .. } => return Some(End(with_last_words(reason, lines))),
    }
    if state.serving.is_none() {
        state.serving = Some(now);
        tell(keeper, wanted, Seen::Serving).await;
    }
    let active = status
        .last_active
        .and_then(|seconds| i64::try_from(seconds).ok())
        .and_then(|seconds| seconds.checked_mul(1000))
        // What is yet to come has not been seen.
        .map(|millis| Time::from_millis(millis).min(now));
    if let Some(active) = active
        && state.reported.is_none_or(|it| it.plus_seconds(WORTH) <= active)
    {
        state.reported = Some(active);
        tell(keeper, wanted, Seen::Active(active)).await;
    }
    None
}

/// Whether nobody has been at work for as long as that may be. What has just been started, or found
/// again, is given the whole time.
fn is_idle(keeper: &Keeper, wanted: &Work, state: &State) -> bool {
    let (Some(minutes), Some(serving)) = (wanted.idle_minutes(), state.serving) else {
        return false;
    };
    let since = state.reported.map_or(serving, |it| it.max(serving));
    since.plus_seconds(i64::from(minutes) * 60) <= keeper.parts.gate.env().now()
}

/// Fetches a connection that something in the space has made to a relay, and serves it.
fn fetch(
    keeper: &Keeper,
    wanted: &Work,
    endpoint: &Arc<Endpoint>,
    id: u64,
    relay: Relay,
) -> impl Future<Output = ()> + Send + 'static {
    let runtime = Arc::clone(&keeper.parts.runtime);
    let door = Arc::clone(&keeper.parts.door);
    let (wanted, endpoint) = (wanted.clone(), Arc::clone(endpoint));
    async move {
        let inside = open(&*runtime, wanted.id(), &Open::Accept { id }).await;
        let Ok(mut inside) = inside else { return };
        match relay {
            Relay::Credentials => endpoint.serve(inside).await,
            Relay::Api => match door.connect(&wanted).await {
                Ok(mut api) => {
                    let _ = copy_bidirectional(&mut inside, &mut api).await;
                }
                Err(error) => tracing::warn!(%error, "a space does not reach the API"),
            },
        }
    }
}
