//! `MaxItems`, `Marker` and `IsTruncated` (IAM API Reference).

use sagegate_gate::Fault;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::faults::validation;
use crate::paging;

const DEFAULT: usize = 100;
const MOST: usize = 1_000;

/// Which page is asked for. Items are told apart, and sorted, by a key of type `K`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<K> {
    /// How many items at most.
    pub limit: usize,
    /// The key of the last item of the page before.
    pub after: Option<K>,
}

/// A page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; absent on the last one.
    pub marker: Option<String>,
}

impl<T> Slice<T> {
    /// `IsTruncated`.
    #[must_use]
    pub fn truncated(&self) -> Option<bool> {
        Some(self.marker.is_some())
    }
}

impl<K: Serialize + DeserializeOwned + Ord> Page<K> {
    /// The page that a request asks for.
    ///
    /// # Errors
    /// `ValidationError` for a marker that was not handed out here.
    pub fn of(marker: Option<&str>, max_items: Option<i32>) -> Result<Self, Fault> {
        let limit = max_items.and_then(|items| usize::try_from(items).ok()).unwrap_or(DEFAULT);
        let after = match marker {
            None => None,
            Some(marker) => {
                Some(paging::key_of(marker).ok_or_else(|| validation("Invalid Marker."))?)
            }
        };
        Ok(Self { limit: limit.clamp(1, MOST), after })
    }

    /// Ends sorted items behind the page; those before it are already left out.
    pub fn cut<T>(&self, mut found: Vec<(K, T)>) -> Slice<T> {
        let marker = if found.len() > self.limit {
            found.truncate(self.limit);
            found.last().map(|(key, _)| paging::token_after(key))
        } else {
            None
        };
        Slice { items: found.into_iter().map(|(_, item)| item).collect(), marker }
    }

    /// Sorts all items there are and takes the page out of them; for lists whose length a quota
    /// bounds.
    pub fn take<T>(&self, mut all: Vec<(K, T)>) -> Slice<T> {
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        all.retain(|(key, _)| self.after.as_ref().is_none_or(|after| key > after));
        self.cut(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_join_up_to_the_whole() {
        let all: Vec<(String, u32)> = (0..25).map(|n| (format!("{n:02}"), n)).collect();
        let (mut seen, mut marker) = (Vec::new(), None);
        loop {
            let page = Page::<String>::of(marker.as_deref(), Some(10)).unwrap();
            let slice = page.take(all.iter().rev().cloned().collect());
            seen.extend(slice.items);
            marker = slice.marker;
            if marker.is_none() {
                break;
            }
        }
        assert_eq!(seen, (0..25).collect::<Vec<u32>>());
        assert_eq!(Page::<String>::of(Some("x"), None).unwrap_err().code, "ValidationError");
        assert_eq!(Page::<String>::of(None, None).unwrap().limit, 100);
    }
}
