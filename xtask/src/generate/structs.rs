//! The request and answer structs of `crates/api`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use anyhow::{Context, Result, bail, ensure};

use super::botocore::{Reference, Service, Shape};
use super::names::{camel, snake, type_name};
use super::tables::Statics;

/// An enumeration with more values is a `String` in Rust; the decoder still holds requests to it.
const LARGEST_ENUM: usize = 40;

/// `generated/mod.rs`.
pub(super) fn index(services: &[&str]) -> String {
    let mut out = String::from("use sagegate_model::Struct;\n\n");
    for name in services {
        let _ = writeln!(out, "pub mod {name};");
    }
    for direction in ["input", "output"] {
        let _ = writeln!(
            out,
            "\npub(crate) fn {direction}(service: &str, operation: &str) -> Option<Box<dyn Struct>> {{ match service {{"
        );
        for name in services {
            let _ = writeln!(out, "{name:?} => {name}::{direction}(operation),");
        }
        out.push_str("_ => None } }\n");
    }
    out
}

/// The module of one service.
pub(super) fn write(service: &Service) -> Result<String> {
    let statics = Statics::of(service)?;
    let mut types: BTreeMap<String, String> = BTreeMap::new();
    let mut body = String::new();
    for (name, shape) in &service.shapes {
        let rust = type_name(name);
        match shape.kind.as_str() {
            "structure" => structure(&mut body, service, &statics, name, shape)?,
            "string" if is_enum(shape) => enumeration(&mut body, &rust, shape),
            _ => continue,
        }
        if let Some(other) = types.insert(rust.clone(), name.clone()) {
            bail!("{name} and {other} are both {rust} in Rust");
        }
    }
    blanks(&mut body, service);
    let mut out = String::new();
    for (path, word) in [
        ("std::collections::BTreeMap", "BTreeMap<"),
        ("sagegate_model::Blob", "<Blob>"),
        ("sagegate_model::Redacted", "Redacted::"),
        ("sagegate_model::Timestamp", "<Timestamp>"),
        ("sagegate_model::text_enum", "text_enum!"),
        ("sagegate_model::{Member, Shape, Struct, StructSchema}", "StructSchema"),
    ] {
        if body.contains(word) {
            let _ = writeln!(out, "use {path};");
        }
    }
    let _ = writeln!(out, "use sagegate_model::{} as tables;\n", service.name);
    out.push_str(&body);
    Ok(out)
}

/// Two functions from an operation's name to its blank input and output.
fn blanks(out: &mut String, service: &Service) {
    let implemented = || service.operations.iter().filter(|operation| operation.implemented);
    for (name, what) in [("input", "request"), ("output", "answer")] {
        let _ = writeln!(
            out,
            "/// A blank {what} of an implemented operation, for code that treats all alike.\npub(crate) fn {name}(operation: &str) -> Option<Box<dyn Struct>> {{ Some(match operation {{"
        );
        for operation in implemented() {
            let shape = if name == "input" { &operation.input } else { &operation.output };
            let rust = shape.as_deref().map_or("sagegate_model::Unit".to_owned(), type_name);
            let _ = writeln!(out, "{:?} => Box::<{rust}>::default(),", operation.name);
        }
        out.push_str("_ => return None, }) }\n\n");
    }
}

fn is_enum(shape: &Shape) -> bool {
    !shape.values.is_empty() && shape.values.len() <= LARGEST_ENUM
}

fn enumeration(out: &mut String, rust: &str, shape: &Shape) {
    let mut used = BTreeSet::new();
    let _ = writeln!(out, "text_enum!({rust} {{");
    for value in &shape.values {
        let mut variant = camel(value);
        while !used.insert(variant.clone()) {
            variant.push('_');
        }
        let _ = writeln!(out, "    {variant} = {value:?},");
    }
    out.push_str("});\n\n");
}

fn structure(
    out: &mut String,
    service: &Service,
    statics: &Statics,
    name: &str,
    shape: &Shape,
) -> Result<()> {
    let rust = type_name(name);
    let mut fields = Vec::new();
    let mut used = BTreeSet::new();
    let mut secret = false;
    for (member, reference) in &shape.members.0 {
        let field = snake(member);
        ensure!(used.insert(field.clone()), "{name}: {field} twice");
        let required = service.inputs.contains(name) && shape.required.contains(member);
        let mut rust = rust_type(service, reference)?;
        if service.shape(&reference.shape)?.kind == "structure"
            && service.contains_itself(&reference.shape)?
        {
            ensure!(!required, "{name}: a required member that contains itself");
            rust = format!("Box<{rust}>");
        }
        let hidden = shape.sensitive || hides(service, &reference.shape)?;
        secret |= hidden;
        let rust = if required { rust } else { format!("Option<{rust}>") };
        fields.push((member, field, rust, hidden));
    }

    let debug = if secret { "" } else { "Debug, " };
    let _ = writeln!(out, "#[derive(Clone, {debug}Default, PartialEq)]\npub struct {rust} {{");
    for (_, field, rust, _) in &fields {
        let _ = writeln!(out, "pub {field}: {rust},");
    }
    out.push_str("}\n\n");

    if secret {
        let _ = writeln!(
            out,
            "impl std::fmt::Debug for {rust} {{ fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {{ f.debug_struct({rust:?})"
        );
        for (_, field, _, hidden) in &fields {
            let shown = field.trim_start_matches("r#");
            let value = if *hidden {
                format!("Redacted::of(&self.{field})")
            } else {
                format!("self.{field}")
            };
            let _ = writeln!(out, ".field({shown:?}, &{value})");
        }
        out.push_str(".finish() } }\n\n");
    }

    let _ = writeln!(
        out,
        "impl Shape for {rust} {{ const SCHEMA: &'static StructSchema = &tables::{}; }}\n",
        statics.structure(name)?
    );
    let _ = writeln!(
        out,
        "impl Struct for {rust} {{ fn schema(&self) -> &'static StructSchema {{ Self::SCHEMA }}\n"
    );
    for (head, reference) in [
        ("fn member(&self, index: usize) -> Option<&dyn Member>", "&"),
        ("fn member_mut(&mut self, index: usize) -> Option<&mut dyn Member>", "&mut "),
    ] {
        if fields.is_empty() {
            let _ = writeln!(out, "{} {{ None }}\n", head.replace("index", "_"));
            continue;
        }
        let _ = writeln!(out, "{head} {{ Some(match index {{");
        for (index, (_, field, _, _)) in fields.iter().enumerate() {
            let _ = writeln!(out, "{index} => {reference}self.{field},");
        }
        out.push_str("_ => return None, }) }\n\n");
    }
    out.push_str("}\n\n");
    let _ = writeln!(
        out,
        "impl Member for {rust} {{ fn view(&self) -> Option<sagegate_model::View<'_>> {{ Some(sagegate_model::View::Struct(self)) }}\n fn slot(&mut self) -> sagegate_model::Slot<'_> {{ sagegate_model::Slot::Struct(self) }} }}\n"
    );
    Ok(())
}

/// Whether a member of this shape must not be printed. Structs hide their own members.
fn hides(service: &Service, name: &str) -> Result<bool> {
    let shape = service.shape(name)?;
    let item = match shape.kind.as_str() {
        "list" => shape.member.as_ref(),
        "map" => shape.value.as_ref(),
        _ => None,
    };
    Ok(shape.sensitive
        || match item {
            Some(item) => hides(service, &item.shape)?,
            None => false,
        })
}

fn rust_type(service: &Service, reference: &Reference) -> Result<String> {
    let name = &reference.shape;
    let shape = service.shape(name)?;
    Ok(match shape.kind.as_str() {
        "boolean" => "bool".to_owned(),
        "integer" => "i32".to_owned(),
        "long" => "i64".to_owned(),
        "float" => "f32".to_owned(),
        "double" => "f64".to_owned(),
        "blob" => "Blob".to_owned(),
        "timestamp" => "Timestamp".to_owned(),
        "string" if is_enum(shape) => type_name(name),
        "string" => "String".to_owned(),
        "structure" => type_name(name),
        "list" => {
            let item = shape.member.as_ref().context("a list without member")?;
            format!("Vec<{}>", rust_type(service, item)?)
        }
        "map" => {
            let value = shape.value.as_ref().context("a map without value")?;
            format!("BTreeMap<String, {}>", rust_type(service, value)?)
        }
        other => bail!("{name}: no Rust type for {other}"),
    })
}
