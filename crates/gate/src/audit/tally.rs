//! How many records of writes there are, without reading them each time.
//!
//! Commits are counted after they are done, in whatever order their tasks come to it, while another
//! task may count all records or empty the store. Revisions bring them into line: a total is that of one
//! revision, and a change counts if its commit came later.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The number of records.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Nothing before the first count. Below zero for as long as what was removed has been told of and
    /// what was added has not.
    total: Option<isize>,
    /// The revision that the total was last said of; changes up to it are in it already.
    said_of: u64,
    /// Those who are about to say it, and the changes that were told since the first of them began.
    saying: usize,
    changes: Vec<(u64, isize)>,
}

impl Tally {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of records. Nothing before the first count, and while somebody is about to say it:
    /// whoever removes what is too many must not go by what was.
    pub(crate) fn total(&self) -> Option<usize> {
        let state = self.state();
        let total = state.total.filter(|_| state.saying == 0)?;
        Some(usize::try_from(total).unwrap_or(0))
    }

    /// Whether there has been no count yet.
    pub(crate) fn is_unknown(&self) -> bool {
        self.state().total.is_none()
    }

    /// The commit of this revision has added so many, or taken so many away.
    pub(crate) fn changed(&self, revision: u64, by: isize) {
        let mut state = self.state();
        if state.saying > 0 {
            state.changes.push((revision, by));
        }
        if revision > state.said_of
            && let Some(total) = &mut state.total
        {
            *total = total.saturating_add(by);
        }
    }

    /// Begins to say how many there are. Begin before the revision that it is said of is known.
    pub(crate) fn say(&self) -> Saying<'_> {
        self.state().saying += 1;
        Saying(self)
    }
}

/// Somebody is about to say how many records there are. Dropped, nothing is said.
#[derive(Debug)]
pub(crate) struct Saying<'a>(&'a Tally);

impl Saying<'_> {
    /// At this revision there were so many.
    pub(crate) fn at(self, revision: u64, records: usize) {
        let mut state = self.0.state();
        if state.total.is_none() || revision > state.said_of {
            let later = state.changes.iter().filter(|(at, _)| *at > revision);
            let records = isize::try_from(records).unwrap_or(isize::MAX);
            let total = later.fold(records, |total, (_, by)| total.saturating_add(*by));
            (state.total, state.said_of) = (Some(total), revision);
        }
    }
}

impl Drop for Saying<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.saying -= 1;
        if state.saying == 0 {
            state.changes = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_was_removed_before_all_was_emptied_is_not_taken_away_again() {
        let tally = Tally::default();
        tally.say().at(5, 100);
        let emptying = tally.say();
        assert_eq!(tally.total(), None);
        tally.changed(8, 1);
        emptying.at(7, 0);
        tally.changed(6, -40);
        assert_eq!(tally.total(), Some(1));
    }

    /// What a commit does: it adds or removes records, or says how many there are (at a start), or
    /// empties the store.
    #[derive(Clone, Debug)]
    enum Commit {
        Add(usize),
        Remove(usize),
        Count,
        Empty,
    }

    fn commit() -> impl Strategy<Value = Commit> {
        prop_oneof![
            4 => (1..9_usize).prop_map(Commit::Add),
            2 => (1..9_usize).prop_map(Commit::Remove),
            1 => Just(Commit::Count),
            1 => Just(Commit::Empty),
        ]
    }

    proptest! {
        /// Whatever the order in which the commits are told of, and however long ago those have begun
        /// who say how many there are.
        #[test]
        fn the_total_is_that_of_the_store(
            commits in proptest::collection::vec((commit(), 0..5_usize, 0..5_usize), 0..40),
        ) {
            let tally = Tally::default();
            let mut saying: Vec<Option<Saying<'_>>> = commits.iter().map(|_| None).collect();
            let (mut there, mut at_revision) = (0_usize, Vec::new());
            tally.say().at(0, 0);
            for now in 0..commits.len() + 5 {
                for (place, (commit, early, _)) in commits.iter().enumerate() {
                    let says = matches!(commit, Commit::Count | Commit::Empty);
                    if says && now == place.saturating_sub(*early) {
                        saying[place] = Some(tally.say());
                    }
                }
                if let Some((commit, ..)) = commits.get(now) {
                    let before = there;
                    match commit {
                        Commit::Add(count) => there += count,
                        Commit::Remove(count) => there = there.saturating_sub(*count),
                        Commit::Count => {}
                        Commit::Empty => there = 0,
                    }
                    at_revision.push((before, there));
                }
                for (place, (commit, _, late)) in commits.iter().enumerate() {
                    if now != place + late {
                        continue;
                    }
                    let revision = u64::try_from(place + 1).unwrap();
                    let (before, after) = at_revision[place];
                    match (commit, saying[place].take()) {
                        (Commit::Count | Commit::Empty, Some(saying)) => saying.at(revision, after),
                        _ => {
                            let by = isize::try_from(after).unwrap() - isize::try_from(before).unwrap();
                            tally.changed(revision, by);
                        }
                    }
                }
            }
            prop_assert_eq!(tally.total(), Some(there));
        }
    }
}
