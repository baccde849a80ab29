//! Regions and Availability Zones.

use sagegate_api::ec2::{
    AvailabilityZone, AvailabilityZoneOptInStatus, AvailabilityZoneState,
    DescribeAvailabilityZonesRequest, DescribeAvailabilityZonesResult, DescribeRegionsRequest,
    DescribeRegionsResult, Region as RegionShape,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Needs, Operation, Region};
use sagegate_store::{Read, Tx};

use super::fault::{dry_run, invalid_value};
use super::needs;
use super::select::Filters;
use super::tags::Tags;

/// The regions of the commercial partition and whether an account must opt in (AWS General
/// Reference, "AWS Regions").
const REGIONS: [(&str, bool); 34] = [
    ("af-south-1", true),
    ("ap-east-1", true),
    ("ap-east-2", true),
    ("ap-northeast-1", false),
    ("ap-northeast-2", false),
    ("ap-northeast-3", false),
    ("ap-south-1", false),
    ("ap-south-2", true),
    ("ap-southeast-1", false),
    ("ap-southeast-2", false),
    ("ap-southeast-3", true),
    ("ap-southeast-4", true),
    ("ap-southeast-5", true),
    ("ap-southeast-6", true),
    ("ap-southeast-7", true),
    ("ca-central-1", false),
    ("ca-west-1", true),
    ("eu-central-1", false),
    ("eu-central-2", true),
    ("eu-north-1", false),
    ("eu-south-1", true),
    ("eu-south-2", true),
    ("eu-west-1", false),
    ("eu-west-2", false),
    ("eu-west-3", false),
    ("il-central-1", true),
    ("me-central-1", true),
    ("me-south-1", true),
    ("mx-central-1", true),
    ("sa-east-1", false),
    ("us-east-1", false),
    ("us-east-2", false),
    ("us-west-1", false),
    ("us-west-2", false),
];

/// The zones that each region has here.
const ZONE_LETTERS: [char; 3] = ['a', 'b', 'c'];

/// The names of a region's zones.
pub(crate) fn zones(region: &Region) -> [String; 3] {
    ZONE_LETTERS.map(|letter| format!("{region}{letter}"))
}

/// The id of a zone, such as `usw2-az1` for `us-west-2a`. AWS gives each account an order of its
/// own; here it is that of the letters.
pub(crate) fn zone_id(region: &Region, zone: &str) -> String {
    let number = zone
        .strip_prefix(region.as_str())
        .and_then(|letter| ZONE_LETTERS.iter().position(|known| letter.chars().eq([*known])))
        .map_or(0, |index| index + 1);
    format!("{}-az{number}", region_code(region))
}

/// The short form of a region's name: `us-west-2` is `usw2`, `ap-southeast-1` is `apse1`.
fn region_code(region: &Region) -> String {
    region
        .as_str()
        .split('-')
        .enumerate()
        .map(|(index, part)| match part {
            "north" => "n",
            "south" => "s",
            "east" => "e",
            "west" => "w",
            "central" => "c",
            "northeast" => "ne",
            "northwest" => "nw",
            "southeast" => "se",
            "southwest" => "sw",
            "gov" if index > 0 => "g",
            other => other,
        })
        .collect()
}

/// The domain that a region's host names end in.
pub(crate) fn dns_suffix(region: &Region) -> &'static str {
    if region.partition() == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" }
}

/// Finds a zone by name or id.
///
/// # Errors
/// `InvalidParameterValue` in AWS's words.
pub(crate) fn find(
    region: &Region,
    name: Option<&str>,
    id: Option<&str>,
) -> Result<Option<String>, Fault> {
    let zones = zones(region);
    let by_name = match name {
        None => None,
        Some(name) => {
            if !zones.iter().any(|zone| zone == name) {
                let text = format!(
                    "Value ({name}) for parameter availabilityZone is invalid. Subnets can currently only be created in the following availability zones: {}.",
                    zones.join(", ")
                );
                return Err(invalid_value(text));
            }
            Some(name.to_owned())
        }
    };
    let Some(id) = id else { return Ok(by_name) };
    let by_id = zones.into_iter().find(|zone| zone_id(region, zone) == id).ok_or_else(|| {
        invalid_value(format!("Value ({id}) for parameter availabilityZoneId is invalid."))
    })?;
    if by_name.is_some_and(|name| name != by_id) {
        return Err(super::fault::bad(
            "InvalidParameterCombination",
            "The parameters availabilityZone and availabilityZoneId name different zones.",
        ));
    }
    Ok(Some(by_id))
}

/// DescribeAvailabilityZones.
pub(crate) struct DescribeAvailabilityZones;

impl Operation for DescribeAvailabilityZones {
    type Input = DescribeAvailabilityZonesRequest;
    type Output = DescribeAvailabilityZonesResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DescribeAvailabilityZones";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        Ok(needs::listing(call.scope, "ec2:DescribeAvailabilityZones"))
    }

    fn run(call: &Authorized<'_, Self>, _: &mut Tx) -> Result<Self::Output, Fault> {
        dry_run(call.input.dry_run)?;
        let region = &call.scope.region;
        let filters = Filters::of(
            call.input.filters.as_ref(),
            &[
                "group-long-name",
                "group-name",
                "message",
                "opt-in-status",
                "parent-zone-id",
                "parent-zone-name",
                "region-name",
                "state",
                "zone-id",
                "zone-name",
                "zone-type",
            ],
            false,
        )?;
        let zones = zones(region);
        for name in call.input.zone_names.iter().flatten() {
            if !zones.contains(name) {
                return Err(invalid_value(format!("Invalid availability zone: [{name}]")));
            }
        }
        for id in call.input.zone_ids.iter().flatten() {
            if !zones.iter().any(|zone| zone_id(region, zone) == *id) {
                return Err(invalid_value(format!("Invalid availability zone-id: [{id}]")));
            }
        }
        let group = format!("{region}-zg-1");
        let found = zones.into_iter().filter_map(|zone| {
            let id = zone_id(region, &zone);
            let named = |list: &Option<Vec<String>>, own: &str| {
                list.as_ref().is_none_or(|list| list.is_empty() || list.iter().any(|x| x == own))
            };
            let pass = named(&call.input.zone_names, &zone)
                && named(&call.input.zone_ids, &id)
                && filters.pass(&Tags::new(), |name| match name {
                    "group-name" => vec![group.clone()],
                    "opt-in-status" => vec!["opt-in-not-required".to_owned()],
                    "region-name" => vec![region.to_string()],
                    "state" => vec!["available".to_owned()],
                    "zone-id" => vec![id.clone()],
                    "zone-name" => vec![zone.clone()],
                    "zone-type" => vec!["availability-zone".to_owned()],
                    _ => Vec::new(),
                });
            pass.then(|| AvailabilityZone {
                opt_in_status: Some(AvailabilityZoneOptInStatus::OptInNotRequired),
                messages: Some(Vec::new()),
                region_name: Some(region.to_string()),
                zone_name: Some(zone),
                zone_id: Some(id),
                group_name: Some(group.clone()),
                network_border_group: Some(region.to_string()),
                zone_type: Some("availability-zone".to_owned()),
                state: Some(AvailabilityZoneState::Available),
                ..AvailabilityZone::default()
            })
        });
        Ok(Self::Output { availability_zones: Some(found.collect()) })
    }
}

/// DescribeRegions.
pub(crate) struct DescribeRegions;

impl Operation for DescribeRegions {
    type Input = DescribeRegionsRequest;
    type Output = DescribeRegionsResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DescribeRegions";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        Ok(needs::listing(call.scope, "ec2:DescribeRegions"))
    }

    fn run(call: &Authorized<'_, Self>, _: &mut Tx) -> Result<Self::Output, Fault> {
        dry_run(call.input.dry_run)?;
        let names = ["endpoint", "opt-in-status", "region-name"];
        let filters = Filters::of(call.input.filters.as_ref(), &names, false)?;
        for name in call.input.region_names.iter().flatten() {
            if !REGIONS.iter().any(|(known, _)| known == name) {
                return Err(invalid_value(format!("Invalid region names: [{name}]")));
            }
        }
        let mut regions = Vec::new();
        for (name, must_opt_in) in REGIONS {
            let named = call.input.region_names.as_ref().is_some_and(|list| !list.is_empty());
            let wanted = call.input.region_names.iter().flatten().any(|wanted| wanted == name);
            // Nobody opts in here; such a region is served only as the one that requests come to.
            let in_use = !must_opt_in || name == call.scope.region.as_str();
            let all = call.input.all_regions == Some(true);
            if if named { !wanted } else { !in_use && !all } {
                continue;
            }
            let status = match (must_opt_in, in_use) {
                (false, _) => "opt-in-not-required",
                (true, true) => "opted-in",
                (true, false) => "not-opted-in",
            };
            let endpoint = format!("ec2.{name}.amazonaws.com");
            let pass = filters.pass(&Tags::new(), |filter| match filter {
                "endpoint" => vec![endpoint.clone()],
                "opt-in-status" => vec![status.to_owned()],
                "region-name" => vec![name.to_owned()],
                _ => Vec::new(),
            });
            if pass {
                regions.push(RegionShape {
                    opt_in_status: Some(status.to_owned()),
                    region_name: Some(name.to_owned()),
                    endpoint: Some(endpoint),
                    ..RegionShape::default()
                });
            }
        }
        Ok(Self::Output { regions: Some(regions) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zone_ids_follow_the_region() {
        for (region, zone, id) in [
            ("us-west-2", "us-west-2a", "usw2-az1"),
            ("ap-southeast-1", "ap-southeast-1c", "apse1-az3"),
            ("us-gov-west-1", "us-gov-west-1b", "usgw1-az2"),
            ("eu-central-1", "eu-central-1a", "euc1-az1"),
        ] {
            assert_eq!(zone_id(&Region::parse(region).unwrap(), zone), id);
        }
    }

    #[test]
    fn zones_are_found_by_name_and_id() {
        let region = Region::parse("us-west-2").unwrap();
        assert_eq!(find(&region, None, None), Ok(None));
        assert_eq!(find(&region, Some("us-west-2b"), None), Ok(Some("us-west-2b".into())));
        assert_eq!(find(&region, None, Some("usw2-az3")), Ok(Some("us-west-2c".into())));
        assert!(find(&region, Some("us-west-2b"), Some("usw2-az3")).is_err());
        assert!(find(&region, Some("us-east-1a"), None).is_err());
        assert!(find(&region, None, Some("usw2-az9")).is_err());
    }
}
