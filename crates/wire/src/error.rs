use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use sagegate_model::{ErrorSchema, Protocol, ServiceSchema};

use crate::{json, xml};

/// An error as a client of an AWS API sees it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// The code that clients branch on, such as `NoSuchEntity`.
    pub code: String,
    /// What is said to the person.
    pub message: String,
    /// The HTTP status.
    pub status: u16,
    /// Whether the caller is at fault, rather than this side.
    pub sender: bool,
    /// Further members of the error: name and text.
    pub extra: Vec<(String, String)>,
}

impl ApiError {
    /// An error of the caller.
    #[must_use]
    pub fn sender(code: impl Into<String>, status: u16, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), status, sender: true, extra: Vec::new() }
    }

    /// An error that the model of an operation names.
    #[must_use]
    pub fn modelled(error: &ErrorSchema, message: impl Into<String>) -> Self {
        Self { sender: error.sender, ..Self::sender(error.code, error.status, message) }
    }

    /// A failure on this side. The message is shown: it must not tell what is inside.
    #[must_use]
    pub fn internal(message: impl Into<String>) -> Self {
        Self { sender: false, ..Self::sender("InternalFailure", 500, message) }
    }

    /// AWS has this operation, Sagegate does not. HTTP 501, which SDKs do not retry.
    ///
    /// Codes: what each protocol already uses for a thing that it does not do, or else the
    /// nearest spelling of it; EC2 and S3 document `UnsupportedOperation` and `NotImplemented`.
    #[must_use]
    pub fn not_implemented(service: &ServiceSchema, operation: &str) -> Self {
        let code = match service.protocol {
            Protocol::Json10 | Protocol::Json11 => "NotImplementedException",
            Protocol::Query | Protocol::RestXml => "NotImplemented",
            Protocol::Ec2 => "UnsupportedOperation",
        };
        let message = format!(
            "The operation {}:{operation} is not implemented by Sagegate.",
            service.signing_name
        );
        Self { sender: false, ..Self::sender(code, 501, message) }
    }

    /// No service that is served has this operation.
    #[must_use]
    pub fn unknown_operation(service: &ServiceSchema, operation: &str, version: &str) -> Self {
        let (code, message) = match service.protocol {
            Protocol::Json10 | Protocol::Json11 => (
                "UnknownOperationException",
                format!("The operation {operation} is not known to this service."),
            ),
            Protocol::Query => (
                "InvalidAction",
                format!("Could not find operation {operation} for version {version}"),
            ),
            Protocol::RestXml => (
                "InvalidAction",
                format!("No operation of this service has the method and path {operation}."),
            ),
            Protocol::Ec2 => (
                "InvalidAction",
                format!("The action {operation} is not valid for this web service."),
            ),
        };
        Self::sender(code, 400, message)
    }

    /// The error as an HTTP response. `service` gives the namespace of a query error; without it
    /// (the service could not be told) there is none.
    #[must_use]
    pub fn encode(
        &self,
        protocol: Protocol,
        service: Option<&ServiceSchema>,
        request_id: &str,
    ) -> Response<Bytes> {
        let body: Bytes = match protocol {
            Protocol::Json10 | Protocol::Json11 => self.json().into(),
            // The form of Route 53 and of most others; S3 has one without the outer element.
            Protocol::Query | Protocol::RestXml => {
                let namespace = service.map_or("", |it| it.xml_namespace);
                self.query(protocol, namespace, request_id).into()
            }
            Protocol::Ec2 => self.ec2(request_id).into(),
        };
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = crate::response(protocol, status, request_id, body);
        if matches!(protocol, Protocol::Json10 | Protocol::Json11)
            && let Ok(code) = HeaderValue::from_str(&self.code)
        {
            response.headers_mut().insert(HeaderName::from_static("x-amzn-errortype"), code);
        }
        response
    }

    /// The type stands in the body: some clients do not read it from the header.
    fn json(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let own = [("__type", &self.code), ("Message", &self.message)];
        let extra = self.extra.iter().map(|(name, text)| (name.as_str(), text));
        for (index, (name, text)) in own.into_iter().chain(extra).enumerate() {
            out.push(if index == 0 { b'{' } else { b',' });
            json::string(&mut out, name);
            out.push(b':');
            json::string(&mut out, text);
        }
        out.push(b'}');
        out
    }

    fn query(&self, protocol: Protocol, namespace: &str, request_id: &str) -> String {
        let mut out = String::new();
        if protocol == Protocol::RestXml {
            out.push_str(xml::DECLARATION);
        }
        xml::root(&mut out, "ErrorResponse", namespace);
        xml::open(&mut out, "Error");
        xml::leaf(&mut out, "Type", if self.sender { "Sender" } else { "Receiver" });
        self.parts(&mut out);
        xml::close(&mut out, "Error");
        xml::leaf(&mut out, "RequestId", request_id);
        xml::close(&mut out, "ErrorResponse");
        out
    }

    fn ec2(&self, request_id: &str) -> String {
        let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        xml::root(&mut out, "Response", "");
        xml::open(&mut out, "Errors");
        xml::open(&mut out, "Error");
        self.parts(&mut out);
        xml::close(&mut out, "Error");
        xml::close(&mut out, "Errors");
        xml::leaf(&mut out, "RequestID", request_id);
        xml::close(&mut out, "Response");
        out
    }

    fn parts(&self, out: &mut String) {
        xml::leaf(out, "Code", &self.code);
        xml::leaf(out, "Message", &self.message);
        for (name, text) in &self.extra {
            xml::leaf(out, name, text);
        }
    }
}
