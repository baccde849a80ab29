//! DescribePrefixLists: the prefix lists of AWS services, by which gateway endpoints are routed.

use ipnet::IpNet;
use sagegate_api::ec2::{DescribePrefixListsRequest, DescribePrefixListsResult, PrefixList};
use sagegate_gate::{Access, Authorized, Call, Fault, Needs, Operation, Region};
use sagegate_store::{Read, Tx};

use super::aws_prefix_lists::{self, AwsList};
use super::fault::{bad, dry_run};
use super::needs;
use super::select::{self, Filters};
use super::tags::Tags;

/// The error for a prefix list that does not exist.
pub(crate) fn unknown(id: &str) -> Fault {
    bad("InvalidPrefixListID.NotFound", format!("The prefix list ID '{id}' does not exist"))
}

/// The prefix list of this id.
///
/// # Errors
/// `InvalidPrefixListID.NotFound`.
pub(crate) fn find(region: &Region, id: &str) -> Result<AwsList, Fault> {
    aws_prefix_lists::of(region).into_iter().find(|list| list.id == id).ok_or_else(|| unknown(id))
}

/// The blocks of a prefix list; of one that does not exist, none.
pub(crate) fn blocks(region: &Region, id: &str) -> Vec<IpNet> {
    let list = aws_prefix_lists::of(region).into_iter().find(|list| list.id == id);
    list.map(AwsList::nets).unwrap_or_default()
}

/// DescribePrefixLists.
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
        let (input, region) = (call.input, &call.scope.region);
        dry_run(input.dry_run)?;
        let names = ["prefix-list-id", "prefix-list-name"];
        let filters = Filters::of(input.filters.as_ref(), &names, false)?;
        let ids = input.prefix_list_ids.as_ref().filter(|ids| !ids.is_empty());
        let mut lists = aws_prefix_lists::of(region);
        if let Some(ids) = ids {
            for id in ids {
                find(region, id)?;
            }
            lists.retain(|list| ids.iter().any(|id| id == list.id));
        }
        lists.retain(|list| {
            filters.pass(&Tags::new(), |name| match name {
                "prefix-list-id" => vec![list.id.to_owned()],
                "prefix-list-name" => vec![list.name(region)],
                _ => Vec::new(),
            })
        });
        lists.sort_by_key(|list| list.id);
        let (lists, next_token) = select::page(
            lists,
            |list| list.id.to_owned(),
            ids.is_some(),
            input.max_results,
            input.next_token.as_deref(),
        )?;
        let shapes = lists.into_iter().map(|list| PrefixList {
            cidrs: Some(list.blocks.iter().map(|block| (*block).to_owned()).collect()),
            prefix_list_id: Some(list.id.to_owned()),
            prefix_list_name: Some(list.name(region)),
        });
        Ok(Self::Output { next_token, prefix_lists: Some(shapes.collect()) })
    }
}
