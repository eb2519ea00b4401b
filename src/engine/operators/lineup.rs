//! Lineup: the batches that wait for a sequencer, each source's in its order.

use std::collections::BTreeMap;

use crate::engine::operators::executor::Progress;
use crate::engine::operators::requests::Forward;
use crate::model::batch::Batch;
use crate::model::config::Config;
use crate::model::refused::Refusal;

/// The batches of all sources that wait to be given a slot.
#[derive(Clone, Debug)]
pub struct Lineup {
    batches_in_flight: usize,
    sources: Vec<Source>,
}

#[derive(Clone, Debug, Default)]
struct Source {
    /// The last batch given out, or known to be executed when the lineup began.
    last: Option<Progress>,
    waiting: BTreeMap<u64, Batch>,
}

impl Lineup {
    /// Nothing waits.
    pub fn new(config: &Config) -> Self {
        let sources = vec![Source::default(); config.n];
        Self { batches_in_flight: config.batches_in_flight, sources }
    }

    /// Begins anew: sources send again what is not executed.
    pub fn clear(&mut self) {
        self.sources.fill(Source::default());
    }

    /// How many batches wait.
    pub fn len(&self) -> usize {
        self.sources.iter().map(|source| source.waiting.len()).sum()
    }

    /// Bytes of their requests.
    pub fn bytes(&self) -> usize {
        let batches = self.sources.iter().flat_map(|source| source.waiting.values());
        batches.map(|batch| batch.requests.bytes()).sum()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Lines up a batch from its source.
    ///
    /// # Errors
    /// Why it has no place: it has had one, or is too far ahead.
    pub fn add(&mut self, forward: Forward) -> Result<(), Refusal> {
        let id = forward.batch.id;
        let source = self.sources.get_mut(id.source.0 as usize).ok_or(Refusal::OutOfOrder)?;
        let last = source.last.filter(|last| last.incarnation >= id.incarnation);
        let last = last.unwrap_or_else(|| {
            // The source starts anew, or the lineup does: everything before its oldest is executed.
            source.waiting.clear();
            Progress { incarnation: id.incarnation, number: forward.oldest.saturating_sub(1) }
        });
        // Batches that never came this way may yet be executed: recovered from an earlier view.
        let executed = forward.oldest.saturating_sub(1);
        let behind = last.incarnation == id.incarnation && last.number < executed;
        let last = if behind { Progress { number: executed, ..last } } else { last };
        source.last = Some(last);
        source.waiting = source.waiting.split_off(&last.number.saturating_add(1));
        let ahead = id.number.saturating_sub(last.number);
        if last.incarnation != id.incarnation || ahead == 0 {
            return Err(Refusal::Late);
        }
        if ahead > self.batches_in_flight as u64 {
            return Err(Refusal::BeyondWindow);
        }
        source.waiting.insert(id.number, forward.batch);
        assert!(source.waiting.len() <= self.batches_in_flight, "the lineup has a bound");
        Ok(())
    }

    /// Takes out the next batch of a source that has one, the sources by their numbers.
    pub fn take(&mut self) -> Option<Batch> {
        self.sources.iter_mut().find_map(|source| {
            let last = source.last.as_mut()?;
            let batch = source.waiting.remove(&(last.number + 1))?;
            last.number += 1;
            Some(batch)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::batch::{BatchId, Packer, Request};
    use crate::model::types::{ClientId, ReplicaId};

    fn forward(source: u16, incarnation: u64, number: u64, oldest: u64) -> Forward {
        let mut packer = Packer::default();
        let client = ClientId::of_line(128);
        packer.push(Request { client, number, acknowledged: 0, command: b"" });
        let id = BatchId { source: ReplicaId(source), incarnation, number };
        Forward { batch: Batch { id, time_ms: 0, requests: packer.finish() }, oldest }
    }

    fn taken(lineup: &mut Lineup) -> Vec<(u16, u64)> {
        let ids = std::iter::from_fn(|| lineup.take().map(|batch| batch.id));
        ids.map(|id| (id.source.0, id.number)).collect()
    }

    #[test]
    fn batches_come_in_their_sources_order_whatever_the_order_they_arrived_in() {
        let mut lineup = Lineup::new(&Config::new(ReplicaId(0), 3));
        for (source, number) in [(1, 2), (0, 1), (1, 3), (1, 1)] {
            assert_eq!(lineup.add(forward(source, 1, number, 1)), Ok(()));
        }
        assert_eq!(taken(&mut lineup), [(0, 1), (1, 1), (1, 2), (1, 3)]);
        assert_eq!(lineup.add(forward(1, 1, 3, 1)), Err(Refusal::Late));
        assert_eq!(lineup.add(forward(1, 1, 9, 4)), Err(Refusal::BeyondWindow));
    }

    #[test]
    fn a_source_that_starts_again_begins_with_its_oldest() {
        let mut lineup = Lineup::new(&Config::new(ReplicaId(0), 3));
        lineup.add(forward(2, 1, 7, 7)).unwrap();
        lineup.add(forward(2, 2, 1, 1)).unwrap();
        assert_eq!(lineup.add(forward(2, 1, 8, 7)), Err(Refusal::Late));
        assert_eq!(taken(&mut lineup), [(2, 1)]);
    }

    #[test]
    fn what_its_source_knows_to_be_executed_is_not_waited_for() {
        let mut lineup = Lineup::new(&Config::new(ReplicaId(0), 3));
        lineup.add(forward(0, 1, 2, 1)).unwrap();
        assert_eq!(taken(&mut lineup), []);
        lineup.add(forward(0, 1, 3, 3)).unwrap();
        assert_eq!(taken(&mut lineup), [(0, 3)]);
        assert!(lineup.is_empty());
    }

    #[test]
    #[should_panic(expected = "the lineup has a bound")]
    fn no_more_batches_wait_than_may_be_on_their_way() {
        let mut lineup = Lineup::new(&Config::new(ReplicaId(0), 3));
        lineup.add(forward(0, 1, 1, 1)).unwrap();
        let batch = forward(0, 1, 1, 1).batch;
        (90..99).for_each(|far| drop(lineup.sources[0].waiting.insert(far, batch.clone())));
        let _ = lineup.add(forward(0, 1, 2, 1));
    }
}
