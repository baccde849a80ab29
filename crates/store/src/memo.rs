//! Records that need not be read from their JSON again.
//!
//! What is kept is the outcome of a function of bytes alone: a record is given out only where the very bytes that it
//! was made of have been read again. So it does not matter which view was read, whether it became durable, or what
//! was written in between, and nothing here has to be told of a commit.

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

/// The longest record that is kept, in bytes of JSON.
const LONGEST: usize = 64 * 1024;
/// All that is kept, in bytes of JSON; past it the memo starts anew.
const ROOM: usize = 4 * 1024 * 1024;
/// What an entry counts beside its JSON.
const ENTRY: usize = 256;

/// Records by table and key, each with the bytes that it was made of. [`crate::Table::get_kept`] asks it.
#[derive(Default)]
pub struct Memo(RwLock<Kept>);

#[derive(Default)]
struct Kept {
    size: usize,
    tables: BTreeMap<&'static str, HashMap<Box<[u8]>, Slot>>,
}

struct Slot {
    bytes: Arc<[u8]>,
    record: Arc<dyn Any + Send + Sync>,
}

impl std::fmt::Debug for Memo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Memo")
    }
}

impl Memo {
    /// The record that was made of these bytes.
    pub(crate) fn get<V: Send + Sync + 'static>(
        &self,
        table: &'static str,
        key: &[u8],
        bytes: &[u8],
    ) -> Option<Arc<V>> {
        let record = {
            let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
            let slot = kept.tables.get(table)?.get(key)?;
            if *slot.bytes != *bytes {
                return None;
            }
            Arc::clone(&slot.record)
        };
        record.downcast().ok()
    }

    /// Keeps a record with the bytes that it was made of.
    pub(crate) fn put<V: Send + Sync + 'static>(
        &self,
        table: &'static str,
        key: &[u8],
        bytes: &Arc<[u8]>,
        record: &Arc<V>,
    ) {
        if bytes.len() > LONGEST {
            return;
        }
        let record = Arc::clone(record) as Arc<dyn Any + Send + Sync>;
        let size = |slot: &Slot| slot.bytes.len() + ENTRY;
        let slot = Slot { bytes: Arc::clone(bytes), record };
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        kept.size += size(&slot);
        if kept.size > ROOM {
            *kept = Kept { size: size(&slot), tables: BTreeMap::new() };
        }
        let before = kept.tables.entry(table).or_default().insert(key.into(), slot);
        if let Some(before) = before {
            kept.size -= size(&before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_given_out_for_its_own_bytes_only() {
        let memo = Memo::default();
        let bytes: Arc<[u8]> = Arc::from(b"[1,7]".as_slice());
        memo.put("test.a", b"key", &bytes, &Arc::new(7_u64));
        assert_eq!(memo.get::<u64>("test.a", b"key", b"[1,7]"), Some(Arc::new(7)));
        assert_eq!(memo.get::<u64>("test.a", b"key", b"[1,8]"), None);
        assert_eq!(memo.get::<u64>("test.a", b"other", b"[1,7]"), None);
        assert_eq!(memo.get::<u64>("test.b", b"key", b"[1,7]"), None);
        assert_eq!(memo.get::<String>("test.a", b"key", b"[1,7]"), None);
    }

    #[test]
    fn it_stays_within_its_room() {
        let memo = Memo::default();
        let bytes: Arc<[u8]> = Arc::from(vec![b' '; LONGEST]);
        for number in 0..1_000_u64 {
            let record = Arc::new(number);
            memo.put("test.a", &number.to_be_bytes(), &bytes, &record);
            assert_eq!(memo.get("test.a", &number.to_be_bytes(), &bytes), Some(record));
            let kept = memo.0.read().unwrap();
            let counted: usize =
                kept.tables.values().flatten().map(|(_, slot)| slot.bytes.len() + ENTRY).sum();
            assert_eq!(kept.size, counted);
            assert!(counted <= ROOM);
        }
        memo.put("test.a", b"again", &bytes, &Arc::new(1_u64));
        let size = memo.0.read().unwrap().size;
        memo.put("test.a", b"again", &bytes, &Arc::new(2_u64));
        assert_eq!(memo.0.read().unwrap().size, size);
        memo.put("test.a", b"long", &Arc::from(vec![b' '; LONGEST + 1]), &Arc::new(1_u64));
        assert_eq!(memo.0.read().unwrap().size, size);
    }
}
