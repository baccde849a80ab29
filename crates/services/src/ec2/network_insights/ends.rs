//! The ends of paths: what a request names, as ids or ARNs.

use sagegate_gate::{Fault, Need, Scope};
use sagegate_network::search::End;
use sagegate_store::{Read, StoreError};

use crate::ec2::fault::{bad, invalid_value, refuse};
use crate::ec2::kind::Kind;
use crate::ec2::needs;
use crate::ec2::records::{self, Endpoint, Interface, InternetGateway};

/// Which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Source,
    Destination,
}

/// The kinds that AWS takes for ends and that nobody can make here, by the beginnings of their ids,
/// with their names in ARNs.
const ELSEWHERE: [(&str, &str); 5] = [
    ("i-", "instance"),
    ("tgw-attach-", "transit-gateway-attachment"),
    ("tgw-", "transit-gateway"),
    ("vgw-", "vpn-gateway"),
    ("vpce-svc-", "vpc-endpoint-service"),
];

/// What a request names for an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// Something of this account and region.
    Here { kind: Kind, id: String },
    /// Something that is not to be had here, by its ARN: AWS has it in another account or region, or
    /// it is of a kind that there is nothing of.
    Elsewhere { arn: String },
}

/// Reads an id or an ARN.
///
/// # Errors
/// `InvalidParameterValue` for what AWS takes for no end, the kind's `….Malformed`,
/// `UnsupportedOperation` for a peering connection.
pub(super) fn read(scope: &Scope, side: Side, text: &str) -> Result<Named, Fault> {
    let no_end = || {
        let name = match side {
            Side::Source => "source",
            Side::Destination => "destination",
        };
        invalid_value(format!(
            "Value ({text}) for parameter {name} is invalid: it is no network interface, internet gateway, VPC endpoint or VPC peering connection."
        ))
    };
    let id = match text.strip_prefix("arn:") {
        None => text,
        Some(_) => {
            let of_ec2 = text.split(':').nth(2) == Some("ec2");
            let (_, id) = text.rsplit_once('/').filter(|_| of_ec2).ok_or_else(no_end)?;
            id
        }
    };
    let elsewhere = ELSEWHERE.iter().find(|(prefix, _)| id.starts_with(prefix));
    if let Some((_, name)) = elsewhere {
        let plain = id.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-');
        if !plain {
            return Err(no_end());
        }
        return Ok(Named::Elsewhere { arn: scope.arn("ec2", &format!("{name}/{id}")) });
    }
    if Kind::of_id(id) == Some(Kind::VpcPeeringConnection) {
        // AWS takes one; no walk begins or ends at a peering connection here. On the way there may be.
        let name = match side {
            Side::Source => "Source",
            Side::Destination => "Destination",
        };
        refuse(&[(name, true)])?;
    }
    let kind = Kind::of_id(id).filter(|kind| end(*kind, id).is_some()).ok_or_else(no_end)?;
    kind.check(id)?;
    let arn = kind.arn(scope, id);
    if text != id && text != arn {
        return Ok(Named::Elsewhere { arn: text.to_owned() });
    }
    Ok(Named::Here { kind, id: id.to_owned() })
}

/// The end that an id of this kind is, if it can be one.
fn end(kind: Kind, id: &str) -> Option<End> {
    let id = id.to_owned();
    match kind {
        Kind::NetworkInterface => Some(End::Interface(id)),
        Kind::InternetGateway => Some(End::InternetGateway(id)),
        Kind::VpcEndpoint => Some(End::Endpoint(id)),
        _ => None,
    }
}

/// The end that a stored id is.
pub(super) fn of_id(id: &str) -> Option<End> {
    end(Kind::of_id(id)?, id)
}

/// What naming it asks: the Service Authorization Reference has the ends among the resources of
/// CreateNetworkInsightsPath.
pub(super) fn need(
    action: &'static str,
    state: &dyn Read,
    scope: &Scope,
    named: &Named,
) -> Result<Need, Fault> {
    match named {
        Named::Here { kind, id } => needs::on(action, state, scope, *kind, id),
        Named::Elsewhere { arn } => {
            Ok(Need::on(action, arn.clone()).key("ec2:Region", scope.region.as_str()))
        }
    }
}

/// Whether what an id names is there.
pub(super) fn exists(state: &dyn Read, scope: &Scope, id: &str) -> Result<bool, StoreError> {
    Ok(match Kind::of_id(id) {
        Some(Kind::NetworkInterface) => records::get::<Interface>(state, scope, id)?.is_some(),
        Some(Kind::InternetGateway) => records::get::<InternetGateway>(state, scope, id)?.is_some(),
        Some(Kind::VpcEndpoint) => records::get::<Endpoint>(state, scope, id)?.is_some(),
        _ => false,
    })
}

/// The id of an end that is there.
///
/// # Errors
/// `NetworkInsightsSource.NotFound`, `NetworkInsightsDestination.NotFound`.
pub(super) fn found(
    state: &dyn Read,
    scope: &Scope,
    side: Side,
    named: Named,
) -> Result<String, Fault> {
    let (code, name) = match side {
        Side::Source => ("NetworkInsightsSource.NotFound", "source"),
        Side::Destination => ("NetworkInsightsDestination.NotFound", "destination"),
    };
    let shown = match named {
        Named::Here { id, .. } if exists(state, scope, &id)? => return Ok(id),
        Named::Here { id, .. } => id,
        Named::Elsewhere { arn } => arn,
    };
    Err(bad(code, format!("The {name} '{shown}' does not exist")))
}
