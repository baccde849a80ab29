//! Values of records: held to the form of their type, and made into what is sent (Route 53 Developer
//! Guide, "Supported DNS record types"; RFC 1035, 3.3 and 3.4; RFC 2782; RFC 8659).

use std::net::{Ipv4Addr, Ipv6Addr};

use sagegate_network::dns::{AAAA, CNAME, Data};

use super::name::Name;

/// The number of a type that is served (IANA, "DNS parameters").
pub(super) fn number(kind: &str) -> Option<u16> {
    Some(match kind {
        "A" => sagegate_network::dns::A,
        "NS" => 2,
        "CNAME" => CNAME,
        "SOA" => 6,
        "PTR" => 12,
        "MX" => 15,
        "TXT" => 16,
        "AAAA" => AAAA,
        "SRV" => 33,
        "SPF" => 99,
        "CAA" => 257,
        _ => return None,
    })
}

/// A value of this type.
///
/// # Errors
/// What is wrong with it, as Route 53 words it where that is known; the others are ours, in its form.
pub(super) fn parse(kind: &str, text: &str) -> Result<Data, String> {
    let problem = |what: &str| {
        format!("Invalid Resource Record: FATAL problem: {what} encountered with '{text}'")
    };
    let read = |what: &'static str, wire: Option<Vec<u8>>| match (wire, number(kind)) {
        (Some(wire), Some(kind)) => Ok(Data::Other { kind, text: text.to_owned(), wire }),
        _ => Err(problem(what)),
    };
    match kind {
        "A" => text
            .parse::<Ipv4Addr>()
            .map(Data::A)
            .map_err(|_| problem("ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)")),
        "AAAA" => text.parse::<Ipv6Addr>().map(Data::Aaaa).map_err(|_| {
            problem("AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address)")
        }),
        "CNAME" => Name::parse(text).map(|name| Data::Cname(name.asked())).ok_or_else(|| {
            problem("CNAMERRDATAIllegalDomainName (Value is not a valid domain name)")
        }),
        "NS" | "PTR" => read(
            "IllegalDomainName (Value is not a valid domain name)",
            Name::parse(text).map(|name| name.wire()),
        ),
        "MX" => read("MXRRDATANotTwoFields (MX record doesn't have 2 fields)", mx(text)),
        "SRV" => read("SRVRRDATANotFourFields (SRV record doesn't have 4 fields)", srv(text)),
        "SOA" => read("SOARRDATANotSevenFields (SOA record doesn't have 7 fields)", soa(text)),
        "CAA" => read("CAARRDATANotThreeFields (CAA record doesn't have 3 fields)", caa(text)),
        "TXT" | "SPF" => match strings(text) {
            Ok(wire) => read("", Some(wire)),
            Err(what) => Err(problem(what)),
        },
        _ => Err(problem("UnsupportedType (Sagegate does not answer for this type)")),
    }
}

fn fields<const N: usize>(text: &str) -> Option<[&str; N]> {
    text.split_ascii_whitespace().collect::<Vec<_>>().try_into().ok()
}

fn mx(text: &str) -> Option<Vec<u8>> {
    let [preference, exchange] = fields(text)?;
    let mut wire = preference.parse::<u16>().ok()?.to_be_bytes().to_vec();
    wire.extend(target(exchange)?);
    Some(wire)
}

fn srv(text: &str) -> Option<Vec<u8>> {
    let [priority, weight, port, host] = fields(text)?;
    let mut wire = Vec::new();
    for number in [priority, weight, port] {
        wire.extend(number.parse::<u16>().ok()?.to_be_bytes());
    }
    wire.extend(target(host)?);
    Some(wire)
}

/// A name, or the root: `.` says that there is no such service.
fn target(text: &str) -> Option<Vec<u8>> {
    if text == "." { Some(vec![0]) } else { Name::parse(text).map(|name| name.wire()) }
}

fn soa(text: &str) -> Option<Vec<u8>> {
    let [server, mailbox, serial, refresh, retry, expire, minimum] = fields(text)?;
    let mut wire = Name::parse(server)?.wire();
    wire.extend(Name::parse(mailbox)?.wire());
    for number in [serial, refresh, retry, expire, minimum] {
        wire.extend(number.parse::<u32>().ok()?.to_be_bytes());
    }
    Some(wire)
}

fn caa(text: &str) -> Option<Vec<u8>> {
    let (flags, rest) = text.trim().split_once(char::is_whitespace)?;
    let (tag, value) = rest.trim_start().split_once(char::is_whitespace)?;
    if tag.is_empty() || tag.len() > 15 || !tag.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let value = value.trim().strip_prefix('"')?.strip_suffix('"')?;
    if !value.is_ascii() || value.contains('"') {
        return None;
    }
    let mut wire = vec![flags.parse::<u8>().ok()?, u8::try_from(tag.len()).ok()?];
    wire.extend(tag.bytes());
    wire.extend(value.bytes());
    Some(wire)
}

/// Strings in quotation marks, with whitespace between them; `\"`, `\\` and octal numbers of three
/// digits within.
fn strings(text: &str) -> Result<Vec<u8>, &'static str> {
    const QUOTES: &str = "InvalidCharacterString (Value should be enclosed in quotation marks)";
    const LONG: &str = "CharacterStringTooLong (Value is too long)";
    let mut wire = Vec::new();
    let mut bytes = text.bytes().peekable();
    loop {
        while bytes.next_if(u8::is_ascii_whitespace).is_some() {}
        match bytes.next() {
            None if wire.is_empty() => return Err(QUOTES),
            None => return Ok(wire),
            Some(b'"') => {}
            Some(_) => return Err(QUOTES),
        }
        let mut string = Vec::new();
        loop {
            let byte = match bytes.next().ok_or(QUOTES)? {
                b'"' => break,
                b'\\' => match bytes.next().ok_or(QUOTES)? {
                    first @ b'0'..=b'7' => {
                        let mut digit = || bytes.next().and_then(|it| char::from(it).to_digit(8));
                        let rest = digit().zip(digit()).map(|(high, low)| high * 8 + low);
                        let number = u32::from(first - b'0') * 64 + rest.ok_or(QUOTES)?;
                        u8::try_from(number).map_err(|_| QUOTES)?
                    }
                    other => other,
                },
                other => other,
            };
            string.push(byte);
        }
        let length = u8::try_from(string.len()).map_err(|_| LONG)?;
        wire.push(length);
        wire.extend(string);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(kind: &str, text: &str) -> Option<Vec<u8>> {
        match parse(kind, text) {
            Ok(Data::Other { wire, .. }) => Some(wire),
            _ => None,
        }
    }

    #[test]
    fn values_are_sent_in_the_form_of_their_type() {
        assert_eq!(parse("A", "10.0.0.1"), Ok(Data::A([10, 0, 0, 1].into())));
        assert_eq!(parse("CNAME", "A.Example."), Ok(Data::Cname("a.example".into())));
        assert_eq!(wire("MX", "10 m.c").unwrap(), b"\0\x0a\x01m\x01c\0");
        assert_eq!(wire("SRV", "1 2 3 .").unwrap(), b"\0\x01\0\x02\0\x03\0");
        assert_eq!(wire("TXT", r#""a\"b" "\101""#).unwrap(), b"\x03a\"b\x01A");
        assert_eq!(wire("TXT", "\"é\"").unwrap(), b"\x02\xc3\xa9");
        assert_eq!(wire("TXT", "\"\"").unwrap(), b"\0");
        assert_eq!(wire("CAA", "0 issue \"ca.example\"").unwrap(), b"\0\x05issueca.example");
        assert_eq!(wire("SOA", "n. h. 1 2 3 4 5").unwrap().len(), 26);
        assert_eq!(wire("PTR", "a.").unwrap(), b"\x01a\0");
    }

    #[test]
    fn values_of_another_form_are_refused() {
        let long = format!("\"{}\"", "x".repeat(256));
        for (kind, text) in [
            ("A", "10.0.0"),
            ("A", "::1"),
            ("AAAA", "10.0.0.1"),
            ("CNAME", "a..b"),
            ("NS", ""),
            ("MX", "m.c"),
            ("MX", "70000 m.c"),
            ("SRV", "1 2 m.c"),
            ("SOA", "n. h. 1 2 3 4"),
            ("CAA", "0 issue ca.example"),
            ("CAA", "256 issue \"a\""),
            ("TXT", "a"),
            ("TXT", ""),
            ("TXT", "\"a"),
            ("TXT", "\"a\" b"),
            ("TXT", &long),
            ("DS", "1 2 3 4"),
        ] {
            parse(kind, text).unwrap_err();
        }
        assert_eq!(
            parse("A", "x").unwrap_err(),
            "Invalid Resource Record: FATAL problem: ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address) encountered with 'x'"
        );
    }
}
