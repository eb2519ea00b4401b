//! Reader: lets reads be answered from this replica's state, without the log.
//!
//! Whoever has been answered, by whichever replica, has been answered of a slot that a quorum had
//! accepted. So it is enough to ask a quorum of acceptors, after a read has come, how far what they
//! have accepted reaches, and to answer from a state that holds all of that: a write whose answer
//! came before the read was asked is in it, and so is all that an earlier read has seen (M6). Any
//! two quorums have an acceptor in common, whoever leads and in whatever view, so that neither is
//! asked for. It takes a message to each replica and one back for all reads that have come since
//! the last question, and no disk: an acceptor counts what it has voted for in this life, and what
//! its disk held of earlier ones.
//!
//! An answer counts for the question it answers and for earlier ones, but not for a later one, nor
//! for one of another life of this replica.
//!
//! Two things need the log to move, and then a batch of no requests is sent through it:
//! - The state's time is what its commands have brought. Where [reads change by it], it may be no
//!   more than [`OpenReads::TIME_BEHIND_MS`] behind the time at which a read came: keys expire though
//!   nobody writes.
//! - What a leader that has crashed had accepted by a few may never be decided. Nobody can tell,
//!   and who waits for such a slot waits until the log has grown beyond it.
//!
//! [reads change by it]: crate::model::app::StateMachine::reads_change_by_time

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::engine::operators::executor::Executed;
use crate::engine::operators::patience::Patience;
use crate::engine::role::{Pulse, Role, Stream};
use crate::model::batch::{Packer, Requests};
use crate::model::config::Config;
use crate::model::events::{Event, Holding, Wait};
use crate::model::quorum::Votes;
use crate::model::reads::{Freshness, Reads};
use crate::model::refused::{Refusal, Refused};
use crate::model::types::{Millis, ReplicaId, Slot, is_plausible};

/// "How far does what you have accepted reach?"
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ask {
    /// The life of the replica that asks.
    pub life: u64,
    /// Its count of questions in that life.
    pub round: u64,
}

impl Ask {
    /// Whether it is within the ranges that a replica can have reached.
    pub fn is_plausible(&self) -> bool {
        is_plausible(self.life) && is_plausible(self.round)
    }

    /// The answer of an acceptor that has accepted nothing from slot `end` on.
    pub fn answered(self, end: Slot) -> Index {
        Index { ask: self, end }
    }
}

/// "I have accepted nothing from slot `end` on, in any life."
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Index {
    /// The question.
    pub ask: Ask,
    /// The first slot beyond what it has accepted or executed.
    pub end: Slot,
}

impl Index {
    /// Whether it is within the ranges that a replica can have reached.
    pub fn is_plausible(&self) -> bool {
        self.ask.is_plausible() && self.end.is_plausible()
    }
}

/// "Answer these now: the state holds all slots below `index`."
#[derive(Clone, Debug)]
pub struct Permit {
    /// The slots that must be executed.
    pub index: Slot,
    /// What is asked.
    pub requests: Requests,
}

/// The streams a reader reads.
pub struct ReaderInputs<'s> {
    /// Reads of this replica's clients, and the time at which they were packed.
    pub reads: Stream<'s, (Reads, Millis)>,
    /// From acceptors.
    pub indices: Stream<'s, (ReplicaId, Index)>,
    /// What has been executed here.
    pub executed: Stream<'s, Executed>,
}

/// The streams a reader writes.
pub struct ReaderStreams<'s> {
    /// To every acceptor.
    pub asks: Stream<'s, Ask>,
    /// To the executor.
    pub permits: Stream<'s, Permit>,
    /// Batches of no requests, to be ordered.
    pub nudges: Stream<'s, (Requests, Millis)>,
    /// How many more batches of the latest reads it takes now, whenever that changes.
    pub room: Stream<'s, usize>,
    /// What happened.
    pub events: Stream<'s, Event>,
}

/// Permits reads once this replica's state is as recent as they ask for.
pub fn reader<'s>(
    inputs: ReaderInputs<'s>,
    Pulse { clock, looks }: Pulse<'s>,
    reader: OpenReads,
) -> ReaderStreams<'s> {
    let mut role = Role::new("reader", clock.scope(), reader);
    let (ask, asks) = role.output();
    let (permit, permits) = role.output();
    let (nudge, nudges) = role.output();
    let (take, room) = role.output();
    let (event, events) = role.output();
    role.on_look(looks, event, OpenReads::holding);
    let (nudge_late, ask_again) = (nudge.clone(), ask.clone());
    let release = move |reader: &mut OpenReads| {
        let before = reader.rounds.len();
        permit.send(std::iter::from_fn(|| reader.next_permit()));
        take.send((reader.rounds.len() != before).then(|| reader.room()));
    };
    let (release_read, release_more) = (release.clone(), release.clone());
    role.on(inputs.executed, move |reader, executed| {
        reader.on_executed(&executed);
        release(reader);
    });
    role.on(inputs.reads, move |reader, (reads, now)| {
        ask.send(reader.on_reads(reads, now));
        nudge.send(reader.time_wanted());
        release_read(reader);
    });
    role.on(inputs.indices, move |reader, (from, index)| {
        reader.on_index(from, index);
        release_more(reader);
    });
    role.on(clock, move |reader, now| {
        ask_again.send(reader.on_tick(now));
        nudge_late.send(reader.time_wanted());
        nudge_late.send(reader.log_wanted());
    });
    role.build();
    ReaderStreams { asks, permits, nudges, room, events }
}

/// Owns the reads of this replica's clients that have not been answered.
#[derive(Clone, Debug)]
pub struct OpenReads {
    n: usize,
    quorum: usize,
    life: u64,
    /// Batches of no requests that are sent at a time.
    nudges_max: usize,
    executed: Slot,
    /// When something was executed last, or began to be missed, or the log was asked to move.
    moved_at: Millis,
    /// For how long the log may stand still; twice as long after each time it was asked to move, until
    /// a read is answered.
    still_ms: Millis,
    still_least_ms: Millis,
    time_ms: Option<Millis>,
    /// The latest reads, a round for each batch, in the order in which they came.
    rounds: VecDeque<Round>,
    /// The number of the first of them.
    first: u64,
    /// Reads for which the state is not recent enough, though no question is open.
    bounded: VecDeque<(Slot, Requests, Millis)>,
    patience: Patience,
    /// The time that the log was last asked to bring.
    time_asked_ms: Millis,
    now: Millis,
    refused: Refused,
}

/// Reads that have come between two questions.
#[derive(Clone, Debug)]
struct Round {
    requests: Requests,
    /// When they were packed, by the host's clock.
    asked_ms: Millis,
    /// Who has answered, and the furthest of the answers.
    answers: Votes,
    end: Slot,
    /// Whether enough have.
    is_known: bool,
}

impl OpenReads {
    /// Questions that may be open at a time. What comes meanwhile makes the next batch.
    pub const ROUNDS_MAX: usize = 4;
    /// Batches of other reads that wait for slots. More than a few are of clients that have made
    /// the slots up.
    const BOUNDED_MAX: usize = 64;
    /// How far the state's time may be behind.
    pub const TIME_BEHIND_MS: Millis = 100;

    /// A reader that has asked nothing in this life of its replica, which has executed so much.
    pub fn new(life: u64, executed: &Executed, config: &Config) -> Self {
        Self {
            n: config.n,
            quorum: config.quorum(),
            life,
            nudges_max: config.batches_in_flight,
            executed: executed.next,
            moved_at: 0,
            // Long enough for leaders to have been replaced, and for what is under way to come.
            still_ms: 4 * config.suspect_after_ms,
            still_least_ms: 4 * config.suspect_after_ms,
            time_ms: executed.time_ms,
            rounds: VecDeque::new(),
            first: 1,
            bounded: VecDeque::new(),
            patience: Patience::new(config),
            time_asked_ms: 0,
            now: 0,
            refused: Refused::default(),
        }
    }

    fn room(&self) -> usize {
        Self::ROUNDS_MAX.saturating_sub(self.rounds.len())
    }

    fn on_reads(&mut self, reads: Reads, now: Millis) -> Option<Ask> {
        let Reads { freshness, requests } = reads;
        match freshness {
            Freshness::Latest => {
                if self.rounds.iter().all(|round| round.is_known) {
                    self.patience.begin(self.now);
                    self.patience.ask(self.now);
                }
                let (answers, end) = (Votes::default(), Slot(0));
                self.rounds.push_back(Round {
                    requests,
                    asked_ms: now,
                    answers,
                    end,
                    is_known: false,
                });
                let round = self.first + self.rounds.len() as u64 - 1;
                Some(Ask { life: self.life, round })
            }
            Freshness::Executed(slot) => {
                if self.bounded.len() >= Self::BOUNDED_MAX {
                    self.bounded.pop_front();
                    self.refused.add(Refusal::BeyondWindow);
                }
                self.bounded.push_back((slot, requests, self.now));
                None
            }
        }
    }

    /// Takes an answer. The question came after all reads of earlier ones, too.
    fn on_index(&mut self, from: ReplicaId, Index { ask, end }: Index) {
        let asked = (ask.round + 1).saturating_sub(self.first).min(self.rounds.len() as u64);
        let asked = if ask.life == self.life { asked as usize } else { 0 };
        let unknown = self.rounds.iter_mut().take(asked).filter(|round| !round.is_known);
        let mut is_late = true;
        for round in unknown {
            is_late = false;
            round.answers.add(from);
            round.end = end.max(round.end);
            round.is_known = round.answers.count() >= self.quorum;
            if round.is_known {
                self.patience.came(self.now);
                // From here on it is missed.
                self.moved_at = self.now;
            }
        }
        if is_late {
            self.refused.add(Refusal::Late);
        }
    }

    fn on_executed(&mut self, executed: &Executed) {
        (self.executed, self.moved_at) = (executed.next, self.now);
        self.time_ms = executed.time_ms;
    }

    /// What can be answered now: of the latest reads none before those that came earlier.
    fn next_permit(&mut self) -> Option<Permit> {
        let executed = self.executed;
        if let Some(at) = self.bounded.iter().position(|(slot, ..)| *slot <= executed) {
            let (index, requests, _) = self.bounded.remove(at)?;
            return Some(Permit { index, requests });
        }
        let is_late = |asked_ms| {
            self.time_ms.is_some_and(|time_ms| asked_ms > time_ms + Self::TIME_BEHIND_MS)
        };
        let is_due =
            |round: &mut Round| round.is_known && round.end <= executed && !is_late(round.asked_ms);
        let Round { end: index, requests, .. } = self.rounds.pop_front_if(is_due)?;
        self.first += 1;
        self.still_ms = self.still_least_ms;
        Some(Permit { index, requests })
    }

    /// A batch of no requests, if the state's time is too far behind that of a read, and the log
    /// was not asked for a later one.
    fn time_wanted(&mut self) -> Option<(Requests, Millis)> {
        let asked_ms = self.rounds.iter().map(|round| round.asked_ms).max()?;
        let known_ms = self.time_ms?.max(self.time_asked_ms);
        (asked_ms > known_ms + Self::TIME_BEHIND_MS).then(|| {
            self.time_asked_ms = asked_ms;
            (Packer::default().finish(), asked_ms)
        })
    }

    /// Asks again if nobody has answered for a while. Forgets reads that nobody waits for any more.
    fn on_tick(&mut self, now: Millis) -> Vec<Ask> {
        self.now = now;
        self.bounded.retain(|(_, _, since)| now.saturating_sub(*since) < Self::FORGOTTEN_MS);
        let unknown = self.rounds.iter().zip(self.first..).filter(|(round, _)| !round.is_known);
        let asks = unknown.map(|(_, round)| Ask { life: self.life, round }).collect::<Vec<_>>();
        if asks.is_empty() || !self.patience.is_over(now) {
            return Vec::new();
        }
        self.patience.ask(now);
        asks
    }

    /// After as long clients have been told that no answer came.
    const FORGOTTEN_MS: Millis = 10_000;

    /// Batches of no requests, if something is accepted that is not executed, and nothing else is
    /// either.
    fn log_wanted(&mut self) -> Vec<(Requests, Millis)> {
        let Some(round) = self.rounds.front() else { return Vec::new() };
        let missing = round.end.0.saturating_sub(self.executed.0) as usize;
        let stands = self.now.saturating_sub(self.moved_at) >= self.still_ms;
        if !round.is_known || missing == 0 || !stands {
            return Vec::new();
        }
        let asked_ms = round.asked_ms;
        self.moved_at = self.now;
        self.still_ms *= 2;
        let count = missing.min(self.nudges_max);
        (0..count).map(|_| (Packer::default().finish(), asked_ms)).collect()
    }

    fn holding(&self) -> Holding {
        let held = (self.rounds.len() + self.bounded.len()) as u64;
        let wait = match self.rounds.front() {
            Some(round) if !round.is_known => {
                Wait::for_word("index", round.answers.missing(self.n))
            }
            None if self.bounded.is_empty() => Wait::Nothing,
            _ => Wait::for_role("executor"),
        };
        let rounds = self.rounds.iter().map(|round| round.requests.bytes());
        let bounded = self.bounded.iter().map(|(_, requests, _)| requests.bytes());
        let bytes = rounds.chain(bounded).sum::<usize>() as u64;
        let (first, refused) = (self.first, self.refused);
        Holding { held, bytes, first, wait, refused, ..Holding::nothing("reader") }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
