//! Connections that wait for their clients, of which one makes room when there are too many.
//!
//! Whoever opens connections and sends nothing, or sends it byte by byte, would otherwise keep others
//! out for as long as a head may take. Time alone does not help: a bound that honest clients on slow
//! lines can keep is long enough to open the connections again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Whether the connection has had a request, and when it began to wait: who never had one goes first,
/// then who has waited longest.
type Place = (bool, u64);

/// All that wait.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    next: u64,
    all: BTreeMap<Place, Arc<Notify>>,
}

impl Waiting {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells one of them to end. False when there is none.
    pub(crate) fn evict(&self) -> bool {
        let first = self.state().all.pop_first();
        if let Some((_, told)) = &first {
            told.notify_one();
        }
        first.is_some()
    }
}

/// A connection's place among them, as long as it has one.
#[derive(Debug)]
pub(crate) struct Seat {
    waiting: Arc<Waiting>,
    told: Arc<Notify>,
    place: Mutex<Option<Place>>,
}

impl Seat {
    /// A connection that waits for its first request.
    pub(crate) fn new(waiting: &Arc<Waiting>) -> Self {
        let seat =
            Self { waiting: Arc::clone(waiting), told: Arc::default(), place: Mutex::default() };
        seat.wait(false);
        seat
    }

    /// The connection waits from now on.
    pub(crate) fn wait(&self, served: bool) {
        let mut state = self.waiting.state();
        let place = (served, state.next);
        state.next += 1;
        state.all.insert(place, Arc::clone(&self.told));
        drop(state);
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
    }

    /// A request is there. False when the connection has been told to end before: the request is then
    /// not begun.
    pub(crate) fn leave(&self) -> bool {
        let place = self.place.lock().unwrap_or_else(PoisonError::into_inner).take();
        place.is_none_or(|place| self.waiting.state().all.remove(&place).is_some())
    }

    /// Waits until it is told to end; whether it has had a request.
    pub(crate) async fn evicted(&self) -> bool {
        self.told.notified().await;
        let place = *self.place.lock().unwrap_or_else(PoisonError::into_inner);
        place.is_none_or(|(served, _)| served)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_never_asked_goes_first_and_then_who_waits_longest() {
        let waiting = Arc::<Waiting>::default();
        let [served, first, second, busy] = std::array::from_fn(|_| Seat::new(&waiting));
        assert!(served.leave() && busy.leave());
        served.wait(true);
        for _ in 0..3 {
            assert!(waiting.evict());
        }
        assert!(!waiting.evict(), "nobody waits any more");
        assert!(!first.leave() && !second.leave() && !served.leave(), "they have been told");
        assert!(busy.leave(), "what is answered was not asked to go");
        drop(busy);
        let gone = Seat::new(&waiting);
        drop(gone);
        assert!(!waiting.evict());
    }
}
