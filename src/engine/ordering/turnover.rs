//! Turnover: how often views have changed lately, and so how long a leader is given.

use crate::model::config::Config;
use crate::model::types::Millis;

/// Owns the patience with leaders.
///
/// It doubles with each full round of leaders, not with each leader: in a cluster that is only
/// partly connected several may be of no use. That something is executed does not count: a cluster
/// slower than our patience gets that far too.
#[derive(Clone, Debug)]
pub struct Turnover {
    n: usize,
    suspect_after_ms: Millis,
    /// Views entered since a view last lasted.
    lately: usize,
    entered_at: Millis,
}

impl Turnover {
    const DOUBLINGS_MAX: usize = 6;
    /// A view has lasted when it has for so many times our patience.
    const LASTING: Millis = 10;

    /// All has been quiet.
    pub fn new(config: &Config) -> Self {
        let (n, suspect_after_ms) = (config.n, config.suspect_after_ms);
        Self { n, suspect_after_ms, lately: 0, entered_at: 0 }
    }

    /// A view is entered.
    pub fn on_entered(&mut self, now: Millis) {
        self.lately += 1;
        self.entered_at = now;
    }

    /// Time has passed.
    pub fn on_tick(&mut self, now: Millis) {
        if now.saturating_sub(self.entered_at) >= Self::LASTING * self.patience_ms() {
            self.lately = 0;
        }
    }

    /// How long a leader may be silent.
    pub fn patience_ms(&self) -> Millis {
        let rounds = (self.lately / self.n).min(Self::DOUBLINGS_MAX);
        self.suspect_after_ms << rounds
    }
}
