//! Tags of IAM entities (IAM User Guide, "Tags for IAM resources"): keys keep their spelling and
//! are not distinguished by case.

use std::collections::BTreeMap;

use sagegate_api::iam::Tag;
use sagegate_gate::Fault;
use sagegate_policy::folded_key;
use serde::{Deserialize, Serialize};

use super::faults::{invalid_input, limit_exceeded, validation};
use super::page::{Page, Slice};

/// How many tags an entity may have.
pub const LIMIT: usize = 50;

/// The tags of one entity, by key in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tags(BTreeMap<String, (String, String)>);

impl Tags {
    /// The tags that a create call gives.
    ///
    /// # Errors
    /// As [`Tags::merge`].
    pub fn of_request(tags: Option<&[Tag]>) -> Result<Self, Fault> {
        let mut own = Self::default();
        own.merge(tags.unwrap_or_default())?;
        Ok(own)
    }

    /// Adds tags; one whose key is there already, in whatever case, is replaced.
    ///
    /// # Errors
    /// `InvalidInput` for a key given twice or a reserved one, `ValidationError` for a key or value
    /// of wrong length or characters, `LimitExceeded` past [`LIMIT`]; nothing is changed then.
    pub fn merge(&mut self, tags: &[Tag]) -> Result<(), Fault> {
        check(tags)?;
        let mut merged = self.0.clone();
        for Tag { key, value } in tags {
            merged.insert(folded_key(key).into_owned(), (key.clone(), value.clone()));
        }
        if merged.len() > LIMIT {
            return Err(limit_exceeded(format!(
                "The number of tags has reached the maximum limit: {LIMIT}"
            )));
        }
        self.0 = merged;
        Ok(())
    }

    /// Removes the tags with these keys, in whatever case; unknown keys are passed over.
    pub fn remove(&mut self, keys: &[String]) {
        for key in keys {
            self.0.remove(&*folded_key(key));
        }
    }

    /// The value under a key, in whatever case.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(&*folded_key(key)).map(|(_, value)| value.as_str())
    }

    /// Keys and values, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.values().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As an answer has them; absent where there are none.
    #[must_use]
    pub fn answer(&self) -> Option<Vec<Tag>> {
        (!self.is_empty()).then(|| self.to_list())
    }

    /// One page of them, sorted by key.
    #[must_use]
    pub fn page(&self, page: &Page<String>) -> Slice<Tag> {
        page.take(self.0.keys().cloned().zip(self.to_list()).collect())
    }

    /// As a list, sorted by key.
    #[must_use]
    pub fn to_list(&self) -> Vec<Tag> {
        self.iter()
            .map(|(key, value)| Tag { key: key.to_owned(), value: value.to_owned() })
            .collect()
    }

    /// By key, as the directory tells them.
    #[must_use]
    pub fn to_map(&self) -> BTreeMap<String, String> {
        self.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }
}

/// The pairs of a request's tags, for `Need::request_tags`.
pub fn pairs(tags: Option<&[Tag]>) -> impl Iterator<Item = (&str, &str)> {
    tags.unwrap_or_default().iter().map(|tag| (tag.key.as_str(), tag.value.as_str()))
}

/// The rules for the tags of one request.
///
/// # Errors
/// As [`Tags::merge`].
pub fn check(tags: &[Tag]) -> Result<(), Fault> {
    check_each(tags)?;
    let mut seen = std::collections::BTreeSet::new();
    if tags.iter().all(|tag| seen.insert(folded_key(&tag.key))) {
        return Ok(());
    }
    Err(invalid_input("Duplicate tag keys found. Please note that Tag keys are case insensitive."))
}

/// The rules for each tag of one request by itself.
///
/// # Errors
/// As [`Tags::merge`].
pub fn check_each(tags: &[Tag]) -> Result<(), Fault> {
    if tags.len() > LIMIT {
        return Err(validation(format!(
            "1 validation error detected: Value at 'tags' failed to satisfy constraint: Member \
             must have length less than or equal to {LIMIT}"
        )));
    }
    for (index, Tag { key, value }) in tags.iter().enumerate() {
        let member = index + 1;
        check_key(key, &format!("tags.{member}.member.key"))?;
        check_text(value, 256, &format!("tags.{member}.member.value"))?;
    }
    Ok(())
}

/// The rules for the keys of an untag request.
///
/// # Errors
/// As [`Tags::merge`].
pub fn check_keys(keys: &[String]) -> Result<(), Fault> {
    if keys.len() > LIMIT {
        return Err(validation(format!(
            "1 validation error detected: Value at 'tagKeys' failed to satisfy constraint: Member \
             must have length less than or equal to {LIMIT}."
        )));
    }
    keys.iter()
        .enumerate()
        .try_for_each(|(index, key)| check_key(key, &format!("tagKeys.{}.member", index + 1)))
}

fn check_key(key: &str, place: &str) -> Result<(), Fault> {
    if key.is_empty() {
        return Err(validation(format!(
            "1 validation error detected: Value '' at '{place}' failed to satisfy constraint: \
             Member must have length greater than or equal to 1"
        )));
    }
    check_text(key, 128, place)?;
    if crate::is_reserved(key) {
        return Err(invalid_input(
            "Invalid tag key. System tags, whose keys begin with \"aws:\", cannot be set or \
             removed by a request.",
        ));
    }
    Ok(())
}

fn check_text(text: &str, longest: usize, place: &str) -> Result<(), Fault> {
    let constraint = if text.chars().count() > longest {
        format!("Member must have length less than or equal to {longest}")
    } else if !text.chars().all(is_tag_character) {
        "Member must satisfy regular expression pattern: [\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*".to_owned()
    } else {
        return Ok(());
    };
    Err(validation(format!(
        "1 validation error detected: Value '{text}' at '{place}' failed to satisfy constraint: \
         {constraint}"
    )))
}

/// Letters, numbers, separators and `_.:/=+-@`. The standard library has no table of Unicode
/// separators; its white space without the controls is the same set but for U+200B's like.
fn is_tag_character(character: char) -> bool {
    character.is_alphanumeric()
        || "_.:/=+-@".contains(character)
        || (character.is_whitespace() && !character.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(key: &str, value: &str) -> Tag {
        Tag { key: key.into(), value: value.into() }
    }

    #[test]
    fn keys_are_not_distinguished_by_case_and_keep_the_last_spelling() {
        let mut tags = Tags::of_request(Some(&[tag("Team", "a"), tag("cost", "1")])).unwrap();
        tags.merge(&[tag("team", "b")]).unwrap();
        assert_eq!(tags.to_list(), [tag("cost", "1"), tag("team", "b")]);
        assert_eq!(tags.get("TEAM"), Some("b"));
        tags.remove(&["TEAM".into(), "absent".into()]);
        assert_eq!(tags.to_list(), [tag("cost", "1")]);
        let kept = serde_json::to_string(&tags).unwrap();
        assert_eq!(serde_json::from_str::<Tags>(&kept).unwrap(), tags);
    }

    #[test]
    fn refuses_what_iam_refuses() {
        let code = |tags: &[Tag]| Tags::of_request(Some(tags)).unwrap_err().code.to_string();
        assert_eq!(code(&[tag("a", ""), tag("A", "")]), "InvalidInput");
        assert_eq!(code(&[tag("aws:x", "")]), "InvalidInput");
        assert_eq!(code(&[tag("AWS:x", "")]), "InvalidInput");
        assert_eq!(code(&[tag("", "")]), "ValidationError");
        assert_eq!(code(&[tag(&"k".repeat(129), "")]), "ValidationError");
        assert_eq!(code(&[tag("k", &"v".repeat(257))]), "ValidationError");
        assert_eq!(code(&[tag("k", "a\u{7}")]), "ValidationError");
        let many: Vec<Tag> = (0..51).map(|n| tag(&format!("k{n}"), "")).collect();
        assert_eq!(code(&many), "ValidationError");
        let mut full = Tags::of_request(Some(&many[..50])).unwrap();
        let before = full.clone();
        assert_eq!(full.merge(&many[50..]).unwrap_err().code, "LimitExceeded");
        assert_eq!(full, before);
        full.merge(&[tag("K1", "again")]).unwrap();
    }
}
