//! The values that conditions compare: decimals, instants, addresses.
//!
//! Reading a request's value allocates nothing, except for a number in exponent notation.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

/// Digits that an exponent may add. Beyond it a number is not one that a policy compares.
const MAX_EXPONENT: usize = 400;

/// A decimal number of any size, exact: `0.1` is `0.1`, and neighbours beyond 2^53 stay apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decimal<'a> {
    negative: bool,
    /// Without leading zeros; empty for zero.
    whole: Cow<'a, str>,
    /// Without trailing zeros.
    fraction: Cow<'a, str>,
}

impl<'a> Decimal<'a> {
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent)),
            None => (text, None),
        };
        let (negative, digits) = match mantissa.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction)
        {
            return None;
        }
        let (whole, fraction) = match exponent {
            None => (Cow::Borrowed(whole), Cow::Borrowed(fraction)),
            Some(exponent) => shift(whole, fraction, exponent)?,
        };
        let whole = trim(whole, |text| text.trim_start_matches('0'));
        let fraction = trim(fraction, |text| text.trim_end_matches('0'));
        let zero = whole.is_empty() && fraction.is_empty();
        Some(Self { negative: negative && !zero, whole, fraction })
    }

    pub(crate) fn into_owned(self) -> Decimal<'static> {
        Decimal {
            negative: self.negative,
            whole: Cow::Owned(self.whole.into_owned()),
            fraction: Cow::Owned(self.fraction.into_owned()),
        }
    }

    pub(crate) fn compare(&self, other: &Decimal<'_>) -> Ordering {
        let size = || {
            let whole =
                self.whole.len().cmp(&other.whole.len()).then_with(|| self.whole.cmp(&other.whole));
            whole.then_with(|| self.fraction.cmp(&other.fraction))
        };
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => size(),
            (true, true) => size().reverse(),
        }
    }
}

fn trim<'a>(text: Cow<'a, str>, trim: impl Fn(&str) -> &str) -> Cow<'a, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(trim(text)),
        Cow::Owned(text) => Cow::Owned(trim(&text).to_owned()),
    }
}

/// Moves the point of `whole.fraction` by the exponent.
fn shift(
    whole: &str,
    fraction: &str,
    exponent: &str,
) -> Option<(Cow<'static, str>, Cow<'static, str>)> {
    let (left, digits) = match exponent.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, exponent.strip_prefix('+').unwrap_or(exponent)),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let by = digits.parse::<usize>().ok().filter(|by| *by <= MAX_EXPONENT)?;
    let zeros = "0".repeat(by);
    let (whole, fraction) = if left {
        let padded = format!("{zeros}{whole}");
        let (head, tail) = padded.split_at_checked(padded.len() - by)?;
        (head.to_owned(), format!("{tail}{fraction}"))
    } else {
        let padded = format!("{fraction}{zeros}");
        let (head, tail) = padded.split_at_checked(by)?;
        (format!("{whole}{head}"), tail.to_owned())
    };
    Some((Cow::Owned(whole), Cow::Owned(fraction)))
}

/// An instant, in nanoseconds since 1970-01-01T00:00:00Z.
///
/// Read from seconds since the epoch (a fraction is allowed), or from one of the ISO 8601 forms of the W3C note
/// "Date and Time Formats" that have at least a month: `2026-01`, `2026-01-31`, `2026-01-31T10:00Z`,
/// `2026-01-31T10:00:00.25+01:00`. A time without a zone is UTC. A bare `2026` is seconds, not a year.
pub(crate) fn parse_instant(text: &str) -> Option<i128> {
    parse_epoch(text).or_else(|| parse_iso(text))
}

const NANOS: i128 = 1_000_000_000;

fn parse_epoch(text: &str) -> Option<i128> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let seconds = number(whole, 1, 15)?;
    let nanos = i128::from(seconds) * NANOS + nanos(fraction)?;
    Some(if negative { -nanos } else { nanos })
}

/// A fraction of a second in nanoseconds; further digits are cut off.
fn nanos(fraction: &str) -> Option<i128> {
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut digits = fraction.bytes();
    let mut value = 0;
    for _ in 0..9 {
        value = value * 10 + i128::from(digits.next().map_or(0, |byte| byte - b'0'));
    }
    Some(value)
}

/// An unsigned number of `min` to `max` digits.
fn number(text: &str, min: usize, max: usize) -> Option<i64> {
    let fits = (min..=max).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if fits { text.parse().ok() } else { None }
}

fn parse_iso(text: &str) -> Option<i128> {
    let (date, time) = match text.split_once(['T', 't']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let year = number(parts.next()?, 4, 4)?;
    let month = number(parts.next()?, 2, 2)?;
    let day = match parts.next() {
        Some(day) => number(day, 2, 2)?,
        None if time.is_none() => 1,
        None => return None,
    };
    if parts.next().is_some() || !(1..=12).contains(&month) || day < 1 || day > days_in(year, month)
    {
        return None;
    }
    let midnight = i128::from(days_from_epoch(year, month, day)) * 86_400 * NANOS;
    Some(midnight + time.map_or(Some(0), parse_time)?)
}

fn parse_time(text: &str) -> Option<i128> {
    let zone = text.rfind(['Z', 'z', '+', '-']);
    let (clock, zone) = match zone {
        Some(at) => text.split_at_checked(at)?,
        None => (text, "Z"),
    };
    let offset = match zone {
        "Z" | "z" => 0,
        _ => {
            let (hours, minutes) = zone.get(1..)?.split_once(':')?;
            let seconds = number(hours, 2, 2).filter(|hours| *hours <= 23)? * 3600
                + number(minutes, 2, 2).filter(|minutes| *minutes <= 59)? * 60;
            if zone.starts_with('-') { -seconds } else { seconds }
        }
    };
    let mut parts = clock.split(':');
    let hours = number(parts.next()?, 2, 2).filter(|hours| *hours <= 23)?;
    let minutes = number(parts.next()?, 2, 2).filter(|minutes| *minutes <= 59)?;
    let (seconds, fraction) = match parts.next() {
        Some(seconds) => match seconds.split_once('.') {
            Some((seconds, fraction)) => (seconds, nanos(fraction)?),
            None => (seconds, 0),
        },
        None => ("00", 0),
    };
    let seconds = number(seconds, 2, 2).filter(|seconds| *seconds <= 60)?;
    if parts.next().is_some() {
        return None;
    }
    Some(i128::from(hours * 3600 + minutes * 60 + seconds - offset) * NANOS + fraction)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar, counted in years that begin in March.
fn days_from_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// An address of a request. An IPv4 address that a dual-stack socket reports in its IPv6-mapped form is that IPv4
/// address; apart from that the two families never match each other.
pub(crate) fn parse_address(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// A CIDR range of a policy, or a single address. Bits beyond the prefix are ignored.
pub(crate) fn parse_range(text: &str) -> Option<IpNet> {
    let range = match text.split_once('/') {
        None => IpNet::from(text.parse::<IpAddr>().ok()?),
        Some((address, length)) => {
            IpNet::new(address.parse().ok()?, u8::try_from(number(length, 1, 3)?).ok()?).ok()?
        }
    };
    Some(match range {
        IpNet::V6(net) if net.prefix_len() >= 96 => match net.addr().to_ipv4_mapped() {
            Some(address) => mapped(address, net.prefix_len())?,
            None => range,
        },
        _ => range,
    })
}

fn mapped(address: Ipv4Addr, prefix: u8) -> Option<IpNet> {
    Ipv4Net::new(address, prefix.checked_sub(96)?).ok().map(IpNet::V4)
}

/// Whether a text is `true` or `false`, letter case aside.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn order(a: &str, b: &str) -> Ordering {
        Decimal::parse(a).unwrap().compare(&Decimal::parse(b).unwrap())
    }

    #[test]
    fn decimals_are_exact() {
        assert_eq!(order("9007199254740993", "9007199254740992"), Ordering::Greater);
        assert_eq!(order("0.1", "0.10"), Ordering::Equal);
        assert_eq!(order("-0", "0"), Ordering::Equal);
        assert_eq!(order("-2", "-10"), Ordering::Greater);
        assert_eq!(order("010", "10"), Ordering::Equal);
        assert_eq!(order("1e3", "1000"), Ordering::Equal);
        assert_eq!(order("1.5E-1", ".15"), Ordering::Equal);
        assert_eq!(order("-1.25", "-1.5"), Ordering::Greater);
        for bad in
            ["", "-", ".", "9abc", "0x10", " 1", "1 ", "1e", "1e999", "NaN", "inf", "1_0", "--1"]
        {
            assert_eq!(Decimal::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn instants() {
        let at = |text| parse_instant(text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(at("0"), 0);
        assert_eq!(at("1970-01-01T00:00:00Z"), 0);
        assert_eq!(at("1767225600"), at("2026-01-01T00:00:00Z"));
        assert_eq!(at("2026-01-01"), at("2026-01-01T00:00Z"));
        assert_eq!(at("2026-01"), at("2026-01-01"));
        assert_eq!(at("2026-01-01T01:30:00+01:30"), at("2026-01-01T00:00:00"));
        assert_eq!(at("2025-12-31T23:00:00.5-01:00"), at("2026-01-01T00:00:00.500Z"));
        assert_eq!(at("1767225600.5"), at("2026-01-01T00:00:00.500Z"));
        assert_eq!(at("2024-02-29"), at("1709164800"));
        for bad in [
            "",
            "x",
            "2026-13-01",
            "2025-02-29",
            "2026-01-01T",
            "2026-01-01T24:00:00Z",
            "2026-1-1",
            "2026-01-01T10Z",
            "T",
            "2026-01-01T00:00:00+1",
            "2026-01-01 00:00:00Z",
            "-2026-01-01",
        ] {
            assert_eq!(parse_instant(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn addresses() {
        let inside = |range: &str, address: &str| {
            parse_range(range).unwrap().contains(&parse_address(address).unwrap())
        };
        assert!(inside("203.0.113.7/24", "203.0.113.200"));
        assert!(inside("203.0.113.7", "203.0.113.7"));
        assert!(inside("203.0.113.0/24", "::ffff:203.0.113.9"));
        assert!(inside("::ffff:203.0.113.0/120", "203.0.113.9"));
        assert!(inside("2001:DB8::/32", "2001:0db8:0:0:0:0:0:1"));
        assert!(!inside("::/0", "203.0.113.9"));
        assert!(!inside("0.0.0.0/0", "2001:db8::1"));
        for bad in
            ["", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/+8", "::/129", "10.0.0.0/", "010.0.0.1", "*"]
        {
            assert_eq!(parse_range(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn decimals_order_like_integers(a in any::<i64>(), b in any::<i64>()) {
            prop_assert_eq!(order(&a.to_string(), &b.to_string()), a.cmp(&b));
        }

        #[test]
        fn instants_agree_with_a_calendar(seconds in -60_000_000_000i64..200_000_000_000) {
            let text = jiff::Timestamp::from_second(seconds).unwrap().to_string();
            prop_assert_eq!(parse_instant(&text), Some(i128::from(seconds) * NANOS));
        }

        #[test]
        fn nothing_panics(text in "\\PC{0,24}", near in "[0-9TZ:.+/eE-]{0,32}") {
            for text in [&text, &near] {
                let _ = (parse_instant(text), parse_range(text), parse_address(text));
                if let Some(number) = Decimal::parse(text) {
                    prop_assert_eq!(number.compare(&number.clone().into_owned()), Ordering::Equal);
                }
            }
        }
    }
}
