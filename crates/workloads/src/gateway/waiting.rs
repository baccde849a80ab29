//! Sockets that are open and have not said who they are: bounded in number, in all and for each
//! address. When there are too many, the oldest goes: a client that behaves needs only a moment.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

/// The most of them.
const MOST: usize = 1024;
/// The most of them from one address.
const MOST_OF_ONE: usize = 256;

#[derive(Default)]
struct Places {
    next: u64,
    /// In the order of their coming.
    taken: BTreeMap<u64, (IpAddr, oneshot::Sender<()>)>,
}

/// The places where they wait.
#[derive(Default, Clone)]
pub(crate) struct Waiting(Arc<Mutex<Places>>);

/// A place; given back when dropped.
pub(crate) struct Place {
    number: u64,
    places: Waiting,
    pub(crate) pushed_out: oneshot::Receiver<()>,
}

impl Waiting {
    /// A place for one more; who has waited longest may lose its own.
    pub(crate) fn enter(&self, address: IpAddr) -> Place {
        let (tell, pushed_out) = oneshot::channel();
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = places.next;
        places.next += 1;
        let of_one = || places.taken.iter().filter(|(_, (other, _))| *other == address);
        let loser = if of_one().count() >= MOST_OF_ONE {
            of_one().next().map(|(number, _)| *number)
        } else if places.taken.len() >= MOST {
            places.taken.keys().next().copied()
        } else {
            None
        };
        if let Some((_, tell)) = loser.and_then(|loser| places.taken.remove(&loser)) {
            // It may be leaving by itself.
            let _ = tell.send(());
        }
        places.taken.insert(number, (address, tell));
        drop(places);
        Place { number, places: self.clone(), pushed_out }
    }

    #[cfg(test)]
    fn count(&self) -> usize {
        self.0.lock().unwrap().taken.len()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.taken.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_loses_its_place() {
        let waiting = Waiting::default();
        let one = IpAddr::from([10, 0, 0, 1]);
        let mut of_one: Vec<_> = (0..=MOST_OF_ONE).map(|_| waiting.enter(one)).collect();
        assert_eq!(waiting.count(), MOST_OF_ONE);
        assert!(of_one[0].pushed_out.try_recv().is_ok());
        assert!(of_one[1].pushed_out.try_recv().is_err());
        let many: Vec<_> =
            (0..10_000_u32).map(|n| waiting.enter(IpAddr::from(n.to_be_bytes()))).collect();
        assert_eq!(waiting.count(), MOST);
        drop((of_one, many));
        assert_eq!(waiting.count(), 0);
    }
}
