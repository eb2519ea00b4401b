//! Tables of a scene.

mod details;
mod operators;
mod replicas;

pub(super) use details::details;
pub(super) use operators::operators;
pub(super) use replicas::replicas;

use super::history::SceneHistory;
use crate::cli::output::listing::{Cell, Column, Listing, ListingRow};
use crate::cli::output::words::time_of_day;
use crate::model::types::ReplicaId;
use crate::observe::frame::{Channel, Frame, SlotLife};

/// The streams of one replica, those with most to be taken first, then the busiest.
pub(super) fn channels(frame: &Frame) -> Listing {
    let columns = vec![
        Column::words("from", 0),
        Column::words("", 1),
        Column::words("to", 0),
        Column::figures("queued", 0),
        Column::figures("rec/s", 0),
        Column::figures("sent", 2),
        Column::words("what", 0),
    ];
    let mut listing = Listing { columns, rows: frame.channels.iter().map(channel).collect() };
    listing.sort(4, true);
    listing.sort(3, true);
    listing
}

fn channel(channel: &Channel) -> ListingRow {
    ListingRow::new(vec![
        Cell::words(&*channel.from),
        Cell::words(channel.kind.arrow()),
        Cell::words(&*channel.to),
        Cell::number(channel.queued),
        Cell::rate(channel.rate),
        Cell::number(channel.sent),
        Cell::words(channel.label.clone().unwrap_or_default()),
    ])
}

/// The slots that a replica has told of, the latest first, with how long each step took there.
pub(super) fn slots(history: &SceneHistory, replica: ReplicaId) -> Listing {
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
    let rows = history.slots(replica).map(life).collect();
    Listing { columns, rows }
}

fn life(life: &SlotLife) -> ListingRow {
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

/// Events of all replicas, the latest first.
pub(super) fn events(history: &SceneHistory) -> Listing {
    let columns = vec![
        Column::words("time (UTC)", 0),
        Column::figures("replica", 0),
        Column::figures("view", 2),
        Column::figures("slot", 3),
        Column::words("kind", 1),
        Column::words("what", 0),
    ];
    let rows = history.events().map(|(replica, happened)| {
        ListingRow::new(vec![
            Cell::words(time_of_day(happened.at_us)),
            Cell::number(replica.0.into()),
            Cell::maybe(happened.view.map(|view| view.0)),
            Cell::maybe(happened.slot.map(|slot| slot.0)),
            Cell::words(&*happened.kind),
            Cell::words(&*happened.text),
        ])
    });
    Listing { columns, rows: rows.collect() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cli::inspect::example;

    #[test]
    fn a_stream_with_something_to_be_taken_is_first() {
        let mut frame = example::frame(0);
        frame.channels.reverse();

        let listing = channels(&frame);

        let first: Vec<_> = listing.rows[0].cells.iter().map(|cell| &*cell.text).collect();
        assert_eq!(first, ["committer", "=>", "learner", "3", "1.2k", "6000", "Commit"]);
    }

    #[test]
    fn each_step_of_a_slot_is_told_with_the_time_it_took() {
        let mut history = SceneHistory::default();
        history.add(&Arc::new(example::frame(1)));

        let listing = slots(&history, ReplicaId(1));

        let first: Vec<_> = listing.rows[0].cells.iter().map(|cell| &*cell.text).collect();
        assert_eq!(
            first,
            ["1999", "4", "1", "10", "500", "210 us", "300 us", "490 us", "690 us", "0 1 2"]
        );
    }
}
