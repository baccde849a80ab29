//! AcceptVpcPeeringConnection, RejectVpcPeeringConnection, DeleteVpcPeeringConnection.

use sagegate_api::ec2::{
    AcceptVpcPeeringConnectionRequest, AcceptVpcPeeringConnectionResult,
    DeleteVpcPeeringConnectionRequest, DeleteVpcPeeringConnectionResult,
    RejectVpcPeeringConnectionRequest, RejectVpcPeeringConnectionResult,
    VpcPeeringConnectionStateReasonCode as Code,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Needs, Operation, Scope};
use sagegate_store::{Read, Tx};

use super::super::fault::{bad, dry_run};
use super::super::kind::Kind;
use super::super::needs;
use super::super::records::{self, Vpc};
use super::super::tags::{self, Tags};
use super::request::exists;
use super::{Peering, PeeringState, active, between, find, no_transition, overlap, shape};

/// Active connections of a VPC (Amazon VPC User Guide, "Amazon VPC quotas").
const MAX_ACTIVE: usize = 50;

/// AcceptVpcPeeringConnection. The two VPCs are joined with the answer.
pub(crate) struct AcceptVpcPeeringConnection;

impl Operation for AcceptVpcPeeringConnection {
    type Input = AcceptVpcPeeringConnectionRequest;
    type Output = AcceptVpcPeeringConnectionResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "AcceptVpcPeeringConnection";
    const ACCESS: Access = Access::Write;

    /// The VPC is the one that was asked; of a connection that is not there, any.
    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        const ACTION: &str = "ec2:AcceptVpcPeeringConnection";
        let (id, scope) = (&call.input.vpc_peering_connection_id, call.scope);
        let connection = needs::on(ACTION, state, scope, Kind::VpcPeeringConnection, id)?;
        let accepter = records::get::<Peering>(state, scope, id)?.map(|it| it.accepter);
        let own = accepter.filter(|it| {
            it.account == scope.account.as_str() && it.region == scope.region.as_str()
        });
        let vpc = match own {
            Some(accepter) => needs::on(ACTION, state, scope, Kind::Vpc, &accepter.vpc)?,
            None => needs::new(ACTION, scope, Kind::Vpc, &Tags::new()),
        };
        Ok(Needs::from(connection).and(vpc))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope, now) = (call.input, call.scope, call.now);
        dry_run(input.dry_run)?;
        let mut peering = find(tx, scope, &input.vpc_peering_connection_id, now)?;
        if peering.code(now) != Code::PendingAcceptance {
            return Err(no_transition(&peering, now, Code::Provisioning));
        }
        if let Some(known) = between(tx, scope, &peering.requester, &peering.accepter.vpc)? {
            return Err(exists(&known));
        }
        check_quota(tx, scope, &peering)?;
        let requester = records::find::<Vpc>(tx, scope, &peering.requester)?;
        let accepter = records::find::<Vpc>(tx, scope, &peering.accepter.vpc)?;
        // A block may have come since the request was made.
        if overlap(&requester, &accepter) {
            peering.end(PeeringState::Failed, now);
        } else {
            peering.state = PeeringState::Active;
        }
        records::put(tx, scope, &peering)?;
        let tags = tags::of(tx, scope, &peering.id)?;
        let shape = shape(tx, scope, &peering, peering.code(now), &tags)?;
        Ok(Self::Output { vpc_peering_connection: Some(shape) })
    }
}

fn check_quota(state: &dyn Read, scope: &Scope, peering: &Peering) -> Result<(), Fault> {
    let all = active(state, scope)?;
    let full = |vpc: &str| all.iter().filter(|it| it.has(vpc)).count() >= MAX_ACTIVE;
    if full(&peering.requester) || full(&peering.accepter.vpc) {
        let text = "The maximum number of active VPC peering connections per VPC has been reached.";
        return Err(bad("ActiveVpcPeeringConnectionPerVpcLimitExceeded", text));
    }
    Ok(())
}

/// RejectVpcPeeringConnection.
pub(crate) struct RejectVpcPeeringConnection;

impl Operation for RejectVpcPeeringConnection {
    type Input = RejectVpcPeeringConnectionRequest;
    type Output = RejectVpcPeeringConnectionResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "RejectVpcPeeringConnection";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (kind, id) = (Kind::VpcPeeringConnection, &call.input.vpc_peering_connection_id);
        Ok(needs::on("ec2:RejectVpcPeeringConnection", state, call.scope, kind, id)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope, now) = (call.input, call.scope, call.now);
        dry_run(input.dry_run)?;
        let mut peering = find(tx, scope, &input.vpc_peering_connection_id, now)?;
        if peering.code(now) != Code::PendingAcceptance {
            return Err(no_transition(&peering, now, Code::Rejected));
        }
        peering.end(PeeringState::Rejected, now);
        records::put(tx, scope, &peering)?;
        Ok(Self::Output { r#return: Some(true) })
    }
}

/// DeleteVpcPeeringConnection. Routes to it stay and lead nowhere, and rules that name a group of the other VPC
/// are stale.
pub(crate) struct DeleteVpcPeeringConnection;

impl Operation for DeleteVpcPeeringConnection {
    type Input = DeleteVpcPeeringConnectionRequest;
    type Output = DeleteVpcPeeringConnectionResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DeleteVpcPeeringConnection";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (kind, id) = (Kind::VpcPeeringConnection, &call.input.vpc_peering_connection_id);
        Ok(needs::on("ec2:DeleteVpcPeeringConnection", state, call.scope, kind, id)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope, now) = (call.input, call.scope, call.now);
        dry_run(input.dry_run)?;
        let mut peering = find(tx, scope, &input.vpc_peering_connection_id, now)?;
        if !matches!(peering.code(now), Code::PendingAcceptance | Code::Active) {
            return Err(no_transition(&peering, now, Code::Deleting));
        }
        peering.end(PeeringState::Deleted, now);
        records::put(tx, scope, &peering)?;
        Ok(Self::Output { r#return: Some(true) })
    }
}
