//! SageMaker: Studio domains, user profiles, spaces and apps, presigned URLs, the Studio door and
//! remote access.
//!
//! One file for an operation or a small family; [`records`] and [`space_records`] hold record types and
//! tables, [`lifecycle`] what happens after a call, [`workload`] what should run and what is seen of
//! it, [`studio`] the tokens and sessions behind a presigned URL, [`sessions`] those of remote access,
//! [`site`] the addresses of the public doors.

pub mod app_door;
pub mod app_image_config;
mod app_interfaces;
mod bearer;
pub mod create_app;
pub mod create_domain;
pub mod delete_app;
pub mod delete_domain;
mod faults;
pub mod ids;
pub mod image;
pub mod image_version;
pub mod image_versions;
pub mod instances;
pub mod lifecycle;
mod listing;
mod mount_targets;
mod named;
mod neighbours;
pub mod notebook;
pub mod notebook_config;
pub mod notebook_read;
pub mod notebook_records;
pub mod notebook_token;
pub mod notebook_workload;
mod own_calls;
pub mod presigned;
pub mod presigned_notebook;
pub mod read_app;
pub mod read_domain;
pub mod read_profile;
pub mod read_space;
pub mod records;
pub mod resource_work;
mod security_groups;
pub mod sessions;
mod settings;
pub mod shapes;
pub mod site;
pub mod space_defaults;
pub mod space_records;
mod space_rules;
pub mod start_session;
pub mod studio;
pub mod studio_lifecycle;
pub mod survey;
mod tagging;
pub mod tags;
#[cfg(test)]
mod tests;
pub mod update_domain;
pub mod workload;
pub mod write_profile;
pub mod write_space;

use sagegate_gate::Scope;
use sagegate_gate::registry::Registry;
use sagegate_store::{Read, StoreError};

pub(crate) use neighbours::SERVICE;

/// The ARNs of what cannot do without SageMaker's service-linked role: domains, in whose VPCs it
/// makes and removes things as that role.
pub(crate) fn of_service_linked_role(
    state: &dyn Read,
    scope: &Scope,
) -> Result<Vec<String>, StoreError> {
    let inside = (scope.account.as_str(), scope.region.as_str());
    let domains = records::DOMAINS.scan(state, &inside, None, usize::MAX)?;
    Ok(domains.into_iter().map(|(_, domain)| domain.id.arn(scope)).collect())
}

/// Registers the operations.
pub(crate) fn register(registry: &mut Registry) {
    registry
        .add::<create_domain::CreateDomain>()
        .add::<read_domain::DescribeDomain>()
        .add::<read_domain::ListDomains>()
        .add::<update_domain::UpdateDomain>()
        .add::<delete_domain::DeleteDomain>()
        .add::<write_profile::CreateUserProfile>()
        .add::<read_profile::DescribeUserProfile>()
        .add::<read_profile::ListUserProfiles>()
        .add::<write_profile::UpdateUserProfile>()
        .add::<write_profile::DeleteUserProfile>()
        .add::<tags::AddTags>()
        .add::<tags::ListTags>()
        .add::<tags::DeleteTags>()
        .add::<presigned::CreatePresignedDomainUrl>()
        .add::<studio_lifecycle::CreateStudioLifecycleConfig>()
        .add::<studio_lifecycle::DescribeStudioLifecycleConfig>()
        .add::<studio_lifecycle::ListStudioLifecycleConfigs>()
        .add::<studio_lifecycle::DeleteStudioLifecycleConfig>()
        .add::<app_image_config::CreateAppImageConfig>()
        .add::<app_image_config::DescribeAppImageConfig>()
        .add::<app_image_config::UpdateAppImageConfig>()
        .add::<app_image_config::ListAppImageConfigs>()
        .add::<app_image_config::DeleteAppImageConfig>()
        .add::<image::CreateImage>()
        .add::<image::DescribeImage>()
        .add::<image::UpdateImage>()
        .add::<image::ListImages>()
        .add::<image::DeleteImage>()
        .add::<image_version::CreateImageVersion>()
        .add::<image_version::UpdateImageVersion>()
        .add::<image_version::DeleteImageVersion>()
        .add::<image_versions::DescribeImageVersion>()
        .add::<image_versions::ListImageVersions>()
        .add::<image_versions::ListAliases>()
        .add::<notebook::CreateNotebookInstance>()
        .add::<notebook::UpdateNotebookInstance>()
        .add::<notebook::StartNotebookInstance>()
        .add::<notebook::StopNotebookInstance>()
        .add::<notebook::DeleteNotebookInstance>()
        .add::<presigned_notebook::CreatePresignedNotebookInstanceUrl>()
        .add::<notebook_read::DescribeNotebookInstance>()
        .add::<notebook_read::ListNotebookInstances>()
        .add::<notebook_config::CreateNotebookInstanceLifecycleConfig>()
        .add::<notebook_config::DescribeNotebookInstanceLifecycleConfig>()
        .add::<notebook_config::UpdateNotebookInstanceLifecycleConfig>()
        .add::<notebook_config::ListNotebookInstanceLifecycleConfigs>()
        .add::<notebook_config::DeleteNotebookInstanceLifecycleConfig>()
        .add::<write_space::CreateSpace>()
        .add::<read_space::DescribeSpace>()
        .add::<read_space::ListSpaces>()
        .add::<write_space::UpdateSpace>()
        .add::<write_space::DeleteSpace>()
        .add::<create_app::CreateApp>()
        .add::<read_app::DescribeApp>()
        .add::<read_app::ListApps>()
        .add::<delete_app::DeleteApp>()
        .add::<start_session::StartSession>();
}
