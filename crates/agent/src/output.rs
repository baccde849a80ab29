//! What programs wrote, as much of it as anybody will read.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt};

/// Lines that are kept to be told.
const LINES: usize = 40;
/// Bytes of a line that are kept.
const LINE: usize = 500;
/// Bytes that a file of output may have before it is put aside; the one put aside before is gone.
const FILE: u64 = 1 << 20;

/// The output of a program: the last lines in memory, more of it in a file of the home directory.
#[derive(Clone)]
pub(crate) struct Output(Arc<Mutex<Kept>>);

struct Kept {
    lines: VecDeque<String>,
    partial: Vec<u8>,
    path: PathBuf,
    file: Option<(File, u64)>,
}

impl Output {
    /// Begins the output of a program that is called `name`; the file is `name.log`.
    pub(crate) fn begin(directory: &Path, name: &str) -> Self {
        let path = directory.join(format!("{name}.log"));
        // Without a file, as on a full disk, the lines in memory have to do.
        let _ = std::fs::create_dir_all(directory);
        let file = fresh(&path);
        Self(Arc::new(Mutex::new(Kept { lines: VecDeque::new(), partial: Vec::new(), path, file })))
    }

    /// Takes in all that a pipe gives.
    pub(crate) async fn follow(self, mut pipe: impl AsyncRead + Unpin) {
        let mut buffer = vec![0; 8 * 1024];
        while let Ok(count) = pipe.read(&mut buffer).await {
            let Some(bytes) = buffer.get(..count).filter(|it| !it.is_empty()) else { return };
            self.0.lock().unwrap_or_else(PoisonError::into_inner).take(bytes);
        }
    }

    /// The last lines, oldest first.
    pub(crate) fn lines(&self) -> Vec<String> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines: Vec<String> = kept.lines.iter().cloned().collect();
        if !kept.partial.is_empty() {
            lines.push(text(&kept.partial));
        }
        lines
    }
}

/// A line as it may be told: no control characters, which could play tricks on a terminal.
fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line)
        .chars()
        .map(|it| if it == '\t' { ' ' } else { it })
        .filter(|it| !it.is_control())
        .collect()
}

impl Kept {
    fn take(&mut self, bytes: &[u8]) {
        self.write(bytes);
        for &byte in bytes {
            if byte == b'\n' {
                let line = text(&std::mem::take(&mut self.partial));
                if self.lines.len() == LINES {
                    self.lines.pop_front();
                }
                self.lines.push_back(line);
            } else if self.partial.len() < LINE {
                self.partial.push(byte);
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        let Some((file, size)) = &mut self.file else { return };
        if file.write_all(bytes).is_err() {
            return;
        }
        *size = size.saturating_add(bytes.len() as u64);
        if *size > FILE {
            let _ = std::fs::rename(&self.path, self.path.with_extension("log.1"));
            self.file = fresh(&self.path);
        }
    }
}

fn fresh(path: &Path) -> Option<(File, u64)> {
    let _ = std::fs::remove_file(path);
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).ok()?;
    Some((file, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_lines_are_kept_and_memory_is_bounded() {
        let directory = tempfile::tempdir().unwrap();
        let output = Output::begin(directory.path(), "app");
        let mut text = String::new();
        for number in 0..100 {
            text.push_str(&format!("line {number}\n"));
        }
        text.push_str(&"x".repeat(5000));
        output.clone().follow(text.as_bytes()).await;
        let lines = output.lines();
        assert_eq!(lines.len(), LINES + 1);
        assert_eq!(lines[0], "line 60");
        assert_eq!(lines[LINES].len(), LINE);
        let file = std::fs::read_to_string(directory.path().join("app.log")).unwrap();
        assert_eq!(file, text);
    }

    #[tokio::test]
    async fn a_file_does_not_grow_for_ever() {
        let directory = tempfile::tempdir().unwrap();
        let output = Output::begin(directory.path(), "app");
        let text = "0123456789\n".repeat(400_000);
        output.follow(text.as_bytes()).await;
        for name in ["app.log", "app.log.1"] {
            let size = std::fs::metadata(directory.path().join(name)).unwrap().len();
            assert!(size < FILE + 9000, "{name}: {size}");
        }
    }

    #[test]
    fn control_characters_are_not_told() {
        assert_eq!(text(b"\x1b[31mred\x07\tend\r"), "[31mred end");
    }
}
