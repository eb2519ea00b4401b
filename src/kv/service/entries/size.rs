//! The memory that keys and values take, near enough. It depends on nothing but them.

use std::ops::{Add, AddAssign, Sub};

use super::record::{Body, Head};
use crate::kv::service::entry::{Entry, Stored};
use crate::kv::service::expiries::NEVER;

/// Bytes that a key takes besides those of its record: its place in the index, and its share of
/// what a part takes.
const KEY_BYTES: usize = 16;

/// Bytes that an expiry takes besides those in its record, in the order of expiries.
const EXPIRY_BYTES: usize = 40;

/// The bytes of a part from which on commands are refused that make it larger, so that the index
/// can count them: no transaction adds as much again. Only keys that were sought for it meet there.
pub(super) const CROWDED_BYTES: usize = 2 << 30;

/// How much some keys and their values are; it depends on nothing but them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) keys: usize,
    /// How many of them expire.
    pub(super) expiring: usize,
    /// The memory of the records, and of all that lies apart.
    pub(super) bytes: usize,
}

impl Size {
    /// The memory they take, near enough.
    pub(super) fn weight(self) -> usize {
        self.bytes + self.keys * KEY_BYTES + self.expiring * EXPIRY_BYTES
    }

    /// Whether a part of this size is as large as it may become.
    pub(super) fn is_crowded(self) -> bool {
        self.bytes > CROWDED_BYTES
    }
}

impl Add for Size {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            keys: self.keys + other.keys,
            expiring: self.expiring + other.expiring,
            bytes: self.bytes + other.bytes,
        }
    }
}

impl AddAssign for Size {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Size {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            keys: self.keys - other.keys,
            expiring: self.expiring - other.expiring,
            bytes: self.bytes - other.bytes,
        }
    }
}

/// What one key adds to the [weight](Size::weight) of its part.
pub(super) fn bytes_of(key: &[u8], entry: &Entry<'_>) -> usize {
    let (body, bytes) = match entry.stored {
        Stored::Packed(bytes) => (Body::Packed(bytes), bytes.len()),
        Stored::Apart(value) => (Body::Apart(0), value.bytes()),
    };
    let head = Head::new(entry.tag, entry.expires_ms, key.len(), body).bytes().len();
    let expiry = if entry.expires_ms == NEVER { 0 } else { EXPIRY_BYTES };
    KEY_BYTES + head + key.len() + bytes + expiry
}
