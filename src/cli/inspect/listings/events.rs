//! What happened.

use crate::cli::inspect::history::History;
use crate::cli::output::listing::{Cell, Column, Listing, Row};
use crate::cli::output::words::time_of_day;

/// What happened on all replicas, the latest first.
pub(in crate::cli::inspect) fn events(history: &History) -> Listing {
    let columns = vec![
        Column::words("time (UTC)", 0),
        Column::figures("replica", 0),
        Column::figures("view", 2),
        Column::figures("slot", 3),
        Column::words("kind", 1),
        Column::words("what", 0),
    ];
    let rows = history.events().map(|(replica, happened)| {
        Row::new(vec![
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
