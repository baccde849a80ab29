//! Session policies: what a request hands over, checked, and how much room it takes.

use sagegate_api::sts::PolicyDescriptorType;
use sagegate_gate::{Fault, Scope};
use sagegate_policy::{PolicyType, validate};
use sagegate_store::Read;

use super::faults::{malformed_policy, too_large, validation};
use crate::iam::managed;

/// Managed session policies that a session can have (STS API Reference, `PolicyArns`).
const MANAGED: usize = 10;
/// Bytes that policy, ARNs and tags may take together. AWS keeps them in a packed form of its own
/// whose size it does not publish; ours is the text without white space, and this its limit.
const ROOM: usize = 4_096;

/// The name under which reports call the inline session policy.
const INLINE: &str = "session policy";

/// The session policies of a request.
#[derive(Debug, Default)]
pub(super) struct Collected {
    /// The inline policy, without white space, under the name that reports have for it.
    pub(super) inline: Option<(String, String)>,
    /// The ARNs of managed policies.
    pub(super) managed: Vec<String>,
}

/// The session policies of a request.
///
/// # Errors
/// `MalformedPolicyDocument`, or `ValidationError` for ARNs that are too many or of no policy of
/// the account.
pub(super) fn collect(
    state: &dyn Read,
    scope: &Scope,
    inline: Option<&str>,
    arns: Option<&[PolicyDescriptorType]>,
) -> Result<Collected, Fault> {
    let mut collected = Collected::default();
    if let Some(text) = inline {
        if let Err(violations) = validate(text, PolicyType::Session) {
            let first = violations.into_iter().next().map(|it| it.message);
            return Err(malformed_policy(
                first.unwrap_or_else(|| "Syntax errors in policy.".into()),
            ));
        }
        collected.inline = Some((INLINE.to_owned(), without_white_space(text)));
    }
    let arns = arns.unwrap_or_default();
    if arns.len() > MANAGED {
        return Err(validation(format!(
            "1 validation error detected: Value at 'policyArns' failed to satisfy constraint: \
             Member must have length less than or equal to {MANAGED}"
        )));
    }
    for descriptor in arns {
        let arn = descriptor.arn.as_deref().unwrap_or_default();
        if managed::find(state, scope, arn)?.is_none() {
            return Err(validation(format!("Policy {arn} does not exist or is not attachable.")));
        }
        collected.managed.push(arn.to_owned());
    }
    Ok(collected)
}

/// How much of the room policies and tags take, in per cent, rounded up.
///
/// # Errors
/// `PackedPolicyTooLarge` if it is more than all of it.
pub(super) fn packed_size<'a>(
    policies: &Collected,
    tags: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<usize, Fault> {
    let inline = policies.inline.iter().map(|(_, text)| text.len());
    let policies = inline.chain(policies.managed.iter().map(String::len));
    let tags = tags.into_iter().map(|(key, value)| key.len() + value.len());
    let bytes: usize = policies.chain(tags).sum();
    let percent = (bytes * 100).div_ceil(ROOM);
    if percent > 100 { Err(too_large(percent)) } else { Ok(percent) }
}

/// JSON text without the white space between its tokens.
fn without_white_space(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let (mut inside, mut escaped) = (false, false);
    for character in json.chars() {
        if inside {
            out.push(character);
            match character {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => inside = false,
                _ => {}
            }
        } else if !character.is_ascii_whitespace() {
            inside = character == '"';
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_goes_between_tokens_only() {
        let json = "{ \"a b\" : [ 1,\n\"c \\\" d\" ] }";
        assert_eq!(without_white_space(json), r#"{"a b":[1,"c \" d"]}"#);
    }

    #[test]
    fn the_room_is_counted_in_per_cent_and_bounded() {
        let policy = |length| Collected {
            inline: Some((INLINE.to_owned(), "x".repeat(length))),
            managed: Vec::new(),
        };
        assert_eq!(packed_size(&Collected::default(), []).unwrap(), 0);
        assert_eq!(packed_size(&policy(1), []).unwrap(), 1);
        assert_eq!(packed_size(&policy(2_048), []).unwrap(), 50);
        assert_eq!(packed_size(&policy(4_096), []).unwrap(), 100);
        let fault = packed_size(&policy(4_096), [("a", "b")]).unwrap_err();
        assert_eq!(fault.code, "PackedPolicyTooLarge");
        assert!(fault.message.contains("101%"), "{}", fault.message);
    }
}
