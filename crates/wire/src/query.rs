//! Requests of `awsQuery` (IAM, STS) and `ec2Query`.
//! <https://smithy.io/2.0/aws/protocols/aws-query-protocol.html>,
//! <https://smithy.io/2.0/aws/protocols/aws-ec2-query-protocol.html>

use std::collections::HashSet;

use sagegate_model::{Kind, ListSchema, MapSchema, ShapeSchema, StructSchema};

use crate::DecodeFailure;
use crate::form::{Form, shorten};
use crate::value::{self, Budget, Value};

/// How deep structures may stand in one another; names are bounded before.
const DEEPEST: usize = 64;

/// Parameters that belong to the request and to no operation.
const COMMON: &[&str] = &[
    "Action",
    "Version",
    "AWSAccessKeyId",
    "SecurityToken",
    "Signature",
    "SignatureMethod",
    "SignatureVersion",
    "Timestamp",
    "Expires",
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
];

/// Which of the two protocols.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavour {
    Query,
    Ec2,
}

/// Reads the parameters of a request. EC2 refuses a parameter that the operation does not have;
/// IAM and STS ignore it.
pub(crate) fn decode(
    flavour: Flavour,
    schema: &'static StructSchema,
    form: &Form<'_>,
) -> Result<Vec<Option<Value>>, DecodeFailure> {
    let reader = Reader { flavour, form, budget: Budget::whole() };
    let members = reader.members(schema, "", 0)?;
    if flavour == Flavour::Ec2 {
        for name in COMMON {
            form.get(name);
        }
        if let Some(name) = form.unused() {
            return Err(DecodeFailure::UnknownParameter(shorten(name).to_owned()));
        }
    }
    Ok(members)
}

struct Reader<'f> {
    flavour: Flavour,
    form: &'f Form<'f>,
    budget: Budget,
}

impl Reader<'_> {
    fn members(
        &self,
        schema: &'static StructSchema,
        prefix: &str,
        depth: usize,
    ) -> Result<Vec<Option<Value>>, DecodeFailure> {
        if depth > DEEPEST {
            return Err(DecodeFailure::Form("The request is nested too deeply.".to_owned()));
        }
        if !self.budget.take(schema.members.len() + 1) {
            return Err(DecodeFailure::Form("The request has too many parameters.".to_owned()));
        }
        schema
            .members
            .iter()
            .map(|member| {
                let name = format!("{prefix}{}", member.request_name);
                self.value(member.shape, &name, depth)
            })
            .collect()
    }

    /// The value called `name`, or whose parts are called `name.…`.
    fn value(
        &self,
        shape: &'static ShapeSchema,
        name: &str,
        depth: usize,
    ) -> Result<Option<Value>, DecodeFailure> {
        let inside = format!("{name}.");
        match &shape.kind {
            Kind::Struct(schema) => {
                if self.form.any_under(&inside) {
                    return Ok(Some(Value::Struct(self.members(schema, &inside, depth + 1)?)));
                }
                // `Name=` alone is how some clients write a structure without members
                Ok(self
                    .empty(name)?
                    .then(|| Value::Struct(schema.members.iter().map(|_| None).collect())))
            }
            Kind::List(list) => self.list(list, name, &inside, depth),
            Kind::Map(map) => self.map(map, name, &inside, depth),
            _ => match self.form.get(name) {
                Some(text) => self.scalar(shape, name, text).map(Some),
                None if self.flavour == Flavour::Query && self.form.any_under(&inside) => {
                    let reason = "Start of list found where not expected";
                    Err(self.wrong(name, reason.to_owned()))
                }
                None => Ok(None),
            },
        }
    }

    /// Whether `name` is there with an empty value, as botocore writes an empty list.
    fn empty(&self, name: &str) -> Result<bool, DecodeFailure> {
        match self.form.get(name) {
            None => Ok(false),
            Some("") => Ok(true),
            Some(_) => Err(self.wrong(name, "Unexpected list element termination".to_owned())),
        }
    }

    fn list(
        &self,
        list: &'static ListSchema,
        name: &str,
        inside: &str,
        depth: usize,
    ) -> Result<Option<Value>, DecodeFailure> {
        let prefix = match self.flavour {
            // EC2 never names the item in a request
            Flavour::Ec2 => inside.to_owned(),
            Flavour::Query if list.flattened => inside.to_owned(),
            Flavour::Query => format!("{inside}{}.", list.item_name),
        };
        let mut items = Vec::new();
        for (_, item) in self.indexes(&prefix)? {
            items.push(self.value(list.item, &item, depth + 1)?);
        }
        if items.is_empty() && !self.empty(name)? {
            return Ok(None);
        }
        Ok(Some(Value::List(items)))
    }

    fn map(
        &self,
        map: &'static MapSchema,
        name: &str,
        inside: &str,
        depth: usize,
    ) -> Result<Option<Value>, DecodeFailure> {
        let prefix = if map.flattened { inside.to_owned() } else { format!("{inside}entry.") };
        let mut entries: Vec<(String, Option<Value>)> = Vec::new();
        let mut seen = HashSet::new();
        for (_, entry) in self.indexes(&prefix)? {
            let key_name = format!("{entry}.{}", map.key_name);
            let Some(key) = self.form.get(&key_name) else {
                return Err(self.wrong(&key_name, "A map entry has no key".to_owned()));
            };
            if !seen.insert(key) {
                return Err(self.wrong(&key_name, "A map has the same key twice".to_owned()));
            }
            let value = self.value(map.value, &format!("{entry}.{}", map.value_name), depth + 1)?;
            entries.push((key.to_owned(), value));
        }
        if entries.is_empty() && !self.empty(name)? {
            return Ok(None);
        }
        Ok(Some(Value::Map(entries)))
    }

    /// The numbers after `prefix` in ascending order, with the name up to and including them.
    ///
    /// Gaps are closed, so that a huge number costs nothing.
    fn indexes(&self, prefix: &str) -> Result<Vec<(u32, String)>, DecodeFailure> {
        let mut indexes = Vec::new();
        for step in self.form.steps(prefix) {
            let name = format!("{prefix}{step}");
            match step.parse::<u32>() {
                // `01` and `+1` would stand beside `1` for the same item
                Ok(index) if index > 0 && index.to_string() == step => indexes.push((index, name)),
                _ => {
                    let reason = format!("'{}' is not an item's number", shorten(step));
                    return Err(self.wrong(&name, reason));
                }
            }
        }
        indexes.sort_unstable();
        Ok(indexes)
    }

    fn scalar(
        &self,
        shape: &'static ShapeSchema,
        name: &str,
        text: &str,
    ) -> Result<Value, DecodeFailure> {
        value::of_text(&shape.kind, text).ok_or_else(|| {
            let wanted = match &shape.kind {
                Kind::Timestamp(_) => {
                    return self.wrong(name, "timestamp must follow ISO8601".to_owned());
                }
                Kind::Boolean => "a Boolean",
                Kind::Integer(_) => "an Integer",
                Kind::Long(_) => "a Long",
                Kind::Float(_) => "a Float",
                Kind::Double(_) => "a Double",
                _ => "a Blob",
            };
            if self.flavour == Flavour::Ec2 && !shape.sensitive {
                // EC2's own wording
                let reason = format!("Value ({}) is not {wanted}", shorten(text));
                return self.wrong(name, reason);
            }
            self.wrong(name, format!("STRING_VALUE can not be converted to {wanted}"))
        })
    }

    fn wrong(&self, name: &str, reason: String) -> DecodeFailure {
        DecodeFailure::Parameter { name: shorten(name).to_owned(), reason }
    }
}
