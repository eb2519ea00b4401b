//! Sources of scenes: the replicas of a cluster, one of them, or a recorded run.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{ArgGroup, Args};
use serde::Deserialize;

use super::recording::Recording;
use crate::cli::ask::{
    self, NoAnswer, TargetArgs, Targets, last_words, of_another, seconds, unexpected_identity,
};
use crate::cli::outcome::Failure;
use crate::deploy::setup::replica_home;
use crate::deploy::supervisor::{self, PID};
use crate::model::types::ReplicaId;
use crate::observe::frame::{Frame, Happened, SlotLife, VERSION};
use crate::observe::health::{Code, STARTING};
use crate::observe::scene::{Scene, Sighting};
use crate::observe::status::ReplicaStatus;
use crate::observe::verdict::Verdict;

/// Arguments that name a cluster or a recorded run.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("targets").args(["dir", "addr", "recording"])))]
pub(in crate::cli) struct SourceArgs {
    #[command(flatten)]
    nodes: TargetArgs,
    /// A recording, such as `taraflow sim --record FILE` makes
    #[arg(long, alias = "trace", value_name = "FILE")]
    recording: Option<PathBuf>,
    /// With --recording: the moment to show, in seconds from the first frame; without it the last
    #[arg(long, value_name = "SECONDS", requires = "recording", value_parser = moment)]
    at: Option<Duration>,
    /// How long to wait for an answer, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    timeout: Duration,
}

/// Recent events and slots of a replica.
#[derive(Clone, Debug)]
pub(in crate::cli) struct ReplicaPast {
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

/// Source of scenes.
#[derive(Debug)]
pub(in crate::cli) enum SceneSource {
    /// The replicas of a cluster, each asked for itself.
    Cluster(Targets),
    /// Some replicas, each asked what it knows of all.
    Nodes(Targets),
    /// A recorded run, at a moment of it.
    Recording(Recording, u64),
}

/// After this time each replica has published another frame.
const LOOK_AGAIN: Duration = Duration::from_millis(300);

fn moment(text: &str) -> Result<Duration, String> {
    let wish = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    wish.ok_or_else(|| "must be a number, 0 or more".to_owned())
}

impl SourceArgs {
    /// How long to wait for an answer.
    pub fn patience(&self) -> Duration {
        self.timeout
    }

    /// Whether a recorded run is to be played from its first frame on.
    pub fn begins(&self) -> bool {
        self.recording.is_some() && self.at.is_none()
    }

    /// The source that is named.
    ///
    /// # Errors
    /// Which settings or recording cannot be used.
    pub fn source(&self) -> Result<SceneSource, Failure> {
        let Some(path) = &self.recording else {
            return Ok(SceneSource::of(self.nodes.targets()?));
        };
        let recording = Recording::open(path)?;
        let path = path.display();
        if recording.cut {
            let frames = recording.frames();
            say!(
                "taraflow: {path} was cut after {frames} frames: its last line is missing; these \
                 frames are shown"
            );
        }
        let (first, last) = recording.span_us();
        let wish = self.at.map_or(last, |at| first.saturating_add(at.as_micros() as u64));
        if wish > last {
            let length = (last - first) as f64 / 1e6;
            return Err(Failure::Usage(format!(
                "{path} covers {length:.2} s: --at must not be later"
            )));
        }
        Ok(SceneSource::Recording(recording, wish))
    }
}

impl SceneSource {
    /// All replicas of a cluster that is known, or those at the addresses that are.
    pub fn of(targets: Targets) -> Self {
        if targets.n.is_some() { Self::Cluster(targets) } else { Self::Nodes(targets) }
    }

    /// All replicas, now or at the moment of the recorded run.
    ///
    /// # Errors
    /// [`Failure::Silent`], or what is wrong with a frame of a recorded run.
    pub fn scene(&mut self, patience: Duration) -> Result<Scene, Failure> {
        match self {
            Self::Cluster(targets) => {
                let (sightings, absent) = ask_each(targets, patience);
                let scene = Scene::of(sightings, now_us());
                if scene.verdict == Verdict::Unreachable {
                    let silences = scene.replicas.into_iter().filter_map(last_said);
                    return Err(nobody(silences, absent));
                }
                Ok(scene)
            }
            Self::Nodes(targets) => ask_around(targets, patience),
            Self::Recording(recording, moment) => {
                Ok(Scene::of(recording.sightings(*moment)?, *moment))
            }
        }
    }

    /// The same for a verdict: frames may be a moment old, so that it takes two scenes to tell that requests
    /// are not answered.
    ///
    /// # Errors
    /// As above.
    pub fn scene_to_judge(&mut self, patience: Duration) -> Result<Scene, Failure> {
        let scene = self.scene(patience)?;
        if scene.verdict != Verdict::Down || matches!(self, Self::Recording(..)) {
            return Ok(scene);
        }
        std::thread::sleep(LOOK_AGAIN);
        self.scene(patience)
    }

    /// What the replicas that can be asked remember; those that do not answer are left out.
    pub fn pasts(&self, patience: Duration) -> Vec<ReplicaPast> {
        let past = |_, address| {
            let Story { replica, happened } = ask::get(address, "/v1/events", patience)?;
            let Slots { slots } = ask::get(address, "/v1/slots?last=64", patience)?;
            Ok(ReplicaPast { replica, happened, slots })
        };
        match self {
            Self::Cluster(targets) | Self::Nodes(targets) => {
                targets.ask(past).into_iter().flatten().collect()
            }
            Self::Recording(..) => Vec::new(),
        }
    }
}

/// The answer of a replica.
struct Answer {
    frame: Frame,
    /// Its present status: another thread than its worker answers, and reports when that has stopped.
    status: ReplicaStatus,
    /// What it knows of the others.
    scene: Scene,
}

/// Asks the replica at an address, unless something else answers there.
fn ask_one(
    replica: Option<ReplicaId>,
    address: SocketAddr,
    cluster: Option<&str>,
    patience: Duration,
) -> Result<Answer, NoAnswer> {
    let scene: Scene = ask::get(address, "/v1/scene", patience)?;
    if scene.replicas.iter().any(|seen| seen.starting) {
        return match cluster {
            Some(cluster) if cluster != scene.cluster => {
                Err(NoAnswer::Refused(of_another(&scene.cluster)))
            }
            _ => Err(NoAnswer::Starting),
        };
    }
    let frame: Frame = ask::get(address, "/v1/frame", patience)?;
    let status = ask::get(address, "/v1/status", patience)?;
    if frame.version != VERSION {
        return Err(NoAnswer::Refused(of_version(frame.version)));
    }
    match unexpected_identity(&frame.status, cluster, replica) {
        Some(who) => Err(NoAnswer::Refused(who)),
        None => Ok(Answer { frame, status, scene }),
    }
}

/// Each replica by its own answer; one that cannot be asked from here, because its admin port is for
/// another machine, by what it has shown those that can. And whether nothing at all was reached.
fn ask_each(targets: &Targets, patience: Duration) -> (Vec<Sighting>, bool) {
    let cluster = targets.cluster.as_deref();
    let answers = targets.ask(|replica, address| ask_one(replica, address, cluster, patience));
    let absent = answers.iter().all(|answer| answer.as_ref().is_err_and(NoAnswer::is_unreachable));
    let (mut sightings, mut scenes, mut mute) = (Vec::new(), Vec::new(), Vec::new());
    for ((replica, address), answer) in targets.replicas.iter().zip(answers) {
        // Those of a cluster's directory have numbers.
        let Some(replica) = *replica else { continue };
        let mut sighting = Sighting { replica, ..Sighting::default() };
        match answer {
            Ok(Answer { frame, status, scene }) => {
                let up = status.links.iter().filter(|link| link.up);
                scenes.push((up.map(|link| link.peer).collect(), scene));
                let mut reasons = status.not_ready.into_iter();
                let stopped = reasons.find(|reason| reason.code == Code::Silent);
                sighting.silence = stopped.map(|reason| reason.text);
                sighting.stuck = status.stuck;
                sighting.frame = Some(Arc::new(frame));
            }
            Err(NoAnswer::Starting) => {
                mute.push(replica);
                (sighting.starting, sighting.silence) = (true, Some(STARTING.to_owned()));
            }
            Err(silence) => {
                mute.extend(silence.was_reached().then_some(replica));
                sighting.silence = Some(format!("{address}: {silence}"));
            }
        }
        sightings.push(sighting);
    }
    // Of one that does not answer others know only how it stood before it was asked.
    let unknown = |seen: &&mut Sighting| seen.frame.is_none() && !mute.contains(&seen.replica);
    for sighting in sightings.iter_mut().filter(unknown) {
        learn_from_others(sighting, &scenes);
    }
    if let Some(directory) = &targets.directory {
        let supervised = supervisor::runs(directory);
        for sighting in &mut sightings {
            let home = directory.join(replica_home(sighting.replica.0.into()));
            sighting.last_words = last_words(&home, supervised, now_us() / 1_000);
            let runs = home.join(PID).exists() || mute.contains(&sighting.replica);
            if supervised && !runs {
                has_ended(sighting);
            }
        }
    }
    (sightings, absent)
}

/// Takes back what others have heard of a replica whose process has ended, as its supervisor knows. One that
/// can be asked is run by somebody else.
fn has_ended(sighting: &mut Sighting) {
    sighting.silence = sighting.silence.take().or_else(|| sighting.unasked.take());
    sighting.ended = sighting.silence.is_some();
}

/// Takes what others have been shown of a replica that could not be asked, if that is fresh and they
/// still have a link to it: each tells to whom it has, and what it knows.
fn learn_from_others(sighting: &mut Sighting, known: &[(Vec<ReplicaId>, Scene)]) {
    let replica = sighting.replica;
    let linked = known.iter().filter(|(linked, _)| linked.contains(&replica));
    let seen = linked.flat_map(|(_, scene)| &scene.replicas);
    let seen = seen.filter(|seen| seen.replica == replica && seen.fresh().is_some());
    if let Some(best) = seen.min_by_key(|seen| seen.age_us) {
        sighting.frame.clone_from(&best.frame);
        sighting.age_us = best.age_us;
        sighting.unasked = sighting.silence.take();
    }
}

fn ask_around(targets: &Targets, patience: Duration) -> Result<Scene, Failure> {
    let answers = targets.ask(|_, address| ask::get::<Scene>(address, "/v1/scene", patience));
    let mut scenes = Vec::new();
    let mut silences = Vec::new();
    for ((_, address), answer) in targets.replicas.iter().zip(answers) {
        match answer {
            Ok(scene) if scene.version != VERSION => {
                silences.push(format!("{address}: {}", of_version(scene.version)));
            }
            Ok(scene) => scenes.push(scene),
            Err(silence) => silences.push(format!("{address}: {silence}")),
        }
    }
    match scenes.len() {
        0 => Err(nobody(silences.into_iter(), false)),
        // A replica that is asked alone has judged already, perhaps by rules of another version.
        1 => Ok(scenes.remove(0).with_verdict()),
        _ => merge(scenes),
    }
}

/// What several replicas know, as one: of each replica the freshest sighting, its own before all others.
fn merge(scenes: Vec<Scene>) -> Result<Scene, Failure> {
    let clusters = || {
        let seen = scenes.iter().flat_map(|scene| &scene.replicas);
        seen.filter_map(|seen| Some(&seen.frame.as_ref()?.status.cluster))
    };
    if let Some(first) = clusters().next()
        && let Some(other) = clusters().find(|other| *other != first)
    {
        return Err(Failure::Usage(format!(
            "the addresses are of two clusters, {first} and {other}: ask one at a time"
        )));
    }
    let mut seen: Vec<_> = scenes.into_iter().flat_map(|scene| scene.replicas).collect();
    seen.sort_by_key(|seen| {
        // Only its own process knows what a thread is stuck in, or that it reads its disk; others still
        // hold an older frame.
        let others = seen.stuck.is_none() && !seen.starting;
        (seen.replica, others, seen.frame.is_none(), seen.silence.is_some(), seen.age_us)
    });
    seen.dedup_by_key(|seen| seen.replica);
    Ok(Scene::of(seen, now_us()))
}

/// Why a replica does not answer, and why it has ended, if that is known.
fn last_said(seen: Sighting) -> Option<String> {
    let reason = seen.last_words.reason().map_or_else(String::new, |why| format!(" ({why})"));
    Some(format!("{}{reason}", seen.silence?))
}

fn of_version(version: u32) -> String {
    format!("its frames are of version {version}, and this program reads version {VERSION}")
}

fn nobody(silences: impl Iterator<Item = String>, absent: bool) -> Failure {
    Failure::Silent { said: silences.collect::<Vec<_>>().join("; "), absent }
}

/// Microseconds since the Unix epoch.
pub(in crate::cli) fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::inspect::example;
    use crate::engine::activity::Stuck;

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
        let stuck =
            Stuck { operator: Some("executor".to_owned()), for_us: 1_500_000, checkpoint: false };
        let (seen, age_us) = (&mut other.replicas[0], 1_600_000);
        (seen.age_us, seen.silence, seen.stuck) = (age_us, Some(stuck.to_string()), Some(stuck));

        let merged = merge(vec![one, other.clone()]).unwrap();

        assert_eq!(merged.replicas[0], other.replicas[0]);
    }

    #[test]
    fn a_replica_that_cannot_be_asked_is_known_by_what_others_have_been_shown() {
        let silent = || Sighting {
            replica: ReplicaId(1),
            silence: Some("127.0.0.1:7201: refused".to_owned()),
            ..Sighting::default()
        };
        let (mut known, mut gone) = (silent(), silent());
        learn_from_others(&mut gone, &[(vec![ReplicaId(2)], example::scene())]);
        assert_eq!(gone, silent(), "nobody has a link to it");

        learn_from_others(&mut known, &[(vec![ReplicaId(1)], example::scene())]);

        assert_eq!(known.fresh().unwrap().status.replica, ReplicaId(1));
        assert_eq!(known.unasked.as_deref(), Some("127.0.0.1:7201: refused"));
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
