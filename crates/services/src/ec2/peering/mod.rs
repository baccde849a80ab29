//! VPC peering connections: what is stored of them, and where they stand.
//!
//! Rules: VPC Peering Guide, "How VPC peering connections work", with its life-cycle and limitations. What
//! follows from time, expiry and how long something is shown, is read from the clock whenever a connection is
//! looked at; nothing waits for it. Both VPCs are of one account and one region, since no others are served: a
//! request that names another one fails, as it does at AWS where no such VPC is.

pub(crate) mod answers;
pub(crate) mod describe;
pub(crate) mod options;
pub(crate) mod references;
pub(crate) mod request;

use ipnet::IpNet;
use sagegate_api::ec2::{
    CidrBlock, Ipv6CidrBlock, MultipathResilienceStatus, VpcPeeringConnection,
    VpcPeeringConnectionOptionsDescription, VpcPeeringConnectionStateReason,
    VpcPeeringConnectionStateReasonCode as Code, VpcPeeringConnectionVpcInfo,
};
use sagegate_gate::env::Time;
use sagegate_gate::{Fault, Scope};
use sagegate_store::{Read, StoreError, Tx};
use serde::{Deserialize, Serialize};

use super::fault::bad;
use super::kind::Kind;
use super::records::{self, Vpc};
use super::route_table;
use super::tags::{self, Tags};

const HOUR: i64 = 3_600;
/// How long a request waits for its answer, in seconds.
const WAITS: i64 = 7 * 24 * HOUR;
/// How long a request that has expired is shown.
const EXPIRED_SHOWN: i64 = 2 * 24 * HOUR;
/// How long what has failed, was rejected or deleted is shown, where one account has both VPCs.
const ENDED_SHOWN: i64 = 2 * HOUR;

/// A VPC peering connection. Its account and region have the VPC that asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Peering {
    /// `pcx-…`.
    pub(crate) id: String,
    /// The VPC that asked.
    pub(crate) requester: String,
    pub(crate) accepter: Accepter,
    pub(crate) state: PeeringState,
    pub(crate) created: Time,
    /// When it failed, was rejected or deleted.
    pub(crate) ended: Option<Time>,
    /// Whether public names in the VPC that asked lead to private addresses from the other one.
    pub(crate) requester_names: bool,
    /// The same the other way round.
    pub(crate) accepter_names: bool,
}

/// The VPC that was asked, as the request names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Accepter {
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) vpc: String,
}

/// Where a connection stands in its life, but for what follows from the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PeeringState {
    /// Nobody has answered; after a while it is too late.
    Pending,
    Active,
    Rejected,
    Deleted,
    Failed,
}

/// The way from a security group to one of another VPC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Across {
    /// `pcx-…`.
    pub(crate) connection: String,
    /// The VPC that it leads to.
    pub(crate) vpc: String,
}

impl Peering {
    /// Where it stands at this time.
    pub(crate) fn code(&self, now: Time) -> Code {
        match self.state {
            PeeringState::Pending if self.expires().millis() <= now.millis() => Code::Expired,
            PeeringState::Pending => Code::PendingAcceptance,
            PeeringState::Active => Code::Active,
            PeeringState::Rejected => Code::Rejected,
            PeeringState::Deleted => Code::Deleted,
            PeeringState::Failed => Code::Failed,
        }
    }

    fn expires(&self) -> Time {
        self.created.plus_seconds(WAITS)
    }

    /// Whether it has ended so long ago that nothing is shown of it.
    fn is_forgotten(&self, now: Time) -> bool {
        let until = match (self.state, self.ended) {
            (PeeringState::Pending, _) => self.expires().plus_seconds(EXPIRED_SHOWN),
            (_, Some(ended)) => ended.plus_seconds(ENDED_SHOWN),
            (_, None) => return false,
        };
        until.millis() <= now.millis()
    }

    /// Whether it joins these two VPCs, whichever of them asked.
    fn joins(&self, one: &str, other: &str) -> bool {
        let ends = (self.requester.as_str(), self.accepter.vpc.as_str());
        ends == (one, other) || ends == (other, one)
    }

    /// Whether this VPC is one of its two.
    pub(crate) fn has(&self, vpc: &str) -> bool {
        self.requester == vpc || self.accepter.vpc == vpc
    }

    fn end(&mut self, state: PeeringState, now: Time) {
        self.state = state;
        self.ended = Some(now);
    }
}

/// The connection of this id, unless it has ended so long ago that nothing is shown of it.
///
/// # Errors
/// `InvalidVpcPeeringConnectionId.Malformed`, `InvalidVpcPeeringConnectionID.NotFound`.
pub(crate) fn find(state: &dyn Read, scope: &Scope, id: &str, now: Time) -> Result<Peering, Fault> {
    let found = records::find::<Peering>(state, scope, id)?;
    if found.is_forgotten(now) {
        return Err(Kind::VpcPeeringConnection.not_found(id));
    }
    Ok(found)
}

/// The active connections.
pub(crate) fn active(state: &dyn Read, scope: &Scope) -> Result<Vec<Peering>, StoreError> {
    let mut found = records::all::<Peering>(state, scope)?;
    found.retain(|it| it.state == PeeringState::Active);
    Ok(found)
}

/// The active connection between two VPCs: there is one at most.
pub(crate) fn between(
    state: &dyn Read,
    scope: &Scope,
    one: &str,
    other: &str,
) -> Result<Option<Peering>, StoreError> {
    Ok(active(state, scope)?.into_iter().find(|it| it.joins(one, other)))
}

/// Ends the requests of a VPC that goes away, from it and to it.
pub(crate) fn forget_vpc(
    tx: &mut Tx,
    scope: &Scope,
    vpc: &str,
    now: Time,
) -> Result<(), StoreError> {
    for mut peering in records::all::<Peering>(tx, scope)? {
        if peering.has(vpc) && peering.code(now) == Code::PendingAcceptance {
            peering.end(PeeringState::Deleted, now);
            records::put(tx, scope, &peering)?;
        }
    }
    Ok(())
}

/// The error for what cannot be done with a connection as it stands.
fn no_transition(peering: &Peering, now: Time, to: Code) -> Fault {
    let (id, from) = (&peering.id, peering.code(now));
    let text =
        format!("Invalid state transition for {id}, attempted to transition from {from} to {to}");
    bad("InvalidStateTransition", text)
}

/// Whether blocks of two VPCs have an address in common.
fn overlap(one: &Vpc, other: &Vpc) -> bool {
    route_table::vpc_blocks(one).iter().any(|block| has_part_of(other, block))
}

fn has_part_of(vpc: &Vpc, block: &IpNet) -> bool {
    route_table::vpc_blocks(vpc).iter().any(|own| own.contains(block) || block.contains(own))
}

/// Checks that a block that a VPC is to get is none of a VPC that it is joined with (Amazon VPC User
/// Guide, "VPC CIDR blocks"). The text is ours.
///
/// # Errors
/// `CidrConflict`.
pub(crate) fn check_block(
    state: &dyn Read,
    scope: &Scope,
    vpc: &Vpc,
    block: IpNet,
) -> Result<(), Fault> {
    for peering in active(state, scope)?.into_iter().filter(|it| it.has(&vpc.id)) {
        for id in [&peering.requester, &peering.accepter.vpc] {
            let other = records::get::<Vpc>(state, scope, id)?.filter(|it| it.id != vpc.id);
            if other.is_some_and(|other| has_part_of(&other, &block)) {
                let text = format!(
                    "The CIDR '{block}' conflicts with a CIDR block of {id}, with which {} is peered by {}",
                    vpc.id, peering.id
                );
                return Err(bad("CidrConflict", text));
            }
        }
    }
    Ok(())
}

/// How a connection stands, in words. Those of connections that were rejected or have expired are ours.
fn reason(scope: &Scope, peering: &Peering, code: Code) -> VpcPeeringConnectionStateReason {
    let accepter = &peering.accepter.account;
    let message = match code {
        Code::InitiatingRequest => format!("Initiating Request to {accepter}"),
        Code::PendingAcceptance => format!("Pending Acceptance by {accepter}"),
        Code::Active => "Active".to_owned(),
        Code::Deleted => format!("Deleted by {}", scope.account),
        Code::Rejected => format!("Rejected by {accepter}"),
        Code::Expired => "Expired".to_owned(),
        Code::Failed => {
            "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range".to_owned()
        }
        Code::Provisioning => "Provisioning".to_owned(),
        Code::Deleting => "Deleting".to_owned(),
    };
    VpcPeeringConnectionStateReason { code: Some(code), message: Some(message) }
}

fn options_shape(names: bool) -> VpcPeeringConnectionOptionsDescription {
    VpcPeeringConnectionOptionsDescription {
        allow_dns_resolution_from_remote_vpc: Some(names),
        // There is no EC2-Classic, and no other region for paths to lead to.
        allow_egress_from_local_classic_link_to_remote_vpc: Some(false),
        allow_egress_from_local_vpc_to_remote_classic_link: Some(false),
        allow_multipath_resilience: Some(false),
        multipath_resilience_mode: None,
    }
}

/// One side, with its blocks and options if the VPC is given.
fn side(
    account: &str,
    region: &str,
    id: &str,
    known: Option<(&Vpc, bool)>,
) -> VpcPeeringConnectionVpcInfo {
    let mut shape = VpcPeeringConnectionVpcInfo {
        owner_id: Some(account.to_owned()),
        vpc_id: Some(id.to_owned()),
        region: Some(region.to_owned()),
        ..VpcPeeringConnectionVpcInfo::default()
    };
    let Some((vpc, names)) = known else { return shape };
    let blocks = route_table::vpc_blocks(vpc);
    let of = |four: bool| {
        let own = blocks.iter().filter(move |block| block.addr().is_ipv4() == four);
        own.map(ToString::to_string)
    };
    let four = of(true).map(|block| CidrBlock { cidr_block: Some(block) });
    let six: Vec<Ipv6CidrBlock> =
        of(false).map(|block| Ipv6CidrBlock { ipv6_cidr_block: Some(block) }).collect();
    shape.cidr_block = of(true).next();
    shape.cidr_block_set = Some(four.collect());
    shape.ipv6_cidr_block_set = (!six.is_empty()).then_some(six);
    shape.peering_options = Some(options_shape(names));
    shape
}

/// A connection as answers show it: the requester's blocks while it may come to something, the accepter's as
/// long as it is active.
fn shape(
    state: &dyn Read,
    scope: &Scope,
    peering: &Peering,
    code: Code,
    tags: &Tags,
) -> Result<VpcPeeringConnection, StoreError> {
    let open = matches!(code, Code::InitiatingRequest | Code::PendingAcceptance);
    let vpc = |shown: bool, id: &str| match shown {
        true => records::get::<Vpc>(state, scope, id),
        false => Ok(None),
    };
    let requester = vpc(open || code == Code::Active, &peering.requester)?;
    let accepter = vpc(code == Code::Active, &peering.accepter.vpc)?;
    let waits = open || code == Code::Expired;
    Ok(VpcPeeringConnection {
        requester_vpc_info: Some(side(
            scope.account.as_str(),
            scope.region.as_str(),
            &peering.requester,
            requester.as_ref().map(|vpc| (vpc, peering.requester_names)),
        )),
        accepter_vpc_info: Some(side(
            &peering.accepter.account,
            &peering.accepter.region,
            &peering.accepter.vpc,
            accepter.as_ref().map(|vpc| (vpc, peering.accepter_names)),
        )),
        expiration_time: waits.then(|| peering.expires().into()),
        status: Some(reason(scope, peering, code)),
        tags: Some(tags::shape(tags)),
        vpc_peering_connection_id: Some(peering.id.clone()),
        multipath_resilience_status: Some(MultipathResilienceStatus::Disabled),
    })
}
