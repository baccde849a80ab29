//! Points in time as text.

use sagegate_model::Timestamp;

/// The years 1 to 9999 are what ISO 8601 can write; jiff ends 26 hours before the last, so that
/// every time zone fits.
const LAST: i64 = 253_402_207_200_000;
const FIRST: i64 = -62_135_596_800_000;

/// ISO 8601 in UTC; milliseconds are written only where there are any.
pub(crate) fn iso8601(time: Timestamp) -> String {
    let millis = time.as_millis().clamp(FIRST, LAST);
    match jiff::Timestamp::from_millisecond(millis) {
        Ok(time) if millis % 1000 == 0 => time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        Ok(time) => time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(),
        Err(_) => String::new(),
    }
}

/// Seconds since the epoch as a JSON number, with three decimals where they are not zero.
pub(crate) fn epoch_seconds(time: Timestamp) -> String {
    let millis = time.as_millis();
    let (sign, size) = (if millis < 0 { "-" } else { "" }, millis.unsigned_abs());
    match (size / 1000, size % 1000) {
        (seconds, 0) => format!("{sign}{seconds}"),
        (seconds, rest) => format!("{sign}{seconds}.{rest:03}"),
    }
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
