//! The parts of a checkpoint in groups, with a digest at every place: a tree of three levels.
//!
//! Two replicas that differ find by the digests of the groups, and within one of those by the
//! digests of its parts, which parts do. A table that goes on from another shares the groups in
//! which nothing has changed.

use std::io;
use std::sync::Arc;

use crate::model::checkpoint::{Digest, Parts, fill};

/// Parts of a group; the last group may have fewer.
pub const GROUP: usize = 256;

/// A part that has bytes, and where they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf<P> {
    /// The digest of its bytes.
    pub digest: Digest,
    /// How many there are.
    pub length: u64,
    /// Where they are.
    pub place: P,
}

impl<P> Leaf<P> {
    /// The part that has these bytes, at `place`; none if it has no bytes.
    pub fn of(bytes: &[u8], place: P) -> Option<Self> {
        let (digest, length) = (Digest::of(bytes), bytes.len() as u64);
        (length > 0).then_some(Self { digest, length, place })
    }
}

/// All parts.
#[derive(Clone, Debug)]
pub struct Table<P> {
    parts: usize,
    groups: Vec<Option<Arc<Group<P>>>>,
}

#[derive(Clone, Debug)]
struct Group<P> {
    /// Nothing while it is not known since something has changed.
    digest: Option<Digest>,
    leaves: Vec<Option<Leaf<P>>>,
}

impl<P: Clone> Table<P> {
    /// So many parts, none of which has bytes.
    pub fn new(parts: usize) -> Self {
        Self { parts, groups: vec![None; parts.div_ceil(GROUP)] }
    }

    /// How many parts there are.
    pub fn parts(&self) -> usize {
        self.parts
    }

    /// Puts a part in the place of what it was.
    ///
    /// # Panics
    /// When there are not so many parts.
    pub fn set(&mut self, part: usize, leaf: Option<Leaf<P>>) {
        assert!(part < self.parts, "there are {} parts, and not {part}", self.parts);
        let group = &mut self.groups[part / GROUP];
        if leaf.is_none() && group.is_none() {
            return;
        }
        let in_group = GROUP.min(self.parts - part / GROUP * GROUP);
        let new = || Arc::new(Group { digest: None, leaves: vec![None; in_group] });
        let changing = Arc::make_mut(group.get_or_insert_with(new));
        changing.leaves[part % GROUP] = leaf;
        changing.digest = None;
    }

    /// A part that has bytes.
    pub fn get(&self, part: usize) -> Option<&Leaf<P>> {
        self.groups.get(part / GROUP)?.as_ref()?.leaves.get(part % GROUP)?.as_ref()
    }

    /// Those that have bytes, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Leaf<P>)> {
        self.groups.iter().enumerate().flat_map(|(group, own)| {
            let leaves = own.iter().flat_map(|own| own.leaves.iter()).enumerate();
            leaves.filter_map(move |(at, leaf)| Some((group * GROUP + at, leaf.as_ref()?)))
        })
    }

    /// Computes the digests of the groups that have changed, and answers that of all.
    pub fn seal(&mut self) -> Digest {
        for group in &mut self.groups {
            let Some(own) = group else { continue };
            if own.digest.is_none() {
                let of = |leaf: &Option<Leaf<P>>| {
                    leaf.as_ref().map_or(Digest::NOTHING, |leaf| leaf.digest)
                };
                let digest = Digest::of_all(own.leaves.iter().map(of));
                Arc::make_mut(own).digest = Some(digest);
                if digest == Digest::NOTHING {
                    *group = None;
                }
            }
        }
        Digest::of_all((0..self.groups.len()).map(|group| self.group_digest(group)))
    }

    /// The digest of a group, after [`Table::seal`].
    pub fn group_digest(&self, group: usize) -> Digest {
        let own = self.groups.get(group).and_then(Option::as_ref);
        own.and_then(|own| own.digest).unwrap_or(Digest::NOTHING)
    }

    /// The digest of a part.
    pub fn digest(&self, part: usize) -> Digest {
        self.get(part).map_or(Digest::NOTHING, |leaf| leaf.digest)
    }
}

/// Parts whose bytes are in memory.
pub struct InMemory(pub Table<Arc<[u8]>>);

impl Parts for InMemory {
    fn parts(&self) -> usize {
        self.0.parts()
    }

    fn group_digest(&self, group: usize) -> Digest {
        self.0.group_digest(group)
    }

    fn digest(&self, part: usize) -> Digest {
        self.0.digest(part)
    }

    fn length(&self, part: usize) -> u64 {
        self.0.get(part).map_or(0, |leaf| leaf.length)
    }

    fn read_at(&self, part: usize, offset: u64, room: &mut [u8]) -> io::Result<()> {
        fill(self.0.get(part).map_or(&[], |leaf| &leaf.place), offset, room)
    }

    fn keep(self: Arc<Self>) -> io::Result<Arc<dyn Parts>> {
        Ok(self)
    }

    fn in_memory(&self) -> Option<Table<Arc<[u8]>>> {
        Some(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(parts: usize, with: &[(usize, &[u8])]) -> (Table<()>, Digest) {
        let mut table = Table::new(parts);
        for (part, bytes) in with {
            table.set(*part, Leaf::of(bytes, ()));
        }
        let digest = table.seal();
        (table, digest)
    }

    #[test]
    fn the_digest_depends_on_the_parts_and_not_on_how_they_came_to_be() {
        let (_, one) = table(600, &[(1, b"one"), (300, b"two"), (599, b"three")]);
        let (mut other, _) = table(600, &[(599, b"three"), (7, b"gone"), (1, b"old")]);
        for (part, bytes) in [(7, &b""[..]), (300, b"two"), (1, b"one")] {
            other.set(part, Leaf::of(bytes, ()));
        }
        assert_eq!(other.seal(), one);
        assert_eq!(other.iter().map(|(part, _)| part).collect::<Vec<_>>(), [1, 300, 599]);
    }

    #[test]
    fn any_change_of_a_part_and_its_place_shows_in_all_above_it_and_nowhere_else() {
        let (before, root) = table(600, &[(1, b"one"), (300, b"two")]);
        for change in [&[(1, &b"one"[..]), (300, b"Two")][..], &[(1, b"one"), (301, b"two")]] {
            let (after, changed) = table(600, change);
            assert_ne!(changed, root);
            assert_eq!(after.group_digest(0), before.group_digest(0));
            assert_ne!(after.group_digest(1), before.group_digest(1));
        }
    }

    #[test]
    fn a_table_that_goes_on_from_another_leaves_it_as_it_was() {
        let (before, root) = table(600, &[(1, b"one"), (300, b"two")]);
        let mut after = before.clone();
        after.set(300, Leaf::of(b"changed", ()));
        assert_ne!(after.seal(), root);
        assert_eq!(before.clone().seal(), root);
        let shared = |group: usize| {
            let [one, other] = [&before, &after].map(|table| table.groups[group].clone().unwrap());
            Arc::ptr_eq(&one, &other)
        };
        assert!(shared(0) && !shared(1));
    }
}
