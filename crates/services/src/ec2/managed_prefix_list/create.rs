//! CreateManagedPrefixList.

use sagegate_api::ec2::{
    CreateManagedPrefixListRequest, CreateManagedPrefixListResult, PrefixListState,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Needs, Operation};
use sagegate_store::{Read, Tx};

use super::super::fault::{bad, dry_run, invalid_value};
use super::super::kind::Kind;
use super::super::records;
use super::super::token::Once;
use super::super::{needs, tags};
use super::entries::{added, check_fit, check_name, size, sorted};
use super::{Family, PrefixList, State, add_version, begun};

/// Lists in a region (Amazon VPC User Guide, "Amazon VPC quotas").
const MAX_LISTS: usize = 100;

/// CreateManagedPrefixList.
pub(crate) struct CreateManagedPrefixList;

impl Operation for CreateManagedPrefixList {
    type Input = CreateManagedPrefixListRequest;
    type Output = CreateManagedPrefixListResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "CreateManagedPrefixList";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        let (scope, kind) = (call.scope, Kind::PrefixList);
        let tags = tags::requested(call.input.tag_specifications.as_ref(), kind)?;
        let needs = needs::new("ec2:CreateManagedPrefixList", scope, kind, &tags).into();
        Ok(needs::with_tags(needs, scope, kind, &tags, Self::NAME))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let once = Once::of(Self::NAME, input.client_token.as_ref(), || {
            CreateManagedPrefixListRequest { client_token: None, ..input.clone() }
        });
        if let Some(list) = once.made::<PrefixList>(tx, scope)? {
            let doing = super::state_of(&list);
            return Ok(Self::Output { prefix_list: Some(begun(tx, scope, list, doing)?) });
        }
        let tags = tags::requested(input.tag_specifications.as_ref(), Kind::PrefixList)?;
        check_name(&input.prefix_list_name)?;
        let family = match input.address_family.as_str() {
            "IPv4" => Family::V4,
            "IPv6" => Family::V6,
            other => {
                let text = format!(
                    "Value ({other}) for parameter addressFamily is invalid. Valid values are IPv4 and IPv6."
                );
                return Err(invalid_value(text));
            }
        };
        let max_entries = size(input.max_entries)?;
        let entries = sorted(added(family, input.entries.as_ref())?);
        check_fit(entries.len(), max_entries)?;
        if records::count::<PrefixList>(tx, scope)? >= MAX_LISTS {
            let text = "The maximum number of prefix lists has been reached.";
            return Err(bad("PrefixListLimitExceeded", text));
        }
        let mut list = PrefixList {
            id: Kind::PrefixList.new_id(call.env),
            name: input.prefix_list_name.clone(),
            family,
            max_entries,
            version: 0,
            entries,
            state: State::Created,
            message: None,
            token: once.row(),
        };
        add_version(tx, scope, &mut list)?;
        records::put(tx, scope, &list)?;
        tags::put(tx, scope, &list.id, &tags)?;
        once.keep(tx, scope, &list.id)?;
        let shape = begun(tx, scope, list, PrefixListState::CreateInProgress)?;
        Ok(Self::Output { prefix_list: Some(shape) })
    }
}
