//! CreateVpcPeeringConnection.

use sagegate_api::ec2::{
    CreateVpcPeeringConnectionRequest, CreateVpcPeeringConnectionResult,
    VpcPeeringConnectionStateReasonCode as Code,
};
use sagegate_gate::env::Time;
use sagegate_gate::{Access, Authorized, Call, Fault, Needs, Operation, Scope};
use sagegate_store::{Read, StoreError, Tx};

use super::super::fault::{bad, dry_run, missing, refuse};
use super::super::kind::Kind;
use super::super::records::{self, Vpc};
use super::super::{needs, tags};
use super::{Accepter, Peering, PeeringState, overlap, shape};

/// Requests of a VPC that nobody has answered (Amazon VPC User Guide, "Amazon VPC quotas").
const MAX_OUTSTANDING: usize = 25;

/// The VPC that is asked, wherever it may be.
fn accepter(scope: &Scope, input: &CreateVpcPeeringConnectionRequest) -> Option<Accepter> {
    Some(Accepter {
        account: input.peer_owner_id.clone().unwrap_or_else(|| scope.account.to_string()),
        region: input.peer_region.clone().unwrap_or_else(|| scope.region.to_string()),
        vpc: input.peer_vpc_id.clone()?,
    })
}

/// CreateVpcPeeringConnection. Whether the other VPC is there and can be joined is found out behind the answer,
/// which shows the request as it sets out.
pub(crate) struct CreateVpcPeeringConnection;

impl Operation for CreateVpcPeeringConnection {
    type Input = CreateVpcPeeringConnectionRequest;
    type Output = CreateVpcPeeringConnectionResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "CreateVpcPeeringConnection";
    const ACCESS: Access = Access::Write;

    /// The VPC is always the one that asks (Amazon VPC User Guide, "Amazon VPC policy examples").
    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        const ACTION: &str = "ec2:CreateVpcPeeringConnection";
        let (input, scope, kind) = (call.input, call.scope, Kind::VpcPeeringConnection);
        let tags = tags::requested(input.tag_specifications.as_ref(), kind)?;
        let vpc = needs::on(ACTION, state, scope, Kind::Vpc, &input.vpc_id)?;
        let requester = Kind::Vpc.arn(scope, &input.vpc_id);
        let asked = accepter(scope, input).map(|it| needs::accepter_arn(scope, &it));
        let keys = |need: sagegate_gate::Need| {
            need.key("ec2:RequesterVpc", requester.as_str())
                .key_if("ec2:AccepterVpc", asked.clone())
        };
        let needs = Needs::from(keys(needs::new(ACTION, scope, kind, &tags))).and(vpc);
        if tags.is_empty() {
            return Ok(needs);
        }
        let tagging = needs::new("ec2:CreateTags", scope, kind, &tags);
        Ok(needs.and(keys(tagging).key("ec2:CreateAction", Self::NAME)))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope, now) = (call.input, call.scope, call.now);
        dry_run(input.dry_run)?;
        let options = input.requester_peering_connection_options.as_ref();
        // Only what leads to another region can go by several paths.
        refuse(&[
            (
                "AllowMultipathResilience",
                options.is_some_and(|it| it.allow_multipath_resilience == Some(true)),
            ),
            (
                "MultipathResilienceMode",
                options.is_some_and(|it| it.multipath_resilience_mode.is_some()),
            ),
        ])?;
        let tags = tags::requested(input.tag_specifications.as_ref(), Kind::VpcPeeringConnection)?;
        let accepter = accepter(scope, input).ok_or_else(|| missing("peerVpcId"))?;
        Kind::Vpc.check(&accepter.vpc)?;
        let requester = records::find::<Vpc>(tx, scope, &input.vpc_id)?;
        forget(tx, scope, now)?;
        check_others(tx, scope, &requester.id, &accepter.vpc, now)?;
        let asked = other_vpc(tx, scope, &accepter)?;
        let possible = asked.is_some_and(|asked| !overlap(&requester, &asked));
        let peering = Peering {
            id: Kind::VpcPeeringConnection.new_id(call.env),
            requester: requester.id,
            accepter,
            state: if possible { PeeringState::Pending } else { PeeringState::Failed },
            created: now,
            ended: (!possible).then_some(now),
            requester_names: false,
            accepter_names: false,
        };
        records::put(tx, scope, &peering)?;
        tags::put(tx, scope, &peering.id, &tags)?;
        let shape = shape(tx, scope, &peering, Code::InitiatingRequest, &tags)?;
        Ok(Self::Output { vpc_peering_connection: Some(shape) })
    }
}

/// The VPC that is asked, if it is one of this account and region.
fn other_vpc(
    state: &dyn Read,
    scope: &Scope,
    accepter: &Accepter,
) -> Result<Option<Vpc>, StoreError> {
    if accepter.account != scope.account.as_str() || accepter.region != scope.region.as_str() {
        return Ok(None);
    }
    records::get::<Vpc>(state, scope, &accepter.vpc)
}

/// Two VPCs have one connection, and a VPC has few requests that wait. That a second request of the same VPC to
/// the same one is refused while the first waits is our reading of "you cannot have more than one VPC peering
/// connection between two VPCs at the same time"; the text is ours.
fn check_others(
    state: &dyn Read,
    scope: &Scope,
    requester: &str,
    accepter: &str,
    now: Time,
) -> Result<(), Fault> {
    let all = records::all::<Peering>(state, scope)?;
    let waits =
        |it: &&Peering| it.requester == requester && it.code(now) == Code::PendingAcceptance;
    let joined =
        || all.iter().find(|it| it.state == PeeringState::Active && it.joins(requester, accepter));
    let asked = all.iter().find(|it| waits(it) && it.accepter.vpc == accepter);
    if let Some(known) = asked.or_else(joined) {
        return Err(exists(known));
    }
    if all.iter().filter(waits).count() >= MAX_OUTSTANDING {
        let text =
            "The maximum number of outstanding VPC peering connection requests has been reached.";
        return Err(bad("OutstandingVpcPeeringConnectionLimitExceeded", text));
    }
    Ok(())
}

/// The error for a second connection between two VPCs.
pub(super) fn exists(known: &Peering) -> Fault {
    let text = format!(
        "A VPC peering connection between the VPCs {} and {} already exists: {}",
        known.requester, known.accepter.vpc, known.id
    );
    bad("VpcPeeringConnectionAlreadyExists", text)
}

/// Drops the records of connections of which nothing is shown any more.
fn forget(tx: &mut Tx, scope: &Scope, now: Time) -> Result<(), StoreError> {
    for peering in records::all::<Peering>(tx, scope)? {
        if peering.is_forgotten(now) {
            records::delete::<Peering>(tx, scope, &peering.id)?;
        }
    }
    Ok(())
}
