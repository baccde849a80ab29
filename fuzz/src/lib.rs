//! What the fuzz targets share: inputs are text that a person can read and write, so that a seed or
//! a finding explains itself.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use sagegate_model::{OperationSchema, Protocol, SERVICES, ServiceSchema, Struct};
use sagegate_wire::ApiError;
use sagegate_wire::route::Head;

/// Splits at the first line end.
#[must_use]
pub fn line(input: &[u8]) -> (&[u8], &[u8]) {
    match input.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&input[..at], &input[at + 1..]),
        None => (input, &[]),
    }
}

/// The operation that the first line names, and the rest. A name that there is not stands for some
/// operation, so that damage leads elsewhere and not nowhere.
#[must_use]
pub fn operation(
    input: &[u8],
    of: impl Fn(Protocol) -> bool,
) -> Option<(&'static ServiceSchema, &'static OperationSchema, &[u8])> {
    let (name, rest) = line(input);
    let all = || {
        SERVICES
            .iter()
            .filter(|service| of(service.protocol))
            .flat_map(|service| service.operations.iter().map(move |it| (*service, it)))
            .filter(|(_, operation)| operation.implemented)
    };
    let named = all().find(|(_, operation)| operation.name.as_bytes() == name);
    let some = || {
        let sum = name.iter().fold(7_usize, |sum, byte| sum * 31 % 65_521 + usize::from(*byte));
        all().nth(sum % all().count().max(1))
    };
    let (service, operation) = named.or_else(some)?;
    Some((service, operation, rest))
}

/// Reads an operation's request as the server does, from what its client sends. Nothing where the form
/// names another operation.
#[must_use]
pub fn read(
    service: &'static ServiceSchema,
    operation: &OperationSchema,
    body: &[u8],
    out: &mut dyn Struct,
) -> Option<Result<(), ApiError>> {
    if service.protocol == Protocol::RestXml {
        return read_rest(service, operation, body, out);
    }
    let target = format!("{}.{}", service.target_prefix, operation.name);
    let mut text = match service.protocol {
        Protocol::Json10 | Protocol::Json11 | Protocol::RestXml => Vec::new(),
        Protocol::Query | Protocol::Ec2 => {
            format!("Action={}&Version={}&", operation.name, service.api_version).into_bytes()
        }
    };
    text.extend(body);
    let head = Head {
        scope: Some(service.signing_name),
        target: Some(&target),
        method: Method::POST,
        ..Head::default()
    };
    match head.call(service, &text) {
        Err(error) => Some(Err(error)),
        Ok(call) if call.operation.name == operation.name => Some(call.decode(out)),
        Ok(_) => None,
    }
}

/// As [`read`], where what is sent is a path with its query string, a line end, and the body.
fn read_rest(
    service: &'static ServiceSchema,
    operation: &OperationSchema,
    sent: &[u8],
    out: &mut dyn Struct,
) -> Option<Result<(), ApiError>> {
    let (first, body) = line(sent);
    let target = std::str::from_utf8(first).ok()?;
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let method = Method::from_bytes(service.binding(operation.name)?.method.as_bytes()).ok()?;
    let head = Head { scope: Some(service.signing_name), method, path, query, ..Head::default() };
    match head.call(service, body) {
        Err(error) => Some(Err(error)),
        Ok(call) if call.operation.name == operation.name => Some(call.decode(out)),
        Ok(_) => None,
    }
}

/// A request, or nothing where HTTP's own rules refuse it: a request line without a version, header
/// lines, an empty line, the body.
#[must_use]
pub fn request(input: &[u8]) -> Option<Request<&[u8]>> {
    let (first, mut rest) = line(input);
    let (method, target) = std::str::from_utf8(first).ok()?.split_once(' ')?;
    let mut headers = HeaderMap::new();
    loop {
        let (header, after) = line(rest);
        rest = after;
        if header.is_empty() {
            break;
        }
        let colon = header.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&header[..colon]).ok()?;
        headers
            .try_append(name, HeaderValue::from_bytes(header[colon + 1..].trim_ascii()).ok()?)
            .ok()?;
    }
    let mut request = Request::new(rest);
    *request.method_mut() = Method::from_bytes(method.as_bytes()).ok()?;
    *request.uri_mut() = target.parse::<Uri>().ok()?;
    *request.headers_mut() = headers;
    Some(request)
}

/// What is sent back must be well-formed XML.
///
/// # Panics
/// If it is not: that is the finding.
pub fn assert_xml(body: &[u8]) {
    let text = std::str::from_utf8(body).expect("an answer is UTF-8");
    let mut reader = quick_xml::Reader::from_str(text);
    loop {
        match reader.read_event().expect("an answer is well-formed") {
            quick_xml::events::Event::Eof => return,
            quick_xml::events::Event::GeneralRef(_) => {}
            _ => {}
        }
    }
}

/// A blank request of an implemented operation.
///
/// # Panics
/// If there is none: table and structs do not fit.
#[must_use]
pub fn blank(service: &ServiceSchema, operation: &OperationSchema) -> Box<dyn Struct> {
    if operation.input.is_none() {
        return Box::new(sagegate_model::Unit);
    }
    sagegate_api::input(service, operation.name).expect("an implemented operation has a struct")
}

/// The bytes that hexadecimal digits stand for; whitespace is left out, and half a byte too.
#[must_use]
pub fn unhex(input: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|it| u8::try_from(it).ok());
    let digits = input.iter().filter(|byte| !byte.is_ascii_whitespace()).map(digit);
    let digits = digits.collect::<Option<Vec<u8>>>()?;
    Some(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}
