//! SageMaker: Studio domains, user profiles, presigned URLs and the Studio door.
//!
//! One file for an operation or a small family; [`records`] holds every record type and table,
//! [`lifecycle`] what happens after a call, [`studio`] the tokens and sessions behind a presigned
//! URL, [`site`] the addresses of the public doors.

pub mod create_domain;
pub mod delete_domain;
mod faults;
pub mod ids;
pub mod lifecycle;
mod mount_targets;
mod neighbours;
pub mod presigned;
pub mod read_domain;
pub mod read_profile;
pub mod records;
mod settings;
pub mod shapes;
pub mod site;
pub mod studio;
mod tagging;
pub mod tags;
#[cfg(test)]
mod tests;
pub mod update_domain;
pub mod write_profile;

use sagegate_gate::registry::Registry;

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
        .add::<presigned::CreatePresignedDomainUrl>();
}
