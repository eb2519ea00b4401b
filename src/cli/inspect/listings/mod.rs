//! Tables of a scene.

mod channels;
mod details;
mod operators;
mod replicas;
mod slots;

pub(super) use channels::channels;
pub(super) use details::details;
pub(super) use operators::operators;
pub(super) use replicas::replicas;
pub(super) use slots::slots;

use super::history::SceneHistory;
use crate::cli::output::listing::{Cell, Column, Listing, ListingRow};
use crate::cli::output::words::time_of_day;

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
