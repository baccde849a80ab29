//! SageMaker: Studio domains, user profiles, spaces and apps, presigned URLs, the Studio door and
//! remote access.
//!
//! One file for an operation or a small family; [`records`] and [`space_records`] hold record types and
//! tables, [`lifecycle`] what happens after a call, [`workload`] what should run and what is seen of
//! it, [`studio`] the tokens and sessions behind a presigned URL, [`sessions`] those of remote access,
//! [`site`] the addresses of the public doors.

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
pub mod sessions;
mod settings;
pub mod shapes;
pub mod site;
pub mod space_records;
pub mod studio;
mod tagging;
pub mod tags;
#[cfg(test)]
mod tests;
pub mod update_domain;
pub mod workload;
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
