//! Which settings a space can have.

use sagegate_api::sagemaker::{
    AppType, CustomFileSystem, CustomFileSystemConfig, FeatureStatus, ResourceSpec, SpaceSettings,
};
use sagegate_gate::{Fault, Scope};
use sagegate_model::Shape;
use sagegate_store::Read;

use super::faults::validation;
use super::instances;
use super::settings::Given;
use super::shapes::texts;
use super::space_defaults::{Defaults, idle_of_space};
use super::studio_lifecycle;

/// The kinds of app that can be entered from outside (REMOTE-ACCESS 1).
pub(super) const ENTERED: [AppType; 2] = [AppType::JupyterLab, AppType::CodeEditor];

/// Whether a space can have these settings. `had` are those that it had, if it is there already, and
/// `given` what the request names: only that is held against what has to exist, since something that
/// the space has had may be gone, and would bar every other change.
///
/// # Errors
/// `ValidationException` naming the member and saying what to do.
pub(super) fn check(
    state: &dyn Read,
    scope: &Scope,
    defaults: &Defaults,
    now: &SpaceSettings,
    given: &SpaceSettings,
    had: Option<&SpaceSettings>,
) -> Result<(), Fault> {
    if let (Some(had), Some(new)) = (had, given.app_type)
        && had.app_type != Some(new)
    {
        return Err(validation(format!(
            "SpaceSettings.AppType cannot be changed to {new}: a space keeps the AppType that it was \
             created with. Create another space for apps of type {new}."
        )));
    }
    if given.space_managed_resources == Some(FeatureStatus::Enabled) {
        return Err(validation(
            "SpaceSettings.SpaceManagedResources cannot be ENABLED here: create the user profile with \
             CreateUserProfile and the app with CreateApp.",
        ));
    }
    if let (Some(app_type), Some(FeatureStatus::Enabled)) = (now.app_type, now.remote_access)
        && !ENTERED.contains(&app_type)
    {
        return Err(validation(format!(
            "SpaceSettings.RemoteAccess can be ENABLED only for spaces whose AppType is JupyterLab or \
             CodeEditor; this one's is {app_type}."
        )));
    }
    check_storage(defaults, now, had)?;
    check_idle(defaults, given)?;
    for file_system in given.custom_file_systems.as_deref().unwrap_or_default() {
        check_file_system(defaults.file_systems(), file_system)?;
    }
    for (app_type, spec) in specs(given) {
        if app_type == AppType::JupyterServer {
            instances::chosen(app_type, spec.instance_type.as_deref())?;
        }
    }
    check_named(state, scope, given)
}

fn specs(settings: &SpaceSettings) -> Vec<(AppType, &ResourceSpec)> {
    let it = settings;
    let server = it.jupyter_server_app_settings.as_ref();
    let gateway = it.kernel_gateway_app_settings.as_ref();
    let lab = it.jupyter_lab_app_settings.as_ref();
    let editor = it.code_editor_app_settings.as_ref();
    [
        (AppType::JupyterServer, server.and_then(|it| it.default_resource_spec.as_ref())),
        (AppType::KernelGateway, gateway.and_then(|it| it.default_resource_spec.as_ref())),
        (AppType::JupyterLab, lab.and_then(|it| it.default_resource_spec.as_ref())),
        (AppType::CodeEditor, editor.and_then(|it| it.default_resource_spec.as_ref())),
    ]
    .into_iter()
    .filter_map(|(app_type, spec)| Some((app_type, spec?)))
    .collect()
}

/// Volumes grow only, as EBS volumes do, and stay within what the administrator allows (SageMaker
/// API, `DefaultEbsStorageSettings`).
fn check_storage(
    defaults: &Defaults,
    now: &SpaceSettings,
    had: Option<&SpaceSettings>,
) -> Result<(), Fault> {
    let size = |it: &SpaceSettings| {
        let storage = it.space_storage_settings.as_ref()?;
        Some(storage.ebs_storage_settings.as_ref()?.ebs_volume_size_in_gb)
    };
    let Some(wanted) = size(now) else { return Ok(()) };
    let had_size = had.map(|it| defaults.volume_gb(it));
    if let Some(had) = had_size.filter(|had| wanted < *had) {
        return Err(validation(format!(
            "SpaceSettings.SpaceStorageSettings.EbsStorageSettings.EbsVolumeSizeInGb cannot be \
             decreased from {had} to {wanted}."
        )));
    }
    match defaults.storage().map(|it| it.maximum_ebs_volume_size_in_gb) {
        Some(most) if wanted > most && had_size != Some(wanted) => Err(validation(format!(
            "SpaceSettings.SpaceStorageSettings.EbsStorageSettings.EbsVolumeSizeInGb ({wanted}) is \
             greater than the MaximumEbsVolumeSizeInGb ({most}) of the user profile or domain."
        ))),
        _ => Ok(()),
    }
}

/// A space may choose its timeout where idle shutdown is switched on, between the administrator's
/// bounds (SageMaker API, `IdleSettings`).
fn check_idle(defaults: &Defaults, given: &SpaceSettings) -> Result<(), Fault> {
    for app_type in ENTERED {
        let Some(minutes) = idle_of_space(given, app_type) else { continue };
        let Some(idle) = defaults.idle(app_type) else {
            return Err(validation(format!(
                "IdleTimeoutInMinutes of {app_type}AppSettings can be set only where the \
                 AppLifecycleManagement of the user profile or domain has LifecycleManagement ENABLED \
                 for {app_type}."
            )));
        };
        let (least, most) = (idle.min_idle_timeout_in_minutes, idle.max_idle_timeout_in_minutes);
        if least.is_some_and(|it| minutes < it) || most.is_some_and(|it| minutes > it) {
            let bound =
                |it: Option<i32>| it.map_or_else(|| "unset".to_owned(), |it| it.to_string());
            return Err(validation(format!(
                "IdleTimeoutInMinutes ({minutes}) of {app_type}AppSettings must lie between \
                 MinIdleTimeoutInMinutes ({}) and MaxIdleTimeoutInMinutes ({}) of the user profile or \
                 domain.",
                bound(least),
                bound(most)
            )));
        }
    }
    Ok(())
}

/// A space mounts only what its user profile or domain lets it (SageMaker API,
/// `CustomFileSystemConfigs`).
fn check_file_system(
    allowed: &[CustomFileSystemConfig],
    wanted: &CustomFileSystem,
) -> Result<(), Fault> {
    let is_allowed = |it: &CustomFileSystemConfig| {
        let efs = it.efs_file_system_config.as_ref().map(|it| &it.file_system_id);
        let lustre = it.f_sx_lustre_file_system_config.as_ref().map(|it| &it.file_system_id);
        let s3 = it.s3_file_system_config.as_ref().map(|it| &it.s3_uri);
        let one = wanted.efs_file_system.as_ref().map(|it| &it.file_system_id);
        let two = wanted.f_sx_lustre_file_system.as_ref().map(|it| &it.file_system_id);
        let three = wanted.s3_file_system.as_ref().map(|it| &it.s3_uri);
        (one.is_some() && one == efs)
            || (two.is_some() && two == lustre)
            || (three.is_some() && three == s3)
    };
    if allowed.iter().any(is_allowed) {
        return Ok(());
    }
    let named = texts(wanted).into_iter().map(|it| it.text).collect::<Vec<_>>().join(", ");
    Err(validation(format!(
        "The file system [{named}] of SpaceSettings.CustomFileSystems is not among the \
         CustomFileSystemConfigs of the user profile or domain."
    )))
}

/// Whether what settings name for apps to run exists. Images of other accounts are taken as they are:
/// SageMaker's own lie in accounts of AWS (REMOTE-ACCESS 2.4).
///
/// # Errors
/// `ValidationException` naming it.
pub(super) fn check_named<T: Shape>(
    state: &dyn Read,
    scope: &Scope,
    given: &T,
) -> Result<(), Fault> {
    Given::default().and(Some(given)).check_named(state, scope)?;
    // There are no training plans here.
    let plan = texts(given).into_iter().find(|it| it.member == "TrainingPlanArn");
    match plan.filter(|it| it.text != studio_lifecycle::NONE) {
        Some(plan) => Err(validation(format!("The training plan [{}] does not exist.", plan.text))),
        None => Ok(()),
    }
}
