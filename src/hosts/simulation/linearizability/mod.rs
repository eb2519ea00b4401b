//! Were the answers clients saw those of one copy, serving one request at a time?
//!
//! [`check`] decides it for a history of key-value operations. Linearizability is local (Herlihy
//! and Wing 1990): a history is linearizable if it is so key by key, so each key is searched alone.

mod memory;
mod plan;
mod register;
mod search;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write;

pub use plan::{Facts, HistoryEvent, Makes, Model};
pub use register::{Action, Asked, Register, RegisterReply, RegisterValue, Text};
pub use search::{SearchOutcome, search};

/// The budget [`check`] gives to each key: one or two seconds of search, and some hundred
/// megabytes while it lasts.
pub const STEPS_PER_KEY: u64 = 1 << 26;

/// One request of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The key it is about.
    pub key: u64,
    /// When it was sent.
    pub call: u64,
    /// What it asks.
    pub action: Action,
    /// When it was answered, not before `call`, and how. Without an answer it may take effect at
    /// any time after `call`, or never.
    pub answer: Option<(u64, RegisterReply)>,
}

/// What [`check`] found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// One copy could have given these answers.
    Linearizable,
    /// One copy could not have given the answers seen for `key`.
    Violation {
        /// The first such key.
        key: u64,
        /// How far a legal order gets, and the operation it cannot place, for a person to read.
        detail: String,
    },
    /// No violation was found, but the search for `key` ran out of steps.
    Undecided {
        /// The first such key.
        key: u64,
    },
}

/// Checks a history, in any order, of any number of keys.
pub fn check(history: &[Operation]) -> Verdict {
    check_within(history, STEPS_PER_KEY)
}

/// Like [`check`], with `steps` for each key.
pub fn check_within(history: &[Operation], steps: u64) -> Verdict {
    let mut keys: BTreeMap<u64, Vec<&Operation>> = BTreeMap::new();
    for operation in history {
        keys.entry(operation.key).or_default().push(operation);
    }
    let mut undecided = None;
    for (key, operations) in keys {
        let asked: Vec<Asked> = operations
            .iter()
            .map(|o| Asked { action: o.action, reply: o.answer.map(|(_, reply)| reply) })
            .collect();
        let event = |(o, op): (&&Operation, _)| HistoryEvent {
            op,
            call: o.call,
            end: o.answer.map(|a| a.0),
        };
        let events: Vec<HistoryEvent<'_, Asked>> =
            operations.iter().zip(&asked).map(event).collect();
        let detail = match search::<Register>(&events, steps) {
            SearchOutcome::Ordered => continue,
            SearchOutcome::OutOfSteps => {
                undecided = undecided.or(Some(key));
                continue;
            }
            SearchOutcome::Unmade(event) => {
                format!("no operation leads to what this one met: {}", line(operations[event]))
            }
            SearchOutcome::Stuck { order, state, left_over, holder } => {
                explain(&operations, &order, state, left_over, holder)
            }
        };
        return Verdict::Violation { key, detail };
    }
    undecided.map_or(Verdict::Linearizable, |key| Verdict::Undecided { key })
}

/// How many operations of the longest order an explanation shows.
const SHOWN: usize = 5;

fn explain(
    operations: &[&Operation],
    order: &[usize],
    state: Option<RegisterValue>,
    left_over: usize,
    holder: Option<usize>,
) -> String {
    let (placed, all) = (order.len(), operations.len());
    let mut text = format!("the longest legal order has {placed} of {all} operations, at its end");
    for &i in &order[placed.saturating_sub(SHOWN)..] {
        let _ = write!(text, "\n  {}", line(operations[i]));
    }
    let left_over = line(operations[left_over]);
    let _ = write!(text, "\nthe key holds {state:?}, and this one has no place:\n  {left_over}");
    if let Some(holder) = holder {
        let holder = line(operations[holder]);
        let _ = write!(text, "\nnothing leads to this value again, but it is met by\n  {holder}");
    }
    text
}

fn line(operation: &Operation) -> String {
    let Operation { call, action, answer, .. } = operation;
    match answer {
        Some((end, reply)) => format!("[{call}, {end}] {action:?} -> {reply:?}"),
        None => format!("[{call}, ...] {action:?} -> no answer"),
    }
}
