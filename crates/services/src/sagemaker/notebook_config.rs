//! Lifecycle configurations of notebook instances: CreateNotebookInstanceLifecycleConfig,
//! DescribeNotebookInstanceLifecycleConfig, UpdateNotebookInstanceLifecycleConfig,
//! ListNotebookInstanceLifecycleConfigs, DeleteNotebookInstanceLifecycleConfig.

use sagegate_api::Unit;
use sagegate_api::sagemaker::{
    CreateNotebookInstanceLifecycleConfigInput, CreateNotebookInstanceLifecycleConfigOutput,
    DeleteNotebookInstanceLifecycleConfigInput, DescribeNotebookInstanceLifecycleConfigInput,
    DescribeNotebookInstanceLifecycleConfigOutput, ListNotebookInstanceLifecycleConfigsInput,
    ListNotebookInstanceLifecycleConfigsOutput, NotebookInstanceLifecycleConfigSortKey,
    NotebookInstanceLifecycleConfigSortOrder, NotebookInstanceLifecycleConfigSummary,
    NotebookInstanceLifecycleHook, UpdateNotebookInstanceLifecycleConfigInput,
    UpdateNotebookInstanceLifecycleConfigOutput,
};
use sagegate_gate::env::Time;
use sagegate_gate::{Access, Authorized, Call, Fault, Need, Needs, Operation, Scope};
use sagegate_store::{Read, Record, Table, Tx};
use serde::{Deserialize, Serialize};

use super::faults::validation;
use super::listing::{Bounds, Page, contains};
use super::named::{self, Named, Names};
use super::notebook_records::NotebookRecord;
use super::records;
use super::studio_lifecycle::script_of;
use super::tagging;

/// Lifecycle configurations by `(account, region, name in lower case)`.
pub const CONFIGS: Table<(String, String, String), NotebookConfigRecord> =
    Table::new("sagemaker.notebook-config");

/// A lifecycle configuration of notebook instances.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NotebookConfigRecord {
    /// The name as spelled at its making.
    pub name: String,
    /// When it was made.
    pub created: Time,
    /// When it was last changed.
    pub modified: Time,
    /// The script that runs when an instance is made, in base64.
    #[serde(default)]
    pub on_create: Option<String>,
    /// The script that runs whenever an instance starts, in base64.
    #[serde(default)]
    pub on_start: Option<String>,
}

impl Record for NotebookConfigRecord {}

impl Named for NotebookConfigRecord {
    const TABLE: Names<Self> = CONFIGS;
    const KIND: &'static str = "NotebookInstanceLifecycleConfig";
    const PATH: &'static str = "notebook-instance-lifecycle-config";
    const LOWER: bool = true;

    fn name(&self) -> &str {
        &self.name
    }
}

/// `Unable to … Notebook Instance Lifecycle Config …`, as SageMaker begins all errors about them.
fn unable(verb: &str, scope: &Scope, name: &str, details: &str) -> Fault {
    let arn = named::arn::<NotebookConfigRecord>(scope, name);
    validation(format!(
        "Unable to {verb} Notebook Instance Lifecycle Config '{arn}'. (Details: Notebook Instance \
         Lifecycle Config {details}.)"
    ))
}

/// The configuration of this name.
///
/// # Errors
/// `ValidationException`.
pub(super) fn require(
    verb: &str,
    state: &dyn Read,
    scope: &Scope,
    name: &str,
) -> Result<NotebookConfigRecord, Fault> {
    let found = named::find::<NotebookConfigRecord>(state, scope, name)?;
    found.ok_or_else(|| unable(verb, scope, name, "does not exist"))
}

fn need(action: &'static str, state: &dyn Read, scope: &Scope, name: &str) -> Result<Need, Fault> {
    named::need::<NotebookConfigRecord>(action, state, scope, name)
}

/// The script of a member of a request: a list of at most one hook.
///
/// # Errors
/// `ValidationException` naming the member.
fn hook(
    member: &str,
    hooks: Option<&[NotebookInstanceLifecycleHook]>,
) -> Result<Option<String>, Fault> {
    let content = hooks.and_then(<[_]>::first).and_then(|it| it.content.as_ref());
    if let Some(content) = content {
        script_of(&format!("{member}[0].Content"), content)?;
    }
    Ok(content.cloned())
}

fn answered(script: Option<String>) -> Vec<NotebookInstanceLifecycleHook> {
    script.into_iter().map(|it| NotebookInstanceLifecycleHook { content: Some(it) }).collect()
}

/// Makes a lifecycle configuration.
#[derive(Debug)]
pub struct CreateNotebookInstanceLifecycleConfig;

impl Operation for CreateNotebookInstanceLifecycleConfig {
    type Input = CreateNotebookInstanceLifecycleConfigInput;
    type Output = CreateNotebookInstanceLifecycleConfigOutput;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "CreateNotebookInstanceLifecycleConfig";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        let (input, tags) = (call.input, call.input.tags.as_deref());
        let name = &input.notebook_instance_lifecycle_config_name;
        let arn = named::arn::<NotebookConfigRecord>(call.scope, name);
        let action = "sagemaker:CreateNotebookInstanceLifecycleConfig";
        let need = Need::on(action, arn.clone()).request_tags(tagging::pairs(tags));
        Ok(tagging::and_add_tags(need.into(), Self::NAME, &arn, tags))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        let name = &input.notebook_instance_lifecycle_config_name;
        let tags = tagging::checked(input.tags.as_deref())?;
        if named::find::<NotebookConfigRecord>(tx, scope, name)?.is_some() {
            return Err(unable("create", scope, name, "already exists"));
        }
        let record = NotebookConfigRecord {
            name: name.clone(),
            created: call.now,
            modified: call.now,
            on_create: hook("OnCreate", input.on_create.as_deref())?,
            on_start: hook("OnStart", input.on_start.as_deref())?,
        };
        named::put(tx, scope, &record)?;
        let arn = record.arn(scope);
        records::put_tags(tx, scope, &arn, tags)?;
        Ok(CreateNotebookInstanceLifecycleConfigOutput {
            notebook_instance_lifecycle_config_arn: Some(arn),
        })
    }
}

/// Tells about a lifecycle configuration.
#[derive(Debug)]
pub struct DescribeNotebookInstanceLifecycleConfig;

impl Operation for DescribeNotebookInstanceLifecycleConfig {
    type Input = DescribeNotebookInstanceLifecycleConfigInput;
    type Output = DescribeNotebookInstanceLifecycleConfigOutput;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "DescribeNotebookInstanceLifecycleConfig";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let name = &call.input.notebook_instance_lifecycle_config_name;
        let action = "sagemaker:DescribeNotebookInstanceLifecycleConfig";
        Ok(need(action, state, call.scope, name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let name = &call.input.notebook_instance_lifecycle_config_name;
        let record = require("describe", tx, call.scope, name)?;
        Ok(DescribeNotebookInstanceLifecycleConfigOutput {
            notebook_instance_lifecycle_config_arn: Some(record.arn(call.scope)),
            notebook_instance_lifecycle_config_name: Some(record.name),
            on_create: Some(answered(record.on_create)),
            on_start: Some(answered(record.on_start)),
            last_modified_time: Some(record.modified.into()),
            creation_time: Some(record.created.into()),
        })
    }
}

/// Changes a lifecycle configuration: a script that is given takes the place of that which was there,
/// and an empty list takes it away. Instances run the scripts as they are at their next start.
#[derive(Debug)]
pub struct UpdateNotebookInstanceLifecycleConfig;

impl Operation for UpdateNotebookInstanceLifecycleConfig {
    type Input = UpdateNotebookInstanceLifecycleConfigInput;
    type Output = UpdateNotebookInstanceLifecycleConfigOutput;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "UpdateNotebookInstanceLifecycleConfig";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let name = &call.input.notebook_instance_lifecycle_config_name;
        let action = "sagemaker:UpdateNotebookInstanceLifecycleConfig";
        Ok(need(action, state, call.scope, name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        let name = &input.notebook_instance_lifecycle_config_name;
        let mut record = require("update", tx, scope, name)?;
        if input.on_create.is_some() {
            record.on_create = hook("OnCreate", input.on_create.as_deref())?;
        }
        if input.on_start.is_some() {
            record.on_start = hook("OnStart", input.on_start.as_deref())?;
        }
        record.modified = call.now;
        named::put(tx, scope, &record)?;
        Ok(UpdateNotebookInstanceLifecycleConfigOutput {})
    }
}

/// Lists lifecycle configurations.
#[derive(Debug)]
pub struct ListNotebookInstanceLifecycleConfigs;

impl Operation for ListNotebookInstanceLifecycleConfigs {
    type Input = ListNotebookInstanceLifecycleConfigsInput;
    type Output = ListNotebookInstanceLifecycleConfigsOutput;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "ListNotebookInstanceLifecycleConfigs";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        let action = "sagemaker:ListNotebookInstanceLifecycleConfigs";
        Ok(named::need_list::<NotebookConfigRecord>(action, call.scope).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        use NotebookInstanceLifecycleConfigSortKey as By;
        let (input, scope) = (call.input, call.scope);
        let created = Bounds::exclusive(input.creation_time_after, input.creation_time_before);
        let modified =
            Bounds::exclusive(input.last_modified_time_after, input.last_modified_time_before);
        let found = named::all::<NotebookConfigRecord>(tx, scope)?.into_iter().filter(|it| {
            contains(&it.name, input.name_contains.as_deref())
                && created.hold(it.created)
                && modified.hold(it.modified)
        });
        let by = input.sort_by.unwrap_or(By::CreationTime);
        let page = Page {
            descending: input.sort_order
                == Some(NotebookInstanceLifecycleConfigSortOrder::Descending),
            token: input.next_token.as_deref(),
            limit: input.max_results,
        };
        let (found, next_token) = page.of(found, |it| {
            let time = match by {
                By::CreationTime => it.created.millis(),
                By::LastModifiedTime => it.modified.millis(),
                By::Name => 0,
            };
            (time, it.name.to_ascii_lowercase())
        })?;
        let configs = found.into_iter().map(|it| NotebookInstanceLifecycleConfigSummary {
            notebook_instance_lifecycle_config_arn: Some(it.arn(scope)),
            notebook_instance_lifecycle_config_name: Some(it.name),
            creation_time: Some(it.created.into()),
            last_modified_time: Some(it.modified.into()),
        });
        let notebook_instance_lifecycle_configs = Some(configs.collect());
        Ok(ListNotebookInstanceLifecycleConfigsOutput {
            next_token,
            notebook_instance_lifecycle_configs,
        })
    }
}

/// Deletes a lifecycle configuration that no notebook instance has.
#[derive(Debug)]
pub struct DeleteNotebookInstanceLifecycleConfig;

impl Operation for DeleteNotebookInstanceLifecycleConfig {
    type Input = DeleteNotebookInstanceLifecycleConfigInput;
    type Output = Unit;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "DeleteNotebookInstanceLifecycleConfig";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let name = &call.input.notebook_instance_lifecycle_config_name;
        let action = "sagemaker:DeleteNotebookInstanceLifecycleConfig";
        Ok(need(action, state, call.scope, name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let scope = call.scope;
        let name = &call.input.notebook_instance_lifecycle_config_name;
        let record = require("delete", tx, scope, name)?;
        let has = |it: &NotebookRecord| {
            it.lifecycle_config.as_ref().is_some_and(|it| it.eq_ignore_ascii_case(name))
        };
        if let Some(notebook) = named::all::<NotebookRecord>(tx, scope)?.iter().find(|it| has(it)) {
            let details = format!("is associated with Notebook Instance {}", notebook.arn(scope));
            return Err(unable("delete", scope, name, &details));
        }
        named::delete(tx, scope, &record)?;
        Ok(Unit)
    }
}
