//! Session tags: those of a request, and those that come down a chain of roles (IAM User Guide,
//! "Pass session tags in AWS STS").

use std::collections::BTreeMap;

use sagegate_api::sts::Tag;
use sagegate_gate::{Fault, SessionFacts};
use sagegate_policy::folded_key;

use super::faults::validation;

/// Tags that a session can have.
const TAGS: usize = 50;

/// The tags of a new session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SessionTags {
    /// All of them.
    pub(super) tags: BTreeMap<String, String>,
    /// The keys of those that go on to further roles.
    pub(super) transitive: Vec<String>,
}

/// Whether two keys are one to policies.
fn same(one: &str, other: &str) -> bool {
    folded_key(one) == folded_key(other)
}

/// The tags as pairs.
pub(super) fn pairs(tags: Option<&[Tag]>) -> impl Iterator<Item = (&str, &str)> {
    tags.unwrap_or_default().iter().map(|tag| (tag.key.as_str(), tag.value.as_str()))
}

/// The tags that a session takes over from the session that makes it.
pub(super) fn inherited(parent: Option<&SessionFacts>) -> BTreeMap<String, String> {
    let Some(parent) = parent else { return BTreeMap::new() };
    parent
        .transitive
        .iter()
        .filter_map(|key| Some((key.clone(), parent.tags.get(key)?.clone())))
        .collect()
}

/// The tags of a session that is made with these by a caller with that session. Keys that differ in
/// case only are the same.
///
/// # Errors
/// `ValidationError` for reserved or repeated keys, more tags than a session can have, a transitive
/// key without a tag, and a tag that would take the place of an inherited one.
pub(super) fn of_session(
    parent: Option<&SessionFacts>,
    tags: Option<&[Tag]>,
    transitive: Option<&[String]>,
) -> Result<SessionTags, Fault> {
    let mut out = SessionTags { tags: inherited(parent), transitive: Vec::new() };
    out.transitive.extend(out.tags.keys().cloned());
    let mut given: Vec<&str> = Vec::new();
    for (key, value) in pairs(tags) {
        if crate::is_reserved(key) {
            return Err(validation(format!(
                "Tag key '{key}' is not valid: tag keys that start with aws: are reserved."
            )));
        }
        if given.iter().any(|it| same(it, key)) {
            return Err(validation(format!(
                "Duplicate tag keys found: '{key}'. Please note that Tag keys are case insensitive."
            )));
        }
        if out.transitive.iter().any(|it| same(it, key)) {
            return Err(validation(format!(
                "Tag '{key}' cannot be overridden: it is a transitive session tag inherited from the \
                 role chain."
            )));
        }
        given.push(key);
        out.tags.insert(key.to_owned(), value.to_owned());
    }
    for key in transitive.unwrap_or_default() {
        let Some(spelled) = given.iter().find(|it| same(it, key)) else {
            return Err(validation(format!(
                "The specified transitive tag key '{key}' must be included in the requested tags."
            )));
        };
        if !out.transitive.iter().any(|it| it == spelled) {
            out.transitive.push((*spelled).to_owned());
        }
    }
    if out.tags.len() > TAGS {
        return Err(validation(format!(
            "A session can have at most {TAGS} tags; this one would have {}.",
            out.tags.len()
        )));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(key: &str, value: &str) -> Tag {
        Tag { key: key.into(), value: value.into() }
    }

    fn parent() -> SessionFacts {
        SessionFacts {
            tags: BTreeMap::from([("Équipe".into(), "red".into()), ("Own".into(), "x".into())]),
            transitive: vec!["Équipe".into()],
            ..SessionFacts::default()
        }
    }

    #[test]
    fn only_transitive_tags_go_down_the_chain_and_stay_transitive() {
        let made = of_session(Some(&parent()), Some(&[tag("Cost", "1")]), None).unwrap();
        let expected = [("Cost", "1"), ("Équipe", "red")];
        assert!(made.tags.iter().map(|(k, v)| (k.as_str(), v.as_str())).eq(expected));
        assert_eq!(made.transitive, ["Équipe"]);
    }

    #[test]
    fn an_inherited_tag_cannot_be_overridden_in_any_case() {
        for key in ["Équipe", "équipe", "ÉQUIPE"] {
            let fault = of_session(Some(&parent()), Some(&[tag(key, "blue")]), None).unwrap_err();
            assert_eq!(fault.code, "ValidationError");
            assert!(fault.message.contains("cannot be overridden"));
        }
        assert!(of_session(Some(&parent()), Some(&[tag("Own", "y")]), None).is_ok());
    }

    #[test]
    fn wrong_tags_are_refused() {
        let wrong: [(&[Tag], &[String]); 5] = [
            (&[tag("aws:x", "")], &[]),
            (&[tag("AWS:x", "")], &[]),
            (&[tag("a", "1"), tag("A", "2")], &[]),
            (&[tag("é", "1"), tag("É", "2")], &[]),
            (&[tag("a", "1")], &["b".to_owned()]),
        ];
        for (tags, transitive) in wrong {
            assert!(of_session(None, Some(tags), Some(transitive)).is_err(), "{tags:?}");
        }
        let many: Vec<Tag> = (0..50).map(|it| tag(&format!("k{it}"), "")).collect();
        assert!(of_session(None, Some(&many), None).is_ok());
        assert!(of_session(Some(&parent()), Some(&many), None).is_err());
    }
}
