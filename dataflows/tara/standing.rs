//! Invariants of views in every run: who has entered which, speaks in which, and leads which.
//!
//! Of a message only its kind and its view matter here.

use std::collections::BTreeMap;

use crate::model::config::Config;
use crate::model::events::Event;
use crate::model::quorum::Votes;
use crate::model::types::{ReplicaId, View};

use super::Message;

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
    /// Who has given an account for a view.
    accounts: BTreeMap<View, Votes>,
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

    pub fn on_sent(&mut self, from: ReplicaId, message: &Message) -> Result<(), String> {
        match message {
            Message::Commit(vote) => self.on_vote(from, vote.view),
            Message::Record(record) => {
                self.accounts.entry(record.view).or_default().add(from);
                // One of a view it has left since may come late: votes overtake it.
                self.speak(from, record.view)
            }
            Message::Propose(proposal) => self.on_propose(from, proposal.view),
            Message::Renew(renewal) => self.on_propose(from, renewal.view),
            _ => Ok(()),
        }
    }

    /// T4: a committer votes in the view it has entered, and in none below one it has spoken in.
    fn on_vote(&mut self, from: ReplicaId, view: View) -> Result<(), String> {
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
    fn on_propose(&self, from: ReplicaId, view: View) -> Result<(), String> {
        let led = self.leads[from.0 as usize];
        if view.leader(self.n) == from && led.is_none_or(|led| view <= led) {
            return Ok(());
        }
        Err(format!("T1: {from} proposes in {view}, and leads {led:?}"))
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
                let accounts = self.accounts.get(&view).copied().unwrap_or_default();
                if view == View(0) || accounts.count() >= self.quorum {
                    return Ok(());
                }
                let from: Vec<usize> = accounts.iter().collect();
                Err(format!("TA-9: {me} leads {view} with the accounts of {from:?}"))
            }
            _ => Ok(()),
        }
    }
}
