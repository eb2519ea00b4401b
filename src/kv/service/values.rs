//! The values of keys. Those that are short are kept packed, in the bytes in which all are written;
//! the others as what commands work on.
//!
//! ```text
//! string      its bytes
//! list        its elements, its head first
//! hash        field and value, ascending by field
//! set         members, ascending
//! sorted set  score, 8 bytes, and member, ascending by score and then by member
//! ```
//!
//! An element is its length and its bytes (`packed.rs`). How many there are shows where they end.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::{Deref, Range};
use std::sync::Arc;

use super::packed::{Unpacker, piece_bytes, write_piece};
use super::zset::Zset;
use crate::model::app::Damaged;

/// Bytes that an element of a collection takes besides its own when it is not packed, near enough.
const ELEMENT_BYTES: usize = 32;

/// What kind of value a key has, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Tag {
    Text,
    List,
    Hash,
    Set,
    Zset,
}

impl Tag {
    #[inline]
    pub(super) fn read(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::Text,
            1 => Self::List,
            2 => Self::Hash,
            3 => Self::Set,
            4 => Self::Zset,
            _ => return None,
        })
    }

    /// The word that TYPE answers with.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::List => "list",
            Self::Hash => "hash",
            Self::Set => "set",
            Self::Zset => "zset",
        }
    }

    /// The most bytes of a value that is kept packed. What decides is the value and not its past, so
    /// that replicas count the same memory. A collection is unpacked to be changed, so it has fewer.
    pub(super) fn packed_bytes_max(self) -> usize {
        match self {
            Self::Text => 512,
            _ => 128,
        }
    }
}

/// A value that is not packed. Collections are never empty: their key goes with the last element.
/// What a frozen copy shares is copied before it changes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text(Arc<Vec<u8>>),
    List(Arc<List>),
    Hash(Arc<Hash>),
    Set(Arc<Set>),
    Zset(Arc<Zset>),
}

impl Value {
    pub(super) fn tag(&self) -> Tag {
        match self {
            Self::Text(_) => Tag::Text,
            Self::List(_) => Tag::List,
            Self::Hash(_) => Tag::Hash,
            Self::Set(_) => Tag::Set,
            Self::Zset(_) => Tag::Zset,
        }
    }

    /// How many bytes it has when it is written.
    pub(super) fn packed_bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::List(list) => list.packed_bytes(),
            Self::Hash(hash) => hash.packed_bytes(),
            Self::Set(set) => set.packed_bytes(),
            Self::Zset(zset) => zset.packed_bytes(),
        }
    }

    pub(super) fn pack(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => out.extend_from_slice(text),
            Self::List(list) => list.pack(out),
            Self::Hash(hash) => hash.pack(out),
            Self::Set(set) => set.pack(out),
            Self::Zset(zset) => zset.pack(out),
        }
    }

    /// What a value of this kind was written as.
    pub(super) fn unpack(tag: Tag, bytes: &[u8]) -> Result<Self, Damaged> {
        Ok(match tag {
            Tag::Text => Self::Text(Arc::new(bytes.to_vec())),
            Tag::List => List::unpack(bytes)?.into_value(),
            Tag::Hash => Hash::unpack(bytes)?.into_value(),
            Tag::Set => Set::unpack(bytes)?.into_value(),
            Tag::Zset => Zset::unpack(bytes)?.into_value(),
        })
    }

    /// The memory it takes, near enough; how depends on nothing but the value.
    pub(super) fn bytes(&self) -> usize {
        let elements = match self {
            Self::Text(_) => 0,
            Self::List(list) => list.len(),
            Self::Hash(hash) => 2 * hash.len(),
            Self::Set(set) => set.len(),
            // The member is in the map and in the order.
            Self::Zset(zset) => 2 * zset.len(),
        };
        self.packed_bytes() + elements * ELEMENT_BYTES
    }
}

/// A kind of collection, so that each access is written once for all of them.
pub(super) trait Kind: Default {
    const TAG: Tag;
    fn of(value: &Value) -> Option<&Self>;
    fn of_mut(value: &mut Value) -> Option<&mut Self>;
    fn into_value(self) -> Value;
    /// Whether a key with this value has to go.
    fn is_spent(&self) -> bool;
    fn packed_bytes(&self) -> usize;
    fn pack(&self, out: &mut Vec<u8>);
    /// What was [packed](Self::pack), which no empty one is.
    fn unpack(bytes: &[u8]) -> Result<Self, Damaged>;
}

macro_rules! kind {
    ($kind:ident, $is_spent:expr, $pack:expr, $unpack:expr) => {
        impl Kind for $kind {
            const TAG: Tag = Tag::$kind;
            fn of(value: &Value) -> Option<&Self> {
                if let Value::$kind(value) = value { Some(value) } else { None }
            }
            fn of_mut(value: &mut Value) -> Option<&mut Self> {
                if let Value::$kind(value) = value { Some(Arc::make_mut(value)) } else { None }
            }
            fn into_value(self) -> Value {
                Value::$kind(Arc::new(self))
            }
            fn is_spent(&self) -> bool {
                $is_spent(self)
            }
            fn packed_bytes(&self) -> usize {
                self.packed_bytes()
            }
            fn pack(&self, out: &mut Vec<u8>) {
                $pack(self, out);
            }
            fn unpack(bytes: &[u8]) -> Result<Self, Damaged> {
                if bytes.is_empty() {
                    return Err(Damaged { offset: 0, expected: "a collection that is not empty" });
                }
                $unpack(Unpacker::new(bytes, 0))
            }
        }
    };
}

kind!(
    List,
    |list: &List| list.is_empty(),
    |list: &List, out: &mut Vec<u8>| list.iter().for_each(|element| write_piece(element, out)),
    |mut from: Unpacker<'_>| {
        let mut list = List::default();
        while !from.is_at_end() {
            list.push_back(from.piece()?.into());
        }
        Ok(list)
    }
);

kind!(
    Hash,
    |hash: &Hash| hash.is_empty(),
    |hash: &Hash, out: &mut Vec<u8>| for (field, value) in hash.iter() {
        write_piece(field, out);
        write_piece(value, out);
    },
    |mut from: Unpacker<'_>| {
        let mut fields: Vec<(Box<[u8]>, Vec<u8>)> = Vec::new();
        while !from.is_at_end() {
            let last = fields.last().map(|(field, _)| &field[..]);
            let field = ascending(&mut from, last, "a field greater than the last")?;
            fields.push((field.into(), from.piece()?.to_vec()));
        }
        Ok(Hash { fields: fields.into_iter().collect(), packed_bytes: from.at() })
    }
);

kind!(
    Set,
    |set: &Set| set.is_empty(),
    |set: &Set, out: &mut Vec<u8>| set.iter().for_each(|member| write_piece(member, out)),
    |mut from: Unpacker<'_>| {
        let mut members: Vec<Box<[u8]>> = Vec::new();
        while !from.is_at_end() {
            let last = members.last().map(|member| &member[..]);
            members.push(ascending(&mut from, last, "a member greater than the last")?.into());
        }
        Ok(Set { members: members.into_iter().collect(), packed_bytes: from.at() })
    }
);

fn ascending<'b>(
    from: &mut Unpacker<'b>,
    last: Option<&[u8]>,
    expected: &'static str,
) -> Result<&'b [u8], Damaged> {
    let offset = from.at();
    let piece = from.piece()?;
    if last.is_some_and(|last| last >= piece) {
        return Err(Damaged { offset, expected });
    }
    Ok(piece)
}

kind!(
    Zset,
    Zset::is_empty,
    |zset: &Zset, out: &mut Vec<u8>| for one in zset.iter() {
        out.extend_from_slice(&one.score.to_bits().to_le_bytes());
        write_piece(&one.member, out);
    },
    |mut from: Unpacker<'_>| {
        let mut zset = Zset::default();
        let mut last: Option<(f64, &[u8])> = None;
        while !from.is_at_end() {
            let offset = from.at();
            let score = f64::from_bits(u64::from_le_bytes(from.array()?));
            if score.is_nan() || score.to_bits() == (-0.0f64).to_bits() {
                let expected = "a score that is a number and not minus zero";
                return Err(Damaged { offset, expected });
            }
            let member = from.piece()?;
            let ascends = last.is_none_or(|last| last < (score, member));
            if !ascends || zset.score(member).is_some() {
                return Err(Damaged { offset, expected: "a new member after the last" });
            }
            zset.insert(member, score);
            last = Some((score, member));
        }
        Ok(zset)
    }
);

/// A list value, its head first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct List {
    elements: VecDeque<Box<[u8]>>,
    packed_bytes: usize,
}

impl Deref for List {
    type Target = VecDeque<Box<[u8]>>;

    fn deref(&self) -> &Self::Target {
        &self.elements
    }
}

impl List {
    fn packed_bytes(&self) -> usize {
        self.packed_bytes
    }

    pub(super) fn push_front(&mut self, element: Box<[u8]>) {
        self.packed_bytes += piece_bytes(element.len());
        self.elements.push_front(element);
    }

    pub(super) fn push_back(&mut self, element: Box<[u8]>) {
        self.packed_bytes += piece_bytes(element.len());
        self.elements.push_back(element);
    }

    pub(super) fn pop_front(&mut self) -> Option<Box<[u8]>> {
        let element = self.elements.pop_front()?;
        self.packed_bytes -= piece_bytes(element.len());
        Some(element)
    }

    pub(super) fn pop_back(&mut self) -> Option<Box<[u8]>> {
        let element = self.elements.pop_back()?;
        self.packed_bytes -= piece_bytes(element.len());
        Some(element)
    }

    /// Replaces the element at `place`, which is there.
    pub(super) fn set(&mut self, place: usize, element: &[u8]) {
        self.packed_bytes += piece_bytes(element.len());
        self.packed_bytes -= piece_bytes(self.elements[place].len());
        self.elements[place] = element.into();
    }

    /// Puts an element before the one at `place`, or at the end.
    pub(super) fn insert(&mut self, place: usize, element: &[u8]) {
        self.packed_bytes += piece_bytes(element.len());
        self.elements.insert(place, element.into());
    }

    /// Leaves the elements in `range`, which are there.
    pub(super) fn keep(&mut self, range: Range<usize>) {
        self.elements.truncate(range.end);
        self.elements.drain(..range.start);
        self.weigh();
    }

    pub(super) fn retain(&mut self, is_kept: impl FnMut(&Box<[u8]>) -> bool) {
        self.elements.retain(is_kept);
        self.weigh();
    }

    fn weigh(&mut self) {
        self.packed_bytes = self.elements.iter().map(|element| piece_bytes(element.len())).sum();
    }
}

/// A hash value; fields are kept in byte order, so that what shows their order is canonical.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Hash {
    fields: BTreeMap<Box<[u8]>, Vec<u8>>,
    packed_bytes: usize,
}

impl Deref for Hash {
    type Target = BTreeMap<Box<[u8]>, Vec<u8>>;

    fn deref(&self) -> &Self::Target {
        &self.fields
    }
}

impl Hash {
    fn packed_bytes(&self) -> usize {
        self.packed_bytes
    }

    /// Gives `field` this value; returns whether it is new.
    pub(super) fn put(&mut self, field: &[u8], value: &[u8]) -> bool {
        self.packed_bytes += piece_bytes(value.len());
        if let Some(old) = self.fields.get_mut(field) {
            self.packed_bytes -= piece_bytes(old.len());
            overwrite(old, value);
            return false;
        }
        self.packed_bytes += piece_bytes(field.len());
        self.fields.insert(field.into(), value.to_vec());
        true
    }

    /// Takes `field` out; returns whether it was there.
    pub(super) fn remove(&mut self, field: &[u8]) -> bool {
        let Some(value) = self.fields.remove(field) else { return false };
        self.packed_bytes -= piece_bytes(field.len()) + piece_bytes(value.len());
        true
    }
}

/// A set value; members are kept in byte order for the same reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Set {
    members: BTreeSet<Box<[u8]>>,
    packed_bytes: usize,
}

impl Deref for Set {
    type Target = BTreeSet<Box<[u8]>>;

    fn deref(&self) -> &Self::Target {
        &self.members
    }
}

impl Set {
    fn packed_bytes(&self) -> usize {
        self.packed_bytes
    }

    /// Adds `member`; returns whether it is new.
    pub(super) fn insert(&mut self, member: &[u8]) -> bool {
        // Looking first spares the copy of a member that is there.
        let is_new = !self.members.contains(member) && self.members.insert(member.into());
        self.packed_bytes += if is_new { piece_bytes(member.len()) } else { 0 };
        is_new
    }

    /// Takes `member` out; returns whether it was there.
    pub(super) fn remove(&mut self, member: &[u8]) -> bool {
        let was_there = self.members.remove(member);
        self.packed_bytes -= if was_there { piece_bytes(member.len()) } else { 0 };
        was_there
    }
}

impl From<BTreeSet<Box<[u8]>>> for Set {
    fn from(members: BTreeSet<Box<[u8]>>) -> Self {
        let packed_bytes = members.iter().map(|member| piece_bytes(member.len())).sum();
        Self { members, packed_bytes }
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
