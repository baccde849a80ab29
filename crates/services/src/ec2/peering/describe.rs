//! DescribeVpcPeeringConnections.

use sagegate_api::ec2::{
    DescribeVpcPeeringConnectionsRequest, DescribeVpcPeeringConnectionsResult,
    VpcPeeringConnectionVpcInfo,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Needs, Operation};
use sagegate_store::{Read, Tx};

use super::super::fault::dry_run;
use super::super::kind::Kind;
use super::super::select::{self, Filters};
use super::super::{named_or_all, needs, tags};
use super::{Peering, shape};

/// DescribeVpcPeeringConnections.
pub(crate) struct DescribeVpcPeeringConnections;

impl Operation for DescribeVpcPeeringConnections {
    type Input = DescribeVpcPeeringConnectionsRequest;
    type Output = DescribeVpcPeeringConnectionsResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DescribeVpcPeeringConnections";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        Ok(needs::listing(call.scope, "ec2:DescribeVpcPeeringConnections"))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope, now) = (call.input, call.scope, call.now);
        dry_run(input.dry_run)?;
        let names = [
            "accepter-vpc-info.cidr-block",
            "accepter-vpc-info.owner-id",
            "accepter-vpc-info.vpc-id",
            "expiration-time",
            "requester-vpc-info.cidr-block",
            "requester-vpc-info.owner-id",
            "requester-vpc-info.vpc-id",
            "status-code",
            "status-message",
            "vpc-peering-connection-id",
        ];
        let filters = Filters::of(input.filters.as_ref(), &names, true)?;
        let ids = input.vpc_peering_connection_ids.as_ref().filter(|ids| !ids.is_empty());
        let mut found = Vec::new();
        for peering in named_or_all::<Peering>(tx, scope, ids)? {
            if peering.is_forgotten(now) {
                if ids.is_some() {
                    return Err(Kind::VpcPeeringConnection.not_found(&peering.id));
                }
                continue;
            }
            let tags = tags::of(tx, scope, &peering.id)?;
            let shape = shape(tx, scope, &peering, peering.code(now), &tags)?;
            let status = shape.status.as_ref();
            let pass = filters.pass(&tags, |name| {
                let value = match name {
                    "expiration-time" => {
                        shape.expiration_time.and(Some(peering.expires().iso8601()))
                    }
                    "status-code" => status.and_then(|it| it.code.map(|code| code.to_string())),
                    "status-message" => status.and_then(|it| it.message.clone()),
                    "vpc-peering-connection-id" => Some(peering.id.clone()),
                    of_side => match of_side.split_once('.') {
                        Some(("accepter-vpc-info", name)) => {
                            side_value(shape.accepter_vpc_info.as_ref(), name)
                        }
                        Some((_, name)) => side_value(shape.requester_vpc_info.as_ref(), name),
                        None => None,
                    },
                };
                value.into_iter().collect()
            });
            if pass {
                found.push(shape);
            }
        }
        let (connections, next_token) = select::page(
            found,
            |it| it.vpc_peering_connection_id.clone().unwrap_or_default(),
            ids.is_some(),
            input.max_results,
            input.next_token.as_deref(),
        )?;
        Ok(Self::Output { vpc_peering_connections: Some(connections), next_token })
    }
}

fn side_value(side: Option<&VpcPeeringConnectionVpcInfo>, name: &str) -> Option<String> {
    match name {
        "cidr-block" => side?.cidr_block.clone(),
        "owner-id" => side?.owner_id.clone(),
        _ => side?.vpc_id.clone(),
    }
}
