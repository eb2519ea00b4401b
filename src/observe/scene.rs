//! All replicas of a cluster, each as it was last seen.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::findings::{self, Finding};
use super::frame::{Frame, VERSION};
use super::verdict::Verdict;
use crate::engine::activity::Stuck;
use crate::model::quorum::Tolerance;
use crate::model::types::ReplicaId;

/// What is known of a cluster, by one of its replicas or by somebody who asked all of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Scene {
    /// The version of the [format](super::frame::VERSION).
    pub version: u32,
    /// The cluster's number, in hexadecimal; empty where whoever put this together does not know
    /// it.
    #[serde(default)]
    pub cluster: String,
    /// When this was put together, by the clock of whoever did.
    pub at_us: u64,
    /// Each replica of the cluster, in order.
    pub replicas: Vec<Sighting>,
    /// The judgement.
    #[serde(default)]
    pub verdict: Verdict,
    /// What is wrong, the worst first; empty if nothing is.
    pub findings: Vec<Finding>,
}

/// A replica as it was last seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sighting {
    /// The replica.
    pub replica: ReplicaId,
    /// Its latest frame; nothing if it was never seen.
    pub frame: Option<Arc<Frame>>,
    /// How long ago that frame arrived, in microseconds.
    pub age_us: u64,
    /// Why there is no frame, or none that is fresh.
    pub silence: Option<String>,
    /// What its thread does not come back from, by the word of its own process.
    #[serde(default)]
    pub stuck: Option<Stuck>,
    /// Whether it is known not to run.
    #[serde(default)]
    pub ended: bool,
    /// Whether its process runs and reads its disk, by its own word.
    #[serde(default)]
    pub starting: bool,
    /// Why it could not be asked itself, where its frame came by another replica.
    #[serde(default)]
    pub unasked: Option<String>,
    /// What its directory tells of its end, where that can be read.
    #[serde(default)]
    pub last_words: LastWords,
}

/// What the log of a replica's process, and who runs it, tell of its end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LastWords {
    /// Why it has ended, if the last thing it said is that.
    pub end: Option<String>,
    /// What it said when it last panicked, and how many seconds ago, if that was lately.
    pub panic: Option<(String, u64)>,
    /// What its supervisor says is wrong with it, and what helps.
    #[serde(default)]
    pub trouble: Option<String>,
}

impl Scene {
    /// A frame that is older than this is no longer taken for how its replica stands, in
    /// microseconds.
    pub const FRESH_US: u64 = 3_000_000;

    /// The cluster of these replicas, and what is wrong with it.
    pub fn of(mut replicas: Vec<Sighting>, at_us: u64) -> Self {
        for sighting in &mut replicas {
            if sighting.frame.is_some() && sighting.age_us > Self::FRESH_US {
                sighting.silence.get_or_insert_with(|| unheard_for(sighting.age_us));
            }
        }
        let (findings, verdict) = (findings::find(&replicas), Verdict::default());
        let cluster = String::new();
        Self { version: VERSION, cluster, at_us, replicas, verdict, findings }.with_verdict()
    }

    /// The same, with the verdict that its findings amount to.
    pub fn with_verdict(self) -> Self {
        let seen = |sighting: &Sighting| sighting.frame.is_some() || sighting.starting;
        let seen = self.replicas.iter().any(seen);
        let verdict = if seen { Verdict::of(&self.findings) } else { Verdict::Unreachable };
        Self { verdict, ..self }
    }
}

/// How many of these replicas decide together, by their own word; more than half where none has
/// said.
pub fn quorum(replicas: &[Sighting]) -> usize {
    let told = replicas.iter().filter_map(|seen| Some(seen.frame.as_ref()?.status.quorum));
    told.filter(|quorum| *quorum > 0)
        .max()
        .unwrap_or_else(|| Tolerance::Crash.quorum(replicas.len()))
}

impl Sighting {
    /// Why it is silent, and since when it has not been seen, if it ever was.
    pub fn silence_since(&self) -> Option<String> {
        let silence = self.silence.as_ref()?;
        let told = self.frame.is_none() || *silence == unheard_for(self.age_us);
        let seconds = self.age_us as f64 / 1e6;
        let since = format!("{silence}; last seen {seconds:.1} s ago");
        Some(if told { silence.clone() } else { since })
    }

    /// The frame, if it still says how the replica stands.
    pub fn fresh(&self) -> Option<&Frame> {
        self.frame.as_deref().filter(|_| self.silence.is_none())
    }
}

impl LastWords {
    /// Why it has ended, as a reason: by the word of its supervisor, who knows how often and what
    /// follows, or of its log.
    pub fn reason(&self) -> Option<String> {
        let trouble =
            self.trouble.as_ref().map(|trouble| format!("its supervisor says: it {trouble}"));
        trouble.or_else(|| Some(format!("its log ends: {}", self.end.as_ref()?)))
    }
}

/// That nothing has been heard of a replica for so long.
fn unheard_for(age_us: u64) -> String {
    format!("nothing has been heard of it for {:.0} s", age_us as f64 / 1e6)
}
