use sagegate_model::{Protocol, Struct, StructSchema};
use thiserror::Error;

use crate::ApiError;
use crate::validate::{self, Constraint, Violation};
use crate::value::{self, Value};

/// Why a request could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum DecodeFailure {
    /// A JSON body is not JSON, or a value has the wrong type.
    #[error("{0}")]
    Json(String),
    /// An XML body is not well-formed, or has what the request has not.
    #[error("Invalid XML ; {0}")]
    Xml(String),
    /// A form body or query string is not well-formed.
    #[error("{0}")]
    Form(String),
    /// A parameter of a query request has a value of the wrong type.
    #[error("{reason} (at '{name}')")]
    Parameter {
        /// The parameter's name as it was sent.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// EC2 has no such parameter for this operation.
    #[error("The parameter {0} is not recognized")]
    UnknownParameter(String),
    /// The members do not hold to their constraints; never empty.
    #[error("{}", validate::message(.0))]
    Invalid(Vec<Violation>),
    /// The table and the struct do not fit each other.
    #[error("The request could not be read.")]
    Internal,
}

/// The end of decoding: holds the members to all constraints of their shapes, then puts them into
/// `out`, which is as it was before where they do not hold.
pub(crate) fn finish(
    protocol: Protocol,
    schema: &'static StructSchema,
    members: Vec<Option<Value>>,
    out: &mut dyn Struct,
) -> Result<(), DecodeFailure> {
    let violations = validate::violations(protocol, schema, &members);
    if !violations.is_empty() {
        return Err(DecodeFailure::Invalid(violations));
    }
    value::fill(members, out).map_err(|value::Misfit| DecodeFailure::Internal)
}

impl DecodeFailure {
    /// The failure as the error that AWS answers in this protocol.
    #[must_use]
    pub(crate) fn into_error(self, protocol: Protocol) -> ApiError {
        let message = self.to_string();
        let (code, status) = match (&self, protocol) {
            (Self::Internal, _) => return ApiError::internal(message),
            (Self::Json(_), _) => ("SerializationException", 400),
            // Route 53's code and the beginning of its text, as its users have reported them; what
            // follows there are the words of a Java library.
            (Self::Xml(_), _) => ("InvalidInput", 400),
            (Self::Parameter { .. } | Self::Invalid(_), Protocol::RestXml) => ("InvalidInput", 400),
            // the status that the list of common errors of the query services gives
            (Self::Form(_), Protocol::Query) => ("MalformedQueryString", 404),
            (Self::Form(_), _) => ("MalformedQueryString", 400),
            (Self::Parameter { name, reason }, Protocol::Ec2) => {
                let message = format!("The value of parameter {name} is invalid. {reason}");
                return ApiError::sender("InvalidParameterValue", 400, message);
            }
            (Self::Parameter { .. }, _) => ("MalformedInput", 400),
            (Self::UnknownParameter(_), _) => ("UnknownParameter", 400),
            (Self::Invalid(violations), Protocol::Ec2) => {
                return violations.first().map_or_else(|| ApiError::internal(message), ec2);
            }
            (Self::Invalid(_), Protocol::Query) => ("ValidationError", 400),
            (Self::Invalid(_), Protocol::Json10 | Protocol::Json11) => ("ValidationException", 400),
        };
        ApiError::sender(code, status, message)
    }
}

/// EC2 names one violation, in words of its own.
fn ec2(violation: &Violation) -> ApiError {
    let Violation { path, parameter, value, constraint } = violation;
    if *constraint == Constraint::NotNull {
        let message = format!("The request must contain the parameter {parameter}");
        return ApiError::sender("MissingParameter", 400, message);
    }
    let mut steps = path.rsplit('.');
    let mut name = steps.next().unwrap_or(path);
    if name == "member" {
        // an item is named by its list
        name = steps.nth(1).unwrap_or(path);
    }
    let expecting = match constraint {
        Constraint::ValueAtLeast(min) => format!(" Expecting a value greater than {min}."),
        Constraint::ValueAtMost(max) => format!(" Expecting a value less than or equal to {max}."),
        Constraint::LengthAtLeast(min) => format!(" Expecting at least {min} characters or items."),
        Constraint::LengthAtMost(max) => format!(" Expecting at most {max} characters or items."),
        Constraint::Pattern(pattern) => format!(" Expecting a value that matches {pattern}."),
        _ => String::new(),
    };
    let message = match value {
        Some(value) => format!("Value ( {value} ) for parameter {name} is invalid.{expecting}"),
        None => format!("The value for parameter {name} is invalid.{expecting}"),
    };
    ApiError::sender("InvalidParameterValue", 400, message)
}
