//! `application/x-www-form-urlencoded` parameters of the query protocols.

use std::borrow::Cow;
use std::cell::Cell;

use crate::DecodeFailure;

/// How many parts a parameter's name may have (`Filter.1.Value.2` has four).
const DEEPEST: usize = 64;

/// The parameters of a request, sorted by name so that those under a prefix stand together.
#[derive(Debug)]
pub(crate) struct Form<'a> {
    parameters: Vec<Parameter<'a>>,
}

#[derive(Debug)]
struct Parameter<'a> {
    name: Cow<'a, str>,
    value: Cow<'a, str>,
    used: Cell<bool>,
}

impl<'a> Form<'a> {
    /// Parses parameters from the body and from the query string of the request line, which count
    /// as one set. A name that comes twice is refused: which one counts would be a guess.
    pub(crate) fn parse(query: Option<&'a str>, body: &'a [u8]) -> Result<Self, DecodeFailure> {
        let body = std::str::from_utf8(body)
            .map_err(|_| DecodeFailure::Form("The request body is not valid UTF-8.".to_owned()))?;
        let mut parameters = Vec::new();
        for pair in query.unwrap_or_default().split('&').chain(body.split('&')) {
            if pair.is_empty() {
                continue;
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = unescape(name).map_err(|what| malformed("A parameter's name", what))?;
            if name.split('.').count() > DEEPEST {
                return Err(DecodeFailure::Form("A parameter's name has too many parts.".into()));
            }
            // the value is not quoted: it may be a secret
            let value = unescape(value).map_err(|what| {
                malformed(&format!("The value of the parameter {}", shorten(&name)), what)
            })?;
            parameters.push(Parameter { name, value, used: Cell::new(false) });
        }
        parameters.sort_by(|a, b| a.name.cmp(&b.name));
        for pair in parameters.windows(2) {
            if let [one, two] = pair
                && one.name == two.name
            {
                return Err(DecodeFailure::Form(format!(
                    "The parameter {} is given more than once.",
                    shorten(&one.name)
                )));
            }
        }
        Ok(Self { parameters })
    }

    /// The value of exactly this parameter, which counts as used from here on.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let index = self.parameters.binary_search_by(|it| it.name.as_ref().cmp(name)).ok()?;
        let parameter = self.parameters.get(index)?;
        parameter.used.set(true);
        Some(&parameter.value)
    }

    /// The parameters whose name starts with `prefix`.
    fn under(&self, prefix: &str) -> impl Iterator<Item = &Parameter<'a>> {
        let start = self.parameters.partition_point(|it| it.name.as_ref() < prefix);
        self.parameters.iter().skip(start).take_while(move |it| it.name.starts_with(prefix))
    }

    /// Whether a parameter's name starts with `prefix`.
    pub(crate) fn any_under(&self, prefix: &str) -> bool {
        self.under(prefix).next().is_some()
    }

    /// What stands next in the names after `prefix`, each once: `1`, `2` after `Filter.`.
    pub(crate) fn steps(&self, prefix: &str) -> Vec<&str> {
        let mut steps: Vec<&str> = Vec::new();
        for parameter in self.under(prefix) {
            let Some(rest) = parameter.name.get(prefix.len()..) else { continue };
            let step = rest.split_once('.').map_or(rest, |(step, _)| step);
            if steps.last() != Some(&step) {
                steps.push(step);
            }
        }
        steps.sort_unstable();
        steps.dedup();
        steps
    }

    /// The first parameter that nobody asked for.
    pub(crate) fn unused(&self) -> Option<&str> {
        self.parameters.iter().find(|it| !it.used.get()).map(|it| it.name.as_ref())
    }
}

/// What an error text may quote of a name that the caller chose.
pub(crate) fn shorten(text: &str) -> &str {
    const LONGEST: usize = 256;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => text.get(..end).unwrap_or_default(),
        None => text,
    }
}

fn malformed(which: &str, what: String) -> DecodeFailure {
    DecodeFailure::Form(format!("{which} {what}."))
}

pub(crate) fn unescape(text: &str) -> Result<Cow<'_, str>, String> {
    if !text.bytes().any(|byte| matches!(byte, b'+' | b'%')) {
        return checked(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
                let (high, low) = (digit(), digit());
                match (high, low) {
                    (Some(high), Some(low)) => (high * 16 + low) as u8,
                    _ => return Err("has a percent sign without two hex digits".to_owned()),
                }
            }
            other => other,
        });
    }
    let text = String::from_utf8(bytes).map_err(|_| "is not valid UTF-8".to_owned())?;
    checked(Cow::Owned(text))
}

/// Answers are XML, which cannot carry every character: refused here, so that nothing is stored
/// that could not be shown.
fn checked(text: Cow<'_, str>) -> Result<Cow<'_, str>, String> {
    match text.chars().find(|letter| !crate::xml::allowed(*letter)) {
        Some(letter) => {
            Err(format!("has the character U+{:04X}, which XML does not allow", u32::from(letter)))
        }
        None => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses() {
        let form = Form::parse(Some("Version=1"), b"Action=A+B%2fC&L.2=x&L.10.n=y&L.1&").unwrap();
        assert_eq!(form.get("Action"), Some("A B/C"));
        assert_eq!(form.get("Version"), Some("1"));
        assert_eq!(form.get("L.1"), Some(""));
        assert_eq!(form.steps("L."), ["1", "10", "2"]);
        assert!(form.any_under("L.10."));
        assert!(!form.any_under("M"));
        assert_eq!(form.unused(), Some("L.10.n"));
    }

    #[test]
    fn refuses() {
        for bad in ["a=%", "a=%4", "a=%zz", "a=%ff", "a=1&a=2", "a=%00", "a=%01"] {
            Form::parse(None, bad.as_bytes()).unwrap_err();
        }
        Form::parse(Some("a=1"), b"a=1").unwrap_err();
        Form::parse(None, &[0xff]).unwrap_err();
        Form::parse(None, "a.".repeat(65).as_bytes()).unwrap_err();
    }
}
