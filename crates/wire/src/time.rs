//! Points in time as text.

use sagegate_model::Timestamp;

/// The years 1 to 9999 are what ISO 8601 can write; jiff ends 26 hours before the last, so that
/// every time zone fits.
const LAST: i64 = 253_402_207_200_000;
const FIRST: i64 = -62_135_596_800_000;

/// ISO 8601 in UTC; milliseconds are written only where there are any.
pub(crate) fn iso8601(time: Timestamp) -> String {
    let millis = time.as_millis().clamp(FIRST, LAST);
    let mut text = whole_seconds(millis);
    let rest = millis.rem_euclid(1000);
    if rest > 0 && text.pop().is_some() {
        text.push_str(&format!(".{rest:03}Z"));
    }
    text
}

/// `2026-11-22T12:00:00Z`: milliseconds since 1970 in UTC, rounded down to the second; empty outside
/// of what `jiff` can tell. Every request writes several of these, and a format that is read anew
/// for each of them costs more than the date does.
#[must_use]
pub fn whole_seconds(millis: i64) -> String {
    let Ok(time) = jiff::Timestamp::from_millisecond(millis) else { return String::new() };
    let at = jiff::tz::Offset::UTC.to_datetime(time);
    let Ok(year) = u16::try_from(at.year()) else {
        return time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    };
    let two = |number: i8| two_digits(number.unsigned_abs().into());
    let ([a, b], [c, d]) = (two_digits(year / 100), two_digits(year % 100));
    let ([e, f], [g, h]) = (two(at.month()), two(at.day()));
    let ([i, j], [k, l], [m, n]) = (two(at.hour()), two(at.minute()), two(at.second()));
    let text = [a, b, c, d, b'-', e, f, b'-', g, h, b'T', i, j, b':', k, l, b':', m, n, b'Z'];
    std::str::from_utf8(&text).unwrap_or_default().to_owned()
}

/// The two digits of a number below 100.
fn two_digits(number: u16) -> [u8; 2] {
    [number / 10 % 10, number % 10].map(|digit| b'0' + u8::try_from(digit).unwrap_or_default())
}

/// Seconds since the epoch as a JSON number, with three decimals where they are not zero.
pub(crate) fn epoch_seconds(time: Timestamp) -> String {
    let millis = time.as_millis();
    let mut text = (millis.unsigned_abs() / 1000).to_string();
    if millis < 0 {
        text.insert(0, '-');
    }
    let rest = millis.unsigned_abs() % 1000;
    if rest > 0 {
        let digit = |unit| char::from(b'0' + u8::try_from(rest / unit % 10).unwrap_or_default());
        text.extend(['.', digit(100), digit(10), digit(1)]);
    }
    text
}

/// ISO 8601 with a zone, or seconds since the epoch.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return bounded(time.as_millisecond());
    }
    from_seconds(text.parse().ok()?)
}

/// From seconds since the epoch, rounded to milliseconds.
pub(crate) fn from_seconds(seconds: f64) -> Option<Timestamp> {
    let millis = (seconds * 1000.0).round();
    // NaN fails both comparisons
    if millis >= FIRST as f64 && millis <= LAST as f64 { bounded(millis as i64) } else { None }
}

fn bounded(millis: i64) -> Option<Timestamp> {
    (FIRST..=LAST).contains(&millis).then_some(Timestamp::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_seconds_are_those_of_jiff() {
        let mut millis = -377_705_023_201_000_i64;
        while millis < 253_402_207_200_000 {
            let by_format = jiff::Timestamp::from_millisecond(millis).unwrap();
            let expected = by_format.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
            assert_eq!(whole_seconds(millis), expected, "{millis}");
            millis += 61_803_398_874_989 / 1_000 + millis.rem_euclid(7);
        }
        for millis in [0, -1, -1_000, 999, 951_782_399_999, 951_782_400_000, 1_709_251_199_001] {
            let by_format = jiff::Timestamp::from_millisecond(millis).unwrap();
            let expected = by_format.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
            assert_eq!(whole_seconds(millis), expected, "{millis}");
        }
        assert_eq!(whole_seconds(i64::MAX), "");
    }

    #[test]
    fn texts() {
        let time = Timestamp::from_millis(1_700_000_000_123);
        assert_eq!(iso8601(time), "2023-11-14T22:13:20.123Z");
        assert_eq!(epoch_seconds(time), "1700000000.123");
        assert_eq!(epoch_seconds(Timestamp::from_seconds(5)), "5");
        assert_eq!(epoch_seconds(Timestamp::from_millis(-1)), "-0.001");
        assert_eq!(parse("2023-11-14T22:13:20.123Z"), Some(time));
        assert_eq!(parse("2023-11-14T23:13:20.123+01:00"), Some(time));
        assert_eq!(parse("1700000000.123"), Some(time));
        for bad in ["", "yesterday", "NaN", "inf", "1e300", "2023-13-14T22:13:20Z"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        assert_eq!(iso8601(Timestamp::from_millis(i64::MAX)), "9999-12-30T22:00:00Z");
    }
}
