//! The map as it was when it was frozen.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::{GROUP, Group, Groups, PARTS};
use crate::model::parts::PartSet;

/// What a map has to copy because frozen ones share it, told to those.
#[derive(Debug, Default)]
pub(super) struct Copies(Mutex<Vec<Sender<Copied>>>);

/// What a map has of a part besides what a frozen one has.
pub(super) struct Copied {
    part: usize,
    bytes: usize,
}

impl Copies {
    /// The copy that was made of a part, or of what has changed there, has so many bytes by now.
    #[cold]
    pub(super) fn note(&self, part: usize, bytes: usize) {
        let mut frozen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        frozen.retain(|frozen| frozen.send(Copied { part, bytes }).is_ok());
    }

    pub(super) fn listen(&self) -> Receiver<Copied> {
        let (copied, told) = unbounded();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(copied);
        told
    }
}

/// The map as it was, which another thread may read.
///
/// A group that the map still shares is let go as a whole, when none of its parts is wanted any
/// more: the map would copy it, and with it a hold on each of its parts, before it changed one.
/// The parts of a group that it shares no more are let go one by one.
pub(in crate::kv::service) struct FrozenEntries {
    groups: Groups,
    /// Those that will not be asked for.
    forgotten: PartSet,
    /// What the map has copied since, of which the next are to be named.
    told: Receiver<Copied>,
    to_name: VecDeque<usize>,
    /// The memory of those copies whose parts are still here, near enough, and of all of them.
    copied: BTreeMap<usize, usize>,
    copied_bytes: usize,
}

impl FrozenEntries {
    /// More parts of a group than this are held by holding the group.
    const FEW: usize = GROUP / 8;

    /// These parts of a map.
    pub(super) fn new(all: &Groups, copies: &Copies, wanted: &PartSet) -> Self {
        let mut groups: Groups = vec![None; PARTS / GROUP].into();
        for (index, (place, own)) in groups.iter_mut().zip(all).enumerate() {
            let Some(own) = own else { continue };
            let parts = index * GROUP..(index + 1) * GROUP;
            let wanted = wanted.within(parts.clone());
            if wanted.clone().nth(Self::FEW).is_some() {
                *place = Some(Arc::clone(own));
                continue;
            }
            // The map need not copy the others when it changes them.
            let mut few = Group::default();
            wanted.for_each(|part| few.0[part % GROUP].clone_from(&own.0[part % GROUP]));
            *place = (!few.is_empty()).then(|| Arc::new(few));
        }
        let (told, forgotten) = (copies.listen(), wanted.others());
        let (to_name, copied) = (VecDeque::new(), BTreeMap::new());
        Self { groups, forgotten, told, to_name, copied, copied_bytes: 0 }
    }

    /// The memory that is taken because this holds parts that have changed since, near enough.
    pub(in crate::kv::service) fn copied_bytes(&self) -> usize {
        self.copied_bytes
    }

    /// Takes note of what the map has copied.
    fn hear(&mut self) {
        while let Ok(Copied { part, bytes }) = self.told.try_recv() {
            let group = self.groups[part / GROUP].as_ref();
            if group.is_none_or(|group| group.0[part % GROUP].is_none()) {
                continue;
            }
            match self.copied.insert(part, bytes) {
                Some(before) => self.copied_bytes -= before,
                None => self.to_name.push_back(part),
            }
            self.copied_bytes += bytes;
        }
    }

    /// Appends the bytes of a part.
    pub(in crate::kv::service) fn write(&self, part: usize, out: &mut Vec<u8>) {
        if let Some(part) =
            self.groups[part / GROUP].as_ref().and_then(|it| it.0[part % GROUP].as_ref())
        {
            part.write(out);
        }
    }

    pub(in crate::kv::service) fn forget(&mut self, part: usize) {
        self.hear();
        self.forgotten.insert(part);
        let place = &mut self.groups[part / GROUP];
        let Some(group) = place else { return };
        let parts = part / GROUP * GROUP..(part / GROUP + 1) * GROUP;
        if let Some(group) = Arc::get_mut(group) {
            // Others may have been forgotten while it was shared.
            for (part, place) in parts.zip(&mut group.0) {
                if place.take_if(|_| self.forgotten.contains(part)).is_some() {
                    self.copied_bytes -= self.copied.remove(&part).unwrap_or(0);
                }
            }
        } else if self.forgotten.within(parts.clone()).count() == GROUP {
            *place = None;
            for part in parts {
                self.copied_bytes -= self.copied.remove(&part).unwrap_or(0);
            }
        }
    }

    /// A part that the map has copied and that is still wanted.
    pub(in crate::kv::service) fn next_copied(&mut self) -> Option<usize> {
        self.hear();
        while let Some(part) = self.to_name.pop_front() {
            if !self.forgotten.contains(part) {
                return Some(part);
            }
        }
        None
    }
}
