//! What a space or user profile gives its apps: the settings of the owner or the domain, under those of
//! the space, under those of the request.

use sagegate_api::sagemaker::{
    AppType, CustomFileSystemConfig, DefaultEbsStorageSettings, IdleSettings, LifecycleManagement,
    ResourceSpec, SpaceSettings, UserSettings,
};
use sagegate_gate::{Fault, Scope};
use sagegate_store::Read;

use super::ids::DomainId;
use super::records::{self, DomainRecord, ProfileRecord};
use super::settings;
use super::space_records::{self, SpaceRecord};

/// The size of a space's volume where nobody has chosen, in GiB (SageMaker Developer Guide, "Studio
/// spaces").
const VOLUME: i32 = 5;

/// Settings that are laid under those of a space or of a request.
#[derive(Debug)]
pub(super) struct Defaults {
    settings: UserSettings,
}

/// Defaults for one kind of app.
#[derive(Debug, Default)]
struct OfKind<'a> {
    spec: Option<&'a ResourceSpec>,
    idle: Option<&'a IdleSettings>,
    built_in: Option<&'a String>,
}

impl Defaults {
    /// What a user profile's own apps and private spaces have: the profile's settings over its
    /// domain's `DefaultUserSettings`.
    pub(super) fn of_profile(
        domain: &DomainRecord,
        profile: &ProfileRecord,
    ) -> Result<Self, Fault> {
        Ok(Self { settings: settings::effective(domain, profile)? })
    }

    /// What shared spaces have: the domain's `DefaultSpaceSettings`, which have fewer members, and
    /// the execution role of `DefaultUserSettings` where they name none (SPEC R0.2).
    pub(super) fn of_shared(domain: &DomainRecord) -> Self {
        let users = &domain.default_user_settings.0;
        let spaces = domain.default_space_settings.as_ref().map(|it| it.0.clone());
        let spaces = spaces.unwrap_or_default();
        Self {
            settings: UserSettings {
                execution_role: spaces.execution_role.or_else(|| users.execution_role.clone()),
                security_groups: spaces.security_groups,
                jupyter_server_app_settings: spaces.jupyter_server_app_settings,
                kernel_gateway_app_settings: spaces.kernel_gateway_app_settings,
                jupyter_lab_app_settings: spaces.jupyter_lab_app_settings,
                space_storage_settings: spaces.space_storage_settings,
                custom_file_system_configs: spaces.custom_file_system_configs,
                ..UserSettings::default()
            },
        }
    }

    /// What the apps of a space have.
    ///
    /// # Errors
    /// A [`Fault`] of the store, or internal where a private space's owner is gone.
    pub(super) fn of_space(
        state: &dyn Read,
        scope: &Scope,
        domain: &DomainRecord,
        space: &SpaceRecord,
    ) -> Result<Self, Fault> {
        match space.private_to() {
            None => Ok(Self::of_shared(domain)),
            Some(owner) => {
                let profile = records::profile(state, scope, &domain.id, owner)?
                    .ok_or_else(|| Fault::internal("the owner of a space is gone"))?;
                Self::of_profile(domain, &profile)
            }
        }
    }

    /// All of them.
    pub(super) fn settings(&self) -> &UserSettings {
        &self.settings
    }

    pub(super) fn execution_role(&self) -> Option<&String> {
        self.settings.execution_role.as_ref()
    }

    /// The security groups of the network interfaces of apps.
    pub(super) fn security_groups(&self) -> &[String] {
        self.settings.security_groups.as_deref().unwrap_or_default()
    }

    /// The file systems that spaces may mount.
    pub(super) fn file_systems(&self) -> &[CustomFileSystemConfig] {
        self.settings.custom_file_system_configs.as_deref().unwrap_or_default()
    }

    /// The sizes that volumes have and may have.
    pub(super) fn storage(&self) -> Option<&DefaultEbsStorageSettings> {
        self.settings.space_storage_settings.as_ref()?.default_ebs_storage_settings.as_ref()
    }

    fn of_kind(&self, app_type: AppType) -> OfKind<'_> {
        let it = &self.settings;
        match app_type {
            AppType::JupyterServer => OfKind {
                spec: it
                    .jupyter_server_app_settings
                    .as_ref()
                    .and_then(|it| it.default_resource_spec.as_ref()),
                ..OfKind::default()
            },
            AppType::KernelGateway => OfKind {
                spec: it
                    .kernel_gateway_app_settings
                    .as_ref()
                    .and_then(|it| it.default_resource_spec.as_ref()),
                ..OfKind::default()
            },
            AppType::JupyterLab => {
                it.jupyter_lab_app_settings.as_ref().map_or_else(OfKind::default, |it| OfKind {
                    spec: it.default_resource_spec.as_ref(),
                    idle: it
                        .app_lifecycle_management
                        .as_ref()
                        .and_then(|it| it.idle_settings.as_ref()),
                    built_in: it.built_in_lifecycle_config_arn.as_ref(),
                })
            }
            AppType::CodeEditor => {
                it.code_editor_app_settings.as_ref().map_or_else(OfKind::default, |it| OfKind {
                    spec: it.default_resource_spec.as_ref(),
                    idle: it
                        .app_lifecycle_management
                        .as_ref()
                        .and_then(|it| it.idle_settings.as_ref()),
                    built_in: it.built_in_lifecycle_config_arn.as_ref(),
                })
            }
            _ => OfKind::default(),
        }
    }

    /// The idle settings of this kind of app, where the administrator has switched idle shutdown on.
    pub(super) fn idle(&self, app_type: AppType) -> Option<&IdleSettings> {
        let on = |it: &&IdleSettings| it.lifecycle_management == Some(LifecycleManagement::Enabled);
        self.of_kind(app_type).idle.filter(on)
    }

    /// The lifecycle configuration that runs before the one that users choose.
    pub(super) fn built_in_lifecycle_config(&self, app_type: AppType) -> Option<&String> {
        self.of_kind(app_type).built_in
    }

    /// What an app runs on and with.
    ///
    /// # Errors
    /// An internal [`Fault`] if stored settings do not fit their shape.
    pub(super) fn spec(
        &self,
        app_type: AppType,
        space: Option<&SpaceSettings>,
        request: Option<&ResourceSpec>,
    ) -> Result<ResourceSpec, Fault> {
        let mut spec = self.of_kind(app_type).spec.cloned().unwrap_or_default();
        let of_space = space.and_then(|it| spec_of_space(it, app_type));
        for upper in [of_space, request].into_iter().flatten() {
            spec = laid_over(spec, upper)?;
        }
        Ok(spec)
    }

    /// After how many minutes without activity an app is shut down.
    pub(super) fn idle_minutes(
        &self,
        app_type: AppType,
        space: Option<&SpaceSettings>,
    ) -> Option<u32> {
        let idle = self.idle(app_type)?;
        let own = space.and_then(|it| idle_of_space(it, app_type));
        let minutes = own.or(idle.idle_timeout_in_minutes)?;
        u32::try_from(minutes).ok()
    }

    /// The size of a space's volume, in GiB.
    pub(super) fn volume_gb(&self, space: &SpaceSettings) -> i32 {
        let own = space.space_storage_settings.as_ref();
        let own = own.and_then(|it| it.ebs_storage_settings.as_ref());
        own.map(|it| it.ebs_volume_size_in_gb)
            .or_else(|| self.storage().map(|it| it.default_ebs_volume_size_in_gb))
            .unwrap_or(VOLUME)
    }
}

/// The image of the lower goes as a whole once the upper names one by whichever member.
fn laid_over(mut lower: ResourceSpec, upper: &ResourceSpec) -> Result<ResourceSpec, Fault> {
    if upper.sage_maker_image_arn.is_some() || upper.sage_maker_image_version_arn.is_some() {
        lower.sage_maker_image_arn = None;
        lower.sage_maker_image_version_arn = None;
        lower.sage_maker_image_version_alias = None;
    } else if upper.sage_maker_image_version_alias.is_some() {
        lower.sage_maker_image_version_arn = None;
    }
    settings::over(&lower, upper)
}

fn spec_of_space(settings: &SpaceSettings, app_type: AppType) -> Option<&ResourceSpec> {
    match app_type {
        AppType::JupyterServer => {
            settings.jupyter_server_app_settings.as_ref()?.default_resource_spec.as_ref()
        }
        AppType::KernelGateway => {
            settings.kernel_gateway_app_settings.as_ref()?.default_resource_spec.as_ref()
        }
        AppType::JupyterLab => {
            settings.jupyter_lab_app_settings.as_ref()?.default_resource_spec.as_ref()
        }
        AppType::CodeEditor => {
            settings.code_editor_app_settings.as_ref()?.default_resource_spec.as_ref()
        }
        _ => None,
    }
}

/// The idle timeout that a space's settings name for this kind of app, in minutes.
pub(super) fn idle_of_space(settings: &SpaceSettings, app_type: AppType) -> Option<i32> {
    let management = match app_type {
        AppType::JupyterLab => {
            settings.jupyter_lab_app_settings.as_ref()?.app_lifecycle_management.as_ref()
        }
        AppType::CodeEditor => {
            settings.code_editor_app_settings.as_ref()?.app_lifecycle_management.as_ref()
        }
        _ => None,
    };
    management?.idle_settings.as_ref()?.idle_timeout_in_minutes
}

/// The execution role of a space as it is now: that of its private owner, else of the domain's shared
/// spaces (SPEC R0.2). Nothing where there is no such space, or no role is set.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn role_of_space(
    state: &dyn Read,
    scope: &Scope,
    domain: &DomainId,
    name: &str,
) -> Result<Option<String>, Fault> {
    let Some(record) = records::domain(state, scope, domain)? else { return Ok(None) };
    let Some(space) = space_records::space(state, scope, domain, name)? else { return Ok(None) };
    Ok(Defaults::of_space(state, scope, &record, &space)?.execution_role().cloned())
}
