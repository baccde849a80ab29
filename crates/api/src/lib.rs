//! Requests and answers of the implemented operations as plain structs, one module per service.
//!
//! Generated from a pinned botocore by `cargo xtask generate`; `operations.txt` beside this crate's
//! manifest lists the operations. Names are those of the AWS API in Rust case. Members that a
//! request must have are plain fields (the decoder refuses a request without them); everything
//! else is an `Option`. `Debug` never shows sensitive members.

#[expect(missing_docs, reason = "generated; the names are those of the AWS API reference")]
mod generated;

use sagegate_model::ServiceSchema;

pub use generated::{ec2, iam, route53, sagemaker, sts};
pub use sagegate_model::{Blob, Shape, Struct, Timestamp, Unit, UnknownValue};

/// A blank request of an implemented operation, for code that treats all operations alike.
#[must_use]
pub fn input(service: &ServiceSchema, operation: &str) -> Option<Box<dyn Struct>> {
    generated::input(service.name, operation)
}

/// A blank answer of an implemented operation, for code that treats all operations alike.
#[must_use]
pub fn output(service: &ServiceSchema, operation: &str) -> Option<Box<dyn Struct>> {
    generated::output(service.name, operation)
}
