/// How a service is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// `awsJson1_0`: operation in `X-Amz-Target`, JSON body.
    Json10,
    /// `awsJson1_1`: operation in `X-Amz-Target`, JSON body.
    Json11,
    /// `awsQuery`: form body with `Action` and `Version`, XML answer.
    Query,
    /// `ec2Query`: as `awsQuery`, with other names and another envelope.
    Ec2,
    /// `restXml`: operation in method and path; members in path, query, headers and an XML body.
    RestXml,
}

/// A service: what identifies it on the wire, and every operation that AWS has for it.
#[derive(Debug)]
pub struct ServiceSchema {
    /// The name used in SDKs and here, such as `iam`.
    pub name: &'static str,
    /// The identifier that SDKs print, such as `IAM`.
    pub service_id: &'static str,
    /// The service name in a SigV4 credential scope.
    pub signing_name: &'static str,
    /// The first label(s) of the service's host names, such as `api.sagemaker`.
    pub endpoint_prefix: &'static str,
    /// The protocol.
    pub protocol: Protocol,
    /// The version of the API, as query requests name it in `Version`.
    pub api_version: &'static str,
    /// What stands before the dot in `X-Amz-Target`; empty where the protocol has none.
    pub target_prefix: &'static str,
    /// The namespace of XML answers, and of REST requests; empty in JSON.
    pub xml_namespace: &'static str,
    /// Every operation of the service, sorted by name.
    pub operations: &'static [OperationSchema],
    /// How each of them stands in HTTP, sorted by name; empty where the protocol has one way for all.
    pub bindings: &'static [HttpBinding],
    /// The names of those that AWS serves to requests without a signature.
    pub unsigned: &'static [&'static str],
}

impl ServiceSchema {
    /// The operation called `name`, whether it is implemented or not.
    #[must_use]
    pub fn operation(&self, name: &str) -> Option<&'static OperationSchema> {
        let index = self.operations.binary_search_by(|operation| operation.name.cmp(name)).ok()?;
        self.operations.get(index)
    }

    /// How an operation stands in HTTP, where the protocol is a REST protocol.
    #[must_use]
    pub fn binding(&self, operation: &str) -> Option<&'static HttpBinding> {
        let index = self.bindings.binary_search_by(|it| it.operation.cmp(operation)).ok()?;
        self.bindings.get(index)
    }
}

/// How an operation of a REST protocol stands in HTTP.
#[derive(Debug)]
pub struct HttpBinding {
    /// The operation's name.
    pub operation: &'static str,
    /// The method.
    pub method: &'static str,
    /// The path, with members as labels: `/2013-04-01/hostedzone/{Id}`. A label that ends on a plus
    /// takes the whole rest of the path.
    pub path: &'static str,
    /// The status of an answer.
    pub status: u16,
    /// The root element of the request's body; empty where there is no body.
    pub root: &'static str,
}

/// The service called `name` (as in `ServiceSchema::name`).
#[must_use]
pub fn service(name: &str) -> Option<&'static ServiceSchema> {
    crate::SERVICES.iter().copied().find(|service| service.name == name)
}

/// The service whose operations are named `<prefix>.<Operation>` in `X-Amz-Target`.
#[must_use]
pub fn service_by_target_prefix(prefix: &str) -> Option<&'static ServiceSchema> {
    crate::SERVICES
        .iter()
        .copied()
        .find(|service| !service.target_prefix.is_empty() && service.target_prefix == prefix)
}

/// An operation.
#[derive(Debug)]
pub struct OperationSchema {
    /// The name, such as `CreateUser`.
    pub name: &'static str,
    /// Whether the tables hold its shapes, so that it can be served.
    pub implemented: bool,
    /// The request; `None` where it has no members or the operation is not implemented.
    pub input: Option<&'static StructSchema>,
    /// The answer; `None` where it has no members or the operation is not implemented.
    pub output: Option<&'static StructSchema>,
    /// The element around the members of a query answer, such as `CreateUserResult`.
    pub result_wrapper: Option<&'static str>,
    /// The errors that the model names for it.
    pub errors: &'static [&'static ErrorSchema],
}

/// A modelled error.
#[derive(Debug, PartialEq, Eq)]
pub struct ErrorSchema {
    /// The shape's name, such as `NoSuchEntityException`.
    pub name: &'static str,
    /// The code on the wire, such as `NoSuchEntity`.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// Whether the caller is at fault.
    pub sender: bool,
}

/// A structure: its members in the order of the model.
#[derive(Debug)]
pub struct StructSchema {
    /// The name in the model.
    pub name: &'static str,
    /// Whether the whole of it is secret.
    pub sensitive: bool,
    /// Whether exactly one member may be set.
    pub union: bool,
    /// The members; their index is that of [`crate::Struct::member`].
    pub members: &'static [MemberSchema],
}

/// A member of a structure.
#[derive(Debug)]
pub struct MemberSchema {
    /// The name in the model.
    pub name: &'static str,
    /// The name in a request of the service's protocol.
    pub request_name: &'static str,
    /// The name in an answer of the service's protocol.
    pub response_name: &'static str,
    /// What it holds.
    pub shape: &'static ShapeSchema,
    /// Where it stands.
    pub location: Location,
    /// Whether a request must have it.
    pub required: bool,
    /// Whether clients fill it with a random token that makes a repeated call harmless.
    pub idempotency_token: bool,
}

impl MemberSchema {
    /// A member that has the same name everywhere and may be absent.
    #[must_use]
    pub const fn new(name: &'static str, shape: &'static ShapeSchema) -> Self {
        Self {
            name,
            request_name: name,
            response_name: name,
            shape,
            location: Location::Body,
            required: false,
            idempotency_token: false,
        }
    }

    /// With these names on the wire.
    #[must_use]
    pub const fn wire(mut self, request: &'static str, response: &'static str) -> Self {
        self.request_name = request;
        self.response_name = response;
        self
    }

    /// That does not stand in the body.
    #[must_use]
    pub const fn at(mut self, location: Location) -> Self {
        self.location = location;
        self
    }

    /// That a request must have.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// That is an idempotency token.
    #[must_use]
    pub const fn idempotency_token(mut self) -> Self {
        self.idempotency_token = true;
        self
    }
}

/// Where a member of a request or answer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location {
    /// In the body, as all do but in the REST protocols.
    Body,
    /// In the path.
    Label,
    /// In the query string.
    Query,
    /// In a header field.
    Header,
}

/// What a member, an item or a map's value may hold.
#[derive(Debug)]
pub struct ShapeSchema {
    /// The name in the model.
    pub name: &'static str,
    /// Whether it must never be printed.
    pub sensitive: bool,
    /// The type with its constraints.
    pub kind: Kind,
}

/// A type with its constraints.
#[derive(Debug)]
pub enum Kind {
    /// A boolean.
    Boolean,
    /// A 32-bit integer.
    Integer(Integer),
    /// A 64-bit integer.
    Long(Integer),
    /// A 32-bit floating-point number.
    Float(Real),
    /// A 64-bit floating-point number.
    Double(Real),
    /// A string or an enumeration.
    Text(Text),
    /// Bytes, base64 on the wire; the size is that of the bytes.
    Blob(Size),
    /// A point in time.
    Timestamp(TimestampFormat),
    /// A structure.
    Struct(&'static StructSchema),
    /// A list.
    List(ListSchema),
    /// A map with string keys.
    Map(MapSchema),
}

/// Bounds of a whole number, both inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Integer {
    /// Least value.
    pub min: Option<i64>,
    /// Greatest value.
    pub max: Option<i64>,
}

/// Bounds of a floating-point number, both inclusive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Real {
    /// Least value.
    pub min: Option<f64>,
    /// Greatest value.
    pub max: Option<f64>,
}

/// Bounds of a length or a count, both inclusive. Texts count UTF-16 units as AWS's services do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Least size.
    pub min: Option<u64>,
    /// Greatest size.
    pub max: Option<u64>,
}

/// Constraints of a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text {
    /// Bounds of the length.
    pub size: Size,
    /// A regular expression (Java's flavour) that the whole string must match.
    pub pattern: Option<&'static str>,
    /// The values of an enumeration in the order of the model; empty where it is a free string.
    pub values: &'static [&'static str],
}

/// How a point in time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampFormat {
    /// Seconds since the epoch as a number with decimals.
    EpochSeconds,
    /// ISO 8601 in UTC.
    Iso8601,
}

/// A list's items.
#[derive(Debug)]
pub struct ListSchema {
    /// What an item holds.
    pub item: &'static ShapeSchema,
    /// The name of an item: the element in XML, the part before the number in query requests.
    pub item_name: &'static str,
    /// Whether items stand without an element or name part around them.
    pub flattened: bool,
    /// Bounds of the count.
    pub size: Size,
}

/// A map's entries.
#[derive(Debug)]
pub struct MapSchema {
    /// What a key may be.
    pub key: &'static ShapeSchema,
    /// What a value holds.
    pub value: &'static ShapeSchema,
    /// The name of a key on the wire.
    pub key_name: &'static str,
    /// The name of a value on the wire.
    pub value_name: &'static str,
    /// Whether entries stand without an `entry` around them.
    pub flattened: bool,
    /// Bounds of the count.
    pub size: Size,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_found_by_name() {
        for service in crate::SERVICES {
            assert!(service.operations.is_sorted_by(|a, b| a.name < b.name), "{}", service.name);
            for operation in service.operations {
                let found = service.operation(operation.name).map(|found| found.name);
                assert_eq!(found, Some(operation.name));
                assert!(operation.implemented || operation.input.is_none());
                let rest = service.protocol == Protocol::RestXml;
                assert_eq!(service.binding(operation.name).is_some(), rest);
            }
            assert!(service.operation("MakeTea").is_none());
        }
        let run = service("ec2").and_then(|ec2| ec2.operation("RunInstances"));
        assert!(run.is_some_and(|run| !run.implemented));
        let sagemaker = service_by_target_prefix("SageMaker").map(|service| service.name);
        assert_eq!(sagemaker, Some("sagemaker"));
        assert!(service_by_target_prefix("").is_none());
    }
}
