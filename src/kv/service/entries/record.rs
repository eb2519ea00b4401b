//! One key with its value, as the bytes of a part hold it.
//!
//! ```text
//! kind    1 byte: its tag; 8 more if the key expires, and 16 if its value lies apart
//! length  of the key
//! length  of the value; of one that lies apart its place instead, a u32
//! expiry  u64, milliseconds, if the key expires
//! key
//! value   unless it lies apart
//! ```
//!
//! Lengths are those of `packed.rs`, numbers little-endian. When a part is written, nothing lies
//! apart.

use crate::kv::service::expiries::NEVER;
use crate::kv::service::packed::{Unpacker, length_bytes, write_length};
use crate::kv::service::values::Tag;
use crate::model::app::Damaged;

const TAG: u8 = 7;
const EXPIRES: u8 = 8;
const APART: u8 = 16;

/// A key with its value, in the bytes of a part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'p> {
    pub(super) tag: Tag,
    pub(super) expires_ms: u64,
    pub(super) key: &'p [u8],
    pub(super) body: Body<'p>,
    /// Where its bytes end.
    pub(super) end: usize,
}

/// The value of a key, or its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body<'p> {
    Packed(&'p [u8]),
    Apart(u32),
}

impl<'p> Record<'p> {
    /// Reads the record at `at`, of bytes that may come from anywhere.
    #[inline]
    pub(super) fn read(bytes: &'p [u8], at: usize) -> Result<Self, Damaged> {
        let mut from = Unpacker::new(bytes, at);
        let kind = from.byte()?;
        let tag = Tag::read(kind & TAG).filter(|_| kind <= TAG | EXPIRES | APART);
        let tag = tag.ok_or(Damaged { offset: at, expected: "a kind of value" })?;
        let key = from.length()?;
        let (place, length) = match kind & APART {
            0 => (None, from.length()?),
            _ => (Some(u32::from_le_bytes(from.array()?)), 0),
        };
        let expires_ms = match kind & EXPIRES {
            0 => NEVER,
            _ => {
                let offset = from.at();
                let expires_ms = u64::from_le_bytes(from.array()?);
                if expires_ms > i64::MAX as u64 {
                    return Err(Damaged { offset, expected: "an expiry of at most 63 bits" });
                }
                expires_ms
            }
        };
        let (key, value) = (from.take(key)?, from.take(length)?);
        let body = place.map_or(Body::Packed(value), Body::Apart);
        Ok(Self { tag, expires_ms, key, body, end: from.at() })
    }

    /// Reads the record at `at`, of bytes that this program has put there.
    #[inline]
    pub(super) fn at(bytes: &'p [u8], at: usize) -> Self {
        // Most are short and stay; each command reads one several times.
        if let [kind @ ..EXPIRES, key @ ..0x80, value @ ..0x80, rest @ ..] = &bytes[at..]
            && let Some(tag) = Tag::read(*kind)
        {
            let (key, rest) = rest.split_at(usize::from(*key));
            let value = &rest[..usize::from(*value)];
            let end = at + 3 + key.len() + value.len();
            return Self { tag, expires_ms: NEVER, key, body: Body::Packed(value), end };
        }
        Self::read(bytes, at).expect("a part holds whole records")
    }

    /// What comes before the key.
    pub(super) fn head(&self) -> Head {
        Head::new(self.tag, self.expires_ms, self.key.len(), self.body)
    }

    /// How many bytes there are of the value, here.
    pub(super) fn packed_bytes(&self) -> usize {
        if let Body::Packed(value) = self.body { value.len() } else { 0 }
    }
}

/// What comes before the key, in a record.
pub(super) struct Head {
    bytes: [u8; Self::BYTES_MAX],
    length: usize,
}

impl Head {
    const BYTES_MAX: usize = 1 + 5 + 5 + 8;

    pub(super) fn new(tag: Tag, expires_ms: u64, key: usize, body: Body<'_>) -> Self {
        let mut head = Self { bytes: [0; Self::BYTES_MAX], length: 0 };
        let apart = if let Body::Apart(_) = body { APART } else { 0 };
        let expires = if expires_ms == NEVER { 0 } else { EXPIRES };
        head.put(&[tag as u8 | apart | expires]);
        head.put_length(key);
        match body {
            Body::Packed(value) => head.put_length(value.len()),
            Body::Apart(place) => head.put(&place.to_le_bytes()),
        }
        if expires_ms != NEVER {
            head.put(&expires_ms.to_le_bytes());
        }
        head
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.length..][..bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }

    fn put_length(&mut self, number: usize) {
        if number < 0x80 {
            return self.put(&[number as u8]);
        }
        let mut bytes = Vec::with_capacity(length_bytes(number));
        write_length(number, &mut bytes);
        self.put(&bytes);
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// Writes the head of a record whose value is not apart, as if it had so many bytes.
pub(super) fn write_head(record: &Record<'_>, value: usize, out: &mut Vec<u8>) {
    let expires = if record.expires_ms == NEVER { 0 } else { EXPIRES };
    out.push(record.tag as u8 | expires);
    write_length(record.key.len(), out);
    write_length(value, out);
    if record.expires_ms != NEVER {
        out.extend_from_slice(&record.expires_ms.to_le_bytes());
    }
}
