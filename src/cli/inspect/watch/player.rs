//! A recorded run, played.

use std::sync::Arc;
use std::time::Duration;

use super::view::Shown;
use crate::cli::inspect::recording::Recording;
use crate::error::Error;
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

    /// Lets time pass; the answer is whether there is something new to show.
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
    pub fn show(&mut self) -> Result<Shown, Error> {
        let mut shown = Shown::default();
        for frame in self.recording.last(BEFORE, self.moment_us)? {
            shown.history.take(&frame);
            shown.keep(Arc::new(frame));
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
