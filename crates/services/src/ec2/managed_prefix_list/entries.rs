//! Entries of requests.

use std::collections::BTreeSet;

use ipnet::IpNet;
use sagegate_api::ec2::AddPrefixListEntry;
use sagegate_gate::Fault;

use super::super::fault::{bad, invalid_value};
use super::{Entry, Family, MAX_CHANGES, MAX_ENTRIES};

/// The longest description of an entry.
const MAX_DESCRIPTION: usize = 255;

/// The block that a request names, in its canonical form.
///
/// # Errors
/// `InvalidParameterValue` for what is no block of the list's family.
pub(super) fn block(family: Family, text: &str) -> Result<IpNet, Fault> {
    let block = text.parse::<IpNet>().ok().filter(|block| match family {
        Family::V4 => block.addr().is_ipv4(),
        Family::V6 => block.addr().is_ipv6(),
    });
    block.map(|block| block.trunc()).ok_or_else(|| {
        let name = family.name();
        invalid_value(format!("The CIDR ({text}) is not a valid {name} CIDR block."))
    })
}

/// The entries that a request adds, each of another block.
///
/// # Errors
/// `InvalidParameterValue`.
pub(super) fn added(
    family: Family,
    given: Option<&Vec<AddPrefixListEntry>>,
) -> Result<Vec<Entry>, Fault> {
    let given = given.map(Vec::as_slice).unwrap_or_default();
    check_count(given.len())?;
    let mut seen = BTreeSet::new();
    let mut entries = Vec::new();
    for entry in given {
        let block = block(family, &entry.cidr)?;
        if !seen.insert(block) {
            let text = format!("The request contains the CIDR ({block}) more than once.");
            return Err(invalid_value(text));
        }
        let description = entry.description.clone();
        if description.as_ref().is_some_and(|it| it.chars().count() > MAX_DESCRIPTION) {
            let text = format!(
                "The description of the entry ({block}) must be up to {MAX_DESCRIPTION} characters."
            );
            return Err(invalid_value(text));
        }
        entries.push(Entry { block, description });
    }
    Ok(entries)
}

/// # Errors
/// `InvalidParameterValue` for too many at once.
pub(super) fn check_count(count: usize) -> Result<(), Fault> {
    if count <= MAX_CHANGES {
        return Ok(());
    }
    let text = format!("The number of entries per request cannot exceeds limit ({MAX_CHANGES}).");
    Err(invalid_value(text))
}

/// How many entries a list is for.
///
/// # Errors
/// `InvalidParameterValue`.
pub(super) fn size(wanted: i32) -> Result<u32, Fault> {
    match u32::try_from(wanted) {
        Ok(size @ 1..) if wanted <= MAX_ENTRIES => Ok(size),
        _ => {
            let text = format!("Must specify a max size between 1 and {MAX_ENTRIES}");
            Err(invalid_value(text))
        }
    }
}

/// A list's name.
///
/// # Errors
/// `InvalidParameterValue`.
pub(super) fn check_name(name: &str) -> Result<(), Fault> {
    if name.is_empty() || name.chars().count() > 255 {
        return Err(invalid_value("The prefix list name must be 1 to 255 characters long."));
    }
    if name.starts_with("com.amazonaws") {
        return Err(invalid_value("The prefix list name cannot start with com.amazonaws."));
    }
    Ok(())
}

/// Whether so many entries fit in. The words are ours.
///
/// # Errors
/// `PrefixListMaxEntriesExceeded`.
pub(super) fn check_fit(count: usize, size: u32) -> Result<(), Fault> {
    if usize::try_from(size).is_ok_and(|size| count <= size) {
        return Ok(());
    }
    let text = format!(
        "The prefix list would have {count} entries, and its maximum number of entries is {size}."
    );
    Err(bad("PrefixListMaxEntriesExceeded", text))
}

/// Entries in the order of their blocks' texts, in which they are shown.
pub(super) fn sorted(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort_by_cached_key(|entry| entry.block.to_string());
    entries
}
