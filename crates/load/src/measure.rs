//! One server's turn: connections that send one request after another for a while.

use std::net::SocketAddr;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::answer::Connection;
use crate::sign::{Call, Signer};

/// How a turn is played.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn {
    pub(crate) connections: usize,
    pub(crate) time: Duration,
}

/// What a turn came to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    /// Answers per second.
    pub(crate) rate: f64,
    /// Half of the answers came within this.
    pub(crate) p50: Duration,
    /// 99 of 100 answers came within this.
    pub(crate) p99: Duration,
}

impl Turn {
    /// Plays a turn. At most `enough` requests are signed, before it begins; it ends early when they
    /// are used up.
    pub(crate) fn play(
        self,
        to: SocketAddr,
        call: &Call,
        signer: &Signer,
        numbers: &mut u64,
        enough: usize,
    ) -> anyhow::Result<Figures> {
        let mut workers = Vec::new();
        let barrier = Arc::new(Barrier::new(self.connections + 1));
        for _ in 0..self.connections {
            let mut requests = Vec::with_capacity(enough / self.connections + 1);
            for _ in 0..=enough / self.connections {
                *numbers += 1;
                requests.push(signer.request(to, call, *numbers)?);
            }
            let barrier = Arc::clone(&barrier);
            let time = self.time;
            workers.push(thread::spawn(move || work(to, &requests, time, &barrier)));
        }
        barrier.wait();
        let begun = Instant::now();
        let mut times = Vec::new();
        for worker in workers {
            let Ok(worked) = worker.join() else { bail!("a connection's thread ended early") };
            times.extend(worked.with_context(|| call.name)?);
        }
        let elapsed = begun.elapsed();
        times.sort_unstable();
        let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or_default();
        let count = u32::try_from(times.len())?;
        Ok(Figures { rate: f64::from(count) / elapsed.as_secs_f64(), p50: at(50), p99: at(99) })
    }
}

fn work(
    to: SocketAddr,
    requests: &[Vec<u8>],
    time: Duration,
    barrier: &Barrier,
) -> anyhow::Result<Vec<Duration>> {
    let mut connection = Connection::new(to);
    let mut times = Vec::with_capacity(requests.len());
    let mut requests = requests.iter();
    // The first opens the connection and is not counted.
    let opened = requests.next().map(|request| connection.call(request).map(|it| it.status));
    barrier.wait();
    if let Some(opened) = opened {
        anyhow::ensure!(opened? == 200, "the first answer is a refusal");
    }
    let begun = Instant::now();
    for request in requests {
        let sent = Instant::now();
        let answer = connection.call(request)?;
        if answer.status != 200 {
            bail!("{}: {}", answer.status, String::from_utf8_lossy(answer.body));
        }
        times.push(sent.elapsed());
        if begun.elapsed() >= time {
            break;
        }
    }
    Ok(times)
}
