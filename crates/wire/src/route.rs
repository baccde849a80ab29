//! Which service, protocol and operation a request names.
//!
//! The service is told from the head alone, so that an error before the signature is checked is
//! already in the right protocol. The operation of a query request stands in the body and is read
//! only after that; that of a REST request stands in method and path.

use http::request::Parts;
use http::{HeaderMap, Method};
use sagegate_model::{
    OperationSchema, Protocol, SERVICES, ServiceSchema, Struct, Unit, service_by_target_prefix,
};

use crate::decode::finish;
use crate::form::{Form, shorten};
use crate::query::Flavour;
use crate::{ApiError, DecodeFailure, json, query, rest};

/// What of a request's head the routing looks at.
#[derive(Clone, Debug, Default)]
pub struct Head<'a> {
    /// The service name in the credential scope of the signature.
    pub scope: Option<&'a str>,
    /// `X-Amz-Target`.
    pub target: Option<&'a str>,
    /// `Content-Type`.
    pub content_type: Option<&'a str>,
    /// `Host`.
    pub host: Option<&'a str>,
    /// The method.
    pub method: Method,
    /// The path of the request line, as it was sent.
    pub path: &'a str,
    /// The query string of the request line.
    pub query: Option<&'a str>,
    /// The header fields, where members of a request may stand in them.
    pub headers: Option<&'a HeaderMap>,
}

impl<'a> Head<'a> {
    /// From a request's head; `scope` is the service name in the credential scope, if it is signed.
    #[must_use]
    pub fn of(parts: &'a Parts, scope: Option<&'a str>) -> Self {
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        Self {
            scope,
            target: header("x-amz-target"),
            content_type: header("content-type"),
            host: header("host").or_else(|| parts.uri.host()),
            method: parts.method.clone(),
            path: parts.uri.path(),
            query: parts.uri.query(),
            headers: Some(&parts.headers),
        }
    }

    /// The service. The credential scope decides, because the signature binds the request to it;
    /// an unsigned request is told by its target or its host.
    ///
    /// # Errors
    /// No service that is served answers to what the request names.
    pub fn service(&self) -> Result<&'static ServiceSchema, ApiError> {
        if let Some(scope) = self.scope {
            return SERVICES
                .iter()
                .copied()
                .find(|service| service.signing_name == scope)
                .ok_or_else(|| {
                    let message =
                        format!("The service {} is not served by Sagegate.", shorten(scope));
                    ApiError::sender("NotImplementedException", 501, message)
                });
        }
        let by_target = || service_by_target_prefix(self.target?.rsplit_once('.')?.0);
        by_target().or_else(|| by_host(self.host?)).ok_or_else(|| {
            let message = "The service cannot be told: the request has neither a signature nor a \
                           target or host name of a service.";
            ApiError::sender("UnknownOperationException", 404, message)
        })
    }

    /// The operation that a request without a signature names, if AWS serves that one without.
    /// Nothing else is read of the body. Where target and host do not tell the service, as at an
    /// address, the operation's name and version do.
    #[must_use]
    pub fn unsigned(
        &self,
        body: &[u8],
    ) -> Option<(&'static ServiceSchema, &'static OperationSchema)> {
        let told = self.service().ok();
        SERVICES
            .iter()
            .copied()
            .filter(|service| !service.unsigned.is_empty())
            .filter(|service| told.is_none_or(|told| told.name == service.name))
            .find_map(|service| {
                let operation = self.call(service, body).ok()?.operation;
                service.unsigned.contains(&operation.name).then_some((service, operation))
            })
    }

    /// The protocol to answer in, also where the service cannot be told.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        if let Ok(service) = self.service() {
            return service.protocol;
        }
        let content_type = self.content_type.unwrap_or_default();
        if content_type.starts_with("application/x-amz-json-1.0") {
            Protocol::Json10
        } else if self.target.is_some() || content_type.starts_with("application/x-amz-json") {
            Protocol::Json11
        } else {
            Protocol::Query
        }
    }

    /// The operation, with the request's members still to be decoded.
    ///
    /// An operation that is not implemented is found as well; ask
    /// [`OperationSchema::implemented`] once the caller is known.
    ///
    /// # Errors
    /// The request names no operation of the service, or its form cannot be read.
    pub fn call<'b>(
        &self,
        service: &'static ServiceSchema,
        body: &'b [u8],
    ) -> Result<Call<'b>, ApiError>
    where
        'a: 'b,
    {
        match service.protocol {
            Protocol::Json10 | Protocol::Json11 => {
                if self.method != Method::POST {
                    let message = "The operation is named by a POST request with X-Amz-Target.";
                    return Err(ApiError::sender("UnknownOperationException", 404, message));
                }
                let Some(target) = self.target else {
                    let message = "The request has no X-Amz-Target header.";
                    return Err(ApiError::sender("UnknownOperationException", 400, message));
                };
                let operation = target
                    .strip_prefix(service.target_prefix)
                    .and_then(|rest| rest.strip_prefix('.'))
                    .and_then(|name| service.operation(name))
                    .ok_or_else(|| ApiError::unknown_operation(service, shorten(target), ""))?;
                Ok(Call { service, operation, members: Members::Json(body) })
            }
            Protocol::Query | Protocol::Ec2 => {
                let form = Form::parse(self.query, body)
                    .map_err(|failure| failure.into_error(service.protocol))?;
                let operation = form_operation(service, &form)?;
                Ok(Call { service, operation, members: Members::Form(form) })
            }
            Protocol::RestXml => {
                let unknown = || {
                    let line = format!("{} {}", self.method, self.path);
                    let error = ApiError::unknown_operation(service, shorten(&line), "");
                    ApiError { status: 404, ..error }
                };
                let (binding, labels) =
                    rest::find(service.bindings, self.method.as_str(), self.path)
                        .ok_or_else(unknown)?;
                let operation = service.operation(binding.operation).ok_or_else(unknown)?;
                let request = rest::Request {
                    binding,
                    labels,
                    query: self.query,
                    headers: self.headers,
                    body,
                };
                Ok(Call { service, operation, members: Members::Rest(request) })
            }
        }
    }
}

fn form_operation(
    service: &'static ServiceSchema,
    form: &Form<'_>,
) -> Result<&'static OperationSchema, ApiError> {
    let Some(action) = form.get("Action").filter(|action| !action.is_empty()) else {
        let message = "The request must contain the parameter Action";
        return Err(ApiError::sender("MissingAction", 400, message));
    };
    let version = form.get("Version");
    let unknown = || {
        let version = version.unwrap_or("NO_VERSION_SPECIFIED");
        ApiError::unknown_operation(service, shorten(action), shorten(version))
    };
    if version != Some(service.api_version) {
        return Err(match (service.protocol, version) {
            (Protocol::Ec2, None) => {
                let message = "The request must contain the parameter Version";
                ApiError::sender("MissingParameter", 400, message)
            }
            (Protocol::Ec2, Some(version)) => {
                let message = format!("The API version {} does not exist.", shorten(version));
                ApiError::sender("NoSuchVersion", 400, message)
            }
            _ => unknown(),
        });
    }
    service.operation(action).ok_or_else(unknown)
}

/// A service whose endpoint prefix stands between dots of a host name, as in
/// `api.sagemaker.eu-west-1.amazonaws.com` or `vpce-1.sts.eu-west-1.vpce.amazonaws.com`.
fn by_host(host: &str) -> Option<&'static ServiceSchema> {
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host).to_ascii_lowercase();
    let dotted = format!(".{host}.");
    let has = |label: &str| dotted.contains(&format!(".{label}."));
    SERVICES.iter().copied().find(|it| has(it.endpoint_prefix) || has(it.name))
}

/// A request whose operation is known and whose members are not yet decoded.
#[derive(Debug)]
pub struct Call<'a> {
    /// The service.
    pub service: &'static ServiceSchema,
    /// The operation.
    pub operation: &'static OperationSchema,
    members: Members<'a>,
}

#[derive(Debug)]
enum Members<'a> {
    Json(&'a [u8]),
    Form(Form<'a>),
    Rest(rest::Request<'a>),
}

impl Call<'_> {
    /// Reads the members into `out`, held to all constraints.
    ///
    /// # Errors
    /// As AWS answers in the service's protocol; an operation that is not implemented is refused
    /// as such.
    pub fn decode(&self, out: &mut dyn Struct) -> Result<(), ApiError> {
        if !self.operation.implemented {
            return Err(ApiError::not_implemented(self.service, self.operation.name));
        }
        let protocol = self.service.protocol;
        self.members(out).map_err(|failure| failure.into_error(protocol))
    }

    fn members(&self, out: &mut dyn Struct) -> Result<(), DecodeFailure> {
        let schema = self.operation.input.unwrap_or_else(|| Unit.schema());
        let protocol = self.service.protocol;
        let members = match &self.members {
            Members::Json(body) => json::decode(schema, body)?,
            Members::Form(form) => {
                let flavour = if protocol == Protocol::Ec2 { Flavour::Ec2 } else { Flavour::Query };
                query::decode(flavour, schema, form)?
            }
            Members::Rest(request) => rest::decode(self.service, schema, request)?,
        };
        finish(protocol, schema, members, out)
    }
}
