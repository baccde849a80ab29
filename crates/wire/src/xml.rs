//! Answers of `awsQuery`, `ec2Query` and `restXml`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use sagegate_model::{Kind, ListSchema, Location, Member, Protocol, Struct, View};
use sagegate_model::{OperationSchema, ServiceSchema, ShapeSchema};

use crate::time;

/// How REST answers begin.
pub(crate) const DECLARATION: &str = "<?xml version=\"1.0\"?>\n";

/// Whether XML 1.0 can carry this character.
pub(crate) fn allowed(letter: char) -> bool {
    matches!(letter, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// Text between tags. What XML cannot carry is refused on the way in; the replacement character
/// stands for it here all the same, so that an answer is always well-formed.
pub(crate) fn text(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some((plain, after)) =
        run_of_plain(rest.as_bytes()).and_then(|at| rest.split_at_checked(at))
    {
        out.push_str(plain);
        let mut letters = after.chars();
        match letters.next() {
            Some('&') => out.push_str("&amp;"),
            Some('<') => out.push_str("&lt;"),
            Some('>') => out.push_str("&gt;"),
            // a parser would make a line feed of it
            Some('\r') => out.push_str("&#xD;"),
            Some(letter) if allowed(letter) => out.push(letter),
            _ => out.push('\u{FFFD}'),
        }
        rest = letters.as_str();
    }
    out.push_str(rest);
}

/// Whether a letter may begin with this byte that cannot be written as it is: the rest is copied in
/// runs. The only such letters beyond ASCII, U+FFFE and U+FFFF, begin with 0xEF.
const fn stops(byte: u8) -> bool {
    let written = (byte == b'&') | (byte == b'<') | (byte == b'>') | (byte == 0xEF);
    written | ((byte < b' ') & (byte != b'\t') & (byte != b'\n'))
}

/// How many bytes from the beginning can be written as they are, where not all can.
fn run_of_plain(bytes: &[u8]) -> Option<usize> {
    let skipped = clean_blocks(bytes, stops);
    let rest = bytes.get(skipped..)?;
    rest.iter().position(|byte| stops(*byte)).map(|at| skipped + at)
}

/// How many bytes from the beginning, sixteen by sixteen but for the end, have nothing that `stops`.
/// Where that is made without a branch, the compiler looks at sixteen bytes in a few instructions.
pub(crate) fn clean_blocks(bytes: &[u8], stops: impl Fn(u8) -> bool) -> usize {
    let clean = |block: &[u8; 16]| !block.iter().fold(false, |any, byte| any | stops(*byte));
    let (blocks, rest) = bytes.as_chunks::<16>();
    let blocks = blocks.iter().take_while(|block| clean(block)).count() * 16;
    // The last sixteen, some of which have been looked at already.
    if blocks + rest.len() == bytes.len() && bytes.last_chunk().is_some_and(clean) {
        return bytes.len();
    }
    blocks
}

/// An element with text in it.
pub(crate) fn leaf(out: &mut String, name: &str, content: &str) {
    open(out, name);
    text(out, content);
    close(out, name);
}

pub(crate) fn open(out: &mut String, name: &str) {
    out.push('<');
    out.push_str(name);
    out.push('>');
}

pub(crate) fn close(out: &mut String, name: &str) {
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

/// The root element, which carries the namespace.
pub(crate) fn root(out: &mut String, name: &str, namespace: &str) {
    out.push('<');
    out.push_str(name);
    if !namespace.is_empty() {
        out.push_str(" xmlns=\"");
        text(out, namespace);
        out.push('"');
    }
    out.push('>');
}

/// An answer with its envelope.
pub(crate) fn encode(
    protocol: Protocol,
    service: &ServiceSchema,
    operation: &OperationSchema,
    value: &dyn Struct,
    request_id: &str,
) -> String {
    let mut out = String::with_capacity(512);
    let envelope = format!("{}Response", operation.name);
    match protocol {
        Protocol::Ec2 => {
            out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
            root(&mut out, &envelope, &format!("{}/", service.xml_namespace));
            leaf(&mut out, "requestId", request_id);
            if operation.output.is_none() {
                // how EC2 says that an operation without an answer has succeeded
                leaf(&mut out, "return", "true");
            }
            structure(&mut out, value);
        }
        Protocol::RestXml => {
            // Named by its shape; the request's id is in a header.
            return document(value.schema().name, service.xml_namespace, value);
        }
        Protocol::Query | Protocol::Json10 | Protocol::Json11 => {
            root(&mut out, &envelope, service.xml_namespace);
            match operation.result_wrapper {
                Some(wrapper) => {
                    open(&mut out, wrapper);
                    structure(&mut out, value);
                    close(&mut out, wrapper);
                }
                None => structure(&mut out, value),
            }
            open(&mut out, "ResponseMetadata");
            leaf(&mut out, "RequestId", request_id);
            close(&mut out, "ResponseMetadata");
        }
    }
    close(&mut out, &envelope);
    out
}

/// A document of a REST protocol.
pub(crate) fn document(name: &str, namespace: &str, value: &dyn Struct) -> String {
    let mut out = String::from(DECLARATION);
    root(&mut out, name, namespace);
    structure(&mut out, value);
    close(&mut out, name);
    out
}

fn structure(out: &mut String, value: &dyn Struct) {
    for (index, schema) in value.schema().members.iter().enumerate() {
        if let Some(view) = value.member(index).and_then(Member::view)
            && schema.location == Location::Body
        {
            element(out, schema.response_name, schema.shape, view);
        }
    }
}

fn element(out: &mut String, name: &str, shape: &ShapeSchema, view: View<'_>) {
    match (view, &shape.kind) {
        (View::List(list), Kind::List(schema)) if schema.flattened => {
            items(out, list, name, schema);
            return;
        }
        (View::Map(map), Kind::Map(schema)) => {
            if !schema.flattened {
                open(out, name);
            }
            let entry = if schema.flattened { name } else { "entry" };
            map.each(&mut |key, value| {
                open(out, entry);
                leaf(out, schema.key_name, key);
                if let Some(view) = value.view() {
                    element(out, schema.value_name, schema.value, view);
                }
                close(out, entry);
            });
            if !schema.flattened {
                close(out, name);
            }
            return;
        }
        _ => {}
    }
    open(out, name);
    match view {
        View::Bool(value) => out.push_str(if value { "true" } else { "false" }),
        View::Int(value) => out.push_str(&value.to_string()),
        View::Long(value) => out.push_str(&value.to_string()),
        View::Float(value) => out.push_str(&value.to_string()),
        View::Double(value) => out.push_str(&value.to_string()),
        View::Text(value) => text(out, value),
        View::Bytes(value) => out.push_str(&BASE64.encode(value)),
        View::Time(value) => out.push_str(&time::iso8601(value)),
        View::Struct(value) => structure(out, value),
        View::List(list) => {
            if let Kind::List(schema) = &shape.kind {
                items(out, list, schema.item_name, schema);
            }
        }
        View::Map(_) => {}
    }
    close(out, name);
}

fn items(out: &mut String, list: &dyn sagegate_model::List, name: &str, schema: &ListSchema) {
    for index in 0..list.len() {
        if let Some(view) = list.item(index).and_then(Member::view) {
            element(out, name, schema.item, view);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What has to be written otherwise is found, whatever the length and wherever it stands.
    #[test]
    fn text_is_escaped_anywhere() {
        let cases = [
            ("a", "a"),
            ("\t\n", "\t\n"),
            ("&", "&amp;"),
            ("<", "&lt;"),
            (">", "&gt;"),
            ("\r", "&#xD;"),
            ("\u{1}", "\u{FFFD}"),
            ("\u{FFFF}", "\u{FFFD}"),
            ("\u{F000}", "\u{F000}"),
            ("é", "é"),
        ];
        for length in 0..40 {
            for (letter, written) in cases {
                for at in 0..=length {
                    let around = |letter| "x".repeat(at) + letter + &"y".repeat(length - at);
                    let mut out = String::new();
                    text(&mut out, &around(letter));
                    assert_eq!(out, around(written));
                }
            }
        }
    }
}
