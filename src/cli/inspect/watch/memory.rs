//! Memory of the last frame of each replica, however old.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::cli::inspect::sources::now_us;
use crate::cli::outcome::Failure;
use crate::model::types::ReplicaId;
use crate::observe::frame::Frame;
use crate::observe::scene::{Scene, Sighting};

/// A replica of which the same frame comes for so long does not move: one is made four times a second,
/// and what others pass on is up to a second older.
const FRESH: Duration = Duration::from_secs(3);

/// One answer that does not come is no silence yet.
const GRACE: Duration = Duration::from_secs(1);

/// The last frame of each replica that was ever seen; so one that vanishes keeps its line.
#[derive(Debug, Default)]
pub(super) struct LastSeen {
    replicas: BTreeMap<ReplicaId, Seen>,
}

#[derive(Debug)]
struct Seen {
    /// The last answer, with the last frame that ever came.
    last: Sighting,
    /// When that frame came.
    since: Instant,
}

impl LastSeen {
    /// All replicas, after one more answer.
    pub fn update(&mut self, answer: Result<Scene, Failure>, now: Instant) -> Scene {
        let (silence, sightings) = match answer {
            Ok(scene) => ("the replicas that answer do not know it".to_owned(), scene.replicas),
            Err(Failure::Silent { said, .. }) => (said, Vec::new()),
            Err(error) => (error.to_string(), Vec::new()),
        };
        for seen in self.replicas.values_mut() {
            seen.last.silence = Some(silence.clone());
            seen.last.stuck = None;
        }
        for sighting in sightings {
            self.see(sighting, now);
        }
        let sightings = self.replicas.values().map(|seen| seen.sighting(now));
        Scene::of(sightings.collect(), now_us())
    }

    fn see(&mut self, sighting: Sighting, now: Instant) {
        let nothing = || Seen { last: Sighting::default(), since: now };
        let seen = self.replicas.entry(sighting.replica).or_insert_with(nothing);
        let age_us = sighting.age_us;
        let frame = sighting.frame.clone();
        seen.last = Sighting { frame: seen.last.frame.take(), ..sighting };
        let Some(frame) = frame else { return };
        let name = |frame: &Frame| (frame.status.starts, frame.number);
        let is_known = seen.last.frame.as_ref().is_some_and(|known| name(known) == name(&frame));
        if !is_known {
            seen.since = now.checked_sub(Duration::from_micros(age_us)).unwrap_or(now);
            seen.last.frame = Some(frame);
        }
    }
}

impl Seen {
    fn sighting(&self, now: Instant) -> Sighting {
        let age = now.saturating_duration_since(self.since);
        let has_frame = self.last.frame.is_some();
        let still = has_frame && age > FRESH;
        let silence = self.last.silence.clone().filter(|_| !has_frame || age > GRACE);
        let silence =
            silence.or_else(|| still.then(|| "it answers, but makes no progress".to_owned()));
        Sighting { age_us: age.as_micros() as u64, silence, ..self.last.clone() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cli::inspect::example;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_replica_that_vanishes_keeps_its_frame_its_silence_and_a_growing_age() {
        let (mut memory, start) = (LastSeen::default(), Instant::now());
        let mut scene = example::scene();
        scene.replicas.truncate(2);
        memory.update(Ok(scene.clone()), start);

        scene.replicas[1].frame = None;
        scene.replicas[1].silence = Some("connection refused".to_owned());
        let soon = memory.update(Ok(scene.clone()), start + seconds(1) / 2);
        assert_eq!(soon.replicas[1].silence, None);
        let later = memory.update(Ok(scene), start + seconds(3));

        let gone = &later.replicas[1];
        assert_eq!(gone.frame, Some(Arc::new(example::frame(1))));
        assert_eq!(gone.silence.as_deref(), Some("connection refused"));
        assert_eq!(gone.age_us, 3_040_000);
    }

    #[test]
    fn when_nobody_answers_all_stay_listed() {
        let (mut memory, start) = (LastSeen::default(), Instant::now());
        memory.update(Ok(example::scene()), start);

        let said = "127.0.0.1:7200: no answer within 400ms".to_owned();
        let error = Failure::Silent { said, absent: false };
        let later = memory.update(Err(error), start + seconds(2));

        assert_eq!(later.replicas.len(), 3);
        let silence = later.replicas[0].silence.as_deref();
        assert_eq!(silence, Some("127.0.0.1:7200: no answer within 400ms"));
    }

    #[test]
    fn a_replica_that_shows_the_same_frame_for_long_does_not_move() {
        let (mut memory, start) = (LastSeen::default(), Instant::now());
        memory.update(Ok(example::scene()), start);

        let later = memory.update(Ok(example::scene()), start + seconds(4));

        assert_eq!(later.replicas[0].silence.as_deref(), Some("it answers, but makes no progress"));
    }
}
