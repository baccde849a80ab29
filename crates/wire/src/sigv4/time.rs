//! The time stamp of a request.

use jiff::civil::DateTime;
use jiff::tz::Offset;

/// The moment at which a request says it was signed, to the second.
///
/// Read from the basic form of ISO 8601 (`20150830T123600Z`) or from an HTTP date
/// (`Sun, 30 Aug 2015 12:36:00 GMT`, RFC 9110 section 5.6.7; botocore writes `-0000` for the zone).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    seconds: i64,
    basic: [u8; 16],
}

impl Timestamp {
    /// From seconds since 1970-01-01T00:00:00Z; `None` outside of the years 0 to 9999.
    #[must_use]
    pub fn from_unix_seconds(seconds: i64) -> Option<Self> {
        let instant = jiff::Timestamp::from_second(seconds).ok()?;
        Self::from_civil(Offset::UTC.to_datetime(instant))
    }

    /// From milliseconds since 1970-01-01T00:00:00Z, rounded down.
    #[must_use]
    pub fn from_unix_millis(millis: i64) -> Option<Self> {
        Self::from_unix_seconds(millis.div_euclid(1000))
    }

    /// Reads `20150830T123600Z`.
    #[must_use]
    pub fn parse_basic(text: &str) -> Option<Self> {
        let bytes: &[u8; 16] = text.as_bytes().try_into().ok()?;
        let [y1, y2, y3, y4, m1, m2, d1, d2, b'T', h1, h2, i1, i2, s1, s2, b'Z'] = *bytes else {
            return None;
        };
        let year = pair(y1, y2)? * 100 + pair(y3, y4)?;
        Self::from_fields(
            year,
            pair(m1, m2)?,
            pair(d1, d2)?,
            pair(h1, h2)?,
            pair(i1, i2)?,
            pair(s1, s2)?,
        )
    }

    /// Reads `Sun, 30 Aug 2015 12:36:00 GMT`, with `GMT`, `UTC`, `+0000` or `-0000`.
    #[must_use]
    pub fn parse_http(text: &str) -> Option<Self> {
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let (weekday, rest) = text.split_once(", ")?;
        if weekday.len() != 3 {
            return None;
        }
        let mut words = rest.split(' ');
        let day = number(words.next()?, 2)?;
        let month = words.next()?;
        let month = MONTHS.iter().zip(1_i16..).find(|(name, _)| **name == month)?.1;
        let year = number(words.next()?, 4)?;
        let mut clock = words.next()?.split(':');
        let hour = number(clock.next()?, 2)?;
        let minute = number(clock.next()?, 2)?;
        let second = number(clock.next()?, 2)?;
        let zone = words.next()?;
        let known_zone = matches!(zone, "GMT" | "UTC" | "+0000" | "-0000");
        if clock.next().is_some() || words.next().is_some() || !known_zone {
            return None;
        }
        Self::from_fields(year, month, day, hour, minute, second)
    }

    fn from_fields(
        year: i16,
        month: i16,
        day: i16,
        hour: i16,
        minute: i16,
        second: i16,
    ) -> Option<Self> {
        let small = |field: i16| i8::try_from(field).ok();
        let civil = DateTime::new(
            year,
            small(month)?,
            small(day)?,
            small(hour)?,
            small(minute)?,
            small(second)?,
            0,
        );
        Self::from_civil(civil.ok()?)
    }

    fn from_civil(civil: DateTime) -> Option<Self> {
        let seconds = Offset::UTC.to_timestamp(civil).ok()?.as_second();
        let year = civil.year();
        let two = |field: i16| -> Option<[u8; 2]> {
            let field = u8::try_from(field).ok().filter(|field| *field < 100)?;
            Some([b'0' + field / 10, b'0' + field % 10])
        };
        let [y1, y2] = two(year.div_euclid(100))?;
        let [y3, y4] = two(year.rem_euclid(100))?;
        let [m1, m2] = two(civil.month().into())?;
        let [d1, d2] = two(civil.day().into())?;
        let [h1, h2] = two(civil.hour().into())?;
        let [i1, i2] = two(civil.minute().into())?;
        let [s1, s2] = two(civil.second().into())?;
        let basic = [y1, y2, y3, y4, m1, m2, d1, d2, b'T', h1, h2, i1, i2, s1, s2, b'Z'];
        Some(Self { seconds, basic })
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn unix_seconds(&self) -> i64 {
        self.seconds
    }

    /// `20150830T123600Z`.
    #[must_use]
    pub fn basic(&self) -> &str {
        std::str::from_utf8(&self.basic).unwrap_or_default()
    }

    /// `20150830`: the date of a credential scope.
    #[must_use]
    pub fn date(&self) -> &str {
        self.basic().get(..8).unwrap_or_default()
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.basic())
    }
}

fn pair(tens: u8, ones: u8) -> Option<i16> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| i16::from(byte - b'0'));
    Some(digit(tens)? * 10 + digit(ones)?)
}

fn number(text: &str, width: usize) -> Option<i16> {
    let digits = text.len() == width && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}
