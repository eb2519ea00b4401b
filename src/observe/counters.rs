//! Counters of a replica's thread, for others to read.

use std::time::Duration;

use crate::model::checkpoint::Digest;
use crate::model::events::{Event, Holding};
use crate::model::types::{ReplicaId, Slot, View};

/// A replica as it stood at the end of its last turn. The counts are those of its present life.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Whether its thread runs.
    pub alive: bool,
    /// Why its thread ended, if nobody killed it.
    pub failed: Option<String>,
    /// How often it has started.
    pub lives: u64,
    /// The view it is in.
    pub view: View,
    /// Who is to lead that view; nobody where all propose.
    pub leader: Option<ReplicaId>,
    /// The view it leads, if it leads one.
    pub leads: Option<View>,
    /// The first slot it has not executed.
    pub executed: Slot,
    /// When it last executed a request, by the clock of its events; nothing if it never has.
    pub executed_at: Option<Duration>,
    /// The first slot that is not in the stable checkpoint.
    pub stable: Slot,
    /// Checkpoints it has cut.
    pub checkpoints: u64,
    /// Checkpoints it has taken over from others.
    pub installed: u64,
    /// Requests executed, duplicates included.
    pub requests: u64,
    /// Requests answered again from their session.
    pub duplicates: u64,
    /// Reads answered that did not pass the log.
    pub reads: u64,
    /// Slots it has executed that held a batch.
    pub batches: u64,
    /// Messages of other replicas it has taken.
    pub messages_in: u64,
    /// Messages it has sent to other replicas.
    pub messages_out: u64,
    /// Turns it has made.
    pub turns: u64,
    /// Replicas whose state differed from what was reported earlier.
    pub diverged: Vec<(Slot, ReplicaId)>,
    /// The digest of its state, when it was last asked for it.
    pub digest: Option<(Slot, Digest)>,
}

impl Status {
    /// Counts what happened at this time.
    pub(crate) fn on_event(&mut self, event: &Event, at: Duration) {
        match event {
            Event::Executed { slot, value, applied } => {
                self.executed = slot.next();
                if let Some(batch) = value.as_ref().filter(|_| *applied) {
                    self.batches += 1;
                    self.executed_at = Some(at);
                    self.requests += batch.requests.len() as u64;
                }
            }
            Event::Duplicates { count } => self.duplicates += count,
            Event::Read { count, .. } => self.reads += count,
            Event::EnteredView { view, leader } => {
                (self.view, self.leader) = (*view, *leader);
                // In one turn it may be told before that it leads the view than that it has entered
                // it.
                self.leads = self.leads.filter(|led| led >= view);
            }
            Event::Started { view, leader } => (self.view, self.leader) = (*view, *leader),
            Event::Leads { view, .. } => self.leads = Some(*view),
            Event::Checkpointed { .. } => self.checkpoints += 1,
            Event::Stable { slot } => self.stable = *slot,
            Event::Installed { slot } => {
                self.installed += 1;
                self.executed = *slot;
            }
            Event::Diverged { slot, replica } if self.diverged.len() < Self::DIVERGED_MAX => {
                self.diverged.push((*slot, *replica));
            }
            Event::Digest { slot, digest } => self.digest = Some((*slot, *digest)),
            // Of what is executed at a start, before anything is watched, no event tells.
            Event::Holds(Holding { role, slot: Some(next), .. }) if role == "executor" => {
                self.executed = self.executed.max(*next);
            }
            _ => {}
        }
    }

    const DIVERGED_MAX: usize = 16;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_that_starts_and_executes_nothing_has_come_as_far_as_its_executor() {
        let mut status = Status::default();
        let holds =
            |role, slot| Event::Holds(Holding { slot: Some(Slot(slot)), ..Holding::nothing(role) });
        status.on_event(&holds("learner", 9), Duration::ZERO);
        assert_eq!(status.executed, Slot(0));
        status.on_event(&holds("executor", 7), Duration::ZERO);
        assert_eq!(status.executed, Slot(7));
    }

    #[test]
    fn who_leads_a_view_leads_it_until_it_enters_the_next_whichever_is_told_first() {
        let (entered, leads) = (
            |view| Event::EnteredView { view: View(view), leader: None },
            |view| Event::Leads { view: View(view), base: Slot(0), recovered: 0 },
        );
        for told in [[entered(6), leads(6)], [leads(6), entered(6)]] {
            let mut status = Status::default();
            let mut tell = |event| {
                status.on_event(&event, Duration::ZERO);
                (status.view, status.leads)
            };
            let [_, last] = told.map(&mut tell);
            assert_eq!(last, (View(6), Some(View(6))));
            assert_eq!(tell(entered(7)), (View(7), None));
        }
    }
}
