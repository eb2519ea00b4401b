//! Counters of a replica's thread, for others to read.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::Sender;

use crate::model::checkpoint::Digest;
use crate::model::events::Event;
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

/// Something that happened in one replica, for whoever watches.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Where.
    pub replica: ReplicaId,
    /// When, after the start of the cluster.
    pub at: Duration,
    /// What. Slots executed and requests answered again are only counted in [`Status`].
    pub event: Event,
}

/// A status that is read by others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Board(Arc<Mutex<Status>>);

impl Board {
    pub fn with<T>(&self, work: impl FnOnce(&mut Status) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Status {
    /// Notes what happened, and passes on what a watcher wants to see; one that lags loses it.
    pub(crate) fn on_event(&mut self, event: Event, pass: Option<&Sender<Seen>>, of: &Origin) {
        match &event {
            Event::Executed { slot, value, applied } => {
                self.executed = slot.next();
                if let Some(batch) = value.as_ref().filter(|_| *applied) {
                    self.batches += 1;
                    self.executed_at = Some(of.at);
                    self.requests += batch.requests.len() as u64;
                }
                return;
            }
            Event::Duplicates { count } => {
                self.duplicates += count;
                return;
            }
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
            _ => {}
        }
        if let Some(watcher) = pass {
            let _ = watcher.try_send(Seen { replica: of.replica, at: of.at, event });
        }
    }

    const DIVERGED_MAX: usize = 16;
}

/// Where and when events happen.
pub(crate) struct Origin {
    pub replica: ReplicaId,
    pub at: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_leads_a_view_leads_it_until_it_enters_the_next_whichever_is_told_first() {
        let (entered, leads) = (
            |view| Event::EnteredView { view: View(view), leader: None },
            |view| Event::Leads { view: View(view), base: Slot(0), recovered: 0 },
        );
        for told in [[entered(6), leads(6)], [leads(6), entered(6)]] {
            let mut status = Status::default();
            let mut tell = |event| {
                let of = Origin { replica: ReplicaId(0), at: Duration::ZERO };
                status.on_event(event, None, &of);
                (status.view, status.leads)
            };
            let [_, last] = told.map(&mut tell);
            assert_eq!(last, (View(6), Some(View(6))));
            assert_eq!(tell(entered(7)), (View(7), None));
        }
    }
}
