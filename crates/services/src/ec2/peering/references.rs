//! Rules of security groups that name a group of a peered VPC: DescribeSecurityGroupReferences,
//! DescribeStaleSecurityGroups.
//!
//! Rules: VPC Peering Guide, "Update your security groups to reference peer security groups". Such a rule keeps
//! the connection by which it was made. When that is deleted, or the other group is, the rule is stale: it stays
//! until it is taken away, and lets nothing through.

use std::collections::BTreeSet;

use sagegate_api::ec2::{
    DescribeSecurityGroupReferencesRequest, DescribeSecurityGroupReferencesResult,
    DescribeStaleSecurityGroupsRequest, DescribeStaleSecurityGroupsResult, SecurityGroupReference,
    StaleIpPermission, StaleSecurityGroup, UserIdGroupPair,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Needs, Operation, Scope};
use sagegate_network::security_group::Peer;
use sagegate_store::{Read, StoreError, Tx};

use super::super::fault::{bad, dry_run, missing};
use super::super::kind::Kind;
use super::super::records::{self, GroupRule, SecurityGroup, Vpc};
use super::super::{needs, permission, select};
use super::{Across, active, between};

/// The connection by which a rule of a group names another group; none where both are of one VPC.
///
/// # Errors
/// `InvalidGroup.NotFound` where nothing joins the two VPCs.
pub(crate) fn across(
    state: &dyn Read,
    scope: &Scope,
    vpc: &str,
    peer: &Peer,
) -> Result<Option<Across>, Fault> {
    let Peer::Group(id) = peer else { return Ok(None) };
    let other = records::find::<SecurityGroup>(state, scope, id)?;
    if other.vpc == vpc {
        return Ok(None);
    }
    match between(state, scope, vpc, &other.vpc)? {
        Some(peering) => Ok(Some(Across { connection: peering.id, vpc: other.vpc })),
        None => Err(elsewhere()),
    }
}

/// The error for a group of a VPC that nothing joins with this one.
pub(crate) fn elsewhere() -> Fault {
    let text = "You have specified two resources that belong to different networks.";
    bad("InvalidGroup.NotFound", text)
}

/// How the connections stand by which rules name groups, and which groups there are.
#[derive(Debug, Default)]
pub(crate) struct References {
    active: BTreeSet<String>,
    groups: BTreeSet<String>,
}

impl References {
    pub(crate) fn of(state: &dyn Read, scope: &Scope) -> Result<Self, StoreError> {
        let groups = records::all::<SecurityGroup>(state, scope)?;
        Ok(Self {
            active: active(state, scope)?.into_iter().map(|it| it.id).collect(),
            groups: groups.into_iter().map(|it| it.id).collect(),
        })
    }

    /// Whether the rule's connection was deleted, or the group that it names by it.
    pub(crate) fn is_stale(&self, rule: &GroupRule) -> bool {
        let named = |id: &str| self.groups.contains(id);
        let there = matches!(&rule.rule.peer, Peer::Group(id) if named(id));
        rule.across.as_ref().is_some_and(|it| !there || !self.active.contains(&it.connection))
    }

    /// A connection was active when the rule was made, and what was active becomes deleted alone.
    fn status(&self, across: &Across) -> &'static str {
        if self.active.contains(&across.connection) { "active" } else { "deleted" }
    }

    /// The group that a rule names as answers show it.
    pub(crate) fn pair(
        &self,
        scope: &Scope,
        id: &str,
        across: Option<&Across>,
        description: Option<String>,
    ) -> UserIdGroupPair {
        UserIdGroupPair {
            description,
            // Of a group that was deleted nobody is shown as its owner.
            user_id: (across.is_none() || self.groups.contains(id))
                .then(|| scope.account.to_string()),
            group_id: Some(id.to_owned()),
            vpc_id: across.map(|it| it.vpc.clone()),
            vpc_peering_connection_id: across.map(|it| it.connection.clone()),
            peering_status: across.map(|it| self.status(it).to_owned()),
            ..UserIdGroupPair::default()
        }
    }
}

/// DescribeSecurityGroupReferences: which peered VPCs have rules that name these groups.
pub(crate) struct DescribeSecurityGroupReferences;

impl Operation for DescribeSecurityGroupReferences {
    type Input = DescribeSecurityGroupReferencesRequest;
    type Output = DescribeSecurityGroupReferencesResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DescribeSecurityGroupReferences";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        const ACTION: &str = "ec2:DescribeSecurityGroupReferences";
        let mut needs = Needs::nothing();
        for id in &call.input.group_id {
            needs = needs.and(needs::on(ACTION, state, call.scope, Kind::SecurityGroup, id)?);
        }
        if needs.0.is_empty() { Err(missing("GroupId")) } else { Ok(needs) }
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        for id in &input.group_id {
            records::find::<SecurityGroup>(tx, scope, id)?;
        }
        let references = References::of(tx, scope)?;
        let mut found = BTreeSet::new();
        for group in records::all::<SecurityGroup>(tx, scope)? {
            for rule in &group.rules {
                if let (Some(across), Peer::Group(id)) = (&rule.across, &rule.rule.peer)
                    && input.group_id.contains(id)
                    && !references.is_stale(rule)
                {
                    found.insert((id.clone(), group.vpc.clone(), across.connection.clone()));
                }
            }
        }
        let shapes = found.into_iter().map(|(group, vpc, connection)| SecurityGroupReference {
            group_id: Some(group),
            referencing_vpc_id: Some(vpc),
            vpc_peering_connection_id: Some(connection),
            transit_gateway_id: None,
        });
        Ok(Self::Output { security_group_reference_set: Some(shapes.collect()) })
    }
}

/// DescribeStaleSecurityGroups: the groups of a VPC with rules that are stale, and these rules.
pub(crate) struct DescribeStaleSecurityGroups;

impl Operation for DescribeStaleSecurityGroups {
    type Input = DescribeStaleSecurityGroupsRequest;
    type Output = DescribeStaleSecurityGroupsResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DescribeStaleSecurityGroups";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        Ok(needs::listing(call.scope, "ec2:DescribeStaleSecurityGroups"))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let vpc = records::find::<Vpc>(tx, scope, &input.vpc_id)?;
        let references = References::of(tx, scope)?;
        let mut found = Vec::new();
        for group in records::all::<SecurityGroup>(tx, scope)? {
            if group.vpc != vpc.id || !group.rules.iter().any(|it| references.is_stale(it)) {
                continue;
            }
            let stale = |egress| {
                let rules = group.rules.iter();
                let rules = rules.filter(|it| it.egress == egress && references.is_stale(it));
                stale_permissions(scope, &references, rules)
            };
            found.push(StaleSecurityGroup {
                stale_ip_permissions: Some(stale(false)),
                stale_ip_permissions_egress: Some(stale(true)),
                description: Some(group.description),
                group_id: Some(group.id),
                group_name: Some(group.name),
                vpc_id: Some(group.vpc),
            });
        }
        let (groups, next_token) = select::page(
            found,
            |group| group.group_id.clone().unwrap_or_default(),
            false,
            input.max_results,
            input.next_token.as_deref(),
        )?;
        Ok(Self::Output { next_token, stale_security_group_set: Some(groups) })
    }
}

/// Stale rules as lists of permissions. They name groups alone.
fn stale_permissions<'a>(
    scope: &Scope,
    references: &References,
    rules: impl Iterator<Item = &'a GroupRule>,
) -> Vec<StaleIpPermission> {
    let permissions = permission::permissions(scope, references, rules);
    let shapes = permissions.into_iter().map(|it| StaleIpPermission {
        from_port: it.from_port,
        ip_protocol: it.ip_protocol,
        ip_ranges: Some(Vec::new()),
        prefix_list_ids: Some(Vec::new()),
        to_port: it.to_port,
        user_id_group_pairs: it.user_id_group_pairs,
    });
    shapes.collect()
}
