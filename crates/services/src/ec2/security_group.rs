//! Security groups: CreateSecurityGroup, DeleteSecurityGroup, DescribeSecurityGroups.
//!
//! Rules: Amazon VPC User Guide, "Security groups" and "Default security groups".

use std::collections::BTreeMap;

use sagegate_api::ec2::{
    CreateSecurityGroupRequest, CreateSecurityGroupResult, DeleteSecurityGroupRequest,
    DeleteSecurityGroupResult, DescribeSecurityGroupsRequest, DescribeSecurityGroupsResult,
    SecurityGroup as GroupShape,
};
use sagegate_gate::{Access, Authorized, Call, Env, Fault, Needs, Operation, Scope};
use sagegate_network::security_group::{Peer, Protocol, Rule};
use sagegate_store::{Read, StoreError, Tx};

use super::fault::{bad, dry_run, invalid_value, missing};
use super::kind::Kind;
use super::peering::references::References;
use super::records::{self, Endpoint, GroupRule, Interface, SecurityGroup, Vpc};
use super::select::{self, Filters};
use super::tags::{self, Tags};
use super::{needs, permission};

/// Groups of an interface (Amazon VPC User Guide, "Amazon VPC quotas").
pub(crate) const MAX_GROUPS_PER_INTERFACE: usize = 5;
/// Groups in a region.
const MAX_GROUPS: usize = 2_500;

/// Characters of a group's name and of descriptions.
pub(crate) fn is_name_character(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "._-:/()#,@[]+=&;{}!$* ".contains(letter)
}

fn everywhere() -> Peer {
    Peer::V4(ipnet::Ipv4Net::default())
}

fn everywhere_v6() -> Peer {
    Peer::V6(ipnet::Ipv6Net::default())
}

fn everything(peer: Peer) -> Rule {
    Rule { protocol: Protocol::All, from: -1, to: -1, peer }
}

/// A rule that lets everything out to somewhere.
fn out_to(peer: Peer, id: String) -> GroupRule {
    GroupRule { id, egress: true, rule: everything(peer), description: None, across: None }
}

/// Lets IPv6 out of the groups of a VPC that got a block of it, where nobody has changed what may
/// leave (Amazon VPC User Guide, "Security group rules").
pub(crate) fn welcome_ipv6(
    tx: &mut Tx,
    scope: &Scope,
    env: &Env,
    vpc: &str,
) -> Result<(), StoreError> {
    for mut group in records::all::<SecurityGroup>(tx, scope)? {
        let mut egress = group.rules.iter().filter(|rule| rule.egress);
        let made =
            |rule: &GroupRule| rule.description.is_none() && rule.rule == everything(everywhere());
        let unchanged = egress.next().is_some_and(made) && egress.next().is_none();
        if group.vpc == vpc && unchanged {
            group.rules.push(out_to(everywhere_v6(), Kind::SecurityGroupRule.new_id(env)));
            records::put(tx, scope, &group)?;
        }
    }
    Ok(())
}

/// The group that every VPC has: in from itself, out to everywhere. `id` gives ids for what is
/// named by its second argument.
pub(crate) fn default_group(vpc: &str, id: impl Fn(Kind, &str) -> String) -> SecurityGroup {
    let own = id(Kind::SecurityGroup, "group");
    let rule = |egress, purpose, peer| GroupRule {
        id: id(Kind::SecurityGroupRule, purpose),
        egress,
        rule: everything(peer),
        across: None,
        description: None,
    };
    let rules =
        vec![rule(false, "ingress", Peer::Group(own.clone())), rule(true, "egress", everywhere())];
    SecurityGroup {
        id: own,
        name: "default".to_owned(),
        description: "default VPC security group".to_owned(),
        vpc: vpc.to_owned(),
        rules,
    }
}

/// The group of this name in a VPC.
///
/// # Errors
/// `InvalidGroup.NotFound`.
pub(crate) fn by_name(
    state: &dyn Read,
    scope: &Scope,
    vpc: &str,
    name: &str,
) -> Result<SecurityGroup, Fault> {
    records::all::<SecurityGroup>(state, scope)?
        .into_iter()
        .find(|group| group.vpc == vpc && group.name == name)
        .ok_or_else(|| Kind::SecurityGroup.not_found(name))
}

/// The group that a request means by id, or by name in the default VPC.
///
/// # Errors
/// `MissingParameter`, `InvalidGroup.NotFound`, `InvalidGroupId.Malformed`.
pub(crate) fn meant(
    state: &dyn Read,
    scope: &Scope,
    id: Option<&String>,
    name: Option<&String>,
) -> Result<SecurityGroup, Fault> {
    match (id, name) {
        (Some(id), _) => records::find(state, scope, id),
        (None, Some(name)) => match records::default_vpc(state, scope)? {
            Some(vpc) => by_name(state, scope, &vpc.id, name),
            None => Err(Kind::SecurityGroup.not_found(name)),
        },
        (None, None) => Err(missing("groupId")),
    }
}

/// The id by which needs name a group that is given by id or name. A name that is not there has
/// no id; `*` then asks for the right on every group.
pub(crate) fn need_on(
    action: &'static str,
    state: &dyn Read,
    scope: &Scope,
    id: Option<&String>,
    name: Option<&String>,
) -> Result<sagegate_gate::Need, Fault> {
    match meant(state, scope, id, name) {
        Ok(group) => needs::on(action, state, scope, Kind::SecurityGroup, &group.id),
        Err(fault) if fault.code == "InvalidGroup.NotFound" => match id {
            Some(id) => needs::on(action, state, scope, Kind::SecurityGroup, id),
            None => Ok(needs::new(action, scope, Kind::SecurityGroup, &Tags::new())),
        },
        Err(fault) => Err(fault),
    }
}

/// Checks that groups exist in a VPC and that an interface may have them.
///
/// # Errors
/// `InvalidSecurityGroupID.NotFound`, `InvalidGroupId.Malformed`, `InvalidParameterValue`,
/// `SecurityGroupsPerInterfaceLimitExceeded`.
pub(crate) fn check_for_interface(
    state: &dyn Read,
    scope: &Scope,
    vpc: &str,
    ids: &[String],
) -> Result<(), Fault> {
    for id in ids {
        Kind::SecurityGroup.check(id)?;
        let Some(group) = records::get::<SecurityGroup>(state, scope, id)? else {
            let text = format!("The securityGroup ID '{id}' does not exist");
            return Err(bad("InvalidSecurityGroupID.NotFound", text));
        };
        if group.vpc != vpc {
            let text = "You have specified two resources that belong to different networks.";
            return Err(bad("InvalidGroup.NotFound", text));
        }
    }
    if ids.len() > MAX_GROUPS_PER_INTERFACE {
        let text = "The maximum number of security groups per interface has been reached.";
        return Err(bad("SecurityGroupsPerInterfaceLimitExceeded", text));
    }
    Ok(())
}

/// Removes a group with its rules' tags.
pub(crate) fn delete(tx: &mut Tx, scope: &Scope, group: &SecurityGroup) -> Result<(), StoreError> {
    for rule in &group.rules {
        tags::delete_all(tx, scope, &rule.id)?;
    }
    records::delete::<SecurityGroup>(tx, scope, &group.id)
}

/// CreateSecurityGroup.
pub(crate) struct CreateSecurityGroup;

impl Operation for CreateSecurityGroup {
    type Input = CreateSecurityGroupRequest;
    type Output = CreateSecurityGroupResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "CreateSecurityGroup";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (input, scope, kind) = (call.input, call.scope, Kind::SecurityGroup);
        let tags = tags::requested(input.tag_specifications.as_ref(), kind)?;
        let mut needs = Needs::from(needs::new("ec2:CreateSecurityGroup", scope, kind, &tags));
        let vpc = match &input.vpc_id {
            Some(id) => Some(id.clone()),
            None => records::default_vpc(state, scope)?.map(|vpc| vpc.id),
        };
        if let Some(vpc) = vpc {
            needs = needs.and(needs::on("ec2:CreateSecurityGroup", state, scope, Kind::Vpc, &vpc)?);
        }
        Ok(needs::with_tags(needs, scope, kind, &tags, Self::NAME))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let tags = tags::requested(input.tag_specifications.as_ref(), Kind::SecurityGroup)?;
        check_name(&input.group_name)?;
        let described = !input.description.is_empty()
            && input.description.len() <= 255
            && input.description.chars().all(is_name_character);
        if !described {
            return Err(invalid_value(
                "Invalid security group description. Valid descriptions are strings less than 256 characters from the following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*",
            ));
        }
        let vpc = match &input.vpc_id {
            Some(id) => records::find::<Vpc>(tx, scope, id)?,
            None => records::default_vpc(tx, scope)?
                .ok_or_else(|| bad("VPCIdNotSpecified", "No default VPC for this user"))?,
        };
        let groups = records::all::<SecurityGroup>(tx, scope)?;
        if groups.iter().any(|group| group.vpc == vpc.id && group.name == input.group_name) {
            let text = format!(
                "The security group '{}' already exists for VPC '{}'",
                input.group_name, vpc.id
            );
            return Err(bad("InvalidGroup.Duplicate", text));
        }
        if groups.len() >= MAX_GROUPS {
            let text = "The maximum number of security groups has been reached.";
            return Err(bad("SecurityGroupLimitExceeded", text));
        }
        let group = SecurityGroup {
            id: Kind::SecurityGroup.new_id(call.env),
            name: input.group_name.clone(),
            description: input.description.clone(),
            rules: std::iter::once(everywhere())
                .chain(vpc.has_ipv6().then(everywhere_v6))
                .map(|peer| out_to(peer, Kind::SecurityGroupRule.new_id(call.env)))
                .collect(),
            vpc: vpc.id,
        };
        records::put(tx, scope, &group)?;
        tags::put(tx, scope, &group.id, &tags)?;
        Ok(Self::Output {
            security_group_arn: Some(Kind::SecurityGroup.arn(scope, &group.id)),
            group_id: Some(group.id),
            tags: tags::shape_if_any(&tags),
        })
    }
}

fn check_name(name: &str) -> Result<(), Fault> {
    if name == "default" {
        return Err(invalid_value("Cannot use reserved security group name: default"));
    }
    if name.starts_with("sg-") {
        let text = format!("Invalid group name '{name}'. Group names may not begin with 'sg-'.");
        return Err(invalid_value(text));
    }
    if name.is_empty() || name.len() > 255 || !name.chars().all(is_name_character) {
        return Err(invalid_value(
            "Invalid security group name. Valid names are strings less than 256 characters from the following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*",
        ));
    }
    Ok(())
}

/// DeleteSecurityGroup.
pub(crate) struct DeleteSecurityGroup;

impl Operation for DeleteSecurityGroup {
    type Input = DeleteSecurityGroupRequest;
    type Output = DeleteSecurityGroupResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DeleteSecurityGroup";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (id, name) = (call.input.group_id.as_ref(), call.input.group_name.as_ref());
        Ok(need_on("ec2:DeleteSecurityGroup", state, call.scope, id, name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let group = meant(tx, scope, input.group_id.as_ref(), input.group_name.as_ref())?;
        if group.name == "default" {
            let text = format!(
                "the specified group: \"{}\" name: \"default\" cannot be deleted by a user",
                group.id
            );
            return Err(bad("CannotDelete", text));
        }
        let held = records::all::<Interface>(tx, scope)?
            .iter()
            .any(|interface| interface.groups.contains(&group.id))
            || records::all::<Endpoint>(tx, scope)?
                .iter()
                .any(|endpoint| endpoint.groups.contains(&group.id));
        let named = records::all::<SecurityGroup>(tx, scope)?.iter().any(|other| {
            other.id != group.id
                && other.rules.iter().any(|rule| {
                    // Rules of a peered VPC do not hold it: they become stale.
                    rule.across.is_none() && rule.rule.peer == Peer::Group(group.id.clone())
                })
        });
        if held || named {
            let text = format!("resource {} has a dependent object", group.id);
            return Err(bad("DependencyViolation", text));
        }
        delete(tx, scope, &group)?;
        Ok(Self::Output { r#return: Some(true), group_id: Some(group.id) })
    }
}

fn shape(scope: &Scope, group: &SecurityGroup, references: &References, tags: &Tags) -> GroupShape {
    let rules = |egress: bool| group.rules.iter().filter(move |rule| rule.egress == egress);
    GroupShape {
        group_id: Some(group.id.clone()),
        ip_permissions_egress: Some(permission::permissions(scope, references, rules(true))),
        tags: tags::shape_if_any(tags),
        vpc_id: Some(group.vpc.clone()),
        security_group_arn: Some(Kind::SecurityGroup.arn(scope, &group.id)),
        owner_id: Some(scope.account.to_string()),
        group_name: Some(group.name.clone()),
        description: Some(group.description.clone()),
        ip_permissions: Some(permission::permissions(scope, references, rules(false))),
    }
}

/// The values of `ip-permission.…` and `egress.ip-permission.…` filters. `name` gives the names of
/// groups.
fn permission_values(
    scope: &Scope,
    group: &SecurityGroup,
    egress: bool,
    member: &str,
    name: impl Fn(&str) -> Option<String>,
) -> Vec<String> {
    let rules = group.rules.iter().filter(|rule| rule.egress == egress).map(|rule| &rule.rule);
    rules
        .filter_map(|rule| match (member, &rule.peer) {
            ("cidr", Peer::V4(net)) => Some(net.to_string()),
            ("ipv6-cidr", Peer::V6(net)) => Some(net.to_string()),
            ("group-id", Peer::Group(id)) => Some(id.clone()),
            ("group-name", Peer::Group(id)) => name(id),
            ("user-id", Peer::Group(_)) => Some(scope.account.to_string()),
            ("prefix-list-id", Peer::PrefixList(id)) => Some(id.clone()),
            ("from-port", _) => Some(rule.from.to_string()),
            ("to-port", _) => Some(rule.to.to_string()),
            ("protocol", _) => Some(rule.protocol.to_string()),
            _ => None,
        })
        .collect()
}

/// DescribeSecurityGroups.
pub(crate) struct DescribeSecurityGroups;

impl Operation for DescribeSecurityGroups {
    type Input = DescribeSecurityGroupsRequest;
    type Output = DescribeSecurityGroupsResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DescribeSecurityGroups";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        Ok(needs::listing(call.scope, "ec2:DescribeSecurityGroups"))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let names = [
            "description",
            "egress.ip-permission.cidr",
            "egress.ip-permission.from-port",
            "egress.ip-permission.group-id",
            "egress.ip-permission.group-name",
            "egress.ip-permission.ipv6-cidr",
            "egress.ip-permission.prefix-list-id",
            "egress.ip-permission.protocol",
            "egress.ip-permission.to-port",
            "egress.ip-permission.user-id",
            "group-id",
            "group-name",
            "ip-permission.cidr",
            "ip-permission.from-port",
            "ip-permission.group-id",
            "ip-permission.group-name",
            "ip-permission.ipv6-cidr",
            "ip-permission.prefix-list-id",
            "ip-permission.protocol",
            "ip-permission.to-port",
            "ip-permission.user-id",
            "owner-id",
            "vpc-id",
        ];
        let filters = Filters::of(input.filters.as_ref(), &names, true)?;
        let mut groups = super::named_or_all::<SecurityGroup>(tx, scope, input.group_ids.as_ref())?;
        if let Some(names) = input.group_names.as_ref().filter(|names| !names.is_empty()) {
            let default = records::default_vpc(tx, scope)?.map(|vpc| vpc.id);
            groups.retain(|group| {
                Some(&group.vpc) == default.as_ref() && names.contains(&group.name)
            });
            if let Some(missing) =
                names.iter().find(|name| !groups.iter().any(|group| group.name == **name))
            {
                return Err(Kind::SecurityGroup.not_found(missing));
            }
        }
        let group_names: BTreeMap<String, String> = records::all::<SecurityGroup>(tx, scope)?
            .into_iter()
            .map(|group| (group.id, group.name))
            .collect();
        let references = References::of(tx, scope)?;
        let mut found = Vec::new();
        for group in groups {
            let tags = tags::of(tx, scope, &group.id)?;
            let pass = filters.pass(&tags, |name| match name {
                "description" => vec![group.description.clone()],
                "group-id" => vec![group.id.clone()],
                "group-name" => vec![group.name.clone()],
                "owner-id" => vec![scope.account.to_string()],
                "vpc-id" => vec![group.vpc.clone()],
                other => {
                    let name_of = |id: &str| group_names.get(id).cloned();
                    let (egress, member) = match other.strip_prefix("egress.") {
                        Some(member) => (true, member),
                        None => (false, other),
                    };
                    let member = member.strip_prefix("ip-permission.").unwrap_or(member);
                    permission_values(scope, &group, egress, member, name_of)
                }
            });
            if pass {
                found.push(shape(scope, &group, &references, &tags));
            }
        }
        let (groups, next_token) = select::page(
            found,
            |group| group.group_id.clone().unwrap_or_default(),
            input.group_ids.as_ref().is_some_and(|ids| !ids.is_empty()),
            input.max_results,
            input.next_token.as_deref(),
        )?;
        Ok(Self::Output { next_token, security_groups: Some(groups) })
    }
}
