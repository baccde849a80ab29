//! What SageMaker looks up in IAM and EC2 on its own account: whether a role trusts it, and whether a
//! network is there.

use std::net::Ipv4Addr;

use sagegate_gate::env::Time;
use sagegate_gate::{AccountId, Fault, Need, Region, Scope};
use sagegate_network::EndpointArrival;
use sagegate_store::Read;

use super::faults::validation;
use crate::ec2;
use crate::iam::service_role::{self, Visit};
use crate::sts::role::RoleArn;

/// SageMaker's service principal, which receives the roles that are handed over.
pub(crate) const SERVICE: &str = "sagemaker.amazonaws.com";

/// Whether a role of this account exists.
pub(super) fn role_exists(state: &dyn Read, scope: &Scope, role_arn: &str) -> Result<bool, Fault> {
    let Some(arn) = RoleArn::parse(role_arn, &scope.region) else { return Ok(false) };
    Ok(arn.scope.account == scope.account && arn.find(state)?.is_some())
}

/// The name of SageMaker's sessions of execution roles, as CloudTrail shows them
/// (`assumed-role/<role>/SageMaker`).
pub(super) const SESSION: &str = "SageMaker";

/// Whether a role of this account exists and its trust policy lets SageMaker assume it for this
/// resource.
pub(super) fn trusts_sagemaker(
    state: &dyn Read,
    scope: &Scope,
    role_arn: &str,
    for_arn: &str,
    now: Time,
) -> Result<bool, Fault> {
    let visit = Visit {
        service: SERVICE,
        source_arn: for_arn,
        session_name: SESSION,
        source_identity: None,
        now,
    };
    Ok(service_role::trusting(state, scope, role_arn, &visit)?.is_some())
}

/// A need of iam:PassRole for a role that is handed over to SageMaker.
pub(super) fn pass_role(role_arn: &str) -> Need {
    let account = role_arn.split(':').nth(4).and_then(|it| AccountId::parse(it).ok());
    let mut need = Need::on("iam:PassRole", role_arn).key("iam:PassedToService", SERVICE);
    need.resource_account = account;
    need
}

/// Refuses a role that SageMaker cannot assume for a resource.
///
/// # Errors
/// `ValidationException` naming the role.
pub(super) fn check_assumable(
    state: &dyn Read,
    scope: &Scope,
    role_arn: &str,
    for_arn: &str,
    now: Time,
) -> Result<(), Fault> {
    if trusts_sagemaker(state, scope, role_arn, for_arn, now)? {
        return Ok(());
    }
    Err(service_role::not_assumable(role_arn, SERVICE))
}

/// Whether a VPC, its subnets and security groups are there and belong together.
///
/// # Errors
/// `ValidationException` naming what is not.
pub(super) fn check_network(
    state: &dyn Read,
    scope: &Scope,
    vpc: Option<&str>,
    subnets: &[String],
    groups: &[String],
) -> Result<(), Fault> {
    if let Some(vpc) = vpc {
        if !ec2::vpc_exists(state, scope, vpc)? {
            return Err(validation(format!("The vpc ID '{vpc}' does not exist.")));
        }
        for id in subnets {
            match ec2::vpc_of_subnet(state, scope, id)? {
                None => {
                    return Err(validation(format!("The subnet ID '{id}' does not exist.")));
                }
                Some(of) if of != vpc => {
                    return Err(validation(format!(
                        "The subnet '{id}' is not in the vpc '{vpc}'."
                    )));
                }
                Some(_) => {}
            }
        }
    }
    check_security_groups(state, scope, vpc, groups)
}

/// Whether security groups are there and belong to the domain's VPC.
///
/// # Errors
/// `ValidationException` naming the one that does not.
pub(super) fn check_security_groups(
    state: &dyn Read,
    scope: &Scope,
    vpc: Option<&str>,
    groups: &[String],
) -> Result<(), Fault> {
    for id in groups {
        let Some(of) = ec2::vpc_of_security_group(state, scope, id)? else {
            return Err(validation(format!("The security group '{id}' does not exist.")));
        };
        if vpc != Some(of.as_str()) {
            return Err(validation(format!(
                "The security group '{id}' is not in the domain's vpc '{}'.",
                vpc.unwrap_or("(none)")
            )));
        }
    }
    Ok(())
}

/// The loopback address of the Studio endpoint of the VPC that a request came from, if there is one:
/// that of the request's own subnet, else that of another (SPEC R1.4, R1.5).
pub(super) fn studio_address(
    state: &dyn Read,
    arrival: &EndpointArrival,
) -> Result<Option<Ipv4Addr>, Fault> {
    let scope = scope_of(arrival)?;
    let listeners = ec2::endpoint::studio_listeners(state, &scope, &arrival.vpc_id)?;
    Ok(nearest(&listeners, arrival))
}

/// The loopback address of the `ssmmessages` endpoint of the VPC that a request came from, likewise:
/// there the data channels of remote access are opened (REMOTE-ACCESS 2.1).
pub(super) fn messages_address(
    state: &dyn Read,
    arrival: &EndpointArrival,
) -> Result<Option<Ipv4Addr>, Fault> {
    let scope = scope_of(arrival)?;
    let listeners = ec2::endpoint::channel_listeners(state, &scope, &arrival.vpc_id)?;
    Ok(nearest(&listeners, arrival))
}

fn scope_of(arrival: &EndpointArrival) -> Result<Scope, Fault> {
    let internal = |it: sagegate_gate::ids::InvalidId| Fault::internal(it.to_string());
    Ok(Scope {
        account: AccountId::parse(&arrival.account).map_err(internal)?,
        region: Region::parse(&arrival.region).map_err(internal)?,
    })
}

fn nearest(
    listeners: &[ec2::endpoint::EndpointListener],
    arrival: &EndpointArrival,
) -> Option<Ipv4Addr> {
    let own = listeners.iter().find(|it| it.subnet_id == arrival.subnet_id);
    own.or(listeners.first()).map(|it| it.addr)
}
