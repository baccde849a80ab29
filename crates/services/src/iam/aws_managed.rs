//! The AWS managed policies.

use super::managed::Managed;

/// The AWS managed policy of this ARN (`arn:<partition>:iam::aws:policy/…`).
#[must_use]
pub fn find(_arn: &str) -> Option<Managed> {
    None
}
