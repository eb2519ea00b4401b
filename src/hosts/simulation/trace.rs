//! The trace of a run: one number always, and lines when asked for.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};

use super::faults::Micros;

/// Folds everything that happens into a fingerprint, and keeps the last lines if it is to.
pub(super) struct Trace {
    fold: Fold,
    lines: Option<VecDeque<String>>,
}

/// Lines kept.
const LINES: usize = 200;

impl Trace {
    pub fn new(keep: bool) -> Self {
        Self { fold: Fold(0xcbf2_9ce4_8422_2325), lines: keep.then(VecDeque::new) }
    }

    /// Notes that `what` happened at `now`; `line` says it in words.
    pub fn note(&mut self, now: Micros, what: impl Hash, line: impl FnOnce() -> String) {
        now.hash(&mut self.fold);
        what.hash(&mut self.fold);
        if let Some(lines) = &mut self.lines {
            if lines.len() == LINES {
                lines.pop_front();
            }
            lines.push_back(format!("{:>12.6} {}", now as f64 / 1e6, line()));
        }
    }

    /// Notes what is implied by lines elsewhere.
    pub fn fold(&mut self, what: impl Hash) {
        what.hash(&mut self.fold);
    }

    pub fn fingerprint(&self) -> u64 {
        self.fold.finish()
    }

    pub fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default().into()
    }
}

/// A hasher of our own: the standard one may change with the compiler.
struct Fold(u64);

impl Fold {
    fn word(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
    }
}

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        for byte in rest {
            self.word(u64::from(*byte) + 1);
        }
    }
}
