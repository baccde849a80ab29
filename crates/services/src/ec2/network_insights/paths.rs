//! CreateNetworkInsightsPath, DescribeNetworkInsightsPaths, DeleteNetworkInsightsPath.

use sagegate_api::ec2::{
    CreateNetworkInsightsPathRequest, CreateNetworkInsightsPathResult,
    DeleteNetworkInsightsPathRequest, DeleteNetworkInsightsPathResult,
    DescribeNetworkInsightsPathsRequest, DescribeNetworkInsightsPathsResult, PathRequestFilter,
    Protocol, RequestFilterPortRange,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Needs, Operation};
use sagegate_network::security_group::{TCP, UDP};
use sagegate_store::{Read, Tx};

use super::analyses;
use super::ends::{self, Side};
use super::records::{InsightsPath, PacketFilter};
use super::{address, port, shapes};
use crate::ec2::fault::{bad, dry_run, invalid_value, missing};
use crate::ec2::kind::Kind;
use crate::ec2::records;
use crate::ec2::select::{self, Filters};
use crate::ec2::tags;
use crate::ec2::token::Once;
use crate::ec2::{named_or_all, needs, token};

/// Paths in a region (Reachability Analyzer guide, "Quotas").
const MAX_PATHS: usize = 1_000;

/// CreateNetworkInsightsPath.
pub(crate) struct CreateNetworkInsightsPath;

impl Operation for CreateNetworkInsightsPath {
    type Input = CreateNetworkInsightsPathRequest;
    type Output = CreateNetworkInsightsPathResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "CreateNetworkInsightsPath";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        const ACTION: &str = "ec2:CreateNetworkInsightsPath";
        let (input, scope, kind) = (call.input, call.scope, Kind::NetworkInsightsPath);
        let tags = tags::requested(input.tag_specifications.as_ref(), kind)?;
        let mut needs = Needs::from(needs::new(ACTION, scope, kind, &tags));
        let named =
            [(Side::Source, Some(&input.source)), (Side::Destination, input.destination.as_ref())];
        for (side, text) in named {
            let Some(text) = text else { continue };
            needs = needs.and(ends::need(ACTION, state, scope, &ends::read(scope, side, text)?)?);
        }
        Ok(needs::with_tags(needs, scope, kind, &tags, Self::NAME))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope, kind) = (call.input, call.scope, Kind::NetworkInsightsPath);
        dry_run(input.dry_run)?;
        let once = Once::of(Self::NAME, Some(&input.client_token), || {
            CreateNetworkInsightsPathRequest { client_token: String::new(), ..input.clone() }
        });
        if let Some(path) = once.made::<InsightsPath>(tx, scope)? {
            let tags = tags::of(tx, scope, &path.id)?;
            let path = Some(shapes::path(scope, &path, &tags));
            return Ok(Self::Output { network_insights_path: path });
        }
        let tags = tags::requested(input.tag_specifications.as_ref(), kind)?;
        let mut path = requested(input)?;
        let end = |side, text: &str| ends::found(tx, scope, side, ends::read(scope, side, text)?);
        path.source = end(Side::Source, &input.source)?;
        path.destination =
            input.destination.as_ref().map(|text| end(Side::Destination, text)).transpose()?;
        if records::count::<InsightsPath>(tx, scope)? >= MAX_PATHS {
            let text = "The maximum number of network insights paths has been reached.";
            return Err(bad("NetworkInsightsPath.LimitExceeded", text));
        }
        let path = InsightsPath {
            id: kind.new_id(call.env),
            created: call.now,
            token: once.row(),
            ..path
        };
        records::put(tx, scope, &path)?;
        tags::put(tx, scope, &path.id, &tags)?;
        once.keep(tx, scope, &path.id)?;
        Ok(Self::Output { network_insights_path: Some(shapes::path(scope, &path, &tags)) })
    }
}

/// What a request asks for, its ends and what it gets besides left empty.
fn requested(input: &CreateNetworkInsightsPathRequest) -> Result<InsightsPath, Fault> {
    let together = |one: &str, other: &str| {
        let text = format!("The parameter {one} cannot be used with the parameter {other}");
        Err(bad("InvalidParameterCombination", text))
    };
    if input.filter_at_source.is_some() && input.source_ip.is_some() {
        return together("filterAtSource", "sourceIp");
    }
    if input.filter_at_source.is_some() && input.destination_port.is_some() {
        return together("filterAtSource", "destinationPort");
    }
    if input.filter_at_destination.is_some() && input.destination_ip.is_some() {
        return together("filterAtDestination", "destinationIp");
    }
    let at_source = filter("filterAtSource", input.filter_at_source.as_ref())?;
    let to = at_source.as_ref().and_then(|filter| filter.destination);
    if input.destination.is_none() && to.is_none() {
        // As its users report it.
        let text = "The request must include either the Destination parameter or the FilterAtSource.DestinationAddress parameter. Add the required parameter and retry the request.";
        return Err(bad("MissingParameter", text));
    }
    let destination_port = input.destination_port.map(|it| port("destinationPort", it));
    Ok(InsightsPath {
        id: String::new(),
        source: String::new(),
        destination: None,
        protocol: match input.protocol {
            Protocol::Tcp => TCP,
            Protocol::Udp => UDP,
        },
        source_ip: address("sourceIp", input.source_ip.as_ref())?,
        destination_ip: address("destinationIp", input.destination_ip.as_ref())?,
        destination_port: destination_port.transpose()?,
        at_source,
        at_destination: filter("filterAtDestination", input.filter_at_destination.as_ref())?,
        created: sagegate_gate::env::Time::from_millis(0),
        token: None,
    })
}

fn filter(name: &str, given: Option<&PathRequestFilter>) -> Result<Option<PacketFilter>, Fault> {
    let Some(given) = given else { return Ok(None) };
    let of = |member: &str| format!("{name}.{member}");
    Ok(Some(PacketFilter {
        source: address(&of("sourceAddress"), given.source_address.as_ref())?,
        source_ports: ports(&of("sourcePortRange"), given.source_port_range.as_ref())?,
        destination: address(&of("destinationAddress"), given.destination_address.as_ref())?,
        destination_ports: ports(
            &of("destinationPortRange"),
            given.destination_port_range.as_ref(),
        )?,
    }))
}

fn ports(name: &str, given: Option<&RequestFilterPortRange>) -> Result<Option<(u16, u16)>, Fault> {
    let Some(given) = given else { return Ok(None) };
    let end = |member: &str, number: Option<i32>| {
        let name = format!("{name}.{member}");
        port(&name, number.ok_or_else(|| missing(&name))?)
    };
    let (from, to) = (end("fromPort", given.from_port)?, end("toPort", given.to_port)?);
    if from > to {
        let text = format!(
            "Value ({from}-{to}) for parameter {name} is invalid: it ends before it begins."
        );
        return Err(invalid_value(text));
    }
    Ok(Some((from, to)))
}

/// DeleteNetworkInsightsPath.
pub(crate) struct DeleteNetworkInsightsPath;

impl Operation for DeleteNetworkInsightsPath {
    type Input = DeleteNetworkInsightsPathRequest;
    type Output = DeleteNetworkInsightsPathResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DeleteNetworkInsightsPath";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (kind, id) = (Kind::NetworkInsightsPath, &call.input.network_insights_path_id);
        Ok(needs::on("ec2:DeleteNetworkInsightsPath", state, call.scope, kind, id)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (scope, id) = (call.scope, &call.input.network_insights_path_id);
        dry_run(call.input.dry_run)?;
        let path = records::find::<InsightsPath>(tx, scope, id)?;
        analyses::forget(tx, scope, call.now)?;
        if analyses::any_of(tx, scope, id)? {
            let text = format!("The network insights path '{id}' has analyses: delete them first.");
            return Err(bad("AnalysisExistsForNetworkInsightsPath", text));
        }
        token::forget(tx, scope, path.token.as_deref());
        records::delete::<InsightsPath>(tx, scope, id)?;
        Ok(Self::Output { network_insights_path_id: Some(path.id) })
    }
}

/// DescribeNetworkInsightsPaths.
pub(crate) struct DescribeNetworkInsightsPaths;

const FILTERS: [&str; 11] = [
    "destination",
    "filter-at-source.source-address",
    "filter-at-source.source-port-range",
    "filter-at-source.destination-address",
    "filter-at-source.destination-port-range",
    "filter-at-destination.source-address",
    "filter-at-destination.source-port-range",
    "filter-at-destination.destination-address",
    "filter-at-destination.destination-port-range",
    "protocol",
    "source",
];

impl Operation for DescribeNetworkInsightsPaths {
    type Input = DescribeNetworkInsightsPathsRequest;
    type Output = DescribeNetworkInsightsPathsResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DescribeNetworkInsightsPaths";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        Ok(needs::listing(call.scope, "ec2:DescribeNetworkInsightsPaths"))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let filters = Filters::of(input.filters.as_ref(), &FILTERS, true)?;
        let ids = input.network_insights_path_ids.as_ref();
        let mut found = Vec::new();
        for path in named_or_all::<InsightsPath>(tx, scope, ids)? {
            let tags = tags::of(tx, scope, &path.id)?;
            if filters.pass(&tags, |name| values(&path, name)) {
                found.push(shapes::path(scope, &path, &tags));
            }
        }
        let (paths, next_token) = select::page_within(
            1..=100,
            found,
            |path| path.network_insights_path_id.clone().unwrap_or_default(),
            ids.is_some_and(|ids| !ids.is_empty()),
            input.max_results,
            input.next_token.as_deref(),
        )?;
        Ok(Self::Output { network_insights_paths: Some(paths), next_token })
    }
}

fn values(path: &InsightsPath, name: &str) -> Vec<String> {
    let of_filter = |filter: Option<&PacketFilter>, name: &str| {
        let address = |it: Option<std::net::Ipv4Addr>| it.iter().map(ToString::to_string).collect();
        // How AWS writes a range for this filter is not documented; this is how rules have it.
        let ports =
            |it: Option<(u16, u16)>| it.iter().map(|(from, to)| format!("{from}-{to}")).collect();
        match (filter, name) {
            (Some(it), "source-address") => address(it.source),
            (Some(it), "source-port-range") => ports(it.source_ports),
            (Some(it), "destination-address") => address(it.destination),
            (Some(it), "destination-port-range") => ports(it.destination_ports),
            _ => Vec::new(),
        }
    };
    match name.split_once('.') {
        Some(("filter-at-source", name)) => of_filter(path.at_source.as_ref(), name),
        Some(("filter-at-destination", name)) => of_filter(path.at_destination.as_ref(), name),
        _ => match name {
            "source" => vec![path.source.clone()],
            "destination" => path.destination.iter().cloned().collect(),
            "protocol" => vec![shapes::protocol(path).to_string()],
            _ => Vec::new(),
        },
    }
}
