//! The map as it was when it was frozen.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::{GROUP, Group, Groups, PARTS};
use crate::model::parts::PartSet;

/// What a map has to copy because frozen ones share it, told to those.
#[derive(Debug, Default)]
pub(super) struct Copies(Mutex<Vec<Sender<u32>>>);

impl Copies {
    /// A part is copied.
    #[cold]
    pub(super) fn note(&self, part: usize) {
        let mut frozen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        frozen.retain(|frozen| frozen.send(part as u32).is_ok());
    }

    fn listen(&self) -> Receiver<u32> {
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
    told: Receiver<u32>,
    copied: PartSet,
    to_name: VecDeque<usize>,
    /// The memory of the parts that the map has copied and that are still here, near enough.
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
        let (copied, to_name) = (PartSet::none(PARTS), VecDeque::new());
        let forgotten = wanted.others();
        Self { groups, forgotten, told: copies.listen(), copied, to_name, copied_bytes: 0 }
    }

    /// The memory of the parts that only this holds, near enough.
    pub(in crate::kv::service) fn copied_bytes(&self) -> usize {
        self.copied_bytes
    }

    /// Takes note of what the map has copied.
    fn hear(&mut self) {
        while let Ok(part) = self.told.try_recv() {
            let part = part as usize;
            let group = self.groups[part / GROUP].as_ref();
            if let Some(own) = group.and_then(|group| group.0[part % GROUP].as_ref())
                && !self.copied.contains(part)
            {
                self.copied.insert(part);
                self.copied_bytes += own.copied_bytes();
                self.to_name.push_back(part);
            }
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
        let first = part / GROUP * GROUP;
        if let Some(group) = Arc::get_mut(group) {
            // Others may have been forgotten while it was shared.
            for (part, place) in (first..).zip(&mut group.0) {
                if let Some(own) = place.take_if(|_| self.forgotten.contains(part))
                    && self.copied.contains(part)
                {
                    self.copied_bytes -= own.copied_bytes();
                }
            }
        } else if self.forgotten.within(first..first + GROUP).count() == GROUP {
            *place = None;
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
