//! Requests of the file transfer.

use std::cell::RefCell;
use std::path::PathBuf;

use super::{payload, steps};
use crate::codec::Reader;
use crate::sftp::{Files, LONGEST, respond};

/// The directory of the requests; it is this process's own, and becomes the one that it is in.
fn directory() -> PathBuf {
    std::thread_local! {
        static MADE: RefCell<Option<PathBuf>> = const { RefCell::new(None) };
    }
    MADE.with_borrow_mut(|made| {
        let place = made.get_or_insert_with(|| {
            let memory = PathBuf::from("/dev/shm");
            let place = if memory.is_dir() { memory } else { std::env::temp_dir() };
            let place = place.join(format!("sagegate-fuzz-{}", std::process::id()));
            std::fs::create_dir_all(&place).unwrap();
            std::env::set_current_dir(&place).unwrap();
            place
        });
        place.clone()
    })
}

/// Runs a script of requests.
///
/// # Panics
/// Where a law is broken: that is the finding.
pub fn files(script: &[u8]) {
    let Ok(script) = std::str::from_utf8(script) else { return };
    let directory = directory();
    let mut files = Files::default();
    for (_, words) in steps(script) {
        let Some(request) = payload(words).filter(|it| it.len() <= LONGEST) else { continue };
        let mut answer = Vec::new();
        respond(&mut files, &request, &mut answer);
        assert!(answer.len() <= LONGEST, "an answer of {} bytes", answer.len());
        let (mut asked, mut told) = (Reader::new(&request), Reader::new(&answer));
        let (number, kind) = (asked.byte().unwrap(), told.byte().unwrap());
        let fits = match number {
            1 => kind == 2,
            3 | 11 => matches!(kind, 101 | 102),
            5 => matches!(kind, 101 | 103),
            12 | 16 | 19 => matches!(kind, 101 | 104),
            7 | 8 | 17 => matches!(kind, 101 | 105),
            200 => matches!(kind, 101 | 104 | 201),
            _ => kind == 101,
        };
        assert!(fits, "{kind} is no answer to {number}");
        if let (true, Ok(id)) = (number != 1, asked.u32()) {
            assert_eq!(told.u32(), Ok(id), "whose answer it is");
        }
    }
    drop(files);
    for entry in std::fs::read_dir(&directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let _ = std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir(&path));
    }
}
