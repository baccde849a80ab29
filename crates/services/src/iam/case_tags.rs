//! Tags of managed policies and instance profiles: like those of users and roles ([`super::tags`]),
//! but keys that differ by case are different keys (IAM User Guide, "Tags for IAM resources").

use std::collections::{BTreeMap, BTreeSet};

use sagegate_api::iam::Tag;
use sagegate_gate::Fault;
use serde::{Deserialize, Serialize};

use super::faults::{invalid_input, limit_exceeded};
use super::tags::{self, LIMIT};

/// The tags of one entity, by key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CaseTags(BTreeMap<String, String>);

impl CaseTags {
    /// The tags that a create call gives.
    ///
    /// # Errors
    /// As [`CaseTags::merge`].
    pub fn of_request(tags: Option<&[Tag]>) -> Result<Self, Fault> {
        let mut own = Self::default();
        own.merge(tags.unwrap_or_default())?;
        Ok(own)
    }

    /// Adds tags; one whose key is there already is replaced.
    ///
    /// # Errors
    /// `InvalidInput` for a key given twice or a reserved one, `ValidationError` for a key or value
    /// of wrong length or characters, `LimitExceeded` past 50; nothing is changed then.
    pub fn merge(&mut self, tags: &[Tag]) -> Result<(), Fault> {
        tags::check_each(tags)?;
        let keys: BTreeSet<&str> = tags.iter().map(|tag| tag.key.as_str()).collect();
        if keys.len() < tags.len() {
            return Err(invalid_input("Duplicate tag keys found."));
        }
        let mut merged = self.0.clone();
        merged.extend(tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())));
        if merged.len() > LIMIT {
            return Err(limit_exceeded(format!(
                "The number of tags has reached the maximum limit: {LIMIT}"
            )));
        }
        self.0 = merged;
        Ok(())
    }

    /// Removes the tags with these keys; unknown keys are passed over.
    pub fn remove(&mut self, keys: &[String]) {
        self.0.retain(|key, _| !keys.contains(key));
    }

    /// Keys and values, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As a list, sorted by key.
    #[must_use]
    pub fn to_list(&self) -> Vec<Tag> {
        self.iter()
            .map(|(key, value)| Tag { key: key.to_owned(), value: value.to_owned() })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(key: &str, value: &str) -> Tag {
        Tag { key: key.into(), value: value.into() }
    }

    #[test]
    fn keys_differ_by_case() {
        let mut tags = CaseTags::of_request(Some(&[tag("a", "low"), tag("A", "up")])).unwrap();
        assert_eq!(tags.to_list(), [tag("A", "up"), tag("a", "low")]);
        tags.remove(&["a".into(), "absent".into()]);
        assert_eq!(tags.to_list(), [tag("A", "up")]);
        let fault = tags.merge(&[tag("b", "1"), tag("b", "2")]).unwrap_err();
        assert_eq!(fault.message, "Duplicate tag keys found.");
    }
}
