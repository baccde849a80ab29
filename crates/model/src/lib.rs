//! The AWS API as data: tables of the operations, shapes and constraints of the services that are
//! served (generated from a pinned botocore by `cargo xtask generate`), and the small traits by
//! which a codec reaches the members of a request or answer without knowing its type.
//!
//! A codec walks a [`StructSchema`] beside a [`Struct`]: what a value is called on the wire comes
//! from the table, where it lives comes from the struct. So the code is shapes + codecs, not
//! shapes × codecs. This crate depends on nothing.

mod access;
#[expect(missing_docs, reason = "generated tables; the names are those of the AWS API reference")]
mod generated;
mod schema;
mod text_enum;
mod time;

pub use access::{
    Blob, EnumSlot, List, ListSlot, Map, MapSlot, Member, Redacted, Shape, Slot, Struct, Unit, View,
};
pub use generated::{SERVICES, ec2, iam, route53, sagemaker, sts};
pub use schema::{
    ErrorSchema, HttpBinding, Integer, Kind, ListSchema, Location, MapSchema, MemberSchema,
    OperationSchema, Protocol, Real, ServiceSchema, ShapeSchema, Size, StructSchema, Text,
    TimestampFormat, service, service_by_target_prefix,
};
pub use text_enum::UnknownValue;
pub use time::Timestamp;
