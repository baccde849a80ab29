//! What SageMaker's List operations share: bounds of times, order and pages.

use sagegate_gate::Fault;
use sagegate_gate::env::Time;
use sagegate_model::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::faults::bad_token;
use crate::paging;

/// The bounds that a pair of filters such as `CreationTimeAfter` and `CreationTimeBefore` sets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    after: Option<Timestamp>,
    before: Option<Timestamp>,
    inclusive: bool,
}

impl Bounds {
    /// Bounds that belong to what they bound, as the API says of Studio's resources: "on or after",
    /// "on or before".
    pub(super) fn inclusive(after: Option<Timestamp>, before: Option<Timestamp>) -> Self {
        Self { after, before, inclusive: true }
    }

    /// Bounds that lie outside, as the API says of notebook instances: "after", "before".
    pub(super) fn exclusive(after: Option<Timestamp>, before: Option<Timestamp>) -> Self {
        Self { after, before, inclusive: false }
    }

    /// Whether a time lies within.
    pub(super) fn hold(self, time: Time) -> bool {
        let time = Timestamp::from(time);
        let on = |bound: Timestamp| self.inclusive && time == bound;
        self.after.is_none_or(|bound| time > bound || on(bound))
            && self.before.is_none_or(|bound| time < bound || on(bound))
    }
}

/// Whether a name has this part, in whatever case; every name has no part.
pub(super) fn contains(name: &str, part: Option<&str>) -> bool {
    part.is_none_or(|part| name.to_ascii_lowercase().contains(&part.to_ascii_lowercase()))
}

/// Items on a page where the request does not say (SageMaker API, `MaxResults`).
const PAGE: i32 = 10;

/// The items of a page. The wire has checked that a given size lies in 1 to 100.
fn page_size(given: Option<i32>) -> usize {
    usize::try_from(given.unwrap_or(PAGE).clamp(1, 100)).unwrap_or(1)
}

/// Which page a request asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page<'a> {
    /// Whether the last comes first.
    pub(super) descending: bool,
    /// `NextToken`.
    pub(super) token: Option<&'a str>,
    /// `MaxResults`.
    pub(super) limit: Option<i32>,
}

impl Page<'_> {
    /// The items of the page in the order of their places, and the token of the next page if there
    /// is one. Places must differ.
    ///
    /// # Errors
    /// `ValidationException` for a token that is none.
    pub(super) fn of<T, K>(
        self,
        found: impl IntoIterator<Item = T>,
        place: impl Fn(&T) -> K,
    ) -> Result<(Vec<T>, Option<String>), Fault>
    where
        K: Ord + Serialize + DeserializeOwned,
    {
        let mut found: Vec<(K, T)> = found.into_iter().map(|it| (place(&it), it)).collect();
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        if self.descending {
            found.reverse();
        }
        if let Some(token) = self.token {
            let last: K = paging::key_of(token).ok_or_else(bad_token)?;
            found.retain(|(place, _)| if self.descending { *place < last } else { *place > last });
        }
        let limit = page_size(self.limit);
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|(place, _)| paging::token_after(place));
        Ok((found.into_iter().map(|(_, it)| it).collect(), next))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bound_belongs_to_studios_resources_only() {
        let (time, bound) = (Time::from_millis(5), Some(Timestamp::from_millis(5)));
        assert!(Bounds::inclusive(bound, bound).hold(time));
        assert!(!Bounds::exclusive(bound, None).hold(time));
        assert!(!Bounds::exclusive(None, bound).hold(time));
        assert!(Bounds::exclusive(None, None).hold(time));
        let earlier = Some(Timestamp::from_millis(4));
        assert!(Bounds::exclusive(earlier, None).hold(time));
        assert!(!Bounds::inclusive(None, earlier).hold(time));
    }

    proptest! {
        #[test]
        fn the_pages_together_are_the_list(
            items in proptest::collection::btree_set(0..1_000_i64, 0..40),
            limit in 1..12_i32,
            descending: bool,
        ) {
            let mut want: Vec<i64> = items.iter().copied().collect();
            if descending {
                want.reverse();
            }
            let (mut got, mut token) = (Vec::new(), None::<String>);
            loop {
                let page = Page { descending, token: token.as_deref(), limit: Some(limit) };
                let (some, next) = page.of(items.iter().copied(), |it| *it).unwrap();
                prop_assert!(i32::try_from(some.len()).unwrap() <= limit);
                got.extend(some);
                token = next;
                if token.is_none() {
                    break;
                }
            }
            prop_assert_eq!(got, want);
        }
    }
}
