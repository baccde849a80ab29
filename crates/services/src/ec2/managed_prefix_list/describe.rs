//! DescribeManagedPrefixLists, GetManagedPrefixListEntries, GetManagedPrefixListAssociations.

use sagegate_api::ec2::{
    DescribeManagedPrefixListsRequest, DescribeManagedPrefixListsResult,
    GetManagedPrefixListAssociationsRequest, GetManagedPrefixListAssociationsResult,
    GetManagedPrefixListEntriesRequest, GetManagedPrefixListEntriesResult, PrefixListAssociation,
    PrefixListEntry,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Needs, Operation};
use sagegate_store::{Read, Tx};

use super::super::fault::{dry_run, invalid_value};
use super::super::kind::Kind;
use super::super::select::{self, Filters};
use super::super::{needs, tags};
use super::entries::sorted;
use super::{Any, Entry, References, version};

/// How many lists or entries a page may have.
const PAGE: std::ops::RangeInclusive<usize> = 1..=100;
/// How many associations.
const ASSOCIATIONS: std::ops::RangeInclusive<usize> = 5..=255;

/// DescribeManagedPrefixLists: the account's own and AWS's.
pub(crate) struct DescribeManagedPrefixLists;

impl Operation for DescribeManagedPrefixLists {
    type Input = DescribeManagedPrefixListsRequest;
    type Output = DescribeManagedPrefixListsResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "DescribeManagedPrefixLists";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        Ok(needs::listing(call.scope, "ec2:DescribeManagedPrefixLists"))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let names = ["owner-id", "prefix-list-id", "prefix-list-name"];
        let filters = Filters::of(input.filters.as_ref(), &names, true)?;
        let ids = input.prefix_list_ids.as_ref().filter(|ids| !ids.is_empty());
        for id in ids.into_iter().flatten() {
            Any::find(tx, scope, id)?;
        }
        let mut found = Vec::new();
        for list in Any::all(tx, scope)? {
            if ids.is_some_and(|ids| !ids.iter().any(|id| id == list.id())) {
                continue;
            }
            let tags = tags::of(tx, scope, list.id())?;
            let pass = filters.pass(&tags, |name| match name {
                "owner-id" => vec![list.owner(scope)],
                "prefix-list-id" => vec![list.id().to_owned()],
                _ => vec![list.name(scope)],
            });
            if pass {
                found.push(list.shape(scope, &tags));
            }
        }
        let (lists, next_token) = select::page_within(
            PAGE,
            found,
            |list| list.prefix_list_id.clone().unwrap_or_default(),
            ids.is_some(),
            input.max_results,
            input.next_token.as_deref(),
        )?;
        Ok(Self::Output { next_token, prefix_lists: Some(lists) })
    }
}

/// GetManagedPrefixListEntries, of the version that counts or of an earlier one.
pub(crate) struct GetManagedPrefixListEntries;

impl Operation for GetManagedPrefixListEntries {
    type Input = GetManagedPrefixListEntriesRequest;
    type Output = GetManagedPrefixListEntriesResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "GetManagedPrefixListEntries";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (kind, id) = (Kind::PrefixList, &call.input.prefix_list_id);
        Ok(needs::on("ec2:GetManagedPrefixListEntries", state, call.scope, kind, id)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let list = Any::find(tx, scope, &input.prefix_list_id)?;
        let entries = match (&list, input.target_version) {
            (Any::Own(list), Some(wanted)) => version(tx, scope, list, wanted)?,
            (Any::Own(list), None) => list.entries.clone(),
            (Any::Aws(list), None) => {
                let entry = |block| Entry { block, description: None };
                sorted(list.nets().into_iter().map(entry).collect())
            }
            (Any::Aws(list), Some(_)) => {
                let text = format!("The prefix list {} of AWS has no versions.", list.id);
                return Err(invalid_value(text));
            }
        };
        let shapes = entries.into_iter().map(|entry| PrefixListEntry {
            cidr: Some(entry.block.to_string()),
            description: entry.description,
        });
        let (entries, next_token) = select::page_within(
            PAGE,
            shapes.collect(),
            |entry| entry.cidr.clone().unwrap_or_default(),
            false,
            input.max_results,
            input.next_token.as_deref(),
        )?;
        Ok(Self::Output { entries: Some(entries), next_token })
    }
}

/// GetManagedPrefixListAssociations: the route tables and security groups that refer to a list.
pub(crate) struct GetManagedPrefixListAssociations;

impl Operation for GetManagedPrefixListAssociations {
    type Input = GetManagedPrefixListAssociationsRequest;
    type Output = GetManagedPrefixListAssociationsResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "GetManagedPrefixListAssociations";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (kind, id) = (Kind::PrefixList, &call.input.prefix_list_id);
        Ok(needs::on("ec2:GetManagedPrefixListAssociations", state, call.scope, kind, id)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let list = Any::find(tx, scope, &input.prefix_list_id)?;
        let references = References::of(tx, scope)?;
        let shapes = references.to(list.id()).into_iter().map(|id| PrefixListAssociation {
            resource_id: Some(id.to_owned()),
            resource_owner: Some(scope.account.to_string()),
        });
        let (associations, next_token) = select::page_within(
            ASSOCIATIONS,
            shapes.collect(),
            |it| it.resource_id.clone().unwrap_or_default(),
            false,
            input.max_results,
            input.next_token.as_deref(),
        )?;
        Ok(Self::Output { prefix_list_associations: Some(associations), next_token })
    }
}
