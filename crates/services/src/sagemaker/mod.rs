//! SageMaker: domains and user profiles.

use sagegate_gate::registry::Registry;

/// Registers the operations.
pub(crate) fn register(_registry: &mut Registry) {}
