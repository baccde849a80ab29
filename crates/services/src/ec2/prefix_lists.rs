//! DescribePrefixLists: the prefix lists of AWS services, by which gateway endpoints are routed.

use sagegate_api::ec2::{DescribePrefixListsRequest, DescribePrefixListsResult, PrefixList};
use sagegate_gate::{Access, Authorized, Call, Fault, Needs, Operation};
use sagegate_store::{Read, Tx};

use super::fault::{bad, dry_run};
use super::needs;
use super::select::{self, Filters};

/// The error for a prefix list that does not exist.
pub(crate) fn unknown(id: &str) -> Fault {
    bad("InvalidPrefixListID.NotFound", format!("The prefix list ID '{id}' does not exist"))
}

/// DescribePrefixLists. Only services with gateway endpoints have prefix lists, and no such service
/// is served yet: there are none, whatever is asked for.
pub(crate) struct DescribePrefixLists;

impl Operation for DescribePrefixLists {
    type Input = DescribePrefixListsRequest;
    type Output = DescribePrefixListsResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DescribePrefixLists";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        Ok(needs::listing(call.scope, "ec2:DescribePrefixLists"))
    }

    fn run(call: &Authorized<'_, Self>, _: &mut Tx) -> Result<Self::Output, Fault> {
        let input = call.input;
        dry_run(input.dry_run)?;
        Filters::of(input.filters.as_ref(), &["prefix-list-id", "prefix-list-name"], false)?;
        if let Some(id) = input.prefix_list_ids.iter().flatten().next() {
            return Err(unknown(id));
        }
        let none: Vec<PrefixList> = Vec::new();
        let id = |list: &PrefixList| list.prefix_list_id.clone().unwrap_or_default();
        let token = input.next_token.as_deref();
        let (lists, next_token) = select::page(none, id, false, input.max_results, token)?;
        Ok(Self::Output { next_token, prefix_lists: Some(lists) })
    }
}
