//! From a plan to an app that serves, and to its end.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, watch};

use crate::activity;
use crate::app::{self, Running, how, told};
use crate::plan::Plan;
use crate::protocol::{App, Status};

/// How often an app that does not answer yet is asked again.
const ASK: Duration = Duration::from_millis(25);
/// How often the last activity is looked up.
const LOOK: Duration = Duration::from_secs(15);

/// An order to end: the time between asking the app and the end.
pub(crate) type Stop = Duration;

/// Runs the app until it is told to stop. Comes back then; an app that ends by itself is told of, and
/// the space stays, so that what happened can be asked and seen.
pub(crate) async fn run(
    plan: &Plan,
    logs: &Path,
    status: &watch::Sender<Status>,
    stops: &mut mpsc::Receiver<Stop>,
) {
    let tell = |app: App| status.send_modify(|it| it.app = app);
    for (number, script) in plan.lifecycle_scripts.iter().enumerate() {
        let name = if number == 0 { "lifecycle".to_owned() } else { format!("lifecycle-{number}") };
        let failed = tokio::select! {
            done = app::lifecycle(plan, script, logs, &name) => done.err(),
            // With the agent everything in the space ends, the script as well.
            _ = stops.recv() => return,
        };
        if let Some(app) = failed {
            tell(app);
            return idle(plan, status, stops).await;
        }
    }
    let mut running = match Running::app(plan, logs) {
        Ok(running) => running,
        Err(trouble) => {
            tell(App::Ended {
                reason: format!("The app could not be started: {trouble}"),
                code: None,
                signal: None,
                lines: Vec::new(),
            });
            return idle(plan, status, stops).await;
        }
    };
    let output = running.output.clone();
    let ended = tokio::select! {
        ended = running.ended() => ended,
        () = serve(plan, status) => return,
        stop = stops.recv() => {
            running.terminate();
            let grace = stop.unwrap_or_default();
            if tokio::time::timeout(grace, running.ended()).await.is_err() {
                running.kill();
            }
            return;
        }
    };
    match ended {
        Ok(status) => tell(told(&format!("The app {}", how(status)), status, &output)),
        Err(error) => tell(App::Ended {
            reason: format!("The app was lost: {error}"),
            code: None,
            signal: None,
            lines: output.lines(),
        }),
    }
    idle(plan, status, stops).await;
}

/// Asks until the app answers, and then looks after its activity, for ever.
async fn serve(plan: &Plan, status: &watch::Sender<Status>) {
    while !activity::serves(plan.port, &plan.probe).await {
        tokio::time::sleep(ASK).await;
    }
    status.send_modify(|it| it.app = App::Serving);
    loop {
        let app = match &plan.activity {
            Some(path) => activity::of_app(plan.port, path).await,
            None => None,
        };
        note(status, app.max(activity::of_file(&plan.tmp)));
        tokio::time::sleep(LOOK).await;
    }
}

/// Without an app: only files and sessions tell of activity.
async fn idle(plan: &Plan, status: &watch::Sender<Status>, stops: &mut mpsc::Receiver<Stop>) {
    let look = async {
        loop {
            note(status, activity::of_file(&plan.tmp));
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::select! {
        () = look => {}
        _ = stops.recv() => {}
    }
}

/// Notes a time of activity; an open session is one now.
pub(crate) fn note(status: &watch::Sender<Status>, seen: Option<u64>) {
    status.send_if_modified(|it| {
        let session = (it.ssh > 0).then(now);
        // A time that is yet to come would keep a space awake for ever.
        let seen = seen.map(|time| time.min(now()));
        let latest = it.last_active.max(seen).max(session);
        let news = latest != it.last_active;
        it.last_active = latest;
        news
    });
}

/// Seconds since the epoch.
pub(crate) fn now() -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "a program of its own with no gate in it; only compared with times of the same machine"
    )]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs())
}
