//! The entry of a key, as commands see it.

use std::ops::Deref;

use super::Refusal;
use super::values::{Kind, Tag, Value};

/// The value of a key, and its expiry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Entry<'s> {
    pub(super) tag: Tag,
    /// The key is absent from this time on; `NEVER` if it stays.
    pub(super) expires_ms: u64,
    pub(super) stored: Stored<'s>,
}

/// How a value is kept, which depends on nothing but the value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Stored<'s> {
    /// As it is written.
    Packed(&'s [u8]),
    Apart(&'s Value),
}

/// A value of its own, and its expiry.
pub(super) struct Owned {
    pub(super) tag: Tag,
    pub(super) expires_ms: u64,
    pub(super) content: Content,
}

/// The value, kept as [`Stored`] says.
pub(super) enum Content {
    Packed(Vec<u8>),
    Apart(Value),
}

impl Owned {
    pub(super) fn new(value: Value, expires_ms: u64) -> Self {
        let tag = value.tag();
        let content = if value.packed_bytes() <= tag.packed_bytes_max() {
            let mut packed = Vec::with_capacity(value.packed_bytes());
            value.pack(&mut packed);
            Content::Packed(packed)
        } else {
            Content::Apart(value)
        };
        Self { tag, expires_ms, content }
    }
}

impl<'s> Entry<'s> {
    /// Whether it has not expired at `now_ms`.
    pub(super) fn is_live(&self, now_ms: u64) -> bool {
        self.expires_ms > now_ms
    }

    /// The string, refused if it is of another kind.
    #[inline]
    pub(super) fn text(&self) -> Result<&'s [u8], Refusal> {
        match self.stored {
            Stored::Packed(bytes) if self.tag == Tag::Text => Ok(bytes),
            Stored::Apart(Value::Text(text)) => Ok(text),
            _ => Err(Refusal::WRONG_TYPE),
        }
    }

    /// The collection, refused if it is of another kind.
    pub(super) fn get<K: Kind>(&self) -> Result<Held<'s, K>, Refusal> {
        match self.stored {
            _ if self.tag != K::TAG => Err(Refusal::WRONG_TYPE),
            Stored::Packed(bytes) => Ok(Held::Unpacked(unpacked(bytes))),
            Stored::Apart(value) => K::of(value).map(Held::Kept).ok_or(Refusal::WRONG_TYPE),
        }
    }

    /// The same for itself. What lies apart is shared until it changes.
    pub(super) fn to_owned(self) -> Owned {
        let content = match self.stored {
            Stored::Packed(bytes) => Content::Packed(bytes.to_vec()),
            Stored::Apart(value) => Content::Apart(value.clone()),
        };
        Owned { tag: self.tag, expires_ms: self.expires_ms, content }
    }
}

/// The collection that packed bytes in memory are.
pub(super) fn unpacked<K: Kind>(bytes: &[u8]) -> K {
    K::unpack(bytes).expect("what is packed in memory was a collection")
}

/// A collection to look at.
pub(super) enum Held<'s, K> {
    Kept(&'s K),
    Unpacked(K),
}

impl<K> Deref for Held<'_, K> {
    type Target = K;

    fn deref(&self) -> &K {
        match self {
            Self::Kept(collection) => collection,
            Self::Unpacked(collection) => collection,
        }
    }
}
