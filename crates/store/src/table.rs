//! Typed collections: a table maps keys of one type to records of one type.

use std::marker::PhantomData;
use std::ops::Bound;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::hex;
use crate::{Key, KeyError, KeyOf, KeyPrefix, Read, StoreError, Tx};

/// A type that is stored. It is written as `[version,record]` in JSON.
pub trait Record: Serialize + DeserializeOwned {
    /// The version of the type as it is now. Raise it with every change that old records do not fit.
    const VERSION: u32 = 1;

    /// Turns a record of the earlier version `from` into one of [`Record::VERSION`].
    ///
    /// # Errors
    /// A text that says why it cannot be done, without the record's contents.
    fn upgrade(from: u32, value: Value) -> Result<Value, String> {
        drop(value);
        Err(format!("there is no way from version {from} to version {}", Self::VERSION))
    }
}

impl Record for Value {}
impl Record for String {}
impl Record for u64 {}
impl Record for bool {}
/// For sets: a table whose keys say everything.
impl Record for () {}

/// A named table with the types of its keys and records. Tables are constants of the services:
///
/// ```
/// use sagegate_store::Table;
/// pub const NAMES: Table<(String, u64), String> = Table::new("example.name");
/// ```
pub struct Table<K, V> {
    name: &'static str,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K, V> std::fmt::Debug for Table<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Table").field(&self.name).finish()
    }
}

impl<K, V> Clone for Table<K, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V> Copy for Table<K, V> {}

impl<K, V> Table<K, V> {
    /// The table of this name. One name must always be used with the same types.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Table { name, types: PhantomData }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl<K: Key, V: Record> Table<K, V> {
    /// The record under `key`, if there is one. `key` is a `&K` or its borrowed form, such as `&("a", "b")`.
    ///
    /// # Errors
    /// [`StoreError`]: not readable, or not of this table's type.
    pub fn get(
        &self,
        read: &dyn Read,
        key: &(impl KeyOf<K> + ?Sized),
    ) -> Result<Option<V>, StoreError> {
        let key = encode(key);
        match read.get(self.name, &key)? {
            Some(bytes) => self.decode_record(&key, &bytes).map(Some),
            None => Ok(None),
        }
    }

    /// As [`Table::get`], for records that many requests read and few change: while the same bytes are under `key`,
    /// their JSON is not read again. What it was read to stays in memory for a while, so this is not for secrets.
    ///
    /// # Errors
    /// [`StoreError`]: not readable, or not of this table's type.
    pub fn get_kept(
        &self,
        read: &dyn Read,
        key: &(impl KeyOf<K> + ?Sized),
    ) -> Result<Option<V>, StoreError>
    where
        V: Clone + Send + Sync + 'static,
    {
        Ok(self.get_shared(read, key)?.map(Arc::unwrap_or_clone))
    }

    /// As [`Table::get_kept`], the record itself that is kept: for one of many members of which few are looked at.
    ///
    /// # Errors
    /// [`StoreError`]: not readable, or not of this table's type.
    pub fn get_shared(
        &self,
        read: &dyn Read,
        key: &(impl KeyOf<K> + ?Sized),
    ) -> Result<Option<Arc<V>>, StoreError>
    where
        V: Send + Sync + 'static,
    {
        let key = encode(key);
        let Some(bytes) = read.get(self.name, &key)? else { return Ok(None) };
        if let Some(known) = read.memo().get(self.name, &key, &bytes) {
            return Ok(Some(known));
        }
        let record = Arc::new(self.decode_record(&key, &bytes)?);
        read.memo().put(self.name, &key, &bytes, &record);
        Ok(Some(record))
    }

    /// Whether there is a record under `key`.
    ///
    /// # Errors
    /// [`StoreError`] when the engine cannot read.
    pub fn contains(
        &self,
        read: &dyn Read,
        key: &(impl KeyOf<K> + ?Sized),
    ) -> Result<bool, StoreError> {
        Ok(read.get(self.name, &encode(key))?.is_some())
    }

    /// Sets the record under `key`.
    ///
    /// # Errors
    /// [`StoreError::Encode`] when the record has no JSON form.
    pub fn put(
        &self,
        tx: &mut Tx,
        key: &(impl KeyOf<K> + ?Sized),
        record: &V,
    ) -> Result<(), StoreError> {
        let bytes = serde_json::to_vec(&(V::VERSION, record))
            .map_err(|error| StoreError::Encode { table: self.name, cause: error.to_string() })?;
        tx.put(self.name, encode(key), bytes);
        Ok(())
    }

    /// Removes the record under `key`, if there is one.
    pub fn delete(&self, tx: &mut Tx, key: &(impl KeyOf<K> + ?Sized)) {
        tx.delete(self.name, encode(key));
    }

    /// Up to `limit` records whose keys begin with `prefix`, in the order of their keys, beginning behind `after`.
    ///
    /// # Errors
    /// [`StoreError`]: not readable, or not of this table's type.
    pub fn scan(
        &self,
        read: &dyn Read,
        prefix: &impl KeyPrefix<K>,
        after: Option<&K>,
        limit: usize,
    ) -> Result<Vec<(K, V)>, StoreError> {
        self.scan_in(read, prefix, after, limit, false)
    }

    /// As [`Table::scan`], from the end backwards, beginning before `after`.
    ///
    /// # Errors
    /// [`StoreError`]: not readable, or not of this table's type.
    pub fn scan_rev(
        &self,
        read: &dyn Read,
        prefix: &impl KeyPrefix<K>,
        after: Option<&K>,
        limit: usize,
    ) -> Result<Vec<(K, V)>, StoreError> {
        self.scan_in(read, prefix, after, limit, true)
    }

    /// How many records have keys that begin with `prefix`.
    ///
    /// # Errors
    /// [`StoreError`] when the engine cannot read.
    pub fn count(&self, read: &dyn Read, prefix: &impl KeyPrefix<K>) -> Result<usize, StoreError> {
        let (from, to) = bounds(prefix);
        let found = read.scan(self.name, as_slice(&from), as_slice(&to), usize::MAX, false)?;
        Ok(found.len())
    }

    fn scan_in(
        &self,
        read: &dyn Read,
        prefix: &impl KeyPrefix<K>,
        after: Option<&K>,
        limit: usize,
        reverse: bool,
    ) -> Result<Vec<(K, V)>, StoreError> {
        let (mut from, mut to) = bounds(prefix);
        if let Some(after) = after.map(encode) {
            // A key outside of the prefix must not widen the interval; the store takes an inverted one as empty.
            let beyond = match (&from, &to) {
                (Bound::Included(from), _) if !reverse => after < *from,
                (_, Bound::Excluded(to)) if reverse => after >= *to,
                _ => false,
            };
            if reverse && !beyond {
                to = Bound::Excluded(after);
            } else if !beyond {
                from = Bound::Excluded(after);
            }
        }
        let found = read.scan(self.name, as_slice(&from), as_slice(&to), limit, reverse)?;
        let typed = |(key, bytes): (Vec<u8>, std::sync::Arc<[u8]>)| {
            let record = self.decode_record(&key, &bytes)?;
            Ok((self.decode_key(&key)?, record))
        };
        found.into_iter().map(typed).collect()
    }

    fn decode_key(&self, key: &[u8]) -> Result<K, StoreError> {
        let mut rest = key;
        match K::decode(&mut rest) {
            Ok(decoded) if rest.is_empty() => Ok(decoded),
            Ok(_) => Err(self.corrupt(key, &"the key is longer than its type")),
            Err(error) => Err(self.corrupt(key, &error as &KeyError)),
        }
    }

    fn decode_record(&self, key: &[u8], bytes: &[u8]) -> Result<V, StoreError> {
        let (version, record) =
            split(bytes).ok_or_else(|| self.corrupt(key, &"it has no version"))?;
        if version == V::VERSION {
            return serde_json::from_slice(record).map_err(|error| self.unreadable(key, &error));
        }
        if version > V::VERSION {
            return Err(StoreError::Newer {
                table: self.name,
                key: hex(key),
                found: version,
                supported: V::VERSION,
            });
        }
        let value = serde_json::from_slice(record).map_err(|error| self.unreadable(key, &error))?;
        let value = V::upgrade(version, value).map_err(|cause| self.corrupt(key, &cause))?;
        serde_json::from_value(value).map_err(|error| self.unreadable(key, &error))
    }

    /// The JSON reader's own words may quote the record: only the place and the kind are told.
    fn unreadable(&self, key: &[u8], error: &serde_json::Error) -> StoreError {
        let kind = match error.classify() {
            serde_json::error::Category::Data => "the members do not fit",
            _ => "it is not JSON",
        };
        self.corrupt(key, &format_args!("{kind} (at byte {})", error.column()))
    }

    fn corrupt(&self, key: &[u8], cause: &dyn std::fmt::Display) -> StoreError {
        StoreError::Corrupt { table: self.name, key: hex(key), cause: cause.to_string() }
    }
}

/// Takes `[version,record]` apart without reading the record.
fn split(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let inner = bytes.strip_prefix(b"[")?.strip_suffix(b"]")?;
    let comma = inner.iter().position(|byte| *byte == b',')?;
    let (version, record) = inner.split_at_checked(comma)?;
    Some((std::str::from_utf8(version).ok()?.parse().ok()?, record.strip_prefix(b",")?))
}

fn encode<K>(key: &(impl KeyOf<K> + ?Sized)) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    key.encode(&mut out);
    out
}

/// The interval of all keys that begin with the prefix.
fn bounds<K>(prefix: &impl KeyPrefix<K>) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    let mut from = Vec::with_capacity(64);
    prefix.encode_prefix(&mut from);
    let mut to = from.clone();
    // The first key behind the prefix: its last byte that can grow, grown, and nothing after it.
    while let Some(last) = to.pop() {
        if let Some(next) = last.checked_add(1) {
            to.push(next);
            return (Bound::Included(from), Bound::Excluded(to));
        }
    }
    (Bound::Included(from), Bound::Unbounded)
}

fn as_slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;
    use crate::Store;

    /// As an earlier release had it.
    #[derive(Serialize, Deserialize)]
    struct Old {
        name: String,
    }

    impl Record for Old {}

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct New {
        first: String,
        last: Option<String>,
    }

    impl Record for New {
        const VERSION: u32 = 3;

        fn upgrade(from: u32, value: Value) -> Result<Value, String> {
            match from {
                1 => Ok(json!({ "first": value["name"], "last": null })),
                _ => Err("version 2 was never released".to_owned()),
            }
        }
    }

    const OLD: Table<(String,), Old> = Table::new("test.person");
    const NEW: Table<(String,), New> = Table::new("test.person");

    fn tx() -> Tx {
        Tx::read_only(Store::memory().snapshot().unwrap())
    }

    #[test]
    fn an_old_record_is_brought_up() {
        let mut tx = tx();
        OLD.put(&mut tx, &("a",), &Old { name: "Ann".to_owned() }).unwrap();
        let raw = tx.get("test.person", b"a\0\0").unwrap().unwrap();
        assert_eq!(raw.as_ref(), br#"[1,{"name":"Ann"}]"#);
        let ann = New { first: "Ann".to_owned(), last: None };
        assert_eq!(NEW.get(&tx, &("a",)).unwrap().unwrap(), ann);
        assert_eq!(NEW.scan(&tx, &(), None, 9).unwrap(), [(("a".to_owned(),), ann)]);
        NEW.put(&mut tx, &("a",), &New { first: "Bo".to_owned(), last: None }).unwrap();
        let refused = OLD.get(&tx, &("a",)).err().unwrap();
        assert_eq!(
            refused.to_string(),
            "table test.person: the record under key 610000 has version 3, \
             this release reads up to 1"
        );
    }

    #[test]
    fn a_kept_record_is_that_of_the_bytes_that_are_there() {
        const NAMES: Table<(String,), String> = Table::new("test.name");
        let mut tx = tx();
        let other = tx.snapshot();
        assert_eq!(NAMES.get_kept(&tx, &("a",)).unwrap(), None);
        for name in ["Ann", "Bo", "Ann"] {
            NAMES.put(&mut tx, &("a",), &name.to_owned()).unwrap();
            for _ in 0..2 {
                assert_eq!(NAMES.get_kept(&tx, &("a",)).unwrap().as_deref(), Some(name));
                assert_eq!(NAMES.get_kept(&other, &("a",)).unwrap(), None);
            }
        }
        NAMES.delete(&mut tx, &("a",));
        assert_eq!(NAMES.get_kept(&tx, &("a",)).unwrap(), None);
        // Another type under the same bytes is read for itself.
        const NUMBERS: Table<(String,), u64> = Table::new("test.name");
        const VALUES: Table<(String,), Value> = Table::new("test.name");
        NUMBERS.put(&mut tx, &("a",), &7).unwrap();
        assert_eq!(NUMBERS.get_kept(&tx, &("a",)).unwrap(), Some(7));
        assert_eq!(VALUES.get_kept(&tx, &("a",)).unwrap(), Some(json!(7)));
        assert!(NAMES.get_kept(&tx, &("a",)).is_err());
    }

    #[test]
    fn what_does_not_fit_is_told_without_its_contents() {
        let mut tx = tx();
        let cases: [(&[u8], &str); 6] = [
            (b"[3,{\"last\":\"hunter2\"}]", "the members do not fit"),
            (b"[3,{\"first\":17,\"last\":\"hunter2\"}]", "the members do not fit"),
            (b"[3,{\"first\":\"hunter2]", "it is not JSON"),
            (b"[2,\"hunter2\"]", "version 2 was never released"),
            (b"{\"hunter2\":1}", "it has no version"),
            (b"", "it has no version"),
        ];
        for (bytes, expected) in cases {
            tx.put("test.person", b"a\0\0".as_slice(), bytes);
            let refused = NEW.get(&tx, &("a",)).unwrap_err().to_string();
            assert!(refused.contains(expected), "{refused}");
            assert!(!refused.contains("hunter2"), "{refused}");
        }
        tx.put("test.person", b"odd".as_slice(), b"[3,{\"first\":\"x\",\"last\":null}]".as_slice());
        tx.delete("test.person", b"a\0\0".as_slice());
        let refused = NEW.scan(&tx, &(), None, 9).unwrap_err().to_string();
        assert!(refused.contains("the key is not an encoded string"), "{refused}");
    }
}
