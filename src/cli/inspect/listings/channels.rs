//! Table of the streams of one replica.

use crate::cli::output::listing::{Cell, Column, Listing, ListingRow};
use crate::observe::frame::{Channel, Frame};
use crate::observe::graph::EdgeKind;

/// The streams of one replica, those with most to be taken first, then the busiest.
pub(in crate::cli::inspect) fn channels(frame: &Frame) -> Listing {
    let columns = vec![
        Column::words("from", 0),
        Column::words("", 1),
        Column::words("to", 0),
        Column::figures("queued", 0),
        Column::figures("rec/s", 0),
        Column::figures("sent", 2),
        Column::words("what", 0),
    ];
    let mut listing = Listing { columns, rows: frame.channels.iter().map(row).collect() };
    listing.sort(4, true);
    listing.sort(3, true);
    listing
}

/// The arrow of an edge, as `taraflow graph` draws it.
pub(super) fn arrow(kind: EdgeKind) -> &'static str {
    match kind {
        EdgeKind::Forward => "->",
        EdgeKind::Link => "=>",
        EdgeKind::Back => "~>",
    }
}

fn row(channel: &Channel) -> ListingRow {
    ListingRow::new(vec![
        Cell::words(&*channel.from),
        Cell::words(arrow(channel.kind)),
        Cell::words(&*channel.to),
        Cell::number(channel.queued),
        Cell::rate(channel.rate),
        Cell::number(channel.sent),
        Cell::words(channel.label.clone().unwrap_or_default()),
    ])
}

#[cfg(test)]
mod tests {
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
}
