//! Which ACL a subnet has: ReplaceNetworkAclAssociation.

use sagegate_api::ec2::{ReplaceNetworkAclAssociationRequest, ReplaceNetworkAclAssociationResult};
use sagegate_gate::{Access, Authorized, Call, Fault, Needs, Operation, Scope};
use sagegate_store::{Read, StoreError, Tx};

use super::super::fault::{bad, dry_run, invalid_value};
use super::super::kind::Kind;
use super::super::needs;
use super::super::records::{self, AclAssociation, NetworkAcl};
use super::super::tags::Tags;
use super::ASSOCIATION;

fn find(
    state: &dyn Read,
    scope: &Scope,
    id: &str,
) -> Result<Option<(NetworkAcl, AclAssociation)>, StoreError> {
    let found = records::all::<NetworkAcl>(state, scope)?.into_iter().find_map(|acl| {
        let association = acl.associations.iter().find(|known| known.id == id)?.clone();
        Some((acl, association))
    });
    Ok(found)
}

/// ReplaceNetworkAclAssociation: another ACL counts for the subnet.
///
/// Both ACLs are asked for, as ReplaceRouteTableAssociation asks for both tables: the Service
/// Authorization Reference does not say which of them it means, and whoever may not change one of
/// them must not.
pub(crate) struct ReplaceNetworkAclAssociation;

impl Operation for ReplaceNetworkAclAssociation {
    type Input = ReplaceNetworkAclAssociationRequest;
    type Output = ReplaceNetworkAclAssociationResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "ReplaceNetworkAclAssociation";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        const ACTION: &str = "ec2:ReplaceNetworkAclAssociation";
        let (input, scope, kind) = (call.input, call.scope, Kind::NetworkAcl);
        let new = needs::on(ACTION, state, scope, kind, &input.network_acl_id)?;
        Ok(match find(state, scope, &input.association_id)? {
            Some((old, association)) => Needs::from(new)
                .and(needs::on(ACTION, state, scope, kind, &old.id)?)
                .and(needs::on(ACTION, state, scope, Kind::Subnet, &association.subnet)?),
            // What is not there has no name: on any, so that the answer does not tell.
            None => Needs::from(new).and(needs::new(ACTION, scope, kind, &Tags::new())),
        })
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let (mut old, association) = find(tx, scope, &input.association_id)?.ok_or_else(|| {
            let text = format!("The association ID '{}' does not exist", input.association_id);
            bad("InvalidAssociationID.NotFound", text)
        })?;
        let mut new = records::find::<NetworkAcl>(tx, scope, &input.network_acl_id)?;
        if new.vpc != old.vpc {
            let text = format!(
                "Network ACL {} and subnet {} belong to different networks",
                new.id, association.subnet
            );
            return Err(invalid_value(text));
        }
        let id = if new.id == old.id {
            // It is what was asked for already.
            association.id
        } else {
            old.associations.retain(|known| known.id != association.id);
            let id = format!("{ASSOCIATION}0{}", call.env.hex(16));
            new.associations.push(AclAssociation { id: id.clone(), ..association });
            records::put(tx, scope, &old)?;
            records::put(tx, scope, &new)?;
            id
        };
        Ok(Self::Output { new_association_id: Some(id) })
    }
}
