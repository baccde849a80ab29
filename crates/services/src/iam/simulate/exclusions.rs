//! `PolicyExclusionList`: which of a principal's policies a simulation leaves out.

use sagegate_api::iam as api;
use sagegate_gate::Fault;

use super::super::aws_managed;
use super::super::faults::invalid_input;
use super::super::policies::check_arn;
use super::super::records::EntityKind;

/// The policies to leave out. Those that match nothing are passed over (IAM API Reference,
/// `PolicyIdentifier`).
#[derive(Clone, Debug, Default)]
pub(super) struct Exclusions(Vec<api::PolicyIdentifier>);

impl Exclusions {
    /// Takes the list of a request.
    ///
    /// # Errors
    /// `InvalidInput` for an ARN that is not a managed policy's or has wildcards outside of its
    /// last part or more than one `*`.
    pub(super) fn of(list: Option<&[api::PolicyIdentifier]>) -> Result<Self, Fault> {
        let list = list.unwrap_or_default();
        for arn in list.iter().filter_map(|it| it.policy_arn.as_deref()) {
            let invalid = || invalid_input(format!("ARN {arn} is not valid."));
            check_arn(arn).map_err(|_| invalid())?;
            let (before, name) = arn.rsplit_once('/').ok_or_else(invalid)?;
            if before.contains(['*', '?']) || name.matches('*').count() > 1 {
                return Err(invalid());
            }
        }
        Ok(Self(list.to_vec()))
    }

    fn kind(&self, kind: api::PolicyIdentifierPolicyType) -> bool {
        self.0.iter().any(|it| it.policy_type == Some(kind))
    }

    fn arn(&self, arn: &str) -> bool {
        self.0.iter().filter_map(|it| it.policy_arn.as_deref()).any(|it| matches(it, arn))
    }

    /// Whether an attached managed policy is left out.
    pub(super) fn managed(&self, arn: &str) -> bool {
        use api::PolicyIdentifierPolicyType::{AwsManaged, UserManaged};
        let kind = if aws_managed::is_aws_arn(arn) { AwsManaged } else { UserManaged };
        self.kind(kind) || self.arn(arn)
    }

    /// Whether the permissions boundary is left out.
    pub(super) fn boundary(&self, _arn: &str) -> bool {
        self.kind(api::PolicyIdentifierPolicyType::PermissionBoundary)
    }

    /// Whether an inline policy is left out.
    pub(super) fn inline(&self, owner: EntityKind, owner_name: &str, policy: &str) -> bool {
        let kind = match owner {
            EntityKind::User => api::AttachmentType::User,
            EntityKind::Group => api::AttachmentType::Group,
            _ => api::AttachmentType::Role,
        };
        self.kind(api::PolicyIdentifierPolicyType::Inline)
            || self.0.iter().filter_map(|it| it.inline_policy_identifier.as_ref()).any(|it| {
                it.policy_name == policy
                    && it.attachment_type == kind
                    && matches(&it.attachment_name, owner_name)
            })
    }
}

/// `*` stands for any characters, `?` for one.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    // How far the pattern's beginnings match the text read so far.
    let mut reached = vec![false; pattern.len() + 1];
    let spread = |reached: &mut Vec<bool>| {
        for (index, symbol) in pattern.iter().enumerate() {
            if *symbol == '*'
                && reached.get(index) == Some(&true)
                && let Some(next) = reached.get_mut(index + 1)
            {
                *next = true;
            }
        }
    };
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    spread(&mut reached);
    for character in text {
        let mut next = vec![false; pattern.len() + 1];
        for (index, symbol) in pattern.iter().enumerate() {
            if reached.get(index) != Some(&true) {
                continue;
            }
            let to = match symbol {
                '*' => index,
                '?' => index + 1,
                _ if *symbol == character => index + 1,
                _ => continue,
            };
            if let Some(slot) = next.get_mut(to) {
                *slot = true;
            }
        }
        spread(&mut next);
        reached = next;
    }
    reached.last() == Some(&true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_as_documented() {
        for (pattern, text, expected) in [
            ("a*c", "abbc", true),
            ("a*c", "ac", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*", "", true),
            ("", "", true),
            ("abc", "abcd", false),
            ("*b", "aab", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
