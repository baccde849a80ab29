//! Kills a writing process at random moments: what it had acknowledged is there, and nothing is there by halves.

#[cfg(test)]
mod crash {
    use std::collections::hash_map::RandomState;
    use std::hash::BuildHasher;
    use std::io::{BufRead, BufReader, Read as _, Write};
    use std::path::Path;
    use std::process::{Command, Stdio};

    use sagegate_store::{Store, StoreError, Table, Tx};

    const DIRECTORY: &str = "SAGEGATE_STORE_CRASH_TEST";
    const ROUNDS: u64 = 30;
    const WRITERS: u64 = 8;

    const ROWS: Table<(u64, u64), String> = Table::new("crash.row");
    /// How many rows each writer has, and how many there are in all: written with each row.
    const COUNTS: Table<(u64,), u64> = Table::new("crash.count");
    const TOTAL: u64 = 99;

    /// The process that is killed; not a test by itself.
    #[test]
    #[ignore = "started by the test below"]
    fn writer() {
        let Some(directory) = std::env::var_os(DIRECTORY) else { return };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        runtime.block_on(async {
            let store = Store::open(Path::new(&directory)).unwrap();
            let writers: Vec<_> =
                (0..WRITERS).map(|writer| tokio::spawn(write(store.clone(), writer))).collect();
            for writer in writers {
                writer.await.unwrap();
            }
        });
    }

    async fn write(store: Store, writer: u64) {
        loop {
            let row = |tx: &mut Tx| {
                let number = COUNTS.get(tx, &(writer,))?.unwrap_or(0);
                ROWS.put(tx, &(writer, number), &"x".repeat((number % 900) as usize))?;
                COUNTS.put(tx, &(writer,), &(number + 1))?;
                let total = COUNTS.get(tx, &(TOTAL,))?.unwrap_or(0);
                COUNTS.put(tx, &(TOTAL,), &(total + 1))?;
                Ok::<_, StoreError>(number)
            };
            let number = store.transact(row).await.unwrap().value;
            // One write per line: a line that is there is whole. A parent that is gone is no reason to panic.
            if std::io::stdout().write_all(format!("+{writer} {number}\n").as_bytes()).is_err() {
                return;
            }
        }
    }

    #[test]
    fn nothing_acknowledged_is_lost() {
        let directory = tempfile::tempdir().unwrap();
        let mut acknowledged = [0; WRITERS as usize];
        let mut commits = 0;
        for round in 0..ROUNDS {
            let patience = RandomState::new().hash_one(round) % 120;
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "crash::writer", "--ignored", "--nocapture", "--quiet"])
                .env(DIRECTORY, directory.path())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut lines = BufReader::new(child.stdout.take().unwrap());
            let mut output = String::new();
            // Every fifth round it is killed about when it opens the file.
            for _ in 0..if round % 5 == 4 { 2 } else { patience } {
                if lines.read_line(&mut output).unwrap() == 0 {
                    panic!("round {round}: the writer ended by itself: {output}");
                }
            }
            child.kill().unwrap();
            lines.read_to_string(&mut output).unwrap();
            child.wait().unwrap();
            for (writer, number) in output.lines().filter_map(acknowledgement) {
                let known = &mut acknowledged[writer as usize];
                *known = u64::max(*known, number + 1);
                commits += 1;
            }
            check(directory.path(), round, &acknowledged);
        }
        assert!(commits > ROUNDS * 20, "{commits} commits are no test");
    }

    /// `+writer number`; the test harness writes lines of its own, perhaps before ours on the same line.
    fn acknowledgement(line: &str) -> Option<(u64, u64)> {
        let (writer, number) = line.rsplit_once('+')?.1.split_once(' ')?;
        Some((writer.parse().ok()?, number.parse().ok()?))
    }

    fn check(directory: &Path, round: u64, acknowledged: &[u64]) {
        let store = Store::open(directory).unwrap();
        let snapshot = store.snapshot().unwrap();
        let mut total = 0;
        for (writer, acknowledged) in (0_u64..).zip(acknowledged) {
            let rows = ROWS.scan(&snapshot, &(writer,), None, usize::MAX).unwrap();
            let numbers: Vec<_> = rows.iter().map(|((_, number), _)| *number).collect();
            assert_eq!(numbers, (0..rows.len() as u64).collect::<Vec<_>>(), "round {round}");
            assert!(rows.len() as u64 >= *acknowledged, "round {round}: lost {writer}");
            for ((_, number), value) in &rows {
                assert_eq!(value.len() as u64, number % 900, "round {round}");
            }
            let count = COUNTS.get(&snapshot, &(writer,)).unwrap().unwrap_or(0);
            assert_eq!(count, rows.len() as u64, "round {round}: half a commit of {writer}");
            total += count;
        }
        assert_eq!(COUNTS.get(&snapshot, &(TOTAL,)).unwrap().unwrap_or(0), total, "round {round}");
        assert_eq!(store.revision(), total, "round {round}");
    }
}
