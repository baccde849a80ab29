//! Subnets: CreateSubnet, DeleteSubnet, ModifySubnetAttribute, DescribeSubnets.

use std::collections::BTreeMap;

use sagegate_api::Unit;
use sagegate_api::ec2::{
    CreateSubnetRequest, CreateSubnetResult, DeleteSubnetRequest, DescribeSubnetsRequest,
    DescribeSubnetsResult, HostnameType, ModifySubnetAttributeRequest,
    PrivateDnsNameOptionsOnLaunch, Subnet as SubnetShape, SubnetCidrBlockStateCode, SubnetState,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Needs, Operation, Scope};
use sagegate_network::cidr;
use sagegate_store::{Read, Tx};

use super::addresses::free_address;
use super::fault::{bad, dry_run, in_use, invalid_value, missing, refuse};
use super::kind::Kind;
use super::records::{self, ADDRESSES, Interface, Subnet, Vpc};
use super::select::{self, Filters, flag};
use super::tags::{self, Tags};
use super::vpc::block_fault;
use super::{flow_logs, needs, network_acl, route_table, subnet_cidr, zones};

/// Subnets of a VPC (Amazon VPC User Guide, "Amazon VPC quotas").
const MAX_SUBNETS: usize = 200;

fn shape(scope: &Scope, subnet: &Subnet, used: usize, tags: &Tags) -> SubnetShape {
    let usable = usize::try_from(cidr::usable(&subnet.cidr)).unwrap_or(usize::MAX);
    SubnetShape {
        availability_zone_id: Some(zones::zone_id(&scope.region, &subnet.zone)),
        map_customer_owned_ip_on_launch: Some(false),
        owner_id: Some(scope.account.to_string()),
        assign_ipv6_address_on_creation: Some(subnet.assign_ipv6),
        ipv6_cidr_block_association_set: Some(
            subnet
                .ipv6
                .iter()
                .map(|own| subnet_cidr::shape(own, SubnetCidrBlockStateCode::Associated))
                .collect(),
        ),
        tags: tags::shape_if_any(tags),
        subnet_arn: Some(Kind::Subnet.arn(scope, &subnet.id)),
        enable_dns64: Some(false),
        ipv6_native: Some(false),
        private_dns_name_options_on_launch: Some(PrivateDnsNameOptionsOnLaunch {
            hostname_type: subnet.hostname_type.parse().ok(),
            enable_resource_name_dns_a_record: Some(subnet.resource_name_a_record),
            enable_resource_name_dns_aaaa_record: Some(subnet.resource_name_aaaa_record),
        }),
        subnet_id: Some(subnet.id.clone()),
        state: Some(SubnetState::Available),
        vpc_id: Some(subnet.vpc.clone()),
        cidr_block: Some(subnet.cidr.to_string()),
        available_ip_address_count: i32::try_from(usable.saturating_sub(used)).ok(),
        availability_zone: Some(subnet.zone.clone()),
        default_for_az: Some(subnet.default_for_az),
        map_public_ip_on_launch: Some(subnet.map_public_ip),
        ..SubnetShape::default()
    }
}

/// CreateSubnet.
pub(crate) struct CreateSubnet;

impl Operation for CreateSubnet {
    type Input = CreateSubnetRequest;
    type Output = CreateSubnetResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "CreateSubnet";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (input, kind) = (call.input, Kind::Subnet);
        let tags = tags::requested(input.tag_specifications.as_ref(), kind)?;
        let action = "ec2:CreateSubnet";
        needs::new_in_vpc(action, state, call.scope, kind, &tags, &input.vpc_id)
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<CreateSubnetResult, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        refuse(&[
            ("OutpostArn", input.outpost_arn.is_some()),
            ("Ipv6Native", input.ipv6_native == Some(true)),
            ("Ipv4IpamPoolId", input.ipv4_ipam_pool_id.is_some()),
            ("Ipv4NetmaskLength", input.ipv4_netmask_length.is_some()),
            ("Ipv6IpamPoolId", input.ipv6_ipam_pool_id.is_some()),
            ("Ipv6NetmaskLength", input.ipv6_netmask_length.is_some()),
        ])?;
        let tags = tags::requested(input.tag_specifications.as_ref(), Kind::Subnet)?;
        let vpc = records::find::<Vpc>(tx, scope, &input.vpc_id)?;
        let mut siblings = records::all::<Subnet>(tx, scope)?;
        siblings.retain(|subnet| subnet.vpc == vpc.id);
        let text = input.cidr_block.as_deref().ok_or_else(|| missing("cidrBlock"))?;
        let own = vpc.v4_blocks().map(|(_, block)| block);
        let cidr = cidr::subnet_block(text, own, siblings.iter().map(|subnet| subnet.cidr))
            .map_err(|error| block_fault(error, text, "InvalidSubnet.Range"))?;
        let v6 = input.ipv6_cidr_block.as_deref();
        let v6 = v6.map(|text| subnet_cidr::block(call.env, text, &vpc, &siblings)).transpose()?;
        let zone = zones::find(
            &scope.region,
            input.availability_zone.as_deref(),
            input.availability_zone_id.as_deref(),
        )?;
        if siblings.len() >= MAX_SUBNETS {
            let text = "The maximum number of subnets has been reached.";
            return Err(bad("SubnetLimitExceeded", text));
        }
        let zone = zone.unwrap_or_else(|| emptiest_zone(scope, &siblings));
        let subnet = Subnet {
            id: Kind::Subnet.new_id(call.env),
            vpc: vpc.id,
            cidr,
            zone,
            default_for_az: false,
            map_public_ip: false,
            hostname_type: HostnameType::IpName.as_str().to_owned(),
            resource_name_a_record: false,
            client_address: None,
            ipv6: v6,
            assign_ipv6: false,
            resource_name_aaaa_record: false,
        };
        records::put(tx, scope, &subnet)?;
        network_acl::welcome_subnet(tx, scope, &subnet.vpc, &subnet.id, |prefix| {
            format!("{prefix}0{}", call.env.hex(16))
        })?;
        tags::put(tx, scope, &subnet.id, &tags)?;
        Ok(CreateSubnetResult { subnet: Some(shape(scope, &subnet, 0, &tags)) })
    }
}

/// The zone in which a VPC has the fewest subnets, where the request leaves the choice.
fn emptiest_zone(scope: &Scope, siblings: &[Subnet]) -> String {
    let zones = zones::zones(&scope.region);
    let count = |zone: &String| siblings.iter().filter(|subnet| subnet.zone == *zone).count();
    let [first, ..] = zones.clone();
    zones.into_iter().min_by_key(count).unwrap_or(first)
}

/// DeleteSubnet.
pub(crate) struct DeleteSubnet;

impl Operation for DeleteSubnet {
    type Input = DeleteSubnetRequest;
    type Output = Unit;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DeleteSubnet";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let id = &call.input.subnet_id;
        Ok(needs::on("ec2:DeleteSubnet", state, call.scope, Kind::Subnet, id)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        dry_run(call.input.dry_run)?;
        let scope = call.scope;
        let subnet = records::find::<Subnet>(tx, scope, &call.input.subnet_id)?;
        if records::all::<Interface>(tx, scope)?.iter().any(|other| other.subnet == subnet.id) {
            return Err(in_use("subnet", &subnet.id));
        }
        if let Some(address) = subnet.client_address {
            free_address(tx, scope, &subnet.id, address);
        }
        route_table::forget_subnet(tx, scope, &subnet.id)?;
        network_acl::forget_subnet(tx, scope, &subnet.id)?;
        flow_logs::forget_resource(tx, scope, &subnet.id)?;
        records::delete::<Subnet>(tx, scope, &subnet.id)?;
        Ok(Unit)
    }
}

/// The one attribute that a request sets.
fn change(input: &ModifySubnetAttributeRequest) -> Result<(&'static str, String), Fault> {
    let flag = |name, value: &Option<sagegate_api::ec2::AttributeBooleanValue>| {
        value.as_ref().map(|value| (name, value.value.map(|value| value.to_string())))
    };
    let text = |name, value: Option<String>| value.map(|value| (name, Some(value)));
    let given = [
        flag("AssignIpv6AddressOnCreation", &input.assign_ipv6_address_on_creation),
        flag("MapPublicIpOnLaunch", &input.map_public_ip_on_launch),
        flag("MapCustomerOwnedIpOnLaunch", &input.map_customer_owned_ip_on_launch),
        text("CustomerOwnedIpv4Pool", input.customer_owned_ipv4_pool.clone()),
        flag("EnableDns64", &input.enable_dns64),
        text(
            "PrivateDnsHostnameTypeOnLaunch",
            input.private_dns_hostname_type_on_launch.map(|kind| kind.as_str().to_owned()),
        ),
        flag(
            "EnableResourceNameDnsARecordOnLaunch",
            &input.enable_resource_name_dns_a_record_on_launch,
        ),
        flag(
            "EnableResourceNameDnsAAAARecordOnLaunch",
            &input.enable_resource_name_dns_aaaa_record_on_launch,
        ),
        text("EnableLniAtDeviceIndex", input.enable_lni_at_device_index.map(|at| at.to_string())),
        flag("DisableLniAtDeviceIndex", &input.disable_lni_at_device_index),
    ];
    let mut given = given.into_iter().flatten();
    let (name, value) = given.next().ok_or_else(|| missing("mapPublicIpOnLaunch"))?;
    if given.next().is_some() {
        let text = "A request may change one attribute of a subnet; send one request for each.";
        return Err(bad("InvalidParameterCombination", text));
    }
    Ok((name, value.ok_or_else(|| missing("value"))?))
}

/// ModifySubnetAttribute.
pub(crate) struct ModifySubnetAttribute;

impl Operation for ModifySubnetAttribute {
    type Input = ModifySubnetAttributeRequest;
    type Output = Unit;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "ModifySubnetAttribute";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (name, value) = change(call.input)?;
        let id = &call.input.subnet_id;
        let need = needs::on("ec2:ModifySubnetAttribute", state, call.scope, Kind::Subnet, id)?;
        Ok(needs::attribute(need, name, value).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let (name, value) = change(call.input)?;
        let mut subnet = records::find::<Subnet>(tx, call.scope, &call.input.subnet_id)?;
        match (name, value.as_str()) {
            ("MapPublicIpOnLaunch", value) => subnet.map_public_ip = value == "true",
            ("PrivateDnsHostnameTypeOnLaunch", value) => {
                value.clone_into(&mut subnet.hostname_type)
            }
            ("EnableResourceNameDnsARecordOnLaunch", value) => {
                subnet.resource_name_a_record = value == "true";
            }
            ("AssignIpv6AddressOnCreation", value) => {
                if value == "true" && subnet.ipv6.is_none() {
                    let text = format!(
                        "Invalid value 'true' for assign-ipv6-address-on-creation. Cannot set assign-ipv6-address-on-creation to true unless the subnet ({}) has an IPv6 CIDR block associated with it.",
                        subnet.id
                    );
                    return Err(invalid_value(text));
                }
                subnet.assign_ipv6 = value == "true";
            }
            ("EnableResourceNameDnsAAAARecordOnLaunch", value) => {
                subnet.resource_name_aaaa_record = value == "true";
            }
            // The rest is about DNS64, Outposts and local network interfaces: all off.
            (name, "false") if name != "CustomerOwnedIpv4Pool" => {}
            (name, _) => return refuse(&[(name, true)]).map(|()| Unit),
        }
        records::put(tx, call.scope, &subnet)?;
        Ok(Unit)
    }
}

/// DescribeSubnets.
pub(crate) struct DescribeSubnets;

impl Operation for DescribeSubnets {
    type Input = DescribeSubnetsRequest;
    type Output = DescribeSubnetsResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DescribeSubnets";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        Ok(needs::listing(call.scope, "ec2:DescribeSubnets"))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<DescribeSubnetsResult, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let names = [
            "availability-zone",
            "availabilityZone",
            "availability-zone-id",
            "availabilityZoneId",
            "available-ip-address-count",
            "cidr",
            "cidr-block",
            "cidrBlock",
            "customer-owned-ipv4-pool",
            "default-for-az",
            "defaultForAz",
            "enable-dns64",
            "enable-lni-at-device-index",
            "ipv6-cidr-block-association.association-id",
            "ipv6-cidr-block-association.ipv6-cidr-block",
            "ipv6-cidr-block-association.state",
            "ipv6-native",
            "map-customer-owned-ip-on-launch",
            "map-public-ip-on-launch",
            "outpost-arn",
            "owner-id",
            "private-dns-name-options-on-launch.enable-resource-name-dns-a-record",
            "private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record",
            "private-dns-name-options-on-launch.hostname-type",
            "state",
            "subnet-arn",
            "subnet-id",
            "vpc-id",
        ];
        let filters = Filters::of(input.filters.as_ref(), &names, true)?;
        let mut used: BTreeMap<String, usize> = BTreeMap::new();
        let place = (scope.account.as_str(), scope.region.as_str());
        for ((_, _, subnet, _), _) in ADDRESSES.scan(tx, &place, None, usize::MAX)? {
            *used.entry(subnet).or_default() += 1;
        }
        let mut found = Vec::new();
        for subnet in super::named_or_all::<Subnet>(tx, scope, input.subnet_ids.as_ref())? {
            let tags = tags::of(tx, scope, &subnet.id)?;
            let used = used.get(&subnet.id).copied().unwrap_or_default();
            let shape = shape(scope, &subnet, used, &tags);
            let pass = filters.pass(&tags, |name| match name {
                "availability-zone" | "availabilityZone" => vec![subnet.zone.clone()],
                "availability-zone-id" | "availabilityZoneId" => {
                    vec![zones::zone_id(&scope.region, &subnet.zone)]
                }
                "available-ip-address-count" => {
                    shape.available_ip_address_count.iter().map(ToString::to_string).collect()
                }
                "cidr" | "cidr-block" | "cidrBlock" => vec![subnet.cidr.to_string()],
                "default-for-az" | "defaultForAz" => flag(subnet.default_for_az),
                "enable-dns64" | "ipv6-native" | "map-customer-owned-ip-on-launch" => flag(false),
                "ipv6-cidr-block-association.association-id" => {
                    subnet.ipv6.iter().map(|own| own.id.clone()).collect()
                }
                "ipv6-cidr-block-association.ipv6-cidr-block" => {
                    subnet.ipv6.iter().map(|own| own.block.to_string()).collect()
                }
                "ipv6-cidr-block-association.state" => {
                    subnet.ipv6.iter().map(|_| "associated".to_owned()).collect()
                }
                "private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record" => {
                    flag(subnet.resource_name_aaaa_record)
                }
                "private-dns-name-options-on-launch.enable-resource-name-dns-a-record" => {
                    flag(subnet.resource_name_a_record)
                }
                "map-public-ip-on-launch" => flag(subnet.map_public_ip),
                "owner-id" => vec![scope.account.to_string()],
                "private-dns-name-options-on-launch.hostname-type" => {
                    vec![subnet.hostname_type.clone()]
                }
                "state" => vec!["available".to_owned()],
                "subnet-arn" => shape.subnet_arn.iter().cloned().collect(),
                "subnet-id" => vec![subnet.id.clone()],
                "vpc-id" => vec![subnet.vpc.clone()],
                _ => Vec::new(),
            });
            if pass {
                found.push(shape);
            }
        }
        let (subnets, next_token) = select::page(
            found,
            |subnet| subnet.subnet_id.clone().unwrap_or_default(),
            input.subnet_ids.as_ref().is_some_and(|ids| !ids.is_empty()),
            input.max_results,
            input.next_token.as_deref(),
        )?;
        Ok(DescribeSubnetsResult { next_token, subnets: Some(subnets) })
    }
}
