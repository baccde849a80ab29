//! Requests of `restXml` (Route 53): the operation in method and path; members in the path, the query
//! string, header fields and an XML body. <https://smithy.io/2.0/aws/protocols/aws-restxml-protocol.html>
//!
//! What belongs to XML is in [`document`]; the rest would serve a protocol with JSON bodies as well.

mod document;
#[cfg(test)]
mod tests;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use sagegate_model::{
    HttpBinding, Location, Member, MemberSchema, ServiceSchema, Struct, StructSchema, View,
};

use crate::form::{Form, unescape};
use crate::value::{self, Value};
use crate::{DecodeFailure, time};

/// The parts of a request whose operation is known.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) binding: &'static HttpBinding,
    /// The labels of the path, still escaped.
    pub(crate) labels: Vec<(&'static str, &'a str)>,
    pub(crate) query: Option<&'a str>,
    pub(crate) headers: Option<&'a HeaderMap>,
    pub(crate) body: &'a [u8],
}

/// Labels by name, and what stands in their places.
type Labels<'a> = Vec<(&'static str, &'a str)>;

/// The operation that a method and a path name, with the labels of the path. Where several fit, the one
/// with the most literal parts is meant, so that no label hides it.
pub(crate) fn find<'a>(
    bindings: &'static [HttpBinding],
    method: &str,
    path: &'a str,
) -> Option<(&'static HttpBinding, Labels<'a>)> {
    let of_method = bindings.iter().filter(|binding| binding.method == method);
    let fitting = of_method.filter_map(|it| Some((it, labels(it.path, path)?)));
    fitting.min_by_key(|(_, labels)| labels.len())
}

/// The labels of a path that fits a template. A slash at the end counts in neither: ListResourceRecordSets
/// has none and ChangeResourceRecordSets has one, and clients write both either way.
fn labels<'a>(template: &'static str, path: &'a str) -> Option<Labels<'a>> {
    let trimmed = |path: &'a str| path.strip_suffix('/').unwrap_or(path);
    let template = template.strip_suffix('/').unwrap_or(template);
    let mut rest = Some(trimmed(path).strip_prefix('/')?);
    let mut found = Vec::new();
    for part in template.strip_prefix('/')?.split('/') {
        let whole = rest?;
        let (segment, after) = match whole.split_once('/') {
            Some((segment, after)) => (segment, Some(after)),
            None => (whole, None),
        };
        match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            None if part == segment => rest = after,
            None => return None,
            Some(name) => match name.strip_suffix('+') {
                Some(name) if !whole.is_empty() => {
                    found.push((name, whole));
                    rest = None;
                }
                None if !segment.is_empty() => {
                    found.push((name, segment));
                    rest = after;
                }
                _ => return None,
            },
        }
    }
    rest.is_none().then_some(found)
}

/// Reads the members of a request, wherever they stand. Parameters and header fields that the operation
/// does not have are passed over, as AWS does; what the body has beyond them is refused.
pub(crate) fn decode(
    service: &ServiceSchema,
    schema: &'static StructSchema,
    request: &Request<'_>,
) -> Result<Vec<Option<Value>>, DecodeFailure> {
    let form = Form::parse(request.query, b"")?;
    let in_body = schema.members.iter().any(|member| member.location == Location::Body);
    let mut members = if in_body && !request.binding.root.is_empty() && !request.body.is_empty() {
        document::read(request.binding.root, service.xml_namespace, schema, request.body)?
    } else {
        schema.members.iter().map(|_| None).collect()
    };
    for (member, place) in schema.members.iter().zip(&mut members) {
        match member.location {
            Location::Body => {}
            Location::Label => {
                let text = request.labels.iter().find(|(name, _)| *name == member.request_name);
                let Some((_, text)) = text else { continue };
                // A plus in a path is a plus.
                let text = unescape(&text.replace('+', "%2B")).map(|text| text.into_owned());
                let text = text.map_err(|what| bad(member, format!("It {what}.")))?;
                *place = Some(scalar(member, &text)?);
            }
            Location::Query => {
                if let Some(text) = form.get(member.request_name) {
                    *place = Some(scalar(member, text)?);
                }
            }
            Location::Header => {
                let field = request.headers.and_then(|all| all.get(member.request_name));
                if let Some(field) = field {
                    let text = field.to_str().map_err(|_| {
                        bad(member, "It has other characters than visible ASCII.".to_owned())
                    })?;
                    *place = Some(scalar(member, text)?);
                }
            }
        }
    }
    Ok(members)
}

fn scalar(member: &MemberSchema, text: &str) -> Result<Value, DecodeFailure> {
    value::of_text(&member.shape.kind, text)
        .ok_or_else(|| bad(member, format!("It is not {}.", document::kind(&member.shape.kind))))
}

/// Text is ours: it is not known how AWS words it.
fn bad(member: &MemberSchema, reason: String) -> DecodeFailure {
    DecodeFailure::Parameter { name: member.request_name.to_owned(), reason }
}

/// The members of an answer that stand in header fields. One that a header cannot carry is left out.
pub(crate) fn headers(answer: &dyn Struct, headers: &mut HeaderMap) {
    for (index, schema) in answer.schema().members.iter().enumerate() {
        if schema.location != Location::Header {
            continue;
        }
        let text = match answer.member(index).and_then(Member::view) {
            Some(View::Text(text)) => text.to_owned(),
            Some(View::Bool(value)) => value.to_string(),
            Some(View::Int(value)) => value.to_string(),
            Some(View::Long(value)) => value.to_string(),
            Some(View::Time(time)) => time::iso8601(time),
            _ => continue,
        };
        let name = HeaderName::from_bytes(schema.response_name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&text))
            && text.is_ascii()
        {
            headers.insert(name, value);
        }
    }
}
