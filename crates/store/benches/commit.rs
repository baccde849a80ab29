//! Prints durable commits per second and read latency. `cargo bench -p sagegate-store [-- DIRECTORY]`; the
//! directory's disk is what is measured, the system's temporary one if none is named.
#![expect(clippy::disallowed_methods, reason = "a benchmark looks at the clock")]

use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use sagegate_store::{Store, StoreError, Table, Tx};

const ROWS: Table<(String, u64), String> = Table::new("bench.row");
const COUNT: Table<(String,), u64> = Table::new("bench.count");
const FOR: Duration = Duration::from_secs(4);

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> Outcome {
    let place = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let directory = match &place {
        Some(place) => tempfile::tempdir_in(place)?,
        None => tempfile::tempdir()?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    for (name, store) in
        [("memory", Store::memory()), ("file", Store::open(&directory.path().join("data"))?)]
    {
        println!("{name}");
        runtime.block_on(bench(&store))?;
        store.close();
    }
    opening(directory.path())
}

async fn bench(store: &Store) -> Outcome {
    for writers in [1, 8, 64] {
        let commits = write(store, writers, false).await?;
        println!("  commits/s, {writers:3} writers                 {:9.0}", per_second(commits));
    }
    let commits = write(store, 64, true).await?;
    println!("  commits/s,  64 writers of one counter  {:9.0}", per_second(commits));
    read(store)
}

fn per_second(commits: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a printed figure")]
    let commits = commits as f64;
    commits / FOR.as_secs_f64()
}

/// Each transaction reads one record, checks that another is absent, and writes two: an ordinary Create call.
async fn write(store: &Store, writers: u64, one_counter: bool) -> Outcome<u64> {
    let end = Instant::now() + FOR;
    let writer = |writer: u64| {
        let store = store.clone();
        tokio::spawn(async move {
            let counter = if one_counter { "all".to_owned() } else { format!("writer-{writer}") };
            let mut commits = 0;
            while Instant::now() < end {
                let commit = |tx: &mut Tx| {
                    let number = COUNT.get(tx, &(counter.as_str(),))?.unwrap_or(0);
                    if !ROWS.contains(tx, &(counter.as_str(), number))? {
                        ROWS.put(tx, &(counter.as_str(), number), &"x".repeat(400))?;
                    }
                    COUNT.put(tx, &(counter.as_str(),), &(number + 1))
                };
                store.transact(commit).await.map_err(|error| error.to_string())?;
                commits += 1;
            }
            Ok::<u64, String>(commits)
        })
    };
    let tasks: Vec<_> = (0..writers).map(writer).collect();
    let mut commits = 0;
    for task in tasks {
        commits += task.await??;
    }
    Ok(commits)
}

fn read(store: &Store) -> Outcome {
    const READS: u32 = 200_000;
    let keys: Vec<_> = (0..1000).map(|number| ("writer-0".to_owned(), number)).collect();
    let start = Instant::now();
    for key in keys.iter().cycle().take(READS as usize) {
        black_box(ROWS.get(&store.snapshot()?, key)?);
    }
    println!("  snapshot and get, ns                   {:9}", (start.elapsed() / READS).as_nanos());
    let start = Instant::now();
    for key in keys.iter().cycle().take(READS as usize / 10) {
        let after = ("writer-0".to_owned(), key.1);
        black_box(ROWS.scan(&store.snapshot()?, &("writer-0",), Some(&after), 10)?);
    }
    let each = start.elapsed() / (READS / 10);
    println!("  scan of 10, ns                         {:9}", each.as_nanos());
    Ok(())
}

/// A store of 100 MB, closed well and not.
fn opening(directory: &Path) -> Outcome {
    let (closed, left) = (directory.join("closed"), directory.join("left"));
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let store = Store::open(&closed)?;
    for part in 0..50 {
        let fill = |tx: &mut Tx| {
            for number in 0..2000 {
                ROWS.put(tx, &(format!("part-{part}"), number), &"x".repeat(1000))?;
            }
            Ok::<_, StoreError>(())
        };
        runtime.block_on(store.transact(fill)).map_err(|error| error.to_string())?;
    }
    std::fs::create_dir(&left)?;
    std::fs::copy(closed.join("state.redb"), left.join("state.redb"))?;
    store.close();
    for (name, directory) in [("after a close", closed), ("after a crash", left)] {
        let start = Instant::now();
        let store = Store::open(&directory)?;
        println!("opening 100,000 records {name}, ms   {:9}", start.elapsed().as_millis());
        store.close();
    }
    let start = Instant::now();
    let store = Store::open(&directory.join("new"))?;
    println!("making a new store, ms                   {:9}", start.elapsed().as_millis());
    store.close();
    Ok(())
}
