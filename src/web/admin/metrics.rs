//! `GET /metrics`: the figures of this replica for Prometheus.
//!
//! Labels have few values, and always the same ones: operators, replicas, kinds of things. Never a client, a
//! key, a slot or a view.

use std::fmt::Error;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType::{self, Counter, Gauge};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use super::answer::refusal;
use super::process::ProcessUsage;
use super::state::AdminState;
use crate::model::refused::Refusal;
use crate::observe::frame::{Frame, Histogram, Operator, RoleHolding};
use crate::observe::memory::MemoryStatus;
use crate::observe::saving::SavingStatus;
use crate::observe::status::{Link, ReplicaRole, ReplicaStatus};
use crate::observe::verdict::Verdict;

/// Alert rules for Prometheus.
pub const ALERTS: &str = include_str!("prometheus/alerts.yml");
/// A dashboard for Grafana.
pub const DASHBOARD: &str = include_str!("prometheus/dashboard.json");

/// The form of the answer.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The buckets of a histogram, as powers of two of nanoseconds: 65 us to 17 s.
const OCTAVES: std::ops::RangeInclusive<u32> = 16..=34;

const BYTES: Option<&Unit> = Some(&Unit::Bytes);

/// The figures; of a replica that has not started only that.
pub(super) async fn metrics(State(state): State<Arc<AdminState>>) -> Response {
    let frame = state.boards[state.me.0 as usize].frame().map(|(frame, _)| frame);
    let status = state.status().map(|(status, _)| status);
    let (ready, verdict) = (state.reasons().is_empty(), state.scene().verdict);
    let common = [
        ("node", state.me.to_string()),
        ("protocol", status.as_ref().map_or(String::new(), |status| status.protocol.clone())),
    ];
    let labels = common.map(|(name, value)| (name.into(), value.into()));
    let mut registry = Registry::with_prefix_and_labels("taraflow", labels.into_iter());
    registry.register_collector(Box::new(Figures { status, frame, ready, verdict }));
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        // Nothing but a full memory makes a string refuse text.
        Err(error) => refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

#[derive(Debug)]
struct Figures {
    status: Option<ReplicaStatus>,
    frame: Option<Arc<Frame>>,
    ready: bool,
    verdict: Verdict,
}

/// A figure and the label that tells it from others of its name.
type Labelled<'a> = (&'a str, f64);

struct Writer<'a>(DescriptorEncoder<'a>);

fn truth(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

impl Collector for Figures {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut to = Writer(encoder);
        to.gauge("up", "Whether the replica has started.", truth(self.status.is_some()))?;
        to.process(&ProcessUsage::now())?;
        if let Some(status) = &self.status {
            let help = "Whether it serves in full, in a cluster that answers.";
            to.gauge("ready", help, truth(self.ready))?;
            let verdicts =
                Verdict::ALL.map(|verdict| (verdict.name(), truth(verdict == self.verdict)));
            let help =
                "The state of the cluster, as the replica sees it: 1 for the one that holds.";
            to.family(("cluster", help, None, Gauge), "verdict", verdicts)?;
            to.replica(status)?;
            to.links(&status.links)?;
        }
        if let Some(frame) = &self.frame {
            to.frame(frame)?;
            to.operators(&frame.operators)?;
        }
        Ok(())
    }
}

impl Writer<'_> {
    fn gauge(&mut self, name: &str, help: &str, value: f64) -> Result<(), Error> {
        let gauge = ConstGauge::new(value);
        gauge.encode(self.0.encode_descriptor(name, help, None, Gauge)?)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> Result<(), Error> {
        let counter = ConstCounter::new(value);
        counter.encode(self.0.encode_descriptor(name, help, None, Counter)?)
    }

    /// A figure for each value of a label.
    fn family<'a>(
        &mut self,
        (name, help, unit, kind): (&str, &str, Option<&Unit>, MetricType),
        label: &str,
        values: impl IntoIterator<Item = Labelled<'a>>,
    ) -> Result<(), Error> {
        let mut family = self.0.encode_descriptor(name, help, unit, kind)?;
        for (value, figure) in values {
            let labels = [(label, value)];
            let one = family.encode_family(&labels)?;
            match kind {
                Counter => ConstCounter::new(figure).encode(one)?,
                _ => ConstGauge::new(figure).encode(one)?,
            }
        }
        Ok(())
    }

    fn process(&mut self, usage: &ProcessUsage) -> Result<(), Error> {
        let build = [(env!("CARGO_PKG_VERSION"), 1.0)];
        let name = ("build", "The version of the program.", None, Gauge);
        self.family(name, "version", build)?;
        if let Some(seconds) = usage.cpu_seconds {
            let counter = ConstCounter::new(seconds);
            let (name, help) = ("process_cpu_seconds", "Processor time used.");
            counter.encode(self.0.encode_descriptor(name, help, None, Counter)?)?;
        }
        for (name, help, value) in [
            ("process_resident_memory_bytes", "Bytes in memory.", usage.resident_bytes),
            ("process_open_fds", "Open files and sockets.", usage.open_files),
            ("process_max_fds", "How many there may be.", usage.open_files_max),
            ("process_threads", "Threads.", usage.threads),
        ] {
            if let Some(value) = value {
                self.gauge(name, help, value)?;
            }
        }
        Ok(())
    }

    fn replica(&mut self, status: &ReplicaStatus) -> Result<(), Error> {
        let seconds = |us: u64| us as f64 / 1e6;
        self.gauge("leader", "Whether it leads.", truth(status.role == ReplicaRole::Leader))?;
        self.gauge("view", "The view it is in.", status.view.0 as f64)?;
        self.gauge("executed_slots", "Slots executed.", status.executed.0 as f64)?;
        self.gauge("stable_slots", "Slots in the stable checkpoint.", status.stable.0 as f64)?;
        self.gauge("lag_slots", "Slots by which the furthest peer is ahead.", status.lag as f64)?;
        let help = "Whether its thread is stuck in one operator, or in its disk.";
        self.gauge("stuck", help, truth(status.stuck.is_some()))?;
        self.gauge("fenced", "Whether it waits for its disk.", truth(status.fenced))?;
        self.counter("requests", "Requests executed since it started.", status.requests)?;
        self.counter("duplicates", "Requests answered again.", status.duplicates)?;
        self.counter("reads", "Reads answered that did not pass the log.", status.reads)?;
        let help = "Requests of Redis clients answered with UNKNOWN.";
        self.counter("unknown", help, status.clients.unknown)?;
        let help = "Redis clients turned away because there were too many.";
        self.counter("clients_refused", help, status.clients.refused)?;
        self.counter("checkpoints", "Checkpoints cut.", status.checkpoints)?;
        let diverged = status.diverged.len() as u64;
        self.counter("divergences", "States that differ from another's.", diverged)?;
        let waiting = status.clients.waiting_bytes as f64;
        self.gauge("waiting_request_bytes", "Bytes of requests not proposed.", waiting)?;
        let clients =
            [("native", status.clients.native as f64), ("redis", status.clients.redis as f64)];
        self.family(("clients", "Clients.", None, Gauge), "kind", clients)?;
        let ended = &status.connections_ended;
        let ended = ended.iter().map(|(reason, count)| (reason.as_str(), *count as f64));
        let name = ("connections_ended", "Connections that have ended.", None, Counter);
        self.family(name, "reason", ended)?;
        if let Some(disk) = &status.disk {
            self.counter("disk_syncs", "Syncs of files.", disk.syncs)?;
            let took = [("0.5", seconds(disk.median_us)), ("0.99", seconds(disk.p99_us))];
            let took = took.into_iter().chain([("1", seconds(disk.max_us))]);
            let name = ("disk_sync", "How long syncs take.", Some(&Unit::Seconds), Gauge);
            self.family(name, "quantile", took)?;
            let took = [("0.5", disk.recent_median_us), ("0.99", disk.recent_p99_us)];
            let took = took.map(|(quantile, us)| (quantile, seconds(us)));
            let help = "How long the syncs of the last ten seconds took.";
            let name = ("disk_sync_recent", help, Some(&Unit::Seconds), Gauge);
            self.family(name, "quantile", took)?;
            let help = "For how long a sync has been under way.";
            self.gauge("disk_syncing_seconds", help, seconds(disk.syncing_us))?;
            self.gauge("disk_full", "Whether the disk has no room.", truth(disk.full))?;
            self.saving(disk.saving.as_ref())?;
        }
        self.memory(&status.memory)
    }

    /// All are 0 while no checkpoint is on its way.
    fn saving(&mut self, saving: Option<&SavingStatus>) -> Result<(), Error> {
        let figure = |of: fn(&SavingStatus) -> u64| saving.map_or(0, of) as f64;
        for (name, help, value) in [
            (
                "saving_parts_done",
                "Parts of the checkpoint on its way written.",
                figure(|it| it.parts_done),
            ),
            ("saving_parts", "How many of its parts are to be written.", figure(|it| it.parts)),
            ("saving_bytes", "Bytes of it written.", figure(|it| it.bytes)),
        ] {
            self.gauge(name, help, value)?;
        }
        Ok(())
    }

    fn memory(&mut self, memory: &MemoryStatus) -> Result<(), Error> {
        let limit = memory.state_bytes_max.unwrap_or(0);
        for (name, help, value) in [
            ("state_limit_bytes", "Bytes there may be of it; 0: any number.", limit),
            (
                "copied_bytes",
                "Bytes that only the checkpoint on its way holds.",
                memory.copied_bytes,
            ),
            ("recent_bytes", "Bytes of decided slots that are kept.", memory.recent_bytes),
            ("sessions_bytes", "Bytes of results that sessions keep.", memory.sessions_bytes),
            (
                "blocked_bytes",
                "Bytes of records that a disk has no room for.",
                memory.journal_bytes,
            ),
        ] {
            self.gauge(name, help, value as f64)?;
        }
        match memory.state_bytes {
            Some(bytes) => {
                self.gauge("state_bytes", "Bytes of the application's state.", bytes as f64)
            }
            None => Ok(()),
        }
    }

    fn links(&mut self, links: &[Link]) -> Result<(), Error> {
        let peers: Vec<String> = links.iter().map(|link| link.peer.to_string()).collect();
        let mut each = |kind, name, help, unit, figure: fn(&Link) -> f64| {
            let values = peers.iter().zip(links).map(|(peer, link)| (peer.as_str(), figure(link)));
            self.family((name, help, unit, kind), "peer", values)
        };
        each(Gauge, "link_up", "Whether the link is up.", None, |link| truth(link.up))?;
        each(Counter, "link_messages", "Messages sent.", None, |link| link.sent as f64)?;
        each(Counter, "link_sent", "Bytes sent.", BYTES, |link| link.sent_bytes as f64)?;
        let help = "Messages that found the link down or full.";
        each(Counter, "link_dropped", help, None, |link| link.dropped as f64)?;
        each(Gauge, "link_queued", "Bytes that wait.", BYTES, |link| link.queued_bytes as f64)?;
        let help = "Bytes that may wait.";
        each(Gauge, "link_queue_limit", help, BYTES, |link| link.queued_bytes_max as f64)
    }

    fn frame(&mut self, frame: &Frame) -> Result<(), Error> {
        let counts = frame.counts.iter().map(|(kind, count)| (kind.as_str(), *count as f64));
        let name = ("events", "Things that happened.", None, Counter);
        self.family(name, "kind", counts)?;
        let refused = Refusal::ALL.map(|why| {
            let of = |holding: &RoleHolding| holding.refused.get(why.name()).copied().unwrap_or(0);
            (why.name(), frame.holdings.iter().map(of).sum::<u64>() as f64)
        });
        let name = ("refused", "Messages rejected.", None, Counter);
        self.family(name, "reason", refused)?;
        self.counter("observer_lost", "Details the observer left out.", frame.lost)?;
        let Histogram { sum_us, below_ns } = &frame.latencies;
        let help = "From when a request's batch was packed here to when it was executed.";
        let kind = MetricType::Histogram;
        let mut encoder = self.0.encode_descriptor("request_latency_seconds", help, None, kind)?;
        let (mut buckets, mut seen) = (Vec::new(), 0);
        for octave in OCTAVES {
            let below = 1_u64 << octave;
            let upto: u64 = below_ns.iter().filter(|(ns, _)| *ns <= below).map(|(_, n)| n).sum();
            buckets.push((below as f64 / 1e9, upto - seen));
            seen = upto;
        }
        let count: u64 = below_ns.iter().map(|(_, n)| n).sum();
        buckets.push((f64::INFINITY, count - seen));
        encoder.encode_histogram::<NoLabelSet>(*sum_us as f64 / 1e6, count, &buckets, None)
    }

    fn operators(&mut self, operators: &[Operator]) -> Result<(), Error> {
        let mut each = |kind, name, help, unit, figure: fn(&Operator) -> Option<f64>| {
            let values = operators.iter().filter_map(|it| Some((it.name.as_str(), figure(it)?)));
            self.family((name, help, unit, kind), "op", values)
        };
        let busy = |it: &Operator| Some(it.busy_us as f64 / 1e6);
        each(Counter, "operator_busy", "How long it ran.", Some(&Unit::Seconds), busy)?;
        each(Counter, "operator_runs", "Times it ran.", None, |it| Some(it.runs as f64))?;
        let taken = |it: &Operator| Some(it.records_in as f64);
        each(Counter, "operator_records_in", "Records taken.", None, taken)?;
        let sent = |it: &Operator| Some(it.records_out as f64);
        each(Counter, "operator_records_out", "Records sent.", None, sent)?;
        let frontier = |it: &Operator| Some(it.frontier?.0 as f64);
        each(Gauge, "operator_frontier_slots", "Slots it has seen the end of.", None, frontier)
    }
}
