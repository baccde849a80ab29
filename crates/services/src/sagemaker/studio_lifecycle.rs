//! Lifecycle configurations of Studio: CreateStudioLifecycleConfig, DescribeStudioLifecycleConfig,
//! ListStudioLifecycleConfigs, DeleteStudioLifecycleConfig, and the script of one for the app that
//! runs it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sagegate_api::Unit;
use sagegate_api::sagemaker::{
    CreateStudioLifecycleConfigRequest, CreateStudioLifecycleConfigResponse,
    DeleteStudioLifecycleConfigRequest, DescribeStudioLifecycleConfigRequest,
    DescribeStudioLifecycleConfigResponse, ListStudioLifecycleConfigsRequest,
    ListStudioLifecycleConfigsResponse, SortOrder, StudioLifecycleConfigAppType,
    StudioLifecycleConfigDetails, StudioLifecycleConfigSortKey,
};
use sagegate_gate::env::Time;
use sagegate_gate::{Access, Authorized, Call, Fault, Need, Needs, Operation, Scope};
use sagegate_model::Shape;
use sagegate_store::{Read, Record, Table, Tx};
use serde::{Deserialize, Serialize};

use super::faults::{associated, validation};
use super::listing::{Bounds, Page, contains};
use super::named::{self, Named, Names};
use super::records::{self, DOMAINS, PROFILES};
use super::shapes::{Word, texts};
use super::space_records::{APPS, SPACES};
use super::tagging;

/// Lifecycle configurations by `(account, region, name in lower case)`.
pub const CONFIGS: Table<(String, String, String), StudioLifecycleConfigRecord> =
    Table::new("sagemaker.studio-lifecycle-config");

/// What settings have in place of an ARN to say that there is none (SageMaker API, pattern of
/// `StudioLifecycleConfigArn`).
pub(super) const NONE: &str = "None";

/// A lifecycle configuration. It never changes (SageMaker API, `LastModifiedTime`).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StudioLifecycleConfigRecord {
    /// The name as spelled at its making.
    pub name: String,
    /// When it was made.
    pub created: Time,
    /// The script as the request has it, in base64.
    pub content: String,
    /// What kind of app runs it.
    pub app_type: Word<StudioLifecycleConfigAppType>,
}

impl Record for StudioLifecycleConfigRecord {}

impl Named for StudioLifecycleConfigRecord {
    const TABLE: Names<Self> = CONFIGS;
    const KIND: &'static str = "StudioLifecycleConfig";
    const PATH: &'static str = "studio-lifecycle-config";
    const LOWER: bool = false;

    fn name(&self) -> &str {
        &self.name
    }
}

/// The script of a base64 member of a request, which must not be empty.
///
/// # Errors
/// `ValidationException` naming the member.
pub(super) fn script_of(member: &str, content: &str) -> Result<Vec<u8>, Fault> {
    let script = STANDARD.decode(content.trim_ascii_end()).map_err(|cause| {
        validation(format!("{member} must be the script encoded in base64: {cause}."))
    })?;
    if script.is_empty() {
        return Err(validation(format!("{member} must not be empty.")));
    }
    Ok(script)
}

/// The script of the lifecycle configuration of this ARN, for the app that is to run it: bytes of a
/// shell script. Nothing for the word `None`, and for an ARN that no configuration of this account
/// and region has.
///
/// # Errors
/// A [`Fault`] of the store, or internal where the stored content is not base64.
pub fn lifecycle_script(
    state: &dyn Read,
    scope: &Scope,
    arn: &str,
) -> Result<Option<Vec<u8>>, Fault> {
    let found = named::of_arn::<StudioLifecycleConfigRecord>(state, scope, arn)?;
    let script = found.map(|it| script_of("StudioLifecycleConfigContent", &it.content));
    script.transpose().map_err(|fault| Fault::internal(fault.message))
}

/// Whether a lifecycle configuration that settings name is there, and is for this kind of app where
/// that is known.
///
/// # Errors
/// `ValidationException` naming it.
pub(super) fn check(
    state: &dyn Read,
    scope: &Scope,
    arn: &str,
    app_type: Option<StudioLifecycleConfigAppType>,
) -> Result<(), Fault> {
    if arn == NONE {
        return Ok(());
    }
    let Some(config) = named::of_arn::<StudioLifecycleConfigRecord>(state, scope, arn)? else {
        return Err(validation(format!("The StudioLifecycleConfig [{arn}] does not exist.")));
    };
    match app_type {
        Some(wanted) if wanted != config.app_type.0 => Err(validation(format!(
            "The StudioLifecycleConfig [{arn}] is for apps of type {}, and cannot be used by apps of \
             type {wanted}.",
            config.app_type.0
        ))),
        _ => Ok(()),
    }
}

/// Whether settings name a lifecycle configuration.
pub(super) fn names<T: Shape>(settings: &T, arn: &str) -> bool {
    texts(settings).iter().any(|it| it.shape == "StudioLifecycleConfigArn" && it.text == arn)
}

/// Refuses to go on while settings of a domain, user profile or space name a lifecycle configuration,
/// or an app runs with it (SageMaker API, DeleteStudioLifecycleConfig).
fn check_unused(state: &dyn Read, scope: &Scope, arn: &str) -> Result<(), Fault> {
    let within = (scope.account.as_str(), scope.region.as_str());
    let used = |by: &'static str| associated("StudioLifecycleConfig", arn, by);
    for (_, domain) in DOMAINS.scan(state, &within, None, usize::MAX)? {
        let spaces = domain.default_space_settings.as_ref();
        if names(&domain.default_user_settings.0, arn)
            || spaces.is_some_and(|it| names(&it.0, arn))
            || domain.domain_settings.as_ref().is_some_and(|it| names(&it.0, arn))
        {
            return Err(used("Domain"));
        }
    }
    for (_, profile) in PROFILES.scan(state, &within, None, usize::MAX)? {
        if profile.settings.is_some_and(|it| names(&it.0, arn)) {
            return Err(used("UserProfile"));
        }
    }
    for (_, space) in SPACES.scan(state, &within, None, usize::MAX)? {
        if names(&space.settings.0, arn) {
            return Err(used("Space"));
        }
    }
    for (_, app) in APPS.scan(state, &within, None, usize::MAX)? {
        let built_in = app.built_in_lifecycle_config.as_deref() == Some(arn);
        if app.is_alive() && (built_in || names(&app.spec.0, arn)) {
            return Err(used("App"));
        }
    }
    Ok(())
}

fn need(action: &'static str, state: &dyn Read, scope: &Scope, name: &str) -> Result<Need, Fault> {
    named::need::<StudioLifecycleConfigRecord>(action, state, scope, name)
}

/// Makes a lifecycle configuration.
#[derive(Debug)]
pub struct CreateStudioLifecycleConfig;

impl Operation for CreateStudioLifecycleConfig {
    type Input = CreateStudioLifecycleConfigRequest;
    type Output = CreateStudioLifecycleConfigResponse;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "CreateStudioLifecycleConfig";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        let (input, tags) = (call.input, call.input.tags.as_deref());
        let arn = named::arn::<StudioLifecycleConfigRecord>(
            call.scope,
            &input.studio_lifecycle_config_name,
        );
        let need = Need::on("sagemaker:CreateStudioLifecycleConfig", arn.clone())
            .request_tags(tagging::pairs(tags));
        Ok(tagging::and_add_tags(need.into(), Self::NAME, &arn, tags))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        let name = &input.studio_lifecycle_config_name;
        let tags = tagging::checked(input.tags.as_deref())?;
        script_of("StudioLifecycleConfigContent", &input.studio_lifecycle_config_content)?;
        named::check_free::<StudioLifecycleConfigRecord>(tx, scope, name)?;
        let record = StudioLifecycleConfigRecord {
            name: name.clone(),
            created: call.now,
            content: input.studio_lifecycle_config_content.clone(),
            app_type: Word(input.studio_lifecycle_config_app_type),
        };
        named::put(tx, scope, &record)?;
        let arn = record.arn(scope);
        records::put_tags(tx, scope, &arn, tags)?;
        Ok(CreateStudioLifecycleConfigResponse { studio_lifecycle_config_arn: Some(arn) })
    }
}

/// Tells about a lifecycle configuration.
#[derive(Debug)]
pub struct DescribeStudioLifecycleConfig;

impl Operation for DescribeStudioLifecycleConfig {
    type Input = DescribeStudioLifecycleConfigRequest;
    type Output = DescribeStudioLifecycleConfigResponse;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "DescribeStudioLifecycleConfig";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let name = &call.input.studio_lifecycle_config_name;
        Ok(need("sagemaker:DescribeStudioLifecycleConfig", state, call.scope, name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let name = &call.input.studio_lifecycle_config_name;
        let record: StudioLifecycleConfigRecord = named::require(tx, call.scope, name)?;
        Ok(DescribeStudioLifecycleConfigResponse {
            studio_lifecycle_config_arn: Some(record.arn(call.scope)),
            studio_lifecycle_config_name: Some(record.name),
            creation_time: Some(record.created.into()),
            last_modified_time: Some(record.created.into()),
            studio_lifecycle_config_content: Some(record.content),
            studio_lifecycle_config_app_type: Some(record.app_type.0),
        })
    }
}

/// Lists lifecycle configurations.
#[derive(Debug)]
pub struct ListStudioLifecycleConfigs;

impl Operation for ListStudioLifecycleConfigs {
    type Input = ListStudioLifecycleConfigsRequest;
    type Output = ListStudioLifecycleConfigsResponse;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "ListStudioLifecycleConfigs";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        let action = "sagemaker:ListStudioLifecycleConfigs";
        Ok(named::need_list::<StudioLifecycleConfigRecord>(action, call.scope).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        let created = Bounds::inclusive(input.creation_time_after, input.creation_time_before);
        // "Created on or before", but "modified before": of what never changes both are one time.
        let modified = Bounds::exclusive(input.modified_time_after, input.modified_time_before);
        let found =
            named::all::<StudioLifecycleConfigRecord>(tx, scope)?.into_iter().filter(|it| {
                contains(&it.name, input.name_contains.as_deref())
                    && input.app_type_equals.is_none_or(|wanted| wanted == it.app_type.0)
                    && created.hold(it.created)
                    && modified.hold(it.created)
            });
        let by_name = input.sort_by == Some(StudioLifecycleConfigSortKey::Name);
        let page = Page {
            descending: input.sort_order != Some(SortOrder::Ascending),
            token: input.next_token.as_deref(),
            limit: input.max_results,
        };
        let (found, next_token) = page.of(found, |it| {
            let time = if by_name { 0 } else { it.created.millis() };
            (time, it.name.to_ascii_lowercase())
        })?;
        let configs = found.into_iter().map(|it| StudioLifecycleConfigDetails {
            studio_lifecycle_config_arn: Some(it.arn(scope)),
            studio_lifecycle_config_name: Some(it.name),
            creation_time: Some(it.created.into()),
            last_modified_time: Some(it.created.into()),
            studio_lifecycle_config_app_type: Some(it.app_type.0),
        });
        let studio_lifecycle_configs = Some(configs.collect());
        Ok(ListStudioLifecycleConfigsResponse { next_token, studio_lifecycle_configs })
    }
}

/// Deletes a lifecycle configuration that nothing names.
#[derive(Debug)]
pub struct DeleteStudioLifecycleConfig;

impl Operation for DeleteStudioLifecycleConfig {
    type Input = DeleteStudioLifecycleConfigRequest;
    type Output = Unit;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "DeleteStudioLifecycleConfig";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let name = &call.input.studio_lifecycle_config_name;
        Ok(need("sagemaker:DeleteStudioLifecycleConfig", state, call.scope, name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let name = &call.input.studio_lifecycle_config_name;
        let record: StudioLifecycleConfigRecord = named::require(tx, call.scope, name)?;
        check_unused(tx, call.scope, &record.arn(call.scope))?;
        named::delete(tx, call.scope, &record)?;
        Ok(Unit)
    }
}
