//! Answers as members in JSON, by the names of the API reference.

use anyhow::Context;
use quick_xml::events::Event;
use sagegate_model::{Kind, OperationSchema, Protocol, ServiceSchema, ShapeSchema, StructSchema};
use serde_json::{Map, Value};

/// The members of a successful answer.
pub(super) fn answer(
    service: &ServiceSchema,
    operation: &OperationSchema,
    body: &[u8],
) -> anyhow::Result<Value> {
    match service.protocol {
        Protocol::Json10 | Protocol::Json11 if body.is_empty() => Ok(Value::Object(Map::new())),
        Protocol::Json10 | Protocol::Json11 => Ok(serde_json::from_slice(body)?),
        Protocol::Query | Protocol::Ec2 | Protocol::RestXml => {
            let Some(schema) = operation.output else { return Ok(Value::Object(Map::new())) };
            let root = parse(body)?;
            let element = match operation.result_wrapper {
                Some(name) => root.child(name).with_context(|| format!("there is no <{name}>"))?,
                None => &root,
            };
            Ok(structure(schema, element))
        }
    }
}

/// Code and text of an error answer; what there is of them.
pub(super) fn error(protocol: Protocol, body: &[u8]) -> (String, String) {
    let found = match protocol {
        Protocol::Json10 | Protocol::Json11 => {
            serde_json::from_slice::<Value>(body).ok().map(|body| {
                let text = |names: &[&str]| {
                    names.iter().find_map(|name| body.get(name)?.as_str()).map(str::to_owned)
                };
                (text(&["__type"]), text(&["message", "Message"]))
            })
        }
        Protocol::Query | Protocol::Ec2 | Protocol::RestXml => parse(body).ok().map(|root| {
            let error = root
                .child("Error")
                .or_else(|| root.child("Errors").and_then(|errors| errors.child("Error")));
            let text = |name: &str| error.and_then(|it| it.child(name)).map(|it| it.text.clone());
            (text("Code"), text("Message"))
        }),
    };
    let (code, message) = found.unwrap_or_default();
    let whole = || String::from_utf8_lossy(body).into_owned();
    (code.unwrap_or_else(|| "UnknownError".to_owned()), message.unwrap_or_else(whole))
}

#[derive(Default)]
struct Element {
    name: String,
    text: String,
    children: Vec<Element>,
}

impl Element {
    fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }
}

fn parse(body: &[u8]) -> anyhow::Result<Element> {
    let mut reader = quick_xml::Reader::from_reader(body);
    let mut open = vec![Element::default()];
    let mut buffer = Vec::new();
    loop {
        match reader.read_event_into(&mut buffer)? {
            Event::Start(start) => open.push(Element {
                name: start.local_name().as_ref().to_owned(),
                ..Element::default()
            }),
            Event::Empty(start) => {
                let name = start.local_name().as_ref().to_owned();
                if let Some(parent) = open.last_mut() {
                    parent.children.push(Element { name, ..Element::default() });
                }
            }
            Event::End(_) => {
                let closed = open.pop().context("an end tag too many")?;
                open.last_mut().context("an end tag too many")?.children.push(closed);
            }
            Event::Text(text) => {
                if let Some(element) = open.last_mut() {
                    element.text.push_str(&text);
                }
            }
            Event::GeneralRef(reference) => {
                let name: &str = reference.as_ref();
                let text = if let Some(character) = reference.resolve_char_ref()? {
                    character.to_string()
                } else {
                    quick_xml::escape::resolve_xml_entity(name)
                        .with_context(|| format!("the entity {name} is not known"))?
                        .to_owned()
                };
                if let Some(element) = open.last_mut() {
                    element.text.push_str(&text);
                }
            }
            Event::Eof => break,
            _ => {}
        }
        buffer.clear();
    }
    let mut top = open.pop().context("no element")?;
    top.children.pop().context("no element")
}

fn structure(schema: &StructSchema, element: &Element) -> Value {
    let mut out = Map::new();
    for member in schema.members {
        let value = match &member.shape.kind {
            Kind::List(list) if list.flattened => {
                let items: Vec<Value> = element
                    .children
                    .iter()
                    .filter(|child| child.name == member.response_name)
                    .map(|child| value(list.item, child))
                    .collect();
                (!items.is_empty()).then_some(Value::Array(items))
            }
            _ => element.child(member.response_name).map(|child| value(member.shape, child)),
        };
        if let Some(value) = value {
            out.insert(member.name.to_owned(), value);
        }
    }
    Value::Object(out)
}

fn value(shape: &ShapeSchema, element: &Element) -> Value {
    match &shape.kind {
        Kind::Struct(schema) => structure(schema, element),
        Kind::List(list) => {
            Value::Array(element.children.iter().map(|child| value(list.item, child)).collect())
        }
        Kind::Map(map) => {
            let mut out = Map::new();
            for entry in &element.children {
                if let (Some(key), Some(item)) =
                    (entry.child(map.key_name), entry.child(map.value_name))
                {
                    out.insert(key.text.clone(), value(map.value, item));
                }
            }
            Value::Object(out)
        }
        Kind::Boolean => Value::Bool(element.text == "true"),
        Kind::Integer(_) | Kind::Long(_) | Kind::Float(_) | Kind::Double(_) => {
            serde_json::from_str(&element.text)
                .unwrap_or_else(|_| Value::String(element.text.clone()))
        }
        Kind::Text(_) | Kind::Blob(_) | Kind::Timestamp(_) => Value::String(element.text.clone()),
    }
}
