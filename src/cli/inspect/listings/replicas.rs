//! Table of all replicas.

use crate::cli::output::listing::{Cell, Column, Listing, ListingRow, Mark};
use crate::cli::output::words;
use crate::observe::scene::{Scene, Sighting};

/// The strip of replicas.
pub(in crate::cli::inspect) fn replicas(scene: &Scene) -> Listing {
    let columns = vec![
        Column::figures("replica", 0),
        Column::words("role", 0),
        Column::figures("view", 0),
        Column::figures("executed", 0),
        Column::figures("stable", 5),
        Column::figures("lag", 1),
        Column::figures("req/s", 1),
        Column::figures("slots/s", 8),
        Column::figures("p50", 7),
        Column::figures("p99", 3),
        Column::figures("busy %", 4),
        Column::figures("links", 6),
        Column::figures("queued", 9),
        Column::figures("sync p99", 10),
        Column::figures("seen", 1),
        Column::words("state", 0),
    ];
    Listing { columns, rows: scene.replicas.iter().map(row).collect() }
}

fn row(seen: &Sighting) -> ListingRow {
    let mut cells = vec![Cell::number(seen.replica.0.into())];
    match &seen.frame {
        None => cells.resize(14, Cell::words("-")),
        Some(frame) => {
            let status = &frame.status;
            let queued = status.links.iter().map(|link| link.queued_bytes).max().unwrap_or(0);
            let up = status.links.iter().filter(|link| link.up).count();
            cells.extend([
                Cell::words(words::role(status)),
                Cell::number(status.view.0),
                Cell::number(status.executed.0),
                Cell::number(status.stable.0),
                Cell::number(status.lag),
                Cell::rate(frame.request_rate),
                Cell::rate(frame.slot_rate),
            ]);
            cells.extend(Cell::usual_and_most(frame.latency));
            cells.extend([
                Cell::percent(frame.operators.iter().map(|operator| operator.busy).sum()),
                Cell::words(format!("{up}/{}", status.links.len())),
                Cell::rate(queued as f64),
                // Of late, for that is what can be felt.
                status
                    .disk
                    .as_ref()
                    .map_or(Cell::words("-"), |disk| Cell::span(disk.recent_p99_us)),
            ]);
        }
    }
    let seen_ago = Cell::span(seen.age_us);
    cells.push(if seen.frame.is_some() { seen_ago } else { Cell::words("never") });
    cells.push(Cell::words(words::state(seen)));
    let ready = seen
        .frame
        .as_ref()
        .is_some_and(|frame| frame.status.not_ready.is_empty() && frame.status.diverged.is_empty());
    let mark = match (&seen.silence, ready) {
        (Some(_), _) => Mark::Old,
        (None, false) => Mark::Look,
        (None, true) => Mark::None,
    };
    ListingRow { cells, mark }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cli::inspect::example;
    use crate::observe::frame::Spread;

    #[test]
    fn a_silent_replica_keeps_its_line_with_what_was_last_seen_and_when() {
        let mut scene = example::scene();
        scene.replicas[1].frame = None;
        // It has no clients.
        let frame = scene.replicas[2].frame.as_mut().unwrap();
        Arc::make_mut(frame).latency = Spread::default();

        let listing = replicas(&scene);

        let line = |at: usize| {
            let cells = listing.rows[at].cells.iter().map(|cell| &*cell.text);
            cells.collect::<Vec<_>>().join("|")
        };
        assert_eq!(
            line(0),
            "0|leader|4|2000|1792|0|4.0k|400|600 us|2.0 ms|31.3|0/0|0|-|40 ms|ready"
        );
        assert_eq!(line(1), "1|-|-|-|-|-|-|-|-|-|-|-|-|-|never|not seen");
        assert_eq!(line(2), "2|follower|4|2000|1792|0|4.0k|400|-|-|31.3|0/0|0|-|3.2 s|silent");
    }
}
