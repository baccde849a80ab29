//! The runtime in which nothing runs, for installations that are asked for records alone.

use std::time::Duration;

use crate::runtime::{Capability, Doing, Failure, Runtime, Spec, Stream};

/// Refuses to start anything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nothing;

const WHY: &str = "This installation runs no apps: it was started with --runtime none.";

impl Runtime for Nothing {
    fn capability(&self) -> Capability {
        let missing = vec!["--runtime none: apps are recorded, and fail when started".to_owned()];
        let form = "records".to_owned();
        Capability {
            runtime: "none",
            form,
            isolation: None,
            networks: false,
            limits: Vec::new(),
            missing,
        }
    }

    fn start<'a>(&'a self, _: &'a Spec) -> Doing<'a, Result<(), Failure>> {
        Box::pin(async { Err(Failure::new(WHY)) })
    }

    fn list(&self) -> Doing<'_, Result<Vec<Spec>, Failure>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn connect<'a>(&'a self, _: &'a str) -> Doing<'a, Result<Stream, Failure>> {
        Box::pin(async { Err(Failure::new(WHY)) })
    }

    fn stop<'a>(&'a self, _: &'a str, _: Duration) -> Doing<'a, Result<(), Failure>> {
        Box::pin(async { Ok(()) })
    }

    fn ended<'a>(&'a self, _: &'a str) -> Doing<'a, ()> {
        Box::pin(async {})
    }

    fn homes(&self) -> Doing<'_, Result<Vec<String>, Failure>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn forget_home<'a>(&'a self, _: &'a str) -> Doing<'a, Result<(), Failure>> {
        Box::pin(async { Ok(()) })
    }
}
