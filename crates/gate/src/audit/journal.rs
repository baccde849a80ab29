//! Keeps the records of reads and refusals: a queue, a thread, a ring of files.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Record;

/// How much is kept.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// Records that wait to be written, at most.
    queue: usize,
    /// A file is closed and a new one begun at this size.
    segment_bytes: u64,
    /// Files that are kept; the oldest goes when a new one is begun.
    segments: usize,
    /// Records that are kept without a directory (`--memory`).
    ring: usize,
}

const BOUNDS: Bounds = Bounds { queue: 4_096, segment_bytes: 8 << 20, segments: 8, ring: 2_048 };

/// Why the journal cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("the audit directory {path}: {cause}")]
pub struct JournalError {
    path: String,
    cause: io::Error,
}

/// A record, still to be made and written as JSON behind what is there: that is not the request's
/// work.
type Pending = Box<dyn FnOnce(&mut Vec<u8>) -> serde_json::Result<()> + Send>;

fn pending(record: impl FnOnce() -> Record + Send + 'static) -> Pending {
    Box::new(move |line| serde_json::to_writer(line, &record()))
}

enum Message {
    /// A record, still to be made into text: that work is not the request's.
    Record(Pending),
    /// Answer when all that came before is where [`Journal::find`] looks.
    Flush(SyncSender<()>),
}

/// One queue with its thread and its place. Dropping it writes out what waits.
struct Log {
    sender: Option<SyncSender<Message>>,
    thread: Option<JoinHandle<()>>,
    dropped: AtomicU64,
    place: Place,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").field("dropped", &self.dropped).finish_non_exhaustive()
    }
}

/// The files of one log in a directory.
#[derive(Clone, Debug)]
struct Files {
    directory: PathBuf,
    name: &'static str,
}

#[derive(Clone)]
enum Place {
    /// Records in JSON, oldest first.
    Memory(Arc<Mutex<VecDeque<Box<[u8]>>>>),
    Directory(Files),
}

/// The journal of one running Sagegate. Reads and refusals are kept apart, each within bounds of its
/// own, so that no number of reads, or of requests that nobody signed for, pushes a refusal out.
#[derive(Debug)]
pub struct Journal {
    reads: Log,
    refusals: Log,
}

impl Journal {
    /// A journal that keeps its last records in memory.
    ///
    /// # Errors
    /// [`JournalError`] if a thread cannot be started.
    pub fn memory() -> Result<Self, JournalError> {
        let log = || {
            let place = Place::Memory(Arc::new(Mutex::new(VecDeque::new())));
            Log::start(place, "(memory)", BOUNDS)
        };
        Ok(Self { reads: log()?, refusals: log()? })
    }

    /// A journal in a directory, which is made with mode 0700 if it is missing.
    ///
    /// # Errors
    /// [`JournalError`] if the directory cannot be made or written.
    pub fn open(directory: &Path) -> Result<Self, JournalError> {
        let shown = directory.display().to_string();
        let error = |cause| JournalError { path: shown.clone(), cause };
        make_private_directory(directory).map_err(error)?;
        let log = |name| {
            let place = Place::Directory(Files { directory: directory.to_owned(), name });
            Log::start(place, &shown, BOUNDS)
        };
        Ok(Self { reads: log("reads")?, refusals: log("refusals")? })
    }

    /// Hands over the record of an allowed read, or of a request that nobody signed for. Never waits:
    /// where the queue is full, the record is dropped and counted.
    pub fn note(&self, record: impl FnOnce() -> Record + Send + 'static) {
        self.reads.offer(pending(record));
    }

    /// As [`Journal::note`], for what writes its record's JSON itself.
    pub(crate) fn note_line(&self, write: impl FnOnce(&mut Vec<u8>) + Send + 'static) {
        self.reads.offer(Box::new(move |line| {
            write(line);
            Ok(())
        }));
    }

    /// Hands over the record of a refused request, waiting for room in the queue: why somebody was
    /// refused must not get lost.
    pub fn note_refusal(&self, record: Record) {
        self.refusals.put(pending(move || record));
    }

    /// Records of reads that were dropped because the queue was full.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.reads.dropped.load(Ordering::Relaxed)
    }

    /// The newest `limit` records that `wanted` accepts, newest first. Reads files: not for a thread
    /// that serves requests.
    ///
    /// # Errors
    /// An I/O error of reading the files.
    pub fn find(
        &self,
        limit: usize,
        wanted: &mut dyn FnMut(&Record) -> bool,
    ) -> io::Result<Vec<Record>> {
        // Of the same millisecond, a refusal comes first: it is the more telling.
        let mut found = self.refusals.find(limit, wanted)?;
        found.extend(self.reads.find(limit, wanted)?);
        found.sort_by_key(|record| std::cmp::Reverse(record.millis));
        found.truncate(limit);
        Ok(found)
    }

    /// Forgets every record (test reset).
    ///
    /// # Errors
    /// An I/O error of emptying the files.
    pub fn clear(&self) -> io::Result<()> {
        self.reads.clear()?;
        self.refusals.clear()
    }
}

impl Log {
    fn start(place: Place, shown: &str, bounds: Bounds) -> Result<Self, JournalError> {
        let (sender, receiver) = sync_channel(bounds.queue);
        let writer = place.clone();
        let thread = std::thread::Builder::new()
            .name("audit".into())
            .spawn(move || run(&receiver, &writer, bounds))
            .map_err(|cause| JournalError { path: shown.to_owned(), cause })?;
        Ok(Self { sender: Some(sender), thread: Some(thread), dropped: AtomicU64::new(0), place })
    }

    fn offer(&self, record: Pending) {
        let Some(sender) = &self.sender else { return };
        if let Err(TrySendError::Full(_)) = sender.try_send(Message::Record(record)) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn put(&self, record: Pending) {
        if let Some(sender) = &self.sender {
            // The thread ends only with the log itself.
            let _ = sender.send(Message::Record(record));
        }
    }

    fn find(
        &self,
        limit: usize,
        wanted: &mut dyn FnMut(&Record) -> bool,
    ) -> io::Result<Vec<Record>> {
        self.flush();
        match &self.place {
            Place::Memory(ring) => Ok(ring
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .iter()
                .rev()
                .filter_map(|line| serde_json::from_slice(line).ok())
                .filter(|record| wanted(record))
                .take(limit)
                .collect()),
            Place::Directory(files) => find_in_files(files, limit, wanted),
        }
    }

    fn clear(&self) -> io::Result<()> {
        self.flush();
        match &self.place {
            Place::Memory(ring) => {
                ring.lock().unwrap_or_else(PoisonError::into_inner).clear();
                Ok(())
            }
            Place::Directory(files) => {
                for (_, path) in files.segments()? {
                    // The writer has the newest open: emptied, not removed, it stays in use.
                    OpenOptions::new().write(true).truncate(true).open(path)?;
                }
                Ok(())
            }
        }
    }

    fn flush(&self) {
        let (answer, done) = sync_channel(1);
        if let Some(sender) = &self.sender
            && sender.send(Message::Flush(answer)).is_ok()
        {
            let _ = done.recv();
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Between batches. A writer that is busy is handed a record without a system call: only one that
/// waits has to be woken, and at thousands of requests per second that would cost more than the
/// records do. Whoever looks for a record waits this much longer.
const PAUSE: Duration = Duration::from_millis(2);

fn run(receiver: &Receiver<Message>, place: &Place, bounds: Bounds) {
    let mut segment: Option<Segment> = None;
    let mut line = Vec::new();
    while let Ok(first) = receiver.recv() {
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Record(write) => {
                    line.clear();
                    match write(&mut line) {
                        Ok(()) => keep(&mut line, place, &mut segment, bounds),
                        Err(error) => tracing::error!(%error, "a record has no JSON form"),
                    }
                }
                Message::Flush(answer) => {
                    sync(&mut segment);
                    let _ = answer.send(());
                }
            }
            next = receiver.try_recv().ok();
        }
        sync(&mut segment);
        std::thread::sleep(PAUSE);
    }
}

fn sync(segment: &mut Option<Segment>) {
    if let Some(open) = segment
        && let Err(error) = open.file.flush()
    {
        tracing::error!(%error, "records of reads and refusals cannot be written");
        *segment = None;
    }
}

fn keep(line: &mut Vec<u8>, place: &Place, segment: &mut Option<Segment>, bounds: Bounds) {
    match place {
        Place::Memory(ring) => {
            let mut ring = ring.lock().unwrap_or_else(PoisonError::into_inner);
            if ring.len() >= bounds.ring {
                ring.pop_front();
            }
            ring.push_back(line.as_slice().into());
        }
        Place::Directory(files) => {
            line.push(b'\n');
            if let Err(error) = append(line, files, segment, bounds) {
                tracing::error!(%error, "a record of a read or refusal could not be written");
                *segment = None;
            }
        }
    }
}

struct Segment {
    file: BufWriter<File>,
    bytes: u64,
}

/// Bytes of records that are written at once while they come quickly.
const BLOCK: usize = 64 << 10;

impl Segment {
    fn new(file: File, bytes: u64) -> Self {
        Self { file: BufWriter::with_capacity(BLOCK, file), bytes }
    }
}

fn append(
    line: &[u8],
    files: &Files,
    segment: &mut Option<Segment>,
    bounds: Bounds,
) -> io::Result<()> {
    if segment.as_ref().is_none_or(|open| open.bytes >= bounds.segment_bytes) {
        // Closed first, so that what it holds back counts when the newest file is measured.
        *segment = None;
        *segment = Some(begin(files, bounds)?);
    }
    let Some(open) = segment else { return Ok(()) };
    open.bytes += line.len() as u64;
    open.file.write_all(line)
}

/// Opens the newest file while it has room, and a new one otherwise. What was written goes only to
/// make room for what is about to be: a file that stayed empty (a full disk, a short run) never
/// pushes another one out.
fn begin(files: &Files, bounds: Bounds) -> io::Result<Segment> {
    let mut existing = files.segments()?;
    let newest = existing.last().map(|(number, path)| (*number, path.clone()));
    let mut number = 0;
    if let Some((last, path)) = newest {
        let bytes = fs::metadata(&path)?.len();
        if bytes < bounds.segment_bytes {
            return resume(&path, bytes);
        }
        number = last + 1;
    }
    let path = files.directory.join(format!("{}-{number:08}.jsonl", files.name));
    let mut options = OpenOptions::new();
    options.append(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    while existing.len() >= bounds.segments {
        let (_, oldest) = existing.remove(0);
        fs::remove_file(oldest)?;
    }
    Ok(Segment::new(file, 0))
}

/// Goes on with a file. A line that a crash or a full disk has cut short is ended first.
fn resume(path: &Path, bytes: u64) -> io::Result<Segment> {
    let mut file = OpenOptions::new().read(true).append(true).open(path)?;
    let mut last = [b'\n'];
    if bytes > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    let mut segment = Segment::new(file, bytes);
    if last != [b'\n'] {
        segment.file.write_all(b"\n")?;
        segment.bytes += 1;
    }
    Ok(segment)
}

impl Files {
    /// The files, oldest first.
    fn segments(&self) -> io::Result<Vec<(u64, PathBuf)>> {
        let mut out = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            let number = path.file_name().and_then(|name| name.to_str()).and_then(|name| {
                let rest = name.strip_prefix(self.name)?.strip_prefix('-')?;
                rest.strip_suffix(".jsonl")?.parse().ok()
            });
            if let Some(number) = number {
                out.push((number, path));
            }
        }
        out.sort();
        Ok(out)
    }
}

fn find_in_files(
    files: &Files,
    limit: usize,
    wanted: &mut dyn FnMut(&Record) -> bool,
) -> io::Result<Vec<Record>> {
    let mut out = Vec::new();
    for (_, path) in files.segments()?.into_iter().rev() {
        let mut found = Vec::new();
        for line in BufReader::new(File::open(path)?).split(b'\n') {
            // The last line of a file may be cut short by a crash.
            if let Ok(record) = serde_json::from_slice::<Record>(&line?)
                && wanted(&record)
            {
                found.push(record);
            }
        }
        out.extend(found.into_iter().rev());
        if out.len() >= limit {
            break;
        }
    }
    out.truncate(limit);
    Ok(out)
}

fn make_private_directory(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use sagegate_network::Arrival;

    use super::super::Circumstances;
    use super::*;
    use crate::env::Time;

    fn record(id: &str) -> Record {
        let about = Circumstances {
            service: "iam",
            operation: "GetUser",
            region: "us-west-2",
            account: "123456789012",
            arrival: &Arrival::Public { source_ip: IpAddr::from([127, 0, 0, 1]) },
            user_agent: "test",
            request_id: id,
            now: Time::from_millis(0),
            read_only: true,
        };
        Record::of(about, format!("event-{id}"), None)
    }

    fn ids(journal: &Journal, limit: usize) -> Vec<String> {
        let found = journal.find(limit, &mut |_| true).unwrap();
        found.into_iter().map(|record| record.request_id).collect()
    }

    fn fill(journal: &Journal, count: usize) {
        for number in 0..count {
            journal.note_refusal(record(&number.to_string()));
        }
    }

    #[test]
    fn the_newest_come_first_in_memory_and_in_files() {
        let place = tempfile::tempdir().unwrap();
        for journal in
            [Journal::memory().unwrap(), Journal::open(&place.path().join("audit")).unwrap()]
        {
            fill(&journal, 3);
            let mut last = record("last");
            last.millis = 1;
            journal.note(move || last);
            assert_eq!(ids(&journal, 2), ["last", "2"]);
            let one = journal.find(9, &mut |it| it.request_id == "1").unwrap();
            assert_eq!(one, [record("1")]);
            assert_eq!(journal.dropped(), 0);
            journal.clear().unwrap();
            assert!(ids(&journal, 9).is_empty());
            fill(&journal, 1);
            assert_eq!(ids(&journal, 9), ["0"]);
        }
    }

    #[test]
    fn files_are_bounded_in_size_and_number() {
        let place = tempfile::tempdir().unwrap();
        let bounds = Bounds { segment_bytes: 1_500, segments: 3, ..BOUNDS };
        let files = Files { directory: place.path().to_owned(), name: "refusals" };
        let log = Log::start(Place::Directory(files.clone()), "test", bounds).unwrap();
        for number in 0..50 {
            let record = record(&number.to_string());
            log.put(pending(move || record));
        }
        let kept = log.find(50, &mut |_| true).unwrap();
        let kept: Vec<String> = kept.into_iter().map(|record| record.request_id).collect();
        assert_eq!(kept.first().map(String::as_str), Some("49"));
        assert!((3..50).contains(&kept.len()), "{} are kept", kept.len());
        let files = files.segments().unwrap();
        assert!(files.len() <= 3, "{files:?}");
        for (_, file) in files {
            assert!(fs::metadata(file).unwrap().len() < 2 * 1_500);
        }
    }

    #[test]
    fn a_line_cut_short_by_a_crash_hides_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        let journal = Journal::open(place.path()).unwrap();
        fill(&journal, 2);
        drop(journal);
        let files = Files { directory: place.path().to_owned(), name: "refusals" };
        let (_, file) = files.segments().unwrap().pop().unwrap();
        let text = fs::read(&file).unwrap();
        fs::write(&file, &text[..text.len() - 10]).unwrap();
        let journal = Journal::open(place.path()).unwrap();
        fill(&journal, 1);
        assert_eq!(ids(&journal, 9), ["0", "0"]);
    }

    #[test]
    fn starting_again_goes_on_in_the_same_file() {
        let place = tempfile::tempdir().unwrap();
        for start in 0..20 {
            let journal = Journal::open(place.path()).unwrap();
            journal.note_refusal(record(&start.to_string()));
        }
        let files = Files { directory: place.path().to_owned(), name: "refusals" };
        assert_eq!(files.segments().unwrap().len(), 1);
        let journal = Journal::open(place.path()).unwrap();
        assert_eq!(ids(&journal, 99).len(), 20);
    }

    #[test]
    fn reads_never_push_refusals_out() {
        let journal = Journal::memory().unwrap();
        fill(&journal, 1);
        for number in 0..BOUNDS.ring + 10 {
            let record = record(&format!("read-{number}"));
            journal.reads.put(pending(move || record));
        }
        let found = journal.find(1, &mut |record| record.request_id == "0").unwrap();
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn a_full_queue_drops_reads_and_counts_them_but_no_refusal() {
        let bounds = Bounds { queue: 1, ..BOUNDS };
        let ring = Arc::new(Mutex::new(VecDeque::new()));
        let log = Log::start(Place::Memory(Arc::clone(&ring)), "test", bounds).unwrap();
        // While the ring is held, the writer waits with one record in hand.
        let held = ring.lock().unwrap();
        for number in 0..10 {
            let record = record(&number.to_string());
            log.offer(pending(move || record));
        }
        let dropped = log.dropped.load(Ordering::Relaxed);
        assert!(dropped >= 8, "{dropped} were dropped");
        drop(held);
        for number in 0..5 {
            let record = record(&number.to_string());
            log.put(pending(move || record));
        }
        let found = log.find(5, &mut |_| true).unwrap();
        let ids: Vec<String> = found.into_iter().map(|record| record.request_id).collect();
        assert_eq!(ids, ["4", "3", "2", "1", "0"]);
    }
}
