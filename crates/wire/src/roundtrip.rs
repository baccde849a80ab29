//! What is written is read back, for every shape of every implemented operation; and whatever is
//! sent, reading ends with a value or an error.

use std::collections::HashMap;

use proptest::prelude::*;
use quick_xml::events::Event;
use sagegate_model::{
    Kind, Location, Member, OperationSchema, Protocol, SERVICES, ServiceSchema, ShapeSchema, Slot,
    Struct, StructSchema, View,
};
use serde_json::{Value as Json, json};

use crate::form::Form;
use crate::query::Flavour;
use crate::route::Head;
use crate::value::Value;
use crate::{json as json_codec, query, rest, value, xml};

#[path = "../tests/support/random.rs"]
mod random;

use random::{Random, dump, fill};

fn operations() -> Vec<(&'static ServiceSchema, &'static OperationSchema)> {
    SERVICES
        .iter()
        .flat_map(|service| service.operations.iter().map(move |operation| (*service, operation)))
        .filter(|(_, operation)| operation.implemented)
        .collect()
}

fn operation() -> impl Strategy<Value = (&'static ServiceSchema, &'static OperationSchema)> {
    proptest::sample::select(operations())
}

fn filled(
    service: &ServiceSchema,
    operation: &OperationSchema,
    input: bool,
    seed: u64,
) -> Box<dyn Struct> {
    let mut out = if input {
        sagegate_api::input(service, operation.name).unwrap()
    } else {
        sagegate_api::output(service, operation.name).unwrap()
    };
    fill(&mut Random::new(seed), &mut *out, service.protocol != Protocol::Ec2 || !input, 0);
    for (index, schema) in out.schema().members.iter().enumerate() {
        // A path has no empty labels.
        if schema.location == Location::Label
            && let Some(Slot::Text(text)) = out.member_mut(index).map(Member::slot)
            && text.is_empty()
        {
            text.push('x');
        }
    }
    out
}

fn escape(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Path, query string and body of a REST request, as a client writes them.
fn rest_request(service: &ServiceSchema, name: &str, value: &dyn Struct) -> [String; 3] {
    let binding = service.binding(name).unwrap();
    let (mut path, mut query) = (binding.path.to_owned(), Vec::new());
    for (index, schema) in value.schema().members.iter().enumerate() {
        let Some(view) = value.member(index).and_then(Member::view) else { continue };
        if schema.location == Location::Body {
            continue;
        }
        let View::Text(text) = view else { panic!("{}: not a text", schema.name) };
        let name = schema.request_name;
        if schema.location == Location::Label {
            path = path.replace(&format!("{{{name}}}"), &escape(text));
        } else {
            query.push(format!("{name}={}", escape(text)));
        }
    }
    let body = if binding.root.is_empty() {
        String::new()
    } else {
        xml::document(binding.root, service.xml_namespace, value)
    };
    [path, query.join("&"), body]
}

fn read_back(members: Vec<Option<Value>>, mut blank: Box<dyn Struct>) -> Json {
    value::fill(members, &mut *blank).unwrap();
    dump(&*blank)
}

fn method(service: &ServiceSchema, operation: &OperationSchema) -> http::Method {
    let method = service.binding(operation.name).map_or("POST", |it| it.method);
    http::Method::from_bytes(method.as_bytes()).unwrap()
}

/// The parameters of a request, as a client writes them.
fn parameters(
    protocol: Protocol,
    value: &dyn Struct,
    prefix: &str,
    out: &mut Vec<(String, String)>,
) {
    for (index, schema) in value.schema().members.iter().enumerate() {
        if let Some(view) = value.member(index).and_then(Member::view) {
            parameter(
                protocol,
                schema.shape,
                view,
                format!("{prefix}{}", schema.request_name),
                out,
            );
        }
    }
}

fn parameter(
    protocol: Protocol,
    shape: &ShapeSchema,
    view: View<'_>,
    name: String,
    out: &mut Vec<(String, String)>,
) {
    let (before, whole) = (out.len(), name.clone());
    match (view, &shape.kind) {
        (View::Struct(value), _) => parameters(protocol, value, &format!("{name}."), out),
        (View::List(items), Kind::List(list)) => {
            for index in 0..items.len() {
                let item = match protocol {
                    Protocol::Ec2 => format!("{name}.{}", index + 1),
                    _ => format!("{name}.{}.{}", list.item_name, index + 1),
                };
                let view = items.item(index).and_then(Member::view).unwrap();
                parameter(protocol, list.item, view, item, out);
            }
        }
        (View::Map(entries), Kind::Map(map)) => {
            let mut number = 0;
            entries.each(&mut |key, value| {
                number += 1;
                let entry = format!("{name}.entry.{number}");
                out.push((format!("{entry}.{}", map.key_name), key.to_owned()));
                let value_name = format!("{entry}.{}", map.value_name);
                parameter(protocol, map.value, value.view().unwrap(), value_name, out);
            });
        }
        (View::Time(time), _) => out.push((name, crate::time::iso8601(time))),
        (View::Bytes(bytes), _) => {
            use base64::Engine;
            out.push((name, base64::engine::general_purpose::STANDARD.encode(bytes)));
        }
        (View::Bool(value), _) => out.push((name, value.to_string())),
        (View::Int(value), _) => out.push((name, value.to_string())),
        (View::Long(value), _) => out.push((name, value.to_string())),
        (View::Float(value), _) => out.push((name, value.to_string())),
        (View::Double(value), _) => out.push((name, value.to_string())),
        (View::Text(value), _) => out.push((name, value.to_owned())),
        (View::List(_) | View::Map(_), _) => unreachable!("a list or map by its schema"),
    }
    if out.len() == before {
        // a structure or list with nothing in it
        out.push((whole, String::new()));
    }
}

fn form(protocol: Protocol, value: &dyn Struct) -> String {
    let mut out = Vec::new();
    parameters(protocol, value, "", &mut out);
    let pairs: Vec<String> =
        out.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
    pairs.join("&")
}

/// An XML element, read for comparison.
#[derive(Default)]
struct Element {
    text: String,
    children: Vec<(String, Element)>,
}

fn element(text: &str) -> (String, Element) {
    let mut reader = quick_xml::Reader::from_str(text);
    let mut open: Vec<(String, Element)> = vec![(String::new(), Element::default())];
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) => {
                let name = start.name().as_ref().to_owned();
                open.push((name, Element::default()));
            }
            Event::End(_) => {
                let done = open.pop().unwrap();
                open.last_mut().unwrap().1.children.push(done);
            }
            Event::Text(text) => {
                let text = text.into_inner().into_owned();
                open.last_mut().unwrap().1.text.push_str(&text);
            }
            Event::GeneralRef(reference) => {
                let name = reference.into_inner().into_owned();
                open.last_mut().unwrap().1.text.push(match name.as_str() {
                    "amp" => '&',
                    "lt" => '<',
                    "gt" => '>',
                    "#xD" => '\r',
                    other => panic!("&{other};"),
                });
            }
            Event::Eof => break,
            _ => {}
        }
    }
    open.pop().unwrap().1.children.pop().unwrap()
}

/// What an element holds, by the names of the model, as [`dump`] shows it.
fn members(schema: &StructSchema, element: &Element) -> Json {
    let mut out = serde_json::Map::new();
    for (name, child) in &element.children {
        if let Some(member) = schema.members.iter().find(|it| it.response_name == name) {
            out.insert(member.name.to_owned(), shown(member.shape, child));
        }
    }
    Json::Object(out)
}

fn shown(shape: &ShapeSchema, element: &Element) -> Json {
    let text = element.text.as_str();
    match &shape.kind {
        Kind::Boolean => json!(text.parse::<bool>().unwrap()),
        Kind::Integer(_) => json!(text.parse::<i32>().unwrap()),
        Kind::Long(_) => json!(text.parse::<i64>().unwrap()),
        Kind::Float(_) => json!(text.parse::<f32>().unwrap()),
        Kind::Double(_) => json!(text.parse::<f64>().unwrap()),
        Kind::Text(_) | Kind::Blob(_) => json!(text),
        Kind::Timestamp(_) => json!(crate::time::parse(text).unwrap().as_millis()),
        Kind::Struct(schema) => members(schema, element),
        Kind::List(list) => {
            assert!(element.children.iter().all(|(name, _)| name == list.item_name));
            element.children.iter().map(|(_, item)| shown(list.item, item)).collect()
        }
        Kind::Map(map) => {
            let entry = |entry: &Element| {
                let parts: HashMap<&str, &Element> =
                    entry.children.iter().map(|(name, part)| (name.as_str(), part)).collect();
                (parts[map.key_name].text.clone(), shown(map.value, parts[map.value_name]))
            };
            Json::Object(element.children.iter().map(|(_, it)| entry(it)).collect())
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn requests_are_read_as_they_were_written((service, operation) in operation(), seed: u64) {
        let request = filled(service, operation, true, seed);
        let schema = request.schema();
        let blank = sagegate_api::input(service, operation.name).unwrap();
        let members = match service.protocol {
            Protocol::Json10 | Protocol::Json11 => {
                json_codec::decode(schema, &json_codec::encode(&*request)).unwrap()
            }
            Protocol::RestXml => {
                let [path, query, body] = rest_request(service, operation.name, &*request);
                let method = service.binding(operation.name).unwrap().method;
                let (binding, labels) = rest::find(service.bindings, method, &path).unwrap();
                prop_assert_eq!(binding.operation, operation.name);
                let (query, body) = (Some(query.as_str()), body.as_bytes());
                let sent = rest::Request { binding, labels, query, headers: None, body };
                rest::decode(service, schema, &sent).unwrap()
            }
            protocol => {
                let flavour =
                    if protocol == Protocol::Ec2 { Flavour::Ec2 } else { Flavour::Query };
                let text = form(protocol, &*request);
                query::decode(flavour, schema, &Form::parse(None, text.as_bytes()).unwrap()).unwrap()
            }
        };
        prop_assert_eq!(read_back(members, blank), dump(&*request));
    }

    #[test]
    fn answers_are_read_as_they_were_written((service, operation) in operation(), seed: u64) {
        let answer = filled(service, operation, false, seed);
        let schema = answer.schema();
        let found = match service.protocol {
            Protocol::Json10 | Protocol::Json11 => {
                let blank = sagegate_api::output(service, operation.name).unwrap();
                read_back(json_codec::decode(schema, &json_codec::encode(&*answer)).unwrap(), blank)
            }
            Protocol::RestXml => {
                let response = crate::encode(service.protocol, service, operation, &*answer, "id-1");
                let (name, root) = element(std::str::from_utf8(response.body()).unwrap());
                prop_assert_eq!(name, schema.name);
                let mut found = members(schema, &root);
                for member in schema.members.iter().filter(|it| it.location == Location::Header) {
                    // What a header cannot carry is not written.
                    let written = response.headers().get(member.response_name);
                    let written = written.map(|field| json!(field.to_str().unwrap()));
                    let meant = dump(&*answer).get(member.name).cloned();
                    prop_assert!(written.is_none() || written == meant);
                    if let Some(meant) = meant {
                        found[member.name] = meant;
                    }
                }
                found
            }
            protocol => {
                let text = xml::encode(protocol, service, operation, &*answer, "id-1");
                let (name, mut root) = element(&text);
                prop_assert_eq!(name, format!("{}Response", operation.name));
                if let Some(wrapper) = operation.result_wrapper {
                    let (name, inner) = root.children.swap_remove(0);
                    prop_assert_eq!(name, wrapper);
                    root = inner;
                }
                members(schema, &root)
            }
        };
        prop_assert_eq!(found, dump(&*answer));
    }

    #[test]
    fn a_damaged_request_is_an_error_or_another_request(
        (service, operation) in operation(),
        seed: u64,
        cut in any::<prop::sample::Index>(),
        byte: u8,
        drop_rest: bool,
    ) {
        let request = filled(service, operation, true, seed);
        let [path, mut query, rest_body] = match service.protocol {
            Protocol::RestXml => rest_request(service, operation.name, &*request),
            _ => Default::default(),
        };
        let mut body = match service.protocol {
            Protocol::Json10 | Protocol::Json11 => json_codec::encode(&*request),
            Protocol::RestXml => (query.clone() + "\n" + &rest_body).into_bytes(),
            protocol => {
                let head = format!("Action={}&Version={}&", operation.name, service.api_version);
                (head + &form(protocol, &*request)).into_bytes()
            }
        };
        let at = cut.index(body.len());
        body[at] = byte;
        if drop_rest {
            body.truncate(at + 1);
        }
        if service.protocol == Protocol::RestXml {
            let text = String::from_utf8_lossy(&body).into_owned();
            let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
            (query, body) = (first.to_owned(), rest.as_bytes().to_vec());
        }
        let target = format!("{}.{}", service.target_prefix, operation.name);
        let head = Head {
            scope: Some(service.signing_name),
            target: Some(&target),
            method: method(service, operation),
            path: &path,
            query: (!query.is_empty()).then_some(query.as_str()),
            ..Head::default()
        };
        if let Ok(call) = head.call(service, &body) {
            let mut blank = sagegate_api::input(service, call.operation.name)
                .unwrap_or_else(|| Box::new(sagegate_model::Unit));
            if let Err(error) = call.decode(&mut *blank) {
                prop_assert!(matches!(error.status, 400 | 404 | 501), "{error}");
                let response = error.encode(service.protocol, Some(service), "id-1");
                prop_assert!(response.body().len() < 200_000);
            }
        }
    }

    #[test]
    fn any_bytes_are_an_error_or_a_request((service, operation) in operation(), body: Vec<u8>) {
        let target = format!("{}.{}", service.target_prefix, operation.name);
        let mut text = match service.protocol {
            Protocol::Json10 | Protocol::Json11 | Protocol::RestXml => Vec::new(),
            _ => format!("Action={}&Version={}&", operation.name, service.api_version).into_bytes(),
        };
        text.extend(body);
        let head = Head {
            scope: Some(service.signing_name),
            target: Some(&target),
            method: method(service, operation),
            path: service.binding(operation.name).map_or("/", |it| it.path),
            ..Head::default()
        };
        if let Ok(call) = head.call(service, &text) {
            let mut blank = sagegate_api::input(service, call.operation.name)
                .unwrap_or_else(|| Box::new(sagegate_model::Unit));
            let _ = call.decode(&mut *blank);
        }
    }
}
