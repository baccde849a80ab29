//! ChangeResourceRecordSets: a batch that is carried out as a whole or not at all.

use std::collections::BTreeMap;

use sagegate_api::route53::{
    Change, ChangeAction, ChangeResourceRecordSetsRequest, ChangeResourceRecordSetsResponse,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Need, Needs, Operation};
use sagegate_store::{Read, Tx};

use super::fault::invalid_batch;
use super::name::Name;
use super::records::{self, RecordSet, SetKey};
use super::zone::arn;
use super::{changes, rules};

/// Changes of a batch; UPSERT counts twice (Route 53 Developer Guide, "Maximums on
/// ChangeResourceRecordSets requests").
const MAX_CHANGES: usize = 1000;
/// Record sets of a zone (the same, "Quotas on records").
const MAX_SETS: usize = 10_000;

/// The condition keys of a batch, whose values are normalized (Route 53 Developer Guide, "Using IAM
/// policy conditions for fine-grained access control"): names in lower case, with octal numbers for
/// what is neither letter, digit, hyphen nor underscore, and without the dot at the end.
fn with_keys(need: Need, changes: &[Change]) -> Need {
    let of = |value: &dyn Fn(&Change) -> String| {
        let mut values: Vec<String> = changes.iter().map(value).collect();
        values.sort();
        values.dedup();
        values
    };
    let name = |change: &Change| {
        let text = &change.resource_record_set.name;
        let shown = Name::parse(text).map_or_else(|| text.to_ascii_lowercase(), |it| it.shown());
        shown.strip_suffix('.').map(str::to_owned).unwrap_or(shown)
    };
    need.key("route53:ChangeResourceRecordSetsNormalizedRecordNames", of(&name))
        .key(
            "route53:ChangeResourceRecordSetsRecordTypes",
            of(&|change| change.resource_record_set.r#type.to_string()),
        )
        .key("route53:ChangeResourceRecordSetsActions", of(&|change| change.action.to_string()))
}

/// ChangeResourceRecordSets.
pub(super) struct ChangeResourceRecordSets;

impl Operation for ChangeResourceRecordSets {
    type Input = ChangeResourceRecordSetsRequest;
    type Output = ChangeResourceRecordSetsResponse;
    const SERVICE: &'static str = "route53";
    const NAME: &'static str = "ChangeResourceRecordSets";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        let arn = arn(call.scope, &call.input.hosted_zone_id);
        let need = Need::on("route53:ChangeResourceRecordSets", arn);
        Ok(with_keys(need, &call.input.change_batch.changes).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let batch = &call.input.change_batch;
        let zone = records::own(tx, call.scope, &call.input.hosted_zone_id)?;
        let twice = |change: &Change| if change.action == ChangeAction::Upsert { 2 } else { 1 };
        if batch.changes.iter().map(twice).sum::<usize>() > MAX_CHANGES {
            let text = format!("Number of records limit of {MAX_CHANGES} exceeded.");
            return Err(invalid_batch(&[text]));
        }
        for change in &batch.changes {
            rules::check_form(change)?;
        }
        let before = records::sets(tx, &zone.id)?;
        let mut after = before.clone();
        let mut texts = Vec::new();
        let mut touched: BTreeMap<SetKey, Vec<ChangeAction>> = BTreeMap::new();
        for change in &batch.changes {
            let outcome = rules::planned(&zone, change).and_then(|(key, set)| {
                touched.entry(key.clone()).or_default().push(change.action);
                apply(&mut after, change.action, key, set)
            });
            if let Err(found) = outcome {
                texts.extend(found);
            }
        }
        if texts.is_empty() {
            texts = rules::problems(tx, call.scope, &zone, &after, &touched)?;
        }
        if after.len() > MAX_SETS {
            // Text is ours.
            texts.push(format!("A hosted zone has {MAX_SETS} resource record sets at most."));
        }
        if !texts.is_empty() {
            return Err(invalid_batch(&texts));
        }
        for key in before.keys().filter(|key| !after.contains_key(*key)) {
            records::delete_set(tx, &zone.id, key);
        }
        for (key, set) in &after {
            if before.get(key) != Some(set) {
                records::put_set(tx, &zone.id, key, set)?;
            }
        }
        let change = changes::note(call, tx, batch.comment.clone())?;
        Ok(ChangeResourceRecordSetsResponse { change_info: Some(change) })
    }
}

/// Carries one change out on what the changes before it have left.
fn apply(
    sets: &mut BTreeMap<SetKey, RecordSet>,
    action: ChangeAction,
    key: SetKey,
    set: RecordSet,
) -> Result<(), Vec<String>> {
    let identifier = match &set.identifier {
        Some(identifier) => format!(", set-identifier='{identifier}'"),
        None => String::new(),
    };
    let named =
        format!("resource record set [name='{}', type='{}'{identifier}]", set.name, set.kind);
    match (action, sets.get(&key)) {
        (ChangeAction::Create, Some(_)) => {
            Err(vec![format!("Tried to create {named} but it already exists")])
        }
        (ChangeAction::Delete, None) => {
            Err(vec![format!("Tried to delete {named} but it was not found")])
        }
        (ChangeAction::Delete, Some(known)) if !rules::is_same(known, &set) => Err(vec![format!(
            "Tried to delete {named} but the values provided do not match the current values"
        )]),
        (ChangeAction::Delete, Some(_)) => {
            sets.remove(&key);
            Ok(())
        }
        (ChangeAction::Create | ChangeAction::Upsert, _) => {
            sets.insert(key, set);
            Ok(())
        }
    }
}
