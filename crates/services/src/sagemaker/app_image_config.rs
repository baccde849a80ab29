//! AppImageConfigs, which say how a custom image runs: CreateAppImageConfig,
//! DescribeAppImageConfig, UpdateAppImageConfig, ListAppImageConfigs, DeleteAppImageConfig.

use sagegate_api::Unit;
use sagegate_api::sagemaker::{
    AppImageConfigDetails, AppImageConfigSortKey, CodeEditorAppImageConfig,
    CreateAppImageConfigRequest, CreateAppImageConfigResponse, DeleteAppImageConfigRequest,
    DescribeAppImageConfigRequest, DescribeAppImageConfigResponse, JupyterLabAppImageConfig,
    KernelGatewayImageConfig, ListAppImageConfigsRequest, ListAppImageConfigsResponse, SortOrder,
    UpdateAppImageConfigRequest, UpdateAppImageConfigResponse,
};
use sagegate_gate::env::Time;
use sagegate_gate::{Access, Authorized, Call, Fault, Need, Needs, Operation};
use sagegate_store::{Read, Record, Table, Tx};
use serde::{Deserialize, Serialize};

use super::faults::in_use;
use super::listing::{Bounds, Page, contains};
use super::named::{self, Named, Names};
use super::records;
use super::shapes::Stored;
use super::tagging;

/// AppImageConfigs by `(account, region, name in lower case)`.
pub const CONFIGS: Table<(String, String, String), AppImageConfigRecord> =
    Table::new("sagemaker.app-image-config");

/// How a custom image runs, for each kind of app.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AppImageConfigRecord {
    /// The name as spelled at its making.
    pub name: String,
    /// When it was made.
    pub created: Time,
    /// When it was last changed.
    pub modified: Time,
    /// As a KernelGateway app.
    #[serde(default)]
    pub kernel_gateway: Option<Stored<KernelGatewayImageConfig>>,
    /// As a JupyterLab app.
    #[serde(default)]
    pub jupyter_lab: Option<Stored<JupyterLabAppImageConfig>>,
    /// As a CodeEditor app.
    #[serde(default)]
    pub code_editor: Option<Stored<CodeEditorAppImageConfig>>,
}

impl Record for AppImageConfigRecord {}

impl Named for AppImageConfigRecord {
    const TABLE: Names<Self> = CONFIGS;
    const KIND: &'static str = "AppImageConfig";
    const PATH: &'static str = "app-image-config";
    const LOWER: bool = false;

    fn name(&self) -> &str {
        &self.name
    }
}

/// Makes an AppImageConfig.
#[derive(Debug)]
pub struct CreateAppImageConfig;

impl Operation for CreateAppImageConfig {
    type Input = CreateAppImageConfigRequest;
    type Output = CreateAppImageConfigResponse;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "CreateAppImageConfig";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        let (input, tags) = (call.input, call.input.tags.as_deref());
        let arn = named::arn::<AppImageConfigRecord>(call.scope, &input.app_image_config_name);
        let need = Need::on("sagemaker:CreateAppImageConfig", arn.clone())
            .request_tags(tagging::pairs(tags));
        Ok(tagging::and_add_tags(need.into(), Self::NAME, &arn, tags))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        let name = &input.app_image_config_name;
        let tags = tagging::checked(input.tags.as_deref())?;
        if named::find::<AppImageConfigRecord>(tx, scope, name)?.is_some() {
            return Err(in_use("The ID or Name specified is already in use."));
        }
        let record = AppImageConfigRecord {
            name: name.clone(),
            created: call.now,
            modified: call.now,
            kernel_gateway: input.kernel_gateway_image_config.clone().map(Stored),
            jupyter_lab: input.jupyter_lab_app_image_config.clone().map(Stored),
            code_editor: input.code_editor_app_image_config.clone().map(Stored),
        };
        named::put(tx, scope, &record)?;
        let arn = record.arn(scope);
        records::put_tags(tx, scope, &arn, tags)?;
        Ok(CreateAppImageConfigResponse { app_image_config_arn: Some(arn) })
    }
}

/// Tells about an AppImageConfig.
#[derive(Debug)]
pub struct DescribeAppImageConfig;

impl Operation for DescribeAppImageConfig {
    type Input = DescribeAppImageConfigRequest;
    type Output = DescribeAppImageConfigResponse;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "DescribeAppImageConfig";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (action, name) =
            ("sagemaker:DescribeAppImageConfig", &call.input.app_image_config_name);
        Ok(named::need::<AppImageConfigRecord>(action, state, call.scope, name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let name = &call.input.app_image_config_name;
        let record: AppImageConfigRecord = named::require(tx, call.scope, name)?;
        Ok(DescribeAppImageConfigResponse {
            app_image_config_arn: Some(record.arn(call.scope)),
            app_image_config_name: Some(record.name),
            creation_time: Some(record.created.into()),
            last_modified_time: Some(record.modified.into()),
            kernel_gateway_image_config: record.kernel_gateway.map(|it| it.0),
            jupyter_lab_app_image_config: record.jupyter_lab.map(|it| it.0),
            code_editor_app_image_config: record.code_editor.map(|it| it.0),
        })
    }
}

/// Changes an AppImageConfig: what is given for a kind of app takes the place of what it had.
#[derive(Debug)]
pub struct UpdateAppImageConfig;

impl Operation for UpdateAppImageConfig {
    type Input = UpdateAppImageConfigRequest;
    type Output = UpdateAppImageConfigResponse;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "UpdateAppImageConfig";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (action, name) = ("sagemaker:UpdateAppImageConfig", &call.input.app_image_config_name);
        Ok(named::need::<AppImageConfigRecord>(action, state, call.scope, name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        let mut record: AppImageConfigRecord =
            named::require(tx, scope, &input.app_image_config_name)?;
        if let Some(config) = &input.kernel_gateway_image_config {
            record.kernel_gateway = Some(Stored(config.clone()));
        }
        if let Some(config) = &input.jupyter_lab_app_image_config {
            record.jupyter_lab = Some(Stored(config.clone()));
        }
        if let Some(config) = &input.code_editor_app_image_config {
            record.code_editor = Some(Stored(config.clone()));
        }
        record.modified = call.now;
        named::put(tx, scope, &record)?;
        Ok(UpdateAppImageConfigResponse { app_image_config_arn: Some(record.arn(scope)) })
    }
}

/// Lists AppImageConfigs.
#[derive(Debug)]
pub struct ListAppImageConfigs;

impl Operation for ListAppImageConfigs {
    type Input = ListAppImageConfigsRequest;
    type Output = ListAppImageConfigsResponse;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "ListAppImageConfigs";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        let action = "sagemaker:ListAppImageConfigs";
        Ok(named::need_list::<AppImageConfigRecord>(action, call.scope).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        let created = Bounds::inclusive(input.creation_time_after, input.creation_time_before);
        let modified = Bounds::inclusive(input.modified_time_after, input.modified_time_before);
        let found = named::all::<AppImageConfigRecord>(tx, scope)?.into_iter().filter(|it| {
            contains(&it.name, input.name_contains.as_deref())
                && created.hold(it.created)
                && modified.hold(it.modified)
        });
        let by = input.sort_by.unwrap_or(AppImageConfigSortKey::CreationTime);
        let page = Page {
            descending: input.sort_order != Some(SortOrder::Ascending),
            token: input.next_token.as_deref(),
            limit: input.max_results,
        };
        let (found, next_token) = page.of(found, |it| {
            let time = match by {
                AppImageConfigSortKey::CreationTime => it.created.millis(),
                AppImageConfigSortKey::LastModifiedTime => it.modified.millis(),
                AppImageConfigSortKey::Name => 0,
            };
            (time, it.name.to_ascii_lowercase())
        })?;
        let configs = found.into_iter().map(|it| AppImageConfigDetails {
            app_image_config_arn: Some(it.arn(scope)),
            app_image_config_name: Some(it.name),
            creation_time: Some(it.created.into()),
            last_modified_time: Some(it.modified.into()),
            kernel_gateway_image_config: it.kernel_gateway.map(|it| it.0),
            jupyter_lab_app_image_config: it.jupyter_lab.map(|it| it.0),
            code_editor_app_image_config: it.code_editor.map(|it| it.0),
        });
        Ok(ListAppImageConfigsResponse { next_token, app_image_configs: Some(configs.collect()) })
    }
}

/// Deletes an AppImageConfig.
#[derive(Debug)]
pub struct DeleteAppImageConfig;

impl Operation for DeleteAppImageConfig {
    type Input = DeleteAppImageConfigRequest;
    type Output = Unit;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "DeleteAppImageConfig";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (action, name) = ("sagemaker:DeleteAppImageConfig", &call.input.app_image_config_name);
        Ok(named::need::<AppImageConfigRecord>(action, state, call.scope, name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let name = &call.input.app_image_config_name;
        let record: AppImageConfigRecord = named::require(tx, call.scope, name)?;
        named::delete(tx, call.scope, &record)?;
        Ok(Unit)
    }
}
