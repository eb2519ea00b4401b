//! Keys of one part, in one piece of memory.
//!
//! Their bytes are what is written of them, so to copy, to write and to restore them is to copy
//! bytes. An index behind them says where each record begins (`room.rs`). What is too long to be
//! moved about lies apart.

use std::sync::Arc;

use super::record::{Body, Head, Record};
use super::room::{Room, give_back, hash_of, make_room, start_of};
use super::size::Size;
use crate::kv::service::entry::{Entry, Stored, unpacked};
use crate::kv::service::expiries::NEVER;
use crate::kv::service::store::Change;
use crate::kv::service::values::{Kind, Tag, Value};

mod written;

/// Keys of one part, with their values.
#[derive(Clone, Debug, Default)]
pub(super) struct Records {
    /// By hash, and among equal hashes by key.
    room: Room,
    /// The values that lie apart, in no order.
    apart: Vec<Option<Value>>,
    /// How many places there are free.
    vacant: u32,
    /// How many keys expire.
    expiring: u32,
    /// The memory of all that lies apart.
    apart_bytes: usize,
}

/// A value to be kept.
#[derive(Clone, Debug)]
pub(super) enum New<'v> {
    Packed(&'v [u8]),
    Apart(Value),
}

impl Records {
    pub(super) fn len(&self) -> usize {
        self.room.len()
    }

    #[inline]
    pub(super) fn size(&self) -> Size {
        let bytes = self.room.bytes().len() + self.apart_bytes;
        Size { keys: self.room.len(), expiring: self.expiring as usize, bytes }
    }

    /// The size of the one at `index`.
    pub(super) fn size_of(&self, index: usize) -> Size {
        let record = self.record(index);
        let apart =
            if let Body::Apart(place) = record.body { self.apart(place).bytes() } else { 0 };
        let bytes = record.end - self.room.start(index) + apart;
        Size { keys: 1, expiring: usize::from(record.expires_ms != NEVER), bytes }
    }

    /// The memory that a copy takes, besides this.
    pub(super) fn copied_bytes(&self) -> usize {
        self.room.used_bytes() + size_of_val(&self.apart[..])
    }

    /// The memory that they have and do not use.
    #[cfg(test)]
    pub(super) fn idle_bytes(&self) -> usize {
        self.room.idle_bytes()
    }

    /// The place of `key` in the order, or where it would be.
    #[inline]
    pub(super) fn find(&self, hash: u32, key: &[u8]) -> Result<usize, usize> {
        let spots = self.room.spots();
        let first = self.room.first_from(hash);
        match spots.get(first) {
            Some(spot) if hash_of(spot) == hash => {}
            _ => return Err(first),
        }
        // Only keys that were sought for it share a hash.
        if self.record(first).key == key {
            return Ok(first);
        }
        let run = &spots[first..];
        let run = &run[..run.partition_point(|spot| hash_of(spot) == hash)];
        let found = run.binary_search_by(|spot| self.record_at(start_of(spot)).key.cmp(key));
        found.map(|at| first + at).map_err(|at| first + at)
    }

    /// The first place whose hash is not below this one.
    pub(super) fn first_from(&self, hash: u32) -> usize {
        self.room.first_from(hash)
    }

    #[inline]
    fn record_at(&self, at: usize) -> Record<'_> {
        Record::at(self.room.bytes(), at)
    }

    #[inline]
    fn record(&self, index: usize) -> Record<'_> {
        self.record_at(self.room.start(index))
    }

    /// The hash of the key at `index`, and the key: what the order is by.
    pub(super) fn place(&self, index: usize) -> (u32, &[u8]) {
        (self.room.hash(index), self.record(index).key)
    }

    /// The key at `index`, and what it stands for.
    #[inline]
    pub(super) fn entry(&self, index: usize) -> (&[u8], Entry<'_>) {
        let record = self.record(index);
        let stored = match record.body {
            Body::Packed(bytes) => Stored::Packed(bytes),
            Body::Apart(place) => Stored::Apart(self.apart(place)),
        };
        (record.key, Entry { tag: record.tag, expires_ms: record.expires_ms, stored })
    }

    /// The value that lies apart at `place`.
    fn apart(&self, place: u32) -> &Value {
        self.apart[place as usize].as_ref().expect("a record knows the place of its value")
    }

    /// Puts a key here as `other` has it at `index`.
    pub(super) fn put_copy(&mut self, other: &Self, index: usize) {
        let (hash, record) = (other.room.hash(index), other.record(index));
        let value = match record.body {
            Body::Packed(bytes) => New::Packed(bytes),
            Body::Apart(place) => New::Apart(other.apart(place).clone()),
        };
        let kind = (record.tag, record.expires_ms);
        self.put(self.find(hash, record.key), (hash, record.key), kind, value);
    }

    /// Puts a key where [`find`](Self::find) has said, or its new value.
    pub(super) fn put(
        &mut self,
        found: Result<usize, usize>,
        (hash, key): (u32, &[u8]),
        (tag, expires_ms): (Tag, u64),
        value: New<'_>,
    ) {
        let (at, old_length) = match found {
            Ok(index) => {
                let at = self.room.start(index);
                (at, self.let_go(index).0 - at)
            }
            Err(index) => (self.room.start(index), 0),
        };
        self.expiring += u32::from(expires_ms != NEVER);
        let body = match value {
            New::Packed(value) => Body::Packed(value),
            New::Apart(value) => Body::Apart(self.take_in(value)),
        };
        let head = Head::new(tag, expires_ms, key.len(), body);
        let head = head.bytes();
        let value = if let Body::Packed(value) = body { value } else { &[] };
        let new_length = head.len() + key.len() + value.len();
        match found {
            Ok(index) => self.room.resize(index, old_length, new_length),
            Err(index) => self.room.insert(index, hash, new_length),
        }
        let record = &mut self.room.bytes_mut()[at..at + new_length];
        record[..head.len()].copy_from_slice(head);
        record[head.len()..][..key.len()].copy_from_slice(key);
        record[head.len() + key.len()..].copy_from_slice(value);
    }

    /// Takes out the key at `index`; returns when it was to expire.
    pub(super) fn remove(&mut self, index: usize) -> u64 {
        let at = self.room.start(index);
        let (end, expires_ms) = self.let_go(index);
        self.room.remove(index, end - at);
        expires_ms
    }

    /// Keeps a value apart.
    fn take_in(&mut self, value: Value) -> u32 {
        self.apart_bytes += value.bytes();
        let first_free = || self.apart.iter().position(Option::is_none);
        let free = if self.vacant > 0 { first_free() } else { None };
        let place = match free {
            Some(place) => {
                self.vacant -= 1;
                self.apart[place] = Some(value);
                place
            }
            None => {
                make_room(&mut self.apart, 1);
                self.apart.push(Some(value));
                self.apart.len() - 1
            }
        };
        place as u32
    }

    /// Counts the key at `index` no more, nor what lies apart of it; returns where its record ends
    /// and when it was to expire.
    fn let_go(&mut self, index: usize) -> (usize, u64) {
        let record = self.record(index);
        let (end, expires_ms) = (record.end, record.expires_ms);
        if let Body::Apart(place) = record.body {
            let value = self.apart[place as usize].take();
            self.apart_bytes -= value.as_ref().map_or(0, Value::bytes);
            self.vacant += 1;
            while let Some(None) = self.apart.last() {
                self.apart.pop();
                self.vacant -= 1;
            }
            give_back(&mut self.apart);
        }
        self.expiring -= u32::from(expires_ms != NEVER);
        (end, expires_ms)
    }

    /// Changes a value that lies apart.
    fn change_apart<R>(&mut self, place: u32, change: impl FnOnce(&mut Value) -> R) -> R {
        let value = self.apart[place as usize].as_mut();
        let value = value.expect("a record knows the place of its value");
        self.apart_bytes -= value.bytes();
        let result = change(value);
        self.apart_bytes += value.bytes();
        result
    }

    /// Changes the collection at `index`, which is of this kind, and takes its key out if nothing
    /// is left of it. Then the expiry it had comes back too.
    pub(super) fn edit<K: Kind, R: Change>(
        &mut self,
        index: usize,
        (hash, key): (u32, &[u8]),
        edit: impl FnOnce(&mut K) -> R,
    ) -> (R, Option<u64>) {
        let record = self.record(index);
        let (expires_ms, most) = (record.expires_ms, K::TAG.packed_bytes_max());
        let short = |collection: &K| collection.packed_bytes() <= most;
        let (result, is_spent, value) = match record.body {
            Body::Packed(bytes) => {
                let mut collection = unpacked::<K>(bytes);
                let result = edit(&mut collection);
                if !result.is_change() {
                    return (result, None);
                }
                (result, collection.is_spent(), Some(collection))
            }
            Body::Apart(place) => self.change_apart(place, |value| {
                let collection = K::of_mut(value).expect("the kind is known");
                let result = edit(collection);
                let value = short(collection).then(|| std::mem::take(collection));
                (result, value.as_ref().is_some_and(K::is_spent), value)
            }),
        };
        match value {
            _ if is_spent => return (result, Some(self.remove(index))),
            // It goes on to lie apart.
            None => {}
            Some(collection) if short(&collection) => {
                let mut packed = Vec::with_capacity(collection.packed_bytes());
                collection.pack(&mut packed);
                self.put(Ok(index), (hash, key), (K::TAG, expires_ms), New::Packed(&packed));
            }
            Some(collection) => {
                let value = New::Apart(collection.into_value());
                self.put(Ok(index), (hash, key), (K::TAG, expires_ms), value);
            }
        }
        (result, None)
    }

    /// Writes `bytes` into the string at `index`, from the place `from` on; what is between is
    /// zero.
    pub(super) fn write_text(
        &mut self,
        index: usize,
        (hash, key): (u32, &[u8]),
        from: usize,
        bytes: &[u8],
    ) {
        let fill = |text: &mut Vec<u8>| {
            text.resize(text.len().max(from + bytes.len()), 0);
            text[from..from + bytes.len()].copy_from_slice(bytes);
        };
        let record = self.record(index);
        let expires_ms = record.expires_ms;
        match record.body {
            Body::Packed(old) => {
                let mut text = old.to_vec();
                fill(&mut text);
                self.put_text(Ok(index), (hash, key), expires_ms, &text);
            }
            Body::Apart(place) => self.change_apart(place, |value| {
                let Value::Text(text) = value else { panic!("the kind is known") };
                fill(Arc::make_mut(text));
            }),
        }
    }

    /// Puts a string where [`find`](Self::find) has said.
    #[inline]
    pub(super) fn put_text(
        &mut self,
        found: Result<usize, usize>,
        place: (u32, &[u8]),
        expires_ms: u64,
        text: &[u8],
    ) {
        if let Ok(index) = found
            && let record = self.record(index)
            && let (Tag::Text, Body::Packed(old)) = (record.tag, record.body)
            && (record.expires_ms, old.len()) == (expires_ms, text.len())
        {
            let end = record.end;
            return self.room.bytes_mut()[end - text.len()..end].copy_from_slice(text);
        }
        if text.len() <= Tag::Text.packed_bytes_max() {
            return self.put(found, place, (Tag::Text, expires_ms), New::Packed(text));
        }
        if let Ok(index) = found
            && let record = self.record(index)
            && let (Tag::Text, Body::Apart(at)) = (record.tag, record.body)
            && record.expires_ms == expires_ms
        {
            return self.change_apart(at, |value| match value {
                Value::Text(old) => write_over(old, text),
                _ => panic!("the kind is known"),
            });
        }
        let value = Value::Text(Arc::new(text.to_vec()));
        self.put(found, place, (Tag::Text, expires_ms), New::Apart(value));
    }

    /// Lets the key at `index` expire at another time; returns the one before.
    pub(super) fn set_expiry(&mut self, index: usize, expires_ms: u64) -> u64 {
        let (at, mut record) = (self.room.start(index), self.record(index));
        let from_ms = std::mem::replace(&mut record.expires_ms, expires_ms);
        let (old, new) = (record.end - record.packed_bytes() - record.key.len(), record.head());
        let (old, new) = (old - at, new.bytes());
        self.room.resize(index, old, new.len());
        self.room.bytes_mut()[at..at + new.len()].copy_from_slice(new);
        self.expiring += u32::from(expires_ms != NEVER);
        self.expiring -= u32::from(from_ms != NEVER);
        from_ms
    }
}

/// Makes a string another one, in its memory if that has about the size and is nobody else's.
fn write_over(old: &mut Arc<Vec<u8>>, text: &[u8]) {
    match Arc::get_mut(old) {
        Some(own) if (text.len()..=text.len() + text.len() / 8).contains(&own.capacity()) => {
            own.clear();
            own.extend_from_slice(text);
        }
        _ => *old = Arc::new(text.to_vec()),
    }
}
