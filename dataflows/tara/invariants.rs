//! What must hold of Tara's messages and disks in every run (T1 to T5 and T7 of the protocol's proof).

use std::collections::{BTreeMap, BTreeSet};

use crate::batch::{Value, weight};
use crate::checkpoint::Digest;
use crate::config::Config;
use crate::disk::Recovered;
use crate::events::Event;
use crate::operators::checkpointer::Report;
use crate::quorum::Votes;
use crate::simulation::{Oracle, Subject};
use crate::types::{ReplicaId, Slot, To, View};

use super::{Commit, Message, Promise, Proposal, Record, dataflow};

/// Tara, to be simulated with the key-value service.
#[must_use]
pub fn subject() -> Subject<Message, Promise> {
    Subject {
        dataflow: std::rc::Rc::new(dataflow),
        kind,
        kinds: &KINDS,
        oracle: |config| Box::new(Invariants::new(config)),
        application: || Box::new(crate::app::kv::KeyValue::default()),
        step: super::PROTOCOL.step,
        says_before_sync: false,
    }
}

const KINDS: [&str; 8] =
    ["Forward", "Announce", "Propose", "Commit", "Record", "View", "Report", "CatchUp"];

fn kind(message: &Message) -> &'static str {
    match message {
        Message::Forward(_) => KINDS[0],
        Message::Announce(_) => KINDS[1],
        Message::Propose(_) => KINDS[2],
        Message::Commit(_) => KINDS[3],
        Message::Record(_) => KINDS[4],
        Message::View(_) => KINDS[5],
        Message::Report(_) => KINDS[6],
        Message::CatchUp(_) => KINDS[7],
    }
}

/// All that replicas have said, and what follows from it.
struct Invariants {
    f: usize,
    window: u64,
    window_bytes: usize,
    /// What was proposed for a slot, by view.
    proposed: BTreeMap<Slot, BTreeMap<View, Value>>,
    votes: BTreeMap<(Slot, View), Votes>,
    /// Slots for which `f + 1` committers have voted, and the first view in which they did.
    chosen: BTreeMap<Slot, View>,
    said: Vec<Word>,
    asked: BTreeMap<View, Votes>,
    reports: BTreeMap<(Slot, Digest), Votes>,
    stable: Slot,
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
    /// The highest checkpoint it has reported.
    reported: Slot,
    /// The slots in the parts of the record under way.
    record: Option<(Record, BTreeMap<Slot, View>, u32)>,
}

impl Invariants {
    fn new(config: &Config) -> Self {
        Self {
            f: config.f(),
            window: config.window,
            window_bytes: config.window_bytes,
            proposed: BTreeMap::new(),
            votes: BTreeMap::new(),
            chosen: BTreeMap::new(),
            said: (0..config.n).map(|_| Word::default()).collect(),
            asked: BTreeMap::new(),
            reports: BTreeMap::new(),
            stable: Slot(0),
        }
    }

    fn on_propose(&mut self, from: ReplicaId, proposal: &Proposal) -> Result<(), String> {
        let Proposal { view, slot, value } = proposal;
        let views = self.proposed.entry(*slot).or_default();
        let first = views.entry(*view).or_insert_with(|| value.clone());
        if first != value {
            return Err(format!(
                "T1: {from} proposes {value:?} for {slot} in {view}, after {first:?}"
            ));
        }
        if slot.0 >= self.stable.0 + self.window {
            return Err(format!("T5: {from} proposes for {slot}, and {} is stable", self.stable));
        }
        let ahead = self.bytes_ahead(*view, *slot);
        if ahead >= self.window_bytes && !self.is_left_behind(*view, *slot) {
            return Err(format!(
                "T5: {from} proposes for {slot} with {ahead} bytes above the stable checkpoint"
            ));
        }
        self.check_chosen(*slot)
    }

    /// Whether an earlier view has come as far, so that the leader has no choice.
    fn is_left_behind(&self, view: View, slot: Slot) -> bool {
        let mut from = self.proposed.range(slot..);
        from.any(|(_, views)| views.keys().next().is_some_and(|first| *first < view))
    }

    /// What was proposed in a view for the slots from the stable checkpoint to `slot`.
    fn bytes_ahead(&self, view: View, slot: Slot) -> usize {
        let ahead = self.proposed.range(self.stable.min(slot)..slot);
        ahead.filter_map(|(_, views)| views.get(&view)).map(weight).sum()
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

    fn on_commit(&mut self, from: ReplicaId, commit: Commit) -> Result<(), String> {
        let Commit { view, slot } = commit;
        let word = &mut self.said[from.0 as usize];
        if view < word.left {
            return Err(format!("T4: {from} votes in {view} after it has left for {}", word.left));
        }
        word.view = view.max(word.view);
        word.votes.insert(slot, view);
        let votes = self.votes.entry((slot, view)).or_default();
        votes.add(from);
        if votes.count() > self.f {
            self.chosen.entry(slot).or_insert(view);
            return self.check_chosen(slot);
        }
        Ok(())
    }

    fn on_record(&mut self, from: ReplicaId, record: &Record) -> Result<(), String> {
        let word = &mut self.said[from.0 as usize];
        word.left = record.view.max(word.left);
        word.view = record.view.max(word.view);
        if record.part == 0 {
            word.record = Some((record.clone(), BTreeMap::new(), 0));
        }
        let Some((first, accepted, parts)) = &mut word.record else { return Ok(()) };
        accepted.extend(record.accepted.iter().map(|proposal| (proposal.slot, proposal.view)));
        *parts += 1;
        if *parts < record.parts {
            return Ok(());
        }
        if self.chosen.range(..first.decided).count() as u64 != first.decided.0 {
            return Err(format!("T4: {from} says that all below {} is decided", first.decided));
        }
        let missing = word.votes.range(first.decided..).find(|(slot, view)| {
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

    fn on_report(&mut self, from: ReplicaId, report: Report) {
        let word = &mut self.said[from.0 as usize];
        word.reported = report.slot.max(word.reported);
        let votes = self.reports.entry((report.slot, report.digest)).or_default();
        votes.add(from);
        if votes.count() > self.f {
            self.stable = report.slot.max(self.stable);
        }
    }
}

impl Oracle<Message, Promise> for Invariants {
    /// What a replica has said must be on its disk (TA-12).
    fn on_start(
        &mut self,
        me: ReplicaId,
        recovered: &Recovered<Promise>,
        rotten: bool,
    ) -> Result<(), String> {
        let word = &mut self.said[me.0 as usize];
        word.record = None;
        let start = recovered.checkpoint.as_ref().map_or(Slot(0), |own| own.slot);
        // One generation back is as good, as long as the journal reaches that far.
        if start < word.reported && !rotten {
            return Err(format!("{me} starts at {start}, and has reported {}", word.reported));
        }
        let mut view = View(0);
        let mut accepted = BTreeMap::new();
        let slots = recovered.slots.iter().map(|(_, promise)| promise);
        for promise in recovered.newest.iter().chain(slots) {
            match promise {
                Promise::Entered(entered) => view = view.max(*entered),
                Promise::Accepted(proposal) => {
                    let proposed = self.proposed.get(&proposal.slot);
                    let said = proposed.and_then(|views| views.get(&proposal.view));
                    if said.is_some_and(|said| *said != proposal.value) {
                        return Err(format!("{me} remembers {proposal:?}, proposed was {said:?}"));
                    }
                    view = view.max(proposal.view);
                    let kept = accepted.entry(proposal.slot).or_insert(proposal.view);
                    *kept = proposal.view.max(*kept);
                }
            }
        }
        if view < word.view {
            return Err(format!("{me} starts in view {view}, and has spoken in {}", word.view));
        }
        let lost = word
            .votes
            .range(start..)
            .find(|(slot, view)| accepted.get(slot).is_none_or(|kept| kept < view));
        match lost {
            None => Ok(()),
            Some((slot, view)) => {
                Err(format!("{me} has voted for slot {slot} in view {view}, and forgotten it"))
            }
        }
    }

    fn on_sent(&mut self, from: ReplicaId, _to: To, message: &Message) -> Result<(), String> {
        match message {
            Message::Propose(proposal) => self.on_propose(from, proposal),
            Message::Commit(commit) => self.on_commit(from, *commit),
            Message::Record(record) => self.on_record(from, record),
            Message::Report(report) => {
                self.on_report(from, *report);
                Ok(())
            }
            Message::View(request) => {
                self.asked.entry(request.wanted).or_default().add(from);
                Ok(())
            }
            Message::Forward(_) | Message::Announce(_) | Message::CatchUp(_) => Ok(()),
        }
    }

    fn on_event(&mut self, me: ReplicaId, event: &Event) -> Result<(), String> {
        match event {
            // T3: executed is only what f + 1 committers voted for in one view.
            Event::Executed { slot, value, .. } => {
                let chosen = self.chosen.get(slot).and_then(|view| self.proposed[slot].get(view));
                if chosen == Some(value) {
                    return Ok(());
                }
                Err(format!("T3: {me} executes {value:?} at {slot}, chosen is {chosen:?}"))
            }
            Event::EnteredView { view } => {
                let asked: BTreeSet<usize> =
                    self.asked.range(view..).flat_map(|(_, votes)| votes.iter()).collect();
                if asked.len() > self.f {
                    return Ok(());
                }
                Err(format!("T7: {me} enters {view}, for which only {asked:?} asked"))
            }
            _ => Ok(()),
        }
    }
}
