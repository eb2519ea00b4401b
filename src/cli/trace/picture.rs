//! A life as text: a line a step, with a bar from what it waited for to when it happened.

use std::fmt::Write;

use super::Traced;
use super::life::{SlotStage, SlotStep};
use super::request::name;
use crate::cli::output::listing::wrap;
use crate::cli::output::words::span;
use crate::model::types::ReplicaId;
use crate::observe::frame::{BatchLife, RequestRun, SlotLife};

/// Runs of requests in the title.
const RUNS_MAX: usize = 6;
/// Characters of a bar: at most, and at least where there is one.
const BAR: (usize, usize) = (34, 16);

/// What has room in a line. As lines get shorter the bar does, then the column of how long a step took goes,
/// then the bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    took: bool,
    /// Characters of a bar, if there is one.
    bar: Option<usize>,
}

impl Layout {
    /// Characters of what is always there, of the column that may go, and before the bar.
    const WIDTHS: (usize, usize, usize) = (31, 10, 2);

    fn of(width: usize) -> Self {
        let (always, took, gap) = Self::WIDTHS;
        let bar =
            |rest: usize| Some(width.checked_sub(rest + gap)?.min(BAR.0)).filter(|it| *it >= BAR.1);
        match (bar(always + took), bar(always)) {
            (Some(bar), _) => Self { took: true, bar: Some(bar) },
            (None, bar) => Self { took: false, bar },
        }
    }

    fn row(self, [what, replica, at, took]: [&str; 4], bar: &str) -> String {
        let mut row = format!("{what:<12} {replica:<8} {at:>9}");
        if self.took {
            let _ = write!(row, " {took:>9}");
        }
        if self.bar.is_some() {
            let _ = write!(row, "  {bar}");
        }
        row.trim_end().to_owned() + "\n"
    }
}

/// All of it, in lines of so many characters.
pub(super) fn text(traced: &Traced, width: usize) -> String {
    let mut text = paragraph(&title(traced), width) + "\n";
    let layout = Layout::of(width);
    let end = traced.steps.iter().map(|step| step.at_us).max().unwrap_or(0).max(1);
    let scale = Scale { end, width: layout.bar.unwrap_or(BAR.1) };
    let end = span(scale.end.unsigned_abs());
    let axis = format!("0{end:>width$}", width = scale.width - 1);
    text += &layout.row(["what", "replica", "at", "took"], &axis);
    for line in lines(&traced.steps) {
        let Some(last) = line.last() else { continue };
        let took = last.took_us().map_or("-".to_owned(), signed);
        let took = if last.stage == SlotStage::Heard { String::new() } else { took };
        let (replica, at) = (last.replica.0.to_string(), signed(last.at_us));
        text += &layout.row([words(last.stage), &replica, &at, &took], &scale.draw(line));
    }
    text.push('\n');
    for note in &traced.notes {
        text += &paragraph(note, width);
    }
    if traced.lives.len() > 1 {
        text += &paragraph("Each time is by the clock of its replica.", width);
    }
    text
}

fn paragraph(text: &str, width: usize) -> String {
    wrap(text, 0, width).join("\n") + "\n"
}

fn title(traced: &Traced) -> String {
    let slot = traced.slot;
    let Some(view) = traced.lives.values().map(|life| life.view).max() else {
        return format!("slot {slot}");
    };
    let batch = traced.lives.values().find_map(|life| life.batch.as_ref());
    let executed = traced.lives.values().any(|life| life.executed_at.is_some());
    let what = match batch {
        Some(batch) => requests(batch),
        None if executed => "empty".to_owned(),
        None => "its content is known once it is executed".to_owned(),
    };
    // What a replica has fetched from others, it has not seen being agreed on.
    let agreed = |life: &SlotLife| {
        life.proposed_at.is_some() || life.voted_at.is_some() || !life.votes.is_empty()
    };
    match traced.lives.values().any(agreed) {
        true => format!("slot {slot} in view {view}: {what}"),
        false => format!(
            "slot {slot}: {what}; fetched from another replica; how it was agreed on is not remembered"
        ),
    }
}

fn requests(batch: &BatchLife) -> String {
    let one = |run: &RequestRun| {
        let of = name(run.client);
        if run.first == run.last {
            format!("request {} of {of}", run.first)
        } else {
            format!("requests {} to {} of {of}", run.first, run.last)
        }
    };
    let shown = || batch.runs.iter().take(RUNS_MAX);
    let told: u64 = shown().map(|run| run.last.saturating_sub(run.first) + 1).sum();
    let more = if told < batch.requests { ", and more" } else { "" };
    let whose = match batch.runs.len() {
        0 => "clients no longer remembered".to_owned(),
        _ => shown().map(one).collect::<Vec<_>>().join(", ") + more,
    };
    let (count, bytes, id) = (batch.requests, batch.bytes, batch.id);
    let s = if count == 1 { "" } else { "s" };
    format!(
        "batch {} of replica {}, {count} request{s}, {bytes} bytes: {whose}",
        id.number, id.source
    )
}

/// The steps of each line: the votes that a replica heard share one.
fn lines(steps: &[SlotStep]) -> impl Iterator<Item = &[SlotStep]> {
    steps.chunk_by(|one, next| {
        one.stage == SlotStage::Heard
            && next.stage == SlotStage::Heard
            && one.replica == next.replica
    })
}

fn words(stage: SlotStage) -> &'static str {
    match stage {
        SlotStage::Packed => "packed",
        SlotStage::Proposed => "proposed",
        SlotStage::Arrived => "arrived",
        SlotStage::Voted => "vote left",
        SlotStage::Heard => "votes heard",
        SlotStage::Decided => "decided",
        SlotStage::Executed => "executed",
    }
}

fn signed(us: i64) -> String {
    let sign = if us < 0 { "-" } else { "" };
    format!("{sign}{}", span(us.unsigned_abs()))
}

/// The time from the first step to the last.
struct Scale {
    end: i64,
    /// Characters of a bar.
    width: usize,
}

impl Scale {
    fn place(&self, at_us: i64) -> usize {
        let at = at_us.clamp(0, self.end) as u128;
        (at * (self.width as u128 - 1) / self.end as u128) as usize
    }

    /// A bar for one step; for votes that were heard the number of each voter, where it was. What is
    /// before the first step, by its clock, is drawn as `<` at the edge.
    fn draw(&self, line: &[SlotStep]) -> String {
        let mut bar = vec![' '; self.width];
        for step in line {
            let place = self.place(step.at_us);
            match (step.voter, step.since) {
                (Some(voter), _) => {
                    bar[place] = if bar[place] == ' ' { digit(voter) } else { '*' };
                }
                (None, Some(since)) => bar[self.place(since.at_us).min(place)..=place].fill('█'),
                (None, None) => bar[place] = '█',
            }
            if step.at_us < 0 {
                bar[0] = '<';
            }
        }
        bar.iter().collect()
    }
}

fn digit(voter: ReplicaId) -> char {
    char::from_digit(u32::from(voter.0 % 36), 36).unwrap_or('?')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::inspect::example;
    use crate::cli::trace::asking::{Answers, ReplicaSlots};
    use crate::model::types::Slot;

    fn traced(change: impl Fn(&mut Vec<ReplicaSlots>)) -> String {
        traced_within(100, change)
    }

    fn traced_within(width: usize, change: impl Fn(&mut Vec<ReplicaSlots>)) -> String {
        let replica = |replica| ReplicaSlots {
            replica: ReplicaId(replica),
            lost: 0,
            executed: Slot(0),
            shown: false,
            oldest: Some(Slot(5)),
            slots: vec![example::life(replica, 7)],
        };
        let mut replicas: Vec<_> = (0..3).map(replica).collect();
        change(&mut replicas);
        text(&Traced::new(Slot(7), Answers { n: 3, replicas, silences: Vec::new() }), width)
    }

    #[test]
    fn a_life_is_a_line_a_step_with_bars_from_cause_to_effect() {
        let text = traced(|replicas| drop(replicas.pop()));

        assert_eq!(
            text,
            "\
slot 7 in view 4: batch 7 of replica 1, 10 requests, 500 bytes: requests 70 to 79 of session 5

what         replica         at      took  0                           900 us
packed       1             0 us         -  █
proposed     1           210 us    210 us  ████████
arrived      0           200 us    -10 us         █
vote left    0           500 us    300 us         ████████████
vote left    1           510 us    300 us         ████████████
votes heard  0           800 us                                  0  1   2
votes heard  1           800 us                                  0  1   2
decided      0           700 us    500 us         ███████████████████
decided      1           700 us    490 us         ███████████████████
executed     0           900 us    200 us                           █████████
executed     1           900 us    200 us                           █████████

replica 2 was not asked, and the replicas that were have no recent frame of it
by their clocks replica 0 received a message of replica 1 10 us before it was sent
Each time is by the clock of its replica.
"
        );
    }

    #[test]
    fn in_a_narrow_terminal_bars_get_shorter_then_a_column_goes_then_the_bars() {
        let layout = |width| (Layout::of(width).took, Layout::of(width).bar);
        assert_eq!(layout(80), (true, Some(34)));
        assert_eq!(layout(60), (true, Some(17)));
        assert_eq!(layout(58), (false, Some(25)));
        assert_eq!(layout(48), (false, None));
        for width in [31, 40, 50, 60, 70, 80] {
            let text = traced_within(width, |replicas| replicas[0].slots.clear());
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}: {text}");
        }
    }

    #[test]
    fn a_replica_that_was_not_asked_is_told_by_what_it_has_shown_or_said_to_be_missing() {
        let text = traced(|replicas| {
            replicas[0].shown = true;
            replicas[1].shown = true;
            replicas[1].slots.clear();
            replicas.pop();
        });

        assert!(
            text.contains(
                "replica 0 could not be asked, so its times are those that it has shown others"
            ),
            "{text}"
        );
        assert!(text.contains("replica 1 is missing: it could not be asked"), "{text}");
        assert!(text.contains("replica 2 was not asked, and the replicas"), "{text}");
    }

    #[test]
    fn what_lies_before_the_first_step_is_cut_at_the_edge_and_told_in_figures() {
        let text = traced(|replicas| {
            *replicas[2].slots[0].proposed_at.as_mut().unwrap() -= 2_000;
        });

        let line = text.lines().find(|line| line.starts_with("arrived      2")).unwrap();
        assert_eq!(line, "arrived      2          -1.7 ms   -1.9 ms  <");
        assert!(
            text.contains("replica 2 received a message of replica 1 1.9 ms before it was sent"),
            "{text}"
        );
    }

    #[test]
    fn what_is_not_known_is_said() {
        let text = traced(|replicas| {
            replicas[0].slots.clear();
            replicas[2].slots[0].executed_at = None;
        });

        assert!(
            text.contains("\nreplica 0 does not remember it: its memory begins at slot 5\n"),
            "{text}"
        );
        assert!(text.contains("\nreplica 2 has not executed it\n"), "{text}");
    }
}
