//! The rules of security groups: Authorize…, Revoke… and DescribeSecurityGroupRules.

use sagegate_api::ec2::{
    AuthorizeSecurityGroupEgressRequest, AuthorizeSecurityGroupEgressResult,
    AuthorizeSecurityGroupIngressRequest, AuthorizeSecurityGroupIngressResult,
    DescribeSecurityGroupRulesRequest, DescribeSecurityGroupRulesResult, IpPermission,
    RevokeSecurityGroupEgressRequest, RevokeSecurityGroupEgressResult,
    RevokeSecurityGroupIngressRequest, RevokeSecurityGroupIngressResult, RevokedSecurityGroupRule,
    SecurityGroupRule, TagSpecification,
};
use sagegate_gate::{Access, Authorized, Call, Env, Fault, Need, Needs, Operation, Scope};
use sagegate_store::{Read, Tx};

use super::fault::{bad, dry_run};
use super::kind::Kind;
use super::managed_prefix_list::References as ListReferences;
use super::peering::references::{self, References};
use super::permission::{self, Purpose, Single, Wanted};
use super::records::{self, GroupRule, SecurityGroup};
use super::security_group::{meant, need_on};
use super::select::{self, Filters, flag};
use super::{needs, tags};

/// Rules of a group for each direction and address family (Amazon VPC User Guide, "Amazon VPC
/// quotas").
pub(crate) const MAX_RULES: usize = 60;

/// What authorizing rules asks: the group, and the rules to be made where they get tags.
fn authorize_needs(
    group: Need,
    scope: &Scope,
    action: &'static str,
    name: &'static str,
    specifications: Option<&Vec<TagSpecification>>,
) -> Result<Needs, Fault> {
    let kind = Kind::SecurityGroupRule;
    let tags = tags::requested(specifications, kind)?;
    let mut needs = Needs::from(group);
    if !tags.is_empty() {
        needs = needs.and(needs::new(action, scope, kind, &tags));
    }
    Ok(needs::with_tags(needs, scope, kind, &tags, name))
}

/// Adds rules to a group.
fn authorize(
    tx: &mut Tx,
    scope: &Scope,
    env: &Env,
    mut group: SecurityGroup,
    egress: bool,
    wanted: Vec<Wanted>,
    specifications: Option<&Vec<TagSpecification>>,
) -> Result<Vec<SecurityGroupRule>, Fault> {
    let tags = tags::requested(specifications, Kind::SecurityGroupRule)?;
    let references = References::of(tx, scope)?;
    let mut shapes = Vec::new();
    for (rule, description) in wanted {
        if group.rules.iter().any(|known| known.egress == egress && known.rule == rule) {
            return Err(permission::duplicate(&rule));
        }
        let id = Kind::SecurityGroupRule.new_id(env);
        tags::put(tx, scope, &id, &tags)?;
        let across = references::across(tx, scope, &group.vpc, &rule.peer)?;
        let rule = GroupRule { id, egress, rule, description, across };
        shapes.push(permission::rule_shape(scope, &group, &references, &rule, &tags));
        group.rules.push(rule);
    }
    within_quota(tx, scope, &group, egress)?;
    records::put(tx, scope, &group)?;
    Ok(shapes)
}

/// Whether a group has no more rules of a direction than it may.
///
/// # Errors
/// `RulesPerSecurityGroupLimitExceeded`.
pub(super) fn within_quota(
    state: &dyn Read,
    scope: &Scope,
    group: &SecurityGroup,
    egress: bool,
) -> Result<(), Fault> {
    if ListReferences::of(state, scope)?.rules(group, egress) > MAX_RULES {
        let text = "The maximum number of rules per security group has been reached.";
        return Err(bad("RulesPerSecurityGroupLimitExceeded", text));
    }
    Ok(())
}

/// A rule was named by what it lets through, and there is none that lets that through.
pub(super) fn no_such_rule() -> Fault {
    let text = "The specified rule does not exist in this security group.";
    bad("InvalidPermission.NotFound", text)
}

type Revoked = (Vec<RevokedSecurityGroupRule>, Vec<IpPermission>);

/// Which rules a request takes away.
enum Away<'a> {
    Ids(&'a [String]),
    Rules(Vec<Wanted>),
}

/// Takes rules away from a group. What is not there is an error, except that a group of the
/// default VPC answers it back as unknown (EC2 API Reference, RevokeSecurityGroupIngress).
fn revoke(
    tx: &mut Tx,
    scope: &Scope,
    mut group: SecurityGroup,
    egress: bool,
    away: Away<'_>,
) -> Result<Revoked, Fault> {
    let mut revoked = Vec::new();
    let mut unknown = Vec::new();
    let mut take = |group: &mut SecurityGroup, is: &dyn Fn(&GroupRule) -> bool| {
        let at = group.rules.iter().position(|rule| rule.egress == egress && is(rule))?;
        let rule = group.rules.remove(at);
        revoked.push(permission::revoked_shape(group, &rule));
        Some(rule)
    };
    let mut gone = Vec::new();
    match away {
        Away::Ids(ids) => {
            for id in ids {
                Kind::SecurityGroupRule.check(id)?;
                gone.push(
                    take(&mut group, &|rule| rule.id == *id)
                        .ok_or_else(|| Kind::SecurityGroupRule.not_found(id))?,
                );
            }
        }
        Away::Rules(rules) => {
            let lenient = records::get::<records::Vpc>(tx, scope, &group.vpc)?
                .is_some_and(|vpc| vpc.is_default);
            for wanted in rules {
                match take(&mut group, &|rule| rule.rule == wanted.0) {
                    Some(rule) => gone.push(rule),
                    None if lenient => unknown.push(wanted),
                    None => return Err(no_such_rule()),
                }
            }
        }
    }
    for rule in gone {
        tags::delete_all(tx, scope, &rule.id)?;
    }
    records::put(tx, scope, &group)?;
    let unknown: Vec<GroupRule> = unknown
        .into_iter()
        .map(|(rule, description)| GroupRule {
            id: String::new(),
            egress,
            rule,
            description,
            across: None,
        })
        .collect();
    let references = References::of(tx, scope)?;
    Ok((revoked, permission::permissions(scope, &references, &unknown)))
}

/// AuthorizeSecurityGroupIngress.
pub(crate) struct AuthorizeSecurityGroupIngress;

impl Operation for AuthorizeSecurityGroupIngress {
    type Input = AuthorizeSecurityGroupIngressRequest;
    type Output = AuthorizeSecurityGroupIngressResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "AuthorizeSecurityGroupIngress";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        const ACTION: &str = "ec2:AuthorizeSecurityGroupIngress";
        let input = call.input;
        let (id, name) = (input.group_id.as_ref(), input.group_name.as_ref());
        let group = need_on(ACTION, state, call.scope, id, name)?;
        let tags = input.tag_specifications.as_ref();
        authorize_needs(group, call.scope, ACTION, Self::NAME, tags)
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let group = meant(tx, scope, input.group_id.as_ref(), input.group_name.as_ref())?;
        let single = Single {
            protocol: input.ip_protocol.as_ref(),
            from: input.from_port,
            to: input.to_port,
            cidr: input.cidr_ip.as_ref(),
            group_name: input.source_security_group_name.as_ref(),
            group_owner: input.source_security_group_owner_id.as_ref(),
        };
        let (permissions, purpose) = (input.ip_permissions.as_ref(), Purpose::New);
        let wanted = permission::wanted(tx, scope, &group, permissions, single, purpose)?;
        let tags = input.tag_specifications.as_ref();
        let rules = authorize(tx, scope, call.env, group, false, wanted, tags)?;
        Ok(Self::Output { r#return: Some(true), security_group_rules: Some(rules) })
    }
}

/// AuthorizeSecurityGroupEgress.
pub(crate) struct AuthorizeSecurityGroupEgress;

impl Operation for AuthorizeSecurityGroupEgress {
    type Input = AuthorizeSecurityGroupEgressRequest;
    type Output = AuthorizeSecurityGroupEgressResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "AuthorizeSecurityGroupEgress";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        const ACTION: &str = "ec2:AuthorizeSecurityGroupEgress";
        let group = need_on(ACTION, state, call.scope, Some(&call.input.group_id), None)?;
        let tags = call.input.tag_specifications.as_ref();
        authorize_needs(group, call.scope, ACTION, Self::NAME, tags)
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let group = meant(tx, scope, Some(&input.group_id), None)?;
        let single = Single {
            protocol: input.ip_protocol.as_ref(),
            from: input.from_port,
            to: input.to_port,
            cidr: input.cidr_ip.as_ref(),
            group_name: input.source_security_group_name.as_ref(),
            group_owner: input.source_security_group_owner_id.as_ref(),
        };
        let (permissions, purpose) = (input.ip_permissions.as_ref(), Purpose::New);
        let wanted = permission::wanted(tx, scope, &group, permissions, single, purpose)?;
        let tags = input.tag_specifications.as_ref();
        let rules = authorize(tx, scope, call.env, group, true, wanted, tags)?;
        Ok(Self::Output { r#return: Some(true), security_group_rules: Some(rules) })
    }
}

/// RevokeSecurityGroupIngress.
pub(crate) struct RevokeSecurityGroupIngress;

impl Operation for RevokeSecurityGroupIngress {
    type Input = RevokeSecurityGroupIngressRequest;
    type Output = RevokeSecurityGroupIngressResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "RevokeSecurityGroupIngress";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        const ACTION: &str = "ec2:RevokeSecurityGroupIngress";
        let (id, name) = (call.input.group_id.as_ref(), call.input.group_name.as_ref());
        Ok(need_on(ACTION, state, call.scope, id, name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let group = meant(tx, scope, input.group_id.as_ref(), input.group_name.as_ref())?;
        let single = Single {
            protocol: input.ip_protocol.as_ref(),
            from: input.from_port,
            to: input.to_port,
            cidr: input.cidr_ip.as_ref(),
            group_name: input.source_security_group_name.as_ref(),
            group_owner: input.source_security_group_owner_id.as_ref(),
        };
        let ids = input.security_group_rule_ids.as_deref();
        let away = away(tx, scope, &group, ids, input.ip_permissions.as_ref(), single)?;
        let (revoked, unknown) = revoke(tx, scope, group, false, away)?;
        Ok(Self::Output {
            r#return: Some(true),
            unknown_ip_permissions: (!unknown.is_empty()).then_some(unknown),
            revoked_security_group_rules: Some(revoked),
        })
    }
}

/// RevokeSecurityGroupEgress.
pub(crate) struct RevokeSecurityGroupEgress;

impl Operation for RevokeSecurityGroupEgress {
    type Input = RevokeSecurityGroupEgressRequest;
    type Output = RevokeSecurityGroupEgressResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "RevokeSecurityGroupEgress";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        const ACTION: &str = "ec2:RevokeSecurityGroupEgress";
        Ok(need_on(ACTION, state, call.scope, Some(&call.input.group_id), None)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let group = meant(tx, scope, Some(&input.group_id), None)?;
        let single = Single {
            protocol: input.ip_protocol.as_ref(),
            from: input.from_port,
            to: input.to_port,
            cidr: input.cidr_ip.as_ref(),
            group_name: input.source_security_group_name.as_ref(),
            group_owner: input.source_security_group_owner_id.as_ref(),
        };
        let ids = input.security_group_rule_ids.as_deref();
        let away = away(tx, scope, &group, ids, input.ip_permissions.as_ref(), single)?;
        let (revoked, unknown) = revoke(tx, scope, group, true, away)?;
        Ok(Self::Output {
            r#return: Some(true),
            unknown_ip_permissions: (!unknown.is_empty()).then_some(unknown),
            revoked_security_group_rules: Some(revoked),
        })
    }
}

fn away<'a>(
    state: &dyn Read,
    scope: &Scope,
    group: &SecurityGroup,
    ids: Option<&'a [String]>,
    permissions: Option<&Vec<IpPermission>>,
    single: Single<'_>,
) -> Result<Away<'a>, Fault> {
    match ids.filter(|ids| !ids.is_empty()) {
        Some(ids) if permissions.is_none_or(Vec::is_empty) && single.protocol.is_none() => {
            Ok(Away::Ids(ids))
        }
        Some(_) => Err(bad(
            "InvalidParameterCombination",
            "Security group rule IDs and IP permissions may not be given together.",
        )),
        None => {
            let purpose = Purpose::Known;
            Ok(Away::Rules(permission::wanted(state, scope, group, permissions, single, purpose)?))
        }
    }
}

/// DescribeSecurityGroupRules.
pub(crate) struct DescribeSecurityGroupRules;

impl Operation for DescribeSecurityGroupRules {
    type Input = DescribeSecurityGroupRulesRequest;
    type Output = DescribeSecurityGroupRulesResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DescribeSecurityGroupRules";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        Ok(needs::listing(call.scope, "ec2:DescribeSecurityGroupRules"))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let names = ["group-id", "security-group-rule-id", "is-egress"];
        let filters = Filters::of(input.filters.as_ref(), &names, true)?;
        let ids = input.security_group_rule_ids.as_ref().filter(|ids| !ids.is_empty());
        for id in ids.into_iter().flatten() {
            Kind::SecurityGroupRule.check(id)?;
        }
        let references = References::of(tx, scope)?;
        let mut found = Vec::new();
        for group in records::all::<SecurityGroup>(tx, scope)? {
            for rule in &group.rules {
                if ids.is_some_and(|ids| !ids.contains(&rule.id)) {
                    continue;
                }
                let tags = tags::of(tx, scope, &rule.id)?;
                let pass = filters.pass(&tags, |name| match name {
                    "group-id" => vec![group.id.clone()],
                    "security-group-rule-id" => vec![rule.id.clone()],
                    "is-egress" => flag(rule.egress),
                    _ => Vec::new(),
                });
                if pass || ids.is_some() {
                    found.push((
                        pass,
                        permission::rule_shape(scope, &group, &references, rule, &tags),
                    ));
                }
            }
        }
        let id = |rule: &SecurityGroupRule| rule.security_group_rule_id.clone().unwrap_or_default();
        if let Some(lost) = ids
            .into_iter()
            .flatten()
            .find(|wanted| !found.iter().any(|(_, rule)| id(rule) == **wanted))
        {
            return Err(Kind::SecurityGroupRule.not_found(lost));
        }
        let mut rules: Vec<SecurityGroupRule> =
            found.into_iter().filter(|(pass, _)| *pass).map(|(_, rule)| rule).collect();
        rules.sort_by_key(id);
        let token = input.next_token.as_deref();
        let (rules, next_token) = select::page(rules, id, ids.is_some(), input.max_results, token)?;
        Ok(Self::Output { next_token, security_group_rules: Some(rules) })
    }
}
