//! DescribePrefixLists: the prefix lists of AWS services, by which gateway endpoints are routed.

use sagegate_api::ec2::{DescribePrefixListsRequest, DescribePrefixListsResult, PrefixList};
use sagegate_gate::{Access, Authorized, Call, Fault, Needs, Operation, Region};
use sagegate_store::{Read, Tx};

use super::aws_prefix_lists::{self, AwsList};
use super::fault::dry_run;
use super::kind::Kind;
use super::needs;
use super::select::{self, Filters};
use super::tags::Tags;

/// The list of AWS's of this id.
///
/// # Errors
/// `InvalidPrefixListID.NotFound`.
fn find(region: &Region, id: &str) -> Result<AwsList, Fault> {
    let list = aws_prefix_lists::of(region).into_iter().find(|list| list.id == id);
    list.ok_or_else(|| Kind::PrefixList.not_found(id))
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
