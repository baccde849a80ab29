//! Rules of security groups that change and keep their ids: ModifySecurityGroupRules and
//! UpdateSecurityGroupRuleDescriptions….

use sagegate_api::ec2::{
    IpPermission, IpRange, Ipv6Range, ModifySecurityGroupRulesRequest,
    ModifySecurityGroupRulesResult, PrefixListId, SecurityGroupRuleDescription,
    SecurityGroupRuleRequest, UpdateSecurityGroupRuleDescriptionsEgressRequest,
    UpdateSecurityGroupRuleDescriptionsEgressResult,
    UpdateSecurityGroupRuleDescriptionsIngressRequest,
    UpdateSecurityGroupRuleDescriptionsIngressResult, UserIdGroupPair,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Needs, Operation, Scope};
use sagegate_store::{Read, Tx};

use super::fault::{bad, dry_run, missing};
use super::kind::Kind;
use super::needs;
use super::peering::references;
use super::permission::{self, Purpose, Single, Wanted};
use super::records::{self, GroupRule, SecurityGroup};
use super::security_group::{meant, need_on};
use super::security_group_rules::{no_such_rule, within_quota};

/// A group's rule by its id, of either direction or of one.
fn rule_mut<'a>(
    group: &'a mut SecurityGroup,
    id: &str,
    egress: Option<bool>,
) -> Result<&'a mut GroupRule, Fault> {
    Kind::SecurityGroupRule.check(id)?;
    let is =
        |rule: &&mut GroupRule| rule.id == id && egress.is_none_or(|egress| rule.egress == egress);
    group.rules.iter_mut().find(is).ok_or_else(|| Kind::SecurityGroupRule.not_found(id))
}

/// A rule of this operation as the permission that would authorize it.
fn as_permission(rule: &SecurityGroupRuleRequest) -> Result<IpPermission, Fault> {
    let description = || rule.description.clone();
    let peers = [&rule.cidr_ipv4, &rule.cidr_ipv6, &rule.prefix_list_id, &rule.referenced_group_id];
    if peers.into_iter().flatten().count() > 1 {
        // The text is ours.
        let text = "A rule has one of CidrIpv4, CidrIpv6, PrefixListId and ReferencedGroupId.";
        return Err(bad("InvalidParameterCombination", text));
    }
    Ok(IpPermission {
        ip_protocol: rule.ip_protocol.clone(),
        from_port: rule.from_port,
        to_port: rule.to_port,
        ip_ranges: rule
            .cidr_ipv4
            .as_ref()
            .map(|cidr| vec![IpRange { cidr_ip: Some(cidr.clone()), description: description() }]),
        ipv6_ranges: rule.cidr_ipv6.as_ref().map(|cidr| {
            vec![Ipv6Range { cidr_ipv6: Some(cidr.clone()), description: description() }]
        }),
        prefix_list_ids: rule.prefix_list_id.as_ref().map(|id| {
            vec![PrefixListId { prefix_list_id: Some(id.clone()), description: description() }]
        }),
        user_id_group_pairs: rule.referenced_group_id.as_ref().map(|id| {
            vec![UserIdGroupPair {
                group_id: Some(id.clone()),
                description: description(),
                ..UserIdGroupPair::default()
            }]
        }),
    })
}

/// The rules that permissions name.
fn named(
    state: &dyn Read,
    scope: &Scope,
    group: &SecurityGroup,
    permissions: Option<&Vec<IpPermission>>,
    purpose: Purpose,
) -> Result<Vec<Wanted>, Fault> {
    permission::wanted(state, scope, group, permissions, Single::default(), purpose)
}

/// ModifySecurityGroupRules.
pub(crate) struct ModifySecurityGroupRules;

impl Operation for ModifySecurityGroupRules {
    type Input = ModifySecurityGroupRulesRequest;
    type Output = ModifySecurityGroupRulesResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "ModifySecurityGroupRules";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        const ACTION: &str = "ec2:ModifySecurityGroupRules";
        let (input, scope) = (call.input, call.scope);
        let mut needs = Needs::from(need_on(ACTION, state, scope, Some(&input.group_id), None)?);
        for update in &input.security_group_rules {
            let id = &update.security_group_rule_id;
            needs = needs.and(needs::on(ACTION, state, scope, Kind::SecurityGroupRule, id)?);
        }
        Ok(needs)
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let mut group = meant(tx, scope, Some(&input.group_id), None)?;
        let vpc = group.vpc.clone();
        if input.security_group_rules.is_empty() {
            return Err(missing("securityGroupRule"));
        }
        for update in &input.security_group_rules {
            let wanted = update.security_group_rule.as_ref();
            let permission = as_permission(wanted.ok_or_else(|| missing("securityGroupRule"))?)?;
            let wanted = named(tx, scope, &group, Some(&vec![permission]), Purpose::New)?;
            let rule = rule_mut(&mut group, &update.security_group_rule_id, None)?;
            // One permission with one peer is one rule.
            if let Some((new, description)) = wanted.into_iter().next() {
                rule.across = references::across(tx, scope, &vpc, &new.peer)?;
                rule.rule = new;
                rule.description = description;
            }
        }
        for (at, rule) in group.rules.iter().enumerate() {
            let is_same =
                |other: &GroupRule| other.egress == rule.egress && other.rule == rule.rule;
            if group.rules.iter().skip(at + 1).any(is_same) {
                return Err(permission::duplicate(&rule.rule));
            }
        }
        within_quota(tx, scope, &group, false)?;
        within_quota(tx, scope, &group, true)?;
        records::put(tx, scope, &group)?;
        Ok(Self::Output { r#return: Some(true) })
    }
}

/// What the members say of which group's rules of one direction are to be called otherwise.
struct Descriptions<'a> {
    group: (Option<&'a String>, Option<&'a String>),
    egress: bool,
    permissions: Option<&'a Vec<IpPermission>>,
    by_id: Option<&'a Vec<SecurityGroupRuleDescription>>,
}

impl Descriptions<'_> {
    /// Sets the descriptions; a rule that is named without one loses the one that it has.
    fn set(&self, tx: &mut Tx, scope: &Scope) -> Result<(), Fault> {
        let mut group = meant(tx, scope, self.group.0, self.group.1)?;
        let permissions = self.permissions.filter(|list| !list.is_empty());
        let by_id = self.by_id.filter(|list| !list.is_empty());
        match (permissions, by_id) {
            (Some(_), None) => {
                let wanted = named(tx, scope, &group, permissions, Purpose::Known)?;
                for (wanted, description) in wanted {
                    let is =
                        |rule: &&mut GroupRule| rule.egress == self.egress && rule.rule == wanted;
                    let rule = group.rules.iter_mut().find(is).ok_or_else(no_such_rule)?;
                    rule.description = description;
                }
            }
            (None, Some(list)) => {
                for one in list {
                    let id = one.security_group_rule_id.as_deref();
                    let id = id.ok_or_else(|| missing("securityGroupRuleId"))?;
                    permission::check_description(one.description.as_ref())?;
                    rule_mut(&mut group, id, Some(self.egress))?.description =
                        one.description.clone();
                }
            }
            // The texts are ours.
            (Some(_), Some(_)) => {
                let text = "Rules are named by IpPermissions or by SecurityGroupRuleDescriptions, not by both.";
                return Err(bad("InvalidParameterCombination", text));
            }
            (None, None) => {
                let text = "Either IpPermissions or SecurityGroupRuleDescriptions must be given.";
                return Err(bad("MissingParameter", text));
            }
        }
        records::put(tx, scope, &group)?;
        Ok(())
    }
}

/// UpdateSecurityGroupRuleDescriptionsIngress.
pub(crate) struct UpdateSecurityGroupRuleDescriptionsIngress;

impl Operation for UpdateSecurityGroupRuleDescriptionsIngress {
    type Input = UpdateSecurityGroupRuleDescriptionsIngressRequest;
    type Output = UpdateSecurityGroupRuleDescriptionsIngressResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "UpdateSecurityGroupRuleDescriptionsIngress";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (id, name) = (call.input.group_id.as_ref(), call.input.group_name.as_ref());
        let action = "ec2:UpdateSecurityGroupRuleDescriptionsIngress";
        Ok(need_on(action, state, call.scope, id, name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let input = call.input;
        dry_run(input.dry_run)?;
        let descriptions = Descriptions {
            group: (input.group_id.as_ref(), input.group_name.as_ref()),
            egress: false,
            permissions: input.ip_permissions.as_ref(),
            by_id: input.security_group_rule_descriptions.as_ref(),
        };
        descriptions.set(tx, call.scope)?;
        Ok(Self::Output { r#return: Some(true) })
    }
}

/// UpdateSecurityGroupRuleDescriptionsEgress.
pub(crate) struct UpdateSecurityGroupRuleDescriptionsEgress;

impl Operation for UpdateSecurityGroupRuleDescriptionsEgress {
    type Input = UpdateSecurityGroupRuleDescriptionsEgressRequest;
    type Output = UpdateSecurityGroupRuleDescriptionsEgressResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "UpdateSecurityGroupRuleDescriptionsEgress";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (id, name) = (call.input.group_id.as_ref(), call.input.group_name.as_ref());
        let action = "ec2:UpdateSecurityGroupRuleDescriptionsEgress";
        Ok(need_on(action, state, call.scope, id, name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let input = call.input;
        dry_run(input.dry_run)?;
        let descriptions = Descriptions {
            group: (input.group_id.as_ref(), input.group_name.as_ref()),
            egress: true,
            permissions: input.ip_permissions.as_ref(),
            by_id: input.security_group_rule_descriptions.as_ref(),
        };
        descriptions.set(tx, call.scope)?;
        Ok(Self::Output { r#return: Some(true) })
    }
}
