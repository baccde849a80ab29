//! DescribeApp and ListApps, and what the operations on apps share.

use sagegate_api::sagemaker::{
    AppDetails, AppType, DescribeAppRequest, DescribeAppResponse, FeatureStatus, ListAppsRequest,
    ListAppsResponse, ResourceSpec, SortOrder,
};
use sagegate_gate::env::Time;
use sagegate_gate::{Access, Authorized, Call, Fault, Need, Needs, Operation, Scope};
use sagegate_store::{Read, Tx};

use super::faults::{not_found, validation};
use super::ids::{DomainId, app_arn, profile_arn};
use super::listing::Page;
use super::read_space::ownership;
use super::records;
use super::space_records::{self, APPS, AppRecord, Owner, SpaceRecord};
use super::{read_profile, read_space};

/// Which app a request is about, as it says it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named<'a> {
    pub(super) domain_id: &'a str,
    pub(super) profile: Option<&'a str>,
    pub(super) space: Option<&'a str>,
    pub(super) app_type: AppType,
    pub(super) name: &'a str,
}

/// What a request is about, as far as it is there.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) domain: DomainId,
    /// The space or user profile that the request names.
    pub(super) owner: Option<Owner>,
    /// The space that it names.
    pub(super) space: Option<SpaceRecord>,
    /// The app, if there is one that is still told about.
    pub(super) app: Option<AppRecord>,
    /// The app's ARN. All names are spelled as at the making of what they name, so that no policy
    /// that names it can be passed by in another case, and as given where nothing is there.
    pub(super) arn: String,
    /// The ARN of the user profile that the app or its space belongs to.
    pub(super) profile_arn: Option<String>,
}

impl Subject {
    /// Finds it.
    ///
    /// # Errors
    /// `ValidationException` where not exactly one owner is named (SPEC 2.5, cross-field rules).
    pub(super) fn find(
        state: &dyn Read,
        scope: &Scope,
        named: Named<'_>,
        now: Time,
    ) -> Result<Self, Fault> {
        let domain = DomainId::of_request(named.domain_id)?;
        let (given, owner, space, profile_arn) = match (named.profile, named.space) {
            (Some(name), None) => {
                let found = records::profile(state, scope, &domain, name)?;
                let arn = profile_arn(scope, &domain, found.as_ref().map_or(name, |it| &it.name));
                let owner =
                    found.map(|it| Owner::Profile { name: it.name, incarnation: it.incarnation });
                (name, owner, None, Some(arn))
            }
            (None, Some(name)) => {
                let found = space_records::space(state, scope, &domain, name)?;
                let owner = found.as_ref().map(SpaceRecord::as_owner);
                let of_space = found.as_ref().and_then(|it| it.owner.as_ref());
                let arn = of_space.map(|it| profile_arn(scope, &domain, it));
                (name, owner, found, arn)
            }
            _ => {
                return Err(validation(
                    "Exactly one of UserProfileName and SpaceName must be given.",
                ));
            }
        };
        let app = match &owner {
            None => None,
            Some(owner) => {
                let kind = (named.app_type, named.name);
                space_records::app(state, scope, &domain, owner, kind, now)?
            }
        };
        let owner_name = owner.as_ref().map_or(given, Owner::name);
        let name = app.as_ref().map_or(named.name, |it| &it.name);
        let arn = app_arn(scope, &domain, owner_name, named.app_type, name);
        Ok(Self { domain, owner, space, app, arn, profile_arn })
    }

    /// A need of an action on the app, with what conditions see of its space's ownership.
    pub(super) fn need(&self, action: &'static str, scope: &Scope) -> Need {
        ownership(Need::on(action, self.arn.clone()), scope, self.space.as_ref())
    }

    /// Adds the tags of the app, if it exists.
    pub(super) fn tagged(
        &self,
        need: Need,
        state: &dyn Read,
        scope: &Scope,
    ) -> Result<Need, Fault> {
        let tags = records::tags(state, scope, &self.arn)?;
        let pairs = tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        Ok(need.resource_tags("sagemaker", pairs))
    }

    /// The app.
    ///
    /// # Errors
    /// `ResourceNotFound`, for the domain or owner where that is missing.
    pub(super) fn require(
        self,
        state: &dyn Read,
        scope: &Scope,
        named: Named<'_>,
    ) -> Result<AppRecord, Fault> {
        self.require_owner(state, scope, named)?;
        self.app.ok_or_else(|| not_found("App", &self.arn))
    }

    /// The owner.
    ///
    /// # Errors
    /// `ResourceNotFound`, for the domain where that is missing.
    pub(super) fn require_owner(
        &self,
        state: &dyn Read,
        scope: &Scope,
        named: Named<'_>,
    ) -> Result<Owner, Fault> {
        if let Some(name) = named.space {
            return Ok(read_space::require(state, scope, &self.domain, name)?.as_owner());
        }
        let name = named.profile.unwrap_or_default();
        let found = read_profile::require(state, scope, &self.domain, name)?;
        Ok(Owner::Profile { name: found.name, incarnation: found.incarnation })
    }
}

/// The app that is not deleted and has these parts of an ARN: the owner's name, the kind in whatever
/// case, its own name. A user profile and a space of one name never both have it (CreateApp).
pub(super) fn with_arn(
    state: &dyn Read,
    scope: &Scope,
    domain: &DomainId,
    (owner, kind, name): (&str, &str, &str),
) -> Result<Option<AppRecord>, Fault> {
    let kinds = AppType::ALL.iter().copied();
    let Some(app_type) = kinds.into_iter().find(|it| it.as_str().eq_ignore_ascii_case(kind)) else {
        return Ok(None);
    };
    for place in [
        Owner::Profile { name: owner.to_owned(), incarnation: String::new() },
        Owner::Space { name: owner.to_owned(), incarnation: String::new() },
    ] {
        let found = space_records::apps_of(state, scope, domain, &place)?;
        let named = |it: &AppRecord| it.deleted.is_none() && it.is_named(app_type, name);
        if let Some(it) = found.into_iter().rev().find(named) {
            return Ok(Some(it));
        }
    }
    Ok(None)
}

fn named(input: &DescribeAppRequest) -> Named<'_> {
    Named {
        domain_id: &input.domain_id,
        profile: input.user_profile_name.as_deref(),
        space: input.space_name.as_deref(),
        app_type: input.app_type,
        name: &input.app_name,
    }
}

/// Tells about an app.
#[derive(Debug)]
pub struct DescribeApp;

impl Operation for DescribeApp {
    type Input = DescribeAppRequest;
    type Output = DescribeAppResponse;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "DescribeApp";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let subject = Subject::find(state, call.scope, named(call.input), call.now)?;
        // The ownership of the space is no condition of reading (SPEC 3.1).
        let need = Need::on("sagemaker:DescribeApp", subject.arn.clone());
        Ok(subject.tagged(need, state, call.scope)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (scope, named) = (call.scope, named(call.input));
        let record = Subject::find(tx, scope, named, call.now)?.require(tx, scope, named)?;
        let arn = record.arn(scope);
        let (profile, space) = owner_names(&record);
        let spec = spec_of(&record);
        Ok(DescribeAppResponse {
            app_arn: Some(arn),
            app_type: Some(record.app_type.0),
            app_name: Some(record.name),
            domain_id: Some(record.domain.to_string()),
            user_profile_name: profile,
            space_name: space,
            status: Some(record.status.0),
            // It takes Identity Center, which there is none of here.
            effective_trusted_identity_propagation_status: Some(FeatureStatus::Disabled),
            recovery_mode: Some(record.recovery_mode),
            last_health_check_timestamp: record.healthy.map(Into::into),
            last_user_activity_timestamp: record.active.map(Into::into),
            creation_time: Some(record.created.into()),
            failure_reason: record.failure_reason,
            resource_spec: Some(spec),
            built_in_lifecycle_config_arn: record.built_in_lifecycle_config,
        })
    }
}

/// The user profile or the space of an app.
fn owner_names(record: &AppRecord) -> (Option<String>, Option<String>) {
    match &record.owner {
        Owner::Profile { name, .. } => (Some(name.clone()), None),
        Owner::Space { name, .. } => (None, Some(name.clone())),
    }
}

/// What it runs on and with, the instance type that the service chose included.
fn spec_of(record: &AppRecord) -> ResourceSpec {
    ResourceSpec { instance_type: Some(record.instance_type.clone()), ..record.spec.0.clone() }
}

/// Lists apps.
#[derive(Debug)]
pub struct ListApps;

impl Operation for ListApps {
    type Input = ListAppsRequest;
    type Output = ListAppsResponse;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "ListApps";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        // By analogy with ListDomains (SPEC T4). The filters are no part of it.
        let every = call.scope.arn("sagemaker", "app/*");
        Ok(Need::on("sagemaker:ListApps", every).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        if input.user_profile_name_equals.is_some() && input.space_name_equals.is_some() {
            return Err(validation(
                "At most one of UserProfileNameEquals and SpaceNameEquals can be given.",
            ));
        }
        let same = |filter: Option<&str>, name: &str| {
            filter.is_none_or(|filter| filter.eq_ignore_ascii_case(name))
        };
        let (profile, space) =
            (input.user_profile_name_equals.as_deref(), input.space_name_equals.as_deref());
        let wanted = |it: &AppRecord| {
            same(input.domain_id_equals.as_deref(), it.domain.as_str())
                && match &it.owner {
                    Owner::Profile { name, .. } => space.is_none() && same(profile, name),
                    Owner::Space { name, .. } => profile.is_none() && same(space, name),
                }
        };
        let prefix = (scope.account.as_str(), scope.region.as_str());
        let found = APPS.scan(tx, &prefix, None, usize::MAX)?;
        let found: Vec<AppRecord> =
            found.into_iter().map(|(_, it)| it).filter(|it| wanted(it)).collect();
        let page = Page {
            descending: input.sort_order == Some(SortOrder::Descending),
            token: input.next_token.as_deref(),
            limit: input.max_results,
        };
        let (found, next_token) =
            page.of(youngest(found, call.now), |it| (it.created.millis(), it.id.clone()))?;
        let apps = found.into_iter().map(details).collect();
        Ok(ListAppsResponse { apps: Some(apps), next_token })
    }
}

/// One for each name: the youngest, if it is still told about.
fn youngest(mut found: Vec<AppRecord>, now: Time) -> Vec<AppRecord> {
    let name =
        |it: &AppRecord| (it.owner.place(&it.domain), it.app_type.0, it.name.to_ascii_lowercase());
    found.sort_by(|one, other| {
        let by_name = name(one).cmp(&name(other));
        by_name.then_with(|| space_records::age(other).cmp(&space_records::age(one)))
    });
    found.dedup_by(|later, kept| name(later) == name(kept));
    found.retain(|it| it.is_shown(now));
    found
}

fn details(it: AppRecord) -> AppDetails {
    let (user_profile_name, space_name) = owner_names(&it);
    AppDetails {
        domain_id: Some(it.domain.to_string()),
        user_profile_name,
        space_name,
        app_type: Some(it.app_type.0),
        status: Some(it.status.0),
        creation_time: Some(it.created.into()),
        resource_spec: Some(spec_of(&it)),
        app_name: Some(it.name),
    }
}
