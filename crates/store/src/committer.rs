//! The committing thread: takes all commits that wait, makes them durable as one, and tells their writers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::StoreError;
use crate::file::Engine;
use crate::head::Waiter;
use crate::store::Shared;
use crate::view::Base;

/// Runs until the store is closed and everything under way is done.
pub(crate) fn run(shared: &Shared, engine: Engine) {
    // What the engine may do is caught around it; this is for our own mistakes, so that no writer waits for ever.
    drop(catch_unwind(AssertUnwindSafe(|| work(shared, engine))));
    let mut head = shared.head();
    head.closed = true;
    let waiters = head.roll_back();
    shared.publish(&head);
    drop(head);
    tell(waiters, &Err(StoreError::Closed));
}

fn work(shared: &Shared, mut engine: Engine) {
    while wait_for_work(shared) {
        if !engine.has_failed() || recover(shared, &mut engine) {
            commit(shared, &mut engine);
        }
    }
}

/// Answers false when the store is closed and nothing is left to do.
fn wait_for_work(shared: &Shared) -> bool {
    let mut head = shared.head();
    loop {
        if !head.pending.is_empty() || std::mem::take(&mut head.alarm) {
            return true;
        }
        if head.closed {
            return false;
        }
        head = shared.wait(head);
    }
}

fn commit(shared: &Shared, engine: &mut Engine) {
    let batch = std::mem::take(&mut shared.head().pending);
    if batch.is_empty() {
        return;
    }
    let written = engine.check_room(&batch).and_then(|()| engine.persist(&batch));
    let (waiters, outcome) = {
        let mut head = shared.head();
        let told = match written {
            Ok(base) => {
                let base: Arc<dyn Base> = base;
                (head.settle(&batch, &base), Ok(()))
            }
            Err(error) => (head.roll_back(), Err(error)),
        };
        shared.publish(&head);
        told
    };
    tell(waiters, &outcome);
}

/// Answers whether commits can go on.
fn recover(shared: &Shared, engine: &mut Engine) -> bool {
    let recovered = engine.recover();
    let (waiters, error) = {
        let mut head = shared.head();
        let told = match recovered {
            Ok(view) => {
                if head.rebase(view) {
                    shared.publish(&head);
                    return true;
                }
                let cause = Arc::from("the file holds another state than before its failure");
                (head.roll_back(), StoreError::Io { action: "commit", cause })
            }
            Err(error) => (head.roll_back(), error),
        };
        shared.publish(&head);
        told
    };
    tell(waiters, &Err(error));
    false
}

fn tell(waiters: Vec<Waiter>, outcome: &Result<(), StoreError>) {
    for (_, waiter) in waiters {
        // A writer that went away does not need to know.
        drop(waiter.send(outcome.clone()));
    }
}
