//! What an analysis is allowed to look at.
//!
//! Reachability Analyzer reads a network with the permissions of the one who starts the analysis, in a
//! forward access session, and needs those of Tiros, which answers it (Reachability Analyzer guide,
//! "Required API permissions for Reachability Analyzer" and "How Reachability Analyzer works with
//! IAM"). Who lacks one may start an analysis all the same: it fails and says so ("Troubleshooting
//! Reachability Analyzer"). Asked for is what is read here, of what the managed policy
//! `AmazonVPCReachabilityAnalyzerFullAccessPolicy` has; load balancers, firewalls, transit gateways
//! and Direct Connect are not looked at, so that nobody is asked for them.

use sagegate_api::Unit;
use sagegate_api::ec2::GetManagedPrefixListEntriesRequest;
use sagegate_gate::{Access, Actor, Authorized, Call, Fault, Need, Needs, Operation, Refusal};
use sagegate_store::{Read, Tx};

use super::analyses::StartNetworkInsightsAnalysis;
use crate::ec2::elastic_ip::DescribeAddresses;
use crate::ec2::endpoint::describe::DescribeVpcEndpoints;
use crate::ec2::interface_shape::DescribeNetworkInterfaces;
use crate::ec2::internet_gateway::DescribeInternetGateways;
use crate::ec2::managed_prefix_list::PrefixList;
use crate::ec2::managed_prefix_list::describe::{
    DescribeManagedPrefixLists, GetManagedPrefixListEntries,
};
use crate::ec2::nat_gateway::DescribeNatGateways;
use crate::ec2::network_acl::acls::DescribeNetworkAcls;
use crate::ec2::peering::describe::DescribeVpcPeeringConnections;
use crate::ec2::prefix_lists::DescribePrefixLists;
use crate::ec2::records;
use crate::ec2::route_table::tables::DescribeRouteTables;
use crate::ec2::security_group::DescribeSecurityGroups;
use crate::ec2::subnet::DescribeSubnets;
use crate::ec2::vpc::DescribeVpcs;

/// As which service the calls are made. The guide has this one principal of Reachability Analyzer's
/// ("Service-linked role permissions"); which one its forward access sessions have, it does not say.
const ANALYZER: &str = "reachabilityanalyzer.networkinsights.amazonaws.com";

macro_rules! query {
    ($($(#[$doc:meta])* $name:ident $action:literal $access:ident,)*) => {$(
        $(#[$doc])*
        ///
        /// Nobody can call it: it is there for its permission, as in AWS, and for its record.
        pub(super) struct $name;

        impl Operation for $name {
            type Input = Unit;
            type Output = Unit;
            const SERVICE: &'static str = "tiros";
            const NAME: &'static str = stringify!($name);
            const ACCESS: Access = Access::$access;

            fn needs(_: &Call<'_, Unit>, _: &dyn Read) -> Result<Needs, Fault> {
                Ok(Need::any($action).into())
            }

            fn run(_: &Authorized<'_, Self>, _: &mut Tx) -> Result<Unit, Fault> {
                Ok(Unit)
            }
        }
    )*};
}

query! {
    /// Asks whether there is a way.
    CreateQuery "tiros:CreateQuery" Write,
    /// Reads the answer.
    GetQueryAnswer "tiros:GetQueryAnswer" Read,
    /// Reads why there is none.
    GetQueryExplanation "tiros:GetQueryExplanation" Read,
}

type Started<'a> = Authorized<'a, StartNetworkInsightsAnalysis>;

/// Whether it is allowed; if not, the reason for which the analysis fails.
type Asked = Result<Result<(), String>, Fault>;

/// Makes a call in the name of the one who starts the analysis; the reason for which the analysis
/// fails, if that is not allowed.
fn ask<O: Operation>(call: &Started<'_>, tx: &mut Tx) -> Asked
where
    O::Input: Default,
{
    ask_with::<O>(call, tx, &O::Input::default())
}

fn ask_with<O: Operation>(call: &Started<'_>, tx: &mut Tx, input: &O::Input) -> Asked {
    let actor = Actor::forward(call.caller, ANALYZER);
    match call.within.call::<O>(tx, &actor, input) {
        Ok(_) => Ok(Ok(())),
        // The guide's text; which permission it is, is ours to add.
        Err(Refusal::Denied(denial)) => Ok(Err(format!(
            "The request failed due to insufficient permissions: {}",
            denial.need.action
        ))),
        Err(other) => Err(other.into_fault("ec2", call.vault, call.env)),
    }
}

/// Asks for the entries of the account's own prefix lists, each of which is a resource: policies can
/// allow some of them. Those of AWS's lists come with DescribePrefixLists.
fn entries(call: &Started<'_>, tx: &mut Tx) -> Asked {
    for list in records::all::<PrefixList>(tx, call.scope)? {
        let input =
            GetManagedPrefixListEntriesRequest { prefix_list_id: list.id, ..Default::default() };
        if let Err(reason) = ask_with::<GetManagedPrefixListEntries>(call, tx, &input)? {
            return Ok(Err(reason));
        }
    }
    Ok(Ok(()))
}

/// Asks for all that looking for a way takes.
pub(super) fn to_look(call: &Started<'_>, tx: &mut Tx) -> Asked {
    let each: [fn(&Started<'_>, &mut Tx) -> Asked; 16] = [
        ask::<CreateQuery>,
        ask::<DescribeVpcs>,
        ask::<DescribeSubnets>,
        ask::<DescribeRouteTables>,
        ask::<DescribeNetworkAcls>,
        ask::<DescribeSecurityGroups>,
        ask::<DescribeNetworkInterfaces>,
        ask::<DescribeAddresses>,
        ask::<DescribeInternetGateways>,
        ask::<DescribeNatGateways>,
        ask::<DescribeVpcEndpoints>,
        ask::<DescribeVpcPeeringConnections>,
        ask::<DescribePrefixLists>,
        ask::<DescribeManagedPrefixLists>,
        entries,
        ask::<GetQueryAnswer>,
    ];
    for ask in each {
        if let Err(reason) = ask(call, tx)? {
            return Ok(Err(reason));
        }
    }
    Ok(Ok(()))
}

/// Asks for the explanation of why there is none.
pub(super) fn to_explain(call: &Started<'_>, tx: &mut Tx) -> Asked {
    ask::<GetQueryExplanation>(call, tx)
}
