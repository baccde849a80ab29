//! VPCs: CreateVpc, DeleteVpc, DescribeVpcs.

use sagegate_api::Unit;
use sagegate_api::ec2::{
    CreateVpcRequest, CreateVpcResult, DeleteVpcRequest, DescribeVpcsRequest, DescribeVpcsResult,
    Tenancy, Vpc as VpcShape, VpcCidrBlockStateCode, VpcState,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Needs, Operation, Scope};
use sagegate_network::cidr::{self, BlockError};
use sagegate_store::{Read, Tx};

use super::dhcp_options::DhcpChoice;
use super::fault::{bad, dry_run, in_use, invalid_value, missing, refuse};
use super::kind::Kind;
use super::records::{
    self, EgressOnlyGateway, Endpoint, Interface, InternetGateway, NetworkAcl, RouteTable,
    SecurityGroup, Subnet, Vpc,
};
use super::select::{self, Filters, flag};
use super::tags::{self, Tags};
use super::{
    dhcp_options, flow_logs, needs, network_acl, peering, route_table, security_group, vpc_cidr,
};

/// VPCs in a region (Amazon VPC User Guide, "Amazon VPC quotas").
pub(crate) const MAX_VPCS: usize = 5;

/// The error for a block that cannot be used.
pub(crate) fn block_fault(error: BlockError, text: &str, range_code: &'static str) -> Fault {
    match error {
        BlockError::Malformed => invalid_value(format!(
            "Value ({text}) for parameter cidrBlock is invalid. This is not a valid CIDR block."
        )),
        BlockError::Range | BlockError::Restricted => {
            bad(range_code, format!("The CIDR '{text}' is invalid."))
        }
        BlockError::Conflict => {
            let text = format!("The CIDR '{text}' conflicts with another subnet");
            bad("InvalidSubnet.Conflict", text)
        }
    }
}

fn shape(scope: &Scope, vpc: &Vpc, tags: &Tags) -> VpcShape {
    let associated = VpcCidrBlockStateCode::Associated;
    let v4 = vpc.v4_blocks().map(|(id, block)| vpc_cidr::v4_shape(id, block, associated));
    let v6 = vpc.v6_blocks().map(|(id, block)| vpc_cidr::v6_shape(scope, id, block, associated));
    VpcShape {
        owner_id: Some(scope.account.to_string()),
        instance_tenancy: Some(vpc.tenancy.parse().unwrap_or(Tenancy::Default)),
        cidr_block_association_set: Some(v4.collect()),
        // AWS leaves it out where there is none.
        ipv6_cidr_block_association_set: vpc.has_ipv6().then(|| v6.collect()),
        is_default: Some(vpc.is_default),
        tags: tags::shape_if_any(tags),
        vpc_id: Some(vpc.id.clone()),
        state: Some(VpcState::Available),
        cidr_block: Some(vpc.cidr.to_string()),
        dhcp_options_id: Some(dhcp_options::shown(&vpc.dhcp_options)),
        ..VpcShape::default()
    }
}

/// CreateVpc.
pub(crate) struct CreateVpc;

impl Operation for CreateVpc {
    type Input = CreateVpcRequest;
    type Output = CreateVpcResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "CreateVpc";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        let tags = tags::requested(call.input.tag_specifications.as_ref(), Kind::Vpc)?;
        let needs = needs::new("ec2:CreateVpc", call.scope, Kind::Vpc, &tags).into();
        Ok(needs::with_tags(needs, call.scope, Kind::Vpc, &tags, Self::NAME))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<CreateVpcResult, Fault> {
        let input = call.input;
        dry_run(input.dry_run)?;
        refuse(&[
            ("Ipv6Pool", input.ipv6_pool.is_some()),
            ("Ipv6CidrBlock", input.ipv6_cidr_block.is_some()),
            ("Ipv4IpamPoolId", input.ipv4_ipam_pool_id.is_some()),
            ("Ipv4NetmaskLength", input.ipv4_netmask_length.is_some()),
            ("Ipv6IpamPoolId", input.ipv6_ipam_pool_id.is_some()),
            ("Ipv6NetmaskLength", input.ipv6_netmask_length.is_some()),
            ("VpcEncryptionControl", input.vpc_encryption_control.is_some()),
            ("InstanceTenancy", input.instance_tenancy == Some(Tenancy::Host)),
        ])?;
        let provided = input.amazon_provided_ipv6_cidr_block == Some(true);
        let border = input.ipv6_cidr_block_network_border_group.as_ref();
        vpc_cidr::check_border_group(call.scope, border, provided)?;
        let tags = tags::requested(input.tag_specifications.as_ref(), Kind::Vpc)?;
        let text = input.cidr_block.as_deref().ok_or_else(|| missing("cidrBlock"))?;
        let cidr =
            cidr::vpc_block(text).map_err(|error| block_fault(error, text, "InvalidVpc.Range"))?;
        if records::count::<Vpc>(tx, call.scope)? >= MAX_VPCS {
            return Err(bad("VpcLimitExceeded", "The maximum number of VPCs has been reached."));
        }
        let id = Kind::Vpc.new_id(call.env);
        let group = security_group::default_group(&id, |kind, _| kind.new_id(call.env));
        let mut vpc = Vpc {
            id,
            cidr,
            association_id: format!("vpc-cidr-assoc-0{}", call.env.hex(16)),
            is_default: false,
            default_group: group.id.clone(),
            tenancy: input.instance_tenancy.unwrap_or_default().as_str().to_owned(),
            dns_support: true,
            dns_hostnames: false,
            usage_metrics: false,
            added: Vec::new(),
            dhcp_options: DhcpChoice::Set(dhcp_options::default_set(tx, call.scope)?),
        };
        records::put(tx, call.scope, &vpc)?;
        records::put(tx, call.scope, &group)?;
        let id = |prefix: &str| format!("{prefix}0{}", call.env.hex(16));
        records::put(tx, call.scope, &route_table::main_table(&vpc.id, id))?;
        records::put(tx, call.scope, &network_acl::default_acl(&vpc.id, id))?;
        if provided {
            vpc_cidr::provide_v6(tx, call.scope, call.env, &mut vpc)?;
        }
        tags::put(tx, call.scope, &vpc.id, &tags)?;
        Ok(CreateVpcResult { vpc: Some(shape(call.scope, &vpc, &tags)) })
    }
}

/// DeleteVpc. The default security group, the main route table and the default network ACL go with
/// it, and so do requests for peering; everything else must be gone before.
pub(crate) struct DeleteVpc;

impl Operation for DeleteVpc {
    type Input = DeleteVpcRequest;
    type Output = Unit;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DeleteVpc";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let id = &call.input.vpc_id;
        Ok(needs::on("ec2:DeleteVpc", state, call.scope, Kind::Vpc, id)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        dry_run(call.input.dry_run)?;
        let scope = call.scope;
        let vpc = records::find::<Vpc>(tx, scope, &call.input.vpc_id)?;
        let groups: Vec<SecurityGroup> = records::all::<SecurityGroup>(tx, scope)?
            .into_iter()
            .filter(|group| group.vpc == vpc.id)
            .collect();
        let tables: Vec<RouteTable> = records::all::<RouteTable>(tx, scope)?
            .into_iter()
            .filter(|table| table.vpc == vpc.id)
            .collect();
        let acls = network_acl::of_vpc(tx, scope, &vpc.id)?;
        let used = records::all::<Subnet>(tx, scope)?.iter().any(|subnet| subnet.vpc == vpc.id)
            || records::all::<Endpoint>(tx, scope)?.iter().any(|endpoint| endpoint.vpc == vpc.id)
            || records::all::<Interface>(tx, scope)?.iter().any(|other| other.vpc == vpc.id)
            || records::all::<InternetGateway>(tx, scope)?
                .iter()
                .any(|gateway| gateway.vpc.as_ref() == Some(&vpc.id))
            || records::all::<EgressOnlyGateway>(tx, scope)?
                .iter()
                .any(|gateway| gateway.vpc == vpc.id)
            || tables.iter().any(|table| !route_table::is_main(table))
            || acls.iter().any(|acl| !acl.is_default)
            || peering::active(tx, scope)?.iter().any(|it| it.has(&vpc.id))
            || groups.iter().any(|group| group.name != "default");
        if used {
            return Err(in_use("vpc", &vpc.id));
        }
        for group in groups {
            security_group::delete(tx, scope, &group)?;
        }
        for table in tables {
            records::delete::<RouteTable>(tx, scope, &table.id)?;
        }
        for acl in acls {
            records::delete::<NetworkAcl>(tx, scope, &acl.id)?;
        }
        vpc_cidr::release(tx, &vpc);
        peering::forget_vpc(tx, scope, &vpc.id, call.now)?;
        flow_logs::forget_resource(tx, scope, &vpc.id)?;
        records::delete::<Vpc>(tx, scope, &vpc.id)?;
        Ok(Unit)
    }
}

/// DescribeVpcs.
pub(crate) struct DescribeVpcs;

impl Operation for DescribeVpcs {
    type Input = DescribeVpcsRequest;
    type Output = DescribeVpcsResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DescribeVpcs";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        Ok(needs::listing(call.scope, "ec2:DescribeVpcs"))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<DescribeVpcsResult, Fault> {
        dry_run(call.input.dry_run)?;
        let filters = Filters::of(
            call.input.filters.as_ref(),
            &[
                "cidr",
                "cidr-block",
                "cidrBlock",
                "cidr-block-association.association-id",
                "cidr-block-association.cidr-block",
                "cidr-block-association.state",
                "dhcp-options-id",
                "instance-tenancy",
                "ipv6-cidr-block-association.association-id",
                "ipv6-cidr-block-association.ipv6-cidr-block",
                "ipv6-cidr-block-association.ipv6-pool",
                "ipv6-cidr-block-association.state",
                "is-default",
                "isDefault",
                "owner-id",
                "state",
                "vpc-id",
            ],
            true,
        )?;
        let mut found = Vec::new();
        for vpc in super::named_or_all::<Vpc>(tx, call.scope, call.input.vpc_ids.as_ref())? {
            let tags = tags::of(tx, call.scope, &vpc.id)?;
            let pass = filters.pass(&tags, |name| match name {
                // The primary block alone (Amazon EC2 API Reference, "DescribeVpcs").
                "cidr" | "cidr-block" | "cidrBlock" => vec![vpc.cidr.to_string()],
                "cidr-block-association.cidr-block" => {
                    vpc.v4_blocks().map(|(_, block)| block.to_string()).collect()
                }
                "cidr-block-association.association-id" => {
                    vpc.v4_blocks().map(|(id, _)| id.to_owned()).collect()
                }
                "ipv6-cidr-block-association.association-id" => {
                    vpc.v6_blocks().map(|(id, _)| id.to_owned()).collect()
                }
                "ipv6-cidr-block-association.ipv6-cidr-block" => {
                    vpc.v6_blocks().map(|(_, block)| block.to_string()).collect()
                }
                "ipv6-cidr-block-association.ipv6-pool" => {
                    vpc.v6_blocks().map(|_| vpc_cidr::POOL.to_owned()).collect()
                }
                "ipv6-cidr-block-association.state" => {
                    vpc.v6_blocks().map(|_| "associated".to_owned()).collect()
                }
                "cidr-block-association.state" => vec!["associated".to_owned()],
                "dhcp-options-id" => vec![dhcp_options::shown(&vpc.dhcp_options)],
                "instance-tenancy" => vec![vpc.tenancy.clone()],
                "is-default" | "isDefault" => flag(vpc.is_default),
                "owner-id" => vec![call.scope.account.to_string()],
                "state" => vec!["available".to_owned()],
                "vpc-id" => vec![vpc.id.clone()],
                _ => Vec::new(),
            });
            if pass {
                found.push((vpc, tags));
            }
        }
        let (found, next_token) = select::page(
            found,
            |(vpc, _)| vpc.id.clone(),
            call.input.vpc_ids.as_ref().is_some_and(|ids| !ids.is_empty()),
            call.input.max_results,
            call.input.next_token.as_deref(),
        )?;
        let vpcs = found.iter().map(|(vpc, tags)| shape(call.scope, vpc, tags)).collect();
        Ok(DescribeVpcsResult { next_token, vpcs: Some(vpcs) })
    }
}
