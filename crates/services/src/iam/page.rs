//! `MaxItems`, `Marker` and `IsTruncated` (IAM API Reference).

use sagegate_gate::Fault;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::faults::validation;
use crate::paging;

const DEFAULT: usize = 100;
const MOST: usize = 1_000;
/// The longest `Marker` that the API takes.
const LONGEST_MARKER: usize = 320;
/// Begins a marker that holds a digest of a key too long for a marker.
const DIGEST: &str = "#";

/// Which page is asked for. Items are told apart, and sorted, by a key of type `K`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<K> {
    /// How many items at most.
    pub limit: usize,
    /// The key of the last item of the page before.
    pub after: Option<K>,
    /// Instead of `after`, the digest of a long key (tag keys, ARNs).
    after_digest: Option<String>,
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
        let mut page = Self { limit: limit.clamp(1, MOST), after: None, after_digest: None };
        let Some(marker) = marker else { return Ok(page) };
        match paging::key_of::<(String, String)>(marker) {
            Some((kind, digest)) if kind == DIGEST => page.after_digest = Some(digest),
            _ => {
                let key = paging::key_of(marker).ok_or_else(|| validation("Invalid Marker."))?;
                page.after = Some(key);
            }
        }
        Ok(page)
    }

    /// Ends sorted items behind the page; those before it are already left out.
    pub fn cut<T>(&self, mut found: Vec<(K, T)>) -> Slice<T> {
        let marker = if found.len() > self.limit {
            found.truncate(self.limit);
            found.last().map(|(key, _)| marker_after(key))
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
        if let Some(wanted) = &self.after_digest
            && let Some(place) = all.iter().position(|(key, _)| digest(key) == *wanted)
        {
            all.drain(..=place);
        }
        self.cut(all)
    }
}

fn marker_after<K: Serialize>(key: &K) -> String {
    let marker = paging::token_after(key);
    if marker.len() <= LONGEST_MARKER {
        return marker;
    }
    paging::token_after(&(DIGEST, digest(key)))
}

fn digest<K: Serialize>(key: &K) -> String {
    hex::encode(Sha256::digest(paging::token_after(key).as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_join_up_to_the_whole() {
        join("");
        join(&"é".repeat(500));
    }

    fn join(prefix: &str) {
        let all: Vec<(String, u32)> = (0..25).map(|n| (format!("{prefix}{n:02}"), n)).collect();
        let (mut seen, mut marker) = (Vec::new(), None);
        loop {
            let page = Page::<String>::of(marker.as_deref(), Some(10)).unwrap();
            let slice = page.take(all.iter().rev().cloned().collect());
            seen.extend(slice.items);
            marker = slice.marker;
            match &marker {
                Some(marker) => assert!(marker.len() <= LONGEST_MARKER),
                None => break,
            }
        }
        assert_eq!(seen, (0..25).collect::<Vec<u32>>());
        assert_eq!(Page::<String>::of(Some("x"), None).unwrap_err().code, "ValidationError");
        assert_eq!(Page::<String>::of(None, None).unwrap().limit, 100);
    }
}
