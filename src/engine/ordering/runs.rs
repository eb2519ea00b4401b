//! Runs: what was accepted for many slots, in few words.
//!
//! In one view one value is proposed for a slot (T1), so slot and view stand for the value, and as
//! a rule all slots of an account were accepted in the same view.

use serde::{Deserialize, Serialize};

use crate::model::types::{Slot, View};

/// "For these slots, what was proposed for each in `view`."
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Run {
    /// The first slot.
    pub first: Slot,
    /// How many slots there are, one after the other.
    pub count: u64,
    /// The view of the proposals.
    pub view: View,
}

impl Run {
    /// The slot behind the last one.
    pub fn end(self) -> Slot {
        Slot(self.first.0 + self.count)
    }

    /// The slots, one by one.
    pub fn slots(self) -> impl Iterator<Item = Slot> {
        (self.first.0..self.end().0).map(Slot)
    }
}

/// Puts slots, in ascending order and each with its view, into runs.
pub fn runs(slots: impl IntoIterator<Item = (Slot, View)>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (slot, view) in slots {
        match runs.last_mut() {
            Some(run) if run.end() == slot && run.view == view => run.count += 1,
            _ => runs.push(Run { first: slot, count: 1, view }),
        }
    }
    runs
}

/// The slots of runs, each with its view.
pub fn each(runs: &[Run]) -> impl Iterator<Item = (Slot, View)> + '_ {
    runs.iter().flat_map(|run| run.slots().map(|slot| (slot, run.view)))
}

/// Whether runs that came from outside can be an account: in ascending order, of a window of slots
/// at most, and of views up to `view`.
pub fn are_plausible(runs: &[Run], window: u64, view: View) -> bool {
    let one = |run: &Run| {
        run.first.is_plausible() && (1..=window).contains(&run.count) && run.view <= view
    };
    let span = |first: &Run, last: &Run| last.end().0 - first.first.0 <= window;
    runs.iter().all(one)
        && runs.windows(2).all(|pair| pair[0].end() <= pair[1].first)
        && runs.first().zip(runs.last()).is_none_or(|(first, last)| span(first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(first: u64, count: u64, view: u64) -> Run {
        Run { first: Slot(first), count, view: View(view) }
    }

    #[test]
    fn slots_that_follow_each_other_in_one_view_are_one_run() {
        let slots = [(3, 1), (4, 1), (6, 1), (7, 2), (8, 2)].map(|(s, v)| (Slot(s), View(v)));
        let found = runs(slots);
        assert_eq!(found, [run(3, 2, 1), run(6, 1, 1), run(7, 2, 2)]);
        assert_eq!(each(&found).collect::<Vec<_>>(), slots);
    }

    #[test]
    fn runs_that_overlap_or_reach_too_far_are_no_account() {
        let plausible = |runs: &[Run]| are_plausible(runs, 10, View(2));
        assert!(plausible(&[]) && plausible(&[run(0, 3, 2), run(5, 5, 0)]));
        for runs in [
            vec![run(0, 3, 2), run(2, 1, 2)],
            vec![run(0, 3, 2), run(9, 2, 2)],
            vec![run(5, 1, 2), run(0, 1, 2)],
            vec![run(0, 0, 2)],
            vec![run(0, 1, 3)],
            vec![run(0, u64::MAX, 2)],
        ] {
            assert!(!plausible(&runs), "{runs:?}");
        }
    }
}
