//! Names of zones and records: read, compared, ordered and written as Route 53 does (Route 53 Developer
//! Guide, "DNS domain name format").

/// A name, lower case, label by label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name(Vec<Vec<u8>>);

/// The longest label, and the longest name as it is sent (RFC 1035, 2.3.4).
const LONGEST_LABEL: usize = 63;
const LONGEST_NAME: usize = 255;

impl Name {
    /// From text, with or without the dot at the end; `\052` stands for the character with that octal
    /// number. `None` where DNS has no such name, and for the root.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let mut labels = vec![Vec::new()];
        let mut bytes = text.bytes();
        while let Some(byte) = bytes.next() {
            let byte = match byte {
                b'.' => {
                    labels.push(Vec::new());
                    continue;
                }
                b'\\' => {
                    let mut digit = || bytes.next().and_then(|it| char::from(it).to_digit(8));
                    let number = digit()? * 64 + digit()? * 8 + digit()?;
                    u8::try_from(number).ok()?
                }
                other if other.is_ascii() && !other.is_ascii_control() => other,
                _ => return None,
            };
            labels.last_mut()?.push(byte.to_ascii_lowercase());
        }
        let fits = |label: &Vec<u8>| (1..=LONGEST_LABEL).contains(&label.len());
        let length: usize = labels.iter().map(|label| label.len() + 1).sum::<usize>() + 1;
        (labels.iter().all(fits) && length <= LONGEST_NAME).then_some(Self(labels))
    }

    /// As answers have it: everything but letters, digits, hyphens and underscores as an octal number,
    /// and a dot at the end.
    pub(super) fn shown(&self) -> String {
        self.0.iter().map(|label| written(label) + ".").collect()
    }

    /// What names are listed by: their labels from the last to the first, each with its dot.
    pub(super) fn order(&self) -> String {
        self.0.iter().rev().map(|label| written(label) + ".").collect()
    }

    /// As the resolver's questions have it: without the dot at the end; `*` at the beginning is a
    /// wildcard.
    pub(super) fn asked(&self) -> String {
        sagegate_network::dns::text_of(self.0.iter().map(Vec::as_slice))
    }

    /// As it is sent (RFC 1035, 3.1).
    pub(super) fn wire(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for label in &self.0 {
            out.extend(u8::try_from(label.len()));
            out.extend(label);
        }
        out.push(0);
        out
    }

    /// Whether it is `zone` or lies in it.
    pub(super) fn is_in(&self, zone: &Self) -> bool {
        self.0.ends_with(&zone.0)
    }
}

fn written(label: &[u8]) -> String {
    let letter = |byte: &u8| match byte {
        b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => char::from(*byte).to_string(),
        other => format!("\\{other:03o}"),
    };
    label.iter().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_one_way() {
        let of = |text: &str| Name::parse(text).map(|name| name.shown());
        assert_eq!(of("WWW.Example.com").as_deref(), Some("www.example.com."));
        assert_eq!(of("*.example.com.").as_deref(), Some("\\052.example.com."));
        assert_eq!(of("\\052.example.com").as_deref(), Some("\\052.example.com."));
        assert_eq!(of("a b.c").as_deref(), Some("a\\040b.c."));
        assert_eq!(of("\\141.c").as_deref(), Some("a.c."));
        let long = "a".repeat(64);
        for bad in ["", ".", "a..b", ".a", "a\\9", "a\\400", "é.com", "a\u{7}", &long] {
            assert_eq!(of(bad), None, "{bad}");
        }
        assert_eq!(of(&vec!["a".repeat(63); 4].join(".")), None);
    }

    #[test]
    fn names_are_ordered_from_the_last_label() {
        let mut names: Vec<Name> = ["b.com", "a.com", "com", "z.a.com", "*.a.com", "a-b.com"]
            .iter()
            .map(|text| Name::parse(text).unwrap())
            .collect();
        names.sort_by_key(Name::order);
        let shown: Vec<String> = names.iter().map(Name::shown).collect();
        assert_eq!(shown, ["com.", "a-b.com.", "a.com.", "\\052.a.com.", "z.a.com.", "b.com."]);
    }

    #[test]
    fn the_resolver_asks_for_a_wildcard_by_its_star() {
        let name = Name::parse("\\052.a\\056b.com").unwrap();
        assert_eq!(name.asked(), "*.a\\056b.com");
        assert_eq!(name.wire(), b"\x01*\x03a.b\x03com\x00");
        let zone = Name::parse("com").unwrap();
        assert!(name.is_in(&zone) && zone.is_in(&zone) && !zone.is_in(&name));
    }
}
