//! A botocore `service-2.json`, cut down to what is reachable from the wanted operations.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

/// Secrets that the models do not mark as such: whoever holds one can act as someone else.
const SECRETS: [(&str, &str); 4] = [
    ("sagemaker", "PresignedDomainUrl"),
    ("sts", "tokenCodeType"),
    ("sts", "tokenType"),
    ("iam", "authenticationCodeType"),
];

/// Enumerations that the service writes with a small first letter, whatever the model says (answers
/// recorded from EC2: `<state>available</state>`).
const SMALL_FIRST_LETTER: [(&str, &str); 1] = [("ec2", "State")];

/// Values that the service writes and the model does not have, with the model's word for them if it
/// has one: an internet gateway's attachment is `available` (Amazon EC2 API Reference,
/// `InternetGatewayAttachment`), and a NAT gateway's interface a `nat_gateway` (answers recorded from
/// EC2).
const ALSO_WRITTEN: [(&str, &str, &str, &str); 2] = [
    ("ec2", "AttachmentStatus", "", "available"),
    ("ec2", "NetworkInterfaceType", "natGateway", "nat_gateway"),
];

/// A JSON object in the order of its text.
pub(super) struct Ordered<T>(pub(super) Vec<(String, T)>);

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Ordered<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Ordered(entries))
            }
        }
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

#[derive(Deserialize)]
struct Document {
    metadata: Metadata,
    operations: BTreeMap<String, RawOperation>,
    shapes: BTreeMap<String, Shape>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) api_version: String,
    pub(super) endpoint_prefix: String,
    pub(super) protocol: String,
    pub(super) json_version: Option<String>,
    pub(super) service_id: String,
    pub(super) signing_name: Option<String>,
    pub(super) target_prefix: Option<String>,
    pub(super) xml_namespace: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawOperation {
    http: Http,
    input: Option<Reference>,
    output: Option<Reference>,
    #[serde(default)]
    errors: Vec<Reference>,
    #[serde(rename = "authtype")]
    auth_type: Option<String>,
}

/// Method and path of an operation.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Http {
    method: String,
    request_uri: String,
    response_code: Option<u16>,
}

#[derive(Deserialize)]
struct Namespace {
    uri: String,
}

/// A reference to a shape, with the traits that it adds.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reference {
    pub(super) shape: String,
    pub(super) location_name: Option<String>,
    pub(super) query_name: Option<String>,
    pub(super) result_wrapper: Option<String>,
    pub(super) location: Option<String>,
    timestamp_format: Option<String>,
    xml_namespace: Option<Namespace>,
    #[serde(default)]
    xml_attribute: bool,
    #[serde(default)]
    pub(super) flattened: bool,
    #[serde(default)]
    jsonvalue: bool,
    #[serde(default)]
    pub(super) idempotency_token: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shape {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) members: Ordered<Reference>,
    #[serde(default)]
    pub(super) required: BTreeSet<String>,
    pub(super) member: Option<Reference>,
    pub(super) key: Option<Reference>,
    pub(super) value: Option<Reference>,
    #[serde(default, rename = "enum")]
    pub(super) values: Vec<String>,
    pub(super) min: Option<serde_json::Number>,
    pub(super) max: Option<serde_json::Number>,
    pub(super) pattern: Option<String>,
    #[serde(default)]
    pub(super) sensitive: bool,
    #[serde(default)]
    pub(super) union: bool,
    #[serde(default)]
    pub(super) flattened: bool,
    error: Option<ErrorTrait>,
    timestamp_format: Option<String>,
    payload: Option<String>,
    #[serde(default)]
    document: bool,
    #[serde(default)]
    eventstream: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ErrorTrait {
    code: Option<String>,
    http_status_code: Option<u16>,
    #[serde(default)]
    sender_fault: bool,
}

/// The protocol of a service, with the rules for names that follow from it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Json10,
    Json11,
    Query,
    Ec2,
    RestXml,
}

/// How an operation of a REST protocol stands in HTTP.
pub(super) struct Binding {
    pub(super) operation: String,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) status: u16,
    pub(super) root: String,
}

/// One operation; shapes only where it is wanted.
pub(super) struct Operation {
    pub(super) name: String,
    pub(super) implemented: bool,
    pub(super) input: Option<String>,
    pub(super) output: Option<String>,
    pub(super) result_wrapper: Option<String>,
    pub(super) errors: Vec<String>,
}

/// A modelled error.
pub(super) struct ErrorShape {
    pub(super) code: String,
    pub(super) status: u16,
    pub(super) sender: bool,
}

/// A service, cut down to the wanted operations.
pub(super) struct Service {
    pub(super) name: &'static str,
    pub(super) metadata: Metadata,
    pub(super) protocol: Protocol,
    pub(super) operations: Vec<Operation>,
    /// How they stand in HTTP, where the protocol is a REST protocol.
    pub(super) bindings: Vec<Binding>,
    /// The names of those that need no signature.
    pub(super) unsigned: Vec<String>,
    /// Shapes that a wanted operation's input or output reaches.
    pub(super) shapes: BTreeMap<String, Shape>,
    /// Names of those that an input reaches.
    pub(super) inputs: BTreeSet<String>,
    pub(super) errors: BTreeMap<String, ErrorShape>,
}

impl Service {
    pub(super) fn read(name: &'static str, text: &str, wanted: &[String]) -> Result<Self> {
        let document: Document = serde_json::from_str(text)?;
        let protocol = match (document.metadata.protocol.as_str(), &document.metadata.json_version)
        {
            ("json", Some(version)) if version == "1.0" => Protocol::Json10,
            ("json", Some(version)) if version == "1.1" => Protocol::Json11,
            ("query", _) => Protocol::Query,
            ("ec2", _) => Protocol::Ec2,
            ("rest-xml", _) => Protocol::RestXml,
            (other, _) => bail!("no generator for the protocol {other}"),
        };
        for operation in wanted {
            ensure!(document.operations.contains_key(operation), "there is no {operation}");
        }
        let mut inputs = BTreeSet::new();
        let mut reached = BTreeSet::new();
        let mut error_names = BTreeSet::new();
        let mut operations = Vec::new();
        let mut bindings = Vec::new();
        let mut metadata = document.metadata;
        let mut unsigned = Vec::new();
        for (operation, raw) in document.operations {
            let implemented = wanted.contains(&operation);
            if raw.auth_type.as_deref() == Some("none") {
                unsigned.push(operation.clone());
            }
            if protocol == Protocol::RestXml {
                bindings.push(bind(&operation, &raw)?);
                if let Some(found) = raw.input.as_ref().and_then(|it| it.xml_namespace.as_ref()) {
                    let known = metadata.xml_namespace.get_or_insert_with(|| found.uri.clone());
                    ensure!(*known == found.uri, "{operation}: a namespace of its own");
                }
            }
            let errors: Vec<String> = raw.errors.into_iter().map(|error| error.shape).collect();
            if implemented {
                if let Some(input) = &raw.input {
                    reach(&document.shapes, &input.shape, &mut inputs)?;
                    check_places(protocol, &document.shapes, input, true)?;
                }
                if let Some(output) = &raw.output {
                    reach(&document.shapes, &output.shape, &mut reached)?;
                    check_places(protocol, &document.shapes, output, false)?;
                }
            }
            error_names.extend(errors.iter().cloned());
            let result_wrapper =
                raw.output.as_ref().and_then(|output| output.result_wrapper.clone());
            operations.push(Operation {
                name: operation,
                implemented,
                input: raw.input.filter(|_| implemented).map(|input| input.shape),
                output: raw.output.filter(|_| implemented).map(|output| output.shape),
                result_wrapper,
                errors: if implemented { errors } else { Vec::new() },
            });
        }
        reached.extend(inputs.iter().cloned());

        let mut shapes = document.shapes;
        let mut errors = BTreeMap::new();
        for error in error_names {
            let shape = shapes.get(&error).with_context(|| format!("no shape {error}"))?;
            let described = shape.error.as_ref();
            let code = described.and_then(|it| it.code.clone()).unwrap_or_else(|| error.clone());
            let status = described.and_then(|it| it.http_status_code).unwrap_or(400);
            let sender = described.map_or(status < 500, |it| it.sender_fault || status < 500);
            errors.insert(error, ErrorShape { code, status, sender });
        }
        shapes.retain(|name, _| reached.contains(name));
        for (_, secret) in SECRETS.iter().filter(|(service, _)| *service == name) {
            if let Some(shape) = shapes.get_mut(*secret) {
                shape.sensitive = true;
            }
        }
        for (_, written) in SMALL_FIRST_LETTER.iter().filter(|(service, _)| *service == name) {
            for value in shapes.get_mut(*written).into_iter().flat_map(|shape| &mut shape.values) {
                if let Some(first) = value.get_mut(..1) {
                    first.make_ascii_lowercase();
                }
            }
        }
        for (_, written, model, value) in ALSO_WRITTEN.iter().filter(|(it, ..)| *it == name) {
            if let Some(shape) = shapes.get_mut(*written) {
                shape.values.retain(|known| known != model);
                shape.values.push((*value).to_owned());
            }
        }
        Ok(Self {
            name,
            metadata,
            protocol,
            operations,
            bindings,
            unsigned,
            shapes,
            inputs,
            errors,
        })
    }

    pub(super) fn shape(&self, name: &str) -> Result<&Shape> {
        self.shapes.get(name).with_context(|| format!("no shape {name}"))
    }

    /// Whether a struct would contain itself without a list or map between.
    pub(super) fn contains_itself(&self, name: &str) -> Result<bool> {
        let mut seen = BTreeSet::new();
        let mut waiting = vec![name.to_owned()];
        while let Some(next) = waiting.pop() {
            for (_, member) in &self.shape(&next)?.members.0 {
                if member.shape == name {
                    return Ok(true);
                }
                let structure = self.shape(&member.shape)?.kind == "structure";
                if structure && seen.insert(member.shape.clone()) {
                    waiting.push(member.shape.clone());
                }
            }
        }
        Ok(false)
    }
}

/// Method, path, status and root element of an operation.
fn bind(operation: &str, raw: &RawOperation) -> Result<Binding> {
    let path = raw.http.request_uri.clone();
    ensure!(path.starts_with('/') && !path.contains('?'), "{operation}: the path {path}");
    Ok(Binding {
        operation: operation.to_owned(),
        method: raw.http.method.clone(),
        path,
        status: raw.http.response_code.unwrap_or(200),
        root: raw.input.as_ref().and_then(|it| it.location_name.clone()).unwrap_or_default(),
    })
}

/// Members of a request or answer may stand outside of the body in a REST protocol, where a codec
/// reads or writes them there.
fn check_places(
    protocol: Protocol,
    shapes: &BTreeMap<String, Shape>,
    top: &Reference,
    request: bool,
) -> Result<()> {
    let name = &top.shape;
    let shape = shapes.get(name).with_context(|| format!("no shape {name}"))?;
    let mut in_body = false;
    for (member, reference) in &shape.members.0 {
        let Some(location) = &reference.location else {
            in_body = true;
            continue;
        };
        let known = match location.as_str() {
            "uri" | "querystring" => request,
            "header" => true,
            _ => false,
        };
        ensure!(protocol == Protocol::RestXml && known, "{name}: {member} is in the {location}");
        let kind = shapes.get(&reference.shape).map(|shape| shape.kind.as_str());
        let single = matches!(kind, Some("string" | "boolean" | "integer" | "long"));
        ensure!(single, "{name}: {member} cannot be written into the {location}");
    }
    let rooted = !request || protocol != Protocol::RestXml || top.location_name.is_some();
    ensure!(rooted || !in_body, "{name}: a body without a root element");
    Ok(())
}

/// Adds `name` and all that it refers to. Refuses traits that no codec would honour.
fn reach(
    shapes: &BTreeMap<String, Shape>,
    name: &str,
    reached: &mut BTreeSet<String>,
) -> Result<()> {
    if !reached.insert(name.to_owned()) {
        return Ok(());
    }
    let shape = shapes.get(name).with_context(|| format!("no shape {name}"))?;
    ensure!(!shape.document && !shape.eventstream, "{name}: documents and event streams");
    ensure!(shape.payload.is_none(), "{name}: a member that is the body");
    ensure!(shape.timestamp_format.is_none(), "{name}: a timestamp format of its own");
    let members = shape.members.0.iter().map(|(_, member)| member);
    for reference in members.chain(&shape.member).chain(&shape.key).chain(&shape.value) {
        ensure!(!reference.xml_attribute, "{name}: a member that is an XML attribute");
        ensure!(reference.xml_namespace.is_none(), "{name}: a member in another namespace");
        ensure!(reference.timestamp_format.is_none(), "{name}: a timestamp format of its own");
        ensure!(!reference.jsonvalue, "{name}: a JSON value in a header");
        let inner = shapes.get(&reference.shape).into_iter().flat_map(|shape| &shape.members.0);
        let outside = inner.into_iter().any(|(_, member)| member.location.is_some());
        ensure!(!outside, "{}: a part with members outside of the body", reference.shape);
        reach(shapes, &reference.shape, reached)?;
    }
    Ok(())
}
