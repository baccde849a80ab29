//! ChangeTagsForResource, ListTagsForResource, ListTagsForResources. Health checks, which have tags
//! too, are not served.

use std::collections::BTreeMap;

use sagegate_api::route53::{
    ChangeTagsForResourceRequest, ChangeTagsForResourceResponse, ListTagsForResourceRequest,
    ListTagsForResourceResponse, ListTagsForResourcesRequest, ListTagsForResourcesResponse,
    ResourceTagSet, Tag, TagResourceType,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Need, Needs, Operation, Scope};
use sagegate_store::{Read, Tx};

use super::fault::{invalid, no_health_check};
use super::records::{self, Zone};
use super::zone::arn;

/// Tags of a zone (Route 53 Developer Guide, "Tagging Amazon Route 53 resources").
const MAX_TAGS: usize = 50;

fn need(action: &'static str, scope: &Scope, kind: TagResourceType, id: &str) -> Need {
    let arn = match kind {
        TagResourceType::Hostedzone => arn(scope, id),
        TagResourceType::Healthcheck => {
            format!("arn:{}:route53:::healthcheck/{id}", scope.region.partition())
        }
    };
    Need::on(action, arn)
}

fn find(state: &dyn Read, scope: &Scope, kind: TagResourceType, id: &str) -> Result<Zone, Fault> {
    match kind {
        TagResourceType::Hostedzone => records::own(state, scope, id),
        TagResourceType::Healthcheck => Err(no_health_check(id)),
    }
}

fn shape(zone: &Zone) -> ResourceTagSet {
    let tag = |(key, value): (&String, &String)| Tag {
        key: Some(key.clone()),
        value: Some(value.clone()),
    };
    ResourceTagSet {
        resource_type: Some(TagResourceType::Hostedzone),
        resource_id: Some(zone.id.clone()),
        tags: Some(zone.tags.iter().map(tag).collect()),
    }
}

/// The tags of a request. Texts are ours.
fn requested(tags: &[Tag]) -> Result<BTreeMap<String, String>, Fault> {
    let mut found = BTreeMap::new();
    for tag in tags {
        let key = tag.key.clone().filter(|key| !key.is_empty());
        let key = key.ok_or_else(|| invalid("A tag must have a key."))?;
        if crate::is_reserved(&key) {
            return Err(invalid(format!("The tag key {key} begins with aws:, which AWS uses.")));
        }
        if found.insert(key.clone(), tag.value.clone().unwrap_or_default()).is_some() {
            return Err(invalid(format!("The tag key {key} is given more than once.")));
        }
    }
    Ok(found)
}

/// ChangeTagsForResource.
pub(super) struct ChangeTagsForResource;

impl Operation for ChangeTagsForResource {
    type Input = ChangeTagsForResourceRequest;
    type Output = ChangeTagsForResourceResponse;
    const SERVICE: &'static str = "route53";
    const NAME: &'static str = "ChangeTagsForResource";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        let input = call.input;
        let need = need(
            "route53:ChangeTagsForResource",
            call.scope,
            input.resource_type,
            &input.resource_id,
        );
        Ok(need.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let input = call.input;
        let mut zone = find(tx, call.scope, input.resource_type, &input.resource_id)?;
        if input.add_tags.is_none() && input.remove_tag_keys.is_none() {
            return Err(invalid("AddTags or RemoveTagKeys must be given."));
        }
        for key in input.remove_tag_keys.iter().flatten() {
            zone.tags.remove(key);
        }
        zone.tags.extend(requested(input.add_tags.as_deref().unwrap_or_default())?);
        if zone.tags.len() > MAX_TAGS {
            return Err(invalid(format!("A resource may have {MAX_TAGS} tags at most.")));
        }
        records::put(tx, &zone)?;
        Ok(ChangeTagsForResourceResponse {})
    }
}

/// ListTagsForResource.
pub(super) struct ListTagsForResource;

impl Operation for ListTagsForResource {
    type Input = ListTagsForResourceRequest;
    type Output = ListTagsForResourceResponse;
    const SERVICE: &'static str = "route53";
    const NAME: &'static str = "ListTagsForResource";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        let (kind, id) = (call.input.resource_type, &call.input.resource_id);
        Ok(need("route53:ListTagsForResource", call.scope, kind, id).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let zone = find(tx, call.scope, call.input.resource_type, &call.input.resource_id)?;
        Ok(ListTagsForResourceResponse { resource_tag_set: Some(shape(&zone)) })
    }
}

/// ListTagsForResources.
pub(super) struct ListTagsForResources;

impl Operation for ListTagsForResources {
    type Input = ListTagsForResourcesRequest;
    type Output = ListTagsForResourcesResponse;
    const SERVICE: &'static str = "route53";
    const NAME: &'static str = "ListTagsForResources";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        let kind = call.input.resource_type;
        let need = |id: &String| need("route53:ListTagsForResources", call.scope, kind, id);
        Ok(Needs(call.input.resource_ids.iter().map(need).collect()))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let mut sets = Vec::new();
        for id in &call.input.resource_ids {
            sets.push(shape(&find(tx, call.scope, call.input.resource_type, id)?));
        }
        Ok(ListTagsForResourcesResponse { resource_tag_sets: Some(sets) })
    }
}
