//! What the clients know of the things that they have made.

use std::collections::BTreeMap;

use serde_json::Value;

/// What must be found of a thing after a crash.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fate {
    /// Made, and acknowledged; with what is needed to find or delete it.
    Made(Value),
    /// Deleted, and acknowledged.
    Gone,
    /// The server died over it: either way, but by halves.
    Unsure,
}

/// The things of one kind.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    things: BTreeMap<String, Fate>,
    /// For a value that is written over and over: the last one acknowledged, and the last one tried.
    pub(crate) counter: (u64, u64),
}

impl Ledger {
    pub(crate) fn note(&mut self, name: &str, fate: Fate) {
        self.things.insert(name.to_owned(), fate);
    }

    /// The oldest thing that is there, and how many there are.
    pub(crate) fn oldest(&self) -> Option<(String, Value, usize)> {
        let mut made = self.things.iter().filter_map(|(name, fate)| match fate {
            Fate::Made(detail) => Some((name.clone(), detail.clone())),
            _ => None,
        });
        let count = made.clone().count();
        made.next().map(|(name, detail)| (name, detail, count))
    }

    /// Everything of which something is known that can be tried.
    pub(crate) fn made(&self) -> Vec<(String, Value)> {
        self.things
            .iter()
            .filter_map(|(name, fate)| match fate {
                Fate::Made(detail) => Some((name.clone(), detail.clone())),
                _ => None,
            })
            .collect()
    }

    /// Compares with what is there, and takes what was unsure as it was found.
    pub(crate) fn compare(&mut self, what: &str, found: &BTreeMap<String, Value>) {
        for (name, fate) in &mut self.things {
            match (&*fate, found.get(name)) {
                (Fate::Made(_), None) => panic!("{what}: {name} was acknowledged and is lost"),
                (Fate::Gone, Some(_)) => panic!("{what}: {name} was deleted and is back"),
                (_, Some(detail)) => *fate = Fate::Made(detail.clone()),
                (_, None) => *fate = Fate::Gone,
            }
        }
        for name in found.keys() {
            assert!(self.things.contains_key(name), "{what}: nobody made {name}");
        }
    }

    /// Compares a counter with the value found.
    pub(crate) fn compare_counter(&mut self, what: &str, found: u64) {
        let (acknowledged, tried) = self.counter;
        assert!(
            (acknowledged..=tried).contains(&found),
            "{what}: {found} is not between {acknowledged}, acknowledged, and {tried}, tried"
        );
        self.counter = (found, found);
    }
}
