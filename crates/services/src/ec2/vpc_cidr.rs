//! The blocks of a VPC besides its first one: AssociateVpcCidrBlock, DisassociateVpcCidrBlock.
//!
//! Rules: Amazon VPC User Guide, "VPC CIDR blocks". A block is in force, with its local route, when
//! the call is answered: it is `associated` from the beginning, and gone when it is disassociated.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use sagegate_api::ec2::{
    AssociateVpcCidrBlockRequest, AssociateVpcCidrBlockResult, DisassociateVpcCidrBlockRequest,
    DisassociateVpcCidrBlockResult, IpSource, Ipv6AddressAttribute, VpcCidrBlockAssociation,
    VpcCidrBlockState, VpcCidrBlockStateCode, VpcIpv6CidrBlockAssociation,
    VpcPeeringConnectionStateReasonCode as Code,
};
use sagegate_gate::env::Time;
use sagegate_gate::{Access, Authorized, Call, Env, Fault, Needs, Operation, Scope};
use sagegate_network::cidr::{self, BlockError};
use sagegate_network::cidr_v6;
use sagegate_store::{Read, StoreError, Tx};

use super::fault::{bad, invalid_value, refuse};
use super::kind::Kind;
use super::peering::Peering;
use super::records::{self, AddedBlock, IPV6_BLOCKS, RouteDestination, RouteTable, Subnet, Vpc};
use super::tags::Tags;
use super::{needs, network_acl, peering, route_table, security_group};

/// IPv4 blocks of a VPC, the first one counted (Amazon VPC User Guide, "Amazon VPC quotas").
const MAX_BLOCKS: usize = 5;
/// Blocks of Amazon's pool: one for each network border group, of which a region is one (Amazon EC2
/// API Reference, "AssociateVpcCidrBlock").
const MAX_PROVIDED: usize = 1;

/// What the ids of associations begin with.
const ASSOCIATION: &str = "vpc-cidr-assoc-";

/// The pool that AWS's own IPv6 blocks are of.
pub(crate) const POOL: &str = "Amazon";

fn state(code: VpcCidrBlockStateCode) -> VpcCidrBlockState {
    VpcCidrBlockState { state: Some(code), status_message: None }
}

/// An IPv4 block as answers show it.
pub(crate) fn v4_shape(
    id: &str,
    block: Ipv4Net,
    code: VpcCidrBlockStateCode,
) -> VpcCidrBlockAssociation {
    VpcCidrBlockAssociation {
        association_id: Some(id.to_owned()),
        cidr_block: Some(block.to_string()),
        cidr_block_state: Some(state(code)),
    }
}

/// An IPv6 block as answers show it.
pub(crate) fn v6_shape(
    scope: &Scope,
    id: &str,
    block: Ipv6Net,
    code: VpcCidrBlockStateCode,
) -> VpcIpv6CidrBlockAssociation {
    VpcIpv6CidrBlockAssociation {
        association_id: Some(id.to_owned()),
        ipv6_cidr_block: Some(block.to_string()),
        ipv6_cidr_block_state: Some(state(code)),
        network_border_group: Some(scope.region.to_string()),
        ipv6_pool: Some(POOL.to_owned()),
        ipv6_address_attribute: Some(Ipv6AddressAttribute::Public),
        ip_source: Some(IpSource::Amazon),
    }
}

/// Checks the form of an association's id.
///
/// # Errors
/// `code`, in the wording of all malformed ids.
pub(crate) fn check_association(id: &str, prefix: &str, code: &'static str) -> Result<(), Fault> {
    let digits = id.strip_prefix(prefix);
    let well_formed = digits.is_some_and(|digits| {
        (1..=17).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    });
    if well_formed {
        return Ok(());
    }
    Err(bad(code, format!("Invalid id: \"{id}\" (expecting \"{prefix}...\")")))
}

fn new_association(env: &Env) -> String {
    format!("{ASSOCIATION}0{}", env.hex(16))
}

/// The key of an IPv6 block: its network, which no other begins with.
fn key(block: Ipv6Net) -> [u8; 7] {
    let [a, b, c, d, e, f, g, ..] = block.network().octets();
    [a, b, c, d, e, f, g]
}

/// Gives a VPC an IPv6 block that nobody has, beginning at a random one: a block that was given
/// back should not soon be somebody else's. With the first one, its default network ACL and its
/// security groups let IPv6 through as they do IPv4.
///
/// # Errors
/// `InsufficientAddressCapacity` if all are given out.
pub(crate) fn provide_v6(
    tx: &mut Tx,
    scope: &Scope,
    env: &Env,
    vpc: &mut Vpc,
) -> Result<AddedBlock, Fault> {
    const STEPS: u32 = 1 << 10;
    let start = u32::from_be_bytes(env.bytes());
    let mut free = None;
    for step in 0..STEPS {
        let block = cidr_v6::provided(start.wrapping_add(step));
        if !IPV6_BLOCKS.contains(tx, &key(block))? {
            free = Some(block);
            break;
        }
    }
    let text = "There are not enough free IPv6 CIDR blocks.";
    let block = free.ok_or_else(|| bad("InsufficientAddressCapacity", text))?;
    let first = !vpc.has_ipv6();
    let added = AddedBlock { id: new_association(env), block: IpNet::V6(block) };
    IPV6_BLOCKS.put(tx, &key(block), &vpc.id)?;
    vpc.added.push(added.clone());
    records::put(tx, scope, vpc)?;
    if first {
        network_acl::welcome_ipv6(tx, scope, &vpc.id)?;
        security_group::welcome_ipv6(tx, scope, env, &vpc.id)?;
    }
    Ok(added)
}

/// Gives the IPv6 blocks of a VPC back, which goes away.
pub(crate) fn release(tx: &mut Tx, vpc: &Vpc) {
    for (_, block) in vpc.v6_blocks() {
        IPV6_BLOCKS.delete(tx, &key(block));
    }
}

/// Checks what a request says about the pool of an IPv6 block.
///
/// # Errors
/// `InvalidParameterCombination`, `UnsupportedOperation`.
pub(crate) fn check_border_group(
    scope: &Scope,
    wanted: Option<&String>,
    provided: bool,
) -> Result<(), Fault> {
    let Some(group) = wanted else { return Ok(()) };
    if !provided {
        let text =
            "The parameter ipv6CidrBlockNetworkBorderGroup needs amazonProvidedIpv6CidrBlock";
        return Err(bad("InvalidParameterCombination", text));
    }
    let elsewhere = group != scope.region.as_str();
    refuse(&[("Ipv6CidrBlockNetworkBorderGroup", elsewhere)])
}

fn limit(vpc: &Vpc, most: usize) -> Fault {
    let id = &vpc.id;
    let text = format!("This network '{id}' has met its maximum number of allowed CIDRs: {most}");
    bad("CidrLimitExceeded", text)
}

/// The error for a block that cannot be added. How AWS words a conflict is not known.
fn block_fault(error: BlockError, text: &str) -> Fault {
    match error {
        BlockError::Malformed => invalid_value(format!(
            "Value ({text}) for parameter cidrBlock is invalid. This is not a valid CIDR block."
        )),
        BlockError::Range => bad("InvalidVpc.Range", format!("The CIDR '{text}' is invalid.")),
        BlockError::Restricted => bad(
            "InvalidVpc.Range",
            format!(
                "The CIDR '{text}' is restricted. Use a CIDR from the same private address range as the current VPC CIDR, or use a publicly-routable CIDR. For additional restrictions, see https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html"
            ),
        ),
        BlockError::Conflict => bad(
            "CidrConflict",
            format!("The CIDR '{text}' conflicts with another CIDR block of the VPC"),
        ),
    }
}

/// Checks that no route of the VPC's tables leads to the block or a part of it: it would stand
/// before the route to the VPC itself.
fn check_routes(state: &dyn Read, scope: &Scope, vpc: &Vpc, block: Ipv4Net) -> Result<(), Fault> {
    for table in route_table::of_vpc(state, scope, &vpc.id)? {
        for route in &table.routes {
            if let RouteDestination::Block(IpNet::V4(led)) = &route.destination
                && block.contains(led)
            {
                let text = format!(
                    "The CIDR '{block}' conflicts with the route to {led} in route table {}",
                    table.id
                );
                return Err(bad("CidrConflict", text));
            }
        }
    }
    Ok(())
}

/// Checks that the VPC waits for no answer to its request for a peering connection: until then its
/// owner can add no block of IPv4. How AWS words it is not known.
fn check_requests(state: &dyn Read, scope: &Scope, vpc: &Vpc, now: Time) -> Result<(), Fault> {
    let waits = |it: &Peering| it.requester == vpc.id && it.code(now) == Code::PendingAcceptance;
    match records::all::<Peering>(state, scope)?.into_iter().find(waits) {
        None => Ok(()),
        Some(Peering { id, .. }) => {
            let text = format!("{} waits for the acceptance of its request {id}", vpc.id);
            Err(bad("OperationNotPermitted", text))
        }
    }
}

/// AssociateVpcCidrBlock.
pub(crate) struct AssociateVpcCidrBlock;

impl Operation for AssociateVpcCidrBlock {
    type Input = AssociateVpcCidrBlockRequest;
    type Output = AssociateVpcCidrBlockResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "AssociateVpcCidrBlock";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let id = &call.input.vpc_id;
        Ok(needs::on("ec2:AssociateVpcCidrBlock", state, call.scope, Kind::Vpc, id)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        const ONE: &str =
            "The request must contain exactly one of cidrBlock, amazonProvidedIpv6CidrBlock";
        let (input, scope) = (call.input, call.scope);
        refuse(&[
            ("Ipv6Pool", input.ipv6_pool.is_some()),
            ("Ipv6CidrBlock", input.ipv6_cidr_block.is_some()),
            ("Ipv4IpamPoolId", input.ipv4_ipam_pool_id.is_some()),
            ("Ipv4NetmaskLength", input.ipv4_netmask_length.is_some()),
            ("Ipv6IpamPoolId", input.ipv6_ipam_pool_id.is_some()),
            ("Ipv6NetmaskLength", input.ipv6_netmask_length.is_some()),
        ])?;
        let provided = input.amazon_provided_ipv6_cidr_block == Some(true);
        let group = input.ipv6_cidr_block_network_border_group.as_ref();
        check_border_group(scope, group, provided)?;
        let mut vpc = records::find::<Vpc>(tx, scope, &input.vpc_id)?;
        let mut answer = Self::Output { vpc_id: Some(vpc.id.clone()), ..Self::Output::default() };
        let associated = VpcCidrBlockStateCode::Associated;
        match (&input.cidr_block, provided) {
            (None, false) => return Err(bad("MissingParameter", ONE)),
            (Some(_), true) => return Err(bad("InvalidParameterCombination", ONE)),
            (Some(text), false) => {
                let known: Vec<Ipv4Net> = vpc.v4_blocks().map(|(_, block)| block).collect();
                let block =
                    cidr::added_block(text, &known).map_err(|error| block_fault(error, text))?;
                if known.len() >= MAX_BLOCKS {
                    return Err(limit(&vpc, MAX_BLOCKS));
                }
                check_routes(tx, scope, &vpc, block)?;
                check_requests(tx, scope, &vpc, call.now)?;
                peering::check_block(tx, scope, &vpc, block.into())?;
                let id = new_association(call.env);
                answer.cidr_block_association = Some(v4_shape(&id, block, associated));
                vpc.added.push(AddedBlock { id, block: IpNet::V4(block) });
                records::put(tx, scope, &vpc)?;
            }
            (None, true) => {
                if vpc.v6_blocks().count() >= MAX_PROVIDED {
                    return Err(limit(&vpc, MAX_PROVIDED));
                }
                let added = provide_v6(tx, scope, call.env, &mut vpc)?;
                answer.ipv6_cidr_block_association = vpc
                    .v6_blocks()
                    .find(|(id, _)| *id == added.id)
                    .map(|(id, block)| v6_shape(scope, id, block, associated));
            }
        }
        Ok(answer)
    }
}

/// The VPC that has an association.
fn associated(state: &dyn Read, scope: &Scope, id: &str) -> Result<Option<Vpc>, StoreError> {
    let found = records::all::<Vpc>(state, scope)?;
    let has = |vpc: &Vpc| vpc.association_id == id || vpc.added.iter().any(|it| it.id == id);
    Ok(found.into_iter().find(has))
}

/// Ends the routes that stood for the local one of a block that goes away.
fn forget_routes(tx: &mut Tx, scope: &Scope, vpc: &Vpc, block: IpNet) -> Result<(), StoreError> {
    for mut table in route_table::of_vpc(tx, scope, &vpc.id)? {
        let before = table.routes.len();
        table.routes.retain(|route| route.destination != RouteDestination::Block(block));
        if table.routes.len() != before {
            records::put::<RouteTable>(tx, scope, &table)?;
        }
    }
    Ok(())
}

/// DisassociateVpcCidrBlock. A block goes when no subnet is in it.
pub(crate) struct DisassociateVpcCidrBlock;

impl Operation for DisassociateVpcCidrBlock {
    type Input = DisassociateVpcCidrBlockRequest;
    type Output = DisassociateVpcCidrBlockResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DisassociateVpcCidrBlock";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        const ACTION: &str = "ec2:DisassociateVpcCidrBlock";
        let (id, scope) = (&call.input.association_id, call.scope);
        check_association(id, ASSOCIATION, "InvalidVpcCidrBlockAssociationId.Malformed")?;
        // Of an association that is not there, the right to end any.
        Ok(match associated(state, scope, id)? {
            Some(vpc) => needs::on(ACTION, state, scope, Kind::Vpc, &vpc.id)?.into(),
            None => needs::new(ACTION, scope, Kind::Vpc, &Tags::new()).into(),
        })
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (id, scope) = (&call.input.association_id, call.scope);
        let mut vpc = associated(tx, scope, id)?.ok_or_else(|| {
            let text = format!("The vpc CIDR block association ID '{id}' does not exist");
            bad("InvalidVpcCidrBlockAssociationID.NotFound", text)
        })?;
        let Some(place) = vpc.added.iter().position(|it| it.id == *id) else {
            let text = format!(
                "The vpc CIDR block with association ID {id} may not be disassociated. It is the primary IPv4 CIDR block of the VPC"
            );
            return Err(bad("OperationNotPermitted", text));
        };
        let gone = vpc.added.remove(place);
        let mut subnets = records::all::<Subnet>(tx, scope)?.into_iter();
        let used = subnets.any(|subnet| {
            subnet.vpc == vpc.id && subnet.blocks().iter().any(|own| gone.block.contains(own))
        });
        if used {
            let text = format!(
                "The vpc {} currently has a subnet within CIDR block {}",
                vpc.id, gone.block
            );
            return Err(bad("InvalidCidrBlock.InUse", text));
        }
        forget_routes(tx, scope, &vpc, gone.block)?;
        records::put(tx, scope, &vpc)?;
        let mut answer = Self::Output { vpc_id: Some(vpc.id), ..Self::Output::default() };
        let code = VpcCidrBlockStateCode::Disassociated;
        match gone.block {
            IpNet::V4(block) => {
                answer.cidr_block_association = Some(v4_shape(&gone.id, block, code));
            }
            IpNet::V6(block) => {
                IPV6_BLOCKS.delete(tx, &key(block));
                answer.ipv6_cidr_block_association = Some(v6_shape(scope, &gone.id, block, code));
            }
        }
        Ok(answer)
    }
}
