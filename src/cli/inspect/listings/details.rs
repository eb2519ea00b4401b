//! One operator on all replicas, side by side.

use super::operators::{holding, wait};
use crate::cli::output::listing::{Cell, Column, Listing, ListingRow};
use crate::cli::output::words::{amount, span};
use crate::model::types::Slot;
use crate::observe::frame::{Channel, Frame, Operator};
use crate::observe::graph::OperatorKind;
use crate::observe::memory::size;
use crate::observe::scene::Scene;

/// The operator called `name` at `address`: a line a property, a column a replica.
pub(in crate::cli::inspect) fn details(scene: &Scene, name: &str, address: &[usize]) -> Listing {
    let mut columns = vec![Column::words("", 0)];
    let mut rows: Vec<ListingRow> = Vec::new();
    for (rank, seen) in (0..).zip(&scene.replicas) {
        let silent = if seen.silence.is_some() { " (silent)" } else { "" };
        columns.push(Column::figures(format!("replica {}{silent}", seen.replica), rank));
        let frame = seen.frame.as_ref();
        let found = frame.and_then(|frame| {
            let operator = frame.operators.iter().find(|operator| operator.address == address)?;
            Some(properties(frame, operator))
        });
        for (property, value) in found.unwrap_or_default() {
            let at = rows.iter().position(|row| row.cells[0].text == property);
            let at = at.unwrap_or_else(|| {
                rows.push(ListingRow::new(vec![Cell::words(property)]));
                rows.len() - 1
            });
            // Replicas that do not know the property have nothing there.
            rows[at].cells.resize(columns.len() - 1, Cell::words("-"));
            rows[at].cells.push(Cell::words(value));
        }
    }
    for row in &mut rows {
        row.cells.resize(columns.len(), Cell::words("-"));
    }
    columns[0] = Column::words(name.to_owned(), 0);
    Listing { columns, rows }
}

fn properties(frame: &Frame, operator: &Operator) -> Vec<(String, String)> {
    let holding = holding(frame, &operator.name);
    let address: Vec<_> = operator.address.iter().map(usize::to_string).collect();
    let kind = match operator.kind {
        Some(OperatorKind::Role) => "role",
        Some(OperatorKind::Router) => "router",
        Some(OperatorKind::Boundary) => "boundary",
        None => "timely's own",
    };
    let slot = |slot: Option<Slot>| slot.map_or("-".to_owned(), |slot| slot.to_string());
    let took = |us| if operator.run.count > 0 { span(us) } else { "-".to_owned() };
    let waits = |holding| wait(holding, frame.status.saving());
    let (run, held) = (operator.run, holding.map_or(0, |holding| holding.held));
    let properties = [
        ("kind", kind.to_owned()),
        ("address", address.join(".")),
        ("busy", format!("{:.1} %", operator.busy * 100.0)),
        ("busy since the start", span(operator.busy_us)),
        ("runs", operator.runs.to_string()),
        ("records in", operator.records_in.to_string()),
        ("records out", operator.records_out.to_string()),
        ("records in/s", amount(operator.rate_in)),
        ("records out/s", amount(operator.rate_out)),
        ("batches in", operator.batches_in.to_string()),
        ("batches out", operator.batches_out.to_string()),
        ("run time, p50", took(run.p50_us)),
        ("run time, p99", took(run.p99_us)),
        ("run time, longest", took(run.max_us)),
        ("frontier", slot(operator.frontier)),
        ("holds slot", slot(holding.and_then(|holding| holding.slot))),
        ("holds", held.to_string()),
        ("memory", size(holding.map_or(0, |holding| holding.bytes))),
        ("waits for", holding.map(waits).filter(|wait| !wait.is_empty()).unwrap_or("-".to_owned())),
    ];
    let mut properties: Vec<_> =
        properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    for (why, count) in holding.iter().flat_map(|holding| &holding.refused) {
        properties.push((format!("rejected, {why}"), count.to_string()));
    }
    let touches = |channel: &&Channel| channel.from == operator.name || channel.to == operator.name;
    for channel in frame.channels.iter().filter(touches) {
        let label = channel.label.as_deref().map_or(String::new(), |label| format!(" ({label})"));
        let name = format!("{} {} {}{label}", channel.from, channel.kind.arrow(), channel.to);
        properties.push((name, format!("{}/s, {} queued", amount(channel.rate), channel.queued)));
    }
    properties
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::inspect::example;

    #[test]
    fn an_operator_is_shown_on_all_replicas_side_by_side() {
        let mut scene = example::scene();
        scene.replicas[1].frame = None;

        let text = details(&scene, "learner", &[0, 3]).text_within(120);

        let line = |name: &str| text.lines().find(|line| line.contains(name)).unwrap().to_owned();
        assert!(line("replica 2 (silent)").contains("learner"), "{text}");
        let words = |name: &str| {
            line(name)
                .split("  ")
                .map(|word| word.trim_matches(['│', ' ']).to_owned())
                .filter(|word| !word.is_empty())
                .collect::<Vec<_>>()
        };
        assert_eq!(words("kind"), ["kind", "role", "-", "role"]);
        assert_eq!(words("holds slot"), ["holds slot", "2000", "-", "2000"]);
        assert_eq!(words("memory"), ["memory", "5.0 MiB", "-", "5.0 MiB"]);
        assert_eq!(words("rejected"), ["rejected, late", "7", "-", "7"]);
        assert!(line("committer => learner (Commit)").contains("1.2k/s, 3 queued"), "{text}");
    }

    #[test]
    fn on_a_narrow_page_the_last_replicas_are_left_out() {
        let listing = details(&example::scene(), "learner", &[0, 3]);
        let widest = |width| {
            let text = listing.text_within(width);
            text.lines().map(|line| line.chars().count()).max().unwrap_or(0)
        };

        assert_eq!((listing.left_out(200), listing.left_out(80)), (0, 2));
        assert!(widest(80) <= 80 && widest(200) > 80);
    }
}
