//! Network interfaces: CreateNetworkInterface, DeleteNetworkInterface,
//! ModifyNetworkInterfaceAttribute, DescribeNetworkInterfaces.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use sagegate_api::Unit;
use sagegate_api::ec2::{
    AttachmentStatus, CreateNetworkInterfaceRequest, CreateNetworkInterfaceResult,
    DeleteNetworkInterfaceRequest, DescribeNetworkInterfacesRequest,
    DescribeNetworkInterfacesResult, GroupIdentifier, ModifyNetworkInterfaceAttributeRequest,
    NetworkInterface as InterfaceShape, NetworkInterfaceAssociation, NetworkInterfaceAttachment,
    NetworkInterfacePrivateIpAddress, NetworkInterfaceStatus, NetworkInterfaceType,
};
use sagegate_gate::{Access, Authorized, Call, Env, Fault, Needs, Operation, Scope};
use sagegate_store::{Read, StoreError, Tx};

use super::fault::{bad, dry_run, invalid_value, missing, refuse};
use super::kind::Kind;
use super::records::{self, Attachment, ElasticIp, Holder, Interface, SecurityGroup, Subnet, Vpc};
use super::select::{self, Filters, flag};
use super::subnet::{free_address, take_address};
use super::tags::{self, Tags};
use super::token::Once;
use super::{elastic_ip, needs, security_group, zones};

/// Interfaces in a region (Amazon VPC User Guide, "Amazon VPC quotas").
const MAX_INTERFACES: usize = 5_000;
/// The longest description.
const MAX_DESCRIPTION: usize = 255;

/// What a new interface is to be.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) description: String,
    pub(crate) groups: Vec<String>,
    pub(crate) address: Option<&'a str>,
    pub(crate) attachment: Option<Attachment>,
}

/// Makes an interface with an address of the subnet. The groups must have been checked.
///
/// # Errors
/// As `take_address`; `NetworkInterfaceLimitExceeded`.
pub(crate) fn make(
    tx: &mut Tx,
    scope: &Scope,
    env: &Env,
    subnet: &Subnet,
    plan: Plan<'_>,
) -> Result<Interface, Fault> {
    if records::count::<Interface>(tx, scope)? >= MAX_INTERFACES {
        let text = "The maximum number of network interfaces has been reached.";
        return Err(bad("NetworkInterfaceLimitExceeded", text));
    }
    let id = Kind::NetworkInterface.new_id(env);
    let address = take_address(tx, scope, subnet, plan.address, &id)?;
    let digits: [u8; 5] = env.bytes();
    let interface = Interface {
        id,
        vpc: subnet.vpc.clone(),
        subnet: subnet.id.clone(),
        zone: subnet.zone.clone(),
        address,
        // A locally administered address, as the hypervisor gives them out.
        mac: digits.iter().fold("02".to_owned(), |mac, byte| format!("{mac}:{byte:02x}")),
        description: plan.description,
        groups: plan.groups,
        source_dest_check: true,
        secondary: Vec::new(),
        ipv6: Vec::new(),
        attachment: plan.attachment,
    };
    records::put(tx, scope, &interface)?;
    Ok(interface)
}

/// Removes an interface and gives its address back; a public one stands for nothing then.
pub(crate) fn remove(tx: &mut Tx, scope: &Scope, interface: &Interface) -> Result<(), StoreError> {
    elastic_ip::forget_interface(tx, scope, &interface.id)?;
    free_address(tx, scope, &interface.subnet, interface.address);
    records::delete::<Interface>(tx, scope, &interface.id)
}

/// Plugs something of another service's into an interface, or unplugs it; false if there is no such
/// interface. Services have it from EC2 without an operation; what is plugged in can be deleted by
/// nobody.
pub(crate) fn plug(
    tx: &mut Tx,
    scope: &Scope,
    id: &str,
    attachment: Option<Attachment>,
) -> Result<bool, StoreError> {
    let Some(mut interface) = records::get::<Interface>(tx, scope, id)? else { return Ok(false) };
    interface.attachment = attachment;
    records::put(tx, scope, &interface)?;
    Ok(true)
}

/// The host name of a private address (Amazon VPC User Guide, "DNS attributes for your VPC").
fn private_dns_name(scope: &Scope, address: Ipv4Addr) -> String {
    let dashed = address.to_string().replace('.', "-");
    match scope.region.as_str() {
        "us-east-1" => format!("ip-{dashed}.ec2.internal"),
        region => format!("ip-{dashed}.{region}.compute.internal"),
    }
}

/// What answers show besides the interface itself.
struct Around {
    group_names: BTreeMap<String, String>,
    dns_hostnames: BTreeMap<String, bool>,
    /// Interfaces with their public addresses.
    public: BTreeMap<String, ElasticIp>,
}

impl Around {
    fn of(state: &dyn Read, scope: &Scope) -> Result<Self, StoreError> {
        let groups = records::all::<SecurityGroup>(state, scope)?;
        let vpcs = records::all::<Vpc>(state, scope)?;
        Ok(Self {
            group_names: groups.into_iter().map(|group| (group.id, group.name)).collect(),
            dns_hostnames: vpcs
                .into_iter()
                .map(|vpc| (vpc.id, vpc.dns_support && vpc.dns_hostnames))
                .collect(),
            public: elastic_ip::by_interface(state, scope)?,
        })
    }

    fn shape(&self, scope: &Scope, interface: &Interface, tags: &Tags) -> InterfaceShape {
        let address = Some(interface.address.to_string());
        let named = self.dns_hostnames.get(&interface.vpc).copied().unwrap_or_default();
        let dns_name = named.then(|| private_dns_name(scope, interface.address));
        let attachment = interface.attachment.as_ref();
        let public = self.public.get(&interface.id);
        let association = public.map(|own| elastic_ip::interface_association(scope, own, named));
        InterfaceShape {
            public_dns_name: association.as_ref().and_then(|it| it.public_dns_name.clone()),
            association: association.clone(),
            attachment: attachment.map(|attachment| NetworkInterfaceAttachment {
                attach_time: Some(attachment.time.into()),
                attachment_id: Some(attachment.id.clone()),
                delete_on_termination: Some(false),
                device_index: Some(1),
                instance_owner_id: Some("amazon-aws".to_owned()),
                status: Some(AttachmentStatus::Attached),
                ..NetworkInterfaceAttachment::default()
            }),
            availability_zone: Some(interface.zone.clone()),
            availability_zone_id: Some(zones::zone_id(&scope.region, &interface.zone)),
            description: Some(interface.description.clone()),
            groups: Some(
                interface
                    .groups
                    .iter()
                    .map(|id| GroupIdentifier {
                        group_id: Some(id.clone()),
                        group_name: self.group_names.get(id).cloned(),
                    })
                    .collect(),
            ),
            interface_type: Some(match attachment.map(|attachment| attachment.kind) {
                Some(Holder::VpcEndpoint) => NetworkInterfaceType::VpcEndpoint,
                Some(Holder::NatGateway) => NetworkInterfaceType::NatGateway,
                Some(
                    Holder::MountTarget | Holder::NotebookInstance | Holder::App | Holder::Command,
                )
                | None => NetworkInterfaceType::Interface,
            }),
            ipv6_addresses: Some(Vec::new()),
            mac_address: Some(interface.mac.clone()),
            network_interface_id: Some(interface.id.clone()),
            owner_id: Some(scope.account.to_string()),
            private_dns_name: dns_name.clone(),
            private_ip_address: address.clone(),
            private_ip_addresses: Some(vec![NetworkInterfacePrivateIpAddress {
                association,
                primary: Some(true),
                private_dns_name: dns_name,
                private_ip_address: address,
            }]),
            requester_id: attachment.map(|_| scope.account.to_string()),
            requester_managed: Some(attachment.is_some()),
            source_dest_check: Some(interface.source_dest_check),
            status: Some(status(interface)),
            subnet_id: Some(interface.subnet.clone()),
            tag_set: Some(tags::shape(tags)),
            vpc_id: Some(interface.vpc.clone()),
            ..InterfaceShape::default()
        }
    }
}

/// An interface as answers show it, without its tags.
pub(super) fn described(
    state: &dyn Read,
    scope: &Scope,
    interface: &Interface,
) -> Result<InterfaceShape, StoreError> {
    Ok(Around::of(state, scope)?.shape(scope, interface, &Tags::new()))
}

fn status(interface: &Interface) -> NetworkInterfaceStatus {
    match interface.attachment {
        Some(_) => NetworkInterfaceStatus::InUse,
        None => NetworkInterfaceStatus::Available,
    }
}

/// The groups that a request names, or the VPC's default group.
pub(crate) fn groups(
    state: &dyn Read,
    scope: &Scope,
    vpc: &str,
    named: Option<&Vec<String>>,
) -> Result<Vec<String>, Fault> {
    let Some(named) = named.filter(|groups| !groups.is_empty()) else {
        return Ok(vec![records::default_group(state, scope, vpc)?.id]);
    };
    let mut groups: Vec<String> = Vec::new();
    for id in named {
        if !groups.contains(id) {
            groups.push(id.clone());
        }
    }
    security_group::check_for_interface(state, scope, vpc, &groups)?;
    Ok(groups)
}

fn check_description(description: &str) -> Result<(), Fault> {
    if description.chars().count() <= MAX_DESCRIPTION {
        return Ok(());
    }
    Err(invalid_value(format!("Description exceeds the maximum length of {MAX_DESCRIPTION}")))
}

/// CreateNetworkInterface.
pub(crate) struct CreateNetworkInterface;

impl Operation for CreateNetworkInterface {
    type Input = CreateNetworkInterfaceRequest;
    type Output = CreateNetworkInterfaceResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "CreateNetworkInterface";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        const ACTION: &str = "ec2:CreateNetworkInterface";
        let (input, scope, kind) = (call.input, call.scope, Kind::NetworkInterface);
        let tags = tags::requested(input.tag_specifications.as_ref(), kind)?;
        let mut needs = Needs::from(needs::new(ACTION, scope, kind, &tags)).and(needs::on(
            ACTION,
            state,
            scope,
            Kind::Subnet,
            &input.subnet_id,
        )?);
        for id in input.groups.iter().flatten() {
            needs = needs.and(needs::on(ACTION, state, scope, Kind::SecurityGroup, id)?);
        }
        if input.groups.as_ref().is_none_or(Vec::is_empty) {
            let subnet = records::get::<Subnet>(state, scope, &input.subnet_id)?;
            let vpc = subnet.as_ref().map(|subnet| subnet.vpc.as_str());
            needs = needs.and(needs::on_default_group(ACTION, state, scope, vpc)?);
        }
        Ok(needs::with_tags(needs, scope, kind, &tags, Self::NAME))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        refuse(&[
            ("Ipv4Prefix", input.ipv4_prefixes.as_ref().is_some_and(|list| !list.is_empty())),
            ("Ipv4PrefixCount", input.ipv4_prefix_count.is_some()),
            ("Ipv6Prefix", input.ipv6_prefixes.as_ref().is_some_and(|list| !list.is_empty())),
            ("Ipv6PrefixCount", input.ipv6_prefix_count.is_some()),
            ("InterfaceType", input.interface_type.is_some()),
            ("EnablePrimaryIpv6", input.enable_primary_ipv6 == Some(true)),
            ("ConnectionTrackingSpecification", input.connection_tracking_specification.is_some()),
            ("Operator", input.operator.is_some()),
            (
                "SecondaryPrivateIpAddressCount",
                input.secondary_private_ip_address_count.is_some_and(|n| n != 0),
            ),
            ("Ipv6Addresses", input.ipv6_addresses.as_ref().is_some_and(|list| !list.is_empty())),
            ("Ipv6AddressCount", input.ipv6_address_count.is_some_and(|count| count != 0)),
        ])?;
        let tags = tags::requested(input.tag_specifications.as_ref(), Kind::NetworkInterface)?;
        let subnet = records::find::<Subnet>(tx, scope, &input.subnet_id)?;
        let description = input.description.clone().unwrap_or_default();
        check_description(&description)?;
        let mut address = input.private_ip_address.as_deref();
        for other in input.private_ip_addresses.iter().flatten() {
            let only = address.is_none() || address == other.private_ip_address.as_deref();
            if other.primary != Some(true) || !only {
                return refuse(&[("PrivateIpAddresses", true)]).map(|()| Self::Output::default());
            }
            address = other.private_ip_address.as_deref();
        }
        let once = Once::of(Self::NAME, input.client_token.as_ref(), || {
            CreateNetworkInterfaceRequest { client_token: None, ..input.clone() }
        });
        if let Some(interface) = once.made::<Interface>(tx, scope)? {
            return answer(tx, scope, &interface, input.client_token.clone());
        }
        let plan = Plan {
            description,
            groups: groups(tx, scope, &subnet.vpc, input.groups.as_ref())?,
            address,
            attachment: None,
        };
        let interface = make(tx, scope, call.env, &subnet, plan)?;
        tags::put(tx, scope, &interface.id, &tags)?;
        once.keep(tx, scope, &interface.id)?;
        answer(tx, scope, &interface, input.client_token.clone())
    }
}

fn answer(
    state: &dyn Read,
    scope: &Scope,
    interface: &Interface,
    client_token: Option<String>,
) -> Result<CreateNetworkInterfaceResult, Fault> {
    let tags = tags::of(state, scope, &interface.id)?;
    let shape = Around::of(state, scope)?.shape(scope, interface, &tags);
    Ok(CreateNetworkInterfaceResult { network_interface: Some(shape), client_token })
}

/// DeleteNetworkInterface.
pub(crate) struct DeleteNetworkInterface;

impl Operation for DeleteNetworkInterface {
    type Input = DeleteNetworkInterfaceRequest;
    type Output = Unit;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DeleteNetworkInterface";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (kind, id) = (Kind::NetworkInterface, &call.input.network_interface_id);
        Ok(needs::on("ec2:DeleteNetworkInterface", state, call.scope, kind, id)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        dry_run(call.input.dry_run)?;
        let id = &call.input.network_interface_id;
        let interface = records::find::<Interface>(tx, call.scope, id)?;
        if interface.attachment.is_some() {
            let text = format!("Network interface '{id}' is currently in use.");
            return Err(invalid_value(text));
        }
        remove(tx, call.scope, &interface)?;
        Ok(Unit)
    }
}

/// Interfaces of services are theirs to change.
///
/// # Errors
/// `AuthFailure`.
pub(super) fn check_own(interface: &Interface) -> Result<(), Fault> {
    if interface.attachment.is_none() {
        return Ok(());
    }
    Err(bad("AuthFailure", "You do not have permission to access the specified resource."))
}

/// The one attribute that a request sets, with its value as the condition keys have it.
fn change(input: &ModifyNetworkInterfaceAttributeRequest) -> Result<(&'static str, String), Fault> {
    let given = [
        (
            "Description",
            input.description.as_ref().map(|text| text.value.clone().unwrap_or_default()),
        ),
        ("Groups", input.groups.as_ref().map(|groups| groups.join(","))),
        (
            "SourceDestCheck",
            input.source_dest_check.as_ref().and_then(|check| check.value).map(|on| on.to_string()),
        ),
        ("Attachment", input.attachment.as_ref().map(|_| String::new())),
        ("EnaSrdSpecification", input.ena_srd_specification.as_ref().map(|_| String::new())),
        ("EnablePrimaryIpv6", input.enable_primary_ipv6.map(|on| on.to_string())),
        (
            "ConnectionTrackingSpecification",
            input.connection_tracking_specification.as_ref().map(|_| String::new()),
        ),
        ("AssociatePublicIpAddress", input.associate_public_ip_address.map(|on| on.to_string())),
        ("AssociatedSubnetIds", input.associated_subnet_ids.as_ref().map(|ids| ids.join(","))),
    ];
    let mut given = given.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let change = given.next().ok_or_else(|| missing("attribute"))?;
    if given.next().is_some() {
        let text = "A request may change one attribute of a network interface.";
        return Err(bad("InvalidParameterCombination", text));
    }
    Ok(change)
}

/// ModifyNetworkInterfaceAttribute.
pub(crate) struct ModifyNetworkInterfaceAttribute;

impl Operation for ModifyNetworkInterfaceAttribute {
    type Input = ModifyNetworkInterfaceAttributeRequest;
    type Output = Unit;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "ModifyNetworkInterfaceAttribute";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        const ACTION: &str = "ec2:ModifyNetworkInterfaceAttribute";
        let (input, scope) = (call.input, call.scope);
        let (name, value) = change(input)?;
        let id = &input.network_interface_id;
        let need = needs::on(ACTION, state, scope, Kind::NetworkInterface, id)?;
        let mut needs = Needs::from(needs::attribute(need, name, value));
        for id in input.groups.iter().flatten() {
            needs = needs.and(needs::on(ACTION, state, scope, Kind::SecurityGroup, id)?);
        }
        if input.groups.as_ref().is_some_and(Vec::is_empty) {
            let interface = records::get::<Interface>(state, scope, &input.network_interface_id)?;
            let vpc = interface.as_ref().map(|interface| interface.vpc.as_str());
            needs = needs.and(needs::on_default_group(ACTION, state, scope, vpc)?);
        }
        Ok(needs)
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let (name, value) = change(input)?;
        let mut interface = records::find::<Interface>(tx, scope, &input.network_interface_id)?;
        check_own(&interface)?;
        match name {
            "Description" => {
                check_description(&value)?;
                interface.description = value;
            }
            "Groups" => {
                interface.groups = groups(tx, scope, &interface.vpc, input.groups.as_ref())?;
            }
            "SourceDestCheck" => interface.source_dest_check = value == "true",
            other => return refuse(&[(other, true)]).map(|()| Unit),
        }
        records::put(tx, scope, &interface)?;
        Ok(Unit)
    }
}

/// DescribeNetworkInterfaces.
pub(crate) struct DescribeNetworkInterfaces;

impl Operation for DescribeNetworkInterfaces {
    type Input = DescribeNetworkInterfacesRequest;
    type Output = DescribeNetworkInterfacesResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DescribeNetworkInterfaces";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        Ok(needs::listing(call.scope, "ec2:DescribeNetworkInterfaces"))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let filters = Filters::of(
            input.filters.as_ref(),
            &[
                "addresses.association.owner-id",
                "addresses.association.public-ip",
                "addresses.primary",
                "addresses.private-ip-address",
                "association.allocation-id",
                "association.association-id",
                "association.ip-owner-id",
                "association.public-dns-name",
                "association.public-ip",
                "attachment.attach-time",
                "attachment.attachment-id",
                "attachment.delete-on-termination",
                "attachment.device-index",
                "attachment.instance-id",
                "attachment.instance-owner-id",
                "attachment.status",
                "availability-zone",
                "availability-zone-id",
                "description",
                "group-id",
                "group-name",
                "interface-type",
                "ipv6-addresses.ipv6-address",
                "mac-address",
                "network-interface-id",
                "operator.managed",
                "operator.principal",
                "owner-id",
                "private-dns-name",
                "private-ip-address",
                "requester-id",
                "requester-managed",
                "source-dest-check",
                "status",
                "subnet-id",
                "vpc-id",
            ],
            true,
        )?;
        let around = Around::of(tx, scope)?;
        let ids = input.network_interface_ids.as_ref();
        let mut found = Vec::new();
        for interface in super::named_or_all::<Interface>(tx, scope, ids)? {
            let tags = tags::of(tx, scope, &interface.id)?;
            let shape = around.shape(scope, &interface, &tags);
            if filters.pass(&tags, |name| filter_values(&interface, &shape, name)) {
                found.push(shape);
            }
        }
        let (interfaces, next_token) = select::page(
            found,
            |interface| interface.network_interface_id.clone().unwrap_or_default(),
            ids.is_some_and(|ids| !ids.is_empty()),
            input.max_results,
            input.next_token.as_deref(),
        )?;
        Ok(Self::Output { network_interfaces: Some(interfaces), next_token })
    }
}

fn filter_values(interface: &Interface, shape: &InterfaceShape, name: &str) -> Vec<String> {
    let some = |value: &Option<String>| value.iter().cloned().collect();
    let attachment = shape.attachment.as_ref();
    let public = |value: fn(&NetworkInterfaceAssociation) -> &Option<String>| {
        shape.association.as_ref().and_then(|it| value(it).clone()).into_iter().collect()
    };
    match name {
        "addresses.association.owner-id" | "association.ip-owner-id" => {
            public(|it| &it.ip_owner_id)
        }
        "addresses.association.public-ip" | "association.public-ip" => public(|it| &it.public_ip),
        "association.allocation-id" => public(|it| &it.allocation_id),
        "association.association-id" => public(|it| &it.association_id),
        "association.public-dns-name" => public(|it| &it.public_dns_name),
        "addresses.primary" => flag(true),
        "addresses.private-ip-address" | "private-ip-address" => some(&shape.private_ip_address),
        "attachment.attach-time" => {
            interface.attachment.iter().map(|at| at.time.iso8601()).collect()
        }
        "attachment.attachment-id" => interface.attachment.iter().map(|at| at.id.clone()).collect(),
        "attachment.delete-on-termination" => attachment.map(|_| flag(false)).unwrap_or_default(),
        "attachment.device-index" => attachment.map(|_| "1".to_owned()).into_iter().collect(),
        "attachment.instance-owner-id" => {
            attachment.and_then(|at| at.instance_owner_id.clone()).into_iter().collect()
        }
        "attachment.status" => attachment.map(|_| "attached".to_owned()).into_iter().collect(),
        "availability-zone" => some(&shape.availability_zone),
        "availability-zone-id" => some(&shape.availability_zone_id),
        "description" => vec![interface.description.clone()],
        "group-id" => interface.groups.clone(),
        "group-name" => {
            shape.groups.iter().flatten().filter_map(|group| group.group_name.clone()).collect()
        }
        "interface-type" => shape.interface_type.iter().map(ToString::to_string).collect(),
        "mac-address" => some(&shape.mac_address),
        "network-interface-id" => vec![interface.id.clone()],
        "operator.managed" => flag(false),
        "owner-id" => some(&shape.owner_id),
        "private-dns-name" => some(&shape.private_dns_name),
        "requester-id" => some(&shape.requester_id),
        "requester-managed" => flag(interface.attachment.is_some()),
        "source-dest-check" => flag(interface.source_dest_check),
        "status" => vec![status(interface).to_string()],
        "subnet-id" => vec![interface.subnet.clone()],
        "vpc-id" => vec![interface.vpc.clone()],
        // IPv6 addresses, instances and operators: no interface has any.
        _ => Vec::new(),
    }
}
