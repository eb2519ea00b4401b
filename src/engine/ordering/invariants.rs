//! Invariants of what is proposed, accepted and executed in views, in every run: those the oracles
//! of all protocols share in which the leader of a view proposes.
//!
//! T1, T3 to T5, TA-9, TA-11 and TA-12 are in [`ordering`](super). Beside them:
//! - **T2** What is proposed for a slot in a view after it was decided is what was decided; and
//!   always, decided or not, what some quorum's accounts name in the highest view.
//! - **M4** Nothing is proposed for a slot that is executed by the accounts of all quorums.

use std::collections::BTreeMap;

use crate::disk::Recovered;
use crate::engine::operators::checkpointer::Report;
use crate::model::batch::{Value, weight};
use crate::model::config::Config;
use crate::model::events::Event;
use crate::model::quorum::Votes;
use crate::model::types::{ReplicaId, Slot, View};

use super::horizon::{Horizon, check_told};
use super::messages::{Promise, Proposal, Record, Renewal, Supply};
use super::runs;
use super::standing::Standing;

/// All that replicas have sent, and what follows from it.
pub struct Agreement {
    quorum: usize,
    horizon: Horizon,
    /// What was proposed for a slot, by view.
    proposed: BTreeMap<Slot, BTreeMap<View, Value>>,
    votes: BTreeMap<(Slot, View), Votes>,
    /// Slots for which a quorum of acceptors has voted, and the first view in which they did.
    chosen: BTreeMap<Slot, View>,
    said: Vec<Word>,
    standing: Standing,
}

/// What one replica has promised so far.
#[derive(Default)]
struct Word {
    /// The highest view it has sent a record of: it has left all those below.
    left: View,
    /// The highest view it has sent a record or a vote of.
    view: View,
    /// For each slot, the highest view it voted in.
    votes: BTreeMap<Slot, View>,
}

impl Agreement {
    /// Nothing is said.
    pub fn new(config: &Config) -> Self {
        Self {
            quorum: config.quorum(),
            horizon: Horizon::new(config),
            proposed: BTreeMap::new(),
            votes: BTreeMap::new(),
            chosen: BTreeMap::new(),
            said: (0..config.n).map(|_| Word::default()).collect(),
            standing: Standing::new(config),
        }
    }

    /// A leader proposes.
    ///
    /// # Errors
    /// The rule it breaks.
    pub fn on_propose(&mut self, from: ReplicaId, proposal: &Proposal) -> Result<(), String> {
        let Proposal { view, slot, value } = proposal;
        self.standing.on_propose(from, *view)?;
        self.check_anchored(from, proposal)?;
        let views = self.proposed.entry(*slot).or_default();
        let first = views.entry(*view).or_insert_with(|| value.clone());
        if first != value {
            return Err(format!(
                "T1: {from} proposes {value:?} for {slot} in {view}, after {first:?}"
            ));
        }
        self.horizon.check_slot(from, *slot)?;
        if !self.is_left_behind(*view, *slot) {
            self.horizon.check_bytes(from, *slot, self.bytes_ahead(from, *view, *slot))?;
        }
        self.check_chosen(*slot)
    }

    /// A leader proposes again what was proposed in the views it names.
    ///
    /// # Errors
    /// The rule it breaks.
    pub fn on_renew(&mut self, from: ReplicaId, renewal: &Renewal) -> Result<(), String> {
        let view = renewal.view;
        self.standing.on_propose(from, view)?;
        runs::each(&renewal.slots).try_for_each(|(slot, earlier)| {
            let value = self.value(slot, earlier).cloned().ok_or_else(|| {
                format!("T2: {from} renews slot {slot} of view {earlier}, which proposed nothing")
            })?;
            self.on_propose(from, &Proposal { view, slot, value })
        })
    }

    /// What is sent for want of it is what was proposed. A leader that crashed may have accepted
    /// itself what it sent to nobody.
    ///
    /// # Errors
    /// The rule it breaks.
    pub fn on_supply(&mut self, from: ReplicaId, supply: &Supply) -> Result<(), String> {
        for own in &supply.proposals {
            let views = self.proposed.entry(own.slot).or_default();
            let said = views.entry(own.view).or_insert_with(|| own.value.clone());
            if *said != own.value {
                return Err(format!("T1: {from} supplies {own:?}, and {said:?} was proposed"));
            }
        }
        Ok(())
    }

    /// T2, M4: by the accounts of some quorum this is what may be proposed.
    fn check_anchored(&self, from: ReplicaId, proposal: &Proposal) -> Result<(), String> {
        let Proposal { view, slot, value } = proposal;
        let anchors = self.standing.anchors(*view, *slot)?;
        let allows = |highest: &Option<View>| match highest {
            None => true,
            Some(highest) => self.value(*slot, *highest) == Some(value),
        };
        if anchors.iter().any(allows) {
            return Ok(());
        }
        Err(format!(
            "T2: {from} proposes {value:?} for {slot} in {view}, accepted was something else in \
             {anchors:?}"
        ))
    }

    fn value(&self, slot: Slot, view: View) -> Option<&Value> {
        self.proposed.get(&slot)?.get(&view)
    }

    /// Whether an earlier view has come as far, so that the leader has no choice.
    fn is_left_behind(&self, view: View, slot: Slot) -> bool {
        let mut from = self.proposed.range(slot..);
        from.any(|(_, views)| views.keys().next().is_some_and(|first| *first < view))
    }

    /// What was proposed in a view for the slots from the stable checkpoint to `slot`, as far as
    /// its leader knows.
    fn bytes_ahead(&self, leader: ReplicaId, view: View, slot: Slot) -> usize {
        let ahead = self.proposed.range(self.horizon.weighed_from(leader).min(slot)..slot);
        ahead.filter_map(|(_, views)| views.get(&view)).map(weight).sum()
    }

    /// Whether a quorum has accepted for a slot in this view.
    pub fn is_accepted(&self, view: View, slot: Slot) -> bool {
        self.votes.get(&(slot, view)).is_some_and(|votes| votes.count() >= self.quorum)
    }

    fn chosen(&self, slot: Slot) -> Option<&Value> {
        self.value(slot, *self.chosen.get(&slot)?)
    }

    /// T2: whatever is proposed for a chosen slot in a later view is what was chosen.
    fn check_chosen(&self, slot: Slot) -> Result<(), String> {
        let (Some(view), Some(views)) = (self.chosen.get(&slot), self.proposed.get(&slot)) else {
            return Ok(());
        };
        let Some(value) = views.get(view) else { return Ok(()) };
        match views.range(view.next()..).find(|(_, later)| *later != value) {
            None => Ok(()),
            Some((later, other)) => Err(format!(
                "T2: slot {slot} was decided in view {view} as {value:?}, and view {later} \
                 proposes {other:?}"
            )),
        }
    }

    /// An acceptor votes.
    ///
    /// # Errors
    /// The rule it breaks.
    pub fn on_vote(&mut self, from: ReplicaId, view: View, slot: Slot) -> Result<(), String> {
        self.standing.on_vote(from, view)?;
        let word = &mut self.said[from.0 as usize];
        if view < word.left {
            return Err(format!("T4: {from} votes in {view} after it has left for {}", word.left));
        }
        word.view = view.max(word.view);
        word.votes.insert(slot, view);
        let votes = self.votes.entry((slot, view)).or_default();
        votes.add(from);
        if votes.count() >= self.quorum {
            self.chosen.entry(slot).or_insert(view);
            return self.check_chosen(slot);
        }
        Ok(())
    }

    /// An acceptor accounts for what it has accepted.
    ///
    /// # Errors
    /// The rule it breaks.
    pub fn on_record(&mut self, from: ReplicaId, record: &Record) -> Result<(), String> {
        self.standing.on_record(from, record)?;
        let word = &mut self.said[from.0 as usize];
        word.left = record.view.max(word.left);
        word.view = record.view.max(word.view);
        let accepted: BTreeMap<Slot, View> = runs::each(&record.accepted).collect();
        if self.chosen.range(..record.decided).count() as u64 != record.decided.0 {
            return Err(format!("T4: {from} says that all below {} is decided", record.decided));
        }
        for (slot, view) in &accepted {
            // As with a vote, others rely on its being on the disk.
            let kept = word.votes.entry(*slot).or_insert(*view);
            *kept = (*view).max(*kept);
        }
        let missing = word.votes.range(record.decided..).find(|(slot, view)| {
            // Votes of the view itself are no business of its leader's.
            **view < record.view && accepted.get(slot).is_none_or(|answered| answered < view)
        });
        match missing {
            None => Ok(()),
            Some((slot, view)) => Err(format!(
                "T4: {from} answers for view {} without slot {slot}, which it accepted in {view}",
                record.view
            )),
        }
    }

    /// What a replica has promised is on its disk (TA-12).
    ///
    /// # Errors
    /// What is not.
    pub fn on_start(
        &mut self,
        me: ReplicaId,
        recovered: &Recovered<Promise>,
        rotten: bool,
    ) -> Result<(), String> {
        self.standing.on_start(me);
        self.horizon.on_start(me, recovered, rotten)?;
        check_told(me, recovered, |slot| self.chosen(slot))?;
        let mut view = View(0);
        let mut accepted: BTreeMap<(Slot, View), &Value> = BTreeMap::new();
        let slots = recovered.slots.iter().map(|(_, promise)| promise);
        for promise in recovered.newest.iter().chain(slots) {
            match promise {
                Promise::Entered(entered) => view = view.max(*entered),
                Promise::Accepted(Proposal { view, slot, value }) => {
                    accepted.insert((*slot, *view), value);
                }
                Promise::Renewed { slot, view, from } => {
                    let Some(value) = accepted.get(&(*slot, *from)) else {
                        return Err(format!(
                            "{me} has renewed slot {slot} of view {from} without it"
                        ));
                    };
                    accepted.insert((*slot, *view), *value);
                }
                Promise::Learned { slot, value } => {
                    let chosen = self.chosen(*slot);
                    if chosen != Some(value) {
                        return Err(format!(
                            "{me} has learned {value:?} for {slot}, chosen is {chosen:?}"
                        ));
                    }
                }
            }
        }
        let mut votes: BTreeMap<Slot, View> = BTreeMap::new();
        for (&(slot, own), value) in &accepted {
            let said = self.value(slot, own);
            if said.is_some_and(|said| said != *value) {
                return Err(format!("{me} remembers {value:?} for {slot}, proposed was {said:?}"));
            }
            view = view.max(own);
            votes.insert(slot, own);
        }
        let word = &self.said[me.0 as usize];
        if view < word.view {
            return Err(format!("{me} starts in view {view}, and has spoken in {}", word.view));
        }
        let lost = word
            .votes
            .range(recovered.decided..)
            .find(|(slot, view)| votes.get(slot).is_none_or(|kept| kept < view));
        match lost {
            None => Ok(()),
            Some((slot, view)) => {
                Err(format!("{me} has voted for slot {slot} in view {view}, and forgotten it"))
            }
        }
    }

    /// A replica reports a checkpoint.
    pub fn on_report(&mut self, from: ReplicaId, report: Report) {
        self.horizon.on_report(from, report);
    }

    /// T3: executed is only what a quorum of acceptors voted for in one view.
    ///
    /// # Errors
    /// What is executed instead; or another rule that is broken.
    pub fn on_event(&mut self, me: ReplicaId, event: &Event) -> Result<(), String> {
        self.standing.on_event(me, event)?;
        self.horizon.on_event(me, event)?;
        let Event::Executed { slot, value, .. } = event else { return Ok(()) };
        let chosen = self.chosen(*slot);
        if chosen == Some(value) {
            return Ok(());
        }
        Err(format!("T3: {me} executes {value:?} at {slot}, chosen is {chosen:?}"))
    }
}
