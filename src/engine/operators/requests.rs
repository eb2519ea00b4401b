//! Request source: the requests of this replica's clients, on their way to the leader, or to this
//! replica's own proposer where each proposes for its clients.
//!
//! It numbers batches without gaps, keeps each until it is executed here, and sends all of them
//! again, in order, when the view changes or an answer is overdue. So the other replicas need not
//! remember requests for it (in the paper idle proposers do), and a lost message costs a retry
//! only. What its clients wait for it announces to all, for the controllers (rule TA-1).

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::engine::operators::executor::{Executed, Progress};
use crate::engine::operators::patience::Patience;
use crate::engine::role::{Pulse, Role, Stream};
use crate::model::batch::{Batch, BatchId, Requests};
use crate::model::config::Config;
use crate::model::events::{Event, Holding, Wait};
use crate::model::types::{Millis, ReplicaId, View};

/// "Give this batch a slot." The oldest batch its source still waits for shows a new leader where
/// the source's numbers begin.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Forward {
    /// The batch.
    pub batch: Batch,
    /// The number of the oldest batch of this source that is not executed at its replica.
    pub oldest: u64,
}

impl Forward {
    /// Whether it is within the ranges that a replica can have reached.
    pub fn is_plausible(&self, config: &Config) -> bool {
        self.batch.is_plausible(config.n) && self.oldest <= self.batch.id.number
    }
}

/// "My clients wait for everything up to this batch."
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Announce {
    /// The last batch of the source, whether executed or not.
    pub target: Progress,
}

/// The streams a request source writes.
pub struct RequestStreams<'s> {
    /// To the leader, when it is another replica.
    pub forwards: Stream<'s, (ReplicaId, Forward)>,
    /// To this replica's own proposer, when it leads.
    pub own: Stream<'s, Forward>,
    /// To every replica.
    pub announces: Stream<'s, Announce>,
    /// How many more batches it takes now, whenever that changes.
    pub room: Stream<'s, usize>,
    /// The same while none is on its way.
    pub room_max: usize,
    /// What happened.
    pub events: Stream<'s, Event>,
}

/// Sends client requests to the leader of the latest of `views` until they are executed; without
/// views, to whom the source begins with.
pub fn request_source<'s>(
    requests: Stream<'s, (Requests, Millis)>,
    executed: Stream<'s, Executed>,
    views: Option<Stream<'s, View>>,
    Pulse { clock, looks }: Pulse<'s>,
    source: RequestSource,
) -> RequestStreams<'s> {
    let room_max = source.batches_in_flight;
    let mut role = Role::new("request_source", clock.scope(), source);
    let (forward, forwards) = role.output();
    let (own_forward, own) = role.output();
    let (announce, announces) = role.output();
    let (take, room) = role.output();
    let (event, events) = role.output();
    let done = take.clone();
    role.on_look(looks, event, RequestSource::holding);
    let send = move |source: &RequestSource, batches: Vec<Forward>| {
        if source.leader == source.me {
            own_forward.send(batches);
        } else {
            forward.send(batches.into_iter().map(|batch| (source.leader, batch)));
        }
        take.send([source.room()]);
    };
    let (send_again, send_late) = (send.clone(), send.clone());
    role.on(executed, move |source, executed| {
        source.on_executed(&executed);
        done.send([source.room()]);
    });
    if let Some(views) = views {
        role.on(views, move |source, view| {
            let batches = source.on_view(view);
            send_again(source, batches);
        });
    }
    role.on(requests, move |source, (requests, now)| {
        let batch = source.on_requests(requests, now);
        send(source, vec![batch]);
    });
    role.on(clock, move |source, now| {
        announce.send(source.announcement(now));
        let late = source.on_tick(now);
        if !late.is_empty() {
            send_late(source, late);
        }
    });
    role.build();
    RequestStreams { forwards, own, announces, room, room_max, events }
}

/// Owns the batches of this replica's clients until they are executed here.
#[derive(Clone, Debug)]
pub struct RequestSource {
    me: ReplicaId,
    n: usize,
    incarnation: u64,
    batches_in_flight: usize,
    gossip_every_ms: Millis,
    leader: ReplicaId,
    /// The number of the next batch.
    next: u64,
    open: VecDeque<Batch>,
    patience: Patience,
    announced_at: Millis,
    now: Millis,
}

impl RequestSource {
    /// A source that has sent nothing in this incarnation, and begins with `leader`.
    pub fn new(incarnation: u64, leader: ReplicaId, config: &Config) -> Self {
        Self {
            me: config.me,
            n: config.n,
            incarnation,
            batches_in_flight: config.batches_in_flight,
            gossip_every_ms: config.gossip_every_ms,
            leader,
            next: 1,
            open: VecDeque::new(),
            patience: Patience::new(config),
            announced_at: 0,
            now: 0,
        }
    }

    fn on_requests(&mut self, requests: Requests, now: Millis) -> Forward {
        let id = BatchId { source: self.me, incarnation: self.incarnation, number: self.next };
        self.next += 1;
        if self.open.is_empty() {
            self.patience.ask(self.now);
        }
        let batch = Batch { id, time_ms: now, requests };
        let last = self.open.back().map(|last| last.id.number + 1);
        assert!(last.is_none_or(|next| next == id.number), "batches are numbered in a row");
        self.open.push_back(batch.clone());
        self.forward(batch)
    }

    fn on_executed(&mut self, executed: &Executed) {
        let done = executed.sources[self.me.0 as usize];
        if done.incarnation != self.incarnation {
            return;
        }
        let before = self.open.len();
        while self.open.pop_front_if(|batch| batch.id.number <= done.number).is_some() {}
        if self.open.len() < before {
            self.patience.came(self.now);
            if !self.open.is_empty() {
                self.patience.ask(self.now);
            }
        }
    }

    fn on_view(&mut self, view: View) -> Vec<Forward> {
        self.leader = view.leader(self.n);
        // The new leader may receive this before it leads: ask it again soon.
        self.patience.begin(self.now);
        self.send_all_again()
    }

    fn on_tick(&mut self, now: Millis) -> Vec<Forward> {
        self.now = now;
        if self.open.is_empty() || !self.patience.is_over(now) {
            return Vec::new();
        }
        self.send_all_again()
    }

    fn announcement(&mut self, now: Millis) -> Option<Announce> {
        if now.saturating_sub(self.announced_at) < self.gossip_every_ms {
            return None;
        }
        self.announced_at = now;
        let target = Progress { incarnation: self.incarnation, number: self.next - 1 };
        Some(Announce { target })
    }

    fn holding(&self) -> Holding {
        let held = self.open.len() as u64;
        let wait = if held > 0 { Wait::Proposal(self.leader) } else { Wait::Nothing };
        let first = self.open.front().map_or(0, |oldest| oldest.id.number);
        let bytes = self.open.iter().map(|batch| batch.requests.bytes()).sum::<usize>() as u64;
        Holding { held, bytes, first, wait, ..Holding::nothing("request_source") }
    }

    fn room(&self) -> usize {
        self.batches_in_flight.saturating_sub(self.open.len())
    }

    fn send_all_again(&mut self) -> Vec<Forward> {
        self.patience.ask(self.now);
        self.open.iter().map(|batch| self.forward(batch.clone())).collect()
    }

    fn forward(&self, batch: Batch) -> Forward {
        let oldest = self.open.front().map_or(self.next, |oldest| oldest.id.number);
        Forward { batch, oldest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::batch::Packer;

    #[test]
    #[should_panic(expected = "batches are numbered in a row")]
    fn no_number_of_a_batch_is_left_out() {
        let mut source = RequestSource::new(1, ReplicaId(0), &Config::new(ReplicaId(0), 3));
        source.on_requests(Packer::default().finish(), 0);
        source.next += 1;
        source.on_requests(Packer::default().finish(), 0);
    }
}
