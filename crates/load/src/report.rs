//! Rounds of turns, and the medians.

use std::time::Duration;

use crate::measure::{Figures, Turn};
use crate::servers::Servers;

/// Requests that are signed for a server's first turn, per second of it: more than any has answered.
const FAST: f64 = 60_000.0;
const SLOW: f64 = 2_000.0;

/// Lets the servers take turns and prints the medians.
pub(crate) fn compare(servers: &Servers, rounds: usize, turn: Turn) -> anyhow::Result<()> {
    println!(
        "\n{} connections kept alive, each request signed anew, {rounds} rounds of {:?} each; \
         medians of the rounds.\nserver µs: processor time of the server for an answer. nginx answers a constant of the same size, one process per \
         processor, no log.",
        turn.connections, turn.time
    );
    println!(
        "{:<26} {:<9} {:>10} {:>10} {:>10} {:>10} {:>22}",
        "", "", "answers/s", "p50 ms", "p99 ms", "server µs", "sagegate against it"
    );
    let mut numbers = 0;
    for contest in &servers.contests {
        let mut figures: Vec<Vec<Figures>> = contest.sides.iter().map(|_| Vec::new()).collect();
        for _ in 0..rounds {
            for (side, figures) in contest.sides.iter().zip(&mut figures) {
                let expected = figures
                    .iter()
                    .map(|it| it.rate * 1.5)
                    .fold(0.0, f64::max)
                    .max(if side.server == "moto" { SLOW } else { 0.0 });
                let expected = if expected == 0.0 { FAST } else { expected };
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "some ten thousands"
                )]
                let enough = (expected * turn.time.as_secs_f64()) as usize;
                figures.push(turn.play(
                    side.address,
                    &side.call,
                    &servers.signer,
                    &mut numbers,
                    enough,
                    side.process,
                )?);
            }
        }
        let mut own = None;
        for (side, figures) in contest.sides.iter().zip(&figures) {
            let rate = median(figures, |it| it.rate);
            let own = *own.get_or_insert(rate);
            let against = match side.server {
                "sagegate" => String::new(),
                "nginx" => format!("{:.0} %", own / rate * 100.0),
                _ => format!("{:.0} x", own / rate),
            };
            let name = if side.server == "sagegate" { side.call.name } else { "" };
            println!(
                "{name:<26} {:<9} {rate:>10.0} {:>10.3} {:>10.3} {:>10.1} {against:>22}",
                side.server,
                median(figures, |it| millis(it.p50)),
                median(figures, |it| millis(it.p99)),
                median(figures, |it| millis(it.work) * 1e3),
            );
        }
    }
    Ok(())
}

pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn median<T>(of: &[T], figure: impl Fn(&T) -> f64) -> f64 {
    let mut figures: Vec<f64> = of.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}
