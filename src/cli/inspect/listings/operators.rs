//! Table of the operators of one replica.

use crate::cli::output::listing::{Cell, Column, Listing, ListingRow, Mark};
use crate::cli::output::words;
use crate::model::events::Wait;
use crate::observe::blame::awaited;
use crate::observe::frame::{Frame, Operator, RoleHolding};
use crate::observe::saving::SavingStatus;

/// A wait that somebody should look at: all roles wait for a moment now and then.
const LONG_US: u64 = 1_000_000;

/// The operators of one replica, the busiest first; timely's own only if `all`. How often each runs a
/// second is known from an earlier frame of the same life; without one the runs so far are told.
pub(in crate::cli::inspect) fn operators(
    frame: &Frame,
    earlier: Option<&Frame>,
    all: bool,
) -> Listing {
    let earlier = earlier.filter(|earlier| {
        earlier.status.starts == frame.status.starts && earlier.at_us < frame.at_us
    });
    let columns = vec![
        Column::words("operator", 0),
        Column::figures("busy %", 0),
        Column::figures(if earlier.is_some() { "runs/s" } else { "runs" }, 5),
        Column::figures("in/s", 2),
        Column::figures("out/s", 3),
        Column::figures("p50", 6),
        Column::figures("p99", 4),
        Column::figures("frontier", 1),
        Column::figures("holds", 1),
        Column::figures("memory", 3),
        Column::words("waits for", 0),
    ];
    let shown = frame.operators.iter().filter(|operator| all || operator.kind.is_some());
    let rows = shown.map(|operator| row(operator, frame, earlier)).collect();
    let mut listing = Listing { columns, rows };
    listing.sort(1, true);
    listing
}

fn row(operator: &Operator, frame: &Frame, earlier: Option<&Frame>) -> ListingRow {
    let holding = holding(frame, &operator.name);
    let slot = holding.filter(|holding| !idles(holding)).and_then(|holding| holding.slot);
    let waits_long = holding.is_some_and(|holding| {
        holding.held > 0 && holding.wait != Wait::Nothing && holding.waited_us >= LONG_US
    });
    let [usual, most] = Cell::usual_and_most(operator.run);
    let cells = vec![
        Cell::words(&*operator.name),
        Cell::percent(operator.busy),
        runs(operator, frame, earlier),
        Cell::rate(operator.rate_in),
        Cell::rate(operator.rate_out),
        usual,
        most,
        Cell::maybe(operator.frontier.map(|slot| slot.0)),
        Cell::maybe(slot.map(|slot| slot.0)),
        Cell::size(holding.map_or(0, |holding| holding.bytes)),
        Cell::words(
            holding.map(|holding| wait(holding, frame.status.saving())).unwrap_or_default(),
        ),
    ];
    ListingRow { cells, mark: if waits_long { Mark::Look } else { Mark::None } }
}

fn runs(operator: &Operator, frame: &Frame, earlier: Option<&Frame>) -> Cell {
    let before = earlier.and_then(|earlier| {
        let same = |other: &&Operator| other.address == operator.address;
        Some((earlier.at_us, earlier.operators.iter().find(same)?.runs))
    });
    match before {
        Some((at_us, runs)) => {
            let passed = (frame.at_us - at_us) as f64 / 1e6;
            Cell::rate(operator.runs.saturating_sub(runs) as f64 / passed)
        }
        None => Cell::number(operator.runs),
    }
}

/// What the role called `name` holds.
pub(super) fn holding<'a>(frame: &'a Frame, name: &str) -> Option<&'a RoleHolding> {
    frame.holdings.iter().find(|holding| holding.role == name)
}

/// Whether it holds nothing, and will take what another role releases next.
fn idles(holding: &RoleHolding) -> bool {
    holding.held == 0 && matches!(holding.wait, Wait::Role(_))
}

/// What it waits for, and since when.
pub(super) fn wait(holding: &RoleHolding, saving: Option<&SavingStatus>) -> String {
    if holding.wait == Wait::Nothing || idles(holding) {
        return String::new();
    }
    let what = awaited(&holding.wait, saving);
    // Where it has only just begun to wait, or time is not taken, there is nothing to tell.
    match holding.waited_us {
        0 => what,
        us => format!("{what} ({})", words::span(us)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::inspect::example;

    fn lines(listing: &Listing) -> Vec<String> {
        let join = |row: &ListingRow| {
            row.cells.iter().map(|cell| &*cell.text).collect::<Vec<_>>().join("|")
        };
        listing.rows.iter().map(join).collect()
    }

    #[test]
    fn the_busiest_operator_is_first_and_a_wait_is_told_with_its_time() {
        assert_eq!(
            lines(&operators(&example::frame(0), None, false)),
            [
                "executor|25.0|2000|400|12.3k|2 us|1.2 ms|2000|-|-|",
                "learner|6.0|2000|400|12.3k|2 us|1.2 ms|-|2000|5.0 MiB|the vote of replica 2 (3.0 s)",
                "clock|0.1|2000|400|12.3k|2 us|1.2 ms|-|-|-|",
            ]
        );
    }

    #[test]
    fn a_role_that_holds_nothing_waits_for_no_other() {
        let mut frame = example::frame(0);
        frame.holdings[0] = RoleHolding {
            held: 0,
            wait: Wait::Role("release".to_owned()),
            ..frame.holdings[0].clone()
        };

        let listing = operators(&frame, None, false);

        let idle = listing.rows.iter().find(|row| row.cells[0].text == frame.holdings[0].role);
        let told: Vec<_> = idle.unwrap().cells[8..].iter().map(|cell| &*cell.text).collect();
        assert_eq!(told, ["-", "5.0 MiB", ""]);
    }

    #[test]
    fn timelys_own_operators_are_listed_if_all_are() {
        let listing = operators(&example::frame(0), None, true);

        assert_eq!(lines(&listing).len(), 4);
    }

    #[test]
    fn runs_a_second_need_an_earlier_frame_of_the_same_life() {
        let (mut earlier, frame) = (example::frame(0), example::frame(0));
        earlier.at_us -= 500_000;
        earlier.operators[3].runs -= 50;
        let runs = |earlier: &Frame| {
            let listing = operators(&frame, Some(earlier), false);
            (listing.columns[2].name.clone(), listing.rows[0].cells[2].text.clone())
        };

        assert_eq!(runs(&earlier), ("runs/s".into(), "100".to_owned()));
        earlier.status.starts += 1;
        assert_eq!(runs(&earlier), ("runs".into(), "2000".to_owned()));
    }
}
