//! One workload, from its start to its end.

use std::sync::Arc;
use std::time::Duration;

use sagegate_gate::Secret;
use sagegate_services::sagemaker::workload::{self, Observed};
use tokio::sync::watch as channel;

use super::watch::{self, Seen};
use super::{GRACE, Keeper, Order};
use crate::credentials::Endpoint;
use crate::networks::Unplugged;
use crate::order;
use crate::runtime::{Network, Spec};
use crate::work::{Link, Work};

/// How long to wait before something that failed is tried again: twice as long each time.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Characters of an app's output in a failure's reason: what is left of the 1,024 that a
/// `FailureReason` has.
const LAST_WORDS: usize = 700;

pub(super) fn wait(tries: u32) -> Duration {
    FIRST_WAIT.saturating_mul(1 << tries.min(16)).min(LONGEST_WAIT)
}

/// Minds a workload until it has ended and that is reported.
pub(super) async fn mind(
    keeper: Arc<Keeper>,
    wanted: Work,
    found: Option<Spec>,
    mut orders: channel::Receiver<Order>,
    tries: u32,
) {
    if tries > 0 {
        tokio::time::sleep(wait(tries)).await;
    }
    let end = tokio::select! {
        end = run(&keeper, &wanted, found) => Some(end),
        _ = orders.wait_for(|order| *order != Order::Run) => None,
    };
    // Whatever became of it: nothing of it runs any more before that is said.
    let grace = if end.is_none() { GRACE } else { Duration::ZERO };
    if let Err(failure) = keeper.parts.runtime.stop(wanted.id(), grace).await {
        tracing::error!(id = wanted.id(), %failure, "a workload could not be ended");
        return;
    }
    if let Some(link) = wanted.link() {
        keeper.parts.networks.unplug(link.name()).await;
    }
    let order = *orders.borrow();
    let observed = match (end, order) {
        (_, Order::Drop) => return,
        (_, Order::Stop) | (None, Order::Run) => Observed::Stopped,
        (Some(End(reason)), Order::Run) => Observed::Failed(reason),
    };
    write(&keeper, &wanted, Some(&observed)).await;
}

/// Ends a workload that nobody wants.
pub(super) async fn end(keeper: Arc<Keeper>, id: String, tries: u32) {
    if tries > 0 {
        tokio::time::sleep(wait(tries)).await;
    }
    tracing::info!(id, "a workload that nobody wants is ended");
    match keeper.parts.runtime.stop(&id, GRACE).await {
        // Its home may go now.
        Ok(()) => keeper.wake.notify_one(),
        Err(failure) => tracing::error!(id, %failure, "a workload could not be ended"),
    }
}

/// Why a workload that was to run does not.
pub(super) struct End(pub(super) String);

/// Has a workload run, until it does so no more.
async fn run(keeper: &Keeper, wanted: &Work, mut found: Option<Spec>) -> End {
    let parts = &keeper.parts;
    loop {
        let known = found.as_ref().and_then(order::token);
        let token = known.unwrap_or_else(|| Secret::new(parts.gate.env().hex(64)));
        let endpoint = Endpoint::new(Arc::clone(&parts.gate), wanted.clone(), token.clone());
        let endpoint = Arc::new(endpoint);
        let (network, fresh) = match found {
            Some(found) => (found.network, false),
            None => match start(keeper, wanted, &endpoint, &token).await {
                Ok(network) => (network, true),
                Err(end) => return end,
            },
        };
        tokio::select! {
            end = watch::watch(keeper, wanted, &endpoint, &network) => return end,
            _ = stay_plugged(keeper, wanted, &network, fresh) => {}
        }
        tracing::warn!(id = wanted.id(), "a workload that has lost its network is started anew");
        if let Err(failure) = parts.runtime.stop(wanted.id(), GRACE).await {
            return End(failure.message);
        }
        found = None;
    }
}

/// Starts a workload, in its network if it has one.
async fn start(
    keeper: &Keeper,
    wanted: &Work,
    endpoint: &Endpoint,
    token: &Secret,
) -> Result<Network, End> {
    let parts = &keeper.parts;
    // A role that SageMaker may not assume is told at once, not when code asks in vain.
    endpoint.credentials().await.map_err(|fault| End(fault.message))?;
    let capability = parts.runtime.capability();
    let plugged = match (capability.networks, wanted.link()) {
        (true, _) => parts.networks.plug(wanted, None).await.map_err(|it| End(it.to_string()))?,
        // Its calls would come from somewhere else than its records say.
        (false, Some(Link::Interface(interface))) => {
            return Err(End(out_of_subnet(wanted, &interface, capability.runtime)));
        }
        (false, _) => None,
    };
    let spec = order::order(wanted, &parts.catalog, token, plugged.as_ref()).map_err(End)?;
    let started = match plugged {
        Some(plugged) => parts.runtime.start_in(&spec, plugged.seat).await,
        None => parts.runtime.start(&spec).await,
    };
    started.map_err(|failure| End(failure.message))?;
    Ok(spec.network)
}

/// Why a workload that belongs in a subnet is not started by a runtime that puts nothing there.
fn out_of_subnet(wanted: &Work, interface: &str, runtime: &str) -> String {
    format!(
        "{} belongs in a subnet ({interface}), and the runtime {runtime:?} of this installation puts \
         nothing into subnets. Start Sagegate with --runtime process, or have it in no subnet: a domain \
         with AppNetworkAccessType PublicInternetOnly, a notebook instance without SubnetId.",
        wanted.place()
    )
}

/// The network of a workload that runs cannot be given back to it.
struct Foreign;

/// Keeps a workload in its network: what was there before this process, and what the kernel has lost,
/// is plugged in again, with the namespace that the workload has kept.
async fn stay_plugged(keeper: &Keeper, wanted: &Work, network: &Network, fresh: bool) -> Foreign {
    let Some(interface) = network.interface() else { return std::future::pending().await };
    let parts = &keeper.parts;
    if fresh {
        parts.networks.lost(interface).await;
    }
    let mut tries = 0;
    loop {
        let Ok(own) = parts.runtime.seat(wanted.id()).await else { return Foreign };
        match parts.networks.plug(wanted, Some(own)).await {
            Ok(Some(_)) => {
                tries = 0;
                parts.networks.lost(interface).await;
                continue;
            }
            Ok(None) => {}
            Err(Unplugged::Foreign(failure)) => {
                tracing::info!(id = wanted.id(), %failure, "a network cannot be given back");
                return Foreign;
            }
            Err(Unplugged::Failed(failure)) => {
                tracing::warn!(id = wanted.id(), %failure, "a workload is without its network");
            }
        }
        tokio::time::sleep(wait(tries)).await;
        tries += 1;
    }
}

/// Has the state take in what was seen.
pub(super) async fn tell(keeper: &Keeper, wanted: &Work, seen: Seen) {
    let what = match seen {
        Seen::Serving => Some(Observed::Serving),
        Seen::Active(at) => Some(Observed::Active(at)),
        Seen::Idle => None,
    };
    write(keeper, wanted, what.as_ref()).await;
}

/// Writes what was observed into the state, or without it that it is to be shut down for idleness; tries
/// until it can.
async fn write(keeper: &Keeper, wanted: &Work, what: Option<&Observed>) {
    let gate = &keeper.parts.gate;
    let now = gate.env().now();
    let mut tries = 0;
    loop {
        let done = gate
            .transact_within(|tx, within| match what {
                Some(what) => workload::report(tx, within, wanted.id(), what),
                None => workload::shut_down(tx, wanted.id(), now),
            })
            .await;
        let Err(fault) = done else { return };
        gate.report("what is seen of a workload", &fault);
        tokio::time::sleep(wait(tries)).await;
        tries += 1;
    }
}

/// The reason of a failure with what the app wrote last.
pub(super) fn with_last_words(reason: &str, lines: &[String]) -> String {
    let mut words: Vec<&str> = Vec::new();
    let mut length = 0;
    for line in lines.iter().rev().map(String::as_str).filter(|it| !it.trim().is_empty()) {
        length += line.chars().count() + 1;
        if length > LAST_WORDS {
            break;
        }
        words.push(line);
    }
    if words.is_empty() {
        return format!("{reason}.");
    }
    words.reverse();
    format!("{reason}. It wrote: {}", words.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_fit() {
        let lines: Vec<String> = (0..200).map(|it| format!("line {it}")).collect();
        let reason = with_last_words("The app ended with exit code 1", &lines);
        assert!(reason.ends_with("line 198\nline 199") && reason.len() < 1024, "{reason}");
        assert_eq!(with_last_words("It ended", &[]), "It ended.");
        assert_eq!(with_last_words("It ended", &["x".repeat(5000)]), "It ended.");
    }

    #[test]
    fn waits_grow_and_end() {
        assert_eq!(wait(0), FIRST_WAIT);
        assert_eq!(wait(1), FIRST_WAIT * 2);
        assert_eq!(wait(60), LONGEST_WAIT);
    }
}
