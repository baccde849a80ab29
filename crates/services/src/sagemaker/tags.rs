//! AddTags, ListTags and DeleteTags, on every kind of resource that exists here.

use sagegate_api::Unit;
use sagegate_api::sagemaker::{
    AddTagsInput, AddTagsOutput, DeleteTagsInput, ListTagsInput, ListTagsOutput,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Need, Needs, Operation, Scope};
use sagegate_store::{Read, StoreError, Tx};

use super::app_image_config::AppImageConfigRecord;
use super::faults::{bad_token, not_found, validation};
use super::ids::{NamedKind, ResourceArn, Taggable, profile_arn};
use super::image::ImageRecord;
use super::named::{self, Named};
use super::notebook_config::NotebookConfigRecord;
use super::notebook_records::NotebookRecord;
use super::read_profile::canonical_arn;
use super::studio_lifecycle::StudioLifecycleConfigRecord;
use super::tagging::{self, TAGS_PER_RESOURCE, answered, check_key};
use super::{read_app, read_domain, read_profile, read_space, records};
use crate::paging;

/// The least size of a page of ListTags (SageMaker API, `ListTagsMaxResults`).
const PAGE: i32 = 50;

/// The ARN that is decided on: as given, but for names whose case does not count.
fn subject(scope: &Scope, arn: &str, state: &dyn Read) -> Result<String, Fault> {
    let parsed = parse(arn)?;
    match parsed.resource {
        Taggable::UserProfile(domain, name) if parsed.scope == *scope => {
            canonical_arn(state, scope, &domain, &name)
        }
        Taggable::Named(kind, name) if parsed.scope == *scope => {
            Ok(find_named(state, scope, kind, &name)?.unwrap_or_else(|| arn.to_owned()))
        }
        Taggable::Space(domain, name) if parsed.scope == *scope => {
            read_space::canonical_arn(state, scope, &domain, &name)
        }
        Taggable::App(domain, owner, kind, name) if parsed.scope == *scope => {
            let found = read_app::with_arn(state, scope, &domain, (&owner, &kind, &name))?;
            Ok(found.map_or_else(|| arn.to_owned(), |it| it.arn(scope)))
        }
        _ => Ok(arn.to_owned()),
    }
}

fn parse(arn: &str) -> Result<ResourceArn, Fault> {
    ResourceArn::parse(arn).ok_or_else(|| {
        validation(format!("Invalid ResourceArn: '{arn}' is not the ARN of a SageMaker resource."))
    })
}

/// A need of an action on a resource, with the resource's tags.
fn need(action: &'static str, scope: &Scope, arn: &str, state: &dyn Read) -> Result<Need, Fault> {
    let arn = subject(scope, arn, state)?;
    let owner = parse(&arn)?.scope.account;
    let tags = records::tags(state, scope, &arn)?;
    let pairs = tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    Ok(Need::on(action, arn).resource_tags("sagemaker", pairs).in_account(owner))
}

/// The canonical ARN of a resource that exists in this account and region.
///
/// # Errors
/// `ResourceNotFound`, or `ValidationException` for another region.
fn existing(state: &dyn Read, scope: &Scope, arn: &str) -> Result<String, Fault> {
    let parsed = parse(arn)?;
    if parsed.scope != *scope {
        return Err(validation(format!(
            "Invalid ResourceArn: '{arn}' is not in account {} and region {}.",
            scope.account, scope.region
        )));
    }
    match parsed.resource {
        Taggable::Domain(id) => {
            read_domain::require(state, scope, &id)?;
            Ok(id.arn(scope))
        }
        Taggable::UserProfile(domain, name) => {
            let record = read_profile::require(state, scope, &domain, &name)?;
            Ok(profile_arn(scope, &domain, &record.name))
        }
        Taggable::Named(kind, name) => {
            find_named(state, scope, kind, &name)?.ok_or_else(|| not_found("Resource", arn))
        }
        Taggable::Space(domain, name) => {
            Ok(read_space::require(state, scope, &domain, &name)?.arn(scope))
        }
        Taggable::App(domain, owner, kind, name) => {
            read_app::with_arn(state, scope, &domain, (&owner, &kind, &name))?
                .map(|it| it.arn(scope))
                .ok_or_else(|| not_found("App", arn))
        }
        Taggable::Other => Err(not_found("Resource", arn)),
    }
}

/// The ARN of a resource with a name of its own, as spelled at its making; nothing where there is
/// none.
fn find_named(
    state: &dyn Read,
    scope: &Scope,
    kind: NamedKind,
    name: &str,
) -> Result<Option<String>, StoreError> {
    fn arn<R: Named>(
        state: &dyn Read,
        scope: &Scope,
        name: &str,
    ) -> Result<Option<String>, StoreError> {
        Ok(named::find::<R>(state, scope, name)?.map(|it| it.arn(scope)))
    }
    match kind {
        NamedKind::StudioLifecycleConfig => arn::<StudioLifecycleConfigRecord>(state, scope, name),
        NamedKind::AppImageConfig => arn::<AppImageConfigRecord>(state, scope, name),
        NamedKind::Image => arn::<ImageRecord>(state, scope, name),
        NamedKind::NotebookInstance => arn::<NotebookRecord>(state, scope, name),
        NamedKind::NotebookInstanceLifecycleConfig => {
            arn::<NotebookConfigRecord>(state, scope, name)
        }
    }
}

/// Adds tags to a resource, or gives those that it has new values.
#[derive(Debug)]
pub struct AddTags;

impl Operation for AddTags {
    type Input = AddTagsInput;
    type Output = AddTagsOutput;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "AddTags";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let input = call.input;
        let need = need("sagemaker:AddTags", call.scope, &input.resource_arn, state)?;
        Ok(need
            .key("sagemaker:TaggingAction", "AddTags")
            .request_tags(tagging::pairs(Some(&input.tags)))
            .into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let scope = call.scope;
        let new = tagging::checked(Some(&call.input.tags))?;
        let arn = existing(tx, scope, &call.input.resource_arn)?;
        let mut tags = records::tags(tx, scope, &arn)?;
        tags.extend(new);
        let counted = tagging::counted(&tags);
        if counted > TAGS_PER_RESOURCE {
            return Err(validation(format!(
                "A resource can have at most {TAGS_PER_RESOURCE} tags; [{arn}] would have {counted}."
            )));
        }
        records::put_tags(tx, scope, &arn, tags.clone())?;
        Ok(AddTagsOutput { tags: Some(answered(tags)) })
    }
}

/// Lists the tags of a resource in the order of their keys.
#[derive(Debug)]
pub struct ListTags;

impl Operation for ListTags {
    type Input = ListTagsInput;
    type Output = ListTagsOutput;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "ListTags";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        Ok(need("sagemaker:ListTags", call.scope, &call.input.resource_arn, state)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let arn = existing(tx, call.scope, &call.input.resource_arn)?;
        let mut tags = answered(records::tags(tx, call.scope, &arn)?);
        if let Some(token) = call.input.next_token.as_deref() {
            let after: String = paging::key_of(token).ok_or_else(bad_token)?;
            tags.retain(|tag| tag.key > after);
        }
        let limit = call.input.max_results.unwrap_or(PAGE).max(PAGE);
        let limit = usize::try_from(limit).unwrap_or(TAGS_PER_RESOURCE);
        let more = tags.len() > limit;
        tags.truncate(limit);
        let next_token = tags.last().filter(|_| more).map(|tag| paging::token_after(&tag.key));
        Ok(ListTagsOutput { tags: Some(tags), next_token })
    }
}

/// Takes tags from a resource. Keys that it does not have are passed over.
#[derive(Debug)]
pub struct DeleteTags;

impl Operation for DeleteTags {
    type Input = DeleteTagsInput;
    type Output = Unit;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "DeleteTags";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let input = call.input;
        let need = need("sagemaker:DeleteTags", call.scope, &input.resource_arn, state)?;
        Ok(need.key("aws:TagKeys", input.tag_keys.clone()).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let scope = call.scope;
        for key in &call.input.tag_keys {
            check_key(key)?;
        }
        let arn = existing(tx, scope, &call.input.resource_arn)?;
        let mut tags = records::tags(tx, scope, &arn)?;
        tags.retain(|key, _| !call.input.tag_keys.contains(key));
        records::put_tags(tx, scope, &arn, tags)?;
        Ok(Unit)
    }
}
