//! EC2: the VPC.

use sagegate_gate::registry::Registry;

/// Registers the operations.
pub(crate) fn register(_registry: &mut Registry) {}
