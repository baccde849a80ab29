//! What people call the parts of a network: for pictures and lists, never for a decision.

use std::collections::BTreeMap;

use sagegate_gate::Scope;
use sagegate_store::{Read, StoreError};

use super::records::{self, Interface, SecurityGroup};
use super::tags::TAGS;

/// By id: the tag `Name`; of a security group else its own name, and of a network interface its
/// description.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub fn names(state: &dyn Read, scope: &Scope) -> Result<BTreeMap<String, String>, StoreError> {
    let mut names = BTreeMap::new();
    for group in records::all::<SecurityGroup>(state, scope)? {
        names.insert(group.id, group.name);
    }
    for interface in records::all::<Interface>(state, scope)? {
        if !interface.description.is_empty() {
            names.insert(interface.id, interface.description);
        }
    }
    let place = (scope.account.as_str(), scope.region.as_str());
    for ((_, _, id, key), value) in TAGS.scan(state, &place, None, usize::MAX)? {
        if key == "Name" && !value.is_empty() {
            names.insert(id, value);
        }
    }
    Ok(names)
}
