//! Invariants of views in every run: who has entered which, speaks in which, leads which, and by
//! whose accounts.

use std::collections::BTreeMap;

use crate::model::config::Config;
use crate::model::events::Event;
use crate::model::types::{ReplicaId, Slot, View};

use super::messages::Record;
use super::runs;

/// The views of all replicas, by their messages and events.
pub(super) struct Standing {
    n: usize,
    quorum: usize,
    /// The view each has entered in its present life.
    entered: Vec<Option<View>>,
    /// The highest view each has voted in, or given an account for, in all its lives.
    spoken: Vec<View>,
    /// The view each leads in its present life.
    leads: Vec<Option<View>>,
    /// Who has given an account for a view, and which.
    accounts: BTreeMap<View, BTreeMap<ReplicaId, Account>>,
}

/// What a replica has answered for a view, in all its lives: it may execute anew after a restart what
/// it had executed before.
struct Account {
    executed: Slot,
    accepted: BTreeMap<Slot, View>,
}

impl Standing {
    pub fn new(config: &Config) -> Self {
        let n = config.n;
        Self {
            n,
            quorum: config.quorum(),
            entered: vec![None; n],
            spoken: vec![View(0); n],
            leads: vec![None; n],
            accounts: BTreeMap::new(),
        }
    }

    pub fn on_start(&mut self, me: ReplicaId) {
        self.entered[me.0 as usize] = None;
        self.leads[me.0 as usize] = None;
    }

    pub fn on_record(&mut self, from: ReplicaId, record: &Record) -> Result<(), String> {
        let accounts = self.accounts.entry(record.view).or_default();
        let account = accounts
            .entry(from)
            .or_insert_with(|| Account { executed: record.decided, accepted: BTreeMap::new() });
        account.executed = account.executed.min(record.decided);
        account.accepted.extend(runs::each(&record.accepted));
        // One of a view it has left since may come late: votes overtake it.
        self.speak(from, record.view)
    }

    /// T4: an acceptor votes in the view it has entered, and in none below one it has spoken in.
    pub fn on_vote(&mut self, from: ReplicaId, view: View) -> Result<(), String> {
        let spoken = self.spoken[from.0 as usize];
        if view < spoken {
            return Err(format!("T4: {from} votes in {view}, and has spoken in {spoken}"));
        }
        self.speak(from, view)
    }

    fn speak(&mut self, from: ReplicaId, view: View) -> Result<(), String> {
        let spoken = &mut self.spoken[from.0 as usize];
        *spoken = view.max(*spoken);
        match self.entered[from.0 as usize] {
            Some(entered) if view > entered => {
                Err(format!("T4: {from} speaks in {view}, and has entered {entered} only"))
            }
            _ => Ok(()),
        }
    }

    /// T1: only who leads a view proposes in it.
    pub fn on_propose(&self, from: ReplicaId, view: View) -> Result<(), String> {
        let led = self.leads[from.0 as usize];
        if view.leader(self.n) == from && led.is_none_or(|led| view <= led) {
            return Ok(());
        }
        Err(format!("T1: {from} proposes in {view}, and leads {led:?}"))
    }

    /// TA-9: by the accounts of some quorum the leader of a view may propose for a slot: none of
    /// them has executed it (M4). Answers, for each such quorum, the highest view in which they have
    /// accepted for the slot.
    pub fn anchors(&self, view: View, slot: Slot) -> Result<Vec<Option<View>>, String> {
        if view == View(0) {
            return Ok(vec![None]);
        }
        let accounts = self.accounts.get(&view).into_iter().flat_map(BTreeMap::values);
        let open = accounts.filter(|account| account.executed <= slot);
        let mut told: Vec<Option<View>> =
            open.map(|account| account.accepted.get(&slot).copied()).collect();
        // Those that tell of nothing above a view are a quorum with that view as the highest.
        told.sort();
        if told.len() < self.quorum {
            return Err(format!(
                "M4: in {view} something is proposed for {slot}, which is executed by the accounts \
                 of all quorums"
            ));
        }
        Ok(told.split_off(self.quorum - 1))
    }

    pub fn on_event(&mut self, me: ReplicaId, event: &Event) -> Result<(), String> {
        let at = me.0 as usize;
        match *event {
            Event::Started { view, .. } if view < self.spoken[at] => {
                let spoken = self.spoken[at];
                Err(format!("TA-12: {me} starts in {view}, and has spoken in {spoken}"))
            }
            Event::Started { view, .. } | Event::EnteredView { view, .. } => {
                self.entered[at] = Some(view);
                Ok(())
            }
            Event::Leads { view, .. } => {
                self.leads[at] = Some(view);
                let from: Vec<_> =
                    self.accounts.get(&view).into_iter().flat_map(BTreeMap::keys).collect();
                if view == View(0) || from.len() >= self.quorum {
                    return Ok(());
                }
                Err(format!("TA-9: {me} leads {view} with the accounts of {from:?}"))
            }
            _ => Ok(()),
        }
    }
}
