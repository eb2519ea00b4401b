//! The map as it was when it was frozen.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::{GROUP, Group, Groups, PARTS};
use crate::model::parts::PartSet;

/// What a map has to copy because frozen ones share it, told to those.
#[derive(Debug, Default)]
pub(super) struct Copies(Mutex<Vec<Listener>>);

/// A frozen map, as the map knows it.
#[derive(Debug)]
struct Listener {
    copied: Sender<u32>,
    bytes: Arc<AtomicUsize>,
}

impl Copies {
    /// A part is copied, which takes so much memory.
    #[cold]
    pub(super) fn note(&self, part: usize, bytes: usize) {
        let mut frozen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        frozen.retain(|frozen| {
            frozen.bytes.fetch_add(bytes, Ordering::Relaxed);
            frozen.copied.send(part as u32).is_ok()
        });
    }

    fn listen(&self) -> (Receiver<u32>, Arc<AtomicUsize>) {
        let (copied, told) = unbounded();
        let bytes = Arc::<AtomicUsize>::default();
        let listener = Listener { copied, bytes: Arc::clone(&bytes) };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(listener);
        (told, bytes)
    }
}

/// The map as it was, which another thread may read.
///
/// A group that the map still shares is let go as a whole, when none of its parts is wanted any
/// more: the map would copy it, and with it a hold on each of its parts, before it changed one.
/// The parts of a group that it shares no more are let go one by one.
pub(in crate::kv::service) struct FrozenEntries {
    groups: Groups,
    /// Those that will not be asked for, and those that were named as copied.
    forgotten: PartSet,
    named: PartSet,
    copied: Receiver<u32>,
    /// The memory of the parts that only this holds, near enough.
    copied_bytes: Arc<AtomicUsize>,
}

impl FrozenEntries {
    /// More parts of a group than this are held by holding the group.
    const FEW: usize = GROUP / 8;

    /// These parts of a map.
    pub(super) fn new(all: &Groups, copies: &Copies, wanted: &PartSet) -> Self {
        let mut groups: Groups = vec![None; PARTS / GROUP].into();
        let mut forgotten = PartSet::all(PARTS);
        for part in wanted.iter() {
            forgotten.remove(part);
        }
        for (index, (place, own)) in groups.iter_mut().zip(all).enumerate() {
            let Some(own) = own else { continue };
            let parts = index * GROUP..(index + 1) * GROUP;
            let wanted = wanted.within(parts.clone());
            if wanted.clone().count() > Self::FEW {
                *place = Some(Arc::clone(own));
                continue;
            }
            // The map need not copy the others when it changes them.
            let mut few = Group::default();
            wanted.for_each(|part| few.0[part % GROUP].clone_from(&own.0[part % GROUP]));
            *place = (!few.is_empty()).then(|| Arc::new(few));
        }
        let (copied, copied_bytes) = copies.listen();
        Self { groups, forgotten, named: PartSet::none(PARTS), copied, copied_bytes }
    }

    /// The memory of the parts that only this holds, near enough.
    pub(in crate::kv::service) fn copied_bytes(&self) -> usize {
        self.copied_bytes.load(Ordering::Relaxed)
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
        self.forgotten.insert(part);
        let place = &mut self.groups[part / GROUP];
        let Some(group) = place else { return };
        let first = part / GROUP * GROUP;
        if let Some(group) = Arc::get_mut(group) {
            // Others may have been forgotten while it was shared.
            for (index, part) in group.0.iter_mut().enumerate() {
                if let Some(part) = part.take_if(|_| self.forgotten.contains(first + index))
                    && let Some(only) = Arc::into_inner(part)
                {
                    let bytes = only.copied_bytes();
                    let less = |held: usize| Some(held.saturating_sub(bytes));
                    let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
                    let _ = self.copied_bytes.fetch_update(set, fetch, less);
                }
            }
        } else if (first..first + GROUP).all(|part| self.forgotten.contains(part)) {
            *place = None;
        }
    }

    /// A part that the map has copied and that is still wanted.
    pub(in crate::kv::service) fn next_copied(&mut self) -> Option<usize> {
        while let Ok(part) = self.copied.try_recv() {
            let part = part as usize;
            if !self.forgotten.contains(part) && !self.named.contains(part) {
                self.named.insert(part);
                return Some(part);
            }
        }
        None
    }
}
