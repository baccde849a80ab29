//! Tags: stored beside the resources; CreateTags, DeleteTags, DescribeTags.
//!
//! Rules: Amazon EC2 User Guide, "Tag your Amazon EC2 resources".

use std::collections::{BTreeMap, BTreeSet};

use sagegate_api::Unit;
use sagegate_api::ec2::{
    CreateTagsRequest, DeleteTagsRequest, DescribeTagsRequest, DescribeTagsResult, Tag,
    TagDescription, TagSpecification,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Need, Needs, Operation, Scope};
use sagegate_store::{Read, StoreError, Table, Tx};

use super::dhcp_options::DhcpOptions;
use super::fault::{bad, dry_run, invalid_value};
use super::flow_logs::FlowLog;
use super::kind::Kind;
use super::managed_prefix_list::PrefixList;
use super::needs;
use super::network_insights::records::{InsightsAnalysis, InsightsPath};
use super::peering::Peering;
use super::records::{
    self, EgressOnlyGateway, ElasticIp, Endpoint, Interface, InternetGateway, NatGateway,
    NetworkAcl, RouteTable, SecurityGroup, Subnet, Vpc,
};
use super::select::{self, Filters};

/// Tags by key.
pub(crate) type Tags = BTreeMap<String, String>;

/// Account, region, resource and key, to the value.
pub(crate) const TAGS: Table<(String, String, String, String), String> = Table::new("ec2.tag");

const MAX_TAGS: usize = 50;
const MAX_KEY: usize = 128;
const MAX_VALUE: usize = 256;
/// The most resources of one CreateTags or DeleteTags.
const MAX_RESOURCES: usize = 1000;

/// The tags of a resource.
pub(crate) fn of(state: &dyn Read, scope: &Scope, id: &str) -> Result<Tags, StoreError> {
    let prefix = (scope.account.as_str(), scope.region.as_str(), id);
    let found = TAGS.scan(state, &prefix, None, usize::MAX)?;
    Ok(found.into_iter().map(|((.., key), value)| (key, value)).collect())
}

/// Adds tags to a resource, over those of the same keys.
pub(crate) fn put(tx: &mut Tx, scope: &Scope, id: &str, tags: &Tags) -> Result<(), StoreError> {
    for (key, value) in tags {
        let place = (scope.account.as_str(), scope.region.as_str(), id, key.as_str());
        TAGS.put(tx, &place, value)?;
    }
    Ok(())
}

/// Removes all tags of a resource that goes away.
pub(crate) fn delete_all(tx: &mut Tx, scope: &Scope, id: &str) -> Result<(), StoreError> {
    for key in of(tx, scope, id)?.into_keys() {
        remove(tx, scope, id, &key);
    }
    Ok(())
}

fn remove(tx: &mut Tx, scope: &Scope, id: &str, key: &str) {
    TAGS.delete(tx, &(scope.account.as_str(), scope.region.as_str(), id, key));
}

/// As answers show them.
pub(crate) fn shape(tags: &Tags) -> Vec<Tag> {
    tags.iter()
        .map(|(key, value)| Tag { key: Some(key.clone()), value: Some(value.clone()) })
        .collect()
}

/// As answers show them where AWS leaves an empty list out.
pub(crate) fn shape_if_any(tags: &Tags) -> Option<Vec<Tag>> {
    if tags.is_empty() { None } else { Some(shape(tags)) }
}

/// The tags that a create call gives to what it makes, checked.
///
/// # Errors
/// `InvalidParameterValue` for another resource type, a key twice or what is no tag;
/// `TagLimitExceeded`.
pub(crate) fn requested(
    specifications: Option<&Vec<TagSpecification>>,
    kind: Kind,
) -> Result<Tags, Fault> {
    let mut tags = Tags::new();
    let mut seen = false;
    for specification in specifications.into_iter().flatten() {
        let name = specification.resource_type.as_deref().unwrap_or_default();
        if name != kind.name() {
            let text =
                format!("'{name}' is not a valid taggable resource type for this operation.");
            return Err(invalid_value(text));
        }
        if std::mem::replace(&mut seen, true) {
            let text = format!("Duplicate tag specification for resource type '{name}'.");
            return Err(invalid_value(text));
        }
        let given = specification.tags.as_deref().unwrap_or_default();
        if given.is_empty() {
            return Err(invalid_value("Tag specification must have at least one tag"));
        }
        tags = checked(given)?;
    }
    Ok(tags)
}

/// Checks tags of a request.
fn checked(given: &[Tag]) -> Result<Tags, Fault> {
    let mut tags = Tags::new();
    for tag in given {
        let key = tag.key.as_deref().unwrap_or_default();
        let value = tag.value.as_deref().unwrap_or_default();
        if key.is_empty() {
            return Err(invalid_value("Tag keys must not be empty"));
        }
        if key.chars().count() > MAX_KEY {
            let text = format!("Tag key exceeds the maximum length of {MAX_KEY} characters");
            return Err(invalid_value(text));
        }
        if value.chars().count() > MAX_VALUE {
            let text = format!("Tag value exceeds the maximum length of {MAX_VALUE} characters");
            return Err(invalid_value(text));
        }
        if crate::is_reserved(key) {
            let text = "Tag keys starting with 'aws:' are reserved for internal use";
            return Err(invalid_value(text));
        }
        if tags.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(invalid_value(format!("Duplicate tag key '{key}' specified.")));
        }
    }
    if tags.len() > MAX_TAGS { Err(too_many()) } else { Ok(tags) }
}

fn too_many() -> Fault {
    bad("TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")
}

/// Whether the resource exists.
fn exists(state: &dyn Read, scope: &Scope, kind: Kind, id: &str) -> Result<bool, StoreError> {
    Ok(match kind {
        Kind::Vpc => records::get::<Vpc>(state, scope, id)?.is_some(),
        Kind::Subnet => records::get::<Subnet>(state, scope, id)?.is_some(),
        Kind::SecurityGroup => records::get::<SecurityGroup>(state, scope, id)?.is_some(),
        Kind::NetworkInterface => records::get::<Interface>(state, scope, id)?.is_some(),
        Kind::VpcEndpoint => records::get::<Endpoint>(state, scope, id)?.is_some(),
        Kind::RouteTable => records::get::<RouteTable>(state, scope, id)?.is_some(),
        Kind::InternetGateway => records::get::<InternetGateway>(state, scope, id)?.is_some(),
        Kind::EgressOnlyInternetGateway => {
            records::get::<EgressOnlyGateway>(state, scope, id)?.is_some()
        }
        Kind::ElasticIp => records::get::<ElasticIp>(state, scope, id)?.is_some(),
        Kind::NatGateway => records::get::<NatGateway>(state, scope, id)?.is_some(),
        Kind::NetworkAcl => records::get::<NetworkAcl>(state, scope, id)?.is_some(),
        Kind::VpcPeeringConnection => records::get::<Peering>(state, scope, id)?.is_some(),
        Kind::PrefixList => records::get::<PrefixList>(state, scope, id)?.is_some(),
        Kind::DhcpOptions => records::get::<DhcpOptions>(state, scope, id)?.is_some(),
        Kind::VpcFlowLog => records::get::<FlowLog>(state, scope, id)?.is_some(),
        Kind::NetworkInsightsPath => records::get::<InsightsPath>(state, scope, id)?.is_some(),
        Kind::NetworkInsightsAnalysis => {
            records::get::<InsightsAnalysis>(state, scope, id)?.is_some()
        }
        Kind::SecurityGroupRule => records::all::<SecurityGroup>(state, scope)?
            .iter()
            .any(|group| group.rules.iter().any(|rule| rule.id == id)),
    })
}

/// The kind of a resource that is to be tagged.
fn kind_of(id: &str) -> Result<Kind, Fault> {
    let kind =
        Kind::of_id(id).ok_or_else(|| bad("InvalidID", format!("The ID '{id}' is not valid")))?;
    kind.check(id)?;
    Ok(kind)
}

fn resources(ids: &[String]) -> Result<Vec<(Kind, &str)>, Fault> {
    if ids.len() > MAX_RESOURCES {
        return Err(invalid_value(format!("A request may name up to {MAX_RESOURCES} resources")));
    }
    let ids: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
    ids.into_iter().map(|id| Ok((kind_of(id)?, id))).collect()
}

/// CreateTags.
pub(crate) struct CreateTags;

impl Operation for CreateTags {
    type Input = CreateTagsRequest;
    type Output = Unit;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "CreateTags";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let tags = checked(&call.input.tags)?;
        let mut needs = Needs::nothing();
        for (kind, id) in resources(&call.input.resources)? {
            let need = needs::on("ec2:CreateTags", state, call.scope, kind, id)?;
            let pairs = tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
            needs = needs.and(need.request_tags(pairs));
        }
        named(needs)
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        dry_run(call.input.dry_run)?;
        let tags = checked(&call.input.tags)?;
        if tags.is_empty() {
            return Err(super::fault::missing("tagSet"));
        }
        for (kind, id) in resources(&call.input.resources)? {
            if !exists(tx, call.scope, kind, id)? {
                return Err(kind.not_found(id));
            }
            put(tx, call.scope, id, &tags)?;
            if of(tx, call.scope, id)?.len() > MAX_TAGS {
                return Err(too_many());
            }
        }
        Ok(Unit)
    }
}

/// No need at all would be no permission at all: a request must name a resource.
fn named(needs: Needs) -> Result<Needs, Fault> {
    if needs.0.is_empty() { Err(super::fault::missing("resourceIdSet")) } else { Ok(needs) }
}

/// Adds the tags of a DeleteTags: a tag without a value has a key, but no `aws:RequestTag`.
fn with_request_tags(mut need: Need, tags: &[Tag]) -> Need {
    let mut keys = Vec::new();
    for tag in tags {
        let Some(key) = &tag.key else { continue };
        need = need.key_if(format!("aws:RequestTag/{key}"), tag.value.clone());
        keys.push(key.clone());
    }
    if keys.is_empty() { need } else { need.key("aws:TagKeys", keys) }
}

/// DeleteTags.
pub(crate) struct DeleteTags;

impl Operation for DeleteTags {
    type Input = DeleteTagsRequest;
    type Output = Unit;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DeleteTags";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let mut needs = Needs::nothing();
        for (kind, id) in resources(&call.input.resources)? {
            let need = needs::on("ec2:DeleteTags", state, call.scope, kind, id)?;
            needs = needs.and(match &call.input.tags {
                Some(tags) => with_request_tags(need, tags),
                // All tags are to go: a condition on aws:TagKeys is about their keys then.
                None => {
                    let own: Vec<String> = of(state, call.scope, id)?.into_keys().collect();
                    if own.is_empty() { need } else { need.key("aws:TagKeys", own) }
                }
            });
        }
        named(needs)
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        dry_run(call.input.dry_run)?;
        for (kind, id) in resources(&call.input.resources)? {
            if !exists(tx, call.scope, kind, id)? {
                return Err(kind.not_found(id));
            }
            let Some(wanted) = call.input.tags.as_ref() else {
                delete_all(tx, call.scope, id)?;
                continue;
            };
            let own = of(tx, call.scope, id)?;
            for tag in wanted {
                let key = tag.key.as_deref().unwrap_or_default();
                // A tag is removed whatever its value, unless a value is given.
                let same = own
                    .get(key)
                    .is_some_and(|value| tag.value.as_ref().is_none_or(|wanted| wanted == value));
                if same {
                    remove(tx, call.scope, id, key);
                }
            }
        }
        Ok(Unit)
    }
}

/// DescribeTags.
pub(crate) struct DescribeTags;

impl Operation for DescribeTags {
    type Input = DescribeTagsRequest;
    type Output = DescribeTagsResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DescribeTags";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        Ok(needs::listing(call.scope, "ec2:DescribeTags"))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<DescribeTagsResult, Fault> {
        dry_run(call.input.dry_run)?;
        let names = ["key", "resource-id", "resource-type", "value"];
        let filters = Filters::of(call.input.filters.as_ref(), &names, true)?;
        let place = (call.scope.account.as_str(), call.scope.region.as_str());
        let mut found = Vec::new();
        for ((_, _, id, key), value) in TAGS.scan(tx, &place, None, usize::MAX)? {
            let kind = Kind::of_id(&id).map_or("", Kind::name);
            let own = Tags::from([(key.clone(), value.clone())]);
            let pass = filters.pass(&own, |name| match name {
                "key" => vec![key.clone()],
                "resource-id" => vec![id.clone()],
                "resource-type" => vec![kind.to_owned()],
                "value" => vec![value.clone()],
                _ => Vec::new(),
            });
            if pass {
                found.push((id, key, value, kind));
            }
        }
        let (found, next_token) = select::page(
            found,
            // Neither ids nor keys can hold this separator's place: ids are of a fixed alphabet.
            |(id, key, ..)| format!("{id}\u{0}{key}"),
            false,
            call.input.max_results,
            call.input.next_token.as_deref(),
        )?;
        let tags = found.into_iter().map(|(id, key, value, kind)| TagDescription {
            key: Some(key),
            resource_id: Some(id),
            resource_type: Some(kind.to_owned()),
            value: Some(value),
        });
        Ok(DescribeTagsResult { next_token, tags: Some(tags.collect()) })
    }
}
