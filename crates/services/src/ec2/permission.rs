//! Between the permissions of requests and answers and the rules of the model.

use sagegate_api::ec2::{
    IpPermission, IpRange, Ipv6Range, PrefixListId, ReferencedSecurityGroup,
    RevokedSecurityGroupRule, SecurityGroupRule, UserIdGroupPair,
};
use sagegate_gate::{Fault, Scope};
use sagegate_network::security_group::{Peer, Protocol, Rule};
use sagegate_store::Read;

use super::fault::{bad, invalid_value, missing};
use super::kind::Kind;
use super::managed_prefix_list::Any;
use super::peering::references::{self, References};
use super::records::{self, GroupRule, SecurityGroup};
use super::tags::{self, Tags};

/// The longest description of a rule.
const MAX_DESCRIPTION: usize = 255;

/// A rule that a request names, with its description.
pub(crate) type Wanted = (Rule, Option<String>);

/// The members of a request by which a single rule could be given before there were lists.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Single<'a> {
    pub(crate) protocol: Option<&'a String>,
    pub(crate) from: Option<i32>,
    pub(crate) to: Option<i32>,
    pub(crate) cidr: Option<&'a String>,
    pub(crate) group_name: Option<&'a String>,
    pub(crate) group_owner: Option<&'a String>,
}

impl Single<'_> {
    fn permission(self) -> Option<IpPermission> {
        let given = self.protocol.is_some() || self.cidr.is_some() || self.group_name.is_some();
        given.then(|| IpPermission {
            ip_protocol: self.protocol.cloned(),
            from_port: self.from,
            to_port: self.to,
            ip_ranges: self
                .cidr
                .map(|cidr| vec![IpRange { cidr_ip: Some(cidr.clone()), description: None }]),
            user_id_group_pairs: self.group_name.map(|name| {
                vec![UserIdGroupPair {
                    group_name: Some(name.clone()),
                    user_id: self.group_owner.cloned(),
                    ..UserIdGroupPair::default()
                }]
            }),
            ..IpPermission::default()
        })
    }
}

/// What the rules that a request names are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Rules that are to be.
    New,
    /// Rules that are there.
    Known,
}

/// Reads the rules that a request names, for a group of this VPC.
///
/// # Errors
/// `MissingParameter`, `InvalidParameterValue`, `InvalidPermission.Malformed`,
/// `InvalidGroup.NotFound`, `InvalidVpcPeeringConnectionID.NotFound`,
/// `InvalidPrefixListID.NotFound`.
pub(crate) fn wanted(
    state: &dyn Read,
    scope: &Scope,
    group: &SecurityGroup,
    permissions: Option<&Vec<IpPermission>>,
    single: Single<'_>,
    purpose: Purpose,
) -> Result<Vec<Wanted>, Fault> {
    let single = single.permission();
    let mut rules: Vec<Wanted> = Vec::new();
    for permission in permissions.into_iter().flatten().chain(&single) {
        for rule in of_permission(state, scope, group, permission, purpose)? {
            if rules.iter().any(|(known, _)| *known == rule.0) {
                return Err(invalid_value("The same permission must not appear multiple times"));
            }
            rules.push(rule);
        }
    }
    if rules.is_empty() { Err(missing("ipPermissions")) } else { Ok(rules) }
}

fn of_permission(
    state: &dyn Read,
    scope: &Scope,
    group: &SecurityGroup,
    permission: &IpPermission,
    purpose: Purpose,
) -> Result<Vec<Wanted>, Fault> {
    let text = permission.ip_protocol.as_deref().ok_or_else(|| missing("ipProtocol"))?;
    let protocol = Protocol::parse(text).ok_or_else(|| {
        invalid_value(format!("Invalid value '{text}' for IP protocol. Unknown protocol."))
    })?;
    let (from, to) = ports(protocol, permission.from_port, permission.to_port)?;
    let mut peers: Vec<(Peer, Option<&String>)> = Vec::new();
    for range in permission.ip_ranges.iter().flatten() {
        let text = range.cidr_ip.as_deref().unwrap_or_default();
        let net: ipnet::Ipv4Net = text.parse().map_err(|_| malformed_block(text))?;
        peers.push((Peer::V4(net.trunc()), range.description.as_ref()));
    }
    for range in permission.ipv6_ranges.iter().flatten() {
        let text = range.cidr_ipv6.as_deref().unwrap_or_default();
        let net: ipnet::Ipv6Net = text.parse().map_err(|_| malformed_block(text))?;
        peers.push((Peer::V6(net.trunc()), range.description.as_ref()));
    }
    for pair in permission.user_id_group_pairs.iter().flatten() {
        let id = referenced(state, scope, group, pair, purpose)?;
        peers.push((Peer::Group(id), pair.description.as_ref()));
    }
    for list in permission.prefix_list_ids.iter().flatten() {
        let id = list.prefix_list_id.as_deref().unwrap_or_default();
        // What a rule that is there names is held by it.
        Any::find(state, scope, id)?;
        peers.push((Peer::PrefixList(id.to_owned()), list.description.as_ref()));
    }
    if peers.is_empty() {
        let text = "A permission must name an IP range, a security group or a prefix list.";
        return Err(bad("InvalidPermission.Malformed", text));
    }
    peers
        .into_iter()
        .map(|(peer, description)| {
            check_description(description)?;
            Ok((Rule { protocol, from, to, peer }, description.cloned()))
        })
        .collect()
}

fn malformed_block(text: &str) -> Fault {
    invalid_value(format!("CIDR block {text} is malformed"))
}

/// # Errors
/// `InvalidParameterValue` where a rule cannot have this description.
pub(crate) fn check_description(description: Option<&String>) -> Result<(), Fault> {
    let legal = description.is_none_or(|text| {
        text.len() <= MAX_DESCRIPTION && text.chars().all(super::security_group::is_name_character)
    });
    if legal {
        return Ok(());
    }
    Err(invalid_value(
        "Invalid rule description. Valid descriptions are strings less than 256 characters from the following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*",
    ))
}

/// The ports, or ICMP type and code, of a permission.
fn ports(protocol: Protocol, from: Option<i32>, to: Option<i32>) -> Result<(i32, i32), Fault> {
    if protocol.has_ports() {
        let (Some(from), Some(to)) = (from, to) else {
            let text =
                "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.";
            return Err(invalid_value(text));
        };
        return match (from, to) {
            (-1, -1) => Ok((0, 65_535)),
            (0..=65_535, 0..=65_535) if from <= to => Ok((from, to)),
            _ => Err(bad(
                "InvalidPermission.Malformed",
                format!("Invalid {protocol} port range (from {from} to {to})"),
            )),
        };
    }
    if protocol.has_types() {
        let (kind, code) = (from.unwrap_or(-1), to.unwrap_or(-1));
        let legal =
            (-1..=255).contains(&kind) && (-1..=255).contains(&code) && (kind != -1 || code == -1);
        if !legal {
            let text = format!("ICMP type ({kind}) and code ({code}) do not go together");
            return Err(bad("InvalidPermission.Malformed", text));
        }
        return Ok((kind, code));
    }
    // Other protocols have no ports; whatever is given for them has no meaning.
    Ok((-1, -1))
}

/// The id of the group that a pair refers to.
fn referenced(
    state: &dyn Read,
    scope: &Scope,
    group: &SecurityGroup,
    pair: &UserIdGroupPair,
    purpose: Purpose,
) -> Result<String, Fault> {
    let foreign = pair.user_id.as_ref().is_some_and(|owner| owner != scope.account.as_str());
    if foreign {
        // Peering connections join VPCs of one account alone.
        let id = pair.group_id.as_deref().or(pair.group_name.as_deref()).unwrap_or_default();
        return Err(Kind::SecurityGroup.not_found(id));
    }
    // A stale rule may name what is there no more.
    let names = |id: &String| {
        group.rules.iter().any(|it| matches!(&it.rule.peer, Peer::Group(known) if known == id))
    };
    if let Some(id) = pair.group_id.as_ref().filter(|id| purpose == Purpose::Known && names(id)) {
        return Ok(id.clone());
    }
    let other = match (&pair.group_id, &pair.group_name) {
        (Some(id), _) => records::find::<SecurityGroup>(state, scope, id)?,
        (None, Some(name)) => super::security_group::by_name(state, scope, &group.vpc, name)?,
        (None, None) => return Err(missing("groupId")),
    };
    if pair.vpc_id.as_ref().is_some_and(|vpc| *vpc != other.vpc) {
        return Err(references::elsewhere());
    }
    let peer = Peer::Group(other.id.clone());
    let across = references::across(state, scope, &group.vpc, &peer)?.map(|it| it.connection);
    match &pair.vpc_peering_connection_id {
        Some(id) if across.as_ref() != Some(id) => Err(Kind::VpcPeeringConnection.not_found(id)),
        _ => Ok(other.id),
    }
}

/// The words by which AWS calls a rule that is there twice.
pub(crate) fn duplicate(rule: &Rule) -> Fault {
    let peer = &rule.peer;
    let what = if rule.protocol == Protocol::All {
        "ALL".to_owned()
    } else {
        let name = rule.protocol.to_string().to_uppercase();
        if rule.protocol.has_ports() {
            format!("{name}, from port: {}, to port: {}", rule.from, rule.to)
        } else if rule.protocol.has_types() {
            format!("{name}, type: {}, code: {}", rule.from, rule.to)
        } else {
            name
        }
    };
    let text = format!("the specified rule \"peer: {peer}, {what}, ALLOW\" already exists");
    bad("InvalidPermission.Duplicate", text)
}

/// Ports as answers show them: none where the protocol has none.
fn shown(rule: &Rule) -> (Option<i32>, Option<i32>) {
    if rule.protocol.has_ports() || rule.protocol.has_types() {
        (Some(rule.from), Some(rule.to))
    } else {
        (None, None)
    }
}

/// Rules as lists of permissions: one for each protocol and range.
pub(crate) fn permissions<'a>(
    scope: &Scope,
    references: &References,
    rules: impl IntoIterator<Item = &'a GroupRule>,
) -> Vec<IpPermission> {
    let mut permissions: Vec<IpPermission> = Vec::new();
    for GroupRule { rule, description, across, .. } in rules {
        let protocol = Some(rule.protocol.to_string());
        let (from_port, to_port) = shown(rule);
        let same = permissions.iter().position(|known| {
            known.ip_protocol == protocol
                && known.from_port == from_port
                && known.to_port == to_port
        });
        let at = same.unwrap_or_else(|| {
            permissions.push(IpPermission {
                ip_protocol: protocol,
                from_port,
                to_port,
                user_id_group_pairs: Some(Vec::new()),
                ip_ranges: Some(Vec::new()),
                ipv6_ranges: Some(Vec::new()),
                prefix_list_ids: Some(Vec::new()),
            });
            permissions.len() - 1
        });
        let Some(permission) = permissions.get_mut(at) else { continue };
        let description = description.clone();
        match &rule.peer {
            Peer::V4(net) => permission
                .ip_ranges
                .get_or_insert_default()
                .push(IpRange { description, cidr_ip: Some(net.to_string()) }),
            Peer::V6(net) => permission
                .ipv6_ranges
                .get_or_insert_default()
                .push(Ipv6Range { description, cidr_ipv6: Some(net.to_string()) }),
            Peer::Group(id) => {
                let pair = references.pair(scope, id, across.as_ref(), description);
                permission.user_id_group_pairs.get_or_insert_default().push(pair);
            }
            Peer::PrefixList(id) => permission
                .prefix_list_ids
                .get_or_insert_default()
                .push(PrefixListId { description, prefix_list_id: Some(id.clone()) }),
        }
    }
    permissions
}

/// A rule by itself, as DescribeSecurityGroupRules shows it.
pub(crate) fn rule_shape(
    scope: &Scope,
    group: &SecurityGroup,
    references: &References,
    rule: &GroupRule,
    tags: &Tags,
) -> SecurityGroupRule {
    let (from, to) = shown(&rule.rule);
    let mut shape = SecurityGroupRule {
        security_group_rule_id: Some(rule.id.clone()),
        group_id: Some(group.id.clone()),
        group_owner_id: Some(scope.account.to_string()),
        is_egress: Some(rule.egress),
        ip_protocol: Some(rule.rule.protocol.to_string()),
        from_port: from.or(Some(-1)),
        to_port: to.or(Some(-1)),
        description: rule.description.clone(),
        tags: Some(tags::shape(tags)),
        security_group_rule_arn: Some(Kind::SecurityGroupRule.arn(scope, &rule.id)),
        ..SecurityGroupRule::default()
    };
    match &rule.rule.peer {
        Peer::V4(net) => shape.cidr_ipv4 = Some(net.to_string()),
        Peer::V6(net) => shape.cidr_ipv6 = Some(net.to_string()),
        Peer::PrefixList(id) => shape.prefix_list_id = Some(id.clone()),
        Peer::Group(id) => {
            let pair = references.pair(scope, id, rule.across.as_ref(), None);
            shape.referenced_group_info = Some(ReferencedSecurityGroup {
                group_id: pair.group_id,
                peering_status: pair.peering_status,
                user_id: pair.user_id,
                vpc_id: pair.vpc_id,
                vpc_peering_connection_id: pair.vpc_peering_connection_id,
            });
        }
    }
    shape
}

/// A rule that was taken away.
pub(crate) fn revoked_shape(group: &SecurityGroup, rule: &GroupRule) -> RevokedSecurityGroupRule {
    let (from, to) = shown(&rule.rule);
    let mut shape = RevokedSecurityGroupRule {
        security_group_rule_id: Some(rule.id.clone()),
        group_id: Some(group.id.clone()),
        is_egress: Some(rule.egress),
        ip_protocol: Some(rule.rule.protocol.to_string()),
        from_port: from.or(Some(-1)),
        to_port: to.or(Some(-1)),
        description: rule.description.clone(),
        ..RevokedSecurityGroupRule::default()
    };
    match &rule.rule.peer {
        Peer::V4(net) => shape.cidr_ipv4 = Some(net.to_string()),
        Peer::V6(net) => shape.cidr_ipv6 = Some(net.to_string()),
        Peer::PrefixList(id) => shape.prefix_list_id = Some(id.clone()),
        Peer::Group(id) => shape.referenced_group_id = Some(id.clone()),
    }
    shape
}
