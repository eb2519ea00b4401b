//! Result of a demo, as tables or as JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use super::load::Load;
use crate::cli::outcome::Failure;
use crate::cli::output::OutputForm;
use crate::cli::output::listing::{Cell, Column, Listing, ListingRow};
use crate::hosts::embedded::Cluster;
use crate::model::types::ReplicaId;

/// What one operator did, on all replicas.
#[derive(Clone, Debug, Default, Serialize)]
struct RoleTime {
    role: String,
    records_in: u64,
    records_out: u64,
    runs: u64,
    busy_us: u64,
}

/// The result of a demo.
#[derive(Debug, Serialize)]
pub(super) struct DemoReport {
    /// The version of this format.
    version: u32,
    /// Whether every request was answered once and all replicas hold the same state.
    ok: bool,
    error: Option<String>,
    submitted: u64,
    answered: u64,
    refused_by_application: u64,
    counters_checked: u64,
    seconds: f64,
    requests_per_second: f64,
    latency_us: Latency,
    longest_gap_ms: f64,
    view: u64,
    leader: Option<ReplicaId>,
    replicas: Vec<ReplicaLine>,
    /// What each role has done, all living replicas together.
    roles: Vec<RoleTime>,
}

#[derive(Debug, Serialize)]
struct Latency {
    p50: u64,
    p99: u64,
    max: u64,
}

#[derive(Debug, Serialize)]
struct ReplicaLine {
    replica: u16,
    alive: bool,
    lives: u64,
    view: u64,
    slots_executed: u64,
    requests_executed: u64,
    duplicates: u64,
    checkpoints: u64,
    checkpoints_installed: u64,
    messages_in: u64,
    messages_out: u64,
    messages_dropped: u64,
    digest_slot: Option<u64>,
    digest: Option<String>,
}

impl DemoReport {
    pub fn new(cluster: &Cluster, load: &Load, error: Option<&Failure>) -> Self {
        let (progress, seconds) = (load.progress(), load.elapsed().as_secs_f64());
        let mut roles: BTreeMap<String, RoleTime> = BTreeMap::new();
        let mut replicas = Vec::new();
        for replica in (0..cluster.replicas() as u16).map(ReplicaId) {
            let status = cluster.status(replica);
            let frame = cluster.frame(replica);
            for one in frame.iter().flat_map(|frame| &frame.operators) {
                let role = roles.entry(one.name.clone()).or_default();
                role.role.clone_from(&one.name);
                role.records_in += one.records_in;
                role.records_out += one.records_out;
                role.runs += one.runs;
                role.busy_us += one.busy_us;
            }
            replicas.push(ReplicaLine {
                replica: replica.0,
                alive: status.alive,
                lives: status.lives,
                view: status.view.0,
                slots_executed: status.executed.0,
                requests_executed: status.requests,
                duplicates: status.duplicates,
                checkpoints: status.checkpoints,
                checkpoints_installed: status.installed,
                messages_in: status.messages_in,
                messages_out: status.messages_out,
                messages_dropped: cluster.dropped(replica),
                digest_slot: status.digest.map(|(slot, _)| slot.0),
                digest: status.digest.map(|(_, digest)| digest.to_string()),
            });
        }
        let mut roles: Vec<RoleTime> = roles.into_values().collect();
        roles.sort_by_key(|role| std::cmp::Reverse(role.busy_us));
        let latency = |of_100| load.latency.quantile_us(of_100);
        Self {
            version: 1,
            ok: error.is_none(),
            error: error.map(ToString::to_string),
            submitted: progress.submitted,
            answered: progress.answered,
            refused_by_application: load.refused,
            counters_checked: load.counters,
            seconds,
            requests_per_second: progress.answered as f64 / seconds.max(1e-9),
            latency_us: Latency { p50: latency(50), p99: latency(99), max: latency(100) },
            longest_gap_ms: load.gap.as_secs_f64() * 1e3,
            view: replicas.iter().map(|line| line.view).max().unwrap_or(0),
            leader: cluster.leader(),
            replicas,
            roles,
        }
    }

    /// The report as JSON text.
    pub fn json(&self) -> String {
        let text = serde_json::to_string_pretty(self);
        text.expect("a report has only numbers, texts and lists") + "\n"
    }

    /// The report in this form.
    pub fn text(&self, form: OutputForm) -> String {
        match form {
            OutputForm::Text => self.tables(),
            OutputForm::Json => self.json(),
        }
    }

    fn tables(&self) -> String {
        const LEGEND: &str = "\
executed: requests, with those for sessions and checks; repeats: requests that
were answered again; checkpoints: own + installed from another replica;
in, out, lost: messages received, sent, and sent to a dead replica; state: a
digest of it\n";
        let tables =
            [self.figures().text(), self.by_replica().narrow_text(), self.by_role().text()];
        let [figures, replicas, roles] = tables;
        format!("{figures}{replicas}{LEGEND}{roles}")
    }

    fn figures(&self) -> Listing {
        let ms = |us: u64| format!("{:.2} ms", us as f64 / 1e3);
        let leader = self.leader.map_or_else(|| "none".to_owned(), |id| format!("replica {id}"));
        let rows = [
            ("requests", self.submitted.to_string()),
            ("answered exactly once", self.answered.to_string()),
            ("refused by the application", self.refused_by_application.to_string()),
            ("counters read back, all correct", self.counters_checked.to_string()),
            ("time", format!("{:.2} s", self.seconds)),
            ("throughput", format!("{:.0} requests/s", self.requests_per_second)),
            ("latency p50", ms(self.latency_us.p50)),
            ("latency p99", ms(self.latency_us.p99)),
            ("latency max", ms(self.latency_us.max)),
            ("longest gap in service", format!("{:.0} ms", self.longest_gap_ms)),
            ("view, leader", format!("{}, {}", self.view, leader)),
            ("states", self.verdict()),
        ];
        let row = |(name, value)| ListingRow::new(vec![Cell::words(name), Cell::words(value)]);
        Listing {
            columns: vec![Column::words("what", 0), Column::words("result", 0)],
            rows: rows.into_iter().map(row).collect(),
        }
    }

    fn verdict(&self) -> String {
        let first = self.replicas.first();
        let known = |line: &ReplicaLine| line.digest.is_some() && line.alive;
        let same = |line: &ReplicaLine| {
            first.is_some_and(|f| (f.digest_slot, &f.digest) == (line.digest_slot, &line.digest))
        };
        if !self.replicas.iter().all(known) {
            "not compared".to_owned()
        } else if self.replicas.iter().all(same) {
            let slot = first.and_then(|line| line.digest_slot).unwrap_or_default();
            format!("equal on all replicas at slot {slot}")
        } else {
            "DIFFER, see below".to_owned()
        }
    }

    fn by_replica(&self) -> Listing {
        let columns = [
            Column::words("replica", 0),
            Column::figures("slots", 0),
            Column::figures("executed", 0),
            Column::figures("repeats", 0),
            Column::figures("checkpoints", 0),
            Column::figures("in", 0),
            Column::figures("out", 0),
            Column::figures("lost", 0),
            Column::words("state", 0),
        ];
        let row = |line: &ReplicaLine| {
            let life = if line.alive { "" } else { " (dead)" };
            let mut checkpoints = line.checkpoints.to_string();
            if line.checkpoints_installed > 0 {
                checkpoints += &format!(" +{}", line.checkpoints_installed);
            }
            ListingRow::new(vec![
                Cell::words(format!("{}{life}", line.replica)),
                Cell::number(line.slots_executed),
                Cell::number(line.requests_executed),
                Cell::number(line.duplicates),
                Cell::words(checkpoints),
                Cell::number(line.messages_in),
                Cell::number(line.messages_out),
                Cell::number(line.messages_dropped),
                Cell::words(line.digest.as_ref().map_or("-", |it| it.get(..8).unwrap_or(it))),
            ])
        };
        Listing { columns: columns.into(), rows: self.replicas.iter().map(row).collect() }
    }

    fn by_role(&self) -> Listing {
        let columns = [
            Column::words("role", 0),
            Column::figures("records in", 0),
            Column::figures("records out", 0),
            Column::figures("runs", 0),
            Column::figures("busy ms", 0),
        ];
        let shown = self.roles.iter().filter(|role| role.records_in + role.records_out > 0);
        let row = |role: &RoleTime| {
            ListingRow::new(vec![
                Cell::words(&*role.role),
                Cell::number(role.records_in),
                Cell::number(role.records_out),
                Cell::number(role.runs),
                Cell::words(format!("{:.1}", role.busy_us as f64 / 1e3)),
            ])
        };
        Listing { columns: columns.into(), rows: shown.map(row).collect() }
    }
}
