//! Catch-up: a replica that has fallen behind fetches decided slots, or a stable checkpoint in
//! pieces.
//!
//! Every replica keeps the decided slots since the stable checkpoint before the last, and on its
//! disk the last two checkpoints. One that learns of a peer further on, and does not move by
//! itself, asks that peer; the peer answers with slots while it has them, with its newest
//! checkpoint when it has not. The asker sets the pace: it asks for the next piece when it has the
//! last.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::engine::operators::patience::Patience;
use crate::engine::operators::release::Ordered;
use crate::engine::role::{Pulse, Role, Stream};
use crate::model::batch::{Value, is_plausible_value, weight};
use crate::model::checkpoint::{Checkpoint, Cut, Digest, Source};
use crate::model::config::Config;
use crate::model::events::{Event, Holding, Wait};
use crate::model::refused::{Refusal, Refused};
use crate::model::types::{Millis, ReplicaId, Slot, To, is_plausible};

/// Messages between replicas to catch up.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CatchUp {
    /// "I have executed all slots below this one."
    Executed(Slot),
    /// "Send me what comes at `from` and after."
    Fetch {
        /// The first slot the asker has not executed.
        from: Slot,
    },
    /// "Send me more of your checkpoint before `slot`."
    FetchPiece {
        /// The first slot that is not in the checkpoint.
        slot: Slot,
        /// Where in its bytes to go on.
        offset: u64,
    },
    /// "From `from` on, this was decided."
    Decided {
        /// The first slot.
        from: Slot,
        /// Its value and those after it.
        values: Vec<Value>,
    },
    /// A piece of the sender's checkpoint.
    Piece {
        /// The first slot that is not in the checkpoint.
        slot: Slot,
        /// The digest of all its bytes.
        digest: Digest,
        /// How many bytes it has.
        total: u64,
        /// Where this piece begins.
        offset: u64,
        /// The piece.
        bytes: ByteBuf,
    },
}

impl CatchUp {
    /// Whether a message that came from outside can be one of a replica with these settings.
    pub fn is_plausible(&self, config: &Config) -> bool {
        match self {
            Self::Executed(slot) | Self::Fetch { from: slot } => slot.is_plausible(),
            Self::FetchPiece { slot, offset } => slot.is_plausible() && is_plausible(*offset),
            Self::Decided { from, values } => {
                let fits = |value: &Value| is_plausible_value(value, config.n);
                from.is_plausible() && values.iter().all(fits)
            }
            Self::Piece { slot, total, offset, .. } => {
                slot.is_plausible() && is_plausible(*total) && is_plausible(*offset)
            }
        }
    }
}

/// The streams catch-up writes.
pub struct CatchUpStreams<'s> {
    /// To peers.
    pub messages: Stream<'s, (To, CatchUp)>,
    /// Slots learned from a peer.
    pub decided: Stream<'s, (Slot, Value)>,
    /// Checkpoints taken over from a peer.
    pub restored: Stream<'s, Checkpoint>,
    /// The same, to be saved.
    pub cuts: Stream<'s, Cut>,
    /// What happened.
    pub events: Stream<'s, Event>,
}

/// Serves those behind, and fetches when behind.
pub fn catch_up<'s>(
    ordered: Stream<'s, Ordered>,
    saved: Stream<'s, Checkpoint>,
    stable: Stream<'s, Slot>,
    messages: Stream<'s, (ReplicaId, CatchUp)>,
    Pulse { clock, looks }: Pulse<'s>,
    state: State,
) -> CatchUpStreams<'s> {
    let mut role = Role::new("catch_up", clock.scope(), state);
    let (out, sent) = role.output();
    let (learn, decided) = role.output();
    let (restore, restored) = role.output();
    let (save, cuts) = role.output();
    let (event, events) = role.output();
    let out_too = out.clone();
    role.on_look(looks, event, State::holding);
    role.on(ordered, State::on_ordered);
    role.on(saved, State::on_saved);
    role.on(stable, State::on_stable);
    role.on(messages, move |state, (from, message)| match message {
        CatchUp::Executed(slot) => state.on_executed(from, slot),
        CatchUp::Fetch { from: slot } => out.send(state.on_fetch(slot).map(|m| (To::One(from), m))),
        CatchUp::FetchPiece { slot, offset } => {
            out.send(state.on_fetch_piece(slot, offset).map(|m| (To::One(from), m)));
        }
        CatchUp::Decided { from: slot, values } => {
            learn.send(state.on_decided(slot, values));
        }
        CatchUp::Piece { slot, digest, total, offset, bytes } => {
            match state.on_piece(Piece { slot, digest, total, offset, bytes: bytes.into_vec() }) {
                Taken::More(ask) => out.send([(To::One(from), ask)]),
                Taken::Whole(checkpoint, cut) => {
                    restore.send([checkpoint]);
                    save.send([cut]);
                }
                Taken::Refused => {}
            }
        }
    });
    role.on(clock, move |state, now| out_too.send(state.on_tick(now)));
    role.build();
    CatchUpStreams { messages: sent, decided, restored, cuts, events }
}

struct Piece {
    slot: Slot,
    digest: Digest,
    total: u64,
    offset: u64,
    bytes: Vec<u8>,
}

/// A checkpoint of which the first bytes have arrived.
#[derive(Debug)]
struct Partial {
    slot: Slot,
    digest: Digest,
    state: Vec<u8>,
    /// Whether the next piece has been asked for a second time.
    asked_again: bool,
}

enum Taken {
    More(CatchUp),
    Whole(Checkpoint, Cut),
    Refused,
}

/// Owns the recent past of this replica.
#[derive(Debug)]
pub struct State {
    me: ReplicaId,
    chunk_bytes: usize,
    gossip_every_ms: Millis,
    patience: Patience,
    /// The slot of the first value in `tail`.
    first: Slot,
    /// The decided values since then; the replica has released all of them.
    tail: VecDeque<Value>,
    /// This replica's latest checkpoints on its disk, oldest first.
    checkpoints: VecDeque<Checkpoint>,
    stable: Slot,
    /// How far each replica has executed.
    peers: Vec<Slot>,
    /// A checkpoint of which some pieces have arrived.
    partial: Option<Partial>,
    said_at: Millis,
    now: Millis,
    /// Whether a peer that was asked has answered, and may have more.
    hungry: bool,
    /// A checkpoint of which a peer is fetching pieces, and when it last did: it is kept though
    /// newer ones have been saved.
    served: Option<(Checkpoint, Millis)>,
    /// Whom to ask next, when several are ahead.
    turn: usize,
    refused: Refused,
}

impl State {
    /// As many as there are on the disk.
    const CHECKPOINTS: usize = 2;
    /// How long a checkpoint is kept for a peer that asks for no more of it. It takes room on the
    /// disk.
    const SERVED_MS: Millis = 30_000;

    /// The past of a replica that starts from `checkpoint`.
    pub fn new(checkpoint: Option<&Checkpoint>, config: &Config) -> Self {
        Self {
            me: config.me,
            chunk_bytes: config.chunk_bytes,
            gossip_every_ms: config.gossip_every_ms,
            patience: Patience::for_values(config),
            first: checkpoint.map_or(Slot(0), |checkpoint| checkpoint.slot),
            tail: VecDeque::new(),
            checkpoints: checkpoint.cloned().into_iter().collect(),
            stable: Slot(0),
            peers: vec![Slot(0); config.n],
            partial: None,
            said_at: 0,
            now: 0,
            hungry: false,
            served: None,
            turn: 0,
            refused: Refused::default(),
        }
    }

    /// A replica waits for slots when another has executed more.
    fn holding(&self) -> Holding {
        let next = self.next();
        let all = (0..).map(ReplicaId).zip(&self.peers);
        let ahead: Vec<_> = all.filter(|(_, slot)| **slot > next).collect();
        let Some(furthest) = ahead.iter().map(|(_, slot)| **slot).max() else {
            return Holding { refused: self.refused, ..Holding::nothing("catch_up") };
        };
        let wait = Wait::Slots(ahead.into_iter().map(|(peer, _)| peer).collect());
        let held = furthest.0 - next.0;
        let (slot, refused) = (Some(next), self.refused);
        Holding { slot, held, wait, refused, ..Holding::nothing("catch_up") }
    }

    fn next(&self) -> Slot {
        Slot(self.first.0 + self.tail.len() as u64)
    }

    fn on_ordered(&mut self, ordered: Ordered) {
        self.patience.came(self.now);
        match ordered {
            Ordered::Value(value) => self.tail.push_back(value),
            Ordered::Restored(checkpoint) => {
                self.first = checkpoint.slot;
                self.tail.clear();
                self.partial = None;
            }
        }
    }

    fn on_saved(&mut self, checkpoint: Checkpoint) {
        self.checkpoints.push_back(checkpoint);
        let superseded = self.checkpoints.len().saturating_sub(Self::CHECKPOINTS);
        self.checkpoints.drain(..superseded);
    }

    fn on_stable(&mut self, stable: Slot) {
        // What lies before the previous stable checkpoint is of no use to anyone half-way up to
        // date.
        let old = std::mem::replace(&mut self.stable, stable).min(self.next());
        let gone = old.0.saturating_sub(self.first.0) as usize;
        self.tail.drain(..gone);
        self.first = self.first.max(old);
    }

    fn on_executed(&mut self, from: ReplicaId, slot: Slot) {
        if let Some(known) = self.peers.get_mut(from.0 as usize) {
            *known = slot.max(*known);
        }
    }

    fn on_fetch(&mut self, from: Slot) -> Option<CatchUp> {
        if from >= self.next() {
            return None;
        }
        if from < self.first {
            return self.serve_newest(from);
        }
        let mut bytes = 0;
        let start = (from.0 - self.first.0) as usize;
        let values = self.tail.range(start..).take_while(|value| {
            let fits = bytes < self.chunk_bytes;
            bytes += weight(value);
            fits
        });
        Some(CatchUp::Decided { from, values: values.cloned().collect() })
    }

    /// Begins to serve the newest checkpoint. Stable or not: what one replica has executed, f + 1
    /// have decided. One that cannot be read any more another replica has.
    fn serve_newest(&mut self, from: Slot) -> Option<CatchUp> {
        let newest = self.checkpoints.back().filter(|own| own.slot > from)?;
        let bytes = Arc::clone(&newest.bytes).keep().ok()?;
        let kept = Checkpoint { bytes, ..newest.clone() };
        let piece = self.piece(&kept, 0).ok()?;
        self.served = Some((kept, self.now));
        Some(piece)
    }

    fn on_fetch_piece(&mut self, slot: Slot, offset: u64) -> Option<CatchUp> {
        if let Some((served, last)) = &mut self.served
            && served.slot == slot
        {
            *last = self.now;
        }
        let served = self.served.as_ref().map(|(served, _)| served);
        let mut all = served.into_iter().chain(&self.checkpoints).filter(|own| own.slot == slot);
        match all.find_map(|own| self.piece(own, offset).ok()) {
            Some(piece) => Some(piece),
            None => self.on_fetch(slot),
        }
    }

    fn piece(&self, own: &Checkpoint, offset: u64) -> io::Result<CatchUp> {
        let total = own.bytes.length();
        let left = total.checked_sub(offset).filter(|left| *left > 0 || offset == 0);
        let left = left.ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut bytes = vec![0; self.chunk_bytes.min(usize::try_from(left).unwrap_or(usize::MAX))];
        own.bytes.read_at(offset, &mut bytes)?;
        let bytes = ByteBuf::from(bytes);
        Ok(CatchUp::Piece { slot: own.slot, digest: own.digest, total, offset, bytes })
    }

    fn on_decided(&mut self, from: Slot, values: Vec<Value>) -> Vec<(Slot, Value)> {
        let next = self.next();
        let slots =
            values.into_iter().enumerate().map(|(at, value)| (Slot(from.0 + at as u64), value));
        if from > next {
            // Nothing beyond the contiguous part: what waits in the release operator stays bounded.
            self.refused.add(Refusal::OutOfOrder);
            return Vec::new();
        }
        let slots: Vec<_> = slots.filter(|(slot, _)| *slot >= next).collect();
        // What is learned now is released within this turn; the next tick asks for what comes then.
        // An answer that has come before asks for nothing, or each would come as often for ever.
        self.hungry |= !slots.is_empty();
        slots
    }

    fn on_piece(&mut self, piece: Piece) -> Taken {
        if piece.slot <= self.next() {
            return self.refuse(Refusal::Late);
        }
        let Piece { slot, digest, total, offset, bytes } = piece;
        let newer = self.partial.as_ref().is_none_or(|partial| partial.slot < slot);
        if newer && offset == 0 {
            self.partial = Some(Partial { slot, digest, state: Vec::new(), asked_again: false });
        }
        let due = |partial: &&mut Partial| {
            (slot, digest, offset) == (partial.slot, partial.digest, partial.state.len() as u64)
        };
        let Some(partial) = self.partial.as_mut().filter(due) else {
            return self.refuse(Refusal::OutOfOrder);
        };
        partial.state.extend_from_slice(&bytes);
        partial.asked_again = false;
        let offset = partial.state.len() as u64;
        let is_empty = bytes.is_empty();
        self.patience.came(self.now);
        if offset < total && !is_empty {
            self.patience.ask(self.now);
            return Taken::More(CatchUp::FetchPiece { slot, offset });
        }
        let state = Arc::new(std::mem::take(&mut partial.state));
        self.partial = None;
        if Digest::of(&state) != digest {
            return self.refuse(Refusal::Damaged);
        }
        let bytes: Arc<dyn Source> = Arc::clone(&state) as _;
        Taken::Whole(Checkpoint { slot, digest, bytes }, Cut { slot, state })
    }

    fn refuse(&mut self, why: Refusal) -> Taken {
        self.refused.add(why);
        Taken::Refused
    }

    fn on_tick(&mut self, now: Millis) -> Vec<(To, CatchUp)> {
        self.now = now;
        self.served.take_if(|(_, last)| now.saturating_sub(*last) > Self::SERVED_MS);
        let mut sent = Vec::new();
        if now.saturating_sub(self.said_at) >= self.gossip_every_ms {
            self.said_at = now;
            sent.push((To::Others, CatchUp::Executed(self.next())));
        }
        if std::mem::take(&mut self.hungry) || self.patience.is_over(now) {
            sent.extend(self.ask());
        }
        sent
    }

    fn ask(&mut self) -> Option<(To, CatchUp)> {
        let n = self.peers.len();
        let ahead = |peer: &usize| *peer != self.me.0 as usize && self.peers[*peer] > self.next();
        let peer = (0..n).map(|step| (self.turn + step) % n).find(ahead)?;
        self.patience.ask(self.now);
        self.turn = peer + 1;
        let ask = match &mut self.partial {
            Some(partial) if !partial.asked_again => {
                partial.asked_again = true;
                CatchUp::FetchPiece { slot: partial.slot, offset: partial.state.len() as u64 }
            }
            _ => {
                // Nobody sends the rest: it has been superseded everywhere.
                self.partial = None;
                CatchUp::Fetch { from: self.next() }
            }
        };
        Some((To::One(ReplicaId(peer as u16)), ask))
    }
}
