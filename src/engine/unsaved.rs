//! The checkpoints of a replica that has no disk: in memory, a piece a turn.

use std::sync::Arc;

use crate::disk::{Durable, Fetched};
use crate::model::checkpoint::{Checkpoint, Cut, CutWriter, Stored};
use crate::model::table::{InMemory, Leaf, Table};
use crate::model::types::Slot;

/// The last checkpoint, and what becomes the next one.
#[derive(Default)]
pub(super) struct Unsaved {
    saved: Option<Checkpoint>,
    writing: Option<CutWriter>,
    waiting: Option<Cut>,
    fetching: Option<(Slot, Table<Arc<[u8]>>)>,
}

impl Unsaved {
    /// Bytes of a checkpoint that are written in a turn: so many take well below a millisecond.
    const PIECE_BYTES: usize = 256 << 10;

    /// The last checkpoint.
    pub fn saved(&self) -> Option<&Checkpoint> {
        self.saved.as_ref()
    }

    /// Takes what a turn leaves, of which only checkpoints count, and goes on with them.
    pub fn take<R>(&mut self, turn: Vec<Durable<R>>) {
        for durable in turn {
            match durable {
                Durable::Checkpoint(cut) => {
                    if self.saved.as_ref().is_some_and(|saved| saved.slot >= cut.slot) {
                        continue;
                    }
                    self.waiting = Some(match self.waiting.take() {
                        Some(older) => cut.cover(older),
                        None => cut,
                    });
                }
                Durable::Fetched(fetched) => self.take_fetched(fetched),
                _ => {}
            }
        }
        if self.writing.is_none()
            && let Some(cut) = self.waiting.take_if(|_| true)
        {
            self.writing = Some(CutWriter::new(cut, self.saved.as_ref()));
        }
        if let Some(whole) = self.writing.take_if(|writing| writing.step(Self::PIECE_BYTES)) {
            self.keep(whole.finish());
        }
    }

    fn keep(&mut self, checkpoint: Checkpoint) {
        if self.saved.as_ref().is_none_or(|saved| saved.slot < checkpoint.slot) {
            self.saved = Some(checkpoint);
        }
    }

    fn take_fetched(&mut self, fetched: Fetched) {
        match fetched {
            Fetched::Begin { slot, parts, base } => {
                let saved = self.saved.as_ref().filter(|saved| Some(saved.slot) == base);
                let table = saved.and_then(|saved| saved.parts()?.in_memory());
                let table = table.unwrap_or_else(|| Table::new(parts as usize));
                self.fetching = Some((slot, table));
            }
            Fetched::Part { slot, part, bytes } => {
                if let Some((_, table)) = self.fetching.as_mut().filter(|(own, _)| *own == slot) {
                    table.set(part as usize, Leaf::of(&bytes, Arc::from(&bytes[..])));
                }
            }
            Fetched::End { slot, digest } => {
                let newest = self.saved.as_ref().map(|saved| saved.slot);
                if let Some((_, mut table)) = self.fetching.take_if(|(own, _)| *own == slot)
                    && table.seal() == digest
                    && newest.is_none_or(|newest| newest < slot)
                {
                    let state = Stored::Parts(Arc::new(InMemory(table)));
                    // What was cut before it is no part of it.
                    self.writing.take_if(|writing| writing.slot() <= slot);
                    self.waiting.take_if(|cut| cut.slot <= slot);
                    self.keep(Checkpoint { slot, digest, state });
                }
            }
        }
    }
}
