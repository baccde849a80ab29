//! Filters and pages: what every Describe call does with the resources that it finds.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use sagegate_api::ec2::Filter;
use sagegate_gate::Fault;

use super::fault::{bad, invalid_value};
use super::tags::Tags;
use crate::paging;

/// The most values that a request may have in one filter (EC2 API Reference, "Filters").
const MAX_VALUES: usize = 200;

/// Filters of a request, checked: a name that the call does not know is an error, not a filter
/// that lets everything through.
#[derive(Debug)]
pub(crate) struct Filters<'a>(Vec<(&'a str, &'a [String])>);

impl<'a> Filters<'a> {
    /// Checks filters against the names that a call knows. `tags` adds `tag:…` and `tag-key`.
    ///
    /// # Errors
    /// `InvalidParameterValue`, `FilterLimitExceeded`.
    pub(crate) fn of(
        filters: Option<&'a Vec<Filter>>,
        names: &[&str],
        tags: bool,
    ) -> Result<Self, Fault> {
        let mut checked = Vec::new();
        for filter in filters.into_iter().flatten() {
            let name = filter.name.as_deref().unwrap_or_default();
            let known = names.contains(&name)
                || tags
                    && (name == "tag-key"
                        || name.strip_prefix("tag:").is_some_and(|key| !key.is_empty()));
            if !known {
                return Err(invalid_value(format!("The filter '{name}' is invalid")));
            }
            let values = filter.values.as_deref().unwrap_or_default();
            if values.is_empty() {
                return Err(invalid_value(format!("The filter '{name}' has no values")));
            }
            if values.len() > MAX_VALUES {
                let text = format!("The maximum number of filter values is {MAX_VALUES}");
                return Err(bad("FilterLimitExceeded", text));
            }
            checked.push((name, values));
        }
        Ok(Self(checked))
    }

    /// Whether a resource passes: for every filter, one of the resource's values matches one of
    /// the filter's. `values` answers the names that were declared to [`Filters::of`].
    pub(crate) fn pass(&self, tags: &Tags, values: impl Fn(&str) -> Vec<String>) -> bool {
        self.0.iter().all(|(name, patterns)| {
            let own = if let Some(key) = name.strip_prefix("tag:") {
                tags.get(key).cloned().into_iter().collect()
            } else if *name == "tag-key" {
                tags.keys().cloned().collect()
            } else {
                values(name)
            };
            own.iter().any(|value| patterns.iter().any(|pattern| matches(pattern, value)))
        })
    }
}

/// Whether a value matches a filter's pattern: `*` is any text, `?` one character, and a backslash
/// takes the next character as it is. Case counts.
pub(crate) fn matches(pattern: &str, value: &str) -> bool {
    enum Part {
        Any,
        One,
        Just(char),
    }
    let mut parts = Vec::new();
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        parts.push(match letter {
            '*' => Part::Any,
            '?' => Part::One,
            '\\' => Part::Just(letters.next().unwrap_or('\\')),
            other => Part::Just(other),
        });
    }
    // The set of places in the pattern that may be reached by the text so far.
    let close = |mut reached: BTreeSet<usize>| {
        let mut open: Vec<usize> = reached.iter().copied().collect();
        while let Some(at) = open.pop() {
            if matches!(parts.get(at), Some(Part::Any)) && reached.insert(at + 1) {
                open.push(at + 1);
            }
        }
        reached
    };
    let mut reached = close(BTreeSet::from([0]));
    for letter in value.chars() {
        let next = reached.iter().filter_map(|at| match parts.get(*at)? {
            Part::Any => Some(*at),
            Part::One => Some(*at + 1),
            Part::Just(just) => (*just == letter).then_some(*at + 1),
        });
        reached = close(next.collect());
        if reached.is_empty() {
            return false;
        }
    }
    reached.contains(&parts.len())
}

/// Yes or no as filters have it.
pub(crate) fn flag(value: bool) -> Vec<String> {
    vec![value.to_string()]
}

/// One page of what was found, in the order of the ids, and the token of the next.
///
/// # Errors
/// `InvalidParameterValue` for a page size outside of 5 to 1,000, `InvalidParameterCombination`
/// where ids were named too, `InvalidNextToken` for a token that was not given out.
pub(crate) fn page<T>(
    items: Vec<T>,
    id: impl Fn(&T) -> String,
    ids_named: bool,
    max_results: Option<i32>,
    next_token: Option<&str>,
) -> Result<(Vec<T>, Option<String>), Fault> {
    page_within(5..=1000, items, id, ids_named, max_results, next_token)
}

/// The same where AWS has pages of other sizes.
///
/// # Errors
/// Those of [`page`].
pub(crate) fn page_within<T>(
    sizes: RangeInclusive<usize>,
    items: Vec<T>,
    id: impl Fn(&T) -> String,
    ids_named: bool,
    max_results: Option<i32>,
    next_token: Option<&str>,
) -> Result<(Vec<T>, Option<String>), Fault> {
    let limit = match max_results {
        None => None,
        Some(_) if ids_named => {
            return Err(bad(
                "InvalidParameterCombination",
                "The parameter MaxResults cannot be used with resource IDs in the same request.",
            ));
        }
        Some(wanted) => {
            let wanted = usize::try_from(wanted).unwrap_or_default();
            if !sizes.contains(&wanted) {
                let text = format!(
                    "Value ( {wanted} ) for parameter maxResults is invalid. Expecting a value between {} and {}.",
                    sizes.start(),
                    sizes.end()
                );
                return Err(invalid_value(text));
            }
            Some(wanted)
        }
    };
    let after: Option<String> = match next_token.filter(|token| !token.is_empty()) {
        None => None,
        Some(token) => Some(
            paging::key_of(token)
                .ok_or_else(|| bad("InvalidNextToken", "The specified NextToken is not valid."))?,
        ),
    };
    let mut rest: Vec<T> = items
        .into_iter()
        .filter(|item| after.as_ref().is_none_or(|after| id(item) > *after))
        .collect();
    let Some(limit) = limit.filter(|limit| rest.len() > *limit) else {
        return Ok((rest, None));
    };
    rest.truncate(limit);
    let token = rest.last().map(|last| paging::token_after(&id(last)));
    Ok((rest, token))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_have_stars_and_marks() {
        for (pattern, value, expected) in [
            ("*", "", true),
            ("a*c", "abbbc", true),
            ("a*c", "abbb", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a\\*c", "a*c", true),
            ("a\\*c", "abc", false),
            ("", "", true),
            ("", "a", false),
            ("**a**", "ba", true),
            ("é?", "éü", true),
        ] {
            assert_eq!(matches(pattern, value), expected, "{pattern} {value}");
        }
    }

    #[test]
    fn unknown_filters_are_refused() {
        let filter =
            |name: &str| Filter { name: Some(name.into()), values: Some(vec!["x".into()]) };
        assert!(Filters::of(Some(&vec![filter("vpc-id")]), &["vpc-id"], false).is_ok());
        assert!(Filters::of(Some(&vec![filter("tag:Name")]), &[], true).is_ok());
        for (name, tags) in [("vpcid", true), ("tag:", true), ("tag:Name", false), ("", true)] {
            let error = Filters::of(Some(&vec![filter(name)]), &["vpc-id"], tags).unwrap_err();
            assert_eq!(error.code, "InvalidParameterValue", "{name}");
        }
    }

    fn naive(pattern: &[u8], value: &[u8]) -> bool {
        match (pattern, value) {
            ([], []) => true,
            ([b'*', rest @ ..], _) => {
                naive(rest, value)
                    || value.split_first().is_some_and(|(_, tail)| naive(pattern, tail))
            }
            ([b'?', rest @ ..], [_, tail @ ..]) => naive(rest, tail),
            ([p, rest @ ..], [v, tail @ ..]) if p == v => naive(rest, tail),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn matching_is_what_recursion_says(pattern in "[ab*?]{0,8}", value in "[ab]{0,10}") {
            prop_assert_eq!(matches(&pattern, &value), naive(pattern.as_bytes(), value.as_bytes()));
        }

        #[test]
        fn pages_give_everything_once(count in 0_usize..60, size in 5_i32..20) {
            let items: Vec<String> = (0..count).map(|n| format!("{n:03}")).collect();
            let mut seen = Vec::new();
            let mut token: Option<String> = None;
            loop {
                let (page, next) =
                    page(items.clone(), Clone::clone, false, Some(size), token.as_deref()).unwrap();
                prop_assert!(page.len() <= usize::try_from(size).unwrap());
                seen.extend(page);
                token = next;
                if token.is_none() { break }
            }
            prop_assert_eq!(seen, items);
        }
    }
}
