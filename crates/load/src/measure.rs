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
    /// Processor time of the server for an answer; zero where the system does not tell it.
    pub(crate) work: Duration,
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
        server: u32,
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
        let before = processor_time(server);
        barrier.wait();
        let begun = Instant::now();
        let mut times = Vec::new();
        for worker in workers {
            let Ok(worked) = worker.join() else { bail!("a connection's thread ended early") };
            times.extend(worked.with_context(|| call.name)?);
        }
        let elapsed = begun.elapsed();
        let work = processor_time(server).saturating_sub(before);
        times.sort_unstable();
        let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or_default();
        let count = u32::try_from(times.len())?;
        Ok(Figures {
            rate: f64::from(count) / elapsed.as_secs_f64(),
            p50: at(50),
            p99: at(99),
            work: work / count.max(1),
        })
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

/// Processor time of all threads of a process and its children, as Linux tells it. Other programs on
/// the machine slow answers down, but hardly change this.
fn processor_time(process: u32) -> Duration {
    let mut nanos = 0_u64;
    let mut processes = vec![process];
    while let Some(process) = processes.pop() {
        let Ok(threads) = std::fs::read_dir(format!("/proc/{process}/task")) else { continue };
        for thread in threads.flatten() {
            let words = |name| {
                let text = std::fs::read_to_string(thread.path().join(name)).unwrap_or_default();
                text.split_whitespace().filter_map(|it| it.parse::<u64>().ok()).collect::<Vec<_>>()
            };
            nanos += words("schedstat").first().copied().unwrap_or(0);
            let children = words("children").into_iter();
            processes.extend(children.filter_map(|it| u32::try_from(it).ok()));
        }
    }
    Duration::from_nanos(nanos)
}
