//! Keeps the records of reads and refusals: a queue, a thread, a ring of files.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::Record;

/// Records that wait to be written, at most.
const QUEUE: usize = 4_096;
/// A file is closed and a new one begun at this size.
const SEGMENT_BYTES: u64 = 8 << 20;
/// Files that are kept; the oldest goes when a new one is begun.
const SEGMENTS: usize = 8;
/// Records that are kept without a directory (`--memory`).
const RING: usize = 2_048;

/// Why the journal cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("the audit directory {path}: {source}")]
pub struct JournalError {
    path: String,
    source: io::Error,
}

enum Message {
    /// A record, still to be made into text: that work is not the request's.
    Record(Box<dyn FnOnce() -> Record + Send>),
    /// Answer when all that came before is where [`Journal::find`] looks.
    Flush(SyncSender<()>),
}

/// The journal of one running Sagegate. Dropping it writes out what waits.
pub struct Journal {
    sender: Option<SyncSender<Message>>,
    thread: Option<JoinHandle<()>>,
    dropped: AtomicU64,
    place: Place,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").field("dropped", &self.dropped).finish_non_exhaustive()
    }
}

#[derive(Clone)]
enum Place {
    Memory(Arc<Mutex<VecDeque<Record>>>),
    Directory(PathBuf),
}

impl Journal {
    /// A journal that keeps its last records in memory.
    ///
    /// # Errors
    /// [`JournalError`] if its thread cannot be started.
    pub fn memory() -> Result<Self, JournalError> {
        let place = Place::Memory(Arc::new(Mutex::new(VecDeque::new())));
        Self::start(place, "(memory)")
    }

    /// A journal in a directory, which is made with mode 0700 if it is missing.
    ///
    /// # Errors
    /// [`JournalError`] if the directory cannot be made or written.
    pub fn open(directory: &Path) -> Result<Self, JournalError> {
        let shown = directory.display().to_string();
        let error = |source| JournalError { path: shown.clone(), source };
        make_private_directory(directory).map_err(error)?;
        Self::start(Place::Directory(directory.to_owned()), &shown)
    }

    fn start(place: Place, shown: &str) -> Result<Self, JournalError> {
        let (sender, receiver) = sync_channel(QUEUE);
        let writer = place.clone();
        let thread = std::thread::Builder::new()
            .name("audit".into())
            .spawn(move || run(&receiver, &writer))
            .map_err(|source| JournalError { path: shown.to_owned(), source })?;
        Ok(Self { sender: Some(sender), thread: Some(thread), dropped: AtomicU64::new(0), place })
    }

    /// Hands over the record of an allowed read. Never waits: where the queue is full, the record
    /// is dropped and counted.
    pub fn note(&self, record: impl FnOnce() -> Record + Send + 'static) {
        let Some(sender) = &self.sender else { return };
        if let Err(TrySendError::Full(_)) = sender.try_send(Message::Record(Box::new(record))) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Hands over the record of a refused request, waiting for room in the queue: why somebody was
    /// refused must not get lost.
    pub fn note_refusal(&self, record: Record) {
        if let Some(sender) = &self.sender {
            // The thread ends only with the journal itself.
            let _ = sender.send(Message::Record(Box::new(move || record)));
        }
    }

    /// Records of allowed reads that were dropped because the queue was full.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// The newest `limit` records that `wanted` accepts, newest first.
    ///
    /// # Errors
    /// An I/O error of reading the files.
    pub fn find(
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
                .filter(|record| wanted(record))
                .take(limit)
                .cloned()
                .collect()),
            Place::Directory(directory) => find_in_files(directory, limit, wanted),
        }
    }

    /// Forgets every record (test reset).
    ///
    /// # Errors
    /// An I/O error of removing the files.
    pub fn clear(&self) -> io::Result<()> {
        self.flush();
        match &self.place {
            Place::Memory(ring) => {
                ring.lock().unwrap_or_else(PoisonError::into_inner).clear();
                Ok(())
            }
            Place::Directory(directory) => {
                for (_, path) in segments(directory)? {
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

impl Drop for Journal {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(receiver: &Receiver<Message>, place: &Place) {
    let mut segment: Option<Segment> = None;
    while let Ok(first) = receiver.recv() {
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Record(record) => keep(&record(), place, &mut segment),
                Message::Flush(answer) => {
                    sync(&mut segment);
                    let _ = answer.send(());
                }
            }
            next = receiver.try_recv().ok();
        }
        sync(&mut segment);
    }
}

fn sync(segment: &mut Option<Segment>) {
    if let Some(open) = segment
        && let Err(error) = open.file.flush()
    {
        tracing::error!(%error, "the audit of reads cannot be written; a new file is begun");
        *segment = None;
    }
}

fn keep(record: &Record, place: &Place, segment: &mut Option<Segment>) {
    match place {
        Place::Memory(ring) => {
            let mut ring = ring.lock().unwrap_or_else(PoisonError::into_inner);
            if ring.len() == RING {
                ring.pop_front();
            }
            ring.push_back(record.clone());
        }
        Place::Directory(directory) => {
            if let Err(error) = append(record, directory, segment) {
                tracing::error!(%error, "a record of the audit of reads could not be written");
                *segment = None;
            }
        }
    }
}

struct Segment {
    file: BufWriter<File>,
    bytes: u64,
}

fn append(record: &Record, directory: &Path, segment: &mut Option<Segment>) -> io::Result<()> {
    if segment.as_ref().is_none_or(|open| open.bytes >= SEGMENT_BYTES) {
        *segment = Some(begin(directory)?);
    }
    let Some(open) = segment else { return Ok(()) };
    let mut line = serde_json::to_vec(record)?;
    line.push(b'\n');
    open.bytes += line.len() as u64;
    open.file.write_all(&line)
}

fn begin(directory: &Path) -> io::Result<Segment> {
    let mut existing = segments(directory)?;
    let number = existing.last().map_or(0, |(number, _)| number + 1);
    while existing.len() >= SEGMENTS {
        let (_, oldest) = existing.remove(0);
        fs::remove_file(oldest)?;
    }
    let path = directory.join(format!("reads-{number:08}.jsonl"));
    let mut options = OpenOptions::new();
    options.append(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    Ok(Segment { file: BufWriter::new(options.open(path)?), bytes: 0 })
}

/// The files, oldest first.
fn segments(directory: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut out = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let number = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.strip_prefix("reads-")?.strip_suffix(".jsonl")?.parse().ok());
        if let Some(number) = number {
            out.push((number, path));
        }
    }
    out.sort();
    Ok(out)
}

fn find_in_files(
    directory: &Path,
    limit: usize,
    wanted: &mut dyn FnMut(&Record) -> bool,
) -> io::Result<Vec<Record>> {
    let mut out = Vec::new();
    for (_, path) in segments(directory)?.into_iter().rev() {
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
