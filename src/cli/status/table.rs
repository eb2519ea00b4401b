//! Answer of `taraflow status` for people: a table, and what is wrong.

use std::fmt::Write;

use super::verdict::{Overview, SeenReplica};
use crate::cli::inspect::findings;
use crate::cli::output::listing::{Cell, Column, Listing, ListingRow};
use crate::cli::output::words;
use crate::observe::status::ReplicaStatus;
use crate::observe::verdict::Verdict;

/// The verdict, the table, and what is wrong; in lines of `width` characters where that is a table's to
/// choose.
pub(super) fn text(overview: &Overview, width: usize) -> String {
    // Where there is no room, the columns with the highest ranks go first.
    let columns = vec![
        Column::figures("replica", 0),
        Column::words("role", 0),
        Column::figures("view", 2),
        Column::figures("executed", 1),
        Column::figures("stable", 7),
        Column::figures("lag", 4),
        Column::figures("clients", 3),
        Column::words("links", 5),
        Column::words("up", 6),
        Column::figures("starts", 8),
        Column::words("state", 0),
    ];
    let rows = overview.replicas.iter().map(row).collect();
    let mut text = Listing { columns, rows }.text_within(width);
    for seen in &overview.replicas {
        remark(&mut text, seen);
    }
    if overview.verdict == Verdict::Healthy {
        // A string takes all that is written.
        let _ = writeln!(text, "{}", overview.headline);
    } else {
        text += &findings(&overview.findings);
    }
    let _ = writeln!(text, "{}", overview.reserve());
    text
}

fn row(seen: &SeenReplica) -> ListingRow {
    let name = Cell::number(seen.replica.0.into());
    let Some(status) = &seen.status else {
        let mut cells = vec![name];
        cells.resize(10, Cell::words("-"));
        cells.push(Cell::words(absence(seen)));
        return ListingRow::new(cells);
    };
    let up = status.links.iter().filter(|link| link.up).count();
    let state = match (&status.not_ready[..], &status.diverged[..]) {
        (_, [_, ..]) => "diverged",
        ([], []) => "ready",
        _ => "not ready",
    };
    let memory = if status.durable { "" } else { ", in memory" };
    ListingRow::new(vec![
        name,
        Cell::words(words::role(status)),
        Cell::number(status.view.0),
        Cell::number(status.executed.0),
        Cell::number(status.stable.0),
        Cell::number(status.lag),
        Cell::number((status.clients.redis + status.clients.native) as u64),
        Cell::words(format!("{up}/{}", status.links.len())),
        Cell::words(duration(status.up_ms / 1000)),
        Cell::number(status.starts),
        Cell::words(format!("{state}{memory}")),
    ])
}

/// Why nothing is shown of a replica, in a word or two.
fn absence(seen: &SeenReplica) -> &'static str {
    match &seen.stuck {
        Some(stuck) if stuck.checkpoint => "cuts a checkpoint",
        Some(_) => "stuck",
        None if seen.starting => "starting",
        None => "not seen",
    }
}

/// What no finding tells of a replica.
fn remark(text: &mut String, seen: &SeenReplica) {
    let name = seen.replica;
    let mut say = |what: String| {
        let _ = writeln!(text, "replica {name}: {what}");
    };
    let Some(status) = &seen.status else { return };
    if let Some(why) = &seen.error {
        say(format!("it could not be asked, so this is what the others last saw of it: {why}"));
    }
    links(status, &mut say);
    if !status.durable {
        say("it keeps no data on disk: once stopped, it cannot rejoin".to_owned());
    }
}

fn links(status: &ReplicaStatus, say: &mut impl FnMut(String)) {
    for link in status.links.iter().filter(|link| !link.up) {
        let why = link.last_fault.as_deref().unwrap_or("not connected yet");
        let (peer, dropped) = (link.peer, link.dropped);
        say(format!("the link to replica {peer} is down, {dropped} messages dropped: {why}"));
    }
}

/// A time to the second in its two largest units.
fn duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cli::inspect::example;
    use crate::engine::activity::Stuck;
    use crate::model::types::Slot;
    use crate::observe::scene::{Scene, Sighting};

    fn said(scene: &Scene, width: usize) -> String {
        text(&Overview::new(scene, &[]), width)
    }

    #[test]
    fn a_replica_that_does_not_answer_has_its_line_and_the_verdict_its_reasons() {
        let text = said(&example::scene(), 80);

        let has = |words: &[&str]| {
            text.lines().any(|line| words.iter().all(|word| line.split(' ').any(|it| it == *word)))
        };
        assert!(has(&["0", "leader", "ready"]), "{text}");
        assert!(has(&["2", "-", "seen"]), "{text}");
        assert!(text.contains("\ndegraded: replica 2 is away\n  because it has not"), "{text}");
        assert!(text.ends_with("\n2 of 3 replicas work; none of them may fail\n"), "{text}");
    }

    #[test]
    fn a_replica_that_is_busy_or_starts_is_not_said_to_be_away() {
        let told = |change: &dyn Fn(&mut Sighting)| {
            let mut scene = example::scene();
            change(&mut scene.replicas[2]);
            let text = said(&scene, 120);
            text.lines().find(|line| line.contains(" 2 ")).unwrap_or_default().to_owned()
        };
        let stick = |seen: &mut Sighting, checkpoint| {
            seen.stuck = Some(Stuck { operator: None, for_us: 3_000_000, checkpoint });
        };
        assert!(told(&|seen| seen.starting = true).contains("starting"));
        assert!(told(&|seen| stick(seen, true)).contains("cuts a checkpoint"));
        assert!(told(&|seen| stick(seen, false)).contains("stuck"));
    }

    #[test]
    fn the_table_fits_a_terminal_however_large_the_numbers() {
        let mut scene = example::scene();
        for seen in &mut scene.replicas {
            let status = &mut Arc::make_mut(seen.frame.as_mut().unwrap()).status;
            (status.executed, status.stable) = (Slot(1 << 40), Slot(1 << 40));
            (status.lag, status.starts, status.durable) = (1 << 40, 1 << 20, false);
            status.up_ms = 90_000_000;
        }
        for width in [80, 60] {
            let text = said(&scene, width);
            let table = text.lines().filter(|line| line.starts_with(['│', '┌', '└', '╞']));
            assert!(table.clone().count() >= 6, "{text}");
            assert!(table.clone().all(|line| line.chars().count() <= width), "{text}");
            assert!(text.contains("executed") || width < 80, "{text}");
        }
    }

    #[test]
    fn a_replica_in_memory_says_that_it_cannot_rejoin() {
        let mut scene = example::scene();
        Arc::make_mut(scene.replicas[0].frame.as_mut().unwrap()).status.durable = false;

        let text = said(&scene, 120);

        assert!(text.contains("ready, in memory"), "{text}");
        assert!(
            text.contains("replica 0: it keeps no data on disk: once stopped, it cannot rejoin")
        );
    }

    #[test]
    fn durations_have_their_two_largest_units() {
        let seconds = [59, 61, 3_700, 90_000];

        assert_eq!(seconds.map(duration), ["59 s", "1 min 1 s", "1 h 1 min", "1 d 1 h"]);
    }
}
