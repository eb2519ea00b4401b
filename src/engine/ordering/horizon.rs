//! Horizon: invariants of the stable checkpoint and of what may lie above it, which the oracles of
//! all protocols with a [`window`](super::window) share (T5, TA-11).

use std::collections::BTreeMap;

use crate::disk::Recovered;
use crate::engine::operators::checkpointer::Report;
use crate::engine::protocol::JournalRecord;
use crate::model::batch::Value;
use crate::model::checkpoint::Digest;
use crate::model::config::Config;
use crate::model::events::Event;
use crate::model::quorum::Votes;
use crate::model::types::{ReplicaId, Slot};

/// What all replicas have reported of their checkpoints.
pub struct Horizon {
    quorum: usize,
    window: u64,
    window_bytes: usize,
    reports: BTreeMap<(Slot, Digest), Votes>,
    stable: Slot,
    /// How many times as far apart as the settings say checkpoints are after each of them.
    stretches: BTreeMap<Slot, u64>,
    replicas: Vec<Place>,
}

/// Where a replica stands.
#[derive(Clone, Default)]
struct Place {
    /// The highest checkpoint it has reported.
    reported: Slot,
    /// The last one that was due, or has come.
    paced: Slot,
    /// The last one that it has fetched or started from.
    based_on: Slot,
}

impl Horizon {
    /// Nothing is reported.
    pub fn new(config: &Config) -> Self {
        Self {
            quorum: config.quorum(),
            window: config.window,
            window_bytes: config.window_bytes,
            reports: BTreeMap::new(),
            stable: Slot(0),
            stretches: BTreeMap::new(),
            replicas: vec![Place::default(); config.n],
        }
    }

    /// All slots below this one are in a checkpoint that a quorum has reported alike.
    pub fn stable(&self) -> Slot {
        self.stable
    }

    /// A replica starts from a checkpoint that it has reported, or a later one; from the one before
    /// if something has `rotten`, which is as good as long as the journal reaches that far.
    ///
    /// # Errors
    /// The checkpoint it has reported.
    pub fn on_start<R>(
        &mut self,
        me: ReplicaId,
        recovered: &Recovered<R>,
        rotten: bool,
    ) -> Result<(), String> {
        let (covered, start) = (recovered.covered(), recovered.decided);
        let due = self.stretches.range(..=start).next_back();
        let place = &mut self.replicas[me.0 as usize];
        place.paced = due.map_or(covered, |(slot, _)| *slot);
        place.based_on = covered;
        if covered < place.reported && !rotten {
            return Err(format!("{me} starts at {covered}, and has reported {}", place.reported));
        }
        Ok(())
    }

    /// A replica reports a checkpoint.
    pub fn on_report(&mut self, from: ReplicaId, report: Report) {
        let place = &mut self.replicas[from.0 as usize];
        place.reported = report.slot.max(place.reported);
        let votes = self.reports.entry((report.slot, report.digest)).or_default();
        votes.add(from);
        if votes.count() >= self.quorum {
            self.stable = report.slot.max(self.stable);
        }
    }

    /// TA-11: stable is only what a quorum has reported alike.
    ///
    /// # Errors
    /// What is taken for stable and is not.
    pub fn on_event(&mut self, me: ReplicaId, event: &Event) -> Result<(), String> {
        match event {
            Event::Stable { slot } if *slot > self.stable => {
                Err(format!("TA-11: {me} takes {slot} for stable, and {} is", self.stable))
            }
            Event::Installed { slot } => {
                self.replicas[me.0 as usize].based_on = *slot;
                Ok(())
            }
            Event::Paced { slot, stretch } => {
                self.replicas[me.0 as usize].paced = *slot;
                self.stretches.insert(*slot, *stretch);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// T5: nothing is proposed for a slot that is a window or more above the stable checkpoint.
    ///
    /// # Errors
    /// The slot.
    pub fn check_slot(&self, from: ReplicaId, slot: Slot) -> Result<(), String> {
        if slot.0 < self.stable.0 + self.window * self.stretch(from) {
            return Ok(());
        }
        Err(format!("T5: {from} proposes for {slot}, and {} is stable", self.stable))
    }

    /// From where on `of` knows what lies above the stable checkpoint: one that it has fetched or
    /// started from may not be stable yet, and does not say how much it has taken the place of.
    pub fn weighed_from(&self, of: ReplicaId) -> Slot {
        self.stable.max(self.replicas[of.0 as usize].based_on)
    }

    /// T5: nothing is proposed with so many bytes between the stable checkpoint and its slot.
    ///
    /// # Errors
    /// How many there are.
    pub fn check_bytes(&self, from: ReplicaId, slot: Slot, ahead: usize) -> Result<(), String> {
        if (ahead as u64) < self.window_bytes as u64 * self.stretch(from) {
            return Ok(());
        }
        Err(format!(
            "T5: {from} proposes for {slot} with {ahead} bytes above the checkpoint at {}",
            self.weighed_from(from)
        ))
    }

    /// How many times as wide as the settings say the window of a replica is.
    fn stretch(&self, of: ReplicaId) -> u64 {
        self.stretches.get(&self.replicas[of.0 as usize].paced).copied().unwrap_or(1)
    }
}

/// T3: what a journal has as decided, and was executed at a start, is what was `chosen`.
///
/// # Errors
/// What the journal has instead.
pub fn check_told<'a, R: JournalRecord>(
    me: ReplicaId,
    recovered: &Recovered<R>,
    chosen: impl Fn(Slot) -> Option<&'a Value>,
) -> Result<(), String> {
    let mut wrong = None;
    let told = recovered.past.walk(recovered.covered()..recovered.decided, |slot, records| {
        let (own, chosen) = (R::held(records), chosen(slot));
        if chosen.is_none() || own != chosen {
            let text =
                format!("T3: {me} takes {own:?} for decided at {slot}, chosen is {chosen:?}");
            wrong.get_or_insert(text);
        }
        Ok(())
    });
    // What cannot be read any more could be when the replica executed it.
    let _ = told;
    wrong.map_or(Ok(()), Err)
}
