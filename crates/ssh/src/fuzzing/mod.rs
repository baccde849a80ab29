//! What the fuzz targets call: the parts of the server without sockets, processes and time, driven by
//! scripts that a person can read and write.
//!
//! A script is lines, and a line is words: a letter for what happens, then what it takes. A payload is
//! written field by field: `b` a byte, `u` and `q` numbers of 4 and 8 bytes, `t` and `f` booleans, `"` a
//! string, `s` one in hexadecimal digits, `z` one of so many zeros, `x` bytes as they are. Lines that mean
//! nothing are left out, so that damage leads further than to them.
#![expect(clippy::unwrap_used, reason = "what fails here is a finding")]

mod channels;
// Elsewhere, requests would reach all files.
#[cfg(feature = "fuzzing")]
mod files;
mod transport;

use bytes::BytesMut;

pub use channels::channels;
#[cfg(feature = "fuzzing")]
pub use files::files;
pub use transport::transport;

use crate::codec::Put as _;

/// Bytes that a field may stand for.
const LONG: usize = 1 << 20;

/// The payload that words stand for; `None` if one of them stands for nothing.
fn payload<'a>(words: impl Iterator<Item = &'a str>) -> Option<BytesMut> {
    let mut out = BytesMut::new();
    for word in words {
        let (letter, rest) = word.split_at_checked(1)?;
        match letter {
            "b" => out.put_byte(rest.parse().ok()?),
            "u" => out.put_u32(rest.parse().ok()?),
            "q" => out.put_u64(rest.parse().ok()?),
            "t" => out.put_boolean(true),
            "f" => out.put_boolean(false),
            "\"" => out.put_string(rest.as_bytes()),
            "s" => out.put_string(&unhex(rest)?),
            "x" => out.put(&unhex(rest)?),
            "z" => out.put_string(&vec![0; rest.parse().ok().filter(|it| *it < LONG)?]),
            _ => return None,
        }
    }
    (!out.is_empty() && out.len() < LONG).then_some(out)
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.chars().map(|digit| digit.to_digit(16).map(|it| it as u8));
    let digits: Vec<u8> = digits.collect::<Option<_>>()?;
    Some(digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |sum, it| sum << 4 | it)).collect())
}

/// A line's letter, and its other words.
fn steps(script: &str) -> impl Iterator<Item = (&str, std::str::SplitAsciiWhitespace<'_>)> {
    script.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        Some((words.next()?, words))
    })
}

#[cfg(test)]
mod tests {
    //! Seeds are run with the tests, so that they stay what they were written for.

    fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
        let place = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds");
        let files = std::fs::read_dir(std::path::Path::new(place).join(target)).unwrap();
        let read = |file: std::io::Result<std::fs::DirEntry>| {
            let path = file.unwrap().path();
            (path.display().to_string(), std::fs::read(path).unwrap())
        };
        files.map(read).collect()
    }

    #[test]
    fn seeds_of_the_transport_come_to_keys() {
        for (name, seed) in seeds("ssh_transport") {
            let got = super::transport(&seed);
            assert!(name.contains("refused") || got > 0, "{name}: {got}");
        }
    }

    #[test]
    fn seeds_of_the_channels_are_read_to_their_ends() {
        for (name, seed) in seeds("ssh_channels") {
            let (steps, left) = super::channels(&seed);
            assert!(steps > 0 && (left == 0 || name.contains("refused")), "{name}: {left} left");
        }
    }
}
