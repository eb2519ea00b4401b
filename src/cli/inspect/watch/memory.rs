//! What was last seen of each replica, however long ago.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cli::inspect::sources::now_us;
use crate::error::Error;
use crate::observe::doing::Stuck;
use crate::observe::frame::Frame;
use crate::observe::scene::{Scene, Sighting};
use crate::types::ReplicaId;

/// A replica of which the same frame comes for so long does not move: one is made four times a second,
/// and what others pass on is up to a second older.
const FRESH: Duration = Duration::from_secs(3);

/// One answer that does not come is no silence yet.
const GRACE: Duration = Duration::from_secs(1);

/// The last frame of each replica that was ever seen; so one that vanishes keeps its line.
#[derive(Debug, Default)]
pub(super) struct Memory {
    replicas: BTreeMap<ReplicaId, Seen>,
}

#[derive(Debug)]
struct Seen {
    frame: Option<Arc<Frame>>,
    /// When the frame came.
    since: Instant,
    silence: Option<String>,
    stuck: Option<Stuck>,
}

impl Memory {
    /// All replicas, after one more answer.
    pub fn update(&mut self, answer: Result<Scene, Error>, now: Instant) -> Scene {
        match answer {
            Ok(scene) => {
                for seen in self.replicas.values_mut() {
                    seen.silence = Some("those who answer do not know it".to_owned());
                    seen.stuck = None;
                }
                for sighting in scene.replicas {
                    self.see(sighting, now);
                }
            }
            Err(error) => {
                let silence = match error {
                    Error::Silent { said } => said,
                    error => error.to_string(),
                };
                for seen in self.replicas.values_mut() {
                    seen.silence = Some(silence.clone());
                    seen.stuck = None;
                }
            }
        }
        let sightings = self.replicas.iter().map(|(replica, seen)| seen.sighting(*replica, now));
        Scene::of(sightings.collect(), now_us())
    }

    fn see(&mut self, sighting: Sighting, now: Instant) {
        let Sighting { replica, frame, age_us, silence, stuck } = sighting;
        let seen = self.replicas.entry(replica).or_insert(Seen::nothing(now));
        (seen.silence, seen.stuck) = (silence, stuck);
        let Some(frame) = frame else { return };
        let name = |frame: &Frame| (frame.status.starts, frame.number);
        let is_known = seen.frame.as_ref().is_some_and(|known| name(known) == name(&frame));
        if !is_known {
            seen.since = now.checked_sub(Duration::from_micros(age_us)).unwrap_or(now);
            seen.frame = Some(frame);
        }
    }
}

impl Seen {
    fn nothing(now: Instant) -> Self {
        Self { frame: None, since: now, silence: None, stuck: None }
    }

    fn sighting(&self, replica: ReplicaId, now: Instant) -> Sighting {
        let age = now.saturating_duration_since(self.since);
        let still = self.frame.is_some() && age > FRESH;
        let silence = self.silence.clone().filter(|_| self.frame.is_none() || age > GRACE);
        let silence = silence.or_else(|| still.then(|| "it answers, and does not move".to_owned()));
        let (frame, stuck) = (self.frame.clone(), self.stuck.clone());
        Sighting { replica, frame, age_us: age.as_micros() as u64, silence, stuck }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::inspect::example;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_replica_that_vanishes_keeps_its_frame_its_silence_and_a_growing_age() {
        let (mut memory, start) = (Memory::default(), Instant::now());
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
        let (mut memory, start) = (Memory::default(), Instant::now());
        memory.update(Ok(example::scene()), start);

        let error = Error::Silent { said: "127.0.0.1:7200: no answer within 400ms".to_owned() };
        let later = memory.update(Err(error), start + seconds(2));

        assert_eq!(later.replicas.len(), 3);
        let silence = later.replicas[0].silence.as_deref();
        assert_eq!(silence, Some("127.0.0.1:7200: no answer within 400ms"));
    }

    #[test]
    fn a_replica_that_shows_the_same_frame_for_long_does_not_move() {
        let (mut memory, start) = (Memory::default(), Instant::now());
        memory.update(Ok(example::scene()), start);

        let later = memory.update(Ok(example::scene()), start + seconds(4));

        assert_eq!(later.replicas[0].silence.as_deref(), Some("it answers, and does not move"));
    }
}
