//! `taraflow demo`: a cluster in this process that serves while replicas are killed and come back.

mod faults;
mod input;
mod keep;
mod load;
mod open;
mod report;
mod story;
mod totals;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use crossbeam_channel::bounded;

use super::args::ProtocolArgs;
use super::args::{at_least_one, whole};
use super::output::{OutputForm, print};
use super::program::Program;
use crate::cli::outcome::Failure;
use crate::hosts::embedded::{Cluster, EmbeddedSettings, Status};
use crate::model::types::ReplicaId;

use faults::{DemoFaults, KillAt};
use input::DemoInput;
use keep::KeptFiles;
use load::Load;
use report::DemoReport;
use story::DemoStory;

/// Run a cluster in this process, kill its leader in the middle, and check that nothing is lost.
///
/// Feeds Redis commands to a replicated key-value service. The replicas are threads of this process,
/// each with a journal and checkpoints on a disk in memory. Killed replicas, if a majority is left,
/// come back about a second later from their disks and catch up.
///
/// Exit codes: 0 every request was answered exactly once and all replicas hold the same state;
/// 1 something else failed; 2 the command line or the input is wrong; 4 no majority is left;
/// 7 an answer, an effect or a replica's state is not what it must be.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Demo {
    /// How many replicas [default: the fewest that survive a failure, which is 3 for most protocols]
    #[arg(long, value_name = "N", value_parser = whole::<usize>)]
    replicas: Option<usize>,
    #[command(flatten)]
    spoken: ProtocolArgs,
    /// Redis commands, one a line or as RESP; `-` is standard input. Default: commands made from the
    /// texts of licences that come with this program.
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// When to kill: a percentage of the requests, or the number of a request.
    #[arg(long, value_name = "PERCENT%|REQUEST", default_value = "50%")]
    kill_leader_at: KillAt,
    /// How many replicas to kill, the leader first.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole::<usize>)]
    kill: usize,
    /// Chooses which text comes first, and who is killed after the leader.
    #[arg(long, value_name = "S", default_value_t = 0, value_parser = whole::<u64>)]
    seed: u64,
    /// Write each replica's files and the report to this directory, which must be empty or new.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// How many requests to send; the input is repeated or cut.
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    requests: Option<u64>,
    /// How many requests may be open at a time.
    #[arg(long, value_name = "N", default_value_t = 1024,
          value_parser = clap::value_parser!(u64).range(1..=65_536))]
    outstanding: u64,
    /// Show the cluster on a page, under a steady load, until Ctrl-C: kill, pause and restart replicas there.
    #[arg(long, conflicts_with_all = ["input", "requests", "keep", "kill", "kill_leader_at"])]
    open: bool,
    /// The port of that page.
    #[arg(long, value_name = "PORT", default_value_t = 7200, requires = "open",
          value_parser = whole::<u16>)]
    port: u16,
    /// How to print the report.
    #[arg(short, long, value_enum, default_value_t)]
    output: OutputForm,
}

const EXAMPLES: &str = "\
Examples:
  taraflow demo                                 kill the leader of three replicas in the middle
  taraflow demo --replicas 5 --kill 2           two of five, the leader first
  taraflow demo --replicas 3 --kill 2           too many: says who is missing, exit code 4
  taraflow demo --input commands.txt -o json    your own commands, the report as JSON
  taraflow demo --open                          watch it in a browser, and kill replicas yourself
  taraflow demo --requests 10000000 --keep out  ten million requests; journals and report in out/";

impl Demo {
    /// Runs the demo, and prints the report to standard output and all else to standard error.
    ///
    /// # Errors
    /// Why it could not run, or what was not as it must be.
    pub(super) fn run(&self, program: &Program) -> Result<(), Failure> {
        let (watcher, seen) = bounded(1024);
        let protocol = self.spoken.protocol()?;
        let replicas = self.replicas.unwrap_or(protocol.tolerance().smallest());
        let mut settings = EmbeddedSettings::new(replicas);
        settings.config.tolerance = protocol.tolerance();
        settings.config.client_window = self.outstanding;
        settings.config.batch_bytes_max = 4 << 20;
        // Often, so that the journals in memory stay small.
        settings.config.checkpoint_every = 250;
        settings.config.window = 1000;
        settings.config.check()?;
        let embed = |settings| {
            protocol.embed(settings, Arc::clone(&program.service)).map_err(Failure::from)
        };
        if self.open {
            return open::run(embed, settings, self.port);
        }
        settings.watcher = Some(watcher);
        if self.kill > replicas {
            let kill = self.kill;
            return Err(Failure::Usage(format!(
                "--kill {kill}: there are only {replicas} replicas"
            )));
        }
        let keep = self.keep.as_deref().map(KeptFiles::prepare).transpose()?;
        let input = DemoInput::open(self.input.as_deref(), self.requests, self.seed)?;
        let cluster = embed(settings)?;
        let total = input.total();
        let mut play = Play {
            faults: DemoFaults::new(self.kill_leader_at, self.kill, self.seed, total),
            load: Load::new(cluster.client(), self.outstanding as usize),
            story: DemoStory::new(seen, total),
            cluster,
            input,
        };
        let outcome = play.play();
        play.story.end(&play.cluster);
        let report = DemoReport::new(&play.cluster, &play.load, outcome.as_ref().err());
        print(&report.text(self.output))?;
        if let Some(keep) = keep {
            keep.write(&play.cluster, &report)?;
        }
        outcome
    }
}

struct Play {
    cluster: Cluster,
    input: DemoInput,
    load: Load,
    faults: DemoFaults,
    story: DemoStory,
}

impl Play {
    /// Nothing is answered for so long: without a majority that is the end, with one it is a fault.
    const SILENCE_WITHOUT_QUORUM: Duration = Duration::from_secs(3);
    const SILENCE: Duration = Duration::from_secs(30);

    fn play(&mut self) -> Result<(), Failure> {
        self.load.connect()?;
        loop {
            self.load.fill(&mut self.input, self.faults.kill_at())?;
            let progress = self.load.progress();
            self.faults.step(&mut self.cluster, progress, &mut self.story)?;
            self.story.tell(&self.cluster, progress.answered);
            if self.load.open() == 0 && progress.submitted == self.input.total() {
                if self.faults.are_over() {
                    break;
                }
                continue;
            }
            self.load.receive()?;
            self.check_service()?;
        }
        self.load.finish();
        self.load.check_totals()?;
        self.settle()
    }

    fn statuses(&self) -> Vec<(ReplicaId, Status)> {
        let replicas = (0..self.cluster.replicas() as u16).map(ReplicaId);
        replicas.map(|replica| (replica, self.cluster.status(replica))).collect()
    }

    /// Fails once no more answers can be expected.
    fn check_service(&self) -> Result<(), Failure> {
        let silence = self.load.silence();
        if silence < Self::SILENCE_WITHOUT_QUORUM {
            return Ok(());
        }
        let n = self.cluster.replicas();
        let (alive, missing): (Vec<_>, Vec<_>) =
            self.statuses().into_iter().partition(|(_, status)| status.alive);
        let missing: Vec<String> = missing.iter().map(|(replica, _)| replica.to_string()).collect();
        let needed = self.cluster.quorum();
        if alive.len() < needed {
            let alive = alive.len();
            let (missing, open) = (missing.join(", "), self.load.open());
            return Err(Failure::NoQuorum { alive, needed, n, missing, open });
        }
        if silence >= Self::SILENCE {
            return Err(Failure::Stalled { open: self.load.open(), silent_s: silence.as_secs() });
        }
        Ok(())
    }

    /// Waits until all replicas have executed the same slots, and compares their states.
    fn settle(&mut self) -> Result<(), Failure> {
        let until = Instant::now() + Self::SILENCE;
        loop {
            let statuses = self.statuses();
            self.story.tell(&self.cluster, self.load.progress().answered);
            if let Some((replica, why)) =
                statuses.iter().find_map(|(r, status)| Some((r, status.failed.clone()?)))
            {
                return Err(Failure::integrity(format!("replica {replica} has failed: {why}")));
            }
            let mut diverged = statuses.iter().flat_map(|(_, status)| &status.diverged);
            if let Some((slot, replica)) = diverged.next() {
                let said = format!("replica {replica} reports another state at slot {slot}");
                return Err(Failure::integrity(said));
            }
            let digests: Vec<_> = statuses.iter().filter_map(|(_, status)| status.digest).collect();
            let same_slot = digests.windows(2).all(|pair| pair[0].0 == pair[1].0);
            if same_slot && digests.len() == statuses.len() {
                let same = digests.windows(2).all(|pair| pair[0].1 == pair[1].1);
                let said = || "the replicas' states differ at the same slot".to_owned();
                return if same { Ok(()) } else { Err(Failure::integrity(said())) };
            }
            if Instant::now() >= until {
                let waited_s = Self::SILENCE.as_secs();
                return Err(Failure::Behind { waited_s });
            }
            statuses.iter().for_each(|(replica, _)| self.cluster.look(*replica));
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}
