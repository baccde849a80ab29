//! CreateNetworkAcl, DeleteNetworkAcl, DescribeNetworkAcls.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use sagegate_api::Unit;
use sagegate_api::ec2::{
    CreateNetworkAclRequest, CreateNetworkAclResult, DeleteNetworkAclRequest,
    DescribeNetworkAclsRequest, DescribeNetworkAclsResult, IcmpTypeCode,
    NetworkAcl as NetworkAclShape, NetworkAclAssociation, NetworkAclEntry, PortRange, RuleAction,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Needs, Operation, Scope};
use sagegate_network::security_group::Protocol;
use sagegate_store::{Read, StoreError, Tx};

use super::super::fault::{bad, dry_run, in_use, invalid_value};
use super::super::kind::Kind;
use super::super::records::{self, AclEntry, NetworkAcl, Vpc};
use super::super::select::{self, Filters, flag};
use super::super::tags::{self, Tags};
use super::super::token::Once;
use super::super::{named_or_all, needs, token};
use super::of_vpc;

/// Network ACLs of a VPC (Amazon VPC User Guide, "Amazon VPC quotas").
const MAX_ACLS: usize = 200;

/// The numbers of the entries that deny what no other matches: of IPv4, and of IPv6, which is shown
/// where the VPC has a block of it.
const LAST_ENTRY: u16 = 32_767;
const LAST_V6_ENTRY: u16 = 32_768;

/// The number of a protocol, as entries have it.
fn protocol_number(protocol: Protocol) -> String {
    match protocol {
        Protocol::All => "-1".to_owned(),
        Protocol::Number(number) => number.to_string(),
    }
}

fn entry_shape(entry: &AclEntry) -> NetworkAclEntry {
    let (from, to) = (Some(entry.from), Some(entry.to));
    let mut shape = NetworkAclEntry {
        egress: Some(entry.egress),
        protocol: Some(protocol_number(entry.protocol)),
        rule_action: Some(if entry.allow { RuleAction::Allow } else { RuleAction::Deny }),
        rule_number: Some(i32::from(entry.number)),
        ..NetworkAclEntry::default()
    };
    if entry.protocol.has_types() {
        shape.icmp_type_code = Some(IcmpTypeCode { r#type: from, code: to });
    } else if entry.protocol.has_ports() {
        shape.port_range = Some(PortRange { from, to });
    }
    match entry.block {
        IpNet::V4(block) => shape.cidr_block = Some(block.to_string()),
        IpNet::V6(block) => shape.ipv6_cidr_block = Some(block.to_string()),
    }
    shape
}

/// The last entries of one direction.
fn last_entries(egress: bool, ipv6: bool) -> impl Iterator<Item = AclEntry> {
    let last = move |number, block| AclEntry {
        egress,
        number,
        protocol: Protocol::All,
        from: -1,
        to: -1,
        block,
        allow: false,
    };
    let v6 = ipv6.then(|| last(LAST_V6_ENTRY, IpNet::V6(Ipv6Net::default())));
    std::iter::once(last(LAST_ENTRY, IpNet::V4(Ipv4Net::default()))).chain(v6)
}

fn shape(
    state: &dyn Read,
    scope: &Scope,
    acl: &NetworkAcl,
    tags: &Tags,
) -> Result<NetworkAclShape, StoreError> {
    let ipv6 = records::get::<Vpc>(state, scope, &acl.vpc)?.is_some_and(|vpc| vpc.has_ipv6());
    let side = |egress| {
        let own = acl.entries.iter().filter(move |entry| entry.egress == egress).map(entry_shape);
        own.chain(last_entries(egress, ipv6).map(|entry| entry_shape(&entry)))
    };
    let associations = acl.associations.iter().map(|association| NetworkAclAssociation {
        network_acl_association_id: Some(association.id.clone()),
        network_acl_id: Some(acl.id.clone()),
        subnet_id: Some(association.subnet.clone()),
    });
    Ok(NetworkAclShape {
        associations: Some(associations.collect()),
        entries: Some(side(true).chain(side(false)).collect()),
        is_default: Some(acl.is_default),
        network_acl_id: Some(acl.id.clone()),
        tags: Some(tags::shape(tags)),
        vpc_id: Some(acl.vpc.clone()),
        owner_id: Some(scope.account.to_string()),
    })
}

/// CreateNetworkAcl. It denies everything until it has entries.
pub(crate) struct CreateNetworkAcl;

impl Operation for CreateNetworkAcl {
    type Input = CreateNetworkAclRequest;
    type Output = CreateNetworkAclResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "CreateNetworkAcl";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (input, kind) = (call.input, Kind::NetworkAcl);
        let tags = tags::requested(input.tag_specifications.as_ref(), kind)?;
        let action = "ec2:CreateNetworkAcl";
        needs::new_in_vpc(action, state, call.scope, kind, &tags, &input.vpc_id)
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let once = Once::of(Self::NAME, input.client_token.as_ref(), || CreateNetworkAclRequest {
            client_token: None,
            ..input.clone()
        });
        if let Some(acl) = once.made::<NetworkAcl>(tx, scope)? {
            return Ok(answer(tx, scope, &acl, input.client_token.clone())?);
        }
        let tags = tags::requested(input.tag_specifications.as_ref(), Kind::NetworkAcl)?;
        let vpc = records::find::<Vpc>(tx, scope, &input.vpc_id)?;
        if of_vpc(tx, scope, &vpc.id)?.len() >= MAX_ACLS {
            let text = "The maximum number of network ACLs has been reached.";
            return Err(bad("NetworkAclLimitExceeded", text));
        }
        let acl = NetworkAcl {
            id: Kind::NetworkAcl.new_id(call.env),
            vpc: vpc.id,
            is_default: false,
            entries: Vec::new(),
            associations: Vec::new(),
            token: once.row(),
        };
        records::put(tx, scope, &acl)?;
        tags::put(tx, scope, &acl.id, &tags)?;
        once.keep(tx, scope, &acl.id)?;
        Ok(answer(tx, scope, &acl, input.client_token.clone())?)
    }
}

fn answer(
    state: &dyn Read,
    scope: &Scope,
    acl: &NetworkAcl,
    client_token: Option<String>,
) -> Result<CreateNetworkAclResult, StoreError> {
    let tags = tags::of(state, scope, &acl.id)?;
    let shape = shape(state, scope, acl, &tags)?;
    Ok(CreateNetworkAclResult { network_acl: Some(shape), client_token })
}

/// DeleteNetworkAcl. The default ACL stays, and one that counts for a subnet.
pub(crate) struct DeleteNetworkAcl;

impl Operation for DeleteNetworkAcl {
    type Input = DeleteNetworkAclRequest;
    type Output = Unit;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DeleteNetworkAcl";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (id, kind) = (&call.input.network_acl_id, Kind::NetworkAcl);
        Ok(needs::on("ec2:DeleteNetworkAcl", state, call.scope, kind, id)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        dry_run(call.input.dry_run)?;
        let scope = call.scope;
        let acl = records::find::<NetworkAcl>(tx, scope, &call.input.network_acl_id)?;
        if acl.is_default {
            return Err(invalid_value(format!("cannot delete default network ACL {}", acl.id)));
        }
        if !acl.associations.is_empty() {
            return Err(in_use("networkAcl", &acl.id));
        }
        token::forget(tx, scope, acl.token.as_deref());
        records::delete::<NetworkAcl>(tx, scope, &acl.id)?;
        Ok(Unit)
    }
}

/// The values of filters about entries: each is of all entries that an ACL shows.
fn entry_values(shape: &NetworkAclShape, member: &str) -> Vec<String> {
    let number = |number: Option<i32>| number.map(|number| number.to_string());
    let value = |entry: &NetworkAclEntry| {
        let (icmp, ports) = (entry.icmp_type_code.as_ref(), entry.port_range.as_ref());
        match member {
            "cidr" => entry.cidr_block.clone(),
            "egress" => entry.egress.map(|egress| egress.to_string()),
            "ipv6-cidr" => entry.ipv6_cidr_block.clone(),
            "icmp.code" => number(icmp?.code),
            "icmp.type" => number(icmp?.r#type),
            "port-range.from" => number(ports?.from),
            "port-range.to" => number(ports?.to),
            "protocol" => entry.protocol.clone(),
            "rule-action" => entry.rule_action.map(|action| action.to_string()),
            "rule-number" => number(entry.rule_number),
            _ => None,
        }
    };
    shape.entries.iter().flatten().filter_map(value).collect()
}

/// DescribeNetworkAcls.
pub(crate) struct DescribeNetworkAcls;

impl Operation for DescribeNetworkAcls {
    type Input = DescribeNetworkAclsRequest;
    type Output = DescribeNetworkAclsResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DescribeNetworkAcls";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        Ok(needs::listing(call.scope, "ec2:DescribeNetworkAcls"))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let names = [
            "association.association-id",
            "association.network-acl-id",
            "association.subnet-id",
            "default",
            "entry.cidr",
            "entry.egress",
            "entry.icmp.code",
            "entry.icmp.type",
            "entry.ipv6-cidr",
            "entry.port-range.from",
            "entry.port-range.to",
            "entry.protocol",
            "entry.rule-action",
            "entry.rule-number",
            "network-acl-id",
            "owner-id",
            "vpc-id",
        ];
        let filters = Filters::of(input.filters.as_ref(), &names, true)?;
        let ids = input.network_acl_ids.as_ref();
        let mut found = Vec::new();
        for acl in named_or_all::<NetworkAcl>(tx, scope, ids)? {
            let tags = tags::of(tx, scope, &acl.id)?;
            let shape = shape(tx, scope, &acl, &tags)?;
            let associations = || acl.associations.iter();
            let pass = filters.pass(&tags, |name| match name {
                "association.association-id" => associations().map(|it| it.id.clone()).collect(),
                "association.network-acl-id" => associations().map(|_| acl.id.clone()).collect(),
                "association.subnet-id" => associations().map(|it| it.subnet.clone()).collect(),
                "default" => flag(acl.is_default),
                "network-acl-id" => vec![acl.id.clone()],
                "owner-id" => vec![scope.account.to_string()],
                "vpc-id" => vec![acl.vpc.clone()],
                other => match other.strip_prefix("entry.") {
                    Some(member) => entry_values(&shape, member),
                    None => Vec::new(),
                },
            });
            if pass {
                found.push(shape);
            }
        }
        let (network_acls, next_token) = select::page(
            found,
            |acl| acl.network_acl_id.clone().unwrap_or_default(),
            ids.is_some_and(|ids| !ids.is_empty()),
            input.max_results,
            input.next_token.as_deref(),
        )?;
        Ok(Self::Output { network_acls: Some(network_acls), next_token })
    }
}
