//! The file transfer server: SFTP version 3 (draft-ietf-secsh-filexfer-02) with the extensions of
//! OpenSSH's PROTOCOL, section 4.
//!
//! It is a process of its own with the user's rights, so that the kernel decides about every file, and
//! it serves one request after the other: a client that wants more at the same time starts another.

mod attributes;
mod files;

use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::codec::{Malformed, Put as _, Reader};
pub(crate) use files::Files;
use files::Reply;

/// Bytes of one request or answer, its length not counted: what OpenSSH takes.
pub(crate) const LONGEST: usize = 256 * 1024;
/// Bytes that one read or write carries.
const DATA: u32 = 255 * 1024;
/// Open files and directories.
const HANDLES: usize = 512;

/// Message numbers.
mod kind {
    pub(super) const INIT: u8 = 1;
    pub(super) const VERSION: u8 = 2;
    pub(super) const OPEN: u8 = 3;
    pub(super) const CLOSE: u8 = 4;
    pub(super) const READ: u8 = 5;
    pub(super) const WRITE: u8 = 6;
    pub(super) const LSTAT: u8 = 7;
    pub(super) const FSTAT: u8 = 8;
    pub(super) const SETSTAT: u8 = 9;
    pub(super) const FSETSTAT: u8 = 10;
    pub(super) const OPENDIR: u8 = 11;
    pub(super) const READDIR: u8 = 12;
    pub(super) const REMOVE: u8 = 13;
    pub(super) const MKDIR: u8 = 14;
    pub(super) const RMDIR: u8 = 15;
    pub(super) const REALPATH: u8 = 16;
    pub(super) const STAT: u8 = 17;
    pub(super) const RENAME: u8 = 18;
    pub(super) const READLINK: u8 = 19;
    pub(super) const SYMLINK: u8 = 20;
    pub(super) const STATUS: u8 = 101;
    pub(super) const HANDLE: u8 = 102;
    pub(super) const DATA: u8 = 103;
    pub(super) const NAME: u8 = 104;
    pub(super) const ATTRS: u8 = 105;
    pub(super) const EXTENDED: u8 = 200;
    pub(super) const EXTENDED_REPLY: u8 = 201;
}

/// The extensions, and the version of each.
const EXTENSIONS: [(&str, &str); 9] = [
    ("posix-rename@openssh.com", "1"),
    ("statvfs@openssh.com", "2"),
    ("fstatvfs@openssh.com", "2"),
    ("hardlink@openssh.com", "1"),
    ("fsync@openssh.com", "1"),
    ("lsetstat@openssh.com", "1"),
    ("limits@openssh.com", "1"),
    ("expand-path@openssh.com", "1"),
    ("home-directory", "1"),
];

/// Why a request was not done.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The system's answer.
    System(io::Error),
    /// The end of a file or directory.
    End,
    /// There is no such handle, or it is of the other kind.
    Handle,
    /// There is no such request.
    Unsupported,
    Malformed(Malformed),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl From<rustix::io::Errno> for Refusal {
    fn from(error: rustix::io::Errno) -> Self {
        Self::System(error.into())
    }
}

impl From<Malformed> for Refusal {
    fn from(error: Malformed) -> Self {
        Self::Malformed(error)
    }
}

impl Refusal {
    /// The number and the text of SSH_FXP_STATUS.
    fn status(&self) -> (u32, String) {
        match self {
            Self::End => (1, "End of file".into()),
            Self::System(error) => {
                let code = match error.kind() {
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => 2,
                    io::ErrorKind::PermissionDenied => 3,
                    io::ErrorKind::Unsupported => 8,
                    _ => 4,
                };
                (code, error.to_string())
            }
            Self::Handle => (4, "there is no such open file or directory".into()),
            Self::Unsupported => (8, "there is no such request here".into()),
            Self::Malformed(error) => (5, error.to_string()),
        }
    }
}

/// Serves until the input ends.
///
/// # Errors
/// A stream that breaks, or a message that is longer than any can be.
pub(crate) fn serve(mut input: impl Read, mut output: impl Write) -> io::Result<()> {
    let mut files = Files::default();
    let mut request = Vec::new();
    let mut answer = Vec::new();
    loop {
        let mut length = [0; 4];
        match input.read_exact(&mut length) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            result => result?,
        }
        let length = u32::from_be_bytes(length) as usize;
        if !(1..=LONGEST).contains(&length) {
            let text = format!("a message of {length} bytes is not possible here");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        request.resize(length, 0);
        input.read_exact(&mut request)?;
        answer.clear();
        answer.extend_from_slice(&[0; 4]);
        respond(&mut files, &request, &mut answer);
        let length = u32::try_from(answer.len() - 4).unwrap_or(u32::MAX).to_be_bytes();
        if let Some(place) = answer.first_chunk_mut::<4>() {
            *place = length;
        }
        output.write_all(&answer)?;
        output.flush()?;
    }
}

/// Writes the answer to one message.
pub(crate) fn respond(files: &mut Files, message: &[u8], out: &mut Vec<u8>) {
    let mut reader = Reader::new(message);
    let number = reader.byte().unwrap_or(0);
    if number == kind::INIT {
        out.put_byte(kind::VERSION);
        out.put_u32(3);
        for (name, version) in EXTENSIONS {
            out.put_string(name.as_bytes());
            out.put_string(version.as_bytes());
        }
        return;
    }
    let id = reader.u32().unwrap_or(0);
    let start = out.len();
    let done = request(files, number, id, &mut reader, out);
    let (code, text) = match done {
        Ok(Reply::Written) => return,
        Ok(Reply::Done) => (0, String::new()),
        Err(refusal) => refusal.status(),
    };
    out.truncate(start);
    out.put_byte(kind::STATUS);
    out.put_u32(id);
    out.put_u32(code);
    out.put_string(text.as_bytes());
    out.put_string(b"");
}

fn path<'a>(reader: &mut Reader<'a>) -> Result<&'a Path, Malformed> {
    let bytes = reader.string()?;
    if bytes.contains(&0) {
        return Err(Malformed("path without zero bytes"));
    }
    harmless(bytes)?;
    // The empty path is the directory that the session started in.
    Ok(if bytes.is_empty() {
        Path::new(".")
    } else {
        Path::new(std::ffi::OsStr::from_bytes(bytes))
    })
}

/// Where requests are made up by a fuzzer, they stay in the directory that was made for them.
fn harmless(path: &[u8]) -> Result<(), Malformed> {
    if cfg!(feature = "fuzzing") && (path.contains(&b'/') || path.starts_with(b"..")) {
        return Err(Malformed("plain name"));
    }
    Ok(())
}

fn request(
    files: &mut Files,
    number: u8,
    id: u32,
    reader: &mut Reader<'_>,
    out: &mut Vec<u8>,
) -> Result<Reply, Refusal> {
    let mut head = |kind: u8| {
        out.put_byte(kind);
        out.put_u32(id);
    };
    match number {
        kind::OPEN => {
            let (path, flags) = (path(reader)?, reader.u32()?);
            let attributes = attributes::read(reader)?;
            let handle = files.open(path, flags, &attributes)?;
            head(kind::HANDLE);
            out.put_string(&handle.to_be_bytes());
        }
        kind::OPENDIR => {
            let handle = files.open_directory(path(reader)?)?;
            head(kind::HANDLE);
            out.put_string(&handle.to_be_bytes());
        }
        kind::CLOSE => return files.close(handle(reader)?),
        kind::READ => {
            let (handle, offset, length) = (handle(reader)?, reader.u64()?, reader.u32()?);
            head(kind::DATA);
            files.read(handle, offset, length.min(DATA), out)?;
        }
        kind::WRITE => {
            let (handle, offset) = (handle(reader)?, reader.u64()?);
            return files.write(handle, offset, reader.string()?);
        }
        kind::READDIR => {
            let handle = handle(reader)?;
            head(kind::NAME);
            files.read_directory(handle, out)?;
        }
        kind::STAT | kind::LSTAT => {
            let path = path(reader)?;
            let stat = if number == kind::STAT {
                rustix::fs::stat(path)?
            } else {
                rustix::fs::lstat(path)?
            };
            head(kind::ATTRS);
            attributes::write(&stat, out);
        }
        kind::FSTAT => {
            let stat = files.stat(handle(reader)?)?;
            head(kind::ATTRS);
            attributes::write(&stat, out);
        }
        kind::SETSTAT => {
            let path = path(reader)?;
            return files::set_path(path, &attributes::read(reader)?, true);
        }
        kind::FSETSTAT => {
            let handle = handle(reader)?;
            return files.set(handle, &attributes::read(reader)?);
        }
        kind::REMOVE => {
            rustix::fs::unlink(path(reader)?)?;
            return Ok(Reply::Done);
        }
        kind::RMDIR => {
            rustix::fs::rmdir(path(reader)?)?;
            return Ok(Reply::Done);
        }
        kind::MKDIR => {
            let path = path(reader)?;
            let mode = attributes::read(reader)?.mode.unwrap_or(0o777) & 0o7777;
            rustix::fs::mkdir(path, rustix::fs::Mode::from_raw_mode(mode))?;
            return Ok(Reply::Done);
        }
        kind::REALPATH => {
            let full = files::canonical(path(reader)?)?;
            head(kind::NAME);
            attributes::name(&full, out);
        }
        kind::READLINK => {
            let target = rustix::fs::readlink(path(reader)?, Vec::new())?;
            head(kind::NAME);
            attributes::name(Path::new(std::ffi::OsStr::from_bytes(target.to_bytes())), out);
        }
        kind::RENAME => {
            let (from, to) = (path(reader)?, path(reader)?);
            return files::rename_new(from, to);
        }
        kind::SYMLINK => {
            // The draft has the link first; OpenSSH has always had the target first (PROTOCOL, 4.1),
            // and that is what clients send.
            let (target, link) = (reader.string()?, path(reader)?);
            harmless(target)?;
            rustix::fs::symlink(target, link)?;
            return Ok(Reply::Done);
        }
        kind::EXTENDED => {
            let name = reader.text()?;
            return extended(files, name, id, reader, out);
        }
        _ => return Err(Refusal::Unsupported),
    }
    Ok(Reply::Written)
}

fn extended(
    files: &mut Files,
    name: &str,
    id: u32,
    reader: &mut Reader<'_>,
    out: &mut Vec<u8>,
) -> Result<Reply, Refusal> {
    let mut head = |kind: u8| {
        out.put_byte(kind);
        out.put_u32(id);
    };
    match name {
        "posix-rename@openssh.com" => {
            rustix::fs::rename(path(reader)?, path(reader)?)?;
        }
        "hardlink@openssh.com" => {
            rustix::fs::link(path(reader)?, path(reader)?)?;
        }
        "fsync@openssh.com" => return files.sync(handle(reader)?),
        "lsetstat@openssh.com" => {
            let path = path(reader)?;
            return files::set_path(path, &attributes::read(reader)?, false);
        }
        "statvfs@openssh.com" => {
            let room = rustix::fs::statvfs(path(reader)?)?;
            head(kind::EXTENDED_REPLY);
            attributes::room(&room, out);
            return Ok(Reply::Written);
        }
        "fstatvfs@openssh.com" => {
            let room = files.room(handle(reader)?)?;
            head(kind::EXTENDED_REPLY);
            attributes::room(&room, out);
            return Ok(Reply::Written);
        }
        "limits@openssh.com" => {
            head(kind::EXTENDED_REPLY);
            for limit in [LONGEST as u64, DATA.into(), DATA.into(), HANDLES as u64] {
                out.put_u64(limit);
            }
            return Ok(Reply::Written);
        }
        "expand-path@openssh.com" => {
            let full = files::canonical(&files::expand(path(reader)?)?)?;
            head(kind::NAME);
            attributes::name(&full, out);
            return Ok(Reply::Written);
        }
        "home-directory" => {
            // Another user's home is not for this space's user to know.
            let user = reader.text()?;
            if !user.is_empty() && std::env::var("USER").as_deref() != Ok(user) {
                return Err(io::Error::from(io::ErrorKind::NotFound).into());
            }
            let home = files::expand(Path::new("~"))?;
            head(kind::NAME);
            attributes::name(&home, out);
            return Ok(Reply::Written);
        }
        _ => return Err(Refusal::Unsupported),
    }
    Ok(Reply::Done)
}

fn handle(reader: &mut Reader<'_>) -> Result<u32, Refusal> {
    let bytes = reader.string()?;
    bytes.try_into().map(u32::from_be_bytes).map_err(|_| Refusal::Handle)
}
