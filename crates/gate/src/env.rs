//! What the core may not fetch by itself: time and randomness. Both come in here, so that a test
//! holds them.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde::{Deserialize, Serialize};

/// An instant, in milliseconds since 1970-01-01T00:00:00Z; stored as that number.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Time(i64);

impl Time {
    /// From milliseconds since the epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Without the part of a second that is begun, as IAM and STS answer times.
    #[must_use]
    pub const fn whole_seconds(self) -> Self {
        Self(self.seconds().saturating_mul(1_000))
    }

    /// So many seconds later (earlier, if negative).
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1_000)))
    }

    /// ISO 8601 in UTC with whole seconds: `2026-11-22T12:00:00Z`, as `aws:CurrentTime` and the
    /// audit have it.
    #[must_use]
    pub fn iso8601(self) -> String {
        sagegate_wire::time::whole_seconds(self.0)
    }
}

impl From<Time> for sagegate_model::Timestamp {
    fn from(time: Time) -> Self {
        Self::from_millis(time.0)
    }
}

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> Time;
}

/// Gives unguessable bytes.
pub trait Entropy: Send + Sync {
    /// Fills `bytes` with cryptographically strong random bytes.
    fn fill(&self, bytes: &mut [u8]);

    /// As [`Entropy::fill`], for names that must be unique and are told to everybody, never for what
    /// must stay secret: the bytes may have waited in memory.
    fn fill_name(&self, bytes: &mut [u8]) {
        self.fill(bytes);
    }
}

/// The machine's clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Time {
        let elapsed =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Time::from_millis(i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
    }
}

/// A clock that stands still until it is told to move.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that stands at `now`.
    #[must_use]
    pub fn new(now: Time) -> Self {
        Self(AtomicI64::new(now.millis()))
    }

    /// Moves the clock by so many milliseconds.
    pub fn advance_millis(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Time {
        Time::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// The operating system's random generator.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        // Going on with predictable keys and tokens would be worse than stopping.
        #[expect(clippy::expect_used, reason = "no key or token may be made without randomness")]
        getrandom::fill(bytes).expect("the operating system gives random bytes");
    }

    fn fill_name(&self, bytes: &mut [u8]) {
        NAMES.with_borrow_mut(|names| names.fill(bytes, |all| self.fill(all)));
    }
}

thread_local! {
    /// Random bytes for names. Two names belong to every request, and a system call for each of them
    /// costs more than verifying its signature.
    static NAMES: RefCell<Names> = const { RefCell::new(Names { bytes: [0; 1_024], left: 0 }) };
}

/// Random bytes fetched ahead; each is given out once.
struct Names {
    bytes: [u8; 1_024],
    /// How many at the beginning have not been given out.
    left: usize,
}

impl Names {
    fn fill(&mut self, wanted: &mut [u8], fetch: impl Fn(&mut [u8])) {
        if self.left < wanted.len() {
            fetch(&mut self.bytes);
            self.left = self.bytes.len();
        }
        let rest = self.left.checked_sub(wanted.len());
        let found = rest.and_then(|rest| Some((rest, self.bytes.get(rest..self.left)?)));
        match found {
            Some((rest, bytes)) => {
                wanted.copy_from_slice(bytes);
                self.left = rest;
            }
            None => fetch(wanted),
        }
    }
}

/// Time and randomness for one running Sagegate.
#[derive(Clone)]
pub struct Env {
    /// The clock that expiry and creation times read.
    pub clock: Arc<dyn Clock>,
    /// The clock that signatures are checked against; apart from `clock`, so that a test can let
    /// something expire without breaking its own signatures.
    pub signature_clock: Arc<dyn Clock>,
    /// The source of randomness.
    pub entropy: Arc<dyn Entropy>,
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Env")
    }
}

const ALPHANUMERIC_UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const ALPHANUMERIC_LOWER: &[u8] = b"abcdefghijklmnopqrstuvwxyz012345";

impl Env {
    /// The machine's clock and random generator.
    #[must_use]
    pub fn system() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            signature_clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
        }
    }

    /// The present instant by the clock of the domain.
    #[must_use]
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// `N` random bytes.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0_u8; N];
        self.entropy.fill(&mut bytes);
        bytes
    }

    /// `length` lower-case hexadecimal digits, as in EC2's ids.
    #[must_use]
    pub fn hex(&self, length: usize) -> String {
        let mut bytes = vec![0_u8; length.div_ceil(2)];
        self.entropy.fill(&mut bytes);
        let mut text = hex::encode(bytes);
        text.truncate(length);
        text
    }

    /// `length` characters of `A-Z2-7`, as in IAM's unique ids and access key ids.
    #[must_use]
    pub fn base32_upper(&self, length: usize) -> String {
        self.letters(ALPHANUMERIC_UPPER, length)
    }

    /// `length` characters of `a-z0-5`, as in SageMaker's domain ids.
    #[must_use]
    pub fn base32_lower(&self, length: usize) -> String {
        self.letters(ALPHANUMERIC_LOWER, length)
    }

    /// A random UUID (RFC 9562, version 4), as in request ids: a name, not a secret
    /// ([`Entropy::fill_name`]).
    #[must_use]
    pub fn uuid(&self) -> String {
        let mut bytes = [0_u8; 16];
        self.entropy.fill_name(&mut bytes);
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        let number = u128::from_be_bytes(bytes);
        let mut digits = [0_u8; 36];
        let mut shift = 128;
        for (place, digit) in digits.iter_mut().enumerate() {
            if matches!(place, 8 | 13 | 18 | 23) {
                *digit = b'-';
                continue;
            }
            shift -= 4;
            let nibble = u8::try_from(number >> shift & 15).unwrap_or_default();
            *digit = nibble + if nibble < 10 { b'0' } else { b'a' - 10 };
        }
        std::str::from_utf8(&digits).unwrap_or_default().to_owned()
    }

    fn letters(&self, alphabet: &[u8], length: usize) -> String {
        let mut bytes = vec![0_u8; length];
        self.entropy.fill(&mut bytes);
        bytes
            .iter()
            .filter_map(|byte| alphabet.get(usize::from(byte % 32)))
            .map(|letter| char::from(*letter))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_uuid_has_its_form_and_comes_once() {
        let env = Env::system();
        let mut seen = HashSet::new();
        for _ in 0..1_000 {
            let id = env.uuid();
            let parts: Vec<usize> = id.split('-').map(str::len).collect();
            assert_eq!(parts, [8, 4, 4, 4, 12], "{id}");
            assert!(id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-')));
            assert_eq!(id.as_bytes()[14], b'4', "{id}");
            assert!(matches!(id.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{id}");
            assert!(seen.insert(id));
        }
    }

    #[test]
    fn what_was_fetched_ahead_is_given_out_once() {
        let next = Cell::new(0_u64);
        let fetch = |bytes: &mut [u8]| {
            for piece in bytes.chunks_mut(8) {
                next.set(next.get() + 1);
                piece.copy_from_slice(&next.get().to_be_bytes()[..piece.len()]);
            }
        };
        let mut names = Names { bytes: [0; 1_024], left: 0 };
        let mut seen = HashSet::new();
        for _ in 0..1_000 {
            let mut name = [0_u8; 8];
            names.fill(&mut name, fetch);
            assert!(seen.insert(name));
        }
        let mut long = [0_u8; 4_096];
        names.fill(&mut long, fetch);
        assert!(long.chunks(8).all(|piece| seen.insert(piece.try_into().unwrap())));
    }
}
