//! Findings about a recorded cluster, from moment to moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use crate::model::types::ReplicaId;
use crate::observe::findings::Finding;
use crate::observe::frame::Frame;
use crate::observe::scene::{Scene, Sighting};

/// The first line of a recording, as far as a page needs it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RecordingHead {
    pub protocol: String,
    n: Option<u16>,
}

impl RecordingHead {
    /// That of a recording; an empty one where it cannot be read.
    pub fn of(recording: &str) -> Self {
        let line = recording.lines().next().unwrap_or_default();
        serde_json::from_str(line).unwrap_or_default()
    }
}

/// The cluster as far as the recording has been read.
struct Judge {
    n: u16,
    began_us: Option<u64>,
    seen: BTreeMap<ReplicaId, Arc<Frame>>,
    findings: Option<Vec<Finding>>,
}

/// The lines of a recording, with the findings beside each frame that changed them.
///
/// Lines that cannot be read stay as they are: the page reports them.
pub(super) fn judged(recording: &str) -> String {
    let n = RecordingHead::of(recording).n.unwrap_or(1);
    let mut judge = Judge { n, began_us: None, seen: BTreeMap::new(), findings: None };
    let lines = recording.split_inclusive('\n').map(|line| match judge.line(line) {
        Some(findings) => format!("{{\"frame\":{},\"findings\":{findings}}}\n", line.trim_end()),
        None => line.to_owned(),
    });
    lines.collect()
}

impl Judge {
    /// What is wrong after a line, as JSON, if that is something else than before it.
    fn line(&mut self, line: &str) -> Option<String> {
        let frame: Frame = serde_json::from_str(line).ok()?;
        let now_us = frame.at_us;
        let began_us = *self.began_us.get_or_insert(now_us);
        self.seen.insert(frame.status.replica, Arc::new(frame));
        // A replica without a frame may just not have had the time to publish one.
        let is_early = now_us.saturating_sub(began_us) < Scene::FRESH_US;
        if is_early && self.seen.len() < usize::from(self.n) {
            return None;
        }
        let replicas = (0..self.n).map(|replica| self.sighting(ReplicaId(replica), now_us));
        let findings = Scene::of(replicas.collect(), now_us).findings;
        if self.findings.as_ref() == Some(&findings) {
            return None;
        }
        let text = serde_json::to_string(&findings).ok();
        self.findings = Some(findings);
        text
    }

    fn sighting(&self, replica: ReplicaId, now_us: u64) -> Sighting {
        let frame = self.seen.get(&replica).cloned();
        let age_us = frame.as_ref().map_or(0, |frame| now_us.saturating_sub(frame.at_us));
        let silence = frame.is_none().then(|| "it has not been seen".to_owned());
        Sighting { replica, frame, age_us, silence, ..Sighting::default() }
    }
}
