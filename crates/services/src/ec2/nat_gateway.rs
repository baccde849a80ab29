//! NAT gateways: CreateNatGateway, DeleteNatGateway, DescribeNatGateways.
//!
//! Rules: Amazon VPC User Guide, "NAT gateways" and "Troubleshoot NAT gateways". A gateway is made
//! `pending` and gets its interface and address by [`NatGateways`] behind the call; what is missing
//! then makes it `failed`, with AWS's code and text, as it does there.

use std::future::Future;
use std::pin::Pin;

use sagegate_api::ec2::{
    AvailabilityMode, ConnectivityType, CreateNatGatewayRequest, CreateNatGatewayResult,
    DeleteNatGatewayRequest, DeleteNatGatewayResult, DescribeNatGatewaysRequest,
    DescribeNatGatewaysResult, NatGateway as NatGatewayShape, NatGatewayAddress,
    NatGatewayAddressStatus, NatGatewayState,
};
use sagegate_gate::env::Time;
use sagegate_gate::{
    Access, AccountId, Authorized, Call, Env, Fault, Gate, Needs, Operation, Reaction, Region,
    Scope,
};
use sagegate_store::{Read, StoreError, Tx};

use super::addresses::chosen_address;
use super::elastic_ip::association::associate;
use super::fault::{bad, dry_run, missing, refuse};
use super::kind::Kind;
use super::network_interface::{self, Plan, Wanted};
use super::records::{
    self, Attachment, ElasticIp, Holder, Interface, NAT_GATEWAYS, NatGateway, NatPlace, NatState,
    Subnet,
};
use super::select::{self, Filters};
use super::tags::{self, Tags};
use super::token::Once;
use super::{internet_gateway, named_or_all, needs, token};

/// NAT gateways of an Availability Zone (Amazon VPC User Guide, "Amazon VPC quotas").
const MAX_IN_ZONE: usize = 5;
/// How long a deleted gateway is shown, in seconds: "usually about an hour".
const SHOWN: i64 = 3_600;

/// Whether a gateway was deleted so long ago that nothing is shown of it.
fn forgotten(gateway: &NatGateway, now: Time) -> bool {
    gateway.deleted.is_some_and(|deleted| deleted.plus_seconds(SHOWN).millis() <= now.millis())
}

fn state_of(gateway: &NatGateway) -> NatGatewayState {
    match gateway.state {
        NatState::Pending => NatGatewayState::Pending,
        NatState::Available => NatGatewayState::Available,
        NatState::Failed => NatGatewayState::Failed,
        NatState::Deleted => NatGatewayState::Deleted,
    }
}

fn shape(gateway: &NatGateway, tags: &Tags) -> NatGatewayShape {
    let place = gateway.place.as_ref();
    let public = place.and_then(|place| place.public.as_ref());
    let address = NatGatewayAddress {
        allocation_id: gateway.allocation.clone(),
        network_interface_id: place.map(|it| it.interface.clone()),
        private_ip: place.map(|it| it.private.to_string()),
        public_ip: public.map(|(address, _)| address.to_string()),
        association_id: public.map(|(_, id)| id.clone()),
        is_primary: Some(true),
        status: Some(match gateway.state {
            NatState::Pending => NatGatewayAddressStatus::Assigning,
            NatState::Available | NatState::Deleted => NatGatewayAddressStatus::Succeeded,
            NatState::Failed => NatGatewayAddressStatus::Failed,
        }),
        ..NatGatewayAddress::default()
    };
    let failure = gateway.failure.as_ref();
    NatGatewayShape {
        create_time: Some(gateway.created.into()),
        delete_time: gateway.deleted.map(Into::into),
        failure_code: failure.map(|(code, _)| code.clone()),
        failure_message: failure.map(|(_, text)| text.clone()),
        nat_gateway_addresses: Some(vec![address]),
        nat_gateway_id: Some(gateway.id.clone()),
        state: Some(state_of(gateway)),
        subnet_id: Some(gateway.subnet.clone()),
        vpc_id: Some(gateway.vpc.clone()),
        tags: Some(tags::shape(tags)),
        connectivity_type: Some(match gateway.allocation {
            Some(_) => ConnectivityType::Public,
            None => ConnectivityType::Private,
        }),
        availability_mode: Some(AvailabilityMode::Zonal),
        ..NatGatewayShape::default()
    }
}

/// CreateNatGateway.
pub(crate) struct CreateNatGateway;

impl Operation for CreateNatGateway {
    type Input = CreateNatGatewayRequest;
    type Output = CreateNatGatewayResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "CreateNatGateway";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        const ACTION: &str = "ec2:CreateNatGateway";
        let (input, scope, kind) = (call.input, call.scope, Kind::NatGateway);
        let tags = tags::requested(input.tag_specifications.as_ref(), kind)?;
        let mut needs = Needs::from(needs::new(ACTION, scope, kind, &tags));
        if let Some(id) = &input.subnet_id {
            needs = needs.and(needs::on(ACTION, state, scope, Kind::Subnet, id)?);
        }
        if let Some(id) = &input.allocation_id {
            needs = needs.and(needs::on(ACTION, state, scope, Kind::ElasticIp, id)?);
        }
        if let Some(id) = &input.vpc_id {
            needs = needs.and(needs::on(ACTION, state, scope, Kind::Vpc, id)?);
        }
        Ok(needs::with_tags(needs, scope, kind, &tags, Self::NAME))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope, kind) = (call.input, call.scope, Kind::NatGateway);
        dry_run(input.dry_run)?;
        let lists = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
        refuse(&[
            ("AvailabilityMode", input.availability_mode == Some(AvailabilityMode::Regional)),
            ("VpcId", input.vpc_id.is_some()),
            (
                "AvailabilityZoneAddresses",
                input.availability_zone_addresses.as_ref().is_some_and(|list| !list.is_empty()),
            ),
            ("SecondaryAllocationIds", lists(&input.secondary_allocation_ids)),
            ("SecondaryPrivateIpAddresses", lists(&input.secondary_private_ip_addresses)),
            (
                "SecondaryPrivateIpAddressCount",
                input.secondary_private_ip_address_count.is_some_and(|count| count != 0),
            ),
        ])?;
        let once = Once::of(Self::NAME, input.client_token.as_ref(), || CreateNatGatewayRequest {
            client_token: None,
            ..input.clone()
        });
        let answer = |gateway: &NatGateway, tags: &Tags| Self::Output {
            client_token: input.client_token.clone(),
            nat_gateway: Some(shape(gateway, tags)),
        };
        if let Some(gateway) = once.made::<NatGateway>(tx, scope)? {
            return Ok(answer(&gateway, &tags::of(tx, scope, &gateway.id)?));
        }
        let tags = tags::requested(input.tag_specifications.as_ref(), kind)?;
        let subnet = input.subnet_id.as_deref().ok_or_else(|| missing("subnetId"))?;
        let subnet = records::find::<Subnet>(tx, scope, subnet)?;
        check_connectivity(tx, scope, input)?;
        if let Some(wanted) = input.private_ip_address.as_deref() {
            chosen_address(tx, scope, &subnet, Some(wanted))?;
        }
        forget(tx, scope, call.now)?;
        check_quota(tx, scope, &subnet.zone)?;
        let gateway = NatGateway {
            id: kind.new_id(call.env),
            vpc: subnet.vpc,
            subnet: subnet.id,
            allocation: input.allocation_id.clone(),
            wanted: input.private_ip_address.clone(),
            state: NatState::Pending,
            place: None,
            failure: None,
            created: call.now,
            deleted: None,
            token: once.row(),
        };
        records::put(tx, scope, &gateway)?;
        tags::put(tx, scope, &gateway.id, &tags)?;
        once.keep(tx, scope, &gateway.id)?;
        Ok(answer(&gateway, &tags))
    }
}

/// A public gateway needs an Elastic IP address, and a private one cannot have one.
fn check_connectivity(
    state: &dyn Read,
    scope: &Scope,
    input: &CreateNatGatewayRequest,
) -> Result<(), Fault> {
    let public = input.connectivity_type.unwrap_or(ConnectivityType::Public);
    match (public, &input.allocation_id) {
        (ConnectivityType::Public, None) => Err(bad(
            "MissingParameter",
            "The request must include the AllocationId parameter. Add the required parameter and retry the request.",
        )),
        (ConnectivityType::Public, Some(id)) => {
            records::find::<ElasticIp>(state, scope, id).map(drop)
        }
        (ConnectivityType::Private, Some(_)) => Err(bad(
            "InvalidParameterCombination",
            "The AllocationId parameter cannot be used with ConnectivityType private.",
        )),
        (ConnectivityType::Private, None) => Ok(()),
    }
}

fn check_quota(state: &dyn Read, scope: &Scope, zone: &str) -> Result<(), Fault> {
    let mut in_zone = 0;
    for gateway in records::all::<NatGateway>(state, scope)? {
        if matches!(gateway.state, NatState::Pending | NatState::Available) {
            let subnet = records::get::<Subnet>(state, scope, &gateway.subnet)?;
            in_zone += usize::from(subnet.is_some_and(|subnet| subnet.zone == zone));
        }
    }
    if in_zone < MAX_IN_ZONE {
        return Ok(());
    }
    let text =
        format!("Performing this operation would exceed the limit of {MAX_IN_ZONE} NAT gateways");
    Err(bad("NatGatewayLimitExceeded", text))
}

/// Drops the records of gateways of which nothing is shown any more.
fn forget(tx: &mut Tx, scope: &Scope, now: Time) -> Result<(), StoreError> {
    for gateway in records::all::<NatGateway>(tx, scope)? {
        if forgotten(&gateway, now) {
            records::delete::<NatGateway>(tx, scope, &gateway.id)?;
        }
    }
    Ok(())
}

/// Gives NAT gateways that are `pending` what they need, whenever one was made. Register it with the
/// gate.
#[derive(Debug, Default, Clone, Copy)]
pub struct NatGateways;

impl Reaction for NatGateways {
    fn tables(&self) -> &'static [&'static str] {
        const TABLES: &[&str] = &[NAT_GATEWAYS.name()];
        TABLES
    }

    fn react<'a>(&'a self, gate: &'a Gate) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            let found = gate.store().snapshot().map_err(Fault::from).and_then(|it| pending(&it));
            let found = match found {
                Ok(found) => found,
                Err(fault) => return gate.report("the NAT gateways cannot be read", &fault),
            };
            for (scope, id) in found {
                let now = gate.env().now();
                // What fails stays pending, and is tried again with the next one or at the next start.
                match gate.commit(|tx| settle(tx, &scope, gate.env(), now, &id)).await {
                    // Nobody follows the interfaces and addresses that it got.
                    Ok(_) => {}
                    Err(fault) => {
                        gate.report(&format!("the NAT gateway {id} stays pending"), &fault)
                    }
                }
            }
        })
    }
}

/// The gateways that wait for their interface.
fn pending(state: &dyn Read) -> Result<Vec<(Scope, String)>, Fault> {
    let mut found = Vec::new();
    for ((account, region, id), gateway) in NAT_GATEWAYS.scan(state, &(), None, usize::MAX)? {
        if gateway.state != NatState::Pending {
            continue;
        }
        if let (Ok(account), Ok(region)) = (AccountId::parse(&account), Region::parse(&region)) {
            found.push((Scope { account, region }, id));
        }
    }
    Ok(found)
}

/// Makes a pending gateway `available` or `failed`.
///
/// # Errors
/// An internal [`Fault`] if the store cannot be read or written.
pub(crate) fn settle(
    tx: &mut Tx,
    scope: &Scope,
    env: &Env,
    now: Time,
    id: &str,
) -> Result<(), Fault> {
    let Some(mut gateway) = records::get::<NatGateway>(tx, scope, id)? else { return Ok(()) };
    if gateway.state != NatState::Pending {
        return Ok(());
    }
    match place(tx, scope, env, now, &gateway) {
        Ok(place) => {
            gateway.place = Some(place);
            gateway.state = NatState::Available;
        }
        Err(fault) if fault.sender => {
            gateway.failure = Some((fault.code.into_owned(), fault.message));
            gateway.state = NatState::Failed;
        }
        Err(fault) => return Err(fault),
    }
    Ok(records::put(tx, scope, &gateway)?)
}

/// The interface and addresses of a gateway. Nothing is written where it cannot have them.
///
/// Codes and texts of failures: Amazon EC2 API Reference, `NatGateway`.
fn place(
    tx: &mut Tx,
    scope: &Scope,
    env: &Env,
    now: Time,
    gateway: &NatGateway,
) -> Result<NatPlace, Fault> {
    let subnet = records::find::<Subnet>(tx, scope, &gateway.subnet)?;
    let own = match &gateway.allocation {
        None => None,
        Some(id) => {
            if internet_gateway::of_vpc(tx, scope, &subnet.vpc)?.is_none() {
                let text = format!("Network {} has no Internet gateway attached", subnet.vpc);
                return Err(bad("Gateway.NotAttached", text));
            }
            let own = records::get::<ElasticIp>(tx, scope, id)?.ok_or_else(|| {
                let text = format!(
                    "Elastic IP address {id} could not be associated with this NAT gateway"
                );
                bad("InvalidAllocationID.NotFound", text)
            })?;
            if own.association.is_some() {
                let text = format!("Elastic IP address {id} is already associated");
                return Err(bad("Resource.AlreadyAssociated", text));
            }
            Some(own)
        }
    };
    let plan = Plan {
        description: format!("Interface for NAT Gateway {}", gateway.id),
        groups: Vec::new(),
        address: gateway.wanted.as_deref(),
        secondary: Wanted::default(),
        ipv6: Wanted::default(),
        attachment: Some(Attachment {
            kind: Holder::NatGateway,
            holder: gateway.id.clone(),
            id: format!("ela-attach-0{}", env.hex(16)),
            time: now,
        }),
    };
    let made = network_interface::make(tx, scope, env, &subnet, plan).map_err(|mut fault| {
        if fault.code == "InsufficientFreeAddressesInSubnet" {
            "Subnet has insufficient free addresses to create this NAT gateway"
                .clone_into(&mut fault.message);
        }
        fault
    })?;
    // It sends on what is from others.
    let interface = Interface { source_dest_check: false, ..made };
    records::put(tx, scope, &interface)?;
    let public = match own {
        None => None,
        Some(own) => {
            let address = own.address;
            Some((address, associate(tx, scope, env, own, &interface.id, interface.address)?))
        }
    };
    Ok(NatPlace { interface: interface.id, private: interface.address, public })
}

/// DeleteNatGateway. Its interface goes and its Elastic IP address is free; routes to it stay and
/// lead nowhere.
pub(crate) struct DeleteNatGateway;

impl Operation for DeleteNatGateway {
    type Input = DeleteNatGatewayRequest;
    type Output = DeleteNatGatewayResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DeleteNatGateway";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (kind, id) = (Kind::NatGateway, &call.input.nat_gateway_id);
        Ok(needs::on("ec2:DeleteNatGateway", state, call.scope, kind, id)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let mut gateway = records::find::<NatGateway>(tx, scope, &input.nat_gateway_id)?;
        if gateway.state == NatState::Deleted {
            return Err(Kind::NatGateway.not_found(&gateway.id));
        }
        if let Some(place) = &gateway.place
            && let Some(interface) = records::get::<Interface>(tx, scope, &place.interface)?
        {
            network_interface::remove(tx, scope, &interface)?;
        }
        token::forget(tx, scope, gateway.token.take().as_deref());
        gateway.state = NatState::Deleted;
        gateway.deleted = Some(call.now);
        records::put(tx, scope, &gateway)?;
        Ok(Self::Output { nat_gateway_id: Some(gateway.id) })
    }
}

/// DescribeNatGateways.
pub(crate) struct DescribeNatGateways;

impl Operation for DescribeNatGateways {
    type Input = DescribeNatGatewaysRequest;
    type Output = DescribeNatGatewaysResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DescribeNatGateways";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        Ok(needs::listing(call.scope, "ec2:DescribeNatGateways"))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let names = ["nat-gateway-id", "state", "subnet-id", "vpc-id"];
        let filters = Filters::of(input.filter.as_ref(), &names, true)?;
        let ids = input.nat_gateway_ids.as_ref().filter(|ids| !ids.is_empty());
        let mut found = Vec::new();
        for gateway in named_or_all::<NatGateway>(tx, scope, ids)? {
            if forgotten(&gateway, call.now) {
                if ids.is_some() {
                    return Err(Kind::NatGateway.not_found(&gateway.id));
                }
                continue;
            }
            let tags = tags::of(tx, scope, &gateway.id)?;
            let pass = filters.pass(&tags, |name| match name {
                "nat-gateway-id" => vec![gateway.id.clone()],
                "state" => vec![state_of(&gateway).to_string()],
                "subnet-id" => vec![gateway.subnet.clone()],
                "vpc-id" => vec![gateway.vpc.clone()],
                _ => Vec::new(),
            });
            if pass {
                found.push(shape(&gateway, &tags));
            }
        }
        let (gateways, next_token) = select::page(
            found,
            |gateway| gateway.nat_gateway_id.clone().unwrap_or_default(),
            ids.is_some(),
            input.max_results,
            input.next_token.as_deref(),
        )?;
        Ok(Self::Output { nat_gateways: Some(gateways), next_token })
    }
}
