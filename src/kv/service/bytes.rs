//! Byte strings that keep short contents within themselves, and share long ones with their copies.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

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
    /// The same, of what was once longer.
    Long(u32, Arc<[u8]>),
}

impl Bytes {
    /// Becomes a copy of `new`. Allocates only if `new` is longer than anything it was before, or
    /// its room is shared.
    pub(super) fn overwrite(&mut self, new: &[u8]) {
        match self {
            Self::Long(length, room)
                if new.len() <= room.len() && !leaves_idle(room.len(), new.len()) =>
            {
                let Some(room) = Arc::get_mut(room) else { return *self = new.into() };
                room[..new.len()].copy_from_slice(new);
                *length = new.len() as u32;
            }
            _ => *self = new.into(),
        }
    }

    /// Becomes `length` bytes long, with zeros for what is new.
    pub(super) fn resize(&mut self, length: usize) {
        let old = self.len();
        let (known, room): (_, &mut [u8]) = match self {
            Self::Short(known, room) if length <= SHORT_BYTES_MAX => {
                *known = length as u8;
                return room[length.min(old)..].fill(0);
            }
            Self::Long(known, room) if length <= room.len() && Arc::strong_count(room) == 1 => {
                (known, Arc::make_mut(room))
            }
            _ => {
                // Twice as much, so that what grows byte by byte is not copied as often.
                let room = if length > old { length.max(2 * old) } else { length };
                let mut grown: Arc<[u8]> = std::iter::repeat_n(0, room).collect();
                let kept = old.min(length);
                Arc::make_mut(&mut grown)[..kept].copy_from_slice(&self[..kept]);
                return *self = Self::Long(length as u32, grown);
            }
        };
        *known = length as u32;
        // Bytes left over from something longer must not come back.
        room[old.min(length)..length].fill(0);
    }

    /// Puts `tail` at the end.
    pub(super) fn append(&mut self, tail: &[u8]) {
        let old = self.len();
        self.resize(old + tail.len());
        self[old..].copy_from_slice(tail);
    }
}

/// Whether so many bytes would leave most of a large room idle.
fn leaves_idle(room: usize, new: usize) -> bool {
    room > 4096 && room / 4 > new
}

/// Replaces `old` by `new` in the same room, unless that would leave most of a large one idle.
pub(super) fn overwrite(old: &mut Vec<u8>, new: &[u8]) {
    if leaves_idle(old.capacity(), new.len()) {
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
            None => Self::Long(bytes.len() as u32, bytes.into()),
        }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Self::Short(length, room) => &room[..usize::from(*length)],
            Self::Long(length, room) => &room[..*length as usize],
        }
    }
}

impl DerefMut for Bytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Short(length, room) => &mut room[..usize::from(*length)],
            Self::Long(length, room) => &mut Arc::make_mut(room)[..*length as usize],
        }
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
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

        assert!(matches!(bytes, Bytes::Short(..)));
    }

    #[test]
    fn a_copy_shares_the_room_until_one_of_them_changes() {
        let changes: [fn(&mut Bytes); 4] = [
            |bytes| bytes.overwrite(&[2; 90]),
            |bytes| bytes.append(b"more"),
            |bytes| bytes.resize(40),
            |bytes| bytes[0] = 3,
        ];
        for change in changes {
            let mut bytes = Bytes::from(&[1; 100][..]);
            let copy = bytes.clone();
            assert_eq!(bytes.as_ptr(), copy.as_ptr());

            change(&mut bytes);

            assert_eq!(copy[..], [1; 100]);
            assert_ne!(bytes, copy);
        }
    }

    #[test]
    fn what_grows_byte_by_byte_is_seldom_copied() {
        let mut bytes = Bytes::default();
        let mut rooms = std::collections::BTreeSet::new();
        for _ in 0..10_000 {
            bytes.append(b"x");
            rooms.extend((bytes.len() > 100).then(|| bytes.as_ptr()));
        }
        assert!(rooms.len() <= 9, "{} rooms", rooms.len());
    }
}
