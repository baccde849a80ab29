//! The attributes of a file (draft-ietf-secsh-filexfer-02, section 5) and other shapes of answers.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{FileType, Stat, StatVfs, StatVfsMountFlags};

use crate::codec::{Malformed, Put as _, Reader};

const SIZE: u32 = 1;
const OWNER: u32 = 2;
const MODE: u32 = 4;
const TIMES: u32 = 8;
const EXTENDED: u32 = 0x8000_0000;

/// What a client wants a file to have.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Attributes {
    pub(crate) size: Option<u64>,
    /// User and group.
    pub(crate) owner: Option<(u32, u32)>,
    pub(crate) mode: Option<u32>,
    /// Last use and last change, in seconds since 1970.
    pub(crate) times: Option<(u32, u32)>,
}

pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Attributes, Malformed> {
    let flags = reader.u32()?;
    let mut attributes = Attributes::default();
    if flags & SIZE != 0 {
        attributes.size = Some(reader.u64()?);
    }
    if flags & OWNER != 0 {
        attributes.owner = Some((reader.u32()?, reader.u32()?));
    }
    if flags & MODE != 0 {
        attributes.mode = Some(reader.u32()?);
    }
    if flags & TIMES != 0 {
        attributes.times = Some((reader.u32()?, reader.u32()?));
    }
    if flags & EXTENDED != 0 {
        for _ in 0..reader.u32()? {
            reader.string()?;
            reader.string()?;
        }
    }
    Ok(attributes)
}

/// A time as version 3 has it: 32 bits of seconds.
fn seconds(time: i64) -> u32 {
    u32::try_from(time.max(0)).unwrap_or(u32::MAX)
}

pub(crate) fn write(stat: &Stat, out: &mut Vec<u8>) {
    out.put_u32(SIZE | OWNER | MODE | TIMES);
    out.put_u64(u64::try_from(stat.st_size).unwrap_or(0));
    out.put_u32(stat.st_uid);
    out.put_u32(stat.st_gid);
    out.put_u32(stat.st_mode);
    out.put_u32(seconds(stat.st_atime));
    out.put_u32(seconds(stat.st_mtime));
}

/// An answer with one name and nothing known about it.
pub(crate) fn name(path: &Path, out: &mut Vec<u8>) {
    out.put_u32(1);
    let bytes = path.as_os_str().as_bytes();
    out.put_string(bytes);
    out.put_string(bytes);
    out.put_u32(0);
}

/// The line that `ls -l` would show, without the date: programs read the attributes, people the line.
pub(crate) fn long(name: &[u8], stat: &Stat) -> Vec<u8> {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => 'd',
        FileType::Symlink => 'l',
        FileType::Fifo => 'p',
        FileType::Socket => 's',
        FileType::CharacterDevice => 'c',
        FileType::BlockDevice => 'b',
        _ => '-',
    };
    let bits: String = (0..9)
        .map(|bit| {
            let set = stat.st_mode & (0o400 >> bit) != 0;
            match (bit % 3, set) {
                (_, false) => '-',
                (0, true) => 'r',
                (1, true) => 'w',
                _ => 'x',
            }
        })
        .collect();
    let (links, user, group, size) = (stat.st_nlink, stat.st_uid, stat.st_gid, stat.st_size);
    let mut line = format!("{kind}{bits} {links:4} {user:<8} {group:<8} {size:12} ").into_bytes();
    line.extend_from_slice(name);
    line
}

/// The answer of `statvfs@openssh.com`.
pub(crate) fn room(room: &StatVfs, out: &mut Vec<u8>) {
    let mut flags = 0;
    if room.f_flag.contains(StatVfsMountFlags::RDONLY) {
        flags |= 1;
    }
    if room.f_flag.contains(StatVfsMountFlags::NOSUID) {
        flags |= 2;
    }
    for value in [
        room.f_bsize,
        room.f_frsize,
        room.f_blocks,
        room.f_bfree,
        room.f_bavail,
        room.f_files,
        room.f_ffree,
        room.f_favail,
        room.f_fsid,
        flags,
        room.f_namemax,
    ] {
        out.put_u64(value);
    }
}
