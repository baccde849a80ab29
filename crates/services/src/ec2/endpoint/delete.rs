//! DeleteVpcEndpoints.

use sagegate_api::ec2::{
    DeleteVpcEndpointsRequest, DeleteVpcEndpointsResult, UnsuccessfulItem, UnsuccessfulItemError,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Needs, Operation};
use sagegate_store::{Read, Tx};

use super::super::fault::{dry_run, missing};
use super::super::kind::Kind;
use super::super::records::{self, Endpoint};
use super::super::{needs, token};
use super::place;

/// DeleteVpcEndpoints: what cannot be deleted is told in the answer and hinders nothing else.
///
/// Needs are formed for the well-formed ids; a malformed one has no ARN and becomes an item of
/// the answer.
pub(crate) struct DeleteVpcEndpoints;

impl Operation for DeleteVpcEndpoints {
    type Input = DeleteVpcEndpointsRequest;
    type Output = DeleteVpcEndpointsResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DeleteVpcEndpoints";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        const ACTION: &str = "ec2:DeleteVpcEndpoints";
        if call.input.vpc_endpoint_ids.is_empty() {
            return Err(missing("VpcEndpointId"));
        }
        let mut needs = Needs::nothing();
        for id in &call.input.vpc_endpoint_ids {
            needs = needs.and(match needs::on(ACTION, state, call.scope, Kind::VpcEndpoint, id) {
                Ok(need) => need,
                // Deleting nothing still asks for the right to delete. What is there and cannot be
                // read is no such thing: its tags may deny.
                Err(fault) if !fault.sender => return Err(fault),
                Err(_) => needs::new(ACTION, call.scope, Kind::VpcEndpoint, &Default::default()),
            });
        }
        Ok(needs)
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let scope = call.scope;
        dry_run(call.input.dry_run)?;
        let mut unsuccessful = Vec::new();
        for id in &call.input.vpc_endpoint_ids {
            let endpoint = match records::find::<Endpoint>(tx, scope, id) {
                Ok(endpoint) => endpoint,
                Err(fault) if fault.sender => {
                    unsuccessful.push(UnsuccessfulItem {
                        error: Some(UnsuccessfulItemError {
                            code: Some(fault.code.into_owned()),
                            message: Some(fault.message),
                        }),
                        resource_id: Some(id.clone()),
                    });
                    continue;
                }
                Err(fault) => return Err(fault),
            };
            for place in &endpoint.places {
                place::leave(tx, scope, place)?;
            }
            token::forget(tx, scope, endpoint.token.as_deref());
            records::delete::<Endpoint>(tx, scope, &endpoint.id)?;
        }
        Ok(Self::Output { unsuccessful: Some(unsuccessful) })
    }
}
