//! Table of the slots that one replica has shown.

use crate::cli::inspect::history::SceneHistory;
use crate::cli::output::listing::{Cell, Column, Listing, ListingRow};
use crate::model::types::ReplicaId;
use crate::observe::frame::SlotLife;

/// The slots that a replica has told of, the latest first, with how long each step took there.
pub(in crate::cli::inspect) fn slots(history: &SceneHistory, replica: ReplicaId) -> Listing {
    let columns = vec![
        Column::figures("slot", 0),
        Column::figures("view", 4),
        Column::figures("source", 3),
        Column::figures("requests", 1),
        Column::figures("bytes", 5),
        Column::figures("proposed", 6),
        Column::figures("+voted", 1),
        Column::figures("+decided", 1),
        Column::figures("+executed", 0),
        Column::words("votes of", 0),
    ];
    let rows = history.slots(replica).map(row).collect();
    Listing { columns, rows }
}

fn row(life: &SlotLife) -> ListingRow {
    let since = |from: Option<u64>, to: Option<u64>| match (from, to) {
        (Some(from), Some(to)) => Cell::span(to.saturating_sub(from)),
        _ => Cell::words("-"),
    };
    let proposed = life.proposed_at;
    let batch = life.batch.as_ref();
    let voters: Vec<_> = life.votes.iter().map(|(voter, _)| voter.to_string()).collect();
    ListingRow::new(vec![
        Cell::number(life.slot.0),
        Cell::number(life.view.0),
        Cell::maybe(batch.map(|batch| batch.id.source.0.into())),
        Cell::maybe(batch.map(|batch| batch.requests)),
        Cell::maybe(batch.map(|batch| batch.bytes)),
        since(life.packed_at, proposed),
        since(proposed, life.voted_at),
        since(proposed, life.decided_at),
        since(proposed, life.executed_at),
        Cell::words(voters.join(" ")),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::inspect::example;

    #[test]
    fn each_step_of_a_slot_is_told_with_the_time_it_took() {
        let mut history = SceneHistory::default();
        history.add(&std::sync::Arc::new(example::frame(1)));

        let listing = slots(&history, ReplicaId(1));

        let first: Vec<_> = listing.rows[0].cells.iter().map(|cell| &*cell.text).collect();
        assert_eq!(
            first,
            ["1999", "4", "1", "10", "500", "210 us", "300 us", "490 us", "690 us", "0 1 2"]
        );
    }
}
