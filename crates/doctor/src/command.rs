//! Commands of the AWS CLI, as a shell reads them.

use std::net::IpAddr;

use sagegate_network::security_group::{Packet, Peer, Protocol, TCP};
use sagegate_network::topology::{NetworkAcl, Topology};
use sagegate_network::walk::{Code, Component, Direction, Walk};
use serde_json::{Value, json};

use crate::ask::{Visit, Visitor};

/// A word of a command, in single quotes where a shell would read it otherwise.
pub(crate) fn word(text: &str) -> String {
    let plain = |it: char| it.is_ascii_alphanumeric() || "-_./:@%+=,".contains(it);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// `aws`, and these words.
pub(crate) fn aws(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|it| word(it)).collect();
    format!("aws {}", words.join(" "))
}

/// Lets a security group in at another.
fn let_in(group: &str, port: u16, from: &str) -> String {
    let port = port.to_string();
    aws(&[
        "ec2",
        "authorize-security-group-ingress",
        "--group-id",
        group,
        "--protocol",
        "tcp",
        "--port",
        &port,
        "--source-group",
        from,
    ])
}

/// Lets a security group out to somebody: another group, a prefix list or an address.
pub(crate) fn let_out(group: &str, port: u16, to: &Peer) -> String {
    let to = match to {
        Peer::Group(id) => format!("UserIdGroupPairs=[{{GroupId={id}}}]"),
        Peer::PrefixList(id) => format!("PrefixListIds=[{{PrefixListId={id}}}]"),
        Peer::V4(block) => format!("IpRanges=[{{CidrIp={block}}}]"),
        Peer::V6(block) => format!("Ipv6Ranges=[{{CidrIpv6={block}}}]"),
    };
    let permission = format!("IpProtocol=tcp,FromPort={port},ToPort={port},{to}");
    aws(&[
        "ec2",
        "authorize-security-group-egress",
        "--group-id",
        group,
        "--ip-permissions",
        &permission,
    ])
}

/// An address as a peer of a rule.
fn host(address: IpAddr) -> Peer {
    match address {
        IpAddr::V4(it) => Peer::V4(it.into()),
        IpAddr::V6(it) => Peer::V6(it.into()),
    }
}

/// What lets the packet of a walk through, where a rule of a security group or an entry of a network
/// ACL stopped it. Other obstacles are not mended by one command.
pub(crate) fn let_through(
    visit: &Visit,
    client: &Visitor,
    to: IpAddr,
    packet: Packet,
    walk: &Walk,
) -> Option<String> {
    let explanation = walk.explanation.as_ref()?;
    let Packet::Port { port, .. } = packet else { return None };
    let topology = visit.topology();
    match (explanation.code, &explanation.component) {
        (Code::EniSgRulesMismatch | Code::SgHasNoRules, Component::NetworkInterface(id)) => {
            let own = visit.groups.first()?;
            let there = topology.interfaces.values().find(|it| {
                it.addresses.iter().any(|own| own.private == to)
                    && topology.subnets.get(&client.subnet).is_some_and(|own| own.vpc == it.vpc)
            });
            let there = there.and_then(|it| it.groups.first());
            if visit.is_client(id) {
                let peer = there.map_or_else(|| host(to), |group| Peer::Group(group.clone()));
                return Some(let_out(own, port, &peer));
            }
            Some(let_in(there?, port, own))
        }
        (Code::SubnetAclRestriction, Component::NetworkAcl(id)) => {
            let egress = explanation.stopped.egress?;
            let header = explanation.stopped.header;
            let other = if egress { header.destination } else { header.source };
            let ports = match explanation.direction {
                Direction::Forward => (port, port),
                // The answer goes to whichever port the client took.
                Direction::Return => (1024, u16::MAX),
            };
            entry(topology, id, egress, other, ports)
        }
        _ => None,
    }
}

/// An entry that comes before all others of the ACL.
fn entry(
    topology: &Topology,
    id: &str,
    egress: bool,
    other: IpAddr,
    (from, to): (u16, u16),
) -> Option<String> {
    let acl: &NetworkAcl = topology.network_acls.get(id)?;
    let entries = if egress { &acl.egress } else { &acl.ingress };
    let number = match entries.iter().map(|it| it.number).min() {
        Some(first) => first.checked_sub(1).filter(|number| *number > 0)?,
        None => 100,
    };
    let block = topology
        .subnets
        .values()
        .filter(|it| it.vpc == acl.vpc)
        .flat_map(|it| &it.blocks)
        .find(|block| block.contains(&other));
    let block = block.map_or_else(|| host(other).to_string(), ToString::to_string);
    let protocol = Protocol::Number(TCP);
    Some(aws(&[
        "ec2",
        "create-network-acl-entry",
        "--network-acl-id",
        id,
        if egress { "--egress" } else { "--ingress" },
        "--rule-number",
        &number.to_string(),
        "--protocol",
        &protocol.to_string(),
        "--port-range",
        &format!("From={from},To={to}"),
        if other.is_ipv4() { "--cidr-block" } else { "--ipv6-cidr-block" },
        &block,
        "--rule-action",
        "allow",
    ]))
}

/// A policy with one statement more. `None` where it cannot be read.
pub(crate) fn with_statement(document: &str, statement: Value) -> Option<String> {
    let mut document: Value = serde_json::from_str(document).ok()?;
    match document.get_mut("Statement")? {
        Value::Array(all) => all.push(statement),
        one => *one = json!([one.take(), statement]),
    }
    Some(document.to_string())
}

/// Adds a policy of one statement to a role.
pub(crate) fn put_role_policy(role: &str, name: &str, statement: &Value) -> String {
    let document = json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string();
    aws(&[
        "iam",
        "put-role-policy",
        "--role-name",
        role,
        "--policy-name",
        name,
        "--policy-document",
        &document,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_needs_it() {
        assert_eq!(aws(&["iam", "x", "it's {1}"]), r"aws iam x 'it'\''s {1}'");
        assert_eq!(
            let_out("sg-1", 443, &Peer::Group("sg-2".into())),
            "aws ec2 authorize-security-group-egress --group-id sg-1 --ip-permissions \
             'IpProtocol=tcp,FromPort=443,ToPort=443,UserIdGroupPairs=[{GroupId=sg-2}]'"
        );
    }
}
