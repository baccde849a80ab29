//! Network interfaces as answers show them: DescribeNetworkInterfaces.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use sagegate_api::ec2::{
    AttachmentStatus, DescribeNetworkInterfacesRequest, DescribeNetworkInterfacesResult,
    GroupIdentifier, NetworkInterface as InterfaceShape, NetworkInterfaceAssociation,
    NetworkInterfaceAttachment, NetworkInterfaceIpv6Address, NetworkInterfacePrivateIpAddress,
    NetworkInterfaceStatus, NetworkInterfaceType,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Needs, Operation, Scope};
use sagegate_store::{Read, StoreError, Tx};

use super::fault::dry_run;
use super::records::{self, Holder, Interface, SecurityGroup, Vpc};
use super::select::{self, Filters, flag};
use super::tags::{self, Tags};
use super::{elastic_ip, needs, zones};

/// The host name of a private address (Amazon VPC User Guide, "DNS attributes for your VPC").
fn private_dns_name(scope: &Scope, address: Ipv4Addr) -> String {
    let dashed = address.to_string().replace('.', "-");
    match scope.region.as_str() {
        "us-east-1" => format!("ip-{dashed}.ec2.internal"),
        region => format!("ip-{dashed}.{region}.compute.internal"),
    }
}

/// What answers show besides the interface itself.
pub(crate) struct Around {
    group_names: BTreeMap<String, String>,
    dns_hostnames: BTreeMap<String, bool>,
    public: elastic_ip::Associated,
}

impl Around {
    pub(crate) fn of(state: &dyn Read, scope: &Scope) -> Result<Self, StoreError> {
        let groups = records::all::<SecurityGroup>(state, scope)?;
        let vpcs = records::all::<Vpc>(state, scope)?;
        Ok(Self {
            group_names: groups.into_iter().map(|group| (group.id, group.name)).collect(),
            dns_hostnames: vpcs
                .into_iter()
                .map(|vpc| (vpc.id, vpc.dns_support && vpc.dns_hostnames))
                .collect(),
            public: elastic_ip::associated(state, scope)?,
        })
    }

    pub(crate) fn shape(
        &self,
        scope: &Scope,
        interface: &Interface,
        tags: &Tags,
    ) -> InterfaceShape {
        let named = self.dns_hostnames.get(&interface.vpc).copied().unwrap_or_default();
        let dns_name = |address| named.then(|| private_dns_name(scope, address));
        let attachment = interface.attachment.as_ref();
        let association = |address| {
            let own = self.public.get(&(interface.id.clone(), address))?;
            Some(elastic_ip::interface_association(scope, own, named))
        };
        let private = interface.private().map(|address| NetworkInterfacePrivateIpAddress {
            association: association(address),
            primary: Some(address == interface.address),
            private_dns_name: dns_name(address),
            private_ip_address: Some(address.to_string()),
        });
        let private_ip_addresses = Some(private.collect());
        let ipv6 = interface.ipv6.iter().map(|address| NetworkInterfaceIpv6Address {
            ipv6_address: Some(address.to_string()),
            is_primary_ipv6: Some(false),
            ..NetworkInterfaceIpv6Address::default()
        });
        let association = association(interface.address);
        InterfaceShape {
            public_dns_name: association.as_ref().and_then(|it| it.public_dns_name.clone()),
            association,
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
            ipv6_addresses: Some(ipv6.collect()),
            mac_address: Some(interface.mac.clone()),
            network_interface_id: Some(interface.id.clone()),
            owner_id: Some(scope.account.to_string()),
            private_dns_name: dns_name(interface.address),
            private_ip_address: Some(interface.address.to_string()),
            private_ip_addresses,
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
pub(crate) fn described(
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
    let private = || shape.private_ip_addresses.iter().flatten();
    match name {
        "addresses.association.owner-id" => {
            private().filter_map(|it| it.association.as_ref()?.ip_owner_id.clone()).collect()
        }
        "addresses.association.public-ip" => {
            private().filter_map(|it| it.association.as_ref()?.public_ip.clone()).collect()
        }
        "association.ip-owner-id" => public(|it| &it.ip_owner_id),
        "association.public-ip" => public(|it| &it.public_ip),
        "association.allocation-id" => public(|it| &it.allocation_id),
        "association.association-id" => public(|it| &it.association_id),
        "association.public-dns-name" => public(|it| &it.public_dns_name),
        "addresses.primary" => {
            private().filter_map(|it| it.primary.map(|primary| primary.to_string())).collect()
        }
        "addresses.private-ip-address" => {
            private().filter_map(|it| it.private_ip_address.clone()).collect()
        }
        "private-ip-address" => some(&shape.private_ip_address),
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
        "ipv6-addresses.ipv6-address" => interface.ipv6.iter().map(ToString::to_string).collect(),
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
        // Instances and operators: no interface has any.
        _ => Vec::new(),
    }
}
