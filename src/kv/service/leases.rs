//! Named leases: who may act, until when, and under which token.
//!
//! A lease ends by the agreed time, so it ends in one place of the order on all replicas. Whoever is
//! given a name anew is given a token above all before it: whatever keeps the highest token that it
//! has seen, inside the store or outside, can refuse a holder that has not noticed its end.
//!
//! Leases are no keys: nothing that works on keys sees or ends them, FLUSHALL included.

use std::collections::{BTreeMap, BTreeSet};

pub(super) mod commands;

/// The most leases at a time. They are in one part of the state, which is written as a whole.
pub(super) const LEASES_MAX: usize = 4096;

/// The most bytes of a name, and of an owner.
pub(super) const NAME_BYTES_MAX: usize = 256;

/// The longest time that a lease is given or renewed for, in milliseconds: seven days.
pub(super) const TTL_MS_MAX: u64 = 7 * 24 * 60 * 60 * 1000;

/// What a lease takes besides name and owner, near enough: two trees' places, token and time.
const OVERHEAD_BYTES: usize = 160;

/// A lease that somebody holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lease {
    pub(super) owner: Box<[u8]>,
    pub(super) token: u64,
    /// The agreed time at which it is over.
    pub(super) expires_ms: u64,
}

/// What became of a wish for a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Acquired {
    /// The owner holds it, under this token.
    Token(u64),
    /// Somebody else holds it.
    Held,
}

/// All leases, and the token given last, which nothing resets.
///
/// Times are those of the state. After [`expire`](Self::expire) no lease is left that is over.
#[derive(Clone, Debug, Default)]
pub(super) struct Leases {
    held: BTreeMap<Box<[u8]>, Lease>,
    by_time_ms: BTreeSet<(u64, Box<[u8]>)>,
    /// The bytes of names and owners.
    bytes: usize,
    last_token: u64,
    /// Whether something has changed since this was asked.
    changed: bool,
}

/// What was asked is no part of it.
impl PartialEq for Leases {
    fn eq(&self, other: &Self) -> bool {
        (self.last_token, &self.held) == (other.last_token, &other.held)
    }
}

impl Leases {
    /// Gives `name` to `owner` until `expires_ms` at least. An owner that holds it keeps its token.
    pub(super) fn acquire(&mut self, name: &[u8], owner: &[u8], expires_ms: u64) -> Acquired {
        if let Some(lease) = self.held.get(name) {
            let token = lease.token;
            if *lease.owner != *owner {
                return Acquired::Held;
            }
            self.extend(name, expires_ms);
            return Acquired::Token(token);
        }
        self.last_token += 1;
        let token = self.last_token;
        self.insert(name, Lease { owner: owner.into(), token, expires_ms });
        Acquired::Token(token)
    }

    /// Lets the lease last until `expires_ms` at least; returns whether it is held under `token`.
    pub(super) fn renew(&mut self, name: &[u8], token: u64, expires_ms: u64) -> bool {
        let is_held = self.is_held(name, token);
        if is_held {
            self.extend(name, expires_ms);
        }
        is_held
    }

    /// Ends the lease; returns whether it was held under `token`.
    pub(super) fn release(&mut self, name: &[u8], token: u64) -> bool {
        let is_held = self.is_held(name, token);
        if is_held {
            self.remove(name);
        }
        is_held
    }

    /// Whether `name` is held under `token`.
    pub(super) fn is_held(&self, name: &[u8], token: u64) -> bool {
        self.held.get(name).is_some_and(|lease| lease.token == token)
    }

    /// The lease of this name, if somebody holds it.
    pub(super) fn get(&self, name: &[u8]) -> Option<&Lease> {
        self.held.get(name)
    }

    /// Ends the leases whose time has come.
    #[inline]
    pub(super) fn expire(&mut self, now_ms: u64) {
        while let Some((expires_ms, name)) = self.by_time_ms.first()
            && *expires_ms <= now_ms
        {
            let name = name.clone();
            self.remove(&name);
        }
    }

    /// Whether there is no room for another name.
    pub(super) fn is_full(&self) -> bool {
        self.held.len() >= LEASES_MAX
    }

    /// The memory that leases take, near enough; it depends on nothing but them.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.held.len() * OVERHEAD_BYTES
    }

    /// The token given last; zero before the first.
    pub(super) fn last_token(&self) -> u64 {
        self.last_token
    }

    /// The names and their leases, ascending.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &Lease)> {
        self.held.iter().map(|(name, lease)| (&name[..], lease))
    }

    /// None yet, and `last_token` was the last token; see [`iter`](Self::iter).
    pub(super) fn after(last_token: u64) -> Self {
        Self { last_token, changed: true, ..Self::default() }
    }

    /// Takes up what [`iter`](Self::iter) gave.
    pub(super) fn insert(&mut self, name: &[u8], lease: Lease) {
        assert!(lease.token <= self.last_token, "a token in use has been given");
        self.bytes += name.len() + lease.owner.len();
        self.by_time_ms.insert((lease.expires_ms, name.into()));
        let before = self.held.insert(name.into(), lease);
        assert!(before.is_none(), "a name has one lease");
        self.changed = true;
    }

    /// Whether something has changed since this was last called.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    fn extend(&mut self, name: &[u8], expires_ms: u64) {
        let Some(lease) = self.held.get_mut(name) else { return };
        // A holder counts on what it was given: a renewal for less must not take it back.
        if expires_ms > lease.expires_ms {
            self.by_time_ms.remove(&(lease.expires_ms, name.into()));
            self.by_time_ms.insert((expires_ms, name.into()));
            lease.expires_ms = expires_ms;
            self.changed = true;
        }
    }

    fn remove(&mut self, name: &[u8]) {
        if let Some(lease) = self.held.remove(name) {
            self.by_time_ms.remove(&(lease.expires_ms, name.into()));
            self.bytes -= name.len() + lease.owner.len();
            self.changed = true;
        }
    }
}

#[cfg(test)]
mod tests;
