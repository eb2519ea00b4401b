//! Messages between proposers, acceptors and recovery, and an acceptor's records in the journal.

use serde::{Deserialize, Serialize};

use crate::disk::RecordKind;
use crate::engine::protocol::JournalRecord;
use crate::model::batch::{self, Value, is_plausible_value};
use crate::model::config::Config;
use crate::model::types::{Slot, View};

use super::runs::{self, Run};

/// "In `view`, let `value` have `slot`."
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Proposal {
    /// The view in which this is proposed.
    pub view: View,
    /// The slot proposed.
    pub slot: Slot,
    /// The batch, or nothing where a hole must be filled.
    pub value: Value,
}

impl Proposal {
    /// Bytes it takes on a link, near enough for limits.
    pub fn weight(&self) -> usize {
        batch::weight(&self.value)
    }

    /// Whether it is within the ranges that a replica can have reached.
    pub fn is_plausible(&self, config: &Config) -> bool {
        self.view.is_plausible()
            && self.slot.is_plausible()
            && is_plausible_value(&self.value, config.n)
    }
}

/// "In `view`, let each of these slots have what was proposed for it in the view of its run."
///
/// Whoever has accepted that has the value; only who has not [needs](Need) it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Renewal {
    /// The view in which this is proposed.
    pub view: View,
    /// The slots, and the earlier views.
    pub slots: Vec<Run>,
}

impl Renewal {
    /// Whether it is within the ranges that a replica can have reached.
    pub fn is_plausible(&self, config: &Config) -> bool {
        self.view.is_plausible() && runs::are_plausible(&self.slots, config.window, self.view)
    }
}

/// "I have left all views below `view`. All slots below `decided` are decided, and this is what I
/// have accepted for the others": in which view, and not what, for whoever leads `view` may have
/// it, too.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Record {
    /// The view entered.
    pub view: View,
    /// The first slot this replica has not executed.
    pub decided: Slot,
    /// The view in which each slot was accepted last.
    pub accepted: Vec<Run>,
}

impl Record {
    /// Whether it is within the ranges that a replica can have reached: nobody accepts more than a
    /// window ahead of what it has executed.
    pub fn is_plausible(&self, config: &Config) -> bool {
        let (first, last) = (self.accepted.first(), self.accepted.last());
        self.view.is_plausible()
            && self.decided.is_plausible()
            && runs::are_plausible(&self.accepted, config.window, self.view)
            && first.is_none_or(|run| run.first >= self.decided)
            && last.is_none_or(|run| run.end().0 <= self.decided.0 + config.window)
    }
}

/// "Send me what you have accepted for these slots in these views, as much as fits into a message."
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Need {
    /// The slots, lowest first, and the views.
    pub slots: Vec<Run>,
}

impl Need {
    /// Runs in a message, for there may be as many as slots.
    pub const RUNS_MAX: usize = 256;

    /// Whether it is within the ranges that a replica can have reached.
    pub fn is_plausible(&self, config: &Config) -> bool {
        let latest = self.slots.iter().map(|run| run.view).max().unwrap_or_default();
        latest.is_plausible() && runs::are_plausible(&self.slots, config.window, latest)
    }
}

/// "This is what I have accepted for the first of the slots that you need."
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Supply {
    /// The proposals that were accepted.
    pub proposals: Vec<Proposal>,
}

/// What an acceptor writes to the journal before it sends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Promise {
    /// It has left all views below this one.
    Entered(View),
    /// It has accepted this proposal.
    Accepted(Proposal),
    /// It has accepted in `view` what it had accepted for the slot in the view `from`.
    Renewed {
        /// The slot.
        slot: Slot,
        /// The later view.
        view: View,
        /// The earlier one.
        from: View,
    },
    /// A slot is decided, as another replica reports.
    Learned {
        /// The slot.
        slot: Slot,
        /// What it holds.
        value: Value,
    },
}

impl JournalRecord for Promise {
    /// What another replica reports, or else what was accepted last.
    fn held(records: &[Self]) -> Option<&Value> {
        let learned = records.iter().find_map(|record| match record {
            Self::Learned { value, .. } => Some(value),
            _ => None,
        });
        let accepted = records.iter().rev().find_map(|record| match record {
            Self::Accepted(proposal) => Some(&proposal.value),
            _ => None,
        });
        learned.or(accepted)
    }

    fn kind(&self) -> RecordKind {
        match self {
            Self::Entered(view) => RecordKind { name: "entered", view: Some(*view) },
            Self::Accepted(proposal) => RecordKind { name: "accepted", view: Some(proposal.view) },
            Self::Renewed { view, .. } => RecordKind { name: "renewed", view: Some(*view) },
            Self::Learned { .. } => RecordKind { name: "learned", view: None },
        }
    }
}
