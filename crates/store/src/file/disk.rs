//! The database file below the engine.
//!
//! The engine answers an I/O error by refusing everything from then on, reads of old states included. So a failed
//! write is kept from it: from the first failure on nothing reaches the file any more, and what would have been
//! written stays in memory, where the engine finds it again. The commit under way counts as failed, the readers
//! go on, and the committing thread opens the file anew, with the header put back to the last durable commit.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// The engine's header fills the first block.
const BLOCK: usize = 4096;

type Block = [u8; BLOCK];

/// The file with what must be known of it when it fails.
pub(crate) struct Disk {
    file: File,
    failed: AtomicBool,
    state: Mutex<State>,
    /// Called once, at the first failure.
    alarm: OnceLock<Box<dyn Fn() + Send + Sync>>,
    #[cfg(test)]
    faults: Arc<super::faults::Faults>,
}

struct State {
    /// The header as written last, and as it was when the file was last synchronised.
    header: Box<Block>,
    durable_header: Box<Block>,
    failure: Option<Arc<io::Error>>,
    /// What was written after the failure, by number of the block.
    shadow: BTreeMap<u64, Box<Block>>,
    shadow_len: Option<u64>,
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Disk").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Disk {
    pub(crate) fn new(file: File) -> io::Result<Disk> {
        let mut header = Box::new([0; BLOCK]);
        read_up_to(&file, 0, header.as_mut_slice())?;
        let state = State {
            durable_header: header.clone(),
            header,
            failure: None,
            shadow: BTreeMap::new(),
            shadow_len: None,
        };
        Ok(Disk {
            file,
            failed: AtomicBool::new(false),
            state: Mutex::new(state),
            alarm: OnceLock::new(),
            #[cfg(test)]
            faults: Arc::default(),
        })
    }

    #[cfg(test)]
    pub(crate) fn with_faults(mut self, faults: Arc<super::faults::Faults>) -> Disk {
        self.faults = faults;
        self
    }

    /// Whether the file begins as the engine's files do. The engine would make an empty file its own.
    pub(crate) fn looks_right(&self) -> bool {
        self.state().header.starts_with(b"redb")
    }

    /// Sets what is called at the first failure.
    pub(crate) fn set_alarm(&self, alarm: impl Fn() + Send + Sync + 'static) {
        drop(self.alarm.set(Box::new(alarm)));
    }

    /// The first failure, if there was one.
    pub(crate) fn failure(&self) -> Option<Arc<io::Error>> {
        if !self.failed.load(Ordering::Acquire) {
            return None;
        }
        self.state().failure.clone()
    }

    /// From now on nothing reaches the file.
    pub(crate) fn fail(&self, error: io::Error) {
        let mut state = self.state();
        if state.failure.is_none() {
            state.failure = Some(Arc::new(error));
            self.failed.store(true, Ordering::Release);
            drop(state);
            if let Some(alarm) = self.alarm.get() {
                alarm();
            }
        }
    }

    /// Puts the header back as it was when the file was last synchronised, so that nothing of a failed commit is
    /// found when the file is opened anew.
    pub(crate) fn restore(&self) -> io::Result<()> {
        self.trial(Operation::Write)?;
        self.file.write_all_at(self.state().durable_header.as_slice(), 0)?;
        self.trial(Operation::Sync)?;
        self.file.sync_data()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn healthy(&self) -> bool {
        !self.failed.load(Ordering::Acquire)
    }

    #[cfg(test)]
    fn trial(&self, operation: Operation) -> io::Result<()> {
        self.faults.trial(operation)
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "the tests inject failures here")]
    fn trial(&self, _: Operation) -> io::Result<()> {
        Ok(())
    }

    fn try_write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.trial(Operation::Write)?;
        self.file.write_all_at(data, offset)?;
        if let Some(room) = usize::try_from(offset).ok().filter(|offset| *offset < BLOCK) {
            let mut state = self.state();
            for (to, from) in state.header.iter_mut().skip(room).zip(data) {
                *to = *from;
            }
        }
        Ok(())
    }

    /// Writes into the memory that stands for the file after a failure.
    fn write_shadow(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let size = BLOCK as u64;
        let mut offset = offset;
        let mut rest = data;
        while !rest.is_empty() {
            let number = offset / size;
            let start = usize::try_from(offset % size).unwrap_or_default();
            let (now, later) = rest.split_at(rest.len().min(BLOCK - start));
            let block = match state.shadow.entry(number) {
                Entry::Occupied(block) => block.into_mut(),
                Entry::Vacant(place) => {
                    let mut block = Box::new([0; BLOCK]);
                    read_up_to(&self.file, number * size, block.as_mut_slice())?;
                    place.insert(block)
                }
            };
            for (to, from) in block.iter_mut().skip(start).zip(now) {
                *to = *from;
            }
            offset += now.len() as u64;
            rest = later;
        }
        Ok(())
    }

    fn read_shadow(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        read_up_to(&self.file, offset, out)?;
        let state = self.state();
        let size = BLOCK as u64;
        let end = offset + out.len() as u64;
        for (number, block) in state.shadow.range(offset / size..end.div_ceil(size)) {
            let at = number * size;
            let skip_block = usize::try_from(offset.saturating_sub(at)).unwrap_or(BLOCK);
            let skip_out = usize::try_from(at.saturating_sub(offset)).unwrap_or(usize::MAX);
            let from = block.iter().skip(skip_block);
            for (to, from) in out.iter_mut().skip(skip_out).zip(from) {
                *to = *from;
            }
        }
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        if !self.healthy()
            && let Some(len) = self.state().shadow_len
        {
            return Ok(len);
        }
        Ok(self.file.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if !self.healthy() {
            return self.read_shadow(offset, out);
        }
        let read = self.trial(Operation::Read).and_then(|()| self.file.read_exact_at(out, offset));
        if let Err(error) = &read {
            self.fail(again(error));
        }
        read
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if self.healthy() {
            let set = self.trial(Operation::Write).and_then(|()| self.file.set_len(len));
            match set {
                Ok(()) => return Ok(()),
                Err(error) => self.fail(error),
            }
        }
        self.state().shadow_len = Some(len);
        Ok(())
    }

    fn sync(&self) {
        if !self.healthy() {
            return;
        }
        match self.trial(Operation::Sync).and_then(|()| self.file.sync_data()) {
            Ok(()) => {
                let mut state = self.state();
                let header = state.header.clone();
                state.durable_header = header;
            }
            Err(error) => self.fail(error),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if self.healthy() {
            match self.try_write(offset, data) {
                Ok(()) => return Ok(()),
                Err(error) => self.fail(error),
            }
        }
        let end = offset + data.len() as u64;
        if self.len()? < end {
            self.state().shadow_len = Some(end);
        }
        self.write_shadow(offset, data)
    }
}

/// What may fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Read,
    Write,
    Sync,
}

/// The file as the engine wants it.
#[derive(Debug)]
pub(crate) struct Backend(pub(crate) Arc<Disk>);

impl redb::StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
}

/// Fills `out` from the file; what lies behind its end is zero.
fn read_up_to(file: &File, offset: u64, out: &mut [u8]) -> io::Result<()> {
    let mut done = 0;
    while let Some(rest) = out.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + done as u64) {
            Ok(0) => {
                rest.fill(0);
                return Ok(());
            }
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn again(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}
