//! Route 53: hosted zones and their records.
//!
//! What is stored lies in `records`. A private zone is answered from by the resolvers of the VPCs that it
//! is associated with; [`zones_of`] is what they read. A public zone can be made, filled and read, and
//! nobody answers from it: this service has no name servers on the internet.
//!
//! Every write is one transaction that the resolvers have followed before it is answered, so there is
//! never a prior request to wait for (`PriorRequestNotComplete`), and a change is `INSYNC` as soon as it can
//! be asked for.

mod association;
mod authorization;
mod change;
mod changes;
mod fault;
mod list_records;
mod listing;
mod name;
mod records;
mod rules;
mod tags;
#[cfg(test)]
mod tests;
mod value;
mod view;
mod vpc;
mod zone;

use sagegate_gate::registry::Registry;

pub use view::{ZONE_TABLES, zones_of};
pub(crate) use vpc::is_associated;

/// Registers the operations.
pub(crate) fn register(registry: &mut Registry) {
    registry
        .add::<association::AssociateVPCWithHostedZone>()
        .add::<association::DisassociateVPCFromHostedZone>()
        .add::<authorization::CreateVPCAssociationAuthorization>()
        .add::<authorization::DeleteVPCAssociationAuthorization>()
        .add::<authorization::ListVPCAssociationAuthorizations>()
        .add::<change::ChangeResourceRecordSets>()
        .add::<changes::GetChange>()
        .add::<list_records::ListResourceRecordSets>()
        .add::<listing::GetHostedZoneCount>()
        .add::<listing::ListHostedZones>()
        .add::<listing::ListHostedZonesByName>()
        .add::<listing::ListHostedZonesByVPC>()
        .add::<tags::ChangeTagsForResource>()
        .add::<tags::ListTagsForResource>()
        .add::<tags::ListTagsForResources>()
        .add::<zone::CreateHostedZone>()
        .add::<zone::DeleteHostedZone>()
        .add::<zone::GetHostedZone>()
        .add::<zone::UpdateHostedZoneComment>();
}
