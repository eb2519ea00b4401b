//! Catch-up: a replica that has fallen behind fetches decided slots, or a stable checkpoint in
//! pieces.
//!
//! Every replica keeps the decided slots since the stable checkpoint before the last, the latest of
//! them in memory and the others in its journal, and on its disk the last two checkpoints. One that
//! learns of a peer further on, and does not move by itself, asks that peer; the peer answers with
//! slots while it has them, with its newest checkpoint when it has not. The asker sets the pace: it
//! asks for the next piece when it has the last.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use serde_bytes::ByteBuf;

use crate::disk::{Durable, Fetched};
use crate::engine::operators::patience::Patience;
use crate::engine::operators::release::Ordered;
use crate::engine::operators::tail::{History, Tail};
use crate::engine::operators::transfer::{GroupDigests, Offer, Piece, Transfer, Unlike};
use crate::engine::role::{Pulse, Role, Stream};
use crate::model::batch::Value;
use crate::model::checkpoint::{Checkpoint, Digest, Parts};
use crate::model::config::Config;
use crate::model::events::{Event, Holding, Wait};
use crate::model::refused::{Refusal, Refused};
use crate::model::types::{Millis, ReplicaId, Slot, To};

mod message;

pub use message::CatchUp;

/// The streams catch-up writes.
pub struct CatchUpStreams<'s, R: Clone + 'static> {
    /// To peers.
    pub messages: Stream<'s, (To, CatchUp)>,
    /// Slots learned from a peer.
    pub decided: Stream<'s, (Slot, Value)>,
    /// Checkpoints taken over from a peer.
    pub restored: Stream<'s, Checkpoint>,
    /// Their parts as they come, to be saved.
    pub durable: Stream<'s, Durable<R>>,
    /// What happened.
    pub events: Stream<'s, Event>,
}

/// Serves those behind, and fetches when behind.
pub fn catch_up<'s, R: Clone + 'static>(
    ordered: Stream<'s, Ordered>,
    saved: Stream<'s, Checkpoint>,
    stable: Stream<'s, Slot>,
    messages: Stream<'s, (ReplicaId, CatchUp)>,
    Pulse { clock, looks }: Pulse<'s>,
    state: State,
) -> CatchUpStreams<'s, R> {
    let mut role = Role::new("catch_up", clock.scope(), state);
    let (out, sent) = role.output();
    let (learn, decided) = role.output();
    let (restore, restored) = role.output();
    let (save, durable) = role.output();
    let (event, events) = role.output();
    let out_too = out.clone();
    role.on_look(looks, event, State::holding);
    role.on(ordered, State::on_ordered);
    role.on(saved, move |state, checkpoint| restore.send(state.on_saved(checkpoint)));
    role.on(stable, State::on_stable);
    role.on(messages, move |state, (from, message)| {
        let (ask, fetched) = match message {
            CatchUp::Executed(slot) => return state.on_executed(from, slot),
            CatchUp::Decided { from: slot, values } => {
                return learn.send(state.on_decided(slot, values));
            }
            CatchUp::Fetch { from: slot } => (state.on_fetch(slot), Vec::new()),
            CatchUp::FetchGroups { slot, groups } => {
                (state.on_fetch_groups(slot, &groups), Vec::new())
            }
            CatchUp::FetchParts { slot, parts, offset } => {
                (state.on_fetch_parts(slot, &parts, offset), Vec::new())
            }
            CatchUp::Offer(offer) => state.on_offer(from, &offer),
            CatchUp::Groups { slot, groups } => state.on_groups(slot, &groups),
            CatchUp::Pieces { slot, pieces } => state.on_pieces(slot, &pieces),
        };
        out.send(ask.map(|message| (To::One(from), message)));
        save.send(fetched.into_iter().map(Durable::Fetched));
    });
    role.on(clock, move |state, now| out_too.send(state.on_tick(now)));
    role.build();
    CatchUpStreams { messages: sent, decided, restored, durable, events }
}

/// The next question, and what came in answer to the last.
type Step = (Option<CatchUp>, Vec<Fetched>);

/// Owns the recent past of this replica.
pub struct State {
    me: ReplicaId,
    chunk_bytes: usize,
    gossip_every_ms: Millis,
    patience: Patience,
    /// What the replica has released.
    tail: Tail,
    /// This replica's latest checkpoints on its disk, oldest first.
    checkpoints: VecDeque<Checkpoint>,
    stable: Slot,
    /// How far each replica has executed.
    peers: Vec<Slot>,
    /// A checkpoint that is being fetched.
    transfer: Option<Transfer>,
    /// One of which all has come, until it is on the disk, and since when.
    saving: Option<(Slot, Millis)>,
    said_at: Millis,
    now: Millis,
    /// Whether a peer that was asked has answered, and may have more.
    hungry: bool,
    /// A checkpoint of which a peer is fetching pieces, and when it last did: it is kept though
    /// newer ones have been saved.
    served: Option<(Slot, Arc<dyn Parts>, Millis)>,
    /// Whom to ask next, when several are ahead.
    turn: usize,
    refused: Refused,
}

impl State {
    /// Bytes of decided slots in memory though the disk has them.
    const RECENT_BYTES: usize = 16 << 20;
    /// As many as there are on the disk.
    const CHECKPOINTS: usize = 2;
    /// How long a checkpoint is kept for a peer that asks for no more of it. It takes room on the
    /// disk.
    const SERVED_MS: Millis = 30_000;
    /// How long the disk may take with a checkpoint of which all has come. Most of it is there when
    /// the last of it comes.
    const SAVED_MS: Millis = 3_000;

    /// The past of a replica that starts from `checkpoint` and has executed all slots below
    /// `executed`.
    pub fn new(
        checkpoint: Option<&Checkpoint>,
        executed: Slot,
        history: Box<dyn History>,
        config: &Config,
    ) -> Self {
        Self {
            me: config.me,
            chunk_bytes: config.chunk_bytes,
            gossip_every_ms: config.gossip_every_ms,
            patience: Patience::for_values(config),
            tail: Tail::new(executed, config.checkpoint_bytes.min(Self::RECENT_BYTES), history),
            checkpoints: checkpoint.cloned().into_iter().collect(),
            stable: Slot(0),
            peers: vec![Slot(0); config.n],
            transfer: None,
            saving: None,
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
        let partial = self.transfer.as_ref().map_or(0, |transfer| transfer.progress().1);
        let bytes = (self.tail.bytes() + partial) as u64;
        let nothing = Holding { bytes, refused: self.refused, ..Holding::nothing("catch_up") };
        let next = self.next();
        let all = (0..).map(ReplicaId).zip(&self.peers);
        let ahead: Vec<_> = all.filter(|(_, slot)| **slot > next).collect();
        let Some(furthest) = ahead.iter().map(|(_, slot)| **slot).max() else {
            return nothing;
        };
        let wait = Wait::Slots(ahead.into_iter().map(|(peer, _)| peer).collect());
        let held = furthest.0 - next.0;
        Holding { slot: Some(next), held, wait, ..nothing }
    }

    fn next(&self) -> Slot {
        self.tail.next()
    }

    fn on_ordered(&mut self, ordered: Ordered) {
        self.patience.came(self.now);
        match ordered {
            Ordered::Value(value) => {
                let covered = self.checkpoints.back().map_or(Slot(0), |own| own.slot);
                self.tail.push(value, covered);
                let next = self.next();
                self.transfer.take_if(|transfer| transfer.slot <= next);
                self.saving.take_if(|(slot, _)| *slot <= next);
            }
            Ordered::Restored(checkpoint) => {
                self.tail.begin(checkpoint.slot);
                self.transfer.take_if(|transfer| transfer.slot <= checkpoint.slot);
            }
        }
    }

    /// A checkpoint is on the disk; answers it if it is another replica's.
    fn on_saved(&mut self, checkpoint: Checkpoint) -> Option<Checkpoint> {
        self.checkpoints.push_back(checkpoint.clone());
        let superseded = self.checkpoints.len().saturating_sub(Self::CHECKPOINTS);
        self.checkpoints.drain(..superseded);
        self.saving.take_if(|(slot, _)| *slot <= checkpoint.slot);
        // A cut of this replica's own is of what it has executed.
        (checkpoint.slot > self.next()).then_some(checkpoint)
    }

    fn on_stable(&mut self, stable: Slot) {
        // What lies before the previous stable checkpoint is of no use to anyone half-way up to
        // date.
        let old = std::mem::replace(&mut self.stable, stable);
        self.tail.forget(old);
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
        let values = self.tail.values(from, self.chunk_bytes);
        if values.is_empty() {
            self.serve_newest(from)
        } else {
            Some(CatchUp::Decided { from, values })
        }
    }

    /// Begins to serve the newest checkpoint. Stable or not: what one replica has executed, f + 1
    /// have decided. One that cannot be read any more another replica has.
    fn serve_newest(&mut self, from: Slot) -> Option<CatchUp> {
        let newest = self.checkpoints.back().filter(|own| own.slot > from)?;
        let parts = Arc::clone(newest.parts()?).keep().ok()?;
        let offer = Offer::of(newest, &*parts);
        self.served = Some((newest.slot, parts, self.now));
        Some(CatchUp::Offer(offer))
    }

    /// The parts of the checkpoint that somebody fetches, if they are still here.
    fn served(&mut self, slot: Slot) -> Option<Arc<dyn Parts>> {
        if let Some((served, parts, last)) = &mut self.served
            && *served == slot
        {
            *last = self.now;
            return Some(Arc::clone(parts));
        }
        let own = self.checkpoints.iter().find(|own| own.slot == slot)?;
        own.parts().cloned()
    }

    fn on_fetch_groups(&mut self, slot: Slot, asked: &[u32]) -> Option<CatchUp> {
        let Some(parts) = self.served(slot) else { return self.on_fetch(slot) };
        let mut bytes = 0;
        let groups = asked.iter().map(|group| GroupDigests::of(&*parts, *group));
        let groups = groups.take_while(|group| {
            let fits = bytes < self.chunk_bytes;
            bytes += 8 + size_of::<Digest>() * group.parts.len();
            fits
        });
        Some(CatchUp::Groups { slot, groups: groups.collect() })
    }

    fn on_fetch_parts(&mut self, slot: Slot, asked: &[u32], offset: u64) -> Option<CatchUp> {
        let Some(parts) = self.served(slot) else { return self.on_fetch(slot) };
        match self.pieces(&*parts, asked, offset) {
            Ok(pieces) => Some(CatchUp::Pieces { slot, pieces }),
            Err(_) => self.on_fetch(slot),
        }
    }

    /// Of these parts as many bytes as fit a message.
    fn pieces(&self, parts: &dyn Parts, asked: &[u32], from: u64) -> io::Result<Vec<Piece>> {
        let mut pieces = Vec::new();
        let (mut room, mut offset) = (self.chunk_bytes, from);
        for &part in asked {
            let total = parts.length(part as usize);
            let left = total.checked_sub(offset).ok_or(io::ErrorKind::UnexpectedEof)?;
            let count = room.min(usize::try_from(left).unwrap_or(usize::MAX));
            let mut bytes = vec![0; count];
            parts.read_at(part as usize, offset, &mut bytes)?;
            pieces.push(Piece { part, total, offset, bytes: ByteBuf::from(bytes) });
            // What goes with a part counts, or many small ones would not fit.
            room = room.saturating_sub(count + size_of::<Piece>());
            if room == 0 {
                break;
            }
            offset = 0;
        }
        Ok(pieces)
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

    fn on_offer(&mut self, from: ReplicaId, offer: &Offer) -> Step {
        let next = self.next();
        if let Some(transfer) = &mut self.transfer {
            // Another one is taken only when nobody sends the rest of this.
            let goes_on = transfer.asked < Transfer::ASKED_MAX;
            if !goes_on && transfer.is_of(offer) {
                transfer.from = from;
                return self.go_on(Vec::new());
            }
            if goes_on {
                return self.refuse(Refusal::Late);
            }
        }
        if offer.slot <= next || self.saving.is_some_and(|(slot, _)| slot >= offer.slot) {
            return self.refuse(Refusal::Late);
        }
        match Transfer::begin(from, offer, self.checkpoints.back()) {
            Ok((transfer, fetched)) => {
                self.transfer = Some(transfer);
                self.saving = None;
                self.go_on(fetched)
            }
            Err(Unlike) => self.refuse(Refusal::Damaged),
        }
    }

    fn on_groups(&mut self, slot: Slot, groups: &[GroupDigests]) -> Step {
        let Some(transfer) = self.transfer.as_mut().filter(|transfer| transfer.slot == slot) else {
            return self.refuse(Refusal::OutOfOrder);
        };
        let before = transfer.progress();
        let fetched: Result<Vec<_>, _> =
            groups.iter().map(|group| transfer.take_group(group)).collect();
        let comes_again = transfer.progress() == before;
        match fetched {
            Ok(_) if comes_again => self.refuse(Refusal::OutOfOrder),
            Ok(fetched) => self.go_on(fetched.into_iter().flatten().collect()),
            Err(Unlike) => self.refuse(Refusal::Damaged),
        }
    }

    fn on_pieces(&mut self, slot: Slot, pieces: &[Piece]) -> Step {
        let Some(transfer) = self.transfer.as_mut().filter(|transfer| transfer.slot == slot) else {
            return self.refuse(Refusal::OutOfOrder);
        };
        let before = transfer.progress();
        let mut fetched = Vec::new();
        for piece in pieces {
            match transfer.take_piece(piece) {
                Ok(part) => fetched.extend(part),
                Err(Unlike) => {
                    self.refused.add(Refusal::Damaged);
                    return (None, fetched);
                }
            }
        }
        if transfer.progress() == before {
            // What is under way twice must not be asked for twice as often for ever.
            return self.refuse(Refusal::OutOfOrder);
        }
        self.go_on(fetched)
    }

    /// Asks for what comes next of the checkpoint that is being fetched; once all has come, its
    /// end.
    fn go_on(&mut self, mut fetched: Vec<Fetched>) -> Step {
        self.patience.came(self.now);
        let Some(transfer) = &mut self.transfer else { return (None, fetched) };
        transfer.asked = 0;
        if let Some(end) = transfer.end() {
            fetched.push(end);
            self.saving = Some((transfer.slot, self.now));
            self.transfer = None;
            return (None, fetched);
        }
        self.patience.ask(self.now);
        (Some(transfer.next_ask()), fetched)
    }

    fn refuse(&mut self, why: Refusal) -> Step {
        self.refused.add(why);
        (None, Vec::new())
    }

    fn on_tick(&mut self, now: Millis) -> Vec<(To, CatchUp)> {
        self.now = now;
        self.served.take_if(|(.., last)| now.saturating_sub(*last) > Self::SERVED_MS);
        // The disk had no room, or no longer what it was to go on from.
        self.saving.take_if(|(_, since)| now.saturating_sub(*since) > Self::SAVED_MS);
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
        if self.saving.is_some() {
            return None;
        }
        let n = self.peers.len();
        let ahead = |peer: &usize| *peer != self.me.0 as usize && self.peers[*peer] > self.next();
        let peer = (0..n).map(|step| (self.turn + step) % n).find(ahead)?;
        self.patience.ask(self.now);
        self.turn = peer + 1;
        let ask = match &mut self.transfer {
            Some(transfer) if transfer.asked < Transfer::ASKED_MAX => {
                transfer.asked += 1;
                return Some((To::One(transfer.from), transfer.next_ask()));
            }
            // Perhaps nobody has the rest any more; whoever has offers the same again.
            _ => CatchUp::Fetch { from: self.next() },
        };
        Some((To::One(ReplicaId(peer as u16)), ask))
    }
}
