//! The bytes of records, for others.

use std::ops::Range;

use super::Records;
use crate::kv::service::entries::Place;
use crate::kv::service::entries::record::{Body, Head, Record, write_head};
use crate::kv::service::entries::room::{Room, spot};
use crate::kv::service::entries::size::CROWDED_BYTES;
use crate::kv::service::expiries::NEVER;
use crate::kv::service::values::{Tag, Value};
use crate::model::app::Damaged;

impl Records {
    /// Appends all records, none of whose values lies apart then.
    pub(in crate::kv::service::entries) fn write(&self, out: &mut Vec<u8>) {
        if self.apart.is_empty() {
            return out.extend_from_slice(self.room.bytes());
        }
        // All are asked for their length before one is written: memory is waited for once, and not
        // by each.
        let apart = self.apart.iter().flatten().map(Value::packed_bytes).sum::<usize>();
        out.reserve(self.room.bytes().len() + apart);
        (0..self.len()).for_each(|index| self.write_one(index, out));
    }

    /// Appends those at `range`, as [`write`](Self::write) does.
    pub(in crate::kv::service::entries) fn write_range(
        &self,
        range: Range<usize>,
        out: &mut Vec<u8>,
    ) {
        if self.apart.is_empty() {
            let bytes = self.room.start(range.start)..self.room.start(range.end);
            return out.extend_from_slice(&self.room.bytes()[bytes]);
        }
        range.for_each(|index| self.write_one(index, out));
    }

    /// Appends the one at `index`, as [`write`](Self::write) does.
    fn write_one(&self, index: usize, out: &mut Vec<u8>) {
        let record = self.record(index);
        match record.body {
            Body::Packed(_) => {
                out.extend_from_slice(&self.room.bytes()[self.room.start(index)..record.end]);
            }
            Body::Apart(place) => {
                let value = self.apart(place);
                write_head(&record, value.packed_bytes(), out);
                out.extend_from_slice(record.key);
                value.pack(out);
            }
        }
    }

    /// Reads what a part of this number was [written](Self::write) as, and nothing else: a second
    /// form of a state would have a second digest.
    pub(in crate::kv::service::entries) fn read(
        number: usize,
        bytes: &[u8],
    ) -> Result<Self, Damaged> {
        if bytes.len() > 2 * CROWDED_BYTES - 1 {
            return Err(Damaged { offset: 0, expected: "a part of less than 4 GiB" });
        }
        let (mut records, mut own, mut spots) = (Self::default(), Vec::new(), Vec::new());
        let (mut at, mut copied) = (0, 0);
        let mut last: Option<(u32, &[u8])> = None;
        while at < bytes.len() {
            let damaged = |offset, expected| Damaged { offset, expected };
            let record = Record::read(bytes, at)?;
            let Body::Packed(value) = record.body else {
                return Err(damaged(at, "a value in its place"));
            };
            let place = Place::of(record.key);
            if place.part != number {
                return Err(damaged(at, "a key of this part"));
            }
            if last.is_some_and(|last| last >= (place.hash, record.key)) {
                return Err(damaged(at, "a key after the one before"));
            }
            last = Some((place.hash, record.key));
            let value_at = record.end - value.len();
            let within = |it: Damaged| Damaged { offset: value_at + it.offset, ..it };
            let is_long = value.len() > record.tag.packed_bytes_max();
            let start = at - copied + own.len();
            spots.push(spot(place.hash, start));
            records.expiring += u32::from(record.expires_ms != NEVER);
            if is_long {
                let value = Value::unpack(record.tag, value).map_err(within)?;
                let place = records.take_in(value);
                own.extend_from_slice(&bytes[copied..at]);
                let body = Body::Apart(place);
                let head = Head::new(record.tag, record.expires_ms, record.key.len(), body);
                own.extend_from_slice(head.bytes());
                own.extend_from_slice(record.key);
                copied = record.end;
            } else if record.tag != Tag::Text {
                Value::unpack(record.tag, value).map_err(within)?;
            }
            at = record.end;
        }
        own.extend_from_slice(&bytes[copied..]);
        records.room = Room::new(own, &spots);
        Ok(records)
    }
}
