//! Explanations of what security groups and network ACLs refuse.

use super::filter::LAST_ENTRY;
use super::header::Header;
use super::hop::{Code, Component};
use crate::topology::Interface;

/// Code, other components, and words for a refusal by security groups.
pub(super) fn groups(
    id: &str,
    interface: &Interface,
    egress: bool,
    header: Header,
    any_rule: bool,
    by_reference: &[(&str, &str)],
    hidden: Option<&Interface>,
) -> (Code, Vec<Component>, String) {
    let related = interface.groups.iter().cloned().map(Component::SecurityGroup).collect();
    let names = interface.groups.join(", ");
    let payload = header.payload;
    let (bound, side, other) = if egress {
        ("outbound", "to", header.destination)
    } else {
        ("inbound", "from", header.source)
    };
    let member =
        |named: &str| hidden.is_some_and(|it| it.groups.iter().any(|group| group == named));
    if let Some((rule, named)) = by_reference.iter().find(|(_, named)| member(named)) {
        let text = format!(
            "the {bound} rule {rule} of {id} allows {payload} {side} members of {named} by their private \
             addresses, but this packet goes {side} {other}: send it to the private address by a route \
             without translation, or allow {payload} {side} {other}"
        );
        return (Code::SgReferencesNotPreserved, related, text);
    }
    if interface.groups.is_empty() {
        let text = format!("{id} has no security group, so that nothing is allowed: give it one");
        return (Code::EniSgRulesMismatch, related, text);
    }
    if !any_rule {
        let text = format!(
            "the security groups of {id} ({names}) have no {bound} rules: add one that allows {payload} {side} {other}"
        );
        return (Code::SgHasNoRules, related, text);
    }
    let text = format!(
        "no {bound} rule of the security groups of {id} ({names}) allows {payload} {side} {other}: add one to one of them"
    );
    (Code::EniSgRulesMismatch, related, text)
}

/// Words for a refusal by a network ACL.
pub(super) fn acl(id: &str, subnet: &str, egress: bool, header: Header, number: u16) -> String {
    let payload = header.payload;
    let (bound, side, other) = if egress {
        ("outbound", "to", header.destination)
    } else {
        ("inbound", "from", header.source)
    };
    if number == LAST_ENTRY {
        return format!(
            "no {bound} entry of {id}, the network ACL of {subnet}, allows {payload} {side} {other}: add an entry that does"
        );
    }
    format!(
        "the {bound} entry {number} of {id}, the network ACL of {subnet}, denies {payload} {side} {other}: remove it, or allow this under a smaller number"
    )
}
