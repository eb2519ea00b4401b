//! Recovery: what earlier views may have decided, from the records of `f + 1` committers (TA-9).

use std::collections::BTreeMap;

use crate::batch::Value;
use crate::config::Config;
use crate::events::{Event, Holding, Wait};
use crate::quorum::Votes;
use crate::refused::{Refusal, Refused};
use crate::role::{Role, Stream};
use crate::types::{ReplicaId, Slot, View};

use super::messages::{Proposal, Record};

/// Leadership of `view`, with what earlier views leave behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewView {
    /// The view now led by this replica.
    pub view: View,
    /// All slots below this one are decided, and kept by a replica that has executed them.
    pub base: Slot,
    /// What to propose again from `base` on; a noop where no committer accepted anything.
    pub values: Vec<Value>,
}

/// Gives this replica's proposer a view to lead, once `f + 1` committers have left the views before it.
pub fn recovery<'s>(
    records: Stream<'s, (ReplicaId, Record)>,
    looks: Stream<'s, ()>,
    recovery: Recovery,
) -> (Stream<'s, NewView>, Stream<'s, Event>) {
    let mut role = Role::new("recovery", records.scope(), recovery);
    let (lead, new_views) = role.output();
    let (tell, events) = role.output();
    role.on_look(looks, tell, Recovery::holding);
    role.on(records, move |recovery, (from, record)| lead.send(recovery.on_record(from, record)));
    role.build();
    (new_views, events)
}

/// Owns the records of the view to come.
#[derive(Clone, Debug)]
pub struct Recovery {
    me: ReplicaId,
    n: usize,
    quorum: usize,
    /// No view up to this one is led again: records of it are late, or of a life before a restart.
    past: View,
    view: View,
    heard: BTreeMap<ReplicaId, Account>,
    refused: Refused,
}

/// The parts of one committer's record that have arrived.
#[derive(Clone, Debug)]
struct Account {
    decided: Slot,
    parts: Vec<Option<Vec<Proposal>>>,
}

impl Recovery {
    /// A recovery that waits for a view above `past`.
    #[must_use]
    pub fn new(past: View, config: &Config) -> Self {
        Self {
            me: config.me,
            n: config.n,
            quorum: config.f() + 1,
            past,
            view: past,
            heard: BTreeMap::new(),
            refused: Refused::default(),
        }
    }

    fn holding(&self) -> Holding {
        let mut whole = Votes::default();
        for (from, _) in self.heard.iter().filter(|(_, account)| account.is_whole()) {
            whole.add(*from);
        }
        let held = self.heard.len() as u64;
        let wait = if held > 0 { Wait::Records(whole.missing(self.n)) } else { Wait::Nothing };
        let first = self.view.0;
        let refused = self.refused;
        Holding { held, first, wait, refused, ..Holding::nothing("recovery") }
    }

    fn on_record(&mut self, from: ReplicaId, record: Record) -> Option<NewView> {
        let Record { view, decided, part, parts, accepted } = record;
        // A record counts for the view it is of and for no other: the committer may since have
        // accepted what the record does not show.
        if view <= self.past || view < self.view {
            self.refused.add(if view == self.past { Refusal::Late } else { Refusal::StaleView });
            return None;
        }
        if view.leader(self.n) != self.me {
            self.refused.add(Refusal::NotLeader);
            return None;
        }
        if view > self.view {
            self.view = view;
            self.heard.clear();
        }
        let account = self.heard.entry(from).or_insert_with(|| Account::new(decided, parts));
        if (account.decided, account.parts.len()) != (decided, parts as usize) {
            // The committer has executed more since it first sent this.
            *account = Account::new(decided, parts);
        }
        *account.parts.get_mut(part as usize)? = Some(accepted);
        let whole = self.heard.values().filter(|account| account.is_whole()).count();
        (whole >= self.quorum).then(|| self.lead())
    }

    fn lead(&mut self) -> NewView {
        self.past = self.view;
        let accounts: Vec<Account> =
            std::mem::take(&mut self.heard).into_values().filter(Account::is_whole).collect();
        let base = accounts.iter().map(|account| account.decided).max().unwrap_or_default();
        let mut latest: BTreeMap<Slot, Proposal> = BTreeMap::new();
        for proposal in accounts.into_iter().flat_map(|account| account.parts).flatten().flatten() {
            let newer = latest.get(&proposal.slot).is_none_or(|known| known.view < proposal.view);
            if proposal.slot >= base && newer {
                latest.insert(proposal.slot, proposal);
            }
        }
        let end = latest.keys().next_back().map_or(base, |last| last.next());
        let value = |slot| latest.remove(&Slot(slot)).and_then(|proposal| proposal.value);
        NewView { view: self.view, base, values: (base.0..end.0).map(value).collect() }
    }
}

impl Account {
    /// More parts than a window of the largest batches makes would be nonsense.
    const PARTS_MAX: u32 = 1 << 16;

    fn new(decided: Slot, parts: u32) -> Self {
        Self { decided, parts: vec![None; parts.min(Self::PARTS_MAX) as usize] }
    }

    fn is_whole(&self) -> bool {
        !self.parts.is_empty() && self.parts.iter().all(Option::is_some)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::batch::{Batch, BatchId, Packer};

    fn recovery() -> Recovery {
        Recovery::new(View(0), &Config::new(ReplicaId(1), 3))
    }

    fn batch(number: u64) -> Value {
        let id = BatchId { source: ReplicaId(0), incarnation: 1, number };
        Some(Batch { id, time_ms: 0, requests: Packer::default().finish() })
    }

    fn record(view: u64, decided: u64, accepted: &[(u64, u64, Value)]) -> Record {
        let proposal = |(view, slot, value): &(u64, u64, Value)| Proposal {
            view: View(*view),
            slot: Slot(*slot),
            value: value.clone(),
        };
        let accepted = accepted.iter().map(proposal).collect();
        Record { view: View(view), decided: Slot(decided), part: 0, parts: 1, accepted }
    }

    #[test]
    fn the_proposal_of_the_highest_view_is_proposed_again_and_holes_are_filled() {
        let mut recovery = recovery();
        let first = record(4, 0, &[(0, 0, batch(1)), (3, 2, batch(3))]);
        assert_eq!(recovery.on_record(ReplicaId(0), first), None);
        let new = recovery.on_record(ReplicaId(2), record(4, 0, &[(2, 0, batch(2))])).unwrap();
        assert_eq!(new.values, [batch(2), None, batch(3)]);
        assert_eq!(new.base, Slot(0));
    }

    #[test]
    fn record_of_an_older_view_is_not_counted() {
        let mut recovery = recovery();
        assert_eq!(recovery.on_record(ReplicaId(0), record(1, 0, &[(0, 0, batch(1))])), None);
        assert_eq!(recovery.on_record(ReplicaId(2), record(4, 0, &[])), None);
        assert_eq!(recovery.on_record(ReplicaId(0), record(1, 0, &[(0, 0, batch(1))])), None);
        assert!(recovery.on_record(ReplicaId(0), record(4, 0, &[])).is_some());
    }

    #[test]
    fn nothing_is_proposed_below_what_a_committer_knows_to_be_decided() {
        let mut recovery = recovery();
        recovery.on_record(ReplicaId(0), record(1, 0, &[(0, 0, batch(1)), (0, 5, batch(5))]));
        let new = recovery.on_record(ReplicaId(2), record(1, 5, &[])).unwrap();
        assert_eq!((new.base, new.values), (Slot(5), vec![batch(5)]));
    }

    #[test]
    fn a_record_in_parts_counts_once_all_have_arrived() {
        let mut recovery = recovery();
        recovery.on_record(ReplicaId(0), record(1, 0, &[]));
        let part = |part| Record { part, parts: 2, ..record(1, 0, &[]) };
        assert_eq!(recovery.on_record(ReplicaId(2), part(1)), None);
        assert_eq!(recovery.on_record(ReplicaId(2), part(1)), None);
        assert!(recovery.on_record(ReplicaId(2), part(0)).is_some());
    }

    #[test]
    fn a_view_is_led_once() {
        let mut recovery = recovery();
        recovery.on_record(ReplicaId(0), record(1, 0, &[]));
        assert!(recovery.on_record(ReplicaId(2), record(1, 0, &[])).is_some());
        recovery.on_record(ReplicaId(1), record(1, 0, &[]));
        assert_eq!(recovery.on_record(ReplicaId(2), record(1, 0, &[])), None);
    }
}
