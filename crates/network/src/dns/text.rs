//! Names as text: what is neither printed nor its own in a name is a backslash with three octal digits,
//! as Route 53 writes it, so that a dot is always one between labels.

/// A name of these labels, lower case and without the last dot.
#[must_use]
pub fn text_of<'a>(labels: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut out = String::new();
    for (number, label) in labels.into_iter().enumerate() {
        if number > 0 {
            out.push('.');
        }
        for byte in label {
            match byte.to_ascii_lowercase() {
                byte @ (b'.' | b'\\' | 0..=b' ' | 0x7F..) => out.push_str(&format!("\\{byte:03o}")),
                byte => out.push(char::from(byte)),
            }
        }
    }
    out
}

/// The labels of a name.
#[must_use]
pub fn labels_of(text: &str) -> Vec<Vec<u8>> {
    let text = text.strip_suffix('.').unwrap_or(text);
    if text.is_empty() {
        return Vec::new();
    }
    text.split('.').map(|label| unescaped(label.as_bytes())).collect()
}

fn unescaped(mut label: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let [first, rest @ ..] = label {
        label = rest;
        if let (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) =
            (first, rest)
        {
            out.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
            label = after;
        } else {
            out.push(*first);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_written_and_read() {
        let labels: [&[u8]; 3] = [b"*", b"0/25", b"A.b\xff"];
        assert_eq!(text_of(labels), "*.0/25.a\\056b\\377");
        assert_eq!(labels_of("a\\056b.c."), [b"a.b".to_vec(), b"c".to_vec()]);
        assert!(labels_of("").is_empty());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(labels: Vec<Vec<u8>>) {
            let labels: Vec<Vec<u8>> = labels
                .into_iter()
                .filter(|label| !label.is_empty())
                .map(|label| label.to_ascii_lowercase())
                .collect();
            let text = text_of(labels.iter().map(Vec::as_slice));
            prop_assert_eq!(labels_of(&text), labels);
        }
    }
}
