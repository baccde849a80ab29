//! The IPv6 block of a subnet: AssociateSubnetCidrBlock, DisassociateSubnetCidrBlock.
//!
//! Rules: Amazon VPC User Guide, "Subnet CIDR blocks". As a VPC's, a block is in force when the call
//! is answered.

use ipnet::Ipv6Net;
use sagegate_api::ec2::{
    AssociateSubnetCidrBlockRequest, AssociateSubnetCidrBlockResult,
    DisassociateSubnetCidrBlockRequest, DisassociateSubnetCidrBlockResult, IpSource,
    Ipv6AddressAttribute, SubnetCidrBlockState, SubnetCidrBlockStateCode,
    SubnetIpv6CidrBlockAssociation,
};
use sagegate_gate::{Access, Authorized, Call, Env, Fault, Needs, Operation, Scope};
use sagegate_network::cidr::BlockError;
use sagegate_network::cidr_v6;
use sagegate_store::{Read, StoreError, Tx};

use super::fault::{bad, invalid_value, missing, refuse};
use super::kind::Kind;
use super::needs;
use super::records::{self, Interface, Subnet, SubnetBlock, Vpc};
use super::tags::Tags;
use super::vpc_cidr::check_association;

/// IPv6 blocks of a subnet (Amazon EC2 API Reference, "AssociateSubnetCidrBlock").
const MAX_BLOCKS: usize = 1;

/// What the ids of associations begin with.
const ASSOCIATION: &str = "subnet-cidr-assoc-";

/// A subnet's block as answers show it.
pub(crate) fn shape(
    own: &SubnetBlock,
    code: SubnetCidrBlockStateCode,
) -> SubnetIpv6CidrBlockAssociation {
    SubnetIpv6CidrBlockAssociation {
        association_id: Some(own.id.clone()),
        ipv6_cidr_block: Some(own.block.to_string()),
        ipv6_cidr_block_state: Some(SubnetCidrBlockState {
            state: Some(code),
            status_message: None,
        }),
        ipv6_address_attribute: Some(Ipv6AddressAttribute::Public),
        ip_source: Some(IpSource::Amazon),
    }
}

/// The block that a request wants for a subnet of a VPC with these subnets.
///
/// # Errors
/// `InvalidParameterValue`, `InvalidSubnet.Range`, `InvalidSubnet.Conflict`.
pub(crate) fn block(
    env: &Env,
    text: &str,
    vpc: &Vpc,
    siblings: &[Subnet],
) -> Result<SubnetBlock, Fault> {
    let own = vpc.v6_blocks().map(|(_, block)| block);
    let others = siblings.iter().filter_map(|other| Some(other.ipv6.as_ref()?.block));
    let block: Ipv6Net = cidr_v6::subnet_block(text, own, others).map_err(|error| match error {
        BlockError::Malformed => {
            invalid_value(format!("invalid value for parameter ipv6-cidr-block: {text}"))
        }
        BlockError::Range | BlockError::Restricted => {
            bad("InvalidSubnet.Range", format!("The IPv6 CIDR '{text}' is invalid."))
        }
        BlockError::Conflict => bad(
            "InvalidSubnet.Conflict",
            format!("The IPv6 CIDR '{text}' conflicts with another subnet"),
        ),
    })?;
    Ok(SubnetBlock { id: format!("{ASSOCIATION}0{}", env.hex(16)), block })
}

/// AssociateSubnetCidrBlock.
pub(crate) struct AssociateSubnetCidrBlock;

impl Operation for AssociateSubnetCidrBlock {
    type Input = AssociateSubnetCidrBlockRequest;
    type Output = AssociateSubnetCidrBlockResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "AssociateSubnetCidrBlock";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let id = &call.input.subnet_id;
        Ok(needs::on("ec2:AssociateSubnetCidrBlock", state, call.scope, Kind::Subnet, id)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        refuse(&[
            ("Ipv6IpamPoolId", input.ipv6_ipam_pool_id.is_some()),
            ("Ipv6NetmaskLength", input.ipv6_netmask_length.is_some()),
        ])?;
        let text = input.ipv6_cidr_block.as_deref().ok_or_else(|| missing("ipv6CidrBlock"))?;
        let mut subnet = records::find::<Subnet>(tx, scope, &input.subnet_id)?;
        if subnet.ipv6.is_some() {
            // As for VPCs; how AWS words it is not known.
            let text = format!(
                "This network '{}' has met its maximum number of allowed CIDRs: {MAX_BLOCKS}",
                subnet.id
            );
            return Err(bad("CidrLimitExceeded", text));
        }
        let vpc = records::find::<Vpc>(tx, scope, &subnet.vpc)?;
        let mut siblings = records::all::<Subnet>(tx, scope)?;
        siblings.retain(|other| other.vpc == vpc.id);
        let own = block(call.env, text, &vpc, &siblings)?;
        let answer = shape(&own, SubnetCidrBlockStateCode::Associated);
        subnet.ipv6 = Some(own);
        records::put(tx, scope, &subnet)?;
        Ok(Self::Output { ipv6_cidr_block_association: Some(answer), subnet_id: Some(subnet.id) })
    }
}

/// The subnet that has an association.
fn associated(state: &dyn Read, scope: &Scope, id: &str) -> Result<Option<Subnet>, StoreError> {
    let found = records::all::<Subnet>(state, scope)?;
    Ok(found.into_iter().find(|subnet| subnet.ipv6.as_ref().is_some_and(|own| own.id == id)))
}

/// DisassociateSubnetCidrBlock. The block goes when no interface has an address of it, and none is to
/// get one.
pub(crate) struct DisassociateSubnetCidrBlock;

impl Operation for DisassociateSubnetCidrBlock {
    type Input = DisassociateSubnetCidrBlockRequest;
    type Output = DisassociateSubnetCidrBlockResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DisassociateSubnetCidrBlock";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        const ACTION: &str = "ec2:DisassociateSubnetCidrBlock";
        let (id, scope) = (&call.input.association_id, call.scope);
        check_association(id, ASSOCIATION, "InvalidSubnetCidrBlockAssociationId.Malformed")?;
        // Of an association that is not there, the right to end any.
        Ok(match associated(state, scope, id)? {
            Some(subnet) => needs::on(ACTION, state, scope, Kind::Subnet, &subnet.id)?.into(),
            None => needs::new(ACTION, scope, Kind::Subnet, &Tags::new()).into(),
        })
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (id, scope) = (&call.input.association_id, call.scope);
        let not_found = || {
            let text = format!("The subnet CIDR block with association ID '{id}' does not exist");
            bad("InvalidSubnetCidrBlockAssociationID.NotFound", text)
        };
        let mut subnet = associated(tx, scope, id)?.ok_or_else(not_found)?;
        let kept = |why: &str| {
            let text = format!(
                "The subnet IPv6 CIDR block with association ID {id} may not be disassociated, because {why}"
            );
            bad("InvalidCidrBlock.InUse", text)
        };
        if subnet.assign_ipv6 {
            return Err(kept("its subnet has assign-ipv6-address-on-creation set to true."));
        }
        let holds = |it: &Interface| it.subnet == subnet.id && !it.ipv6.is_empty();
        if records::all::<Interface>(tx, scope)?.iter().any(holds) {
            return Err(kept("addresses of it are assigned to network interfaces."));
        }
        let own = subnet.ipv6.take().ok_or_else(not_found)?;
        records::put(tx, scope, &subnet)?;
        let gone = shape(&own, SubnetCidrBlockStateCode::Disassociated);
        Ok(Self::Output { ipv6_cidr_block_association: Some(gone), subnet_id: Some(subnet.id) })
    }
}
