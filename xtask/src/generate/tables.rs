//! The schema tables of `crates/model`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use anyhow::{Context, Result, bail, ensure};

use super::botocore::{Binding, Protocol, Reference, Service, Shape};
use super::names::screaming;

/// `generated/mod.rs`.
pub(super) fn index(services: &[&str]) -> String {
    let mut out = String::new();
    for name in services {
        let _ = writeln!(out, "pub mod {name};");
    }
    out.push_str("\n/// The services whose operations are known.\n");
    out.push_str("pub static SERVICES: &[&crate::ServiceSchema] = &[");
    for name in services {
        let _ = write!(out, "&{name}::SERVICE,");
    }
    out.push_str("];\n");
    out
}

/// The table of one service.
pub(super) fn write(service: &Service) -> Result<String> {
    let statics = Statics::of(service)?;
    let mut out = String::new();

    let metadata = &service.metadata;
    let bindings = if service.bindings.is_empty() { "[]" } else { "BINDINGS" };
    let protocol = match service.protocol {
        Protocol::Json10 => "Json10",
        Protocol::Json11 => "Json11",
        Protocol::Query => "Query",
        Protocol::Ec2 => "Ec2",
        Protocol::RestXml => "RestXml",
    };
    let _ = writeln!(
        out,
        "pub static SERVICE: ServiceSchema = ServiceSchema {{ name: {:?}, service_id: {:?}, signing_name: {:?}, endpoint_prefix: {:?}, protocol: Protocol::{protocol}, api_version: {:?}, target_prefix: {:?}, xml_namespace: {:?}, operations: &OPERATIONS, bindings: &{bindings}, unsigned: &{:?} }};\n",
        service.name,
        metadata.service_id,
        metadata.signing_name.as_deref().unwrap_or(&metadata.endpoint_prefix),
        metadata.endpoint_prefix,
        metadata.api_version,
        metadata.target_prefix.as_deref().unwrap_or_default(),
        metadata.xml_namespace.as_deref().unwrap_or_default(),
        service.unsigned,
    );

    let _ = writeln!(
        out,
        "const fn missing(name: &'static str) -> OperationSchema {{ OperationSchema {{ name, implemented: false, input: None, output: None, result_wrapper: None, errors: &[] }} }}\n"
    );
    let _ = writeln!(out, "static OPERATIONS: [OperationSchema; {}] = [", service.operations.len());
    for operation in &service.operations {
        if !operation.implemented {
            let _ = writeln!(out, "missing({:?}),", operation.name);
            continue;
        }
        let input = statics.optional(operation.input.as_deref())?;
        let output = statics.optional(operation.output.as_deref())?;
        let mut errors = String::new();
        for error in &operation.errors {
            let _ = write!(errors, "&{},", error_static(error));
        }
        let _ = writeln!(
            out,
            "OperationSchema {{ name: {:?}, implemented: true, input: {input}, output: {output}, result_wrapper: {:?}, errors: &[{errors}] }},",
            operation.name, operation.result_wrapper,
        );
    }
    out.push_str("];\n\n");

    if !service.bindings.is_empty() {
        let _ = writeln!(out, "static BINDINGS: [HttpBinding; {}] = [", service.bindings.len());
        for Binding { operation, method, path, status, root } in &service.bindings {
            let _ = writeln!(
                out,
                "HttpBinding {{ operation: {operation:?}, method: {method:?}, path: {path:?}, status: {status}, root: {root:?} }},"
            );
        }
        out.push_str("];\n\n");
    }

    for (name, error) in &service.errors {
        let _ = writeln!(
            out,
            "pub static {}: ErrorSchema = ErrorSchema {{ name: {name:?}, code: {:?}, status: {}, sender: {} }};",
            error_static(name),
            error.code,
            error.status,
            error.sender,
        );
    }
    out.push_str("\n/// The modelled errors.\npub static ERRORS: &[&ErrorSchema] = &[");
    for name in service.errors.keys() {
        let _ = write!(out, "&{},", error_static(name));
    }
    out.push_str("];\n\n");

    let mut referenced = BTreeSet::new();
    for shape in service.shapes.values() {
        let members = shape.members.0.iter().map(|(_, member)| member);
        let all = members.chain(&shape.member).chain(&shape.key).chain(&shape.value);
        referenced.extend(all.map(|reference| reference.shape.as_str()));
    }
    for (name, shape) in &service.shapes {
        if shape.kind == "structure" {
            structure(&mut out, service, &statics, name, shape)?;
        }
        if !referenced.contains(name.as_str()) {
            continue;
        }
        let kind = kind(service, &statics, name, shape)?;
        let _ = writeln!(
            out,
            "static {}: ShapeSchema = ShapeSchema {{ name: {name:?}, sensitive: {}, kind: {kind} }};\n",
            statics.shape(name)?,
            shape.sensitive,
        );
    }
    let used: Vec<&str> = TYPES
        .iter()
        .copied()
        .filter(|name| {
            ["{", "::", "]"].iter().any(|after| {
                out.contains(&format!("{name}{after}")) || out.contains(&format!("{name} {after}"))
            })
        })
        .collect();
    Ok(format!("use crate::{{{}}};\n\n{out}", used.join(", ")))
}

/// What a table may need of this crate.
const TYPES: &[&str] = &[
    "ErrorSchema",
    "HttpBinding",
    "Integer",
    "Kind",
    "ListSchema",
    "Location",
    "MapSchema",
    "MemberSchema",
    "OperationSchema",
    "Protocol",
    "Real",
    "ServiceSchema",
    "ShapeSchema",
    "Size",
    "StructSchema",
    "Text",
    "TimestampFormat",
];

fn error_static(name: &str) -> String {
    format!("ERROR_{}", screaming(name))
}

/// The names of the statics, distinct although cases fold together.
pub(super) struct Statics(BTreeMap<String, String>);

impl Statics {
    pub(super) fn of(service: &Service) -> Result<Self> {
        let mut names: BTreeMap<String, String> = BTreeMap::new();
        let mut owners: BTreeMap<String, String> = BTreeMap::new();
        for name in service.shapes.keys() {
            let mut wanted = screaming(name);
            while let Some(owner) = owners.get(&wanted) {
                ensure!(owner != name, "{name} twice");
                wanted.push('_');
            }
            owners.insert(wanted.clone(), name.clone());
            names.insert(name.clone(), wanted);
        }
        Ok(Self(names))
    }

    /// The static of a struct's schema.
    pub(super) fn structure(&self, name: &str) -> Result<&str> {
        self.0.get(name).map(String::as_str).with_context(|| format!("no static for {name}"))
    }

    fn shape(&self, name: &str) -> Result<String> {
        Ok(format!("{}_SHAPE", self.structure(name)?))
    }

    fn optional(&self, name: Option<&str>) -> Result<String> {
        Ok(match name {
            Some(name) => format!("Some(&{})", self.structure(name)?),
            None => "None".to_owned(),
        })
    }
}

fn structure(
    out: &mut String,
    service: &Service,
    statics: &Statics,
    name: &str,
    shape: &Shape,
) -> Result<()> {
    let _ = writeln!(
        out,
        "pub static {}: StructSchema = StructSchema {{ name: {name:?}, sensitive: {}, union: {}, members: &[",
        statics.structure(name)?,
        shape.sensitive,
        shape.union
    );
    for (member, reference) in &shape.members.0 {
        let (request, response) = wire_names(service.protocol, member, reference, service)?;
        let _ = write!(out, "MemberSchema::new({member:?}, &{})", statics.shape(&reference.shape)?);
        if request != *member || response != *member {
            let _ = write!(out, ".wire({request:?}, {response:?})");
        }
        match reference.location.as_deref() {
            None => {}
            Some("uri") => out.push_str(".at(Location::Label)"),
            Some("querystring") => out.push_str(".at(Location::Query)"),
            Some("header") => out.push_str(".at(Location::Header)"),
            Some(other) => bail!("{name}: {member} is in the {other}"),
        }
        if shape.required.contains(member) {
            out.push_str(".required()");
        }
        if reference.idempotency_token {
            out.push_str(".idempotency_token()");
        }
        out.push_str(",\n");
    }
    out.push_str("] };\n");
    Ok(())
}

/// What a member is called in a request and in an answer.
fn wire_names(
    protocol: Protocol,
    member: &str,
    reference: &Reference,
    service: &Service,
) -> Result<(String, String)> {
    let own = reference.location_name.clone().unwrap_or_else(|| member.to_owned());
    Ok(match protocol {
        Protocol::Json10 | Protocol::Json11 => (own.clone(), own),
        Protocol::Query | Protocol::RestXml => {
            let target = service.shape(&reference.shape)?;
            ensure!(!reference.flattened && !target.flattened, "{member}: flattened");
            (own.clone(), own)
        }
        Protocol::Ec2 => {
            let mut capital = own.clone();
            if let Some(first) = capital.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            // An explicit queryName wins, then the capitalised locationName, then the name.
            let request = match (&reference.query_name, &reference.location_name) {
                (Some(query), _) => query.clone(),
                (None, Some(_)) => capital,
                (None, None) => member.to_owned(),
            };
            (request, own)
        }
    })
}

fn kind(service: &Service, statics: &Statics, name: &str, shape: &Shape) -> Result<String> {
    let min = shape.min.as_ref();
    let max = shape.max.as_ref();
    let whole = |number: Option<&serde_json::Number>| -> Result<String> {
        Ok(match number {
            None => "None".to_owned(),
            Some(number) => {
                // the model has a few bounds written as decimals
                let value = number.as_i64().or_else(|| {
                    number.as_f64().filter(|value| value.fract() == 0.0).map(|value| value as i64)
                });
                format!("Some({})", value.with_context(|| format!("{name}: bound {number}"))?)
            }
        })
    };
    let size = || -> Result<String> {
        Ok(format!("Size {{ min: {}, max: {} }}", whole(min)?, whole(max)?))
    };
    let integer = || -> Result<String> {
        Ok(format!("Integer {{ min: {}, max: {} }}", whole(min)?, whole(max)?))
    };
    let real = || -> Result<String> {
        let bound = |number: Option<&serde_json::Number>| {
            format!("{:?}", number.and_then(serde_json::Number::as_f64))
        };
        Ok(format!("Real {{ min: {}, max: {} }}", bound(min), bound(max)))
    };
    Ok(match shape.kind.as_str() {
        "boolean" => "Kind::Boolean".to_owned(),
        "integer" => format!("Kind::Integer({})", integer()?),
        "long" => format!("Kind::Long({})", integer()?),
        "float" => format!("Kind::Float({})", real()?),
        "double" => format!("Kind::Double({})", real()?),
        "string" => format!(
            "Kind::Text(Text {{ size: {}, pattern: {:?}, values: &{:?} }})",
            size()?,
            shape.pattern,
            shape.values
        ),
        "blob" => format!("Kind::Blob({})", size()?),
        "timestamp" => match service.protocol {
            Protocol::Json10 | Protocol::Json11 => {
                "Kind::Timestamp(TimestampFormat::EpochSeconds)".to_owned()
            }
            Protocol::Query | Protocol::Ec2 | Protocol::RestXml => {
                "Kind::Timestamp(TimestampFormat::Iso8601)".to_owned()
            }
        },
        "structure" => format!("Kind::Struct(&{})", statics.structure(name)?),
        "list" => {
            let item = shape.member.as_ref().context("a list without member")?;
            format!(
                "Kind::List(ListSchema {{ item: &{}, item_name: {:?}, flattened: {}, size: {} }})",
                statics.shape(&item.shape)?,
                item.location_name.as_deref().unwrap_or("member"),
                shape.flattened,
                size()?
            )
        }
        "map" if service.protocol == Protocol::RestXml => bail!("{name}: a map in XML"),
        "map" => {
            let key = shape.key.as_ref().context("a map without key")?;
            let value = shape.value.as_ref().context("a map without value")?;
            format!(
                "Kind::Map(MapSchema {{ key: &{}, value: &{}, key_name: {:?}, value_name: {:?}, flattened: {}, size: {} }})",
                statics.shape(&key.shape)?,
                statics.shape(&value.shape)?,
                key.location_name.as_deref().unwrap_or("key"),
                value.location_name.as_deref().unwrap_or("value"),
                shape.flattened,
                size()?
            )
        }
        other => bail!("{name}: no table for the type {other}"),
    })
}
