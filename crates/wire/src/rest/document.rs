//! The XML body of a request, held to its schema while it is read: what the schema does not have is
//! refused at its first byte, so that neither depth nor size is the sender's to choose. No document type,
//! and so no entities but XML's own five; no attributes but those of namespaces.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use sagegate_model::{Kind, ListSchema, Location, ShapeSchema, StructSchema};

use crate::DecodeFailure;
use crate::form::shorten;
use crate::value::{self, Budget, Value};

/// How deep elements may stand in one another; schemas that contain themselves have no other end.
const DEEPEST: usize = 64;

/// Reads a document with this root element.
pub(super) fn read(
    root: &str,
    namespace: &str,
    schema: &'static StructSchema,
    body: &[u8],
) -> Result<Vec<Option<Value>>, DecodeFailure> {
    let text =
        std::str::from_utf8(body).map_err(|_| fault("The request body is not valid UTF-8."))?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    if let Some(letter) = text.chars().find(|letter| !crate::xml::allowed(*letter)) {
        let code = u32::from(letter);
        return Err(fault(format!("XML does not allow the character U+{code:04X}.")));
    }
    let mut document =
        Document { reader: Reader::from_str(text), open: 0, budget: Budget::whole() };
    document.reader.config_mut().expand_empty_elements = true;
    let start = loop {
        match document.next()? {
            Part::Start(start) => break start,
            Part::Text(text) if blank(&text) => {}
            Part::Text(_) => return Err(fault("Content is not allowed in prolog.")),
            Part::End => return Err(fault("There is no root element.")),
        }
    };
    if start.name != root || start.namespace.as_deref() != Some(namespace) {
        let name = shorten(&start.name);
        return Err(fault(format!("Cannot find the declaration of element '{name}'.")));
    }
    let members = document.structure(schema, namespace, 0)?;
    loop {
        match document.next()? {
            Part::Text(text) if blank(&text) => {}
            Part::End => return Ok(members),
            _ => return Err(fault("Content is not allowed in trailing section.")),
        }
    }
}

fn fault(text: impl Into<String>) -> DecodeFailure {
    DecodeFailure::Xml(text.into())
}

fn blank(text: &str) -> bool {
    text.chars().all(|letter| matches!(letter, ' ' | '\t' | '\r' | '\n'))
}

/// What a kind of value is called.
pub(super) fn kind(kind: &Kind) -> &'static str {
    match kind {
        Kind::Boolean => "a boolean",
        Kind::Integer(_) => "an integer",
        Kind::Long(_) => "a long",
        Kind::Float(_) => "a float",
        Kind::Double(_) => "a double",
        Kind::Text(_) => "a string",
        Kind::Blob(_) => "a base64Binary",
        Kind::Timestamp(_) => "a dateTime",
        Kind::Struct(_) | Kind::List(_) | Kind::Map(_) => "a complex type",
    }
}

/// The beginning of an element.
struct Start {
    name: String,
    /// The namespace that it declares for itself and what is in it.
    namespace: Option<String>,
}

/// What stands next. `End` is the end of the element that is being read, or of the document.
enum Part {
    Start(Start),
    Text(String),
    End,
}

struct Document<'a> {
    reader: Reader<&'a [u8]>,
    /// How many elements have begun and not ended.
    open: usize,
    budget: Budget,
}

impl Document<'_> {
    fn next(&mut self) -> Result<Part, DecodeFailure> {
        loop {
            let event = self.reader.read_event().map_err(|error| fault(error.to_string()))?;
            return Ok(match event {
                Event::Start(start) => {
                    self.open += 1;
                    Part::Start(begin(&start)?)
                }
                Event::End(_) => {
                    self.open = self.open.saturating_sub(1);
                    Part::End
                }
                Event::Eof if self.open == 0 => Part::End,
                Event::Eof => {
                    let text = "XML document structures must start and end within the same entity.";
                    return Err(fault(text));
                }
                Event::Text(text) => Part::Text(text.xml10_content().into_owned()),
                Event::CData(text) => Part::Text(text.xml10_content().into_owned()),
                Event::GeneralRef(reference) => Part::Text(resolve(&reference.into_inner())?),
                Event::Comment(_) | Event::Decl(_) => continue,
                Event::DocType(_) => return Err(fault("DOCTYPE is disallowed.")),
                Event::PI(_) => return Err(fault("Processing instructions are disallowed.")),
                // Told as a beginning and an end.
                Event::Empty(_) => return Err(fault("An empty element.")),
            });
        }
    }

    /// The next element within another, or nothing at that one's end.
    fn child(&mut self, namespace: &str) -> Result<Option<String>, DecodeFailure> {
        loop {
            match self.next()? {
                Part::Start(start) => {
                    if start.namespace.as_deref().is_some_and(|own| own != namespace) {
                        return Err(unexpected(&start.name));
                    }
                    if !self.budget.take(1) {
                        return Err(fault("The request has too many elements."));
                    }
                    return Ok(Some(start.name));
                }
                Part::Text(text) if blank(&text) => {}
                Part::Text(_) => return Err(fault("Text where elements are expected.")),
                Part::End => return Ok(None),
            }
        }
    }

    fn structure(
        &mut self,
        schema: &'static StructSchema,
        namespace: &str,
        depth: usize,
    ) -> Result<Vec<Option<Value>>, DecodeFailure> {
        if depth > DEEPEST {
            return Err(fault("The request is nested too deeply."));
        }
        if !self.budget.take(schema.members.len() + 1) {
            return Err(fault("The request has too many elements."));
        }
        let mut members: Vec<Option<Value>> = schema.members.iter().map(|_| None).collect();
        while let Some(name) = self.child(namespace)? {
            let places = schema.members.iter().zip(&mut members);
            let found = places.into_iter().find(|(member, _)| {
                member.location == Location::Body && member.request_name == name
            });
            let Some((member, place)) = found else { return Err(unexpected(&name)) };
            match (&member.shape.kind, &mut *place) {
                (Kind::List(list), _) if list.flattened => {
                    let item = self.value(list.item, &name, namespace, depth + 1)?;
                    match place {
                        Some(Value::List(items)) => items.push(Some(item)),
                        _ => *place = Some(Value::List(vec![Some(item)])),
                    }
                }
                (_, Some(_)) => {
                    let text = format!("The element '{}' stands twice.", shorten(&name));
                    return Err(fault(text));
                }
                (_, None) => {
                    *place = Some(self.value(member.shape, &name, namespace, depth + 1)?)
                }
            }
        }
        Ok(members)
    }

    /// The value of an element whose beginning has been read, up to its end.
    fn value(
        &mut self,
        shape: &'static ShapeSchema,
        name: &str,
        namespace: &str,
        depth: usize,
    ) -> Result<Value, DecodeFailure> {
        match &shape.kind {
            Kind::Struct(schema) => Ok(Value::Struct(self.structure(schema, namespace, depth)?)),
            Kind::List(list) => self.list(list, namespace, depth),
            // The generator refuses maps in these services.
            Kind::Map(_) => Err(DecodeFailure::Internal),
            scalar => {
                let text = self.text(name)?;
                let trimmed = if matches!(scalar, Kind::Text(_)) { &*text } else { text.trim() };
                value::of_text(scalar, trimmed).ok_or_else(|| {
                    let shown = if shape.sensitive { "***" } else { shorten(trimmed) };
                    let kind = kind(scalar);
                    fault(format!("The value '{shown}' of element '{name}' is not {kind}."))
                })
            }
        }
    }

    fn list(
        &mut self,
        list: &'static ListSchema,
        namespace: &str,
        depth: usize,
    ) -> Result<Value, DecodeFailure> {
        if depth > DEEPEST {
            return Err(fault("The request is nested too deeply."));
        }
        let mut items = Vec::new();
        while let Some(name) = self.child(namespace)? {
            if name != list.item_name {
                return Err(unexpected(&name));
            }
            items.push(Some(self.value(list.item, &name, namespace, depth + 1)?));
        }
        Ok(Value::List(items))
    }

    /// The text of an element, up to its end.
    fn text(&mut self, name: &str) -> Result<String, DecodeFailure> {
        let mut text = String::new();
        loop {
            match self.next()? {
                Part::Text(more) => text.push_str(&more),
                Part::End => return Ok(text),
                Part::Start(_) => {
                    let text = format!("The element '{}' has text alone.", shorten(name));
                    return Err(fault(text));
                }
            }
        }
    }
}

fn unexpected(name: &str) -> DecodeFailure {
    fault(format!("Invalid content was found starting with element '{}'.", shorten(name)))
}

fn begin(start: &BytesStart<'_>) -> Result<Start, DecodeFailure> {
    let name = start.name().as_ref().to_owned();
    let mut namespace = None;
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| fault(error.to_string()))?;
        match attribute.key.as_ref() {
            "xmlns" => namespace = Some(attribute.value.into_owned()),
            // A prefix that is declared and not used harms nobody.
            declared if declared.starts_with("xmlns:") => {}
            other => {
                let (other, name) = (shorten(other), shorten(&name));
                let text =
                    format!("Attribute '{other}' is not allowed to appear in element '{name}'.");
                return Err(fault(text));
            }
        }
    }
    Ok(Start { name, namespace })
}

/// What `&…;` stands for.
fn resolve(name: &str) -> Result<String, DecodeFailure> {
    let number = |digits: &str, radix| {
        let digits = Some(digits).filter(|it| it.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        digits.and_then(|it| u32::from_str_radix(it, radix).ok()).and_then(char::from_u32)
    };
    let letter = match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "apos" => Some('\''),
        "quot" => Some('"'),
        _ => name.strip_prefix('#').and_then(|rest| match rest.strip_prefix('x') {
            Some(digits) => number(digits, 16),
            None => number(rest, 10),
        }),
    };
    match letter.filter(|letter| crate::xml::allowed(*letter)) {
        Some(letter) => Ok(letter.to_string()),
        None => Err(fault(format!("The entity '{}' was not declared.", shorten(name)))),
    }
}
