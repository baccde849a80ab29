//! The IAM policy language: read, validate, compile, decide, explain.
//!
//! A library by itself: it knows no HTTP, no service and no store, does no I/O and reads no clock.
//!
//! ```
//! use sagegate_policy::{Attached, Bundle, Context, Document, Policy, PolicySet, Principal, Request, decide};
//!
//! let document = Document::parse(r#"{
//!     "Version": "2012-10-17",
//!     "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::models/${aws:username}/*"}
//! }"#)?;
//! let bundle = Bundle::new([Attached::new("read-models", Policy::compile(&document))]);
//! let jo = Principal::parse("arn:aws:iam::123456789012:user/jo").ok_or("not a principal")?;
//! let context = Context::from_iter([("aws:username", "jo")]);
//! let request = Request::new(jo, "s3:GetObject", "arn:aws:s3:::models/jo/weights.bin", context);
//! assert!(decide(&request, &PolicySet::new(&bundle)).allowed);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bundle;
pub mod cases;
mod condition;
mod decide;
mod document;
mod explain;
mod json;
mod operator;
mod pattern;
mod policy;
mod request;
mod validate;
mod value;

pub use bundle::Bundle;
pub use decide::{Decision, PolicyKind, PolicySet, Reason, ResourceRule, Source, decide};
pub use document::{
    Condition, Document, Effect, Element, ParseError, Position, PrincipalElement, PrincipalType,
    Statement, Text, Version, size_without_whitespace,
};
pub use explain::{
    ConditionTrace, PolicyTrace, ReasonTrace, RequestTrace, StatementTrace, Trace, Values, explain,
};
pub use operator::{Base, Comparison, Operator, Quantifier};
pub use policy::{Attached, Policy};
pub use request::{Context, Principal, Request, ResourceName, Value, folded_key};
pub use validate::{PolicyType, Violation, validate};
