//! Network interfaces: CreateNetworkInterface, DeleteNetworkInterface,
//! ModifyNetworkInterfaceAttribute.

use sagegate_api::Unit;
use sagegate_api::ec2::{
    CreateNetworkInterfaceRequest, CreateNetworkInterfaceResult, DeleteNetworkInterfaceRequest,
    ModifyNetworkInterfaceAttributeRequest,
};
use sagegate_gate::{Access, Authorized, Call, Env, Fault, Needs, Operation, Scope};
use sagegate_store::{Read, StoreError, Tx};

use super::addresses::{free_address, take_address};
use super::fault::{bad, dry_run, invalid_value, missing, refuse};
use super::interface_addresses;
pub(crate) use super::interface_addresses::Wanted;
use super::interface_shape::Around;
use super::kind::Kind;
use super::records::{self, Attachment, Interface, Subnet};
use super::tags;
use super::token::Once;
use super::{elastic_ip, flow_logs, needs, security_group};

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
    pub(crate) secondary: Wanted<'a>,
    pub(crate) ipv6: Wanted<'a>,
    pub(crate) attachment: Option<Attachment>,
}

/// The IPv6 addresses that an interface gets in a subnet where nothing is said about them.
pub(crate) fn usual_ipv6(subnet: &Subnet) -> Wanted<'static> {
    Wanted::Count(usize::from(subnet.assign_ipv6))
}

/// Makes an interface with an address of the subnet. The groups must have been checked.
///
/// # Errors
/// As `take_address`, and for more addresses as the operations that assign them;
/// `NetworkInterfaceLimitExceeded`.
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
    let mut interface = Interface {
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
    interface_addresses::add_v4(tx, scope, subnet, &mut interface, &plan.secondary, false)?;
    interface_addresses::add_v6(tx, scope, env, subnet, &mut interface, &plan.ipv6)?;
    Ok(interface)
}

/// Removes an interface and gives its addresses back; public ones stand for nothing then.
pub(crate) fn remove(tx: &mut Tx, scope: &Scope, interface: &Interface) -> Result<(), StoreError> {
    elastic_ip::forget_interface(tx, scope, &interface.id)?;
    for address in interface.private() {
        free_address(tx, scope, &interface.subnet, address);
    }
    flow_logs::forget_resource(tx, scope, &interface.id)?;
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

/// The private addresses that a request names: the primary one, and the others.
fn wanted_private(
    input: &CreateNetworkInterfaceRequest,
) -> Result<(Option<&str>, Wanted<'_>), Fault> {
    let mut primary = input.private_ip_address.as_deref();
    let mut others = Vec::new();
    for given in input.private_ip_addresses.iter().flatten() {
        let text = given.private_ip_address.as_deref();
        let text = text.ok_or_else(|| missing("privateIpAddress"))?;
        if given.primary != Some(true) {
            others.push(text);
        } else if primary.replace(text).is_some_and(|known| known != text) {
            let text = "Only one primary private IP address can be specified.";
            return Err(bad("InvalidParameterCombination", text));
        }
    }
    let names = ("privateIpAddresses", "secondaryPrivateIpAddressCount");
    let others = Wanted::of(others, input.secondary_private_ip_address_count, names)?;
    Ok((primary, others.unwrap_or_default()))
}

/// The IPv6 addresses that a request names; `None` if it says nothing about them.
fn wanted_ipv6(input: &CreateNetworkInterfaceRequest) -> Result<Option<Wanted<'_>>, Fault> {
    let given = input.ipv6_addresses.iter().flatten();
    let list = given.filter_map(|it| it.ipv6_address.as_deref()).collect();
    Wanted::of(list, input.ipv6_address_count, ("ipv6Addresses", "ipv6AddressCount"))
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
        ])?;
        let tags = tags::requested(input.tag_specifications.as_ref(), Kind::NetworkInterface)?;
        let subnet = records::find::<Subnet>(tx, scope, &input.subnet_id)?;
        let description = input.description.clone().unwrap_or_default();
        check_description(&description)?;
        let (address, secondary) = wanted_private(input)?;
        let ipv6 = wanted_ipv6(input)?.unwrap_or_else(|| usual_ipv6(&subnet));
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
            secondary,
            ipv6,
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
