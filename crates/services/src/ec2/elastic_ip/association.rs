//! AssociateAddress, DisassociateAddress.

use std::net::Ipv4Addr;

use sagegate_api::Unit;
use sagegate_api::ec2::{
    AssociateAddressRequest, AssociateAddressResult, DisassociateAddressRequest,
};
use sagegate_gate::{Access, Authorized, Call, Env, Fault, Needs, Operation, Scope};
use sagegate_store::{Read, StoreError, Tx};

use super::super::fault::{bad, dry_run, invalid_value, missing};
use super::super::kind::Kind;
use super::super::records::{self, ElasticIp, ElasticIpAssociation, Interface};
use super::super::tags::Tags;
use super::super::{internet_gateway, needs};

/// Lets an address stand for a private address of an interface; the id of the association.
pub(crate) fn associate(
    tx: &mut Tx,
    scope: &Scope,
    env: &Env,
    mut own: ElasticIp,
    interface: &str,
    private: Ipv4Addr,
) -> Result<String, StoreError> {
    let id = format!("eipassoc-0{}", env.hex(16));
    let interface = interface.to_owned();
    own.association = Some(ElasticIpAssociation { id: id.clone(), interface, private });
    records::put(tx, scope, &own)?;
    Ok(id)
}

/// What belongs to a service of AWS's is not the caller's to change.
fn not_held(state: &dyn Read, scope: &Scope, interface: &str) -> Result<(), Fault> {
    match records::get::<Interface>(state, scope, interface)? {
        Some(interface) if interface.attachment.is_some() => {
            Err(bad("AuthFailure", "You do not have permission to access the specified resource."))
        }
        _ => Ok(()),
    }
}

/// The allocation that a request means: addresses of VPCs are named by it.
fn allocation(input: &AssociateAddressRequest) -> Result<&String, Fault> {
    input.allocation_id.as_ref().ok_or_else(|| {
        let text = "You must specify an allocation id when mapping an address to a VPC instance";
        invalid_value(text)
    })
}

/// AssociateAddress.
pub(crate) struct AssociateAddress;

impl Operation for AssociateAddress {
    type Input = AssociateAddressRequest;
    type Output = AssociateAddressResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "AssociateAddress";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        const ACTION: &str = "ec2:AssociateAddress";
        let (input, scope) = (call.input, call.scope);
        let own = needs::on(ACTION, state, scope, Kind::ElasticIp, allocation(input)?)?;
        let mut needs = Needs::from(own);
        if let Some(id) = &input.network_interface_id {
            needs = needs.and(needs::on(ACTION, state, scope, Kind::NetworkInterface, id)?);
        }
        Ok(needs)
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        if input.public_ip.is_some() {
            return Err(bad(
                "InvalidParameterCombination",
                "You may specify public IP or allocation id, but not both in the same call",
            ));
        }
        if let Some(id) = &input.instance_id {
            let text = format!("The instance ID '{id}' does not exist");
            return Err(bad("InvalidInstanceID.NotFound", text));
        }
        let own = records::find::<ElasticIp>(tx, scope, allocation(input)?)?;
        let id = input.network_interface_id.as_ref();
        let id = id.ok_or_else(|| missing("networkInterfaceId"))?;
        let interface = records::find::<Interface>(tx, scope, id)?;
        not_held(tx, scope, id)?;
        let private = match &input.private_ip_address {
            None => interface.address,
            Some(wanted) => {
                interface.private().find(|own| own.to_string() == *wanted).ok_or_else(|| {
                    let text =
                        format!("The networkInterface '{id}' does not have the address {wanted}.");
                    invalid_value(text)
                })?
            }
        };
        if internet_gateway::of_vpc(tx, scope, &interface.vpc)?.is_none() {
            let text = format!("Network {} is not attached to any internet gateway", interface.vpc);
            return Err(bad("Gateway.NotAttached", text));
        }
        let again = input.allow_reassociation == Some(true);
        if let Some(known) = &own.association {
            if known.interface == interface.id && known.private == private {
                // It is what was asked for already.
                return Ok(Self::Output { association_id: Some(known.id.clone()) });
            }
            not_held(tx, scope, &known.interface)?;
            if !again {
                let text = format!(
                    "resource {} is already associated with associate-id {}",
                    own.id, known.id
                );
                return Err(bad("Resource.AlreadyAssociated", text));
            }
        }
        let place = (interface.id, private);
        if let Some(mut other) = super::associated(tx, scope)?.remove(&place) {
            if !again {
                let text = format!(
                    "resource {} is already associated with address {}",
                    place.0, other.address
                );
                return Err(bad("Resource.AlreadyAssociated", text));
            }
            other.association = None;
            records::put(tx, scope, &other)?;
        }
        let id = associate(tx, scope, call.env, own, &place.0, private)?;
        Ok(Self::Output { association_id: Some(id) })
    }
}

/// The address whose association this is.
fn associated(state: &dyn Read, scope: &Scope, id: &str) -> Result<Option<ElasticIp>, StoreError> {
    let found = records::all::<ElasticIp>(state, scope)?;
    Ok(found.into_iter().find(|own| own.association.as_ref().is_some_and(|it| it.id == id)))
}

/// The association that a request means.
fn association(input: &DisassociateAddressRequest) -> Result<&String, Fault> {
    input.association_id.as_ref().ok_or_else(|| {
        let text =
            "You must specify an association id when unmapping an address from a VPC instance";
        invalid_value(text)
    })
}

/// DisassociateAddress.
pub(crate) struct DisassociateAddress;

impl Operation for DisassociateAddress {
    type Input = DisassociateAddressRequest;
    type Output = Unit;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DisassociateAddress";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        const ACTION: &str = "ec2:DisassociateAddress";
        let scope = call.scope;
        // Of an association that is not there, the right to end any.
        let found = associated(state, scope, association(call.input)?)?;
        let Some((own, at)) = found.and_then(|own| Some((own.id, own.association?))) else {
            return Ok(needs::new(ACTION, scope, Kind::ElasticIp, &Tags::new()).into());
        };
        Ok(Needs::from(needs::on(ACTION, state, scope, Kind::ElasticIp, &own)?).and(needs::on(
            ACTION,
            state,
            scope,
            Kind::NetworkInterface,
            &at.interface,
        )?))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let id = association(input)?;
        let mut own = associated(tx, scope, id)?.ok_or_else(|| {
            let text = format!("The association ID '{id}' does not exist");
            bad("InvalidAssociationID.NotFound", text)
        })?;
        if let Some(known) = own.association.take() {
            not_held(tx, scope, &known.interface)?;
        }
        records::put(tx, scope, &own)?;
        Ok(Unit)
    }
}
