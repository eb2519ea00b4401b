//! Where scenes come from: the replicas of a cluster, what one of them knows of all, or a recorded run.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{ArgGroup, Args};
use serde::Deserialize;

use super::recording::Recording;
use crate::cli::ask::{self, Nodes, Silence, Whom, seconds, stranger};
use crate::error::Error;
use crate::observe::frame::{Frame, Happened, SlotLife, VERSION};
use crate::observe::health::Code;
use crate::observe::scene::{Scene, Sighting};
use crate::observe::status::ReplicaStatus;
use crate::types::ReplicaId;

/// Which cluster, or which run.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("whom").args(["dir", "addr", "trace"])))]
pub(in crate::cli) struct Place {
    #[command(flatten)]
    nodes: Nodes,
    /// A recorded run
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// With --trace: the moment to show, in seconds from the first frame; without it the last
    #[arg(long, value_name = "SECONDS", requires = "trace", value_parser = moment)]
    at: Option<Duration>,
    /// How long to wait for an answer, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    timeout: Duration,
}

/// What a replica remembers of late.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Past {
    pub replica: ReplicaId,
    pub happened: Vec<Happened>,
    pub slots: Vec<SlotLife>,
}

#[derive(Deserialize)]
struct Story {
    replica: ReplicaId,
    happened: Vec<Happened>,
}

#[derive(Deserialize)]
struct Slots {
    slots: Vec<SlotLife>,
}

/// Where scenes come from.
#[derive(Debug)]
pub(in crate::cli) enum Source {
    /// The replicas of a cluster, each asked for itself.
    Cluster(Whom),
    /// Some replicas, each asked what it knows of all.
    Nodes(Whom),
    /// A recorded run, at a moment of it.
    Recording(Recording, u64),
}

fn moment(text: &str) -> Result<Duration, String> {
    let wish = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    wish.ok_or_else(|| "must be a number, 0 or more".to_owned())
}

impl Place {
    /// How long to wait for an answer.
    pub fn patience(&self) -> Duration {
        self.timeout
    }

    /// Whether a recorded run is to be played from its first frame on.
    pub fn begins(&self) -> bool {
        self.trace.is_some() && self.at.is_none()
    }

    /// What is meant.
    ///
    /// # Errors
    /// Which settings or trace cannot be used.
    pub fn source(&self) -> Result<Source, Error> {
        let Some(path) = &self.trace else {
            let whom = self.nodes.whom()?;
            // Who knows the cluster asks all of it.
            return Ok(if whom.n.is_some() { Source::Cluster(whom) } else { Source::Nodes(whom) });
        };
        let recording = Recording::open(path)?;
        let path = path.display();
        if recording.cut {
            let frames = recording.frames();
            eprintln!(
                "taraflow: {path} was cut after {frames} frames: its last line is missing; what is \
                 there is shown"
            );
        }
        let (first, last) = recording.span_us();
        let wish = self.at.map_or(last, |at| first.saturating_add(at.as_micros() as u64));
        if wish > last {
            let length = (last - first) as f64 / 1e6;
            return Err(Error::Usage(format!(
                "{path} covers {length:.2} s: --at must not be beyond"
            )));
        }
        Ok(Source::Recording(recording, wish))
    }
}

impl Source {
    /// All replicas, now or at the moment of the recorded run.
    ///
    /// # Errors
    /// [`Error::NobodyAnswers`], or what is wrong with a frame of a recorded run.
    pub fn scene(&mut self, patience: Duration) -> Result<Scene, Error> {
        match self {
            Self::Cluster(whom) => {
                let sightings = ask_each(whom, patience);
                if sightings.iter().all(|seen| seen.frame.is_none()) {
                    return Err(nobody(sightings.iter().filter_map(|seen| seen.silence.clone())));
                }
                Ok(Scene::of(sightings, now_us()))
            }
            Self::Nodes(whom) => ask_around(whom, patience),
            Self::Recording(recording, moment) => {
                Ok(Scene::of(recording.sightings(*moment)?, *moment))
            }
        }
    }

    /// What those who can be asked remember of late; who does not tell is left out.
    pub fn pasts(&self, patience: Duration) -> Vec<Past> {
        let past = |address| {
            let Story { replica, happened } = ask::get(address, "/v1/events", patience)?;
            let Slots { slots } = ask::get(address, "/v1/slots?last=64", patience)?;
            Ok(Past { replica, happened, slots })
        };
        match self {
            Self::Cluster(whom) | Self::Nodes(whom) => {
                whom.ask(past).into_iter().flatten().collect()
            }
            Self::Recording(..) => Vec::new(),
        }
    }
}

/// A frame of the replica at `address`, and how the replica stands by now: who answers is another thread,
/// and says so when its worker has stopped.
fn ask_one(address: SocketAddr, patience: Duration) -> Result<(Frame, ReplicaStatus), Silence> {
    let frame = ask::get(address, "/v1/frame", patience)?;
    Ok((frame, ask::get(address, "/v1/status", patience)?))
}

fn ask_each(whom: &Whom, patience: Duration) -> Vec<Sighting> {
    let answers = whom.ask(|address| ask_one(address, patience));
    let mut sightings = Vec::new();
    for ((replica, address), answer) in whom.replicas.iter().zip(answers) {
        // Those of a cluster's directory have numbers.
        let Some(replica) = *replica else { continue };
        let nothing = |why: String| (None, Some(format!("{address}: {why}")), None);
        let (frame, silence, stuck) = match answer {
            Ok((frame, _)) if frame.version != VERSION => nothing(of_version(frame.version)),
            Ok((frame, status)) => {
                match stranger(&frame.status, whom.cluster.as_deref(), Some(replica)) {
                    Some(who) => nothing(who),
                    None => {
                        let mut reasons = status.not_ready.into_iter();
                        let stopped = reasons.find(|reason| reason.code == Code::Silent);
                        let silence = stopped.map(|reason| reason.text);
                        (Some(Arc::new(frame)), silence, status.stuck)
                    }
                }
            }
            Err(silence) => nothing(silence.to_string()),
        };
        sightings.push(Sighting { replica, frame, age_us: 0, silence, stuck });
    }
    sightings
}

fn ask_around(whom: &Whom, patience: Duration) -> Result<Scene, Error> {
    let answers = whom.ask(|address| ask::get::<Scene>(address, "/v1/scene", patience));
    let mut scenes = Vec::new();
    let mut silences = Vec::new();
    for ((_, address), answer) in whom.replicas.iter().zip(answers) {
        match answer {
            Ok(scene) if scene.version != VERSION => {
                silences.push(format!("{address}: {}", of_version(scene.version)));
            }
            Ok(scene) => scenes.push(scene),
            Err(silence) => silences.push(format!("{address}: {silence}")),
        }
    }
    match scenes.len() {
        0 => Err(nobody(silences.into_iter())),
        1 => Ok(scenes.remove(0)),
        _ => merge(scenes),
    }
}

/// What several replicas know, as one: of each replica the freshest sighting, its own before all others.
fn merge(scenes: Vec<Scene>) -> Result<Scene, Error> {
    let clusters = || {
        let seen = scenes.iter().flat_map(|scene| &scene.replicas);
        seen.filter_map(|seen| Some(&seen.frame.as_ref()?.status.cluster))
    };
    if let Some(first) = clusters().next()
        && let Some(other) = clusters().find(|other| *other != first)
    {
        return Err(Error::Usage(format!(
            "the addresses are of two clusters, {first} and {other}: ask one at a time"
        )));
    }
    let mut freshest: BTreeMap<ReplicaId, Sighting> = BTreeMap::new();
    for seen in scenes.into_iter().flat_map(|scene| scene.replicas) {
        let rank = |seen: &Sighting| {
            // Only its own process knows what a thread is stuck in; others still hold an older frame.
            let others = seen.stuck.is_none();
            (others, seen.frame.is_none(), seen.silence.is_some(), seen.age_us)
        };
        match freshest.entry(seen.replica) {
            Entry::Vacant(place) => drop(place.insert(seen)),
            Entry::Occupied(mut place) if rank(&seen) < rank(place.get()) => {
                place.insert(seen);
            }
            Entry::Occupied(_) => {}
        }
    }
    Ok(Scene::of(freshest.into_values().collect(), now_us()))
}

fn of_version(version: u32) -> String {
    format!("it speaks version {version} of what this program reads in version {VERSION}")
}

fn nobody(silences: impl Iterator<Item = String>) -> Error {
    Error::Silent { said: silences.collect::<Vec<_>>().join("; ") }
}

/// Microseconds since the Unix epoch.
pub(in crate::cli) fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::inspect::example;
    use crate::observe::doing::Stuck;

    #[test]
    fn of_what_several_know_of_a_replica_the_freshest_is_taken() {
        let (mut one, mut other) = (example::scene(), example::scene());
        one.replicas[0].age_us = 900_000;
        other.replicas[0].age_us = 1_000;
        other.replicas[1].silence = Some("nothing was heard of it".to_owned());
        other.replicas.truncate(2);

        let merged = merge(vec![one.clone(), other.clone()]).unwrap();

        let expected =
            [&other.replicas[0], &one.replicas[1], &one.replicas[2]].map(|seen| seen.clone());
        assert_eq!(merged.replicas, expected);
    }

    #[test]
    fn a_stuck_replica_s_own_word_counts_more_than_what_others_still_hold_of_it() {
        let (one, mut other) = (example::scene(), example::scene());
        let stuck = Stuck { operator: Some("executor".to_owned()), for_us: 1_500_000 };
        let (seen, age_us) = (&mut other.replicas[0], 1_600_000);
        (seen.age_us, seen.silence, seen.stuck) = (age_us, Some(stuck.to_string()), Some(stuck));

        let merged = merge(vec![one, other.clone()]).unwrap();

        assert_eq!(merged.replicas[0], other.replicas[0]);
    }

    #[test]
    fn replicas_of_two_clusters_are_not_mixed() {
        let (one, mut other) = (example::scene(), example::scene());
        let frame = other.replicas[0].frame.as_mut().unwrap();
        Arc::make_mut(frame).status.cluster = "2".to_owned();

        let error = merge(vec![one, other]).unwrap_err();

        assert!(error.to_string().contains("two clusters, 1 and 2"), "{error}");
    }
}
