//! Tags of requests: what they need, and which may be set.

use std::collections::BTreeMap;

use sagegate_api::sagemaker::Tag;
use sagegate_gate::{Fault, Need, Needs};

use super::faults::validation;

/// Tags that a resource can have.
pub(super) const TAGS_PER_RESOURCE: usize = 50;

/// The tag of a space that names its owner (SPEC R0.4).
pub(super) const OWNER_TAG: &str = "sagemaker:user-profile-arn";

/// Tag keys that SageMaker itself writes and policies build on (SPEC R0.4, 3.1). No caller may set
/// or delete them (SPEC T5). Condition keys know no case, so neither does this list.
const SYSTEM_KEYS: [&str; 5] = [
    "sagemaker:domain-arn",
    "sagemaker:domain-id",
    "sagemaker:space-arn",
    OWNER_TAG,
    "sagemaker:user-profile-name",
];

/// The tags as pairs.
pub(super) fn pairs(tags: Option<&[Tag]>) -> impl Iterator<Item = (&str, &str)> {
    tags.unwrap_or_default().iter().map(|tag| (tag.key.as_str(), tag.value.as_str()))
}

/// Adds what a create call with tags needs beside its own action: sagemaker:AddTags on the new
/// resource, with the name of the call as `sagemaker:TaggingAction` (SPEC 2.6, 3.1).
pub(super) fn and_add_tags(
    needs: Needs,
    creation: &'static str,
    arn: &str,
    tags: Option<&[Tag]>,
) -> Needs {
    if tags.unwrap_or_default().is_empty() {
        return needs;
    }
    let need = Need::on("sagemaker:AddTags", arn)
        .key("sagemaker:TaggingAction", creation)
        .request_tags(pairs(tags));
    needs.and(need)
}

/// Whether a key is one of those that only SageMaker writes.
fn is_system(key: &str) -> bool {
    SYSTEM_KEYS.contains(&key.to_lowercase().as_str())
}

/// How many of a resource's tags count: those that callers write.
pub(super) fn counted(tags: &BTreeMap<String, String>) -> usize {
    tags.keys().filter(|key| !is_system(key)).count()
}

/// Refuses a key that callers may not write.
///
/// # Errors
/// `ValidationException`.
pub(super) fn check_key(key: &str) -> Result<(), Fault> {
    if crate::is_reserved(key) {
        return Err(validation(format!(
            "Tag key '{key}' is not valid: aws: prefixed tag key names are not allowed for \
             external use."
        )));
    }
    if is_system(key) {
        return Err(validation(format!(
            "Tag key '{key}' is not valid: it is set by Amazon SageMaker and cannot be changed."
        )));
    }
    Ok(())
}

/// The tags of a request, checked, without duplicates.
///
/// # Errors
/// `ValidationException`.
pub(super) fn checked(tags: Option<&[Tag]>) -> Result<BTreeMap<String, String>, Fault> {
    let mut out = BTreeMap::new();
    for tag in tags.unwrap_or_default() {
        check_key(&tag.key)?;
        if out.insert(tag.key.clone(), tag.value.clone()).is_some() {
            return Err(validation(format!("Tag key '{}' is given more than once.", tag.key)));
        }
    }
    if out.len() > TAGS_PER_RESOURCE {
        return Err(validation(format!(
            "A resource can have at most {TAGS_PER_RESOURCE} tags; {} were given.",
            out.len()
        )));
    }
    Ok(out)
}

/// Stored tags as the API answers them.
pub(super) fn answered(tags: BTreeMap<String, String>) -> Vec<Tag> {
    tags.into_iter().map(|(key, value)| Tag { key, value }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(key: &str) -> Tag {
        Tag { key: key.into(), value: "v".into() }
    }

    #[test]
    fn system_and_reserved_keys_are_refused_in_any_case() {
        for wrong in ["aws:x", "AWS:x", "sagemaker:user-profile-arn", "SageMaker:Domain-ARN"] {
            let fault = checked(Some(&[tag(wrong)])).unwrap_err();
            assert_eq!(fault.code, "ValidationException");
            assert!(fault.message.contains(wrong));
        }
        assert!(checked(Some(&[tag("sagemaker:project-name"), tag("Team")])).is_ok());
    }

    #[test]
    fn a_key_is_given_once_and_at_most_fifty() {
        assert!(checked(Some(&[tag("a"), tag("a")])).is_err());
        let many: Vec<Tag> = (0..51).map(|it| tag(&format!("k{it}"))).collect();
        assert!(checked(Some(&many[..50])).is_ok());
        assert!(checked(Some(&many)).is_err());
    }

    #[test]
    fn only_a_create_call_with_tags_needs_add_tags() {
        assert!(and_add_tags(Needs::nothing(), "CreateDomain", "arn", Some(&[])).0.is_empty());
        let needs = and_add_tags(Needs::nothing(), "CreateDomain", "arn", Some(&[tag("Team")]));
        assert_eq!(needs.0[0].action, "sagemaker:AddTags");
        assert!(needs.0[0].keys.iter().any(|(key, _)| key == "sagemaker:TaggingAction"));
    }
}
