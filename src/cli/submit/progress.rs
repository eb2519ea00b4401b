//! Progress of `taraflow submit` on a terminal.

use std::time::{Duration, Instant};

use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressStyle};

/// Owns the bar.
pub(super) struct SubmitProgress {
    bar: ProgressBar,
    started: Instant,
    answered: u64,
    /// Of them, those that an earlier run submitted.
    before: u64,
}

impl SubmitProgress {
    /// Progress through an input of so many bytes, if that is known, of which an earlier run has
    /// submitted `before` commands.
    pub fn new(bytes: Option<u64>, before: u64) -> Self {
        let (bar, template) = match bytes {
            Some(bytes) => {
                (ProgressBar::new(bytes), "{bar:30} {percent}% of the input, {msg}, {eta} left")
            }
            None => (ProgressBar::new_spinner(), "{spinner} {msg}"),
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { bar, started: Instant::now(), answered: before, before }
    }

    /// So many bytes of the input have been read in all.
    pub fn on_read(&mut self, bytes: u64) {
        self.bar.set_position(bytes);
    }

    /// So many commands have been answered.
    pub fn on_answered(&mut self, count: u64) {
        self.answered += count;
        if count > 0 {
            let (answered, rate) = (HumanCount(self.answered), HumanCount(self.rate()));
            self.bar.set_message(format!("{answered} answered, {rate}/s"));
        }
    }

    fn rate(&self) -> u64 {
        let seconds = self.started.elapsed().max(Duration::from_millis(1)).as_secs_f64();
        ((self.answered - self.before) as f64 / seconds) as u64
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// What has been done, in words.
    pub fn summary(&self, errors: u64) -> String {
        let (answered, rate) = (HumanCount(self.answered), HumanCount(self.rate()));
        let took = match self.started.elapsed() {
            long if long >= Duration::from_secs(100) => HumanDuration(long).to_string(),
            short => format!("{:.1} s", short.as_secs_f64()),
        };
        format!("{answered} commands answered, {errors} with an error, in {took} ({rate}/s)")
    }
}
