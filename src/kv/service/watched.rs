//! Watched keys, so that EXEC can tell whether they were modified.

use std::collections::BTreeMap;

/// The most keys that are remembered, and their bytes. Those watched longest ago are forgotten
/// first; whoever still watches one of these finds it modified.
const KEYS_MAX: usize = 1 << 16;
const BYTES_MAX: usize = 8 << 20;

/// The keys that were watched and have not been modified since, each with a version.
///
/// A modification forgets the key, and no version is given twice; so a key still has a version if
/// and only if it was not modified since it got it. Keys that do not exist are watched like others,
/// and a key that nobody watches costs nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Watched {
    versions: BTreeMap<Box<[u8]>, u64>,
    by_version: BTreeMap<u64, Box<[u8]>>,
    /// The bytes of the keys.
    bytes: usize,
    last: u64,
    /// Whether something has changed since this was asked.
    changed: bool,
}

/// What was asked is no part of it.
impl PartialEq for Watched {
    fn eq(&self, other: &Self) -> bool {
        (self.last, &self.by_version) == (other.last, &other.by_version)
    }
}

impl Watched {
    /// The version of `key` as it is; from now on its modification will be noticed.
    pub(super) fn watch(&mut self, key: &[u8]) -> u64 {
        if let Some(version) = self.versions.get(key) {
            return *version;
        }
        self.last += 1;
        self.remember(key, self.last);
        while self.versions.len() > KEYS_MAX || self.bytes > BYTES_MAX {
            let Some((_, oldest)) = self.by_version.pop_first() else { break };
            self.versions.remove(&oldest);
            self.bytes -= oldest.len();
        }
        self.last
    }

    /// Whether `key` was not modified since it had this version.
    pub(super) fn is_unmodified(&self, key: &[u8], version: u64) -> bool {
        self.versions.get(key) == Some(&version)
    }

    /// Notes that `key` was modified.
    #[inline]
    pub(super) fn modify(&mut self, key: &[u8]) {
        if !self.versions.is_empty() {
            self.forget(key);
        }
    }

    fn forget(&mut self, key: &[u8]) {
        if let Some(version) = self.versions.remove(key) {
            self.by_version.remove(&version);
            self.bytes -= key.len();
            self.changed = true;
        }
    }

    /// Whether something has changed since this was last called.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Notes that all keys were modified of which `is_modified` says so.
    pub(super) fn modify_all(&mut self, is_modified: impl Fn(&[u8]) -> bool) {
        let modified: Vec<_> =
            self.versions.keys().filter(|key| is_modified(key)).cloned().collect();
        modified.iter().for_each(|key| self.forget(key));
    }

    /// The version given last.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// The versions and their keys, ascending.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (u64, &[u8])> {
        self.by_version.iter().map(|(version, key)| (*version, &key[..]))
    }

    /// None yet, and `last` was the last version; see [`iter`](Self::iter).
    pub(super) fn after(last: u64) -> Self {
        Self { last, ..Self::default() }
    }

    /// Takes up what [`iter`](Self::iter) gave.
    pub(super) fn remember(&mut self, key: &[u8], version: u64) {
        self.versions.insert(key.into(), version);
        self.by_version.insert(version, key.into());
        self.bytes += key.len();
        self.changed = true;
        let is_unique = self.versions.len() == self.by_version.len();
        assert!(is_unique, "each watched key has one version, and each version one key");
    }

    /// Whether `key` is watched.
    pub(super) fn knows(&self, key: &[u8]) -> bool {
        self.versions.contains_key(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_ends_with_the_first_modification() {
        let mut watched = Watched::default();
        let (first, other) = (watched.watch(b"k"), watched.watch(b"other"));
        assert_eq!(watched.watch(b"k"), first);
        assert!(watched.is_unmodified(b"k", first));

        watched.modify(b"k");

        assert!(!watched.is_unmodified(b"k", first) && watched.is_unmodified(b"other", other));
        let second = watched.watch(b"k");
        assert!(second > first && !watched.is_unmodified(b"k", first));
    }

    #[test]
    fn what_was_watched_longest_ago_is_forgotten_when_there_is_too_much() {
        let mut watched = Watched::default();
        let versions: Vec<_> =
            (0..KEYS_MAX as u64 + 9).map(|key| watched.watch(&key.to_be_bytes())).collect();

        let unmodified =
            |key: u64| watched.is_unmodified(&key.to_be_bytes(), versions[key as usize]);
        assert!(!unmodified(8) && unmodified(9));
        assert_eq!((watched.versions.len(), watched.bytes), (KEYS_MAX, 8 * KEYS_MAX));

        let large = vec![0; BYTES_MAX / 2];
        watched.watch(&large);
        watched.watch(&large[1..]);
        watched.watch(&large[2..]);
        assert!(watched.versions.len() == 2 && watched.bytes <= BYTES_MAX);
    }

    #[test]
    #[should_panic(expected = "each watched key has one version")]
    fn a_version_without_a_key_is_noticed() {
        let mut watched = Watched::default();
        watched.by_version.insert(9, b"stray"[..].into());
        watched.watch(b"k");
    }
}
