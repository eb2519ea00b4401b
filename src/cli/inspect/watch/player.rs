//! A recorded run, played.

use std::sync::Arc;
use std::time::Duration;

use super::view::ViewData;
use crate::cli::inspect::recording::Recording;
use crate::cli::outcome::Failure;
use crate::observe::scene::Scene;

/// Frames before the moment that is shown of which slots and events are told.
const BEFORE: usize = 128;

/// A recorded run and the moment of it that is shown.
#[derive(Debug)]
pub(super) struct Player {
    recording: Recording,
    moment_us: u64,
    pub playing: bool,
}

impl Player {
    /// Shows this moment; and goes on from there if `playing`.
    pub fn new(recording: Recording, moment_us: u64, playing: bool) -> Self {
        Self { recording, moment_us, playing }
    }

    /// Lets time pass; returns whether there is something new to show.
    pub fn pass(&mut self, time: Duration) -> bool {
        if !self.playing {
            return false;
        }
        let (_, last) = self.recording.span_us();
        self.moment_us = self.moment_us.saturating_add(time.as_micros() as u64).min(last);
        self.playing = self.moment_us < last;
        true
    }

    /// Plays or pauses; at the end it begins again.
    pub fn toggle(&mut self) {
        let (first, last) = self.recording.span_us();
        self.playing = !self.playing;
        if self.playing && self.moment_us >= last {
            self.moment_us = first;
        }
    }

    /// Goes to the next frame, or the one before, and pauses.
    pub fn step(&mut self, forwards: bool) {
        self.playing = false;
        let moment = if forwards {
            self.recording.after(self.moment_us)
        } else {
            self.recording.before(self.moment_us)
        };
        self.moment_us = moment.unwrap_or(self.moment_us);
    }

    /// What is to be seen now.
    ///
    /// # Errors
    /// That a frame cannot be read.
    pub fn show(&mut self) -> Result<ViewData, Failure> {
        let mut shown = ViewData::default();
        for frame in self.recording.last(BEFORE, self.moment_us)? {
            shown.history.add(&Arc::new(frame));
        }
        shown.scene = Some(Scene::of(self.recording.sightings(self.moment_us)?, self.moment_us));
        Ok(shown)
    }

    /// Which run, and which moment of it.
    pub fn title(&self) -> String {
        let (first, last) = self.recording.span_us();
        let seconds = |us: u64| us as f64 / 1e6;
        let (at, length) = (seconds(self.moment_us - first), seconds(last - first));
        let cut = if self.recording.cut { ", cut" } else { "" };
        let (protocol, seed) = (&self.recording.protocol, self.recording.seed);
        format!("{protocol}, seed {seed}{cut} | {at:.2} s of {length:.2} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::inspect::example;

    /// A run of one second, with a frame of replica 0 each quarter of it.
    fn player(playing: bool) -> Player {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("run.ndjson");
        let mut text = r#"{"taraflow_trace":1,"protocol":"tara","n":3,"seed":42}"#.to_owned();
        for number in 0..5 {
            let mut frame = example::frame(0);
            (frame.number, frame.at_us) = (number, 1_000_000 + 250_000 * number);
            text += &format!("\n{}", serde_json::to_string(&frame).unwrap());
        }
        std::fs::write(&path, text + "\n{\"end\":true,\"frames\":5}\n").unwrap();
        Player::new(Recording::open(&path).unwrap(), 1_000_000, playing)
    }

    fn number(player: &mut Player) -> u64 {
        player.show().unwrap().frame(crate::model::types::ReplicaId(0)).unwrap().number
    }

    #[test]
    fn a_run_plays_to_its_end_and_begins_again_when_asked() {
        let mut player = player(true);
        assert!(player.pass(Duration::from_millis(600)));
        assert_eq!(number(&mut player), 2);

        player.pass(Duration::from_secs(9));
        assert_eq!((number(&mut player), player.playing), (4, false));
        assert!(!player.pass(Duration::from_secs(1)));
        assert_eq!(player.title(), "tara, seed 42 | 1.00 s of 1.00 s");

        player.toggle();
        assert_eq!((number(&mut player), player.playing), (0, true));
    }

    #[test]
    fn a_step_goes_to_the_next_frame_and_pauses() {
        let mut player = player(true);

        player.step(true);
        assert_eq!((number(&mut player), player.playing), (1, false));
        player.step(false);
        player.step(false);
        assert_eq!(number(&mut player), 0);
    }

    #[test]
    fn what_was_before_the_moment_is_known_and_what_comes_is_not() {
        let mut player = player(false);
        player.step(true);

        let shown = player.show().unwrap();

        let earlier = shown.history.earlier(crate::model::types::ReplicaId(0));
        assert_eq!(earlier.unwrap().number, 0);
        assert_eq!(shown.scene.unwrap().replicas[2].frame, None);
    }
}
