//! The canonical request: the one spelling of a request that is signed.

use std::borrow::Cow;

use http::HeaderMap;

/// Drops empty and `.` segments of a raw path and resolves `..`, as every service but S3 sees it.
/// Nothing is decoded: `%2e` is not a dot. Works as botocore's `normalize_url_path` does, which
/// differs from RFC 3986 section 5.2.4 in that a last `.` or `..` leaves no slash behind.
#[must_use]
pub fn normalize_path(path: &str) -> Cow<'_, str> {
    if path.is_empty() {
        return Cow::Borrowed("/");
    }
    let needs_work = path.contains("//") || path.contains("/.") || !path.starts_with('/');
    if !needs_work {
        return Cow::Borrowed(path);
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            _ => segments.push(segment),
        }
    }
    let mut out = String::with_capacity(path.len() + 1);
    for segment in &segments {
        out.push('/');
        out.push_str(segment);
    }
    if segments.is_empty() || path.ends_with('/') {
        out.push('/');
    }
    Cow::Owned(out)
}

/// Which of the equal spellings of a request is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    /// As it was sent (botocore signs this).
    Sent,
    /// Decoded, and encoded again by the rule (the Rust, Go and JavaScript SDKs sign this).
    Reencoded,
}

/// Appends the path as all services but S3 sign it: normalised, and encoded once more.
pub(super) fn push_standard_path(out: &mut Vec<u8>, path: &str) {
    push_encoded(out, normalize_path(path).as_bytes(), true);
}

/// Appends the path as S3 signs it: neither normalised nor encoded twice.
pub(super) fn push_s3_path(out: &mut Vec<u8>, path: &str, spelling: Spelling) {
    match spelling {
        Spelling::Sent if path.is_empty() => out.push(b'/'),
        Spelling::Sent => out.extend_from_slice(path.as_bytes()),
        Spelling::Reencoded => push_encoded(out, &decode(path, false), true),
    }
}

/// Appends the query with its pairs sorted, `X-Amz-Signature` left out of a presigned one.
pub(super) fn push_query(out: &mut Vec<u8>, query: &str, presigned: bool, spelling: Spelling) {
    if query.is_empty() {
        return;
    }
    let signature = |name: &str| presigned && &*decode(name, true) == b"X-Amz-Signature";
    // botocore signs `a&&b` as three pairs, the other SDKs as two.
    let keep_empty = spelling == Spelling::Sent;
    let pairs = query
        .split('&')
        .filter(|pair| keep_empty || !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .filter(|(name, _)| !signature(name));
    match spelling {
        Spelling::Sent => {
            let mut pairs: Vec<(&str, &str)> = pairs.collect();
            pairs.sort_unstable();
            for (index, (name, value)) in pairs.iter().enumerate() {
                if index > 0 {
                    out.push(b'&');
                }
                out.extend_from_slice(name.as_bytes());
                out.push(b'=');
                out.extend_from_slice(value.as_bytes());
            }
        }
        Spelling::Reencoded => {
            let mut encoded: Vec<(Vec<u8>, Vec<u8>)> =
                pairs.map(|(name, value)| (reencode(name), reencode(value))).collect();
            encoded.sort_unstable();
            for (index, (name, value)) in encoded.iter().enumerate() {
                if index > 0 {
                    out.push(b'&');
                }
                out.extend_from_slice(name);
                out.push(b'=');
                out.extend_from_slice(value);
            }
        }
    }
}

fn reencode(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 8);
    push_encoded(&mut out, &decode(text, true), false);
    out
}

/// Appends the lines of the signed headers, each ended by a line feed. False when one of them is
/// not in the request.
pub(super) fn push_headers(out: &mut Vec<u8>, signed: &str, headers: &HeaderMap) -> bool {
    for name in signed.split(';').filter(|name| !name.is_empty()) {
        let before = out.len();
        let mut separator = b':';
        // Compared with each: a request has some ten headers, and each look into the map would hash the name.
        for (_, value) in headers.iter().filter(|(known, _)| known.as_str() == name) {
            if separator == b':' {
                out.extend_from_slice(name.as_bytes());
            }
            out.push(separator);
            push_trimmed(out, value.as_bytes());
            separator = b',';
        }
        if out.len() == before {
            return false;
        }
        out.push(b'\n');
    }
    true
}

/// Appends a header's value without outer white space, inner runs of it folded to one space.
fn push_trimmed(out: &mut Vec<u8>, value: &[u8]) {
    let white = |byte: &u8| (*byte == b' ') | (*byte == b'\t');
    // Most have none; looking without a branch for each byte is quick.
    if !value.iter().fold(false, |any, byte| any | white(byte)) {
        out.extend_from_slice(value);
        return;
    }
    let words = value.split(white).filter(|word| !word.is_empty());
    for (index, word) in words.enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
}

/// Percent-encodes all but the unreserved characters of RFC 3986, and `/` where `keep_slash`.
fn push_encoded(out: &mut Vec<u8>, bytes: &[u8], keep_slash: bool) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(*byte),
            b'/' if keep_slash => out.push(b'/'),
            _ => {
                let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0');
                out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
            }
        }
    }
}

/// Decodes `%XX`, and `+` to a space where `plus`. A `%` without two hexadecimal digits stands for
/// itself.
pub(super) fn decode(text: &str, plus: bool) -> Cow<'_, [u8]> {
    let bytes = text.as_bytes();
    if !bytes.iter().any(|byte| *byte == b'%' || (plus && *byte == b'+')) {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        match (first, tail) {
            (b'+', _) if plus => out.push(b' '),
            (b'%', [high, low, after @ ..]) => match (nibble(*high), nibble(*low)) {
                (Some(high), Some(low)) => {
                    out.push(high << 4 | low);
                    rest = after;
                }
                _ => out.push(b'%'),
            },
            _ => out.push(*first),
        }
    }
    Cow::Owned(out)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}
