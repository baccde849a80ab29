//! ModifyManagedPrefixList, RestoreManagedPrefixListVersion.

use std::collections::BTreeSet;

use ipnet::IpNet;
use sagegate_api::ec2::{
    ModifyManagedPrefixListRequest, ModifyManagedPrefixListResult, PrefixListState,
    RestoreManagedPrefixListVersionRequest, RestoreManagedPrefixListVersionResult,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Needs, Operation, Scope};
use sagegate_store::{Read, Tx};

use super::super::fault::{bad, dry_run, invalid_value, refuse};
use super::super::kind::Kind;
use super::super::needs;
use super::super::records;
use super::entries::{added, block, check_count, check_fit, check_name, size, sorted};
use super::{Entry, PrefixList, References, State, add_version, begun, message, own, version};

/// # Errors
/// `PrefixListVersionMismatch` where the caller has seen another version.
fn check_version(list: &PrefixList, current: i64) -> Result<(), Fault> {
    if i64::try_from(list.version) == Ok(current) {
        return Ok(());
    }
    let text = "The prefix list has the incorrect version number.";
    Err(bad("PrefixListVersionMismatch", text))
}

/// What a request asks for that no request can have.
fn invalid_request() -> Fault {
    bad("InvalidRequest", "The request received was invalid.")
}

/// ModifyManagedPrefixList.
pub(crate) struct ModifyManagedPrefixList;

impl Operation for ModifyManagedPrefixList {
    type Input = ModifyManagedPrefixListRequest;
    type Output = ModifyManagedPrefixListResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "ModifyManagedPrefixList";
    const ACCESS: Access = Access::Write;

    /// `ec2:Attribute` has the names of the members that are to change; `ec2:Attribute/…` is there for
    /// those that are one value. Of entries AWS does not say what it would be.
    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        const ACTION: &str = "ec2:ModifyManagedPrefixList";
        let (input, kind) = (call.input, Kind::PrefixList);
        let need = needs::on(ACTION, state, call.scope, kind, &input.prefix_list_id)?;
        let size = input.max_entries.map(|size| size.to_string());
        let given = [
            ("AddEntries", input.add_entries.is_some()),
            ("MaxEntries", size.is_some()),
            ("PrefixListName", input.prefix_list_name.is_some()),
            ("RemoveEntries", input.remove_entries.is_some()),
        ];
        let names = given.into_iter().filter(|(_, given)| *given).map(|(name, _)| name.to_owned());
        let names: Vec<String> = names.collect();
        let need = if names.is_empty() { need } else { need.key("ec2:Attribute", names) };
        let name = input.prefix_list_name.as_deref();
        Ok(need
            .key_if("ec2:Attribute/MaxEntries", size)
            .key_if("ec2:Attribute/PrefixListName", name)
            .into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        refuse(&[(
            "IpamPrefixListResolverSyncEnabled",
            input.ipam_prefix_list_resolver_sync_enabled.is_some(),
        )])?;
        let mut list = own(tx, scope, &input.prefix_list_id)?;
        let added = added(list.family, input.add_entries.as_ref())?;
        let removed = removed(&list, input)?;
        let of_entries = !added.is_empty() || !removed.is_empty();
        if of_entries && input.max_entries.is_some() {
            let text = "You cannot modify the entries and the maximum entries for the prefix list in the same request.";
            return Err(bad("InvalidParameterCombination", text));
        }
        if !of_entries && input.max_entries.is_none() && input.prefix_list_name.is_none() {
            return Err(invalid_request());
        }
        if let Some(current) = input.current_version {
            check_version(&list, current)?;
        }
        if let Some(name) = &input.prefix_list_name {
            check_name(name)?;
            list.name.clone_from(name);
        }
        let doing = if of_entries {
            list.entries = changed(&list, added, &removed)?;
            check_fit(list.entries.len(), list.max_entries)?;
            add_version(tx, scope, &mut list)?;
            (list.state, list.message) = (State::Modified, None);
            PrefixListState::ModifyInProgress
        } else if let Some(wanted) = input.max_entries {
            resize(tx, scope, &mut list, size(wanted)?)?;
            PrefixListState::ModifyInProgress
        } else {
            super::state_of(&list)
        };
        records::put(tx, scope, &list)?;
        Ok(Self::Output { prefix_list: Some(begun(tx, scope, list, doing)?) })
    }
}

/// The blocks whose entries a request takes away.
fn removed(
    list: &PrefixList,
    input: &ModifyManagedPrefixListRequest,
) -> Result<BTreeSet<IpNet>, Fault> {
    let given = input.remove_entries.as_deref().unwrap_or_default();
    check_count(given.len())?;
    given.iter().map(|entry| block(list.family, &entry.cidr)).collect()
}

/// The entries after a change. A description cannot change within one request: its entry is taken away
/// and then added.
fn changed(
    list: &PrefixList,
    added: Vec<Entry>,
    removed: &BTreeSet<IpNet>,
) -> Result<Vec<Entry>, Fault> {
    if let Some(both) = added.iter().find(|entry| removed.contains(&entry.block)) {
        let text = format!(
            "Request cannot contain Cidr {} in both AddPrefixListEntries and RemovePrefixListEntries",
            both.block
        );
        return Err(invalid_value(text));
    }
    let known = |block: &IpNet| list.entries.iter().find(|entry| entry.block == *block);
    if let Some(lost) = removed.iter().find(|block| known(block).is_none()) {
        let text = format!("An entry with the CIDR ({lost}) does not exist.");
        return Err(bad("InvalidPrefixListModification", text));
    }
    for entry in &added {
        match known(&entry.block) {
            Some(own) if own.description == entry.description => {
                let text = format!(
                    "An entry with the CIDR ({}) and description ({}) already exists.",
                    entry.block,
                    entry.description.as_deref().unwrap_or_default()
                );
                return Err(bad("InvalidPrefixListModification", text));
            }
            Some(_) => return Err(invalid_request()),
            None => {}
        }
    }
    let kept = list.entries.iter().filter(|entry| !removed.contains(&entry.block)).cloned();
    Ok(sorted(kept.chain(added).collect()))
}

/// Makes room for so many entries, or the list `modify-failed` where something that refers to it has none.
fn resize(tx: &mut Tx, scope: &Scope, list: &mut PrefixList, size: u32) -> Result<(), Fault> {
    check_fit(list.entries.len(), size)?;
    let mut references = References::of(tx, scope)?;
    let full = references.too_small_for(list, size);
    if full.is_empty() {
        list.max_entries = size;
        (list.state, list.message) = (State::Modified, None);
    } else {
        let what = format!("These resources do not support the new maximum size {size}");
        (list.state, list.message) = (State::ModifyFailed, Some(message(&what, &full)));
    }
    Ok(())
}

/// RestoreManagedPrefixListVersion: the entries of an earlier version are those of a new one.
pub(crate) struct RestoreManagedPrefixListVersion;

impl Operation for RestoreManagedPrefixListVersion {
    type Input = RestoreManagedPrefixListVersionRequest;
    type Output = RestoreManagedPrefixListVersionResult;
    const SERVICE: &'static str = "ec2";
    const NAME: &'static str = "RestoreManagedPrefixListVersion";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (kind, id) = (Kind::PrefixList, &call.input.prefix_list_id);
        Ok(needs::on("ec2:RestoreManagedPrefixListVersion", state, call.scope, kind, id)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        dry_run(input.dry_run)?;
        let mut list = own(tx, scope, &input.prefix_list_id)?;
        check_version(&list, input.current_version)?;
        let entries = version(tx, scope, &list, input.previous_version)?;
        // The list may be for fewer entries than it was then.
        check_fit(entries.len(), list.max_entries)?;
        list.entries = entries;
        add_version(tx, scope, &mut list)?;
        (list.state, list.message) = (State::Restored, None);
        records::put(tx, scope, &list)?;
        let shape = begun(tx, scope, list, PrefixListState::RestoreInProgress)?;
        Ok(Self::Output { prefix_list: Some(shape) })
    }
}
