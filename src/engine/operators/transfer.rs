//! One checkpoint on its way from another replica: which of its parts differ from one's own, and
//! what is to be asked for next.
//!
//! ```text
//!  Offer: digest of all, digests of groups ──> which groups differ
//!  Groups: digests of their parts ───────────> which parts differ
//!  Pieces: the bytes of those ───────────────> to the disk, a part at a time
//! ```
//!
//! Each message is compared with a digest of the one before it, so that what comes to the disk is
//! what was offered, whoever sends it. In memory there is no more than one part.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::disk::Fetched;
use crate::engine::operators::catch_up::CatchUp;
use crate::model::checkpoint::{Checkpoint, Digest, Parts};
use crate::model::table::GROUP;
use crate::model::types::{ReplicaId, Slot};

/// "This checkpoint I have."
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Offer {
    /// The first slot that is not in the checkpoint.
    pub slot: Slot,
    /// The digest of all its parts.
    pub digest: Digest,
    /// How many there are.
    pub parts: u32,
    /// The digests of the groups in which parts have bytes, ascending.
    pub groups: Vec<(u32, Digest)>,
}

/// The digests of the parts of a group that have bytes, ascending, by their place in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct GroupDigests {
    /// Which group.
    pub group: u32,
    /// The digests.
    pub parts: Vec<(u8, Digest)>,
}

/// Bytes of a part.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Piece {
    /// Which part.
    pub part: u32,
    /// How many bytes it has.
    pub total: u64,
    /// Where in it these begin.
    pub offset: u64,
    /// The bytes.
    pub bytes: ByteBuf,
}

impl Offer {
    /// More parts than any state is kept in.
    const PARTS_MAX: u32 = 1 << 20;

    /// The offer of a checkpoint.
    pub fn of(checkpoint: &Checkpoint, parts: &dyn Parts) -> Self {
        let groups = 0..parts.parts().div_ceil(GROUP);
        let groups = groups.map(|group| (group as u32, parts.group_digest(group)));
        let groups = groups.filter(|(_, digest)| *digest != Digest::NOTHING).collect();
        let Checkpoint { slot, digest, .. } = *checkpoint;
        Self { slot, digest, parts: parts.parts() as u32, groups }
    }

    /// Whether one that came from outside can be a replica's.
    pub fn is_plausible(&self) -> bool {
        let ascends = self.groups.is_sorted_by(|(one, _), (next, _)| one < next);
        let last = self.groups.last().map_or(0, |(group, _)| *group as usize * GROUP);
        self.slot.is_plausible()
            && (1..=Self::PARTS_MAX).contains(&self.parts)
            && ascends
            && (self.groups.is_empty() || last < self.parts as usize)
    }

    /// Whether the digest is that of these groups.
    fn is_sound(&self) -> bool {
        let groups: BTreeMap<u32, Digest> = self.groups.iter().copied().collect();
        let all = 0..self.parts.div_ceil(GROUP as u32);
        let digest = |group| groups.get(&group).copied().unwrap_or(Digest::NOTHING);
        Digest::of_all(all.map(digest)) == self.digest
    }
}

impl GroupDigests {
    /// Those of a group of a checkpoint.
    pub fn of(parts: &dyn Parts, group: u32) -> Self {
        let first = group as usize * GROUP;
        let all = (0..=u8::MAX).map(|at| (at, parts.digest(first + usize::from(at))));
        Self { group, parts: all.filter(|(_, digest)| *digest != Digest::NOTHING).collect() }
    }

    /// The digests of all places of the group, of which there are `count`.
    fn all(&self, count: usize) -> Vec<Digest> {
        let mut all = vec![Digest::NOTHING; count];
        for (at, digest) in &self.parts {
            if let Some(place) = all.get_mut(usize::from(*at)) {
                *place = *digest;
            }
        }
        all
    }
}

/// A checkpoint of which something is still to come.
pub struct Transfer {
    /// Who has offered it.
    pub from: ReplicaId,
    /// The first slot that is not in the checkpoint.
    pub slot: Slot,
    digest: Digest,
    parts: u32,
    /// One's own newest checkpoint, which may share parts with it.
    own: Option<Arc<dyn Parts>>,
    offered: BTreeMap<u32, Digest>,
    /// The groups that differ, of whose parts nothing is known yet.
    groups: BTreeSet<u32>,
    /// The parts that differ, with the digests that they should have.
    wanted: BTreeMap<u32, Digest>,
    /// What has come of the first of them.
    partial: Vec<u8>,
    /// How often what is next has been asked for again.
    pub asked: u32,
}

/// What has come does not have the digest that it should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unlike;

impl Transfer {
    /// How often it is asked for again before somebody else's, or a newer one, will do.
    pub const ASKED_MAX: u32 = 4;
    /// Groups, and parts, that are asked for in a message.
    const GROUPS_ASKED: usize = 128;
    const PARTS_ASKED: usize = 1024;

    /// Begins with an offer; `own` is the newest checkpoint on the disk. Answers what is known
    /// already: parts that have no bytes.
    pub fn begin(
        from: ReplicaId,
        offer: &Offer,
        own: Option<&Checkpoint>,
    ) -> Result<(Self, Vec<Fetched>), Unlike> {
        let Offer { slot, digest, parts, .. } = *offer;
        let own = own.and_then(|own| Some((own.slot, Arc::clone(own.parts()?))));
        let fits = own.as_ref().is_none_or(|(_, own)| own.parts() == parts as usize);
        if !offer.is_sound() || !fits {
            return Err(Unlike);
        }
        let base = own.as_ref().map(|(slot, _)| *slot);
        let mut transfer = Self {
            from,
            slot,
            digest,
            parts,
            own: own.map(|(_, parts)| parts),
            offered: offer.groups.iter().copied().collect(),
            groups: BTreeSet::new(),
            wanted: BTreeMap::new(),
            partial: Vec::new(),
            asked: 0,
        };
        let mut known = vec![Fetched::Begin { slot, parts, base }];
        for group in 0..parts.div_ceil(GROUP as u32) {
            let offered = transfer.offered.get(&group).copied().unwrap_or(Digest::NOTHING);
            let own = transfer.own.as_ref().map(|own| own.group_digest(group as usize));
            if own.unwrap_or(Digest::NOTHING) == offered {
                continue;
            }
            transfer.groups.insert(group);
            if offered == Digest::NOTHING {
                let nothing = GroupDigests { group, parts: Vec::new() };
                known.extend(transfer.take_group(&nothing)?);
            }
        }
        Ok((transfer, known))
    }

    /// Whether it is that of this offer.
    pub fn is_of(&self, offer: &Offer) -> bool {
        (self.slot, self.digest) == (offer.slot, offer.digest)
    }

    /// What to ask for next.
    pub fn next_ask(&self) -> CatchUp {
        let slot = self.slot;
        if !self.groups.is_empty() {
            let groups = self.groups.iter().copied().take(Self::GROUPS_ASKED).collect();
            return CatchUp::FetchGroups { slot, groups };
        }
        let parts = self.wanted.keys().copied().take(Self::PARTS_ASKED).collect();
        CatchUp::FetchParts { slot, parts, offset: self.partial.len() as u64 }
    }

    /// How much is still missing, and how much there is of what comes next.
    pub fn progress(&self) -> (usize, usize, usize) {
        (self.groups.len(), self.wanted.len(), self.partial.len())
    }

    /// What ends it, once all has come.
    pub fn end(&self) -> Option<Fetched> {
        let is_whole = self.groups.is_empty() && self.wanted.is_empty();
        is_whole.then_some(Fetched::End { slot: self.slot, digest: self.digest })
    }

    /// Takes the digests of a group's parts. Answers the parts that have no bytes any more.
    pub fn take_group(&mut self, group: &GroupDigests) -> Result<Vec<Fetched>, Unlike> {
        if !self.groups.contains(&group.group) {
            return Ok(Vec::new());
        }
        let first = group.group as usize * GROUP;
        let digests = group.all(GROUP.min(self.parts as usize - first));
        let offered = self.offered.get(&group.group).copied().unwrap_or(Digest::NOTHING);
        if Digest::of_all(digests.iter().copied()) != offered {
            return Err(Unlike);
        }
        self.groups.remove(&group.group);
        let slot = self.slot;
        let mut gone = Vec::new();
        for (part, digest) in (first..).zip(digests) {
            let own = self.own.as_ref().map_or(Digest::NOTHING, |own| own.digest(part));
            let part = part as u32;
            if digest == own {
                continue;
            }
            if digest == Digest::NOTHING {
                gone.push(Fetched::Part { slot, part, bytes: Vec::new() });
            } else {
                self.wanted.insert(part, digest);
            }
        }
        Ok(gone)
    }

    /// Takes bytes of the part that comes next. Answers the part, if it is whole now; nothing
    /// happens where another piece is due.
    pub fn take_piece(&mut self, piece: &Piece) -> Result<Option<Fetched>, Unlike> {
        let Some((&part, &digest)) = self.wanted.first_key_value() else { return Ok(None) };
        if (piece.part, piece.offset) != (part, self.partial.len() as u64) {
            return Ok(None);
        }
        let length = self.partial.len() as u64 + piece.bytes.len() as u64;
        if length > piece.total {
            return Err(Unlike);
        }
        self.partial.extend_from_slice(&piece.bytes);
        if (self.partial.len() as u64) < piece.total && !piece.bytes.is_empty() {
            return Ok(None);
        }
        let bytes = std::mem::take(&mut self.partial);
        if Digest::of(&bytes) != digest {
            return Err(Unlike);
        }
        self.wanted.remove(&part);
        Ok(Some(Fetched::Part { slot: self.slot, part, bytes }))
    }
}
