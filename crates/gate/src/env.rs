//! What the core may not fetch by itself: time and randomness. Both come in here, so that a test
//! holds them.

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
        jiff::Timestamp::from_millisecond(self.0)
            .map(|time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
            .unwrap_or_default()
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

    /// A random UUID (RFC 9562, version 4), as in request ids.
    #[must_use]
    pub fn uuid(&self) -> String {
        let mut bytes: [u8; 16] = self.bytes();
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        let mut text = String::with_capacity(36);
        for (place, byte) in bytes.into_iter().enumerate() {
            if matches!(place, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            let digits = [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16));
            text.extend(digits.into_iter().flatten());
        }
        text
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
