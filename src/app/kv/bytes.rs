//! Byte strings that keep short contents within themselves.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::ops::{Deref, DerefMut};

/// Contents up to this many bytes need no memory of their own.
const SHORT_BYTES_MAX: usize = 30;

/// A byte string, the form of keys and of string values.
///
/// Most are short. Kept within the map's entry they cost no step to another place in memory, which
/// would take longer than all else that a command does.
#[derive(Clone, Debug)]
pub(super) enum Bytes {
    /// The first so many bytes of the room; never more than there are.
    Short(u8, [u8; SHORT_BYTES_MAX]),
    /// What was once longer.
    Long(Vec<u8>),
}

impl Bytes {
    /// Becomes a copy of `new`. Allocates only if `new` is longer than anything it was before.
    pub(super) fn overwrite(&mut self, new: &[u8]) {
        match self {
            Self::Long(old) => overwrite(old, new),
            Self::Short(..) => *self = new.into(),
        }
    }

    /// Becomes `length` bytes long, with zeros for what is new.
    pub(super) fn resize(&mut self, length: usize) {
        match self {
            Self::Long(bytes) => bytes.resize(length, 0),
            Self::Short(old, room) if length <= SHORT_BYTES_MAX => {
                // Bytes left over from something longer must not come back.
                room[length.min((*old).into())..].fill(0);
                *old = length as u8;
            }
            Self::Short(..) => {
                let mut bytes = Vec::with_capacity(length);
                bytes.extend_from_slice(self);
                bytes.resize(length, 0);
                *self = Self::Long(bytes);
            }
        }
    }

    /// Puts `tail` at the end.
    pub(super) fn append(&mut self, tail: &[u8]) {
        let old = self.len();
        self.resize(old + tail.len());
        self[old..].copy_from_slice(tail);
    }
}

/// Replaces `old` by `new` in the same room, unless that would leave most of a large one idle.
pub(super) fn overwrite(old: &mut Vec<u8>, new: &[u8]) {
    if old.capacity() > 4096 && old.capacity() / 4 > new.len() {
        *old = new.to_vec();
    } else {
        old.clear();
        old.extend_from_slice(new);
    }
}

impl Default for Bytes {
    fn default() -> Self {
        Self::Short(0, [0; SHORT_BYTES_MAX])
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        let mut room = [0; SHORT_BYTES_MAX];
        match room.get_mut(..bytes.len()) {
            Some(start) => {
                start.copy_from_slice(bytes);
                Self::Short(bytes.len() as u8, room)
            }
            None => Self::Long(bytes.to_vec()),
        }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Self::Short(length, room) => &room[..usize::from(*length)],
            Self::Long(bytes) => bytes,
        }
    }
}

impl DerefMut for Bytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Short(length, room) => &mut room[..usize::from(*length)],
            Self::Long(bytes) => bytes,
        }
    }
}

impl Borrow<[u8]> for Bytes {
    fn borrow(&self) -> &[u8] {
        self
    }
}

/// Equal contents are equal, wherever they are kept.
impl PartialEq for Bytes {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Bytes {}

impl Hash for Bytes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_kept_at_every_length() {
        for length in 0..100u8 {
            let contents: Vec<u8> = (0..length).collect();
            let mut grown = Bytes::default();
            contents.iter().for_each(|byte| grown.append(&[*byte]));

            assert_eq!(grown[..], contents);
            assert_eq!(grown, Bytes::from(&contents[..]));
        }
    }

    #[test]
    fn growth_shows_zeros_and_nothing_old() {
        let mut bytes = Bytes::from(&b"absecret"[..]);
        bytes.resize(2);

        for length in [4, 30, 31, 40] {
            bytes.resize(length);

            assert_eq!(&bytes[..2], b"ab");
            assert!(bytes[2..].iter().all(|byte| *byte == 0) && bytes.len() == length);
        }
    }

    #[test]
    fn overwriting_uses_the_room_again() {
        let mut bytes = Bytes::from(&[1; 100][..]);
        let room = bytes.as_ptr();

        for length in [80, 10, 100] {
            bytes.overwrite(&[2; 100][..length]);
            assert_eq!((bytes.as_ptr(), bytes.len()), (room, length));
        }
    }

    #[test]
    fn a_short_string_does_not_keep_the_room_of_a_long_one() {
        let mut bytes = Bytes::from(&[1; 100_000][..]);

        bytes.overwrite(b"short");

        assert!(matches!(bytes, Bytes::Long(room) if room.capacity() < 4096));
    }
}
