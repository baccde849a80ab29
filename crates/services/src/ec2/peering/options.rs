//! ModifyVpcPeeringConnectionOptions.

use sagegate_api::ec2::{
    ModifyVpcPeeringConnectionOptionsRequest, ModifyVpcPeeringConnectionOptionsResult,
    PeeringConnectionOptions, PeeringConnectionOptionsRequest,
    VpcPeeringConnectionStateReasonCode as Code,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Needs, Operation};
use sagegate_store::{Read, Tx};

use super::super::fault::{bad, dry_run, refuse};
use super::super::kind::Kind;
use super::super::needs;
use super::super::records::{self, Vpc};
use super::find;

/// ModifyVpcPeeringConnectionOptions: whether public names in one VPC lead to private addresses when they are
/// asked for in the other one.
pub(crate) struct ModifyVpcPeeringConnectionOptions;

impl Operation for ModifyVpcPeeringConnectionOptions {
    type Input = ModifyVpcPeeringConnectionOptionsRequest;
    type Output = ModifyVpcPeeringConnectionOptionsResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "ModifyVpcPeeringConnectionOptions";
    const ACCESS: Access = Access::Write;

    /// `ec2:Attribute` has the names of the members. What `ec2:Attribute/…` has of a member that is a structure
    /// AWS does not say, so that there is none: a condition on it does not match.
    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (input, kind) = (call.input, Kind::VpcPeeringConnection);
        let id = &input.vpc_peering_connection_id;
        let action = "ec2:ModifyVpcPeeringConnectionOptions";
        let need = needs::on(action, state, call.scope, kind, id)?;
        let given = [
            ("AccepterPeeringConnectionOptions", &input.accepter_peering_connection_options),
            ("RequesterPeeringConnectionOptions", &input.requester_peering_connection_options),
        ];
        let given = given.into_iter().filter(|(_, options)| options.is_some());
        let names: Vec<String> = given.map(|(name, _)| name.to_owned()).collect();
        Ok(if names.is_empty() { need } else { need.key("ec2:Attribute", names) }.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope, now) = (call.input, call.scope, call.now);
        dry_run(input.dry_run)?;
        let requester = input.requester_peering_connection_options.as_ref();
        let accepter = input.accepter_peering_connection_options.as_ref();
        if requester.is_none() && accepter.is_none() {
            let text = "The request must contain the parameter accepterPeeringConnectionOptions or requesterPeeringConnectionOptions";
            return Err(bad("MissingParameter", text));
        }
        for side in requester.into_iter().chain(accepter) {
            check(side)?;
        }
        let mut peering = find(tx, scope, &input.vpc_peering_connection_id, now)?;
        if peering.code(now) != Code::Active {
            let text = format!(
                "Peering {} is not active. Peering options can be added only to active peerings.",
                peering.id
            );
            return Err(bad("OperationNotPermitted", text));
        }
        let wanted = |side: Option<&PeeringConnectionOptionsRequest>, now: bool| {
            side.and_then(|it| it.allow_dns_resolution_from_remote_vpc).unwrap_or(now)
        };
        let names =
            (wanted(requester, peering.requester_names), wanted(accepter, peering.accepter_names));
        let more = (names.0 && !peering.requester_names) || (names.1 && !peering.accepter_names);
        if more {
            for id in [&peering.requester, &peering.accepter.vpc] {
                let vpc = records::find::<Vpc>(tx, scope, id)?;
                if !vpc.dns_hostnames || !vpc.dns_support {
                    let text = format!(
                        "To enable DNS hostname resolution for the VPC peering connection, DNS hostname support must be enabled for the VPCs. It is not for {id}."
                    );
                    return Err(bad("InvalidVpcPeeringConnectionState.DnsHostnamesDisabled", text));
                }
            }
        }
        (peering.requester_names, peering.accepter_names) = names;
        records::put(tx, scope, &peering)?;
        Ok(Self::Output {
            requester_peering_connection_options: requester.map(|_| shape(names.0)),
            accepter_peering_connection_options: accepter.map(|_| shape(names.1)),
        })
    }
}

/// There is no EC2-Classic, and only what leads to another region can go by several paths.
fn check(side: &PeeringConnectionOptionsRequest) -> Result<(), Fault> {
    refuse(&[
        (
            "AllowEgressFromLocalClassicLinkToRemoteVpc",
            side.allow_egress_from_local_classic_link_to_remote_vpc == Some(true),
        ),
        (
            "AllowEgressFromLocalVpcToRemoteClassicLink",
            side.allow_egress_from_local_vpc_to_remote_classic_link == Some(true),
        ),
        ("AllowMultipathResilience", side.allow_multipath_resilience == Some(true)),
        ("MultipathResilienceMode", side.multipath_resilience_mode.is_some()),
    ])
}

fn shape(names: bool) -> PeeringConnectionOptions {
    PeeringConnectionOptions {
        allow_dns_resolution_from_remote_vpc: Some(names),
        allow_egress_from_local_classic_link_to_remote_vpc: Some(false),
        allow_egress_from_local_vpc_to_remote_classic_link: Some(false),
        allow_multipath_resilience: Some(false),
        multipath_resilience_mode: None,
    }
}
