//! The pace of a checkpoint that is being saved: processor and disk are for the clients first.

use super::Store;
use super::saving::Saving;

/// When a checkpoint should be saved, in bytes of the journal.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Due {
    /// The journal had so many when it was cut.
    from: u64,
    /// So many later the next one is likely to be.
    within: u64,
}

impl Due {
    /// That of a checkpoint which is cut when the journal has so many.
    pub fn next(self, logged: u64) -> Self {
        Self { from: logged, within: logged - self.from }
    }
}

/// Bytes that may be in memory twice however small the state is.
const COPIED_BYTES_MIN: u64 = 16 << 20;

/// What [`Store::rests`] says as a rule, and of a checkpoint that would not be saved when the next
/// one is due. Three replicas that share two processors leave more than nine tenths of them to
/// others.
const RESTS: u32 = 24;
const RESTS_BEHIND: u32 = 4;

/// Bytes of another replica's parts that may wait while the disk takes its time.
const PEER_BYTES_MAX: usize = 8 << 20;

impl Saving {
    /// Whether it would not be saved in time if it went on as it does.
    fn is_behind(&self, logged: u64) -> bool {
        let (parts, left) = (u128::from(self.parts), u128::from(self.left()));
        let since = u128::from(logged - self.due.from);
        // A quarter of the time is kept for what was not foreseen.
        parts * u128::from(self.due.within) * 3 < since * (parts + left) * 4
    }

    /// Whether more is in memory twice than should be.
    fn has_many_copies(&self) -> bool {
        self.copied_bytes() as u64 > (self.base_bytes / 8).max(COPIED_BYTES_MIN)
    }
}

impl Store {
    /// How many times as long as a piece of a checkpoint has taken the disk is to be left to others:
    /// not at all when the next one waits already, or too much is in memory twice.
    pub fn rests(&self) -> u32 {
        let waits = |fetching: &Saving| fetching.waiting_bytes() > PEER_BYTES_MAX;
        if self.waiting.is_some() || self.fetching.as_ref().is_some_and(waits) {
            return 0;
        }
        match &self.saving {
            Some(saving) if saving.has_many_copies() => 0,
            Some(saving) if saving.is_behind(self.logged) => RESTS_BEHIND,
            _ => RESTS,
        }
    }
}
