//! DeleteManagedPrefixList.

use sagegate_api::ec2::{
    DeleteManagedPrefixListRequest, DeleteManagedPrefixListResult, PrefixListState,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Needs, Operation};
use sagegate_store::{Read, Tx};

use super::super::fault::dry_run;
use super::super::kind::Kind;
use super::super::{needs, records, token};
use super::{PrefixList, References, State, VERSIONS, begun, message, own};

/// DeleteManagedPrefixList. A list that something refers to stays, and is `delete-failed`.
pub(crate) struct DeleteManagedPrefixList;

impl Operation for DeleteManagedPrefixList {
    type Input = DeleteManagedPrefixListRequest;
    type Output = DeleteManagedPrefixListResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DeleteManagedPrefixList";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (kind, id) = (Kind::PrefixList, &call.input.prefix_list_id);
        Ok(needs::on("ec2:DeleteManagedPrefixList", state, call.scope, kind, id)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let mut list = own(tx, scope, &input.prefix_list_id)?;
        let shape = begun(tx, scope, list.clone(), PrefixListState::DeleteInProgress)?;
        let references = References::of(tx, scope)?;
        let naming: Vec<&str> = references.to(&list.id).into_iter().collect();
        if naming.is_empty() {
            token::forget(tx, scope, list.token.as_deref());
            let place = (scope.account.as_str(), scope.region.as_str(), list.id.as_str());
            for ((_, _, _, version), _) in VERSIONS.scan(tx, &place, None, usize::MAX)? {
                VERSIONS.delete(tx, &(place.0, place.1, place.2, version));
            }
            records::delete::<PrefixList>(tx, scope, &list.id)?;
        } else {
            list.state = State::DeleteFailed;
            list.message = Some(message("These resources refer to the prefix list", &naming));
            records::put(tx, scope, &list)?;
        }
        Ok(Self::Output { prefix_list: Some(shape) })
    }
}
