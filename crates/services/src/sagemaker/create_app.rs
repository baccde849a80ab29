//! CreateApp.

use std::collections::BTreeMap;
use std::str::FromStr as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sagegate_api::sagemaker::{
    AppNetworkAccessType, AppStatus, AppType, CreateAppRequest, CreateAppResponse, ResourceSpec,
    SpaceStatus, StudioLifecycleConfigAppType, TagPropagation, UserProfileStatus,
};
use sagegate_gate::env::Time;
use sagegate_gate::{Access, Authorized, Call, Fault, Needs, Operation, Scope};
use sagegate_store::{Read, Tx};

use super::faults::{busy, in_use, over_limit, validation};
use super::ids::{DomainId, profile_arn};
use super::own_calls::OwnCalls;
use super::read_app::{Named, Subject};
use super::records::{self, DomainRecord, ProfileRecord};
use super::settings::Given;
use super::shapes::{Stored, Word};
use super::space_defaults::Defaults;
use super::space_records::{self, APPS, AppRecord, Owner, SpaceRecord};
use super::space_rules::{ENTERED, check_named};
use super::studio_lifecycle;
use super::write_space::check_kind;
use super::{app_interfaces, instances, neighbours, read_profile, read_space, tagging};

/// Apps of one kind that may run on one instance type at one time in an account and region. AWS has a
/// quota for each kind and type, named as here, whose values differ (Service Quotas, Amazon SageMaker,
/// "Studio JupyterLab Apps running on … instance"); this is one for all.
pub(super) const RUNNING_APPS: usize = 200;

/// The kinds of app that can be run here.
const RUN: [AppType; 4] =
    [AppType::JupyterServer, AppType::KernelGateway, AppType::JupyterLab, AppType::CodeEditor];

/// Starts an app of a space or user profile.
#[derive(Debug)]
pub struct CreateApp;

fn named(input: &CreateAppRequest) -> Named<'_> {
    Named {
        domain_id: &input.domain_id,
        profile: input.user_profile_name.as_deref(),
        space: input.space_name.as_deref(),
        app_type: input.app_type,
        name: &input.app_name,
    }
}

/// What the app will run on and with, if its owner is there.
fn effective(
    state: &dyn Read,
    scope: &Scope,
    subject: &Subject,
    input: &CreateAppRequest,
) -> Result<Option<ResourceSpec>, Fault> {
    let Some(owner) = &subject.owner else { return Ok(None) };
    let Some(domain) = records::domain(state, scope, &subject.domain)? else { return Ok(None) };
    let defaults = match &subject.space {
        Some(space) => Defaults::of_space(state, scope, &domain, space)?,
        None => match records::profile(state, scope, &subject.domain, owner.name())? {
            Some(profile) => Defaults::of_profile(&domain, &profile)?,
            None => return Ok(None),
        },
    };
    let space = subject.space.as_ref().map(|it| &it.settings.0);
    defaults.spec(input.app_type, space, input.resource_spec.as_ref()).map(Some)
}

impl Operation for CreateApp {
    type Input = CreateAppRequest;
    type Output = CreateAppResponse;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "CreateApp";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (input, scope) = (call.input, call.scope);
        let subject = Subject::find(state, scope, named(input), call.now)?;
        // Conditions see what the app will have, wherever it was chosen: whoever may not start a large
        // instance cannot by making it the default of a space first.
        let spec = effective(state, scope, &subject, input)?;
        let spec = spec.as_ref().or(input.resource_spec.as_ref());
        let need = Given::default()
            .and(spec)
            .keys(scope, subject.need("sagemaker:CreateApp", scope))
            .request_tags(tagging::pairs(input.tags.as_deref()));
        let mut needs =
            tagging::and_add_tags(need.into(), Self::NAME, &subject.arn, input.tags.as_deref());
        // The documented endpoint policy of Studio names user profiles (SPEC T2, R1.9).
        if let Some(need) = needs.0.first_mut() {
            need.endpoint_alternates.extend(subject.profile_arn);
        }
        Ok(needs)
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        let named = named(input);
        let subject = Subject::find(tx, scope, named, call.now)?;
        let domain =
            read_space::require_open_domain(tx, scope, &subject.domain, "create an App in")?;
        let owner = subject.require_owner(tx, scope, named)?;
        let own_tags = tagging::checked(input.tags.as_deref())?;
        let (defaults, profile) = open_owner(tx, scope, &domain, &subject, &owner)?;
        let space = subject.space.as_ref();
        if let Some(space) = space {
            check_kind(space, input.app_type)?;
        }
        let recovery_mode = input.recovery_mode.unwrap_or(false);
        if recovery_mode && !ENTERED.contains(&input.app_type) {
            return Err(validation(format!(
                "RecoveryMode is for apps of type JupyterLab and CodeEditor; this one's type is {}.",
                input.app_type
            )));
        }
        let arn = subject.arn.clone();
        let failed = check_name(tx, scope, &owner, &arn, input)?;

        if let Some(spec) = &input.resource_spec {
            check_named(tx, scope, spec)?;
        }
        let settings = space.map(|it| &it.settings.0);
        let spec = defaults.spec(input.app_type, settings, input.resource_spec.as_ref())?;
        let instance_type = instances::chosen(input.app_type, spec.instance_type.as_deref())?;
        let remote_access = space.is_some_and(SpaceRecord::remote_access);
        if let Some(space) = space.filter(|_| remote_access) {
            instances::check_remote_access(&space.name, &instance_type)?;
        }
        let execution_role = execution_role(tx, scope, &domain, &defaults, &owner, call.now)?;
        check_limit(tx, scope, input.app_type, &instance_type)?;

        let chosen = spec.lifecycle_config_arn.as_ref();
        let built_in = defaults.built_in_lifecycle_config(input.app_type);
        let script = |arn: Option<&String>| {
            script_of(tx, scope, input.app_type, arn.filter(|_| !recovery_mode))
        };
        let (script, built_in_script) = (script(chosen)?, script(built_in)?);
        let id = format!("app-{}", call.env.uuid());
        let (interface, failure) = match cannot_run(input.app_type, space) {
            Some(failure) => (None, Some(failure)),
            None => interface(call, tx, &domain, &arn, defaults.security_groups())?,
        };
        let record = AppRecord {
            id,
            interface,
            domain: subject.domain.clone(),
            app_type: Word(input.app_type),
            // An earlier one of the name may have been spelled otherwise; tags and policies go by it.
            name: subject.app.as_ref().map_or(&input.app_name, |it| &it.name).clone(),
            created: call.now,
            status: Word(if failure.is_some() { AppStatus::Failed } else { AppStatus::Pending }),
            failure_reason: failure,
            deleted: None,
            healthy: None,
            active: None,
            instance_type,
            recovery_mode,
            execution_role,
            profile: match (&owner, space) {
                (_, Some(space)) => space.private_to().map(str::to_owned),
                (Owner::Profile { name, .. }, None) => Some(name.clone()),
                (Owner::Space { .. }, None) => None,
            },
            built_in_lifecycle_config: built_in.cloned(),
            built_in_script,
            script,
            volume_gb: settings
                .filter(|_| ENTERED.contains(&input.app_type))
                .map(|it| defaults.volume_gb(it)),
            idle_minutes: defaults.idle_minutes(input.app_type, settings),
            remote_access,
            spec: Stored(spec),
            owner,
        };
        if let Some(failed) = failed {
            space_records::bury_app(tx, scope, failed, call.now)?;
        }
        let tags = inherited(tx, scope, &domain, profile.as_ref(), space, own_tags)?;
        space_records::put_app(tx, scope, &record)?;
        records::put_tags(tx, scope, &arn, tags)?;
        let (domain, owner) = (&record.domain, &record.owner);
        space_records::forget_deleted(tx, scope, domain, owner, call.now, false)?;
        Ok(CreateAppResponse { app_arn: Some(arn) })
    }
}

/// The network interface of the app, where the domain is VpcOnly; or why there can be none, which is
/// the app's failure and not the call's: AWS looks for an address when the call is answered.
fn interface(
    call: &Authorized<'_, CreateApp>,
    tx: &mut Tx,
    domain: &DomainRecord,
    app_arn: &str,
    groups: &[String],
) -> Result<(Option<String>, Option<String>), Fault> {
    if domain.app_network_access_type.0 != AppNetworkAccessType::VpcOnly {
        return Ok((None, None));
    }
    let mut own = OwnCalls::new(call.within, call.scope, &domain.id);
    let made = own.or_undo(tx, |own, tx| {
        app_interfaces::make(tx, own, (call.env, call.now), call.scope, domain, (app_arn, groups))
    });
    match made {
        Ok(interface) => Ok((Some(interface), None)),
        Err(fault) if fault.sender => Ok((None, Some(fault.message))),
        Err(fault) => Err(fault),
    }
}

/// The defaults of the owner's apps, and the user profile that they come from, if the owner is in
/// service.
fn open_owner(
    state: &dyn Read,
    scope: &Scope,
    domain: &DomainRecord,
    subject: &Subject,
    owner: &Owner,
) -> Result<(Defaults, Option<ProfileRecord>), Fault> {
    let refused = |kind: &str, arn: &str, status: &str| busy("create an App in", kind, arn, status);
    if let Some(space) = &subject.space {
        let status = space.status.0;
        if !matches!(status, SpaceStatus::InService | SpaceStatus::UpdateFailed) {
            return Err(refused("Space", &space.arn(scope), status.as_str()));
        }
        let profile = match space.private_to() {
            Some(name) => records::profile(state, scope, &domain.id, name)?,
            None => None,
        };
        return Ok((Defaults::of_space(state, scope, domain, space)?, profile));
    }
    let profile = read_profile::require(state, scope, &domain.id, owner.name())?;
    let status = profile.status.0;
    if !matches!(
        status,
        UserProfileStatus::InService
            | UserProfileStatus::Updating
            | UserProfileStatus::UpdateFailed
    ) {
        let arn = profile_arn(scope, &domain.id, &profile.name);
        return Err(refused("UserProfile", &arn, status.as_str()));
    }
    Ok((Defaults::of_profile(domain, &profile)?, Some(profile)))
}

/// Whether the name is free. One that is Deleting does not hold it: the new one starts once that has
/// stopped (REMOTE-ACCESS 2.4). One that has failed is answered, to be replaced.
///
/// # Errors
/// `ResourceInUse` naming the app that is in the way.
fn check_name(
    state: &dyn Read,
    scope: &Scope,
    owner: &Owner,
    arn: &str,
    input: &CreateAppRequest,
) -> Result<Option<AppRecord>, Fault> {
    let domain = DomainId::of_request(&input.domain_id)?;
    let mut failed = None;
    for it in space_records::apps_of(state, scope, &domain, owner)? {
        let same = it.is_named(input.app_type, &input.app_name);
        match it.status.0 {
            AppStatus::Failed if same => failed = Some(it),
            AppStatus::Pending | AppStatus::InService if same => {
                return Err(in_use(format!(
                    "The App with AppName {} and AppType {} already exists: [{arn}]. Its status is \
                     {}. Delete it with DeleteApp, or use it as it is.",
                    it.name, input.app_type, it.status.0
                )));
            }
            AppStatus::Pending | AppStatus::InService
                if it.app_type.0 == input.app_type && input.app_type != AppType::KernelGateway =>
            {
                return Err(in_use(format!(
                    "[{}] can have one App of AppType {} at a time, and has [{}], whose status is \
                     {}. Delete that with DeleteApp first.",
                    owner.arn(scope, &domain),
                    input.app_type,
                    it.arn(scope),
                    it.status.0
                )));
            }
            _ => {}
        }
    }
    // A space and a user profile of one name share the ARNs of their apps, and so their tags.
    let (name, incarnation) = (owner.name().to_owned(), String::new());
    let namesake = if owner.is_space() {
        Owner::Profile { name, incarnation }
    } else {
        Owner::Space { name, incarnation }
    };
    let taken =
        |it: &AppRecord| it.deleted.is_none() && it.is_named(input.app_type, &input.app_name);
    if space_records::apps_of(state, scope, &domain, &namesake)?.iter().any(taken) {
        let kind = if owner.is_space() { "user profile" } else { "space" };
        return Err(in_use(format!(
            "The {kind} of the same name has an App with the same ARN: [{arn}]. Use a different \
             AppName."
        )));
    }
    Ok(failed)
}

/// The role that the app runs with (SPEC R0.2).
fn execution_role(
    state: &dyn Read,
    scope: &Scope,
    domain: &DomainRecord,
    defaults: &Defaults,
    owner: &Owner,
    now: Time,
) -> Result<String, Fault> {
    let Some(role) = defaults.execution_role() else {
        return Err(validation(format!(
            "[{}] has no execution role: set ExecutionRole in the UserSettings of the user profile, or \
             in the DefaultUserSettings or DefaultSpaceSettings of the domain.",
            owner.arn(scope, &domain.id)
        )));
    };
    if !neighbours::trusts_sagemaker(state, scope, role, &domain.id.arn(scope), now)? {
        return Err(validation(format!(
            "Could not assume role {role}. Please ensure that the role exists and allows principal \
             'sagemaker.amazonaws.com' to assume the role."
        )));
    }
    Ok(role.clone())
}

fn check_limit(
    state: &dyn Read,
    scope: &Scope,
    app_type: AppType,
    instance_type: &str,
) -> Result<(), Fault> {
    let prefix = (scope.account.as_str(), scope.region.as_str());
    let running = |it: &AppRecord| {
        it.is_alive() && it.app_type.0 == app_type && it.instance_type == instance_type
    };
    let found = APPS.scan(state, &prefix, None, usize::MAX)?;
    let used = found.iter().filter(|(_, it)| running(it)).count();
    if used < RUNNING_APPS {
        return Ok(());
    }
    let name = format!("Studio {app_type} Apps running on {instance_type} instance");
    Err(over_limit(&name, "Apps", RUNNING_APPS, used))
}

/// The script of a lifecycle configuration, in base64. It is kept with the app, which may have to be
/// started again when the configuration is gone.
fn script_of(
    state: &dyn Read,
    scope: &Scope,
    app_type: AppType,
    arn: Option<&String>,
) -> Result<Option<String>, Fault> {
    let Some(arn) = arn else { return Ok(None) };
    let of_kind = StudioLifecycleConfigAppType::from_str(app_type.as_str()).ok();
    studio_lifecycle::check(state, scope, arn, of_kind)?;
    let script = studio_lifecycle::lifecycle_script(state, scope, arn)?;
    Ok(script.map(|it| STANDARD.encode(it)))
}

/// Why an app cannot be run here at all, in words for its `FailureReason`.
fn cannot_run(app_type: AppType, space: Option<&SpaceRecord>) -> Option<String> {
    if !RUN.contains(&app_type) {
        let kinds = RUN.map(AppType::as_str).join(", ");
        return Some(format!(
            "Apps of type {app_type} cannot be run here; those that can are {kinds}."
        ));
    }
    let mounts = space?.settings.0.custom_file_systems.as_deref().unwrap_or_default();
    (!mounts.is_empty()).then(|| {
        "The space's CustomFileSystems cannot be mounted here. Take them from the space with \
         UpdateSpace and create the app anew."
            .to_owned()
    })
}

/// The tags of a new app: those of its domain and user profile, which apps always get (SageMaker API,
/// CreateDomain and CreateUserProfile, `Tags`), those of its space where the domain's `TagPropagation`
/// is ENABLED, and over all of them the request's.
fn inherited(
    state: &dyn Read,
    scope: &Scope,
    domain: &DomainRecord,
    profile: Option<&ProfileRecord>,
    space: Option<&SpaceRecord>,
    own: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, Fault> {
    let mut sources = vec![domain.id.arn(scope)];
    sources.extend(profile.map(|it| profile_arn(scope, &domain.id, &it.name)));
    let propagates = domain.tag_propagation.0 == TagPropagation::Enabled;
    sources.extend(space.filter(|_| propagates).map(|it| it.arn(scope)));
    let mut tags = BTreeMap::new();
    for arn in sources {
        let of_source = records::tags(state, scope, &arn)?;
        tags.extend(of_source.into_iter().filter(|(key, _)| tagging::check_key(key).is_ok()));
    }
    // Where they are too many together, those of the request go first.
    let room = tagging::TAGS_PER_RESOURCE.saturating_sub(own.len());
    tags.retain(|key, _| !own.contains_key(key));
    let mut tags: BTreeMap<String, String> = tags.into_iter().take(room).collect();
    tags.extend(own);
    Ok(tags)
}
