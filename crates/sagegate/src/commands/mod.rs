//! The commands, one module each.

pub(crate) mod ca;
pub(crate) mod connect;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod endpoints;
pub(crate) mod env;
pub(crate) mod exec;
pub(crate) mod explain;
pub(crate) mod map;
pub(crate) mod operations;
pub(crate) mod policy;
pub(crate) mod reach;
pub(crate) mod serve;
pub(crate) mod sessions;
pub(crate) mod ssh_config;

use std::fmt;
use std::future::Future;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use sagegate_gate::Env;
use sagegate_server::CallError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::node::{Node, Options};

/// Where state is kept when nothing else is said.
pub(crate) const DEFAULT_DATA: &str = "sagegate-data";

/// Which installation a command is about.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Installation {
    /// The data directory.
    #[arg(long, value_name = "DIR", env = "SAGEGATE_DATA", default_value = DEFAULT_DATA)]
    data: PathBuf,
}

pub(crate) fn block_on(
    work: impl Future<Output = anyhow::Result<ExitCode>>,
) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")?
        .block_on(work)
}

/// As [`block_on`], on this thread: for one connection that is faster.
pub(crate) fn block_on_one(
    work: impl Future<Output = anyhow::Result<ExitCode>>,
) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")?
        .block_on(work)
}

/// Asks the server that runs over a data directory; where none does, opens the directory and answers
/// by itself.
pub(crate) async fn ask(
    installation: &Installation,
    path: &str,
    arguments: &Value,
) -> anyhow::Result<Value> {
    let directory: &Path = &installation.data;
    match sagegate_server::call(directory, path, arguments).await {
        Ok(answer) => Ok(answer),
        Err(CallError::NotRunning(_)) => {
            let options = Options {
                data: Some(directory.to_owned()),
                account: None,
                region: None,
                make: false,
            };
            let node = Node::open(options, Env::system()).await?;
            Ok(crate::operator::answer(&node, path, arguments).await?)
        }
        Err(CallError::Failure(failure)) => Err(anyhow::Error::new(failure)),
        Err(error) => Err(error.into()),
    }
}

/// The exit status where there is no answer, not to be taken for one that is good or bad.
pub(crate) const UNANSWERED: u8 = 2;

/// As [`ask`], for commands whose exit status is an answer. The inner error is the status of a command
/// that could not ask, and has said why.
pub(crate) async fn ask_for<A: DeserializeOwned>(
    installation: &Installation,
    path: &str,
    asked: &impl Serialize,
) -> anyhow::Result<Result<A, ExitCode>> {
    match ask(installation, path, &serde_json::to_value(asked)?).await {
        Ok(answer) => Ok(Ok(serde_json::from_value(answer)?)),
        Err(error) => {
            eprintln!("sagegate: {error:#}");
            Ok(Err(ExitCode::from(UNANSWERED)))
        }
    }
}

/// Prints to standard output. A reader who has gone away (`| head`) is no failure: what the command is
/// there for, serving above all, goes on.
pub(crate) fn say(text: fmt::Arguments<'_>) -> io::Result<()> {
    match io::stdout().write_fmt(text) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

/// A value in single quotes, as a POSIX shell reads it back.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |it: char| it.is_ascii_alphanumeric() || "-_./:@%+=,".contains(it);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_values_read_back_as_they_were() {
        assert_eq!(quoted("abc/+=1"), "abc/+=1");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("a b"), "'a b'");
    }
}
