//! Figures and states in words, as all tables show them.

use crate::observe::findings::Severity;
use crate::observe::frame::{Held, Hold, Input};
use crate::observe::memory::{MemoryStatus, size};
use crate::observe::saving::SavingStatus;
use crate::observe::scene::Sighting;
use crate::observe::status::{ReplicaRole, ReplicaStatus};

/// A duration in at most six characters: `7 us`, `1.2 ms`, `31 s`.
pub(in crate::cli) fn span(us: u64) -> String {
    let tenths = |unit: u64| format!("{}.{}", us / unit, us % unit / (unit / 10));
    match us {
        0..1_000 => format!("{us} us"),
        1_000..10_000 => tenths(1_000) + " ms",
        10_000..1_000_000 => format!("{} ms", us / 1_000),
        1_000_000..10_000_000 => tenths(1_000_000) + " s",
        10_000_000..120_000_000 => format!("{} s", us / 1_000_000),
        120_000_000..7_200_000_000 => format!("{} min", us / 60_000_000),
        _ => format!("{} h", us / 3_600_000_000),
    }
}

/// A rate or a count in at most six characters: `0`, `0.4`, `999`, `12.3k`, `4.5M`.
pub(in crate::cli) fn amount(count: f64) -> String {
    match count {
        0.05..10.0 => format!("{count:.1}"),
        ..999.5 => format!("{count:.0}"),
        ..999_950.0 => format!("{:.1}k", count / 1e3),
        ..999_950_000.0 => format!("{:.1}M", count / 1e6),
        _ => format!("{:.1}G", count / 1e9),
    }
}

/// The time of day, in UTC, to the millisecond.
pub(in crate::cli) fn time_of_day(at_us: u64) -> String {
    let (ms, s) = (at_us / 1_000, at_us / 1_000_000);
    format!("{:02}:{:02}:{:02}.{:03}", s / 3600 % 24, s / 60 % 60, s % 60, ms % 1_000)
}

/// What holds the memory of a replica, with nothing of what holds none; the application's state
/// first, and its limit if there is one.
pub(in crate::cli) fn memory(memory: &MemoryStatus) -> String {
    let limit =
        memory.of_limit().map(|(_, max, percent)| format!(" of {} ({percent} %)", size(max)));
    let holders = memory.holders().into_iter().filter(|(_, bytes)| *bytes > 0);
    let mut held: Vec<String> =
        holders.map(|(name, bytes)| format!("{name} {}", size(bytes))).collect();
    if let (Some(limit), Some(first)) =
        (limit, held.first_mut().filter(|it| it.starts_with("state")))
    {
        *first += &limit;
    }
    held.extend(memory.resident_bytes.map(|bytes| format!("all the process {}", size(bytes))));
    held.join(", ")
}

/// How far the checkpoint on its way is: `42 %: 312 of 4096 parts, 42 MiB, for 3.2 s`.
pub(in crate::cli) fn saving(saving: &SavingStatus) -> String {
    let percent = saving.percent().map_or(String::new(), |percent| format!("{percent} %: "));
    let since = span(saving.under_way_ms.saturating_mul(1_000));
    format!("{percent}{}, for {since}", saving.amount())
}

/// An input of an operator, and who holds it back, as timely logs it.
pub(in crate::cli) fn input(input: &Input) -> String {
    let from = match &input.from[..] {
        [] => "outside".to_owned(),
        senders => senders.join(", "),
    };
    let waits =
        if input.queued == 0 { String::new() } else { format!("{} records wait; ", input.queued) };
    let held = |held: &Held| {
        let what = match held.what {
            Hold::Capability => format!("may still send at {}", held.at),
            Hold::Message => format!("has not taken {} records of {}", held.count, held.at),
        };
        let between = held.path.split_last().map_or(&[][..], |(_holder, between)| between);
        let by_way = if between.is_empty() {
            String::new()
        } else {
            format!(" (by {})", between.join(", "))
        };
        format!("time {} may come: {} {what}{by_way}", held.time, held.by)
    };
    let held = match input.held.as_deref() {
        None => "its times are not followed".to_owned(),
        Some([]) => "nothing more comes".to_owned(),
        Some(all) => all.iter().map(held).collect::<Vec<_>>().join("; "),
    };
    format!("from {from}: {waits}{held}")
}

pub(in crate::cli) fn role(status: &ReplicaStatus) -> &'static str {
    match status.role {
        ReplicaRole::Leader => "leader",
        ReplicaRole::Candidate => "candidate",
        ReplicaRole::Follower => "follower",
        ReplicaRole::Peer => "peer",
    }
}

pub(in crate::cli) fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Fatal => "FATAL",
        Severity::Down => "DOWN",
        Severity::Degraded => "degraded",
    }
}

/// How a replica is, in a few words.
pub(in crate::cli) fn state(sighting: &Sighting) -> String {
    let Some(frame) = &sighting.frame else {
        return if sighting.starting { "starting" } else { "not seen" }.to_owned();
    };
    let status = &frame.status;
    let memory = if status.durable { "" } else { ", in memory" };
    let state = match (&sighting.silence, &status.diverged[..], &status.not_ready[..]) {
        (Some(_), _, _) => "silent",
        (_, [_, ..], _) => "diverged",
        (_, _, []) => "ready",
        _ => "not ready",
    };
    let far = if sighting.unasked.is_some() { ", not asked" } else { "" };
    format!("{state}{memory}{far}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_amounts_stay_short() {
        let spans = [0, 999, 1_234, 12_345, 1_250_000, 61_000_000, 600_000_000, 9_000_000_000];
        assert_eq!(
            spans.map(span),
            ["0 us", "999 us", "1.2 ms", "12 ms", "1.2 s", "61 s", "10 min", "2 h"]
        );
        let amounts = [0.0, 0.04, 0.42, 9.96, 400.0, 999.6, 12_345.0, 4_500_000.0, 2e9];
        assert_eq!(
            amounts.map(amount),
            ["0", "0", "0.4", "10.0", "400", "1.0k", "12.3k", "4.5M", "2.0G"]
        );
    }

    #[test]
    fn memory_is_told_by_who_holds_some_of_it_with_the_limit_of_the_state() {
        let mut held = MemoryStatus { recent_bytes: 3 << 20, ..MemoryStatus::default() };
        assert_eq!(memory(&held), "recent slots 3.0 MiB");
        (held.state_bytes, held.state_bytes_max) = (Some(512 << 20), Some(1 << 30));
        held.resident_bytes = Some(700 << 20);
        assert_eq!(
            memory(&held),
            "state 512 MiB of 1.0 GiB (50 %), recent slots 3.0 MiB, all the process 700 MiB"
        );
        held.state_bytes = Some(0);
        assert_eq!(memory(&held), "recent slots 3.0 MiB, all the process 700 MiB");
    }

    #[test]
    fn a_checkpoint_on_its_way_is_told_with_its_share_and_its_time() {
        let here =
            SavingStatus { parts_done: 3, parts: 4, under_way_ms: 3_200, ..Default::default() };
        assert_eq!(saving(&here), "75 %: 3 of 4 parts, 0 B, for 3.2 s");
        let fetched = SavingStatus { fetched: true, ..here };
        assert_eq!(saving(&fetched), "3 parts so far, 0 B, for 3.2 s");
    }

    #[test]
    fn an_input_is_told_with_who_holds_it_and_the_way_there() {
        let path = ["concat", "release"].map(str::to_owned).to_vec();
        let (time, at, by) = ("7".to_owned(), "6".to_owned(), "release".to_owned());
        let held = Held { time, by, what: Hold::Capability, at, count: 1, path };
        let from = vec!["concat".to_owned()];
        let told = input(&Input { from: from.clone(), queued: 2, held: Some(vec![held]) });
        assert_eq!(
            told,
            "from concat: 2 records wait; time 7 may come: release may still send at 6 (by concat)"
        );
        let told = input(&Input { from, queued: 0, held: Some(Vec::new()) });
        assert_eq!(told, "from concat: nothing more comes");
    }

    #[test]
    fn a_time_of_day_is_that_of_the_epoch() {
        assert_eq!(time_of_day(1_700_000_005_250_000), "22:13:25.250");
    }
}
