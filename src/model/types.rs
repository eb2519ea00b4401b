//! The nouns every protocol shares.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize,
            Deserialize, JsonSchema,
        )]
        pub struct $name(pub $inner);

        impl $name {
            /// The number after this one.
            pub fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// A position in the totally ordered log, counted from zero. Also the timestamp of the ordered
    /// stream: "everything below this slot" is a timely frontier there.
    Slot(u64)
}
number! {
    /// A period with one leader. Views only grow.
    View(u64)
}
number! {
    /// One of the `n` replicas of the cluster, counted from zero.
    ReplicaId(u16)
}
number! {
    /// A client's session, named by the log when the session is opened, and never reused.
    ClientId(u64)
}

/// No count in a running system comes near this one; one that claims to did not come from a
/// replica.
const COUNT_MAX: u64 = 1 << 62;

/// Whether a count that came from outside can be true, so that adding to it cannot overflow.
pub fn is_plausible(count: u64) -> bool {
    count < COUNT_MAX
}

impl Slot {
    /// Whether a slot that came from outside can be one.
    pub fn is_plausible(self) -> bool {
        is_plausible(self.0)
    }
}

impl View {
    /// Whether a view that came from outside can be one.
    pub fn is_plausible(self) -> bool {
        is_plausible(self.0)
    }
}

impl ClientId {
    const LINE: u64 = 1 << 63;

    /// The name of a connection that has no session: its requests take effect as often as they are
    /// agreed on, which is once unless whoever sent them sends them again. Never the name of a
    /// session.
    pub fn of_line(line: u64) -> Self {
        Self(line | Self::LINE)
    }

    /// The connection, if this is the name of one.
    pub fn line(self) -> Option<u64> {
        (self.0 & Self::LINE != 0).then_some(self.0 & !Self::LINE)
    }
}

/// Milliseconds on a replica's own clock, which may jump and drift: good for patience, never for
/// agreement.
pub type Millis = u64;

impl View {
    /// The replica that leads this view in a cluster of `n`.
    pub fn leader(self, n: usize) -> ReplicaId {
        ReplicaId((self.0 % n as u64) as u16)
    }

    /// The first view after this one that `replica` leads in a cluster of `n`.
    pub fn next_of(self, replica: ReplicaId, n: usize) -> Self {
        let n = n as u64;
        let ahead = (u64::from(replica.0) + n - self.0 % n) % n;
        Self(self.0 + if ahead == 0 { n } else { ahead })
    }
}

/// Who a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum To {
    /// Every replica, the sender included.
    All,
    /// Every replica but the sender.
    Others,
    /// One replica, perhaps the sender.
    One(ReplicaId),
}

impl To {
    /// The replicas of a cluster of `n` that a message from `me` reaches.
    pub fn replicas(self, me: ReplicaId, n: usize) -> impl Iterator<Item = ReplicaId> {
        (0..n as u16).map(ReplicaId).filter(move |peer| match self {
            To::All => true,
            To::Others => *peer != me,
            To::One(one) => *peer == one,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_view_of_a_replica_is_a_later_one_that_it_leads() {
        for view in (0..10).map(View) {
            for replica in (0..3).map(ReplicaId) {
                let next = view.next_of(replica, 3);
                assert_eq!(next.leader(3), replica);
                assert!(view < next && next.0 <= view.0 + 3, "{next} after {view}");
            }
        }
    }
}
